/* Compare user-mode instructions with the host processor: random instances of every row of the encoding table, in
 * 64-bit and, where the kernel allows, compatibility mode. Same seed, same cases. */
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder/decoder.h"
#include "sim/arch/x86.h"
#include "testsuites/isa/isa.h"

#define BATCH 2000

static const char *const exit_names[] = {"next", "branched", "fault", "away", "died"};

struct tally {
    unsigned *seen, *wrong; /* per row */
    uint64_t passed, failed;
    unsigned shown;
    unsigned show_max;
};

static bool same(const struct isa_case *c, const struct isa_result *host, const struct isa_result *sim) {
    uint32_t mask = (ISA_FLAGS | ISA_DF) & ~c->undefined;
    if (host->exit != sim->exit) return false;
    if (host->exit == ISA_AWAY && host->rip != sim->rip) return false;
    if (host->exit == ISA_FAULT) {
        /* Linux says "protection" of every address above the user's half */
        uint32_t error_mask = host->cr2 >= 0x7FFFFFFFF000 ? ~PF_P : ~0u;
        mask = (mask | c->undefined) & ~c->fault_flags; /* a fault changes nothing */
        if (host->vector != sim->vector || (host->error ^ sim->error) & error_mask || host->cr2 != sim->cr2 ||
            host->rip != sim->rip)
            return false;
    }
    for (unsigned k = 0; k < 16; k++) {
        uint64_t m = c->mode32 ? k < 8 ? 0xFFFFFFFF : 0 : ~0ull;
        if (c->partly && host->exit == ISA_FAULT && k != 4) continue;
        if ((host->gpr[k] ^ sim->gpr[k]) & m && c->undefined_reg != (0x80 | k)) return false;
    }
    if (host->mem_hash != sim->mem_hash && !c->undefined_reg && !(c->partly && host->exit == ISA_FAULT)) return false;
    return !((host->flags ^ sim->flags) & mask);
}

static void show(const struct isa_case *c, const struct isa_result *host, const struct isa_result *sim, bool chained) {
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    char text[128];
    unsigned mode = MODE_PROT | MODE_LMA | (c->mode32 ? MODE_CODE32 | MODE_STACK32 : MODE_CODE64);
    disasm(c->code, c->len, mode, c->rip, DISASM_INTEL, text, sizeof text);
    printf("# %s%s: %s\n#   bytes", c->mode32 ? "32-bit" : "64-bit", chained ? ", chained" : "", text);
    for (unsigned k = 0; k < c->len; k++) printf(" %02x", c->code[k]);
    printf("; flags before %03x, undefined after %03x\n", c->flags, c->undefined);
    printf("#   host: %s vector %u error %x cr2 %llx rip %llx flags %03x\n", exit_names[host->exit], host->vector,
           host->error, (unsigned long long)host->cr2, (unsigned long long)host->rip, host->flags);
    printf("#   sim:  %s vector %u error %x cr2 %llx rip %llx flags %03x\n", exit_names[sim->exit], sim->vector,
           sim->error, (unsigned long long)sim->cr2, (unsigned long long)sim->rip, sim->flags);
    for (unsigned k = 0; k < 16 && host->exit != ISA_DIED; k++)
        if (host->gpr[k] != sim->gpr[k])
            printf("#   %s: before %016llx, host %016llx, sim %016llx\n", names[k], (unsigned long long)c->gpr[k],
                   (unsigned long long)host->gpr[k], (unsigned long long)sim->gpr[k]);
    if (host->mem_hash != sim->mem_hash && host->exit != ISA_DIED) printf("#   memory differs\n");
}

static void judge(struct tally *t, const struct isa_case *c, const struct isa_result *host,
                  const struct isa_result *sim, bool chained) {
    t->seen[c->row]++;
    if (same(c, host, sim)) {
        t->passed++;
        return;
    }
    t->failed++;
    if (t->wrong[c->row]++ < 2 && t->shown++ < t->show_max) show(c, host, sim, chained);
}

static void run_batch(struct isa_sim *s, struct isa_random *r, bool has32, unsigned count, struct tally *t) {
    static struct isa_case c[BATCH];
    static struct isa_result host[BATCH];
    static bool chained[BATCH];
    for (unsigned k = 0; k < count; k++) {
        uint64_t v = isa_rand(r);
        bool mode32 = has32 && v % 3 == 0;
        chained[k] = v >> 8 & 1;
        if (v >> 9 & 7)
            isa_generate(r, mode32, &c[k]);
        else
            isa_generate_pair(r, mode32, &c[k]);
    }
    if (!isa_native(c, host, count)) {
        printf("1..0 # skip: cannot run test cases in a child process on this host\n");
        exit(0);
    }
    for (unsigned k = 0; k < count; k++) {
        struct isa_result sim;
        isa_sim_run(s, &c[k], chained[k], &sim);
        judge(t, &c[k], &host[k], &sim, chained[k]);
    }
}

static void summary(const struct tally *t) {
    unsigned forms = 0, bad = 0;
    for (unsigned k = 0; k < isa_row_count(); k++) {
        forms += t->seen[k] != 0;
        bad += t->wrong[k] != 0;
        if (!t->seen[k]) printf("# never run: %s (not on this host)\n", isa_row_name(k));
        if (t->wrong[k]) printf("# %s: %u of %u differ\n", isa_row_name(k), t->wrong[k], t->seen[k]);
    }
    printf("%u of %u encoding rows run, %u with disagreements\n", forms, isa_row_count(), bad);
    printf("%llu passed, %llu failed\n", (unsigned long long)t->passed, (unsigned long long)t->failed);
}

static bool host_is_amd(void) {
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && (b == 0x68747541 /* Auth */ || b == 0x6F677948 /* Hygo */);
}

int main(int argc, char **argv) {
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : 100000, seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    struct isa_random r = {seed};
    struct tally t = {.show_max = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 0) : 20};
    char err[256];
    if (!count) {
        fprintf(stderr, "usage: test-isa [COMPARISONS [SEED [DISAGREEMENTS-TO-SHOW]]]\n");
        return 2;
    }
    struct isa_sim *s = isa_sim_create(host_is_amd() ? "max-amd,+sse4.2" : "max-intel,+sse4.2", err, sizeof err);
    if (!s) {
        fprintf(stderr, "test-isa: %s\n", err);
        return 1;
    }
    isa_detect_host();
    t.seen = calloc(isa_row_count(), sizeof *t.seen);
    t.wrong = calloc(isa_row_count(), sizeof *t.wrong);
    if (!t.seen || !t.wrong) return 1;
    bool has32 = isa_native_has32();
    if (!has32) printf("# compatibility mode: not available to processes on this host, 64-bit mode only\n");
    for (uint64_t done = 0; done < count; done += BATCH)
        run_batch(s, &r, has32, (unsigned)(count - done < BATCH ? count - done : BATCH), &t);
    summary(&t);
    bool ok = !t.failed;
    free(t.seen);
    free(t.wrong);
    isa_sim_destroy(s);
    return ok ? 0 : 1;
}
