/* The fields of a VMCS as a table, and the look-up of an encoding. */
#ifndef HVSIM_VMX_FIELDS_H
#define HVSIM_VMX_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/arch/vmx.h"
#include "vmx/caps.h"

/* Index of a field in storage, in order of encoding: F_GUEST_CR0, ... */
enum vmcs_field {
#define FIELD(id, ...) F_##id,
#include "sim/arch/vmcs_fields.def"
#undef FIELD
    F_COUNT
};
#define F_NONE 0xFF /* ends a list of fields */
_Static_assert(F_COUNT < F_NONE, "a field index fits a byte");

struct vmcs_field_row {
    uint16_t encoding;
    uint8_t width, kind, need_group; /* enum vmcs_width, vmcs_kind, vmx_group */
    uint32_t need;                   /* the field exists when these control bits may be 1 */
    const char *id, *name;
};
extern const struct vmcs_field_row vmcs_field_rows[F_COUNT];

/* Encoding to field, dense: two bits width, two bits kind, six bits index. */
#define FIELD_SLOTS 1024
struct vmcs_field_map {
    uint8_t index[FIELD_SLOTS]; /* F_NONE: no such field */
};
void vmcs_field_map_init(struct vmcs_field_map *map, const struct vmx_caps *caps);

/* The field of an encoding, or F_NONE when it is not supported. The access type (bit 0) is not looked at. */
static inline unsigned vmcs_field_find(const struct vmcs_field_map *map, uint64_t encoding) {
    if ((encoding & VMCS_ENC_RESERVED) || VMCS_ENC_INDEX(encoding) > 63) return F_NONE;
    return map->index[VMCS_ENC_WIDTH(encoding) << 8 | VMCS_ENC_TYPE(encoding) << 6 | VMCS_ENC_INDEX(encoding)];
}

static inline uint64_t vmcs_width_mask(unsigned width) {
    return width == VMCS_WIDTH_16 ? 0xFFFF : width == VMCS_WIDTH_32 ? 0xFFFFFFFF : ~0ull;
}

#endif
