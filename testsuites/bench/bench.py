#!/usr/bin/env python3
"""Times the benchmark image on hvsim, QEMU (TCG) and Bochs in one run and prints the ratios.

The guest marks the start and the end of each workload on port 0xE9; the lines are stamped with the host's clock as they
arrive. First each simulator runs a few rounds of every workload, from which the number of rounds that lasts --seconds is
reckoned; then the measured boots are interleaved over the simulators, and medians are taken. A workload's checksum must
be the same everywhere.
"""

import argparse
import fnmatch
import hashlib
import json
import math
import os
import platform
import statistics
import sys
import time

sys.dont_write_bytecode = True  # nothing is left behind in the source tree
import simulators  # pylint: disable=wrong-import-position

INTEGER = ["sieve", "crc", "quicksort", "interp"]
SHORTEST = 0.05  # seconds of a calibration
MEANS = [("integer", INTEGER), ("integer in a guest, VMX", [f"vmx-guest-{n}" for n in INTEGER]),
         ("integer in a guest, SVM", [f"svm-guest-{n}" for n in INTEGER])]


def say(text):
    print(text, file=sys.stderr, flush=True)


def vendor_of(name, simulator):
    """The processor a workload runs on, or None if the simulator has no such."""
    for prefix, vendor in (("vmx-", "intel"), ("svm-", "amd")):
        if name.startswith(prefix):
            return vendor if vendor in simulator.configs else None
    return next(iter(simulator.configs))


class Measurement:
    """One simulator's results."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.rounds = {}     # workload -> rounds that last as long as wanted
        self.samples = {}    # workload -> nanoseconds per operation, one of each boot
        self.checksums = {}  # workload -> set
        self.failed = {}     # workload -> what happened
        self.starts = []     # seconds to the first marker

    def boot(self, image, vendor, counts, seconds):
        """Runs the workloads in counts (name -> rounds), in further boots what a failed one left over."""
        left = dict(counts)
        while left:
            append = "run=" + ",".join(f"{n}:{r}" for n, r in left.items())
            boot = simulators.run(self.simulator, vendor, image, append, 60 + seconds * len(left) * 10)
            if boot.first_marker is not None:
                self.starts.append(boot.first_marker)
            for name in boot.skipped:
                left.pop(name, None)
            yield from boot.times.items()
            for name in boot.times:
                left.pop(name, None)
            if boot.done:
                return
            culprit = boot.running or next(iter(left))
            self.failed[culprit] = boot.error
            say(f"{self.simulator.name}: {culprit}: {boot.error}")
            left.pop(culprit, None)
            if boot.first_marker is None:
                self.failed.update({name: "the image didn't start" for name in left})
                return

    def by_vendor(self, names):
        for vendor in self.simulator.configs:
            chosen = [n for n in names if vendor_of(n, self.simulator) == vendor and n not in self.failed]
            if chosen:
                yield vendor, chosen

    def calibrate(self, image, workloads, seconds):
        """More rounds until they last long enough to be told from two lines that were read late, and together."""
        for vendor, names in self.by_vendor(workloads):
            counts = {n: workloads[n][1] for n in names}
            while counts:
                longer = {}
                for name, (spent, operations, _) in self.boot(image, vendor, counts, seconds):
                    if spent < SHORTEST:
                        longer[name] = counts[name] * 8
                    else:
                        self.rounds[name] = max(1, round(seconds * operations / (spent * workloads[name][0])))
                counts = longer

    def measure(self, image, seconds):
        for vendor, names in self.by_vendor(self.rounds):
            for name, (spent, operations, checksum) in self.boot(image, vendor, {n: self.rounds[n] for n in names},
                                                                 seconds):
                self.samples.setdefault(name, []).append(spent * 1e9 / operations)
                self.checksums.setdefault(name, set()).add(checksum)

    def median(self, name):
        return statistics.median(self.samples[name]) if self.samples.get(name) else None


def list_workloads(image, candidates, patterns):
    """name -> (operations of a round, rounds to calibrate with, unit), as the image itself tells."""
    for s in candidates:
        boot = simulators.run(s, next(iter(s.configs)), image, "list", 60)
        if boot.done:
            return {n: w for n, w in boot.listed.items() if any(fnmatch.fnmatch(n, p) for p in patterns)}
        say(f"{s.name}: the image can't be listed: {boot.error}")
    return {}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def ratio(measurements, name, peer):
    """How many times as fast as the peer hvsim is."""
    ours = measurements["hvsim"].median(name) if "hvsim" in measurements else None
    theirs = measurements[peer].median(name) if peer in measurements else None
    return theirs / ours if ours and theirs else None


def number(value, suffix=""):
    if value is None:
        return "-"
    digits = 0 if value >= 1000 else 1 if value >= 100 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}{suffix}"


def mismatch(measurements, name):
    return len(set().union(*(m.checksums.get(name, set()) for m in measurements.values()))) > 1


def print_table(workloads, measurements, peers):
    head = ["workload", "hvsim M/s", "hvsim ns"] + [f"{p} ns" for p in peers] + [f"vs {p}" for p in peers] + ["per"]
    rows = [head]
    for name, (_, _, unit) in workloads.items():
        ours = measurements["hvsim"].median(name) if "hvsim" in measurements else None
        row = [name, number(1e3 / ours if ours else None), number(ours)]
        row += [number(measurements[p].median(name) if p in measurements else None) for p in peers]
        row += [number(ratio(measurements, name, p), "x") for p in peers]
        rows.append(row + [unit + ("  CHECKSUMS DIFFER" if mismatch(measurements, name) else "")])
    for label, names in MEANS:
        if set(names) <= set(workloads):
            means = [geometric_mean([r for n in names if (r := ratio(measurements, n, p))]) for p in peers]
            rows.append([label, "", ""] + [""] * len(peers) + [number(m, "x") for m in means] + ["geometric mean"])
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    for i, r in enumerate(rows):
        cells = [c.ljust(w) if k in (0, len(r) - 1) else c.rjust(w) for k, (c, w) in enumerate(zip(r, widths))]
        print("  ".join(cells).rstrip())
        if i == 0:
            print("  ".join("-" * w for w in widths))
    for m in measurements.values():
        if m.starts:
            print(f"{m.simulator.name}: start of the process to the guest's first line: "
                  f"{statistics.median(m.starts) * 1e3:,.0f} ms")


def as_json(arguments, workloads, measurements, peers):
    with open(arguments.image, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    out = {"image_sha256": digest, "rounds": arguments.rounds, "seconds": arguments.seconds,
           "host": {"machine": platform.machine(), "system": platform.platform(), "cpus": os.cpu_count(),
                    "load": os.getloadavg()},
           "simulators": {n: {"version": m.simulator.version(), "processors": m.simulator.configs,
                              "start_ms": [s * 1e3 for s in m.starts], "failed": m.failed}
                          for n, m in measurements.items()},
           "workloads": {}, "geometric_means": {}}
    for name, (operations, _, unit) in workloads.items():
        out["workloads"][name] = {
            "unit": unit, "operations_per_round": operations, "checksums_differ": mismatch(measurements, name),
            "ns": {n: m.median(name) for n, m in measurements.items()},
            "samples_ns": {n: m.samples.get(name, []) for n, m in measurements.items()},
            "checksums": {n: sorted(m.checksums.get(name, ())) for n, m in measurements.items()},
            "ratio": {p: ratio(measurements, name, p) for p in peers}}
    for label, names in MEANS:
        out["geometric_means"][label] = {
            p: geometric_mean([r for n in names if n in workloads and (r := ratio(measurements, n, p))]) for p in peers}
    return out


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--hvsim", default="build/hvsim", help="the program (default %(default)s)")
    p.add_argument("--image", default="build/guest/bench.elf", help="the image (default %(default)s)")
    p.add_argument("--rounds", type=int, help="boots of each simulator (default 5, with --quick 1)")
    p.add_argument("--seconds", type=float, help="how long a workload lasts (default 0.4, with --quick 0.1)")
    p.add_argument("--only", default="*", help="workloads, as names or patterns with commas between")
    p.add_argument("--peers", default="qemu,bochs", help="whom to compare with; \"none\" for nobody")
    p.add_argument("--json", metavar="FILE", help="write all results there")
    p.add_argument("--quick", action="store_true", help="one short round")
    a = p.parse_args()
    a.rounds = a.rounds if a.rounds is not None else 1 if a.quick else 5
    a.seconds = a.seconds if a.seconds is not None else 0.1 if a.quick else 0.4
    a.peers = [] if a.peers == "none" else a.peers.split(",")
    if unknown := set(a.peers) - {"qemu", "bochs"}:
        p.error(f"unknown peer {', '.join(sorted(unknown))}: there are qemu and bochs")
    if a.rounds < 1 or not 0.01 <= a.seconds <= 60:
        p.error("--rounds must be at least 1, --seconds from 0.01 to 60")
    if not os.path.exists(a.image):
        p.error(f"no image at {a.image}: make bench-image")
    return a


def main():
    a = parse_arguments()
    known = {"hvsim": simulators.Hvsim(a.hvsim), "qemu": simulators.Qemu(), "bochs": simulators.Bochs()}
    present = []
    for name in ["hvsim"] + a.peers:
        reason = known[name].missing()
        if reason:
            say(f"{name} is left out: {reason}")
        else:
            present.append(known[name])
    workloads = list_workloads(a.image, present, a.only.split(","))
    if not workloads:
        say(f"nothing to run: no simulator, or no workload matches {a.only}")
        return 2
    measurements = {s.name: Measurement(s) for s in present}
    began = time.monotonic()
    for m in measurements.values():
        m.calibrate(a.image, workloads, a.seconds)
    for r in range(a.rounds):
        say(f"round {r + 1} of {a.rounds}, {time.monotonic() - began:.0f} s")
        order = list(measurements.values())
        for m in order[r % len(order):] + order[:r % len(order)]:
            m.measure(a.image, a.seconds)
    print_table(workloads, measurements, a.peers)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(as_json(a, workloads, measurements, a.peers), f, indent=1)
            f.write("\n")
    bad = [n for n in workloads if mismatch(measurements, n)]
    return 1 if bad or ("hvsim" in measurements and measurements["hvsim"].failed) else 0


if __name__ == "__main__":
    sys.exit(main())
