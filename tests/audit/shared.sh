#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# The shared library: only cv_ names are visible, one copy of libbfio serves all, the program runs on it.
set -u
build=${BUILD:-build}
bad=0

verdict()
{
	if [ "$2" -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; bad=1; fi
}

foreign=$(nm -D --defined-only "$build/libchainview.so.0" | awk '$3 !~ /^cv_/ { print $3 }')
[ -z "$foreign" ] || echo "$foreign"
verdict "libchainview exports cv_ names only" "$([ -z "$foreign" ]; echo $?)"

clash=$(nm --defined-only -g "$build/libchainview.a" 2>/dev/null | awk 'NF == 3 && $3 !~ /^cv_/ { print $3 }' | sort -u)
[ -z "$clash" ] || echo "$clash"
verdict "no object defines a global name outside cv_" "$([ -z "$clash" ]; echo $?)"

first=$(readelf -d "$build/libchainview.so.0" | sed -n 's/.*NEEDED.*\[\(libvhdi\|libqcow\|libbfio\)\.so.*/\1/p' | head -1)
verdict "of the three libyal libraries libvhdi is linked first (found: ${first:-none})" "$([ "${first:-libvhdi}" = libvhdi ]; echo $?)"

"$build/chainview-shared" --version >/dev/null
verdict "the program runs on the shared library, with public functions only" $?
exit $bad
