#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# undo of a merge: the image is back, those that stood on it stand on it again and read what they did; a dry run writes
# nothing; where that cannot be it is refused with the reason; and whatever moment the program is killed at, recovery is right.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state

sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
guest() { "$CHAINVIEW" verify --reader=own --json "$@" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
coalesce() { local image=$1; shift; "$CHAINVIEW" coalesce --refs=none --repo "$repo" "$repo/$image" "$@"; }
undo() { local op=$1; shift; "$CHAINVIEW" undo --refs=none "$repo" "$op" "$@"; }
parent() { "$CHAINVIEW" info --json --repo "$repo" "$repo/$1" | tr -d '\n\t ' | sed -n 's/.*"parent":{"status":"found","id":"\([^"]*\)".*/\1/p'; }
last() { "$CHAINVIEW" journal "$repo" | awk 'END { print $1 }'; }
all() { sums; (cd "$repo/.chainview" && find . -type f | sort); }

# comes_back WHAT IMAGE PARENT CHILD...: merges, and takes it back. All but the parent are what they were, bit for bit.
comes_back()
{
	local what=$1 image=$2 into=$3 child op truth=() i=0
	shift 3
	for child in "$@" "$image"; do truth+=("$(guest "$repo/$child")"); done
	sums | grep -v " ./$into\$" >"$work/before"
	must "$what: merged" coalesce "$image" --yes
	op=$(last)
	all >"$work/dry"
	ends "$what: undo, a dry run" 0 undo "$op"
	has "$what: which says what does not come back" "keeps what was merged" "$work/.out"
	all >"$work/dry2"
	must "$what: and writes nothing" cmp "$work/dry" "$work/dry2"
	ends "$what: undo" 0 undo "$op" --yes
	sums | grep -v " ./$into\$" >"$work/after"
	must "$what: all others are what they were" cmp "$work/before" "$work/after"
	verdict "$what: the trash has nothing of it" "$(! compgen -G "$repo/.chainview/trash/$op*" >/dev/null; echo $?)"
	for child in "$@" "$image"; do
		verdict "$what: $child reads what it did" "$([ "$(guest "$repo/$child")" = "${truth[$i]}" ]; echo $?)"
		i=$((i + 1))
	done
	for child in "$@"; do verdict "$what: $child stands on it" "$([ "$(parent "$child")" = "$image" ]; echo $?)"; done
	lacks "$what: nothing is wrong" '^ *E ' <("$CHAINVIEW" check --refs=none "$repo" 2>&1)
	ends "$what: undone twice is refused" 4 undo "$op" --yes
	has "$what: and said why" "back already" "$work/.out"
	ends "$what: it can be merged again" 0 coalesce "$image" --yes
	ends "$what: and taken back again" 0 undo "$(last)" --yes
	i=0
	for child in "$@"; do
		verdict "$what: $child reads what it did" "$([ "$(guest "$repo/$child")" = "${truth[$i]}" ]; echo $?)"
		i=$((i + 1))
	done
}

fresh()
{
	rm -rf "$repo"
	"$CHAINVIEW" sample --recipe coalescable "$repo" >/dev/null
	chmod 755 "$repo"
}

# --- VHD -----------------------------------------------------------------------------------------------------
repo=$work/vhd
fresh
comes_back "VHD" middle.vhd base.vhd leaf.vhd

# --- QCOW2 on raw, VHD and QCOW2 -----------------------------------------------------------------------------
if needs qemu-img "images of QEMU" && needs qemu-io "images of QEMU"; then
	repo=$work/qemu
	for format in raw vpc qcow2; do
		rm -rf "$repo"
		mkdir -p "$repo" && chmod 755 "$repo"
		cd "$repo" || exit 1
		case $format in
		raw) into=p.raw ;;
		vpc) into=p.vhd ;;
		*) into=p.qcow2 ;;
		esac
		qemu-img create -q -f raw "$work/p.raw" 16M
		qemu-io -f raw -c 'write -q -P 1 0 6M' "$work/p.raw"
		[ "$format" = vpc ] && options=(-o force_size) || options=()
		qemu-img convert -f raw -O "$format" "${options[@]}" "$work/p.raw" "$into"
		qemu-img create -q -f qcow2 -b "$into" -F "$format" n.qcow2 16M
		qemu-io -c 'write -q -P 2 5M 3M' -c 'write -q -P 9 10M 512' -c 'write -q -z 1M 1M' n.qcow2
		for i in 1 2; do
			qemu-img create -q -f qcow2 -b n.qcow2 -F qcow2 "g$i.qcow2"
			qemu-io -c "write -q -P $((3 + i)) ${i}M 64k" "g$i.qcow2"
			qemu-img convert -O raw "g$i.qcow2" "$work/g$i.raw"
		done
		cd - >/dev/null || exit 1
		comes_back "QCOW2 on $format" n.qcow2 "$into" g1.qcow2 g2.qcow2
		for i in 1 2; do
			must "QCOW2 on $format: QEMU reads the same of g$i" qemu-img compare -q -F raw "$repo/g$i.qcow2" "$work/g$i.raw"
			must "QCOW2 on $format: QEMU finds no fault in g$i" qemu-img check -q "$repo/g$i.qcow2"
		done
		must "QCOW2 on $format: nor in the image" qemu-img check -q "$repo/n.qcow2"
	done

	# A guest that has written to a child since: that stays.
	coalesce n.qcow2 --yes >/dev/null 2>&1
	qemu-io -c 'write -q -P 77 12M 64k' "$repo/g1.qcow2"
	qemu-img convert -O raw "$repo/g1.qcow2" "$work/g1.raw"
	ends "a child that was written to since" 0 undo "$(last)" --yes
	must "has what was written" qemu-img compare -q -F raw "$repo/g1.qcow2" "$work/g1.raw"
	must "and no fault" qemu-img check -q "$repo/g1.qcow2"

	# Refusals: each is made, seen, and unmade.
	coalesce n.qcow2 --yes >/dev/null 2>&1
	op=$(last)
	sums >"$work/before"
	exec 9<"$repo/g2.qcow2"
	ends "a child that somebody has open is refused" 4 undo "$op" --yes
	exec 9<&-
	touch "$repo/n.qcow2"
	ends "a name that is taken is refused" 4 undo "$op" --yes
	has "and said" "has its name now" "$work/.out"
	rm "$repo/n.qcow2"
	mv "$repo/g2.qcow2" "$work/g2.qcow2"
	ends "a child that is gone is refused" 4 undo "$op" --yes
	has "and said" "g2.qcow2 stood on it" "$work/.out"
	mv "$work/g2.qcow2" "$repo/g2.qcow2"
	qemu-img create -q -f qcow2 -b "$repo/p.qcow2" -F qcow2 "$repo/new.qcow2"
	ends "a parent with other children is refused" 4 undo "$op" --yes
	has "and said" "3 images stand on" "$work/.out"
	rm "$repo/new.qcow2"
	ends "--dry-run wins over --yes" 0 undo "$op" --yes --dry-run
	sums >"$work/after"
	must "no refusal changed anything" cmp "$work/before" "$work/after"
	touch "$repo/p.qcow2"
	ends "a parent that was written to is refused" 4 undo "$op" --yes
	has "and said" "was changed since" "$work/.out"
	rm -rf "$repo/.chainview/trash/$op"*
	ends "what was purged is refused" 4 undo "$op" --yes
	has "and said" "purged" "$work/.out"

	# Two merges into one parent: the last one is taken back first.
	rm -rf "$repo"
	mkdir -p "$repo" && chmod 755 "$repo"
	(cd "$repo" && qemu-img create -q -f qcow2 p.qcow2 8M && qemu-io -c 'write -q -P 1 0 4M' p.qcow2
	below=p.qcow2
	for image in n c g; do
		qemu-img create -q -f qcow2 -b "$below" -F qcow2 $image.qcow2
		qemu-io -c "write -q -P $(printf %d "'$image") $((${#below} - 7 + RANDOM % 4))M 2M" $image.qcow2
		below=$image.qcow2
	done)
	truth=$(guest "$repo/g.qcow2") middle=$(guest "$repo/c.qcow2")
	coalesce n.qcow2 --yes >/dev/null 2>&1
	first=$(last)
	coalesce c.qcow2 --yes >/dev/null 2>&1
	second=$(last)
	ends "a merge before the last is refused" 4 undo "$first" --yes
	has "and the one that comes first is named" "chainview undo $second" "$work/.out"
	ends "the last one" 0 undo "$second" --yes
	ends "then the one before" 0 undo "$first" --yes
	verdict "both: the leaf reads what it did" "$([ "$(guest "$repo/g.qcow2")" = "$truth" ]; echo $?)"
	verdict "both: and who stands between, too" "$([ "$(guest "$repo/c.qcow2")" = "$middle" ]; echo $?)"
	verdict "both: on the first image" "$([ "$(parent c.qcow2)" = n.qcow2 ]; echo $?)"
fi

# --- killed --------------------------------------------------------------------------------------------------
killed_on()
{
	local fs=$1 call n killed left=0 truth now op steps="2 5 9"
	repo=$2/repo
	[ "$fs" = "this file system" ] && steps="1 2 3 4 5 6 7 8 9 10 12"
	fresh
	truth=$(guest "$repo/leaf.vhd")
	for call in fsync fdatasync renameat2 pwrite64; do
		for n in $steps; do
			fresh
			coalesce middle.vhd --yes >/dev/null 2>&1
			op=$(last)
			(strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
				"$CHAINVIEW" undo --refs=none "$repo" "$op" --yes) >/dev/null 2>&1
			killed=$?
			[ "$killed" -eq 137 ] && left=$((left + 1))
			# A VHD may be unreadable between two writes; where it can be read it reads right.
			now=$("$CHAINVIEW" verify --reader=own "$repo/leaf.vhd" >/dev/null 2>&1 && guest "$repo/leaf.vhd")
			[ "${now:-$truth}" = "$truth" ] || { verdict "$fs: the leaf before recovery, after $call $n" 1; return; }
			"$CHAINVIEW" recover --yes "$repo" >"$work/.out" 2>&1 || { cat "$work/.out"; verdict "$fs: recovery after $call $n" 1; return; }
			[ "$(guest "$repo/leaf.vhd")" = "$truth" ] || { verdict "$fs: the leaf after $call $n" 1; return; }
			case $(parent leaf.vhd) in
			middle.vhd) [ -e "$repo/middle.vhd" ] ;;
			*) [ ! -e "$repo/middle.vhd" ] && undo "$op" --yes >"$work/.out" 2>&1 && [ "$(guest "$repo/leaf.vhd")" = "$truth" ] ;;
			esac || { cat "$work/.out"; verdict "$fs: done or not at all, after $call $n" 1; return; }
			[ "$killed" -eq 137 ] || break
		done
	done
	rm -rf "$repo"
	echo "# $fs: killed $left times"
	verdict "$fs: killed at any barrier, rename or write, it is taken back or as it was" "$([ "$left" -ge 5 ]; echo $?)"
}

full_on()
{
	local fs=$1 free op
	repo=$2/full
	[ "$fs" = "this file system" ] && return
	fresh
	coalesce middle.vhd --yes >/dev/null 2>&1
	op=$(last)
	sums >"$work/before"
	free=$(df --output=avail -B1 "$repo" | tail -1)
	fallocate -l $((free - 65536)) "$2/filler" 2>/dev/null
	ends "$fs: full" 4 undo "$op" --yes
	rm -f "$2/filler"
	sync -f "$2"
	sums >"$work/after"
	must "$fs: and nothing was touched" cmp "$work/before" "$work/after"
	ends "$fs: and with room again" 0 undo "$op" --yes
	rm -rf "$repo"
}

on_file_systems "full" full_on
kills_everywhere killed_on
finish
