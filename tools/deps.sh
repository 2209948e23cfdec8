#!/bin/sh
# Make sure that Debian packages are installed: tools/deps.sh GROUP...
# Says what it installs; does nothing, quickly, when all is there. Needs root (or sudo) only when something is missing.
set -eu

group() {
    case "$1" in
    build) echo acpica-tools gcc libc6-dev binutils libzydis-dev libcapstone-dev libslirp-dev libnbd-dev libpng-dev libsdl2-dev ;;
    clang) echo clang ;;
    test) echo libcmocka-dev python3 qemu-utils seabios ovmf xvfb xauth xdotool x11-utils openbox imagemagick libsdl2-2.0-0 ;;
    lint) echo clang-format clang-tidy cppcheck python3 ;;
    asan) echo libasan8 libubsan1 ;;
    peers) echo qemu-system-x86 qemu-utils e2fsprogs bochs bochs-x bochsbios vgabios grub-pc-bin grub-common xorriso mtools seabios ovmf xvfb xauth python3 ;;
    man) echo groff-base ;;
    *)
        echo "tools/deps.sh: unknown group '$1': use build, clang, test, lint, asan, peers or man" >&2
        exit 2
        ;;
    esac
}

missing=
for g in "$@"; do
    for p in $(group "$g"); do
        dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
    done
done
[ -n "$missing" ] || exit 0

echo "hvsim: installing missing Debian packages:$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "tools/deps.sh: these packages are missing and installing them needs root:$missing" >&2
        echo "  run as root: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { $as_root apt-get install -y --no-install-recommends $missing >"$log" 2>&1; }
# Package lists may be absent or old on a fresh machine: refresh them once and try again.
install || { $as_root apt-get update >"$log" 2>&1 && install; } || {
    echo "tools/deps.sh: apt-get could not install:$missing" >&2
    tail -n 15 "$log" >&2
    exit 1
}
