#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# check goes through the tables of images, the other commands do not; what it says, and how it ends.
set -u
. "$(dirname "$0")/../support/lib.sh"

sample() { "$CHAINVIEW" sample --recipe="$1" "$work/$1" >/dev/null; }
# what a status means: 4 errors, 8 could not look, 64 warnings
check() { ends "check of $1 ends with $2" "$2" "$CHAINVIEW" check --refs=none "$work/$1"; }

case $CHAINVIEW in *-ro) echo "ok - samples are made by the other program # skip"; exit 0 ;; esac
for recipe in healthy-qcow2-snapshots leaked-clusters qcow2-refcount-zero qcow2-dirty-refcounts qcow2-header-invalid; do
	sample "$recipe"
done
check healthy-qcow2-snapshots 0
check leaked-clusters 64
check qcow2-refcount-zero 4
check qcow2-dirty-refcounts 64
check qcow2-header-invalid 12
has "tables that nobody could go through are said" 'image-unreadable: its tables were not looked at to their end' "$work/.out"

ends "tree does not look at tables" 0 "$CHAINVIEW" tree --refs=none "$work/qcow2-refcount-zero"
"$CHAINVIEW" tree --refs=none --json "$work/qcow2-refcount-zero" >"$work/tree"
verdict "and its JSON does not say that it did" "$(grep -q '"check":{' "$work/tree"; [ $? -eq 1 ]; echo $?)"
"$CHAINVIEW" check --refs=none --json "$work/leaked-clusters" >"$work/json"
has "the JSON of check has the counts" '"check":\{"complete":true,"corruptions":0,"leaked_bytes":65536\}' "$work/json"
has "and the bytes of the finding" '"bytes":65536' "$work/json"
has "and what is known of them" 'in 1 piece' "$work/json"
"$CHAINVIEW" check --refs=none --json "$work/qcow2-header-invalid" >"$work/json"
has "what was not gone through is not complete" '"check":\{"complete":false\}' "$work/json"

# A batch: one of many is damaged, and each result is that of its own image.
mkdir "$work/many"
for n in {1..150}; do cp "$work/healthy-qcow2-snapshots/vm.qcow2" "$work/many/$n.qcow2"; done
cp "$work/qcow2-refcount-zero/disk.qcow2" "$work/many/77.qcow2"
ends "one of 150 images is damaged" 4 "$CHAINVIEW" check --refs=none "$work/many"
has "only that one has a finding" '1 error; 1 of 150 images have findings|1 of 150 images has findings' "$work/.out"
has "and it is named" '77\.qcow2' "$work/.out"
ends "check --progress=always" 4 "$CHAINVIEW" check --progress=always --refs=none "$work/many"
ends "what cannot be written ends with 8 as well" 12 sh -c '"$0" check --refs=none "$1" >/dev/full' "$CHAINVIEW" "$work/many"
exit $bad
