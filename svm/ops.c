/* SVM as the core sees it. */
#include <stdlib.h>
#include <string.h>

#include "sim/core/system.h"
#include "svm/svm.h"

static bool create(struct cpu *cpu) {
    struct svm *s = calloc(1, sizeof *s);
    if (!s) return false;
    s->caps = svm_caps_for(cpu->model);
    s->la_shift = (uint8_t)(cpu->model->lin_bits > 48 ? 64 - 57 : 64 - 48);
    s->cet = cpu_has(cpu, FEAT_SHSTK);
    cpu->virt.state = s;
    return true;
}

static void destroy(struct cpu *cpu) {
    free(cpu->virt.state);
    cpu->virt.state = NULL;
}

/* APM 2, "Processor Initialization State": INIT leaves the MSRs of SVM alone. */
static void reset(struct cpu *cpu, bool init) {
    struct svm *s = svm_of(cpu);
    s->cached_pa = ~0ull;
    s->passed_valid = false;
    s->pictured = ~0ull;
    s->trap_pending = false;
    s->last_slot = SVM_SLOTS;
    if (init) return;
    s->vm_cr = s->hsave_pa = s->ignne = s->svm_key = 0;
    s->tsc_ratio = 1ull << 32;
}

const struct virt_ops svm_virt_ops = {
    .name = "SVM",
    .create = create,
    .destroy = destroy,
    .reset = reset,
    .intercept = svm_intercept,
    .exception = svm_exception,
    .event = svm_event,
    .attention = svm_attention,
    .intr_allowed = svm_intr_allowed,
    .cr_write = svm_cr_write,
    .cr_read = svm_cr_read,
    .cr8_read = svm_cr8_read,
    .cr8_write = svm_cr8_write,
    .rdmsr = svm_rdmsr,
    .wrmsr = svm_wrmsr,
    .tsc = svm_tsc,
    .insn = svm_insn,
    .second_stage_fault = svm_second_stage_fault,
    .report = svm_report,
    .stats = svm_stats,
    .cpuid = svm_cpuid,
};
