/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The small text files that chainview reads: configuration, lists of references, recipes. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "inspect/base/arena.h"
#include "inspect/reference/gather.h"
#include "repair/sample/expect.h"
#include "repair/sample/maker.h"
#include "tests/fuzz/target.h"
#include "tests/support/fake_scan.h"
#include "tui/command/config.h"

/* The input as a file that has a name, in memory; the same file every time. */
static const char *as_file(const uint8_t *at, size_t len)
{
	static char path[32];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	fuzz_require(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, at, len, 0) == (ssize_t)len, "no file in memory");
	return path;
}

static void run_config(const uint8_t *at, size_t len)
{
	struct cv_config config = { .refs = NULL };
	struct cv_err err = { 0 };

	if (!cv_config_read_file(&config, as_file(at, len), &err)) {
		fuzz_require(err.code != CV_OK, "no reason");
		fuzz_require_shown(cv_bytes_of(err.text), false);
	}
	for (size_t i = 0; i < config.repositories.len; i++) {
		const struct cv_config_repository *r = &config.repositories.at[i];

		fuzz_require(r->name && r->path && r->path[0] == '/', "a repository without a place");
		fuzz_require(cv_config_named(&config, r->name), "a repository that is not found");
		fuzz_require(cv_config_enclosing(&config, r->path), "a place that nobody holds");
	}
	cv_config_fini(&config);
}

static const char *const config_words[] = {
	"[defaults]\ndepth_warn = 20\ndepth_limit=30\nrefs = list:/x\n", "[repository \"one\"]\npath = /sr/one//\n",
	"# a comment\n; another\n[defaults]\n  depth_warn = 5 ; behind\n", "[repository \"a\"]\npath=/a\n[repository \"a\"]\npath=/b\n",
	NULL,
};

const struct fuzz_target fuzz_target_config = {
	.name = "config", .max = 1024, .run = run_config, .words = config_words,
};

static struct cv_scan *some_scan(void)
{
	static struct cv_scan *scan;

	if (!scan) {
		scan = fake_scan_new();
		fake_repository(scan, "/sr")->kind = CV_REPOSITORY_DIRECTORY;
		fake_repository(scan, "/one.vhd")->kind = CV_REPOSITORY_IMAGE;
		fake_file(scan, "/sr/base.vhd");
		fake_file(scan, "/one.vhd");
	}
	return scan;
}

static void run_list(const uint8_t *at, size_t len)
{
	struct cv_gather g = { .scan = some_scan(), .arena = cv_arena_new(SIZE_MAX) };
	struct cv_err err = { 0 };
	const char *file = as_file(at, len);

	fuzz_require(g.arena && cv_claim_source_vec_push(&g.sources, (struct cv_claim_source){ .name = "list" }), "no memory");
	if (!cv_list_read(&g, file, g.sources.at, &err))
		fuzz_require_shown(cv_bytes_of(err.text), false);
	for (size_t i = 0; i < g.claims.len; i++)
		fuzz_require(g.claims.at[i].who.len && g.claims.at[i].text.len, "a claim of nobody");
	free(g.claims.at);
	free(g.sources.at);
	cv_arena_free(g.arena);
}

static const char *const list_words[] = {
	"/sr/base.vhd\n# comment\n\nbase.vhd\n", "\xef\xbb\xbf" "aa000000-0000-0000-0000-000000000001\r\n",
	"file:///sr/base.vhd\n  one.vhd  \n", "../../etc/passwd\n/\n.\n", NULL,
};

const struct fuzz_target fuzz_target_list = {
	.name = "list", .max = 512, .run = run_list, .words = list_words,
};

static bool count_one(void *ctx, uint64_t n, struct cv_err *err)
{
	(void)n, (void)err;
	return ++*(unsigned *)ctx < 1000;
}

/* The words of a recipe as the maker reads them. */
static void read_word(const char *word)
{
	struct cv_err err = { 0 };
	unsigned count = 0;
	int64_t when = 0;
	uint64_t n = 0;
	uint8_t uuid[16];

	if (cv_word_time(word, &when))
		fuzz_require_shown(cv_bytes_of(cv_time_utc(when).s), false);
	if (cv_word_uuid(word, uuid) && strcmp(word, "null"))
		fuzz_require(strlen(cv_uuid_str(uuid).s) == 36, "an identity of another length");
	cv_recipe_number(word, &n);
	cv_list_each(word, count_one, &count, &err);
	cv_made_inside(word, &err);
}

static void run_recipe(const uint8_t *at, size_t len)
{
	CV_AUTO(cv_auto_free) char *text = strndup((const char *)at, len);
	CV_AUTO(cv_auto_arena) struct cv_arena *arena = cv_arena_new(SIZE_MAX);
	struct cv_recipe recipe = cv_recipe_open("fuzz", text, arena);
	struct cv_recipe_line line;
	struct cv_expectations x;
	struct cv_err err = { 0 };

	fuzz_require(text && arena, "no memory");
	for (unsigned i = 0; i < 200 && cv_recipe_next(&recipe, &line, &err) && line.count; i++)
		for (size_t k = 0; k < line.count; k++)
			read_word(line.words[k]);
	cv_err_clear(&err);
	if (cv_expect_read("fuzz", text, &x, &err))
		fuzz_require(x.refs && x.place_count, "nothing to look at");
	cv_expectations_fini(&x);
}

static const char *const recipe_words[] = {
	"about x\nrepeat 2..3\nvhd a{n}.vhd size=1M parent=\"b{p}.vhd\" blocks=0-3,7\nend\nexpect none\n",
	"expect parent-missing error a.vhd # why\nrefs list:x\nrepository a b\nwith c\n",
	"qcow2 \\x1b\\\\\\\"\\{.qcow2 time=2026-03-02T08:00:00Z uuid=null\n", "poke a.vhd end-512 00 ff\nset a.vhd footer.hidden=1\n",
	"repeat 1000\nfile a{nn} x\nend\n", NULL,
};

const struct fuzz_target fuzz_target_recipe = {
	.name = "recipe", .max = 512, .run = run_recipe, .words = recipe_words,
};
