/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Makes the inputs to begin with.
 *
 *   fuzz_seeds TARGET DIR       into an existing folder, one file each
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "tests/fuzz/target.h"

static const struct fuzz_target *const targets[] = {
#define T(target, corpus, share) &fuzz_target_##target,
#include "tests/fuzz/targets.def"
#undef T
};

struct folder {
	struct fuzz_seeds base;
	const char *path;
	unsigned count;
};

static void keep(struct fuzz_seeds *s, const void *at, size_t len)
{
	struct folder *f = (struct folder *)s;
	char *name = NULL;
	int fd = -1;

	if (asprintf(&name, "%s/seed-%04u", f->path, f->count++) > 0)
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, at, len) != (ssize_t)len) {
		perror(name);
		exit(1);
	}
	close(fd);
	free(name);
}

/* Never called: nothing is changed here. */
size_t fuzz_mutate_bytes(uint8_t *at, size_t len, size_t max)
{
	(void)at, (void)max;
	return len;
}

int main(int argc, char **argv)
{
	struct folder f = { .base = { keep } };

	for (size_t i = 0; argc == 3 && i < CV_COUNT(targets); i++) {
		if (strcmp(targets[i]->name, argv[1]))
			continue;
		f.path = argv[2];
		for (const char *const *w = targets[i]->words; w && *w; w++)
			keep(&f.base, *w, strlen(*w));
		if (targets[i]->seeds)
			targets[i]->seeds(&f.base);
		return 0;
	}
	fprintf(stderr, "usage: fuzz_seeds TARGET DIR\n");
	return 16;
}
