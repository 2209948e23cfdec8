/* The state in which an image starts, after a reset: what firmware and the boot loader leave behind. */
#include "sim/machine/load.h"

#define SEL_CODE 0x08
#define SEL_DATA 0x10

#define MTRR_ENABLE (1u << 11)
#define MTRR_FIXED  (1u << 10)
#define TYPE_UC     0x00
#define TYPE_WP     0x05
#define TYPE_WB     0x06

/* SDM 3, "Memory Type Range Registers": RAM write-back, the video window and device memory below 4 GiB uncacheable */
static void firmware_mtrrs(struct cpu *cpu) {
    for (unsigned i = 0; i < 11; i++) {
        uint64_t type = i < 2 ? TYPE_WB : i == 2 ? TYPE_UC : TYPE_WP;
        cpu->msr.mtrr_fixed[i] = type * 0x0101010101010101ull;
    }
    cpu->msr.mtrr_base[0] = 0xC0000000 | TYPE_UC;
    cpu->msr.mtrr_mask[0] = (((1ull << cpu->machine->phys_bits) - 1) & ~0x3FFFFFFFull) | MTRR_ENABLE;
    cpu->msr.mtrr_def_type = MTRR_ENABLE | MTRR_FIXED | TYPE_WB;
}

void boot_firmware_state(struct machine *m) {
    for (unsigned i = 0; i < m->cpu_count; i++) firmware_mtrrs(m->cpu[i]);
    lapic_set_virtual_wire(m->cpu[0]);
}

static void flat_segments(struct cpu *cpu, uint32_t code_bits) {
    const uint32_t common = AR_P | AR_S | AR_RW | AR_ACCESSED | AR_G;
    for (unsigned s = SEG_ES; s <= SEG_GS; s++)
        cpu->seg[s] = (struct seg){.limit = 0xFFFFFFFF, .ar = common | AR_DB, .sel = SEL_DATA};
    cpu->seg[SEG_CS] = (struct seg){.limit = 0xFFFFFFFF, .ar = common | AR_CODE | code_bits, .sel = SEL_CODE};
}

/* Multiboot Specification, "I386 machine state" */
void boot_protected(struct cpu *cpu, uint32_t entry) {
    flat_segments(cpu, AR_DB);
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

void boot_long(struct cpu *cpu, uint64_t entry, uint64_t tables, uint64_t gdt, uint64_t stack) {
    flat_segments(cpu, AR_L);
    cpu->ctl.gdtr = (struct dtable){gdt, 3 * 8 - 1};
    cpu->ctl.idtr = (struct dtable){0, 0};
    cpu->ctl.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    cpu->ctl.cr3 = tables;
    cpu->ctl.cr4 = CR4_PAE;
    cpu->ctl.efer = EFER_LME | EFER_LMA;
    cpu->rip = entry;
    cpu->gpr[RSP] = stack;
    cpu->gpr[RDX] = 0;
    cpu_update_mode(cpu);
}
