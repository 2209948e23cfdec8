#include "sim/x87/image.h"

#include <string.h>

#include "sim/core/system.h"
#include "sim/x87/pending.h"

#define FOP_MASK 0x7FF

static void put(uint8_t *image, unsigned at, unsigned bytes, uint64_t v) { memcpy(image + at, &v, bytes); }
static uint64_t get(const uint8_t *image, unsigned at, unsigned bytes) {
    uint64_t v = 0;
    memcpy(&v, image + at, bytes);
    return v;
}

/* SDM 1 "x87 FPU Instruction and Data (Operand) Pointers", CPUID.(EAX=07H,ECX=0H):EBX[6] and [13] */
uint64_t x87_fdp(const struct cpu *cpu) { return cpu_has(cpu, FEAT_FDP_EXCPTN_ONLY) ? cpu->fpu.fdp_exc : cpu->fpu.fdp; }
uint16_t x87_fds(const struct cpu *cpu) {
    if (cpu_has(cpu, FEAT_ZERO_FCS_FDS)) return 0;
    return cpu_has(cpu, FEAT_FDP_EXCPTN_ONLY) ? cpu->fpu.fds_exc : cpu->fpu.fds;
}
uint16_t x87_fcs(const struct cpu *cpu) { return cpu_has(cpu, FEAT_ZERO_FCS_FDS) ? 0 : cpu->fpu.fcs; }

void x87_set_pointers(struct cpu *cpu, const struct x87_pointers *p) {
    struct fpu_regs *f = &cpu->fpu;
    f->fop = p->fop & FOP_MASK;
    f->fip = p->fip;
    f->fcs = p->fcs;
    f->fdp = f->fdp_exc = p->fdp;
    f->fds = f->fds_exc = p->fds;
}

void x87_summarize(struct cpu *cpu) {
    struct fpu_regs *f = &cpu->fpu;
    const bool pending = f->fsw & ~f->fcw & FSW_EXC;
    f->fsw = (uint16_t)((f->fsw & ~(FSW_ES | FSW_B)) | (pending ? FSW_ES | FSW_B : 0));
    x87_ferr_update(cpu);
}

/* AMD's old rule */
static bool pointers_with_es_only(const struct cpu *cpu) {
    return cpu->model->vendor == VENDOR_AMD && !cpu_has(cpu, FEAT_XSAVEERPTR);
}
bool x87_image_keeps_pointers(const struct cpu *cpu) { return pointers_with_es_only(cpu) && !(cpu->fpu.fsw & FSW_ES); }

static void save_pointers(const struct cpu *cpu, uint8_t *image, bool w64) {
    const struct fpu_regs *f = &cpu->fpu;
    if (x87_image_keeps_pointers(cpu)) return;
    memset(image + X87_IMAGE_POINTERS, 0, X87_IMAGE_MXCSR - X87_IMAGE_POINTERS);
    /* with XSaveErPtr, AMD's processors save them as zeros when no exception waits */
    if (cpu->model->vendor == VENDOR_AMD && !(f->fsw & FSW_ES)) return;
    put(image, 6, 2, f->fop);
    put(image, 8, w64 ? 8 : 4, f->fip);
    put(image, 16, w64 ? 8 : 4, x87_fdp(cpu));
    if (w64) return;
    put(image, 12, 2, x87_fcs(cpu));
    put(image, 20, 2, x87_fds(cpu));
}

void x87_image_save(const struct cpu *cpu, uint8_t image[X87_IMAGE_SIZE], bool w64) {
    const struct fpu_regs *f = &cpu->fpu;
    put(image, 0, 2, f->fcw);
    put(image, 2, 2, f->fsw);
    put(image, 4, 2, f->ftw);
    save_pointers(cpu, image, w64);
    for (unsigned n = 0; n < 8; n++) {
        const struct f80 *v = &f->st[(fpu_top(f) + n) & 7];
        put(image, X87_IMAGE_ST + 16 * n, 8, v->sig);
        put(image, X87_IMAGE_ST + 16 * n + 8, 8, v->se);
    }
}

/* The registers of FIP and FDP are as wide as linear addresses: a 64-bit pointer is loaded as a canonical one. (So do
 * AMD's processors; the manuals don't say.) */
static uint64_t get_pointer(const struct cpu *cpu, const uint8_t *image, unsigned at, bool w64) {
    const unsigned unused = 64u - cpu->model->lin_bits;
    return w64 ? (uint64_t)((int64_t)(get(image, at, 8) << unused) >> unused) : get(image, at, 4);
}

static void load_pointers(struct cpu *cpu, const uint8_t *image, bool w64) {
    const struct x87_pointers p = {.fop = (uint16_t)get(image, 6, 2),
                                   .fip = get_pointer(cpu, image, 8, w64),
                                   .fdp = get_pointer(cpu, image, 16, w64),
                                   .fcs = w64 ? 0 : (uint16_t)get(image, 12, 2),
                                   .fds = w64 ? 0 : (uint16_t)get(image, 20, 2)};
    if (pointers_with_es_only(cpu) && !(get(image, 2, 2) & FSW_ES)) return;
    x87_set_pointers(cpu, &p);
}

void x87_image_load(struct cpu *cpu, const uint8_t image[X87_IMAGE_SIZE], bool w64) {
    struct fpu_regs *f = &cpu->fpu;
    f->fcw = (uint16_t)((get(image, 0, 2) & FCW_VALID) | FCW_FIXED);
    f->fsw = (uint16_t)get(image, 2, 2);
    f->ftw = image[4];
    load_pointers(cpu, image, w64);
    for (unsigned n = 0; n < 8; n++) {
        struct f80 *v = &f->st[(fpu_top(f) + n) & 7];
        v->sig = get(image, X87_IMAGE_ST + 16 * n, 8);
        v->se = (uint16_t)get(image, X87_IMAGE_ST + 16 * n + 8, 2);
    }
    x87_summarize(cpu);
}

void x87_init(struct cpu *cpu) {
    cpu->fpu = (struct fpu_regs){.fcw = FCW_INIT, .host = cpu->fpu.host};
    x87_ferr_update(cpu);
}

bool x87_is_init(const struct cpu *cpu) {
    const struct fpu_regs *f = &cpu->fpu;
    uint64_t any = (uint64_t)(f->fcw ^ FCW_INIT) | f->fsw | f->ftw | f->fop | f->fcs | f->fds | f->fip | f->fdp;
    any |= f->fdp_exc | f->fds_exc;
    for (unsigned n = 0; n < 8; n++) any |= f->st[n].sig | f->st[n].se;
    return any == 0;
}
