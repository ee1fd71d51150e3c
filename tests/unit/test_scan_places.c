/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The places that a scan is given: inside of each other, twice, single images, what lies where, their kinds. */
#include "tests/unit/test_scan.h"
#include "tests/support/run.h"

static void nested_and_double_places_give_every_file_once(void **state)
{
	static const struct { const char *name, *places[4]; int others, repositories; } rows[] = {
		{ "twice",               { ".", "." }, 0, 1 },
		{ "inside",              { ".", "sub" }, 0, 1 },
		{ "inside, named first", { "sub", "." }, 0, 1 },
		{ "image and folder",    { "sub/c", ".", "b" }, 0, 1 },
		{ "image twice",         { "sub/c", "sub/c", "." }, 0, 1 },
		{ "through a link",      { ".", "way" }, 0, 1 },
		{ "deeper and deeper",   { "sub/sub", "sub", "." }, 0, 1 },
		{ "relatives around",    { "sub", "." }, 2, 2 },
		{ "relatives inside",    { ".", "sub" }, 2, 1 },
		{ "relatives the same",  { ".", "." }, 2, 1 },
		{ "relatives first",     { ".", "sub" }, 1, 2 },
	};
	const char *folder = *state;

	make(folder, "sub");
	make(folder, "sub/sub");
	make(folder, "sub-");
	put(folder, "a", "x");
	put(folder, "b", "x");
	put(folder, "sub/c", "x");
	put(folder, "sub/sub/d", "x");
	put(folder, "sub-/e", "x");
	assert_int_equal(symlink("sub", in(folder, "way")), 0);
	for (size_t r = 0; r < CV_COUNT(rows); r++) {
		struct cv_place places[4];
		char names[4][PATH_MAX];
		size_t count = 0;
		struct cv_scan *s;

		for (; count < 4 && rows[r].places[count]; count++) {
			snprintf(names[count], PATH_MAX, "%s/%s", folder, rows[r].places[count]);
			places[count] = (struct cv_place){ .path = names[count], .other = rows[r].others >> count & 1 };
		}
		s = scan_places(places, count);
		if (cv_scan_file_count(s) != 5 || (int)cv_scan_repository_count(s) != rows[r].repositories)
			fail_msg("%s: %zu files, %zu repositories", rows[r].name, cv_scan_file_count(s), cv_scan_repository_count(s));
		for (size_t i = 0; i < 5; i++) {
			const struct cv_file *f = cv_scan_file(s, i);
			const struct cv_repository *home = cv_scan_repository(s, f->repository);

			if (f->alias_count || f->state != CV_FILE_READ || strncmp(f->path, home->path, strlen(home->path)))
				fail_msg("%s: file %s", rows[r].name, f->path);
		}
		for (size_t i = 0; i < cv_scan_repository_count(s); i++)
			assert_true(cv_scan_repository(s, i)->complete);
		assert_string_equal(file_at(s, in(folder, "sub/c"))->path, in(folder, "sub/c"));
		cv_scan_free(s);
	}
}

static void a_file_in_two_places_belongs_to_the_one_that_is_reported_on(void **state)
{
	const char *folder = *state;
	struct cv_place places[2] = { { .other = true }, { .other = false } };
	char names[2][PATH_MAX];

	make(folder, "a");
	make(folder, "z");
	put(folder, "a/1", "x");
	assert_int_equal(link(in(folder, "a/1"), in(folder, "z/1")), 0);
	for (int order = 0; order < 2; order++) {
		struct cv_scan *s;
		const struct cv_file *f;

		for (int i = 0; i < 2; i++) {
			snprintf(names[i], PATH_MAX, "%s/%s", folder, places[i].other ? "a" : "z");
			places[i].path = names[i];
		}
		s = scan_places(places, 2);
		assert_int_equal(cv_scan_file_count(s), 1);
		f = cv_scan_file(s, 0);
		assert_string_equal(f->path, in(folder, "z/1"));
		assert_false(cv_scan_repository(s, f->repository)->other);
		assert_int_equal(f->alias_count, 1);
		cv_scan_free(s);
		places[0].other = false;
		places[1].other = true;
	}
}

static void one_image_is_a_repository_of_its_own(void **state)
{
	const char *folder = *state;
	struct cv_scan *s;

	put(folder, "image", "x");
	put(folder, "other", "x");
	s = scan(in(folder, "image"));
	assert_int_equal(cv_scan_file_count(s), 1);
	assert_int_equal(cv_scan_repository(s, 0)->kind, CV_REPOSITORY_IMAGE);
	assert_string_equal(cv_scan_repository(s, 0)->path, in(folder, "image"));
	assert_string_equal(cv_scan_file(s, 0)->path, in(folder, "image"));
	assert_true(cv_scan_repository(s, 0)->complete);
	assert_int_equal(cv_scan_lookup(s, in(folder, "other")).found, CV_FOUND_OUTSIDE);
	assert_int_equal(cv_scan_lookup(s, folder).found, CV_FOUND_OUTSIDE);
	cv_scan_free(s);
}

static void an_image_inside_a_file_is_read_at_its_offset(void **state)
{
	const char *folder = *state;
	char image[PATH_MAX];
	struct cv_place places[2] = { { .path = image, .offset = 4096 }, { .path = folder } };
	struct cv_scan *s;

	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not installed\n");
		skip();
	}
	snprintf(image, sizeof image, "%s/disk", folder);
	assert_int_equal(cv_test_do(folder, NULL, "sh", "-c",
				    "qemu-img create -q -f qcow2 q 1M && head -c 4096 /dev/zero >disk && "
				    "cat q >>disk && rm q"), 0);
	s = scan_places(places, 2);
	assert_int_equal(cv_scan_file_count(s), 1);
	assert_int_equal(cv_scan_file(s, 0)->facts->format, CV_FORMAT_QCOW2);
	assert_int_equal(cv_scan_repository(s, cv_scan_file(s, 0)->repository)->offset, 4096);
	cv_scan_free(s);
}

static void a_raw_extension_declares_the_format(void **state)
{
	const char *folder = *state;
	struct cv_scan *s;

	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not installed\n");
		skip();
	}
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "disk.RAW", "1M"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "disk.qcow2", "1M"), 0);
	s = scan(folder);
	assert_int_equal(file_at(s, in(folder, "disk.RAW"))->facts->format, CV_FORMAT_RAW);
	assert_true(file_at(s, in(folder, "disk.RAW"))->facts->flags & CV_FACT_RAW_LOOKALIKE);
	assert_int_equal(file_at(s, in(folder, "disk.qcow2"))->facts->format, CV_FORMAT_QCOW2);
	cv_scan_free(s);
}

static void places_that_are_none_are_refused(void **state)
{
	static const struct { const char *name; uint64_t offset; enum cv_status code; const char *says; } rows[] = {
		{ "nothing", 0, CV_EIO, "No such file" }, { "fifo", 0, CV_EUSAGE, "a FIFO" }, { "", 512, CV_EUSAGE, "directory" },
		{ "file", 4096, CV_EUSAGE, "behind its end" }, { "file/x", 0, CV_EIO, "Not a directory" },
		{ "es\x1b", 0, CV_EIO, "es\\x1b" }, { "loop", 0, CV_EIO, "symbolic links" },
	};
	const char *folder = *state;

	assert_int_equal(mkfifo(in(folder, "fifo"), 0666), 0);
	put(folder, "file", "x");
	assert_int_equal(symlink("loop", in(folder, "loop")), 0);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_place place = { .path = in(folder, rows[i].name), .offset = rows[i].offset };
		struct cv_err err = { 0 };

		assert_null(cv_scan_new(&(struct cv_scan_options){ .places = &place, .place_count = 1, .workers = 1 }, &err));
		if (err.code != rows[i].code || !strstr(err.text, rows[i].says))
			fail_msg("%s: code %d: %s", rows[i].name, err.code, err.text);
	}
}

static void lookups_say_what_lies_where(void **state)
{
	static const struct { const char *path; enum cv_found found; const char *what; } rows[] = {
		{ "r/image", CV_FOUND_FILE, NULL }, { "r/sub/link", CV_FOUND_FILE, NULL }, { "r/way/image", CV_FOUND_FILE, NULL },
		{ "r/away/image", CV_FOUND_FILE, NULL }, { "entrance/image", CV_FOUND_FILE, NULL },
		{ "r/none", CV_FOUND_MISSING, NULL }, { "r/none/deeper", CV_FOUND_MISSING, NULL },
		{ "r/image/deeper", CV_FOUND_MISSING, NULL }, { "r/dangling", CV_FOUND_MISSING, NULL },
		{ "r", CV_FOUND_NOT_REGULAR, "a directory" }, { "r/sub", CV_FOUND_NOT_REGULAR, "a directory" },
		{ "r/fifo", CV_FOUND_NOT_REGULAR, "a FIFO" }, { "r/socket.vhd", CV_FOUND_NOT_REGULAR, "a socket" },
		{ "outside", CV_FOUND_OUTSIDE, NULL }, { "r2", CV_FOUND_OUTSIDE, NULL }, { "r2/x", CV_FOUND_OUTSIDE, NULL },
		{ "r/out", CV_FOUND_OUTSIDE, NULL }, { "r/up/outside", CV_FOUND_OUTSIDE, NULL },
		{ "r/far/passwd", CV_FOUND_OUTSIDE, NULL },
		{ "r/.chainview/t", CV_FOUND_OUTSIDE, NULL }, { "r/loop", CV_FOUND_UNREADABLE, NULL },
		{ "r/newer", CV_FOUND_UNREADABLE, NULL },
	};
	static const char *const links[][2] = {
		{ "r/sub/link", "../image" }, { "r/way", "." }, { "r/dangling", "gone" }, { "r/out", "../outside" },
		{ "r/up", ".." }, { "r/far", "/etc" }, { "r/loop", "loop" }, { "entrance", "r" },
	};
	const char *folder = *state;
	char root[PATH_MAX];
	struct cv_scan *s;

	make(folder, "r");
	make(folder, "r2");
	snprintf(root, sizeof root, "%s/entrance", folder);
	make(folder, "r/sub");
	make(folder, "r/.chainview");
	put(folder, "r/image", "x");
	put(folder, "r/.chainview/t", "x");
	put(folder, "r2/x", "x");
	put(folder, "outside", "x");
	assert_int_equal(mkfifo(in(folder, "r/fifo"), 0666), 0);
	make_socket(in(folder, "r"));
	for (size_t i = 0; i < CV_COUNT(links); i++)
		assert_int_equal(symlink(links[i][1], in(folder, links[i][0])), 0);
	assert_int_equal(symlink(in(folder, "r/sub/.."), in(folder, "r/strange")), 0);
	assert_int_equal(symlink(in(folder, "r"), in(folder, "r/away")), 0);
	s = scan(root);
	assert_string_equal(cv_scan_repository(s, 0)->path, root);
	put(folder, "r/newer", "x");
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_lookup l = cv_scan_lookup(s, in(folder, rows[i].path));

		if (l.found != rows[i].found || (rows[i].what && strcmp(rows[i].what, l.what)))
			fail_msg("%s: %d %s", rows[i].path, l.found, l.what ? l.what : "");
		if (l.found == CV_FOUND_FILE)
			assert_int_equal(l.file, 0);
	}
	assert_int_equal(cv_scan_lookup(s, "/").found, CV_FOUND_OUTSIDE);
	assert_int_equal(cv_scan_lookup(s, "/etc/passwd").found, CV_FOUND_OUTSIDE);
	assert_int_equal(cv_scan_lookup(s, in(folder, "r/strange/image")).found, CV_FOUND_OUTSIDE);
	assert_int_equal(cv_scan_file_count(s), 1);
	cv_scan_free(s);
}

static void other_file_systems_are_entered_only_when_told_to(void **state)
{
	const char *folder = *state;
	struct cv_place place = { .path = folder };
	const char *mounted = in(folder, "mounted");
	struct cv_scan *s;

	make(folder, "mounted");
	put(folder, "here", "x");
	if (mount("tmpfs", mounted, "tmpfs", 0, "size=1m") < 0) {
		print_message("cannot mount a file system here: %s\n", strerror(errno));
		skip();
	}
	put(folder, "mounted/there", "x");
	for (int cross = 0; cross < 2; cross++) {
		s = begin((struct cv_scan_options){ .places = &place, .place_count = 1, .cross_file_systems = cross });
		while (cv_scan_step(s, -1))
			;
		assert_int_equal(cv_scan_file_count(s), 1 + cross);
		assert_int_equal(cv_scan_lookup(s, in(folder, "mounted/there")).found, cross ? CV_FOUND_FILE : CV_FOUND_OUTSIDE);
		/* not entering is right, but it must be said; and it is no failure */
		assert_int_equal(cv_scan_trouble_count(s), !cross);
		assert_int_equal(has_trouble(s, in(folder, "mounted"), "another file system is mounted here"), !cross);
		assert_int_equal(cv_scan_repository(s, 0)->complete, cross);
		assert_false(cv_scan_repository(s, 0)->failed);
		cv_scan_free(s);
	}
	s = scan_places((struct cv_place[]){ place, { .path = in(folder, "mounted") } }, 2);
	assert_int_equal(cv_scan_trouble_count(s), 0);
	assert_true(cv_scan_repository(s, 0)->complete && cv_scan_repository(s, 1)->complete);
	assert_int_equal(cv_scan_file_count(s), 2);
	assert_int_equal(cv_scan_repository_count(s), 2);
	cv_scan_free(s);
	umount2(in(folder, "mounted"), MNT_DETACH);
}

static void kinds_are_told_by_what_is_there(void **state)
{
	static const struct { const char *name, *vpc[2], *qcow2[2]; enum cv_repository_kind kind; } rows[] = {
		{ "plain", { "a.vhd" }, { "b.qcow2" }, CV_REPOSITORY_DIRECTORY },
		{ "uuids by qemu", { "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd" }, { NULL }, CV_REPOSITORY_DIRECTORY },
		{ "xen", { "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd", "+" }, { NULL }, CV_REPOSITORY_XEN_FILE_SR },
		{ "xen names few", { "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd", "+" }, { "a", "b" }, CV_REPOSITORY_DIRECTORY },
		{ "hyperv", { "vm_1234.AVHD" }, { NULL }, CV_REPOSITORY_HYPERV },
		{ "proxmox", { NULL }, { "images/100/vm-100-disk-0.qcow2", "images/7/base-7-disk-1.qcow2" },
		  CV_REPOSITORY_PROXMOX },
		{ "no proxmox", { NULL }, { "images/2024/holiday.qcow2" }, CV_REPOSITORY_DIRECTORY },
	};

	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not installed\n");
		skip();
	}
	for (size_t r = 0; r < CV_COUNT(rows); r++) {
		const char *folder = in(*state, rows[r].name);
		char here[PATH_MAX], command[PATH_MAX];
		struct cv_scan *s;

		snprintf(here, sizeof here, "%s", folder);
		assert_int_equal(cv_test_do(NULL, NULL, "mkdir", "-p", in(here, "images/100"), in(here, "images/7"),
					    in(here, "images/2024")), 0);
		for (int i = 0; i < 2; i++) {
			bool tap = rows[r].vpc[i] && *rows[r].vpc[i] == '+';

			if (rows[r].qcow2[i])
				assert_int_equal(cv_test_do(here, NULL, "qemu-img", "create", "-q", "-f", "qcow2", rows[r].qcow2[i], "1M"), 0);
			if (rows[r].vpc[i] && !tap)
				assert_int_equal(cv_test_do(here, NULL, "qemu-img", "create", "-q", "-f", "vpc", rows[r].vpc[i], "4M"), 0);
			/* the creator is what counts, its checksum may then be wrong */
			snprintf(command, sizeof command, "for f in *.vhd; do s=$(stat -c %%s $f); for o in 28 $((s - 484)); do "
				 "printf 'tap\\000' | dd of=$f bs=1 seek=$o conv=notrunc; done; done");
			if (tap)
				assert_int_equal(cv_test_do(here, NULL, "sh", "-c", command), 0);
		}
		s = scan(here);
		if (cv_scan_repository(s, 0)->kind != rows[r].kind)
			fail_msg("%s: %s", rows[r].name, cv_repository_kind_name(cv_scan_repository(s, 0)->kind));
		cv_scan_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nested_and_double_places_give_every_file_once),
		CASE(a_file_in_two_places_belongs_to_the_one_that_is_reported_on),
		CASE(one_image_is_a_repository_of_its_own),
		CASE(an_image_inside_a_file_is_read_at_its_offset),
		CASE(a_raw_extension_declares_the_format),
		CASE(places_that_are_none_are_refused),
		CASE(lookups_say_what_lies_where),
		CASE(other_file_systems_are_entered_only_when_told_to),
		CASE(kinds_are_told_by_what_is_there),
	};

	return cmocka_run_group_tests_name("scan_places", tests, NULL, NULL) ? 1 : 0;
}
