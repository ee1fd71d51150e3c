#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""memory.py CHAINVIEW FAIL_MALLOC.so WORK TRIES: every command while memory runs short.

TRIES allocations of each command fail, each once and each with all behind it: the first ones, and others by chance (0:
all). A command that reads never dies, and says what it could not do. One that writes leaves every image that is needed
as a guest reads it, is settled by recover, and keeps what it promises with exit 0.
"""
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

chainview, library, work, tries = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
chance = random.Random(seed)
needed = ("top.qcow2", "tip.qcow2", "leaf.vhd")
LAST = "the last operation"
repo, kept, count = work + "/repo", work + "/kept", work + "/count"
bad = 0


def last_operation():
    return re.findall(r'"operation_id":"([^"]*)"', run(["journal", "--json", repo]).stdout.decode())[-1]


def run(args, fail=None):
    # Fingerprints are read with libjson-c.
    pathlib.Path(work + "/state/fingerprints.ndjson").unlink(missing_ok=True)
    env = dict(os.environ, CHAINVIEW_STATE_DIR=work + "/state", CHAINVIEW_CACHE_DIR=work + "/cache", CHAINVIEW_CONFIG="/dev/null")
    if fail is not None:
        env.update(LD_PRELOAD=library, FAIL_MALLOC=fail, FAIL_MALLOC_COUNT=count)
    args = [last_operation() if a == LAST else a for a in args]
    return subprocess.run([chainview] + args, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, check=False)


def places(args):
    """How many allocations the command makes, and which of them to fail."""
    run(args, "0")
    total = int(open(count, encoding="ascii").read())
    every = list(range(1, total + 1))
    if not tries or total <= tries:
        return total, every
    return total, every[:tries // 3] + sorted(chance.sample(every[tries // 3:], tries - tries // 3))


def fresh():
    shutil.rmtree(repo, ignore_errors=True)
    shutil.copytree(kept, repo, copy_function=shutil.copy2)
    os.chmod(repo, 0o755)


def guests():
    """What guests read of each image that is needed."""
    found = [re.search(rb'"sha256": *"([0-9a-f]+)"', run(["verify", "--reader=own", "--json", f"{repo}/{name}"]).stdout)
             for name in needed]
    return [f.group(1) if f else None for f in found]


def verdict(what, wrong):
    global bad
    print(f"{'not ok' if wrong else 'ok'} - {what}")
    for line in wrong[:10]:
        print(f"# {line}")
    if wrong:
        print(f"# {len(wrong)} in all; SEED={seed} repeats it")
        bad = 1


def reads(args):
    want = run(args)
    total, chosen = places(args)
    wrong = []
    for n in chosen:
        for fail in (f"{n}", f"{n}+"):
            got = run(args, fail)
            said = got.stdout + got.stderr
            if got.returncode < 0 or got.returncode > 127:
                wrong.append(f"{fail}: ended by signal or abort ({got.returncode})")
            elif got.returncode != want.returncode and not said.strip():
                wrong.append(f"{fail}: exit {got.returncode} without a word")
    verdict(f"{' '.join(a for a in args if a[0] != '/')}: {len(chosen)} of {total} allocations fail", wrong)


def writes(prepare, args, is_done):
    def anew():
        """Journals know files by their inodes: a copy of a repository that was written to is another one."""
        fresh()
        for step in prepare:
            run(step)

    anew()
    before = guests()
    if None in before:
        raise SystemExit("not ok - the images that are needed can be read")
    total, chosen = places(args)
    wrong = [] if is_done() else ["with enough memory it does not do what it promises"]
    for n in chosen:
        for fail in (f"{n}", f"{n}+"):
            anew()
            got = run(args, fail)
            if got.returncode < 0 or got.returncode > 127:
                wrong.append(f"{fail}: ended by signal or abort ({got.returncode})")
            if got.returncode == 0 and not is_done():
                wrong.append(f"{fail}: exit 0, and what was promised is not so")
            if got.returncode != 0 and not (got.stdout + got.stderr).strip():
                wrong.append(f"{fail}: exit {got.returncode} without a word")
            run(["recover", "--yes", repo], fail)
            last = run(["recover", "--yes", repo])
            if last.returncode != 0:
                wrong.append(f"{fail}: recover afterwards ends with {last.returncode}: {last.stderr[:200]}")
            if guests() != before:
                wrong.append(f"{fail}: a guest reads something else")
    verdict(f"{' '.join(a for a in args if a[0] != '/')}: {len(chosen)} of {total} allocations fail", wrong)


def qemu(*args):
    subprocess.run(args, stdout=subprocess.DEVNULL, check=True)


os.makedirs(kept)
os.chmod(kept, 0o755)
subprocess.run([chainview, "sample", "--recipe", "orphaned-base-copy-two", kept], stdout=subprocess.DEVNULL, check=True)
os.chdir(kept)
for name, pattern in (("base", 7), ("same", 7), ("root", 5)):
    qemu("qemu-img", "create", "-q", "-f", "qcow2", name + ".qcow2", "1M")
    qemu("qemu-io", "-c", f"write -P {pattern} 0 256k", name + ".qcow2")
for name, parent in (("top", "base"), ("middle", "root"), ("tip", "middle")):
    qemu("qemu-img", "create", "-q", "-f", "qcow2", "-b", parent + ".qcow2", "-F", "qcow2", name + ".qcow2")
    qemu("qemu-io", "-c", "write -P 9 128k 256k", name + ".qcow2")
subprocess.run([chainview, "sample", "--recipe", "vhd-footer-copy-missing", kept + "/hurt"], stdout=subprocess.DEVNULL, check=True)
os.chdir(work)
with open(work + "/list", "w", encoding="utf-8") as listed:
    listed.write("".join(f"{repo}/{name}\n" for name in needed + ("same.qcow2",)))
fresh()
refs = f"--refs=list:{work}/list"

for command in (["tree"], ["check"], ["check", "--json"], ["space"], ["space", "--json"], ["dump"], ["scan", "--export", "-"]):
    reads(command + ["--refs=none", repo])
for command in (["info"], ["map"], ["map", "--json"], ["verify"], ["verify", "--reader=own"]):
    reads(command + (["--refs=none"] if command == ["info"] else []) + [repo + "/top.qcow2"])
reads(["explain", "parent-missing"])
reads(["journal", repo])

gc = ["gc", "--yes", refs, repo]
writes([], gc, lambda: not os.path.exists(repo + "/orphan.vhd"))
writes([gc], ["trash", "restore", "--yes", repo, "orphan.vhd"], lambda: os.path.exists(repo + "/orphan.vhd"))
trashed = lambda: [n for _, _, names in os.walk(repo + "/.chainview/trash") for n in names]
writes([gc], ["trash", "purge", "--now", "--yes", refs, repo], lambda: not trashed())
writes([], ["convert", "--yes", "--repo", repo, repo + "/top.qcow2", repo + "/new.raw", "--to", "raw"], lambda: os.path.exists(repo + "/new.raw"))
writes([], ["convert", "--yes", "--repo", repo, repo + "/top.qcow2", repo + "/new.qcow2", "--to", "qcow2", "-c"], lambda: os.path.exists(repo + "/new.qcow2"))
rebase = ["rebase", "--yes", refs, "--repo", repo, repo + "/top.qcow2"]
names = lambda parent: parent in open(repo + "/top.qcow2", "rb").read(65536)
writes([], rebase + ["--onto", repo + "/same.qcow2"], lambda: names(b"same.qcow2"))
writes([], rebase + ["--onto", repo + "/root.qcow2"], lambda: names(b"root.qcow2"))
writes([], rebase + ["--flatten"], lambda: open(repo + "/top.qcow2", "rb").read(16)[8:] == bytes(8))
merge = ["coalesce", "--yes", refs, "--repo", repo]
there = lambda name: os.path.exists(f"{repo}/{name}")
writes([], merge + [repo + "/middle.qcow2"], lambda: not there("middle.qcow2"))
writes([merge + [repo + "/middle.qcow2"]], ["undo", "--yes", refs, repo, LAST], lambda: there("middle.qcow2"))
writes([], merge + ["--leaf", repo + "/top.qcow2"], lambda: not there("base.qcow2"))
writes([], ["convert", "--tree", "--yes", refs, repo + "/middle.qcow2", repo + "/new", "--to", "vhdx"], lambda: there("new/tip.vhdx"))
writes([], ["repair", "-p", refs, repo], lambda: open(repo + "/hurt/disk.vhd", "rb").read(8) == b"conectix")
sys.exit(bad)
