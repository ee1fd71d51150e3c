#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# rebase onto a parent that reads otherwise, and onto none (flatten): the content stays, whoever reads it; undo gives back the
# former parent; and whatever moment the program is killed at, and whoever uses the image then, it reads what it did.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state

guest() { "$CHAINVIEW" verify --reader=own --json "$@" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
rebase() { local image=$1; shift; "$CHAINVIEW" rebase --repo "$repo" "$repo/$image" "$@"; }
parent() { "$CHAINVIEW" info --json --repo "$repo" "$repo/$1" | tr -d '\n\t ' | sed -n 's/.*"parent":{"status":"found","id":"\([^"]*\)".*/\1/p'; }
last() { "$CHAINVIEW" journal "$repo" | awk 'END { print $1 }'; }
sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }

# keeps WHAT IMAGE FROM TO: onto TO (empty: flatten), looked at, taken back, and done again for good.
keeps()
{
	local what=$1 image=$2 from=$3 to=$4 truth how=(--flatten)
	[ -n "$to" ] && how=(--onto "$repo/$to")
	truth=$(guest "$repo/$image")
	sums >"$work/before"
	ends "$what: a dry run" 0 rebase "$image" "${how[@]}"
	has "$what: says what it copies, and why" "copy .*$image  into the image, which has nothing there" "$work/.out"
	sums >"$work/after"
	must "$what: and writes nothing" cmp "$work/before" "$work/after"
	ends "$what" 0 rebase "$image" "${how[@]}" --yes
	verdict "$what: it stands on ${to:-nothing} now" "$([ "$(parent "$image")" = "$to" ]; echo $?)"
	verdict "$what: it reads what it did" "$([ "$(guest "$repo/$image")" = "$truth" ]; echo $?)"
	lacks "$what: nothing is wrong with it" '^ *E |leaked' <("$CHAINVIEW" check --refs=none "$repo" 2>&1)
	ends "$what: undo" 0 "$CHAINVIEW" undo --yes "$repo" "$(last)"
	verdict "$what: the former parent is back" "$([ "$(parent "$image")" = "$from" ]; echo $?)"
	verdict "$what: and it reads what it did" "$([ "$(guest "$repo/$image")" = "$truth" ]; echo $?)"
	ends "$what: for good" 0 rebase "$image" "${how[@]}" --yes
	verdict "$what: for good it reads what it did" "$([ "$(guest "$repo/$image")" = "$truth" ]; echo $?)"
}

# --- VHD -----------------------------------------------------------------------------------------------------
# base, middle on it, leaf on middle; and another base, which reads otherwise.
vhds()
{
	repo=$work/vhd
	rm -rf "$repo"
	"$CHAINVIEW" sample --recipe coalescable "$repo" >/dev/null
	chmod 755 "$repo"
	python3 - "$work/other.raw" <<'END'
import sys
with open(sys.argv[1], "wb") as f:
    f.truncate(10 << 20)
    for at, n in ((1 << 20, 5000), (3 << 20, 1 << 20), (7 << 20, 70000)):
        f.seek(at)
        f.write(b"other" * (n // 5))
END
	"$CHAINVIEW" convert -q --refs=none --to vhd "$work/other.raw" "$repo/other.vhd" --yes >/dev/null 2>&1
}
vhds
truth=$(guest "$repo/leaf.vhd")
keeps "VHD, copying" middle.vhd base.vhd other.vhd
verdict "VHD, copying: who stands on it reads what it did" "$([ "$(guest "$repo/leaf.vhd")" = "$truth" ]; echo $?)"
has "VHD, copying: libvhdi reads the same" "agrees.*100.0 %" <("$CHAINVIEW" verify "$repo/leaf.vhd")
keeps "VHD, leaf" leaf.vhd middle.vhd other.vhd
vhds
keeps "VHD, flatten" middle.vhd base.vhd ""
verdict "VHD, flatten: who stands on it reads what it did" "$([ "$(guest "$repo/leaf.vhd")" = "$truth" ]; echo $?)"
keeps "VHD, flatten, parts of blocks" leaf.vhd middle.vhd ""
rm "$repo/base.vhd" "$repo/middle.vhd"
has "VHD, flatten: libvhdi reads the same, without the parent" "agrees.*100.0 %" <("$CHAINVIEW" verify "$repo/leaf.vhd")
if needs qemu-img "QEMU reads a flattened VHD"; then
	must "VHD, flatten: QEMU, which does not look at bitmaps, reads it" qemu-img convert -f vpc -O raw "$repo/leaf.vhd" "$work/leaf.raw"
	truncate -s 10M "$work/leaf.raw"
	verdict "VHD, flatten: and reads the same" "$([ "$(sha256sum <"$work/leaf.raw" | cut -d' ' -f1)" = "$truth" ]; echo $?)"
fi
ends "what stands alone is not flattened again" 4 rebase leaf.vhd --flatten --yes
has "and why" "stands alone" "$work/.out"

# --- QCOW2, against qemu-img rebase --------------------------------------------------------------------------
# qcow2s VERSION CLUSTER
qcow2s()
{
	repo=$work/qcow2
	rm -rf "$repo"
	mkdir -p "$repo" && chmod 755 "$repo"
	cd "$repo" || exit 1
	qemu-img create -q -f qcow2 under.qcow2 16M
	qemu-io -c 'write -q -P 7 12M 1M' under.qcow2
	qemu-img create -q -f qcow2 -b under.qcow2 -F qcow2 old.qcow2
	qemu-io -c 'write -q -P 1 0 3M' -c 'write -q -P 2 6M 100k' -c 'write -q -P 8 12500k 20k' old.qcow2
	qemu-img create -q -f qcow2 new.qcow2 20M
	qemu-io -c 'write -q -P 1 1M 2M' -c 'write -q -P 5 8M 300k' -c 'write -q -P 9 17M 1M' new.qcow2
	qemu-img convert -O raw new.qcow2 new.raw
	qemu-img create -q -f raw short.raw 2M
	qemu-img create -q -f qcow2 -o "compat=$1,cluster_size=$2" -b old.qcow2 -F qcow2 child.qcow2
	qemu-io -c 'write -q -P 3 1M 70k' -c 'write -q -P 4 8M 64k' child.qcow2
	qemu-img create -q -f qcow2 -b child.qcow2 -F qcow2 above.qcow2
	cd - >/dev/null || exit 1
	qemu-img convert -O raw "$repo/child.qcow2" "$work/truth.raw"
}

if needs qemu-img "QCOW2 images of QEMU" && needs qemu-io "QCOW2 images of QEMU"; then
	for kind in "1.1 65536" "0.10 65536" "1.1 4096"; do
		read -r version cluster <<<"$kind"
		sanitized && [ "$kind" != "1.1 65536" ] && continue
		for to in new.qcow2 new.raw short.raw under.qcow2 ""; do
			[ "$kind" = "1.1 65536" ] || [ "${to:-new.qcow2}" = new.qcow2 ] || continue
			what="QCOW2 $kind on ${to:-nothing}"
			qcow2s "$version" "$cluster"
			if [ "$kind" = "1.1 65536" ] && [ "$to" != short.raw ] && [ "$to" != new.raw ]; then
				keeps "$what" child.qcow2 old.qcow2 "$to"
				qcow2s "$version" "$cluster"
			fi
			cp "$repo/child.qcow2" "$repo/theirs.qcow2"
			if [ -n "$to" ]; then
				ends "$what: chainview" 0 rebase child.qcow2 --onto "$repo/$to" --yes -q
				must "$what: QEMU" qemu-img rebase -b "$to" -F "${to##*.}" "$repo/theirs.qcow2"
			else
				ends "$what: chainview" 0 rebase child.qcow2 --flatten --yes -q
				must "$what: QEMU" qemu-img rebase -b "" "$repo/theirs.qcow2"
			fi
			must "$what: QEMU finds no fault" qemu-img check -q "$repo/child.qcow2"
			must "$what: QEMU reads what it did" qemu-img compare -q -F raw "$repo/child.qcow2" "$work/truth.raw"
			must "$what: and the same as of its own rebase" qemu-img compare -q "$repo/child.qcow2" "$repo/theirs.qcow2"
			must "$what: who stands on it reads what it did" qemu-img compare -q -F raw "$repo/above.qcow2" "$work/truth.raw"
			if [ -z "$to" ]; then
				lacks "$what: QEMU finds no parent" "backing" <(qemu-img info "$repo/child.qcow2")
				must "$what: QEMU writes to it" qemu-io -c 'write -q -P 6 5M 1M' "$repo/child.qcow2"
				must "$what: and finds no fault then" qemu-img check -q "$repo/child.qcow2"
			fi
		done
	done

	# --- refusals --------------------------------------------------------------------------------------------
	qcow2s 1.1 65536
	sums >"$work/before"
	ends "--onto and --flatten" 16 rebase child.qcow2 --flatten --onto "$repo/new.qcow2"
	ends "neither of both" 16 rebase child.qcow2
	exec 9<"$repo/child.qcow2"
	ends "an image that somebody has open is refused" 4 rebase child.qcow2 --flatten --yes
	exec 9<&-
	exec 9<>"$repo/old.qcow2"
	ends "a parent that somebody may write to is refused" 4 rebase child.qcow2 --flatten --yes
	exec 9>&-
	qemu_holds "$repo/child.qcow2" "$repo/above.qcow2"
	ends "an image below one that QEMU has open is refused" 4 rebase child.qcow2 --flatten --yes
	qemu_leaves
	rm -rf "$repo/.chainview"
	sums >"$work/after"
	must "no refusal changed anything" cmp "$work/before" "$work/after"
	qemu-img bitmap --add "$repo/child.qcow2" backup
	ends "bitmaps, which would not be true any more, are refused" 4 rebase child.qcow2 --flatten --yes
	has "while it is planned" "persistent bitmaps" "$work/.out"
	qemu-img bitmap --remove "$repo/child.qcow2" backup
	qemu-img snapshot -c one "$repo/child.qcow2"
	ends "internal snapshots are refused" 4 rebase child.qcow2 --flatten --yes
	qemu-img snapshot -d one "$repo/child.qcow2"
	flat rebase --repo "$repo" "$repo/child.qcow2" --flatten >"$work/json"
	has "JSON has the plan" '"plan":\{"operation":"rebase".*"kind":"copy".*"kind":"relink".*"name":"same-content","ok":true' "$work/json"

	# --- undo ------------------------------------------------------------------------------------------------
	ends "flatten" 0 rebase child.qcow2 --flatten --yes
	op=$(last)
	must "a guest writes" qemu-io -c 'write -q -P 33 4M 1M' "$repo/child.qcow2"
	truth=$(guest "$repo/child.qcow2")
	ends "and it is taken back" 0 "$CHAINVIEW" undo --yes "$repo" "$op"
	verdict "what the guest wrote stays" "$([ "$(guest "$repo/child.qcow2")" = "$truth" ] && [ "$(parent child.qcow2)" = old.qcow2 ]; echo $?)"
	qcow2s 0.10 65536
	ends "flatten an older one" 0 rebase child.qcow2 --flatten --yes
	must "a guest discards what was the parent's" qemu-io -d unmap -c 'discard -q 0 1M' "$repo/child.qcow2"
	truth=$(guest "$repo/child.qcow2")
	ends "which would be seen again" 4 "$CHAINVIEW" undo --yes "$repo" "$(last)"
	verdict "so nothing is changed" "$([ "$(guest "$repo/child.qcow2")" = "$truth" ]; echo $?)"
	qcow2s 1.1 65536
	ends "flatten" 0 rebase child.qcow2 --flatten --yes
	touch "$repo/old.qcow2"
	ends "a parent that was changed since is not given back" 4 "$CHAINVIEW" undo --yes "$repo" "$(last)"
fi

# --- killed --------------------------------------------------------------------------------------------------
# Before the n-th barrier or write, on a file system that is mounted here; a guest writes before recovery.
killed_one()
{
	local image=$1 how=$2 call=$3 n=$4 truth
	local args=(--flatten)
	[ "$how" = flatten ] || args=(--onto "$repo/$how")
	(strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
		"$CHAINVIEW" rebase --refs=none --repo "$repo" "$repo/$image" "${args[@]}" --yes) >/dev/null 2>&1
	[ $? -eq 137 ] && left=$((left + 1))
	truth=$start
	if [[ $image == *.qcow2 ]] && [ $((n % 2)) -eq 0 ]; then
		qemu-io -c 'write -q -P 44 3M 700k' -c 'write -q -P 45 9M 64k' "$repo/$image" || return 1
		truth=$(guest "$repo/$image")
		qemu-img convert -O raw "$repo/$image" "$work/now.raw" && cmp -n $((3 << 20)) "$work/now.raw" "$work/killed.raw" || return 1
	fi
	[ "$(guest "$repo/$image")" = "$truth" ] || [[ $image == *.vhd ]] || return 1
	"$CHAINVIEW" recover --yes "$repo" >"$work/.out" 2>&1 || { cat "$work/.out"; return 1; }
	[ "$(guest "$repo/$image")" = "$truth" ] || return 1
	! "$CHAINVIEW" check --refs=none "$repo" 2>&1 | grep -E '^ *E '
}

killed_on()
{
	local fs=$1 call n left=0 steps=2 how image keep=$2/keep start
	[ "$fs" = "this file system" ] && steps="1 2 4 7"
	for image in child.qcow2 leaf.vhd; do
		if [[ $image == *.qcow2 ]]; then qcow2s 1.1 65536; rm "$repo/above.qcow2"; else vhds; fi
		rm -rf "$keep"
		cp -r --sparse=always "$repo" "$keep"
		repo=$2/repo
		start=$(guest "$keep/$image")
		[[ $image == *.qcow2 ]] && qemu-img convert -O raw "$keep/$image" "$work/killed.raw"
		for how in flatten new.qcow2 other.vhd; do
			[ "$how" = flatten ] || [ "${how##*.}" = "${image##*.}" ] || continue
			for call in fsync fdatasync pwrite64; do
				for n in $steps; do
					rm -rf "$repo"
					cp -r --sparse=always "$keep" "$repo"
					killed_one "$image" "$how" "$call" "$n" || { verdict "$fs: $image, $how, killed at $call $n" 1; return; }
				done
			done
		done
	done
	rm -rf "$repo" "$keep"
	echo "# $fs: killed $left times"
	verdict "$fs: killed at any barrier or write, and then used by a guest, it reads what it did" "$([ "$left" -ge 6 ]; echo $?)"
}

# No room: nothing is begun.
full_on()
{
	local fs=$1 free
	[ "$fs" = "this file system" ] && return
	vhds
	cp -r --sparse=always "$repo" "$2/full"
	repo=$2/full
	chmod 755 "$repo"
	sums >"$work/before"
	free=$(df --output=avail -B1 "$repo" | tail -1)
	fallocate -l $((free - 3000000)) "$2/filler" 2>/dev/null
	ends "$fs: full" 4 rebase leaf.vhd --flatten --yes
	rm -rf "$2/filler" "$repo/.chainview"
	sums >"$work/after"
	must "$fs: and nothing was touched" cmp "$work/before" "$work/after"
	rm -rf "$repo"
}

on_file_systems "full" full_on
if command -v qemu-img >/dev/null; then kills_everywhere killed_on; else skip "killed at every barrier" "no qemu-img"; fi
finish
