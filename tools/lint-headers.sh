#!/bin/sh
# Every header compiles on its own. Usage: tools/lint-headers.sh CC FLAGS...
set -eu
cd "$(dirname "$0")/.."
bad=0
for h in $(git ls-files 'decoder/*.h' 'mmu/*.h' 'sim/*.h' 'vmx/*.h' 'svm/*.h' 'frontends/*.h'); do
    printf '#include "%s"\n' "$h" | "$@" -Wno-unused-function -x c -fsyntax-only - || {
        echo "$h: does not compile alone"
        bad=1
    }
done
exit $bad
