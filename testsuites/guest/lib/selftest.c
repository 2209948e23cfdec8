/* The library tested by itself, in both modes. */
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/real.h"

static int counter;

static void do_ud(void *arg) {
    (void)arg;
    __asm__ volatile("ud2");
}

static void do_gp(void *arg) {
    (void)arg;
    load_fs(0x1F8 | 4);
}

static void do_nothing(void *arg) { ++*(int *)arg; }

static void do_nested(void *arg) {
    struct fault inner;
    *(int *)arg = try_fault(do_ud, NULL, &inner);
    __asm__ volatile("int3");
}

static uptr user_add(uptr arg) { return arg + (read_cs() & 3); }

static uptr user_hlt(uptr arg) {
    __asm__ volatile("hlt");
    return arg;
}

static void do_user_hlt(void *arg) {
    (void)arg;
    user_call(user_hlt, 0);
}

static void count(struct regs *r) {
    counter++;
    if (r->vector >= 0x20 && r->vector < 0x30) pic_eoi((u8)(r->vector - 0x20));
    if (r->vector == 0x41) apic_eoi();
}

static void test_faults(void) {
    struct fault f;
    int inner = 0, calls = 0;
    const uptr arithmetic = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
               flags = read_flags() & ~arithmetic;
    ok_eq((u64)try_fault(do_ud, NULL, &f), VEC_UD, "UD2 is caught");
    ok(*(const u8 *)(uptr)f.ip == 0x0F, "its address is UD2's");
    ok_eq((u64)try_fault(do_gp, NULL, &f), VEC_GP, "a bad selector is caught");
    ok_eq(f.error, 0x1FC, "with its error code");
    ok_eq((u64)try_fault(do_nested, &inner, &f), VEC_BP, "outer fault");
    ok_eq((u64)inner, VEC_UD, "inner fault");
    ok(try_fault(do_nothing, &calls, &f) == NO_FAULT && f.vector == NO_FAULT && calls == 1, "no fault");
    ok_eq(read_flags() & ~arithmetic, flags, "flags are as before");
}

static void test_user(void) {
    struct fault f;
    ok_eq(user_call(user_add, 40), 43, "user code runs at CPL 3 and returns");
    ok_eq((u64)try_fault(do_user_hlt, NULL, &f), VEC_GP, "HLT faults at CPL 3");
    ok_eq(f.cs & 3, 3, "its CS tells");
    ok_eq(user_call(user_add, 1), 4, "and user code still works");
}

static void test_interrupts(void) {
    handler_set(0x40, count);
    __asm__ volatile("int $0x40");
    ok_eq((u64)counter, 1, "INT n reaches its handler");
    handler_set(0x20, count);
    pit_oneshot(1000); /* first, so that the output is low when the line is unmasked */
    pic_unmask(0);
    irq_wait();
    pic_disable();
    ok_eq((u64)counter, 2, "PIT interrupt");
    if (!apic_present()) return;
    handler_set(0x41, count);
    apic_enable();
    irq_enable();
    apic_self_ipi(0x41);
    for (int i = 0; i < 1000 && counter < 3; i++) cpu_pause();
    irq_disable();
    ok_eq((u64)counter, 3, "self-IPI");
}

#ifdef __x86_64__
void test_virt(void); /* selftest_virt.c */

static void test_paging(void) {
    u64 va = 0x7FC0001000, root = read_cr3();
    u64 *page = page_alloc();
    int level;
    page[0] = 0x1234;
    map_4k(root, va, (uptr)page, PTE_W);
    ok_eq(*(volatile u64 *)va, 0x1234, "4 KiB mapping");
    ok(pt_walk(root, va, &level) && level == 1, "walk finds it");
    map_4k(root, (uptr)page, (uptr)page, PTE_W);
    invlpg(page);
    ok(pt_walk(root, (uptr)page, &level) && level == 1 && page[0] == 0x1234, "2 MiB page split");
    write_cr3(pt_new_identity());
    ok_eq(page[0], 0x1234, "new identity map");
    write_cr3(root);
}
#else
extern const u8 selftest_real[], selftest_real_end[];

static void test_real(void) {
    struct real_regs r = {.eax = 40, .ebx = 2, .ecx = 6, .eflags = FLAG_CF, .es = 0x1234};
    real_vector_set(0x60, REAL_SEGMENT, 0x10);
    for (int i = 0; i < 2; i++) real_call(selftest_real, (size_t)(selftest_real_end - selftest_real), &r);
    ok_eq(r.eax, 44, "real-mode code ran twice");
    ok_eq(r.ecx, 8, "its interrupts were served");
    ok_eq(r.edx, REAL_SEGMENT, "in its segment");
    ok_eq(r.es, 0x1234, "segment registers are handed over");
    ok_eq((u64)try_fault(do_ud, NULL, NULL), VEC_UD, "and faults are caught again");
}
#endif

void guest_main(void) {
    char text[16];
    diag("%s%d|%5u|%-5u|%05x|%#lx|%c|%%|%llu|%X", "s", -5, 42u, 42u, 0xABCu, 0x10UL, 'c', 12345678901234567890ULL,
         0xFu);
    diag("memory to %#llx, command line \"%s\"", boot_info.memory_end, boot_info.cmdline);
    test_faults();
    test_user();
    test_interrupts();
#ifdef __x86_64__
    test_paging();
    test_virt();
#else
    test_real();
#endif
    if (option_get("expect", text, sizeof text)) ok_eq(option_number("expect", 0), 0x77, "option_number");
}
