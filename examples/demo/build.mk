# The demonstration hypervisor: $(BUILD)/examples/demo/demo.elf, a multiboot image.
#
# Two freestanding programs. The guest is linked for its own memory and becomes a flat binary; the hypervisor contains
# that binary as data. The result is 64-bit code in an ELF32 file, for multiboot 1 knows no other.

DEMO_CC ?= $(CC)
DEMO_LD ?= ld
DEMO_OBJCOPY ?= objcopy

demo_src := examples/demo
demo_out := $(BUILD)/examples/demo
demo_elf := $(demo_out)/demo.elf

demo_flags := -std=gnu11 -O2 -g0 -I. -m64 -ffreestanding -fno-pic -fno-pie -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -mno-red-zone -mgeneral-regs-only \
	-mno-mmx -mno-sse -mno-sse2 -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
demo_ldflags := -nostdlib -static --build-id=none -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments

demo_objs := $(addprefix $(demo_out)/,boot.o console.o descriptors.o exits.o format.o guest_image.o hypervisor.o \
	interrupts.o memory.o nested.o run.o svm.o timer.o vmx.o)
demo_guest_objs := $(addprefix $(demo_out)/,guest/start.o guest/guest.o format.o)

.PHONY: demo-image
demo-image: $(demo_elf)

$(demo_out)/%.o: $(demo_src)/%.c
	@mkdir -p $(@D)
	$(call SAY,CC) $(DEMO_CC) $(demo_flags) -MMD -MP -c -o $@ $<

$(demo_out)/%.o: $(demo_src)/%.S
	@mkdir -p $(@D)
	$(call SAY,CC) $(DEMO_CC) $(demo_flags) -DGUEST_BIN='"$(demo_out)/guest.bin"' -MMD -MP -c -o $@ $<

$(demo_out)/guest.elf: $(demo_guest_objs) $(demo_src)/guest/guest.ld
	$(call SAY,LD) $(DEMO_LD) $(demo_ldflags) -T $(demo_src)/guest/guest.ld -o $@ $(demo_guest_objs)

$(demo_out)/guest.bin: $(demo_out)/guest.elf
	$(call SAY,OBJCOPY) $(DEMO_OBJCOPY) -O binary $< $@

$(demo_out)/guest_image.o: $(demo_out)/guest.bin

$(demo_out)/demo64.elf: $(demo_objs) $(demo_src)/demo.ld
	$(call SAY,LD) $(DEMO_LD) $(demo_ldflags) -T $(demo_src)/demo.ld -o $@ $(demo_objs)

$(demo_elf): $(demo_out)/demo64.elf
	$(call SAY,OBJCOPY) $(DEMO_OBJCOPY) -O elf32-i386 $< $@

-include $(demo_objs:.o=.d) $(demo_guest_objs:.o=.d)
