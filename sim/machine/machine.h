/* The machine: RAM, memory map, ports, clock, CPUs, devices. */
#ifndef HVSIM_MACHINE_MACHINE_H
#define HVSIM_MACHINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/core/cpu.h"

#define MAX_CPUS       64
#define CYCLES_PER_SEC 1000000000ull /* one virtual clock: 1 cycle = 1 ns at --timing fast */

/* ---- device interface: a device is one file of sim/dev/ with create, reset, read, write (save/load come with
 * snapshots) ---- */

struct device;
struct host_wait;
struct device_ops {
    const char *name;
    void (*reset)(struct device *d);
    void (*destroy)(struct device *d);
    /* offset is relative to the registered range; size is 1, 2, 4 (8 for MMIO) */
    uint64_t (*read)(struct device *d, unsigned range, uint64_t offset, unsigned size);
    void (*write)(struct device *d, unsigned range, uint64_t offset, unsigned size, uint64_t val);
    /* widest port access the device takes whole, 0 = 1 byte; the bus splits wider ones, and those that leave the range,
     * into bytes */
    unsigned port_width;
    /* What comes from the host (sim/machine/hostio.h), where anything does: take what is there; say what to wait for */
    void (*host_poll)(struct device *d);
    void (*host_wait)(struct device *d, struct host_wait *w);
};
struct device { /* first member of every device's own struct */
    const struct device_ops *ops;
    struct machine *machine;
};
struct machine;
/* The machine owns the device from here on. */
void machine_add_device(struct machine *m, struct device *d);
/* Claim ports [port, port+count) or physical addresses; `range` is handed back to read/write. Later claims win. */
void machine_map_ports(struct machine *m, struct device *d, unsigned range, uint16_t port, unsigned count);
void machine_unmap_ports(struct machine *m, const struct device *d, unsigned range);
void machine_map_mmio(struct machine *m, struct device *d, unsigned range, uint64_t base, uint64_t size);

/* A window of the physical address space. It lies over those that were mapped before it, for the accesses that it
 * takes. Reads of a window with host memory never ask the device; writes do if it is guarded (ROM and flash). Without
 * host memory the device answers everything; without both reads give ones and writes are dropped. */
enum mem_takes { MEM_TAKES_READS = 1, MEM_TAKES_WRITES = 2, MEM_TAKES_ALL = 3 };
enum mem_when { MEM_ALWAYS, MEM_IN_SMM, MEM_OUTSIDE_SMM }; /* the accessing CPU's mode; devices are outside */
struct mem_window {
    uint64_t base, size; /* multiples of 4 KiB where there is host memory */
    uint8_t takes;       /* enum mem_takes */
    uint8_t when;        /* enum mem_when */
    bool guarded;        /* writes go to the device, or nowhere */
    bool beneath;        /* under RAM and all windows that are not: what the bus decodes when nobody else does */
    bool above;          /* over all windows that are not: what the host bridge decides before the bus is asked */
    uint8_t *host;       /* RAM or machine_alloc_memory() */
    struct device *dev;
    unsigned range; /* handed back to read and write; with dev the name of the window */
};
void machine_map(struct machine *m, const struct mem_window *w); /* copied; at most 256 at a time */
void machine_unmap(struct machine *m, const struct device *d, unsigned range);
/* Change the window of (w->dev, w->range), which keeps its place among the others; takes = 0: it is not there for now.
 */
void machine_remap(struct machine *m, const struct mem_window *w);
/* Zeroed host memory for ROMs and video memory, in whole pages, until the machine ends. NULL: more than 256 MiB in all.
 */
uint8_t *machine_alloc_memory(struct machine *m, uint64_t size);

uint32_t port_read(struct machine *m, uint16_t port, unsigned size);
void port_write(struct machine *m, uint16_t port, unsigned size, uint32_t val);

/* ---- clock and events ---- */

typedef void event_fn(void *arg);
struct timer { /* owned by the device; one pending expiry at most */
    event_fn *fn;
    void *arg;
    uint64_t due; /* machine cycle */
    struct timer *next;
    bool armed;
};
uint64_t machine_now(const struct machine *m); /* the virtual clock, in cycles, exact inside an instruction */
void timer_init(struct timer *t, event_fn *fn, void *arg);
void timer_arm(struct machine *m, struct timer *t, uint64_t due);
void timer_cancel(struct machine *m, struct timer *t);

/* ---- memory ---- */

/* Host pointer to a physical page's byte for RAM or ROM (ROM: reads only), NULL for MMIO and holes. */
uint8_t *ram_ptr_slow(struct machine *m, uint64_t pa, bool write);
static inline uint8_t *ram_ptr(struct machine *m, uint64_t pa, bool write);
uint64_t mmio_read(struct machine *m, uint64_t pa, unsigned size);
void mmio_write(struct machine *m, uint64_t pa, unsigned size, uint64_t val);
bool machine_is_mmio(const struct machine *m, uint64_t pa);
void memory_smm_changed(struct cpu *cpu); /* the CPU went into or out of SMM */
/* Write to guest-physical memory from a loader or device (invalidates decoded code). false: not all of it is RAM. */
bool machine_write(struct machine *m, uint64_t pa, const void *buf, size_t size);
bool machine_read(struct machine *m, uint64_t pa, void *buf, size_t size);
void machine_set_a20(struct machine *m, bool on);

/* ---- interrupt lines ---- */

void machine_set_irq(struct machine *m, unsigned irq,
                     bool level); /* ISA IRQ 0-15 (to 8259 and I/O APIC), 16-23 I/O APIC only */
/* The same for lines that others may assert, too; machine_set_irq() is IRQ_DEVICE's. */
enum irq_source { IRQ_DEVICE, IRQ_PIRQ, IRQ_HPET, IRQ_SOURCES };
void machine_share_irq(struct machine *m, enum irq_source source, unsigned irq, bool asserted);
void machine_replace_timers(struct machine *m, bool on); /* IRQ 0 and 8 are the HPET's */
void machine_set_intr(struct machine *m, bool level);    /* 8259 INTR output, to the BSP's LINT0 */
uint8_t pic_acknowledge(struct machine *m);              /* INTA cycle */
/* x87 errors while CR0.NE = 0 (sim/dev/ferr.c): the processor's FERR# output and IGNNE# input */
void machine_set_ferr(struct machine *m, bool level);
bool machine_ignne(const struct machine *m);
/* APIC message: delivery to the local APICs (I/O APIC, IPIs, MSI) */
struct apic_message {
    uint8_t vector, delivery_mode, dest_mode, trigger, level, shorthand;
    uint32_t dest;
    unsigned source; /* CPU id of the sender for shorthands */
};
bool apic_deliver(struct machine *m, const struct apic_message *msg); /* was it accepted anywhere? */
void ioapic_eoi(struct machine *m, uint8_t vector);
void ioapic_retry(struct machine *m); /* a local APIC accepts from now on what it refused before */

/* ---- local APIC, as the processor uses it (sim/dev/lapic.c) ---- */

struct lapic *lapic_create(struct cpu *cpu);
void lapic_destroy(struct lapic *l);
void lapic_reset(struct lapic *l, bool init);
/* highest pending vector above PPR, or -1; takes the 8259's through LINT0 ExtINT into account (then *pic = true) */
int lapic_pending(struct cpu *cpu, bool *pic);
/* acknowledge: moves IRR to ISR (or runs INTA on the 8259) and returns the vector */
uint8_t lapic_acknowledge(struct cpu *cpu);
uint8_t lapic_get_tpr(struct cpu *cpu); /* bits 7:0 */
void lapic_set_tpr(struct cpu *cpu, uint8_t tpr);
/* xAPIC page, x2APIC MSRs, IA32_APIC_BASE and TSC deadline. false: #GP */
uint64_t lapic_mmio_read(struct cpu *cpu, uint64_t offset, unsigned size);
void lapic_mmio_write(struct cpu *cpu, uint64_t offset, unsigned size, uint64_t val);
bool lapic_msr_read(struct cpu *cpu, uint32_t msr, uint64_t *val);
bool lapic_msr_write(struct cpu *cpu, uint32_t msr, uint64_t val);
bool lapic_set_base(struct cpu *cpu, uint64_t val);
/* As firmware leaves the bootstrap processor: enabled, LINT0 = ExtINT, LINT1 = NMI (SDM 3, "Virtual Wire Mode" in MP
 * initialization) */
void lapic_set_virtual_wire(struct cpu *cpu);
uint64_t lapic_get_deadline(struct cpu *cpu);
void lapic_set_deadline(struct cpu *cpu, uint64_t tsc);
void lapic_tsc_changed(struct cpu *cpu); /* software moved the TSC: the deadline is at another cycle */
bool lapic_enabled(const struct cpu *cpu);
void lapic_signal_cmci(struct cpu *cpu); /* the count of corrected machine checks has reached its threshold */

/* ---- the machine ---- */

struct disk;
struct hvsim_drive;
struct trace; /* sim/core/trace.h */
struct op_table;
struct block_cache;
struct phys_page; /* per RAM page: decoded-code bitmap; sim/core/block.c */

enum stop_reason {
    STOP_NONE,
    STOP_EXIT_PORT,
    STOP_TRIPLE_FAULT,
    STOP_MAX_INSNS,
    STOP_TIMEOUT,
    STOP_IDLE_FOREVER,
    STOP_RESET,
    STOP_USER,
    STOP_POWEROFF,
    STOP_PAUSED
};

#define SERVE_FOREVER (~0ull)

/* What a front end does while the machine runs. */
struct machine_service {
    void *arg;
    /* Called between slices with idle = 0. If `paced`, also when every CPU is idle and so many cycles would be skipped
     * (SERVE_FOREVER: no timer runs): it waits in real time, as somebody sits there, and returns how many go by. */
    uint64_t (*serve)(void *arg, uint64_t idle);
    bool paced;
    void (*serial)(void *arg, uint8_t byte); /* the first serial port sent a byte */
};

/* Where a device's output goes. */
enum sink_kind { SINK_NONE, SINK_STDIO, SINK_FILE };
struct sink_config {
    enum sink_kind kind;
    const char *path;
};

/* The boards: what is soldered on them. */
enum machine_kind {
    MACHINE_PC, /* i440FX and PIIX3 */
    MACHINE_Q35 /* Q35 and ICH9: PCI Express configuration space */
};

struct machine_config {
    enum machine_kind kind;
    struct cpu_model *model; /* owned by the machine once machine_create() succeeds */
    uint64_t ram_size;       /* bytes, a multiple of 1 MiB */
    unsigned cpus;
    unsigned apic_id_step; /* 0: 1 */
    struct sink_config serial, serial2, debug_console;
    struct sink_config virtio_console[4];
    unsigned virtio_consoles;
    bool virtio_rng;
    uint64_t virtio_rng_seed;
    bool virtio_modern; /* virtio devices have no legacy interface */
    const char *net;    /* "none" or "user[,...]" (sim/dev/net_user.h); may be NULL */
    int64_t rtc_start;  /* what the clock shows at cycle 0: seconds since 1970 */
    uint64_t max_insns;
    unsigned timeout_seconds;         /* of the host; looked at between slices only */
    const struct hvsim_drive *drives; /* sim/hvsim.h; at most 16 */
    unsigned drive_count;
    bool writable;                 /* disk images are written to */
    struct trace *trace;           /* owned, may be NULL */
    bool att;                      /* disassemble in AT&T syntax */
    bool test_device;              /* sim/dev/testdev.c is on the board */
    bool vga;                      /* a display adapter is on the board */
    bool no_reboot;                /* a reset ends the run even when firmware started the machine */
    bool portable_transcendentals; /* FSIN and its like give the same bits on every host */
};

struct machine {
    uint8_t *
        ram; /* ram_size bytes; physical [0, low_size) then [4 GiB, ...); the pool goes on with ROMs and video memory */
    uint64_t ram_size, low_size;
    uint64_t pool_size, pool_used;
    uint64_t a20_mask;               /* ~0 or ~(1 << 20) */
    uint64_t plain_base, plain_size; /* low RAM that nothing lies over: what ram_ptr() answers by itself */
    unsigned phys_bits;

    struct cpu *cpu[MAX_CPUS];
    unsigned cpu_count;
    unsigned apic_id_step; /* CPU n has the APIC id n times this */
    struct cpu *running;   /* the CPU whose turn it is */
    uint64_t now;          /* cycles, at the start of the running CPU's slice */
    struct timer *timers;  /* sorted by due, then by order of arming */

    const struct op_table *ops;
    struct block_cache *blocks;
    struct trace *trace;
    bool trace_exec; /* every instruction is traced: all run stepped */

    struct mem_map *map; /* sim/machine/memmap.c */
    struct port_bus *ports;
    struct device *devices[64];
    unsigned device_count;
    struct disk *disk[16]; /* sim/dev/disk.h */
    unsigned disk_count;
    struct device *pic, *ioapic, *kbc, *ferr; /* the ones others call */
    struct pci_bus *pci;                      /* sim/dev/pci.h */
    struct device *fwcfg;                     /* sim/dev/fwcfg.h */
    uint32_t irq_lines[IRQ_SOURCES];          /* who asserts which interrupt line */
    bool timers_replaced;
    enum machine_kind kind;
    const struct chipset *chipset; /* sim/dev/chipset.h */
    struct device *pm;             /* sim/dev/acpipm.c */
    struct device *vga;            /* sim/dev/vga.h; NULL: no display adapter */

    bool by_firmware; /* firmware starts the machine, not a loader: at the reset vector */
    bool no_reboot;

    enum stop_reason stop;
    int exit_status;      /* value written to the exit port */
    char *stop_report;    /* text, owned */
    const char *reset_by; /* what asked for the reset */
    uint64_t max_insns;

    struct cpu_model *model;
    uint64_t slice_end; /* machine cycle at which the running CPU's slice ends */
    unsigned turn;      /* index of the CPU that runs next */
    bool att;           /* disassemble in AT&T syntax */
    unsigned timeout_seconds;
    volatile int interrupted;  /* set by a signal handler: stop with STOP_USER */
    volatile int power_button; /* the same: it is pressed */
    bool intr_line;            /* the 8259's INTR output */
    uint64_t idle_since;       /* cycle at which the last instruction was executed, as far as skip_time() knows */
    uint64_t poll_due;         /* when the host is looked at again */
    bool virtio_modern;        /* virtio devices have no legacy interface */
    bool stdin_taken;          /* a device reads standard input */
    struct machine_service service;
    uint64_t pause_insns, pause_cycle; /* stop with STOP_PAUSED at this count, at this cycle; 0: never */
    uint64_t deadline;                 /* of the host's time, in nanoseconds; 0: none */
    uint64_t turn_left;                /* cycles of the next turn that a pause has cut off */
};

struct machine *machine_create(const struct machine_config *c, char *err, size_t err_size);
void machine_destroy(struct machine *m);
/* Run until something stops the machine; m->stop says what. May be called again after STOP_USER, STOP_TIMEOUT,
 * STOP_MAX_INSNS and STOP_PAUSED; the guest never learns of a pause. */
enum stop_reason machine_run(struct machine *m);
uint64_t machine_insns(const struct machine *m); /* executed by all CPUs */
/* What a person wants to see when a CPU died: events, registers, disassembly, the extension's report. */
void machine_report_cpu(struct cpu *cpu, FILE *out);
/* Where each CPU is and what it does, one line each. */
void machine_report_where(const struct machine *m, FILE *out);
uint64_t machine_hash(struct machine *m); /* of registers and memory */

static inline uint8_t *ram_ptr(struct machine *m, uint64_t pa, bool write) {
    pa &= m->a20_mask;
    if (__builtin_expect(pa - m->plain_base < m->plain_size, 1)) return m->ram + pa;
    return ram_ptr_slow(m, pa, write);
}

/* Is there another CPU that executes instructions, or is about to be woken? */
bool machine_others_run(const struct cpu *cpu);
/* Ask every CPU to leave the run loop; the first reason wins. */
void machine_stop(struct machine *m, enum stop_reason why);
/* RESET: devices and processors as after power-up; memory, what is on disks and in CMOS, and the clock stay. */
void machine_reset(struct machine *m);
/* Reset request from the keyboard controller, port 92H or CF9H; `by` says which, in words that live on. */
void machine_request_reset(struct machine *m, const char *by);

#endif
