# Control-flow enforcement
CET64 := $(call guest_sources,cet,common.c entry64.S)
$(eval $(call guest_image,cet-shstk,$(call guest_sources,cet,shstk.c) $(CET64),64))
$(eval $(call guest_image,cet-transfers,$(call guest_sources,cet,transfers.c) $(CET64),64))
$(eval $(call guest_image,cet-ibt,$(call guest_sources,cet,ibt.c) $(CET64),64))
$(eval $(call guest_image,cet-legacy,$(call guest_sources,cet,legacy.c),32))
$(eval $(call guest_image,vmx-cet,$(call guest_sources,cet,vmx.c) $(call guest_sources,vmx,common.c) $(CET64),64))
$(eval $(call guest_image,svm-cet,$(call guest_sources,cet,svm.c) $(call guest_sources,svm,common.c) $(CET64),64))
