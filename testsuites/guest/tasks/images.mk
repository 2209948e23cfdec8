# Hardware task switches
$(eval $(call guest_image,tasks-switch,$(call guest_sources,tasks,switch.c),32))
