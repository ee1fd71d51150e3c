#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Who has an image open is named, and nothing is touched: QEMU in all its programs, mappings, loop devices, anybody; as
# root and as an ordinary user. While images are copied a guest gets them, or with --exclusive does not.
set -u
. "$(dirname "$0")/../support/lib.sh"
holders=()
trap 'kill "${holders[@]}" 2>/dev/null; [ -z "${loop:-}" ] || losetup -d "$loop"; rm -rf "$work"' EXIT
export CHAINVIEW_STATE_DIR=$work/state

repo=$work/repo
"$CHAINVIEW" sample --recipe orphaned-base-copy-two "$repo" >/dev/null && chmod 755 "$work" "$repo" "$repo/sub"
echo "$repo/leaf.vhd" >"$work/needed"
image=$repo/orphan.vhd
gc() { "$CHAINVIEW" gc --refs=list:"$work/needed" "$repo" --yes "$@"; }
sums() { (cd "$repo" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
sums >"$work/before"
pending() { find "$repo/.chainview/journal" "$repo/.chainview/trash" -mindepth 1 2>/dev/null; }

# is_refused WHAT REGEX: gc says so, and has touched nothing.
is_refused()
{
	ends "$1: refused" 4 gc
	has "$1: named" "$2" "$work/.out"
	sums >"$work/after"
	verdict "$1: nothing was touched" "$(cmp -s "$work/before" "$work/after" && [ -z "$(pending)" ]; echo $?)"
}

# starts COMMAND...: in the background, until it has the image open; its number in $pid.
starts()
{
	"$@" >"$work/holder" 2>&1 </dev/null &
	pid=$!
	holders+=("$pid")
	for _ in $(seq 500); do
		# shellcheck disable=SC2010 # what the links lead to
		ls -l "/proc/$pid/fd" 2>/dev/null | grep -qF "$image" && return
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.02
	done
	sed 's/^/# /' "$work/holder"
}
stops() { kill "$pid"; wait "$pid" 2>/dev/null; }

# holds PROGRAM WHAT COMMAND...
holds()
{
	local program=$1 what=$2
	shift 2
	needs "$program" "$what" || return
	starts "$@"
	is_refused "$what" "orphan.vhd is in use by ${program} \(pid $pid\)\$"
	stops
}
holds qemu-io "qemu-io that writes" qemu-io -f vpc -c "sleep 600000" "$image"
holds qemu-io "qemu-io that reads" qemu-io -r -f vpc -c "sleep 600000" "$image"
holds qemu-io "qemu-io that shares everything" qemu-io -r -U -f vpc -c "sleep 600000" "$image"
holds qemu-io "qemu-io that locks nothing" qemu-io -c "sleep 600000" --image-opts \
	"driver=vpc,file.driver=file,file.locking=off,file.filename=$image"
holds qemu-nbd "qemu-nbd" qemu-nbd -t -f vpc -k "$work/socket" "$image"
holds qemu-system-x86_64 "the system emulator" qemu-system-x86_64 -M none -nodefaults -display none -monitor none \
	-serial none -drive "file=$image,format=vpc,if=none,id=disk"
holds sleep "a program that reads" bash -c 'exec sleep 600 9<"$1"' - "$image"

cat >"$work/map.py" <<'PY'
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
held = mmap.mmap(fd, 4096, prot=mmap.PROT_READ)
os.close(fd)
# Python keeps a copy of the descriptor: only the mapping shall stay.
for name in os.listdir("/proc/self/fd"):
    if os.path.realpath("/proc/self/fd/" + name) == os.path.realpath(sys.argv[1]):
        os.close(int(name))
print("mapped", flush=True)
time.sleep(600)
PY
python3 "$work/map.py" "$image" >"$work/mapped" &
pid=$!
holders+=("$pid")
for _ in $(seq 200); do grep -q mapped "$work/mapped" && break; sleep 0.05; done
verdict "the image is only mapped" "$(! ls -l "/proc/$pid/fd" | grep -qF "$image" && grep -qF "$image" "/proc/$pid/maps"; echo $?)"
is_refused "a mapping" "orphan.vhd is in use by python3[.0-9]* \(pid $pid\)\$"
stops

cp "$(command -v sleep)" "$work/"$'e\033[31mvil'
starts bash -c 'exec "$1" 600 9<"$2"' - "$work/"$'e\033[31mvil' "$image"
is_refused "a program with a name that paints" 'in use by e\\x1b\[31mvil \(pid'
starts bash -c 'exec sleep 600 9<"$1"' - "$image"
is_refused "two programs" "in use by .* \(pid [0-9]+\) and 1 more\$"
kill "${holders[@]}" 2>/dev/null
wait 2>/dev/null

if [ "$(id -u)" -eq 0 ] && loop=$(losetup --show -f "$image" 2>/dev/null); then
	is_refused "a loop device" "orphan.vhd is in use by the loop device $loop\$"
	losetup -d "$loop"
else
	skip "a loop device" "not root, or there are none here"
fi
loop=

if [ "$(id -u)" -eq 0 ] && needs setpriv "an ordinary user"; then
	as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$work/user" CHAINVIEW_STATE_DIR="$work/user" "$CHAINVIEW" "$@"; }
	mkdir "$work/user"
	cp -r "$repo" "$work/theirs"
	rm -rf "$work/theirs/.chainview"
	echo "$work/theirs/leaf.vhd" >"$work/needed.theirs"
	chown -R 65534:65534 "$work/theirs" "$work/user"
	if as_user --version >/dev/null 2>&1; then
		exec 9<"$work/theirs/orphan.vhd"
		ends "an ordinary user is refused, too" 4 as_user gc --refs=list:"$work/needed.theirs" "$work/theirs" --yes
		has "and told that others cannot be seen" \
			'in use by somebody who cannot be seen from here \([0-9]+ of [0-9]+ processes could not be looked at\)' "$work/.out"
		exec 9<&-
		ends "an ordinary user takes away what is theirs" 0 as_user gc --refs=list:"$work/needed.theirs" "$work/theirs" --yes
	else
		skip "an ordinary user" "cannot reach the program"
	fi
else
	skip "an ordinary user" "not root"
fi

# A copy that takes about three seconds, in the background; ends_copy waits for it: its status in $copied.
starts_copy()
{
	rm -f "$work/new.raw"
	"$CHAINVIEW" convert --refs=none --to raw --rate=4M --yes -q "$@" "$work/source.qcow2" "$work/new.raw" >"$work/copy" 2>&1 &
	copy=$!
	for _ in $(seq 500); do grows && break; sleep 0.02; done
}
grows() { compgen -G "$work/.chainview/stage/*.part" >/dev/null; }
ends_copy() { copied=0; wait "$copy" || copied=$?; }
is_stopped()
{
	ends_copy
	verdict "$1: the copy stops" "$([ "$copied" -eq 32 ]; echo $?)"
	has "$1: and says so" "$2" "$work/copy"
	verdict "$1: and leaves nothing" "$([ ! -e "$work/new.raw" ] && ! grows; echo $?)"
}
goes_on()
{
	ends_copy
	verdict "$1: the copy is made" "$([ "$copied" -eq 0 ] && cmp -s "$work/source.raw" "$work/new.raw"; echo $?)"
}
# A lease is broken after this time, ours or not: whoever waited so long was not noticed.
patience=$(cat /proc/sys/fs/lease-break-time)
gets_it() { ends "$1" 0 timeout "$((patience / 2))" "${@:2}"; }
is_turned_away() { ends "$1" 1 timeout "$((patience / 2))" "${@:2}"; }

guests_come()
{
	qemu-img create -q -f qcow2 "$work/source.qcow2" 16M
	qemu-io -c "write -P 5 0 12M" "$work/source.qcow2" >/dev/null
	qemu-img convert -O raw "$work/source.qcow2" "$work/source.raw"
	local emulator=(qemu-system-x86_64 -M none -nodefaults -display none -monitor stdio -serial none
		-drive "file=$work/source.qcow2,format=qcow2,if=none,id=disk")

	starts_copy
	gets_it "a guest that comes gets its image and reads the same" qemu-io -c "read -P 5 0 12M" "$work/source.qcow2"
	is_stopped "a guest that comes" "stopped for a guest that opened $work/source.qcow2: resumable"
	starts_copy
	gets_it "another reader goes along" qemu-io -r -c "read -P 5 0 12M" "$work/source.qcow2"
	goes_on "another reader"
	starts_copy --exclusive
	is_turned_away "an exclusive copy turns a guest away" qemu-io -c quit "$work/source.qcow2"
	is_turned_away "and who only reads" qemu-io -r -c quit "$work/source.qcow2"
	is_turned_away "and who shares everything" qemu-io -r -U -c quit "$work/source.qcow2"
	is_turned_away "and qemu-nbd" qemu-nbd -t -k "$work/socket" "$work/source.qcow2"
	goes_on "an exclusive copy"
	if needs qemu-system-x86_64 "the system emulator comes"; then
		starts_copy
		gets_it "the system emulator gets it" "${emulator[@]}" <<<quit
		is_stopped "the system emulator" "stopped for a guest"
		starts_copy --exclusive
		is_turned_away "the system emulator is turned away" "${emulator[@]}" <<<quit
		goes_on "an exclusive copy, and the emulator"
	fi
	starts_copy --exclusive
	bash -c 'exec sleep 600 9>>"$1"' - "$work/source.qcow2" &
	pid=$!
	holders+=("$pid")
	is_stopped "who stays without asking" "opened by sleep \\(pid $pid\\), who does not ask for QEMU's locks"
	stops
	must "a copy tells how far it is" "$CHAINVIEW" convert --refs=none --to raw --rate=3M --yes -q --progress=always \
		"$work/source.qcow2" "$work/told.raw"
	has "how much, how fast and how long" '^cop[a-z]*: [0-9.]+M of 12M, [0-9.]+M/s, [0-9]+ s left$' "$work/.out"
	starts_copy
	kill -STOP "$copy"
	sleep 1
	kill -CONT "$copy"
	goes_on "a stopped copy that is continued"
	for signal in INT TERM HUP; do
		starts_copy
		kill -"$signal" "$copy"
		is_stopped "SIG$signal" "cancelled"
	done
}
if ! "$CHAINVIEW" convert --help 2>/dev/null | grep -q -- --exclusive; then
	skip "guests that come while images are copied" "this program copies none"
elif needs qemu-io "guests that come while images are copied"; then
	guests_come
fi

ends "a rate that is none" 16 gc --rate=fast
ends "no rate" 16 gc --rate=0
ends "gc of what nobody uses any more" 0 gc
finish
