/* Everything an image usually needs; vmx.h, svm.h and real.h are for those who want them. */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include "testsuites/guest/lib/console.h"
#include "testsuites/guest/lib/cpu.h"
#include "testsuites/guest/lib/desc.h"
#include "testsuites/guest/lib/irq.h"
#include "testsuites/guest/lib/memory.h"

/* The image's own part. */
void guest_main(void);

#endif
