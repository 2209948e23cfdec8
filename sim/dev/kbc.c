/* Keyboard controller 8042, ports 60H and 64H, with a keyboard that answers commands and is never typed on; and port
 * 92H. What matters: the A20 gate, the reset pulse, the self-tests. Source: IBM PS/2 Technical Reference, "Keyboard and
 * Auxiliary Device Controller"; port 92H: Intel 82371SB (PIIX3) data sheet. */
#include "sim/dev/dev.h"

#define KBC_IRQ 1

enum kbc_range { RANGE_DATA, RANGE_COMMAND, RANGE_PORT92 };

#define STATUS_OUTPUT_FULL 0x01
#define STATUS_SYSTEM      0x04
#define STATUS_COMMAND     0x08
#define STATUS_UNLOCKED    0x10
#define CONFIG_IRQ         0x01
#define CONFIG_SYSTEM      0x04
#define CONFIG_DISABLED    0x10
#define OUTPUT_NOT_RESET   0x01
#define OUTPUT_A20         0x02
#define PORT92_RESET       0x01
#define PORT92_A20         0x02

struct kbc {
    struct device dev;
    uint8_t config, pending;  /* controller command that waits for its data byte, 0 = none */
    uint8_t keyboard_pending; /* the same of the keyboard */
    bool last_was_command;
    uint8_t queue[8];
    unsigned count;
};

static bool a20(const struct kbc *k) { return k->dev.machine->a20_mask == ~0ull; }

static void update(struct kbc *k) { machine_set_irq(k->dev.machine, KBC_IRQ, k->count && (k->config & CONFIG_IRQ)); }

static void reply(struct kbc *k, uint8_t byte) {
    if (k->count < sizeof k->queue) k->queue[k->count++] = byte;
    update(k);
}

static uint8_t take(struct kbc *k) {
    uint8_t byte = k->queue[0];
    if (!k->count) return byte; /* the last byte stays readable */
    k->count--;
    for (unsigned i = 0; i < k->count; i++) k->queue[i] = k->queue[i + 1];
    if (!k->count) k->queue[0] = byte;
    machine_set_irq(k->dev.machine, KBC_IRQ, false);
    update(k);
    return byte;
}

static void write_output_port(struct kbc *k, uint8_t val) {
    machine_set_a20(k->dev.machine, val & OUTPUT_A20);
    if (!(val & OUTPUT_NOT_RESET)) machine_request_reset(k->dev.machine, "the 8042's output port, bit 0");
}

static void controller_command(struct kbc *k, uint8_t cmd) {
    k->pending = 0;
    switch (cmd) {
    case 0x20:
        reply(k, k->config);
        break;
    case 0x60:
    case 0xD1:
    case 0xD2:
    case 0xD3:
    case 0xD4:
        k->pending = cmd;
        break;
    case 0xA9:
        reply(k, 0x01);
        break; /* no auxiliary device: clock line stuck low */
    case 0xAA: /* self-test */
        k->count = 0;
        k->config |= CONFIG_SYSTEM;
        reply(k, 0x55);
        break;
    case 0xAB:
        reply(k, 0x00);
        break; /* keyboard interface test: no error */
    case 0xAD:
        k->config |= CONFIG_DISABLED;
        break;
    case 0xAE:
        k->config &= (uint8_t)~CONFIG_DISABLED;
        break;
    case 0xC0:
        reply(k, 0x80);
        break;
    case 0xD0:
        reply(k, (uint8_t)(OUTPUT_NOT_RESET | (a20(k) ? OUTPUT_A20 : 0) | (k->count ? 0x10 : 0)));
        break;
    case 0xDD:
        machine_set_a20(k->dev.machine, false);
        break;
    case 0xDF:
        machine_set_a20(k->dev.machine, true);
        break;
    default:
        /* F0H-FFH pulse the output port's low bits that are 0; bit 0 is the processor's reset */
        if (cmd >= 0xF0 && !(cmd & 1))
            machine_request_reset(k->dev.machine, "an 8042 command that pulses the reset line (port 64H)");
        break;
    }
}

static void keyboard_command(struct kbc *k, uint8_t cmd) {
    if (k->keyboard_pending) { /* the parameter of ED, F0, F3 */
        k->keyboard_pending = 0;
        reply(k, 0xFA);
        return;
    }
    switch (cmd) {
    case 0xED:
    case 0xF0:
    case 0xF3:
        k->keyboard_pending = cmd;
        reply(k, 0xFA);
        break;
    case 0xEE:
        reply(k, 0xEE);
        break;
    case 0xF2: /* identify: MF2 keyboard */
        reply(k, 0xFA);
        reply(k, 0xAB);
        reply(k, 0x83);
        break;
    case 0xFF: /* reset and self-test passed */
        reply(k, 0xFA);
        reply(k, 0xAA);
        break;
    default:
        reply(k, cmd >= 0xF4 && cmd <= 0xF6 ? 0xFA : 0xFE);
        break; /* FEH: resend */
    }
}

static void write_data(struct kbc *k, uint8_t val) {
    uint8_t cmd = k->pending;
    k->pending = 0;
    switch (cmd) {
    case 0x60:
        k->config = val;
        update(k);
        break;
    case 0xD1:
        write_output_port(k, val);
        break;
    case 0xD2:
    case 0xD3:
        reply(k, val);
        break;
    case 0xD4:
        break; /* to the auxiliary device, which is not there */
    default:
        keyboard_command(k, val);
        break;
    }
}

static uint64_t kbc_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct kbc *k = (struct kbc *)d;
    (void)offset, (void)size;
    if (range == RANGE_DATA) return take(k);
    if (range == RANGE_PORT92) return a20(k) ? PORT92_A20 : 0;
    return (k->count ? STATUS_OUTPUT_FULL : 0u) | (k->config & CONFIG_SYSTEM ? STATUS_SYSTEM : 0u) |
           (k->last_was_command ? STATUS_COMMAND : 0u) | STATUS_UNLOCKED;
}

static void kbc_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct kbc *k = (struct kbc *)d;
    (void)offset, (void)size;
    if (range == RANGE_PORT92) {
        machine_set_a20(d->machine, val & PORT92_A20);
        if (val & PORT92_RESET) machine_request_reset(d->machine, "port 92H, bit 0");
        return;
    }
    k->last_was_command = range == RANGE_COMMAND;
    if (range == RANGE_COMMAND)
        controller_command(k, (uint8_t)val);
    else
        write_data(k, (uint8_t)val);
}

static void kbc_reset(struct device *d) {
    struct kbc *k = (struct kbc *)d;
    k->config = CONFIG_SYSTEM;
    k->pending = k->keyboard_pending = 0;
    k->count = 0;
    k->last_was_command = false;
    machine_set_a20(d->machine, true); /* as firmware leaves it */
}

static const struct device_ops kbc_ops = {.name = "8042", .reset = kbc_reset, .read = kbc_read, .write = kbc_write};

struct device *kbc_create(struct machine *m) {
    struct kbc *k = device_alloc(m, sizeof *k, &kbc_ops);
    if (!k) return NULL;
    machine_map_ports(m, &k->dev, RANGE_DATA, 0x60, 1);
    machine_map_ports(m, &k->dev, RANGE_COMMAND, 0x64, 1);
    machine_map_ports(m, &k->dev, RANGE_PORT92, 0x92, 1);
    return &k->dev;
}
