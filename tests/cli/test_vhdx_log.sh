#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# repair of a VHDX whose log is pending: what QEMU makes of the same image when it replays it is what comes out, but the identity that
# children know stays; a file that has still to grow; a log that cannot be relied on; undo gives back the bytes, and the log.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state

sums() { (cd "$1" && find . -path ./.chainview -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }
guest() { "$CHAINVIEW" verify --reader=own "$1" 2>/dev/null | grep -oE '[0-9a-f]{64}' | head -1; }
identity() { "$CHAINVIEW" info --refs=none --json "$1" 2>/dev/null | tr -d '\n ' | grep -oE '"uuid":"[0-9a-f-]*"' | head -1; }
last() { "$CHAINVIEW" journal "$1" 2>/dev/null | awk 'END { print $1 }'; }

repo=$work/repo
must "the sample is built" "$CHAINVIEW" sample --recipe vhdx-log-pending-blocks "$repo"
chmod 755 "$repo"
sums "$repo" >"$work/before"
for image in logged short leaf; do
	guest "$repo/$image.vhdx" >"$work/$image.guest"
done
identity "$repo/logged.vhdx" >"$work/identity"

# --- the plan -----------------------------------------------------------------------------------------------------
"$CHAINVIEW" repair -n --refs=none "$repo" >"$work/out" 2>&1
has "the plan has the step" "replay-log .*logged.vhdx" "$work/out"
has "and says what it does" "1 page of its log into place, then the log becomes empty" "$work/out"
verdict "a dry run writes nothing" "$(sums "$repo" | cmp -s - "$work/before"; echo $?)"

# --- QEMU replays a copy ------------------------------------------------------------------------------------------
cp --sparse=always "$repo/logged.vhdx" "$work/qemu.vhdx"
qemu-img check -r all "$work/qemu.vhdx" >/dev/null 2>&1
must "what QEMU replays is read by it" qemu-img convert -f vhdx -O raw "$work/qemu.vhdx" "$work/qemu.raw"

# --- it is done, without asking -----------------------------------------------------------------------------------
ends "-p replays the logs" 1 "$CHAINVIEW" repair -p --refs=none "$repo"
ends "nothing is found then" 0 "$CHAINVIEW" check --refs=none "$repo"
for image in logged short; do
	must "QEMU finds no error in $image.vhdx" qemu-img check "$repo/$image.vhdx"
	guest "$repo/$image.vhdx" | cmp -s - "$work/$image.guest"
	verdict "what the guest reads of $image.vhdx is as before" $?
done
must "QEMU reads it" qemu-img convert -f vhdx -O raw "$repo/logged.vhdx" "$work/ours.raw"
must "as it reads what it has replayed itself" cmp "$work/ours.raw" "$work/qemu.raw"
verdict "the file has grown to what the log says" "$([ "$(stat -c %s "$repo/short.vhdx")" -eq $((6 << 20)) ]; echo $?)"
identity "$repo/logged.vhdx" | cmp -s - "$work/identity"
verdict "the identity that children know is kept" $?
identity "$work/qemu.vhdx" >"$work/theirs"
verdict "which QEMU changes" "$(! cmp -s "$work/theirs" "$work/identity"; echo $?)"
guest "$repo/leaf.vhdx" | cmp -s - "$work/leaf.guest"
verdict "what stands on it reads as before" $?
if command -v vhdiinfo >/dev/null; then
	must "libvhdi opens it" vhdiinfo "$repo/logged.vhdx"
fi
must "QEMU writes to it" qemu-io -f vhdx -c "write -P 7 9M 64k" "$repo/short.vhdx"
ends "a second repair has nothing to do" 0 "$CHAINVIEW" repair -y --refs=none "$repo"

# --- undo ---------------------------------------------------------------------------------------------------------
ends "undo is refused where somebody has written since" 4 "$CHAINVIEW" undo --yes --refs=none "$repo" "$(last "$repo")"
rm -rf "$repo"
"$CHAINVIEW" sample --recipe vhdx-log-pending-blocks "$repo" >/dev/null
chmod 755 "$repo"
"$CHAINVIEW" repair -p --refs=none "$repo" >/dev/null 2>&1
must "undo" "$CHAINVIEW" undo --yes --refs=none "$repo" "$(last "$repo")"
sums "$repo" | cmp -s - "$work/before"
verdict "undo gives back the bytes, and the pending log" $?
rm -rf "$repo"

# --- logs that cannot be relied on --------------------------------------------------------------------------------
"$CHAINVIEW" sample --recipe vhdx-header-invalid-torn "$repo" >/dev/null
chmod 755 "$repo"
sums "$repo" >"$work/before"
"$CHAINVIEW" repair -y --refs=none "$repo" >"$work/out" 2>&1
tr -s ' \n' ' ' <"$work/out" >"$work/line"
has "a log without a whole entry is refused" "no sequence of entries in it is whole" "$work/line"
rm -rf "$work/cut"
"$CHAINVIEW" sample --recipe vhdx-log-pending-blocks "$work/cut" >/dev/null
chmod 755 "$work/cut"
rm "$work/cut/short.vhdx" "$work/cut/leaf.vhdx"
truncate -s -1M "$work/cut/logged.vhdx"
"$CHAINVIEW" repair -y --refs=none "$work/cut" >"$work/out" 2>&1
tr -s ' \n' ' ' <"$work/out" >"$work/line"
has "a file that was cut behind its log is refused" "had 7340032 B when its log was written: it was cut" "$work/line"
sums "$repo" | cmp -s - "$work/before"
verdict "and nothing is touched" $?

# --- used between a crash and the recovery ------------------------------------------------------------------------
# QEMU writes headers of its own when it opens such an image: what was mended stays so, whoever has it by then.
if [[ $CHAINVIEW == */san/* ]] || ! command -v strace >/dev/null || ! command -v qemu-io >/dev/null; then
	skip "used between a crash and the recovery" "done with the ordinary build, where there are strace and qemu-io"
else
	for n in 7 8 9 10; do
		rm -rf "$repo" && mkdir "$repo" && chmod 755 "$repo"
		qemu-img create -q -f vhdx -o block_size=1M "$repo/disk.vhdx" 8M
		printf 'x' | dd of="$repo/disk.vhdx" bs=1 seek=196612 conv=notrunc status=none
		{ strace -qq -f -o /dev/null -e trace=pwrite64 -e inject=pwrite64:signal=KILL:when="$n" \
			"$CHAINVIEW" repair -y --refs=none "$repo"; } >/dev/null 2>&1
		wrote=no
		qemu-io -f vhdx -c 'write -P 9 0 64k' "$repo/disk.vhdx" >/dev/null 2>&1 && wrote=yes
		ends "killed at write $n: recover" 0 "$CHAINVIEW" recover --yes "$repo"
		[ $wrote = no ] || must "killed at write $n: what was written meanwhile is there" \
			sh -c "qemu-io -f vhdx -c 'read -P 9 0 64k' '$repo/disk.vhdx' | grep -qv 'verification failed'"
		[ $wrote = no ] || lacks "killed at write $n: what was mended stays so" "^  E " <("$CHAINVIEW" check --refs=none "$repo")
	done
fi

exit $bad
