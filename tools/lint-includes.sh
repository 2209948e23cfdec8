#!/bin/sh
# An include may only follow the arrows of docs/architecture.md. Prints each one that does not; exit status 1 if there is any.
set -eu
cd "$(dirname "$0")/.."

# folder: what its files may include from this project (extended regular expression on the path)
allowed() {
    case "$1" in
    decoder/*) echo '^(decoder/|sim/arch/)' ;;
    mmu/*) echo '^(mmu/|sim/arch/)' ;;
    sim/arch/*) echo '^sim/arch/' ;;
    sim/hvsim.h) echo '^$' ;;
    sim/*) echo '^(sim/|decoder/|mmu/)' ;;
    vmx/*) echo '^(vmx/|sim/|mmu/|decoder/insn|decoder/decoder\.h)' ;;
    svm/*) echo '^(svm/|sim/|mmu/|decoder/insn|decoder/decoder\.h)' ;;
    frontends/cli/*) echo '^(sim/hvsim\.h|frontends/)' ;;
    frontends/*) echo "^(sim/hvsim\.h|frontends/$(echo "$1" | cut -d/ -f2)/)" ;;
    *) echo '.' ;;
    esac
}

bad=0
for f in $(git ls-files '*.c' '*.h' '*.def'); do
    case "$f" in decoder/* | mmu/* | sim/* | vmx/* | svm/* | frontends/*) ;; *) continue ;; esac
    rule=$(allowed "$f")
    for inc in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$f"); do
        echo "$inc" | grep -Eq "$rule" || {
            echo "$f: may not include \"$inc\" (allowed: $rule)"
            bad=1
        }
    done
done
# Zydis and Capstone stay behind the decoder.
for f in $(git grep -lE '#[[:space:]]*include[[:space:]]*<(Zydis|capstone)/' -- '*.c' '*.h'); do
    case "$f" in
    decoder/* | testsuites/*) ;;
    *)
        echo "$f: Zydis and Capstone may only be used in decoder/"
        bad=1
        ;;
    esac
done
exit $bad
