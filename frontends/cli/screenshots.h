/* --screenshot FILE --at CONDITION: pictures taken without a window, at moments that are the same in every run. */
#ifndef HVSIM_CLI_SCREENSHOTS_H
#define HVSIM_CLI_SCREENSHOTS_H

#include "sim/hvsim.h"

#define MAX_SHOTS 32

enum shot_when { SHOT_AT_END, SHOT_AT_INSTRUCTIONS, SHOT_AT_TIME, SHOT_AT_TEXT, SHOT_AT_SERIAL };
struct shot {
    const char *path, *text;
    enum shot_when when;
    uint64_t number; /* instructions or nanoseconds */
    bool has_condition, due, done;
    char tail[256]; /* what came from the serial port last, as many bytes as the text has */
};
struct shots {
    hvsim *h;
    struct shot shot[MAX_SHOTS];
    unsigned count;
    uint64_t looked; /* virtual time at which the text screen was read last */
};

/* Options in the order of the command line; false: a message says what is wrong. */
bool shots_add(struct shots *s, const char *path);
bool shots_at(struct shots *s, const char *condition); /* for the file before it */

/* Around hvsim_run(): before it, pauses are asked for; after it, what is due is taken. */
void shots_prepare(struct shots *s);
void shots_take(struct shots *s);
void shots_end(struct shots *s); /* those at the end; conditions that never came are reported */
/* From the callbacks */
void shots_serve(struct shots *s);
void shots_serial(struct shots *s, uint8_t byte);

#endif
