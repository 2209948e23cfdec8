/* VM exits by accesses: control and debug registers, I/O ports, MSRs. SDM 3, "Instructions That Cause VM Exits
 * Conditionally", "Exit Qualification for Control-Register Accesses" and the tables beside it */
#include "testsuites/guest/vmx/common.h"

#define CR_QUAL(cr, type, reg) ((u64)(cr) | (u64)(type) << 4 | (u64)(reg) << 8)
enum { TO_CR, FROM_CR, CLTS, LMSW };

static bool make(struct vmx_vm *vm, const u8 *code, u32 proc, const char *name) {
    return vm_make(vm, code, (struct vmx_config){.proc = proc}, name);
}

struct cr_row {
    const char *name;
    const u8 *code;
    u32 proc, length;
    u64 cr0_mask, cr4_mask, rax, qualification; /* masks: bits the host owns */
    bool exits;
    u64 cr0_shadow, cr4_shadow; /* what differs from the register */
};

CODE(mov_to_cr0, "mov %rax, %cr0; vmcall");
CODE(mov_from_cr0, "mov %cr0, %rax; vmcall");
CODE(mov_to_cr3, "mov %rax, %cr3; vmcall");
CODE(mov_from_cr3, "mov %cr3, %r11; vmcall");
CODE(mov_to_cr4, "mov %rax, %cr4; vmcall");
CODE(mov_to_cr8, "mov %rax, %cr8; vmcall");
CODE(mov_from_cr8, "mov %cr8, %r15; vmcall");
CODE(clts, "clts; vmcall");
CODE(lmsw_reg, "lmsw %ax; vmcall");
CODE(lmsw_mem, "lmsw 8(%rsp); vmcall");
CODE(smsw, "xor %eax, %eax; smsw %eax; vmcall");

/* "MOV to CR0: exit if a bit that is 1 in the mask isn't the bit of the read shadow"; so for MOV to CR4. */
static void cr_exits(void) {
    u64 cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();
    /* clang-format 14 crashes on macro calls in an aligned table */
    // clang-format off
    const struct cr_row rows[] = {
        {"MOV to CR0 that changes TS, not owned", mov_to_cr0, 0, 3, 0, 0, cr0 ^ CR0_TS, 0, false, 0, 0},
        {"MOV to CR0 that changes TS, owned", mov_to_cr0, 0, 3, CR0_TS, 0, cr0 ^ CR0_TS, CR_QUAL(0, TO_CR, 0), true, 0, 0},
        {"MOV to CR0 that changes MP, TS owned", mov_to_cr0, 0, 3, CR0_TS, 0, cr0 ^ CR0_MP, 0, false, 0, 0},
        {"MOV to CR0 equal to the shadow", mov_to_cr0, 0, 3, CR0_TS, 0, cr0 ^ CR0_TS, 0, false, CR0_TS, 0},
        {"MOV to CR0 that differs from the shadow", mov_to_cr0, 0, 3, CR0_TS, 0, cr0, CR_QUAL(0, TO_CR, 0), true, CR0_TS, 0},
        {"MOV to CR0 that would fault", mov_to_cr0, 0, 3, CR0_PE, 0, cr0 & ~CR0_PE, CR_QUAL(0, TO_CR, 0), true, 0, 0},
        {"MOV to CR4 that changes DE, owned", mov_to_cr4, 0, 3, 0, CR4_DE, cr4 ^ CR4_DE, CR_QUAL(4, TO_CR, 0), true, 0, 0},
        {"MOV to CR4 that changes DE, not owned", mov_to_cr4, 0, 3, 0, CR4_VMXE, cr4 ^ CR4_DE, 0, false, 0, 0},
        {"MOV to CR3", mov_to_cr3, PROC_CR3_LOAD_EXITING, 3, 0, 0, cr3, CR_QUAL(3, TO_CR, 0), true, 0, 0},
        {"MOV from CR3", mov_from_cr3, PROC_CR3_STORE_EXITING, 4, 0, 0, 0, CR_QUAL(3, FROM_CR, 11), true, 0, 0},
        {"MOV to CR8", mov_to_cr8, PROC_CR8_LOAD_EXITING, 4, 0, 0, 0, CR_QUAL(8, TO_CR, 0), true, 0, 0},
        {"MOV from CR8", mov_from_cr8, PROC_CR8_STORE_EXITING, 4, 0, 0, 0, CR_QUAL(8, FROM_CR, 15), true, 0, 0},
        {"CLTS, TS owned and 1 in the shadow", clts, 0, 2, CR0_TS, 0, 0, CR_QUAL(0, CLTS, 0), true, CR0_TS, 0},
        {"CLTS, TS owned and 0 in the shadow", clts, 0, 2, CR0_TS, 0, 0, 0, false, 0, 0},
        {"CLTS, TS not owned", clts, 0, 2, 0, 0, 0, 0, false, CR0_TS, 0},
        {"LMSW that sets TS, owned", lmsw_reg, 0, 3, CR0_TS, 0, 0x3B, CR_QUAL(0, LMSW, 0) | 0x3BULL << 16, true, 0, 0},
        {"LMSW that sets TS, not owned", lmsw_reg, 0, 3, 0, 0, 0x3B, 0, false, 0, 0},
        {"LMSW that would clear PE, owned and 1 in the shadow", lmsw_reg, 0, 3, CR0_PE, 0, 0x32, 0, false, 0, 0},
        {"LMSW that sets PE, owned and 0 in the shadow", lmsw_reg, 0, 3, CR0_PE, 0, 0x33, CR_QUAL(0, LMSW, 0) | 0x33ULL << 16,
         true, CR0_PE, 0},
    };
    // clang-format on
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct cr_row *r = &rows[i];
        struct vmx_vm vm;
        if (!make(&vm, r->code, r->proc, r->name)) continue;
        vm.gpr[GPR_RAX] = r->rax;
        vmcs_set(VMCS_CR0_MASK, r->cr0_mask);
        vmcs_set(VMCS_CR4_MASK, r->cr4_mask);
        vmcs_set(VMCS_CR0_SHADOW, cr0 ^ r->cr0_shadow);
        vmcs_set(VMCS_CR4_SHADOW, cr4 ^ r->cr4_shadow);
        vm_expect(&vm, r->exits ? VMX_EXIT_CR_ACCESS : VMX_EXIT_VMCALL, "%s %s", r->name,
                  r->exits ? "exits" : "doesn't exit");
        if (r->exits) {
            vm_field(VMCS_EXIT_QUALIFICATION, r->qualification, "%s: qualification", r->name);
            vm_field(VMCS_EXIT_INSTRUCTION_LENGTH, r->length, "%s: length", r->name);
        }
        vmclear(vm.vmcs);
    }
}

/* "Changes to Instruction Behavior in VMX Non-Root Operation": reads give the shadow where the mask has 1; owned bits
 * don't change */
static void cr_values(void) {
    struct vmx_vm vm;
    u64 cr0 = read_cr0();
    if (!make(&vm, mov_from_cr0, 0, "MOV from CR0")) return;
    vmcs_set(VMCS_CR0_MASK, CR0_TS | CR0_MP);
    vmcs_set(VMCS_CR0_SHADOW, CR0_TS);
    vm_expect(&vm, VMX_EXIT_VMCALL, "MOV from CR0");
    ok_eq(vm.gpr[GPR_RAX], (cr0 & ~CR0_MP) | CR0_TS, "MOV from CR0 mixes the register and the read shadow");
    vm_restart(&vm, smsw);
    vm_expect(&vm, VMX_EXIT_VMCALL, "SMSW");
    ok_eq(vm.gpr[GPR_RAX] & 0xFFFF, ((cr0 & ~CR0_MP) | CR0_TS) & 0xFFFF, "SMSW mixes the register and the read shadow");
    vm_restart(&vm, mov_to_cr0);
    vmcs_set(VMCS_CR0_SHADOW, cr0 | CR0_TS);
    vm.gpr[GPR_RAX] = cr0 | CR0_TS | CR0_AM;
    vm_expect(&vm, VMX_EXIT_VMCALL, "MOV to CR0 with an owned TS");
    vm_field(VMCS_GUEST_CR0, cr0 | CR0_AM, "owned bits of CR0 keep their value");
    vm_restart(&vm, lmsw_mem);
    *(u16 *)(uptr)(vmcs_get(VMCS_GUEST_RSP) + 8) = 0x33;
    vmcs_set(VMCS_CR0_MASK, CR0_TS);
    vmcs_set(VMCS_CR0_SHADOW, CR0_TS);
    vm_expect(&vm, VMX_EXIT_CR_ACCESS, "LMSW from memory that clears an owned TS");
    vm_field(VMCS_EXIT_QUALIFICATION, CR_QUAL(0, LMSW, 0) | BIT(6) | 0x33ULL << 16, "LMSW from memory: qualification");
    vm_field(VMCS_GUEST_LINEAR_ADDRESS, vmcs_get(VMCS_GUEST_RSP) + 8, "LMSW from memory: guest-linear address");
    vmclear(vm.vmcs);
    u32 targets = (u32)(rdmsr(MSR_VMX_MISC) >> 16) & 0x1FF;
    if (targets && make(&vm, mov_to_cr3, PROC_CR3_LOAD_EXITING, "CR3-target values")) {
        vmcs_set(VMCS_CR3_TARGET_COUNT, 1);
        vmcs_set(VMCS_CR3_TARGET_0, read_cr3());
        vm.gpr[GPR_RAX] = read_cr3();
        vm_expect(&vm, VMX_EXIT_VMCALL, "MOV to CR3 of a CR3-target value doesn't exit");
        vm_restart(&vm, mov_to_cr3);
        vmcs_set(VMCS_CR3_TARGET_COUNT, 0);
        vm_expect(&vm, VMX_EXIT_CR_ACCESS, "a CR3-target value beyond the count doesn't matter");
        vmclear(vm.vmcs);
    }
}

CODE(to_dr7, "mov %rcx, %dr7; vmcall");
CODE(from_dr2, "mov %dr2, %r9; vmcall");

static void dr_exits(void) {
    struct vmx_vm vm;
    if (!make(&vm, to_dr7, PROC_MOV_DR_EXITING, "MOV DR")) return;
    vm.gpr[GPR_RCX] = 0x400;
    vm_expect(&vm, VMX_EXIT_MOV_DR, "MOV to DR7 exits");
    vm_field(VMCS_EXIT_QUALIFICATION, 7 | 1 << 8, "MOV to DR7: qualification");
    vm_field(VMCS_EXIT_INSTRUCTION_LENGTH, 3, "MOV to DR7: length");
    vm_restart(&vm, from_dr2);
    vm_expect(&vm, VMX_EXIT_MOV_DR, "MOV from DR2 exits");
    vm_field(VMCS_EXIT_QUALIFICATION, 2 | 1 << 4 | 9 << 8, "MOV from DR2: qualification");
    vmclear(vm.vmcs);
    make(&vm, to_dr7, 0, "MOV DR");
    vm.gpr[GPR_RCX] = 0x400;
    vm_expect(&vm, VMX_EXIT_VMCALL, "MOV to DR7 doesn't exit without the control");
    vmclear(vm.vmcs);
}

CODE(in_al_imm, "inb $0x80, %al; vmcall");
CODE(out_imm_eax, "outl %eax, $0x84; vmcall");
CODE(out_dx_ax, "outw %ax, %dx; vmcall");
CODE(in_dx_eax, "inl %dx, %eax; vmcall");
CODE(in_dx_al, "inb %dx, %al; vmcall");
CODE(insb, "insb (%dx), %es:(%rdi); vmcall");
CODE(rep_outsl, "rep outsl %fs:(%rsi), (%dx); vmcall");
CODE(rep_insw, "rep insw (%dx), %es:(%rdi); vmcall");

#define IN_  BIT(3)
#define STR_ BIT(4)
#define REP_ BIT(5)
#define IMM_ BIT(6)

/* "Exit Qualification for I/O Instructions" */
static void io_exits(void) {
    static u32 data[4];
    static const struct {
        const char *name;
        const u8 *code;
        u32 port, flags, size, length, info; /* info: segment, for OUTS */
    } row[] = {
        {"IN AL, imm8",   in_al_imm,   0x80,   IN_ | IMM_,        1, 2, 0       },
        {"OUT imm8, EAX", out_imm_eax, 0x84,   IMM_,              4, 2, 0       },
        {"OUT DX, AX",    out_dx_ax,   0x1234, 0,                 2, 2, 0       },
        {"IN EAX, DX",    in_dx_eax,   0xFFFC, IN_,               4, 1, 0       },
        {"INSB",          insb,        0x60,   IN_ | STR_,        1, 1, 0       },
        {"REP OUTSD FS",  rep_outsl,   0x3F8,  STR_ | REP_,       4, 3, 4u << 15},
        {"REP INSW",      rep_insw,    0x1F0,  IN_ | STR_ | REP_, 2, 3, 0       }
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        struct vmx_vm vm;
        if (!make(&vm, row[i].code, PROC_UNCONDITIONAL_IO_EXITING, row[i].name)) continue;
        vm.gpr[GPR_RDX] = 0x77770000 | row[i].port;
        vm.gpr[GPR_RCX] = 3;
        vm.gpr[GPR_RSI] = vm.gpr[GPR_RDI] = (uptr)data;
        vm_expect(&vm, VMX_EXIT_IO, "%s exits", row[i].name);
        vm_field(VMCS_EXIT_QUALIFICATION, (row[i].size - 1) | row[i].flags | (u64)row[i].port << 16,
                 "%s: qualification", row[i].name);
        vm_field(VMCS_EXIT_INSTRUCTION_LENGTH, row[i].length, "%s: length", row[i].name);
        if (row[i].flags & STR_)
            vm_field(VMCS_GUEST_LINEAR_ADDRESS, (uptr)data, "%s: guest-linear address", row[i].name);
        if ((row[i].flags & STR_) && (rdmsr(MSR_VMX_BASIC) & BIT(54))) {
            u32 mask = 7u << 7 | (row[i].flags & IN_ ? 0 : 7u << 15);
            ok_eq(vmcs_get(VMCS_EXIT_INSTRUCTION_INFO) & mask, 2u << 7 | row[i].info, "%s: instruction information",
                  row[i].name);
        }
        vmclear(vm.vmcs);
    }
}

/* "Use I/O bitmaps": a port exits if its bit is 1; an access that covers several ports if any of them is; one that
 * wraps around the 16-bit port space exits */
static void io_bitmaps(void) {
    static const struct {
        const char *name;
        const u8 *code;
        u32 port, bit;
        bool exits;
    } row[] = {
        {"byte at a port whose bit is 1",           in_dx_al,  0x80,   0x80,   true },
        {"byte beside a port whose bit is 1",       in_dx_al,  0x81,   0x80,   false},
        {"byte at a port of bitmap B",              in_dx_al,  0x8001, 0x8001, true },
        {"byte with the bit in the other bitmap",   in_dx_al,  0x81,   0x8081, false},
        {"doubleword that ends at the bit",         in_dx_eax, 0x80,   0x83,   true },
        {"doubleword that ends before the bit",     in_dx_eax, 0x80,   0x84,   false},
        {"doubleword across both bitmaps",          in_dx_eax, 0x7FFE, 0x8001, true },
        {"doubleword that wraps around",            in_dx_eax, 0xFFFE, 0x1234, true },
        {"doubleword at the end of the port space", in_dx_eax, 0xFFFC, 0x0,    false}
    };
    u8 *bitmap = pages_alloc(2, 1);
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        struct vmx_vm vm;
        if (!make(&vm, row[i].code, PROC_USE_IO_BITMAPS | PROC_UNCONDITIONAL_IO_EXITING, "I/O bitmaps")) return;
        memset(bitmap, 0, 2 * PAGE_SIZE);
        bitmap[row[i].bit / 8] = (u8)(1 << (row[i].bit & 7));
        vmcs_set(VMCS_IO_BITMAP_A, (uptr)bitmap);
        vmcs_set(VMCS_IO_BITMAP_B, (uptr)bitmap + PAGE_SIZE);
        vm.gpr[GPR_RDX] = row[i].port;
        vm_expect(&vm, row[i].exits ? VMX_EXIT_IO : VMX_EXIT_VMCALL, "I/O bitmaps: %s %s", row[i].name,
                  row[i].exits ? "exits" : "doesn't exit");
        vmclear(vm.vmcs);
    }
}

CODE(c_rdmsr, "rdmsr; vmcall");
CODE(c_wrmsr, "wrmsr; vmcall");

/* "Use MSR bitmaps": four bitmaps of 1 KiB: reads of low and of high MSRs, writes of low and of high ones */
static void msr_bitmaps(void) {
    static const struct {
        const char *name;
        bool write;
        u32 msr, byte, mask;
        bool exits;
    } row[] = {
        {"RDMSR of a low MSR whose bit is 1",       false, MSR_SYSENTER_CS,    0x174 / 8,         1 << (0x174 & 7), true },
        {"RDMSR of a low MSR whose write bit is 1", false, MSR_SYSENTER_CS,    0x800 + 0x174 / 8, 1 << (0x174 & 7), false},
        {"WRMSR of a low MSR whose bit is 1",       true,  MSR_SYSENTER_CS,    0x800 + 0x174 / 8, 1 << (0x174 & 7), true },
        {"WRMSR of a low MSR whose read bit is 1",  true,  MSR_SYSENTER_CS,    0x174 / 8,         1 << (0x174 & 7), false},
        {"RDMSR of a high MSR whose bit is 1",      false, MSR_KERNEL_GS_BASE, 0x400 + 0x102 / 8, 1 << (0x102 & 7), true },
        {"RDMSR of a high MSR whose low bit is 1",  false, MSR_KERNEL_GS_BASE, 0x102 / 8,         1 << (0x102 & 7), false},
        {"WRMSR of a high MSR whose bit is 1",      true,  MSR_KERNEL_GS_BASE, 0xC00 + 0x102 / 8, 1 << (0x102 & 7), true },
        {"RDMSR outside both ranges",               false, 0x4000,             0xFFF,             0,                true },
        {"WRMSR outside both ranges",               true,  0xC0002000,         0xFFF,             0,                true }
    };
    u8 *bitmap = page_alloc();
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        struct vmx_vm vm;
        if (!make(&vm, row[i].write ? c_wrmsr : c_rdmsr, PROC_USE_MSR_BITMAPS, "MSR bitmaps")) return;
        memset(bitmap, 0, PAGE_SIZE);
        bitmap[row[i].byte] = (u8)row[i].mask;
        vmcs_set(VMCS_MSR_BITMAP, (uptr)bitmap);
        vm.gpr[GPR_RCX] = row[i].msr;
        vm_expect(&vm,
                  !row[i].exits  ? VMX_EXIT_VMCALL
                  : row[i].write ? VMX_EXIT_WRMSR
                                 : VMX_EXIT_RDMSR,
                  "%s %s", row[i].name, row[i].exits ? "exits" : "doesn't exit");
        vmclear(vm.vmcs);
    }
    struct vmx_vm vm;
    if (!make(&vm, c_rdmsr, 0, "RDMSR")) return;
    vm.gpr[GPR_RCX] = MSR_SYSENTER_CS;
    vm_expect(&vm, VMX_EXIT_RDMSR, "RDMSR exits without MSR bitmaps");
    vm_field(VMCS_EXIT_QUALIFICATION, 0, "RDMSR: qualification");
    vm_field(VMCS_EXIT_INSTRUCTION_LENGTH, 2, "RDMSR: length");
    vmclear(vm.vmcs);
}

void guest_main(void) {
    if (!vmx_begin()) return;
    cr_exits();
    cr_values();
    dr_exits();
    io_exits();
    io_bitmaps();
    msr_bitmaps();
}
