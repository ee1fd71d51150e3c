#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Everything `make check` runs, in order; goes on after a failure and adds up at the end.
set -u
make=$1 build=$2
jobs=-j$(nproc)
TALLY=$(mktemp) FAILURES=$(mktemp) cells=$(mktemp)
export TALLY FAILURES
trap 'rm -f "$TALLY" "$FAILURES" "$cells"' EXIT
failed=0

step()
{
	echo "== $1"
	shift
	"$@" || { failed=1; echo "failed: $*" >>"$FAILURES"; }
}

san=address,undefined
# The kept inputs of the fuzz targets take their time under sanitizers.
export TEST_SECONDS=2400
step "build" "$make" -s $jobs W=1 BUILD="$build" all "$build/libtui.a"
CELLS=$cells step "unit tests" "$make" -s $jobs BUILD="$build" unit
step "what was proved about crashes" tests/cells.sh "$cells"
step "tests of the program" "$make" -s BUILD="$build" cli
# names, readonly, space, states
step "the read-only program" "$make" -s BUILD="$build" T='test_[rsn][eapt][am]*' readonly-cli
# A few allocations of each command, others each time; check-nightly takes many.
step "memory that runs short" env BUILD="$build" CHAINVIEW="$(realpath "$build")/chainview" CHAINVIEW_TRIES=4 tests/run.sh tests/nightly/test_memory.sh
step "audits" "$make" -s $jobs BUILD="$build" audit
step "build with sanitizers" "$make" -s $jobs SAN=$san BUILD="$build/san" all "$build/san/libtui.a"
step "unit tests with sanitizers" "$make" -s $jobs SAN=$san BUILD="$build/san" unit
step "tests of the program with sanitizers" "$make" -s SAN=$san BUILD="$build/san" cli

if [ -s "$FAILURES" ]; then
	echo "== what failed"
	cat "$FAILURES"
fi
awk -v bad=$failed '{ p += $1; f += $2; s += $3 }
	END { if (bad && !f) f = 1; printf "%d passed, %d failed, %d skipped\n", p, f, s }' "$TALLY"
exit $failed
