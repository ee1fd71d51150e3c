#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""Checks documents of chainview dump against the files that they are about, with nothing of chainview's own.

usage: dump_check.py SCHEMA DOCUMENT [MAPS-FOLDER] ...   (pairs; "-" for no folder)

Bytes, digests, checksums (own CRC-32C and VHD sum), values of fields by their bytes, gaps, the layout that covers the
file once, what tables point to. Prints each thing that is wrong; ends with 1 if there are any.
"""
import base64
import hashlib
import json
import os
import re
import struct
import sys
import uuid

import jsonschema

wrong = 0
looked = {"structures": 0, "fields": 0, "checksums": 0, "gaps": 0, "summaries": 0, "layouts": 0, "maps": 0}


def bad(*what):
    global wrong
    wrong += 1
    if wrong < 60:
        print("WRONG", *what)


def crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


CRC = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def vhd_sum(data):
    return ~sum(data) & 0xFFFFFFFF


class File:
    def __init__(self, path, base):
        self.f = open(path, "rb")
        self.base = base
        self.size = os.path.getsize(path) - base

    def at(self, off, length):
        self.f.seek(self.base + off)
        return self.f.read(length)


def check_time(where, field, stored):
    epoch = stored + (946684800 if field["name"] in ("timestamp", "parent_timestamp") else 0)
    if field["epoch"] != epoch:
        bad(where, "epoch", field["epoch"], epoch)


def check_value(where, field, raw):
    value, endian = field.get("value"), field.get("endian")
    if isinstance(value, int):
        n = int.from_bytes(raw, endian or "big")
        if n != value:
            bad(where, "value", value, n)
        if "epoch" in field:
            check_time(where, field, n)
    elif endian == "mixed":
        if str(uuid.UUID(bytes_le=raw)) != value:
            bad(where, "guid", value, raw.hex())
    elif field["name"].endswith("unique_id"):
        if str(uuid.UUID(bytes=raw)) != value:
            bad(where, "uuid", value, raw.hex())
    elif value is not None:
        exact = base64.b64decode(field["value_b64"]) if "value_b64" in field else value.encode()
        if endian:
            wanted = raw[:len(raw) // 2 * 2].decode("utf-16-be" if endian == "big" else "utf-16-le", "surrogatepass").split("\0")[0]
            wanted = wanted.encode("utf-8", "surrogatepass")
        else:
            wanted = raw.split(b"\0")[0]
        if exact != wanted:
            bad(where, "text", exact, wanted)
    elif field["all_zero"] != (not any(raw)):
        bad(where, "all_zero")


def check_checksum(where, s, data, image, file):
    c = s["checksum"]
    if s["name"] == "batmap":
        head = [t for t in image["structures"] if t["name"] == "batmap_header"][0]
        stored = struct.unpack(">I", bytes.fromhex(head["hex"])[24:28])[0]
        size = [t for t in image["structures"] if t["name"] == "footer" and t["used"]][0]
        size = [f["value"] for f in size["fields"] if f["name"] == "current_size"][0] >> 24
        computed = vhd_sum(data[:max(512, (size + 511) // 512 * 512)])
    elif c["algorithm"] == "vhd":
        at = 64 if s["name"] == "footer" else 36
        stored = struct.unpack(">I", data[at:at + 4])[0]
        computed = vhd_sum(data[:at] + data[at + 4:])
    else:
        stored = struct.unpack("<I", data[4:8])[0]
        computed = crc32c(data[:4] + b"\0\0\0\0" + data[8:])
    looked["checksums"] += 1
    if int(c["stored_hex"], 16) != stored or int(c["computed_hex"], 16) != computed or c["ok"] != (stored == computed):
        bad(where, "checksum", c, hex(stored), hex(computed))


def check_structure(where, s, image, file):
    looked["structures"] += 1
    present = s.get("present_bytes", s["length"])
    data = file.at(s["offset"], present)
    shown = bytes.fromhex(s["hex"])
    if s.get("view") != "replayed":
        if len(data) != present:
            bad(where, "present", present, len(data))
        if data[:len(shown)] != shown:
            bad(where, "hex")
        if "sha256" in s and hashlib.sha256(data).hexdigest() != s["sha256"]:
            bad(where, "sha256")
        if "sha256" not in s:
            bad(where, "no sha256")
        if s.get("present_bytes", 0) and s["offset"] + present != file.size:
            bad(where, "cut, but not at the end of the file")
    else:
        data = shown + b"\0" * s.get("zero_tail_bytes", 0)
        if len(data) == present and hashlib.sha256(data).hexdigest() != s["sha256"]:
            bad(where, "sha256 of the replayed view")
    tail = s.get("zero_tail_bytes", 0)
    if tail and (len(shown) + tail != present or any(data[len(shown):])):
        bad(where, "zero tail")
    if not tail and len(shown) != present and not s.get("hex_truncated"):
        bad(where, "bytes are missing without a word")
    if "checksum" in s and s.get("view") != "replayed":
        check_checksum(where, s, data, image, file)
    last = -1
    for f in s.get("fields", []):
        looked["fields"] += 1
        at = "%s.%s" % (where, f["name"])
        raw = data[f["offset"]:f["offset"] + f["length"]]
        if bytes.fromhex(f["hex"]) + b"\0" * f.get("zero_tail_bytes", 0) != raw:
            bad(at, "hex")
        if f["offset"] <= last:
            bad(at, "order")
        last = f["offset"]
        check_value(at, f, raw)


def words(data, fmt):
    size = struct.calcsize(fmt)
    return [w[0] for w in struct.iter_unpack(fmt, data[:len(data) // size * size])]


def field(image, name, what, pick=lambda s: True):
    for s in image["structures"]:
        if s["name"] == name and pick(s) and s.get("view") != "replayed":
            for f in s.get("fields", []):
                if f["name"] == what:
                    return f["value"]
    return None


def pointed_to(image, name, index, file):
    """What a table points to, in its order; None if this check does not know how."""
    tables = {"l2_tables": "l1_table", "refcount_blocks": "refcount_table", "snapshot_l2_tables": "snapshot_l1_table",
              "block_bitmaps": "bat"}
    table = [s for s in image["structures"] if s["name"] == tables.get(name) and s.get("index") == index]
    if not table:
        return None
    data = file.at(table[0]["offset"], table[0]["length"])
    if image["format"] == "vhd":
        block = field(image, "dynamic_header", "block_size")
        length = (block // 512 // 8 + 511) // 512 * 512 or 512
        return [(w * 512, length) for w in words(data, ">I") if w != 0xFFFFFFFF and w * 512 < file.size]
    if image["format"] == "qcow":
        length = 8 << field(image, "header", "l2_bits")
        return [(w, length) for w in words(data, ">Q") if w and w < file.size]
    length = 1 << field(image, "header", "cluster_bits")
    mask = 0x00fffffffffffe00
    return [(w & mask, length) for w in words(data, ">Q") if w & mask and w & mask < file.size]


def check_summary(where, s, image, file):
    looked["summaries"] += 1
    pieces = pointed_to(image, s["name"], s.get("index"), file)
    if pieces is None or not s["complete"]:
        return
    digest = hashlib.sha256()
    for off, length in pieces:
        digest.update(file.at(off, length))
    if digest.hexdigest() != s["sha256"] or len(pieces) != s["structures"]:
        bad(where, "digest of", len(pieces), "pieces", s["structures"])


def check_gap(where, g, file):
    looked["gaps"] += 1
    if g["length"] > 1 << 28:
        return
    data = file.at(g["offset"], g["length"])
    if "sha256" in g and hashlib.sha256(data).hexdigest() != g["sha256"]:
        bad(where, "sha256")
    if data[:32].hex() != g["first_hex"] or g.get("all_zero") != (not any(data)):
        bad(where, "bytes")


def lines_of(folder, image, kind):
    a = image["allocation"]
    if kind + "_ref" not in a:
        return None
    with open(os.path.join(folder, a[kind + "_ref"]), "rb") as f:
        data = f.read()
    if hashlib.sha256(data).hexdigest() != a[kind + "_sha256"] or len(data) != a[kind + "_bytes"]:
        bad(image["id"], kind, "sum")
    looked[kind + "s"] += 1
    return [json.loads(line) for line in data.splitlines()]


def check_layout(image, gaps, listed_all, file, runs):
    pos, sums = 0, {}
    for r in runs:
        if r["start"] != pos or not r["length"]:
            bad(image["id"], "layout is not without holes at", pos)
        pos = r["start"] + r["length"]
        sums[r["class"]] = sums.get(r["class"], 0) + r["length"]
    if pos != file.size:
        bad(image["id"], "layout ends at", pos, file.size)
    for name in ("structure", "table", "data", "snapshot", "gap"):
        if image["allocation"][name + "_bytes"] != sums.get(name, 0):
            bad(image["id"], "sum of", name)
    found = [(r["start"], r["length"]) for r in runs if r["class"] == "gap"]
    said = [(g["offset"], g["length"]) for g in gaps]
    if listed_all and found != said:
        bad(image["id"], "gaps", len(found), len(said))
    # Structures cover exactly what is called so, and lie on each other only where that is said.
    claims = sorted((s["offset"], s["offset"] + s.get("present_bytes", s["length"])) for s in image["structures"]
                    if s.get("state") != "absent" and s.get("view") != "replayed")
    covered, overlap, end = 0, 0, 0
    for a, b in claims:
        overlap += max(0, min(end, b) - a)
        covered += max(0, b - max(a, end))
        end = max(end, b)
    if listed_all and covered != sums.get("structure", 0):
        bad(image["id"], "structures cover", covered, "not", sums.get("structure", 0))
    if overlap and not image["overlaps"]:
        bad(image["id"], "structures overlap by", overlap, "and nobody says so")


def check_map(image, lines):
    pos = 0
    for r in lines:
        if r["start"] != pos:
            bad(image["id"], "map is not without holes at", pos)
        pos = r["start"] + r["length"]
    if pos != image["virtual_size_bytes"]:
        bad(image["id"], "map ends at", pos)


shapes = set()


def thinned(d):
    """The document with one of all fields that look alike: the schema is slow, and they are many."""
    for image in d["images"]:
        for s in image["structures"]:
            new = []
            for f in s.get("fields", []):
                shape = (s["name"], re.sub("[0-9]+", "0", f["name"]), tuple(f), type(f.get("value")))
                if shape not in shapes or not new:
                    new.append(f)
                shapes.add(shape)
            if new:
                s["fields"] = new
    return d


def check(validator, path, folder):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text):
        bad(path, "control characters")
    d = json.loads(text)
    for e in list(validator.iter_errors(thinned(json.loads(text))))[:5]:
        bad(path, "schema:", list(e.absolute_path), e.message[:200])
    paths = [base64.b64decode(s["path"]["bytes_b64"]) for s in d["sources"]]
    files = {s["id"]: File(p, s.get("image_offset_bytes", 0)) for s, p in zip(d["sources"], paths)}
    shown = [base64.b64decode(next(s for s in d["sources"] if s["id"] == i["source"])["path"]["bytes_b64"])
             for i in d["images"]]
    if shown != sorted(shown):
        bad(path, "images are not in the order of their paths")
    for s in d["sources"]:
        for kind, value in s.get("hashes", {}).items():
            with open(base64.b64decode(s["path"]["bytes_b64"]), "rb") as f:
                if hashlib.new(kind, f.read()).hexdigest() != value:
                    bad(path, s["id"], kind)
    limited = {x["image"] for x in d["limits"]}
    for image in d["images"]:
        file = files[image["source"]]
        gaps = [g for g in d["gaps"] if g["image"] == image["id"]]
        for n, s in enumerate(image["structures"]):
            check_structure("%s %s %s[%d]" % (path, image["id"], s["name"], n), s, image, file)
        for s in image["summaries"]:
            check_summary("%s %s %s" % (path, image["id"], s["name"]), s, image, file)
        for g in gaps:
            check_gap("%s %s gap %d" % (path, image["id"], g["offset"]), g, file)
        if folder != "-":
            runs = lines_of(folder, image, "layout")
            if runs is not None:
                check_layout(image, gaps, image["id"] not in limited, file, runs)
            lines = lines_of(folder, image, "map")
            if lines is not None and not [e for e in d["errors"] if e["image"] == image["id"]]:
                check_map(image, lines)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    pairs = sys.argv[2:]
    for path, folder in zip(pairs[::2], pairs[1::2]):
        check(validator, path, folder)
    print("looked at", ", ".join("%d %s" % (n, what) for what, n in looked.items()))
    for what, n in looked.items():
        if not n and len(pairs) > 20:
            bad("no", what, "at all")
    return 1 if wrong else 0


sys.exit(main())
