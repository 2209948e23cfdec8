# Interrupt controllers; two processors
$(eval $(call guest_image,interrupts-controllers,$(call guest_sources,interrupts,controllers.c),64))
$(eval $(call guest_image,smp-ipi,$(call guest_sources,interrupts,smp.c),64))
