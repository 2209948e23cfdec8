/* Random accesses to the display adapter's ports, window, framebuffer and registers in memory, and to the keyboard
 * controller; between them pictures, text, keys and mouse. What must hold: no picture is larger than the largest mode,
 * the same state gives the same picture, and after a reset everything works. -n counts hundreds of rounds of accesses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/core/model.h"
#include "sim/dev/kbc.h"
#include "sim/dev/vga.h"
#include "testsuites/fuzz/guest.h"

#define ACCESSES  300 /* in a round */
#define MAX_SIDE  4700u
#define BAR0      0xE0000000u
#define BAR2      0xE8000000u
#define TEXT_SIZE 4096

static unsigned below(struct rng *r, unsigned n) { return (unsigned)(rng_next(r) >> 33) % n; }

static struct machine *make(const char *model) {
    char err[256];
    struct machine_config c = {.ram_size = RAM_BYTES, .cpus = 1, .vga = true};
    c.model = model_parse(model, err, sizeof err);
    struct machine *m = c.model ? machine_create(&c, err, sizeof err) : NULL;
    if (!m) fprintf(stderr, "fuzz_display: %s\n", err);
    return m;
}

static void config_put(struct machine *m, unsigned off, uint32_t val) {
    port_write(m, 0xCF8, 4, 0x80000000u | PCI_DEVFN(2, 0) << 8 | off);
    port_write(m, 0xCFC, 4, val);
}

static void plug_in(struct machine *m) {
    config_put(m, PCI_BAR0, BAR0);
    config_put(m, PCI_BAR0 + 8, BAR2);
    config_put(m, PCI_COMMAND, PCI_COMMAND_MEMORY);
}

/* A register with a value that is its own more often than chance would have it */
static void write_register(struct machine *m, struct rng *r) {
    static const uint16_t indexed[] = {0x3C4, 0x3CE, 0x3D4, 0x3B4};
    uint16_t port = indexed[below(r, 4)];
    uint8_t bit = (uint8_t)(1u << below(r, 8));
    port_write(m, port, 1, below(r, 26));
    uint8_t old = (uint8_t)port_read(m, (uint16_t)(port + 1), 1);
    port_write(m, (uint16_t)(port + 1), 1, below(r, 3) ? old ^ bit : (uint32_t)rng_next(r));
}

static void write_dispi(struct machine *m, struct rng *r) {
    static const uint16_t values[] = {0,  1,   2,   4,    8,    15,   16,   24,   32,    320,   640,
                                      63, 800, 768, 1024, 2560, 1600, 4096, 8191, 32768, 65535, 0x41};
    uint16_t val = values[below(r, sizeof values / sizeof values[0])];
    if (below(r, 2)) {
        port_write(m, 0x1CE, 2, below(r, 12));
        port_write(m, 0x1CF, 2, below(r, 4) ? val : (uint32_t)rng_next(r));
    } else {
        mmio_write(m, BAR2 + 0x500 + below(r, 24), 1u << below(r, 4), val);
    }
}

static void access_memory(struct machine *m, struct rng *r) {
    uint64_t at = 0xA0000 + below(r, 0x20000), val = rng_next(r);
    unsigned size = 1u << below(r, 4);
    if (!below(r, 4)) at = BAR0 + below(r, VGA_MEMORY);
    if (!below(r, 8)) at = BAR2 + below(r, 0x1000);
    if (below(r, 2))
        mmio_write(m, at, size, val);
    else
        mmio_read(m, at, size);
}

static void access_port(struct machine *m, struct rng *r) {
    uint16_t port = (uint16_t)(below(r, 8) ? 0x3B0 + below(r, 0x30) : 0x1CD + below(r, 4));
    unsigned size = 1u << below(r, 3);
    if (below(r, 2))
        port_write(m, port, size, (uint32_t)rng_next(r));
    else
        port_read(m, port, size);
}

static void access_keyboard(struct machine *m, struct rng *r) {
    static const uint8_t controller[] = {0x20, 0x60, 0xA7, 0xA8, 0xA9, 0xAA, 0xAB, 0xAD,
                                         0xAE, 0xD0, 0xD2, 0xD3, 0xD4, 0xD4, 0xD4};
    switch (below(r, 6)) {
    case 0:
        port_write(m, 0x64, 1, controller[below(r, sizeof controller)]);
        break;
    case 1:
        port_write(m, 0x60, 1, below(r, 2) ? 0xE0 + below(r, 32) : (uint32_t)rng_next(r));
        break;
    case 2:
        kbc_key(m->kbc, below(r, 0x110), below(r, 2));
        break;
    case 3:
        kbc_mouse(m->kbc,
                  &(struct ps2_motion){(int)rng_next(r), (int)rng_next(r), (int)rng_next(r), (uint8_t)rng_next(r)});
        break;
    default:
        port_read(m, below(r, 2) ? 0x60 : 0x64, 1);
        break;
    }
}

static bool look(struct machine *m) {
    unsigned width, height;
    char text[TEXT_SIZE];
    vga_look(m->vga, &width, &height);
    if (!width || !height || width > MAX_SIDE || height > MAX_SIDE) return false;
    size_t size = (size_t)width * height * 4, length = vga_screen_text(m->vga, text, sizeof text);
    uint8_t *one = malloc(size), *two = malloc(size);
    bool same = false;
    if (one && two) {
        vga_picture(m->vga, one);
        vga_picture(m->vga, two);
        same = !memcmp(one, two, size);
    }
    free(one);
    free(two);
    return same && length < sizeof text && text[length] == '\0';
}

static bool heals(struct machine *m) {
    unsigned width, height;
    char text[TEXT_SIZE];
    m->vga->ops->reset(m->vga);
    m->kbc->ops->reset(m->kbc);
    mmio_write(m, 0xB8000, 2, 0x0758);
    vga_look(m->vga, &width, &height);
    vga_screen_text(m->vga, text, sizeof text);
    plug_in(m);
    kbc_key(m->kbc, 4, true);
    return width == 720 && height == 400 && text[0] == 'X' && port_read(m, 0x60, 1) == 0x1E;
}

static bool round_of(struct machine *m, struct rng *r, uint64_t *linear) {
    for (unsigned i = 0; i < ACCESSES; i++) {
        unsigned kind = below(r, 16);
        if (kind < 5)
            write_register(m, r);
        else if (kind < 7)
            write_dispi(m, r);
        else if (kind < 11)
            access_memory(m, r);
        else if (kind < 14)
            access_port(m, r);
        else
            access_keyboard(m, r);
        m->now += below(r, 1000000);
    }
    *linear += vga_is_linear(&((struct vga *)m->vga)->regs);
    return look(m);
}

static bool fuzz(const char *model, uint64_t millions, uint64_t seed, bool verbose) {
    struct machine *m = make(model);
    uint64_t linear = 0, rounds = 100 * millions;
    bool ok = m != NULL;
    if (ok) plug_in(m);
    for (uint64_t i = 0; ok && i < rounds; i++) {
        struct rng r = {(seed + i) * 0x9E3779B97F4A7C15ull | 1};
        if (verbose) fprintf(stderr, "round %llu\n", (unsigned long long)i);
        ok = round_of(m, &r, &linear) && (i % 8 || heals(m));
        if (!ok) fprintf(stderr, "fuzz_display: round %llu: wrong\n", (unsigned long long)i);
    }
    printf("# %s: %llu of %llu pictures in linear modes\n", model, (unsigned long long)linear,
           (unsigned long long)rounds);
    machine_destroy(m);
    return ok && linear && linear < rounds;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, "fuzz_display", fuzz); }
