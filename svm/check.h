/* The rules that VMRUN holds a VMCB against, as a table. A check is pure: it reads a struct svm_check_ctx and nothing
 * else; the same rows serve a running processor, its reports and the unit tests. */
#ifndef HVSIM_SVM_CHECK_H
#define HVSIM_SVM_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Everything the rules read. Compared as bytes: zero it before filling. */
struct svm_check_ctx {
    /* VMCB, save area */
    uint64_t efer, cr0, cr3, cr4, dr6, dr7, g_pat, rflags_vm, s_cet;
    uint64_t cs_attrib;
    /* VMCB, control area */
    uint64_t intercept_vmrun; /* the bit */
    uint64_t guest_asid, tlb_control, iopm_base_pa, msrpm_base_pa, np_enable, n_cr3, eventinj;
    /* page-directory-pointer entries that CR3 points to (PAE paging without nested paging) */
    uint64_t pdpte[4];
    /* the processor */
    uint64_t host_cr0, cr4_valid, efer_valid, s_cet_valid, phys_bits, long_mode, flush_by_asid, u_cet_ss;
};

/* A field for the report: where in the context, and its name. */
struct svm_check_field {
    const char *name;
    unsigned offset;
};

struct svm_check {
    const char *id, *section, *rule;
    bool (*applies)(const struct svm_check_ctx *c);
    bool (*holds)(const struct svm_check_ctx *c);
    const char *expected;                    /* in words that follow "expected" */
    const struct svm_check_field *fields[6]; /* what it reads, ended by NULL; the first is the one at fault */
};
extern const struct svm_check svm_checks[];
extern const unsigned svm_check_count;

static inline bool svm_check_broken(const struct svm_check_ctx *c, const struct svm_check *r) {
    return r->applies(c) && !r->holds(c);
}
/* Index of the first broken rule, -1: none. */
int svm_check_first(const struct svm_check_ctx *c);
/* One paragraph per broken rule. */
void svm_check_explain(const struct svm_check_ctx *c, FILE *out);
/* Do the PDPTEs matter for this guest? */
bool svm_check_uses_pdptes(const struct svm_check_ctx *c);

#endif
