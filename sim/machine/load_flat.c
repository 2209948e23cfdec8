/* Flat binaries: a file, an address, an entry point and a mode.
 *   real       CS:IP = entry, other segments 0, SP = 7C00H; default address 7C00H, entry below 1 MiB
 *   protected  flat 32-bit segments, GDTR of the loader's GDT (08H code, 10H data), a stack of 16 KiB; default address
 * 1 MiB long       the same in 64-bit mode, with at least the first 4 GiB and all RAM mapped one to one in pages of 2
 * MiB */
#include <string.h>

#include "sim/core/system.h"
#include "sim/machine/load.h"

typedef unsigned long long ull;

#define REAL_STACK 0x7C00
#define CODE_SEL   0x08

static bool start_real(struct loader *l, uint64_t entry) {
    if (entry > 0xFFFFF)
        return load_fail(l, l->req->path,
                         "entry %llx is above 1 MiB; real mode cannot reach it: give --entry or --mode", (ull)entry);
    boot_real(l->m->cpu[0], (uint32_t)entry, REAL_STACK);
    return true;
}

static bool start_protected(struct loader *l, uint64_t entry) {
    struct support area;
    if (entry >> 32)
        return load_fail(l, l->req->path, "entry %llx is above 4 GiB; protected mode cannot reach it", (ull)entry);
    if (!boot_support(l, false, CODE_SEL, &area)) return false;
    boot_protected_support(l->m->cpu[0], (uint32_t)entry, &area);
    return true;
}

static bool start_long(struct loader *l, uint64_t entry) {
    struct support area;
    if (!model_has(l->m->model, FEAT_LM) || !model_has(l->m->model, FEAT_PSE))
        return load_fail(l, l->req->path,
                         "the CPU model has no 64-bit mode (features lm and pse): choose another --mode");
    if (!boot_support(l, true, CODE_SEL, &area)) return false;
    boot_long(l->m->cpu[0], entry, &area);
    return true;
}

bool flat_load(struct loader *l) {
    const struct hvsim_image *r = l->req;
    uint64_t load = r->has_load_address ? r->load_address : r->mode == HVSIM_MODE_REAL ? 0x7C00 : 0x100000;
    uint64_t entry = r->has_entry ? r->entry : load;
    if (r->module_count)
        return load_fail(
            l, r->path,
            "modules (--initrd) need a Linux, multiboot or PVH image; a flat binary has no way to find them");
    if (r->append)
        return load_fail(
            l, r->path,
            "a command line (--append) needs a Linux, multiboot or PVH image; a flat binary has no way to find it");
    if (entry < load || entry - load >= l->image.size)
        return load_fail(l, r->path, "entry %llx is outside the image [%llx, %llx); correct --entry or --load-address",
                         (ull)entry, (ull)load, (ull)load + (ull)l->image.size);
    if (!load_place(l, r->path, "the image", load, l->image.size, l->image.data, l->image.size)) return false;
    switch (r->mode) {
    case HVSIM_MODE_REAL:
        return start_real(l, entry);
    case HVSIM_MODE_PROTECTED:
        return start_protected(l, entry);
    default:
        return start_long(l, entry);
    }
}
