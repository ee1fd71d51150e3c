#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Names with spaces, newlines, escape sequences, invalid UTF-8 and 255 bytes: shown escaped, and found again by
# what is shown.
set -u
. "$(dirname "$0")/../support/lib.sh"

repo=$work/repo
mkdir -p "$repo"
long=$(printf 'n%.0s' $(seq 1 249)).qcow2
names=(
	'two words.qcow2' $'two\nlines.qcow2' $'\x1b]0;owned\x07.qcow2' $'caf\xe9.qcow2' $'caf\xc3\xa9.qcow2'
	$'gpj.\xe2\x80\xae.qcow2' '-n.qcow2' 'back\slash.qcow2' 'looks\x41like.qcow2' "$long" '"quotes".qcow2' 'a:b.qcow2'
)
shown=(
	'two words.qcow2' 'two\x0alines.qcow2' '\x1b]0;owned\x07.qcow2' 'caf\xe9.qcow2' $'caf\xc3\xa9.qcow2'
	'gpj.\u{202e}.qcow2' '-n.qcow2' 'back\slash.qcow2' 'looks\x5cx41like.qcow2' "$long" '"quotes".qcow2' 'a:b.qcow2'
)
qemu-img create -q -f qcow2 "$work/empty" 1M
for name in "${names[@]}"; do cp "$work/empty" "$repo/$name"; done

LC_ALL=C.UTF-8 "$CHAINVIEW" tree "$repo" >"$work/tree" 2>"$work/errors"
verdict "tree shows them all" $?
LC_ALL=C lacks "no control byte reaches the output" $'[\x01-\x08\x0b-\x1f\x7f]' "$work/tree"
must "the output is UTF-8" iconv -f UTF-8 -t UTF-8 "$work/tree"
for ((i = 0; i < ${#names[@]}; i++)); do
	if grep -qF -- "${shown[i]}" "$work/tree"; then verdict "shown as ${shown[i]:0:40}" 0; else verdict "shown as ${shown[i]:0:40}" 1; fi
	must "found by its raw path: ${shown[i]:0:40}" "$CHAINVIEW" info -- "$repo/${names[i]}"
	must "found by what is shown: ${shown[i]:0:40}" "$CHAINVIEW" info --repo "$repo" -- "${shown[i]}"
done
flat tree "$repo" >"$work/json"
has "a name that is not UTF-8 comes as base64 too" '"id_b64":"Y2Fm6S5xY293Mg=="' "$work/json"
finish
