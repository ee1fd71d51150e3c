#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# What is installed beside the program: manual pages that say what the program says, units that systemd takes, links.
set -u
build=${BUILD:-build}
. "$(dirname "$0")/../support/lib.sh"
stage=$work

# Units name the program by its path, which must exist to be verified.
# Another audit may be installing, too.
flock "$build/objects.list" make -s BUILD="$build" PREFIX="$stage/usr" install >"$stage/log" 2>&1 || cat "$stage/log"
man=$stage/usr/share/man units=$stage/usr/lib/systemd/system

# --- manual pages -------------------------------------------------------------------------------------------

if needs mandoc "manual pages are well made"; then
	for page in "$man"/man*/chainview*; do
		mandoc -T lint -W warning "$page" >"$stage/lint" 2>&1
		cat "$stage/lint"
		verdict "$(basename "$page") is well made" "$([ ! -s "$stage/lint" ]; echo $?)"
	done
	mandoc -T ascii "$man/man7/chainview-findings.7" | sed 's/.\x08//g' >"$stage/findings"
	missing=0
	for name in $("$build/chainview" __complete problems); do
		grep -q "^ *$name\$" "$stage/findings" || { echo "# $name"; missing=1; }
	done
	verdict "every finding is in the manual" "$missing"
	mandoc -T ascii "$man/man8/chainview.8" "$man/man8/chainview-check.8" | sed 's/.\x08//g' >"$stage/pages"
	missing=0
	for flag in $("$build/chainview" __complete options check | sed 's/=$//'); do
		grep -q -- "$flag" "$stage/pages" || { echo "# $flag"; missing=1; }
	done
	verdict "every option of check is in the manual" "$missing"
fi
other=$(grep -rl '^@' "$man" || true)
verdict "no part was left out of a page" "$([ -z "$other" ]; echo $?)"
printf '@options no-such-command@\n' | "$build/chainview" __man >/dev/null 2>&1
verdict "a part that does not exist is an error" "$([ $? -eq 16 ]; echo $?)"

# --- units ---------------------------------------------------------------------------------------------------

if needs systemd-analyze "systemd takes the units"; then
	for unit in chainview-check@srv-images.service chainview-check@srv-images.timer chainview-notify@srv-images.service; do
		systemd-analyze --man=no verify "$units/$unit" >"$stage/verify" 2>&1
		status=$?
		cat "$stage/verify"
		verdict "systemd takes $unit" "$([ $status -eq 0 ] && [ ! -s "$stage/verify" ]; echo $?)"
	done
	# In tenths: up to 5.0 is called OK, 2.0 is our own mark for the check.
	for pair in chainview-check@.service:20 chainview-notify@.service:50; do
		systemd-analyze security --offline=true --no-pager --threshold="${pair##*:}" "$units/${pair%:*}" >"$stage/security" 2>&1
		status=$?
		tail -n 1 "$stage/security" | sed 's/^/# /'
		verdict "${pair%:*} is fenced in well" "$status"
	done
fi
for page in $(sed -n 's/^Documentation=man:\(.*\)(\([0-9]\))$/man\2\/\1.\2/p' "$units"/*); do
	verdict "the page that a unit names is there: $page" "$([ -s "$man/$page" ]; echo $?)"
done
sh -n "$stage/usr/libexec/chainview/notify"
verdict "notify is a shell script" $?
grep -vE '^(#|$)' "$stage/usr/share/doc/chainview/examples/chainview.cron" | grep -qE "^([0-9*]+ ){5}root .*$stage/usr/bin/chainview check --cron\$"
verdict "the line for cron names a user and the program" $?

# --- links ---------------------------------------------------------------------------------------------------

mkdir "$stage/empty"
"$stage/usr/sbin/fsck.chain" -a "$stage/empty" >/dev/null
verdict "fsck.chain is the program" $?
CHAINVIEW_CONFIG='' CHAINVIEW_STATE_DIR=$stage/none "$stage/usr/lib/nagios/plugins/check_chainview" "$stage/empty" >/dev/null
verdict "check_chainview is, too" "$([ $? -eq 3 ]; echo $?)"
finish
