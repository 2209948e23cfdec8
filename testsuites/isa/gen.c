/* Random instances of the table's rows: operands, prefixes, addressing forms, and a machine state that suits them. */
#include <cpuid.h>
#include <string.h>

#include "testsuites/isa/random.h"
#include "testsuites/isa/table.h"

#define DATA_MIDDLE (ISA_DATA + ISA_DATA_SIZE / 2)

/* ---- what the host has ---- */

static bool host_has[HAS_LAHF + 1];

void isa_detect_host(void) {
    unsigned a, b, c, d;
    host_has[HAS_ALWAYS] = true;
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        host_has[HAS_SSE42] = c >> 20 & 1;
        host_has[HAS_POPCNT] = c >> 23 & 1;
        host_has[HAS_MOVBE] = c >> 22 & 1;
        host_has[HAS_CX16] = c >> 13 & 1;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        host_has[HAS_BMI1] = b >> 3 & 1;
        host_has[HAS_BMI2] = b >> 8 & 1;
        host_has[HAS_ADX] = b >> 19 & 1;
        host_has[HAS_CLFLUSHOPT] = b >> 23 & 1;
        host_has[HAS_CLWB] = b >> 24 & 1;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
        host_has[HAS_LZCNT] = c >> 5 & 1;
        host_has[HAS_LAHF] = c & 1;
    }
}
unsigned isa_row_count(void) { return isa_rows_count; }
const char *isa_row_name(unsigned row) { return isa_rows[row].name; }
bool isa_row_usable(unsigned row, bool mode32) {
    const struct isa_row *e = &isa_rows[row];
    return host_has[e->feature] && !(e->attr & (mode32 ? ONLY64 : ONLY32));
}

/* ---- building one instruction ---- */

struct build {
    struct isa_random *r;
    struct isa_case *c;
    const struct isa_row *e;
    unsigned size;     /* operand bytes */
    bool rex_w, asize; /* asize: 67 */
    bool rex_any;
    uint8_t rex; /* R X B */
    uint8_t modrm, sib, disp[8];
    bool has_modrm, has_sib, mem, rip_relative, only_reg;
    unsigned disp_len;
    uint64_t target; /* address of the memory operand */
    unsigned reg, rm, vreg;
    unsigned base, index; /* registers of the address, 16 when absent */
    uint8_t imm[8];
    unsigned imm_len;
    unsigned opcode_plus;
};

/* an address for an operand: mostly inside, now and then over the page boundary, over the end, or nowhere */
static uint64_t operand_address(struct build *b, unsigned bytes) {
    struct isa_random *r = b->r;
    unsigned k = below(r, 40);
    if (b->e->attr & ALIGN16 && k > 2) return ISA_DATA + 256 + (below(r, 400) << 4);
    if (k == 0) return ISA_DATA + ISA_DATA_SIZE - below(r, bytes + 1);
    if (k == 1) return b->c->mode32 || b->asize ? ISA_DATA - 4096 : 0x800000000000ull + below(r, 2 * bytes);
    if (k == 2) return ISA_DATA - below(r, bytes + 1);
    if (k < 8) return DATA_MIDDLE - below(r, bytes + 1);
    return ISA_DATA + 256 + below(r, ISA_DATA_SIZE - 512);
}

static void set_disp(struct build *b, uint64_t v, unsigned len) {
    memcpy(b->disp, &v, len);
    b->disp_len = len;
}
static uint64_t small_or_large(struct build *b, unsigned *len) {
    if (one_in(b->r, 2)) {
        *len = 1;
        return (uint64_t)(int8_t)isa_rand(b->r);
    }
    *len = 4;
    return (uint64_t)(int32_t)isa_rand(b->r);
}

/* 16-bit addressing: nothing is mapped down there; both sides fault at the same address */
static void address16(struct build *b) {
    unsigned mod = below(b->r, 3), rm = below(b->r, 8);
    b->modrm = (uint8_t)(mod << 6 | rm);
    set_disp(b, isa_rand(b->r), mod == 0 ? (rm == 6 ? 2 : 0) : mod);
}

/* Choose a form, then registers such that it gives the target. */
static void address(struct build *b) {
    struct isa_case *c = b->c;
    unsigned regs = c->mode32 ? 8 : 16, len = 0;
    uint64_t d = 0;
    b->mem = true;
    b->base = b->index = 16;
    if (c->mode32 && b->asize) return address16(b);
    unsigned form = below(b->r, 8);
    if (form == 0 && !c->mode32) { /* RIP-relative: the displacement is set when the length is known */
        b->modrm = 0x05;
        b->rip_relative = true;
        b->disp_len = 4;
        b->target = ISA_DATA + (b->target & (ISA_DATA_SIZE - 1));
        return;
    }
    if (form <= 1) { /* disp32 alone */
        b->target = ISA_DATA + (b->target & (ISA_DATA_SIZE - 1));
        b->modrm = c->mode32 ? 0x05 : 0x04;
        b->has_sib = !c->mode32;
        b->sib = 0x25;
        set_disp(b, b->target, 4);
        return;
    }
    unsigned base = below(b->r, regs), index = below(b->r, regs), scale = below(b->r, 4);
    bool no_disp = one_in(b->r, 3) && (base & 7) != 5;
    bool placed = (b->e->attr & STACK) && (base == 4 || base == 5); /* then the operand is near it */
    if (placed) form = 2, no_disp = true, len = 1, d = (uint64_t)(int8_t)isa_rand(b->r);
    if (!no_disp) d = small_or_large(b, &len);
    b->has_sib = form >= 5 || (base & 7) == 4;
    bool indexed = form >= 5 && index != 4 && index != base;
    b->modrm = (uint8_t)((len == 0 ? 0 : len == 1 ? 0x40 : 0x80) | (b->has_sib ? 4 : base & 7));
    b->sib = (uint8_t)(scale << 6 | (indexed ? (index & 7) << 3 : 4 << 3) | (base & 7));
    b->rex |= (uint8_t)(base >> 3 | (indexed ? index >> 3 << 1 : 0));
    if (len) set_disp(b, d, len);
    b->base = base;
    if (indexed) b->index = index;
    uint64_t scaled = indexed ? c->gpr[index] << scale : 0, v = b->target - d - scaled;
    if (placed) {
        b->target = c->gpr[base] + d + scaled;
        return;
    }
    if (c->mode32) v = (uint32_t)v;
    if (b->asize) v = (uint32_t)v | isa_rand(b->r) << 32;
    c->gpr[base] = v;
}

static void choose_size(struct build *b) {
    uint32_t attr = b->e->attr;
    bool m32 = b->c->mode32;
    if (attr & BYTE) {
        b->size = 1;
        return;
    }
    unsigned pick = below(b->r, m32 ? 2 : 3); /* 0: 16, 1: 32, 2: 64 */
    if (attr & NO16 && pick == 0) pick = m32 ? 1 : 1 + below(b->r, 2);
    if (attr & DEF64 && !m32 && pick == 1) pick = 2;
    b->size = 2u << pick;
    b->rex_w = b->size == 8 && !(attr & DEF64 && one_in(b->r, 2));
}

static void choose_operands(struct build *b) {
    struct isa_case *c = b->c;
    const struct isa_row *e = b->e;
    unsigned regs = c->mode32 ? 8 : 16;
    b->reg = below(b->r, regs);
    b->rm = below(b->r, regs);
    b->vreg = below(b->r, regs);
    if (e->operands == OP_PLUS) {
        b->opcode_plus = b->rm & 7;
        b->rex |= (uint8_t)(b->rm >> 3);
        return;
    }
    if (e->operands != OP_RM && e->operands != OP_DIGIT) return;
    b->has_modrm = true;
    bool mem = !(e->attr & NO_MEM) && !b->only_reg && ((e->attr & NO_REG) || one_in(b->r, 2));
    unsigned width = e->attr & ALIGN16 ? 16 : b->size;
    b->target = operand_address(b, width);
    if (mem)
        address(b);
    else
        b->modrm = (uint8_t)(0xC0 | (b->rm & 7)), b->rex |= (uint8_t)(b->rm >> 3);
    if (mem && (e->attr & BITOFF))
        while (b->reg == b->base || b->reg == b->index) b->reg = below(b->r, regs);
    if (mem && (e->attr & BITOFF)) c->gpr[b->reg] = (uint64_t)(int64_t)((int)below(b->r, 16384) - 8192);
    if (e->operands == OP_DIGIT) {
        b->modrm |= (uint8_t)(e->digit << 3);
    } else {
        b->modrm |= (uint8_t)((b->reg & 7) << 3);
        b->rex |= (uint8_t)(b->reg >> 3 << 2);
    }
    if (mem) c->poke[0].at = b->target, c->poke[0].val = isa_value(b->r);
}

static void choose_imm(struct build *b) {
    uint64_t v = isa_value(b->r);
    unsigned z = b->size == 2 ? 2 : 4;
    switch (b->e->imm) {
    case IMM_8:
        b->imm_len = 1;
        break;
    case IMM_Z:
        b->imm_len = z;
        break;
    case IMM_V:
        b->imm_len = b->size;
        break;
    case IMM_16:
        b->imm_len = 2;
        v &= 0x1F8;
        break;
    case IMM_ENTER:
        b->imm_len = 3;
        v = below(b->r, 64) * 8 | (uint64_t)below(b->r, one_in(b->r, 4) ? 256 : 4) << 16;
        break;
    default:
        return;
    }
    memcpy(b->imm, &v, 8);
}

static uint8_t emit(struct build *b, uint8_t *p) {
    const struct isa_row *e = b->e;
    struct isa_case *c = b->c;
    unsigned n = 0;
    bool vex = e->map >= VEX_38;
    if ((e->attr & LOCKS) && one_in(b->r, b->mem ? 4 : 40)) p[n++] = 0xF0;
    if (b->asize) p[n++] = 0x67;
    if (e->operands == OP_STRING && below(b->r, 3)) p[n++] = (uint8_t)(0xF2 + below(b->r, 2));
    if (!vex && b->size == 2) p[n++] = 0x66;
    if (!vex && e->prefix && !(e->prefix == 0x66 && b->size == 2)) p[n++] = e->prefix;
    if (vex) {
        unsigned pp = e->prefix == 0x66 ? 1 : e->prefix == 0xF3 ? 2 : e->prefix == 0xF2 ? 3 : 0;
        unsigned vv = e->operands == OP_DIGIT ? b->vreg : e->map == VEX_3A ? 0 : b->vreg;
        p[n++] = 0xC4;
        p[n++] = (uint8_t)((~b->rex & 7) << 5 | (e->map == VEX_38 ? 2 : 3));
        p[n++] = (uint8_t)((b->size == 8) << 7 | (~vv & 15) << 3 | pp);
    } else {
        bool rex = b->rex || b->rex_w || (!c->mode32 && b->rex_any);
        if (rex) p[n++] = (uint8_t)(0x40 | b->rex_w << 3 | b->rex);
        if (e->map != MAP_1) p[n++] = 0x0F;
        if (e->map == MAP_38) p[n++] = 0x38;
    }
    p[n++] = (uint8_t)(e->opcode + b->opcode_plus);
    if (b->has_modrm) p[n++] = b->modrm;
    if (b->has_modrm && b->has_sib) p[n++] = b->sib;
    if (b->rip_relative) {
        uint32_t rel = (uint32_t)(b->target - (c->rip + n + 4 + b->imm_len));
        memcpy(b->disp, &rel, 4);
    }
    memcpy(p + n, b->disp, b->disp_len);
    n += b->disp_len;
    memcpy(p + n, b->imm, b->imm_len);
    return (uint8_t)(n + b->imm_len);
}

/* ---- states for the special kinds ---- */

static void place_stack(struct build *b) {
    struct isa_case *c = b->c;
    c->gpr[4] = DATA_MIDDLE + (uint64_t)(int64_t)((int)below(b->r, 2048) - 1024);
    c->gpr[5] = DATA_MIDDLE + (uint64_t)(int64_t)((int)below(b->r, 2048) - 1024);
    if (one_in(b->r, 40)) c->gpr[4] = ISA_DATA + below(b->r, 24);
    if (one_in(b->r, 40)) c->gpr[4] = ISA_DATA + ISA_DATA_SIZE - below(b->r, 24);
}
static void place_string(struct build *b) {
    struct isa_case *c = b->c;
    uint64_t high = b->asize ? isa_rand(b->r) << 32 : 0;
    c->gpr[6] = (ISA_DATA + below(b->r, ISA_DATA_SIZE)) | high;
    c->gpr[7] = one_in(b->r, 3) ? c->gpr[6] + (uint64_t)(int64_t)((int)below(b->r, 32) - 16)
                                : ((ISA_DATA + below(b->r, ISA_DATA_SIZE)) | high);
    c->gpr[1] = below(b->r, one_in(b->r, 4) ? 1500 : 40) | high;
    c->gpr[3] = ISA_DATA + 256 + below(b->r, 4096); /* XLAT */
    if (one_in(b->r, 3)) {                          /* let comparisons go on for a while */
        c->poke[0].at = c->gpr[6] & 0xFFFFFFFF;
        c->poke[1].at = c->gpr[7] & 0xFFFFFFFF;
        c->poke[0].val = c->poke[1].val = one_in(b->r, 2) ? 0 : isa_rand(b->r);
        c->gpr[0] = c->poke[0].val;
    }
}
static void place_target(struct build *b) {
    struct isa_case *c = b->c;
    uint64_t to = c->rip + ISA_STUB_B;
    if (!c->mode32 && b->rm != 4 && one_in(b->r, 30)) to = 0x800000000000ull | isa_rand(b->r) >> 8; /* not canonical */
    if (b->mem) {
        c->poke[2].at = b->target;
        c->poke[2].val = to;
    } else if (b->has_modrm) {
        c->gpr[b->rm] = to;
    }
    if (b->e->attr & RETURN) {
        c->poke[2].at = c->gpr[4];
        c->poke[2].val = to;
    }
}

/* What the manual leaves undefined for this count: SDM 2 "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD" */
static void undefined_of_shift(struct build *b) {
    struct isa_case *c = b->c;
    uint32_t attr = b->e->attr;
    unsigned bits = 8 * b->size, n = b->e->imm == IMM_8              ? b->imm[0]
                                     : (b->e->opcode & 0xFE) == 0xD0 ? 1
                                                                     : (unsigned)c->gpr[1] & 0xFF;
    n &= bits == 64 ? 63 : 31;
    if (!n) return;
    if (attr & (SHIFT | DOUBLE)) c->undefined |= 0x10;
    if (n > 1) c->undefined |= 0x800;
    if ((attr & SHIFT) && n >= bits) c->undefined |= 1;
    if ((attr & DOUBLE) && n > bits) c->undefined |= ISA_FLAGS;
}

static uint64_t choose_rip(struct build *b) {
    if (one_in(b->r, 8)) return ISA_CODE + 0xFF0 + below(b->r, 16); /* may cross the page */
    return ISA_CODE + 0x400 + below(b->r, 64);
}

static void build_one(struct isa_random *r, bool mode32, unsigned row, struct isa_case *c, uint8_t *at) {
    struct build b = {.r = r, .c = c, .e = &isa_rows[row], .only_reg = at != c->code};
    c->row = (uint16_t)row;
    b.asize = one_in(r, 10);
    b.rex_any = one_in(r, 2);
    if (b.e->operands == OP_REL8 || b.e->operands == OP_REL32) {
        b.asize = b.asize && b.e->opcode >= 0xE0 && b.e->opcode <= 0xE3;
        b.size = 4;
    } else {
        choose_size(&b);
    }
    if (b.e->attr & (STACK | RETURN)) {
        if (mode32) b.asize = false;
        place_stack(&b);
    }
    if (b.e->operands == OP_STRING) {
        if (mode32) b.asize = false;
        place_string(&b);
    }
    choose_operands(&b);
    choose_imm(&b);
    if (b.e->operands == OP_REL8) {
        b.imm_len = 1; /* target: the stub; set when the length is known */
        if (one_in(r, 3)) c->gpr[1] = below(r, 3) | (b.asize ? isa_rand(r) << 32 : 0);
    }
    if (b.e->operands == OP_REL32) b.imm_len = 4;
    if (b.e->operands == OP_MOFFS) {
        uint64_t to = operand_address(&b, b.size);
        b.imm_len = mode32 ? (b.asize ? 2 : 4) : b.asize ? 4 : 8;
        memcpy(b.imm, &to, 8);
    }
    uint8_t len = emit(&b, at);
    if (b.e->operands == OP_REL8 || b.e->operands == OP_REL32) {
        uint32_t rel = (uint32_t)(ISA_STUB_B - (unsigned)(at - c->code) - len);
        memcpy(at + len - b.imm_len, &rel, b.imm_len);
    }
    if (b.e->attr & (TARGET | RETURN)) place_target(&b);
    c->undefined |= b.e->undefined;
    c->partly = b.e->attr & PARTLY;
    /* SDM 2 "REP": EFLAGS as before the instruction; processors of AMD leave those of the last iteration */
    if (b.e->operands == OP_STRING) c->fault_flags = ISA_FLAGS;
    if (b.e->attr & (SHIFT | ROTATE | DOUBLE)) undefined_of_shift(&b);
    if ((b.e->attr & DOUBLE) && (c->undefined & ISA_FLAGS) == ISA_FLAGS) c->undefined_reg = (uint8_t)(0x80 | b.rm);
    c->len = (uint8_t)(len + (at - c->code));
}

static void start(struct isa_random *r, bool mode32, struct isa_case *c) {
    struct build b = {.r = r, .c = c};
    memset(c, 0, sizeof *c);
    c->mode32 = mode32;
    c->fpu.fcw = 0x37F;
    c->fpu.mxcsr = 0x1F80;
    for (unsigned k = 0; k < 16; k++) c->gpr[k] = isa_value(r);
    c->flags = (uint32_t)isa_rand(r) & (ISA_FLAGS | (one_in(r, 4) ? ISA_DF : 0));
    if (r->amd && one_in(r, 8)) c->flags |= ISA_AC;
    c->mem_seed = isa_rand(r);
    c->rip = choose_rip(&b);
}
/* Compatibility mode has 32-bit registers: what the upper halves become is not defined by the manuals. */
static void finish(struct isa_case *c) {
    if (!c->mode32) return;
    for (unsigned k = 0; k < 16; k++) c->gpr[k] = k < 8 ? (uint32_t)c->gpr[k] : 0;
}

void isa_generate_row(struct isa_random *r, bool mode32, unsigned row, struct isa_case *c) {
    start(r, mode32, c);
    build_one(r, mode32, row, c, c->code);
    c->insns = 1;
    finish(c);
}

void isa_generate(struct isa_random *r, bool mode32, struct isa_case *c) {
    unsigned row;
    do row = below(r, isa_rows_count);
    while (!isa_row_usable(row, mode32));
    isa_generate_row(r, mode32, row, c);
}

/* ---- pairs ---- */

static bool named(const struct isa_row *e, const char *const *names, unsigned count) {
    for (unsigned k = 0; k < count; k++)
        if (!strcmp(e->name, names[k])) return true;
    return false;
}
#define NAMED(e, list) named(e, list, sizeof(list) / sizeof(list)[0])

/* leave flags of every kind behind, all of them defined (or, like AF after logic, the same on all processors) */
static bool sets_flags(const struct isa_row *e) {
    static const char *const names[] = {"CMP", "TEST", "SUB", "AND", "ADD", "INC", "DEC",  "OR",
                                        "NEG", "ADC",  "SBB", "XOR", "STC", "CMC", "SAHF", "XADD"};
    return NAMED(e, names);
}
static bool is_jcc(const struct isa_row *e) {
    return (e->operands == OP_REL8 && (e->opcode & 0xF0) == 0x70) || (e->operands == OP_REL32 && e->map == MAP_0F);
}
/* read or partly keep what the first left; register forms, with counts that don't depend on rCX */
static bool uses_flags(const struct isa_row *e) {
    static const char *const names[] = {"ADC", "SBB", "INC",  "DEC",  "RCL", "RCR", "ROL",  "ROR", "CMC",
                                        "STC", "CLC", "ADCX", "ADOX", "BT",  "BTS", "LAHF", "SHL", "SHR"};
    if (is_jcc(e)) return true;
    if (!strncmp(e->name, "CMOV", 4) || !strncmp(e->name, "SET", 3)) return true;
    return NAMED(e, names) && !((e->attr & (SHIFT | ROTATE)) && (e->opcode & 0xFE) == 0xD2);
}

/* Two instructions, the second looking at the flags of the first; half of the time a Jcc, which the simulator fuses
 * with it. */
void isa_generate_pair(struct isa_random *r, bool mode32, struct isa_case *c) {
    unsigned first, second;
    bool jump = one_in(r, 2);
    do {
        start(r, mode32, c);
        do first = below(r, isa_rows_count);
        while (!isa_row_usable(first, mode32) || !sets_flags(&isa_rows[first]));
        build_one(r, mode32, first, c, c->code);
    } while (c->code[0] == 0xF0 || c->len > 14);
    do second = below(r, isa_rows_count);
    while (!isa_row_usable(second, mode32) || !(jump ? is_jcc(&isa_rows[second]) : uses_flags(&isa_rows[second])));
    uint64_t gpr[16];
    memcpy(gpr, c->gpr, sizeof gpr);
    build_one(r, mode32, second, c, c->code + c->len);
    memcpy(c->gpr, gpr, sizeof gpr);
    c->insns = 2;
    finish(c);
}
