#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# The command line of the program: help, usage errors, exit statuses, output formats, configuration. The images
# are made by qemu-img; nothing here looks inside them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/lib.sh"
[ -x "$CHAINVIEW" ] || { echo "not ok - the program is there: $CHAINVIEW"; exit 1; }
case $CHAINVIEW in /*) ;; *) CHAINVIEW=$PWD/$CHAINVIEW ;; esac
unset CHAINVIEW_CONFIG NO_COLOR CLICOLOR_FORCE COLUMNS
export HOME="$work/home" LC_ALL=C.UTF-8
mkdir -p "$HOME/.config/chainview"
out=$work/out err=$work/err

# run WANTED COMMAND...: stdout and stderr kept apart; remembers the status
run()
{
	local wanted=$1
	shift
	status=0
	"$@" >"$out" 2>"$err" </dev/null || status=$?
	[ "$status" -eq "$wanted" ]
}

# gives WHAT WANTED COMMAND...
gives()
{
	local what=$1 wanted=$2
	shift 2
	if run "$wanted" "$@"; then verdict "$what" 0; return; fi
	echo "# '$*' ended with $status, not $wanted:"
	head -5 "$out" "$err"
	verdict "$what" 1
}

is_empty()
{
	if [ -s "$2" ]; then head -3 "$2"; verdict "$1" 1; else verdict "$1" 0; fi
}

is_json()
{
	if ! command -v python3 >/dev/null; then skip "$1" "no python3"; return; fi
	if python3 -m json.tool "$2" >/dev/null 2>"$work/.json"; then verdict "$1" 0; return; fi
	cat "$work/.json"
	verdict "$1" 1
}

# --- help, version, usage ---------------------------------------------------------------------------------

gives "--help ends with 0" 0 "$CHAINVIEW" --help
has "help lists the commands" '^  check ' "$out"
is_empty "help goes to standard output" "$err"
gives "--version ends with 0" 0 "$CHAINVIEW" --version
has "version names libraries" 'json-c [0-9]' "$out"
for command in $("$CHAINVIEW" __complete commands); do
	gives "$command --help ends with 0" 0 "$CHAINVIEW" "$command" --help
	has "$command --help shows its usage" "^Usage: chainview $command " "$out"
	if [ "$(awk '{ if (length > n) n = length } END { print n }' "$out")" -le 80 ]; then :; else
		verdict "$command --help has lines of at most 80 columns" 1; fi
	gives "$command --nonsense is a usage error" 16 "$CHAINVIEW" "$command" --nonsense
	is_empty "the usage error of $command is not on standard output" "$out"
done
gives "no arguments and nothing configured: usage" 16 "$CHAINVIEW"
has "the usage is on standard error" '^Usage: chainview' "$err"
gives "an unknown command is a usage error" 16 "$CHAINVIEW" chekc
has "the nearest command is suggested" 'did you mean check\?' "$err"
gives "a word like no command gives no suggestion" 16 "$CHAINVIEW" xyzzyx
lacks "no far-fetched suggestion" 'did you mean' "$err"
gives "a command cannot hide behind --" 8 "$CHAINVIEW" -- "$work/nothing"
gives "options before the command are taken" 0 "$CHAINVIEW" --json explain parent-missing
is_json "explain --json is JSON" "$out"

# --- explain -----------------------------------------------------------------------------------------------

gives "explain takes a name" 0 "$CHAINVIEW" explain parent-missing
cp "$out" "$work/by-name"
gives "explain takes a code in any case" 0 "$CHAINVIEW" explain cv-chn-0001
must "name and code give the same text" cmp "$work/by-name" "$out"
gives "explain without a name lists all" 0 "$CHAINVIEW" explain
has "the list has severities and codes" '^E CV-CHN-0001  parent-missing$' "$out"
gives "explain of an unknown name is a usage error" 16 "$CHAINVIEW" explain parent-mising
has "the nearest name is suggested" 'did you mean parent-missing\?' "$err"
status=0
for name in $("$CHAINVIEW" __complete problems); do
	"$CHAINVIEW" explain "$name" >"$out" 2>"$err" || status=1
	[ "$(wc -l <"$out")" -ge 4 ] || { echo "# $name is hardly explained"; status=1; }
done
verdict "every finding is explained" "$status"

# --- completion ---------------------------------------------------------------------------------------------

gives "__complete bash ends with 0" 0 "$CHAINVIEW" __complete bash
must "the completion file is bash" bash -n "$out"
cp "$out" "$work/completion"
complete_line()
{
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_chainview
	printf '%s\n' "${COMPREPLY[@]}" >"$out"
}
PATH="$(dirname "$CHAINVIEW"):$PATH"
compopt() { :; }
set +eu
. "$work/completion" 2>/dev/null
complete_line chainview exp; has "a command is completed" '^explain$' "$out"
complete_line chainview check --fail; has "an option of a command is completed" '^--fail-on=$' "$out"
complete_line chainview tree --fail; lacks "an option of another command is not" 'fail-on' "$out"
complete_line chainview check --fail-on = w; has "a value is completed" '^warning$' "$out"
complete_line chainview check --refs = li; has "a source of references is completed" '^list:$' "$out"
complete_line chainview explain parent-mis; has "a finding is completed" '^parent-missing$' "$out"
set -eu
unset -f compopt

# --- standard output that cannot be written ------------------------------------------------------------------

if [ -c /dev/full ]; then
	status=0
	"$CHAINVIEW" --help >/dev/full 2>"$err" || status=$?
	verdict "help into a full disk ends with 8" "$([ "$status" -eq 8 ]; echo $?)"
	has "a full disk is said" 'cannot write to standard output: No space left' "$err"
else
	skip "a full disk" "no /dev/full"
fi

# --- configuration -------------------------------------------------------------------------------------------

printf '[defaults]\ndepth_warn = lots\n' >"$work/bad.conf"
gives "a bad line of the configuration is a usage error" 16 env CHAINVIEW_CONFIG="$work/bad.conf" "$CHAINVIEW" tree /
has "file and line are named" 'bad.conf:2: depth_warn takes a number' "$err"
gives "help works all the same" 0 env CHAINVIEW_CONFIG="$work/bad.conf" "$CHAINVIEW" check --help
gives "a configuration that is not there is an error" 8 env CHAINVIEW_CONFIG="$work/none.conf" "$CHAINVIEW" tree /

# --- repositories --------------------------------------------------------------------------------------------

if ! command -v qemu-img >/dev/null; then
	skip "repositories" "no qemu-img"
	finish
fi
sr=$work/sr good=$work/good
mkdir "$sr" "$good"
img() { qemu-img "$@" >/dev/null; }
img create -f qcow2 "$good/base.qcow2" 4M
(cd "$good" && img create -f qcow2 -b base.qcow2 -F qcow2 top.qcow2)
cp "$good"/*.qcow2 "$sr"
(cd "$sr" && img create -f qcow2 -b base.qcow2 -F qcow2 gone.qcow2 && img create -f qcow2 -b gone.qcow2 -F qcow2 lost.qcow2)
rm "$sr/gone.qcow2"
img create -f vpc "$sr/disk.vhd" 4M

gives "tree of a healthy repository" 0 "$CHAINVIEW" tree --refs=none "$good"
has "the child hangs below its parent" '└─ top.qcow2 +qcow2' "$out"
is_empty "no progress where there is no terminal" "$err"
gives "a repository alone shows the trees" 0 "$CHAINVIEW" "$good"
has "the trees are there" '└─ top.qcow2' "$out"
gives "--ascii" 0 "$CHAINVIEW" tree --ascii "$good"
has "ASCII lines" '^. `- top.qcow2' "$out"
lacks "no other characters" '[^ -~]' "$out"
gives "a repository that is not there" 8 "$CHAINVIEW" tree "$work/nothing"
has "it is named" "cannot open $work/nothing: No such file" "$err"
gives "tree of a repository with a lost parent" 0 "$CHAINVIEW" tree --refs=none "$sr"
has "the lost parent is marked" '^E lost.qcow2 .*<- parent gone.qcow2 missing' "$out"
COLUMNS=60 gives "tree in 60 columns" 0 "$CHAINVIEW" tree --refs=none "$sr"
status=0
[ "$(awk '{ if (length > n) n = length } END { print n }' "$out")" -le 60 ] || status=1
verdict "no line is longer than the width" "$status"

gives "check of a healthy repository is 0" 0 "$CHAINVIEW" check --refs=none "$good"
gives "check -q of a healthy repository is silent" 0 "$CHAINVIEW" check -q --refs=none "$good"
is_empty "nothing is said" "$out"
gives "-n is accepted" 0 "$CHAINVIEW" check -n --refs=none "$good"
run 4 "$CHAINVIEW" check --refs=none "$sr" || true
verdict "errors set bit 4" "$([ $((status & 4)) -eq 4 ]; echo $?)"
has "the finding is listed" 'E CV-CHN-0001 parent-missing:' "$out"
plain=$status
run 4 "$CHAINVIEW" check --json --refs=none "$sr" || true
verdict "--json ends with the same status" "$([ "$status" -eq "$plain" ]; echo $?)"
is_json "check --json is JSON" "$out"
has "the status in the document is the real one" "\"exit_status\":$plain[,}]" "$out"
has "schema and version" '"schema":\{"name":"chainview.check","version":\[1,0\]\}' "$out"
img create -f raw "$work/raw.img" 1M
mkdir "$work/warn"
cp "$good/base.qcow2" "$work/warn"
(cd "$work/warn" && img create -f qcow2 -b "$good/base.qcow2" -F qcow2 outside.qcow2)
gives "only warnings: 64" 64 "$CHAINVIEW" check --refs=none "$work/warn"
gives "only warnings with --fail-on=warning: 4" 4 "$CHAINVIEW" check --fail-on=warning --refs=none "$work/warn"
gives "with the other repository it is healthy" 0 "$CHAINVIEW" check --with "$good" --refs=none "$work/warn"
gives "an unknown source of references is a usage error" 16 "$CHAINVIEW" check --refs=nonsense "$good"
gives "check without a repository is a usage error" 16 "$CHAINVIEW" check

# --- info ----------------------------------------------------------------------------------------------------

gives "info of an image" 0 "$CHAINVIEW" info --refs=none "$good/top.qcow2"
has "the chain is shown" '^ +1 +base.qcow2' "$out"
has "labels and values are apart" '^  backing file  base.qcow2$' "$out"
gives "one of two repositories that is not there does not stop the check of the other" 8 \
	"$CHAINVIEW" check --refs=none "$work/not-there" "$good"
has "which is looked at" 'of [1-9][0-9]* images? ha' "$out"
gives "a repository that is not there is an error" 8 "$CHAINVIEW" check --refs=none "$work/not-there"
gives "so are two" 8 "$CHAINVIEW" check --refs=none "$work/not-there" "$work/nor-there"
is_empty "and nothing is said of any" "$out"
gives "explain" 0 "$CHAINVIEW" explain vhd-footer-checksum
has "shows a title without a finding" '^  \.\.\.: checksum is \.\.\., its bytes sum to \.\.\.$' "$out"
gives "info in the folder itself" 0 sh -c "cd '$good' && '$CHAINVIEW' info --refs=none top.qcow2"
gives "info by name with --repo" 0 "$CHAINVIEW" info --refs=none --repo "$good" top.qcow2
gives "info --json" 0 "$CHAINVIEW" info --refs=none --json "$good/top.qcow2" "$good/base.qcow2"
is_json "info --json is JSON" "$out"
has "attributes are in it" '"attributes":\[\{"key":"version"' "$out"
gives "info of two images" 0 "$CHAINVIEW" info --refs=none "$good/top.qcow2" "$good/base.qcow2"
gives "a base must not be deleted" 4 "$CHAINVIEW" info --deletable --refs=none "$good/base.qcow2"
has "with its reason" 'base.qcow2: must not be deleted: ' "$out"
gives "-q --deletable says nothing" 4 "$CHAINVIEW" info -q --deletable --refs=none "$good/base.qcow2"
is_empty "but the status" "$out"
gives "info without an image is a usage error" 16 "$CHAINVIEW" info
gives "info of a directory is a usage error" 16 "$CHAINVIEW" info "$good"
gives "info of a file that is not there" 8 "$CHAINVIEW" info "$good/nothing.qcow2"
gives "info of an unknown name" 16 "$CHAINVIEW" info --repo "$good" nothing
gives "info of a name without a repository" 16 "$CHAINVIEW" info 12345678
gives "info of an empty name" 16 "$CHAINVIEW" info ''
has "it is said what is wrong" 'an image cannot have an empty name' "$err"
gives "tree of an empty name" 16 "$CHAINVIEW" tree ''
has "it is said what is wrong there" 'a repository cannot have an empty name' "$err"

# --- configured repositories ---------------------------------------------------------------------------------

cat >"$HOME/.config/chainview/config" <<END
[defaults]
refs = none
[repository "good one"]
path = $good
[repository "warn"]
path = $work/warn
END
gives "tree of the configured repositories" 0 "$CHAINVIEW" tree
has "the first" "^$good  directory" "$out"
has "the second" "^$work/warn  directory" "$out"
gives "a configured name is a repository" 0 "$CHAINVIEW" check "good one"
gives "without a command too" 0 "$CHAINVIEW" "good one"
gives "the others are searched for parents" 0 "$CHAINVIEW" check warn
gives "NAME/image" 0 "$CHAINVIEW" info "good one/top.qcow2"
gives "an image is found in any of them" 0 "$CHAINVIEW" info outside.qcow2
mkdir "$good/deep"
mv "$good/top.qcow2" "$good/deep"
(cd "$good/deep" && qemu-img rebase -u -F qcow2 -b ../base.qcow2 top.qcow2)
gives "the repository of a path is the enclosing configured one" 0 "$CHAINVIEW" info "$good/deep/top.qcow2"
has "so that the id has its folder" '^deep/top.qcow2$' "$out"
echo '[repository "away"]' >>"$HOME/.config/chainview/config"
echo "path = $work/away" >>"$HOME/.config/chainview/config"
gives "one that is not there is said and makes it incomplete" 8 "$CHAINVIEW" tree
has "by name" "configured repository: cannot open $work/away" "$err"
has "and the others are shown" "^$good  directory" "$out"
rm "$HOME/.config/chainview/config"

# --- pipes, colours, progress --------------------------------------------------------------------------------

# The reader is gone for certain before the first byte is written.
(sleep 0.5; set +e; "$CHAINVIEW" tree --refs=none "$good" 2>"$err"; echo $? >"$work/status") | true
verdict "a reader that goes away ends the program by SIGPIPE" "$([ "$(cat "$work/status")" -eq 141 ]; echo $?)"
is_empty "without a word" "$err"
(sleep 0.5; set +e; trap '' PIPE; "$CHAINVIEW" tree --refs=none "$good" 2>"$err"; echo $? >"$work/status") | true
verdict "where SIGPIPE is ignored it ends with 8" "$([ "$(cat "$work/status")" -eq 8 ]; echo $?)"
has "and says why" 'cannot write to standard output: Broken pipe' "$err"
if [ -c /dev/full ]; then
	status=0
	"$CHAINVIEW" check --json --refs=none "$good" >/dev/full 2>"$err" || status=$?
	verdict "a full disk ends with 8" "$([ "$status" -eq 8 ]; echo $?)"
fi
esc=$(printf '\033')
gives "colours on demand" 0 "$CHAINVIEW" tree --color=always --refs=none "$sr"
has "there are colours" "$esc" "$out"
gives "no colours into a file" 0 "$CHAINVIEW" tree --refs=none "$sr"
lacks "there are none" "$esc" "$out"
CLICOLOR_FORCE=1 gives "CLICOLOR_FORCE" 0 "$CHAINVIEW" tree --refs=none "$sr"
has "colours by CLICOLOR_FORCE" "$esc" "$out"
NO_COLOR=1 CLICOLOR_FORCE=1 gives "NO_COLOR" 0 "$CHAINVIEW" tree --refs=none "$sr"
lacks "NO_COLOR wins over CLICOLOR_FORCE" "$esc" "$out"
if command -v script >/dev/null; then
	TERM=xterm script -qec "'$CHAINVIEW' tree --refs=none '$sr'" /dev/null >"$out" 2>&1 </dev/null || true
	has "colours on a terminal" "$esc" "$out"
	NO_COLOR=1 TERM=xterm script -qec "'$CHAINVIEW' tree --refs=none '$sr'" /dev/null >"$out" 2>&1 </dev/null || true
	lacks "NO_COLOR on a terminal" "$esc\\[[0-9;]*m" "$out"
else
	skip "colours on a terminal" "no script(1)"
fi

gives "progress on demand" 0 "$CHAINVIEW" tree --progress=always --refs=none "$sr"
if command -v script >/dev/null; then
	script -qec "'$CHAINVIEW' tree --refs=none '$sr'" "$work/typescript" >"$out" 2>&1 </dev/null || true
	has "on a terminal the output is complete" 'References: none' "$out"
fi

# --- signals -------------------------------------------------------------------------------------------------

# Enough work for seconds: small pieces of nothing that any image could be, and one image.
many=$work/many
mkdir "$many"
head -c 10M /dev/zero | split -b 512 -a 4 - "$many/piece-"
cp "$good/base.qcow2" "$many"

# hit SIGNAL TO [DELAY]: the signal when the first reading process is there, which is after signals are caught; to the
# program alone, or to everything in its process group, as timeout(1) and service managers do. Fails if it was over.
hit()
{
	local number=$1 to=$2 pid missed=0
	$before setsid "$CHAINVIEW" check --json --refs=none "$many" >"$out" 2>"$err" &
	pid=$!
	until pgrep -P "$pid" >/dev/null || ! kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
	sleep "${3:-0}"
	kill -"$number" -- "$([ "$to" = group ] && echo "-$pid" || echo "$pid")" 2>/dev/null || missed=1
	status=0
	wait "$pid" || status=$?
	return "$missed"
}
# The same, again when the machine was so busy that the scan was over first.
hit_surely()
{
	for _ in $(seq 20); do
		if hit "$@" && [ "$status" -ne 0 ]; then return; fi
	done
}

before=
for signal in TERM HUP INT; do
	for to in program group; do
		hit_surely "$signal" "$to"
		verdict "SIG$signal to the $to cancels the scan: 32" "$([ "$status" -eq 32 ]; echo $?)"
		is_json "what was found is reported as JSON" "$out"
		has "the status in the document is the real one" '"exit_status":32[,}]' "$out"
		has "the repository is not complete" '"complete":false' "$out"
		has "no image is blamed for it" '"findings":\[\]' "$out"
	done
done
# At any later moment: cancelled, or done: then all that there is to say is that the pieces belong to no image.
told=0
for delay in 0.02 0.05 0.1 0.2 0.4 0.6 0.8; do
	hit TERM group "$delay" || true
	case $status in
	0) wanted=0 complete=true codes=CV-SPC-0009 ;;
	*) wanted=32 complete=false codes= ;;
	esac
	found=$(sed -n '/"findings":/,$p' "$out" | grep -o 'CV-[A-Z]*-[0-9]*' | sort -u | tr '\n' ' ')
	if [ "$status" -ne "$wanted" ] || ! grep -q "\"exit_status\":$wanted[,}]" "$out" ||
	   ! grep -q "\"complete\":$complete,\"references\"" "$out" || [ "${found% }" != "$codes" ]; then
		echo "# after $delay s: $status, findings: $found"
		head -c 600 "$out"
		told=1
	fi
done
verdict "a signal at any moment is told in full or not at all" "$told"
before=nohup
for _ in $(seq 20); do if hit HUP group; then break; fi; done
verdict "nohup still shields from SIGHUP" "$([ "$status" -eq 0 ]; echo $?)"
has "so that everything is looked at" '"complete":true' "$out"
rm -rf "$many"

# --- what is left alone, what cannot be opened ------------------------------------------------------------------

mkdir -p "$work/mounts/inner"
cp "$good/base.qcow2" "$work/mounts"
mounted() { unshare -rm sh -c 'mount -t tmpfs none "$1/inner" && shift && exec "$@"' sh "$work/mounts" "$@"; }
if mounted true 2>/dev/null; then
	gives "a file system mounted inside is no failure" 0 mounted "$CHAINVIEW" check --json --refs=none "$work/mounts"
	has "but the repository is not complete" '"complete":false' "$out"
	has "and it is said why" '"path":"[^"]*/inner","text":"another file system is mounted here' "$out"
	gives "it can be entered" 0 mounted "$CHAINVIEW" check --json --cross-file-systems --refs=none "$work/mounts"
	has "then the repository is complete" '"complete":true' "$out"
	gives "nothing can be deleted while it is not" 4 \
		mounted "$CHAINVIEW" info --deletable --refs=none "$work/mounts/base.qcow2"
else
	skip "a file system mounted inside" "nothing can be mounted here"
fi

as_nobody=
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$work"
	as_nobody="env HOME=$work setpriv --reuid=65534 --regid=65534 --clear-groups"
fi
cp "$CHAINVIEW" "$work/chainview"
mkdir "$work/denied"
cp "$good/base.qcow2" "$work/denied"
chmod 0 "$work/denied/base.qcow2"
size=$(stat -c %s "$work/denied/base.qcow2")
for place in "$work/denied/base.qcow2" "$work/denied"; do
	# shellcheck disable=SC2086 # words
	gives "an image that may not be read" 8 $as_nobody "$work/chainview" tree --json --refs=none "$place"
	has "still has its size" "\"file_size_bytes\":$size,\"allocated_bytes\":[1-9]" "$out"
done

# --- the program that cannot write ---------------------------------------------------------------------------

ro=$(dirname "$CHAINVIEW")/chainview-ro
if [ -x "$ro" ]; then
	gives "chainview-ro refuses to write" 16 "$ro" sample "$work/new"
	has "it says why" 'this is chainview-ro: it has no writing commands' "$err"
	gives "chainview-ro reads" 0 "$ro" tree --refs=none "$good"
else
	skip "chainview-ro" "it is not built"
fi

# --- sample --------------------------------------------------------------------------------------------------

gives "sample --list" 0 "$CHAINVIEW" sample --list
has "the demonstration is in the list" '^demo ' "$out"
gives "sample has no JSON" 16 "$CHAINVIEW" sample --list --json
is_empty "and does not answer in something else" "$out"
gives "sample without a directory is a usage error" 16 "$CHAINVIEW" sample
gives "sample of an unknown recipe is a usage error" 16 "$CHAINVIEW" sample --recipe=dmeo "$work/demo"
has "the nearest recipe is suggested" 'did you mean demo\?' "$err"
gives "sample -n builds nothing" 0 "$CHAINVIEW" sample -n "$work/demo"
verdict "nothing is there" "$([ ! -e "$work/demo" ]; echo $?)"
gives "sample builds the demonstration" 0 "$CHAINVIEW" sample "$work/demo"
gives "the demonstration can be drawn" 0 "$CHAINVIEW" tree --refs=none "$work/demo"
gives "it is not built over something" 4 "$CHAINVIEW" sample "$work/demo"
finish
