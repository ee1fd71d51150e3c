/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Loop devices: the kernel itself holds their files, so no process shows them. Their names are all that sysfs
 * gives; what lies under such a name is looked at, not opened.
 */
#include "inspect/reference/holders.h"
#include "inspect/source/open.h"
#include <dirent.h>

#define SYS_BLOCK "/sys/block"
#define LONGEST_NAME ((size_t)64 << 10)

/* Reads one attribute, without the newline that ends it. */
static bool read_attribute(const char *device, const char *name, struct cv_text *out)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	struct cv_err err = { 0 };

	cv_text_clear(out);
	cv_text_addf(&path, SYS_BLOCK "/%s/%s", device, name);
	if (path.failed || !cv_system_read_all(path.at, LONGEST_NAME, out, &err) || !out->len)
		return false;
	if (out->at[out->len - 1] == '\n')
		out->at[--out->len] = '\0';
	return true;
}

/* The file under a name of the host: one that was scanned, by that path or by another. */
static size_t find_file(const struct cv_scan *scan, const char *path)
{
	struct cv_lookup l = cv_scan_lookup(scan, path);
	struct cv_entry entry;

	if (l.found == CV_FOUND_FILE)
		return l.file;
	entry = cv_named_stat(path);
	return entry.os_errno ? SIZE_MAX : cv_scan_by_inode(scan, entry.device, entry.inode);
}

static bool read_loop(struct cv_gather *g, const char *device)
{
	CV_AUTO(cv_text_fini) struct cv_text backing = { 0 }, read_only = { 0 }, who = { 0 };
	const struct cv_file *file;
	bool reads;
	size_t found;

	if (!read_attribute(device, "loop/backing_file", &backing))
		return true;            /* not set up, or gone by now */
	found = find_file(g->scan, backing.at);
	if (found == SIZE_MAX)
		return true;
	file = cv_scan_file(g->scan, found);
	reads = read_attribute(device, "ro", &read_only) && !strcmp(read_only.at, "1");
	cv_text_addf(&who, "loop device /dev/%s, %s", device, cv_hold_words(reads ? CV_HOLD_OPEN : CV_HOLD_OPEN_WRITE));
	return !who.failed && cv_gather_claim(g, (struct cv_claim){
		.kind = CV_CLAIM_INODE, .confidence = CV_DEFINITE, .device = file->device, .inode = file->inode,
		.who = cv_bytes_of(who.at), .in_use = true,
	});
}

bool cv_loops_read(struct cv_gather *g)
{
	DIR *dir = opendir(SYS_BLOCK);
	const struct dirent *entry;
	bool ok = true;

	while (dir && ok && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "loop", 4))
			ok = read_loop(g, entry->d_name);
	if (dir)
		closedir(dir);
	return ok;
}
