/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* VHD files for the block tests: written by the encoder of repair/, with a model of what each sector should be. */
#ifndef CV_TESTS_UNIT_TEST_BLOCK_VHD_MAKE_H
#define CV_TESTS_UNIT_TEST_BLOCK_VHD_MAKE_H

#include "tests/unit/test_block_sectors.h"
#include "repair/vhd/writer.h"

struct vhd_spec {
	const char *creator;
	uint32_t type, block_size;   /* block_size also for fixed disks: they are written in such pieces */
	uint64_t size;
	uint8_t tag;                 /* of what it writes, and its identity */
	uint8_t parent_tag;          /* 0: none */
	uint32_t align;              /* sectors to which random runs are aligned; 0 is 1 */
};

struct making {
	struct cv_vhd_writer w;
	struct cv_file_out out;
	const struct vhd_spec *spec;
	struct model *model;
};

static inline void begin_vhd(struct making *k, const struct vhd_spec *spec, struct model *model, const char *folder,
			     const char *name)
{
	struct cv_vhd_image image = {
		.type = spec->type, .creator = cv_vhd_creator_find(spec->creator), .size = spec->size,
		.block_size = spec->block_size, .timestamp = 800000000, .parent_name = cv_bytes_of("parent.vhd"),
	};
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cv_err err = { CV_OK };

	assert_non_null(image.creator);
	memset(image.uuid, spec->tag, sizeof image.uuid);
	memset(image.parent_uuid, spec->parent_tag, sizeof image.parent_uuid);
	*k = (struct making){ .spec = spec, .model = model };
	model_init(model, spec->size, spec->tag, spec->type == VHD_TYPE_FIXED ? CV_EXTENT_DATA : CV_EXTENT_PARENT);
	if (!cv_out_create(&k->out, &cv_io_real, dir, name, &err) || !cv_vhd_begin(&k->w, &k->out, &image, &err))
		fail_msg("%s", err.text);
	close(dir);
}

/* Bytes of one block, from first on; as data of the guest or as garbage that no bit stands for. */
static inline void put_bytes(struct making *k, uint32_t block, uint32_t first, uint32_t len, bool present)
{
	static uint8_t buf[AT_ONCE];
	uint64_t guest = (uint64_t)block * k->spec->block_size;
	struct cv_err err = { CV_OK };

	for (uint32_t done = 0; done < len; done += AT_ONCE) {
		uint32_t n = len - done < AT_ONCE ? len - done : AT_ONCE;

		content_fill(buf, present ? k->spec->tag : k->spec->tag | GARBAGE, guest + first + done, n);
		if (!cv_vhd_put(&k->w, block, first + done, buf, n, present ? (n + 511) / 512 : 0, &err))
			fail_msg("%s", err.text);
	}
	if (present)
		model_mark(k->model, guest + first, len, CV_EXTENT_DATA);
}

/* Gives the block a place; all of it is garbage until something is put there. */
static inline void give_place(struct making *k, uint32_t block)
{
	uint64_t guest = (uint64_t)block * k->spec->block_size;

	put_bytes(k, block, 0, k->spec->block_size, false);
	if (k->spec->type == VHD_TYPE_DYNAMIC)
		model_mark(k->model, guest, k->spec->block_size, CV_EXTENT_ZERO);
}

/* Random runs in a block, or all of it. */
static inline void put_runs(struct making *k, uint32_t block, uint32_t *seed)
{
	uint32_t sectors = k->spec->block_size / 512, align = k->spec->align ? k->spec->align : 1;
	uint32_t runs = cv_test_random(seed, 6);

	give_place(k, block);
	if (cv_test_random(seed, 4) == 0) {
		put_bytes(k, block, 0, k->spec->block_size, true);
		return;
	}
	for (uint32_t i = 0; i < runs; i++) {
		uint32_t first = cv_test_random(seed, sectors) / align * align;
		uint32_t most = cv_test_random(seed, 2) ? sectors - first : sectors - first < 70 ? sectors - first : 70;
		uint32_t n = (1 + cv_test_random(seed, most) + align - 1) / align * align;

		put_bytes(k, block, first * 512, (n < sectors - first ? n : sectors - first) * 512, true);
	}
}

static inline void end_vhd(struct making *k)
{
	struct cv_err err = { CV_OK };

	if (!cv_out_close(&k->out, cv_vhd_end(&k->w, &err), &err))
		fail_msg("%s", err.text);
	cv_vhd_fini(&k->w);
}

/* An image with about a share of its blocks in it, share of 16. */
static inline void make_random_vhd(const struct vhd_spec *spec, struct model *model, const char *folder,
				   const char *name, unsigned share, uint32_t *seed)
{
	uint32_t blocks = (uint32_t)((spec->size + spec->block_size - 1) / spec->block_size);
	struct making k;

	begin_vhd(&k, spec, model, folder, name);
	for (uint32_t i = 0; i < blocks; i++) {
		uint32_t block = i % 2 ? blocks - 1 - i / 2 : i / 2;     /* not in their order */
		uint64_t guest = (uint64_t)block * spec->block_size, rest = spec->size - guest;

		if (spec->type == VHD_TYPE_FIXED)
			put_bytes(&k, block, 0, (uint32_t)(rest < spec->block_size ? rest : spec->block_size), true);
		else if (cv_test_random(seed, 16) < share)
			put_runs(&k, block, seed);
	}
	end_vhd(&k);
}

/* A file in memory, so that it can be damaged. */
struct bytes {
	uint8_t *at;
	size_t len;
};

static inline struct bytes load_file(const char *folder, const char *name)
{
	char *path = path_in(folder, name);
	struct cv_source *s = file_source(path);
	struct bytes b = { malloc(s->size), s->size };
	struct cv_err err = { CV_OK };

	assert_true(cv_source_read(s, b.at, b.len, 0, &err));
	cv_source_close(s);
	free(path);
	return b;
}

static inline void put_be(struct bytes *b, size_t off, unsigned width, uint64_t n)
{
	for (unsigned i = width; i-- > 0; n >>= 8)
		b->at[off + i] = (uint8_t)n;
}

static inline uint32_t get_be32(const struct bytes *b, size_t off)
{
	cv_be32 n;

	memcpy(&n, b->at + off, sizeof n);
	return cv_be32_get(n);
}

static inline struct cv_layer *open_bytes(const struct bytes *b)
{
	struct cv_err err = { CV_OK };
	struct cv_source *s = cv_source_memory(b->at, b->len, &err);

	assert_non_null(s);
	return layer_of(s, CV_FORMAT_VHD);
}

#endif
