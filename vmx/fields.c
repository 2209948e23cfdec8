/* The table of VMCS fields. */
#include "vmx/fields.h"

#include <string.h>

const struct vmcs_field_row vmcs_field_rows[F_COUNT] = {
#define FIELD(id, encoding, width, kind, group, need, name)                                                            \
    [F_##id] = {encoding, VMCS_WIDTH_##width, VMCS_KIND_##kind, VMX_##group, (uint32_t)(need), #id, name},
#include "sim/arch/vmcs_fields.def"
#undef FIELD
};

void vmcs_field_map_init(struct vmcs_field_map *map, const struct vmx_caps *caps) {
    memset(map->index, F_NONE, sizeof map->index);
    for (unsigned i = 0; i < F_COUNT; i++) {
        const struct vmcs_field_row *r = &vmcs_field_rows[i];
        if (!vmx_can(caps, (enum vmx_group)r->need_group, r->need)) continue;
        map->index[VMCS_ENC_WIDTH(r->encoding) << 8 | VMCS_ENC_TYPE(r->encoding) << 6 | VMCS_ENC_INDEX(r->encoding)] =
            (uint8_t)i;
    }
}
