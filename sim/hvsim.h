/* libhvsim: create a machine, load an image, run it, look at it. The only header that a front end includes.
 * Every function that can fail returns false or NULL and fills a message meant for a person: what was expected, what
 * was found, where, what to do. Strings returned are owned by the object. Not thread-safe per machine; separate
 * machines are independent. */
#ifndef HVSIM_H
#define HVSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hvsim hvsim; /* one machine */

/* A disk image or the image of a CD-ROM, of any format that qemu-nbd knows; raw ones are read directly. */
enum hvsim_interface {
    HVSIM_IF_DEFAULT, /* IDE on HVSIM_PC, AHCI on HVSIM_Q35 */
    HVSIM_IF_IDE,
    HVSIM_IF_AHCI,
    HVSIM_IF_VIRTIO
};
struct hvsim_drive {
    const char *path;
    const char *format; /* as qemu-nbd names it; NULL: what the file looks like */
    enum hvsim_interface interface;
    bool cdrom; /* read-only */
};
#define HVSIM_MAX_DRIVES 16

enum hvsim_sink { HVSIM_NONE, HVSIM_STDIO, HVSIM_FILE };

enum hvsim_machine {
    HVSIM_PC, /* i440FX and PIIX3 */
    HVSIM_Q35 /* Q35 and ICH9, with PCI Express configuration space */
};

#define HVSIM_VIRTIO_CONSOLES 4

struct hvsim_config {
    enum hvsim_machine machine;
    const char *cpu; /* "max-intel", "max-amd,-x2apic"; NULL: max-intel */
    uint64_t memory; /* bytes, multiple of 1 MiB, 1 MiB to 64 GiB */
    unsigned cpus;   /* 1 to 64 */
    /* CPU n has APIC id n times this, a power of two up to 4096; with more than 1 (0 means 1) every CPU is a package of
     * its own. Ids above 254 need x2APIC. */
    unsigned apic_id_step;
    enum hvsim_sink serial, serial2, debug_console;
    const char *serial_path, *serial2_path, *debug_console_path;
    const struct hvsim_drive *drives; /* `drive_count` of them; read by hvsim_create() only */
    unsigned drive_count;
    bool writable; /* what guests write to disks goes into the images; else it is kept in memory and forgotten */
    /* virtio devices: consoles (hvc0, hvc1, ...), random numbers made of the seed, a network card */
    enum hvsim_sink virtio_console[HVSIM_VIRTIO_CONSOLES];
    const char *virtio_console_path[HVSIM_VIRTIO_CONSOLES];
    unsigned virtio_consoles;
    bool virtio_rng;
    uint64_t virtio_rng_seed;
    bool virtio_modern; /* without the legacy interface: device ids from 1040H on */
    const char *net;    /* "none", or "user[,hostfwd=tcp:[ADDRESS:]PORT-[ADDRESS]:PORT]...": connections by the host's
                           sockets, with which no run is like another; NULL: none */
    uint64_t max_instructions; /* 0: no limit */
    unsigned timeout_seconds;  /* host seconds, 0: none */
    const char *trace;         /* "exec,exits:FILE" or NULL */
    bool att_syntax;
    bool portable_transcendentals; /* FSIN, F2XM1 and their like: the same bits on every host, not those of the host's
                                      x87 unit */
    bool vga;                      /* a display adapter, as hvsim_picture() shows it; on by default */
    bool test_device;              /* the ports and memory that kvm-unit-tests uses on QEMU */
    bool no_reboot;                /* a reset ends the run; else one that firmware started goes on with its firmware */
    int64_t rtc_start;             /* date and time of the clock at the start, seconds since 1970; never the host's */
};

enum hvsim_image_mode { HVSIM_MODE_REAL, HVSIM_MODE_PROTECTED, HVSIM_MODE_LONG };

struct hvsim_image {
    const char *path;     /* NULL: firmware starts and finds something to boot on the drives */
    const char *firmware; /* "seabios", "ovmf" or a file: firmware starts (and is handed the image); NULL: the image
                             starts directly, or what suits it */
    const char *firmware_vars; /* file of the firmware's variables, made when there is none; NULL: they are forgotten */
    const char *append;        /* command line, may be NULL */
    const char *const *modules; /* "FILE[,args]", `module_count` of them */
    unsigned module_count;
    bool flat;                    /* force flat binary */
    uint64_t load_address, entry; /* flat binaries */
    bool has_load_address, has_entry;
    enum hvsim_image_mode mode;
};

/* What a file is, to judge by its contents. An image is started by hvsim_load(); a disk or CD-ROM has to be one of the
 * machine's drives, and firmware starts it (hvsim_image.path = NULL). */
enum hvsim_kind {
    HVSIM_KIND_UNKNOWN, /* or not readable: hvsim_load() says why */
    HVSIM_KIND_IMAGE,   /* Linux kernel, multiboot, PVH */
    HVSIM_KIND_EFI,     /* an EFI application, which OVMF starts */
    HVSIM_KIND_DISK,
    HVSIM_KIND_CDROM,
};
enum hvsim_kind hvsim_recognize(const char *path);

enum hvsim_stop {
    HVSIM_STOP_EXIT, /* the guest wrote to the exit port */
    HVSIM_STOP_TRIPLE_FAULT,
    HVSIM_STOP_INSTRUCTIONS, /* max_instructions */
    HVSIM_STOP_TIMEOUT,
    HVSIM_STOP_IDLE,     /* halted for ever: no event can come */
    HVSIM_STOP_RESET,    /* the guest asked for a reset */
    HVSIM_STOP_USER,     /* hvsim_interrupt() */
    HVSIM_STOP_POWEROFF, /* the guest switched the power off through ACPI */
    HVSIM_STOP_PAUSED,   /* hvsim_pause(), hvsim_pause_at(): hvsim_run() goes on as if nothing had been */
};

void hvsim_config_default(struct hvsim_config *c);
hvsim *hvsim_create(const struct hvsim_config *c, char *err, size_t err_size);
void hvsim_destroy(hvsim *h);
bool hvsim_load(hvsim *h, const struct hvsim_image *image, char *err, size_t err_size);
enum hvsim_stop hvsim_run(hvsim *h);
void hvsim_interrupt(hvsim *h);              /* async-signal-safe: makes hvsim_run return */
void hvsim_power_button(hvsim *h);           /* async-signal-safe: presses it; the guest's ACPI hears of it */
int hvsim_exit_value(const hvsim *h);        /* value written to the exit port */
const char *hvsim_report(const hvsim *h);    /* how and where the last run ended: after a triple fault all
                                                about it, a line for each CPU after the others; "" after the exit port
                                                and power-off */
uint64_t hvsim_instructions(const hvsim *h); /* executed by all CPUs */
uint64_t hvsim_state_hash(const hvsim *h);   /* of registers and memory: equal for equal runs */
void hvsim_stats(hvsim *h, FILE *out);
void hvsim_list_cpus(FILE *out); /* models and features */
/* What one model has, with its changes ("zen3,-avx"); false with the reason in err. */
bool hvsim_describe_cpu(const char *cpu, FILE *out, char *err, size_t err_size);
/* registers and memory of a CPU, for tools and tests; names: "rax".."r15", "rip", "rflags", "cr0".., "cs".. */
bool hvsim_get_reg(hvsim *h, unsigned cpu, const char *name, uint64_t *val);
bool hvsim_set_reg(hvsim *h, unsigned cpu, const char *name, uint64_t val);
bool hvsim_read_phys(hvsim *h, uint64_t pa, void *buf, size_t size);
bool hvsim_write_phys(hvsim *h, uint64_t pa, const void *buf, size_t size);

/* A machine check happens on a CPU: the error is logged in one of its banks, by the manuals' overwrite rules, and
 * signalled as the bank's controls say: #MC when it is uncorrected and enabled (with CR4.MCE = 0 or
 * IA32_MCG_STATUS.MCIP = 1 the processor shuts down), CMCI when corrected ones have reached the threshold of
 * IA32_MCi_CTL2. Not while hvsim_run() runs. */
struct hvsim_machine_check {
    unsigned bank;
    uint64_t status;     /* IA32_MCi_STATUS: error code, UC, EN, PCC, ADDRV, MISCV and so on; VAL is set, EN is cleared
                            when IA32_MCi_CTL enables nothing */
    uint64_t addr, misc; /* IA32_MCi_ADDR, IA32_MCi_MISC */
    uint64_t mcg_status; /* IA32_MCG_STATUS: RIPV (bit 0) and EIPV (bit 1) */
    bool broadcast;      /* the #MC goes to all processors, as Intel's do */
};
bool hvsim_inject_machine_check(hvsim *h, unsigned cpu, const struct hvsim_machine_check *mc, char *err,
                                size_t err_size);
const char *hvsim_version(void);

/* ---- a front end beside the running machine ---- */

#define HVSIM_FOREVER (~0ull)

/* Called by hvsim_run(). They may look at the machine, send input, interrupt and pause; nothing that they only look at
 * changes what the guest does. */
struct hvsim_callbacks {
    void *arg;
    /* Often: some hundred times a second while the guest executes, with idle = 0. If `paced` is set, also when every
     * processor is idle and so many nanoseconds of virtual time would be skipped (HVSIM_FOREVER: there is only input to
     * wait for). It waits in real time, as somebody sits there, for a tenth of a second at most and until something
     * happens, and returns how many nanoseconds have gone by. May be NULL. */
    uint64_t (*serve)(void *arg, uint64_t idle);
    bool paced;
    void (*serial)(void *arg, uint8_t byte); /* the guest sent a byte to the first serial port; may be NULL */
};
void hvsim_set_callbacks(hvsim *h, const struct hvsim_callbacks *c); /* copied */
/* Make hvsim_run() return HVSIM_STOP_PAUSED after so many instructions in all, at so many nanoseconds of virtual time
 * (0: not for that reason); both are forgotten when it comes to it. */
void hvsim_pause_at(hvsim *h, uint64_t instructions, uint64_t nanoseconds);
void hvsim_pause(hvsim *h);                 /* from a callback: before the next instruction */
uint64_t hvsim_nanoseconds(const hvsim *h); /* virtual time */

/* The picture on the monitor. rgba: 4 bytes R, G, B, A (255) for each pixel, lines from top to bottom without gaps; the
 * machine's until the next call. The generation grows when the picture is another than at the last call. false: there
 * is no display adapter, or no memory. */
struct hvsim_picture {
    unsigned width, height;
    const uint8_t *rgba;
    uint64_t generation;
};
bool hvsim_picture(hvsim *h, struct hvsim_picture *p);
/* The characters of a text screen: lines that end in '\n' without blanks before it, '.' for what is not ASCII; the
 * machine's until the next call. "" in graphics modes and without a display adapter. */
const char *hvsim_screen_text(hvsim *h);

/* A key by its USB HID usage on page 07H (04H is A). false: no such key, or more are waiting than are kept. */
bool hvsim_key(hvsim *h, unsigned usage, bool down);
/* The mouse moved so far (right, down, wheel towards the user) with these buttons down: bit 0 left, 1 right, 2 middle,
 * 3 and 4 side. */
void hvsim_mouse(hvsim *h, int right, int down, int wheel, unsigned buttons);
unsigned hvsim_keyboard_leds(const hvsim *h); /* bit 0 Scroll, 1 Num, 2 Caps Lock */

#ifdef __cplusplus
}
#endif
#endif
