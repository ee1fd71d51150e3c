/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Looking images up as users name them, the lines that findings of chains become, names of enums. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/support/fake_images.h"
#include "tests/support/fake_scan.h"

static const char files[] =
	"vhd a.vhd id=1\nvhd sub/a.vhd id=2\nvhd sub/b.vhd id=258\nalso sub/b.vhd z/other-name.vhd\n"
	"vhd e\033c.vhd id=515\nvhd 9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd id=4\nfile notes.txt";

static void images_are_found_as_users_name_them(void **state)
{
	static const struct { const char *what, *id;
	} cases[] = {
		{ "/sr/a.vhd", "a.vhd" },
		{ "/sr/./sub//../a.vhd", "a.vhd" },
		{ "a.vhd", "a.vhd" },
		{ "sub/a.vhd", "sub/a.vhd" },
		{ "b.vhd", "sub/b.vhd" },
		{ "other-name.vhd", "sub/b.vhd" },
		{ "/sr/z/other-name.vhd", "sub/b.vhd" },
		{ "sr/sub/b.vhd", "sub/b.vhd" },
		{ "e\033c.vhd", "e\033c.vhd" },
		{ "e\\x1bc.vhd", "e\033c.vhd" },
		{ "aa000000-0000-0000-0000-000000000002", "sub/a.vhd" },
		{ "AA000000-0000-0000-0000-000000000102", "sub/b.vhd" },
		{ "aa000000-0000-0000-0000-0000000002", "e\033c.vhd" },
		{ "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11", "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd" },
		{ "9C1D", "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd" },
		{ "b", "sub/b.vhd" },
	};
	static const struct { const char *what, *error;
	} misses[] = {
		{ "nothing", "no image \"nothing\" in the repositories" },
		{ "notes.txt", "no image \"notes.txt\" in the repositories" },
		{ "aa0", "no image \"aa0\" in the repositories" },
		{ "9c1", "no image \"9c1\" in the repositories" },
		{ "", "no image is named" },
		{ "a", "\"a\" means 2 images: /sr/a.vhd, /sr/sub/a.vhd" },
		{ "x\033", "no image \"x\\x1b\" in the repositories" },
		{ "aa00",
		  "\"aa00\" means 5 images: /sr/9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd, /sr/a.vhd, /sr/e\\x1bc.vhd, "
		  "/sr/sub/a.vhd, ..." },
	};
	struct cv_scan *scan = fake_images(files);
	struct cv_graph *g = fake_graph(scan, NULL);
	uint32_t image;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_err err = { 0 };

		if (!cv_graph_find(g, cases[i].what, &image, &err))
			fail_msg("%s: %s", cases[i].what, err.text);
		assert_string_equal(g->images[image].id, cases[i].id);
	}
	for (size_t i = 0; i < CV_COUNT(misses); i++) {
		struct cv_err err = { 0 };

		assert_false(cv_graph_find(g, misses[i].what, &image, &err));
		assert_int_equal(err.code, CV_EUSAGE);
		assert_string_equal(err.text, misses[i].error);
	}
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void files_and_images_find_each_other(void **state)
{
	struct cv_scan *scan = fake_images(files);
	struct cv_graph *g = fake_graph(scan, NULL);
	struct cv_file stranger = { 0 };

	(void)state;
	for (uint32_t i = 0; i < g->image_count; i++)
		assert_int_equal(cv_graph_by_file(g, g->images[i].file), i);
	assert_int_equal(g->image_count, cv_scan_file_count(scan) - 1);
	assert_int_equal(cv_graph_by_file(g, cv_scan_file(scan, cv_scan_file_count(scan) - 1)), CV_NO_IMAGE);
	assert_int_equal(cv_graph_by_file(g, &stranger), CV_NO_IMAGE);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void an_image_given_by_itself_has_its_name_as_id(void **state)
{
	struct cv_scan *scan = fake_scan_new();
	const struct cv_finding *f;
	struct cv_graph *g;

	(void)state;
	fake_repository(scan, "/dev/disk")->kind = CV_REPOSITORY_IMAGE;
	fake_repository(scan, "/")->other = true;
	fake_images_add(scan, "file /dev/disk\nvhd /top.vhd id=1");
	g = fake_graph(scan, NULL);
	assert_int_equal(g->image_count, 2);
	assert_string_equal(g->images[0].id, "disk");
	assert_string_equal(g->images[1].id, "top.vhd");
	assert_int_equal(cv_graph_findings_of(g, 0, &f), 1);
	assert_int_equal(f->id, CV_GEN_IMAGE_UNREADABLE);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void findings_read_as_sentences(void **state)
{
	static const struct { const char *files, *image, *title;
	} cases[] = {
		{ "vhd l.vhd id=2 on=1 name=./base.vhd", "l.vhd",
		  "parent ./base.vhd (aa000000-0000-0000-0000-000000000001) is not there" },
		{ "vhd l.vhd id=2 on=1", "l.vhd", "parent aa000000-0000-0000-0000-000000000001 is not there" },
		{ "odd p\nvhd l.vhd id=2 on=1 name=p", "l.vhd", "parent p (the name leads to a FIFO) is not there" },
		{ "qcow2 t back=a\nqcow2 s/a", "t", "parent a is not there" },
		{ "vhd b.vhd id=3\nvhd l.vhd id=2 on=1 name=b.vhd", "l.vhd",
		  "b.vhd has identity aa000000-0000-0000-0000-000000000003, but this image was made on "
		  "aa000000-0000-0000-0000-000000000001" },
		{ "qcow2 b.vhd\nvhd l.vhd id=2 on=1 name=b.vhd", "l.vhd",
		  "b.vhd has identity none (qcow2), but this image was made on aa000000-0000-0000-0000-000000000001" },
		{ "vhd a.vhd id=1\nvhd b.vhd id=1\nvhd c.vhd id=1\nvhd d.vhd id=1\nvhd l.vhd id=2 on=1", "l.vhd",
		  "4 images could be the parent: a.vhd, b.vhd, c.vhd, ..." },
		{ "vhd a.vhd id=1\nvhd b.vhd id=1\nvhd c.vhd id=1", "b.vhd",
		  "identity aa000000-0000-0000-0000-000000000001 is also that of a.vhd and 1 more" },
		{ "qcow2 a\nqcow2 s/a\nqcow2 t back=a fmt=qcow2\nalso t s/t", "t",
		  "2 images could be the parent: a, s/a" },
		{ "vhd a.vhd id=1\nvhd l.vhd id=2 on=1 name=old/b.vhd", "l.vhd",
		  "parent found by its identity at a.vhd; the recorded old/b.vhd does not lead there" },
		{ "qcow2 t back=/etc/shadow fmt=raw", "t",
		  "parent /etc/shadow lies outside the given repositories and was not opened" },
		{ "qcow2 t back=json:{\033} fmt=raw", "t",
		  "parent json:{\\x1b} names no certain file and is never followed" },
		{ "vhd a.vhd id=1 on=1", "a.vhd", "its parents lead back to themselves: a.vhd -> a.vhd" },
		{ "vhd a.vhd id=1 size=10G\nvhd b.vhd id=2 on=1 size=20G", "b.vhd",
		  "parent a.vhd is 10G, this image is 20G" },
		{ "vhd a.vhd id=1 size=10737418753\nvhd b.vhd id=2 on=1 size=10G", "b.vhd",
		  "parent a.vhd is 10737418753 B, this image only 10737418240 B" },
		{ "vhd a.vhd id=1 mtime=1000\nvhd b.vhd id=2 on=1 time=0", "b.vhd",
		  "parent a.vhd was modified 1970-01-01T00:16:40Z, after the 1970-01-01T00:00:00Z this image "
		  "recorded" },
		{ "vhd a.vhd id=1\nvhd l.vhd id=2 on=1 name=a.vhd header=c.vhd", "l.vhd",
		  "MacX says a.vhd, header says c.vhd" },
		{ "file a.img\nqcow2 t back=a.img no-format", "t",
		  "the format of parent a.img is not recorded, so it would be guessed from its content" },
		{ "file a.qcow2", "a.qcow2", "named .qcow2, but its content is no image format that is known" },
		{ "file a.vhd empty", "a.vhd", "the file is empty" },
		{ "file a.vhd failed", "a.vhd", "read failed at 0x0: Input/output error" },
		{ "file a\nvhd l.vhd id=2 on=1 name=a", "a",
		  "its content is no image format that is known, though l.vhd names it as its parent" },
		{ "vhd a.img id=1\nqcow2 t back=a.img fmt=raw", "a.img",
		  "declared raw, but its first bytes look like vhd; they are guest data and are not followed" },
		{ "qcow2 t data=d.raw", "t", "external data file d.raw is not there" },
		{ "odd d\nqcow2 t data=d", "t", "external data file d (the name leads to a FIFO) is not there" },
		{ "qcow2 t data=/d", "t", "its data file /d lies outside the given repositories and was not opened" },
		{ "vhd OLD_x.vhd id=1", "OLD_x.vhd",
		  "left behind by a leaf coalesce of XenServer / XCP-ng: OLD_x.vhd, the former leaf; its data is in "
		  "the image that "
		  "took its name, unless a leaf_ journal lies beside it" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_scan *scan = fake_images(cases[i].files);
		struct cv_graph *g = fake_graph(scan, NULL);
		struct cv_text title = { 0 };
		const struct cv_finding *f;

		assert_true(cv_graph_findings_of(g, fake_at(g, cases[i].image), &f) > 0);
		cv_finding_title(&title, f);
		assert_string_equal(cv_text_str(&title), cases[i].title);
		cv_text_fini(&title);
		cv_graph_free(g);
		cv_scan_free(scan);
	}
}

static void enums_have_the_names_that_scripts_rely_on(void **state)
{
	static const char *const status[] = { "none", "found", "missing", "mismatch", "ambiguous",
					      "outside", "cycle", "external", "unreadable" };

	(void)state;
	assert_int_equal(CV_COUNT(status), CV_PARENT_STATUS_COUNT);
	for (int i = 0; i < CV_PARENT_STATUS_COUNT; i++)
		assert_string_equal(cv_parent_status_name((enum cv_parent_status)i), status[i]);
	assert_string_equal(cv_parent_basis_name(CV_BASIS_BOTH), "identity and name");
	assert_string_equal(cv_parent_basis_name(CV_BASIS_IDENTITY), "identity");
	assert_string_equal(cv_role_name(CV_ROLE_LEAF), "leaf");
	assert_string_equal(cv_role_name(CV_ROLE_BASE), "base");
	assert_string_equal(cv_role_name(CV_ROLE_ORPHAN), "orphan");
}

static void locators_that_say_the_same_are_looked_up_once(void **state)
{
	struct cv_scan *scan = fake_images("vhd l.vhd id=2 on=1 name=./b.vhd name=b.vhd name=.//b.vhd header=b.vhd\n"
					   "also l.vhd m.vhd\nalso l.vhd n.vhd");
	struct cv_graph *g = fake_graph(scan, NULL);

	(void)state;
	assert_int_equal(fake_lookups(scan), 1);
	cv_graph_free(g);
	cv_scan_free(scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_are_found_as_users_name_them),
		cmocka_unit_test(files_and_images_find_each_other),
		cmocka_unit_test(an_image_given_by_itself_has_its_name_as_id),
		cmocka_unit_test(findings_read_as_sentences),
		cmocka_unit_test(enums_have_the_names_that_scripts_rely_on),
		cmocka_unit_test(locators_that_say_the_same_are_looked_up_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
