/* Decodes a large generated set of byte strings with decode() and with Capstone, and explains every disagreement in
 * length or mnemonic by a named row of gaps[]. A disagreement that no row explains fails the test, and so does a row
 * that explains nothing. The set is the same on every run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <capstone/capstone.h>

#include "decoder/decoder.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BYTES    18 /* more than the longest instruction, so that nothing is cut off */

/* --- one byte string and what both made of it --- */

enum { M16 = 1 << MODE_CODE16, M32 = 1 << MODE_CODE32, M64 = 1 << MODE_CODE64 };
enum prefix_bits {
    P_66 = 1 << 0,
    P_67 = 1 << 1,
    P_F2 = 1 << 2,
    P_F3 = 1 << 3,
    P_LOCK = 1 << 4,
    P_SEG = 1 << 5,
    P_REX = 1 << 6,
    P_REXW = 1 << 7, /* in the REX that counts: the last byte before the opcode */
    P_REXR = 1 << 8,
    P_REP = P_F2 | P_F3,
};
enum verdict { AGREE, ONLY_OURS, ONLY_THEIRS, OTHER_LENGTH, OTHER_NAME };

struct sample {
    uint8_t bytes[BYTES];
    unsigned mode;     /* MODE_CODE16, 32 or 64 */
    unsigned prefixes; /* enum prefix_bits */
    char map;          /* '1' one byte, '2' 0F, '8' 0F 38, 'A' 0F 3A, 'V' VEX, EVEX or XOP */
    uint8_t opcode;
    struct insn ours;
    unsigned our_len, their_len; /* 0: no instruction */
    char theirs[CS_MNEMONIC_SIZE];
    enum verdict verdict;
};

static bool is_rex(const struct sample *s, uint8_t b) { return s->mode == MODE_CODE64 && (b & 0xF0) == 0x40; }

static unsigned prefix_bit(const struct sample *s, uint8_t b) {
    switch (b) {
    case 0x66:
        return P_66;
    case 0x67:
        return P_67;
    case 0xF2:
        return P_F2;
    case 0xF3:
        return P_F3;
    case 0xF0:
        return P_LOCK;
    case 0x26:
    case 0x2E:
    case 0x36:
    case 0x3E:
    case 0x64:
    case 0x65:
        return P_SEG;
    default:
        return is_rex(s, b) ? P_REX : 0;
    }
}

static void take_apart(struct sample *s) {
    const uint8_t *b = s->bytes;
    unsigned n = 0, bit;

    s->prefixes = 0;
    while (n < 14 && (bit = prefix_bit(s, b[n])) != 0) {
        s->prefixes |= bit;
        n++;
    }
    if (n && is_rex(s, b[n - 1])) s->prefixes |= (b[n - 1] & 8 ? P_REXW : 0) | (b[n - 1] & 4 ? P_REXR : 0);
    b += n;
    bool c4_c5_62 = (b[0] == 0xC4 || b[0] == 0xC5 || b[0] == 0x62) && (s->mode == MODE_CODE64 || b[1] >= 0xC0);
    bool xop = b[0] == 0x8F && (b[1] & 0x38) != 0;
    if (c4_c5_62 || xop) {
        s->map = 'V', s->opcode = b[0];
    } else if (b[0] != 0x0F) {
        s->map = '1', s->opcode = b[0];
    } else if (b[1] == 0x38 || b[1] == 0x3A) {
        s->map = b[1] == 0x38 ? '8' : 'A', s->opcode = b[2];
    } else {
        s->map = '2', s->opcode = b[1];
    }
}

/* --- names --- */

static const struct {
    const char *capstone, *ours;
} synonyms[] = {
    {"ja",     "JNBE"         },
    {"jae",    "JNB"          },
    {"je",     "JZ"           },
    {"jne",    "JNZ"          },
    {"jg",     "JNLE"         },
    {"jge",    "JNL"          },
    {"seta",   "SETNBE"       },
    {"setae",  "SETNB"        },
    {"sete",   "SETZ"         },
    {"setne",  "SETNZ"        },
    {"setg",   "SETNLE"       },
    {"setge",  "SETNL"        },
    {"cmova",  "CMOVNBE"      },
    {"cmovae", "CMOVNB"       },
    {"cmove",  "CMOVZ"        },
    {"cmovne", "CMOVNZ"       },
    {"cmovg",  "CMOVNLE"      },
    {"cmovge", "CMOVNL"       },
    {"sal",    "SHL"          },
    {"ljmp",   "JMP_FAR"      },
    {"lcall",  "CALL_FAR"     },
    {"retf",   "RET_FAR"      },
    {"retfq",  "RET_FAR"      },
    {"movabs", "MOV"          },
    {"xlatb",  "XLAT"         },
    {"wait",   "FWAIT"        },
    {"fsetpm", "FSETPM287_NOP"},
    {"pushaw", "PUSHA"        },
    {"pushal", "PUSHAD"       },
    {"popaw",  "POPA"         },
    {"popal",  "POPAD"        },
    {"mov",    "MOV_TO_SEG"   },
    {"push",   "PUSH_SEG"     },
    {"mov",    "MOV_FROM_SEG" },
    {"mov",    "MOV_TO_CR"    },
    {"mov",    "MOV_FROM_CR"  },
    {"pop",    "POP_SEG"      },
    {"mov",    "MOV_TO_DR"    },
    {"mov",    "MOV_FROM_DR"  },
};

static void to_upper(const char *from, char *to, size_t size) {
    size_t n = 0;
    for (; from[n] && n + 1 < size; n++) to[n] = from[n] >= 'a' && from[n] <= 'z' ? (char)(from[n] - 32) : from[n];
    to[n] = '\0';
}

/* Vector instructions: Capstone names many by an immediate or a wrong prefix (their forms are compared with the host in
 * testsuites/isa/); here the name must only be no other instruction's. The names of string moves are shared with SSE2.
 */
static bool fits_class(const char *upper) {
    if (strcmp(upper, "MOVSD") == 0 || strcmp(upper, "CMPSD") == 0) return true;
    for (unsigned id = INSN_INVALID + 1; id < INSN_VEC_FIRST; id++)
        if (strcmp(upper, insn_name((enum insn_id)id)) == 0) return false;
    return true;
}

static bool names_class(const char *theirs) {
    char upper[CS_MNEMONIC_SIZE];
    to_upper(theirs, upper, sizeof(upper));
    return fits_class(upper);
}

static bool same_name(const char *theirs, enum insn_id id) {
    char upper[CS_MNEMONIC_SIZE];
    to_upper(theirs, upper, sizeof(upper));
    if (id >= INSN_VEC_FIRST) return fits_class(upper);
    if (strcmp(upper, insn_name(id)) == 0) return true;
    for (size_t k = 0; k < COUNT(synonyms); k++)
        if (strcmp(theirs, synonyms[k].capstone) == 0 && strcmp(insn_name(id), synonyms[k].ours) == 0) return true;
    return false;
}

/* `name` among the words of `list`; a word that ends in * stands for all names that begin so. */
static bool in_list(const char *list, const char *name) {
    while (*list) {
        size_t n = strcspn(list, " ");
        if (n && list[n - 1] == '*' ? strncmp(list, name, n - 1) == 0 : strlen(name) == n && !strncmp(list, name, n))
            return true;
        list += n;
        list += strspn(list, " ");
    }
    return false;
}

/* --- the gaps --- */

struct gap {
    const char *name, *reason;
    enum verdict verdict;
    const char *maps;    /* which opcode maps; NULL any */
    uint8_t first, last; /* opcodes, when maps is set */
    unsigned modes;      /* 0 any */
    unsigned needs;      /* all of these prefixes */
    unsigned needs_any;  /* and one of these */
    const char *ours;    /* our names, NULL any */
    const char *theirs;  /* Capstone's names, NULL any */
    bool class_only;     /* Capstone's is not an integer instruction */
};

#define NEAR_BRANCHES "CALL JMP JO JNO JB JNB JZ JNZ JBE JNBE JS JNS JP JNP JL JNL JLE JNLE RET"

static const struct gap gaps[] = {
#include "decoder_capstone_gaps.inc"
};

static bool explains(const struct gap *g, const struct sample *s) {
    if (g->verdict != s->verdict) return false;
    if (g->maps && (!strchr(g->maps, s->map) || s->opcode < g->first || s->opcode > g->last)) return false;
    if (g->modes && !(g->modes & 1u << s->mode)) return false;
    if ((s->prefixes & g->needs) != g->needs) return false;
    if (g->needs_any && !(s->prefixes & g->needs_any)) return false;
    if (g->class_only && !names_class(s->theirs)) return false;
    if (g->ours && !in_list(g->ours, insn_name((enum insn_id)s->ours.id))) return false;
    return !g->theirs || in_list(g->theirs, s->theirs);
}

/* --- comparing --- */

struct run {
    csh capstone[3];
    cs_insn *insn;
    unsigned long total, disagreements, unexplained, explained[COUNT(gaps)];
};

static enum verdict judge(const struct sample *s) {
    if (s->our_len == 0 && s->their_len == 0) return AGREE;
    if (s->their_len == 0) return ONLY_OURS;
    if (s->our_len == 0) return ONLY_THEIRS;
    if (s->our_len != s->their_len) return OTHER_LENGTH;
    return same_name(s->theirs, (enum insn_id)s->ours.id) ? AGREE : OTHER_NAME;
}

static void report(const struct sample *s) {
    printf("unexplained: %u-bit", 16u << s->mode);
    for (unsigned k = 0; k < 15; k++) printf(" %02x", s->bytes[k]);
    printf(": hvsim %s %u bytes, Capstone %s %u bytes\n", insn_name((enum insn_id)s->ours.id), s->our_len,
           s->their_len ? s->theirs : "(bad)", s->their_len);
}

static void explain(struct run *r, const struct sample *s) {
    r->disagreements++;
    for (size_t k = 0; k < COUNT(gaps); k++) {
        if (!explains(&gaps[k], s)) continue;
        r->explained[k]++;
        return;
    }
    if (r->unexplained++ < 40) report(s);
}

static void compare(struct run *r, const uint8_t *bytes, unsigned mode) {
    static const struct decode_features features = {.lzcnt = true, .bmi1 = true, .cldemote = true, .wbnoinvd = true};
    struct sample s = {.mode = mode};
    const uint8_t *at = s.bytes;
    size_t size = 15; /* Capstone would go beyond */
    uint64_t address = 0;

    memcpy(s.bytes, bytes, BYTES);
    if (decode(s.bytes, BYTES, mode | MODE_PROT | (mode == MODE_CODE64 ? MODE_LMA : 0), 0, &features, &s.ours) ==
        DECODE_OK)
        s.our_len = s.ours.len;
    if (cs_disasm_iter(r->capstone[mode], &at, &size, &address, r->insn)) {
        const char *word = strrchr(r->insn->mnemonic, ' '); /* the words before it are prefixes */
        s.their_len = r->insn->size;
        snprintf(s.theirs, sizeof(s.theirs), "%s", word ? word + 1 : r->insn->mnemonic);
    }
    r->total++;
    s.verdict = judge(&s);
    if (s.verdict == AGREE) return;
    take_apart(&s);
    explain(r, &s);
}

/* --- generating --- */

static uint32_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

static void finish(struct run *r, uint8_t *bytes, unsigned n, unsigned mode, uint64_t *random) {
    while (n < BYTES) bytes[n++] = (uint8_t)next_random(random);
    compare(r, bytes, mode);
}

static const char *const prefix_sets[] = {
    "",         "\x66",     "\xF2",     "\xF3",     "\x67",     "\x2E",     "\x65",     "\xF0",
    "\x66\xF2", "\x66\xF3", "\xF2\x66", "\xF3\x66", "\xF0\x66", "\x66\x67", "\x48",     "\x41",
    "\x44",     "\x4F",     "\x66\x48", "\xF3\x48", "\xF2\x48", "\xF0\x48", "\x48\x66", "\x66\xF3\x48",
};

/* Every opcode of the maps 1 byte, 0F, 0F 38, 0F 3A behind each set of prefixes; ModRM in steps. */
static void all_opcodes(struct run *r, unsigned mode, const char *prefixes, unsigned modrm_step, uint64_t *random) {
    static const char *const escapes[] = {"", "\x0F", "\x0F\x38", "\x0F\x3A"};
    for (unsigned map = 0; map < COUNT(escapes); map++) {
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            for (unsigned modrm = 0; modrm < 256; modrm += modrm_step) {
                uint8_t bytes[BYTES];
                unsigned n = (unsigned)snprintf((char *)bytes, BYTES, "%s%s", prefixes, escapes[map]);
                bytes[n++] = (uint8_t)opcode;
                bytes[n++] = (uint8_t)modrm;
                finish(r, bytes, n, mode, random);
            }
        }
    }
}

/* VEX: each map and opcode with W and L, all of pp. */
static void all_vex(struct run *r, unsigned mode, uint64_t *random) {
    for (unsigned map = 1; map <= 3; map++) {
        for (unsigned last = 0; last < 256; last += 4) { /* W vvvv L; pp below */
            for (unsigned opcode = 0; opcode < 256; opcode += (map == 2 && last % 32 == 0) ? 1 : 7) {
                uint8_t bytes[BYTES] = {0xC4, (uint8_t)(0xE0 | map), (uint8_t)(last | (next_random(random) & 3))};
                bytes[3] = (uint8_t)opcode;
                finish(r, bytes, 4, mode, random);
            }
        }
    }
}

static void random_bytes(struct run *r, unsigned mode, unsigned count, uint64_t *random) {
    static const uint8_t prefixes[] = {0x66, 0x67, 0xF2, 0xF3, 0xF0, 0x2E, 0x64, 0x48, 0x41, 0x4D};
    while (count--) {
        uint8_t bytes[BYTES];
        unsigned n = 0, wanted = next_random(random) % 5;
        while (n < wanted) bytes[n++] = prefixes[next_random(random) % COUNT(prefixes)];
        if (next_random(random) & 1) bytes[n++] = 0x0F;
        finish(r, bytes, n, mode, random);
    }
}

static void generate(struct run *r) {
    uint64_t random = 0x9E3779B97F4A7C15;
    for (unsigned mode = MODE_CODE16; mode <= MODE_CODE64; mode++) {
        for (size_t p = 0; p < COUNT(prefix_sets); p++) all_opcodes(r, mode, prefix_sets[p], p ? 5 : 1, &random);
        all_vex(r, mode, &random);
        random_bytes(r, mode, 300000, &random);
    }
}

static void test_decoder_generated_bytes_agree_with_capstone(void **state) {
    static const cs_mode modes[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    struct run r = {0};
    unsigned stale = 0;
    (void)state;

    for (unsigned m = 0; m < COUNT(modes); m++)
        assert_int_equal(cs_open(CS_ARCH_X86, modes[m], &r.capstone[m]), CS_ERR_OK);
    r.insn = cs_malloc(r.capstone[0]);
    assert_non_null(r.insn);
    generate(&r);
    cs_free(r.insn, 1);
    for (unsigned m = 0; m < COUNT(modes); m++) cs_close(&r.capstone[m]);

    printf("%lu byte strings, %lu disagreements (%.2f%%), by reason:\n", r.total, r.disagreements,
           100.0 * (double)r.disagreements / (double)r.total);
    for (size_t k = 0; k < COUNT(gaps); k++) {
        printf("%8lu %7.3f%%  %-28s %s\n", r.explained[k], 100.0 * (double)r.explained[k] / (double)r.disagreements,
               gaps[k].name, gaps[k].reason);
        if (r.explained[k] == 0) stale++;
    }
    printf("%8lu           unexplained\n", r.unexplained);
    assert_int_equal(r.unexplained, 0);
    assert_int_equal(stale, 0); /* a row that explains nothing */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoder_generated_bytes_agree_with_capstone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
