# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# The console on a real terminal: a tmux server of its own for each console, keys in, screens out. Needs lib.sh.
command -v tmux >/dev/null || { skip "console on a terminal" "tmux is not installed"; finish; }

socket=$work/tmux.0 servers=0
trap 'tmux -S "$socket" kill-server 2>/dev/null; chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
unset TMUX NO_COLOR

t() { tmux -S "$socket" -f /dev/null "$@"; }
screen() { t capture-pane -p -t c; }
# keys KEY...: as tmux calls them. types TEXT: one character after the other.
keys() { t send-keys -t c "$@"; }
types() { t send-keys -t c -l "$1"; }

# Waits until the screen shows a phrase (a fixed string).
shows()
{
	local what=$1 phrase=$2
	for _ in $(seq 100); do
		if screen | grep -qF -- "$phrase"; then verdict "$what" 0; return; fi
		sleep 0.1
	done
	echo "# no '$phrase' on:"
	screen
	verdict "$what" 1
}

# asks WHAT: has the console ask for the name that a plan is confirmed with; again as long as a scan runs or the plan is not made.
asks()
{
	local n
	keys Y
	for n in $(seq 100); do
		if screen | grep -qF consent; then verdict "$1" 0; return; fi
		sleep 0.1
		if [ $((n % 10)) -eq 0 ] && screen | grep -qE 'being made: c cancels|a scan is running'; then keys Y; fi
	done
	screen
	verdict "$1" 1
}

# confirm NAME: opens the question, types a name and Enter.
confirm() { asks "a name is asked for"; types "$1"; keys Enter; }
# The plan that is shown is that of now.
planned() { asks "the plan is ready"; keys Escape; shows "Esc leaves the question" 'Y asks for a name'; }

# begin WIDTH HEIGHT [ENVIRONMENT...]: a shell in a window of that size, then $console (a command line) in it.
begin()
{
	local w=$1 h=$2
	shift 2
	t kill-server 2>/dev/null
	servers=$((servers + 1))
	socket=$work/tmux.$servers
	# exec: not every /bin/sh leaves its place to the last command, and the console has to be the shell's child
	t new-session -d -s c -x "$w" -y "$h" "exec env PS1='ready> ' ENV= HISTFILE= bash --norc --noprofile"
	shows "a shell of ${w}x$h is there" 'ready>'
	t send-keys -t c -l "stty -g >'$work/stty.before'; $* $console"
	t send-keys -t c Enter
}

# The console is the only child of the shell in the pane, and its workers are its children.
console_pid() { pgrep -P "$(t list-panes -t c -F '#{pane_pid}')"; }
