#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# make bench: figures that a person may quote. Ratios are of one run; machines differ and are noisy.
#
# trees: a repository of 10,000 images (2,000 chains of 5 QCOW2 images with relative backing names); large: one of
# 100,000; blocks: map and verify on a fragmented chain of 30 images; huge: memory on very large disks; qcow2: the
# check of 8 million clusters; vhd: that of the largest VHDs; convert: copies, also where extents can be shared;
# coalesce: merges in place.
# ONLY="blocks" runs some; QUICK=1 leaves out large.
set -eu
build=${BUILD:-build}
chainview=$build/chainview
work=$(mktemp -d "${TMPDIR:-/tmp}/chainview-bench-XXXXXX")
trap 'umount "$work"/xfs "$work"/btrfs 2>/dev/null; rm -rf "$work"' EXIT
gcc -O2 -D_GNU_SOURCE -o "$work/measure" "$(dirname "$0")/measure.c"

field() { echo "$1" | cut -d' ' -f"$2"; }
mib() { awk -v k="$1" 'BEGIN { printf "%.1f MiB", k / 1024 }'; }

# --- trees -----------------------------------------------------------------------------------------------------

make_chain()
{
	mkdir -p "$1"
	qemu-img create -q -f qcow2 -o cluster_size=4096 "$1/base.qcow2" 1G
	local parent=base i
	for i in 1 2 3 4; do
		qemu-img create -q -f qcow2 -o cluster_size=4096 -b "$parent.qcow2" -F qcow2 "$1/disk$i.qcow2"
		parent=disk$i
	done
}

# repository folder, number of chains
make_repository()
{
	local i
	mkdir -p "$1"
	[ -d "$work/chain" ] || make_chain "$work/chain"
	for ((i = 0; i < $2; i++)); do echo "$1/vm$i"; done | xargs -P 2 -n 100 sh -c 'for d; do cp -r "$0" "$d"; done' "$work/chain"
}

bench_trees()
{
	local images ours theirs again calls
	echo "preparing 2,000 chains of 5 images"
	make_repository "$work/small" 2000
	images=$(find "$work/small" -type f | wc -l)
	"$chainview" tree "$work/small" >/dev/null # both start with warm caches
	find "$work/small" -name disk4.qcow2 >"$work/leaves"
	ours=$("$work/measure" "$chainview" tree "$work/small")
	theirs=$("$work/measure" sh -c 'while read -r leaf; do qemu-img info --backing-chain --output=json "$leaf"; done < "$0"' "$work/leaves")
	again=$("$work/measure" "$chainview" tree "$work/small")
	strace -f -c -o "$work/calls" "$chainview" tree "$work/small" >/dev/null
	calls=$(awk '/total$/ { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+$/ && $i > m) m = $i } END { print m }' "$work/calls")

	echo "tree of $images images:             $(field "$ours" 1) s, again $(field "$again" 1) s"
	echo "qemu-img info --backing-chain:      $(field "$theirs" 1) s for 2000 chains"
	awk -v o="$(field "$ours" 1)" -v t="$(field "$theirs" 1)" 'BEGIN { printf "ratio:                              %.1f times faster\n", t / o }'
	echo "memory of all its processes:        $(mib "$(field "$ours" 2)") at most"
	awk -v c="$calls" -v n="$images" 'BEGIN { printf "system calls (strace -c -f):        %.1f for each image\n", c / n }'
	small_seconds=$(field "$ours" 1)
}

bench_large()
{
	local large big
	echo "preparing 20,000 chains of 5 images"
	make_repository "$work/large" 20000
	large=$(find "$work/large" -type f | wc -l)
	"$chainview" tree "$work/large" >/dev/null
	big=$("$work/measure" "$chainview" tree "$work/large")
	echo "tree of $large images:            $(field "$big" 1) s, $(mib "$(field "$big" 2)") at most"
	[ -z "${small_seconds:-}" ] ||
		awk -v b="$(field "$big" 1)" -v o="$small_seconds" 'BEGIN { printf "time for ten times the images:      %.1f times\n", b / o }'
}

# --- blocks ----------------------------------------------------------------------------------------------------

# A 1 GiB disk under 30 layers, each with writes of 4 KiB in random places.
make_fragmented()
{
	local layer parent='' seed i
	mkdir -p "$1"
	for ((layer = 0; layer < 30; layer++)); do
		qemu-img create -q -f qcow2 -o cluster_size=4096 ${parent:+-b "$parent" -F qcow2} "$1/l$layer.qcow2" 1G
		seed=$((layer * 104729 + 7)) # the loop is a process of its own
		for ((i = 0; i < 16000; i++)); do
			seed=$(((seed * 1103515245 + 12345) % 2147483648))
			# the upper bits: the lower ones of such a generator come in order
			echo "write -q -P $((layer + 1)) $((seed / 8192 * 4096)) 4096"
		done | qemu-io -t unsafe -f qcow2 "$1/l$layer.qcow2" >/dev/null
		parent=l$layer.qcow2
	done
}

our_map() { "$work/measure" "$chainview" map --json "$leaf"; }
their_map() { "$work/measure" qemu-img map --output=json "$leaf"; }
our_sum() { "$work/measure" "$chainview" verify --reader=own "$leaf"; }
their_sum() { "$work/measure" sh -c 'qemu-img convert -O raw "$0" "$0.raw" && sha256sum "$0.raw"' "$leaf"; }

# Ours and theirs five times each in turns, so that what else the machine does falls on both; the middle ones by time.
in_turns()
{
	local i
	: >"$work/ours"
	: >"$work/theirs"
	for i in 1 2 3 4 5; do
		"$1" >>"$work/ours"
		"$2" >>"$work/theirs"
	done
	ours=$(sort -n "$work/ours" | sed -n 3p)
	theirs=$(sort -n "$work/theirs" | sed -n 3p)
}

ratio() { awk -v o="$(field "$ours" 1)" -v t="$(field "$theirs" 1)" 'BEGIN { printf "ratio:                              %.2f of its time\n", o / t }'; }

bench_blocks()
{
	local ours theirs leaf map_memory empty speed
	echo "preparing a fragmented chain of 30 images"
	make_fragmented "$work/fragments"
	leaf=$work/fragments/l29.qcow2
	"$chainview" map --json "$leaf" >/dev/null
	in_turns our_map their_map
	map_memory=$(field "$ours" 2)
	echo "map of the chain:                   $(field "$ours" 1) s, qemu-img map $(field "$theirs" 1) s"
	ratio
	in_turns our_sum their_sum
	echo "verify --reader=own:                $(field "$ours" 1) s, qemu-img convert and sha256sum $(field "$theirs" 1) s"
	ratio
	echo "memory of verify, of map:           $(mib "$(field "$ours" 2)"), $(mib "$map_memory")"
	rm -r "$work/fragments"

	# What nothing can shorten: the hash of zeros that nobody stored.
	truncate -s 16G "$work/empty.raw"
	empty=$("$work/measure" "$chainview" verify --reader=own "$work/empty.raw")
	speed=$(openssl speed -elapsed -seconds 3 -bytes 1048576 sha256 2>/dev/null | awk '/^sha256/ { sub("k", "", $2); print $2 / 1000 }')
	awk -v s="$(field "$empty" 1)" -v o="$speed" \
		'BEGIN { printf "verify of an empty disk of 16 GiB:  %.0f MB/s, openssl speed sha256 %.0f MB/s\n", 16 * 1073.742 / s, o }'
}

# --- very large disks ------------------------------------------------------------------------------------------

# Memory must not grow with the disk: 16 TiB with data all over, and 30 layers of 2 TiB. Folder, GiB, layers, writes of each.
make_large()
{
	local layer parent='' seed=3 i size=$2
	mkdir -p "$1"
	for ((layer = 0; layer < $3; layer++)); do
		qemu-img create -q -f qcow2 -o cluster_size=64k ${parent:+-b "$parent" -F qcow2} "$1/l$layer.qcow2" "${size}G"
		for ((i = 0; i < $4; i++)); do
			seed=$(((seed * 1103515245 + 12345) % 2147483648))
			echo "write -q -P $((layer + 1)) $((seed % (size * 1024)))M 4096"
		done | qemu-io -t unsafe -f qcow2 "$1/l$layer.qcow2" >/dev/null
		parent=l$layer.qcow2
	done
}

# name, repository, leaf
measure_memory()
{
	local what run kib
	for what in "map --json" "space --refs=none --json"; do
		# shellcheck disable=SC2086 # words
		run=$("$work/measure" "$chainview" $what "$([ "${what%% *}" = map ] && echo "$3" || echo "$2")")
		kib=$(field "$run" 2)
		awk -v n="$1" -v w="${what%% *}" -v k="$kib" -v s="$(field "$run" 1)" \
			'BEGIN { printf "%-35s %.1f MiB at most, %s s%s\n", w " of " n ":", k / 1024, s, (k > 65536 ? "  MORE THAN 64 MiB" : "") }'
	done
}

bench_huge()
{
	echo "preparing an image of 16 TiB, and 30 of 2 TiB"
	make_large "$work/huge" 16384 1 1500
	make_large "$work/deep" 2048 30 100
	measure_memory "an image of 16 TiB" "$work/huge" "$work/huge/l0.qcow2"
	measure_memory "30 images of 2 TiB" "$work/deep" "$work/deep/l29.qcow2"
	rm -rf "$work/huge" "$work/deep"
}

# --- checks ----------------------------------------------------------------------------------------------------

# 8 million clusters, all of them allocated; the file is sparse but for its tables.
our_check() { "$work/measure" "$chainview" check --refs=none "$work/clusters"; }
their_check() { "$work/measure" qemu-img check "$work/clusters/disk.qcow2"; }

bench_qcow2()
{
	local ours theirs
	echo "preparing an image of 8 million clusters"
	mkdir "$work/clusters"
	qemu-img create -q -f qcow2 -o preallocation=metadata "$work/clusters/disk.qcow2" 512G
	qemu-img check "$work/clusters/disk.qcow2" >/dev/null
	in_turns our_check their_check
	echo "check of 8 million clusters:        $(field "$ours" 1) s, qemu-img check $(field "$theirs" 1) s"
	ratio
	echo "memory of all its processes:        $(mib "$(field "$ours" 2)") at most, qemu-img $(mib "$(field "$theirs" 2)")"
	rm -r "$work/clusters"
}

# The largest VHDs, every block with a place: data are holes, and so take no space.
bench_vhd()
{
	local ours theirs marked
	gcc -O2 -D_GNU_SOURCE -I. -Iinclude -o "$work/make_vhd" "$(dirname "$0")/make_vhd.c" "$build/libchainview.a" \
		-lvhdi -lqcow -lbfio -ljson-c -lseccomp -lcap-ng -luuid -linih -lz -lzstd -lpng -lcrypto
	mkdir "$work/full" "$work/marked"
	"$work/make_vhd" "$work/full/disk.vhd" 2040
	"$work/make_vhd" "$work/marked/disk.vhd" 64 tap
	"$chainview" check --refs=none "$work/full" >/dev/null
	ours=$("$work/measure" "$chainview" check --refs=none "$work/full")
	theirs=$("$work/measure" qemu-img map -f vpc --output=json "$work/full/disk.vhd")
	marked=$("$work/measure" "$chainview" check --refs=none "$work/marked")
	echo "check of a full VHD of 2040 GiB:    $(field "$ours" 1) s, $(mib "$(field "$ours" 2)"); qemu-img map of it $(field "$theirs" 1) s"
	ratio
	echo "with 32,768 bitmaps (64 GiB):       $(field "$marked" 1) s, $(mib "$(field "$marked" 2)")"
	rm -r "$work/full" "$work/marked"
}

# --- convert ---------------------------------------------------------------------------------------------------

# Both with the new image on disk when the time ends; what was written before is on disk when it begins.
our_copy()
{
	rm -f "$where/ours.qcow2"
	sync
	"$chainview" convert --refs=none --yes --to qcow2 "$where/source.qcow2" "$where/ours.qcow2" | tail -1 >"$work/said"
	# "made ours.qcow2: 1.9G written in 6.1 s, read back in 2.2 s and equal ..."
	sed -n 's/.* in \([0-9.]*\) s, read back in \([0-9.]*\) s.*/\1 \2/p' "$work/said"
}
their_copy()
{
	rm -f "$where/theirs.qcow2"
	sync
	"$work/measure" sh -c 'qemu-img convert -W -m 16 -O qcow2 "$0" "$1" && sync "$1"' "$where/source.qcow2" "$where/theirs.qcow2"
}
their_compare()
{
	"$work/measure" qemu-img compare -q "$where/source.qcow2" "$where/theirs.qcow2"
}
# The middle one of the numbers in a file; and with the least and the greatest.
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
spread() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%.2f s (%.2f to %.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'; }

# folder, MiB of data: seven times in turns
convert_in()
{
	local i
	where=$1
	: >"$work/ours" && : >"$work/theirs" && : >"$work/back" && : >"$work/compare"
	for i in 1 2 3 4 5 6 7; do
		their_copy | cut -d' ' -f1 >>"$work/theirs"
		our_copy | tee -a "$work/both" | cut -d' ' -f1 >>"$work/ours"
		tail -1 "$work/both" | cut -d' ' -f2 >>"$work/back"
		their_compare | cut -d' ' -f1 >>"$work/compare"
	done
	ours=$(median "$work/ours") theirs=$(median "$work/theirs")
}

make_source()
{
	qemu-img create -q -f qcow2 "$1/source.qcow2" "$(($2 * 2))M"
	head -c 64M /dev/urandom >"$work/random"
	for ((i = 0; i < $2; i += 64)); do echo "write -q -s $work/random $((i * 2))M 64M"; done | qemu-io "$1/source.qcow2" >/dev/null
	sync
}

# A file system of its own, if that is possible: name, options of mkfs...
mounted()
{
	mkdir -p "$work/$1"
	truncate -s 6G "$work/$1.img"
	"mkfs.$1" -q "$work/$1.img" >/dev/null 2>&1 && mount -o loop "$work/$1.img" "$work/$1" 2>/dev/null
}
# In sectors: awk's numbers of bytes lose their last digits.
written_to() { sync; awk '{ print $7 }' "/sys/block/$(basename "$(findmnt -no SOURCE "$1")")/stat"; }

bench_convert()
{
	local fs before ours_sectors theirs_sectors
	echo "preparing 1.5 GiB of data"
	make_source "$work" 1536
	convert_in "$work"
	echo "convert, copy phase:                $(spread "$work/ours"), qemu-img convert -W -m 16 and sync $(spread "$work/theirs")"
	awk -v o="$ours" -v t="$theirs" 'BEGIN { printf "ratio:                              %.2f of its time\n", o / t }'
	echo "read back and compared:             $(median "$work/back") s from the disk; qemu-img compare $(median "$work/compare") s"
	rm -f "$work"/*.qcow2
	for fs in xfs btrfs; do
		if ! mounted "$fs"; then echo "convert on $fs:                     cannot be mounted here"; continue; fi
		make_source "$work/$fs" 1024
		convert_in "$work/$fs"
		before=$(written_to "$work/$fs") && our_copy >/dev/null && ours_sectors=$(($(written_to "$work/$fs") - before))
		before=$(written_to "$work/$fs") && their_copy >/dev/null && theirs_sectors=$(($(written_to "$work/$fs") - before))
		echo "convert on $fs, copy phase:         $(spread "$work/ours"), qemu-img $(spread "$work/theirs")"
		awk -v o="$ours" -v t="$theirs" -v b="$ours_sectors" -v q="$theirs_sectors" \
			'BEGIN { printf "ratio:                              %.1f times faster, %.1f %% of the bytes written\n", t / (o > 0 ? o : 0.05), 100 * b / q }'
		umount "$work/$fs" && rm -f "$work/$fs.img"
	done
}

. "$(dirname "$0")/coalesce.sh"
for part in ${ONLY:-trees blocks huge qcow2 vhd convert coalesce $([ -n "${QUICK:-}" ] || echo large)}; do
	"bench_$part"
done
