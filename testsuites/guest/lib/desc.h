/* Descriptor tables, exception capture and user mode. */
#ifndef GUEST_DESC_H
#define GUEST_DESC_H

#include "testsuites/guest/lib/layout.h"
#include "testsuites/guest/lib/types.h"

/* What the interrupt entries push. */
#ifdef __x86_64__
struct regs {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error;
    u64 ip, cs, flags, sp, ss;
};

struct tss {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7]; /* ist[0] is IST1 */
    u64 reserved2;
    u16 reserved3, iomap_base;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "64-bit TSS");
#else
struct regs {
    u32 gs, fs, es, ds, edi, esi, ebp, esp_at_pusha, ebx, edx, ecx, eax;
    u32 vector, error;
    u32 ip, cs, flags;
    u32 sp, ss;                         /* only there if the privilege level changed or from virtual-8086 mode */
    u32 v86_es, v86_ds, v86_fs, v86_gs; /* only from virtual-8086 mode */
};

struct tss {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    u32 eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u32 es, cs, ss, ds, fs, gs, ldt;
    u16 trap, iomap_base;
};
_Static_assert(sizeof(struct tss) == 104, "32-bit TSS");
#endif

extern u64 guest_gdt[GDT_ENTRIES];
extern struct tss guest_tss;

/* A segment descriptor from base, limit (in units of the granularity given by flags) and attributes; attr holds
 * type, S, DPL and P in bits 7:0 and AVL, L, D/B and G in bits 15:12, as VMX access rights do. */
u64 seg_descriptor(u32 base, u32 limit, u32 attr);

/* The descriptor's base; base of the 16-byte TSS or LDT descriptors of long mode is taken in full. */
u64 seg_base(u16 sel);

/* Gate types for idt_set(). */
#define GATE_TASK  0x5
#define GATE_INT16 0x6
#define GATE_INT   0xE
#define GATE_TRAP  0xF

/* Points a vector at code. dpl 0..3; ist 0..7 (64-bit images only). All vectors start as interrupt gates, DPL 0 except
 * #BP, #OF and VEC_USER_RETURN, into the library; #DF, NMI and #MC on IST1, IST2 and IST3. */
void idt_set(u8 vector, u16 sel, const void *code, u8 type, u8 dpl, u8 ist);

/* The library's own entry of a vector. */
const void *isr_entry(u8 vector);

/* Sets a handler that returns to what was interrupted; NULL takes it away. It comes before a pending try_fault(). */
typedef void handler_fn(struct regs *r);
void handler_set(u8 vector, handler_fn *fn);

struct fault {
    int vector; /* -1: none */
    u64 error;  /* 0 for vectors without error code */
    u64 ip, cs, flags, sp, ss, cr2;
};
#define NO_FAULT (-1)

/* Runs fn(arg); an exception, or an interrupt without handler, ends it. Returns the vector or NO_FAULT, and fills *f
 * if f isn't NULL. Nests. Registers, RFLAGS and stack are as before the call; fn may have entered user mode. */
int try_fault(void (*fn)(void *arg), void *arg, struct fault *f);

/* Runs fn(arg) at CPL 3 (64-bit code in 64-bit images) on a stack of its own and returns its result. A fault there
 * reaches an enclosing try_fault(). */
uptr user_call(uptr (*fn)(uptr arg), uptr arg);

/* The same with everything chosen; the code comes back by INT VEC_USER_RETURN, with its result in RAX. In 64-bit code
 * arg is in RDI; in 32-bit images it isn't passed. */
uptr user_enter(uptr ip, uptr sp, uptr cs, uptr ss, uptr flags, uptr arg);
extern const u8 user_exit[]; /* code: INT VEC_USER_RETURN */

/* The top of the stack user_call() uses, of the stack interrupts from CPL 3 use, and of IST1..IST3. */
uptr user_stack_top(void);

#endif
