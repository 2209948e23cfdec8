/* The display adapter on the bus: 1234:1111, ports, the window at A0000H, base addresses 0 (video memory), 2
 * (registers) and the expansion ROM. Ports and window answer whatever the command register says, as kernels that are
 * started without firmware expect. */
#include "sim/dev/vga.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/dev/dev.h"

#define VGA_DEVFN  PCI_DEVFN(2, 0)
#define MMIO_SIZE  0x1000
#define MMIO_PORTS 0x400 /* ports 3C0H to 3DFH */
#define MMIO_DISPI 0x500 /* DISPI registers, 16 bits each */
#define ROM_MAX    (64u << 10)

enum vga_range { RANGE_MMIO = 2, RANGE_WINDOW = 16, RANGE_PORTS, RANGE_DISPI };

static uint64_t mmio_part_read(struct vga *v, uint64_t offset) {
    if (offset - MMIO_PORTS < 0x20) return vga_port_read(v, (uint16_t)(0x3C0 + (offset - MMIO_PORTS)));
    if (offset - MMIO_DISPI < 2 * DISPI_REGS)
        return vga_dispi_read(v, (unsigned)(offset - MMIO_DISPI) / 2) >> 8 * (offset & 1) & 0xFF;
    return 0;
}

static void mmio_write_ports(struct vga *v, uint64_t offset, unsigned size, uint64_t val) {
    for (unsigned i = 0; i < size && offset + i < MMIO_PORTS + 0x20; i++)
        vga_port_write(v, (uint16_t)(0x3C0 + (offset + i - MMIO_PORTS)), (uint8_t)(val >> 8 * i));
}

static void mmio_write_dispi(struct vga *v, uint64_t offset, unsigned size, uint64_t val) {
    for (unsigned i = 0; i + 1 < size && !(offset & 1); i += 2)
        vga_dispi_write(v, (unsigned)(offset + i - MMIO_DISPI) / 2, (uint16_t)(val >> 8 * i));
}

/* 16-bit accesses; those of a byte at an odd port are the data register's low half, as they are at 1CFH */
static uint64_t dispi_port_read(const struct vga *v, uint64_t offset) {
    return offset ? vga_dispi_read(v, v->regs.dispi_index) : v->regs.dispi_index;
}

static void dispi_port_write(struct vga *v, uint64_t offset, unsigned size, uint64_t val) {
    if (size != 2) return;
    if (offset)
        vga_dispi_write(v, v->regs.dispi_index, (uint16_t)val);
    else
        v->regs.dispi_index = (uint16_t)val;
}

static uint64_t vga_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct vga *v = (struct vga *)d;
    uint64_t val = 0;
    if (range == RANGE_DISPI) return dispi_port_read(v, offset);
    for (unsigned i = 0; i < size; i++) {
        uint64_t byte = 0;
        if (range == RANGE_WINDOW) byte = vga_memory_read(v, (uint32_t)offset + i);
        if (range == RANGE_PORTS) byte = vga_port_read(v, (uint16_t)(0x3B0 + offset + i));
        if (range == RANGE_MMIO) byte = mmio_part_read(v, offset + i);
        val |= byte << 8 * i;
    }
    return val;
}

static void vga_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct vga *v = (struct vga *)d;
    if (range == RANGE_DISPI) dispi_port_write(v, offset, size, val);
    for (unsigned i = 0; i < size; i++) {
        if (range == RANGE_WINDOW) vga_memory_write(v, (uint32_t)offset + i, (uint8_t)(val >> 8 * i));
        if (range == RANGE_PORTS) vga_port_write(v, (uint16_t)(0x3B0 + offset + i), (uint8_t)(val >> 8 * i));
    }
    if (range == RANGE_MMIO && offset - MMIO_PORTS < 0x20) mmio_write_ports(v, offset, size, val);
    if (range == RANGE_MMIO && offset - MMIO_DISPI < 2 * DISPI_REGS) mmio_write_dispi(v, offset, size, val);
}

static void vga_reset(struct device *d) {
    struct vga *v = (struct vga *)d;
    pci_reset(&v->pci);
    vga_set_text_mode(v);
}

static void vga_destroy(struct device *d) { pci_destroy((struct pci_device *)d); }

static const struct device_ops vga_ops = {
    .name = "vga", .reset = vga_reset, .destroy = vga_destroy, .read = vga_read, .write = vga_write, .port_width = 2};

/* ---- creation ---- */

bool vga_add_rom(struct device *d, const char *path, char *err, size_t err_size) {
    struct vga *v = (struct vga *)d;
    uint8_t *rom = machine_alloc_memory(v->pci.dev.machine, ROM_MAX);
    FILE *f = rom ? fopen(path, "rb") : NULL;
    if (!f) {
        snprintf(err, err_size, "VGA BIOS: cannot read %s: %s", path, rom ? strerror(errno) : "out of memory");
        return false;
    }
    size_t n = fread(rom, 1, ROM_MAX, f);
    bool good = n >= 512 && fgetc(f) == EOF && rom[0] == 0x55 && rom[1] == 0xAA;
    fclose(f);
    if (!good) {
        snprintf(err, err_size,
                 "VGA BIOS: expected an expansion ROM (55H AAH) of at most 64 KiB, found something else: %s", path);
        return false;
    }
    pci_add_bar(&v->pci, PCI_ROM, &(struct pci_bar){.kind = PCI_BAR_MEM32, .size = ROM_MAX, .host = rom});
    return true;
}

static void map(struct vga *v) {
    struct machine *m = v->pci.dev.machine;
    machine_map_ports(m, &v->pci.dev, RANGE_PORTS, 0x3B0, 0x30);
    machine_map_ports(m, &v->pci.dev, RANGE_DISPI, 0x1CE, 3);
    machine_map_mmio(m, &v->pci.dev, RANGE_WINDOW, VGA_WINDOW, VGA_WINDOW_SIZE);
    /* over it, and so far for no accesses */
    struct mem_window direct = {.base = VGA_WINDOW, .size = 0x10000, .dev = &v->pci.dev, .range = VGA_RANGE_DIRECT};
    direct.host = v->buffer;
    machine_map(m, &direct);
}

struct device *vga_create(struct machine *m) {
    static const struct pci_id id = {.vendor = 0x1234,
                                     .device = 0x1111,
                                     .class_code = 0x030000,
                                     .revision = 2,
                                     .subsystem_vendor = 0x1AF4,
                                     .subsystem = 0x1100};
    struct vga *v = device_alloc(m, sizeof *v, &vga_ops);
    if (!v) return NULL;
    pci_init(&v->pci, m->pci, VGA_DEVFN, &id, NULL);
    v->memory = machine_alloc_memory(m, VGA_MEMORY);
    v->buffer = machine_alloc_memory(m, 0x10000);
    if (!v->memory || !v->buffer) return NULL;
    pci_add_bar(&v->pci, 0,
                &(struct pci_bar){.kind = PCI_BAR_MEM32, .size = VGA_MEMORY, .prefetchable = true, .host = v->memory});
    pci_add_bar(&v->pci, RANGE_MMIO, &(struct pci_bar){.kind = PCI_BAR_MEM32, .size = MMIO_SIZE});
    map(v);
    return &v->pci.dev;
}

/* ---- what the host sees ---- */

void vga_look(const struct device *d, unsigned *width, unsigned *height) {
    vga_picture_size(&((const struct vga *)d)->regs, width, height);
}

void vga_picture(const struct device *d, uint8_t *rgba) {
    const struct vga *v = (const struct vga *)d;
    uint64_t now = machine_now(d->machine);
    uint8_t *planes = vga_is_linear(&v->regs) ? NULL : malloc(VGA_PLANES);
    if (planes) vga_copy_planes(v, planes);
    vga_render(&v->regs, planes ? planes : v->memory, now, rgba);
    free(planes);
}

size_t vga_screen_text(const struct device *d, char *text, size_t size) {
    const struct vga *v = (const struct vga *)d;
    uint8_t *planes = malloc(VGA_PLANES);
    if (!planes) return 0;
    vga_copy_planes(v, planes);
    size_t n = vga_text(&v->regs, planes, text, size);
    free(planes);
    return n;
}

uint64_t vga_framebuffer(const struct device *d) { return pci_get32(&((const struct vga *)d)->pci, PCI_BAR0) & ~15u; }
