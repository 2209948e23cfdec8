/* The transcendental instructions of x87 by portable code: the same bits on every host. */
#include "core_world.h"
#include "sim/fp/f80.h"
#include "sim/core/run.h"
#include "testsuites/unit/fp_random.h"

enum { T_F2XM1, T_FSIN, T_FCOS, T_FPTAN, T_FYL2X, T_FYL2XP1, T_FPATAN, T_COUNT };

/* d = f(x), f(y, x); through the operations that the instructions use */
static struct f80 compute(struct fpu_regs *f, unsigned op, const struct f80 *x, const struct f80 *y) {
    struct f80 d = *x, pushed = {0};
    switch (op) {
    case T_F2XM1:
        f80_f2xm1(f, &d, x);
        break;
    case T_FSIN:
        f80_fsin(f, &d, x);
        break;
    case T_FCOS:
        f80_fcos(f, &d, x);
        break;
    case T_FPTAN:
        f80_fptan(f, &d, &pushed, x);
        break;
    case T_FYL2X:
        f80_fyl2x(f, &d, x, y);
        break;
    case T_FYL2XP1:
        f80_fyl2xp1(f, &d, x, y);
        break;
    case T_FPATAN:
        f80_fpatan(f, &d, x, y);
        break;
    default:
        break;
    }
    return d;
}

/* Nearest values, computed with 180 decimal digits and a pi of 66 bits; whether they are greater than the exact ones.
 */
// clang-format off
static const struct {
    unsigned op;
    struct f80 x, y, result;
    bool up;
} known[] = {
    {T_F2XM1,      {.se = 0xBFF3, .sig = 0xADE47DDEBDE5C099}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0xBFF2, .sig = 0xF109DE39F3624918}, true},
    {T_F2XM1,      {.se = 0xBFFB, .sig = 0xEB9086FF076CE2EF}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0xBFFB, .sig = 0x9CF10941EEACF113}, true},
    {T_F2XM1,      {.se = 0x3FF2, .sig = 0x86A3209CA6233255}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0x3FF1, .sig = 0xBAA7B5EFE8D45815}, false},
    {T_F2XM1,      {.se = 0xBFF0, .sig = 0xAF96ECBF1CFB10F6}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0xBFEF, .sig = 0xF36A4F380FE7C3D1}, true},
    {T_FSIN,       {.se = 0x4010, .sig = 0xB0BCACE73F1F65A8}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0xBFFE, .sig = 0xD3B16C914C711098}, false},
    {T_FSIN,       {.se = 0xBFF8, .sig = 0x9FEA11AC92EDCF45}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0xBFF8, .sig = 0x9FE96B469B951706}, true},
    {T_FSIN,       {.se = 0x400C, .sig = 0xB43E4B36377B9AA2}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0xBFFD, .sig = 0xB1DBB529358332D4}, true},
    {T_FSIN,       {.se = 0x3FFA, .sig = 0xEF08E64EEA959C21}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0x3FFA, .sig = 0xEEE62BF9A448616F}, false},
    {T_FCOS,       {.se = 0xC013, .sig = 0xE186C5BB28DBD25E}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0x3FFC, .sig = 0xC7B2740AF88C5E9C}, false},
    {T_FCOS,       {.se = 0xBFFF, .sig = 0xCF18348E238642EA}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0xBFFA, .sig = 0xC0F8F273512A8484}, true},
    {T_FCOS,       {.se = 0xC017, .sig = 0x90ED44BC206F5C66}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0xBFFE, .sig = 0x8AFC1C6F8C5810F7}, false},
    {T_FCOS,       {.se = 0x3FFB, .sig = 0xE3051E55359EEEFB}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0x3FFE, .sig = 0xFE6DC55923336B38}, true},
    {T_FPTAN,      {.se = 0x3FFA, .sig = 0x954F5D06DF561D80}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0x3FFA, .sig = 0x95604D7F88BBBE14}, false},
    {T_FPTAN,      {.se = 0x3FFF, .sig = 0x99753494F6236BF2}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0x4000, .sig = 0xA413EFDAB39F148D}, true},
    {T_FPTAN,      {.se = 0xBFFB, .sig = 0xF871E6CB2E81D66D}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0xBFFB, .sig = 0xF9ABBEC9004FBCD2}, true},
    {T_FPTAN,      {.se = 0xBFFB, .sig = 0xFB88474BF770C226}, {.se = 0x0000, .sig = 0x0000000000000000}, {.se = 0xBFFB, .sig = 0xFCCE044E03F0EC74}, false},
    {T_FYL2X,      {.se = 0x3FFD, .sig = 0x82C2D00E4C7D6DF0}, {.se = 0x4002, .sig = 0xF7C80DC92A7C1880}, {.se = 0xC003, .sig = 0xF3F791BC532A1FB9}, true},
    {T_FYL2X,      {.se = 0x3FDE, .sig = 0xAA7A353410ACFF00}, {.se = 0x4008, .sig = 0x806EDBA6960D5A8F}, {.se = 0xC00D, .sig = 0x82C987F6A2A42793}, true},
    {T_FYL2X,      {.se = 0x4048, .sig = 0xAB40345CB52A43AB}, {.se = 0x3FFE, .sig = 0xE8C5334D5AF84E6B}, {.se = 0x4005, .sig = 0x8583FA3E2BB80598}, false},
    {T_FYL2X,      {.se = 0x4016, .sig = 0xA86BE89FB2489191}, {.se = 0x4004, .sig = 0xDA32992978F845F5}, {.se = 0x4009, .sig = 0x9F878008E8714807}, true},
    {T_FYL2XP1,    {.se = 0x3FE2, .sig = 0xFCD00FF4419521FE}, {.se = 0xBFF5, .sig = 0xDFF94880F3001CEE}, {.se = 0xBFDA, .sig = 0x9F8D2A1EC3256007}, false},
    {T_FYL2XP1,    {.se = 0x3FFC, .sig = 0x82500974677FD139}, {.se = 0xC002, .sig = 0xB02CBDEE5DBE4409}, {.se = 0xBFFF, .sig = 0xF391DF963B3CE2F0}, true},
    {T_FYL2XP1,    {.se = 0xBFFB, .sig = 0xB9F614680252F615}, {.se = 0x3FFA, .sig = 0xFA4355B99FABA827}, {.se = 0xBFF8, .sig = 0x897A23A983C656E5}, true},
    {T_FYL2XP1,    {.se = 0xBFE7, .sig = 0xE0BBF8891E782196}, {.se = 0x4003, .sig = 0xC199782D58296818}, {.se = 0xBFEC, .sig = 0xF5316958B060C8C9}, false},
    {T_FPATAN,     {.se = 0x4002, .sig = 0xE346F5AE403A960A}, {.se = 0x3FFB, .sig = 0xDFCB81E096FABB7B}, {.se = 0x3FF7, .sig = 0xFC129D657509AA31}, false},
    {T_FPATAN,     {.se = 0xBFFF, .sig = 0xA5DEDD80DC14ED57}, {.se = 0x4000, .sig = 0xFD3A4B49F21FF5EB}, {.se = 0x3FFF, .sig = 0xF19304E677A521B4}, true},
    {T_FPATAN,     {.se = 0x3FFD, .sig = 0xC1A60DB4573AC59A}, {.se = 0xBFFF, .sig = 0x92F81314EB07C30D}, {.se = 0xBFFF, .sig = 0xA054C12E2642D1F3}, false},
    {T_FPATAN,     {.se = 0x3FFE, .sig = 0xD9EF047CEC983704}, {.se = 0xBFFB, .sig = 0xD7CDBA7C4FFCBF42}, {.se = 0xBFFB, .sig = 0xFC370E8CE081AF34}, true},
};
// clang-format on

static void test_transcendentals_portable_results_are_the_nearest(void **state) {
    struct cpu *cpu = cpu_of(state);
    struct fpu_regs *f = &cpu->fpu;
    fp_enter(cpu);
    f->host.portable_transcendentals = true;
    for (unsigned k = 0; k < sizeof known / sizeof known[0]; k++) {
        f->fcw = FCW_INIT;
        f->fsw = 0;
        const struct f80 d = compute(f, known[k].op, &known[k].x, &known[k].y);
        if (d.se != known[k].result.se || d.sig != known[k].result.sig || !!(f->fsw & FSW_C1) != known[k].up)
            fail_msg("row %u: %04x.%016llx, SW %x", k, d.se, (unsigned long long)d.sig, f->fsw);
        assert_int_equal(f->fsw & FSW_EXC, FSW_PE);
    }
    f->host.portable_transcendentals = false;
    fp_leave(cpu);
}

/* Nothing of the host's unit shows, whatever it holds: results, C1 and exceptions of many operands as one number. */
static uint64_t sum(struct cpu *cpu, bool portable) {
    struct fpu_regs *f = &cpu->fpu;
    uint64_t seed = 0x13579BDF2468ACEull, h = 0;
    fp_enter(cpu);
    f->host.portable_transcendentals = portable;
    for (unsigned n = 0; n < 3000; n++)
        for (unsigned op = 0; op < T_COUNT; op++) {
            const struct f80 x = fp_random_f80(&seed), y = fp_random_f80(&seed);
            const uint64_t r = fp_random(&seed);
            f->fcw = (uint16_t)(FCW_INIT | (r & 3) << FCW_RC_SHIFT);
            if (!(r & 0x1C)) f->fcw &= (uint16_t) ~(r >> 8 & FSW_EXC);
            f->fsw = 0;
            const struct f80 d = compute(f, op, &x, &y);
            h = (h ^ d.sig) * 0x9E3779B97F4A7C15ull;
            h = ((h >> 29 ^ h) + ((uint64_t)d.se << 16 | f->fsw)) * 0xD1B54A32D192ED03ull;
        }
    f->host.portable_transcendentals = false;
    fp_leave(cpu);
    return h;
}
static void test_transcendentals_portable_results_are_those_of_every_host(void **state) {
    assert_int_equal(sum(cpu_of(state), true), 0x1EA825E3AD0365C5ull);
}

/* FSINCOS at the level of instructions, and whose code it is after RESET, INIT, FNINIT and XRSTOR */
static void test_transcendentals_choice_outlives_initialization(void **state) {
    static const uint8_t fninit[] = {0xDB, 0xE3};
    char err[256];
    struct machine_config c = {.ram_size = TEST_MEMORY, .cpus = 2, .rtc_start = TEST_DATE};
    (void)state;
    for (unsigned portable = 0; portable < 2; portable++) {
        c.portable_transcendentals = portable;
        c.model = model_parse("max-intel,-vmx", err, sizeof err);
        assert_non_null(c.model);
        struct machine *m = machine_create(&c, err, sizeof err);
        assert_non_null(m);
        for (unsigned n = 0; n < 2; n++) {
            assert_int_equal(m->cpu[n]->fpu.host.portable_transcendentals, portable);
            cpu_reset(m->cpu[n], n);
            assert_int_equal(m->cpu[n]->fpu.host.portable_transcendentals, portable);
        }
        struct cpu *cpu = m->cpu[0];
        world_protected(cpu, 0);
        cpu->ctl.efer = cpu->ctl.cr3 = 0;
        cr0_set(cpu, CR0_PE);
        assert_true(machine_write(m, 0x8000, fninit, sizeof fninit));
        cpu->rip = 0x8000;
        cpu_run(cpu, 1);
        assert_int_equal(cpu->rip, 0x8002);
        assert_int_equal(cpu->fpu.host.portable_transcendentals, portable);
        machine_destroy(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_transcendentals_portable_results_are_the_nearest),
        TEST(test_transcendentals_portable_results_are_those_of_every_host),
        cmocka_unit_test(test_transcendentals_choice_outlives_initialization),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
