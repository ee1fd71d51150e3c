#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# A parent that others need, too, is not merged into: what else can be done is said with what it costs, and that is true.
set -u
. "$(dirname "$0")/../support/lib.sh"
export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=/dev/null

repo=$work/repo
"$CHAINVIEW" sample --recipe coalescable-many "$repo" >/dev/null && chmod 755 "$repo"
guest() { "$CHAINVIEW" verify --reader=own --refs=none --json "$1" | tr -d '\n\t ' | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/'; }
# most PATTERN: the bytes behind "about" in what the refusal says of it.
about() { sed -n "s/.*$1 (about \([0-9.]*[KMG]*\).*/\1/p" "$work/said" | numfmt --from=iec; }
used() { echo $(($(stat -c %b "$1") * 512)); }

# c0 - c1 - cleaf, and c0 - cother
ends "an inner image whose parent has another child is refused" 4 "$CHAINVIEW" coalesce --refs=none --yes "$repo/c1.vhd"
"$CHAINVIEW" coalesce -n --refs=none "$repo/c1.vhd" >"$work/said" 2>&1
has "it is said who needs the parent" 'c0.vhd stays as it is, whatever is done: 1 other image stands on it' "$work/said"
has "leaving it costs nothing" 'Leave c1.vhd \(costs nothing\)' "$work/said"
has "a new image is a way" 'one new image of both with chainview convert.*\(about [0-9.]+[KM]\)' "$work/said"
about=$(about '--onto c0.vhd')
before=$(used "$repo/cleaf.vhd") content=$(guest "$repo/cleaf.vhd")
must "its child gets what it has" "$CHAINVIEW" rebase --refs=none -q --yes "$repo/cleaf.vhd" --onto "$repo/c0.vhd"
after=$(used "$repo/cleaf.vhd")
echo "# about $about, and took $((after - before))"
verdict "which costs no more than was said" "$([ -n "$about" ] && [ $((after - before)) -le $((about + about / 10)) ]; echo $?)"
verdict "and the guest reads what it did" "$([ "$(guest "$repo/cleaf.vhd")" = "$content" ]; echo $?)"

"$CHAINVIEW" coalesce -n --leaf --refs=none "$repo/cother.vhd" >"$work/said" 2>&1
has "a leaf can stand alone instead" 'make it stand alone with chainview rebase --flatten' "$work/said"
lacks "nothing is said of children that it has not" 'its children' "$work/said"
about=$(about '--flatten')
before=$(used "$repo/cother.vhd") content=$(guest "$repo/cother.vhd")
must "it stands alone" "$CHAINVIEW" rebase --refs=none -q --yes --flatten "$repo/cother.vhd"
after=$(used "$repo/cother.vhd")
echo "# about $about, and took $((after - before))"
verdict "which costs no more than was said" "$([ -n "$about" ] && [ $((after - before)) -le $((about + about / 10)) ]; echo $?)"
verdict "and the guest reads what it did" "$([ "$(guest "$repo/cother.vhd")" = "$content" ]; echo $?)"

printf '%s\n' "$repo/b0.vhd" "$repo/bleaf.vhd" >"$work/list"
"$CHAINVIEW" coalesce -n --refs="list:$work/list" "$repo/b1.vhd" >"$work/said" 2>&1
has "a parent that somebody uses is told apart" 'b0.vhd stays as it is, whatever is done: somebody uses it itself' "$work/said"
"$CHAINVIEW" coalesce -n --refs=none "$repo/b1.vhd" >"$work/said" 2>&1
lacks "and where nobody does nothing else is offered" 'stays as it is, whatever' "$work/said"
finish
