#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# chainview map against qemu-img map on random chains, its pictures, its options, its exit statuses, its memory.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/lib.sh"
case $CHAINVIEW in /*) ;; *) CHAINVIEW=$PWD/$CHAINVIEW ;; esac
export HOME="$work" LC_ALL=C.UTF-8
unset COLUMNS
out=$work/out

# --- as qemu-img maps ----------------------------------------------------------------------------------------

if command -v qemu-img >/dev/null && command -v python3 >/dev/null; then
	mkdir "$work/peer"
	seeds=(1 21 41)
	# A map that differs does so in both builds.
	if sanitized; then seeds=(1); fi
	for first in "${seeds[@]}"; do
		must "20 random QCOW2 chains map as qemu-img maps them, from seed $first" \
			python3 "$here/../support/map_peer.py" "$CHAINVIEW" "$work/peer" $first 20
	done
else
	skip "random QCOW2 chains map as qemu-img maps them" "no qemu-img or python3"
fi

# --- known truth ---------------------------------------------------------------------------------------------

must "a sample can be made" "$CHAINVIEW" sample --recipe coalescable "$work/vhd"
cd "$work/vhd"
flat map --refs=none leaf.vhd >"$out"
has "the histogram has bytes of each depth" \
	'"depth_histogram":\[\{"bytes":4194304\},\{"depth":0,"image":"leaf.vhd","bytes":4096\},\{"depth":1,"image":"middle.vhd","bytes":4190208\},\{"depth":2,"image":"base.vhd","bytes":2097152\}\]' "$out"
has "extents are those of the chain" \
	'"start":4194304,"length":4096,"depth":0,"present":true,"zero":false,"data":true,"compressed":false,"offset":[0-9]+,"filename":"[^"]*/leaf.vhd"' "$out"
has "the mean weighs what images have" '"mean_depth":1.3326' "$out"
must "the text map is drawn" "$CHAINVIEW" map --refs=none --color=never leaf.vhd
has "one character for each cell" '^ +0.00M 2{64}$' "$work/.out"
has "what nobody has is a dot" '^ +9.00M \.{64}$' "$work/.out"
has "rows of the histogram name the images" '^ 1 middle.vhd +[0-9.]+M +[0-9.]+%' "$work/.out"
has "mean and deepest are said" '^mean 1.33 hops, max 2$' "$work/.out"
must "a plan is shown" "$CHAINVIEW" map --refs=none --plan-coalesce middle.vhd leaf.vhd
has "a plan has its own figures" '^after the coalesce of middle.vhd into base.vhd: mean 1.00 hops, max 1$' "$work/.out"
ends "only an image with a parent can be merged" 16 "$CHAINVIEW" map --refs=none --plan-coalesce base.vhd leaf.vhd
must "one offset is explained" "$CHAINVIEW" map --refs=none --at 4M leaf.vhd
has "it says who has it" '^offset 4194304: hops 0 = leaf.vhd, which has data$' "$work/.out"
has "it shows the bits of a VHD" 'bits of sectors 0 to 63: 11111111 00000000' "$work/.out"
flat map --refs=none --at 4M leaf.vhd >"$out"
has "one offset in JSON" '"at":4194304,"kind":"data","depth":0,"filename":"[^"]*leaf.vhd","offset":' "$out"
flat map --refs=none --range 4M+8K leaf.vhd >"$out"
has "a range is mapped alone" '"extents":\[\{"start":4194304,"length":4096,"depth":0.*\{"start":4198400,"length":4096,"depth":1' "$out"
ends "a range behind the end is a usage error" 16 "$CHAINVIEW" map --refs=none --range 1T leaf.vhd
ends "a range has to make sense" 16 "$CHAINVIEW" map --refs=none --range 4M-1M leaf.vhd
ends "one image at a time" 16 "$CHAINVIEW" map --refs=none leaf.vhd base.vhd
must "an offset may be hexadecimal, as findings give it" "$CHAINVIEW" map --refs=none --at 0x400000 leaf.vhd
has "it is the same one" '^offset 4194304: hops 0 = leaf.vhd' "$work/.out"
ends "a picture and JSON do not share the output" 16 "$CHAINVIEW" map --refs=none --json --svg - leaf.vhd
ends "nor do two pictures" 16 "$CHAINVIEW" map --refs=none --svg - --png - leaf.vhd
must "a picture in a file may have JSON beside it" "$CHAINVIEW" map --refs=none --json --svg "$work/beside.svg" leaf.vhd
ends "--at stands alone" 16 "$CHAINVIEW" map --refs=none --at 0 --svg x.svg leaf.vhd

# --- pictures ------------------------------------------------------------------------------------------------

must "pictures are drawn" "$CHAINVIEW" map --refs=none --svg "$work/p.svg" --png "$work/p.png" leaf.vhd
ends "a file that is there is not touched" 4 "$CHAINVIEW" map --refs=none --svg "$work/p.svg" leaf.vhd
ln -s nowhere "$work/link.png"
ends "nor is a link" 4 "$CHAINVIEW" map --refs=none --png "$work/link.png" leaf.vhd
ends "a folder that is not there is said" 8 "$CHAINVIEW" map --refs=none --png "$work/no/p.png" leaf.vhd
if command -v python3 >/dev/null; then
	must "the SVG is well-formed" python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$work/p.svg"
else
	skip "the SVG is well-formed" "no python3"
fi
has "the SVG has a legend" '>middle.vhd</text>' "$work/p.svg"
has "the PNG is one" 'PNG' "$work/p.png"
"$CHAINVIEW" map --refs=none --svg - --range 4M+64K leaf.vhd >"$out"
has "a part in a picture says where it begins" '>64K from 4M as 96 x 2 cells of 512; ' "$out"
"$CHAINVIEW" map --refs=none --svg - --range 8M+256K leaf.vhd >"$out"
has "rows of a picture of a part have labels that differ" '>8\.19M</text>' "$out"
"$CHAINVIEW" map --refs=none --svg - leaf.vhd >"$out"
must "- is standard output" cmp "$out" "$work/p.svg"
cp leaf.vhd 'a<b&"c.vhd'
must "odd names do not break the SVG" "$CHAINVIEW" map --refs=none --svg "$work/odd.svg" 'a<b&"c.vhd'
has "they are escaped in the SVG" 'a&lt;b&amp;&quot;c.vhd' "$work/odd.svg"
rm 'a<b&"c.vhd'
ends "a full disk is said and leaves no status 0" 8 sh -c "'$CHAINVIEW' map --refs=none --png - leaf.vhd >/dev/full"

# --- trouble -------------------------------------------------------------------------------------------------

mv base.vhd ../gone.vhd
ends "a chain without its parent is mapped as far as it goes" 8 "$CHAINVIEW" map --refs=none --color=never leaf.vhd
has "what is missing is said" '^The chain is incomplete: middle.vhd: its parent is not there' "$work/.out"
has "its blocks are shown as missing" '^ X parent missing' "$work/.out"
flat map --refs=none leaf.vhd >"$out"
has "JSON says it too" '"incomplete":"middle.vhd:itsparentisnotthere".*"present":false,"zero":false,"data":false,"compressed":false,"bad":true' "$out"
mv ../gone.vhd base.vhd
must "a sample with a damaged BAT can be made" "$CHAINVIEW" sample --recipe coalescable "$work/bad"
printf '\377\000\000\000' | dd of="$work/bad/base.vhd" bs=1 seek=$((1536)) conv=notrunc status=none
ends "a damaged entry is shown" 8 "$CHAINVIEW" map --refs=none --color=never "$work/bad/leaf.vhd"
has "as unreadable" '^ ! unreadable +2M' "$work/.out"

# --- memory --------------------------------------------------------------------------------------------------

# peak WHAT LIMIT-KIB COMMAND...
peak()
{
	local what=$1 limit=$2 used
	shift 2
	used=$(python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@") || used=$((limit + 1))
	echo "# $what: $used KiB"
	verdict "$what" "$([ "$used" -lt "$limit" ]; echo $?)"
}

if sanitized; then
	skip "memory does not grow with the disk" "sanitizers take their own"
elif command -v python3 >/dev/null && command -v qemu-img >/dev/null; then
	mkdir "$work/big"
	cd "$work/big"
	qemu-img create -q -f qcow2 -o cluster_size=2M 16t.qcow2 16T
	qemu-io -f qcow2 -c 'write 0 4M' -c 'write 15T 4M' 16t.qcow2 >/dev/null
	peak "a disk of 16 TiB is mapped in 64 MiB" 65536 "$CHAINVIEW" map --json --refs=none 16t.qcow2
	previous=
	for i in $(seq 10 39); do
		qemu-img create -q -f qcow2 ${previous:+-b $previous -F qcow2} $i.qcow2 2T
		qemu-io -f qcow2 -c "write ${i}G 1M" $i.qcow2 >/dev/null
		previous=$i.qcow2
	done
	peak "a chain of 30 disks of 2 TiB is mapped in 64 MiB" 65536 "$CHAINVIEW" map --json --refs=none 39.qcow2
else
	skip "memory does not grow with the disk" "no qemu-img or python3"
fi
finish
