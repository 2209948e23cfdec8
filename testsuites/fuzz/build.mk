# Random guests. FUZZ_ARGS passes options on, e.g. FUZZ_ARGS="-n 20 -s 7".
$(BUILD)/fuzz_modes: testsuites/fuzz/fuzz_modes.c $(BUILD)/libhvsim.a
	@mkdir -p $(@D)
	$(call SAY,CC) $(CC) $(ALL_CFLAGS) -MMD -MP $< $(BUILD)/libhvsim.a -o $@ $(ALL_LDFLAGS) $(LIBS)

.PHONY: test-fuzz
test-fuzz: $(BUILD)/fuzz_modes
	$(BUILD)/fuzz_modes $(FUZZ_ARGS)
TEST_TARGETS += test-fuzz
-include $(BUILD)/fuzz_modes.d
