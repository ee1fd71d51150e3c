/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A log with one entry: the places of some blocks, which the table of blocks does not have yet. */
#include "repair/sample/make_vhdx.h"
#include "inspect/base/crc32c.h"
#include "inspect/vhdx/vhdx_log.h"

enum { ENTRIES = CV_VHDX_PAGE / sizeof(cv_le64), PAGES_MOST = 64 };

struct entry {
	uint8_t head[CV_VHDX_PAGE];  /* with its descriptors */
	struct cv_vhdx_data_disk pages[PAGES_MOST];
};

/* The page of the BAT as it will be: with what is there and with what is to come. */
static void fill_page(const struct cv_vhdx_places *places, uint64_t number, uint8_t page[CV_VHDX_PAGE])
{
	memset(page, 0, CV_VHDX_PAGE);
	for (size_t i = 0; i < places->len; i++) {
		const cv_le64 word = cv_le64_of(places->at[i].word);

		if (places->at[i].index / ENTRIES == number)
			memcpy(page + places->at[i].index % ENTRIES * sizeof word, &word, sizeof word);
	}
}

static void put_page(struct entry *e, uint32_t n, uint64_t off, uint64_t sequence, const uint8_t page[CV_VHDX_PAGE])
{
	struct cv_vhdx_descriptor_disk d = { .signature = { 'd', 'e', 's', 'c' }, .offset = cv_le64_of(off), .sequence = cv_le64_of(sequence) };
	struct cv_vhdx_data_disk *data = &e->pages[n];

	memcpy(d.leading, page, sizeof d.leading);
	memcpy(d.trailing, page + CV_VHDX_PAGE - sizeof d.trailing, sizeof d.trailing);
	memcpy(e->head + sizeof(struct cv_vhdx_entry_disk) + n * sizeof d, &d, sizeof d);
	*data = (struct cv_vhdx_data_disk){ .signature = { 'd', 'a', 't', 'a' }, .sequence_high = cv_le32_of((uint32_t)(sequence >> 32)),
					    .sequence_low = cv_le32_of((uint32_t)sequence) };
	memcpy(data->bytes, page + sizeof d.leading, sizeof data->bytes);
}

static bool is_logged(const struct cv_vhdx_places *places, uint64_t page)
{
	for (size_t i = 0; i < places->len; i++)
		if (places->at[i].logged && places->at[i].index / ENTRIES == page)
			return true;
	return false;
}

static void finish_entry(struct entry *e, struct cv_vhdx_entry_disk h, uint32_t count)
{
	size_t len = (count + 1) * (size_t)CV_VHDX_PAGE;

	h.length = cv_le32_of((uint32_t)len);
	h.count = cv_le32_of(count);
	memcpy(e->head, &h, sizeof h);
	h.checksum = cv_le32_of(cv_crc32c(0, e, len));
	memcpy(e->head, &h, sizeof h);
}

bool cv_sample_vhdx_log(const struct cv_file_out *out, const struct cv_vhdx_image *image, const struct cv_vhdx_layout *layout,
			const struct cv_vhdx_places *places, uint64_t flushed, uint64_t last, struct cv_err *err)
{
	enum { SEQUENCE = 3 };
	CV_AUTO(cv_auto_free) struct entry *e = calloc(1, sizeof *e);
	struct cv_vhdx_entry_disk h = {
		.signature = { 'l', 'o', 'g', 'e' }, .sequence = cv_le64_of(SEQUENCE), .guid = cv_vhdx_guid(image->log),
		.flushed_size = cv_le64_of(flushed), .last_size = cv_le64_of(last),
	};
	uint8_t page[CV_VHDX_PAGE];
	uint32_t count = 0;

	if (!e)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t n = 0; n < layout->bat_len / CV_VHDX_PAGE; n++) {
		if (!is_logged(places, n))
			continue;
		if (count == PAGES_MOST)
			return cv_fail(err, CV_EFORMAT, "one entry of a log has at most %d pages of the BAT", PAGES_MOST);
		fill_page(places, n, page);
		put_page(e, count++, layout->bat_off + n * CV_VHDX_PAGE, SEQUENCE, page);
	}
	finish_entry(e, h, count);
	return cv_out_write(out, e, (count + 1) * (size_t)CV_VHDX_PAGE, layout->log_off, err);
}
