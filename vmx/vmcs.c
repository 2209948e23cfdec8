/* Active VMCSs: the data of a VMCS is in the processor between VMPTRLD and VMCLEAR. SDM 3, "Software Use of the VMCS
 * and Related Structures". The region layout is docs/vmcs-layout.md. */
#include <string.h>

#include "vmx/vmx.h"

static void to_memory(struct cpu *cpu, const struct vmcs *c, bool launched) {
    uint64_t image[1 + F_COUNT];
    image[0] = launched;
    memcpy(&image[1], c->f, sizeof c->f);
    phys_write_bytes(cpu, c->addr + VMCS_OFF_STATUS, image, sizeof image);
}

static void from_memory(struct cpu *cpu, struct vmcs *c, uint64_t addr) {
    uint64_t image[1 + F_COUNT];
    phys_read_bytes(cpu, addr + VMCS_OFF_STATUS, image, sizeof image);
    c->addr = addr;
    c->launched = image[0] & 1;
    c->stale = false;
    c->shadow = phys_read(cpu, addr, 4) >> 31;
    c->valid = 0;
    for (unsigned i = 0; i < F_COUNT; i++) c->f[i] = image[1 + i] & vmcs_width_mask(vmcs_field_rows[i].width);
}

static struct vmcs *find(struct vmx *v, uint64_t addr) {
    for (unsigned i = 0; i < VMX_ACTIVE_MAX; i++)
        if (v->active[i].addr == addr) return &v->active[i];
    return NULL;
}

/* A slot for another VMCS: a free one, else that of the longest unused one, whose data goes to memory. */
static struct vmcs *make_room(struct cpu *cpu) {
    struct vmx *v = vmx_of(cpu);
    struct vmcs *victim = NULL;
    for (unsigned i = 0; i < VMX_ACTIVE_MAX; i++) {
        struct vmcs *c = &v->active[i];
        if (c->addr == VMX_NO_POINTER) return c;
        if (c != v->current && (!victim || c->used < victim->used)) victim = c;
    }
    to_memory(cpu, victim, victim->launched);
    return victim;
}

struct vmcs *vmcs_activate(struct cpu *cpu, uint64_t addr) {
    struct vmx *v = vmx_of(cpu);
    struct vmcs *c = find(v, addr);
    if (!c) {
        c = make_room(cpu);
        from_memory(cpu, c, addr);
    }
    c->used = ++v->stamp;
    return c;
}

void vmcs_clear(struct cpu *cpu, uint64_t addr) {
    struct vmx *v = vmx_of(cpu);
    struct vmcs *c = find(v, addr);
    if (!c) { /* not active here: only the launch state changes */
        phys_write(cpu, addr + VMCS_OFF_STATUS, 8, 0);
        return;
    }
    to_memory(cpu, c, false);
    c->addr = VMX_NO_POINTER;
    if (v->current == c) v->current = NULL;
}

void vmcs_write(struct vmx *v, struct vmcs *c, unsigned field, uint64_t val) {
    val &= vmcs_width_mask(vmcs_field_rows[field].width);
    if (c->f[field] == val) return;
    c->f[field] = val;
    c->valid &= ~(uint32_t)v->groups_of[field];
}
