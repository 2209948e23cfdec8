/* Far transfers and software interrupts: the operands; the work is in sim/core/far.c, ret.c and deliver.c. */
#include "sim/ops/sys.h"

struct far_pointer {
    uint16_t sel;
    uint64_t off;
};

static struct far_pointer pointer(struct cpu *cpu, const struct insn *i) {
    unsigned n = opsize_bytes(i);
    if (!(i->flags & INSN_MEM)) return (struct far_pointer){(uint16_t)i->disp, (uint32_t)i->imm};
    uint64_t la = ea_linear(cpu, i, n + 2, MEM_READ), off;
    if (n == 8)
        off = mem_read64(cpu, i, la);
    else
        off = n == 4 ? mem_read32(cpu, i, la) : mem_read16(cpu, i, la);
    return (struct far_pointer){mem_read16(cpu, i, la_after(cpu, la, n)), off};
}

void body_jmp_far(struct cpu *cpu, const struct insn *i) {
    struct far_pointer p = pointer(cpu, i);
    far_jmp(cpu, p.sel, p.off, opsize_bytes(i));
}

void body_call_far(struct cpu *cpu, const struct insn *i) {
    struct far_pointer p = pointer(cpu, i);
    far_call(cpu, p.sel, p.off, opsize_bytes(i));
}

void body_ret_far(struct cpu *cpu, const struct insn *i) {
    far_ret(cpu, opsize_bytes(i), i->form == FORM_I ? (uint16_t)i->imm : 0);
}

void body_iret(struct cpu *cpu, const struct insn *i) {
    iret(cpu, i->id == INSN_IRET ? 2 : i->id == INSN_IRETD ? 4 : 8);
}

void body_int(struct cpu *cpu, const struct insn *i) { deliver_software(cpu, (uint8_t)i->imm, EVT_SOFT_INT, i->len); }

void body_int3(struct cpu *cpu, const struct insn *i) { deliver_software(cpu, VEC_BP, EVT_SOFT_EXC, i->len); }

void body_int1(struct cpu *cpu, const struct insn *i) { deliver_software(cpu, VEC_DB, EVT_PRIV_SOFT_EXC, i->len); }

void body_into(struct cpu *cpu, const struct insn *i) {
    if (cc_of(cpu)) deliver_software(cpu, VEC_OF, EVT_SOFT_EXC, i->len);
}
