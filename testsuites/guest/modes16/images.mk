# Real mode, virtual-8086 mode
$(eval $(call guest_image,modes-real,$(call guest_sources,modes16,real.c real_code.S),32))
$(eval $(call guest_image,modes-v86,$(call guest_sources,modes16,v86.c v86_code.S),32))
