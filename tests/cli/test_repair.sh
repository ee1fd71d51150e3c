#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# repair, and check --repair: every damaged sample is mended or left as it is with the reason; what is mended is no longer found
# and nothing new is; a second repair has nothing to do; undo gives back the damaged bytes exactly.
set -u
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/repairs.sh"

# --- every sample -------------------------------------------------------------------------------------------------
: >"$work/mended"
: >"$work/broken"
for recipe in $("$CHAINVIEW" sample --list | awk '$1 !~ /^healthy-|operation-/ { print $1 }'); do
	repo=$work/$recipe
	make_sample "$recipe" || continue
	sums "$repo" >"$work/before"
	"$CHAINVIEW" repair -y --refs=none --json "$repo" >"$work/out.json" 2>"$work/err"
	status=$?
	if [ "$(operations "$repo")" -eq 0 ]; then
		sums "$repo" | cmp -s - "$work/before" || echo "$recipe: changed without a journal" >>"$work/broken"
		[ $((status & 1)) -eq 0 ] || echo "$recipe: says that it corrected something" >>"$work/broken"
		rm -rf "$repo"
		continue
	fi
	echo "$recipe $(tr -d '\n' <"$work/out.json" | grep -o '"kind":"[a-z-]*","verdict":"[a-z]*","chosen":true' | cut -d'"' -f4 | sort -u | paste -sd,)" >>"$work/mended"
	[ $((status & 1)) -eq 1 ] || echo "$recipe: ended with $status" >>"$work/broken"
	sums "$repo" >"$work/after"
	"$CHAINVIEW" repair -y --refs=none "$repo" >"$work/out" 2>&1
	[ "$(operations "$repo")" -eq 1 ] || { echo "$recipe: a second repair did something"; cat "$work/out"; } >>"$work/broken"
	sums "$repo" | cmp -s - "$work/after" || echo "$recipe: a second repair changed something" >>"$work/broken"
	"$CHAINVIEW" undo --yes --refs=none "$repo" "$(last "$repo")" >"$work/out" 2>&1 || { echo "$recipe: undo failed"; cat "$work/out"; } >>"$work/broken"
	sums "$repo" | cmp -s - "$work/before" || echo "$recipe: undo did not give back the bytes" >>"$work/broken"
	rm -rf "$repo"
done
echo "# mended: $(wc -l <"$work/mended") samples"
sed 's/^/#   /' "$work/mended"
sed 's/^/# /' "$work/broken"
verdict "every sample is mended and given back, or left alone" "$([ ! -s "$work/broken" ]; echo $?)"

mends vhd-footer-missing vhd-footer-missing safe
mends vhd-footer-missing-cut vhd-footer-missing safe
mends vhd-footer-copy-missing vhd-footer-copy-missing safe
mends vhd-footer-checksum vhd-footer-checksum safe
mends vhd-footers-differ vhd-footers-differ asks
mends vhd-footer-killed vhd-footer-killed asks
mends vhd-batmap-invalid vhd-batmap-invalid safe
mends vhd-batmap-invalid-bits vhd-batmap-invalid safe
mends vhd-batmap-invalid-cookie vhd-batmap-invalid safe
mends vhd-batmap-invalid-unallocated vhd-batmap-invalid safe
mends vhd-reserved-nonzero-tables vhd-reserved-nonzero asks
mends vhd-reserved-nonzero-bitmap vhd-reserved-nonzero asks
mends vhd-identity-null vhd-identity-null asks
mends vhdx-header-invalid vhdx-header-invalid safe
mends vhdx-region-table-invalid vhdx-region-table-invalid safe
refuses vhdx-header-invalid-both vhdx-header-invalid "neither of its headers"
refuses vhdx-header-invalid-torn vhdx-log-pending "no sequence of entries in it is whole"
mends base-not-hidden base-not-hidden asks
mends leaked-clusters leaked-clusters safe
mends leaked-clusters-counted leaked-clusters safe
mends leaked-clusters-tail leaked-clusters safe
mends leaked-clusters-table leaked-clusters asks
mends qcow2-dirty qcow2-dirty safe
mends qcow2-dirty-refcounts qcow2-refcount-zero safe
mends qcow2-copied-flag-wrong qcow2-copied-flag-wrong safe
mends qcow2-copied-flag-wrong-shared qcow2-copied-flag-wrong safe
mends qcow2-refcount-too-low qcow2-refcount-too-low safe
mends qcow2-refcount-zero qcow2-refcount-zero safe
refuses qcow2-table-overlap leaked-clusters "its tables must be right before"
refuses visible-base-with-hidden-children base-not-hidden "it may be the disk itself"
refuses vhd-footer-checksum-both vhd-footer-checksum "no footer has a checksum that fits"
refuses vhd-footers-differ-kind vhd-footers-differ "they differ in its kind"
refuses image-truncated-vhd image-truncated "chainview convert '.*disk.vhd' NEW.raw --to raw --salvage=LOST.map"
refuses qcow2-table-overlap qcow2-table-overlap "chainview convert '.*disk.qcow2' NEW.raw --to raw --salvage=LOST.map"
refuses vhd-block-past-end vhd-block-past-end "nowhere else"

# --- a truncated image is not made to look whole ------------------------------------------------------------------
repo=$work/cut
"$CHAINVIEW" sample --recipe vhd-footer-missing "$repo" >/dev/null
chmod 755 "$repo"
truncate -s -70000 "$repo/disk.vhd"
sums "$repo" >"$work/before"
"$CHAINVIEW" repair -y --refs=none "$repo" >"$work/out" 2>&1
tr -s ' \n' ' ' <"$work/out" >"$work/line"
has "a footer behind a cut block is refused" "would make it look whole" "$work/line"
verdict "and nothing is touched" "$(sums "$repo" | cmp -s - "$work/before"; echo $?)"

# --- who has it open ----------------------------------------------------------------------------------------------
repo=$work/open
"$CHAINVIEW" sample --recipe vhd-footer-missing "$repo" >/dev/null
chmod 755 "$repo"
sums "$repo" >"$work/before"
exec 9<"$repo/disk.vhd"
ends "an image that is open is refused" 4 "$CHAINVIEW" repair -y --refs=none "$repo"
exec 9<&-
verdict "and not touched" "$(sums "$repo" | cmp -s - "$work/before"; echo $?)"
ends "then it is mended" 1 "$CHAINVIEW" repair -y --refs=none "$repo/disk.vhd"
ends "and qemu-img reads it" 0 qemu-img info -f vpc "$repo/disk.vhd"
printf 'x' | dd of="$repo/disk.vhd" bs=1 seek=$(($(stat -c %s "$repo/disk.vhd") - 400)) conv=notrunc status=none
ends "undo is refused where its bytes were changed" 4 "$CHAINVIEW" undo --yes --refs=none "$repo" "$(last "$repo")"
has "with the reason" "changed since" "$work/.out"

# --- answers at a terminal ----------------------------------------------------------------------------------------
asked()
{
	make_sample vhd-footers-differ
	printf "$1" | script -qec "$CHAINVIEW repair --refs=none $work/vhd-footers-differ" /dev/null >"$work/out" 2>&1
	operations "$work/vhd-footers-differ"
	rm -rf "$work/vhd-footers-differ"
}
verdict "n at the terminal leaves it" "$([ "$(asked 'n\n')" -eq 0 ]; echo $?)"
verdict "y at the terminal mends it" "$([ "$(asked 'y\n')" -eq 1 ]; echo $?)"
verdict "what is no answer is asked again" "$([ "$(asked 'what\na\n')" -eq 1 ]; echo $?)"
verdict "the end of the input is no" "$([ "$(asked '')" -eq 0 ]; echo $?)"

# --- usage, documents, output that cannot be written ---------------------------------------------------------------
make_sample vhd-footer-missing
repo=$work/vhd-footer-missing
ends "-n goes before -y" 4 "$CHAINVIEW" repair -n -y --refs=none "$repo"
verdict "and nothing is done" "$([ "$(operations "$repo")" -eq 0 ]; echo $?)"
ends "-p and -y together" 16 "$CHAINVIEW" repair -p -y "$repo"
ends "check -y without --repair" 16 "$CHAINVIEW" check -y "$repo"
ends "images and repositories together" 16 "$CHAINVIEW" repair "$repo" "$repo/disk.vhd"
if "$CHAINVIEW" repair -y --refs=none "$repo" >/dev/full 2>"$work/err"; then status=0; else status=$?; fi
verdict "what cannot be shown is not done" "$([ $((status & 8)) -ne 0 ] && [ "$(operations "$repo")" -eq 0 ]; echo $?)"
"$CHAINVIEW" repair -y --refs=none --json "$repo" >"$work/out.json"
must "the document says what was done" python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
assert d["schema"]["name"] == "chainview.repair" and d["tool"]["exit_status"] == 1
assert d["plan"]["operation"] == "repair" and d["plan"]["steps"][0]["kind"] == "restore-footer"
assert d["plan"]["fixes"][0]["chosen"] and d["plan"]["fixes"][0]["verdict"] == "safe"
assert d["result"]["state"] == "done" and len(d["result"]["operation_id"]) == 36' "$work/out.json"
has "the journal has it" "repair" <("$CHAINVIEW" journal "$repo")
"$CHAINVIEW" undo --yes --refs=none "$repo" "$(last "$repo")" >/dev/null 2>&1
ends "undo of the undo" 0 "$CHAINVIEW" undo --yes --refs=none "$repo" "$(last "$repo")"
ends "mends it again" 0 "$CHAINVIEW" check --refs=none "$repo"

finish
