#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Memory that runs short in every command. Allocations are chosen by chance; CHAINVIEW_TRIES=0 tries every one there is.
set -u
. "$(dirname "$0")/../support/lib.sh"
here=$(dirname "$0")/../support

if nm "$CHAINVIEW" 2>/dev/null | grep -q __asan_init; then skip "memory that runs short" "sanitizers have their own allocator"; finish; fi
needs qemu-io "memory that runs short" || finish
needs python3 "memory that runs short" || finish
must "the library that makes it short is built" ${CC:-cc} -O2 -Wall -Wextra -Werror -shared -fPIC -o "$work/fail_malloc.so" "$here/fail_malloc.c"
python3 "$here/memory.py" "$CHAINVIEW" "$work/fail_malloc.so" "$work" "${CHAINVIEW_TRIES:-15}" || bad=1
finish
