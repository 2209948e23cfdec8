/* Instructions that only AMD's older processors have, on random operands: one checksum per mnemonic over results, flags
 * and MXCSR, compared with what hvsim and another simulator agree on. Values that the manual leaves undefined are
 * neither made nor counted. APM 3 "TBM", APM 4 (XOP, FMA4, SSE4A), APM 5 (3DNow!).
 *
 * "print" on the command line prints the lines of oldamd_sums.inc instead; "trace=vpmacsww" every result of one. */
#include "testsuites/guest/vector/oldamd.h"

#include "testsuites/guest/lib/guest.h"

#define RUNS 100 /* of each form */

struct state {
    union {
        u8 b[32];
        u32 d[8];
        u64 q[4];
    } v[4], mem; /* registers 1 to 4, memory operand */
    u64 mm[2], rax, rcx, flags;
    u32 mxcsr, zero;
};
_Static_assert(offsetof(struct state, mem) == STATE_MEM && offsetof(struct state, mm) == STATE_MM, "assembly");
_Static_assert(offsetof(struct state, rax) == STATE_GPR && offsetof(struct state, flags) == STATE_FLAGS, "assembly");
_Static_assert(offsetof(struct state, mxcsr) == STATE_MXCSR, "assembly");

struct form {
    const char *name;
    const u8 *code;
    u32 bytes, feature, class, patch;
};
extern const struct form oldamd_forms[], oldamd_forms_end[];

typedef void run_fn(struct state *s, const void *code);
run_fn oldamd_run_avx, oldamd_run_sse, oldamd_run_mmx, oldamd_run_gpr;

static const struct {
    const char *name;
    u32 sum;
} sums[] = {
#include "testsuites/guest/vector/oldamd_sums.inc"
};

/* ---- random numbers ---- */

static u64 rng_state;
static u64 rng(void) { /* xorshift64* */
    rng_state ^= rng_state >> 12;
    rng_state ^= rng_state << 25;
    rng_state ^= rng_state >> 27;
    return rng_state * 0x2545F4914F6CDD1DULL;
}
static u32 below(u32 n) { return (u32)(rng() >> 33) % n; }

/* FNV-1a */
static u32 hash(u32 h, const void *data, size_t n) {
    for (const u8 *p = data; n > 0; n--) h = (h ^ *p++) * 16777619u;
    return h;
}
#define HASH_START 2166136261u

static u64 int_value(void) {
    static const u64 special[] = {0,
                                  ~0ULL,
                                  1,
                                  0x8000000000000000,
                                  0x7FFFFFFFFFFFFFFF,
                                  0x8000000080000000,
                                  0x7FFFFFFF7FFFFFFF,
                                  0x8000800080008000,
                                  0x7FFF7FFF7FFF7FFF,
                                  0x8080808080808080,
                                  0x7F7F7F7F7F7F7F7F,
                                  0x0102040810204080,
                                  0xFF01FE02FD03FC04};
    switch (below(4)) {
    case 0:
        return special[below(ARRAY_SIZE(special))];
    case 1:
        return rng() & rng() & 0x0F1F0F3F0F1F0F7F; /* small elements, as counts are */
    default:
        return rng();
    }
}
static u32 f32_value(void) {
    static const u32 special[] = {0,          0x3F800000, 0x7F800000, 0x7FC00000, 0x7FC12345, 0x7F800001, 0x7FA00000,
                                  0x00000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x3F7FFFFF, 0x3F800001, 0x00400000};
    const u32 sign = (u32)rng() & 0x80000000;
    switch (below(4)) {
    case 0:
        return sign | special[below(ARRAY_SIZE(special))];
    case 1:
        return (u32)rng();
    default:
        return sign | (120 + below(16)) << 23 | (below(2) ? (u32)rng() & 0x7FFFFF : (u32)rng() & 0x7E0000);
    }
}
static u64 f64_value(void) {
    static const u64 special[] = {0,
                                  0x3FF0000000000000,
                                  0x7FF0000000000000,
                                  0x7FF8000000000000,
                                  0x7FF8123456789ABC,
                                  0x7FF0000000000001,
                                  0x7FF4000000000000,
                                  0x0000000000000001,
                                  0x000FFFFFFFFFFFFF,
                                  0x0010000000000000,
                                  0x7FEFFFFFFFFFFFFF,
                                  0x3FEFFFFFFFFFFFFF,
                                  0x3FF0000000000001};
    const u64 sign = rng() & BIT(63);
    switch (below(4)) {
    case 0:
        return sign | special[below(ARRAY_SIZE(special))];
    case 1:
        return rng();
    default:
        return sign | (u64)(1016 + below(16)) << 52 | (below(2) ? rng() & (BIT(52) - 1) : rng() & 0xFC00000000000);
    }
}
/* No infinities and NaNs, whose results are undefined; nothing that overflows or becomes denormal. Integers, too. */
static u32 now_value(void) {
    const u32 sign = (u32)rng() & 0x80000000;
    if (!below(8)) return 0;
    return sign | (110 + below(40)) << 23 | (below(2) ? (u32)rng() & 0x7FFFFF : (u32)rng() & 0x780000);
}
/* Length and index of a field inside 64 bits; a length of 0 is 64 */
static u32 field_value(void) {
    const u32 length = below(64), index = length ? below(65 - length) : 0;
    return length | index << 8;
}

static u64 value(u32 class) {
    switch (class) {
    case CLASS_F32:
        return f32_value() | (u64)f32_value() << 32;
    case CLASS_F64:
        return f64_value();
    case CLASS_3DNOW:
        return now_value() | (u64)now_value() << 32;
    default:
        return int_value();
    }
}

/* ---- one run ---- */

static void operands(struct state *s, u32 class) {
    static const u32 controls[] = {0x1F80, 0x1F80, 0x1FC0, 0x9F80, 0x9FC0};
    memset(s, 0, sizeof *s);
    for (u32 n = 0; n < 4; n++)
        for (u32 j = 0; j < 4; j++) s->v[n].q[j] = value(class);
    for (u32 j = 0; j < 4; j++) s->mem.q[j] = value(class);
    if (!below(4)) s->v[2] = s->mem = s->v[1]; /* equal sources */
    s->mm[0] = value(class);
    s->mm[1] = s->mem.q[0];
    s->rax = int_value();
    s->rcx = s->mem.q[0];
    s->flags = 2 | (rng() & 0x8D5);
    s->mxcsr = controls[below(ARRAY_SIZE(controls))] | below(4) << 13;
    if (class == CLASS_FIELD) {
        s->v[1].d[0] = field_value() | ((u32)rng() & 0xFFFFC0C0); /* EXTRQ */
        s->v[1].d[2] = field_value() | ((u32)rng() & 0xFFFFC0C0); /* INSERTQ */
    }
}

static void patch(u8 *code, const struct form *f) {
    u8 *end = code + f->bytes;
    u32 field;
    switch (f->patch) {
    case PATCH_IMM8:
        end[-1] = (u8)rng();
        break;
    case PATCH_LOW2:
        end[-1] = (u8)((end[-1] & 0xFC) | below(4));
        break;
    case PATCH_FIELD:
        field = field_value();
        end[-2] = (u8)field;
        end[-1] = (u8)(field >> 8);
        break;
    case PATCH_BEXTR:
        end[-4] = (u8)(below(4) ? below(66) : rng());
        end[-3] = (u8)(below(4) ? below(66) : rng());
        break;
    default:
        break;
    }
}

static void run_form(const struct form *f, struct state *s, const u8 *code) {
    switch (f->class) {
    case CLASS_FIELD:
        oldamd_run_sse(s, code);
        s->v[0].q[1] = 0;
        break;
    case CLASS_MMX:
    case CLASS_3DNOW:
        oldamd_run_mmx(s, code);
        break;
    case CLASS_GPR:
        oldamd_run_gpr(s, code);
        s->flags &= FLAG_CF | FLAG_ZF | FLAG_OF | (f->patch == PATCH_BEXTR ? 0 : FLAG_SF);
        break;
    default:
        oldamd_run_avx(s, code);
        break;
    }
}

static void trace(const struct state *from, const struct state *to, const u8 *code, u32 bytes) {
    printf("# ");
    for (u32 n = 0; n < bytes; n++) printf("%02x", code[n]);
    for (u32 n = 0; n < 4; n++) printf(" %016llx:%016llx", from->v[n].q[1], from->v[n].q[0]);
    printf(" mem %016llx:%016llx mm1 %016llx rax %016llx mxcsr %x ->", from->mem.q[1], from->mem.q[0], from->mm[0],
           from->rax, from->mxcsr);
    for (u32 n = 4; n-- > 0;) printf(" %016llx", to->v[0].q[n]);
    printf(" mem %016llx mm1 %016llx rax %016llx flags %llx mxcsr %x\n", to->mem.q[0], to->mm[0], to->rax, to->flags,
           to->mxcsr);
}

struct sum {
    const struct form *form;
    u32 h;
};

static void sum_form(void *arg) {
    struct sum *sum = arg;
    const struct form *f = sum->form;
    static u8 code[32] ALIGNED(32);
    static struct state s ALIGNED(64);
    char name[16];
    const bool traced = option_get("trace", name, sizeof name) && !strcmp(name, f->name);
    memcpy(code, f->code, f->bytes + 1);
    if (option_get("invert-w", name, sizeof name)) code[2] ^= 0x80;
    for (u32 n = 0; n < RUNS; n++) {
        operands(&s, f->class);
        patch(code, f);
        const struct state before = s;
        run_form(f, &s, code);
        sum->h = hash(sum->h, &s, sizeof s);
        if (traced) trace(&before, &s, code, f->bytes);
    }
}

/* ---- all ---- */

static bool present(u32 feature) {
    const struct cpuid c = cpuid_if_present(0x80000001, 0);
    switch (feature) {
    case FEATURE_XOP:
        return c.ecx & BIT(11);
    case FEATURE_FMA4:
        return c.ecx & BIT(16);
    case FEATURE_TBM:
        return c.ecx & BIT(21);
    case FEATURE_SSE4A:
        return c.ecx & BIT(6);
    case FEATURE_3DNOW:
        return c.edx & BIT(31);
    default:
        return c.edx & BIT(30);
    }
}

static void enable(void) {
    const struct cpuid c = cpuid(1, 0);
    write_cr4(read_cr4() | (c.edx & BIT(24) ? CR4_OSFXSR | CR4_OSXMMEXCPT : 0) | (c.ecx & BIT(26) ? CR4_OSXSAVE : 0));
    if ((c.ecx & BIT(26)) && (c.ecx & BIT(28))) __asm__ volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
    if (c.edx & 1) __asm__ volatile("fninit");
}

static void upper_case(char *to, const char *from, size_t size) {
    size_t n = 0;
    for (; from[n] && n < size - 1; n++) to[n] = (char)(from[n] >= 'a' && from[n] <= 'z' ? from[n] - 32 : from[n]);
    to[n] = 0;
}

static void report(const struct form *f, u32 h) {
    char name[32], value[4];
    upper_case(name, f->name, sizeof name);
    if (option_get("print", value, sizeof value)) {
        printf("{\"%s\", 0x%08x},\n", name, h);
        return;
    }
    for (u32 n = 0; n < ARRAY_SIZE(sums); n++)
        if (!strcmp(sums[n].name, name)) {
            ok_eq(h, sums[n].sum, "%s", name);
            return;
        }
    ok(false, "%s has no line in oldamd_sums.inc", name);
}

void guest_main(void) {
    enable();
    for (const struct form *f = oldamd_forms; f < oldamd_forms_end;) {
        const struct form *first = f;
        struct sum sum = {NULL, HASH_START};
        rng_state = hash(HASH_START, f->name, strlen(f->name));
        do {
            sum.form = f++;
            if (present(first->feature) && try_fault(sum_form, &sum, NULL) != NO_FAULT) sum.h ^= (u32)(f - first);
        } while (f < oldamd_forms_end && !strcmp(f->name, first->name));
        if (present(first->feature))
            report(first, sum.h);
        else
            skip("not there", "%s", first->name);
    }
}
