/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHDX metadata, in the order of the file: identifier, headers, region tables, metadata items. Nothing is
 * replayed: a pending log is reported. Facts from Microsoft [MS-VHDX].
 */
#include "inspect/vhdx/vhdx.h"
#include <uuid/uuid.h>

void cv_guid_print_order(const struct cv_guid_disk *guid, uint8_t out[16])
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (int i = 0; i < 16; i++)
		out[i] = guid->b[order[i]];
}

bool cv_guid_parse(struct cv_bytes text, uint8_t out[16])
{
	char plain[37];

	if (text.len == 38 && text.at[0] == '{' && text.at[37] == '}')
		text = (struct cv_bytes){ text.at + 1, 36 };
	if (text.len != 36)
		return false;
	memcpy(plain, text.at, 36);
	plain[36] = '\0';
	return uuid_parse(plain, out) == 0;
}

bool cv_guid_is(const struct cv_guid_disk *guid, const char *text)
{
	uint8_t printed[16], wanted[16];

	cv_guid_print_order(guid, printed);
	return cv_guid_parse(cv_bytes_of(text), wanted) && !memcmp(printed, wanted, 16);
}

bool cv_guid_is_null(const struct cv_guid_disk *guid)
{
	return cv_uuid_is_null(guid->b);
}

void cv_vhdx_find(struct cv_vhdx *v, enum cv_problem_id id, enum cv_severity severity, const char *text,
		  struct cv_range where)
{
	struct cv_finding f = cv_finding_of(id);

	f.severity = severity;
	f.has_where = true;
	f.where = where;
	f.arg[0] = cv_arg_text(text);
	cv_facts_find(v->facts, f);
}

static unsigned probe(struct cv_source *source)
{
	struct cv_err err = { 0 };
	char signature[8];

	return cv_source_read(source, signature, 8, 0, &err) && !memcmp(signature, "vhdxfile", 8) ? 100 : 0;
}

static void read_creator(struct cv_vhdx *v)
{
	struct cv_vhdx_file_id_disk id;
	struct cv_err err = { 0 };
	CV_AUTO(cv_text_fini) struct cv_text creator = { 0 };

	if (!cv_source_read(v->source, &id, sizeof id, 0, &err))
		return;
	cv_text_add_utf16(&creator, id.creator, sizeof id.creator, false);
	cv_facts_bytes(v->facts, cv_text_str(&creator), creator.len, &v->facts->creator);
}

static bool read_vhdx(struct cv_source *source, struct cv_facts *facts, struct cv_err *err)
{
	struct cv_vhdx v = { .source = source, .facts = facts };

	facts->variant = CV_VARIANT_DYNAMIC;
	if (source->size < CV_VHDX_MIB) {
		struct cv_finding f = cv_finding_of(CV_GEN_IMAGE_TRUNCATED);

		f.arg[0] = cv_arg_text("the VHDX header section");
		f.arg[1] = cv_arg_number(CV_VHDX_MIB);
		f.arg[2] = cv_arg_number(0);
		f.arg[3] = cv_arg_number(source->size);
		cv_facts_find(facts, f);
		facts->flags |= CV_FACT_PARENT_UNREADABLE;
		return true;
	}
	read_creator(&v);
	return cv_vhdx_read_headers(&v, err) && cv_vhdx_read_regions(&v, err) && cv_vhdx_read_metadata(&v, err);
}

const struct cv_format cv_format_vhdx = { .id = CV_FORMAT_VHDX, .probe = probe, .read = read_vhdx, .check = cv_vhdx_check };
