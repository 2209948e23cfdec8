LIB_SRC += $(wildcard vmx/*.c)
