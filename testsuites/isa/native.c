/* The host's side: a child process with the code, the data and the exits at their fixed addresses. */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "testsuites/isa/isa.h"

#define CTX_ADDR  0x31000000ull
#define EXIT_AREA 0x1000u

struct context { /* layout known to tramp.S */
    uint64_t in_gpr[16];
    uint64_t in_flags;
    uint64_t far_pointer; /* 32 bits of RIP, then CS */
    uint64_t xmask;       /* components that XSAVE and XRSTOR handle */
    uint64_t host_rsp;
    uint64_t out_gpr[16];
    uint64_t out_flags;
    uint64_t out_exit;
    /* from here on by the signal handler only */
    uint64_t rip, cr2, error, vector;
    uint64_t mxcsr; /* the host's own */
};
#define CTX      ((struct context *)CTX_ADDR)
#define IN_X     ((uint8_t *)CTX_ADDR + 0x1000)
#define OUT_X    ((uint8_t *)CTX_ADDR + 0x4000)
#define CTX_SIZE (0x4000 + ISA_XSTATE_SIZE)
_Static_assert(offsetof(struct context, mxcsr) == 336, "as tramp.S says");

extern char isa_exit_a[], isa_exit_a_end[], isa_exit_b[], isa_exit_b_end[], isa_exit_fault[];
void isa_enter(void);

struct isa_native_shared {
    volatile unsigned done;
    struct isa_result result[];
};

static void *map_at(uint64_t addr, size_t size, int prot) {
    void *p = mmap((void *)addr, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return p == (void *)addr ? p : NULL;
}

static void on_signal(int sig, siginfo_t *info, void *context) {
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    ucontext_t *u = context;
    greg_t *g = u->uc_mcontext.gregs;
    (void)sig;
    (void)info;
    uint64_t rip = (uint64_t)g[REG_RIP];
    bool away = rip < ISA_CODE || rip >= ISA_CODE + ISA_CODE_SIZE;
    if (away && !(g[REG_TRAPNO] == 14 && (uint64_t)g[REG_CR2] == rip)) _exit(2); /* not the case's doing */
    for (unsigned k = 0; k < 16; k++) CTX->out_gpr[k] = (uint64_t)g[order[k]];
    CTX->out_flags = (uint64_t)g[REG_EFL];
    CTX->out_exit = away ? ISA_AWAY : ISA_FAULT;
    CTX->rip = rip;
    CTX->cr2 = (uint64_t)g[REG_CR2];
    CTX->error = (uint64_t)g[REG_ERR];
    CTX->vector = (uint64_t)g[REG_TRAPNO];
    g[REG_RIP] = (greg_t)(uintptr_t)isa_exit_fault;
    g[REG_RSP] = (greg_t)CTX->host_rsp;
    g[REG_EFL] &= ~(ISA_DF | ISA_AC);
    g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xFFFFll) | 0x33;
}

static bool prepare_child(void) {
    if (!map_at(ISA_CODE, ISA_CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC)) return false;
    if (!map_at(ISA_DATA - ISA_GUARD, 2 * ISA_GUARD + ISA_DATA_SIZE, PROT_NONE)) return false;
    if (mprotect((void *)ISA_DATA, ISA_DATA_SIZE, PROT_READ | PROT_WRITE)) return false;
    uint8_t *exits = map_at(ISA_EXIT_A, EXIT_AREA, PROT_READ | PROT_WRITE | PROT_EXEC);
    if (!exits || !map_at(CTX_ADDR, CTX_SIZE, PROT_READ | PROT_WRITE)) return false;
    memcpy(exits, isa_exit_a, (size_t)(isa_exit_a_end - isa_exit_a));
    memcpy(exits + (ISA_EXIT_B - ISA_EXIT_A), isa_exit_b, (size_t)(isa_exit_b_end - isa_exit_b));
    static uint8_t stack[65536];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&ss, NULL);
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    for (unsigned k = 0; k < sizeof signals / sizeof signals[0]; k++) sigaction(signals[k], &sa, NULL);
    /* compatibility mode wants data segments that are not null */
    __asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0x2B));
    return true;
}

static void run_case(const struct isa_case *c, struct isa_result *r) {
    memset(CTX, 0, sizeof *CTX);
    isa_place_code((uint8_t *)ISA_CODE, c);
    isa_fill((uint8_t *)ISA_DATA, c);
    memcpy(CTX->in_gpr, c->gpr, sizeof c->gpr);
    CTX->in_flags = c->flags | 0x202;
    CTX->xmask = isa_xstate_mask();
    CTX->mxcsr = 0x1F80;
    isa_xstate_pack(IN_X, &c->fpu);
    memset(OUT_X + 512, 0, 64);
    CTX->far_pointer = c->rip | (c->mode32 ? 0x23ull : 0x33ull) << 32;
    isa_enter();
    memset(r, 0, sizeof *r);
    memcpy(r->gpr, CTX->out_gpr, sizeof r->gpr);
    r->flags = (uint32_t)CTX->out_flags & (ISA_FLAGS | ISA_DF);
    r->exit = (uint8_t)CTX->out_exit;
    r->mem_hash = isa_hash((const uint8_t *)ISA_DATA);
    memcpy(r->window, (const uint8_t *)ISA_DATA + isa_window(c), ISA_WINDOW);
    isa_xstate_unpack(OUT_X, &r->fpu);
    r->rip = CTX->rip;
    if (r->exit != ISA_FAULT) return;
    r->vector = (uint8_t)CTX->vector;
    if (r->vector == 13 || r->vector == 14 || r->vector == 12 || r->vector == 17) r->error = (uint32_t)CTX->error;
    if (r->vector == 14) r->cr2 = CTX->cr2;
}

static pid_t start_child(struct isa_native *n) {
    pid_t child = fork();
    if (child != 0) return child;
    alarm(120);
    if (!prepare_child()) _exit(3);
    for (unsigned k = n->shared->done; k < n->count; k++) {
        run_case(&n->cases[k], &n->shared->result[k]);
        n->shared->done = k + 1;
    }
    _exit(0);
}

bool isa_native_start(struct isa_native *n, const struct isa_case *c, unsigned count) {
    n->size = sizeof(struct isa_native_shared) + count * sizeof(struct isa_result);
    n->shared = mmap(NULL, n->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (n->shared == MAP_FAILED) return false;
    n->cases = c;
    n->count = count;
    n->child = start_child(n);
    return n->child > 0;
}

/* A child that dies is followed by another, which goes on behind the case that killed it. */
bool isa_native_finish(struct isa_native *n, struct isa_result *r) {
    bool ok = true;
    for (;;) {
        int status;
        waitpid(n->child, &status, 0);
        ok = !(WIFEXITED(status) && WEXITSTATUS(status) == 3);
        if (!ok || n->shared->done >= n->count) break;
        n->shared->result[n->shared->done++] = (struct isa_result){.exit = ISA_DIED};
        n->child = start_child(n);
        ok = n->child > 0;
        if (!ok) break;
    }
    memcpy(r, n->shared->result, n->count * sizeof *r);
    munmap(n->shared, n->size);
    return ok;
}

/* Does the kernel give processes a 32-bit code segment? Run a NOP there. */
bool isa_native_has32(void) {
    struct isa_case c = {.mode32 = true, .rip = ISA_CODE + 0x400, .len = 1, .code = {0x90}};
    struct isa_result r;
    struct isa_native n;
    return isa_native_start(&n, &c, 1) && isa_native_finish(&n, &r) && r.exit == ISA_NEXT;
}
