/* The last text screen of a run that did not end well: firmware and boot loaders say there, and nowhere else, why. */
#include <stdio.h>
#include <string.h>

#include "frontends/cli/cli.h"

void cli_tell_screen(hvsim *h) {
    const char *text = hvsim_screen_text(h);
    size_t blank = strspn(text, "\n");
    if (!text[blank]) return;
    fputs("the screen shows:\n", stderr);
    for (const char *line = text + blank; *line;) {
        size_t n = strcspn(line, "\n");
        if (n) fprintf(stderr, "  | %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}
