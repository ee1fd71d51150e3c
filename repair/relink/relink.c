/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See relink.h. Knows pages, and what the parser says; the formats are in the files beside this one. */
#include "repair/relink/relink.h"
#include <chainview/format.h>
#include <chainview/scan.h>

static const struct cv_relink_format *const formats[] = { &cv_relink_vhd, &cv_relink_vhdx, &cv_relink_qcow2 };

const struct cv_relink_format *cv_relink_format(enum cv_format_id format)
{
	for (size_t i = 0; i < CV_COUNT(formats); i++)
		if (formats[i]->format == format)
			return formats[i];
	return NULL;
}

/* Of the file while both what was and what will be are there. */
static uint64_t full_size(const struct cv_relink *r)
{
	return r->new_size > r->source->size ? r->new_size : r->source->size;
}

/* What lies behind the end of the file is zeros. */
static bool read_page(const struct cv_relink *r, uint8_t *buf, uint32_t len, uint64_t off, struct cv_err *err)
{
	uint64_t left = r->source->size > off ? r->source->size - off : 0;

	memset(buf, 0, len);
	len = len < left ? len : (uint32_t)left;
	return !len || cv_source_read(r->source, buf, len, off, err);
}

/* The file may have grown since the page was made. */
static bool lengthen(const struct cv_relink *r, struct cv_page *page, uint32_t len, struct cv_err *err)
{
	uint32_t had = page->len;

	if (had >= len)
		return true;
	if (!read_page(r, page->old + had, len - had, page->off + had, err))
		return false;
	memcpy(page->new + had, page->old + had, len - had);
	page->len = len;
	return true;
}

static struct cv_page *page_at(struct cv_relink *r, uint64_t off, struct cv_err *err)
{
	struct cv_page page = { .off = off - off % CV_RELINK_PAGE };
	uint64_t left = full_size(r) - page.off;

	page.len = left < CV_RELINK_PAGE ? (uint32_t)(left - left % CV_RELINK_SECTOR) : CV_RELINK_PAGE;
	for (size_t i = 0; i < r->pages.len; i++)
		if (r->pages.at[i].off == page.off)
			return lengthen(r, &r->pages.at[i], page.len, err) ? &r->pages.at[i] : NULL;
	if (!read_page(r, page.old, page.len, page.off, err))
		return NULL;
	memcpy(page.new, page.old, page.len);
	if (r->pages.len == (r->say ? CV_RELINK_PAGES_LARGE : CV_RELINK_PAGES_MOST)) {
		cv_fail(err, CV_EREFUSED, r->say ? "what would have to change lies in too many places (more than %d)"
			: "its parent locators lie in too many places (more than %d)", (int)r->pages.len);
		return NULL;
	}
	if (!cv_pages_push(&r->pages, page)) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	return &r->pages.at[r->pages.len - 1];
}

static bool set_in_sector(const struct cv_relink *r, struct cv_page *page, size_t at, const uint8_t *bytes, size_t len,
			  unsigned layer, struct cv_err *err)
{
	uint8_t *mark = &page->layer[at / CV_RELINK_SECTOR];

	if (at + len > page->len)
		return cv_fail(err, CV_EREFUSED, "the file ends in the middle of what would change");
	if (!memcmp(page->new + at, bytes, len))
		return true;
	if (*mark && *mark != layer && !r->say)
		return cv_fail(err, CV_EREFUSED, "the new name would have to share a sector with what points to it");
	memcpy(page->new + at, bytes, len);
	/* Where a sector holds something of both it is written with what comes last. */
	*mark = *mark > layer ? *mark : (uint8_t)layer;
	return true;
}

bool cv_relink_set(struct cv_relink *r, uint64_t off, const void *bytes, size_t len, unsigned layer, struct cv_err *err)
{
	const uint8_t *from = bytes;

	if (!cv_range_inside((struct cv_range){ off, len }, full_size(r)))
		return cv_fail(err, CV_EREFUSED, "the file ends before what would change");
	while (len) {
		size_t part = CV_RELINK_SECTOR - (size_t)(off % CV_RELINK_SECTOR);
		struct cv_page *page = page_at(r, off, err);

		part = part < len ? part : len;
		if (!page || !set_in_sector(r, page, (size_t)(off - page->off), from, part, layer, err))
			return false;
		from += part;
		off += part;
		len -= part;
	}
	return true;
}

/* The length of the beginning that both have and that ends with a slash. */
static size_t common_folders(const char *a, const char *b)
{
	size_t at = 0, end = 0;

	for (; a[at] && a[at] == b[at]; at++)
		if (a[at] == '/')
			end = at + 1;
	return end;
}

void cv_relink_relative(const struct cv_plan_link *link, struct cv_text *out)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 };
	size_t same;

	cv_text_add(&folder, link->folder);
	if (folder.len > 1)
		cv_text_add(&folder, "/");
	same = common_folders(cv_text_str(&folder), link->path);
	for (size_t i = same; i < folder.len; i++)
		if (folder.at[i] == '/')
			cv_text_add(out, "../");
	cv_text_add(out, link->path + same);
	out->failed |= folder.failed;
}

static size_t folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

bool cv_relink_same_folder(const struct cv_plan_link *link)
{
	size_t len = folder_length(link->path);

	return link->former && folder_length(link->former) == len && !memcmp(link->former, link->path, len);
}

/* --- the outcome, as the parser will see it -------------------------------------------------------------- */

static void lay_over(const struct cv_page *page, uint8_t *buf, size_t len, uint64_t off)
{
	uint64_t from = page->off > off ? page->off : off, end = page->off + page->len;

	if (end > off + len)
		end = off + len;
	if (from < end)
		memcpy(buf + (from - off), page->new + (from - page->off), (size_t)(end - from));
}

static ssize_t outcome_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	const struct cv_relink *r = ((const struct cv_outcome *)self)->r;
	uint64_t old = r->source->size;
	ssize_t n;

	if (off >= self->size)
		return 0;
	len = len < self->size - off ? len : (size_t)(self->size - off);
	if (off < old) {
		len = len < old - off ? len : (size_t)(old - off);
		n = r->source->ops->pread(r->source, buf, len, off);
	} else {
		memset(buf, 0, len);
		n = (ssize_t)len;
	}
	for (size_t i = 0; n > 0 && i < r->pages.len; i++)
		lay_over(&r->pages.at[i], buf, (size_t)n, off);
	return n;
}

static const struct cv_source_ops outcome_ops = { .pread = outcome_pread };

void cv_relink_outcome(const struct cv_relink *r, struct cv_outcome *outcome)
{
	*outcome = (struct cv_outcome){ { &outcome_ops, r->new_size ? r->new_size : r->source->size }, r };
}

static struct cv_facts *facts_of(struct cv_source *source, struct cv_err *err)
{
	struct cv_facts *f = cv_facts_new();

	if (f && cv_image_read(source, CV_FORMAT_NONE, f, err))
		return f;
	if (!f)
		cv_fail(err, CV_ENOMEM, "out of memory");
	cv_facts_free(f);
	return NULL;
}

/* Of what there are two of, one, and the other one is read; or what says nothing then that could be told from no parent. */
static bool is_torn(enum cv_problem_id id)
{
	return id == CV_VHX_VHDX_HEADER_INVALID || id == CV_VHD_FOOTER_CHECKSUM || id == CV_VHD_FOOTER_MISSING ||
	       id == CV_VHD_FOOTER_COPY_MISSING || id == CV_VHD_HEADER_CHECKSUM || id == CV_GEN_IMAGE_UNREADABLE;
}

static void say(const struct cv_facts *f, struct cv_text *out)
{
	const uint32_t kept = CV_FACT_PARENT | CV_FACT_PARENT_UUID | CV_FACT_PARENT_RAW | CV_FACT_PARENT_UNREADABLE |
			      CV_FACT_NEEDS_PROBE;
	unsigned torn = 0;

	for (uint32_t i = 0; i < f->finding_count; i++)
		torn += is_torn(f->findings[i].id);
	cv_text_addf(out, "%d %x %d %s %u", (int)f->format, f->flags & kept, (int)f->parent_format,
		     cv_uuid_str(f->parent_uuid).s, torn);
	for (uint32_t i = 0; i < f->name_count; i++) {
		cv_text_addf(out, "\n%d %d ", (int)f->names[i].source, (int)f->names[i].kind);
		cv_text_add_bytes(out, f->names[i].text.at, f->names[i].text.len);
	}
}

/* What a power cut has spoilt in part says something by what is left: that is not to be believed. */
static bool has_errors(const struct cv_facts *f)
{
	bool any = false;

	for (uint32_t i = 0; i < f->finding_count; i++)
		any |= f->findings[i].severity == CV_ERROR;
	return any;
}

static void say_own(const struct cv_facts *f, struct cv_text *out)
{
	if (has_errors(f))
		cv_text_add(out, "with errors ");
	cv_text_addf(out, "own %d %s %d", (int)f->format, cv_uuid_str(f->uuid).s, f->mark == CV_MARK_HIDDEN);
}

bool cv_relink_says(struct cv_source *source, bool own, struct cv_text *out, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *f = facts_of(source, err);

	if (!f)
		return false;
	(own ? say_own : say)(f, out);
	return !out->failed || cv_fail(err, CV_ENOMEM, "out of memory");
}

bool cv_relink_tells(const struct cv_relink *r, struct cv_source *source, struct cv_text *out, struct cv_err *err)
{
	return r->say ? r->say(source, out, err) : cv_relink_says(source, r->own, out, err);
}

/* Every path that is recorded leads to the parent, and the file name is its. */
static bool leads_there(const struct cv_name *name, const struct cv_plan_link *link)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	const char *slash = strrchr(link->path, '/');

	if (name->kind == CV_NAME_BASENAME)
		return slash && cv_bytes_equal(name->path, cv_bytes_of(slash + 1));
	if (name->kind != CV_NAME_RELATIVE && name->kind != CV_NAME_ABSOLUTE)
		return name->kind == CV_NAME_WINDOWS;
	return name->source == CV_NAME_DATA_FILE ||
	       (cv_path_join(&path, link->folder, name->path) && !strcmp(cv_text_str(&path), link->path));
}

/* It has no parent, and is otherwise what it was. */
static bool stands_alone(const struct cv_relink *r, const struct cv_facts *f, struct cv_err *err)
{
	bool ok = f->format == r->facts->format && !(f->flags & (CV_FACT_PARENT | CV_FACT_PARENT_UNREADABLE)) &&
		  f->finding_count <= r->facts->finding_count && f->virtual_size == r->facts->virtual_size;

	for (uint32_t i = 0; i < f->name_count; i++)
		ok &= f->names[i].source == CV_NAME_DATA_FILE;
	return ok || cv_fail(err, CV_EREFUSED, "it would still name a parent: its structures are unusual");
}

static bool agrees(const struct cv_relink *r, const struct cv_facts *f, struct cv_err *err)
{
	bool raw = r->link->format == CV_FORMAT_RAW;
	bool ok = f->format == r->facts->format && f->flags & CV_FACT_PARENT && !(f->flags & CV_FACT_PARENT_UNREADABLE) &&
		  f->finding_count <= r->facts->finding_count && f->virtual_size == r->facts->virtual_size &&
		  !memcmp(f->parent_uuid, r->link->uuid, sizeof f->parent_uuid);

	if (f->parent_format != CV_FORMAT_NONE)
		ok &= f->parent_format == r->link->format && raw == ((f->flags & CV_FACT_PARENT_RAW) != 0);
	for (uint32_t i = 0; i < f->name_count; i++)
		ok &= leads_there(&f->names[i], r->link);
	return ok || cv_fail(err, CV_EREFUSED, "it would not say what it should: its structures are unusual");
}

/* Pages that were looked at and stay as they are. */
static void drop_unchanged(struct cv_relink *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->pages.len; i++) {
		bool any = false;

		for (size_t k = 0; k < CV_RELINK_SECTORS; k++)
			any |= r->pages.at[i].layer[k] != 0;
		if (any)
			r->pages.at[kept++] = r->pages.at[i];
	}
	r->pages.len = kept;
}

/* What it says about its parent must be what was meant. */
static bool agrees_then(const struct cv_relink *r, struct cv_source *after, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *f = r->link ? facts_of(after, err) : NULL;

	return !r->link || (f && (r->link->path ? agrees(r, f, err) : stands_alone(r, f, err)));
}

bool cv_relink_foresee(struct cv_relink *r, struct cv_err *err)
{
	struct cv_outcome after;

	cv_relink_outcome(r, &after);
	if (!agrees_then(r, &after.base, err) || !cv_relink_tells(r, r->source, &r->says_old, err) ||
	    !cv_relink_tells(r, &after.base, &r->says_new, err))
		return false;
	drop_unchanged(r);
	return (!r->says_old.failed && !r->says_new.failed) || cv_fail(err, CV_ENOMEM, "out of memory");
}

bool cv_relink_make(struct cv_relink *r, struct cv_source *source, const struct cv_plan_link *link, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = facts_of(source, err);
	const struct cv_relink_format *row = facts ? cv_relink_format(facts->format) : NULL;
	bool ok;

	if (!facts)
		return false;
	if (!row || !(facts->flags & CV_FACT_PARENT) || (facts->flags & CV_FACT_PARENT_UNREADABLE && !r->name_is_lost))
		return cv_fail(err, CV_EREFUSED, "it is no image whose parent can be changed");
	if (!link->path && !row->part)
		return cv_fail(err, CV_EREFUSED, "this version cannot take the parent from images of this format");
	r->source = source;
	r->facts = facts;
	r->link = link;
	ok = (link->path ? row->make(r, err) : row->part(r, err)) && cv_relink_foresee(r, err);
	r->facts = NULL;
	return ok;
}

bool cv_relink_own(struct cv_relink *r, struct cv_source *source, const struct cv_relink_own *own, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = facts_of(source, err);
	const struct cv_relink_format *row = facts ? cv_relink_format(facts->format) : NULL;
	bool ok;

	if (!facts)
		return false;
	r->source = source;
	r->facts = facts;
	r->link = NULL;
	r->own = true;
	/* What cannot be read is of no format. */
	if (!row)
		return cv_fail(err, CV_EIO, "it cannot be read as an image that has a parent or could have one");
	ok = (!row->own || row->own(r, own, err)) && cv_relink_foresee(r, err);
	r->facts = NULL;
	return ok;
}

static bool same_names(const struct cv_facts *a, const struct cv_facts *b)
{
	bool same = a->name_count == b->name_count;

	for (uint32_t i = 0; same && i < a->name_count; i++)
		same = a->names[i].source == b->names[i].source && cv_bytes_equal(a->names[i].text, b->names[i].text);
	return same;
}

/* It says the same of its parent as before, and the format. */
static bool says_format(const struct cv_relink *r, enum cv_format_id format, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *f = NULL;
	struct cv_outcome after;
	bool ok;

	cv_relink_outcome(r, &after);
	f = facts_of(&after.base, err);
	if (!f)
		return false;
	ok = f->format == r->facts->format && f->flags & CV_FACT_PARENT && f->parent_format == format &&
	     !(f->flags & (CV_FACT_NEEDS_PROBE | CV_FACT_PARENT_UNREADABLE)) && f->virtual_size == r->facts->virtual_size &&
	     f->finding_count <= r->facts->finding_count && same_names(f, r->facts);
	return ok || cv_fail(err, CV_EREFUSED, "it would not say what it should: its structures are unusual");
}

bool cv_relink_record_format(struct cv_relink *r, struct cv_source *source, enum cv_format_id format, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = facts_of(source, err);
	const struct cv_relink_format *row = facts ? cv_relink_format(facts->format) : NULL;
	bool ok;

	if (!facts)
		return false;
	if (!row || !row->format_of_parent)
		return cv_fail(err, CV_EREFUSED, "images of its format have no place for it: made anew as QCOW2 it could record it");
	r->source = source;
	r->facts = facts;
	ok = !(facts->flags & CV_FACT_NEEDS_PROBE) ||
	     (row->format_of_parent(r, format, err) && says_format(r, format, err) && cv_relink_foresee(r, err));
	r->facts = NULL;
	return ok;
}

/* One page: what the earlier change made of it becomes what it was. */
static bool take_back_page(struct cv_relink *r, const struct cv_page *p, struct cv_err *err)
{
	uint8_t now[CV_RELINK_PAGE];

	if (!read_page(r, now, p->len, p->off, err))
		return false;
	for (uint32_t i = 0; i < p->len; i++) {
		unsigned layer = p->layer[i / CV_RELINK_SECTOR];

		/* Of a repair the whole sector: what is beside its bytes may rest on them by now. */
		if (!layer || (p->old[i] == p->new[i] && (!r->say || now[i] == p->new[i])))
			continue;
		if (now[i] != p->new[i])
			return cv_fail(err, CV_EREFUSED, "what was written was changed since, at offset %" PRIu64, p->off + i);
		/* What was written last goes first. */
		if (!cv_relink_set(r, p->off + i, &p->old[i], 1, CV_RELINK_LAYERS + 1 - layer, err))
			return false;
	}
	return true;
}

bool cv_relink_take_back(struct cv_relink *r, struct cv_source *source, const struct cv_relink *taken, struct cv_err *err)
{
	bool ok = true;

	r->source = source;
	if (taken->new_size && source->size != taken->new_size)
		return cv_fail(err, CV_EREFUSED, "the file has another length since: it was written to");
	r->old_size = taken->new_size;
	r->new_size = taken->old_size;
	for (size_t i = 0; ok && i < taken->pages.len; i++)
		ok = take_back_page(r, &taken->pages.at[i], err);
	ok = ok && cv_relink_foresee(r, err);
	if (ok && strcmp(cv_text_str(&r->says_new), cv_text_str(&taken->says_old)) != 0)
		ok = cv_fail(err, CV_EREFUSED, "it would not say what it said before");
	return ok;
}

uint64_t cv_relink_bytes(const struct cv_relink *r)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < r->pages.len; i++)
		for (size_t k = 0; k < CV_RELINK_SECTORS; k++)
			bytes += r->pages.at[i].layer[k] ? CV_RELINK_SECTOR : 0;
	return bytes;
}

void cv_relink_fini(struct cv_relink *r)
{
	free(r->pages.at);
	cv_text_fini(&r->says_old);
	cv_text_fini(&r->says_new);
	*r = (struct cv_relink){ 0 };
}
