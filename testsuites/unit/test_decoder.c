/* decode(): operand forms, sizes, prefixes, modes and the bytes that are no instructions. Every field of the record is
 * compared, as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decoder/decoder.h"
#include "sim/arch/x86.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE_OFF 0x100 /* where every instruction of the tables stands in its page */

enum {
    REAL16 = MODE_CODE16,
    REAL32 = MODE_CODE32, /* real mode with CS.D = 1 */
    VM86 = MODE_CODE16 | MODE_PROT | MODE_VM86,
    PROT16 = MODE_CODE16 | MODE_PROT,
    PROT32 = MODE_CODE32 | MODE_PROT | MODE_STACK32,
    COMPAT32 = PROT32 | MODE_LMA,
    LONG64 = MODE_CODE64 | MODE_PROT | MODE_LMA,
};

static const struct decode_features none = {0};
static const struct decode_features intel = {
    .lzcnt = true, .bmi1 = true, .cldemote = true, .cet = true, .wbnoinvd = true};
static const struct decode_features amd = {
    .lzcnt = true, .bmi1 = true, .wbnoinvd = true, .amd = true, .cr8_legacy = true};

/* --- the record as text --- */

static const char *const form_names[FORM_COUNT] = {"0",  "R",  "M",   "I",   "J",   "RR",  "RM",  "MR",
                                                   "RI", "MI", "RRI", "RMI", "MRI", "RRR", "RRM", "FAR"};
static const char *const seg_names[] = {"es", "cs", "ss", "ds", "fs", "gs"};

struct text {
    char at[160];
    size_t used;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    t->used += (size_t)vsnprintf(t->at + t->used, sizeof(t->at) - t->used, format, args);
    va_end(args);
    assert_true(t->used < sizeof(t->at));
}

static void put_register(struct text *t, const char *label, uint8_t value) {
    if (value != REG_ZERO) put(t, " %s=%u", label, value);
}

static void put_signed(struct text *t, const char *label, int64_t v) {
    put(t, " %s=%s%llx", label, v < 0 ? "-" : "", (unsigned long long)(v < 0 ? -(uint64_t)v : (uint64_t)v));
}

static bool uses_imm64(const struct insn *i) {
    return i->scale == SCALE_MOFFS || (i->id == INSN_MOV && i->form == FORM_RI && i->size == 3);
}

static void put_memory(struct text *t, const struct insn *i) {
    put(t, " [%s:", seg_names[i->seg]);
    if (i->scale == SCALE_MOFFS) {
        put(t, "moffs]");
        return;
    }
    if (i->base != REG_ZERO) put(t, "%u", i->base);
    if (i->index != REG_ZERO) put(t, "+%u<<%u", i->index, i->scale);
    put(t, "]");
}

/* "ADD MR 4 a8 len6 reg=0 [ds:24+8<<2] disp=10 imm=-1 lock flat": size and address size in bytes, registers as byte
 * offsets, numbers in hex */
static void render(const struct insn *i, struct text *t) {
    static const char *const flags[] = {"lock", "rep", "repne", "flat", NULL, "last", "fused", "high"};
    put(t, "%s %s %u a%u len%u", insn_name((enum insn_id)i->id), form_names[i->form], 1u << i->size, 1u << i->asize,
        i->len);
    put_register(t, "reg", i->reg);
    put_register(t, "rm", i->rm);
    put_register(t, "vreg", i->vreg);
    if (i->flags & INSN_MEM) put_memory(t, i);
    if (uses_imm64(i)) {
        put_signed(t, "imm64", i->imm64);
    } else {
        if (i->disp) put_signed(t, "disp", i->disp);
        if (i->imm) put_signed(t, "imm", i->imm);
    }
    if (!(i->flags & INSN_MEM) && i->seg != SEG_DS) put(t, " %s", seg_names[i->seg]);
    for (unsigned k = 0; k < COUNT(flags); k++)
        if (flags[k] && (i->flags >> k & 1)) put(t, " %s", flags[k]);
}

/* --- rows --- */

struct row {
    unsigned mode;
    const char *bytes, *expected; /* hexadecimal; the record as text */
};

static size_t parse_hex(const char *hex, uint8_t *bytes, size_t size) {
    size_t n = 0;
    while (*hex) {
        unsigned v = 0;
        if (*hex == ' ') {
            hex++;
            continue;
        }
        assert_true(n < size && sscanf(hex, "%2x", &v) == 1);
        bytes[n++] = (uint8_t)v;
        hex += 2;
    }
    return n;
}

static enum decode_status decode_hex(const char *hex, unsigned mode, const struct decode_features *f,
                                     struct insn *out) {
    uint8_t bytes[32];
    size_t n = parse_hex(hex, bytes, sizeof(bytes));
    return decode(bytes, n, mode, PAGE_OFF, f, out);
}

static void check_rows(const struct row *rows, size_t count, const struct decode_features *f) {
    unsigned failures = 0;
    for (size_t k = 0; k < count; k++) {
        struct insn i;
        struct text t = {.used = 0};
        enum decode_status status = decode_hex(rows[k].bytes, rows[k].mode, f, &i);
        assert_int_equal(i.off, PAGE_OFF);
        if (status == DECODE_OK)
            render(&i, &t);
        else
            put(&t, "status %d", (int)status);
        if (strcmp(t.at, rows[k].expected) == 0) continue;
        printf("mode %02x, bytes %s\n  expected: %s\n  got:      %s\n", rows[k].mode, rows[k].bytes, rows[k].expected,
               t.at);
        failures++;
    }
    assert_int_equal(failures, 0);
}

struct bad {
    unsigned mode;
    const char *bytes;
};

static void check_bad(const struct bad *rows, size_t count, const struct decode_features *f) {
    unsigned failures = 0;
    for (size_t k = 0; k < count; k++) {
        struct insn i;
        enum decode_status status = decode_hex(rows[k].bytes, rows[k].mode, f, &i);
        if (status == DECODE_INVALID && i.id == INSN_INVALID && i.len >= 1) continue;
        printf("mode %02x, bytes %s\n  expected: invalid\n  got:      status %d, %s\n", rows[k].mode, rows[k].bytes,
               (int)status, insn_name((enum insn_id)i.id));
        failures++;
    }
    assert_int_equal(failures, 0);
}

#include "decoder_rows.inc"

static void test_decoder_operand_forms_have_exact_fields(void **state) {
    (void)state;
    check_rows(form_rows, COUNT(form_rows), &intel);
}

static void test_decoder_memory_operands_have_exact_fields(void **state) {
    (void)state;
    check_rows(memory_rows, COUNT(memory_rows), &intel);
}

static void test_decoder_operand_sizes_follow_mode_and_prefixes(void **state) {
    (void)state;
    check_rows(size_rows, COUNT(size_rows), &intel);
}

static void test_decoder_branches_have_page_relative_targets(void **state) {
    (void)state;
    check_rows(branch_rows, COUNT(branch_rows), &intel);
}

static void test_decoder_strings_have_size_segment_and_repeat(void **state) {
    (void)state;
    check_rows(string_rows, COUNT(string_rows), &intel);
}

static void test_decoder_system_instructions_have_exact_fields(void **state) {
    (void)state;
    check_rows(system_rows, COUNT(system_rows), &intel);
}

static void test_decoder_vex_integer_has_sources_in_their_places(void **state) {
    (void)state;
    check_rows(vex_rows, COUNT(vex_rows), &intel);
}

static void test_decoder_amd_rules_differ_where_documented(void **state) {
    (void)state;
    check_rows(amd_rows, COUNT(amd_rows), &amd);
    check_bad(amd_bad, COUNT(amd_bad), &amd);
}

static void test_decoder_missing_features_give_the_older_meaning(void **state) {
    (void)state;
    check_rows(older_rows, COUNT(older_rows), &none);
}

static void test_decoder_undefined_bytes_are_invalid(void **state) {
    (void)state;
    check_bad(invalid_rows, COUNT(invalid_rows), &intel);
}

static void test_decoder_lock_on_illegal_forms_is_invalid(void **state) {
    (void)state;
    check_bad(lock_bad, COUNT(lock_bad), &intel);
    check_rows(lock_rows, COUNT(lock_rows), &intel);
}

/* --- length --- */

static void test_decoder_sixteen_bytes_are_too_long(void **state) {
    uint8_t bytes[16];
    struct insn i;
    (void)state;

    memset(bytes, 0x66, sizeof(bytes));
    bytes[14] = 0x90;
    assert_int_equal(decode(bytes, sizeof(bytes), LONG64, 0, &intel, &i), DECODE_OK);
    assert_int_equal(i.len, 15);
    bytes[14] = 0x66;
    bytes[15] = 0x90;
    assert_int_equal(decode(bytes, sizeof(bytes), LONG64, 0, &intel, &i), DECODE_TOO_LONG);
    assert_int_equal(decode(bytes, 15, LONG64, 0, &intel, &i), DECODE_TOO_LONG);
    assert_int_equal(decode(bytes, 14, LONG64, 0, &intel, &i), DECODE_TRUNCATED);
}

static void test_decoder_proper_prefix_is_truncated(void **state) {
    static const char *const whole[] = {"90",
                                        "48 B8 01 02 03 04 05 06 07 08",
                                        "F0 48 81 84 8D 11 22 33 44 01 02 03 04",
                                        "0F 38 F0 00",
                                        "C4 E2 78 F2 C1",
                                        "66 67 A1 11 22 33 44"};
    (void)state;

    for (size_t k = 0; k < COUNT(whole); k++) {
        uint8_t bytes[16];
        struct insn i;
        size_t n = parse_hex(whole[k], bytes, sizeof(bytes));
        assert_int_equal(decode(bytes, n, LONG64, 0, &intel, &i), DECODE_OK);
        assert_int_equal(i.len, n);
        for (size_t part = 0; part < n; part++)
            assert_int_equal(decode(bytes, part, LONG64, 0, &intel, &i), DECODE_TRUNCATED);
    }
}

static void test_decoder_mode_without_code_size_is_invalid(void **state) {
    struct insn i;
    (void)state;
    assert_int_equal(decode((const uint8_t *)"\x90", 1, 3, 0, &intel, &i), DECODE_INVALID);
}

/* Bytes may be anything: nothing but the record changes, and what is said of the length holds. */
static void test_decoder_random_bytes_keep_the_invariants(void **state) {
    static const unsigned modes[] = {REAL16, REAL32, VM86, PROT16, PROT32, COMPAT32, LONG64};
    static const struct decode_features *const features[] = {&none, &intel, &amd};
    uint64_t x = 88172645463325252ull;
    (void)state;

    for (unsigned n = 0; n < 700000; n++) {
        uint8_t bytes[16];
        struct insn i;
        for (unsigned k = 0; k < sizeof(bytes); k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            bytes[k] = (uint8_t)(x >> 40);
        }
        unsigned mode = modes[n % COUNT(modes)];
        enum decode_status status = decode(bytes, sizeof(bytes), mode, n & 0xFFF, features[n % COUNT(features)], &i);
        assert_int_not_equal(status, DECODE_TRUNCATED);
        assert_in_range(i.len, 1, 15);
        assert_int_equal(i.off, n & 0xFFF);
        assert_int_equal(status == DECODE_OK, i.id != INSN_INVALID);
        assert_true(i.id < INSN_COUNT && i.form < FORM_COUNT && i.size <= 6 && i.seg <= SEG_GS);
        if (status != DECODE_OK || i.id >= INSN_VEC_FIRST) continue;
        assert_true(i.size <= 4);
        assert_in_range(i.asize, 1, 3);
        bool number = i.id >= INSN_MOV_TO_SEG && i.id <= INSN_PUSH_SEG;
        bool control = i.id >= INSN_MOV_TO_CR && i.id <= INSN_MOV_FROM_DR;
        if (!number && !control) assert_true(i.reg <= REG_OFF(16) && i.rm <= REG_OFF(16) && i.vreg <= REG_OFF(16));
        assert_true(i.base <= REG_RIPBASE && (i.index <= REG_ZERO || i.index == REG_4GIB) && i.base % 8 == 0 &&
                    i.index % 8 == 0);
        if (i.flags & INSN_FLAT) assert_true((mode & MODE_CODE_MASK) == MODE_CODE64 && (i.flags & INSN_MEM));
    }
}

/* --- names and disassembly --- */

static void test_decoder_names_are_those_of_the_table(void **state) {
    (void)state;
    assert_string_equal(insn_name(INSN_ADD), "ADD");
    assert_string_equal(insn_name(INSN_MOV_TO_CR), "MOV_TO_CR");
    assert_string_equal(insn_name(INSN_INVALID), "INVALID");
    assert_string_equal(insn_name(INSN_COUNT), "INVALID");
    for (unsigned id = 0; id < INSN_COUNT; id++) assert_non_null(insn_name((enum insn_id)id));
}

static void check_disasm(const char *hex, unsigned mode, enum disasm_syntax syntax, unsigned len, const char *text) {
    uint8_t bytes[16];
    char out[64];
    size_t n = parse_hex(hex, bytes, sizeof(bytes));
    assert_int_equal(disasm(bytes, n, mode, 0x1000, syntax, out, sizeof(out)), len);
    assert_string_equal(out, text);
}

static void test_disasm_known_bytes_give_text_in_both_syntaxes(void **state) {
    (void)state;
    check_disasm("48 8B 03", LONG64, DISASM_INTEL, 3, "mov rax, qword ptr [rbx]");
    check_disasm("48 8B 03", LONG64, DISASM_ATT, 3, "movq (%rbx), %rax");
    check_disasm("EB FE", LONG64, DISASM_INTEL, 2, "jmp 0x1000");
    check_disasm("8B 07", REAL16, DISASM_INTEL, 2, "mov ax, word ptr [bx]");
    check_disasm("C3", PROT32, DISASM_INTEL, 1, "ret");
    check_disasm("0F 01 E8", LONG64, DISASM_INTEL, 3, "serialize"); /* unknown to Capstone 4 */
    check_disasm("FE F8", LONG64, DISASM_INTEL, 0, "(bad)");
}

static void test_disasm_small_buffer_is_cut_off(void **state) {
    char out[8] = "xxxxxxx";
    (void)state;
    assert_int_equal(disasm((const uint8_t *)"\x48\x8B\x03", 3, LONG64, 0, DISASM_INTEL, out, sizeof(out)), 3);
    assert_string_equal(out, "mov rax");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoder_operand_forms_have_exact_fields),
        cmocka_unit_test(test_decoder_memory_operands_have_exact_fields),
        cmocka_unit_test(test_decoder_operand_sizes_follow_mode_and_prefixes),
        cmocka_unit_test(test_decoder_branches_have_page_relative_targets),
        cmocka_unit_test(test_decoder_strings_have_size_segment_and_repeat),
        cmocka_unit_test(test_decoder_system_instructions_have_exact_fields),
        cmocka_unit_test(test_decoder_vex_integer_has_sources_in_their_places),
        cmocka_unit_test(test_decoder_amd_rules_differ_where_documented),
        cmocka_unit_test(test_decoder_missing_features_give_the_older_meaning),
        cmocka_unit_test(test_decoder_undefined_bytes_are_invalid),
        cmocka_unit_test(test_decoder_lock_on_illegal_forms_is_invalid),
        cmocka_unit_test(test_decoder_sixteen_bytes_are_too_long),
        cmocka_unit_test(test_decoder_proper_prefix_is_truncated),
        cmocka_unit_test(test_decoder_mode_without_code_size_is_invalid),
        cmocka_unit_test(test_decoder_random_bytes_keep_the_invariants),
        cmocka_unit_test(test_decoder_names_are_those_of_the_table),
        cmocka_unit_test(test_disasm_known_bytes_give_text_in_both_syntaxes),
        cmocka_unit_test(test_disasm_small_buffer_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
