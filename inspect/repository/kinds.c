/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What sort of repository a place is: one table of rows, tried in order. A row looks at the path, at a tally
 * of the files that were found, or at both. Opens and lists nothing.
 */
#include "inspect/repository/scanning.h"
#include <ctype.h>
#include <strings.h>
#include <uuid/uuid.h>

/* How many of the images of a repository look like those of somebody. */
struct tally {
	size_t images, uuid_names, tap_vhds, proxmox_names, hyperv_names, windows_images;
};

struct kind_row {
	enum cv_repository_kind kind;
	const char *name;
	bool (*by_path)(const char *path);
	bool (*by_files)(const struct tally *tally);
};

static bool lies_below(const char *path, const char *base)
{
	const char *below = cv_path_below(path, base);

	return below && *below;
}

/* Where XenServer and XCP-ng mount file based storage repositories. */
static bool is_sr_mount(const char *path)
{
	return lies_below(path, "/run/sr-mount") || lies_below(path, "/var/run/sr-mount");
}

/* Names that are mostly UUIDs, and at least one image written by blktap's libvhd. */
static bool looks_like_sr(const struct tally *t)
{
	return t->tap_vhds && t->uuid_names * 2 > t->images;
}

static bool is_libvirt_pool(const char *path)
{
	return cv_path_below(path, "/var/lib/libvirt/images");
}

static bool looks_like_proxmox(const struct tally *t)
{
	return t->proxmox_names * 2 > t->images;
}

/* Checkpoints, among images that are mostly of the formats of Windows and not made by Xen's tools. */
static bool looks_like_hyperv(const struct tally *t)
{
	return t->hyperv_names && t->windows_images * 2 > t->images;
}

static const struct kind_row rows[] = {
	{ CV_REPOSITORY_XEN_FILE_SR, "xen-file-sr", is_sr_mount, looks_like_sr },
	{ CV_REPOSITORY_LIBVIRT, "libvirt", is_libvirt_pool, NULL },
	{ CV_REPOSITORY_PROXMOX, "proxmox", NULL, looks_like_proxmox },
	{ CV_REPOSITORY_HYPERV, "hyperv", NULL, looks_like_hyperv },
	{ CV_REPOSITORY_IMAGE, "image", NULL, NULL },
	{ CV_REPOSITORY_DIRECTORY, "directory", NULL, NULL },
};

const char *cv_repository_kind_name(enum cv_repository_kind kind)
{
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].kind == kind)
			return rows[i].name;
	return "directory";
}

enum cv_repository_kind cv_kind_by_path(const char *path)
{
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].by_path && rows[i].by_path(path))
			return rows[i].kind;
	return CV_REPOSITORY_DIRECTORY;
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* 36 characters of UUID and the extension of an image. */
static bool is_uuid_name(const char *name)
{
	char text[37] = "";
	uuid_t uuid;

	if (strlen(name) < 36 || (strcasecmp(name + 36, ".vhd") && strcasecmp(name + 36, ".qcow2")))
		return false;
	memcpy(text, name, 36);
	return uuid_parse(text, uuid) == 0;
}

/* .../images/<vmid>/vm-<vmid>-... or base-<vmid>-...: the content of a Proxmox VE directory storage. */
static bool is_proxmox_name(const char *path)
{
	static const char *const prefixes[] = { "vm-", "base-" };
	const char *name = last_component(path), *start, *id;
	size_t digits = 0;

	if (name - path < 2)
		return false;
	for (id = name - 1; id > path && isdigit((unsigned char)id[-1]); id--)
		digits++;
	start = id - strlen("/images/");
	if (!digits || start < path || strncmp(start, "/images/", strlen("/images/")))
		return false;
	for (size_t i = 0; i < CV_COUNT(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (!strncmp(name, prefixes[i], len) && !strncmp(name + len, id, digits) && name[len + digits] == '-')
			return true;
	}
	return false;
}

static bool is_hyperv_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (!strcasecmp(dot, ".avhd") || !strcasecmp(dot, ".avhdx"));
}

static bool made_by(const struct cv_facts *facts, const char *creator)
{
	return facts->creator.len >= strlen(creator) && !memcmp(facts->creator.at, creator, strlen(creator));
}

static void count_file(struct tally *t, const struct cv_file *file)
{
	const struct cv_facts *facts = file->facts;
	const char *name = last_component(file->path);

	if (!facts || facts->format == CV_FORMAT_NONE)
		return;
	t->images++;
	t->uuid_names += is_uuid_name(name);
	t->tap_vhds += facts->format == CV_FORMAT_VHD && made_by(facts, "tap");
	t->windows_images += facts->format == CV_FORMAT_VHDX ||
			     (facts->format == CV_FORMAT_VHD && !made_by(facts, "tap") && !made_by(facts, "xo"));
	t->proxmox_names += is_proxmox_name(file->path);
	t->hyperv_names += is_hyperv_name(name);
}

static enum cv_repository_kind kind_by_files(const struct tally *tally)
{
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].by_files && rows[i].by_files(tally))
			return rows[i].kind;
	return CV_REPOSITORY_DIRECTORY;
}

void cv_kinds_decide(struct cv_scan *s)
{
	CV_AUTO(cv_auto_free) struct tally *tallies = calloc(s->territory_count, sizeof *tallies);

	/* A mark that is not known to be used would make images look as if nobody needed them. */
	for (size_t i = 0; !tallies && i < s->territory_count; i++)
		s->territories[i].pub.failed = true;
	for (size_t i = 0; tallies && i < s->files.count; i++)
		count_file(&tallies[cv_files_at(&s->files, i)->repository], cv_files_at(&s->files, i));
	for (size_t i = 0; tallies && i < s->territory_count; i++)
		if (s->territories[i].pub.kind == CV_REPOSITORY_DIRECTORY)
			s->territories[i].pub.kind = kind_by_files(&tallies[i]);
}
