/* The layout of a VMCS region in memory: ours, documented in docs/vmcs-layout.md. */
#ifndef HVSIM_VMX_LAYOUT_H
#define HVSIM_VMX_LAYOUT_H

#include "vmx/fields.h"

#define VMCS_REVISION    0x48565332u /* bits 30:0; software writes it, VMXON and VMPTRLD compare it */
#define VMCS_REGION_SIZE 4096u

#define VMCS_OFF_REVISION 0
#define VMCS_OFF_ABORT    4
#define VMCS_OFF_STATUS   8  /* bit 0: launched */
#define VMCS_OFF_DATA     16 /* field n of enum vmcs_field at 16 + 8 * n, zero-extended */

_Static_assert(VMCS_OFF_DATA + 8 * F_COUNT <= VMCS_REGION_SIZE, "the data fits the region");

#define VMX_TIMER_RATE 0u /* the VMX-preemption timer counts down with the TSC (2^0 cycles) */

#endif
