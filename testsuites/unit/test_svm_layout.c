/* The VMCB's layout against the numbers of APM 2, appendix "Layout of VMCB", and the conversions of segments and
 * events. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "svm/svm.h"

static const struct {
    const char *name;
    size_t offset, size, expected_offset, expected_size;
} fields[] = {
#define ROW(member, offset, size)                                                                                      \
    { #member, offsetof(struct vmcb, member), sizeof(((struct vmcb *)0)->member), offset, size }
    ROW(control.intercept, 0x000, 24),
    ROW(control.pause_filter_threshold, 0x03C, 2),
    ROW(control.pause_filter_count, 0x03E, 2),
    ROW(control.iopm_base_pa, 0x040, 8),
    ROW(control.msrpm_base_pa, 0x048, 8),
    ROW(control.tsc_offset, 0x050, 8),
    ROW(control.guest_asid, 0x058, 4),
    ROW(control.tlb_control, 0x05C, 1),
    ROW(control.v_intr, 0x060, 8),
    ROW(control.interrupt_shadow, 0x068, 8),
    ROW(control.exitcode, 0x070, 8),
    ROW(control.exitinfo1, 0x078, 8),
    ROW(control.exitinfo2, 0x080, 8),
    ROW(control.exitintinfo, 0x088, 8),
    ROW(control.np_enable, 0x090, 8),
    ROW(control.avic_apic_bar, 0x098, 8),
    ROW(control.ghcb, 0x0A0, 8),
    ROW(control.eventinj, 0x0A8, 8),
    ROW(control.n_cr3, 0x0B0, 8),
    ROW(control.lbr_virt, 0x0B8, 8),
    ROW(control.clean, 0x0C0, 4),
    ROW(control.nrip, 0x0C8, 8),
    ROW(control.bytes_fetched, 0x0D0, 1),
    ROW(control.insn_bytes, 0x0D1, 15),
    ROW(control.avic_backing_page, 0x0E0, 8),
    ROW(control.avic_logical_table, 0x0F0, 8),
    ROW(control.avic_physical_table, 0x0F8, 8),
    ROW(control.vmsa, 0x108, 8),
    ROW(save.es, 0x400, 16),
    ROW(save.cs, 0x410, 16),
    ROW(save.ss, 0x420, 16),
    ROW(save.ds, 0x430, 16),
    ROW(save.fs, 0x440, 16),
    ROW(save.gs, 0x450, 16),
    ROW(save.gdtr, 0x460, 16),
    ROW(save.ldtr, 0x470, 16),
    ROW(save.idtr, 0x480, 16),
    ROW(save.tr, 0x490, 16),
    ROW(save.cpl, 0x4CB, 1),
    ROW(save.efer, 0x4D0, 8),
    ROW(save.cr4, 0x548, 8),
    ROW(save.cr3, 0x550, 8),
    ROW(save.cr0, 0x558, 8),
    ROW(save.dr7, 0x560, 8),
    ROW(save.dr6, 0x568, 8),
    ROW(save.rflags, 0x570, 8),
    ROW(save.rip, 0x578, 8),
    ROW(save.rsp, 0x5D8, 8),
    ROW(save.s_cet, 0x5E0, 8),
    ROW(save.ssp, 0x5E8, 8),
    ROW(save.isst_addr, 0x5F0, 8),
    ROW(save.rax, 0x5F8, 8),
    ROW(save.star, 0x600, 8),
    ROW(save.lstar, 0x608, 8),
    ROW(save.cstar, 0x610, 8),
    ROW(save.sfmask, 0x618, 8),
    ROW(save.kernel_gs_base, 0x620, 8),
    ROW(save.sysenter_cs, 0x628, 8),
    ROW(save.sysenter_esp, 0x630, 8),
    ROW(save.sysenter_eip, 0x638, 8),
    ROW(save.cr2, 0x640, 8),
    ROW(save.g_pat, 0x668, 8),
    ROW(save.dbgctl, 0x670, 8),
    ROW(save.br_from, 0x678, 8),
    ROW(save.br_to, 0x680, 8),
    ROW(save.lastexcp_from, 0x688, 8),
    ROW(save.lastexcp_to, 0x690, 8),
#undef ROW
};

static void test_vmcb_fields_have_the_manuals_offsets(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof fields / sizeof fields[0]; n++) {
        if (fields[n].offset != fields[n].expected_offset) fail_msg("%s is at %#zx", fields[n].name, fields[n].offset);
        if (fields[n].size != fields[n].expected_size) fail_msg("%s has %zu bytes", fields[n].name, fields[n].size);
    }
}

static void test_segment_of_64bit_code_keeps_all_attributes(void **state) {
    const struct vmcb_seg v = {.selector = 0x08, .attrib = 0xA9B, .limit = 0xFFFFFFFF, .base = 0};
    (void)state;
    struct seg s;
    svm_seg_load(&s, &v);
    assert_int_equal(s.ar, AR_P | AR_S | AR_CODE | AR_RW | AR_ACCESSED | AR_L | AR_G);
    struct vmcb_seg back;
    svm_seg_store(&back, &s);
    assert_int_equal(back.attrib, v.attrib);
    assert_int_equal(back.selector, v.selector);
    assert_int_equal(back.limit, v.limit);
}

static void test_segment_without_p_is_unusable_both_ways(void **state) {
    const struct vmcb_seg null = {.selector = 0, .attrib = 0, .limit = 0, .base = 0x1234};
    (void)state;
    struct seg s;
    struct vmcb_seg back;
    svm_seg_load(&s, &null);
    assert_true(s.ar & AR_UNUSABLE);
    assert_int_equal(s.base, 0x1234);
    s.ar |= AR_P; /* unusable wins */
    svm_seg_store(&back, &s);
    assert_false(back.attrib & VMCB_ATTRIB_P);
}

/* The moves and the table of clean bits speak of the same bytes. */
static void test_vmcb_copy_moves_what_the_clean_table_lists(void **state) {
    struct vmcb *from = test_malloc(sizeof *from), *to = test_calloc(1, sizeof *to);
    (void)state;
    memset(from, 0xA5, sizeof *from);
    svm_vmcb_copy(to, from);
    for (unsigned n = 0; n < sizeof *to; n++)
        if ((((const uint8_t *)to)[n] == 0xA5) != svm_vmcb_reads(n)) fail_msg("byte at offset %#x", n);
    test_free(from);
    test_free(to);
}

/* EVENTINJ and EXITINTINFO have one format: what was being delivered can be injected again. */
static void test_eventinj_of_each_type_survives_the_round_trip(void **state) {
    static const uint64_t injections[] = {
        EVENTINJ_V | 0x20,                                                              /* INTR */
        EVENTINJ_V | 2 << 8 | 2,                                                        /* NMI */
        EVENTINJ_V | 3 << 8 | 6,                                                        /* #UD */
        EVENTINJ_V | 3 << 8 | EVENTINJ_EV | 13 | 0x123ull << EVENTINJ_ERROR_SHIFT,      /* #GP(123h) */
        EVENTINJ_V | 3 << 8 | EVENTINJ_EV | 14 | 0x80000007ull << EVENTINJ_ERROR_SHIFT, /* #PF */
        EVENTINJ_V | 3 << 8 | 3,                                                        /* #BP */
        EVENTINJ_V | 4 << 8 | 0x80,                                                     /* INT 80h */
    };
    const struct svm_caps caps = {.features = SVM_FEATURE_NRIPS};
    struct svm *s = test_calloc(1, sizeof *s);
    (void)state;
    s->caps = &caps;
    for (size_t n = 0; n < sizeof injections / sizeof injections[0]; n++) {
        struct event ev = svm_event_from_inj(s, injections[n]);
        assert_true(ev.valid);
        assert_int_equal(svm_exitintinfo(&ev), injections[n]);
    }
    test_free(s);
}

static void test_eventinj_of_software_interrupt_returns_to_nrip(void **state) {
    const struct svm_caps with = {.features = SVM_FEATURE_NRIPS}, without = {.features = 0};
    struct svm *s = test_calloc(1, sizeof *s);
    (void)state;
    s->vmcb.save.rip = 0x1000;
    s->vmcb.control.nrip = 0x1002;
    s->caps = &with;
    assert_int_equal(svm_event_from_inj(s, EVENTINJ_V | 4 << 8 | 0x80).insn_len, 2);
    assert_int_equal(svm_event_from_inj(s, EVENTINJ_V | 3 << 8 | 3).insn_len, 2);
    assert_int_equal(svm_event_from_inj(s, EVENTINJ_V | 3 << 8 | 6).insn_len, 0); /* a fault */
    s->vmcb.control.nrip = 0x1800;                                                /* wherever */
    assert_int_equal(svm_event_from_inj(s, EVENTINJ_V | 4 << 8 | 0x80).insn_len, 0x800);
    s->vmcb.control.nrip = 0x800;
    assert_int_equal(svm_event_from_inj(s, EVENTINJ_V | 4 << 8 | 0x80).insn_len, -0x800);
    s->vmcb.control.nrip = 0; /* none given */
    assert_int_equal(svm_event_from_inj(s, EVENTINJ_V | 4 << 8 | 0x80).insn_len, 0);
    s->vmcb.control.nrip = 0x1002;
    s->caps = &without;
    assert_int_equal(svm_event_from_inj(s, EVENTINJ_V | 4 << 8 | 0x80).insn_len, 0);
    test_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vmcb_fields_have_the_manuals_offsets),
        cmocka_unit_test(test_segment_of_64bit_code_keeps_all_attributes),
        cmocka_unit_test(test_vmcb_copy_moves_what_the_clean_table_lists),
        cmocka_unit_test(test_segment_without_p_is_unusable_both_ways),
        cmocka_unit_test(test_eventinj_of_each_type_survives_the_round_trip),
        cmocka_unit_test(test_eventinj_of_software_interrupt_returns_to_nrip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
