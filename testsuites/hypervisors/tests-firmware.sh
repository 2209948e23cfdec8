# What a PC starts without an operating system: GRUB by SeaBIOS, OVMF's shell, memtest86+. (part of run.sh)
# shellcheck shell=sh
# shellcheck disable=SC2154

names="$names grub-iso-intel grub-disk-amd ovmf-pc-intel ovmf-q35-amd memtest-amd"

on_peer() { # NAME: are these tests asked of another simulator?
    [ "${PEER:-}" = qemu ] || return 1
    tap_skip "$1" "only hvsim is asked"
}

# An image that starts as a CD-ROM and as a disk: GRUB with a menu on screen and serial port, whose entry is our demonstration
grub_image() {
    ${MAKE:-make} -s --no-print-directory demo-image >&2 || return 1
    if [ ! -s "$build/grub.iso" ] || [ "$build/../examples/demo/demo.elf" -nt "$build/grub.iso" ]; then
        mkdir -p "$work/iso/boot/grub"
        cp "$build/../examples/demo/demo.elf" "$work/iso/boot/"
        cat >"$work/iso/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=2
menuentry "An entry of the menu" {
    echo "GRUB loads the demonstration"
    multiboot /boot/demo.elf
}
menuentry "Another entry" {
    halt
}
END
        grub-mkrescue -d /usr/lib/grub/i386-pc -o "$build/grub.iso" "$work/iso" >"$work/grub.log" 2>&1 ||
            bail_out "grub-mkrescue failed (Debian packages grub-pc-bin grub-common xorriso mtools): $(tail -n 1 "$work/grub.log")"
    fi
    echo "$build/grub.iso"
}

test_grub() { # NAME . ISO|DISK VENDOR
    if on_peer "$1"; then return 0; fi
    image=$(grub_image) || exit 1
    case $3 in
    iso) run_hvsim "$1" "$4" 1 64 20000000000 "$image" ;;
    disk) run_hvsim "$1" "$4" 1 64 20000000000 --firmware seabios --drive "$image,media=disk" ;;
    esac
    tr -d '\r' <"$work/$1.console" >"$work/grub.text"
    grep -q 'GNU GRUB' "$work/grub.text" && grep -q 'Another entry' "$work/grub.text"
    tap_result $? "$1: SeaBIOS starts GRUB, which shows its menu"
    grep -q 'GRUB loads the demonstration' "$work/grub.text" && [ "$status" -eq 1 ] && tail -n 1 "$work/grub.text" | grep -q '^PASS'
    good=$?
    tap_result $good "$1: the menu's entry starts the demonstration, which passes (status $status)"
    [ $good -eq 0 ] || tap_run "$1"
}

# A disk with a script that the shell runs by itself; it powers off.
test_ovmf() { # NAME . MACHINE VENDOR
    if on_peer "$1"; then return 0; fi
    disk=$work/$1.img
    printf 'echo The script of the shell runs\r\nver\r\nreset -s\r\n' >"$work/startup.nsh"
    rm -f "$disk"
    truncate -s 40M "$disk" && mformat -i "$disk" -F :: && mcopy -i "$disk" "$work/startup.nsh" :: ||
        bail_out "mformat and mcopy are needed (Debian package mtools)"
    run_hvsim "$1" "$4" 1 128 60000000000 --firmware ovmf --machine "$3" --drive "$disk" --no-reboot
    grep -q -a 'UEFI Interactive Shell' "$work/$1.console"
    tap_result $? "$1: OVMF comes to its shell"
    grep -q -a '^.*The script of the shell runs' "$work/$1.console" && [ "$status" -eq 0 ]
    good=$?
    tap_result $good "$1: the shell runs a script of a disk and powers off (status $status)"
    [ $good -eq 0 ] || tap_run "$1"
}

# A whole pass of memtest86+. Its last test waits 80 seconds for bits to fade, twice: most of the instructions are that. The key that
# comes by the serial port is lost when the port is set up.
test_memtest() { # NAME . VENDOR
    if on_peer "$1"; then return 0; fi
    dir=$(package_dir 'memtest86+') || exit 1
    printf x >"$work/keys"
    progress "$1: $3, 1 CPU(s), 8 MiB, at most 230 thousand million instructions"
    # shellcheck disable=SC2016 # the inner shell's variables
    watch "$1" "$work/$1.console" "$work/$1.out" sh -c 'in=$1 out=$2; shift 2; exec "$@" <"$in" >"$out"' sh "$work/keys" "$work/$1.console" \
        "$hvsim" run "$dir/boot/memtest86+x64.bin" --append "nobench nosm console=ttyS0,115200" --cpu "$(model "$3")" --memory 8M \
        --max-instructions 230000000000 --serial stdio
    progress "$1: $seconds s, status $status"
    grep -q -a 'Pass: *1 *Errors: 0 ' "$work/$1.console"
    good=$?
    tap_result $good "$1: memtest86+ makes a pass over 8 MiB without an error"
    [ $good -eq 0 ] || tap_file "$work/$1.out"
}
