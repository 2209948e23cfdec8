# x87: reporting of exceptions, state images in memory
$(eval $(call guest_image,x87,$(call guest_sources,x87,main.c),32))
