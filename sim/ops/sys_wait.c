/* HLT, MONITOR, MWAIT. SDM 2; SDM 3 "MONITOR/MWAIT Instructions". */
#include "sim/machine/machine.h"
#include "sim/ops/sys.h"

#define LINE 64u

/* Who spins waits for another processor: it is that one's turn. */
void body_pause(struct cpu *cpu, const struct insn *i) {
    (void)i;
    if (machine_others_run(cpu)) cpu_attention(cpu, ATTN_YIELD);
}

void body_hlt(struct cpu *cpu, const struct insn *i) {
    (void)i;
    cpu->intr.activity = ACT_HLT;
}

/* FNV-1a over the monitored line: a store that changes it is seen. */
uint64_t monitor_sum(struct cpu *cpu) {
    uint8_t line[LINE];
    uint64_t sum = 0xCBF29CE484222325ull;
    if (cpu->intr.monitor_addr == ~0ull) return 0;
    phys_read_bytes(cpu, cpu->intr.monitor_addr, line, LINE);
    for (unsigned k = 0; k < LINE; k++) sum = (sum ^ line[k]) * 0x100000001B3ull;
    return sum;
}

/* SDM 2, "MONITOR", "MWAIT": "64-Bit Mode Exceptions" speak of RCX; APM 3 of ECX in every mode */
static uint64_t extensions_of(const struct cpu *cpu) {
    bool all = cpu_is_64(cpu) && cpu->model->vendor == VENDOR_INTEL;
    return all ? cpu->gpr[RCX] : (uint32_t)cpu->gpr[RCX];
}

void body_monitor(struct cpu *cpu, const struct insn *i) {
    uint64_t off = i->asize == 3 ? cpu->gpr[RAX] : i->asize == 2 ? (uint32_t)cpu->gpr[RAX] : (uint16_t)cpu->gpr[RAX];
    uint64_t phys;
    if (extensions_of(cpu) != 0) cpu_gp0(cpu);
    uint64_t la = seg_linear(cpu, i, i->seg, off, 1, MEM_READ);
    mem_read8(cpu, i, la);
    bool mapped = mem_peek_translate(cpu, la, &phys);
    cpu->intr.monitor_addr = mapped ? phys & ~(uint64_t)(LINE - 1) : ~0ull;
    cpu->intr.monitor_sum = monitor_sum(cpu);
}

/* Not armed, or the line already written to: MWAIT is over at once. */
void body_mwait(struct cpu *cpu, const struct insn *i) {
    (void)i;
    uint64_t extensions = extensions_of(cpu);
    if (extensions & ~1ull) cpu_gp0(cpu);
    if (cpu->intr.monitor_addr == ~0ull || monitor_sum(cpu) != cpu->intr.monitor_sum) {
        cpu->intr.monitor_addr = ~0ull;
        return;
    }
    cpu->intr.mwait_breaks = extensions & 1;
    cpu->intr.activity = ACT_MWAIT;
}
