/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Several images with one identity. It is an error when more than one of them is somebody's, or when a child
 * cannot tell which of them is meant; a copy that nothing names does no harm and is only mentioned.
 */
#include "inspect/check/check.h"

static bool is_named(const struct cv_image *image)
{
	return image->child_count || image->reference_count;
}

static bool confuses(const struct cv_build *b, uint32_t image)
{
	uint32_t namer = b->notes[image].namer;

	return namer != CV_NO_IMAGE && b->g->images[namer].status == CV_PARENT_AMBIGUOUS;
}

static enum cv_severity weigh(const struct cv_build *b, const struct cv_identity *ids, size_t count)
{
	size_t named = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t image = b->nodes[ids[i].node].image;

		named += is_named(&b->g->images[image]);
		if (named > 1 || confuses(b, image))
			return CV_ERROR;
	}
	return CV_INFO;
}

static void report(struct cv_build *b, const struct cv_identity *ids, size_t count)
{
	enum cv_severity severity = weigh(b, ids, count);

	for (size_t i = 0; i < count; i++) {
		uint32_t image = b->nodes[ids[i].node].image, twin = b->nodes[ids[i ? 0 : 1].node].image;
		struct cv_finding f = cv_finding_of(CV_CHN_DUPLICATE_IDENTITY);
		struct cv_text others = { 0 };

		f.severity = severity;
		cv_text_add(&others, cv_image_label(b->g, b->g->images[image].repository, twin));
		if (count > 2)
			cv_text_addf(&others, " and %zu more", count - 2);
		f.arg[0] = cv_arg_uuid(b, ids[i].uuid);
		f.arg[1] = cv_arg_kept(b, &others);
		cv_found(b, image, f);
	}
}

void cv_check_identities(struct cv_build *b)
{
	for (size_t first = 0, next; first < b->identity_count && !b->g->partial; first = next) {
		const struct cv_identity *a = &b->identities[first];

		for (next = first + 1; next < b->identity_count; next++)
			if (b->identities[next].format != a->format ||
			    memcmp(b->identities[next].uuid, a->uuid, 16) != 0)
				break;
		if (next - first > 1)
			report(b, a, next - first);
	}
}
