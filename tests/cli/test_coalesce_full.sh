#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Merging on file systems that are nearly full: what the plan says fits is done, and the rest is refused before anything is
# touched; also where nothing is written over (btrfs), and where the parent shares its data with a copy of it.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state
needs qemu-img "QCOW2 images" || finish
needs qemu-io "QCOW2 images" || finish

guest() { "$CHAINVIEW" verify --reader=own --json "$1" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
head -c 8M /dev/urandom >"$work/random"
# 24 MiB below, 24 MiB over it: half of that goes to new places of the parent.
make_chain()
{
	mkdir -p "$1" && (
		cd "$1" && qemu-img create -q -f qcow2 base.qcow2 64M && qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 middle.qcow2 &&
			qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 leaf.qcow2 &&
			for at in 0 8 16; do echo "write -q -s $work/random ${at}M 8M"; done | qemu-io base.qcow2 >/dev/null &&
			for at in 12 20 28; do echo "write -q -s $work/random ${at}M 8M"; done | qemu-io middle.qcow2 >/dev/null
	)
}
# leave FOLDER MIB: so much stays free there.
leave()
{
	local free
	sync
	free=$(df --output=avail -B1 "$1" | tail -1)
	[ "$free" -le $(($2 << 20)) ] || fallocate -l $((free - ($2 << 20))) "$1/filler" 2>/dev/null
	sync
}
# nearly FS FOLDER NAME: leaves less and less.
nearly()
{
	local fs=$1 repo=$2/r mib got done=0 refused=0 wrong="" sum
	for mib in 32 26 20 13 6; do
		rm -rf "$repo" "$2/filler"
		make_chain "$repo"
		[ "$3" != shared ] || cp --reflink=always "$repo/base.qcow2" "$2/copy" 2>/dev/null || { rm -rf "$repo"; return; }
		leave "$2" "$mib"
		sum=$(guest "$repo/leaf.qcow2")
		"$CHAINVIEW" coalesce --refs=none --yes "$repo/middle.qcow2" --repo "$repo" >"$work/.out" 2>&1
		got=$?
		case $got in
		0) done=$((done + 1)) ;;
		4) refused=$((refused + 1)) ;;
		*) wrong="$wrong $mib MiB: ended with $got, $(tail -1 "$work/.out");" ;;
		esac
		[ "$(guest "$repo/leaf.qcow2")" = "$sum" ] || wrong="$wrong $mib MiB: the leaf reads something else;"
		[ -z "$(ls "$repo/.chainview/journal" 2>/dev/null)" ] || wrong="$wrong $mib MiB: something is unfinished;"
		rm -f "$2/copy"
	done
	rm -rf "$repo" "$2/filler"
	verdict "$fs, $3: what fits is done ($done), the rest is refused ($refused)$wrong" "$([ -z "$wrong" ] && [ "$done" -gt 0 ] && [ "$refused" -gt 0 ]; echo $?)"
}
nearly_full() { [ "$1" = "this file system" ] || { nearly "$1" "$2" plain; nearly "$1" "$2" shared; }; }
on_file_systems "nearly full" nearly_full
finish
