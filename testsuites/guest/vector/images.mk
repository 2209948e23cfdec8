# Instructions that only AMD's older processors have
$(eval $(call guest_image,oldamd,$(call guest_sources,vector,oldamd.c oldamd_code.S),64))
# What user mode cannot show of x87 and vector instructions
$(eval $(call guest_image,vector-exceptions,$(call guest_sources,vector,exceptions.c),64))
$(eval $(call guest_image,vector-memory,$(call guest_sources,vector,memory.c),64))
$(eval $(call guest_image,vector-debug,$(call guest_sources,vector,debug.c),64))
$(eval $(call guest_image,vector-modes,$(call guest_sources,vector,modes.c modes16.S) \
    $(call guest_sources,modes16,v86_code.S),32))
