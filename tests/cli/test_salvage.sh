#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# convert --salvage: what can be read of damaged images is as in an undamaged twin, all that cannot be is in the map and is
# zeros, the source is never touched, and the exit status says whether something is missing.
set -u
. "$(dirname "$0")/../support/lib.sh"
support=$(cd "$(dirname "$0")/../support" && pwd)
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=/dev/null
command -v python3 >/dev/null || { skip "salvage" "python3 is not installed"; finish; }
needs qemu-img "the damaged images are made by it" || finish
case $CHAINVIEW in /*) ;; *) CHAINVIEW=$PWD/$CHAINVIEW ;; esac
cd "$work" || exit 1
mkdir src out twin

convert() { "$CHAINVIEW" convert --refs=none "$@"; }
# bytes FILE OFFSET HEX: writes them
bytes() { python3 -c 'import sys; f=open(sys.argv[1],"r+b"); f.seek(int(sys.argv[2],0)); f.write(bytes.fromhex(sys.argv[3]))' "$@"; }

# salvaged WHAT STATUS SOURCE [TWIN.raw]: to raw, with a map that adds up; the source stays as it is
salvaged()
{
	local what=$1 status=$2 from=$3 sum
	shift 3
	rm -f out/new.raw out/map
	sum=$(sha256sum "$from")
	ends "$what" "$status" convert "$from" out/new.raw --to raw --salvage=out/map --yes
	must "$what: the map adds up" python3 "$support/salvage_map.py" out/map out/new.raw "$@"
	verdict "$what: the source is as it was" "$([ "$sum" = "$(sha256sum "$from")" ]; echo $?)"
}
lost() { verdict "$1" "$([ "$(sed -n 's/^# size [0-9]* lost \([0-9]*\).*/\1/p' out/map)" = "$2" ]; echo $?)"; }

# --- healthy images: nothing is missing ---------------------------------------------------------------------------
python3 -c '
import random
random.seed(7)
f = open("twin/disk.raw", "wb")
for i in range(0, 24):
    f.write(random.randbytes(512 * 1024) if i % 3 else bytes(512 * 1024))'
for row in vpc:vhd vhdx:vhdx qcow2:qcow2; do
	qemu-img convert -O "${row%:*}" -o "$([ "$row" = vpc:vhd ] && echo force_size=on || echo)" twin/disk.raw "src/whole.${row#*:}" 2>/dev/null ||
		qemu-img convert -O "${row%:*}" twin/disk.raw "src/whole.${row#*:}"
	salvaged "a healthy ${row#*:}" 0 "src/whole.${row#*:}" twin/disk.raw
	lost "nothing of it is lost" 0
done

# --- cut --------------------------------------------------------------------------------------------------------------
for row in vpc:vhd vhdx:vhdx qcow2:qcow2; do
	cp "src/whole.${row#*:}" "src/cut.${row#*:}"
	truncate -s "$(($(stat -c %s "src/whole.${row#*:}") * 2 / 3 / 512 * 512 + 512))" "src/cut.${row#*:}"
	salvaged "a cut ${row#*:}" 1 "src/cut.${row#*:}" twin/disk.raw
	has "it is said where the data should be" "^[0-9]+ [0-9]+ lost past-end [0-9]+ .*cut" out/map
done
# it does not open the others once they are cut
must "qemu-img reads the same, with zeros for what is not there" qemu-img compare -q -f qcow2 -F raw src/cut.qcow2 out/new.raw
ends "the same as qcow2" 1 convert src/cut.vhd out/new.qcow2 --to qcow2 --salvage --yes
has "it is said what is missing" "bytes are lost and are zeros in the copy" .out
has "and where" "lost: [0-9]+ B at guest offset [0-9]+: past the end of the file, offset [0-9]+ of .*cut.vhd" .out
must "which is equal" qemu-img compare -q -f qcow2 -F raw out/new.qcow2 "$(convert src/cut.vhd out/again.raw --to raw --salvage --yes >/dev/null; echo out/again.raw)"
ends "without --salvage it is refused" 4 convert src/cut.vhd out/no.raw --to raw --yes
has "which names the way" "convert .*--salvage" .out
ends "a dry run writes nothing" 0 convert src/cut.vhd out/no.raw --to raw --salvage=out/nomap
has "and says what the tables tell" "of 12582912 bytes cannot be read and will be zeros" .out
verdict "neither copy nor map" "$([ ! -e out/no.raw ] && [ ! -e out/nomap ]; echo $?)"

# --- headers ------------------------------------------------------------------------------------------------------
cp src/whole.vhd src/footless.vhd
bytes src/footless.vhd 0 "$(printf '00%.0s' $(seq 512))"
truncate -s -512 src/footless.vhd
salvaged "a VHD without any footer" 0 src/footless.vhd
must "all of the disk is there" python3 -c '
a, b = open("out/new.raw", "rb").read(), open("twin/disk.raw", "rb").read()
assert a[:len(b)] == b and not a[len(b):].strip(b"\0") and len(a) - len(b) < 2 << 20'
cp src/whole.vhd src/sums.vhd
bytes src/sums.vhd $((512 + 36)) deadbeef
salvaged "a VHD whose header does not sum up" 0 src/sums.vhd twin/disk.raw
cp src/whole.vhdx src/heads.vhdx
bytes src/heads.vhdx 0x10004 deadbeef
bytes src/heads.vhdx 0x20004 deadbeef
salvaged "a VHDX without a header" 0 src/heads.vhdx twin/disk.raw
cp src/whole.vhdx src/regions.vhdx
bytes src/regions.vhdx 0x30004 deadbeef
bytes src/regions.vhdx 0x40004 deadbeef
salvaged "a VHDX whose region tables do not sum up" 0 src/regions.vhdx twin/disk.raw
cp src/whole.qcow2 src/magic.qcow2
bytes src/magic.qcow2 0 00000000
salvaged "a QCOW2 without its magic" 0 src/magic.qcow2 twin/disk.raw
cp src/whole.qcow2 src/flag.qcow2
bytes src/flag.qcow2 79 02
salvaged "a QCOW2 with the corrupt flag" 0 src/flag.qcow2 twin/disk.raw
head -c 1M /dev/zero | tr '\0' 'x' >src/none.vhd
ends "what is no image has nothing to save" 8 convert src/none.vhd out/no.raw --to raw --salvage --yes
has "and it is said" "nothing is left in it that says which format it had" .out

# --- tables ---------------------------------------------------------------------------------------------------------
cp src/whole.qcow2 src/entries.qcow2
l2=$(python3 -c '
import struct
f = open("src/whole.qcow2", "rb"); f.seek(40); l1 = struct.unpack(">Q", f.read(8))[0]
f.seek(l1); print(struct.unpack(">Q", f.read(8))[0] & 0xfffffffffffe00)')
bytes src/entries.qcow2 $((l2 + 8 * 9)) 8000007000000000
bytes src/entries.qcow2 $((l2 + 8 * 21)) 8000000000050200
salvaged "QCOW2 entries that cannot be true" 1 src/entries.qcow2 twin/disk.raw
has "one leads past the end" "^589824 65536 lost past-end 481036337152 " out/map
has "one is no cluster" "^1376256 65536 lost entry " out/map
lost "no more than these is lost" 131072
cp src/whole.vhd src/bat.vhd
bytes src/bat.vhd $((1536 + 4)) 7fffffff
salvaged "a VHD block past the end" 1 src/bat.vhd twin/disk.raw
lost "one block is lost" 2097152
python3 -c 'open("twin/soft.raw","wb").write(b"".join(bytes([i + 1, i % 7]) * 32768 for i in range(32)))'
qemu-img convert -c -O qcow2 twin/soft.raw src/packed.qcow2
bytes src/packed.qcow2 "$(python3 -c '
import struct
f = open("src/packed.qcow2", "rb"); f.seek(40); l1 = struct.unpack(">Q", f.read(8))[0]
f.seek(l1); f.seek((struct.unpack(">Q", f.read(8))[0] & 0xfffffffffffe00) + 8)
print(struct.unpack(">Q", f.read(8))[0] & (1 << 54) - 1)')" ffffffffffffffffffffffffffffffffffffffff
salvaged "a compressed cluster of noise" 1 src/packed.qcow2 twin/soft.raw
has "which is told" "^65536 65536 lost compressed [0-9]+ " out/map

# --- two owners ---------------------------------------------------------------------------------------------------------
# twice RECIPE IMAGE RANGES: what is doubtful, and nothing else
twice()
{
	"$CHAINVIEW" sample --recipe "$1" "src/$1" >/dev/null
	salvaged "$1" 1 "src/$1/$2"
	sed -n 's/^\([0-9]* [0-9]*\) doubtful overlap .*/\1/p' out/map | tr '\n' ';' >out/doubtful
	verdict "$1: $3 are doubtful" "$([ "$(cat out/doubtful)" = "$3" ]; echo $?)"
	lost "$1: nothing is lost" 0
}
twice qcow2-table-overlap disk.qcow2 "0 65536;"
twice qcow2-table-overlap-snapshot disk.qcow2 "0 65536;65536 67043328;"
twice vhd-bat-overlap disk.vhd "0 2097152;8388608 2097152;"

# --- chains ---------------------------------------------------------------------------------------------------------
mkdir chain
cp twin/disk.raw chain/base.raw
qemu-img create -q -f qcow2 -b base.raw -F raw chain/leaf.qcow2
qemu-io -c 'write -P 5 1M 64k' -c 'write -P 6 5M 128k' chain/leaf.qcow2 >/dev/null
qemu-img convert -O raw chain/leaf.qcow2 twin/leaf.raw
salvaged "a chain that is whole" 0 chain/leaf.qcow2 twin/leaf.raw
mv chain/base.raw chain.raw
salvaged "a chain without its base" 1 chain/leaf.qcow2 twin/leaf.raw
lost "what the leaf does not own" $((12582912 - 3 * 65536))
has "the reason is the parent" "^0 1048576 lost parent-missing - .*leaf.qcow2" out/map
has "which the head says, too" "^# chain ends: leaf.qcow2: its parent is not there" out/map
mkdir chain/elsewhere && mv chain.raw chain/elsewhere/base.raw

# --- the map ----------------------------------------------------------------------------------------------------------
ends "as JSON, by its name" 1 convert src/bat.vhd out/j.raw --to raw --salvage=out/map.json --yes
must "it is one document" python3 -c '
import json
d = json.load(open("out/map.json"))
assert d["schema"]["name"] == "chainview.salvage", d["schema"]
s = d["salvage"]
assert s["lost_bytes"] == 2097152 and len(s["ranges"]) == 1, s
r = s["ranges"][0]
assert (r["start"], r["length"], r["state"], r["why"], r["depth"]) == (2097152, 2097152, "lost", "past-end", 0), r'
rm out/j.raw
convert src/bat.vhd out/j.raw --to raw --salvage --yes --json >out/plan.json
verdict "--json ends with the same status" "$([ $? -eq 1 ]; echo $?)"
must "and has the map" python3 -c '
import json
d = json.load(open("out/plan.json"))
assert d["tool"]["exit_status"] == 1 and d["salvage"]["lost_bytes"] == 2097152 and d["result"]["state"] == "done", d'
rm out/j.raw
convert src/bat.vhd out/j.raw --to raw --salvage=- --yes >out/stdout 2>/dev/null
verdict "- is standard output" "$([ $? -eq 1 ]; echo $?)"
has "which is the map" "^2097152 2097152 lost past-end" out/stdout
lacks "and nothing else" "made|plan" out/stdout
rm out/j.raw
ends "a map that is there already is wrong usage" 16 convert src/bat.vhd out/j.raw --to raw --salvage=out/map.json --yes
verdict "before anything is done" "$([ ! -e out/j.raw ]; echo $?)"
ends "not for trees" 16 convert --tree src out/tree --to raw --salvage
ends "a map that cannot be written" 9 convert src/bat.vhd out/j.raw --to raw --salvage=nowhere/map --yes
must "the copy is there all the same" test -e out/j.raw
ends "undo takes it back" 0 "$CHAINVIEW" undo --refs=none --yes out "$("$CHAINVIEW" journal --json out | tr -d ' \n' | grep -o '"operation_id":"[^"]*"' | tail -1 | cut -d'"' -f4)"
verdict "to the trash" "$([ ! -e out/j.raw ]; echo $?)"

# --- a table that says nothing any more ---------------------------------------------------------------------------
mkdir gone
cp src/whole.qcow2 gone/l1.qcow2
bytes gone/l1.qcow2 "0x$(od -An -tx1 -j40 -N8 gone/l1.qcow2 | tr -d ' ')" 0000000000000000
ends "an entry of the first table is gone: exit 1" 1 convert gone/l1.qcow2 gone/new.raw --to raw --salvage --yes
has "and it is said that no map can show what that cost" "parts of the disk may be missing" .out
has "as the plan says" "l1.qcow2: leaked-clusters" .out
finish
