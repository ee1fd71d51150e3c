#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""Hostile images that the recipes of samples/ cannot say.

hostile.py vhdx HEALTHY DIR     damaged copies of a VHDX, checksums right
hostile.py qcow2 HEALTHY DIR    damaged copies of a QCOW2 with one block
hostile.py corpus CORPUS DIR    the kept inputs of the fuzz targets as sparse files (tests/fuzz/sparse.h)
"""
import os
import struct
import sys
import zlib

TABLE = [0] * 256
for i in range(256):
    c = i
    for _ in range(8):
        c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
    TABLE[i] = c


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = c >> 8 ^ TABLE[(c ^ b) & 255]
    return c ^ 0xFFFFFFFF


def seal(image, off, length):
    image[off + 4:off + 8] = bytes(4)
    image[off + 4:off + 8] = struct.pack("<I", crc32c(image[off:off + length]))


def poke(image, off, fmt, *values):
    struct.pack_into(fmt, image, off, *values)


HEADERS, REGIONS = (65536, 131072), (196608, 262144)


def header(at, fmt, value):
    """The same field in both headers."""
    def change(image):
        for off in HEADERS:
            poke(image, off + at, fmt, value)
            seal(image, off, 4096)
    return change


def region(at, fmt, value):
    """The same field in both region tables."""
    def change(image):
        for off in REGIONS:
            poke(image, off + at, fmt, value)
            seal(image, off, 65536)
    return change


def equal_sequence(image):
    poke(image, HEADERS[0] + 8, "<Q", 7)
    poke(image, HEADERS[1] + 8, "<Q", 7)
    poke(image, HEADERS[1] + 32, "<Q", 99)
    for off in HEADERS:
        seal(image, off, 4096)


def log_entry(sequence, tail, length=4096):
    guid = bytes(range(1, 17))
    entry = bytearray(4096)
    struct.pack_into("<4sIIIQII", entry, 0, b"loge", 0, length, tail, sequence, 0, 0)
    entry[32:48] = guid
    struct.pack_into("<QQ", entry, 48, 0x300000, 0x300000)
    seal(entry, 0, 4096)
    return entry


def log(*entries):
    """A pending log with these entries at its beginning."""
    def change(image):
        at = struct.unpack_from("<Q", image, HEADERS[1] + 72)[0]
        for off in HEADERS:
            image[off + 48:off + 64] = bytes(range(1, 17))
            seal(image, off, 4096)
        for i, entry in enumerate(entries):
            image[at + 4096 * i:at + 4096 * (i + 1)] = entry
    return change


def metadata(at, fmt, value):
    """A field of the metadata table, wherever that is."""
    def change(image):
        for i in range(2):
            guid = image[REGIONS[0] + 16 + 32 * i:REGIONS[0] + 32 + 32 * i]
            if guid[0:4] == bytes.fromhex("06a27c8b"):
                base = struct.unpack_from("<Q", image, REGIONS[0] + 32 + 32 * i)[0]
                poke(image, base + at, fmt, value)
    return change


VHDX = {
    "regions-2048": region(8, "<I", 2048),
    "regions-many": region(8, "<I", 0xFFFFFFFF),
    "region-far": region(32, "<Q", 0x7FFFFFFFFFF00000),
    "region-long": region(40, "<I", 0xFFF00000),
    "sequence-equal": equal_sequence,
    "log-far": lambda image: (log()(image), header(72, "<Q", 0xFFFFFFFFFFF00000)(image)),
    "log-long": lambda image: (log()(image), header(68, "<I", 0xFFF00000)(image)),
    "log-empty": log(),
    "log-zero-sequence": log(log_entry(0, 0)),
    "log-tail-far": log(log_entry(1, 0x7FFFF000)),
    "log-circle": log(log_entry(1, 4096), log_entry(2, 8192), log_entry(3, 0)),
    "log-entry-long": log(log_entry(1, 0, 0xFFFFF000)),
    "items-many": metadata(10, "<H", 0xFFFF),
    "item-far": metadata(32 + 16, "<I", 0xFFFFFFFF),
}


def l2_of(image):
    l1 = struct.unpack_from(">Q", image, 40)[0]
    return l1, struct.unpack_from(">Q", image, l1)[0] & 0x00FFFFFFFFFFFE00


def entry(make):
    """The first L2 entry becomes what make says."""
    def change(image):
        l1, l2 = l2_of(image)
        poke(image, l2, ">Q", make(image, l1, l2))
    return change


def bomb(image, _l1, _l2):
    """A cluster whose few compressed bytes are 64 MiB."""
    z = zlib.compressobj(9, zlib.DEFLATED, -12)
    data = z.compress(bytes(64 << 20)) + z.flush()
    off = len(image)
    image += data + bytes(-len(data) % 65536)
    return 1 << 62 | off | min(127, (len(data) >> 9) + 1) << 54


def l1_in_circle(image):
    l1, _ = l2_of(image)
    poke(image, l1, ">Q", 1 << 63 | l1)


def refcounts_zero(image):
    poke(image, 48, ">Q", 0)


QCOW2 = {
    "l2-leads-to-itself": entry(lambda _image, _l1, l2: 1 << 63 | l2),
    "l2-leads-to-header": entry(lambda _image, _l1, _l2: 1 << 63),
    "l2-leads-far": entry(lambda _image, _l1, _l2: 1 << 63 | 0x00FFFFFFFFFF0000),
    "l2-unaligned": entry(lambda _image, _l1, l2: 1 << 63 | l2 + 512),
    "compressed-far": entry(lambda _image, _l1, _l2: 1 << 62 | 0x003FFFFFFFFFFFFF),
    "bomb": entry(bomb),
    "l1-in-circle": l1_in_circle,
    "refcounts-on-header": refcounts_zero,
}


def make(variants, healthy, folder, ending):
    with open(healthy, "rb") as f:
        good = f.read()
    for name, change in variants.items():
        image = bytearray(good)
        change(image)
        with open(os.path.join(folder, name + ending), "wb") as f:
            f.write(image)


LARGEST = 1 << 43  # what ext4 can hold


def unpack(path, out):
    with open(path, "rb") as f:
        data = f.read()
    size = int.from_bytes(data[:8], "little") & (1 << 63) - 1
    pieces, pos = [], 8
    while len(data) > pos + 10 and len(pieces) < 512:
        off = int.from_bytes(data[pos:pos + 6], "little")
        count, times = struct.unpack_from("<HH", data, pos + 6)
        body = data[pos + 10:pos + 10 + count]
        if off >> 47:
            off = max(0, size - ((1 << 48) - off))
        if body:
            pieces.append((off, body * min(times + 1, (1 << 20) // len(body))))
        pos += 10 + len(body)
    with open(out, "wb") as f:
        size = min(size, LARGEST)
        f.truncate(size)
        for off, body in pieces:
            if off < size:
                os.pwrite(f.fileno(), body[:size - off], off)


def corpus(source, folder):
    for kind in ("vhd", "vhdx", "qcow2", "qcow", "probe"):
        for name in sorted(os.listdir(os.path.join(source, kind))):
            ending = "vhd" if kind == "probe" else kind
            unpack(os.path.join(source, kind, name), os.path.join(folder, f"{kind}-{name[:12]}.{ending}"))


if __name__ == "__main__":
    what, first, to = sys.argv[1:4]
    if what == "corpus":
        corpus(first, to)
    else:
        make(VHDX if what == "vhdx" else QCOW2, first, to, "." + what)
