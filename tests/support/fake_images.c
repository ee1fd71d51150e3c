/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Reads small repositories from text and writes graphs as text. The format is described in the header. */
#include "tests/support/fake_images.h"
#include <stdio.h>

static void stop(const char *why, const char *what)
{
	fprintf(stderr, "fake_images: %s: %s\n", why, what);
	abort();
}

void fake_uuid(uint8_t uuid[16], unsigned id)
{
	memset(uuid, 0, 16);
	uuid[0] = 0xaa;
	for (int i = 0; i < 4; i++)
		uuid[15 - i] = (uint8_t)(id >> 8 * i);
}

static const char *full_path(char *out, size_t size, const char *path)
{
	snprintf(out, size, "%s%s", path[0] == '/' ? "" : "/sr/", path);
	return out;
}

static struct cv_file *file_at(struct cv_scan *s, const char *path)
{
	char full[512];

	full_path(full, sizeof full, path);
	for (size_t i = 0; i < cv_scan_file_count(s); i++)
		if (!strcmp(cv_scan_file(s, i)->path, full))
			return (struct cv_file *)(uintptr_t)cv_scan_file(s, i);
	stop("no such file", path);
	return NULL;
}

static void add_name(struct cv_facts *f, enum cv_name_source source, enum cv_name_kind kind, const char *text)
{
	struct cv_name name = { .source = source, .kind = kind, .text = cv_bytes_of(text) };

	if (kind == CV_NAME_RELATIVE && text[0] == '/')
		name.kind = CV_NAME_ABSOLUTE;
	if (kind == CV_NAME_RELATIVE && strchr(text, ':'))
		name.kind = CV_NAME_EXTERNAL;
	if (name.kind == CV_NAME_RELATIVE || name.kind == CV_NAME_ABSOLUTE)
		name.path = name.text;
	if (!cv_facts_name(f, name))
		stop("no memory for a name", text);
}

static const struct { const char *word; uint32_t flag; } flags[] = {
		{ "remains", CV_FACT_REMAINS },
	{ "unreadable-parent", CV_FACT_PARENT_UNREADABLE }, { "snapshots", CV_FACT_SNAPSHOTS },
	{ "bitmaps", CV_FACT_BITMAPS }, { "live", CV_FACT_LIVE }, { "raw-parent", CV_FACT_PARENT | CV_FACT_PARENT_RAW },
	{ "encrypted", CV_FACT_ENCRYPTED }, { "no-format", CV_FACT_NEEDS_PROBE }, { "disabled", CV_FACT_DISABLED },
};

static bool read_flag(struct cv_file *file, struct cv_facts *f, const char *word)
{
	for (size_t i = 0; i < CV_COUNT(flags); i++)
		if (!strcmp(word, flags[i].word)) {
			f->flags |= flags[i].flag;
			return true;
		}
	if (!strcmp(word, "hidden") || !strcmp(word, "visible"))
		f->mark = word[0] == 'h' ? CV_MARK_HIDDEN : CV_MARK_VISIBLE;
	else if (!strcmp(word, "failed") || !strcmp(word, "waiting"))
		file->state = word[0] == 'f' ? CV_FILE_FAILED : CV_FILE_WAITING;
	else if (!strcmp(word, "empty"))
		file->size = 0;
	else
		return false;
	if (file->state == CV_FILE_FAILED)
		file->trouble = "read failed at 0x0: Input/output error";
	return true;
}

static void read_identity(struct cv_facts *f, const char *value, bool parent)
{
	fake_uuid(parent ? f->parent_uuid : f->uuid, (unsigned)strtoul(value, NULL, 10));
	f->flags |= parent ? CV_FACT_PARENT | CV_FACT_PARENT_UUID : CV_FACT_UUID;
	if (parent)
		f->variant = CV_VARIANT_DIFFERENCING;
}

/* vhdx: another identity that the parent may have. */
static void add_second(struct cv_facts *f, const char *value)
{
	uint8_t uuid[16];
	char text[40];

	fake_uuid(uuid, (unsigned)strtoul(value, NULL, 10));
	snprintf(text, sizeof text, "{%s}", cv_uuid_str(uuid).s);
	if (!cv_facts_text(f, CV_ATTR_VHDX_PARENT_LINKAGE2, 0, cv_bytes_of(text), (struct cv_range){ 0, 0 }))
		stop("no memory for an identity", value);
}

static void read_backing(struct cv_facts *f, const char *value)
{
	f->flags |= CV_FACT_PARENT;
	f->variant = CV_VARIANT_OVERLAY;
	add_name(f, CV_NAME_BACKING_FILE, CV_NAME_RELATIVE, value);
}

static void read_value(struct cv_file *file, struct cv_facts *f, const char *key, const char *value)
{
	uint64_t bytes = 0;

	if (!strcmp(key, "id") || !strcmp(key, "on")) {
		read_identity(f, value, key[0] == 'o');
	} else if (!strcmp(key, "or")) {
		add_second(f, value);
	} else if (!strcmp(key, "name")) {
		add_name(f, CV_NAME_MACX, CV_NAME_RELATIVE, value);
	} else if (!strcmp(key, "header")) {
		add_name(f, CV_NAME_VHD_HEADER, CV_NAME_BASENAME, value);
	} else if (!strcmp(key, "win")) {
		add_name(f, CV_NAME_W2KU, CV_NAME_WINDOWS, value);
	} else if (!strcmp(key, "back")) {
		read_backing(f, value);
	} else if (!strcmp(key, "data")) {
		f->flags |= CV_FACT_DATA_FILE;
		add_name(f, CV_NAME_DATA_FILE, CV_NAME_RELATIVE, value);
	} else if (!strcmp(key, "fmt")) {
		f->parent_format = cv_format_by_name(cv_bytes_of(value));
		f->flags |= f->parent_format == CV_FORMAT_RAW ? CV_FACT_PARENT_RAW : 0;
	} else if (!strcmp(key, "size") && cv_size_parse(value, &bytes)) {
		f->flags |= CV_FACT_SIZE;
		f->virtual_size = bytes;
	} else if (!strcmp(key, "time")) {
		f->flags |= CV_FACT_PARENT_TIME;
		f->parent_time = strtoll(value, NULL, 10);
	} else if (!strcmp(key, "mtime")) {
		file->mtime_ns = strtoll(value, NULL, 10) * 1000000000;
	} else if (!strcmp(key, "links")) {
		file->links += (uint32_t)strtoul(value, NULL, 10);
	} else {
		stop("unknown word", key);
	}
}

static void read_words(struct cv_file *file, char *words)
{
	struct cv_facts *f = fake_facts(file);
	char *rest = words, *word;

	while ((word = strtok_r(rest, " ", &rest))) {
		char *equals = strchr(word, '=');

		if (!equals && !read_flag(file, f, word))
			stop("unknown word", word);
		if (equals) {
			*equals = '\0';
			read_value(file, f, word, equals + 1);
		}
	}
}

static void set_format(struct cv_file *file, const char *kind)
{
	struct cv_facts *f = fake_facts(file);

	f->format = cv_format_by_name(cv_bytes_of(kind));
	f->variant = f->format == CV_FORMAT_RAW ? CV_VARIANT_RAW :
		     f->format == CV_FORMAT_VHD ? CV_VARIANT_DYNAMIC : CV_VARIANT_STANDALONE;
	if (f->format == CV_FORMAT_RAW) {
		f->flags |= CV_FACT_SIZE;
		f->virtual_size = file->size;
	}
}

static void read_line(struct cv_scan *s, char *line)
{
	char full[512], *rest = line;
	const char *kind = strtok_r(rest, " ", &rest), *path = strtok_r(rest, " ", &rest);

	if (!kind || !path)
		return;
	if (!strcmp(kind, "also")) {
		fake_alias(s, file_at(s, path), full_path(full, sizeof full, strtok_r(rest, " ", &rest)));
	} else if (!strcmp(kind, "leads")) {
		fake_leads(s, full_path(full, sizeof full, path), file_at(s, strtok_r(rest, " ", &rest)));
	} else if (!strcmp(kind, "out")) {
		fake_other(s, full_path(full, sizeof full, path), CV_FOUND_OUTSIDE, NULL);
	} else if (!strcmp(kind, "odd")) {
		fake_other(s, full_path(full, sizeof full, path), CV_FOUND_NOT_REGULAR, "a FIFO");
	} else {
		struct cv_file *file = fake_file(s, full_path(full, sizeof full, path));

		if (strcmp(kind, "file"))
			set_format(file, kind);
		read_words(file, rest);
	}
}

void fake_images_add(struct cv_scan *s, const char *text)
{
	char *copy = strdup(text), *rest = copy, *line;

	while (copy && (line = strtok_r(rest, "\n", &rest)))
		read_line(s, line);
	free(copy);
}

struct cv_scan *fake_images(const char *text)
{
	struct cv_scan *s = fake_scan_new();

	fake_repository(s, "/sr");
	fake_images_add(s, text);
	return s;
}

struct cv_graph *fake_graph(const struct cv_scan *scan, const struct cv_references *refs)
{
	struct cv_err err = { 0 };
	struct cv_graph *g = cv_graph_build(scan, refs, NULL, NULL, &err);

	if (!g)
		stop("no graph", err.text);
	return g;
}

uint32_t fake_at(const struct cv_graph *g, const char *id)
{
	for (uint32_t i = 0; i < g->image_count; i++)
		if (!strcmp(g->images[i].id, id))
			return i;
	stop("no such image", id);
	return CV_NO_IMAGE;
}

static void dump_finding(const struct cv_finding *f, struct cv_text *out)
{
	const struct cv_problem *p = cv_problem_by_id(f->id);

	cv_text_addf(out, " %s", p->name);
	if (p->severity != f->severity)
		cv_text_addf(out, "!%c", cv_severity_letter(f->severity));
}

static void dump_image(const struct cv_graph *g, uint32_t i, struct cv_text *out)
{
	static const char *const bases[] = { "", "/id", "/name", "/both" };
	const struct cv_image *image = &g->images[i];
	const struct cv_finding *f;
	size_t count = cv_graph_findings_of(g, i, &f);

	cv_text_addf(out, "%s %s", image->id, cv_parent_status_name(image->status));
	if (image->parent != CV_NO_IMAGE)
		cv_text_addf(out, ":%s%s", g->images[image->parent].id, bases[image->basis]);
	cv_text_addf(out, " d%" PRIu32 " ^%s +%" PRIu32 " %s", image->depth, g->images[image->root].id, image->below,
		     cv_role_name(image->role));
	for (size_t k = 0; k < count; k++)
		dump_finding(&f[k], out);
	cv_text_add(out, "\n");
}

void fake_dump(const struct cv_graph *g, struct cv_text *out)
{
	for (size_t i = 0; i < g->finding_count; i++) {
		if (g->findings[i].image != CV_NO_IMAGE)
			continue;
		cv_text_add(out, "*");
		dump_finding(&g->findings[i], out);
		cv_text_add(out, "\n");
	}
	for (uint32_t i = 0; i < g->image_count; i++)
		dump_image(g, i, out);
}
