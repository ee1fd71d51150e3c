/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The programs that write VHDs and how they differ (from images of vhd-util and qemu-img, and from the sources
 * of xo-vhd-lib). A new one is one more row.
 */
#include "repair/vhd/encode.h"

#define MIB UINT64_C(1048576)

/* What all but the tools of Xen do. */
#define AS_ON_WINDOWS .os = "Wi2k", .bat_tail = 0xff, .data_align = 512

const struct cv_vhd_creator cv_vhd_creators[] = {
	/* vhd-util and tapdisk: 4 KiB for each block's bitmap, so that data lie on pages; host system never said. */
	{ .name = "tap",
	  .app = "tap",
	  .version = VHD_VERSION(1, 3),
	  .size_rule = CV_CREATOR_SIZE_2M,
	  .batmap = true,
	  .data_align = 4096,
	  .locators = "macx,w2ku,w2ru" },
	{ .name = "qemu",
	  .app = "qemu",
	  .version = VHD_VERSION(5, 3),
	  .size_rule = CV_CREATOR_SIZE_GEOMETRY,
	  .locators = "w2ru,w2ku",
	  AS_ON_WINDOWS },
	/* qemu-img -o force_size */
	{ .name = "qem2",
	  .app = "qem2",
	  .version = VHD_VERSION(5, 3),
	  .largest_geometry = true,
	  .locators = "w2ru,w2ku",
	  AS_ON_WINDOWS },
	/* Hyper-V */
	{ .name = "win", .app = "win ", .version = VHD_VERSION(10, 0), .locators = "w2ku,w2ru", AS_ON_WINDOWS },
	/* Virtual PC 2007 */
	{ .name = "vpc",
	  .app = "vpc ",
	  .version = VHD_VERSION(5, 3),
	  .size_rule = CV_CREATOR_SIZE_GEOMETRY,
	  .locators = "w2ru,w2ku",
	  AS_ON_WINDOWS },
	/* Xen Orchestra leaves its version at 0 and writes one BAT entry too many. */
	{ .name = "xo",
	  .app = "xo  ",
	  .size_rule = CV_CREATOR_SIZE_CYLINDER,
	  .extra_entries = 1,
	  .locators = "w2ku",
	  AS_ON_WINDOWS },
	{ .name = NULL },
};

const struct cv_vhd_creator *cv_vhd_creator_find(const char *name)
{
	for (const struct cv_vhd_creator *c = cv_vhd_creators; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

#define MOST_SECTORS (UINT64_C(65535) * 16 * 255)

static struct cv_vhd_geometry geometry(uint64_t tracks, uint32_t heads, uint32_t sectors)
{
	return (struct cv_vhd_geometry){ (uint32_t)(tracks / heads), heads, sectors };
}

/* Appendix of the specification: the fewest sectors for each track with which 1024 cylinders are enough. */
struct cv_vhd_geometry cv_vhd_geometry_of(uint64_t size)
{
	uint64_t total = size / VHD_SECTOR < MOST_SECTORS ? size / VHD_SECTOR : MOST_SECTORS, tracks = total / 17;
	uint32_t heads = tracks > 4096 ? (uint32_t)((tracks + 1023) / 1024) : 4;

	if (total >= UINT64_C(65535) * 16 * 63)
		return geometry(total / 255, 16, 255);
	if (tracks < (uint64_t)heads * 1024 && heads <= 16)
		return geometry(tracks, heads, 17);
	if (total / 31 < 16 * 1024)
		return geometry(total / 31, 16, 31);
	return geometry(total / 63, 16, 63);
}

static uint64_t geometry_bytes(struct cv_vhd_geometry g)
{
	return (uint64_t)g.cylinders * g.heads * g.sectors * VHD_SECTOR;
}

/* Cylinders rounded up, as far as the field goes. */
static struct cv_vhd_geometry whole_cylinders(uint64_t size)
{
	struct cv_vhd_geometry g = cv_vhd_geometry_of(size);

	if (geometry_bytes(g) < size && g.cylinders < 65535)
		g.cylinders++;
	return g;
}

/* The smallest size not below this that is exactly what its own geometry says; the largest disk ends the search. */
static uint64_t next_geometry_size(uint64_t size)
{
	const uint64_t most = MOST_SECTORS * VHD_SECTOR;
	uint64_t asked = size;

	while (asked < most && geometry_bytes(cv_vhd_geometry_of(asked)) < size)
		asked += VHD_SECTOR;
	return asked < most ? geometry_bytes(cv_vhd_geometry_of(asked)) : size;
}

uint64_t cv_vhd_size_for(const struct cv_vhd_creator *creator, uint64_t size)
{
	switch (creator->size_rule) {
	case CV_CREATOR_SIZE_2M:
		return size % (2 * MIB) ? size + (2 * MIB - size % (2 * MIB)) : size;
	case CV_CREATOR_SIZE_GEOMETRY:
		return next_geometry_size(size);
	case CV_CREATOR_SIZE_CYLINDER:
		return geometry_bytes(whole_cylinders(size));
	case CV_CREATOR_SIZE_EXACT:
		break;
	}
	return size;
}

struct cv_vhd_geometry cv_vhd_geometry_for(const struct cv_vhd_creator *creator, uint64_t size)
{
	if (creator->largest_geometry)
		return geometry(UINT64_C(65535) * 16, 16, 255);
	if (creator->size_rule == CV_CREATOR_SIZE_CYLINDER)
		return whole_cylinders(size);
	return cv_vhd_geometry_of(size);
}
