# Shared by the scripts of this folder: a simulated machine runs, and what its console said is judged.
# shellcheck shell=sh
# shellcheck disable=SC2154 # hvsim, build and work are the caller's

machine_pid=

stop_machine() {
    [ -z "$machine_pid" ] || { kill "$machine_pid" 2>/dev/null && wait "$machine_pid" 2>/dev/null; }
    machine_pid=
}

# A file of the build folder, made by the rules of build.mk when it is missing or old
built() { # FILE
    ${MAKE:-make} -s --no-print-directory "$build/$1" >&2 || bail_out "$build/$1 cannot be built"
    echo "$build/$1"
}

# The models of processor by vendor
model() { # intel|amd
    case ${PEER:-}-$1 in
    qemu-amd) echo EPYC,+svm,-smap,-monitor,-sha-ni,-rdseed,-fxsr-opt ;;
    qemu-*) echo Skylake-Server-v5 ;;
    *) echo "max-$1" ;;
    esac
}

# Run a command with its output in a file; say twice a minute where the console is. Sets $status.
watch() { # NAME CONSOLE OUTPUT COMMAND...
    what=$1
    console=$2
    output=$3
    shift 3
    : >"$console"
    "$@" </dev/null >"$output" 2>&1 &
    machine_pid=$!
    seconds=0
    while kill -0 "$machine_pid" 2>/dev/null; do
        sleep 1
        seconds=$((seconds + 1))
        [ $((seconds % 30)) -ne 0 ] || progress "$what, $seconds s: $(tail -n 1 "$console" | tr -cd '[:print:]' | tail -c 100)"
    done
    wait "$machine_pid"
    status=$?
    machine_pid=
}

# A run of NAME: the console is $work/NAME.console, what the simulator says $work/NAME.out. Sets $status.
# SIZE in MiB; INSTRUCTIONS bounds the run; the rest are options, the image first.
run_hvsim() { # NAME VENDOR CPUS SIZE INSTRUCTIONS ARGUMENT...
    progress "$1: $2, $3 CPU(s), $4 MiB, at most $(($5 / 1000000000)) thousand million instructions"
    run_name=$1
    run_vendor=$2
    run_cpus=$3
    run_memory=$4
    run_limit=$5
    shift 5
    watch "$run_name" "$work/$run_name.console" "$work/$run_name.out" "$hvsim" run "$@" --cpu "$(model "$run_vendor")" --cpus "$run_cpus" \
        --memory "${run_memory}M" --max-instructions "$run_limit" --serial "file:$work/$run_name.console" --hash
    progress "$run_name: $(grep -o '[0-9]* instructions, state hash [0-9a-f]*' "$work/$run_name.out" | tail -n 1), $seconds s, status $status"
}

# Debian's kernel with an initramfs and a command line; on q35 when $machine says so
machine=pc
run_linux() { # NAME VENDOR CPUS SIZE INSTRUCTIONS INITRAMFS APPEND
    kernel=$(kernel_image "$(package_dir "$(kernel_package)")") || exit 1
    initramfs=$(built "$6") || exit 1
    if [ "${PEER:-}" = qemu ]; then
        run_qemu_linux "$1" "$2" "$3" "$4" "$initramfs" "$7"
    else
        run_hvsim "$1" "$2" "$3" "$4" "$5" "$kernel" --machine $machine --initrd "$initramfs" --append "console=ttyS0 $7"
    fi
}

run_qemu_linux() { # NAME VENDOR CPUS SIZE INITRAMFS-FILE APPEND
    kernel=$(kernel_image "$(package_dir "$(kernel_package)")") || exit 1
    progress "$1: on qemu"
    watch "$1" "$work/$1.console" "$work/$1.out" timeout 1200 qemu-system-x86_64 -M $machine -accel tcg -cpu "$(PEER=qemu model "$2")" -smp "$3" -m "$4" \
        -kernel "$kernel" -initrd "$5" -append "console=ttyS0 $6" -nodefaults -no-reboot -display none -serial "file:$work/$1.console"
    progress "$1: $seconds s, status $status"
}

# The results that a guest printed become ours; its plan must be kept, and it must have powered off.
relay() { # NAME
    tr -d '\r' <"$work/$1.console" >"$work/relayed"
    passed=$(grep -c '^ok ' "$work/relayed")
    wrong=$(grep -c '^not ok ' "$work/relayed")
    while IFS= read -r line; do
        case $line in
        "not ok "*) tap_result 1 "$1: ${line#*- }" ;;
        "ok "*"# SKIP "*) tap_skip "$1: $(echo "${line#*- }" | sed 's/ # SKIP.*//')" "${line#*# SKIP }" ;;
        "ok "*) tap_result 0 "$1: ${line#*- }" ;;
        "# "* | "Bail out!"*) echo "# $1: ${line#\# }" ;;
        esac
    done <"$work/relayed"
    grep -q "^1\.\.$((passed + wrong))\$" "$work/relayed" && [ $((passed + wrong)) -gt 0 ] && [ $status -eq 0 ]
    good=$?
    tap_result $good "$1: the tests come to their end and the system powers off (status $status)"
    [ $good -eq 0 ] || tap_run "$1"
}

tap_run() { # NAME: the end of a run's console and messages
    tap_file "$work/$1.console"
    tap_file "$work/$1.out" 15
}
