#!/bin/sh
# Debian's Xen, a hypervisor that we did not write, boots as a multiboot image until it says that it has no dom0 kernel. TAP.
# usage: xen.sh HVSIM     The package is kept in ${XDG_CACHE_HOME:-~/.cache}/hvsim.
set -u
hvsim=$1
package=xen-hypervisor-4.17-amd64
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hvsim
limit=3000000000 # instructions: a hang is a failure, not a wait
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fetch() {
    mkdir -p "$cache" || return 1
    ls "$cache"/$package*.deb >/dev/null 2>&1 && return 0
    echo "# downloading $package"
    (cd "$tmp" && { apt-get download $package || { apt-get update && apt-get download $package; }; }) >"$tmp/apt.log" 2>&1 &&
        mv "$tmp"/$package*.deb "$cache"/ && return 0
    sed 's/^/# /' "$tmp/apt.log"
    return 1
}

if ! fetch || ! dpkg-deb -x "$(ls "$cache"/$package*.deb | tail -n 1)" "$tmp/x"; then
    echo "not ok 1 - fetch and unpack $package"
    echo "1..1"
    echo "0 passed, 1 failed"
    exit 1
fi
gzip -dc "$(ls "$tmp"/x/boot/xen-*.gz | head -n 1)" >"$tmp/xen"

n=0
failed=0
for cpu in max-intel max-amd; do
    n=$((n + 1))
    "$hvsim" run "$tmp/xen" --cpu $cpu --memory 512M --append "com1=115200,8n1 console=com1 noreboot" \
        --max-instructions $limit --serial "file:$tmp/serial" >"$tmp/out" 2>&1
    if grep -q -i 'dom0 kernel' "$tmp/serial"; then
        echo "ok $n - $package on $cpu: $(grep -i -m 1 'dom0 kernel' "$tmp/serial" | tr -d '\r')"
    else
        echo "not ok $n - $package on $cpu does not reach the message about the missing dom0 kernel"
        tail -n 15 "$tmp/serial" "$tmp/out" | sed 's/^/# /'
        failed=$((failed + 1))
    fi
done
echo "1..$n"
echo "$((n - failed)) passed, $failed failed"
[ $failed -eq 0 ]
