# Real hypervisors: the demonstration on both vendors, the same image on the peers, and Debian's Xen.
DEMO_RUN = $(BUILD)/hvsim run $(BUILD)/examples/demo/demo.elf --memory 64M

.PHONY: run test-demo test-hypervisors
# The image ends by writing 0 to the exit port, which is exit status 1 as with QEMU's isa-debug-exit.
run: deps
	@$(MAKE) --no-print-directory -j$(CPUS) all demo-image
	@for cpu in max-intel max-amd; do \
	    printf '\n=== %s run demo.elf --cpu %s\n\n' hvsim $$cpu; \
	    $(DEMO_RUN) --cpu $$cpu --max-instructions 500000000; s=$$?; \
	    [ $$s -eq 1 ] || { echo "the demonstration failed on $$cpu: exit status $$s"; exit 1; }; \
	done; printf '\nThe demonstration passed on both vendors.\n'

# Initramfs: busybox and the tests of guest/ with Debian's KVM modules; with our program on top; with qemu and a guest; and with that as
# the guest of another qemu.
HV = testsuites/hypervisors
HV_OUT = $(BUILD)/hypervisors
HV_COMMON = $(HV)/initramfs.sh $(HV)/lib.sh $(wildcard $(HV)/guest/*)
HV_MODULES = --modules kvm-intel,kvm-amd
$(HV_OUT)/kvmtest: $(wildcard $(HV)/kvm/*) | $(BUILD)/.deps
	@mkdir -p $(@D)
	$(call SAY,LD) $(CC) $(CSTD) $(WARN) -O2 -g -I. -static -pthread -o $@ $(filter %.c %.S,$^)

$(HV_OUT)/base.cpio.gz: $(HV_COMMON)
	@$(HV)/initramfs.sh $@ $(HV_MODULES)
$(HV_OUT)/kvm.cpio.gz: $(HV_COMMON) $(HV_OUT)/kvmtest
	@$(HV)/initramfs.sh $@ $(HV_MODULES) --file $(HV_OUT)/kvmtest:bin/kvmtest
$(HV_OUT)/storage.cpio: $(HV_COMMON)
	@$(HV)/initramfs.sh $@ --modules ata_piix,ahci,sd_mod,sr_mod,crc32c_generic,ext4,isofs
$(HV_OUT)/virtio.cpio: $(HV_COMMON)
	@$(HV)/initramfs.sh $@ --modules virtio_pci,virtio_blk,virtio_console,virtio-rng,virtio_net,crc32c_generic,ext4
$(HV_OUT)/screen.cpio: $(HV_COMMON)
	@$(HV)/initramfs.sh $@ --modules bochs,psmouse
$(HV_OUT)/xen.cpio: $(HV_COMMON) $(HV_OUT)/base.cpio.gz
	@$(HV)/initramfs.sh $@ --modules xen-evtchn,xen-gntdev,xen-gntalloc,xen-privcmd,xenfs --xen --kernel boot/vmlinuz \
	    --file $(HV_OUT)/base.cpio.gz:boot/base.cpio.gz
$(HV_OUT)/nested.cpio: $(HV_COMMON) $(HV_OUT)/base.cpio.gz
	@$(HV)/initramfs.sh $@ $(HV_MODULES) --qemu --kernel boot/vmlinuz --file $(HV_OUT)/base.cpio.gz:boot/base.cpio.gz
$(HV_OUT)/nested3.cpio: $(HV_COMMON) $(HV_OUT)/nested.cpio
	@$(HV)/initramfs.sh $@ $(HV_MODULES) --qemu --kernel boot/vmlinuz --file $(HV_OUT)/nested.cpio:boot/nested.cpio

test-demo: $(BUILD)/hvsim demo-image
	@testsuites/hypervisors/demo.sh $(BUILD)/hvsim $(BUILD)/examples/demo/demo.elf
TEST_TARGETS += test-demo

# Downloads Debian packages (apt-get download) into a cache outside the tree. ONLY="linux-amd-1 kvm-*" chooses tests.
test-hypervisors: deps
	@tools/deps.sh peers
	@$(MAKE) --no-print-directory all demo-image
	@testsuites/hypervisors/run.sh $(BUILD)/hvsim $(BUILD)
	@[ -n "$(ONLY)" ] || testsuites/hypervisors/demo-peers.sh $(BUILD)/examples/demo/demo.elf
