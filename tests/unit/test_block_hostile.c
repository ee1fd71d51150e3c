/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Mapping tables of QCOW2 and QCOW v1 against hostile input: damage at random, tables that claim to be huge, and
 * disks that cannot be read. What single entries mean has its own program.
 */
#include "test_block_image.h"
#include "tests/support/run.h"

#define TABLES (UINT64_C(64) << 20)

/* What L2 entries are made of before they are damaged. */
static const uint64_t words[] = {
	0, 0, C | 0xc000, 0x10000, 0x14000, 1, C | 0xc001, Z | 0xc123, Z | 0x13fff, C, C | 0x4000, UINT32_MAX,
	UINT64_C(0x0000ff00f0000003), UINT64_C(0xffffffff00000000), UINT64_C(0x00ffffffffffc000),
};

/* What must hold of any list, whatever the image was; then some of it is read. */
static void use_layer(struct cv_layer *layer, uint32_t *seed)
{
	struct cv_range rest = { 0, layer->size };
	struct cv_chain chain = { &layer, 1, false };
	struct cv_source *from = layer->data_file ? layer->data_file : layer->source;
	struct cv_extents list = { .max = 64 };
	static uint8_t buf[3 * CLUSTER];

	for (unsigned calls = 0; rest.len && calls < 50; calls++) {
		struct cv_err err = { 0 };

		assert_true(cv_layer_extents(layer, rest, &list, &err));
		assert_true(list.len > 0);
		for (size_t i = 0; i < list.len; i++) {
			const struct cv_extent *e = &list.at[i];
			uint64_t len = e->at.len < sizeof buf ? e->at.len : sizeof buf;

			if (e->kind == CV_EXTENT_DATA)
				assert_true(cv_range_inside((struct cv_range){ e->host, e->compressed ? 1 : e->at.len },
							    from->size));
			if (cv_test_random(seed, 8) == 0 &&
			    !cv_chain_read(&chain, buf, (struct cv_range){ e->at.off, len }, &err))
				assert_in_set(err.code, ((const unsigned long[]){ CV_EFORMAT, CV_EREFUSED }), 2);
		}
		rest.len -= cv_extents_end(&list) - rest.off;
		rest.off = cv_extents_end(&list);
	}
	cv_extents_fini(&list);
}

/* Bytes of the header, the L1 entry and the used L2 entries; the interesting values more often than others. */
static void damage(uint8_t *image, uint32_t *seed)
{
	static const struct {
		uint32_t off, len;
	} places[] = { { 0, 112 }, { L1, 16 }, { L2, 128 }, { L2, 128 }, { L2, 128 } };

	for (unsigned n = 1 + cv_test_random(seed, 12); n; n--) {
		unsigned p = cv_test_random(seed, CV_COUNT(places));
		uint32_t at = places[p].off + cv_test_random(seed, places[p].len);

		image[at] =
			(uint8_t)(cv_test_random(seed, 3) ? cv_test_random(seed, 256) : 1u << cv_test_random(seed, 8));
	}
}

static void damaged_images_are_survived(void **state)
{
	uint32_t seed = 4711;
	unsigned opened = 0;

	(void)state;
	for (unsigned round = 0; round < 6000; round++) {
		unsigned incompatible = round % 3 == 0 ? SUBCLUSTERS : round % 3 == 1 ? DATA_FILE : 0;
		size_t size = cv_test_random(&seed, 4) ? FILE_SIZE : L1 + cv_test_random(&seed, FILE_SIZE - L1);
		uint8_t *image = malloc(FILE_SIZE), *exact = malloc(size);
		struct cv_err err = { 0 };
		struct cv_layer *layer;

		assert_non_null(image);
		assert_non_null(exact);
		build(image, 2 + cv_test_random(&seed, 2), incompatible);
		for (size_t i = 0; i < 8; i++)
			put(image, L2 + i * 8, 8,
			    words[cv_test_random(&seed, CV_COUNT(words))]);
		damage(image, &seed);
		memcpy(exact, image, size);
		free(image);
		layer = open_memory(exact, size, incompatible & DATA_FILE ? 5 * CLUSTER / 2 : 0, &err);
		if (layer) {
			opened++;
			use_layer(layer, &seed);
		}
		cv_layer_close(layer);
		free(exact);
	}
	assert_true(opened > 2000);
}

static void damaged_images_of_version_1_are_survived(void **state)
{
	uint32_t seed = 1147;
	unsigned opened = 0;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		static const uint32_t places[] = { 24, 0x1000, 0x2000, 0x2000, 0x2000 };
		size_t size = cv_test_random(&seed, 4) ? 0x5000 : 0x1000 + cv_test_random(&seed, 0x4000);
		uint8_t image[0x5000], *exact = malloc(size);
		struct cv_err err = { 0 };
		struct cv_layer *layer;

		build_old(image, 0x2000);
		for (unsigned n = 1 + cv_test_random(&seed, 12); n; n--)
			image[places[cv_test_random(&seed, 5)] + cv_test_random(&seed, 24)] =
				(uint8_t)cv_test_random(&seed, 256);
		assert_non_null(exact);
		memcpy(exact, image, size);
		layer = open_old(exact, size, &err);
		if (layer) {
			opened++;
			use_layer(layer, &seed);
		}
		cv_layer_close(layer);
		free(exact);
	}
	assert_true(opened > 1000);
}

/* A file of 2^62 bytes: one word again and again as L1 table, another one from 64 MiB on. */
struct endless {
	struct cv_source source;
	const uint8_t *header;
	uint64_t l1_word, l2_word, bytes_read, bad_from;
};

static ssize_t endless_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct endless *s = (struct endless *)self;

	if (off + len > s->bad_from)
		return errno = EIO, -1;
	s->bytes_read += len;
	if (off < 4096) {
		len = len < 4096 - off ? len : 4096 - off;
		memcpy(buf, s->header + off, len);
		return (ssize_t)len;
	}
	assert_int_equal(off % 8 + len % 8, 0);
	for (size_t i = 0; i < len; i += 8)
		put(buf, i, 8, off + i < TABLES ? s->l1_word : s->l2_word);
	return (ssize_t)len;
}

static void endless_close(struct cv_source *self)
{
	(void)self;
}

static const struct cv_source_ops endless_ops = { .pread = endless_pread, .close = endless_close };

static struct cv_layer *open_endless(struct endless *s, uint8_t *header, uint64_t l1_word, uint64_t l2_word)
{
	struct cv_source *source = &s->source;
	struct cv_err err = { 0 };
	struct cv_layer *layer;

	build(header, 3, 0);
	put(header, 20, 4, 21);
	put(header, 24, 8, INT64_MAX);
	put(header, 36, 4, 4 << 20);
	put(header, 40, 8, 2 << 20);
	*s = (struct endless){ { &endless_ops, UINT64_C(1) << 62 }, header, l1_word, l2_word, 0, UINT64_MAX };
	layer = cv_layer_open(&source, NULL, CV_FORMAT_QCOW2, &err);
	assert_non_null(layer);
	return layer;
}

/* Every L1 entry leads to an L2 table that leads to the same cluster: without end, but a bit at a time. */
static void endless_tables_are_walked_a_bit_at_a_time(void **state)
{
	static const struct { uint64_t l1_word, l2_word; size_t extents; bool full; } endless[] = {
		{ TABLES, 2 << 20, 65536, true },    /* the same cluster everywhere */
		{ C | TABLES, 1, 1, true },          /* zeros everywhere: one extent that grows and grows */
		{ TABLES, 0, 1, true },
		{ TABLES, UINT64_MAX, 65536, true }, /* compressed, with the longest length there is */
		{ UINT64_MAX, 0, 1, true },
		{ 0, 0, 2, false },
	};
	static uint8_t header[FILE_SIZE];

	(void)state;
	for (size_t i = 0; i < CV_COUNT(endless); i++) {
		struct endless s;
		struct cv_layer *layer = open_endless(&s, header, endless[i].l1_word, endless[i].l2_word);
		struct cv_extents list = { 0 };
		struct cv_err err = { 0 };

		assert_true(cv_layer_extents(layer, (struct cv_range){ 0, layer->size }, &list, &err));
		assert_int_equal(list.len, endless[i].extents);
		assert_int_equal(list.full, endless[i].full);
		assert_true(s.bytes_read < 300 << 20);
		cv_extents_fini(&list);
		cv_layer_close(layer);
	}
}

/* The header promises 134 million L1 entries in a file of 64 bytes: what is not there is told in one piece. */
static void a_table_that_the_file_does_not_have_takes_no_time(void **state)
{
	uint8_t header[64] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 1 };
	struct cv_extents list = { 0 };
	struct cv_err err = { 0 };
	struct cv_source *source, *none = NULL;
	struct cv_layer *layer;

	(void)state;
	put(header, 24, 8, UINT64_C(1) << 48);
	put(header, 32, 2, 12 << 8 | 9);
	put(header, 40, 8, 48);
	put(header, 48, 8, 0);
	source = cv_source_memory(header, sizeof header, &err);
	layer = cv_layer_open(&source, &none, CV_FORMAT_QCOW, &err);
	assert_non_null(layer);
	assert_true(cv_layer_extents(layer, (struct cv_range){ 0, layer->size }, &list, &err));
	assert_false(list.full);
	assert_int_equal(list.len, 2);
	assert_int_equal(list.at[0].at.len, 2 << 21);
	assert_int_equal(list.at[1].kind, CV_EXTENT_BAD);
	assert_int_equal(cv_extents_end(&list), layer->size);
	cv_extents_fini(&list);
	cv_layer_close(layer);
}

static void a_table_that_cannot_be_read_is_an_error(void **state)
{
	static uint8_t header[FILE_SIZE];
	struct cv_extents list = { 0 };
	struct cv_err err = { 0 };
	struct endless s;
	struct cv_layer *layer = open_endless(&s, header, TABLES, 1);

	(void)state;
	s.bad_from = TABLES;
	assert_false(cv_layer_extents(layer, (struct cv_range){ 0, layer->size }, &list, &err));
	assert_int_equal(err.code, CV_EIO);
	assert_int_equal(err.os_errno, EIO);
	assert_non_null(strstr(err.text, "L2 table"));
	cv_extents_fini(&list);
	cv_layer_close(layer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_images_are_survived),
		cmocka_unit_test(damaged_images_of_version_1_are_survived),
		cmocka_unit_test(endless_tables_are_walked_a_bit_at_a_time),
		cmocka_unit_test(a_table_that_the_file_does_not_have_takes_no_time),
		cmocka_unit_test(a_table_that_cannot_be_read_is_an_error),
	};

	return cmocka_run_group_tests_name("hostile tables of qcow and qcow2", tests, NULL, NULL) ? 1 : 0;
}
