/* Integer instructions of XOP, which only processors that are no longer made have. Expectations from the descriptions
 * in APM 4, computed here with integers that are wide enough. */
#include "xsave_world.h"

#define SPEC    "max-amd,-svm" STATE ",+xop"
#define ROUNDS  200
#define DATA_AT 0x50000u

static int setup(void **state) {
    *state = xsave_machine(SPEC);
    struct cpu *cpu = cpu_of(state);
    enter_long(cpu);
    cpu->ctl.xcr0 = 7;
    cpu_update_mode(cpu);
    return 0;
}

/* ---- elements as numbers ---- */

static __int128 element(const union vec *v, unsigned bits, unsigned j, bool is_signed) {
    uint64_t u = 0;
    memcpy(&u, &v->u8[j * bits / 8], bits / 8);
    if (is_signed && bits < 64 && u >> (bits - 1) & 1) u |= ~0ull << bits;
    return is_signed ? (__int128)(int64_t)u : (__int128)u;
}
static void put_element(union vec *v, unsigned bits, unsigned j, __int128 value) {
    uint64_t u = (uint64_t)value;
    memcpy(&v->u8[j * bits / 8], &u, bits / 8);
}
static __int128 saturated(__int128 v, unsigned bits) {
    const __int128 max = ((__int128)1 << (bits - 1)) - 1, min = -max - 1;
    return v > max ? max : v < min ? min : v;
}

/* ---- the instructions ---- */

enum kind { CMOV, PERM, COM, HADD, HSUB, MAC, MADC, ROTATE, ROTATE_IMM, SHIFT_SIGNED, SHIFT };
enum { SAT = 1 << 0, UNSIGNED = 1 << 1, ODD = 1 << 2 };
struct row {
    uint8_t map, opcode;
    enum kind kind;
    uint8_t to, from; /* bits of the destination's and the source's elements */
    uint8_t how;
};
static const struct row rows[] = {
    {8, 0xA2, CMOV,         64, 64, 0        },
    {8, 0xA3, PERM,         8,  8,  0        },
    {8, 0xCC, COM,          8,  8,  0        },
    {8, 0xCD, COM,          16, 16, 0        },
    {8, 0xCE, COM,          32, 32, 0        },
    {8, 0xCF, COM,          64, 64, 0        },
    {8, 0xEC, COM,          8,  8,  UNSIGNED },
    {8, 0xED, COM,          16, 16, UNSIGNED },
    {8, 0xEE, COM,          32, 32, UNSIGNED },
    {8, 0xEF, COM,          64, 64, UNSIGNED },
    {9, 0xC1, HADD,         16, 8,  0        },
    {9, 0xC2, HADD,         32, 8,  0        },
    {9, 0xC3, HADD,         64, 8,  0        },
    {9, 0xC6, HADD,         32, 16, 0        },
    {9, 0xC7, HADD,         64, 16, 0        },
    {9, 0xCB, HADD,         64, 32, 0        },
    {9, 0xD1, HADD,         16, 8,  UNSIGNED },
    {9, 0xD2, HADD,         32, 8,  UNSIGNED },
    {9, 0xD3, HADD,         64, 8,  UNSIGNED },
    {9, 0xD6, HADD,         32, 16, UNSIGNED },
    {9, 0xD7, HADD,         64, 16, UNSIGNED },
    {9, 0xDB, HADD,         64, 32, UNSIGNED },
    {9, 0xE1, HSUB,         16, 8,  0        },
    {9, 0xE2, HSUB,         32, 16, 0        },
    {9, 0xE3, HSUB,         64, 32, 0        },
    {8, 0x85, MAC,          16, 16, SAT      },
    {8, 0x86, MAC,          32, 16, SAT | ODD},
    {8, 0x87, MAC,          64, 32, SAT      },
    {8, 0x8E, MAC,          32, 32, SAT      },
    {8, 0x8F, MAC,          64, 32, SAT | ODD},
    {8, 0x95, MAC,          16, 16, 0        },
    {8, 0x96, MAC,          32, 16, ODD      },
    {8, 0x97, MAC,          64, 32, 0        },
    {8, 0x9E, MAC,          32, 32, 0        },
    {8, 0x9F, MAC,          64, 32, ODD      },
    {8, 0xA6, MADC,         32, 16, SAT      },
    {8, 0xB6, MADC,         32, 16, 0        },
    {9, 0x90, ROTATE,       8,  8,  0        },
    {9, 0x91, ROTATE,       16, 16, 0        },
    {9, 0x92, ROTATE,       32, 32, 0        },
    {9, 0x93, ROTATE,       64, 64, 0        },
    {8, 0xC0, ROTATE_IMM,   8,  8,  0        },
    {8, 0xC1, ROTATE_IMM,   16, 16, 0        },
    {8, 0xC2, ROTATE_IMM,   32, 32, 0        },
    {8, 0xC3, ROTATE_IMM,   64, 64, 0        },
    {9, 0x94, SHIFT,        8,  8,  0        },
    {9, 0x95, SHIFT,        16, 16, 0        },
    {9, 0x96, SHIFT,        32, 32, 0        },
    {9, 0x97, SHIFT,        64, 64, 0        },
    {9, 0x98, SHIFT_SIGNED, 8,  8,  0        },
    {9, 0x99, SHIFT_SIGNED, 16, 16, 0        },
    {9, 0x9A, SHIFT_SIGNED, 32, 32, 0        },
    {9, 0x9B, SHIFT_SIGNED, 64, 64, 0        },
};

static bool has_three_sources(enum kind k) { return k == CMOV || k == PERM || k == MAC || k == MADC; }
static bool has_one_source(enum kind k) { return k == HADD || k == HSUB || k == ROTATE_IMM; }
/* W exchanges the memory operand and another source */
static bool has_both_orders(enum kind k) {
    return k == CMOV || k == PERM || k == ROTATE || k == SHIFT || k == SHIFT_SIGNED;
}
static bool is_immediate(enum kind k) { return k == COM || k == ROTATE_IMM; }

static uint8_t permuted(const union vec *a, const union vec *b, uint8_t selector) {
    uint8_t v = selector & 16 ? b->u8[selector & 15] : a->u8[selector & 15], reversed = 0;
    for (unsigned n = 0; n < 8; n++)
        if (v >> n & 1) reversed |= (uint8_t)(0x80 >> n);
    switch (selector >> 5) {
    case 0:
        return v;
    case 1:
        return (uint8_t)~v;
    case 2:
        return reversed;
    case 3:
        return (uint8_t)~reversed;
    case 4:
        return 0;
    case 5:
        return 0xFF;
    case 6:
        return v & 0x80 ? 0xFF : 0;
    default:
        return v & 0x80 ? 0 : 0xFF;
    }
}

static bool compares(__int128 a, __int128 b, unsigned predicate) {
    switch (predicate & 7) {
    case 0:
        return a < b;
    case 1:
        return a <= b;
    case 2:
        return a > b;
    case 3:
        return a >= b;
    case 4:
        return a == b;
    case 5:
        return a != b;
    default:
        return predicate & 1;
    }
}

/* One bit position at a time */
static __int128 moved(__int128 v, unsigned bits, int count, enum kind kind) {
    const unsigned __int128 mask = ((unsigned __int128)1 << bits) - 1, top = (unsigned __int128)1 << (bits - 1);
    unsigned __int128 u = (unsigned __int128)v & mask;
    const bool rotates = kind == ROTATE || kind == ROTATE_IMM;
    const int n = (count < 0 ? -count : count) % (int)bits;
    for (int k = 0; k < n; k++) {
        const bool low = u & 1, high = (u & top) != 0;
        if (count > 0)
            u = (u << 1 & mask) | (rotates && high);
        else
            u = u >> 1 | ((rotates && low) || (kind == SHIFT_SIGNED && high) ? top : 0);
    }
    return (__int128)u;
}

static __int128 expected(const struct row *r, const union vec *a, const union vec *b, const union vec *c, uint8_t imm,
                         unsigned j) {
    const bool is_signed = !(r->how & UNSIGNED);
    const unsigned per = r->to / r->from;
    __int128 sum = 0;
    switch (r->kind) {
    case CMOV:
        return (element(a, 64, j, false) & element(c, 64, j, false)) |
               (element(b, 64, j, false) & ~element(c, 64, j, false));
    case PERM:
        return permuted(a, b, c->u8[j]);
    case COM:
        return compares(element(a, r->to, j, is_signed), element(b, r->to, j, is_signed), imm) ? -1 : 0;
    case HADD:
        for (unsigned n = 0; n < per; n++) sum += element(b, r->from, j * per + n, is_signed);
        return sum;
    case HSUB:
        return element(b, r->from, 2 * j, true) - element(b, r->from, 2 * j + 1, true);
    case MAC:
    case MADC:
        sum = element(c, r->to, j, true);
        for (unsigned n = 0; n < per; n++)
            if (r->kind == MADC || per == 1 || n == !!(r->how & ODD))
                sum += element(a, r->from, j * per + n, true) * element(b, r->from, j * per + n, true);
        return r->how & SAT ? saturated(sum, r->to) : sum;
    case ROTATE_IMM:
        return moved(element(b, r->to, j, false), r->to, (int8_t)imm, r->kind);
    default:
        return moved(element(a, r->to, j, false), r->to, (int8_t)element(b, r->to, j, false), r->kind);
    }
}

/* ---- running them ---- */

static uint64_t next_random(uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}
static void random_vector(union vec *v, uint64_t *s) {
    static const uint64_t special[] = {
        0,         ~0ull, 0x8000800080008000, 0x7FFF7FFF7FFF7FFF, 0x8080808080808080, 0x80000000, 0x7FFFFFFFFFFFFFFF,
        1ull << 63};
    memset(v, 0, sizeof *v);
    for (unsigned q = 0; q < 2; q++) {
        const uint64_t r = next_random(s);
        v->u64[q] = r % 3 ? next_random(s) : special[r / 3 % 8];
    }
}

/* 8F, R X B map, W vvvv L pp, opcode, ModRM, and the register or immediate behind: destination 1, vvvv 2, r/m 3 or
 * [rdi], the fourth register 4 */
static unsigned encode(const struct row *r, bool w, bool memory, uint8_t imm, uint8_t *code) {
    unsigned n = 0;
    code[n++] = 0x8F;
    code[n++] = (uint8_t)(0xE0 | r->map);
    code[n++] = (uint8_t)((w ? 0x80 : 0) | (has_one_source(r->kind) ? 15 : ~2 & 15) << 3);
    code[n++] = r->opcode;
    code[n++] = memory ? 1 << 3 | 7 : 0xC0 | 1 << 3 | 3;
    if (has_three_sources(r->kind)) code[n++] = 4 << 4;
    if (is_immediate(r->kind)) code[n++] = imm;
    return n;
}

static void check(struct cpu *cpu, const struct row *r, bool w, bool memory, uint64_t *seed) {
    union vec a, b, c, want = {.u64 = {0}};
    uint8_t code[8], imm = (uint8_t)(is_immediate(r->kind) ? next_random(seed) : 0);
    if (r->kind == COM) imm &= 7;
    random_vector(&a, seed);
    random_vector(&b, seed);
    random_vector(&c, seed);
    for (unsigned j = 0; j < 128u / r->to; j++) put_element(&want, r->to, j, expected(r, &a, &b, &c, imm, j));

    /* a, b, c are the operands in the manual's order; where they are depends on W */
    const bool shifts = r->kind == ROTATE || r->kind == SHIFT || r->kind == SHIFT_SIGNED;
    const union vec *vvvv = shifts && !w ? &b : &a, *rm = shifts && !w ? &a : has_three_sources(r->kind) && w ? &c : &b;
    memset(&cpu->vec.zmm[1], 0xEE, sizeof(union vec));
    cpu->vec.zmm[2] = *vvvv;
    cpu->vec.zmm[3] = *rm;
    cpu->vec.zmm[4] = w ? b : c;
    machine_write(cpu->machine, DATA_AT, rm, 16);
    if (memory) memset(&cpu->vec.zmm[3], 0xDD, sizeof(union vec));
    cpu->gpr[RDI] = DATA_AT;
    const unsigned size = encode(r, w, memory, imm, code);
    assert_int_equal(run_bytes(cpu, code, size), -1);
    if (memcmp(&cpu->vec.zmm[1], &want, sizeof want))
        fail_msg("map %u opcode %02X W %d memory %d imm %02X: %016llx_%016llx, not %016llx_%016llx", r->map, r->opcode,
                 w, memory, imm, (unsigned long long)cpu->vec.zmm[1].u64[1], (unsigned long long)cpu->vec.zmm[1].u64[0],
                 (unsigned long long)want.u64[1], (unsigned long long)want.u64[0]);
}

static void test_vec_xop_results_are_those_of_the_manual(void **state) {
    uint64_t seed = 0x0123456789ABCDEF;
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++)
        for (unsigned n = 0; n < ROUNDS; n++)
            check(cpu_of(state), &rows[k], has_both_orders(rows[k].kind) && n & 1, n & 2, &seed);
}

static void test_vec_xop_vpcmov_has_a_256_bit_form(void **state) {
    static const uint8_t code[] = {0x8F, 0xE8, 0x6C, 0xA2, 0xCB, 0x40}; /* vpcmov ymm1, ymm2, ymm3, ymm4 */
    struct cpu *cpu = cpu_of(state);
    memset(&cpu->vec.zmm[1], 0xEE, sizeof(union vec));
    memset(&cpu->vec.zmm[2], 0x11, sizeof(union vec));
    memset(&cpu->vec.zmm[3], 0x22, sizeof(union vec));
    memset(&cpu->vec.zmm[4], 0xF0, sizeof(union vec));
    assert_int_equal(run_bytes(cpu, code, sizeof code), -1);
    for (unsigned k = 0; k < 64; k++) assert_int_equal(cpu->vec.zmm[1].u8[k], k < 32 ? 0x12 : 0);
}

static void test_vec_xop_without_the_feature_is_undefined(void **state) {
    (void)state;
    static const uint8_t code[] = {0x8F, 0xE8, 0x68, 0xA2, 0xCB, 0x40};
    struct machine *m = xsave_machine("max-amd,-svm,-xop" STATE);
    enter_long(m->cpu[0]);
    m->cpu[0]->ctl.xcr0 = 7;
    cpu_update_mode(m->cpu[0]);
    assert_int_equal(run_bytes(m->cpu[0], code, sizeof code), VEC_UD);
    machine_destroy(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_vec_xop_results_are_those_of_the_manual, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_vec_xop_vpcmov_has_a_256_bit_form, setup, fixture_teardown),
        cmocka_unit_test(test_vec_xop_without_the_feature_is_undefined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
