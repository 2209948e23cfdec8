/* The hypervisor's console: the first serial port. */
#ifndef DEMO_CONSOLE_H
#define DEMO_CONSOLE_H

void console_init(void);
void console_put(char c);
void print(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* Says why, then FAIL, and ends the run. */
_Noreturn void give_up(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* Ends the run. The value goes to the exit port of a simulator; 0 stands for success. */
_Noreturn void end_run(unsigned char value);

#endif
