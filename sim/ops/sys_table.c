/* The bodies of A_SYS instructions by id. */
#include "sim/ops/sys.h"

sys_body *const sys_bodies[INSN_COUNT] = {
#define BODY(id, name) [INSN_##id] = body_##name,
#include "sim/ops/sys_bodies.def"
#undef BODY
};

/* #UD whatever the processor state: GETSEC with CR4.SMXE = 0, which is always so here. */
void body_ud(struct cpu *cpu, const struct insn *i) {
    (void)i;
    cpu_ud(cpu);
}

void body_nothing(struct cpu *cpu, const struct insn *i) {
    (void)cpu;
    (void)i;
}

/* VMX and SVM instructions: the extension of this processor checks and executes them. The row's feature was checked
 * before. */
void body_virt(struct cpu *cpu, const struct insn *i) {
    if (!cpu->virt.ops) cpu_ud(cpu);
    cpu->virt.ops->insn(cpu, i);
}
