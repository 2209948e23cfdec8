/* The floating-point error logic: FERR# raises IRQ 13, a write to port F0H takes it back and asserts IGNNE# until FERR#
 * goes away. Intel 82371SB (PIIX3) data sheet, "Coprocessor Error Register"; SDM 1 "MS-DOS Compatibility Sub-mode". */
#include "sim/dev/dev.h"

#define IRQ_FERR 13

struct ferr {
    struct device dev;
    bool ferr, ignne;
};

static struct ferr *ferr_of(const struct machine *m) { return (struct ferr *)m->ferr; }

static void update(struct ferr *f) { machine_set_irq(f->dev.machine, IRQ_FERR, f->ferr && !f->ignne); }

void machine_set_ferr(struct machine *m, bool level) {
    struct ferr *f = ferr_of(m);
    if (f->ferr == level) return;
    f->ferr = level;
    if (!level) f->ignne = false;
    update(f);
}

bool machine_ignne(const struct machine *m) { return ferr_of(m)->ignne; }

static uint64_t ferr_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    (void)d, (void)range, (void)offset, (void)size;
    return 0xFF;
}

static void ferr_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct ferr *f = (struct ferr *)d;
    (void)range, (void)offset, (void)size, (void)val;
    f->ignne = f->ferr;
    update(f);
}

static void ferr_reset(struct device *d) {
    struct ferr *f = (struct ferr *)d;
    f->ferr = f->ignne = false;
    update(f);
}

static const struct device_ops ferr_ops = {
    .name = "coprocessor error", .reset = ferr_reset, .read = ferr_read, .write = ferr_write};

struct device *ferr_create(struct machine *m) {
    struct ferr *f = device_alloc(m, sizeof *f, &ferr_ops);
    if (!f) return NULL;
    machine_map_ports(m, &f->dev, 0, 0xF0, 1);
    return &f->dev;
}
