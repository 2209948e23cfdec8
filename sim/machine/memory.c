/* RAM, and accesses to physical memory. Low memory (3 or 2 GiB, as the chipset has it) at 0, the rest from 4 GiB; what
 * lies over it is the board's and the devices' (memmap.c). One host mapping, the pool, holds RAM and after it ROMs and
 * video memory, so that code is cached everywhere alike. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/arch/msr.h"
#include "sim/core/block.h"
#include "sim/core/trace.h"
#include "sim/dev/chipset.h"
#include "sim/machine/internal.h"
#include "sim/machine/memmap.h"

#define POOL_EXTRA      (256ull << 20) /* for ROMs and video memory; only what is used costs anything */
#define CODE_SEARCH_MAX (32ull << 20)
#define RAM_LOW         (~0u) /* ranges of RAM's own windows */
#define RAM_HIGH        (~0u - 1)

bool memory_create(struct machine *m, uint64_t size) {
    m->map = calloc(1, sizeof *m->map);
    if (!m->map) return false;
    m->pool_size = size + POOL_EXTRA;
    void *ram = mmap(NULL, m->pool_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ram == MAP_FAILED) return false;
    madvise(ram, size, MADV_NOHUGEPAGE); /* the process is to take what the guest touches, no more */
    m->ram = ram;
    m->ram_size = m->pool_used = size;
    m->low_size = size < m->chipset->low_memory_max ? size : m->chipset->low_memory_max;
    m->a20_mask = ~0ull;
    memmap_init(m->map);
    struct mem_window low = {.size = m->low_size, .takes = MEM_TAKES_ALL, .host = m->ram, .range = RAM_LOW};
    struct mem_window high = {.base = HIGH_MEMORY,
                              .size = size - m->low_size,
                              .takes = MEM_TAKES_ALL,
                              .host = m->ram + m->low_size,
                              .range = RAM_HIGH};
    memmap_add(m->map, &low);
    memmap_add(m->map, &high);
    memory_layout_changed(m);
    return true;
}

void memory_destroy(struct machine *m) {
    if (m->ram) munmap(m->ram, m->pool_size);
    free(m->map);
    m->ram = NULL;
    m->map = NULL;
}

uint8_t *machine_alloc_memory(struct machine *m, uint64_t size) {
    size = (size + PAGE_SIZE - 1) & PAGE_MASK;
    if (!size || size > m->pool_size - m->pool_used) return NULL;
    uint8_t *at = m->ram + m->pool_used;
    m->pool_used += size;
    return at;
}

/* The page of the running CPU's local APIC (in xAPIC mode) hides what lies under it: SDM 3, "Relocating the Local APIC
 * Registers" */
static bool is_lapic_page(const struct machine *m, uint64_t pa) {
    const struct cpu *cpu = m->running;
    if (!cpu) return false;
    uint64_t base = cpu->msr.apic_base;
    return (base & APIC_BASE_EN) && !(base & APIC_BASE_EXTD) && ((pa ^ base) & PAGE_MASK) == 0;
}

static bool in_smm(const struct machine *m) { return m->running && m->running->intr.smm; }

uint8_t *ram_ptr_slow(struct machine *m, uint64_t pa, bool write) {
    if (is_lapic_page(m, pa)) return NULL;
    const struct mem_stretch *s = memmap_find(m->map, pa);
    bool smm = in_smm(m);
    if (!s->direct[smm] || (write && !s->direct_written[smm])) return NULL;
    return s->direct[smm] + (pa - s->base);
}

/* The longest stretch of low RAM that is seen as such by all, without the pages of local APICs */
static void find_plain(struct machine *m) {
    m->plain_base = m->plain_size = 0;
    for (unsigned i = 0; i < m->map->stretches; i++) {
        const struct mem_stretch *s = &m->map->stretch[i];
        if (s->base >= m->low_size || s->direct[0] != m->ram + s->base || s->direct[1] != s->direct[0]) continue;
        if (!s->direct_written[0] || !s->direct_written[1] || s->end - s->base < m->plain_size) continue;
        m->plain_base = s->base;
        m->plain_size = s->end - s->base + 1;
    }
    for (unsigned i = 0; i < m->cpu_count; i++) {
        uint64_t apic = m->cpu[i]->msr.apic_base & PAGE_MASK;
        bool on = m->cpu[i]->msr.apic_base & APIC_BASE_EN;
        if (on && apic - m->plain_base < m->plain_size) m->plain_size = apic - m->plain_base;
    }
}

/* Translations are forgotten, decoded code stays. */
static void flatten(struct machine *m) {
    memmap_flatten(m->map);
    find_plain(m);
    for (unsigned i = 0; i < m->cpu_count; i++) tlb_flush_all(m->cpu[i]);
}

void memory_layout_changed(struct machine *m) {
    flatten(m);
    if (m->blocks) block_cache_flush(m);
}

static bool pages_have_code(const struct machine *m, const uint8_t *host, uint64_t size) {
    for (uint64_t off = 0; host && off < size; off += PAGE_SIZE)
        if (block_host_has_code(m, host + off)) return true;
    return false;
}

/* Was code decoded that is seen in this window? Large ones are not searched. */
static bool window_has_code(const struct machine *m, const struct mem_window *w) {
    if (!m->blocks) return false;
    if (w->size > CODE_SEARCH_MAX || !w->size) return true;
    for (unsigned i = 0; i < m->map->stretches; i++) {
        const struct mem_stretch *s = &m->map->stretch[i];
        uint64_t first = s->base > w->base ? s->base : w->base, end = w->base + (w->size - 1);
        uint64_t last = s->end < end ? s->end : end;
        if (first > last) continue;
        for (unsigned smm = 0; smm < 2; smm++)
            if (s->direct[smm] && pages_have_code(m, s->direct[smm] + (first - s->base), last - first + 1)) return true;
    }
    return false;
}

/* Something is seen otherwise from now on where the window is. */
static void window_changed(struct machine *m, bool had_code) {
    if (had_code)
        memory_layout_changed(m);
    else
        flatten(m);
}

void memory_smm_changed(struct cpu *cpu) {
    if (cpu->machine->map->smm_differs) tlb_flush_all(cpu);
}

void machine_map(struct machine *m, const struct mem_window *w) {
    bool code = window_has_code(m, w);
    if (memmap_add(m->map, w)) window_changed(m, code);
}

void machine_unmap(struct machine *m, const struct device *d, unsigned range) {
    const struct mem_window *w = memmap_window(m->map, d, range);
    if (!w) return;
    bool code = window_has_code(m, w);
    memmap_remove(m->map, d, range);
    window_changed(m, code);
}

void machine_remap(struct machine *m, const struct mem_window *w) {
    const struct mem_window *old = memmap_window(m->map, w->dev, w->range);
    if (!old) return;
    bool code = window_has_code(m, old) || window_has_code(m, w);
    memmap_replace(m->map, w);
    window_changed(m, code);
}

void machine_map_mmio(struct machine *m, struct device *d, unsigned range, uint64_t base, uint64_t size) {
    machine_map(m, &(struct mem_window){.base = base, .size = size, .takes = MEM_TAKES_ALL, .dev = d, .range = range});
}

/* Where an access that is not RAM's goes */
static const struct mem_window *target(const struct machine *m, uint64_t pa, bool write) {
    return &m->map->window[memmap_find(m->map, pa)->to[in_smm(m)][write]];
}

bool machine_is_mmio(const struct machine *m, uint64_t pa) {
    pa &= m->a20_mask;
    const struct mem_window *r = target(m, pa, false), *w = target(m, pa, true);
    return is_lapic_page(m, pa) || (r->dev && !r->host) || (w->dev && (!w->host || w->guarded));
}

static uint64_t window_read(const struct mem_window *w, uint64_t pa, unsigned size) {
    uint64_t off = pa - w->base, val = ~0ull;
    if (!w->host) return w->dev && w->dev->ops->read ? w->dev->ops->read(w->dev, w->range, off, size) : val;
    if (size <= w->size - off) memcpy(&val, w->host + off, size);
    return val;
}

static void window_write(const struct mem_window *w, uint64_t pa, unsigned size, uint64_t val) {
    uint64_t off = pa - w->base;
    if (!w->host || w->guarded) {
        if (w->dev && w->dev->ops->write) w->dev->ops->write(w->dev, w->range, off, size, val);
    } else if (size <= w->size - off) {
        memcpy(w->host + off, &val, size);
    }
}

uint64_t mmio_read(struct machine *m, uint64_t pa, unsigned size) {
    pa &= m->a20_mask;
    uint64_t val = is_lapic_page(m, pa) ? lapic_mmio_read(m->running, pa & 0xFFF, size)
                                        : window_read(target(m, pa, false), pa, size);
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
    if (is_lapic_page(m, pa))
        lapic_mmio_write(m->running, pa & 0xFFF, size, val);
    else
        window_write(target(m, pa, true), pa, size, val);
}

/* What a device's access reaches: the map as it is outside SMM, whatever CPU runs, its A20 gate and its local APIC. */
static uint8_t *dma_ptr(struct machine *m, uint64_t pa, bool write) {
    if (pa - m->plain_base < m->plain_size) return m->ram + pa;
    const struct mem_stretch *s = memmap_find(m->map, pa);
    return s->direct[0] && (!write || s->direct_written[0]) ? s->direct[0] + (pa - s->base) : NULL;
}

/* [pa, pa+size) as RAM, page by page; `op` 0 checks only, 1 reads, 2 writes */
enum copy { COPY_CHECK, COPY_READ, COPY_WRITE };
static bool copy_pages(struct machine *m, uint64_t pa, void *buf, size_t size, enum copy op) {
    for (size_t done = 0; done < size;) {
        size_t n = PAGE_SIZE - ((pa + done) & 0xFFF);
        if (n > size - done) n = size - done;
        uint8_t *p = dma_ptr(m, pa + done, op == COPY_WRITE);
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
