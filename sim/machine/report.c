/* What a person wants to see when a processor died: the events that led to it, the registers, the code, the extension's
 * report. */
#include "decoder/decoder.h"
#include "sim/core/fault.h"
#include "sim/core/flags.h"
#include "sim/core/mem.h"
#include "sim/core/system.h"
#include "sim/core/trace.h"
#include "sim/fp/env.h"
#include "sim/machine/machine.h"

typedef unsigned long long ull;

/* ---- error codes: SDM 3, "Error Code", "Interrupt 14-Page-Fault Exception (#PF)" ---- */

static void print_page_error(uint32_t error, FILE *out) {
    static const char *const bits[][2] = {
        {"not present", "protection"    },
        {"read",        "write"         },
        {"supervisor",  "user"          },
        {NULL,          "reserved bit"  },
        {NULL,          "fetch"         },
        {NULL,          "protection key"}
    };
    const char *sep = " (";
    for (unsigned n = 0; n < sizeof bits / sizeof bits[0]; n++) {
        const char *word = bits[n][error >> n & 1];
        if (!word) continue;
        fprintf(out, "%s%s", sep, word);
        sep = ", ";
    }
    fputc(')', out);
}

/* Bytes of an entry of the table of interrupts */
static unsigned entry_size(unsigned mode) { return !(mode & MODE_PROT) ? 4 : mode & MODE_LMA ? 16 : 8; }

static void print_limit(const struct history_entry *h, FILE *out) {
    unsigned vec = h->ev.error >> 3 & 0xFF, last = vec * entry_size(h->mode) + entry_size(h->mode) - 1;
    if (h->ev.vector == VEC_GP && (h->ev.error & ERR_IDT) && last > h->idt_limit)
        fprintf(out, "; entry %u of the IDT ends at %04x, beyond the IDT limit %04x", vec, last, h->idt_limit);
}

static void print_selector_error(uint32_t error, FILE *out) {
    if (!(error & 0xFFFF)) return;
    if (error & ERR_IDT)
        fprintf(out, " (IDT entry %u", error >> 3 & 0xFF);
    else
        fprintf(out, " (selector %04x of the %s", error & 0xFFF8, error & 4 ? "LDT" : "GDT");
    fprintf(out, "%s)", error & ERR_EXT ? ", EXT" : "");
}

/* There are no error codes in real mode. */
static void print_error(const struct history_entry *h, FILE *out) {
    if (h->ev.has_error && (h->mode & MODE_PROT)) {
        fprintf(out, ", error code %04x", h->ev.error);
        if (h->ev.vector == VEC_PF)
            print_page_error(h->ev.error, out);
        else if (h->ev.vector >= VEC_TS && h->ev.vector <= VEC_GP)
            print_selector_error(h->ev.error, out);
    }
    print_limit(h, out);
}

/* What makes it #UD, if that code is still there, and still in the mode of then */
static void print_undefined(struct cpu *cpu, const struct history_entry *h, FILE *out) {
    uint8_t bytes[15];
    unsigned avail = sizeof bytes;
    if (h->ev.vector != VEC_UD || h->mode != cpu->mode || h->cs != cpu->seg[SEG_CS].sel) return;
    const uint64_t la = cpu_is_64(cpu) ? h->rip : (uint32_t)(h->rip + cpu->seg[SEG_CS].base);
    while (avail && !mem_peek(cpu, la, bytes, avail)) avail--;
    if (avail) insn_explain_undefined(cpu, bytes, avail, out);
}

static void print_event(struct cpu *cpu, const struct history_entry *h, FILE *out) {
    fprintf(out, "after %llu instructions at %04x:%016llx: %s (vector %u)", (ull)h->icount, h->cs, (ull)h->rip,
            event_name(&h->ev), h->ev.vector);
    print_error(h, out);
    if (h->ev.vector == VEC_PF && h->ev.type == EVT_HARD_EXC) fprintf(out, ", address %016llx", (ull)h->ev.info);
    print_undefined(cpu, h, out);
    fputc('\n', out);
}

/* A flat image finds no firmware in real mode: what it calls there, or a fault, leads to the interrupt vectors' zeros.
 */
static void report_unhandled(struct cpu *cpu, FILE *out) {
    if (!cpu->unhandled.ev.valid) return;
    fprintf(out,
            "CPU %u: in real mode, the first event whose interrupt vector was 0000:0000 (nobody set it; there is no "
            "BIOS):\n  ",
            cpu->id);
    print_event(cpu, &cpu->unhandled, out);
}

static void report_history(struct cpu *cpu, FILE *out) {
    uint64_t n = cpu->history_count < EXC_HISTORY ? cpu->history_count : EXC_HISTORY;
    if (!n) return;
    fprintf(out, "last exceptions, oldest first:\n");
    for (uint64_t i = cpu->history_count - n; i < cpu->history_count; i++) {
        const struct history_entry *h = &cpu->history[i % EXC_HISTORY];
        fputs("  ", out);
        print_event(cpu, h, out);
    }
}

static void report_registers(struct cpu *cpu, FILE *out) {
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
    fprintf(out, "XCR0=%03llx MXCSR=%05x FCW=%04x FSW=%04x FTW=%02x (a bit per register that isn't empty)\n",
            (ull)cpu->ctl.xcr0, mxcsr_get(cpu), cpu->fpu.fcw, cpu->fpu.fsw, cpu->fpu.ftw);
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

static const char *activity_name(const struct cpu *cpu) {
    static const char *const names[] = {[ACT_ACTIVE] = "running",
                                        [ACT_HLT] = "halted",
                                        [ACT_SHUTDOWN] = "shut down",
                                        [ACT_WAIT_SIPI] = "waiting for a SIPI",
                                        [ACT_MWAIT] = "waiting in MWAIT"};
    return cpu->intr.activity < sizeof names / sizeof names[0] ? names[cpu->intr.activity] : "?";
}

void machine_report_where(const struct machine *m, FILE *out) {
    for (unsigned i = 0; i < m->cpu_count; i++) {
        const struct cpu *cpu = m->cpu[i];
        fprintf(out, "CPU %u: RIP %04x:%016llx %s%s, IF=%d, after %llu instructions\n", i, cpu->seg[SEG_CS].sel,
                (ull)cpu->rip, activity_name(cpu), cpu->virt.guest ? " in the guest" : "", !!(cpu->rflags & FLAG_IF),
                (ull)cpu_icount(cpu));
    }
    for (unsigned i = 0; i < m->cpu_count; i++) report_unhandled(m->cpu[i], out);
}

void machine_report_cpu(struct cpu *cpu, FILE *out) {
    fprintf(out, "CPU %u, after %llu instructions:\n", cpu->id, (ull)cpu_icount(cpu));
    report_unhandled(cpu, out);
    report_history(cpu, out);
    report_registers(cpu, out);
    report_code(cpu, out);
    if (cpu->virt.ops && cpu->virt.ops->report && cpu->virt.operation) cpu->virt.ops->report(cpu, out);
}
