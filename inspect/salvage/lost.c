/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The list of what was lost: ranges come in while pieces are copied, about in order, and are sorted once. */
#include <chainview/salvage.h>
#include <chainview/vec.h>

static const struct { const char *name, *text; } whys[CV_LOST_WHY_COUNT] = {
	[CV_LOST_UNKNOWN] = { "unknown", "no reason is known" },
	[CV_LOST_PAST_END] = { "past-end", "past the end of the file" },
	[CV_LOST_ENTRY] = { "entry", "the table entry cannot be true" },
	[CV_LOST_IO] = { "io-error", "the file cannot be read there" },
	[CV_LOST_INFLATE] = { "compressed", "a compressed cluster does not decompress" },
	[CV_LOST_PARENT] = { "parent-missing", "in a parent that is not there" },
	[CV_LOST_ENCRYPTED] = { "encrypted", "encrypted" },
	[CV_LOST_OVERLAP] = { "overlap", "two entries lead to the same bytes" },
};

const char *cv_lost_why_name(enum cv_lost_why why)
{
	return whys[(unsigned)why < CV_LOST_WHY_COUNT ? why : CV_LOST_UNKNOWN].name;
}

const char *cv_lost_why_text(enum cv_lost_why why)
{
	return whys[(unsigned)why < CV_LOST_WHY_COUNT ? why : CV_LOST_UNKNOWN].text;
}

static bool continues(const struct cv_lost *a, const struct cv_lost *b)
{
	return a->at.off + a->at.len == b->at.off && a->layer == b->layer && a->why == b->why && a->placed == b->placed;
}

bool cv_lost_add(struct cv_lost_list *list, struct cv_lost lost, struct cv_err *err)
{
	struct cv_lost *last = list->len ? &list->at[list->len - 1] : NULL;

	if (!lost.at.len)
		return true;
	list->settled = false;
	if (last && continues(last, &lost)) {
		last->at.len += lost.at.len;
		return true;
	}
	if (list->len == CV_LOST_MOST)
		return cv_fail(err, CV_ELIMIT, "more than %" PRIu32 " ranges of the disk cannot be read", CV_LOST_MOST);
	if (list->len == list->cap) {
		struct cv_lost *grown = cv_vec_grow(list->at, &list->cap, list->len + 1, sizeof *list->at);

		if (!grown)
			return cv_fail(err, CV_ENOMEM, "out of memory for %zu ranges that cannot be read", list->len + 1);
		list->at = grown;
	}
	list->at[list->len++] = lost;
	return true;
}

static int by_place(const void *a, const void *b)
{
	const struct cv_lost *x = a, *y = b;

	return x->at.off < y->at.off ? -1 : x->at.off > y->at.off;
}

void cv_lost_settle(struct cv_lost_list *list)
{
	size_t kept = 0;

	if (list->settled)
		return;
	if (list->len)
		qsort(list->at, list->len, sizeof *list->at, by_place);
	list->bytes = 0;
	for (size_t i = 0; i < list->len; i++) {
		list->bytes += list->at[i].at.len;
		if (kept && continues(&list->at[kept - 1], &list->at[i]))
			list->at[kept - 1].at.len += list->at[i].at.len;
		else
			list->at[kept++] = list->at[i];
	}
	list->len = kept;
	list->settled = true;
}

void cv_lost_fini(struct cv_lost_list *list)
{
	free(list->at);
	*list = (struct cv_lost_list){ .len = 0 };
}
