# SPDX-License-Identifier: LGPL-3.0-or-later
"""Random QCOW2 chains for test_map.sh: makes them with qemu-img and qemu-io and compares chainview map with
qemu-img map. Usage: map_peer.py CHAINVIEW FOLDER FIRST-SEED COUNT"""
import json
import os
import random
import subprocess
import sys

FIELDS = ("depth", "present", "zero", "data")


def do(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def create(r, folder, number, backing, size):
    """One more image of the chain; its name."""
    name = "%s/%d.qcow2" % (folder, number)
    bits = r.choice([9, 9, 12, 14, 16, 16, 16, 18, 21])
    options = ["cluster_size=%d" % (1 << bits)]
    if r.random() < 0.2:
        options.append("compat=0.10")
    else:
        if bits >= 14 and r.random() < 0.5:
            options.append("extended_l2=on")
        if r.random() < 0.3:
            options.append("refcount_bits=1")
        if r.random() < 0.4:
            options.append("compression_type=zstd")
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", ",".join(options)]
    if backing:
        command += ["-b", backing[0], "-F", backing[1]]
    do(*command, name, str(size))
    return name, 1 << bits, options


def change(r, name, cluster, size, compress):
    """Writes, zeroes, discards at random places."""
    words = ["qemu-io", "-f", "qcow2"]
    step = max(4096, min(cluster, 65536)) // 2
    for _ in range(r.randint(3, 40)):
        what = r.choice(["write"] * 6 + ["write -z", "write -z -u", "discard", "write -c"])
        if what == "write -c":
            if not compress or cluster > size:
                continue
            at, length = r.randrange(size // cluster) * cluster, cluster
        else:
            at = r.randrange(size // 512) * 512 if r.random() < 0.2 else r.randrange(max(1, size // step)) * step
            length = min(size - at, r.choice([512, 4096, step, cluster, 5 * cluster, r.randrange(1, 200) * 512]))
        pattern = "" if what not in ("write", "write -c") else "-P %d " % r.randint(1, 255)
        words += ["-c", "%s %s%d %d" % (what, pattern, at, length)]
    # A compressed cluster cannot be written twice: then qemu-io goes on and fails at the end.
    subprocess.run(words + [name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def build(seed, folder):
    r = random.Random(seed)
    backing = None
    size = r.choice([1, 3, 8, 20]) << 20
    if r.random() < 0.4:
        raw = folder + "/base.raw"
        with open(raw, "wb") as f:
            f.truncate(size)
            for _ in range(r.randint(0, 5)):
                f.seek(r.randrange(size // 65536) * 65536)
                f.write(b"x" * 65536)
            f.truncate(size)
        backing = (raw, "raw")
    for number in range(r.randint(1, 6)):
        if r.random() < 0.4:
            size = max(65536, size + r.randint(-64, 64) * 8192)
        name, cluster, options = create(r, folder, number, backing, size)
        # Compressed clusters need refcounts above one.
        change(r, name, cluster, size, "refcount_bits=1" not in options)
        # Where its file has holes qemu-img calls data zeros as well, but only if more than a tenth of all is holes
        # (it takes that for preallocation): files without holes keep the comparison strict.
        do("cp", "--sparse=never", name, name + ".dense")
        os.rename(name + ".dense", name)
        backing = (name, "qcow2")
    return name


def merged(entries):
    """Neighbours that say the same in the fields that are compared."""
    out = []
    for e in entries:
        key = tuple(e[f] for f in FIELDS)
        if out and out[-1][0] == key and out[-1][1] + out[-1][2] == e["start"]:
            out[-1][2] += e["length"]
        else:
            out.append([key, e["start"], e["length"]])
    return out


def offsets(entries):
    """Where data lie, by guest offset; compressed data have no place."""
    out = []
    for e in entries:
        if not e["data"] or "offset" not in e:
            continue
        if out and out[-1][0] + out[-1][2] == e["start"] and out[-1][1] + out[-1][2] == e["offset"] \
                and out[-1][3] == e["depth"]:
            out[-1][2] += e["length"]
        else:
            out.append([e["start"], e["offset"], e["length"], e["depth"]])
    return out


def compare(chainview, seed, image):
    ours = json.loads(subprocess.run([chainview, "map", "--json", "--refs=none", image], check=True,
                                     stdout=subprocess.PIPE).stdout)
    theirs = json.loads(subprocess.run(["qemu-img", "map", "--output=json", image], check=True,
                                       stdout=subprocess.PIPE).stdout)
    ok = merged(ours["extents"]) == merged(theirs) and offsets(ours["extents"]) == offsets(theirs)
    ok = ok and sum(row["bytes"] for row in ours["depth_histogram"]) == ours["virtual_size_bytes"]
    # As qemu merges: nothing that says the same stands side by side, but for compressed data.
    for a, b in zip(ours["extents"], ours["extents"][1:]):
        same = all(a[f] == b[f] for f in FIELDS + ("compressed",)) and ("offset" in a) == ("offset" in b)
        if same and a.get("offset", 0) + a["length"] == b.get("offset", a["length"]):
            ok = False
    if not ok:
        for a, b in zip(merged(ours["extents"]), merged(theirs)):
            if a != b:
                print("# seed %d: chainview %s, qemu-img %s" % (seed, a, b))
                break
    return ok


def main():
    chainview, folder, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    bad = 0
    for seed in range(first, first + count):
        inside = "%s/seed-%d" % (folder, seed)
        os.mkdir(inside)
        bad += not compare(chainview, seed, build(seed, inside))
        if not bad:
            do("rm", "-rf", inside)
    return 1 if bad else 0


sys.exit(main())
