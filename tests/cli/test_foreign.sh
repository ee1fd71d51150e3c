#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# repair of what other programs left unfinished: each journal is settled by the rules of its program, or left with the reason; never
# without being asked; disks read what they did; undo gives everything back; a crash in the middle leaves one of both.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state
P=11111111-1111-4111-8111-111111111111 U=22222222-2222-4222-8222-222222222222

sums() { (cd "$1" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
make_sample() { repo=$work/$1; rm -rf "$repo"; "$CHAINVIEW" sample --recipe "$1" "$repo" >/dev/null && chmod 755 "$repo"; }
last() { "$CHAINVIEW" journal "$1" 2>/dev/null | awk 'END { print $1 }'; }
reads() { "$CHAINVIEW" verify --reader=own --json "$1" 2>/dev/null | grep -o '"sha256": *"[0-9a-f]*"'; }
hidden() { "$CHAINVIEW" info --refs=none --json "$1" 2>/dev/null | tr -d '\n\t ' | grep -q '"hidden":true'; }
is_hidden() { verdict "$1" "$(hidden "$2"; echo $?)"; }
is_visible() { verdict "$1" "$(hidden "$2"; [ $? -eq 1 ]; echo $?)"; }

# settles RECIPE WHAT [STATUS]: -n and -p do nothing, -y does it; a second time there is nothing to do. What $repo is like before is
# in $work/before. STATUS: of what check finds then.
settles()
{
	local left=${3:-0}
	make_sample "$1"
	sums "$repo" >"$work/before"
	"$CHAINVIEW" repair --refs=none "$repo" >"$work/out" 2>&1
	has "$1: the plan says what is done" "$2" <(tr -s ' \n' ' ' <"$work/out")
	has "$1: and that the other program must be stopped" "garbage collector" "$work/out"
	verdict "$1: -n writes nothing" "$(sums "$repo" | cmp -s - "$work/before"; echo $?)"
	"$CHAINVIEW" repair -p --refs=none "$repo" >"$work/out" 2>&1
	verdict "$1: -p does nothing" "$(sums "$repo" | cmp -s - "$work/before"; echo $?)"
	ends "$1: -y does it" $((left | 1)) "$CHAINVIEW" repair -y --refs=none "$repo"
	sums "$repo" >"$work/after"
	ends "$1: then it is not found" "$left" "$CHAINVIEW" check --refs=none "$repo"
	ends "$1: and there is nothing more to do" "$left" "$CHAINVIEW" repair -y --refs=none "$repo"
}

# comes_back RECIPE: undo gives everything back, and undo of that does it again.
comes_back()
{
	ends "$1: undo" 0 "$CHAINVIEW" undo --yes --refs=none "$repo" "$(last "$repo")"
	verdict "$1: undo gives everything back" "$(sums "$repo" | cmp -s - "$work/before"; echo $?)"
	ends "$1: undo of the undo" 0 "$CHAINVIEW" undo --yes --refs=none "$repo" "$(last "$repo")"
	verdict "$1: undo of the undo does it again" "$(sums "$repo" | cmp -s - "$work/after"; echo $?)"
	rm -rf "$repo"
}

# refused RECIPE WHY
refused()
{
	make_sample "$1"
	sums "$repo" >"$work/before"
	"$CHAINVIEW" repair -y --refs=none "$repo" >"$work/out" 2>&1
	has "$1: is left with the reason" "foreign-operation-pending: .*$2" <(tr -s ' \n' ' ' <"$work/out")
	verdict "$1: nothing was touched" "$(sums "$repo" | cmp -s - "$work/before"; echo $?)"
}

# --- journals of XenServer / XCP-ng -------------------------------------------------------------------------------
settles foreign-operation-pending "dropped, as the collector does|no parent to be merged into"
"$CHAINVIEW" trash list "$repo" >"$work/out" 2>&1
has "its journal is in the trash" "coalesce_" "$work/out"
comes_back foreign-operation-pending

make_sample leftover-file-old-journal
disk=$(reads "$repo/OLD_$U.vhd")
settles leftover-file-old-journal "undone, as the next scan"
verdict "OLD_ and its parent: the disk reads what it did" "$([ -n "$disk" ] && [ "$(reads "$repo/$U.vhd")" = "$disk" ]; echo $?)"
is_visible "the disk is visible" "$repo/$U.vhd"
is_hidden "its parent is hidden" "$repo/$P.vhd"
comes_back leftover-file-old-journal

settles foreign-operation-pending-leaf "the parent gets its own name back: $P.vhd"
verdict "both names changed: the disk reads what it did" "$([ "$(reads "$repo/$U.vhd")" = "$disk" ]; echo $?)"
is_visible "the disk is visible" "$repo/$U.vhd"
is_hidden "its parent is hidden" "$repo/$P.vhd"
comes_back foreign-operation-pending-leaf

settles foreign-operation-pending-leaf-begun "undone, as the next scan"
comes_back foreign-operation-pending-leaf-begun
settles foreign-operation-pending-leaf-done "finished: $U.vhd is the merged disk"
comes_back foreign-operation-pending-leaf-done
settles foreign-operation-pending-relink "it is garbage then" 64
has "what is garbage then is said" orphaned-base-copy "$work/.out"
comes_back foreign-operation-pending-relink

refused foreign-operation-pending-relink-begun "chainview rebase IMAGE --onto $P.vhd"
ends "the command that it names" 0 "$CHAINVIEW" rebase "$repo/44444444-4444-4444-8444-444444444444.vhd" --onto "$repo/$P.vhd" --yes --refs=none
ends "then it is settled" 65 "$CHAINVIEW" repair -y --refs=none "$repo"
"$CHAINVIEW" check --refs=none "$repo" >"$work/out" 2>&1
has "and the merged image is garbage" orphaned-base-copy "$work/out"
lacks "and nothing is pending" "W .*pending:" "$work/out"
refused foreign-operation-pending-journals "for volumes only"
refused foreign-operation-pending-resize "vhd-util revert"

# --- states that no step leaves ------------------------------------------------------------------------------------
make_sample foreign-operation-pending-leaf
# state WHAT WHY COMMAND...: after the command, in the repository.
state()
{
	local what=$1 why=$2
	shift 2
	(cd "$repo" && "$@")
	"$CHAINVIEW" repair -y --refs=none "$repo" >"$work/out" 2>&1
	has "$what: left with the reason" "foreign-operation-pending: .*$why" <(tr -s ' \n' ' ' <"$work/out")
	verdict "$what: the journal stays" "$([ -e "$repo/leaf_$U" ]; echo $?)"
}
state "a second disk stands on the parent" "has 2 children" cp "OLD_$U.vhd" 44444444-4444-4444-8444-444444444444.vhd
rm "$repo/44444444-4444-4444-8444-444444444444.vhd"
state "only OLD_ is there" "only OLD_ is here" rm "$U.vhd"
state "neither is there" "neither the leaf nor its parent is here" rm "OLD_$U.vhd"
make_sample foreign-operation-pending-leaf-begun
state "the parent alone" "under neither of its names" rm "$U.vhd"
make_sample foreign-operation-pending-leaf-begun
state "the leaf alone, which misses its parent" "misses its own parent" rm "$P.vhd"
make_sample foreign-operation-pending-leaf-begun
state "all three" "are all here" cp "$U.vhd" "OLD_$U.vhd"
make_sample foreign-operation-pending-leaf-begun
state "a journal that says nothing" "does not say which parent" truncate -s 0 "leaf_$U"
make_sample foreign-operation-pending-leaf-begun
exec 9<"$repo/$U.vhd"
ends "a disk that is open is refused" 68 "$CHAINVIEW" repair -y --refs=none "$repo"
exec 9<&-
verdict "and its journal stays" "$([ -e "$repo/leaf_$U" ]; echo $?)"

# --- Xen Orchestra -------------------------------------------------------------------------------------------------
make_sample foreign-operation-pending-merge
disk=$(reads "$repo/20260302T020000Z.vhd")
settles foreign-operation-pending-merge "merges from the beginning"
verdict "a merge that began: the backup reads what it did" "$([ -n "$disk" ] && [ "$(reads "$repo/20260302T020000Z.vhd")" = "$disk" ]; echo $?)"
comes_back foreign-operation-pending-merge
settles foreign-operation-pending-merge-done "has all that 20260302T020000Z.vhd has, and gets its name"
verdict "a merge that was done: one of both is left" "$([ ! -e "$repo/20260301T020000Z.vhd" ] && [ -e "$repo/20260302T020000Z.vhd" ]; echo $?)"
comes_back foreign-operation-pending-merge-done
refused foreign-operation-pending-merge-parts "has blocks in part"

# --- a crash in the middle -----------------------------------------------------------------------------------------
if [[ $CHAINVIEW == */san/* ]] || ! command -v strace >/dev/null; then
	skip "killed at its moves" "done with the ordinary build, where there is strace"
else
	for n in 1 2 3 4; do
		make_sample foreign-operation-pending-leaf
		sums "$repo" >"$work/before"
		{ strace -qq -f -o /dev/null -e trace=renameat2 -e inject=renameat2:signal=KILL:when="$n" \
			"$CHAINVIEW" repair -y --refs=none "$repo"; } >/dev/null 2>&1
		ends "killed at move $n: recover" 0 "$CHAINVIEW" recover --yes "$repo"
		sums "$repo" >"$work/now"
		[ -e "$repo/leaf_$U" ] || cp "$work/now" "$work/before"
		verdict "killed at move $n: names are all as they were, or all as they should be" \
			"$(cut -c 67- "$work/now" | cmp -s - <(cut -c 67- "$work/before"); echo $?)"
		"$CHAINVIEW" repair -y --refs=none "$repo" >/dev/null 2>&1
		ends "killed at move $n: then it is settled" 0 "$CHAINVIEW" check --refs=none "$repo"
	done

	# Only the journal of the other program is left to be moved: a guest may run by then, and finds its disk where it was.
	make_sample foreign-operation-pending-leaf
	{ strace -qq -f -o /dev/null -e trace=renameat2 -e inject=renameat2:signal=KILL:when=5 \
		"$CHAINVIEW" repair -y --refs=none "$repo"; } >/dev/null 2>&1
	must "a guest writes meanwhile" qemu-io -f vpc -c 'write -P 0xab 0 4096' "$repo/$U.vhd"
	sum=$(sha256sum <"$repo/$U.vhd")
	ends "recover goes on" 0 "$CHAINVIEW" recover --yes "$repo"
	verdict "and the disk keeps its name and what was written" "$([ "$sum" = "$(sha256sum <"$repo/$U.vhd")" ]; echo $?)"
	verdict "as does its parent" "$([ -e "$repo/$P.vhd" ] && [ ! -e "$repo/leaf_$U" ]; echo $?)"
fi

# What is said to be merged does not stand on what would be dropped.
make_sample foreign-operation-pending-merge
rm -f "$repo"/.*.merge.json
cat >"$repo/.20260228T020000Z.vhd.merge.json" <<'STATE'
{"child":{"header":1},"parent":{"header":2},"currentBlock":8,"chain":["20260228T020000Z.vhd","20260301T020000Z.vhd","20260302T020000Z.vhd"],"step":"cleanupVhds"}
STATE
"$CHAINVIEW" repair -y --refs=none "$repo" >"$work/out" 2>&1
has "a merge whose parent is not here, and that is not done, is left" "should be what was merged, still stands on" "$work/out"
must "with all its images" test -e "$repo/20260301T020000Z.vhd"
finish
