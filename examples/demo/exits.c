/* The table of exits by reason. */
#include "examples/demo/console.h"
#include "examples/demo/hypervisor.h"

/* What the hypervisor does about it. */
static const char *const answers[EXIT_KINDS] = {
    [EXIT_CPUID] = "answer, with the hypervisor bit and leaves",
    [EXIT_MSR] = "emulate, or inject #GP",
    [EXIT_IO] = "emulate a serial port",
    [EXIT_HLT] = "wait for an interrupt",
    [EXIT_HYPERCALL] = "do what the guest asks",
    [EXIT_NESTED_FAULT] = "map a new page",
    [EXIT_INTERRUPT] = "take it, inject a tick",
    [EXIT_WINDOW] = "inject the tick that had to wait",
    [EXIT_TRIPLE_FAULT] = "end the run",
};

enum { MAX_NAMES = 16 };
static uint64_t counts[MAX_NAMES]; /* by row of the vendor's list */
static uint64_t kind_counts[EXIT_KINDS + 1];

static const struct exit_name *find(const struct vendor *vendor, const struct vm_exit *exit) {
    for (const struct exit_name *e = vendor->exits; e->name; e++)
        if (e->code == exit->code) return e;
    return NULL;
}

void exits_count(const struct vendor *vendor, const struct vm_exit *exit) {
    const struct exit_name *e = find(vendor, exit);
    if (e) counts[e - vendor->exits]++;
    kind_counts[exit->kind]++;
}

unsigned exits_kinds_seen(void) {
    unsigned seen = 0;
    for (unsigned kind = 0; kind < EXIT_KINDS; kind++) seen += kind_counts[kind] != 0;
    return seen;
}

void exits_print(const struct vendor *vendor) {
    uint64_t total = 0;
    print("  %-20s %5s %6s   %s\n", "exit reason", "code", "count", "what the hypervisor does");
    for (const struct exit_name *e = vendor->exits; e->name; e++) {
        const uint64_t count = counts[e - vendor->exits];
        if (!count) continue;
        total += count;
        print("  %-20s ", e->name);
        print(vendor->hex_codes ? "%4lxh" : "%5lu", e->code);
        print(" %6lu   %s\n", count, answers[e->kind]);
    }
    print("  %-20s %5s %6lu\n", "total", "", total);
}
