#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Merging from the console, on a real terminal and real images: the plan, the depth map as it would be, nothing without
# the very name, and guests that read what they did; what cannot be merged is refused with its reason.
set -u
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/tmux.sh"
export CHAINVIEW_STATE_DIR=$work/state

# base.vhd - middle.vhd - leaf.vhd
repo=$work/repo
"$CHAINVIEW" sample --recipe coalescable "$repo" >/dev/null && chmod 755 "$repo"
console="'$CHAINVIEW' --refs=none '$repo'"
sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
same() { sums >"$work/after"; must "$1" cmp "$work/before" "$work/after"; }
guest() { "$CHAINVIEW" verify --reader=own --json "$@" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
find_row() { keys /; types "$1"; keys Enter; shows "$1 is found" "1 of 1"; }
allow() { keys W; shows "writing is asked for" 'y/n'; keys y; shows "and allowed" '[WRITING]'; }

sums >"$work/before"
leaf=$(guest "$repo/leaf.vhd")
cp "$repo/middle.vhd" "$work/middle.vhd"
begin 80 24 LC_ALL=C.UTF-8
shows "the trees are shown" 'leaf.vhd'
find_row leaf.vhd
keys M
shows "a leaf is merged with its name" 'coalesce the leaf leaf.vhd into middle.vhd in'
shows "which its parent gets" ' rename'
keys w
shows "also in the depth map" 'merging leaf.vhd into middle.vhd'
keys q
shows "and back at its plan" 'coalesce the leaf leaf.vhd into middle.vhd in'
keys q
find_row base.vhd
keys M
shows "what has no parent is refused" 'refused: '
shows "with the reason" 'base.vhd'
keys Y
shows "and cannot be confirmed" 'the plan is refused'
keys w
shows "nor shown in the map" 'there is nothing to show'
keys q
find_row middle.vhd
keys M
shows "the plan is shown" 'coalesce middle.vhd into base.vhd in'
shows "with the merge" ' 1 merge'
shows "the children" 'relink'
shows "and the arithmetic of space" 'lowest during the run'
shows "and how deep the leaf reads, now and then" 'leaf.vhd: mean depth of its reads '
keys w
shows "the depth map as it would be" 'merging middle.vhd into base.vhd'
keys w
shows "as it is" 'as it is now'
keys q
shows "back at the plan" 'coalesce middle.vhd into base.vhd in'
keys Y
shows "a read-only console does nothing" 'this console is read-only'
allow
confirm middle.vh
shows "another name is no consent" 'that is another name: nothing was done'
exec 9<"$repo/leaf.vhd"
confirm middle.vhd
shows "a child that somebody has open is refused" 'leaf.vhd is in use'
exec 9<&-
same "and nothing was done"
verdict "the journal has nothing of it" "$([ -z "$("$CHAINVIEW" journal "$repo" | grep ' done ')" ]; echo $?)"
keys q
shows "the plan is made anew" 'coalesce middle.vhd into base.vhd in'
keys q
find_row leaf.vhd
keys d
shows "the map of the leaf" 'depth map: leaf.vhd'
shows "is read" '0 leaf.vhd'
keys w
shows "with the merge" 'merging middle.vhd into base.vhd'
keys M
shows "M plans the merge that is shown" 'coalesce middle.vhd into base.vhd in'
shows "and has it" ' 1 merge'
confirm middle.vhd
shows "the very name does it" 'middle.vhd is merged into base.vhd'
verdict "the image is gone" "$([ ! -e "$repo/middle.vhd" ]; echo $?)"
must "to the trash, as it was" cmp "$work/middle.vhd" "$repo/.chainview/trash/"*"/0-middle.vhd"
verdict "the leaf reads what it did" "$([ "$(guest "$repo/leaf.vhd")" = "$leaf" ]; echo $?)"
keys J
shows "the journal shows it" 'coalesce done'
keys Enter
shows "with what it was about" 'middle.vhd  '
keys q
keys t
shows "the tree is read again" '2 images'
find_row leaf.vhd
keys M
shows "now the leaf" 'coalesce the leaf leaf.vhd into base.vhd in'
confirm leaf.vhd
shows "gets merged by its very name" 'leaf.vhd is merged into base.vhd'
verdict "its parent has that name" "$([ ! -e "$repo/base.vhd" ]; echo $?)"
verdict "and reads what it did" "$([ "$(guest "$repo/leaf.vhd")" = "$leaf" ]; echo $?)"
keys t
shows "and the tree is read again" '1 image'

if [ -x "$(dirname "$CHAINVIEW")/chainview-ro" ]; then
	console="'$(dirname "$CHAINVIEW")/chainview-ro' --refs=none '$repo'"
	begin 80 24 LC_ALL=C.UTF-8
	shows "chainview-ro shows the trees" 'leaf.vhd'
	keys M
	shows "and merges nothing" 'that key does nothing here'
fi
finish
