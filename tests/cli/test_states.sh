#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Everything that a parent can be but well: each gives its own clear state, in bounded time, and hides nothing else.
set -u
. "$(dirname "$0")/../support/lib.sh"

repo=$work/repo
mkdir -p "$repo" "$work/elsewhere"
overlay() { qemu-img create -q -u -f qcow2 -b "$2" -F "${3:-qcow2}" "$repo/$1" 1M; }
qemu-img create -q -f qcow2 "$repo/base.qcow2" 1M
qemu-img create -q -f qcow2 "$work/elsewhere/base.qcow2" 1M
overlay good.qcow2 base.qcow2
overlay self.qcow2 self.qcow2
overlay loop-a.qcow2 loop-b.qcow2
overlay loop-b.qcow2 loop-c.qcow2
overlay loop-c.qcow2 loop-a.qcow2
overlay above-loop.qcow2 loop-a.qcow2
overlay lost.qcow2 gone.qcow2
overlay outside.qcow2 ../elsewhere/base.qcow2
overlay json.qcow2 'json:{"driver":"null-co"}'
overlay nbd.qcow2 nbd://127.0.0.1:1/x
overlay on-fifo.qcow2 pipe raw
overlay on-device.qcow2 /dev/null raw
overlay on-folder.qcow2 folder raw
overlay on-broken.qcow2 broken.qcow2
overlay twin-parent.qcow2 twin-b.qcow2
mkfifo "$repo/pipe"
mkdir "$repo/folder"
qemu-img create -q -f qcow2 "$repo/twin-a.qcow2" 1M
ln "$repo/twin-a.qcow2" "$repo/twin-b.qcow2"
head -c 60 "$repo/base.qcow2" >"$repo/truncated.qcow2"
: >"$repo/empty.qcow2"
head -c 100000 /dev/urandom >"$repo/broken.qcow2"
mkdir "$repo/closed"
qemu-img create -q -f qcow2 "$repo/closed/hidden.qcow2" 1M
chmod 0 "$repo/closed"

flat tree "$repo" >"$work/tree"
status_of() { has "$1 is $2" "\"id\":\"$1\"[^{]*\"parent\":\{\"status\":\"$2\"" "$work/tree"; }
status_of good.qcow2 found
status_of base.qcow2 none
status_of self.qcow2 cycle
status_of loop-a.qcow2 cycle
status_of loop-b.qcow2 cycle
status_of loop-c.qcow2 cycle
status_of above-loop.qcow2 found
status_of lost.qcow2 missing
status_of outside.qcow2 outside
status_of json.qcow2 external
status_of nbd.qcow2 external
status_of on-fifo.qcow2 missing
status_of on-device.qcow2 outside
status_of on-folder.qcow2 missing
status_of on-broken.qcow2 unreadable
status_of twin-parent.qcow2 found
verdict "hard-link twins are one node" "$([ "$(grep -o '"id":"twin-[ab].qcow2","path"' "$work/tree" | wc -l)" -eq 1 ]; echo $?)"

# 8: the tables of what is cut short or no image could not be looked at.
ends "check finds errors and warnings" 76 "$CHAINVIEW" check --refs=none "$repo"
cp "$work/.out" "$work/check"
as_nobody=
if [ "$(id -u)" -eq 0 ]; then # root may look into every folder
	chmod 755 "$work"
	as_nobody="env HOME=$work setpriv --reuid=65534 --regid=65534 --clear-groups"
fi
cp "$CHAINVIEW" "$work/chainview"
# shellcheck disable=SC2086 # words
ends "a folder without permission sets the bit of what could not be looked at" 76 $as_nobody "$work/chainview" check --refs=none "$repo"
has "and is named" 'closed.*Permission denied' "$work/.out"
has "and hides nothing else" 'parent-cycle' "$work/.out"
for finding in parent-cycle parent-missing parent-outside-repository parent-external image-unreadable image-truncated; do
	has "$finding is found" "$finding" "$work/check"
done
has "the FIFO is called a FIFO" 'FIFO' "$work/check"
has "the empty file is called empty" 'empty\.qcow2.*empty|is empty' "$work/check"

start=$SECONDS
for image in self loop-a above-loop lost json on-fifo truncated empty broken twin-a; do
	must "info says something of $image" "$CHAINVIEW" info --repo "$repo" "$repo/$image.qcow2"
done
verdict "all of that takes less than 20 s" "$([ $((SECONDS - start)) -lt 20 ]; echo $?)"
finish
