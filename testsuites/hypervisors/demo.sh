#!/bin/sh
# The demonstration on every CPU model with VMX or SVM and nested paging: it must pass, and twice alike. TAP.
# usage: demo.sh HVSIM DEMO.ELF
set -u
hvsim=$1
image=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

result() { # status, text
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        failed=$((failed + 1))
    fi
}

for cpu in max-intel max-amd; do
    for round in 1 2; do
        "$hvsim" run "$image" --cpu $cpu --memory 64M --max-instructions 500000000 --stats \
            --serial "file:$tmp/$cpu.$round" >"$tmp/out.$round" 2>"$tmp/err.$round"
        status=$?
        [ $status -eq 1 ] && tail -n 1 "$tmp/$cpu.$round" | grep -q '^PASS'
        result $? "$cpu round $round: exit status 1 and PASS (got status $status)"
    done
    cmp -s "$tmp/$cpu.1" "$tmp/$cpu.2"
    result $? "$cpu: both rounds print the same"
    grep -h -i 'instructions' "$tmp/out.1" "$tmp/err.1" | grep -o '[0-9]* instructions' >"$tmp/n1"
    grep -h -i 'instructions' "$tmp/out.2" "$tmp/err.2" | grep -o '[0-9]* instructions' >"$tmp/n2"
    [ -s "$tmp/n1" ] && cmp -s "$tmp/n1" "$tmp/n2"
    result $? "$cpu: both rounds execute the same number of instructions ($(head -n 1 "$tmp/n1"))"
done
echo "1..$n"
echo "$((n - failed)) passed, $failed failed"
[ $failed -eq 0 ]
