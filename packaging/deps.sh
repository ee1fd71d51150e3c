#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Which Debian packages building and testing need; --check says what is missing, --install installs it.
set -eu

build="gcc make pkg-config libc6-dev libncurses-dev libjson-c-dev libseccomp-dev libcap-ng-dev libblkid-dev uuid-dev
	libinih-dev uthash-dev zlib1g-dev libzstd-dev libpng-dev libssl-dev libbfio-dev libvhdi-dev libqcow-dev linux-libc-dev"
test="libcmocka-dev qemu-utils qemu-system-x86 libvhdi-utils libqcow-utils tmux strace binutils git procps util-linux
	e2fsprogs xfsprogs btrfs-progs acl quota python3 python3-jsonschema libmonitoring-plugin-perl mandoc systemd"
fuzz="clang-14 libclang-rt-14-dev"

packages()
{
	for set in "$@"; do
		case $set in
		build) echo "$build" ;;
		test) echo "$test" ;;
		fuzz) echo "$fuzz" ;;
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

# promtool comes with a server that would be started; only the tool is taken out of its package, into build/tools.
has_promtool()
{
	command -v promtool >/dev/null 2>&1 || [ -x build/tools/promtool ] || return 1
}
fetch_promtool()
(
	top=$(pwd)
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	chmod 755 "$work"
	cd "$work"
	apt-get download -qq prometheus >/dev/null 2>&1 || { ${as_root:-} apt-get update -qq && apt-get download -qq prometheus; }
	mkdir -p "$top/build/tools"
	dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x -C "$work" ./usr/bin/promtool
	mv usr/bin/promtool "$top/build/tools/promtool"
)

mode=$1
shift
wants_promtool=
case " $* " in *" test "*) has_promtool || wants_promtool=yes ;; esac
if ! command -v dpkg-query >/dev/null 2>&1; then
	[ "$mode" = --check ] || echo "not a Debian system: install by hand: $(packages "$@" | tr -s '\n\t ' ' ')" >&2
	exit 0
fi
need=$(missing "$@")
if [ -z "$need" ]; then
	[ "$mode" = --check ] || [ -z "$wants_promtool" ] || fetch_promtool
	exit 0
fi

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
[ -z "$wants_promtool" ] || fetch_promtool
