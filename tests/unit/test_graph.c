/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The graph of small repositories: who stands on whom, why, and what is said about it. No file is touched. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/support/fake_images.h"
#include "tests/support/fake_scan.h"

struct example {
	const char *what, *files, *graph;
};

static void check_examples(const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct cv_scan *scan = fake_images(examples[i].files);
		struct cv_graph *g = fake_graph(scan, NULL);
		struct cv_text text = { 0 };

		fake_dump(g, &text);
		if (strcmp(cv_text_str(&text), examples[i].graph))
			print_error("in the example: %s\n", examples[i].what);
		assert_string_equal(cv_text_str(&text), examples[i].graph);
		cv_text_fini(&text);
		cv_graph_free(g);
		cv_scan_free(scan);
	}
}

static void parents_are_found_by_identity_first_and_by_name_second(void **state)
{
	static const struct example examples[] = {
		{ "nothing", "", "" },
		{ "alone", "vhd a.vhd id=1", "a.vhd none d0 ^a.vhd +0 leaf\n" },
		{ "identity and name",
		  "vhd base.vhd id=1\nvhd leaf.vhd id=2 on=1 name=./base.vhd",
		  "base.vhd none d0 ^base.vhd +1 base\n"
		  "leaf.vhd found:base.vhd/both d1 ^base.vhd +0 leaf\n" },
		{ "moved: the recorded name leads nowhere",
		  "vhd moved.vhd id=1\nvhd leaf.vhd id=2 on=1 name=./base.vhd header=base.vhd",
		  "leaf.vhd found:moved.vhd/id d1 ^moved.vhd +0 leaf parent-path-stale\n"
		  "moved.vhd none d0 ^moved.vhd +1 base\n" },
		{ "no name recorded: nothing can be stale",
		  "vhd base.vhd id=1\nvhd leaf.vhd id=2 on=1",
		  "base.vhd none d0 ^base.vhd +1 base\n"
		  "leaf.vhd found:base.vhd/id d1 ^base.vhd +0 leaf\n" },
		{ "a stale name leads to somebody else",
		  "vhd base.vhd id=1\nvhd other.vhd id=3\nvhd leaf.vhd id=2 on=1 name=other.vhd",
		  "base.vhd none d0 ^base.vhd +1 base\n"
		  "leaf.vhd found:base.vhd/id d1 ^base.vhd +0 leaf parent-path-stale\n"
		  "other.vhd none d0 ^other.vhd +0 leaf\n" },
		{ "Windows names are hints",
		  "vhd base.vhd id=1\nvhd leaf.vhd id=2 on=1 win=C:\\vm\\base.vhd",
		  "base.vhd none d0 ^base.vhd +1 base\n"
		  "leaf.vhd found:base.vhd/both d1 ^base.vhd +0 leaf\n" },
		{ "a Windows name that hints at nothing here",
		  "vhd other.vhd id=1\nvhd leaf.vhd id=2 on=1 win=C:\\vm\\base.vhd",
		  "leaf.vhd found:other.vhd/id d1 ^other.vhd +0 leaf parent-path-stale\n"
		  "other.vhd none d0 ^other.vhd +1 base\n" },
		{ "by name alone, in another folder",
		  "qcow2 sub/base.qcow2\nqcow2 top.qcow2 back=sub/base.qcow2 fmt=qcow2",
		  "sub/base.qcow2 none d0 ^sub/base.qcow2 +1 base\n"
		  "top.qcow2 found:sub/base.qcow2/name d1 ^sub/base.qcow2 +0 leaf\n" },
		{ "an absolute name",
		  "qcow2 base.qcow2\nqcow2 sub/top.qcow2 back=/sr/x/../base.qcow2 fmt=qcow2",
		  "base.qcow2 none d0 ^base.qcow2 +1 base\n"
		  "sub/top.qcow2 found:base.qcow2/name d1 ^base.qcow2 +0 leaf\n" },
		{ "\"..\" behind a link leads to where the link does, not to where the text says",
		  "qcow2 over/o back=lnk/../base fmt=qcow2\nqcow2 over/base\nqcow2 real/base\n"
		  "leads over/lnk/../base real/base",
		  "over/base none d0 ^over/base +0 leaf\n"
		  "over/o found:real/base/name d1 ^real/base +0 leaf\n"
		  "real/base none d0 ^real/base +1 base\n" },
		{ "\"..\" at the beginning starts where the image lies",
		  "qcow2 over/o back=.././/../sr/base fmt=qcow2\nqcow2 base",
		  "base none d0 ^base +1 base\n"
		  "over/o found:base/name d1 ^base +0 leaf\n" },
		{ "either of two identities that a VHDX allows",
		  "vhdx base.vhdx id=1\nvhdx leaf.vhdx id=2 on=7 or=1 name=base.vhdx",
		  "base.vhdx none d0 ^base.vhdx +1 base\n"
		  "leaf.vhdx found:base.vhdx/both d1 ^base.vhdx +0 leaf\n" },
		{ "the path decides between two identities",
		  "vhdx base.vhdx id=1\nvhdx other.vhdx id=7\nvhdx leaf.vhdx id=2 on=7 or=1 name=base.vhdx",
		  "base.vhdx none d0 ^base.vhdx +1 base\n"
		  "leaf.vhdx found:base.vhdx/both d1 ^base.vhdx +0 leaf\n"
		  "other.vhdx none d0 ^other.vhdx +0 leaf\n" },
		{ "without one the first does",
		  "vhdx base.vhdx id=1\nvhdx other.vhdx id=7\nvhdx leaf.vhdx id=2 on=7 or=1",
		  "base.vhdx none d0 ^base.vhdx +0 leaf\n"
		  "leaf.vhdx found:other.vhdx/id d1 ^other.vhdx +0 leaf\n"
		  "other.vhdx none d0 ^other.vhdx +1 base\n" },
		{ "neither of two",
		  "vhdx base.vhdx id=3\nvhdx leaf.vhdx id=2 on=7 or=1 name=base.vhdx",
		  "base.vhdx none d0 ^base.vhdx +0 leaf\n"
		  "leaf.vhdx mismatch:base.vhdx d1 ^leaf.vhdx +0 leaf parent-identity-mismatch\n" },
		{ "an identity of another format is none",
		  "vhdx base.vhdx id=1\nvhd leaf.vhd id=2 on=1",
		  "base.vhdx none d0 ^base.vhdx +0 leaf\n"
		  "leaf.vhd missing d1 ^leaf.vhd +0 leaf parent-missing\n" },
	};

	(void)state;
	check_examples(examples, CV_COUNT(examples));
}

static void parents_that_cannot_be_had_say_why(void **state)
{
	static const struct example examples[] = {
		{ "missing, by identity and name", "vhd leaf.vhd id=2 on=1 name=./base.vhd",
		  "leaf.vhd missing d1 ^leaf.vhd +0 leaf parent-missing\n" },
		{ "missing, by name", "qcow2 top.qcow2 back=base.qcow2 fmt=qcow2",
		  "top.qcow2 missing d1 ^top.qcow2 +0 leaf parent-missing\n" },
		{ "a chain above a missing parent counts it",
		  "vhd a.vhd id=1 on=9\nvhd b.vhd id=2 on=1\nvhd c.vhd id=3 on=2",
		  "a.vhd missing d1 ^a.vhd +2 base parent-missing\n"
		  "b.vhd found:a.vhd/id d2 ^a.vhd +1 base\n"
		  "c.vhd found:b.vhd/id d3 ^a.vhd +0 leaf\n" },
		{ "mismatch", "vhd base.vhd id=3\nvhd leaf.vhd id=2 on=1 name=./base.vhd",
		  "base.vhd none d0 ^base.vhd +0 leaf\n"
		  "leaf.vhd mismatch:base.vhd d1 ^leaf.vhd +0 leaf parent-identity-mismatch\n" },
		{ "an image without identity under the name",
		  "qcow2 base.vhd\nvhd leaf.vhd id=2 on=1 name=./base.vhd",
		  "base.vhd none d0 ^base.vhd +0 leaf\n"
		  "leaf.vhd mismatch:base.vhd d1 ^leaf.vhd +0 leaf parent-identity-mismatch\n" },
		{ "a hint beside a path does not accuse anybody",
		  "vhd base.vhd id=3\nvhd leaf.vhd id=2 on=1 name=gone/base.vhd header=base.vhd",
		  "base.vhd none d0 ^base.vhd +0 leaf\n"
		  "leaf.vhd missing d1 ^leaf.vhd +0 leaf parent-missing\n" },
		{ "unreadable", "vhd base.vhd failed\nvhd leaf.vhd id=2 on=1 name=./base.vhd\nfile x.vhd",
		  "base.vhd unreadable d1 ^base.vhd +0 leaf image-unreadable\n"
		  "leaf.vhd unreadable d1 ^leaf.vhd +0 leaf\n"
		  "x.vhd unreadable d1 ^x.vhd +0 leaf image-unreadable\n" },
		{ "content that nobody knows", "file base.vhd\nvhd leaf.vhd id=2 on=1 name=./base.vhd",
		  "base.vhd unreadable d1 ^base.vhd +0 leaf image-unreadable\n"
		  "leaf.vhd unreadable d1 ^leaf.vhd +0 leaf\n" },
		{ "an image that cannot be read is one if a child names it",
		  "file base failed\nfile other failed\nqcow2 top.qcow2 back=base fmt=qcow2",
		  "base unreadable d1 ^base +0 leaf image-unreadable\n"
		  "top.qcow2 unreadable d1 ^top.qcow2 +0 leaf\n" },
		{ "a FIFO", "odd pipe.vhd\nvhd leaf.vhd id=2 on=1 name=pipe.vhd",
		  "leaf.vhd missing d1 ^leaf.vhd +0 leaf parent-missing\n" },
		{ "outside", "qcow2 top.qcow2 back=../../etc/shadow fmt=raw",
		  "top.qcow2 outside d1 ^top.qcow2 +0 leaf parent-outside-repository\n" },
		{ "outside, absolute", "vhd leaf.vhd id=2 on=1 name=/etc/shadow",
		  "leaf.vhd outside d1 ^leaf.vhd +0 leaf parent-outside-repository\n" },
		{ "\"..\" behind a link that leads out",
		  "qcow2 o back=lnk/../base fmt=qcow2\nqcow2 base\nout lnk/../base",
		  "base none d0 ^base +0 leaf\n"
		  "o outside d1 ^o +0 leaf parent-outside-repository\n" },
		{ "external", "qcow2 top.qcow2 back=json:{\"driver\":\"nbd\"} fmt=raw",
		  "top.qcow2 external d1 ^top.qcow2 +0 leaf parent-external\n" },
		{ "fields that cannot be read", "vhd leaf.vhd id=2 unreadable-parent",
		  "leaf.vhd unreadable d1 ^leaf.vhd +0 leaf\n" },
	};

	(void)state;
	check_examples(examples, CV_COUNT(examples));
}

static void equal_identities_are_told_apart_by_names(void **state)
{
	static const struct example examples[] = {
		{ "the name decides, the other is only a copy",
		  "vhd a.vhd id=1\nvhd b.vhd id=1\nvhd leaf.vhd id=2 on=1 name=b.vhd",
		  "a.vhd none d0 ^a.vhd +0 leaf duplicate-identity!i\n"
		  "b.vhd none d0 ^b.vhd +1 base duplicate-identity!i\n"
		  "leaf.vhd found:b.vhd/both d1 ^b.vhd +0 leaf\n" },
		{ "two that have children",
		  "vhd a.vhd id=1\nvhd b.vhd id=1\nvhd x.vhd id=2 on=1 name=a.vhd\nvhd y.vhd id=3 on=1 name=b.vhd",
		  "a.vhd none d0 ^a.vhd +1 base duplicate-identity\n"
		  "b.vhd none d0 ^b.vhd +1 base duplicate-identity\n"
		  "x.vhd found:a.vhd/both d1 ^a.vhd +0 leaf\n"
		  "y.vhd found:b.vhd/both d1 ^b.vhd +0 leaf\n" },
		{ "nothing decides",
		  "vhd a.vhd id=1\nvhd b.vhd id=1\nvhd leaf.vhd id=2 on=1 name=gone.vhd",
		  "a.vhd none d0 ^a.vhd +0 leaf duplicate-identity\n"
		  "b.vhd none d0 ^b.vhd +0 leaf duplicate-identity\n"
		  "leaf.vhd ambiguous d1 ^leaf.vhd +0 leaf parent-ambiguous\n" },
		{ "only a hint decides, and the paths are stale",
		  "vhd a.vhd id=1\nvhd b.vhd id=1\nvhd leaf.vhd id=2 on=1 name=gone/b.vhd header=b.vhd",
		  "a.vhd none d0 ^a.vhd +0 leaf duplicate-identity!i\n"
		  "b.vhd none d0 ^b.vhd +1 base duplicate-identity!i\n"
		  "leaf.vhd found:b.vhd/both d1 ^b.vhd +0 leaf parent-path-stale\n" },
		{ "a copy that nothing names",
		  "vhd a.vhd id=1\nvhd copy.vhd id=1",
		  "a.vhd none d0 ^a.vhd +0 leaf duplicate-identity!i\n"
		  "copy.vhd none d0 ^copy.vhd +0 leaf duplicate-identity!i\n" },
		{ "what no format knows has none, whatever the reading process says",
		  "file a.txt id=1\nfile b.txt id=1\nvhd c.vhd id=1",
		  "c.vhd none d0 ^c.vhd +0 leaf\n" },
		{ "hard links are one image",
		  "vhd a.vhd id=1\nalso a.vhd b.vhd\nvhd leaf.vhd id=2 on=1 name=b.vhd",
		  "a.vhd none d0 ^a.vhd +1 base\n"
		  "leaf.vhd found:a.vhd/both d1 ^a.vhd +0 leaf\n" },
		{ "paths of one image that lead to different parents",
		  "qcow2 base.qcow2\nqcow2 sub/base.qcow2\nqcow2 top.qcow2 back=base.qcow2 fmt=qcow2\n"
		  "also top.qcow2 sub/top.qcow2",
		  "base.qcow2 none d0 ^base.qcow2 +0 leaf\n"
		  "sub/base.qcow2 none d0 ^sub/base.qcow2 +0 leaf\n"
		  "top.qcow2 ambiguous d1 ^top.qcow2 +0 leaf parent-ambiguous\n" },
		{ "paths of which one leads nowhere",
		  "qcow2 sub/base.qcow2\nqcow2 top.qcow2 back=base.qcow2 fmt=qcow2\nalso top.qcow2 sub/top.qcow2",
		  "sub/base.qcow2 none d0 ^sub/base.qcow2 +1 base\n"
		  "top.qcow2 found:sub/base.qcow2/name d1 ^sub/base.qcow2 +0 leaf\n" },
	};

	(void)state;
	check_examples(examples, CV_COUNT(examples));
}

static void rings_are_seen_and_what_stands_on_them_too(void **state)
{
	static const struct example examples[] = {
		{ "of one", "vhd a.vhd id=1 on=1 name=a.vhd",
		  "a.vhd cycle:a.vhd/both d0 ^a.vhd +0 base parent-cycle\n" },
		{ "of two, with a tail",
		  "qcow2 a.qcow2 back=b.qcow2 fmt=qcow2\nqcow2 b.qcow2 back=a.qcow2 fmt=qcow2\n"
		  "qcow2 c.qcow2 back=b.qcow2 fmt=qcow2\nqcow2 d.qcow2 back=c.qcow2 fmt=qcow2",
		  "a.qcow2 cycle:b.qcow2/name d1 ^a.qcow2 +3 base parent-cycle\n"
		  "b.qcow2 cycle:a.qcow2/name d1 ^a.qcow2 +3 base parent-cycle\n"
		  "c.qcow2 found:b.qcow2/name d2 ^a.qcow2 +1 base parent-cycle\n"
		  "d.qcow2 found:c.qcow2/name d3 ^a.qcow2 +0 leaf parent-cycle\n" },
	};

	(void)state;
	check_examples(examples, CV_COUNT(examples));
}

static const struct example raw_declarations[] = {
	{ "a raw base without any format", "file disk.img\nqcow2 top.qcow2 back=disk.img fmt=raw",
	  "disk.img none d0 ^disk.img +1 base\n"
	  "top.qcow2 found:disk.img/name d1 ^disk.img +0 leaf\n" },
	{ "named .raw, by its own", "file disk.raw\nfile readme.txt", "disk.raw none d0 ^disk.raw +0 leaf\n" },
	{ "a guest wrote a header into its raw disk",
	  "qcow2 disk.img back=secret.qcow2 fmt=qcow2\nqcow2 secret.qcow2\nqcow2 top.qcow2 back=disk.img "
	  "fmt=raw",
	  "disk.img none d0 ^disk.img +1 base raw-looks-like-format\n"
	  "secret.qcow2 none d0 ^secret.qcow2 +0 leaf\n"
	  "top.qcow2 found:disk.img/name d1 ^disk.img +0 leaf\n" },
	{ "what guest data declares does not count",
	  "qcow2 disk.img back=victim.qcow2 fmt=raw\nqcow2 victim.qcow2 back=base.qcow2 fmt=qcow2\n"
	  "qcow2 base.qcow2\nqcow2 top.qcow2 back=disk.img fmt=raw",
	  "base.qcow2 none d0 ^base.qcow2 +1 base\n"
	  "disk.img none d0 ^disk.img +1 base raw-looks-like-format\n"
	  "top.qcow2 found:disk.img/name d1 ^disk.img +0 leaf\n"
	  "victim.qcow2 found:base.qcow2/name d1 ^base.qcow2 +0 leaf\n" },
	{ "two children, two opinions",
	  "qcow2 disk.img\nqcow2 a.qcow2 back=disk.img fmt=raw\nqcow2 b.qcow2 back=disk.img fmt=qcow2",
	  "a.qcow2 found:disk.img/name d1 ^disk.img +0 leaf parent-locators-disagree\n"
	  "b.qcow2 found:disk.img/name d1 ^disk.img +0 leaf\n"
	  "disk.img none d0 ^disk.img +2 base\n" },
	{ "what another child relies on keeps its parent",
	  "qcow2 c\nqcow2 a back=c fmt=qcow2\nqcow2 b1 back=a fmt=raw\nqcow2 b2 back=a fmt=qcow2",
	  "a found:c/name d1 ^c +2 base\n"
	  "b1 found:a/name d2 ^c +0 leaf parent-locators-disagree\n"
	  "b2 found:a/name d2 ^c +0 leaf\n"
	  "c none d0 ^c +3 base\n" },
	{ "what another child looks for by its identity is no guest data",
	  "vhd base id=1\nvhd mid id=2 on=1 name=base\nvhd leaf id=3 on=2\nvhd evil id=4 raw-parent name=mid",
	  "base none d0 ^base +3 base\n"
	  "evil found:mid/name d2 ^base +0 leaf\n"
	  "leaf found:mid/id d2 ^base +0 leaf\n"
	  "mid found:base/both d1 ^base +2 base\n" },
	{ "guest data does not rely on anything",
	  "qcow2 disk.img back=secret fmt=qcow2\nqcow2 secret\nqcow2 top back=disk.img fmt=raw\n"
	  "qcow2 disk2.img back=disk.img fmt=qcow2\nqcow2 top2 back=disk2.img fmt=raw",
	  "disk.img none d0 ^disk.img +1 base raw-looks-like-format\n"
	  "disk2.img none d0 ^disk2.img +1 base raw-looks-like-format\n"
	  "secret none d0 ^secret +0 leaf\n"
	  "top found:disk.img/name d1 ^disk.img +0 leaf\n"
	  "top2 found:disk2.img/name d1 ^disk2.img +0 leaf\n" },
	{ "guests that vouch for each other, or for themselves, are not believed",
	  "qcow2 d1 back=d2 fmt=qcow2\nqcow2 d2 back=d1 fmt=qcow2\nqcow2 t1 back=d1 fmt=raw\n"
	  "qcow2 t2 back=d2 fmt=raw\nvhd d3 id=5 on=5 name=d3\nqcow2 t3 back=d3 fmt=raw",
	  "d1 none d0 ^d1 +1 base raw-looks-like-format\n"
	  "d2 none d0 ^d2 +1 base raw-looks-like-format\n"
	  "d3 none d0 ^d3 +1 base raw-looks-like-format\n"
	  "t1 found:d1/name d1 ^d1 +0 leaf\n"
	  "t2 found:d2/name d1 ^d2 +0 leaf\n"
	  "t3 found:d3/name d1 ^d3 +0 leaf\n" },
	{ "a twin is relied on like the image itself",
	  "vhd a id=1\nvhd b id=1\nvhd leaf id=2 on=1 name=a\nqcow2 q back=b fmt=raw",
	  "a none d0 ^a +1 base duplicate-identity\n"
	  "b none d0 ^b +1 base duplicate-identity\n"
	  "leaf found:a/both d1 ^a +0 leaf\n"
	  "q found:b/name d1 ^b +0 leaf parent-locators-disagree\n" },
	{ "the recorded format is not that of the content",
	  "vhd disk.img id=1\nqcow2 a.qcow2 back=disk.img fmt=qcow2",
	  "a.qcow2 found:disk.img/name d1 ^disk.img +0 leaf parent-locators-disagree\n"
	  "disk.img none d0 ^disk.img +1 base\n" },
	{ "no format recorded: unknown content is raw to qemu",
	  "file disk.img\nqcow2 a.qcow2 back=disk.img no-format",
	  "a.qcow2 found:disk.img/name d1 ^disk.img +0 leaf parent-format-unrecorded\n"
	  "disk.img none d0 ^disk.img +1 base\n" },
	{ "no format recorded, and a file that was an image once",
	  "file disk.qcow2\nqcow2 a.qcow2 back=disk.qcow2 no-format",
	  "a.qcow2 unreadable d1 ^a.qcow2 +0 leaf parent-format-unrecorded\n"
	  "disk.qcow2 unreadable d1 ^disk.qcow2 +0 leaf image-unreadable\n" },
	{ "a VHD on a raw file", "file disk.img\nvhd leaf.vhd id=2 raw-parent name=disk.img",
	  "disk.img none d0 ^disk.img +1 base\n"
	  "leaf.vhd found:disk.img/name d1 ^disk.img +0 leaf\n" },
	{ "a VHD on one without identity", "vhd base.vhd\nvhd leaf.vhd id=2 raw-parent name=base.vhd",
	  "base.vhd none d0 ^base.vhd +1 base\n"
	  "leaf.vhd found:base.vhd/name d1 ^base.vhd +0 leaf\n" },
	{ "a VHD on one with identity that is declared raw",
	  "vhd base.vhd id=1\nvhd leaf.vhd id=2 raw-parent name=base.vhd",
	  "base.vhd none d0 ^base.vhd +1 base raw-looks-like-format\n"
	  "leaf.vhd found:base.vhd/name d1 ^base.vhd +0 leaf\n" },
	{ "rings of declarations stay rings of images",
	  "qcow2 a.qcow2 back=b.qcow2 fmt=raw\nqcow2 b.qcow2 back=a.qcow2 fmt=raw",
	  "a.qcow2 cycle:b.qcow2/name d1 ^a.qcow2 +1 base parent-cycle parent-locators-disagree\n"
	  "b.qcow2 cycle:a.qcow2/name d1 ^a.qcow2 +1 base parent-cycle parent-locators-disagree\n" },
	{ "a data file is raw and needed", "file d.bin\nqcow2 a.qcow2 data=d.bin",
	  "a.qcow2 none d0 ^a.qcow2 +0 leaf\n"
	  "d.bin none d0 ^d.bin +0 base\n" },
	{ "a data file that is not there", "qcow2 a.qcow2 data=d.bin",
	  "a.qcow2 none d0 ^a.qcow2 +0 leaf qcow2-data-file-missing\n" },
	{ "a data file outside", "qcow2 a.qcow2 data=/etc/shadow",
	  "a.qcow2 none d0 ^a.qcow2 +0 leaf unsupported-feature\n" },
};

static void raw_is_what_a_child_that_counts_declares_raw(void **state)
{
	(void)state;
	check_examples(raw_declarations, CV_COUNT(raw_declarations));
}

static void images_say_what_is_wrong_with_them_and_their_parents(void **state)
{
	static const struct example examples[] = {
		{ "which files are images",
		  "file a.qcow2\nfile b.AVHDX empty\nfile c.txt\nfile d.iso failed\nfile e.vhd failed\nraw f.raw\nraw "
		  "g.raw empty",
		  "a.qcow2 unreadable d1 ^a.qcow2 +0 leaf image-unreadable\n"
		  "b.AVHDX none d0 ^b.AVHDX +0 leaf image-unreadable\n"
		  "e.vhd unreadable d1 ^e.vhd +0 leaf image-unreadable\n"
		  "f.raw none d0 ^f.raw +0 leaf\n"
		  "g.raw none d0 ^g.raw +0 leaf\n" },
		{ "sizes", "vhd a.vhd id=1 size=10M\nvhd b.vhd id=2 on=1 size=20M\nvhd c.vhd id=3 on=2 size=19M",
		  "a.vhd none d0 ^a.vhd +2 base\n"
		  "b.vhd found:a.vhd/id d1 ^a.vhd +1 base parent-smaller\n"
		  "c.vhd found:b.vhd/id d2 ^a.vhd +0 leaf parent-larger\n" },
		{ "a raw file that ends within a sector",
		  "raw a.raw size=10485761\nvhd b.vhd id=2 raw-parent name=a.raw size=10485761\n"
		  "vhd c.vhd id=3 raw-parent name=a.raw size=10486272\nvhd d.vhd id=4 raw-parent name=a.raw "
		  "size=10485760",
		  "a.raw none d0 ^a.raw +3 base\n"
		  "b.vhd found:a.raw/name d1 ^a.raw +0 leaf\n"
		  "c.vhd found:a.raw/name d1 ^a.raw +0 leaf\n"
		  "d.vhd found:a.raw/name d1 ^a.raw +0 leaf parent-larger\n" },
		{ "times: two seconds are nothing",
		  "vhd a.vhd id=1 mtime=1000\nvhd b.vhd id=2 on=1 time=998\nvhd c.vhd id=3 on=1 time=997\n"
		  "vhd d.vhd id=4 on=1 time=5000",
		  "a.vhd none d0 ^a.vhd +3 base\n"
		  "b.vhd found:a.vhd/id d1 ^a.vhd +0 leaf\n"
		  "c.vhd found:a.vhd/id d1 ^a.vhd +0 leaf parent-newer-than-child\n"
		  "d.vhd found:a.vhd/id d1 ^a.vhd +0 leaf\n" },
		{ "marks",
		  "vhd a.vhd id=1 hidden\nvhd b.vhd id=2 on=1 visible\nvhd c.vhd id=3 on=2 hidden\nvhd d.vhd id=4 on=2 "
		  "visible",
		  "a.vhd none d0 ^a.vhd +3 base\n"
		  "b.vhd found:a.vhd/id d1 ^a.vhd +2 base base-not-hidden\n"
		  "c.vhd found:b.vhd/id d2 ^a.vhd +0 orphan orphaned-base-copy\n"
		  "d.vhd found:b.vhd/id d2 ^a.vhd +0 leaf\n" },
		{ "all that stands on it is garbage",
		  "vhd a.vhd id=1 visible\nvhd b.vhd id=2 on=1 hidden\nvhd c.vhd id=3 on=2 hidden",
		  "a.vhd none d0 ^a.vhd +2 base visible-base-with-hidden-children base-not-hidden\n"
		  "b.vhd found:a.vhd/id d1 ^a.vhd +1 base\n"
		  "c.vhd found:b.vhd/id d2 ^a.vhd +0 orphan orphaned-base-copy\n" },
		{ "a hidden child that is alive is no garbage",
		  "vhd a.vhd id=1 visible\nvhd b.vhd id=2 on=1 hidden\nvhd c.vhd id=3 on=2 visible",
		  "a.vhd none d0 ^a.vhd +2 base base-not-hidden\n"
		  "b.vhd found:a.vhd/id d1 ^a.vhd +1 base coalescable\n"
		  "c.vhd found:b.vhd/id d2 ^a.vhd +0 leaf\n" },
		{ "names that disagree in their last component",
		  "vhd a.vhd id=1\nvhd b.vhd id=2 on=1 name=./a.vhd header=c.vhd",
		  "a.vhd none d0 ^a.vhd +1 base\n"
		  "b.vhd found:a.vhd/both d1 ^a.vhd +0 leaf parent-locators-disagree\n" },
		{ "names that lead to different files",
		  "vhd a.vhd id=1\nvhd sub/a.vhd id=3\nvhd b.vhd id=2 on=1 name=./a.vhd name=sub/a.vhd",
		  "a.vhd none d0 ^a.vhd +1 base\n"
		  "b.vhd found:a.vhd/both d1 ^a.vhd +0 leaf parent-locators-disagree\n"
		  "sub/a.vhd none d0 ^sub/a.vhd +0 leaf\n" },
		{ "a folder that was moved makes no contradiction",
		  "vhd a.vhd id=1\nvhd b.vhd id=2 on=1 name=./a.vhd name=/old/a.vhd win=D:\\old\\A.VHD header=a.vhd",
		  "a.vhd none d0 ^a.vhd +1 base\n"
		  "b.vhd found:a.vhd/both d1 ^a.vhd +0 leaf\n" },
	};

	(void)state;
	check_examples(examples, CV_COUNT(examples));
}

static void what_other_tools_left_behind_is_named(void **state)
{
	static const struct example examples[] = {
		{ "files that are no images",
		  "file .journal-x\nfile x.vhd.journal\nfile leaf_a\nfile "
		  "coalesce_9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11\n"
		  "file leaf_9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11_1\nfile relink_9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b1g\n"
		  "file .x.vhd.merge.json\nfile y.qcow2.chainview-partial\nfile .vhd.new",
		  "* leftover-file\n* foreign-operation-pending\n* foreign-operation-pending\n* "
		  "foreign-operation-pending\n"
		  "* foreign-operation-pending\n* foreign-operation-pending\n" },
		{ "files that are images", "vhd OLD_a.vhd id=1 hidden\nvhd a.vhd.new id=2\nvhd leaf_a.vhd id=3",
		  "OLD_a.vhd none d0 ^OLD_a.vhd +0 orphan orphaned-base-copy leftover-file\n"
		  "a.vhd.new none d0 ^a.vhd.new +0 leaf leftover-file\n"
		  "leaf_a.vhd none d0 ^leaf_a.vhd +0 leaf\n" },
	};

	(void)state;
	check_examples(examples, CV_COUNT(examples));
}

static void a_graph_of_a_running_scan_leaves_out_what_needs_everything(void **state)
{
	struct cv_scan *scan = fake_images("vhd a.vhd id=1 hidden waiting\nvhd b.vhd id=2 on=1 name=a.vhd\n"
					   "vhd c.vhd id=3 on=9 name=gone.vhd\nvhd d.vhd id=4 hidden\n"
					   "vhd e.vhd id=4 visible waiting\nfile f.vhd waiting");
	struct cv_text text = { 0 };
	struct cv_graph *g;

	(void)state;
	fake_scan_running(scan, true);
	g = fake_graph(scan, NULL);
	fake_dump(g, &text);
	assert_string_equal(cv_text_str(&text), "a.vhd none d0 ^a.vhd +1 base\n"
						"b.vhd found:a.vhd/name d1 ^a.vhd +0 leaf\n"
						"c.vhd missing d1 ^c.vhd +0 leaf\n"
						"d.vhd none d0 ^d.vhd +0 orphan\n");
	assert_true(g->partial);
	for (size_t i = 0; i < g->image_count; i++) {
		assert_false(g->images[i].coalesce.possible);
		assert_false(g->images[i].deletable.possible);
	}
	cv_text_fini(&text);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void parents_and_children_may_lie_in_another_repository_that_is_not_reported_on(void **state)
{
	struct cv_scan *scan = fake_images("vhd leaf.vhd id=2 on=1 name=base.vhd");
	struct cv_text text = { 0 };
	struct cv_graph *g;

	(void)state;
	fake_repository(scan, "/other")->other = true;
	fake_images_add(scan, "vhd /other/base.vhd id=1\nvhd /other/lost.vhd id=3 on=9\n");
	g = fake_graph(scan, NULL);
	fake_dump(g, &text);
	assert_string_equal(cv_text_str(&text), "leaf.vhd found:base.vhd/id d1 ^base.vhd +0 leaf parent-path-stale\n"
						"base.vhd none d0 ^base.vhd +1 base\n"
						"lost.vhd missing d1 ^lost.vhd +0 leaf\n");
	assert_int_equal(cv_graph_count(g, UINT32_MAX, CV_ERROR), 0);
	assert_int_equal(cv_graph_count(g, 0, CV_WARNING), 1);
	assert_int_equal(cv_graph_count(g, 1, CV_WARNING), 0);
	cv_text_fini(&text);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void reports_of_format_readers_are_carried_over_and_sorted(void **state)
{
	struct cv_scan *scan = fake_images("vhd a.vhd id=1\nvhd b.vhd id=2 on=9");
	struct cv_finding f = cv_finding_of(CV_VHD_BATMAP_INVALID);
	const struct cv_finding *first;
	struct cv_graph *g;

	(void)state;
	f.has_where = true;
	f.where = (struct cv_range){ 4096, 512 };
	f.arg[0] = cv_arg_text("its checksum does not match");
	assert_true(cv_facts_find(fake_facts((struct cv_file *)(uintptr_t)cv_scan_file(scan, 1)), f));
	f.id = CV_VHD_RESERVED_NONZERO;
	f.where.off = 64;
	f.severity = CV_INFO;
	assert_true(cv_facts_find(fake_facts((struct cv_file *)(uintptr_t)cv_scan_file(scan, 1)), f));
	g = fake_graph(scan, NULL);
	assert_int_equal(cv_graph_findings_of(g, 0, &first), 0);
	assert_int_equal(cv_graph_findings_of(g, 1, &first), 3);
	assert_int_equal(first[0].id, CV_CHN_PARENT_MISSING);
	assert_int_equal(first[1].id, CV_VHD_RESERVED_NONZERO);
	assert_int_equal(first[2].id, CV_VHD_BATMAP_INVALID);
	assert_int_equal(first[2].image, 1);
	assert_int_equal(g->images[1].worst, CV_ERROR);
	assert_int_equal(g->images[1].finding_count, 3);
	assert_false(g->images[0].any_finding);
	cv_graph_free(g);
	cv_scan_free(scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parents_are_found_by_identity_first_and_by_name_second),
		cmocka_unit_test(parents_that_cannot_be_had_say_why),
		cmocka_unit_test(equal_identities_are_told_apart_by_names),
		cmocka_unit_test(rings_are_seen_and_what_stands_on_them_too),
		cmocka_unit_test(raw_is_what_a_child_that_counts_declares_raw),
		cmocka_unit_test(images_say_what_is_wrong_with_them_and_their_parents),
		cmocka_unit_test(what_other_tools_left_behind_is_named),
		cmocka_unit_test(a_graph_of_a_running_scan_leaves_out_what_needs_everything),
		cmocka_unit_test(parents_and_children_may_lie_in_another_repository_that_is_not_reported_on),
		cmocka_unit_test(reports_of_format_readers_are_carried_over_and_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
