#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# What monitoring reads: plugin output, metrics, lines of JSON, each judged by a tool of its users.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/lib.sh"

export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG=$work/conf LC_ALL=C.UTF-8 CHAINVIEW_NOW=1794000000
case $CHAINVIEW in /*) ;; *) CHAINVIEW=$PWD/$CHAINVIEW ;; esac
peer=$here/../support/plugin_peer.pl
export PATH="$PATH:$here/../../build/tools"
out=$work/out
mkdir -p "$work/links"
ln -s "$CHAINVIEW" "$work/links/check_chainview"
ln -s "$CHAINVIEW" "$work/links/fsck.chain"
plugin=$work/links/check_chainview
mkdir -p "$work/good" "$work/bad"
cat >"$CHAINVIEW_CONFIG" <<END
[repository "good"]
path = $work/good
[repository "bad repo|x"]
path = $work/bad
END
qemu-img create -q -f qcow2 "$work/good/base.qcow2" 1M
qemu-img create -q -u -f qcow2 -b base.qcow2 -F qcow2 "$work/good/top.qcow2" 1M
hostile=$'\x1b]0;owned\x07 | $(x) "q" \'\xe2\x80\xae\n.qcow2'
qemu-img create -q -u -f qcow2 -b $'gone\x1b[2J|.qcow2' -F qcow2 "$work/bad/$hostile" 1M

# plugin WANTED ARGS...
nagios()
{
	local what=$1 wanted=$2 status=0
	shift 2
	"$plugin" "$@" >"$out" 2>"$work/err" || status=$?
	if [ "$status" -ne "$wanted" ]; then echo "# ended with $status:"; head -3 "$out" "$work/err"; fi
	verdict "$what" "$([ "$status" -eq "$wanted" ]; echo $?)"
}

# --- the plugin ---------------------------------------------------------------------------------------------

nagios "without a report it is UNKNOWN" 3 good
has "and says how to make one" "^CHAINVIEW UNKNOWN - good: no report yet \(chainview check --cron $work/good\)" "$out"
"$CHAINVIEW" check --cron --syslog=never --refs=none >/dev/null 2>&1
nagios "a healthy repository is OK" 0 good
has "in one line" '^CHAINVIEW OK - good: no findings, deepest chain 2 of 30 \| errors=0;;0;0' "$out"
nagios "errors are CRITICAL" 2 "bad repo|x"
nagios "the worst of all counts" 2
verdict "there is one | for the reader to find" "$([ "$(tr -cd '|' <"$out" | wc -c)" -eq 1 ]; echo $?)"
LC_ALL=C lacks "no control byte" $'[\x01-\x09\x0b-\x1f\x7f]' "$out"
must "all of it is UTF-8" iconv -f UTF-8 -t UTF-8 "$out"
lacks "no direction is overridden" $'\xe2\x80\xae' "$out"
nagios "-w on a figure" 1 -w max_depth=1 good
nagios "-c on a figure" 2 -w max_depth=1 -c max_depth=1: -c free=0:1 good
nagios "-c that holds" 0 -c errors=0 -c max_depth=5 good
nagios "-c on the age of the report" 0 -c report_age=10 good
CHAINVIEW_NOW=$((CHAINVIEW_NOW + 11)) nagios "and when it is older" 2 -c report_age=10 good
CHAINVIEW_NOW=$((CHAINVIEW_NOW + 9 * 86400)) nagios "a report older than eight days is UNKNOWN" 3 good
has "and says of when it is" 'the last report is of 2026-' "$out"
CHAINVIEW_NOW=$((CHAINVIEW_NOW + 9 * 86400)) nagios "--max-age sets another age" 0 --max-age=30d good
nagios "a usage error is UNKNOWN" 3 --nonsense
has "on standard output" '^CHAINVIEW UNKNOWN - unknown option --nonsense' "$out"
nagios "so is a metric that does not exist" 3 -w nonsense=1 good
has "and the metrics are named" 'metrics are errors warnings' "$out"
nagios "and a range that is none" 3 -w errors=x good
nagios "--now scans" 2 --now --refs=none "$work/bad"
nagios "--now of what is not there is UNKNOWN" 3 --now "$work/none"
has "and says why" '^CHAINVIEW UNKNOWN - cannot open' "$out"
nagios "--help is for people and UNKNOWN" 3 --help
ends "check --output=nagios is the same" 2 "$CHAINVIEW" check --output=nagios "$work/bad"
mkfifo "$work/fifo"
echo '{"schema":{"name":"chainview.result"}}' >"$CHAINVIEW_STATE_DIR/last/good.json"
nagios "a report that is none is UNKNOWN" 3 good
rm "$CHAINVIEW_STATE_DIR/last/good.json"
ln -s /etc/passwd "$CHAINVIEW_STATE_DIR/last/good.json"
nagios "a link in its place is not followed" 3 good
rm "$CHAINVIEW_STATE_DIR/last/good.json"
mkfifo "$CHAINVIEW_STATE_DIR/last/good.json"
nagios "a FIFO does not hold it up" 3 good
rm "$CHAINVIEW_STATE_DIR/last/good.json"
"$CHAINVIEW" check --cron --syslog=never --refs=none >/dev/null 2>&1

if needs perl "the plugins' own parser" && { perl -MMonitoring::Plugin::Performance -e1 2>/dev/null ||
	{ needs no-monitoring-plugin-for-perl "the plugins' own parser"; false; }; }; then
	"$plugin" -w free=1000: -c "max_depth=~:28" -w check_time=@10:20 good >"$out"
	# shellcheck disable=SC2016
	must "performance data of one repository is parsed" sh -c 'perl "$1" perf errors warnings reclaimable free max_depth orphans coalescable check_time report_age <"$2"' sh "$peer" "$out"
	"$plugin" >"$out"
	# shellcheck disable=SC2016
	must "and of several" sh -c 'perl "$1" perf good::errors bad_repo_x::max_depth <"$2"' sh "$peer" "$out"
	# --now reads figures of our own: the depth is 2.
	bad_ranges=0
	for range in 10 1 2 2: 3: "~:1" "~:2" 1:2 3:4 @1:2 @3:4 @2 0 -1:5; do
		theirs=$(perl "$peer" range "$range" 2) ours=0
		"$plugin" -c "max_depth=$range" good >/dev/null 2>&1 || ours=1
		[ "$theirs" = "$ours" ] || { echo "# $range: theirs $theirs, ours $ours"; bad_ranges=1; }
	done
	verdict "ranges alert as Monitoring::Plugin::Range says" "$bad_ranges"
fi

# --- metrics ------------------------------------------------------------------------------------------------

mkdir "$work/prom"
status=0
"$CHAINVIEW" check -q --metrics="$work/prom" --refs=none >/dev/null 2>&1 || status=$?
verdict "--metrics leaves the exit status as it is" "$([ "$status" -eq 4 ]; echo $?)"
file=$work/prom/chainview-good.prom
must "one file for each repository" test -s "$file" -a -s "$work/prom/chainview-bad\\x20repo\\x7cx.prom"
verdict "with mode 0644" "$([ "$(stat -c %a "$file")" = 644 ]; echo $?)"
verdict "nothing else is left in the folder" "$([ "$(find "$work/prom" -type f | wc -l)" -eq 2 ]; echo $?)"
cat "$work"/prom/*.prom >"$work/all.prom"
lacks "no image is named" 'qcow2"|owned|gone' <(grep -v 'format="qcow2"' "$work/all.prom")
has "there is a histogram" 'chainview_chain_depth_bucket\{repository="good",le="2"\} 1' "$file"
has "codes that did not occur are zero" 'code="CV-CHN-0001"\} 0$' "$file"
must "metrics into a file" sh -c "'$CHAINVIEW' check -q --metrics='$work/one.prom' --refs=none good && test -s '$work/one.prom'"
ends "several repositories into one file are a usage error" 20 "$CHAINVIEW" check --metrics="$work/one.prom" --refs=none
ends "metrics into a repository are refused" 8 sh -c "'$CHAINVIEW' check --metrics='$work/good/x.prom' --refs=none good; s=\$?; test \$((s & ~8)) -eq 0 && exit \$s; exit 99"
verdict "and nothing is made there" "$([ ! -e "$work/good/x.prom" ]; echo $?)"

# metrics_over WHAT PATH: whatever is there already and is no file of metrics has to be there afterwards
metrics_over()
{
	status=0
	"$CHAINVIEW" check --json --metrics="$2" --refs=none good >"$out" 2>"$work/.err" || status=$?
	verdict "metrics are not written over $1" "$([ "$status" -eq 8 ]; echo $?)"
	has "and $1 is named" "not (replaced|written over)" "$work/.err"
	has "the document has the exit status, too ($1)" '"exit_status":8' "$out"
}
qemu-img create -q -f vpc "$work/victim.vhd" 1M
sum=$(sha256sum <"$work/victim.vhd")
metrics_over "an image" "$work/victim.vhd"
verdict "the image is as it was" "$([ "$sum" = "$(sha256sum <"$work/victim.vhd")" ]; echo $?)"
ln -s victim.vhd "$work/link.prom"
metrics_over "a link" "$work/link.prom"
verdict "the link is one still" "$([ -L "$work/link.prom" ]; echo $?)"
mkfifo "$work/fifo.prom"
metrics_over "a FIFO" "$work/fifo.prom"
verdict "the FIFO is one still" "$([ -p "$work/fifo.prom" ]; echo $?)"
: >"$work/empty.prom"
must "an empty file is replaced" sh -c "'$CHAINVIEW' check -q --metrics='$work/empty.prom' --refs=none good && test -s '$work/empty.prom'"
"${CHAINVIEW%-ro}" sample --recipe operation-pending "$work/pending" >/dev/null
"$CHAINVIEW" check -q --metrics="$work/pending.prom" --refs=none "$work/pending" >/dev/null 2>&1 || true
has "operations that are not finished are a figure" '^chainview_journal_pending_operations\{.*\} [1-9]' "$work/pending.prom"
has "and none where there is none" '^chainview_journal_pending_operations\{.*\} 0$' "$file"
must "and so is what was written before" "$CHAINVIEW" check -q --metrics="$work/empty.prom" --refs=none good
if needs promtool "promtool takes the metrics"; then
	for one in "$work"/prom/*.prom; do
		promtool check metrics <"$one" >"$work/.promtool" 2>&1
		status=$?
		cat "$work/.promtool"
		verdict "promtool has nothing to say about $(basename "$one")" "$([ "$status" -eq 0 ] && [ ! -s "$work/.promtool" ]; echo $?)"
	done
fi

# --- fsck ---------------------------------------------------------------------------------------------------

if needs fsck "fsck.chain under fsck(8)"; then
	unset CHAINVIEW_CONFIG
	export CHAINVIEW_CONFIG=''
	ends "fsck -t chain finds it healthy" 0 env PATH="$work/links:$PATH" fsck -t chain -a "$work/good"
	ends "fsck -t chain gives its errors" 4 env PATH="$work/links:$PATH" fsck -t chain -a "$work/bad"
fi
for flag in -a -p -n -y -f -r -V "-t chain" "-C 5" "-C5" "-C 0" "-apf"; do
	# shellcheck disable=SC2086 # words
	ends "fsck.chain $flag" 4 "$work/links/fsck.chain" $flag "$work/bad" 5>"$work/progress"
done
"$work/links/fsck.chain" -C 5 "$work/bad" 5>"$work/progress" >/dev/null
has "progress goes to the descriptor" '^[12] 1 1 ' "$work/progress"
LC_ALL=C lacks "with no control byte" $'[\x01-\x09\x0b-\x1f\x7f]' "$work/progress"
ends "fsck.chain takes no other flag" 16 "$work/links/fsck.chain" -Z "$work/bad"

# --- lines of JSON ---------------------------------------------------------------------------------------------------

"$CHAINVIEW" check --output=ndjson --refs=none "$work/bad" >"$work/lines" 2>/dev/null
verdict "ndjson has a record a line, from head to end" \
	"$([ "$(grep -c '^{"type":"' "$work/lines")" = "$(wc -l <"$work/lines")" ] && head -1 "$work/lines" | grep -q '"head"' &&
		tail -1 "$work/lines" | grep -q '^{"type":"end","exit_status":4}$'; echo $?)"
LC_ALL=C lacks "no control byte in it" $'[\x01-\x09\x0b-\x1f\x7f]' "$work/lines"
ends "--json and ndjson together are a usage error" 16 "$CHAINVIEW" check --output=ndjson --json "$work/bad"
finish
