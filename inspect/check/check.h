/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The steps that say what is wrong with images, chains and repositories, and what may be done with a node.
 * They run after the shape of the graph is known and read what inspect/chain found; they look at no file.
 */
#ifndef CV_INSPECT_CHECK_CHECK_H
#define CV_INSPECT_CHECK_CHECK_H

#include "inspect/chain/build.h"

/* Adds a finding to an image. Places that are not reported on (--with) get none. */
void cv_found(struct cv_build *b, uint32_t image, struct cv_finding f);
/* Adds a finding that concerns no single image. */
void cv_found_in(struct cv_build *b, uint32_t repository, struct cv_finding f);
/* The rule that takes the finding out of the list: the first that fits and has not ended. */
#define CV_NO_RULE UINT32_MAX
uint32_t cv_ignore_rule(const struct cv_build *b, const struct cv_finding *f);   /* ignore.c */
/* Moves a text into the memory of the graph and empties it. */
const char *cv_keep(struct cv_build *b, struct cv_text *t);
static inline struct cv_arg cv_arg_kept(struct cv_build *b, struct cv_text *t)
{
	return cv_arg_text(cv_keep(b, t));
}
static inline struct cv_arg cv_arg_uuid(struct cv_build *b, const uint8_t uuid[16])
{
	struct cv_text text = { 0 };

	cv_text_add(&text, cv_uuid_str(uuid).s);
	return cv_arg_kept(b, &text);
}
/* True if the reader of the format reported this problem already. */
bool cv_facts_report(const struct cv_facts *f, enum cv_problem_id id);

/* notes.c: who names whom, what might name anybody (before the shape); what is in use (after the claims). */
void cv_notes_names(struct cv_build *b);
void cv_notes_perhaps(struct cv_build *b);     /* perhaps.c: names that cannot be followed, and whom they may mean */
void cv_notes_state(struct cv_build *b);

void cv_check_given(struct cv_build *b);       /* found.c: findings made of an earlier graph */
void cv_check_images(struct cv_build *b);      /* images.c: each image by itself */
void cv_check_parents(struct cv_build *b);     /* parents.c: the edge to the parent, cycles, marks */
void cv_check_names_agree(struct cv_build *b, uint32_t image);   /* agree.c: a rule of parents.c */
void cv_check_identities(struct cv_build *b);  /* identities.c: duplicates */
void cv_check_references(struct cv_build *b);  /* references.c: sources, targets, use */
void cv_check_leftovers(struct cv_build *b);   /* leftovers.c: what other tools left behind */
void cv_check_operations(struct cv_build *b);  /* leftovers.c: our own operations that are not finished */
/* collector.c: what a garbage collector would delete although it is somebody's; what it does to a hidden leaf. */
void cv_check_collector(struct cv_build *b);
struct cv_arg cv_collector_takes(const struct cv_build *b, uint32_t image);
bool cv_collector_endangers(const struct cv_build *b, uint32_t image);
void cv_check_metadata(struct cv_build *b);    /* metadata.c: files that management programs keep beside images */
void cv_judge(struct cv_build *b);             /* verdicts.c: what may be merged or deleted, and why not */
/* policy.c: orphans, unreferenced leaves, long chains. After the verdicts, which it must not contradict. */
void cv_check_policy(struct cv_build *b);
/* space.c: file systems that are too full; files that belong to nothing. After leftovers and verdicts. */
void cv_check_exhaustion(struct cv_build *b);
void cv_check_unclaimed(struct cv_build *b);

#endif
