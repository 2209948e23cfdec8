# Extended state: XCR0, the XSAVE family, IA32_XSS, what they gate
$(eval $(call guest_image,xsave,$(call guest_sources,xsave,main.c gates.c),64))
