/* The trace: categories by name, and the form of a line. */
#include "sim/core/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "decoder/decoder.h"
#include "sim/core/fault.h"
#include "sim/core/mem.h"

static const struct {
    const char *name;
    uint32_t bits;
} categories[] = {
    {"exec",  TRACE_EXEC },
    {"exits", TRACE_EXITS},
    {"int",   TRACE_INT  },
    {"io",    TRACE_IO   },
    {"mmio",  TRACE_MMIO },
    {"msr",   TRACE_MSR  },
    {"all",   ~0u        },
};
#define CATEGORIES (sizeof categories / sizeof categories[0])

static const char *category_name(uint32_t what) {
    for (unsigned i = 0; i < CATEGORIES; i++)
        if (categories[i].bits == what) return categories[i].name;
    return "?";
}

static uint32_t category_bits(const char *name, size_t len) {
    for (unsigned i = 0; i < CATEGORIES; i++)
        if (strlen(categories[i].name) == len && !memcmp(categories[i].name, name, len)) return categories[i].bits;
    return 0;
}

static bool parse_mask(const char *spec, const char *end, uint32_t *mask, char *err, size_t err_size) {
    for (const char *p = spec; p <= end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        uint32_t bits = category_bits(p, (size_t)(stop - p));
        if (!bits) {
            snprintf(err, err_size, "trace: '%.*s' is no category; expected exec, exits, int, io, mmio, msr or all",
                     (int)(stop - p), p);
            return false;
        }
        *mask |= bits;
        p = stop + 1;
    }
    return true;
}

struct trace *trace_open(const char *spec, bool att, char *err, size_t err_size) {
    const char *colon = strchr(spec, ':');
    if (!colon || colon == spec || !colon[1]) {
        snprintf(err, err_size, "trace: '%s' is not CATEGORY[,CATEGORY...]:FILE, for instance exits,int:trace.txt",
                 spec);
        return NULL;
    }
    uint32_t mask = 0;
    if (!parse_mask(spec, colon, &mask, err, err_size)) return NULL;
    struct trace *t = calloc(1, sizeof *t);
    if (!t) {
        snprintf(err, err_size, "trace: out of memory");
        return NULL;
    }
    t->mask = mask;
    t->att = att;
    t->owned = strcmp(colon + 1, "-") != 0;
    t->out = t->owned ? fopen(colon + 1, "w") : stderr;
    if (!t->out) {
        snprintf(err, err_size, "trace: cannot write %s: %s", colon + 1, strerror(errno));
        free(t);
        return NULL;
    }
    return t;
}

void trace_close(struct trace *t) {
    if (!t) return;
    if (t->owned)
        fclose(t->out);
    else
        fflush(t->out);
    free(t);
}

void trace_line(struct machine *m, const struct cpu *cpu, enum trace_what what, const char *fmt, ...) {
    struct trace *t = m->trace;
    if (!t) return;
    fprintf(t->out, "%12llu ", (unsigned long long)machine_now(m));
    if (cpu)
        fprintf(t->out, "cpu%u ", cpu->id);
    else
        fputs("-    ", t->out);
    fprintf(t->out, "%-5s ", category_name((uint32_t)what));
    va_list ap;
    va_start(ap, fmt);
    vfprintf(t->out, fmt, ap);
    va_end(ap);
    fputc('\n', t->out);
}

void trace_insn(struct cpu *cpu) {
    uint8_t bytes[15];
    char text[96], hex[2 * sizeof bytes + 1] = "";
    unsigned avail = sizeof bytes;
    uint64_t la = cpu_code_la(cpu, cpu->rip);
    if (!cpu_is_64(cpu)) la = (uint32_t)la;
    while (avail && !mem_peek(cpu, la, bytes, avail)) avail--;
    enum disasm_syntax syntax = cpu->machine->trace->att ? DISASM_ATT : DISASM_INTEL;
    unsigned len = disasm(bytes, avail, cpu->mode, cpu->rip, syntax, text, sizeof text);
    if (!len) len = avail ? 1 : 0;
    for (unsigned i = 0; i < len; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    trace_line(cpu->machine, cpu, TRACE_EXEC, "%c %04x:%016llx %-30s %s", cpu->virt.guest ? 'G' : '.',
               cpu->seg[SEG_CS].sel, (unsigned long long)cpu->rip, hex, avail ? text : "(not mapped)");
}

const char *event_name(const struct event *ev) {
    static const char *const exceptions[32] = {
        [VEC_DE] = "#DE", [VEC_DB] = "#DB", [VEC_NMI] = "NMI", [VEC_BP] = "#BP", [VEC_OF] = "#OF",
        [VEC_BR] = "#BR", [VEC_UD] = "#UD", [VEC_NM] = "#NM",  [VEC_DF] = "#DF", [VEC_TS] = "#TS",
        [VEC_NP] = "#NP", [VEC_SS] = "#SS", [VEC_GP] = "#GP",  [VEC_PF] = "#PF", [VEC_MF] = "#MF",
        [VEC_AC] = "#AC", [VEC_MC] = "#MC", [VEC_XM] = "#XM",  [VEC_VE] = "#VE", [VEC_CP] = "#CP"};
    static const char *const types[8] = {[EVT_EXTERNAL] = "external interrupt", [EVT_NMI] = "NMI",
                                         [EVT_HARD_EXC] = "exception",          [EVT_SOFT_INT] = "INT n",
                                         [EVT_PRIV_SOFT_EXC] = "INT1",          [EVT_SOFT_EXC] = "INT3 or INTO"};
    if (ev->type == EVT_HARD_EXC && ev->vector < 32 && exceptions[ev->vector]) return exceptions[ev->vector];
    return ev->type < 8 && types[ev->type] ? types[ev->type] : "event";
}

void trace_event(struct cpu *cpu, const struct event *ev) {
    char error[24] = "", info[32] = "";
    if (ev->has_error && !cpu_is_real(cpu)) snprintf(error, sizeof error, " error code %04x", ev->error);
    if (ev->type == EVT_HARD_EXC && ev->vector == VEC_PF)
        snprintf(info, sizeof info, " address %llx", (unsigned long long)ev->info);
    trace_line(cpu->machine, cpu, TRACE_INT, "vector %02x (%s)%s%s at %04x:%llx", ev->vector, event_name(ev), error,
               info, cpu->seg[SEG_CS].sel, (unsigned long long)cpu->rip);
}
