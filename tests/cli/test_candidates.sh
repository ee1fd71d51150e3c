#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Lost parents: info lists who could be it, in repositories that were moved, renamed and nested anew; twins, copies and the
# trash are never more than that; fingerprints recognise what has no identity, and notice what is not the same any more.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_CONFIG= CHAINVIEW_STATE_DIR=$work/state LC_ALL=C.UTF-8

io() { qemu-io -f "$1" "${@:3}" "$2" >/dev/null; }
# lost IMAGE [OPTION...]: what info says of candidates, in $work/out
lost() { "$CHAINVIEW" info --refs=none "${@:2}" "$1" 2>"$work/err" | sed -n '/^Candidates/,$p' >"$work/out"; }
# says WHAT "VERDICT: TEXT": the line of the verdict
says() { has "$1" "^  $2" "$work/out"; }
# of WHAT IMAGE EXPRESSION: a Python expression about the JSON object l of the image
of()
{
	must "$1" python3 - "$work/json" "$3" <<'PY'
import json, sys
l = json.load(open(sys.argv[1]))["lost_parents"][0]
assert eval(sys.argv[2]), l
PY
}
json() { "$CHAINVIEW" info --json --refs=none "$@" >"$work/json"; }

# --- VHD: identities --------------------------------------------------------------------------------------
vhd=$work/vhd
must "a VHD chain is made" "$CHAINVIEW" sample --recipe coalescable "$vhd"
lost "$vhd/leaf.vhd"
verdict "a whole link has no candidates" "$([ ! -s "$work/out" ]; echo $?)"
json "$vhd/leaf.vhd"
lacks "nor in JSON" lost_parents "$work/json"
mkdir -p "$vhd/deep/er"
mv "$vhd/base.vhd" "$vhd/deep/er/renamed.vhd"
lost "$vhd/middle.vhd"
says "a moved and renamed base is found by its identity" 'found: deep/er/renamed.vhd is the only image with the recorded identity, and nothing'
cp "$vhd/deep/er/renamed.vhd" "$vhd/deep/copy.vhd"
lost "$vhd/middle.vhd"
says "a copy of it makes that undecided" 'undecided: 2 images have the recorded identity'
has "that they hold the same, as far as was compared, is said" 'samples are the same in all of this identity' "$work/out"
json "$vhd/middle.vhd"
of "in JSON, too" middle.vhd 'l["verdict"] == "tie" and l["name"] == "parent-ambiguous" and len(l["candidates"]) == 2'
mv "$vhd/deep/copy.vhd" "$work/copy.vhd"
mkdir "$work/elsewhere" && mv "$work/copy.vhd" "$work/elsewhere/"
lost "$vhd/middle.vhd" --search "$work/elsewhere"
says "so does one in a place that is searched" 'undecided: 2 images'
has "which is said of it" 'lies in a place that was only searched' "$work/out"
mv "$vhd/deep/er/renamed.vhd" "$work/away.vhd"
lost "$vhd/middle.vhd" --search "$work/elsewhere"
says "the only one in such a place is no more than a proposal" 'perhaps: .*/elsewhere/copy.vhd is the only one .* lies outside'
lost "$vhd/middle.vhd"
says "nobody looks there unasked" 'not found: '
ends "a place that is not there is an error" 8 "$CHAINVIEW" info --refs=none --search "$work/no" "$vhd/middle.vhd"
has "that names it" "cannot search $work/no: No such file" "$work/.out"
ends "a place without a name is wrong" 16 "$CHAINVIEW" info --search= "$vhd/middle.vhd"
mv "$work/away.vhd" "$vhd/base.vhd"

# The trash, as gc leaves it: a name with a number before it.
mkdir -p "$vhd/.chainview/trash/op"
cp "$vhd/base.vhd" "$vhd/.chainview/trash/op/0-base.vhd"
mv "$vhd/base.vhd" "$vhd/new.vhd"
lost "$vhd/middle.vhd"
says "a twin in the trash makes it undecided" 'undecided: 2 images have the recorded identity'
has "and is said to lie there" 'it lies in the trash' "$work/out"
rm "$vhd/new.vhd"
lost "$vhd/middle.vhd"
says "the trash alone is a proposal to restore" 'perhaps: .*/0-base.vhd is the only one .* lies in the trash \(chainview trash restore\)'
rm -r "$vhd/.chainview/trash/op"
mv "$vhd/.chainview" "$work/own" && ln -s "$work/elsewhere" "$vhd/.chainview" && mkdir "$work/elsewhere/trash" && cp "$work/elsewhere/copy.vhd" "$work/elsewhere/trash"
lost "$vhd/middle.vhd"
says "a link in its place is not followed" 'not found: '
rm "$vhd/.chainview"

# --- VHD: what the fingerprint says of twins ----------------------------------------------------------------
twins=$work/twins
"$CHAINVIEW" sample --recipe coalescable "$twins" >/dev/null 2>&1
"$CHAINVIEW" check -q --refs=none --space-reserve=0 "$twins" >/dev/null
mkdir "$twins/old"
mv "$twins/base.vhd" "$twins/old/x.vhd"
cp "$twins/old/x.vhd" "$twins/old/a.vhd"
python3 - "$twins/old/a.vhd" <<'PY'
import struct, sys
with open(sys.argv[1], "r+b") as f:
    f.seek(512 + 16); table = struct.unpack(">Q", f.read(8))[0]
    f.seek(512 + 28); count = struct.unpack(">I", f.read(4))[0]
    f.seek(table)
    for i, block in enumerate(struct.unpack(">%dI" % count, f.read(4 * count))):
        if block != 0xffffffff:
            f.seek((block + 1) * 512)
            f.write(b"\xa5" * (2 << 20))
PY
lost "$twins/middle.vhd"
says "a stale twin is told from the right one by the fingerprint, and is asked about" 'perhaps: old/x.vhd is the only one .* that can be it; others have it, too'
has "the stale one is ruled out" 'cannot be it' "$work/out"
mv "$twins/old/x.vhd" "$work/x.vhd"
lost "$twins/middle.vhd"
says "the only one with the identity, changed meanwhile, is not taken" 'not found: something speaks against each'
has "and is said to differ" 'samples recorded .* while the chain was whole differ in it' "$work/out"
mv "$work/x.vhd" "$twins/old/x.vhd" && rm "$twins/old/a.vhd"
mv "$twins" "$work/twins-moved"
lost "$work/twins-moved/middle.vhd"
says "a whole repository elsewhere: the fingerprint is that of the identity" 'found: old/x.vhd is .* holds what it held while the chain was whole'

# --- QCOW2: names and fingerprints ---------------------------------------------------------------------------
repo=$work/qcow2
mkdir -p "$repo/a" "$repo/b"
for d in a b; do
	qemu-img create -q -f qcow2 "$repo/$d/base.qcow2" 64M
	io qcow2 "$repo/$d/base.qcow2" -c "write -P 0x$d$d 0 4M" -c 'write -P 7 20M 1M'
done
qemu-img create -q -f qcow2 "$repo/zero.qcow2" 64M
qemu-img create -q -f qcow2 -b "$repo/a/base.qcow2" -F qcow2 "$repo/top.qcow2"
io qcow2 "$repo/top.qcow2" -c 'write -P 9 3M 64k'
cp -a "$repo" "$work/moved" && mv "$repo" "$work/gone" && mkdir "$repo"
mv "$work/moved/a/base.qcow2" "$work/moved/b/base1" && mv "$work/moved/b/base.qcow2" "$work/moved/a/base2"
mkdir "$work/moved/x" "$work/moved/y"
mv "$work/moved/b/base1" "$work/moved/x/base.qcow2" && mv "$work/moved/a/base2" "$work/moved/y/base.qcow2"
lost "$work/moved/top.qcow2"
says "two of the recorded name and size are undecided" 'undecided: as much speaks for x/base.qcow2 as for y/base.qcow2'
rm -r "$repo" && mv "$work/gone" "$repo"
"$CHAINVIEW" check -q --refs=none --space-reserve=0 "$repo" >/dev/null
mv "$repo" "$work/gone"
lost "$work/moved/top.qcow2"
says "the fingerprint tells them apart, wherever they are now" 'perhaps: x/base.qcow2 holds what the fingerprint says; no identity proves it'
mv "$work/moved/x/base.qcow2" "$work/moved/y/any-name.qcow2"
lost "$work/moved/top.qcow2"
says "and under any name" 'perhaps: y/any-name.qcow2 holds what the fingerprint says'
json "$work/moved/top.qcow2"
of "the wrong one has a lower score than nothing" top.qcow2 'l["verdict"] == "asks" and all(c["score"] < 40 for c in l["candidates"][1:])'
rm "$work/moved/y/any-name.qcow2"
lost "$work/moved/top.qcow2"
says "without it the other is not taken for it" 'not found: '
ends "info itself ends as it did" 0 "$CHAINVIEW" info --refs=none "$work/moved/top.qcow2"
CHAINVIEW_STATE_DIR='' "$CHAINVIEW" info --refs=none "$work/moved/top.qcow2" >"$work/out"
has "without fingerprints the name is all there is" 'perhaps: y/base.qcow2 has most for it' "$work/out"

# --- VHDX ------------------------------------------------------------------------------------------------------
vhdx=$work/vhdx
must "a VHDX and its checkpoint are made" "$CHAINVIEW" sample --recipe healthy-vhdx "$vhdx"
mkdir "$vhdx/new" && mv "$vhdx/base.vhdx" "$vhdx/new/other name.vhdx"
lost "$vhdx/checkpoint.avhdx"
says "a VHDX parent is found by its identity" 'found: new/other name.vhdx is the only image with the recorded identity'

# --- the page ----------------------------------------------------------------------------------------------------
many=$work/many
mkdir "$many"
for i in $(seq 9); do mkdir "$many/$i"; qemu-img create -q -f qcow2 "$many/$i/base.qcow2" 1M; done
qemu-img create -q -f qcow2 -u -b base.qcow2 -F qcow2 "$many/top.qcow2" 1M
lost "$many/top.qcow2"
has "the first few are shown" 'and 4 more \(-v lists them\)' "$work/out"
lost "$many/top.qcow2" -v
has "all of them with -v" '  9  9/base.qcow2' "$work/out"
finish
