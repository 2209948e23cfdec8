/* Shadow stacks in far transfers, events and system calls. SDM 2, "CALL", "RET", "INT n/INTO/INT3/INT1", "IRET",
 * "SYSCALL", "SYSENTER"; SDM 1 "Supervisor Shadow Stack Token". */
#include "sim/core/cet.h"
#include "sim/core/mem.h"
#include "sim/core/seg.h"
#include "sim/core/system.h"

/* ---- one shadow stack ---- */

static uint64_t address(const struct shadow *s, uint64_t ssp) { return s->wide ? ssp : (uint32_t)ssp; }

static void push(struct cpu *cpu, struct shadow *s, uint64_t val) {
    mem_shstk_write(cpu, address(s, s->ssp - 8), 8, val, s->mode);
    s->ssp -= 8;
}

uint64_t shadow_pop(struct cpu *cpu, struct shadow *s) {
    uint64_t val = mem_shstk_read(cpu, address(s, s->ssp), 8, s->mode);
    s->ssp += 8;
    return val;
}

void shadow_push_frame(struct cpu *cpu, struct shadow *s, uint16_t cs, uint64_t lip, uint64_t ssp) {
    push(cpu, s, cs);
    push(cpu, s, lip);
    push(cpu, s, ssp);
}

bool shadow_exchange(struct cpu *cpu, const struct shadow *s, uint64_t expected, uint64_t val) {
    if (mem_shstk_rmw(cpu, address(s, s->ssp), 8, s->mode) != expected) return false;
    mem_shstk_write(cpu, address(s, s->ssp), 8, val, s->mode);
    return true;
}

uint64_t cet_lip(const struct cpu *cpu) {
    return cpu_is_64(cpu) ? cpu->rip : (uint32_t)(cpu->seg[SEG_CS].base + cpu->rip);
}

/* The frame of where the transfer comes from */
static void push_origin(struct cpu *cpu, struct shadow *s) {
    shadow_push_frame(cpu, s, cpu->seg[SEG_CS].sel, cet_lip(cpu), cpu->cet.ssp);
}

static void align_down(struct cpu *cpu, struct shadow *s) {
    mem_shstk_write(cpu, address(s, s->ssp - 4), 4, 0, s->mode);
    s->ssp &= ~7ull;
}

/* Bits 63:N like bit N-1, N being the linear-address width of the processor */
static uint64_t la_adjust(const struct cpu *cpu, uint64_t ssp) {
    unsigned sh = 64 - cpu->model->lin_bits;
    return cpu_is_lma(cpu) ? (uint64_t)((int64_t)(ssp << sh) >> sh) : ssp;
}

void cet_commit(struct cpu *cpu, const struct cet_transfer *t) {
    if (t->saves) cpu->cet.pl_ssp[3] = la_adjust(cpu, cpu->cet.ssp);
    if (t->switches) cpu->cet.ssp = t->ssp;
}

static bool enabled_now(const struct cpu *cpu) { return cpu->mode & MODE_SHSTK; }

static struct cet_transfer switch_to(uint64_t ssp) { return (struct cet_transfer){.switches = true, .ssp = ssp}; }

/* ---- calls and events ---- */

void cet_call_same(struct cpu *cpu, const struct cet_target *to, struct cet_transfer *t) {
    struct shadow s = {.ssp = cpu->cet.ssp, .wide = to->is_64};
    *t = (struct cet_transfer){0};
    if (!enabled_now(cpu)) return;
    if (!to->is_64 && s.ssp >> 32) cpu_gp0(cpu);
    align_down(cpu, &s);
    push_origin(cpu, &s);
    *t = switch_to(s.ssp);
}

/* Make the shadow stack busy. Token and frame must lie in an aligned region of 32 bytes: Intel's rule. */
static void acquire(struct cpu *cpu, const struct shadow *s) {
    bool apart = (s->ssp & ~0x1Full) != ((s->ssp - 24) & ~0x1Full);
    if ((s->ssp & 7) || (apart && cpu->model->vendor == VENDOR_INTEL)) cpu_gp0(cpu);
    if (!s->wide && s->ssp >> 32) cpu_gp0(cpu);
    if (!shadow_exchange(cpu, s, s->ssp, s->ssp | CET_TOKEN_BUSY)) cpu_gp0(cpu);
}

void cet_event_stack(struct cpu *cpu, struct cet_target *to, unsigned ist) {
    bool inner = to->cpl != cpu->cpl;
    to->token = !inner && ist;
    to->ssp = inner ? cpu->cet.pl_ssp[to->cpl] : cpu->cet.ssp;
    if (ist && (inner ? cet_shstk_at(cpu, to->cpl) : enabled_now(cpu)))
        to->ssp = mem_sys_read(cpu, cpu->cet.ssp_table + 8 * ist, 8);
}

void cet_event_same(struct cpu *cpu, const struct cet_target *to, struct cet_transfer *t) {
    struct shadow s = {.ssp = to->ssp, .wide = to->is_64};
    *t = (struct cet_transfer){0};
    if (!enabled_now(cpu)) return;
    if (to->token) acquire(cpu, &s);
    align_down(cpu, &s);
    push_origin(cpu, &s);
    *t = switch_to(s.ssp);
}

void cet_enter_inner(struct cpu *cpu, const struct cet_target *to, struct cet_transfer *t) {
    struct shadow s = {.ssp = to->ssp, .mode = MEM_SYS, .wide = to->is_64};
    *t = (struct cet_transfer){0};
    if (cet_shstk_at(cpu, to->cpl)) {
        acquire(cpu, &s);
        if (cpu->cpl != 3) push_origin(cpu, &s);
        *t = switch_to(s.ssp);
    }
    t->saves = enabled_now(cpu) && cpu->cpl == 3;
}

/* ---- returns ---- */

/* The SSP to go back to, from a frame that names the same CS and address as the other stack */
static uint64_t pop_frame(struct cpu *cpu, struct shadow *s, const struct cet_target *to) {
    uint64_t ssp = shadow_pop(cpu, s);
    uint64_t lip = shadow_pop(cpu, s);
    uint64_t cs = shadow_pop(cpu, s);
    if (cs != to->cs || lip != to->lip || (ssp & 3)) cet_fault(cpu, CP_FAR_RET);
    return ssp;
}

static void check_ssp(struct cpu *cpu, const struct cet_target *to, uint64_t ssp) {
    if (to->is_64 ? !is_canonical(cpu, ssp) : ssp >> 32 != 0) cpu_gp0(cpu);
}

/* Whether the token was a busy one does not matter. */
static void release(struct cpu *cpu, const struct shadow *s) {
    shadow_exchange(cpu, s, s->ssp | CET_TOKEN_BUSY, s->ssp);
}

void cet_return_same(struct cpu *cpu, const struct cet_target *to, bool iret, struct cet_transfer *t) {
    struct shadow s = {.ssp = cpu->cet.ssp, .wide = cpu_is_64(cpu)};
    *t = (struct cet_transfer){0};
    if (!enabled_now(cpu)) return;
    if (s.ssp & 7) cet_fault(cpu, CP_FAR_RET);
    uint64_t ssp = pop_frame(cpu, &s, to);
    check_ssp(cpu, to, ssp);
    if (iret && cpu_is_lma(cpu) && ssp != s.ssp) release(cpu, &s);
    *t = switch_to(ssp);
}

void cet_return_outer(struct cpu *cpu, const struct cet_target *to, struct cet_transfer *t) {
    struct shadow s = {.ssp = cpu->cet.ssp, .wide = cpu_is_64(cpu)};
    uint64_t ssp = cpu->cet.pl_ssp[3];
    *t = (struct cet_transfer){0};
    if (enabled_now(cpu)) {
        if (s.ssp & 7) cet_fault(cpu, CP_FAR_RET);
        if (to->cpl != 3) ssp = pop_frame(cpu, &s, to);
    }
    if (cet_shstk_at(cpu, to->cpl)) {
        check_ssp(cpu, to, ssp);
        *t = switch_to(ssp);
    }
    if (enabled_now(cpu)) release(cpu, &s);
}

void cet_return_vm86(struct cpu *cpu) {
    struct shadow s = {.ssp = cpu->cet.ssp};
    if (cet_enabled_at(cpu, 3, CET_SH_STK_EN | CET_ENDBR_EN)) cpu_gp0(cpu);
    if (!enabled_now(cpu)) return;
    if (s.ssp & 7) cet_fault(cpu, CP_FAR_RET);
    release(cpu, &s);
}

/* ---- system calls ---- */

/* From any level: an operating system that lets CPL 0-2 do this keeps IA32_PL3_SSP itself (SDM 2, "SYSCALL"). */
void cet_enter_system(struct cpu *cpu) {
    if (enabled_now(cpu)) cpu->cet.pl_ssp[3] = la_adjust(cpu, cpu->cet.ssp);
    if (cet_shstk_at(cpu, 0)) cpu->cet.ssp = 0;
    cet_track(cpu, 0);
}

void cet_enter_user(struct cpu *cpu) {
    if (cet_shstk_at(cpu, 3)) cpu->cet.ssp = cpu->cet.pl_ssp[3];
}
