# Instructions: privilege and existence, system instructions, string instructions across faults
insn_image = $(eval $(call guest_image,insn-$(1),$(call guest_sources,insn,$(1).c),64))
$(call insn_image,privilege)
$(call insn_image,system)
$(call insn_image,restart)
