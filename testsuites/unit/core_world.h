/* A machine whose processor is put into a mode by hand, with descriptor tables in memory, for the tests of sim/core/.
 */
#ifndef HVSIM_UNIT_CORE_WORLD_H
#define HVSIM_UNIT_CORE_WORLD_H

#include <string.h>

#include "fixture.h"
#include "sim/core/fault.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"

#define GDT   0x10000u
#define IDT   0x11000u
#define LDT   0x12000u
#define TSS   0x13000u
#define TSS2  0x14000u
#define STACK 0x20000u

/* Selectors of the GDT that world_protected() makes */
enum {
    SEL_CODE0 = 0x08,
    SEL_DATA0 = 0x10,
    SEL_CODE3 = 0x18 | 3,
    SEL_DATA3 = 0x20 | 3,
    SEL_TSS = 0x28,
    SEL_TSS2 = 0x38,
    SEL_FREE = 0x48, /* three slots for the tests */
    GDT_LIMIT = 0x67
};

#define CODE   (AR_P | AR_S | AR_CODE | AR_RW | AR_ACCESSED)
#define DATA   (AR_P | AR_S | AR_RW | AR_ACCESSED)
#define DPL(n) ((uint32_t)(n) << AR_DPL_SHIFT)
#define FLAT32 (AR_DB | AR_G)

static inline struct cpu *cpu_of(void **state) { return ((struct machine *)*state)->cpu[0]; }
static inline void poke(struct cpu *cpu, uint64_t pa, unsigned size, uint64_t val) { phys_write(cpu, pa, size, val); }
static inline uint64_t peek(struct cpu *cpu, uint64_t pa, unsigned size) { return phys_read(cpu, pa, size); }

/* A segment or system descriptor; `limit` in units of the granularity that `ar` says. */
static inline void put_desc(struct cpu *cpu, uint16_t sel, uint32_t base, uint32_t limit, uint32_t ar) {
    uint64_t lo = (limit & 0xFFFF) | (uint64_t)(base & 0xFFFF) << 16;
    uint64_t hi = (base >> 16 & 0xFF) | (uint64_t)(ar & 0xF0FF) << 8 | (limit & 0xF0000) | (base & 0xFF000000);
    poke(cpu, GDT + (sel & 0xFFF8u), 8, lo | hi << 32);
}
static inline uint32_t get_ar(struct cpu *cpu, uint16_t sel) {
    return (uint32_t)peek(cpu, GDT + (sel & 0xFFF8u) + 5, 1);
}

static inline void put_gate(struct cpu *cpu, uint64_t at, uint16_t sel, uint32_t off, uint32_t ar, unsigned count) {
    uint64_t lo = (off & 0xFFFF) | (uint64_t)sel << 16, hi = count | (uint64_t)(ar & 0xFF) << 8 | (off & 0xFFFF0000u);
    poke(cpu, at, 8, lo | hi << 32);
}

static inline void set_seg(struct cpu *cpu, enum seg_id seg, uint16_t sel, uint32_t ar) {
    cpu->seg[seg] = (struct seg){.sel = sel, .limit = ~0u, .ar = ar};
}

/* 32-bit protected mode without paging, flat segments, stack at STACK, TSS with SS0:ESP0 = SEL_DATA0:STACK+1000H. */
static inline void world_protected(struct cpu *cpu, unsigned cpl) {
    static const struct {
        uint16_t sel;
        uint32_t ar;
    } flat[] = {
        {SEL_CODE0, CODE | FLAT32         },
        {SEL_DATA0, DATA | FLAT32         },
        {SEL_CODE3, CODE | FLAT32 | DPL(3)},
        {SEL_DATA3, DATA | FLAT32 | DPL(3)}
    };
    for (unsigned k = 0; k < 4; k++) put_desc(cpu, flat[k].sel, 0, 0xFFFFF, flat[k].ar);
    put_desc(cpu, SEL_TSS, TSS, 0x67, AR_P | DESC_TSS_BUSY);
    put_desc(cpu, SEL_TSS2, TSS2, 0x67, AR_P | DESC_TSS_AVAIL);
    cpu->ctl.gdtr = (struct dtable){GDT, GDT_LIMIT};
    cpu->ctl.idtr = (struct dtable){IDT, 0x1FF};
    unsigned d = cpl ? SEL_DATA3 : SEL_DATA0;
    set_seg(cpu, SEG_CS, cpl ? SEL_CODE3 : SEL_CODE0, CODE | FLAT32 | DPL(cpl));
    for (unsigned s = 0; s < 6; s++)
        if (s != SEG_CS) set_seg(cpu, (enum seg_id)s, (uint16_t)d, DATA | FLAT32 | DPL(cpl));
    cpu->seg[SEG_TR] = (struct seg){.sel = SEL_TSS, .base = TSS, .limit = 0x67, .ar = AR_P | DESC_TSS_BUSY};
    cpu->seg[SEG_LDTR].ar = AR_UNUSABLE;
    poke(cpu, TSS + 4, 4, STACK + 0x1000);
    poke(cpu, TSS + 8, 2, SEL_DATA0);
    cpu->gpr[RSP] = STACK;
    cpu->rip = 0x8000;
    cpu->cpl = (uint8_t)cpl;
    cr0_set(cpu, CR0_PE);
}

/* 64-bit mode at CPL 0: the first GiB mapped onto itself by one large page per 2 MiB, user-accessible. */
static inline void world_long(struct cpu *cpu) {
    world_protected(cpu, 0);
    poke(cpu, 0x1000, 8, 0x2007);
    poke(cpu, 0x2000, 8, 0x3007);
    for (unsigned k = 0; k < 8; k++) poke(cpu, 0x3000 + 8 * k, 8, (uint64_t)k << 21 | 0x87);
    put_desc(cpu, SEL_CODE0, 0, 0, CODE | AR_L);
    cpu->seg[SEG_CS].ar = CODE | AR_L;
    cpu->ctl.cr3 = 0x1000;
    cpu->ctl.cr4 = CR4_PAE;
    cpu->ctl.efer = EFER_LME;
    cr0_set(cpu, CR0_PE | CR0_PG);
}

/* Runs a statement that raises an exception; the event is in cpu->raised. */
#define ASSERT_RAISES(cpu_, vec, statement)                                                                            \
    do {                                                                                                               \
        (cpu_)->raised.valid = false;                                                                                  \
        if (setjmp((cpu_)->landing) == 0) {                                                                            \
            statement;                                                                                                 \
            fail_msg("no exception");                                                                                  \
        }                                                                                                              \
        assert_true((cpu_)->raised.valid);                                                                             \
        assert_int_equal((cpu_)->raised.vector, (vec));                                                                \
    } while (0)
#define ASSERT_RAISES_ERR(cpu_, vec, err, statement)                                                                   \
    do {                                                                                                               \
        ASSERT_RAISES(cpu_, vec, statement);                                                                           \
        assert_true((cpu_)->raised.has_error);                                                                         \
        assert_int_equal((cpu_)->raised.error, (err));                                                                 \
    } while (0)
/* Runs a statement that must not raise. */
#define ASSERT_QUIET(cpu_, statement)                                                                                  \
    do {                                                                                                               \
        if (setjmp((cpu_)->landing) == 0) {                                                                            \
            statement;                                                                                                 \
        } else {                                                                                                       \
            fail_msg("vector %u error %x", (cpu_)->raised.vector, (cpu_)->raised.error);                               \
        }                                                                                                              \
    } while (0)

#endif
