/* CPU models: look-up by name, +feature and -feature, the list for a user. */
#include "sim/core/model.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

_Static_assert(FEAT_COUNT <= 256, "feature numbers are kept in bytes");

const struct feature_row feature_rows[FEAT_COUNT] = {
    [FEAT_NONE] = {.name = ""},
#define FEATURE(id, leaf, sub, reg, bit, name) [FEAT_##id] = {name, leaf, sub, CPUID_##reg, bit},
#include "sim/arch/features.def"
#undef FEATURE
};

static const struct model_row *find_row(const char *name, size_t len) {
    for (unsigned k = 0; k < model_row_count; k++) {
        const char *n = model_rows[k].model.name;
        if (strlen(n) == len && !memcmp(n, name, len)) return &model_rows[k];
    }
    return NULL;
}

static enum feature find_feature(const char *name, size_t len) {
    for (unsigned f = FEAT_NONE + 1; f < FEAT_COUNT; f++)
        if (strlen(feature_rows[f].name) == len && !memcmp(feature_rows[f].name, name, len)) return (enum feature)f;
    return FEAT_NONE;
}

static void set_feature(struct cpu_model *m, enum feature f, bool on) {
    uint64_t bit = 1ull << (f % 64);
    if (on)
        m->features[f / 64] |= bit;
    else
        m->features[f / 64] &= ~bit;
}

/* ---- messages ---- */

/* How many single-letter edits apart two names are (Levenshtein), upper case and lower case being the same; long names
 * are cut at 31. */
static unsigned distance(const char *a, size_t na, const char *b) {
    unsigned row[32];
    size_t nb = strlen(b);
    if (na > 31) na = 31;
    if (nb > 31) nb = 31;
    for (unsigned j = 0; j <= nb; j++) row[j] = j;
    for (unsigned i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= nb; j++) {
            unsigned up = row[j], best = diagonal + (tolower((unsigned char)a[i - 1]) != b[j - 1]);
            if (up + 1 < best) best = up + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = up;
        }
    }
    return row[nb];
}

/* Near enough to be meant: two edits, of more letters than that, or the same beginning */
static bool is_near(const char *name, size_t len, const char *feature, unsigned d) {
    size_t same = 0;
    while (same < len && feature[same] && tolower((unsigned char)name[same]) == feature[same]) same++;
    return (d <= 2 && d < len) || same >= 3;
}

/* What other programs and manuals call them */
static const struct {
    const char *name, *ours;
} other_names[] = {
    {"cet",                "shstk, ibt"   },
    {"abm",                "lzcnt, popcnt"},
    {"xd",                 "nx"           },
    {"rdtsc",              "tsc"          },
    {"pse-36",             "pse36"        },
    {"ept",                "vmx"          },
    {"npt",                "svm"          },
    {"fma3",               "fma"          },
    {"tsc_deadline_timer", "tsc-deadline" },
};

/* Up to three features that may be meant, the nearest first, into text; empty: none. */
static void nearest_features(const char *name, size_t len, char *out, size_t size) {
    bool taken[FEAT_COUNT] = {false};
    out[0] = 0;
    for (unsigned k = 0; k < sizeof other_names / sizeof other_names[0]; k++)
        if (strlen(other_names[k].name) == len && !strncasecmp(other_names[k].name, name, len)) {
            snprintf(out, size, "%s", other_names[k].ours);
            return;
        }
    for (unsigned n = 0; n < 3; n++) {
        unsigned best = FEAT_NONE, best_d = ~0u;
        for (unsigned f = FEAT_NONE + 1; f < FEAT_COUNT; f++) {
            unsigned d = distance(name, len, feature_rows[f].name);
            if (taken[f] || d >= best_d) continue;
            if (!is_near(name, len, feature_rows[f].name, d)) continue;
            best = f;
            best_d = d;
        }
        if (best == FEAT_NONE) return;
        taken[best] = true;
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s", n ? ", " : "", feature_rows[best].name);
    }
}

static void unknown_model(const char *name, size_t len, char *err, unsigned err_size) {
    char names[256] = "";
    for (unsigned k = 0; k < model_row_count; k++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", k ? ", " : "", model_rows[k].model.name);
    }
    snprintf(err, err_size, "unknown CPU model '%.*s': choose one of %s", (int)len, name, names);
}

/* ---- parsing ---- */

static struct cpu_model *model_make(const struct model_row *row) {
    struct cpu_model *m = malloc(sizeof *m);
    if (!m) return NULL;
    *m = row->model;
    for (const uint8_t *f = row->features; *f != FEAT_NONE; f++) set_feature(m, (enum feature) * f, true);
    return m;
}

#define PHYS_BITS_MIN 36 /* of what the models have */

/* "phys-bits=N": fewer physical-address bits than the model has */
static bool apply_phys_bits(struct cpu_model *m, const char *digits, size_t len, char *err, unsigned err_size) {
    unsigned n = 0;
    for (size_t k = 0; k < len && k < 3; k++)
        n = digits[k] >= '0' && digits[k] <= '9' ? 10 * n + (digits[k] - '0') : 999;
    if (n < PHYS_BITS_MIN || n > m->phys_bits || len > 2) {
        snprintf(err, err_size, "phys-bits of CPU model %s: expected %d to %u, found '%.*s'", m->name, PHYS_BITS_MIN,
                 m->phys_bits, (int)len, digits);
        return false;
    }
    m->phys_bits = (uint8_t)n;
    return true;
}

/* One "+name", "-name" or "phys-bits=N" */
static bool apply(struct cpu_model *m, const char *item, size_t len, bool added[FEAT_COUNT], char *err,
                  unsigned err_size) {
    static const char phys_bits[] = "phys-bits=";
    const size_t head = sizeof phys_bits - 1;
    if (len > head && !strncmp(item, phys_bits, head))
        return apply_phys_bits(m, item + head, len - head, err, err_size);
    if (len < 2 || (item[0] != '+' && item[0] != '-')) {
        snprintf(err, err_size,
                 "'%.*s' in the CPU model: expected +FEATURE, -FEATURE or phys-bits=N, as in max-intel,-x2apic",
                 (int)len, item);
        return false;
    }
    enum feature f = find_feature(item + 1, len - 1);
    if (f == FEAT_NONE) {
        char near[128];
        nearest_features(item + 1, len - 1, near, sizeof near);
        snprintf(err, err_size, "unknown CPU feature '%.*s'%s%s%s `--cpu help` lists them", (int)len - 1, item + 1,
                 *near ? ": did you mean " : "", near, *near ? "?" : ";");
        return false;
    }
    if (item[0] == '+' && f == (m->vendor == VENDOR_INTEL ? FEAT_SVM : FEAT_VMX)) {
        snprintf(err, err_size, "CPU feature '%s' does not exist on %s processors: choose the model %s",
                 feature_rows[f].name, m->vendor == VENDOR_INTEL ? "Intel" : "AMD",
                 m->vendor == VENDOR_INTEL ? "max-amd" : "max-intel");
        return false;
    }
    set_feature(m, f, item[0] == '+');
    added[f] = item[0] == '+';
    return true;
}

/* Features that mean nothing without another one go with it. false, with the reason in err: one of them was asked for
 * (`added`). */
static bool drop_dependents(struct cpu_model *m, const bool added[FEAT_COUNT], char *err, unsigned err_size) {
    for (unsigned k = 0; k < feature_rule_count; k++) {
        enum feature f = (enum feature)feature_rules[k].feature, needs = (enum feature)feature_rules[k].needs;
        if (model_has(m, needs)) continue;
        if (added[f] && model_has(m, f)) {
            snprintf(err, err_size, "CPU feature '%s' needs '%s', which model %s does not have here: add +%s too",
                     feature_rows[f].name, feature_rows[needs].name, m->name, feature_rows[needs].name);
            return false;
        }
        set_feature(m, f, false);
    }
    if (!model_has(m, FEAT_LA57) && m->lin_bits > 48) m->lin_bits = 48;
    return true;
}

struct cpu_model *model_parse(const char *spec, char *err, unsigned err_size) {
    size_t len = strcspn(spec, ",");
    const struct model_row *row = find_row(spec, len);
    if (!row) {
        unknown_model(spec, len, err, err_size);
        return NULL;
    }
    struct cpu_model *m = model_make(row);
    if (!m) {
        snprintf(err, err_size, "out of memory for the CPU model");
        return NULL;
    }
    bool added[FEAT_COUNT] = {false};
    for (const char *p = spec + len; *p;) {
        p++; /* the comma */
        size_t n = strcspn(p, ",");
        if (!apply(m, p, n, added, err, err_size)) {
            model_free(m);
            return NULL;
        }
        p += n;
    }
    if (!drop_dependents(m, added, err, err_size)) {
        model_free(m);
        return NULL;
    }
    return m;
}

void model_free(struct cpu_model *m) { free(m); }

/* ---- lists ---- */

/* A feature, and in parentheses what it needs */
static void feature_text(enum feature f, bool needs, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "%s", feature_rows[f].name);
    bool first = true;
    for (unsigned k = 0; k < feature_rule_count && needs; k++) {
        if (feature_rules[k].feature != f) continue;
        used += (size_t)snprintf(out + used, size - used, "%s%s", first ? " (" : ", ",
                                 feature_rows[feature_rules[k].needs].name);
        first = false;
    }
    if (!first) snprintf(out + used, size - used, ")");
}

/* m: only what it has; NULL: every feature, with what it needs */
static void list_features(const struct cpu_model *m, FILE *out) {
    const char *const comma = m ? "" : ",";
    unsigned column = 0;
    for (unsigned f = FEAT_NONE + 1; f < FEAT_COUNT; f++) {
        char text[96];
        if (m && !model_has(m, (enum feature)f)) continue;
        feature_text((enum feature)f, !m, text, sizeof text);
        const unsigned len = (unsigned)(strlen(text) + 1 + strlen(comma));
        const bool wrap = !column || column + len > 80;
        fprintf(out, "%s%s %s", column ? comma : "", wrap ? "\n " : "", text);
        column = (wrap ? 1 : column) + len;
    }
    fprintf(out, "\n");
}

void model_list(FILE *out) {
    fprintf(out, "CPU models (--cpu NAME[,+FEATURE,-FEATURE...]); --cpu NAME,help lists the features of one:\n");
    for (unsigned k = 0; k < model_row_count; k++)
        fprintf(out, "  %-16s %s\n", model_rows[k].model.name, model_rows[k].model.title);
    fprintf(out, "Features, and in parentheses what a feature needs and goes with:");
    list_features(NULL, out);
}

void model_describe(const struct cpu_model *m, FILE *out) {
    fprintf(out,
            "%s: %s; family %XH, model %XH, stepping %u; physical addresses of %u bits, linear ones of %u\nFeatures:",
            m->name, m->title, m->family, m->model, m->stepping, m->phys_bits, m->lin_bits);
    list_features(m, out);
}
