#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# All calls of repair/ that change storage, or ask who uses it, are made in one object, the real side of the I/O table: what its archive
# imports is looked at name by name, and a real operation is traced with the stack of every such call.
set -u
build=${BUILD:-build}
bad=0
names='(p?write|p?writev|pwritev2|copy_file_range|sendfile|splice)(64|64v2)?|(ftruncate|truncate|fallocate|posix_fallocate)(64)?|(unlink|rename|link|symlink|mkdir|mkfifo|mknod|rmdir)(at|at2)?|renameat2|remove|(f?chmod|f?chown|lchown)(at)?|utimens(at)?|futimens|f?setxattr|lsetxattr|f(data)?sync|sync_file_range|mkstemp(64)?|mkdtemp|fopen(64)?|fwrite|fputs|ioctl|open(at)?(64)?|creat(64)?|fcntl(64)?|dup[23]?|flock|lockf(64)?|syscall'
found=$(nm -A -u "$build/librepair.a" | awk '{ n = split($1, p, ":"); print p[n - 1], $NF }' |
	grep -E " ($names)(@.*)?\$" | grep -v '^real.o ')
if [ ! -s "$build/librepair.a" ] || [ -n "$found" ]; then
	echo "not ok - only the I/O table of repair/ makes calls that change storage"
	echo "$found"
	bad=1
else
	echo "ok - only the I/O table of repair/ makes calls that change storage"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
calls=pwrite64,pwritev,pwritev2,ftruncate,fallocate,copy_file_range,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,chmod,fchmod,fchmodat,utimensat,fsync,fdatasync,sync_file_range,fcntl,flock,ioprio_set
if ! command -v strace >/dev/null || ! strace -k -o /dev/null true 2>/dev/null; then
	echo "skipped - every such call of an operation comes from the table: strace cannot show stacks here"
	exit $bad
fi
export CHAINVIEW_STATE_DIR=$work/state
"$build/chainview" sample --recipe orphaned-base-copy-two "$work/repo" >/dev/null && chmod 755 "$work/repo" "$work/repo/sub"
echo "$work/repo/leaf.vhd" >"$work/needed"

# traced WHAT LEAST COMMAND...: of each thread a call, then a line for each frame: the first of them in our program has to
# be a function of the table. At least so many calls, and some of them for claims.
traced()
{
	local what=$1 least=$2 status
	shift 2
	rm -f "$work"/trace.*
	strace -ff -k -o "$work/trace" -e trace="$calls" "$@" >/dev/null 2>&1
	status=$?
	cat "$work"/trace.* | awk -v least="$least" '
		/^ >/ { if (!seen && /chainview/ && !/\(_start|\(main/) { seen = 1; if (!/\(real_/) { print call; print; bad++ } } next }
		/^[-+]/ { seen = 1 }
		# Of fcntl() only locks and leases; the C library has other uses for it.
		/^fcntl\(/ && !/LEASE|LK/ { seen = 1; next }
		/^[a-z0-9_]+\(/ { call = $0; seen = 0; calls++; claims += /^fcntl/ }
		END { print "# " calls " calls, " claims + 0 " of them for claims, " bad + 0 " from elsewhere"
		      exit !(calls >= least && claims >= 6 && !bad) }' >"$work/verdict"
	if [ $? -eq 0 ] && [ "$status" -eq 0 ]; then
		tail -1 "$work/verdict"
		echo "ok - every such call of $what comes from the table"
	else
		head -20 "$work/verdict"
		echo "not ok - every such call of $what comes from the table"
		bad=1
	fi
}
traced gc 20 "$build/chainview" gc --refs=list:"$work/needed" --yes "$work/repo"
traced convert 20 "$build/chainview" convert --refs=none --to qcow2 --yes "$work/repo/leaf.vhd" "$work/repo/new.qcow2"
exit $bad
