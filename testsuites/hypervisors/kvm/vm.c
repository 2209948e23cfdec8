#include "testsuites/hypervisors/kvm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "testsuites/hypervisors/kvm/guest.h"

static bool fail(struct vm *vm, const char *what) {
    if (vm->error[0] == 0) // the first is the cause
        snprintf(vm->error, sizeof vm->error, "%s: %s", what, strerror(errno));
    return false;
}

int vm_ioctl(struct vm *vm, int fd, unsigned long request, void *argument, const char *name) {
    int result = ioctl(fd, request, argument);
    if (result < 0) fail(vm, name);
    return result;
}

static bool set_slot(struct vm *vm, unsigned slot, uint32_t flags, uint64_t address, uint64_t size, uint8_t *memory) {
    struct kvm_userspace_memory_region region = {.slot = slot,
                                                 .flags = flags,
                                                 .guest_phys_addr = address,
                                                 .memory_size = size,
                                                 .userspace_addr = (uintptr_t)memory};
    return VM_IOCTL(vm, vm->fd, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

bool vm_log_dirty(struct vm *vm, bool on) {
    return set_slot(vm, 1, on ? KVM_MEM_LOG_DIRTY_PAGES : 0, GUEST_RAM, GUEST_RAM_SIZE, vm->ram);
}

static uint8_t *allocate(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static bool create_memory(struct vm *vm) {
    vm->low = allocate(GUEST_LOW_SIZE);
    vm->ram = allocate(GUEST_RAM_SIZE);
    if (vm->low == NULL || vm->ram == NULL) return fail(vm, "memory of the guest");
    return set_slot(vm, 0, 0, 0, GUEST_LOW_SIZE, vm->low) && vm_log_dirty(vm, false);
}

// Everything that KVM and the processor have between them
static bool set_cpuid(struct vcpu *cpu) {
    enum { ENTRIES = 100 };
    union {
        struct kvm_cpuid2 header;
        uint8_t space[sizeof(struct kvm_cpuid2) + ENTRIES * sizeof(struct kvm_cpuid_entry2)];
    } cpuid = {.header.nent = ENTRIES};
    struct vm *vm = cpu->vm;
    return VM_IOCTL(vm, vm->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid.header) == 0 &&
           VM_IOCTL(vm, cpu->fd, KVM_SET_CPUID2, &cpuid.header) == 0;
}

static bool create_cpu(struct vm *vm, unsigned index) {
    struct vcpu *cpu = &vm->cpus[index];
    cpu->vm = vm;
    cpu->fd = VM_IOCTL(vm, vm->fd, KVM_CREATE_VCPU, (uintptr_t)index);
    if (cpu->fd < 0) return false;
    cpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
    if (cpu->run == MAP_FAILED) {
        cpu->run = NULL;
        return fail(vm, "mmap of kvm_run");
    }
    if (!set_cpuid(cpu) || index != 0) return vm->error[0] == 0;
    struct kvm_sregs sregs;
    struct kvm_regs regs = {.rip = GUEST_BASE, .rflags = 2};
    if (VM_IOCTL(vm, cpu->fd, KVM_GET_SREGS, &sregs) < 0) return false;
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    return VM_IOCTL(vm, cpu->fd, KVM_SET_SREGS, &sregs) == 0 && VM_IOCTL(vm, cpu->fd, KVM_SET_REGS, &regs) == 0;
}

bool vm_set_rbx(struct vm *vm, uint64_t value) {
    struct kvm_regs regs;
    if (VM_IOCTL(vm, vm->cpus[0].fd, KVM_GET_REGS, &regs) < 0) return false;
    regs.rbx = value;
    return VM_IOCTL(vm, vm->cpus[0].fd, KVM_SET_REGS, &regs) == 0;
}

static bool create_irqchip(struct vm *vm) {
    struct kvm_pit_config pit = {0};
    return VM_IOCTL(vm, vm->fd, KVM_CREATE_IRQCHIP, 0) == 0 && VM_IOCTL(vm, vm->fd, KVM_CREATE_PIT2, &pit) == 0;
}

bool vm_create(struct vm *vm, unsigned cpu_count, bool irqchip, const uint8_t *code, const uint8_t *code_end) {
    uint64_t identity_map = 0xfffbc000; // Intel processors without "unrestricted guest" need both
    memset(vm, 0, sizeof *vm);
    vm->fd = -1;
    vm->irqchip = irqchip;
    vm->cpu_count = cpu_count;
    for (unsigned i = 0; i < VM_MAX_CPUS; i++) vm->cpus[i].fd = -1;
    vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (vm->kvm < 0) return fail(vm, "/dev/kvm");
    vm->fd = VM_IOCTL(vm, vm->kvm, KVM_CREATE_VM, 0);
    int run_size = VM_IOCTL(vm, vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (vm->fd < 0 || run_size < 0 || VM_IOCTL(vm, vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 ||
        VM_IOCTL(vm, vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000) < 0)
        return false;
    vm->run_size = (size_t)run_size;
    if (!create_memory(vm) || (irqchip && !create_irqchip(vm))) return false;
    for (unsigned i = 0; i < cpu_count; i++)
        if (!create_cpu(vm, i)) return false;
    memcpy(vm->low + GUEST_BASE, code, (size_t)(code_end - code));
    return true;
}

void vm_destroy(struct vm *vm) {
    for (unsigned i = 0; i < VM_MAX_CPUS; i++) {
        if (vm->cpus[i].run != NULL) munmap(vm->cpus[i].run, vm->run_size);
        if (vm->cpus[i].fd >= 0) close(vm->cpus[i].fd);
    }
    if (vm->fd >= 0) close(vm->fd);
    if (vm->kvm >= 0) close(vm->kvm);
    if (vm->low != NULL) munmap(vm->low, GUEST_LOW_SIZE);
    if (vm->ram != NULL) munmap(vm->ram, GUEST_RAM_SIZE);
}

static void record(struct vm *vm, enum event_kind kind, uint32_t address, uint32_t size, uint64_t value) {
    if (vm->event_count < VM_MAX_EVENTS) vm->log[vm->event_count] = (struct event){kind, address, size, value};
    vm->event_count++;
}

// One element of a port access; string instructions have several.
static void port(struct vm *vm, bool out, uint16_t address, uint32_t size, uint8_t *data) {
    uint64_t value = 0;
    if (out) {
        memcpy(&value, data, size);
        record(vm, address == PORT_DONE ? EVENT_DONE : EVENT_OUT, address, size, address == PORT_DONE ? 0 : value);
        return;
    }
    value = address == PORT_COMMAND && vm->hooks.command != NULL ? vm->hooks.command(vm) : PORT_INPUT_VALUE;
    if (address != PORT_COMMAND) record(vm, EVENT_IN, address, size, 0);
    memcpy(data, &value, size);
}

static bool handle_exit(struct vcpu *cpu, bool *over) {
    struct vm *vm = cpu->vm;
    struct kvm_run *run = cpu->run;
    uint64_t value = MMIO_READ_VALUE;
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        for (uint32_t i = 0; i < run->io.count; i++)
            port(vm, run->io.direction == KVM_EXIT_IO_OUT, run->io.port, run->io.size,
                 (uint8_t *)run + run->io.data_offset + i * run->io.size);
        *over = run->io.port == PORT_DONE;
        return true;
    case KVM_EXIT_MMIO:
        if (run->mmio.is_write) {
            value = 0;
            memcpy(&value, run->mmio.data, run->mmio.len);
        } else {
            memcpy(run->mmio.data, &value, run->mmio.len);
        }
        record(vm, run->mmio.is_write ? EVENT_MMIO_WRITE : EVENT_MMIO_READ, (uint32_t)run->mmio.phys_addr,
               run->mmio.len, run->mmio.is_write ? value : 0);
        return true;
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        return true;
    case KVM_EXIT_HLT:
        record(vm, EVENT_HLT, 0, 0, 0);
        *over = vm->hooks.before_entry == NULL;
        return true;
    case KVM_EXIT_SHUTDOWN:
        record(vm, EVENT_SHUTDOWN, 0, 0, 0);
        *over = true;
        return true;
    case KVM_EXIT_FAIL_ENTRY:
        snprintf(vm->error, sizeof vm->error,
                 "the processor refuses to enter the guest: hardware_entry_failure_reason %#llx",
                 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
        return false;
    case KVM_EXIT_INTERNAL_ERROR:
        snprintf(vm->error, sizeof vm->error, "KVM's internal error %u", run->internal.suberror);
        return false;
    default:
        snprintf(vm->error, sizeof vm->error, "unexpected exit reason %u", run->exit_reason);
        return false;
    }
}

bool vm_run(struct vcpu *cpu) {
    struct vm *vm = cpu->vm;
    bool over = false;
    while (!over && !vm->ended) {
        if (vm->hooks.before_entry != NULL) vm->hooks.before_entry(cpu);
        if (ioctl(cpu->fd, KVM_RUN, 0) < 0) {
            // Other processors than the first are asked to end, or were woken by the start-up interrupt.
            if (cpu != &vm->cpus[0] && (errno == EINTR || errno == EAGAIN)) continue;
            return fail(vm, errno == EINTR ? "the guest hangs" : "KVM_RUN");
        }
        if (!handle_exit(cpu, &over)) return false;
    }
    return true;
}
