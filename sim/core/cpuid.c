/* CPUID: leaves made from the feature table and the model's own leaves, then the few fields that depend on the machine
 * or on state. SDM 2 "CPUID"; APM 3 "Obtaining Processor Information Via the CPUID Instruction". */
#include <string.h>

#include "sim/arch/msr.h"
#include "sim/core/model.h"
#include "sim/core/xsave.h"
#include "sim/machine/machine.h"

#define LEAF_EXTENDED 0x80000000u

static void add_features(const struct cpu_model *m, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out) {
    uint32_t *regs[] = {&out->eax, &out->ebx, &out->ecx, &out->edx};
    for (unsigned f = FEAT_NONE + 1; f < FEAT_COUNT; f++) {
        const struct feature_row *row = &feature_rows[f];
        if (row->leaf == leaf && row->subleaf == subleaf && model_has(m, (enum feature)f))
            *regs[row->reg] |= 1u << row->bit;
    }
    /* AMD: 8000_0001h EDX repeats the bits of function 1 that it shares */
    if (leaf == LEAF_EXTENDED + 1 && m->vendor == VENDOR_AMD) {
        struct cpuid_regs basic = {0};
        add_features(m, 1, 0, &basic);
        out->edx |= basic.edx & 0x0183F3FF;
    }
}

static void add_model_leaves(const struct cpu_model *m, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out) {
    for (const struct cpuid_leaf *l = m->leaves; l && l->leaf != ~0u; l++) {
        if (l->leaf != leaf || (l->subleaf != ~0u && l->subleaf != subleaf)) continue;
        out->eax |= l->r.eax;
        out->ebx |= l->r.ebx;
        out->ecx |= l->r.ecx;
        out->edx |= l->r.edx;
    }
}

/* ---- leaves with computed fields ---- */

struct ctx {
    struct cpu *cpu;
    const struct cpu_model *m;
    uint32_t subleaf;
    unsigned cpus, id_bits; /* processors in the package; bits of the APIC id that number them */
    unsigned package_shift; /* bits of the APIC id below the package's number */
};

static void leaf_vendor(const struct ctx *c, struct cpuid_regs *r) {
    const char *v = c->m->vendor == VENDOR_INTEL ? "GenuineIntel" : "AuthenticAMD";
    memcpy(&r->ebx, v, 4);
    memcpy(&r->edx, v + 4, 4);
    memcpy(&r->ecx, v + 8, 4);
}

static void leaf_max_basic(const struct ctx *c, struct cpuid_regs *r) {
    r->eax = c->m->max_leaf;
    leaf_vendor(c, r);
}

static void leaf_max_extended(const struct ctx *c, struct cpuid_regs *r) {
    r->eax = c->m->max_extended;
    if (c->m->vendor == VENDOR_AMD) leaf_vendor(c, r);
}

static uint32_t signature(const struct cpu_model *m) {
    uint32_t base = m->family > 15 ? 15 : m->family;
    return m->stepping | (m->model & 15u) << 4 | base << 8 | (uint32_t)(m->model >> 4) << 16 | (m->family - base) << 20;
}

static void leaf_1(const struct ctx *c, struct cpuid_regs *r) {
    const struct cpu *cpu = c->cpu;
    r->eax = signature(c->m);
    r->ebx = 8u << 8 | (1u << c->id_bits) << 16 | cpu->apic_id << 24; /* CLFLUSH line: 8 quadwords */
    if (c->cpus > 1) r->edx |= 1u << 28;                              /* HTT: EBX[23:16] is meaningful */
    if (!lapic_enabled(cpu)) r->edx &= ~(1u << 9);
    if (cpu->ctl.cr4 & CR4_OSXSAVE) r->ecx |= 1u << 27;
    if (c->m->vendor == VENDOR_INTEL && !(cpu->msr.misc_enable & MISC_ENABLE_MONITOR))
        r->ecx &= ~(1u << 3); /* ENABLE MONITOR FSM */
}

static void leaf_4(const struct ctx *c, struct cpuid_regs *r) {
    if (!(r->eax & 0x1F)) return;
    unsigned level = r->eax >> 5 & 7;
    uint32_t sharing = level >= 3 ? (1u << c->id_bits) - 1 : 0;
    r->eax |= sharing << 14 | ((1u << c->id_bits) - 1) << 26;
}

static void leaf_5(const struct ctx *c, struct cpuid_regs *r) {
    if (!model_has(c->m, FEAT_MONITOR)) return;
    r->eax = r->ebx = 64; /* monitor line, smallest and largest */
    r->ecx = 3;           /* enumeration, and interrupts as break events even with IF = 0 */
    r->edx = 0x20;        /* C1: two sub-states */
}

/* Subleaf 0's EAX: the highest subleaf that has a feature */
static void leaf_7(const struct ctx *c, struct cpuid_regs *r) {
    for (unsigned f = FEAT_NONE + 1; f < FEAT_COUNT && c->subleaf == 0; f++)
        if (feature_rows[f].leaf == 7 && feature_rows[f].subleaf > r->eax && model_has(c->m, (enum feature)f))
            r->eax = feature_rows[f].subleaf;
    if (c->subleaf == 0 && (c->cpu->ctl.cr4 & CR4_PKE)) r->ecx |= 1u << 4; /* OSPKE */
}

static void leaf_d(const struct ctx *c, struct cpuid_regs *r) { xsave_cpuid(c->cpu, c->subleaf, r); }

/* Extended topology: one thread per core, every core in one package. */
static void leaf_topology(const struct ctx *c, struct cpuid_regs *r) {
    r->ecx = c->subleaf & 0xFF;
    r->edx = c->cpu->apic_id;
    if (c->subleaf == 0) {
        r->ebx = 1;
        r->ecx |= 1u << 8;
    } else if (c->subleaf == 1) {
        r->eax = c->package_shift;
        r->ebx = c->cpus;
        r->ecx |= 2u << 8;
    }
}

/* TSC = crystal * EBX / EAX. The APIC timer counts the crystal clock (SDM 3, "APIC Timer"), which is the machine's. */
static void leaf_tsc(const struct ctx *c, struct cpuid_regs *r) {
    uint64_t hz = c->m->tsc_khz * 1000ull;
    r->eax = 1;
    r->ebx = (uint32_t)(hz / CYCLES_PER_SEC);
    r->ecx = (uint32_t)CYCLES_PER_SEC;
}

static void leaf_frequency(const struct ctx *c, struct cpuid_regs *r) {
    r->eax = r->ebx = c->m->tsc_khz / 1000;
    r->ecx = 100;
}

static void leaf_ext_1(const struct ctx *c, struct cpuid_regs *r) {
    if (c->m->vendor == VENDOR_AMD) r->eax = signature(c->m);
    if (c->m->vendor == VENDOR_AMD && !lapic_enabled(c->cpu)) r->edx &= ~(1u << 9);
    if (c->cpu->msr.misc_enable & MISC_ENABLE_XD_DISABLE) r->edx &= ~(1u << 20);
    /* Intel: SYSCALL is reported in 64-bit mode only */
    if (c->m->vendor == VENDOR_INTEL && !cpu_is_64(c->cpu)) r->edx &= ~(1u << 11);
    if (c->m->vendor == VENDOR_AMD && c->cpus == 1) r->ecx &= ~(1u << 1); /* CmpLegacy */
}

static void brand(const struct ctx *c, struct cpuid_regs *r, unsigned part) {
    char text[48] = {0};
    size_t len = strlen(c->m->brand);
    memcpy(text, c->m->brand, len < sizeof text ? len : sizeof text - 1);
    memcpy(r, text + part * 16, 16);
}
static void leaf_brand_0(const struct ctx *c, struct cpuid_regs *r) { brand(c, r, 0); }
static void leaf_brand_1(const struct ctx *c, struct cpuid_regs *r) { brand(c, r, 1); }
static void leaf_brand_2(const struct ctx *c, struct cpuid_regs *r) { brand(c, r, 2); }

static void leaf_sizes(const struct ctx *c, struct cpuid_regs *r) {
    r->eax = c->m->phys_bits | (uint32_t)c->m->lin_bits << 8;
    if (c->m->vendor != VENDOR_AMD) return;
    r->ecx = (c->cpus - 1) | c->package_shift << 12;
    if (model_has(c->m, FEAT_RDPRU)) r->edx = 1u << 16; /* highest RDPRU register: APERF */
}

static void leaf_amd_cache(const struct ctx *c, struct cpuid_regs *r) {
    if ((r->eax & 0x1F) && (r->eax >> 5 & 7) == 3) r->eax |= (c->cpus - 1) << 14;
}

static void leaf_amd_topology(const struct ctx *c, struct cpuid_regs *r) {
    r->eax = c->cpu->apic_id;
    r->ebx = c->cpu->apic_id & ((1u << c->id_bits) - 1); /* one thread per core */
    r->ecx = c->cpu->apic_id >> c->package_shift & 0xFF; /* one node per package */
}

_Static_assert(sizeof(struct cpuid_regs) == 16, "filled as bytes");

static const struct {
    uint32_t leaf;
    bool intel, amd;
    void (*fill)(const struct ctx *c, struct cpuid_regs *r);
} computed[] = {
    {0x0,        true,  true,  leaf_max_basic   },
    {0x1,        true,  true,  leaf_1           },
    {0x4,        true,  false, leaf_4           },
    {0x5,        true,  true,  leaf_5           },
    {0x7,        true,  true,  leaf_7           },
    {0xB,        true,  true,  leaf_topology    },
    {0xD,        true,  true,  leaf_d           },
    {0x15,       true,  false, leaf_tsc         },
    {0x16,       true,  false, leaf_frequency   },
    {0x1F,       true,  false, leaf_topology    },
    {0x80000000, true,  true,  leaf_max_extended},
    {0x80000001, true,  true,  leaf_ext_1       },
    {0x80000002, true,  true,  leaf_brand_0     },
    {0x80000003, true,  true,  leaf_brand_1     },
    {0x80000004, true,  true,  leaf_brand_2     },
    {0x80000008, true,  true,  leaf_sizes       },
    {0x8000001D, false, true,  leaf_amd_cache   },
    {0x8000001E, false, true,  leaf_amd_topology},
};

/* Leaves beyond the highest: Intel answers with the highest basic leaf, AMD with zeros. false: zeros. */
static bool clamp_leaf(const struct cpu_model *m, uint32_t *leaf) {
    uint32_t max = *leaf >= LEAF_EXTENDED ? m->max_extended : m->max_leaf;
    if (*leaf <= max) return true;
    *leaf = m->max_leaf;
    return m->vendor == VENDOR_INTEL;
}

/* Leaves whose subleaves all read the same */
static bool has_subleaves(uint32_t leaf) {
    return leaf == 0x4 || leaf == 0x7 || leaf == 0xB || leaf == 0xD || leaf == 0x1F || leaf == 0x8000001D;
}

static unsigned bits_for(unsigned count) {
    unsigned bits = 0;
    while (1u << bits < count) bits++;
    return bits;
}

void cpuid(struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out) {
    const struct cpu_model *m = cpu->model;
    unsigned cpus = cpu->machine && cpu->machine->cpu_count ? cpu->machine->cpu_count : 1;
    unsigned step = cpu->machine && cpu->machine->apic_id_step ? cpu->machine->apic_id_step : 1;
    if (step > 1) cpus = 1; /* every processor is a package */
    struct ctx c = {.cpu = cpu, .m = m, .subleaf = subleaf, .cpus = cpus, .id_bits = bits_for(cpus)};
    c.package_shift = step > 1 ? bits_for(step) : c.id_bits;

    memset(out, 0, sizeof *out);
    if (!clamp_leaf(m, &leaf)) return;
    add_features(m, leaf, has_subleaves(leaf) ? subleaf : 0, out);
    add_model_leaves(m, leaf, subleaf, out);
    for (unsigned k = 0; k < sizeof computed / sizeof computed[0]; k++)
        if (computed[k].leaf == leaf && (m->vendor == VENDOR_INTEL ? computed[k].intel : computed[k].amd))
            computed[k].fill(&c, out);
    if (leaf == 1) msr_load_microcode(cpu);
    if (cpu->virt.ops && cpu->virt.ops->cpuid) cpu->virt.ops->cpuid(cpu, leaf, subleaf, out);
}
