#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Repairs from the console, on a real terminal and real images: of a finding, an image, a repository; what is safe is done, what
# asks is asked about, what is refused has its reason; nothing without the very name; the journal, and undo.
set -u
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/tmux.sh"
export CHAINVIEW_STATE_DIR=$work/state

repo=$work/repo
mkdir "$repo"
for recipe in vhd-footer-missing vhd-footer-killed vhd-footer-killed-chain vhd-resize-pending qcow2-refcount-too-low; do
	"$CHAINVIEW" sample --recipe "$recipe" "$repo/$recipe" >/dev/null && chmod 755 "$repo/$recipe"
done
console="'$CHAINVIEW' --refs=none '$repo'"
sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
same() { sums >"$work/after"; must "$1" cmp "$work/before" "$work/after"; }
# found NAME: how many findings of it check has.
found() { "$CHAINVIEW" check --refs=none --json "$repo" 2>/dev/null | grep -c "\"name\": *\"$1\""; }
count() { verdict "$1" "$([ "$(found "$2")" -eq "$3" ]; echo $?)"; }
find_row() { keys /; types "$1"; keys Enter; shows "$1 is found" "\"$1\": 1 of "; }
allow() { keys W; shows "writing is asked for" 'y/n'; keys y; shows "and allowed" '[WRITING]'; }

sums >"$work/before"
missing=$(cd "$repo/vhd-footer-missing" && ls)
begin 80 24 LC_ALL=C.UTF-8
shows "the trees are shown" '7 images'
keys f
shows "the findings are shown" 'WHAT'
find_row vhd-footer-missing
keys F
shows "the finding alone is planned for" 'repair vhd-footer-missing of vhd-footer-missing/'
shows "which is safe" 'do   safe'
keys F
shows "then all of its image" 'repair vhd-footer-missing/'
keys F
shows "then all there is" 'repair all images in'
shows "some of it asks" 'a answers 2 questions'
shows "the safe is done" 'do   safe'
shows "what asks is not" '?    asks'
keys F
shows "there is no more than that" 'this is all of the repository'
keys a
shows "what asks is asked about" 'vhd-footer-killed:'
shows "one after the other" '2 questions left'
keys n
shows "and no is an answer" '1 question left'
keys y
shows "of which the plan is made anew" 'do   asks'
shows "the one" 'do   asks     vhd-footer-killed'
shows "and not the other" 'no   asks'
keys a
shows "answers can be given anew" '2 questions left'
keys a
shows "at once for all of a kind" 'This console is read-only'
find_row vhd-resize-pending
shows "what cannot be mended is refused" '--   refused'
keys Y
shows "a read-only console does nothing" 'this console is read-only'
allow
confirm yes
shows "another name is no consent" 'that is another name: nothing was done'
same "nothing was touched until now"

keys q
shows "back at the findings" 'WHAT'
find_row vhd-footer-missing
keys F
shows "the finding alone, once more" 'repair vhd-footer-missing of vhd-footer-missing/'
shows "with its plan" 'do   safe'
confirm "${missing%%$'\n'*}"
shows "the very name does it" 'repaired 1 image: operation'
shows "and looks again" 'check again'
count "it is mended" vhd-footer-missing 0
count "and nothing else" vhd-footer-killed 2
keys f
shows "the findings are read again" 'WHAT'
keys 1 F
shows "the repository" 'repair all images in'
shows "its tables are looked at, too" 'qcow2-refcount-too-low'
keys a
shows "asks" '2 questions left'
keys a
shows "and is answered" 'do   asks'
confirm repo
shows "the name of the repository is typed for several" 'repaired 3 images: operation'
count "what was wanted is mended" vhd-footer-killed 0
count "also what only the tables show" qcow2-refcount-too-low 0
count "what was refused is as it was" vhd-resize-pending 1
keys J
shows "the journal has both" '2 operations, 0 unfinished'
shows "as repairs" 'repair '
keys g u
shows "the last is taken back by a plan" 'the bytes that'
confirm repo
shows "which is carried out" 'done'
keys J
shows "and in the journal" '3 operations, 0 unfinished'
keys j j u
shows "so is the first" 'the bytes that'
confirm "${missing%%$'\n'*}"
shows "which is carried out, too" 'done'
same "everything is as it was, bit for bit"

if [ -x "$(dirname "$CHAINVIEW")/chainview-ro" ]; then
	console="'$(dirname "$CHAINVIEW")/chainview-ro' --refs=none '$repo'"
	begin 80 24 LC_ALL=C.UTF-8
	shows "chainview-ro shows the trees" '7 images'
	keys F
	shows "and repairs nothing" 'that key does nothing here'
fi
finish
