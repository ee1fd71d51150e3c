/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From a word on the command line to an image. A path leads to its nearest enclosing configured repository,
 * else to the folder it lies in; anything else is looked up in --repo or the configured repositories.
 */
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tui/command/target.h"

static bool fail_word(struct cv_err *err, enum cv_status code, const char *before, const char *word, const char *after)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_session_show_word(&t, word);
	return cv_fail(err, code, "%s%s%s", before, cv_text_str(&t), after);
}

static bool absolute(struct cv_text *out, const char *path, struct cv_err *err)
{
	char here[PATH_MAX];

	if (!getcwd(here, sizeof here))
		return cv_fail_errno(err, "cannot find the current directory");
	return (cv_path_join(out, here, cv_bytes_of(path)) && !out->failed) ||
	       cv_fail(err, CV_EUSAGE, "the path is too long");
}

static bool add_folder_of(struct cv_session *s, const char *path, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 };
	const struct cv_config_repository *enclosing;
	const char *slash;

	if (!absolute(&folder, path, err))
		return false;
	enclosing = cv_config_enclosing(&s->config, cv_text_str(&folder));
	if (enclosing)
		return cv_session_add(s, enclosing->path, false, err);
	slash = strrchr(folder.at, '/');
	folder.at[slash == folder.at ? 1 : slash - folder.at] = '\0';
	return cv_session_add(s, folder.at, false, err);
}

/* The word means a path that is there. */
static bool add_path(struct cv_session *s, struct cv_image_word *t, const char *path, const struct stat *st,
		     struct cv_err *err)
{
	if (S_ISDIR(st->st_mode))
		return fail_word(err, CV_EUSAGE, "", t->word, " is a directory, not an image");
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return fail_word(err, CV_EUSAGE, "", t->word, " is not a file or block device");
	t->by_inode = true;
	t->device = st->st_dev;
	t->inode = st->st_ino;
	if (s->settings.repo)
		return true;
	/* The folder of a device is full of other things, and an offset is of this one file. */
	if (S_ISBLK(st->st_mode) || s->settings.has_offset)
		return cv_session_add(s, path, false, err);
	return add_folder_of(s, path, err);
}

/* "NAME/rest" with the name of a configured repository. */
static bool add_named(struct cv_session *s, struct cv_image_word *t, bool *done, struct cv_err *err)
{
	const char *slash = strchr(t->word, '/');
	CV_AUTO(cv_auto_free) char *name = slash ? strndup(t->word, (size_t)(slash - t->word)) : NULL;
	const struct cv_config_repository *named = name ? cv_config_named(&s->config, name) : NULL;

	*done = named && slash[1];
	if (!*done)
		return true;
	t->word = slash + 1;
	return cv_session_add(s, named->path, false, err);
}

static bool add_word(struct cv_session *s, struct cv_image_word *t, bool *everywhere, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text unescaped = { 0 };
	const char *path;
	struct stat st;
	bool done = false;

	if (!*t->word)
		return cv_fail(err, CV_EUSAGE, "an image cannot have an empty name");
	path = cv_session_stat(t->word, &unescaped, &st);
	/* With --repo, a folder that happens to have the name of an image is not meant. */
	if (path && (!S_ISDIR(st.st_mode) || !s->settings.repo))
		return add_path(s, t, path, &st, err);
	if (s->settings.repo)
		return true;
	if (!add_named(s, t, &done, err) || done)
		return err->code == CV_OK;
	if (s->config.repositories.len) {
		*everywhere = true;
		return true;
	}
	if (!strchr(t->word, '/'))
		return fail_word(err, CV_EUSAGE, "there is no file ", t->word, "; other names need --repo");
	return fail_word(err, CV_EIO, "cannot open ", t->word, ": there is no such file");
}

bool cv_image_words_add(struct cv_session *s, char *const *words, size_t count, struct cv_image_word *targets,
		    struct cv_err *err)
{
	bool everywhere = false;

	if (s->settings.repo && !cv_session_add(s, s->settings.repo, false, err))
		return false;
	for (size_t i = 0; i < count; i++) {
		targets[i] = (struct cv_image_word){ .word = words[i] };
		if (!add_word(s, &targets[i], &everywhere, err))
			return false;
	}
	for (size_t i = 0; everywhere && i < s->config.repositories.len; i++) {
		struct cv_err trouble = { .code = CV_OK };

		/* One that is not there is said by cv_session_add_all(). */
		cv_session_add(s, s->config.repositories.at[i].path, false, &trouble);
	}
	return cv_session_add_all(s, NULL, 0, err);
}

struct cv_image_word cv_image_word_of(const char *name, const struct cv_image *image)
{
	return (struct cv_image_word){ name, true, image->file->device, image->file->inode };
}

bool cv_image_word_find(const struct cv_image_word *target, const struct cv_session *s, uint32_t *image, struct cv_err *err)
{
	size_t file = target->by_inode ? cv_scan_by_inode(s->scan, target->device, target->inode) : SIZE_MAX;

	if (!target->by_inode || (file == SIZE_MAX && s->settings.repo))
		return cv_graph_find(s->graph, target->word, image, err);
	*image = file == SIZE_MAX ? CV_NO_IMAGE : cv_graph_by_file(s->graph, cv_scan_file(s->scan, file));
	return *image != CV_NO_IMAGE ||
	       fail_word(err, CV_EUSAGE, "", target->word, " is not an image of its repository");
}
