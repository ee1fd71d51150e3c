#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# coalesce: an image goes into its parent, those that stood on it read what they did, and nothing else does anything; what
# may not be merged is refused; and whatever moment the program is killed at, recovery finishes it.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state

sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
guest() { "$CHAINVIEW" verify --reader=own --json "$@" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
coalesce() { local image=$1; shift; "$CHAINVIEW" coalesce --refs=none --repo "$repo" "$repo/$image" "$@"; }
parent() { "$CHAINVIEW" info --json --repo "$repo" "$repo/$1" | tr -d '\n\t ' | sed -n 's/.*"parent":{"status":"found","id":"\([^"]*\)".*/\1/p'; }
last() { "$CHAINVIEW" journal "$repo" | awk 'END { print $1 }'; }

# merges WHAT IMAGE PARENT CHILD...: merges, and looks.
merges()
{
	local what=$1 image=$2 into=$3 before=() child i=0
	shift 3
	for child in "$@"; do before+=("$(guest "$repo/$child")"); done
	cp "$repo/$image" "$work/image"
	sums >"$work/before"
	ends "$what: a dry run" 0 coalesce "$image"
	sums >"$work/after"
	must "$what: which writes nothing" cmp "$work/before" "$work/after"
	ends "$what: merged" 0 coalesce "$image" --yes
	verdict "$what: the image is gone" "$([ ! -e "$repo/$image" ]; echo $?)"
	must "$what: to the trash, as it was" cmp "$work/image" "$repo/.chainview/trash/"*"/0-$image"
	for child in "$@"; do
		verdict "$what: $child stands on the parent" "$([ "$(parent "$child")" = "$into" ]; echo $?)"
		verdict "$what: and reads what it did" "$([ "$(guest "$repo/$child")" = "${before[$i]}" ]; echo $?)"
		i=$((i + 1))
	done
	lacks "$what: nothing is wrong" '^ *E ' <("$CHAINVIEW" check --refs=none "$repo" 2>&1)
	rm -rf "$repo/.chainview"
}

# --- VHD, from recipes ---------------------------------------------------------------------------------------
repo=$work/vhd
"$CHAINVIEW" sample --recipe coalescable "$repo" >/dev/null
chmod 755 "$repo"
sums >"$work/before"
ends "a leaf is refused" 4 coalesce leaf.vhd --yes
has "and what it needs" "--leaf" "$work/.out"
ends "what has no parent is refused" 4 coalesce base.vhd --yes
ends "an image that is not there" 16 coalesce none.vhd --yes
ends "two images" 16 coalesce leaf.vhd middle.vhd
ends "--dry-run wins over --yes" 0 coalesce middle.vhd --yes --dry-run
exec 9<"$repo/base.vhd"
ends "a parent that somebody has open is refused" 4 coalesce middle.vhd --yes
exec 9<&-
exec 9<"$repo/leaf.vhd"
ends "a child that somebody has open is refused" 4 coalesce middle.vhd --yes
exec 9<&-
ends "no room is no reason to try" 4 coalesce middle.vhd --yes --reserve=1E
has "and is said" "fit|free" "$work/.out"
ln "$repo/leaf.vhd" "$work/again.vhd"
ends "a child with another name is refused" 4 coalesce middle.vhd --yes
rm "$work/again.vhd"
cp "$repo/leaf.vhd" "$repo/other.vhd"
printf 'v_poison' | dd of="$repo/other.vhd" bs=1 conv=notrunc status=none
ends "an image that is being resized is refused" 4 coalesce middle.vhd --yes
rm -rf "$repo/other.vhd" "$repo/.chainview"
sums >"$work/after"
must "no refusal changed anything" cmp "$work/before" "$work/after"
flat coalesce --refs=none --repo "$repo" "$repo/middle.vhd" >"$work/json"
has "JSON has the plan" '"plan":\{"operation":"coalesce".*"kind":"merge".*"kind":"relink".*"kind":"move".*"name":"may-be-merged","ok":true' "$work/json"
merges "VHD" middle.vhd base.vhd leaf.vhd
has "libvhdi reads the same of the parent" "agrees.*100.0 %" <("$CHAINVIEW" verify "$repo/base.vhd")

rm -rf "$repo"
"$CHAINVIEW" sample --recipe coalescable "$repo" >/dev/null
chmod 755 "$repo"
copy_vhd "$repo/middle.vhd" "$repo/sibling.vhd"
ends "a parent with other children is refused" 4 coalesce middle.vhd --yes
has "and what could be done instead, with its price" "about [0-9.]+[KMG]" "$work/.out"
rm "$repo/sibling.vhd"
copy_vhd "$repo/leaf.vhd" "$repo/leaf2.vhd"
merges "two children" middle.vhd base.vhd leaf.vhd leaf2.vhd

# --- QCOW2 of QEMU on raw disks and VHDs ---------------------------------------------------------------------
# tree PARENT FORMAT SIZE: an image and two that stand on it.
tree()
{
	qemu-img create -q -f qcow2 -b "$1" -F "$2" n.qcow2 "$3"
	qemu-io -c 'write -q -P 2 5M 3M' -c 'write -q -P 9 10M 512' -c 'write -q -z 1M 1M' -c 'discard -q 2M 1M' n.qcow2
	for i in 1 2; do
		qemu-img create -q -f qcow2 -b n.qcow2 -F qcow2 "g$i.qcow2"
		qemu-io -c "write -q -P $((3 + i)) ${i}M 64k" "g$i.qcow2"
		qemu-img convert -O raw "g$i.qcow2" "$work/g$i.raw"
	done
}

if needs qemu-img "images of QEMU" && needs qemu-io "images of QEMU"; then
	repo=$work/qemu
	for kind in raw dynamic fixed larger; do
		rm -rf "$repo"
		mkdir -p "$repo" && chmod 755 "$repo"
		cd "$repo" || exit 1
		qemu-img create -q -f raw p.raw 16M
		qemu-io -f raw -c 'write -q -P 1 0 6M' -c 'write -q -P 7 12M 1M' p.raw
		into=p.raw format=raw size=16M
		case $kind in
		dynamic|fixed)
			qemu-img convert -O vpc -o "subformat=$kind,force_size" p.raw p.vhd
			rm p.raw
			into=p.vhd format=vpc ;;
		larger) size=20M ;;
		esac
		tree "$into" "$format" "$size"
		cd - >/dev/null || exit 1
		merges "QCOW2 on $kind" n.qcow2 "$into" g1.qcow2 g2.qcow2
		for i in 1 2; do
			must "QCOW2 on $kind: QEMU reads the same of g$i" qemu-img compare -q -F raw "$repo/g$i.qcow2" "$work/g$i.raw"
			must "QCOW2 on $kind: QEMU finds no fault in g$i" qemu-img check -q "$repo/g$i.qcow2"
		done
		[ "$format" = raw ] || has "QCOW2 on $kind: libvhdi reads the parent" "agrees.*100.0 %" <("$CHAINVIEW" verify "$repo/$into")
	done
	rm -rf "$repo"
	mkdir -p "$repo" && chmod 755 "$repo"
	cd "$repo" || exit 1
	qemu-img create -q -f vpc -o subformat=fixed,force_size p.vhd 16M
	tree p.vhd vpc 32M
	cd - >/dev/null || exit 1
	ends "a fixed VHD that would have to grow is refused" 4 coalesce n.qcow2 --yes
	has "and the way out is said" "chainview convert" "$work/.out"
fi

# --- killed --------------------------------------------------------------------------------------------------
# Before the n-th barrier, rename or write, on a file system that is mounted here.
leaf_reads_the_same() { echo "the leaf"; [ "$(guest "$repo/leaf.vhd")" = "$truth" ]; }
killed_on()
{
	repo=$2/repo
	killed_at_calls "$1" coalescable "fsync fdatasync renameat2 pwrite64" true leaf_reads_the_same \
		"$CHAINVIEW" coalesce --refs=none --repo "$repo" "$repo/middle.vhd" --yes
}
"$CHAINVIEW" sample --recipe coalescable "$work/truth" >/dev/null
truth=$(guest "$work/truth/leaf.vhd")

# The parent has no room: nothing is begun, or all is put back.
full_on()
{
	local fs=$1 free
	repo=$2/full
	[ "$fs" = "this file system" ] && return
	rm -rf "$repo"
	"$CHAINVIEW" sample --recipe coalescable "$repo" >/dev/null
	chmod 755 "$repo"
	sums >"$work/before"
	free=$(df --output=avail -B1 "$repo" | tail -1)
	fallocate -l $((free - 3000000)) "$2/filler" 2>/dev/null
	ends "$fs: full" 4 coalesce middle.vhd --yes
	rm -rf "$2/filler" "$repo/.chainview"
	sums >"$work/after"
	must "$fs: and nothing was touched" cmp "$work/before" "$work/after"
	rm -rf "$repo"
}

on_file_systems "full" full_on
kills_everywhere killed_on
finish
