/* The rules of VMRUN. The order of the rows is the manual's; the outcome is the same for all: #VMEXIT(VMEXIT_INVALID).
 */
#include "svm/check.h"

#include <inttypes.h>
#include <stddef.h>

#include "mmu/mmu.h"
#include "sim/arch/svm.h"
#include "sim/arch/x86.h"

#define CONSISTENCY "Canonicalization and Consistency Checks"

/* ---- fields ---- */

#define FIELD(member, text)                                                                                            \
    static const struct svm_check_field field_##member = {text, offsetof(struct svm_check_ctx, member)};
FIELD(efer, "EFER")
FIELD(cr0, "CR0")
FIELD(cr3, "CR3")
FIELD(cr4, "CR4")
FIELD(dr6, "DR6")
FIELD(dr7, "DR7")
FIELD(g_pat, "G_PAT")
FIELD(cs_attrib, "CS.attrib")
FIELD(s_cet, "S_CET")
FIELD(s_cet_valid, "bits of S_CET that exist")
FIELD(rflags_vm, "RFLAGS.VM")
FIELD(u_cet_ss, "U_CET.SH_STK_EN")
FIELD(intercept_vmrun, "VMRUN intercept")
FIELD(guest_asid, "GUEST_ASID")
FIELD(tlb_control, "TLB_CONTROL")
FIELD(iopm_base_pa, "IOPM_BASE_PA")
FIELD(msrpm_base_pa, "MSRPM_BASE_PA")
FIELD(np_enable, "NP_ENABLE")
FIELD(n_cr3, "N_CR3")
FIELD(eventinj, "EVENTINJ")
FIELD(pdpte, "PDPE 0")
FIELD(host_cr0, "the host's CR0")
FIELD(cr4_valid, "bits of CR4 that exist")
FIELD(efer_valid, "bits of EFER that exist")
FIELD(phys_bits, "physical address bits")
#undef FIELD

/* ---- conditions ---- */

static bool always(const struct svm_check_ctx *c) {
    (void)c;
    return true;
}
static bool long_paging(const struct svm_check_ctx *c) { return (c->efer & EFER_LME) && (c->cr0 & CR0_PG); }
static bool nested(const struct svm_check_ctx *c) { return c->np_enable & VMCB_NP_ENABLE; }
static bool no_long_mode(const struct svm_check_ctx *c) { return !c->long_mode; }
static bool injects(const struct svm_check_ctx *c) { return c->eventinj & EVENTINJ_V; }
static unsigned inj_type(const struct svm_check_ctx *c) {
    return c->eventinj >> EVENTINJ_TYPE_SHIFT & EVENTINJ_TYPE_MASK;
}
static bool injects_exception(const struct svm_check_ctx *c) { return injects(c) && inj_type(c) == EVENTINJ_EXCEPTION; }
bool svm_check_uses_pdptes(const struct svm_check_ctx *c) {
    return !nested(c) && (c->cr0 & CR0_PG) && (c->cr4 & CR4_PAE) && !(c->efer & EFER_LME);
}

/* ---- rules ---- */

#define HOLDS(name, condition)                                                                                         \
    static bool name(const struct svm_check_ctx *c) { return condition; }

HOLDS(efer_svme, c->efer &EFER_SVME)
HOLDS(cr0_cd_nw, (c->cr0 & CR0_CD) || !(c->cr0 & CR0_NW))
HOLDS(cr0_high, !(c->cr0 >> 32))
HOLDS(cr3_mbz, !(c->cr3 >> c->phys_bits))
HOLDS(cr4_mbz, !(c->cr4 & ~c->cr4_valid))
HOLDS(dr6_high, !(c->dr6 >> 32))
HOLDS(dr7_high, !(c->dr7 >> 32))
HOLDS(efer_mbz, !(c->efer & ~c->efer_valid))
HOLDS(efer_long, !(c->efer & (EFER_LMA | EFER_LME)))
HOLDS(long_pae, c->cr4 &CR4_PAE)
HOLDS(long_pe, c->cr0 &CR0_PE)
HOLDS(long_cs, !(c->cr4 & CR4_PAE) || !(c->cs_attrib & VMCB_ATTRIB_L) || !(c->cs_attrib & VMCB_ATTRIB_D))
HOLDS(cet_wp, !(c->cr4 & CR4_CET) || (c->cr0 & CR0_WP))
HOLDS(cet_vm86, !(c->cr4 & CR4_CET) || !c->u_cet_ss || !c->rflags_vm)
HOLDS(s_cet_mbz, !(c->s_cet & ~c->s_cet_valid))
HOLDS(vmrun_bit, c->intercept_vmrun)
HOLDS(asid_nonzero, c->guest_asid)

/* [base, base + pages * 4 KiB) below the highest physical address; the low 12 bits are ignored */
static bool table_fits(const struct svm_check_ctx *c, uint64_t base, unsigned pages) {
    uint64_t last = (base & PAGE_MASK) + pages * (uint64_t)PAGE_SIZE - 1;
    return !(base >> c->phys_bits) && !(last >> c->phys_bits);
}
HOLDS(iopm_fits, table_fits(c, c->iopm_base_pa, 3))
HOLDS(msrpm_fits, table_fits(c, c->msrpm_base_pa, 2))

HOLDS(inj_known_type, inj_type(c) == EVENTINJ_INTR || (inj_type(c) >= EVENTINJ_NMI && inj_type(c) <= EVENTINJ_SOFT_INT))

/* APM 2, table "Interrupt Vector Source and Cause": vectors that name an exception; 2 is the NMI */
static bool inj_exception_vector(const struct svm_check_ctx *c) {
    const uint32_t exceptions = 1u << VEC_DE | 1u << VEC_DB | 1u << VEC_BP | 1u << VEC_OF | 1u << VEC_BR |
                                1u << VEC_UD | 1u << VEC_NM | 1u << VEC_DF | 1u << VEC_TS | 1u << VEC_NP |
                                1u << VEC_SS | 1u << VEC_GP | 1u << VEC_PF | 1u << VEC_MF | 1u << VEC_AC |
                                1u << VEC_MC | 1u << VEC_XM | 1u << VEC_CP | 1u << 28 | 1u << 29 | 1u << VEC_SX;
    unsigned vector = c->eventinj & EVENTINJ_VECTOR;
    return vector < 32 && (exceptions >> vector & 1);
}

HOLDS(np_host_paging, c->host_cr0 &CR0_PG)
HOLDS(n_cr3_mbz, !(c->n_cr3 >> c->phys_bits))
static bool pat_types(const struct svm_check_ctx *c) {
    for (unsigned n = 0; n < 8; n++) {
        unsigned t = c->g_pat >> (8 * n) & 0xFF;
        if (t > MT_UC_MINUS || t == 2 || t == 3) return false;
    }
    return true;
}

static bool tlb_control_known(const struct svm_check_ctx *c) {
    if (c->tlb_control <= TLB_CONTROL_FLUSH_ALL) return true;
    return c->flush_by_asid &&
           (c->tlb_control == TLB_CONTROL_FLUSH_GUEST || c->tlb_control == TLB_CONTROL_FLUSH_GUEST_NONGLOBAL);
}
HOLDS(pdptes_legal, mmu_pdptes_valid(c->pdpte, (unsigned)c->phys_bits))
#undef HOLDS

/* ---- the table ---- */

#define F(member) &field_##member
/* clang-format off */
const struct svm_check svm_checks[] = {
    {"svm.efer.svme", CONSISTENCY, "EFER.SVME must be 1",
     always, efer_svme, "bit 12 (SVME) set", {F(efer)}},
    {"svm.cr0.cd-nw", CONSISTENCY, "CR0.NW must not be set while CR0.CD is 0",
     always, cr0_cd_nw, "bit 29 (NW) clear or bit 30 (CD) set", {F(cr0)}},
    {"svm.cr0.high", CONSISTENCY, "CR0[63:32] must be 0",
     always, cr0_high, "bits 63:32 clear", {F(cr0)}},
    {"svm.cr3.mbz", CONSISTENCY, "No MBZ bit of CR3 may be set",
     always, cr3_mbz, "no bit at or above the physical address width", {F(cr3), F(phys_bits)}},
    {"svm.cr4.mbz", CONSISTENCY, "No MBZ bit of CR4 may be set",
     always, cr4_mbz, "only bits that this processor has", {F(cr4), F(cr4_valid)}},
    {"svm.dr6.high", CONSISTENCY, "DR6[63:32] must be 0",
     always, dr6_high, "bits 63:32 clear", {F(dr6)}},
    {"svm.dr7.high", CONSISTENCY, "DR7[63:32] must be 0",
     always, dr7_high, "bits 63:32 clear", {F(dr7)}},
    {"svm.efer.mbz", CONSISTENCY, "No MBZ bit of EFER may be set",
     always, efer_mbz, "only bits that this processor has", {F(efer), F(efer_valid)}},
    {"svm.efer.long-mode", CONSISTENCY, "EFER.LMA and EFER.LME must be 0 on a processor without long mode",
     no_long_mode, efer_long, "bits 8 (LME) and 10 (LMA) clear", {F(efer)}},
    {"svm.long.pae", CONSISTENCY, "With EFER.LME and CR0.PG set CR4.PAE must be set",
     long_paging, long_pae, "bit 5 (PAE) set", {F(cr4), F(efer), F(cr0)}},
    {"svm.long.pe", CONSISTENCY, "With EFER.LME and CR0.PG set CR0.PE must be set",
     long_paging, long_pe, "bit 0 (PE) set", {F(cr0), F(efer)}},
    {"svm.long.cs-l-d", CONSISTENCY, "EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D must not all be set",
     long_paging, long_cs, "bit 9 (L) or bit 10 (D) clear", {F(cs_attrib), F(efer), F(cr0), F(cr4)}},
    {"svm.cr4.cet-without-wp", CONSISTENCY, "CR4.CET must not be set while CR0.WP is 0",
     always, cet_wp, "bit 23 (CET) clear, or bit 16 (WP) of CR0 set", {F(cr4), F(cr0)}},
    {"svm.cet.virtual-8086", CONSISTENCY, "CR4.CET, U_CET.SH_STK_EN and RFLAGS.VM must not all be set",
     always, cet_vm86, "bit 23 (CET) clear, or RFLAGS.VM 0", {F(cr4), F(u_cet_ss), F(rflags_vm)}},
    {"svm.s-cet.mbz", CONSISTENCY, "No reserved bit of S_CET may be set",
     always, s_cet_mbz, "only bits that this processor has", {F(s_cet), F(s_cet_valid)}},
    {"svm.intercept.vmrun", CONSISTENCY, "The VMRUN intercept must be set",
     always, vmrun_bit, "bit 0 of offset 010h set", {F(intercept_vmrun)}},
    {"svm.iopm.address", CONSISTENCY, "The I/O permission map must end below the maximum physical address",
     always, iopm_fits, "12 KiB inside the physical address space", {F(iopm_base_pa), F(phys_bits)}},
    {"svm.msrpm.address", CONSISTENCY, "The MSR permission map must end below the maximum physical address",
     always, msrpm_fits, "8 KiB inside the physical address space", {F(msrpm_base_pa), F(phys_bits)}},
    {"svm.eventinj.type", "Event Injection", "EVENTINJ.TYPE must not be a reserved value",
     injects, inj_known_type, "TYPE (bits 10:8) 0 (INTR), 2 (NMI), 3 (exception) or 4 (software interrupt)",
     {F(eventinj)}},
    {"svm.eventinj.vector", "Event Injection",
     "EVENTINJ of type 3 must have the vector of an exception; 2 is the NMI, which has its own type",
     injects_exception, inj_exception_vector, "VECTOR (bits 7:0) that of an exception", {F(eventinj)}},
    {"svm.asid.zero", CONSISTENCY, "GUEST_ASID must not be 0, which is the host's",
     always, asid_nonzero, "1 or more", {F(guest_asid)}},
    {"svm.tlb-control.reserved", "TLB Flush", "TLB_CONTROL must not have a reserved encoding",
     always, tlb_control_known, "0 (nothing), 1 (flush all), and with FlushByAsid 3 or 7", {F(tlb_control)}},
    {"svm.np.host-paging", "Enabling Nested Paging", "NP_ENABLE needs paging in the host",
     nested, np_host_paging, "bit 31 (PG) set", {F(host_cr0), F(np_enable)}},
    {"svm.np.n-cr3-mbz", "Enabling Nested Paging", "No MBZ bit of N_CR3 may be set",
     nested, n_cr3_mbz, "no bit at or above the physical address width", {F(n_cr3), F(phys_bits), F(np_enable)}},
    {"svm.np.g-pat", "Enabling Nested Paging", "G_PAT must hold memory types that exist and no reserved bit",
     nested, pat_types, "each byte 0 (UC), 1 (WC), 4 (WT), 5 (WP), 6 (WB) or 7 (UC-)", {F(g_pat), F(np_enable)}},
    {"svm.pae.pdpe", "VMRUN Instruction", "The page-directory-pointer entries that CR3 points to must be legal",
     svm_check_uses_pdptes, pdptes_legal, "no reserved bit set in a present entry", {F(pdpte), F(cr3)}},
};
/* clang-format on */
const unsigned svm_check_count = sizeof svm_checks / sizeof svm_checks[0];
#undef F

int svm_check_first(const struct svm_check_ctx *c) {
    for (unsigned n = 0; n < svm_check_count; n++)
        if (svm_check_broken(c, &svm_checks[n])) return (int)n;
    return -1;
}

static void print_field(const struct svm_check_ctx *c, const struct svm_check_field *f, FILE *out) {
    const uint64_t *v = (const uint64_t *)((const char *)c + f->offset);
    if (f == &field_phys_bits || f == &field_guest_asid)
        fprintf(out, "%s = %" PRIu64, f->name, *v);
    else if (f == &field_pdpte)
        fprintf(out, "PDPE 0-3 = %#" PRIx64 " %#" PRIx64 " %#" PRIx64 " %#" PRIx64, v[0], v[1], v[2], v[3]);
    else
        fprintf(out, "%s = %#" PRIx64, f->name, *v);
}

static void tell_rule(const struct svm_check_ctx *c, const struct svm_check *r, unsigned number, FILE *out) {
    fprintf(out, "  %u. %s\n     rule      %s.\n", number, r->id, r->rule);
    for (unsigned k = 0; k < sizeof r->fields / sizeof r->fields[0] && r->fields[k]; k++) {
        fputs(k ? "     with      " : "     found     ", out);
        print_field(c, r->fields[k], out);
        fputc('\n', out);
    }
    fprintf(out, "     expected  %s\n     see       APM 2, \"%s\"\n", r->expected, r->section);
}

void svm_check_explain(const struct svm_check_ctx *c, FILE *out) {
    unsigned number = 0;
    for (unsigned n = 0; n < svm_check_count; n++)
        if (svm_check_broken(c, &svm_checks[n])) tell_rule(c, &svm_checks[n], ++number, out);
}
