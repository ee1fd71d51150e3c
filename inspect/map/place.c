/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* One guest offset in all images of a chain: what each of them says about it, and what a guest reads. */
#include "inspect/map/stream.h"

/* The text of a layer about one offset; a page of a terminal. */
#define DETAIL_MAX 8192u

/* Lines may come from a process that was taken over: each is escaped anew. */
static char *clean_lines(const uint8_t *bytes, size_t len)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (len > DETAIL_MAX)
		len = DETAIL_MAX;
	for (size_t at = 0; at < len;) {
		const uint8_t *newline = memchr(bytes + at, '\n', len - at);
		size_t line = newline ? (size_t)(newline - bytes) - at : len - at;

		cv_text_escape(&t, (struct cv_bytes){ (const char *)bytes + at, line });
		cv_text_add(&t, "\n");
		at += line + 1;
	}
	return t.failed ? NULL : strdup(cv_text_str(&t));
}

bool cv_map_hear_word(struct cv_map *map, const struct cv_task_record *r, struct cv_err *err)
{
	struct cv_map_place *place = map->place;
	struct cv_map_said said;
	struct cv_map_word *word;
	uint32_t block_size;

	if (!map->ready || r->len < sizeof said || place->count >= map->info.count)
		return cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer: a word too many");
	memcpy(&said, r->bytes, sizeof said);
	if (said.layer != place->count || said.extent.off != place->offset || !said.extent.len ||
	    said.extent.kind > CV_EXTENT_BAD)
		return cv_fail(err, CV_EFORMAT,
			       "the reading process gave a damaged answer: a word about something else");
	block_size = map->layers[said.layer].block_size;
	word = &place->words[place->count];
	word->extent = cv_map_unpack(&said.extent);
	word->extent.layer = said.layer;
	word->block = place->offset / block_size;
	word->detail = clean_lines(r->bytes + sizeof said, r->len - sizeof said);
	place->count++;
	return word->detail || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool follow(struct cv_map *map, struct cv_map_place *place, struct cv_err *err)
{
	bool decided = false;

	for (;;) {
		const struct cv_extent *extents;
		size_t count;
		enum cv_map_state state = cv_map_next(map, -1, &extents, &count, err);

		if (state == CV_MAP_FAILED)
			return false;
		if (state == CV_MAP_DONE)
			return decided || cv_fail(err, CV_EUSAGE, "the disk has no bytes");
		if (state == CV_MAP_WAIT)
			return cv_fail(err, CV_ECANCELLED, "interrupted");
		if (count && !decided) {
			place->decided = extents[0];
			decided = true;
		}
	}
}

bool cv_map_at(const struct cv_graph *g, uint32_t image, uint64_t offset, struct cv_map_place *place,
	       struct cv_map **map, struct cv_err *err)
{
	struct cv_map_options one = { .range = { offset, 1 } };

	*place = (struct cv_map_place){ .offset = offset };
	*map = cv_map_begin(g, image, &one, true, err);
	if (!*map)
		return false;
	place->words = calloc((*map)->files.count, sizeof *place->words);
	(*map)->place = place;
	if (!place->words)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return follow(*map, place, err);
}

void cv_map_place_fini(struct cv_map_place *place)
{
	for (size_t i = 0; i < place->count; i++)
		free(place->words[i].detail);
	free(place->words);
	*place = (struct cv_map_place){ 0 };
}
