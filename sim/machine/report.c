/* What a person wants to see when a processor died: the events that led to it, the registers, the code, the extension's
 * report. */
#include "decoder/decoder.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/trace.h"
#include "sim/machine/machine.h"

typedef unsigned long long ull;

static const char *vector_name(unsigned vec) {
    static const char *const name[32] = {
        [VEC_DE] = "#DE", [VEC_DB] = "#DB", [VEC_NMI] = "NMI", [VEC_BP] = "#BP", [VEC_OF] = "#OF",
        [VEC_BR] = "#BR", [VEC_UD] = "#UD", [VEC_NM] = "#NM",  [VEC_DF] = "#DF", [VEC_TS] = "#TS",
        [VEC_NP] = "#NP", [VEC_SS] = "#SS", [VEC_GP] = "#GP",  [VEC_PF] = "#PF", [VEC_MF] = "#MF",
        [VEC_AC] = "#AC", [VEC_MC] = "#MC", [VEC_XM] = "#XM",  [VEC_VE] = "#VE", [VEC_CP] = "#CP"};
    return vec < 32 && name[vec] ? name[vec] : "interrupt";
}

static void report_history(const struct cpu *cpu, FILE *out) {
    uint64_t n = cpu->history_count < EXC_HISTORY ? cpu->history_count : EXC_HISTORY;
    if (!n) return;
    fprintf(out, "last exceptions, oldest first:\n");
    for (uint64_t i = cpu->history_count - n; i < cpu->history_count; i++) {
        const struct history_entry *h = &cpu->history[i % EXC_HISTORY];
        fprintf(out, "  after %llu instructions at %04x:%016llx: %s (vector %u)", (ull)h->icount, h->cs, (ull)h->rip,
                vector_name(h->ev.vector), h->ev.vector);
        if (h->ev.has_error) fprintf(out, ", error code %04x", h->ev.error);
        if (h->ev.vector == VEC_PF && h->ev.type == EVT_HARD_EXC) fprintf(out, ", address %016llx", (ull)h->ev.info);
        fputc('\n', out);
    }
}

static void report_registers(const struct cpu *cpu, FILE *out) {
    static const char *const gpr[16] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                        "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"};
    static const char *const seg[SEG_COUNT] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"};
    for (unsigned i = 0; i < 16; i++) fprintf(out, "%s=%016llx%c", gpr[i], (ull)cpu->gpr[i], i % 4 == 3 ? '\n' : ' ');
    fprintf(out, "RIP=%016llx RFLAGS=%08x CPL=%u\n", (ull)cpu->rip, flags_get(cpu), cpu->cpl);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        fprintf(out, "%-4s sel=%04x base=%016llx limit=%08x attr=%05x%s\n", seg[i], cpu->seg[i].sel,
                (ull)cpu->seg[i].base, cpu->seg[i].limit, cpu->seg[i].ar,
                cpu->seg[i].ar & AR_UNUSABLE ? " (unusable)" : "");
    fprintf(out, "GDTR base=%016llx limit=%04x  IDTR base=%016llx limit=%04x\n", (ull)cpu->ctl.gdtr.base,
            cpu->ctl.gdtr.limit, (ull)cpu->ctl.idtr.base, cpu->ctl.idtr.limit);
    fprintf(out, "CR0=%08llx CR2=%016llx CR3=%016llx CR4=%08llx EFER=%04llx\n", (ull)cpu->ctl.cr0, (ull)cpu->ctl.cr2,
            (ull)cpu->ctl.cr3, (ull)cpu->ctl.cr4, (ull)cpu->ctl.efer);
}

static void report_code(struct cpu *cpu, FILE *out) {
    uint64_t rip = cpu->rip;
    enum disasm_syntax syntax = cpu->machine->att ? DISASM_ATT : DISASM_INTEL;
    for (unsigned n = 0; n < 5; n++) {
        uint8_t bytes[15];
        char text[96];
        uint64_t la = cpu_is_64(cpu) ? rip : (uint32_t)(rip + cpu->seg[SEG_CS].base);
        unsigned avail = sizeof bytes;
        while (avail && !mem_peek(cpu, la, bytes, avail)) avail--;
        unsigned len = disasm(bytes, avail, cpu->mode, rip, syntax, text, sizeof text);
        fprintf(out, "%s %016llx  %s\n", n ? "  " : "=>", (ull)rip, avail ? text : "(not mapped)");
        if (!len) break;
        rip += len;
    }
}

void machine_report_cpu(struct cpu *cpu, FILE *out) {
    fprintf(out, "CPU %u, after %llu instructions:\n", cpu->id, (ull)cpu_icount(cpu));
    report_history(cpu, out);
    report_registers(cpu, out);
    report_code(cpu, out);
    if (cpu->virt.ops && cpu->virt.ops->report && cpu->virt.operation) cpu->virt.ops->report(cpu, out);
}
