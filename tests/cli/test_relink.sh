#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# repair of links: whole repositories that were moved, renamed and nested anew, of every format, are put together again by one
# repair where there is evidence; wrong parents, twins and what lies in the trash are never taken without a word.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_CONFIG= CHAINVIEW_STATE_DIR=$work/state LC_ALL=C.UTF-8

io() { qemu-io -f "$1" "${@:3}" "$2" >/dev/null; }
sums() { (cd "$1" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
# guest REPO IMAGE...: what a guest reads of each
guest() { for i in "${@:2}"; do "$CHAINVIEW" verify --reader=own --refs=none --repo "$1" --json "$i" 2>/dev/null | grep -o '"sha256":"[0-9a-f]*"'; done; }
check() { "$CHAINVIEW" check -q --refs=none --space-reserve=0 "$@" >"$work/out" 2>&1; }
repair() { "$CHAINVIEW" repair --refs=none "$@" >"$work/out" 2>&1; }
names() { "$CHAINVIEW" check --json --refs=none "$1" 2>/dev/null | grep -o '"name":"parent-[a-z-]*"' | grep -v newer | sort -u | cut -d'"' -f4 | paste -sd' '; }
last() { "$CHAINVIEW" journal "$1" 2>/dev/null | awk 'END { print $1 }'; }

# --- all formats in one repository, nested anew ------------------------------------------------------------------
old=$work/old
mkdir -p "$old"
"$CHAINVIEW" sample --recipe coalescable "$old/vhd" >/dev/null
"$CHAINVIEW" sample --recipe healthy-vhdx "$old/vhdx" >/dev/null
mkdir "$old/qcow2" "$old/absolute"
qemu-img create -q -f qcow2 "$old/qcow2/base.qcow2" 64M
io qcow2 "$old/qcow2/base.qcow2" -c 'write -P 1 0 4M' -c 'write -P 2 20M 1M'
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$old/qcow2/mid.qcow2"
io qcow2 "$old/qcow2/mid.qcow2" -c 'write -P 3 2M 1M'
qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 "$old/qcow2/top.qcow2"
io qcow2 "$old/qcow2/top.qcow2" -c 'write -P 4 30M 64k'
for n in 1 2; do
	truncate -s 16M "$old/absolute/disk$n.raw"
	io raw "$old/absolute/disk$n.raw" -c "write -P $n 1M 2M" -c "write -P 7$n 9M 64k"
	qemu-img create -q -f qcow2 -b "$old/absolute/disk$n.raw" -F raw "$old/absolute/on$n.qcow2"
done
check "$old"
verdict "the repository is whole before (parents: $(names "$old"))" "$([ -z "$(names "$old")" ]; echo $?)"
guest "$old" "$old"/vhd/leaf.vhd "$old"/vhdx/checkpoint.avhdx "$old"/qcow2/top.qcow2 "$old"/absolute/on1.qcow2 "$old"/absolute/on2.qcow2 >"$work/whole"
verdict "five disks are read before" "$([ "$(wc -l <"$work/whole")" -eq 5 ]; echo $?)"

new=$work/elsewhere/new
mkdir -p "$new/bases/deep" "$new/tops"
mv "$old/vhd/base.vhd" "$new/bases/renamed base.vhd"
mv "$old/vhd/middle.vhd" "$new/bases/deep/m.vhd"
mv "$old/vhd/leaf.vhd" "$new/tops/"
mv "$old/vhdx/base.vhdx" "$new/bases/b.vhdx"
mv "$old/vhdx/checkpoint.avhdx" "$new/tops/"
mv "$old/qcow2/base.qcow2" "$new/bases/any.qcow2"
mv "$old/qcow2/mid.qcow2" "$old/qcow2/top.qcow2" "$new/tops/"
mv "$old/absolute/disk1.raw" "$new/bases/deep/two.raw"
mv "$old/absolute/disk2.raw" "$new/bases/deep/one.raw"
mv "$old"/absolute/on?.qcow2 "$new/tops/"
rm -rf "$old"
sums "$new" >"$work/broken"
leaves=("$new/tops/leaf.vhd" "$new/tops/checkpoint.avhdx" "$new/tops/top.qcow2" "$new/tops/on1.qcow2" "$new/tops/on2.qcow2")

verdict "check finds the broken links" "$([ "$(names "$new")" = "parent-missing parent-outside-repository parent-path-stale" ]; echo $?)"
repair -n "$new"
has "-n shows the plan" 'plan: repair 6 images' "$work/out"
verdict "and writes nothing" "$(sums "$new" | cmp -s - "$work/broken"; echo $?)"
repair -p "$new"
has "-p repairs what an identity proves: three links" 'repaired 3 images' "$work/out"
guest "$new" "${leaves[@]:0:2}" >"$work/now"
verdict "which reads as before then" "$(head -2 "$work/whole" | cmp -s - "$work/now"; echo $?)"
verdict "and leaves the others as they were" "$(for i in mid top on1 on2; do grep "tops/$i.qcow2" "$work/broken"; done | (cd "$new" && sha256sum -c --quiet) >&2; echo $?)"
repair -y "$new"
has "-y also what the fingerprints tell: three more" 'repaired 3 images' "$work/out"
guest "$new" "${leaves[@]}" >"$work/now"
verdict "all five read as before the move" "$(cmp -s "$work/whole" "$work/now"; echo $?)"
verdict "no link is broken any more ($(names "$new"))" "$([ -z "$(names "$new")" ]; echo $?)"
repair -y "$new"
has "a second repair has nothing to do" 'nothing here can be repaired|^plan: repair 0 images|nothing' "$work/out"
verdict "and no operation more" "$([ "$(find "$new/.chainview" -name '*.cvj' | wc -l)" -eq 2 ]; echo $?)"
for id in $("$CHAINVIEW" journal "$new" 2>/dev/null | awk 'NR > 1 { print $1 }' | tac); do
	must "operation $id is undone" "$CHAINVIEW" undo --yes --refs=none "$new" "$id"
done
verdict "then the bytes are those of before" "$(sums "$new" | cmp -s - "$work/broken"; echo $?)"

# --- in one go, relative names stay relative: moved once more, it is whole ------------------------------------------
repair -y "$new"
has "one repair does all of it" 'repaired 6 images' "$work/out"
mv "$new" "$work/again"
verdict "as a whole it can be moved then, but for absolute names, which stay so" "$([ "$(names "$work/again")" = parent-outside-repository ]; echo $?)"
repair -y "$work/again"
has "these are known by their content again" 'repaired 2 images' "$work/out"

# --- wrong parents -----------------------------------------------------------------------------------------------
wrong=$work/wrong
mkdir -p "$wrong/a" "$wrong/b"
for d in a b; do
	qemu-img create -q -f qcow2 "$wrong/$d/base.qcow2" 16M
	io qcow2 "$wrong/$d/base.qcow2" -c "write -P 0x$d$d 0 1M"
done
qemu-img create -q -f qcow2 -b a/base.qcow2 -F qcow2 "$wrong/top.qcow2"
mkdir "$wrong/x" "$wrong/y"
mv "$wrong/a/base.qcow2" "$wrong/x/" && mv "$wrong/b/base.qcow2" "$wrong/y/"
sums "$wrong" >"$work/before"
for how in -p -y; do
	repair $how "$wrong"
	has "two of the same name and size: $how refuses" 'as much speaks for x/base.qcow2 as for y/base.qcow2' "$work/out"
done
verdict "and nothing is touched" "$(sums "$wrong" | cmp -s - "$work/before"; echo $?)"
rm "$wrong/x/base.qcow2"
sums "$wrong" >"$work/before"
repair -p "$wrong"
verdict "the only one of the name is not taken by -p" "$(sums "$wrong" | cmp -s - "$work/before"; echo $?)"

outside=$work/outside
mkdir -p "$outside/repo/x" "$outside/bases"
qemu-img create -q -f qcow2 "$outside/bases/base.qcow2" 16M
qemu-img create -q -f qcow2 -b "$outside/bases/base.qcow2" -F qcow2 "$outside/repo/top.qcow2"
cp "$outside/bases/base.qcow2" "$outside/repo/x/"
sums "$outside/repo" >"$work/before"
repair -y "$outside/repo"
has "a parent outside may be whole: one of its name here is not taken" 'may be whole: --with looks there' "$work/out"
verdict "and nothing is touched then" "$(sums "$outside/repo" | cmp -s - "$work/before"; echo $?)"

twins=$work/twins
"$CHAINVIEW" sample --recipe coalescable "$twins" >/dev/null
mkdir "$twins/x" && cp "$twins/base.vhd" "$twins/x/one.vhd" && mv "$twins/base.vhd" "$twins/x/two.vhd"
sums "$twins" >"$work/before"
repair -y "$twins"
has "twins of one identity are refused" '2 images have the recorded identity' "$work/out"
verdict "with all bytes as they were" "$(sums "$twins" | cmp -s - "$work/before"; echo $?)"

# --- the trash, and places that are only searched ------------------------------------------------------------------
"$CHAINVIEW" sample --recipe coalescable "$work/pair" >/dev/null
(umask 077; mkdir -p "$work/pair/.chainview/trash/00000000-0000-4000-8000-000000000000")
mv "$work/pair/base.vhd" "$work/pair/.chainview/trash/00000000-0000-4000-8000-000000000000/0-base.vhd"
sums "$work/pair" >"$work/before"
repair -y "$work/pair"
has "what lies in the trash is not linked to, but named" 'lies in the trash: chainview trash restore brings it back' "$work/out"
mkdir "$work/aside" && mv "$work/pair/.chainview/trash/00000000-0000-4000-8000-000000000000/0-base.vhd" "$work/aside/base.vhd"
repair -y --search "$work/aside" "$work/pair"
has "nor is what was only searched" 'only searched: --with takes it for a repository' "$work/out"
verdict "and the bytes are as they were" "$(sums "$work/pair" | cmp -s - "$work/before"; echo $?)"
repair -y --with "$work/aside" "$work/pair"
has "with --with it is linked to" 'repaired 1 image' "$work/out"
"$CHAINVIEW" check --json --refs=none --with "$work/aside" "$work/pair" 2>/dev/null >"$work/json"
lacks "and found there" 'parent-(missing|path-stale)' "$work/json"

# --- a base that was replaced ---------------------------------------------------------------------------------------
base=$work/replaced
mkdir "$base"
qemu-img create -q -f qcow2 "$base/base.qcow2" 16M
io qcow2 "$base/base.qcow2" -c 'write -P 5 0 1M'
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$base/top.qcow2"
check "$base"
mkdir "$base/new" && mv "$base/base.qcow2" "$base/new/was.qcow2"
qemu-img create -q -f qcow2 "$base/new/base.qcow2" 16M
io qcow2 "$base/new/base.qcow2" -c 'write -P 6 0 1M'
repair -y "$base"
has "the right one is known by its content, whatever the names say" 'new/was.qcow2 holds what the fingerprint says' "$work/out"
verdict "and linked to" "$("$CHAINVIEW" info --json --refs=none "$base/top.qcow2" | tr -d ' \n' | grep -q '"parent":{"status":"found","id":"new/was.qcow2"'; echo $?)"
finish
