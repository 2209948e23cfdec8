LIB_SRC += $(wildcard decoder/*.c)
