# Far transfers
$(eval $(call guest_image,transfers-protected,$(call guest_sources,transfers,protected.c),32))
