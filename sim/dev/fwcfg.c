/* See fwcfg.h. Software selects an item by its key and reads it from its beginning, byte by byte or by DMA. */
#include "sim/dev/fwcfg.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "sim/dev/dev.h"

enum fwcfg_range { RANGE_REGISTERS, RANGE_DMA };
enum { PORT_SELECT, PORT_DATA };
#define FWCFG_PORT     0x510
#define FWCFG_DMA_PORT 0x514
#define KEY_MASK       0x3FFFu
#define MAX_KEYS       0x60
#define NAME_SIZE      56
#define DMA_SIGNATURE  0x51454D5520434647ull /* "QEMU CFG" */
enum { ID_TRADITIONAL = 1, ID_DMA = 2 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };

struct item {
    uint8_t *data; /* owned */
    uint32_t size;
    fwcfg_fill *fill; /* NULL: the data stay as they are */
};
struct file_entry { /* in the directory, big-endian */
    uint32_t size;
    uint16_t key, reserved;
    char name[NAME_SIZE];
};
struct fwcfg {
    struct device dev;
    struct item item[MAX_KEYS];
    unsigned files;
    uint16_t key;
    uint32_t at;
    uint64_t dma; /* address of the request, as far as it is written */
};

static const struct item *selected(const struct fwcfg *f) {
    static const struct item nothing;
    unsigned key = f->key & KEY_MASK;
    return f->key & ~KEY_MASK || key >= MAX_KEYS ? &nothing : &f->item[key];
}

static void select_item(struct fwcfg *f, uint16_t key) {
    f->key = key;
    f->at = 0;
    const struct item *it = selected(f);
    if (it->fill) it->fill(f->dev.machine, it->data, it->size);
}

static uint8_t next_byte(struct fwcfg *f) {
    const struct item *it = selected(f);
    return f->at < it->size ? it->data[f->at++] : 0;
}

/* ---- DMA ---- */

struct dma_request { /* big-endian */
    uint32_t control, length;
    uint64_t address;
};

/* What lies beyond the item's end reads as zeros. */
static bool copy_out(struct fwcfg *f, uint64_t pa, uint32_t length) {
    static const uint8_t zeros[PAGE_SIZE];
    const struct item *it = selected(f);
    uint32_t have = it->size > f->at ? it->size - f->at : 0, n = length < have ? length : have;
    if (n && !machine_write(f->dev.machine, pa, it->data + f->at, n)) return false;
    f->at += n;
    for (uint64_t done = n; done < length;) {
        uint32_t part = length - done < PAGE_SIZE ? (uint32_t)(length - done) : PAGE_SIZE;
        if (!machine_write(f->dev.machine, pa + done, zeros, part)) return false;
        done += part;
    }
    return true;
}

static bool serve(struct fwcfg *f, const struct dma_request *r) {
    uint32_t control = be32toh(r->control), length = be32toh(r->length);
    if (control & DMA_SELECT) select_item(f, (uint16_t)(control >> 16));
    if (control & DMA_READ) return copy_out(f, be64toh(r->address), length);
    if (control & DMA_SKIP) f->at = length > UINT32_MAX - f->at ? UINT32_MAX : f->at + length;
    return !(control & DMA_WRITE); /* no item can be written */
}

static void run_dma(struct fwcfg *f) {
    struct dma_request r;
    struct machine *m = f->dev.machine;
    uint64_t pa = f->dma;
    f->dma = 0;
    if (!machine_read(m, pa, &r, sizeof r)) return;
    uint32_t result = serve(f, &r) ? 0 : htobe32(DMA_ERROR);
    machine_write(m, pa, &result, sizeof result);
}

/* The address register is big-endian; the write that ends with its low half starts the request. */
static void dma_write(struct fwcfg *f, unsigned offset, unsigned size, uint32_t val) {
    if (size != 4) return;
    uint32_t half = be32toh(val);
    f->dma = offset == 0 ? (f->dma & 0xFFFFFFFF) | (uint64_t)half << 32 : (f->dma & ~0xFFFFFFFFull) | half;
    if (offset == 4) run_dma(f);
}

static uint64_t dma_read(unsigned offset, unsigned size) {
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++) val |= (DMA_SIGNATURE >> 8 * (7 - (offset + i)) & 0xFF) << 8 * i;
    return val;
}

/* ---- ports ---- */

static uint64_t fwcfg_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct fwcfg *f = (struct fwcfg *)d;
    if (range == RANGE_DMA) return dma_read((unsigned)offset, size);
    return offset == PORT_DATA ? next_byte(f) : 0;
}

static void fwcfg_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct fwcfg *f = (struct fwcfg *)d;
    if (range == RANGE_DMA)
        dma_write(f, (unsigned)offset, size, (uint32_t)val);
    else if (offset == PORT_SELECT)
        select_item(f, (uint16_t)val);
}

static void fwcfg_reset(struct device *d) {
    struct fwcfg *f = (struct fwcfg *)d;
    select_item(f, FWCFG_SIGNATURE);
    f->dma = 0;
}

static void fwcfg_destroy(struct device *d) {
    struct fwcfg *f = (struct fwcfg *)d;
    for (unsigned i = 0; i < MAX_KEYS; i++) free(f->item[i].data);
}

static const struct device_ops fwcfg_ops = {.name = "firmware configuration",
                                            .reset = fwcfg_reset,
                                            .destroy = fwcfg_destroy,
                                            .read = fwcfg_read,
                                            .write = fwcfg_write,
                                            .port_width = 4};

/* ---- items ---- */

bool fwcfg_add(struct device *d, enum fwcfg_key key, const void *data, size_t size) {
    struct fwcfg *f = (struct fwcfg *)d;
    uint8_t *copy = size < UINT32_MAX ? calloc(1, size + 1) : NULL;
    if (!copy) return false;
    if (data) memcpy(copy, data, size);
    free(f->item[key].data);
    f->item[key] = (struct item){.data = copy, .size = (uint32_t)size};
    return true;
}

bool fwcfg_add_number(struct device *d, enum fwcfg_key key, uint64_t val, unsigned size) {
    uint64_t bytes = htole64(val);
    return fwcfg_add(d, key, &bytes, size);
}

bool fwcfg_add_file(struct device *d, const char *name, const void *data, size_t size) {
    struct fwcfg *f = (struct fwcfg *)d;
    unsigned key = FWCFG_FILES + f->files;
    if (key == MAX_KEYS || strlen(name) >= NAME_SIZE || !fwcfg_add(d, key, data, size)) return false;
    size_t entries = 4 + f->files * sizeof(struct file_entry);
    struct item *dir = &f->item[FWCFG_FILE_DIRECTORY];
    uint8_t *larger = realloc(dir->data, entries + sizeof(struct file_entry));
    if (!larger) return false;
    struct file_entry e = {.size = htobe32((uint32_t)size), .key = htobe16((uint16_t)key)};
    memcpy(e.name, name, strlen(name));
    memcpy(larger + entries, &e, sizeof e);
    uint32_t count = htobe32(++f->files);
    memcpy(larger, &count, sizeof count);
    *dir = (struct item){.data = larger, .size = (uint32_t)(entries + sizeof e)};
    return true;
}

bool fwcfg_add_lazy_file(struct device *d, const char *name, size_t size, fwcfg_fill *fill) {
    struct fwcfg *f = (struct fwcfg *)d;
    if (!fwcfg_add_file(d, name, NULL, size)) return false;
    f->item[FWCFG_FILES + f->files - 1].fill = fill;
    return true;
}

struct device *fwcfg_create(struct machine *m) {
    struct fwcfg *f = device_alloc(m, sizeof *f, &fwcfg_ops);
    if (!f) return NULL;
    const uint32_t no_files = 0;
    bool ok = fwcfg_add(&f->dev, FWCFG_SIGNATURE, "QEMU", 4) &&
              fwcfg_add_number(&f->dev, FWCFG_ID, ID_TRADITIONAL | ID_DMA, 4) &&
              fwcfg_add_number(&f->dev, FWCFG_RAM_SIZE, m->ram_size, 8) &&
              fwcfg_add_number(&f->dev, FWCFG_CPUS, m->cpu_count, 2) &&
              fwcfg_add_number(&f->dev, FWCFG_MAX_CPUS, m->cpu_count, 2) &&
              fwcfg_add(&f->dev, FWCFG_FILE_DIRECTORY, &no_files, sizeof no_files);
    machine_map_ports(m, &f->dev, RANGE_REGISTERS, FWCFG_PORT, 2);
    machine_map_ports(m, &f->dev, RANGE_DMA, FWCFG_DMA_PORT, 8);
    return ok ? &f->dev : NULL;
}
