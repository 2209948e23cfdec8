# Linux's drivers for the display adapter, the keyboard and the mouse; what they show, by screenshots. (part of run.sh)
# shellcheck shell=sh
# shellcheck disable=SC2154

names="$names screen-amd-pc screen-intel-q35 vgabios-intel gop-amd"

# The framebuffer is what the guest wrote: four times 256 columns of blue n, green 255 - n, red 7 n
framebuffer_good() { # PNG
    PYTHONPATH="$here/../guest/display" python3 - "$1" <<'END'
import sys, png
width, height, pixels = png.read(sys.argv[1])
line = b"".join(bytes((n * 7 % 256, 255 - n, n)) for n in range(256)) * 4
good = (width, height) == (1024, 768) and pixels == line * 768
print("" if good else f"# {width} by {height}, {sum(a != b for a, b in zip(pixels, line * 768))} bytes differ", end="")
sys.exit(not good)
END
}

test_screen() { # NAME . VENDOR MACHINE
    if [ "${PEER:-}" = qemu ]; then
        tap_skip "$1" "screenshots are ours"
        return 0
    fi
    kernel=$(kernel_image "$(package_dir "$(kernel_package)")") && initramfs=$(built screen.cpio) || exit 1
    run_hvsim "$1" "$3" 1 256 20000000000 "$kernel" --initrd "$initramfs" --machine "$4" --display none \
        --append "console=tty0 console=ttyS0 hvtest=screen" \
        --screenshot "$work/$1-text.png" --at "text=written on the text console" \
        --screenshot "$work/$1-picture.png" --at "serial=framebuffer is complete"
    relay "$1"
    [ -s "$work/$1-text.png" ]
    tap_result $? "$1: what the guest writes on the text console is on the screen"
    framebuffer_good "$work/$1-picture.png"
    tap_result $? "$1: what it writes into the framebuffer is the picture on the screen"
}

# SeaBIOS's VGA BIOS draws the text screen; there is nothing to boot, and that is what it says.
test_vgabios() { # NAME . VENDOR
    if [ "${PEER:-}" = qemu ]; then
        tap_skip "$1" "screenshots are ours"
        return 0
    fi
    run_hvsim "$1" "$3" 1 64 300000000 --firmware seabios --display none \
        --screenshot "$work/$1.png" --at "text=No bootable device"
    [ -s "$work/$1.png" ]
    tap_result $? "$1: SeaBIOS writes on the screen by its VGA BIOS"
}

# OVMF's shell in a graphics mode: its words "startup.nsh" are the only yellow on the screen.
test_gop() { # NAME . VENDOR
    if [ "${PEER:-}" = qemu ]; then
        tap_skip "$1" "screenshots are ours"
        return 0
    fi
    run_hvsim "$1" "$3" 1 256 8000000000 --firmware ovmf --display none \
        --screenshot "$work/$1-shell.png" --at "serial=Shell> "
    PYTHONPATH="$here/../guest/display" python3 - "$work/$1-shell.png" <<'END'
import sys, png
width, height, pixels = png.read(sys.argv[1])
yellow = sum(pixels[i:i + 3] == b"\xFF\xFF\x00" for i in range(0, len(pixels), 3))
print(f"# {width} by {height}, {yellow} yellow pixels")
sys.exit(not (width >= 800 and height >= 600 and 100 < yellow < 1000))
END
    tap_result $? "$1: OVMF's shell is drawn in a graphics mode"
}
