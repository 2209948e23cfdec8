LIB_SRC += $(wildcard mmu/*.c)
