/* hvsim: chooses the sub-command. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frontends/cli/cli.h"
#include "sim/hvsim.h"

static const struct command {
    const char *name, *title;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", "boot an image and run it until it ends", cli_run},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

int cli_error(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs("hvsim: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return CLI_USAGE;
}

static int help(void) {
    puts("usage: hvsim COMMAND [ARGUMENTS]\n\n"
         "Runs x86 hypervisors, and their guests, on a simulated processor with Intel VMX or AMD SVM.\n\ncommands:");
    for (unsigned i = 0; i < COMMANDS; i++) printf("  %-8s %s\n", commands[i].name, commands[i].title);
    puts("\nhvsim COMMAND --help says more about a command, `man hvsim` about all.\n"
         "hvsim --version prints the version.");
    return CLI_OK;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) return help();
    if (!strcmp(name, "--version")) {
        printf("hvsim %s\n", hvsim_version());
        return CLI_OK;
    }
    for (unsigned i = 0; i < COMMANDS; i++)
        if (!strcmp(name, commands[i].name)) return commands[i].run(argc - 1, argv + 1);
    if (!*name) return cli_error("expected a command, found none; try `hvsim run IMAGE` or `hvsim --help`");
    return cli_error("'%s' is no command; try `hvsim run IMAGE` or `hvsim --help`", name);
}
