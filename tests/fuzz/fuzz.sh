#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Runs the fuzz targets one after the other, each for its share of the time, and says what they did.
#
#   fuzz.sh BUILD MINUTES [TARGET...]
#
# What a target finds stays in BUILD/found and is where the next run goes on; keep.sh puts the best of it into the kept
# corpus. An input that broke something lies in BUILD/faults. BUILD/fuzz.log gets a line for each run:
# date target executions seconds edges.
set -u
build=$1 minutes=$2
shift 2
here=$(dirname "$0")
seconds=$(awk -v m="$minutes" 'BEGIN { printf "%d", m * 60 }')
export ASAN_OPTIONS="${ASAN_OPTIONS:-malloc_context_size=0:quarantine_size_mb=8:detect_leaks=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
mkdir -p "$build/found" "$build/faults"

# target corpus share, of the targets that were asked for
rows=$(sed -n 's/^T(\([a-z0-9_]*\), *\([a-z0-9_]*\), *\([0-9]*\)).*/\1 \2 \3/p' "$here/targets.def" |
	awk -v wanted=" $* " 'wanted ~ /^ *$/ || index(wanted, " " $1 " ")')
[ -n "$rows" ] || { echo "no such target: $*" >&2; exit 16; }
total=$(awk '{ n += $3 } END { print n }' <<<"$rows")

# of LOG KEY: a number of libFuzzer's final statistics
of() { sed -n "s/^stat::$2: *//p" "$1" | tail -1; }

failed=0 all=0
while read -r target corpus share; do
	found=$build/found/$target log=$build/fuzz_$target.log
	limit=$((seconds * share / total))
	if [ ! -d "$found" ]; then mkdir -p "$found"; "$build/fuzz_seeds" "$target" "$found"; fi
	status=0 begin=$SECONDS
	mkdir -p "$here/corpus/$corpus"
	"$build/fuzz_$target" -max_total_time="$((limit > 2 ? limit : 2))" -timeout=30 -rss_limit_mb=2048 -malloc_limit_mb=64 \
		-reload=0 -print_final_stats=1 -artifact_prefix="$build/faults/$target-" "$found" "$here/corpus/$corpus" \
		>"$log" 2>&1 || status=$?
	runs=$(of "$log" number_of_executed_units) took=$((SECONDS - begin))
	edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
	printf '%-16s %12s executions %8s/s %6s edges%s\n' "$target" "${runs:-0}" "$((${runs:-0} / (took ? took : 1)))" \
		"${edges:-0}" "$([ "$status" -eq 0 ] || echo "   BROKEN, see $log")"
	echo "$(date -u +%FT%TZ) $target ${runs:-0} $took ${edges:-0}" >>"$build/fuzz.log"
	all=$((all + ${runs:-0}))
	[ "$status" -eq 0 ] || failed=1
done <<<"$rows"
echo "$all executions"
exit $failed
