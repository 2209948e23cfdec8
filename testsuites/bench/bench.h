/* What a workload is. A round is self-contained: it ends with the same result whenever it runs. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "testsuites/guest/lib/guest.h"

struct workload {
    const char *name;
    const char *unit;
    u32 operations; /* of one round, in units: what the marker lines count */
    u32 rounds;     /* at scale 1 */
    u64 (*round)(const struct workload *w);
    const char *(*setup)(const struct workload *w); /* may be NULL; the reason why it can't run, or NULL */

    /* for the workloads of vm.c */
    const struct vendor *vendor;
    bool nested;           /* nested paging */
    u64 (*in_guest)(void); /* what the guest does in a round */
};

/* integer.c; also run inside a guest */
#define SIEVE_NUMBERS    262144
#define CRC_BYTES        131072
#define SORT_ELEMENTS    16384
#define INTERP_BYTECODES 200000
u64 sieve_run(void);
u64 crc_run(void);
u64 sort_run(void);
u64 interp_run(void);

/* double.h, for either unit */
#define NBODY_STEPS    500
#define DAXPY_ELEMENTS 2048
#define DAXPY_TIMES    16
u64 nbody_sse2(void);
u64 daxpy_sse2(void);
u64 nbody_x87(void);
u64 daxpy_x87(void);

extern const struct workload integer_workloads[], memory_workloads[], vector_workloads[], system_workloads[],
    vm_workloads[];

#endif
