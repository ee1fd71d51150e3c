#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Where a file system shares extents (XFS, btrfs), a merge shares data instead of copying them; elsewhere it copies. The leaf reads
# the same, and the parent is clean; the image in the trash and the parent can each be written to afterwards without the other.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state
needs qemu-img "QCOW2 images" || finish
needs qemu-io "QCOW2 images" || finish

guest() { "$CHAINVIEW" verify --reader=own --json "$1" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
coalesce() { "$CHAINVIEW" coalesce --refs=none --yes "$@"; }
head -c 8M /dev/urandom >"$work/random"

# A QCOW2 image over a parent of FORMAT.
make_chain()
{
	mkdir -p "$1" && (
		cd "$1" && qemu-img create -q -f "$2" base.img 32M && qemu-img create -q -f qcow2 -b base.img -F "$2" middle.qcow2 &&
			qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 leaf.qcow2 &&
			echo "write -q -s $work/random 0 8M" | qemu-io -f "$2" base.img >/dev/null &&
			for at in 4 12; do echo "write -q -s $work/random ${at}M 8M"; done | qemu-io middle.qcow2 >/dev/null &&
			qemu-io -c 'write -q -P 7 5000 3000' leaf.qcow2 >/dev/null
	)
}

shares()
{
	local fs=$1 format=$3 repo=$2/r sum out
	rm -rf "$repo"
	make_chain "$repo" "$format"
	sum=$(guest "$repo/leaf.qcow2")
	ends "$fs, $format: merged" 0 coalesce --repo "$repo" "$repo/middle.qcow2"
	cp "$work/.out" "$work/merged"
	verdict "$fs, $format: the leaf reads what it did" "$([ "$(guest "$repo/leaf.qcow2")" = "$sum" ]; echo $?)"
	must "$fs, $format: QEMU finds the parent clean" sh -c "[ $format = raw ] || qemu-img check -q '$repo/base.img'"
	case $fs in
	xfs | btrfs) has "$fs, $format: its data are shared" 'and 16M shared' "$work/merged" ;;
	ext4) lacks "$fs, $format: nothing is shared" 'shared' "$work/merged" ;;
	esac
	out=$(sha256sum <"$repo"/.chainview/trash/*/0-middle.qcow2)
	qemu-io -f "$format" -c 'write -q -P 9 4M 16M' "$repo/base.img" >/dev/null
	verdict "$fs, $format: who writes to the parent does not change what is in the trash" \
		"$([ "$(sha256sum <"$repo"/.chainview/trash/*/0-middle.qcow2)" = "$out" ]; echo $?)"
	rm -rf "$repo"
}
all_share() { shares "$1" "$2" qcow2; shares "$1" "$2" raw; }
on_file_systems "shared" all_share
finish
