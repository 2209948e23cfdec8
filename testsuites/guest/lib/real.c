/* Copies the real-mode stub and the code below 1 MiB and goes there. */
#include "testsuites/guest/lib/guest.h"
#include "testsuites/guest/lib/real.h"

/* real32.S; the addresses within the stub are those of its master copy */
extern const u8 real_stub[], real_stub_regs[], real_stub_end[];
void real_enter(void);

/* An address below 1 MiB as a pointer; the compiler must not know that page 0 is one. */
static void *low_memory(uptr address) {
    __asm__("" : "+r"(address));
    return (void *)address;
}

void real_call(const void *code, size_t size, struct real_regs *r) {
    u8 *stub = low_memory(REAL_STUB_BASE);
    memcpy(stub, real_stub, (size_t)(real_stub_end - real_stub));
    memcpy(low_memory(REAL_BASE), code, size);
    memcpy(stub + (real_stub_regs - real_stub), r, sizeof *r);
    real_enter();
    memcpy(r, stub + (real_stub_regs - real_stub), sizeof *r);
}

void real_vector_set(u8 vector, u16 cs, u16 ip) {
    u32 *table = low_memory(0);
    table[vector] = (u32)cs << 16 | ip;
}
