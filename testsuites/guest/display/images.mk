# The display adapter: pictures in several modes, compared with pictures computed by a script; a window with its input
$(eval $(call guest_image,display-modes,$(call guest_sources,display,modes.c),32))
$(eval $(call guest_image,display-input,$(call guest_sources,display,input.c),32))

.PHONY: test-display
test-display: $(BUILD)/hvsim $(BUILD)/guest/display-modes.elf $(BUILD)/guest/display-input.elf
	@python3 $(GUEST_DIR)/display/pictures.py $(BUILD)/hvsim $(BUILD)/guest/display-modes.elf
	@python3 $(GUEST_DIR)/display/window.py $(BUILD)/hvsim $(BUILD)/guest/display-modes.elf $(BUILD)/guest/display-input.elf
TEST_TARGETS += test-display
