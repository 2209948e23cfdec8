# Shared by the scripts of this folder (". lib.sh"): Debian packages, ELF libraries, kernel modules, TAP.
# Packages are kept in ${XDG_CACHE_HOME:-~/.cache}/hvsim, unpacked under unpacked/ there; nothing is installed.
# shellcheck shell=sh

cache=${XDG_CACHE_HOME:-$HOME/.cache}/hvsim
tests=0
failures=0

# Progress is TAP's comment, on standard error where standard output is the result of a function.
progress() { echo "# $*" >&2; }

# --- TAP

tap_result() { # STATUS NAME
    tests=$((tests + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tests - $2"
    else
        echo "not ok $tests - $2"
        failures=$((failures + 1))
    fi
}
tap_skip() { # NAME REASON
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}
tap_file() { # FILE [LINES]: its end as comments
    tail -n "${2:-30}" "$1" | tr -d '\r' | sed 's/^/# /'
}
tap_end() {
    echo "1..$tests"
    echo "# $((tests - failures)) passed, $failures failed"
    [ $failures -eq 0 ]
}
exec 3>&1
bail_out() { # what was expected and what to do; heard from within $(...) too, whose caller then ends with || exit
    echo "Bail out! $*" >&3
    echo "${0##*/}: $*" >&2
    exit 1
}

# --- Debian packages

# Lists of packages may be absent on a fresh machine: they are fetched once.
apt_update() {
    [ -z "${apt_updated:-}" ] || return 1
    apt_updated=yes
    progress "apt-get update"
    if [ "$(id -u)" = 0 ]; then apt-get -q update; else sudo -n apt-get -q update; fi >"$cache/apt.log" 2>&1
}

# The newest .deb of a package in the cache; fails when there is none.
cached_deb() { # NAME
    ls -v "$cache/$1"_*.deb 2>/dev/null | tail -n 1 | grep .
}

# Download what is not in the cache, all with one call.
fetch_packages() { # NAME...
    mkdir -p "$cache/unpacked" || bail_out "cannot create $cache; set XDG_CACHE_HOME to a writable folder"
    wanted=
    for p; do cached_deb "$p" >/dev/null || wanted="$wanted $p"; done
    [ -n "$wanted" ] || return 0
    # shellcheck disable=SC2086 # package names are words
    set -- $wanted
    if [ $# -le 4 ]; then progress "downloading $*"; else progress "downloading $# packages: $1 ... "; fi
    new=$(mktemp -d "$cache/new.XXXXXX") || bail_out "cannot write to $cache"
    # apt's own user may not be able to write here; as root apt then downloads itself, and says so in its log.
    if ! (cd "$new" && apt-get -q download "$@") >"$cache/apt.log" 2>&1; then
        apt_update || :
        (cd "$new" && apt-get -q download "$@") >"$cache/apt.log" 2>&1 || {
            rm -rf "$new"
            bail_out "Debian packages cannot be had: $*: $(grep '^E:' "$cache/apt.log" | head -n 1); put their .deb files into $cache, or mend apt's sources"
        }
    fi
    mv "$new"/*.deb "$cache"/ && rmdir "$new"
}

# Print the folder in which a package is unpacked, fetching it when necessary.
package_dir() { # NAME
    fetch_packages "$1"
    deb=$(cached_deb "$1")
    dir=$cache/unpacked/$(basename "$deb" .deb)
    if [ ! -d "$dir" ]; then
        new=$(mktemp -d "$cache/new.XXXXXX") && dpkg-deb -x "$deb" "$new" && chmod 755 "$new" || {
            rm -rf "$new" "$deb"
            bail_out "$deb cannot be unpacked; it is removed, the next run downloads it again"
        }
        mv -T "$new" "$dir" 2>/dev/null || rm -rf "$new" # another run may have been faster
    fi
    echo "$dir"
}

# apt-cache depends, with the lists fetched when they are absent
depends() { # OPTIONS NAME
    apt-cache depends "$@" 2>/dev/null | grep -q . || apt_update || :
    apt-cache depends "$@" 2>/dev/null
}

# The concrete package of a metapackage: linux-image-amd64 -> linux-image-6.1.0-N-amd64. What is cached serves without apt.
concrete_package() { # METAPACKAGE PATTERN
    name=$(depends "$1" | sed -n 's/^ *Depends: //p' | grep -x -m 1 "$2")
    [ -n "$name" ] || name=$(find "$cache" -maxdepth 1 -name '*.deb' -printf '%f\n' | sed 's/_.*//' | sort -V | grep -x "$2" | tail -n 1)
    [ -n "$name" ] || bail_out "apt knows no package for $1 and none is in $cache; run apt-get update"
    echo "$name"
}

# The library packages that a package needs, directly or not.
library_packages() { # NAME...
    depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
        grep -E '^(lib|zlib)' | sort -u
}
direct_libraries() { # NAME...
    for p; do depends "$p" | sed -n 's/^ *Depends: \(lib[^ ]*\)$/\1/p'; done | sort -u
}

# --- Debian's kernel and its modules

kernel_package() {
    package=$(concrete_package linux-image-amd64 'linux-image-[0-9][0-9.]*-[0-9]*-amd64') || exit 1
    echo "$package"
}
kernel_image() { # DIR of the unpacked package
    ls "$1"/boot/vmlinuz-*
}

# A module and what it depends on, in the order of loading, as paths. The package has no modules.dep (depmod makes it when
# the package is installed), so the dependencies come from the modules themselves.
module_closure() { # DIR MODULE...
    modules=$1
    shift
    [ -s "$modules/modules.paths" ] || find "$modules/lib/modules" -name '*.ko' >"$modules/modules.paths"
    for m; do module_visit "$m" || return 1; done | awk '!seen[$0]++'
}
module_visit() { # NAME
    path=$(grep -m 1 "/$(echo "$1" | sed 's/[-_]/[-_]/g')\.ko$" "$modules/modules.paths") || {
        progress "the kernel has no module $1"
        return 1
    }
    for d in $(objcopy -O binary --only-section=.modinfo "$path" /dev/stdout | tr '\0' '\n' | sed -n 's/^depends=//p' | tr ',' ' '); do
        (module_visit "$d") || return 1
    done
    echo "$path"
}

# --- Programs with their shared libraries

needed() { # ELF: the sonames and the interpreter it asks for
    readelf -d -l "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# Copy the shared libraries that the given programs need, found in unpacked packages, into ROOT/lib/x86_64-linux-gnu.
copy_libraries() { # ROOT PROGRAM-FILE... -- PACKAGE-DIR...
    root=$1
    shift
    : >"$root/.queue"
    while [ "$1" != -- ]; do
        needed "$1" >>"$root/.queue"
        shift
    done
    shift
    mkdir -p "$root/lib/x86_64-linux-gnu" "$root/lib64"
    find "$@" \( -path '*/lib/x86_64-linux-gnu/*' -o -path '*/usr/lib/*' \) -name '*.so*' >"$root/.libraries"
    # glibc loads the second one by name when a thread is cancelled.
    printf '%s\n' ld-linux-x86-64.so.2 libgcc_s.so.1 >>"$root/.queue"
    while [ -s "$root/.queue" ]; do
        soname=$(head -n 1 "$root/.queue")
        sed -i 1d "$root/.queue"
        [ ! -e "$root/lib/x86_64-linux-gnu/$soname" ] || continue
        file=$(grep -m 1 "/$(echo "$soname" | sed 's/[.+]/\\&/g')\$" "$root/.libraries") || bail_out "no package has the library $soname"
        cp -L "$file" "$root/lib/x86_64-linux-gnu/$soname"
        needed "$file" >>"$root/.queue"
    done
    ln -sf ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$root/lib64/ld-linux-x86-64.so.2"
    rm -f "$root/.queue" "$root/.libraries"
}
