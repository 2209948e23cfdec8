/* Random encodings of the vector opcode space, with every prefix in front: where the decoder says that they are no
 * instruction of this processor the host must say #UD, too, and where it finds a vector instruction, do the same. */
#include <string.h>

#include "decoder/decoder.h"
#include "testsuites/isa/forms.h"
#include "testsuites/isa/random.h"

static uint8_t any(struct isa_random *r) { return (uint8_t)isa_rand(r); }

/* Opcodes of map 0F that are vector instructions, mostly: nothing that leaves user mode */
static uint8_t opcode_0f(struct isa_random *r) {
    static const uint8_t ranges[][2] = {
        {0x10, 0x17},
        {0x28, 0x2F},
        {0x50, 0x7F},
        {0xC2, 0xC2},
        {0xC4, 0xC6},
        {0xD0, 0xFE}
    };
    const uint8_t *range = ranges[below(r, sizeof ranges / sizeof ranges[0])];
    return (uint8_t)(range[0] + below(r, range[1] - range[0] + 1u));
}

static unsigned legacy(struct isa_random *r, bool mode32, uint8_t *p) {
    static const uint8_t prefixes[] = {0x66, 0xF3, 0xF2};
    unsigned n = 0;
    while (n < 2 && one_in(r, 2)) p[n++] = prefixes[below(r, 3)];
    if (!mode32 && one_in(r, 3)) p[n++] = (uint8_t)(0x40 | below(r, 16));
    if (one_in(r, 8)) {
        p[n++] = (uint8_t)(0xD8 + below(r, 8));
        return n;
    }
    p[n++] = 0x0F;
    switch (below(r, 3)) {
    case 0:
        p[n++] = opcode_0f(r);
        break;
    case 1:
        p[n++] = 0x38;
        p[n++] = any(r);
        break;
    default:
        p[n++] = 0x3A;
        p[n++] = any(r);
        break;
    }
    return n;
}

/* In front of VEX, XOP and EVEX: 66, F2, F3, LOCK and REX make #UD, address size and segments don't. */
static unsigned in_front(struct isa_random *r, bool mode32, uint8_t *p) {
    static const uint8_t forbidden[] = {0x66, 0xF3, 0xF2, 0xF0}, allowed[] = {0x67, 0x2E, 0x36, 0x3E, 0x26};
    unsigned n = 0;
    if (!one_in(r, 4)) return 0;
    if (one_in(r, 2)) p[n++] = allowed[below(r, sizeof allowed)];
    if (one_in(r, 2)) p[n++] = forbidden[below(r, sizeof forbidden)];
    if (!mode32 && one_in(r, 4)) p[n++] = (uint8_t)(0x40 | below(r, 16));
    return n;
}

/* Reserved bits of the prefixes are set now and then only, or nothing else would ever be the reason. */
static unsigned prefixed(struct isa_random *r, bool mode32, uint8_t *p) {
    static const uint8_t maps[] = {1, 2, 3};
    uint8_t high = mode32 ? 0xC0 : (uint8_t)(isa_rand(r) & 0xE0), map = one_in(r, 10) ? any(r) & 31 : maps[below(r, 3)];
    switch (below(r, 4)) {
    case 0:
        p[0] = 0xC5;
        p[1] = any(r) | (mode32 ? 0xC0 : 0);
        p[2] = opcode_0f(r);
        return 3;
    case 1:
        p[0] = 0xC4;
        p[1] = high | map;
        p[2] = one_in(r, 2) ? any(r) | 0x78 : any(r);
        p[3] = any(r);
        return 4;
    case 2:
        p[0] = 0x8F; /* XOP, or POP when the map is below 8 */
        p[1] = high | (uint8_t)(8 + below(r, 4));
        p[2] = any(r);
        p[3] = any(r);
        return 4;
    default:
        p[0] = 0x62;
        p[1] = high | (any(r) & 0x10) | (one_in(r, 4) ? any(r) & 15 : map & 7);
        p[2] = (one_in(r, 2) ? any(r) | 0x78 : any(r)) | (one_in(r, 12) ? 0 : 4);
        p[3] = one_in(r, 2) ? (any(r) & 0x60) | 8 : any(r);
        p[4] = any(r);
        return 5;
    }
}

static bool choose(struct isa_random *r, const struct decode_features *feat, struct isa_case *c) {
    struct insn d;
    unsigned mode = MODE_PROT | MODE_LMA | (c->mode32 ? MODE_CODE32 | MODE_STACK32 : MODE_CODE64);
    unsigned n = 0;
    if (one_in(r, 3)) {
        n = legacy(r, c->mode32, c->code);
    } else {
        const unsigned front = in_front(r, c->mode32, c->code);
        n = front + prefixed(r, c->mode32, c->code + front);
        /* with its longest operands and two prefixes XOP map 10 has 16 bytes: #GP(0) before it is looked at further */
        if (front > 1 && c->code[front] == 0x8F && (c->code[front + 1] & 31) == 10) return false;
    }
    c->code[n++] = one_in(r, 2) ? any(r) | 0xC0 : any(r);
    while (n < 15) c->code[n++] = any(r);
    const enum decode_status status = decode(c->code, n, mode, 0, feat, &d);
    if (status == DECODE_OK && d.id >= INSN_VEC_FIRST && one_in(r, 4)) {
        c->len = d.len;
        return true;
    }
    if (status != DECODE_INVALID) return false;
    c->len = 15;
    return !known_to_execute(c);
}

void reserved_generate(struct isa_random *r, const uint64_t *host, bool amd, bool mode32, struct isa_case *c) {
    struct decode_features feat = {.lzcnt = true, .bmi1 = true, .amd = amd, .cpu = host};
    memset(c, 0, sizeof *c);
    c->mode32 = mode32;
    c->insns = 1;
    c->rip = ISA_CODE + 0x400;
    c->flags = (uint32_t)isa_rand(r) & ISA_FLAGS;
    c->mem_seed = isa_rand(r);
    c->fpu.fcw = 0x37F;
    c->fpu.mxcsr = 0x1F80;
    for (unsigned k = 0; k < 16; k++) c->gpr[k] = !mode32 || k < 8 ? ISA_DATA + 1024 + 64 * below(r, 64) : 0;
    while (!choose(r, &feat, c)) continue;
}
