/* The decoder and the semantic functions fit together: each ordinary instruction that decode() can make, in each form
 * and operand size, has a function in the table; system instructions have a row with a body instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decoder/decoder.h"
#include "sim/core/system.h"
#include "sim/ops/op.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct coverage {
    struct op_table table;
    bool seen[INSN_VEC_FIRST][FORM_COUNT][4];
    unsigned combinations, missing;
};

/* Always #UD: block building needs no function for them */
static bool is_undefined(unsigned id) { return id == INSN_UD0 || id == INSN_UD1 || id == INSN_UD2; }

static void visit(struct coverage *c, const uint8_t *bytes, unsigned mode, const struct decode_features *features) {
    struct insn i;
    if (decode(bytes, 15, mode, 0, features, &i) != DECODE_OK || i.id >= INSN_VEC_FIRST) return;
    unsigned size = i.size > 3 ? 3 : i.size;
    if (c->seen[i.id][i.form][size]) return;
    c->seen[i.id][i.form][size] = true;
    c->combinations++;
    if ((insn_rows[i.id].attrs & A_SYS) || is_undefined(i.id) || c->table.fn[i.id][i.form][size][0]) return;
    c->missing++;
    printf("no function for %s, form %u, %u bytes; decoded from", insn_name((enum insn_id)i.id), i.form, 1u << size);
    for (unsigned k = 0; k < i.len; k++) printf(" %02x", bytes[k]);
    printf("\n");
}

static void visit_legacy(struct coverage *c, unsigned mode, const struct decode_features *features) {
    static const char *const prefixes[] = {"",         "\x66",     "\xF2",     "\xF3",     "\x48",     "\xF3\x48",
                                           "\x66\x48", "\xF2\x66", "\xF3\x66", "\xF0\x66", "\xF0\x48", "\xF0"};
    static const char *const escapes[] = {"", "\x0F", "\x0F\x38", "\x0F\x3A"};
    for (size_t p = 0; p < COUNT(prefixes); p++) {
        for (size_t e = 0; e < COUNT(escapes); e++) {
            for (unsigned k = 0; k < 0x10000; k += p == 0 || p == 3 ? 1 : 5) { /* opcode and ModRM */
                uint8_t bytes[24] = {0};
                int n = snprintf((char *)bytes, sizeof(bytes), "%s%s", prefixes[p], escapes[e]);
                bytes[n] = (uint8_t)(k >> 8);
                bytes[n + 1] = (uint8_t)k;
                visit(c, bytes, mode, features);
            }
        }
    }
}

/* `escape`: C4 for VEX, 8F for XOP */
static void visit_vex(struct coverage *c, unsigned mode, const struct decode_features *features, uint8_t escape,
                      unsigned first_map, unsigned last_map) {
    for (unsigned map = first_map; map <= last_map; map++) {
        for (unsigned k = 0; k < 0x800; k++) { /* W, pp, opcode; vvvv names a register in maps 2 and 9 only */
            const bool names = map == 2 || map == 9;
            uint8_t bytes[24] = {escape, (uint8_t)(0xE0 | map),
                                 (uint8_t)((k >> 10 & 1) << 7 | (names ? 0x70 : 0x78) | (k >> 8 & 3))};
            bytes[3] = (uint8_t)k;
            for (unsigned modrm = 0x01; modrm < 0x100; modrm += 8) {
                bytes[4] = (uint8_t)modrm;
                visit(c, bytes, mode, features);
            }
        }
    }
}

static int visit_all(void **state) {
    static const unsigned modes[] = {MODE_CODE16, MODE_CODE16 | MODE_PROT, MODE_CODE32 | MODE_PROT,
                                     MODE_CODE64 | MODE_PROT | MODE_LMA};
    static const struct decode_features features[] = {
        {.lzcnt = true, .bmi1 = true, .cldemote = true, .cet = true,         .wbnoinvd = true},
        {.lzcnt = true,             .bmi1 = true,             .amd = true,     .cr8_legacy = true},
    };
    struct coverage *c = calloc(1, sizeof(*c));

    if (!c) return -1;
    *state = c;
    op_table_build(&c->table);
    for (size_t m = 0; m < COUNT(modes); m++) {
        for (size_t f = 0; f < COUNT(features); f++) {
            visit_legacy(c, modes[m], &features[f]);
            visit_vex(c, modes[m], &features[f], 0xC4, 1, 3);
            visit_vex(c, modes[m], &features[f], 0x8F, 9, 10);
        }
    }
    return 0;
}

static int release(void **state) {
    free(*state);
    return 0;
}

static void test_decoder_every_instruction_has_a_function(void **state) {
    const struct coverage *c = *state;
    printf("%u combinations of instruction, form and operand size\n", c->combinations);
    assert_int_equal(c->missing, 0);
}

static void test_decoder_every_row_of_the_table_is_reached(void **state) {
    const struct coverage *c = *state;
    unsigned unreached = 0;
    for (unsigned id = INSN_INVALID + 1; id < INSN_VEC_FIRST; id++) {
        bool seen = false;
        for (unsigned f = 0; f < FORM_COUNT * 4; f++) seen |= c->seen[id][f / 4][f % 4];
        if (seen) continue;
        printf("no bytes lead to %s\n", insn_name((enum insn_id)id));
        unreached++;
    }
    assert_int_equal(unreached, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoder_every_instruction_has_a_function),
        cmocka_unit_test(test_decoder_every_row_of_the_table_is_reached),
    };
    return cmocka_run_group_tests(tests, visit_all, release);
}
