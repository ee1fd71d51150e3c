/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The verbs that damage a file: single bytes, runs of bytes, its length. */
#include "repair/sample/maker.h"

/* "bat", "footer+64", "end-512", "0x600": a structure or a number, and a distance from it. */
static bool read_offset(struct cv_maker *m, const struct cv_file_out *out, const char *name, const char *text,
			uint64_t *off, struct cv_err *err)
{
	const struct cv_made *made = cv_made_find(m, name);
	size_t len = strcspn(text, "+");
	const char *minus = strstr(text, "end-");
	const char *base;
	const struct cv_spot *spot;
	uint64_t distance = 0;

	if (minus == text) {
		if (!cv_out_size(out, off, err))
			return false;
		return (cv_recipe_number(text + 4, &distance) && distance <= *off && ((*off -= distance), true)) ||
		       cv_fail(err, CV_EFORMAT, "%s is not in the file", text);
	}
	base = cv_made_text(m, err, "%.*s", (int)len, text);
	if (!base)
		return false;
	spot = cv_spot_find(made, base);
	if (spot)
		*off = spot->off;
	else if (!cv_recipe_number(base, off))
		return cv_fail(err, CV_EFORMAT, "%s has no structure %s", name, base);
	if (text[len] && !cv_recipe_number(text + len + 1, &distance))
		return cv_fail(err, CV_EFORMAT, "%s is not an offset", text);
	*off += distance;
	return true;
}

/* Hex digits in pairs. */
static bool read_hex(const char *text, struct cv_text *bytes, struct cv_err *err)
{
	size_t len = strlen(text);

	if (len % 2 || !len || strspn(text, "0123456789abcdefABCDEF") != len)
		return cv_fail(err, CV_EFORMAT, "%s is not a number of bytes in hex", text);
	for (; *text; text += 2) {
		const char pair[] = { text[0], text[1], '\0' };
		char byte = (char)strtoul(pair, NULL, 16);

		cv_text_add_bytes(bytes, &byte, 1);
	}
	return !bytes->failed || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool write_at(struct cv_maker *m, const char *name, const char *where, const struct cv_text *bytes,
		     struct cv_err *err)
{
	struct cv_file_out out;
	uint64_t off;

	return cv_made_open(m, name, &out, err) &&
	       cv_out_close(&out,
			    read_offset(m, &out, name, where, &off, err) &&
				    cv_out_write(&out, bytes->at, bytes->len, off, err),
			    err);
}

static bool poke(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text bytes = { 0 };

	for (size_t i = 3; i < line->count; i++)
		if (!read_hex(line->words[i], &bytes, err))
			return false;
	return write_at(m, line->words[1], line->words[2], &bytes, err);
}

static bool fill(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text bytes = { 0 }, one = { 0 };
	uint64_t len;

	if (!cv_recipe_number(line->words[3], &len) || !len || len > 1 << 24)
		return cv_fail(err, CV_EFORMAT, "%s is not a number of bytes", line->words[3]);
	if (!read_hex(line->words[4], &one, err))
		return false;
	if (one.len != 1)
		return cv_fail(err, CV_EFORMAT, "fill takes one byte");
	cv_text_fill(&bytes, one.at[0], len);
	if (bytes.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return write_at(m, line->words[1], line->words[2], &bytes, err);
}

static bool resize(struct cv_maker *m, const char *name, bool relative, const char *text, struct cv_err *err)
{
	struct cv_file_out out;
	uint64_t size, n;
	bool ok;

	if (!cv_size_parse(text, &n))
		return cv_fail(err, CV_EFORMAT, "%s is not a size", text);
	if (!cv_made_open(m, name, &out, err))
		return false;
	ok = cv_out_size(&out, &size, err);
	if (ok && relative && n > size)
		ok = cv_fail(err, CV_EFORMAT, "the file has only %" PRIu64 " bytes", size);
	return cv_out_close(&out, ok && cv_out_resize(&out, relative ? size - n : n, err), err);
}

static bool truncate_file(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	return resize(m, line->words[1], false, line->words[2], err);
}

static bool chop(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	return resize(m, line->words[1], true, line->words[2], err);
}

const struct cv_verb cv_verbs_damage[] = {
	{ "poke", "poke FILE OFFSET HEX...", 4, 0, poke },
	{ "fill", "fill FILE OFFSET LENGTH HEX", 5, 5, fill },
	{ "truncate", "truncate FILE SIZE", 3, 3, truncate_file },
	{ "chop", "chop FILE BYTES", 3, 3, chop },
	{ "set", "set FILE FIELD=VALUE...", 3, 0, cv_damage_set },
	{ "seal", "seal FILE", 2, 2, cv_damage_seal },
	{ NULL, NULL, 0, 0, NULL },
};
