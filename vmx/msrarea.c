/* MSR areas. SDM 3, "Loading MSRs" (VM entry), "Saving MSRs", "Loading MSRs" (VM exit) */
#include "vmx/vmx.h"

struct area_entry {
    uint32_t index, reserved;
    uint64_t value;
};

static struct area_entry read_entry(struct cpu *cpu, uint64_t addr) {
    struct area_entry e;
    phys_read_bytes(cpu, addr, &e, sizeof e);
    return e;
}

#define MSR_IA32_SMBASE          0x9Eu
#define MSR_IA32_SMM_MONITOR_CTL 0x9Bu
#define MSR_IA32_BIOS_UPDT_TRIG  0x79u

static bool x2apic_range(const struct cpu *cpu, uint32_t index) {
    return index >> 8 == 8 && (cpu->msr.apic_base & APIC_BASE_EXTD);
}

static bool load_allowed(const struct cpu *cpu, const struct area_entry *e) {
    return e->reserved == 0 && e->index != MSR_FS_BASE && e->index != MSR_GS_BASE && !x2apic_range(cpu, e->index) &&
           e->index != MSR_IA32_SMM_MONITOR_CTL && e->index != MSR_IA32_BIOS_UPDT_TRIG;
}

static bool store_allowed(const struct cpu *cpu, const struct area_entry *e) {
    return e->reserved == 0 && !x2apic_range(cpu, e->index) && e->index != MSR_IA32_SMBASE;
}

/* More entries than IA32_VMX_MISC[27:25] recommends: undefined by the manual; the first one too many fails here. */
unsigned vmx_msr_load(struct cpu *cpu, uint64_t addr, uint32_t count) {
    unsigned most = VMX_MISC_MAX_MSRS(vmx_of(cpu)->caps.misc);
    for (uint32_t n = 0; n < count; n++) {
        struct area_entry e = read_entry(cpu, addr + 16ull * n);
        if (n >= most) return n + 1;
        if (!load_allowed(cpu, &e) || !msr_write(cpu, e.index, e.value)) return n + 1;
    }
    if (count) cpu_update_mode(cpu);
    return 0;
}

unsigned vmx_msr_store(struct cpu *cpu, uint64_t addr, uint32_t count) {
    unsigned most = VMX_MISC_MAX_MSRS(vmx_of(cpu)->caps.misc);
    for (uint32_t n = 0; n < count; n++) {
        struct area_entry e = read_entry(cpu, addr + 16ull * n);
        uint64_t value;
        if (n >= most) return n + 1;
        if (!store_allowed(cpu, &e) || !msr_read(cpu, e.index, &value)) return n + 1;
        phys_write(cpu, addr + 16ull * n + 8, 8, value);
    }
    return 0;
}
