/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What may be merged or deleted and why not; which references mean which image; findings of references. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/support/fake_images.h"
#include "tests/support/fake_scan.h"

enum sources { NOT_ASKED, NO_SOURCE, INCOMPLETE, COMPLETE };

static struct cv_references references(enum sources kind, struct cv_claim *claims, size_t count)
{
	static struct cv_claim_source source[] = { { .name = "list:needed", .read = true, .complete = true } };

	return (struct cv_references){
		.claims = claims, .claim_count = count, .sources = source, .source_count = 1,
		.complete = kind == COMPLETE, .none = kind == NO_SOURCE,
	};
}

static struct cv_claim claim_of(const char *path, const char *who, bool in_use)
{
	return (struct cv_claim){
		.kind = CV_CLAIM_PATH, .text = cv_bytes_of(path), .who = cv_bytes_of(who), .in_use = in_use
	};
}

struct verdict_case {
	const char *files;
	enum sources sources;
	const char *needed, *open;      /* paths that a list names; that qemu has open */
	const char *image;
	bool merge, possible;           /* which verdict; the answer */
	const char *reason;
};

static const struct verdict_case cases[] = {
#define TWO "vhd base.vhd id=1 hidden\nvhd mid.vhd id=2 on=1 hidden\nvhd leaf.vhd id=3 on=2 visible\n"
	{ TWO, NOT_ASKED, NULL, NULL, "mid.vhd", true, true,
	  "hidden base copy, the only child of base.vhd: can be merged" },
	{ TWO, NOT_ASKED, NULL, NULL, "base.vhd", true, false, "it has no parent" },
	{ TWO, NOT_ASKED, NULL, NULL, "leaf.vhd", true, false, "it is a leaf: merging it needs --leaf" },
	{ TWO "vhd sib.vhd id=4 on=1\n", NOT_ASKED, NULL, NULL, "mid.vhd", true, false,
	  "its parent base.vhd has 1 other child" },
	{ TWO "vhd sib.vhd id=4 on=1\nvhd sob.vhd id=5 on=1\n", NOT_ASKED, NULL, NULL, "mid.vhd", true, false,
	  "its parent base.vhd has 2 other children" },
	{ TWO, COMPLETE, NULL, "/sr/leaf.vhd", "mid.vhd", true, false,
	  "leaf.vhd, which stands on it, is in use by qemu, pid 7" },
	{ TWO, COMPLETE, NULL, "/sr/mid.vhd", "mid.vhd", true, false, "it is in use by qemu, pid 7" },
	{ TWO, COMPLETE, NULL, "/sr/base.vhd", "mid.vhd", true, false, "its parent base.vhd is in use by qemu, pid 7" },
	{ TWO, COMPLETE, "/sr/mid.vhd", NULL, "mid.vhd", true, false, "vm 100 refers to it" },
	{ TWO, COMPLETE, "/sr/base.vhd", NULL, "mid.vhd", true, false, "its parent base.vhd is referred to by vm 100" },
	{ TWO "vhd bad.vhd unreadable-parent\n", COMPLETE, NULL, NULL, "mid.vhd", true, false,
	  "bad.vhd cannot be read and might stand on it" },
	{ TWO "file bad.vhd\n", COMPLETE, NULL, NULL, "mid.vhd", true, false,
	  "bad.vhd cannot be read and might stand on it" },
	{ TWO "file bad.vhd empty\n", COMPLETE, NULL, NULL, "mid.vhd", true, true,
	  "hidden base copy, the only child of base.vhd: can be merged" },
	{ TWO "vhd x.vhd id=6 on=9 name=base.vhd\n", COMPLETE, NULL, NULL, "mid.vhd", true, false,
	  "its parent base.vhd is also named as a parent by x.vhd" },
	{ TWO "vhd x.vhd id=6 on=9 name=mid.vhd\n", COMPLETE, NULL, NULL, "mid.vhd", true, false,
	  "x.vhd names it as its parent" },
	{ "vhd mid.vhd id=2 on=1 hidden\nvhd leaf.vhd id=3 on=2\n", NOT_ASKED, NULL, NULL, "mid.vhd", true, false,
	  "its parent is missing" },
	{ "vhd a.vhd id=1 visible\nvhd b.vhd id=2 on=1 visible\nvhd c.vhd id=3 on=2\n", COMPLETE, NULL, NULL, "b.vhd",
	  true, false, "it is not marked hidden where such marks are used, so it counts as needed" },
	{ "vhd a.vhd id=1\nvhd b.vhd id=2 on=1 hidden\n", COMPLETE, NULL, NULL, "b.vhd", true, false,
	  "it is hidden and nothing stands on it: there is nothing to keep its data for" },
#define PLAIN "qcow2 a.qcow2\nqcow2 b.qcow2 back=a.qcow2 fmt=qcow2\nqcow2 c.qcow2 back=b.qcow2 fmt=qcow2\n"
	{ PLAIN, NO_SOURCE, NULL, NULL, "b.qcow2", true, true,
	  "the only child of a.qcow2, without a hidden mark: is merged only when named explicitly" },
	{ PLAIN, COMPLETE, "/sr/c.qcow2", NULL, "b.qcow2", true, true,
	  "no source of references names it, the only child of a.qcow2: can be merged" },
	{ "qcow2 a.qcow2\nqcow2 b.qcow2 back=a.qcow2 fmt=qcow2 snapshots\n", COMPLETE, NULL, NULL, "b.qcow2", true,
	  false, "it has internal snapshots" },
	{ "qcow2 a.qcow2 encrypted\nqcow2 b.qcow2 back=a.qcow2 fmt=qcow2\n", COMPLETE, NULL, NULL, "b.qcow2", true,
	  false, "its parent a.qcow2 is encrypted" },
	{ "qcow2 a.qcow2\nqcow2 b.qcow2 back=a.qcow2 fmt=qcow2 bitmaps\n", COMPLETE, NULL, NULL, "b.qcow2", true, false,
	  "it has persistent bitmaps: merging it needs --drop-bitmaps" },
	{ "vhd a.vhd id=1\nvhd b.vhd id=2 on=1 live\n", COMPLETE, NULL, NULL, "b.vhd", true, false,
	  "it says of itself that it is in use" },
	{ "qcow a.qcow\nqcow2 b.qcow2 back=a.qcow fmt=qcow\n", COMPLETE, NULL, NULL, "b.qcow2", true, false,
	  "QCOW version 1 is only read" },
	{ "vhd 9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd id=1 hidden\nvhd b.vhd id=2 on=1 hidden\nvhd c.vhd id=3 on=2\n"
	  "file coalesce_9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11\n",
	  COMPLETE, NULL, NULL, "b.vhd", true, false, "another tool's unfinished operation concerns its parent" },

	{ TWO "file mid.vhd.journal\n", COMPLETE, NULL, NULL, "mid.vhd", true, false,
	  "another tool's unfinished operation concerns it" },

#define DISPUTE "qcow2 c\nqcow2 a back=c fmt=qcow2\nqcow2 b1 back=a fmt=raw\n"
	{ DISPUTE "qcow2 b2 back=a fmt=qcow2\n", COMPLETE, NULL, NULL, "c", false, false, "3 images stand on it" },
	{ DISPUTE, COMPLETE, NULL, NULL, "c", false, false, "the content of a names it as its parent" },
	{ DISPUTE "qcow2 b2 back=a fmt=qcow2\n", COMPLETE, NULL, NULL, "a", true, false,
	  "one image takes it for raw and another does not" },
	{ "qcow2 c\nqcow2 a back=c fmt=qcow2\nqcow2 b back=c fmt=raw\n", COMPLETE, NULL, NULL, "c", false, false,
	  "2 images stand on it" },
	{ "vhd base id=1\nvhd mid id=2 on=1\nqcow2 q back=mid fmt=raw\n", COMPLETE, NULL, NULL, "base", false, false,
	  "the content of mid names it as its parent" },
	{ "qcow2 d.img data=x.raw\nraw x.raw\nqcow2 q back=d.img fmt=raw\n", COMPLETE, NULL, NULL, "x.raw", false,
	  false, "the content of d.img names it as its parent" },

	/* names that cannot be followed */
	{ "qcow2 base\nqcow2 o back=/other/base fmt=qcow2\n", COMPLETE, NULL, NULL, "base", false, false,
	  "o names /other/base, which cannot be followed; it may be this image" },
	{ "qcow2 base\nqcow2 o back=/other/BASE fmt=qcow2\n", COMPLETE, NULL, NULL, "base", false, false,
	  "o names /other/BASE, which cannot be followed; it may be this image" },
	/* a link out there may lead back here under any name, to an image of the format that is expected there */
	{ "qcow2 base\nqcow2 o back=/other/base2 fmt=qcow2\n", COMPLETE, NULL, NULL, "base", false, false,
	  "o names /other/base2, which cannot be followed; it may be this image" },
	{ "qcow2 base\nqcow2 o back=/other/base2\n", COMPLETE, NULL, NULL, "base", false, false,
	  "o names /other/base2, which cannot be followed; it may be this image" },
	{ "qcow2 base\nqcow2 o back=/other/base2 fmt=raw\n", COMPLETE, NULL, NULL, "base", false, true,
	  "nothing stands on it and no source of references names it" },
	{ "qcow2 s/base\nqcow2 o back=base fmt=qcow2\n", COMPLETE, NULL, NULL, "s/base", false, false,
	  "o names base, which is not there; it may be this image" },
	{ "qcow2 s/base\nalso s/base s/more\nqcow2 o back=more fmt=qcow2\n", COMPLETE, NULL, NULL, "s/base", false,
	  false, "o names more, which is not there; it may be this image" },
	{ "vhd s/base.vhd id=7\nvhd l id=2 on=1 win=D:\\vm\\Base.VHD\n", COMPLETE, NULL, NULL, "s/base.vhd", false,
	  false, "l names D:\\vm\\Base.VHD, which is not there; it may be this image" },
	{ "qcow2 s/o\nqcow2 o back=/other/o fmt=qcow2\n", COMPLETE, NULL, NULL, "o", false, true,
	  "nothing stands on it and no source of references names it" },
	{ "qcow2 s/o\nqcow2 o back=/other/o fmt=qcow2\n", COMPLETE, NULL, NULL, "s/o", false, false,
	  "o names /other/o, which cannot be followed; it may be this image" },
	{ "raw d.raw\nqcow2 o data=/other/d.raw\n", COMPLETE, NULL, NULL, "d.raw", false, false,
	  "o names /other/d.raw as its data file, which cannot be followed; it may be this image" },
	{ "qcow2 base\nqcow2 o back=json:{\"file\":{\"filename\":\"/sr/base\"}} fmt=raw\n", COMPLETE, NULL, NULL,
	  "base", false, false,
	  "o names json:{\"file\":{\"filename\":\"/sr/base\"}}, which cannot be followed; it may be this image" },
	{ "qcow2 bas\nqcow2 o back=blkdebug::base fmt=raw\n", COMPLETE, NULL, NULL, "bas", false, true,
	  "nothing stands on it and no source of references names it" },
	{ "qcow2 base.qcow2\nqcow2 o back=nbd+unix:///base.qcow2?socket=/s fmt=raw\n", COMPLETE, NULL, NULL,
	  "base.qcow2", false, false,
	  "o names nbd+unix:///base.qcow2?socket=/s, which cannot be followed; it may be this image" },
	{ "qcow2 a1,b\nqcow2 o back=json:{\"/sr/a1,b\"} fmt=raw\n", COMPLETE, NULL, NULL, "a1,b", false, false,
	  "o names json:{\"/sr/a1,b\"}, which cannot be followed; it may be this image" },
	{ "qcow2 base\nqcow2 o back=json:{\"filename\":\"b\\u0061se\"} fmt=raw\n", COMPLETE, NULL, NULL, "base", false,
	  false,
	  "o names json:{\"filename\":\"b\\u0061se\"}, which cannot be followed; it may be this image" },
	{ "qcow2 r\nqcow2 m back=r fmt=qcow2\nqcow2 l back=m fmt=qcow2\nqcow2 x back=/other/m fmt=qcow2\n", COMPLETE,
	  NULL, NULL, "m", true, false, "x names /other/m, which cannot be followed: it may be its parent r" },
	{ "qcow2 r\nqcow2 m back=r fmt=qcow2\nqcow2 l back=m fmt=qcow2\nqcow2 x back=/other/r fmt=qcow2\n", COMPLETE,
	  NULL, NULL, "m", true, false, "x names /other/r, which cannot be followed: it may be its parent r" },
	{ "vhd a id=1\nvhd b id=2 on=1 name=/gone/c\nvhd s/c id=3\n", COMPLETE, NULL, NULL, "s/c", false, false,
	  "b names /gone/c, which cannot be followed; it may be this image" },
	{ "vhd s/c id=1\nvhd b id=2 on=1 name=/gone/c\nvhd c id=3\n", COMPLETE, NULL, NULL, "c", false, true,
	  "nothing stands on it and no source of references names it" },
	{ TWO, COMPLETE, "/sr/gone", NULL, "mid.vhd", true, false,
	  "vm 100 refers to /sr/gone, which leads to nothing that is known; it may be this image, or stand on it" },
	{ "qcow2 a\nvhd b id=2 raw-parent\n", COMPLETE, NULL, NULL, "a", false, false,
	  "b cannot be read and might stand on it" },

	/* a base that was renamed: nobody claims it, and it has the format that somebody misses */
	{ "qcow2 new.qcow2\nqcow2 o back=old.qcow2 fmt=qcow2\n", COMPLETE, NULL, NULL, "new.qcow2", false, false,
	  "o names old.qcow2, which is not there; it may be this image" },
	{ "qcow2 new.qcow2\nqcow2 o back=old.qcow2\n", COMPLETE, NULL, NULL, "new.qcow2", false, false,
	  "o names old.qcow2, which is not there; it may be this image" },
	{ "raw new.raw\nqcow2 o back=old.raw fmt=raw\n", COMPLETE, NULL, NULL, "new.raw", false, false,
	  "o names old.raw, which is not there; it may be this image" },
	{ "raw new.raw\nqcow2 o data=old.raw\n", COMPLETE, NULL, NULL, "new.raw", false, false,
	  "o names old.raw as its data file, which cannot be followed; it may be this image" },
	{ "qcow2 new.qcow2\nqcow2 o back=old.raw fmt=raw\n", COMPLETE, NULL, NULL, "new.qcow2", false, true,
	  "nothing stands on it and no source of references names it" },
	{ "vhd a.vhd id=1\nvhd b.vhd id=2 on=9 name=gone.vhd\n", COMPLETE, NULL, NULL, "a.vhd", false, true,
	  "nothing stands on it and no source of references names it" },
	{ "qcow2 r\nqcow2 m back=r fmt=qcow2\nqcow2 l back=m fmt=qcow2\nqcow2 o back=old fmt=qcow2\n", COMPLETE, NULL,
	  NULL, "m", true, true, "no source of references names it, the only child of r: can be merged" },
	{ "qcow2 o back=old.qcow2 fmt=qcow2\n", COMPLETE, NULL, NULL, "o", false, true,
	  "nothing stands on it and no source of references names it" },

	/* images that may lie elsewhere */
	{ "qcow2 r\nqcow2 m back=r fmt=qcow2 links=1\nqcow2 l back=m fmt=qcow2\n", NO_SOURCE, NULL, NULL, "m", true,
	  false,
	  "it has another name (a hard link) outside the places that were searched, so images that lie elsewhere may "
	  "stand on it: give those places with --with, or a complete source of references" },
	{ "qcow2 r links=1\nqcow2 m back=r fmt=qcow2\nqcow2 l back=m fmt=qcow2\n", INCOMPLETE, NULL, NULL, "m", true,
	  false,
	  "its parent r has another name (a hard link) outside the places that were searched, so images that lie "
	  "elsewhere may stand on it: give those places with --with, or a complete source of references" },
	{ "qcow2 r links=1\nqcow2 m back=r fmt=qcow2\nqcow2 l back=m fmt=qcow2\n", COMPLETE, NULL, NULL, "m", true,
	  true, "no source of references names it, the only child of r: can be merged" },
	{ "qcow2 r\nqcow2 m back=r fmt=qcow2\nqcow2 l back=/sr/m fmt=qcow2\n", NO_SOURCE, NULL, NULL, "m", true, false,
	  "it is named by absolute names only, so images that lie elsewhere may stand on it: give those places with "
	  "--with, or a complete source of references" },
	{ "vhd r id=1\nvhd m id=2 on=1 name=r\nvhd l id=3 on=2 name=/sr/m header=m\n", NO_SOURCE, NULL, NULL, "m", true,
	  true, "the only child of r, without a hidden mark: is merged only when named explicitly" },
	{ "qcow2 a links=2\n", COMPLETE, NULL, NULL, "a", false, true,
	  "nothing stands on it and no source of references names it; its content stays under 2 other names (hard "
	  "links) outside the places that were searched" },

	/* references */
	{ "qcow2 a\n", COMPLETE, "/sr/gone", NULL, "a", false, false,
	  "vm 100 refers to /sr/gone, which leads to nothing that is known; it may be this image, or stand on it" },
	{ "qcow2 a\n", COMPLETE, "/far/gone", NULL, "a", false, false,
	  "vm 100 refers to /far/gone, which leads to nothing that is known; it may be this image, or stand on it" },
	{ "qcow2 a\n", COMPLETE, NULL, "/sr/gone", "a", false, true,
	  "nothing stands on it and no source of references names it" },
	{ "qcow2 a\nfile over.img remains\n", COMPLETE, "/sr/over.img", NULL, "a", false, false,
	  "over.img cannot be read and might stand on it" },
	{ "qcow2 a\nfile disk.img\n", COMPLETE, "/sr/disk.img", NULL, "a", false, true,
	  "nothing stands on it and no source of references names it" },
	{ "qcow2 a\nfile over.img\n", COMPLETE, NULL, "/sr/over.img", "a", false, true,
	  "nothing stands on it and no source of references names it" },

	{ TWO, COMPLETE, NULL, NULL, "base.vhd", false, false, "2 images stand on it" },
	{ TWO, COMPLETE, NULL, NULL, "mid.vhd", false, false, "leaf.vhd stands on it" },
	{ TWO, COMPLETE, NULL, NULL, "leaf.vhd", false, false,
	  "it is not marked hidden where such marks are used, so it counts as needed" },
	{ "vhd a.vhd id=1 hidden\n", COMPLETE, NULL, NULL, "a.vhd", false, true,
	  "nothing stands on it and no source of references names it" },
	{ "vhd a.vhd id=1 hidden\n", INCOMPLETE, NULL, NULL, "a.vhd", false, false,
	  "the sources of references are not complete, so somebody may refer to it" },
	{ "vhd a.vhd id=1 hidden\n", NOT_ASKED, NULL, NULL, "a.vhd", false, false,
	  "the sources of references are not complete, so somebody may refer to it" },
	{ "vhd a.vhd id=1 hidden\n", NO_SOURCE, NULL, NULL, "a.vhd", false, false,
	  "without a source of references (--refs=none) nobody can say that it is not needed" },
	{ "vhd a.vhd id=1 hidden\n", COMPLETE, "/sr/a.vhd", NULL, "a.vhd", false, false, "vm 100 refers to it" },
	{ "vhd a.vhd id=1 hidden\n", COMPLETE, NULL, "/sr/a.vhd", "a.vhd", false, false,
	  "it is in use by qemu, pid 7" },
	{ "vhd a.vhd id=1 hidden\nvhd b.vhd id=2 on=9 name=a.vhd\n", COMPLETE, NULL, NULL, "a.vhd", false, false,
	  "b.vhd names it as its parent" },
	{ "vhd a.vhd id=1 hidden\nvhd b.vhd id=1\nvhd c.vhd id=2 on=1 name=b.vhd\n", COMPLETE, NULL, NULL, "a.vhd",
	  false, false, "c.vhd names it as its parent" },
	{ "vhd a.vhd id=1 hidden\nvhd b.vhd id=1\nvhd c.vhd id=2 on=1\n", COMPLETE, NULL, NULL, "a.vhd", false, false,
	  "c.vhd names it as its parent" },
	{ "vhd a.vhd id=1\nvhd old.vhd id=3 hidden\nvhd c.vhd id=2 on=1 name=old.vhd\n", COMPLETE, NULL, NULL,
	  "old.vhd", false, false, "c.vhd names it as its parent" },
	{ "vhd a.vhd id=1 hidden\nvhd b.vhd failed\n", COMPLETE, NULL, NULL, "a.vhd", false, false,
	  "b.vhd cannot be read and might stand on it" },
	{ "vhd a.vhd id=1 hidden\nfile secret failed\n", COMPLETE, NULL, NULL, "a.vhd", false, false,
	  "/sr was not looked at completely: an image that stands on it may lie there" },
	{ "vhd b.vhd failed\n", COMPLETE, NULL, NULL, "b.vhd", false, false, "what it is cannot be read" },
	{ "file d.bin\nqcow2 a.qcow2 data=d.bin\n", COMPLETE, NULL, NULL, "d.bin", false, false,
	  "it holds the data of a.qcow2" },
	{ "vhd a.vhd id=1 on=1 name=a.vhd hidden\n", COMPLETE, NULL, NULL, "a.vhd", false, false,
	  "its parents lead back to itself" },
	{ "vhd OLD_9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd id=1 hidden\nfile "
	  "leaf_9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11_x\n",
	  COMPLETE, NULL, NULL, "OLD_9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd", false, false,
	  "another tool's unfinished operation concerns it" },
	{ "vhd a\033b.vhd id=1\nvhd b.vhd id=2 on=1\nvhd c.vhd id=3 on=1\n", COMPLETE, NULL, NULL, "b.vhd", true, false,
	  "its parent a\\x1bb.vhd has 1 other child" },
};

static void check_case(const struct verdict_case *c)
{
	struct cv_scan *scan = fake_images(c->files);
	struct cv_claim claims[2];
	size_t count = 0;
	struct cv_references refs;
	const struct cv_verdict *v;
	struct cv_graph *g;

	if (c->needed)
		claims[count++] = claim_of(c->needed, "vm 100", false);
	if (c->open)
		claims[count++] = claim_of(c->open, "qemu, pid 7", true);
	refs = references(c->sources, claims, count);
	g = fake_graph(scan, c->sources == NOT_ASKED ? NULL : &refs);
	v = c->merge ? &g->images[fake_at(g, c->image)].coalesce : &g->images[fake_at(g, c->image)].deletable;
	if (v->possible != c->possible || strcmp(v->reason, c->reason))
		print_error("%s of %s in:\n%s", c->merge ? "merge" : "deletion", c->image, c->files);
	assert_string_equal(v->reason, c->reason);
	assert_int_equal(v->possible, c->possible);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void verdicts_give_the_first_reason_that_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++)
		check_case(&cases[i]);
}

static void a_repository_that_was_not_seen_completely_allows_no_deletion(void **state)
{
	struct cv_scan *scan = fake_images("vhd a.vhd id=1 hidden");
	struct cv_references refs = references(COMPLETE, NULL, 0);
	struct cv_graph *g;

	(void)state;
	fake_repository(scan, "/more\n")->complete = false;
	g = fake_graph(scan, &refs);
	assert_false(g->images[0].deletable.possible);
	assert_string_equal(g->images[0].deletable.reason,
			    "/more\\x0a was not looked at completely: an image that stands on it may lie there");
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void claims_of_every_kind_find_their_image(void **state)
{
	struct cv_scan *scan = fake_images("vhd a.vhd id=1\nvhd b.vhd id=2\nalso b.vhd z/b.vhd\nvhd sub/c.vhd id=3\n"
					   "vhd 9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd id=4\nfile notes.txt remains");
	struct cv_claim claims[] = {
		claim_of("/sr/a.vhd", "path", false),
		claim_of("/sr/z/b.vhd", "alias", false),
		claim_of("sub/c.vhd", "name", false),
		{ .kind = CV_CLAIM_INODE, .device = 1, .inode = 100, .who = cv_bytes_of("inode"), .in_use = true },
		{ .kind = CV_CLAIM_INODE, .device = 2, .inode = 100, .who = cv_bytes_of("nobody"), .in_use = true },
		{ .kind = CV_CLAIM_UUID, .who = cv_bytes_of("uuid") },
		{ .kind = CV_CLAIM_UUID, .who = cv_bytes_of("vdi") },
		claim_of("/sr/notes.txt", "no image", false),
		claim_of("/elsewhere/x.vhd", "outside", false),
		{ .kind = CV_CLAIM_INODE, .device = 1, .inode = 100, .who = cv_bytes_of("inode"), .in_use = true },
	};
	static const uint8_t vdi[16] = { 0x9c, 0x1d, 0x44, 0xe0, 0x3a, 0x0b, 0x4f, 0x5e,
					 0xb8, 0xf0, 0x6c, 0x9e, 0x1d, 0x2a, 0x7b, 0x11 };
	static const struct { const char *id, *who;
	} expected[] = {
		{ "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd", "vdi" },
		{ "a.vhd", "path" },
		{ "a.vhd", "inode" },
		{ "a.vhd", "inode" },
		{ "b.vhd", "alias" },
		{ "b.vhd", "uuid" },
		{ "notes.txt", "no image" },
		{ "sub/c.vhd", "name" },
	};
	struct cv_references refs = references(COMPLETE, claims, CV_COUNT(claims));
	struct cv_graph *g;

	(void)state;
	fake_uuid(claims[5].uuid, 2);
	memcpy(claims[6].uuid, vdi, 16);
	g = fake_graph(scan, &refs);
	assert_int_equal(g->reference_count, CV_COUNT(expected));
	for (size_t i = 0; i < g->reference_count; i++) {
		const struct cv_image *image = &g->images[g->references[i].image];

		assert_string_equal(image->id, expected[i].id);
		assert_string_equal(g->references[i].claim->who.at, expected[i].who);
		assert_in_range(i, image->first_reference, image->first_reference + image->reference_count - 1);
	}
	/* two descriptors of one process are one finding */
	assert_int_equal(g->finding_count, 3);
	assert_int_equal(g->findings[0].id, CV_REF_REFERENCE_TARGET_MISSING);
	assert_int_equal(g->findings[1].id, CV_GEN_IMAGE_IN_USE);
	assert_int_equal(g->findings[2].id, CV_GEN_IMAGE_UNREADABLE);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void targets_that_are_gone_and_sources_that_failed_are_reported(void **state)
{
	struct cv_scan *scan = fake_images("vhd a.vhd id=1");
	struct cv_claim claims[] = {
		claim_of("/sr/gone.vhd", "vm 100", false), claim_of("lost.vhd", "vm 101", false),
		claim_of("/sr/deleted.vhd", "qemu", true), claim_of("/far/gone.vhd", "vm 102", false),
		{ .kind = CV_CLAIM_UUID },
		{ .kind = CV_CLAIM_INODE, .device = 9, .text = cv_bytes_of("/far/there"), .who = cv_bytes_of("line 1") },
	};
	struct cv_claim_source sources[] = {
		{ .name = "proc", .read = true, .trouble = "3 processes could not be looked at" },
		{ .name = "list:x", .read = true, .complete = true },
		{ .name = "found", .read = true, .automatic = true, .trouble = "nobody asked what it could not look at" },
		{ .name = "lost", .automatic = true, .trouble = "it could not be read at all" },
	};
	struct cv_references refs = {
		.claims = claims, .claim_count = CV_COUNT(claims), .sources = sources, .source_count = CV_COUNT(sources)
	};
	static const char *const titles[] = {
		"vm 100 refers to /sr/gone.vhd, which is not there",
		"vm 101 refers to lost.vhd, which is not there",
		"vm 102 refers to /far/gone.vhd, which is not there",
		"proc refers to aa000000-0000-0000-0000-000000000009, which is not there",
		"line 1 refers to /far/there, which is none of the files that were found",
		"source of references proc could not be read: 3 processes could not be looked at",
		"source of references lost could not be read: it could not be read at all",
	};
	struct cv_graph *g;

	(void)state;
	fake_uuid(claims[4].uuid, 9);
	g = fake_graph(scan, &refs);
	assert_int_equal(g->finding_count, CV_COUNT(titles));
	for (size_t i = 0; i < CV_COUNT(titles); i++) {
		struct cv_text title = { 0 };

		cv_finding_title(&title, &g->findings[i]);
		assert_string_equal(cv_text_str(&title), titles[i]);
		assert_int_equal(g->findings[i].image, CV_NO_IMAGE);
		cv_text_fini(&title);
	}
	cv_graph_free(g);
	cv_scan_free(scan);
}

/* The findings of an image for each state of the references. */
static void leaves_are_called_unreferenced_by_complete_sources_only(void **state)
{
	(void)state;
	for (enum sources kind = NOT_ASKED; kind <= COMPLETE; kind++) {
		struct cv_scan *scan =
			fake_images("qcow2 a.qcow2\nqcow2 b.qcow2\nvhd base.vhd id=1\nvhd c.vhd id=2 on=1 hidden\n"
				    "raw d.raw\nqcow2 e.qcow2 data=d.raw");
		struct cv_claim claims[] = { claim_of("/sr/a.qcow2", "vm", false),
					     claim_of("/sr/e.qcow2", "vm", false) };
		struct cv_references refs = references(kind, claims, 2);
		struct cv_graph *g = fake_graph(scan, kind == NOT_ASKED ? NULL : &refs);
		const struct cv_finding *f;

		assert_int_equal(cv_graph_findings_of(g, fake_at(g, "a.qcow2"), &f), 0);
		assert_int_equal(cv_graph_findings_of(g, fake_at(g, "d.raw"), &f), 0);
		assert_int_equal(cv_graph_findings_of(g, fake_at(g, "b.qcow2"), &f), kind == COMPLETE);
		assert_int_equal(cv_graph_findings_of(g, fake_at(g, "c.vhd"), &f), 1);
		assert_int_equal(f->id, CV_SPC_ORPHANED_BASE_COPY);
		assert_int_equal(f->bytes, 1 << 20);
		cv_graph_free(g);
		cv_scan_free(scan);
	}
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

#define MOST 9

/* One line of a repository: any image may name any by whatever means, truly or not. Says whom it names, or -1. */
static int add_random_image(struct cv_text *files, uint32_t *random, unsigned i, unsigned count)
{
	static const char *const formats[] = { "qcow2", "raw", "vhd", "qcow2" };
	unsigned on = next_random(random) % count, kind = next_random(random) % 8;
	const char *format = formats[next_random(random) % CV_COUNT(formats)];

	switch (kind) {
	case 0: cv_text_addf(files, "qcow2 i%u\n", i); return -1;
	case 1: cv_text_addf(files, "vhd i%u id=%u hidden\n", i, i); return -1;
	case 2: cv_text_addf(files, "vhd i%u id=%u on=%u name=gone\n", i, i, on); return (int)on;
	case 3: cv_text_addf(files, "vhd i%u id=%u raw-parent name=i%u\n", i, i, on); return (int)on;
	case 4: cv_text_addf(files, "qcow2 i%u back=/elsewhere/I%u fmt=%s\n", i, on, format); return (int)on;
	case 5: cv_text_addf(files, "qcow2 i%u back=json:{\"/x/i%u\"} fmt=%s\n", i, on, format); return (int)on;
	case 6: cv_text_addf(files, "qcow2 i%u data=i%u\n", i, on); return (int)on;
	default: cv_text_addf(files, "qcow2 i%u back=i%u fmt=%s\n", i, on, format); return (int)on;
	}
}

static bool has_identity(const struct cv_graph *g, uint32_t image)
{
	const struct cv_facts *own = g->images[image].file->facts;

	return own->flags & CV_FACT_UUID;
}

/* Whatever contradictions and rings there are: what the content of another file names is never called unneeded. */
static void nothing_that_any_file_names_can_be_deleted(void **state)
{
	unsigned deletable = 0;

	(void)state;
	for (uint32_t seed = 1; seed <= 4000; seed++) {
		uint32_t random = seed * 7919, count = 2 + next_random(&random) % (MOST - 1);
		struct cv_references refs = references(COMPLETE, NULL, 0);
		struct cv_text files = { 0 };
		struct cv_scan *scan;
		struct cv_graph *g;
		int names[MOST];

		for (unsigned i = 0; i < count; i++)
			names[i] = add_random_image(&files, &random, i, count);
		scan = fake_images(files.at);
		g = fake_graph(scan, &refs);
		for (uint32_t i = 0; i < count; i++) {
			bool by_identity = g->images[i].file->facts->flags & CV_FACT_PARENT_UUID;

			if (names[i] < 0 || names[i] == (int)i || (by_identity && !has_identity(g, (uint32_t)names[i])))
				continue;
			if (g->images[names[i]].deletable.possible)
				fail_msg("seed %u, i%d:\n%s", seed, names[i], files.at);
		}
		for (uint32_t i = 0; i < count; i++)
			deletable += g->images[i].deletable.possible;
		cv_graph_free(g);
		cv_scan_free(scan);
		cv_text_fini(&files);
	}
	assert_true(deletable > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_give_the_first_reason_that_holds),
		cmocka_unit_test(a_repository_that_was_not_seen_completely_allows_no_deletion),
		cmocka_unit_test(claims_of_every_kind_find_their_image),
		cmocka_unit_test(targets_that_are_gone_and_sources_that_failed_are_reported),
		cmocka_unit_test(leaves_are_called_unreferenced_by_complete_sources_only),
		cmocka_unit_test(nothing_that_any_file_names_can_be_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
