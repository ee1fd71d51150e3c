/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An image format is one const struct, in one list (inspect/formats.c). Adding a format is a folder in
 * inspect/ and a line there.
 */
#ifndef CHAINVIEW_FORMAT_H
#define CHAINVIEW_FORMAT_H

#include <chainview/facts.h>
#include <chainview/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The check of the tables of one image, in a process that can do nothing else (chainview/check.h). */
struct cv_checking {
	struct cv_source *source;        /* borrowed */
	struct cv_source *data;          /* external data file; NULL if there is none, or it is not to be had */
	struct cv_facts *facts;          /* findings (where: bytes of the image file) and counts go here */
	uint64_t corruptions;            /* as struct cv_checked */
	uint64_t leaked_bytes;
	/* To be called (cv_checking_tick()) about once a megabyte of tables; false: stop, with CV_ECANCELLED in err. NULL: nobody
	 * wants to know. */
	bool (*tick)(struct cv_checking *c, uint64_t done, uint64_t total, struct cv_err *err);
	/* For who mends it; NULL: nobody does. A cluster is counted so often and stored as something else; an entry's flag is
	 * not as the stored count wants it. Of counters that are gone through again it is said again. */
	bool (*count)(struct cv_checking *c, uint64_t cluster, uint64_t stored, uint64_t counted, struct cv_err *err);
	void (*flag)(struct cv_checking *c, uint64_t entry_at);
	void *ctx;                       /* of whoever set tick, count and flag */
};

static inline bool cv_checking_tick(struct cv_checking *c, uint64_t done, uint64_t total, struct cv_err *err)
{
	return !c->tick || c->tick(c, done, total, err);
}

struct cv_format {
	enum cv_format_id id;
	/* How sure it is, 0 (no) to 100 (yes); the best score wins. Sees the whole source but should look at its
	 * first and last bytes only. Read errors count as "no". */
	unsigned (*probe)(struct cv_source *source);
	/* Reads the metadata. Tolerant: damage becomes findings and facts, and false is only returned when the
	 * source cannot be read or memory is short. Findings and facts gathered before an error stay. */
	bool (*read)(struct cv_source *source, struct cv_facts *facts, struct cv_err *err);
	/* Goes through all tables, after read() gave facts of this format without error. Reports what read() does not,
	 * and nothing twice. Memory and time are bounded by the size of the file, whatever the tables say. NULL: the
	 * format has no tables. */
	bool (*check)(struct cv_checking *c, struct cv_err *err);
};

CV_API extern const struct cv_format *const cv_formats[];   /* NULL-ended; raw is not probed and comes last */
CV_API const struct cv_format *cv_format_by_id(enum cv_format_id id);

/* The best format for the content; NULL when none knows it. Never returns raw. */
CV_API const struct cv_format *cv_format_probe(struct cv_source *source);

/*
 * Reads one image: by the declared format, or by probing when it is CV_FORMAT_NONE. An image declared raw is
 * not probed, its look is only noted (CV_FACT_RAW_LOOKALIKE). Content that no format knows gives facts of
 * CV_FORMAT_NONE. This is what the reading process runs; tests and tools may call it directly.
 */
CV_API bool cv_image_read(struct cv_source *source, enum cv_format_id declared, struct cv_facts *facts, struct cv_err *err);

#ifdef __cplusplus
}
#endif
#endif
