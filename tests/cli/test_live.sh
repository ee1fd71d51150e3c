#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Images that a guest has open: what is found in them is advisory, whoever is asked for references, and every output
# marks it.
set -u
. "$(dirname "$0")/../support/lib.sh"

export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG='' LC_ALL=C.UTF-8
for tool in qemu-img qemu-io; do needs "$tool" "all tests of live images" || finish; done
repo=$work/sr out=$work/out
mkdir "$repo"
qemu-img create -q -f qcow2 "$repo/base.qcow2" 1M
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$repo/live.qcow2"
qemu-io -f qcow2 -c 'write 0 1M' "$repo/live.qcow2" >/dev/null
# The refcount of its last cluster is too high: a leak, as an image that is being written has them.
block=$((16#$(od -A n -t x8 --endian=big -j 65536 -N 8 "$repo/live.qcow2" | tr -d ' ')))
last=$(($(stat -c %s "$repo/live.qcow2") / 65536 - 1))
printf '\0\5' | dd of="$repo/live.qcow2" bs=1 seek=$((block + 2 * last)) conv=notrunc status=none
echo live.qcow2 >"$work/list"

check() { "$CHAINVIEW" check "$@" "$repo" >"$out" 2>&1 || true; }

check --refs=none
has "an image that nobody has open has plain findings" 'CV-SPC-0003 leaked-clusters: .* @0x[0-9a-f]+$' "$out"
lacks "and is not in use" 'image-in-use|advisory' "$out"

qemu_holds "$repo/live.qcow2" -f qcow2 "$repo/live.qcow2"
for ((i = 0; i < 100; i++)); do
	if "$CHAINVIEW" info --refs=proc "$repo/live.qcow2" 2>/dev/null | grep -q 'qemu-io, pid [0-9]*, writing'; then break; fi
	sleep 0.1
done
for refs in auto none "list:$work/list"; do
	check --refs="$refs"
	has "it is in use with --refs=${refs%%:*}" 'image-in-use: in use by qemu-io, pid [0-9]+, writing$' "$out"
	has "and its findings are advisory" 'leaked-clusters: .*\(advisory: the image is in use\)$' "$out"
done
check --refs=none --json
has "JSON marks them" '"name":"leaked-clusters".*"advisory":true' <(tr -d '\n ' <"$out")
check --refs=none --output=ndjson
has "ndjson does" '"name":"leaked-clusters".*"advisory":true' "$out"
check --refs=none --output=nagios --now
has "so does the plugin" 'leaked-clusters live.qcow2 \(in use, advisory\): ' "$out"
check --refs=none --cron
has "and the mail" '\(advisory: the image is in use\)' <(tr -s ' \n' ' ' <"$out")
has "and what is kept" '"name":"leaked-clusters".*"advisory":true' <(tr -d '\n ' <"$(echo "$work"/state/last/*.json)")
check --output=nagios
has "from where the plugin has it" 'leaked-clusters live.qcow2 \(in use, advisory\): ' "$out"
for form in json text; do
	"$CHAINVIEW" dump --refs=none --output=$form "$repo/live.qcow2" >"$out" 2>&1 || true
	has "dump marks it ($form)" 'leaked-clusters.*(advisory: the image is in use|"advisory":true)' <(tr -d '\n' <"$out")
done
lacks "what is needed is said by the source that was asked for" '"source":"proc"' \
	<("$CHAINVIEW" tree --json --refs="list:$work/list" "$repo")
qemu_leaves
check --refs=none
lacks "nothing of that is left when it is closed" 'image-in-use|advisory' "$out"
finish
