# Debian's Xen. (part of run.sh)
# shellcheck shell=sh
# shellcheck disable=SC2154

names="$names xenalone-intel xenalone-amd xen-intel xen-amd xenpvh-intel xenpvh-amd"

xen_image() { # the ELF image that multiboot loaders take
    dir=$(package_dir xen-hypervisor-4.17-amd64) || exit 1
    for gz in "$dir"/boot/xen-*-amd64.gz; do
        [ -s "$build/xen" ] || gzip -dc "$gz" >"$build/xen"
    done
    echo "$build/xen"
}

# A hypervisor that we did not write boots as a multiboot image until it says that it has no dom0 kernel.
test_xenalone() { # NAME . VENDOR
    [ "${PEER:-}" != qemu ] || return 0
    run_hvsim "$1" "$3" 1 512 3000000000 "$(xen_image)" --append "com1=115200,8n1 console=com1 noreboot"
    grep -q -i 'dom0 kernel' "$work/$1.console"
    good=$?
    tap_result $good "$1: Xen boots and misses a kernel for dom0"
    [ $good -eq 0 ] || tap_run "$1"
}

# Xen with Linux as dom0, which may start a guest: hvargs of guest/test-xen
run_xen() { # NAME VENDOR CPUS SIZE INSTRUCTIONS HVARGS
    xen=$(xen_image) || exit 1
    kernel=$(kernel_image "$(package_dir "$(kernel_package)")") || exit 1
    initramfs=$(built xen.cpio) || exit 1
    options="com1=115200,8n1 console=com1 loglvl=all dom0_mem=512M,max:512M"
    append="console=hvc0 hvtest=xen hvargs=$6"
    if [ "${PEER:-}" = qemu ]; then
        watch "$1" "$work/$1.console" "$work/$1.out" timeout 1200 qemu-system-x86_64 -accel tcg -cpu "$(model "$2")" -smp "$3" -m "$4" \
            -kernel "$xen" -initrd "$kernel $append,$initramfs" -append "$options" -nodefaults -no-reboot -display none \
            -serial "file:$work/$1.console"
        progress "$1: $seconds s, status $status"
    else
        run_hvsim "$1" "$2" "$3" "$4" "$5" "$xen" --append "$options" --initrd "$kernel,$append" --initrd "$initramfs"
    fi
}

# dom0 with four CPUs to user space and power-off
test_xen() { # NAME . VENDOR
    run_xen "$1" "$3" 4 1024 30000000000 none
    relay "$1"
}

# a PVH guest of it with two CPUs, by xl
test_xenpvh() { # NAME . VENDOR
    run_xen "$1" "$3" 2 1024 60000000000 pvh,192,2
    relay "$1"
}
