/* decode() of vector mnemonics that stand for several instructions: what kind of operand it is shows in the id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "decoder/decoder.h"

static const struct {
    uint8_t bytes[8];
    uint16_t id;
    uint8_t form;
} rows[] = {
    {{0x66, 0x0F, 0x71, 0xF0, 0x03},             INSN_PSLLW_IMM,             FORM_RR}, /* psllw xmm0, 3 */
    {{0x66, 0x0F, 0xF1, 0xC0},                   INSN_PSLLW,                 FORM_RR}, /* psllw xmm0, xmm0 */
    {{0x66, 0x0F, 0xF1, 0x00},                   INSN_PSLLW,                 FORM_RM}, /* psllw xmm0, [rax] */
    {{0xC5, 0xF9, 0x72, 0xE0, 0x03},             INSN_VPSRAD_IMM,            FORM_RR}, /* vpsrad xmm0, xmm0, 3 */
    {{0x62, 0xF1, 0x7D, 0x08, 0x72, 0x20, 0x03}, INSN_VPSRAD_IMM,            FORM_RM}, /* vpsrad xmm0, [rax], 3 */
    {{0xC5, 0xF8, 0x90, 0xC8},                   INSN_KMOVW,                 FORM_RR}, /* kmovw k1, k0 */
    {{0xC5, 0xF8, 0x92, 0xC8},                   INSN_KMOVW_FROM_GPR,        FORM_RR}, /* kmovw k1, eax */
    {{0xC5, 0xF8, 0x93, 0xC8},                   INSN_KMOVW_TO_GPR,          FORM_RR}, /* kmovw ecx, k0 */
    {{0xC5, 0xF8, 0x91, 0x08},                   INSN_KMOVW,                 FORM_MR}, /* kmovw [rax], k1 */
    {{0x66, 0x0F, 0x6E, 0xC0},                   INSN_MOVD_FROM_GPR,         FORM_RR}, /* movd xmm0, eax */
    {{0x66, 0x0F, 0x6E, 0x00},                   INSN_MOVD,                  FORM_RM}, /* movd xmm0, [rax] */
    {{0x66, 0x48, 0x0F, 0x7E, 0xC0},             INSN_MOVQ_TO_GPR,           FORM_RR}, /* movq rax, xmm0 */
    {{0x62, 0xF2, 0x7D, 0x49, 0x7C, 0xC0},       INSN_VPBROADCASTD_FROM_GPR, FORM_RR}, /* vpbroadcastd zmm0{k1}, eax */
    {{0x62, 0xF2, 0x7D, 0x49, 0x58, 0xC0},       INSN_VPBROADCASTD,          FORM_RR}, /* vpbroadcastd zmm0{k1}, xmm0 */
    {{0x66, 0x0F, 0x78, 0xC0, 0x01, 0x02},       INSN_EXTRQ_IMM,             FORM_RR}, /* extrq xmm0, 1, 2 */
    {{0x66, 0x0F, 0x79, 0xC0},                   INSN_EXTRQ,                 FORM_RR}, /* extrq xmm0, xmm0 */
};

static void test_decoder_variants_operand_kind_is_in_the_id(void **state) {
    (void)state;
    const struct decode_features all = {0};
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct insn i;
        assert_int_equal(decode(rows[k].bytes, 8, MODE_CODE64 | MODE_PROT | MODE_LMA, 0, &all, &i), DECODE_OK);
        assert_int_equal(i.id, rows[k].id);
        assert_int_equal(i.form, rows[k].form);
    }
}

static void test_decoder_variants_keep_the_name_of_their_mnemonic(void **state) {
    (void)state;
    assert_string_equal(insn_name(INSN_KMOVQ_TO_GPR), "KMOVQ");
    assert_string_equal(insn_name(INSN_PSLLW_IMM), "PSLLW");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoder_variants_operand_kind_is_in_the_id),
        cmocka_unit_test(test_decoder_variants_keep_the_name_of_their_mnemonic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
