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
	must "found by its path as it is shown: ${shown[i]:0:40}" "$CHAINVIEW" info -- "$repo/${shown[i]}"
	must "that path with --repo: ${shown[i]:0:40}" "$CHAINVIEW" info --repo "$repo" -- "$repo/${shown[i]}"
	must "and from inside: ${shown[i]:0:40}" sh -c 'cd "$1" && "$2" info -- "$3"' sh "$repo" "$CHAINVIEW" "${shown[i]}"
done
ends "a name that is not there is said as it was typed" 8 "$CHAINVIEW" info "$repo/"'none\x0a.qcow2'
has "not escaped twice" 'cannot open .*/none\\x0a\.qcow2: there is no such file' "$work/.out"
ends "the same for repositories" 8 "$CHAINVIEW" tree "$work/"'none\x1b'
has "not escaped twice either" 'cannot open .*/none\\x1b: No such file' "$work/.out"
mkdir "$work/"$'sr\nspace'
cp "$work/empty" "$work/"$'sr\nspace/in.qcow2'
must "a repository is found by its path as it is shown" "$CHAINVIEW" tree "$work/"'sr\x0aspace'
must "so is an image in it" "$CHAINVIEW" info "$work/"'sr\x0aspace/in.qcow2'
flat tree "$repo" >"$work/json"
has "a name that is not UTF-8 comes as base64 too" '"id_b64":"Y2Fm6S5xY293Mg=="' "$work/json"
finish
