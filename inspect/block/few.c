/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Keeping a few findings of a kind and counting the others. What they are about is not known here. */
#include "inspect/block/few.h"
#include <stdio.h>

void cv_few_add(struct cv_few *few, struct cv_finding finding)
{
	uint64_t n;

	if (cv_few_counts(few, finding.bytes))
		return;
	n = few->count++;
	for (size_t i = 0; i + 1 < CV_FINDING_ARGS; i++) {
		struct cv_bytes t = finding.arg[i].text;

		if (finding.arg[i].kind != CV_ARG_TEXT)
			continue;
		t.len = t.len < CV_FEW_TEXT ? t.len : CV_FEW_TEXT - 1;
		memcpy(few->text[n][i], t.at, t.len);
		finding.arg[i].text = (struct cv_bytes){ few->text[n][i], t.len };
	}
	few->kept[n] = finding;
}

void cv_few_tell(struct cv_few *few, struct cv_facts *facts)
{
	uint64_t kept = few->count < CV_FEW ? few->count : CV_FEW, more = few->count - kept;
	char text[48] = "";

	if (more)
		snprintf(text, sizeof text, "; %" PRIu64 " more like it", more);
	for (uint64_t i = 0; i < kept; i++) {
		bool last = i + 1 == kept;
		size_t unused = 0;

		while (unused + 1 < CV_FINDING_ARGS && few->kept[i].arg[unused].kind != CV_ARG_NONE)
			unused++;
		if (last && more)
			few->kept[i].arg[unused] = cv_arg_text(text);
		few->kept[i].bytes += last ? few->more_bytes : 0;
		cv_facts_find(facts, few->kept[i]);
	}
	few->count = few->more_bytes = 0;
}
