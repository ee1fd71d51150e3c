/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHD structures from host structures to bytes, and where they lie in a new file. Writes no file; the habits of
 * the creators are in creators.c.
 */
#include "repair/vhd/encode.h"

enum { BLOCK_SIZE = 2 << 20, FOOTER_VERSION = 0x00010000, BATMAP_VERSION = 0x00010002 };

static uint64_t to_sectors(uint64_t bytes)
{
	return (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

static bool plan_blocks(const struct cv_vhd_image *image, struct cv_vhd_layout *l, struct cv_err *err)
{
	uint32_t block = image->block_size ? image->block_size : BLOCK_SIZE;
	uint64_t entries = image->size / block + (image->size % block != 0) + image->creator->extra_entries;

	if (block < VHD_SECTOR || block & (block - 1))
		return cv_fail(err, CV_EUSAGE, "a block of %" PRIu32 " bytes is not a power of two from 512", block);
	if (!image->size || entries > UINT32_C(1) << 28)
		return cv_fail(err, CV_EUSAGE, "%" PRIu64 " bytes cannot be a disk of %" PRIu32 "-byte blocks",
			       image->size, block);
	l->block_size = block;
	l->entries = (uint32_t)entries;
	l->bitmap_len = (uint32_t)to_sectors((block / VHD_SECTOR + 7) / 8);
	return true;
}

/* vhd-util gives a locator one sector, more if its text needs more, and counts the space in bytes. */
static void plan_locators(const struct cv_vhd_image *image, struct cv_vhd_layout *l, uint64_t *at)
{
	for (unsigned i = 0; i < image->locator_count; i++) {
		uint64_t space = to_sectors(image->locators[i].payload.len);

		l->locator_off[i] = *at;
		l->locator_space[i] = space ? (uint32_t)space : VHD_SECTOR;
		*at += l->locator_space[i];
	}
}

bool cv_vhd_plan_layout(const struct cv_vhd_image *image, struct cv_vhd_layout *l, struct cv_err *err)
{
	uint64_t at;

	*l = (struct cv_vhd_layout){ 0 };
	if (!plan_blocks(image, l, err))
		return false;
	if (image->type == VHD_TYPE_FIXED)
		return true;
	if (image->locator_count > VHD_LOCATORS)
		return cv_fail(err, CV_EUSAGE, "a VHD has room for %u parent locators", VHD_LOCATORS);
	l->bat_off = sizeof(struct vhd_footer_disk) + sizeof(struct vhd_header_disk);
	l->bat_len = to_sectors((uint64_t)l->entries * 4);
	at = l->bat_off + l->bat_len;
	if (image->creator->batmap) {
		l->batmap_off = at;
		l->map_off = at + sizeof(struct vhd_batmap_disk);
		l->map_len = to_sectors((l->entries + 7) / 8);
		at = l->map_off + l->map_len;
	}
	plan_locators(image, l, &at);
	l->data_off = at;
	return true;
}

uint32_t cv_vhd_time(int64_t unix_seconds)
{
	int64_t t = unix_seconds - VHD_EPOCH;

	return t < 0 || t > UINT32_MAX ? 0 : (uint32_t)t;
}

void cv_vhd_seal_footer(struct vhd_footer_disk *d)
{
	d->checksum = cv_be32_of(cv_vhd_sum(d, sizeof *d, offsetof(struct vhd_footer_disk, checksum)));
}

void cv_vhd_seal_header(struct vhd_header_disk *d)
{
	d->checksum = cv_be32_of(cv_vhd_sum(d, sizeof *d, offsetof(struct vhd_header_disk, checksum)));
}

void cv_vhd_encode_footer(const struct cv_vhd_image *image, struct vhd_footer_disk *d)
{
	struct cv_vhd_geometry g = cv_vhd_geometry_for(image->creator, image->size);
	uint32_t version = image->creator_version ? image->creator_version : image->creator->version;

	*d = (struct vhd_footer_disk){
		.features = cv_be32_of(VHD_FEATURE_RESERVED),
		.version = cv_be32_of(FOOTER_VERSION),
		.data_offset = cv_be64_of(image->type == VHD_TYPE_FIXED ? VHD_NO_OFFSET : sizeof *d),
		.timestamp = cv_be32_of(image->timestamp),
		.app_version = cv_be32_of(version),
		.original_size = cv_be64_of(image->size),
		.current_size = cv_be64_of(image->size),
		.cylinders = cv_be16_of((uint16_t)g.cylinders),
		.heads = (uint8_t)g.heads,
		.sectors = (uint8_t)g.sectors,
		.type = cv_be32_of(image->type),
		.saved = image->saved,
		.hidden = image->hidden,
	};
	memcpy(d->cookie, VHD_COOKIE, sizeof d->cookie);
	memcpy(d->app, image->creator->app, sizeof d->app);
	memcpy(d->os, image->creator->os, sizeof d->os);
	memcpy(d->uuid, image->uuid, sizeof d->uuid);
	cv_vhd_seal_footer(d);
}

static bool encode_parent_name(const struct cv_vhd_image *image, struct vhd_header_disk *d, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_vhd_add_utf16(&t, image->parent_name, true);
	if (t.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (t.len > sizeof d->parent_name)
		return cv_fail(err, CV_EUSAGE, "the parent's name is longer than 256 characters");
	if (t.len)
		memcpy(d->parent_name, t.at, t.len);
	return true;
}

bool cv_vhd_encode_header(const struct cv_vhd_image *image, const struct cv_vhd_layout *l, struct vhd_header_disk *d,
			  struct cv_err *err)
{
	*d = (struct vhd_header_disk){
		.data_offset = cv_be64_of(VHD_NO_OFFSET),
		.table_offset = cv_be64_of(l->bat_off),
		.version = cv_be32_of(FOOTER_VERSION),
		.max_table_entries = cv_be32_of(l->entries),
		.block_size = cv_be32_of(l->block_size),
		.parent_time = cv_be32_of(image->parent_time),
	};
	memcpy(d->cookie, VHD_HEADER_COOKIE, sizeof d->cookie);
	memcpy(d->parent_uuid, image->parent_uuid, sizeof d->parent_uuid);
	if (!encode_parent_name(image, d, err))
		return false;
	for (unsigned i = 0; i < image->locator_count; i++) {
		memcpy(d->locators[i].code, image->locators[i].code, sizeof d->locators[i].code);
		d->locators[i].space = cv_be32_of(l->locator_space[i]);
		d->locators[i].length = cv_be32_of((uint32_t)image->locators[i].payload.len);
		d->locators[i].offset = cv_be64_of(l->locator_off[i]);
	}
	cv_vhd_seal_header(d);
	return true;
}

/* libvhd counts the 2 MiB blocks of the disk in whole bytes of the map and rounds that up to sectors, one at least. */
uint64_t cv_vhd_batmap_summed(uint64_t size)
{
	uint64_t bytes = to_sectors(size >> 24);

	return bytes ? bytes : VHD_SECTOR;
}

void cv_vhd_encode_batmap(const struct cv_vhd_image *image, const struct cv_vhd_layout *l, const uint8_t *map,
			  struct vhd_batmap_disk *d)
{
	uint64_t summed = cv_vhd_batmap_summed(image->size);

	if (summed > l->map_len)
		summed = l->map_len;
	*d = (struct vhd_batmap_disk){
		.map_offset = cv_be64_of(l->map_off),
		.map_sectors = cv_be32_of((uint32_t)(l->map_len / VHD_SECTOR)),
		.version = cv_be32_of(BATMAP_VERSION),
		.checksum = cv_be32_of(cv_vhd_sum(map, summed, summed)),
	};
	memcpy(d->cookie, VHD_BATMAP_COOKIE, sizeof d->cookie);
}
