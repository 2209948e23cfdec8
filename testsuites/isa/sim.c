/* The simulator's side: a processor set directly to user mode, with page tables, descriptor tables and handlers that
 * halt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/core/flags.h"
#include "sim/core/run.h"
#include "sim/core/system.h"
#include "sim/machine/machine.h"
#include "testsuites/isa/isa.h"

#define PHYS_CODE  0x100000u
#define PHYS_DATA  0x200000u
#define PHYS_SYS   0x300000u /* IDT, GDT, TSS, handlers, stack: a page each */
#define PHYS_PAGES 0x400000u
#define SYS        0x600000000000ull
#define SYS_IDT    (SYS + 0x0000)
#define SYS_GDT    (SYS + 0x1000)
#define SYS_TSS    (SYS + 0x2000)
#define SYS_CODE   (SYS + 0x3000) /* vector n's handler is at 16 n */
#define SYS_STACK  (SYS + 0x5000) /* grows down */

struct isa_sim {
    struct machine *m;
    uint64_t next_table;
    uint64_t xcr0;
};

static uint64_t *table_entry(struct isa_sim *s, uint64_t table, uint64_t la, unsigned level) {
    return (uint64_t *)(s->m->ram + table) + (la >> (12 + 9 * level) & 511);
}
static void map_page(struct isa_sim *s, uint64_t la, uint64_t pa, uint64_t bits) {
    uint64_t table = PHYS_PAGES;
    for (unsigned level = 3; level > 0; level--) {
        uint64_t *e = table_entry(s, table, la, level);
        if (!*e) {
            *e = s->next_table | 0x67;
            s->next_table += 4096;
        }
        table = *e & PAGE_MASK;
    }
    *table_entry(s, table, la, 0) = pa | bits | 0x61;
}

static void build_memory(struct isa_sim *s) {
    uint64_t *idt = (uint64_t *)(s->m->ram + PHYS_SYS), *gdt = idt + 512;
    uint8_t *tss = (uint8_t *)(gdt + 512), *handlers = tss + 4096;
    for (unsigned v = 0; v < 32; v++) {
        uint64_t h = SYS_CODE + 16 * v;
        idt[2 * v] = (h & 0xFFFF) | 8 << 16 | 0x8E00ull << 32 | (h >> 16 & 0xFFFF) << 48;
        idt[2 * v + 1] = h >> 32;
        handlers[16 * v] = 0xF4; /* HLT */
    }
    gdt[1] = 0x00AF9B000000FFFFull;        /* 08: code64, DPL 0 */
    gdt[2] = 0x00CF93000000FFFFull;        /* 10: data, DPL 0 */
    gdt[0x23 / 8] = 0x00CFFB000000FFFFull; /* as Linux has them: 23 code32, 2B data, 33 code64, DPL 3 */
    gdt[0x2B / 8] = 0x00CFF3000000FFFFull;
    gdt[0x33 / 8] = 0x00AFFB000000FFFFull;
    uint64_t rsp0 = SYS_STACK;
    memcpy(tss + 4, &rsp0, 8);
    for (unsigned p = 0; p < ISA_CODE_SIZE; p += 4096) map_page(s, ISA_CODE + p, PHYS_CODE + p, 6);
    for (unsigned p = 0; p < ISA_DATA_SIZE; p += 4096) map_page(s, ISA_DATA + p, PHYS_DATA + p, 6);
    for (unsigned p = 0; p < 5 * 4096; p += 4096) map_page(s, SYS + p, PHYS_SYS + p, 2);
}

struct isa_sim *isa_sim_create(const char *model, uint64_t xcr0, char *err, unsigned err_size) {
    struct isa_sim *s = calloc(1, sizeof *s);
    struct machine_config mc = {.ram_size = 16u << 20, .cpus = 1};
    if (!s) return NULL;
    mc.model = model_parse(model, err, err_size);
    if (mc.model) s->m = machine_create(&mc, err, err_size);
    if (!s->m) {
        if (mc.model) model_free(mc.model);
        free(s);
        return NULL;
    }
    s->next_table = PHYS_PAGES + 4096;
    s->xcr0 = xcr0;
    build_memory(s);
    return s;
}
void isa_sim_destroy(struct isa_sim *s) {
    if (!s) return;
    machine_destroy(s->m);
    free(s);
}

/* ST(n) is physical register TOP + n. */
static void put_fpu(struct cpu *cpu, const struct isa_fpu *f) {
    struct fpu_regs *u = &cpu->fpu;
    memcpy(cpu->vec.zmm, f->zmm, sizeof f->zmm);
    memcpy(cpu->vec.k, f->k, sizeof f->k);
    mxcsr_set(cpu, f->mxcsr);
    u->fcw = f->fcw;
    u->fsw = f->fsw;
    u->ftw = f->ftw;
    u->fop = f->fop;
    u->fip = f->fip;
    u->fdp = u->fdp_exc = f->fdp;
    u->fcs = u->fds = u->fds_exc = 0;
    for (unsigned n = 0; n < 8; n++) {
        struct f80 *st = &u->st[(fpu_top(u) + n) & 7];
        memcpy(&st->sig, f->st[n], 8);
        memcpy(&st->se, f->st[n] + 8, 2);
    }
}
static void get_fpu(struct cpu *cpu, struct isa_fpu *f) {
    const struct fpu_regs *u = &cpu->fpu;
    memcpy(f->zmm, cpu->vec.zmm, sizeof f->zmm);
    memcpy(f->k, cpu->vec.k, sizeof f->k);
    f->mxcsr = mxcsr_get(cpu);
    f->fcw = u->fcw;
    f->fsw = u->fsw;
    f->ftw = u->ftw;
    f->fop = u->fop;
    f->fip = u->fip;
    f->fdp = u->fdp;
    for (unsigned n = 0; n < 8; n++) {
        const struct f80 *st = &u->st[(fpu_top(u) + n) & 7];
        memcpy(f->st[n], &st->sig, 8);
        memcpy(f->st[n] + 8, &st->se, 2);
    }
}

static void user_state(struct cpu *cpu, const struct isa_case *c, uint64_t xcr0) {
    const uint32_t data = AR_P | AR_S | AR_RW | AR_ACCESSED | AR_DPL | AR_DB | AR_G;
    const uint32_t code = AR_P | AR_S | AR_CODE | AR_RW | AR_ACCESSED | AR_DPL | AR_G | (c->mode32 ? AR_DB : AR_L);
    for (unsigned k = 0; k < 4; k++) {
        static const enum seg_id flat[4] = {SEG_ES, SEG_SS, SEG_DS, SEG_CS};
        cpu->seg[flat[k]] = (struct seg){.sel = 0x2B, .limit = ~0u, .ar = data};
    }
    cpu->seg[SEG_CS].ar = code;
    cpu->seg[SEG_CS].sel = c->mode32 ? 0x23 : 0x33;
    cpu->seg[SEG_FS] = cpu->seg[SEG_GS] = (struct seg){.ar = AR_UNUSABLE};
    cpu->seg[SEG_TR] = (struct seg){.sel = 0x40, .base = SYS_TSS, .limit = 0x67, .ar = AR_P | DESC_TSS_BUSY};
    cpu->ctl.gdtr = (struct dtable){SYS_GDT, 0xFFF};
    cpu->ctl.idtr = (struct dtable){SYS_IDT, 0x1FF};
    cpu->ctl.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    cpu->ctl.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PGE | CR4_FSGSBASE | (xcr0 ? CR4_OSXSAVE : 0);
    cpu->ctl.xcr0 = xcr0 | 1;
    cpu->ctl.cr3 = PHYS_PAGES;
    cpu->ctl.efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    cpu->cpl = 3;
    cpu->intr.activity = ACT_ACTIVE;
    cpu->intr.attn = 0;
    cpu->intr.sti_shadow = cpu->intr.movss_shadow = false;
    cpu->dbg.pending = 0;
    memcpy(cpu->gpr, c->gpr, sizeof c->gpr);
    flags_load(cpu, c->flags | FLAG_IF | FLAG_FIXED);
    cpu->rip = c->rip;
    cpu->cur = NULL;
    cpu->xsave.valid = false; /* natively, the last XRSTOR is not one of the cases */
    put_fpu(cpu, &c->fpu);
    cpu_update_mode(cpu);
}

/* What the handler found on its stack */
static void read_fault(struct isa_sim *s, struct cpu *cpu, struct isa_result *r) {
    const uint64_t *top = (const uint64_t *)(s->m->ram + PHYS_SYS + (SYS_STACK - SYS)) - 5;
    r->exit = ISA_FAULT;
    r->vector = (uint8_t)((cpu->rip - SYS_CODE) / 16);
    if (cpu->gpr[RSP] == SYS_STACK - 48) r->error = (uint32_t)top[-1];
    r->rip = top[0];
    r->flags = (uint32_t)top[2] & (ISA_FLAGS | ISA_DF);
    r->gpr[RSP] = top[3];
    if (r->vector != VEC_PF) return;
    r->cr2 = cpu->ctl.cr2;
    if (!(r->error & PF_I) || r->rip != r->cr2) return;
    r->exit = ISA_AWAY;
    r->vector = 0;
    r->error = 0;
    r->cr2 = 0;
}

/* chained: as part of a block with the stub that follows, else alone */
void isa_sim_run(struct isa_sim *s, const struct isa_case *c, bool chained, struct isa_result *r) {
    struct cpu *cpu = s->m->cpu[0];
    uint8_t area[ISA_CODE_SIZE];
    uint64_t code_off = c->rip - ISA_CODE;
    memset(area, 0, sizeof area);
    isa_place_code(area, c);
    unsigned span = ISA_STUB_B + ISA_STUB_SIZE;
    machine_write(s->m, PHYS_CODE + code_off, area + code_off, span);
    isa_fill(s->m->ram + PHYS_DATA, c);
    user_state(cpu, c, s->xcr0);
    memset(r, 0, sizeof *r);
    for (unsigned k = 0; k < 100000; k++) {
        cpu_run(cpu, chained ? c->insns + 1 : 1);
        if (cpu->cpl == 0 || cpu->rip < c->rip || cpu->rip >= c->rip + c->len) break;
    }
    memcpy(r->gpr, cpu->gpr, sizeof r->gpr);
    r->flags = flags_get(cpu) & (ISA_FLAGS | ISA_DF);
    if (cpu->cpl == 0)
        read_fault(s, cpu, r);
    else if (cpu->rip == c->rip + c->len || cpu->rip == ISA_EXIT_A)
        r->exit = ISA_NEXT;
    else if (cpu->rip == c->rip + ISA_STUB_B || cpu->rip == ISA_EXIT_B)
        r->exit = ISA_BRANCHED;
    else
        r->exit = ISA_AWAY, r->rip = cpu->rip;
    r->mem_hash = isa_hash(s->m->ram + PHYS_DATA);
    memcpy(r->window, s->m->ram + PHYS_DATA + isa_window(c), ISA_WINDOW);
    get_fpu(cpu, &r->fpu);
}
