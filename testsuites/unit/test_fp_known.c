/* Floating-point operations with known results: those measured on a processor for what no second backend checks, the
 * special operations of AVX-512, half precision, and the environment that operations work in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/core/cpu.h"
#include "sim/fp/fp.h"

struct operands {
    uint64_t v[3];
    uint32_t imm;
};
typedef uint64_t op_fn(struct fp_env *e, const struct operands *o);
#define OP(name, expr)                                                                                                 \
    static uint64_t name(struct fp_env *e, const struct operands *o) {                                                 \
        (void)e;                                                                                                       \
        return (uint64_t)(expr);                                                                                       \
    }
#define A   o->v[0]
#define B   o->v[1]
#define C   o->v[2]
#define A32 (uint32_t) A
#define B32 (uint32_t) B
#define C32 (uint32_t) C

OP(scalef32, fp32_scalef(e, A32, B32))
OP(scalef64, fp64_scalef(e, A, B))
OP(getexp32, fp32_getexp(e, A32))
OP(getexp64, fp64_getexp(e, A))
OP(getmant32, fp32_getmant(e, A32, o->imm))
OP(getmant64, fp64_getmant(e, A, o->imm))
OP(range64, fp64_range(e, A, B, o->imm))
OP(reduce32, fp32_reduce(e, A32, o->imm))
OP(reduce64, fp64_reduce(e, A, o->imm))
/* the destination is the third operand, as measured */
OP(fixupimm32, fp32_fixupimm(e, C32, A32, B32, o->imm))
OP(fixupimm64, fp64_fixupimm(e, C, A, B, o->imm))
OP(rndscale32, fp32_round(e, A32, o->imm & 4 ? FP_CURRENT : (enum fp_rc)(o->imm & 3), o->imm & 8, o->imm >> 4))
OP(rndscale64, fp64_round(e, A, o->imm & 4 ? FP_CURRENT : (enum fp_rc)(o->imm & 3), o->imm & 8, o->imm >> 4))
OP(f16c_widen, fp32_from_f16c(e, (uint16_t)A))
OP(f16c_narrow, f16c_from_fp32(e, A32, o->imm & 4 ? FP_CURRENT : (enum fp_rc)(o->imm & 3)))
OP(bf16_narrow, bf16_from_fp32(A32))
OP(dpbf16, fp32_dpbf16(C32, A32, B32))
OP(to_u32_32, fp32_to_u32(e, A32, false))
OP(trunc_u64_32, fp32_to_u64(e, A32, true))
OP(to_u64_64, fp64_to_u64(e, A, false))
OP(from_u64_32, fp32_from_u64(e, A))
OP(from_u64_64, fp64_from_u64(e, A))
OP(from_i64_32, fp32_from_i64(e, (int64_t)A))
OP(add16, fp16_add(e, (uint16_t)A, (uint16_t)B))
OP(mul16, fp16_mul(e, (uint16_t)A, (uint16_t)B))
OP(div16, fp16_div(e, (uint16_t)A, (uint16_t)B))
OP(sqrt16, fp16_sqrt(e, (uint16_t)A))
OP(fma16, fp16_fma(e, (uint16_t)A, (uint16_t)B, (uint16_t)C, o->imm & 1, o->imm & 2))
OP(min16, fp16_min(e, (uint16_t)A, (uint16_t)B))
OP(widen16, fp32_from_fp16(e, (uint16_t)A))
OP(narrow16, fp16_from_fp32(e, A32))
OP(to_i16, (uint16_t)fp16_to_i16(e, (uint16_t)A, false))
OP(from_u16, fp16_from_u16(e, (uint16_t)A))

// clang-format off
#define DAZ_FTZ (MXCSR_INIT | MXCSR_DAZ | MXCSR_FTZ)
static const struct {
    op_fn *fn;
    uint64_t v[3];
    uint32_t imm, mxcsr;
    uint64_t result;
    uint32_t flags;
} known[] = {
    /* measured */
    {scalef64, {0x8000000010000000, 0xC05CE8EE4A2F663B, 0}, 0x0, 0xFFC0, 0x8000000000000000, 0x0},
    {scalef32, {0x200800, 0x40400000, 0}, 0x0, 0x3FC0, 0x0, 0x0},
    {scalef32, {0x80800000, 0xC2FFFFF0, 0}, 0x0, 0xDF80, 0x80000000, 0x30},
    {scalef64, {0xBFDD7E44CB123D02, 0xC060000000200000, 0}, 0x0, 0x3F80, 0xB7CD7E44CB123D02, 0x0},
    {scalef64, {0xBE30000000000000, 0xC070000000008000, 0}, 0x0, 0x7FC0, 0xAE20000000000000, 0x0},
    {scalef32, {0x7FFFFFFF, 0x3E7FFFFF, 0}, 0x0, 0xDF80, 0x7FFFFFFF, 0x0},
    {scalef64, {0x11BD808D0D3E10C9, 0xC04FFFFFFFFFFFFF, 0}, 0x0, 0x3F80, 0xDBD808D0D3E10C9, 0x0},
    {scalef64, {0xCE80000000000000, 0xC04415A64F2FB61E, 0}, 0x0, 0x3FC0, 0xCBF0000000000000, 0x0},
    {getexp64, {0xC4E0FFFFFFFFFFFF, 0, 0}, 0x0, 0x5F80, 0x4053C00000000000, 0x0},
    {getexp32, {0xE2100000, 0, 0}, 0x0, 0x7F80, 0x428A0000, 0x0},
    {getexp32, {0x7E000000, 0, 0}, 0x0, 0x7FC0, 0x42FA0000, 0x0},
    {getexp32, {0xF0FFFFFF, 0, 0}, 0x0, 0x5FC0, 0x42C40000, 0x0},
    {getexp32, {0x0, 0, 0}, 0x0, 0x5FC0, 0xFF800000, 0x0},
    {getexp64, {0xC050100000000000, 0, 0}, 0x0, 0xBFC0, 0x4018000000000000, 0x0},
    {getexp64, {0x4080000000000000, 0, 0}, 0x0, 0x3F80, 0x4022000000000000, 0x0},
    {getexp64, {0x3CE43CA292DDFA33, 0, 0}, 0x0, 0xDF80, 0xC048800000000000, 0x0},
    {getmant64, {0x39C0000000000000, 0, 0}, 0xC, 0x5FC0, 0x3FF0000000000000, 0x0},
    {getmant64, {0x3FE0000008000000, 0, 0}, 0xC, 0x5FC0, 0x3FF0000008000000, 0x0},
    {getmant64, {0x9C8FFFFFFFFFFFFF, 0, 0}, 0xE, 0xBF80, 0xFFF8000000000000, 0x1},
    {getmant64, {0xACE0000120000000, 0, 0}, 0x3, 0x5F80, 0xBFF0000120000000, 0x0},
    {getmant64, {0x3FF0000000000000, 0, 0}, 0x4, 0x7F80, 0x3FF0000000000000, 0x0},
    {getmant64, {0x4B1F0BE849F6DC4D, 0, 0}, 0x9, 0x1FC0, 0x3FFF0BE849F6DC4D, 0x0},
    {getmant32, {0x18800000, 0, 0}, 0xB, 0xDFC0, 0x3F800000, 0x0},
    {range64, {0x7FEFFFFFFFFFFFFF, 0xC000000000000000, 0}, 0xA, 0x9F80, 0x4000000000000000, 0x0},
    {range64, {0xED60800000002002, 0xC9A6C95258DD790, 0}, 0x2, 0x3F80, 0x8C9A6C95258DD790, 0x0},
    {range64, {0x9FCFFFF800000000, 0xA1BFFFFFFFFFFFFF, 0}, 0xD, 0x3FC0, 0x9FCFFFF800000000, 0x0},
    {range64, {0x3FF0000000000000, 0x2B90000003FFFFFF, 0}, 0xC, 0xBFC0, 0xAB90000003FFFFFF, 0x0},
    {range64, {0xC4C0000000000000, 0xF840010000000000, 0}, 0x1, 0xBFC0, 0xC4C0000000000000, 0x0},
    {range64, {0xA2F359A1429D793, 0xA070000000000000, 0}, 0x8, 0x9F80, 0x2070000000000000, 0x0},
    {reduce32, {0x7E800000, 0, 0}, 0x48, 0xDFC0, 0x0, 0x0},
    {reduce32, {0x4EBAE055, 0, 0}, 0x9F, 0xFFC0, 0x0, 0x0},
    {reduce32, {0x23FFFFFF, 0, 0}, 0x9D, 0xBF80, 0x23FFFFFF, 0x0},
    {reduce32, {0xC0000000, 0, 0}, 0xB9, 0x1F80, 0x80000000, 0x0},
    {reduce32, {0x7D8AAED1, 0, 0}, 0xBE, 0x5FC0, 0x0, 0x0},
    {reduce64, {0xBFE0000040000000, 0, 0}, 0x88, 0x9FC0, 0xBE80000000000000, 0x0},
    {reduce32, {0xFE800000, 0, 0}, 0x39, 0x1FC0, 0x80000000, 0x0},
    {reduce64, {0x1F0665011BAA0D22, 0, 0}, 0x54, 0x1F80, 0x1F0665011BAA0D22, 0x0},
    {fixupimm64, {0xB0DFFFFFFFFFFFFF, 0xF70D447DBE05311A, 0x4220000000000000}, 0xA0, 0xFFC0, 0x7FEFFFFFFFFFFFFF, 0x0},
    {fixupimm64, {0x7FE0000000000000, 0x3C359F0080F6FC2E, 0x39C88178E147788}, 0x3E, 0x9F80, 0x0, 0x0},
    {fixupimm32, {0x1000000, 0xDC35EE66, 0xD1800000}, 0x84, 0x1F80, 0x3FC90FDB, 0x0},
    {fixupimm32, {0x54000000, 0x2D5075DD, 0x81800000}, 0x4B, 0x1FC0, 0x7FC00000, 0x0},
    {fixupimm32, {0x800000, 0x6A34B31C, 0x70800000}, 0x4F, 0xBF80, 0x7F800000, 0x0},
    {fixupimm32, {0xEA800000, 0x604A15B4, 0xB7804000}, 0x1E, 0x5F80, 0xB7804000, 0x0},
    {fixupimm64, {0x40000000000003, 0xEFDC2D73E143665B, 0xC460000001000000}, 0x2E, 0x5FC0, 0x7FEFFFFFFFFFFFFF, 0x0},
    {fixupimm32, {0x65000001, 0xBA69DC38, 0xD4DBB}, 0x45, 0x9F80, 0x3F000000, 0x0},
    {rndscale64, {0x6070100000000000, 0, 0}, 0x51, 0x1FC0, 0x6070100000000000, 0x0},
    {rndscale64, {0xE1D0000000000000, 0, 0}, 0xDA, 0x5F80, 0xE1D0000000000000, 0x0},
    {rndscale64, {0x209FFFFFFF800000, 0, 0}, 0x2E, 0x3F80, 0x0, 0x0},
    {rndscale64, {0x9FB8000000000080, 0, 0}, 0x3C, 0xDFC0, 0x8000000000000000, 0x0},
    {rndscale32, {0xCE800003, 0, 0}, 0x2, 0xFFC0, 0xCE800003, 0x0},
    {rndscale64, {0x3FEFFFFFFFFFFFFF, 0, 0}, 0x65, 0x3FC0, 0x3FEF800000000000, 0x20},
    {rndscale32, {0xD3BD5EB9, 0, 0}, 0x1, 0x7F80, 0xD3BD5EB9, 0x0},
    {rndscale32, {0xE5FFFFFF, 0, 0}, 0xB, 0x1FC0, 0xE5FFFFFF, 0x0},
    {f16c_widen, {0xEC7F, 0, 0}, 0x0, 0x7F80, 0xC58FE000, 0x0},
    {f16c_widen, {0x77FF, 0, 0}, 0x0, 0x7F80, 0x46FFE000, 0x0},
    {f16c_widen, {0x0, 0, 0}, 0x0, 0xBF80, 0x0, 0x0},
    {f16c_narrow, {0x23000000, 0, 0}, 0x1, 0x1F80, 0x0, 0x30},
    {f16c_narrow, {0x49FFFFFF, 0, 0}, 0x7, 0x7F80, 0x7BFF, 0x28},
    {f16c_narrow, {0x1AC85638, 0, 0}, 0x5, 0xDF80, 0x1, 0x30},
    {bf16_narrow, {0x7E5B6B2A, 0, 0}, 0x0, 0xDFC0, 0x7E5B, 0x0},
    {bf16_narrow, {0x3F800000, 0, 0}, 0x0, 0xBF80, 0x3F80, 0x0},
    {bf16_narrow, {0x7E000000, 0, 0}, 0x0, 0x3FC0, 0x7E00, 0x0},
    {dpbf16, {0x6F118F, 0x3EF0E200, 0xBD800000}, 0x0, 0xFFC0, 0xBD800012, 0x0},
    {dpbf16, {0xE2FF6700, 0x8020067F, 0x1D6DDC7}, 0x0, 0x3FC0, 0x2DFF0000, 0x0},
    {dpbf16, {0x457FCF10, 0xEDFFFE80, 0x3F000000}, 0x0, 0xFFC0, 0x7F800000, 0x0},
    {to_u32_32, {0x8DFFFFFF, 0, 0}, 0x0, 0x3F80, 0xFFFFFFFF, 0x1},
    {to_u32_32, {0x44800000, 0, 0}, 0x0, 0xFF80, 0x400, 0x0},
    {to_u32_32, {0x26FFFFFF, 0, 0}, 0x0, 0xDFC0, 0x1, 0x20},
    {trunc_u64_32, {0x2F000000, 0, 0}, 0x0, 0x5FC0, 0x0, 0x20},
    {trunc_u64_32, {0x4000000, 0, 0}, 0x0, 0x3FC0, 0x0, 0x20},
    {trunc_u64_32, {0x2CDF61E8, 0, 0}, 0x0, 0x5FC0, 0x0, 0x20},
    {to_u64_64, {0x804FFFFFFFFFFFFC, 0, 0}, 0x0, 0x9F80, 0x0, 0x20},
    {to_u64_64, {0x9030000000000000, 0, 0}, 0x0, 0x1F80, 0x0, 0x20},
    {to_u64_64, {0x3DB737DC7F1A50FC, 0, 0}, 0x0, 0xFFC0, 0x0, 0x20},
    {from_u64_32, {0xFF800000, 0, 0}, 0x0, 0x9F80, 0x4F7F8000, 0x0},
    {from_u64_32, {0x417FFFFF, 0, 0}, 0x0, 0x3FC0, 0x4E82FFFF, 0x20},
    {from_u64_32, {0x7EFFFFFF, 0, 0}, 0x0, 0xDF80, 0x4EFE0000, 0x20},
    {from_u64_64, {0xA17F3D4CA78BFCBA, 0, 0}, 0x0, 0x5F80, 0x43E42FE7A994F180, 0x20},
    {from_u64_64, {0xBFEFFFFFFFFFFFFF, 0, 0}, 0x0, 0x7F80, 0x43E7FDFFFFFFFFFF, 0x20},
    {from_u64_64, {0x7FB0000000000000, 0, 0}, 0x0, 0x3FC0, 0x43DFEC0000000000, 0x0},
    {from_i64_32, {0xBE800000, 0, 0}, 0x0, 0xFFC0, 0x4F3E8000, 0x0},
    {from_i64_32, {0x3C7FFFFF, 0, 0}, 0x0, 0x5FC0, 0x4E720000, 0x20},
    {from_i64_32, {0x3E96300D, 0, 0}, 0x0, 0xBF80, 0x4E7A58C0, 0x20},
    /* half precision: 1 + 2; the least denormals count as they are, whatever DAZ and FTZ say */
    {add16, {0x3C00, 0x4000}, 0, MXCSR_INIT, 0x4200, 0},
    {add16, {0x0001, 0x0001}, 0, DAZ_FTZ, 0x0002, MXCSR_DE},
    {mul16, {0x0400, 0x3800}, 0, DAZ_FTZ, 0x0200, 0},
    {mul16, {0x0401, 0x3800}, 0, DAZ_FTZ, 0x0200, MXCSR_UE | MXCSR_PE},
    {mul16, {0x7BFF, 0x4000}, 0, MXCSR_INIT, 0x7C00, MXCSR_OE | MXCSR_PE},
    {div16, {0x3C00, 0x4200}, 0, MXCSR_INIT, 0x3555, MXCSR_PE},
    {div16, {0x3C00, 0x8000}, 0, MXCSR_INIT, 0xFC00, MXCSR_ZE},
    {sqrt16, {0x4400}, 0, MXCSR_INIT, 0x4000, 0},
    {sqrt16, {0xC400}, 0, MXCSR_INIT, 0xFE00, MXCSR_IE},
    {fma16, {0x3C01, 0x3C01, 0xBC02}, 0, MXCSR_INIT, 0x0010, 0},
    {fma16, {0x3C00, 0x4000, 0x3C00}, 1, MXCSR_INIT, 0xBC00, 0},
    {min16, {0x7E00, 0x3C00}, 0, MXCSR_INIT, 0x3C00, MXCSR_IE},
    {widen16, {0x0001}, 0, DAZ_FTZ, 0x33800000, MXCSR_DE},
    {widen16, {0x7D00}, 0, MXCSR_INIT, 0x7FE00000, MXCSR_IE},
    {narrow16, {0x00400000}, 0, DAZ_FTZ, 0, 0},
    {narrow16, {0x477FF000}, 0, MXCSR_INIT, 0x7C00, MXCSR_OE | MXCSR_PE},
    {to_i16, {0xF800}, 0, MXCSR_INIT, 0x8000, 0},
    {to_i16, {0x7800}, 0, MXCSR_INIT, 0x8000, MXCSR_IE},
    {from_u16, {0xFFFF}, 0, MXCSR_INIT, 0x7C00, MXCSR_OE | MXCSR_PE},
};
// clang-format on

static int setup(void **state) {
    struct cpu *cpu = aligned_alloc(64, (sizeof *cpu + 63) & ~(size_t)63);
    memset(cpu, 0, sizeof *cpu);
    *state = cpu;
    return 0;
}
static int teardown(void **state) {
    free(*state);
    return 0;
}

static void test_fp_known_results_come_out(void **state) {
    struct cpu *cpu = *state;
    unsigned bad = 0;
    fp_enter(cpu);
    for (unsigned k = 0; k < sizeof known / sizeof known[0]; k++) {
        struct operands o = {.imm = known[k].imm};
        memcpy(o.v, known[k].v, sizeof o.v);
        mxcsr_set(cpu, known[k].mxcsr);
        uint64_t r = known[k].fn(&cpu->vec.env, &o);
        uint32_t flags = mxcsr_get(cpu) & MXCSR_FLAGS;
        if (r == known[k].result && flags == known[k].flags) continue;
        fprintf(stderr, "row %u: %llx flags %x, expected %llx flags %x\n", k, (unsigned long long)r, flags,
                (unsigned long long)known[k].result, known[k].flags);
        bad++;
    }
    fp_leave(cpu);
    assert_int_equal(bad, 0);
}

#define ONE   0x3FF0000000000000ull
#define THREE 0x4008000000000000ull
#define THIRD 0x3FD5555555555555ull

static void test_fp_flags_accrue_and_survive_leaving(void **state) {
    struct cpu *cpu = *state;
    struct fp_env *e = &cpu->vec.env;
    mxcsr_set(cpu, MXCSR_INIT | MXCSR_ZE);
    assert_int_equal(fp64_div(e, ONE, THREE), THIRD); /* outside of the run loop, too */
    mxcsr_set(cpu, MXCSR_INIT | MXCSR_ZE);
    fp_enter(cpu);
    assert_int_equal(mxcsr_get(cpu), MXCSR_INIT | MXCSR_ZE);
    fp64_div(e, ONE, THREE);
    assert_int_equal(mxcsr_get(cpu), MXCSR_INIT | MXCSR_ZE | MXCSR_PE);
    fp_raise(e, FP_DE);
    fp_leave(cpu);
    assert_int_equal(mxcsr_get(cpu), MXCSR_INIT | MXCSR_ZE | MXCSR_PE | MXCSR_DE);
    mxcsr_set(cpu, MXCSR_INIT);
    fp_enter(cpu);
    assert_int_equal(mxcsr_get(cpu), MXCSR_INIT);
    fp_leave(cpu);
}

static void test_fp_leaving_gives_the_host_its_rounding_back(void **state) {
    struct cpu *cpu = *state;
    volatile double one = 1, three = 3;
    double third = one / three;
    mxcsr_set(cpu, MXCSR_INIT | (uint32_t)FP_UP << 13 | MXCSR_DAZ);
    fp_enter(cpu);
    assert_int_equal(fp64_div(&cpu->vec.env, ONE, THREE), THIRD + 1);
    fp_leave(cpu);
    assert_true(one / three == third);
}

static void test_fp_begin_has_its_own_rounding_and_flags(void **state) {
    struct cpu *cpu = *state;
    struct fp_env *e = &cpu->vec.env;
    struct fp_saved saved;
    fp_enter(cpu);
    mxcsr_set(cpu, MXCSR_INIT | MXCSR_ZE);
    fp_begin(e, &saved, FP_UP, false);
    assert_int_equal(fp64_div(e, ONE, THREE), THIRD + 1);
    assert_int_equal(fp_end(e, &saved), FP_PE);
    assert_int_equal(mxcsr_get(cpu), MXCSR_INIT | MXCSR_ZE);
    assert_int_equal(fp64_div(e, ONE, THREE), THIRD);
    assert_int_equal(mxcsr_get(cpu), MXCSR_INIT | MXCSR_ZE | MXCSR_PE);
    fp_leave(cpu);
}

/* SDM 1 "Numeric Underflow Exception (#U)": unmasked, it is signalled for a tiny result even when that is exact, and
 * FTZ is ignored. */
static void test_fp_unmasked_underflow_is_reported_for_exact_results(void **state) {
    struct cpu *cpu = *state;
    struct fp_env *e = &cpu->vec.env;
    struct fp_saved saved;
    fp_enter(cpu);
    for (unsigned unmasked = 0; unmasked < 2; unmasked++) {
        mxcsr_set(cpu, unmasked ? (MXCSR_INIT | MXCSR_FTZ) & ~(uint32_t)(FP_UE << 7) : MXCSR_INIT);
        fp_begin(e, &saved, FP_CURRENT, false);
        fp32_mul(e, 0x00800000, 0x3F000000);
        assert_int_equal(fp_end(e, &saved), unmasked ? FP_UE : 0);
        fp_begin(e, &saved, FP_CURRENT, true); /* SAE masks everything */
        assert_int_equal(fp32_mul(e, 0x00800000, 0x3F000000), unmasked ? 0 : 0x00400000);
        fp_end(e, &saved);
    }
    fp_leave(cpu);
}

static void test_fp_unmasked_precomputation_exceptions_hide_the_others(void **state) {
    struct cpu *cpu = *state;
    mxcsr_set(cpu, MXCSR_INIT & ~(uint32_t)(FP_DE << 7));
    assert_int_equal(fp_reported(&cpu->vec.env, FP_DE | FP_IE | FP_PE), FP_DE | FP_IE);
    assert_int_equal(fp_reported(&cpu->vec.env, FP_IE | FP_PE), FP_IE | FP_PE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fp_known_results_come_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fp_flags_accrue_and_survive_leaving, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fp_leaving_gives_the_host_its_rounding_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fp_begin_has_its_own_rounding_and_flags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fp_unmasked_underflow_is_reported_for_exact_results, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fp_unmasked_precomputation_exceptions_hide_the_others, setup, teardown),
    };
    return cmocka_run_group_tests_name("fp_known", tests, NULL, NULL);
}
