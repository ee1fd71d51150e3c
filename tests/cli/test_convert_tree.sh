#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# convert --tree: trees of every kind into every format and back, every image equal to its source, marks and identities kept,
# each holding only its own; refusals touch nothing; killed at any barrier, there is all of the new tree or nothing.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=/dev/null
needs qemu-img "conversions of trees are compared by it" || finish
cd "$work" || exit 1
tree() { "$CHAINVIEW" convert --refs=none --tree "$@"; }
base_name() { local f=${1%.vhd}; f=${f%.vhdx}; f=${f%.qcow2}; f=${f%.avhdx}; f=${f%.qcow}; f=${f%.raw}; echo "${f%.img}"; }
images_of() { flat tree --refs=none "$1" | grep -oE '"id":"[^"]*","path"' | sed 's/^"id":"//; s/","path"$//'; }

# same WHAT FOLDER NEW FORMAT: every image of the folder reads as its new one does.
same()
{
	local what=$1 from=$2 to=$3 format=$4 id new wrong=0 n=0
	while read -r id; do
		new=$to/$(base_name "$id").$format
		[ -e "$new" ] || new=$to/$id
		n=$((n + 1))
		"$CHAINVIEW" verify --refs=none --repo "$from" --with "$to" -q "$from/$id" "$new" >.verify 2>&1 || { echo "# $id:"; cat .verify; wrong=1; }
		[ "$format" != qcow2 ] || qemu-img check -q "$new" || wrong=1
	done < <(images_of "$from")
	verdict "$what: all $n read as before" "$([ "$wrong" = 0 ] && [ "$n" -gt 0 ]; echo $?)"
}

# Two on a base, in folders, with data, zeros over data, parts of clusters, another size, compressed clusters.
mkdir -p src/sub
qemu-img create -q -f raw src/raw.img 7M
qemu-io -f raw -c 'write -P 9 1M 5M' src/raw.img >/dev/null
qemu-img create -q -f qcow2 -b raw.img -F raw src/base.qcow2 8M
qemu-io -c 'write -P 1 0 2M' -c 'write -P 2 5M 100k' -c 'write -c -P 7 6M 128k' src/base.qcow2 >/dev/null
qemu-img create -q -f qcow2 -o cluster_size=4k -b ../base.qcow2 -F qcow2 src/sub/mid.qcow2 9M
qemu-io -c 'write -P 3 64k 64k' -c 'write -z 1M 256k' -c 'write -z 1300k 4k' -c 'write -P 4 6196k 4k' src/sub/mid.qcow2 >/dev/null
qemu-img create -q -f qcow2 -o cluster_size=512 -b sub/mid.qcow2 -F qcow2 src/top.qcow2
qemu-io -c 'write -P 4 3M 1k' -c 'write -P 0 0 1536' -c 'write -P 5 5000k 3k' src/top.qcow2 >/dev/null
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 src/other.qcow2 5M
qemu-io -c 'write -P 5 4M 1M' src/other.qcow2 >/dev/null
find src -type f -exec sha256sum {} + | sort >before

ends "without consent it is a dry run" 0 tree src new --to vhd
has "and says so" "nothing was written" .out
has "it says what stands on what" "write .*sub/mid.vhd +from sub/mid.qcow2, stands on ../base.vhd" .out
verdict "nothing was made" "$([ ! -e new ]; echo $?)"
for to in vhd vhdx qcow2; do
	ends "into $to" 0 tree src "to.$to" --to "$to" --yes
	has "all are told" "made 5 images in .*/to.$to: .* each equal to its source" .out
	for f in raw base sub/mid top other; do [ -e "to.$to/$f.$to" ] || verdict "$f.$to is there" 1; done
done
find src -type f -exec sha256sum {} + | sort >after
must "no source was changed" cmp before after
verdict "nothing is left in the stage" "$([ -z "$(ls -A to.*/.chainview/stage | grep part)" ]; echo $?)"
for to in vhd vhdx qcow2; do
	same "into $to" src "to.$to" "$to"
	for back in qcow2 vhd vhdx; do
		ends "$to into $back" 0 tree "to.$to" "$to.$back" --to "$back" --yes
		same "$to into $back" "to.$to" "$to.$back" "$back"
	done
done
for f in raw base sub/mid top other; do
	for t in qcow2.qcow2 vhd.qcow2 vhdx.qcow2; do
		[ "$f" = raw ] || must "$f of $t is equal by qemu-img" qemu-img compare -q "src/$f.qcow2" "$t/$f.qcow2"
		must "and qemu-img check is silent" qemu-img check -q "$t/$f.qcow2"
	done
done
has "the new parent and its format are recorded" 'backing file: ../base.qcow2' <(qemu-img info vhd.qcow2/sub/mid.qcow2)
has "both of them" 'backing file format: qcow2' <(qemu-img info vhd.qcow2/sub/mid.qcow2)
# of 9 MiB it has 5.5 KiB; a cluster of which it has a part is there as a whole
echo "# blocks: $(stat -c '%n %b' vhd.qcow2/top.qcow2 to.vhd/top.vhd | paste -s -d ' ')"
verdict "each holds only its own" "$([ "$(stat -c %b vhd.qcow2/top.qcow2)" -lt 1024 ] && [ "$(stat -c %b to.vhd/top.vhd)" -lt 256 ]; echo $?)"
for o in cluster_size=512 cluster_size=2M compat=0.10 refcount_bits=1; do
	rm -rf with
	ends "with $o" 0 tree src with --to qcow2 -o "$o" --yes
	same "with $o" src with qcow2
done
rm -rf with
ends "compressed" 0 tree src with --to qcow2 -c --yes
same "compressed" src with qcow2
rm -rf with
ends "every zero written" 0 tree to.qcow2 with --to vhd --sparse=never --yes
same "every zero written" to.qcow2 with vhd
rm -rf with
ends "a fixed base under differencing images" 0 tree src with --to vhd -o subformat=fixed --yes
has "fixed" "fixed" <("$CHAINVIEW" info --refs=none with/raw.vhd)
same "a fixed base" src with vhd

# Identities and marks.
"$CHAINVIEW" sample --recipe healthy-vhd-tap tap >/dev/null
facts() { "$CHAINVIEW" tree --refs=none --json "$1" | tr -d ' \n' | grep -oE '"id":"[^"]*"|"uuid":"[^"]*"|"hidden":(true|false)' | sed 's/\.qcow2"/"/; s/\.vhd"/"/'; }
ends "a repository of XCP-ng into QCOW2" 0 tree tap tap.qcow2 --to qcow2 --yes
ends "and back" 0 tree tap.qcow2 tap.vhd --to vhd --yes
facts tap | grep -v uuid >marks
verdict "some are hidden" "$(grep -q true marks; echo $?)"
must "hidden marks are those in QCOW2" diff marks <(facts tap.qcow2 | grep -v uuid)
must "and those in VHD again" diff marks <(facts tap.vhd | grep -v uuid)
same "VHDs of tap" tap tap.qcow2 qcow2
ends "VHD into VHD" 0 tree tap tap2 --to vhd --yes
must "keeps identities" diff <(facts tap) <(facts tap2)
has "which is said" "identities are kept" <(tree tap tap3 --to vhd)
ends "but not beside the others" 4 tree tap tap/copies --to vhd --yes
has "for they would be there twice" "twice" .out
ends "another format may be" 0 tree tap tap --to qcow2 --yes
for f in tap/*.qcow2; do [ -e "${f%.qcow2}.vhd" ] || verdict "$f beside its VHD" 1; done
ends "check finds nothing wrong with QCOW2" 0 "$CHAINVIEW" check --refs=none -q tap.qcow2
ends "nor with VHD" 0 "$CHAINVIEW" check --refs=none -q tap.vhd
for recipe in healthy-vhdx healthy-vhd-raw-parent healthy-qcow2-vhd-parent healthy-vhd-subfolder healthy-vhd-raw-parent-odd healthy-qcow-parent; do
	"$CHAINVIEW" sample --recipe "$recipe" "$recipe" >/dev/null
	for to in qcow2 vhd vhdx; do
		ends "$recipe into $to" 0 tree "$recipe" "$recipe.$to" --to "$to" --yes
		[ "$recipe" = healthy-vhd-raw-parent-odd ] || same "$recipe into $to" "$recipe" "$recipe.$to" "$to"
	done
done

# One tree of several.
cp src/raw.img two.img
mkdir pair && mv two.img pair/ && cp -r tap/*.vhd pair/
qemu-img create -q -f qcow2 -b two.img -F raw pair/child.qcow2
ends "only the tree of an image" 0 tree pair/child.qcow2 one --to vhd --yes
verdict "is there" "$([ "$(ls one)" = "$(printf 'child.vhd\ntwo.vhd')" ]; echo $?)"

# What speaks against it.
ends "a name that is there already" 4 tree src to.vhd --to vhd --yes
has "is said" "is there already" .out
mkdir clash && cp src/raw.img clash/x.img && qemu-img create -q -f qcow2 clash/x.qcow2 1M && qemu-img create -q -f qcow2 -b x.img -F raw clash/y.qcow2
ends "two that would have one name" 4 tree clash clashed --to vhd --yes
has "are named" "x.img and x.qcow2|x.qcow2 and x.img" .out
verdict "and nothing is made" "$([ ! -e clashed ]; echo $?)"
mkdir bad && qemu-img create -q -f qcow2 -u -b gone.qcow2 -F qcow2 bad/a.qcow2 1M
ends "a parent that is not there" 4 tree bad out --to vhd --yes
has "is said" "its parent is not found" .out
rm bad/a.qcow2 && qemu-img create -q -f qcow2 bad/s.qcow2 1M && qemu-img snapshot -c now bad/s.qcow2
ends "internal snapshots" 4 tree bad out --to vhd --yes
has "with the way out" "has internal snapshots.*qemu-img snapshot -d" .out
mkdir wait && qemu-img create -q -f qcow2 -u -b raw.qcow2 -F qcow2 wait/child.qcow2 1M
ends "a name that an image misses" 4 tree src wait --to qcow2 --yes
has "is said" "child.qcow2 names one of the new names" .out
ends "raw images have no parents" 16 tree src out --to raw
ends "no destination" 16 tree src
ends "a file for a folder" 16 tree src src/raw.img --to vhd
ends "a folder in a folder that is not there" 8 tree src no/where --to vhd
ends "an unknown option" 16 tree src out --to vhd -o cluster_size=64k
ends "a source that is not there" 16 tree nothing out --to vhd
ends "--verify=full is for one image" 16 tree src out --to vhd --verify=full
qemu_holds src/top.qcow2 src/top.qcow2
ends "an image that QEMU writes to" 4 tree src out --to vhd --yes
has "and who has it is said" "qemu-io" .out
qemu_leaves
verdict "nothing was made of all that" "$([ -z "$(ls out 2>/dev/null)" ]; echo $?)"
rm -rf out
ends "a huge tree is not too much for QCOW2" 0 tree src out --to qcow2 --yes --json
has "JSON has plan and result" '"operation": ?"convert-tree"' .out

# The journal, and back.
op=$("$CHAINVIEW" journal out | awk '/ convert-tree / { print $1 }')
ends "undo" 0 "$CHAINVIEW" undo out "$op" --yes
verdict "takes all of them away" "$([ -z "$(find out -name '*.qcow2' -not -path '*/.chainview/*')" ]; echo $?)"
op=$("$CHAINVIEW" journal out | awk '/ trash / { print $1 }')
ends "and undo of that" 0 "$CHAINVIEW" undo out "$op" --yes
same "brings all of them back" src out qcow2
op=$("$CHAINVIEW" journal out | awk '/ convert-tree / { print $1 }')
qemu-io -c 'write -P 1 0 4k' out/other.qcow2 >/dev/null
ends "what was written to since is not undone" 4 "$CHAINVIEW" undo out "$op" --yes

fills_up()
{
	local fs=$1 dir=$2
	dd if=/dev/zero of="$dir/filler" bs=64k status=none 2>/dev/null
	sync -f "$dir"
	ends "$fs: no room, refused before anything is touched" 4 tree src "$dir/new" --to qcow2 --yes
	verdict "$fs: nothing is there" "$([ ! -e "$dir/new" ]; echo $?)"
	rm -f "$dir/filler"
	sync -f "$dir"
}
killed()
{
	local fs=$1 dir=$2 call n status left=0 finished=0 f count
	for call in fsync fdatasync renameat2 mkdirat; do
		for n in 1 2 3 4 6 8 11 14; do
			rm -rf "$dir/new"
			status=0
			{ strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
				"$CHAINVIEW" convert --refs=none --tree src "$dir/new" --to qcow2 --yes >/dev/null || status=$?; } 2>/dev/null
			[ "$status" -eq 137 ] || break
			left=$((left + 1))
			[ ! -e "$dir/new" ] || "$CHAINVIEW" recover --yes "$dir/new" >.out 2>&1 || { cat .out; verdict "$fs: recovery after $call $n" 1; return; }
			count=$(find "$dir/new" -name '*.qcow2' -not -path '*/.chainview/*' 2>/dev/null | wc -l)
			[ "$count" = 0 ] || [ "$count" = 5 ] || { verdict "$fs: a part of the tree after $call $n" 1; return; }
			[ "$count" = 0 ] || finished=$((finished + 1))
			for f in base sub/mid top other; do
				[ "$count" = 0 ] || qemu-img compare -q "src/$f.qcow2" "$dir/new/$f.qcow2" || { verdict "$fs: $f after $call $n" 1; return; }
			done
			[ -z "$(find "$dir/new/.chainview/stage" "$dir/new/.chainview/journal" -type f ! -name '*.tmp' 2>/dev/null)" ] || { verdict "$fs: leftovers after $call $n" 1; return; }
		done
	done
	echo "# $fs: killed $left times, finished by recovery $finished times"
	verdict "$fs: killed at any barrier or name, all of the tree is there or nothing" "$([ "$left" -ge 8 ] && [ "$finished" -ge 2 ]; echo $?)"
}
everything()
{
	case $1 in this*) ;; *) fills_up "$@" ;; esac
	killed "$@"
}
kills_everywhere everything
finish
