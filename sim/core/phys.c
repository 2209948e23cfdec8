/* Physical accesses: no translation, no faults. What is not RAM goes to the bus, which answers all ones where nothing
 * is. */
#include "sim/core/block.h"
#include "sim/core/mem.h"
#include "sim/machine/machine.h"

static bool in_page(uint64_t pa, unsigned size) { return (pa & 0xFFF) + size <= PAGE_SIZE; }

uint64_t phys_read(struct cpu *cpu, uint64_t pa, unsigned size) {
    uint64_t val = 0;
    const uint8_t *p = ram_ptr(cpu->machine, pa, false);
    if (__builtin_expect(p && in_page(pa, size), 1)) {
        memcpy(&val, p, size);
        return val;
    }
    if (!p && in_page(pa, size)) return mmio_read(cpu->machine, pa, size);
    phys_read_bytes(cpu, pa, &val, size);
    return val;
}

static void store(struct machine *m, uint64_t pa, uint8_t *p, const void *buf, unsigned size) {
    memcpy(p, buf, size);
    if (block_page_has_code(m, pa)) block_store(m, pa & m->a20_mask, size);
}

void phys_write(struct cpu *cpu, uint64_t pa, unsigned size, uint64_t val) {
    uint8_t *p = ram_ptr(cpu->machine, pa, true);
    if (__builtin_expect(p && in_page(pa, size), 1))
        store(cpu->machine, pa, p, &val, size);
    else if (!p && in_page(pa, size))
        mmio_write(cpu->machine, pa, size, val);
    else
        phys_write_bytes(cpu, pa, &val, size);
}

void phys_read_bytes(struct cpu *cpu, uint64_t pa, void *buf, unsigned size) {
    for (uint8_t *out = buf; size > 0;) {
        unsigned n = PAGE_SIZE - (pa & 0xFFF);
        if (n > size) n = size;
        const uint8_t *p = ram_ptr(cpu->machine, pa, false);
        if (p)
            memcpy(out, p, n);
        else
            for (unsigned k = 0; k < n; k++) out[k] = (uint8_t)mmio_read(cpu->machine, pa + k, 1);
        out += n;
        pa += n;
        size -= n;
    }
}

void phys_write_bytes(struct cpu *cpu, uint64_t pa, const void *buf, unsigned size) {
    for (const uint8_t *in = buf; size > 0;) {
        unsigned n = PAGE_SIZE - (pa & 0xFFF);
        if (n > size) n = size;
        uint8_t *p = ram_ptr(cpu->machine, pa, true);
        if (p)
            store(cpu->machine, pa, p, in, n);
        else
            for (unsigned k = 0; k < n; k++) mmio_write(cpu->machine, pa + k, 1, in[k]);
        in += n;
        pa += n;
        size -= n;
    }
}
