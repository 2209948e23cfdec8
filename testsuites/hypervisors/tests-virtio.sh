# Linux's drivers for our virtio devices, by the modern interface with packed rings and by the legacy one. (part of run.sh)
# shellcheck shell=sh
# shellcheck disable=SC2154

names="$names virtio-intel-modern virtio-amd-legacy virtio-amd-q35"

# A web server on the loopback interface, for the guest to read a page from, and a client for the guest's own server, which
# is behind a forwarded port: it tries until it is answered. Prints its ports.
network_peer() { # FOLDER
    cat >"$work/peer.py" <<'END'
import http.server, os, socket, sys, threading, time
os.chdir(sys.argv[1])
free = socket.socket()
free.bind(("127.0.0.1", 0))
forwarded = free.getsockname()[1]
free.close()
class quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], forwarded, flush=True)
while True:
    try:
        with socket.create_connection(("127.0.0.1", forwarded), 5) as s:
            s.settimeout(5)
            s.sendall(b"hello from the host\n")
            if b"thanks" in s.recv(100): open("answered", "w").write("yes")
    except OSError:
        pass
    time.sleep(0.2)
END
    timeout 3600 python3 "$work/peer.py" "$1" >"$work/ports" 2>"$work/peer.log" &
    peer_pid=$!
    while ! [ -s "$work/ports" ] && kill -0 $peer_pid 2>/dev/null; do sleep 0.1; done
    read -r web forwarded <"$work/ports"
}

test_virtio() { # NAME . VENDOR KIND
    if [ "${PEER:-}" = qemu ]; then
        tap_skip "$1" "these devices are ours"
        return 0
    fi
    kernel=$(kernel_image "$(package_dir "$(kernel_package)")") && initramfs=$(built virtio.cpio) || exit 1
    mkdir -p "$work/www" && seq 1 300000 >"$work/www/page"
    rm -f "$work/www/answered" "$work/disk" "$work/ports" && truncate -s 64M "$work/disk"
    network_peer "$work/www"
    machine=pc
    [ "$4" != q35 ] || machine=q35
    interface=transitional
    [ "$4" != modern ] || interface=modern
    run_hvsim "$1" "$3" 2 256 20000000000 "$kernel" --initrd "$initramfs" --machine $machine --virtio $interface --drive "$work/disk,if=virtio" \
        --virtio-console "file:$work/hvc0" --virtio-console "file:$work/hvc1" --virtio-rng=7 --net "user,hostfwd=tcp:$forwarded-:7777" \
        --append "console=ttyS0 hvtest=virtio hvargs=$4,disk,console,rng,net=$web"
    kill $peer_pid
    wait $peer_pid 2>/dev/null
    relay "$1"
    tr -d "\r" <"$work/hvc0" >"$work/hvc0.text"
    seq -f "console line %g" 1 100 | cmp -s - "$work/hvc0.text"
    tap_result $? "$1: what the guest wrote to hvc0 is in the file"
    [ "$(tr -d "\r" <"$work/hvc1")" = "the second console" ]
    tap_result $? "$1: and what it wrote to hvc1"
    [ -f "$work/www/answered" ]
    tap_result $? "$1: a connection from outside reached the guest"
    [ "$(tr -d '\0' <"$work/disk" | wc -c)" -eq 0 ]
    tap_result $? "$1: the image of the disk is as it was"
}
