/* A hostile driver of disks: random registers, descriptor tables, command lists and packets for IDE and AHCI, with an
 * image that turns out shorter than it was. Whatever comes must be a device's error and never a crash, a hang or an
 * undefined operation of the host: run it under the sanitizers (`make asan`).
 *
 * usage: fuzz_disk [-n HUNDRED-THOUSANDS of accesses] [-s SEED] [-m MODEL] [-v] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/core/system.h"
#include "sim/dev/ahci.h"
#include "sim/dev/ide.h"
#include "sim/hvsim.h"
#include "sim/machine/internal.h"
#include "testsuites/fuzz/guest.h"

#define DISK_BYTES   (4u << 20)
#define MASTER       0xC000u
#define INDEX        0xC100u
#define ABAR         0xE0000000u
#define ROUND        200u
#define ROUND_CYCLES 30000000u

enum { IDE_FUNCTION = PCI_DEVFN(1, 1), AHCI_FUNCTION = PCI_DEVFN(2, 0) };

static unsigned below(struct rng *r, unsigned n) { return (unsigned)(rng_next(r) >> 33) % n; }
static bool one_in(struct rng *r, unsigned n) { return below(r, n) == 0; }

/* An address: mostly RAM, sometimes its end, a hole or anything */
static uint32_t address(struct rng *r) {
    switch (below(r, 12)) {
    case 0:
        return RAM_BYTES - below(r, 64);
    case 1:
        return (uint32_t)rng_next(r);
    case 2:
        return 0xFFFFFFF0u + below(r, 16);
    default:
        return (below(r, RAM_BYTES) & ~0x7Fu) | (one_in(r, 8) ? below(r, 128) : 0);
    }
}

static uint8_t command(struct rng *r) {
    static const uint8_t known[] = {0x08, 0x20, 0x24, 0x25, 0x27, 0x29, 0x2F, 0x30, 0x34, 0x35, 0x39, 0x3D, 0x40,
                                    0x42, 0x47, 0x60, 0x61, 0x90, 0x91, 0xA0, 0xA0, 0xA0, 0xA0, 0xA1, 0xB0, 0xC4,
                                    0xC5, 0xC6, 0xC8, 0xCA, 0xCE, 0xE5, 0xE7, 0xEA, 0xEC, 0xEF, 0xF8};
    return one_in(r, 16) ? (uint8_t)rng_next(r) : known[below(r, sizeof known)];
}

static void packet(struct rng *r, uint8_t p[16]) {
    static const uint8_t known[] = {0x00, 0x03, 0x12, 0x1B, 0x1E, 0x25, 0x28, 0x28, 0x2B, 0x43,
                                    0x46, 0x4A, 0x51, 0x5A, 0xA8, 0xA8, 0xBB, 0xBD, 0xBE, 0xBE};
    for (unsigned i = 0; i < 16; i++) p[i] = one_in(r, 3) ? (uint8_t)rng_next(r) : 0;
    p[0] = one_in(r, 16) ? (uint8_t)rng_next(r) : known[below(r, sizeof known)];
    if (one_in(r, 2)) p[9] = 0x10;
}

static uint8_t small(struct rng *r) { return one_in(r, 4) ? (uint8_t)rng_next(r) : (uint8_t)below(r, 9); }

/* ---- IDE ---- */

static void write_regions(struct machine *m, struct rng *r, uint32_t at) {
    for (unsigned n = 0; n < 8; n++) {
        uint32_t size = one_in(r, 4) ? (uint32_t)rng_next(r) : below(r, 16) * 512;
        put(m, at + 8 * n, address(r), 4);
        put(m, at + 8 * n + 4, (size & 0xFFFF) | (one_in(r, 4) ? 0x80000000u : 0), 4);
    }
}

static void send_packet(struct machine *m, struct rng *r, uint16_t base) {
    uint8_t p[16];
    packet(r, p);
    for (unsigned i = 0; i < 12; i += 2) port_write(m, base, 2, p[i] | (uint32_t)p[i + 1] << 8);
}

static void ide_access(struct machine *m, struct rng *r) {
    uint16_t base = one_in(r, 2) ? 0x1F0 : 0x170, bm = base == 0x1F0 ? MASTER : MASTER + 8;
    uint32_t table;
    switch (below(r, 16)) {
    case 0:
    case 1:
    case 2:
        port_write(m, base + 7, 1, command(r));
        break;
    case 3:
        table = address(r);
        write_regions(m, r, table);
        port_write(m, bm + 4, 4, table);
        port_write(m, bm, 1, 0);
        port_write(m, bm, 1, one_in(r, 2) ? 1 : 9);
        break;
    case 4:
        port_write(m, (uint16_t)(bm + below(r, 8)), 1, (uint32_t)rng_next(r));
        break;
    case 5:
        send_packet(m, r, base);
        break;
    case 6:
        for (unsigned i = below(r, 700); i; i--) port_read(m, base, one_in(r, 2) ? 2 : 4);
        break;
    case 7:
        for (unsigned i = below(r, 700); i; i--) port_write(m, base, one_in(r, 2) ? 2 : 4, (uint32_t)rng_next(r));
        break;
    case 8:
        port_write(m, base + 0x206, 1, one_in(r, 2) ? 0 : (uint32_t)rng_next(r));
        break;
    case 9:
        port_write(m, base + 6, 1, (one_in(r, 2) ? 0xE0 : 0xF0) | (uint32_t)(one_in(r, 4) ? rng_next(r) & 15 : 0));
        break;
    case 10:
        port_read(m, (uint16_t)(base + below(r, 8)), 1u << below(r, 3));
        break;
    default:
        port_write(m, (uint16_t)(base + 1 + below(r, 5)), 1, small(r));
    }
}

/* ---- AHCI ---- */

static void write_command(struct machine *m, struct rng *r, uint32_t list, unsigned slot) {
    uint32_t table = address(r) & ~0x7Fu, regions = one_in(r, 16) ? 0xFFFF : below(r, 6);
    uint8_t fis[20] = {0x27, 0x80, command(r)}, p[16];
    packet(r, p);
    for (unsigned i = 3; i < sizeof fis; i++) fis[i] = small(r);
    fis[7] = 0x40;
    if (one_in(r, 16)) fis[below(r, 2)] = (uint8_t)rng_next(r);
    put(m, list + 32 * slot, 5 | (uint32_t)(rng_next(r) & 0x7E0) | regions << 16, 4);
    put(m, list + 32 * slot + 8, table, 8);
    machine_write(m, table, fis, sizeof fis);
    machine_write(m, table + 0x40, p, sizeof p);
    for (unsigned n = 0; n < 6; n++) {
        uint32_t size = one_in(r, 4) ? (uint32_t)rng_next(r) : below(r, 16) * 512;
        put(m, table + 0x80 + 16 * n, address(r), 8);
        put(m, table + 0x80 + 16 * n + 12, size - 1, 4);
    }
}

static void ahci_access(struct machine *m, struct rng *r) {
    unsigned n = below(r, 3), slot = below(r, 32);
    uint32_t port = ABAR + 0x100 + 0x80 * n, list = 0x100000 + 0x1000 * n;
    switch (below(r, 12)) {
    case 0:
        mmio_write(m, port, 8, one_in(r, 8) ? address(r) : list);
        mmio_write(m, port + 8, 8, address(r));
        break;
    case 1:
        mmio_write(m, port + 0x18, 4, 0x10);
        mmio_write(m, port + 0x18, 4, 0x11);
        break;
    case 2:
        mmio_write(m, ABAR + below(r, 0x500), 1u << below(r, 4), rng_next(r));
        break;
    case 3:
        mmio_read(m, ABAR + below(r, 0x1000), 1u << below(r, 4));
        break;
    case 4:
        port_write(m, INDEX + 0x10, 4, (uint32_t)rng_next(r));
        port_write(m, (uint16_t)(INDEX + below(r, 32)), 1u << below(r, 3), (uint32_t)rng_next(r));
        break;
    case 5:
        if (one_in(r, 8)) mmio_write(m, port + 0x2C, 4, one_in(r, 2));
        break;
    default:
        write_command(m, r, list, slot);
        mmio_write(m, port + 0x34, 4, one_in(r, 2) ? 1u << slot : 0);
        mmio_write(m, port + 0x38, 4, 1u << slot);
    }
}

/* ---- the machine ---- */

static void let_pass(struct machine *m, uint64_t cycles) {
    uint64_t end = m->now + cycles;
    while (m->timers && m->timers->due <= end) {
        if (m->timers->due > m->now) m->now = m->timers->due;
        timers_fire(m);
    }
    m->now = end;
}

static bool make_image(char path[32]) {
    strcpy(path, "/tmp/hvsim-fuzz-XXXXXX");
    int fd = mkstemp(path);
    bool ok = fd >= 0 && ftruncate(fd, DISK_BYTES) == 0;
    if (fd >= 0) close(fd);
    return ok;
}

/* Disks and CD-ROMs on both adapters; the last disk's image is cut after it was opened. */
static struct machine *make_machine(const char *model, char *err, size_t size) {
    char path[32], cut[32];
    if (!make_image(path) || !make_image(cut)) return NULL;
    const struct hvsim_drive drives[] = {
        {.path = path, .interface = HVSIM_IF_IDE,  .cdrom = false},
        {.path = path, .interface = HVSIM_IF_IDE,  .cdrom = false},
        {.path = path, .interface = HVSIM_IF_IDE,  .cdrom = true },
        {.path = path, .interface = HVSIM_IF_IDE,  .cdrom = true },
        {.path = path, .interface = HVSIM_IF_AHCI, .cdrom = false},
        {.path = path, .interface = HVSIM_IF_AHCI, .cdrom = true },
        {.path = cut,  .interface = HVSIM_IF_AHCI, .cdrom = false},
    };
    struct machine_config c = {.ram_size = RAM_BYTES, .cpus = 1, .drives = drives, .drive_count = 7};
    c.model = model_parse(model, err, (unsigned)size);
    struct machine *m = c.model ? machine_create(&c, err, size) : NULL;
    if (truncate(cut, 70000) != 0) fputs("fuzz_disk: the image stays whole\n", stderr);
    unlink(path);
    unlink(cut);
    return m;
}

static void enable(struct machine *m) {
    pci_config_write(m->pci, 0, IDE_FUNCTION, PCI_BAR0 + 16, 4, MASTER);
    pci_config_write(m->pci, 0, IDE_FUNCTION, PCI_COMMAND, 2, 7);
    pci_config_write(m->pci, 0, AHCI_FUNCTION, PCI_BAR0 + 16, 4, INDEX);
    pci_config_write(m->pci, 0, AHCI_FUNCTION, PCI_BAR0 + 20, 4, ABAR);
    pci_config_write(m->pci, 0, AHCI_FUNCTION, PCI_COMMAND, 2, 7);
}

static bool fuzz(const char *model, uint64_t amount, uint64_t seed, bool verbose) {
    char err[256] = "cannot make an image";
    struct machine *m = make_machine(model, err, sizeof err);
    if (!m) {
        fprintf(stderr, "fuzz_disk: %s\n", err);
        return false;
    }
    uint64_t rounds = amount * 100000 / ROUND;
    for (uint64_t n = 0; n < rounds; n++) {
        struct rng r = {(seed + n) * 0x9E3779B97F4A7C15ull | 1};
        if (verbose) fprintf(stderr, "round %llu\n", (unsigned long long)n);
        enable(m);
        for (unsigned i = 0; i < ROUND; i++) {
            if (n & 1)
                ide_access(m, &r);
            else
                ahci_access(m, &r);
            if (one_in(&r, 3)) let_pass(m, below(&r, 4) * 100000ull);
        }
        let_pass(m, ROUND_CYCLES);
    }
    printf("# %s: %llu rounds, seed %llu, state %016llx\n", model, (unsigned long long)rounds, (unsigned long long)seed,
           (unsigned long long)machine_hash(m));
    machine_destroy(m);
    return true;
}

int main(int argc, char **argv) { return fuzz_main(argc, argv, "fuzz_disk", fuzz); }
