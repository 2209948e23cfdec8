LIB_SRC += $(wildcard sim/*.c sim/core/*.c sim/ops/*.c sim/machine/*.c sim/dev/*.c)
