/* Guest memory as instructions see it: linear accesses with the fast path inline, segmented effective addresses,
 * physical accesses. Faults do not return. `i` is the instruction on whose behalf the access is made (it becomes
 * cpu->cur on the slow path); pass cpu->cur from bodies of A_SYS instructions. */
#ifndef HVSIM_CORE_MEM_H
#define HVSIM_CORE_MEM_H

#include <string.h>

#include "sim/core/cpu.h"

enum mem_access {
    MEM_READ = 1,
    MEM_WRITE = 2,
    MEM_EXEC = 4,
    MEM_RMW = MEM_READ | MEM_WRITE, /* a fault reports a write */
    MEM_SYS = 8,                    /* implicit supervisor access, whatever CPL is */
    MEM_USER = 16,                  /* as if at CPL 3 */
    MEM_SHSTK = 128,                /* shadow-stack load or store */
};

/* slow paths, size 1, 2, 4 or 8; they handle page crossing, MMIO, code pages, breakpoints, alignment checks, all faults
 */
uint64_t mem_read_slow(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size);
void mem_write_slow(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size, uint64_t val);
/* Check that [la, la+size) can be accessed so (raises the fault otherwise), changing nothing but A/D bits. */
void mem_probe(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size, unsigned access);
/* The state image at la is not aligned as it must be: #AC when it is not even by 4 and alignment is checked, else
 * #GP(0). SDM 2 "FXSAVE" */
_Noreturn void mem_misaligned(struct cpu *cpu, const struct insn *i, uint64_t la);
/* implicit supervisor accesses: descriptor tables, TSS, IDT */
uint64_t mem_sys_read(struct cpu *cpu, uint64_t la, unsigned size);
void mem_sys_write(struct cpu *cpu, uint64_t la, unsigned size, uint64_t val);
/* Shadow-stack loads and stores on behalf of cpu->cur. `mode`: 0 (as CPL says), MEM_SYS or MEM_USER. _rmw reads, but
 * faults as a store would: the store that follows cannot fault. */
uint64_t mem_shstk_read(struct cpu *cpu, uint64_t la, unsigned size, unsigned mode);
uint64_t mem_shstk_rmw(struct cpu *cpu, uint64_t la, unsigned size, unsigned mode);
void mem_shstk_write(struct cpu *cpu, uint64_t la, unsigned size, uint64_t val, unsigned mode);
/* any length, no atomicity; data is written only after the whole range was probed */
void mem_read_bytes(struct cpu *cpu, uint64_t la, void *buf, unsigned size, unsigned access);
void mem_write_bytes(struct cpu *cpu, uint64_t la, const void *buf, unsigned size, unsigned access);
/* A host pointer to [la, end of page) for REP runs: *len is the number of bytes usable (multiple of nothing), 0 and
 * NULL when the page is MMIO, holds code (writes), has breakpoints or is not accessible without the slow path. Raises
 * page faults. */
void *mem_host_run(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned access, unsigned *len);
/* Translate without faulting or side effects, for debuggers, traces and reports: false when unmapped. */
bool mem_peek_translate(struct cpu *cpu, uint64_t la, uint64_t *phys);
bool mem_peek(struct cpu *cpu, uint64_t la, void *buf, unsigned size);
/* Effective memory type (enum mmu_memtype) of a mapped linear address, by PAT, MTRRs and the second stage; -1 when
 * unmapped. */
int mem_peek_memtype(struct cpu *cpu, uint64_t la);
/* Physical address of an instruction byte, through the itlb. Raises #PF (error-code bit I as the mode says) and #GP(0)
 * for a non-canonical address; cpu->cur is NULL then. */
uint64_t mem_fetch_translate(struct cpu *cpu, uint64_t la);
/* Load the PDPTEs that CR3 points to under PAE paging into cpu->ctl.pdpte. false, with nothing loaded: a present one
 * has reserved bits set. A second-stage fault exits. With nested paging (SVM) they are read by each walk instead, and
 * this does nothing. */
bool mem_load_pdptes(struct cpu *cpu, uint64_t cr3);

#define MEM_ACCESSORS(bits, bytes)                                                                                     \
    static inline uint##bits##_t mem_read##bits(struct cpu *cpu, const struct insn *i, uint64_t la) {                  \
        const struct tlb_entry *e = &cpu->tlb.e[tlb_index(la)];                                                        \
        if (__builtin_expect(e->tag_r == (((la + (bytes)-1) & PAGE_MASK) | cpu->tlb.ctx), 1)) {                        \
            uint##bits##_t v;                                                                                          \
            memcpy(&v, (const void *)(e->addend + (uintptr_t)la), bytes);                                              \
            return v;                                                                                                  \
        }                                                                                                              \
        return (uint##bits##_t)mem_read_slow(cpu, i, la, bytes);                                                       \
    }                                                                                                                  \
    static inline void mem_write##bits(struct cpu *cpu, const struct insn *i, uint64_t la, uint##bits##_t v) {         \
        const struct tlb_entry *e = &cpu->tlb.e[tlb_index(la)];                                                        \
        if (__builtin_expect(e->tag_w == (((la + (bytes)-1) & PAGE_MASK) | cpu->tlb.ctx), 1)) {                        \
            memcpy((void *)(e->addend + (uintptr_t)la), &v, bytes);                                                    \
            return;                                                                                                    \
        }                                                                                                              \
        mem_write_slow(cpu, i, la, bytes, v);                                                                          \
    }                                                                                                                  \
    /* host pointer for a read-modify-write that stays in one writable page, or NULL: then use mem_rmw_begin */        \
    static inline uint##bits##_t *mem_rmw##bits(struct cpu *cpu, uint64_t la) {                                        \
        const struct tlb_entry *e = &cpu->tlb.e[tlb_index(la)];                                                        \
        if (__builtin_expect(e->tag_w == (((la + (bytes)-1) & PAGE_MASK) | cpu->tlb.ctx) && e->tag_r == e->tag_w, 1))  \
            return (uint##bits##_t *)(e->addend + (uintptr_t)la);                                                      \
        return 0;                                                                                                      \
    }
MEM_ACCESSORS(8, 1)
MEM_ACCESSORS(16, 2)
MEM_ACCESSORS(32, 4)
MEM_ACCESSORS(64, 8)
#undef MEM_ACCESSORS

/* Read for a read-modify-write on the slow path: faults as a write would, then reads. The write that follows cannot
 * fault. */
uint64_t mem_rmw_read_slow(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size);

/* Physical address for an instruction fetch at a linear address. Raises #PF with cpu->cur = NULL. */
uint64_t mem_fetch_translate(struct cpu *cpu, uint64_t la);
/* PAE: load the PDPTEs that cr3 points to; false: reserved bits set. Leaves the guest on a second-stage fault. */
bool mem_load_pdptes(struct cpu *cpu, uint64_t cr3);

/* ---- effective addresses ---- */

/* offset inside the segment, masked to the address size */
static inline uint64_t ea_offset(const struct cpu *cpu, const struct insn *i) {
    uint64_t ea;
    if (i->scale == SCALE_MOFFS)
        ea = (uint64_t)i->imm64;
    else
        ea = *(const uint64_t *)((const char *)cpu->gpr + i->base) +
             (*(const uint64_t *)((const char *)cpu->gpr + i->index) << i->scale) + (uint64_t)(int64_t)i->disp;
    return i->asize == 3 ? ea : i->asize == 2 ? (uint32_t)ea : (uint16_t)ea;
}
/* INSN_FLAT forms: the linear address, no masking, no segment */
static inline uint64_t ea_flat(const struct cpu *cpu, const struct insn *i) {
    return *(const uint64_t *)((const char *)cpu->gpr + i->base) +
           (*(const uint64_t *)((const char *)cpu->gpr + i->index) << i->scale) + (uint64_t)(int64_t)i->disp;
}
/* Linear address of [off, off+size) in a segment, after limit, type and canonical checks (#GP(0), or #SS(0) for SS).
 * `access`: MEM_READ/MEM_WRITE/both. */
uint64_t seg_linear(struct cpu *cpu, const struct insn *i, unsigned seg, uint64_t off, unsigned size, unsigned access);
/* Any form: the checked linear address of the memory operand. */
static inline uint64_t ea_linear(struct cpu *cpu, const struct insn *i, unsigned size, unsigned access) {
    if (i->flags & INSN_FLAT) return ea_flat(cpu, i);
    return seg_linear(cpu, i, i->seg, ea_offset(cpu, i), size, access);
}

/* The linear address n bytes into an operand: outside 64-bit mode it wraps at 4 GiB, as the segment's base may make it
 * do. */
static inline uint64_t la_after(const struct cpu *cpu, uint64_t la, unsigned n) {
    return cpu_is_64(cpu) ? la + n : (uint32_t)(la + n);
}

/* ---- physical memory (no faults; unmapped reads give all ones, writes are dropped) ---- */
uint64_t phys_read(struct cpu *cpu, uint64_t pa, unsigned size);
void phys_write(struct cpu *cpu, uint64_t pa, unsigned size, uint64_t val);
void phys_read_bytes(struct cpu *cpu, uint64_t pa, void *buf, unsigned size);
void phys_write_bytes(struct cpu *cpu, uint64_t pa, const void *buf, unsigned size);

#endif
