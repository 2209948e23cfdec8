/* SDM 3, "Checks on Guest Control Registers, Debug Registers, and MSRs". The rules are in check_guest.def. */
#include "vmx/check_rows.h"

#define ROWS "vmx/check_guest.def"
#include "vmx/check_table.inc"
const struct vmx_check_table vmx_checks_guest = CHECK_TABLE;
