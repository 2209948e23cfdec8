/* The trace: one line per thing that happened, in chosen categories. It only looks; a traced run does what an untraced
 * one does. */
#ifndef HVSIM_CORE_TRACE_H
#define HVSIM_CORE_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/machine/machine.h"

enum trace_what {
    TRACE_EXEC = 1 << 0,  /* every instruction, disassembled (the run loop executes one at a time) */
    TRACE_EXITS = 1 << 1, /* VM entries and exits */
    TRACE_INT = 1 << 2,   /* exceptions and interrupts delivered */
    TRACE_IO = 1 << 3,    /* port accesses */
    TRACE_MMIO = 1 << 4,  /* accesses to device memory */
    TRACE_MSR = 1 << 5,   /* RDMSR and WRMSR */
};

struct trace {
    uint32_t mask; /* enum trace_what */
    bool att;      /* disassembly syntax */
    FILE *out;
    bool owned;
};

static inline bool trace_on(const struct machine *m, enum trace_what what) {
    return __builtin_expect(m->trace != NULL, 0) && (m->trace->mask & (uint32_t)what);
}

/* "exec,exits,int,io,mmio,msr:FILE" or "all:FILE"; FILE "-" is standard error. NULL with the reason in err. */
struct trace *trace_open(const char *spec, bool att, char *err, size_t err_size);
void trace_close(struct trace *t);

/* One line: cycle, CPU, category, text. Call it under trace_on(). `cpu` may be NULL. */
void trace_line(struct machine *m, const struct cpu *cpu, enum trace_what what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The instruction about to be executed at cpu->rip (a TRACE_EXEC line). */
void trace_insn(struct cpu *cpu);

/* An event about to be delivered (a TRACE_INT line). */
void trace_event(struct cpu *cpu, const struct event *ev);

#endif
