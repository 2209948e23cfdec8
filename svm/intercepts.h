/* The table of intercepts. The exit code of a row is also the number of its bit in the intercept vectors (32 to a
 * word). */
#ifndef HVSIM_SVM_INTERCEPTS_H
#define HVSIM_SVM_INTERCEPTS_H

#include "sim/core/virt.h"

/* When the intercept is tested, relative to the exceptions of the instruction: APM 2, table "Instruction Intercepts".
 */
enum svm_when {
    SVM_BEFORE_EXCEPTIONS, /* "The intercept takes priority over any exceptions" */
    SVM_AFTER_EXCEPTIONS, /* exceptions by privilege and register operands come first, those of memory operands later */
    SVM_BY_BODY,          /* where the instruction's body asks, after its own checks */
    SVM_EVENT             /* not of an instruction */
};

struct svm_intercept_row {
    uint16_t code;
    uint16_t count;   /* rows that stand for CR0-CR15 and the like */
    const char *name; /* APM 2, "SVM Intercept Exit Codes", without "VMEXIT_"; %u: the number */
    uint8_t point;    /* enum intercept, ICEPT_NONE for events and for the extension's own instructions */
    uint8_t when;     /* enum svm_when */
    uint32_t feature; /* SVM_FEATURE_*; 0 always there */
};
extern const struct svm_intercept_row svm_intercept_rows[];
extern const unsigned svm_intercept_row_count;
/* NULL when the code is none of ours. */
const struct svm_intercept_row *svm_intercept_row(uint64_t code);

/* What an intercept point leads to: one entry per enum intercept. */
struct svm_point {
    uint16_t code; /* for points without a handler; 0: none */
    uint8_t when;
    void (*handler)(struct cpu *cpu, uint64_t a, uint64_t b);
};
extern const struct svm_point svm_points[ICEPT_COUNT];

#endif
