// A virtual machine by /dev/kvm: memory, virtual CPUs, and a log of every access that leaves the guest.
#ifndef TESTSUITES_HYPERVISORS_KVM_VM_H
#define TESTSUITES_HYPERVISORS_KVM_VM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VM_MAX_CPUS = 4, VM_MAX_EVENTS = 128 };

enum event_kind { EVENT_OUT, EVENT_IN, EVENT_MMIO_WRITE, EVENT_MMIO_READ, EVENT_HLT, EVENT_SHUTDOWN, EVENT_DONE };

// What a guest did that its user sees, in order.
struct event {
    enum event_kind kind;
    uint32_t address; // port or physical address
    uint32_t size;    // bytes
    uint64_t value;   // what was written; what a read is answered with is not recorded
};

struct vm;
struct vcpu {
    struct vm *vm;
    int fd;
    struct kvm_run *run;
};

// What a test adds to the devices that every guest has: the answer to a read of PORT_COMMAND, and what is done before
// each entry. Both may be NULL.
struct vm_hooks {
    uint32_t (*command)(struct vm *vm);
    void (*before_entry)(struct vcpu *cpu);
};

struct vm {
    int kvm, fd;
    bool irqchip;
    unsigned cpu_count;
    size_t run_size;
    uint8_t *low, *ram; // host memory of the two slots
    struct vcpu cpus[VM_MAX_CPUS];
    struct event log[VM_MAX_EVENTS];
    unsigned event_count;
    struct vm_hooks hooks;
    unsigned step;       // for the hooks
    volatile bool ended; // other processors than the first shall end
    char error[200];     // why a run could not go on; empty when all is well
};

// Open /dev/kvm and create a machine that is about to execute `code` in real mode at GUEST_BASE. Returns false with
// vm->error set; vm_destroy() is due in both cases.
bool vm_create(struct vm *vm, unsigned cpu_count, bool irqchip, const uint8_t *code, const uint8_t *code_end);
void vm_destroy(struct vm *vm);

// Run a processor until its guest halts for good, shuts down or says that it is done. False with vm->error set when KVM
// fails.
bool vm_run(struct vcpu *cpu);

// The slot of GUEST_RAM with or without the log of dirty pages
bool vm_log_dirty(struct vm *vm, bool on);
bool vm_set_rbx(struct vm *vm, uint64_t value);
// ioctl() on the machine; a failure is recorded in vm->error with `name`.
int vm_ioctl(struct vm *vm, int fd, unsigned long request, void *argument, const char *name);
#define VM_IOCTL(vm, fd, request, argument) vm_ioctl(vm, fd, request, (void *)(argument), #request)

#endif
