# Conformance images: each folder has images about one group of subjects; the first word of an image's name says what
# runs it: vmx-* needs an Intel processor, svm-* an AMD one, smp-* two processors, anything else runs on both vendors.
GUEST_DIR := testsuites/guest
guest_sources = $(foreach s,$(2),$(GUEST_DIR)/$(1)/$(s))

include $(wildcard $(GUEST_DIR)/*/images.mk)
GUEST_TESTS := $(filter-out %/bench.elf %/demo.elf %/display-input.elf,$(GUEST_IMAGES))

# Each image needs a fraction of a second; GUEST_ARGS passes options on, e.g. GUEST_ARGS="--only vmx- --verbose"
.PHONY: test-guest test-guest-peers guest-images
guest-images: $(GUEST_TESTS)

test-guest: $(BUILD)/hvsim $(GUEST_TESTS)
	@python3 $(GUEST_DIR)/run-guest.py --hvsim $(BUILD)/hvsim $(GUEST_ARGS) $(GUEST_TESTS)
TEST_TARGETS += test-guest
TEST_IMAGES += $(GUEST_TESTS)

test-guest-peers: $(GUEST_TESTS)
	@python3 $(GUEST_DIR)/run-guest.py --peers $(GUEST_ARGS) $(GUEST_TESTS)
