/* Firmware: an image below 4 GiB at whose end processors begin after a reset, its variables in flash, and what it is
 * told through the firmware configuration device. SeaBIOS and OVMF from Debian are known by name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/arch/vmx.h"
#include "sim/core/model.h"
#include "sim/dev/dev.h"
#include "sim/dev/fwcfg.h"
#include "sim/dev/vga.h"
#include "sim/machine/acpi/acpi.h"
#include "sim/machine/internal.h"
#include "sim/machine/load.h"
#include "sim/machine/smbios.h"

#define ROM_END     (4 * GIB)
#define ROM_MAX     (16u << 20)
#define ROM_ALIAS   0x20000u /* its last 128 KiB are seen below 1 MiB, too */
#define ROM_UNIT    0x1000u
#define VARS_MAX    (4u << 20)
#define VGA_BIOS    "/usr/share/seabios/vgabios-stdvga.bin"
#define RANGE_ROM   0
#define RANGE_ALIAS 1

static const struct firmware {
    const char *name, *code, *vars, *package;
    unsigned least; /* MiB of memory: with less it halts or hangs without a word */
} firmwares[] = {
    {"seabios", "/usr/share/seabios/bios-256k.bin", NULL,                              "seabios", 1 },
    {"ovmf",    "/usr/share/OVMF/OVMF_CODE_4M.fd",  "/usr/share/OVMF/OVMF_VARS_4M.fd", "ovmf",    64},
};

static const struct firmware *known(const char *name) {
    for (unsigned i = 0; i < sizeof firmwares / sizeof firmwares[0]; i++)
        if (!strcmp(name, firmwares[i].name)) return &firmwares[i];
    return NULL;
}

static bool read_firmware(struct loader *l, const char *path, const char *package, size_t max, struct file *f) {
    if (package && access(path, R_OK) != 0)
        return load_fail(l, path, "cannot read it: %s; it comes with Debian's package %s (apt-get install %s)",
                         strerror(errno), package, package);
    if (!file_read(l, path, strlen(path), f)) return false;
    if (f->size <= max && f->size % ROM_UNIT == 0) return true;
    load_fail(
        l, path,
        "expected an image of firmware or of its variables, a multiple of 4 KiB and at most %zu MiB; found %zu bytes",
        max >> 20, f->size);
    file_free(f);
    return false;
}

static void map_rom(struct machine *m, unsigned range, uint64_t base, uint8_t *host, uint64_t size) {
    struct mem_window w = {.base = base, .size = size, .takes = MEM_TAKES_ALL, .guarded = true, .host = host};
    w.dev = m->fwcfg; /* who the window's name belongs to; writes to ROM do nothing */
    w.range = FWCFG_ROM_RANGES + range;
    machine_map(m, &w);
}

static bool place_rom(struct loader *l, const struct file *f) {
    uint8_t *host = machine_alloc_memory(l->m, f->size);
    if (!host) return load_fail(l, f->path, "no room for it among the machine's ROMs");
    memcpy(host, f->data, f->size);
    uint64_t alias = f->size < ROM_ALIAS ? f->size : ROM_ALIAS;
    map_rom(l->m, RANGE_ROM, ROM_END - f->size, host, f->size);
    map_rom(l->m, RANGE_ALIAS, 0x100000 - alias, host + f->size - alias, alias);
    return true;
}

/* The display adapter's own firmware, where it is installed: SeaBIOS shows nothing without, OVMF has a driver of its
 * own. */
static bool place_vga_bios(struct loader *l) {
    if (!l->m->vga || access(VGA_BIOS, R_OK) != 0) return true;
    return vga_add_rom(l->m->vga, VGA_BIOS, l->err, l->err_size);
}

/* The variables: the user's file, or what it begins as when there is none yet. */
static bool place_variables(struct loader *l, const struct firmware *fw, uint64_t end) {
    const char *path = l->req->firmware_vars;
    bool mine = path && (access(path, F_OK) == 0 || !fw || !fw->vars);
    if (!mine && (!fw || !fw->vars)) return true;
    struct file f;
    if (!read_firmware(l, mine ? path : fw->vars, mine ? NULL : fw->package, VARS_MAX, &f)) return false;
    bool ok = flash_create(l->m, end - f.size, f.data, f.size, path) != NULL;
    if (!ok) load_fail(l, f.path, "out of memory");
    file_free(&f);
    return ok;
}

/* ---- what firmware is told ---- */

struct e820_entry {
    uint64_t base, size;
    uint32_t type;
} __attribute__((packed));

static bool tell_memory(struct machine *m) {
    const struct e820_entry e[2] = {
        {0,           m->low_size,               1},
        {HIGH_MEMORY, m->ram_size - m->low_size, 1},
    };
    return fwcfg_add_file(m->fwcfg, "etc/e820", e, e[1].size ? sizeof e : sizeof e[0]);
}

/* IA32_FEATURE_CONTROL, as firmware is to set it on every processor: VMXON allowed, and locked */
static bool tell_feature_control(struct machine *m) {
    uint8_t val[8];
    if (!model_has(m->model, FEAT_VMX)) return true;
    put_le(val, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE, sizeof val);
    return fwcfg_add_file(m->fwcfg, "etc/msr_feature_control", val, sizeof val);
}

static bool tell_blob(struct machine *m, enum fwcfg_key size_key, enum fwcfg_key data_key, const void *data,
                      size_t size) {
    return fwcfg_add_number(m->fwcfg, size_key, size, 4) && fwcfg_add(m->fwcfg, data_key, data, size);
}

/* A kernel or EFI application that firmware starts itself */
static bool tell_kernel(struct loader *l) {
    struct machine *m = l->m;
    const char *line = l->req->append ? l->req->append : "";
    bool ok = tell_blob(m, FWCFG_KERNEL_SIZE, FWCFG_KERNEL_DATA, l->image.data, l->image.size) &&
              tell_blob(m, FWCFG_COMMAND_LINE_SIZE, FWCFG_COMMAND_LINE_DATA, line, strlen(line) + 1);
    if (!ok) return load_fail(l, l->image.path, "out of memory");
    if (!l->req->module_count) return true;
    struct file f;
    if (!file_read(l, l->req->modules[0], strlen(l->req->modules[0]), &f)) return false;
    ok = tell_blob(m, FWCFG_INITRD_SIZE, FWCFG_INITRD_DATA, f.data, f.size);
    if (!ok) load_fail(l, f.path, "out of memory");
    file_free(&f);
    return ok;
}

/* ---- what cannot work, told before the machine runs ---- */

/* The file is replaced as a whole: its folder is written to. */
static bool can_replace(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    bool ok = folder && access(folder, W_OK) == 0;
    int why = errno;
    free(folder);
    errno = why;
    return ok;
}

static bool check_variables(struct loader *l, const struct firmware *fw) {
    const char *path = l->req->firmware_vars;
    if (!path) return true;
    if (fw && !fw->vars)
        return load_fail(l, path, "--firmware-vars is of no use: %s keeps no variables; expected --firmware ovmf",
                         fw->name);
    if (!fw && access(path, F_OK) != 0)
        return load_fail(l, path,
                         "cannot open it: %s; with firmware from a file --firmware-vars expects a file that exists, "
                         "such as a copy of the variables that come with it",
                         strerror(errno));
    if (!can_replace(path))
        return load_fail(l, path, "the firmware's variables cannot be written: %s", strerror(errno));
    return true;
}

static bool check_request(struct loader *l, const char *name, const struct firmware *fw) {
    const struct hvsim_image *r = l->req;
    const unsigned long long memory = l->m->ram_size >> 20;
    if (!fw && access(name, R_OK) != 0)
        return load_fail(l, name, "cannot open it: %s; --firmware expects seabios, ovmf or a file", strerror(errno));
    if (fw && memory < fw->least)
        return load_fail(l, fw->name, "expected %u MiB of memory or more, found %llu; give more with --memory",
                         fw->least, memory);
    if (!l->image.data && (r->append || r->module_count))
        return load_fail(l, name,
                         "%s is for a kernel or an EFI application; what firmware starts from a drive has its own",
                         r->append ? "a command line (--append)" : "a module (--initrd)");
    if (r->module_count > 1)
        return load_fail(l, name, "firmware hands over one initial RAM disk; expected --initrd once, found it %u times",
                         r->module_count);
    return check_variables(l, fw);
}

bool rom_load(struct loader *l) {
    l->m->by_firmware = true;
    const char *name = l->req->firmware ? l->req->firmware : l->image.data ? "ovmf" : "seabios";
    const struct firmware *fw = known(name);
    struct file code;
    if (!check_request(l, name, fw)) return false;
    if (!read_firmware(l, fw ? fw->code : name, fw ? fw->package : NULL, ROM_MAX, &code)) return false;
    bool ok = place_rom(l, &code) && place_vga_bios(l) && place_variables(l, fw, ROM_END - code.size);
    if (ok &&
        !(tell_memory(l->m) && tell_feature_control(l->m) && acpi_tell_firmware(l->m) && smbios_tell_firmware(l->m)))
        ok = load_fail(l, code.path, "out of memory");
    file_free(&code);
    return ok && (!l->image.data || tell_kernel(l));
}
