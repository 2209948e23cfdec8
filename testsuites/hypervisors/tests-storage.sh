# Linux's drivers for our disks: a file system on a disk, a CD-ROM, images that keep what is written. (part of run.sh)
# shellcheck shell=sh
# shellcheck disable=SC2154

names="$names storage-intel-pc storage-amd-q35"

# A disk with an ext4 file system and a CD-ROM, both with files and their sums; the disk as qcow2, too
storage_images() { # FOLDER
    mkdir -p "$1/files"
    head -c 3000000 /dev/urandom >"$1/files/random"
    seq 100000 >"$1/files/numbers"
    (cd "$1/files" && md5sum random numbers >sums)
    mke2fs -q -t ext4 -d "$1/files" "$1/disk.img" 32M 2>/dev/null || bail_out "mke2fs is needed (Debian package e2fsprogs)"
    xorriso -as mkisofs -quiet -R -o "$1/cd.iso" "$1/files" 2>/dev/null || bail_out "xorriso is needed (Debian package xorriso)"
    qemu-img convert -O qcow2 "$1/disk.img" "$1/disk.qcow2" || bail_out "qemu-img is needed (Debian package qemu-utils)"
}

run_storage() { # NAME VENDOR MODULE MODE ARGUMENT...
    storage_name=$1
    storage_vendor=$2
    storage_args="$4,$3"
    shift 4
    kernel=$(kernel_image "$(package_dir "$(kernel_package)")") || exit 1
    initramfs=$(built storage.cpio) || exit 1
    run_hvsim "$storage_name" "$storage_vendor" 2 512 15000000000 "$kernel" --initrd "$initramfs" \
        --append "console=ttyS0 quiet hvtest=storage hvargs=$storage_args" "$@"
    relay "$storage_name"
}

# Raw image: twice the same, and the file is as before. Image as qcow2, written to: the next run finds it, the run after it, too.
test_storage() { # NAME . VENDOR KIND
    if [ "${PEER:-}" = qemu ]; then
        tap_skip "$1" "these adapters are ours"
        return 0
    fi
    if [ "$4" = pc ]; then driver=ata_piix; else driver=ahci; fi
    images=$work/$1
    storage_images "$images"
    before=$(md5sum <"$images/disk.img")
    for round in 1 2; do
        run_storage "$1-$round" "$3" $driver new --machine "$4" --drive "$images/disk.img" --cdrom "$images/cd.iso"
        grep -o '[0-9]* instructions, state hash [0-9a-f]*' "$work/$1-$round.out" >"$work/$1-$round.hash"
    done
    [ "$before" = "$(md5sum <"$images/disk.img")" ]
    tap_result $? "$1: the image is as it was"
    [ -s "$work/$1-1.hash" ] && cmp -s "$work/$1-1.hash" "$work/$1-2.hash"
    tap_result $? "$1: both runs end in the same state"
    for mode in new found; do
        run_storage "$1-$mode" "$3" $driver $mode --machine "$4" --drive "$images/disk.qcow2" --cdrom "$images/cd.iso" --writable
    done
    qemu-img check -q "$images/disk.qcow2" >/dev/null 2>&1
    tap_result $? "$1: the written image is sound"
    rm -rf "$images"
}
