#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# inspect/ cannot write, by construction: what its archive imports is looked at, name by name.
set -u
build=${BUILD:-build}
bad=0

# name, extended regular expression of symbols that nothing in inspect/ may import, objects that may
audit()
{
	local what=$1 pattern=$2 except=$3 found
	found=$(nm -A -u "$build/libinspect.a" | awk '{ n = split($1, p, ":"); print p[n - 1], $NF }' |
		grep -E " ($pattern)(@.*)?\$" | grep -vE "^($except) ")
	if [ -n "$found" ]; then
		echo "not ok - $what"
		echo "$found"
		bad=1
	else
		echo "ok - $what"
	fi
}

audit "inspect/ imports no call that writes to files" \
	'(pwrite|pwritev|pwritev2|writev|copy_file_range|sendfile)(64|64v2)?|(ftruncate|truncate|fallocate|posix_fallocate)(64)?' none
audit "inspect/ imports no call that changes names" \
	'(unlink|rename|link|symlink|mkdir|mkfifo|mknod|rmdir)(at|at2)?|renameat2|remove|chmod|fchmod(at)?|chown|fchown(at)?|utimens(at)?|futimens|setxattr|fsetxattr|mkstemp(64)?|mkdtemp|tmpfile(64)?' none
audit "inspect/ imports no stdio on files and no output" \
	'fopen(64)?|freopen(64)?|fdopen|fwrite|fputs|fputc|puts|putchar|printf|vprintf|fprintf|vfprintf|perror' none
audit "files are opened in source/open.c only" 'open(64)?|openat(64)?|creat(64)?|open_by_handle_at' 'open.o'
audit "libraries get our handles, never names" \
	'lib(vhdi|qcow)_file_open(_wide)?|libbfio_file_[a-z_]+|libbfio_handle_open.*|libbfio_pool.*' 'none'
audit "inspect/ never ends the program" 'exit|abort|quick_exit' none
audit "inspect/ starts no program and no thread" 'exec[a-z]*|system|popen|posix_spawn(p)?|pthread_create|dlopen' none

for word in write syscall; do
	nm -A -u "$build/libinspect.a" | awk -v w=$word '{ n = split($1, p, ":"); sub(/@.*/, "", $NF); if ($NF == w) print p[n - 1] }' |
		sort -u >"${TMPDIR:-/tmp}/cv-audit.$$"
	echo "# objects that import $word: $(tr '\n' ' ' <"${TMPDIR:-/tmp}/cv-audit.$$")"
	rm -f "${TMPDIR:-/tmp}/cv-audit.$$"
done
exit $bad
