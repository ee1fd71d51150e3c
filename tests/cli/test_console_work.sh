#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Writing from the console, on a real terminal and real images: nothing without the very name, what is taken away comes
# back bit for bit, what is at work is cancelled, left alone or killed, and the journal view settles what that left.
set -u
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/tmux.sh"
export CHAINVIEW_STATE_DIR=$work/state

# A repository with two hidden orphans, orphan.vhd and sub/alone.vhd; what is needed is in the list.
repo=$work/repo
build()
{
	rm -rf "$repo"
	"$CHAINVIEW" sample --recipe orphaned-base-copy-two "$repo" >/dev/null && chmod 755 "$repo" "$repo/sub"
	echo "$repo/leaf.vhd" >"$work/list"
	sums >"$work/before"
}
sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
same() { sums >"$work/after"; must "$1" cmp "$work/before" "$work/after"; }
gone() { verdict "$1" "$([ ! -e "$repo/$2" ]; echo $?)"; }
# find TEXT: puts the cursor on what has it in its name; the answer is waited for, so that no key comes too early.
find_row() { keys /; types "$1"; keys Enter; shows "$1 is found" "1 of 1"; }
allow() { keys W; shows "writing is asked for" 'y/n'; keys y; shows "and allowed" '[WRITING]'; }
# Waits until the newest operation of the journal has a state.
settles() {
	local i
	for i in $(seq 150); do
		if "$CHAINVIEW" journal "$repo" 2>/dev/null | tail -1 | grep -q " $2 "; then verdict "$1" 0; return; fi
		sleep 0.1
	done
	"$CHAINVIEW" journal "$repo"
	verdict "$1" 1
}

console="'$CHAINVIEW' --refs=list:'$work/list' '$repo'"
build
begin 80 24 LC_ALL=C.UTF-8
shows "the trees are shown" 'orphan.vhd'
find_row orphan.vhd
keys p
shows "the plan is shown" 'trash 1 image in'
shows "with its steps" 'hidden base copy without children'
shows "with the arithmetic of space" 'lowest during the run'
shows "with what was looked at" 'every source of references was read'
shows "with where" 'searched for images that need them'
keys Y
shows "a read-only console does nothing" 'this console is read-only'
allow
confirm orphan.vh
shows "another name is no consent" 'that is another name: nothing was done'
asks "asked again"
types orphan.vhd
keys Escape
shows "Esc leaves" 'Y asks for a name'
same "and nothing was done"
gone "not even a folder was made" .chainview
confirm orphan.vhd
shows "the very name is" 'moved 1 image to the trash'
gone "the image is not where it was" orphan.vhd
has "it is in the trash" 'orphan.vhd' <("$CHAINVIEW" trash list "$repo")
keys q
shows "back in the tree" 'Sort: name'
shows "which was read again" '3 images'
keys X
shows "the trash view shows it" '1 image, '
keys J
shows "the journal view shows it" 'trash    done'
keys Enter
shows "with what it was about" 'orphan.vhd  '
keys q
keys u
shows "undo makes a plan" '(trash of orphan.vhd) in'
confirm orphan.vhd
shows "the plan is carried out" 'put back 1 image'
same "and everything is as it was, bit for bit"

find_base() { keys q; keys t; shows "the tree again" 'Sort: name'; find_row base.vhd; }
find_base
keys p
shows "what is needed is refused, with the reason" 'refused: base.vhd: 2 images stand on it'
keys Y
shows "and cannot be confirmed" 'the plan is refused'
keys q
find_row orphan.vhd
keys p
shows "a plan once more" 'trash 1 image in'
exec 9<"$repo/orphan.vhd"
confirm orphan.vhd
shows "an image that somebody has open is refused" 'orphan.vhd is in use'
exec 9<&-
keys q
shows "the plan is made anew" 'trash 1 image in'
planned
touch "$repo/orphan.vhd"
confirm orphan.vhd
shows "what changed since is noticed" 'the repository changed while the plan was looked at'
same "and nothing was touched"
keys q
shows "the plan is that of now" 'trash 1 image in'
confirm orphan.vhd
shows "which can be carried out" 'moved 1 image'
gone "and is" orphan.vhd

build
begin 120 40 LC_ALL=C.UTF-8
shows "the trees are shown, wide" 'orphan.vhd'
keys q
shows "the list of repositories" 'REPOSITORY'
keys p
shows "p plans for the whole repository there" 'trash 2 images in'
allow
confirm repo
shows "several go by the name of the repository" 'moved 2 images to the trash'
keys X
shows "the trash view shows both" '2 images, '
find_row orphan.vhd
keys Space
shows "one is marked" '1 marked, '
keys U
shows "it can be put back" 'restore 1 image in'
confirm orphan.vhd
shows "and is" 'put back 1 image'
keys X
shows "the other one is left" '1 image, '
keys X
shows "it can be removed" 'purge 1 image in'
shows "which cannot be undone" 'cannot be undone'
confirm alone.vhd
shows "and is, too" 'removed 1 image for good'
verdict "nothing of it is left" "$([ -z "$(find "$repo" -name '*alone.vhd')" ]; echo $?)"
verdict "the other one is there" "$([ -e "$repo/orphan.vhd" ]; echo $?)"

if [ -x "$(dirname "$CHAINVIEW")/chainview-ro" ]; then
	console="'$(dirname "$CHAINVIEW")/chainview-ro' --refs=list:'$work/list' '$repo'"
	begin 80 24 LC_ALL=C.UTF-8
	shows "chainview-ro shows the trees" 'orphan.vhd'
	keys p
	shows "and has no plans" 'that key does nothing here'
fi

if [[ $CHAINVIEW == */san/* ]] || ! command -v strace >/dev/null; then
	skip "operations that take long or are killed" "needs strace and the ordinary build"
	finish
fi
# under WHAT: the console under strace, which holds up or kills the process that renames.
under() { console="strace -f -qq -o /dev/null -e trace=renameat2 -e inject=renameat2:$1 '$CHAINVIEW' --refs=list:'$work/list' '$repo'"; }
start()
{
	build
	begin 80 24 LC_ALL=C.UTF-8
	shows "the trees are shown" 'orphan.vhd'
	keys q
	shows "the list" 'REPOSITORY'
	keys p
	shows "the plan" 'trash 2 images in'
	allow
	confirm repo
}

# the identity of the repository, the journal, the first image: killed at the second
under signal=KILL:when=4
start
shows "an operation that is killed is noticed" 'signal 9'
keys J
shows "the journal view says what is unfinished" '1 unfinished: v settles'
shows "and which" 'trash    pending'
keys v
shows "recovery says what it would settle" 'settle 1 unfinished operation in'
asks "it asks for a name, too"
types nothing
keys Enter
shows "another one does nothing" 'that is another name'
gone "what was begun is as the crash left it" orphan.vhd
confirm repo
shows "the name settles it" 'settled 1 operation'
same "and everything is as it was"
keys q
shows "nothing is unfinished any more" '0 unfinished'

under delay_enter=1000000
start
shows "an operation is watched" '[RUNNING'
keys p
shows "p pauses it at a safe point" '[PAUSED]'
sleep 2
shows "where it stays" 'paused: move'
keys R
shows "nothing is read meanwhile" 'must be alone with its images'
keys p
shows "p lets it go on" '[RUNNING'
keys c
shows "cancelling is asked for" 'Cancel?'
keys n
shows "and need not be" '[RUNNING'
keys c
shows "it is asked for again" 'Cancel?'
keys y
shows "it stops" 'cancelled: what was begun was put back'
same "and everything is as it was"

under delay_enter=1000000
start
shows "another one" '[RUNNING'
keys C-q
shows "leaving asks" 'goes on without the console. Leave?'
keys y
shows "it is said that it goes on" 'the operation goes on'
settles "and it goes on to its end" 'done'
gone "as was asked for" orphan.vhd

start
shows "one more" '[RUNNING'
pid=$(pgrep -P "$(console_pid)" | head -1)
kill -KILL "$pid"
settles "it does not need the console at all" 'done'
gone "as was asked for" sub/alone.vhd
finish
