#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Which Debian packages building and testing need; --check says what is missing, --install installs it.
set -eu

build="gcc make pkg-config libc6-dev libncurses-dev libjson-c-dev libseccomp-dev libcap-ng-dev uuid-dev
	libinih-dev uthash-dev zlib1g-dev libzstd-dev libpng-dev libssl-dev libbfio-dev libvhdi-dev libqcow-dev linux-libc-dev"
test="libcmocka-dev qemu-utils libvhdi-utils libqcow-utils tmux strace binutils git procps util-linux
	e2fsprogs xfsprogs btrfs-progs python3"

packages()
{
	for set in "$@"; do
		case $set in
		build) echo "$build" ;;
		test) echo "$test" ;;
		*) echo "deps.sh: no such set: $set" >&2; exit 16 ;;
		esac
	done
}

missing()
{
	for package in $(packages "$@"); do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || printf '%s ' "$package"
	done
}

mode=$1
shift
if ! command -v dpkg-query >/dev/null 2>&1; then
	[ "$mode" = --check ] || echo "not a Debian system: install by hand: $(packages "$@" | tr -s '\n\t ' ' ')" >&2
	exit 0
fi
need=$(missing "$@")
[ -n "$need" ] || exit 0

if [ "$mode" = --check ]; then
	echo "missing packages: $need(make deps installs them)" >&2
	exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "missing packages: $need" >&2
		echo "install them as root: apt-get install $need" >&2
		exit 1
	fi
	as_root=sudo
fi
echo "installing: $need"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
$as_root apt-get install -y -qq --no-install-recommends $need >/dev/null 2>&1 || {
	$as_root apt-get update -qq
	$as_root apt-get install -y -qq --no-install-recommends $need >/dev/null
}
