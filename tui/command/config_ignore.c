/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Ignore rules. Each must say until when and why: a rule without an end is how damage gets forgotten.
 */
#include "tui/command/clock.h"
#include "tui/command/config.h"

static struct cv_ignore *last(const struct cv_config *c)
{
	return c->ignores.len ? &c->ignores.at[c->ignores.len - 1] : NULL;
}

bool cv_config_ignore_begin(struct cv_config *c, const char *section, const char *origin, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) char *rule = cv_config_section_name(section, "ignore");
	CV_AUTO(cv_auto_free) char *name = rule ? strndup(rule, strcspn(rule, ":")) : NULL;
	CV_AUTO(cv_text_fini) struct cv_text shown = { 0 };
	const struct cv_problem *p;
	struct cv_ignore new;

	if (!name)
		return cv_fail(err, CV_EUSAGE, "a rule is written [ignore \"NAME\"] or [ignore \"NAME:IMAGE\"]");
	p = cv_problem_find(name);
	if (!p) {
		cv_text_escape(&shown, cv_bytes_of(name));
		return cv_fail(err, CV_EUSAGE, "no finding is called %s", cv_text_str(&shown));
	}
	new = (struct cv_ignore){ .problem = p->id, .rule = rule };
	if (rule[strlen(name)] == ':')
		new.image = rule + strlen(name) + 1;
	if (new.image && !*new.image)
		return cv_fail(err, CV_EUSAGE, "a rule for one image needs its name behind the colon");
	new.origin = strdup(origin);
	if (!new.origin || !cv_config_ignores_push(&c->ignores, new)) {
		free((char *)(uintptr_t)new.origin);
		return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	rule = NULL;
	return true;
}

bool cv_config_ignore_until(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	(void)section;
	return cv_day_parse(value, &last(c)->until) ||
	       cv_fail(err, CV_EUSAGE, "until takes a day, such as 2027-01-31; the rule holds to its end in UTC");
}

bool cv_config_ignore_reason(struct cv_config *c, const char *section, const char *value, struct cv_err *err)
{
	struct cv_ignore *rule = last(c);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	(void)section;
	cv_text_escape(&t, cv_bytes_of(value));
	if (!*value)
		return cv_fail(err, CV_EUSAGE, "reason is empty");
	free((char *)(uintptr_t)rule->reason);
	rule->reason = t.failed ? NULL : cv_take(t.at);
	return rule->reason || cv_fail(err, CV_ENOMEM, "out of memory");
}

bool cv_config_ignore_end(const struct cv_config *c, struct cv_err *err)
{
	const struct cv_ignore *rule = last(c);

	return !rule || (rule->until && rule->reason) ||
	       cv_fail(err, CV_EUSAGE, "an ignore rule needs until = YYYY-MM-DD and reason = TEXT");
}

void cv_config_ignores_fini(struct cv_config *c)
{
	for (size_t i = 0; i < c->ignores.len; i++) {
		free((char *)(uintptr_t)c->ignores.at[i].rule);
		free((char *)(uintptr_t)c->ignores.at[i].reason);
		free((char *)(uintptr_t)c->ignores.at[i].origin);
	}
	free(c->ignores.at);
}
