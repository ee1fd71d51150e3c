/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Names of repositories for files, kept results, locks. What is kept is read as if anybody had written it. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tui/command/new_file.h"
#include "tui/command/state.h"

#define LONGEST_KEY 180
#define LARGEST_RESULT (64 << 20)

const char *cv_state_folder(void)
{
	const char *given = getenv("CHAINVIEW_STATE_DIR");

	if (!given)
		return "/var/lib/chainview";
	return *given ? given : NULL;
}

/* Letters, digits and a few others as they are, "/" as "+", everything else as \xHH. */
static void add_key(struct cv_text *t, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("_.-", c))
			cv_text_addf(t, "%c", c);
		else if (c == '/')
			cv_text_add(t, "+");
		else
			cv_text_addf(t, "\\x%02x", c);
	}
}

/* A key that would be too long for a file name ends in a sum of all of it. */
static char *finish_key(struct cv_text *t)
{
	uint64_t sum = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < t->len; i++)
		sum = (sum ^ (unsigned char)t->at[i]) * UINT64_C(1099511628211);
	if (t->len > LONGEST_KEY) {
		t->len = LONGEST_KEY;
		cv_text_addf(t, "~%016" PRIx64, sum);
	}
	return t->failed ? NULL : cv_take(t->at);
}

/* The configured repository that is the same folder, whatever links lead to it. */
static const struct cv_config_repository *configured_at(const struct cv_config *config, const char *real)
{
	for (size_t i = 0; i < config->repositories.len; i++) {
		CV_AUTO(cv_auto_free) char *path = realpath(config->repositories.at[i].path, NULL);

		if (path && !strcmp(path, real))
			return &config->repositories.at[i];
	}
	return cv_config_at(config, real);
}

bool cv_state_name_of(struct cv_state_name *out, const struct cv_config *config, const char *path, uint64_t offset,
		      struct cv_err *err)
{
	CV_AUTO(cv_auto_free) char *real = realpath(path, NULL);
	CV_AUTO(cv_text_fini) struct cv_text key = { 0 };
	const struct cv_config_repository *r = configured_at(config, real ? real : path);

	*out = (struct cv_state_name){ .name = r ? strdup(r->name) : NULL };
	/* A name cannot begin like a path: "+" is not left as it is. */
	if (r)
		add_key(&key, strcmp(r->name, ".") != 0 && strcmp(r->name, "..") != 0 ? r->name : "dots");
	else
		add_key(&key, real ? real : path);
	if (offset)
		cv_text_addf(&key, "+%" PRIu64, offset);
	out->key = finish_key(&key);
	if (out->key && (!r || out->name))
		return true;
	cv_state_name_fini(out);
	return cv_fail(err, CV_ENOMEM, "out of memory");
}

void cv_state_name_fini(struct cv_state_name *n)
{
	free(n->name);
	free(n->key);
	*n = (struct cv_state_name){ NULL, NULL };
}

static bool file_name(struct cv_text *t, const char *folder, const char *key, const char *end, struct cv_err *err)
{
	const char *state = cv_state_folder();

	if (!state)
		return cv_fail(err, CV_EREFUSED, "the state folder is switched off by CHAINVIEW_STATE_DIR");
	cv_text_addf(t, "%s/%s", state, folder);
	if (key)
		cv_text_addf(t, "/%s%s", key, end);
	return !t->failed || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool make_folder(const char *path, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };

	if (!mkdir(path, 0755) || errno == EEXIST)
		return true;
	cv_text_escape(&shown, cv_bytes_of(path));
	return cv_fail_errno(err, "cannot make the folder %s", cv_text_str(&shown));
}

static bool make_folders(const char *folder, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	return file_name(&t, folder, NULL, "", err) && make_folder(cv_state_folder(), err) &&
	       make_folder(cv_text_str(&t), err);
}

/* All of a regular file, but no more than a result can have. */
static bool read_all(int fd, struct cv_text *t)
{
	struct stat st;
	char buf[65536];
	ssize_t n;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > LARGEST_RESULT)
		return false;
	while ((n = read(fd, buf, sizeof buf)) > 0 && t->len <= LARGEST_RESULT)
		cv_text_add_bytes(t, buf, (size_t)n);
	return !n && !t->failed;
}

struct cv_result *cv_state_read(const char *key, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };
	CV_AUTO(cv_auto_close) int fd = -1;
	struct cv_result *r;

	if (!file_name(&name, "last", key, ".json", err))
		return NULL;
	cv_text_escape(&shown, cv_bytes_of(cv_text_str(&name)));
	fd = open(cv_text_str(&name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		cv_fail_errno(err, "cannot open %s", cv_text_str(&shown));
		return NULL;
	}
	errno = 0;
	if (!read_all(fd, &text)) {
		cv_fail(err, CV_EFORMAT, "cannot read %s: %s", cv_text_str(&shown), errno ? strerror(errno) : "no usual file");
		return NULL;
	}
	r = cv_result_read(cv_text_str(&text), text.len, err);
	if (!r)
		cv_wrap(err, "%s", cv_text_str(&shown));
	return r;
}

static bool put_result(const struct cv_sink *sink, void *ctx)
{
	return cv_report_result(ctx, sink);
}

bool cv_state_write(const char *key, const struct cv_result *r, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct cv_report_call call = { put_result, (void *)(uintptr_t)r };

	return file_name(&name, "last", key, ".json", err) && make_folders("last", err) &&
	       cv_replace_file(cv_text_str(&name), 0644, call, err);
}

bool cv_state_lock(const char *key, bool *busy, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	int fd;

	*busy = false;
	if (!file_name(&name, "lock", key, "", err) || !make_folders("lock", err))
		return false;
	fd = open(cv_text_str(&name), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return cv_fail_errno(err, "cannot open the lock of %s", key);
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return true;     /* and the descriptor stays open up to the end */
	*busy = errno == EWOULDBLOCK;
	cv_fail_errno(err, "cannot lock %s", key);
	close(fd);
	return false;
}
