/* Shadow stacks and indirect-branch tracking for tests: supervisor code runs in pieces of assembly, between which both
 * are off. 64-bit images. */
#ifndef GUEST_CET_COMMON_H
#define GUEST_CET_COMMON_H

#include "testsuites/guest/lib/code.h"
#include "testsuites/guest/lib/guest.h"

#define MSR_U_CET     0x6A0
#define MSR_S_CET     0x6A2
#define MSR_PL0_SSP   0x6A4
#define MSR_PL3_SSP   0x6A7
#define MSR_SSP_TABLE 0x6A8

#define SH_STK_EN    BIT(0)
#define WR_SHSTK_EN  BIT(1)
#define ENDBR_EN     BIT(2)
#define LEG_IW_EN    BIT(3)
#define NO_TRACK_EN  BIT(4)
#define SUPPRESS_DIS BIT(5)
#define SUPPRESS     BIT(10)
#define TRACKER      BIT(11)

enum { CP_NEAR_RET = 1, CP_FAR_RET = 2, CP_ENDBRANCH = 3, CP_RSTORSSP = 4, CP_SETSSBSY = 5 };

#define PF_P  1
#define PF_W  2
#define PF_U  4
#define PF_SS 64

/* Shadow-stack pages at SHADOW: linear addresses above 4 GiB, written by the tests through `shadow_alias()`. */
#define SHADOW     0x8000000000ULL
#define SHADOW_LOW 0xF0000000ULL /* the page SUPER again, below 4 GiB */
enum shadow_page { SUPER, SUPER2, USER, USER2, PAGES, HOLE /* nothing there */ };
static inline u64 shadow_at(enum shadow_page page, u32 offset) { return SHADOW + page * 0x1000ULL + offset; }
/* The quadword there, writable */
volatile u64 *shadow_alias(u64 at);
/* The entry that maps the page (flush afterwards) */
u64 *shadow_entry(enum shadow_page page);

#define TOKEN_AT 0xFF8 /* supervisor tokens of SUPER and SUPER2 */
#define TOP      shadow_at(SUPER, TOKEN_AT)
#define TOP2     shadow_at(SUPER2, TOKEN_AT)
#define USER_TOP shadow_at(USER, 0x800)

bool has_shstk(void), has_ibt(void);
/* Tables, handlers, CR4.CET; true when the processor has shadow stacks or tracking. */
bool cet_setup(void);
/* Everything as cet_setup() left it: tokens free, stacks zero, MSRs set, enables off. */
void cet_fresh(void);

/* What the last run left. */
extern u64 cet_ssp;                            /* SSP at the exception, or at the end of the piece of code */
extern u64 cet_s_cet;                          /* IA32_S_CET likewise */
extern u64 cet_rax, cet_rcx, cet_rdx, cet_rsp; /* and registers; RSP only at the end of the piece of code */
extern u64 cet_flags;                          /* likewise */
extern struct fault f;

/* Runs a piece of supervisor code with IA32_S_CET = s_cet; with shadow stacks SSP is at TOP, the token busy. It starts
 * with ENDBR64, has `arg` in RDI, may use RAX, RCX and RDX, and ends with "jmp cet_done". Gives the vector or NO_FAULT.
 */
int cet_run(const u8 *code, u64 s_cet, u64 arg);
#define PIECE(name, text) CODE(name, "endbr64\n" text "\njmp cet_done")
/* Runs a piece of user code with U_CET = u_cet, and S_CET = s_cet when it comes back to the supervisor; SSP is at
 * `ssp`. It ends with INT, so that the result is USER_END. */
#define USER_END          VEC_USER_RETURN
int cet_run_user(const u8 *code, u64 u_cet, u64 s_cet, u64 ssp, u64 arg);
#define USER_PIECE(name, text) CODE(name, "endbr64\n" text "\nint $0xf0")

/* The library's handlers behind entries that note and switch off; `code` NULL: so again */
void cet_vector(u8 vector, const u8 *code, u8 dpl, u8 ist);

#define check(good, name)                                                                                              \
    do {                                                                                                               \
        if (!ok(good, name))                                                                                           \
            diag("vector %d, error code %#llx, RIP %#llx, CR2 %#llx, SSP %#llx, S_CET %#llx", f.vector, f.error, f.ip, \
                 f.cr2, cet_ssp, cet_s_cet);                                                                           \
    } while (0)

#endif
