/* Debug registers, breakpoints and single-step. SDM 3 "Debug Registers", "Debug Exceptions". */
#include "sim/core/debug.h"

#include "sim/arch/msr.h"
#include "sim/core/fault.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/system.h"

#define DR6_WRITABLE (0xFu | DR6_BD | DR6_BS | DR6_BT)
#define DR7_WRITABLE 0xFFFF23FFu

static bool enabled(const struct cpu *cpu, unsigned n) { return cpu->dbg.dr7 >> (2 * n) & 3; }
static unsigned kind_of(const struct cpu *cpu, unsigned n) { return cpu->dbg.dr7 >> (16 + 4 * n) & 3; }

/* 1, 2, 8 or 4 bytes for LEN = 0, 1, 2, 3 */
static unsigned length_of(const struct cpu *cpu, unsigned n) {
    static const uint8_t bytes[4] = {1, 2, 8, 4};
    return bytes[cpu->dbg.dr7 >> (18 + 4 * n) & 3];
}

bool debug_armed(const struct cpu *cpu, enum dr7_kind kind) {
    for (unsigned n = 0; n < 4; n++)
        if (enabled(cpu, n) && kind_of(cpu, n) == (unsigned)kind) return true;
    return false;
}

static bool overlaps(const struct cpu *cpu, unsigned n, uint64_t la, unsigned size) {
    unsigned len = length_of(cpu, n);
    uint64_t start = cpu->dbg.dr[n] & ~(uint64_t)(len - 1);
    return la < start + len && start < la + size;
}

/* Conditions that hold for breakpoints not enabled are reported beside an enabled one: SDM 3, "Debug Status Register
 * (DR6)". */
static uint32_t matches(const struct cpu *cpu, uint64_t la, unsigned size, unsigned kinds) {
    uint32_t hit = 0;
    bool any = false;
    for (unsigned n = 0; n < 4; n++) {
        if (!(kinds >> kind_of(cpu, n) & 1) || !overlaps(cpu, n, la, size)) continue;
        hit |= 1u << n;
        any |= enabled(cpu, n);
    }
    return any ? hit : 0;
}

void debug_fetch_breakpoint(struct cpu *cpu) {
    if (!debug_any_armed(cpu) || (cpu->rflags & FLAG_RF) || cpu->intr.movss_shadow) return;
    uint64_t la = cpu_code_la(cpu, cpu->rip);
    if (!cpu_is_64(cpu)) la = (uint32_t)la;
    uint32_t hit = matches(cpu, la, 1, 1u << DR7_EXEC);
    if (!hit) return;
    struct event ev = {.valid = true, .vector = VEC_DB, .type = EVT_HARD_EXC, .info = hit};
    cpu_raise_event(cpu, &ev);
}

/* Did the instruction in cpu->scratch transfer control? With IA32_DEBUGCTL.BTF = 1 only that traps. */
static bool branched(const struct cpu *cpu) {
    const struct insn *i = &cpu->scratch[0];
    const struct insn_row *row = &insn_rows[i->id];
    bool transfer = i->id >= INSN_JB && i->id <= INSN_SYSRET;
    return transfer && (row->attrs & A_END) && cpu->rip != cpu_next_rip(cpu, i);
}

void debug_single_step(struct cpu *cpu) {
    if (cpu->intr.movss_shadow) return; /* MOV SS and POP SS do not trap; the instruction after them does */
    if ((cpu->dbg.debugctl & DEBUGCTL_BTF) && !branched(cpu)) return;
    cpu->dbg.pending |= DR6_BS;
}

void debug_data_access(struct cpu *cpu, uint64_t la, unsigned size, unsigned access) {
    if (!debug_any_armed(cpu)) return;
    unsigned kinds = 1u << DR7_RW | (access & MEM_WRITE ? 1u << DR7_WRITE : 0);
    cpu->dbg.pending |= matches(cpu, la, size, kinds);
}

void debug_io_access(struct cpu *cpu, uint16_t port, unsigned size) {
    if (!debug_any_armed(cpu) || !(cpu->ctl.cr4 & CR4_DE)) return;
    cpu->dbg.pending |= matches(cpu, port, size, 1u << DR7_IO);
}

void debug_enter(struct cpu *cpu, uint64_t info) {
    uint32_t set = (uint32_t)info & DR6_WRITABLE;
    uint64_t keep = cpu->dbg.dr6;
    if (set & 0xF) keep &= ~0xFull; /* B0-B3 are those of this exception */
    cpu->dbg.dr6 = keep | set;
    cpu->dbg.dr7 &= ~(uint64_t)DR7_GD;
    cpu->dbg.debugctl &= ~(uint64_t)(DEBUGCTL_BTF | DEBUGCTL_LBR);
}

uint64_t dr_get(const struct cpu *cpu, unsigned n) {
    return n < 4 ? cpu->dbg.dr[n] : n == 6 ? cpu->dbg.dr6 : cpu->dbg.dr7;
}

bool dr_set(struct cpu *cpu, unsigned n, uint64_t val) {
    if (n >= 6 && val >> 32) return false;
    if (n < 4)
        cpu->dbg.dr[n] = val;
    else if (n == 6)
        cpu->dbg.dr6 = (val & DR6_WRITABLE) | (DR6_INIT & ~DR6_WRITABLE);
    else
        cpu->dbg.dr7 = (val & DR7_WRITABLE) | DR7_FIXED;
    cpu_update_mode(cpu); /* armed data breakpoints take the fast path away */
    return true;
}
