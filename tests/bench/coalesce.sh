# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
# Merging in place, for bench.sh: base, middle and leaf; the middle one goes into the base. All are timed as whole commands,
# with what they wrote on the disk when the time ends; what was written before is on the disk when it begins. The three ways
# take turns, because the machine is not the same from one minute to the next. qemu-img knows no differencing VHDs: in its
# place a QCOW2 image with the same bytes goes into the same VHD.

pairs=7
declare -A qemu_name=([qcow2]=qcow2 [vhd]=vpc)

# Folder, MiB in the middle image; half of it lies over data of the base.
make_chain_vhd()
{
	mkdir -p "$1"
	python3 "$(dirname "$0")/vhd_chain.py" "$1" "$2"
	qemu-img create -q -f qcow2 -b base.vhd -F vpc "$1/middle.qcow2"
	qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 "$1/leaf.qcow2"
	tail -c $(($2 << 20)) "$1/middle.vhd" >"$work/random"
	echo "write -q -s $work/random $(($2 / 2))M ${2}M" | qemu-io "$1/middle.qcow2" >/dev/null
}
make_chain_qcow2()
{
	local i
	mkdir -p "$1"
	head -c 16M /dev/urandom >"$work/random"
	qemu-img create -q -f qcow2 "$1/base.qcow2" "$(($2 * 4))M"
	qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$1/middle.qcow2"
	qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 "$1/leaf.qcow2"
	for ((i = 0; i < $2; i += 16)); do echo "write -q -s $work/random ${i}M 16M"; done | qemu-io "$1/base.qcow2" >/dev/null
	for ((i = 0; i < $2; i += 16)); do echo "write -q -s $work/random $(($2 / 2 + i))M 16M"; done | qemu-io "$1/middle.qcow2" >/dev/null
}

# without SUFFIX: VHD and QCOW2 lie side by side for the VHD figures; who is timed sees only what is its own.
fresh() { rm -rf "$work/merge" && cp -r --sparse=always "$work/chain" "$work/merge"; }
without() { [ "$kind" = qcow2 ] || rm -f "$work/merge"/*."$1"; }
leaf_sum() { "$chainview" verify --reader=own --json "$1/leaf.$kind" | grep -o '"sha256":"[0-9a-f]*"'; }
merge_ours()
{
	fresh && without qcow2 && sync
	"$work/measure" sh -c '"$0" coalesce --json --refs=none --yes --repo "$1" "$1/middle.$2" >"$3"' \
		"$chainview" "$work/merge" "$kind" "$work/told" &&
		grep -o '"copy_ms":[0-9]*' "$work/told" | awk -F: '{ printf "%.3f\n", $2 / 1000 }' >>"$work/time.part"
}
merge_theirs()
{
	fresh && sync
	"$work/measure" sh -c 'cd "$0" && qemu-img commit -q -d middle.qcow2 && qemu-img rebase -u -b "base.$1" -F "$2" leaf.qcow2 &&
		sync "base.$1" leaf.qcow2' "$work/merge" "$kind" "${qemu_name[$kind]}"
}
# The bytes of the middle image, and no more: what the disk can do.
merge_copy()
{
	fresh && sync
	"$work/measure" sh -c 'cd "$0" && cp --sparse=always "middle.$1" copy && sync copy' "$work/merge" "$kind"
}

# NAME: runs it, and keeps its time; it must have worked.
timed()
{
	local got
	got=$("merge_$1")
	[ "$(field "$got" 3)" -eq 0 ] || { echo "bench: $1 ended with $(field "$got" 3)"; exit 1; }
	field "$got" 1 >>"$work/time.$1"
}

# FORMAT MIB
coalesce_of()
{
	local kind=$1 mib=$2 i sum
	rm -rf "$work/chain" "$work"/time.*
	"make_chain_$kind" "$work/chain" "$mib"
	sum=$(leaf_sum "$work/chain")
	for ((i = 0; i < pairs; i++)); do
		timed theirs
		timed ours
		[ "$i" -gt 0 ] || [ "$(leaf_sum "$work/merge")" = "$sum" ] ||
			{ echo "bench: the leaf reads something else"; exit 1; }
		timed copy
	done
	printf "%-36s%s\n" "coalesce of $mib MiB, $kind:" "$(spread "$work/time.ours"), read back; medians of $pairs (least to greatest)"
	echo "of this, until all was on the disk: $(spread "$work/time.part")"
	echo "qemu-img commit, rebase -u, sync:   $(spread "$work/time.theirs")"
	echo "cp and sync of the same bytes:      $(spread "$work/time.copy")"
	awk -v o="$(median <"$work/time.ours")" -v p="$(median <"$work/time.part")" -v t="$(median <"$work/time.theirs")" \
		-v c="$(median <"$work/time.copy")" 'BEGIN {
			printf "ratio:                              %.2f of its time, %.2f of that of cp\n", o / t, o / c
			printf "ratio without reading back:         %.2f of its time, %.2f of that of cp\n", p / t, p / c }'
	rm -rf "$work/chain" "$work/merge"
}

bench_coalesce()
{
	local kind mib=512
	[ -z "${QUICK:-}" ] || mib=128
	for kind in qcow2 vhd; do coalesce_of "$kind" "$mib"; done
}
