#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Makes the kept corpus anew: for each target the fewest inputs that reach what all do that it has ever found, and
# everything with a name of its own, which once broke something.
#
#   keep.sh BUILD [TARGET...]
set -eu
build=$1
shift
here=$(dirname "$0")
export ASAN_OPTIONS="${ASAN_OPTIONS:-malloc_context_size=0:detect_leaks=0}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n 's/^T(\([a-z0-9_]*\), *\([a-z0-9_]*\),.*/\1 \2/p' "$here/targets.def" |
while read -r target corpus; do
	if [ $# -gt 0 ] && [[ " $* " != *" $target "* ]]; then continue; fi
	kept=$here/corpus/$corpus fresh=$work/$corpus
	mkdir -p "$fresh" "$work/merged" "$build/found/$target" "$kept"
	# Of images also those are kept that go the same ways more often: they are what test_hostile.sh shows to the program.
	case $corpus in vhd | vhdx | qcow2 | qcow) counters=1 ;; *) counters=0 ;; esac
	"$build/fuzz_$target" -merge=1 -use_counters=$counters "$work/merged" "$kept" "$build/found/$target" >"$work/log" 2>&1 || tail -3 "$work/log"
	find "$work/merged" -type f -exec mv -t "$fresh" {} +
	echo "$target: $(find "$fresh" -type f | wc -l) in $corpus"
done
for fresh in "$work"/*/; do
	corpus=$(basename "$fresh")
	[ "$corpus" != merged ] || continue
	find "$here/corpus/$corpus" -type f -regex '.*/[0-9a-f]*' -delete
	find "$fresh" -type f -exec mv -t "$here/corpus/$corpus" {} +
done
du -sb --apparent-size "$here/corpus"
