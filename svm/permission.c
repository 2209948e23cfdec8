/* The permission maps of ports and MSRs. */
#include "sim/core/mem.h"
#include "svm/svm.h"

/* APM 2, "I/O Permissions Map": one bit per port, 12 KiB; an access is intercepted when the bit of any of its bytes is
 * set, and bytes beyond port FFFFh have theirs in the third page. */
static bool io_permitted(struct cpu *cpu, uint16_t port, unsigned size) {
    uint64_t base = svm_of(cpu)->vmcb.control.iopm_base_pa & PAGE_MASK;
    uint64_t at = base + port / 8;
    unsigned bits = (unsigned)phys_read(cpu, at, 1) | (unsigned)phys_read(cpu, at + 1, 1) << 8;
    return !(bits >> port % 8 & ((1u << size) - 1));
}

/* EXITINFO1: APM 2, "EXITINFO1 for IOIO Intercept" */
static uint64_t io_info(const struct virt_io *io, const struct insn *cur, bool assists) {
    unsigned log = io->size == 4 ? 2 : io->size - 1u;
    uint64_t info = (uint64_t)io->port << IOIO_PORT_SHIFT | 1u << (IOIO_SZ_SHIFT + log);
    if (io->in) info |= IOIO_TYPE_IN;
    if (cur && cur->asize) info |= 1u << (IOIO_A_SHIFT + cur->asize - 1); /* log2 bytes: 1 is A16 */
    if (!io->string) return info;
    info |= IOIO_STR | (io->rep ? IOIO_REP : 0);
    return assists ? info | (uint64_t)io->seg << IOIO_SEG_SHIFT : info;
}

/* EXITINFO2 is the RIP of the next instruction. */
void svm_intercept_io(struct cpu *cpu, const struct virt_io *io) {
    const struct svm *s = svm_of(cpu);
    if (!svm_intercepts(s, VMEXIT_IOIO) || io_permitted(cpu, io->port, io->size)) return;
    uint64_t next = cpu->cur ? cpu_next_rip(cpu, cpu->cur) : cpu->rip;
    svm_vmexit(cpu, VMEXIT_IOIO, io_info(io, cpu->cur, svm_has(s, SVM_FEATURE_DECODE_ASSISTS)), next);
}

/* APM 2, "MSR Intercepts", table "MSR Ranges Covered by MSRPM" */
static const struct {
    uint32_t first, offset;
} msr_ranges[] = {
    {0x00000000, 0x0000},
    {0xC0000000, 0x0800},
    {0xC0010000, 0x1000}
};
#define MSRS_PER_RANGE 0x2000u

/* Two bits per MSR: read, write. MSRs outside the map are always intercepted. */
static bool msr_permitted(struct cpu *cpu, uint32_t msr, bool write) {
    uint64_t base = svm_of(cpu)->vmcb.control.msrpm_base_pa & PAGE_MASK;
    for (unsigned n = 0; n < sizeof msr_ranges / sizeof msr_ranges[0]; n++) {
        uint32_t index = msr - msr_ranges[n].first;
        if (msr < msr_ranges[n].first || index >= MSRS_PER_RANGE) continue;
        unsigned bits = (unsigned)phys_read(cpu, base + msr_ranges[n].offset + index / 4, 1);
        return !(bits >> (index % 4 * 2 + write) & 1);
    }
    return false;
}

void svm_intercept_msr(struct cpu *cpu, uint32_t msr, bool write) {
    if (!svm_intercepts(svm_of(cpu), VMEXIT_MSR) || msr_permitted(cpu, msr, write)) return;
    svm_vmexit(cpu, VMEXIT_MSR, write, 0);
}
