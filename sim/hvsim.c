/* The public interface of libhvsim: machines for front ends and for programs that embed the simulator. */
#include "sim/hvsim.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "sim/core/flags.h"
#include "sim/core/mce.h"
#include "sim/core/system.h"
#include "sim/core/trace.h"
#include "sim/hvsim_internal.h"
#include "sim/machine/load.h"

#define MIB              (1ull << 20)
#define APIC_ID_STEP_MAX 4096u
#define MEMORY_MAX       (64ull << 30)
#define DEFAULT_START    1767225600 /* 2026-01-01 00:00:00 */

typedef unsigned long long ull;

API const char *hvsim_version(void) { return "0.1.0"; }

API void hvsim_config_default(struct hvsim_config *c) {
    *c = (struct hvsim_config){.memory = 256 * MIB,
                               .cpus = 1,
                               .vga = true,
                               .serial = HVSIM_STDIO,
                               .debug_console = HVSIM_NONE,
                               .rtc_start = DEFAULT_START};
}

static bool check_drives(const struct hvsim_config *c, char *err, size_t err_size) {
    if (c->drive_count > HVSIM_MAX_DRIVES) {
        snprintf(err, err_size, "drives: expected at most %d, found %u", HVSIM_MAX_DRIVES, c->drive_count);
        return false;
    }
    for (unsigned i = 0; i < c->drive_count; i++)
        if (!c->drives[i].path || (unsigned)c->drives[i].interface > HVSIM_IF_VIRTIO) {
            snprintf(err, err_size, "drive %u: expected a path and a known interface", i);
            return false;
        }
    return true;
}

static bool check_config(const struct hvsim_config *c, char *err, size_t err_size) {
    if (c->memory < MIB || c->memory > MEMORY_MAX || c->memory % MIB)
        snprintf(err, err_size, "memory: expected a multiple of 1 MiB between 1 MiB and 64 GiB, found %llu bytes",
                 (ull)c->memory);
    else if (c->cpus < 1 || c->cpus > MAX_CPUS)
        snprintf(err, err_size, "cpus: expected 1 to %d, found %u", MAX_CPUS, c->cpus);
    else if (c->machine != HVSIM_PC && c->machine != HVSIM_Q35)
        snprintf(err, err_size, "machine: expected HVSIM_PC or HVSIM_Q35, found %d", (int)c->machine);
    else if (c->apic_id_step > APIC_ID_STEP_MAX || (c->apic_id_step & (c->apic_id_step - 1)))
        snprintf(err, err_size, "APIC id step %u: expected a power of two, 1 to %u", c->apic_id_step, APIC_ID_STEP_MAX);
    else if ((c->serial == HVSIM_FILE && !c->serial_path) || (c->serial2 == HVSIM_FILE && !c->serial2_path) ||
             (c->debug_console == HVSIM_FILE && !c->debug_console_path))
        snprintf(err, err_size, "serial ports, debug console: a file needs a path");
    else if (c->virtio_consoles > HVSIM_VIRTIO_CONSOLES)
        snprintf(err, err_size, "virtio consoles: expected at most %d, found %u", HVSIM_VIRTIO_CONSOLES,
                 c->virtio_consoles);
    else
        return check_drives(c, err, err_size);
    return false;
}

/* SDM 3, "x2APIC": identifiers from 255 on can't be told in xAPIC mode */
static bool check_apic_ids(const struct machine_config *mc, char *err, size_t err_size) {
    unsigned step = mc->apic_id_step ? mc->apic_id_step : 1, last = (mc->cpus - 1) * step;
    if (last < 255 || model_has(mc->model, FEAT_X2APIC)) return true;
    snprintf(err, err_size,
             "APIC ids up to %u need x2APIC, which CPU model %s does not have: choose a smaller step or add "
             "+x2apic",
             last, mc->model->name);
    return false;
}

static struct sink_config sink(enum hvsim_sink kind, const char *path) {
    static const enum sink_kind to[] = {[HVSIM_NONE] = SINK_NONE, [HVSIM_STDIO] = SINK_STDIO, [HVSIM_FILE] = SINK_FILE};
    return (struct sink_config){to[kind], path};
}

API hvsim *hvsim_create(const struct hvsim_config *c, char *err, size_t err_size) {
    if (!check_config(c, err, err_size)) return NULL;
    struct machine_config mc = {
        .kind = c->machine == HVSIM_Q35 ? MACHINE_Q35 : MACHINE_PC,
        .ram_size = c->memory,
        .cpus = c->cpus,
        .apic_id_step = c->apic_id_step,
        .serial = sink(c->serial, c->serial_path),
        .serial2 = sink(c->serial2, c->serial2_path),
        .no_reboot = c->no_reboot,
        .debug_console = sink(c->debug_console, c->debug_console_path),
        .virtio_consoles = c->virtio_consoles,
        .virtio_rng = c->virtio_rng,
        .virtio_rng_seed = c->virtio_rng_seed,
        .virtio_modern = c->virtio_modern,
        .net = c->net,
        .rtc_start = c->rtc_start,
        .max_insns = c->max_instructions,
        .timeout_seconds = c->timeout_seconds,
        .att = c->att_syntax,
        .test_device = c->test_device,
        .drives = c->drives,
        .drive_count = c->drive_count,
        .writable = c->writable,
        .vga = c->vga,
        .portable_transcendentals = c->portable_transcendentals,
    };
    for (unsigned i = 0; i < c->virtio_consoles; i++)
        mc.virtio_console[i] = sink(c->virtio_console[i], c->virtio_console_path[i]);
    mc.model = model_parse(c->cpu ? c->cpu : "max-intel", err, (unsigned)err_size);
    if (!mc.model) return NULL;
    if (!check_apic_ids(&mc, err, err_size)) {
        model_free(mc.model);
        return NULL;
    }
    if (c->trace) mc.trace = trace_open(c->trace, c->att_syntax, err, err_size);
    hvsim *h = !c->trace || mc.trace ? calloc(1, sizeof *h) : NULL;
    if (h) h->m = machine_create(&mc, err, err_size);
    if (h && h->m) return h;
    trace_close(mc.trace);
    model_free(mc.model);
    free(h);
    return NULL;
}

API void hvsim_destroy(hvsim *h) {
    if (!h) return;
    machine_destroy(h->m);
    free(h->picture.shown);
    free(h->picture.next);
    free(h->text);
    free(h);
}

API bool hvsim_load(hvsim *h, const struct hvsim_image *image, char *err, size_t err_size) {
    return machine_load(h->m, image, err, err_size);
}

API enum hvsim_kind hvsim_recognize(const char *path) { return machine_recognize(path); }

/* ---- running ---- */

static double host_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The report on a triple fault is made when it happens, those of the other ends here. */
static void make_report(struct machine *m) {
    size_t size;
    FILE *out = open_memstream(&m->stop_report, &size);
    if (!out) return;
    if (m->stop == STOP_RESET && m->reset_by) fprintf(out, "reset by %s\n", m->reset_by);
    machine_report_where(m, out);
    fclose(out);
}

API enum hvsim_stop hvsim_run(hvsim *h) {
    static const enum hvsim_stop why[] = {
        [STOP_NONE] = HVSIM_STOP_USER,
        [STOP_EXIT_PORT] = HVSIM_STOP_EXIT,
        [STOP_TRIPLE_FAULT] = HVSIM_STOP_TRIPLE_FAULT,
        [STOP_MAX_INSNS] = HVSIM_STOP_INSTRUCTIONS,
        [STOP_TIMEOUT] = HVSIM_STOP_TIMEOUT,
        [STOP_IDLE_FOREVER] = HVSIM_STOP_IDLE,
        [STOP_RESET] = HVSIM_STOP_RESET,
        [STOP_USER] = HVSIM_STOP_USER,
        [STOP_POWEROFF] = HVSIM_STOP_POWEROFF,
        [STOP_PAUSED] = HVSIM_STOP_PAUSED,
    };
    double start = host_time();
    free(h->m->stop_report);
    h->m->stop_report = NULL;
    enum stop_reason stop = machine_run(h->m);
    h->host_seconds += host_time() - start;
    if (stop != STOP_EXIT_PORT && stop != STOP_POWEROFF && stop != STOP_PAUSED && !h->m->stop_report) make_report(h->m);
    return why[stop];
}

API void hvsim_interrupt(hvsim *h) { h->m->interrupted = 1; }
API void hvsim_power_button(hvsim *h) { h->m->power_button = 1; }
API int hvsim_exit_value(const hvsim *h) { return h->m->exit_status; }
API const char *hvsim_report(const hvsim *h) { return h->m->stop_report ? h->m->stop_report : ""; }
API uint64_t hvsim_instructions(const hvsim *h) { return machine_insns(h->m); }
API uint64_t hvsim_state_hash(const hvsim *h) { return machine_hash(h->m); }

API void hvsim_stats(hvsim *h, FILE *out) {
    struct machine *m = h->m;
    uint64_t insns = machine_insns(m);
    fprintf(out, "%llu instructions, %llu cycles of virtual time\n", (ull)insns, (ull)m->now);
    fprintf(out, "%.*f s of host time", h->host_seconds < 1 ? 6 : 3, h->host_seconds);
    if (h->host_seconds >= 0.01) /* a shorter run says nothing of the speed */
        fprintf(out, ", %.1f million instructions per second", (double)insns / h->host_seconds / 1e6);
    fputc('\n', out);
    for (unsigned i = 0; i < m->cpu_count; i++) {
        struct cpu *cpu = m->cpu[i];
        if (m->cpu_count > 1) fprintf(out, "CPU %u: %llu instructions\n", i, (ull)cpu_icount(cpu));
        if (!cpu->virt.ops || !(cpu->virt.entries | cpu->virt.exits)) continue;
        fprintf(out, "CPU %u: %llu VM entries, %llu VM exits\n", i, (ull)cpu->virt.entries, (ull)cpu->virt.exits);
        if (cpu->virt.ops->stats) cpu->virt.ops->stats(cpu, out);
    }
    fprintf(out, "state hash %016llx\n", (ull)machine_hash(m));
}

API void hvsim_list_cpus(FILE *out) { model_list(out); }

API bool hvsim_describe_cpu(const char *cpu, FILE *out, char *err, size_t err_size) {
    struct cpu_model *m = model_parse(cpu, err, (unsigned)err_size);
    if (m) model_describe(m, out);
    model_free(m);
    return m != NULL;
}

/* ---- registers and memory ---- */

enum reg_kind {
    REG_GPR,
    REG_RIP,
    REG_RFLAGS,
    REG_CR,
    REG_DR,
    REG_DR6,
    REG_DR7,
    REG_EFER,
    REG_CR8,
    REG_SEL,
    REG_BASE,
    REG_CPL
};

static const struct {
    const char *name;
    uint8_t kind, index;
} reg_names[] = {
    {"rax",     REG_GPR,    RAX     },
    {"rcx",     REG_GPR,    RCX     },
    {"rdx",     REG_GPR,    RDX     },
    {"rbx",     REG_GPR,    RBX     },
    {"rsp",     REG_GPR,    RSP     },
    {"rbp",     REG_GPR,    RBP     },
    {"rsi",     REG_GPR,    RSI     },
    {"rdi",     REG_GPR,    RDI     },
    {"r8",      REG_GPR,    R8      },
    {"r9",      REG_GPR,    R9      },
    {"r10",     REG_GPR,    R10     },
    {"r11",     REG_GPR,    R11     },
    {"r12",     REG_GPR,    R12     },
    {"r13",     REG_GPR,    R13     },
    {"r14",     REG_GPR,    R14     },
    {"r15",     REG_GPR,    R15     },
    {"rip",     REG_RIP,    0       },
    {"rflags",  REG_RFLAGS, 0       },
    {"cr0",     REG_CR,     0       },
    {"cr2",     REG_CR,     2       },
    {"cr3",     REG_CR,     3       },
    {"cr4",     REG_CR,     4       },
    {"cr8",     REG_CR8,    0       },
    {"efer",    REG_EFER,   0       },
    {"dr0",     REG_DR,     0       },
    {"dr1",     REG_DR,     1       },
    {"dr2",     REG_DR,     2       },
    {"dr3",     REG_DR,     3       },
    {"dr6",     REG_DR6,    0       },
    {"dr7",     REG_DR7,    0       },
    {"cpl",     REG_CPL,    0       },
    {"es",      REG_SEL,    SEG_ES  },
    {"cs",      REG_SEL,    SEG_CS  },
    {"ss",      REG_SEL,    SEG_SS  },
    {"ds",      REG_SEL,    SEG_DS  },
    {"fs",      REG_SEL,    SEG_FS  },
    {"gs",      REG_SEL,    SEG_GS  },
    {"ldtr",    REG_SEL,    SEG_LDTR},
    {"tr",      REG_SEL,    SEG_TR  },
    {"es.base", REG_BASE,   SEG_ES  },
    {"cs.base", REG_BASE,   SEG_CS  },
    {"ss.base", REG_BASE,   SEG_SS  },
    {"ds.base", REG_BASE,   SEG_DS  },
    {"fs.base", REG_BASE,   SEG_FS  },
    {"gs.base", REG_BASE,   SEG_GS  },
};

static int find_reg(const hvsim *h, unsigned cpu, const char *name) {
    if (cpu >= h->m->cpu_count) return -1;
    for (unsigned i = 0; i < sizeof reg_names / sizeof reg_names[0]; i++)
        if (!strcasecmp(name, reg_names[i].name)) return (int)i;
    return -1;
}

static uint64_t *control_reg(struct cpu *cpu, unsigned n) {
    struct ctl_regs *c = &cpu->ctl;
    return n == 0 ? &c->cr0 : n == 2 ? &c->cr2 : n == 3 ? &c->cr3 : &c->cr4;
}

/* The place of a register that is simply a 64-bit word; NULL for the others. */
static uint64_t *reg_word(struct cpu *cpu, enum reg_kind kind, unsigned index) {
    switch (kind) {
    case REG_GPR:
        return &cpu->gpr[index];
    case REG_RIP:
        return &cpu->rip;
    case REG_CR:
        return control_reg(cpu, index);
    case REG_DR:
        return &cpu->dbg.dr[index];
    case REG_DR6:
        return &cpu->dbg.dr6;
    case REG_DR7:
        return &cpu->dbg.dr7;
    case REG_EFER:
        return &cpu->ctl.efer;
    case REG_BASE:
        return &cpu->seg[index].base;
    default:
        return NULL;
    }
}

API bool hvsim_get_reg(hvsim *h, unsigned cpu_nr, const char *name, uint64_t *val) {
    int n = find_reg(h, cpu_nr, name);
    if (n < 0) return false;
    struct cpu *cpu = h->m->cpu[cpu_nr];
    const uint64_t *word = reg_word(cpu, (enum reg_kind)reg_names[n].kind, reg_names[n].index);
    if (word) {
        *val = *word;
        return true;
    }
    switch ((enum reg_kind)reg_names[n].kind) {
    case REG_RFLAGS:
        *val = flags_get(cpu);
        return true;
    case REG_CR8:
        *val = lapic_get_tpr(cpu) >> 4;
        return true;
    case REG_CPL:
        *val = cpu->cpl;
        return true;
    case REG_SEL:
        *val = cpu->seg[reg_names[n].index].sel;
        return true;
    default:
        return false;
    }
}

/* Sets the register and nothing else: no checks, no descriptor is read for a selector. */
API bool hvsim_set_reg(hvsim *h, unsigned cpu_nr, const char *name, uint64_t val) {
    int n = find_reg(h, cpu_nr, name);
    if (n < 0) return false;
    struct cpu *cpu = h->m->cpu[cpu_nr];
    uint64_t *word = reg_word(cpu, (enum reg_kind)reg_names[n].kind, reg_names[n].index);
    if (word) *word = val;
    switch ((enum reg_kind)reg_names[n].kind) {
    case REG_RFLAGS:
        flags_load(cpu, (uint32_t)val);
        break;
    case REG_CR8:
        lapic_set_tpr(cpu, (uint8_t)(val << 4));
        break;
    case REG_SEL:
        cpu->seg[reg_names[n].index].sel = (uint16_t)val;
        break;
    case REG_CPL:
        return false; /* follows from the segments */
    default:
        break;
    }
    tlb_flush_all(cpu);
    cpu_update_mode(cpu);
    return true;
}

API bool hvsim_read_phys(hvsim *h, uint64_t pa, void *buf, size_t size) { return machine_read(h->m, pa, buf, size); }
API bool hvsim_write_phys(hvsim *h, uint64_t pa, const void *buf, size_t size) {
    return machine_write(h->m, pa, buf, size);
}

/* ---- machine checks ---- */

API bool hvsim_inject_machine_check(hvsim *h, unsigned cpu, const struct hvsim_machine_check *mc, char *err,
                                    size_t err_size) {
    if (cpu >= h->m->cpu_count) {
        snprintf(err, err_size, "machine check: expected a CPU from 0 to %u, found %u", h->m->cpu_count - 1, cpu);
        return false;
    }
    unsigned banks = mce_banks(h->m->cpu[cpu]);
    if (mc->bank >= banks) {
        snprintf(err, err_size, "machine check: bank %u does not exist: CPU model %s has %u", mc->bank,
                 h->m->model->name, banks);
        return false;
    }
    const struct mce_error e = {mc->bank, mc->status, mc->addr, mc->misc, mc->mcg_status, mc->broadcast};
    mce_inject(h->m->cpu[cpu], &e);
    return true;
}
