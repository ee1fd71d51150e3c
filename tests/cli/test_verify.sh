#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# chainview verify: digests against qemu-img and sha256sum, two images, exit statuses, JSON, progress, Ctrl-C.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/lib.sh"
case $CHAINVIEW in /*) ;; *) CHAINVIEW=$PWD/$CHAINVIEW ;; esac
export HOME="$work/home" LC_ALL=C.UTF-8
mkdir -p "$HOME"
if ! command -v qemu-img >/dev/null || ! command -v qemu-io >/dev/null; then
	skip "all tests of verify" "no qemu-img"
	finish
fi
cd "$work"
mkdir r && cd r
qemu-img create -q -f qcow2 base.qcow2 24M
qemu-io -f qcow2 -c 'write -P 1 0 5M' -c 'write -P 2 20M 100k' base.qcow2 >/dev/null
qemu-img create -q -f qcow2 -o cluster_size=4k -b base.qcow2 -F qcow2 top.qcow2
qemu-io -f qcow2 -c 'write -P 7 1M 300k' -c 'write -P 9 13M 5k' top.qcow2 >/dev/null
qemu-img convert -O raw top.qcow2 top.raw
qemu-img convert -O vpc -o force_size=on top.qcow2 dynamic.vhd
qemu-img convert -O vpc -o force_size=on,subformat=fixed top.qcow2 fixed.vhd
qemu-img convert -O vhdx top.qcow2 dynamic.vhdx
qemu-img convert -O qcow top.qcow2 old.qcow
qemu-img convert -c -O qcow2 -o compression_type=zstd top.qcow2 zstd.qcow2
cp top.raw longer.raw && truncate -s 30M longer.raw
cp base.qcow2 gone.qcow2
qemu-img create -q -f qcow2 -b gone.qcow2 -F qcow2 lost.qcow2
rm gone.qcow2
sum=$(sha256sum <top.raw | cut -d' ' -f1)

digest() { flat verify "$@" | grep -oE '"sha256":"[0-9a-f]*"' | cut -d'"' -f4; }
says() { flat verify "$@" | grep -oE '"verdict":"[a-z]*"' | cut -d'"' -f4; }
is() { if [ "$2" = "$3" ]; then verdict "$1" 0; else echo "# '$2' is not '$3'"; verdict "$1" 1; fi; }

for image in top.qcow2 dynamic.vhd fixed.vhd dynamic.vhdx old.qcow zstd.qcow2 top.raw; do
	is "the digest of $image is that of qemu-img" "$(digest $image)" "$sum"
done
for image in top.qcow2 dynamic.vhd fixed.vhd dynamic.vhdx old.qcow; do
	is "the second reader agrees on $image" "$(says $image)" agree
done
is "raw has no second reader" "$(says top.raw)" skipped
is "zstd is not compared" "$(says zstd.qcow2)" skipped
is "--reader=own asks nobody else" "$(says --reader=own top.qcow2)" skipped
is "all of it was compared" "$(flat verify top.qcow2 | grep -oE '"compared_bytes":[0-9]*')" '"compared_bytes":25165824'

ends "one image ends with 0" 0 "$CHAINVIEW" verify top.qcow2
"$CHAINVIEW" verify top.qcow2 >out
has "the text has the digest" "SHA-256 +$sum" out
has "the text has the verdict and the share" 'libqcow agrees; compared: 100\.0 %' out
"$CHAINVIEW" verify zstd.qcow2 >out
has "the text has the reason" 'not compared: 24 MiB .*zstd' out

ends "equal images of two formats end with 0" 0 "$CHAINVIEW" verify top.qcow2 dynamic.vhdx
is "equal is said" "$(flat verify top.qcow2 top.raw --reader=own | grep -oE '"equal":[a-z]*')" '"equal":true'
ends "different images end with 1" 1 "$CHAINVIEW" verify base.qcow2 top.qcow2
"$CHAINVIEW" verify --reader=own base.qcow2 top.qcow2 >out || true
has "the first difference is said" 'first difference is at guest offset 1048576' out
ends "a longer image with zeros is not equal" 1 "$CHAINVIEW" verify top.raw longer.raw
"$CHAINVIEW" verify --reader=own longer.raw top.qcow2 >out || true
has "that only zeros follow is said" 'same content, .* zeros from 25165824 on' out
is "and is in the JSON" "$(flat verify top.raw longer.raw --reader=own | grep -oE '"comparison":[^}]*}')" \
	'"comparison":{"same_content":true,"first_difference":25165824}'
ends "an image with itself is equal" 0 "$CHAINVIEW" verify top.qcow2 top.qcow2

ends "a chain that is not complete ends with 8" 8 "$CHAINVIEW" verify lost.qcow2
"$CHAINVIEW" verify lost.qcow2 >out 2>&1 || true
has "and says why" 'chain is not complete' out
"$CHAINVIEW" verify --json lost.qcow2 >out 2>&1 || true
has "all of its disk is what was not checked" '"not_checked":\[\{"reason":"[^"]+","bytes":[1-9][0-9]+\}\]' out
ends "no image is a usage error" 16 "$CHAINVIEW" verify
ends "three images are a usage error" 16 "$CHAINVIEW" verify top.raw top.raw top.raw
ends "an unknown reader is a usage error" 16 "$CHAINVIEW" verify --reader=other top.raw
ends "an image that is not there ends with 8" 8 "$CHAINVIEW" verify ./nothing.vhd
ends "-q is silent about good news" 0 sh -c 'test -z "$("$0" verify -q top.qcow2)"' "$CHAINVIEW"

# One copy of the header is enough for the specification and for us; libvhdi is shown the good one twice.
cp dynamic.vhdx half.vhdx
dd if=/dev/zero of=half.vhdx bs=64K seek=1 count=1 conv=notrunc status=none
ends "a VHDX with one good header ends with 0" 0 "$CHAINVIEW" verify half.vhdx
is "and the second reader agrees" "$(says half.vhdx)" agree

# A damaged table entry: our own reader cannot go on, and says where.
cp base.qcow2 bad.qcow2
l2=262144 # clusters of 64 KiB: header, refcount table and block, L1, L2
printf '\200\377\377\377\377\377\000\000' | dd of=bad.qcow2 bs=1 seek="$l2" conv=notrunc status=none
ends "an unreadable image ends with 8" 8 "$CHAINVIEW" verify bad.qcow2

# Long enough to be interrupted: nothing but zeros, which take their time too.
truncate -s 400G huge.raw
status=0
"$CHAINVIEW" verify --progress=always huge.raw >out 2>err &
pid=$!
sleep 3
kill -INT $pid
wait $pid || status=$?
is "Ctrl-C ends with 32" "$status" 32
has "progress has bytes, rate and time left" 'verifying: .*[MG] of 400G, .*/s, [0-9]+ (s|min|h [0-9]+ min) left' err
is "nothing is left running" "$(pgrep -fc -- "^$CHAINVIEW verify --progress=always huge.raw")" 0
finish
