/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The names of parents that a VHD stores, in every encoding, and the locators that say where they lie. */
#include "tests/fuzz/target.h"
#include <chainview/scan.h>
#include "inspect/vhd/vhd_name.h"

/* One of the platforms, the header's own field, or none. */
static const struct vhd_platform *choose(unsigned n)
{
	static const char *const codes[] = { "MacX", "W2ku", "W2ru", "Mac ", "Wi2r", "Wi2k" };

	if (n % 8 == 7)
		return NULL;
	return n % 8 == 6 ? &cv_vhd_header_name : cv_vhd_platform((const uint8_t *)codes[n % 8]);
}

static void require_name(const struct cv_name *n)
{
	bool followed = n->kind != CV_NAME_OPAQUE && n->kind != CV_NAME_EXTERNAL;
	struct cv_text path = { 0 };

	fuzz_require(n->text.len, "a name without text");
	fuzz_require(followed == (n->path.len != 0), "kind %d with a path of %zu bytes", n->kind, n->path.len);
	fuzz_require(n->kind != CV_NAME_ABSOLUTE || n->path.at[0] == '/', "absolute, but not from /");
	fuzz_require(n->kind != CV_NAME_BASENAME || !memchr(n->path.at, '/', n->path.len), "a name with a folder");
	if (followed && cv_path_join(&path, "/sr", n->path))
		fuzz_require(path.at[0] == '/', "it leads nowhere");
	cv_text_fini(&path);
}

static void run_names(const uint8_t *at, size_t len)
{
	struct cv_facts *facts = cv_facts_new();
	struct cv_text decoded = { 0 };

	fuzz_require(facts, "no memory");
	if (len > 1) {
		cv_vhd_name_add(facts, choose(at[0]), at + 1, (struct cv_range){ 512, len - 1 });
		cv_vhd_percent_decode(&decoded, (struct cv_bytes){ (const char *)at + 1, len - 1 }, at[0] & 8);
		fuzz_require(decoded.len < len, "decoding made it longer");
	}
	for (uint32_t i = 0; i < facts->name_count; i++)
		require_name(&facts->names[i]);
	cv_text_fini(&decoded);
	cv_facts_free(facts);
}

/* One of each platform, as bytes and in UTF-16. */
static void name_seeds(struct fuzz_seeds *s)
{
	static const char path[] = "\\\\?\\Volume{1}\\sub\\base.vhd";
	static const char *const plain[] = { "file:///sr/base.vhd", "file://./a%20b", "nbd://host/x", "..\\x\\base.vhd" };
	uint8_t wide[1 + 2 * sizeof path];

	for (uint8_t platform = 0; platform < 8; platform++) {
		wide[0] = platform;
		for (size_t i = 0; i < sizeof path; i++) {
			wide[1 + 2 * i] = platform == 6 ? 0 : (uint8_t)path[i];
			wide[2 + 2 * i] = platform == 6 ? (uint8_t)path[i] : 0;
		}
		s->keep(s, wide, sizeof wide);
		for (size_t i = 0; i < CV_COUNT(plain); i++) {
			memcpy(wide + 1, plain[i], strlen(plain[i]));
			s->keep(s, wide, 1 + strlen(plain[i]));
		}
	}
}

const struct fuzz_target fuzz_target_names = {
	.name = "names", .max = 1024, .run = run_names, .seeds = name_seeds,
};

/* A header's locators and own name, and the file behind it: 192 bytes of the former, 64 of the latter, then the file. */
static void run_locators(const uint8_t *at, size_t len)
{
	struct vhd_reader r = { .header = { .present = true, .where = { 512, sizeof(struct vhd_header_disk) } } };
	size_t locators = sizeof r.header.disk.locators, own = 64;
	struct cv_err err = { 0 };

	if (len < locators + own)
		return;
	memcpy(r.header.disk.locators, at, locators);
	memcpy(r.header.disk.parent_name, at + locators, own);
	r.facts = cv_facts_new();
	r.source = cv_source_memory(at + locators + own, len - locators - own, &err);
	fuzz_require(r.facts && r.source, "no memory");
	if (!cv_vhd_locators_read(&r, &err))
		fuzz_require_shown(cv_bytes_of(err.text), false);
	for (uint32_t i = 0; i < r.facts->name_count; i++)
		require_name(&r.facts->names[i]);
	cv_source_close(r.source);
	cv_facts_free(r.facts);
}

static void locator_seeds(struct fuzz_seeds *s)
{
	static const char *const codes[] = { "MacX", "W2ku", "W2ru", "Mac ", "Wi2r", "Wi2k", "none", "\0\0\0" };
	uint8_t input[192 + 64 + 512] = { 0 };

	for (size_t i = 0; i < CV_COUNT(codes); i++) {
		struct vhd_locator_disk *d = (void *)(input + i * sizeof *d);

		memcpy(d->code, codes[i], 4);
		d->space = cv_be32_of(1);
		d->length = cv_be32_of(20);
		d->offset = cv_be64_of(64 * i);
		memcpy(input + 256 + 64 * i, "f\0i\0l\0e\0:\0/\0/\0x\0\\\0y\0", 20);
	}
	s->keep(s, input, sizeof input);
}

const struct fuzz_target fuzz_target_locators = {
	.name = "locators", .max = 2048, .run = run_locators, .seeds = locator_seeds,
};
