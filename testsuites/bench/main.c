/*
 * The benchmark image. Command line:
 *   run=NAME[:ROUNDS],...   these workloads, in the table's order (default: all)
 *   scale=N                 multiplies the default rounds of those without a number of their own
 *   list                    "@workload NAME OPERATIONS ROUNDS UNIT" for each, and ends; OPERATIONS is of one round
 * On port 0xE9: "@start"; for each workload: "@begin NAME OPERATIONS" when the timed part starts, "@end NAME OPERATIONS
 * CHECKSUM" when it is over, or "@skip NAME reason"; at the end "@done". A checksum depends on the workload alone, not
 * on rounds.
 */
#include "testsuites/bench/bench.h"

static const struct workload *const groups[] = {integer_workloads, memory_workloads, vector_workloads, system_workloads,
                                                vm_workloads};

/* Finds name in "run=a:3,b"; rounds is set if a number is given. */
static bool selected(const char *list, const char *name, u64 *rounds) {
    size_t len = strlen(name);
    for (const char *s = list; *s;) {
        if (!memcmp(s, name, len) && (!s[len] || s[len] == ',' || s[len] == ':')) {
            u64 n = 0;
            s += len;
            if (*s != ':') return true;
            for (s++; *s >= '0' && *s <= '9'; s++) n = n * 10 + (u32)(*s - '0');
            *rounds = n;
            return true;
        }
        while (*s && *s++ != ',') {
        }
    }
    return false;
}

static void run(const struct workload *w, u64 rounds) {
    const char *reason = w->setup ? w->setup(w) : NULL;
    if (reason) {
        debug_printf("@skip %s %s\n", w->name, reason);
        return;
    }
    u64 checksum = w->round(w), operations = rounds * w->operations;
    u32 wrong = 0;
    debug_printf("@begin %s %llu\n", w->name, operations);
    for (u64 i = 0; i < rounds; i++)
        if (w->round(w) != checksum) wrong++;
    debug_printf("@end %s %llu %016llx\n", w->name, operations, wrong ? ~0ULL : checksum);
}

void guest_main(void) {
    static char list[1024];
    char text[8];
    bool chosen = option_get("run", list, sizeof list) || option_get("only", list, sizeof list);
    bool naming = option_get("list", text, sizeof text);
    u64 scale = option_number("scale", 1);
    debug_printf("@start\n");
    for (u32 g = 0; g < ARRAY_SIZE(groups); g++)
        for (const struct workload *w = groups[g]; w->name; w++) {
            u64 rounds = w->rounds * scale;
            if (chosen && !selected(list, w->name, &rounds)) continue;
            if (naming)
                debug_printf("@workload %s %u %u %s\n", w->name, w->operations, w->rounds, w->unit);
            else
                run(w, rounds);
        }
    debug_printf("@done\n");
    guest_exit(0);
}
