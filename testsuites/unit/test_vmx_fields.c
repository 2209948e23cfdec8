/* The table of VMCS fields against the rules of SDM 3, appendix "Field Encoding in VMCS". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/core/system.h"
#include "vmx/fields.h"
#include "vmx/layout.h"

static void test_fields_encoding_matches_width_and_kind(void **state) {
    (void)state;
    for (unsigned i = 0; i < F_COUNT; i++) {
        const struct vmcs_field_row *r = &vmcs_field_rows[i];
        if (VMCS_ENC_WIDTH(r->encoding) != r->width || VMCS_ENC_TYPE(r->encoding) != r->kind)
            fail_msg("%s: encoding %04XH says width %d kind %d, the row %u and %u", r->name, r->encoding,
                     VMCS_ENC_WIDTH(r->encoding), VMCS_ENC_TYPE(r->encoding), r->width, r->kind);
        assert_int_equal(r->encoding & VMCS_ENC_HIGH, 0);
        assert_int_equal(r->encoding & VMCS_ENC_RESERVED, 0);
    }
}

/* Storage order is that of the encodings within each width: segment fields of one kind are neighbours, which loading
 * relies on. */
static void test_fields_order_keeps_segments_together(void **state) {
    static const struct {
        unsigned first, first_encoding, count;
    } runs[] = {
        {F_GUEST_ES_SELECTOR, VMCS_GUEST_ES_SELECTOR, 8 },
        {F_GUEST_ES_LIMIT,    VMCS_GUEST_ES_LIMIT,    10},
        {F_GUEST_ES_ACCESS,   VMCS_GUEST_ES_ACCESS,   8 },
        {F_GUEST_ES_BASE,     VMCS_GUEST_ES_BASE,     10},
        {F_GUEST_PDPTE0,      VMCS_GUEST_PDPTE0,      4 },
        {F_CR3_TARGET0,       VMCS_CR3_TARGET0,       4 },
    };
    (void)state;
    for (unsigned n = 0; n < sizeof runs / sizeof runs[0]; n++)
        for (unsigned i = 0; i < runs[n].count; i++)
            assert_int_equal(vmcs_field_rows[runs[n].first + i].encoding, runs[n].first_encoding + 2 * i);
}

static void test_fields_encodings_are_unique(void **state) {
    (void)state;
    for (unsigned i = 0; i < F_COUNT; i++)
        for (unsigned j = i + 1; j < F_COUNT; j++)
            if (vmcs_field_rows[i].encoding == vmcs_field_rows[j].encoding)
                fail_msg("%s and %s share %04XH", vmcs_field_rows[i].name, vmcs_field_rows[j].name,
                         vmcs_field_rows[i].encoding);
}

static void max_caps(struct vmx_caps *caps) {
    char err[256];
    struct cpu_model *model = model_parse("max-intel", err, sizeof err);
    assert_non_null(model);
    vmx_caps_init(caps, model);
    model_free(model);
}

/* Every encoding that there can be is found when its control may be 1 and only then. */
static void test_fields_lookup_finds_exactly_the_supported(void **state) {
    struct vmx_caps caps;
    struct vmcs_field_map map;
    (void)state;
    max_caps(&caps);
    vmcs_field_map_init(&map, &caps);
    for (uint32_t encoding = 0; encoding < 0x10000; encoding++) {
        unsigned want = F_NONE;
        for (unsigned i = 0; i < F_COUNT; i++) {
            const struct vmcs_field_row *r = &vmcs_field_rows[i];
            if (r->encoding == (encoding & ~1u) && vmx_can(&caps, (enum vmx_group)r->need_group, r->need)) want = i;
        }
        if (vmcs_field_find(&map, encoding) != want)
            fail_msg("encoding %04XH: found %u, expected %u", encoding, vmcs_field_find(&map, encoding), want);
    }
}

static void test_fields_lookup_with_high_bits_finds_none(void **state) {
    struct vmx_caps caps;
    struct vmcs_field_map map;
    (void)state;
    max_caps(&caps);
    vmcs_field_map_init(&map, &caps);
    assert_int_equal(vmcs_field_find(&map, VMCS_GUEST_CR0), F_GUEST_CR0);
    for (unsigned b = 16; b < 64; b++) assert_int_equal(vmcs_field_find(&map, VMCS_GUEST_CR0 | 1ull << b), F_NONE);
    assert_int_equal(vmcs_field_find(&map, VMCS_GUEST_CR0 | 1u << 12), F_NONE);
    assert_int_equal(vmcs_field_find(&map, VMCS_GUEST_CR0 | 1u << 15), F_NONE);
}

static void test_fields_without_capability_do_not_exist(void **state) {
    struct vmx_caps caps;
    struct vmcs_field_map map;
    (void)state;
    max_caps(&caps);
    caps.ctl[VMX_PROC2].may &= ~(uint32_t)(VMX_PROC2_ENABLE_EPT | VMX_PROC2_ENABLE_VPID);
    vmcs_field_map_init(&map, &caps);
    assert_int_equal(vmcs_field_find(&map, VMCS_EPTP), F_NONE);
    assert_int_equal(vmcs_field_find(&map, VMCS_VPID), F_NONE);
    assert_int_equal(vmcs_field_find(&map, VMCS_GUEST_PDPTE0), F_NONE);
    assert_int_equal(vmcs_field_find(&map, VMCS_GUEST_RIP), F_GUEST_RIP);
}

/* The numbers of the manual, for fields that are easily mistaken */
static void test_fields_well_known_encodings_are_those_of_the_manual(void **state) {
    (void)state;
    assert_int_equal(VMCS_VPID, 0x0000);
    assert_int_equal(VMCS_HOST_TR_SELECTOR, 0x0C0C);
    assert_int_equal(VMCS_EPTP, 0x201A);
    assert_int_equal(VMCS_TSC_MULTIPLIER, 0x2032);
    assert_int_equal(VMCS_GUEST_PHYSICAL_ADDRESS, 0x2400);
    assert_int_equal(VMCS_HOST_IA32_EFER, 0x2C02);
    assert_int_equal(VMCS_PROC2_CONTROLS, 0x401E);
    assert_int_equal(VMCS_EXIT_REASON, 0x4402);
    assert_int_equal(VMCS_GUEST_INTERRUPTIBILITY, 0x4824);
    assert_int_equal(VMCS_PREEMPTION_TIMER_VALUE, 0x482E);
    assert_int_equal(VMCS_GUEST_LINEAR_ADDRESS, 0x640A);
    assert_int_equal(VMCS_GUEST_RIP, 0x681E);
    assert_int_equal(VMCS_GUEST_PENDING_DEBUG, 0x6822);
    assert_int_equal(VMCS_HOST_RIP, 0x6C16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_encoding_matches_width_and_kind),
        cmocka_unit_test(test_fields_order_keeps_segments_together),
        cmocka_unit_test(test_fields_encodings_are_unique),
        cmocka_unit_test(test_fields_lookup_finds_exactly_the_supported),
        cmocka_unit_test(test_fields_lookup_with_high_bits_finds_none),
        cmocka_unit_test(test_fields_without_capability_do_not_exist),
        cmocka_unit_test(test_fields_well_known_encodings_are_those_of_the_manual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
