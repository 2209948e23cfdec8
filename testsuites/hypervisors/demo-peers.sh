#!/bin/sh
# Runs the demonstration hypervisor on other simulators: QEMU (TCG, SVM only) and Bochs (VMX and SVM).
# That it passes there too shows that it relies on the architecture, not on hvsim. Prints TAP.
#
# usage: demo-peers.sh DEMO_ELF
#
# What is not installed is skipped. Debian: qemu-system-x86 bochs bochs-x bochsbios vgabios xvfb grub-pc-bin
# grub-common xorriso mtools. Seconds allowed for each run: DEMO_TIMEOUT (120).

set -u
if [ $# -ne 1 ] || [ ! -r "$1" ]; then
    echo "usage: ${0##*/} DEMO_ELF   (a readable multiboot image; 'make demo-image' builds it)" >&2
    exit 2
fi
image=$1
limit=${DEMO_TIMEOUT:-120}
tests=0
failures=0
xvfb= # process id of the X server, once started
bochs_pid=
work=$(mktemp -d) || exit 2

stop() { # PID: end one process that this script started
    [ -n "$1" ] && kill "$1" 2>/dev/null && wait "$1" 2>/dev/null
}
clean_up() {
    stop "$bochs_pid"
    stop "$xvfb"
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

have() { command -v "$1" >/dev/null 2>&1; }

skip() { # NAME REASON
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# NAME FEATURE OUTPUT: judge the console output of one run. It has to name the feature (VMX or SVM) and to say PASS.
judge() {
    tests=$((tests + 1))
    if tr -d '\r' <"$3" | grep -q "^2\. $2 is on" && [ "$(tail -n 1 "$3" | tr -d '\r')" = PASS ]; then
        echo "ok $tests - $1"
    else
        failures=$((failures + 1))
        echo "not ok $tests - $1"
        echo "# expected \"2. $2 is on\" and a last line PASS within $limit seconds; the console had:"
        tr -d '\r' <"$3" | sed 's/^/# /'
    fi
}

run_qemu() { # CPU
    name="qemu -cpu $1: SVM"
    have qemu-system-x86_64 || { skip "$name" "qemu-system-x86_64 is not installed"; return; }
    timeout "$limit" qemu-system-x86_64 -accel tcg -cpu "$1" -m 32 -kernel "$image" -nodefaults -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -display none -serial stdio </dev/null \
        >"$work/qemu.out" 2>"$work/qemu.err"
    status=$?
    # The value 0, written to the exit port, becomes status 1; anything after PASS spoils the verdict.
    if [ $status -ne 1 ]; then
        cat "$work/qemu.err" >>"$work/qemu.out"
        echo "qemu ended with status $status, not 1" >>"$work/qemu.out"
    fi
    [ -s "$work/qemu.out" ] || cat "$work/qemu.err" >"$work/qemu.out"
    judge "$name" SVM "$work/qemu.out"
}

# Bochs neither boots multiboot images nor runs without a display: make an ISO with GRUB, and start an X server.
prepare_bochs() {
    for tool in bochs Xvfb grub-mkrescue xorriso mformat; do
        have $tool || { missing="$tool is not installed"; return; }
    done
    for file in /usr/lib/grub/i386-pc/multiboot.mod /usr/share/bochs/BIOS-bochs-latest /usr/share/vgabios/vgabios.bin; do
        [ -r $file ] || { missing="$file is not installed"; return; }
    done
    mkdir -p "$work/iso/boot/grub"
    cp "$image" "$work/iso/boot/demo.elf"
    printf 'set timeout=0\nmenuentry demo {\nmultiboot /boot/demo.elf\n}\n' >"$work/iso/boot/grub/grub.cfg"
    if ! grub-mkrescue -d /usr/lib/grub/i386-pc -o "$work/demo.iso" "$work/iso" >"$work/grub.log" 2>&1; then
        missing="grub-mkrescue failed: $(tail -n 1 "$work/grub.log")"
        return
    fi
    Xvfb -displayfd 3 -nolisten tcp -screen 0 1024x768x24 3>"$work/display" >/dev/null 2>&1 &
    xvfb=$!
    tries=0
    while [ ! -s "$work/display" ] && [ $tries -lt 20 ]; do
        sleep 0.5
        tries=$((tries + 1))
    done
    [ -s "$work/display" ] || missing="Xvfb did not start"
}

write_bochsrc() { # CPU
    cat >"$work/bochsrc" <<END
display_library: x
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
cpu: model=$1, count=1, ips=50000000, reset_on_triple_fault=0
memory: guest=64, host=64
ata0-master: type=cdrom, path=$work/demo.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/bochs.out
clock: sync=none
port_e9_hack: enabled=1
speaker: enabled=0, mode=none
log: $work/bochs.log
panic: action=fatal
END
}

run_bochs() { # CPU FEATURE
    name="bochs $1: $2"
    [ -z "$missing" ] || { skip "$name" "$missing"; return; }
    write_bochsrc "$1"
    : >"$work/bochs.out"
    echo c >"$work/commands" # "continue": Debian's Bochs has a debugger, which waits for it; others read nothing
    DISPLAY=":$(cat "$work/display")" bochs -q -f "$work/bochsrc" <"$work/commands" >/dev/null 2>&1 &
    bochs_pid=$!
    # There is no exit port: wait for the last line, for the end of the process, or for the time to run out.
    waited=0
    while [ $waited -lt "$limit" ] && kill -0 $bochs_pid 2>/dev/null; do
        tr -d '\r' <"$work/bochs.out" | grep -qxE 'PASS|FAIL' && break
        sleep 1
        waited=$((waited + 1))
    done
    stop $bochs_pid
    bochs_pid=
    [ -s "$work/bochs.out" ] || tail -n 20 "$work/bochs.log" >"$work/bochs.out"
    judge "$name" "$2" "$work/bochs.out"
}

echo "TAP version 13"
missing=
run_qemu max
run_qemu EPYC,+svm
prepare_bochs
run_bochs corei7_haswell_4770 VMX
run_bochs corei7_skylake_x VMX
run_bochs ryzen SVM
echo "1..$tests"
[ $failures -eq 0 ]
