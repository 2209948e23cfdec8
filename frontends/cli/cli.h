/* The hvsim command: one file per sub-command. */
#ifndef HVSIM_CLI_CLI_H
#define HVSIM_CLI_CLI_H

#include "sim/hvsim.h"

/* Exit statuses. The exit port gives odd ones, (value << 1) | 1, so ours are even. */
enum cli_status {
    CLI_OK = 0,    /* help was printed; the guest switched the power off */
    CLI_USAGE = 2, /* bad usage, or an image that cannot be loaded */
    CLI_TRIPLE_FAULT = 4,
    CLI_RESET = 6,
    CLI_IDLE = 8,          /* every processor is halted and nothing can wake it */
    CLI_INSTRUCTIONS = 10, /* --max-instructions */
    CLI_TIMEOUT = 12,
    CLI_INTERRUPTED = 14, /* SIGINT, SIGTERM */
};

/* "hvsim: ..." on standard error; returns CLI_USAGE. */
int cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* FILE[,if=...][,media=...][,format=...]: cuts `text`, which the drive refers to. */
bool cli_parse_drive(char *text, bool cdrom, struct hvsim_drive *drive);

/* Decides how it starts, by what the image is: changes the configuration and the image. */
struct cli_start {
    struct hvsim_config *config;
    struct hvsim_image *image;
    struct hvsim_drive *drives; /* HVSIM_MAX_DRIVES, config->drive_count used */
    char cpu[256];              /* for the processor's name */
};
bool cli_choose_start(struct cli_start *s);

/* What a text screen shows, on standard error: nobody may have seen it. */
void cli_tell_screen(hvsim *h);

int cli_run(int argc, char **argv); /* argv[0] is "run" */

#endif
