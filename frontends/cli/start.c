/* How what the user gave is started: kernels directly, disks and CD-ROMs by SeaBIOS, EFI applications by OVMF. */
#include <stdio.h>
#include <string.h>

#include "frontends/cli/cli.h"

/* OVMF makes page tables for as much as the processor can address: of more than this its memory is full of them. */
#define OVMF_PHYS_BITS 40

static bool is_flat(const struct hvsim_image *im) { return im->flat || im->has_load_address || im->has_entry; }

/* The image is the first drive. */
static bool make_drive(struct cli_start *s, bool cdrom) {
    struct hvsim_config *c = s->config;
    if (c->drive_count == HVSIM_MAX_DRIVES) {
        cli_error("%s: it would be one drive more than the %d that can be given", s->image->path, HVSIM_MAX_DRIVES);
        return false;
    }
    memmove(s->drives + 1, s->drives, c->drive_count * sizeof *s->drives);
    s->drives[0] = (struct hvsim_drive){.path = s->image->path, .cdrom = cdrom};
    c->drives = s->drives;
    c->drive_count++;
    s->image->path = NULL;
    return true;
}

static bool by_kind(struct cli_start *s) {
    enum hvsim_kind kind = hvsim_recognize(s->image->path);
    if (kind == HVSIM_KIND_EFI && !s->image->firmware) s->image->firmware = "ovmf";
    if (kind != HVSIM_KIND_DISK && kind != HVSIM_KIND_CDROM) return true;
    return make_drive(s, kind == HVSIM_KIND_CDROM);
}

static bool is_ovmf(const char *firmware) {
    const char *name = strrchr(firmware, '/');
    return !strcmp(firmware, "ovmf") || (name && !strncmp(name, "/OVMF", 5));
}

bool cli_choose_start(struct cli_start *s) {
    struct hvsim_image *im = s->image;
    struct hvsim_config *c = s->config;
    if (im->path && !is_flat(im) && !by_kind(s)) return false;
    if (!im->path && !im->firmware) im->firmware = "seabios";
    if (!im->firmware || !is_ovmf(im->firmware) || (c->cpu && strstr(c->cpu, "phys-bits="))) return true;
    int n = snprintf(s->cpu, sizeof s->cpu, "%s,phys-bits=%d", c->cpu ? c->cpu : "max-intel", OVMF_PHYS_BITS);
    if (n < 0 || (size_t)n >= sizeof s->cpu) {
        cli_error("--cpu: for OVMF expected fewer than %zu characters, or phys-bits= among them", sizeof s->cpu - 13);
        return false;
    }
    c->cpu = s->cpu;
    return true;
}
