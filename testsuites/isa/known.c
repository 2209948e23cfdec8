/* Where host and simulator may differ, and why: what the manuals leave undefined, and where this host leaves them. */
#include "testsuites/isa/forms.h"

/* VPERMQ and VPERMPD are VEX.256.66.0F3A.W1 (SDM 2 "VPERMQ", APM 4 "VPERMQ"); processors of AMD ignore W. */
static bool is_vpermq_w0(const uint8_t *p) {
    return p[0] == 0xC4 && (p[1] & 0x1F) == 3 && p[2] == 0x7D && (p[3] & 0xFE) == 0;
}

bool known_to_execute(const struct isa_case *c) { return is_vpermq_w0(c->code); }
