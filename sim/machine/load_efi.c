/* EFI applications: recognized here, started by firmware. Microsoft Portable Executable and Common Object File Format
 * Specification; UEFI Specification, "UEFI Images". */
#include <string.h>

#include "sim/machine/load.h"

#define PE_AT           0x3C /* in the MS-DOS header: where the PE signature is */
#define COFF_SIZE       24   /* signature and COFF header; the optional header follows */
#define SUBSYSTEM_AT    68
#define MACHINE_X86_64  0x8664
#define MAGIC_PE32_PLUS 0x20B

enum { EFI_APPLICATION = 10, EFI_RUNTIME_DRIVER = 12 };

bool efi_find(const struct file *f, uint32_t *offset) {
    if (f->size < 0x40 || memcmp(f->data, "MZ", 2) != 0) return false;
    uint64_t pe = get32(f->data + PE_AT);
    if (pe + COFF_SIZE + SUBSYSTEM_AT + 2 > f->size || memcmp(f->data + pe, "PE\0\0", 4) != 0) return false;
    const uint8_t *optional = f->data + pe + COFF_SIZE;
    unsigned subsystem = get16(optional + SUBSYSTEM_AT);
    *offset = (uint32_t)pe;
    return get16(f->data + pe + 4) == MACHINE_X86_64 && get16(optional) == MAGIC_PE32_PLUS &&
           subsystem >= EFI_APPLICATION && subsystem <= EFI_RUNTIME_DRIVER;
}

bool efi_load(struct loader *l, uint32_t offset) {
    (void)offset;
    return rom_load(l);
}
