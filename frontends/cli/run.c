/* hvsim run IMAGE [options] */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frontends/cli/cli.h"
#include "frontends/cli/display.h"
#include "sim/hvsim.h"

#define MAX_MODULES 128

enum option_id {
    OPT_HELP = 256,
    OPT_MACHINE,
    OPT_CPU,
    OPT_MEMORY,
    OPT_CPUS,
    OPT_APPEND,
    OPT_INITRD,
    OPT_SERIAL,
    OPT_SERIAL2,
    OPT_NO_REBOOT,
    OPT_DEBUG_CONSOLE,
    OPT_VIRTIO_CONSOLE,
    OPT_VIRTIO_RNG,
    OPT_VIRTIO,
    OPT_NET,
    OPT_MAX_INSTRUCTIONS,
    OPT_TIMEOUT,
    OPT_TRACE,
    OPT_STATS,
    OPT_HASH,
    OPT_FIRMWARE,
    OPT_FIRMWARE_VARS,
    OPT_LOAD_ADDRESS,
    OPT_ENTRY,
    OPT_MODE,
    OPT_SYNTAX,
    OPT_APIC_ID_STEP,
    OPT_RTC,
    OPT_TEST_DEVICE,
    OPT_TRANSCENDENTALS,
    OPT_DRIVE,
    OPT_CDROM,
    OPT_WRITABLE,
    OPT_DISPLAY,
    OPT_SCREENSHOT,
    OPT_AT,
};

/* Everything that the command line says. */
struct request {
    struct hvsim_config config;
    struct hvsim_image image;
    const char *modules[MAX_MODULES];
    struct hvsim_drive drives[HVSIM_MAX_DRIVES];
    char *drive_text[HVSIM_MAX_DRIVES]; /* owned: what the drives refer to */
    struct display display;
    bool stats, hash, help, list_cpus;
    char described[256]; /* --cpu MODEL,help: the model */
};

static const struct {
    const char *name, *arg, *help;
    enum option_id id;
} options[] = {
    {"machine",          "MACHINE",     "pc (i440FX and PIIX3) or q35 (Q35 and ICH9, PCI Express) (pc)",                        OPT_MACHINE         },
    {"cpu",              "MODEL",       "processor: NAME[,+FEATURE,-FEATURE...][,help]; or `help` (max-intel)",                 OPT_CPU             },
    {"memory",           "SIZE",        "memory, such as 64M or 2G; a bare number is MiB (256M)",                               OPT_MEMORY          },
    {"cpus",             "N",           "number of processors, 1 to 64 (1)",                                                    OPT_CPUS            },
    {"apic-id-step",     "N",           "CPU n gets APIC id n * N, a power of two; each CPU a package (1)",                     OPT_APIC_ID_STEP    },
    {"append",           "TEXT",        "command line for the image",                                                           OPT_APPEND          },
    {"initrd",           "FILE[,ARGS]", "initial RAM disk of Linux, or boot module; may be given again",                        OPT_INITRD          },
    {"drive",            "FILE[,...]",  "disk image; ,if=ide|ahci|virtio ,media=disk|cdrom ,format=FORMAT; may be given again",
     OPT_DRIVE                                                                                                                                      },
    {"cdrom",            "FILE",        "CD-ROM image: --drive FILE,media=cdrom",                                               OPT_CDROM           },
    {"writable",         NULL,          "what guests write to disks goes into the images; else they stay as they are",          OPT_WRITABLE        },
    {"serial",           "WHERE",       "COM1: stdio, file:PATH or none (stdio)",                                               OPT_SERIAL          },
    {"serial2",          "WHERE",       "COM2: stdio, file:PATH or none (none)",                                                OPT_SERIAL2         },
    {"debug-console",    "WHERE",       "port 0xe9: stdio, file:PATH or none (none)",                                           OPT_DEBUG_CONSOLE   },
    {"virtio-console",   "WHERE",       "a virtio console: stdio, file:PATH or none; up to 4 times",                            OPT_VIRTIO_CONSOLE  },
    {"virtio-rng",       "[=SEED]",     "a virtio source of random numbers, the same in each run",                              OPT_VIRTIO_RNG      },
    {"virtio",           "KIND",        "virtio devices: transitional or modern, without the legacy interface (transitional)",
     OPT_VIRTIO                                                                                                                                     },
    {"net",              "WHAT",        "virtio network card: none or user[,hostfwd=tcp:PORT-:PORT]... (none)",                 OPT_NET             },
    {"max-instructions", "N",           "stop after exactly N instructions",                                                    OPT_MAX_INSTRUCTIONS},
    {"timeout",          "SECONDS",     "stop after so many seconds of the host's time",                                        OPT_TIMEOUT         },
    {"trace",            "WHAT:FILE",   "write a trace; WHAT of exec, exits, int, io, mmio, msr, all",                          OPT_TRACE           },
    {"stats",            NULL,          "print instruction counts, speed and VM exits at the end",                              OPT_STATS           },
    {"no-reboot",        NULL,          "a reset ends the run, also when firmware started the machine",                         OPT_NO_REBOOT       },
    {"hash",             NULL,          "print the number of instructions and a hash of the state at the end",                  OPT_HASH            },
    {"display",          "WHERE",       "sdl: a window; none; auto: a window where one can be had (auto)",                      OPT_DISPLAY         },
    {"screenshot",       "FILE",        "save a picture of the screen as PNG; may be given again",                              OPT_SCREENSHOT      },
    {"at",               "WHEN",        "of --screenshot: instructions=N, time=SECONDS, text=TEXT, serial=TEXT or end",         OPT_AT              },
    {"firmware",         "NAME",        "start by firmware: seabios, ovmf or a file with an image",                             OPT_FIRMWARE        },
    {"firmware-vars",    "FILE",        "keep the firmware's variables in this file, made when there is none",                  OPT_FIRMWARE_VARS   },
    {"load-address",     "ADDRESS",     "flat binary: where it goes (0x7c00 in real mode, else 1 MiB)",                         OPT_LOAD_ADDRESS    },
    {"entry",            "ADDRESS",     "flat binary: where it starts (at its beginning)",                                      OPT_ENTRY           },
    {"mode",             "MODE",        "flat binary: real, protected or long (real)",                                          OPT_MODE            },
    {"syntax",           "SYNTAX",      "disassembly: intel or att (intel)",                                                    OPT_SYNTAX          },
    {"rtc",              "DATE",        "clock at the start, as 2026-01-01T00:00:00",                                           OPT_RTC             },
    {"test-device",      NULL,          "add what kvm-unit-tests uses of QEMU: pc-testdev and pci-testdev",                     OPT_TEST_DEVICE     },
    {"transcendentals",  "WHOSE",       "FSIN, F2XM1 and their like: host or portable (host)",                                  OPT_TRANSCENDENTALS },
    {"help",             NULL,          "this text",                                                                            OPT_HELP            },
};
#define OPTIONS (sizeof options / sizeof options[0])

static int print_help(void) {
    puts("usage: hvsim run [IMAGE] [options]\n\n"
         "Starts a Linux kernel (bzImage), a multiboot image (version 1 or 2) or an ELF image with a PVH entry\n"
         "directly, a disk or CD-ROM image by SeaBIOS, an EFI application by OVMF, and with --mode,\n"
         "--load-address or --entry a flat binary.\n\noptions:");
    for (unsigned i = 0; i < OPTIONS; i++) {
        char left[40];
        const char *arg = options[i].arg ? options[i].arg : "";
        snprintf(left, sizeof left, "--%s%s%s", options[i].name, *arg == '[' ? "" : " ", arg);
        printf("  %-24s %s\n", left, options[i].help);
    }
    puts("\nexit status: (value << 1) | 1 of what the guest writes to port 0xf4; 0 power-off, 2 bad usage or image, 4 "
         "triple\n"
         "fault, 6 reset, 8 halted for ever, 10 --max-instructions, 12 --timeout, 14 interrupted");
    return CLI_OK;
}

/* ---- values ---- */

/* Decimal or with 0x hexadecimal; a leading 0 is no sign of octal. */
static bool parse_range(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *val) {
    char *end;
    errno = 0;
    *val = strtoull(text, &end, text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
    if (!errno && *text >= '0' && *text <= '9' && !*end && *val >= min && *val <= max) return true;
    cli_error("--%s: expected a whole number from %llu to %llu (0x for hexadecimal), found '%s'", option,
              (unsigned long long)min, (unsigned long long)max, text);
    return false;
}

static bool parse_number(const char *option, const char *text, uint64_t max, uint64_t *val) {
    return parse_range(option, text, 0, max, val);
}

static bool parse_memory(const char *text, uint64_t *val) {
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    unsigned shift = 20;
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    if (unit) shift = 10 * (unsigned)(unit - units + 1);
    if (unit) end++;
    if (errno || *text < '0' || *text > '9' || *end || n > UINT64_MAX >> shift) {
        cli_error("--memory: expected a size such as 512M or 2G, found '%s'", text);
        return false;
    }
    *val = n << shift;
    return true;
}

static bool parse_sink(const char *option, const char *text, enum hvsim_sink *kind, const char **path) {
    *path = NULL;
    if (!strcmp(text, "stdio"))
        *kind = HVSIM_STDIO;
    else if (!strcmp(text, "none"))
        *kind = HVSIM_NONE;
    else if (!strncmp(text, "file:", 5) && text[5]) {
        *kind = HVSIM_FILE;
        *path = text + 5;
    } else {
        cli_error("--%s: expected stdio, file:PATH or none, found '%s'", option, text);
        return false;
    }
    return true;
}

/* One of `count` words, as its number. */
static bool parse_word(const char *option, const char *text, const char *const *words, unsigned count, unsigned *val) {
    for (*val = 0; *val < count; ++*val)
        if (!strcmp(text, words[*val])) return true;
    fprintf(stderr, "hvsim: --%s: expected one of", option);
    for (unsigned i = 0; i < count; i++) fprintf(stderr, " %s", words[i]);
    fprintf(stderr, "; found '%s'\n", text);
    return false;
}

static bool parse_date(const char *text, int64_t *val) {
    struct tm t = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &t);
    if (!end || *end) {
        cli_error("--rtc: expected a date and time such as 2026-01-01T00:00:00, found '%s'", text);
        return false;
    }
    const int day = t.tm_mday;
    *val = (int64_t)timegm(&t);
    if (t.tm_mday == day) return true;
    cli_error("--rtc: expected a day that the month has, found '%s'", text);
    return false;
}

static bool parse_mode(const char *text, struct hvsim_image *image) {
    static const char *const words[] = {"real", "protected", "long"};
    unsigned n;
    if (!parse_word("mode", text, words, 3, &n)) return false;
    image->mode = (enum hvsim_image_mode)n;
    image->flat = true;
    return true;
}

static bool parse_machine(const char *text, enum hvsim_machine *val) {
    static const char *const words[] = {"pc", "q35"};
    unsigned n;
    if (!parse_word("machine", text, words, 2, &n)) return false;
    *val = n ? HVSIM_Q35 : HVSIM_PC;
    return true;
}

static bool parse_cpus(const char *text, unsigned *val) {
    uint64_t n;
    if (!parse_range("cpus", text, 1, 64, &n)) return false;
    *val = (unsigned)n;
    return true;
}

static bool parse_apic_id_step(const char *text, unsigned *val) {
    uint64_t n;
    if (!parse_range("apic-id-step", text, 1, 4096, &n)) return false;
    *val = (unsigned)n;
    return true;
}

static bool parse_timeout(const char *text, unsigned *val) {
    uint64_t n;
    if (!parse_number("timeout", text, UINT32_MAX, &n)) return false;
    *val = (unsigned)n;
    return true;
}

/* One of two words: is it the second? */
static bool parse_either(const char *option, const char *text, const char *first, const char *second, bool *is_second) {
    const char *const words[] = {first, second};
    unsigned n;
    if (!parse_word(option, text, words, 2, &n)) return false;
    *is_second = n == 1;
    return true;
}

static bool parse_display(const char *text, enum display_where *where) {
    static const char *const words[] = {"auto", "none", "sdl"};
    unsigned n;
    if (!parse_word("display", text, words, 3, &n)) return false;
    *where = (enum display_where)n;
    return true;
}

static bool add_module(struct request *r, const char *text) {
    if (r->image.module_count == MAX_MODULES) {
        cli_error("--initrd: at most %d modules can be given", MAX_MODULES);
        return false;
    }
    r->modules[r->image.module_count++] = text;
    return true;
}

static bool parse_cpu(const char *text, struct request *r) {
    const size_t len = strlen(text);
    r->config.cpu = text;
    if (!strcmp(text, "help")) r->list_cpus = true;
    if (len > 5 && len - 5 < sizeof r->described && !strcmp(text + len - 5, ",help"))
        memcpy(r->described, text, len - 5);
    return true;
}

static bool add_drive(struct request *r, const char *text, bool cdrom) {
    struct hvsim_config *c = &r->config;
    if (c->drive_count == HVSIM_MAX_DRIVES) {
        cli_error("--drive: at most %d drives can be given", HVSIM_MAX_DRIVES);
        return false;
    }
    char *own = r->drive_text[c->drive_count] = strdup(text);
    c->drives = r->drives;
    return own && cli_parse_drive(own, cdrom, &r->drives[c->drive_count++]);
}

static bool add_virtio_console(struct hvsim_config *c, const char *text) {
    const unsigned n = c->virtio_consoles;
    if (n == HVSIM_VIRTIO_CONSOLES) {
        cli_error("--virtio-console: at most %d can be given", HVSIM_VIRTIO_CONSOLES);
        return false;
    }
    c->virtio_consoles++;
    return parse_sink("virtio-console", text, &c->virtio_console[n], &c->virtio_console_path[n]);
}

static bool apply(struct request *r, enum option_id id, const char *arg) {
    struct hvsim_config *c = &r->config;
    struct hvsim_image *im = &r->image;
    switch (id) {
    case OPT_HELP:
        return r->help = true;
    case OPT_MACHINE:
        return parse_machine(arg, &c->machine);
    case OPT_CPU:
        return parse_cpu(arg, r);
    case OPT_MEMORY:
        return parse_memory(arg, &c->memory);
    case OPT_CPUS:
        return parse_cpus(arg, &c->cpus);
    case OPT_APIC_ID_STEP:
        return parse_apic_id_step(arg, &c->apic_id_step);
    case OPT_APPEND:
        im->append = arg;
        return true;
    case OPT_INITRD:
        return add_module(r, arg);
    case OPT_DRIVE:
    case OPT_CDROM:
        return add_drive(r, arg, id == OPT_CDROM);
    case OPT_WRITABLE:
        return c->writable = true;
    case OPT_SERIAL:
        return parse_sink("serial", arg, &c->serial, &c->serial_path);
    case OPT_SERIAL2:
        return parse_sink("serial2", arg, &c->serial2, &c->serial2_path);
    case OPT_NO_REBOOT:
        return c->no_reboot = true;
    case OPT_DEBUG_CONSOLE:
        return parse_sink("debug-console", arg, &c->debug_console, &c->debug_console_path);
    case OPT_VIRTIO_CONSOLE:
        return add_virtio_console(c, arg);
    case OPT_VIRTIO_RNG:
        c->virtio_rng = true;
        return !arg || parse_number("virtio-rng", arg, UINT64_MAX, &c->virtio_rng_seed);
    case OPT_VIRTIO:
        return parse_either("virtio", arg, "transitional", "modern", &c->virtio_modern);
    case OPT_NET:
        c->net = arg;
        return true;
    case OPT_MAX_INSTRUCTIONS:
        return parse_number("max-instructions", arg, UINT64_MAX, &c->max_instructions);
    case OPT_TIMEOUT:
        return parse_timeout(arg, &c->timeout_seconds);
    case OPT_TRACE:
        c->trace = arg;
        return true;
    case OPT_TEST_DEVICE:
        return c->test_device = true;
    case OPT_STATS:
        return r->stats = true;
    case OPT_HASH:
        return r->hash = true;
    case OPT_FIRMWARE:
        im->firmware = arg;
        return true;
    case OPT_FIRMWARE_VARS:
        im->firmware_vars = arg;
        return true;
    case OPT_LOAD_ADDRESS:
        return im->has_load_address = parse_number("load-address", arg, UINT64_MAX, &im->load_address);
    case OPT_ENTRY:
        return im->has_entry = parse_number("entry", arg, UINT64_MAX, &im->entry);
    case OPT_MODE:
        return parse_mode(arg, im);
    case OPT_SYNTAX:
        return parse_either("syntax", arg, "intel", "att", &c->att_syntax);
    case OPT_TRANSCENDENTALS:
        return parse_either("transcendentals", arg, "host", "portable", &c->portable_transcendentals);
    case OPT_DISPLAY:
        return parse_display(arg, &r->display.where);
    case OPT_SCREENSHOT:
        return shots_add(&r->display.shots, arg);
    case OPT_AT:
        return shots_at(&r->display.shots, arg);
    case OPT_RTC:
        return parse_date(arg, &c->rtc_start);
    }
    return false;
}

static int argument_kind(const char *arg) {
    return !arg ? no_argument : *arg == '[' ? optional_argument : required_argument;
}

static bool parse(int argc, char **argv, struct request *r) {
    struct option table[OPTIONS + 1] = {{0}};
    for (unsigned i = 0; i < OPTIONS; i++)
        table[i] = (struct option){options[i].name, argument_kind(options[i].arg), NULL, (int)options[i].id};
    opterr = 0;
    for (int id; (id = getopt_long(argc, argv, ":h", table, NULL)) != -1;) {
        if (id == ':' || id == '?') {
            cli_error(id == ':' ? "%s needs an argument; see `hvsim run --help`"
                                : "%s is no option of `hvsim run`; see `hvsim run --help`",
                      argv[optind - 1]);
            return false;
        }
        if (!apply(r, id == 'h' ? OPT_HELP : (enum option_id)id, optarg)) return false;
    }
    if (r->help || r->list_cpus || *r->described) return true;
    r->image.modules = r->modules;
    if (argc == optind && (r->image.firmware || r->config.drive_count)) return true;
    if (argc - optind != 1) {
        if (argc == optind)
            cli_error("expected an image to run, a drive or firmware, found none; try `hvsim run IMAGE`");
        else
            cli_error("expected one image, found '%s' and '%s'; the guest's arguments go into "
                      "--append, modules into --initrd, disks into --drive",
                      argv[optind], argv[optind + 1]);
        return false;
    }
    r->image.path = argv[optind];
    return true;
}

/* ---- running ---- */

static hvsim *volatile running; /* for the signal handler, which can be given nothing */
static volatile int signalled;

static void on_signal(int sig) {
    (void)sig;
    signalled = 1;
    if (running) hvsim_interrupt(running);
}

static int tell(const hvsim *h, const char *what, int status) {
    fprintf(stderr, "%s%s", what, hvsim_report(h));
    return status;
}

static int finish(hvsim *h, enum hvsim_stop stop) {
    switch (stop) {
    case HVSIM_STOP_EXIT:
        return (hvsim_exit_value(h) << 1 | 1) & 0xFF;
    case HVSIM_STOP_POWEROFF:
        return CLI_OK;
    case HVSIM_STOP_TRIPLE_FAULT:
        return tell(h, "", CLI_TRIPLE_FAULT);
    case HVSIM_STOP_RESET:
        return tell(h, "hvsim: the guest asked for a reset\n", CLI_RESET);
    case HVSIM_STOP_IDLE:
        return tell(h, "hvsim: every processor is halted and nothing can wake it\n", CLI_IDLE);
    case HVSIM_STOP_INSTRUCTIONS:
        fprintf(stderr, "hvsim: stopped after %llu instructions (--max-instructions)\n",
                (unsigned long long)hvsim_instructions(h));
        return tell(h, "", CLI_INSTRUCTIONS);
    case HVSIM_STOP_TIMEOUT:
        return tell(h, "hvsim: stopped by --timeout\n", CLI_TIMEOUT);
    case HVSIM_STOP_USER:
    case HVSIM_STOP_PAUSED:
        return tell(h, "hvsim: interrupted\n", CLI_INTERRUPTED);
    }
    return CLI_USAGE;
}

static int run(struct request *r) {
    char err[512];
    struct cli_start start = {.config = &r->config, .image = &r->image, .drives = r->drives};
    if (!cli_choose_start(&start)) return CLI_USAGE;
    hvsim *h = hvsim_create(&r->config, err, sizeof err);
    if (!h) return cli_error("%s", err);
    if (!hvsim_load(h, &r->image, err, sizeof err)) {
        hvsim_destroy(h);
        return cli_error("%s", err);
    }
    running = h;
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    int status = CLI_USAGE;
    if (display_open(&r->display, h, r->image.path)) {
        status = finish(h, display_run(&r->display, &signalled));
        if (status != CLI_OK && !(status & 1)) cli_tell_screen(h);
        fflush(stderr);
        display_close(&r->display, &signalled);
    }
    if (r->stats) hvsim_stats(h, stderr);
    if (r->hash)
        fprintf(stderr, "hvsim: %llu instructions, state hash %016llx\n", (unsigned long long)hvsim_instructions(h),
                (unsigned long long)hvsim_state_hash(h));
    running = NULL;
    hvsim_destroy(h);
    return status;
}

static int describe_cpu(const char *cpu) {
    char err[512];
    if (hvsim_describe_cpu(cpu, stdout, err, sizeof err)) return CLI_OK;
    return cli_error("%s", err);
}

static int parse_and_run(int argc, char **argv, struct request *r) {
    hvsim_config_default(&r->config);
    if (!parse(argc, argv, r)) return CLI_USAGE;
    if (r->help) return print_help();
    if (r->list_cpus) {
        hvsim_list_cpus(stdout);
        return CLI_OK;
    }
    if (*r->described) return describe_cpu(r->described);
    return run(r);
}

int cli_run(int argc, char **argv) {
    struct request r = {.stats = false};
    int status = parse_and_run(argc, argv, &r);
    for (unsigned i = 0; i < HVSIM_MAX_DRIVES; i++) free(r.drive_text[i]);
    return status;
}
