/* Conditions of screenshots, and when they have come. */
#include "frontends/cli/screenshots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontends/cli/cli.h"
#include "frontends/cli/png.h"

#define SECOND      1000000000ull
#define LOOK_EVERY  1000000ull /* nanoseconds of virtual time */
#define SECONDS_MAX 1e9

bool shots_add(struct shots *s, const char *path) {
    if (s->count == MAX_SHOTS) {
        cli_error("--screenshot: at most %d can be given", MAX_SHOTS);
        return false;
    }
    s->shot[s->count++] = (struct shot){.path = path};
    return true;
}

static bool parse_count(const char *text, uint64_t *val) {
    char *end;
    errno = 0;
    *val = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *val;
}

static bool parse_seconds(const char *text, uint64_t *val) {
    char *end;
    double seconds = strtod(text, &end);
    if (*text < '0' || *text > '9' || *end || !(seconds > 0) || seconds > SECONDS_MAX) return false;
    *val = (uint64_t)(seconds * (double)SECOND);
    return *val > 0;
}

static bool parse_text(const char *text, const char **val) {
    *val = text;
    return *text && strlen(text) < sizeof((struct shot *)0)->tail;
}

static bool parse_condition(struct shot *shot, const char *name, size_t length, const char *value) {
    static const struct {
        const char *name;
        enum shot_when when;
    } names[] = {
        {"instructions", SHOT_AT_INSTRUCTIONS},
        {"time",         SHOT_AT_TIME        },
        {"text",         SHOT_AT_TEXT        },
        {"serial",       SHOT_AT_SERIAL      }
    };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i].name) != length || memcmp(names[i].name, name, length) != 0) continue;
        shot->when = names[i].when;
        if (shot->when == SHOT_AT_INSTRUCTIONS) return parse_count(value, &shot->number);
        if (shot->when == SHOT_AT_TIME) return parse_seconds(value, &shot->number);
        return parse_text(value, &shot->text);
    }
    return false;
}

bool shots_at(struct shots *s, const char *condition) {
    struct shot *shot = s->count ? &s->shot[s->count - 1] : NULL;
    if (!shot || shot->has_condition) {
        cli_error("--at: expected --screenshot FILE before it, and one condition for each file");
        return false;
    }
    const char *equals = strchr(condition, '=');
    shot->has_condition = true;
    if (!strcmp(condition, "end")) return true;
    if (equals && parse_condition(shot, condition, (size_t)(equals - condition), equals + 1)) return true;
    cli_error("--at: expected instructions=N, time=SECONDS, text=TEXT, serial=TEXT or end, found '%s'", condition);
    return false;
}

/* ---- while the machine runs ---- */

static bool waits(const struct shot *shot, enum shot_when when) {
    return shot->when == when && !shot->due && !shot->done;
}

/* The smallest number among those that wait for it; 0: none does. */
static uint64_t next(const struct shots *s, enum shot_when when) {
    uint64_t least = 0;
    for (unsigned i = 0; i < s->count; i++)
        if (waits(&s->shot[i], when) && (!least || s->shot[i].number < least)) least = s->shot[i].number;
    return least;
}

void shots_prepare(struct shots *s) { hvsim_pause_at(s->h, next(s, SHOT_AT_INSTRUCTIONS), next(s, SHOT_AT_TIME)); }

void shots_take(struct shots *s) {
    for (unsigned i = 0; i < s->count; i++) {
        struct shot *shot = &s->shot[i];
        if (waits(shot, SHOT_AT_INSTRUCTIONS) && hvsim_instructions(s->h) >= shot->number) shot->due = true;
        if (waits(shot, SHOT_AT_TIME) && hvsim_nanoseconds(s->h) >= shot->number) shot->due = true;
        if (!shot->due || shot->done) continue;
        png_save(s->h, shot->path);
        shot->done = true;
    }
}

static void look(struct shots *s) {
    const char *screen = NULL;
    for (unsigned i = 0; i < s->count; i++) {
        struct shot *shot = &s->shot[i];
        if (!waits(shot, SHOT_AT_TEXT)) continue;
        if (!screen) screen = hvsim_screen_text(s->h);
        if (!strstr(screen, shot->text)) continue;
        shot->due = true;
        hvsim_pause(s->h);
    }
}

void shots_end(struct shots *s) {
    look(s); /* the last text may be younger than the last look */
    shots_take(s);
    for (unsigned i = 0; i < s->count; i++) {
        struct shot *shot = &s->shot[i];
        if (shot->done) continue;
        if (shot->when == SHOT_AT_END)
            png_save(s->h, shot->path);
        else
            cli_error("%s was not made: the run ended before its condition was met", shot->path);
    }
}

void shots_serve(struct shots *s) {
    uint64_t now = hvsim_nanoseconds(s->h);
    if (now - s->looked < LOOK_EVERY && s->looked) return;
    s->looked = now;
    look(s);
}

void shots_serial(struct shots *s, uint8_t byte) {
    for (unsigned i = 0; i < s->count; i++) {
        struct shot *shot = &s->shot[i];
        if (!waits(shot, SHOT_AT_SERIAL)) continue;
        size_t n = strlen(shot->text);
        memmove(shot->tail, shot->tail + 1, n - 1);
        shot->tail[n - 1] = (char)byte;
        if (memcmp(shot->tail, shot->text, n) != 0) continue;
        shot->due = true;
        hvsim_pause(s->h);
    }
}
