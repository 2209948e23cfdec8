#!/bin/sh
# Real hypervisors and operating systems, from Debian's packages, on hvsim. Prints TAP and, on standard error, progress.
#
# usage: run.sh HVSIM BUILD-FOLDER
#   ONLY="name pattern..."   run these tests only (shell patterns); ONLY=list prints the names
#   PEER=qemu                run on qemu-system-x86_64 (TCG: AMD only) instead, to see that a test is right
#   KEEP=folder              keep consoles and statistics there
# Each test has a limit in instructions: a hang is a failure, not a wait.
set -u
here=$(dirname "$0")
. "$here/lib.sh"
. "$here/machine.sh"
if [ $# -ne 2 ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
hvsim=$1
build=$2/hypervisors

names=
for part in linux storage virtio screen firmware xen; do
    [ ! -r "$here/tests-$part.sh" ] || . "$here/tests-$part.sh"
done

if [ "${ONLY:-}" = list ]; then
    echo "$names" | tr ' ' '\n'
    exit 0
fi

chosen() { # NAME
    [ -n "${ONLY:-}" ] || return 0
    echo "$ONLY" | tr ', ' '\n\n' | {
        while read -r pattern; do
            # shellcheck disable=SC2254 # it is a pattern
            case $1 in $pattern) exit 0 ;; esac
        done
        exit 1
    }
}

work=${KEEP:-$(mktemp -d)} && mkdir -p "$work" "$build" || exit 2
clean_up() {
    stop_machine
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

echo "TAP version 13"
for name in $names; do
    chosen "$name" || continue
    "test_$(echo "$name" | sed 's/-.*//')" "$name" $(echo "$name" | tr '-' ' ')
done
[ $tests -gt 0 ] || bail_out "no test is called ${ONLY:-}; ONLY=list prints the names"
tap_end
