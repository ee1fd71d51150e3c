#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The demonstration: a sample repository, then the console on it; without a terminal the trees, the findings
# and the plan of one operation, which is not carried out.
set -eu
build=$1
rm -rf "$build/demo"
"$build/chainview" sample "$build/demo"
if [ -t 0 ] && [ -t 1 ]; then
	exec "$build/chainview" "$build/demo"
fi
"$build/chainview" tree "$build/demo"
echo
# The sample is damaged on purpose: errors and warnings (4 + 64) are what a good check says here.
status=0
"$build/chainview" check --refs=none "$build/demo" || status=$?
echo
echo "check ended with $status (4 = errors, 64 = warnings: the sample is damaged on purpose)"
[ "$status" -eq 68 ]
echo
# A base copy that XenServer left hidden in the middle of a chain.
"$build/chainview" coalesce --dry-run --refs=none "$build/demo/sr-ssd/69168fc1-fff7-413d-96fc-df860b1ab892.vhd"
