/* A machine with drives whose images are made here: every sector of 512 bytes begins with its number. */
#ifndef HVSIM_UNIT_STORAGE_WORLD_H
#define HVSIM_UNIT_STORAGE_WORLD_H

#include "testsuites/unit/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/dev/disk.h"
#include "sim/dev/pci.h"
#include "sim/hvsim.h"

#define DISK_SECTORS 8192u /* 4 MiB */
#define CD_BYTES     (100u * 2048 + 512)
#define CD_BLOCKS    101u

static inline void storage_fill(uint8_t *buf, uint64_t sector, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        memset(buf + (size_t)i * DISK_SECTOR, (int)(sector + i), DISK_SECTOR);
        memcpy(buf + (size_t)i * DISK_SECTOR, &(uint64_t){sector + i}, 8);
    }
}

/* The name of a new file of so many bytes; the caller unlinks it. */
static inline void storage_image(char path[64], size_t bytes) {
    snprintf(path, 64, "/tmp/hvsim-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    uint8_t *data = malloc(bytes + DISK_SECTOR);
    storage_fill(data, 0, (unsigned)(bytes / DISK_SECTOR) + 1);
    assert_int_equal(write(fd, data, bytes), bytes);
    free(data);
    close(fd);
}

/* A disk and a CD-ROM on the machine's own adapter */
static inline struct machine *storage_machine(enum machine_kind kind) {
    char disk[64], cdrom[64];
    storage_image(disk, (size_t)DISK_SECTORS * DISK_SECTOR);
    storage_image(cdrom, CD_BYTES);
    struct hvsim_drive drives[] = {
        {.path = disk  },
        { .path = cdrom, .cdrom = true}
    };
    struct machine_config c = {.kind = kind, .cpus = 1, .drives = drives, .drive_count = 2};
    struct machine *m = fixture_create(&c, "max-intel,-vmx");
    unlink(disk);
    unlink(cdrom);
    return m;
}

/* RAM holds these sectors. */
static inline void storage_expect(const struct machine *m, uint64_t pa, uint64_t sector, unsigned count) {
    uint8_t *want = malloc((size_t)count * DISK_SECTOR);
    storage_fill(want, sector, count);
    assert_memory_equal(m->ram + pa, want, (size_t)count * DISK_SECTOR);
    free(want);
}

static inline void storage_config(struct machine *m, uint8_t devfn, unsigned off, unsigned size, uint32_t val) {
    pci_config_write(m->pci, 0, devfn, off, size, val);
}

#define STORAGE_WAIT 100000000u /* longer than any command takes */

#endif
