LIB_SRC += $(wildcard sim/*.c sim/core/*.c sim/ops/*.c sim/machine/*.c sim/dev/*.c)
LIB_SRC += $(wildcard sim/x87/*.c sim/vec/*.c sim/fp/*.c)
# two neighbouring 64-bit stores of the lazy flags are cheaper than building a vector for them
$(BUILD)/sim/ops/%.o $(BUILD)/sim/x87/%.o: ALL_CFLAGS += -fno-tree-slp-vectorize
