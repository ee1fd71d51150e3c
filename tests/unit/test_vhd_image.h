/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHD images of a few sectors, built in memory byte by byte (not with the reader's own layout header) as
 * vhd-util lays them out, and the few calls that all tests of the VHD reader need.
 */
#ifndef CV_TESTS_UNIT_TEST_VHD_IMAGE_H
#define CV_TESTS_UNIT_TEST_VHD_IMAGE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <chainview/format.h>
#include <cmocka.h>

extern const struct cv_format cv_format_vhd;

enum { COPY_AT = 0, HEADER_AT = 512, BAT_AT = 1536, BATMAP_AT = 2048, MAP_AT = 2560, NAME_AT = 3072, ROOM = 80 << 10 };
enum { FIXED = 2, DYNAMIC = 3, DIFFERENCING = 4 };
enum { SEAL_END = 1, SEAL_COPY = 2, SEAL_HEADER = 4, SEAL_FOOTERS = 3, SEAL_ALL = 7 };
#define DISK (UINT64_C(10) << 20)

struct image {
	uint8_t b[ROOM];
	size_t len;
};

static inline size_t end_at(const struct image *i)
{
	return i->len - 512;
}

static inline void put(struct image *i, size_t off, size_t width, uint64_t n)
{
	while (width--) {
		i->b[off + width] = (uint8_t)n;
		n >>= 8;
	}
}

/* In the footer and, unless the disk is fixed, in its copy. */
static inline void put_both(struct image *i, size_t off, size_t width, uint64_t n)
{
	put(i, end_at(i) + off, width, n);
	if (i->b[end_at(i) + 63] != FIXED)
		put(i, COPY_AT + off, width, n);
}

static inline void put_text_both(struct image *i, size_t off, const char *text, size_t len)
{
	for (size_t k = 0; k < len; k++)
		put_both(i, off + k, 1, (uint8_t)text[k]);
}

static inline void seal_one(struct image *i, size_t at, size_t len, size_t sum_at)
{
	uint32_t sum = 0;

	put(i, at + sum_at, 4, 0);
	for (size_t k = 0; k < len; k++)
		sum += i->b[at + k];
	put(i, at + sum_at, 4, (uint32_t)~sum);
}

static inline void seal(struct image *i, unsigned what)
{
	if (what & SEAL_END)
		seal_one(i, end_at(i), 512, 64);
	if (what & SEAL_COPY)
		seal_one(i, COPY_AT, 512, 64);
	if (what & SEAL_HEADER)
		seal_one(i, HEADER_AT, 1024, 36);
}

static inline void build_footer(struct image *i, size_t at, uint8_t type, uint64_t size, uint32_t geometry)
{
	memcpy(i->b + at, "conectix", 8);
	put(i, at + 8, 4, 2);
	put(i, at + 12, 4, 0x10000);
	put(i, at + 16, 8, type == FIXED ? UINT64_MAX : HEADER_AT);
	put(i, at + 24, 4, 800000000);
	memcpy(i->b + at + 28, "tap", 4);
	put(i, at + 32, 4, 0x10003);
	put(i, at + 40, 8, size);
	put(i, at + 48, 8, size);
	put(i, at + 56, 4, geometry);
	i->b[at + 63] = type;
	for (size_t k = 0; k < 16; k++)
		i->b[at + 68 + k] = (uint8_t)(0xa0 + k);
}

static inline void build_locator(struct image *i, unsigned slot, const char *code, uint32_t space, size_t at,
				 const void *name, size_t len)
{
	size_t entry = HEADER_AT + 576 + slot * 24;

	memcpy(i->b + entry, code, 4);
	put(i, entry + 4, 4, space);
	put(i, entry + 8, 4, len);
	put(i, entry + 16, 8, at);
	memcpy(i->b + at, name, len);
}

/* ASCII as UTF-16; returns the number of bytes. */
static inline size_t utf16(uint8_t *out, const char *text, bool big_endian)
{
	size_t len = strlen(text);

	for (size_t k = 0; k < len; k++) {
		out[2 * k + big_endian] = (uint8_t)text[k];
		out[2 * k + !big_endian] = 0;
	}
	return 2 * len;
}

static inline void header_name(struct image *i, const char *text)
{
	memset(i->b + HEADER_AT + 64, 0, 512);
	utf16(i->b + HEADER_AT + 64, text, true);
}

static inline void build_header(struct image *i)
{
	memcpy(i->b + HEADER_AT, "cxsparse", 8);
	put(i, HEADER_AT + 8, 8, UINT64_MAX);
	put(i, HEADER_AT + 16, 8, BAT_AT);
	put(i, HEADER_AT + 24, 4, 0x10000);
	put(i, HEADER_AT + 28, 4, 5);
	put(i, HEADER_AT + 32, 4, 2 << 20);
	memset(i->b + BAT_AT, 0xff, 20);
	memcpy(i->b + BATMAP_AT, "tdbatmap", 8);
	put(i, BATMAP_AT + 8, 8, MAP_AT);
	put(i, BATMAP_AT + 16, 4, 1);
	put(i, BATMAP_AT + 20, 4, 0x10002);
	put(i, BATMAP_AT + 24, 4, UINT32_MAX);
}

static inline void build_parent(struct image *i)
{
	uint8_t name[64];

	for (size_t k = 0; k < 16; k++)
		i->b[HEADER_AT + 40 + k] = (uint8_t)(0x10 + k);
	put(i, HEADER_AT + 56, 4, 700000000);
	header_name(i, "base.vhd");
	build_locator(i, 0, "MacX", 512, NAME_AT, "file://./base.vhd", 17);
	build_locator(i, 1, "W2ku", 512, NAME_AT + 512, name, utf16(name, ".\\base.vhd", false));
	build_locator(i, 2, "W2ru", 512, NAME_AT + 1024, name, utf16(name, ".\\base.vhd", false));
}

/* A sound image: 10 MiB without blocks, or 64 KiB fixed. */
static inline void build(struct image *i, uint8_t type)
{
	memset(i, 0, sizeof *i);
	i->len = type == FIXED ? (64 << 10) + 512 : type == DYNAMIC ? NAME_AT + 512 : NAME_AT + 2048;
	if (type == FIXED) {
		build_footer(i, end_at(i), type, 64 << 10, 0x00010411);
		seal(i, SEAL_END);
		return;
	}
	build_footer(i, end_at(i), type, DISK, 301 << 16 | 0x0411);
	build_footer(i, COPY_AT, type, DISK, 301 << 16 | 0x0411);
	build_header(i);
	if (type == DIFFERENCING)
		build_parent(i);
	seal(i, SEAL_ALL);
}

/* Moves the footer so that the file has len bytes. */
static inline void resize(struct image *i, size_t len)
{
	uint8_t footer[512];

	memcpy(footer, i->b + end_at(i), 512);
	memset(i->b + end_at(i), 0, 512);
	i->len = len;
	memcpy(i->b + end_at(i), footer, 512);
}

static inline void set_creator(struct image *i, const char *app, uint32_t version)
{
	put_text_both(i, 28, app, 4);
	put_both(i, 32, 4, version);
}

static inline struct cv_source *source_of(const struct image *i)
{
	struct cv_err err = { CV_OK };
	struct cv_source *s = cv_source_memory(i->b, i->len, &err);

	assert_non_null(s);
	return s;
}

/* Reads the image, which must not fail. */
static inline struct cv_facts *facts_of(const struct image *i)
{
	struct cv_source *s = source_of(i);
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { CV_OK };

	assert_non_null(f);
	if (!cv_format_vhd.read(s, f, &err))
		fail_msg("read: %s", err.text);
	cv_source_close(s);
	return f;
}

static inline unsigned probe_of(const struct image *i)
{
	struct cv_source *s = source_of(i);
	unsigned score = cv_format_vhd.probe(s);

	cv_source_close(s);
	return score;
}

/* The names of all findings in their order, separated by blanks. */
static inline void findings_of(const struct cv_facts *f, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t k = 0; k < f->finding_count && used < size; k++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", k ? " " : "",
					 cv_problem_by_id(f->findings[k].id)->name);
}

static inline void assert_findings(const struct cv_facts *f, const char *what, const char *expected)
{
	char found[600];

	findings_of(f, found, sizeof found);
	if (strcmp(found, expected))
		fail_msg("%s: found \"%s\", expected \"%s\"", what, found, expected);
}

static inline void assert_bytes(struct cv_bytes bytes, const char *expected)
{
	if (!cv_bytes_equal(bytes, cv_bytes_of(expected)))
		fail_msg("\"%.*s\", expected \"%s\"", (int)bytes.len, bytes.at, expected);
}

static inline void assert_title(const struct cv_facts *f, uint32_t index, const char *expected)
{
	struct cv_text t = { 0 };

	assert_true(index < f->finding_count);
	cv_finding_title(&t, &f->findings[index]);
	assert_string_equal(cv_text_str(&t), expected);
	cv_text_fini(&t);
}

/* One change to a sound image and what follows from it. */
struct poke {
	const char *what;
	uint8_t type;
	enum { AT_END = 1, AT_COPY = 2, AT_BOTH = 3, AT_FILE = 4 } at;
	uint16_t off;
	uint8_t width;
	uint64_t value;
	unsigned seal;
	const char *findings;
	uint32_t set, clear;         /* flags that must be and must not be */
};

static inline void poke(struct image *i, const struct poke *p)
{
	if (p->at == AT_FILE)
		put(i, p->off, p->width, p->value);
	if (p->at & AT_END)
		put(i, end_at(i) + p->off, p->width, p->value);
	if (p->at & AT_COPY)
		put(i, COPY_AT + p->off, p->width, p->value);
	seal(i, p->seal);
}

static inline void assert_pokes(const struct poke *pokes, size_t count)
{
	static struct image i;

	for (const struct poke *p = pokes; p < pokes + count; p++) {
		struct cv_facts *f;

		build(&i, p->type);
		poke(&i, p);
		f = facts_of(&i);
		assert_findings(f, p->what, p->findings);
		if ((f->flags & p->set) != p->set || f->flags & p->clear)
			fail_msg("%s: flags are 0x%x", p->what, f->flags);
		cv_facts_free(f);
	}
}

#endif
