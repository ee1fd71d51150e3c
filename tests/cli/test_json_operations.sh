#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# What journal, recover, attach and trash list say in JSON: it fits the schemas, and it is what was done. An operation that
# was taken back already is refused, with the reason.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG='' LC_ALL=C.UTF-8
schema=$here/../support/schema_check.py schemas=$here/../../packaging/schema
needs python3 "the schemas" || finish
python3 -c 'import jsonschema' 2>/dev/null || { needs no-jsonschema-for-python "the schemas"; finish; }
json=$work/json repo=$work/repo
mkdir "$json"
# document KIND.NAME STATUS COMMAND...: keeps what it writes.
document()
{
	local file=$1 status=$2 got
	shift 2
	"$CHAINVIEW" "$@" >"$json/$file" 2>"$work/.err"
	got=$?
	verdict "$file: exit status $status (got $got)" "$([ "$got" -eq "$status" ]; echo $?)"
	is "$file: which it says itself" 'd["tool"]["exit_status"] == '"$status"' and d["schema"]["name"] == "chainview.'"${file%%.*}"'"' "$file"
}
# is WHAT EXPRESSION FILE: of the document d.
is() { must "$1" python3 -c "import json,sys; d = json.load(open(sys.argv[1])); sys.exit(0 if ($2) else print(d) or 1)" "$json/$3"; }
gc() { "$CHAINVIEW" gc --refs=list:"$work/list" "$repo" "$@"; }
build()
{
	rm -rf "$repo"
	"$CHAINVIEW" sample --recipe orphaned-base-copy-two "$repo" >/dev/null && chmod 755 "$repo" "$repo/sub"
	echo "$repo/leaf.vhd" >"$work/list"
}

build
document journal.empty 0 journal --json "$repo"
is "nothing was done yet" '[len(r["operations"]) for r in d["repositories"]] == [0]' journal.empty
document trash.empty 0 trash list "$repo" --json
is "nothing is in the trash" 'd["images"] == []' trash.empty
document recover.empty 0 recover --output=json "$repo"
is "nothing is unfinished" 'd["unfinished"] == [] and "result" not in d' recover.empty

mv "$repo/sub/alone.vhd" "$repo/sub/al"$'\xff'"one.vhd"
ends "two images go to the trash" 0 gc --yes
op=$("$CHAINVIEW" journal "$repo" | awk 'END { print $1 }')
document journal.one 0 journal --json "$repo"
is "the journal has one operation" '[(o["operation"], o["state"], o["running"], len(o["images"])) for o in d["repositories"][0]["operations"]] == [("trash", "done", False, 2)]' journal.one
is "with its number" 'd["repositories"][0]["operations"][0]["operation_id"].startswith("'"$op"'")' journal.one
is "with sizes and parents" '[(i["path"], i["allocated_bytes"] > 0, i.get("parent")) for i in d["repositories"][0]["operations"][0]["images"]][0] == ("orphan.vhd", True, "base.vhd")' journal.one
is "a name that is not UTF-8 is there exactly" '__import__("base64").b64decode(d["repositories"][0]["operations"][0]["images"][1]["path_b64"]) == b"sub/al\xffone.vhd"' journal.one
document trash.two 0 trash list --json "$repo"
is "the trash has both" '[(i["index"], i["operation_id"][:8]) for i in d["images"]] == [(0, "'"$op"'"), (1, "'"$op"'")]' trash.two
ends "a repository that is not there" 8 "$CHAINVIEW" journal --json "$work/none"
lacks "has no document" schema "$work/.out"
ends "undo puts them back" 0 "$CHAINVIEW" undo --yes "$repo" "$op"
ends "undo of what was put back already is refused" 4 "$CHAINVIEW" undo --yes "$repo" "$op"
has "which is said, with the operation that did" "was put back by operation [0-9a-f]{8}" "$work/.out"
ends "a dry run of it, too" 4 "$CHAINVIEW" undo "$repo" "$op"
ends "they go again" 0 gc --yes
op=$("$CHAINVIEW" journal "$repo" | awk 'END { print $1 }')
ends "and for good" 0 "$CHAINVIEW" trash purge --now --refs=list:"$work/list" "$repo" --yes
ends "undo of what is gone for good is refused" 4 "$CHAINVIEW" undo --yes "$repo" "$op"
has "which is said" "removed for good by operation" "$work/.out"
document journal.all 0 journal --json "$repo"
is "the journal has them in order" '[o["operation"] for o in d["repositories"][0]["operations"]] == ["trash", "restore", "trash", "purge"]' journal.all
ends "a disk that is full is seen" 8 sh -c '"$CHAINVIEW" journal --json "$1" >/dev/full' sh "$repo"
ends "and with the trash" 8 sh -c '"$CHAINVIEW" trash list --json "$1" >/dev/full' sh "$repo"
ends "attach to what is not there" 16 "$CHAINVIEW" attach --json 00000000

if sanitized || ! command -v strace >/dev/null; then
	skip "operations that are killed or watched" "needs strace and the ordinary build"
else
	build
	strace -f -qq -o /dev/null -e trace=renameat2 -e inject=renameat2:signal=KILL:when=4 "$CHAINVIEW" gc --refs=list:"$work/list" "$repo" --yes \
		>/dev/null 2>&1
	document journal.pending 0 journal --json "$repo"
	is "a killed operation is pending" 'd["repositories"][0]["operations"][0]["state"] == "pending"' journal.pending
	document recover.dry 0 recover --json "$repo"
	is "recover tells what it would settle, and settles nothing" 'len(d["unfinished"]) == 1 and "result" not in d' recover.dry
	document recover.done 0 recover --json --yes "$repo"
	is "recover settles it" 'd["result"] == {"state": "done", "settled": 1} and len(d["unfinished"]) == 1' recover.done
	document recover.after 0 recover --json --yes "$repo"
	is "and then nothing is unfinished" 'd["unfinished"] == []' recover.after
	(strace -f -qq -o /dev/null -e trace=renameat2 -e inject=renameat2:delay_enter=1500000 "$CHAINVIEW" gc --refs=list:"$work/list" "$repo" --yes \
		>/dev/null 2>&1) &
	op=
	for _ in $(seq 100); do
		op=$("$CHAINVIEW" journal "$repo" 2>/dev/null | awk '/ running /{ print $1 }')
		[ -n "$op" ] && break
		sleep 0.1
	done
	document journal.running 0 journal --json "$repo"
	is "an operation at work is running" '[o["running"] for o in d["repositories"][0]["operations"]][-1]' journal.running
	document attach.done 0 attach --json "$op"
	is "attach tells how it ended" 'd["state"] == "done" and d["operation_id"].startswith("'"$op"'")' attach.done
	wait
	must "each document fits its schema" python3 "$schema" "$schemas" "$json" attach
fi
must "each of $(find "$json" -type f | wc -l) documents fits the schema of its kind" python3 "$schema" "$schemas" "$json" journal recover trash
finish
