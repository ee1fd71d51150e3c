/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The kinds of images that trees are made of, and those that qemu's programs or a few writes make. */
#include "tests/support/tree_kinds.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "tests/support/run.h"
#include "tests/support/tree_qcow.h"
#include "tests/support/tree_space.h"
#include "tests/support/tree_vhd.h"
#include "tests/support/tree_vhdx.h"

#define ON(format) (1u << CV_FORMAT_##format)
#define ON_ANY (ON(RAW) | ON(VHD) | ON(VHDX) | ON(QCOW) | ON(QCOW2))

#define QCOW2_CAN (TREE_ZEROES | TREE_DISCARDS | TREE_RESIZES)
/* 512-byte clusters have no room for a mark in the first. */
#define MARKS (TREE_MARKS | TREE_LOSES)
#define QCOW2(bits, piece_, more, can_)                                                                        \
	{ .name = "qcow2 " more, .format = CV_FORMAT_QCOW2, .driver = "qcow2", .backing = "qcow2",             \
	  .ending = "qcow2", .options = "cluster_size=" #bits more, .block = (bits) / 512, .piece = (piece_) / 512, \
	  .base_piece = (piece_) / 512, .can = QCOW2_CAN | (can_), .make = tree_make_qemu,            \
	  .use = tree_use_qcow2, .stands_on = ON_ANY }

static const struct tree_kind qcow2_64k = QCOW2(65536, 65536, "", TREE_COMPRESSES | TREE_SNAPSHOTS | MARKS);
static const struct tree_kind qcow2_4k = QCOW2(4096, 4096, "", TREE_COMPRESSES | TREE_SNAPSHOTS | MARKS);
static const struct tree_kind qcow2_512 = QCOW2(512, 512, "", TREE_SNAPSHOTS | TREE_LOSES);
static const struct tree_kind qcow2_2m = QCOW2(2097152, 2097152, "", TREE_COMPRESSES | TREE_SNAPSHOTS | MARKS);
static const struct tree_kind qcow2_old = QCOW2(65536, 65536, ",compat=0.10", TREE_COMPRESSES | TREE_SNAPSHOTS | TREE_OLD | MARKS);
static const struct tree_kind qcow2_1bit = QCOW2(4096, 4096, ",refcount_bits=1", MARKS);
static const struct tree_kind qcow2_zstd =
	QCOW2(65536, 65536, ",compression_type=zstd", TREE_COMPRESSES | TREE_SNAPSHOTS | MARKS);
/* Without snapshots: of a cluster that one holds qemu copies what lies between data, too. */
static const struct tree_kind qcow2_extended = QCOW2(65536, 2048, ",extended_l2=on", MARKS);
static const struct tree_kind qcow2_extended_16k = QCOW2(16384, 512, ",extended_l2=on", MARKS);
static const struct tree_kind qcow2_data = QCOW2(65536, 65536, ",data_file=data-of-", TREE_ELSEWHERE | TREE_MARKS);

static const struct tree_kind qcow = {
	.name = "qcow", .format = CV_FORMAT_QCOW, .driver = "qcow", .backing = "qcow", .ending = "qcow", .block = 8,
	.piece = 1, .base_piece = 8, .make = tree_make_qemu, .use = tree_use_qcow, .stands_on = ON_ANY,
};

#define VHD(kib, can_)                                                                                         \
	{ .name = "vhd of " #kib " KiB", .format = CV_FORMAT_VHD, .backing = "vpc", .ending = "vhd",           \
	  .block = 2 * (kib), .piece = 1, .base_piece = 1, .can = TREE_RESIZES | TREE_MARKS | (can_),            \
	  .make = tree_make_vhd, .use = tree_use_vhd, .stands_on = ON(VHD) | ON(RAW) }
static const struct tree_kind vhd_2m = VHD(2048, TREE_BITMAP_BASE);
static const struct tree_kind vhd_512k = VHD(512, TREE_BITMAP_BASE);
static const struct tree_kind vhd_64k = VHD(64, TREE_BITMAP_BASE);
static const struct tree_kind vhd_4k = VHD(4, TREE_BITMAP_BASE);
static const struct tree_kind vhd_fixed = VHD(2048, TREE_FULL);

#define VHDX(mib, bytes)                                                                                       \
	{ .name = "vhdx of " #mib " MiB, " #bytes, .format = CV_FORMAT_VHDX, .backing = "vhdx",                \
	  .ending = "vhdx", .block = 2048 * (mib), .piece = (bytes) / 512, .base_piece = 2048 * (mib),         \
	  .can = TREE_ZEROES | TREE_BY_BLOCK | TREE_RESIZES, .make = tree_make_vhdx, .use = tree_use_vhdx,    \
	  .stands_on = ON(VHDX), .sector = (bytes) }
static const struct tree_kind vhdx_1m = VHDX(1, 512);
static const struct tree_kind vhdx_2m = VHDX(2, 512);
static const struct tree_kind vhdx_1m_4096 = VHDX(1, 4096);

static const struct tree_kind raw = {
	.name = "raw", .format = CV_FORMAT_RAW, .backing = "raw", .ending = "raw", .block = 8, .piece = 8,
	.base_piece = 8, .can = TREE_HOLES | TREE_RESIZES, .make = tree_make_raw, .use = tree_use_raw,
};

static const struct tree_kind *const all_qcow2[] = { &qcow2_64k,  &qcow2_4k,   &qcow2_512,  &qcow2_2m,
						     &qcow2_old,  &qcow2_1bit, &qcow2_zstd, &qcow2_extended,
						     &qcow2_data, &qcow2_extended_16k, NULL };
static const struct tree_kind *const all_qcow[] = { &qcow, NULL };
static const struct tree_kind *const vhd_bases[] = { &vhd_2m, &vhd_512k, &vhd_64k, &vhd_4k, &vhd_fixed, NULL };
static const struct tree_kind *const vhd_children[] = { &vhd_2m, &vhd_512k, &vhd_64k, &vhd_4k, NULL };
static const struct tree_kind *const all_vhdx[] = { &vhdx_1m, &vhdx_2m, &vhdx_1m_4096, NULL };
static const struct tree_kind *const mixed_bases[] = { &raw,  &vhd_2m, &vhd_64k, &vhd_fixed, &vhdx_1m,
						       &qcow, &raw,    &raw,     &qcow2_64k, NULL };
static const struct tree_kind *const mixed_children[] = { &qcow2_64k,  &qcow2_4k, &qcow2_512, &qcow2_old, &qcow2_extended,
							  &qcow2_zstd, &qcow,     &vhd_2m,    &vhd_64k,   &vhd_4k,
							  &vhdx_1m,    &vhdx_2m,  NULL };

/* qemu writes QCOW of version 1 in very small steps; the mixed trees have some of it, too. */
const struct tree_family tree_families[] = {
	{ "qcow2", all_qcow2, all_qcow2, true, 6 },       { "qcow", all_qcow, all_qcow, true, 2 },
	{ "vhd", vhd_bases, vhd_children, false, 6 },     { "vhdx", all_vhdx, all_vhdx, false, 6 },
	{ "mixed", mixed_bases, mixed_children, true, 8 }, { NULL, NULL, NULL, false, 0 },
};

bool tree_make_qemu(const struct tree *t, int image, const char *folder, struct cv_text *why)
{
	const char *script = cv_text_str(&t->image[image].script);
	const char *const argv[] = { "sh", "-ec", script, NULL };

	if (!cv_test_run(folder, why, true, argv))
		return t->image[image].kind->format != CV_FORMAT_QCOW2 || tree_patch_qcow2(t, image, folder, why);
	cv_text_addf(why, "\n%s", script);
	return false;
}

bool tree_make_raw(const struct tree *t, int image, const char *folder, struct cv_text *why)
{
	const struct tree_image *m = &t->image[image];
	uint8_t sector[TREE_SECTOR];
	char name[32], path[512];
	bool good;
	int fd;

	tree_name(t, image, name);
	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	good = fd >= 0 && !ftruncate(fd, (off_t)m->sectors * TREE_SECTOR);
	for (uint32_t s = 0; good && s < m->sectors; s++) {
		memset(sector, m->value[s], sizeof sector);
		if (m->has[s] == TREE_DATA)
			good = pwrite(fd, sector, sizeof sector, (off_t)s * TREE_SECTOR) == (ssize_t)sizeof sector;
	}
	if (fd >= 0 && close(fd))
		good = false;
	if (!good)
		cv_text_addf(why, "cannot write %s: %s", path, strerror(errno));
	return good;
}
