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
"$build/chainview" convert --dry-run --refs=none --to vhdx "$build/demo/libvirt/images/mirror-snap2.qcow2" "$build/demo/converted.vhdx"
