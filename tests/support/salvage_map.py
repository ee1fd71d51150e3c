#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""salvage_map.py MAP COPY [TWIN]: does the map of a salvage add up, is what it lists zeros in the copy, and does
everything else read as in an undamaged twin?"""
import sys

size = lost = doubtful = None
ranges = []
for line in open(sys.argv[1], "rb").read().split(b"\n"):
    words = line.split()
    if line.startswith(b"# size "):
        size, lost, doubtful = int(words[2]), int(words[4]), int(words[6])
    elif line and not line.startswith(b"#"):
        if words[2] not in (b"lost", b"doubtful") or (words[4] != b"-" and int(words[4]) < 0):
            sys.exit("odd line: %r" % line)
        ranges.append((int(words[0]), int(words[1]), words[2] == b"lost"))
copy = open(sys.argv[2], "rb").read()
if size is None or len(copy) != size:
    sys.exit("the copy has %d bytes, the map says %s" % (len(copy), size))
end = 0
for start, length, _ in ranges:
    if start < end or length < 1 or start + length > size:
        sys.exit("range %d+%d does not follow %d" % (start, length, end))
    end = start + length
if sum(r[1] for r in ranges if r[2]) != lost or sum(r[1] for r in ranges if not r[2]) != doubtful:
    sys.exit("the ranges do not add up to what the head says")
for start, length, is_lost in ranges:
    if is_lost and copy[start:start + length].strip(b"\0"):
        sys.exit("lost bytes at %d are not zeros" % start)
if len(sys.argv) > 3:
    twin = open(sys.argv[3], "rb").read()
    end = 0
    for start, length, _ in ranges + [(size, 0, True)]:
        if copy[end:start] != twin[end:start]:
            sys.exit("between %d and %d the copy is not as the twin" % (end, start))
        end = start + length
