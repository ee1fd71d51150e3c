/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Provenance: who ran what where, how the files were opened, and what the system says about each of them. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include "inspect/report/dump_json.h"
#include "inspect/source/open.h"

#define MOUNTS_MAX ((size_t)4 << 20)
#define SMALL_FILE 4096u

struct stamp {
	char s[48];
};

static struct stamp stamp_of(int64_t seconds, uint32_t fraction, int digits)
{
	struct cv_time_text utc = cv_time_utc(seconds);
	size_t len = strlen(utc.s);
	struct stamp t;

	snprintf(t.s, sizeof t.s, "%.*s.%0*" PRIu32 "Z", (int)(len ? len - 1 : 0), utc.s, digits, fraction);
	return t;
}

void cv_dump_put_time(struct cv_json *j, struct json_object *o, const char *key, const struct cv_dump_time *t)
{
	struct json_object *time;

	if (!t->known)
		return;
	time = cv_json_object(j);
	cv_json_put(j, time, "epoch", json_object_new_int64(t->seconds));
	cv_json_number(j, time, "ns", t->ns);
	cv_json_text(j, time, "utc", stamp_of(t->seconds, t->ns, 9).s);
	cv_json_put(j, o, key, time);
}

static void put_libraries(struct cv_json *j, struct json_object *o)
{
	struct json_object *libraries = cv_json_object(j);

	cv_json_text(j, libraries, "json-c", json_c_version());
	cv_json_text(j, libraries, "libcrypto", OpenSSL_version(OPENSSL_VERSION_STRING));
	cv_json_text(j, libraries, "zlib", zlibVersion());
	cv_json_text(j, libraries, "zstd", ZSTD_versionString());
	cv_json_put(j, o, "libraries", libraries);
}

static void put_host(struct cv_json *j, struct json_object *o)
{
	CV_AUTO(cv_text_fini) struct cv_text boot = { 0 };
	struct cv_err ignored = { .code = CV_OK };
	struct utsname u;

	if (uname(&u) == 0) {
		cv_json_name(j, o, "host", cv_bytes_of(u.nodename));
		cv_json_name(j, o, "system", cv_bytes_of(u.sysname));
		cv_json_name(j, o, "kernel", cv_bytes_of(u.release));
		cv_json_name(j, o, "machine", cv_bytes_of(u.machine));
	}
	if (cv_system_read_all("/proc/sys/kernel/random/boot_id", SMALL_FILE, &boot, &ignored) && boot.len)
		cv_json_name(j, o, "boot_id", (struct cv_bytes){ boot.at, strcspn(boot.at, "\n") });
	cv_json_number(j, o, "uid", getuid());
	cv_json_number(j, o, "euid", geteuid());
}

static void put_moment(struct cv_json *j, struct json_object *o, const char *key, const struct cv_dump *d, int64_t ms)
{
	if (d->options.has_epoch)
		ms = d->options.epoch * 1000;
	cv_json_text(j, o, key, stamp_of(ms / 1000, (uint32_t)(ms % 1000), 3).s);
}

void cv_dump_put_run(struct cv_json *j, struct json_object *o, const struct cv_dump *d,
		     const struct cv_report_head *head)
{
	const struct {
		const char *key, *value;
	} given[] = {
		{ "case", d->options.case_number },
		{ "evidence", d->options.evidence },
		{ "examiner", d->options.examiner },
		{ "note", d->options.note },
	};
	struct json_object *argv = cv_json_array(j);

	cv_json_text(j, o, "tool", "chainview");
	cv_json_text(j, o, "version", cv_version());
	cv_json_text(j, o, "compiler", __VERSION__);
	put_libraries(j, o);
	for (int i = 0; i < head->argc; i++)
		cv_json_push_name(j, argv, cv_bytes_of(head->argv[i]));
	cv_json_put(j, o, "argv", argv);
	put_host(j, o);
	put_moment(j, o, "started", d, d->started);
	put_moment(j, o, "finished", d, d->ended);
	for (size_t i = 0; i < CV_COUNT(given); i++)
		if (given[i].value)
			cv_json_name(j, o, given[i].key, cv_bytes_of(given[i].value));
}

void cv_dump_put_assurance(struct cv_json *j, struct json_object *o, const struct cv_dump *d)
{
	bool no_atime = true, unchanged = true, blocked = true;
	const struct cv_dump_image_of *first = NULL;

	for (size_t i = 0; i < d->source_count; i++) {
		if (!d->sources[i].before.known)
			continue;
		no_atime = no_atime && d->sources[i].before.no_atime;
		unchanged = unchanged && d->sources[i].unchanged;
	}
	for (size_t i = 0; i < d->count; i++) {
		if (!d->images[i].sandbox_line)
			continue;
		first = first ? first : &d->images[i];
		blocked = blocked && !d->images[i].sandbox.seccomp_errno;
	}
	cv_json_text(j, o, "opened", no_atime ? "O_RDONLY|O_NOATIME|O_CLOEXEC" : "O_RDONLY|O_CLOEXEC");
	cv_json_bool(j, o, "write_syscalls_blocked", first && blocked);
	if (first && !d->options.reproducible) {
		cv_json_text(j, o, "sandbox", first->sandbox_line);
		cv_json_put(j, o, "landlock_abi", json_object_new_int(first->sandbox.landlock_abi));
	}
	cv_json_text(j, o, "log_replay", "in memory only");
	cv_json_bool(j, o, "sources_unchanged", unchanged);
}

/* The mount that the device of the file is: kind, point and options, from /proc/self/mountinfo. */
static void put_mount(struct cv_json *j, struct json_object *o, const struct cv_dump_stat *s)
{
	CV_AUTO(cv_text_fini) struct cv_text mounts = { 0 };
	struct cv_err ignored = { .code = CV_OK };
	char *line, *save = NULL, wanted[32];

	snprintf(wanted, sizeof wanted, "%u:%u", s->dev_major, s->dev_minor);
	if (s->block_device || !cv_system_read_all("/proc/self/mountinfo", MOUNTS_MAX, &mounts, &ignored) ||
	    !mounts.len)
		return;
	for (line = strtok_r(mounts.at, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char device[32], point[1024], options[512], kind[64];
		const char *dash = strstr(line, " - ");
		struct json_object *mount;

		if (sscanf(line, "%*u %*u %31s %*s %1023s %511s", device, point, options) != 3 ||
		    strcmp(device, wanted) != 0 || !dash || sscanf(dash, " - %63s", kind) != 1)
			continue;
		mount = cv_json_object(j);
		cv_json_name(j, mount, "point", cv_bytes_of(point));
		cv_json_name(j, mount, "type", cv_bytes_of(kind));
		cv_json_name(j, mount, "options", cv_bytes_of(options));
		cv_json_put(j, o, "mount", mount);
		return;
	}
}

void cv_dump_put_path(struct cv_json *j, struct json_object *o, const char *path)
{
	CV_AUTO(cv_text_fini) struct cv_text utf8 = { 0 }, exact = { 0 };
	struct json_object *p = cv_json_object(j);

	cv_text_escape(&utf8, cv_bytes_of(path));
	cv_text_base64(&exact, cv_bytes_of(path));
	j->ok = j->ok && !utf8.failed && !exact.failed;
	cv_json_text(j, p, "utf8", cv_text_str(&utf8));
	cv_json_text(j, p, "bytes_b64", cv_text_str(&exact));
	cv_json_put(j, o, "path", p);
}

/* What belongs to the place where the bytes lie, not to them, is left out of what is to be reproduced elsewhere. */
static void put_place(struct cv_json *j, struct json_object *o, const struct cv_dump_stat *s)
{
	char text[32];

	snprintf(text, sizeof text, "%02x:%02x", s->dev_major, s->dev_minor);
	cv_json_text(j, o, "dev", text);
	cv_json_number(j, o, "inode", s->inode);
	cv_json_number(j, o, "links", s->links);
	cv_json_number(j, o, "uid", s->owner);
	cv_json_number(j, o, "gid", s->group);
	snprintf(text, sizeof text, "%04o", s->mode & 07777u);
	cv_json_text(j, o, "mode", text);
	cv_json_number(j, o, "allocated_bytes", s->blocks * 512);
	put_mount(j, o, s);
	if (s->block_device)
		cv_json_bool(j, o, "read_only_device", s->read_only_device);
}

static void put_digests(struct cv_json *j, struct json_object *o, const struct cv_dump_source_of *s)
{
	struct json_object *hashes = cv_json_object(j);
	bool any = false;

	for (unsigned kind = 0; kind < CV_DIGEST_COUNT; kind++)
		if (s->digested[kind]) {
			cv_json_text(j, hashes, cv_digest_name((enum cv_digest_kind)kind),
				     cv_digest_hex((enum cv_digest_kind)kind, s->digest[kind]).s);
			any = true;
		}
	if (any)
		cv_json_put(j, o, "hashes", hashes);
	else
		json_object_put(hashes);
}

void cv_dump_put_source(struct cv_json *j, struct json_object *o, const struct cv_dump *d, size_t source)
{
	const struct cv_dump_source_of *s = &d->sources[source];
	struct json_object *times = cv_json_object(j);

	cv_dump_put_id(j, o, "id", 's', source);
	cv_dump_put_path(j, o, s->file->path);
	cv_json_text(j, o, "kind", s->before.block_device ? "block_device" : "file");
	if (s->before.known)
		cv_json_number(j, o, "size_bytes", s->before.size);
	if (s->offset)
		cv_json_number(j, o, "image_offset_bytes", s->offset);
	if (s->before.known && !d->options.reproducible)
		put_place(j, o, &s->before);
	cv_dump_put_time(j, times, "mtime", &s->before.mtime);
	if (!d->options.reproducible) {
		cv_dump_put_time(j, times, "atime", &s->before.atime);
		cv_dump_put_time(j, times, "ctime", &s->before.ctime);
		cv_dump_put_time(j, times, "btime", &s->before.btime);
	}
	cv_json_put(j, o, "times", times);
	put_digests(j, o, s);
	if (!s->before.known)
		return;
	cv_json_text(j, o, "opened", s->before.no_atime ? "O_RDONLY|O_NOATIME" : "O_RDONLY");
	cv_json_bool(j, o, "stat_after_equal", s->unchanged);
}
