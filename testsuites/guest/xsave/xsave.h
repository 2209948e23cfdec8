/* Instructions of the XSAVE feature set, as functions for try_fault(). */
#ifndef GUEST_XSAVE_H
#define GUEST_XSAVE_H

#include "testsuites/guest/lib/guest.h"

#define X87    BIT(0)
#define SSE    BIT(1)
#define AVX    BIT(2)
#define AVX512 (BIT(5) | BIT(6) | BIT(7))
#define PKRU   BIT(9)
#define CET_U  BIT(11)
#define CET_S  BIT(12)

#define MSR_XSS 0xDA0

struct op {
    void *area; /* or the number of an extended control register */
    u64 mask;   /* or its value */
};

#define XSAVE_OP(name, insn)                                                                                           \
    static inline void name(void *arg) {                                                                               \
        const struct op *o = arg;                                                                                      \
        __asm__ volatile(insn " (%0)" : : "r"(o->area), "a"((u32)o->mask), "d"((u32)(o->mask >> 32)) : "memory");      \
    }
XSAVE_OP(do_xsave, "xsave64")
XSAVE_OP(do_xsaveopt, "xsaveopt64")
XSAVE_OP(do_xsavec, "xsavec64")
XSAVE_OP(do_xsaves, "xsaves64")
XSAVE_OP(do_xrstor, "xrstor64")
XSAVE_OP(do_xrstors, "xrstors64")
#undef XSAVE_OP

static inline void do_xsetbv(void *arg) {
    const struct op *o = arg;
    __asm__ volatile("xsetbv" : : "c"(o->area), "a"((u32)o->mask), "d"((u32)(o->mask >> 32)));
}
static inline void do_xgetbv(void *arg) {
    struct op *o = arg;
    u32 lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(o->area));
    o->mask = (u64)hi << 32 | lo;
}
static inline u64 xgetbv(u32 n) {
    struct op o = {(void *)(uptr)n, 0};
    do_xgetbv(&o);
    return o.mask;
}
static inline void xsetbv(u64 val) {
    struct op o = {NULL, val};
    do_xsetbv(&o);
}

/* The vector that it raises, or NO_FAULT */
static inline int op_fault(void (*fn)(void *), void *area, u64 mask) {
    struct op o = {area, mask};
    return try_fault(fn, &o, NULL);
}

/* gates.c: which exception instructions of each group raise */
void test_gates(u64 supported);

#endif
