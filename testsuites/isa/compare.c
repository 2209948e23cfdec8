/* Comparing and showing results. */
#include "testsuites/isa/compare.h"

#include <stdio.h>
#include <string.h>

#include "sim/arch/x86.h"
#include "testsuites/isa/forms.h"

static bool same_general(const struct isa_case *c, const struct isa_result *host, const struct isa_result *sim) {
    uint32_t mask = (ISA_FLAGS | ISA_DF) & ~c->undefined;
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

/* Processors of AMD save the pointers of the last x87 instruction only while an exception is pending, and 0 otherwise
 * (APM 2 "FXSAVE and FXRSTOR Instructions"). */
static bool pointers_saved(const struct isa_fpu *host) {
    return (host->fsw & 0x80) || host->fip || host->fdp || host->fop;
}

static bool same_fpu(const struct isa_fpu *host, const struct isa_fpu *sim) {
    if (pointers_saved(host) && (host->fip != sim->fip || host->fdp != sim->fdp || host->fop != sim->fop)) return false;
    return !memcmp(host->zmm, sim->zmm, sizeof host->zmm) && !memcmp(host->k, sim->k, sizeof host->k) &&
           !memcmp(host->st, sim->st, sizeof host->st) && host->mxcsr == sim->mxcsr && host->fcw == sim->fcw &&
           host->fsw == sim->fsw && host->ftw == sim->ftw;
}

enum verdict isa_compare(const struct isa_case *c, const struct isa_result *host, const struct isa_result *sim) {
    bool ud = sim->exit == ISA_FAULT && sim->vector == VEC_UD;
    if (ud && !(host->exit == ISA_FAULT && host->vector == VEC_UD)) return NOT_THERE;
    if (host->exit != sim->exit) return DIFFERENT;
    if (host->exit == ISA_AWAY && host->rip != sim->rip) return DIFFERENT;
    return same_general(c, host, sim) && same_fpu(&host->fpu, &sim->fpu) ? SAME : DIFFERENT;
}

/* ---- showing ---- */

static void disassemble(const struct isa_case *c, char *to, size_t size) {
    ZydisFormatter f;
    ZydisDecodedInstruction i;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
    snprintf(to, size, "(no instruction)");
    if (form_decode(c->code, c->len, c->mode32, &i, op))
        ZydisFormatterFormatInstruction(&f, &i, op, i.operand_count_visible, to, size, c->rip, NULL);
}

static void bytes_from_high(const uint8_t *p, unsigned bytes, unsigned group) {
    for (unsigned k = bytes; k-- > 0;) printf("%02x%s", p[k], k && k % group == 0 ? "_" : "");
}

/* A register of which host and simulator differ */
static void show_bytes(const char *name, unsigned n, const uint8_t *before, const uint8_t *host, const uint8_t *sim,
                       unsigned bytes) {
    while (bytes > 16 && !memcmp(host + bytes / 2, sim + bytes / 2, bytes / 2)) bytes /= 2;
    printf("#   %s%u: before ", name, n);
    bytes_from_high(before, bytes, 8);
    printf("\n#         host   ");
    bytes_from_high(host, bytes, 8);
    printf("\n#         sim    ");
    bytes_from_high(sim, bytes, 8);
    printf("\n");
}

/* What went in: vector registers and memory that the instruction names */
static void show_operands(const struct isa_case *c) {
    ZydisDecodedInstruction i;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    if (!form_decode(c->code, c->len, c->mode32, &i, op)) return;
    for (unsigned k = 0; k < i.operand_count; k++) {
        const ZydisDecodedOperand *o = &op[k];
        ZydisRegister r = o->type == ZYDIS_OPERAND_TYPE_REGISTER ? o->reg.value : ZYDIS_REGISTER_NONE;
        unsigned n = (unsigned)ZydisRegisterGetId(r) & 31;
        switch (ZydisRegisterGetClass(r)) {
        case ZYDIS_REGCLASS_XMM:
        case ZYDIS_REGCLASS_YMM:
        case ZYDIS_REGCLASS_ZMM:
            printf("#   %s = ", ZydisRegisterGetString(r));
            bytes_from_high(c->fpu.zmm[n], o->size / 8, 8);
            break;
        case ZYDIS_REGCLASS_MASK:
            printf("#   k%u = %016llx", n, (unsigned long long)c->fpu.k[n & 7]);
            break;
        case ZYDIS_REGCLASS_MMX:
            printf("#   mm%u = ", n);
            bytes_from_high(c->fpu.st[(n - (c->fpu.fsw >> 11)) & 7], 8, 8);
            break;
        case ZYDIS_REGCLASS_X87:
            printf("#   st%u = ", n);
            bytes_from_high(c->fpu.st[n & 7], 10, 8);
            break;
        case ZYDIS_REGCLASS_GPR32:
        case ZYDIS_REGCLASS_GPR64:
            printf("#   %s = %016llx", ZydisRegisterGetString(r), (unsigned long long)c->gpr[n & 15]);
            break;
        default:
            if (o->type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
            printf("#   memory at %llx", (unsigned long long)c->operand);
            if (c->data_len) printf(" = ");
            bytes_from_high(c->data, c->data_len, 8);
            break;
        }
        printf("\n");
    }
}

static void show_environment(const char *who, const struct isa_fpu *f) {
    printf("#   %s mxcsr %05x fcw %03x fsw %04x ftw %02x fop %03x fip %llx fdp %llx\n", who, f->mxcsr, f->fcw, f->fsw,
           f->ftw, f->fop, (unsigned long long)f->fip, (unsigned long long)f->fdp);
}

static const uint8_t *physical(const struct isa_fpu *f, unsigned n) { return f->st[(n - (f->fsw >> 11)) & 7]; }

static void show_fpu(const struct isa_case *c, const struct isa_result *hr, const struct isa_result *sr) {
    const struct isa_fpu *h = &hr->fpu, *s = &sr->fpu;
    if (same_fpu(h, s)) return;
    for (unsigned n = 0; n < 32; n++)
        if (memcmp(h->zmm[n], s->zmm[n], 64)) show_bytes("zmm", n, c->fpu.zmm[n], h->zmm[n], s->zmm[n], 64);
    for (unsigned n = 0; n < 8; n++)
        if (h->k[n] != s->k[n])
            printf("#   k%u: before %016llx host %016llx sim %016llx\n", n, (unsigned long long)c->fpu.k[n],
                   (unsigned long long)h->k[n], (unsigned long long)s->k[n]);
    for (unsigned n = 0; n < 8; n++) { /* the physical registers: TOP may differ, too */
        const uint8_t *hb = physical(h, n), *sb = physical(s, n);
        if (memcmp(hb, sb, 10)) show_bytes("R", n, physical(&c->fpu, n), hb, sb, 10);
    }
}

static void show_line(const char *who, const struct isa_result *r) {
    static const char *const exit_names[] = {"next", "branched", "fault", "away", "died"};
    printf("#   %s %s", who, exit_names[r->exit]);
    if (r->exit == ISA_FAULT)
        printf(" vector %u error %x cr2 %llx rip %llx", r->vector, r->error, (unsigned long long)r->cr2,
               (unsigned long long)r->rip);
    printf(" flags %03x\n", r->flags);
}

void isa_show(const struct isa_case *c, const struct isa_result *host, const struct isa_result *sim, bool chained) {
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    char text[128];
    disassemble(c, text, sizeof text);
    printf("# %s%s: %s\n#   bytes", c->mode32 ? "32-bit" : "64-bit", chained ? ", chained" : "", text);
    for (unsigned k = 0; k < c->len; k++) printf(" %02x", c->code[k]);
    printf("; flags before %03x, undefined after %03x\n", c->flags, c->undefined);
    show_line("host:", host);
    show_line("sim: ", sim);
    show_operands(c);
    if (host->exit == ISA_DIED) return;
    for (unsigned k = 0; k < 16; k++)
        if (host->gpr[k] != sim->gpr[k])
            printf("#   %s: before %016llx, host %016llx, sim %016llx\n", names[k], (unsigned long long)c->gpr[k],
                   (unsigned long long)host->gpr[k], (unsigned long long)sim->gpr[k]);
    show_environment("before", &c->fpu);
    if (!same_fpu(&host->fpu, &sim->fpu)) {
        show_environment("host  ", &host->fpu);
        show_environment("sim   ", &sim->fpu);
    }
    show_fpu(c, host, sim);
    if (host->mem_hash != sim->mem_hash) {
        printf("#   memory differs; at %llx:\n#         host   ", (unsigned long long)(ISA_DATA + isa_window(c)));
        bytes_from_high(host->window, 64, 8);
        printf("\n#         sim    ");
        bytes_from_high(sim->window, 64, 8);
        printf("\n");
    }
}
