/* VMRUN's consistency checks: a VMCB that breaks none, and for each rule one that breaks exactly it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sim/arch/svm.h"
#include "sim/arch/x86.h"
#include "svm/check.h"

#define PHYS_BITS 48

/* A 64-bit guest under nested paging on a processor with long mode. */
static struct svm_check_ctx base_ctx(void) {
    return (struct svm_check_ctx){
        .efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE,
        .cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG,
        .cr3 = 0x1000,
        .cr4 = CR4_PAE,
        .dr6 = 0xFFFF0FF0,
        .dr7 = 0x400,
        .g_pat = 0x0007040600070406,
        .cs_attrib = 0xA9B,
        .intercept_vmrun = 1,
        .guest_asid = 1,
        .iopm_base_pa = 0x10000,
        .msrpm_base_pa = 0x20000,
        .np_enable = 1,
        .n_cr3 = 0x2000,
        .host_cr0 = CR0_PE | CR0_PG,
        .cr4_valid = CR4_PAE | CR4_PSE | CR4_PGE,
        .efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME,
        .phys_bits = PHYS_BITS,
        .long_mode = 1,
        .flush_by_asid = 1,
    };
}

struct change {
    size_t offset;
    uint64_t value;
};
#define SET(member, value)                                                                                             \
    { offsetof(struct svm_check_ctx, member), value }
#define PAE_GUEST                                                                                                      \
    SET(efer, EFER_SVME), SET(cs_attrib, 0xC9B), SET(np_enable, 0), SET(cr3, 0x1000) /* with PDPTEs, no nested paging  \
                                                                                      */
#define INJ(type, vector) (EVENTINJ_V | (uint64_t)(type) << EVENTINJ_TYPE_SHIFT | (vector))

static const struct test_case {
    const char *id; /* the one rule that breaks; NULL: none does */
    const char *what;
    struct change change[6];
} cases[] = {
    {"svm.efer.svme",            "SVME clear",                                   {SET(efer, EFER_LME | EFER_LMA)}                                                                           },
    {"svm.cr0.cd-nw",            "NW without CD",                                {SET(cr0, CR0_PE | CR0_PG | CR0_NW)}                                                                       },
    {NULL,                       "NW with CD",                                   {SET(cr0, CR0_PE | CR0_PG | CR0_NW | CR0_CD)}                                                              },
    {NULL,                       "CD without NW",                                {SET(cr0, CR0_PE | CR0_PG | CR0_CD)}                                                                       },
    {"svm.cr0.high",             "CR0 bit 32",                                   {SET(cr0, CR0_PE | CR0_PG | 1ull << 32)}                                                                   },
    {"svm.cr0.high",             "CR0 bit 63",                                   {SET(cr0, CR0_PE | CR0_PG | 1ull << 63)}                                                                   },
    {"svm.cr3.mbz",              "CR3 bit 48 of a 48-bit processor",             {SET(cr3, 1ull << PHYS_BITS)}                                                                              },
    {"svm.cr3.mbz",              "CR3 bit 63",                                   {SET(cr3, 1ull << 63)}                                                                                     },
    {NULL,                       "CR3 bit 47",                                   {SET(cr3, 1ull << (PHYS_BITS - 1))}                                                                        },
    {"svm.cr3.mbz",
     "CR3 bit 63 outside long mode",                                             {SET(efer, EFER_SVME), SET(cs_attrib, 0xC9B), SET(cr3, 1ull << 63)}                                        },
    {"svm.cr4.mbz",              "CR4 bit 63",                                   {SET(cr4, CR4_PAE | 1ull << 63)}                                                                           },
    {"svm.cr4.mbz",              "a CR4 bit of a feature that is not there",     {SET(cr4, CR4_PAE | CR4_SMEP)}                                                                             },
    {"svm.cr4.cet-without-wp",
     "CET without WP",                                                           {SET(cr4, CR4_PAE | CR4_CET), SET(cr4_valid, CR4_PAE | CR4_CET), SET(cr0, CR0_PE | CR0_PG)}                },
    {NULL,                       "CET with WP",                                  {SET(cr4, CR4_PAE | CR4_CET), SET(cr4_valid, CR4_PAE | CR4_CET)}                                           },
    {"svm.cet.virtual-8086",
     "virtual-8086 mode with user shadow stacks",                                {SET(cr4, CR4_PAE | CR4_CET), SET(cr4_valid, CR4_PAE | CR4_CET), SET(u_cet_ss, 1), SET(rflags_vm, FLAG_VM)}},
    {NULL,
     "virtual-8086 mode without them",                                           {SET(cr4, CR4_PAE | CR4_CET), SET(cr4_valid, CR4_PAE | CR4_CET), SET(rflags_vm, FLAG_VM)}                  },
    {"svm.s-cet.mbz",            "S_CET bit 2",                                  {SET(s_cet, 7), SET(s_cet_valid, 3)}                                                                       },
    {NULL,                       "S_CET bits 1:0",                               {SET(s_cet, 3), SET(s_cet_valid, 3)}                                                                       },
    {"svm.dr6.high",             "DR6 bit 32",                                   {SET(dr6, 0xFFFF0FF0 | 1ull << 32)}                                                                        },
    {"svm.dr7.high",             "DR7 bit 32",                                   {SET(dr7, 0x400 | 1ull << 32)}                                                                             },
    {"svm.efer.mbz",             "EFER bit 9",                                   {SET(efer, EFER_SVME | EFER_LME | EFER_LMA | 1 << 9)}                                                      },
    {"svm.efer.mbz",             "EFER bit 63",                                  {SET(efer, EFER_SVME | EFER_LME | EFER_LMA | 1ull << 63)}                                                  },
    {"svm.efer.long-mode",       "LME without long mode in the processor",       {SET(long_mode, 0)}                                                                                        },
    {"svm.long.pae",             "long mode without PAE",                        {SET(cr4, 0)}                                                                                              },
    {"svm.long.pe",              "long mode without PE",                         {SET(cr0, CR0_PG)}                                                                                         },
    {NULL,                       "paged real mode",                              {SET(cr0, CR0_PG), SET(efer, EFER_SVME), SET(cs_attrib, 0x9B)}                                             },
    {NULL,                       "LME without paging",                           {SET(cr0, CR0_PE), SET(cr4, 0)}                                                                            },
    {"svm.long.cs-l-d",          "CS with L and D",                              {SET(cs_attrib, 0xE9B)}                                                                                    },
    {NULL,                       "CS with L and D outside long mode",            {SET(efer, EFER_SVME), SET(cs_attrib, 0xE9B)}                                                              },
    {"svm.intercept.vmrun",      "VMRUN not intercepted",                        {SET(intercept_vmrun, 0)}                                                                                  },
    {"svm.iopm.address",         "IOPM at the end",                              {SET(iopm_base_pa, (1ull << PHYS_BITS) - 0x2000)}                                                          },
    {"svm.iopm.address",         "IOPM beyond the end",                          {SET(iopm_base_pa, 1ull << 63)}                                                                            },
    {NULL,                       "last IOPM",                                    {SET(iopm_base_pa, (1ull << PHYS_BITS) - 0x3000)}                                                          },
    {NULL,                       "IOPM base with low bits",                      {SET(iopm_base_pa, (1ull << PHYS_BITS) - 0x3000 + 0xFFF)}                                                  },
    {"svm.msrpm.address",        "MSRPM at the end",                             {SET(msrpm_base_pa, (1ull << PHYS_BITS) - 0x1000)}                                                         },
    {NULL,                       "last MSRPM",                                   {SET(msrpm_base_pa, (1ull << PHYS_BITS) - 0x2000)}                                                         },
    {"svm.eventinj.type",        "type 1",                                       {SET(eventinj, INJ(1, 0x20))}                                                                              },
    {"svm.eventinj.type",        "type 5",                                       {SET(eventinj, INJ(5, 0x20))}                                                                              },
    {"svm.eventinj.type",        "type 6",                                       {SET(eventinj, INJ(6, 3))}                                                                                 },
    {"svm.eventinj.type",        "type 7",                                       {SET(eventinj, INJ(7, 0))}                                                                                 },
    {NULL,                       "type 7 without V",                             {SET(eventinj, 7 << EVENTINJ_TYPE_SHIFT)}                                                                  },
    {NULL,                       "interrupt",                                    {SET(eventinj, INJ(EVENTINJ_INTR, 0x20))}                                                                  },
    {NULL,                       "NMI",                                          {SET(eventinj, INJ(EVENTINJ_NMI, 2))}                                                                      },
    {NULL,                       "software interrupt",                           {SET(eventinj, INJ(EVENTINJ_SOFT_INT, 0x80))}                                                              },
    {NULL,                       "#GP",                                          {SET(eventinj, INJ(EVENTINJ_EXCEPTION, 13) | EVENTINJ_EV)}                                                 },
    {"svm.eventinj.vector",      "exception 2",                                  {SET(eventinj, INJ(EVENTINJ_EXCEPTION, 2))}                                                                },
    {"svm.eventinj.vector",      "exception 32",                                 {SET(eventinj, INJ(EVENTINJ_EXCEPTION, 32))}                                                               },
    {"svm.eventinj.vector",      "exception 15",                                 {SET(eventinj, INJ(EVENTINJ_EXCEPTION, 15))}                                                               },
    {"svm.asid.zero",            "ASID 0",                                       {SET(guest_asid, 0)}                                                                                       },
    {"svm.tlb-control.reserved", "TLB_CONTROL 2",                                {SET(tlb_control, 2)}                                                                                      },
    {"svm.tlb-control.reserved", "TLB_CONTROL 3 without FlushByAsid",            {SET(tlb_control, 3), SET(flush_by_asid, 0)}                                                               },
    {NULL,                       "TLB_CONTROL 7",                                {SET(tlb_control, 7)}                                                                                      },
    {"svm.np.host-paging",       "nested paging under a host without paging",    {SET(host_cr0, CR0_PE)}                                                                                    },
    {NULL,                       "no nested paging under a host without paging", {SET(host_cr0, CR0_PE), SET(np_enable, 0)}                                                                 },
    {"svm.np.n-cr3-mbz",         "N_CR3 bit 48",                                 {SET(n_cr3, 1ull << PHYS_BITS)}                                                                            },
    {NULL,                       "N_CR3 bit 48 without nested paging",           {SET(n_cr3, 1ull << PHYS_BITS), SET(np_enable, 0)}                                                         },
    {"svm.np.g-pat",             "PAT type 2",                                   {SET(g_pat, 0x0007040600070402)}                                                                           },
    {"svm.np.g-pat",             "reserved PAT bit",                             {SET(g_pat, 0x8007040600070406)}                                                                           },
    {NULL,                       "PAT type 3 without nested paging",             {SET(g_pat, 3), SET(np_enable, 0)}                                                                         },
    {"svm.pae.pdpe",             "reserved bit of a PDPE",                       {PAE_GUEST, SET(pdpte[2], 0x1 | 1ull << PHYS_BITS)}                                                        },
    {"svm.pae.pdpe",             "R/W bit of a PDPE",                            {PAE_GUEST, SET(pdpte[0], 0x3)}                                                                            },
    {NULL,                       "legal PDPEs",                                  {PAE_GUEST, SET(pdpte[0], 0x5001)}                                                                         },
};
#define CASES (sizeof cases / sizeof cases[0])

static struct svm_check_ctx changed(const struct test_case *t) {
    struct svm_check_ctx c = base_ctx();
    for (size_t n = 0; n < sizeof t->change / sizeof t->change[0]; n++)
        if (n == 0 || t->change[n].offset || t->change[n].value)
            *(uint64_t *)((char *)&c + t->change[n].offset) = t->change[n].value;
    return c;
}

static void test_check_of_valid_vmcb_passes(void **state) {
    struct svm_check_ctx c = base_ctx();
    (void)state;
    int first = svm_check_first(&c);
    if (first >= 0) fail_msg("%s is broken", svm_checks[first].id);
}

static void test_check_of_each_rule_breaks_alone(void **state) {
    (void)state;
    for (size_t n = 0; n < CASES; n++) {
        const struct test_case *t = &cases[n];
        struct svm_check_ctx c = changed(t);
        for (unsigned r = 0; r < svm_check_count; r++) {
            bool expected = t->id && !strcmp(t->id, svm_checks[r].id);
            if (svm_check_broken(&c, &svm_checks[r]) != expected)
                fail_msg("%s: %s is %s", t->what, svm_checks[r].id, expected ? "not broken" : "broken");
        }
    }
}

static bool has_case(const char *id) {
    for (size_t n = 0; n < CASES; n++)
        if (cases[n].id && !strcmp(cases[n].id, id)) return true;
    return false;
}

static void test_check_rows_all_have_a_case_and_text(void **state) {
    (void)state;
    for (unsigned r = 0; r < svm_check_count; r++) {
        const struct svm_check *row = &svm_checks[r];
        if (!has_case(row->id)) fail_msg("no case breaks %s", row->id);
        assert_non_null(row->section);
        assert_non_null(row->rule);
        assert_non_null(row->expected);
        assert_non_null(row->fields[0]);
        for (unsigned k = 0; k < r; k++) assert_string_not_equal(row->id, svm_checks[k].id);
    }
}

/* A report names every broken rule, with value and expectation. */
static void test_check_report_names_every_broken_rule(void **state) {
    struct svm_check_ctx c = base_ctx();
    char *text = NULL;
    size_t size;
    (void)state;
    c.efer &= ~(uint64_t)EFER_SVME;
    c.guest_asid = 0;
    c.cr4 = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    svm_check_explain(&c, out);
    fclose(out);
    static const char *const wanted[] = {
        "1. svm.efer.svme",
        "found     EFER = 0xd00\n     expected  bit 12 (SVME) set\n",
        "svm.asid.zero",
        "found     GUEST_ASID = 0\n     expected  1 or more\n",
        ". svm.long.pae",
        "found     CR4 = 0\n     with      EFER = 0xd00\n     with      CR0 = 0x80010031\n     expected  bit 5 (PAE) "
        "set\n",
        "see       APM 2, \"Canonicalization and Consistency Checks\"",
    };
    for (size_t n = 0; n < sizeof wanted / sizeof wanted[0]; n++)
        if (!strstr(text, wanted[n])) fail_msg("\"%s\" is not in the report:\n%s", wanted[n], text);
    assert_null(strstr(text, "svm.cr0"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_of_valid_vmcb_passes),
        cmocka_unit_test(test_check_of_each_rule_breaks_alone),
        cmocka_unit_test(test_check_rows_all_have_a_case_and_text),
        cmocka_unit_test(test_check_report_names_every_broken_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
