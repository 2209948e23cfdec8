/* The VMX capability MSRs. SDM 3, appendix "VMX Capability Reporting Facility". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/arch/x86.h"
#include "sim/core/system.h"
#include "vmx/caps.h"
#include "vmx/fields.h"
#include "vmx/layout.h"

static void caps_of(const char *spec, struct vmx_caps *caps) {
    char err[256];
    struct cpu_model *model = model_parse(spec, err, sizeof err);
    if (!model) fail_msg("%s: %s", spec, err);
    vmx_caps_init(caps, model);
    model_free(model);
}

static uint64_t msr(const struct vmx_caps *caps, uint32_t n) {
    uint64_t val = 0;
    if (!vmx_caps_msr(caps, n, &val)) fail_msg("MSR %xH does not exist", n);
    return val;
}

static void test_caps_basic_describes_the_region(void **state) {
    struct vmx_caps caps;
    (void)state;
    caps_of("max-intel", &caps);
    uint64_t basic = msr(&caps, VMX_MSR_BASIC);
    assert_int_equal(basic & 0x7FFFFFFF, VMCS_REVISION);
    assert_int_equal(basic >> 31 & 1, 0);
    assert_int_equal(basic >> 32 & 0x1FFF, VMCS_REGION_SIZE);
    assert_int_equal(basic >> 50 & 15, 6); /* write-back */
    assert_true(basic & VMX_BASIC_TRUE_CTLS);
}

/* "Reserved Controls and Default Settings": the first MSRs report every default1 bit; the TRUE ones free CR3 exiting
 * and debug controls. */
static void test_caps_default1_bits_are_freed_by_true_msrs_only(void **state) {
    struct vmx_caps caps;
    (void)state;
    caps_of("max-intel", &caps);
    assert_int_equal((uint32_t)msr(&caps, VMX_MSR_PINBASED), 0x16);
    assert_int_equal((uint32_t)msr(&caps, VMX_MSR_PROCBASED), 0x0401E172);
    assert_int_equal((uint32_t)msr(&caps, VMX_MSR_EXIT), 0x00036DFF);
    assert_int_equal((uint32_t)msr(&caps, VMX_MSR_ENTRY), 0x000011FF);
    assert_int_equal((uint32_t)msr(&caps, VMX_MSR_TRUE_PINBASED), 0x16);
    assert_int_equal((uint32_t)msr(&caps, VMX_MSR_TRUE_PROCBASED), 0x04006172);
    assert_int_equal((uint32_t)msr(&caps, VMX_MSR_TRUE_EXIT), 0x00036DFB);
    assert_int_equal((uint32_t)msr(&caps, VMX_MSR_TRUE_ENTRY), 0x000011FB);
}

static void test_caps_must_be_1_is_within_may_be_1(void **state) {
    struct vmx_caps caps;
    (void)state;
    caps_of("max-intel", &caps);
    for (uint32_t n = VMX_MSR_PINBASED; n <= VMX_MSR_ENTRY; n++) {
        uint64_t v = msr(&caps, n);
        assert_int_equal((uint32_t)v & ~(uint32_t)(v >> 32), 0);
    }
}

/* A control that is not implemented is never offered. */
static void test_caps_unavailable_controls_are_not_allowed(void **state) {
    struct vmx_caps caps;
    (void)state;
    caps_of("max-intel", &caps);
    for (unsigned i = 0; i < vmx_control_count; i++) {
        const struct vmx_control_row *r = &vmx_control_rows[i];
        if (r->available) continue;
        if (caps.ctl[r->group].may >> r->bit & 1) fail_msg("\"%s\" is offered and not implemented", r->name);
    }
}

static void test_caps_control_without_its_feature_is_not_allowed(void **state) {
    struct vmx_caps with, without;
    (void)state;
    caps_of("max-intel", &with);
    caps_of("max-intel,-invpcid,-rdtscp,-rdrand", &without);
    const uint32_t bits = VMX_PROC2_ENABLE_INVPCID | VMX_PROC2_ENABLE_RDTSCP | VMX_PROC2_RDRAND_EXITING;
    assert_int_equal(with.ctl[VMX_PROC2].may & bits, bits);
    assert_int_equal(without.ctl[VMX_PROC2].may & bits, 0);
}

static void test_caps_fixed_bits_follow_the_features(void **state) {
    struct vmx_caps caps;
    (void)state;
    caps_of("max-intel,-pcid", &caps);
    assert_int_equal(msr(&caps, VMX_MSR_CR0_FIXED0), CR0_PE | CR0_NE | CR0_PG);
    assert_int_equal(msr(&caps, VMX_MSR_CR0_FIXED1), 0xFFFFFFFF);
    assert_int_equal(msr(&caps, VMX_MSR_CR4_FIXED0), CR4_VMXE);
    assert_true(msr(&caps, VMX_MSR_CR4_FIXED1) & CR4_PAE);
    assert_false(msr(&caps, VMX_MSR_CR4_FIXED1) & CR4_PCIDE);
}

static void test_caps_vmcs_enum_is_the_highest_index(void **state) {
    struct vmx_caps caps;
    uint64_t highest = 0;
    (void)state;
    caps_of("max-intel", &caps);
    for (unsigned i = 0; i < F_COUNT; i++) {
        const struct vmcs_field_row *r = &vmcs_field_rows[i];
        if (vmx_can(&caps, (enum vmx_group)r->need_group, r->need) && VMCS_ENC_INDEX(r->encoding) > highest)
            highest = VMCS_ENC_INDEX(r->encoding);
    }
    assert_int_equal(msr(&caps, VMX_MSR_VMCS_ENUM), highest << 1);
}

static void test_caps_limits_take_controls_and_their_msrs_away(void **state) {
    struct vmx_caps caps;
    char err[256];
    uint64_t val;
    struct vmx_limits limits = {.remove = {[VMX_PROC2] = ~0u}, .remove_ept_vpid = ~0ull};
    struct cpu_model *model = model_parse("max-intel", err, sizeof err);
    (void)state;
    assert_non_null(model);
    model->virt_caps = &limits;
    vmx_caps_init(&caps, model);
    model->virt_caps = NULL;
    model_free(model);
    assert_false(vmx_caps_msr(&caps, VMX_MSR_PROCBASED2, &val));
    assert_false(vmx_caps_msr(&caps, VMX_MSR_EPT_VPID_CAP, &val));
    assert_false(vmx_caps_msr(&caps, VMX_MSR_VMFUNC, &val));
    assert_false(caps.ctl[VMX_PROC].may & VMX_PROC_SECONDARY_CONTROLS);
}

static void test_caps_of_an_old_model_lack_what_came_later(void **state) {
    struct vmx_caps caps;
    (void)state;
    caps_of("nehalem", &caps);
    assert_true(caps.ctl[VMX_PROC2].may & VMX_PROC2_ENABLE_EPT);
    assert_true(caps.ctl[VMX_PROC2].may & VMX_PROC2_ENABLE_VPID);
    assert_false(caps.ctl[VMX_PROC2].may & VMX_PROC2_UNRESTRICTED_GUEST);
    assert_false(msr(&caps, VMX_MSR_EPT_VPID_CAP) & VMX_EPT_AD);
    assert_false(msr(&caps, VMX_MSR_MISC) & VMX_MISC_WRITE_ANY_FIELD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caps_basic_describes_the_region),
        cmocka_unit_test(test_caps_default1_bits_are_freed_by_true_msrs_only),
        cmocka_unit_test(test_caps_must_be_1_is_within_may_be_1),
        cmocka_unit_test(test_caps_unavailable_controls_are_not_allowed),
        cmocka_unit_test(test_caps_control_without_its_feature_is_not_allowed),
        cmocka_unit_test(test_caps_fixed_bits_follow_the_features),
        cmocka_unit_test(test_caps_vmcs_enum_is_the_highest_index),
        cmocka_unit_test(test_caps_of_an_old_model_lack_what_came_later),
        cmocka_unit_test(test_caps_limits_take_controls_and_their_msrs_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
