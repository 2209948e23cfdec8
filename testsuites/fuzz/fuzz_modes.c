/* A guest of random bytes in every mode. Whatever it does must be an architectural event of the guest and never a
 * crash, a hang or an undefined operation of the host: run it under the sanitizers (`make asan`).
 *
 * Each round gives the processor a mode, random registers, tables whose gates lead back into random code, and a few
 * thousand instructions. usage: fuzz_modes [-n MILLIONS] [-s SEED] [-m MODEL] [-v] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/core/cet.h"
#include "sim/core/flags.h"
#include "sim/core/system.h"
#include "sim/core/xsave.h"
#include "testsuites/fuzz/guest.h"

#define ROUND_INSNS  4000u
#define ROUND_CYCLES 100000u

struct fuzz_mode {
    const char *name;
    uint64_t cr0, cr4, efer;
    uint32_t cs_ar, ss_ar, rflags;
    uint8_t cpl;
};

#define PG64      (CR0_PE | CR0_PG | CR0_NE | CR0_WP)
#define LONG_CR4  (CR4_PAE | CR4_PGE | CR4_FSGSBASE)
#define LONG_EFER (EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE)

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
    {"protected32 cet",  CR0_PE | CR0_WP, CR4_CET,             0,                     AR_CODE_SEG(0) | AR_DB | AR_G, AR_DATA_SEG(0) | AR_DB | AR_G,
     FLAG_FIXED,                                                                                                                                                                      0},
    {"long cet",         PG64,            LONG_CR4 | CR4_CET,  LONG_EFER,             AR_CODE_SEG(0) | AR_L | AR_G,  AR_DATA_SEG(0) | AR_DB | AR_G,
     FLAG_FIXED,                                                                                                                                                                      0},
    {"long user cet",    PG64,            LONG_CR4 | CR4_CET,  LONG_EFER,             AR_CODE_SEG(3) | AR_L | AR_G,  AR_DATA_SEG(3) | AR_DB | AR_G,
     FLAG_FIXED,                                                                                                                                                                      3},
    {"compat cet",       PG64,            LONG_CR4 | CR4_CET,  LONG_EFER,             AR_CODE_SEG(3) | AR_DB | AR_G, AR_DATA_SEG(3) | AR_DB | AR_G,
     FLAG_FIXED,                                                                                                                                                                      3},
};
#define MODE_COUNT (sizeof modes / sizeof modes[0])

/* Any of the enables, shadow stacks in the pages that write_page_tables() has for them */
static void set_cet(struct cpu *cpu, struct rng *r) {
    const uint64_t enables = CET_SH_STK_EN | CET_WR_SHSTK_EN | CET_ENDBR_EN | CET_LEG_IW_EN | CET_NO_TRACK_EN;
    if (!(cpu->ctl.cr4 & CR4_CET)) return;
    cpu->cet.s_cet = rng_next(r) & enables & cet_control_bits(cpu->model);
    cpu->cet.u_cet = rng_next(r) & enables & cet_control_bits(cpu->model);
    for (unsigned n = 0; n < 3; n++) {
        uint64_t at = SHADOW_BASE + 0x1018 + 0x1000 * n;
        cpu->cet.pl_ssp[n] = at;
        put(cpu->machine, at, at, 8);
    }
    cpu->cet.pl_ssp[3] = SHADOW_USER + 0x1000;
    cpu->cet.ssp_table = CODE_BASE + (rng_next(r) & 0xFFF);
    cpu->cet.ssp = cpu->cpl == 3 ? SHADOW_USER + 0x1000 : SHADOW_BASE + 0x8000 + (rng_next(r) & 0xFC);
}

static uint64_t vector_word(struct rng *r) {
    static const uint64_t special[] = {0,
                                       ~0ull,
                                       0x3F8000003F800000,
                                       0x3FF0000000000000,
                                       0x7F8000007F800000,
                                       0x7FF0000000000000,
                                       0x7FF8000000000000,
                                       0x7FA000007FA00000,
                                       0x0000000100000001,
                                       0x0000000000000001,
                                       0x7C003C0000010400,
                                       0x0000010000002000,
                                       CODE_BASE};
    const uint64_t x = rng_next(r);
    return x & 1 ? special[(x >> 8) % (sizeof special / sizeof special[0])] : rng_next(r);
}

/* x87 and vector registers; mostly enabled, and mostly with all exceptions masked */
static void set_vector(struct cpu *cpu, struct rng *r) {
    const uint64_t x = rng_next(r), xcr0 = xcr0_supported(cpu->model);
    cpu->ctl.cr0 |= (x & 7 ? 0 : CR0_TS) | (x >> 3 & 7 ? 0 : CR0_EM) | (x >> 6 & 3 ? CR0_NE : 0) | (x >> 8 & CR0_MP);
    if (x >> 16 & 7) cpu->ctl.cr4 |= (CR4_OSFXSR | CR4_OSXSAVE | CR4_OSXMMEXCPT) & cr4_supported(cpu->model);
    cpu->ctl.xcr0 = x >> 20 & 7 ? xcr0 : xcr0_valid(cpu->model, xcr0 & (x >> 32)) ? xcr0 & (x >> 32) : 1;
    for (unsigned n = 0; n < 32; n++)
        for (unsigned j = 0; j < 8; j++) cpu->vec.zmm[n].u64[j] = vector_word(r);
    for (unsigned n = 0; n < 8; n++) {
        cpu->vec.k[n] = vector_word(r);
        cpu->fpu.st[n] = (struct f80){vector_word(r), (uint16_t)rng_next(r)};
    }
    cpu->fpu.ftw = (uint8_t)(x >> 24);
    cpu->fpu.fsw = (uint16_t)((x >> 40) & (FSW_TOP | FSW_CODE));
    cpu->fpu.fcw = (uint16_t)(((x >> 4) & (FCW_PC | FCW_RC)) | (x >> 30 & 3 ? FCW_INIT : FCW_RESET));
    const uint32_t valid = mxcsr_mask(cpu->model);
    mxcsr_set(cpu, x >> 28 & 3 ? (MXCSR_MASKS | (uint32_t)(rng_next(r) & ~(uint64_t)MXCSR_MASKS)) & valid
                               : (uint32_t)rng_next(r) & valid);
}

static void set_state(struct cpu *cpu, const struct fuzz_mode *mode, struct rng *r) {
    bool low = !(mode->cr0 & CR0_PE) || (mode->rflags & FLAG_VM), is16 = !(mode->cs_ar & (AR_DB | AR_L));
    uint32_t limit = mode->cs_ar & AR_G ? 0xFFFFFFFF : 0xFFFF;
    cpu_reset(cpu, false);
    cpu->intr.activity = ACT_ACTIVE;
    cpu->ctl.cr0 = mode->cr0;
    cpu->ctl.cr4 = mode->cr4 & cr4_supported(cpu->model);
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
        uint64_t x = rng_next(r);
        cpu->gpr[n] = x & 1 ? x : x & 2 ? CODE_BASE + (x >> 8 & 0xFFFF) : x >> 8 & 0xFF;
    }
    set_cet(cpu, r);
    set_vector(cpu, r);
    cpu->gpr[RSP] = low || is16 ? 0x8000 : CODE_BASE - 0x800;
    cpu->rip = low || is16 ? rng_next(r) & 0xFFFF : CODE_BASE + rng_next(r) % CODE_BYTES;
    flags_load(cpu, mode->rflags | (uint32_t)(rng_next(r) & FLAG_ARITH));
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
    fuzz_run(m, ROUND_INSNS, ROUND_CYCLES);
}

static bool fuzz(const char *model, uint64_t millions, uint64_t seed, bool verbose) {
    struct machine *m = fuzz_machine("fuzz_modes", model);
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

int main(int argc, char **argv) { return fuzz_main(argc, argv, "fuzz_modes", fuzz); }
