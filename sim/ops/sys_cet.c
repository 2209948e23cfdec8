/* The shadow-stack management instructions. SDM 2, "INCSSPD/INCSSPQ", "RDSSPD/RDSSPQ", "SAVEPREVSSP", "RSTORSSP",
 * "WRSSD/WRSSQ", "WRUSSD/WRUSSQ", "SETSSBSY", "CLRSSBSY". What makes them #UD is in sim/core/system.c. */
#include "sim/core/cet.h"
#include "sim/ops/sys.h"

#define TOKEN_64       1ull /* restore and previous-SSP tokens: of 64-bit mode */
#define TOKEN_PREVIOUS 2ull

static bool wide_operand(const struct insn *i) { return i->size == 3; }

/* Shadow-stack addresses are of 32 bits outside 64-bit mode. */
static uint64_t at(const struct cpu *cpu, uint64_t ssp) { return cpu_is_64(cpu) ? ssp : (uint32_t)ssp; }

void body_rdssp(struct cpu *cpu, const struct insn *i) {
    if (cpu->mode & MODE_SHSTK) reg_write(cpu, i->reg, i->id == INSN_RDSSPQ ? 3 : 2, cpu->cet.ssp);
}

void body_incssp(struct cpu *cpu, const struct insn *i) {
    unsigned bytes = i->id == INSN_INCSSPQ ? 8 : 4, range = *cpu_r8(cpu, i->reg);
    uint64_t ssp = cpu->cet.ssp;
    mem_shstk_read(cpu, at(cpu, ssp), bytes, 0);
    if (range) mem_shstk_read(cpu, at(cpu, ssp + bytes * (range - 1)), bytes, 0);
    cpu->cet.ssp = at(cpu, ssp + bytes * range);
}

void body_saveprevssp(struct cpu *cpu, const struct insn *i) {
    (void)i;
    uint64_t ssp = cpu->cet.ssp, mode = cpu_is_64(cpu) ? TOKEN_64 : 0;
    if (ssp & 7) cpu_gp0(cpu);
    uint64_t token = mem_shstk_read(cpu, at(cpu, ssp), 8, 0);
    ssp += 8;
    if (cc_cf(cpu)) { /* an alignment hole to pop: RSTORSSP said so */
        if (mode || mem_shstk_read(cpu, at(cpu, ssp), 4, 0) != 0) cpu_gp0(cpu);
        ssp += 4;
    }
    if (!(token & TOKEN_PREVIOUS) || (!mode && token >> 32)) cpu_gp0(cpu);
    uint64_t old = token & ~3ull;
    mem_shstk_rmw(cpu, at(cpu, (old & ~7ull) - 8), 8, 0); /* both stores or none */
    mem_shstk_write(cpu, at(cpu, old - 4), 4, 0, 0);
    mem_shstk_write(cpu, at(cpu, (old & ~7ull) - 8), 8, old | mode, 0);
    cpu->cet.ssp = at(cpu, ssp);
}

void body_rstorssp(struct cpu *cpu, const struct insn *i) {
    uint64_t mode = cpu_is_64(cpu) ? TOKEN_64 : 0;
    struct shadow s = {.ssp = ea_linear(cpu, i, 8, MEM_READ), .wide = cpu_is_64(cpu)};
    if (s.ssp & 7) cpu_gp0(cpu);
    uint64_t token = mem_shstk_rmw(cpu, s.ssp, 8, 0);
    bool good = (token & 3) == mode && (mode || !(token >> 32)) && (((token & ~1ull) - 8) & ~7ull) == s.ssp;
    if (!good) cet_fault(cpu, CP_RSTORSSP);
    mem_shstk_write(cpu, s.ssp, 8, cpu->cet.ssp | mode | TOKEN_PREVIOUS, 0);
    cpu->cet.ssp = s.ssp;
    flags_set_arith(cpu, token & 4 ? FLAG_CF : 0); /* an alignment hole was made when the token was pushed */
}

static void store(struct cpu *cpu, const struct insn *i, unsigned access) {
    unsigned bytes = wide_operand(i) ? 8 : 4;
    uint64_t la = ea_linear(cpu, i, bytes, MEM_WRITE);
    if (la & (bytes - 1)) cpu_gp0(cpu);
    mem_shstk_write(cpu, la, bytes, *cpu_r64(cpu, i->reg), access);
}

void body_wrss(struct cpu *cpu, const struct insn *i) { store(cpu, i, 0); }

void body_wruss(struct cpu *cpu, const struct insn *i) { store(cpu, i, MEM_USER); }

void body_setssbsy(struct cpu *cpu, const struct insn *i) {
    (void)i;
    struct shadow s = {.ssp = cpu->cet.pl_ssp[0], .wide = cpu_is_64(cpu)};
    if (s.ssp & 7) cpu_gp0(cpu);
    if (!shadow_exchange(cpu, &s, s.ssp, s.ssp | CET_TOKEN_BUSY)) cet_fault(cpu, CP_SETSSBSY);
    cpu->cet.ssp = s.ssp;
}

void body_clrssbsy(struct cpu *cpu, const struct insn *i) {
    struct shadow s = {.ssp = ea_linear(cpu, i, 8, MEM_READ), .wide = cpu_is_64(cpu)};
    if (s.ssp & 7) cpu_gp0(cpu);
    bool valid = shadow_exchange(cpu, &s, s.ssp | CET_TOKEN_BUSY, s.ssp);
    cpu->cet.ssp = 0;
    flags_set_arith(cpu, valid ? 0 : FLAG_CF);
}
