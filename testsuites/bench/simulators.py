"""How each simulator boots the benchmark image, and when its marker lines arrive."""

import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time

MARKER = re.compile(rb"@(start|begin|end|skip|workload|done)\b([^\r\n]*)")
MEMORY_MIB = 512
STALL_SECONDS = 60


class Simulator:
    """One program. configs maps a vendor to what the program calls such a processor; the first one also runs the
    workloads that ask for no vendor."""

    name = ""
    configs = {}

    def missing(self):
        """Why it can't run here, or None."""
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def prepare(self, image, config, append, folder):
        """The command, and what to feed to its standard input."""
        raise NotImplementedError


def first_line(command, pattern):
    out = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, check=False)
    found = re.search(pattern, out.stdout + out.stderr)
    return found.group(0).strip() if found else "unknown"


class Hvsim(Simulator):
    name = "hvsim"
    units = ",+fpu,+mmx,+fxsr,+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+xsave,+avx,+avx2"
    configs = {"intel": "max-intel" + units, "amd": "max-amd" + units}

    def __init__(self, path):
        self.path = path

    def missing(self):
        return None if os.access(self.path, os.X_OK) else f"no program at {self.path}"

    def version(self):
        return first_line([self.path, "--version"], r"hvsim.*")

    def prepare(self, image, config, append, folder):
        return [self.path, "run", image, "--cpu", config, "--memory", f"{MEMORY_MIB}M", "--serial", "none",
                "--debug-console", "stdio", "--append", append], b""


class Qemu(Simulator):
    name = "qemu"
    configs = {"amd": "max"}
    program = "qemu-system-x86_64"

    def missing(self):
        return None if shutil.which(self.program) else f"{self.program} isn't installed (package qemu-system-x86)"

    def version(self):
        return first_line([self.program, "--version"], r"version.*")

    def prepare(self, image, config, append, folder):
        return [self.program, "-accel", "tcg", "-cpu", config, "-m", str(MEMORY_MIB), "-nodefaults", "-no-reboot",
                "-display", "none", "-debugcon", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4",
                "-kernel", image, "-append", append], b""


BOCHSRC = """\
cpu: model={model}, count=1, ips=50000000, reset_on_triple_fault=0
memory: guest={memory}, host={memory}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
port_e9_hack: enabled=1
clock: sync=none
log: {folder}/log
panic: action=fatal
error: action=ignore
display_library: x
"""

GRUB_CFG = """\
set timeout=0
menuentry "bench" {{
    multiboot /boot/bench.elf {append}
    boot
}}
"""


class Bochs(Simulator):
    """Debian's bochs: booted from a CD, with a debugger that waits for "c", and with a window."""

    name = "bochs"
    configs = {"intel": "corei7_haswell_4770", "amd": "ryzen"}
    needs = {"bochs": "bochs bochs-x bochsbios vgabios", "grub-mkrescue": "grub-common grub-pc-bin",
             "xorriso": "xorriso", "mformat": "mtools", "xvfb-run": "xvfb xauth"}

    def missing(self):
        absent = [p for p in self.needs if not shutil.which(p)]
        if not absent:
            return None
        return f"without {', '.join(absent)} (packages {' '.join(self.needs[p] for p in absent)})"

    def version(self):
        return first_line(["bochs", "--help", "cpu"], r"Bochs x86 Emulator.*")

    def prepare(self, image, config, append, folder):
        tree = os.path.join(folder, "iso")
        os.makedirs(os.path.join(tree, "boot/grub"))
        shutil.copy(image, os.path.join(tree, "boot/bench.elf"))
        with open(os.path.join(tree, "boot/grub/grub.cfg"), "w", encoding="ascii") as f:
            f.write(GRUB_CFG.format(append=append))
        iso = os.path.join(folder, "bench.iso")
        subprocess.run(["grub-mkrescue", "-o", iso, tree], check=True, capture_output=True, timeout=60)
        rc = os.path.join(folder, "bochsrc")
        with open(rc, "w", encoding="ascii") as f:
            f.write(BOCHSRC.format(model=config, memory=MEMORY_MIB, iso=iso, folder=folder))
        return ["xvfb-run", "-a", "bochs", "-q", "-f", rc], b"c\n"


class Boot:
    """What one boot gave: seconds, operations and checksum per workload."""

    def __init__(self):
        self.times = {}
        self.skipped = {}
        self.listed = {}
        self.first_marker = None  # seconds from the start of the process
        self.running = None       # the workload whose @end is awaited
        self.begun = 0
        self.done = False
        self.error = None

    def take(self, kind, words, now):
        if kind == "begin":
            self.running, self.begun = words[0], now
        elif kind == "end" and words[0] == self.running:
            self.times[words[0]] = ((now - self.begun) / 1e9, int(words[1]), words[2])
            self.running = None
        elif kind == "skip":
            self.skipped[words[0]] = " ".join(words[1:])
        elif kind == "workload":
            self.listed[words[0]] = (int(words[1]), int(words[2]), " ".join(words[3:]))
        elif kind == "done":
            self.done = True


def stop(process):
    """Ends the process and what it started: it leads a session of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def watch(process, boot, started, timeout):
    deadline, stall = started + timeout * 1e9, started + STALL_SECONDS * 1e9
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not boot.done:
            left = (min(deadline, stall) - time.monotonic_ns()) / 1e9
            if left <= 0 or not selector.select(left):
                boot.error = "no answer in time"
                return
            data = os.read(process.stdout.fileno(), 65536)
            now = time.monotonic_ns()
            if not data:
                boot.error = "ended early"
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                found = MARKER.search(line)
                if not found:
                    continue
                stall = now + STALL_SECONDS * 1e9
                if boot.first_marker is None:
                    boot.first_marker = (now - started) / 1e9
                try:
                    boot.take(found[1].decode(), found[2].decode("ascii", "replace").split(), now)
                except (IndexError, ValueError):
                    boot.error = f"a marker line that makes no sense: {line[:80]!r}"


def run(simulator, vendor, image, append, timeout):
    """Boots once and returns the Boot, whatever happens."""
    boot = Boot()
    with tempfile.TemporaryDirectory(prefix="hvsim-bench-") as folder:
        with open(os.path.join(folder, "stderr"), "w+b") as err:
            try:
                command, feed = simulator.prepare(image, simulator.configs[vendor], append, folder)
            except (OSError, subprocess.SubprocessError) as e:
                boot.error = str(e)
                return boot
            started = time.monotonic_ns()
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err,
                                       start_new_session=True)
            try:
                process.stdin.write(feed)
                process.stdin.close()
                watch(process, boot, started, timeout)
                if boot.done:
                    try:
                        process.wait(5)
                    except subprocess.TimeoutExpired:
                        pass
            except BrokenPipeError:
                boot.error = "ended at once"
            finally:
                stop(process)
                process.stdout.close()
            if boot.error:
                err.seek(0)
                tail = err.read().decode("utf-8", "replace").strip().splitlines()[-1:]
                boot.error += f": {tail[0][:200]}" if tail else ""
    return boot
