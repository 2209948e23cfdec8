/* Segmentation, far control transfers, gates, tasks. */
#ifndef HVSIM_CORE_SEG_H
#define HVSIM_CORE_SEG_H

#include "sim/core/cpu.h"
#include "sim/core/fault.h"

/* A descriptor as read from a table: two dwords, and the upper 8 bytes for 16-byte system descriptors of IA-32e mode.
 */
struct desc {
    uint32_t lo, hi;
    uint64_t upper;
    uint64_t la; /* where it was read, for writing the accessed or busy bit */
};

static inline uint32_t desc_ar(const struct desc *d) { return (d->hi >> 8) & 0xF0FF; }
static inline uint32_t desc_limit(const struct desc *d) {
    uint32_t l = (d->lo & 0xFFFF) | (d->hi & 0xF0000);
    return d->hi & 1u << 23 ? l << 12 | 0xFFF : l;
}
static inline uint64_t desc_base(const struct desc *d) {
    return (d->lo >> 16) | (d->hi & 0xFF) << 16 | (d->hi & 0xFF000000);
}
static inline unsigned ar_dpl(uint32_t ar) { return (ar >> AR_DPL_SHIFT) & 3; }

/* Read the 8-byte descriptor of a selector. false: outside the table (or a null selector in the GDT with index 0 is NOT
 * rejected here). */
bool desc_read(struct cpu *cpu, uint16_t sel, struct desc *d);
/* The same, raising `vec`(sel & ~3) when outside the table. */
void desc_fetch(struct cpu *cpu, uint16_t sel, struct desc *d, enum vector vec);
/* Raise `vec` with the selector as error code (RPL dropped). */
static inline _Noreturn void sel_fault(struct cpu *cpu, enum vector vec, uint16_t sel) {
    cpu_raise_err(cpu, vec, sel & 0xFFFCu);
}
static inline bool sel_is_null(uint16_t sel) { return (sel & 0xFFFC) == 0; }
/* Read the upper half of a 16-byte descriptor. */
void desc_fetch_upper(struct cpu *cpu, uint16_t sel, struct desc *d, enum vector vec);
void desc_set_accessed(struct cpu *cpu, struct desc *d);

/* The descriptor of a 16-byte system segment or a plain one: base with the upper half in IA-32e mode. */
uint64_t desc_base64(const struct desc *d);
/* LAR, LSL, VERR, VERW: is the descriptor visible from CPL and the selector's RPL? */
bool desc_visible(const struct cpu *cpu, uint16_t sel, uint32_t ar);

/* MOV/POP/LxS to a data segment register or SS, in every mode, with every check. */
void seg_load(struct cpu *cpu, enum seg_id seg, uint16_t sel);
/* real and virtual-8086 mode: base = sel << 4 */
void seg_load_real(struct cpu *cpu, enum seg_id seg, uint16_t sel);
/* CS without checks, from a checked descriptor; updates CPL and mode. */
void seg_set(struct cpu *cpu, enum seg_id seg, uint16_t sel, const struct desc *d);
void seg_set_null(struct cpu *cpu, enum seg_id seg, uint16_t sel);
void cpu_set_cpl(struct cpu *cpu, unsigned cpl);

void far_jmp(struct cpu *cpu, uint16_t sel, uint64_t off, unsigned opsize_bytes);
void far_call(struct cpu *cpu, uint16_t sel, uint64_t off, unsigned opsize_bytes);
void far_ret(struct cpu *cpu, unsigned opsize_bytes, unsigned pop_bytes);
void iret(struct cpu *cpu, unsigned opsize_bytes);

/* Hardware task switch: SDM 3 "Task Management". `has_error`: push `error` on the new stack. */
struct virt_task;
void task_switch(struct cpu *cpu, uint16_t tss_sel, const struct virt_task *how);
/* The stack pointer for a ring (inner-level SS:ESP from a 16- or 32-bit TSS; RSP0-2 or IST in IA-32e mode) */
void tss_stack(struct cpu *cpu, unsigned dpl, uint16_t *ss, uint64_t *sp);
uint64_t tss_ist(struct cpu *cpu, unsigned ist);

/* Is [off, off+size) inside the segment (limit, expand-down)? */
bool seg_contains(const struct seg *s, uint64_t off, unsigned size);
/* A hidden part from a descriptor, for a selector already given. */
struct seg seg_from_desc(uint16_t sel, const struct desc *d);
/* Is the code segment a 64-bit one? (L = 1 in IA-32e mode) */
static inline bool ar_is_64(const struct cpu *cpu, uint32_t ar) { return (cpu->ctl.efer & EFER_LMA) && (ar & AR_L); }
/* #GP(0) unless `rip` fits the code segment `ar`/`limit` */
void check_code_offset(struct cpu *cpu, uint32_t ar, uint32_t limit, uint64_t rip);
/* Drop data segments that the new, outer CPL may not use (far RET and IRET to an outer level) */
void seg_drop_inner(struct cpu *cpu, unsigned cpl);

/* A stack that may not be the current one yet: what gates push on and returns pop from. Nothing of the CPU changes
 * until stack_commit. */
struct stack {
    struct seg ss;
    uint64_t sp, mask; /* mask: 16-, 32-bit or ~0 (64-bit: no segment) */
    bool sys;          /* of an inner level: supervisor accesses, whatever CPL is still */
    uint16_t err;      /* selector reported in #SS */
};
void stack_current(struct cpu *cpu, struct stack *st);
void stack_put(struct cpu *cpu, struct stack *st, unsigned bytes, uint64_t val);
uint64_t stack_take(struct cpu *cpu, struct stack *st, unsigned bytes);
/* RSP := st->sp under the mask (SS itself is the caller's) */
void stack_commit(struct cpu *cpu, const struct stack *st);
/* The stack of an inner level from the TSS, checked (#TS, #SS). `st->ss` is ready to be installed; 64-bit: null
 * selector with RPL = dpl. */
void stack_inner(struct cpu *cpu, unsigned dpl, struct stack *st);

/* Stack accesses at the current stack size (SS.B; 64-bit in 64-bit mode). push does not move SP until the write
 * succeeded. */
void stack_push(struct cpu *cpu, const struct insn *i, unsigned bytes, uint64_t val);
uint64_t stack_pop(struct cpu *cpu, const struct insn *i, unsigned bytes);

/* Control-register writes with all checks and side effects (used by MOV CR, LMSW, task switch, VM entry/exit loading
 * uses cpu_load_* instead). */
void cr0_write(struct cpu *cpu, uint64_t val);
void cr3_write(struct cpu *cpu, uint64_t val);
void cr4_write(struct cpu *cpu, uint64_t val);
bool efer_write(struct cpu *cpu, uint64_t val); /* WRMSR; false: #GP(0) */
/* The value written is taken over without checks (VM entry, VM exit, RSM, task switch): LMA follows from CR0.PG and
 * EFER.LME. */
void cr0_set(struct cpu *cpu, uint64_t val);
/* Load PDPTEs from a CR3 under PAE paging. false: a reserved bit is set (#GP for MOV CR) */
bool pdptes_load(struct cpu *cpu, uint64_t cr3);

/* RFLAGS bits that POPF and IRET may change at this CPL and IOPL, for an operand of 2, 4 or 8 bytes */
uint32_t flags_writable(const struct cpu *cpu, unsigned opsize_bytes);

/* Canonical for the widest linear address of the processor, whatever the paging mode: what MSRs, descriptor-table
 * registers and INVPCID ask (SDM 3, "Linear-Address Width and Canonicality" under 5-level paging). */
bool is_canonical_max(const struct cpu *cpu, uint64_t la);

static inline bool is_canonical(const struct cpu *cpu, uint64_t la) {
    unsigned sh = cpu->ctl.cr4 & CR4_LA57 ? 7 : 16;
    return (uint64_t)((int64_t)(la << sh) >> sh) == la;
}

#endif
