# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# What the tests of the program share: verdict lines, a work folder, JSON without white space.
CHAINVIEW=${CHAINVIEW:-build/chainview}
work=$(mktemp -d "${TMPDIR:-/tmp}/chainview-cli-XXXXXX")
trap 'chmod -R u+rwX "$work" 2>/dev/null; rm -rf "$work"' EXIT
bad=0

# verdict WHAT STATUS
verdict()
{
	if [ "$2" -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; bad=1; fi
}

# must WHAT COMMAND...: the command must succeed
must()
{
	local what=$1 status=0
	shift
	"$@" >"$work/.out" 2>&1 || status=$?
	if [ "$status" -ne 0 ]; then echo "# '$*' ended with $status:"; head -20 "$work/.out"; fi
	verdict "$what" "$status"
}

# ends WHAT STATUS COMMAND...: the command must end with that status
ends()
{
	local what=$1 wanted=$2 status=0
	shift 2
	"$@" >"$work/.out" 2>&1 || status=$?
	if [ "$status" -ne "$wanted" ]; then echo "# '$*' ended with $status, not $wanted:"; head -20 "$work/.out"; fi
	verdict "$what" "$([ "$status" -eq "$wanted" ]; echo $?)"
}

# has WHAT REGEX FILE
has()
{
	if ! grep -qE -- "$2" "$3"; then echo "# no '$2' in:"; head -c 4000 "$3"; echo; verdict "$1" 1; else verdict "$1" 0; fi
}

# lacks WHAT REGEX FILE
lacks()
{
	if grep -E -- "$2" "$3" | head -5; then :; fi
	if grep -qE -- "$2" "$3"; then verdict "$1" 1; else verdict "$1" 0; fi
}

# The JSON of a command without white space between its parts, so that it can be searched.
flat()
{
	"$CHAINVIEW" "$@" --json 2>/dev/null | tr -d '\n\t ' || true
}

# on_file_systems WHAT FUNCTION: FUNCTION NAME FOLDER in a folder here, then on a new ext4, XFS and btrfs of 400 MiB each.
on_file_systems()
{
	local what=$1 function=$2 fs
	mkdir -p "$work/here"
	"$function" "this file system" "$work/here"
	for fs in ext4 xfs btrfs; do
		if [ "$(id -u)" -ne 0 ] || ! command -v "mkfs.$fs" >/dev/null; then
			skip "$what on $fs" "not root, or no mkfs.$fs"
			continue
		fi
		mkdir -p "$work/$fs"
		truncate -s 400M "$work/$fs.img"
		"mkfs.$fs" -q "$work/$fs.img" && mount -o loop "$work/$fs.img" "$work/$fs" 2>/dev/null || {
			skip "$what on $fs" "cannot be mounted here"
			continue
		}
		"$function" "$fs" "$work/$fs"
		umount "$work/$fs"
		rm -f "$work/$fs.img"
	done
}

# copy_vhd FROM TO: a copy with an identity of its own.
copy_vhd()
{
	cp "$1" "$2"
	python3 - "$2" <<'END'
import sys
name = sys.argv[1]
data = bytearray(open(name, "rb").read())
for at in (0, len(data) - 512):
    footer = data[at:at + 512]
    footer[68:84] = bytes(range(16, 32))
    footer[64:68] = bytes(4)
    footer[64:68] = (~sum(footer) & 0xffffffff).to_bytes(4, "big")
    data[at:at + 512] = footer
open(name, "wb").write(data)
END
}

# kills_everywhere FUNCTION: on_file_systems, where a program can be killed at its n-th call.
kills_everywhere()
{
	if [[ $CHAINVIEW == */san/* ]]; then
		skip "killed at every barrier" "done with the ordinary build"
	elif ! command -v strace >/dev/null; then
		skip "killed at every barrier" "no strace"
	else
		on_file_systems "killed at every barrier" "$1"
	fi
}

# killed_at_calls FS RECIPE CALLS BEFORE AFTER COMMAND...: COMMAND is killed at its n-th of each of the calls, each time in a new $repo
# of the recipe, which is recovered then. BEFORE and AFTER the recovery: functions that fail, with what is wrong, where it is.
killed_at_calls()
{
	local fs=$1 recipe=$2 calls=$3 before=$4 after=$5 call n killed left=0 why steps="2 5 9"
	shift 5
	[ "$fs" = "this file system" ] && steps="1 2 3 4 5 6 8 11 15 20"
	rm -rf "$work/start"
	"$CHAINVIEW" sample --recipe "$recipe" "$work/start" >/dev/null
	for call in $calls; do
		for n in $steps; do
			rm -rf "$repo"
			cp -r --sparse=always "$work/start" "$repo" && chmod 755 "$repo"
			(strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" "$@") >/dev/null 2>&1
			killed=$?
			[ "$killed" -eq 137 ] && left=$((left + 1))
			why=$("$before") || { verdict "$fs: $why before recovery, after $call $n" 1; return 1; }
			"$CHAINVIEW" recover --yes "$repo" >"$work/.out" 2>&1 || { cat "$work/.out"; verdict "$fs: recovery after $call $n" 1; return 1; }
			why=$("$after") || { verdict "$fs: $why after $call $n" 1; return 1; }
			"$CHAINVIEW" check --refs=none "$repo" 2>&1 | grep -E '^ *E ' && { verdict "$fs: errors after $call $n" 1; return 1; }
			[ "$killed" -eq 137 ] || break
		done
	done
	rm -rf "$repo"
	echo "# $fs: killed $left times"
	verdict "$fs: killed at any of $calls, the leaf reads what it did" "$([ "$left" -ge 5 ]; echo $?)"
}

# Is the program one with sanitizers? It has to do once more what touches memory in another way, and not what only shows
# that two runs give the same document.
sanitized()
{
	nm "$CHAINVIEW" 2>/dev/null | grep -q __asan_init
}

skip()
{
	echo "skipped - $1: $2"
}

# needs TOOL WHAT: true if there is such a program; otherwise says "skipped", or "not ok" where nothing may be missing.
needs()
{
	if command -v "$1" >/dev/null 2>&1; then return 0; fi
	if [ -n "${CI:-}" ]; then echo "# $1 is not there"; verdict "$2" 1; else skip "$2" "$1 is not there"; fi
	return 1
}

finish()
{
	exit "$bad"
}

# qemu_holds FILE ARGUMENTS...: a qemu-io that has opened an image (and FILE with it), until qemu_leaves. What the shell
# itself keeps about it is forgotten as soon as it ends.
qemu_holds()
{
	local file=$1
	shift
	coproc QEMU { exec qemu-io "$@" 2>&1; }
	qemu_pid=$QEMU_PID qemu_input=${QEMU[1]}
	for ((i = 0; i < 100; i++)); do
		if grep -q ":$(stat -L -c %i "$file") " /proc/locks; then return; fi
		sleep 0.1
	done
}
qemu_leaves()
{
	echo quit >&"$qemu_input"
	wait "$qemu_pid" 2>/dev/null
}
