/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The table of the sources of references, and the words by which the user names them. A source is a row here
 * and a file of its own; what is read where is theirs.
 */
#include "inspect/reference/gather.h"
#include <unistd.h>

/* Enough for some million claims; a host that has more is not one that we understand. */
#define ARENA_CAP ((size_t)512 << 20)

static bool has_proc(void)
{
	return access("/proc/self/fd", F_OK) == 0;
}

static cv_source_reader read_auto, read_none;

/* Name, what follows it, what it is, is it found on this host (NULL: auto does not ask), reader. Adding a source
 * is a line here. */
#define SOURCES(S) \
	S("auto", "", "every source that is found on this host (the default)", NULL, read_auto) \
	S("none", "", "there is no source but the disks", NULL, read_none) \
	S("list", ":FILE", "a file with one path, UUID or name inside the repository a line", NULL, cv_list_read) \
	S("proc", "", "open files, mappings, loop devices and image locks of this host", has_proc, cv_proc_read)

static const struct source_row {
	const char *name, *argument;
	bool (*detect)(void);
	cv_source_reader *read;
} rows[] = {
#define ROW(word, follows, text, detector, reader) { word, follows, detector, reader },
	SOURCES(ROW)
#undef ROW
};

const struct cv_reference_row cv_reference_rows[] = {
#define ROW(word, follows, text, detector, reader) { word follows, text },
	SOURCES(ROW)
#undef ROW
	{ NULL, NULL },
};

static bool out_of_memory(struct cv_err *err)
{
	return cv_fail(err, CV_ENOMEM, "not enough memory for the references");
}

static bool copy(struct cv_gather *g, struct cv_bytes *bytes)
{
	if (!bytes->len)
		return true;
	bytes->at = cv_arena_dup(g->arena, bytes->at, bytes->len);
	return bytes->at;
}

bool cv_gather_claim(struct cv_gather *g, struct cv_claim claim)
{
	claim.source = (uint32_t)(g->sources.len - 1);
	if (!copy(g, &claim.text) || !copy(g, &claim.who) || !cv_claim_vec_push(&g->claims, claim))
		return false;
	g->sources.at[claim.source].claims++;
	return true;
}

void cv_gather_trouble(struct cv_gather *g, struct cv_claim_source *source, const char *text)
{
	source->trouble = cv_arena_dup(g->arena, text, strlen(text));
	if (!source->trouble)
		source->trouble = "not enough memory";
}

static bool is_read_already(const struct cv_gather *g, const char *name)
{
	for (size_t i = 0; i < g->sources.len; i++)
		if (!strcmp(g->sources.at[i].name, name))
			return true;
	return false;
}

/* automatic: its name was not given. */
static bool read_row(struct cv_gather *g, const struct source_row *row, const char *name, const char *argument,
		     bool automatic, struct cv_err *err)
{
	struct cv_claim_source source = { .name = name, .automatic = automatic }, *now;

	if (row->read == read_auto || row->read == read_none)
		return row->read(g, argument, NULL, err);
	if (is_read_already(g, name))
		return true;
	if (!cv_claim_source_vec_push(&g->sources, source))
		return out_of_memory(err);
	if (!row->read(g, argument, &source, err))
		return false;
	now = &g->sources.at[g->sources.len - 1];
	source.claims = now->claims;
	*now = source;
	return true;
}

static bool read_auto(struct cv_gather *g, const char *argument, struct cv_claim_source *source, struct cv_err *err)
{
	(void)source;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].detect && rows[i].detect() && !read_row(g, &rows[i], rows[i].name, argument, true, err))
			return false;
	return true;
}

/* Who has images open. */
static bool watch(struct cv_gather *g, struct cv_err *err)
{
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].read == cv_proc_read && rows[i].detect())
			return read_row(g, &rows[i], rows[i].name, NULL, true, err);
	return true;
}

static bool read_none(struct cv_gather *g, const char *argument, struct cv_claim_source *source, struct cv_err *err)
{
	(void)argument, (void)source, (void)err;
	g->none = true;
	return true;
}

static bool fail_word(struct cv_err *err, const char *word, const char *why)
{
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };

	cv_text_escape(&shown, cv_bytes_of(word));
	return cv_fail(err, CV_EUSAGE, "source of references \"%s\": %s", cv_text_str(&shown), why);
}

static bool read_word(struct cv_gather *g, const char *word, struct cv_err *err)
{
	const char *colon = strchr(word, ':'), *argument = colon ? colon + 1 : NULL;
	size_t len = colon ? (size_t)(colon - word) : strlen(word);

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const struct source_row *row = &rows[i];

		if (strlen(row->name) != len || strncmp(row->name, word, len))
			continue;
		if (*row->argument && (!argument || !*argument))
			return fail_word(err, word, "a file name has to follow, as in list:FILE");
		if (!*row->argument && argument)
			return fail_word(err, word, "nothing can follow its name");
		return read_row(g, row, word, argument, false, err);
	}
	return fail_word(err, word, "there is no such source; see --help");
}

static bool read_spec(struct cv_gather *g, const char *spec, struct cv_err *err)
{
	size_t words = 0;

	for (const char *at = spec;; words++) {
		size_t len = strcspn(at, ",");
		const char *word = cv_arena_dup(g->arena, at, len);

		if (!word)
			return out_of_memory(err);
		if (!read_word(g, word, err))
			return false;
		if (!at[len])
			break;
		at += len + 1;
	}
	if (g->none && words)
		return cv_fail(err, CV_EUSAGE, "\"none\" says that there is no source, it cannot stand beside one");
	return true;
}

static bool is_complete(const struct cv_gather *g, size_t count)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (!g->sources.at[i].read)
			return false;
		any |= g->sources.at[i].complete;
	}
	return any;
}

struct cv_references *cv_references_read(const char *spec, const struct cv_scan *scan, struct cv_err *err)
{
	struct cv_gather g = { .scan = scan, .arena = cv_arena_new(ARENA_CAP) };
	struct cv_references *refs = calloc(1, sizeof *refs);
	bool ok = (g.arena && refs) || out_of_memory(err);
	size_t asked;

	ok = ok && read_spec(&g, spec ? spec : "auto", err);
	asked = g.sources.len;
	ok = ok && watch(&g, err);
	if (refs)
		*refs = (struct cv_references){
			.claims = g.claims.at, .claim_count = g.claims.len,
			.sources = g.sources.at, .source_count = asked, .watched_count = g.sources.len - asked,
			.complete = is_complete(&g, asked), .none = g.none, .arena = g.arena,
		};
	else
		cv_arena_free(g.arena);
	if (ok)
		return refs;
	cv_references_free(refs);
	return NULL;
}

void cv_references_free(struct cv_references *refs)
{
	if (!refs)
		return;
	free(refs->claims);
	free(refs->sources);
	cv_arena_free(refs->arena);
	free(refs);
}
