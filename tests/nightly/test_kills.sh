#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# The program is killed (kill -9) at random calls, or at random moments, while it merges, rebases, repairs or converts on new
# ext4, XFS and btrfs in memory. What is referred to can be read right before recovery, where that is promised, and after it,
# nothing is left unfinished, and a check finds no error that was not there before. KILLS=3000: so many kills in all; SEED=n
# makes the same choices again.
set -u
[ -w /dev/shm ] && [ "$(df --output=avail -m /dev/shm 2>/dev/null | tail -1)" -gt 700 ] && export TMPDIR=/dev/shm
. "$(dirname "$0")/../support/lib.sh"
CHAINVIEW=$(realpath "$CHAINVIEW")
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=/dev/null
kills=${KILLS:-3000} seed=${SEED:-$RANDOM}
calls=pwrite64,fsync,fdatasync,renameat2,ftruncate,unlinkat,mkdirat,fallocate,copy_file_range
needs qemu-img "kills" || finish
RANDOM=$seed
echo "# SEED=$seed"

digest() { "$CHAINVIEW" verify --reader=own --json "$1" 2>/dev/null | tr -d '\n\t ' | sed -n 's/.*"sha256":"\([0-9a-f]*\)".*/\1/p'; }
errors() { "$CHAINVIEW" check --refs=none "$1" 2>&1 | grep -E '^ *E ' | sort; }

# --- what is done to what ------------------------------------------------------------------------------------
# A case: its start, what must read the same, whether that holds before recovery, too, and the command.
starts()
{
	cd "$work" || exit 1
	"$CHAINVIEW" sample --recipe coalescable start.vhd >/dev/null
	"$CHAINVIEW" sample --recipe coalescable-vhdx start.vhdx >/dev/null
	"$CHAINVIEW" sample --recipe vhd-footer-missing-cut start.cut >/dev/null
	"$CHAINVIEW" sample --recipe leaked-clusters start.leaked >/dev/null
	mkdir start.qcow2 start.raw
	for kind in qcow2 raw; do
		(
			cd start.$kind || exit 1
			qemu-img create -q -f $kind base.$kind 8M
			qemu-io -f $kind -c 'write -q -P 1 0 3M' -c 'write -q -P 2 5M 100k' base.$kind
			qemu-img create -q -f qcow2 -b base.$kind -F $kind middle.qcow2
			qemu-io -c 'write -q -P 3 1M 1M' -c 'write -q -P 4 6M 70k' -c 'write -q -z 2M 128k' middle.qcow2
			qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 leaf.qcow2
			qemu-io -c 'write -q -P 5 1536k 64k' -c 'write -q -P 6 7M 64k' leaf.qcow2
		)
	done
	chmod 755 start.*
}
# name  start  images that are looked at  always (read right before recovery, if at all)  command
cases="
coalesce_vhd     vhd    leaf.vhd              no  coalesce middle.vhd
coalesce_qcow2   qcow2  leaf.qcow2            yes coalesce middle.qcow2
coalesce_vhdx    vhdx   leaf.avhdx            yes coalesce middle.avhdx
coalesce_raw     raw    leaf.qcow2            yes coalesce middle.qcow2
leaf_vhd         vhd    leaf.vhd              no  coalesce --leaf leaf.vhd
leaf_qcow2       qcow2  leaf.qcow2            no  coalesce --leaf leaf.qcow2
flatten_vhd      vhd    middle.vhd,leaf.vhd   no  rebase --flatten middle.vhd
flatten_qcow2    raw    middle.qcow2,leaf.qcow2 yes rebase --flatten middle.qcow2
rebase_vhd       vhd    leaf.vhd              no  rebase --onto=base.vhd leaf.vhd
rebase_qcow2     qcow2  leaf.qcow2            yes rebase --onto=base.qcow2 leaf.qcow2
repair_vhd       cut    -                     no  repair -p
repair_qcow2     leaked -                     no  repair -p
convert_tree     qcow2  leaf.qcow2,middle.qcow2 yes tree
"
# run CASE-COMMAND...: in $repo, as the user types it.
command_of()
{
	case $1 in
	coalesce) shift; set -- coalesce --refs=none --repo "$repo" "${@:1:$#-1}" "$repo/${!#}" --yes ;;
	rebase) shift; set -- rebase --refs=none --repo "$repo" "${1/onto=/onto=$repo/}" "$repo/$2" --yes ;;
	repair) set -- repair -p --refs=none "$repo" ;;
	tree) set -- convert --refs=none --tree "$repo" "$repo.new" --to vhdx --yes ;;
	esac
	line=("$CHAINVIEW" "$@")
}

# --- one kill ------------------------------------------------------------------------------------------------
fail() { echo "# $fs, $name, SEED=$seed, kill $done_kills, $how: $1"; verdict "$fs: $name" 1; failed=$((failed + 1)); }

fresh()
{
	rm -rf "$repo" "$repo.new"
	cp -r --sparse=always "$work/start.$start" "$repo" && chmod 755 "$repo"
}

# Which calls there are, from a run that is not disturbed; and how long it takes, in ms.
learn()
{
	fresh
	strace -qq -o "$work/calls" -e trace="$calls" "${line[@]}" >"$work/.out" 2>&1
	[ $? -le 1 ] || { cat "$work/.out"; how="not killed"; fail "it does not work"; return 1; }
	sed 's/(.*//' "$work/calls" | grep -xE '[a-z0-9_]+' >"$work/names"
	fresh
	began=$(date +%s%N)
	"${line[@]}" >/dev/null 2>&1
	took=$((($(date +%s%N) - began) / 1000000 + 1))
	total=$(wc -l <"$work/names")
}

# True if it was killed.
kill_it()
{
	local at call n ms status
	fresh
	if [ $((RANDOM % 4)) -eq 0 ]; then
		ms=$((RANDOM % (took + took / 2)))
		how="after $ms ms"
		{ timeout -s KILL "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))" "${line[@]}" >/dev/null 2>&1; status=$?; } 2>/dev/null
	else
		at=$(((RANDOM * 32768 + RANDOM) % total + 1))
		call=$(sed -n "${at}p" "$work/names")
		n=$(head -n "$at" "$work/names" | grep -cx "$call")
		how="at $call $n"
		{ strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" "${line[@]}" >/dev/null 2>&1; status=$?; } 2>/dev/null
	fi
	[ "$status" -eq 137 ]
}

look()
{
	local image sum list
	IFS=, read -ra list <<<"${images/-/}"
	for image in "${list[@]}"; do
		sum=$(digest "$repo/$image")
		[ -z "$sum" ] && [ "$1" = before ] && continue
		[ "$sum" = "${truth[$image]}" ] || { fail "$image reads otherwise $1 recovery"; return 1; }
	done
}

look_around()
{
	local place count
	for place in "$repo" "$repo.new"; do
		[ -d "$place/.chainview" ] || continue
		"$CHAINVIEW" recover --yes "$place" >"$work/.out" 2>&1 || { cat "$work/.out"; fail "recovery"; return 1; }
		[ -z "$(find "$place/.chainview/journal" -name '*.cvj' 2>/dev/null)" ] || { fail "something is still pending"; return 1; }
	done
	look after || return 1
	errors "$repo" >"$work/errors"
	[ -z "$(comm -13 "$work/errors.start" "$work/errors")" ] || { cat "$work/errors"; fail "new errors"; return 1; }
	count=$(find "$repo.new" -maxdepth 1 -name '*.vhdx' 2>/dev/null | wc -l)
	[ "$count" -eq 0 ] || [ "$count" -eq 3 ] || { fail "a part of a tree"; return 1; }
	[ "$count" -eq 0 ] || [ "$(digest "$repo.new/leaf.vhdx")" = "${truth[leaf.qcow2]}" ] || { fail "the new leaf reads otherwise"; return 1; }
}

# --- all of them ---------------------------------------------------------------------------------------------
kills_of()
{
	local wanted=$1 tries=0 image list
	declare -gA truth=()
	repo=$dir/r
	# shellcheck disable=SC2086
	command_of $what
	fresh
	IFS=, read -ra list <<<"${images/-/}"
	for image in "${list[@]}"; do truth[$image]=$(digest "$repo/$image"); done
	errors "$repo" >"$work/errors.start"
	learn || return
	done_kills=0
	while [ "$done_kills" -lt "$wanted" ] && [ "$tries" -lt $((wanted * 5 + 20)) ]; do
		tries=$((tries + 1))
		kill_it || continue
		done_kills=$((done_kills + 1))
		[ "$always" = no ] || look before || return
		look_around || return
	done
	all_kills=$((all_kills + done_kills))
	[ "$done_kills" -ge "$wanted" ] || echo "# $fs, $name: only $done_kills kills in $tries tries"
	verdict "$fs: $name, killed $done_kills times, of $total calls" "$([ "$done_kills" -gt 0 ]; echo $?)"
}

kills_on()
{
	fs=$1 dir=$2
	[ "$fs" = "this file system" ] && return
	while read -r name start images always what; do
		[ -z "$name" ] && continue
		[[ $name == ${CASE:-*} ]] || continue
		kills_of $(((kills + 38) / 39))
		rm -rf "$dir/r" "$dir/r.new"
	done <<<"$cases"
}
all_kills=0 failed=0 done_kills=0
starts
kills_everywhere kills_on
echo "# $all_kills kills"
finish
