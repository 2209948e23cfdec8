# The benchmark: an image of workloads, and a runner that times it on hvsim, QEMU and Bochs.
$(eval $(call guest_image,bench,$(addprefix testsuites/bench/,main.c integer.c memory.c vector.c \
    double_sse2.c double_x87.c system.c entry.S vm.c),64))
# the only files whose compiler may use the units, whether it likes to or not
$(BUILD)/guest/obj64/testsuites/bench/double_sse2.o: GUEST_CFLAGS := \
    $(filter-out -mgeneral-regs-only,$(GUEST_CFLAGS)) -msse2 -mfpmath=sse -fno-math-errno
$(BUILD)/guest/obj64/testsuites/bench/double_x87.o: GUEST_CFLAGS := \
    $(filter-out -mgeneral-regs-only,$(GUEST_CFLAGS)) -mno-sse -mno-mmx -mfpmath=387 -fno-math-errno
# not a test
GUEST_IMAGES := $(filter-out %/bench.elf,$(GUEST_IMAGES))

.PHONY: bench bench-image
bench-image: $(BUILD)/guest/bench.elf

# BENCH_ARGS passes options on, e.g. BENCH_ARGS="--quick --only sieve,crc"
bench: $(BUILD)/hvsim $(BUILD)/guest/bench.elf
	@tools/deps.sh peers
	python3 testsuites/bench/bench.py --hvsim $(BUILD)/hvsim --image $(BUILD)/guest/bench.elf \
	    --json $(BUILD)/bench.json $(BENCH_ARGS)
