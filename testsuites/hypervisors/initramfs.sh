#!/bin/sh
# Builds an initramfs: busybox, /init, the tests of guest/, and what is asked for. A name that ends in .gz is compressed;
# one that does not is faster to boot, as nothing has to be inflated by a simulated processor.
#
# usage: initramfs.sh OUTPUT [PART...]
#   --modules NAME,...   kernel modules of Debian's kernel with their dependencies; /init loads them by "load NAME"
#   --file SOURCE:PATH   a file (an executable stays one)
#   --kernel PATH        Debian's kernel, for a guest of what runs here
#   --qemu               qemu-system-x86_64, its libraries and firmware
#   --xen                xl, xenstored, xenconsoled, hvmloader and their libraries
set -eu
here=$(dirname "$0")
. "$here/lib.sh"
if [ $# -lt 1 ]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
output=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/tmp" "$root/etc" "$root/lib/modules" "$root/tests" "$root/var"
ln -s ../run "$root/var/run"
ln -s bin "$root/sbin"

add_base() {
    dir=$(package_dir busybox-static) || exit 1
    cp "$dir/bin/busybox" "$root/bin/busybox"
    "$root/bin/busybox" --list | grep -v -x busybox | while read -r applet; do ln -s busybox "$root/bin/$applet"; done
    install -m 755 "$here/guest/init" "$root/init"
    install -m 644 "$here/guest/functions" "$root/tests/functions"
    install -m 755 "$here"/guest/test-* "$root/tests/"
}

# lib/modules/NAME.list has the files to load for NAME, in order.
add_modules() { # NAME...
    dir=$(package_dir "$(kernel_package)") || exit 1
    for name; do
        module_closure "$dir" "$name" >"$work/closure"
        xargs -r cp -t "$root/lib/modules" <"$work/closure"
        sed 's,.*/,,' "$work/closure" >"$root/lib/modules/$name.list"
    done
}

add_file() { # SOURCE PATH
    mkdir -p "$root/$(dirname "$2")"
    cp -L "$1" "$root/$2"
}

package_dirs() { # NAME...: the unpacked folders of all of them, fetched together
    fetch_packages "$@"
    for p; do package_dir "$p" || exit 1; done
}

add_qemu() {
    # shellcheck disable=SC2046 # package names are words
    set -- $(package_dirs qemu-system-x86 qemu-system-data seabios $(library_packages qemu-system-x86)) || exit 1
    [ $# -gt 3 ] || exit 1
    add_file "$1/usr/bin/qemu-system-x86_64" usr/bin/qemu-system-x86_64
    strip "$root/usr/bin/qemu-system-x86_64" 2>/dev/null || :
    copy_libraries "$root" "$root/usr/bin/qemu-system-x86_64" -- "$@"
    for rom in linuxboot_dma.bin linuxboot.bin multiboot_dma.bin pvh.bin kvmvapic.bin; do add_file "$2/usr/share/qemu/$rom" usr/share/qemu/$rom; done
    for rom in bios-256k.bin bios-microvm.bin; do add_file "$3/usr/share/seabios/$rom" usr/share/qemu/$rom; done
}

# xl and the daemons it talks to, in the folder where they were built to find each other
add_xen() {
    # shellcheck disable=SC2046 # package names are words
    set -- $(package_dirs xen-utils-4.17 xenstore-utils $(library_packages $(direct_libraries xen-utils-4.17 xenstore-utils))) || exit 1
    [ $# -gt 2 ] || exit 1
    from=usr/lib/xen-4.17
    programs=
    for tool in xl xenstored xenconsoled xenconsole xen-init-dom0 libxl-save-helper; do
        add_file "$1/$from/bin/$tool" $from/bin/$tool
        programs="$programs $root/$from/bin/$tool"
    done
    add_file "$1/$from/boot/hvmloader" $from/boot/hvmloader
    # shellcheck disable=SC2086 # temporary folders have no spaces
    copy_libraries "$root" $programs -- "$@"
    mkdir -p "$root/var/log/xen/console" "$root/var/lib/xen" "$root/var/lib/xenstored" "$root/etc/xen"
    : >"$root/etc/xen/xl.conf"
}

add_base
while [ $# -gt 0 ]; do
    case $1 in
    --modules)
        # shellcheck disable=SC2046 # module names are words
        add_modules $(echo "$2" | tr ',' ' ')
        shift
        ;;
    --file)
        add_file "${2%%:*}" "${2#*:}"
        shift
        ;;
    --kernel)
        dir=$(package_dir "$(kernel_package)") || exit 1
        add_file "$(kernel_image "$dir")" "$2"
        shift
        ;;
    --qemu) add_qemu ;;
    --xen) add_xen ;;
    esac
    shift
done

# The same files give the same bytes: sorted, owned by root, without times or inode numbers.
mkdir -p "$(dirname "$output")"
find "$root" -exec touch -h -d @0 {} +
cpio=$(command -v cpio) || { dir=$(package_dir cpio) && cpio=$dir/bin/cpio; } || exit 1
(cd "$root" && find . | LC_ALL=C sort | "$cpio" --quiet -o -H newc -R 0:0 --reproducible) >"$work/cpio"
case $output in
*.gz) gzip -n -9 <"$work/cpio" >"$output.new" ;;
*) mv "$work/cpio" "$output.new" ;;
esac
mv "$output.new" "$output"
