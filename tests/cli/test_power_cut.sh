#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Power cuts on real file systems: the program is stopped at its n-th barrier, what the disk holds at that moment is
# copied, mounted elsewhere, recovered, and compared.
set -u
. "$(dirname "$0")/../support/lib.sh"
trap 'umount "$work/copy" "$work/fs" 2>/dev/null; rm -rf "$work"' EXIT
export CHAINVIEW_STATE_DIR=$work/state

declare -A size=([ext4]=64M [xfs]=320M [btrfs]=160M) options=([ext4]="" [xfs]=",nouuid" [btrfs]="")
sums() { (cd "$1" && find . \( -path ./.chainview -o -path ./lost+found \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }

# Stops the program at the n-th call; true if it got there. Leaves its process number in $stopped.
run_to()
{
	local call=$1 n=$2 repo=$3 tracer
	: >"$work/trace"
	strace -qq -o "$work/trace" -e trace="$call" -e inject="$call:signal=STOP:when=$n" \
		"$CHAINVIEW" gc --refs=list:"$work/needed" "$repo" --yes >/dev/null 2>&1 &
	tracer=$!
	for _ in $(seq 600); do
		if grep -q 'stopped by SIGSTOP' "$work/trace"; then
			stopped=$(pgrep -P "$tracer" | head -1)
			return 0
		fi
		kill -0 "$tracer" 2>/dev/null || { wait "$tracer"; return 1; }
		sleep 0.02
	done
	kill -9 $(pgrep -P "$tracer") "$tracer" 2>/dev/null
	wait 2>/dev/null
	return 1
}

# A file system that is mounted writes on its own. A copy that is the same as the original after it was made is that of the
# moment between the two: otherwise it might have one place before and another after something that goes together.
copy_of_a_moment()
{
	for _ in $(seq 20); do
		cp --sparse=always "$work/fs.img" "$work/copy.img"
		cmp -s "$work/fs.img" "$work/copy.img" && return 0
	done
	return 1
}

# What is on the copy: nothing lost, everything settled, and all of it comes back.
copy_is_sound()
{
	local fs=$1 repo=$work/copy/repo op spare
	mkdir -p "$work/copy"
	# As after a restart, the file system has another device number than it had.
	truncate -s 1M "$work/spare.img"
	spare=$(losetup -f --show "$work/spare.img")
	mount -o "loop${options[$fs]}" "$work/copy.img" "$work/copy" || { echo "# the copy cannot be mounted"; losetup -d "$spare"; return 1; }
	losetup -d "$spare"
	"$CHAINVIEW" recover --yes -q "$repo" >"$work/.out" 2>&1 || { cat "$work/.out"; umount "$work/copy"; return 1; }
	op=$("$CHAINVIEW" trash list "$repo" 2>/dev/null | awk 'NR == 2 { print $1 }')
	[ -z "$op" ] || "$CHAINVIEW" undo --yes -q "$repo" "$op" >"$work/.out" 2>&1 || { cat "$work/.out"; umount "$work/copy"; return 1; }
	sums "$repo" >"$work/after"
	umount "$work/copy"
	cmp -s "$work/before" "$work/after" || { diff "$work/before" "$work/after"; return 1; }
}

cut_on()
{
	local fs=$1 call n points=0 repo=$work/fs/repo
	mkdir -p "$work/fs"
	for call in fsync fdatasync renameat2; do
		for n in $(seq 20); do
			rm -f "$work/fs.img"
			truncate -s "${size[$fs]}" "$work/fs.img"
			"mkfs.$fs" -q "$work/fs.img" >/dev/null 2>&1 && mount -o loop "$work/fs.img" "$work/fs" 2>/dev/null || return 2
			"$CHAINVIEW" sample --recipe orphaned-base-copy-two "$repo" >/dev/null
			chmod 755 "$repo" "$repo/sub"
			echo "$repo/leaf.vhd" >"$work/needed"
			sums "$repo" >"$work/before"
			sync -f "$repo"
			if ! run_to "$call" "$n" "$repo"; then umount "$work/fs"; break; fi
			points=$((points + 1))
			copy_of_a_moment || { verdict "$fs: a copy of one moment at $call $n" 1; return 1; }
			kill -9 "$stopped"
			wait 2>/dev/null # for the tracer
			for _ in $(seq 50); do umount "$work/fs" 2>/dev/null && break; sleep 0.1; done
			copy_is_sound "$fs" || { verdict "$fs: power cut at $call $n" 1; return 1; }
		done
	done
	echo "# $fs: $points points"
	verdict "$fs: the power may go at any barrier and any rename" "$([ "$points" -ge 12 ]; echo $?)"
}

if [[ $CHAINVIEW == */san/* ]]; then
	skip "power cuts on real file systems" "done with the ordinary build"
elif [ "$(id -u)" -ne 0 ]; then
	skip "power cuts on real file systems" "mounting needs root"
elif ! command -v strace >/dev/null; then
	skip "power cuts on real file systems" "no strace"
else
	for fs in ext4 xfs btrfs; do
		if ! command -v "mkfs.$fs" >/dev/null; then skip "power cuts on $fs" "no mkfs.$fs"; continue; fi
		cut_on "$fs"
		[ $? -ne 2 ] || skip "power cuts on $fs" "it cannot be mounted here"
	done
fi
finish
