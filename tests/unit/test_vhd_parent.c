/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The VHD reader: dynamic header, where the BAT is, and everything recorded about the parent. */
#include "tests/unit/test_vhd_image.h"

#define IN_HEADER(off) (HEADER_AT + (off))
#define ENTRY(slot, off) (HEADER_AT + 576 + 24 * (slot) + (off))

static void each_change_to_the_header_gives_exactly_its_findings(void **state)
{
	static const struct poke pokes[] = {
		{ "checksum", DYNAMIC, AT_FILE, IN_HEADER(36), 4, 7, 0, "vhd-header-checksum", CV_FACT_SIZE,
		  CV_FACT_PARENT_UNREADABLE },
		{ "checksum, differencing", DIFFERENCING, AT_FILE, IN_HEADER(36), 4, 7, 0, "vhd-header-checksum",
		  CV_FACT_PARENT | CV_FACT_PARENT_UUID | CV_FACT_PARENT_UNREADABLE, CV_FACT_PARENT_RAW },
		{ "cookie", DYNAMIC, AT_FILE, IN_HEADER(0), 1, 0, 0, "image-unreadable", CV_FACT_SIZE,
		  CV_FACT_PARENT_UNREADABLE },
		{ "cookie, differencing", DIFFERENCING, AT_FILE, IN_HEADER(0), 1, 0, 0, "image-unreadable",
		  CV_FACT_PARENT | CV_FACT_PARENT_UNREADABLE, CV_FACT_PARENT_UUID },
		{ "offset of the header", DIFFERENCING, AT_BOTH, 16, 8, 1024, SEAL_FOOTERS, "image-unreadable",
		  CV_FACT_PARENT_UUID, CV_FACT_PARENT_UNREADABLE },
		{ "offset behind the end", DIFFERENCING, AT_BOTH, 16, 8, 1 << 20, SEAL_FOOTERS, "image-truncated",
		  CV_FACT_PARENT_UUID, CV_FACT_PARENT_UNREADABLE },
		{ "offset absurd", DIFFERENCING, AT_BOTH, 16, 8, UINT64_MAX, SEAL_FOOTERS, "hostile-value",
		  CV_FACT_PARENT_UUID, CV_FACT_PARENT_UNREADABLE },
		{ "version", DYNAMIC, AT_FILE, IN_HEADER(24), 4, 0x10001, SEAL_HEADER, "unsupported-feature", 0, 0 },
		{ "first reserved bytes", DYNAMIC, AT_FILE, IN_HEADER(60), 4, 1, SEAL_HEADER, "vhd-reserved-nonzero", 0,
		  0 },
		{ "last reserved byte", DYNAMIC, AT_FILE, IN_HEADER(1023), 1, 1, SEAL_HEADER, "vhd-reserved-nonzero", 0,
		  0 },
		{ "parent of a disk without one", DYNAMIC, AT_FILE, IN_HEADER(40), 4, 1, SEAL_HEADER,
		  "parent-locators-disagree", CV_FACT_PARENT_UNREADABLE, CV_FACT_PARENT | CV_FACT_PARENT_UUID },
		{ "called dynamic in both footers", DIFFERENCING, AT_BOTH, 60, 4, 3, SEAL_FOOTERS,
		  "parent-locators-disagree", CV_FACT_PARENT_UNREADABLE, CV_FACT_PARENT },
		{ "called fixed in both footers", DIFFERENCING, AT_BOTH, 60, 4, 2, SEAL_FOOTERS,
		  "image-truncated parent-locators-disagree", CV_FACT_PARENT_UNREADABLE, CV_FACT_PARENT },
		{ "raw parent", DIFFERENCING, AT_FILE, IN_HEADER(40), 16, 0, SEAL_HEADER, "",
		  CV_FACT_PARENT | CV_FACT_PARENT_RAW, CV_FACT_PARENT_UUID },
		{ "no parent time", DIFFERENCING, AT_FILE, IN_HEADER(56), 4, 0, SEAL_HEADER, "", CV_FACT_PARENT,
		  CV_FACT_PARENT_TIME },
		{ "no block size", DYNAMIC, AT_FILE, IN_HEADER(32), 4, 0, SEAL_HEADER, "image-unreadable", CV_FACT_SIZE,
		  0 },
		{ "odd block size", DYNAMIC, AT_FILE, IN_HEADER(32), 4, 3 << 20, SEAL_HEADER, "image-unreadable", 0,
		  0 },
		{ "small block size", DYNAMIC, AT_FILE, IN_HEADER(32), 4, 2048, SEAL_HEADER, "image-unreadable", 0, 0 },
		{ "large block size", DYNAMIC, AT_FILE, IN_HEADER(32), 4, 512 << 20, SEAL_HEADER, "hostile-value", 0,
		  0 },
		{ "too few BAT entries", DYNAMIC, AT_FILE, IN_HEADER(28), 4, 4, SEAL_HEADER, "hostile-value", 0, 0 },
		{ "BAT entries behind the end", DYNAMIC, AT_FILE, IN_HEADER(28), 4, 1024, SEAL_HEADER,
		  "image-truncated", 0, 0 },
		{ "BAT entries, absurd", DYNAMIC, AT_FILE, IN_HEADER(28), 4, UINT32_MAX, SEAL_HEADER,
		  "hostile-value image-truncated", 0, 0 },
		{ "BAT behind the end", DYNAMIC, AT_FILE, IN_HEADER(16), 8, 1 << 20, SEAL_HEADER, "image-truncated", 0,
		  0 },
		{ "BAT absurd", DYNAMIC, AT_FILE, IN_HEADER(16), 8, UINT64_MAX - 3, SEAL_HEADER, "hostile-value", 0,
		  0 },
		{ "BAT on the footer copy", DYNAMIC, AT_FILE, IN_HEADER(16), 8, 0, SEAL_HEADER,
		  "image-unreadable", 0, 0 },
		{ "BAT on the header", DYNAMIC, AT_FILE, IN_HEADER(16), 8, 1532, SEAL_HEADER,
		  "image-unreadable", 0, 0 },
	};

	(void)state;
	assert_pokes(pokes, CV_COUNT(pokes));
}

/* The end says fixed: with the disk's own identity at the start that is doubtful, with another it is guest data. */
static void a_fixed_disk_has_no_copy_of_its_own_footer(void **state)
{
	static struct image i;

	(void)state;
	for (unsigned guest = 0; guest < 2; guest++) {
		struct cv_facts *f;

		build(&i, DIFFERENCING);
		i.b[end_at(&i) + 63] = FIXED;
		i.b[end_at(&i) + 68] ^= guest;
		seal(&i, SEAL_END);
		f = facts_of(&i);
		assert_findings(f, "fixed at the end", guest ? "image-truncated" : "vhd-footers-differ image-truncated");
		assert_int_equal(f->variant, CV_VARIANT_FIXED);
		assert_int_equal(!!(f->flags & CV_FACT_PARENT_UNREADABLE), !guest);
		cv_facts_free(f);
	}
}

static void a_header_in_another_place_is_used_only_if_it_is_sound(void **state)
{
	static struct image i;
	struct cv_facts *f;

	(void)state;
	for (unsigned damaged = 0; damaged < 2; damaged++) {
		build(&i, DIFFERENCING);
		put_both(&i, 16, 8, 2048);
		seal(&i, SEAL_FOOTERS);
		i.b[HEADER_AT + 60] ^= damaged;
		f = facts_of(&i);
		assert_findings(f, "another place", "image-unreadable");
		assert_title(f, 0, "no dynamic header at 0x800");
		assert_int_equal(f->name_count, damaged ? 0 : 4);
		assert_int_equal(!!(f->flags & CV_FACT_PARENT_UNREADABLE), damaged);
		cv_facts_free(f);
	}
}

static void all_legal_block_sizes_are_taken(void **state)
{
	static struct image i;

	(void)state;
	for (uint64_t size = 4096; size <= 256 << 20; size *= 2) {
		struct cv_facts *f;

		build(&i, DYNAMIC);
		set_creator(&i, "win ", 0x60001);
		put_both(&i, 48, 8, 5 * size);
		put_both(&i, 56, 4, 0xffff10ff);
		put(&i, IN_HEADER(32), 4, size);
		seal(&i, SEAL_ALL);
		f = facts_of(&i);
		assert_findings(f, "block size", "");
		assert_int_equal(f->block_size, size);
		assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_BLOCK_SIZE, 0)->number, size);
		assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_MAX_TABLE_ENTRIES, 0)->where.off, IN_HEADER(28));
		cv_facts_free(f);
	}
}

static void more_bat_entries_than_a_file_can_hold_blocks_are_hostile(void **state)
{
	static const struct { uint32_t entries; const char *findings; } cases[] = {
		{ 8192, "" }, { 8193, "hostile-value" },
	};
	static struct image i;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		struct cv_facts *f;

		build(&i, DYNAMIC);
		set_creator(&i, "win ", 0x60001);
		resize(&i, 64 << 10);
		put(&i, IN_HEADER(28), 4, cases[k].entries);
		put(&i, IN_HEADER(32), 4, 256 << 20);
		seal(&i, SEAL_ALL);
		f = facts_of(&i);
		assert_findings(f, "entries", cases[k].findings);
		cv_facts_free(f);
	}
}

static void the_parent_is_known_by_identity_time_and_four_names(void **state)
{
	static const struct {
		enum cv_name_source source;
		enum cv_name_kind kind;
		const char *text, *path;
		size_t at, len;
	} names[] = {
		{ CV_NAME_MACX, CV_NAME_RELATIVE, "file://./base.vhd", "./base.vhd", NAME_AT, 17 },
		{ CV_NAME_W2KU, CV_NAME_RELATIVE, ".\\base.vhd", "./base.vhd", NAME_AT + 512, 20 },
		{ CV_NAME_W2RU, CV_NAME_RELATIVE, ".\\base.vhd", "./base.vhd", NAME_AT + 1024, 20 },
		{ CV_NAME_VHD_HEADER, CV_NAME_BASENAME, "base.vhd", "base.vhd", IN_HEADER(64), 512 },
	};
	static struct image i;
	struct cv_facts *f;

	(void)state;
	build(&i, DIFFERENCING);
	f = facts_of(&i);
	assert_string_equal(cv_uuid_str(f->parent_uuid).s, "10111213-1415-1617-1819-1a1b1c1d1e1f");
	assert_int_equal(f->parent_time, 946684800 + 700000000);
	assert_int_equal(f->parent_format, CV_FORMAT_VHD);
	assert_int_equal(f->name_count, CV_COUNT(names));
	for (size_t k = 0; k < CV_COUNT(names); k++) {
		assert_int_equal(f->names[k].source, names[k].source);
		assert_int_equal(f->names[k].kind, names[k].kind);
		assert_bytes(f->names[k].text, names[k].text);
		assert_bytes(f->names[k].path, names[k].path);
		assert_int_equal(f->names[k].where.off, names[k].at);
		assert_int_equal(f->names[k].where.len, names[k].len);
	}
	assert_bytes(cv_facts_attr(f, CV_ATTR_VHD_LOCATOR_PLATFORM, 1)->text, "W2ku");
	assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_LOCATOR_SPACE, 2)->number, 512);
	assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_LOCATOR_LENGTH, 2)->number, 20);
	assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_LOCATOR_OFFSET, 2)->number, NAME_AT + 1024);
	assert_null(cv_facts_attr(f, CV_ATTR_VHD_LOCATOR_PLATFORM, 3));
	cv_facts_free(f);
}

/* An image whose only recorded name is in one locator; text is ASCII, stored as UTF-16LE if wide. */
static void build_one_name(struct image *i, unsigned slot, const char *code, const char *text, bool wide)
{
	uint8_t name[512] = { 0 };
	size_t len = wide ? utf16(name, text, false) : strlen(text);

	if (!wide)
		memcpy(name, text, len);
	build(i, DIFFERENCING);
	memset(i->b + IN_HEADER(64), 0, 512 + 8 * 24);
	memset(i->b + NAME_AT, 0, 1536);
	build_locator(i, slot, code, 512, NAME_AT, name, len);
	seal(i, SEAL_HEADER);
}

static void every_locator_code_gives_its_kind_of_name(void **state)
{
	static const struct {
		char code[5];
		bool wide;
		const char *text;
		enum cv_name_source source;
		enum cv_name_kind kind;
		const char *path;
	} cases[] = {
		{ "MacX", false, "file://./a b.vhd", CV_NAME_MACX, CV_NAME_RELATIVE, "./a b.vhd" },
		{ "MacX", false, "file://../x/b.vhd", CV_NAME_MACX, CV_NAME_RELATIVE, "../x/b.vhd" },
		{ "MacX", false, "file:///sr/b.vhd", CV_NAME_MACX, CV_NAME_ABSOLUTE, "/sr/b.vhd" },
		{ "MacX", false, "FILE://localhost/sr/b.vhd", CV_NAME_MACX, CV_NAME_ABSOLUTE, "/sr/b.vhd" },
		{ "MacX", false, "file:/sr/b.vhd", CV_NAME_MACX, CV_NAME_ABSOLUTE, "/sr/b.vhd" },
		{ "MacX", false, "b.vhd", CV_NAME_MACX, CV_NAME_RELATIVE, "b.vhd" },
		{ "MacX", false, "file://./a%20b.vhd", CV_NAME_MACX, CV_NAME_RELATIVE, "./a%20b.vhd" },
		{ "MacX", false, "file://./a\\b.vhd", CV_NAME_MACX, CV_NAME_RELATIVE, "./a\\b.vhd" },
		{ "MacX", false, "http://evil/b.vhd", CV_NAME_MACX, CV_NAME_EXTERNAL, "" },
		{ "MacX", false, "file://nbd:unix:/x", CV_NAME_MACX, CV_NAME_EXTERNAL, "" },
		{ "MacX", false, "file://", CV_NAME_MACX, CV_NAME_OPAQUE, "" },
		{ "MacX", false, "file://./\xff\n.vhd", CV_NAME_MACX, CV_NAME_RELATIVE, "./\xff\n.vhd" },
		{ "W2ku", true, ".\\..\\b.vhd", CV_NAME_W2KU, CV_NAME_RELATIVE, "./../b.vhd" },
		{ "W2ku", true, "C:\\vm\\b.vhd", CV_NAME_W2KU, CV_NAME_WINDOWS, "C:/vm/b.vhd" },
		{ "W2ku", true, "\\\\srv\\vm\\b.vhd", CV_NAME_W2KU, CV_NAME_WINDOWS, "//srv/vm/b.vhd" },
		{ "W2ku", true, "\\\\?\\Volume{1}\\b.vhd", CV_NAME_W2KU, CV_NAME_WINDOWS, "//?/Volume{1}/b.vhd" },
		{ "W2ku", true, "\\sr\\b.vhd", CV_NAME_W2KU, CV_NAME_ABSOLUTE, "/sr/b.vhd" },
		{ "W2ru", true, ".\\b.vhd", CV_NAME_W2RU, CV_NAME_RELATIVE, "./b.vhd" },
		{ "W2ru", true, "d:b.vhd", CV_NAME_W2RU, CV_NAME_WINDOWS, "d:b.vhd" },
		{ "Wi2r", false, ".\\b.vhd", CV_NAME_WI2R, CV_NAME_RELATIVE, "./b.vhd" },
		{ "Wi2r", false, "\xe4.vhd", CV_NAME_WI2R, CV_NAME_OPAQUE, "" },
		{ "Wi2k", false, "C:\\b.vhd", CV_NAME_WI2K, CV_NAME_WINDOWS, "C:/b.vhd" },
		{ "Mac ", false, "alias blob", CV_NAME_MAC, CV_NAME_OPAQUE, "" },
	};
	static struct image i;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		unsigned slot = (unsigned)k % 8;
		struct cv_facts *f;

		build_one_name(&i, slot, cases[k].code, cases[k].text, cases[k].wide);
		f = facts_of(&i);
		assert_findings(f, cases[k].text, "");
		assert_int_equal(f->name_count, 1);
		assert_int_equal(f->names[0].source, cases[k].source);
		if (f->names[0].kind != cases[k].kind)
			fail_msg("%s: kind %d", cases[k].text, (int)f->names[0].kind);
		assert_bytes(f->names[0].text, cases[k].text);
		assert_bytes(f->names[0].path, cases[k].path);
		assert_bytes(cv_facts_attr(f, CV_ATTR_VHD_LOCATOR_PLATFORM, slot)->text, cases[k].code);
		cv_facts_free(f);
	}
}

static void all_eight_slots_are_read_in_their_order(void **state)
{
	static const char codes[8][5] = { "MacX", "W2ku", "W2ru", "Mac ", "Wi2r", "Wi2k", "MacX", "W2ru" };
	static const enum cv_name_source sources[8] = { CV_NAME_MACX, CV_NAME_W2KU, CV_NAME_W2RU, CV_NAME_MAC,
	    CV_NAME_WI2R,
							CV_NAME_WI2K, CV_NAME_MACX, CV_NAME_W2RU };
	static struct image i;
	struct cv_facts *f;

	(void)state;
	build(&i, DIFFERENCING);
	resize(&i, NAME_AT + 9 * 512);
	for (unsigned slot = 0; slot < 8; slot++) {
		uint8_t name[32];
		bool wide = codes[slot][1] == '2';
		size_t len = wide ? utf16(name, "base.vhd", false) : 8;

		build_locator(&i, slot, codes[slot], 1, NAME_AT + slot * 512, wide ? (const void *)name : "base.vhd",
		    len);
	}
	seal(&i, SEAL_ALL);
	f = facts_of(&i);
	assert_findings(f, "eight", "");
	assert_int_equal(f->name_count, 9);
	for (unsigned slot = 0; slot < 8; slot++) {
		assert_int_equal(f->names[slot].source, sources[slot]);
		assert_bytes(f->names[slot].text, "base.vhd");
	}
	cv_facts_free(f);
}

static void undecodable_utf16_is_kept_and_never_followed(void **state)
{
	static const struct { uint8_t bytes[8]; size_t len; enum cv_name_kind kind; const char *path; } cases[] = {
		{ { 0x00, 0xd8, 'a', 0 }, 4, CV_NAME_OPAQUE, "" },
		{ { 0xe4, 0x00, '.', 0, 'x', 0 }, 6, CV_NAME_RELATIVE, "\xc3\xa4.x" },
		{ { 0xff, 0xfe, 'b', 0 }, 4, CV_NAME_RELATIVE, "b" },
		{ { 0xfe, 0xff, 0, 'b' }, 4, CV_NAME_RELATIVE, "b" },
		{ { 'b', 0, 'c', 0, 'd' }, 5, CV_NAME_RELATIVE, "bc" },
		{ { 'b', 0, 0, 0, 'c', 0 }, 6, CV_NAME_RELATIVE, "b" },
	};
	static struct image i;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		struct cv_facts *f;

		build_one_name(&i, 0, "W2ru", "", true);
		build_locator(&i, 0, "W2ru", 512, NAME_AT, cases[k].bytes, cases[k].len);
		seal(&i, SEAL_HEADER);
		f = facts_of(&i);
		assert_int_equal(f->name_count, 1);
		assert_int_equal(f->names[0].kind, cases[k].kind);
		assert_bytes(f->names[0].path, cases[k].path);
		cv_facts_free(f);
	}
}

static void the_headers_name_is_a_hint_of_one_component(void **state)
{
	static const struct { const char *text, *path; } cases[] = {
		{ "b.vhd", "b.vhd" }, { "C:\\vm\\b.vhd", "b.vhd" }, { "/sr/b.vhd", "b.vhd" }, { "..\\b.vhd", "b.vhd" },
	};
	static struct image i;
	struct cv_facts *f;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		build_one_name(&i, 0, "\0\0\0\0", "", false);
		put(&i, ENTRY(0, 4), 20, 0);
		header_name(&i, cases[k].text);
		seal(&i, SEAL_HEADER);
		f = facts_of(&i);
		assert_findings(f, cases[k].text, "");
		assert_int_equal(f->name_count, 1);
		assert_int_equal(f->names[0].kind, CV_NAME_BASENAME);
		assert_bytes(f->names[0].text, cases[k].text);
		assert_bytes(f->names[0].path, cases[k].path);
		cv_facts_free(f);
	}
	/* all 512 bytes, no terminator */
	for (size_t k = 0; k < 256; k++)
		put(&i, IN_HEADER(64) + 2 * k, 2, 'n');
	seal(&i, SEAL_HEADER);
	f = facts_of(&i);
	assert_int_equal(f->names[0].text.len, 256);
	cv_facts_free(f);
}

static void locator_numbers_are_checked_one_by_one(void **state)
{
	static const struct poke pokes[] = {
		{ "one sector", DIFFERENCING, AT_FILE, ENTRY(0, 4), 4, 1, SEAL_HEADER, "", 0, 0 },
		{ "space that makes no sense", DIFFERENCING, AT_FILE, ENTRY(0, 4), 4, 700, SEAL_HEADER, "", 0, 0 },
		{ "no length", DIFFERENCING, AT_FILE, ENTRY(0, 8), 4, 0, SEAL_HEADER, "", 0, 0 },
		{ "longer than its space", DIFFERENCING, AT_FILE, ENTRY(0, 8), 4, 513, SEAL_HEADER, "hostile-value", 0,
		  0 },
		{ "too long", DIFFERENCING, AT_FILE, ENTRY(0, 8), 4, 65537, SEAL_HEADER, "hostile-value", 0, 0 },
		{ "absurdly long", DIFFERENCING, AT_FILE, ENTRY(0, 8), 4, UINT32_MAX, SEAL_HEADER, "hostile-value", 0,
		  0 },
		{ "behind the end", DIFFERENCING, AT_FILE, ENTRY(0, 16), 8, 5110, SEAL_HEADER, "image-truncated", 0,
		  0 },
		{ "far away", DIFFERENCING, AT_FILE, ENTRY(0, 16), 8, UINT64_MAX - 8, SEAL_HEADER, "hostile-value", 0,
		  0 },
		{ "reserved field", DIFFERENCING, AT_FILE, ENTRY(0, 12), 4, 1, SEAL_HEADER, "vhd-reserved-nonzero", 0,
		  0 },
		{ "unused slot", DIFFERENCING, AT_FILE, ENTRY(7, 16), 8, 1, SEAL_HEADER, "vhd-reserved-nonzero", 0, 0 },
		{ "unknown platform", DIFFERENCING, AT_FILE, ENTRY(1, 0), 4, 0x58585858, SEAL_HEADER,
		  "unsupported-feature", 0, CV_FACT_PARENT_UNREADABLE },
	};
	static struct image i;
	struct cv_facts *f;

	(void)state;
	assert_pokes(pokes, CV_COUNT(pokes));
	build(&i, DIFFERENCING);
	poke(&i, &pokes[CV_COUNT(pokes) - 1]);
	f = facts_of(&i);
	assert_title(f, 0, "parent locator 1 of unknown platform 0x58585858");
	assert_int_equal(f->names[1].source, CV_NAME_UNKNOWN_LOCATOR);
	assert_int_equal(f->names[1].kind, CV_NAME_OPAQUE);
	assert_int_equal(f->names[1].text.len, 20);
	cv_facts_free(f);
	build(&i, DIFFERENCING);
	memset(i.b + NAME_AT, 'x', 512);
	poke(&i, &pokes[3]);
	f = facts_of(&i);
	assert_title(f, 0, "length of parent locator 0 (MacX) is 513, more than the 512 that can be meant");
	assert_int_equal(f->names[0].text.len, 512);
	cv_facts_free(f);
}

static void names_with_different_last_components_disagree(void **state)
{
	static const struct { const char *macx, *w2ku, *header, *title; } cases[] = {
		{ "file://./x/base.vhd", "C:\\old\\base.vhd", "base.vhd", NULL },
		{ "file://./base%20x.vhd", ".\\base x.vhd", "base x.vhd", NULL },
		{ "file://./base%20x.vhd", ".\\base%20x.vhd", "base%20x.vhd", NULL },
		{ "file://./Base.vhd", "C:\\old\\BASE.VHD", "Base.vhd", NULL },
		{ "file://./base.vhd/", ".\\base.vhd", "base.vhd", NULL },
		{ "file://./dddd", ".\\base.vhd", "base.vhd", "MacX says file://./dddd, W2ku says .\\base.vhd" },
		{ "file://./new.vhd", ".\\new.vhd", "base.vhd", "MacX says file://./new.vhd, header says base.vhd" },
		{ "file://./Base.vhd", ".\\base.vhd", "base.vhd",
		  "MacX says file://./Base.vhd, W2ku says .\\base.vhd" },
		{ "file://./base.vhd", ".\\base%2evhd", "base.vhd",
		  "MacX says file://./base.vhd, W2ku says .\\base%2evhd" },
	};
	static struct image i;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		uint8_t name[64];
		struct cv_facts *f;

		build_one_name(&i, 0, "MacX", cases[k].macx, false);
		build_locator(&i, 1, "W2ku", 512, NAME_AT + 512, name, utf16(name, cases[k].w2ku, false));
		header_name(&i, cases[k].header);
		seal(&i, SEAL_HEADER);
		f = facts_of(&i);
		assert_findings(f, cases[k].macx, cases[k].title ? "parent-locators-disagree" : "");
		if (cases[k].title)
			assert_title(f, 0, cases[k].title);
		cv_facts_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_change_to_the_header_gives_exactly_its_findings),
		cmocka_unit_test(a_fixed_disk_has_no_copy_of_its_own_footer),
		cmocka_unit_test(a_header_in_another_place_is_used_only_if_it_is_sound),
		cmocka_unit_test(all_legal_block_sizes_are_taken),
		cmocka_unit_test(more_bat_entries_than_a_file_can_hold_blocks_are_hostile),
		cmocka_unit_test(the_parent_is_known_by_identity_time_and_four_names),
		cmocka_unit_test(every_locator_code_gives_its_kind_of_name),
		cmocka_unit_test(all_eight_slots_are_read_in_their_order),
		cmocka_unit_test(undecodable_utf16_is_kept_and_never_followed),
		cmocka_unit_test(the_headers_name_is_a_hint_of_one_component),
		cmocka_unit_test(locator_numbers_are_checked_one_by_one),
		cmocka_unit_test(names_with_different_last_components_disagree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
