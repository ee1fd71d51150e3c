#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Dependency runs one way: tui -> repair -> inspect -> include; the program uses public headers only.
set -u
bad=0

forbid()
{
	local what=$1 where=$2 pattern=$3 found
	# shellcheck disable=SC2086 # a list of folders
	found=$(grep -rnE "#include +[\"<]($pattern)" $where --include='*.c' --include='*.h' || true)
	if [ -n "$found" ]; then
		echo "not ok - $what"
		echo "$found"
		bad=1
	else
		echo "ok - $what"
	fi
}

forbid "include/ stands on nothing of the project" include '(inspect|repair|tui)/'
forbid "inspect/ includes neither repair/ nor tui/" inspect '(\.\./)*(repair|tui)/'
forbid "repair/ does not include tui/" repair '(\.\./)*tui/'
forbid "tui/ uses the public headers of inspect/" tui '(\.\./)*inspect/'
forbid "only one file knows the terminal library" "$(find tui inspect repair -name '*.[ch]' ! -name screen_curses.c | tr '\n' ' ')" \
	'(ncurses|curses|term)\.h'
exit $bad
