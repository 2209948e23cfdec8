# Real hypervisors: the demonstration on both vendors, the same image on the peers, and Debian's Xen.
DEMO_RUN = $(BUILD)/hvsim run $(BUILD)/examples/demo/demo.elf --memory 64M

.PHONY: run test-demo test-hypervisors
# busybox, the tests of guest/ and Debian's KVM modules: an initramfs for Debian's kernel, which is in the cache afterwards
$(BUILD)/hypervisors/base.cpio.gz: testsuites/hypervisors/initramfs.sh testsuites/hypervisors/lib.sh $(wildcard testsuites/hypervisors/guest/*)
	@testsuites/hypervisors/initramfs.sh $@ --modules kvm-intel,kvm-amd

# The image ends by writing 0 to the exit port, which is exit status 1 as with QEMU's isa-debug-exit.
run: deps
	@$(MAKE) --no-print-directory all demo-image
	@for cpu in max-intel max-amd; do \
	    printf '\n=== %s run demo.elf --cpu %s\n\n' hvsim $$cpu; \
	    $(DEMO_RUN) --cpu $$cpu --max-instructions 500000000; s=$$?; \
	    [ $$s -eq 1 ] || { echo "the demonstration failed on $$cpu: exit status $$s"; exit 1; }; \
	done; printf '\nThe demonstration passed on both vendors.\n'

test-demo: $(BUILD)/hvsim demo-image
	@testsuites/hypervisors/demo.sh $(BUILD)/hvsim $(BUILD)/examples/demo/demo.elf
TEST_TARGETS += test-demo

# Downloads Debian packages (apt-get download) into a cache outside the tree.
test-hypervisors: deps
	@tools/deps.sh peers
	@$(MAKE) --no-print-directory all demo-image
	@testsuites/hypervisors/xen.sh $(BUILD)/hvsim
	@testsuites/hypervisors/demo-peers.sh $(BUILD)/examples/demo/demo.elf
