/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Byte sources for the libraries. Bytes are only put elsewhere, never invented, in a view of a file; the empty
 * parents are made up altogether, and nothing that was read from one is ever compared.
 */
#include "inspect/reader2/view.h"
#include "inspect/qcow2/qcow2_disk.h"
#include "inspect/vhd/vhd.h"
#include "inspect/vhdx/vhdx.h"

#define EMPTY_CLUSTER_BITS 21u
#define EMPTY_L1_COVERS_BITS (2 * EMPTY_CLUSTER_BITS - 3)
#define EMPTY_BLOCK ((uint64_t)2 << 20)
#define LARGEST_EMPTY ((size_t)64 << 20)
#define ORIGINAL_SIZE_AT 40u
#define CURRENT_SIZE_AT 48u

/* A source that does not own the one it reads. */
struct borrowed {
	struct cv_source source;
	struct cv_source *under;
};

static ssize_t borrowed_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct cv_source *under = ((struct borrowed *)self)->under;

	return under->ops->pread(under, buf, len, off);
}

static void borrowed_close(struct cv_source *self)
{
	free(self);
}

static struct cv_source *borrow(struct cv_source *under, struct cv_err *err)
{
	static const struct cv_source_ops ops = { .pread = borrowed_pread, .close = borrowed_close };
	struct borrowed *b = malloc(sizeof *b);

	if (!b) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	*b = (struct borrowed){ { &ops, under->size }, under };
	return &b->source;
}

/* A source over its own copy of some bytes. */
struct owned {
	struct cv_source source;
	uint8_t bytes[];
};

static ssize_t owned_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct owned *o = (struct owned *)self;

	if (off >= self->size)
		return 0;
	if (len > self->size - off)
		len = (size_t)(self->size - off);
	memcpy(buf, o->bytes + off, len);
	return (ssize_t)len;
}

/* All zero. */
static struct owned *owned_new(uint64_t size, struct cv_err *err)
{
	static const struct cv_source_ops ops = { .pread = owned_pread, .close = borrowed_close };
	struct owned *o = size <= LARGEST_EMPTY ? calloc(1, sizeof *o + (size_t)size) : NULL;

	if (o)
		o->source = (struct cv_source){ &ops, size };
	else
		cv_fail(err, CV_ENOMEM, "no memory for an empty parent of %" PRIu64 " B", size);
	return o;
}

/*
 * The file up to the footer that ends it, then the footer that counts, with the present size in the place of the
 * original one. libvhdi does not look at the checksum.
 */
static struct cv_source *vhd_view(struct cv_source *file, struct cv_source **copy, struct cv_err *err)
{
	struct cv_facts *facts = cv_facts_new();
	struct vhd_reader r = { .source = file, .facts = facts };
	struct cv_source *view = NULL;

	if (!facts)
		cv_fail(err, CV_ENOMEM, "out of memory");
	else if (cv_vhd_footers_load(&r, err) && r.used) {
		uint64_t body = cv_vhd_has_cookie(&r.end) ? r.end.where.off : file->size, at = r.used->where.off;
		uint64_t have = r.used->where.len, rest = VHD_SECTOR - have;
		const struct cv_source_extent parts[] = {
			{ 0, body }, { at, ORIGINAL_SIZE_AT }, { at + CURRENT_SIZE_AT, 8 },
			{ at + CURRENT_SIZE_AT, have - CURRENT_SIZE_AT },
			/* old tools wrote one byte less: its last ones are zero anyway */
			{ at + have - rest, rest },
		};

		view = cv_source_extents(copy, parts, CV_COUNT(parts), err);
	} else if (!err->code)
		cv_fail(err, CV_EFORMAT, "the file has no VHD footer");
	cv_facts_free(facts);
	return view;
}

static bool is_damaged_copy(const struct cv_facts *f, uint64_t at)
{
	for (size_t i = 0; i < f->finding_count; i++) {
		const struct cv_finding *x = &f->findings[i];

		if ((x->id == CV_VHX_VHDX_HEADER_INVALID || x->id == CV_VHX_VHDX_REGION_TABLE_INVALID) && x->has_where &&
		    x->where.off == at)
			return true;
	}
	return false;
}

/* Where one copy of the header or of the region table is damaged, the other one twice: libvhdi wants both. */
static struct cv_source *vhdx_view(const struct cv_gate_layer *layer, struct cv_source **copy, struct cv_err *err)
{
	static const uint64_t at[] = { CV_VHDX_HEADER_OFFSET(0), CV_VHDX_HEADER_OFFSET(1), CV_VHDX_REGION_OFFSET(0),
				       CV_VHDX_REGION_OFFSET(1) };
	struct cv_source_extent parts[CV_COUNT(at) + 2] = { { 0, at[0] } };
	uint64_t end = at[CV_COUNT(at) - 1] + CV_VHDX_TABLE_SIZE, size = (*copy)->size;

	if (size < end)
		return cv_take(*copy);
	for (size_t i = 0; i < CV_COUNT(at); i++) {
		parts[i + 1].off = is_damaged_copy(layer->facts, at[i]) ? at[i ^ 1] : at[i];
		parts[i + 1].len = CV_VHDX_TABLE_SIZE;
	}
	parts[CV_COUNT(at) + 1] = (struct cv_source_extent){ end, size - end };
	return cv_source_extents(copy, parts, CV_COUNT(parts), err);
}

struct cv_source *cv_view_of(const struct cv_gate_layer *layer, struct cv_err *err)
{
	CV_AUTO(cv_auto_source) struct cv_source *copy = borrow(layer->own->source, err);

	if (!copy)
		return NULL;
	if (layer->format == CV_FORMAT_VHD)
		return vhd_view(layer->own->source, &copy, err);
	return layer->format == CV_FORMAT_VHDX ? vhdx_view(layer, &copy, err) : cv_take(copy);
}

/* Version 2: header, then an L1 table of zeros. */
static struct cv_source *empty_qcow2(uint64_t size, struct cv_err *err)
{
	uint64_t cluster = UINT64_C(1) << EMPTY_CLUSTER_BITS;
	uint64_t entries = (size >> EMPTY_L1_COVERS_BITS) + 1;
	struct owned *o = owned_new(2 * cluster + entries * 8, err);
	struct cv_qcow2_header_disk h = {
		.magic = cv_be32_of(QCOW2_MAGIC), .version = cv_be32_of(2),
		.cluster_bits = cv_be32_of(EMPTY_CLUSTER_BITS), .size = cv_be64_of(size),
		.l1_entries = cv_be32_of((uint32_t)entries), .l1_off = cv_be64_of(2 * cluster),
		.refcount_off = cv_be64_of(cluster), .refcount_clusters = cv_be32_of(1),
	};

	if (!o)
		return NULL;
	memcpy(o->bytes, &h, QCOW2_V2_HEADER);
	return &o->source;
}

/* Footer, header, a BAT without blocks, footer; with the identity that the child asks for. */
static struct cv_source *empty_vhd(uint64_t size, const uint8_t uuid[16], struct cv_err *err)
{
	uint64_t entries = (size + EMPTY_BLOCK - 1) / EMPTY_BLOCK;
	uint64_t bat = VHD_SECTOR + sizeof(struct vhd_header_disk), bat_len = (entries * 4 + 511) / 512 * 512;
	struct owned *o = owned_new(bat + bat_len + VHD_SECTOR, err);
	struct vhd_footer_disk f = {
		.features = cv_be32_of(2), .version = cv_be32_of(0x10000), .data_offset = cv_be64_of(VHD_SECTOR),
		.original_size = cv_be64_of(size), .current_size = cv_be64_of(size), .type = cv_be32_of(3),
	};
	struct vhd_header_disk h = {
		.table_offset = cv_be64_of(bat), .version = cv_be32_of(0x10000),
		.max_table_entries = cv_be32_of((uint32_t)entries), .block_size = cv_be32_of((uint32_t)EMPTY_BLOCK),
	};

	if (!o)
		return NULL;
	memcpy(f.cookie, "conectix", 8);
	memcpy(f.uuid, uuid, 16);
	memcpy(h.cookie, "cxsparse", 8);
	memset(&h.data_offset, 0xff, sizeof h.data_offset);
	memcpy(o->bytes, &f, sizeof f);
	memcpy(o->bytes + VHD_SECTOR, &h, sizeof h);
	memset(o->bytes + bat, 0xff, bat_len);
	memcpy(o->bytes + bat + bat_len, &f, sizeof f);
	return &o->source;
}

struct cv_source *cv_view_empty_parent(const struct cv_gate_layer *layer, struct cv_err *err)
{
	uint64_t size = layer->own->size > layer->library_size ? layer->own->size : layer->library_size;

	/* a parent that is shorter than it seems to the library would make it fail or hang */
	if (layer->library_size == UINT64_MAX)
		size = layer->own->size;
	if (layer->format == CV_FORMAT_VHD)
		return empty_vhd(size, layer->facts->parent_uuid, err);
	if (layer->format == CV_FORMAT_QCOW2 || layer->format == CV_FORMAT_QCOW)
		return empty_qcow2(size, err);
	cv_fail(err, CV_EUSAGE, "no empty parent can be made for %s", cv_format_name(layer->format));
	return NULL;
}
