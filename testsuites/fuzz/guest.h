/* What the fuzzers share: random numbers, and the tables and bytes of a random guest. */
#ifndef HVSIM_FUZZ_GUEST_H
#define HVSIM_FUZZ_GUEST_H

#include "sim/machine/machine.h"

#define SHADOW_BASE 0x600000u /* pages of 2 MiB that are shadow stacks */
#define SHADOW_USER 0x800000u
#define RAM_BYTES   (16u << 20)
#define GDT_BASE    0x1000u
#define IDT_BASE    0x2000u
#define TSS_BASE    0x4000u
#define IVT_BASE    0x0u
#define PT_BASE     0x8000u
#define CODE_BASE   0x100000u
#define CODE_BYTES  0x10000u
#define LOW_CODE    0x20000u /* for real and virtual-8086 mode */

struct rng {
    uint64_t s;
};
uint64_t rng_next(struct rng *r);

#define AR_CODE_SEG(dpl) (AR_P | AR_S | AR_CODE | AR_RW | AR_ACCESSED | (uint32_t)(dpl) << AR_DPL_SHIFT)
#define AR_DATA_SEG(dpl) (AR_P | AR_S | AR_RW | AR_ACCESSED | (uint32_t)(dpl) << AR_DPL_SHIFT)

/* Machine of a model, with RAM_BYTES and one processor; NULL with a message of `program`. */
struct machine *fuzz_machine(const char *program, const char *model);

void put(struct machine *m, uint64_t pa, uint64_t v, unsigned size);
/* Selectors: 8 code64, 10h data, 18h code32, 23h.. user ones; TSS at 50h. */
void write_gdt(struct machine *m);
/* Every gate leads to a random place of the code. */
void write_idt(struct machine *m, bool is_long, bool is_16, struct rng *r);
void write_tss(struct machine *m, bool is_long);
/* The first 4 GiB one to one in 2 MiB pages, open to the user: devices are within reach. Two of them are shadow stacks.
 */
void write_page_tables(struct machine *m);
/* CODE_BYTES of code: random bytes, with a bias to prefixes, two-byte opcodes and system groups in a quarter of the
 * pages, and half the pages nothing but x87 and vector instructions. */
void write_code(struct machine *m, uint64_t base, struct rng *r);

/* Run for so many instructions; and at most so many cycles, for a repeated string instruction with a count of 2^62
 * never ends. */
void fuzz_run(struct machine *m, uint64_t insns, uint64_t cycles);

/* The command line of a fuzzer, `-n MILLIONS -s SEED -m MODEL -v`, around `fuzz`, which is run for each model and says
 * whether all was well. Returns the exit status. */
typedef bool fuzz_fn(const char *model, uint64_t millions, uint64_t seed, bool verbose);
int fuzz_main(int argc, char **argv, const char *program, fuzz_fn *fuzz);

#endif
