/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview sample: builds the demonstration repository, or another sample, from the recipes in the program.
 */
#include "repair/sample/sample.h"
#include "tui/command/command.h"

static bool set_recipe(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	(void)err;
	settings->recipe = value;
	return true;
}

static const struct cv_option_row options[] = {
	{ "list", 0, NULL, NULL, "list the recipes", CV_ON(list) },
	{ "recipe", 0, "NAME", NULL, "build this one instead of the demonstration", set_recipe, 0 },
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

static int print_list(void)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	for (const char *const *name = cv_sample_names(); *name; name++) {
		size_t len = 0, start = t.len;
		const char *about = cv_sample_about(*name, &len);

		cv_text_add(&t, *name);
		if (about) {
			cv_text_fill(&t, ' ', t.len - start < 36 ? 36 - (t.len - start) : 1);
			cv_text_escape(&t, (struct cv_bytes){ about, len });
		}
		cv_text_add(&t, "\n");
	}
	return cv_command_print(&t, CV_EXIT_OK);
}

static const char *recipe_name(size_t i)
{
	return cv_sample_names()[i];
}

static bool is_recipe(const char *name)
{
	for (size_t i = 0; recipe_name(i); i++)
		if (!strcmp(recipe_name(i), name))
			return true;
	return false;
}

static int unknown(const struct cv_session *s, const char *name)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const char *nearest = cv_nearest_word(name, recipe_name);

	cv_text_add(&t, "no recipe is called ");
	cv_text_escape(&t, cv_bytes_of(name));
	if (nearest)
		cv_text_addf(&t, "; did you mean %s?", nearest);
	return cv_command_usage(s, cv_text_str(&t));
}

static int run(struct cv_session *s, int argc, char **argv)
{
	const char *recipe = s->settings.recipe ? s->settings.recipe : "demo";
	struct cv_err err = { .code = CV_OK };
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (s->settings.list)
		return argc ? cv_command_usage(s, "--list takes no directory") : print_list();
	if (argc != 1)
		return cv_command_usage(s, "give one directory to build the sample in");
	if (!is_recipe(recipe))
		return unknown(s, recipe);
	if (s->settings.dry_run) {
		cv_text_addf(&t, "would build the sample %s in ", recipe);
	} else if (cv_sample_build(recipe, argv[0], &err)) {
		cv_text_addf(&t, "built the sample %s in ", recipe);
	} else {
		return cv_command_fail(s, &err);
	}
	cv_text_escape(&t, cv_bytes_of(argv[0]));
	cv_text_add(&t, "\n");
	return s->settings.quiet ? CV_EXIT_OK : cv_command_print(&t, CV_EXIT_OK);
}

const struct cv_command cv_command_sample = {
	"sample", "DIR", "build a sample repository in a new directory",
	CV_COMMAND_NO_CONFIG | CV_COMMAND_WRITES | CV_COMMAND_NO_JSON, options, run,
};
