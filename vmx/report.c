/* What people see of VMX: failed entries explained, the last exits, exits by reason. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim/core/trace.h"
#include "vmx/vmx.h"

const char *vmx_reason_name(uint32_t reason) {
    static const char *const names[VMX_REASON_COUNT] = {
#define EXIT_REASON(number, id, name) [number] = name,
#include "sim/arch/vmx_exits.def"
#undef EXIT_REASON
    };
    uint32_t basic = reason & 0xFFFF;
    return basic < VMX_REASON_COUNT && names[basic] ? names[basic] : "reserved";
}

void vmx_say(struct cpu *cpu, const char *fmt, ...) {
    va_list ap;
    (void)cpu;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
}

/* ---- a failed entry ---- */

static void tell_rule(FILE *out, const struct check_ctx *c, const struct vmx_check *r, unsigned number, bool decides) {
    char detail[512] = "";
    fprintf(out, "  %u. %s%s\n", number, r->id, decides ? "   (the first: it decides the result)" : "");
    fprintf(out, "     rule      %s.\n", r->rule);
    for (const uint8_t *fl = r->fields; *fl != F_NONE; fl++) {
        const struct vmcs_field_row *row = &vmcs_field_rows[*fl];
        fprintf(out, "     %s%s (%04XH) = %#" PRIx64 "\n", fl == r->fields ? "found     " : "with      ", row->name,
                row->encoding, c->f[*fl]);
    }
    if (r->explain) r->explain(c, detail, sizeof detail);
    if (*detail) fprintf(out, "     expected  %s\n", detail);
    fprintf(out, "     see       %s\n", r->section);
}

char *vmx_failure_text(const struct check_ctx *c, const struct vmx_check *first, uint32_t groups,
                       uint64_t broken[VMX_CHECK_WORDS]) {
    char *text = NULL;
    size_t size;
    unsigned number = 0;
    const struct vmx_check *r;
    FILE *out = open_memstream(&text, &size);
    memset(broken, 0, VMX_CHECK_WORDS * sizeof broken[0]);
    for (unsigned n = 0; (r = vmx_check_row(n)) != NULL; n++) {
        if (!(groups >> r->group & 1) || !vmx_check_broken(c, r)) continue;
        broken[n / 64] |= 1ull << (n % 64);
        if (out) tell_rule(out, c, r, ++number, r == first);
    }
    if (out) fclose(out);
    return text;
}

static bool says_something_new(struct vmx *v, const struct vmx_failure *f) {
    bool news = false;
    for (unsigned w = 0; w < VMX_CHECK_WORDS; w++) {
        news |= (f->broken[w] & ~v->told[w]) != 0;
        v->told[w] |= f->broken[w];
    }
    return news;
}

static void tell_failure(const struct vmx_failure *f, const struct vmx_check *first, FILE *out) {
    unsigned count = 0;
    for (unsigned w = 0; w < VMX_CHECK_WORDS; w++) count += (unsigned)__builtin_popcountll(f->broken[w]);
    fprintf(out, "hvsim: VM entry failed at RIP %#" PRIx64 ", VMCS %#" PRIx64 ": %u rule%s broken.\n", f->rip, f->vmcs,
            count, count == 1 ? "" : "s");
    if (f->error)
        fprintf(out, "  result  VMfailValid, VM-instruction error %u: %s\n", f->error, vmx_error_text(f->error));
    else
        fprintf(out,
                "  result  VM exit, exit reason 80000021H (VM-entry failure due to invalid guest state), exit "
                "qualification %u\n",
                first ? first->qualification : 0);
    if (f->text) fputs(f->text, out);
}

void vmx_note_failure(struct cpu *cpu, const struct check_ctx *c, const struct vmx_check *first, enum vmx_error error) {
    struct vmx *v = vmx_of(cpu);
    struct vmx_failure *f = &v->failure;
    uint64_t next = cpu->cur ? cpu_insn_rip(cpu, cpu->cur) : cpu->rip;
    free(f->text);
    *f = (struct vmx_failure){
        .valid = true, .error = (uint8_t)error, .vmcs = v->current->addr, .rip = next, .icount = cpu_icount(cpu)};
    f->first = first;
    f->text = vmx_failure_text(c, first, CHECK_ALL, f->broken);
    v->failures++;
    if (says_something_new(v, f)) tell_failure(f, first, stderr);
    if (trace_on(cpu->machine, TRACE_EXITS))
        trace_line(cpu->machine, cpu, TRACE_EXITS, "VM entry failed: %s, %s", first->id,
                   error ? "VMfailValid" : "exit reason 80000021H");
}

/* ---- exits and entries ---- */

static struct event info_event(uint32_t info) {
    return (struct event){.vector = (uint8_t)(info & VMX_INFO_VECTOR), .type = info >> VMX_INFO_TYPE_SHIFT & 7};
}

static void trace_exit(struct cpu *cpu, const struct vmx_exit *x) {
    char words[96], more[96] = "";
    size_t used = 0;
    vmx_decode_qualification(cpu, x, words, sizeof words);
    if (x->info & VMX_INFO_VALID) {
        const struct event ev = info_event(x->info);
        used = (size_t)snprintf(more, sizeof more, " vector %02x (%s)", ev.vector, event_name(&ev));
        if (x->info & VMX_INFO_ERROR_CODE)
            used += (size_t)snprintf(more + used, sizeof more - used, " error code %04x", x->error);
    }
    if (x->has_gpa) snprintf(more + used, sizeof more - used, " GPA %#" PRIx64, x->gpa);
    trace_line(cpu->machine, cpu, TRACE_EXITS, "VM exit %u (%s%s%s) RIP %#" PRIx64 " qualification %#" PRIx64 "%s",
               x->reason & 0xFFFF, vmx_reason_name(x->reason), *words ? ": " : "", words, x->rip, x->qualification,
               more);
}

void vmx_note_exit(struct cpu *cpu, const struct vmx_exit *x) {
    struct vmx *v = vmx_of(cpu);
    uint32_t basic = x->reason & 0xFFFF;
    v->last[v->last_count++ % VMX_LAST_EXITS] = (struct vmx_exit_record){.reason = x->reason,
                                                                         .info = x->info,
                                                                         .qualification = x->qualification,
                                                                         .rip = x->rip,
                                                                         .gpa = x->has_gpa ? x->gpa : 0,
                                                                         .icount = cpu_icount(cpu)};
    v->stat[basic].count++;
    v->last_reason = basic;
    v->exit_cycles = cpu_cycles(cpu);
    v->exit_open = true;
    if (trace_on(cpu->machine, TRACE_EXITS)) trace_exit(cpu, x);
}

void vmx_note_entry(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    cpu->virt.entries++;
    if (v->exit_open) {
        struct vmx_stat *s = &v->stat[v->last_reason];
        uint64_t spent = cpu_cycles(cpu) - v->exit_cycles;
        s->cycles += spent;
        if (s->min == 0 || spent < s->min) s->min = spent;
        if (spent > s->max) s->max = spent;
        v->exit_open = false;
    }
    if (trace_on(cpu->machine, TRACE_EXITS))
        trace_line(cpu->machine, cpu, TRACE_EXITS, "VM entry VMCS %#" PRIx64 " RIP %#" PRIx64 " injecting %#" PRIx64,
                   v->current->addr, cpu->rip, v->current->f[F_ENTRY_INTERRUPTION_INFO]);
}

/* ---- reports ---- */

static void report_last_exits(const struct vmx *v, FILE *out) {
    uint64_t first = v->last_count > VMX_LAST_EXITS ? v->last_count - VMX_LAST_EXITS : 0;
    if (v->last_count) fprintf(out, "last VM exits (oldest first):\n");
    for (uint64_t n = first; n < v->last_count; n++) {
        const struct vmx_exit_record *r = &v->last[n % VMX_LAST_EXITS];
        fprintf(out, "  %12" PRIu64 "  %-30s qualification %#-12" PRIx64 " guest RIP %#" PRIx64, r->icount,
                vmx_reason_name(r->reason), r->qualification, r->rip);
        if (r->gpa) fprintf(out, " GPA %#" PRIx64, r->gpa);
        if (r->info & VMX_INFO_VALID) {
            const struct event ev = info_event(r->info);
            fprintf(out, " vector %02x (%s)", ev.vector, event_name(&ev));
        }
        fputc('\n', out);
    }
}

void vmx_report(struct cpu *cpu, FILE *out) {
    const struct vmx *v = vmx_of(cpu);
    if (!v->on && !v->last_count && !v->failures) return;
    fprintf(out, "VMX: %s", cpu->virt.guest ? "non-root operation (guest)" : v->on ? "root operation" : "off");
    if (v->current)
        fprintf(out, ", current VMCS %#" PRIx64 " (%s)", v->current->addr, v->current->launched ? "launched" : "clear");
    fputc('\n', out);
    if (v->aborted) fprintf(out, "VMX abort %u\n", v->aborted);
    report_last_exits(v, out);
    if (v->failures) {
        fprintf(out, "VM entries failed: %" PRIu64 "; the last:\n", v->failures);
        tell_failure(&v->failure, v->failure.first, out);
    }
}

static uint64_t total_exits(const struct vmx *v) {
    uint64_t total = 0;
    for (unsigned n = 0; n < VMX_REASON_COUNT; n++) total += v->stat[n].count;
    return total;
}

/* Reasons from the most frequent to the least; each is printed once. */
void vmx_stats(struct cpu *cpu, FILE *out) {
    const struct vmx *v = vmx_of(cpu);
    uint64_t total = total_exits(v);
    bool printed[VMX_REASON_COUNT] = {false};
    if (total == 0) return;
    fprintf(out, "VM exits of CPU %u: %" PRIu64 ", VM entries: %" PRIu64 ", failed entries: %" PRIu64 "\n", cpu->id,
            total, cpu->virt.entries, v->failures);
    fprintf(out, "  %-34s %12s %8s %12s %12s %12s\n", "reason", "exits", "share", "min cycles", "avg cycles",
            "max cycles");
    for (;;) {
        unsigned best = VMX_REASON_COUNT;
        for (unsigned n = 0; n < VMX_REASON_COUNT; n++)
            if (!printed[n] && v->stat[n].count && (best == VMX_REASON_COUNT || v->stat[n].count > v->stat[best].count))
                best = n;
        if (best == VMX_REASON_COUNT) return;
        const struct vmx_stat *s = &v->stat[best];
        fprintf(out, "  %-34s %12" PRIu64 " %7.2f%% %12" PRIu64 " %12.1f %12" PRIu64 "\n", vmx_reason_name(best),
                s->count, 100.0 * (double)s->count / (double)total, s->min, (double)s->cycles / (double)s->count,
                s->max);
        printed[best] = true;
    }
}
