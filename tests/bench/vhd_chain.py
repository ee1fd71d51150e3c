#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""vhd_chain.py FOLDER MIB: base.vhd, middle.vhd on it and leaf.vhd on that. The first two hold MIB of random bytes, the
second from the middle of those of the first on. qemu-img makes no differencing VHDs."""
import os
import struct
import sys
import uuid

BLOCK = 2 << 20
folder, mib = sys.argv[1], int(sys.argv[2])
size = 4 * mib << 20


def summed(raw, at):
    return raw[:at] + struct.pack(">I", ~sum(raw) & 0xFFFFFFFF) + raw[at + 4:]


def footer(kind, name):
    size_now = struct.pack(">QQHBBI", size, size, 65535, 16, 255, kind)
    raw = b"conectix" + struct.pack(">IIQI4sI4s", 2, 0x10000, 512, 0, b"vpc ", 0x50003, b"Wi2k") + size_now
    return summed((raw + bytes(4) + name.bytes).ljust(512, b"\0"), 64)


def header(parent, name):
    raw = b"cxsparse" + struct.pack(">QQIIII", 2**64 - 1, 1536, 0x10000, size // BLOCK, BLOCK, 0)
    if not parent:
        return summed(raw.ljust(1024, b"\0"), 36), b""
    path = (".\\" + name).encode("utf-16-le")
    table = -(-4 * (size // BLOCK) // 512) * 512
    raw += parent.bytes + bytes(8) + name.encode("utf-16-be").ljust(512, b"\0")
    raw += struct.pack(">4sIIIQ", b"W2ru", 512, len(path), 0, 1536 + table)
    return summed(raw.ljust(1024, b"\0"), 36), path.ljust(512, b"\0")


def write(name, parent, parent_name, blocks):
    me = uuid.uuid4()
    tail = footer(4 if parent else 3, me)
    head, locator = header(parent, parent_name)
    table = -(-4 * (size // BLOCK) // 512) * 512
    at = 1536 + table + len(locator)
    entries = [0xFFFFFFFF] * (size // BLOCK)
    for number, block in enumerate(blocks):
        entries[block] = (at + number * (512 + BLOCK)) // 512
    with open(os.path.join(folder, name), "wb") as out:
        out.write(tail + head + struct.pack(f">{len(entries)}I", *entries).ljust(table, b"\xff") + locator)
        for _ in blocks:
            out.write(b"\xff" * 512 + os.urandom(BLOCK))
        out.write(tail)
    return me


count = mib // 2
base = write("base.vhd", None, "", range(count))
middle = write("middle.vhd", base, "base.vhd", range(count // 2, count // 2 + count))
write("leaf.vhd", middle, "middle.vhd", [])
