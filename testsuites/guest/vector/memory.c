/* Memory operands of vector instructions: page faults in their middle and restart, elements that a mask keeps out,
 * gathers and scatters that fault on the way, alignment, addresses that are not canonical, code that a vector store
 * writes, devices. SDM 2, "Exception Conditions" of VEX and EVEX instructions, "VPGATHERDD", "VPSCATTERDD"; SDM 3,
 * "Alignment Check Exception (#AC)", "Self-Modifying Code"; SDM 1, "Canonical Addressing". */
#include "testsuites/guest/vector/vector.h"

#define WINDOW 0x5000000000ULL /* two pages */
#define BORDER (WINDOW + PAGE_SIZE)
#define TOP    0x800000000000ULL /* of the lower half of canonical addresses */

static struct vector_features has;
static struct fault f;
static u64 root;
static u8 *pages; /* behind the window */
/* by name in the code below */
static u8 data[64] ALIGNED(64) __attribute__((used)), out[64] ALIGNED(64) __attribute__((used));

static void map(u32 n, u64 flags) {
    *pt_entry(root, WINDOW + n * PAGE_SIZE, 1) = flags ? (uptr)(pages + n * PAGE_SIZE) | flags : 0;
    invlpg((void *)(WINDOW + n * PAGE_SIZE));
}
#define READ  (PTE_P | PTE_U)
#define WRITE (PTE_P | PTE_W | PTE_U)

static void fill(void) {
    for (u32 i = 0; i < 2 * PAGE_SIZE; i++) pages[i] = (u8)(i * 7 + (i >> 8));
}

/* ---- operands that cross pages: loads to `out`, stores from `data` ---- */

CODE(l_movq, "movq (%rdi), %mm0\n movq %mm0, out\n emms\n ret");
CODE(l_fld, "fldt (%rdi)\n fstpt out\n ret");
CODE(l_sse, "movups (%rdi), %xmm0\n movups %xmm0, out\n ret");
CODE(l_avx, "vmovups (%rdi), %ymm0\n vmovups %ymm0, out\n ret");
CODE(l_evex, "vmovups (%rdi), %zmm0\n vmovups %zmm0, out\n ret");
CODE(l_evexb, "vmovdqu8 (%rdi), %zmm0\n vmovups %zmm0, out\n ret");
CODE(s_movq, "movq data, %mm0\ns_movq_at: movq %mm0, (%rdi)\n emms\n ret");
CODE(s_fstp, "fldt data\ns_fstp_at: fstpt (%rdi)\n ret");
CODE(s_sse, "movups data, %xmm0\ns_sse_at: movups %xmm0, (%rdi)\n ret");
CODE(s_avx, "vmovups data, %ymm0\ns_avx_at: vmovups %ymm0, (%rdi)\n ret");
CODE(s_evex, "vmovups data, %zmm0\ns_evex_at: vmovups %zmm0, (%rdi)\n ret");
CODE_LABEL(s_movq_at);
CODE_LABEL(s_fstp_at);
CODE_LABEL(s_sse_at);
CODE_LABEL(s_avx_at);
CODE_LABEL(s_evex_at);

static const struct crossing {
    const char *name;
    const u8 *load, *store, *store_at;
    u32 size;
} crossings[] = {
    {"MOVQ",               l_movq,  s_movq, s_movq_at, 8 },
    {"FLD, FSTP",          l_fld,   s_fstp, s_fstp_at, 10},
    {"MOVUPS",             l_sse,   s_sse,  s_sse_at,  16},
    {"VMOVUPS, 32 bytes",  l_avx,   s_avx,  s_avx_at,  32},
    {"VMOVUPS, 64 bytes",  l_evex,  s_evex, s_evex_at, 64},
    {"VMOVDQU8, 64 bytes", l_evexb, s_evex, s_evex_at, 64},
};

static bool can(u32 size) { return size <= 16 || (size == 32 ? has.avx : has.avx512); }

static void loads(const struct crossing *c, u64 va) {
    const u8 *at = pages + (va - WINDOW);
    map(0, WRITE);
    map(1, 0);
    int v = fault_of(c->load, (void *)va, &f);
    ok(v == VEC_PF && f.cr2 == BORDER && f.error == 0 && f.ip == (uptr)c->load, "%s: load, second page missing",
       c->name);
    map(0, 0);
    map(1, WRITE);
    v = fault_of(c->load, (void *)va, &f);
    ok(v == VEC_PF && f.cr2 == va && f.error == 0, "%s: load, first page missing", c->name);
    map(1, 0);
    v = fault_of(c->load, (void *)va, &f);
    ok(v == VEC_PF && f.cr2 == va, "%s: load, both pages missing", c->name);
    map(0, WRITE);
    map(1, WRITE);
    memset(out, 0, sizeof out);
    v = fault_of(c->load, (void *)va, &f);
    ok(v == NO_FAULT && !memcmp(out, at, c->size), "%s: load, both pages there", c->name);
}

static void stores(const struct crossing *c, u64 va) {
    const u8 *at = pages + (va - WINDOW);
    u8 before[64];
    map(0, WRITE);
    map(1, READ);
    memcpy(before, at, c->size);
    int v = fault_of(c->store, (void *)va, &f);
    ok(v == VEC_PF && f.cr2 == BORDER && f.error == 3 && f.ip == (uptr)c->store_at, "%s: store, second page read-only",
       c->name);
    ok(!memcmp(before, at, c->size), "%s: nothing is stored", c->name);
    map(0, READ);
    map(1, WRITE);
    v = fault_of(c->store, (void *)va, &f);
    ok(v == VEC_PF && f.cr2 == va && f.error == 3, "%s: store, first page read-only", c->name);
    ok(!memcmp(before, at, c->size), "%s: nothing is stored", c->name);
    map(0, WRITE);
    v = fault_of(c->store, (void *)va, &f);
    ok(v == NO_FAULT && !memcmp(data, at, c->size), "%s: store, both pages there", c->name);
}

static void page_crossing(void) {
    for (u32 n = 0; n < ARRAY_SIZE(crossings); n++) {
        const struct crossing *c = &crossings[n];
        if (!can(c->size) || (c->size == 10 && !has.x87)) continue;
        fill();
        pages[PAGE_SIZE - 2 + 9] = 0x3F; /* no special value for FLD */
        loads(c, BORDER - 2);
        stores(c, BORDER - 2);
        if (c->size > 10) loads(c, BORDER - c->size / 2);
        if (c->size > 10) stores(c, BORDER - c->size / 2);
        __asm__ volatile("fninit");
    }
}

/* ---- masks ---- */

struct masked {
    u64 va, mask;
};
#define K1_AND_RDI "kmovq 8(%rdi), %k1\n mov (%rdi), %rdi\n"
CODE(m_load8, K1_AND_RDI "vmovdqu8 (%rdi), %zmm0{%k1}{z}\n vmovups %zmm0, out\n ret");
CODE(m_load32, K1_AND_RDI "vmovdqu32 (%rdi), %zmm0{%k1}{z}\n vmovups %zmm0, out\n ret");
CODE(m_add64, K1_AND_RDI "vpxord %zmm1, %zmm1, %zmm1\n vpaddq (%rdi), %zmm1, %zmm0{%k1}{z}\n vmovups %zmm0, out\n ret");
CODE(m_expand, K1_AND_RDI "vpexpandd (%rdi), %zmm0{%k1}{z}\n vmovups %zmm0, out\n ret");
CODE(m_store8, K1_AND_RDI "vmovups data, %zmm0\n vmovdqu8 %zmm0, (%rdi){%k1}\n ret");
CODE(m_store32, K1_AND_RDI "vmovups data, %zmm0\n vmovdqu32 %zmm0, (%rdi){%k1}\n ret");
CODE(m_narrow, K1_AND_RDI "vmovups data, %zmm0\n vpmovdb %zmm0, (%rdi){%k1}\n ret");
CODE(m_compress, K1_AND_RDI "vmovups data, %zmm0\n vpcompressd %zmm0, (%rdi){%k1}\n ret");
/* the mask as sign bits of eight doublewords */
#define YMM1_AND_RDI                                                                                                   \
    "vmovd 8(%rdi), %xmm1\n vpbroadcastd %xmm1, %ymm1\n vpsllvd shifts, %ymm1, %ymm1\n mov (%rdi), %rdi\n"
CODE(m_vmaskmov_load, YMM1_AND_RDI "vmaskmovps (%rdi), %ymm1, %ymm0\n vmovups %ymm0, out\n ret");
CODE(m_vmaskmov_store, YMM1_AND_RDI "vmovups data, %ymm0\n vmaskmovps %ymm0, %ymm1, (%rdi)\n ret");
CODE(m_vpmaskmov_load, YMM1_AND_RDI "vpmaskmovd (%rdi), %ymm1, %ymm0\n vmovups %ymm0, out\n ret");
CODE(m_vpmaskmov_store, YMM1_AND_RDI "vmovups data, %ymm0\n vpmaskmovd %ymm0, %ymm1, (%rdi)\n ret");
__asm__(".pushsection .rodata\n .balign 32\nshifts: .long 31, 30, 29, 28, 27, 26, 25, 24\n.popsection");

/* Element sizes and numbers; what a mask bit stands for: an element in its place, or (packed) how many there are */
static const struct mask_form {
    const char *name;
    const u8 *code;
    u32 element, count;
    bool store, packed, avx2;
} mask_forms[] = {
    {"VMOVDQU8 from memory",   m_load8,           1, 64, false, false, false},
    {"VMOVDQU32 from memory",  m_load32,          4, 16, false, false, false},
    {"VPADDQ of memory",       m_add64,           8, 8,  false, false, false},
    {"VPEXPANDD",              m_expand,          4, 16, false, true,  false},
    {"VMOVDQU8 to memory",     m_store8,          1, 64, true,  false, false},
    {"VMOVDQU32 to memory",    m_store32,         4, 16, true,  false, false},
    {"VPMOVDB to memory",      m_narrow,          1, 16, true,  false, false},
    {"VPCOMPRESSD to memory",  m_compress,        4, 16, true,  true,  false},
    {"VMASKMOVPS from memory", m_vmaskmov_load,   4, 8,  false, false, true },
    {"VMASKMOVPS to memory",   m_vmaskmov_store,  4, 8,  true,  false, true },
    {"VPMASKMOVD from memory", m_vpmaskmov_load,  4, 8,  false, false, true },
    {"VPMASKMOVD to memory",   m_vpmaskmov_store, 4, 8,  true,  false, true },
};

static u64 low_bits(u32 n) { return n >= 64 ? ~0ULL : BIT(n) - 1; }

static int run_masked(const struct mask_form *m, u64 va, u64 mask) {
    const struct masked arg = {va, mask};
    return fault_of(m->code, &arg, &f);
}

static void masks(void) {
    for (u32 n = 0; n < ARRAY_SIZE(mask_forms); n++) {
        const struct mask_form *m = &mask_forms[n];
        const u32 half = m->count / 2, bytes = half * m->element; /* in the page that is there */
        if (!(m->avx2 ? has.avx2 : has.avx512)) continue;
        fill();
        map(0, m->store ? WRITE : READ);
        map(1, m->store ? READ : 0);
        ok_eq((u64)run_masked(m, BORDER, 0), (u64)NO_FAULT, "%s: none of its elements, no fault", m->name);
        ok_eq((u64)run_masked(m, BORDER - bytes, low_bits(half)), (u64)NO_FAULT, "%s: the elements that are there",
              m->name);
        int v = run_masked(m, BORDER - bytes, low_bits(half + 1));
        ok(v == VEC_PF && f.cr2 == BORDER && f.error == (m->store ? 3 : 0), "%s: one more", m->name);
        ok_eq((u64)run_masked(m, BORDER - bytes, low_bits(half) & 0x5555555555555555), (u64)NO_FAULT,
              "%s: every other of them", m->name);
        if (!m->packed) {
            v = run_masked(m, BORDER - bytes, BIT(half));
            ok(v == VEC_PF && f.cr2 == BORDER, "%s: only one that isn't", m->name);
        }
        ok_eq(*pt_entry(root, BORDER, 1) & PTE_D, 0, "%s: no dirty bit where nothing is written", m->name);
    }
}

/* Loads and stores under a mask do just what it says. */
static void mask_contents(void) {
    if (!has.avx512) return;
    struct masked arg = {WINDOW + 0x123, 0x8000F0F012345671};
    map(0, WRITE);
    fill();
    fault_of(m_store8, &arg, &f);
    fault_of(m_load8, &arg, &f);
    bool good = true;
    for (u32 n = 0; n < 64; n++) {
        const u8 there = pages[0x123 + n], old = (u8)((0x123 + n) * 7 + ((0x123 + n) >> 8));
        if (there != (arg.mask >> n & 1 ? data[n] : old) || out[n] != (arg.mask >> n & 1 ? data[n] : 0)) good = false;
    }
    ok(good, "bytes stored and loaded under a mask");
}

/* ---- gathers and scatters: lowest element first, what is done leaves the mask ---- */

static u32 faults;
static u64 mask_at[4], cr2_at[4], ip_at[4];
static u32 done_at[4][16];

static void on_pf(struct regs *r) {
    const u64 va = read_cr2();
    if (faults < ARRAY_SIZE(mask_at)) {
        cr2_at[faults] = va;
        ip_at[faults] = r->ip;
        if (has.avx512) {
            __asm__ volatile("kmovq %%k1, %0\n vmovups %%zmm0, %1" : "=r"(mask_at[faults]), "=m"(done_at[faults]));
        } else {
            u32 signs;
            __asm__ volatile("vmovmskps %%ymm1, %0\n vmovups %%ymm0, %1" : "=r"(signs), "=m"(done_at[faults]));
            mask_at[faults] = signs;
        }
    }
    faults++;
    map(va >= BORDER, WRITE);
}

/* Indices in data: odd elements in the second page */
CODE(g_evex, "mov $0xffff, %eax\n kmovw %eax, %k1\n vmovups data, %zmm2\n vpternlogd $0xff, %zmm0, %zmm0, %zmm0\n"
             "g_evex_at: vpgatherdd (%rdi,%zmm2,4), %zmm0{%k1}\n vmovups %zmm0, out\n kmovw %k1, %eax\n ret");
CODE_LABEL(g_evex_at);
CODE(g_vex, "vpcmpeqd %ymm1, %ymm1, %ymm1\n vmovups data, %ymm2\n vpcmpeqd %ymm0, %ymm0, %ymm0\n"
            "g_vex_at: vpgatherdd %ymm1, (%rdi,%ymm2,4), %ymm0\n vmovups %ymm0, out\n vmovmskps %ymm1, %eax\n ret");
CODE_LABEL(g_vex_at);
CODE(g_scatter, "mov $0xffff, %eax\n kmovw %eax, %k1\n vmovups data, %zmm2\n vmovups values, %zmm0\n"
                "g_scatter_at: vpscatterdd %zmm0, (%rdi,%zmm2,4){%k1}\n kmovw %k1, %eax\n ret");
CODE_LABEL(g_scatter_at);
CODE(g_none, "kxorw %k1, %k1, %k1\n vmovups data, %zmm2\n vpgatherdd (%rdi,%zmm2,4), %zmm0{%k1}\n ret");
CODE(g_some, "mov $0x5555, %eax\n kmovw %eax, %k1\n vmovups data, %zmm2\n vpgatherdd (%rdi,%zmm2,4), %zmm0{%k1}\n ret");
static u32 values[16] ALIGNED(64) __attribute__((used));

static u32 *indices(u32 second_from) {
    u32 *index = (u32 *)(void *)data;
    for (u32 n = 0; n < 16; n++) index[n] = n * 3 + (n >= second_from ? 1024 : 0);
    return index;
}

static u32 run_gather(const u8 *code, u64 base) {
    u32 left;
    faults = 0;
    __asm__ volatile("call *%2" : "=a"(left), "+D"(base) : "r"(code) : "memory", "cc");
    return left;
}

static void gather(const char *name, const u8 *code, const u8 *at, u32 count, bool store) {
    const u32 *index = indices(count / 2 + 1);
    fill();
    for (u32 n = 0; n < 16; n++) values[n] = 0x1000000 + n;
    map(0, 0);
    map(1, 0);
    handler_set(VEC_PF, on_pf);
    const u32 left = run_gather(code, WINDOW);
    handler_set(VEC_PF, NULL);
    ok(faults == 2 && ip_at[0] == (uptr)at && ip_at[1] == (uptr)at, "%s: two faults, both are its own", name);
    ok(cr2_at[0] == WINDOW && cr2_at[1] == WINDOW + 4 * index[count / 2 + 1], "%s: CR2 is the element's address", name);
    ok_eq(mask_at[0], low_bits(count), "%s: nothing done at the first fault", name);
    const u64 below = low_bits(count / 2 + 1);
    ok(!(mask_at[1] & below) && (mask_at[1] & BIT(count / 2 + 1)), "%s: the mask at the second fault", name);
    bool good = true;
    for (u32 n = 0; n < count; n++) {
        const u32 there = *(u32 *)(void *)(pages + 4 * index[n]);
        if (store ? there != values[n] : there != ((u32 *)(void *)out)[n]) good = false;
        if (!store && n <= count / 2 && done_at[1][n] != there) good = false;
    }
    ok(good, "%s: all elements in the end, those before the fault at the fault", name);
    ok_eq(left, 0, "%s: the mask is empty in the end", name);
}

static void gathers(void) {
    /* the handler looks at K1 where there is one */
    if (has.avx512) {
        gather("VPGATHERDD, EVEX", g_evex, g_evex_at, 16, false);
        gather("VPSCATTERDD", g_scatter, g_scatter_at, 16, true);
        map(0, 0);
        map(1, 0);
        ok_eq((u64)fault_of(g_none, (void *)WINDOW, &f), (u64)NO_FAULT, "VPGATHERDD of no elements: no fault");
        map(0, READ);
        u32 *index = indices(16);
        for (u32 n = 1; n < 16; n += 2) index[n] = 1024;
        ok_eq((u64)fault_of(g_some, (void *)WINDOW, &f), (u64)NO_FAULT, "VPGATHERDD: elements that aren't asked for");
    } else if (has.avx2) {
        gather("VPGATHERDD, VEX", g_vex, g_vex_at, 8, false);
    }
    for (u32 n = 0; n < 64; n++) data[n] = (u8)(n + 1);
}

/* ---- alignment ---- */

CODE(a_movaps, "movaps (%rdi), %xmm0\n ret");
CODE(a_movaps_store, "movaps %xmm0, (%rdi)\n ret");
CODE(a_addps, "addps (%rdi), %xmm0\n ret");
CODE(a_pxor, "pxor (%rdi), %xmm0\n ret");
CODE(a_movntps, "movntps %xmm0, (%rdi)\n ret");
CODE(a_movups, "movups (%rdi), %xmm0\n ret");
CODE(a_movhps, "movhps (%rdi), %xmm0\n ret");
CODE(a_pmovmm, "movq (%rdi), %mm0\n emms\n ret");
CODE(a_rsp, "mov %rsp, %rdx\n mov %rdi, %rsp\na_rsp_at: movaps (%rsp), %xmm0\n mov %rdx, %rsp\n ret");
CODE_LABEL(a_rsp_at);
CODE(a_vaddps, "vaddps (%rdi), %xmm0, %xmm0\n ret");
CODE(a_vaddps_y, "vaddps (%rdi), %ymm0, %ymm0\n ret");
CODE(a_vmovaps, "vmovaps (%rdi), %xmm0\n ret");
CODE(a_vmovaps_y, "vmovaps (%rdi), %ymm0\n ret");
CODE(a_vmovntps_y, "vmovntps %ymm0, (%rdi)\n ret");
CODE(a_vmovdqa64, "vmovdqa64 (%rdi), %zmm0\n ret");
CODE(a_none, "kxorw %k1, %k1, %k1\n vmovaps (%rdi), %zmm0{%k1}\n ret");
CODE(a_none_store, "kxorw %k1, %k1, %k1\n vmovaps %zmm0, (%rdi){%k1}\n ret");
CODE(a_vaddps_z, "vaddps (%rdi), %zmm0, %zmm0\n ret");
CODE(a_fxsave, "fxsave (%rdi)\n ret");
CODE(a_fld, "fldt (%rdi)\n fstp %st(0)\n ret");

static const struct {
    const char *name;
    const u8 *code;
    u32 bytes; /* the alignment that it must have; 0: none */
    u32 kind;  /* 16: SSE, 32: AVX, 64: AVX-512 */
} aligned[] = {
    {"MOVAPS",              a_movaps,       16, 16},
    {"MOVAPS to memory",    a_movaps_store, 16, 16},
    {"ADDPS",               a_addps,        16, 16},
    {"PXOR",                a_pxor,         16, 16},
    {"MOVNTPS",             a_movntps,      16, 16},
    {"FXSAVE",              a_fxsave,       16, 16},
    {"MOVUPS",              a_movups,       0,  16},
    {"MOVHPS",              a_movhps,       0,  16},
    {"MOVQ of MM",          a_pmovmm,       0,  16},
    {"FLD",                 a_fld,          0,  16},
    {"VADDPS, 16 bytes",    a_vaddps,       0,  32},
    {"VADDPS, 32 bytes",    a_vaddps_y,     0,  32},
    {"VMOVAPS, 16 bytes",   a_vmovaps,      16, 32},
    {"VMOVAPS, 32 bytes",   a_vmovaps_y,    32, 32},
    {"VMOVNTPS, 32 bytes",  a_vmovntps_y,   32, 32},
    {"VMOVDQA64, 64 bytes", a_vmovdqa64,    64, 64},
    {"VADDPS, 64 bytes",    a_vaddps_z,     0,  64},
};

static u8 buffer[1024] ALIGNED(64);

static void alignment(void) {
    for (u32 n = 0; n < ARRAY_SIZE(aligned); n++) {
        const u32 bytes = aligned[n].bytes;
        if (!can(aligned[n].kind)) continue;
        ok_eq((u64)fault_of(aligned[n].code, buffer, &f), (u64)NO_FAULT, "%s, aligned", aligned[n].name);
        for (u32 by = 1; by < 64; by *= 2) {
            const int v = fault_of(aligned[n].code, buffer + by, &f);
            ok(v == (by < bytes ? VEC_GP : NO_FAULT) && (v < 0 || f.error == 0),
               "%s at an address that is a multiple of %u", aligned[n].name, by);
        }
    }
    /* SDM 2 "Exceptions Type E1": masks don't suppress it; AMD's processors don't ask when nothing is accessed */
    const int masked = cpuid(0, 0).ebx == 0x756E6547 ? VEC_GP : NO_FAULT;
    if (has.avx512) {
        ok_eq((u64)fault_of(a_none, buffer + 32, &f), (u64)masked, "VMOVAPS of no elements, not aligned");
        ok_eq((u64)fault_of(a_none_store, buffer + 32, &f), (u64)masked,
              "VMOVAPS of no elements to memory, not aligned");
    }
    const int v = fault_of(a_rsp, buffer + 8, &f);
    ok(v == VEC_GP && f.ip == (uptr)a_rsp_at && f.error == 0,
       "MOVAPS of a stack operand that isn't aligned: #GP, not #SS");
}

/* With CR0.AM and RFLAGS.AC at CPL 3: operands of two to eight bytes, but no more #AC than #GP */
static const u8 *user_code;
static uptr in_user(uptr arg) {
    write_flags(read_flags() | FLAG_AC);
    ((void (*)(uptr))(uptr)user_code)(arg);
    write_flags(read_flags() & ~FLAG_AC);
    return 0;
}
static void enter_user(void *arg) { user_call(in_user, (uptr)arg); }

CODE(c_movss, "movss (%rdi), %xmm0\n ret");
CODE(c_movsd, "movsd (%rdi), %xmm0\n ret");
CODE(c_addsd, "addsd (%rdi), %xmm0\n ret");
CODE(c_fld64, "fldl (%rdi)\n fstp %st(0)\n ret");
CODE(c_fild16, "filds (%rdi)\n fstp %st(0)\n ret");
CODE(c_paddb, "paddb (%rdi), %mm0\n emms\n ret");

static void alignment_checks(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u32 by;
        int vector;
    } rows[] = {
        {"MOVSS",         c_movss,        1, VEC_AC  },
        {"MOVSS",         c_movss,        2, VEC_AC  },
        {"MOVSS",         c_movss,        4, NO_FAULT},
        {"MOVSD",         c_movsd,        4, VEC_AC  },
        {"MOVSD",         c_movsd,        8, NO_FAULT},
        {"ADDSD",         c_addsd,        1, VEC_AC  },
        {"PADDB of MM",   c_paddb,        4, VEC_AC  },
        {"FLD, 64 bits",  c_fld64,        4, VEC_AC  },
        {"FILD, 16 bits", c_fild16,       1, VEC_AC  },
        {"FILD, 16 bits", c_fild16,       2, NO_FAULT},
        {"MOVAPS",        a_movaps,       8, VEC_GP  },
        {"ADDPS",         a_addps,        8, VEC_GP  },
        {"MOVAPS",        a_movaps_store, 4, VEC_GP  },
    };
    write_cr0(read_cr0() | CR0_AM);
    for (u32 n = 0; n < ARRAY_SIZE(rows); n++) {
        user_code = rows[n].code;
        memset(buffer, 0, 64);
        const int v = try_fault(enter_user, buffer + rows[n].by, &f);
        ok(v == rows[n].vector && (v < 0 || f.error == 0), "with alignment checks: %s by %u", rows[n].name, rows[n].by);
    }
    write_flags(read_flags() | FLAG_AC);
    const int v = fault_of(c_movsd, buffer + 1, &f);
    write_flags(read_flags() & ~FLAG_AC);
    ok_eq((u64)v, (u64)NO_FAULT, "with alignment checks: none at CPL 0");
    write_cr0(read_cr0() & ~CR0_AM);
    __asm__ volatile("fninit");
}

/* ---- addresses that are not canonical ---- */

CODE(n_rbp, "push %rbp\n mov %rdi, %rbp\nn_rbp_at: movups (%rbp), %xmm0\n pop %rbp\n ret");
CODE_LABEL(n_rbp_at);

static void n_rbp_try(void *arg) { __asm__ volatile("call n_rbp" : "+D"(arg) : : "memory"); }

static void canonical(void) {
    map_4k(root, TOP - PAGE_SIZE, (uptr)pages, PTE_W);
    ok_eq((u64)fault_of(l_sse, (void *)(TOP - 16), &f), (u64)NO_FAULT, "the last bytes of the lower half");
    int v = fault_of(l_sse, (void *)(TOP - 15), &f);
    ok(v == VEC_GP && f.error == 0, "a byte beyond them: #GP(0)");
    v = fault_of(l_sse, (void *)0x8000123456789ABC, &f);
    ok(v == VEC_GP && f.error == 0, "an operand elsewhere: #GP(0)");
    v = fault_of(s_sse, (void *)0x8000123456789ABC, &f);
    ok(v == VEC_GP && f.error == 0, "a store there: #GP(0)");
    v = try_fault(n_rbp_try, (void *)0x8000123456789ABC, &f);
    ok(v == VEC_SS && f.error == 0, "a stack operand there: #SS(0)");
    if (has.avx512) {
        const struct masked inside = {TOP - 32, 0xFF}, beyond = {TOP - 32, 0x1FF};
        ok_eq((u64)fault_of(m_load32, &inside, &f), (u64)NO_FAULT, "elements beyond them that are masked out");
        ok_eq((u64)fault_of(m_load32, &beyond, &f), VEC_GP, "one that isn't: #GP");
    }
    unmap(root, TOP - PAGE_SIZE);
    invlpg((void *)(TOP - PAGE_SIZE));
}

/* ---- code written by vector stores ---- */

/* MOV EAX, imm32; RET; and the same with another number, four times */
static void put_code(u8 *at, u32 n) {
    at[0] = 0xB8;
    memcpy(at + 1, &n, 4);
    at[5] = 0xC3;
}
static u32 call_code(const u8 *at) { return ((u32(*)(void))(uptr)at)(); }

/* stores over the instruction that follows: MOV EAX, 1 becomes MOV EAX, 2 */
CODE(w_next, "movups w_patch(%rip), %xmm0\n movups %xmm0, w_next_to(%rip)\nw_next_to: mov $1, %eax\n ret\n"
             ".skip 10, 0x90\nw_patch: mov $2, %eax\n ret\n .skip 10, 0x90\n");

static void code_writes(void) {
    u8 *code = pages_alloc(2, 1);
    static u8 text[64] ALIGNED(64);
    for (u32 n = 0; n < 3; n++) {
        const u32 size = 16U << n;
        u8 *at = code + PAGE_SIZE - size / 2; /* in both pages */
        if (!can(size)) continue;
        bool good = true;
        for (u32 k = 0; k < 20; k++) {
            memset(text, 0x90, sizeof text);
            put_code(text + size - 6, k);
            memcpy(data, text, size);
            fault_of(n == 0 ? s_sse : n == 1 ? s_avx : s_evex, at, &f);
            if (call_code(at) != k) good = false;
        }
        ok(good, "code in two pages written by stores of %u bytes", size);
    }
    if (has.avx512) {
        struct masked arg = {(uptr)code, 0};
        bool good = true;
        memset(text, 0x90, sizeof text);
        put_code(text, 1000);
        memcpy(code, text, sizeof text);
        for (u32 n = 0; n < 5; n++) {
            put_code(data, 7 + n);
            call_code(code);
            arg.mask = 2; /* the lowest byte of the number */
            fault_of(m_store8, &arg, &f);
            if (call_code(code) != (1000 & ~0xFFU) + 7 + n) good = false;
        }
        ok(good, "one byte of an instruction written under a mask");
    }
    ok_eq(call_code(w_next), 2, "the next instruction written by a store of 16 bytes");
    for (u32 n = 0; n < 64; n++) data[n] = (u8)(n + 1);
}

/* ---- devices ---- */

#define APIC_PAGE 0xFEE00000ULL
#define HOLE      0xA0000ULL /* of video memory: whatever is there, an access is its parts */

static void video_memory(void) {
    for (u32 n = 0; n < 3; n++) {
        const u32 size = 16U << n;
        u8 parts[64];
        if (!can(size)) continue;
        const int v = fault_of(n == 0 ? s_sse : n == 1 ? s_avx : s_evex, (void *)(HOLE + 4), &f);
        fault_of(n == 0 ? l_sse : n == 1 ? l_avx : l_evex, (void *)(HOLE + 4), &f);
        for (u32 k = 0; k < size; k++) parts[k] = ((volatile u8 *)HOLE)[4 + k];
        ok(v == NO_FAULT && !memcmp(parts, out, size), "%u bytes of video memory", size);
    }
}

static void local_apic(void) {
    if (apic_present()) {
        u32 id;
        ok_eq((u64)fault_of(l_sse, (void *)(APIC_PAGE + APIC_VERSION), &f), (u64)NO_FAULT,
              "16 bytes of the local APIC");
        memcpy(&id, out, 4);
        ok_eq(id, apic_read(APIC_VERSION), "they begin with its register");
        apic_write(APIC_TPR, 0x10);
        if (has.avx512) {
            struct masked arg = {APIC_PAGE + APIC_TPR, 1};
            u32 tpr = 0x50;
            memcpy(data, &tpr, 4);
            ok_eq((u64)fault_of(m_store32, &arg, &f), (u64)NO_FAULT, "a store of one doubleword under a mask");
            ok_eq(apic_read(APIC_TPR), 0x50, "writes its register");
            data[0] = 1;
        }
        __asm__ volatile("movd %1, %%xmm0\n movss %%xmm0, %0"
                         : "=m"(*(volatile u32 *)(APIC_PAGE + APIC_TPR))
                         : "r"(0x20));
        ok_eq(apic_read(APIC_TPR), 0x20, "MOVSS writes it, too");
        apic_write(APIC_TPR, 0);
    } else {
        skip("no local APIC", "vector accesses to its registers");
    }
}

void guest_main(void) {
    has = vector_enable();
    if (!has.sse2) {
        skip("no SSE2", "memory operands of vector instructions");
        return;
    }
    root = read_cr3();
    pages = pages_alloc(2, 1);
    for (u32 n = 0; n < 64; n++) data[n] = (u8)(n + 1);
    page_crossing();
    masks();
    mask_contents();
    gathers();
    alignment();
    alignment_checks();
    canonical();
    code_writes();
    video_memory();
    local_apic();
}
