/* System calls and interrupts. */
#include "testsuites/bench/bench.h"

#define EVENTS   5000
#define VEC_SOFT 0x80
#define VEC_SELF 0x81

/* entry.S */
extern const u8 syscall_entry[], soft_entry[];
uptr user_syscalls(uptr count);
uptr user_interrupts(uptr count);

static volatile u32 ipis;

static const char *syscall_setup(const struct workload *w) {
    static u64 kernel_area[2];
    (void)w;
    if (!(cpuid_if_present(0x80000001, 0).edx & BIT(11))) return "no SYSCALL";
    kernel_area[0] = (uptr)pages_alloc(4, 1) + 4 * PAGE_SIZE;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (u64)SEL_UCODE32 << 48 | 3ULL << 48 | (u64)SEL_CODE64 << 32);
    wrmsr(MSR_LSTAR, (uptr)syscall_entry);
    wrmsr(MSR_SFMASK, FLAG_IF | FLAG_DF | FLAG_TF | FLAG_AC);
    wrmsr(MSR_KERNEL_GS_BASE, (uptr)kernel_area);
    return NULL;
}

static u64 syscall_round(const struct workload *w) { return user_call(user_syscalls, w->operations); }

static const char *soft_setup(const struct workload *w) {
    (void)w;
    idt_set(VEC_SOFT, SEL_CODE64, soft_entry, GATE_INT, 3, 0);
    return NULL;
}

static u64 soft_round(const struct workload *w) { return user_call(user_interrupts, w->operations); }

static void ipi_handler(struct regs *r) {
    (void)r;
    ipis++;
    apic_eoi();
}

static const char *ipi_setup(const struct workload *w) {
    (void)w;
    if (!apic_present()) return "no local APIC";
    apic_enable();
    handler_set(VEC_SELF, ipi_handler);
    return NULL;
}

static u64 ipi_round(const struct workload *w) {
    u32 lost = 0;
    ipis = 0;
    irq_enable();
    for (u32 i = 0; i < w->operations; i++) {
        apic_write(APIC_ICR, 0x44000 | VEC_SELF);
        for (u32 spin = 0; ipis != i + 1 - lost; spin++) {
            if (spin > 1000000) {
                lost++;
                break;
            }
        }
    }
    irq_disable();
    return ipis;
}

const struct workload system_workloads[] = {
    {.name = "syscall",
     .unit = "call",
     .operations = EVENTS,
     .rounds = 10,
     .round = syscall_round,
     .setup = syscall_setup},
    {.name = "interrupt-soft",
     .unit = "INT n",
     .operations = EVENTS,
     .rounds = 5,
     .round = soft_round,
     .setup = soft_setup},
    {.name = "interrupt-ipi",
     .unit = "self-IPI",
     .operations = EVENTS,
     .rounds = 3,
     .round = ipi_round,
     .setup = ipi_setup},
    {.name = NULL                     },
};
