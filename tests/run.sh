#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Runs test programs, two at a time, and adds up what they report.
#
# A .sh file prints "ok - what", "not ok - what" and "skipped - what: why" lines; anything else is a cmocka
# program. A program that ends badly, or reports no test at all, counts as one failure. The output of
# failures and every skipped line are shown; the last line is "N passed, N failed, N skipped".
set -u
export LC_ALL=C.UTF-8 TZ=UTC CMOCKA_MESSAGE_OUTPUT=STDOUT
export ASAN_OPTIONS="${ASAN_OPTIONS:-handle_segv=2:handle_sigbus=2:handle_sigill=2:handle_sigfpe=2:detect_leaks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
jobs=${JOBS:-$(nproc)}
limit=${TEST_SECONDS:-900}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run_one()
{
	local program=$1 log=$2 start=$SECONDS status=0
	timeout -k 10 "$limit" "$program" >"$log" 2>&1 </dev/null || status=$?
	echo "$status $((SECONDS - start))" >"$log.status"
}

n=0
for program in "$@"; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
	n=$((n + 1))
	run_one "$program" "$work/$n" &
done
wait

passed=0 failed=0 skipped=0 n=0
for program in "$@"; do
	n=$((n + 1))
	log=$work/$n
	read -r status seconds <"$log.status"
	case $program in
	*.sh)
		p=$(grep -c '^ok - ' "$log") f=$(grep -c '^not ok - ' "$log") s=$(grep -c '^skipped - ' "$log") ;;
	*)
		p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s)\..*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
		f=$(sed -n 's/^ *\([0-9]*\) FAILED TEST(S).*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
		s=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) test(s).*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }') ;;
	esac
	if [ "$f" -eq 0 ] && { [ "$status" -ne 0 ] || [ $((p + s)) -eq 0 ]; }; then f=1; fi
	printf '  %-34s %5d passed %3d failed %3d skipped  %3d s\n' "$(basename "$program")" "$p" "$f" "$s" "$seconds"
	if [ "$f" -ne 0 ]; then
		echo "---- $program ended with $status:"
		# The end, and before it what failed earlier, with what was said about it.
		{ head -n -60 "$log" | grep -B 12 -E '^not ok|\[  FAILED  \]|\[  ERROR   \]' | grep -v '^ok - '; tail -n 60 "$log"; } || true
		echo "----"
		# Once more for the end of the whole run, where they are read first.
		if [ -n "${FAILURES:-}" ]; then
			{ echo "$program ended with $status after $seconds s"
			grep -E '^not ok|^\[  FAILED  \] [a-z]' "$log" | sort -u; } >>"$FAILURES"
		fi
	fi
	[ "$s" -eq 0 ] || grep -iE '^skipped - |^\[  SKIPPED \] [^0-9]|skipped:' "$log"
	if [ -n "${CELLS:-}" ]; then grep $'^cell\t' "$log" >>"$CELLS"; fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
if [ -n "${TALLY:-}" ]; then echo "$passed $failed $skipped" >>"$TALLY"; fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
