/* The devices of the board: how they are made, and what they offer each other. Each file of this folder is one device.
 */
#ifndef HVSIM_DEV_DEV_H
#define HVSIM_DEV_DEV_H

#include "sim/machine/machine.h"

/* Every creator allocates the device, claims its ports and hands it to the machine. NULL: out of memory (or err says
 * why). */
enum uart_place { UART_COM1, UART_COM2 };
struct device *uart_create(struct machine *m, enum uart_place place, const struct sink_config *out, char *err,
                           size_t err_size);
struct device *debugcon_create(struct machine *m, const struct sink_config *out, char *err, size_t err_size);
struct device *exitport_create(struct machine *m);
struct device *pic_create(struct machine *m);
struct device *pit_create(struct machine *m);
/* The clock, and the order in which firmware tries the drives */
struct device *rtc_create(struct machine *m, int64_t start, bool cdrom_first);
struct device *ioapic_create(struct machine *m);
struct device *kbc_create(struct machine *m);
struct device *pciconf_create(struct machine *m);
struct device *port80_create(struct machine *m);
struct device *ferr_create(struct machine *m);
struct device *testdev_create(struct machine *m); /* only for machine_config.test_device */
bool pcitestdev_create(struct machine *m);        /* the same */
/* Flash at [base, base+size) with these contents; changes go to the file at `path` when the machine ends (NULL:
 * nowhere).
 */
struct device *flash_create(struct machine *m, uint64_t base, const void *data, uint64_t size, const char *path);

/* lines */
void pic_set_line(struct device *pic, unsigned irq, bool level);
uint8_t pic_inta(struct device *pic);
void ioapic_set_line(struct device *ioapic, unsigned pin, bool level);
void ioapic_end_of_interrupt(struct device *ioapic, uint8_t vector);
void ioapic_serve(struct device *ioapic); /* send the levels and edges that no local APIC has accepted */
/* Is an interrupt line programmed to deliver NMI, SMI or INIT? Then even a CPU with interrupts disabled can be woken.
 */
bool lines_send_nmi(const struct machine *m);
bool ioapic_sends_nmi(const struct device *ioapic);
bool lapic_lint_sends_nmi(const struct cpu *cpu);

/* Allocate `size` bytes that begin with a struct device. */
void *device_alloc(struct machine *m, size_t size, const struct device_ops *ops);
void devices_flush(struct machine *m);

/* ---- output ---- */

struct sink {
    FILE *f; /* NULL: nowhere */
    bool owned;
};
bool sink_open(struct sink *s, const struct sink_config *c, const char *what, char *err, size_t err_size);
void sink_close(struct sink *s);
void sink_write(struct sink *s, const void *buf, size_t size);
static inline void sink_put(struct sink *s, uint8_t byte) {
    if (!s->f) return;
    putc(byte, s->f);
    if (byte == '\n') fflush(s->f); /* who watches sees a line when it is complete */
}

/* ---- clocks of other frequencies, derived from the machine's ---- */

/* cycles -> ticks of a clock of `hz`, rounded down; ticks -> the first cycle at which so many have gone by */
static inline uint64_t ticks_of_cycles(uint64_t cycles, uint64_t hz) {
    return (uint64_t)((unsigned __int128)cycles * hz / CYCLES_PER_SEC);
}
static inline uint64_t cycles_of_ticks(uint64_t ticks, uint64_t hz) {
    return (uint64_t)(((unsigned __int128)ticks * CYCLES_PER_SEC + hz - 1) / hz);
}

#endif
