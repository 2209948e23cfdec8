/* What an exit qualification says, in words, for the trace. SDM 3, "Basic VM-Exit Information": its tables. */
#include <inttypes.h>

#include "vmx/vmx.h"

static const char *const gpr_names[16] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                          "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};

static void decode_io(const struct cpu *cpu, uint64_t q, char *buf, size_t size) {
    (void)cpu;
    snprintf(buf, size, "%s%s%s port %04x, %u byte%s", q & 1u << 5 ? "REP " : "", q & 1u << 3 ? "IN" : "OUT",
             q & 1u << 4 ? "S" : "", (unsigned)(q >> 16 & 0xFFFF), (unsigned)(q & 7) + 1, q & 7 ? "s" : "");
}

static void decode_cr(const struct cpu *cpu, uint64_t q, char *buf, size_t size) {
    unsigned cr = q & 15, reg = q >> 8 & 15, type = q >> 4 & 3;
    if (type == VMX_CR_LMSW)
        snprintf(buf, size, "LMSW %04x", (unsigned)(q >> 16 & 0xFFFF));
    else if (type == 2)
        snprintf(buf, size, "CLTS");
    else if (type == 1)
        snprintf(buf, size, "MOV %s, CR%u", gpr_names[reg], cr);
    else
        snprintf(buf, size, "MOV CR%u, %s (%#" PRIx64 ")", cr, gpr_names[reg], cpu->gpr[reg]);
}

static void decode_dr(const struct cpu *cpu, uint64_t q, char *buf, size_t size) {
    const char *reg = gpr_names[q >> 8 & 15];
    (void)cpu;
    if (q & 1u << 4)
        snprintf(buf, size, "MOV %s, DR%u", reg, (unsigned)(q & 7));
    else
        snprintf(buf, size, "MOV DR%u, %s", (unsigned)(q & 7), reg);
}

static void decode_rdmsr(const struct cpu *cpu, uint64_t q, char *buf, size_t size) {
    (void)q;
    snprintf(buf, size, "MSR %x", (uint32_t)cpu->gpr[RCX]);
}

static void decode_wrmsr(const struct cpu *cpu, uint64_t q, char *buf, size_t size) {
    (void)q;
    snprintf(buf, size, "MSR %x <- %" PRIx64, (uint32_t)cpu->gpr[RCX], cpu->gpr[RDX] << 32 | (uint32_t)cpu->gpr[RAX]);
}

static void decode_ept(const struct cpu *cpu, uint64_t q, char *buf, size_t size) {
    (void)cpu;
    snprintf(buf, size, "%s%s%s, EPT allows %c%c%c%s", q & 1 ? "read" : "", q & 2 ? q & 1 ? "+write" : "write" : "",
             q & 4 ? "fetch" : "", q & 8 ? 'r' : '-', q & 16 ? 'w' : '-', q & 32 ? 'x' : '-',
             !(q & 1u << 7) ? ""
             : q & 1u << 8  ? ", of the address itself"
                            : ", of a paging-structure entry");
}

static const struct {
    uint32_t reason;
    void (*decode)(const struct cpu *cpu, uint64_t qualification, char *buf, size_t size);
} decoders[] = {
    {VMX_REASON_IO,            decode_io   },
    {VMX_REASON_CR_ACCESS,     decode_cr   },
    {VMX_REASON_MOV_DR,        decode_dr   },
    {VMX_REASON_RDMSR,         decode_rdmsr},
    {VMX_REASON_WRMSR,         decode_wrmsr},
    {VMX_REASON_EPT_VIOLATION, decode_ept  },
};

void vmx_decode_qualification(const struct cpu *cpu, const struct vmx_exit *x, char *buf, size_t size) {
    buf[0] = 0;
    for (unsigned n = 0; n < sizeof decoders / sizeof decoders[0]; n++)
        if (decoders[n].reason == x->reason) decoders[n].decode(cpu, x->qualification, buf, size);
}
