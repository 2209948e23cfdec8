/* Translation: refills of the data and instruction caches, faults, and translation without consequences. */
#include "sim/core/translate.h"

#include "mmu/mmu.h"
#include "sim/core/block.h"
#include "sim/core/fault.h"
#include "sim/machine/machine.h"

/* ---- physical memory for the walker ---- */

static bool entry_read(void *arg, uint64_t pa, unsigned size, uint64_t *val) {
    struct cpu *cpu = arg;
    const uint8_t *p = ram_ptr(cpu->machine, pa, false);
    if (!p) return false;
    *val = 0;
    memcpy(val, p, size);
    return true;
}

/* On behalf of a space whose translations are to outlive flushes while what they were made from is not written. */
static bool entry_read_tracked(void *arg, uint64_t pa, unsigned size, uint64_t *val) {
    struct cpu *cpu = arg;
    if (!block_watch_table(cpu->machine, pa)) cpu->tlb.space->tracked = false;
    return entry_read(arg, pa, size, val);
}

/* CPUs take turns, so nothing comes between the comparison and the write. Entries outside RAM can't be changed. */
static bool entry_cas(void *arg, uint64_t pa, unsigned size, uint64_t old, uint64_t val) {
    struct machine *m = ((struct cpu *)arg)->machine;
    uint8_t *p = ram_ptr(m, pa, true);
    if (!p) return true;
    if (size == 8) {
        if (memcmp(p, &old, 8) != 0) return false;
        memcpy(p, &val, 8);
    } else {
        if (memcmp(p, &old, 4) != 0) return false;
        memcpy(p, &val, 4);
    }
    if (block_page_has_code(m, pa)) block_store_by_walk(m, pa & m->a20_mask, size);
    return true;
}

static void make_phys(struct cpu *cpu, struct mmu_phys *p) {
    const struct machine *m = cpu->machine;
    p->arg = cpu;
    p->read = entry_read;
    p->cas = entry_cas;
    p->ram = m->ram + m->plain_base;
    p->ram_base = m->plain_base;
    p->ram_size = m->a20_mask == ~0ull ? m->plain_size : 0;
}

/* ---- walks and their faults ---- */

static bool is_pae(const struct cpu *cpu) { return (cpu->ctl.cr4 & CR4_PAE) && !(cpu->ctl.efer & EFER_LMA); }

static void walk(struct cpu *cpu, uint64_t la, unsigned access, struct mmu_result *r) {
    struct mmu_state *s = &cpu->tlb.space->walk;
    struct mmu_phys phys;
    make_phys(cpu, &phys);
    if (cpu->tlb.space->tracked && tlb_track(cpu)) {
        phys.read = entry_read_tracked;
        phys.ram_size = 0;
    }
    s->cr3 = cpu->ctl.cr3;
    if (is_pae(cpu)) memcpy(s->pdpte, cpu->ctl.pdpte, sizeof s->pdpte);
    struct tlb_table *t = &cpu->tlb.tables[(la >> 21) % TLB_TABLES];
    uint64_t number = cpu->tlb.space->tables;
    if (t->region == la >> 21 && t->number == number && mmu_translate_from(s, &phys, &t->t, la, access, r)) return;
    mmu_translate(s, &phys, la, access, r);
    if (r->status == MMU_OK && r->has_table) *t = (struct tlb_table){la >> 21, number, r->table};
}

/* Is this access made through the stack? Then #SS takes the place of #GP. */
static bool is_stack_access(const struct cpu *cpu, const struct insn *i, unsigned access) {
    if (access & (MEM_SYS | MEM_SHSTK)) return false;
    if (!i) return cpu->delivering.valid;
    bool operand = i->flags & INSN_MEM, of_ss = operand && i->seg == SEG_SS;
    switch (i->id) {
    case INSN_PUSH:
    case INSN_CALL:
    case INSN_CALL_FAR:
        return operand && !(access & MEM_WRITE) ? of_ss : true;
    case INSN_POP:
        return operand && access & MEM_WRITE ? of_ss : true;
    case INSN_PUSHF:
    case INSN_PUSHFQ:
    case INSN_POPF:
    case INSN_POPFQ:
    case INSN_PUSH_SEG:
    case INSN_POP_SEG:
    case INSN_RET:
    case INSN_RET_FAR:
    case INSN_IRET:
    case INSN_IRETD:
    case INSN_IRETQ:
    case INSN_ENTER:
    case INSN_LEAVE:
        return true;
    default:
        return of_ss;
    }
}

/* An extension that comes back from a second-stage fault wants another try; not for ever. */
#define SECOND_STAGE_TRIES 4

/* A walk that must succeed: everything else is a fault or an exit. */
static void walk_or_fault(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned access, struct mmu_result *r) {
    for (unsigned n = 0; n < SECOND_STAGE_TRIES; n++) {
        walk(cpu, la, access, r);
        if (__builtin_expect(r->status == MMU_OK, 1)) return;
        if (r->status == MMU_PAGE_FAULT) cpu_raise_pf(cpu, la, r->error);
        if (r->status == MMU_NOT_CANONICAL) cpu_raise(cpu, is_stack_access(cpu, i, access) ? VEC_SS : VEC_GP);
        cpu->virt.ops->second_stage_fault(cpu, r, access & (MEM_READ | MEM_WRITE | MEM_EXEC));
    }
    cpu_gp0(cpu);
}

/* ---- data ---- */

static enum tlb_variant variant_of(const struct cpu *cpu, unsigned access) {
    if (access & MEM_SHSTK)
        return !(access & MEM_SYS) && (access & MEM_USER || cpu->cpl == 3) ? TLB_SHSTK_USER : TLB_SHSTK_SUPER;
    if (access & MEM_SYS) return TLB_SUPER;
    if (access & MEM_USER || cpu->cpl == 3) return TLB_USER;
    return cpu->rflags & FLAG_AC && cpu->ctl.cr4 & CR4_SMAP ? TLB_SUPER_AC : TLB_SUPER;
}

static unsigned walk_access(const struct cpu *cpu, unsigned access) {
    _Static_assert((int)MEM_SYS == (int)MMU_SYS && (int)MEM_USER == (int)MMU_USER && (int)MEM_SHSTK == (int)MMU_SHSTK,
                   "the same bits");
    if (cpu->cpl == 3 && !(access & MEM_SYS)) access |= MMU_USER;
    if (cpu->rflags & FLAG_AC) access |= MMU_AC;
    return access;
}

static void refill(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned access, enum tlb_variant variant,
                   struct place *p) {
    struct machine *m = cpu->machine;
    struct mmu_result r;
    walk_or_fault(cpu, i, la, walk_access(cpu, access), &r);
    p->pa = r.phys &= m->a20_mask;
    p->host = NULL;
    if (cpu->virt.guest && (p->pa & PAGE_MASK) == cpu->virt.special_page) {
        p->kind = PLACE_SPECIAL;
        return;
    }
    uint8_t *host = ram_ptr(m, p->pa, access & MEM_WRITE);
    if (!host) {
        p->kind = PLACE_BUS;
        tlb_insert_bus(cpu, la, variant, &r);
        return;
    }
    bool code = r.writable && block_page_has_code(m, p->pa);
    p->host = host;
    p->kind = code ? PLACE_CODE : PLACE_RAM;
    r.writable = r.writable && ram_ptr(m, p->pa, true);
    tlb_insert(cpu, la, variant, &r, host - (la & 0xFFF), !code);
}

/* Found without a walk? A page may have become special since. */
static bool resolve_bus(const struct cpu *cpu, uint64_t la, uint64_t tag, unsigned access, struct place *p) {
    const struct tlb_bus *b = &cpu->tlb.bus[(la >> 12) % TLB_BUS_ENTRIES];
    if (b->tag != tag || (access & MEM_READ && !b->readable) || (access & MEM_WRITE && !b->writable)) return false;
    if (b->phys == cpu->virt.special_page) return false;
    p->host = NULL;
    p->pa = b->phys | (la & 0xFFF);
    p->kind = PLACE_BUS;
    return true;
}

void mem_resolve(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned access, struct place *p) {
    struct tlb_entry *e = &cpu->tlb.e[tlb_index(la)];
    enum tlb_variant variant = variant_of(cpu, access);
    uint64_t tag = (la & PAGE_MASK) | cpu->tlb.space->ctx[variant];
    bool write = access & MEM_WRITE;
    if (e->tag_r != tag || (write && e->tag_w != tag && !(e->phys & 1))) {
        if (!resolve_bus(cpu, la, tag, access, p)) refill(cpu, i, la, access, variant, p);
        return;
    }
    p->host = (uint8_t *)(e->addend + (uintptr_t)la);
    p->pa = (e->phys & PAGE_MASK) | (la & 0xFFF);
    p->kind = PLACE_RAM;
    if (!write || e->tag_w == tag) return;
    if (block_page_has_code(cpu->machine, p->pa)) {
        p->kind = PLACE_CODE;
    } else { /* not any more */
        e->phys &= PAGE_MASK;
        e->tag_w = tag;
    }
}

/* ---- instructions ---- */

static uint64_t fetch_refill(struct cpu *cpu, uint64_t la) {
    struct machine *m = cpu->machine;
    struct mmu_result r;
    uint64_t ignored;
    walk_or_fault(cpu, NULL, la, MMU_EXEC | (cpu->cpl == 3 ? MMU_USER : 0), &r);
    r.phys &= m->a20_mask;
    if (cpu->virt.guest && (r.phys & PAGE_MASK) == cpu->virt.special_page)
        cpu->virt.ops->special_access(cpu, r.phys, 1, MEM_EXEC, &ignored);
    else if (ram_ptr(m, r.phys, false))
        tlb_insert_code(cpu, la, &r);
    return r.phys;
}

uint64_t mem_fetch_translate(struct cpu *cpu, uint64_t la) {
    uint64_t phys;
    return tlb_find_code(cpu, la, &phys) ? phys : fetch_refill(cpu, la);
}

/* ---- PDPTEs ---- */

bool mem_load_pdptes(struct cpu *cpu, uint64_t cr3) {
    struct mmu_state s;
    struct mmu_phys phys;
    struct mmu_result r;
    tlb_walk_state(cpu, &s); /* VM entry loads them before the space is selected */
    if (s.stage2 == MMU_STAGE2_NPT) return true;
    make_phys(cpu, &phys);
    if (mmu_load_pdptes(&s, &phys, cr3, cpu->ctl.pdpte, &r)) return true;
    if (r.status != MMU_OK) {
        cpu->virt.ops->second_stage_fault(cpu, &r, MEM_READ);
        cpu_gp0(cpu);
    }
    return false;
}

/* ---- without consequences ---- */

static bool peek(struct cpu *cpu, uint64_t la, const struct mmu_mtrr *mtrr, struct mmu_result *r) {
    struct mmu_state s;
    struct mmu_phys phys;
    tlb_walk_state(cpu, &s);
    s.cr3 = cpu->ctl.cr3;
    memcpy(s.pdpte, cpu->ctl.pdpte, sizeof s.pdpte);
    s.cr4 &= ~(uint64_t)(CR4_SMAP | CR4_PKE | CR4_PKS);
    s.mtrr = mtrr;
    s.pat = cpu->msr.pat;
    s.host_pat = cpu->virt.second_stage.host_pat;
    make_phys(cpu, &phys);
    mmu_translate(&s, &phys, la, MMU_READ | MMU_SYS | MMU_PEEK, r);
    return r->status == MMU_OK;
}

bool mem_peek_translate(struct cpu *cpu, uint64_t la, uint64_t *phys) {
    struct mmu_result r;
    if (!peek(cpu, la, NULL, &r)) return false;
    *phys = r.phys & cpu->machine->a20_mask;
    return true;
}

bool mem_peek(struct cpu *cpu, uint64_t la, void *buf, unsigned size) {
    for (uint8_t *out = buf; size > 0;) {
        unsigned n = PAGE_SIZE - (la & 0xFFF);
        uint64_t pa;
        if (n > size) n = size;
        if (!mem_peek_translate(cpu, la, &pa)) return false;
        const uint8_t *host = ram_ptr(cpu->machine, pa, false);
        if (!host) return false;
        memcpy(out, host, n);
        out += n;
        la += n;
        size -= n;
    }
    return true;
}

int mem_peek_memtype(struct cpu *cpu, uint64_t la) {
    struct mmu_mtrr mtrr = {.def_type = cpu->msr.mtrr_def_type, .count = MTRR_VARIABLE};
    struct mmu_result r;
    memcpy(mtrr.fixed, cpu->msr.mtrr_fixed, sizeof mtrr.fixed);
    memcpy(mtrr.base, cpu->msr.mtrr_base, sizeof mtrr.base);
    memcpy(mtrr.mask, cpu->msr.mtrr_mask, sizeof mtrr.mask);
    return peek(cpu, la, &mtrr, &r) ? r.memtype : -1;
}
