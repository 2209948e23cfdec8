/* Tables, exception dispatch and start-up of an image. */
#include "testsuites/guest/lib/guest.h"

#define STACK_SIZE 16384

struct idt_gate {
    u16 offset0, sel;
    u8 ist, type;
    u16 offset1;
#ifdef __x86_64__
    u32 offset2, reserved;
#endif
};

struct tss guest_tss;
static struct idt_gate idt[256] ALIGNED(16);
static handler_fn *handlers[256];
static struct fault last_fault;

static u8 stack_ring0[STACK_SIZE] ALIGNED(16);
static u8 stack_user[STACK_SIZE] ALIGNED(PAGE_SIZE);

/* shared with isr*.S */
extern const u8 isr_table[];
extern uptr try_stack;
extern u32 fault_vector;
extern uptr user_result;
u32 fault_vector;
uptr user_result;
int try_call(void (*fn)(void *), void *arg);
NORETURN void try_resume(void);
NORETURN void user_leave(void);
void isr_dispatch(struct regs *r);
NORETURN void guest_start(u32 magic, uptr info);

u64 seg_descriptor(u32 base, u32 limit, u32 attr) {
    u64 d = (limit & 0xFFFF) | (u64)(base & 0xFFFFFF) << 16 | (u64)(attr & 0xFF) << 40;
    return d | (u64)(limit >> 16 & 0xF) << 48 | (u64)(attr >> 12 & 0xF) << 52 | (u64)(base >> 24) << 56;
}

u64 seg_base(u16 sel) {
    const u64 *d = &guest_gdt[sel >> 3];
    u64 base = (d[0] >> 16 & 0xFFFFFF) | (d[0] >> 56) << 24;
#ifdef __x86_64__
    if (!(d[0] & BIT(44))) base |= d[1] << 32;
#endif
    return base;
}

const void *isr_entry(u8 vector) { return isr_table + vector * 16; }

void idt_set(u8 vector, u16 sel, const void *code, u8 type, u8 dpl, u8 ist) {
    u64 offset = (uptr)code;
    struct idt_gate g = {.offset0 = (u16)offset, .sel = sel, .ist = ist};
    g.type = (u8)(0x80 | dpl << 5 | type);
    g.offset1 = (u16)(offset >> 16);
#ifdef __x86_64__
    g.offset2 = (u32)(offset >> 32);
#endif
    idt[vector] = g;
}

void handler_set(u8 vector, handler_fn *fn) { handlers[vector] = fn; }

uptr user_stack_top(void) { return (uptr)stack_user + STACK_SIZE; }

int try_fault(void (*fn)(void *arg), void *arg, struct fault *f) {
    int vector = try_call(fn, arg);
    if (f) {
        *f = last_fault;
        f->vector = vector;
    }
    return vector;
}

uptr user_call(uptr (*fn)(uptr arg), uptr arg) {
    uptr *sp = (uptr *)user_stack_top();
#ifdef __x86_64__
    *--sp = (uptr)user_exit;
    return user_enter((uptr)fn, (uptr)sp, SEL_UCODE64 | 3, SEL_UDATA | 3, 0, arg);
#else
    *--sp = arg;
    *--sp = (uptr)user_exit;
    return user_enter((uptr)fn, (uptr)sp, SEL_UCODE32 | 3, SEL_UDATA | 3, 0, arg);
#endif
}

static bool from_other_stack(const struct regs *r) {
    return sizeof(uptr) == 8 || (r->cs & 3) != 0 || (r->flags & FLAG_VM) != 0;
}

static void user_return(struct regs *r) {
#ifdef __x86_64__
    user_result = r->rax;
#else
    user_result = r->eax;
#endif
    user_leave();
}

NORETURN static void unexpected(const struct regs *r) {
    printf("# unexpected vector %u error %#x at %#lx:%#lx flags %#lx cr2 %#lx\n", (u32)r->vector, (u32)r->error,
           (uptr)r->cs, (uptr)r->ip, (uptr)r->flags, read_cr2());
    if (from_other_stack(r)) printf("# stack %#lx:%#lx\n", (uptr)r->ss, (uptr)r->sp);
#ifdef __x86_64__
    printf("# rax %llx rbx %llx rcx %llx rdx %llx rsi %llx rdi %llx rbp %llx\n", r->rax, r->rbx, r->rcx, r->rdx, r->rsi,
           r->rdi, r->rbp);
    printf("# r8 %llx r9 %llx r10 %llx r11 %llx r12 %llx r13 %llx r14 %llx r15 %llx\n", r->r8, r->r9, r->r10, r->r11,
           r->r12, r->r13, r->r14, r->r15);
#else
    printf("# eax %x ebx %x ecx %x edx %x esi %x edi %x ebp %x\n", r->eax, r->ebx, r->ecx, r->edx, r->esi, r->edi,
           r->ebp);
#endif
    bail_out("unexpected exception or interrupt %u", (u32)r->vector);
}

void isr_dispatch(struct regs *r) {
    u8 vector = (u8)r->vector;
    if (handlers[vector]) {
        handlers[vector](r);
        return;
    }
    if (!try_stack) unexpected(r);
    fault_vector = vector;
    last_fault = (struct fault){.error = r->error, .ip = r->ip, .cs = r->cs, .flags = r->flags, .cr2 = read_cr2()};
    if (from_other_stack(r)) {
        last_fault.sp = r->sp;
        last_fault.ss = r->ss;
    }
    try_resume();
}

static void tables_init(void) {
#ifdef __x86_64__
    static u8 stack_ist[3][STACK_SIZE] ALIGNED(16);
    u16 sel = SEL_CODE64;
    guest_tss.rsp[0] = (uptr)stack_ring0 + STACK_SIZE;
    for (int i = 0; i < 3; i++) guest_tss.ist[i] = (uptr)stack_ist[i] + STACK_SIZE;
    guest_gdt[(SEL_TSS >> 3) + 1] = (u64)(uptr)&guest_tss >> 32;
#else
    u16 sel = SEL_CODE32;
    guest_tss.esp0 = (uptr)stack_ring0 + STACK_SIZE;
    guest_tss.ss0 = SEL_DATA;
#endif
    guest_tss.iomap_base = sizeof guest_tss; /* beyond the limit: no I/O permission bitmap */
    guest_gdt[SEL_TSS >> 3] = seg_descriptor((u32)(uptr)&guest_tss, sizeof guest_tss - 1, 0x89);
    load_tr(SEL_TSS);
    for (u32 v = 0; v < 256; v++) {
        u8 dpl = v == VEC_BP || v == VEC_OF || v == VEC_USER_RETURN ? 3 : 0;
        u8 ist = 0;
        if (sizeof(uptr) == 8) ist = v == VEC_DF ? 1 : v == VEC_NMI ? 2 : v == VEC_MC ? 3 : 0;
        idt_set((u8)v, sel, isr_entry((u8)v), GATE_INT, dpl, ist);
    }
    load_idtr((struct table_register){sizeof idt - 1, (uptr)idt});
    handler_set(VEC_USER_RETURN, user_return);
}

void guest_start(u32 magic, uptr info) {
    tables_init();
    boot_info_init(magic, info);
    console_init();
    pic_disable();
    guest_main();
    tap_finish();
}
