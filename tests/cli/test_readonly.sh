#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Traces of tree, info and check over a repository full of names that lead elsewhere: no image is written to,
# nothing outside the repository is opened, access times of files and folders stay (those of links cannot be kept).
set -u
. "$(dirname "$0")/../support/lib.sh"

command -v strace >/dev/null || { skip "traces" "strace is not installed"; finish; }

repo=$work/repo outside=$work/outside
mkdir -p "$repo/sub" "$outside"
qemu-img create -q -f qcow2 "$outside/secret.qcow2" 1M
qemu-img create -q -f qcow2 "$repo/base.qcow2" 1M
overlay() { qemu-img create -q -u -f qcow2 -b "$2" -F qcow2 "$repo/$1" 1M; }
overlay good.qcow2 base.qcow2
overlay absolute.qcow2 "$outside/secret.qcow2"
overlay dotdot.qcow2 ../outside/secret.qcow2
overlay sub/dotdot.qcow2 ../../outside/secret.qcow2
overlay passwd.qcow2 /etc/passwd
overlay proc.qcow2 /proc/self/limits
overlay through-link.qcow2 link.qcow2
overlay through-folder.qcow2 folder/secret.qcow2
overlay json.qcow2 'json:{"driver":"qcow2","file":{"driver":"file","filename":"/etc/hostname"}}'
overlay nbd.qcow2 nbd://127.0.0.1:1/x
overlay fifo.qcow2 pipe
ln -s "$outside/secret.qcow2" "$repo/link.qcow2"
ln -s "$outside" "$repo/folder"
mkfifo "$repo/pipe"
# So long ago that any read would be noted. Names are listed first: a glob reads the folder.
find "$repo" \( -type f -o -type d \) -print0 | sort -z >"$work/names"
xargs -0 touch -a -d '2001-01-01' <"$work/names"
times() { xargs -0 stat -c '%n %x %y %z %s' <"$work/names"; }
times >"$work/before"

n=0
for command in "tree $repo" "info $repo/good.qcow2" "info $repo/absolute.qcow2" "check $repo" "check --refs=proc $repo" \
	"tree --json $repo" "info --json --repo $repo $repo/passwd.qcow2"; do
	n=$((n + 1))
	# shellcheck disable=SC2086 # words
	ASAN_OPTIONS=detect_leaks=0 strace -f -yy -s 256 -o "$work/trace.$n" "$CHAINVIEW" $command >"$work/out.$n" 2>&1
done

# Asking where the extents of a file lie changes nothing.
cat "$work"/trace.* | grep -v 'ioctl(.*, FS_IOC_FIEMAP, ' >"$work/all"
# What an image could be changed by, with the descriptor resolved, or by a name in the repository.
lacks "no open of the repository for writing" "open(at|at2)?\(.*$repo.*(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC)" "$work/all"
lacks "no write-class call on anything in the repository" \
	"^[0-9]+ +(pwrite64|pwritev2?|write|writev|ftruncate|truncate|fallocate|fchmod|fchown|utimensat|fsetxattr|rename[a-z0-9]*|unlink[a-z]*|link[a-z]*|symlink[a-z]*|mkdir[a-z]*|chmod|fchmodat|ioctl)\([0-9]*<?$repo" "$work/all"
lacks "no name in the repository is changed" \
	"^[0-9]+ +(rename[a-z0-9]*|unlink(at)?|link(at)?|symlink(at)?|mkdir(at)?|mknod(at)?|chmod|fchmodat|truncate|utimensat|utime|setxattr)\(.*$repo" "$work/all"
lacks "nothing outside the repository is opened" "(open|openat|openat2|creat)\(.*\) = [0-9]+<[^>]*/outside" "$work/all"
lacks "no name outside the repository is looked up" "(open|openat|openat2|stat|statx|newfstatat|lstat|readlink|readlinkat|access|faccessat2?)\([^\"]*\"$outside" \
	"$work/all"
# The C library itself looks at /etc/passwd for nobody here; a backing name must not make us do it.
lacks "no name from an image leads into /etc or /proc" "open(at|at2)?\(.*\"/?(etc/passwd|etc/hostname|proc/self/limits)\"" "$work/all"
grep -v O_PATH "$work/all" >"$work/opened"
lacks "no FIFO is opened, only looked at" "open(at|at2)?\(.*\) = [0-9]+<[^>]*/pipe>" "$work/opened"
lacks "no connection is tried" "(connect|bind|sendto)\(.*(sin_port|AF_INET)" "$work/all"

times >"$work/after"
has "the times looked at are those" '^[^ ]+/good.qcow2 2001-01-01 .* 2[0-9]{3}-' "$work/before"
must "sizes and all times of every image and folder are as before" diff "$work/before" "$work/after"
verdict "no .chainview folder appeared" "$([ ! -e "$repo/.chainview" ]; echo $?)"
finish
