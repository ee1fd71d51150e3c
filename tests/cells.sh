#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# cells.sh FILE: the table of what was proved about crashes, from the lines that tests/support/crash_cell.c printed; fails
# if one of cells.txt is missing or empty, one is there that is not in it, or a barrier of one was not left out once.
set -u
lines=$1 wanted=$(dirname "$0")/cells.txt bad=0
cells() { cut -f 2-4 "$lines" | sort -u; }

printf '%-15s %-24s %-18s %8s %8s %6s %9s %9s %10s %9s\n' \
	operation format shape barriers "left out" names states distinct recoveries inner
sort "$lines" | awk -F '\t' '{
	printf "%-15s %-24s %-18s %8d %8d %6d %9d %9d %10d %9d\n", $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
	for (i = 5; i <= 11; i++) sum[i] += $i }
	END { printf "%-15s %-24s %-18s %8d %8d %6d %9d %9d %10d %9d\n", "all", "", "", sum[5], sum[6], sum[7], sum[8], sum[9], sum[10], sum[11] }'
while IFS= read -r line; do echo "no test: $line"; bad=1; done < <(comm -13 <(cells) <(grep -v '^#' "$wanted" | sort))
while IFS= read -r line; do echo "not in cells.txt: $line"; bad=1; done < <(comm -23 <(cells) <(grep -v '^#' "$wanted" | sort))
while IFS= read -r line; do echo "empty: $line"; bad=1; done < <(awk -F '\t' '!$5 || !$8 || !$10' "$lines")
while IFS= read -r line; do echo "barriers that were not left out: $line"; bad=1; done \
	< <(awk -F '\t' '$4 !~ /pages torn/ && $5 != $6' "$lines")
exit $bad
