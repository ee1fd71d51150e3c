# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# What the tests of repair share: sample repositories, their sums and findings, and what becomes of one that is repaired. Needs
# lib.sh.
# shellcheck disable=SC2154
export CHAINVIEW_STATE_DIR=$work/state

sums() { (cd "$1" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
make_sample() { "$CHAINVIEW" sample --recipe "$1" "$work/$1" >/dev/null && chmod 755 "$work/$1"; }
last() { "$CHAINVIEW" journal "$1" 2>/dev/null | awk 'END { print $1 }'; }
operations() { find "$1/.chainview" -name '*.cvj' 2>/dev/null | wc -l; }
# The findings of a repository, but for those that a repair does not look at: their names and images.
found() { "$CHAINVIEW" check --refs=none --json "$1" 2>/dev/null | python3 -c '
import json, sys
for f in json.load(sys.stdin)["findings"]:
    if f["name"] not in ("parent-newer-than-child", "qcow2-unmapped-tail"): print(f["name"], f.get("image", ""))' | sort; }

# mends RECIPE FINDING HOW: with -p (HOW safe) or only with -y (HOW asks); it must be gone then.
mends()
{
	local repo=$work/$1 left
	make_sample "$1"
	found "$repo" >"$work/found"
	sums "$repo" >"$work/before"
	has "$1: is found" "^$2 " "$work/found"
	"$CHAINVIEW" check --refs=none "$repo" >/dev/null 2>&1
	left=$?
	ends "$1: -n has the status of check" "$left" "$CHAINVIEW" check --repair -n --refs=none "$repo"
	has "$1: -n shows the plan" "$2: " "$work/.out"
	verdict "$1: -n writes nothing" "$(sums "$repo" | cmp -s - "$work/before"; echo $?)"
	"$CHAINVIEW" check --repair -p --refs=none "$repo" >"$work/out" 2>&1
	verdict "$1: -p $3" "$([ "$3" = safe ] && op=1 || op=0; [ "$(operations "$repo")" -eq "$op" ]; echo $?)"
	if [ "$3" != safe ]; then
		"$CHAINVIEW" repair -y --refs=none "$repo" >"$work/out" 2>&1
		verdict "$1: -y does it" "$([ $(($? & 1)) -eq 1 ]; echo $?)"
	fi
	found "$repo" >"$work/found.after"
	lacks "$1: is not found any more" "^$2 " "$work/found.after"
	verdict "$1: nothing new is found" "$([ -z "$(comm -13 "$work/found" "$work/found.after")" ]; echo $?)"
	rm -rf "$repo"
}

# refuses RECIPE FINDING WHY
refuses()
{
	local repo=$work/$1
	make_sample "$1"
	sums "$repo" >"$work/before"
	"$CHAINVIEW" repair -y --refs=none "$repo" >"$work/out" 2>&1
	tr -s ' \n' ' ' <"$work/out" >"$work/line"
	has "$1: $2 is refused with the reason" "$2: .*$3" "$work/line"
	verdict "$1: nothing was touched" "$(sums "$repo" | cmp -s - "$work/before"; echo $?)"
	rm -rf "$repo"
}
