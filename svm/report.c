/* What a person wants to know: names, the last exits, why VMRUN failed, how often what exited. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/core/trace.h"
#include "svm/intercepts.h"
#include "svm/svm.h"

static const char *const exceptions[32] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", 0, "#TS",
                                           "#NP", "#SS", "#GP", "#PF", 0,     "#MF", "#AC", "#MC", "#XF", 0, "#CP",
                                           0,     0,     0,     0,     0,     0,     "#HV", "#VC", "#SX", 0};

const char *svm_exit_name(uint64_t code, char buf[24]) {
    const struct svm_intercept_row *r = svm_intercept_row(code);
    if (code == VMEXIT_INVALID) return "INVALID";
    if (!r) {
        snprintf(buf, 24, "%#" PRIx64, code);
        return buf;
    }
    if (r->count == 1) return r->name;
    unsigned n = (unsigned)(code - r->code);
    if (r->code == VMEXIT_EXCP0 && exceptions[n])
        snprintf(buf, 24, "EXCP%u %s", n, exceptions[n]);
    else
        snprintf(buf, 24, r->name, n);
    return buf;
}

/* ---- records ---- */

static unsigned slot_of(uint64_t code) {
    if (code < SVM_EXIT_SLOTS) return (unsigned)code;
    return code == VMEXIT_NPF ? SVM_SLOT_NPF : SVM_SLOT_INVALID;
}
static uint64_t code_of(unsigned slot) {
    return slot < SVM_EXIT_SLOTS ? slot : slot == SVM_SLOT_NPF ? VMEXIT_NPF : VMEXIT_INVALID;
}

/* EXITINFO1 and EXITINFO2 in words, of the exits where they say much. APM 2, "IOIO Intercepts", "MSR Intercepts",
 * "Nested versus Guest Page Faults, Fault Ordering"; the general registers but RAX are still the guest's. */
static void decode_info(const struct cpu *cpu, uint64_t code, uint64_t info1, uint64_t info2, char *buf, size_t size) {
    buf[0] = 0;
    if (code == VMEXIT_IOIO) {
        unsigned bytes = info1 >> IOIO_SZ_SHIFT & 7; /* SZ8, SZ16, SZ32: bit n is 2^n bytes, so the field is the size */
        snprintf(buf, size, " (%s%s%s port %04x, %u byte%s)", info1 & IOIO_REP ? "REP " : "",
                 info1 & IOIO_TYPE_IN ? "IN" : "OUT", info1 & IOIO_STR ? "S" : "",
                 (unsigned)(info1 >> IOIO_PORT_SHIFT & 0xFFFF), bytes, bytes == 1 ? "" : "s");
    } else if (code == VMEXIT_MSR)
        snprintf(buf, size, " (%s %x)", info1 & 1 ? "WRMSR" : "RDMSR", (uint32_t)cpu->gpr[RCX]);
    else if (code == VMEXIT_NPF)
        snprintf(buf, size, " (%s, %s, GPA %#" PRIx64 ")",
                 info1 & 16  ? "fetch"
                 : info1 & 2 ? "write"
                             : "read",
                 info1 & 8   ? "reserved bit"
                 : info1 & 1 ? "protection"
                             : "not present",
                 info2);
}

void svm_record_exit(struct cpu *cpu, uint64_t code, uint64_t info1, uint64_t info2, uint64_t rip) {
    struct svm *s = svm_of(cpu);
    cpu->virt.exits++;
    s->last_slot = slot_of(code);
    s->stat[s->last_slot].count++;
    s->exit_cycle = cpu_cycles(cpu);
    s->ring[s->ring_count++ % SVM_RING] = (struct svm_exit_entry){
        .icount = cpu_icount(cpu), .vmcb_pa = s->vmcb_pa, .code = code, .info1 = info1, .info2 = info2, .rip = rip};
    if (!trace_on(cpu->machine, TRACE_EXITS)) return;
    char name[24], words[64];
    decode_info(cpu, code, info1, info2, words, sizeof words);
    trace_line(cpu->machine, cpu, TRACE_EXITS,
               "#VMEXIT %s%s VMCB %#" PRIx64 " RIP %#" PRIx64 " EXITINFO1 %#" PRIx64 " EXITINFO2 %#" PRIx64
               " EXITINTINFO %#" PRIx64,
               svm_exit_name(code, name), words, s->vmcb_pa, rip, info1, info2,
               code == VMEXIT_INVALID ? 0 : s->vmcb.control.exitintinfo);
}

void svm_record_entry(struct cpu *cpu) {
    struct svm *s = svm_of(cpu);
    cpu->virt.entries++;
    if (s->last_slot < SVM_SLOTS) {
        struct svm_exit_stat *st = &s->stat[s->last_slot];
        uint64_t took = cpu_cycles(cpu) - s->exit_cycle;
        st->cycles += took;
        if (!st->followed++ || took < st->min) st->min = took;
        if (took > st->max) st->max = took;
        s->last_slot = SVM_SLOTS;
    }
    if (trace_on(cpu->machine, TRACE_EXITS))
        trace_line(cpu->machine, cpu, TRACE_EXITS, "VMRUN VMCB %#" PRIx64 " ASID %u RIP %#" PRIx64, s->vmcb_pa,
                   cpu->virt.tag, cpu->rip);
}

/* ---- reports ---- */

void svm_print_failure(const struct svm *s, FILE *out) {
    unsigned broken = 0;
    for (unsigned n = 0; n < svm_check_count; n++) broken += svm_check_broken(&s->failed, &svm_checks[n]);
    fprintf(out, "hvsim: VMRUN failed, VMCB %#" PRIx64 ": %u rule%s broken.\n", s->failed_vmcb, broken,
            broken == 1 ? "" : "s");
    fprintf(out, "  result  #VMEXIT(VMEXIT_INVALID) to RIP %#" PRIx64 ", after VMRUN\n", s->failed_rip);
    svm_check_explain(&s->failed, out);
}

static void print_ring(const struct svm *s, FILE *out) {
    uint64_t n = s->ring_count > SVM_RING ? s->ring_count - SVM_RING : 0;
    if (s->ring_count) fprintf(out, "last exits (of %" PRIu64 "):\n", s->ring_count);
    for (; n < s->ring_count; n++) {
        const struct svm_exit_entry *e = &s->ring[n % SVM_RING];
        char name[24];
        fprintf(out,
                "  %12" PRIu64 "  %-17s RIP %#-18" PRIx64 " EXITINFO1 %#" PRIx64 " EXITINFO2 %#" PRIx64
                " VMCB %#" PRIx64 "\n",
                e->icount, svm_exit_name(e->code, name), e->rip, e->info1, e->info2, e->vmcb_pa);
    }
}

void svm_report(struct cpu *cpu, FILE *out) {
    const struct svm *s = svm_of(cpu);
    if (!(cpu->ctl.efer & EFER_SVME) && !s->ring_count) {
        fprintf(out, "SVM: off (EFER.SVME = 0)\n");
        return;
    }
    if (cpu->virt.guest)
        fprintf(out, "SVM: in the guest of VMCB %#" PRIx64 ", ASID %u, %s, GIF %d\n", s->vmcb_pa, cpu->virt.tag,
                s->np ? "nested paging" : "no nested paging", cpu->intr.gif);
    else
        fprintf(out, "SVM: in the host, GIF %d, VM_HSAVE_PA %#" PRIx64 "\n", cpu->intr.gif, s->hsave_pa);
    print_ring(s, out);
    if (s->failures) {
        fprintf(out, "VMRUN failed %" PRIu64 " time%s; the last one:\n", s->failures, s->failures == 1 ? "" : "s");
        svm_print_failure(s, out);
    }
}

static int by_count(const void *a, const void *b) {
    const struct svm_exit_stat *const *x = a, *const *y = b;
    if ((*x)->count != (*y)->count) return (*x)->count < (*y)->count ? 1 : -1;
    return *x < *y ? -1 : 1;
}

/* As `perf kvm stat` shows it; the cycles are those of the hypervisor between #VMEXIT and the next VMRUN. */
void svm_stats(struct cpu *cpu, FILE *out) {
    const struct svm *s = svm_of(cpu);
    const struct svm_exit_stat *order[SVM_SLOTS];
    unsigned count = 0;
    if (!cpu->virt.exits) return;
    for (unsigned n = 0; n < SVM_SLOTS; n++)
        if (s->stat[n].count) order[count++] = &s->stat[n];
    qsort(order, count, sizeof order[0], by_count);
    fprintf(out,
            "SVM, CPU %u: %" PRIu64 " VMRUNs, %" PRIu64 " #VMEXITs; cycles in the hypervisor until the next VMRUN\n",
            cpu->id, cpu->virt.entries, cpu->virt.exits);
    fprintf(out, "  %-20s %12s %8s %10s %10s %10s\n", "exit", "count", "share", "min", "avg", "max");
    for (unsigned n = 0; n < count; n++) {
        const struct svm_exit_stat *st = order[n];
        char name[24];
        fprintf(out, "  %-20s %12" PRIu64 " %7.2f%% %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n",
                svm_exit_name(code_of((unsigned)(st - s->stat)), name), st->count,
                100.0 * (double)st->count / (double)cpu->virt.exits, st->min,
                st->followed ? st->cycles / st->followed : 0, st->max);
    }
}
