/* RAM and the physical memory map.
 * Low memory [0, 3 GiB) at 0 (A0000H-FFFFFH is plain RAM too: there is no video card and no ROM), the rest from 4 GiB.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/arch/msr.h"
#include "sim/core/block.h"
#include "sim/core/trace.h"
#include "sim/machine/internal.h"

#define MMIO_RANGES 32

struct mmio_range {
    struct device *dev;
    unsigned range;
    uint64_t base, size;
};

struct mem_map {
    struct mmio_range r[MMIO_RANGES];
    unsigned count;
};

bool memory_create(struct machine *m, uint64_t size) {
    m->map = calloc(1, sizeof *m->map);
    void *ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ram == MAP_FAILED) return false;
    madvise(ram, size, MADV_HUGEPAGE); /* a wish: the guest's locality is not the host's */
    m->ram = ram;
    m->ram_size = size;
    m->low_size = size < LOW_MEMORY_MAX ? size : LOW_MEMORY_MAX;
    m->a20_mask = ~0ull;
    m->plain_low = m->low_size;
    return m->map != NULL;
}

void memory_destroy(struct machine *m) {
    if (m->ram) munmap(m->ram, m->ram_size);
    free(m->map);
    m->ram = NULL;
    m->map = NULL;
}

/* The page of the running CPU's local APIC (in xAPIC mode) hides what lies under it: SDM 3, "Relocating the Local APIC
 * Registers" */
static bool is_lapic_page(const struct machine *m, uint64_t pa) {
    const struct cpu *cpu = m->running;
    if (!cpu) return false;
    uint64_t base = cpu->msr.apic_base;
    return (base & APIC_BASE_EN) && !(base & APIC_BASE_EXTD) && ((pa ^ base) & PAGE_MASK) == 0;
}

static const struct mmio_range *find_range(const struct machine *m, uint64_t pa) {
    for (unsigned i = m->map->count; i-- > 0;) {
        const struct mmio_range *r = &m->map->r[i];
        if (pa - r->base < r->size) return r;
    }
    return NULL;
}

static uint8_t *ram_at(struct machine *m, uint64_t pa) {
    if (pa < m->low_size) return m->ram + pa;
    if (pa >= HIGH_MEMORY && pa - HIGH_MEMORY < m->ram_size - m->low_size)
        return m->ram + m->low_size + (pa - HIGH_MEMORY);
    return NULL;
}

uint8_t *ram_ptr_slow(struct machine *m, uint64_t pa, bool write) {
    (void)write; /* all of it can be written: there is no ROM */
    if (is_lapic_page(m, pa) || find_range(m, pa)) return NULL;
    return ram_at(m, pa);
}

void memory_layout_changed(struct machine *m) {
    uint64_t plain = m->low_size;
    for (unsigned i = 0; i < m->map->count; i++)
        if (m->map->r[i].base < plain) plain = m->map->r[i].base;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        uint64_t apic = m->cpu[i]->msr.apic_base & PAGE_MASK;
        if ((m->cpu[i]->msr.apic_base & APIC_BASE_EN) && apic < plain) plain = apic;
    }
    m->plain_low = plain;
    for (unsigned i = 0; i < m->cpu_count; i++) tlb_flush_all(m->cpu[i]);
    if (m->blocks) block_cache_flush(m);
}

void machine_map_mmio(struct machine *m, struct device *d, unsigned range, uint64_t base, uint64_t size) {
    if (m->map->count == MMIO_RANGES) return; /* only the board maps: the number is fixed and small */
    m->map->r[m->map->count++] = (struct mmio_range){d, range, base, size};
    memory_layout_changed(m);
}

void machine_unmap_mmio(struct machine *m, struct device *d, unsigned range) {
    unsigned kept = 0;
    for (unsigned i = 0; i < m->map->count; i++)
        if (m->map->r[i].dev != d || m->map->r[i].range != range) m->map->r[kept++] = m->map->r[i];
    m->map->count = kept;
    memory_layout_changed(m);
}

bool machine_is_mmio(const struct machine *m, uint64_t pa) {
    pa &= m->a20_mask;
    return is_lapic_page(m, pa) || find_range(m, pa) != NULL;
}

uint64_t mmio_read(struct machine *m, uint64_t pa, unsigned size) {
    pa &= m->a20_mask;
    uint64_t val = ~0ull;
    if (is_lapic_page(m, pa)) {
        val = lapic_mmio_read(m->running, pa & 0xFFF, size);
    } else {
        const struct mmio_range *r = find_range(m, pa);
        if (r) val = r->dev->ops->read(r->dev, r->range, pa - r->base, size);
    }
    if (size < 8) val &= (1ull << 8 * size) - 1;
    if (trace_on(m, TRACE_MMIO))
        trace_line(m, m->running, TRACE_MMIO, "read  %u %llx -> %llx", size, (unsigned long long)pa,
                   (unsigned long long)val);
    return val;
}

void mmio_write(struct machine *m, uint64_t pa, unsigned size, uint64_t val) {
    pa &= m->a20_mask;
    if (size < 8) val &= (1ull << 8 * size) - 1;
    if (trace_on(m, TRACE_MMIO))
        trace_line(m, m->running, TRACE_MMIO, "write %u %llx <- %llx", size, (unsigned long long)pa,
                   (unsigned long long)val);
    if (is_lapic_page(m, pa)) {
        lapic_mmio_write(m->running, pa & 0xFFF, size, val);
        return;
    }
    const struct mmio_range *r = find_range(m, pa);
    if (r) r->dev->ops->write(r->dev, r->range, pa - r->base, size, val);
}

/* [pa, pa+size) as RAM, page by page; `op` 0 checks only, 1 reads, 2 writes */
enum copy { COPY_CHECK, COPY_READ, COPY_WRITE };
static bool copy_pages(struct machine *m, uint64_t pa, void *buf, size_t size, enum copy op) {
    for (size_t done = 0; done < size;) {
        size_t n = PAGE_SIZE - ((pa + done) & 0xFFF);
        if (n > size - done) n = size - done;
        uint8_t *p = ram_ptr(m, pa + done, op == COPY_WRITE);
        if (!p || pa + done < pa) return false;
        if (op == COPY_READ) memcpy((char *)buf + done, p, n);
        if (op == COPY_WRITE) {
            if (m->blocks && block_page_has_code(m, pa + done)) block_store(m, pa + done, (unsigned)n);
            memcpy(p, (char *)buf + done, n);
        }
        done += n;
    }
    return true;
}

bool machine_write(struct machine *m, uint64_t pa, const void *buf, size_t size) {
    return copy_pages(m, pa, NULL, size, COPY_CHECK) && copy_pages(m, pa, (void *)(uintptr_t)buf, size, COPY_WRITE);
}

bool machine_read(struct machine *m, uint64_t pa, void *buf, size_t size) {
    return copy_pages(m, pa, NULL, size, COPY_CHECK) && copy_pages(m, pa, buf, size, COPY_READ);
}

void machine_set_a20(struct machine *m, bool on) {
    uint64_t mask = on ? ~0ull : ~(1ull << 20);
    if (mask == m->a20_mask) return;
    m->a20_mask = mask;
    memory_layout_changed(m);
}
