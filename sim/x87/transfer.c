/* Loads and stores between ST(0) and memory: floating-point, integer and BCD. SDM 1 "Data Transfer Instructions". */
#include "sim/x87/x87.h"

/* ---- loads: the value goes to f->operand first, then it is pushed ---- */

#define LOAD_BEGIN                                                                                                     \
    X87_ENTER(cpu, i);                                                                                                 \
    struct fpu_regs *f = &cpu->fpu

/* `v` was read; `fill` makes f->operand of it. */
#define LOAD_END(fill)                                                                                                 \
    x87_note_mem(cpu, i);                                                                                              \
    if (unlikely(x87_full(f, x87_below(f)))) return x87_push_overflow(cpu, i);                                         \
    x87_clear_c1(f);                                                                                                   \
    fill;                                                                                                              \
    if (unlikely(f80_pending(f) & FSW_IE)) return x87_unmasked(cpu, i);                                                \
    x87_push(f, &f->operand);                                                                                          \
    X87_END(cpu, i)

OPFN op_fld_m32(struct cpu *cpu, const struct insn *i) {
    LOAD_BEGIN;
    const uint32_t v = load32(cpu, i);
    LOAD_END(f80_from_f32(f, &f->operand, v));
}
OPFN op_fld_m64(struct cpu *cpu, const struct insn *i) {
    LOAD_BEGIN;
    const uint64_t v = load64(cpu, i);
    LOAD_END(f80_from_f64(f, &f->operand, v));
}
OPFN op_fld_m80(struct cpu *cpu, const struct insn *i) {
    LOAD_BEGIN;
    x87_read80(cpu, i);
    LOAD_END((void)0);
}
#define FILD(B)                                                                                                        \
    OPFN op_fild_m##B(struct cpu *cpu, const struct insn *i) {                                                         \
        LOAD_BEGIN;                                                                                                    \
        const int##B##_t v = (int##B##_t)load##B(cpu, i);                                                              \
        LOAD_END(x87_integer(&f->operand, v));                                                                         \
    }
FILD(16)
FILD(32)
FILD(64)
#undef FILD

static X87_FN void bcd_to_operand(struct fpu_regs *f) {
    uint8_t bcd[10];
    st64(bcd, f->operand.sig);
    st16(bcd + 8, f->operand.se);
    f->operand = f80_from_bcd(bcd);
}
OPFN op_fbld(struct cpu *cpu, const struct insn *i) {
    LOAD_BEGIN;
    x87_read80(cpu, i);
    LOAD_END(bcd_to_operand(f));
}

/* ---- stores: FSW is computed before memory is written, and given back should that fault ---- */

enum kind { TO_F32, TO_F64, TO_F80, TO_I16, TO_I32, TO_I64, TO_I16_TRUNC, TO_I32_TRUNC, TO_I64_TRUNC, TO_BCD };
static const uint8_t bytes_of[] = {
    [TO_F32] = 4, [TO_F64] = 8,       [TO_F80] = 10,      [TO_I16] = 2,       [TO_I32] = 4,
    [TO_I64] = 8, [TO_I16_TRUNC] = 2, [TO_I32_TRUNC] = 4, [TO_I64_TRUNC] = 8, [TO_BCD] = 10,
};

static uint64_t to_memory_format(struct fpu_regs *f, enum kind kind, const struct f80 *v) {
    switch (kind) {
    case TO_F32:
        return f80_to_f32(f, v);
    case TO_F64:
        return f80_to_f64(f, v);
    default:
        return (uint64_t)f80_to_int(f, v, 8u * bytes_of[kind], kind >= TO_I16_TRUNC);
    }
}

/* What is stored for an empty register. */
static uint64_t indefinite_of(enum kind kind) {
    switch (kind) {
    case TO_F32:
        return 0xFFC00000;
    case TO_F64:
        return 0xFFF8000000000000;
    default:
        return ~0ull << (8 * bytes_of[kind] - 1);
    }
}

/* Nothing is stored, for an unmasked exception, but what is wrong with the address comes first. */
static X87_FN void store_nothing(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned bytes) {
    mem_probe(cpu, i, la, bytes == 10 ? 8 : bytes, MEM_WRITE);
    mem_probe(cpu, i, la, bytes, MEM_WRITE);
    cpu->cur = NULL;
}

static void store_value(struct cpu *cpu, const struct insn *i, uint64_t la, unsigned bytes, uint64_t v) {
    switch (bytes) {
    case 2:
        mem_write16(cpu, i, la, (uint16_t)v);
        break;
    case 4:
        mem_write32(cpu, i, la, (uint32_t)v);
        break;
    default:
        mem_write64(cpu, i, la, v);
        break;
    }
}

/* The store itself, from a copy of the status: the guest's FSW changes when memory has. */
OP_INLINE bool store_top(struct cpu *cpu, const struct insn *i, enum kind kind) {
    struct fpu_regs *f = &cpu->fpu;
    const unsigned s = fpu_top(f);
    const uint16_t before = f->fsw;
    const uint64_t la = ea_linear(cpu, i, bytes_of[kind], MEM_WRITE);
    uint64_t v;
    bool stores;
    if (unlikely(x87_empty(f, s))) {
        stores = x87_underflow(f);
        v = indefinite_of(kind);
    } else {
        v = to_memory_format(f, kind, &f->st[s]);
        stores = !f80_store_suppressed(f);
    }
    const uint16_t after = f->fsw;
    f->fsw = before;
    if (likely(stores))
        store_value(cpu, i, la, bytes_of[kind], v);
    else
        store_nothing(cpu, i, la, bytes_of[kind]);
    f->fsw = after;
    x87_note_mem(cpu, i);
    return stores;
}

#define STORE(name, kind, pops)                                                                                        \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) {                                                            \
        X87_ENTER(cpu, i);                                                                                             \
        if (store_top(cpu, i, kind) && (pops)) x87_pop(&cpu->fpu);                                                     \
        X87_END(cpu, i);                                                                                               \
    }
STORE(fst_m32, TO_F32, false)
STORE(fst_m64, TO_F64, false)
STORE(fstp_m32, TO_F32, true)
STORE(fstp_m64, TO_F64, true)
STORE(fist_m16, TO_I16, false)
STORE(fist_m32, TO_I32, false)
STORE(fistp_m16, TO_I16, true)
STORE(fistp_m32, TO_I32, true)
STORE(fistp_m64, TO_I64, true)
STORE(fisttp_m16, TO_I16_TRUNC, true)
STORE(fisttp_m32, TO_I32_TRUNC, true)
STORE(fisttp_m64, TO_I64_TRUNC, true)
#undef STORE

/* The two of ten bytes. */
static X87_FN bool store_ten(struct cpu *cpu, const struct insn *i, bool bcd) {
    struct fpu_regs *f = &cpu->fpu;
    const unsigned s = fpu_top(f);
    const uint16_t before = f->fsw;
    const uint64_t la = ea_linear(cpu, i, 10, MEM_WRITE);
    struct f80 v = bcd ? (struct f80){.sig = 0xC000000000000000, .se = 0xFFFF} : F80_INDEFINITE;
    bool stores = true;
    if (unlikely(x87_empty(f, s))) {
        stores = x87_underflow(f);
    } else if (bcd) {
        uint8_t digits[10];
        f80_to_bcd(f, digits, &f->st[s]);
        v.sig = ld64(digits);
        v.se = ld16(digits + 8);
        stores = !(f80_pending(f) & FSW_IE);
    } else {
        x87_clear_c1(f);
        v = f->st[s];
    }
    const uint16_t after = f->fsw;
    f->fsw = before;
    if (likely(stores))
        x87_write80(cpu, i, la, &v);
    else
        store_nothing(cpu, i, la, 10);
    f->fsw = after;
    x87_note_mem(cpu, i);
    return stores;
}
#define STORE_TEN(name, bcd)                                                                                           \
    OPFN op_##name(struct cpu *cpu, const struct insn *i) {                                                            \
        X87_ENTER(cpu, i);                                                                                             \
        if (store_ten(cpu, i, bcd)) x87_pop(&cpu->fpu);                                                                \
        X87_END(cpu, i);                                                                                               \
    }
STORE_TEN(fstp_m80, false)
STORE_TEN(fbstp, true)
#undef STORE_TEN

/* m80 has the place of 8-bit operands: decoder/insn.h */
#define ROW_M(id, f80, f16, f32, f64)                                                                                  \
    {                                                                                                                  \
        INSN_##id, FORM_M, {f80, f16, f32, f64}, {0}, { 0 }                                                            \
    }

static const struct op_forms rows[] = {
    ROW_M(FLD, op_fld_m80, 0, op_fld_m32, op_fld_m64),
    ROW_M(FST, 0, 0, op_fst_m32, op_fst_m64),
    ROW_M(FSTP, op_fstp_m80, 0, op_fstp_m32, op_fstp_m64),
    ROW_M(FILD, 0, op_fild_m16, op_fild_m32, op_fild_m64),
    ROW_M(FIST, 0, op_fist_m16, op_fist_m32, 0),
    ROW_M(FISTP, 0, op_fistp_m16, op_fistp_m32, op_fistp_m64),
    ROW_M(FISTTP, 0, op_fisttp_m16, op_fisttp_m32, op_fisttp_m64),
    ROW_M(FBLD, op_fbld, 0, 0, 0),
    ROW_M(FBSTP, op_fbstp, 0, 0, 0),
};
OP_GROUP(op_group_x87_transfer, rows);
