#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# coalesce into VHDX: the base has what the image had, as QEMU and libvhdi read it; those that stood on the image read what they
# did; the space was foreseen; undo takes it back; and whatever moment the program is killed at, recovery finishes it.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state

guest() { "$CHAINVIEW" verify --reader=own --json "$@" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
coalesce() { local image=$1; shift; "$CHAINVIEW" coalesce --refs=none --repo "$repo" "$repo/$image" "$@"; }
parent() { "$CHAINVIEW" info --json --repo "$repo" "$repo/$1" | tr -d '\n\t ' | sed -n 's/.*"parent":{"status":"found","id":"\([^"]*\)".*/\1/p'; }
last() { "$CHAINVIEW" journal "$repo" | awk 'END { print $1 }'; }
allocated() { echo $(($(stat -c '%b * %B' "$1"))); }
identity() { "$CHAINVIEW" info --json --repo "$repo" "$repo/$1" | tr -d '\n\t ' | grep -o '"data_write_guid","index":0,"value":"[^"]*"'; }
# What a dry run says is needed meanwhile, bytes.
needed() { flat coalesce --refs=none --repo "$repo" "$repo/$1" | sed -n 's/.*"free_now_bytes":\([0-9]*\),"lowest_free_bytes":\([0-9]*\).*/\1 \2/p' | awk '{ print $1 - $2 }'; }
sample() { rm -rf "$repo"; "$CHAINVIEW" sample --recipe coalescable-vhdx "$repo" >/dev/null; chmod 755 "$repo"; }

# --- from a recipe -------------------------------------------------------------------------------------------
repo=$work/vhdx
sample
whole=$(guest "$repo/middle.avhdx")
leaf=$(guest "$repo/leaf.avhdx")
same=$(identity base.vhdx)
before=$(allocated "$repo/base.vhdx")
cp "$repo/middle.avhdx" "$work/middle"
peak=$(needed middle.avhdx)
ends "merged" 0 coalesce middle.avhdx --yes
must "the image is in the trash, as it was" cmp "$work/middle" "$repo/.chainview/trash/"*"/0-middle.avhdx"
verdict "the leaf stands on the base" "$([ "$(parent leaf.avhdx)" = base.vhdx ]; echo $?)"
verdict "and reads what it did" "$([ "$(guest "$repo/leaf.avhdx")" = "$leaf" ]; echo $?)"
verdict "the base reads what the image did" "$([ "$(guest "$repo/base.vhdx")" = "$whole" ]; echo $?)"
verdict "and has the identity that the image knows" "$([ -n "$same" ] && [ "$(identity base.vhdx)" = "$same" ]; echo $?)"
grown=$(($(allocated "$repo/base.vhdx") - before))
verdict "it grew by what was foreseen, at most ($grown of ${peak:-?} B)" "$([ "$grown" -le "${peak:-0}" ] && [ "$((grown + (1 << 20)))" -gt "$peak" ]; echo $?)"
lacks "nothing is wrong" '^ *[EW] ' <("$CHAINVIEW" check --refs=none "$repo" 2>&1)
has "libvhdi reads the same of the base" "agrees.*100.0 %" <("$CHAINVIEW" verify "$repo/base.vhdx")
has "and of the leaf" "agrees.*100.0 %" <("$CHAINVIEW" verify "$repo/leaf.avhdx")
if needs qemu-img "the base, as QEMU reads it"; then
	must "QEMU finds no fault in the base" qemu-img check -q -f vhdx "$repo/base.vhdx"
	qemu-img convert -f vhdx -O raw "$repo/base.vhdx" "$work/base.raw"
	verdict "QEMU reads what the image had" "$([ "$(sha256sum <"$work/base.raw" | cut -d' ' -f1)" = "$whole" ]; echo $?)"
fi
ends "undone" 0 "$CHAINVIEW" undo --yes "$repo" "$(last)"
must "the image is back, as it was" cmp "$work/middle" "$repo/middle.avhdx"
verdict "the leaf stands on it" "$([ "$(parent leaf.avhdx)" = middle.avhdx ]; echo $?)"
verdict "it reads what it did" "$([ "$(guest "$repo/leaf.avhdx")" = "$leaf" ]; echo $?)"
lacks "nothing is wrong with any of them" '^ *E ' <("$CHAINVIEW" check --refs=none "$repo" 2>&1)
ends "and it can be merged again" 0 coalesce middle.avhdx --yes
verdict "with the same outcome" "$([ "$(guest "$repo/base.vhdx")" = "$whole" ] && [ "$(guest "$repo/leaf.avhdx")" = "$leaf" ]; echo $?)"

# --- refused -------------------------------------------------------------------------------------------------
sample
cp "$repo/middle.avhdx" "$work/kept"
ends "a leaf is not merged with its name" 4 coalesce leaf.avhdx --leaf --yes
has "and what else can be done is said" "its parent is a VHDX.*chainview convert" "$work/.out"
must "and its parent is not touched" cmp "$repo/middle.avhdx" "$work/kept"
# A log that waits, in one or the other; LogGuid is not zero then.
for one in base middle; do
	sample
	file=$repo/$one.vhdx
	[ -e "$file" ] || file=$repo/$one.avhdx
	cp "$file" "$work/kept"
	python3 - "$file" <<'END'
import struct, sys
def crc(b):
    c = 0xffffffff
    for x in b:
        c ^= x
        for _ in range(8): c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
    return c ^ 0xffffffff
f = open(sys.argv[1], 'r+b')
for at in (65536, 131072):
    f.seek(at); h = bytearray(f.read(4096))
    h[48:64] = b'\x11' * 16; h[4:8] = b'\0' * 4
    h[4:8] = struct.pack('<I', crc(h))
    f.seek(at); f.write(h)
END
	cp "$file" "$work/kept"
	ends "the log of the $one waits: refused" 4 coalesce middle.avhdx --yes
	has "and the way out is said" "its log has not been applied.*chainview repair" "$work/.out"
	must "and it is not touched" cmp "$file" "$work/kept"
done

# --- QCOW2 of QEMU on VHDX -----------------------------------------------------------------------------------
if needs qemu-img "images of QEMU" && needs qemu-io "images of QEMU"; then
	for kind in dynamic fixed larger; do
		repo=$work/qemu
		rm -rf "$repo"
		mkdir -p "$repo" && chmod 755 "$repo"
		cd "$repo" || exit 1
		qemu-img create -q -f vhdx -o "subformat=${kind/larger/dynamic},block_size=1M" p.vhdx 16M
		qemu-io -f vhdx -c 'write -q -P 1 0 6M' -c 'write -q -P 7 12M 1M' p.vhdx
		size=16M
		[ "$kind" = larger ] && size=21M
		qemu-img create -q -f qcow2 -b p.vhdx -F vhdx n.qcow2 "$size"
		qemu-io -c 'write -q -P 2 5M 3M' -c 'write -q -P 9 10M 512' -c 'write -q -z 1M 1M' -c 'discard -q 2M 1M' n.qcow2
		for i in 1 2; do
			qemu-img create -q -f qcow2 -b n.qcow2 -F qcow2 "g$i.qcow2"
			qemu-io -c "write -q -P $((3 + i)) ${i}M 64k" "g$i.qcow2"
			qemu-img convert -O raw "g$i.qcow2" "$work/g$i.raw"
		done
		qemu-img convert -O raw n.qcow2 "$work/n.raw"
		cd - >/dev/null || exit 1
		before=$(allocated "$repo/p.vhdx")
		peak=$(needed n.qcow2)
		ends "QCOW2 on $kind: merged" 0 coalesce n.qcow2 --yes
		grown=$(($(allocated "$repo/p.vhdx") - before))
		verdict "QCOW2 on $kind: no more space than was foreseen ($grown of ${peak:-?} B)" "$([ "$grown" -le "${peak:-0}" ]; echo $?)"
		for i in 1 2; do
			verdict "QCOW2 on $kind: g$i stands on it" "$([ "$(parent "g$i.qcow2")" = p.vhdx ]; echo $?)"
			must "QCOW2 on $kind: QEMU reads the same of g$i" qemu-img compare -q -F raw "$repo/g$i.qcow2" "$work/g$i.raw"
		done
		must "QCOW2 on $kind: QEMU reads of the parent what it read of the image" \
			qemu-img compare -q -f vhdx -F raw "$repo/p.vhdx" "$work/n.raw"
		must "QCOW2 on $kind: QEMU finds no fault in the parent" qemu-img check -q -f vhdx "$repo/p.vhdx"
		lacks "QCOW2 on $kind: nothing is wrong" '^ *E ' <("$CHAINVIEW" check --refs=none "$repo" 2>&1)
	done
fi

if needs qemu-img "a BAT that is too short"; then
	repo=$work/short
	mkdir -p "$repo" && chmod 755 "$repo"
	qemu-img create -q -f vhdx -o block_size=1M "$repo/p.vhdx" 16M
	(cd "$repo" && qemu-img create -q -f qcow2 -b p.vhdx -F vhdx n.qcow2 200G && qemu-img create -q -f qcow2 -b n.qcow2 -F qcow2 g.qcow2)
	cp "$repo/p.vhdx" "$work/kept"
	ends "a parent that cannot become so large is refused" 4 coalesce n.qcow2 --yes
	has "and the way out is said" "no room for the larger disk: chainview convert" "$work/.out"
	must "and it is not touched" cmp "$repo/p.vhdx" "$work/kept"
fi

# --- all of a repository -------------------------------------------------------------------------------------
repo=$work/all
sample
echo "$repo/leaf.avhdx" >"$work/list"
leaf=$(guest "$repo/leaf.avhdx")
ends "--all merges them" 0 "$CHAINVIEW" coalesce --all --refs="list:$work/list" "$repo" --yes
verdict "--all: the leaf stands on the base" "$([ "$(parent leaf.avhdx)" = base.vhdx ]; echo $?)"
verdict "--all: and reads what it did" "$([ "$(guest "$repo/leaf.avhdx")" = "$leaf" ]; echo $?)"

# --- killed --------------------------------------------------------------------------------------------------
leaf_reads_the_same() { echo "the leaf"; [ "$(guest "$repo/leaf.avhdx")" = "$truth" ]; }
leaf_reads_what_it_can() { [ ! -e "$repo/middle.avhdx" ] || leaf_reads_the_same; }
base_has_it() { leaf_reads_the_same || return; echo "the base"; [ -e "$repo/middle.avhdx" ] || [ "$(guest "$repo/base.vhdx")" = "$whole" ]; }
killed_on()
{
	repo=$2/repo
	killed_at_calls "$1" coalescable-vhdx "fsync fdatasync renameat2 pwrite64" leaf_reads_what_it_can base_has_it \
		"$CHAINVIEW" coalesce --refs=none --repo "$repo" "$repo/middle.avhdx" --yes
}
"$CHAINVIEW" sample --recipe coalescable-vhdx "$work/truth" >/dev/null
truth=$(guest "$work/truth/leaf.avhdx")
whole=$(guest "$work/truth/middle.avhdx")
kills_everywhere killed_on
finish
