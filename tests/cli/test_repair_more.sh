#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# repair of what links images and what they say of themselves: found, mended or refused with the reason, not found any more, and
# QEMU agrees.
set -u
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/repairs.sh"

# --- the format of the parent ---------------------------------------------------------------------------------------
mends parent-format-unrecorded parent-format-unrecorded safe
mends parent-format-unrecorded-raw parent-format-unrecorded asks
refuses parent-format-unrecorded-qcow parent-format-unrecorded "made anew as QCOW2"

# Takes the format of the parent out of an image of QEMU's, with its layout otherwise kept: header, extensions, name.
# forget IMAGE [GAP [plain]]: so many bytes before the name; without the names of features
forget()
{
	python3 - "$@" <<'PY'
import struct, sys
path, gap, plain = sys.argv[1], int((sys.argv[2:] or ["0"])[0]), "plain" in sys.argv
d = bytearray(open(path, "rb").read())
version, off, size, bits = struct.unpack(">4xIQII", d[:24])
at = 72 if version == 2 else struct.unpack(">I", d[100:104])[0]
head = bytes(d[:at])
while True:
    kind, length = struct.unpack(">II", d[at:at + 8])
    end = at + 8 + (length + 7) // 8 * 8
    if kind == 0:
        break
    if kind != 0xE2792ACA and not (plain and kind == 0x6803F857):
        head += bytes(d[at:end])
    at = end
head += bytes(8 + gap)
d[:1 << bits] = (head + bytes(d[off:off + size])).ljust(1 << bits, b"\0")
d[8:16] = struct.pack(">Q", len(head))
open(path, "wb").write(d)
PY
}

: >"$work/broken"
tried=0
for layout in 1.1:65536:0 1.1:65536:600 1.1:65536:600:plain 1.1:4096:0 1.1:512:0 0.10:65536:0 0.10:4096:700; do
	IFS=: read -r version cluster gap plain <<<"$layout"
	repo=$work/layout
	mkdir "$repo"
	qemu-img create -q -f qcow2 "$repo/base.qcow2" 4M
	qemu-io -f qcow2 -c "write -q -P 7 0 1M" "$repo/base.qcow2"
	qemu-img create -q -f qcow2 -o compat="$version",cluster_size="$cluster" -b base.qcow2 -F qcow2 "$repo/leaf.qcow2"
	forget "$repo/leaf.qcow2" "$gap" ${plain:+plain}
	qemu-img info "$repo/leaf.qcow2" >"$work/info" 2>&1
	{ grep -q 'backing file: base.qcow2' "$work/info" && ! grep -q 'backing file format' "$work/info"; } || echo "$layout: not forgotten" >>"$work/broken"
	sums "$repo" >"$work/before"
	"$CHAINVIEW" repair -p --refs=none "$repo" >"$work/out" 2>&1 || true
	qemu-img info "$repo/leaf.qcow2" >"$work/info" 2>&1
	{ grep -q 'backing file: base.qcow2' "$work/info" && grep -q 'backing file format: qcow2' "$work/info"; } ||
		{ echo "$layout: not recorded"; cat "$work/out"; } >>"$work/broken"
	{ qemu-img check -q "$repo/leaf.qcow2" && qemu-img compare -q "$repo/base.qcow2" "$repo/leaf.qcow2"; } >>"$work/broken" 2>&1 ||
		echo "$layout: QEMU does not agree" >>"$work/broken"
	[ -z "$(found "$repo")" ] || echo "$layout: something is found" >>"$work/broken"
	{ "$CHAINVIEW" undo --yes --refs=none "$repo" "$(last "$repo")" >"$work/out" 2>&1 && sums "$repo" | cmp -s - "$work/before"; } ||
		{ echo "$layout: not given back"; cat "$work/out"; } >>"$work/broken"
	tried=$((tried + 1))
	rm -rf "$repo"
done
sed 's/^/# /' "$work/broken"
verdict "the format is recorded in $tried layouts of QEMU's images, and given back" "$([ ! -s "$work/broken" ]; echo $?)"

# What only looks like QCOW2 may be a guest's: nothing is recorded without asking.
repo=$work/guess
mkdir "$repo"
qemu-img create -q -f qcow2 "$repo/base.img" 4M
qemu-img create -q -f qcow2 -b base.img -F qcow2 "$repo/leaf.qcow2"
forget "$repo/leaf.qcow2"
"$CHAINVIEW" repair -n --refs=none "$repo" 2>/dev/null | tr -s ' \n' ' ' >"$work/line"
has "a parent that only looks like QCOW2 asks" "nothing else says so.*\(asks\)" "$work/line"
# One that its name and its size tell is safe in bulk; another child that records it says it, too.
qemu-img create -q -f qcow2 -b base.img -F qcow2 "$repo/other.qcow2"
for i in 1 2 3; do cp "$repo/leaf.qcow2" "$repo/leaf$i.qcow2"; done
ends "where another image says it, too, it is safe, for all of them" 1 "$CHAINVIEW" repair -p --refs=none "$repo"
verdict "all four are recorded" "$([ "$(for i in "" 1 2 3; do qemu-img info "$repo/leaf$i.qcow2"; done | grep -c 'backing file format: qcow2')" -eq 4 ]; echo $?)"
# Declared raw by one, unrecorded by another, and with a header of a guest's in it.
repo=$work/hostile
mkdir "$repo"
truncate -s 4M "$repo/disk.raw"
qemu-img create -q -f qcow2 -b disk.raw -F raw "$repo/one.qcow2"
cp "$repo/one.qcow2" "$repo/two.qcow2"
forget "$repo/two.qcow2"
qemu-img create -q -f qcow2 -u -b /etc/shadow -F raw "$work/header.qcow2" 4M
dd if="$work/header.qcow2" of="$repo/disk.raw" conv=notrunc status=none
sums "$repo" >"$work/before"
"$CHAINVIEW" repair -p --refs=none "$repo" >"$work/out" 2>&1
verdict "what a guest wrote into a raw disk is not recorded" "$(sums "$repo" | cmp -s - "$work/before"; echo $?)"
tr -s ' \n' ' ' <"$work/out" >"$work/line"
has "but asked about" "two.qcow2.*(make sure|asks)" "$work/line"
rm "$repo/disk.raw"
"$CHAINVIEW" repair -y --refs=none "$repo" >"$work/out" 2>&1
tr -s ' \n' ' ' <"$work/out" >"$work/line"
has "without the parent nothing tells the format" "parent-format-unrecorded: its parent was not found" "$work/line"

# --- the name of the parent -----------------------------------------------------------------------------------------
mends qcow2-backing-name-invalid-length qcow2-backing-name-invalid asks
refuses qcow2-backing-name-invalid-place qcow2-backing-name-invalid "too little speaks for any"
refuses qcow2-backing-name-invalid qcow2-backing-name-invalid "nothing that was looked at could be"
# word IMAGE OFFSET HEX
word() { printf "$(sed 's/../\\x&/g' <<<"$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
overlay()
{
	mkdir "$1"
	qemu-img create -q -f qcow2 "$1/base.qcow2" 4M
	qemu-io -f qcow2 -c "write -q -P 7 0 1M" "$1/base.qcow2"
	qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$1/leaf.qcow2"
	qemu-io -f qcow2 -c "write -q -P 5 2M 64k" "$1/leaf.qcow2"
	qemu-img convert -O raw "$1/leaf.qcow2" "$1.raw"
}
# mended HOW REPO
mended()
{
	ends "$1: it is mended" 1 "$CHAINVIEW" repair "$2" --refs=none "$3"
	must "$1: it reads as before" qemu-img compare -q -f raw -F qcow2 "$3.raw" "$3/leaf.qcow2"
	verdict "$1: nothing is found" "$([ -z "$(found "$3" | grep -v '^parent-content-changed')" ]; echo $?)"
}
overlay "$work/name"
word "$work/name/leaf.qcow2" 16 00000020
word "$work/name/leaf.qcow2" $((0x$(od -An -tx1 -j8 -N8 "$work/name/leaf.qcow2" | tr -d " ") + 15)) 6a756e6b
mended "a name with a zero in it" -p "$work/name"
# Nothing is left of the name but that there was one, and what the parent held is known from a check.
overlay "$work/print"
ends "what the parent holds is recorded" 0 "$CHAINVIEW" check --refs=none "$work/print"
word "$work/print/leaf.qcow2" 8 fffffffffffffff8
mended "a name that is nowhere" -y "$work/print"

# --- blocks of refcounts that are missing ---------------------------------------------------------------------------
mends qcow2-refcount-zero-block qcow2-refcount-zero safe

# --- the header of a VHD --------------------------------------------------------------------------------------------
ls_samples() { "$CHAINVIEW" sample --list | awk '{ print $1 }' | grep '^vhd-header-checksum'; }
for recipe in $(ls_samples); do mends "$recipe" vhd-header-checksum asks; done
# field WHAT OFFSET HEX: the field that explains it is told, and made what it was
field()
{
	rm -rf "$work/field"
	"$CHAINVIEW" sample --recipe vhd-header-checksum "$work/field" >/dev/null
	chmod 755 "$work/field"
	"$CHAINVIEW" repair -y --refs=none "$work/field" >/dev/null 2>&1
	rm -rf "$work/field/.chainview"
	cp "$work/field/disk.vhd" "$work/whole.vhd"
	word "$work/field/disk.vhd" "$2" "$3"
	"$CHAINVIEW" repair -y --refs=none "$work/field" >"$work/out" 2>&1
	has "$1: the field is told" "its $1 made what it must be" "$work/out"
	must "$1: it is as it was" cmp "$work/field/disk.vhd" "$work/whole.vhd"
}
field "data offset" 520 0000000000000001
field "offset of the block table" 528 0000000000000800
field "number of blocks" 540 00000200
field "size of blocks" 544 00100000
field "reserved bytes" 1300 dead
# Two of them at once explain nothing.
word "$work/field/disk.vhd" 540 00000200
word "$work/field/disk.vhd" 520 0000000000000001
cp "$work/field/disk.vhd" "$work/two.vhd"
"$CHAINVIEW" repair -y --refs=none "$work/field" >"$work/out" 2>&1
tr -s ' \n' ' ' <"$work/out" >"$work/line"
has "two wrong fields are refused" "vhd-header-checksum: its data offset is not what it must be.*more than one field" "$work/line"
must "and left as they are" cmp "$work/field/disk.vhd" "$work/two.vhd"

# --- several repositories in one document ---------------------------------------------------------------------------
json=$work/json
mkdir "$json" "$work/healthy"
qemu-img create -q -f qcow2 "$work/healthy/disk.qcow2" 1M
make_sample vhd-footer-missing
make_sample vhd-footers-differ
three=("$work/vhd-footer-missing" "$work/vhd-footers-differ" "$work/healthy")
ends "several repositories as JSON, dry" 68 "$CHAINVIEW" repair -n --json --refs=none "${three[@]}"
cp "$work/.out" "$json/repairs.1"
if "$CHAINVIEW" repair -y --json --refs=none "${three[@]}" >/dev/full 2>/dev/null; then status=0; else status=$?; fi
verdict "a document that cannot be written is a failure" "$([ $((status & 8)) -ne 0 ]; echo $?)"
for repo in "${three[@]}"; do "$CHAINVIEW" undo --yes --refs=none "$repo" "$(last "$repo")" >/dev/null 2>&1; done
ends "several repositories as JSON, what is safe" 65 "$CHAINVIEW" repair -p --json --refs=none "${three[@]}"
cp "$work/.out" "$json/repairs.2"
must "each has its plan, and what came of it" python3 -c '
import json, sys
for name, wanted in ((sys.argv[1], [None, None, None]), (sys.argv[2], ["done", None, None])):
    d = json.load(open(name))
    assert [p["plan"]["repository"] for p in d["plans"]] == sys.argv[3:], d
    assert [p.get("result", {}).get("state") for p in d["plans"]] == wanted, d
    assert [len(p["plan"].get("fixes", [])) for p in d["plans"]] == [1, 1, 0], d' "$json/repairs.1" "$json/repairs.2" "${three[@]}"
if python3 -c 'import jsonschema' 2>/dev/null; then
	here=$(dirname "$0")
	must "they fit the schema" python3 "$here/../support/schema_check.py" "$here/../../packaging/schema" "$json" repairs
fi

# --- what others do -------------------------------------------------------------------------------------------------
refuses visible-base-with-hidden-children visible-base-with-hidden-children "chainview gc moves that to the trash"
refuses leftover-file leftover-file "let the program that left it finish"
refuses parent-cycle-self parent-cycle "only what the image holds itself can be saved"
# One that follows is the way out of a ring where its content was known.
overlay "$work/ring"
ends "what the parent holds is recorded" 0 "$CHAINVIEW" check --refs=none "$work/ring"
qemu-img rebase -q -u -b leaf.qcow2 -F qcow2 "$work/ring/leaf.qcow2"
mended "an image that names itself" -y "$work/ring"

finish
