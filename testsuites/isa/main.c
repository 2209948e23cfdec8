/* Compare user-mode instructions with the host processor: random instances of every row of the integer encoding table
 * and of every form of x87, MMX and vector instructions, in 64-bit and, where the kernel allows, compatibility mode.
 * Same seed, same cases. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "testsuites/isa/compare.h"
#include "testsuites/isa/forms.h"
#include "testsuites/isa/random.h"

#define BATCH          2000
#define RESERVED_SHARE 500 /* cases of reserved encodings for each case of a form */

struct options {
    unsigned count; /* comparisons per form */
    uint64_t seed;
    unsigned show; /* disagreements */
    const char *only[16];
    unsigned only_count;
    bool integer, vector, reserved;
    bool list, by_form, missing_ok, quick64;
};

struct tally {
    unsigned seen, wrong, missing;
    bool various; /* its cases have little in common: more than two are shown */
};

struct run {
    struct options o;
    struct isa_sim *sim;
    struct forms *forms;
    uint64_t features[HOST_FEATURE_WORDS];
    bool has32, amd;
    unsigned shown;
    uint64_t passed, failed, missing;
    unsigned queued;
    struct isa_case c[BATCH];
    struct isa_result host[BATCH], sim_result[BATCH];
    bool chained[BATCH];
    struct tally *tally[BATCH];
};

static void flush(struct run *r) {
    if (!r->queued) return;
    struct isa_native n;
    bool ok = isa_native_start(&n, r->c, r->queued);
    for (unsigned k = 0; ok && k < r->queued; k++) isa_sim_run(r->sim, &r->c[k], r->chained[k], &r->sim_result[k]);
    if (!ok || !isa_native_finish(&n, r->host)) {
        printf("1..0 # skip: cannot run test cases in a child process on this host\n");
        exit(0);
    }
    for (unsigned k = 0; k < r->queued; k++) {
        const struct isa_result *sim = &r->sim_result[k];
        struct tally *t = r->tally[k];
        t->seen++;
        enum verdict v = isa_compare(&r->c[k], &r->host[k], sim);
        if (v == DIFFERENT && !r->amd && known_difference(&r->c[k], &r->host[k], sim)) v = SAME;
        switch (v) {
        case SAME:
            r->passed++;
            continue;
        case NOT_THERE:
            r->missing++;
            t->missing++;
            if (r->o.missing_ok) continue;
            break;
        case DIFFERENT:
            r->failed++;
            t->wrong++;
            break;
        }
        if ((t->wrong + t->missing > 2 && !t->various) || r->shown >= r->o.show) continue;
        r->shown++;
        isa_show(&r->c[k], &r->host[k], sim, r->chained[k]);
    }
    r->queued = 0;
}

static struct isa_case *next_case(struct run *r, struct isa_random *rnd, struct tally *t, bool *mode32) {
    if (r->queued == BATCH) flush(r);
    uint64_t v = isa_rand(rnd);
    *mode32 = r->has32 && v % 3 == 0;
    r->chained[r->queued] = v >> 8 & 1;
    r->tally[r->queued] = t;
    return &r->c[r->queued];
}

/* ---- the two parts ---- */

static bool matches(const struct run *r, const char *name) {
    for (unsigned k = 0; k < r->o.only_count; k++)
        if (!fnmatch(r->o.only[k], name, FNM_CASEFOLD)) return true;
    return !r->o.only_count;
}

static bool row_exists(const struct run *r, unsigned row) {
    return isa_row_usable(row, false) || (r->has32 && isa_row_usable(row, true));
}

/* Row after row, those that --only names */
static void chosen_rows(struct run *r, struct isa_random *rnd, struct tally *t) {
    for (unsigned row = 0; row < isa_row_count(); row++)
        for (unsigned n = 0; matches(r, isa_row_name(row)) && row_exists(r, row) && n < r->o.count; n++) {
            bool mode32;
            struct isa_case *c = next_case(r, rnd, &t[row], &mode32);
            isa_generate_row(rnd, isa_row_usable(row, mode32) ? mode32 : !mode32, row, c);
            r->queued++;
        }
}

/* Any row, and pairs */
static void random_rows(struct run *r, struct isa_random *rnd, struct tally *t) {
    for (uint64_t n = (uint64_t)isa_row_count() * r->o.count; n > 0; n--) {
        bool mode32;
        struct isa_case *c = next_case(r, rnd, NULL, &mode32);
        if (isa_rand(rnd) & 7)
            isa_generate(rnd, mode32, c);
        else
            isa_generate_pair(rnd, mode32, c);
        r->tally[r->queued++] = &t[c->row];
    }
}

static void integer_part(struct run *r) {
    unsigned rows = isa_row_count(), all = 0, run = 0, bad = 0;
    struct isa_random rnd = {r->o.seed, r->amd};
    struct tally *t = calloc(rows, sizeof *t);
    if (!t) exit(1);
    if (r->o.only_count)
        chosen_rows(r, &rnd, t);
    else
        random_rows(r, &rnd, t);
    flush(r);
    for (unsigned k = 0; k < rows; k++) {
        bool wrong = t[k].wrong || t[k].missing;
        if (!matches(r, isa_row_name(k))) continue;
        all++;
        run += t[k].seen != 0;
        bad += wrong;
        if (!t[k].seen) printf("# never run: %s (not on this host)\n", isa_row_name(k));
        if (wrong) printf("# %s: %u of %u differ\n", isa_row_name(k), t[k].wrong + t[k].missing, t[k].seen);
    }
    printf("integer: %u of %u encoding rows run, %u with disagreements\n", run, all, bad);
    free(t);
}

static bool wanted(const struct run *r, const struct form *f) {
    char name[128];
    form_name(f, name, sizeof name);
    if (matches(r, name)) return true;
    name[strcspn(name, " ")] = 0;
    return matches(r, name);
}

/* Consecutive forms of one mnemonic in one line */
static void list_by_mnemonic(const struct run *r, const char *title, const bool *set) {
    unsigned column = 0, forms = 0;
    for (unsigned k = 0; k < r->forms->count; k++) forms += set[k];
    if (!forms) return;
    printf("# %s, %u forms:\n", title, forms);
    static bool told[ZYDIS_MNEMONIC_MAX_VALUE + 1];
    memset(told, 0, sizeof told);
    for (unsigned k = 0; k < r->forms->count; k++) {
        unsigned m = r->forms->form[k].mnemonic;
        if (!set[k] || told[m]) continue;
        told[m] = true;
        const char *s = ZydisMnemonicGetString((ZydisMnemonic)m);
        if (column + strlen(s) > 110) printf("\n"), column = 0;
        column += (unsigned)printf("%s%s", column ? " " : "#   ", s);
    }
    printf("\n");
}

/* A line per mnemonic and encoding, or (--by-form) per form */
static void list_disagreements(const struct run *r, const struct tally *t) {
    const struct forms *fs = r->forms;
    for (unsigned k = 0; k < fs->count;) {
        const struct form *f = &fs->form[k];
        struct tally sum = {0};
        unsigned forms = 0, bad = 0;
        char name[128];
        form_name(f, name, sizeof name);
        do {
            sum.seen += t[k].seen;
            sum.wrong += t[k].wrong;
            forms += t[k].seen != 0;
            bad += t[k].wrong != 0;
            k++;
        } while (!r->o.by_form && k < fs->count && fs->form[k].mnemonic == f->mnemonic &&
                 fs->form[k].encoding == f->encoding);
        if (!r->o.by_form) name[strcspn(name, " ")] = 0;
        if (r->o.by_form && sum.seen) printf("# %s: %u run, %u differ\n", name, sum.seen, sum.wrong);
        if (!r->o.by_form && bad)
            printf("# %s (%s): %u of %u differ, in %u of %u forms\n", name, encoding_name(f), sum.wrong, sum.seen, bad,
                   forms);
    }
}

static void report(const struct run *r, const struct tally *t) {
    const struct forms *fs = r->forms;
    bool *absent = calloc(fs->count, 1), *missing = calloc(fs->count, 1), *never = calloc(fs->count, 1);
    if (!absent || !missing || !never) exit(1);
    unsigned run = 0, bad = 0, gone = 0, lacking = 0, all = 0;
    list_disagreements(r, t);
    for (unsigned k = 0; k < fs->count; k++) {
        const struct form *f = &fs->form[k];
        if (!wanted(r, f)) continue;
        all++;
        absent[k] = !f->on_host;
        gone += absent[k];
        run += t[k].seen != 0;
        never[k] = f->on_host && !t[k].seen;
        missing[k] = t[k].missing != 0;
        lacking += missing[k];
        bad += t[k].wrong != 0;
    }
    list_by_mnemonic(r, "not on this host", absent);
    list_by_mnemonic(r, "no case could be made", never);
    list_by_mnemonic(r, "not in the simulator (#UD)", missing);
    printf("x87 and vectors: %u of %u forms run, %u with disagreements, %u not in the simulator; %u not on this host\n",
           run, all, bad, lacking, gone);
    free(absent);
    free(missing);
    free(never);
}

static void vector_part(struct run *r) {
    const struct forms *fs = r->forms;
    struct tally *t = calloc(fs->count, sizeof *t);
    if (!t) exit(1);
    for (unsigned k = 0; k < fs->count; k++) {
        const struct form *f = &fs->form[k];
        struct isa_random rnd = {r->o.seed * 0x9E3779B97F4A7C15ull + (uint64_t)k * 0xD1B54A32D192ED03ull, r->amd};
        if (!wanted(r, f)) continue;
        for (unsigned n = 0; f->on_host && n < r->o.count; n++) {
            bool mode32;
            struct isa_case *c = next_case(r, &rnd, &t[k], &mode32);
            if (!form_generate(&rnd, f, mode32, c) && !(mode32 && form_generate(&rnd, f, false, c))) continue;
            r->queued++;
        }
    }
    flush(r);
    report(r, t);
    free(t);
}

static void reserved_part(struct run *r) {
    struct isa_random rnd = {r->o.seed, r->amd};
    struct tally t = {.various = true};
    for (uint64_t n = (uint64_t)RESERVED_SHARE * r->o.count; n > 0; n--) {
        bool mode32;
        struct isa_case *c = next_case(r, &rnd, &t, &mode32);
        reserved_generate(&rnd, r->features, r->amd, mode32, c);
        r->queued++;
    }
    flush(r);
    printf("random encodings, reserved ones and vector instructions: %u run, %u with disagreements\n", t.seen,
           t.wrong + t.missing);
}

/* ---- names ---- */

static unsigned count_rows(const struct run *r) {
    unsigned n = 0;
    for (unsigned k = 0; k < isa_row_count(); k++) n += matches(r, isa_row_name(k));
    return n;
}
static unsigned count_forms(const struct run *r) {
    unsigned n = 0;
    for (unsigned k = 0; k < r->forms->count; k++) n += wanted(r, &r->forms->form[k]);
    return n;
}

static void list(const struct run *r) {
    for (unsigned k = 0; k < isa_row_count() && r->o.integer; k++)
        if (matches(r, isa_row_name(k)) && !(k && !strcmp(isa_row_name(k), isa_row_name(k - 1))))
            printf("%s%s\n", isa_row_name(k), row_exists(r, k) ? "" : "  (not on this host)");
    for (unsigned k = 0; k < r->forms->count && r->o.vector; k++) {
        const struct form *f = &r->forms->form[k];
        char name[128];
        form_name(f, name, sizeof name);
        if (wanted(r, f)) printf("%s%s\n", name, f->on_host ? "" : "  (not on this host)");
    }
}

/* ---- options ---- */

static void print_usage(FILE *out) {
    fprintf(out,
            "usage: test-isa [--count N] [--seed N] [--show N] [--only PATTERN] [--integer] [--vector] [--reserved]\n"
            "                [--list] [--by-form] [--missing-ok] [--64]\n"
            "  --count N       comparisons per form, 1 or more (default 100)\n"
            "  --seed N        another seed, other cases (default 1)\n"
            "  --show N        show so many disagreements (default 10)\n"
            "  --only PATTERN  forms and rows whose mnemonic or name matches, as in 'VPADD*' or '*EVEX*{z}*'; up to 16 "
            "times\n"
            "  --integer, --vector, --reserved\n"
            "                  only the integer instructions; x87 and vectors; encodings that are no instruction\n"
            "  --list          print the names and run nothing\n"
            "  --by-form       report every form with its number of cases\n"
            "  --missing-ok    instructions that the simulator does not have are no failure\n"
            "  --64            64-bit mode only\n"
            "exit status: 0 no disagreement, 1 some, 2 bad usage\n");
}
static void usage(const char *what) {
    fprintf(stderr, "test-isa: %s\n", what);
    print_usage(stderr);
    exit(2);
}

static uint64_t number_after(int argc, char **argv, int *k, uint64_t min) {
    char *end = NULL, what[96];
    const char *option = argv[*k], *text = *k + 1 < argc ? argv[++*k] : "";
    uint64_t v = strtoull(text, &end, 0);
    snprintf(what, sizeof what, "%s: expected a number from %llu on, found '%.32s'", option, (unsigned long long)min,
             text);
    if (*text < '0' || *text > '9' || *end || v < min) usage(what);
    return v;
}

static struct options parse(int argc, char **argv) {
    struct options o = {.count = 100, .seed = 1, .show = 10};
    for (int k = 1; k < argc; k++) {
        const char *a = argv[k];
        if (!strcmp(a, "--help") || !strcmp(a, "-h")) {
            print_usage(stdout);
            exit(0);
        }
        if (!strcmp(a, "--count"))
            o.count = (unsigned)number_after(argc, argv, &k, 1);
        else if (!strcmp(a, "--seed"))
            o.seed = number_after(argc, argv, &k, 0);
        else if (!strcmp(a, "--show"))
            o.show = (unsigned)number_after(argc, argv, &k, 0);
        else if (!strcmp(a, "--only") && k + 1 < argc && o.only_count < 16)
            o.only[o.only_count++] = argv[++k];
        else if (!strcmp(a, "--integer"))
            o.integer = true;
        else if (!strcmp(a, "--vector"))
            o.vector = true;
        else if (!strcmp(a, "--reserved"))
            o.reserved = true;
        else if (!strcmp(a, "--list"))
            o.list = true;
        else if (!strcmp(a, "--by-form"))
            o.by_form = true;
        else if (!strcmp(a, "--missing-ok"))
            o.missing_ok = true;
        else if (!strcmp(a, "--64"))
            o.quick64 = true;
        else
            usage("unknown option, or no argument to the last one");
    }
    if (o.only_count && o.reserved) usage("--only names instructions, --reserved has none");
    if (!o.integer && !o.vector && !o.reserved) {
        o.integer = o.vector = true;
        o.reserved = !o.only_count;
    }
    return o;
}

/* With --only, the parts that have something of it */
static void choose_parts(struct run *r) {
    if (!r->o.only_count) return;
    r->o.integer &= count_rows(r) != 0;
    r->o.vector &= count_forms(r) != 0;
    if (!r->o.integer && !r->o.vector) usage("--only: nothing has such a name; --list shows all");
}

int main(int argc, char **argv) {
    static struct run r;
    char err[256], model[1024];
    r.o = parse(argc, argv);
    r.amd = host_is_amd();
    host_features(r.features);
    host_model(r.features, r.amd, model, sizeof model);
    r.sim = isa_sim_create(model, isa_xstate_mask(), err, sizeof err);
    r.forms = forms_enumerate(r.features, r.amd);
    if (!r.sim || !r.forms) {
        fprintf(stderr, "test-isa: %s\n", r.sim ? "out of memory" : err);
        return 1;
    }
    isa_detect_host();
    r.has32 = !r.o.quick64 && isa_native_has32();
    choose_parts(&r);
    if (r.o.list) {
        list(&r);
        return 0;
    }
    if (!r.has32)
        printf("# 64-bit mode only%s\n", r.o.quick64 ? "" : ": this host gives processes no 32-bit code segment");
    if (r.o.integer) integer_part(&r);
    if (r.o.vector) vector_part(&r);
    if (r.o.reserved) reserved_part(&r);
    printf("%llu passed, %llu failed, %llu not in the simulator\n", (unsigned long long)r.passed,
           (unsigned long long)r.failed, (unsigned long long)r.missing);
    bool ok = !r.failed && (r.o.missing_ok || !r.missing);
    forms_free(r.forms);
    isa_sim_destroy(r.sim);
    return ok ? 0 : 1;
}
