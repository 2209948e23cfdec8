/* VGA registers: general, sequencer, CRT controller, graphics controller, attribute controller, DAC. */
#include "sim/dev/dev.h"
#include "sim/dev/vga.h"

#define MISC_COLOUR    0x01 /* CRT controller at 3DxH, else at 3BxH */
#define MISC_CLOCK     0x0C
#define CLOCK_8_DOTS   0x01
#define CLOCK_HALVED   0x08
#define V_PROTECT      0x80 /* CRTC_V_RETRACE_END: registers 0-7 are read-only */
#define OVERFLOW_LC8   0x10 /* the one bit of them that is not */
#define AC_DISPLAY_ON  0x20
#define STATUS_BLANK   0x01
#define STATUS_RETRACE 0x08
#define SWITCH_SENSE   0x10 /* input status 0: a monitor is connected */
#define LINEAR_FRAME   (CYCLES_PER_SEC / 60)

static const uint8_t seq_bits[SEQ_REGS] = {0x03, 0x3D, 0x0F, 0x3F, 0x0E};
static const uint8_t gc_bits[GC_REGS] = {0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF};
static const uint8_t ac_bits[AC_REGS] = {0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F,
                                         0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0xEF, 0xFF, 0x3F, 0x0F, 0x0F};

/* ---- the beam ---- */

unsigned vga_lines(const struct vga_regs *r) {
    uint8_t over = r->crtc[CRTC_OVERFLOW];
    return (r->crtc[CRTC_V_DISPLAY_END] | (over & 0x02) << 7 | (over & 0x40) << 3) + 1u;
}

static struct vga_beam linear_beam(uint64_t now) {
    uint64_t at = now % LINEAR_FRAME;
    bool retrace = at >= LINEAR_FRAME - LINEAR_FRAME / 20;
    return (struct vga_beam){.retrace = retrace, .blank = retrace, .frames = now / LINEAR_FRAME};
}

struct vga_beam vga_beam(const struct vga_regs *r, uint64_t now) {
    static const uint32_t clock[4] = {25175000, 28322000, 25175000, 25175000};
    if (vga_is_linear(r)) return linear_beam(now);
    unsigned over = r->crtc[CRTC_OVERFLOW];
    unsigned dots = (r->seq[SEQ_CLOCKING] & CLOCK_8_DOTS ? 8 : 9) * (r->seq[SEQ_CLOCKING] & CLOCK_HALVED ? 2 : 1);
    unsigned line_dots = (r->crtc[CRTC_H_TOTAL] + 5u) * dots;
    unsigned lines = (r->crtc[CRTC_V_TOTAL] | (over & 0x01) << 8 | (over & 0x20) << 4) + 2u;
    unsigned start = r->crtc[CRTC_V_RETRACE_START] | (over & 0x04) << 6 | (over & 0x80) << 2;
    unsigned length = (r->crtc[CRTC_V_RETRACE_END] - start) & 0x0F;
    uint64_t at = ticks_of_cycles(now, clock[(r->misc & MISC_CLOCK) >> 2]), frame = (uint64_t)line_dots * lines;
    unsigned line = (unsigned)(at % frame / line_dots), character = (unsigned)(at % line_dots / dots);
    return (struct vga_beam){.retrace = line - start < (length ? length : 16),
                             .blank = line >= vga_lines(r) || character > r->crtc[CRTC_H_DISPLAY_END],
                             .frames = at / frame};
}

static uint8_t input_status_1(struct vga *v) {
    struct vga_beam b = vga_beam(&v->regs, machine_now(v->pci.dev.machine));
    v->regs.ac_data = false;
    return (uint8_t)((b.blank ? STATUS_BLANK : 0) | (b.retrace ? STATUS_RETRACE : 0));
}

/* ---- DAC ---- */

static uint8_t dac_read(struct vga_regs *r) {
    uint8_t val = r->dac[r->dac_index][r->dac_component];
    if (++r->dac_component == 3) r->dac_component = 0, r->dac_index++;
    return val;
}

static void dac_write(struct vga_regs *r, uint8_t val) {
    r->dac_latch[r->dac_component] = r->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC ? val : val & 0x3F;
    if (++r->dac_component < 3) return;
    for (unsigned i = 0; i < 3; i++) r->dac[r->dac_index][i] = r->dac_latch[i];
    r->dac_component = 0;
    r->dac_index++;
}

/* ---- indexed registers ---- */

static void crtc_write(struct vga_regs *r, uint8_t val) {
    unsigned n = r->crtc_index;
    if (n >= CRTC_REGS) return;
    if (n <= CRTC_OVERFLOW && (r->crtc[CRTC_V_RETRACE_END] & V_PROTECT)) {
        if (n == CRTC_OVERFLOW) r->crtc[n] = (uint8_t)((r->crtc[n] & ~OVERFLOW_LC8) | (val & OVERFLOW_LC8));
        return;
    }
    r->crtc[n] = val;
}

static void ac_write(struct vga_regs *r, uint8_t val) {
    unsigned n = r->ac_index & 0x1F;
    if (!r->ac_data)
        r->ac_index = val & 0x3F;
    else if (n < AC_REGS)
        r->ac[n] = val & ac_bits[n];
    r->ac_data = !r->ac_data;
}

/* 3B4H-3BAH answer in monochrome modes, 3D4H-3DAH in colour modes; here both are 3D4H-3DAH. */
static bool crtc_port(const struct vga_regs *r, uint16_t *port) {
    bool colour = r->misc & MISC_COLOUR;
    if ((*port & 0xFF0) == (colour ? 0x3B0 : 0x3D0)) return false;
    if ((*port & 0xFF0) == 0x3B0) *port += 0x20;
    return true;
}

uint8_t vga_port_read(struct vga *v, uint16_t port) {
    struct vga_regs *r = &v->regs;
    if (!crtc_port(r, &port)) return 0xFF;
    switch (port) {
    case 0x3C0:
        return r->ac_index;
    case 0x3C1:
        return (r->ac_index & 0x1F) < AC_REGS ? r->ac[r->ac_index & 0x1F] : 0;
    case 0x3C2:
        return SWITCH_SENSE;
    case 0x3C3:
        return 1;
    case 0x3C4:
        return r->seq_index;
    case 0x3C5:
        return r->seq_index < SEQ_REGS ? r->seq[r->seq_index] : 0;
    case 0x3C6:
        return r->dac_mask;
    case 0x3C7:
        return r->dac_read_mode ? 3 : 0;
    case 0x3C8:
        return r->dac_index;
    case 0x3C9:
        return dac_read(r);
    case 0x3CA:
        return r->feature;
    case 0x3CC:
        return r->misc;
    case 0x3CE:
        return r->gc_index;
    case 0x3CF:
        return r->gc_index < GC_REGS ? r->gc[r->gc_index] : 0;
    case 0x3D4:
        return r->crtc_index;
    case 0x3D5:
        return r->crtc_index < CRTC_REGS ? r->crtc[r->crtc_index] : 0;
    case 0x3DA:
        return input_status_1(v);
    default:
        return 0xFF;
    }
}

static void write_register(struct vga_regs *r, uint16_t port, uint8_t val) {
    switch (port) {
    case 0x3C0:
        ac_write(r, val);
        break;
    case 0x3C2:
        r->misc = val & 0xEF;
        break;
    case 0x3C4:
        r->seq_index = val & 7;
        break;
    case 0x3C5:
        if (r->seq_index < SEQ_REGS) r->seq[r->seq_index] = val & seq_bits[r->seq_index];
        break;
    case 0x3C6:
        r->dac_mask = val;
        break;
    case 0x3C7:
    case 0x3C8:
        r->dac_index = val;
        r->dac_component = 0;
        r->dac_read_mode = port == 0x3C7;
        break;
    case 0x3C9:
        dac_write(r, val);
        break;
    case 0x3CE:
        r->gc_index = val & 0x0F;
        break;
    case 0x3CF:
        if (r->gc_index < GC_REGS) r->gc[r->gc_index] = val & gc_bits[r->gc_index];
        break;
    case 0x3D4:
        r->crtc_index = val & 0x1F;
        break;
    case 0x3D5:
        crtc_write(r, val);
        break;
    case 0x3DA:
        r->feature = val & 0x08;
        break;
    }
}

void vga_port_write(struct vga *v, uint16_t port, uint8_t val) {
    if (!crtc_port(&v->regs, &port)) return;
    write_register(&v->regs, port, val);
    if (port == 0x3C2 || port == 0x3C5 || port == 0x3CF) vga_update_window(v);
}
