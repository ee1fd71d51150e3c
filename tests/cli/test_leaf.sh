#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# coalesce --leaf: what has the name of the leaf reads what it did, before, after, and at every moment in between, also when the
# program is killed there; the dry run says what is done then; what may not be done is refused, with the reason.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state

sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
guest() { "$CHAINVIEW" verify --reader=own --json "$@" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
leaf() { local image=$1; shift; "$CHAINVIEW" coalesce --leaf --refs=none --repo "$repo" "$repo/$image" "$@"; }
uuid() { "$CHAINVIEW" info --json --repo "$repo" "$repo/$1" | tr -d '\n\t ' | sed -n 's/.*"uuid":"\([^"]*\)","virtual.*/\1/p'; }
last() { "$CHAINVIEW" journal "$repo" | awk 'END { print $1 }'; }
plan_of() { sed -n '/^plan:/,/^searched/p' "$work/.out" | grep -v '^space'; }

# merges WHAT LEAF PARENT
merges()
{
	local what=$1 image=$2 into=$3 truth inode identity owner
	truth=$(guest "$repo/$image") inode=$(stat -c %i "$repo/$into") identity=$(uuid "$image") owner=$(stat -c '%u %g %a' "$repo/$image")
	cp "$repo/$image" "$work/image"
	sums >"$work/before"
	ends "$what: a dry run" 0 leaf "$image"
	plan_of >"$work/plan"
	sums >"$work/after"
	must "$what: which writes nothing" cmp "$work/before" "$work/after"
	ends "$what: merged" 0 leaf "$image" --yes
	plan_of >"$work/plan2"
	must "$what: as the dry run said" cmp "$work/plan" "$work/plan2"
	verdict "$what: the parent's file has the name" "$([ "$(stat -c %i "$repo/$image")" = "$inode" ]; echo $?)"
	verdict "$what: and none of its own" "$([ ! -e "$repo/$into" ]; echo $?)"
	verdict "$what: owner and mode of the leaf" "$([ "$(stat -c '%u %g %a' "$repo/$image")" = "$owner" ]; echo $?)"
	verdict "$what: its identity" "$([ "$(uuid "$image")" = "$identity" ]; echo $?)"
	verdict "$what: it reads what it did" "$([ "$(guest "$repo/$image")" = "$truth" ]; echo $?)"
	must "$what: the leaf is in the trash, as it was" cmp "$work/image" "$repo/.chainview/trash/"*"/0-$image"
	"$CHAINVIEW" check --refs=none "$repo" >"$work/check" 2>&1
	lacks "$what: nothing is wrong" '^ *E ' "$work/check"
}

# --- VHD, from recipes ---------------------------------------------------------------------------------------
repo=$work/vhd
fresh()
{
	rm -rf "$repo"
	"$CHAINVIEW" sample --recipe coalescable "$repo" >/dev/null
	chmod 755 "$repo"
}
fresh
sums >"$work/before"
ends "an image that others stand on needs no --leaf" 4 leaf middle.vhd --yes
has "and is told so" "without --leaf" "$work/.out"
ends "what has no parent is refused" 4 leaf base.vhd --yes
ends "two images" 16 leaf leaf.vhd middle.vhd
ends "--all never takes leaves" 16 "$CHAINVIEW" coalesce --all --leaf "$repo"
ends "--dry-run wins over --yes" 0 leaf leaf.vhd --yes --dry-run
for held in leaf.vhd middle.vhd; do
	exec 9<"$repo/$held"
	ends "$held that somebody has open is refused" 4 leaf leaf.vhd --yes
	has "and said" "open|in use" "$work/.out"
	exec 9<&-
done
ends "no room is no reason to try" 4 leaf leaf.vhd --yes --reserve=1E
copy_vhd "$repo/leaf.vhd" "$repo/sibling.vhd"
ends "a parent with other children is refused" 4 leaf leaf.vhd --yes
has "and said" "1 other child" "$work/.out"
rm "$repo/sibling.vhd"
echo "$repo/middle.vhd" >"$work/list"
ends "a parent that somebody refers to is refused" 4 "$CHAINVIEW" coalesce --leaf --refs=list:"$work/list" --repo "$repo" "$repo/leaf.vhd" --yes
has "and said" "referred to" "$work/.out"
rm -rf "$repo/.chainview"
sums >"$work/after"
must "no refusal changed anything" cmp "$work/before" "$work/after"
python3 - "$repo/middle.vhd" <<'END'
import sys
name = sys.argv[1]
data = bytearray(open(name, "rb").read())
for at in (0, len(data) - 512):
    footer = data[at:at + 512]
    footer[85] = 0
    footer[64:68] = bytes(4)
    footer[64:68] = (~sum(footer) & 0xffffffff).to_bytes(4, "big")
    data[at:at + 512] = footer
open(name, "wb").write(data)
END
ends "a parent that is visible where hidden marks are used is refused" 4 leaf leaf.vhd --yes
has "and said" "not marked hidden" "$work/.out"

fresh
mkdir "$repo/disks"
"$CHAINVIEW" rebase --refs=none --repo "$repo" "$repo/leaf.vhd" --onto "$repo/middle.vhd" --yes >/dev/null 2>&1
mv "$repo/leaf.vhd" "$repo/disks/leaf.vhd"
"$CHAINVIEW" rebase --refs=none --repo "$repo" "$repo/disks/leaf.vhd" --onto "$repo/middle.vhd" --yes >/dev/null 2>&1
ends "a parent in another folder, whose own parent is named from there" 4 leaf disks/leaf.vhd --yes
has "is refused, and the way out said" "another folder.*--flatten" "$work/.out"

fresh
chmod 640 "$repo/leaf.vhd"
chmod 444 "$repo/middle.vhd"
[ "$(id -u)" -ne 0 ] || chown 1:1 "$repo/leaf.vhd"
if [ "$(id -u)" -eq 0 ]; then
	merges "VHD" leaf.vhd middle.vhd
	op=$(last)
	ends "there is no undo" 4 "$CHAINVIEW" undo "$repo" "$op" --yes
	has "which is said" "coalesce-leaf cannot be undone" "$work/.out"
	ends "nor is the leaf put back" 4 "$CHAINVIEW" trash restore "$repo" leaf.vhd --yes
	has "since its parent is not there" "parent middle.vhd is not there" "$work/.out"
	ends "and its name is taken" 4 "$CHAINVIEW" trash restore "$repo" leaf.vhd --yes
	has "which is said" "another file is called leaf.vhd now" "$work/.out"
	flat journal "$repo" >"$work/json"
	has "JSON of the journal" '"operation":"coalesce-leaf","state":"done"' "$work/json"
	ends "the leaf that was can be removed" 0 "$CHAINVIEW" trash purge --refs=none "$repo" --all --now --yes
	has "libvhdi reads the same" "agrees.*100.0 %" <("$CHAINVIEW" verify "$repo/leaf.vhd")
	merges "VHD, the next one" leaf.vhd base.vhd
fi

# --- QCOW2 of QEMU -------------------------------------------------------------------------------------------
# chain SIZE: a base, its parent, a leaf.
chain()
{
	rm -rf "$repo"
	mkdir -p "$repo" && chmod 755 "$repo"
	(cd "$repo" && qemu-img create -q -f qcow2 b.qcow2 16M && qemu-io -c 'write -q -P 1 0 6M' b.qcow2 &&
	 qemu-img create -q -f qcow2 -b b.qcow2 -F qcow2 p.qcow2 && qemu-io -c 'write -q -P 2 5M 3M' -c 'write -q -z 1M 1M' p.qcow2 &&
	 qemu-img create -q -f qcow2 -b p.qcow2 -F qcow2 n.qcow2 "$1" &&
	 qemu-io -c 'write -q -P 3 7M 2M' -c 'write -q -P 9 10M 512' -c 'write -q -z 3M 1M' -c 'discard -q 2M 1M' n.qcow2 &&
	 qemu-img convert -O raw n.qcow2 "$work/n.raw")
}

if needs qemu-img "images of QEMU" && needs qemu-io "images of QEMU"; then
	repo=$work/qemu
	for size in 16M 20M; do
		chain "$size"
		merges "QCOW2 of $size" n.qcow2 p.qcow2
		must "QCOW2 of $size: QEMU reads the same" qemu-img compare -q -F raw "$repo/n.qcow2" "$work/n.raw"
		must "QCOW2 of $size: and finds no fault" qemu-img check -q "$repo/n.qcow2"
	done
	rm -rf "$repo"
	mkdir -p "$repo" && chmod 755 "$repo"
	(cd "$repo" && qemu-img create -q -f raw p.raw 4M && qemu-img create -q -f qcow2 -b p.raw -F raw n.qcow2 &&
	 qemu-img create -q -f vpc -o force_size p.vhd 4M && qemu-img create -q -f qcow2 -b p.vhd -F vpc m.qcow2)
	ends "a raw parent is refused" 4 leaf n.qcow2 --yes
	has "and the ways out are said" "raw disk.*--flatten.*chainview convert" "$work/.out"
	ends "a parent of another format is refused" 4 leaf m.qcow2 --yes
	has "and the ways out are said" "another format.*--flatten.*chainview convert" "$work/.out"
	chain 16M
	qemu-img snapshot -c inner "$repo/n.qcow2"
	ends "internal snapshots are a reason to refuse" 4 leaf n.qcow2 --yes
	chain 16M
	if command -v setfacl >/dev/null && setfacl -m u:7:rw "$repo/n.qcow2" 2>/dev/null; then
		ends "an access list that the parent has not is one, too" 4 leaf n.qcow2 --yes
		has "and said" "access list" "$work/.out"
	else
		skip "access lists" "no setfacl, or none here"
	fi
	if qemu_holds "$repo/n.qcow2" "$repo/n.qcow2"; then
		ends "a leaf that a guest has open is refused" 4 leaf n.qcow2 --yes
		qemu_leaves
	fi
fi

# --- the name, at every moment -------------------------------------------------------------------------------
if sanitized; then
	skip "the name at every moment" "done with the ordinary build"
elif command -v strace >/dev/null; then
	repo=$work/vhd
	fresh
	sums >"$work/before"
	ends "without hard links it is refused" 4 strace -f -qq -o /dev/null -e trace=linkat -e inject=linkat:error=EPERM \
		"$CHAINVIEW" coalesce --leaf --refs=none --repo "$repo" "$repo/leaf.vhd" --yes
	has "and said" "no hard links.*--flatten" "$work/.out"
	sums >"$work/after"
	must "and nothing was changed" cmp "$work/before" "$work/after"
	verdict "nor is anything pending" "$(! "$CHAINVIEW" journal "$repo" | grep -q pending; echo $?)"
	touch "$work/looking"
	(n=0
	 while [ -e "$work/looking" ]; do
		if [ -e "$repo/leaf.vhd" ]; then n=$((n + 1)); else echo gone >>"$work/gone"; fi
	 done
	 echo "$n" >"$work/seen") &
	must "merged slowly" strace -f -qq -o /dev/null -e trace=linkat,renameat2,unlinkat -e inject=linkat,renameat2,unlinkat:delay_enter=50000:delay_exit=50000 \
		"$CHAINVIEW" coalesce --leaf --refs=none --repo "$repo" "$repo/leaf.vhd" --yes
	rm "$work/looking"
	wait
	verdict "the name was there whenever somebody looked ($(cat "$work/seen") times)" "$([ ! -e "$work/gone" ] && [ "$(cat "$work/seen")" -gt 50 ]; echo $?)"
fi

# --- killed --------------------------------------------------------------------------------------------------
# Before the n-th barrier, change of names or write; then a guest writes to what has the name, and recovery finishes it.
killed_on()
{
	local fs=$1 call n killed left=0 truth writes=0 steps="2 5 8" barriers="3 7 9"
	repo=$2/repo
	[ "$fs" = "this file system" ] && steps="1 2 3 4 5 6 7 8 9 11 14" barriers="1 2 3 4 5 6 7 8 9 10 11 12"
	rm -rf "$work/start"
	"$CHAINVIEW" sample --recipe coalescable "$work/start" >/dev/null
	truth=$(guest "$work/start/leaf.vhd")
	for call in fsync fdatasync linkat renameat2 pwrite64; do
		for n in $steps; do
			rm -rf "$repo"
			cp -r --sparse=always "$work/start" "$repo" && chmod 755 "$repo"
			(strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
				"$CHAINVIEW" coalesce --leaf --refs=none --repo "$repo" "$repo/leaf.vhd" --yes) >/dev/null 2>&1
			killed=$?
			[ "$killed" -eq 137 ] && left=$((left + 1))
			[ "$(guest "$repo/leaf.vhd")" = "$truth" ] || { verdict "$fs: before recovery, after $call $n" 1; return; }
			"$CHAINVIEW" recover --yes "$repo" >"$work/.out" 2>&1 || { cat "$work/.out"; verdict "$fs: recovery after $call $n" 1; return; }
			[ "$(guest "$repo/leaf.vhd")" = "$truth" ] || { verdict "$fs: the leaf after $call $n" 1; return; }
			"$CHAINVIEW" check --refs=none "$repo" 2>&1 | grep -E '^ *E ' && { verdict "$fs: errors after $call $n" 1; return; }
			[ "$killed" -eq 137 ] || break
		done
	done
	echo "# $fs: killed $left times"
	verdict "$fs: killed at any barrier, change of names or write, the leaf reads what it did" "$([ "$left" -ge 5 ]; echo $?)"
	rm -rf "$repo"
	command -v qemu-io >/dev/null || return
	for n in $barriers; do
		chain 16M
		(strace -qq -o /dev/null -e trace=fsync,fdatasync -e inject="fsync,fdatasync:signal=KILL:when=$n" \
			"$CHAINVIEW" coalesce --leaf --refs=none --repo "$repo" "$repo/n.qcow2" --yes) >/dev/null 2>&1
		[ $? -eq 137 ] || break
		qemu-io -c "write -q -P $((40 + n)) 7M 64k" -c "write -q -P $((60 + n)) 13M 64k" "$repo/n.qcow2" || { verdict "$fs: opened after barrier $n" 1; return; }
		qemu-io -f raw -c "write -q -P $((40 + n)) 7M 64k" -c "write -q -P $((60 + n)) 13M 64k" "$work/n.raw"
		writes=$((writes + 1))
		"$CHAINVIEW" recover --yes "$repo" >"$work/.out" 2>&1 || { cat "$work/.out"; verdict "$fs: recovery after barrier $n" 1; return; }
		qemu-img compare -q -F raw "$repo/n.qcow2" "$work/n.raw" || { verdict "$fs: what was written after barrier $n" 1; return; }
		qemu-img check -q "$repo/n.qcow2" || { verdict "$fs: QEMU finds faults after barrier $n" 1; return; }
	done
	verdict "$fs: what a guest writes in between is there ($writes times)" "$([ "$writes" -ge 3 ]; echo $?)"
	rm -rf "$repo"
}
kills_everywhere killed_on
finish
