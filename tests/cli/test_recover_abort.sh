#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# recover --abort: a merge that was cut off is put back where recover would have finished it, and everybody reads what they did.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state
needs strace "killing at a call" || finish
! sanitized || { skip "killing at a call" "needs the ordinary build"; finish; }

repo=$work/repo
guest() { "$CHAINVIEW" verify --reader=own --json "$1" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
parent() { "$CHAINVIEW" info --json --repo "$repo" "$repo/$1" | tr -d '\n\t ' | sed -n 's/.*"parent":{"status":"found","id":"\([^"]*\)".*/\1/p'; }
# killed N: a merge that is killed at its n-th fdatasync.
killed()
{
	rm -rf "$repo"
	"$CHAINVIEW" sample --recipe coalescable "$repo" >/dev/null && chmod 755 "$repo"
	sum=$(guest "$repo/leaf.vhd")
	strace -f -qq -o /dev/null -e trace=fdatasync -e inject="fdatasync:signal=KILL:when=$1" "$CHAINVIEW" coalesce --refs=none --yes \
		"$repo/middle.vhd" >/dev/null 2>&1
}
state() { "$CHAINVIEW" journal "$repo" | awk 'END { print $0 }'; }

killed 2
has "a killed merge is unfinished" pending <(state)
ends "recover finishes it" 0 "$CHAINVIEW" recover --yes "$repo"
has "and it is done" ' done ' <(state)
verdict "the leaf stands on the base" "$([ "$(parent leaf.vhd)" = base.vhd ]; echo $?)"

killed 2
ends "a dry run says what is unfinished" 0 "$CHAINVIEW" recover --abort "$repo"
has "and leaves it so" pending <(state)
ends "recover --abort puts it back" 0 "$CHAINVIEW" recover --abort --yes "$repo"
has "it was given up" 'aborted|put back' <(state)
verdict "the leaf stands on the image" "$([ "$(parent leaf.vhd)" = middle.vhd ]; echo $?)"
verdict "and reads what it did" "$([ "$(guest "$repo/leaf.vhd")" = "$sum" ]; echo $?)"
lacks "nothing is wrong" '^ *E ' <("$CHAINVIEW" check --refs=none "$repo" 2>&1)
ends "it can be merged again" 0 "$CHAINVIEW" coalesce --refs=none --yes "$repo/middle.vhd"
verdict "and reads what it did then" "$([ "$(guest "$repo/leaf.vhd")" = "$sum" ]; echo $?)"
finish
