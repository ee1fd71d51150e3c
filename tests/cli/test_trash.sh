#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# gc, trash, undo, journal, recover: dry runs write nothing, refusals touch nothing, what is taken away comes back bit for
# bit, and whatever moment the program is killed at, nothing is lost.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state

# A repository with two hidden orphans (one on a parent that is needed), in "$1"; what is needed in "$1.list".
build()
{
	rm -rf "$1"
	"$CHAINVIEW" sample --recipe orphaned-base-copy-two "$1" >/dev/null && chmod 755 "$1" "$1/sub" && echo "$1/leaf.vhd" >"$1.list"
}

repo=$work/repo
build "$repo"
gc() { "$CHAINVIEW" gc --refs=list:"$repo.list" "$repo" "$@"; }
sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
sums >"$work/before"

ends "gc without a source of references is refused" 4 "$CHAINVIEW" gc --yes "$repo"
ends "gc with --refs=none is refused" 4 "$CHAINVIEW" gc --yes --refs=none "$repo"
ends "gc without consent is a dry run" 0 gc
has "the dry run says so" "nothing was written" "$work/.out"
ends "--dry-run wins over --yes" 0 gc --yes --dry-run
verdict "and nothing was written" "$([ ! -e "$repo/.chainview" ]; echo $?)"

exec 9<"$repo/orphan.vhd"
ends "an image that somebody has open is refused" 4 gc --yes
has "and the image is named" "orphan.vhd is in use" "$work/.out"
exec 9<&-
if command -v qemu-io >/dev/null; then
	qemu_holds "$repo/sub/alone.vhd" -f vpc "$repo/sub/alone.vhd"
	ends "an image that QEMU has open is refused" 4 gc --yes
	qemu_leaves
fi
chmod o+w "$repo"
ends "a repository that everybody may write to is refused" 4 gc --yes
chmod o-w "$repo"
sums >"$work/after"
must "no refusal changed anything" cmp "$work/before" "$work/after"

ends "gc takes the orphans away" 0 gc --yes
verdict "they are not where they were" "$([ ! -e "$repo/orphan.vhd" ] && [ ! -e "$repo/sub/alone.vhd" ]; echo $?)"
"$CHAINVIEW" trash list "$repo" >"$work/list"
has "the trash lists one" "orphan.vhd" "$work/list"
has "and the other" "sub/alone.vhd" "$work/list"
op=$(awk 'NR == 2 { print $1 }' "$work/list")
ends "gc has nothing more to do" 0 gc --yes
flat gc --refs=list:"$repo.list" "$repo" >"$work/json"
has "JSON has the plan" '"plan":\{"operation":"trash"' "$work/json"
lacks "the trash is not part of the repository" 'trash/' <("$CHAINVIEW" tree "$repo")
ends "undo without consent is a dry run" 0 "$CHAINVIEW" undo "$repo" "$op"
: >"$repo/orphan.vhd"
ends "undo over a file that took the name is refused" 4 "$CHAINVIEW" undo --yes "$repo" "$op"
rm "$repo/orphan.vhd"
cp -p "$repo/base.vhd" "$work/base.vhd"
touch "$repo/base.vhd"
ends "undo on a parent that was written to is refused" 4 "$CHAINVIEW" undo --yes "$repo" "$op"
touch -r "$work/base.vhd" "$repo/base.vhd"
ends "undo puts them back" 0 "$CHAINVIEW" undo --yes "$repo" "$op"
sums >"$work/after"
must "bit for bit" cmp "$work/before" "$work/after"
ends "an undo that was undone already is refused" 4 "$CHAINVIEW" undo --yes "$repo" "$op"
ends "an operation that is not there" 16 "$CHAINVIEW" undo --yes "$repo" ffffffff

ends "gc again" 0 gc --yes -q
verdict "-q says nothing" "$([ ! -s "$work/.out" ]; echo $?)"
ends "what is new in the trash is not purged" 0 "$CHAINVIEW" trash purge --yes "$repo"
has "and that is said" "old enough" "$work/.out"
ends "one image comes back by its name" 0 "$CHAINVIEW" trash restore --yes "$repo" orphan.vhd
verdict "it is there" "$([ -e "$repo/orphan.vhd" ]; echo $?)"
ends "the rest is purged when asked for" 0 "$CHAINVIEW" trash purge --yes --now "$repo"
ends "a purge cannot be undone" 4 "$CHAINVIEW" undo --yes "$repo" "$("$CHAINVIEW" journal "$repo" | awk '/ purge /{ print $1 }')"
verdict "the trash is empty" "$([ -z "$(ls -A "$repo/.chainview/trash")" ]; echo $?)"
ends "wrong words" 16 "$CHAINVIEW" trash burn "$repo"
ends "nothing is unfinished" 0 "$CHAINVIEW" recover --yes "$repo"

# The trash of a base that an image which came later misses.
build "$repo"
gc --yes -q
base=$(find "$repo/.chainview/trash" -name '*-alone.vhd')
cp "$base" "$repo/sub/alone.vhd"
if command -v qemu-img >/dev/null; then
	qemu-img create -q -f qcow2 -b sub/alone.vhd -F vpc "$repo/later.qcow2"
	rm "$repo/sub/alone.vhd"
	ends "what an image misses is not purged" 4 "$CHAINVIEW" trash purge --yes --now "$repo" alone.vhd
	has "and that image is named" "later.qcow2" "$work/.out"
	ends "but the other one is" 0 "$CHAINVIEW" trash purge --yes --now "$repo" orphan.vhd
fi

# Killed with SIGKILL before the n-th barrier or rename, on every file system that can be mounted here.
killed_on()
{
	local fs=$1 n call left=0
	repo=$2/repo
	for call in fsync fdatasync renameat2 pwrite64; do
		for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
			build "$repo"
			sums >"$work/before"
			strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
				"$CHAINVIEW" gc --refs=list:"$repo.list" "$repo" --yes >/dev/null 2>&1
			killed=$?
			[ "$killed" -eq 137 ] && left=$((left + 1))
			"$CHAINVIEW" recover --yes "$repo" >"$work/.out" 2>&1 || { cat "$work/.out"; verdict "$fs: recovery after $call $n" 1; return; }
			op=$("$CHAINVIEW" trash list "$repo" 2>/dev/null | awk 'NR == 2 { print $1 }')
			[ -z "$op" ] || "$CHAINVIEW" undo --yes -q "$repo" "$op" >"$work/.out" 2>&1 || { cat "$work/.out"; verdict "$fs: undo after $call $n" 1; return; }
			sums >"$work/after"
			cmp -s "$work/before" "$work/after" || { diff "$work/before" "$work/after"; verdict "$fs: killed at $call $n" 1; return; }
			[ "$killed" -eq 137 ] || break
		done
	done
	echo "# $fs: killed $left times"
	verdict "$fs: killed at any barrier, rename or write, nothing is lost" "$([ "$left" -ge 10 ]; echo $?)"
}

kills_everywhere killed_on
finish
