/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Changing images so that parsers get past their first test: by field, with checksums made right again. */
#ifndef CV_TESTS_FUZZ_IMAGE_H
#define CV_TESTS_FUZZ_IMAGE_H

#include <chainview/facts.h>
#include "tests/fuzz/sparse.h"
#include "tests/fuzz/target.h"

/* An image whose bytes may be changed. */
struct fuzz_image {
	struct sparse file;
	enum cv_format_id format;
	uint8_t pool[1u << 16];      /* the bytes of all pieces */
	size_t used;
	struct cv_range touched[32]; /* what was changed */
	size_t touched_count;
};

/* image_seal.c */
/* Writes over what is there; false if there is no room. */
bool fuzz_image_poke(struct fuzz_image *m, uint64_t off, const void *bytes, size_t len);
/* Makes the checksums of structures that were touched right. */
void fuzz_image_seal(struct fuzz_image *m);
/* A number of 1 to 8 bytes in the byte order of the format. */
uint64_t fuzz_image_get(const struct fuzz_image *m, uint64_t off, size_t bytes);
bool fuzz_image_put(struct fuzz_image *m, uint64_t off, uint64_t n, size_t bytes);

/* image_mutate.c */
size_t fuzz_image_mutate(enum cv_format_id format, uint8_t *at, size_t len, size_t max, struct fuzz_dice *d);
/* The same for files that are no images: with checksums of their own, numbers as in that format. */
size_t fuzz_image_mutate_as(enum cv_format_id format, void (*seal)(struct fuzz_image *m), uint8_t *at, size_t len, size_t max,
			    struct fuzz_dice *d);

#endif
