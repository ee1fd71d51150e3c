#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Every JSON document about every sample fits its schema, and no mail about one holds a control byte.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/lib.sh"

export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG='' LC_ALL=C.UTF-8 CHAINVIEW_NOW=1794000000
schema=$here/../support/schema_check.py schemas=$here/../../packaging/schema
needs python3 "the schemas" || finish
python3 -c 'import jsonschema' 2>/dev/null || { needs no-jsonschema-for-python "the schemas"; finish; }
mkdir "$work/json" "$work/samples"
n=0
for recipe in $("$CHAINVIEW" sample --list | awk '{ print $1 }'); do
	n=$((n + 1))
	"$CHAINVIEW" sample --recipe "$recipe" "$work/samples/$recipe" >/dev/null 2>&1 || echo "# no sample $recipe"
	for command in tree check space; do
		"$CHAINVIEW" $command --json "$work/samples/$recipe" >"$work/json/$command.$recipe" 2>/dev/null
	done
	"$CHAINVIEW" check --output=ndjson "$work/samples/$recipe" >"$work/json/ndjson.$recipe" 2>/dev/null
	"$CHAINVIEW" check --cron --syslog=never --refs=none "$work/samples/$recipe" >"$work/json/cron.$recipe" 2>/dev/null
	find "$work/samples/$recipe" -type f -name '*.qcow2' -print0 | head -z -n 1 | while IFS= read -r -d '' image; do
		"$CHAINVIEW" info --json "$image" >"$work/json/info.$recipe" 2>/dev/null
		"$CHAINVIEW" map --json "$image" >"$work/json/map.$recipe" 2>/dev/null
		# The demonstration has disks of many gigabytes.
		[ "$recipe" = demo ] || "$CHAINVIEW" verify --json "$image" >"$work/json/verify.$recipe" 2>/dev/null
	done
	rm -rf "$work/samples/$recipe"
done
verdict "there are samples (found: $n)" "$([ "$n" -ge 100 ]; echo $?)"
# A command that could not look at the image writes no document.
find "$work/json" -empty -delete
verdict "no mail is written about a healthy sample" "$(find "$work/json" -name "cron.healthy-*" | tee /dev/stderr | wc -l)"
for kind in tree check space info map verify ndjson; do
	must "every $kind document fits its schema ($(find "$work/json" -name "$kind.*" | wc -l))" \
		python3 "$schema" "$schemas" "$kind" "$work"/json/"$kind".*
done
must "every kept result fits its schema" python3 "$schema" "$schemas" result "$CHAINVIEW_STATE_DIR"/last/*
"$CHAINVIEW" explain --json >"$work/json/explain"
must "explain fits its schema" python3 "$schema" "$schemas" explain "$work/json/explain"
cat "$work"/json/cron.* >"$work/mails"
LC_ALL=C lacks "no control byte is in any mail" $'[\x01-\x09\x0b-\x1f\x7f]' "$work/mails"
sed 's/"errors":/"errors2":/' "$work/json/check.demo" >"$work/json/changed"
ends "a key that no schema knows is seen" 1 python3 "$schema" "$schemas" check "$work/json/changed"
finish
