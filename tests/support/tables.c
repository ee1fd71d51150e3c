/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Running a format's check of tables without the program around it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "inspect/sandbox/wire.h"
#include "tests/support/tables.h"

#define WIRE_CAP ((size_t)4 << 20)

static bool tick(struct cv_checking *c, uint64_t done, uint64_t total, struct cv_err *err)
{
	struct cv_tables *t = c->ctx;

	assert_true(done <= total);
	if (++t->ticks == t->stop_after)
		return cv_fail(err, CV_ECANCELLED, "cancelled");
	return true;
}

/* In the program a process of its own checks: what it found has to get out of there whatever it is. */
static void assert_can_be_told(const struct cv_facts *facts)
{
	struct cv_answer answer = { 0 };
	struct cv_err err = { .code = CV_OK };
	uint8_t *bytes = malloc(WIRE_CAP);
	size_t len;

	assert_non_null(bytes);
	len = cv_wire_encode(bytes, WIRE_CAP, 0, facts, NULL);
	assert_true(len > 0);
	if (cv_wire_decode(bytes, len, &answer, &err) != len)
		fail_msg("%s", err.text);
	assert_int_equal(answer.facts->finding_count, facts->finding_count);
	cv_facts_free(answer.facts);
	free(bytes);
}

void cv_tables_check(struct cv_tables *t, const struct cv_format *format, struct cv_source *source)
{
	struct cv_facts *read = cv_facts_new();
	struct cv_checking c = { .source = source, .tick = tick, .ctx = t };

	t->facts = c.facts = cv_facts_new();
	assert_non_null(read);
	assert_non_null(c.facts);
	if (!format->read(source, read, &t->err))
		fail_msg("read: %s", t->err.text);
	t->done = format->check(&c, &t->err);
	assert_true(t->done == (t->err.code == CV_OK));
	t->corruptions = c.corruptions;
	t->leaked_bytes = c.leaked_bytes;
	assert_can_be_told(read);
	assert_can_be_told(t->facts);
	cv_facts_free(read);
}

void cv_tables_fini(struct cv_tables *t)
{
	cv_facts_free(t->facts);
	t->facts = NULL;
}

void cv_tables_names(const struct cv_tables *t, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < t->facts->finding_count && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " " : "",
					 cv_problem_by_id(t->facts->findings[i].id)->name);
}

void cv_tables_title(const struct cv_tables *t, uint32_t index, char *out, size_t size)
{
	struct cv_text title = { 0 };

	assert_true(index < t->facts->finding_count);
	cv_finding_title(&title, &t->facts->findings[index]);
	snprintf(out, size, "%s", cv_text_str(&title));
	cv_text_fini(&title);
}
