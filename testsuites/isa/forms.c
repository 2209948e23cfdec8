/* Every encoding of the x87, MMX and vector opcode space, asked of the decoder, joined into forms. */
#include "testsuites/isa/forms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder/decoder.h"

/* ---- bytes ---- */

static unsigned put_prefix(const struct fields *f, uint8_t *p) {
    static const uint8_t pps[4] = {0, 0x66, 0xF3, 0xF2};
    unsigned n = 0;
    uint8_t r = f->reg >> 3 & 1, x, b;
    x = f->mem ? f->index >> 3 & 1 : f->rm >> 4 & 1;
    b = (f->mem ? f->base : f->rm) >> 3 & 1;
    if (f->asize) p[n++] = 0x67;
    switch (f->encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
    case ZYDIS_INSTRUCTION_ENCODING_XOP:
        if (f->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && f->map == 1 && !f->w && !b && !(f->mem && x) &&
            f->imm[1] & 1) {
            p[n++] = 0xC5; /* the short form, half of the time */
            p[n++] = (uint8_t)((r ^ 1) << 7 | (~f->vvvv & 15) << 3 | (f->l & 1) << 2 | f->pp);
            return n;
        }
        p[n++] = f->encoding == ZYDIS_INSTRUCTION_ENCODING_XOP ? 0x8F : 0xC4;
        p[n++] = (uint8_t)((r ^ 1) << 7 | (f->mem && x ? 0 : 0x40) | (b ^ 1) << 5 | f->map);
        p[n++] = (uint8_t)(f->w << 7 | (~f->vvvv & 15) << 3 | (f->l & 1) << 2 | f->pp);
        return n;
    case ZYDIS_INSTRUCTION_ENCODING_EVEX: {
        uint8_t v4 = (f->vvvv >> 4 | (f->mem ? f->index >> 4 : 0)) & 1; /* V' belongs to the index of VSIB */
        p[n++] = 0x62;
        p[n++] = (uint8_t)((r ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | (~f->reg >> 4 & 1) << 4 | f->map);
        p[n++] = (uint8_t)(f->w << 7 | (~f->vvvv & 15) << 3 | 4 | f->pp);
        p[n++] = (uint8_t)(f->z << 7 | f->l << 5 | f->b << 4 | (v4 ^ 1) << 3 | f->aaa);
        return n;
    }
    default: /* a register of rm needs no X */
        if (pps[f->pp]) p[n++] = pps[f->pp];
        if (!f->mem) x = 0;
        if (!f->mode32 && (f->w || r || x || b)) p[n++] = (uint8_t)(0x40 | f->w << 3 | r << 2 | x << 1 | b);
        if (f->map >= 1) p[n++] = 0x0F;
        if (f->map == 2) p[n++] = 0x38;
        if (f->map == 3) p[n++] = 0x3A;
        return n;
    }
}

unsigned fields_assemble(const struct fields *f, uint8_t *p) {
    unsigned n = put_prefix(f, p);
    bool now = f->encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW;
    p[n++] = now ? 0x0F : f->opcode;
    if (!f->mem) {
        p[n++] = (uint8_t)(0xC0 | (f->reg & 7) << 3 | (f->rm & 7));
    } else {
        unsigned disp = f->mod == 1 ? 1 : f->mod == 2 ? 4 : 0;
        uint8_t rm = f->rip_relative ? 5 : f->sib ? 4 : f->base & 7;
        p[n++] = (uint8_t)((f->rip_relative ? 0 : f->mod) << 6 | (f->reg & 7) << 3 | rm);
        if (f->sib) p[n++] = (uint8_t)(f->scale << 6 | (f->index & 7) << 3 | (f->base & 7));
        if (f->rip_relative || (f->mod == 0 && f->sib && (f->base & 7) == 5)) disp = 4;
        memcpy(p + n, &f->disp, disp);
        n += disp;
    }
    if (now) p[n++] = f->opcode;
    p[n++] = f->imm[0];
    p[n++] = f->imm[1];
    return n;
}

/* ---- what the decoder says ---- */

static bool ask_avx_ifma(const ZydisDecoder *d, const uint8_t *bytes, unsigned n, ZydisDecodedInstruction *i,
                         ZydisDecodedOperand *op) {
    uint8_t copy[15];
    size_t at;
    if (!decode_is_avx_ifma(bytes, n, &at)) return false;
    memcpy(copy, bytes, n);
    copy[at] = DECODE_AVX_IFMA_AS;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(d, copy, n, i, op))) return false;
    i->mnemonic = bytes[at] == 0xB4 ? ZYDIS_MNEMONIC_VPMADD52LUQ : ZYDIS_MNEMONIC_VPMADD52HUQ;
    return true;
}

bool form_decode(const uint8_t *bytes, unsigned n, bool mode32, ZydisDecodedInstruction *i, ZydisDecodedOperand *op) {
    ZydisDecoder d;
    n = n > 15 ? 15 : n;
    ZydisDecoderInit(&d, mode32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_64,
                     mode32 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, bytes, n, i, op)) || ask_avx_ifma(&d, bytes, n, i, op);
}

struct answer {
    ZydisDecodedInstruction i;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    bool on_host;
};

/* Instructions that are not in the table of vector instructions but belong here */
static bool belongs(const struct answer *a, const struct insn *d, const struct fields *f) {
    if (d->id >= INSN_VEC_FIRST) return true;
    if (f->map == 0) return f->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
    static const uint16_t others[] = {
        ZYDIS_MNEMONIC_EMMS,     ZYDIS_MNEMONIC_FEMMS,    ZYDIS_MNEMONIC_FXRSTOR,  ZYDIS_MNEMONIC_FXRSTOR64,
        ZYDIS_MNEMONIC_FXSAVE,   ZYDIS_MNEMONIC_FXSAVE64, ZYDIS_MNEMONIC_XSAVE,    ZYDIS_MNEMONIC_XSAVE64,
        ZYDIS_MNEMONIC_XSAVEC,   ZYDIS_MNEMONIC_XSAVEC64, ZYDIS_MNEMONIC_XSAVEOPT, ZYDIS_MNEMONIC_XSAVEOPT64,
        ZYDIS_MNEMONIC_XRSTOR,   ZYDIS_MNEMONIC_XRSTOR64, ZYDIS_MNEMONIC_LDMXCSR,  ZYDIS_MNEMONIC_STMXCSR,
        ZYDIS_MNEMONIC_VLDMXCSR, ZYDIS_MNEMONIC_VSTMXCSR, ZYDIS_MNEMONIC_BLCFILL,  ZYDIS_MNEMONIC_BLCI,
        ZYDIS_MNEMONIC_BLCIC,    ZYDIS_MNEMONIC_BLCMSK,   ZYDIS_MNEMONIC_BLCS,     ZYDIS_MNEMONIC_BLSFILL,
        ZYDIS_MNEMONIC_BLSIC,    ZYDIS_MNEMONIC_T1MSKC,   ZYDIS_MNEMONIC_TZMSK,
    };
    for (unsigned k = 0; k < sizeof others / sizeof others[0]; k++)
        if (a->i.mnemonic == others[k]) return true;
    return false;
}

struct enumeration {
    struct decode_features all, host;
    struct forms *out;
    unsigned room, first; /* first form of the opcode under way */
    bool failed;
};

static bool ask(struct enumeration *e, const struct fields *f, struct answer *a) {
    uint8_t bytes[32] = {0};
    struct insn d;
    const unsigned mode = MODE_PROT | MODE_LMA | MODE_CODE64;
    unsigned n = fields_assemble(f, bytes);
    n = n > 15 ? 15 : n;
    if (!form_decode(bytes, n, false, &a->i, a->op)) return false;
    if (decode(bytes, n, mode, 0, &e->all, &d) != DECODE_OK || !belongs(a, &d, f)) return false;
    a->on_host = decode(bytes, n, mode, 0, &e->host, &d) == DECODE_OK;
    return true;
}

/* ---- forms ---- */

static uint64_t mix(uint64_t h, uint64_t v) { return (h ^ v) * 0x9FB21C651E98DF25ull ^ h >> 29; }

static uint64_t signature_of(const struct answer *a) {
    uint64_t h = a->i.operand_count;
    for (unsigned k = 0; k < a->i.operand_count; k++) {
        const ZydisDecodedOperand *o = &a->op[k];
        h = mix(h, o->type);
        h = mix(h, o->encoding);
        h = mix(h, o->visibility);
        h = mix(h, (uint64_t)o->size << 16 | o->element_type);
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) h = mix(h, o->mem.type);
        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
        bool fixed = o->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT && o->encoding != ZYDIS_OPERAND_ENCODING_MASK;
        h = mix(h, fixed ? 1000 + o->reg.value : ZydisRegisterGetClass(o->reg.value));
    }
    return h;
}

static uint8_t bits_of(const ZydisDecodedOperand *o, uint8_t encoding) {
    switch (ZydisRegisterGetClass(o->reg.value)) {
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
    case ZYDIS_REGCLASS_ZMM:
        return encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ? 5 : 4;
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        return 4;
    default:
        return 3;
    }
}

static void look_at_operands(const struct answer *a, struct form *f) {
    for (unsigned k = 0; k < a->i.operand_count; k++) {
        const ZydisDecodedOperand *o = &a->op[k];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            f->vsib |= o->mem.type == ZYDIS_MEMOP_TYPE_VSIB;
            f->memory = o->size / 8;
        }
        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
        uint8_t bits = bits_of(o, f->encoding);
        if (o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT && o->size / 8 > f->bytes)
            f->bytes = (uint8_t)(o->size / 8);
        if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG) f->reg_bits = bits;
        if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM) f->rm_bits = bits;
        if (o->encoding == ZYDIS_OPERAND_ENCODING_NDSNDD) f->vvvv = true, f->v_bits = bits;
    }
}

static struct form *new_form(struct enumeration *e) {
    struct forms *fs = e->out;
    if (fs->count == e->room) {
        unsigned room = e->room ? 2 * e->room : 4096;
        struct form *p = realloc(fs->form, room * sizeof *p);
        if (!p) {
            e->failed = true;
            return NULL;
        }
        fs->form = p;
        e->room = room;
    }
    struct form *f = &fs->form[fs->count++];
    memset(f, 0, sizeof *f);
    return f;
}

static struct form *find(struct enumeration *e, const struct answer *a, const struct fields *f, uint64_t signature,
                         uint8_t masking) {
    bool modrm = a->i.attributes & ZYDIS_ATTRIB_HAS_MODRM;
    for (unsigned k = e->first; k < e->out->count; k++) {
        struct form *g = &e->out->form[k];
        if (g->mnemonic == a->i.mnemonic && g->signature == signature && g->masking == masking && g->b == f->b &&
            g->on_host == a->on_host && (g->pp == f->pp || f->map == 0) && (g->mem == f->mem || !modrm))
            return g;
    }
    return NULL;
}

static void join(struct enumeration *e, const struct answer *a, const struct fields *f, uint8_t masking) {
    uint64_t signature = signature_of(a);
    struct form *g = find(e, a, f, signature, masking);
    if (!g) {
        g = new_form(e);
        if (!g) return;
        g->mnemonic = (uint16_t)a->i.mnemonic;
        g->encoding = f->encoding;
        g->map = f->map;
        g->opcode = f->opcode;
        g->pp = f->pp;
        g->masking = masking;
        g->b = f->b;
        g->modrm = a->i.attributes & ZYDIS_ATTRIB_HAS_MODRM;
        g->mem = f->mem && g->modrm;
        g->on_host = a->on_host;
        g->signature = signature;
        look_at_operands(a, g);
    }
    g->w |= (uint8_t)(1 << f->w);
    g->l |= (uint8_t)(1 << f->l);
    g->digits |= (uint8_t)(1 << (f->reg & 7));
    if (!f->mem) g->rms |= (uint8_t)(1 << (f->rm & 7));
}

/* ---- the walk ---- */

static bool try_fields(struct enumeration *e, struct fields *f, uint8_t masking) {
    struct answer a;
    f->vvvv = 0;
    bool ok = ask(e, f, &a);
    if (!ok && f->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) {
        f->vvvv = 12; /* gathers: registers must differ */
        ok = ask(e, f, &a);
        f->vvvv = 0;
    }
    if (ok) join(e, &a, f, masking);
    return ok;
}

static void walk_masking(struct enumeration *e, struct fields *f) {
    for (uint8_t m = MASKING_NONE; m < MASKING_COUNT; m++) {
        f->aaa = m != MASKING_NONE;
        f->z = m == MASKING_ZERO;
        bool ok = try_fields(e, f, m);
        if (f->encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX || (m == MASKING_MERGE && !ok)) break;
    }
    f->aaa = f->z = 0;
}

/* ModRM: register or memory, every digit; of x87 every rm */
static void walk_modrm(struct enumeration *e, struct fields *f) {
    unsigned rms = f->map == 0 ? 8 : 1;
    for (unsigned mem = 0; mem < 2; mem++)
        for (uint8_t digit = 0; digit < 8; digit++)
            for (uint8_t rm = 0; rm < (mem ? 1 : rms); rm++) {
                f->mem = mem;
                f->reg = digit;
                f->rm = mem ? 0 : rm;
                f->sib = true;
                f->index = 9;
                walk_masking(e, f);
            }
}

static void walk_opcode(struct enumeration *e, struct fields f) {
    bool evex = f.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX, vex = f.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
    bool xop = f.encoding == ZYDIS_INSTRUCTION_ENCODING_XOP, now = f.encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW;
    unsigned pps = now || xop ? 1 : f.map == 0 ? 2 : 4, ls = evex ? 4 : vex || xop ? 2 : 1, bs = evex ? 2 : 1;
    e->first = e->out->count;
    for (f.pp = 0; f.pp < pps; f.pp++)
        for (uint8_t w = 0; w < (now ? 1 : 2); w++)
            for (uint8_t l = 0; l < ls; l++)
                for (uint8_t b = 0; b < bs; b++) {
                    f.w = w;
                    f.l = l;
                    f.b = b;
                    walk_modrm(e, &f);
                }
}

static const struct {
    uint8_t encoding, map;
} maps[] = {
    {ZYDIS_INSTRUCTION_ENCODING_LEGACY, 1 },
    {ZYDIS_INSTRUCTION_ENCODING_LEGACY, 2 },
    {ZYDIS_INSTRUCTION_ENCODING_LEGACY, 3 },
    {ZYDIS_INSTRUCTION_ENCODING_3DNOW,  1 },
    {ZYDIS_INSTRUCTION_ENCODING_VEX,    1 },
    {ZYDIS_INSTRUCTION_ENCODING_VEX,    2 },
    {ZYDIS_INSTRUCTION_ENCODING_VEX,    3 },
    {ZYDIS_INSTRUCTION_ENCODING_XOP,    8 },
    {ZYDIS_INSTRUCTION_ENCODING_XOP,    9 },
    {ZYDIS_INSTRUCTION_ENCODING_XOP,    10},
    {ZYDIS_INSTRUCTION_ENCODING_EVEX,   1 },
    {ZYDIS_INSTRUCTION_ENCODING_EVEX,   2 },
    {ZYDIS_INSTRUCTION_ENCODING_EVEX,   3 },
    {ZYDIS_INSTRUCTION_ENCODING_EVEX,   5 },
    {ZYDIS_INSTRUCTION_ENCODING_EVEX,   6 },
};

struct forms *forms_enumerate(const uint64_t *host, bool amd) {
    struct enumeration e = {
        .all = {.lzcnt = true, .bmi1 = true},
        .host = { .lzcnt = true, .bmi1 = true,    .amd = amd, .cpu = host},
        .out = calloc(1, sizeof *e.out),
    };
    if (!e.out) return NULL;
    for (unsigned op = 0xD8; op <= 0xDF; op++)
        walk_opcode(&e, (struct fields){.encoding = ZYDIS_INSTRUCTION_ENCODING_LEGACY, .opcode = (uint8_t)op});
    walk_opcode(&e, (struct fields){.encoding = ZYDIS_INSTRUCTION_ENCODING_LEGACY, .opcode = 0x9B});
    for (unsigned m = 0; m < sizeof maps / sizeof maps[0]; m++)
        for (unsigned op = 0; op < 256; op++)
            walk_opcode(&e, (struct fields){.encoding = maps[m].encoding, .map = maps[m].map, .opcode = (uint8_t)op});
    if (e.failed) {
        forms_free(e.out);
        return NULL;
    }
    return e.out;
}

void forms_free(struct forms *f) {
    if (!f) return;
    free(f->form);
    free(f);
}

const char *encoding_name(const struct form *f) {
    static const char *const names[] = {
        [ZYDIS_INSTRUCTION_ENCODING_LEGACY] = "legacy", [ZYDIS_INSTRUCTION_ENCODING_3DNOW] = "3DNow",
        [ZYDIS_INSTRUCTION_ENCODING_XOP] = "XOP",       [ZYDIS_INSTRUCTION_ENCODING_VEX] = "VEX",
        [ZYDIS_INSTRUCTION_ENCODING_EVEX] = "EVEX",
    };
    return names[f->encoding];
}

void form_name(const struct form *f, char *to, size_t size) {
    static const char *const masking[] = {"", " {k}", " {k}{z}"};
    char name[32];
    snprintf(name, sizeof name, "%s", ZydisMnemonicGetString((ZydisMnemonic)f->mnemonic));
    for (char *p = name; *p; p++)
        if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 32);
    const char *embedded = !f->b ? "" : f->mem ? " broadcast" : " er/sae";
    snprintf(to, size, "%s %s %02X %s%u%s%s%s%s", name, encoding_name(f), f->opcode, f->bytes ? "r" : "", 8u * f->bytes,
             f->mem ? " mem" : "", masking[f->masking], embedded, f->w == 2 ? " W" : "");
}
