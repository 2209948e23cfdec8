/* Integer workloads. Nothing here may become a call of memset or memcpy: those are REP, which are timed elsewhere. */
#include "testsuites/bench/bench.h"

#define NO_IDIOM() __asm__ volatile("" : : : "memory")

static u32 random_next(u32 x) {
    x ^= x << 13;
    x ^= x >> 17;
    return x ^ x << 5;
}

/* Counts the primes below SIEVE_NUMBERS. */
u64 sieve_run(void) {
    static u64 words[SIEVE_NUMBERS / 8];
    u8 *composite = (u8 *)words;
    u64 primes = 0;
    for (u32 i = 0; i < ARRAY_SIZE(words); i++) {
        words[i] = 0;
        NO_IDIOM();
    }
    for (u32 i = 2; i < SIEVE_NUMBERS; i++) {
        if (composite[i]) continue;
        primes++;
        for (u32 j = 2 * i; j < SIEVE_NUMBERS; j += i) composite[j] = 1;
    }
    return primes;
}

/* CRC-32 (polynomial 04C11DB7h, reflected) of pseudo-random bytes. */
u64 crc_run(void) {
    static u32 table[256];
    static u8 data[CRC_BYTES];
    u32 crc = ~0u;
    if (!table[1]) {
        u32 x = 1;
        for (u32 i = 0; i < 256; i++) {
            u32 c = i;
            for (u32 bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0);
            table[i] = c;
        }
        for (u32 i = 0; i < CRC_BYTES; i++) data[i] = (u8)(x = random_next(x));
    }
    for (u32 i = 0; i < CRC_BYTES; i++) crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xFF];
    return ~crc;
}

static void quicksort(u32 *a, long left, long right) {
    while (left < right) {
        u32 pivot = a[left + (right - left) / 2];
        long i = left, j = right;
        while (i <= j) {
            while (a[i] < pivot) i++;
            while (a[j] > pivot) j--;
            if (i > j) break;
            u32 t = a[i];
            a[i++] = a[j];
            a[j--] = t;
        }
        if (j - left < right - i) {
            quicksort(a, left, j);
            left = i;
        } else {
            quicksort(a, i, right);
            right = j;
        }
    }
}

u64 sort_run(void) {
    static u32 a[SORT_ELEMENTS];
    u64 sum = 0;
    u32 x = 12345;
    for (u32 i = 0; i < SORT_ELEMENTS; i++) a[i] = x = random_next(x);
    quicksort(a, 0, SORT_ELEMENTS - 1);
    for (u32 i = 1; i < SORT_ELEMENTS; i++) {
        if (a[i - 1] > a[i]) return 0;
        sum = sum * 31 + a[i];
    }
    return sum;
}

enum { OP_LOAD_CONSTANT, OP_ADD, OP_XOR, OP_SHIFT, OP_MULTIPLY, OP_STORE, OP_FETCH, OP_LOOP, OP_END };

/* A register machine whose every bytecode ends in an indirect jump of its own; the loop has 10 bytecodes. */
u64 interp_run(void) {
    static const u8 program[] = {
        OP_LOAD_CONSTANT, 1, 77, OP_LOAD_CONSTANT, 2, 13,
        /* 6: */ OP_ADD,  0, 1,  OP_MULTIPLY,      1, 2,  OP_XOR, 3, 0, OP_SHIFT, 3, 5, OP_ADD, 3, 1, OP_STORE, 3, 0,
        OP_XOR,           4, 3,  OP_FETCH,         5, 4,  OP_ADD, 0, 5, OP_LOOP,  6, 0, OP_END, 0, 0,
    };
    static const void *const label[] = {&&load_constant, &&add,   &&xor,  &&shift, &&multiply,
                                        &&store,         &&fetch, &&loop, &&end};
    u64 reg[8] = {0}, memory[64];
    u32 left = INTERP_BYTECODES / 10;
    const u8 *pc = program;
    for (u32 i = 0; i < ARRAY_SIZE(memory); i++) {
        memory[i] = i;
        NO_IDIOM();
    }
#define NEXT                                                                                                           \
    do {                                                                                                               \
        pc += 3;                                                                                                       \
        goto *label[*pc];                                                                                              \
    } while (0)
    goto *label[*pc];
load_constant:
    reg[pc[1]] = pc[2];
    NEXT;
add:
    reg[pc[1]] += reg[pc[2]];
    NEXT;
    xor : reg[pc[1]] ^= reg[pc[2]];
    NEXT;
shift:
    reg[pc[1]] = reg[pc[1]] << pc[2] | reg[pc[1]] >> (64 - pc[2]);
    NEXT;
multiply:
    reg[pc[1]] = reg[pc[1]] * reg[pc[2]] + 1;
    NEXT;
store:
    memory[reg[pc[2]] & 63] = reg[pc[1]];
    NEXT;
fetch:
    reg[pc[1]] = memory[reg[pc[2]] & 63];
    NEXT;
loop:
    pc = --left ? program + pc[1] - 3 : pc;
    NEXT;
end:
#undef NEXT
    return reg[0];
}

static u64 sieve_round(const struct workload *w) {
    (void)w;
    return sieve_run();
}

static u64 crc_round(const struct workload *w) {
    (void)w;
    return crc_run();
}

static u64 sort_round(const struct workload *w) {
    (void)w;
    return sort_run();
}

static u64 interp_round(const struct workload *w) {
    (void)w;
    return interp_run();
}

const struct workload integer_workloads[] = {
    {.name = "sieve",              .unit = "number", .operations = SIEVE_NUMBERS, .rounds = 4, .round = sieve_round},
    {.name = "crc", .unit = "byte", .operations = CRC_BYTES, .rounds = 8, .round = crc_round},
    {.name = "quicksort",        .unit = "element", .operations = SORT_ELEMENTS, .rounds = 4, .round = sort_round},
    {.name = "interp",                .unit = "bytecode", .operations = INTERP_BYTECODES, .rounds = 4, .round = interp_round},
    {.name = NULL    },
};
