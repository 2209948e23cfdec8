# cmocka unit tests: each test_<subject>.c is one program, linked with the static library.
UNIT_SRC := $(wildcard testsuites/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:testsuites/unit/%.c=$(BUILD)/unit/%)

$(BUILD)/unit/%: testsuites/unit/%.c $(BUILD)/libhvsim.a
	@mkdir -p $(@D)
	$(call SAY,CC) $(CC) $(ALL_CFLAGS) -MMD -MP $< $(BUILD)/libhvsim.a -o $@ $(ALL_LDFLAGS) $(LIBS) -lcmocka -lm

.PHONY: test-unit
test-unit: $(UNIT_BIN)
	@for t in $(UNIT_BIN); do echo "== $$t"; $$t || exit 1; done
TEST_TARGETS += test-unit
TEST_PROGRAMS += $(UNIT_BIN)
-include $(UNIT_BIN:%=%.d)
