/* What a file is, to judge by its contents: an image that starts directly, an EFI application, a disk, a CD-ROM. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/dev/disk.h"
#include "sim/machine/load.h"

#define VOLUME_AT   0x8001u /* ECMA-119: the identifier in the first volume descriptor */
#define MBR_SIGN_AT 510u    /* UEFI Specification, "Legacy Master Boot Record (MBR)" */

static bool has(const struct file *head, size_t at, const char *bytes, size_t n) {
    return head->size >= at + n && !memcmp(head->data + at, bytes, n);
}

static enum hvsim_kind kind_of(const struct file *head, const char *path) {
    if (load_finds_image(head)) {
        uint32_t at;
        return efi_find(head, &at) && !linux_find(head, &at) ? HVSIM_KIND_EFI : HVSIM_KIND_IMAGE;
    }
    if (has(head, VOLUME_AT, "CD001", 5)) return HVSIM_KIND_CDROM;
    if (has(head, MBR_SIGN_AT, "\x55\xAA", 2)) return HVSIM_KIND_DISK;
    return strcmp(disk_format(path), "raw") != 0 ? HVSIM_KIND_DISK : HVSIM_KIND_UNKNOWN;
}

enum hvsim_kind machine_recognize(const char *path) {
    struct file head = {.data = malloc(HEAD_SIZE)};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    bool readable = fd >= 0 && head.data && fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
    ssize_t n = readable ? read(fd, head.data, HEAD_SIZE) : -1;
    if (fd >= 0) close(fd);
    head.size = n > 0 ? (size_t)n : 0;
    enum hvsim_kind kind = n > 0 ? kind_of(&head, path) : HVSIM_KIND_UNKNOWN;
    free(head.data);
    return kind;
}
