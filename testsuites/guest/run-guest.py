#!/usr/bin/env python3
"""Runs conformance images and adds up their TAP.

run-guest.py --hvsim PROGRAM IMAGE...   each image on hvsim, once per processor model that it is about
run-guest.py --peers IMAGE...           the same images on QEMU (TCG) and on Bochs, where they are installed

What a peer is known to do otherwise than the manuals is listed in known-peer-differences.txt beside this program; such
a failure is counted as skipped. Exit status: 0 if nothing failed, 1 if something did, 2 for bad usage.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RESULT = re.compile(r"^(not )?ok (\d+)(?: - (.*?))?(?:\s+# SKIP ?(.*))?$")
MAX_INSTRUCTIONS = 400_000_000
MEMORY_MIB = 64
END = "(runs to its end)"


def vendor_of(image):
    name = image_name(image)
    return "intel" if name.startswith("vmx-") else "amd" if name.startswith("svm-") else "any"


def image_name(image):
    return os.path.basename(image).removesuffix(".elf")


def is_cet(image):
    return "cet" in image_name(image).split("-")


def cpus_of(image):
    return 2 if image_name(image).startswith("smp-") else 1


class Job:
    """One image on one simulator with one processor model."""

    def __init__(self, peer, model, image):
        self.peer, self.model, self.image = peer, model, image
        self.name = f"{image_name(image)} [{peer} {model}]" if peer != "hvsim" else f"{image_name(image)} [{model}]"


def run_process(command, timeout, feed=b"", done=lambda: False, output=None):
    """Runs a command in a session of its own. Returns (status, output); status None: it took too long. output: a file
    that has the output instead; done says whether the run is over."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        status, deadline = None, time.monotonic() + timeout
        try:
            process.stdin.write(feed)
            process.stdin.close()
            while time.monotonic() < deadline:
                try:
                    status = process.wait(0.5 if output else deadline - time.monotonic())
                    break
                except subprocess.TimeoutExpired:
                    if done():
                        status = 0
                        break
        except BrokenPipeError:
            pass
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        return status, read_text(output) if output else out.read().decode("utf-8", "replace")


def read_text(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode("utf-8", "replace")
    except OSError:
        return ""


class Hvsim:
    name = "hvsim"
    missing = None

    def __init__(self, program):
        self.program = program

    names = {"intel": ["max-intel", "skylake-server", "nehalem"], "amd": ["max-amd", "zen3", "piledriver", "barcelona"]}
    # images about something that only these have
    special = {"oldamd": ["max-amd", "piledriver", "barcelona"]}
    cet = {"intel": ["max-intel,+shstk,+ibt", "max-intel,+shstk,-ibt", "max-intel,-shstk,+ibt", "nehalem"],
           "amd": ["max-amd,+shstk", "barcelona"]}

    def models(self, image):
        if image_name(image) in self.special:
            return self.special[image_name(image)]
        names = self.cet if is_cet(image) else self.names
        return names.get(vendor_of(image), names["intel"] + names["amd"])

    def run(self, job, timeout):
        command = [self.program, "run", job.image, "--cpu", job.model, "--memory", f"{MEMORY_MIB}M", "--cpus",
                   str(cpus_of(job.image)), "--serial", "stdio", "--max-instructions", str(MAX_INSTRUCTIONS)]
        status, text = run_process(command, timeout)
        return status in (1, 3), f"status {status}", text


class Qemu:
    name = "qemu"
    program = "qemu-system-x86_64"
    missing = None if shutil.which(program) else f"{program} is not installed (package qemu-system-x86)"

    def models(self, image):
        return [] if vendor_of(image) == "intel" else ["max"]

    def run(self, job, timeout):
        command = [self.program, "-accel", "tcg", "-cpu", job.model, "-m", str(MEMORY_MIB), "-smp",
                   str(cpus_of(job.image)), "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-device",
                   "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", job.image]
        status, text = run_process(command, timeout)
        return status in (1, 3), f"status {status}", text


BOCHSRC = """\
cpu: model={model}, count={cpus}, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=0
memory: guest={memory}, host={memory}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0: enabled=1
ata0-master: type=cdrom, path={folder}/test.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={folder}/serial
port_e9_hack: enabled=1
clock: sync=none
speaker: enabled=0, mode=none
log: {folder}/log
panic: action=fatal
error: action=ignore
display_library: x
"""
GRUB_CFG = "set timeout=0\nmenuentry test {\nmultiboot /boot/test.elf\nboot\n}\n"


class Bochs:
    """Debian's bochs: it wants a display, boots an ISO, and its debugger wants a "c"."""

    name = "bochs"
    needs = {"bochs": "bochs bochs-x bochsbios vgabios", "grub-mkrescue": "grub-common grub-pc-bin",
             "xorriso": "xorriso", "mformat": "mtools", "xvfb-run": "xvfb xauth"}
    done = re.compile(r"^(# (PASS|FAIL): |Bail out!)", re.M)
    special = {"oldamd": ["trinity_apu", "athlon64_clawhammer"]}
    panic = re.compile(r">>PANIC<<|: shutdown requested")

    def __init__(self):
        absent = [p for p in self.needs if not shutil.which(p)]
        self.missing = None if not absent else (f"{', '.join(absent)} not installed (packages "
                                                f"{' '.join(self.needs[p] for p in absent)})")

    def models(self, image):
        if cpus_of(image) > 1:
            return []  # Debian's is built for one processor
        if image_name(image) in self.special:
            return self.special[image_name(image)]
        if is_cet(image) and vendor_of(image) != "amd":
            return ["tigerlake"]
        return {"intel": ["corei7_skylake_x"], "amd": ["ryzen"]}.get(vendor_of(image), ["corei7_skylake_x"])

    def run(self, job, timeout):
        with tempfile.TemporaryDirectory(prefix="hvsim-guest-") as folder:
            tree = os.path.join(folder, "iso")
            os.makedirs(os.path.join(tree, "boot/grub"))
            shutil.copy(job.image, os.path.join(tree, "boot/test.elf"))
            with open(os.path.join(tree, "boot/grub/grub.cfg"), "w", encoding="ascii") as f:
                f.write(GRUB_CFG)
            subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", os.path.join(folder, "test.iso"), tree],
                           check=True, capture_output=True, timeout=60)
            rc = os.path.join(folder, "bochsrc")
            with open(rc, "w", encoding="ascii") as f:
                f.write(BOCHSRC.format(model=job.model, cpus=cpus_of(job.image), memory=MEMORY_MIB, folder=folder))
            serial, log = os.path.join(folder, "serial"), os.path.join(folder, "log")
            status, text = run_process(["xvfb-run", "-a", "bochs", "-q", "-f", rc], timeout, b"c\n",
                                       lambda: self.done.search(read_text(serial)) or self.panic.search(read_text(log)),
                                       serial)
            if not self.done.search(text):
                tail = "\n".join("# bochs: " + line for line in read_text(log).splitlines()[-8:])
                return False, f"status {status}", text + "\n" + tail
            return True, "", text


class Outcome:
    """What one job gave: results are (good, test name, lines of diagnosis, reason of a skip or None)."""

    def __init__(self, job, finished, how, text):
        self.job, self.results, self.planned = job, [], None
        self.text = text.replace("\r", "")
        bail, notes = None, []
        for line in self.text.splitlines():
            found = RESULT.match(line)
            if found:
                notes = []
                self.results.append((not found[1], found[3] or "", notes, found[4]))
            elif re.match(r"^1\.\.\d+$", line):
                self.planned = int(line[3:])
            elif line.startswith("Bail out!"):
                bail = line
            else:
                notes.append(line)
        ran = len(self.results)
        if bail or not finished or self.planned != ran:
            why = bail or f"{how}, {ran} tests run, plan {self.planned}"
            self.results.append((False, END, [f"# {why}"] + self.text.splitlines()[-6:], None))


def read_differences():
    """{(peer, image): [(pattern of the test name, reason)]}"""
    known = {}
    with open(os.path.join(HERE, "known-peer-differences.txt"), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            parts = [p.strip() for p in line.split(" | ")]
            if len(parts) != 4:
                sys.exit(f"known-peer-differences.txt:{number}: expected PEER | IMAGE | TEST NAME | REASON")
            pattern = re.compile(".*".join(re.escape(p) for p in parts[2].split("*")) + "$")
            known.setdefault((parts[0], parts[1]), []).append((pattern, parts[3]))
    return known


class Report:
    def __init__(self, verbose):
        self.verbose, self.known = verbose, read_differences()
        self.passed = self.failed = self.skipped = 0

    def add(self, outcome, seconds):
        job, failures, counts = outcome.job, [], [0, 0, 0]
        for good, name, notes, why in outcome.results:
            if not good:
                why = next((r for p, r in self.known.get((job.peer, image_name(job.image)), []) if p.match(name)), None)
            if why is not None:
                counts[2] += 1
            elif good:
                counts[0] += 1
            else:
                counts[1] += 1
                failures.append((name, notes))
        self.passed, self.failed, self.skipped = (a + b for a, b in
                                                  zip((self.passed, self.failed, self.skipped), counts))
        print(f"{'not ok' if failures else 'ok'} - {job.name}: {counts[0]} passed, {counts[1]} failed, "
              f"{counts[2]} skipped ({seconds:.1f} s)")
        if self.verbose:
            print("\n".join("    " + line for line in outcome.text.splitlines()))
        for name, notes in failures:
            print(f"    not ok - {name}")
            for line in notes[:12]:
                print(f"        {line}")
        sys.stdout.flush()

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed or not self.passed + self.skipped else 0


def main():
    p = argparse.ArgumentParser(description="Runs conformance images and adds up their TAP.")
    p.add_argument("images", nargs="+", metavar="IMAGE")
    p.add_argument("--hvsim", metavar="PROGRAM", help="run on this hvsim")
    p.add_argument("--peers", action="store_true", help="run on QEMU and Bochs")
    p.add_argument("--peer", action="append", choices=["qemu", "bochs"], help="run on this peer alone (repeatable)")
    p.add_argument("--only", action="append", metavar="TEXT", help="only images whose name begins with TEXT (repeatable)")
    p.add_argument("--model", help="only this processor model")
    p.add_argument("--timeout", type=float, default=30, metavar="SECONDS", help="for one image (%(default)s)")
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="at a time (%(default)s)")
    p.add_argument("--verbose", action="store_true", help="show all output of the images")
    a = p.parse_args()
    if not a.hvsim and not a.peers and not a.peer:
        p.error("say where to run: --hvsim PROGRAM, --peers, or --peer NAME")
    simulators = [Hvsim(a.hvsim)] if a.hvsim else []
    simulators += [s for s in (Qemu(), Bochs()) if a.peers or s.name in (a.peer or [])]
    images = [i for i in a.images if not a.only or any(image_name(i).startswith(o) for o in a.only)]
    report, jobs = Report(a.verbose), []
    for s in simulators:
        if s.missing:
            print(f"skipped: {s.name}: {s.missing}")
            report.skipped += 1
            continue
        jobs += [(s, Job(s.name, m, i)) for i in images for m in s.models(i) if not a.model or m == a.model]

    def run(item):
        started = time.monotonic()
        try:
            outcome = Outcome(item[1], *item[0].run(item[1], a.timeout))
        except (OSError, subprocess.SubprocessError) as e:
            outcome = Outcome(item[1], False, str(e), "")
        return outcome, time.monotonic() - started

    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for outcome, seconds in pool.map(run, jobs):
            report.add(outcome, seconds)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
