/* Which accesses below 1 MiB and to SMRAM a host bridge sends to DRAM: Intel 82441FX (PMC) data sheet, "PAM -
 * Programmable Attribute Map Registers" and "SMRAM - System Management RAM Control Register"; Intel 3 Series Express
 * chipset data sheet, the same names and "ESMRAMC". What does not go to DRAM is left to the bus: ROMs and the display
 * lie over the hole that is made here. */
#include "sim/dev/chipset.h"

#define HOLE_BASE 0xA0000ull
#define HOLE_END  0x100000ull
#define SMM_BASE  0xA0000ull
#define SMM_SIZE  0x20000ull

enum { ATTRIBUTE_READ = 1, ATTRIBUTE_WRITE = 2 };
_Static_assert((int)ATTRIBUTE_READ == MEM_TAKES_READS && (int)ATTRIBUTE_WRITE == MEM_TAKES_WRITES, "used as such");

void dram_init(struct dram *d, struct device *owner) {
    *d = (struct dram){.owner = owner};
    machine_map(
        owner->machine,
        &(struct mem_window){
            .base = HOLE_BASE, .size = HOLE_END - HOLE_BASE, .takes = MEM_TAKES_ALL, .range = DRAM_HOLE, .dev = owner});
}

static void remap(struct dram *d, struct mem_window w, bool wanted) {
    struct machine *m = d->owner->machine;
    w.above = true;
    w.dev = d->owner;
    machine_unmap(m, d->owner, w.range);
    if (wanted) machine_map(m, &w);
}

/* Register 0 has F0000H-FFFFFH in its upper half; the others have two segments of 16 KiB each from C0000H on. */
static void set_segment(struct dram *d, unsigned n, uint8_t attributes) {
    uint64_t base = n ? 0xC0000 + (n - 1) * 0x4000 : 0xF0000;
    if (attributes == d->segment[n]) return;
    d->segment[n] = attributes;
    struct mem_window w = {.base = base, .size = n ? 0x4000 : 0x10000, .takes = attributes, .range = n};
    w.host = d->owner->machine->ram + base;
    remap(d, w, attributes != 0);
}

void dram_set_pam(struct dram *d, const uint8_t reg[DRAM_PAM_REGISTERS]) {
    for (unsigned n = 0; n < DRAM_SEGMENTS; n++) set_segment(d, n, reg[(n + 1) / 2] >> (n & 1 ? 0 : 4) & 3);
}

void dram_set_smram(struct dram *d, uint8_t control) {
    enum dram_smram want = !(control & SMRAM_ENABLE) ? SMRAM_OFF : control & SMRAM_D_OPEN ? SMRAM_OPEN : SMRAM_IN_SMM;
    if (want == d->smram) return;
    d->smram = (uint8_t)want;
    struct mem_window w = {.base = SMM_BASE, .size = SMM_SIZE, .takes = MEM_TAKES_ALL, .range = DRAM_SMRAM};
    w.when = want == SMRAM_OPEN ? MEM_ALWAYS : MEM_IN_SMM;
    w.host = d->owner->machine->ram + SMM_BASE;
    remap(d, w, want != SMRAM_OFF);
}

void dram_set_tseg(struct dram *d, uint32_t size) {
    uint64_t top = d->owner->machine->low_size;
    if (size == d->tseg) return;
    d->tseg = size;
    bool fits = size && top >= HOLE_END + size;
    remap(d,
          (struct mem_window){
              .base = top - size, .size = size, .takes = MEM_TAKES_ALL, .when = MEM_OUTSIDE_SMM, .range = DRAM_TSEG},
          fits);
}
