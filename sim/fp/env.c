/* MXCSR between the guest, the portable code and the host. */
#include "sim/fp/env.h"

#include <string.h>

#include "sim/core/cpu.h"
#include "sim/fp/host_x86.h"

static void take_apart(struct fp_env *e, uint32_t mxcsr) {
    e->rc = mxcsr >> 13 & 3;
    e->daz = mxcsr & MXCSR_DAZ;
    e->ftz = mxcsr & MXCSR_FTZ;
    e->unmasked = ~mxcsr >> 7 & FP_ALL;
    e->soft = e->unmasked != 0;
    e->flags = 0;
}

/* The host starts without flags: those of before are in MXCSR or in e->flags. */
static void load_host(const struct fp_env *e) {
    if (e->live) host_mxcsr_load(e->rc, e->daz, e->ftz);
}

static uint32_t host_flags(const struct fp_env *e) { return e->live ? host_mxcsr_flags() : 0; }

void fp_enter(struct cpu *cpu) {
    struct fp_env *e = &cpu->vec.env;
    e->live = host_present();
    e->fma = host_has_fma();
    load_host(e);
    host_x87_reset(&cpu->fpu);
}

void fp_leave(struct cpu *cpu) {
    struct fp_env *e = &cpu->vec.env;
    mxcsr_get(cpu);
    if (e->live) host_mxcsr_load(FP_NEAREST, false, false);
    e->live = false;
    host_x87_reset(&cpu->fpu);
}

uint32_t mxcsr_get(struct cpu *cpu) {
    struct fp_env *e = &cpu->vec.env;
    cpu->vec.mxcsr |= e->flags | host_flags(e);
    e->flags = 0;
    return cpu->vec.mxcsr;
}

void mxcsr_set(struct cpu *cpu, uint32_t value) {
    cpu->vec.mxcsr = value;
    take_apart(&cpu->vec.env, value);
    load_host(&cpu->vec.env);
}

/* All x87 registers are tagged zero. SDM 3 "Processor State After Reset" */
void fp_reset(struct cpu *cpu) {
    struct fp_env *e = &cpu->vec.env;
    bool live = e->live, fma = e->fma;
    cpu->fpu = (struct fpu_regs){.fcw = FCW_RESET, .ftw = 0xFF, .host = cpu->fpu.host};
    memset(&cpu->vec, 0, sizeof cpu->vec);
    e->live = live;
    e->fma = fma;
    mxcsr_set(cpu, MXCSR_INIT);
}

void fp_begin(struct fp_env *e, struct fp_saved *saved, enum fp_rc rc, bool sae) {
    e->flags |= (uint8_t)host_flags(e);
    saved->env = *e;
    e->flags = 0;
    if (rc != FP_CURRENT) e->rc = (uint8_t)rc;
    if (sae) e->unmasked = 0;
    load_host(e);
}

uint32_t fp_end(struct fp_env *e, const struct fp_saved *saved) {
    uint32_t raised = e->flags | host_flags(e);
    *e = saved->env;
    load_host(e);
    return raised;
}
