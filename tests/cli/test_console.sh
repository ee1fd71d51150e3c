#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# The console on a real terminal (tmux): a folder of qemu-img chains at 80x24 and 120x40, keys in, screens out;
# the terminal is as before afterwards, also when the program is killed.
set -u
. "$(dirname "$0")/../support/lib.sh"

command -v qemu-img >/dev/null || { skip "console on a terminal" "qemu-img is not installed"; finish; }

. "$(dirname "$0")/../support/tmux.sh"

repo=$work/repo
mkdir -p "$repo"
qemu-img create -q -f qcow2 "$repo/base.qcow2" 64M
for i in 1 2 3; do
	below=$([ "$i" = 1 ] && echo base || echo "snap$((i - 1))")
	qemu-img create -q -f qcow2 -b "$below.qcow2" -F qcow2 "$repo/snap$i.qcow2"
done
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$repo/other.qcow2"
qemu-img create -q -f vpc "$repo/disk.vhd" 32M
qemu-img create -q -u -f qcow2 -b gone.qcow2 -F qcow2 "$repo/lost.qcow2" 16M
cp "$repo/disk.vhd" "$repo/$(printf 'evil\033[2J.vhd')"

# restored HOW STATUS: back in the shell, with the same settings of the terminal. What is typed too early would go to
# the console.
restored()
{
	local left=1
	for _ in $(seq 100); do
		if ! screen | grep -q 'READ-ONLY'; then left=0; break; fi
		sleep 0.1
	done
	verdict "$1: the screen is given back" "$left"
	t send-keys -t c -l "echo back'' with \$?; stty -g >'$work/stty.after'; echo now'' done"
	t send-keys -t c Enter
	shows "$1: the shell is back" 'now done'
	shows "$1: the status is $2" "back with $2"
	must "$1: the terminal is as before" cmp "$work/stty.before" "$work/stty.after"
}

console="'$CHAINVIEW' '$repo'"
begin 80 24 LC_ALL=C.UTF-8
shows "the trees are shown" 'snap3.qcow2'
shows "it says that it is read-only" '[READ-ONLY]'
shows "a missing parent is marked" ' X   lost.qcow2'
shows "an escape sequence in a name is text" 'evil\x1b[2J.vhd'
shows "lines are drawn in UTF-8" '└─'
t send-keys -t c / ; t send-keys -t c -l snap3; t send-keys -t c Enter
shows "a search counts" '1 of 1'
t send-keys -t c i
shows "details are there" 'details: snap3.qcow2'
shows "the parent is found" 'snap2.qcow2'
t send-keys -t c Escape
shows "Esc goes back at once" 'Sort: name'
t send-keys -t c f
shows "findings are listed" 'CV-CHN-0001'
shows "the finding is explained" 'parent-missing'
t send-keys -t c Enter
shows "Enter goes to the image" 'IMAGE'
t resize-window -t c -x 120 -y 40
shows "a wider window adds a column" 'MODIFIED (UTC)'
shows "a taller window adds a pane" 'Format'
t resize-window -t c -x 50 -y 10
shows "a small window says what it needs" '60x16 needed, this is 50x10'
t send-keys -t c f
t send-keys -t c i
t resize-window -t c -x 80 -y 24
shows "and recovers, as it was" 'Sort: name'
t send-keys -t c '?'
shows "help" 'help: keys (1 of 3)'
t send-keys -t c q
qemu-img create -q -f qcow2 -b snap3.qcow2 -F qcow2 "$repo/snap4.qcow2"
t send-keys -t c R
shows "a rescan finds what is new" 'snap4.qcow2'
t send-keys -t c C-z
shows "Ctrl-Z suspends" 'Stopped'
t send-keys -t c fg Enter
shows "fg returns" 'Sort: name'
t send-keys -t c C-q
restored "Ctrl-Q" 0

begin 120 40 LC_ALL=C
shows "without UTF-8 everything is ASCII" '`-'
if screen | LC_ALL=C grep -q '[^ -~]'; then verdict "no other byte is sent" 1; else verdict "no other byte is sent" 0; fi
t send-keys -t c q
shows "back in the list of repositories" 'REPOSITORY'
t send-keys -t c q
restored "q" 0

begin 80 24 NO_COLOR=1 LC_ALL=C.UTF-8
shows "NO_COLOR still shows the trees" 'snap3.qcow2'
if t capture-pane -e -p -t c | grep -qE $'\033\\[(3[0-8]|9[0-7])'; then verdict "NO_COLOR sends no colour" 1; else verdict "NO_COLOR sends no colour" 0; fi

for signal in TERM INT HUP; do
	kill -"$signal" "$(console_pid)"
	restored "SIG$signal" 32
	begin 80 24 LC_ALL=C.UTF-8
	shows "another one" 'snap3.qcow2'
done
t send-keys -t c C-c
restored "Ctrl-C" 32

begin 80 24 TERM=dumb LC_ALL=C.UTF-8
shows "TERM=dumb is refused with a reason" 'cannot show the console'
finish
