/* The state in which an image starts, after a reset: what firmware and the boot loader leave behind. */
#include "sim/arch/vmx.h"
#include "sim/core/system.h"
#include "sim/dev/chipset.h"
#include "sim/machine/internal.h"
#include "sim/machine/load.h"

#define SEL_CODE 0x08
#define SEL_SIZE 8

#define MTRR_ENABLE (1u << 11)
#define MTRR_FIXED  (1u << 10)
#define TYPE_UC     0x00
#define TYPE_WP     0x05
#define TYPE_WB     0x06

static void set_mtrr(struct cpu *cpu, unsigned n, uint64_t base, uint64_t size) {
    cpu->msr.mtrr_base[n] = base | TYPE_UC;
    cpu->msr.mtrr_mask[n] = (((1ull << cpu->machine->phys_bits) - 1) & ~(size - 1)) | MTRR_ENABLE;
}

/* SDM 3, "Memory Type Range Registers": RAM write-back; the video window and the PCI windows uncacheable */
static void firmware_mtrrs(struct cpu *cpu) {
    for (unsigned i = 0; i < 11; i++) {
        uint64_t type = i < 2 ? TYPE_WB : i == 2 ? TYPE_UC : TYPE_WP;
        cpu->msr.mtrr_fixed[i] = type * 0x0101010101010101ull;
    }
    struct pci_window high = chipset_high_window(cpu->machine);
    set_mtrr(cpu, 0, cpu->machine->chipset->low_memory_max, HIGH_MEMORY - cpu->machine->chipset->low_memory_max);
    if (high.size) set_mtrr(cpu, 1, high.base, high.size);
    cpu->msr.mtrr_def_type = MTRR_ENABLE | MTRR_FIXED | TYPE_WB;
}

/* SDM 3, "Enabling and Entering VMX Operation": VMXON is allowed, and the choice locked */
static void firmware_vmx(struct cpu *cpu) {
    if (cpu_has(cpu, FEAT_VMX)) cpu->msr.feature_control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE;
}

void boot_firmware_state(struct machine *m) {
    platform_setup(m);
    for (unsigned i = 0; i < m->cpu_count; i++) {
        firmware_mtrrs(m->cpu[i]);
        firmware_vmx(m->cpu[i]);
    }
    lapic_set_virtual_wire(m->cpu[0]);
}

static void flat_segments(struct cpu *cpu, uint16_t code_sel, uint32_t code_bits) {
    const uint32_t common = AR_P | AR_S | AR_RW | AR_ACCESSED | AR_G;
    for (unsigned s = SEG_ES; s <= SEG_GS; s++)
        cpu->seg[s] = (struct seg){.limit = 0xFFFFFFFF, .ar = common | AR_DB, .sel = (uint16_t)(code_sel + SEL_SIZE)};
    cpu->seg[SEG_CS] = (struct seg){.limit = 0xFFFFFFFF, .ar = common | AR_CODE | code_bits, .sel = code_sel};
}

/* Multiboot Specification, "I386 machine state" */
void boot_protected(struct cpu *cpu, uint32_t entry) {
    flat_segments(cpu, SEL_CODE, AR_DB);
    cpu->ctl.gdtr = cpu->ctl.idtr = (struct dtable){0, 0};
    cpu->ctl.cr0 = CR0_PE | CR0_ET;
    cpu->rflags = FLAG_FIXED;
    cpu->rip = entry;
    cpu->gpr[RDX] = 0;
    cpu_update_mode(cpu);
}

void boot_real(struct cpu *cpu, uint32_t entry, uint32_t stack) {
    for (unsigned s = SEG_ES; s <= SEG_GS; s++) {
        cpu->seg[s].sel = 0;
        cpu->seg[s].base = 0;
    }
    cpu->seg[SEG_CS].sel = (uint16_t)((entry & 0xF0000) >> 4);
    cpu->seg[SEG_CS].base = entry & 0xF0000;
    cpu->ctl.idtr = (struct dtable){0, 0x3FF};
    cpu->ctl.cr0 = CR0_ET;
    cpu->rip = entry & 0xFFFF;
    cpu->gpr[RSP] = stack;
    cpu->gpr[RDX] = 0;
    cpu_update_mode(cpu);
}

/* ---- states that need something in memory ---- */

#define STACK_SIZE 0x4000
#define GIB_SHIFT  30
#define PT_TABLE   0x3  /* present, writable */
#define PT_LARGE   0x83 /* and a large page */
#define GDT_DATA   0x00CF93000000FFFFull
#define GDT_CODE32 0x00CF9B000000FFFFull
#define GDT_CODE64 0x00AF9B000000FFFFull

static bool put64(struct loader *l, uint64_t pa, uint64_t val) { return machine_write(l->m, pa, &val, sizeof val); }

/* PML4, PDPT and one page directory for each GiB, from `tables` on */
static bool identity_map(struct loader *l, uint64_t tables, unsigned gib) {
    uint64_t pdpt = tables + PAGE_SIZE, pd = pdpt + PAGE_SIZE;
    bool ok = put64(l, tables, pdpt | PT_TABLE);
    for (unsigned i = 0; i < gib; i++) ok = ok && put64(l, pdpt + 8 * i, (pd + (uint64_t)i * PAGE_SIZE) | PT_TABLE);
    for (unsigned i = 0; i < gib * 512; i++) ok = ok && put64(l, pd + 8ull * i, (uint64_t)i << 21 | PT_LARGE);
    return ok;
}

bool boot_support(struct loader *l, bool long_mode, uint16_t code_sel, struct support *s) {
    static const char what[] = "its page tables, GDT and stack";
    uint64_t top = 4ull << GIB_SHIFT;
    if (l->m->ram_size > l->m->low_size) top += l->m->ram_size - l->m->low_size;
    unsigned gib = (unsigned)((top + (1ull << GIB_SHIFT) - 1) >> GIB_SHIFT);
    uint64_t size = (1 + (long_mode ? 2ull + gib : 0)) * PAGE_SIZE + STACK_SIZE, at;
    if (!load_find(l, l->req->path, what, size, PAGE_SIZE, LOAD_LOWEST, l->m->low_size, &at) ||
        !load_place(l, l->req->path, what, at, size, NULL, 0))
        return false;
    *s = (struct support){.gdt = at, .tables = at + PAGE_SIZE, .stack = at + size, .code_sel = code_sel};
    bool ok = put64(l, at + code_sel, long_mode ? GDT_CODE64 : GDT_CODE32) &&
              put64(l, at + code_sel + SEL_SIZE, GDT_DATA) && (!long_mode || identity_map(l, s->tables, gib));
    return ok || load_fail(l, l->req->path, "its page tables cannot be written");
}

static void load_support(struct cpu *cpu, const struct support *s) {
    cpu->ctl.gdtr = (struct dtable){s->gdt, s->code_sel + 2 * SEL_SIZE - 1};
    cpu->gpr[RSP] = s->stack;
}

void boot_protected_support(struct cpu *cpu, uint32_t entry, const struct support *s) {
    boot_protected(cpu, entry);
    flat_segments(cpu, s->code_sel, AR_DB);
    load_support(cpu, s);
}

void boot_long(struct cpu *cpu, uint64_t entry, const struct support *s) {
    flat_segments(cpu, s->code_sel, AR_L);
    cpu->ctl.idtr = (struct dtable){0, 0};
    cpu->ctl.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    cpu->ctl.cr3 = s->tables;
    cpu->ctl.cr4 = CR4_PAE;
    cpu->ctl.efer = EFER_LME | EFER_LMA;
    cpu->rip = entry;
    cpu->gpr[RDX] = 0;
    load_support(cpu, s);
    cpu_update_mode(cpu);
}
