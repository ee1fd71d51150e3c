#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# The hostile set: every sample, images that no recipe can say, files of absurd sizes, and the kept inputs of the fuzz
# targets, through every command that reads. Each ends in two seconds of processor time and 64 MiB, says its finding, and
# no byte that a terminal would act upon comes out.
set -u
. "$(dirname "$0")/../support/lib.sh"
here=$(dirname "$0")

command -v python3 >/dev/null || { skip "the hostile set" "python3 is not installed"; finish; }

memory=65536 seconds=2
# Sanitizers take many times the memory, and have their own limit on it.
if sanitized; then memory=100000000 seconds=30; fi

export LC_ALL=C.UTF-8
report=$work/reports
mkdir -p "$report"
slowest=0 largest=0 runs=0

# What may never reach a terminal: controls but newline, DEL, C1, what turns lines around or is not seen.
never='[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf'
controls() { LC_ALL=C grep -lP -- "$never" "$@"; }

# measured NAME TIMES COMMAND...: its output in a file of that name; false if it took more than TIMES the limits
coproc METER { exec python3 "$here/../support/measure.py"; }
exec 7>&"${METER[1]}" 8<&"${METER[0]}"
measured()
{
	local name=$1 times=$2 took kib status
	shift 2
	(IFS=$'\t'; echo "$report/$name"$'\t'"$*") >&7
	read -r took kib status <&8 || return 1
	runs=$((runs + 1))
	if [ "$took" -gt "$slowest" ] && [ "$times" -eq 1 ]; then slowest=$took; fi
	[ "$kib" -gt "$largest" ] && largest=$kib
	if [ "$took" -gt $((seconds * 100 * times)) ] || [ "$kib" -gt "$memory" ] || [ "$status" -lt 0 ] || [ "$status" -gt 127 ]; then
		echo "# '$*' took $took hundredths of a second, $kib KiB, ended with $status"
		return 1
	fi
}

# read_folder NAME TIMES REPO [COMMAND...]: everything that looks at a whole folder, as text and JSON
read_folder()
{
	local name=$1 times=$2 repo=$3 bad=0 n=0 command
	shift 3
	[ $# -gt 0 ] || set -- tree "tree --json" "tree --ascii -v" check "check --json" space "space --json"
	for command; do
		n=$((n + 1))
		# shellcheck disable=SC2086 # words
		measured "$name.$n" "$times" "$CHAINVIEW" $command --refs=none "$repo" || bad=1
	done
	return $bad
}

# The checksum of a disk takes as long as it is large, whatever its tables say: up to eight exbibytes. Disks of less than
# 100 MB by their paths, from one look at a folder of them.
declare -A small
find_small()
{
	local path size
	while IFS=$'\t' read -r path size; do
		if [ "${#size}" -le 8 ]; then small[$path]=1; fi
	done < <("$CHAINVIEW" tree --json --refs=none "$1" 2>/dev/null | python3 -c '
import json, sys
for r in json.load(sys.stdin)["repositories"]:
    for i in r["images"]:
        print(i["path"], i.get("virtual_size_bytes", 0), sep="\t")')
}

# read_one NAME REPO IMAGE: what reads the blocks of one image; every fifth as JSON and in detail
read_one()
{
	local name=$1 repo=$2 image=$3 bad=0 n=0 command
	local commands=(map verify)
	ones=$((ones + 1))
	[ $((ones % 5)) -ne 0 ] || commands=(info "info --json" "map --json" "map --at 0" "verify --json")
	for command in "${commands[@]}"; do
		case $command in verify*) [ -n "${small[$image]:-}" ] || continue ;; esac
		n=$((n + 1))
		# shellcheck disable=SC2086 # words
		measured "$name.one.$n" 1 "$CHAINVIEW" $command --repo "$repo" -- "$image" || bad=1
	done
	return $bad
}
ones=0

# --- samples: what they must say is tested by test_sample_check; here their limits and their output ---------------------
mkdir -p "$work/samples"
bad_samples=0 count=0
for name in $("$CHAINVIEW" sample --list 2>/dev/null | awk '{ print $1 }'); do
	case $name in
	*hostile* | image-truncated* | image-unreadable* | parent-cycle* | parent-external* | parent-outside* | parent-missing* | \
		*-invalid* | *out-of-range* | raw-looks* | *past-end* | *overlap* | *-sparse | vhdx-log*) ;;
	*) continue ;;
	esac
	count=$((count + 1))
	"$CHAINVIEW" sample --recipe "$name" "$work/samples/$name" >/dev/null || bad_samples=1
done
find_small "$work/samples"
for repo in "$work/samples"/*; do
	name=sample.${repo##*/}
	measured "$name" 1 "$CHAINVIEW" check --refs=none "$repo" || bad_samples=1
	image=$(find "$repo" -type f \( -name '*.vhd*' -o -name '*.qcow*' \) | sort | head -1)
	[ -z "$image" ] || read_one "$name" "$repo" "$image" || bad_samples=1
done
verdict "$count hostile samples keep their limits" $bad_samples
read_folder samples 4 "$work/samples"
verdict "all of them in one folder do, too" $?

# --- images that no recipe can say ------------------------------------------------------------------------------------
made=$work/made
mkdir -p "$made"
"$CHAINVIEW" sample --recipe healthy-vhdx "$work/good-vhdx" >/dev/null
"$CHAINVIEW" sample --recipe healthy-qcow2-refcounts "$work/good-qcow2" >/dev/null
must "damaged VHDX are made" python3 "$here/../support/hostile.py" vhdx "$work/good-vhdx/base.vhdx" "$made"
must "damaged QCOW2 are made" python3 "$here/../support/hostile.py" qcow2 "$(find "$work/good-qcow2" -name '*.qcow2' | sort | head -1)" "$made"
"$CHAINVIEW" check --refs=none --json "$made" | tr -d '\n\t ' >"$work/made.json"
gives() { has "$1 gives $2" "\"name\":\"$2\"[^{}]*\"image\":\"$1\"" "$work/made.json"; }
while read -r image finding; do gives "$image" "$finding"; done <<'END'
regions-2048.vhdx vhdx-region-table-invalid
regions-many.vhdx vhdx-region-table-invalid
region-far.vhdx vhdx-region-table-invalid
region-long.vhdx vhdx-region-table-invalid
sequence-equal.vhdx vhdx-header-invalid
log-far.vhdx vhdx-log-pending
log-long.vhdx vhdx-log-pending
log-empty.vhdx vhdx-log-pending
log-zero-sequence.vhdx vhdx-log-pending
log-tail-far.vhdx vhdx-log-pending
log-circle.vhdx vhdx-log-pending
log-entry-long.vhdx vhdx-log-pending
items-many.vhdx vhdx-metadata-invalid
item-far.vhdx vhdx-metadata-invalid
refcounts-on-header.qcow2 qcow2-header-invalid
END
bad_made=0
find_small "$made"
for image in "$made"/*; do
	alone=$work/one.${image##*/}
	mkdir "$alone"
	ln "$image" "$alone/"
	measured "made.${image##*/}" 1 "$CHAINVIEW" check --refs=none "$alone" || bad_made=1
	rm -r "$alone"
	read_one "made.${image##*/}" "$made" "$image" || bad_made=1
done
verdict "each of them keeps the limits" $bad_made
read_folder made 4 "$made"
verdict "all of them in one folder do, too" $?

# --- files of absurd sizes --------------------------------------------------------------------------------------------
huge=$work/huge
mkdir -p "$huge"
size=8T
shm=
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ]; then
	shm=$(mktemp -d /dev/shm/chainview-XXXXXX)
	trap 'rm -rf "$shm"; chmod -R u+rwX "$work" 2>/dev/null; rm -rf "$work"' EXIT
	huge=$shm size=9223372036854771712
fi
for format in raw vhd vhdx qcow2; do truncate -s $size "$huge/nothing.$format"; done
cp "$work/good-vhdx/base.vhdx" "$huge/long.vhdx"
cp "$(find "$work/good-qcow2" -name '*.qcow2' | sort | head -1)" "$huge/long.qcow2"
"$CHAINVIEW" sample --recipe healthy-vhd-blocks "$work/good-vhd" >/dev/null
cp "$(find "$work/good-vhd" -name '*.vhd' | sort | head -1)" "$huge/long.vhd"
for format in vhd vhdx qcow2; do truncate -s $size "$huge/long.$format"; done
bad_huge=0
read_folder huge 1 "$huge" || bad_huge=1
find_small "$huge"
for image in "$huge"/long.*; do read_one "huge.$(basename "$image")" "$huge" "$image" || bad_huge=1; done
verdict "sparse files of $size bytes keep the limits" $bad_huge
"$CHAINVIEW" check --refs=none --json "$huge" | tr -d '\n\t ' >"$work/huge.json"
has "a VHD made eight exbibytes long has lost its footer" '"name":"vhd-footer-missing"[^{}]*"image":"long.vhd"' "$work/huge.json"

ends "verifying a disk of eight exbibytes can be interrupted" 32 timeout --preserve-status -s INT 3 "$CHAINVIEW" verify \
	--repo "$work/samples/hostile-value-vhd-size" "$work/samples/hostile-value-vhd-size/disk.vhd"

# --- the kept inputs of the fuzz targets --------------------------------------------------------------------------------
kept=$work/kept
mkdir -p "$kept"
must "the kept inputs become files" python3 "$here/../support/hostile.py" corpus "$here/../fuzz/corpus" "$kept"
count=$(find "$kept" -type f | wc -l)
memory=$((memory * 4)) # of the program that holds them all
# Each of these looks at all of them again: what is only another form of the same is left to the other build.
forms=("tree --ascii -v" "check -v" "space --json")
if sanitized; then forms=("check --json" space); fi
read_folder kept $((1 + count / 20)) "$kept" "${forms[@]}"
verdict "all $count kept images in one folder end in time" $?
memory=$((memory / 4)) n=0 bad_kept=0
find_small "$kept"
for image in "$kept"/*; do
	n=$((n + 1))
	[ $((n % 61)) -ne 0 ] || read_one "kept.$n" "$kept" "$image" || bad_kept=1
done
verdict "every 61st of them alone keeps the limits" $bad_kept

measured explain 1 "$CHAINVIEW" explain hostile-value
verdict "explain keeps them too" $?

echo "# $runs runs; the slowest of one image took $slowest hundredths of a second, the largest process $largest KiB"
bad_output=$(controls "$report"/*)
[ -z "$bad_output" ] || echo "# $bad_output"
verdict "no control byte is in the output of any of them" "$([ -z "$bad_output" ]; echo $?)"
if cat "$report"/* | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1; then verdict "all of it is UTF-8" 0; else verdict "all of it is UTF-8" 1; fi

# --- the console --------------------------------------------------------------------------------------------------------
command -v tmux >/dev/null || { skip "the console with hostile names" "tmux is not installed"; finish; }
socket=$work/tmux
trap 'tmux -S "$socket" kill-server 2>/dev/null; rm -rf "$shm"; chmod -R u+rwX "$work" 2>/dev/null; rm -rf "$work"' EXIT
unset TMUX NO_COLOR
t() { tmux -S "$socket" -f /dev/null "$@"; }
names=$work/names
"$CHAINVIEW" sample --recipe healthy-hostile-names "$names" >/dev/null
cp -r "$work/samples/parent-missing-hostile-name" "$names/lost"
t new-session -d -s c -x 100 -y 30 "exec env LC_ALL=C.UTF-8 '$CHAINVIEW' --refs=none '$names'"
t set-option -g allow-rename on
t select-pane -t c -T untouched
t pipe-pane -t c -o "cat >'$work/raw'"
for _ in $(seq 100); do
	t capture-pane -p -t c >"$work/screen"
	! grep -qF 'red\x1b[31m.vhd' "$work/screen" || break
	sleep 0.1
done
has "the console shows such a name as text" 'red\\x1b\[31m\.vhd' "$work/screen"
for key in j j j i Escape f Enter Escape m Escape s Escape '?' Escape / e Enter j j R; do
	t send-keys -t c "$key"
	sleep 0.3
done
t capture-pane -p -t c >"$work/screen"
has "and is still there after keys" 'READ-ONLY' "$work/screen"
verdict "the title of the terminal is as it was" "$([ "$(t display-message -p -t c '#{pane_title}')" = untouched ]; echo $?)"
# What curses itself sends begins with ESC and "[" or "(" or one letter; titles, bells and strings never do.
if LC_ALL=C grep -qP '\x07|\x1b[]P^_X]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]' "$work/raw"; then verdict "no title, bell or string is sent" 1; else
	verdict "no title, bell or string is sent" "$([ -s "$work/raw" ]; echo $?)"; fi
finish
