#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# coalesce --undo=full: the parent comes back byte for byte, from a copy of what was written over or from a clone; what is kept is
# told, and goes with the trash; and whatever moment the program is killed at, recovery finishes it.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state

sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
guest() { "$CHAINVIEW" verify --reader=own --json "$@" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
coalesce() { local image=$1; shift; "$CHAINVIEW" coalesce --refs=none --repo "$repo" "$repo/$image" "$@"; }
undo() { local op=$1; shift; "$CHAINVIEW" undo --refs=none "$repo" "$op" "$@"; }
last() { "$CHAINVIEW" journal "$repo" | awk 'END { print $1 }'; }
kept() { find "$repo/.chainview/trash" -name former | wc -l; }

# comes_back WHAT IMAGE PARENT LEAF: merged and taken back, all files are what they were.
comes_back()
{
	local what=$1 image=$2 into=$3 leaf=$4 before
	before=$(guest "$repo/$leaf")
	sums >"$work/before"
	ends "$what: merged" 0 coalesce "$image" --undo=full --yes
	verdict "$what: what the parent was is kept" "$([ "$(kept)" = 1 ]; echo $?)"
	verdict "$what: the leaf reads what it did" "$([ "$(guest "$repo/$leaf")" = "$before" ]; echo $?)"
	sums >"$work/after"
	verdict "$what: the parent is another" "$(cmp -s "$work/before" "$work/after"; [ $? = 1 ]; echo $?)"
	ends "$what: a dry run of undo" 0 undo "$(last)"
	has "$what: says that it comes back" "byte for byte" "$work/.out"
	ends "$what: taken back" 0 undo "$(last)" --yes
	sums >"$work/after"
	must "$what: every file is what it was" cmp "$work/before" "$work/after"
	verdict "$what: nothing is kept any more" "$([ "$(kept)" = 0 ]; echo $?)"
	lacks "$what: nothing is wrong" '^ *E ' <("$CHAINVIEW" check --refs=none "$repo" 2>&1)
}

# tree FOLDER FORMAT: an image on a parent, which it overlaps, and one that stands on it.
tree()
{
	repo=$1
	mkdir -p "$repo"
	(
		cd "$repo" || exit
		qemu-img create -q -f "$2" "p.$2" 64M
		qemu-io -f "$2" -c 'write -q -P 1 0 12M' "p.$2"
		qemu-img create -q -f qcow2 -b "p.$2" -F "$2" n.qcow2 64M
		qemu-io -c 'write -q -P 2 5M 12M' -c 'write -q -P 9 1M 512' -c 'write -q -z 2M 1M' n.qcow2
		qemu-img create -q -f qcow2 -b n.qcow2 -F qcow2 g.qcow2
		qemu-io -c 'write -q -P 3 3M 64k' g.qcow2
	)
	chmod 755 "$repo"
}

# --- wrong words ---------------------------------------------------------------------------------------------
repo=$work/vhd
"$CHAINVIEW" sample --recipe coalescable "$repo" >/dev/null
chmod 755 "$repo"
ends "only full is a way to undo" 16 coalesce middle.vhd --undo=half
ends "full does not go with --purge-merged" 16 "$CHAINVIEW" coalesce --all --refs=none "$repo" --undo=full --purge-merged
ends "nor with --leaf" 16 coalesce leaf.vhd --leaf --undo=full
ends "a dry run" 0 coalesce middle.vhd --undo=full
has "says what it takes" "copied before.*at most|clone" "$work/.out"
flat coalesce --refs=none --repo "$repo" "$repo/middle.vhd" --undo=full >"$work/json"
has "JSON has the step" '"kind":"keep","target":"base.vhd","bytes":[0-9]+' "$work/json"
verdict "a dry run keeps nothing" "$([ ! -e "$repo/.chainview" ]; echo $?)"

# --- formats, here -------------------------------------------------------------------------------------------
comes_back "VHD" middle.vhd base.vhd leaf.vhd
ends "it can be merged again" 0 coalesce middle.vhd --undo=full --yes
has "trash lists it" "middle.vhd" <("$CHAINVIEW" trash list "$repo")
ends "purging" 0 "$CHAINVIEW" trash purge --all --now --refs=none "$repo" --yes
verdict "takes what was kept with it" "$([ -z "$(ls "$repo/.chainview/trash")" ]; echo $?)"
for format in qcow2 raw vhdx; do
	tree "$work/$format" $format
	comes_back "$format" n.qcow2 p.$format g.qcow2
	must "$format: QEMU finds nothing wrong" qemu-img check -q "$repo/n.qcow2"
done

# --- two merges, one after the other -------------------------------------------------------------------------
repo=$work/two
mkdir "$repo"
(
	cd "$repo" || exit
	qemu-img create -q -f qcow2 p.qcow2 32M
	qemu-io -c 'write -q -P 1 0 4M' p.qcow2
	for pair in "n1 p" "n2 n1" "g n2"; do
		# shellcheck disable=SC2086
		set -- $pair
		qemu-img create -q -f qcow2 -b "$2.qcow2" -F qcow2 "$1.qcow2"
		qemu-io -c "write -q -P ${#1} $((1 + ${#1}))M 2M" "$1.qcow2"
	done
)
chmod 755 "$repo"
sums >"$work/before"
echo "$repo/g.qcow2" >"$work/list"
ends "all of them" 0 "$CHAINVIEW" coalesce --all --refs="list:$work/list" "$repo" --undo=full --yes
verdict "keep twice" "$([ "$(kept)" = 2 ]; echo $?)"
first=$("$CHAINVIEW" journal "$repo" | awk 'NR == 2 { print $1 }') second=$(last)
ends "the first is not the first to be taken back" 4 undo "$first" --yes
ends "the second is" 0 undo "$second" --yes
ends "then the first" 0 undo "$first" --yes
sums >"$work/after"
must "and all is as it was" cmp "$work/before" "$work/after"

# --- what of a later merge is left in the parent does not come back with an earlier one ------------------------
ends "one that keeps" 0 coalesce n1.qcow2 --undo=full --yes
first=$(last)
ends "and one that does not" 0 coalesce n2.qcow2 --yes
ends "which is taken back" 0 undo "$(last)" --yes
was=$(guest "$repo/g.qcow2")
ends "the other is, too" 0 undo "$first" --yes
has "without what the parent was" "later merge is left in it" "$work/.out"
verdict "and all read what they did" "$([ "$(guest "$repo/g.qcow2")" = "$was" ]; echo $?)"
must "QEMU finds nothing wrong with the parent" qemu-img check -q "$repo/p.qcow2"

# --- damaged, or gone ----------------------------------------------------------------------------------------
tree "$work/gone" qcow2
ends "merged" 0 coalesce n.qcow2 --undo=full --yes
printf x | dd of="$(find "$repo/.chainview/trash" -name former)" bs=1 seek=20 conv=notrunc status=none
ends "what is damaged does not come back" 0 undo "$(last)" --yes
has "and that is said" "not there any more, or is damaged" "$work/.out"

# --- what was merged is read back before anybody stands on the image again --------------------------------------
for how in full none; do
	tree "$work/damaged-$how" raw
	was=$(guest "$repo/g.qcow2")
	[ $how = full ] && ends "merged" 0 coalesce n.qcow2 --undo=full --yes
	[ $how = none ] && ends "merged" 0 coalesce n.qcow2 --yes
	cp "$repo/p.raw" "$work/good"
	touch -r "$repo/p.raw" "$work/when"
	printf rot | dd of="$repo/p.raw" bs=1 seek=7340032 conv=notrunc status=none
	touch -r "$work/when" "$repo/p.raw"
	ends "a byte of the parent is rotten: refused" 4 undo "$(last)" --yes
	has "and where" "g.qcow2 would not read what it does at guest offset 7340032" "$work/.out"
	must "the image is in the trash again" [ -e "$repo/.chainview/trash/"*/0-n.qcow2 ]
	dd if="$work/good" of="$repo/p.raw" bs=1 skip=7340032 seek=7340032 count=3 conv=notrunc status=none
	touch -r "$work/when" "$repo/p.raw"
	op=$("$CHAINVIEW" journal "$repo" | awk 'NR == 2 { print $1 }')
	ends "without that byte it is taken back" 0 undo "$op" --yes
	verdict "and the leaf reads what it did" "$([ "$(guest "$repo/g.qcow2")" = "$was" ]; echo $?)"
done

# --- other file systems, full disks, kills -------------------------------------------------------------------
# killed CALL N COMMAND...: at its n-th of these calls.
killed()
{
	local call=$1 n=$2
	shift 2
	(strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" "$@") >/dev/null 2>&1
	[ $? = 137 ]
}

# Merged and taken back again and again, and killed each time at another moment.
kills()
{
	local name=$1 was=$2 op call n kills=0 steps="3"
	[ "$name" = "this file system" ] && steps="1 3 6"
	for call in pwrite64 fsync,fdatasync; do
		for n in $steps; do
			killed $call "$n" "$CHAINVIEW" coalesce --refs=none --repo "$repo" "$repo/n.qcow2" --undo=full --yes && kills=$((kills + 1))
			must "$name: recovery of a merge killed at $call $n" "$CHAINVIEW" recover "$repo" --yes
			verdict "$name: the leaf reads what it did" "$([ "$(guest "$repo/g.qcow2")" = "$was" ]; echo $?)"
			[ -e "$repo/n.qcow2" ] && ends "$name: merged behind a kill" 0 coalesce n.qcow2 --undo=full --yes
			op=$("$CHAINVIEW" journal "$repo" | awk '$3 == "coalesce" || $4 == "coalesce" { op = $1 } END { print op }')
			killed $call "$n" "$CHAINVIEW" undo --refs=none "$repo" "$op" --yes && kills=$((kills + 1))
			must "$name: recovery of an undo killed at $call $n" "$CHAINVIEW" recover "$repo" --yes
			[ -e "$repo/n.qcow2" ] || ends "$name: taken back behind a kill" 0 undo "$op" --yes
			sums >"$work/after"
			must "$name: all is as it was" cmp "$work/before" "$work/after"
		done
	done
	echo "# $name: killed $kills times"
	verdict "$name: something was killed" "$([ "$kills" -gt 2 ]; echo $?)"
}

# everywhere NAME FOLDER
everywhere()
{
	local name=$1 folder=$2 was
	tree "$folder/repo" qcow2
	comes_back "$name" n.qcow2 p.qcow2 g.qcow2
	case $name in
	ext4) has "ext4: what is written over is copied" "copied before" <(coalesce n.qcow2 --undo=full) ;;
	xfs | btrfs) has "$name: a clone is kept" "clone" <(coalesce n.qcow2 --undo=full) ;;
	esac
	was=$(guest "$repo/g.qcow2")
	sums >"$work/before"
	if ! sanitized && command -v strace >/dev/null; then
		kills "$name" "$was"
	fi
	[ "$name" = "this file system" ] && return
	dd if=/dev/zero of="$folder/filler" bs=1M count=$(($(df -BM --output=avail "$folder" | tail -1 | tr -d M) - 6)) status=none
	sync -f "$folder"
	ends "$name: a full disk is told before" 4 coalesce n.qcow2 --undo=full --yes
	sums >"$work/after"
	must "$name: and nothing was done" cmp "$work/before" "$work/after"
}
on_file_systems "full undo" everywhere
finish
