# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
# Merging in place, for bench.sh: base, middle and leaf; the middle one goes into the base. All are timed as whole commands,
# with what they wrote on the disk when the time ends; what was written before is on the disk when it begins. The three ways
# take turns, because the machine is not the same from one minute to the next.

pairs=7

# Folder, MiB in the middle image; half of it lies over data of the base.
make_merge_chain()
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

fresh() { rm -rf "$work/merge" && cp -r --sparse=always "$work/chain" "$work/merge" && sync; }
merge_ours()
{
	fresh
	"$work/measure" "$chainview" coalesce --refs=none --yes --repo "$work/merge" "$work/merge/middle.qcow2"
}
merge_theirs()
{
	fresh
	"$work/measure" sh -c 'cd "$0" && qemu-img commit -q -d middle.qcow2 && qemu-img rebase -u -b base.qcow2 -F qcow2 leaf.qcow2 &&
		sync base.qcow2 leaf.qcow2' "$work/merge"
}
# The bytes of the middle image, and no more: what the disk can do.
merge_copy()
{
	fresh
	"$work/measure" sh -c 'cd "$0" && cp --sparse=always middle.qcow2 copy && sync copy' "$work/merge"
}

# The middle one of the numbers in a file, and the least and the greatest.
spread() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%.2f s (%.2f to %.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'; }
# NAME: runs it, and keeps its time; it must have worked.
timed()
{
	local got
	got=$("merge_$1")
	[ "$(field "$got" 3)" -eq 0 ] || { echo "bench: $1 ended with $(field "$got" 3)"; exit 1; }
	field "$got" 1 >>"$work/time.$1"
}

bench_coalesce()
{
	local mib=512 i sum
	[ -z "${QUICK:-}" ] || mib=128
	rm -rf "$work/chain" "$work"/time.*
	make_merge_chain "$work/chain" "$mib"
	sum=$("$chainview" verify --reader=own --json "$work/chain/leaf.qcow2" | grep -o '"sha256":"[0-9a-f]*"')
	for ((i = 0; i < pairs; i++)); do
		timed theirs
		timed ours
		[ "$i" -gt 0 ] || [ "$("$chainview" verify --reader=own --json "$work/merge/leaf.qcow2" | grep -o '"sha256":"[0-9a-f]*"')" = "$sum" ] ||
			{ echo "bench: the leaf reads something else"; exit 1; }
		timed copy
	done
	echo "coalesce of $mib MiB, QCOW2:         $(spread "$work/time.ours"), read back; medians of $pairs, and from where to where"
	echo "qemu-img commit, rebase -u, sync:   $(spread "$work/time.theirs")"
	echo "cp and sync of the same bytes:      $(spread "$work/time.copy")"
	awk -v o="$(median <"$work/time.ours")" -v t="$(median <"$work/time.theirs")" -v c="$(median <"$work/time.copy")" \
		'BEGIN { printf "ratio:                              %.2f of its time, %.2f of that of cp\n", o / t, o / c }'
	rm -rf "$work/chain" "$work/merge"
}
