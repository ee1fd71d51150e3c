/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Small random snapshot trees on a simulated disk, made by recipes, and a model that knows what a guest reads through each
 * of their images.
 */
#ifndef TESTS_SUPPORT_SIM_FOREST_H
#define TESTS_SUPPORT_SIM_FOREST_H

#include "tests/support/sim_scan.h"

enum { FOREST_IMAGES = 12, FOREST_NAME = 16 };

struct forest_image {
	char name[FOREST_NAME];
	enum cv_format_id format;
	int parent;                  /* -1: none */
	bool there;                  /* it is in the repository */
	bool loose;                  /* nobody reads through it but those who stand on it: it may hold what was merged into it */
	uint64_t size;
	uint8_t *truth;              /* what a guest reads */
};

struct forest {
	struct sim *s;               /* the caller's */
	uint32_t seed;
	unsigned family;
	int count;
	struct forest_image image[FOREST_IMAGES];
	struct cv_text recipe;       /* all that was made, for messages */
};

/* So many families there are, of formats and what stands on what; behind the first of them those of large images. */
enum { FOREST_SMALL = 4, FOREST_FAMILIES = 6 };
const char *forest_family(unsigned family);

/* A repository with a tree of so many images at most. */
void forest_grow(struct forest *f, unsigned family, uint32_t seed, unsigned images);
void forest_fini(struct forest *f);
/* The model alone, with contents of its own. */
struct forest forest_copy(const struct forest *f);

uint32_t forest_random(struct forest *f, uint32_t below);
/* A new image on another; -1: on none. False if there is no room for one more. */
bool forest_add(struct forest *f, int parent);
/* A guest writes to something that the image has of its own; false if it has nothing that can be written where it is. */
bool forest_write(struct forest *f, int image);

bool forest_is_leaf(const struct forest *f, int image);
unsigned forest_children(const struct forest *f, int image);
int forest_find(const struct forest *f, const char *name);
/* The truth becomes what is read through another image, as far as this one goes, with zeros behind it. */
void forest_reads_as(struct forest_image *image, const struct forest_image *other);

/* What a guest reads through an image of the graph: all of it, which is so long. False if it cannot be read, or is not. */
bool forest_read(const struct sim_house *h, uint32_t image, uint8_t *bytes, uint64_t size, struct cv_err *err);
/* The graph has the images of the model, on the parents of the model; each is read as the model says. Loose ones are taken as
 * they are read. NULL, or what is wrong, until the next call. */
const char *forest_look(struct forest *f, const struct sim_house *h);

#endif
