#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Fingerprints: a base that is replaced or written to is noticed for every format; proper merges, growing leaves and new
# times are no alarm; what is kept is kept safely, and what is damaged is not believed. Places of images, bind mounts.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_CONFIG= CHAINVIEW_STATE_DIR=$work/state

check() { "$CHAINVIEW" check --refs=none --space-reserve=0 "$@" "$repo" >"$work/out" 2>"$work/err"; }
# quiet WHAT: no alarm; alarm WHAT: one, with status 4
quiet() { check; status=$?; lacks "$1" parent-content-changed "$work/out"; verdict "$1: status $status" "$([ $status -eq 0 ]; echo $?)"; }
alarm() { check; status=$?; has "$1" "parent-content-changed: parent $2 " "$work/out"; verdict "$1: status $status" "$([ $((status & 4)) -ne 0 ]; echo $?)"; }
io() { qemu-io -f "$1" "${@:3}" "$2" >/dev/null; }
overlay() { qemu-img create -q -f qcow2 -b "$2" -F "$3" "$repo/$1"; }
fresh()
{
	repo=$work/$1
	rm -rf "$repo" "$CHAINVIEW_STATE_DIR"
	mkdir "$repo"
}

fresh chain
qemu-img create -q -f qcow2 "$repo/base.qcow2" 64M
io qcow2 "$repo/base.qcow2" -c 'write -P 1 0 4M' -c 'write -P 2 20M 2M'
overlay mid.qcow2 base.qcow2 qcow2
io qcow2 "$repo/mid.qcow2" -c 'write -P 3 2M 1M'
overlay leaf.qcow2 mid.qcow2 qcow2
io qcow2 "$repo/leaf.qcow2" -c 'write -P 4 3M 1M'
quiet "the first look"
must "the state is kept" test -s "$CHAINVIEW_STATE_DIR/fingerprints.ndjson"
verdict "for its owner only" "$([ "$(stat -c %a "$CHAINVIEW_STATE_DIR/fingerprints.ndjson" "$CHAINVIEW_STATE_DIR" | tr '\n' ' ')" = "600 700 " ]; echo $?)"
has "shadowed data of chains is told" 'shadowed-data: ' "$work/out"
quiet "the second look"
touch "$repo/base.qcow2"
io qcow2 "$repo/leaf.qcow2" -c 'write -P 9 8M 8M' -c 'write -P 9 0 1M'
quiet "a leaf that was written to, a base with another time"
cp -a "$repo" "$work/whole" && cp -a "$CHAINVIEW_STATE_DIR" "$work/whole-state"
qemu-img commit -q -d "$repo/mid.qcow2"
quiet "a merge that was not yet followed by a relink"
qemu-img rebase -u -b base.qcow2 -F qcow2 "$repo/leaf.qcow2" && rm "$repo/mid.qcow2"
quiet "a proper merge with its relink"
quiet "and the look after that"

again() { rm -rf "$repo" "$CHAINVIEW_STATE_DIR"; cp -a "$work/whole" "$repo"; cp -a "$work/whole-state" "$CHAINVIEW_STATE_DIR"; }
again
qemu-img convert -O qcow2 "$repo/base.qcow2" "$repo/new" && mv "$repo/new" "$repo/base.qcow2"
quiet "a base that was copied by convert, with the same content"
again
touch -r "$repo/base.qcow2" "$work/time"
io qcow2 "$repo/base.qcow2" -c 'write -P 7 20M 2M'
touch -r "$work/time" "$repo/base.qcow2"
alarm "a base that was written to, with its old time" base.qcow2
"$CHAINVIEW" check -v --refs=none "$repo" >"$work/out" 2>&1
has "the image above points down" 'look there first' "$work/out"
alarm "it is told as long as it is so" base.qcow2
"$CHAINVIEW" info --json --repo "$repo" leaf.qcow2 >"$work/json"
check --fingerprints=off
lacks "unless fingerprints are off" parent-content-changed "$work/out"
check --fingerprints=renew
lacks "or are renewed" parent-content-changed "$work/out"
quiet "and from then on"
ends "no other word is taken" 16 "$CHAINVIEW" check --fingerprints=maybe "$repo"

fresh raw
truncate -s 32M "$repo/base.raw"
io raw "$repo/base.raw" -c 'write -P 1 1M 64k' -c 'write -P 5 16M 1M'
overlay leaf.qcow2 base.raw raw
quiet "a raw base"
io raw "$repo/base.raw" -c 'write -P 2 1M 4k'
alarm "a raw base that was mounted" base.raw

fresh vhd
must "a VHD chain is made" "$CHAINVIEW" sample --recipe coalescable "$work/vhd/s"
repo=$work/vhd/s
quiet "VHD"
# The first block that lies in the base, behind its bitmap: middle.vhd does not hold it.
python3 - "$repo/base.vhd" <<'PY'
import struct, sys
with open(sys.argv[1], "r+b") as f:
    f.seek(512 + 16); table = struct.unpack(">Q", f.read(8))[0]
    f.seek(table); entry = struct.unpack(">I", f.read(4))[0]
    f.seek(entry * 512 + 512); f.write(b"\x5a" * (1 << 20))
PY
alarm "a VHD that keeps its identity but not its content" base.vhd
lacks "and nothing is merged into it" 'middle.vhd.*coalescable' <(tr '\n' ' ' <"$work/out")

# What is kept is not believed when it is damaged, and never follows a link.
fresh damaged
truncate -s 8M "$repo/base.raw"
overlay leaf.qcow2 base.raw raw
check
echo '{' >>"$CHAINVIEW_STATE_DIR/fingerprints.ndjson"
check; status=$?
has "damaged fingerprints are said" 'fingerprints are not compared: .*fingerprints.ndjson: line 3 ' "$work/err"
verdict "and make the check incomplete" "$([ $((status & 8)) -ne 0 ]; echo $?)"
must "they are put aside" test -s "$CHAINVIEW_STATE_DIR/fingerprints.ndjson.damaged"
quiet "and new ones are taken"
echo precious >"$work/precious"
rm "$CHAINVIEW_STATE_DIR/fingerprints.ndjson" && ln -s "$work/precious" "$CHAINVIEW_STATE_DIR/fingerprints.ndjson"
check
has "a link is not followed" 'not compared' "$work/err"
verdict "nor written through" "$([ "$(cat "$work/precious")" = precious ]; echo $?)"
rm -f "$CHAINVIEW_STATE_DIR"/fingerprints*
chmod 777 "$CHAINVIEW_STATE_DIR"
check
has "a folder that others can write to is not believed" 'others can write to it' "$work/err"
verdict "and not written to" "$([ -z "$(ls "$CHAINVIEW_STATE_DIR")" ]; echo $?)"
CHAINVIEW_STATE_DIR='' check
verdict "an empty name switches it off" "$([ ! -s "$work/err" ]; echo $?)"
rm -rf "$CHAINVIEW_STATE_DIR"
mkdir "$CHAINVIEW_STATE_DIR" && chmod 700 "$CHAINVIEW_STATE_DIR"
if [ "$(id -u)" -eq 0 ] && mkdir "$work/full" && mount -t tmpfs -o size=16k none "$work/full" 2>/dev/null; then
	chmod 700 "$work/full"
	head -c 16384 /dev/zero >"$work/full/fill" 2>/dev/null
	CHAINVIEW_STATE_DIR=$work/full check; status=$?
	has "a full disk is said" 'fingerprints are not kept' "$work/err"
	verdict "and spoils nothing else: status $status" "$([ "$status" -eq 0 ]; echo $?)"
	verdict "and leaves nothing half written" "$([ "$(ls -A "$work/full" | grep -c ndjson)" -eq 0 ]; echo $?)"
	umount "$work/full"
else
	skip "a full state folder" "no mount"
fi

# An image that is given as a repository: its relatives beside it are found, and not reported on.
"$CHAINVIEW" check --refs=none --json "$repo/leaf.qcow2" >"$work/json"
lacks "the parent of a given image is found beside it" outside "$work/json"
has "and only the image is reported on" '"images":1,' <(tr -d ' \n' <"$work/json")

# The same folder under another path.
if [ "$(id -u)" -eq 0 ] && mkdir "$work/bound" && mount --bind "$repo" "$work/bound" 2>/dev/null; then
	qemu-img create -q -u -f qcow2 -b "$work/bound/base.raw" -F raw "$repo/other.qcow2" 8M
	"$CHAINVIEW" check --refs=none --fingerprints=off "$repo" >"$work/out" 2>&1
	lacks "a name by a bind mount of the repository leads into it" outside "$work/out"
	rm "$repo/leaf.qcow2"
	qemu-img create -q -f qcow2 -b other.qcow2 -F qcow2 "$repo/top.qcow2"
	"$CHAINVIEW" info --refs=none "$repo/other.qcow2" >"$work/out" 2>&1
	has "and nothing is merged while others may come by that path" 'a bind mount of its folder' "$work/out"
	umount "$work/bound"
	"$CHAINVIEW" check --refs=none --fingerprints=off "$repo" >"$work/out" 2>&1
	has "and out of it when the mount is gone" outside "$work/out"
else
	skip "bind mounts" "no mount"
fi
finish
