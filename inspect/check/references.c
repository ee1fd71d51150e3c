/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the sources of references show: images in use, targets that are gone, sources that could not be read. */
#include "inspect/check/check.h"

static const char *source_name(const struct cv_references *refs, const struct cv_claim *claim)
{
	const struct cv_claim_source *source = cv_claim_source_of(refs, claim);

	return source ? source->name : "a source of references";
}

static struct cv_arg who(const struct cv_references *refs, const struct cv_claim *claim)
{
	return claim->who.len ? cv_arg_bytes(claim->who) : cv_arg_text(source_name(refs, claim));
}

/* More users of one image than this add nothing for people. */
#define SHOWN_USERS 8

static bool said_before(const struct cv_reference *refs, uint32_t count, const struct cv_claim *claim)
{
	for (uint32_t i = 0; i < count; i++)
		if (refs[i].claim->in_use && cv_bytes_equal(refs[i].claim->who, claim->who))
			return true;
	return false;
}

static void in_use(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	const struct cv_reference *refs = &b->g->references[image->first_reference];
	unsigned shown = 0;

	for (uint32_t k = 0; k < image->reference_count && shown < SHOWN_USERS; k++) {
		struct cv_finding f = cv_finding_of(CV_GEN_IMAGE_IN_USE);

		if (!refs[k].claim->in_use || said_before(refs, k, refs[k].claim))
			continue;
		f.arg[0] = who(b->refs, refs[k].claim);
		cv_found(b, i, f);
		shown++;
	}
}

/* The same for images that nobody asked a source about. */
static void in_use_besides(struct cv_build *b, const struct cv_match *match)
{
	uint32_t i = b->nodes[match->node].image;
	struct cv_finding f = cv_finding_of(CV_GEN_IMAGE_IN_USE);

	if (i == CV_NO_IMAGE || !cv_claim_watched(b->refs, match->claim) || b->notes[i].users == SHOWN_USERS)
		return;
	b->notes[i].users++;
	f.arg[0] = who(b->refs, match->claim);
	cv_found(b, i, f);
}

/* A file that was deleted while a process has it open is no reference to anything. */
static void target_missing(struct cv_build *b, size_t i)
{
	const struct cv_claim *claim = &b->refs->claims[i];
	struct cv_finding f = cv_finding_of(CV_REF_REFERENCE_TARGET_MISSING);

	if (b->lost_claims[i] == UINT32_MAX || claim->in_use || b->g->partial)
		return;
	f.arg[0] = who(b->refs, claim);
	if (claim->text.len)
		f.arg[1] = cv_arg_bytes(claim->text);
	else
		f.arg[1] = cv_arg_uuid(b, claim->uuid);
	f.arg[2] = cv_arg_text(claim->kind == CV_CLAIM_INODE ? "is none of the files that were found" : "is not there");
	cv_found_in(b, b->lost_claims[i], f);
}

static void source_unreadable(struct cv_build *b, const struct cv_claim_source *source, uint32_t home)
{
	struct cv_finding f = cv_finding_of(CV_REF_REFERENCE_SOURCE_UNREADABLE);
	struct cv_text trouble = { 0 };

	if (source->read && (!source->trouble || source->automatic))
		return;
	cv_text_unescape(&trouble, cv_bytes_of(source->trouble ? source->trouble : "it was not read"));
	f.arg[0] = cv_arg_text(source->name);
	f.arg[1] = cv_arg_kept(b, &trouble);
	cv_found_in(b, home, f);
}

void cv_check_references(struct cv_build *b)
{
	uint32_t home = 0;

	if (!b->refs)
		return;
	while (home + 1 < cv_scan_repository_count(b->scan) && cv_scan_repository(b->scan, home)->other)
		home++;
	for (size_t i = 0; i < b->refs->source_count; i++)
		source_unreadable(b, &b->refs->sources[i], home);
	for (size_t i = 0; i < b->refs->claim_count; i++)
		target_missing(b, i);
	for (uint32_t i = 0; i < b->g->image_count; i++)
		in_use(b, i);
	for (size_t i = 0; i < b->matches.len; i++)
		in_use_besides(b, &b->matches.at[i]);
}
