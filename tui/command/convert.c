/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview convert: a new image with what a guest reads from another.
 */
#include <chainview/convert.h>
#include <stdlib.h>

#include "tui/command/convert.h"
#include "tui/command/convert_tree.h"
#include "tui/command/exit.h"
#include "tui/command/new_file.h"
#include "tui/command/write.h"
#include "tui/write/planning.h"

#define FORMATS "raw vhd vhdx qcow2"

static bool set_to(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->convert.to = cv_format_by_name(cv_bytes_of(value));
	return s->convert.to == CV_FORMAT_RAW || s->convert.to == CV_FORMAT_VHD || s->convert.to == CV_FORMAT_VHDX ||
	       s->convert.to == CV_FORMAT_QCOW2 || cv_fail(err, CV_EUSAGE, "--to takes one of %s", FORMATS);
}

static bool set_options(struct cv_settings *s, const char *value, struct cv_err *err)
{
	(void)err;
	s->convert.options = value;
	return true;
}

static bool set_sparse(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->convert.keep_zeros = !strcmp(value, "never");
	return s->convert.keep_zeros || !strcmp(value, "auto") || cv_fail(err, CV_EUSAGE, "--sparse takes auto or never");
}

static bool set_reflink(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->convert.no_sharing = !strcmp(value, "never");
	return s->convert.no_sharing || !strcmp(value, "auto") || cv_fail(err, CV_EUSAGE, "--reflink takes auto or never");
}

static bool set_verify(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->convert.full_verify = !strcmp(value, "full");
	return s->convert.full_verify || !strcmp(value, "own") || cv_fail(err, CV_EUSAGE, "--verify takes own or full");
}

static bool set_salvage(struct cv_settings *s, const char *value, struct cv_err *err)
{
	(void)err;
	s->convert.salvage = true;
	s->convert.map = *value ? value : NULL;
	return true;
}

static const struct cv_option_row options[] = {
	{ "to", 'O', "FORMAT", FORMATS, "format of the new image", set_to, 0 },
	{ "options", 'o', "KEY=VALUE,...", NULL, "of the new image; \"help\" lists them", set_options, 0 },
	{ "tree", 0, NULL, NULL, "all images of REPO, or of IMAGE's tree, to a folder", CV_ON(convert.tree) },
	{ "compress", 'c', NULL, NULL, "compress clusters (qcow2)", CV_ON(convert.compress) },
	{ "sparse", 0, "WHEN", "auto never", "auto: leave zeros out; never: write those it has", set_sparse, 0 },
	{ "reflink", 0, "WHEN", "auto never", "auto: share extents where the file system can", set_reflink, 0 },
	{ "verify", 0, "HOW", "own full", "full: also by libvhdi or libqcow", set_verify, 0 },
	{ "salvage", 0, "[=MAPFILE]", NULL, "what can be read of a damaged image; map of the rest", set_salvage, 0 },
	CV_RESERVE_OPTION,
	CV_WRITE_OPTIONS,
	CV_COPY_OPTIONS,
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

static const char *repository_of(const struct cv_session *s, uint32_t image)
{
	return cv_scan_repository(s->scan, s->graph->images[image].repository)->path;
}

static struct cv_plan *make(const struct cv_session *s, const struct cv_convert_call *c,
			    const struct cv_convert_options *o, struct cv_err *err)
{
	uint32_t image;

	if (!cv_image_word_find(&c->source, s, &image, err))
		return NULL;
	if (c->device)
		return cv_plan_convert_device(s->graph, image, repository_of(s, image), c->path, o, err);
	return cv_plan_convert(s->graph, image, c->repository, c->dest, o, err);
}

static struct cv_plan *plan(struct cv_session *s, void *ctx, struct cv_err *err)
{
	const struct cv_convert_call *c = ctx;
	const struct cv_convert_settings *set = c->settings;
	struct cv_planning planning = cv_planning_begin(s, "map");
	struct cv_convert_options o = { .to = set->to, .options = set->options, .compress = set->compress,
					.keep_zeros = set->keep_zeros, .no_sharing = set->no_sharing,
					.full_verify = set->full_verify, .salvage = set->salvage, .reserve = cv_session_reserve(s),
					.tick = cv_planning_tick, .ctx = &planning };
	struct cv_plan *made = make(s, c, &o, err);

	cv_planning_end(&planning);
	return made;
}

enum { SHOWN_RANGES = 12 };

/* What is missing is said first: the copy is not what the guest had. */
static void tell_salvage(const struct cv_salvage *s, struct cv_text *out)
{
	uint64_t read = s->size - s->lost.bytes;

	if (!s->lost.len && !s->doubtful.len) {
		cv_text_add(out, s->tables_wrong ? "by its tables nothing is missing, but these are wrong, as the plan says: parts of the disk may be "
						   "missing that no map can show\n"
						 : "nothing is missing: all of the disk could be read\n");
		return;
	}
	cv_text_addf(out, "%" PRIu64 " of %" PRIu64 " bytes are lost and are zeros in the copy (%zu range%s); %" PRIu64 " could be read",
		     s->lost.bytes, s->size, s->lost.len, s->lost.len == 1 ? "" : "s", read);
	if (s->doubtful.len)
		cv_text_addf(out, ", %" PRIu64 " of them doubtful", s->doubtful.bytes);
	cv_text_add(out, "\n");
	cv_salvage_show(s, SHOWN_RANGES, out);
}

static bool write_map(const struct cv_sink *sink, void *ctx)
{
	return cv_report_salvage(ctx, sink);
}

struct map_document {
	const struct cv_session *session;
	const struct cv_salvage *salvage;
};

static bool write_map_json(const struct cv_sink *sink, void *ctx)
{
	const struct map_document *d = ctx;
	struct cv_report_head head = { "salvage", d->session->argc, d->session->argv, CV_EXIT_CORRECTED };

	return cv_report_salvage_json(d->salvage, &head, sink);
}

static bool is_json_name(const char *path)
{
	size_t len = strlen(path);

	return len > 5 && !strcmp(path + len - 5, ".json");
}

/* The map, and whether the copy is all of the disk: 1 says that they differ, as verify does. */
static int after(const struct cv_session *s, void *ctx, const struct cv_plan *plan)
{
	const struct cv_convert_call *c = ctx;
	const struct cv_salvage *salvage = cv_plan_salvage(plan);
	const char *map = c->settings->map;
	struct map_document document = { s, salvage };
	int status;

	if (!salvage)
		return CV_EXIT_OK;
	status = salvage->lost.len || salvage->doubtful.len || salvage->tables_wrong ? CV_EXIT_CORRECTED : CV_EXIT_OK;
	if (!map || (s->settings.json && !strcmp(map, "-")))
		return status;
	if (is_json_name(map) || s->settings.json)
		return cv_new_file(map, (struct cv_report_call){ write_map_json, &document }, status);
	return cv_new_file(map, (struct cv_report_call){ write_map, (void *)(uintptr_t)salvage }, status);
}

static void tell(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	cv_text_add(out, done->kind == CV_PLAN_CONVERT_DEVICE ? "filled /" : "made ");
	cv_text_escape(out, cv_bytes_of(done->items[0].path));
	cv_text_addf(out, ": %s written", cv_size_short(result->written).s);
	if (result->shared)
		cv_text_addf(out, " and %s shared", cv_size_short(result->shared).s);
	cv_text_add(out, " in ");
	cv_write_add_seconds(out, result->copy_ms);
	cv_text_add(out, ", read back in ");
	cv_write_add_seconds(out, result->verify_ms);
	cv_text_add(out, cv_plan_salvage(done) ? " and equal to what can be read of its source" : " and equal to its source");
	if (result->second_compared)
		cv_text_addf(out, ", %s of it by a second reader, too", cv_size_short(result->second_compared).s);
	cv_text_addf(out, ": operation %s\n", cv_uuid_str(result->id).s);
	if (cv_plan_salvage(done))
		tell_salvage(cv_plan_salvage(done), out);
}

/* A device is known by what it is, whatever links lead to it. */
static bool is_device(struct cv_convert_call *c, const char *path)
{
	struct stat st;

	c->device = stat(path, &st) == 0 && S_ISBLK(st.st_mode);
	c->path = c->device ? realpath(path, NULL) : NULL;
	return c->path != NULL;
}

/* The innermost repository around the path; the folder of it if there is none. */
static char *repository_around(const struct cv_session *s, const char *path, const char *folder,
			       const char *const *repositories)
{
	const struct cv_config_repository *configured = cv_config_enclosing(&s->config, path);
	char *found = configured ? realpath(configured->path, NULL) : NULL;

	for (size_t i = 0; repositories && repositories[i]; i++) {
		CV_AUTO(cv_auto_free) char *real = realpath(repositories[i], NULL);
		size_t len = real ? strlen(real) : 0;

		if (!len || (found && strlen(found) >= len) || strncmp(path, real, len) != 0 ||
		    (path[len] != '/' && len > 1))
			continue;
		free(found);
		found = cv_take(real);
	}
	return found ? found : strdup(folder);
}

bool cv_convert_call_place(struct cv_convert_call *c, const struct cv_session *s, const char *word,
			   const char *const *repositories, struct cv_err *err)
{
	const char *slash = strrchr(word, '/'), *base = slash ? slash + 1 : word;
	CV_AUTO(cv_auto_free) char *folder = slash ? strndup(word, (size_t)(slash - word) + 1) : strdup(".");
	CV_AUTO(cv_auto_free) char *real = folder ? realpath(folder, NULL) : NULL;
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 }, shown = { 0 };

	if (is_device(c, word))
		return true;
	cv_session_show_word(&shown, word);
	if (!real)
		return cv_fail_errno(err, "cannot open the folder of %s", cv_text_str(&shown));
	if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
		return cv_fail(err, CV_EUSAGE, "%s is no name for a new file", cv_text_str(&shown));
	cv_text_addf(&path, "%s/%s", strcmp(real, "/") ? real : "", base);
	c->path = strdup(cv_text_str(&path));
	c->repository = repository_around(s, cv_text_str(&path), real, repositories);
	if (!c->path || !c->repository)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	c->dest = c->path + strlen(c->repository) + strspn(c->path + strlen(c->repository), "/");
	return true;
}

void cv_convert_call_fini(struct cv_convert_call *c)
{
	free(c->repository);
	free(c->path);
	c->repository = c->path = NULL;
}

struct cv_write_call cv_convert_call_of(struct cv_convert_call *c)
{
	return (struct cv_write_call){ .plan = plan, .ctx = c, .scans = true, .nothing = "there is nothing to do", .tell = tell };
}

/* As qemu-img writes it, for whoever asks as qemu-img is asked. */
static bool write_options(const struct cv_sink *sink, void *ctx)
{
	const enum cv_format_id *to = ctx;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const struct cv_convert_option *option;

	for (size_t i = 0; (option = cv_convert_option(*to, i)); i++)
		cv_text_addf(&t, "  %s=<%s>\n", option->key, option->values);
	return !t.failed && sink->put(sink->ctx, cv_text_str(&t), t.len);
}

static bool asks_for_options(const struct cv_convert_settings *set)
{
	return set->options && (!strcmp(set->options, "help") || !strcmp(set->options, "?"));
}

/* Better said before hours of copying. */
static bool map_is_there(const char *map)
{
	struct stat st;

	return map && strcmp(map, "-") != 0 && lstat(map, &st) == 0;
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_convert_call c = { .settings = &s->settings.convert };
	struct cv_write_call call = cv_convert_call_of(&c);
	struct cv_err err = { .code = CV_OK };
	int status;

	if (s->settings.convert.to == CV_FORMAT_NONE)
		return cv_command_usage(s, "--to says which format: one of " FORMATS);
	if (asks_for_options(&s->settings.convert))
		return cv_output_report((struct cv_report_call){ write_options, &s->settings.convert.to }, 0);
	if (argc != 2)
		return cv_command_usage(s, s->settings.convert.tree ? "give a repository or an image of a tree, and a folder"
								    : "give an image and the name of the new one");
	if (s->settings.convert.tree && s->settings.convert.salvage)
		return cv_command_usage(s, "--salvage takes one image at a time, not --tree");
	if (map_is_there(s->settings.convert.map))
		return cv_command_usage(s, "the map of --salvage is a new file: one of that name is there already");
	/* the map goes where everything else would */
	s->settings.quiet |= s->settings.convert.map && !strcmp(s->settings.convert.map, "-");
	if (s->settings.convert.tree)
		return cv_convert_tree_run(s, argv[0], argv[1]);
	s->tables = s->settings.convert.salvage;
	if (cv_image_words_add(s, argv, 1, &c.source, &err) && cv_convert_call_place(&c, s, argv[1], NULL, &err) &&
	    (c.device || cv_session_add(s, c.repository, true, &err)))
		status = cv_write_run_then(s, &call, after);
	else
		status = cv_command_fail(s, &err);
	cv_convert_call_fini(&c);
	return status;
}

const struct cv_command cv_command_convert = {
	"convert", "IMAGE DEST | --tree REPO DEST", "a new image of any format with the same content", CV_COMMAND_WRITES, options, run,
};
