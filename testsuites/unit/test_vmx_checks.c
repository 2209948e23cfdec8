/* The entry checks: a valid VMCS passes; for every rule a case breaks exactly that rule; no rule is without a case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/arch/x86.h"
#include "sim/core/cpu.h"
#include "sim/core/system.h"
#include "vmx/check.h"
#include "vmx/layout.h"

#define PHYS_BITS    46
#define PHYS_LIMIT   (1ull << PHYS_BITS)
#define CURRENT_VMCS 0xD000

enum preset {
    P_GUEST32 = 1,      /* a 32-bit guest */
    P_VM86 = 2,         /* a virtual-8086 guest */
    P_HOST32 = 4,       /* a 32-bit host with a 32-bit guest */
    P_UNRESTRICTED = 8, /* "unrestricted guest" */
    P_PAE = 16,         /* PAE paging in the 32-bit guest */
    P_NO_EPT = 32,
    P_NO_AD = 64, /* no accessed and dirty flags for EPT */
    P_SMM = 128,
    P_CPL3 = 256,
    P_POSTED = 512, /* posted interrupts with virtual-interrupt delivery */
};

enum op { OP_SET, OP_OR, OP_CLR, OP_LMA, OP_VTPR, OP_LINK, OP_PDPTE };
struct step {
    uint8_t op, field;
    uint64_t value;
};
struct check_case {
    const char *id;
    unsigned presets;
    const char *implied;
    struct step steps[4];
    unsigned count;
};

#define SET(fld, v)                                                                                                    \
    { OP_SET, F_##fld, (uint64_t)(v) }
#define OR(fld, v)                                                                                                     \
    { OP_OR, F_##fld, (uint32_t)(v) | ((uint64_t)(v) >> 32 << 32) }
#define CLR(fld, v)                                                                                                    \
    { OP_CLR, F_##fld, (uint32_t)(v) }
#define INJECT(type, vector, bits)                                                                                     \
    { OP_SET, F_ENTRY_INTERRUPTION_INFO, VMX_INFO_VALID | (uint32_t)(type) << 8 | (vector) | (uint32_t)(bits) }
#define LMA(v)                                                                                                         \
    { OP_LMA, 0, (v) }
#define VTPR(v)                                                                                                        \
    { OP_VTPR, 0, (v) }
#define LINK(v)                                                                                                        \
    { OP_LINK, 0, (v) }
#define PDPTE(n, v)                                                                                                    \
    { OP_PDPTE, (n), (v) }
#define CASE(name, pre, imp, ...)                                                                                      \
    {.id = name,                                                                                                       \
     .presets = (pre),                                                                                                 \
     .implied = imp,                                                                                                   \
     .steps = {__VA_ARGS__},                                                                                           \
     .count = sizeof((struct step[]){__VA_ARGS__}) / sizeof(struct step)},
static const struct check_case cases[] = {
#include "testsuites/unit/vmx_check_cases.inc"
};
#define CASES (sizeof cases / sizeof cases[0])

struct bench {
    struct vmx_caps caps;
    uint64_t f[F_COUNT];
    struct check_ctx c;
};

/* ---- the valid VMCS ---- */

static void set_caps(struct vmx_caps *caps) {
    char err[256];
    struct cpu_model *model = model_parse("max-intel,+shstk,+ibt", err, sizeof err);
    assert_non_null(model);
    vmx_caps_init(caps, model);
    model_free(model);
    /* rules about controls that this processor does not offer are tested with one that does */
    caps->ctl[VMX_PROC2].may |= VMX_PROC2_APIC_REGISTER_VIRTUALIZATION | VMX_PROC2_VIRTUAL_INTERRUPT_DELIVERY;
    caps->ctl[VMX_EXIT].may |= VMX_EXIT_LOAD_PERF_GLOBAL_CTRL;
    caps->ctl[VMX_ENTRY].may |= VMX_ENTRY_LOAD_PERF_GLOBAL_CTRL;
    caps->perf_global_valid = 0x70000000Full;
    caps->phys_bits = PHYS_BITS;
    caps->lin_bits = 48;
}

static void set_controls(uint64_t *f, const struct vmx_caps *caps) {
    f[F_PIN_CONTROLS] = caps->ctl[VMX_PIN].must | VMX_PIN_EXTERNAL_INTERRUPT_EXITING | VMX_PIN_NMI_EXITING |
                        VMX_PIN_VIRTUAL_NMIS | VMX_PIN_PREEMPTION_TIMER;
    f[F_PROC_CONTROLS] = caps->ctl[VMX_PROC].must | VMX_PROC_TPR_SHADOW | VMX_PROC_IO_BITMAPS | VMX_PROC_MSR_BITMAPS |
                         (uint32_t)VMX_PROC_SECONDARY_CONTROLS;
    f[F_PROC2_CONTROLS] = VMX_PROC2_ENABLE_EPT | VMX_PROC2_ENABLE_VPID | VMX_PROC2_VIRTUALIZE_APIC_ACCESSES |
                          VMX_PROC2_ENABLE_VM_FUNCTIONS;
    f[F_EXIT_CONTROLS] = caps->ctl[VMX_EXIT].must | VMX_EXIT_HOST_ADDRESS_SPACE_SIZE | VMX_EXIT_LOAD_PAT |
                         VMX_EXIT_LOAD_EFER | VMX_EXIT_SAVE_PREEMPTION_TIMER | VMX_EXIT_LOAD_PKRS |
                         VMX_EXIT_LOAD_PERF_GLOBAL_CTRL | VMX_EXIT_LOAD_CET_STATE;
    f[F_ENTRY_CONTROLS] = caps->ctl[VMX_ENTRY].must | VMX_ENTRY_LOAD_DEBUG_CONTROLS | VMX_ENTRY_IA32E_MODE_GUEST |
                          VMX_ENTRY_LOAD_PAT | VMX_ENTRY_LOAD_EFER | VMX_ENTRY_LOAD_PKRS |
                          VMX_ENTRY_LOAD_PERF_GLOBAL_CTRL | VMX_ENTRY_LOAD_CET_STATE;
    f[F_VPID] = 1;
    f[F_IO_BITMAP_A] = 0x1000;
    f[F_IO_BITMAP_B] = 0x2000;
    f[F_MSR_BITMAP] = 0x3000;
    f[F_VIRTUAL_APIC_ADDR] = 0x4000;
    f[F_APIC_ACCESS_ADDR] = 0x5000;
    f[F_EPTP_LIST_ADDR] = 0x6000;
    f[F_VM_FUNCTION_CONTROLS] = VMX_VMFUNC_EPTP_SWITCHING;
    f[F_EPTP] = 0x7000 | 6 | 3 << EPTP_WALK_SHIFT;
    f[F_EXIT_MSR_STORE_ADDR] = f[F_EXIT_MSR_LOAD_ADDR] = f[F_ENTRY_MSR_LOAD_ADDR] = 0x9000;
}

static void set_host(uint64_t *f) {
    f[F_HOST_CR0] = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    f[F_HOST_CR3] = 0xA000;
    f[F_HOST_CR4] = CR4_PAE | CR4_VMXE;
    f[F_HOST_CS_SELECTOR] = 0x08;
    for (unsigned n = F_HOST_ES_SELECTOR; n <= F_HOST_GS_SELECTOR; n++)
        if (n != F_HOST_CS_SELECTOR) f[n] = 0x10;
    f[F_HOST_TR_SELECTOR] = 0x18;
    f[F_HOST_IA32_PAT] = 0x0007040600070406;
    f[F_HOST_IA32_EFER] = EFER_LMA | EFER_LME | EFER_NXE;
    f[F_HOST_RIP] = 0x400000;
}

static void set_guest(uint64_t *f) {
    f[F_GUEST_CR0] = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    f[F_GUEST_CR3] = 0xB000;
    f[F_GUEST_CR4] = CR4_PAE | CR4_VMXE;
    f[F_GUEST_DR7] = 0x400;
    f[F_GUEST_IA32_PAT] = 0x0007040600070406;
    f[F_GUEST_IA32_EFER] = EFER_LMA | EFER_LME;
    f[F_GUEST_RFLAGS] = FLAG_FIXED | FLAG_IF;
    f[F_GUEST_RIP] = 0x100000;
    f[F_VMCS_LINK_POINTER] = ~0ull;
    for (unsigned s = SEG_ES; s <= SEG_GS; s++) {
        f[F_GUEST_ES_SELECTOR + s] = s == SEG_CS ? 0x08 : 0x10;
        f[F_GUEST_ES_LIMIT + s] = 0xFFFFFFFF;
        f[F_GUEST_ES_ACCESS + s] = s == SEG_CS ? 0xA09B : 0xC093;
    }
    f[F_GUEST_LDTR_SELECTOR] = 0x20;
    f[F_GUEST_LDTR_LIMIT] = 0xFF0;
    f[F_GUEST_LDTR_ACCESS] = 0x82;
    f[F_GUEST_TR_SELECTOR] = 0x18;
    f[F_GUEST_TR_LIMIT] = 0x67;
    f[F_GUEST_TR_ACCESS] = 0x8B;
}

static void preset_guest32(uint64_t *f) {
    f[F_ENTRY_CONTROLS] &= ~(uint64_t)VMX_ENTRY_IA32E_MODE_GUEST;
    f[F_GUEST_IA32_EFER] = 0;
    f[F_GUEST_CR4] = CR4_VMXE;
    f[F_GUEST_CS_ACCESS] = 0xC09B;
}

static void preset_vm86(uint64_t *f) {
    preset_guest32(f);
    f[F_GUEST_CR4] |= CR4_PAE; /* so that the case of guest.rflags.vm breaks no paging rule */
    f[F_GUEST_RFLAGS] |= FLAG_VM;
    f[F_GUEST_RIP] = 0x1000;
    for (unsigned s = SEG_ES; s <= SEG_GS; s++) {
        f[F_GUEST_ES_SELECTOR + s] = 0x200;
        f[F_GUEST_ES_BASE + s] = 0x2000;
        f[F_GUEST_ES_LIMIT + s] = 0xFFFF;
        f[F_GUEST_ES_ACCESS + s] = 0xF3;
    }
}

static void preset_cpl3(uint64_t *f) {
    for (unsigned s = SEG_ES; s <= SEG_GS; s++) {
        f[F_GUEST_ES_SELECTOR + s] |= 3;
        f[F_GUEST_ES_ACCESS + s] |= AR_DPL;
    }
}

static void prepare(struct bench *b, unsigned presets) {
    memset(b, 0, sizeof *b);
    set_caps(&b->caps);
    set_controls(b->f, &b->caps);
    set_host(b->f);
    set_guest(b->f);
    b->c = (struct check_ctx){.f = b->f,
                              .caps = &b->caps,
                              .lma = true,
                              .has_memory = true,
                              .link_revision = VMCS_REVISION,
                              .current = CURRENT_VMCS};
    if (presets & (P_GUEST32 | P_HOST32)) preset_guest32(b->f);
    if (presets & P_VM86) preset_vm86(b->f);
    if (presets & P_PAE) b->f[F_GUEST_CR4] |= CR4_PAE;
    if (presets & P_HOST32) {
        b->f[F_EXIT_CONTROLS] &= ~(uint64_t)VMX_EXIT_HOST_ADDRESS_SPACE_SIZE;
        b->f[F_HOST_IA32_EFER] = 0;
        b->c.lma = false;
    }
    if (presets & P_UNRESTRICTED) b->f[F_PROC2_CONTROLS] |= VMX_PROC2_UNRESTRICTED_GUEST;
    if (presets & P_NO_EPT) {
        b->f[F_PROC2_CONTROLS] &= ~(uint64_t)VMX_PROC2_ENABLE_EPT;
        b->f[F_VM_FUNCTION_CONTROLS] = 0;
    }
    if (presets & P_NO_AD) b->caps.ept_vpid &= ~VMX_EPT_AD;
    if (presets & P_SMM) b->c.smm = true;
    if (presets & P_CPL3) preset_cpl3(b->f);
    if (presets & P_POSTED) {
        b->f[F_PIN_CONTROLS] |= VMX_PIN_POSTED_INTERRUPTS;
        b->f[F_PROC2_CONTROLS] |= VMX_PROC2_VIRTUAL_INTERRUPT_DELIVERY;
        b->f[F_EXIT_CONTROLS] |= VMX_EXIT_ACK_INTERRUPT_ON_EXIT;
        b->f[F_POSTED_VECTOR] = 0xF0;
        b->f[F_POSTED_DESCRIPTOR] = 0xC040;
    }
    check_ctx_controls(&b->c);
}

static void apply(struct bench *b, const struct step *s) {
    switch (s->op) {
    case OP_SET:
        b->f[s->field] = s->value;
        break;
    case OP_OR:
        b->f[s->field] |= s->value;
        break;
    case OP_CLR:
        b->f[s->field] &= ~s->value;
        break;
    case OP_LMA:
        b->c.lma = s->value;
        break;
    case OP_VTPR:
        b->c.vtpr = (uint8_t)s->value;
        break;
    case OP_LINK:
        b->c.link_revision = (uint32_t)s->value;
        break;
    case OP_PDPTE:
        b->c.pdpte[s->field] = s->value;
        break;
    }
    check_ctx_controls(&b->c);
}

/* ---- what is broken ---- */

static bool listed(const char *list, const char *id) {
    size_t len = strlen(id);
    for (const char *p = list; (p = strstr(p, id)) != NULL; p += len)
        if ((p == list || p[-1] == ',') && (p[len] == 0 || p[len] == ',')) return true;
    return false;
}

static unsigned list_length(const char *list) {
    unsigned n = *list != 0;
    for (; *list; list++) n += *list == ',';
    return n;
}

static void expect_broken(const struct bench *b, const char *id, const char *implied) {
    unsigned found = 0;
    for (unsigned n = 0; n < vmx_check_count(); n++) {
        const struct vmx_check *r = vmx_check_row(n);
        if (!vmx_check_broken(&b->c, r)) continue;
        if ((!id || strcmp(r->id, id) != 0) && !listed(implied, r->id))
            fail_msg("case %s: also breaks %s", id ? id : "(none)", r->id);
        found++;
    }
    unsigned want = (id != NULL) + list_length(implied);
    if (found != want) fail_msg("case %s: %u rules broken, expected %u", id ? id : "(none)", found, want);
}

/* ---- tests ---- */

static void test_checks_valid_vmcs_breaks_none(void **state) {
    static const unsigned presets[] = {0,
                                       P_GUEST32,
                                       P_VM86,
                                       P_HOST32,
                                       P_UNRESTRICTED,
                                       P_GUEST32 | P_UNRESTRICTED,
                                       P_PAE | P_GUEST32,
                                       P_PAE | P_GUEST32 | P_NO_EPT,
                                       P_NO_AD,
                                       P_POSTED,
                                       P_SMM,
                                       P_CPL3};
    struct bench b;
    (void)state;
    for (unsigned n = 0; n < sizeof presets / sizeof presets[0]; n++) {
        prepare(&b, presets[n]);
        expect_broken(&b, NULL, "");
    }
}

static void test_checks_each_case_breaks_exactly_its_rule(void **state) {
    struct bench b;
    (void)state;
    for (unsigned n = 0; n < CASES; n++) {
        prepare(&b, cases[n].presets);
        for (unsigned s = 0; s < cases[n].count; s++) apply(&b, &cases[n].steps[s]);
        expect_broken(&b, cases[n].id, cases[n].implied);
    }
}

static void test_checks_every_rule_has_a_case(void **state) {
    unsigned missing = 0;
    (void)state;
    for (unsigned n = 0; n < vmx_check_count(); n++) {
        bool found = false;
        for (unsigned i = 0; i < CASES && !found; i++) found = strcmp(cases[i].id, vmx_check_row(n)->id) == 0;
        if (found) continue;
        print_error("no case for %s\n", vmx_check_row(n)->id);
        missing++;
    }
    assert_int_equal(missing, 0);
}

static void test_checks_ids_are_unique(void **state) {
    (void)state;
    for (unsigned i = 0; i < vmx_check_count(); i++)
        for (unsigned j = i + 1; j < vmx_check_count(); j++)
            if (strcmp(vmx_check_row(i)->id, vmx_check_row(j)->id) == 0)
                fail_msg("two rules are called %s", vmx_check_row(i)->id);
}

static void test_checks_groups_follow_the_manual(void **state) {
    (void)state;
    for (unsigned i = 1; i < vmx_check_count(); i++)
        assert_true(vmx_check_row(i)->group >= vmx_check_row(i - 1)->group);
}

static uint64_t next_random(uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static const struct vmx_check *first_by_order(const struct check_ctx *c) {
    for (unsigned n = 0; n < vmx_check_count(); n++)
        if (vmx_check_broken(c, vmx_check_row(n))) return vmx_check_row(n);
    return NULL;
}

/* What a VM entry does: groups that held and had no field of theirs written are trusted. The verdict must be that of a
 * full check, which it is only if every row names all the fields that it reads. */
static void test_checks_repeated_after_a_write_find_what_a_full_check_finds(void **state) {
    struct bench b;
    struct check_index index;
    uint16_t groups_of[F_COUNT];
    uint64_t seed = 0x9E3779B97F4A7C15ull;
    static const unsigned presets[] = {0, P_GUEST32, P_VM86, P_HOST32, P_UNRESTRICTED, P_PAE | P_GUEST32, P_CPL3};
    (void)state;
    vmx_check_index_init(&index);
    vmx_check_dependencies(groups_of);
    for (unsigned n = 0; n < 100000; n++) {
        if (n % 1000 == 0) prepare(&b, presets[n / 1000 % (sizeof presets / sizeof presets[0])]);
        unsigned field = (unsigned)(next_random(&seed) % F_COUNT);
        uint64_t old = b.f[field], r = next_random(&seed);
        uint64_t mask = vmcs_width_mask(vmcs_field_rows[field].width);
        b.f[field] = (r & 1 ? old ^ 1ull << (r >> 1) % 64 : next_random(&seed)) & mask;
        check_ctx_controls(&b.c);
        uint32_t dirty = b.f[field] == old ? 0 : groups_of[field];
        const struct vmx_check *quick = vmx_check_first(&index, &b.c, dirty, vmx_check_live(&index, &b.c)),
                               *full = first_by_order(&b.c);
        if (quick != full)
            fail_msg("after %s was written: %s, a full check says %s", vmcs_field_rows[field].name,
                     quick ? quick->id : "none", full ? full->id : "none");
        if (full) b.f[field] = old; /* back to a valid one */
        check_ctx_controls(&b.c);
    }
}

static bool reads(const struct vmx_check *r, unsigned field) {
    for (const uint8_t *fl = r->fields; *fl != F_NONE; fl++)
        if (*fl == field) return true;
    return false;
}

/* Flip every bit of every field that a row does not name: its verdict must stay. */
static void expect_indifferent(struct bench *b, const struct vmx_check *r) {
    bool broken = vmx_check_broken(&b->c, r);
    for (unsigned field = 0; field < F_COUNT; field++) {
        uint64_t mask = vmcs_width_mask(vmcs_field_rows[field].width), old = b->f[field];
        if (reads(r, field)) continue;
        for (unsigned bit = 0; bit < 64 && mask >> bit; bit++) {
            b->f[field] = old ^ 1ull << bit;
            check_ctx_controls(&b->c);
            if (vmx_check_broken(&b->c, r) != broken)
                fail_msg("%s reads %s (bit %u) and does not say so", r->id, vmcs_field_rows[field].name, bit);
        }
        b->f[field] = old;
        check_ctx_controls(&b->c);
    }
}

static void test_checks_rows_read_only_the_fields_they_name(void **state) {
    struct bench b;
    (void)state;
    for (unsigned n = 0; n < CASES; n++) {
        for (unsigned row = 0; row < vmx_check_count(); row++) {
            const struct vmx_check *r = vmx_check_row(row);
            if (strcmp(r->id, cases[n].id) != 0) continue;
            prepare(&b, cases[n].presets);
            expect_indifferent(&b, r);
            for (unsigned s = 0; s < cases[n].count; s++) apply(&b, &cases[n].steps[s]);
            expect_indifferent(&b, r);
        }
    }
}

static const struct vmx_check *row_of(const char *id) {
    for (unsigned n = 0; n < vmx_check_count(); n++)
        if (!strcmp(vmx_check_row(n)->id, id)) return vmx_check_row(n);
    fail_msg("no rule %s", id);
    return NULL;
}

/* The text of an explanation follows "expected". */
static void test_checks_explanations_of_eptp_say_what_is_expected(void **state) {
    static const char *const says[][2] = {
        {"ctl.eptp.memory-type", "bits 2:0 to be 0 (UC) or 6 (WB)\n"},
        {"ctl.eptp.walk-length", "bits 5:3 to be 3 (4 levels)"      },
        {"ctl.eptp.reserved",    "bits 11:7 and bits 63:"           },
    };
    struct bench b;
    char text[512];
    (void)state;
    prepare(&b, 0);
    b.f[F_EPTP] = 0xF8B; /* memory type 3, 2 levels, reserved bits */
    for (unsigned n = 0; n < sizeof says / sizeof says[0]; n++) {
        const struct vmx_check *r = row_of(says[n][0]);
        assert_true(vmx_check_broken(&b.c, r));
        r->explain(&b.c, text, sizeof text);
        if (strncmp(text, says[n][1], strlen(says[n][1])) != 0) fail_msg("%s: '%s'", r->id, text);
        assert_non_null(strstr(text, "decoded   memory type 3, page-walk length 2"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks_valid_vmcs_breaks_none),
        cmocka_unit_test(test_checks_each_case_breaks_exactly_its_rule),
        cmocka_unit_test(test_checks_every_rule_has_a_case),
        cmocka_unit_test(test_checks_ids_are_unique),
        cmocka_unit_test(test_checks_groups_follow_the_manual),
        cmocka_unit_test(test_checks_rows_read_only_the_fields_they_name),
        cmocka_unit_test(test_checks_repeated_after_a_write_find_what_a_full_check_finds),
        cmocka_unit_test(test_checks_explanations_of_eptp_say_what_is_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
