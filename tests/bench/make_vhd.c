/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * make_vhd FILE GIB [CREATOR]: a dynamic VHD of which every block has a place, in their order. The data are holes. Of
 * creators with a batmap all blocks are marked as complete, and their bitmaps are written.
 */
#include "repair/vhd/writer.h"
#include <fcntl.h>
#include <stdio.h>

static bool place_all(struct cv_vhd_writer *w, struct cv_err *err)
{
	const struct cv_vhd_layout *l = &w->layout;
	uint64_t align = w->image.creator->data_align;
	uint8_t ones[512];

	memset(ones, 0xff, sizeof ones);
	for (uint32_t i = 0; i < l->entries; i++) {
		uint64_t data = (w->end + l->bitmap_len + align - 1) / align * align;

		w->bat[i] = (uint32_t)((data - l->bitmap_len) / VHD_SECTOR);
		w->end = data + l->block_size;
		if (!w->map)
			continue;
		w->map[i / 8] |= (uint8_t)(0x80 >> i % 8);
		if (!cv_out_write(w->out, ones, sizeof ones, data - l->bitmap_len, err))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct cv_vhd_image image = { .type = VHD_TYPE_DYNAMIC, .uuid = { 1 } };
	struct cv_err err = { CV_OK };
	struct cv_vhd_writer w;
	struct cv_file_out out;
	bool ok;

	image.creator = argc > 2 ? cv_vhd_creator_find(argc > 3 ? argv[3] : "qem2") : NULL;
	if (!image.creator) {
		fputs("usage: make_vhd FILE GIB [CREATOR]\n", stderr);
		return 1;
	}
	image.size = strtoull(argv[2], NULL, 10) << 30;
	ok = cv_out_create(&out, &cv_io_real, AT_FDCWD, argv[1], &err) && cv_vhd_begin(&w, &out, &image, &err) &&
	     place_all(&w, &err) && cv_vhd_end(&w, &err);
	ok = cv_out_close(&out, ok, &err);
	if (!ok)
		fprintf(stderr, "make_vhd: %s\n", err.text);
	return !ok;
}
