/* Far transfers and segment loads in 32-bit protected mode: call gates, conforming segments, RETF and IRET to outer
 * levels, interrupt gates with a privilege change, and what each refuses with which error code. SDM 3, "Protection";
 * SDM 2, "CALL", "JMP", "RET", "IRET", "MOV"; error codes: the selector, EXT and IDT bits */
#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

#define GATE   0x70 /* selectors of this image */
#define TARGET 0x78
#define OTHER  0x80
#define DATA   0x88

#define CODE_DPL0  0xC09B
#define CODE_DPL3  0xC0FB
#define CONFORMING 0xC09F
#define DATA_DPL0  0xC093
#define DATA_DPL3  0xC0F3

static struct fault f;

static void set(u16 sel, u32 base, u32 limit, u32 attr) { guest_gdt[sel >> 3] = seg_descriptor(base, limit, attr); }
static void set_flat(u16 sel, u32 attr) { set(sel, 0, 0xFFFFF, attr); }
static void set_gate(u16 sel, u16 target, const void *offset, u32 type, u32 count) {
    uptr o = (uptr)offset;
    guest_gdt[sel >> 3] =
        (o & 0xFFFF) | (u64)target << 16 | (u64)(count & 31) << 32 | (u64)type << 40 | (u64)(o >> 16) << 48;
}

struct far_pointer {
    u32 offset;
    u16 sel;
} __attribute__((packed));

static void far_call(void *arg) { __asm__ volatile("lcall *(%0)" : : "r"(arg) : "eax", "ecx", "edx", "memory", "cc"); }
static void far_jump(void *arg) { __asm__ volatile("ljmp *(%0)" : : "r"(arg) : "memory"); }

static bool faults(void (*fn)(void *), u16 sel, const void *offset, int vector, u64 error) {
    struct far_pointer p = {(u32)(uptr)offset, sel};
    bool good = try_fault(fn, &p, &f) == vector && (vector == NO_FAULT || f.error == error);
    return good;
}
#define check(good, name)                                                                                              \
    do {                                                                                                               \
        if (!ok(good, name)) diag("vector %d, error code %#llx", f.vector, f.error);                                   \
    } while (0)

/* where calls arrive */
CODE(t_far,
     "t_far_at: mov %cs, %eax\n mov %eax, t_cs\n mov %esp, t_esp\n mov %ss, %eax\n mov %eax, t_ss\n mov (%esp), %eax\n "
     "mov %eax, t_0\n"
     "mov 4(%esp), %eax\n mov %eax, t_1\n mov 8(%esp), %eax\n mov %eax, t_2\n mov 12(%esp), %eax\n mov %eax, t_3\n"
     "mov 16(%esp), %eax\n mov %eax, t_4\n lret\n"
     "t_far8_at: mov 8(%esp), %eax\n mov %eax, t_2\n mov 12(%esp), %eax\n mov %eax, t_3\n mov %esp, t_esp\n mov %cs, "
     "%eax\n mov %eax, t_cs\n lret $8\n"
     ".pushsection .bss\n.p2align 2\nt_cs: .skip 4\nt_ss: .skip 4\nt_esp: .skip 4\nt_0: .skip 4\nt_1: .skip 4\nt_2: "
     ".skip 4\nt_3: .skip 4\nt_4: .skip 4\n.popsection");
CODE_LABEL(t_far_at);
CODE_LABEL(t_far8_at);
extern u32 t_cs, t_ss, t_esp, t_0, t_1, t_2, t_3, t_4;

static void direct(void) {
    set_flat(TARGET, CODE_DPL0);
    check(faults(far_call, TARGET, t_far_at, NO_FAULT, 0), "far CALL");
    ok(t_cs == TARGET && t_1 == SEL_CODE32, "far CALL: CS, and the old CS on the stack");
    check(faults(far_call, 0, t_far_at, VEC_GP, 0), "far CALL of a null selector: #GP(0)");
    check(faults(far_call, 3, t_far_at, VEC_GP, 0), "far CALL of null selector 3: #GP(0)");
    check(faults(far_call, 0x1F8, t_far_at, VEC_GP, 0x1F8), "far CALL of an empty descriptor: #GP(selector)");
    check(faults(far_call, 0x400, t_far_at, VEC_GP, 0x400), "far CALL beyond the GDT: #GP(selector)");
    check(faults(far_call, 0x74, t_far_at, VEC_GP, 0x74), "far CALL into a missing LDT: #GP(selector)");
    check(faults(far_call, SEL_DATA, t_far_at, VEC_GP, SEL_DATA), "far CALL of a data segment: #GP(selector)");
    check(faults(far_call, TARGET | 3, t_far_at, VEC_GP, TARGET), "far CALL, RPL above CPL: #GP(selector)");
    check(faults(far_call, SEL_UCODE32, t_far_at, VEC_GP, SEL_UCODE32), "far CALL of DPL 3 at CPL 0: #GP(selector)");
    set_flat(TARGET, CODE_DPL0 & ~0x80u);
    check(faults(far_call, TARGET, t_far_at, VEC_NP, TARGET),
          "far CALL of a segment that isn't present: #NP(selector)");
    set(TARGET, 0, 0xFFF, 0x409B);
    check(faults(far_call, TARGET, t_far_at, VEC_GP, 0), "far CALL beyond the limit: #GP(0)");
    check(faults(far_jump, TARGET, t_far_at, VEC_GP, 0), "far JMP beyond the limit: #GP(0)");
    set_flat(TARGET, CODE_DPL0 & ~1u);
    check(faults(far_call, TARGET, t_far_at, NO_FAULT, 0), "far CALL of a segment that isn't accessed");
    ok(guest_gdt[TARGET >> 3] >> 40 & 1, "sets the accessed bit");
    set_flat(TARGET, CONFORMING);
    check(faults(far_call, TARGET | 3, t_far_at, NO_FAULT, 0), "far CALL of a conforming segment, RPL doesn't matter");
    ok_eq(t_cs, TARGET, "CS.RPL is CPL");
    set_flat(TARGET, CONFORMING | 0x60);
    check(faults(far_call, TARGET, t_far_at, VEC_GP, TARGET),
          "far CALL of a conforming segment with DPL above CPL: #GP(selector)");
}

static void gates(void) {
    set_flat(TARGET, CODE_DPL0);
    set_gate(GATE, TARGET, t_far_at, 0x8C, 0);
    check(faults(far_call, GATE, (void *)0x1234, NO_FAULT, 0), "CALL through a 32-bit call gate");
    ok(t_cs == TARGET && t_1 == SEL_CODE32, "CS from the gate, the old CS on the stack");
    set_gate(GATE, TARGET | 3, t_far_at, 0x8C, 0);
    check(faults(far_call, GATE, NULL, NO_FAULT, 0), "the RPL of the gate's selector doesn't matter");
    set_gate(GATE, TARGET, t_far_at, 0x0C, 0);
    check(faults(far_call, GATE, NULL, VEC_NP, GATE), "CALL, gate not present: #NP(gate)");
    set_gate(GATE, TARGET, t_far_at, 0x8C, 0);
    check(faults(far_call, GATE | 1, NULL, VEC_GP, GATE), "CALL, RPL above the gate's DPL: #GP(gate)");
    set_gate(GATE, 0, t_far_at, 0x8C, 0);
    check(faults(far_call, GATE, NULL, VEC_GP, 0), "CALL, null selector in the gate: #GP(0)");
    set_gate(GATE, SEL_DATA, t_far_at, 0x8C, 0);
    check(faults(far_call, GATE, NULL, VEC_GP, SEL_DATA), "CALL, data selector in the gate: #GP(selector)");
    set_gate(GATE, SEL_UCODE32, t_far_at, 0x8C, 0);
    check(faults(far_call, GATE, NULL, VEC_GP, SEL_UCODE32),
          "CALL, code with DPL above CPL in the gate: #GP(selector)");
    set_gate(GATE, GATE, t_far_at, 0x8C, 0);
    check(faults(far_call, GATE, NULL, VEC_GP, GATE), "CALL, a gate in the gate: #GP(selector)");
    set_flat(OTHER, CODE_DPL0 & ~0x80u);
    set_gate(GATE, OTHER, t_far_at, 0x8C, 0);
    check(faults(far_call, GATE, NULL, VEC_NP, OTHER), "CALL, code segment not present in the gate: #NP(selector)");
    set_gate(GATE, TARGET, t_far_at, 0x8E, 0);
    check(faults(far_call, GATE, NULL, VEC_GP, GATE), "CALL of an interrupt gate: #GP(selector)");
}

static uptr user_far_call(uptr arg) {
    far_call((void *)arg);
    return read_cs();
}
static uptr user_far_jump(uptr arg) {
    far_jump((void *)arg);
    return 0;
}
static uptr user_call_with_parameters(uptr arg) {
    uptr before, after;
    __asm__ volatile("mov %%esp, %0\n push $0x2222\n push $0x1111\n lcall *(%2)\n mov %%esp, %1"
                     : "=&S"(before), "=&D"(after)
                     : "b"(arg)
                     : "eax", "ecx", "edx", "memory", "cc");
    return before - after;
}
static void at_cpl3(void *arg) { user_call(user_far_call, (uptr)arg); }
static void jump_at_cpl3(void *arg) { user_call(user_far_jump, (uptr)arg); }
static u32 parameters_result;
static void parameters_at_cpl3(void *arg) { parameters_result = user_call(user_call_with_parameters, (uptr)arg); }

/* "Calls to more privileged levels": stack from the TSS, SS:ESP and parameters pushed */
static void inner(void) {
    set_flat(TARGET, CODE_DPL0);
    set_gate(GATE, TARGET, t_far_at, 0xEC, 0);
    check(faults(at_cpl3, GATE | 3, NULL, NO_FAULT, 0), "CALL from CPL 3 through a gate to CPL 0, and RETF back");
    ok_eq(t_cs, TARGET, "CS has RPL 0");
    ok_eq(t_ss, SEL_DATA, "SS is from the TSS");
    ok_eq(t_esp, guest_tss.esp0 - 16, "ESP is from the TSS, less four words");
    ok(t_1 == (SEL_UCODE32 | 3) && t_3 == (SEL_UDATA | 3), "the old CS and SS are on the stack");
    set_gate(GATE, TARGET, t_far8_at, 0xEC, 2);
    check(faults(parameters_at_cpl3, GATE | 3, NULL, NO_FAULT, 0), "CALL with two parameters");
    ok(t_2 == 0x1111 && t_3 == 0x2222, "they are copied");
    ok_eq(t_esp, guest_tss.esp0 - 24, "between CS:EIP and SS:ESP");
    ok_eq(parameters_result, 0, "RETF 8 drops them on both stacks");
    set_gate(GATE, TARGET, t_far_at, 0x8C, 0);
    check(faults(at_cpl3, GATE | 3, NULL, VEC_GP, GATE), "CALL from CPL 3 of a gate with DPL 0: #GP(gate)");
    set_gate(GATE, TARGET, t_far_at, 0xEC, 0);
    check(faults(jump_at_cpl3, GATE | 3, NULL, VEC_GP, TARGET),
          "JMP from CPL 3 through a gate to CPL 0: #GP(selector)");
    check(faults(at_cpl3, TARGET, t_far_at, VEC_GP, TARGET), "CALL from CPL 3 of DPL 0: #GP(selector)");
    set_flat(OTHER, CONFORMING);
    check(faults(at_cpl3, OTHER, t_far_at, NO_FAULT, 0), "CALL from CPL 3 of a conforming segment");
    ok_eq(t_cs, OTHER | 3, "CPL stays 3");
    set_gate(GATE, OTHER, t_far_at, 0xEC, 0);
    check(faults(at_cpl3, GATE, NULL, NO_FAULT, 0), "CALL from CPL 3 through a gate to a conforming segment");
    ok_eq(t_cs, OTHER | 3, "CPL stays 3");
}

CODE(r_probe, "r_probe_at: mov %cs, %eax\n int $0xf0");
CODE_LABEL(r_probe_at);

static uptr ring1_sp;
static void ring1_call(void *arg) {
    u32 *sp = (u32 *)ring1_sp;
    (void)arg;
    CODE_LABEL(ring3_caller);
    user_enter((uptr)ring3_caller, (uptr)sp, SEL_UCODE32 | 3, SEL_UDATA | 3, 2, 0);
}
CODE(ring3_call, "ring3_caller: lcall $0x73, $0\n int $0xf0");

/* From CPL 3 through a gate to CPL 1: the stack is SS1:ESP1; exceptions on the way still go to CPL 0. */
static void bad_inner_stacks(void) {
    ring1_sp = user_stack_top();
    set(TARGET, 0, 0xFFFFF, 0xC0BB); /* code, DPL 1 */
    set(DATA, 0, 0xFFFFF, 0xC0B3);   /* data, DPL 1 */
    set_gate(GATE, TARGET | 1, r_probe_at, 0xEC, 0);
    u8 *stack = page_alloc();
    guest_tss.ss1 = DATA | 1;
    guest_tss.esp1 = (uptr)stack + PAGE_SIZE;
    check(try_fault(ring1_call, NULL, &f) == NO_FAULT, "CALL from CPL 3 to CPL 1");
    static const struct {
        const char *name;
        u16 ss1;
        u32 attr;
        int vector;
        u64 error;
    } row[] = {
        {"inner SS is null: #TS(0)",            0,         0xC0B3, VEC_TS, 0    },
        {"inner SS has another RPL: #TS(SS)",   DATA | 0,  0xC0B3, VEC_TS, DATA },
        {"inner SS has another DPL: #TS(SS)",   DATA | 1,  0xC093, VEC_TS, DATA },
        {"inner SS is read-only: #TS(SS)",      DATA | 1,  0xC0B1, VEC_TS, DATA },
        {"inner SS is a code segment: #TS(SS)", DATA | 1,  0xC0BB, VEC_TS, DATA },
        {"inner SS is beyond the GDT: #TS(SS)", 0x400 | 1, 0xC0B3, VEC_TS, 0x400},
        {"inner SS isn't present: #SS(SS)",     DATA | 1,  0xC033, VEC_SS, DATA }
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        guest_tss.ss1 = row[i].ss1;
        set(DATA, 0, 0xFFFFF, row[i].attr);
        bool good = try_fault(ring1_call, NULL, &f) == row[i].vector && f.error == row[i].error;
        if (!ok(good, "%s", row[i].name)) diag("vector %d, error code %#llx", f.vector, f.error);
    }
    guest_tss.ss1 = DATA | 1;
    set(DATA, 0, 0xFFFF, 0x40B3);
    check(try_fault(ring1_call, NULL, &f) == VEC_SS && f.error == DATA,
          "the frame is beyond the inner SS's limit: #SS(SS)");
}

/* The compiler counts on flat segments, so what was loaded goes at once. */
static void load_sel_ds(void *arg) {
    load_ds(*(u16 *)arg);
    load_ds(SEL_DATA);
}
static void load_sel_ss(void *arg) { load_ss(*(u16 *)arg); }
static void load_sel_es(void *arg) {
    load_es(*(u16 *)arg);
    load_es(SEL_DATA);
}

static void segment_loads(void) {
    static const struct {
        const char *name;
        void (*load)(void *);
        u16 sel;
        u32 attr; /* of DATA */
        int vector;
        u64 error;
    } row[] = {
        {"MOV SS of a null selector: #GP(0)",                        load_sel_ss, 0,        0xC093, VEC_GP,   0   },
        {"MOV SS, RPL isn't CPL: #GP(selector)",                     load_sel_ss, DATA | 3, 0xC0F3, VEC_GP,   DATA},
        {"MOV SS, DPL isn't CPL: #GP(selector)",                     load_sel_ss, DATA,     0xC0F3, VEC_GP,   DATA},
        {"MOV SS of a read-only segment: #GP(selector)",             load_sel_ss, DATA,     0xC091, VEC_GP,   DATA},
        {"MOV SS of a code segment: #GP(selector)",                  load_sel_ss, DATA,     0xC09B, VEC_GP,   DATA},
        {"MOV SS of a segment that isn't present: #SS(selector)",    load_sel_ss, DATA,     0xC013, VEC_SS,   DATA},
        {"MOV DS of an execute-only segment: #GP(selector)",         load_sel_ds, DATA,     0xC099, VEC_GP,   DATA},
        {"MOV DS of a system segment: #GP(selector)",                load_sel_ds, DATA,     0x0089, VEC_GP,   DATA},
        {"MOV DS of a segment that isn't present: #NP(selector)",    load_sel_ds, DATA,     0xC013, VEC_NP,   DATA},
        {"MOV DS, RPL above DPL: #GP(selector)",                     load_sel_ds, DATA | 3, 0xC093, VEC_GP,   DATA},
        {"MOV ES of conforming code, RPL 3",                         load_sel_es, DATA | 3, 0xC09F, NO_FAULT, 0   },
        {"MOV ES of readable code",                                  load_sel_es, DATA,     0xC09B, NO_FAULT, 0   },
        {"MOV ES of a null selector",                                load_sel_es, 3,        0xC093, NO_FAULT, 0   },
        {"MOV ES, not present counts after the type: #GP(selector)", load_sel_es, DATA,     0xC019, VEC_GP,   DATA}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        u16 sel = row[i].sel;
        set_flat(DATA, row[i].attr);
        int v = try_fault(row[i].load, &sel, &f);
        if (!ok(v == row[i].vector && (v == NO_FAULT || f.error == row[i].error), "%s", row[i].name))
            diag("vector %d, error code %#llx", v, f.error);
    }
    u16 sel = DATA;
    set_flat(DATA, 0xC092);
    load_sel_es(&sel);
    ok(guest_gdt[DATA >> 3] >> 40 & 1, "a segment load sets the accessed bit");
}

/* accesses through FS */
static void fs_read4(void *arg) { __asm__ volatile("mov %%fs:(%0), %%eax" : : "r"(arg) : "eax", "memory"); }
static void fs_write4(void *arg) { __asm__ volatile("movl $0, %%fs:(%0)" : : "r"(arg) : "memory"); }
/* "Limit Checking", "Type Checking" */
static void limits(void) {
    static u8 area[0x2000] ALIGNED(4096);
    set(DATA, (u32)(uptr)area, 0xFFF, 0x4093);
    static const struct {
        const char *name;
        u32 attr, limit, offset;
        bool write;
        int vector;
    } row[] = {
        {"inside the limit",                         0x4093, 0xFFF, 0xFFC,      false, NO_FAULT},
        {"across the limit: #GP(0)",                 0x4093, 0xFFF, 0xFFD,      false, VEC_GP  },
        {"beyond the limit: #GP(0)",                 0x4093, 0xFFF, 0x1000,     false, VEC_GP  },
        {"granularity of pages",                     0xC093, 0,     0xFFC,      false, NO_FAULT},
        {"granularity of pages, beyond: #GP(0)",     0xC093, 0,     0x1000,     false, VEC_GP  },
        {"offset wraps around: #GP(0)",              0x4093, 0xFFF, 0xFFFFFFFE, false, VEC_GP  },
        {"expand-down, below the limit: #GP(0)",     0x4097, 0xFFF, 0xFFF,      false, VEC_GP  },
        {"expand-down, above the limit",             0x4097, 0xFFF, 0x1000,     false, NO_FAULT},
        {"expand-down, 16-bit: #GP(0) beyond FFFFh", 0x0097, 0xFFF, 0x10000,    false, VEC_GP  },
        {"write to a read-only segment: #GP(0)",     0x4091, 0xFFF, 0,          true,  VEC_GP  },
        {"write to a code segment: #GP(0)",          0x409B, 0xFFF, 0,          true,  VEC_GP  },
        {"read of a code segment",                   0x409B, 0xFFF, 0,          false, NO_FAULT}
    };
    for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
        set(DATA, (u32)(uptr)area, row[i].limit, row[i].attr);
        load_fs(DATA);
        int v = try_fault(row[i].write ? fs_write4 : fs_read4, (void *)row[i].offset, &f);
        if (!ok(v == row[i].vector && (v == NO_FAULT || f.error == 0), "%s", row[i].name)) diag("vector %d", v);
    }
    load_fs(0);
    ok(try_fault(fs_read4, area, &f) == VEC_GP && f.error == 0, "a null segment: #GP(0)");
}

static void far_return(void *arg) {
    const u32 *w = arg; /* EIP, CS, ESP, SS */
    __asm__ volatile("push %0\n push %1\n push %2\n push %3\n lret"
                     :
                     : "r"(w[3]), "r"(w[2]), "r"(w[1]), "r"(w[0])
                     : "memory");
}
static void interrupt_return(void *arg) {
    const u32 *w = arg;
    __asm__ volatile("push %0\n push %1\n push $2\n push %2\n push %3\n iret"
                     :
                     : "r"(w[3]), "r"(w[2]), "r"(w[1]), "r"(w[0])
                     : "memory");
}
CODE(o_user, "o_user_at: mov %ds, %eax\n shl $16, %eax\n mov %cs, %ax\n int $0xf0");
CODE_LABEL(o_user_at);

/* RETF and IRET to an outer level: SDM 2, "RET", "IRET" */
static void outer(void) {
    static const struct {
        const char *name;
        u16 cs, ss;
        u32 code_attr, data_attr; /* of TARGET and DATA */
        int vector;
        u64 error;
    } row[] = {
        {"null CS: #GP(0)",                  0,          DATA | 3, CODE_DPL3, DATA_DPL3, VEC_GP, 0     },
        {"CS of a data segment: #GP(CS)",    DATA | 3,   DATA | 3, CODE_DPL3, DATA_DPL3, VEC_GP, DATA  },
        {"CS isn't present: #NP(CS)",        TARGET | 3, DATA | 3, 0xC07B,    DATA_DPL3, VEC_NP, TARGET},
        {"CS's DPL isn't its RPL: #GP(CS)",  TARGET | 3, DATA | 3, CODE_DPL0, DATA_DPL3, VEC_GP, TARGET},
        {"null SS: #GP(0)",                  TARGET | 3, 0,        CODE_DPL3, DATA_DPL3, VEC_GP, 0     },
        {"SS's RPL isn't CS's: #GP(SS)",     TARGET | 3, DATA | 1, CODE_DPL3, DATA_DPL3, VEC_GP, DATA  },
        {"SS's DPL isn't CS's RPL: #GP(SS)", TARGET | 3, DATA | 3, CODE_DPL3, DATA_DPL0, VEC_GP, DATA  },
        {"SS is read-only: #GP(SS)",         TARGET | 3, DATA | 3, CODE_DPL3, 0xC0F1,    VEC_GP, DATA  },
        {"SS isn't present: #SS(SS)",        TARGET | 3, DATA | 3, CODE_DPL3, 0xC073,    VEC_SS, DATA  },
    };
    for (u32 way = 0; way < 2; way++) {
        for (u32 i = 0; i < ARRAY_SIZE(row); i++) {
            u32 w[4] = {(u32)(uptr)o_user_at, row[i].cs, (u32)user_stack_top(), row[i].ss};
            set_flat(TARGET, row[i].code_attr);
            set_flat(DATA, row[i].data_attr);
            int v = try_fault(way ? interrupt_return : far_return, w, &f);
            if (!ok(v == row[i].vector && f.error == row[i].error, "%s to an outer level: %s", way ? "IRET" : "RETF",
                    row[i].name))
                diag("vector %d, error code %#llx", v, f.error);
        }
    }
}

static uptr user_segments(uptr arg) {
    (void)arg;
    u32 ds, es;
    __asm__ volatile("mov %%ds, %0\n mov %%fs, %1" : "=r"(ds), "=r"(es));
    return ds << 16 | es;
}

/* "the segment registers ... are loaded with null selectors if their DPL is below the new CPL" */
static void nulled(void) {
    load_fs(SEL_DATA);
    load_gs(SEL_UDATA | 3);
    u32 got = user_call(user_segments, 0);
    ok_eq(got & 0xFFFF, 0, "a return to CPL 3 nulls FS with DPL 0");
    ok_eq(got >> 16, SEL_UDATA | 3, "and leaves DS with DPL 3");
    load_fs(0);
    load_gs(0);
}

CODE(h_16,
     "h_16_at: mov %esp, h16_esp\n mov (%esp), %eax\n mov %eax, h16_0\n mov 4(%esp), %eax\n mov %eax, h16_1\n iretw\n"
     ".pushsection .bss\n.p2align 2\nh16_esp: .skip 4\nh16_0: .skip 4\nh16_1: .skip 4\n.popsection");
CODE_LABEL(h_16_at);
extern u32 h16_esp, h16_0, h16_1;
CODE(low_int, "low_int_at: mov %esp, %ecx\n int $0x63\n nop\n sub %esp, %ecx\n mov %ecx, %eax\n lret");
CODE_LABEL(low_int_at);

/* A 16-bit interrupt gate pushes three words; IRETW pops them. Code and return address must have 16-bit offsets. */
static void gate16(void) {
    u32 base = (u32)(uptr)low_int_at & ~0xFFFu;
    set(TARGET, base, 0xFFFFF, CODE_DPL0);
    idt_set(0x63, TARGET, (const void *)((uptr)h_16_at - base), GATE_INT16, 0, 0);
    struct far_pointer p = {(u32)(uptr)low_int_at - base, TARGET};
    check(try_fault(far_call, &p, &f) == NO_FAULT, "INT through a 16-bit interrupt gate and IRETW");
    ok_eq(h16_0 & 0xFFFF, (u32)(uptr)low_int_at - base + 4, "IP on the stack");
    ok_eq(h16_0 >> 16, TARGET, "CS on the stack");
    idt_set(0x63, SEL_CODE32, isr_entry(0x63), GATE_INT, 0, 0);
}

void guest_main(void) {
    direct();
    gates();
    inner();
    bad_inner_stacks();
    segment_loads();
    limits();
    outer();
    nulled();
    gate16();
}
