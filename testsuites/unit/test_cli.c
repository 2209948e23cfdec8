/* The hvsim command: usage, messages, exit statuses, output. Runs the program that was built beside this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char program[4096], folder[64];

/* Run "hvsim ARGS" in the test's folder; returns its exit status and what it printed on both outputs. */
static int run(const char *args, char *out, size_t out_size) {
    char command[8192];
    snprintf(command, sizeof command, "cd %s && { %s %s ; } 2>&1 </dev/null", folder, program, args);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    size_t n = fread(out, 1, out_size - 1, p);
    out[n] = '\0';
    int status = pclose(p);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void write_image(const char *name, const uint8_t *code, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(code, 1, size, f), size);
    fclose(f);
}

static void assert_says(const char *out, const char *text) {
    if (!strstr(out, text)) fail_msg("output '%s' does not say '%s'", out, text);
}

static void check(const char *args, int status, const char *says) {
    char out[65536];
    int got = run(args, out, sizeof out);
    if (got != status) fail_msg("hvsim %s: expected status %d, got %d and '%s'", args, status, got, out);
    assert_says(out, says);
}

static void test_cli_help_and_version(void **state) {
    (void)state;
    check("--help", 0, "usage: hvsim");
    check("run --help", 0, "--max-instructions");
    check("--version", 0, "hvsim 0.");
    check("run --cpu help", 0, "max-amd");
    check("run --cpu help", 0, "avx (xsave, sse4.2)");
    check("run --cpu piledriver,-tbm,help", 0, "fma4");
    check("run --cpu piledriver,+warp,help", 2, "'warp'");
}

static void test_cli_bad_usage_says_what_to_do(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"",                                                   "hvsim run IMAGE"                                   },
        {"walk x",                                             "'walk' is no command"                              },
        {"run",                                                "expected an image"                                 },
        {"run a b",                                            "expected one image"                                },
        {"run halt --no-such",                                 "--no-such is no option"                            },
        {"run halt --memory",                                  "--memory needs an argument"                        },
        {"run halt --memory lots",                             "512M or 2G"                                        },
        {"run halt --memory 0",                                "1 MiB and 64 GiB"                                  },
        {"run halt --cpus 65",                                 "1 to 64"                                           },
        {"run halt --cpus 0100",                               "1 to 64"                                           }, /* not octal */
        {"run halt --cpus 0",                                  "1 to 64"                                           },
        {"run halt --serial pipe",                             "stdio, file:PATH or none"                          },
        {"run halt --serial file:",                            "stdio, file:PATH or none"                          },
        {"run halt --serial file:/nonexistent/x --mode real",  "cannot write /nonexistent/x"                       },
        {"run halt --mode virtual",                            "real protected long"                               },
        {"run halt --syntax masm",                             "intel att"                                         },
        {"run halt --entry here",                              "expected a whole number"                           },
        {"run halt --max-instructions -5",                     "expected a whole number"                           },
        {"run halt --trace exec",                              "CATEGORY"                                          },
        {"run halt --trace exec,steps:x",                      "'steps' is no category"                            },
        {"run halt --trace exec,:x",                           "'' is no category"                                 },
        {"run halt --trace ,exec:x",                           "'' is no category"                                 },
        {"run halt --rtc yesterday",                           "2026-01-01T00:00:00"                               },
        {"run halt --cpu 8086 --mode real",                    "8086"                                              },
        {"run halt --transcendentals mine --mode real",        "expected one of host portable"                     },
        {"run halt --cpu max-intel,+warp --mode real",         "'warp'; `--cpu help` lists"                        },
        {"run halt --cpu max-intel,-x2apik --mode real",       "did you mean x2apic"                               },
        {"run missing",                                        "missing: cannot open"                              },
        {"run halt",                                           "no multiboot header"                               },
        {"run halt --mode real --initrd x",                    "a flat binary has no way"                          },
        {"run halt --mode real --append x",                    "a flat binary has no way"                          },
        {"run halt --rtc 2026-02-30T00:00:00",                 "a day that the month has"                          },
        {"run halt disk.img",                                  "disks into --drive"                                },
        {"run halt",                                           "a disk from which nothing starts goes into --drive"},
        {"run halt --mode real --load-address 0x9ffff",        "the display adapter has [a0000, c0000)"            },
        {"run halt --mode real --firmware ovmf",               "starts without firmware"                           },
        {"run halt --mode real --firmware-vars v",             "starts without firmware"                           },
        {"run --firmware nosuch",                              "--firmware expects seabios, ovmf or a file"        },
        {"run --firmware seabios --firmware-vars v",           "seabios keeps no variables"                        },
        {"run --firmware seabios --append x",                  "(--append) is for a kernel"                        },
        {"run --firmware seabios --initrd x",                  "(--initrd) is for a kernel"                        },
        {"run --firmware ovmf --memory 32M",                   "expected 64 MiB of memory or more, found 32"       },
        {"run --firmware ovmf --firmware-vars /nonexistent/v", "variables cannot be written"                       },
        {"run --firmware halt --firmware-vars /nonexistent/v", "expects a file that exists"                        },
        {"run halt --cpus two",                                "1 to 64"                                           },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) check(cases[i][0], 2, cases[i][1]);
    char fifo[128];
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    check("run fifo", 2, "expected a regular file"); /* and does not wait for a writer */
}

static void test_cli_exit_port_gives_odd_status(void **state) {
    (void)state;
    check("run exit3 --mode real", 7, "");
    check("run --mode real exit3", 7, ""); /* options before the image */
}

static void test_cli_each_end_has_its_status(void **state) {
    (void)state;
    check("run halt --mode real", 8, "nothing can wake it");
    check("run halt --mode real", 8, "CPU 0: RIP 0000:0000000000007c02 halted, IF=0, after 2 instructions");
    check("run halt --mode real --cpus 2 --trace exec:t", 8, "CPU 1: RIP f000:000000000000fff0 waiting for a SIPI");
    check("run reset --mode real", 6, "reset by an 8042 command");
    check("run off --mode real", 0, "");
    check("run triple --mode protected", 4, "hvsim: triple fault");
    check("run loop --mode real --max-instructions 1000", 10, "after 1000 instructions");
    check("run loop --mode real --max-instructions 1000", 10, "running, IF=0, after 1000 instructions");
    check("run loop --mode real --timeout 1", 12, "--timeout");
}

static void test_cli_triple_fault_report_is_complete(void **state) {
    (void)state;
    char out[65536];
    assert_int_equal(run("run triple --mode protected", out, sizeof out), 4);
    assert_says(out, "#UD");
    assert_says(out, "error code 0033 (IDT entry 6, EXT); entry 6 of the IDT ends at 0037, beyond the IDT limit 0000");
    assert_says(out, "RIP=0000000000100000");
    assert_says(out, "CR0=");
    assert_says(out, "=> 0000000000100000  ud2");
}

/* What a #UD is about: a CPUID feature, a control register, the mode. */
static void test_cli_undefined_opcode_is_explained(void **state) {
    static const struct {
        const char *args, *says;
    } rows[] = {
        {"run vzeroupper --mode long",               "#UD (vector 6); VZEROUPPER: CR4.OSXSAVE is 0, XCR0 lacks 0x06"},
        {"run vzeroupper --mode long --cpu nehalem", "#UD (vector 6); VZEROUPPER needs CPUID feature avx"           },
        {"run vaddps512 --mode long --cpu zen3",     "#UD (vector 6); VADDPS needs CPUID feature avx512f"           },
        {"run rdpkru --mode long",                   "#UD (vector 6); RDPKRU: CR4.PKE is 0"                         },
        {"run xsave --mode protected",               "#UD (vector 6); XSAVE: CR4.OSXSAVE is 0"                      },
        {"run xsave --mode protected --cpu nehalem", "#UD (vector 6); XSAVE needs CPUID feature xsave"              },
        {"run pxor --mode protected",                "#UD (vector 6); PXOR: CR4.OSFXSR is 0"                        },
        {"run rdfsbase --mode protected",            "#UD (vector 6); no instruction in this mode"                  },
        {"run triple --mode protected",              "#UD (vector 6)\n"                                             },
    };
    (void)state;
    for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) check(rows[k].args, 4, rows[k].says);
    check("run vzeroupper --mode protected", 4, "XCR0=001 MXCSR=01f80 FCW=0040 FSW=0000 FTW=ff");
}

/* In real mode a flat image that faults, or calls a BIOS, meets interrupt vectors that nobody has set. */
static void test_cli_empty_interrupt_vectors_are_told(void **state) {
    (void)state;
    check("run triple --mode real --max-instructions 1000", 10,
          "first event whose interrupt vector was 0000:0000 (nobody set it; there is no BIOS):\n"
          "  after 1 instructions at 0000:0000000000007c00: #UD (vector 6)");
    check("run bios --mode real --max-instructions 1000", 10, "0000:0000000000007c04: INT n (vector 16)");
}

static void test_cli_real_mode_exceptions_have_no_error_codes(void **state) {
    (void)state;
    char out[65536];
    assert_int_equal(run("run triple16 --mode real", out, sizeof out), 4);
    assert_says(out, "#GP (vector 13); entry 6 of the IDT ends at 001b");
    assert_null(strstr(out, "error code"));
}

/* What is loaded as a flat binary though it has a header is noted. */
static void test_cli_ignored_header_is_noted(void **state) {
    (void)state;
    char out[65536];
    check("run elf --mode real --entry 0x7c04", 8, "note: elf has an ELF header, which is ignored");
    run("run halt --mode real", out, sizeof out);
    assert_null(strstr(out, "note:"));
}

static void test_cli_consoles_go_where_told(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(run("run print --mode real --debug-console stdio", out, sizeof out), 1);
    assert_string_equal(out, "SE");
    assert_int_equal(
        run("run print --mode real --serial none --debug-console file:e9 && exit 9; cat e9", out, sizeof out), 0);
    assert_string_equal(out, "E");
}

static void test_cli_stats_and_trace(void **state) {
    (void)state;
    char out[65536];
    check("run exit3 --mode real --stats", 7, "2 instructions");
    run("run exit3 --mode real --trace exec,io:t; cat t", out, sizeof out);
    assert_says(out, "mov al, 3");
    assert_says(out, "out 1 00f4 <- 3");
    run("run triple --mode protected --trace int:t; cat t", out, sizeof out);
    assert_says(out, "vector 06 (#UD) at 0008:100000\n");
    assert_says(out, "vector 0d (#GP) error code 0033 at 0008:100000\n");
    run("run vmx --mode long --trace exits:t; cat t", out, sizeof out);
    assert_says(out, "exits VMRESUME failed at RIP 0x100064: VMfailValid, error 5");
    run("run exit3 --mode real --syntax att --trace exec:t; cat t", out, sizeof out);
    assert_says(out, "$3, %al");
}

static void test_cli_same_run_same_hash(void **state) {
    (void)state;
    char a[4096], b[4096];
    run("run loop --mode real --cpus 2 --max-instructions 12345 --hash", a, sizeof a);
    run("run loop --mode real --cpus 2 --max-instructions 12345 --hash", b, sizeof b);
    assert_says(a, "12345 instructions, state hash ");
    assert_string_equal(a, b);
    run("run loop --mode real --cpus 2 --max-instructions 12346 --hash", b, sizeof b);
    assert_string_not_equal(strstr(a, "state hash"), strstr(b, "state hash"));
}

/* What fails says what was found and what was expected; no VM entry needs to be tried for it. */
static void test_cli_vmx_failure_is_told(void **state) {
    (void)state;
    char out[65536];
    assert_int_equal(run("run vmx --mode long", out, sizeof out), 8);
    assert_says(out, "VMXON failed at RIP 0x10002e: VMfailInvalid; the revision identifier at 0x200000 is 0, expected");
    assert_says(out, "VMLAUNCH failed at RIP 0x10004c: VMfailInvalid; there is no current VMCS");
    assert_says(out,
                "VM-instruction error 5: VMRESUME with non-launched VMCS; the launch state of VMCS 0x201000 is clear");
    assert_says(out, "error 12: VMREAD/VMWRITE from/to unsupported VMCS component; the field is 6C20H");
    assert_says(out, "error 28: invalid operand to INVEPT/INVVPID; the type is 0x7, expected 1 or 2");
    assert_says(out, "error 7: VM entry with invalid control field(s)");
    assert_null(strstr(out, "VMLAUNCH failed at RIP 0x100088")); /* the entry's own report says it */
}

/* The image ends with status 7 when the drives are as they should be. */
static void test_cli_drives_are_opened_or_told(void **state) {
    (void)state;
    static const struct {
        const char *args;
        int status;
        const char *says;
    } cases[] = {
        {"--drive disk.img",                                                                     7, ""                                          },
        {"--drive a,b.img,if=ahci,format=raw --cdrom disk.img",                                  7, ""                                          },
        {"--drive disk.img,if=virtio,media=cdrom --writable",                                    7, ""                                          },
        {"--machine q35 --drive disk.img,if=ide",                                                2, "has no IDE interface"                      },
        {"--drive absent.img",                                                                   2, "absent.img: cannot open it"                },
        {"--drive disk.img,if=scsi",                                                             2, "if=ide, if=ahci or if=virtio, found 'scsi'"},
        {"--drive disk.img,media=tape",                                                          2, "media=disk or media=cdrom"                 },
        {"--drive ,if=ide",                                                                      2, "expected the file of an image"             },
        {"--drive disk.img --drive disk.img --writable",                                         2, "only one can"                              },
        {"--cdrom disk.img --drive disk.img --drive disk.img --drive disk.img --drive disk.img", 2,
         "room for 4 drives"                                                                                                                    },
    };
    static const uint8_t sectors[1024];
    write_image("disk.img", sectors, sizeof sectors);
    write_image("a,b.img", sectors, sizeof sectors);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char args[256];
        snprintf(args, sizeof args, "run exit3 --mode real %s", cases[i].args);
        check(args, cases[i].status, cases[i].says);
    }
}

static void write_images(void) {
    /* CR4.VMXE, feature control; VMXON without and with the revision; VMLAUNCH without a VMCS; VMPTRLD of the VMXON
     * region; VMRESUME, VMREAD 6C20H, VMWRITE, INVEPT and INVVPID of type 7, VMLAUNCH twice */
    static const uint8_t vmx[] = {
        0x0F, 0x20, 0xE0, 0x0D, 0x00, 0x20, 0x00, 0x00, 0x0F, 0x22, 0xE0, 0x0F, 0x20, 0xC0, 0x83, 0xC8, 0x20, 0x0F,
        0x22, 0xC0, 0xB9, 0x3A, 0x00, 0x00, 0x00, 0x0F, 0x32, 0xA8, 0x01, 0x75, 0x09, 0xB8, 0x05, 0x00, 0x00, 0x00,
        0x31, 0xD2, 0x0F, 0x30, 0xBF, 0x00, 0x00, 0x20, 0x00, 0x57, 0xF3, 0x0F, 0xC7, 0x34, 0x24, 0xB9, 0x80, 0x04,
        0x00, 0x00, 0x0F, 0x32, 0x25, 0xFF, 0xFF, 0xFF, 0x7F, 0x89, 0x07, 0x89, 0x87, 0x00, 0x10, 0x00, 0x00, 0xF3,
        0x0F, 0xC7, 0x34, 0x24, 0x0F, 0x01, 0xC2, 0x0F, 0xC7, 0x34, 0x24, 0x48, 0x8D, 0x9F, 0x00, 0x10, 0x00, 0x00,
        0x53, 0x66, 0x0F, 0xC7, 0x34, 0x24, 0x0F, 0xC7, 0x34, 0x24, 0x0F, 0x01, 0xC3, 0xB8, 0x20, 0x6C, 0x00, 0x00,
        0x0F, 0x78, 0xC2, 0xB8, 0x02, 0x44, 0x00, 0x00, 0x0F, 0x79, 0xC2, 0xB8, 0x07, 0x00, 0x00, 0x00, 0x66, 0x0F,
        0x38, 0x80, 0x04, 0x24, 0x66, 0x0F, 0x38, 0x81, 0x04, 0x24, 0x0F, 0x01, 0xC2, 0x0F, 0x01, 0xC2, 0xFA, 0xF4};
    static const uint8_t halt[] = {0xFA, 0xF4, 0xEB, 0xFC};
    static const uint8_t exit3[] = {0xB0, 0x03, 0xE6, 0xF4};
    static const uint8_t reset[] = {0xB0, 0xFE, 0xE6, 0x64, 0xF4};
    static const uint8_t off[] = {0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF, 0xF4}; /* S5 */
    static const uint8_t triple[] = {0x0F, 0x0B};
    static const uint8_t triple16[] = {0x0E, 0x0F, 0x01, 0x1E, 0x00, 0x00, 0x0F, 0x0B}; /* LIDT of zeros; UD2 */
    static const uint8_t vzeroupper[] = {0xC5, 0xF8, 0x77, 0xF4}, rdpkru[] = {0x0F, 0x01, 0xEE};
    static const uint8_t vaddps512[] = {0x62, 0xF1, 0x6C, 0x48, 0x58, 0xCB}, xsave[] = {0x0F, 0xAE, 0x27};
    static const uint8_t pxor[] = {0x66, 0x0F, 0xEF, 0xC0}, rdfsbase[] = {0xF3, 0x0F, 0xAE, 0xC0};
    static const uint8_t bios[] = {0xB4, 0x0E, 0xCD, 0x10, 0xF4}; /* INT 10H */
    static const uint8_t elf[] = {0x7F, 'E', 'L', 'F', 0xFA, 0xF4};
    static const uint8_t loop[] = {0x40, 0x89, 0x06, 0x00, 0x05, 0xEB, 0xF9};
    static const uint8_t print[] = {0xBA, 0xF8, 0x03, 0xB0, 'S', 0xEE, 0xB0, 'E', 0xE6, 0xE9, 0xB0, 0x00, 0xE6, 0xF4};
    write_image("triple16", triple16, sizeof triple16);
    write_image("vzeroupper", vzeroupper, sizeof vzeroupper);
    write_image("rdpkru", rdpkru, sizeof rdpkru);
    write_image("vaddps512", vaddps512, sizeof vaddps512);
    write_image("xsave", xsave, sizeof xsave);
    write_image("pxor", pxor, sizeof pxor);
    write_image("rdfsbase", rdfsbase, sizeof rdfsbase);
    write_image("bios", bios, sizeof bios);
    write_image("elf", elf, sizeof elf);
    write_image("vmx", vmx, sizeof vmx);
    write_image("halt", halt, sizeof halt);
    write_image("exit3", exit3, sizeof exit3);
    write_image("reset", reset, sizeof reset);
    write_image("off", off, sizeof off);
    write_image("triple", triple, sizeof triple);
    write_image("loop", loop, sizeof loop);
    write_image("print", print, sizeof print);
}

#define EXIT_WITH(n) 0xB0, n, 0xE6, 0xF4 /* mov al, n; out 0F4H, al */

/* Firmware from Debian starts what it finds: a boot sector, by SeaBIOS. */
static void test_cli_disk_image_is_started_by_seabios(void **state) {
    static uint8_t disk[1 << 20] = {EXIT_WITH(5)};
    (void)state;
    disk[510] = 0x55, disk[511] = 0xAA;
    write_image("disk.img", disk, sizeof disk);
    check("run disk.img --max-instructions 500000000", 11, "");
    check("run --drive disk.img --machine q35 --cpu max-amd --max-instructions 500000000", 11, "");
    static uint8_t empty[1 << 20];
    write_image("empty.img", empty, sizeof empty);
    check("run --drive empty.img --firmware seabios --no-reboot", 6, "| No bootable device.");
    /* the first drive is the first to be tried: a CD-ROM that nothing starts from leads on to the disk */
    check("run --cdrom empty.img --drive disk.img --max-instructions 500000000 --no-reboot", 11, "");
    check("run disk.img --firmware nosuch", 2, "nosuch: cannot open it");
}

/* IA32_FEATURE_CONTROL, as a boot sector finds it: VMXON is allowed, and the register locked. */
static void test_cli_firmware_allows_vmxon(void **state) {
    static uint8_t disk[1 << 20] = {0x66, 0xB9, 0x3A, 0, 0, 0, 0x0F, 0x32, 0xE6, 0xF4}; /* RDMSR, AL to the exit port */
    (void)state;
    disk[510] = 0x55, disk[511] = 0xAA;
    write_image("msr.img", disk, sizeof disk);
    check("run msr.img --max-instructions 500000000", 11, "");
}

/* The least PE32+ application: headers, and one section that is the rest of the file. */
static void make_efi_application(uint8_t pe[1024]) {
    // clang-format off
    static const struct {
        uint16_t at, bytes;
        uint32_t val;
    } fields[] = {
        {0x00, 2, 0x5A4D}, {0x3C, 4, 0x40}, {0x40, 4, 0x4550},                        /* "MZ", "PE" */
        {0x44, 2, 0x8664}, {0x46, 2, 1}, {0x54, 2, 0xF0}, {0x56, 2, 0x22E},           /* x86-64, one section */
        {0x58, 2, 0x20B}, {0x5C, 4, 0x200}, {0x68, 4, 0x200}, {0x6C, 4, 0x200},       /* PE32+, entry */
        {0x78, 4, 0x200}, {0x7C, 4, 0x200}, {0x90, 4, 0x400}, {0x94, 4, 0x200},       /* alignment, sizes */
        {0x9C, 2, 10}, {0xC4, 4, 16},                                                 /* an EFI application */
        {0x148, 4, 0x7865742E}, {0x150, 4, 0x200}, {0x154, 4, 0x200}, {0x158, 4, 0x200}, {0x15C, 4, 0x200},
        {0x16C, 4, 0x60000020},
    };
    // clang-format on
    static const uint8_t code[] = {EXIT_WITH(6), 0xF4};
    memset(pe, 0, 1024);
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++)
        for (unsigned b = 0; b < fields[i].bytes; b++) pe[fields[i].at + b] = (uint8_t)(fields[i].val >> 8 * b);
    memcpy(pe + 0x200, code, sizeof code);
}

static void test_cli_efi_application_is_started_by_ovmf(void **state) {
    uint8_t pe[1024];
    (void)state;
    make_efi_application(pe);
    write_image("app.efi", pe, sizeof pe);
    char long_cpu[400] = "run app.efi --cpu max-intel";
    while (strlen(long_cpu) < 300) strcat(long_cpu, ",-avx512f");
    check(long_cpu, 2, "phys-bits="); /* not cut off */
    check("run app.efi --firmware-vars vars.fd --serial none --max-instructions 6000000000", 13, "");
    char path[128];
    snprintf(path, sizeof path, "%s/vars.fd", folder);
    assert_int_equal(access(path, R_OK), 0);
    unlink(path);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cli_help_and_version),
        cmocka_unit_test(test_cli_bad_usage_says_what_to_do),
        cmocka_unit_test(test_cli_exit_port_gives_odd_status),
        cmocka_unit_test(test_cli_each_end_has_its_status),
        cmocka_unit_test(test_cli_triple_fault_report_is_complete),
        cmocka_unit_test(test_cli_undefined_opcode_is_explained),
        cmocka_unit_test(test_cli_empty_interrupt_vectors_are_told),
        cmocka_unit_test(test_cli_real_mode_exceptions_have_no_error_codes),
        cmocka_unit_test(test_cli_ignored_header_is_noted),
        cmocka_unit_test(test_cli_consoles_go_where_told),
        cmocka_unit_test(test_cli_stats_and_trace),
        cmocka_unit_test(test_cli_same_run_same_hash),
        cmocka_unit_test(test_cli_vmx_failure_is_told),
        cmocka_unit_test(test_cli_drives_are_opened_or_told),
        cmocka_unit_test(test_cli_disk_image_is_started_by_seabios),
        cmocka_unit_test(test_cli_firmware_allows_vmxon),
        cmocka_unit_test(test_cli_efi_application_is_started_by_ovmf),
    };
    char here[4096], *slash;
    if (!realpath("/proc/self/exe", here) || !(slash = strstr(here, "/unit/")) || argc > 2) return 2;
    *slash = '\0';
    snprintf(program, sizeof program, "%.4000s", argc == 2 ? argv[1] : here);
    if (argc < 2) strcat(program, "/hvsim");
    strcpy(folder, "/tmp/hvsim-cli-XXXXXX");
    if (!mkdtemp(folder)) return 2;
    write_images();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) ? 2 : failed;
}
