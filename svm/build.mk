LIB_SRC += $(wildcard svm/*.c)
