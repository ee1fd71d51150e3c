/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The verb "vhd": from the words of a recipe to an image of repair/vhd. */
#include "repair/sample/maker.h"
#include "repair/vhd/writer.h"
#include <stdio.h>

struct vhd_options {
	bool fixed, dynamic, hidden, saved;
	uint64_t size, block, pattern, sectors, version;
	const char *creator, *parent, *parent_name, *locators;
	const char *macx, *w2ku, *w2ru, *mac, *wi2r, *wi2k;
	struct cv_uuid_option uuid, parent_uuid;
	struct cv_time_option time, parent_time;
};

#define SLOT(member) offsetof(struct vhd_options, member)
static const struct cv_word_row options[] = {
	{ "fixed", CV_WORD_FLAG, SLOT(fixed) },
	{ "dynamic", CV_WORD_FLAG, SLOT(dynamic) },
	{ "hidden", CV_WORD_FLAG, SLOT(hidden) },
	{ "saved", CV_WORD_FLAG, SLOT(saved) },
	{ "size", CV_WORD_SIZE, SLOT(size) },
	{ "block", CV_WORD_SIZE, SLOT(block) },
	{ "pattern", CV_WORD_SIZE, SLOT(pattern) },
	{ "sectors", CV_WORD_NUMBER, SLOT(sectors) },
	{ "version", CV_WORD_NUMBER, SLOT(version) },
	{ "creator", CV_WORD_TEXT, SLOT(creator) },
	{ "parent", CV_WORD_TEXT, SLOT(parent) },
	{ "parent-name", CV_WORD_TEXT, SLOT(parent_name) },
	{ "locators", CV_WORD_TEXT, SLOT(locators) },
	{ "macx", CV_WORD_TEXT, SLOT(macx) },
	{ "w2ku", CV_WORD_TEXT, SLOT(w2ku) },
	{ "w2ru", CV_WORD_TEXT, SLOT(w2ru) },
	{ "mac", CV_WORD_TEXT, SLOT(mac) },
	{ "wi2r", CV_WORD_TEXT, SLOT(wi2r) },
	{ "wi2k", CV_WORD_TEXT, SLOT(wi2k) },
	{ "uuid", CV_WORD_UUID, SLOT(uuid) },
	{ "parent-uuid", CV_WORD_UUID, SLOT(parent_uuid) },
	{ "time", CV_WORD_TIME, SLOT(time) },
	{ "parent-time", CV_WORD_TIME, SLOT(parent_time) },
	{ "blocks", CV_WORD_STEP, 0 },
	{ NULL, CV_WORD_FLAG, 0 },
};

struct making {
	struct cv_maker *m;
	struct vhd_options o;
	struct cv_vhd_image image;
	struct cv_vhd_writer writer;
	struct cv_text payloads[VHD_LOCATORS];
	const char *name;
	uint8_t *buf; /* one pattern */
	uint32_t pattern;
	unsigned round;
};

/* Text given for one kind of locator instead of the parent's path. */
static const char *own_text(const struct vhd_options *o, const char *kind)
{
	const struct {
		const char *kind, *text;
	} rows[] = {
		{ "macx", o->macx }, { "w2ku", o->w2ku }, { "w2ru", o->w2ru },
		{ "mac", o->mac },   { "wi2r", o->wi2r }, { "wi2k", o->wi2k },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!strcmp(rows[i].kind, kind))
			return rows[i].text;
	return NULL;
}

/* vhd-util starts relative paths with "./" unless they go up. */
static void add_path(struct cv_text *t, const char *path)
{
	if (path[0] != '/' && strncmp(path, "../", 3) && strncmp(path, "./", 2))
		cv_text_add(t, "./");
	cv_text_add(t, path);
}

static bool add_locator(struct making *k, const char *kind, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	const char *code = cv_vhd_locator_code(kind), *own = own_text(&k->o, kind);
	unsigned i = k->image.locator_count;

	if (!code || i == VHD_LOCATORS)
		return cv_fail(err, CV_EFORMAT, "%s is no kind of locator, or one too many", kind);
	if (own)
		cv_text_add(&path, own);
	else
		add_path(&path, k->o.parent);
	cv_vhd_locator_payload(code, (struct cv_bytes){ cv_text_str(&path), path.len }, &k->payloads[i]);
	if (path.failed || k->payloads[i].failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	k->image.locators[i].payload = (struct cv_bytes){ k->payloads[i].at, k->payloads[i].len };
	memcpy(k->image.locators[i].code, code, sizeof k->image.locators[i].code);
	k->image.locator_count++;
	return true;
}

static bool add_locators(struct making *k, struct cv_err *err)
{
	const char *list = k->o.locators ? k->o.locators : k->image.creator->locators;
	char kind[8];

	if (!strcmp(list, "none"))
		return true;
	while (*list) {
		size_t len = strcspn(list, ",");

		snprintf(kind, sizeof kind, "%.*s", (int)len, list);
		if (!add_locator(k, kind, err))
			return false;
		list += list[len] ? len + 1 : len;
	}
	return true;
}

/* What the image says of its parent: from the parent if the recipe has made it, else what follows from its name. */
static bool add_parent(struct making *k, struct cv_err *err)
{
	struct cv_maker *m = k->m;
	const char *name = cv_made_resolve(m, k->name, k->o.parent, err), *slash = strrchr(k->o.parent, '/');
	const struct cv_made *parent = name ? cv_made_find(m, name) : NULL;

	if (!name)
		return false;
	k->image.type = VHD_TYPE_DIFFERENCING;
	k->image.parent_name = cv_bytes_of(k->o.parent_name ? k->o.parent_name : slash ? slash + 1 : k->o.parent);
	k->image.parent_time = cv_vhd_time(parent ? parent->mtime : m->clock);
	if (parent && parent->format == CV_FORMAT_VHD)
		memcpy(k->image.parent_uuid, parent->uuid, sizeof parent->uuid);
	else if (!parent)
		cv_sample_uuid(name, k->image.parent_uuid);
	if (k->o.parent_uuid.given)
		memcpy(k->image.parent_uuid, k->o.parent_uuid.uuid, sizeof k->image.parent_uuid);
	if (k->o.parent_time.given)
		k->image.parent_time = cv_vhd_time(k->o.parent_time.unix_seconds);
	if (!k->o.size && parent)
		k->image.size = parent->size;
	return add_locators(k, err);
}

static bool plan(struct making *k, struct cv_err *err)
{
	const struct cv_vhd_creator *creator = cv_vhd_creator_find(k->o.creator ? k->o.creator : "tap");

	if (!creator)
		return cv_fail(err, CV_EFORMAT, "there is no creator %s", k->o.creator);
	if (k->o.fixed + k->o.dynamic + (k->o.parent != NULL) > 1)
		return cv_fail(err, CV_EFORMAT, "fixed, dynamic and parent= exclude each other");
	k->image = (struct cv_vhd_image){
		.type = k->o.fixed ? VHD_TYPE_FIXED : VHD_TYPE_DYNAMIC,
		.creator = creator,
		.creator_version = (uint32_t)k->o.version,
		.size = cv_vhd_size_for(creator, k->o.size),
		.block_size = (uint32_t)k->o.block,
		.timestamp = cv_vhd_time(k->o.time.given ? k->o.time.unix_seconds : k->m->clock),
		.hidden = k->o.hidden,
		.saved = k->o.saved,
	};
	cv_sample_uuid(k->name, k->image.uuid);
	if (k->o.uuid.given)
		memcpy(k->image.uuid, k->o.uuid.uuid, sizeof k->image.uuid);
	if (k->o.parent && !add_parent(k, err))
		return false;
	return k->image.size || cv_fail(err, CV_EFORMAT, "size= is missing");
}

static bool put_block(void *ctx, uint64_t n, struct cv_err *err)
{
	struct making *k = ctx;
	uint32_t block_size = k->writer.layout.block_size, present = block_size / VHD_SECTOR;

	if (n > UINT32_MAX)
		return cv_fail(err, CV_EFORMAT, "block %" PRIu64 " cannot be", n);
	if (k->o.sectors && k->o.sectors < present)
		present = (uint32_t)k->o.sectors;
	cv_sample_pattern(k->name, n, k->round, k->buf, k->pattern);
	return cv_vhd_put(&k->writer, (uint32_t)n, 0, k->buf, k->pattern, present, err);
}

static bool put_blocks(void *ctx, const char *value, struct cv_err *err)
{
	struct making *k = ctx;

	k->round++;
	return cv_list_each(value, put_block, k, err);
}

static const struct cv_step_row steps[] = { { "blocks", put_blocks }, { NULL, NULL } };

/* How much of a block carries data: not more than its sectors that are there. */
static bool prepare_pattern(struct making *k, struct cv_err *err)
{
	uint64_t most = k->writer.layout.block_size, want = k->o.pattern ? k->o.pattern : 4096;

	if (k->o.sectors && k->o.sectors * VHD_SECTOR < most)
		most = k->o.sectors * VHD_SECTOR;
	k->pattern = (uint32_t)(want < most ? want : most);
	k->buf = malloc(k->pattern);
	return k->buf || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool note_blocks(struct making *k, struct cv_made *made, struct cv_err *err)
{
	const struct cv_vhd_layout *l = &k->writer.layout;
	char name[24];

	for (uint32_t i = 0; i < l->entries && k->image.type != VHD_TYPE_FIXED; i++) {
		uint64_t off = (uint64_t)k->writer.bat[i] * VHD_SECTOR;

		if (k->writer.bat[i] == VHD_UNUSED)
			continue;
		snprintf(name, sizeof name, "block%" PRIu32, i);
		if (!cv_made_spot(k->m, made, name, off, l->bitmap_len, err))
			return false;
	}
	return true;
}

/* The structures that later lines can name. */
static bool note_spots(struct making *k, struct cv_made *made, struct cv_err *err)
{
	const struct cv_vhd_layout *l = &k->writer.layout;
	char name[24];
	bool ok = cv_made_spot(k->m, made, "footer", k->writer.end, VHD_SECTOR, err);

	if (!ok || k->image.type == VHD_TYPE_FIXED)
		return ok;
	ok = cv_made_spot(k->m, made, "footer-copy", 0, VHD_SECTOR, err) &&
	     cv_made_spot(k->m, made, "header", VHD_SECTOR, sizeof(struct vhd_header_disk), err) &&
	     cv_made_spot(k->m, made, "bat", l->bat_off, l->bat_len, err);
	if (ok && l->map_len)
		ok = cv_made_spot(k->m, made, "batmap", l->batmap_off, VHD_SECTOR, err) &&
		     cv_made_spot(k->m, made, "map", l->map_off, l->map_len, err);
	for (unsigned i = 0; ok && i < k->image.locator_count; i++) {
		snprintf(name, sizeof name, "locator%u", i);
		ok = cv_made_spot(k->m, made, name, l->locator_off[i], l->locator_space[i], err);
	}
	return ok && note_blocks(k, made, err);
}

static bool make(struct making *k, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct cv_file_out out;
	struct cv_made *made;

	if (!plan(k, err))
		return false;
	made = cv_made_create(k->m, k->name, &out, err);
	if (!made)
		return false;
	made->format = CV_FORMAT_VHD;
	made->size = k->image.size;
	memcpy(made->uuid, k->image.uuid, sizeof made->uuid);
	return cv_out_close(&out,
			    cv_vhd_begin(&k->writer, &out, &k->image, err) && prepare_pattern(k, err) &&
				    cv_steps_run(line, steps, k, err) && cv_vhd_end(&k->writer, err) &&
				    note_spots(k, made, err),
			    err);
}

bool cv_make_vhd(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct making k = { .m = m, .name = line->words[1] };
	bool ok = cv_words_read(line, options, &k.o, err) && make(&k, line, err);

	for (size_t i = 0; i < VHD_LOCATORS; i++)
		cv_text_fini(&k.payloads[i]);
	cv_vhd_fini(&k.writer);
	free(k.buf);
	return ok;
}
