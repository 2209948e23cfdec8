# User-mode instructions compared with the host processor: make test-isa [N=comparisons per form] [SEED=n].
# Hosts other than x86-64 have nothing to compare.
ISA_DIR := testsuites/isa
ISA_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(ISA_DIR)/*.c)) $(BUILD)/$(ISA_DIR)/tramp.o
N    ?= 200
SEED ?= 1

$(BUILD)/$(ISA_DIR)/tramp.o: $(ISA_DIR)/tramp.S
	@mkdir -p $(@D)
	$(CC) -c $< -o $@

$(BUILD)/test-isa: $(ISA_OBJ) $(BUILD)/libhvsim.a
	$(CC) $(ALL_CFLAGS) $^ -o $@ $(ALL_LDFLAGS) $(LIBS)

.PHONY: test-isa
ifeq ($(shell uname -m),x86_64)
test-isa: $(BUILD)/test-isa
	$(BUILD)/test-isa --count $(N) --seed $(SEED)
else
test-isa:
	@echo "test-isa: skipped, the host is not an x86-64 processor"
endif
TEST_TARGETS += test-isa
-include $(ISA_OBJ:.o=.d)
