// Runs guests by KVM's own interface and prints TAP: every access that leaves a guest is compared with what its code
// says. usage: kvmtest [NAME...]     without names all tests run
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "testsuites/hypervisors/kvm/expected.h"
#include "testsuites/hypervisors/kvm/guest.h"
#include "testsuites/hypervisors/kvm/vm.h"

enum { SECONDS_PER_GUEST = 20, SMP_CPUS = 4 };

#define GUEST(name) extern const uint8_t name[], name##_end[]
GUEST(guest_real);
GUEST(guest_protected);
GUEST(guest_long);
GUEST(guest_interrupts);
GUEST(guest_smp);
GUEST(guest_memory);
#undef GUEST

static void print_event(const char *label, const struct event *e) {
    static const char *const names[] = {"port write", "port read", "MMIO write", "MMIO read",
                                        "HLT",        "shutdown",  "done"};
    printf("#   %s: %s, address %#x, %u bytes, value %#llx\n", label, names[e->kind], e->address, e->size,
           (unsigned long long)e->value);
}

static bool same(const struct event *a, const struct event *b) {
    return a->kind == b->kind && a->address == b->address && a->size == b->size && a->value == b->value;
}

// Is the log the expected one? If not, say where they part.
static bool check_log(const struct vm *vm, const struct event *expected, unsigned count) {
    for (unsigned i = 0; i < count || i < vm->event_count; i++) {
        if (i < count && i < vm->event_count && i < VM_MAX_EVENTS && same(&vm->log[i], &expected[i])) continue;
        printf("# event %u of %u (expected are %u)\n", i + 1, vm->event_count, count);
        if (i < count) print_event("expected", &expected[i]);
        if (i < vm->event_count && i < VM_MAX_EVENTS) print_event("found", &vm->log[i]);
        return false;
    }
    return true;
}

// Where a guest that failed has come to
static void print_state(struct vm *vm) {
    if (vm->error[0] != 0) printf("# %s\n", vm->error);
    for (unsigned i = 0; i < vm->cpu_count; i++) {
        struct kvm_regs regs;
        struct kvm_sregs sregs;
        struct kvm_mp_state state = {.mp_state = UINT32_MAX};
        if (vm->cpus[i].fd < 0 || ioctl(vm->cpus[i].fd, KVM_GET_REGS, &regs) < 0 ||
            ioctl(vm->cpus[i].fd, KVM_GET_SREGS, &sregs) < 0)
            continue;
        ioctl(vm->cpus[i].fd, KVM_GET_MP_STATE, &state);
        printf("# CPU %u: CS:RIP %#x:%#llx, CR0 %#llx, CR3 %#llx, EFER %#llx, RFLAGS %#llx, RSP %#llx, MP state %u\n",
               i, sregs.cs.selector, (unsigned long long)regs.rip, (unsigned long long)sregs.cr0,
               (unsigned long long)sregs.cr3, (unsigned long long)sregs.efer, (unsigned long long)regs.rflags,
               (unsigned long long)regs.rsp, state.mp_state);
    }
}

static bool run_and_check(struct vm *vm, const struct event *expected, unsigned count) {
    bool result = vm_run(&vm->cpus[0]);
    return check_log(vm, expected, count) && result;
}

#define CODE(guest)       guest, guest##_end
#define EXPECT(vm, table) run_and_check(vm, table, sizeof(table) / sizeof((table)[0]))

static bool test_real(struct vm *vm) { return vm_create(vm, 1, false, CODE(guest_real)) && EXPECT(vm, expected_real); }

static bool test_protected(struct vm *vm) {
    return vm_create(vm, 1, false, CODE(guest_protected)) && EXPECT(vm, expected_protected);
}

// Also the state afterwards, as KVM's user sees it.
static bool test_long(struct vm *vm) {
    struct kvm_sregs sregs;
    struct kvm_regs regs;
    if (!vm_create(vm, 1, false, CODE(guest_long)) || !EXPECT(vm, expected_long)) return false;
    if (VM_IOCTL(vm, vm->cpus[0].fd, KVM_GET_SREGS, &sregs) < 0 ||
        VM_IOCTL(vm, vm->cpus[0].fd, KVM_GET_REGS, &regs) < 0)
        return false;
    if ((sregs.efer & 0x500) == 0x500 && (sregs.cr0 & 0x80010001) == 0x80010001 && sregs.cs.l == 1 &&
        sregs.cs.selector == 0x18 && regs.r15 == 0x600d)
        return true;
    printf("# after HLT: EFER %#llx, CR0 %#llx, CS %#x (L = %u), R15 %#llx\n", (unsigned long long)sregs.efer,
           (unsigned long long)sregs.cr0, sregs.cs.selector, sregs.cs.l, (unsigned long long)regs.r15);
    return false;
}

// The first interrupt is wanted while the guest has interrupts off: KVM has to say when it can be injected. The second
// one wakes the guest from HLT.
static void inject(struct vcpu *cpu) {
    struct vm *vm = cpu->vm;
    bool wanted = (vm->step == 0 && vm->event_count >= 1) || (vm->step == 1 && cpu->run->exit_reason == KVM_EXIT_HLT);
    cpu->run->request_interrupt_window = wanted;
    if (!wanted || !cpu->run->ready_for_interrupt_injection) return;
    struct kvm_interrupt interrupt = {.irq = VECTOR_INJECTED};
    if (VM_IOCTL(vm, cpu->fd, KVM_INTERRUPT, &interrupt) == 0) {
        vm->step++;
        cpu->run->request_interrupt_window = 0;
    }
}

static bool test_injected(struct vm *vm) {
    if (!vm_create(vm, 1, false, CODE(guest_interrupts)) || !vm_set_rbx(vm, 1)) return false;
    vm->hooks.before_entry = inject;
    return EXPECT(vm, expected_injected);
}

static uint32_t pulse_irq5(struct vm *vm) {
    struct kvm_irq_level line = {.irq = 5, .level = 1};
    VM_IOCTL(vm, vm->fd, KVM_IRQ_LINE, &line);
    line.level = 0;
    VM_IOCTL(vm, vm->fd, KVM_IRQ_LINE, &line);
    return 0;
}

static bool test_irqchip(struct vm *vm) {
    if (!vm_create(vm, 1, true, CODE(guest_interrupts)) || !vm_set_rbx(vm, 0)) return false;
    vm->hooks.command = pulse_irq5;
    return EXPECT(vm, expected_irqchip);
}

// Pages that the guest is told to touch, and what the log must have afterwards
static const struct {
    bool logging;
    uint32_t touch[4]; // number of a page + 1; 0 ends
    uint32_t dirty[4]; // likewise
} memory_steps[] = {
    {false, {1 + 3, 1 + 5, 1 + 200},                          {0}                    },
    {true,  {0},                                              {0}                    },
    {true,  {1 + 3, 1 + 5, 1 + 200, 1 + 5},                   {1 + 3, 1 + 5, 1 + 200}},
    {true,  {(1 + 3) | COMMAND_READ, (1 + 6) | COMMAND_READ}, {0}                    },
    {true,  {1 + 5, 1 + 6},                                   {1 + 5, 1 + 6}         },
    {true,  {1 + 1791},                                       {1 + 1791}             }, // the last one
    {false, {1 + 7},                                          {0}                    },
    {true,  {1 + 7},                                          {1 + 7}                },
};
enum { MEMORY_STEPS = sizeof memory_steps / sizeof memory_steps[0], PAGES = GUEST_RAM_SIZE / 4096 };

static void check_dirty(struct vm *vm, unsigned step) {
    uint64_t bitmap[PAGES / 64] = {0}, expected[PAGES / 64] = {0};
    struct kvm_dirty_log log = {.slot = 1, .dirty_bitmap = bitmap};
    if (VM_IOCTL(vm, vm->fd, KVM_GET_DIRTY_LOG, &log) < 0) return;
    for (unsigned i = 0; i < 4 && memory_steps[step].dirty[i] != 0; i++) {
        uint32_t page = memory_steps[step].dirty[i] - 1;
        expected[page / 64] |= UINT64_C(1) << page % 64;
    }
    for (uint32_t page = 0; page < PAGES; page++)
        if (((bitmap[page / 64] ^ expected[page / 64]) >> page % 64 & 1) != 0)
            snprintf(vm->error, sizeof vm->error, "step %u: page %u is %s", step, page,
                     (bitmap[page / 64] >> page % 64 & 1) != 0 ? "dirty, but was not written"
                                                               : "not dirty, but was written");
}

// vm->step counts (step * 5 + index of the page); each step ends with a look at the log.
static uint32_t next_page(struct vm *vm) {
    while (vm->error[0] == 0 && vm->step / 5 < MEMORY_STEPS) {
        unsigned step = vm->step / 5, index = vm->step % 5;
        if (index == 0 && (step == 0 || memory_steps[step].logging != memory_steps[step - 1].logging))
            vm_log_dirty(vm, memory_steps[step].logging);
        vm->step++;
        if (index < 4 && memory_steps[step].touch[index] != 0) return memory_steps[step].touch[index] - 1;
        if (index == 4 && memory_steps[step].logging) check_dirty(vm, step);
    }
    return COMMAND_END;
}

static bool test_dirty(struct vm *vm) {
    if (!vm_create(vm, 1, false, CODE(guest_memory))) return false;
    vm->hooks.command = next_page;
    if (!EXPECT(vm, expected_memory) || vm->error[0] != 0) return false;
    return vm->ram[200 * 4096] == 200 && vm->ram[1791 * 4096 + 1] == 1791 >> 8;
}

static uint32_t cpu_count(struct vm *vm) { return vm->cpu_count; }

static void *secondary(void *cpu) {
    vm_run(cpu);
    return NULL;
}

static bool test_smp(struct vm *vm) {
    pthread_t threads[SMP_CPUS];
    unsigned started = 1;
    if (!vm_create(vm, SMP_CPUS, true, CODE(guest_smp))) return false;
    vm->hooks.command = cpu_count;
    while (started < SMP_CPUS && pthread_create(&threads[started], NULL, secondary, &vm->cpus[started]) == 0) started++;
    bool result = started == SMP_CPUS && EXPECT(vm, expected_smp);
    vm->ended = true;
    for (unsigned i = 1; i < started; i++) {
        vm->cpus[i].run->immediate_exit = 1;
        pthread_kill(threads[i], SIGUSR1);
        pthread_join(threads[i], NULL);
    }
    return result;
}

static const struct {
    const char *name, *title;
    bool (*run)(struct vm *vm);
} tests[] = {
    {"real",      "real mode: ports, strings, MMIO, interrupts, segments",                              test_real     },
    {"protected", "protected mode: ports, MMIO, segments, paging, level 3, back to real mode",          test_protected},
    {"long",      "long mode: ports, MMIO, exceptions, paging, SYSCALL, compatibility mode, registers", test_long     },
    {"injected",  "interrupts by KVM_INTERRUPT",                                                        test_injected },
    {"irqchip",   "interrupts of the in-kernel 8259, 8254 and local APIC",                              test_irqchip  },
    {"dirty",     "log of dirty pages, triple fault",                                                   test_dirty    },
    {"smp",       "four virtual CPUs: start-up, locks, interrupts between them",                        test_smp      },
};
enum { TESTS = sizeof tests / sizeof tests[0] };

static void on_signal(int number) { (void)number; }

static bool wanted(int argc, char **argv, const char *name) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return argc == 1;
}

int main(int argc, char **argv) {
    static struct vm vm;
    struct sigaction action = {.sa_handler = on_signal}; // without SA_RESTART: a signal ends KVM_RUN
    unsigned count = 0, failures = 0;
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (unsigned i = 0; i < TESTS; i++) {
        if (!wanted(argc, argv, tests[i].name)) continue;
        struct itimerval limit = {.it_value.tv_sec = SECONDS_PER_GUEST}, off = {0};
        setitimer(ITIMER_REAL, &limit, NULL);
        bool result = tests[i].run(&vm);
        setitimer(ITIMER_REAL, &off, NULL);
        if (!result) print_state(&vm);
        printf("%s %u - %s\n", result ? "ok" : "not ok", ++count, tests[i].title);
        fflush(stdout);
        failures += !result;
        vm_destroy(&vm);
    }
    printf("1..%u\n", count);
    return failures == 0 && count != 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
