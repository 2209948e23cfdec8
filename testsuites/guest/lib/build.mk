# Guest images: bootable multiboot programs. Another folder adds one by a line in its build.mk:
#   $(eval $(call guest_image,NAME,SOURCES,64|32))   gives $(BUILD)/guest/NAME.elf and adds it to GUEST_IMAGES
# SOURCES are root-relative .c and .S files. 64: long mode at guest_main(); 32: flat protected mode without paging.

GUEST_LIB_DIR := testsuites/guest/lib
GUEST_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables \
    -fno-omit-frame-pointer -mgeneral-regs-only -mno-red-zone -fcf-protection=none -I. \
    -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
GUEST_LD ?= ld
GUEST_OBJCOPY ?= objcopy
GUEST_LDFLAGS := -nostdlib -static --build-id=none -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments \
    -T $(GUEST_LIB_DIR)/image.ld

GUEST_LIB_COMMON := $(addprefix $(GUEST_LIB_DIR)/,init.c console.c memory.c irq.c)
GUEST_LIB_64 := $(GUEST_LIB_COMMON) $(addprefix $(GUEST_LIB_DIR)/,boot64.S isr64.S paging.c \
    vmx.c vmx_enter.S ept.c svm.c svm_enter.S)
GUEST_LIB_32 := $(GUEST_LIB_COMMON) $(addprefix $(GUEST_LIB_DIR)/,boot32.S isr32.S real.c real32.S)

guest_objects = $(patsubst %,$(BUILD)/guest/obj$(2)/%.o,$(basename $(1)))

define guest_rules
$(BUILD)/guest/obj$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call SAY,CC) $$(CC) $$(GUEST_CFLAGS) -m$(1) -MMD -MP -c $$< -o $$@

$(BUILD)/guest/obj$(1)/%.o: %.S
	@mkdir -p $$(@D)
	$$(call SAY,CC) $$(CC) $$(GUEST_CFLAGS) -m$(1) -MMD -MP -c $$< -o $$@

-include $$(patsubst %.o,%.d,$$(call guest_objects,$$(GUEST_LIB_$(1)),$(1)))
endef
$(eval $(call guest_rules,64))
$(eval $(call guest_rules,32))

GUEST_EMULATION_64 := elf_x86_64
GUEST_EMULATION_32 := elf_i386

# Multiboot loaders want ELF32: a 64-bit image is linked as ELF64 and its container rewritten.
define guest_image
GUEST_IMAGES += $(BUILD)/guest/$(1).elf
$(BUILD)/guest/$(1).elf: $(call guest_objects,$(2) $(GUEST_LIB_$(3)),$(3)) $(GUEST_LIB_DIR)/image.ld
	$$(call SAY,LD) $$(GUEST_LD) -m $(GUEST_EMULATION_$(3)) $$(GUEST_LDFLAGS) -o $$@.sym $$(filter %.o,$$^)
	@$$(GUEST_OBJCOPY) -O elf32-i386 --strip-debug $$@.sym $$@
-include $(patsubst %.o,%.d,$(call guest_objects,$(2),$(3)))
endef

$(eval $(call guest_image,selftest64,$(GUEST_LIB_DIR)/selftest.c $(GUEST_LIB_DIR)/selftest_virt.c,64))
$(eval $(call guest_image,selftest32,$(GUEST_LIB_DIR)/selftest.c $(GUEST_LIB_DIR)/selftest_real.S,32))
