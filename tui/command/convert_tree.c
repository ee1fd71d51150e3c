/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See convert_tree.h. */
#include <chainview/convert.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tui/command/convert_tree.h"
#include "tui/command/target.h"
#include "tui/command/write.h"
#include "tui/write/planning.h"

static struct cv_convert_options options_of(const struct cv_session *s, const struct cv_convert_settings *set,
					    struct cv_planning *planning)
{
	return (struct cv_convert_options){ .to = set->to, .options = set->options, .compress = set->compress,
					    .keep_zeros = set->keep_zeros, .no_sharing = set->no_sharing,
					    .full_verify = set->full_verify, .reserve = cv_session_reserve(s),
					    .tick = cv_planning_tick, .ctx = planning };
}

static bool find_source(const struct cv_session *s, const struct cv_convert_tree_call *c, struct cv_convert_tree_place *place,
			struct cv_err *err)
{
	place->image = CV_NO_IMAGE;
	if (c->source) {
		place->source = cv_flow_repository(s, c->source);
		return place->source != UINT32_MAX || cv_fail(err, CV_EUSAGE, "there is no such repository");
	}
	if (!cv_image_word_find(&c->image, s, &place->image, err))
		return false;
	place->source = s->graph->images[place->image].repository;
	return true;
}

static struct cv_plan *plan(struct cv_session *s, void *ctx, struct cv_err *err)
{
	const struct cv_convert_tree_call *c = ctx;
	struct cv_convert_tree_place place = { .repository = c->repository, .folder = c->folder };
	struct cv_planning planning = cv_planning_begin(s, "map");
	struct cv_convert_options o = options_of(s, c->settings, &planning);
	struct cv_plan *made = find_source(s, c, &place, err) ? cv_plan_convert_tree(s->graph, &place, &o, err) : NULL;

	cv_planning_end(&planning);
	return made;
}

static void tell(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	cv_text_addf(out, "made %zu image%s in ", done->item_count, done->item_count == 1 ? "" : "s");
	cv_text_escape(out, cv_bytes_of(done->repository));
	cv_text_addf(out, ": %s written", cv_size_short(result->written).s);
	if (result->shared)
		cv_text_addf(out, " and %s shared", cv_size_short(result->shared).s);
	cv_text_add(out, " in ");
	cv_write_add_seconds(out, result->copy_ms);
	cv_text_add(out, ", read back in ");
	cv_write_add_seconds(out, result->verify_ms);
	cv_text_addf(out, ", each equal to its source: operation %s\n", cv_uuid_str(result->id).s);
}

/* Of a folder that is not there the one above it must be. */
static char *real_folder(const char *word, bool *made)
{
	CV_AUTO(cv_auto_free) char *copy = strdup(word), *above = NULL;
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	char *real = realpath(word, NULL), *slash;
	size_t len = copy ? strlen(copy) : 0;

	*made = real != NULL;
	if (real || errno != ENOENT || !copy)
		return real;
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	above = realpath(slash ? (*copy ? copy : "/") : ".", NULL);
	if (!above)
		return NULL;
	cv_text_addf(&path, "%s/%s", strcmp(above, "/") ? above : "", slash ? slash + 1 : copy);
	return path.failed ? NULL : strdup(cv_text_str(&path));
}

bool cv_convert_tree_place(struct cv_convert_tree_call *c, const struct cv_session *s, const char *word, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };
	const struct cv_config_repository *configured;
	struct stat st;

	cv_session_show_word(&shown, word);
	c->dest = real_folder(word, &c->made);
	if (!c->dest)
		return cv_fail_errno(err, "cannot open the folder of %s", cv_text_str(&shown));
	if (c->made && (stat(c->dest, &st) != 0 || !S_ISDIR(st.st_mode)))
		return cv_fail(err, CV_EUSAGE, "%s is no folder: with --tree all new images go into one", cv_text_str(&shown));
	configured = cv_config_enclosing(&s->config, c->dest);
	c->repository = configured ? realpath(configured->path, NULL) : strdup(c->dest);
	if (!c->repository)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	c->folder = c->dest + strlen(c->repository);
	c->folder += strspn(c->folder, "/");
	return true;
}

void cv_convert_tree_fini(struct cv_convert_tree_call *c)
{
	free(c->source);
	free(c->dest);
	free(c->repository);
	c->source = c->dest = c->repository = NULL;
}

struct cv_write_call cv_convert_tree_call_of(struct cv_convert_tree_call *c)
{
	return (struct cv_write_call){ plan, c, true, "there is no image to convert", tell };
}

static bool is_repository(const struct cv_session *s, const char *word)
{
	struct stat st;

	return cv_config_named(&s->config, word) || (stat(word, &st) == 0 && S_ISDIR(st.st_mode));
}

static bool add_source(struct cv_convert_tree_call *c, struct cv_session *s, char *word, struct cv_err *err)
{
	if (is_repository(s, word))
		return cv_write_repository(s, word, &c->source, err);
	return cv_image_words_add(s, &word, 1, &c->image, err);
}

int cv_convert_tree_run(struct cv_session *s, char *source, const char *dest)
{
	struct cv_convert_tree_call c = { .settings = &s->settings.convert };
	struct cv_write_call call = cv_convert_tree_call_of(&c);
	struct cv_err err = { .code = CV_OK };
	int status;

	if (add_source(&c, s, source, &err) && cv_convert_tree_place(&c, s, dest, &err) &&
	    (!cv_convert_tree_looks(&c) || cv_session_add(s, c.repository, true, &err)))
		status = cv_write_run(s, &call);
	else
		status = cv_command_fail(s, &err);
	cv_convert_tree_fini(&c);
	return status;
}
