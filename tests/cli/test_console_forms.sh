#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Conversions and other parents from the console, on a real terminal and real images: a form or a list, the plan with its
# space, the name, the operation, the journal and undo; what takes long is watched and cancelled, and nothing is left of it.
set -u
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/tmux.sh"
needs qemu-img "conversions are compared by it" || finish
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=/dev/null

repo=$work/repo
mkdir "$repo" "$repo/sub" "$work/elsewhere"
qemu-img create -q -f qcow2 "$repo/base.qcow2" 64M
qemu-io -f qcow2 -c 'write -P 7 0 20M' "$repo/base.qcow2" >/dev/null
cp "$repo/base.qcow2" "$repo/copy.qcow2"
cp "$repo/base.qcow2" "$repo/other.qcow2"
qemu-io -f qcow2 -c 'write -P 8 19M 64k' "$repo/other.qcow2" >/dev/null
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$repo/leaf.qcow2"
qemu-io -f qcow2 -c 'write -P 9 30M 1M' "$repo/leaf.qcow2" >/dev/null
qemu-img create -q -f vpc "$repo/disk.vhd" 16M
sha256sum "$repo"/*.qcow2 "$repo/disk.vhd" >"$work/before"
same() { sha256sum "$repo"/*.qcow2 "$repo/disk.vhd" >"$work/after" 2>&1; must "$1" diff "$work/before" "$work/after"; }
parent() { qemu-img info --output=json -U "$repo/$1" | sed -n 's/.*"backing-filename": "\([^"]*\)".*/\1/p'; }
# find_row TEXT: puts the cursor on what has it in its name.
find_row() { keys /; types "$1"; keys Enter; shows "$1 is found" "\"$1\": 1 of "; }
allow() { keys W; shows "writing is asked for" 'y/n'; keys y; shows "and allowed" '[WRITING]'; }
# name_it NAME: types the name of the new image into the form.
name_it() { keys Down Enter; shows "the name is typed" 'name: '; keys C-u; types "$1"; keys Enter; shows "the name is $1" "> name               $1"; }

console="'$CHAINVIEW' --refs=none '$repo'"
begin 80 24 LC_ALL=C.UTF-8
shows "the trees are shown" 'leaf.qcow2'
find_row leaf.qcow2
keys C
shows "a form asks for the format" '[raw]'
shows "and a name, proposed" 'leaf.raw'
keys Right
shows "another format" '[vhd]'
shows "has the proposed name, too" 'leaf.vhd'
shows "and options of its own" 'subformat'
keys Left Left
shows "another one" '[qcow2]'
shows "is called like qemu-img's" 'compression_type'
name_it sub/new.qcow2
keys Down Enter
types 3K
keys Enter p
shows "a wrong one is said where the plan would be" 'cluster_size'
keys q
shows "back in the form" 'sub/new.qcow2'
keys Enter
shows "the size again" 'cluster_size: 3K'
keys C-u
types 32K
keys Enter p
shows "the plan is shown" 'convert leaf.qcow2 to sub/new.qcow2 (qcow2) in'
shows "with its steps" 'under another name until'
shows "with the arithmetic of space" 'lowest during the run'
keys Y
shows "a read-only console does nothing" 'this console is read-only'
allow
confirm new.qcow
shows "another name is no consent" 'that is another name'
verdict "nothing was made" "$([ ! -e "$repo/sub/new.qcow2" ] && [ ! -e "$repo/.chainview" ]; echo $?)"
confirm new.qcow2
shows "the very name is" 'made sub/new.qcow2: '
must "the new image reads as its source" qemu-img compare -q "$repo/leaf.qcow2" "$repo/sub/new.qcow2"
has "and has the clusters that were asked for" '"cluster-size": 32768' <(qemu-img info --output=json "$repo/sub/new.qcow2")
keys q
shows "neither form nor plan is left" 'Sort: name'
shows "the tree has it" 'sub/new.qcow2'
find_row leaf.qcow2
keys C
shows "the form once more" '[raw]'
keys Left
name_it sub/new.qcow2
keys p
shows "a name that is taken is refused" 'sub/new.qcow2 is there already: give another name'
keys q q J
shows "the journal has it" 'convert  done'
keys u
shows "undo makes a plan" 'the image that the conversion made'
confirm new.qcow2
shows "the new image goes to the trash" 'is in the trash'
verdict "and is not where it was" "$([ ! -e "$repo/sub/new.qcow2" ]; echo $?)"
same "nothing else was touched"

keys q q t
shows "the tree again" 'Sort: name'
find_row leaf.qcow2
keys B
shows "those that could be the parent" 'could be the parent'
shows "the present one is first" '>   base.qcow2'
shows "which is said" 'its parent now'
find_row other.qcow2
keys Enter
shows "one that reads otherwise" 'rebase leaf.qcow2 onto other.qcow2 in'
shows "says what has to be copied" '64K  leaf.qcow2  into the image'
keys q
find_row copy.qcow2
keys Enter
shows "one that reads the same" 'rebase leaf.qcow2 onto copy.qcow2 in'
shows "has a plan" 'its parent becomes copy.qcow2'
confirm leaf.qcow2
shows "it is the parent" 'the parent of leaf.qcow2 is now'
verdict "for QEMU, too" "$([ "$(parent leaf.qcow2)" = copy.qcow2 ]; echo $?)"
keys J
shows "the journal has it" 'rebase   done'
keys u
shows "undo makes a plan" 'becomes what it was, bit for bit'
confirm leaf.qcow2
shows "it is carried out" 'names its former parent again'
same "and everything is as it was, bit for bit"

begin 120 40 LC_ALL=C.UTF-8
shows "the trees are shown, wide" 'leaf.qcow2'
find_row disk.vhd
keys B
shows "an image that cannot have another parent is told why" 'reads zeros where it has nothing'
keys q C
shows "a form" '[qcow2]'
name_it "$work/elsewhere/new.qcow2"
keys p
shows "a path leads to another repository" 'nothing is called new.qcow2'
shows "which is looked at, too" 'no image names it as its parent'
allow
confirm new.qcow2
shows "the image is made there" 'made new.qcow2: '
must "and reads the same" qemu-img compare -q "$repo/disk.vhd" "$work/elsewhere/new.qcow2"
has "its journal is there" 'convert +done' <("$CHAINVIEW" journal "$work/elsewhere")

if [[ $CHAINVIEW == */san/* ]] || ! command -v strace >/dev/null; then
	skip "plans that take long" "needs strace and the ordinary build"
	finish
fi
# The process that compares waits two seconds for each piece of the base; those that only scan read less of it.
console="strace -f -qq -o /dev/null -e trace=pread64 -e inject=pread64:delay_enter=2000000:when=7+ -P '$repo/base.qcow2' '$CHAINVIEW' --refs=none '$repo' 2>/dev/null"
# planner: the process that makes a plan, when it is there; its own children read.
planner()
{
	local p
	for _ in $(seq 50); do
		for p in $(pgrep -f 'chainview.*--refs=none'); do
			if grep -q chainview-plan "/proc/$p/comm" 2>/dev/null; then echo "$p"; return; fi
		done
		sleep 0.1
	done
}
# ends_of WHAT PID...: waits until they are gone, or wait for a parent that does not ask.
ends_of()
{
	local what=$1 p left
	shift
	for _ in $(seq 50); do
		left=0
		for p in "$@"; do if grep -q '^State:[[:space:]]*[^ZX]' "/proc/$p/status" 2>/dev/null; then left=1; fi; done
		if [ $left -eq 0 ]; then break; fi
		sleep 0.1
	done
	verdict "$what" "$left"
}
begin 80 24 LC_ALL=C.UTF-8
shows "the trees are shown" '5 images'
find_row leaf.qcow2
keys B
shows "those that could be the parent" 'could be the parent'
find_row copy.qcow2
keys Enter
shows "a plan that takes long is announced" 'The plan is being made'
keys j k
shows "keys are heard meanwhile" 'c cancels that'
pid=$(planner)
verdict "it is made in a process" "$([ -n "$pid" ]; echo $?)"
children=$(pgrep -P "${pid:-1}" | tr '\n' ' ')
verdict "with another one that reads" "$([ -n "$children" ]; echo $?)"
keys c
shows "which is cancelled" 'cancelled: R reads everything'
# shellcheck disable=SC2086 # a list of processes
ends_of "and nothing is left of it" $pid $children
keys q
shows "back at the choice" 'could be the parent'
keys Enter
shows "it is made again" 'The plan is being made'
pid=$(planner)
verdict "in a process, again" "$([ -n "$pid" ] && kill -KILL "$pid"; echo $?)"
shows "a process that dies is noticed" 'the process that made the plan died (signal 9'
keys q Enter
shows "and once more" 'The plan is being made'
pid=$(planner)
keys C-q
shows "the console may be left" 'ready>'
ends_of "and the plan with it" "$pid"
same "nothing was touched"
finish
