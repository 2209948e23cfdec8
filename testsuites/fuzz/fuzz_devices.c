/* Hostile accesses to everything on the board: configuration spaces by both mechanisms, ports, device memory, with
 * random memory for DMA and time that passes between them. Whatever software does, the devices stay in bounds and in
 * bounded time: run it under the sanitizers (`make asan`). Instructions are not executed; a "million" is 100,000
 * accesses to each board. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/core/system.h"
#include "sim/dev/chipset.h"
#include "sim/hvsim.h"
#include "sim/machine/acpi/acpi.h"
#include "sim/machine/internal.h"
#include "testsuites/fuzz/guest.h"

#define ACCESSES  100000u
#define DMA_BYTES 0x40000u /* of low memory, made random */

static unsigned below(struct rng *r, unsigned n) { return (unsigned)(rng_next(r) >> 33) % n; }

/* ---- the board, with one of everything ---- */

static bool temporary_file(char *path) {
    int fd = mkstemp(path);
    bool ok = fd >= 0 && ftruncate(fd, 4 << 20) == 0;
    if (fd >= 0) close(fd);
    return ok;
}

static struct machine *make_board(const char *model, enum machine_kind kind) {
    char disk[] = "/tmp/fuzz_devices.XXXXXX", err[256];
    if (!temporary_file(disk)) return NULL;
    const struct hvsim_drive drives[] = {
        {.path = disk,     .format = "raw"             },
        { .path = disk, .format = "raw",                .cdrom = true},
        { .path = disk, .format = "raw", .interface = HVSIM_IF_VIRTIO},
    };
    struct machine_config c = {.kind = kind,
                               .ram_size = RAM_BYTES,
                               .cpus = 2,
                               .drives = drives,
                               .drive_count = 3,
                               .virtio_consoles = 1,
                               .virtio_rng = true,
                               .vga = true,
                               .test_device = true};
    c.model = model_parse(model, err, sizeof err);
    struct machine *m = c.model ? machine_create(&c, err, sizeof err) : NULL;
    unlink(disk);
    if (!m) fprintf(stderr, "fuzz_devices: %s\n", err);
    return m;
}

/* ---- what is accessed ---- */

static uint64_t value(struct rng *r) {
    uint64_t v = rng_next(r);
    switch (below(r, 8)) {
    case 0:
        return 0;
    case 1:
        return ~0ull;
    case 2:
        return v & 0xFF;
    case 3:
        return 1ull << (v & 63);
    case 4:
        return v & (DMA_BYTES - 1) & ~15ull; /* something for DMA */
    case 5:
        return 0xE0000000 | (v & 0x0FFF0000);
    default:
        return v;
    }
}

static unsigned size_of(struct rng *r, unsigned log_max) { return 1u << below(r, log_max + 1); }

static uint8_t some_function(const struct machine *m, struct rng *r) {
    uint8_t devfn = (uint8_t)below(r, 256);
    for (unsigned i = 0; i < 256 && !m->pci->function[devfn] && below(r, 64); i++) devfn++;
    return devfn;
}

static const struct pci_bar *some_bar(const struct machine *m, struct rng *r, bool ports) {
    const struct pci_device *p = m->pci->function[some_function(m, r)];
    if (!p) return NULL;
    const struct pci_bar *b = &p->bar[below(r, PCI_BARS)];
    return b->mapped && (b->kind == PCI_BAR_IO) == ports ? b : NULL;
}

static void config_access(struct machine *m, struct rng *r) {
    unsigned size = size_of(r, 2), off = (below(r, 4) ? below(r, 0x60) : below(r, 0x100)) & ~(size - 1);
    uint8_t devfn = some_function(m, r);
    port_write(m, 0xCF8, 4, 0x80000000u | (uint32_t)devfn << 8 | (off & 0xFC) | (below(r, 64) ? 0 : 1u << 16));
    if (below(r, 3))
        port_write(m, (uint16_t)(0xCFC + (off & 3)), size, (uint32_t)value(r));
    else
        port_read(m, (uint16_t)(0xCFC + (off & 3)), size);
}

static void port_access(struct machine *m, struct rng *r) {
    static const uint16_t bases[] = {0x00,  0x20,  0x40,  0x60,  0x70,  0x80,  0xA0,  0xB0,  0xC0,  0xE0,  0xF0,
                                     0x170, 0x1F0, 0x2F8, 0x370, 0x3B0, 0x3C0, 0x3D0, 0x3F0, 0x3F8, 0x4D0, 0x500,
                                     0x510, 0x600, 0x610, 0x620, 0x630, 0x640, 0xCF8, 0xCFC, 0x1CE, 0x2000};
    const struct pci_bar *b = some_bar(m, r, true);
    uint16_t port = (uint16_t)rng_next(r);
    if (b && below(r, 2))
        port = (uint16_t)(b->at + below(r, (unsigned)b->size));
    else if (below(r, 8))
        port = (uint16_t)(bases[below(r, sizeof bases / sizeof bases[0])] + below(r, 16));
    if (below(r, 3))
        port_write(m, port, size_of(r, 2), (uint32_t)value(r));
    else
        port_read(m, port, size_of(r, 2));
}

static uint64_t some_address(const struct machine *m, struct rng *r) {
    static const uint64_t bases[] = {0xA0000,    0xB8000,    0xC0000,    0xF0000,    0xB0000000,
                                     0xFEC00000, 0xFED00000, 0xFED00100, 0xFED1C000, 0xFED1F000,
                                     0xFEE00000, 0xFF000000, 0xFFFF0000, 0x100000000};
    const struct pci_bar *b = some_bar(m, r, false);
    if (b && below(r, 4)) return b->at + rng_next(r) % (below(r, 2) ? b->size : b->size < 0x100 ? b->size : 0x100);
    if (!below(r, 8)) return rng_next(r) & 0xFFFFFFFFFFull;
    return bases[below(r, sizeof bases / sizeof bases[0])] + below(r, 0x1000);
}

/* Within a page, as the processor's accesses are. */
static void memory_access(struct machine *m, struct rng *r) {
    unsigned size = size_of(r, 3);
    uint64_t at = some_address(m, r);
    if (below(r, 8)) at &= ~(uint64_t)(size - 1);
    if ((at & 0xFFF) + size > 0x1000) at &= ~7ull;
    m->running = below(r, 2) ? m->cpu[below(r, m->cpu_count)] : NULL;
    if (m->running) m->running->time.cycles = m->now;
    if (below(r, 3))
        mmio_write(m, at, size, value(r));
    else
        mmio_read(m, at, size);
    m->running = NULL;
}

static void pass(struct machine *m, uint64_t cycles) {
    uint64_t end = m->now + cycles;
    for (unsigned n = 0; n < 1000 && m->timers && m->timers->due <= end; n++) {
        if (m->timers->due > m->now) m->now = m->timers->due;
        timers_fire(m);
    }
    m->now = end;
}

static void fill_memory(struct machine *m, struct rng *r) {
    for (unsigned n = 0; n < 64; n++) {
        uint64_t v = value(r);
        machine_write(m, rng_next(r) & (DMA_BYTES - 8), &v, sizeof v);
    }
}

static void tables(const struct machine *m) {
    struct acpi_blob b;
    if (acpi_build(m, &b)) acpi_relocate(&b, 0xE0000);
    acpi_free(&b);
}

static void something_else(struct machine *m, struct rng *r) {
    struct cpu *cpu = m->cpu[0];
    switch (below(r, 16)) {
    case 0:
        machine_reset(m);
        if (below(r, 2)) platform_setup(m);
        break;
    case 1:
        platform_setup(m);
        break;
    case 2:
        acpipm_power_button(m->pm);
        break;
    case 3:
        tables(m);
        break;
    case 4:
        cpu->intr.smm = !cpu->intr.smm;
        memory_smm_changed(cpu);
        break;
    case 5:
    case 6:
        fill_memory(m, r);
        break;
    default:
        pass(m, rng_next(r) & (below(r, 8) ? 0xFFFF : 0x3FFFFFFF));
        break;
    }
}

static void attack(struct machine *m, struct rng *r, uint64_t accesses) {
    platform_setup(m);
    for (uint64_t n = 0; n < accesses; n++) {
        unsigned what = below(r, 32);
        if (what < 8)
            config_access(m, r);
        else if (what < 20)
            port_access(m, r);
        else if (what < 31)
            memory_access(m, r);
        else
            something_else(m, r);
        m->stop = STOP_NONE;
    }
}

static bool fuzz(const char *model, uint64_t millions, uint64_t seed, bool verbose) {
    static const enum machine_kind kinds[] = {MACHINE_PC, MACHINE_Q35};
    for (unsigned i = 0; i < 2; i++) {
        struct rng r = {seed + i};
        struct machine *m = make_board(model, kinds[i]);
        if (!m) return false;
        attack(m, &r, millions * ACCESSES);
        if (verbose)
            printf("# %s on %s: %llu accesses\n", model, i ? "q35" : "pc", (unsigned long long)millions * ACCESSES);
        machine_destroy(m);
    }
    printf("ok - devices [%s]\n", model);
    return true;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, "fuzz_devices", fuzz); }
