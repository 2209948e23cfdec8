/* --drive FILE[,if=INTERFACE][,media=disk|cdrom][,format=FORMAT] */
#include <string.h>

#include "frontends/cli/cli.h"

struct word {
    const char *name;
    unsigned value;
};
static const struct word interfaces[] = {
    {"ide",    HVSIM_IF_IDE   },
    {"ahci",   HVSIM_IF_AHCI  },
    {"virtio", HVSIM_IF_VIRTIO},
    {NULL,     0              }
};
static const struct word media[] = {
    {"disk",  0},
    {"cdrom", 1},
    {NULL,    0}
};

static bool find(const struct word *words, const char *expected, const char *text, unsigned *val) {
    for (; words->name; words++)
        if (!strcmp(words->name, text)) {
            *val = words->value;
            return true;
        }
    cli_error("--drive: expected %s, found '%s'", expected, text);
    return false;
}

static bool apply(struct hvsim_drive *d, const char *key, const char *val) {
    unsigned n = 0;
    if (!strcmp(key, "format")) {
        d->format = val;
    } else if (!strcmp(key, "if")) {
        if (!find(interfaces, "if=ide, if=ahci or if=virtio", val, &n)) return false;
        d->interface = (enum hvsim_interface)n;
    } else {
        if (!find(media, "media=disk or media=cdrom", val, &n)) return false;
        d->cdrom = n;
    }
    return true;
}

/* The value of an option at the end of the text, which is cut off there; NULL: there is none. A comma that no option
 * follows belongs to the file's name. */
static char *cut_option(char *text, const char **key) {
    static const char *const keys[] = {"if", "media", "format"};
    char *comma = strrchr(text, ',');
    for (unsigned i = 0; comma && i < 3; i++) {
        size_t n = strlen(keys[i]);
        if (strncmp(comma + 1, keys[i], n) != 0 || comma[1 + n] != '=') continue;
        *comma = '\0';
        *key = keys[i];
        return comma + 2 + n;
    }
    return NULL;
}

bool cli_parse_drive(char *text, bool cdrom, struct hvsim_drive *d) {
    const char *key;
    *d = (struct hvsim_drive){.path = text, .cdrom = cdrom};
    for (char *val; (val = cut_option(text, &key));)
        if (!apply(d, key, val)) return false;
    if (*text) return true;
    cli_error("%s: expected the file of an image", cdrom ? "--cdrom" : "--drive");
    return false;
}
