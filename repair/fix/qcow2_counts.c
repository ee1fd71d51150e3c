/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The refcounts of a QCOW2 image, and the flags that follow from them, made as what points to its clusters wants them. Counters
 * come first, then the flags that say that a cluster is not shared, and last the header that says that all is in order: so a
 * guest that is let in between sees nothing worse than before. The tables that point to clusters must be sound themselves.
 * Blocks of counters that are missing are made behind the end of the file, and the table leads to them when they are there.
 */
#include "inspect/qcow2/reading.h"
#include "repair/fix/qcow2.h"
#include "repair/qcow2/encode.h"
#include "repair/relink/relink.h"
#include <chainview/format.h>

enum { COUNTERS = 1, FLAGS = 2, TABLE = 2, HEADER = 3 };
enum { MOST = 1 << 20 };
#define TOO_MANY "qemu-img check -r all does it in place"

enum which { RAISE = 1, LOWER = 2 };

struct wrong_count { uint64_t cluster, counted; };
CV_VEC(wrong_counts, struct wrong_count);
CV_VEC(wrong_flags, uint64_t);

struct counting {
	struct cv_fix *fix;
	struct cv_relink trial;      /* what has been made of the image so far */
	struct cv_outcome now;
	struct cv_qcow2_header h;
	unsigned which;              /* of enum which */
	struct wrong_counts counts;
	struct wrong_flags flags;
	uint64_t others;             /* counters that are wrong the other way */
	uint64_t blocks;             /* that were missing, and are made */
	bool no_memory;
};

static bool note_count(struct cv_checking *c, uint64_t cluster, uint64_t stored, uint64_t counted, struct cv_err *err)
{
	struct counting *k = c->ctx;

	if (!(k->which & (stored < counted ? RAISE : LOWER))) {
		k->others++;
		return true;
	}
	if (k->counts.len == MOST)
		return cv_fail(err, CV_EREFUSED, "more than %d refcounts are wrong: " TOO_MANY, (int)MOST);
	return wrong_counts_push(&k->counts, (struct wrong_count){ cluster, counted }) || cv_fail(err, CV_ENOMEM, "out of memory");
}

static void note_flag(struct cv_checking *c, uint64_t entry_at)
{
	struct counting *k = c->ctx;

	k->no_memory |= k->flags.len < MOST && !wrong_flags_push(&k->flags, entry_at);
}

/* One way through all tables, of the image as it is so far. */
static bool go_through(struct counting *k, bool counts, bool flags, struct cv_err *err)
{
	struct cv_facts *facts = cv_facts_new();
	struct cv_checking c = { .facts = facts, .count = counts ? note_count : NULL, .flag = flags ? note_flag : NULL,
				 .ctx = k };
	bool ok;

	if (!facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	cv_relink_outcome(&k->trial, &k->now);
	c.source = &k->now.base;
	ok = cv_format_by_id(CV_FORMAT_QCOW2)->check(&c, err) && (!k->no_memory || cv_fail(err, CV_ENOMEM, "out of memory"));
	cv_facts_free(facts);
	return ok;
}

/* --- what must be sound before counters can be made of it --------------------------------------------------- */

static const char *against(const struct cv_fix_ids *ids)
{
	for (size_t i = 0; i < ids->len; i++)
		switch (ids->at[i]) {
		case CV_QCW_TABLE_OUT_OF_RANGE: case CV_QCW_TABLE_OVERLAP: case CV_QCW_ENTRY_UNALIGNED: case CV_QCW_HEADER_INVALID:
		case CV_QCW_CORRUPT_FLAG: case CV_GEN_IMAGE_TRUNCATED: case CV_GEN_HOSTILE_VALUE: case CV_GEN_IMAGE_UNREADABLE:
		case CV_GEN_UNSUPPORTED_FEATURE:
			return cv_problem_by_id(ids->at[i])->name;
		default:
			break;
		}
	return NULL;
}

static bool read_header(struct counting *k, struct cv_source *source, const char **reason, struct cv_err *err)
{
	struct cv_qcow2_reading r = { .source = source, .facts = cv_facts_new() };
	bool usable = false, ok;

	if (!r.facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	ok = cv_qcow2_read_header(&r, &usable, err);
	k->h = r.h;
	cv_facts_free(r.facts);
	if (ok && (!usable || r.h.refcount_order > 6))
		*reason = "its header cannot be relied on";
	else if (ok && r.h.incompatible & QCOW2_INCOMPATIBLE_DATA_FILE)
		*reason = "its data lie in another file: that is not looked at here";
	return ok;
}

static bool is_sound(struct counting *k, struct cv_source *source, bool *sound, struct cv_err *err)
{
	struct cv_fix_ids ids = { 0 };
	const char *reason = NULL;
	bool ok = read_header(k, source, &reason, err);

	if (ok && !reason && (ok = cv_fix_wrong(source, &ids, err)))
		reason = against(&ids);
	*sound = ok && !reason;
	if (reason)
		cv_fix_refuse(k->fix, "its tables must be right before anything can be counted: %s", reason);
	free(ids.at);
	return ok;
}

/* --- writing ------------------------------------------------------------------------------------------------ */

/* The block that has the counter; 0: there is none. */
static bool find_block(struct counting *k, uint64_t cluster, uint64_t *block, struct cv_err *err)
{
	uint64_t per_block = (UINT64_C(8) << k->h.cluster_bits) >> k->h.refcount_order, index = cluster / per_block;
	cv_be64 word;

	*block = 0;
	if (index >= ((uint64_t)k->h.refcount_clusters << k->h.cluster_bits) / 8)
		return true;
	if (!cv_source_read(&k->now.base, &word, sizeof word, k->h.refcount_off + index * 8, err))
		return false;
	*block = cv_be64_get(word) & UINT64_C(0xfffffffffffffe00);
	return true;
}

static bool put_counter(struct counting *k, const struct wrong_count *w, struct cv_err *err)
{
	uint64_t per_block = (UINT64_C(8) << k->h.cluster_bits) >> k->h.refcount_order, index = w->cluster % per_block, block, at;
	unsigned order = k->h.refcount_order, bytes = order > 3 ? 1u << (order - 3) : 1, inside = order < 3 ? 8u >> order : 1;
	uint8_t counter[8];

	if (!find_block(k, w->cluster, &block, err))
		return false;
	at = block + (order < 3 ? index / inside : index * bytes);
	if (!cv_source_read(&k->now.base, counter, bytes, at, err))
		return false;
	if (w->counted > UINT32_MAX || !cv_qcow2_put_count(counter, index % inside, order, (uint32_t)w->counted))
		return cv_fail(err, CV_EREFUSED, "cluster %" PRIu64 " is used %" PRIu64 " times, more than can be counted", w->cluster, w->counted);
	return cv_relink_set(&k->trial, at, counter, bytes, COUNTERS, err);
}

/* The cluster behind all others becomes one, and is counted itself. Its file is zeros there: nothing is counted yet. */
static bool make_block(struct counting *k, uint64_t index, struct cv_err *err)
{
	uint64_t cluster = UINT64_C(1) << k->h.cluster_bits, size = k->now.base.size, at = (size + cluster - 1) / cluster * cluster;
	cv_be64 entry = cv_be64_of(at);

	if (at > INT64_MAX - cluster)
		return cv_fail(err, CV_EREFUSED, "there is no room for a refcount block behind the end of the file");
	k->trial.old_size = k->trial.source->size;
	k->trial.new_size = at + cluster;
	k->blocks++;
	cv_relink_outcome(&k->trial, &k->now);
	return cv_relink_set(&k->trial, k->h.refcount_off + index * 8, &entry, sizeof entry, TABLE, err) &&
	       (wrong_counts_push(&k->counts, (struct wrong_count){ at >> k->h.cluster_bits, 1 }) || cv_fail(err, CV_ENOMEM, "out of memory"));
}

/* A block that is made may need another one for itself: that comes last then, and is looked at in turn. */
static bool make_blocks(struct counting *k, struct cv_err *err)
{
	uint64_t per_block = (UINT64_C(8) << k->h.cluster_bits) >> k->h.refcount_order;
	uint64_t entries = ((uint64_t)k->h.refcount_clusters << k->h.cluster_bits) / 8;

	cv_relink_outcome(&k->trial, &k->now);
	for (size_t i = 0; i < k->counts.len; i++) {
		uint64_t cluster = k->counts.at[i].cluster, block;

		if (cluster / per_block >= entries)
			return cv_fail(err, CV_EREFUSED, "its refcount table is too short for cluster %" PRIu64 ": qemu-img check -r all makes "
				       "a longer one", cluster);
		if (!find_block(k, cluster, &block, err) || (!block && !make_block(k, cluster / per_block, err)))
			return false;
	}
	return true;
}

static bool put_counters(struct counting *k, struct cv_err *err)
{
	if (!make_blocks(k, err))
		return false;
	for (size_t i = 0; i < k->counts.len; i++)
		if (!put_counter(k, &k->counts.at[i], err))
			return false;
	return true;
}

/* Each is wrong, so the other one is right. */
static bool put_flags(struct counting *k, struct cv_err *err)
{
	for (size_t i = 0; i < k->flags.len; i++) {
		uint8_t first;

		if (!cv_source_read(k->trial.source, &first, 1, k->flags.at[i], err))
			return false;
		first ^= 0x80;
		if (!cv_relink_set(&k->trial, k->flags.at[i], &first, 1, FLAGS, err))
			return false;
	}
	return true;
}

static bool clear_dirty(struct counting *k, struct cv_err *err)
{
	cv_be64 word = cv_be64_of(k->h.incompatible & ~(uint64_t)QCOW2_INCOMPATIBLE_DIRTY);

	return cv_relink_set(&k->trial, offsetof(struct cv_qcow2_header_disk, incompatible), &word, sizeof word, HEADER, err);
}

static bool mend(struct counting *k, bool dirty, struct cv_err *err)
{
	return go_through(k, true, false, err) && put_counters(k, err) && go_through(k, false, true, err) && put_flags(k, err) &&
	       (!dirty || clear_dirty(k, err));
}

static void say(const struct counting *k, bool dirty)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_addf(&t, "%zu refcount%s and %zu flag%s as what points to the clusters wants them", k->counts.len,
		     k->counts.len == 1 ? "" : "s", k->flags.len, k->flags.len == 1 ? "" : "s");
	if (k->blocks)
		cv_text_addf(&t, ", in %" PRIu64 " new block%s of them at the end of the file", k->blocks, k->blocks == 1 ? "" : "s");
	if (dirty)
		cv_text_add(&t, ", then the dirty bit cleared");
	cv_fix_say(k->fix, "%s", cv_text_str(&t));
}

/* What is written is kept in one record of the journal. */
static bool too_many(const struct counting *k)
{
	return cv_fix_refuse(k->fix, "%zu refcounts and %zu flags are wrong, in more than the %d pages that are changed at once: " TOO_MANY,
			     k->counts.len, k->flags.len, (int)CV_RELINK_PAGES_LARGE);
}

static bool fix_counts(const struct cv_fix_job *job, struct cv_fix *fix, unsigned which, bool dirty, struct cv_err *err)
{
	struct counting k = { .fix = fix, .trial = { .source = job->source, .say = cv_fix_says }, .which = which };
	struct cv_err why = { .code = CV_OK };
	bool sound, ok = is_sound(&k, job->source, &sound, err);

	if (ok && sound && !mend(&k, dirty, &why))
		ok = k.trial.pages.len == CV_RELINK_PAGES_LARGE ? too_many(&k) : why.code == CV_EREFUSED ? cv_fix_refuse(fix, "%s", why.text) : cv_fail(err, why.code, "%s", why.text);
	else if (ok && sound) {
		say(&k, dirty);
		fix->size = k.trial.new_size;
		ok = cv_fix_take(fix, &k.trial, err);
	}
	cv_relink_fini(&k.trial);
	free(k.counts.at);
	free(k.flags.at);
	return ok;
}

bool cv_fix_qcow2_low(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return fix_counts(job, fix, RAISE, false, err);
}

bool cv_fix_qcow2_flags(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return fix_counts(job, fix, 0, false, err);
}

bool cv_fix_qcow2_dirty(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return fix_counts(job, fix, RAISE, true, err);
}

/* What was an L2 table may be all that is left of guest data. */
bool cv_fix_qcow2_leaks(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	const struct cv_arg *evidence = &job->finding->arg[2];
	bool lost = evidence->kind == CV_ARG_TEXT && evidence->text.len &&
		    memmem(evidence->text.at, evidence->text.len, "lost L2 table", strlen("lost L2 table"));

	if (!fix_counts(job, fix, LOWER, false, err))
		return false;
	return fix->verdict == CV_FIX_REFUSED || !lost ||
	       cv_fix_ask(fix, "what would be freed looks like lost guest data: copy the image first");
}
