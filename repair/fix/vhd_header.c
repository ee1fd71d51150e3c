/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The dynamic header of a VHD whose checksum does not fit. There is one header only, so it must explain itself: either one field,
 * made what the format or the footer wants it to be, makes the checksum right; or all fields are what they must be, and it is
 * the checksum that was damaged. Then what is said of a parent could still be wrong, so somebody must have that identity.
 */
#include "repair/fix/vhd.h"
#include "repair/vhd/encode.h"

struct explaining {
	const struct cv_fix_vhd *v;
	struct vhd_header_disk header;
};

static bool fits(const struct vhd_header_disk *h)
{
	return cv_vhd_sum(h, sizeof *h, offsetof(struct vhd_header_disk, checksum)) == cv_be32_get(h->checksum);
}

/* --- one field ------------------------------------------------------------------------------------------------ */

static bool is_data_offset(struct explaining *x)
{
	x->header.data_offset = cv_be64_of(VHD_NO_OFFSET);
	return fits(&x->header);
}

static bool is_version(struct explaining *x)
{
	x->header.version = cv_be32_of(VHD_VERSION(1, 0));
	return fits(&x->header);
}

static bool is_reserved(struct explaining *x)
{
	memset(x->header.reserved1, 0, sizeof x->header.reserved1);
	memset(x->header.reserved2, 0, sizeof x->header.reserved2);
	return fits(&x->header);
}

static bool is_table(struct explaining *x)
{
	x->header.table_offset = cv_be64_of(x->v->r.header.where.off + sizeof x->header);
	return fits(&x->header);
}

/* The checksum is a sum of bytes, so it fits several: those that the disk does not fit into are none. */
static bool is_block_size(struct explaining *x)
{
	uint64_t entries = x->v->r.header.entries;
	uint32_t found = 0;

	for (uint32_t size = 4096; size <= 256u << 20; size *= 2) {
		x->header.block_size = cv_be32_of(size);
		if (!fits(&x->header) || entries * size < x->v->r.used->current_size)
			continue;
		if (found)
			return false;
		found = size;
	}
	x->header.block_size = cv_be32_of(found);
	return found != 0;
}

static bool is_entries(struct explaining *x)
{
	uint64_t block = x->v->r.facts->block_size, size = x->v->r.used->current_size;

	if (!block || size / block >= UINT32_MAX)
		return false;
	x->header.max_table_entries = cv_be32_of((uint32_t)(size / block + (size % block != 0)));
	return fits(&x->header);
}

static const struct {
	const char *name;
	bool (*is)(struct explaining *x);
} fields[] = {
	{ "data offset", is_data_offset }, { "version", is_version }, { "reserved bytes", is_reserved },
	{ "offset of the block table", is_table }, { "size of blocks", is_block_size }, { "number of blocks", is_entries },
};

/* The field that explains it, with the header as it is to be; NULL: none does. */
static const char *explain(struct explaining *x)
{
	for (size_t i = 0; i < CV_COUNT(fields); i++) {
		x->header = x->v->r.header.disk;
		if (fields[i].is(x))
			return fields[i].name;
	}
	x->header = x->v->r.header.disk;
	return NULL;
}

/* --- all of them ---------------------------------------------------------------------------------------------- */

/* NULL: it is all as the format and the footer want it. */
static const char *wrong_field(const struct cv_fix_vhd *v)
{
	const struct vhd_header *h = &v->r.header;

	if (h->version != VHD_VERSION(1, 0))
		return "its version";
	if (cv_be64_get(h->disk.data_offset) != VHD_NO_OFFSET)
		return "its data offset";
	if (cv_vhd_nonzero(h->disk.reserved1, sizeof h->disk.reserved1).len || cv_vhd_nonzero(h->disk.reserved2, sizeof h->disk.reserved2).len)
		return "its reserved bytes";
	if (!v->r.facts->block_size)
		return "its size of blocks";
	if ((uint64_t)h->entries * h->block_size < v->r.used->current_size)
		return "its number of blocks";
	return h->table_sane ? NULL : "its offset of the block table";
}

static bool somebody_is(const struct cv_graph *g, const uint8_t uuid[16])
{
	for (uint32_t i = 0; i < g->image_count; i++)
		if (g->images[i].facts->flags & CV_FACT_UUID && !memcmp(g->images[i].facts->uuid, uuid, 16))
			return true;
	return false;
}

/* True: it was refused. */
static bool refuses(const struct cv_fix_job *job, const struct cv_fix_vhd *v, struct cv_fix *fix)
{
	const char *field = wrong_field(v);

	if (field)
		return cv_fix_refuse(fix, "%s is not what it must be, and made right does not explain the checksum: more than one field was "
				     "damaged (a backup of the image has its header)", field);
	if (v->r.used->type == VHD_TYPE_DIFFERENCING && !somebody_is(job->g, v->r.header.disk.parent_uuid))
		return cv_fix_refuse(fix, "no image is known with the identity that it names as its parent (%s): that may be what was damaged "
				     "(--with looks elsewhere)", cv_uuid_str(v->r.header.disk.parent_uuid).s);
	return false;
}

static bool mend(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	struct explaining x = { .v = v };
	const char *field;

	if (!v->r.used || !v->r.used->sums || !v->r.header.present)
		return cv_fix_refuse(fix, "no good footer says what the header must be: that comes first");
	if (v->r.header.sums)
		return true;
	field = explain(&x);
	if (!field && refuses(job, v, fix))
		return true;
	fix->off = v->r.header.where.off;
	if (field)
		cv_fix_ask(fix, "its %s made what it must be, the checksum fits", field);
	else
		cv_fix_ask(fix, "all fields are as they must be, so the checksum is made anew: compare its parent and its size with what you know");
	cv_vhd_seal_header(&x.header);
	return cv_fix_patch(fix, v->r.header.where.off, &x.header, sizeof x.header, 1, err);
}

bool cv_fix_vhd_header(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	struct cv_fix_vhd v;
	bool ok = cv_fix_vhd_read(job, &v, err) && mend(job, &v, fix, err);

	cv_fix_vhd_fini(&v);
	return ok;
}
