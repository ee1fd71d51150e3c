#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# The space of plans on real file systems: quotas that leave less than there is, limits of btrfs, extents that are shared,
# and that what was said is what happens.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=/dev/null
needs qemu-img "images are made by it" || finish
if [ "$(id -u)" -ne 0 ]; then skip "space of plans on file systems" "mounting needs root"; finish; fi
trap 'umount "$work"/fs.* 2>/dev/null; rm -rf "$work"' EXIT

qemu-img create -q -f qcow2 "$work/base.qcow2" 64M
qemu-io -f qcow2 -c 'write -P 7 0 40M' "$work/base.qcow2" >/dev/null

# mounted WHAT NAME MKFS OPTIONS...: a new file system of 400 MiB in $fs, or "skipped".
mounted()
{
	local what=$1 name=$2 make=$3
	shift 3
	fs=$work/fs.$name
	mkdir -p "$fs"
	rm -f "$fs.img"
	truncate -s 400M "$fs.img"
	if ! command -v "${make%% *}" >/dev/null || ! $make "$fs.img" >/dev/null 2>&1; then skip "$what" "no $name can be made here"; return 1; fi
	if ! mount -o "loop${1:+,$1}" "$fs.img" "$fs" 2>/dev/null; then skip "$what" "this kernel does not mount $name so"; return 1; fi
}
unmounted() { umount "$fs"; rm -f "$fs.img"; }
plan() { "$CHAINVIEW" convert --refs=none "$@" >"$work/.out" 2>&1; }
field() { tr -d '\n\t ' <"$work/.out" | sed -n "s/.*\"$1\":\(-\{0,1\}[0-9a-z]*\).*/\1/p"; }
avail() { sync -f "$fs"; df --output=avail -B1 "$fs" | tail -1; }

# limited WHAT WHOSE LEAVE_LITTLE LEAVE_ENOUGH: commands that set the limit.
limited()
{
	local what=$1 whose=$2 little=$3 enough=$4
	cp "$work/base.qcow2" "$fs/base.qcow2"
	sync -f "$fs"
	ends "$what: without a limit there is none" 0 "$CHAINVIEW" convert --refs=none "$fs/base.qcow2" "$fs/new.raw" --to raw --reflink=never
	lacks "$what: and none is named" 'quota|qgroup' "$work/.out"
	must "$what: a limit" eval "$little"
	ends "$what: which leaves too little" 4 "$CHAINVIEW" convert --refs=none "$fs/base.qcow2" "$fs/new.raw" --to raw --reflink=never --yes
	has "$what: it is named, with what is missing" "!!  $whose leaves [0-9]+ bytes .* and [0-9]+ \([0-9.]+M\) more are needed" "$work/.out"
	has "$what: it is the reason" "refused: $whose leaves" "$work/.out"
	verdict "$what: nothing was touched" "$([ ! -e "$fs/new.raw" ] && [ ! -e "$fs/.chainview" ]; echo $?)"
	plan "$fs/base.qcow2" "$fs/new.raw" --to raw --reflink=never --json
	verdict "$what: nor does it fit for programs" "$([ "$(field fits)" = false ]; echo $?)"
	must "$what: another limit" eval "$enough"
	ends "$what: which is enough" 0 "$CHAINVIEW" convert --refs=none "$fs/base.qcow2" "$fs/new.raw" --to raw --reflink=never --yes
	has "$what: it is named, too" "ok  $whose leaves [0-9]+ bytes" "$work/.out"
	must "$what: and was" qemu-img compare -q "$fs/base.qcow2" "$fs/new.raw"
}

# --- quotas --------------------------------------------------------------------------------------------------
if mounted "quotas of ext4" ext4 "mkfs.ext4 -q -O quota,project -E quotatype=usrquota:grpquota:prjquota" usrquota,grpquota,prjquota; then
	if needs setquota "quotas are set"; then
		chattr +P -p 77 "$fs"
		limited "project of ext4" "the quota of project 77" "setquota -P 77 0 60000 0 0 '$fs'" "setquota -P 77 0 200000 0 0 '$fs'"
		rm -rf "$fs"/new.raw "$fs/.chainview"
		chattr -P -p 0 "$fs"
		# root has no limit: somebody else's file that grows has its owner's
		limited "group of ext4" "the quota of group $(id -g)" "setquota -g $(id -g) 0 60000 0 0 '$fs'" "setquota -g $(id -g) 0 200000 0 0 '$fs'"
	fi
	unmounted
fi
if mounted "quotas of XFS" xfs "mkfs.xfs -q" uquota,pquota; then
	xfs_quota -x -c "project -s -p $fs 77" "$fs" >/dev/null 2>&1
	limited "project of XFS" "the quota of project 77" "xfs_quota -x -c 'limit -p bhard=60m 77' '$fs'" "xfs_quota -x -c 'limit -p bhard=200m 77' '$fs'"
	unmounted
fi
if mounted "limits of btrfs" btrfs "mkfs.btrfs -q" && btrfs quota enable "$fs" >/dev/null 2>&1; then
	limited "limit of btrfs" "the limit of qgroup 0/5" "btrfs qgroup limit 60M '$fs'" "btrfs qgroup limit 200M '$fs'"
	btrfs qgroup limit none "$fs" >/dev/null
	rm -rf "$fs/new.raw" "$fs/.chainview"
	btrfs qgroup create 1/9 "$fs" >/dev/null && btrfs qgroup assign --no-rescan 0/5 1/9 "$fs" >/dev/null 2>&1
	btrfs quota rescan -w "$fs" >/dev/null 2>&1
	limited "limit above it" "the limit of qgroup 1/9" "btrfs qgroup limit 60M 1/9 '$fs'" "btrfs qgroup limit 200M 1/9 '$fs'"
	unmounted
fi

# --- extents that are shared ---------------------------------------------------------------------------------
# shares NAME: on a file system that can.
shares()
{
	local name=$1 to before peak purged said
	cp "$work/base.qcow2" "$fs/base.qcow2"
	for to in raw qcow2 vhd vhdx; do
		plan "$fs/base.qcow2" "$fs/new.$to" --to "$to" --json
		peak=$(( $(field free_now_bytes) - $(field lowest_free_bytes) ))
		verdict "$name: what is shared with the source needs no room ($to: $peak bytes)" "$([ $peak -lt 8000000 ]; echo $?)"
		before=$(avail)
		ends "$name: a conversion to $to" 0 "$CHAINVIEW" convert --refs=none "$fs/base.qcow2" "$fs/new.$to" --to "$to" --yes
		verdict "$name: takes no more than was said" "$([ $((before - $(avail))) -le $((peak + 1048576)) ]; echo $?)"
		must "$name: and reads the same" qemu-img compare -q "$fs/base.qcow2" "$fs/new.$to"
	done
	plan "$fs/base.qcow2" "$fs/more.qcow2" --to qcow2 -c --json
	verdict "$name: what is compressed is not shared" "$([ $(( $(field free_now_bytes) - $(field lowest_free_bytes) )) -gt 40000000 ]; echo $?)"
	rm "$fs"/new.*

	cp --reflink=always "$fs/base.qcow2" "$fs/copy.qcow2"
	sync -f "$fs"
	echo "$fs/base.qcow2" >"$work/list"
	must "$name: an image goes to the trash" "$CHAINVIEW" gc --refs="list:$work/list" --unreferenced --yes "$fs"
	"$CHAINVIEW" trash purge --now --refs="list:$work/list" --json "$fs" >"$work/.out"
	said=$(field net_bytes)
	has "$name: what it shares stays taken" '"name":"shared-extents","ok":true,"text":"[0-9]+ bytes \(40.[0-9]M\) of it are shared' "$work/.out"
	before=$(avail)
	must "$name: it is removed" "$CHAINVIEW" trash purge --now --refs="list:$work/list" --yes "$fs"
	purged=$(( $(avail) - before ))
	verdict "$name: which frees what was said ($said, $purged)" "$([ $((purged - said)) -lt 2000000 ] && [ $((said - purged)) -lt 2000000 ]; echo $?)"

	qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$fs/leaf.qcow2"
	cp --reflink=always "$fs/base.qcow2" "$fs/other.qcow2"
	sync -f "$fs"
	"$CHAINVIEW" rebase --refs=none --json "$fs/leaf.qcow2" --onto "$fs/other.qcow2" >"$work/.out"
	alone=$(( $(field free_now_bytes) - $(field lowest_free_bytes) ))
	cp --reflink=always "$fs/leaf.qcow2" "$work/fs.$name/leaf-copy.qcow2"
	sync -f "$fs"
	"$CHAINVIEW" rebase --refs=none --json "$fs/leaf.qcow2" --onto "$fs/other.qcow2" >"$work/.out"
	shared=$(( $(field free_now_bytes) - $(field lowest_free_bytes) ))
}
if mounted "shared extents" xfs "mkfs.xfs -q -m reflink=1"; then
	shares xfs
	verdict "xfs: a page that is shared is written elsewhere ($alone, $shared)" "$([ $((shared - alone)) -ge 4096 ]; echo $?)"
	unmounted
fi
if mounted "shared extents" btrfs "mkfs.btrfs -q"; then
	shares btrfs
	verdict "btrfs: every page is written elsewhere ($alone, $shared)" "$([ "$shared" -eq "$alone" ] && [ "$alone" -gt 0 ]; echo $?)"
	unmounted
fi
if mounted "XFS without reflink" xfs "mkfs.xfs -q -m reflink=0"; then
	cp "$work/base.qcow2" "$fs/base.qcow2"
	plan "$fs/base.qcow2" "$fs/new.raw" --to raw --json
	verdict "XFS without reflink shares nothing" "$([ $(( $(field free_now_bytes) - $(field lowest_free_bytes) )) -gt 40000000 ]; echo $?)"
	unmounted
fi
finish
