/* A guest of random bytes in every mode. Whatever it does must be an architectural event of the guest and never a
 * crash, a hang or an undefined operation of the host: run it under the sanitizers (`make asan`).
 *
 * Each round gives the processor a mode, random registers, tables whose gates lead back into random code, and a few
 * thousand instructions. usage: fuzz_modes [-n MILLIONS] [-s SEED] [-m MODEL] [-v] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/core/flags.h"
#include "sim/core/system.h"
#include "sim/machine/machine.h"

#define RAM_BYTES   (16u << 20)
#define GDT_BASE    0x1000u
#define IDT_BASE    0x2000u
#define TSS_BASE    0x4000u
#define IVT_BASE    0x0u
#define PT_BASE     0x8000u
#define CODE_BASE   0x100000u
#define CODE_BYTES  0x10000u
#define LOW_CODE    0x20000u /* for real and virtual-8086 mode */
#define ROUND_INSNS 4000u

struct rng {
    uint64_t s;
};
static uint64_t next(struct rng *r) { /* xorshift64* */
    r->s ^= r->s >> 12;
    r->s ^= r->s << 25;
    r->s ^= r->s >> 27;
    return r->s * 0x2545F4914F6CDD1Dull;
}

struct fuzz_mode {
    const char *name;
    uint64_t cr0, cr4, efer;
    uint32_t cs_ar, ss_ar, rflags;
    uint8_t cpl;
};

#define AR_CODE_SEG(dpl) (AR_P | AR_S | AR_CODE | AR_RW | AR_ACCESSED | (uint32_t)(dpl) << AR_DPL_SHIFT)
#define AR_DATA_SEG(dpl) (AR_P | AR_S | AR_RW | AR_ACCESSED | (uint32_t)(dpl) << AR_DPL_SHIFT)
#define PG64             (CR0_PE | CR0_PG | CR0_NE | CR0_WP)
#define LONG_CR4         (CR4_PAE | CR4_PGE | CR4_FSGSBASE)
#define LONG_EFER        (EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE)

static const struct fuzz_mode modes[] = {
    {"real",             CR0_ET,          0,                   0,                     AR_CODE_SEG(0),                AR_DATA_SEG(0),                FLAG_FIXED,                       0},
    {"vm86",             CR0_PE | CR0_ET, CR4_VME,             0,                     AR_CODE_SEG(3),                AR_DATA_SEG(3),                FLAG_FIXED | FLAG_VM | FLAG_IOPL, 3},
    {"protected16",      CR0_PE | CR0_ET, 0,                   0,                     AR_CODE_SEG(0),                AR_DATA_SEG(0),                FLAG_FIXED,                       0},
    {"protected32",      CR0_PE | CR0_ET, 0,                   0,                     AR_CODE_SEG(0) | AR_DB | AR_G, AR_DATA_SEG(0) | AR_DB | AR_G, FLAG_FIXED,                       0},
    {"protected32 user", CR0_PE | CR0_ET, 0,                   0,                     AR_CODE_SEG(3) | AR_DB | AR_G, AR_DATA_SEG(3) | AR_DB | AR_G,
     FLAG_FIXED,                                                                                                                                                                      3},
    {"compatibility16",  PG64,            LONG_CR4,            LONG_EFER,             AR_CODE_SEG(3),                AR_DATA_SEG(3),                FLAG_FIXED,                       3},
    {"compatibility32",  PG64,            LONG_CR4,            LONG_EFER,             AR_CODE_SEG(3) | AR_DB | AR_G, AR_DATA_SEG(3) | AR_DB | AR_G,
     FLAG_FIXED,                                                                                                                                                                      3},
    {"long",             PG64,            LONG_CR4,            LONG_EFER,             AR_CODE_SEG(0) | AR_L | AR_G,  AR_DATA_SEG(0) | AR_DB | AR_G, FLAG_FIXED,                       0},
    {"long vmx/svm",     PG64,            LONG_CR4 | CR4_VMXE, LONG_EFER | EFER_SVME, AR_CODE_SEG(0) | AR_L | AR_G,
     AR_DATA_SEG(0) | AR_DB | AR_G,                                                                                                                 FLAG_FIXED,                       0},
    {"long user",        PG64,            LONG_CR4,            LONG_EFER,             AR_CODE_SEG(3) | AR_L | AR_G,  AR_DATA_SEG(3) | AR_DB | AR_G, FLAG_FIXED,
     3                                                                                                                                                                                 },
    {"long stepping",    PG64,            LONG_CR4,            LONG_EFER,             AR_CODE_SEG(0) | AR_L | AR_G,  AR_DATA_SEG(0) | AR_DB | AR_G,
     FLAG_FIXED | FLAG_TF,                                                                                                                                                            0},
};
#define MODE_COUNT (sizeof modes / sizeof modes[0])

static void put(struct machine *m, uint64_t pa, uint64_t v, unsigned size) { machine_write(m, pa, &v, size); }

static uint64_t descriptor(uint32_t ar, uint32_t base, uint32_t limit) {
    return (limit & 0xFFFF) | (uint64_t)(base & 0xFFFFFF) << 16 | (uint64_t)(ar & 0xF0FF) << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(base >> 24) << 56;
}

/* Selectors: 8 code64, 10h data, 18h code32, 23h.. user ones; TSS at 50h. */
static void write_gdt(struct machine *m) {
    static const uint32_t ars[] = {0,
                                   AR_CODE_SEG(0) | AR_L | AR_G,
                                   AR_DATA_SEG(0) | AR_DB | AR_G,
                                   AR_CODE_SEG(0) | AR_DB | AR_G,
                                   AR_CODE_SEG(3) | AR_DB | AR_G,
                                   AR_DATA_SEG(3) | AR_DB | AR_G,
                                   AR_CODE_SEG(3) | AR_L | AR_G,
                                   AR_CODE_SEG(0),
                                   AR_DATA_SEG(0),
                                   AR_CODE_SEG(0) | AR_CONFORM};
    for (unsigned n = 0; n < sizeof ars / sizeof ars[0]; n++)
        put(m, GDT_BASE + 8 * n, n ? descriptor(ars[n], 0, 0xFFFFF) : 0, 8);
    put(m, GDT_BASE + 0x50, descriptor(AR_P | DESC_TSS_AVAIL, TSS_BASE, 0x2FFF), 8);
    put(m, GDT_BASE + 0x58, 0, 8);
}

static void write_idt(struct machine *m, bool is_long, bool is_16, struct rng *r) {
    for (unsigned v = 0; v < 256; v++) {
        uint32_t to = CODE_BASE + (uint32_t)(next(r) % CODE_BYTES);
        uint32_t type = is_16 ? DESC_INT16 : DESC_INT | (unsigned)(next(r) & 1);
        uint16_t cs = is_long ? 8 : is_16 ? 0x38 : 0x18;
        if (is_16) to &= 0xFFFF;
        uint64_t gate = (to & 0xFFFF) | (uint64_t)cs << 16 | (uint64_t)(0xE0 | type) << 40 | (uint64_t)(to >> 16) << 48;
        put(m, IDT_BASE + (is_long ? 16 : 8) * v, gate, 8);
        if (is_long) put(m, IDT_BASE + 16 * v + 8, 0, 8);
        if (v < 64) put(m, IVT_BASE + 4 * v, (uint64_t)(LOW_CODE >> 4) << 16 | (next(r) & 0xFFFF), 4);
    }
}

static void write_tss(struct machine *m, bool is_long) {
    for (unsigned o = 0; o < 0x80; o += 8) put(m, TSS_BASE + o, 0, 8);
    for (unsigned n = 0; n < 10; n++)
        if (is_long) put(m, TSS_BASE + 4 + 8 * n, CODE_BASE - 0x1000 - 0x800 * n, 8);
    if (!is_long)
        for (unsigned n = 0; n < 3; n++) {
            put(m, TSS_BASE + 4 + 8 * n, CODE_BASE - 0x1000, 4);
            put(m, TSS_BASE + 8 + 8 * n, 0x10, 4);
        }
    put(m, TSS_BASE + 0x66, 0x68, 2);
}

/* The first 4 GiB one to one in 2 MiB pages, open to the user: devices are within reach. */
static void write_page_tables(struct machine *m) {
    put(m, PT_BASE, (PT_BASE + 0x1000) | 7, 8);
    for (unsigned n = 0; n < 4; n++) put(m, PT_BASE + 0x1000 + 8 * n, (PT_BASE + 0x2000 + 0x1000 * n) | 7, 8);
    for (unsigned n = 0; n < 2048; n++) put(m, PT_BASE + 0x2000 + 8 * n, (uint64_t)n << 21 | 0x87, 8);
}

/* Bytes with a bias to prefixes, two-byte opcodes and system groups. */
static void write_code(struct machine *m, uint64_t base, struct rng *r) {
    static const uint8_t hot[] = {0x0F, 0x0F, 0x0F, 0x66, 0xF3, 0xF2, 0xF0, 0x67, 0x48, 0x4C, 0x00, 0x01,
                                  0x20, 0x22, 0x30, 0x32, 0xA2, 0xC7, 0xAE, 0x38, 0xCF, 0xCD, 0x9D, 0x8E,
                                  0xEA, 0x9A, 0xCA, 0xE4, 0xE6, 0xEC, 0xEE, 0x6C, 0x6E, 0xA4, 0xA5, 0xAB,
                                  0xC8, 0xC9, 0xFF, 0xF4, 0xFA, 0xFB, 0x78, 0x79, 0xD8};
    uint8_t buf[4096];
    for (unsigned page = 0; page < CODE_BYTES; page += sizeof buf) {
        bool biased = next(r) & 1;
        for (unsigned n = 0; n < sizeof buf; n++) {
            uint64_t x = next(r);
            buf[n] = biased && (x & 3) == 0 ? hot[(x >> 8) % sizeof hot] : (uint8_t)(x >> 16);
        }
        machine_write(m, base + page, buf, sizeof buf);
    }
}

static void set_state(struct cpu *cpu, const struct fuzz_mode *mode, struct rng *r) {
    bool low = !(mode->cr0 & CR0_PE) || (mode->rflags & FLAG_VM), is16 = !(mode->cs_ar & (AR_DB | AR_L));
    uint32_t limit = mode->cs_ar & AR_G ? 0xFFFFFFFF : 0xFFFF;
    cpu_reset(cpu, false);
    cpu->intr.activity = ACT_ACTIVE;
    cpu->ctl.cr0 = mode->cr0;
    cpu->ctl.cr4 = mode->cr4 & cr4_supported(cpu);
    cpu->ctl.efer = mode->efer & (efer_supported(cpu) | EFER_LMA);
    cpu->ctl.cr3 = PT_BASE;
    cpu->ctl.gdtr = (struct dtable){GDT_BASE, 0x5F};
    cpu->ctl.idtr =
        low && !(mode->rflags & FLAG_VM) ? (struct dtable){IVT_BASE, 0x3FF} : (struct dtable){IDT_BASE, 0xFFF};
    for (unsigned s = 0; s <= SEG_GS; s++)
        cpu->seg[s] = (struct seg){.sel = low ? LOW_CODE >> 4 : (uint16_t)(0x10 | mode->cpl),
                                   .base = low ? LOW_CODE : 0,
                                   .limit = low ? 0xFFFF : limit,
                                   .ar = mode->ss_ar};
    cpu->seg[SEG_CS].ar = mode->cs_ar;
    cpu->seg[SEG_CS].sel = low ? LOW_CODE >> 4 : (uint16_t)(8 | mode->cpl);
    if (is16 && !low) cpu->seg[SEG_CS].base = CODE_BASE;
    cpu->seg[SEG_TR] = (struct seg){.sel = 0x50, .base = TSS_BASE, .limit = 0x2FFF, .ar = AR_P | DESC_TSS_BUSY};
    cpu->cpl = mode->cpl;
    for (unsigned n = 0; n < 16; n++) {
        uint64_t x = next(r);
        cpu->gpr[n] = x & 1 ? x : x & 2 ? CODE_BASE + (x >> 8 & 0xFFFF) : x >> 8 & 0xFF;
    }
    cpu->gpr[RSP] = low || is16 ? 0x8000 : CODE_BASE - 0x800;
    cpu->rip = low || is16 ? next(r) & 0xFFFF : CODE_BASE + next(r) % CODE_BYTES;
    flags_load(cpu, mode->rflags | (uint32_t)(next(r) & FLAG_ARITH));
    cpu_update_mode(cpu);
}

static void round_of(struct machine *m, const struct fuzz_mode *mode, struct rng *r) {
    bool is_long = mode->efer & EFER_LMA, is_16 = !(mode->cs_ar & (AR_DB | AR_L)) && !is_long;
    write_gdt(m);
    write_idt(m, is_long, is_16 && !(mode->rflags & FLAG_VM), r);
    write_tss(m, is_long);
    write_page_tables(m);
    write_code(m, CODE_BASE, r);
    write_code(m, LOW_CODE, r);
    m->a20_mask = ~0ull;
    m->stop = STOP_NONE;
    m->cpu[0]->intr.attn &= ~(uint32_t)ATTN_STOP;
    set_state(m->cpu[0], mode, r);
    m->max_insns = machine_insns(m) + ROUND_INSNS;
    machine_run(m);
}

static struct machine *create(const char *model_name) {
    char err[256];
    struct cpu_model *model = model_parse(model_name, err, sizeof err);
    struct machine_config c = {.model = model, .ram_size = RAM_BYTES, .cpus = 1};
    struct machine *m = model ? machine_create(&c, err, sizeof err) : NULL;
    if (!m) fprintf(stderr, "fuzz_modes: %s\n", err);
    return m;
}

static bool fuzz(const char *model, uint64_t millions, uint64_t seed, bool verbose) {
    struct machine *m = create(model);
    if (!m) return false;
    uint64_t rounds = 0, done[MODE_COUNT] = {0};
    while (machine_insns(m) < millions * 1000000) {
        unsigned k = (unsigned)(rounds % MODE_COUNT);
        struct rng r = {(seed + rounds) * 0x9E3779B97F4A7C15ull | 1};
        uint64_t before = machine_insns(m);
        if (verbose) fprintf(stderr, "round %llu: %s\n", (unsigned long long)rounds, modes[k].name);
        round_of(m, &modes[k], &r);
        done[k] += machine_insns(m) - before;
        rounds++;
        if (rounds > millions * 20000) break; /* rounds that end at once must not keep us for ever */
    }
    printf("# %s: %llu rounds, seed %llu\n", model, (unsigned long long)rounds, (unsigned long long)seed);
    for (unsigned k = 0; k < MODE_COUNT; k++)
        printf("#   %-18s %10llu instructions\n", modes[k].name, (unsigned long long)done[k]);
    machine_destroy(m);
    return true;
}

int main(int argc, char **argv) {
    uint64_t millions = 3, seed = 1;
    const char *models[] = {"max-intel", "max-amd"}, *only = NULL;
    bool verbose = false;
    for (int opt; (opt = getopt(argc, argv, "n:s:m:v")) != -1;) switch (opt) {
        case 'n':
            millions = strtoull(optarg, NULL, 0);
            break;
        case 's':
            seed = strtoull(optarg, NULL, 0);
            break;
        case 'm':
            only = optarg;
            break;
        case 'v':
            verbose = true;
            break;
        default:
            fprintf(stderr, "usage: fuzz_modes [-n MILLIONS] [-s SEED] [-m MODEL] [-v]\n");
            return 2;
        }
    unsigned ok = 0;
    if (only)
        ok = fuzz(only, millions, seed, verbose);
    else
        for (unsigned n = 0; n < 2; n++) ok += fuzz(models[n], millions, seed, verbose);
    printf("%u passed, %u failed\n", ok, (only ? 1 : 2) - ok);
    return ok == (only ? 1u : 2u) ? 0 : 1;
}
