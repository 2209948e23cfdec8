/*
 * The hypervisor, as far as it does not depend on the vendor: start a guest, answer its exits, give it ticks, and check
 * at the end that it got what it was promised.
 */
#include "examples/demo/hypervisor.h"

#include "examples/demo/abi.h"
#include "examples/demo/console.h"
#include "examples/demo/descriptors.h"
#include "examples/demo/memory.h"
#include "examples/demo/timer.h"
#include "examples/demo/x86.h"

extern const uint8_t guest_image[], guest_image_end[]; /* guest_image.S */

static const struct vendor *vendor;
static struct vcpu vcpu;

static struct {
    uint64_t sum;            /* of the arguments of HYPERCALL_ADD */
    uint64_t hypercall_adds; /* calls of it */
    uint64_t ticks_injected;
    uint64_t lazy_pages; /* mapped by nested faults */
    uint64_t gp_injected;
    uint64_t scratch;     /* value of MSR_SCRATCH */
    uint64_t *ticks_word; /* where the guest wants to see how many ticks we have taken */
    bool window_open;     /* an interrupt window is requested */
    const struct guest_report *report;
} state;

/* ---- CPUID and MSRs ---- */

static void handle_cpuid(void) {
    enum { CPUID_1_ECX_VMX = 1 << 5, CPUID_80000001_ECX_SVM = 1 << 2 };
    static const union {
        char text[13];
        uint32_t words[3];
    } signature = {CPUID_HYPERVISOR_SIGNATURE};
    const uint32_t leaf = (uint32_t)vcpu.regs.rax;
    struct cpuid r = cpuid(leaf, (uint32_t)vcpu.regs.rcx);

    switch (leaf) {
    case 1:
        r.ecx &= ~(uint32_t)CPUID_1_ECX_VMX; /* no hypervisors inside this one */
        r.ecx |= 1u << 31;                   /* "there is a hypervisor": always 0 on a bare processor */
        break;
    case 0x80000001:
        r.ecx &= ~(uint32_t)CPUID_80000001_ECX_SVM;
        break;
    case CPUID_HYPERVISOR:
        r = (struct cpuid){CPUID_HYPERCALL, signature.words[0], signature.words[1], signature.words[2]};
        break;
    case CPUID_HYPERCALL:
        r = (struct cpuid){vendor->hypercall, 0, 0, 0};
        break;
    default:
        break;
    }
    vcpu.regs.rax = r.eax; /* in 64-bit mode CPUID clears bits 63-32 of all four */
    vcpu.regs.rbx = r.ebx;
    vcpu.regs.rcx = r.ecx;
    vcpu.regs.rdx = r.edx;
    vendor->skip_instruction();
}

static void handle_msr(const struct vm_exit *exit) {
    const uint32_t msr = (uint32_t)vcpu.regs.rcx;
    uint64_t value = vcpu.regs.rdx << 32 | (uint32_t)vcpu.regs.rax;

    if (msr == MSR_SCRATCH && exit->write) {
        state.scratch = value;
    } else if (!exit->write && (msr == MSR_SCRATCH || msr == IA32_EFER)) {
        value = msr == MSR_SCRATCH ? state.scratch : EFER_LME | EFER_LMA;
        vcpu.regs.rax = (uint32_t)value;
        vcpu.regs.rdx = value >> 32;
    } else {
        vcpu.event = EVENT_GENERAL_PROTECTION; /* a fault: RIP stays at the instruction */
        state.gp_injected++;
        return;
    }
    vendor->skip_instruction();
}

/* ---- Ports: a serial port that is always ready, and otherwise an empty bus ---- */

static void guest_console_put(char c) {
    static bool in_line;
    if (!in_line) print("   guest | ");
    console_put(c);
    in_line = c != '\n';
}

static void handle_io(const struct vm_exit *exit) {
    enum { UART_THR = 0x3F8, UART_LSR = 0x3FD, LSR_EMPTY = 0x60 };
    if (exit->string) give_up("The guest used INS or OUTS, which this hypervisor does not know.");
    if (exit->write) {
        if (exit->port == UART_THR) guest_console_put((char)vcpu.regs.rax);
    } else {
        const uint64_t mask = exit->size == 4 ? 0xFFFFFFFF : exit->size == 2 ? 0xFFFF : 0xFF;
        const uint64_t value = exit->port == UART_LSR ? LSR_EMPTY : mask;          /* nobody there: all ones */
        vcpu.regs.rax = exit->size == 4 ? value : (vcpu.regs.rax & ~mask) | value; /* 32-bit results zero the rest */
    }
    vendor->skip_instruction();
}

/* ---- Memory ---- */

static void handle_nested_fault(const struct vm_exit *exit) {
    const uint64_t page = exit->guest_addr & ~(PAGE_SIZE - 1);
    if (page >= GUEST_MEMORY_SIZE || nested_translate(vcpu.nested_root, page))
        give_up("The guest has no right to guest-physical address %lxh (RIP %lxh).", exit->guest_addr, exit->rip);
    nested_map(vcpu.nested_root, vendor->nested, page, page_alloc());
    state.lazy_pages++; /* the guest's instruction runs again, and succeeds */
}

/* Returns the number of pages. */
static unsigned load_guest(void) {
    const struct guest_header *header = (const void *)guest_image;
    const uint64_t size = (uint64_t)(guest_image_end - guest_image);
    unsigned pages = 0;
    vcpu.nested_root = nested_create();
    for (uint64_t at = 0; GUEST_IMAGE_BASE + at < header->end; at += PAGE_SIZE, pages++) {
        uint8_t *page = page_alloc();
        if (at < size) memcpy(page, guest_image + at, size - at < PAGE_SIZE ? size - at : PAGE_SIZE);
        nested_map(vcpu.nested_root, vendor->nested, GUEST_IMAGE_BASE + at, page);
    }
    return pages;
}

/* An address that came from the guest: never trust it. Structures must not cross a page, for the next may be elsewhere.
 */
static void *guest_pointer(uint64_t address, size_t size) {
    void *p = nested_translate(vcpu.nested_root, address);
    if (!p || address % PAGE_SIZE + size > PAGE_SIZE) give_up("The guest passed a bad address: %lxh.", address);
    return p;
}

/* ---- Hypercalls ---- */

static void handle_hypercall(void) {
    const uint64_t argument = vcpu.regs.rdi;
    uint64_t result = 0;

    switch (vcpu.regs.rax) {
    case HYPERCALL_ADD:
        state.hypercall_adds++;
        result = state.sum += argument;
        break;
    case HYPERCALL_TIMER:
        state.ticks_word = guest_pointer(argument, sizeof *state.ticks_word);
        *state.ticks_word = timer_ticks();
        timer_start();
        break;
    case HYPERCALL_DONE:
        state.report = guest_pointer(argument, sizeof *state.report);
        break;
    default:
        result = ~0ull;
        break;
    }
    vcpu.regs.rax = result;
    vendor->skip_instruction();
}

/* ---- Ticks ---- */

/*
 * Before each entry: is there a tick that the guest has not got? Inject it, if the guest has interrupts enabled and
 * nothing else is to be injected; if not, ask for an exit as soon as it has.
 */
static void offer_tick(void) {
    const uint64_t taken = timer_ticks();
    if (state.ticks_word) *state.ticks_word = taken;

    const bool waiting = taken > state.ticks_injected;
    const bool inject = waiting && !vcpu.event && vendor->interruptible();
    if (inject) {
        vcpu.event = EVENT_EXTERNAL_INTERRUPT(GUEST_TICK_VECTOR);
        state.ticks_injected++;
    }
    const bool want_window = waiting && !inject;
    if (want_window && !state.window_open)
        print("      hv | Tick %lu has to wait: the guest has interrupts off.\n", taken);
    if (want_window != state.window_open) vendor->set_interrupt_window(want_window);
    state.window_open = want_window;
}

/* The guest sleeps, so we do. */
static void handle_hlt(void) {
    while (timer_ticks() == state.ticks_injected) {
        if (!timer_running()) give_up("The guest halted, and no interrupt is to come.");
        halt_until_interrupt();
    }
    vendor->skip_instruction();
}

/* ---- The main loop ---- */

static void handle_exit(const struct vm_exit *exit) {
    switch (exit->kind) {
    case EXIT_CPUID:
        handle_cpuid();
        break;
    case EXIT_MSR:
        handle_msr(exit);
        break;
    case EXIT_IO:
        handle_io(exit);
        break;
    case EXIT_HLT:
        handle_hlt();
        break;
    case EXIT_HYPERCALL:
        handle_hypercall();
        break;
    case EXIT_NESTED_FAULT:
        handle_nested_fault(exit);
        break;
    /* The interrupt is still pending in the machine; our own IDT now delivers it to our own handler (timer.c). */
    case EXIT_INTERRUPT:
        take_pending_interrupts();
        break;
    case EXIT_WINDOW:
        break; /* offer_tick will find that it may inject */
    case EXIT_TRIPLE_FAULT:
        give_up("Triple fault in the guest at RIP %lxh.", exit->rip);
    default:
        give_up("%s exit %lxh, which this hypervisor does not know (detail %lxh, RIP %lxh).", vendor->name, exit->code,
                exit->detail, exit->rip);
    }
}

static void run_guest(void) {
    while (!state.report) {
        struct vm_exit exit;
        offer_tick();
        vendor->run(&vcpu, &exit);
        exits_count(vendor, &exit);
        handle_exit(&exit);
    }
}

/* ---- Before and after ---- */

static const struct vendor *detect(void) {
    const struct cpuid r = cpuid(0, 0);
    const union {
        uint32_t words[4];
        char text[16];
    } name = {
        {r.ebx, r.edx, r.ecx, 0}
    };
    const struct vendor *found = vmx_supported() ? &vmx : svm_supported() ? &svm : NULL;
    if (!found) give_up("The processor (%s) has neither VMX nor SVM.", name.text);
    print("1. The processor is %s and has %s.\n", name.text, found->name);
    return found;
}

static bool check(const char *what, uint64_t got, uint64_t expected) {
    const bool ok = got == expected;
    print("  %-4s  %s: %lu", ok ? "ok" : "BAD", what, got);
    if (!ok) print(", should be %lu", expected);
    print("\n");
    return ok;
}

/* How many lazy pages hold, in host memory, what the guest should have written. */
static uint64_t count_written_pages(void) {
    uint64_t good = 0;
    for (uint64_t i = 0; i < GUEST_LAZY_PAGES; i++) {
        const uint64_t address = GUEST_LAZY_BASE + i * GUEST_LAZY_STEP;
        const uint64_t *word = nested_translate(vcpu.nested_root, address);
        if (word && *word == GUEST_WORD(address)) good++;
    }
    return good;
}

static bool check_everything(void) {
    const struct guest_report *r = state.report;
    const uint64_t n = r->hypercall_adds;
    bool ok = true;
    ok &= check("ticks that the guest counted, of those injected", r->ticks, state.ticks_injected);
    ok &= check("ticks injected, of those taken by the hypervisor", state.ticks_injected, timer_ticks());
    ok &= check("sum of the hypercall arguments", state.sum, n * (n + 1) / 2);
    ok &= check("the guest's idea of that sum", r->sum, state.sum);
    ok &= check("hypercalls that reached the hypervisor", state.hypercall_adds, n);
    ok &= check("pages mapped on first touch", state.lazy_pages, GUEST_LAZY_PAGES);
    ok &= check("of them, found good by the guest", r->pages, GUEST_LAZY_PAGES);
    ok &= check("of them, found good by the hypervisor", count_written_pages(), GUEST_LAZY_PAGES);
    ok &= check("#GP that the guest handled, of those injected", r->gp_faults, state.gp_injected);
    ok &= check("kinds of exit that happened", exits_kinds_seen(), EXIT_KINDS - 1); /* all but the triple fault */
    return ok;
}

void hypervisor_main(void) {
    console_init();
    descriptors_init();
    print("A demonstration hypervisor\n\n");
    vendor = detect();
    vendor->enable();
    print("2. %s is on: %s.\n", vendor->name, vendor->how);
    const unsigned pages = load_guest();
    print("3. Nested paging (%s) maps %u pages for the guest; others will follow when it touches them.\n",
          vendor->nested->name, pages);
    timer_init();
    print("4. The timer interrupts the hypervisor on vector %xh; the guest will get vector %xh.\n", TIMER_VECTOR,
          GUEST_TICK_VECTOR);
    const struct guest_header *header = (const void *)guest_image;
    vendor->create(&vcpu, header->entry, header->cr3);
    print("5. Entering the guest at %lxh, in 64-bit mode.\n\n", header->entry);
    run_guest();
    print("\n6. The guest is done. Its exits:\n\n");
    exits_print(vendor);
    print("\n7. Checks:\n\n");
    const bool ok = check_everything();
    print("\n%s\n", ok ? "PASS" : "FAIL");
    end_run(ok ? 0 : 1);
}
