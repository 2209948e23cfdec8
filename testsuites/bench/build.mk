# The benchmark: an image of workloads, and a runner that times it on hvsim, QEMU and Bochs.
$(eval $(call guest_image,bench,$(addprefix testsuites/bench/,main.c integer.c memory.c system.c entry.S vm.c),64))
# not a test
GUEST_IMAGES := $(filter-out %/bench.elf,$(GUEST_IMAGES))

.PHONY: bench bench-image
bench-image: $(BUILD)/guest/bench.elf

# BENCH_ARGS passes options on, e.g. BENCH_ARGS="--quick --only sieve,crc"
bench: $(BUILD)/hvsim $(BUILD)/guest/bench.elf
	@tools/deps.sh peers
	python3 testsuites/bench/bench.py --hvsim $(BUILD)/hvsim --image $(BUILD)/guest/bench.elf \
	    --json $(BUILD)/bench.json $(BENCH_ARGS)
