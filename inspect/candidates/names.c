/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Words for documents. By themselves, so that who only reports needs nothing that reads images. */
#include <chainview/candidates.h>

const char *cv_evidence_name(enum cv_evidence_kind kind)
{
	static const char *const names[CV_EVIDENCE_COUNT] = {
		[CV_EVIDENCE_IDENTITY] = "identity", [CV_EVIDENCE_FINGERPRINT] = "fingerprint",
		[CV_EVIDENCE_CHAIN] = "chain",       [CV_EVIDENCE_NAME] = "name",
		[CV_EVIDENCE_NAMING] = "naming",     [CV_EVIDENCE_FORMAT] = "format",
		[CV_EVIDENCE_SIZE] = "size",         [CV_EVIDENCE_BLOCKS] = "blocks",
		[CV_EVIDENCE_TIME] = "time",         [CV_EVIDENCE_MARK] = "mark",
		[CV_EVIDENCE_CREATOR] = "creator",   [CV_EVIDENCE_STATE] = "state",
		[CV_EVIDENCE_PLACE] = "place",
	};

	return (unsigned)kind < CV_EVIDENCE_COUNT ? names[kind] : "unknown";
}

const char *cv_candidate_place_name(enum cv_candidate_place place)
{
	static const char *const names[] = { "repository", "other", "searched", "trash" };

	return (unsigned)place < CV_COUNT(names) ? names[place] : "unknown";
}

const char *cv_lost_verdict_name(enum cv_lost_verdict verdict)
{
	static const char *const names[] = { "none", "safe", "asks", "tie" };

	return (unsigned)verdict < CV_COUNT(names) ? names[verdict] : "unknown";
}
