/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Taking samples, in a task's process: a third of the places are spread over the disk and its beginning, where a mount
 * leaves traces; the others over the data that lies in the parent and below it.
 */
#include "inspect/fingerprint/sample.h"
#include "inspect/reader2/content.h"
#include <openssl/evp.h>

#define SPREAD 16u
#define OF_DATA (CV_SAMPLES - SPREAD)
/* Where a first partition begins nowadays, and where it began once. */
#define PARTITION ((uint64_t)1 << 20)
#define OLD_PARTITION ((uint64_t)63 * 512)

struct link {
	struct cv_layer *child;
	struct cv_chain parent;          /* borrows the layers behind the child's */
	struct cv_extents extents;
	struct cv_task_out *out;
};

static uint64_t visible(const struct link *l)
{
	uint64_t size = l->parent.layers[0]->size;

	return size < l->child->size ? size : l->child->size;
}

static bool child_holds(struct link *l, struct cv_range range)
{
	struct cv_err err = { CV_OK };

	if (!cv_layer_extents(l->child, range, &l->extents, &err))
		return true;
	for (size_t i = 0; i < l->extents.len; i++)
		if (l->extents.at[i].kind != CV_EXTENT_PARENT)
			return true;
	return l->extents.full;
}

static enum cv_sample_state take(struct link *l, struct cv_sample *s)
{
	uint64_t size = l->parent.layers[0]->size, end = visible(l);
	uint8_t bytes[CV_SAMPLE_BYTES], digest[EVP_MAX_MD_SIZE];
	struct cv_range range = { s->off, sizeof bytes };
	struct cv_err err = { CV_OK };

	if (s->off >= end)
		return s->off >= size && s->off < l->child->size ? CV_SAMPLE_DIFFERS : CV_SAMPLE_HELD;
	if (range.len > end - range.off)
		range.len = end - range.off;
	if (child_holds(l, range))
		return CV_SAMPLE_HELD;
	if (!cv_chain_read(&l->parent, bytes, range, &err) ||
	    EVP_Digest(bytes, range.len, digest, NULL, EVP_sha256(), NULL) != 1)
		return CV_SAMPLE_UNREADABLE;
	if (!memcmp(s->digest, digest, sizeof s->digest))
		return CV_SAMPLE_SAME;
	memcpy(s->digest, digest, sizeof s->digest);
	return CV_SAMPLE_DIFFERS;
}

static void add_fresh(struct link *l, struct cv_sample_record *r, uint64_t off)
{
	struct cv_sample s = { .off = off / 512 * 512 };
	enum cv_sample_state state;

	for (uint32_t i = 0; i < r->fresh_count; i++)
		if (r->fresh[i].off == s.off)
			return;
	if (s.off >= visible(l) || r->fresh_count == CV_SAMPLES)
		return;
	state = take(l, &s);
	if (state == CV_SAMPLE_SAME || state == CV_SAMPLE_DIFFERS)
		r->fresh[r->fresh_count++] = s;
}

/* Calls for each run of data below the child, with how many bytes of data come before it; the sum of them. */
static bool each_run(struct link *l, uint64_t *sum, void (*call)(struct link *, const struct cv_extent *, uint64_t, void *),
		     void *ctx, struct cv_err *err)
{
	uint64_t pos = 0, end = visible(l);
	struct cv_extents list = { 0 };
	bool ok = true;

	for (*sum = 0; ok && pos < end; pos = cv_extents_end(&list)) {
		ok = cv_chain_extents(&l->parent, (struct cv_range){ pos, end - pos }, &list, err) &&
		     (cv_task_alive(l->out) || cv_fail(err, CV_ECANCELLED, "nobody waits for the answer"));
		for (size_t i = 0; ok && i < list.len; i++) {
			if (list.at[i].kind != CV_EXTENT_DATA)
				continue;
			if (call)
				call(l, &list.at[i], *sum, ctx);
			*sum += list.at[i].at.len;
		}
	}
	cv_extents_fini(&list);
	return ok;
}

struct picking {
	struct cv_sample_record *record;
	uint64_t total;
	unsigned next;
};

/* Every OF_DATA-th part of all data has its middle somewhere in the runs. */
static void pick(struct link *l, const struct cv_extent *e, uint64_t before, void *ctx)
{
	struct picking *p = ctx;
	uint64_t part = p->total / OF_DATA;

	for (; p->next < OF_DATA; p->next++) {
		uint64_t want = part * p->next + part / 2;

		if (want >= before + e->at.len)
			return;
		add_fresh(l, p->record, e->at.off + (want > before ? want - before : 0));
	}
}

static bool take_fresh(struct link *l, struct cv_sample_record *r, struct cv_err *err)
{
	struct picking p = { .record = r };
	uint64_t end = visible(l), none;

	add_fresh(l, r, 0);
	add_fresh(l, r, OLD_PARTITION);
	add_fresh(l, r, PARTITION);
	for (unsigned i = 3; i < SPREAD; i++)
		add_fresh(l, r, end / SPREAD * i);
	return each_run(l, &p.total, NULL, NULL, err) && (!p.total || each_run(l, &none, pick, &p, err));
}

static bool answer(struct link *l, struct cv_sample_job *job, struct cv_sample_record *r, struct cv_err *err)
{
	uint32_t same = 0, differ = 0;

	r->size = l->parent.layers[0]->size;
	for (uint32_t i = 0; i < job->known; i++) {
		r->state[i] = (uint8_t)take(l, &job->samples[i]);
		same += r->state[i] == CV_SAMPLE_SAME;
		differ += r->state[i] == CV_SAMPLE_DIFFERS;
	}
	/* A child that has come to hold half of the places needs others. */
	return differ || (job->known && same * 2 >= job->known) || take_fresh(l, r, err);
}

static bool do_job(struct cv_sample_job *job, uint32_t number, struct cv_source **sources, struct cv_source **data,
		   const struct cv_task_image *images, struct cv_task_out *out, struct cv_err *err)
{
	struct cv_sample_record r = { .job = number };
	struct cv_chain all = { .count = 0 };
	struct cv_err trouble = { CV_OK };
	struct link l = { .out = out };
	bool ok;

	if (cv_content_open(&all, sources, data, images, job->images, &trouble)) {
		l.child = all.layers[0];
		l.parent = (struct cv_chain){ .layers = all.layers + 1, .count = all.count - 1 };
		r.failed = !answer(&l, job, &r, &trouble);
	} else {
		r.failed = true;
	}
	cv_extents_fini(&l.extents);
	cv_content_close(&all);
	ok = cv_task_send(out, 1, &r, sizeof r);
	return ok || cv_fail(err, CV_ECANCELLED, "nobody waits for the answer");
}

bool cv_sample_task(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images, size_t count,
		    const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err)
{
	size_t jobs = request_len / sizeof(struct cv_sample_job), first = 0;

	for (size_t i = 0; i < jobs; i++) {
		struct cv_sample_job job;

		memcpy(&job, (const char *)request + i * sizeof job, sizeof job);
		if (job.images < 2 || job.images > count - first || job.known > CV_SAMPLES)
			return cv_fail(err, CV_EUSAGE, "no such link");
		if (!do_job(&job, (uint32_t)i, sources + first, data + first, images + first, out, err))
			return false;
		first += job.images;
	}
	return true;
}
