# Debian's Xen. (part of run.sh)
# shellcheck shell=sh
# shellcheck disable=SC2154

names="$names xenalone-intel xenalone-amd"

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
