/* The tables of GF(2^8) against their definitions. FIPS 197 "Mathematical Preliminaries", "SubBytes()". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/vec/gf8.h"

/* The polynomial product, then the remainder of its division by x^8 + x^4 + x^3 + x + 1 */
static unsigned product(unsigned a, unsigned b) {
    unsigned r = 0;
    for (unsigned n = 0; n < 8; n++)
        if (b >> n & 1) r ^= a << n;
    for (unsigned n = 14; n >= 8; n--)
        if (r >> n & 1) r ^= 0x11Bu << (n - 8);
    return r;
}

static void test_vec_gf8_products_are_polynomial_remainders(void **state) {
    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) assert_int_equal(gf8_mul((uint8_t)a, (uint8_t)b), product(a, b));
}

static void test_vec_gf8_inverse_times_itself_is_one(void **state) {
    (void)state;
    assert_int_equal(gf8_inverse[0], 0);
    for (unsigned a = 1; a < 256; a++) assert_int_equal(product(a, gf8_inverse[a]), 1);
}

static void test_vec_gf8_sbox_is_the_affine_transformation_of_the_inverse(void **state) {
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        unsigned want = 0;
        for (unsigned n = 0; n < 8; n++) {
            unsigned bit = 0x63 >> n;
            for (unsigned k = 0; k < 5; k++) bit ^= gf8_inverse[a] >> (n + (k ? 3 + k : 0)) % 8;
            want |= (bit & 1) << n;
        }
        assert_int_equal(gf8_sbox[a], want);
        assert_int_equal(gf8_inverse_sbox[want], a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vec_gf8_products_are_polynomial_remainders),
        cmocka_unit_test(test_vec_gf8_inverse_times_itself_is_one),
        cmocka_unit_test(test_vec_gf8_sbox_is_the_affine_transformation_of_the_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
