/* Memory accesses that the fast paths of mem.h leave over. */
#include "sim/core/mem.h"

#include "sim/core/block.h"
#include "sim/core/debug.h"
#include "sim/core/fault.h"
#include "sim/core/run.h"
#include "sim/core/seg.h"
#include "sim/core/translate.h"
#include "sim/machine/machine.h"

/* ---- one place ---- */

/* The effects of an access outside RAM must be seen at the next instruction boundary: the instruction is run alone,
 * from its start. While an event is delivered there is nothing to go back to. */
static void want_alone(struct cpu *cpu, const struct place *p) {
    if (__builtin_expect(p->kind < PLACE_BUS, 1)) return;
    if (!cpu->step && cpu->cur && !cpu->delivering.valid) cpu_restart_stepped(cpu);
}

static inline uint64_t load(const uint8_t *p, unsigned size) {
    uint64_t v = 0;
    switch (size) {
    case 1:
        return *p;
    case 2:
        memcpy(&v, p, 2);
        return v;
    case 4:
        memcpy(&v, p, 4);
        return v;
    case 8:
        memcpy(&v, p, 8);
        return v;
    default:
        memcpy(&v, p, size);
        return v;
    }
}
static inline void store(uint8_t *p, unsigned size, uint64_t v) {
    switch (size) {
    case 1:
        *p = (uint8_t)v;
        break;
    case 2:
        memcpy(p, &v, 2);
        break;
    case 4:
        memcpy(p, &v, 4);
        break;
    case 8:
        memcpy(p, &v, 8);
        break;
    default:
        memcpy(p, &v, size);
        break;
    }
}

static uint64_t outside_read(struct cpu *cpu, const struct place *p, unsigned size, unsigned access) {
    uint64_t val = 0;
    if (p->kind == PLACE_BUS) return mmio_read(cpu->machine, p->pa, size);
    if (cpu->virt.ops->special_access(cpu, p->pa, size, access, &val)) return val;
    return phys_read(cpu, p->pa, size);
}
static void outside_write(struct cpu *cpu, const struct place *p, unsigned size, uint64_t val) {
    if (p->kind == PLACE_BUS)
        mmio_write(cpu->machine, p->pa, size, val);
    else if (!cpu->virt.ops->special_access(cpu, p->pa, size, MEM_WRITE, &val))
        phys_write(cpu, p->pa, size, val);
}

/* The widest power of two that divides neither the address nor the length short. */
static unsigned bus_width(uint64_t pa, unsigned size) {
    unsigned w = 8;
    while (w > size || pa & (w - 1)) w >>= 1;
    return w;
}

/* [p, p + size) inside one page */
static void place_read(struct cpu *cpu, const struct place *p, uint8_t *out, unsigned size) {
    if (p->host) {
        memcpy(out, p->host, size);
        return;
    }
    for (struct place at = *p; size > 0;) {
        unsigned w = bus_width(at.pa, size);
        store(out, w, outside_read(cpu, &at, w, MEM_READ));
        out += w;
        at.pa += w;
        size -= w;
    }
}
static void place_write(struct cpu *cpu, const struct place *p, const uint8_t *in, unsigned size) {
    if (p->host) {
        memcpy(p->host, in, size);
        if (p->kind == PLACE_CODE) block_store(cpu->machine, p->pa, size);
        return;
    }
    for (struct place at = *p; size > 0;) {
        unsigned w = bus_width(at.pa, size);
        outside_write(cpu, &at, w, load(in, w));
        in += w;
        at.pa += w;
        size -= w;
    }
}

/* ---- checks beside translation ---- */

static bool alignment_checked(const struct cpu *cpu) {
    return cpu->cpl == 3 && cpu->rflags & FLAG_AC && cpu->ctl.cr0 & CR0_AM;
}

/* SDM 2 "VMASKMOV": "No AC# reported for any mask bit combinations", "VGATHERDPS", "VPSCATTERDD": "does not perform AC
 * checks". */
static bool never_checked(const struct insn *i) {
    switch (i ? i->id : INSN_INVALID) {
    case INSN_VMASKMOVPS:
    case INSN_VMASKMOVPD:
    case INSN_VPMASKMOVD:
    case INSN_VPMASKMOVQ:
    case INSN_VGATHERDPS:
    case INSN_VGATHERDPD:
    case INSN_VGATHERQPS:
    case INSN_VGATHERQPD:
    case INSN_VPGATHERDD:
    case INSN_VPGATHERDQ:
    case INSN_VPGATHERQD:
    case INSN_VPGATHERQQ:
    case INSN_VSCATTERDPS:
    case INSN_VSCATTERDPD:
    case INSN_VSCATTERQPS:
    case INSN_VSCATTERQPD:
    case INSN_VPSCATTERDD:
    case INSN_VPSCATTERDQ:
    case INSN_VPSCATTERQD:
    case INSN_VPSCATTERQQ:
        return true;
    default:
        return false;
    }
}

/* SDM 3 "Alignment Check Exception (#AC)": data accesses at CPL 3, never the implicit ones. It comes before the page
 * fault, and operands of vector instructions raise it unless aligned to 16 bytes: both are left to the processor. */
static void check_alignment(struct cpu *cpu, uint64_t la, unsigned size, unsigned access) {
    if (cpu->tlb.ctx != TLB_CTX_NONE || access & (MEM_SYS | MEM_SHSTK)) return;
    if (!alignment_checked(cpu)) return;
    unsigned align = size > 16 ? 16 : size;
    if (size & (size - 1) || size > 64 || !(la & (align - 1))) return;
    if (never_checked(cpu->cur)) return;
    if (is_canonical(cpu, la) && is_canonical(cpu, la + size - 1)) cpu_raise_err(cpu, VEC_AC, 0);
}

static void watch(struct cpu *cpu, uint64_t la, unsigned size, unsigned access) {
    if (cpu->tlb.ctx == TLB_CTX_NONE && !(access & MEM_SYS)) debug_data_access(cpu, la, size, access & MEM_RMW);
}

/* The page after that of la: addresses wrap at 4 GiB outside 64-bit mode. */
static uint64_t next_page(const struct cpu *cpu, uint64_t la) {
    uint64_t next = (la & PAGE_MASK) + PAGE_SIZE;
    return next == 1ull << 32 && !cpu_is_64(cpu) ? 0 : next;
}

/* ---- reads and writes of 1, 2, 4 or 8 bytes ---- */

static bool crosses(uint64_t la, unsigned size) { return (la & 0xFFF) + size > PAGE_SIZE; }

/* An operand that reaches into addresses that are not canonical faults by that, whatever the page is where it begins.
 */
static void check_end(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size, unsigned access) {
    struct place p;
    uint64_t last = la + size - 1;
    if (__builtin_expect(!is_canonical(cpu, last), 0)) mem_resolve(cpu, i, last, access, &p);
}

void mem_misaligned(struct cpu *cpu, const struct insn *i, uint64_t la) {
    cpu->cur = i;
    check_end(cpu, i, la, 1, MEM_READ); /* #SS(0) perhaps */
    check_end(cpu, i, la, 4, MEM_READ);
    if (la & 3 && alignment_checked(cpu)) cpu_raise_err(cpu, VEC_AC, 0);
    cpu_gp0(cpu);
}

/* Both halves of an access that crosses a page; returns the bytes in the first. */
static unsigned resolve_two(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size, unsigned access,
                            struct place p[2]) {
    check_end(cpu, i, la, size, access);
    check_alignment(cpu, la, size, access);
    mem_resolve(cpu, i, la, access, &p[0]);
    mem_resolve(cpu, i, next_page(cpu, la), access, &p[1]);
    if (access & MEM_WRITE)
        mem_resolve(cpu, i, la, access, &p[0]); /* if that walk read its entries from this very page */
    want_alone(cpu, &p[0]);
    want_alone(cpu, &p[1]);
    return PAGE_SIZE - (la & 0xFFF);
}

static uint64_t read_at(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size, unsigned access) {
    uint64_t val = 0;
    struct place p[2];
    if (__builtin_expect(crosses(la, size), 0)) {
        unsigned n = resolve_two(cpu, i, la, size, access, p);
        place_read(cpu, &p[0], (uint8_t *)&val, n);
        place_read(cpu, &p[1], (uint8_t *)&val + n, size - n);
    } else {
        check_alignment(cpu, la, size, access);
        mem_resolve(cpu, i, la, access, p);
        want_alone(cpu, p);
        val = p->host ? load(p->host, size) : outside_read(cpu, p, size, access & MEM_RMW);
    }
    watch(cpu, la, size, access & ~(unsigned)MEM_WRITE);
    return val;
}

static void write_at(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size, uint64_t val, unsigned access) {
    struct place p[2];
    if (__builtin_expect(crosses(la, size), 0)) {
        unsigned n = resolve_two(cpu, i, la, size, access, p);
        place_write(cpu, &p[0], (uint8_t *)&val, n);
        place_write(cpu, &p[1], (uint8_t *)&val + n, size - n);
    } else {
        check_alignment(cpu, la, size, access);
        mem_resolve(cpu, i, la, access, p);
        want_alone(cpu, p);
        if (p->host) {
            store(p->host, size, val);
            if (p->kind == PLACE_CODE) block_store(cpu->machine, p->pa, size);
        } else {
            outside_write(cpu, p, size, val);
        }
    }
    watch(cpu, la, size, access);
}

uint64_t mem_read_slow(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size) {
    cpu->cur = i;
    return read_at(cpu, i, la, size, MEM_READ);
}

void mem_write_slow(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size, uint64_t val) {
    cpu->cur = i;
    write_at(cpu, i, la, size, val, MEM_WRITE);
}

uint64_t mem_rmw_read_slow(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size) {
    cpu->cur = i;
    return read_at(cpu, i, la, size, MEM_RMW);
}

uint64_t mem_sys_read(struct cpu *cpu, uint64_t la, unsigned size) {
    const struct tlb_entry *e = &cpu->tlb.e[tlb_index(la)];
    if (e->tag_r == (((la + size - 1) & PAGE_MASK) | cpu->tlb.ctx_sys))
        return load((const uint8_t *)(e->addend + (uintptr_t)la), size);
    return read_at(cpu, cpu->cur, la, size, MEM_READ | MEM_SYS);
}

void mem_sys_write(struct cpu *cpu, uint64_t la, unsigned size, uint64_t val) {
    const struct tlb_entry *e = &cpu->tlb.e[tlb_index(la)];
    if (e->tag_w == (((la + size - 1) & PAGE_MASK) | cpu->tlb.ctx_sys))
        store((uint8_t *)(e->addend + (uintptr_t)la), size, val);
    else
        write_at(cpu, cpu->cur, la, size, val, MEM_WRITE | MEM_SYS);
}

uint64_t mem_shstk_read(struct cpu *cpu, uint64_t la, unsigned size, unsigned mode) {
    return read_at(cpu, cpu->cur, la, size, MEM_READ | MEM_SHSTK | mode);
}

uint64_t mem_shstk_rmw(struct cpu *cpu, uint64_t la, unsigned size, unsigned mode) {
    return read_at(cpu, cpu->cur, la, size, MEM_RMW | MEM_SHSTK | mode);
}

void mem_shstk_write(struct cpu *cpu, uint64_t la, unsigned size, uint64_t val, unsigned mode) {
    write_at(cpu, cpu->cur, la, size, val, MEM_WRITE | MEM_SHSTK | mode);
}

/* ---- ranges ---- */

static unsigned bytes_here(uint64_t la, unsigned size) {
    unsigned n = PAGE_SIZE - (la & 0xFFF);
    return n < size ? n : size;
}
static uint64_t advance(const struct cpu *cpu, uint64_t la, unsigned n) {
    return ((la & 0xFFF) + n) & 0xFFF ? la + n : next_page(cpu, la);
}

static void probe(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size, unsigned access) {
    struct place p;
    check_end(cpu, i, la, size, access);
    for (unsigned n; size > 0; size -= n) {
        n = bytes_here(la, size);
        mem_resolve(cpu, i, la, access, &p);
        want_alone(cpu, &p);
        la = advance(cpu, la, n);
    }
}

void mem_probe(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned size, unsigned access) {
    cpu->cur = i;
    check_alignment(cpu, la, size, access);
    probe(cpu, i, la, size, access);
}

void mem_read_bytes(struct cpu *cpu, uint64_t la, void *buf, unsigned size, unsigned access) {
    struct place p;
    uint8_t *out = buf;
    access = MEM_READ | (access & (MEM_WRITE | MEM_SYS | MEM_USER));
    uint64_t at = la;
    check_end(cpu, cpu->cur, la, size, access);
    check_alignment(cpu, la, size, access);
    for (unsigned n, left = size; left > 0; left -= n, out += n) {
        n = bytes_here(at, left);
        mem_resolve(cpu, cpu->cur, at, access, &p);
        want_alone(cpu, &p);
        place_read(cpu, &p, out, n);
        at = advance(cpu, at, n);
    }
    watch(cpu, la, size, access & ~(unsigned)MEM_WRITE);
}

void mem_write_bytes(struct cpu *cpu, uint64_t la, const void *buf, unsigned size, unsigned access) {
    struct place p;
    const uint8_t *in = buf;
    access = MEM_WRITE | (access & (MEM_SYS | MEM_USER));
    check_alignment(cpu, la, size, access);
    probe(cpu, cpu->cur, la, size, access);
    uint64_t at = la;
    for (unsigned n, left = size; left > 0; left -= n, in += n) {
        n = bytes_here(at, left);
        mem_resolve(cpu, cpu->cur, at, access, &p);
        place_write(cpu, &p, in, n);
        at = advance(cpu, at, n);
    }
    watch(cpu, la, size, access);
}

void *mem_host_run(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned access, unsigned *len) {
    struct place p;
    *len = 0;
    if (cpu->tlb.ctx == TLB_CTX_NONE) return NULL;
    cpu->cur = i;
    mem_resolve(cpu, i, la, access, &p);
    if (!p.host || (p.kind == PLACE_CODE && access & MEM_WRITE)) return NULL;
    *len = PAGE_SIZE - (la & 0xFFF);
    return p.host;
}
