/* Random cases of a form: the encoding, and registers and memory that make something of it. */
#include <string.h>

#include "testsuites/isa/forms.h"
#include "testsuites/isa/random.h"

#define DATA_MIDDLE (ISA_DATA + ISA_DATA_SIZE / 2)

struct build {
    struct isa_random *r;
    const struct form *f;
    struct isa_case *c;
    struct fields e;
    ZydisDecodedInstruction i;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    uint64_t target; /* of the memory operand */
};

static unsigned one_of(struct isa_random *r, uint8_t set) {
    unsigned n;
    do n = below(r, 8);
    while (!(set >> n & 1));
    return n;
}

/* ---- encoding ---- */

static uint8_t number(struct build *b, unsigned bits, bool mode32) {
    return (uint8_t)below(b->r, 1u << (mode32 && bits > 3 ? 3 : bits));
}

static void choose_address(struct build *b, bool mode32) {
    struct fields *e = &b->e;
    unsigned kind = below(b->r, 8);
    e->mod = (uint8_t)below(b->r, 3);
    e->base = number(b, 4, mode32);
    e->index = number(b, b->f->vsib && b->f->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ? 5 : 4, mode32);
    e->scale = (uint8_t)below(b->r, 4);
    e->sib = b->f->vsib || kind >= 5 || (e->base & 7) == 4;
    e->rip_relative = !b->f->vsib && kind == 0;
    if (e->rip_relative) e->sib = false;
    if (e->rip_relative) e->mod = 0;
    if (!e->rip_relative && e->mod == 0 && (e->base & 7) == 5) e->mod = 1;
    if (!b->f->vsib && kind == 1) e->sib = true, e->mod = 0, e->base = 5, e->index = 4; /* disp32 alone */
    if (e->sib && !b->f->vsib && (e->index == e->base)) e->index = 4;
    e->asize = !mode32 && one_in(b->r, 16);
    e->disp = (int32_t)isa_rand(b->r);
    if (e->mod == 1) e->disp = (int8_t)e->disp;
}

static void choose_fields(struct build *b) {
    const struct form *f = b->f;
    struct fields *e = &b->e;
    bool mode32 = b->c->mode32;
    memset(e, 0, sizeof *e);
    e->mode32 = mode32;
    e->encoding = f->encoding;
    e->map = f->map;
    e->opcode = f->opcode;
    e->pp = f->pp;
    e->w = (uint8_t)one_of(b->r, f->w);
    e->l = (uint8_t)one_of(b->r, f->l);
    e->b = f->b;
    e->mem = f->mem;
    e->reg = (uint8_t)one_of(b->r, f->digits);
    if (f->reg_bits) e->reg = number(b, f->reg_bits, mode32);
    if (!f->mem) e->rm = (uint8_t)(f->rms && f->map == 0 ? one_of(b->r, f->rms) : number(b, f->rm_bits, mode32));
    if (f->vvvv) e->vvvv = number(b, f->v_bits, mode32);
    /* the same register twice, more often than chance would */
    if (f->vvvv && f->reg_bits == f->v_bits && one_in(b->r, 8)) e->vvvv = e->reg;
    if (!f->mem && f->reg_bits && f->reg_bits == f->rm_bits && one_in(b->r, 8)) e->rm = e->reg;
    if (f->masking != MASKING_NONE) e->aaa = (uint8_t)(1 + below(b->r, 7));
    e->z = f->masking == MASKING_ZERO;
    if (f->mem) choose_address(b, mode32);
    for (unsigned k = 0; k < 2; k++)
        e->imm[k] = (uint8_t)(one_in(b->r, 3) ? below(b->r, 16) : (unsigned)isa_rand(b->r));
}

static bool decode_again(struct build *b) {
    uint8_t bytes[32];
    unsigned n = fields_assemble(&b->e, bytes);
    if (!form_decode(bytes, n, b->c->mode32, &b->i, b->op)) return false;
    memcpy(b->c->code, bytes, b->i.length);
    b->c->len = b->i.length;
    return b->i.mnemonic == b->f->mnemonic;
}

/* ---- memory ---- */

/* An address: mostly inside, aligned more often than not; now and then over the page boundary, over an end, or nowhere
 */
static uint64_t choose_target(struct build *b, unsigned bytes) {
    struct isa_random *r = b->r;
    unsigned k = below(r, 48), size = bytes ? bytes : 1, align = size & (size - 1) ? 16 : size;
    bool short_address = b->c->mode32 || b->e.asize;
    if (k == 0) return ISA_DATA + ISA_DATA_SIZE - below(r, size + 1);
    if (k == 1) return short_address ? ISA_DATA - 4096 : 0x800000000000ull - size + below(r, 2 * size);
    if (k == 2) return ISA_DATA - below(r, size + 1);
    if (k == 3) return DATA_MIDDLE - (below(r, size + 1) & ~7u);
    if (k == 4) return DATA_MIDDLE - below(r, size + 1);
    uint64_t at = ISA_DATA + 256 + below(r, ISA_DATA_SIZE - 512);
    return k < 15 ? at : at & ~(uint64_t)((align < 16 && one_in(r, 2) ? 16 : align) - 1);
}

static uint8_t vsib_element(const struct build *b) {
    const char *s = ZydisMnemonicGetString((ZydisMnemonic)b->f->mnemonic), *at = strstr(s, "gather");
    if (!at) at = strstr(s, "scatter");
    if (!at) return 4;
    at += at[0] == 'g' ? 6 : 7;
    if (at[0] == 'p' && at[1] == 'f') return 4;
    return at[0] == 'q' ? 8 : 4;
}

/* Indices that stay inside the data, but for a few; sometimes many are the same. */
static void fill_index(struct build *b, const ZydisDecodedOperandMem *m) {
    uint8_t *v = b->c->fpu.zmm[ZydisRegisterGetId(m->index)];
    unsigned size = vsib_element(b), scale = m->scale ? m->scale : 1;
    int range = one_in(b->r, 4) ? 3 : 3800 / (int)scale;
    unsigned wild = one_in(b->r, 4) ? 1 + below(b->r, 24) : ~0u;
    for (unsigned at = 0; at < 64; at += size) {
        int64_t x = (int)below(b->r, 2 * (unsigned)range) - range;
        if (wild != ~0u && one_in(b->r, wild)) x = (int64_t)(isa_rand(b->r) >> 8) >> below(b->r, 48);
        memcpy(v + at, &x, size);
    }
}

static uint64_t *register_of(struct build *b, ZydisRegister r) {
    ZydisRegisterClass class = ZydisRegisterGetClass(r);
    if (class != ZYDIS_REGCLASS_GPR64 && class != ZYDIS_REGCLASS_GPR32) return NULL;
    return &b->c->gpr[ZydisRegisterGetId(r) & 15];
}

/* Set the registers of the address, or the displacement, such that the operand is at the target. */
static void place_operand(struct build *b, const ZydisDecodedOperand *o) {
    const ZydisDecodedOperandMem *m = &o->mem;
    struct isa_case *c = b->c;
    unsigned bytes = o->size / 8;
    uint64_t *base = register_of(b, m->base), *index = register_of(b, m->index);
    b->target = choose_target(b, bytes);
    if (m->type == ZYDIS_MEMOP_TYPE_VSIB) {
        b->target = DATA_MIDDLE + (uint64_t)(int64_t)((int)below(b->r, 256) - 128);
        fill_index(b, m);
    }
    if (!base) { /* the displacement, the last but the immediates */
        uint32_t at = (uint32_t)b->target;
        if (b->target >> 32) b->target = ISA_DATA + ISA_DATA_SIZE - 1, at = (uint32_t)b->target;
        if (m->base == ZYDIS_REGISTER_RIP || m->base == ZYDIS_REGISTER_EIP) at -= (uint32_t)(c->rip + c->len);
        memcpy(c->code + b->i.raw.disp.offset, &at, 4);
    } else {
        uint64_t v = b->target - (uint64_t)m->disp.value - (index ? *index * m->scale : 0);
        if (b->e.asize) v = (uint32_t)v | isa_rand(b->r) << 32;
        *base = c->mode32 ? (uint32_t)v : v;
    }
    c->operand = b->target;
}

/* ---- values ---- */

static enum isa_element element_of(struct build *b, const ZydisDecodedOperand *o) {
    static const enum isa_element any[] = {EL_I8, EL_I16, EL_I32, EL_I64, EL_F16, EL_F32, EL_F64, EL_BF16};
    unsigned size = o->element_size;
    if (one_in(b->r, 6) && o->size >= 64 && o->element_type != ZYDIS_ELEMENT_TYPE_FLOAT80) return any[below(b->r, 8)];
    switch (o->element_type) {
    case ZYDIS_ELEMENT_TYPE_FLOAT16:
        return EL_F16;
    case ZYDIS_ELEMENT_TYPE_FLOAT32:
        return EL_F32;
    case ZYDIS_ELEMENT_TYPE_FLOAT64:
        return EL_F64;
    case ZYDIS_ELEMENT_TYPE_FLOAT80:
        return EL_F80;
    case ZYDIS_ELEMENT_TYPE_LONGBCD:
        return EL_BCD;
    default:
        break;
    }
    if (strstr(ZydisMnemonicGetString((ZydisMnemonic)b->f->mnemonic), "bf16") && one_in(b->r, 2)) return EL_BF16;
    return size == 8 ? EL_I8 : size == 16 ? EL_I16 : size == 32 ? EL_I32 : size == 64 ? EL_I64 : any[below(b->r, 4)];
}

static uint64_t mask_value(struct isa_random *r) {
    uint64_t v = isa_rand(r);
    switch (below(r, 6)) {
    case 0:
        return 0;
    case 1:
        return ~0ull;
    case 2:
        return v & isa_rand(r) & isa_rand(r);
    case 3:
        return 1ull << (v & 7) | v << 32;
    default:
        return v;
    }
}

static void random_bytes(struct isa_random *r, void *to, size_t bytes) {
    for (size_t k = 0; k < bytes; k += 8) {
        uint64_t v = isa_rand(r);
        memcpy((uint8_t *)to + k, &v, 8);
    }
}

static void fill_x87(struct build *b) {
    struct isa_fpu *f = &b->c->fpu;
    struct isa_random *r = b->r;
    for (unsigned n = 0; n < 8; n++) {
        isa_elements(r, EL_F80, f->st[n], 10, n ? f->st[n - 1] : NULL);
        if (one_in(r, 8)) f->st[n][8] = f->st[n][9] = 0xFF; /* an MMX register */
    }
    f->fcw = (uint16_t)(0x40 | (isa_rand(r) & 0xF00));
    f->fcw |= one_in(r, 8) ? isa_rand(r) & 0x103F : 0x3F;
    if (one_in(r, 2)) f->fcw |= 0x300;
    f->fsw = (uint16_t)(isa_rand(r) & 0x7800) | (one_in(r, 2) ? isa_rand(r) & 0x700 : 0);
    if (one_in(r, 4)) f->fsw |= (uint16_t)(isa_rand(r) & 0x7F);
    if (one_in(r, 12) == 0) f->fsw &= (uint16_t) ~(~f->fcw & 0x3F); /* mostly nothing is pending */
    if (f->fsw & ~f->fcw & 0x3F) f->fsw |= 0x8080;
    f->ftw = one_in(r, 3) ? (uint8_t)isa_rand(r) : 0xFF;
    /* processors of AMD forget them when the kernel comes in between and no exception is pending */
    if (one_in(r, 2) || (r->amd && !(f->fsw & 0x80))) return;
    f->fop = (uint16_t)(isa_rand(r) & 0x7FF);
    f->fip = isa_rand(r) & 0x7FFFFFFF;
    f->fdp = isa_rand(r) & 0x7FFFFFFF;
}

static void fill_registers(struct build *b) {
    struct isa_fpu *f = &b->c->fpu;
    struct isa_random *r = b->r;
    random_bytes(r, f->zmm, b->c->mode32 ? 8 * 64 : sizeof f->zmm);
    for (unsigned n = 0; n < 8; n++) f->k[n] = mask_value(r);
    fill_x87(b);
    f->mxcsr = 0x1F80 | (isa_rand(r) & 0x6000);
    if (one_in(r, 4)) f->mxcsr |= 0x40;
    if (one_in(r, 4)) f->mxcsr |= 0x8000;
    if (one_in(r, 8)) f->mxcsr &= ~(uint32_t)(isa_rand(r) & 0x1F80);
    if (one_in(r, 4)) f->mxcsr |= isa_rand(r) & 0x3F;
    if (one_in(r, 32)) f->mxcsr |= 0x20000 & isa_mxcsr_mask();
}

static uint8_t *operand_bytes(struct build *b, const ZydisDecodedOperand *o) {
    struct isa_fpu *f = &b->c->fpu;
    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) return b->c->data;
    if (o->type != ZYDIS_OPERAND_TYPE_REGISTER) return NULL;
    switch (ZydisRegisterGetClass(o->reg.value)) {
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
    case ZYDIS_REGCLASS_ZMM:
        return f->zmm[ZydisRegisterGetId(o->reg.value)];
    case ZYDIS_REGCLASS_MMX: /* XSAVE has the x87 stack, MMn is a physical register */
        return f->st[(ZydisRegisterGetId(o->reg.value) - (f->fsw >> 11)) & 7];
    default:
        return NULL;
    }
}

/* The operands, with values that suit the element type. */
static void fill_operands(struct build *b) {
    const uint8_t *last = NULL;
    for (unsigned k = b->i.operand_count; k-- > 0;) { /* the sources first: the destination is one of them or unread */
        const ZydisDecodedOperand *o = &b->op[k];
        uint8_t *to = operand_bytes(b, o);
        unsigned bytes = o->size / 8;
        if (!to || (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.type == ZYDIS_MEMOP_TYPE_VSIB)) continue;
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            if (!(o->actions & ZYDIS_OPERAND_ACTION_MASK_READ)) continue;
            if (bytes > ISA_WINDOW) bytes = ISA_WINDOW;
            b->c->data_len = (uint8_t)bytes;
        }
        isa_elements(b->r, element_of(b, o), to, bytes, last);
        if (bytes >= 8) last = to;
    }
}

/* Instructions with inputs of their own */
static void special(struct build *b) {
    struct isa_case *c = b->c;
    switch (b->f->mnemonic) {
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_VPCMPESTRI:
    case ZYDIS_MNEMONIC_VPCMPESTRM: /* lengths */
        if (one_in(b->r, 4)) break;
        c->gpr[0] = (uint64_t)(int64_t)((int)below(b->r, 40) - 20);
        c->gpr[2] = (uint64_t)(int64_t)((int)below(b->r, 40) - 20);
        break;
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR: {
        uint32_t v = (uint32_t)isa_rand(b->r) & (one_in(b->r, 8) ? ~0u : isa_mxcsr_mask());
        memcpy(c->data, &v, 4);
        break;
    }
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64: {
        uint32_t v = (uint32_t)isa_rand(b->r) & (one_in(b->r, 8) ? ~0u : isa_mxcsr_mask());
        memcpy(c->data + 24, &v, 4);
        break;
    }
    default:
        break;
    }
}

static uint64_t choose_rip(struct isa_random *r) {
    if (one_in(r, 8)) return ISA_CODE + 0xFF0 + below(r, 16); /* may cross the page */
    return ISA_CODE + 0x400 + below(r, 64);
}

bool form_generate(struct isa_random *r, const struct form *f, bool mode32, struct isa_case *c) {
    struct build b = {.r = r, .f = f, .c = c};
    memset(c, 0, sizeof *c);
    c->mode32 = mode32;
    c->insns = 1;
    for (unsigned k = 0; k < 16; k++) c->gpr[k] = mode32 ? k < 8 ? (uint32_t)isa_value(r) : 0 : isa_value(r);
    c->flags = (uint32_t)isa_rand(r) & ISA_FLAGS;
    if (r->amd && one_in(r, 8)) c->flags |= ISA_AC;
    c->mem_seed = isa_rand(r);
    c->rip = choose_rip(r);
    unsigned tries = 0;
    do {
        if (tries++ == 60) return false;
        choose_fields(&b);
    } while (!decode_again(&b));
    fill_registers(&b);
    for (unsigned k = 0; k < b.i.operand_count; k++)
        if (b.op[k].type == ZYDIS_OPERAND_TYPE_MEMORY) place_operand(&b, &b.op[k]);
    /* an index that the operands do not overwrite; the values of an operand used as index have come too early */
    fill_operands(&b);
    for (unsigned k = 0; k < b.i.operand_count; k++)
        if (b.op[k].type == ZYDIS_OPERAND_TYPE_MEMORY && b.op[k].mem.type == ZYDIS_MEMOP_TYPE_VSIB)
            fill_index(&b, &b.op[k].mem);
    special(&b);
    return true;
}
