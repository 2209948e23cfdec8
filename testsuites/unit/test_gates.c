/* Which exception each group of instructions gives for each combination of CR0.EM, MP, TS, CR4.OSFXSR, CR4.OSXSAVE and
 * XCR0. SDM 3 table "Action Taken for Combinations of OSFXSR, OSXMMEXCPT, SSE, SSE2, SSE3, EM, MP, and TS", table
 * "Effects of EM and TS on x87 instructions"; SDM 2 "Exception Conditions"; SDM 1 "XSAVE" operation. */
#include "sim/x87/image.h"
#include "xsave_world.h"

/* By EM, MP, TS (000, 001, ... 111), with what the operating system must enable enabled: - runs, N #NM, U #UD */
#define X87   "-N-NNNNN"
#define FWAIT "---N---N"
#define MMX   "-N-NUUUU"
#define TS    "-N-N-N-N"
#define FREE  "--------"

/* What must be enabled, else #UD */
enum { OSFXSR = 1, OSXSAVE = 2, XCR0_AVX = 4, XCR0_AVX512 = 8 };
#define VEX  (OSXSAVE | XCR0_AVX)
#define EVEX (VEX | XCR0_AVX512)

static const struct {
    const char *name, *outcome;
    uint8_t needs, len, code[8];
} rows[] = {
    {"FNINIT",       X87,   0,       2, {0xDB, 0xE3}                        },
    {"FLDCW",        X87,   0,       2, {0xD9, 0x2F}                        },
    {"FLD1",         X87,   0,       2, {0xD9, 0xE8}                        },
    {"FADD m32",     X87,   0,       2, {0xD8, 0x07}                        },
    {"FNSTSW AX",    X87,   0,       2, {0xDF, 0xE0}                        },
    {"FNSAVE",       X87,   0,       2, {0xDD, 0x37}                        },
    {"FWAIT",        FWAIT, 0,       1, {0x9B}                              },
    {"FXSAVE",       X87,   0,       3, {0x0F, 0xAE, 0x07}                  },
    {"FXRSTOR64",    X87,   0,       4, {0x48, 0x0F, 0xAE, 0x0F}            },
    {"PXOR mm",      MMX,   0,       3, {0x0F, 0xEF, 0xC1}                  },
    {"MOVQ mm, m64", MMX,   0,       3, {0x0F, 0x6F, 0x07}                  },
    {"EMMS",         MMX,   0,       2, {0x0F, 0x77}                        },
    {"XORPS",        MMX,   OSFXSR,  3, {0x0F, 0x57, 0xC1}                  },
    {"PXOR xmm",     MMX,   OSFXSR,  4, {0x66, 0x0F, 0xEF, 0xC1}            },
    {"ADDSD",        MMX,   OSFXSR,  4, {0xF2, 0x0F, 0x58, 0xC1}            },
    {"CVTPI2PS",     MMX,   OSFXSR,  3, {0x0F, 0x2A, 0xC1}                  },
    {"MOVNTPS",      MMX,   OSFXSR,  3, {0x0F, 0x2B, 0x07}                  },
    {"STMXCSR",      MMX,   OSFXSR,  3, {0x0F, 0xAE, 0x1F}                  },
    {"PMULLD",       MMX,   OSFXSR,  5, {0x66, 0x0F, 0x38, 0x40, 0xC1}      },
    {"VPXOR xmm",    TS,    VEX,     4, {0xC5, 0xF1, 0xEF, 0xC2}            },
    {"VXORPS ymm",   TS,    VEX,     4, {0xC5, 0xF4, 0x57, 0xC2}            },
    {"VADDSD",       TS,    VEX,     4, {0xC5, 0xF3, 0x58, 0xC2}            },
    {"VZEROUPPER",   TS,    VEX,     3, {0xC5, 0xF8, 0x77}                  },
    {"VSTMXCSR",     TS,    VEX,     4, {0xC5, 0xF8, 0xAE, 0x1F}            },
    {"VPXORD zmm",   TS,    EVEX,    6, {0x62, 0xF1, 0x75, 0x48, 0xEF, 0xC2}},
    {"VPXORD xmm",   TS,    EVEX,    6, {0x62, 0xF1, 0x75, 0x08, 0xEF, 0xC2}},
    {"VADDPS zmm",   TS,    EVEX,    6, {0x62, 0xF1, 0x74, 0x48, 0x58, 0xC2}},
    {"KXORW",        TS,    EVEX,    4, {0xC5, 0xF4, 0x47, 0xC2}            },
    {"KMOVW r32",    TS,    EVEX,    4, {0xC5, 0xF8, 0x92, 0xC8}            },
    {"XSAVE",        TS,    OSXSAVE, 3, {0x0F, 0xAE, 0x27}                  },
    {"XSAVEC64",     TS,    OSXSAVE, 4, {0x48, 0x0F, 0xC7, 0x27}            },
    {"XSAVES",       TS,    OSXSAVE, 3, {0x0F, 0xC7, 0x2F}                  },
    {"XRSTOR",       TS,    OSXSAVE, 3, {0x0F, 0xAE, 0x2F}                  },
    {"XGETBV",       FREE,  OSXSAVE, 3, {0x0F, 0x01, 0xD0}                  },
    {"PREFETCHT0",   FREE,  0,       3, {0x0F, 0x18, 0x0F}                  },
    {"SFENCE",       FREE,  0,       3, {0x0F, 0xAE, 0xF8}                  },
    {"CLFLUSH",      FREE,  0,       3, {0x0F, 0xAE, 0x3F}                  },
    {"MOVNTI",       FREE,  0,       3, {0x0F, 0xC3, 0x07}                  },
    {"CRC32",        FREE,  0,       5, {0xF2, 0x0F, 0x38, 0xF0, 0xC1}      },
    {"POPCNT",       FREE,  0,       4, {0xF3, 0x0F, 0xB8, 0xC1}            },
    {"ANDN",         FREE,  0,       5, {0xC4, 0xE2, 0x70, 0xF2, 0xC2}      },
};
#define ROWS (sizeof rows / sizeof rows[0])

static const uint8_t xcr0_values[] = {1, 3, 7, 0xE7};

static int expected(unsigned row, unsigned em_mp_ts, bool fxsr, bool xsave, uint8_t xcr0) {
    const unsigned needs = rows[row].needs;
    const char c = rows[row].outcome[em_mp_ts];
    if (((needs & OSFXSR) && !fxsr) || ((needs & OSXSAVE) && !xsave)) return VEC_UD;
    if (((needs & XCR0_AVX) && (~xcr0 & 6)) || ((needs & XCR0_AVX512) && (~xcr0 & 0xE6))) return VEC_UD;
    return c == 'U' ? VEC_UD : c == 'N' ? VEC_NM : -1;
}

/* `combination`: EM, MP, TS, OSFXSR, OSXSAVE, XCR0 */
static int outcome(struct cpu *cpu, unsigned row, unsigned combination) {
    enter_long(cpu);
    const unsigned em_mp_ts = combination & 7;
    cpu->ctl.cr4 = CR4_PAE | (combination & 8 ? CR4_OSFXSR : 0) | (combination & 16 ? CR4_OSXSAVE : 0);
    cpu->ctl.xcr0 = xcr0_values[combination >> 5];
    cr0_set(cpu,
            CR0_PE | CR0_PG | (em_mp_ts & 4 ? CR0_EM : 0) | (em_mp_ts & 2 ? CR0_MP : 0) | (em_mp_ts & 1 ? CR0_TS : 0));
    memset(area_of(cpu), 0, 4096);
    poke(cpu, AREA, 2, FCW_INIT);
    poke(cpu, AREA + 24, 4, MXCSR_INIT);
    x87_init(cpu);
    cpu->gpr[RCX] = 0;
    cpu->gpr[RDI] = AREA;
    set_mask(cpu, 1);
    return run_bytes(cpu, rows[row].code, rows[row].len);
}

static void test_gates_of_every_group_by_every_combination(void **state) {
    struct cpu *cpu = cpu_of(state);
    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned c = 0; c < 32 * sizeof xcr0_values; c++) {
            const int want = expected(row, c & 7, c & 8, c & 16, xcr0_values[c >> 5]), got = outcome(cpu, row, c);
            if (want != got)
                fail_msg("%s, EM MP TS %u%u%u OSFXSR %u OSXSAVE %u XCR0 %x: %d wanted, %d found", rows[row].name,
                         c >> 2 & 1, c >> 1 & 1, c & 1, c >> 3 & 1, c >> 4 & 1, xcr0_values[c >> 5], want, got);
        }
}

/* An unmasked SIMD floating-point exception: #XM, or #UD while CR4.OSXMMEXCPT is 0. */
static void test_gates_osxmmexcpt_decides_between_xm_and_ud(void **state) {
    static const struct {
        uint8_t len, code[6];
    } divisions[] = {
        {3, {0x0F, 0x5E, 0xC1}                  }, /* DIVPS xmm0, xmm1 */
        {4, {0xF2, 0x0F, 0x5E, 0xC1}            }, /* DIVSD */
        {4, {0xC5, 0xF4, 0x5E, 0xC1}            }, /* VDIVPS ymm0, ymm1, ymm1 */
        {6, {0x62, 0xF1, 0x74, 0x48, 0x5E, 0xC1}}, /* VDIVPS zmm0, zmm1, zmm1 */
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof divisions / sizeof divisions[0]; k++)
        for (unsigned enabled = 0; enabled < 2; enabled++) {
            enter_long(cpu);
            cpu->ctl.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXSAVE | (enabled ? CR4_OSXMMEXCPT : 0);
            cpu->ctl.xcr0 = 0xE7;
            cpu_update_mode(cpu);
            memset(cpu->vec.zmm, 0, sizeof cpu->vec.zmm);
            mxcsr_set(cpu, MXCSR_MASKS & ~(MXCSR_IM));
            assert_int_equal(run_bytes(cpu, divisions[k].code, divisions[k].len), enabled ? VEC_XM : VEC_UD);
            assert_int_equal(mxcsr_get(cpu) & MXCSR_FLAGS, MXCSR_IE);
            mxcsr_set(cpu, MXCSR_INIT);
            assert_int_equal(run_bytes(cpu, divisions[k].code, divisions[k].len), -1);
        }
}

/* The feature decides before the control bits: without it #UD, whatever they say. */
static void test_gates_without_the_feature_undefined(void **state) {
    static const struct {
        const char *spec;
        unsigned row_first, row_last;
    } absent[] = {
        {"max-intel,-vmx,-avx512f", 24, 28},
        {"max-intel,-vmx,-xsave",   29, 33},
    };
    (void)state;
    for (unsigned k = 0; k < sizeof absent / sizeof absent[0]; k++) {
        struct machine *m = xsave_machine(absent[k].spec);
        for (unsigned row = absent[k].row_first; row <= absent[k].row_last; row++)
            for (unsigned c = 0; c < 32 * sizeof xcr0_values; c++)
                if (outcome(m->cpu[0], row, c) != VEC_UD) fail_msg("%s runs without its feature", rows[row].name);
        machine_destroy(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_INTEL(test_gates_of_every_group_by_every_combination),
        TEST_AMD(test_gates_of_every_group_by_every_combination),
        TEST_INTEL(test_gates_osxmmexcpt_decides_between_xm_and_ud),
        cmocka_unit_test(test_gates_without_the_feature_undefined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
