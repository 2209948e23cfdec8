/* The life of a machine. */
#include "sim/machine/machine.h"

#include <stdlib.h>

#include "sim/core/block.h"
#include "sim/core/flags.h"
#include "sim/core/system.h"
#include "sim/core/trace.h"
#include "sim/dev/chipset.h"
#include "sim/dev/disk.h"
#include "sim/machine/hash.h"
#include "sim/machine/internal.h"
#include "sim/ops/op.h"

#define MAX_DEVICES (sizeof((struct machine *)0)->devices / sizeof((struct machine *)0)->devices[0])

void machine_add_device(struct machine *m, struct device *d) {
    if (m->device_count < MAX_DEVICES) m->devices[m->device_count++] = d;
}

static bool create_cpus(struct machine *m, const struct machine_config *c) {
    for (unsigned i = 0; i < c->cpus; i++) {
        struct cpu *cpu = cpu_create(m, m->model, i);
        if (!cpu) return false;
        cpu->fpu.host.portable_transcendentals = c->portable_transcendentals;
        m->cpu[m->cpu_count++] = cpu;
    }
    return true;
}

static bool create_core(struct machine *m, const struct machine_config *c) {
    struct op_table *ops = malloc(sizeof *ops);
    m->ops = ops;
    if (!ops || !memory_create(m, c->ram_size) || !ports_create(m)) return false;
    op_table_build(ops);
    m->blocks = block_cache_create(m);
    return m->blocks && create_cpus(m, c);
}

static void reset_devices(struct machine *m) {
    for (unsigned i = 0; i < m->device_count; i++)
        if (m->devices[i]->ops->reset) m->devices[i]->ops->reset(m->devices[i]);
    memory_layout_changed(m);
}

void machine_reset(struct machine *m) {
    for (unsigned i = 0; i < m->cpu_count; i++) cpu_reset(m->cpu[i], false);
    reset_devices(m);
    for (unsigned i = 0; i < m->cpu_count; i++) m->cpu[i]->intr.attn &= ~(uint32_t)ATTN_STOP;
    m->turn = 0;
    m->turn_left = 0;
    m->stop = STOP_NONE;
    m->reset_by = NULL;
}

struct machine *machine_create(const struct machine_config *c, char *err, size_t err_size) {
    struct machine *m = calloc(1, sizeof *m);
    snprintf(err, err_size, "out of memory: cannot make a machine of %llu MiB and %u CPUs",
             (unsigned long long)c->ram_size >> 20, c->cpus);
    if (!m) return NULL;
    m->model = c->model;
    m->kind = c->kind;
    m->chipset = c->kind == MACHINE_Q35 ? &chipset_q35 : &chipset_pc;
    m->apic_id_step = c->apic_id_step ? c->apic_id_step : 1;
    m->phys_bits = c->model->phys_bits;
    m->max_insns = c->max_insns;
    m->timeout_seconds = c->timeout_seconds;
    m->trace = c->trace;
    m->att = c->att;
    m->virtio_modern = c->virtio_modern;
    m->trace_exec = c->trace && (c->trace->mask & TRACE_EXEC);
    if (!create_core(m, c) || !board_create(m, c, err, err_size)) {
        m->model = NULL; /* stays the caller's, as the trace does */
        m->trace = NULL;
        machine_destroy(m);
        return NULL;
    }
    m->no_reboot = c->no_reboot;
    reset_devices(m);
    err[0] = '\0';
    return m;
}

void machine_destroy(struct machine *m) {
    if (!m) return;
    m->timers = NULL; /* they lie in what is freed now */
    for (unsigned i = 0; i < m->device_count; i++) {
        if (m->devices[i]->ops->destroy) m->devices[i]->ops->destroy(m->devices[i]);
        free(m->devices[i]);
    }
    drives_destroy(m);
    for (unsigned i = 0; i < m->cpu_count; i++) cpu_destroy(m->cpu[i]);
    if (m->blocks) block_cache_destroy(m->blocks);
    ports_destroy(m);
    free(m->pci);
    memory_destroy(m);
    free((void *)(uintptr_t)m->ops);
    free(m->stop_report);
    trace_close(m->trace);
    model_free(m->model);
    free(m);
}

/* ---- the state in one number ---- */

static uint64_t hash_words(uint64_t h, const uint64_t *w, unsigned n) {
    for (unsigned i = 0; i < n; i++) h = hash_mix(h, w[i]);
    return h;
}

/* x87, vector, protection-key and control-flow registers: what XSAVES would save, and the supervisor's part of it */
static uint64_t hash_extended(uint64_t h, struct cpu *cpu) {
    const struct fpu_regs *f = &cpu->fpu;
    for (unsigned i = 0; i < 8; i++) h = hash_mix(hash_mix(h, f->st[i].sig), f->st[i].se);
    const uint64_t words[] = {f->fcw,
                              f->fsw,
                              f->ftw,
                              f->fop,
                              f->fip,
                              f->fdp,
                              f->fcs,
                              f->fds,
                              mxcsr_get(cpu),
                              cpu->ctl.xcr0,
                              cpu->ctl.pkru,
                              cpu->cet.ssp,
                              cpu->cet.u_cet,
                              cpu->cet.s_cet,
                              cpu->cet.pl_ssp[0],
                              cpu->cet.pl_ssp[1],
                              cpu->cet.pl_ssp[2],
                              cpu->cet.pl_ssp[3],
                              cpu->cet.ssp_table};
    h = hash_words(h, words, sizeof words / sizeof words[0]);
    for (unsigned i = 0; i < 32; i++) h = hash_words(h, cpu->vec.zmm[i].u64, 8);
    return hash_words(h, cpu->vec.k, 8);
}

static uint64_t hash_cpu(uint64_t h, struct cpu *cpu) {
    for (unsigned i = 0; i < 16; i++) h = hash_mix(h, cpu->gpr[i]);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct seg *s = &cpu->seg[i];
        h = hash_mix(hash_mix(h, s->base), (uint64_t)s->limit << 32 | s->ar);
        h = hash_mix(h, s->sel);
    }
    const uint64_t words[] = {cpu->rip,           flags_get(cpu),     cpu->cpl,        cpu->ctl.cr0,
                              cpu->ctl.cr2,       cpu->ctl.cr3,       cpu->ctl.cr4,    cpu->ctl.efer,
                              cpu->ctl.gdtr.base, cpu->ctl.idtr.base, cpu->dbg.dr6,    cpu->dbg.dr7,
                              cpu->intr.activity, cpu->virt.guest,    cpu_icount(cpu), cpu_cycles(cpu)};
    return hash_extended(hash_words(h, words, sizeof words / sizeof words[0]), cpu);
}

/* Pages of zeros do not count, so that a page never touched equals one that was read. */
static uint64_t hash_memory(uint64_t h, const struct machine *m) {
    for (uint64_t off = 0; off < m->pool_used; off += PAGE_SIZE) {
        const uint64_t *w = (const uint64_t *)(m->ram + off);
        uint64_t any = 0, page = off;
        for (unsigned i = 0; i < PAGE_SIZE / 8; i++) any |= w[i];
        if (!any) continue;
        for (unsigned i = 0; i < PAGE_SIZE / 8; i++) page = hash_mix(page, w[i]);
        h = hash_mix(h, page);
    }
    return h;
}

uint64_t machine_hash(struct machine *m) {
    uint64_t h = 0x6A09E667F3BCC908ull;
    for (unsigned i = 0; i < m->cpu_count; i++) h = hash_cpu(h, m->cpu[i]);
    h = hash_memory(h, m);
    for (unsigned i = 0; i < m->disk_count; i++) h = hash_mix(h, disk_hash(m->disk[i]));
    return h;
}
