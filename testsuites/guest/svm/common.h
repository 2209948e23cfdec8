/* What the SVM images share: a guest made of a piece of code, and judged runs. */
#ifndef GUEST_SVM_COMMON_H
#define GUEST_SVM_COMMON_H

#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/svm.h"

#define INTERCEPT_DEFAULT4 (SVM_INTERCEPT4_VMRUN | SVM_INTERCEPT4_VMMCALL)

/* EVENTINJ and EXITINTINFO. APM 2, "Event Injection" */
#define EVENT(vector, type) (0x80000000ull | (u64)(type) << 8 | (vector))
#define EVENT_ERROR(code)   (BIT(11) | (u64)(code) << 32)
enum { EVENT_INTR = 0, EVENT_NMI = 2, EVENT_EXCEPTION = 3, EVENT_SOFTWARE = 4 };

/* A VMCB whose guest starts at code, with the intercepts of c beyond the usual ones. */
void vm_make(struct svm_vm *vm, const void *code, struct svm_config c);

/* RIP, RSP and RFLAGS for another run of the same guest; no event, no shadow, nothing clean. */
void vm_restart(struct svm_vm *vm, const void *code);

/* Enters and checks the exit code; diagnoses another one. */
bool vm_expect(struct svm_vm *vm, u64 want, const char *fmt, ...) PRINTF(3, 4);

/* Starts an image: SVM on, or bails out; false (with a skipped test) when there is no SVM. */
bool svm_begin(void);

bool svm_feature(u32 bit); /* CPUID 8000_000Ah EDX */

extern const u8 vm_stop[]; /* guest code: VMMCALL for ever */

#endif
