/* Flat binaries: a file, an address, an entry point and a mode.
 *   real       CS:IP = entry, other segments 0, SP = 7C00H; default address 7C00H, entry below 1 MiB
 *   protected  flat 32-bit segments, GDTR of the loader's GDT (08H code, 10H data), a stack of 16 KiB; default address
 * 1 MiB long       the same in 64-bit mode, with at least the first 4 GiB and all RAM mapped one to one in pages of 2
 * MiB */
#include <string.h>

#include "sim/core/system.h"
#include "sim/machine/load.h"

typedef unsigned long long ull;

#define STACK_SIZE 0x4000
#define REAL_STACK 0x7C00
#define GIB_SHIFT  30
#define PT_TABLE   0x3  /* present, writable */
#define PT_LARGE   0x83 /* and a large page */
#define GDT_DATA   0x00CF93000000FFFFull
#define GDT_CODE32 0x00CF9B000000FFFFull
#define GDT_CODE64 0x00AF9B000000FFFFull

static bool put64(struct loader *l, uint64_t pa, uint64_t val) { return machine_write(l->m, pa, &val, sizeof val); }

/* GDT and stack, in low memory that the image leaves free */
static bool support_area(struct loader *l, uint64_t code, uint64_t size, uint64_t *gdt, uint64_t *stack) {
    uint64_t at;
    if (!load_find(l, l->req->path, "its page tables, GDT and stack", size + STACK_SIZE, PAGE_SIZE, 0x1000,
                   l->m->low_size, &at) ||
        !load_place(l, l->req->path, "its page tables, GDT and stack", at, size + STACK_SIZE, NULL, 0))
        return false;
    *gdt = at;
    *stack = at + size + STACK_SIZE;
    return put64(l, at + 8, code) && put64(l, at + 16, GDT_DATA);
}

/* PML4, PDPT and one page directory for each GiB, from `tables` on */
static bool identity_map(struct loader *l, uint64_t tables, unsigned gib) {
    uint64_t pdpt = tables + PAGE_SIZE, pd = pdpt + PAGE_SIZE;
    bool ok = put64(l, tables, pdpt | PT_TABLE);
    for (unsigned i = 0; i < gib; i++) ok = ok && put64(l, pdpt + 8 * i, (pd + (uint64_t)i * PAGE_SIZE) | PT_TABLE);
    for (unsigned i = 0; i < gib * 512; i++) ok = ok && put64(l, pd + 8ull * i, (uint64_t)i << 21 | PT_LARGE);
    return ok;
}

static bool start_real(struct loader *l, uint64_t entry) {
    if (entry > 0xFFFFF)
        return load_fail(l, l->req->path,
                         "entry %llx is above 1 MiB; real mode cannot reach it: give --entry or --mode", (ull)entry);
    boot_real(l->m->cpu[0], (uint32_t)entry, REAL_STACK);
    return true;
}

static bool start_protected(struct loader *l, uint64_t entry) {
    uint64_t gdt, stack;
    if (entry >> 32)
        return load_fail(l, l->req->path, "entry %llx is above 4 GiB; protected mode cannot reach it", (ull)entry);
    if (!support_area(l, GDT_CODE32, PAGE_SIZE, &gdt, &stack)) return false;
    struct cpu *cpu = l->m->cpu[0];
    boot_protected(cpu, (uint32_t)entry);
    cpu->ctl.gdtr = (struct dtable){gdt, 3 * 8 - 1};
    cpu->gpr[RSP] = stack;
    return true;
}

static bool start_long(struct loader *l, uint64_t entry) {
    uint64_t gdt, stack, top = 4ull << GIB_SHIFT;
    if (!model_has(l->m->model, FEAT_LM) || !model_has(l->m->model, FEAT_PSE))
        return load_fail(l, l->req->path,
                         "the CPU model has no 64-bit mode (features lm and pse): choose another --mode");
    if (l->m->ram_size > l->m->low_size) top += l->m->ram_size - l->m->low_size;
    unsigned gib = (unsigned)((top + (1ull << GIB_SHIFT) - 1) >> GIB_SHIFT);
    if (!support_area(l, GDT_CODE64, (3ull + gib) * PAGE_SIZE, &gdt, &stack)) return false;
    if (!identity_map(l, gdt + PAGE_SIZE, gib)) return load_fail(l, l->req->path, "its page tables cannot be written");
    boot_long(l->m->cpu[0], entry, gdt + PAGE_SIZE, gdt, stack);
    return true;
}

bool flat_load(struct loader *l) {
    const struct hvsim_image *r = l->req;
    uint64_t load = r->has_load_address ? r->load_address : r->mode == HVSIM_MODE_REAL ? 0x7C00 : 0x100000;
    uint64_t entry = r->has_entry ? r->entry : load;
    if (r->module_count)
        return load_fail(l, r->path,
                         "modules (--initrd) need a multiboot image; a flat binary has no way to find them");
    if (r->append)
        return load_fail(l, r->path,
                         "a command line (--append) needs a multiboot image; a flat binary has no way to find it");
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
