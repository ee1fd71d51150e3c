#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Conversions of whole trees from the console, on a real terminal and real images: the form, the plan, the very name; the new
# chain reads as the old one; a folder in which something lies is refused.
set -u
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/tmux.sh"
needs qemu-img "the new chain is compared by it" || finish
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=/dev/null

repo=$work/repo
"$CHAINVIEW" sample --recipe coalescable-many "$repo" >/dev/null && chmod 755 "$repo"
console="'$CHAINVIEW' --refs=none '$repo'"
sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
same() { sums >"$work/after"; must "$1" cmp "$work/before" "$work/after"; }
guest() { "$CHAINVIEW" verify --reader=own --refs=none --json "$1" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }

sums >"$work/before"
begin 80 24 LC_ALL=C.UTF-8
shows "the trees are shown" '12 images'
keys / ; types bleaf; keys Enter
shows "a leaf is found" '"bleaf": 1 of 1'
keys T
shows "a form asks for the folder" "$repo-qcow2"
keys p
shows "the plan is shown" "convert the tree of bleaf.vhd to $repo-qcow2 (qcow2)"
shows "parents first" 'b0.qcow2  from b0.vhd, stands on nothing'
shows "of this tree only" 'bleaf.qcow2  from bleaf.vhd, stands on b1.qcow2'
keys Y
shows "a read-only console does nothing" 'this console is read-only'
keys W
shows "writing is asked for" 'y/n'
keys y
shows "and allowed" '[WRITING]'
confirm repo
shows "another name is no consent" 'that is another name: nothing was done'
verdict "nothing was made" "$([ ! -e "$repo-qcow2" ]; echo $?)"
confirm repo-qcow2
shows "the very name does it" 'made 3 images in'
verdict "three images are there" "$([ "$(find "$repo-qcow2" -maxdepth 1 -name '*.qcow2' | wc -l)" -eq 3 ]; echo $?)"
must "the leaf names its parent" grep -q 'backing file: b1.qcow2' <(qemu-img info "$repo-qcow2/bleaf.qcow2")
verdict "and reads what it did" "$([ "$(guest "$repo/bleaf.vhd")" = "$(guest "$repo-qcow2/bleaf.qcow2")" ]; echo $?)"
same "the sources are as they were"
keys t T l
shows "the same for the repository" '[repository]'
keys p
shows "is refused where something has its name" 'is there already'
keys q
keys Down Down Enter C-u; types "$work/all"; keys Enter p
shows "into another folder" "convert all images to $work/all (qcow2)"
confirm all
shows "all are made" 'made 12 images in'
verdict "and are there" "$([ "$(find "$work/all" -maxdepth 1 -name '*.qcow2' | wc -l)" -eq 12 ]; echo $?)"
same "the sources are as they were still"
finish
