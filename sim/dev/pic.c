/* Two 8259A interrupt controllers, ports 20H and A0H, the second on line 2 of the first, with the edge/level registers
 * 4D0H and 4D1H. Source: Intel 8259A data sheet; ELCR: Intel 82371SB (PIIX3) data sheet. */
#include "sim/dev/dev.h"

#define ICW1_INIT   0x10
#define ICW1_LEVEL  0x08
#define ICW1_SINGLE 0x02
#define ICW1_ICW4   0x01
#define ICW4_SFNM   0x10
#define ICW4_AEOI   0x02
#define OCW3        0x08
#define CASCADE     2
#define SPURIOUS    7
#define NO_LINE     8

enum pic_range { RANGE_MASTER, RANGE_SLAVE, RANGE_ELCR };

struct chip {
    uint8_t irr, imr, isr, line, elcr;
    uint8_t base, icw1, icw4;
    uint8_t init;   /* next initialization word, 0 when operating */
    uint8_t lowest; /* line of the lowest priority */
    bool read_isr, poll, special_mask, rotate_aeoi;
};

struct pic {
    struct device dev;
    struct chip chip[2];
};

/* The pending line of the highest priority that the ones in service allow, or NO_LINE. */
static unsigned pick(const struct chip *c, bool is_master) {
    uint8_t requests = c->irr & ~c->imr;
    for (unsigned n = 1; n <= 8; n++) {
        unsigned line = (c->lowest + n) & 7;
        uint8_t bit = (uint8_t)(1u << line);
        bool in_service = c->isr & bit;
        /* special fully nested mode: the slave's line does not block itself */
        if (in_service && is_master && line == CASCADE && (c->icw4 & ICW4_SFNM)) in_service = false;
        if ((requests & bit) && !in_service) return line;
        /* special mask mode: a masked line in service blocks nobody; an unmasked one still blocks itself */
        if ((c->isr & bit) && !c->special_mask) return NO_LINE;
    }
    return NO_LINE;
}

static void chip_line(struct chip *c, unsigned line, bool level) {
    uint8_t bit = (uint8_t)(1u << line);
    bool by_level = (c->elcr & bit) || (c->icw1 & ICW1_LEVEL);
    if (!level)
        c->irr &= (uint8_t)~bit; /* the request must stay until INTA: what goes away ends as a spurious interrupt */
    else if (by_level || !(c->line & bit))
        c->irr |= bit;
    c->line = (uint8_t)(level ? c->line | bit : c->line & ~bit);
}

static void update(struct pic *p) {
    chip_line(&p->chip[0], CASCADE, pick(&p->chip[1], false) != NO_LINE);
    machine_set_intr(p->dev.machine, pick(&p->chip[0], true) != NO_LINE);
}

void pic_set_line(struct device *d, unsigned irq, bool level) {
    struct pic *p = (struct pic *)d;
    chip_line(&p->chip[irq >> 3], irq & 7, level);
    update(p);
}

/* INTA: the request becomes "in service" (unless automatic EOI). */
static void begin_service(struct chip *c, unsigned line) {
    uint8_t bit = (uint8_t)(1u << line);
    if (!(c->elcr & bit) && !(c->icw1 & ICW1_LEVEL)) c->irr &= (uint8_t)~bit;
    if (!(c->icw4 & ICW4_AEOI))
        c->isr |= bit;
    else if (c->rotate_aeoi)
        c->lowest = (uint8_t)line;
}

uint8_t pic_inta(struct device *d) {
    struct pic *p = (struct pic *)d;
    unsigned line = pick(&p->chip[0], true), n = 0;
    if (line == CASCADE) {
        begin_service(&p->chip[0], CASCADE);
        n = 1;
        line = pick(&p->chip[1], false);
    }
    struct chip *c = &p->chip[n];
    if (line == NO_LINE)
        line = SPURIOUS;
    else
        begin_service(c, line);
    chip_line(&p->chip[0], CASCADE, false); /* the slave drops its request with INTA; another one is a new edge */
    update(p);
    return (uint8_t)(c->base | line);
}

static void write_icw1(struct chip *c, uint8_t val) {
    uint8_t elcr = c->elcr, line = c->line;
    *c = (struct chip){.icw1 = val, .elcr = elcr, .line = line, .init = 2, .lowest = 7};
    c->irr = (uint8_t)(val & ICW1_LEVEL ? line : line & elcr); /* "the edge sense circuit is reset" */
}

/* The line in service that has the highest priority: what a non-specific EOI ends. */
static unsigned in_service(const struct chip *c) {
    for (unsigned n = 1; n <= 8; n++) {
        unsigned line = (c->lowest + n) & 7;
        if ((c->isr >> line & 1) && !(c->special_mask && (c->imr >> line & 1))) return line;
    }
    return NO_LINE;
}

/* 8259A, "Operation Command Word 2": R, SL, EOI in bits 7:5 */
static void write_ocw2(struct chip *c, uint8_t val) {
    unsigned line = val & 7;
    switch (val >> 5) {
    case 0:
        c->rotate_aeoi = false;
        break;
    case 4:
        c->rotate_aeoi = true;
        break;
    case 6:
        c->lowest = (uint8_t)line;
        break; /* set priority */
    case 1:    /* non-specific EOI, and the same with rotation */
    case 5:
        line = in_service(c);
        if (line == NO_LINE) break;
        c->isr &= (uint8_t) ~(1u << line);
        if (val >> 5 == 5) c->lowest = (uint8_t)line;
        break;
    case 3: /* specific EOI, and the same with rotation */
    case 7:
        c->isr &= (uint8_t) ~(1u << line);
        if (val >> 5 == 7) c->lowest = (uint8_t)line;
        break;
    default:
        break; /* 2: no operation */
    }
}

static void write_ocw3(struct chip *c, uint8_t val) {
    if (val & 2) c->read_isr = val & 1;
    if (val & 4) c->poll = true;
    if (val & 0x40) c->special_mask = val & 0x20;
}

static void write_data(struct chip *c, uint8_t val) {
    switch (c->init) {
    case 2:
        c->base = val & 0xF8;
        c->init = c->icw1 & ICW1_SINGLE ? (c->icw1 & ICW1_ICW4 ? 4 : 0) : 3;
        break;
    case 3:
        c->init = c->icw1 & ICW1_ICW4 ? 4 : 0;
        break; /* the cascade is wired on line 2 whatever is written */
    case 4:
        c->icw4 = val;
        c->init = 0;
        break;
    default:
        c->imr = val;
        break;
    }
}

static void chip_write(struct chip *c, bool data, uint8_t val) {
    if (data)
        write_data(c, val);
    else if (val & ICW1_INIT)
        write_icw1(c, val);
    else if (val & OCW3)
        write_ocw3(c, val);
    else
        write_ocw2(c, val);
}

/* 8259A, "Poll Command": the next read is an INTA. */
static uint8_t poll_read(struct chip *c, bool is_master) {
    unsigned line = pick(c, is_master);
    c->poll = false;
    if (line == NO_LINE) return 0;
    begin_service(c, line);
    return (uint8_t)(0x80 | line);
}

static uint64_t pic_read(struct device *d, unsigned range, uint64_t offset, unsigned size) {
    struct pic *p = (struct pic *)d;
    (void)size;
    if (range == RANGE_ELCR) return p->chip[offset & 1].elcr;
    struct chip *c = &p->chip[range];
    if (c->poll) {
        uint8_t val = poll_read(c, range == RANGE_MASTER);
        update(p);
        return val;
    }
    return offset ? c->imr : c->read_isr ? c->isr : c->irr;
}

static void pic_write(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val) {
    struct pic *p = (struct pic *)d;
    (void)size;
    if (range == RANGE_ELCR) {
        /* PIIX3: IRQ 0, 1, 2, 8 and 13 are always edge-triggered */
        p->chip[offset & 1].elcr = (uint8_t)(val & (offset ? 0xDE : 0xF8));
    } else {
        chip_write(&p->chip[range], offset, (uint8_t)val);
    }
    update(p);
}

static void pic_reset(struct device *d) {
    struct pic *p = (struct pic *)d;
    for (unsigned i = 0; i < 2; i++) p->chip[i] = (struct chip){.imr = 0xFF, .lowest = 7, .base = i ? 0x70 : 0x08};
    update(p);
}

static const struct device_ops pic_ops = {.name = "8259", .reset = pic_reset, .read = pic_read, .write = pic_write};

struct device *pic_create(struct machine *m) {
    struct pic *p = device_alloc(m, sizeof *p, &pic_ops);
    if (!p) return NULL;
    machine_map_ports(m, &p->dev, RANGE_MASTER, 0x20, 2);
    machine_map_ports(m, &p->dev, RANGE_SLAVE, 0xA0, 2);
    machine_map_ports(m, &p->dev, RANGE_ELCR, 0x4D0, 2);
    return &p->dev;
}
