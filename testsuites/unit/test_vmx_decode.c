/* Exit qualifications in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmx/vmx.h"

static void test_decode_qualification_gives_words(void **state) {
    static const struct {
        uint32_t reason;
        uint64_t qualification;
        const char *words;
    } cases[] = {
        {VMX_REASON_IO,            0x03F80000, "OUT port 03f8, 1 byte"                                  },
        {VMX_REASON_IO,            0x01F00039, "REP INS port 01f0, 2 bytes"                             },
        {VMX_REASON_CR_ACCESS,     0x103,      "MOV CR3, RCX (0x1234)"                                  },
        {VMX_REASON_CR_ACCESS,     0xB18,      "MOV R11, CR8"                                           },
        {VMX_REASON_CR_ACCESS,     0x20,       "CLTS"                                                   },
        {VMX_REASON_CR_ACCESS,     0x00010030, "LMSW 0001"                                              },
        {VMX_REASON_MOV_DR,        0x07,       "MOV DR7, RAX"                                           },
        {VMX_REASON_MOV_DR,        0x316,      "MOV RBX, DR6"                                           },
        {VMX_REASON_RDMSR,         0,          "MSR 1234"                                               },
        {VMX_REASON_WRMSR,         0,          "MSR 1234 <- 500000006"                                  },
        {VMX_REASON_EPT_VIOLATION, 0x19A,      "write, EPT allows rw-, of the address itself"           },
        {VMX_REASON_EPT_VIOLATION, 0x83,       "read+write, EPT allows ---, of a paging-structure entry"},
        {VMX_REASON_HLT,           0,          ""                                                       },
    };
    static struct cpu cpu; /* too large for a stack */
    char words[96];
    (void)state;
    cpu.gpr[RCX] = 0x1234;
    cpu.gpr[RDX] = 5;
    cpu.gpr[RAX] = 6;
    for (unsigned n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        const struct vmx_exit x = {.reason = cases[n].reason, .qualification = cases[n].qualification};
        vmx_decode_qualification(&cpu, &x, words, sizeof words);
        assert_string_equal(words, cases[n].words);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decode_qualification_gives_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
