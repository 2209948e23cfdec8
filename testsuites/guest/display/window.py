#!/usr/bin/env python3
"""The window under Xvfb: its picture as the X server has it, keys and mouse by xdotool, title, full screen, screenshot key,
closing. Needs xvfb, xdotool, imagemagick, x11-utils and a window manager, openbox (tools/deps.sh test). TAP.

window.py HVSIM MODES_IMAGE INPUT_IMAGE [--keep FOLDER]
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import expected
import png
from pictures import difference

SCREEN = "1280x1024"
NEEDS = ["Xvfb", "xdotool", "import", "xprop", "openbox"]


class Test:
    def __init__(self, folder):
        self.folder, self.count, self.failed = folder, 0, 0
        self.server = self.manager = None

    def result(self, good, name, why=""):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}" + (f"\n# {why}" if why and not good else ""), flush=True)

    def start_server(self):
        read, write = os.pipe()
        self.server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN + "x24", "-nolisten", "tcp"],
                                       pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as f:
            number = f.readline().strip()
        os.environ.update(DISPLAY=f":{number}", SDL_VIDEODRIVER="x11")
        os.environ.pop("WAYLAND_DISPLAY", None)
        self.manager = subprocess.Popen(["openbox", "--sm-disable"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(lambda: "_NET_SUPPORTED" in root_property("_NET_SUPPORTED"), 20)

    def stop_server(self):
        for process in (self.manager, self.server):
            if process:
                process.terminate()
                process.wait()

    def path(self, name):
        return os.path.join(self.folder, name)

    def hvsim(self, program, image, *options):
        serial = self.path("serial")
        if os.path.exists(serial):
            os.remove(serial)
        with open(self.path("errors"), "wb") as errors:
            return subprocess.Popen([program, "run", image, "--display", "sdl", "--memory", "64M", "--serial",
                                     f"file:{serial}", *options], stdin=subprocess.DEVNULL, stderr=errors, cwd=self.folder)

    def text(self, name):
        try:
            with open(self.path(name), encoding="ascii", errors="replace") as f:
                return f.read()
        except OSError:
            return ""


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    return condition()


def root_property(name):
    done = subprocess.run(["xprop", "-root", name], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout if "=" in done.stdout or "(ATOM)" in done.stdout else ""


def xdotool(*args):
    done = subprocess.run(["xdotool", *args], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip()


def find_window():
    return wait(lambda: xdotool("search", "--onlyvisible", "--name", "hvsim").split("\n")[0])


def title(window):
    return xdotool("getwindowname", window)


def geometry(window):
    found = dict(line.split("=") for line in xdotool("getwindowgeometry", "--shell", window).split("\n") if "=" in line)
    return int(found.get("WIDTH", 0)), int(found.get("HEIGHT", 0))


def capture(path, window):
    subprocess.run(["import", "-window", window, "-depth", "8", f"PNG24:{path}"], check=False, timeout=60)
    return png.read(path)


def end(process, seconds=30):
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def test_picture(t, hvsim, image):
    process = t.hvsim(hvsim, image, "--max-instructions", "400000000", "--screenshot", t.path("shot.png"), "--at", "end")
    window = find_window()
    t.result(bool(window), "a window opens", t.text("errors"))
    t.result(end(process, 120) == 1, "the guest ends, and the window with it", t.text("errors"))
    t.result(not xdotool("search", "--name", "hvsim"), "no window is left")


def dead_image(t):
    """Real-mode code that fills 320 by 200 pixels of mode 13H's memory in a linear mode of 8 bits and shuts down: the last
    picture stays."""
    code = bytearray()

    def out16(port, val):
        code.extend(b"\xBA" + port.to_bytes(2, "little") + b"\xB8" + val.to_bytes(2, "little") + b"\xEF")

    def dispi(index, val):
        out16(0x1CE, index)
        out16(0x1CF, val)

    def out8(port, val):
        code.extend(b"\xBA" + port.to_bytes(2, "little") + b"\xB0" + bytes([val]) + b"\xEE")

    for index, val in ((4, 0), (1, 320), (2, 200), (3, 8), (4, 0x41)):
        dispi(index, val)
    for i in range(256):
        out8(0x3C8, i)
        for c in (i * 5 & 63, i * 11 & 63, i * 3 & 63):
            out8(0x3C9, c)
    out16(0x3CE, 0x0506)
    # mov ax, 0xA000; mov es, ax; xor di, di; 1: mov ax, di; stosb; cmp di, 64000; jne 1b
    code.extend(b"\xB8\x00\xA0\x8E\xC0\x31\xFF\x89\xF8\xAA\x81\xFF\x00\xFA\x75\xF7")
    code.extend(b"\x0F\x01\x1E\x00\x00\xCC")  # lidt [0], whose limit is 0; int3: shutdown
    with open(t.path("dead.bin"), "wb") as f:
        f.write(code)
    return 320, 200, b"".join(expected.colour(i & 0xFF) for i in range(64000))


def test_last_picture(t, hvsim):
    want = dead_image(t)
    process = t.hvsim(hvsim, t.path("dead.bin"), "--mode", "real", "--load-address", "0x8000")
    window = find_window()
    t.result(bool(wait(lambda: "stopped" in title(window))), "after a triple fault the title says that it is stopped",
             title(window) + t.text("errors"))
    t.result(wait(lambda: geometry(window) == (320, 200)), "the window has the size of the picture", geometry(window))
    time.sleep(0.5)
    why = difference(capture(t.path("window.png"), window), want)
    t.result(why is None, "the picture in the window is the picture computed, pixel by pixel", why)
    xdotool("windowfocus", "--sync", window)
    xdotool("key", "ctrl+alt+equal")
    t.result(wait(lambda: geometry(window) == (640, 400), 10), "Ctrl+Alt and + scales", geometry(window))
    xdotool("key", "ctrl+alt+s")
    shot = t.path("hvsim-000.png")
    t.result(wait(lambda: os.path.exists(shot), 10), "Ctrl+Alt+S saves a screenshot")
    time.sleep(0.5)
    why = difference(png.read(shot), want) if os.path.exists(shot) else "there is none"
    t.result(why is None, "which is the picture", why)
    xdotool("key", "ctrl+alt+f")
    full = tuple(int(n) for n in SCREEN.split("x"))
    t.result(wait(lambda: geometry(window) == full, 10), "Ctrl+Alt+F fills the screen", geometry(window))
    xdotool("key", "ctrl+alt+f")
    t.result(wait(lambda: geometry(window) != full, 10), "and gives it back", geometry(window))
    xdotool("key", "alt+F4")
    status = end(process)
    t.result(status == 4, "closing the window ends the command with the status of a triple fault", status)


def keys_of(t):
    return re.findall(r"# key (\w\w)", t.text("serial"))


def mouse_of(t):
    return re.findall(r"# mouse (\w\w)", t.text("serial"))


def test_input(t, hvsim, image):
    process = t.hvsim(hvsim, image)
    window = find_window()
    t.result(wait(lambda: "ready" in t.text("serial")), "the guest waits for keys", t.text("errors"))
    t.result(wait(lambda: "halted" in title(window), 10), "the title says that it is halted", title(window))
    xdotool("windowfocus", "--sync", window)
    xdotool("key", "a")
    t.result(wait(lambda: keys_of(t) == ["1e", "9e"], 10), "a key arrives, down and up", keys_of(t))
    xdotool("key", "shift+Left")
    t.result(wait(lambda: keys_of(t)[2:5] == ["2a", "e0", "4b"] and sorted(keys_of(t)[5:]) == ["aa", "cb", "e0"], 10),
             "so does Shift with an arrow", keys_of(t))
    x, y = (int(n) // 2 for n in SCREEN.split("x"))
    xdotool("mousemove", str(x), str(y), "click", "1")
    t.result(wait(lambda: "Ctrl+Alt+G" in title(window), 10), "a click grabs the mouse", title(window))
    t.result(not mouse_of(t), "and is not the guest's", mouse_of(t))
    xdotool("mousemove_relative", "--", "7", "0")
    t.result(wait(lambda: len(mouse_of(t)) >= 3, 10) and int(mouse_of(t)[1], 16) > 0, "motion arrives", mouse_of(t))
    before = len(mouse_of(t))
    xdotool("click", "3")
    t.result(wait(lambda: mouse_of(t)[before:] == ["0a", "00", "00", "08", "00", "00"], 10), "a click arrives",
             mouse_of(t)[before:])
    xdotool("key", "ctrl+alt+g")
    t.result(wait(lambda: "Ctrl+Alt+G" not in title(window), 10), "Ctrl+Alt+G frees the mouse", title(window))
    capture(t.path("text.png"), window)
    xdotool("key", "Escape")
    t.result(end(process) == 1, "Esc ends the guest, and the command with its status", t.text("serial")[-200:])


def test_closing(t, hvsim, image):
    for name, close in (("closing the window", lambda p, w: xdotool("windowfocus", "--sync", w, "key", "alt+F4")),
                        ("SIGTERM", lambda p, w: p.send_signal(signal.SIGTERM))):
        process = t.hvsim(hvsim, image)
        window = find_window()
        wait(lambda: "ready" in t.text("serial"))
        close(process, window)
        status = end(process)
        t.result(status == 14, f"{name} interrupts the run", f"status {status}")


def test_no_display(t, hvsim, image):
    display = os.environ.pop("DISPLAY")
    process = t.hvsim(hvsim, image)
    t.result(end(process) == 2 and "--display sdl" in t.text("errors"), "without a display a window is refused with a reason",
             t.text("errors"))
    os.environ["DISPLAY"] = display


def main():
    p = argparse.ArgumentParser()
    p.add_argument("hvsim")
    p.add_argument("modes")
    p.add_argument("input")
    p.add_argument("--keep", help="leave the pictures in this folder")
    a = p.parse_args()
    missing = [n for n in NEEDS if not shutil.which(n)]
    if missing:
        print(f"1..0 # SKIP {', '.join(missing)} not installed")
        return 0
    t = Test(a.keep or tempfile.mkdtemp(prefix="hvsim-window-"))
    hvsim, modes, keys = (os.path.abspath(n) for n in (a.hvsim, a.modes, a.input))
    t.start_server()
    try:
        test_picture(t, hvsim, modes)
        test_last_picture(t, hvsim)
        test_input(t, hvsim, keys)
        test_closing(t, hvsim, keys)
        test_no_display(t, hvsim, keys)
    finally:
        t.stop_server()
    if not a.keep:
        shutil.rmtree(t.folder)
    print(f"1..{t.count}")
    return 1 if t.failed else 0


if __name__ == "__main__":
    sys.exit(main())
