#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# chainview space: text, JSON, exit statuses, and that nothing is changed by looking.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/lib.sh"
case $CHAINVIEW in /*) ;; *) CHAINVIEW=$PWD/$CHAINVIEW ;; esac
export HOME="$work/home" LC_ALL=C.UTF-8
mkdir -p "$HOME"

if ! command -v qemu-img >/dev/null; then skip "space" "qemu-img is not there"; finish; fi
repo=$work/repo
mkdir "$repo"
qemu-img create -q -f qcow2 "$repo/base" 16M
qemu-img create -q -f qcow2 -b base -F qcow2 "$repo/leaf"
qemu-io -f qcow2 -c 'write -P 1 0 1M' -c 'write -P 0 4M 64K' "$repo/base" >/dev/null
qemu-io -f qcow2 -c 'write -P 2 512K 1M' "$repo/leaf" >/dev/null
sync
sums=$(cat "$repo"/* | sha256sum)

ends "space of a healthy repository ends with 0" 0 "$CHAINVIEW" space "$repo" --refs=none
has "the totals have bars" '^ shadowed +512K \[#+\.*\] ' "$work/.out"
has "what is shadowed is said, with what frees it" '512K shadowed +base .*merge leaf into it' "$work/.out"
lacks "without -v there are no lines for single images" '^ leaf: ' "$work/.out"
ends "with -v there are the classes of each image" 0 "$CHAINVIEW" space "$repo" --refs=none -v
has "the classes of an image" '^ base: live .*shadowed 512K, metadata ' "$work/.out"

flat space "$repo" --refs=none >"$work/json"
has "the document is that of space" '"schema":\{"name":"chainview.space","version":\[1,0\]\}' "$work/json"
has "the shadowed bytes of the base" '"id":"base".*"shadowed_bytes":524288,.*"id":"leaf"' "$work/json"
has "what a merge of the leaf would cost and free" '"id":"leaf".*"peak_bytes":[0-9]+,"net_bytes":-?[0-9]+' "$work/json"
has "the finding" '"code":"CV-SPC-0008","name":"shadowed-data","severity":"info"' "$work/json"
has "the plan of the repository" '"summary":\{.*"plan":\{"steps":\[\],"free_now_bytes":[0-9]+' "$work/json"
lacks "zeros are not looked for without --deep" '"zero_bytes"' "$work/json"
flat space "$repo" --refs=none --deep >"$work/json"
has "pages of zeros are found with --deep" '"id":"base".*"zero_bytes":65536.*"id":"leaf"' "$work/json"

status=0
[ "$(cat "$repo"/* | sha256sum)" = "$sums" ] || status=1
verdict "nothing was changed" "$status"

head -c 100 "$repo/base" >"$repo/cut.qcow2"
"$CHAINVIEW" space "$repo" --refs=none >"$work/.out" 2>&1
has "an image that cannot be read is named with a reason" 'cut.qcow2: not computed: .+' "$work/.out"
has "and does not hide the others" '512K|1\.5M|live' "$work/.out"
ends "and is a failure" 8 "$CHAINVIEW" space "$repo" --refs=none
flat space "$repo" --refs=none >"$work/json"
has "the repository is not complete then" '"complete":false,"references"' "$work/json"
echo hello >"$work/text"
ends "a file that is no image is a failure" 8 "$CHAINVIEW" space "$work/text" --refs=none
has "and is named" 'text: not computed: ' "$work/.out"
rm "$repo/cut.qcow2"
flat space "$repo" --refs=none >"$work/json"
has "without it the repository is complete" '"complete":true,"references"' "$work/json"
has "what could be freed, with what it takes" '"kind":"shadowed","image":"base","bytes":524288,.*"remedy":"coalesce",.*"target":"leaf","peak_bytes":[0-9]+,"net_bytes":[0-9]+,"now":false' "$work/json"

# More images in one tree than may be open at once.
many=$work/many
mkdir "$many"
cp "$repo"/* "$many"
for i in $(seq 200); do cp "$repo/leaf" "$many/leaf$i"; done

# A signal while blocks are looked at. They soon are, so the process that does it is held: the first one after those of
# the scan have gone. That it was the right one shows in the line of progress; whoever comes too late tries again.
held()
{
	local before='' gone='' child kids=() line
	while kill -0 "$1" 2>/dev/null; do
		kids=()
		{ read -r -a kids <"/proc/$1/task/$1/children"; } 2>/dev/null
		if [ ${#kids[@]} -eq 0 ]; then
			gone=$before
		elif [ -z "$gone" ]; then
			before=yes
		else
			break
		fi
	done
	for child in "${kids[@]}"; do kill -STOP "$child" 2>/dev/null; done
	for ((line = 0; line < 300; line++)); do
		grep -q '^looking at blocks: 0%, 0 of 1 trees, 0 of 202 images' "$work/log" && return 0
		kill -0 "$1" 2>/dev/null || return 1
		sleep 0.1
	done
	for child in "${kids[@]}"; do kill -CONT "$child" 2>/dev/null; done
	return 1
}
for ((try = 0; try < 20; try++)); do
	"$CHAINVIEW" space "$many" --refs=none --progress=always >"$work/.out" 2>"$work/log" &
	pid=$!
	held $pid && break
	wait $pid
	pid=
done
status=0
if [ -n "$pid" ]; then
	kill -INT $pid
	wait $pid || status=$?
fi
echo "# status $status, after $((try + 1)) of 20 attempts"
verdict "Ctrl-C ends with 32" $((status != 32))
has "with what is known until then" '202 images not computed, because this was stopped' "$work/.out"
lacks "and without a line for each that is not" 'not computed: cancelled' "$work/.out"
status=0
(ulimit -n 250 && "$CHAINVIEW" space "$many" --refs=none >"$work/.out" 2>&1) || status=$?
verdict "a tree that cannot be opened whole is a failure" $((status != 8))
has "with the reason for each image" 'leaf7: not computed: the 202 files of its tree have to be open at once, and no more than [0-9]+ may be \(ulimit -n\)' "$work/.out"
has "and their number" '202 images not computed' "$work/.out"

ends "a folder that is not there is a failure" 8 "$CHAINVIEW" space "$work/none"
ends "a reserve that is no size is wrong usage" 16 "$CHAINVIEW" space "$repo" --reserve=much
finish
