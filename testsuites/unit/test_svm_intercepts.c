/* The table of intercepts agrees with itself, with the core's intercept points and with the manual's numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "svm/intercepts.h"
#include "svm/svm.h"

/* APM 2, appendix "SVM Intercept Exit Codes" */
static const struct {
    uint64_t code;
    const char *name;
} names[] = {
    {0x00,  "CR0_READ"         },
    {0x08,  "CR8_READ"         },
    {0x10,  "CR0_WRITE"        },
    {0x18,  "CR8_WRITE"        },
    {0x21,  "DR1_READ"         },
    {0x37,  "DR7_WRITE"        },
    {0x40,  "EXCP0 #DE"        },
    {0x4E,  "EXCP14 #PF"       },
    {0x60,  "INTR"             },
    {0x61,  "NMI"              },
    {0x62,  "SMI"              },
    {0x63,  "INIT"             },
    {0x64,  "VINTR"            },
    {0x65,  "CR0_SEL_WRITE"    },
    {0x66,  "IDTR_READ"        },
    {0x67,  "GDTR_READ"        },
    {0x68,  "LDTR_READ"        },
    {0x69,  "TR_READ"          },
    {0x6A,  "IDTR_WRITE"       },
    {0x6B,  "GDTR_WRITE"       },
    {0x6C,  "LDTR_WRITE"       },
    {0x6D,  "TR_WRITE"         },
    {0x6E,  "RDTSC"            },
    {0x6F,  "RDPMC"            },
    {0x70,  "PUSHF"            },
    {0x71,  "POPF"             },
    {0x72,  "CPUID"            },
    {0x73,  "RSM"              },
    {0x74,  "IRET"             },
    {0x75,  "SWINT"            },
    {0x76,  "INVD"             },
    {0x77,  "PAUSE"            },
    {0x78,  "HLT"              },
    {0x79,  "INVLPG"           },
    {0x7A,  "INVLPGA"          },
    {0x7B,  "IOIO"             },
    {0x7C,  "MSR"              },
    {0x7D,  "TASK_SWITCH"      },
    {0x7E,  "FERR_FREEZE"      },
    {0x7F,  "SHUTDOWN"         },
    {0x80,  "VMRUN"            },
    {0x81,  "VMMCALL"          },
    {0x82,  "VMLOAD"           },
    {0x83,  "VMSAVE"           },
    {0x84,  "STGI"             },
    {0x85,  "CLGI"             },
    {0x86,  "SKINIT"           },
    {0x87,  "RDTSCP"           },
    {0x88,  "ICEBP"            },
    {0x89,  "WBINVD"           },
    {0x8A,  "MONITOR"          },
    {0x8B,  "MWAIT"            },
    {0x8C,  "MWAIT_CONDITIONAL"},
    {0x8D,  "XSETBV"           },
    {0x8E,  "RDPRU"            },
    {0x8F,  "EFER_WRITE_TRAP"  },
    {0x90,  "CR0_WRITE_TRAP"   },
    {0x9F,  "CR15_WRITE_TRAP"  },
    {0xA2,  "INVPCID"          },
    {0x400, "NPF"              },
    {~0ull, "INVALID"          },
};

static void test_exit_code_names_are_the_manuals(void **state) {
    char buf[24];
    (void)state;
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
        assert_string_equal(svm_exit_name(names[n].code, buf), names[n].name);
    assert_string_equal(svm_exit_name(0x3FF, buf), "0x3ff");
}

static void test_table_rows_ascend_without_overlap(void **state) {
    (void)state;
    for (unsigned n = 1; n < svm_intercept_row_count; n++)
        if (svm_intercept_rows[n].code < svm_intercept_rows[n - 1].code + svm_intercept_rows[n - 1].count)
            fail_msg("%s overlaps the row before it", svm_intercept_rows[n].name);
}

static void test_table_codes_below_400h_are_bits_of_the_vectors(void **state) {
    (void)state;
    for (unsigned n = 0; n < svm_intercept_row_count; n++) {
        const struct svm_intercept_row *r = &svm_intercept_rows[n];
        if (r->code != VMEXIT_NPF) assert_true(r->code + r->count <= VMCB_INTERCEPT_WORDS * 32);
        assert_ptr_equal(svm_intercept_row(r->code), r);
        assert_ptr_equal(svm_intercept_row(r->code + r->count - 1u), r);
    }
    assert_null(svm_intercept_row(0x1FF));
    assert_null(svm_intercept_row(VMEXIT_INVALID));
}

/* Every intercept point of the core leads to a row that says the same of its stage; RDPID, RDRAND, RDSEED and XSAVES
 * can't be intercepted. */
static void test_points_agree_with_rows(void **state) {
    (void)state;
    for (unsigned p = ICEPT_NONE + 1; p < ICEPT_COUNT; p++) {
        const struct svm_point *point = &svm_points[p];
        if (p == ICEPT_RDPID || p == ICEPT_RDRAND || p == ICEPT_RDSEED || p == ICEPT_XSAVES) {
            assert_true(!point->code && !point->handler);
            continue;
        }
        const struct svm_intercept_row *r = svm_intercept_row(point->code);
        if (!r || (!point->code && !point->handler)) fail_msg("intercept point %u leads nowhere", p);
        if (r->when != point->when) fail_msg("%s: row and point disagree when it is tested", r->name);
    }
}

static void test_rows_of_instructions_are_reached_from_their_point(void **state) {
    (void)state;
    for (unsigned n = 0; n < svm_intercept_row_count; n++) {
        const struct svm_intercept_row *r = &svm_intercept_rows[n];
        if (r->point == ICEPT_NONE) continue;
        const struct svm_point *point = &svm_points[r->point];
        if (!point->handler && point->code != r->code) fail_msg("%s is not reached", r->name);
        assert_int_equal(r->when, point->when);
    }
}

/* APM 2, table "Instruction Intercepts" */
static void test_rows_say_which_intercepts_precede_exceptions(void **state) {
    static const uint16_t before[] = {VMEXIT_PUSHF, VMEXIT_POPF,  VMEXIT_CPUID, VMEXIT_RSM,    VMEXIT_IRET,
                                      VMEXIT_SWINT, VMEXIT_PAUSE, VMEXIT_ICEBP, VMEXIT_XSETBV, VMEXIT_VMMCALL};
    (void)state;
    for (unsigned n = 0; n < svm_intercept_row_count; n++) {
        bool expected = false;
        for (unsigned k = 0; k < sizeof before / sizeof before[0]; k++)
            expected |= svm_intercept_rows[n].code == before[k];
        if ((svm_intercept_rows[n].when == SVM_BEFORE_EXCEPTIONS) != expected)
            fail_msg("%s", svm_intercept_rows[n].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_code_names_are_the_manuals),
        cmocka_unit_test(test_table_rows_ascend_without_overlap),
        cmocka_unit_test(test_table_codes_below_400h_are_bits_of_the_vectors),
        cmocka_unit_test(test_points_agree_with_rows),
        cmocka_unit_test(test_rows_of_instructions_are_reached_from_their_point),
        cmocka_unit_test(test_rows_say_which_intercepts_precede_exceptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
