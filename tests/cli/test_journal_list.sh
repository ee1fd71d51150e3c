#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# The list of the journal: columns as wide as what is in them, and each operation by the name that it was begun with.
set -u
. "$(dirname "$0")/../support/lib.sh"
needs qemu-img "images are made by it" || finish
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=/dev/null

mkdir "$work/repo"
qemu-img create -q -f qcow2 "$work/repo/base.qcow2" 4M
qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 "$work/repo/leaf.qcow2"
cp "$work/repo/base.qcow2" "$work/repo/copy.qcow2"
must "a leaf gets another parent" "$CHAINVIEW" rebase --refs=none -q --yes "$work/repo/leaf.qcow2" --onto "$work/repo/copy.qcow2"
must "and then none" "$CHAINVIEW" rebase --refs=none -q --yes --flatten "$work/repo/leaf.qcow2"
must "the list is written" "$CHAINVIEW" journal "$work/repo"
"$CHAINVIEW" journal "$work/repo" >"$work/list"
has "a rebase is one" 'Z  rebase   done' "$work/list"
has "flattening is called so" 'Z  flatten  done' "$work/list"
"$CHAINVIEW" journal --json "$work/repo" >"$work/json"
verdict "both are the same operation for programs" "$([ "$(grep -c '"operation": *"rebase"' "$work/json")" -eq 2 ]; echo $?)"

must "a tree is converted" "$CHAINVIEW" convert --refs=none -q --yes --tree --to vhd "$work/repo" "$work/new"
must "the list of the new one is written" "$CHAINVIEW" journal "$work/new"
"$CHAINVIEW" journal "$work/new" >"$work/list"
has "a longer word has its place" 'Z  convert-tree done ' "$work/list"
heading=$(grep -bo 'STATE' <(head -1 "$work/list") | cut -d: -f1)
entry=$(grep -bo ' done ' <(sed -n 2p "$work/list") | cut -d: -f1)
verdict "and what follows stands below its heading" "$([ -n "$heading" ] && [ "$heading" -eq $((entry + 1)) ]; echo $?)"
finish
