/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See change.h. */
#include "repair/vhdx/change.h"
#include "inspect/base/crc32c.h"

bool cv_vhdx_find_header(struct cv_source *source, struct cv_facts **facts, struct cv_vhdx_header_disk *h, uint64_t *off,
			 struct cv_err *err)
{
	struct cv_vhdx v = { .source = source, .facts = *facts = cv_facts_new() };
	const struct cv_attr *sequence;

	if (!*facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_vhdx_read_headers(&v, err))
		return false;
	sequence = cv_facts_attr(*facts, CV_ATTR_VHDX_SEQUENCE, 0);
	if (!sequence)
		return cv_fail(err, CV_EREFUSED, "neither of its headers can be used");
	/* Where the parser found what it told. */
	*off = sequence->where.off - offsetof(struct cv_vhdx_header_disk, sequence);
	return cv_source_read(source, h, sizeof *h, *off, err);
}

bool cv_vhdx_current_header(struct cv_source *source, struct cv_vhdx_header_disk *h, uint64_t *off, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = NULL;

	if (!cv_vhdx_find_header(source, &facts, h, off, err))
		return false;
	return cv_guid_is_null(&h->log) ||
	       cv_fail(err, CV_EREFUSED, "its log is not empty: it was not closed in good order");
}

void cv_vhdx_renew_header(struct cv_vhdx_header_disk *h, uint64_t *off, const uint8_t fresh[16])
{
	*off = *off == CV_VHDX_HEADER_OFFSET(0) ? CV_VHDX_HEADER_OFFSET(1) : CV_VHDX_HEADER_OFFSET(0);
	h->sequence = cv_le64_of(cv_le64_get(h->sequence) + 1);
	memcpy(h->file_write.b, fresh, sizeof h->file_write.b);
	h->checksum = cv_le32_of(0);
	h->checksum = cv_le32_of(cv_crc32c(0, h, sizeof *h));
}

bool cv_vhdx_is_header(const uint8_t page[4096])
{
	struct cv_vhdx_header_disk h;
	uint32_t sum;

	memcpy(&h, page, sizeof h);
	sum = cv_le32_get(h.checksum);
	h.checksum = cv_le32_of(0);
	return !memcmp(h.signature, "head", sizeof h.signature) && cv_crc32c(0, &h, sizeof h) == sum;
}

const struct cv_vhdx_item_disk *cv_vhdx_find_item(const uint8_t *table, const char *guid)
{
	const struct cv_vhdx_metadata_disk *head = (const void *)table;
	const struct cv_vhdx_item_disk *items = (const void *)(table + sizeof *head);
	uint16_t count = cv_le16_get(head->count);

	for (uint16_t i = 0; i < count && i < CV_VHDX_ENTRIES_MAX; i++)
		if (cv_guid_is(&items[i].id, guid))
			return &items[i];
	return NULL;
}
