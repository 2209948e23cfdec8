/* Lazy flags against a bit-by-bit adder, for all 8-bit operands; the wider sizes by scaling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sim/core/flags.h"

struct model {
    unsigned result, flags;
};

/* a + b + carry, one bit after the other; subtraction adds the complement with the carries inverted */
static struct model add_bits(unsigned a, unsigned b, unsigned carry, bool subtract) {
    struct model m = {0, 0};
    unsigned c = subtract ? !carry : carry, into_top = 0, ones = 0;
    if (subtract) b = ~b & 0xFF;
    for (unsigned k = 0; k < 8; k++) {
        unsigned x = a >> k & 1, y = b >> k & 1;
        if (k == 7) into_top = c;
        m.result |= (x ^ y ^ c) << k;
        ones += x ^ y ^ c;
        c = (x & y) | (x & c) | (y & c);
        if (k == 3 && (c != 0) != subtract) m.flags |= FLAG_AF;
    }
    if ((c != 0) != subtract) m.flags |= FLAG_CF;
    if (into_top != c) m.flags |= FLAG_OF;
    if (!m.result) m.flags |= FLAG_ZF;
    if (m.result & 0x80) m.flags |= FLAG_SF;
    if (ones % 2 == 0) m.flags |= FLAG_PF;
    return m;
}

/* The same operation on the top byte of a wider size has the same CF, OF, SF and ZF. */
static void check(struct cpu *cpu, enum cc_op op, unsigned a, unsigned b, unsigned carry, bool subtract) {
    struct model m = add_bits(a, b, carry, subtract);
    cc_set(cpu, op, 0, (int8_t)m.result, b);
    assert_int_equal(flags_get(cpu) & FLAG_ARITH, m.flags);
    if (carry) return;
    for (unsigned sz = 1; sz < 4; sz++) {
        unsigned sh = (8u << sz) - 8;
        cc_set(cpu, op, sz, cc_sext((uint64_t)m.result << sh, sz), (uint64_t)b << sh);
        assert_int_equal(flags_get(cpu) & (FLAG_CF | FLAG_OF | FLAG_SF | FLAG_ZF),
                         m.flags & (FLAG_CF | FLAG_OF | FLAG_SF | FLAG_ZF));
    }
}

static void test_flags_every_byte_pair_matches_bitwise_adder(void **state) {
    struct cpu *cpu = *state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            check(cpu, CC_ADD, a, b, 0, false);
            check(cpu, CC_ADC, a, b, 1, false);
            check(cpu, CC_SUB, a, b, 0, true);
            check(cpu, CC_SBB, a, b, 1, true);
        }
}

static void test_flags_inc_dec_keep_carry(void **state) {
    struct cpu *cpu = *state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned cf = 0; cf < 2; cf++) {
            struct model up = add_bits(a, 1, 0, false), down = add_bits(a, 1, 0, true);
            cc_set(cpu, CC_INC, 0, (int8_t)up.result, cf);
            assert_int_equal(flags_get(cpu) & FLAG_ARITH, (up.flags & ~FLAG_CF) | cf);
            cc_set(cpu, CC_DEC, 0, (int8_t)down.result, cf);
            assert_int_equal(flags_get(cpu) & FLAG_ARITH, (down.flags & ~FLAG_CF) | cf);
        }
}

static void test_flags_logic_clears_carry_overflow_adjust(void **state) {
    struct cpu *cpu = *state;
    for (unsigned r = 0; r < 256; r++) {
        cc_set(cpu, CC_LOGIC, 0, (int8_t)r, 0xFF);
        assert_int_equal(flags_get(cpu) & FLAG_ARITH, add_bits(r, 0, 0, false).flags);
    }
}

static void test_flags_mixed_takes_carry_overflow_adjust_from_source(void **state) {
    struct cpu *cpu = *state;
    for (unsigned r = 0; r < 256; r++)
        for (unsigned n = 0; n < 8; n++) {
            uint32_t caf = (n & 1 ? FLAG_CF : 0) | (n & 2 ? FLAG_AF : 0) | (n & 4 ? FLAG_OF : 0);
            cc_set(cpu, CC_MIXED, 3, (int8_t)r, caf);
            assert_int_equal(flags_get(cpu) & FLAG_ARITH, add_bits(r, 0, 0, false).flags | caf);
        }
}

/* SDM 1, appendix "EFLAGS Condition Codes" */
static bool condition(uint32_t f, unsigned cond) {
    bool cf = f & FLAG_CF, zf = f & FLAG_ZF, sf = f & FLAG_SF, of = f & FLAG_OF, pf = f & FLAG_PF, r[8];
    r[0] = of;
    r[1] = cf;
    r[2] = zf;
    r[3] = cf | zf;
    r[4] = sf;
    r[5] = pf;
    r[6] = sf ^ of;
    r[7] = zf | (sf ^ of);
    return r[cond >> 1] ^ (cond & 1);
}
static void test_flags_conditions_match_definition(void **state) {
    struct cpu *cpu = *state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            struct model m = add_bits(a, b, 0, true);
            for (unsigned cond = 0; cond < 16; cond++) {
                cc_set(cpu, CC_SUB, 0, (int8_t)m.result, b);
                assert_int_equal(cc_test(cpu, cond), condition(m.flags, cond));
                flags_materialize(cpu);
                assert_int_equal(cc_test(cpu, cond), condition(m.flags, cond));
            }
        }
}

static void test_flags_materialize_keeps_other_bits(void **state) {
    struct cpu *cpu = *state;
    cpu->rflags = FLAG_IF | FLAG_DF | FLAG_FIXED | FLAG_ZF;
    cc_set(cpu, CC_ADD, 2, -1, 1);
    flags_materialize(cpu);
    assert_int_equal(cpu->rflags & ~FLAG_ARITH, FLAG_IF | FLAG_DF | FLAG_FIXED);
    flags_set_arith(cpu, FLAG_ARITH | FLAG_TF);
    assert_int_equal(cpu->rflags, FLAG_ARITH | FLAG_IF | FLAG_DF | FLAG_FIXED);
}

static int setup(void **state) {
    *state = aligned_alloc(64, (sizeof(struct cpu) + 63) / 64 * 64);
    if (*state) memset(*state, 0, sizeof(struct cpu));
    return *state ? 0 : -1;
}
static int teardown(void **state) {
    free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags_every_byte_pair_matches_bitwise_adder),
        cmocka_unit_test(test_flags_inc_dec_keep_carry),
        cmocka_unit_test(test_flags_logic_clears_carry_overflow_adjust),
        cmocka_unit_test(test_flags_mixed_takes_carry_overflow_adjust_from_source),
        cmocka_unit_test(test_flags_conditions_match_definition),
        cmocka_unit_test(test_flags_materialize_keeps_other_bits),
    };
    return cmocka_run_group_tests_name("flags", tests, setup, teardown);
}
