/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * References from this host itself: who has an image open, mapped or locked right now, and which loop devices stand on
 * one. It sees only what is in use at this moment, so it never knows every reference.
 */
#include "inspect/reference/gather.h"
#include "inspect/reference/holders.h"
#include "inspect/source/open.h"
#include <sys/stat.h>

/* A scanned block device: other nodes may lead to the same device. */
struct device {
	uint64_t number;
	size_t file;
};
CV_VEC(device_vec, struct device);

struct scanned {
	struct cv_gather *g;
	struct device_vec devices;
};

static size_t by_inode(void *ctx, uint64_t device, uint64_t inode)
{
	const struct scanned *s = ctx;

	return cv_scan_by_inode(s->g->scan, device, inode);
}

static size_t by_device(void *ctx, uint64_t number)
{
	const struct scanned *s = ctx;

	for (size_t i = 0; i < s->devices.len; i++)
		if (s->devices.at[i].number == number)
			return s->devices.at[i].file;
	return SIZE_MAX;
}

/* The file under a name of the host: one that was scanned, by that path or by another. */
static size_t by_path(void *ctx, const char *path, uint64_t inode)
{
	const struct scanned *s = ctx;
	struct cv_lookup l = cv_scan_lookup(s->g->scan, path);
	struct cv_entry entry;

	if (l.found == CV_FOUND_FILE && (!inode || cv_scan_file(s->g->scan, l.file)->inode == inode))
		return l.file;
	if (inode)
		return SIZE_MAX;
	entry = cv_named_stat(path);
	return entry.os_errno ? SIZE_MAX : cv_scan_by_inode(s->g->scan, entry.device, entry.inode);
}

static bool claim(void *ctx, size_t number, const struct cv_holder *holder)
{
	struct scanned *s = ctx;
	const struct cv_file *file = cv_scan_file(s->g->scan, number);
	CV_AUTO(cv_text_fini) struct cv_text who = { 0 };

	if (holder->loop)
		cv_text_addf(&who, "loop device /dev/%s, ", holder->loop);
	else if (holder->pid)
		cv_text_addf(&who, "%s, pid %ld, ", holder->command, holder->pid);
	else
		cv_text_add(&who, "a process that cannot be seen from here, ");
	cv_text_add(&who, cv_hold_words(holder->holds));
	return !who.failed && cv_gather_claim(s->g, (struct cv_claim){
		.kind = CV_CLAIM_INODE, .confidence = CV_DEFINITE, .device = file->device, .inode = file->inode,
		.who = cv_bytes_of(who.at), .in_use = true,
	});
}

static bool collect_devices(struct scanned *s)
{
	for (size_t i = 0; i < cv_scan_file_count(s->g->scan); i++) {
		const struct cv_file *file = cv_scan_file(s->g->scan, i);
		struct stat st;

		if (file->block_device && stat(file->path, &st) == 0 &&
		    !device_vec_push(&s->devices, (struct device){ st.st_rdev, i }))
			return false;
	}
	return true;
}

bool cv_proc_read(struct cv_gather *g, const char *argument, struct cv_claim_source *source, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text trouble = { 0 };
	struct scanned s = { .g = g };
	const struct cv_wanted wanted = { &s, by_inode, by_device, by_path, claim };
	struct cv_looked looked = { 0 };
	bool ok;

	(void)argument;
	ok = collect_devices(&s) && cv_holders_find(&wanted, &looked);
	free(s.devices.at);
	source->read = looked.listed;
	cv_looked_words(&looked, &trouble);
	if (trouble.len && !trouble.failed)
		cv_gather_trouble(g, source, trouble.at);
	return ok || cv_fail(err, CV_ENOMEM, "not enough memory for the references");
}
