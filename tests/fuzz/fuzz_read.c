/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Fuzzes everything that reads an image: metadata, maps and guest data, in this process, so that sanitizers see
 * it. The seeds are all sample images; checksums are made right again in half of the rounds, since nothing passes
 * them otherwise.
 *
 *   fuzz_read MINUTES [SEED]    prints rounds; on a fault the image that did it lies in fuzz-fault.img
 *   fuzz_read FILE...           reads files that were kept
 */
#include <fcntl.h>
#include <ftw.h>
#include <sanitizer/common_interface_defs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <chainview/extent.h>
#include <chainview/format.h>
#include <chainview/vec.h>
#include "inspect/base/crc32c.h"
#include "repair/sample/sample.h"
#include "tests/support/run.h"

#define SEED_BYTES (8u << 20)
#define SLOW_SECONDS 2.0
#define MAP_ROUNDS 64
#define READ_BYTES 65536

struct seed { uint8_t *at; size_t len; };
CV_VEC(seed_vec, struct seed);

static struct seed_vec seeds;
static struct seed now_read;

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Keeps the image that is being read; also called by the sanitizers before they end the program. */
static void keep(void)
{
	int fd = open("fuzz-fault.img", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd >= 0 && write(fd, now_read.at, now_read.len) == (ssize_t)now_read.len)
		fprintf(stderr, "the image is in fuzz-fault.img\n");
	if (fd >= 0)
		close(fd);
}

static void read_some(struct cv_layer *layer, uint64_t at)
{
	static uint8_t buf[READ_BYTES];
	struct cv_chain chain = { .layers = &layer, .count = 1 };
	struct cv_err err = { 0 };

	cv_chain_read(&chain, buf, (struct cv_range){ at, layer->size - at < READ_BYTES ? layer->size - at : READ_BYTES }, &err);
}

static void read_blocks(enum cv_format_id format)
{
	struct cv_err err = { 0 };
	struct cv_source *source = cv_source_memory(now_read.at, now_read.len, &err), *none = NULL;
	struct cv_layer *layer = source ? cv_layer_open(&source, &none, format, &err) : NULL;
	struct cv_extents list = { .max = 512 };
	uint64_t at = 0;

	cv_source_close(source);
	for (int round = 0; layer && round < MAP_ROUNDS && at < layer->size; round++) {
		if (!cv_layer_extents(layer, (struct cv_range){ at, layer->size - at }, &list, &err))
			break;
		if (cv_extents_end(&list) <= at) {
			fprintf(stderr, "the map stands still at %" PRIu64 "\n", at);
			keep();
			exit(1);
		}
		read_some(layer, at);
		at = cv_extents_end(&list);
	}
	cv_extents_fini(&list);
	cv_layer_close(layer);
}

static void read_image(struct seed image)
{
	struct cv_err err = { 0 };
	struct cv_source *source;
	struct cv_facts *facts = cv_facts_new();
	double start = seconds();

	now_read = image;
	source = cv_source_memory(image.at, image.len, &err);
	if (source)
		source = cv_source_cached(&source, 32768, 1024, &err);
	if (source && facts) {
		cv_image_read(source, CV_FORMAT_NONE, facts, &err);
		if (facts->format != CV_FORMAT_NONE)
			read_blocks(facts->format);
	}
	cv_source_close(source);
	cv_facts_free(facts);
	if (seconds() - start > SLOW_SECONDS) {
		fprintf(stderr, "reading took %.1f s\n", seconds() - start);
		keep();
		exit(1);
	}
}

static bool load(const char *path, struct seed *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= SEED_BYTES) {
		out->len = (size_t)st.st_size;
		out->at = malloc(out->len);
		n = out->at ? read(fd, out->at, out->len) : -1;
	}
	if (fd >= 0)
		close(fd);
	return n > 0 && (size_t)n == out->len;
}

static int take_seed(const char *path, const struct stat *st, int type, struct FTW *where)
{
	struct seed s;

	(void)where;
	if (type == FTW_F && S_ISREG(st->st_mode) && load(path, &s) && !seed_vec_push(&seeds, s))
		free(s.at);
	return 0;
}

static void gather_seeds(void)
{
	char *folder = cv_test_folder();

	for (const char *const *name = cv_sample_names(); *name; name++) {
		struct cv_err err = { 0 };
		char *path = NULL;

		if (asprintf(&path, "%s/%s", folder, *name) > 0)
			cv_sample_build(*name, path, &err);
		free(path);
	}
	nftw(folder, take_seed, 16, FTW_PHYS);
	cv_test_folder_remove(folder);
}

/* Most structures lie at the beginning or at the very end. */
static size_t choose_place(uint32_t *rng, size_t len)
{
	static const size_t reach[] = { 128, 512, 2048, 65536, 400000 };
	size_t span = reach[cv_test_random(rng, CV_COUNT(reach))];

	span = span < len ? span : len;
	return cv_test_random(rng, 4) ? cv_test_random(rng, (uint32_t)span) : len - 1 - cv_test_random(rng, (uint32_t)span);
}

static void change_one(uint32_t *rng, struct seed *image)
{
	static const uint8_t edges[] = { 0x00, 0xff, 0x7f, 0x80, 0x01, 0x40 };
	size_t at = choose_place(rng, image->len), run = 1u << cv_test_random(rng, 4);

	for (size_t i = at; i < at + run && i < image->len; i++)
		image->at[i] = cv_test_random(rng, 2) ? edges[cv_test_random(rng, CV_COUNT(edges))] : (uint8_t)cv_test_random(rng, 256);
}

/* Puts the sum of len bytes at off into its field at off + field, which counts as zero in it. */
static void seal_vhd(struct seed *image, size_t off, size_t len, size_t field)
{
	uint32_t sum = 0;

	if (image->len < off + len)
		return;
	for (size_t i = 0; i < len; i++)
		sum += i >= field && i < field + 4 ? 0 : image->at[off + i];
	for (int i = 0; i < 4; i++)
		image->at[off + field + (size_t)i] = (uint8_t)(~sum >> (24 - 8 * i));
}

static void seal_vhdx(struct seed *image, size_t off, size_t len)
{
	uint32_t crc;

	if (image->len < off + len)
		return;
	memset(image->at + off + 4, 0, 4);
	crc = cv_crc32c(0, image->at + off, len);
	for (int i = 0; i < 4; i++)
		image->at[off + 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
}

static void seal(struct seed *image)
{
	seal_vhd(image, 0, 512, 64);
	seal_vhd(image, 512, 1024, 36);
	if (image->len >= 512 && !memcmp(image->at + image->len - 512, "conectix", 8))
		seal_vhd(image, image->len - 512, 512, 64);
	if (image->len > 5 * 65536 && !memcmp(image->at, "vhdxfile", 8)) {
		seal_vhdx(image, 65536, 4096);
		seal_vhdx(image, 131072, 4096);
		seal_vhdx(image, 196608, 65536);
		seal_vhdx(image, 262144, 65536);
	}
}

static void fuzz(double minutes, uint32_t rng)
{
	double end = seconds() + 60 * minutes;
	unsigned long rounds = 0;

	for (; seconds() < end; rounds++) {
		const struct seed *from = &seeds.at[cv_test_random(&rng, (uint32_t)seeds.len)];
		struct seed image = { malloc(from->len), from->len };
		uint32_t changes = 1 + cv_test_random(&rng, 8);

		if (!image.at)
			break;
		memcpy(image.at, from->at, image.len);
		while (changes--)
			change_one(&rng, &image);
		if (cv_test_random(&rng, 2) && (image.at[0] == 'c' || image.at[0] == 'v'))
			seal(&image);
		if (!cv_test_random(&rng, 10))
			image.len = 1 + cv_test_random(&rng, (uint32_t)image.len);
		read_image(image);
		free(image.at);
	}
	printf("%lu damaged images of %zu seeds read in %.1f minutes: no fault\n", rounds, seeds.len, minutes);
}

int main(int argc, char **argv)
{
	char *end = NULL;
	double minutes = argc > 1 ? strtod(argv[1], &end) : 1;

	__sanitizer_set_death_callback(keep);
	if (argc > 1 && *end) {
		for (int i = 1; i < argc; i++) {
			struct seed s;

			if (load(argv[i], &s))
				read_image(s);
		}
		return 0;
	}
	gather_seeds();
	if (!seeds.len)
		return 1;
	fuzz(minutes, argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : (uint32_t)time(NULL));
	for (size_t i = 0; i < seeds.len; i++)
		free(seeds.at[i].at);
	free(seeds.at);
	return 0;
}
