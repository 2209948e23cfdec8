/* The one source of interrupts: channel 0 of the 8254 timer, through the 8259 interrupt controller. */
#ifndef DEMO_TIMER_H
#define DEMO_TIMER_H

#include <stdbool.h>
#include <stdint.h>

enum { TIMER_VECTOR = 0x20, TIMER_MILLISECONDS = 5 };

void timer_init(void);

/* One interrupt, TIMER_MILLISECONDS from now. */
void timer_start(void);

/* Whether an interrupt is still to come. */
bool timer_running(void);

/* Interrupts taken so far. Only the handler changes it, so read it again after letting interrupts in. */
uint64_t timer_ticks(void);

#endif
