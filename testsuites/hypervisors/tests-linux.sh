# Debian's Linux by itself, its KVM with our program, and guests of its KVM two and three levels deep. (part of run.sh)
# shellcheck shell=sh
# shellcheck disable=SC2154

names="linux-intel-1 linux-intel-4 linux-amd-1 linux-amd-4 linux-intel-2-q35 linux-amd-2-q35 repeat-intel repeat-amd kvm-intel kvm-amd nested-intel nested-amd $names"
names="$names nested3-intel nested3-amd"

# What the kernel warns of, without numbers: they are addresses, sizes and times.
warnings_of() { # CONSOLE
    tr -d '\r' <"$1" | sed -n 's/^dmesg: //p' | sed 's/0x[0-9a-f]*/#/g; s/[0-9][0-9.]*/#/g' | sort -u
}

# Linux reaches user space and powers off; it warns of nothing that it does not warn of on qemu.
test_linux() { # NAME . VENDOR CPUS [MACHINE]
    machine=${5:-pc}
    run_linux "$1" "$3" "$4" 512 10000000000 base.cpio.gz "hvtest=linux hvargs=$4"
    relay "$1"
    [ "${PEER:-}" = qemu ] || compare_warnings "$@"
    machine=pc
}
compare_warnings() { # like test_linux
    peer=peer-$1
    run_qemu_linux "$peer" "$3" "$4" 512 "$(built base.cpio.gz)" "hvtest=linux hvargs=$4"
    if [ "$status" -ne 0 ]; then
        tap_skip "$1: warnings as on qemu" "qemu ended with status $status"
        return 0
    fi
    warnings_of "$work/$peer.console" >"$work/peer.warnings"
    warnings_of "$work/$1.console" | comm -23 - "$work/peer.warnings" >"$work/more.warnings"
    [ ! -s "$work/more.warnings" ]
    tap_result $? "$1: no warnings that the kernel does not print on qemu"
    sed 's/^/# /' "$work/more.warnings"
}

# The same run twice: as many instructions and the same state.
test_repeat() { # NAME . VENDOR
    [ "${PEER:-}" != qemu ] || return 0
    for round in 1 2; do
        run_linux "$1-$round" "$3" 2 512 10000000000 base.cpio.gz "hvtest=linux hvargs=2"
        grep -o '[0-9]* instructions, state hash [0-9a-f]*' "$work/$1-$round.out" >"$work/$1-$round.hash"
    done
    [ -s "$work/$1-1.hash" ] && cmp -s "$work/$1-1.hash" "$work/$1-2.hash"
    tap_result $? "$1: both runs execute the same instructions and end in the same state ($(head -n 1 "$work/$1-1.hash"))"
    cmp -s "$work/$1-1.console" "$work/$1-2.console"
    tap_result $? "$1: both runs print the same"
}

test_kvm() { # NAME . VENDOR
    run_linux "$1" "$3" 2 512 60000000000 kvm.cpio.gz "quiet hvtest=kvm hvargs=${KVM_PARAMETERS:-all}"
    relay "$1"
}

test_nested() { # NAME . VENDOR
    run_linux "$1" "$3" 2 1024 30000000000 nested.cpio "quiet hvtest=nested hvargs=256,2"
    relay "$1"
}

test_nested3() { # NAME . VENDOR
    run_linux "$1" "$3" 1 2048 100000000000 nested3.cpio "quiet hvtest=nested hvargs=1024,1,1"
    relay "$1"
}
