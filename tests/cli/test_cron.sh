#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# check without anybody watching: silence, changes, reminders, locks, state that cannot be written, ignore rules.
set -u
. "$(dirname "$0")/../support/lib.sh"

export CHAINVIEW_STATE_DIR=$work/state CHAINVIEW_CONFIG='' LC_ALL=C.UTF-8
out=$work/out err=$work/err
repo=$work/sr
mkdir -p "$repo"
day=86400 start=1794000000
qemu-img create -q -f qcow2 "$repo/base.qcow2" 1M
overlay() { qemu-img create -q -u -f qcow2 -b "$2" -F qcow2 "$repo/$1" 1M; }

# cron DAYS WANTED ARGS...: a run so many days after the first; remembers what it said
cron()
{
	local now=$((start + $1 * day)) wanted=$2
	shift 2
	status=0
	CHAINVIEW_NOW=$now "$CHAINVIEW" check --cron --syslog=never --refs=none "$@" "$repo" >"$out" 2>"$err" || status=$?
	if [ "$status" -ne "$wanted" ]; then echo "# ended with $status, not $wanted:"; head -5 "$out" "$err"; fi
	verdict "on day ${now} the exit status is $wanted" "$([ "$status" -eq "$wanted" ]; echo $?)"
}
silent() { verdict "$1" "$([ ! -s "$out" ] && [ ! -s "$err" ]; echo $?)"; }
says() { verdict "$1" "$([ -s "$out" ]; echo $?)"; }

# --- silence, changes, reminders ----------------------------------------------------------------------------

cron 0 0
silent "a healthy repository is silent"
must "its result is kept" test -s "$CHAINVIEW_STATE_DIR/last/$(echo "$repo" | tr / +).json"
must "with mode 0644" test "$(stat -c %a "$CHAINVIEW_STATE_DIR"/last/*.json)" = 644

overlay lost.qcow2 gone.qcow2
cron 1 4
has "the first line would do as a subject" "^\[chainview\] [^ ]+ $repo: 1 error" <(head -1 "$out")
has "the finding is named" 'E CV-CHN-0001 parent-missing  lost.qcow2' "$out"
has "what to run is said" "^Look: +chainview check -v '$repo'" "$out"
verdict "no line but commands has more than 78 columns" \
	"$(awk 'NR > 1 && !/^Look:|^Explain:/ && length > 78 { bad = 1 } END { print bad + 0 }' "$out")"
is_plus() { grep -q "^+ E .*$1" "$out"; }
cron 2 4
silent "the same trouble is not said again the next day"
overlay lost2.qcow2 gone2.qcow2
cron 3 4
says "new trouble is said"
must "and marked as new" is_plus lost2.qcow2
verdict "what was said is not marked" "$(is_plus 'lost\.qcow2' && echo 1 || echo 0)"
has "and counted" '1 new \(\+\), 0 gone' "$out"
cron 9 4
silent "six days later nothing is repeated"
start=$((start - 3 * 3600)) cron 10 4
silent "nor three hours before a week has passed"
start=$((start - 3600)) cron 10 4
says "after seven days it is repeated, even if a timer comes an hour early"
has "as unchanged" 'nothing has changed' "$out"
cron 11 4 --remind=1d
says "--remind sets another time"
cron 11 4 --remind=0
says "--remind=0 says it each time"
rm "$repo/lost2.qcow2"
cron 12 4
has "what is gone is a change" '^- E .*lost2.qcow2' "$out"
rm "$repo/lost.qcow2"
cron 13 0
silent "when all is well again there is silence"
overlay lost.qcow2 gone.qcow2
cron 14 4
says "and trouble that comes back is new"
cron 15 0 --fail-on=never --remind=0
says "--fail-on=never changes the status and not what is said"
cron 15 4 --fail-on=error
rm "$repo/lost.qcow2"

# Warnings: 64, or 4 when asked for.
: >"$repo/OLD_00000000-0000-0000-0000-000000000001.vhd"
qemu-img create -q -f vpc "$repo/OLD_00000000-0000-0000-0000-000000000001.vhd" 1M
cron 20 64
has "a warning is said" ': 1 warning' "$out"
cron 20 4 --fail-on=warning
rm "$repo"/OLD_*

# --- blocks are read once ------------------------------------------------------------------------------------

# maps ARGS...: how often file systems are asked where a file lies, which only the accounting of space does
maps()
{
	strace -f -qq -o "$work/trace" -e trace=ioctl "$CHAINVIEW" check --refs=none "$@" "$work/chain" >"$out" 2>"$err"
	grep -c FIEMAP "$work/trace"
}
mkdir "$work/chain"
qemu-img create -q -f qcow2 "$work/chain/base.qcow2" 1M
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$work/chain/leaf.qcow2" 1M
if command -v strace >/dev/null; then
	for more in --cron "--metrics=$work/chain.prom"; do
		verdict "the space of a chain is looked at once under ${more%%=*}" \
			"$([ "$(maps)" -gt 0 ] && [ "$(maps)" -eq "$(maps "$more" --syslog=never)" ]; echo $?)"
	done
else
	skip "the space of a chain is looked at once" "no strace"
fi
if [ -e "$work/chain.prom" ]; then has "and its figures are known" 'live' "$work/chain.prom"; fi

# --- what cannot be kept or compared ------------------------------------------------------------------------

overlay lost.qcow2 gone.qcow2
echo 'no json' >"$CHAINVIEW_STATE_DIR/last/$(echo "$repo" | tr / +).json"
cron 30 4
says "a damaged result is as good as none"
cron 31 4
silent "and is replaced"
touch "$work/a-file"
CHAINVIEW_STATE_DIR=$work/a-file cron 31 4
says "without a state folder everything is said"
verdict "and nothing else" "$([ ! -s "$err" ]; echo $?)"
CHAINVIEW_STATE_DIR=$work/a-file cron 31 4 -v
has "-v says that nothing is kept" 'the result is not kept' "$err"
CHAINVIEW_STATE_DIR='' cron 31 4 -v
says "it can be switched off"
CHAINVIEW_STATE_DIR=$repo/.state cron 31 4 -v
has "a state folder in the repository is not used" 'lies in a repository' "$err"
verdict "and not made" "$([ ! -e "$repo/.state" ]; echo $?)"
if [ "$(id -u)" -eq 0 ] && mkdir "$work/small" && mount -t tmpfs -o size=16k,mode=0700 tmpfs "$work/small" 2>/dev/null; then
	cp -r "$CHAINVIEW_STATE_DIR"/last "$work/small/" 2>/dev/null
	kept=$(cat "$work/small/last/"*)
	dd if=/dev/zero of="$work/small/full" bs=1k 2>/dev/null
	CHAINVIEW_STATE_DIR=$work/small cron 40 4 -v
	says "a full state folder does not keep it from speaking"
	has "it is said" 'No space left' "$err"
	verdict "the last result is still there" "$([ "$kept" = "$(cat "$work/small/last/"*)" ]; echo $?)"
	verdict "no temporary file is left" "$(find "$work/small" -name '.chainview-*' | grep -c .)"
	status=0
	"$CHAINVIEW" check --metrics="$work/small/x.prom" --refs=none "$repo" >/dev/null 2>"$err" || status=$?
	verdict "metrics that cannot be written are a failure" "$([ "$status" -eq 12 ]; echo $?)"
	verdict "no half a file of metrics is left" "$([ ! -e "$work/small/x.prom" ]; echo $?)"
	umount "$work/small"
else
	skip "a full disk" "needs root and mounts"
fi
if [ -c /dev/full ]; then
	status=0
	rm -rf "$CHAINVIEW_STATE_DIR"
	CHAINVIEW_NOW=$((start + 50 * day)) "$CHAINVIEW" check --cron --syslog=never --refs=none "$repo" >/dev/full 2>"$err" || status=$?
	verdict "a mail that cannot be written is a failure" "$([ "$status" -eq 12 ]; echo $?)"
	cron 51 4
	says "and is said in the next run"
fi

# --- what was left alone, and what could not be looked at -----------------------------------------------------

mkdir -p "$work/calm/inside"
qemu-img create -q -f qcow2 "$work/calm/x.qcow2" 1M
calm() { status=0; CHAINVIEW_NOW=$start "$CHAINVIEW" check --cron --syslog=never --refs=none "$work/calm" >"$out" 2>"$err" || status=$?; }
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs tmpfs "$work/calm/inside" 2>/dev/null; then
	calm
	verdict "a file system that is mounted inside is no trouble" "$([ "$status" -eq 0 ] && [ ! -s "$out" ]; echo $?)"
	umount "$work/calm/inside"
	chmod 0 "$work/calm/inside"
	chmod 755 "$work"
	cp "$CHAINVIEW" "$work/chainview"
	mkdir -m 777 "$work/theirs"
	status=0
	CHAINVIEW_STATE_DIR=$work/theirs CHAINVIEW_NOW=$start setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$work/chainview" check --cron --syslog=never --refs=none "$work/calm" >"$out" 2>"$err" || status=$?
	verdict "a folder that may not be read is" "$([ "$status" -eq 8 ]; echo $?)"
	has "and is said" '^\? not looked at: .*/calm/inside: cannot open:' "$out"
	status=0
	CHAINVIEW_STATE_DIR=$work/theirs CHAINVIEW_NOW=$start "$CHAINVIEW" check --output=nagios "$work/calm" >"$out" || status=$?
	verdict "and makes monitoring say UNKNOWN" "$([ "$status" -eq 3 ]; echo $?)"
	chmod 755 "$work/calm/inside"
else
	skip "what was left alone" "needs root and mounts"
fi

# --- two runs at once ---------------------------------------------------------------------------------------

exec 9>"$CHAINVIEW_STATE_DIR/lock/$(echo "$repo" | tr / +)"
flock -n 9
cron 52 0 --remind=0
has "a second run leaves the repository alone and says so" 'is being checked by another run' "$err"
verdict "and says nothing else" "$([ ! -s "$out" ]; echo $?)"
mkdir -p "$work/other"
qemu-img create -q -f qcow2 "$work/other/x.qcow2" 1M
status=0
CHAINVIEW_NOW=$start "$CHAINVIEW" check --cron --syslog=never --refs=none "$repo" "$work/other" >"$out" 2>"$err" || status=$?
verdict "a repository that is free is checked all the same" "$([ "$status" -eq 0 ] && [ ! -s "$out" ]; echo $?)"
must "and its result is kept" test -s "$CHAINVIEW_STATE_DIR/last/$(echo "$work/other" | tr / +).json"
exec 9>&-
cron 52 4 --remind=0
says "when the lock is free again it goes on"

# --- ignore rules -------------------------------------------------------------------------------------------

cat >"$work/conf" <<END
[repository "sr"]
path = $repo
[ignore "parent-missing:lost.qcow2"]
until = 2026-12-31
reason = the vendor has it
[ignore "CV-CHN-0007"]
until = 2026-01-31
reason = it was so
END
export CHAINVIEW_CONFIG=$work/conf
ends "what a rule takes out is no error" 0 env CHAINVIEW_NOW=$start "$CHAINVIEW" check --refs=none sr
has "it is counted" '1 finding is ignored by a rule' "$work/.out"
has "a rule that has ended is said" 'An ignore rule has ended: CV-CHN-0007, until 2026-01-31: it was so' "$work/.out"
CHAINVIEW_NOW=$start "$CHAINVIEW" check --refs=none --json sr >"$work/json"
has "JSON has it apart, with the rule" '"ignored_by":\{"rule":"parent-missing:lost.qcow2","until":"2026-12-31","reason":"the vendor has it","ended":false' "$work/json"
ends "on the last day it still holds" 0 env CHAINVIEW_NOW=2026-12-31T23:59:59Z "$CHAINVIEW" check --refs=none sr
ends "the day after it does not" 4 env CHAINVIEW_NOW=2027-01-01T00:00:00Z "$CHAINVIEW" check --refs=none sr
rm -rf "$CHAINVIEW_STATE_DIR"
cron 0 0
silent "--cron is silent about it"
cron 400 4
has "--cron says that the rule has ended" 'an ignore rule has ended: parent-missing:lost.qcow2' "$out"
must "the state is named after the configuration" test -s "$CHAINVIEW_STATE_DIR/last/sr.json"
"$CHAINVIEW" config --show-origin >"$out"
has "config shows a rule and where it stands" "^until = 2026-12-31 +; $work/conf:3" "$out"
has "and what is built in" '^remind = 7d +; built in' "$out"
mkdir -p "$work/etc/conf.d"
echo '[defaults]
depth_warn = 20' >"$work/etc/conf.d/10-depth.conf"
echo '[defaults]
depth_warn = 22' >"$work/etc/conf.d/20-depth.conf"
echo 'nonsense' >"$work/etc/conf.d/ignored.txt"
CHAINVIEW_CONFIG=$work/etc "$CHAINVIEW" config --show-origin >"$out" 2>"$err"
has "conf.d is read in the order of names" "^depth_warn = 22 +; $work/etc/conf.d/20-depth.conf:2" "$out"
ends "config --output=zabbix-lld" 0 "$CHAINVIEW" config --output=zabbix-lld
has "lists repositories as macros" "^\[\{\"\{#REPO\}\":\"sr\",\"\{#PATH\}\":\"$repo\"\}\]" "$work/.out"
export CHAINVIEW_CONFIG=''

# --- usage, signals, syslog ---------------------------------------------------------------------------------

ends "--cron with JSON is a usage error" 16 "$CHAINVIEW" check --cron --json "$repo"
ends "--remind without --cron is one" 16 "$CHAINVIEW" check --remind=1d "$repo"
ends "--remind wants a time" 16 "$CHAINVIEW" check --cron --remind=soon "$repo"
ends "-w without nagios is one" 16 "$CHAINVIEW" check -w errors=1 "$repo"
if command -v unshare >/dev/null && [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	mkdir "$work/dev"
	for node in null urandom full; do touch "$work/dev/$node"; done
	cat >"$work/syslog.py" <<'P'
import socket, subprocess, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/dev/log")
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
s.settimeout(2)
print(s.recv(65536).decode())
P
	CHAINVIEW_NOW=$start unshare -m sh -c '
		for n in null urandom full; do mount --bind "/dev/$n" "$1/dev/$n" || exit 1; done
		mount --rbind "$1/dev" /dev && exec python3 "$1/syslog.py" "$2" check --cron --refs=none "$3"' \
		sh "$work" "$CHAINVIEW" "$repo" >"$out" 2>"$err"
	has "one line goes to syslog" "chainview\[[0-9]+\]: OP=check REPO=$repo ERRORS=1 WARNINGS=0 .*STATUS=4" "$out"
else
	skip "syslog" "needs root and mount namespaces"
fi
finish
