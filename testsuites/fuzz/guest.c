/* The guest of the fuzzers. */
#include <stdlib.h>
#include <unistd.h>
#include "testsuites/fuzz/guest.h"

#include <stdio.h>

#include "sim/core/system.h"

uint64_t rng_next(struct rng *r) { /* xorshift64* */
    r->s ^= r->s >> 12;
    r->s ^= r->s << 25;
    r->s ^= r->s >> 27;
    return r->s * 0x2545F4914F6CDD1Dull;
}

void put(struct machine *m, uint64_t pa, uint64_t v, unsigned size) { machine_write(m, pa, &v, size); }

static uint64_t descriptor(uint32_t ar, uint32_t base, uint32_t limit) {
    return (limit & 0xFFFF) | (uint64_t)(base & 0xFFFFFF) << 16 | (uint64_t)(ar & 0xF0FF) << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(base >> 24) << 56;
}

void write_gdt(struct machine *m) {
    static const uint32_t ars[] = {0,
                                   AR_CODE_SEG(0) | AR_L | AR_G,
                                   AR_DATA_SEG(0) | AR_DB | AR_G,
                                   AR_CODE_SEG(0) | AR_DB | AR_G,
                                   AR_CODE_SEG(3) | AR_DB | AR_G,
                                   AR_DATA_SEG(3) | AR_DB | AR_G,
                                   AR_CODE_SEG(3) | AR_L | AR_G,
                                   AR_CODE_SEG(0),
                                   AR_DATA_SEG(0),
                                   AR_CODE_SEG(0) | AR_CONFORM};
    for (unsigned n = 0; n < sizeof ars / sizeof ars[0]; n++)
        put(m, GDT_BASE + 8 * n, n ? descriptor(ars[n], 0, 0xFFFFF) : 0, 8);
    put(m, GDT_BASE + 0x50, descriptor(AR_P | DESC_TSS_AVAIL, TSS_BASE, 0x2FFF), 8);
    put(m, GDT_BASE + 0x58, 0, 8);
}

void write_idt(struct machine *m, bool is_long, bool is_16, struct rng *r) {
    for (unsigned v = 0; v < 256; v++) {
        uint32_t to = CODE_BASE + (uint32_t)(rng_next(r) % CODE_BYTES);
        uint32_t type = is_16 ? DESC_INT16 : DESC_INT | (unsigned)(rng_next(r) & 1);
        uint16_t cs = is_long ? 8 : is_16 ? 0x38 : 0x18;
        if (is_16) to &= 0xFFFF;
        uint64_t gate = (to & 0xFFFF) | (uint64_t)cs << 16 | (uint64_t)(0xE0 | type) << 40 | (uint64_t)(to >> 16) << 48;
        put(m, IDT_BASE + (is_long ? 16 : 8) * v, gate, 8);
        if (is_long) put(m, IDT_BASE + 16 * v + 8, 0, 8);
        if (v < 64) put(m, IVT_BASE + 4 * v, (uint64_t)(LOW_CODE >> 4) << 16 | (rng_next(r) & 0xFFFF), 4);
    }
}

void write_tss(struct machine *m, bool is_long) {
    for (unsigned o = 0; o < 0x80; o += 8) put(m, TSS_BASE + o, 0, 8);
    for (unsigned n = 0; n < 10; n++)
        if (is_long) put(m, TSS_BASE + 4 + 8 * n, CODE_BASE - 0x1000 - 0x800 * n, 8);
    if (!is_long)
        for (unsigned n = 0; n < 3; n++) {
            put(m, TSS_BASE + 4 + 8 * n, CODE_BASE - 0x1000, 4);
            put(m, TSS_BASE + 8 + 8 * n, 0x10, 4);
        }
    put(m, TSS_BASE + 0x66, 0x68, 2);
}

void write_page_tables(struct machine *m) {
    put(m, PT_BASE, (PT_BASE + 0x1000) | 7, 8);
    for (unsigned n = 0; n < 4; n++) put(m, PT_BASE + 0x1000 + 8 * n, (PT_BASE + 0x2000 + 0x1000 * n) | 7, 8);
    for (unsigned n = 0; n < 2048; n++) put(m, PT_BASE + 0x2000 + 8 * n, (uint64_t)n << 21 | 0x87, 8);
    put(m, PT_BASE + 0x2000 + 8 * (SHADOW_BASE >> 21), SHADOW_BASE | 0xC1, 8);
    put(m, PT_BASE + 0x2000 + 8 * (SHADOW_USER >> 21), SHADOW_USER | 0xC5, 8);
}

/* ---- code ---- */

static unsigned below(struct rng *r, unsigned n) { return (unsigned)(rng_next(r) >> 33) % n; }
static uint8_t byte(struct rng *r) { return (uint8_t)(rng_next(r) >> 16); }

/* ModRM and what follows it: a register, or memory with no or a short displacement, where the registers may lead */
static unsigned put_operand(uint8_t *out, struct rng *r) {
    uint8_t *p = out;
    *p = (uint8_t)(byte(r) & 0x3F);
    if (below(r, 2))
        *p++ |= 0xC0;
    else {
        const bool disp8 = below(r, 2);
        if (disp8) *p |= 0x40;
        const bool sib = (*p++ & 7) == 4;
        if (sib) *p++ = byte(r);
        if (disp8) *p++ = byte(r);
    }
    return (unsigned)(p - out);
}

static unsigned put_sse(uint8_t *out, struct rng *r) {
    static const uint8_t mandatory[] = {0x66, 0xF2, 0xF3};
    uint8_t *p = out;
    if (below(r, 4)) *p++ = mandatory[below(r, 3)];
    if (below(r, 3) == 0) *p++ = (uint8_t)(0x40 | below(r, 16));
    *p++ = 0x0F;
    const unsigned map = below(r, 6);
    if (map < 2) *p++ = map ? 0x38 : 0x3A;
    *p++ = map == 5 ? (below(r, 2) ? 0xAE : 0xC7) : byte(r); /* FXSAVE, LDMXCSR, the XSAVE family */
    return (unsigned)(p - out);
}

/* VEX (C5, C4), XOP (8F) or EVEX (62). Most of the time the fields that must have one value have it. */
static unsigned put_vex(uint8_t *out, struct rng *r) {
    const uint8_t noise = below(r, 16) ? 0 : 0xFF;
    uint8_t *p = out;
    switch (below(r, 6)) {
    case 0:
        *p++ = 0xC5;
        *p++ = byte(r) | 0x80;
        break;
    case 1:
    case 2:
        *p++ = 0xC4;
        *p++ = (uint8_t)(0xE0 | (1 + below(r, 3)) | (byte(r) & noise)); /* registers 0 to 7 */
        *p++ = byte(r);
        break;
    case 3:
        *p++ = 0x8F;
        *p++ = (uint8_t)(0xE0 | (8 + below(r, 3)));
        *p++ = byte(r) & 0xFC;
        break;
    default:
        *p++ = 0x62;
        *p++ = (uint8_t)(0xF0 | (1 + below(r, 3) + (below(r, 4) ? 0 : 4)));
        *p++ = byte(r) | 0x04;
        *p++ = (uint8_t)(byte(r) & (0x7F | noise) & (below(r, 3) ? 0xEF : 0xFF)); /* less of EVEX.b */
        break;
    }
    *p++ = byte(r);
    return (unsigned)(p - out);
}

/* One instruction of x87, MMX, 3DNow!, SSE, VEX, XOP, EVEX, or what manages their state; at most 16 bytes */
static unsigned put_vector_insn(uint8_t *out, struct rng *r) {
    uint8_t *p = out;
    switch (below(r, 8)) {
    case 0:
    case 1:
        *p++ = (uint8_t)(0xD8 + below(r, 8));
        break;
    case 2:
    case 3:
        p += put_sse(p, r);
        break;
    case 4:
        p[0] = p[1] = 0x0F;
        p += 2;
        p += put_operand(p, r);
        *p++ = byte(r);
        return (unsigned)(p - out);
    default:
        p += put_vex(p, r);
        break;
    }
    p += put_operand(p, r);
    if (below(r, 4) == 0) *p++ = byte(r); /* an immediate, perhaps */
    return (unsigned)(p - out);
}

static void fill_random(uint8_t *buf, unsigned size, struct rng *r, bool biased) {
    static const uint8_t hot[] = {0x0F, 0x0F, 0x0F, 0x66, 0xF3, 0xF2, 0xF0, 0x67, 0x48, 0x4C, 0x00, 0x01,
                                  0x20, 0x22, 0x30, 0x32, 0xA2, 0xC7, 0xAE, 0x38, 0xCF, 0xCD, 0x9D, 0x8E,
                                  0xEA, 0x9A, 0xCA, 0xE4, 0xE6, 0xEC, 0xEE, 0x6C, 0x6E, 0xA4, 0xA5, 0xAB,
                                  0xC8, 0xC9, 0xFF, 0xF4, 0xFA, 0xFB, 0x78, 0x79, 0xD8};
    for (unsigned n = 0; n < size; n++) {
        uint64_t x = rng_next(r);
        buf[n] = biased && (x & 3) == 0 ? hot[(x >> 8) % sizeof hot] : (uint8_t)(x >> 16);
    }
}

void write_code(struct machine *m, uint64_t base, struct rng *r) {
    uint8_t buf[4096 + 16];
    for (unsigned page = 0; page < CODE_BYTES; page += 4096) {
        const unsigned kind = below(r, 4);
        if (kind < 2)
            fill_random(buf, 4096, r, kind == 1);
        else
            for (unsigned n = 0; n < 4096;) n += put_vector_insn(buf + n, r);
        machine_write(m, base + page, buf, 4096);
    }
}

struct machine *fuzz_machine(const char *program, const char *model_name) {
    char err[256];
    struct cpu_model *model = model_parse(model_name, err, sizeof err);
    struct machine_config c = {.model = model, .ram_size = RAM_BYTES, .cpus = 1};
    struct machine *m = model ? machine_create(&c, err, sizeof err) : NULL;
    if (!m) fprintf(stderr, "%s: %s\n", program, err);
    return m;
}

static void out_of_time(void *m) { machine_stop(m, STOP_USER); }

void fuzz_run(struct machine *m, uint64_t insns, uint64_t cycles) {
    struct timer limit;
    timer_init(&limit, out_of_time, m);
    timer_arm(m, &limit, machine_now(m) + cycles);
    m->max_insns = machine_insns(m) + insns;
    machine_run(m);
    timer_cancel(m, &limit);
}

int fuzz_main(int argc, char **argv, const char *program, fuzz_fn *fuzz) {
    uint64_t millions = 3, seed = 1;
    const char *models[] = {"max-intel", "max-amd"}, *only = NULL;
    bool verbose = false;
    for (int opt; (opt = getopt(argc, argv, "n:s:m:v")) != -1;) switch (opt) {
        case 'n':
            millions = strtoull(optarg, NULL, 0);
            break;
        case 's':
            seed = strtoull(optarg, NULL, 0);
            break;
        case 'm':
            only = optarg;
            break;
        case 'v':
            verbose = true;
            break;
        default:
            fprintf(stderr, "usage: %s [-n MILLIONS] [-s SEED] [-m MODEL] [-v]\n", program);
            return 2;
        }
    unsigned ok = 0, all = only ? 1 : 2;
    for (unsigned n = 0; n < all; n++) ok += fuzz(only ? only : models[n], millions, seed, verbose);
    printf("%u passed, %u failed\n", ok, all - ok);
    return ok == all ? 0 : 1;
}
