/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview dump: the forensic document about images and their chains. Which images are meant, progress, and where
 * the document goes; what is in it belongs to the library.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tui/command/command.h"
#include "tui/command/dump_files.h"
#include "tui/command/progress.h"
#include "tui/command/signals.h"
#include "tui/command/target.h"

#define STEP_MS 100
#define LOG_MS  2000

static bool set_form(struct cv_settings *s, const char *value, struct cv_err *err)
{
	static const char *const names[CV_DUMP_FORMS] = {
		[CV_DUMP_JSON] = "json",   [CV_DUMP_NDJSON] = "ndjson",     [CV_DUMP_TEXT] = "text",
		[CV_DUMP_DFXML] = "dfxml", [CV_DUMP_BODYFILE] = "bodyfile",
	};

	for (size_t i = 0; i < CV_DUMP_FORMS; i++)
		if (!strcmp(value, names[i])) {
			s->dump.form = (enum cv_dump_form)i;
			s->dump.has_form = true;
			return true;
		}
	return cv_fail(err, CV_EUSAGE, "--output takes json, ndjson, text, dfxml or bodyfile");
}

/* A list of names; SHA-256 is always among them. */
static bool set_hash(struct cv_settings *s, const char *value, struct cv_err *err)
{
	while (*value) {
		size_t len = strcspn(value, ",");
		unsigned kind = 0;

		while (kind < CV_DIGEST_COUNT && (strlen(cv_digest_name((enum cv_digest_kind)kind)) != len ||
						  memcmp(cv_digest_name((enum cv_digest_kind)kind), value, len) != 0))
			kind++;
		if (kind == CV_DIGEST_COUNT)
			return cv_fail(err, CV_EUSAGE, "--hash takes sha256, sha1 and md5, separated by commas");
		s->dump.digests |= 1u << kind;
		value += len + (value[len] == ',');
	}
	s->dump.digests |= 1u << CV_DIGEST_SHA256;
	return true;
}

static bool set_max(struct cv_settings *s, const char *value, struct cv_err *err)
{
	return (cv_size_parse(value, &s->dump.max_bytes) && s->dump.max_bytes) ||
	       cv_fail(err, CV_EUSAGE, "--max-bytes takes a size, such as 1M");
}

static bool set_word(const char **slot, const char *option, const char *value, struct cv_err *err)
{
	*slot = value;
	return *value || cv_fail(err, CV_EUSAGE, "%s needs a value", option);
}

#define WORD(name, member)                                                                                             \
	static bool set_##member(struct cv_settings *s, const char *value, struct cv_err *err)                         \
	{                                                                                                              \
		return set_word(&s->dump.member, name, value, err);                                                    \
	}
WORD("--file", file)
WORD("--maps", maps)
WORD("--case", case_number)
WORD("--evidence", evidence)
WORD("--examiner", examiner)
WORD("--note", note)

static const struct cv_option_row options[] = {
	{ "output", 0, "FORM", NULL, "json, ndjson, text, dfxml or bodyfile", set_form, 0 },
	{ "file", 0, "FILE", NULL, "write a new file, and its SHA-256 into FILE.sha256", set_file, 0 },
	{ "maps", 0, "DIR", NULL, "also a layout of each file and a map of each disk", set_maps, 0 },
	{ "hash", 0, "KIND,...", "sha256 sha1 md5", "sums of the whole files, in one pass", set_hash, 0 },
	{ "max-bytes", 0, "SIZE", NULL, "of structures and gaps of an image (default 1M)", set_max, 0 },
	{ "only", 0, NULL, NULL, "not the images that an IMAGE stands on", CV_ON(dump.only) },
	{ "reproducible", 0, NULL, NULL, "nothing about when and where it was made", CV_ON(dump.reproducible) },
	{ "case", 0, "TEXT", NULL, "copied into the document", set_case_number, 0 },
	{ "evidence", 0, "TEXT", NULL, "copied into the document", set_evidence, 0 },
	{ "examiner", 0, "TEXT", NULL, "copied into the document", set_examiner, 0 },
	{ "note", 0, "TEXT", NULL, "copied into the document", set_note, 0 },
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

CV_VEC(image_vec, uint32_t);

struct job {
	struct cv_session *s;
	struct cv_image_word *targets; /* of the words that are images */
	size_t target_count;
	struct stat *folders; /* of those that are repositories */
	size_t folder_count;
	struct image_vec images;
	struct cv_dump *dump;
	enum cv_dump_form form;
	int status;
};

/* A folder or a configured name is a repository; everything else is an image. */
static const char *repository_of(const struct cv_session *s, const char *word, struct stat *st)
{
	const struct cv_config_repository *named = cv_config_named(&s->config, word);
	CV_AUTO(cv_text_fini) struct cv_text unescaped = { 0 };
	const char *path = named ? named->path : word;

	return cv_session_stat(path, &unescaped, st) && S_ISDIR(st->st_mode) ? path : NULL;
}

static bool sort_words(struct job *j, int argc, char **argv, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) char **images = calloc((size_t)argc + 1, sizeof *images);

	j->targets = calloc((size_t)argc + 1, sizeof *j->targets);
	j->folders = calloc((size_t)argc + 1, sizeof *j->folders);
	if (!images || !j->targets || !j->folders)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (int i = 0; i < argc; i++) {
		if (repository_of(j->s, argv[i], &j->folders[j->folder_count])) {
			if (!cv_session_add(j->s, argv[i], false, err))
				return false;
			j->folder_count++;
		} else {
			images[j->target_count++] = argv[i];
		}
	}
	return cv_image_words_add(j->s, images, j->target_count, j->targets, err);
}

static bool is_asked_for(const struct job *j, uint32_t repository)
{
	struct stat st;

	if (stat(cv_scan_repository(j->s->scan, repository)->path, &st) < 0)
		return false;
	for (size_t i = 0; i < j->folder_count; i++)
		if (st.st_dev == j->folders[i].st_dev && st.st_ino == j->folders[i].st_ino)
			return true;
	return false;
}

static bool add_repositories(struct job *j, struct cv_err *err)
{
	const struct cv_graph *g = j->s->graph;

	for (uint32_t r = 0; r < cv_scan_repository_count(j->s->scan); r++) {
		if (!is_asked_for(j, r))
			continue;
		for (uint32_t i = 0; i < g->image_count; i++)
			if (g->images[i].repository == r && !image_vec_push(&j->images, i))
				return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	return true;
}

/* An image, and what it stands on. */
static bool add_image(struct job *j, uint32_t image, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint32_t *chain = NULL;
	size_t count;

	if (!cv_graph_chain(j->s->graph, image, &chain, &count))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (j->s->settings.dump.only)
		count = 1;
	for (size_t i = 0; i < count; i++)
		if (!image_vec_push(&j->images, chain[i]))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	return true;
}

static bool choose_images(struct job *j, struct cv_err *err)
{
	if (!add_repositories(j, err))
		return false;
	for (size_t i = 0; i < j->target_count; i++) {
		uint32_t image;

		if (!cv_image_word_find(&j->targets[i], j->s, &image, err) || !add_image(j, image, err))
			return false;
	}
	return true;
}

/* Anomalies are all that is found, also in tables: of these images, not of whatever lies beside them. The images are
 * chosen from the new graph again. */
static bool check_images(struct job *j, struct cv_err *err)
{
	struct cv_session *s = j->s;
	size_t files = cv_scan_file_count(s->scan);
	CV_AUTO(cv_auto_free) bool *wanted = calloc(files + 1, sizeof *wanted);
	CV_AUTO(cv_auto_free) bool *chosen = calloc(s->graph->image_count + (size_t)1, sizeof *chosen);

	if (!wanted || !chosen)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < j->images.len; i++)
		chosen[j->images.at[i]] = true;
	for (size_t i = 0; i < files; i++) {
		uint32_t image = cv_graph_by_file(s->graph, cv_scan_file(s->scan, i));

		wanted[i] = image != CV_NO_IMAGE && chosen[image];
	}
	j->images.len = 0;
	if (!cv_session_check(s, wanted, err))
		return false;
	if (s->cancelled)
		return cv_fail(err, CV_ECANCELLED, "cancelled");
	return choose_images(j, err);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* "dumping: 3 of 12 images, 310M read" */
static void show(struct cv_progress_line *line, const struct cv_dump_progress_of *p)
{
	uint64_t now = now_ms();

	if (!line->on || now < line->next_ms)
		return;
	line->next_ms = now + (line->terminal ? STEP_MS : LOG_MS);
	fprintf(stderr, "%sdumping: image %zu of %zu, %s read%s", line->terminal ? "\r" : "",
		p->images_done + (p->images_done < p->images), p->images, cv_size_short(p->bytes).s,
		line->terminal ? "\033[K" : "\n");
	line->drawn = true;
}

static bool wait_for(struct job *j, struct cv_err *err)
{
	struct cv_progress_line line = cv_progress_begin(&j->s->settings);

	while (!j->s->cancelled && cv_dump_step(j->dump, STEP_MS, err)) {
		struct cv_dump_progress_of p = cv_dump_progress(j->dump);

		show(&line, &p);
		j->s->cancelled = cv_signals_stop();
	}
	cv_progress_end(&line);
	if (j->s->cancelled && !err->code)
		cv_fail(err, CV_ECANCELLED, "cancelled");
	return !err->code;
}

static bool write_document(const struct cv_sink *sink, void *ctx)
{
	const struct job *j = ctx;
	struct cv_report_head head = { "dump", j->s->argc, j->s->argv, j->status };

	return cv_report_dump(j->dump, j->form, &head, sink);
}

/* The time of making, for builds that are to be the same whenever they are made. */
static bool take_epoch(struct cv_dump_options *o, struct cv_err *err)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	char *end = NULL;
	long long n;

	if (!text || !*text)
		return true;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || *end || n < 0 || n > INT64_C(253402300799))
		return cv_fail(err, CV_EUSAGE, "SOURCE_DATE_EPOCH is not a time in seconds since 1970");
	o->epoch = n;
	o->has_epoch = true;
	return true;
}

static bool dump(struct job *j, const struct cv_dump_files *files, struct cv_err *err)
{
	const struct cv_dump_settings *d = &j->s->settings.dump;
	struct cv_dump_options o = {
		.max_bytes = d->max_bytes,
		.digests = d->digests,
		.reproducible = d->reproducible,
		.case_number = d->case_number,
		.evidence = d->evidence,
		.examiner = d->examiner,
		.note = d->note,
		.files = files,
	};

	if (!take_epoch(&o, err))
		return false;
	j->dump = cv_dump_new(j->s->graph, j->images.at, j->images.len, &o, err);
	return j->dump && wait_for(j, err);
}

static int report(struct job *j)
{
	const struct cv_dump_settings *d = &j->s->settings.dump;
	struct cv_report_call call = { write_document, j };

	j->form = d->has_form ? d->form : j->s->settings.json ? CV_DUMP_JSON : CV_DUMP_TEXT;
	j->status = cv_session_status(j->s) | (cv_dump_incomplete(j->dump) ? CV_EXIT_FAILED : 0);
	return d->file ? cv_dump_file(d->file, call, j->status) : cv_output_report(call, j->status);
}

static int run_job(struct job *j, int argc, char **argv)
{
	const struct cv_dump_settings *d = &j->s->settings.dump;
	struct cv_maps_folder folder = { .dirfd = -1, .fd = -1 };
	struct cv_dump_files files = cv_maps_folder_files(&folder);
	struct cv_err err = { .code = CV_OK };
	int status;

	if ((d->file && !cv_dump_file_is_free(d->file, &err)) || !sort_words(j, argc, argv, &err) ||
	    !cv_session_run(j->s, &err))
		return cv_command_fail(j->s, &err);
	if (j->s->cancelled)
		cv_fail(&err, CV_ECANCELLED, "cancelled");
	if (err.code || !choose_images(j, &err) || !check_images(j, &err) || (d->maps && !cv_maps_folder_open(&folder, d->maps, &err)) ||
	    !dump(j, d->maps ? &files : NULL, &err))
		status = cv_command_fail(j->s, &err);
	else
		status = report(j);
	cv_dump_free(j->dump);
	cv_maps_folder_close(&folder);
	return status;
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct job j = { .s = s };
	int status;

	if (!argc)
		return cv_command_usage(s, "give repositories or images");
	status = run_job(&j, argc, argv);
	free(j.targets);
	free(j.folders);
	free(j.images.at);
	return status;
}

const struct cv_command cv_command_dump = {
	"dump", "REPO|IMAGE...", "every structure with its bytes and digests, for forensics", 0, options, run,
};
