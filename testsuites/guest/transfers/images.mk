# Far transfers
$(eval $(call guest_image,transfers-protected,$(call guest_sources,transfers,protected.c),32))
$(eval $(call guest_image,transfers-long,$(call guest_sources,transfers,long.c),64))
