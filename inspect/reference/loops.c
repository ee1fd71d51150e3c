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

static bool look_at_loop(const struct cv_wanted *wanted, const char *device)
{
	CV_AUTO(cv_text_fini) struct cv_text backing = { 0 }, read_only = { 0 };
	struct cv_holder holder = { .command = "", .loop = device };
	size_t file;

	if (!read_attribute(device, "loop/backing_file", &backing))
		return true;            /* not set up, or gone by now */
	file = wanted->by_path(wanted->ctx, backing.at, 0);
	if (file == SIZE_MAX)
		return true;
	holder.holds = read_attribute(device, "ro", &read_only) && !strcmp(read_only.at, "1") ? CV_HOLD_OPEN
											     : CV_HOLD_OPEN_WRITE;
	return wanted->held(wanted->ctx, file, &holder);
}

bool cv_loops_find(const struct cv_wanted *wanted)
{
	DIR *dir = opendir(SYS_BLOCK);
	const struct dirent *entry;
	bool ok = true;

	while (dir && ok && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "loop", 4))
			ok = look_at_loop(wanted, entry->d_name);
	if (dir)
		closedir(dir);
	return ok;
}
