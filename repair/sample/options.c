/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The key=value words of a recipe, read by table. Knows the kinds of values, not what they are for. */
#include "inspect/chain/build.h"
#include "repair/sample/maker.h"
#include <time.h>

bool cv_word_time(const char *text, int64_t *unix_seconds)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	if (!end || *end)
		return false;
	*unix_seconds = timegm(&tm);
	return true;
}

bool cv_word_uuid(const char *text, uint8_t uuid[16])
{
	if (strcmp(text, "null"))
		return cv_uuid_read(text, strlen(text), uuid);
	memset(uuid, 0, 16);
	return true;
}

static bool read_size(const char *text, uint64_t *size)
{
	if (!strcmp(text, "all")) {
		*size = UINT64_MAX;
		return true;
	}
	return cv_size_parse(text, size);
}

/* The value of a word whose key fits, "" for a bare key; NULL if the key is another one. */
static const char *value_of(const char *word, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(word, key, len) || (word[len] && word[len] != '='))
		return NULL;
	return word[len] ? word + len + 1 : word + len;
}

static bool store(const struct cv_word_row *row, const char *value, void *slot)
{
	struct cv_uuid_option *uuid = slot;
	struct cv_time_option *time = slot;

	switch (row->kind) {
	case CV_WORD_FLAG:
		*(bool *)slot = true;
		return !*value;
	case CV_WORD_TEXT:
		*(const char **)slot = value;
		return true;
	case CV_WORD_NUMBER:
		return cv_recipe_number(value, slot);
	case CV_WORD_SIZE:
		return read_size(value, slot);
	case CV_WORD_UUID:
		return uuid->given = cv_word_uuid(value, uuid->uuid);
	case CV_WORD_TIME:
		return time->given = cv_word_time(value, &time->unix_seconds);
	case CV_WORD_STEP:
		return *value;
	}
	return false;
}

static bool read_option(const char *word, const struct cv_word_row *rows, void *into, struct cv_err *err)
{
	for (; rows->key; rows++) {
		const char *value = value_of(word, rows->key);

		if (!value)
			continue;
		return store(rows, value, (char *)into + rows->slot) ||
		       cv_fail(err, CV_EFORMAT, "%s has a value that it cannot have", rows->key);
	}
	return cv_fail(err, CV_EFORMAT, "unknown option %s", word);
}

bool cv_words_read(const struct cv_recipe_line *line, const struct cv_word_row *rows, void *into, struct cv_err *err)
{
	for (size_t i = 2; i < line->count; i++)
		if (!read_option(line->words[i], rows, into, err))
			return false;
	return true;
}

bool cv_steps_run(const struct cv_recipe_line *line, const struct cv_step_row *rows, void *ctx, struct cv_err *err)
{
	for (size_t i = 2; i < line->count; i++) {
		for (const struct cv_step_row *row = rows; row->key; row++) {
			const char *value = value_of(line->words[i], row->key);

			if (value && !row->run(ctx, value, err))
				return cv_wrap(err, "%s", row->key);
		}
	}
	return true;
}

/* One number at *at, which is left behind it. */
static bool list_number(const char **at, uint64_t *n)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*n = strtoull(*at, &end, 10);
	*at = end;
	return errno == 0;
}

bool cv_list_each(const char *list, bool (*run)(void *ctx, uint64_t n, struct cv_err *err), void *ctx,
		  struct cv_err *err)
{
	const char *at = list;

	for (;;) {
		uint64_t first, last;

		if (!list_number(&at, &first))
			break;
		last = first;
		if (*at == '-' && (at++, !list_number(&at, &last)))
			break;
		if (last < first || last - first > 1000000)
			break;
		for (uint64_t n = first; n <= last; n++)
			if (!run(ctx, n, err))
				return false;
		if (!*at)
			return true;
		if (*at++ != ',')
			break;
	}
	return cv_fail(err, CV_EFORMAT, "%s is not a list like 0-3,7", list);
}
