/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The files of dump: every one is new (O_EXCL). Whether a map is whole is told by its sum in the document. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tui/command/dump_files.h"
#include "tui/command/exit.h"
#include "tui/command/new_file.h"

static bool fail_at(struct cv_err *err, const char *folder, const char *name)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	int saved = errno;

	cv_text_escape(&t, cv_bytes_of(folder));
	if (name)
		cv_text_addf(&t, "/%s", name);
	errno = saved;
	cv_fail_errno(err, "cannot make %s", cv_text_str(&t));
	if (saved == EEXIST)
		err->code = CV_EREFUSED;
	return false;
}

bool cv_maps_folder_open(struct cv_maps_folder *folder, const char *path, struct cv_err *err)
{
	*folder = (struct cv_maps_folder){ .path = path, .fd = -1, .dirfd = -1 };
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return fail_at(err, path, NULL);
	folder->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder->dirfd >= 0 || fail_at(err, path, NULL);
}

void cv_maps_folder_close(struct cv_maps_folder *folder)
{
	cv_output_free(folder->output);
	cv_auto_close(&folder->fd);
	cv_auto_close(&folder->dirfd);
}

static bool begin(void *ctx, const char *name, struct cv_sink *sink, struct cv_err *err)
{
	struct cv_maps_folder *f = ctx;

	f->fd = openat(f->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (f->fd < 0)
		return fail_at(err, f->path, name);
	f->output = cv_output_new(f->fd);
	if (!f->output)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	*sink = cv_output_sink(f->output);
	return true;
}

static bool end(void *ctx, struct cv_err *err)
{
	struct cv_maps_folder *f = ctx;
	bool good = f->output && cv_output_flush(f->output, err);

	cv_output_free(cv_take(f->output));
	cv_auto_close(&f->fd);
	f->fd = -1;
	return good || cv_wrap(err, "--maps");
}

struct cv_dump_files cv_maps_folder_files(struct cv_maps_folder *folder)
{
	return (struct cv_dump_files){ begin, end, folder };
}

static bool sum_name(struct cv_text *t, const char *path)
{
	cv_text_addf(t, "%s.sha256", path);
	return !t->failed;
}

bool cv_dump_file_is_free(const char *path, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text sum = { 0 }, shown = { 0 };
	struct stat st;
	const char *there = !sum_name(&sum, path) || !lstat(path, &st) ? path
			    : !lstat(cv_text_str(&sum), &st)           ? cv_text_str(&sum)
								       : NULL;

	cv_text_escape(&shown, cv_bytes_of(there));
	return !there || cv_fail(err, CV_EREFUSED, "%s is there already and is not written over", cv_text_str(&shown));
}

/* A sink that sums what goes through it. */
struct summed {
	struct cv_report_call call;
	const struct cv_sink *under;
	struct cv_digest *digest;
	struct cv_err err;
};

static bool put(void *ctx, const char *text, size_t len)
{
	struct summed *s = ctx;

	return cv_digest_add(s->digest, text, len, &s->err) && s->under->put(s->under->ctx, text, len);
}

static bool write_summed(const struct cv_sink *sink, void *ctx)
{
	struct summed *s = ctx;
	struct cv_sink through = { put, s };

	s->under = sink;
	return s->call.write(&through, s->call.ctx);
}

static bool write_line(const struct cv_sink *sink, void *ctx)
{
	const struct cv_text *line = ctx;

	return sink->put(sink->ctx, cv_text_str(line), line->len);
}

/* "hash  name" of the file in the same folder; sha256sum marks names with a backslash or a newline in front. */
static bool sum_line(struct cv_text *line, const char *path, struct summed *s)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	uint8_t sum[CV_DIGEST_LARGEST];

	if (!cv_digest_end(s->digest, CV_DIGEST_SHA256, sum, &s->err))
		return false;
	cv_text_addf(line, "%s%s  ", strpbrk(name, "\\\n") ? "\\" : "", cv_digest_hex(CV_DIGEST_SHA256, sum).s);
	for (; *name; name++)
		cv_text_addf(line, *name == '\\' ? "\\\\" : *name == '\n' ? "\\n" : "%c", *name);
	cv_text_add(line, "\n");
	return !line->failed;
}

int cv_dump_file(const char *path, struct cv_report_call call, int status)
{
	CV_AUTO(cv_text_fini) struct cv_text line = { 0 }, name = { 0 };
	struct summed s = { .call = call };
	int written;

	s.digest = cv_digest_new(1u << CV_DIGEST_SHA256, &s.err);
	if (!s.digest) {
		cv_complain(s.err.text);
		return status | CV_EXIT_FAILED;
	}
	written = cv_new_file(path, (struct cv_report_call){ write_summed, &s }, 0);
	if (!written && sum_line(&line, path, &s) && sum_name(&name, path))
		written = cv_new_file(cv_text_str(&name), (struct cv_report_call){ write_line, &line }, 0);
	cv_digest_free(s.digest);
	return status | written;
}
