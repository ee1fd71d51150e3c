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
json=$work/json samples=$work/samples
mkdir "$json" "$samples"
form() { "$CHAINVIEW" "${@:2}" >"$json/$1" 2>/dev/null; }

# Each sample alone where what is said of it depends on the others: the same identities occur in many of them.
n=0
for recipe in $("$CHAINVIEW" sample --list | awk '{ print $1 }'); do
	n=$((n + 1))
	"$CHAINVIEW" sample --recipe "$recipe" "$samples/$recipe" >/dev/null 2>&1 || echo "# no sample $recipe"
	form "check.$recipe" check --json --refs=none "$samples/$recipe"
	case $recipe in healthy*) form "cron.$recipe" check --cron --syslog=never --refs=none "$samples/$recipe" ;; esac
done
# All of them together, one repository each, in the other forms.
form tree.all tree --json "$samples"/*
form space.all space --json "$samples"/*
form ndjson.all check --output=ndjson "$samples"/*
form cron.all check --cron --syslog=never --refs=none --remind=0 "$samples"/*
for image in "$samples"/*; do find "$image" -type f -name '*.qcow2' | sort | head -1; done >"$work/images"
mapfile -t images <"$work/images"
form info.all info --json "${images[@]}"
m=0
for image in "${images[@]}"; do
	m=$((m + 1))
	# These two say the same of an image wherever it is; the demonstration has disks of many gigabytes.
	if sanitized && [ $((m % 8)) -ne 0 ]; then continue; fi
	form "map.$m" map --json "$image"
	case $image in */demo/*) ;; *) form "verify.$m" verify --json "$image" ;; esac
done
verdict "there are samples (found: $n)" "$([ "$n" -ge 100 ]; echo $?)"
# A command that could not look at the image writes no document.
find "$json" -empty -delete
verdict "no mail is written about a healthy sample" "$(find "$work/json" -name "cron.healthy-*" | tee /dev/stderr | wc -l)"
"$CHAINVIEW" explain --json >"$json/explain.all"
for file in "$CHAINVIEW_STATE_DIR"/last/*; do ln "$file" "$json/result.${file##*/}"; done
documents() { find "$json" -name "$1.*" | wc -l; }
verdict "there is a document of each kind" "$(
	for kind in tree space ndjson info explain; do [ "$(documents $kind)" -eq 1 ] || exit 1; done
	[ "$(documents check)" -eq "$n" ] && [ "$(documents result)" -ge "$n" ] && [ "$(documents map)" -ge 4 ] && [ "$(documents verify)" -ge 4 ]
	echo $?)"
must "each of $(find "$json" -name '*.*' | wc -l) documents fits the schema of its kind" \
	python3 "$schema" "$schemas" "$json" tree check space info map verify ndjson result explain
cat "$json"/cron.* >"$work/mails"
LC_ALL=C lacks "no control byte is in any mail" $'[\x01-\x09\x0b-\x1f\x7f]' "$work/mails"
mkdir "$work/changed"
sed 's/"errors":/"errors2":/' "$json/check.demo" >"$work/changed/check.demo"
ends "a key that no schema knows is seen" 1 python3 "$schema" "$schemas" "$work/changed" check
finish
