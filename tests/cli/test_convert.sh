#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# convert: into every format, from chains, equal by qemu-img; refusals touch nothing; shared where the file system can; killed
# at any barrier, the source is as it was and nothing half done has the new name.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=/dev/null
needs qemu-img "conversions are compared by it" || finish
cd "$work" || exit 1
mkdir src out

# A chain of three formats with data, zeros over data, small writes and a parent that is shorter.
qemu-img create -q -f raw src/base.raw 3M
qemu-io -f raw -c 'write -P 1 0 1M' -c 'write -P 2 2M 1M' src/base.raw >/dev/null
qemu-img create -q -f qcow2 -b base.raw -F raw src/mid.qcow2 4M
qemu-io -c 'write -P 3 512k 300k' -c 'write -z 64k 64k' -c 'write -P 4 3500k 100k' src/mid.qcow2 >/dev/null
qemu-img create -q -f qcow2 -o cluster_size=4k -b mid.qcow2 -F qcow2 src/top.qcow2 5M
qemu-io -c 'write -P 5 1000k 3k' -c 'write -P 6 4990k 5k' -c 'write -P 0 2M 128k' src/top.qcow2 >/dev/null
qemu-img convert -c -O qcow2 src/top.qcow2 src/packed.qcow2
sha256sum src/* >before
convert() { "$CHAINVIEW" convert --refs=none "$@"; }

ends "without consent it is a dry run" 0 convert src/top.qcow2 out/new.raw --to raw
has "and says so" "nothing was written" .out
verdict "nothing was written" "$([ -z "$(ls -A out)" ]; echo $?)"

# into NAME FORMAT QEMU-FORMAT SOURCE [OPTIONS...]
into()
{
	local what=$1 to=$2 driver=$3 from=$4 size
	shift 4
	new=out/new.$to
	rm -f "$new"
	ends "$what" 0 convert "src/$from" "$new" --to "$to" --yes "$@"
	must "$what: equal by qemu-img" qemu-img compare -q -F "$driver" "src/$from" "$new"
	size=$(qemu-img info --output=json -f "$driver" "$new" | sed -n 's/.*"virtual-size": \([0-9]*\).*/\1/p' | head -1)
	verdict "$what: of exactly its size" "$([ "$size" = 5242880 ]; echo $?)"
	if [ "$driver" = qcow2 ]; then must "$what: qemu-img check is silent" qemu-img check -q "$new"; fi
	ends "$what: and so is check" 0 "$CHAINVIEW" check --fail-on=warning --refs=none -q "$new"
}
for from in top.qcow2 packed.qcow2; do
	into "$from to raw" raw raw "$from"
	into "$from to raw, every zero written" raw raw "$from" --sparse=never
	into "$from to qcow2" qcow2 qcow2 "$from"
	into "$from to qcow2 of small clusters, old" qcow2 qcow2 "$from" -o cluster_size=512,compat=0.10
	into "$from to qcow2 of large clusters" qcow2 qcow2 "$from" -o cluster_size=2M,lazy_refcounts=on
	into "$from to qcow2 with metadata" qcow2 qcow2 "$from" -o preallocation=metadata,refcount_bits=1
	into "$from to qcow2, compressed" qcow2 qcow2 "$from" -c
	into "$from to qcow2, compressed by zstd" qcow2 qcow2 "$from" -c -o compression_type=zstd,cluster_size=4k
	into "$from to vhd" vhd vpc "$from"
	into "$from to vhd, fixed" vhd vpc "$from" -o subformat=fixed
	into "$from to vhdx" vhdx vhdx "$from"
	into "$from to vhdx, fixed" vhdx vhdx "$from" -o subformat=fixed,block_size=1M
done
for to in qcow2 vhd vhdx; do
	ends "$to, verified in full" 0 convert src/top.qcow2 "out/full.$to" --to "$to" --verify=full --yes
	has "$to: all of it by a second reader, too" "5M of it by a second reader, too" .out
done
into "preallocated in full" raw raw top.qcow2 -o preallocation=full
verdict "all of it is there" "$([ "$(($(stat -c %b "$new") * 512))" -ge 5242880 ]; echo $?)"
sha256sum src/* >after
must "no source was changed" cmp before after
verdict "nothing is left of what was made on the way" "$([ -z "$(ls -A out/.chainview/stage)" ]; echo $?)"

# What speaks against it.
ends "a name that is taken is refused" 4 convert src/top.qcow2 out/new.raw --to raw --yes
qemu-img create -q -f qcow2 -u -b missing.raw -F raw out/child.qcow2 1M
ends "a name that an image misses is refused" 4 convert src/top.qcow2 out/missing.raw --to raw --yes
has "and the image is named" "child.qcow2" .out
ends "a chain that is not whole is refused" 4 convert out/child.qcow2 out/other.raw --to raw --yes
has "and it is said why" "its parent is not there" .out
rm out/child.qcow2
ends "an unknown format is wrong usage" 16 convert src/top.qcow2 out/x --to vmdk
ends "an unknown option is wrong usage" 16 convert src/top.qcow2 out/x --to raw -o cluster_size=64k
has "it is named" "cluster_size" .out
ends "the options of a format are listed" 0 convert --to qcow2 -o help
has "with what they take" "cluster_size=<a size, 512 to 2M>" .out
ends "a wrong value is wrong usage" 16 convert src/top.qcow2 out/x --to qcow2 -o cluster_size=3000
ends "compression of raw is wrong usage" 16 convert src/top.qcow2 out/x --to raw -c
ends "a folder that is not there" 8 convert src/top.qcow2 nowhere/x --to raw --yes
qemu_holds src/top.qcow2 src/top.qcow2
ends "a source that QEMU writes to is refused" 4 convert src/top.qcow2 out/x --to raw --yes
has "and who has it is said" "qemu-io" .out
qemu_leaves
qemu_holds src/top.qcow2 -r src/top.qcow2
ends "one that is only read is not" 0 convert src/top.qcow2 out/x --to raw --yes
qemu_leaves

# Odd disks.
head -c 1000 /dev/urandom >src/odd.raw
ends "a disk that ends within a sector" 0 convert src/odd.raw out/odd.qcow2 --to qcow2 --yes
must "is filled up with zeros, as QEMU reads it" qemu-img compare -q -f raw -F qcow2 src/odd.raw out/odd.qcow2
qemu-img create -q -f qcow2 src/huge.qcow2 16T
qemu-io -c 'write -P 7 15T 64k' src/huge.qcow2 >/dev/null
ends "a disk of 16 TiB" 0 convert src/huge.qcow2 out/huge.qcow2 --to qcow2 --yes
verdict "takes what is in it" "$([ "$(stat -c %b out/huge.qcow2)" -lt 8192 ]; echo $?)"
ends "is too large for VHD" 4 convert src/huge.qcow2 out/huge.vhd --to vhd --yes
has "and the limit is said" "2040 GiB|2 TiB" .out

# The configured reserve counts, unless another is given.
printf '[defaults]\nreserve = 100000G\n' >conf
CHAINVIEW_CONFIG=$work/conf ends "what the configuration keeps free is not used" 4 convert src/top.qcow2 out/kept.raw --to raw --yes
has "and that is said" "reserve" .out
CHAINVIEW_CONFIG=$work/conf ends "--reserve goes before it" 0 convert src/top.qcow2 out/kept.raw --to raw --reserve=0 --yes

# What qemu-img has, and this has not, is told apart from what nobody has.
refuses() { ends "-o $2 of $1" 16 convert src/top.qcow2 out/none --to "$1" -o "$2"; has "-o $2: said why" "$3" .out; }
refuses vhd force_size=on "always exactly as large"
refuses qcow2 extended_l2=on "subclusters"
refuses qcow2 encrypt.format=luks "no keys"
refuses raw nocow=on "chattr"
refuses vhd nonsense=1 "this format has no option nonsense"

# The journal, and back.
op=$("$CHAINVIEW" journal out | awk '/ convert / { op = $1 } END { print op }')
must "the journal knows it" test -n "$op"
ends "undo" 0 "$CHAINVIEW" undo out "$op" --yes
ends "undone twice is refused" 4 "$CHAINVIEW" undo out "$op" --yes
has "and says by what it was taken back" "taken back already, by operation" .out
verdict "takes the new image away" "$([ ! -e out/kept.raw ]; echo $?)"
flat convert --refs=none src/top.qcow2 out/json.raw --to raw --yes >json
has "JSON has plan and result" '"plan":\{"operation":"convert".*"result":\{"state":"done"' json
op=$("$CHAINVIEW" journal out | awk '/ convert / { op = $1 } END { print op }')
echo x >>out/json.raw
ends "what was written to since is not undone" 4 "$CHAINVIEW" undo out "$op" --yes

# Watched from elsewhere.
ends "nothing is at work" 16 "$CHAINVIEW" attach 0000
qemu-img create -q -f qcow2 src/slow.qcow2 16M
qemu-io -c 'write -P 9 0 16M' src/slow.qcow2 >/dev/null
slow() { "$CHAINVIEW" convert --refs=none src/slow.qcow2 out/slow.raw --to raw --reflink=never --rate=4M --yes >slow.out 2>&1 & pid=$!; op=
	for _ in $(seq 100); do
		op=$("$CHAINVIEW" journal out 2>/dev/null | awk '/ running /{ print $1 }')
		[ -z "$op" ] || break
		sleep 0.05
	done
	sleep 0.3; }
slow
ends "an operation at work is watched to its end" 0 "$CHAINVIEW" attach "$op" --progress=always
has "with how far it is" "copying: .* of 16M" .out
has "and how it ended" "operation $op: done" .out
wait "$pid"
verdict "which is what it says itself" $?
rm -f out/slow.raw
slow
(sleep 0.5; kill -TERM "$pid") &
ends "one that is cancelled ends so for who watches" 32 "$CHAINVIEW" attach "$op"
wait "$pid"
slow
kill -KILL "$(pgrep -f "slow.raw --to raw" | head -1)"
wait "$pid" 2>/dev/null
ends "one that was killed is settled by the next that writes there" 0 convert src/top.qcow2 out/next.raw --to raw --yes
verdict "nothing of it is left" "$([ -z "$(ls -A out/.chainview/stage)" ] && ! "$CHAINVIEW" journal out | grep -q ' pending '; echo $?)"
slow
ends "leaving does nothing to it" 32 timeout --preserve-status -s INT 0.5 "$CHAINVIEW" attach "$op"
wait "$pid"
verdict "it goes on to its end" $?

# Onto a block device that holds other bytes.
if [ "$(id -u)" -eq 0 ] && truncate -s 16M dev.img && device=$(losetup -f --show dev.img 2>/dev/null); then
	yes | head -c 16777216 >"$device"
	ends "onto a device it is a dry run, too" 0 convert src/top.qcow2 "$device" --to raw
	ends "onto a device" 0 convert src/top.qcow2 "$device" --to raw --yes
	dd if="$device" of=copied.raw bs=64k count=80 status=none
	must "it is equal by qemu-img, with zeros where there was something else" qemu-img compare -q -F raw src/top.qcow2 copied.raw
	verdict "what lies behind it is untouched" "$([ "$(dd if="$device" bs=1M skip=5 count=1 status=none | tr -d 'y\n' | wc -c)" = 0 ]; echo $?)"
	has "the journal is where the source is" " convert +done" <("$CHAINVIEW" journal src)
	ends "another format is wrong usage" 16 convert src/top.qcow2 "$device" --to qcow2 --yes
	yes | head -c 16777216 >"$device"
	unharmed() { verdict "$1: nothing on it was touched" "$([ "$(dd if="$device" bs=1M status=none | tr -d 'y\n' | wc -c)" = 0 ]; echo $?)"; }
	qemu_holds "$device" -f raw "$device"
	ends "a device that QEMU has is refused" 4 convert src/top.qcow2 "$device" --to raw --yes
	has "and who has it is said" "in use by qemu-io \(pid $qemu_pid\)" .out
	qemu_leaves
	unharmed "a device that QEMU has"
	sleep 600 9<"$device" &
	pid=$!
	ends "one that anybody has open is refused" 4 convert src/top.qcow2 "$device" --to raw --yes
	has "and who it is is said" "in use by sleep \(pid $pid\)" .out
	kill "$pid"
	wait "$pid" 2>/dev/null
	unharmed "one that anybody has open"
	convert src/top.qcow2 "$device" --to raw --rate=1M --yes >slow.out 2>&1 &
	pid=$!
	for _ in $(seq 100); do grep -q ":$(stat -L -c %i "$device") " /proc/locks && break; sleep 0.05; done
	ends "QEMU does not get a device that is written to" 1 qemu-io -f raw -c quit "$device"
	wait "$pid"
	verdict "which goes on to its end" $?
	ends "a disk that is too large is refused" 4 convert src/huge.qcow2 "$device" --to raw --yes
	mkfs.ext4 -q -F "$device"
	ends "a device on which something is found is refused" 4 convert src/top.qcow2 "$device" --to raw --yes
	has "it is said what" "ext4" .out
	mkdir mounted
	if mount "$device" mounted 2>/dev/null; then
		ends "one that is mounted is refused" 4 convert src/top.qcow2 "$device" --to raw --yes
		has "for that reason" "in use" .out
		umount mounted
	fi
	dd if=/dev/zero of="$device" bs=1M count=16 conv=fsync status=none
	chmod 666 "$device" && chmod 755 "$work"
	mkdir theirs && chmod 777 theirs && qemu-img create -q -f qcow2 theirs/a.qcow2 4M && chmod 644 theirs/a.qcow2
	install -m 755 "$CHAINVIEW" theirs/chainview
	ends "an ordinary user does not see who has it: refused" 4 setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$work/theirs" \
		CHAINVIEW_STATE_DIR="$work/theirs/state" "$work/theirs/chainview" convert --refs=none theirs/a.qcow2 "$device" --to raw --yes
	has "and it is said who can" "may be in use .*root can find out" .out
	losetup -d "$device"
else
	skip "convert onto a block device" "not root, or no loop devices"
fi

# On every file system that can be mounted here: shared, full, killed.
shares()
{
	local fs=$1 dir=$2
	qemu-img create -q -f qcow2 "$dir/big.qcow2" 64M
	qemu-io -c 'write -P 1 0 64M' "$dir/big.qcow2" >/dev/null
	sync -f "$dir"
	ends "$fs: convert on one file system" 0 convert "$dir/big.qcow2" "$dir/shared.qcow2" --to qcow2 --yes
	has "$fs: data are shared, not written" ' 0 written and 64M shared| [0-9.]+[BK]? written and 64M shared' .out
	must "$fs: equal by qemu-img" qemu-img compare -q "$dir/big.qcow2" "$dir/shared.qcow2"
	ends "$fs: not when told so" 0 convert "$dir/big.qcow2" "$dir/own.raw" --to raw --reflink=never --yes
	has "$fs: then they are written" "64M written in" .out
	rm -f "$dir"/*.qcow2 "$dir"/*.raw
}
fills_up()
{
	local fs=$1 dir=$2
	cp src/top.qcow2 src/mid.qcow2 src/base.raw "$dir"
	dd if=/dev/zero of="$dir/filler" bs=64k status=none 2>/dev/null
	sync -f "$dir"
	ends "$fs: no room, refused before anything is touched" 4 convert "$dir/top.qcow2" "$dir/new.raw" --to raw -o preallocation=full --yes
	rm -f "$dir/filler"
}
killed()
{
	local fs=$1 dir=$2 call n status left=0
	cp src/top.qcow2 src/mid.qcow2 src/base.raw "$dir"
	for call in fsync fdatasync renameat2 pwrite64; do
		for n in 1 2 3 4 6 9 14; do
			rm -f "$dir/new.raw"
			status=0
			{ strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
				"$CHAINVIEW" convert --refs=none "$dir/top.qcow2" "$dir/new.raw" --to raw --yes >/dev/null || status=$?; } 2>/dev/null
			[ "$status" -eq 137 ] && left=$((left + 1))
			"$CHAINVIEW" recover --yes "$dir" >.out 2>&1 || { cat .out; verdict "$fs: recovery after $call $n" 1; return; }
			[ ! -e "$dir/new.raw" ] || qemu-img compare -q "$dir/top.qcow2" "$dir/new.raw" || { verdict "$fs: killed at $call $n" 1; return; }
			# A journal that never began (.tmp) is swept by the next operation.
			[ -z "$(find "$dir/.chainview/stage" "$dir/.chainview/journal" -type f ! -name '*.tmp' 2>/dev/null)" ] || { verdict "$fs: leftovers after $call $n" 1; return; }
			[ "$status" -eq 137 ] || break
		done
	done
	echo "# $fs: killed $left times"
	verdict "$fs: killed at any barrier, rename or write, it is whole or not there" "$([ "$left" -ge 8 ]; echo $?)"
}
everything()
{
	case $1 in xfs | btrfs) shares "$@" ;; esac
	case $1 in this*) ;; *) fills_up "$@" ;; esac
	killed "$@"
}
if [[ $CHAINVIEW == */san/* ]]; then
	skip "on other file systems, and killed" "done with the ordinary build"
elif ! command -v strace >/dev/null; then
	skip "killed at every barrier" "no strace"
else
	on_file_systems "convert" everything
fi
finish
