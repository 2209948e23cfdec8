#!/usr/bin/env python3
"""Screenshots of display-modes.elf, taken without a window, against pictures computed by expected.py. TAP.

pictures.py HVSIM IMAGE [--keep FOLDER]
"""

import argparse
import os
import subprocess
import sys
import tempfile

import expected
import png


def difference(got, want):
    if got[:2] != want[:2]:
        return f"expected {want[0]} by {want[1]} pixels, found {got[0]} by {got[1]}"
    wrong = [i for i in range(0, len(want[2]), 3) if got[2][i:i + 3] != want[2][i:i + 3]]
    if not wrong:
        return None
    i = wrong[0]
    return (f"{len(wrong)} pixels differ; the first at {i // 3 % want[0]}, {i // 3 // want[0]}: expected "
            f"{want[2][i:i + 3].hex()}, found {got[2][i:i + 3].hex()}")


def run(hvsim, image, folder, options=()):
    command = [hvsim, "run", image, "--display", "none", "--memory", "64M", "--max-instructions", "400000000", "--hash",
               *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
                          cwd=folder)
    return done.returncode, done.stdout, done.stderr


def main():
    p = argparse.ArgumentParser()
    p.add_argument("hvsim")
    p.add_argument("image")
    p.add_argument("--keep", help="leave the screenshots in this folder")
    a = p.parse_args()
    folder = a.keep or tempfile.mkdtemp(prefix="hvsim-pictures-")
    hvsim, image = os.path.abspath(a.hvsim), os.path.abspath(a.image)
    count = failed = 0

    def result(good, name, why=""):
        nonlocal count, failed
        count += 1
        failed += not good
        print(f"{'ok' if good else 'not ok'} {count} - {name}" + (f"\n# {why}" if why and not good else ""))

    options = []
    for name in expected.PICTURES:
        options += ["--screenshot", f"{name.replace(' ', '-')}.png", "--at", f"serial=# {name} drawn"]
    status, out, err = run(hvsim, image, folder, options)
    result(status == 1, "the image passes its own tests", f"status {status}\n{out}\n{err}")
    for name, make in expected.PICTURES.items():
        path = os.path.join(folder, name.replace(" ", "-") + ".png")
        try:
            why = difference(png.read(path), make())
        except (OSError, ValueError) as e:
            why = str(e)
        result(why is None, f"{name}: the screenshot is the picture computed", why)
    _, _, plain = run(hvsim, image, folder)
    result(plain.splitlines()[-1:] == err.splitlines()[-1:] != [], "with screenshots the run is the same as without",
           f"{plain}\n{err}")
    _, _, err = run(hvsim, image, folder, ["--screenshot", "never.png", "--at", "serial=never", "--screenshot", "a.png",
                                           "--at", "instructions=1000000", "--screenshot", "b.png", "--at", "time=0.001"])
    result("never.png" in err and not os.path.exists(os.path.join(folder, "never.png")), "a condition never met is told")
    result(open(os.path.join(folder, "a.png"), "rb").read() == open(os.path.join(folder, "b.png"), "rb").read(),
           "a moment by instructions and by time, close to each other, give the same picture")
    if not a.keep:
        for name in os.listdir(folder):
            os.remove(os.path.join(folder, name))
        os.rmdir(folder)
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
