#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# make install: into a staging folder, and a stranger's program built against what lies there.
set -u
build=${BUILD:-build}
stage=$(mktemp -d "${TMPDIR:-/tmp}/chainview-install-XXXXXX")
trap 'rm -rf "$stage"' EXIT
bad=0

verdict()
{
	if [ "$2" -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; bad=1; fi
}

cat >"$stage/stranger.c" <<'C'
#include <chainview/chainview.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct cv_place place = { .path = argc > 1 ? argv[1] : "." };
	struct cv_err err = { 0 };
	struct cv_scan *scan = cv_scan_new(&(struct cv_scan_options){ .places = &place, .place_count = 1 }, &err);
	struct cv_graph *g;

	while (scan && cv_scan_step(scan, -1))
		;
	g = scan ? cv_graph_build(scan, NULL, NULL, NULL, &err) : NULL;
	if (!g)
		return fprintf(stderr, "%s\n", err.text), 8;
	printf("%zu images, version %s\n", g->image_count, cv_version());
	cv_graph_free(g);
	cv_scan_free(scan);
	return 0;
}
C
flock "$build/objects.list" make -s BUILD="$build" DESTDIR="$stage" PREFIX=/usr install >"$stage/log" 2>&1 || cat "$stage/log"
for file in bin/chainview bin/chainview-ro lib/libchainview.a lib/libchainview.so.0 lib/pkgconfig/chainview.pc \
	include/chainview/graph.h include/chainview/problems.def share/bash-completion/completions/chainview \
	sbin/fsck.chain lib/nagios/plugins/check_chainview libexec/chainview/notify share/chainview/schema/check.json \
	share/doc/chainview/examples/chainview.cron share/man/man8/fsck.chain.8; do
	verdict "installs $file" "$([ -s "$stage/usr/$file" ]; echo $?)"
done

flags=$(PKG_CONFIG_SYSROOT_DIR=$stage PKG_CONFIG_PATH=$stage/usr/lib/pkgconfig pkg-config --cflags --libs chainview)
# shellcheck disable=SC2086 # words
gcc -std=c11 -D_DEFAULT_SOURCE -Wall -Werror -o "$stage/shared" "$stage/stranger.c" -I"$stage/usr/include" -L"$stage/usr/lib" ${flags##*-I*include }
verdict "a program builds against the shared library by pkg-config" $?
mkdir "$stage/empty"
LD_LIBRARY_PATH=$stage/usr/lib "$stage/shared" "$stage/empty" | grep -q '^0 images, version [0-9]'
verdict "and runs" $?
static=$(PKG_CONFIG_PATH=$stage/usr/lib/pkgconfig pkg-config --static --libs-only-l chainview | sed 's/-lchainview//')
# shellcheck disable=SC2086 # words
gcc -std=c11 -D_DEFAULT_SOURCE -o "$stage/static" "$stage/stranger.c" -I"$stage/usr/include" "$stage/usr/lib/libchainview.a" $static
verdict "and against the static one" $?
"$stage/static" "$stage/empty" | grep -q '^0 images'
verdict "and runs" $?
bash -n "$stage/usr/share/bash-completion/completions/chainview"
verdict "the completion is valid shell" $?

exit $bad
