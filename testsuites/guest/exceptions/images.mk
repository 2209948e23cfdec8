# Exceptions: delivery, debug exceptions
exceptions_image = $(eval $(call guest_image,exceptions-$(1),$(call guest_sources,exceptions,$(1).c),64))
$(call exceptions_image,delivery)
$(call exceptions_image,debug)
