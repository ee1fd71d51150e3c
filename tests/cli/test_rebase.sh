#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# rebase: another parent for an image that reads the same on it (test_flatten.sh: that reads otherwise); undo gives back every
# byte; and whatever moment the program is killed at, the image names one of both.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state

sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
guest() { "$CHAINVIEW" verify --reader=own --json "$@" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
rebase() { local image=$1 onto=$2; shift 2; "$CHAINVIEW" rebase --repo "$repo" "$repo/$image" --onto "$repo/$onto" "$@"; }
# The parent of an image, as the graph has it.
parent() { "$CHAINVIEW" info --json --repo "$repo" "$repo/$1" | tr -d '\n\t ' | sed -n 's/.*"parent":{"status":"found","id":"\([^"]*\)".*/\1/p'; }
last() { "$CHAINVIEW" journal "$repo" | awk 'END { print $1 }'; }

# moves WHAT IMAGE FROM TO: rebases, looks, and takes it back.
moves()
{
	local what=$1 image=$2 from=$3 to=$4 before
	sums >"$work/before"
	before=$(guest "$repo/$image")
	ends "$what: a dry run" 0 rebase "$image" "$to"
	sums >"$work/after"
	must "$what: which writes nothing" cmp "$work/before" "$work/after"
	ends "$what: another parent" 0 rebase "$image" "$to" --yes
	verdict "$what: it is the parent now" "$([ "$(parent "$image")" = "$to" ]; echo $?)"
	verdict "$what: the guest reads what it did" "$([ "$(guest "$repo/$image")" = "$before" ]; echo $?)"
	lacks "$what: nothing is wrong with it" '^ *E ' <("$CHAINVIEW" check "$repo" 2>&1)
	ends "$what: again there is nothing to do" 0 rebase "$image" "$to" --yes
	has "$what: which is said" "nothing to do" "$work/.out"
	op=$(last)
	ends "$what: undo" 0 "$CHAINVIEW" undo --yes "$repo" "$op"
	ends "$what: undone twice is refused" 4 "$CHAINVIEW" undo --yes "$repo" "$op"
	has "$what: and says by what it was taken back" "taken back already, by operation $(last)" "$work/.out"
	verdict "$what: the former parent is back" "$([ "$(parent "$image")" = "$from" ]; echo $?)"
}

# --- VHD and VHDX, from recipes ------------------------------------------------------------------------------
repo=$work/vhd
"$CHAINVIEW" sample --recipe parent-path-stale "$repo" >/dev/null
chmod 755 "$repo"
cp "$repo/leaf.vhd" "$work/leaf.vhd"
has "a path that is stale is found" parent-path-stale <("$CHAINVIEW" check "$repo" 2>&1)
moves "VHD whose path is stale" leaf.vhd base-2025.vhd base-2025.vhd
must "VHD: undo gives back every byte" cmp "$work/leaf.vhd" "$repo/leaf.vhd"
ends "VHD: the path is mended" 0 rebase leaf.vhd base-2025.vhd --yes
lacks "VHD: and found right" parent-path-stale <("$CHAINVIEW" check "$repo" 2>&1)

mkdir -p "$repo/bases"
copy_vhd "$repo/base-2025.vhd" "$repo/bases/copy.vhd"
cp "$repo/leaf.vhd" "$work/leaf.vhd"
moves "VHD" leaf.vhd base-2025.vhd bases/copy.vhd
must "VHD: undo gives back every byte of it" cmp "$work/leaf.vhd" "$repo/leaf.vhd"
qemu-img convert -f vpc -O raw "$repo/base-2025.vhd" "$repo/bases/raw.raw"
moves "VHD on a raw disk" leaf.vhd base-2025.vhd bases/raw.raw

repo=$work/vhdx
"$CHAINVIEW" sample --recipe healthy-vhdx "$repo" >/dev/null
chmod 755 "$repo"
cp "$repo/base.vhdx" "$repo/copy.vhdx"
python3 - "$repo/copy.vhdx" <<'END'
import sys
name = sys.argv[1]
table = []
for n in range(256):
    c = n
    for _ in range(8):
        c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
    table.append(c)
def crc(data):
    c = 0xffffffff
    for byte in data:
        c = c >> 8 ^ table[(c ^ byte) & 255]
    return c ^ 0xffffffff
with open(name, "r+b") as f:
    for at in (65536, 131072):
        f.seek(at)
        header = bytearray(f.read(4096))
        header[32:48] = bytes(range(32, 48))
        header[4:8] = bytes(4)
        header[4:8] = crc(header).to_bytes(4, "little")
        f.seek(at)
        f.write(header)
END
cp "$repo/checkpoint.avhdx" "$work/checkpoint.avhdx"
moves "VHDX" checkpoint.avhdx base.vhdx copy.vhdx

# --- QCOW2, from QEMU ----------------------------------------------------------------------------------------
if needs qemu-img "QCOW2 images of QEMU" && needs qemu-io "QCOW2 images of QEMU"; then
	repo=$work/qcow2
	mkdir -p "$repo/bases" && chmod 755 "$repo"
	cd "$repo" || exit 1
	qemu-img create -q -f qcow2 old.qcow2 8M
	qemu-io -c 'write -q -P 1 0 1M' -c 'write -q -P 2 3M 64k' old.qcow2
	qemu-img convert -O raw old.qcow2 bases/same.raw
	qemu-img convert -O vpc -o force_size old.qcow2 bases/same.vhd
	qemu-img convert -O vhdx old.qcow2 bases/same.vhdx
	qemu-img convert -O qcow2 -c old.qcow2 bases/same.qcow2
	cp bases/same.raw bases/other.raw
	printf 'other' | dd of=bases/other.raw bs=1 seek=3200000 conv=notrunc status=none
	cp bases/other.raw bases/masked.raw
	dd if=bases/same.raw of=bases/masked.raw bs=1 skip=3200000 seek=3200000 count=5 conv=notrunc status=none
	printf 'under' | dd of=bases/masked.raw bs=1 seek=70000 conv=notrunc status=none
	qemu-img create -q -f qcow2 -b old.qcow2 -F qcow2 child.qcow2
	qemu-io -c 'write -q -P 3 64k 64k' child.qcow2
	qemu-img create -q -f qcow2 -b child.qcow2 -F qcow2 leaf.qcow2
	cd - >/dev/null || exit 1
	qemu-img convert -O raw "$repo/leaf.qcow2" "$work/truth.raw"
	for onto in same.raw same.vhd same.vhdx same.qcow2 masked.raw; do
		cp "$repo/child.qcow2" "$work/child.qcow2"
		moves "QCOW2 on $onto" child.qcow2 old.qcow2 "bases/$onto"
		must "QCOW2 on $onto: undo gives back every byte" cmp "$work/child.qcow2" "$repo/child.qcow2"
		ends "QCOW2 on $onto: for good" 0 rebase child.qcow2 "bases/$onto" --yes
		must "QCOW2 on $onto: QEMU finds no fault" qemu-img check -q "$repo/child.qcow2"
		must "QCOW2 on $onto: QEMU reads the same" qemu-img compare -q -F raw "$repo/leaf.qcow2" "$work/truth.raw"
		has "QCOW2 on $onto: QEMU finds the parent" "backing file: bases/$onto " <(qemu-img info "$repo/child.qcow2")
		cp "$work/child.qcow2" "$repo/child.qcow2"
	done

	sums >"$work/before"
	ends "a parent that reads otherwise: data would be copied" 0 rebase child.qcow2 bases/other.raw
	has "with how many bytes, and where" "differ in 5 bytes.*first at guest offset 3200000: 4096 bytes are copied" "$work/.out"
	truncate -s 1M "$work/short.raw"
	dd if="$repo/bases/same.raw" of="$repo/bases/short.raw" bs=1M count=2 status=none
	ends "so with a shorter parent without the end" 0 rebase child.qcow2 bases/short.raw
	has "from its first byte on" "differ in 65536 bytes.*first at guest offset 3145728" "$work/.out"
	rm "$repo/bases/short.raw"
	ends "an image is not its own parent" 4 rebase child.qcow2 child.qcow2 --yes
	ends "nor is what stands on it" 4 rebase child.qcow2 leaf.qcow2 --yes
	has "which would be a circle" "circle" "$work/.out"
	ends "an image without a parent gets none" 4 rebase old.qcow2 bases/same.raw --yes
	ends "a parent that is not there" 16 rebase child.qcow2 bases/none.raw --yes
	ends "without --onto" 16 "$CHAINVIEW" rebase --repo "$repo" "$repo/child.qcow2"
	ends "--dry-run wins over --yes" 0 rebase child.qcow2 bases/same.raw --yes --dry-run
	exec 9<"$repo/child.qcow2"
	ends "an image that somebody has open is refused" 4 rebase child.qcow2 bases/same.raw --yes
	exec 9<&-
	exec 9<>"$repo/bases/same.raw"
	ends "a parent that somebody may write to is refused" 4 rebase child.qcow2 bases/same.raw --yes
	has "and named" "same.raw is open for writing by" "$work/.out"
	exec 9>&-
	qemu_holds "$repo/child.qcow2" "$repo/leaf.qcow2"
	ends "an image below one that QEMU has open is refused" 4 rebase child.qcow2 bases/same.raw --yes
	qemu_leaves
	ln "$repo/child.qcow2" "$repo/bases/again.qcow2"
	ends "a hard link is refused" 4 rebase child.qcow2 bases/same.raw --yes
	rm "$repo/bases/again.qcow2"
	rm -rf "$repo/.chainview"
	sums >"$work/after"
	must "no refusal changed anything" cmp "$work/before" "$work/after"
	qemu-img snapshot -c one "$repo/child.qcow2"
	ends "internal snapshots are refused" 4 rebase child.qcow2 bases/same.raw --yes
	has "and why" "internal snapshots" "$work/.out"
	qemu-img snapshot -d one "$repo/child.qcow2"

	ends "a parent that was changed before undo" 0 rebase child.qcow2 bases/same.raw --yes
	touch "$repo/old.qcow2"
	ends "is not given back" 4 "$CHAINVIEW" undo --yes "$repo" "$(last)"
	has "and the way out is said" "chainview rebase" "$work/.out"
	flat rebase --repo "$repo" "$repo/child.qcow2" --onto "$repo/old.qcow2" >"$work/json"
	has "JSON has the plan" '"plan":\{"operation":"rebase".*"kind":"relink".*"name":"same-content","ok":true' "$work/json"
	ends "but by rebase" 0 rebase child.qcow2 old.qcow2 --yes

	# After the guest has used it, undo changes only what the rebase had changed.
	ends "a rebase" 0 rebase child.qcow2 bases/same.raw --yes
	op=$(last)
	qemu-io -c 'write -q -P 7 5M 1M' "$repo/child.qcow2"
	before=$(guest "$repo/child.qcow2")
	ends "is taken back after a guest has written" 0 "$CHAINVIEW" undo --yes "$repo" "$op"
	verdict "and what it wrote stays" "$([ "$(guest "$repo/child.qcow2")" = "$before" ] && [ "$(parent child.qcow2)" = old.qcow2 ]; echo $?)"
	must "and QEMU finds no fault" qemu-img check -q "$repo/child.qcow2"
fi

# --- killed --------------------------------------------------------------------------------------------------
# Before the n-th barrier or write, on a file system that is mounted here.
killed_on()
{
	local fs=$1 call n killed left=0 recipe=$work/killed.qcow2
	repo=$2/repo
	rm -rf "$repo"
	mkdir -p "$repo" && chmod 755 "$repo"
	qemu-img create -q -f qcow2 "$repo/old.qcow2" 1M
	cp "$repo/old.qcow2" "$repo/new.qcow2"
	(cd "$repo" && qemu-img create -q -f qcow2 -b old.qcow2 -F qcow2 child.qcow2)
	cp "$repo/child.qcow2" "$recipe"
	for call in fsync fdatasync renameat2 pwrite64; do
		for n in $(seq 12); do
			cp "$recipe" "$repo/child.qcow2"
			(strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
				"$CHAINVIEW" rebase --repo "$repo" "$repo/child.qcow2" --onto "$repo/new.qcow2" --yes) >/dev/null 2>&1
			killed=$?
			[ "$killed" -eq 137 ] && left=$((left + 1))
			qemu-img check -q "$repo/child.qcow2" || { verdict "$fs: readable before recovery, after $call $n" 1; return; }
			"$CHAINVIEW" recover --yes "$repo" >"$work/.out" 2>&1 || { cat "$work/.out"; verdict "$fs: recovery after $call $n" 1; return; }
			if cmp -s "$recipe" "$repo/child.qcow2"; then
				[ "$killed" -eq 137 ] || { verdict "$fs: done after $call $n" 1; return; }
			else
				"$CHAINVIEW" undo --yes -q "$repo" "$(last)" >"$work/.out" 2>&1 || { cat "$work/.out"; verdict "$fs: undo after $call $n" 1; return; }
				cmp -s "$recipe" "$repo/child.qcow2" || { verdict "$fs: killed at $call $n" 1; return; }
			fi
			[ "$killed" -eq 137 ] || break
		done
	done
	echo "# $fs: killed $left times"
	verdict "$fs: killed at any barrier, rename or write, the image names one of both" "$([ "$left" -ge 10 ]; echo $?)"
}

if [[ $CHAINVIEW == */san/* ]]; then
	skip "killed at every barrier" "done with the ordinary build"
elif ! command -v strace >/dev/null || ! command -v qemu-img >/dev/null; then
	skip "killed at every barrier" "no strace or no qemu-img"
else
	on_file_systems "killed at every barrier" killed_on
fi
finish
