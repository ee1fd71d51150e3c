/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The first cluster of a new QCOW2 file: header, extensions in the order in which QEMU writes them, XCP-ng's
 * hidden mark, backing file name.
 */
#include "repair/qcow2/encode.h"
#include <chainview/text.h>

/* The names that QEMU gives to the feature bits (docs/interop/qcow2). */
static const struct {
	uint8_t kind, bit;
	const char *name;
} features[] = {
	{ 0, 0, "dirty bit" },        { 0, 1, "corrupt bit" },         { 0, 2, "external data file" },
	{ 0, 3, "compression type" }, { 0, 4, "extended L2 entries" }, { 1, 0, "lazy refcounts" },
	{ 2, 0, "bitmaps" },          { 2, 1, "raw external data" },
};

static void add_extension(struct cv_text *t, uint32_t type, const void *data, size_t len)
{
	static const char zeros[8];
	const struct cv_qcow2_extension_disk d = { cv_be32_of(type), cv_be32_of((uint32_t)len) };

	cv_text_add_bytes(t, &d, sizeof d);
	cv_text_add_bytes(t, data, len);
	cv_text_add_bytes(t, zeros, (8 - len % 8) % 8);
}

static void add_feature_names(const struct cv_qcow2_image *image, struct cv_text *t)
{
	struct cv_qcow2_feature_disk d[CV_COUNT(features)] = { 0 };

	/* Small clusters need their space for other things. */
	if (image->version < 3 || image->cluster_bits <= 12 || image->no_feature_names)
		return;
	for (size_t i = 0; i < CV_COUNT(features); i++) {
		d[i].kind = features[i].kind;
		d[i].bit = features[i].bit;
		memcpy(d[i].name, features[i].name, strlen(features[i].name));
	}
	add_extension(t, QCOW2_EXTENSION_FEATURES, d, sizeof d);
}

static void add_extensions(const struct cv_qcow2_image *image, const struct cv_qcow2_tables *tables, struct cv_text *t)
{
	const struct cv_qcow2_bitmaps_disk bitmaps = {
		.count = cv_be32_of((uint32_t)image->bitmap_count),
		.directory_size = cv_be64_of(tables->directory_bytes),
		.directory_off = cv_be64_of(tables->directory_off),
	};
	const uint8_t mark[8] = { image->mark == CV_MARK_HIDDEN };

	if (image->backing_format.len)
		add_extension(t, QCOW2_EXTENSION_FORMAT, image->backing_format.at, image->backing_format.len);
	if (image->data_file.len)
		add_extension(t, QCOW2_EXTENSION_DATA_FILE, image->data_file.at, image->data_file.len);
	add_feature_names(image, t);
	if (image->bitmap_count)
		add_extension(t, QCOW2_EXTENSION_BITMAPS, &bitmaps, sizeof bitmaps);
	if (image->mark != CV_MARK_NONE)
		add_extension(t, QCOW2_EXTENSION_MARK, mark, sizeof mark);
	add_extension(t, QCOW2_EXTENSION_END, NULL, 0);
}

static struct cv_qcow2_header_disk encode(const struct cv_qcow2_image *image, const struct cv_qcow2_tables *tables,
					  uint64_t name_off)
{
	uint64_t incompatible = (image->data_file.len ? QCOW2_INCOMPATIBLE_DATA_FILE : 0) |
				(image->zstd ? QCOW2_INCOMPATIBLE_COMPRESSION : 0);
	uint64_t autoclear = image->bitmap_count ? QCOW2_AUTOCLEAR_BITMAPS : 0;

	return (struct cv_qcow2_header_disk){
		.magic = cv_be32_of(QCOW2_MAGIC),
		.version = cv_be32_of(image->version),
		.backing_off = cv_be64_of(image->backing.len ? name_off : 0),
		.backing_len = cv_be32_of((uint32_t)image->backing.len),
		.cluster_bits = cv_be32_of(image->cluster_bits),
		.size = cv_be64_of(image->size),
		.l1_entries = cv_be32_of(tables->l1_entries),
		.l1_off = cv_be64_of(tables->l1_off),
		.refcount_off = cv_be64_of(tables->refcount_off),
		.refcount_clusters = cv_be32_of(tables->refcount_clusters),
		.snapshot_count = cv_be32_of(tables->snapshot_count),
		.snapshot_off = cv_be64_of(tables->snapshot_off),
		.incompatible = cv_be64_of(image->incompatible | incompatible),
		.compatible = cv_be64_of(image->compatible),
		.autoclear = cv_be64_of(image->autoclear | autoclear),
		.refcount_order = cv_be32_of(image->refcount_order),
		.header_length = cv_be32_of(sizeof(struct cv_qcow2_header_disk)),
		.compression_type = image->zstd ? QCOW2_COMPRESSION_ZSTD : QCOW2_COMPRESSION_ZLIB,
	};
}

bool cv_qcow2_image_is_possible(const struct cv_qcow2_image *image, struct cv_err *err)
{
	if (image->version != 2 && image->version != 3)
		return cv_fail(err, CV_EUSAGE, "QCOW2 has versions 2 and 3, not %u", image->version);
	if (image->cluster_bits < QCOW2_MIN_CLUSTER_BITS || image->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
		return cv_fail(err, CV_EUSAGE, "clusters have 512 bytes to 2 MiB");
	if (image->refcount_order > QCOW2_MAX_REFCOUNT_ORDER || (image->version == 2 && image->refcount_order != 4))
		return cv_fail(err, CV_EUSAGE, "refcounts have 1 to 64 bits, and 16 in version 2");
	if (image->size % 512 || image->size > INT64_MAX - (UINT64_C(1) << 40))
		return cv_fail(err, CV_EUSAGE, "the size %" PRIu64 " is not one of whole sectors", image->size);
	if (image->version == 2 &&
	    (image->bitmap_count || image->data_file.len || image->incompatible || image->compatible || image->zstd))
		return cv_fail(err, CV_EUSAGE, "version 2 has no bitmaps, no data file and no feature bits");
	if (image->data_file.len && image->backing.len)
		return cv_fail(err, CV_EUSAGE, "an image with a data file cannot be an overlay here");
	return true;
}

bool cv_qcow2_write_head(const struct cv_file_out *out, const struct cv_qcow2_image *image,
			 const struct cv_qcow2_tables *tables, uint64_t *extension_off, uint64_t *name_off,
			 struct cv_err *err)
{
	size_t header_len = image->version == 2 ? QCOW2_V2_HEADER : sizeof(struct cv_qcow2_header_disk);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	struct cv_qcow2_header_disk d;

	cv_text_fill(&t, 'h', header_len);
	add_extensions(image, tables, &t);
	*extension_off = header_len;
	*name_off = t.len;
	cv_text_add_bytes(&t, image->backing.at, image->backing.len);
	if (t.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (t.len > UINT64_C(1) << image->cluster_bits || image->backing.len > 1023)
		return cv_fail(err, CV_EUSAGE,
			       "the backing file name and the header extensions do not fit into a cluster");
	d = encode(image, tables, *name_off);
	memcpy(t.at, &d, header_len);
	return cv_out_write(out, t.at, t.len, 0, err);
}
