# VMX: instructions, entry checks, exits, events, EPT, TPR shadow and APIC-access page
vmx_image = $(eval $(call guest_image,vmx-$(1),$(call guest_sources,vmx,$(1).c common.c $(2)),64))
$(call vmx_image,instructions)
$(call vmx_image,controls,checks.c)
$(call vmx_image,host,checks.c)
$(call vmx_image,guest-state,checks.c)
$(call vmx_image,exits)
$(call vmx_image,access)
$(call vmx_image,events)
