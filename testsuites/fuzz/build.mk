# Random guests. FUZZ_ARGS passes options on, e.g. FUZZ_ARGS="-n 20 -s 7".
FUZZERS := fuzz_modes fuzz_virt fuzz_virtio fuzz_devices fuzz_disk fuzz_load fuzz_display

$(FUZZERS:%=$(BUILD)/%): $(BUILD)/%: testsuites/fuzz/%.c testsuites/fuzz/guest.c $(BUILD)/libhvsim.a
	@mkdir -p $(@D)
	$(call SAY,CC) $(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(filter %.c,$^) $(BUILD)/libhvsim.a -o $@ $(ALL_LDFLAGS) $(LIBS)

.PHONY: test-fuzz
test-fuzz: $(FUZZERS:%=$(BUILD)/%)
	$(BUILD)/fuzz_modes $(FUZZ_ARGS)
	$(BUILD)/fuzz_virt $(FUZZ_ARGS)
	$(BUILD)/fuzz_virtio $(FUZZ_ARGS)
	$(BUILD)/fuzz_devices $(FUZZ_ARGS)
	$(BUILD)/fuzz_disk $(FUZZ_ARGS)
	$(BUILD)/fuzz_load
	$(BUILD)/fuzz_display $(FUZZ_ARGS)
TEST_TARGETS += test-fuzz
TEST_PROGRAMS += $(FUZZERS:%=$(BUILD)/%)
-include $(FUZZERS:%=$(BUILD)/%.d)
