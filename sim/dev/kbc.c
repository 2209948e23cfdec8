/* Keyboard controller 8042, ports 60H and 64H, with a keyboard and a mouse; and port 92H. Source: IBM PS/2 Hardware
 * Interface Technical Reference, "Keyboard and Auxiliary Device Controller"; port 92H: Intel 82371SB (PIIX3) data
 * sheet. */
#include "sim/dev/kbc.h"

#include "sim/dev/dev.h"

#define KEYBOARD_IRQ 1
#define MOUSE_IRQ    12

enum kbc_range { RANGE_DATA, RANGE_COMMAND, RANGE_PORT92 };

#define STATUS_OUTPUT_FULL 0x01
#define STATUS_SYSTEM      0x04
#define STATUS_COMMAND     0x08
#define STATUS_UNLOCKED    0x10
#define STATUS_MOUSE       0x20
#define CONFIG_IRQ         0x01
#define CONFIG_MOUSE_IRQ   0x02
#define CONFIG_SYSTEM      0x04
#define CONFIG_DISABLED    0x10
#define CONFIG_MOUSE_OFF   0x20
#define CONFIG_TRANSLATE   0x40
#define OUTPUT_NOT_RESET   0x01
#define OUTPUT_A20         0x02
#define PORT92_RESET       0x01
#define PORT92_A20         0x02

struct kbc {
    struct device dev;
    uint8_t config, pending; /* controller command that waits for its data byte, 0 = none */
    bool last_was_command;
    struct ps2_queue replies; /* the controller's own; they go before what the devices send */
    uint8_t output;           /* output buffer */
    bool full, from_mouse;
    bool broken; /* translation: the next code is a break code */
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
};

static bool a20(const struct kbc *k) { return k->dev.machine->a20_mask == ~0ull; }

static void update_lines(struct kbc *k) {
    machine_set_irq(k->dev.machine, KEYBOARD_IRQ, k->full && !k->from_mouse && (k->config & CONFIG_IRQ));
    machine_set_irq(k->dev.machine, MOUSE_IRQ, k->full && k->from_mouse && (k->config & CONFIG_MOUSE_IRQ));
}

/* ---- from the keyboard's scan codes of set 2 to those of set 1 ---- */

// clang-format off
static const uint8_t translation[0x85] = {
    0xFF, 0x43, 0x41, 0x3F, 0x3D, 0x3B, 0x3C, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3E, 0x0F, 0x29, 0x59,
    0x65, 0x38, 0x2A, 0x70, 0x1D, 0x10, 0x02, 0x5A, 0x66, 0x71, 0x2C, 0x1F, 0x1E, 0x11, 0x03, 0x5B,
    0x67, 0x2E, 0x2D, 0x20, 0x12, 0x05, 0x04, 0x5C, 0x68, 0x39, 0x2F, 0x21, 0x14, 0x13, 0x06, 0x5D,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5E, 0x6A, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5F,
    0x6B, 0x33, 0x25, 0x17, 0x18, 0x0B, 0x0A, 0x60, 0x6C, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0C, 0x61,
    0x6D, 0x73, 0x28, 0x74, 0x1A, 0x0D, 0x62, 0x6E, 0x3A, 0x36, 0x1C, 0x1B, 0x75, 0x2B, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7A, 0x0E, 0x7B, 0x7C, 0x4F, 0x7D, 0x4B, 0x47, 0x7E, 0x7F, 0x6F,
    0x52, 0x53, 0x50, 0x4C, 0x4D, 0x48, 0x01, 0x45, 0x57, 0x4E, 0x51, 0x4A, 0x37, 0x49, 0x46, 0x54,
    0x80, 0x81, 0x82, 0x41, 0x54,
};
// clang-format on

/* false: the byte is swallowed. */
static bool translate(struct kbc *k, uint8_t *byte) {
    if (!(k->config & CONFIG_TRANSLATE)) return true;
    if (*byte == 0xF0) {
        k->broken = true;
        return false;
    }
    if (*byte < sizeof translation) *byte = (uint8_t)(translation[*byte] | (k->broken ? 0x80 : 0));
    k->broken = false;
    return true;
}

/* ---- the output buffer ---- */

static bool next_byte(struct kbc *k, uint8_t *byte, bool *from_mouse) {
    *from_mouse = false;
    if (ps2_take(&k->replies, byte)) return true;
    while (!(k->config & CONFIG_DISABLED) && ps2_keyboard_take(&k->keyboard, byte))
        if (translate(k, byte)) return true;
    *from_mouse = true;
    return !(k->config & CONFIG_MOUSE_OFF) && ps2_mouse_take(&k->mouse, byte);
}

static void fill(struct kbc *k) {
    if (!k->full) k->full = next_byte(k, &k->output, &k->from_mouse);
    update_lines(k);
}

static void reply(struct kbc *k, uint8_t byte) {
    ps2_put(&k->replies, byte);
    fill(k);
}

static uint8_t take(struct kbc *k) {
    uint8_t byte = k->output; /* the last byte stays readable */
    k->full = false;
    update_lines(k); /* each byte is an edge */
    fill(k);
    return byte;
}

static void write_output_port(struct kbc *k, uint8_t val) {
    machine_set_a20(k->dev.machine, val & OUTPUT_A20);
    if (!(val & OUTPUT_NOT_RESET)) machine_request_reset(k->dev.machine, "the 8042's output port, bit 0");
}

static uint8_t output_port(const struct kbc *k) {
    unsigned full = !k->full ? 0 : k->from_mouse ? 0x20 : 0x10;
    return (uint8_t)(OUTPUT_NOT_RESET | (a20(k) ? OUTPUT_A20 : 0) | full);
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
    case 0xA7:
        k->config |= CONFIG_MOUSE_OFF;
        break;
    case 0xA8:
        k->config &= (uint8_t)~CONFIG_MOUSE_OFF;
        fill(k);
        break;
    case 0xA9:
        reply(k, 0x00);
        break; /* auxiliary interface test: no error */
    case 0xAA: /* self-test */
        k->replies.count = 0;
        k->full = false;
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
        fill(k);
        break;
    case 0xC0:
        reply(k, 0x80);
        break;
    case 0xD0:
        reply(k, output_port(k));
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

static void write_data(struct kbc *k, uint8_t val) {
    uint8_t cmd = k->pending;
    k->pending = 0;
    switch (cmd) {
    case 0x60:
        k->config = val;
        break;
    case 0xD1:
        write_output_port(k, val);
        break;
    case 0xD2:
        ps2_put(&k->replies, val);
        break;
    case 0xD3: /* as if the mouse had sent it */
        ps2_put(&k->mouse.out, val);
        k->config &= (uint8_t)~CONFIG_MOUSE_OFF;
        break;
    case 0xD4:
        k->config &= (uint8_t)~CONFIG_MOUSE_OFF;
        ps2_mouse_write(&k->mouse, val);
        break;
    default:
        k->config &= (uint8_t)~CONFIG_DISABLED; /* a byte for the keyboard starts its clock */
        ps2_keyboard_write(&k->keyboard, val);
        break;
    }
    fill(k);
}

static uint64_t kbc_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct kbc *k = (struct kbc *)d;
    (void)offset, (void)size;
    if (range == RANGE_DATA) return take(k);
    if (range == RANGE_PORT92) return a20(k) ? PORT92_A20 : 0;
    return (k->full ? STATUS_OUTPUT_FULL : 0u) | (k->full && k->from_mouse ? STATUS_MOUSE : 0u) |
           (k->config & CONFIG_SYSTEM ? STATUS_SYSTEM : 0u) | (k->last_was_command ? STATUS_COMMAND : 0u) |
           STATUS_UNLOCKED;
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
    k->config = CONFIG_SYSTEM | CONFIG_MOUSE_OFF | CONFIG_TRANSLATE;
    k->pending = 0;
    k->replies.count = 0;
    k->full = k->from_mouse = k->broken = k->last_was_command = false;
    k->output = 0;
    ps2_keyboard_reset(&k->keyboard);
    ps2_mouse_reset(&k->mouse);
    update_lines(k);
    machine_set_a20(k->dev.machine, true); /* as firmware leaves it */
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

/* ---- what a person does ---- */

bool kbc_key(struct device *d, unsigned usage, bool down) {
    struct kbc *k = (struct kbc *)d;
    bool taken = ps2_keyboard_key(&k->keyboard, usage, down);
    fill(k);
    return taken;
}

void kbc_mouse(struct device *d, const struct ps2_motion *motion) {
    struct kbc *k = (struct kbc *)d;
    ps2_mouse_move(&k->mouse, motion);
    fill(k);
}

unsigned kbc_leds(const struct device *d) { return ((const struct kbc *)d)->keyboard.leds; }
