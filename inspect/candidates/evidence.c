/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What speaks for and against a candidate: one function for each kind of evidence, from the metadata of both images alone.
 * Weights: an identity outweighs all that can be said of names, a name all that can be said of sizes and times. What
 * differs by less than CV_TIE_MARGIN decides nothing.
 */
#include "inspect/candidates/candidates.h"
#include <stdarg.h>
#include <stdio.h>

#define NS 1000000000

struct weighing {
	struct cv_search *s;
	struct cv_suspect *x;
	const struct cv_image *child, *image;
	const struct cv_pooled *entry;
};

CV_PRINTF(5, 6)
static void say(struct weighing *w, enum cv_evidence_kind kind, int weight, bool against, const char *fmt, ...)
{
	CV_AUTO(cv_auto_free) char *text = NULL;
	struct cv_evidence e = { .kind = kind, .weight = weight, .against = against };
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	e.text = len < 0 ? NULL : cv_arena_dup(w->s->arena, text, (size_t)len);
	w->s->failed |= !e.text || !cv_evidence_vec_push(&w->x->evidence, e);
	w->x->pub.score += weight;
	w->x->pub.against |= against;
}

static bool has_uuid(const struct cv_image *m, const uint8_t uuid[16])
{
	return cv_has(m->facts, CV_FACT_UUID) && !memcmp(m->facts->uuid, uuid, 16);
}

static void identity(struct weighing *w)
{
	const struct cv_facts *wanted = w->child->facts;
	bool same_format = w->image->format == w->child->format;

	if (!w->s->identified)
		return;
	w->x->pub.identity = same_format && (has_uuid(w->image, wanted->parent_uuid) ||
					     (w->s->second_known && has_uuid(w->image, w->s->second)));
	if (w->x->pub.identity && has_uuid(w->image, wanted->parent_uuid))
		say(w, CV_EVIDENCE_IDENTITY, 100, false, "it has the recorded identity %s",
		    cv_uuid_str(wanted->parent_uuid).s);
	else if (w->x->pub.identity)
		say(w, CV_EVIDENCE_IDENTITY, 90, false, "it has the second of the two recorded identities, %s",
		    cv_uuid_str(w->s->second).s);
	else if (same_format && !cv_has(w->image->facts, CV_FACT_UUID))
		say(w, CV_EVIDENCE_IDENTITY, -20, false, "it has no identity, and one is recorded");
	else if (same_format)
		say(w, CV_EVIDENCE_IDENTITY, -100, true, "its identity is %s, not the recorded %s",
		    cv_uuid_str(w->image->facts->uuid).s, cv_uuid_str(wanted->parent_uuid).s);
}

static void chain(struct weighing *w)
{
	if (cv_search_stands_on_child(w->s, w->x))
		say(w, CV_EVIDENCE_CHAIN, -100, true,
		    "it stands on this image itself, so they would go round in a circle");
}

/* --- names ----------------------------------------------------------------------------------------------- */

static struct cv_bytes folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (struct cv_bytes){ path, !slash ? 0 : slash == path ? 1 : (size_t)(slash - path) };
}

static bool is_called(const struct cv_file *f, const char *path)
{
	bool is = !strcmp(f->path, path);

	for (uint32_t i = 0; !is && i < f->alias_count; i++)
		is = !strcmp(f->aliases[i], path);
	return is;
}

static bool leads_from(const struct weighing *w, const char *child, const struct cv_name *name)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 }, path = { 0 };
	struct cv_bytes at = folder_of(child);

	cv_text_add_bytes(&folder, at.at, at.len);
	return cv_path_join(&path, cv_text_str(&folder), name->path) && !path.failed && !folder.failed &&
	       is_called(w->image->file, cv_text_str(&path));
}

/* From each path of the image. By text alone: what links on the way do is for the graph to know. */
static bool leads_to(const struct weighing *w, const struct cv_name *name)
{
	const struct cv_file *f = w->child->file;
	bool leads = false;

	if (!cv_name_is_path(name) || w->entry->trash)
		return false;
	leads = leads_from(w, f->path, name);
	for (uint32_t i = 0; !leads && i < f->alias_count; i++)
		leads = leads_from(w, f->aliases[i], name);
	return leads;
}

static unsigned common_end(const struct weighing *w, const struct cv_name *name)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	unsigned best = 0, common;

	if (!cv_search_name(name, &path)) {
		w->s->failed |= path.failed;
		return 0;
	}
	cv_compare_tails((struct cv_bytes){ path.at, path.len },
			 cv_bytes_of(w->entry->trash ? w->entry->name : w->image->file->path), &best);
	for (uint32_t i = 0; !w->entry->trash && i < w->image->file->alias_count; i++) {
		cv_compare_tails((struct cv_bytes){ path.at, path.len }, cv_bytes_of(w->image->file->aliases[i]),
				 &common);
		best = common > best ? common : best;
	}
	return best;
}

/* "MacX, header": each kind of name once. */
static void add_source(struct cv_text *t, const struct cv_name *name)
{
	const char *source = cv_name_source_name(name->source);

	if (!strstr(cv_text_str(t), source))
		cv_text_addf(t, "%s%s", t->len ? ", " : "", source);
}

/* Numbered like what is recorded, or like the image itself. */
static void naming(struct weighing *w)
{
	const struct cv_facts *f = w->child->facts;
	struct cv_bytes stem = w->entry->stem, own = cv_name_stem(cv_bytes_of(w->s->pool->images.at[w->s->index].name));

	for (uint32_t i = 0; stem.len && i < f->name_count; i++)
		if (f->names[i].source != CV_NAME_DATA_FILE &&
		    cv_bytes_equal(cv_name_stem(cv_name_last(&f->names[i])), stem)) {
			say(w, CV_EVIDENCE_NAMING, 6, false,
			    "its name differs from the recorded one only in how it is numbered");
			return;
		}
	if (stem.len && cv_bytes_equal(stem, own))
		say(w, CV_EVIDENCE_NAMING, 3, false, "its name is of the same series as that of this image");
}

static void name(struct weighing *w)
{
	CV_AUTO(cv_text_fini) struct cv_text leading = { 0 }, like = { 0 };
	const struct cv_facts *f = w->child->facts;
	unsigned best = 0;

	for (uint32_t i = 0; i < f->name_count; i++) {
		unsigned common = f->names[i].source == CV_NAME_DATA_FILE ? 0 : common_end(w, &f->names[i]);

		if (common > best)
			cv_text_clear(&like);
		best = common > best ? common : best;
		if (common && common == best)
			add_source(&like, &f->names[i]);
		if (common && leads_to(w, &f->names[i]))
			add_source(&leading, &f->names[i]);
	}
	w->s->failed |= leading.failed || like.failed;
	w->x->pub.named = leading.len > 0;
	w->x->common = best;
	if (leading.len)
		say(w, CV_EVIDENCE_NAME, 40, false, "the recorded name leads to it (%s)", leading.at);
	else if (best > 1)
		say(w, CV_EVIDENCE_NAME, best > 3 ? 35 : 10 * (int)best, false,
		    "the last %u parts of its path are those of the recorded name (%s)", best, like.at);
	else if (best)
		say(w, CV_EVIDENCE_NAME, 10, false, "its file has the recorded name (%s)", like.at);
	else
		naming(w);
}

/* --- what they are --------------------------------------------------------------------------------------- */

static void format(struct weighing *w)
{
	enum cv_format_id wanted = w->child->facts->parent_format, is = w->image->format;
	bool own_kind = w->child->format == CV_FORMAT_VHD || w->child->format == CV_FORMAT_VHDX;
	bool raw = cv_has(w->child->facts, CV_FACT_PARENT_RAW);

	if (own_kind && is != w->child->format && !(raw && is == CV_FORMAT_RAW))
		say(w, CV_EVIDENCE_FORMAT, -100, true, "it is %s, which cannot be the parent of %s here",
		    cv_format_name(is), cv_format_name(w->child->format));
	else if (own_kind && raw && is == CV_FORMAT_RAW)
		say(w, CV_EVIDENCE_FORMAT, 10, false, "it is raw, as recorded");
	else if (own_kind && raw && cv_has(w->image->facts, CV_FACT_UUID))
		say(w, CV_EVIDENCE_FORMAT, -30, false, "it has an identity, and none is recorded");
	else if (wanted != CV_FORMAT_NONE && is == wanted)
		say(w, CV_EVIDENCE_FORMAT, 10, false, "it is %s, as recorded", cv_format_name(is));
	else if (wanted == CV_FORMAT_RAW)
		say(w, CV_EVIDENCE_FORMAT, -30, false, "recorded is raw, and it looks like %s", cv_format_name(is));
	else if (wanted != CV_FORMAT_NONE)
		say(w, CV_EVIDENCE_FORMAT, -100, true, "it is %s, not %s as recorded", cv_format_name(is),
		    cv_format_name(wanted));
}

static void size(struct weighing *w)
{
	uint64_t is = w->image->virtual_size, wanted = w->child->virtual_size;

	if (!w->image->size_known || !w->child->size_known)
		return;
	if (is / 512 + (is % 512 != 0) == wanted / 512 + (wanted % 512 != 0))
		say(w, CV_EVIDENCE_SIZE, 10, false, "its disk is as large as that of this image");
	else
		say(w, CV_EVIDENCE_SIZE, is < wanted ? -15 : -5, false,
		    "its disk is %s: %" PRIu64 " B, that of this image %" PRIu64 " B",
		    is < wanted ? "smaller" : "larger", is, wanted);
}

static void blocks(struct weighing *w)
{
	uint32_t is = w->image->facts->block_size, own = w->child->facts->block_size;

	if (!is || !own || w->image->format != w->child->format)
		return;
	if (is == own)
		say(w, CV_EVIDENCE_BLOCKS, 2, false, "its blocks are as large as those of this image");
	else
		say(w, CV_EVIDENCE_BLOCKS, -2, false,
		    "its blocks are of %" PRIu32 " B, those of this image of %" PRIu32 " B", is, own);
}

static int64_t seconds(int64_t ns)
{
	return ns / NS - (ns % NS < 0);
}

static void times(struct weighing *w)
{
	int64_t is = seconds(w->image->file->mtime_ns), own = seconds(w->child->file->mtime_ns);
	int64_t wanted = w->child->facts->parent_time;

	if (cv_has(w->child->facts, CV_FACT_PARENT_TIME) && is >= wanted - 2 && is <= wanted + 2)
		say(w, CV_EVIDENCE_TIME, CV_WEIGHT_OF_TIME, false, "it was last written to at the recorded time, %s",
		    cv_time_utc(wanted).s);
	else if (cv_has(w->child->facts, CV_FACT_PARENT_TIME) && is > wanted)
		say(w, CV_EVIDENCE_TIME, -2, false, "it was written to after the recorded time %s: %s",
		    cv_time_utc(wanted).s, cv_time_utc(is).s);
	else if (is > own)
		say(w, CV_EVIDENCE_TIME, -1, false, "it was written to after this image");
	else
		say(w, CV_EVIDENCE_TIME, 1, false, "it was not written to after this image");
}

static void mark(struct weighing *w)
{
	if (w->image->mark == CV_MARK_HIDDEN && w->child->mark != CV_MARK_NONE)
		say(w, CV_EVIDENCE_MARK, 2, false, "it is marked hidden, as base copies are");
}

static void creator(struct weighing *w)
{
	if (w->child->facts->creator.len && cv_bytes_equal(w->child->facts->creator, w->image->facts->creator))
		say(w, CV_EVIDENCE_CREATOR, 1, false, "the same program made it");
}

static void state(struct weighing *w)
{
	const struct cv_graph *g = w->entry->graph;
	const struct cv_image *root = &g->images[w->image->root];

	if (w->image->file->state != CV_FILE_READ)
		say(w, CV_EVIDENCE_STATE, -30, false, "it could not be read completely");
	else if (w->image->status != CV_PARENT_NONE &&
		 (w->image->status != CV_PARENT_FOUND || root->status != CV_PARENT_NONE))
		say(w, CV_EVIDENCE_STATE, -5, false, "its own chain is not whole");
}

static void place(struct weighing *w)
{
	if (w->entry->trash)
		w->x->pub.place = CV_CANDIDATE_TRASH;
	else if (w->entry->graph != w->s->g)
		w->x->pub.place = CV_CANDIDATE_SEARCHED;
	else if (w->image->repository != w->child->repository)
		w->x->pub.place = CV_CANDIDATE_OTHER;
	if (w->x->pub.place == CV_CANDIDATE_TRASH)
		say(w, CV_EVIDENCE_PLACE, -20, false, "it lies in the trash");
	else if (w->x->pub.place == CV_CANDIDATE_SEARCHED)
		say(w, CV_EVIDENCE_PLACE, -10, false, "it lies in a place that was only searched");
	else if (w->x->pub.place == CV_CANDIDATE_OTHER)
		say(w, CV_EVIDENCE_PLACE, -5, false, "it lies in another repository");
}

static struct weighing weighing_of(struct cv_search *s, struct cv_suspect *x)
{
	const struct cv_pooled *e = cv_suspect_of(s, x);

	return (struct weighing){ .s = s, .x = x, .child = s->child, .image = e->image, .entry = e };
}

void cv_search_weigh(struct cv_search *s)
{
	static void (*const kinds[])(struct weighing * w) = {
		identity, chain, name, format, size, blocks, times, mark, creator, state, place,
	};

	for (size_t i = 0; i < s->suspects.len; i++) {
		struct weighing w = weighing_of(s, &s->suspects.at[i]);

		for (size_t k = 0; k < CV_COUNT(kinds); k++)
			kinds[k](&w);
	}
}

/* --- content --------------------------------------------------------------------------------------------- */

/* Of an image of the same name that lay elsewhere a fingerprint may be that of another one. */
static bool is_certain(const struct cv_search *s)
{
	return !s->known_moved || s->known->child_known;
}

static void fingerprint(struct weighing *w)
{
	const struct cv_fingerprint_match *m = &w->x->match;
	const char *whose = w->s->known_moved ? " (the image lay elsewhere then)" : "", *when;
	struct cv_time_text recorded;

	if (!w->s->known)
		return;
	w->x->pub.fingerprint = w->x->content == CV_CONTENT_AGREES;
	recorded = cv_time_utc(w->s->known->recorded);
	when = recorded.s;
	if (w->x->content == CV_CONTENT_AGREES)
		say(w, CV_EVIDENCE_FINGERPRINT, m->compared < 8 ? 30 : 60, false,
		    "%" PRIu32 " samples recorded %s while the chain was whole are the same in it%s", m->compared, when,
		    whose);
	else if (w->x->content == CV_CONTENT_DIFFERS)
		say(w, CV_EVIDENCE_FINGERPRINT, is_certain(w->s) ? -100 : -60, is_certain(w->s),
		    "%" PRIu32 " of %" PRIu32
		    " samples recorded %s while the chain was whole differ in it, the first at guest offset %" PRIu64
		    "%s",
		    m->differing, m->compared, when, m->first_difference, whose);
	else if (w->x->content == CV_CONTENT_UNKNOWN && m->compared)
		say(w, CV_EVIDENCE_FINGERPRINT, 5, false,
		    "%" PRIu32
		    " samples recorded %s are the same in it, but they are all alike, as those of an empty disk are",
		    m->compared, when);
	else if (w->x->content == CV_CONTENT_UNREAD)
		say(w, CV_EVIDENCE_FINGERPRINT, 0, false, "the fingerprint recorded %s could not be compared", when);
}

static void twin(struct weighing *w)
{
	const struct cv_fingerprint_match *m = &w->x->twin_match;

	if (w->x->twin == CV_CONTENT_AGREES && m->compared)
		say(w, CV_EVIDENCE_FINGERPRINT, 0, false,
		    "%" PRIu32 " samples are the same in all of this identity that were compared", m->compared);
	else if (w->x->twin == CV_CONTENT_DIFFERS)
		say(w, CV_EVIDENCE_FINGERPRINT, 0, false,
		    "%" PRIu32 " of %" PRIu32
		    " samples differ from those of another one with this identity, the first at guest offset %" PRIu64,
		    m->differing, m->compared, m->first_difference);
}

void cv_search_weigh_content(struct cv_search *s)
{
	for (size_t i = 0; i < s->suspects.len; i++) {
		struct weighing w = weighing_of(s, &s->suspects.at[i]);

		fingerprint(&w);
		twin(&w);
	}
}
