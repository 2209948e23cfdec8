/* SDM 3, "Checks on Host-State Area". The rules are in check_host.def. */
#include "vmx/check_rows.h"

#define ROWS "vmx/check_host.def"
#include "vmx/check_table.inc"
const struct vmx_check_table vmx_checks_host = CHECK_TABLE;
