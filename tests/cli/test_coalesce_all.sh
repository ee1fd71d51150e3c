#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# coalesce --all: every merge that is allowed is done, in an order that fits; what is not taken is said with its reason; one
# that cannot be done does not take the others with it; and what was cut off goes on when it is called again.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=/dev/null

sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
guest() { "$CHAINVIEW" verify --reader=own --json "$@" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
all() { "$CHAINVIEW" coalesce --all --refs="${refs:-none}" "$repo" "$@"; }
parent() { "$CHAINVIEW" info --json --repo "$repo" "$repo/$1" | tr -d '\n\t ' | sed -n 's/.*"parent":{"status":"found","id":"\([^"]*\)".*/\1/p'; }
trashed() { "$CHAINVIEW" trash list "$repo" 2>/dev/null | grep -c '\(vhd\|qcow2\)$'; }

# remember LEAF...; same WHAT: they read what they did.
declare -A truth
remember() { truth=(); for leaf in "$@"; do truth[$leaf]=$(guest "$repo/$leaf"); done; }
same()
{
	local leaf ok=0
	for leaf in "${!truth[@]}"; do
		[ -n "${truth[$leaf]}" ] && [ "$(guest "$repo/$leaf")" = "${truth[$leaf]}" ] || { echo "# $leaf reads something else"; ok=1; }
	done
	verdict "$1: every leaf reads what it did" $ok
	lacks "$1: and nothing is wrong" '^ *E ' <("$CHAINVIEW" check --refs=none "$repo" 2>&1)
}

many()
{
	rm -rf "$repo"
	"$CHAINVIEW" sample --recipe coalescable-many "$repo" >/dev/null && chmod 755 "$repo"
}

# --- VHD chains with hidden marks ----------------------------------------------------------------------------
repo=$work/vhd
many
remember aleaf.vhd bleaf.vhd cleaf.vhd cother.vhd
sums >"$work/before"
ends "a dry run" 0 all
has "says how many images and where" "^plan: coalesce 4 images in .*vhd$" "$work/.out"
has "each byte goes straight into the base" "a3.vhd into a0.vhd$" "$work/.out"
has "what is not taken, with the reason" "c1.vhd: its parent c0.vhd has 1 other child" "$work/.out"
has "that it wrote nothing" "dry run" "$work/.out"
ends "--dry-run wins over --yes" 0 all --yes --dry-run
ends "no room is a refusal" 4 all --yes --reserve=1E
has "with what is missing" "does not fit: [0-9]+ bytes" "$work/.out"
has "and what depends on it" "a2.vhd: it comes after a1.vhd, which is not taken" "$work/.out"
ends "one repository" 16 "$CHAINVIEW" coalesce --all
ends "and not two" 16 "$CHAINVIEW" coalesce --all "$repo" "$repo"
ends "--purge-merged without --all" 16 "$CHAINVIEW" coalesce --purge-merged "$repo/a1.vhd"
ends "a repository that is not there" 8 "$CHAINVIEW" coalesce --all "$work/none"
sh -c '"$0" coalesce --all --refs=none "$1" >/dev/full 2>/dev/null' "$CHAINVIEW" "$repo"
verdict "a plan that cannot be written is no success" "$([ $? -eq 8 ]; echo $?)"
sums >"$work/after"
must "none of this wrote anything" cmp "$work/before" "$work/after"
verdict "not even its folder" "$([ ! -e "$repo/.chainview" ]; echo $?)"
flat coalesce --all --refs=none "$repo" >"$work/json"
has "JSON has all steps" '"operation":"coalesce-all".*"target":"a1.vhd".*"into":"a0.vhd","peak_bytes":[0-9]+,"net_bytes":-[0-9]+,"free_after_bytes":[0-9]+' "$work/json"
has "with what each comes after" '"target":"a3.vhd"[^}]*"after_step":[0-9]' "$work/json"
has "and a plan for those that can be planned now" '"plans":\[\{"step":1,"plan":\{"operation":"coalesce",' "$work/json"
has "and what is not taken" '"name":"not-taken","ok":true,"image":"c1.vhd"' "$work/json"

ends "all of them" 0 all --yes
has "each is told" "step 4 of 4: a3.vhd is merged into a0.vhd" "$work/.out"
verdict "each is an operation of its own, in the trash" "$([ "$(trashed)" -eq 4 ]; echo $?)"
verdict "the leaf stands on the base" "$([ "$(parent aleaf.vhd)" = a0.vhd ]; echo $?)"
verdict "what was not taken is where it was" "$([ -e "$repo/c1.vhd" ]; echo $?)"
same "VHD chains"
ends "then there is nothing to do" 0 all --yes
has "which is said" "nothing to merge" "$work/.out"
ends "the plan of a single image says one" 4 "$CHAINVIEW" coalesce --refs=none --repo "$repo" "$repo/c1.vhd"
has "and into which" "^plan: coalesce 1 image into c0.vhd in " "$work/.out"

many
ends "with what is merged removed" 0 all --yes --purge-merged
has "which is told" "removed for good" "$work/.out"
verdict "the trash is empty" "$([ "$(trashed)" -eq 0 ] && [ -z "$(ls -A "$repo/.chainview/trash")" ]; echo $?)"
same "VHD chains, removed"

many
flat coalesce --all --refs=none "$repo" --yes >"$work/json"
has "JSON has a result for each step" '"step":4,"plan":\{.*"result":\{"state":"done","operation_id":"[-0-9a-f]+".*\}\],"result":\{"state":"done","done":4\}' "$work/json"
same "VHD chains, as a document"

many
ends "quietly" 0 all --yes -q
verdict "nothing is said" "$([ ! -s "$work/.out" ]; echo $?)"

# --- stopped, held, killed -----------------------------------------------------------------------------------
# started ARGUMENTS...: in the background, until its first step copies. Slowly, so that something can happen meanwhile.
started()
{
	setsid "$CHAINVIEW" coalesce --all --refs=none "$repo" --yes --rate=3M --progress=always "$@" >"$work/run" 2>&1 &
	running=$!
	for ((i = 0; i < 200; i++)); do
		if [ -n "$(ls -A "$repo/.chainview" 2>/dev/null)" ] && ls "$repo"/.chainview/journal/* >/dev/null 2>&1; then return; fi
		sleep 0.05
	done
}

many
started
kill -TERM "$running"
wait "$running"
verdict "SIGTERM ends it as cancelled" "$([ $? -eq 32 ]; echo $?)"
has "it says what is done and what is left" "stopped: [0-3] of 4 images merged, [1-4] not" "$work/run"
same "SIGTERM"
ends "called again it goes on" 0 all --yes
verdict "to the end" "$([ "$(trashed)" -eq 4 ]; echo $?)"
same "SIGTERM and again"

many
started
exec 9<"$repo/b1.vhd"
wait "$running"
verdict "one that is opened meanwhile is refused" "$([ $? -eq 4 ]; echo $?)"
exec 9<&-
has "with its reason" "b1.vhd is not merged: .*(in use|open)" "$work/run"
has "and the others are merged" "3 of 4 images merged, 1 not" "$work/run"
verdict "its chain is as it was" "$([ -e "$repo/b1.vhd" ] && [ "$(trashed)" -eq 3 ]; echo $?)"
same "one was held"

many
exec 9<"$repo/a1.vhd"
status=0
all --yes >"$work/run" 2>&1 || status=$?
exec 9<&-
verdict "a chain whose lowest step is held does not take the other with it" "$([ $status -eq 4 ] && [ ! -e "$repo/b1.vhd" ] && [ -e "$repo/a1.vhd" ]; echo $?)"
same "a lowest one was held"

if needs qemu-io "a family that QEMU holds"; then
	many
	qemu_holds "$repo/bleaf.vhd" -r -f vpc "$repo/bleaf.vhd"
	status=0
	all --yes >"$work/run" 2>&1 || status=$?
	qemu_leaves
	verdict "a family that QEMU holds is left, the others are merged" "$([ $status -eq 4 ] && [ -e "$repo/b1.vhd" ] && [ ! -e "$repo/a3.vhd" ]; echo $?)"
	has "and who holds it is said" "b1.vhd.*in use by qemu-io" "$work/run"
	same "QEMU held one"
fi

killed()
{
	local call n left=0 status
	for call in fdatasync renameat2 pwrite64; do
		for n in 3 9 16 24 33; do
			many
			(strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
				"$CHAINVIEW" coalesce --all --refs=none "$repo" --yes --purge-merged) >/dev/null 2>&1
			[ $? -eq 137 ] && left=$((left + 1))
			status=0
			all --yes --purge-merged >"$work/.out" 2>&1 || status=$?
			[ "$status" -eq 0 ] || { cat "$work/.out"; verdict "again after $call $n ended with $status" 1; return; }
			for leaf in "${!truth[@]}"; do
				[ "$(guest "$repo/$leaf")" = "${truth[$leaf]}" ] || { verdict "$leaf after $call $n" 1; return; }
			done
			[ "$(trashed)" -eq 0 ] && [ ! -e "$repo/a3.vhd" ] && [ ! -e "$repo/b1.vhd" ] || { cat "$work/.out"; "$CHAINVIEW" trash list "$repo"; verdict "all merged and removed after $call $n" 1; return; }
		done
	done
	echo "# killed $left times"
	verdict "killed anywhere and called again: all merged and removed, every leaf reads what it did" "$([ "$left" -ge 9 ]; echo $?)"
}
if sanitized; then skip "killed" "done with the ordinary build"; elif needs strace "killed"; then killed; fi

# --- QCOW2 and mixed trees, without marks --------------------------------------------------------------------
needs qemu-img "images of QEMU" && needs qemu-io "images of QEMU" || finish

# chain NAME PARENT FORMAT SIZE: three images on a parent, each with something of its own, and two leaves.
chain()
{
	local p=$2 f=$3 i
	for i in 1 2 3; do
		qemu-img create -q -f qcow2 -b "$p" -F "$f" "$1$i.qcow2" "$4"
		qemu-io -c "write -q -P $((10 + i)) ${i}M 1M" -c "write -q -P $((20 + i)) $((6 + i))M 64k" -c "write -q -z ${i}200k 64k" "$1$i.qcow2"
		p=$1$i.qcow2 f=qcow2
	done
	for i in x y; do
		qemu-img create -q -f qcow2 -b "$p" -F qcow2 "$1$i.qcow2"
		qemu-io -c "write -q -P 77 5M 64k" "$1$i.qcow2"
		qemu-img convert -O raw "$1$i.qcow2" "$work/$1$i.raw"
		echo "$repo/$1$i.qcow2" >>"$work/list"
	done
}
repo=$work/qemu
rm -f "$work/list"
mkdir -p "$repo" && chmod 755 "$repo"
cd "$repo" || exit 1
qemu-img create -q -f qcow2 q.qcow2 16M
qemu-img create -q -f raw r.raw 16M
qemu-img create -q -f vpc -o force_size v.vhd 16M
for image in "qcow2 q.qcow2" "raw r.raw" "vpc v.vhd"; do qemu-io -f ${image% *} -c 'write -q -P 1 0 4M' "${image#* }"; done
chain q q.qcow2 qcow2 16M
chain r r.raw raw 16M
chain v v.vhd vpc 16M
cd - >/dev/null || exit 1
sums >"$work/before"
ends "images without a mark are not taken" 0 all --yes
has "and that is said, with what to do" "q2.qcow2: it has no hidden mark.*" "$work/.out"
sums >"$work/after"
must "and nothing was touched" cmp "$work/before" "$work/after"
refs=list:$work/list
ends "with a complete source they are" 0 all --yes
verdict "all nine" "$([ "$(trashed)" -eq 9 ]; echo $?)"
for i in qx qy rx ry vx vy; do
	must "QEMU reads the same of $i" qemu-img compare -q -F raw "$repo/$i.qcow2" "$work/$i.raw"
	must "and finds no fault in it" qemu-img check -q "$repo/$i.qcow2"
done
must "nor in the base" qemu-img check -q "$repo/q.qcow2"
verdict "leaves stand on the bases" "$([ "$(parent qx.qcow2)" = q.qcow2 ] && [ "$(parent ry.qcow2)" = r.raw ] && [ "$(parent vx.qcow2)" = v.vhd ]; echo $?)"

# A VHD whose table is full cannot become longer: that is said before anything is begun.
rm -rf "$repo" && mkdir "$repo" && chmod 755 "$repo"
cd "$repo" || exit 1
qemu-img create -q -f vpc -o force_size v.vhd 16M
python3 - v.vhd <<'END'
import sys
name = sys.argv[1]
data = bytearray(open(name, "rb").read())
head = data[512:1536]
head[28:32] = (8).to_bytes(4, "big")
head[36:40] = bytes(4)
head[36:40] = (~sum(head) & 0xffffffff).to_bytes(4, "big")
data[512:1536] = head
open(name, "wb").write(data)
END
qemu-img create -q -f qcow2 -b v.vhd -F vpc n.qcow2 40M
qemu-img create -q -f qcow2 -b n.qcow2 -F qcow2 x.qcow2
echo "$repo/x.qcow2" >"$work/list"
cd - >/dev/null || exit 1
ends "a VHD whose table has no room for the larger disk" 4 "$CHAINVIEW" coalesce --refs="$refs" --repo "$repo" "$repo/n.qcow2"
has "is refused in the plan, with the way out" "!!  v.vhd: the BAT of the VHD has no room.*chainview" "$work/.out"
ends "and not taken by --all" 4 all --yes
verdict "nothing was begun" "$([ ! -e "$repo/.chainview" ]; echo $?)"

# --- nearly full ---------------------------------------------------------------------------------------------
# leave BYTES: so much is free on the file system, in the folder above the repository.
leave()
{
	local free=0 i
	rm -f "$repo/../filler"
	# what was removed becomes free in the background
	for ((i = 0; i < 50 && free <= $1 + 150000000; i++)); do
		sync -f "$repo"
		free=$(df --output=avail -B1 "$repo" | tail -1)
		[ "$free" -gt $(($1 + 150000000)) ] || sleep 0.1
	done
	must "$fs: is filled up" fallocate -l $((free - $1)) "$repo/../filler"
	sync -f "$repo"
}
# The first in alphabetical order needs 40 MiB and gives them back; the last needs hardly anything and frees 30.
scarce()
{
	rm -rf "$repo" "$repo/../filler"
	mkdir -p "$repo" && chmod 755 "$repo"
	cd "$repo" || exit 1
	qemu-img create -q -f qcow2 a0.qcow2 128M
	qemu-img create -q -f qcow2 -b a0.qcow2 -F qcow2 a1.qcow2
	qemu-io -c 'write -q -P 3 8M 40M' a1.qcow2
	qemu-img create -q -f qcow2 -b a1.qcow2 -F qcow2 a2.qcow2
	qemu-io -c 'write -q -P 4 60M 20M' a2.qcow2
	qemu-img create -q -f qcow2 -b a2.qcow2 -F qcow2 ax.qcow2
	qemu-img create -q -f qcow2 b0.qcow2 64M
	qemu-io -c 'write -q -P 5 8M 30M' b0.qcow2
	qemu-img create -q -f qcow2 -b b0.qcow2 -F qcow2 b1.qcow2
	qemu-io -c 'write -q -P 6 8M 30M' b1.qcow2
	qemu-img create -q -f qcow2 -b b1.qcow2 -F qcow2 bx.qcow2
	cd - >/dev/null || exit 1
	printf '%s\n' "$repo/ax.qcow2" "$repo/bx.qcow2" >"$work/list"
	remember ax.qcow2 bx.qcow2
}
scarce_on()
{
	local fs=$1
	# btrfs writes elsewhere what is written over, and the forecast does not know that
	[ "$fs" = "this file system" ] || [ "$fs" = btrfs ] && return
	repo=$2/repo
	scarce
	leave 25000000
	ends "$fs: while all that is merged lies in the trash, not all of it fits" 4 all --yes
	has "$fs: which is said" "a1.qcow2: it does not fit: [0-9]+ bytes" "$work/.out"
	verdict "$fs: but what fits is done" "$([ ! -e "$repo/b1.qcow2" ] && [ -e "$repo/a1.qcow2" ]; echo $?)"
	same "$fs: what fits"
	scarce
	leave 25000000
	ends "$fs: with what is merged removed all of it fits" 0 all --yes --purge-merged
	has "$fs: in the one order that there is" "step 1 of 3: b1.qcow2 .*removed for good" "$work/.out"
	verdict "$fs: and was done" "$([ ! -e "$repo/b1.qcow2" ] && [ ! -e "$repo/a1.qcow2" ] && [ ! -e "$repo/a2.qcow2" ]; echo $?)"
	same "$fs: all of it"
	rm -rf "$repo" "$2/filler"
}
if [ "$(id -u)" -eq 0 ] && ! sanitized; then on_file_systems "nearly full" scarce_on; else skip "nearly full" "not root, or done with the ordinary build"; fi
finish
