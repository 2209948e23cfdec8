/* TBM: results and flags, register and memory operands, and its feature bit. APM 3, "BLCFILL" and those after it. */
#include "x87_world.h"

static int setup_tbm(void **state) { return x87_setup(state, "max-amd,-svm,+tbm"); }
static int setup_without(void **state) { return x87_setup(state, "max-amd,-svm,-tbm"); }

#define XOP_MAP9 0xE9
#define VVVV(n)  (uint8_t)(0x78 & ~((n) << 3))
#define ARITH    (FLAG_CF | FLAG_ZF | FLAG_SF | FLAG_OF)

struct row {
    uint8_t opcode, reg;
    uint32_t source, result, flags;
};
static const struct row rows[] = {
    {0x01, 1, 0x000000A7, 0x000000A0, 0                }, /* BLCFILL: trailing ones to zeros */
    {0x01, 1, 0xFFFFFFFF, 0x00000000, FLAG_ZF | FLAG_CF},
    {0x01, 2, 0x000000A8, 0x000000AF, 0                }, /* BLSFILL: trailing zeros to ones */
    {0x01, 2, 0x00000000, 0xFFFFFFFF, FLAG_SF | FLAG_CF},
    {0x01, 3, 0x000000A7, 0x000000AF, 0                }, /* BLCS: the lowest zero to one */
    {0x01, 3, 0xFFFFFFFF, 0xFFFFFFFF, FLAG_SF | FLAG_CF},
    {0x01, 4, 0x000000A8, 0x00000007, 0                }, /* TZMSK: ones at trailing zeros */
    {0x01, 4, 0x00000000, 0xFFFFFFFF, FLAG_SF | FLAG_CF},
    {0x01, 4, 0x00000001, 0x00000000, FLAG_ZF          },
    {0x01, 5, 0x000000A7, 0x00000008, 0                }, /* BLCIC: a one at the lowest zero */
    {0x01, 5, 0xFFFFFFFF, 0x00000000, FLAG_ZF | FLAG_CF},
    {0x01, 6, 0x000000A8, 0xFFFFFFF7, FLAG_SF          }, /* BLSIC: a zero at the lowest one */
    {0x01, 6, 0x00000000, 0xFFFFFFFF, FLAG_SF | FLAG_CF},
    {0x01, 7, 0x000000A7, 0xFFFFFFF8, FLAG_SF          }, /* T1MSKC: zeros at trailing ones */
    {0x01, 7, 0xFFFFFFFF, 0x00000000, FLAG_ZF | FLAG_CF},
    {0x02, 1, 0x000000A7, 0x0000000F, 0                }, /* BLCMSK: ones up to the lowest zero */
    {0x02, 1, 0xFFFFFFFF, 0xFFFFFFFF, FLAG_SF | FLAG_CF},
    {0x02, 6, 0x000000A7, 0xFFFFFFF7, FLAG_SF          }, /* BLCI: a zero at the lowest zero */
    {0x02, 6, 0xFFFFFFFF, 0xFFFFFFFF, FLAG_SF | FLAG_CF},
};

static void test_tbm_results_and_flags_follow_the_manual(void **state) {
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        const struct row *r = &rows[k];
        for (unsigned memory = 0; memory < 2; memory++) {
            world_x87(cpu, 0);
            cpu->gpr[RBX] = memory ? DATA_AT : r->source;
            cpu->gpr[RCX] = 0x5555;
            poke(cpu, DATA_AT, 4, r->source);
            flags_load(cpu, FLAG_OF | FLAG_FIXED);
            const uint8_t modrm = (uint8_t)((memory ? 0x03 : 0xC3) | r->reg << 3);
            assert_int_equal(RUN(cpu, 1, 0x8F, XOP_MAP9, VVVV(RCX), r->opcode, modrm), -1);
            if (cpu->gpr[RCX] != r->result || (flags_get(cpu) & ARITH) != r->flags)
                fail_msg("row %u: %x, flags %x", k, (unsigned)cpu->gpr[RCX], flags_get(cpu) & ARITH);
        }
    }
}

static void test_tbm_64_bit_operands_are_whole(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_long(cpu);
    cpu->gpr[RBX] = 0xFFFFFFFF;
    assert_int_equal(RUN(cpu, 1, 0x8F, XOP_MAP9, 0x80 | VVVV(RCX), 0x01, 0xEB), -1); /* BLCIC rcx, rbx */
    assert_int_equal(cpu->gpr[RCX], 1ull << 32);
    assert_false(flags_get(cpu) & FLAG_CF);
}

static void test_tbm_bextr_takes_start_and_length_from_its_immediate(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_x87(cpu, 0);
    cpu->gpr[RBX] = 0x12345678;
    assert_int_equal(RUN(cpu, 1, 0x8F, 0xEA, 0x78, 0x10, 0xCB, 0x08, 0x0C, 0, 0), -1); /* BEXTR ecx, ebx, 0C08H */
    assert_int_equal(cpu->gpr[RCX], 0x456);
}

static void test_tbm_without_its_feature_undefined(void **state) {
    struct cpu *cpu = cpu_of(state);
    world_x87(cpu, 0);
    for (unsigned v = 0; v < 32; v++) put_gate(cpu, IDT + v * 8, SEL_CODE0, HANDLERS + v, AR_P | DESC_TRAP, 0);
    assert_int_equal(RUN(cpu, 1, 0x8F, XOP_MAP9, VVVV(RCX), 0x01, 0xCB), VEC_UD);
    assert_int_equal(RUN(cpu, 1, 0x8F, 0xEA, 0x78, 0x10, 0xCB, 0x08, 0x0C, 0, 0), VEC_UD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON(test_tbm_results_and_flags_follow_the_manual, setup_tbm),
        TEST_ON(test_tbm_64_bit_operands_are_whole, setup_tbm),
        TEST_ON(test_tbm_bextr_takes_start_and_length_from_its_immediate, setup_tbm),
        TEST_ON(test_tbm_without_its_feature_undefined, setup_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
