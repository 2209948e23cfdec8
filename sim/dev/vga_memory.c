/* VGA memory through the window at A0000H: planes, latches, write modes, odd/even and chained addressing. IBM PS/2
 * Hardware Interface Technical Reference, "Video Memory Organization", "Graphics Controller". Accesses that are plain
 * copies (text, chained 256-colour and linear modes) need no device: see vga_update_window. */
#include <string.h>

#include "sim/dev/vga.h"

#define MISC_RAM         0x02
#define SEQ_SEQUENTIAL   0x04 /* no odd/even addressing for writes */
#define SEQ_CHAIN4       0x08
#define GC_MODE_READ1    0x08
#define GC_MODE_ODD_EVEN 0x10
#define GC_MISC_CHAIN    0x02 /* chain odd maps to even */
#define BANK_SIZE        0x10000u
#define TEXT_MASK        (SEQ_SEQUENTIAL | SEQ_CHAIN4)

/* GC_MISC bits 3:2 -> where the window answers */
static const struct {
    uint32_t base, size;
} memory_map[4] = {
    {0,       0x20000},
    {0,       0x10000},
    {0x10000, 0x8000 },
    {0x18000, 0x8000 }
};

static bool decode(const struct vga_regs *r, uint32_t *a) {
    unsigned n = r->gc[GC_MISC] >> 2 & 3;
    *a -= memory_map[n].base;
    return (r->misc & MISC_RAM) && *a < memory_map[n].size;
}

/* The place of a byte in each plane; 16-colour linear modes reach more than a VGA by the bank register. */
static uint8_t *place(struct vga *v, uint32_t a) {
    uint32_t n = vga_is_linear(&v->regs) ? (a + v->regs.dispi[DISPI_BANK] * BANK_SIZE) & (VGA_MEMORY / 4 - 1)
                                         : a & (VGA_PLANE - 1);
    return v->memory + 4 * (size_t)n;
}

/* Read mode 1: a bit is set where all planes that matter have the colour to compare with. */
static uint8_t compare_colour(const struct vga_regs *r) {
    uint8_t differ = 0;
    for (unsigned p = 0; p < 4; p++) {
        if (!(r->gc[GC_DONT_CARE] >> p & 1)) continue;
        differ |= r->latch[p] ^ (r->gc[GC_COLOUR_COMPARE] >> p & 1 ? 0xFF : 0);
    }
    return (uint8_t)~differ;
}

uint8_t vga_memory_read(struct vga *v, uint32_t a) {
    struct vga_regs *r = &v->regs;
    unsigned plane = r->gc[GC_READ_MAP];
    if (!decode(r, &a)) return 0xFF;
    if (r->seq[SEQ_MEMORY_MODE] & SEQ_CHAIN4) {
        plane = a & 3;
        a &= ~3u;
    } else if (r->gc[GC_MODE] & GC_MODE_ODD_EVEN) {
        plane = (plane & 2) | (a & 1);
        a &= ~1u;
    }
    memcpy(r->latch, place(v, a), 4);
    return r->gc[GC_MODE] & GC_MODE_READ1 ? compare_colour(r) : r->latch[plane];
}

static uint8_t rotate(uint8_t val, unsigned n) { return (uint8_t)(val >> n | val << (8 - n)); }
static uint8_t all(unsigned bit) { return bit & 1 ? 0xFF : 0; }

static uint8_t combine(const struct vga_regs *r, uint8_t val, uint8_t latch) {
    switch (r->gc[GC_ROTATE] >> 3) {
    case 1:
        return val & latch;
    case 2:
        return val | latch;
    case 3:
        return val ^ latch;
    default:
        return val;
    }
}

/* What goes into a plane: "Graphics Mode Register", write mode */
static uint8_t plane_value(const struct vga_regs *r, unsigned p, uint8_t val) {
    uint8_t latch = r->latch[p], mask = r->gc[GC_BIT_MASK], set = all(r->gc[GC_SET_RESET] >> p);
    uint8_t rotated = rotate(val, r->gc[GC_ROTATE] & 7);
    switch (r->gc[GC_MODE] & 3) {
    case 0:
        val = combine(r, r->gc[GC_ENABLE_SET_RESET] >> p & 1 ? set : rotated, latch);
        break;
    case 1:
        return latch;
    case 2:
        val = combine(r, all(val >> p), latch);
        break;
    default:
        mask &= rotated;
        val = combine(r, set, latch);
        break;
    }
    return (uint8_t)((val & mask) | (latch & ~mask));
}

void vga_memory_write(struct vga *v, uint32_t a, uint8_t val) {
    const struct vga_regs *r = &v->regs;
    unsigned planes = r->seq[SEQ_MAP_MASK];
    if (!decode(r, &a)) return;
    if (r->seq[SEQ_MEMORY_MODE] & SEQ_CHAIN4) {
        planes &= 1u << (a & 3);
        a &= ~3u;
    } else if (!(r->seq[SEQ_MEMORY_MODE] & SEQ_SEQUENTIAL)) {
        planes &= a & 1 ? 0xA : 0x5;
        a &= ~1u;
    }
    uint8_t *at = place(v, a);
    for (unsigned p = 0; p < 4; p++)
        if (planes >> p & 1) at[p] = plane_value(r, p, val);
}

/* ---- direct memory ---- */

/* Bytes of the window that lie scattered over the planes: index of byte a in video memory */
static uint32_t scattered(enum vga_direct how, uint32_t a) {
    return how == VGA_DIRECT_TEXT ? 4 * (a & ~1u) + (a & 1) : 4 * (a & ~3u) + (a & 3);
}

/* Neither latches nor the bits of a byte matter. */
static bool copies(const struct vga_regs *r) {
    return !(r->gc[GC_MODE] & (3 | GC_MODE_READ1)) && !r->gc[GC_ROTATE] && !r->gc[GC_ENABLE_SET_RESET] &&
           r->gc[GC_BIT_MASK] == 0xFF;
}

static enum vga_direct wanted(const struct vga_regs *r) {
    unsigned map = r->gc[GC_MISC] >> 2 & 3;
    if (!(r->misc & MISC_RAM)) return VGA_DIRECT_NONE;
    if (vga_is_linear(r) && r->dispi[DISPI_BPP] != 4) return map <= 1 ? VGA_DIRECT_BANK : VGA_DIRECT_NONE;
    if (vga_is_linear(r) || !copies(r)) return VGA_DIRECT_NONE;
    if ((r->seq[SEQ_MEMORY_MODE] & SEQ_CHAIN4) && r->seq[SEQ_MAP_MASK] == 0xF && map == 1) return VGA_DIRECT_CHAIN4;
    if (!(r->seq[SEQ_MEMORY_MODE] & TEXT_MASK) && (r->gc[GC_MODE] & GC_MODE_ODD_EVEN) && r->seq[SEQ_MAP_MASK] == 3 &&
        r->gc[GC_READ_MAP] < 2 && map >= 2)
        return VGA_DIRECT_TEXT;
    return VGA_DIRECT_NONE;
}

static bool buffered(const struct vga *v) { return v->direct == VGA_DIRECT_TEXT || v->direct == VGA_DIRECT_CHAIN4; }

static void scatter(const struct vga *v, uint8_t *planes) {
    for (uint32_t a = 0; buffered(v) && a < v->direct_size; a++) planes[scattered(v->direct, a)] = v->buffer[a];
}

void vga_copy_planes(const struct vga *v, uint8_t *planes) {
    memcpy(planes, v->memory, VGA_PLANES);
    scatter(v, planes);
}

void vga_update_window(struct vga *v) {
    const struct vga_regs *r = &v->regs;
    enum vga_direct how = wanted(r);
    unsigned map = r->gc[GC_MISC] >> 2 & 3;
    uint32_t base = how == VGA_DIRECT_NONE ? 0 : memory_map[map].base;
    uint32_t size = how == VGA_DIRECT_TEXT ? 0x8000 : BANK_SIZE;
    uint64_t bank = how == VGA_DIRECT_BANK ? r->dispi[DISPI_BANK] * (uint64_t)BANK_SIZE : 0;
    if (how == v->direct && base == v->direct_base && bank == v->direct_bank) return;
    scatter(v, v->memory);
    v->direct = how;
    v->direct_base = base;
    v->direct_size = size;
    v->direct_bank = bank;
    for (uint32_t a = 0; buffered(v) && a < size; a++) v->buffer[a] = v->memory[scattered(how, a)];
    struct mem_window w = {.base = VGA_WINDOW + base, .size = size, .dev = &v->pci.dev, .range = VGA_RANGE_DIRECT};
    w.takes = how == VGA_DIRECT_NONE ? 0 : MEM_TAKES_ALL;
    w.host = buffered(v) ? v->buffer : v->memory + bank;
    machine_remap(v->pci.dev.machine, &w);
}
