# Paging: access rights, the rest of 4-level paging
$(eval $(call guest_image,paging-rights,$(call guest_sources,paging,rights.c),64))
$(eval $(call guest_image,paging-levels,$(call guest_sources,paging,levels.c),64))
$(eval $(call guest_image,paging-legacy,$(call guest_sources,paging,legacy.c),32))
$(eval $(call guest_image,paging-five,$(call guest_sources,paging,five.c),64))
