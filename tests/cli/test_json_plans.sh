#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# What commands that write say in JSON, dry and done: it fits the schemas, for each kind of operation that there is.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG='' LC_ALL=C.UTF-8
schema=$here/../support/schema_check.py schemas=$here/../../packaging/schema
needs python3 "the schemas" || finish
python3 -c 'import jsonschema' 2>/dev/null || { needs no-jsonschema-for-python "the schemas"; finish; }
needs qemu-img "images" || finish
json=$work/json repo=$work/repo number=0
mkdir "$json"
is() { must "$1" python3 -c "import json,sys; d = json.load(open(sys.argv[1])); sys.exit(0 if ($2) else print(d) or 1)" "$json/$3"; }
# writes KIND OPERATION COMMAND...: dry, then done.
writes()
{
	local kind=$1 operation=$2 got
	shift 2
	for yes in "" --yes; do
		number=$((number + 1))
		"$CHAINVIEW" "$@" --json ${yes:+"$yes"} >"$json/$kind.$number" 2>"$work/.err"
		got=$?
		verdict "$operation, ${yes:-dry}: ends with 0 (got $got: $(head -c 200 "$work/.err"))" "$got"
		is "$operation, ${yes:-dry}: says what it is" 'd["plan"]["operation"] == "'"$operation"'" and d["tool"]["exit_status"] == 0' "$kind.$number"
	done
	is "$operation: is done" 'd["result"]["state"] == "done"' "$kind.$number"
}
last() { "$CHAINVIEW" journal "$repo" | awk 'END { print $1 }'; }
build() { rm -rf "$repo"; "$CHAINVIEW" sample --recipe "$1" "$repo" >/dev/null; chmod 755 "$repo"; [ ! -d "$repo/sub" ] || chmod 755 "$repo/sub"; }

build orphaned-base-copy-two
echo "$repo/leaf.vhd" >"$work/list"
writes plan trash gc --refs=list:"$work/list" "$repo"
writes plan restore undo "$repo" "$(last)"
writes plan trash gc --refs=list:"$work/list" "$repo"
writes plan purge trash purge --now --refs=list:"$work/list" "$repo"

build coalescable
leaf=$(cd "$repo" && ls | sed -n '/leaf/p' | head -1)
middle=$("$CHAINVIEW" info --json --repo "$repo" "$repo/$leaf" | tr -d '\n\t ' | sed -n 's/.*"parent":{"status":"found","id":"\([^"]*\)".*/\1/p')
writes plan coalesce coalesce --refs=none --repo "$repo" "$repo/$middle"
is "bytes and times are there" 'd["result"]["written_bytes"] > 0 and d["result"]["copy_ms"] >= 0 and d["result"]["read_back_ms"] >= 0' "plan.$number"
writes plan undo-coalesce undo --refs=none "$repo" "$(last)"
writes plan convert convert --refs=none "$repo/$leaf" "$repo/new.qcow2" --to qcow2
writes plan trash undo --refs=none "$repo" "$(last)"
writes plans coalesce-all coalesce --all --refs=none "$repo"

mkdir "$work/q"
qemu-img create -q -f qcow2 "$work/q/a.qcow2" 1M
cp "$work/q/a.qcow2" "$work/q/b.qcow2"
qemu-img create -q -f qcow2 -b a.qcow2 -F qcow2 "$work/q/c.qcow2"
repo=$work/q
writes plan rebase rebase --refs=none "$repo/c.qcow2" --onto "$repo/b.qcow2"
writes plan rebase undo --refs=none "$repo" "$(last)"
writes plan convert-tree convert --refs=none --tree "$repo" "$work/tree" --to vhd

# What is refused has a plan, too.
"$CHAINVIEW" coalesce --refs=none --json --yes "$repo/c.qcow2" >"$json/plan.refused" 2>/dev/null
verdict "refused: 4" "$([ $? -eq 4 ]; echo $?)"
[ -s "$json/plan.refused" ] || rm "$json/plan.refused"
must "each of $(find "$json" -type f | wc -l) documents fits the schema of its kind" python3 "$schema" "$schemas" "$json" plan plans
finish
