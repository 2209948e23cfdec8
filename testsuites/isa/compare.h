/* Host against simulator: is it the same, and if not, what differs. */
#ifndef HVSIM_TEST_ISA_COMPARE_H
#define HVSIM_TEST_ISA_COMPARE_H

#include "testsuites/isa/isa.h"

enum verdict { SAME, DIFFERENT, NOT_THERE /* the simulator says #UD where the host executes */ };
enum verdict isa_compare(const struct isa_case *c, const struct isa_result *host, const struct isa_result *sim);
void isa_show(const struct isa_case *c, const struct isa_result *host, const struct isa_result *sim, bool chained);

#endif
