/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The first cluster of a new QCOW2 file: header, extensions in the order in which QEMU writes them, XCP-ng's
 * hidden mark, backing file name.
 */
#include "repair/qcow2/internal.h"

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

static void add_feature_names(const struct cv_qcow2_writer *w, struct cv_text *t)
{
	struct cv_qcow2_feature_disk d[CV_COUNT(features)] = { 0 };

	/* Small clusters need their space for other things. */
	if (w->image.version < 3 || w->cluster_size <= 4096 || w->image.no_feature_names)
		return;
	for (size_t i = 0; i < CV_COUNT(features); i++) {
		d[i].kind = features[i].kind;
		d[i].bit = features[i].bit;
		memcpy(d[i].name, features[i].name, strlen(features[i].name));
	}
	add_extension(t, QCOW2_EXTENSION_FEATURES, d, sizeof d);
}

static void add_extensions(const struct cv_qcow2_writer *w, struct cv_text *t)
{
	const struct cv_qcow2_image *image = &w->image;
	const struct cv_qcow2_bitmaps_disk bitmaps = {
		.count = cv_be32_of((uint32_t)image->bitmap_count),
		.directory_size = cv_be64_of(w->directory_bytes),
		.directory_off = cv_be64_of(w->directory_cluster * w->cluster_size),
	};
	const uint8_t mark[8] = { image->mark == CV_MARK_HIDDEN };

	if (image->backing_format.len)
		add_extension(t, QCOW2_EXTENSION_FORMAT, image->backing_format.at, image->backing_format.len);
	if (image->data_file.len)
		add_extension(t, QCOW2_EXTENSION_DATA_FILE, image->data_file.at, image->data_file.len);
	add_feature_names(w, t);
	if (image->bitmap_count)
		add_extension(t, QCOW2_EXTENSION_BITMAPS, &bitmaps, sizeof bitmaps);
	if (image->mark != CV_MARK_NONE)
		add_extension(t, QCOW2_EXTENSION_MARK, mark, sizeof mark);
	add_extension(t, QCOW2_EXTENSION_END, NULL, 0);
}

static struct cv_qcow2_header_disk encode(const struct cv_qcow2_writer *w)
{
	const struct cv_qcow2_image *image = &w->image;
	uint64_t incompatible = image->data_file.len ? QCOW2_INCOMPATIBLE_DATA_FILE : 0;
	uint64_t autoclear = image->bitmap_count ? QCOW2_AUTOCLEAR_BITMAPS : 0;

	return (struct cv_qcow2_header_disk){
		.magic = cv_be32_of(QCOW2_MAGIC),
		.version = cv_be32_of(image->version),
		.backing_off = cv_be64_of(image->backing.len ? w->name_off : 0),
		.backing_len = cv_be32_of((uint32_t)image->backing.len),
		.cluster_bits = cv_be32_of(image->cluster_bits),
		.size = cv_be64_of(image->size),
		.l1_entries = cv_be32_of(w->l1_entries),
		.l1_off = cv_be64_of(w->l1_cluster * w->cluster_size),
		.refcount_off = cv_be64_of(w->refcount_cluster * w->cluster_size),
		.refcount_clusters = cv_be32_of((uint32_t)w->refcount_clusters),
		.snapshot_count = cv_be32_of((uint32_t)w->snapshots.len),
		.snapshot_off = cv_be64_of(w->snapshots.len ? w->snapshot_cluster * w->cluster_size : 0),
		.incompatible = cv_be64_of(image->incompatible | incompatible),
		.compatible = cv_be64_of(image->compatible),
		.autoclear = cv_be64_of(image->autoclear | autoclear),
		.refcount_order = cv_be32_of(image->refcount_order),
		.header_length = cv_be32_of(sizeof(struct cv_qcow2_header_disk)),
	};
}

bool cv_qcow2_write_header(struct cv_qcow2_writer *w, struct cv_err *err)
{
	size_t header_len = w->image.version == 2 ? QCOW2_V2_HEADER : sizeof(struct cv_qcow2_header_disk);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	struct cv_qcow2_header_disk d;

	cv_text_fill(&t, 'h', header_len);
	add_extensions(w, &t);
	w->extension_off = header_len;
	w->name_off = t.len;
	cv_text_add_bytes(&t, w->image.backing.at, w->image.backing.len);
	if (t.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (t.len > w->cluster_size || w->image.backing.len > 1023)
		return cv_fail(err, CV_EUSAGE,
			       "the backing file name and the header extensions do not fit into a cluster");
	d = encode(w);
	memcpy(t.at, &d, header_len);
	return cv_out_write(w->out, t.at, t.len, 0, err);
}
