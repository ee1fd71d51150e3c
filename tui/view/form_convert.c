/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The forms of conversions, of an image and of a tree: the format, where it goes, and the options of convert, named as there. */
#include <chainview/convert.h>

#include "tui/console_model.h"

static const struct cv_field first[] = {
	{ "format", "qcow2 raw vhd vhdx", "of the new image; its options are below", false },
	{ "name", NULL, "in the repository, or a path: of a new file, or of a block device (raw)", false },
};
static const struct cv_field first_of_tree[] = {
	{ "what", "tree repository", "the tree that the image is in, or all images of its repository", false },
	{ "format", "qcow2 vhd vhdx", "of the new images; its options are below", false },
	{ "folder", NULL, "for the new images: an absolute path; it is made if it is not there", false },
};
static const struct cv_field last[] = {
	{ "sparse", "auto never", "auto leaves zeros out, never writes those that the source has", false },
	{ "reflink", "auto never", "auto shares extents where the file system can", false },
	{ "verify", "own full", "full: the new image is read back by libvhdi or libqcow, too", false },
};
static const struct cv_field compress = { "compress", "no yes", "clusters are compressed", false };

static enum cv_format_id format_of(const struct cv_form_view *v)
{
	return cv_format_by_name(cv_bytes_of(cv_form_get(v, "format")));
}

/* The i-th behind those that a form begins with. */
static bool field_behind(const struct cv_form_view *v, size_t i, struct cv_field *out)
{
	const struct cv_convert_option *option;
	size_t options = 0;

	while (cv_convert_option(format_of(v), options))
		options++;
	option = i < options ? cv_convert_option(format_of(v), i) : NULL;
	if (option) {
		*out = (struct cv_field){ option->key, option->words, option->values, true };
		return true;
	}
	i -= options;
	if (format_of(v) == CV_FORMAT_QCOW2 && !i--) {
		*out = compress;
		return true;
	}
	if (i < CV_COUNT(last))
		*out = last[i];
	return i < CV_COUNT(last);
}

static bool field(const struct cv_form_view *v, size_t i, struct cv_field *out)
{
	if (i >= CV_COUNT(first))
		return field_behind(v, i - CV_COUNT(first), out);
	*out = first[i];
	return true;
}

static bool field_of_tree(const struct cv_form_view *v, size_t i, struct cv_field *out)
{
	if (i >= CV_COUNT(first_of_tree))
		return field_behind(v, i - CV_COUNT(first_of_tree), out);
	*out = first_of_tree[i];
	return true;
}

/* --- a name that is free --------------------------------------------------------------------------------- */

static bool is_taken(const struct cv_console *c, uint32_t repository, const char *id)
{
	for (uint32_t i = 0; i < c->snap.graph->image_count; i++)
		if (c->snap.graph->images[i].repository == repository && !strcmp(c->snap.graph->images[i].id, id))
			return true;
	return false;
}

/* That of the image with the ending of the format, and a number if there is one of that name. */
static void add_name(const struct cv_console *c, const struct cv_image *image, const char *ending, struct cv_text *out)
{
	const char *slash = strrchr(image->id, '/'), *base = slash ? slash + 1 : image->id, *dot = strrchr(base, '.');
	size_t stem = dot && dot != base ? (size_t)(dot - image->id) : strlen(image->id);
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	for (unsigned n = 1; n < 1000; n++) {
		cv_text_clear(&name);
		cv_text_add_bytes(&name, image->id, stem);
		if (n > 1)
			cv_text_addf(&name, "-%u", n);
		cv_text_addf(&name, ".%s", ending);
		if (!is_taken(c, image->repository, cv_text_str(&name)))
			break;
	}
	cv_text_escape(out, cv_bytes_of(cv_text_str(&name)));
}

static void propose_name(struct cv_console *c, const struct cv_image *image)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	add_name(c, image, cv_form_get(&c->form, "format"), &name);
	cv_form_set(&c->form, "name", cv_text_str(&name));
}

static void set_defaults(struct cv_console *c, const char *format)
{
	cv_form_set(&c->form, "format", format);
	cv_form_set(&c->form, "compress", "no");
	cv_form_set(&c->form, "sparse", "auto");
	cv_form_set(&c->form, "reflink", "auto");
	cv_form_set(&c->form, "verify", "own");
}

static bool begin(struct cv_console *c, const struct cv_image *image)
{
	set_defaults(c, image->format == CV_FORMAT_QCOW2 ? "raw" : "qcow2");
	propose_name(c, image);
	return true;
}

/* "/srv/images/sr-ssd-qcow2": beside the repository, whose name says what it was made of. */
static void propose_folder(struct cv_console *c, const struct cv_image *image, const char *format, char *out, size_t size)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(c->snap.repositories[image->repository]->path));
	cv_text_addf(&t, "-%s", format);
	cv_copy_text(out, size, cv_text_str(&t));
}

static bool begin_tree(struct cv_console *c, const struct cv_image *image)
{
	char folder[CV_NAME_MAX];

	set_defaults(c, image->format == CV_FORMAT_QCOW2 ? "vhd" : "qcow2");
	cv_form_set(&c->form, "what", "tree");
	propose_folder(c, image, cv_form_get(&c->form, "format"), folder, sizeof folder);
	cv_form_set(&c->form, "folder", folder);
	return true;
}

static void changed_tree(struct cv_console *c, const char *key, const char *before)
{
	const struct cv_image *image = cv_image_at(c, cv_image_by_ident(c, c->form.image));
	char folder[CV_NAME_MAX];

	if (!image || strcmp(key, "format") != 0)
		return;
	propose_folder(c, image, before, folder, sizeof folder);
	if (strcmp(cv_form_get(&c->form, "folder"), folder) != 0)
		return;
	propose_folder(c, image, cv_form_get(&c->form, "format"), folder, sizeof folder);
	cv_form_set(&c->form, "folder", folder);
}

/* A name that was proposed goes with the format; one that was typed stays. */
static void changed(struct cv_console *c, const char *key, const char *before)
{
	const struct cv_image *image = cv_image_at(c, cv_image_by_ident(c, c->form.image));
	CV_AUTO(cv_text_fini) struct cv_text proposed = { 0 };

	if (!image || strcmp(key, "format") != 0)
		return;
	add_name(c, image, before, &proposed);
	if (!strcmp(cv_form_get(&c->form, "name"), cv_text_str(&proposed)))
		propose_name(c, image);
}

/* --- the wish -------------------------------------------------------------------------------------------- */

static bool is_value(const struct cv_form_view *v, const char *key, const char *text)
{
	return !strcmp(cv_form_get(v, key), text);
}

/* "cluster_size=64K,compat=1.1": of what is not left at its default. */
static char *options_of(const struct cv_form_view *v)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const struct cv_convert_option *option;

	for (size_t i = 0; (option = cv_convert_option(format_of(v), i)); i++)
		if (*cv_form_get(v, option->key))
			cv_text_addf(&t, "%s%s=%s", t.len ? "," : "", option->key, cv_form_get(v, option->key));
	return t.failed ? NULL : strdup(cv_text_str(&t));
}

/* A name is one in the image's repository: below its folder, or beside the image if that is the repository itself. */
static void add_path(const struct cv_console *c, const struct cv_image *image, const char *name, struct cv_text *out)
{
	const char *root = c->snap.repositories[image->repository]->path, *slash = strrchr(image->file->path, '/');

	if (name[0] != '/' && !strcmp(root, image->file->path))
		cv_text_add_bytes(out, root, (size_t)(slash - root) + 1);
	else if (name[0] != '/')
		cv_text_addf(out, "%s/", root);
	cv_text_add(out, name);
}

static bool find_place(const struct cv_console *c, const struct cv_image *image, struct cv_wish *wish, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) const char **around = calloc(c->snap.repository_count + 1, sizeof *around);
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 }, path = { 0 };

	cv_text_unescape(&name, cv_bytes_of(cv_form_get(&c->form, "name")));
	if (!name.len || strlen(cv_text_str(&name)) != name.len)
		return cv_fail(err, CV_EUSAGE, "give the new image a name");
	add_path(c, image, cv_text_str(&name), &path);
	for (size_t i = 0; around && i < c->snap.repository_count; i++)
		around[i] = c->snap.repositories[i]->path;
	if (!around || path.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_convert_call_place(&wish->convert, c->options.session, cv_text_str(&path), around, err))
		return false;
	wish->place = wish->convert.device ? NULL : wish->convert.repository;
	return true;
}

static void set_title(const struct cv_console *c, const struct cv_image *image, struct cv_wish *wish)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_add(&t, "convert ");
	cv_image_name(&t, image);
	cv_text_addf(&t, " to %s (%s)", cv_form_get(&c->form, "name"), cv_form_get(&c->form, "format"));
	cv_copy_text(wish->title, sizeof wish->title, cv_text_str(&t));
}

/* What both forms say alike. */
static struct cv_wish *begin_wish(struct cv_console *c, const struct cv_image *image, struct cv_err *err)
{
	struct cv_wish *w = cv_wish_new(c->snap.repositories[image->repository]->path);

	if (!w || !(w->words[0] = strdup(image->id)) || !(w->words[1] = options_of(&c->form))) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		cv_wish_free(w);
		return NULL;
	}
	w->convert_settings = (struct cv_convert_settings){
		.to = format_of(&c->form), .options = w->words[1],
		.compress = format_of(&c->form) == CV_FORMAT_QCOW2 && is_value(&c->form, "compress", "yes"),
		.keep_zeros = is_value(&c->form, "sparse", "never"), .no_sharing = is_value(&c->form, "reflink", "never"),
		.full_verify = is_value(&c->form, "verify", "full"),
	};
	return w;
}

static struct cv_wish *wish(struct cv_console *c, const struct cv_image *image, struct cv_err *err)
{
	struct cv_wish *w = begin_wish(c, image, err);

	if (w && !find_place(c, image, w, err)) {
		cv_wish_free(w);
		w = NULL;
	}
	if (!w)
		return NULL;
	w->convert.source = cv_image_word_of(w->words[0], image);
	w->convert.settings = &w->convert_settings;
	w->call = cv_convert_call_of(&w->convert);
	set_title(c, image, w);
	return w;
}

const struct cv_form cv_form_convert = {
	.action = CV_ACT_CONVERT, .verb = "convert", .begin = begin, .field = field, .changed = changed, .wish = wish,
};

/* --- of a tree ------------------------------------------------------------------------------------------- */

static bool place_tree(const struct cv_console *c, const struct cv_image *image, struct cv_wish *w, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 };

	cv_text_unescape(&folder, cv_bytes_of(cv_form_get(&c->form, "folder")));
	if (*cv_text_str(&folder) != '/' || strlen(cv_text_str(&folder)) != folder.len)
		return cv_fail(err, CV_EUSAGE, "give the folder as an absolute path");
	if (!cv_convert_tree_place(&w->tree, c->options.session, cv_text_str(&folder), err))
		return false;
	if (is_value(&c->form, "what", "tree"))
		w->tree.image = cv_image_word_of(w->words[0], image);
	else
		w->tree.source = strdup(w->repository);
	w->place = cv_convert_tree_looks(&w->tree) ? w->tree.repository : NULL;
	return is_value(&c->form, "what", "tree") || w->tree.source || cv_fail(err, CV_ENOMEM, "out of memory");
}

static struct cv_wish *wish_of_tree(struct cv_console *c, const struct cv_image *image, struct cv_err *err)
{
	struct cv_wish *w = begin_wish(c, image, err);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (w && !place_tree(c, image, w, err)) {
		cv_wish_free(w);
		w = NULL;
	}
	if (!w)
		return NULL;
	w->tree.settings = &w->convert_settings;
	w->call = cv_convert_tree_call_of(&w->tree);
	cv_text_addf(&t, "convert %s", w->tree.source ? "all images" : "the tree of ");
	if (!w->tree.source)
		cv_image_name(&t, image);
	cv_text_addf(&t, " to %s (%s)", cv_form_get(&c->form, "folder"), cv_form_get(&c->form, "format"));
	cv_copy_text(w->title, sizeof w->title, cv_text_str(&t));
	return w;
}

const struct cv_form cv_form_convert_tree = {
	.action = CV_ACT_CONVERT_TREE, .verb = "convert the tree of", .begin = begin_tree, .field = field_of_tree,
	.changed = changed_tree, .wish = wish_of_tree,
};
