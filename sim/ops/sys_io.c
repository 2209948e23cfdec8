/* IN, OUT, INS, OUTS: permission by IOPL and the TSS bitmap, intercepts, breakpoints, the bus. SDM 1 "Input/Output";
 * SDM 2. REP forms do one element per pass and leave RIP on themselves until the count is used up, so that events come
 * between elements. */
#include "sim/core/debug.h"
#include "sim/machine/machine.h"
#include "sim/ops/sys.h"

/* SDM 1, "I/O Permission Bit Map": two bytes are read so that a port range may cross a byte */
static void check_bitmap(struct cpu *cpu, uint16_t port, unsigned size) {
    const struct seg *tr = &cpu->seg[SEG_TR];
    unsigned type = tr->ar & AR_TYPE;
    if ((type != DESC_TSS_BUSY && type != DESC_TSS_AVAIL) || tr->limit < 0x67) cpu_gp0(cpu);
    uint32_t off =
        (uint32_t)mem_sys_read(cpu, cpu_is_lma(cpu) ? tr->base + 0x66 : (uint32_t)(tr->base + 0x66), 2) + port / 8;
    if (off + 1 > tr->limit) cpu_gp0(cpu);
    uint64_t la = tr->base + off;
    uint64_t bits = mem_sys_read(cpu, cpu_is_lma(cpu) ? la : (uint32_t)la, 2);
    if (bits >> (port & 7) & ((1u << size) - 1)) cpu_gp0(cpu);
}

static void check_permission(struct cpu *cpu, uint16_t port, unsigned size) {
    if (cpu_is_real(cpu)) return;
    if (cpu_is_vm86(cpu) || cpu->cpl > (cpu->rflags & FLAG_IOPL) >> 12) check_bitmap(cpu, port, size);
}

static uint32_t input(struct cpu *cpu, uint16_t port, unsigned size) {
    uint32_t val = port_read(cpu->machine, port, size);
    debug_io_access(cpu, port, size);
    return val;
}

static void output(struct cpu *cpu, uint16_t port, unsigned size, uint32_t val) {
    port_write(cpu->machine, port, size, val);
    debug_io_access(cpu, port, size);
}

/* ---- IN, OUT ---- */

static uint16_t plain_port(struct cpu *cpu, const struct insn *i, bool in) {
    bool imm = i->form == FORM_I;
    uint16_t port = imm ? (uint8_t)i->imm : (uint16_t)cpu->gpr[RDX];
    struct virt_io io = {.port = port, .size = (uint8_t)opsize_bytes(i), .in = in, .imm = imm};
    check_permission(cpu, port, io.size);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_IO, (uint64_t)(uintptr_t)&io, 0);
    return port;
}

void body_in(struct cpu *cpu, const struct insn *i) {
    uint16_t port = plain_port(cpu, i, true);
    reg_write(cpu, REG_OFF(RAX), i->size, input(cpu, port, opsize_bytes(i)));
}

void body_out(struct cpu *cpu, const struct insn *i) {
    uint16_t port = plain_port(cpu, i, false);
    unsigned n = opsize_bytes(i);
    output(cpu, port, n, (uint32_t)cpu->gpr[RAX] & (n == 4 ? ~0u : (1u << 8 * n) - 1));
}

/* ---- INS, OUTS ---- */

static unsigned string_size(unsigned id) {
    switch (id) {
    case INSN_INSB:
    case INSN_OUTSB:
        return 1;
    case INSN_INSW:
    case INSN_OUTSW:
        return 2;
    default:
        return 4;
    }
}

static uint64_t by_asize(const struct insn *i, uint64_t val) {
    return i->asize == 3 ? val : i->asize == 2 ? (uint32_t)val : (uint16_t)val;
}

static void add_asize(struct cpu *cpu, const struct insn *i, enum gpr_id reg, int64_t delta) {
    reg_write(cpu, REG_OFF(reg), i->asize, cpu->gpr[reg] + (uint64_t)delta);
}

static bool repeats(const struct insn *i) { return i->flags & (INSN_REP | INSN_REPNE); }

/* Permission and intercept of one element. */
static uint16_t string_port(struct cpu *cpu, const struct insn *i, bool in, unsigned seg, uint64_t off, unsigned size) {
    uint16_t port = (uint16_t)cpu->gpr[RDX];
    struct virt_io io = {.port = port,
                         .size = (uint8_t)size,
                         .in = in,
                         .string = true,
                         .rep = repeats(i),
                         .seg = (uint8_t)seg,
                         .asize_bytes = (uint8_t)(1u << i->asize)};
    io.la = off + (cpu_is_64(cpu) && seg < SEG_FS ? 0 : cpu->seg[seg].base);
    if (!cpu_is_64(cpu)) io.la = (uint32_t)io.la;
    check_permission(cpu, port, size);
    VIRT_INTERCEPT(cpu, STAGE_BODY, ICEPT_IO, (uint64_t)(uintptr_t)&io, 0);
    return port;
}

/* One element is done: move on, and come back while there are more. */
static void advance(struct cpu *cpu, const struct insn *i, enum gpr_id reg, unsigned size) {
    add_asize(cpu, i, reg, cpu->rflags & FLAG_DF ? -(int64_t)size : (int64_t)size);
    if (!repeats(i)) return;
    add_asize(cpu, i, RCX, -1);
    if (by_asize(i, cpu->gpr[RCX]) == 0) return;
    cpu->rip = cpu_insn_rip(cpu, i);
    cpu->intr.rep_partial = true;
}

static bool nothing_left(const struct cpu *cpu, const struct insn *i) {
    return repeats(i) && by_asize(i, cpu->gpr[RCX]) == 0;
}

void body_ins(struct cpu *cpu, const struct insn *i) {
    unsigned size = string_size(i->id);
    uint64_t off = by_asize(i, cpu->gpr[RDI]);
    if (nothing_left(cpu, i)) return;
    uint16_t port = string_port(cpu, i, true, SEG_ES, off, size);
    uint64_t la = seg_linear(cpu, i, SEG_ES, off, size, MEM_WRITE);
    mem_probe(cpu, i, la, size, MEM_WRITE | (cpu->cpl == 3 ? MEM_USER : 0));
    uint32_t val = input(cpu, port, size);
    if (size == 1)
        mem_write8(cpu, i, la, (uint8_t)val);
    else if (size == 2)
        mem_write16(cpu, i, la, (uint16_t)val);
    else
        mem_write32(cpu, i, la, val);
    advance(cpu, i, RDI, size);
}

void body_outs(struct cpu *cpu, const struct insn *i) {
    unsigned size = string_size(i->id);
    uint64_t off = by_asize(i, cpu->gpr[RSI]);
    if (nothing_left(cpu, i)) return;
    uint16_t port = string_port(cpu, i, false, i->seg, off, size);
    uint64_t la = seg_linear(cpu, i, i->seg, off, size, MEM_READ);
    uint32_t val = size == 1 ? mem_read8(cpu, i, la) : size == 2 ? mem_read16(cpu, i, la) : mem_read32(cpu, i, la);
    output(cpu, port, size, val);
    advance(cpu, i, RSI, size);
}
