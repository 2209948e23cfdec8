/* Workloads of a hypervisor and its guest, for VMX and SVM alike. */
#include "testsuites/bench/bench.h"
#include "testsuites/guest/lib/svm.h"
#include "testsuites/guest/lib/vmx.h"

#define CPUID_EXITS  1000
#define CPUID_LEAF   0x40000000
#define FAULT_PAGES  512
#define FAULT_GPA    0x100000000ULL  /* guest-physical, above all memory */
#define FAULT_WINDOW 0x7F40000000ULL /* where the guest sees it */

enum vm_event { EVENT_CPUID, EVENT_HYPERCALL, EVENT_NESTED_FAULT, EVENT_OTHER };

/* One hypervisor implementation. There is one guest at a time. */
struct vendor {
    bool (*supported)(void);
    bool (*nested_supported)(void);
    u64 (*new_nested)(void); /* identity-mapped nested page table */
    bool (*create)(void (*entry)(u64), u64 arg, u64 nested);
    enum vm_event (*run)(u64 *fault_address);
    void (*skip)(void);
    u64 *(*gpr)(void);
    u64 *(*nested_entry)(u64 nested, u64 gpa, int level);
    u64 leaf_flags;
    void (*flush)(u64 nested); /* after a nested mapping was taken away */
};

static struct vmx_vm vmx_vm;
static struct svm_vm svm_vm;
static u64 nested_root;
static uptr fault_memory;
static u64 failure; /* exit reason or code that no workload expects */

static bool vmx_create(void (*entry)(u64), u64 arg, u64 nested) {
    struct vmx_config c = {.entry = entry, .arg = arg, .eptp = nested};
    if (!vmx_enable()) return false;
    if (nested && vmx_allows(VMX_PROC2, PROC2_ENABLE_VPID)) c.vpid = 1;
    return vmx_vm_init(&vmx_vm, &c);
}

static enum vm_event vmx_event(u64 *fault_address) {
    if (vmx_run(&vmx_vm) != VMX_SUCCEED) {
        failure = 0x10000;
        return EVENT_OTHER;
    }
    switch (vmx_vm.exit_reason) {
    case VMX_EXIT_CPUID:
        return EVENT_CPUID;
    case VMX_EXIT_VMCALL:
        return EVENT_HYPERCALL;
    case VMX_EXIT_EPT_VIOLATION:
        *fault_address = vmcs_get(VMCS_GUEST_PHYSICAL_ADDRESS);
        return EVENT_NESTED_FAULT;
    default:
        failure = vmx_vm.exit_reason;
        return EVENT_OTHER;
    }
}

static u64 *vmx_gpr(void) { return vmx_vm.gpr; }

static void vmx_flush(u64 nested) { invept(1, (struct inv_descriptor){nested, 0}); }

static bool svm_create(void (*entry)(u64), u64 arg, u64 nested) {
    struct svm_config c = {.entry = entry, .arg = arg, .nested_cr3 = nested};
    if (!svm_enable()) return false;
    svm_vm_init(&svm_vm, &c);
    svm_vm.vmcb->tlb_control = 1; /* the ASID may have been another guest's */
    return true;
}

static enum vm_event svm_event(u64 *fault_address) {
    svm_run(&svm_vm);
    svm_vm.vmcb->tlb_control = 0;
    switch (svm_vm.vmcb->exit_code) {
    case SVM_EXIT_CPUID:
        return EVENT_CPUID;
    case SVM_EXIT_VMMCALL:
        return EVENT_HYPERCALL;
    case SVM_EXIT_NPF:
        *fault_address = svm_vm.vmcb->exit_info2;
        return EVENT_NESTED_FAULT;
    default:
        failure = svm_vm.vmcb->exit_code;
        return EVENT_OTHER;
    }
}

static void svm_skip(void) {
    /* CPUID is two bytes long, VMMCALL three */
    svm_vm.vmcb->rip += svm_vm.vmcb->exit_code == SVM_EXIT_CPUID ? 2 : 3;
}

static u64 *svm_gpr(void) { return svm_vm.gpr; }

static void svm_flush(u64 nested) {
    (void)nested;
    svm_vm.vmcb->tlb_control = 1;
}

static const struct vendor vmx_vendor = {.supported = vmx_supported,
                                         .nested_supported = ept_supported,
                                         .new_nested = ept_new_identity,
                                         .create = vmx_create,
                                         .run = vmx_event,
                                         .skip = vmx_skip_instruction,
                                         .gpr = vmx_gpr,
                                         .nested_entry = ept_entry,
                                         .leaf_flags = EPT_RWX | EPT_WB,
                                         .flush = vmx_flush};

static const struct vendor svm_vendor = {.supported = svm_supported,
                                         .nested_supported = svm_nested_paging_supported,
                                         .new_nested = pt_new_identity,
                                         .create = svm_create,
                                         .run = svm_event,
                                         .skip = svm_skip,
                                         .gpr = svm_gpr,
                                         .nested_entry = pt_entry,
                                         .leaf_flags = PTE_P | PTE_W | PTE_U,
                                         .flush = svm_flush};

/* Guest code: one round after the other, each reported by a hypercall with the result in RAX. */
static void guest_vmx(u64 arg) {
    u64 (*in_guest)(void) = (u64(*)(void))arg;
    for (;;) __asm__ volatile("vmcall" : : "a"(in_guest()) : "memory");
}

static void guest_svm(u64 arg) {
    u64 (*in_guest)(void) = (u64(*)(void))arg;
    for (;;) __asm__ volatile("vmmcall" : : "a"(in_guest()) : "memory");
}

static u64 guest_cpuids(void) {
    u64 sum = 0;
    for (u32 i = 0; i < CPUID_EXITS; i++) sum = sum * 5 + cpuid(CPUID_LEAF, i).ebx;
    return sum;
}

static u64 guest_touches(void) {
    u64 sum = 0;
    for (u32 i = 0; i < FAULT_PAGES; i++) sum = sum * 3 + *(volatile u64 *)(FAULT_WINDOW + i * PAGE_SIZE);
    return sum;
}

static const char *vm_setup(const struct workload *w) {
    const struct vendor *v = w->vendor;
    if (!v->supported()) return v == &vmx_vendor ? "no VMX" : "no SVM";
    if (w->nested && !v->nested_supported()) return "no nested paging";
    if (w->nested && !nested_root) nested_root = v->new_nested();
    if (!fault_memory) {
        fault_memory = (uptr)pages_alloc(FAULT_PAGES, 1);
        for (u32 i = 0; i < FAULT_PAGES; i++) *(u64 *)(fault_memory + i * PAGE_SIZE) = i + 1;
        map_2m(read_cr3(), FAULT_WINDOW, FAULT_GPA, PTE_W);
    }
    if (!v->create(v == &vmx_vendor ? guest_vmx : guest_svm, (uptr)w->in_guest, w->nested ? nested_root : 0))
        return "the guest could not be made";
    return NULL;
}

static void cpuid_exit(u64 *gpr) {
    gpr[GPR_RAX] = CPUID_LEAF;
    gpr[GPR_RBX] = gpr[GPR_RCX] ^ 0x55;
    gpr[GPR_RCX] = 0;
    gpr[GPR_RDX] = 0;
}

/* Runs the guest to its next hypercall. */
static u64 vm_round(const struct workload *w) {
    const struct vendor *v = w->vendor;
    u64 *gpr = v->gpr(), address = 0;
    for (;;) {
        switch (v->run(&address)) {
        case EVENT_CPUID:
            cpuid_exit(gpr);
            v->skip();
            break;
        case EVENT_NESTED_FAULT: {
            u64 page = (address - FAULT_GPA) / PAGE_SIZE;
            if (page >= FAULT_PAGES) return failure = address;
            *v->nested_entry(nested_root, address, 1) = (fault_memory + page * PAGE_SIZE) | v->leaf_flags;
            break;
        }
        case EVENT_HYPERCALL:
            v->skip();
            return gpr[GPR_RAX];
        default:
            bail_out("%s: unexpected exit %#llx", w->name, failure);
        }
    }
}

/* The same after all pages of the window were taken away. */
static u64 fault_round(const struct workload *w) {
    u64 *entry = w->vendor->nested_entry(nested_root, FAULT_GPA, 1);
    for (u32 i = 0; i < FAULT_PAGES; i++) entry[i] = 0;
    w->vendor->flush(nested_root);
    return vm_round(w);
}

#define VM_WORKLOAD(label, measure, who, paging, count, times, body, code)                                             \
    {                                                                                                                  \
        .name = label, .unit = measure, .operations = count, .rounds = times, .round = body, .setup = vm_setup,        \
        .vendor = &who, .nested = paging, .in_guest = code                                                             \
    }
#define VM_WORKLOADS(prefix, who, paged)                                                                               \
    VM_WORKLOAD(prefix "-cpuid", "exit and entry", who, false, CPUID_EXITS, 10, vm_round, guest_cpuids),               \
        VM_WORKLOAD(prefix "-cpuid-" paged, "exit and entry", who, true, CPUID_EXITS, 10, vm_round, guest_cpuids),     \
        VM_WORKLOAD(prefix "-nested-fault", "fault", who, true, FAULT_PAGES, 4, fault_round, guest_touches),           \
        VM_WORKLOAD(prefix "-guest-sieve", "number", who, true, SIEVE_NUMBERS, 4, vm_round, sieve_run),                \
        VM_WORKLOAD(prefix "-guest-crc", "byte", who, true, CRC_BYTES, 8, vm_round, crc_run),                          \
        VM_WORKLOAD(prefix "-guest-quicksort", "element", who, true, SORT_ELEMENTS, 4, vm_round, sort_run),            \
        VM_WORKLOAD(prefix "-guest-interp", "bytecode", who, true, INTERP_BYTECODES, 4, vm_round, interp_run)

const struct workload vm_workloads[] = {
    VM_WORKLOADS("vmx", vmx_vendor, "ept"),
    VM_WORKLOADS("svm", svm_vendor, "npt"),
    {.name = NULL},
};
