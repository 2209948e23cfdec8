/* Faults of the XSAVE family and by protection keys. */
#include "xsave_world.h"

/* ---- faults ---- */

static void test_xsave_misaligned_area_raises_gp(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    for (unsigned op = OP_XSAVE; op <= OP_XRSTORS; op++)
        for (unsigned off = 1; off < 64; off <<= 1) {
            fill_area(cpu, FILL);
            assert_int_equal(run_op_at(cpu, op, false, 0, AREA + off), VEC_GP);
            assert_written(cpu, 0, 4096, false);
        }
    assert_int_equal(run_op_at(cpu, OP_XSAVE, false, 0, 0x8000000000000000), VEC_GP);
}

/* The components' own alignment is nobody's business; a misaligned area is #GP even so. */
static void test_xsave_with_alignment_checks_only_the_area_counts(void **state) {
    static const enum op ops[] = {OP_XSAVE, OP_XSAVEOPT, OP_XSAVEC, OP_XRSTOR};
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < 4; k++)
        for (unsigned off = 0; off < 2; off++) {
            enter_protected(cpu, 3);
            cpu->ctl.xcr0 = USER_ALL;
            cpu->ctl.cr0 |= CR0_AM;
            cpu->rflags |= FLAG_AC;
            cpu_update_mode(cpu);
            fill_state(cpu);
            fill_area(cpu, 0);
            put_header(cpu, 0x2A0, 1ull << 63 | 0x2A0);
            assert_int_equal(run_op_at(cpu, ops[k], false, 0x2A1, AREA + 4 * off), off ? VEC_GP : -1);
        }
}

/* The area ends where its last requested component ends, and behind the header at least. */
static void test_xsave_segment_limit_holds_for_what_is_accessed(void **state) {
    static const uint8_t by_ss[] = {0x36, 0x0F, 0xAE, 0x27}; /* xsave ss:[edi] */
    static const struct {
        uint32_t limit;
        uint64_t mask;
        bool ok;
    } rows[] = {
        {AREA + 575,  3,     true },
        {AREA + 574,  3,     false},
        {AREA + 574,  0,     false},
        {AREA + 703,  7,     true }, /* YMM_Hi128 of eight registers */
        {AREA + 702,  7,     false},
        {AREA + 702,  3,     true },
        {AREA + 2695, 0x201, true },
        {AREA + 2694, 0x201, false},
    };
    struct cpu *cpu = cpu_of(state);
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        enter_protected(cpu, 0);
        cpu->ctl.xcr0 = USER_ALL;
        fill_area(cpu, FILL);
        cpu->seg[SEG_DS].limit = rows[k].limit;
        assert_int_equal(run_op(cpu, OP_XSAVE, rows[k].mask), rows[k].ok ? -1 : VEC_GP);
        if (!rows[k].ok) assert_written(cpu, 0, 4096, false);
        put_header(cpu, rows[k].mask, 0);
        poke(cpu, AREA + 24, 4, 0x1F80);
        assert_int_equal(run_op(cpu, OP_XRSTOR, rows[k].mask), rows[k].ok ? -1 : VEC_GP);
    }
    enter_protected(cpu, 0);
    set_mask(cpu, 1);
    cpu->gpr[RDI] = 0xFFFFFE00; /* wraps */
    assert_int_equal(run_bytes(cpu, op_bytes[OP_XSAVE], 3), VEC_GP);
    assert_int_equal(run_bytes(cpu, by_ss, sizeof by_ss), VEC_SS);
}

#define HIGH 0x400000u /* two pages of 4 KiB here; the second one is not present */
static void map_high(struct cpu *cpu) {
    poke(cpu, 0x3000 + 8 * (HIGH >> 21), 8, 0x4000 | 7);
    poke(cpu, 0x4000, 8, HIGH | 7);
    poke(cpu, 0x4008, 8, 0);
    tlb_flush_all(cpu);
}

/* Nothing is written when a later part of the area faults; parts that are not asked for may lie in absent pages. */
static void test_xsave_page_fault_comes_before_the_first_write(void **state) {
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    map_high(cpu);
    cpu->ctl.xcr0 = USER_ALL;
    fill_state(cpu);
    const uint64_t at = HIGH + 4096 - 1152; /* opmask is the last component in the first page */
    static const enum op ops[] = {OP_XSAVE, OP_XSAVEOPT, OP_XSAVEC, OP_XSAVES};
    for (unsigned k = 0; k < 4; k++) {
        memset(cpu->machine->ram + HIGH, FILL, 8192);
        assert_int_equal(run_op_at(cpu, ops[k], false, ALL, at), VEC_PF);
        assert_int_equal(cpu->ctl.cr2 & ~0xFFFull, HIGH + 4096);
        assert_int_equal(peek(cpu, cpu->gpr[RSP] - 48, 8), 2);
        for (unsigned b = 0; b < 8192; b++) assert_int_equal(cpu->machine->ram[HIGH + b], FILL);
        assert_int_equal(run_op_at(cpu, ops[k], false, 0x27, at), -1);
    }
    memset(cpu->machine->ram + HIGH, 0, 4096);
    poke(cpu, at + 24, 4, 0x1F80);
    poke(cpu, at + 512, 8, USER_ALL);
    const struct vec_regs before = cpu->vec;
    assert_int_equal(run_op_at(cpu, OP_XRSTOR, false, ALL, at), VEC_PF);
    assert_memory_equal(before.zmm, cpu->vec.zmm, sizeof before.zmm);
    assert_int_equal(run_op_at(cpu, OP_XRSTOR, false, 0x27, at), -1);
    assert_int_equal(run_op_at(cpu, OP_XRSTOR, false, ALL, HIGH + 4096 - 512), VEC_PF); /* the header */
    assert_int_equal(cpu->ctl.cr2, HIGH + 4096);
}

/* ---- PKRU ---- */

/* RDPKRU, WRPKRU and XRSTOR: the rights change at once, for user pages at any privilege level. SDM 3 "Protection Keys"
 */
static void test_xsave_pkru_decides_about_the_next_access(void **state) {
    static const uint8_t rdpkru[] = {0x0F, 0x01, 0xEE}, wrpkru[] = {0x0F, 0x01, 0xEF};
    static const uint8_t load[] = {0x48, 0x8B, 0x06}, store[] = {0x48, 0x89, 0x06}; /* mov rax, [rsi]; mov [rsi], rax */
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    map_high(cpu);
    poke(cpu, 0x4000, 8, HIGH | 7 | 3ull << 59); /* key 3 */
    cpu->ctl.cr0 |= CR0_WP;
    cpu->ctl.xcr0 = USER_ALL;
    cpu->gpr[RCX] = 0;
    assert_int_equal(run_bytes(cpu, rdpkru, 3), VEC_UD);
    assert_int_equal(run_bytes(cpu, wrpkru, 3), VEC_UD);
    cr4_write(cpu, cpu->ctl.cr4 | CR4_PKE);
    cpu->gpr[RSI] = HIGH;
    fill_area(cpu, 0);
    poke(cpu, AREA + 24, 4, 0x1F80);
    poke(cpu, AREA + 512, 8, 0x200);
    for (unsigned rights = 0; rights < 4; rights++)
        for (unsigned by_xrstor = 0; by_xrstor < 2; by_xrstor++) {
            cpu->ctl.pkru = 0;
            cpu_update_mode(cpu);
            assert_int_equal(run_bytes(cpu, load, 3), -1);
            assert_int_equal(run_bytes(cpu, store, 3), -1);
            poke(cpu, AREA + 2688, 4, rights << 6);
            if (by_xrstor) assert_int_equal(run_op(cpu, OP_XRSTOR, 0x200), -1);
            set_mask(cpu, rights << 6);
            if (!by_xrstor) assert_int_equal(run_bytes(cpu, wrpkru, 3), -1);
            assert_int_equal(run_bytes(cpu, load, 3), rights & 1 ? VEC_PF : -1);
            if (rights & 1) assert_int_equal(peek(cpu, cpu->gpr[RSP] - 48, 8), 0x21); /* P, PK */
            assert_int_equal(run_bytes(cpu, store, 3), rights ? VEC_PF : -1);
            if (rights) assert_int_equal(peek(cpu, cpu->gpr[RSP] - 48, 8), 0x23);
            cpu->gpr[RAX] = cpu->gpr[RDX] = ~0ull;
            assert_int_equal(run_bytes(cpu, rdpkru, 3), -1);
            assert_int_equal(cpu->gpr[RAX], rights << 6);
            assert_int_equal(cpu->gpr[RDX], 0);
        }
    cpu->gpr[RCX] = 1;
    assert_int_equal(run_bytes(cpu, rdpkru, 3), VEC_GP);
    set_mask(cpu, 0);
    assert_int_equal(run_bytes(cpu, wrpkru, 3), VEC_GP);
    cpu->gpr[RCX] = 0;
    set_mask(cpu, 1ull << 32);
    assert_int_equal(run_bytes(cpu, wrpkru, 3), VEC_GP);
    cpu->gpr[RCX] = cpu->gpr[RDX] = 0xFFFFFFFF00000000; /* the upper halves are ignored */
    assert_int_equal(run_bytes(cpu, wrpkru, 3), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_INTEL(test_xsave_misaligned_area_raises_gp),
        TEST_INTEL(test_xsave_with_alignment_checks_only_the_area_counts),
        TEST_INTEL(test_xsave_segment_limit_holds_for_what_is_accessed),
        TEST_INTEL(test_xsave_page_fault_comes_before_the_first_write),
        TEST_INTEL(test_xsave_pkru_decides_about_the_next_access),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
