/* String instructions, byte loops, pointer chasing and page-table churn. */
#include "testsuites/bench/bench.h"

#define BLOCK        65536
#define CHASE_NODES  (1u << 20) /* of 64 bytes: 64 MiB */
#define CHURN_PAGES  64
#define CHURN_ROUNDS 200
#define CHURN_WINDOW 0xFF00000000ULL /* its top-level entry is in the churn's own roots alone */

static u8 source[BLOCK] ALIGNED(PAGE_SIZE), target[BLOCK] ALIGNED(PAGE_SIZE);

/* 64 of the target's bytes, spread */
static u64 sample(void) {
    u64 sum = 0;
    for (u32 i = 0; i < BLOCK; i += BLOCK / 64) sum = sum * 257 + target[i + (i >> 10)];
    return sum;
}

static const char *blocks_setup(const struct workload *w) {
    (void)w;
    for (u32 i = 0; i < BLOCK; i++) source[i] = (u8)(i * 7 + (i >> 8));
    return NULL;
}

static u64 movsb_round(const struct workload *w) {
    const void *from = source;
    void *to = target;
    u64 n = BLOCK;
    (void)w;
    __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(n) : : "memory");
    return sample();
}

static u64 movsq_round(const struct workload *w) {
    const void *from = source;
    void *to = target;
    u64 n = BLOCK / 8;
    (void)w;
    __asm__ volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(n) : : "memory");
    return sample();
}

static u64 stosb_round(const struct workload *w) {
    void *to = target;
    u64 n = BLOCK;
    (void)w;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0x5A) : "memory");
    return sample();
}

static u64 stosq_round(const struct workload *w) {
    void *to = target;
    u64 n = BLOCK / 8;
    (void)w;
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(0x123456789ABCDEFULL) : "memory");
    return sample();
}

static u64 byte_copy_round(const struct workload *w) {
    u64 i = 0;
    (void)w;
    __asm__ volatile("1: movb (%1,%0), %%al\n\t"
                     "movb %%al, (%2,%0)\n\t"
                     "incq %0\n\t"
                     "cmpq %3, %0\n\t"
                     "jne 1b"
                     : "+r"(i)
                     : "r"(source), "r"(target), "i"(BLOCK)
                     : "rax", "memory", "cc");
    return sample();
}

struct node {
    struct node *next;
    u64 index, pad[6];
};
_Static_assert(sizeof(struct node) == 64, "one cache line");

static struct node *chase_nodes;

/* One cycle through all nodes, in the order of a full-period linear congruential generator. */
static const char *chase_setup(const struct workload *w) {
    (void)w;
    if (!chase_nodes) chase_nodes = pages_reserve(CHASE_NODES * sizeof(struct node) / PAGE_SIZE, 512);
    for (u32 i = 0; i < CHASE_NODES; i++) {
        chase_nodes[i].next = &chase_nodes[(i * 1664525u + 1013904223u) & (CHASE_NODES - 1)];
        chase_nodes[i].index = i;
    }
    return NULL;
}

static u64 chase_round(const struct workload *w) {
    const struct node *n = chase_nodes;
    u64 sum = 0;
    for (u32 i = 0; i < w->operations; i++) {
        sum = sum * 31 + n->index;
        n = n->next;
    }
    return n == chase_nodes ? sum : 0;
}

static u64 churn_root[2];
static u64 *churn_table[2];
static uptr churn_memory;

static const char *churn_setup(const struct workload *w) {
    (void)w;
    if (churn_root[0]) return NULL;
    churn_memory = (uptr)pages_alloc(2 * CHURN_PAGES, 1);
    for (u32 i = 0; i < 2 * CHURN_PAGES; i++) *(u64 *)(churn_memory + i * PAGE_SIZE) = i + 1;
    for (u32 r = 0; r < 2; r++) {
        churn_root[r] = (uptr)page_alloc();
        memcpy((void *)(uptr)churn_root[r], (const void *)(read_cr3() & PTE_ADDRESS), PAGE_SIZE);
        churn_table[r] = pt_entry(churn_root[r], CHURN_WINDOW, 1);
        for (u32 i = 0; i < CHURN_PAGES; i++)
            churn_table[r][i] = (churn_memory + (r * CHURN_PAGES + i) * PAGE_SIZE) | PTE_P | PTE_W;
    }
    return NULL;
}

/* An operation: change one entry, load CR3, read the first word of 64 pages. */
static u64 churn_round(const struct workload *w) {
    const u64 home = read_cr3();
    u64 sum = 0;
    for (u32 n = 0; n < w->operations; n++) {
        u32 r = n & 1, page = n & (CHURN_PAGES - 1), other = ((n >> 6) + r) & 1;
        churn_table[r][page] = (churn_memory + (other * CHURN_PAGES + page) * PAGE_SIZE) | PTE_P | PTE_W;
        write_cr3(churn_root[r]);
        for (u32 i = 0; i < CHURN_PAGES; i++) sum = sum * 3 + *(volatile u64 *)(CHURN_WINDOW + i * PAGE_SIZE);
    }
    write_cr3(home);
    for (u32 r = 0; r < 2; r++)
        for (u32 i = 0; i < CHURN_PAGES; i++)
            churn_table[r][i] = (churn_memory + (r * CHURN_PAGES + i) * PAGE_SIZE) | PTE_P | PTE_W;
    return sum;
}

const struct workload memory_workloads[] = {
    {.name = "rep-movsb",
     .unit = "byte",
     .operations = BLOCK,
     .rounds = 2,
     .round = movsb_round,
     .setup = blocks_setup},
    {.name = "rep-movsq",
     .unit = "byte",
     .operations = BLOCK,
     .rounds = 8,
     .round = movsq_round,
     .setup = blocks_setup},
    {.name = "rep-stosb",
     .unit = "byte",
     .operations = BLOCK,
     .rounds = 2,
     .round = stosb_round,
     .setup = blocks_setup},
    {.name = "rep-stosq",
     .unit = "byte",
     .operations = BLOCK,
     .rounds = 8,
     .round = stosq_round,
     .setup = blocks_setup},
    {.name = "byte-copy-loop",
     .unit = "byte",
     .operations = BLOCK,
     .rounds = 8,
     .round = byte_copy_round,
     .setup = blocks_setup},
    {.name = "pointer-chase",
     .unit = "hop",
     .operations = CHASE_NODES,
     .rounds = 1,
     .round = chase_round,
     .setup = chase_setup},
    {.name = "page-churn",
     .unit = "CR3 load and 64 reads",
     .operations = CHURN_ROUNDS,
     .rounds = 10,
     .round = churn_round,
     .setup = churn_setup},
    {.name = NULL  },
};
