/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The forensic document: every structure of every copy of images with its bytes, digests and decoded fields, the
 * parents by identity, by name and by time, what lies between the structures, and how all of this was read. Images
 * are read in processes that can do nothing else, one at a time; the document is made of what they say.
 *
 * Damage does not stop it: what cannot be read is an error in the document. What is too much for a document is summed
 * up, and that is said too.
 */
#ifndef CHAINVIEW_DUMP_H
#define CHAINVIEW_DUMP_H

#include <chainview/digest.h>
#include <chainview/graph.h>
#include <chainview/report.h>

#ifdef __cplusplus
extern "C" {
#endif

/* New files beside the document. begin gives a sink for one of this name; end is called once it is written, good or
 * not. Both are false with err set when there can be no such file. */
struct cv_dump_files {
	bool (*begin)(void *ctx, const char *name, struct cv_sink *sink, struct cv_err *err);
	bool (*end)(void *ctx, struct cv_err *err);
	void *ctx;
};

struct cv_dump_options {
	uint64_t max_bytes;              /* of structures and gaps, for each image; 0: 1 MiB */
	unsigned digests;                /* of the whole files: bits 1 << cv_digest_kind */
	bool reproducible;               /* nothing in it that depends on when and where it was made */
	bool has_epoch;
	int64_t epoch;                   /* the time that it was made, instead of now; Unix seconds */
	const char *case_number, *evidence, *examiner, *note;    /* copied through; NULL: not given */
	const struct cv_dump_files *files;       /* maps go there; NULL: none are made. Borrowed */
};

struct cv_dump;

/* Looks at the files before anything of them is read. The graph must outlive the dump, and its scan must be done. */
CV_API struct cv_dump *cv_dump_new(const struct cv_graph *g, const uint32_t *images, size_t count,
				   const struct cv_dump_options *options, struct cv_err *err);
CV_API void cv_dump_free(struct cv_dump *dump);
/* Waits up to timeout_ms for something to happen. True while there is more to come; false with err set when it
 * cannot go on at all (a file that exists already, no memory, no process). */
CV_API bool cv_dump_step(struct cv_dump *dump, int timeout_ms, struct cv_err *err);

struct cv_dump_progress_of {
	size_t images, images_done;
	uint64_t bytes;                  /* read so far of the image that is at work */
	const char *current;             /* its path, raw bytes; NULL when done */
};
CV_API struct cv_dump_progress_of cv_dump_progress(const struct cv_dump *dump);
/* True if something could not be read, a file was changed meanwhile, or a reading process was not fenced in. */
CV_API bool cv_dump_incomplete(const struct cv_dump *dump);

enum cv_dump_form { CV_DUMP_JSON, CV_DUMP_NDJSON, CV_DUMP_TEXT, CV_DUMP_DFXML, CV_DUMP_BODYFILE, CV_DUMP_FORMS };
/* When cv_dump_step() has returned false without an error. */
CV_API bool cv_report_dump(const struct cv_dump *dump, enum cv_dump_form form, const struct cv_report_head *head,
			   const struct cv_sink *sink);

#ifdef __cplusplus
}
#endif
#endif
