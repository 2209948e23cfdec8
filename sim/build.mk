LIB_SRC += $(wildcard sim/*.c sim/core/*.c sim/ops/*.c sim/machine/*.c sim/machine/acpi/*.c sim/dev/*.c)
LIB_SRC += $(wildcard sim/x87/*.c sim/vec/*.c sim/fp/*.c)
# two neighbouring 64-bit stores of the lazy flags are cheaper than building a vector for them
$(BUILD)/sim/ops/%.o $(BUILD)/sim/x87/%.o: ALL_CFLAGS += -fno-tree-slp-vectorize

# The ACPI machine language of the two boards, as bytes of a C array.
DSDTS := pc q35
.SECONDARY: $(DSDTS:%=$(BUILD)/sim/machine/acpi/%.aml)
$(BUILD)/sim/machine/acpi/%.aml: sim/machine/acpi/%.asl $(wildcard sim/machine/acpi/*.asl) | $(BUILD)/.deps
	@mkdir -p $(@D)
	$(call SAY,IASL) iasl -we -vr -I sim/machine/acpi -p $@ $< >$@.log 2>&1 || { cat $@.log; exit 1; }
$(BUILD)/sim/machine/acpi/%.inc: $(BUILD)/sim/machine/acpi/%.aml
	@od -An -v -tu1 $< | sed 's/ *\([0-9][0-9]*\)/\1,/g' >$@
$(BUILD)/sim/machine/acpi/dsdt.o: $(DSDTS:%=$(BUILD)/sim/machine/acpi/%.inc)
$(BUILD)/sim/machine/acpi/dsdt.o: ALL_CFLAGS += -I$(BUILD)
