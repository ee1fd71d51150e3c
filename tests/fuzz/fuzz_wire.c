/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The answers of a reading process that was taken over. An input is the number of changes, the changes (two bytes
 * of place, one of what to do, one of value), and the facts that are encoded and then changed; or, with a
 * first byte of 255, the record itself.
 */
#include "inspect/sandbox/wire.h"
#include "tests/fuzz/facts.h"

#define RECORD_BYTES 8192
#define RAW 255

static void change(uint8_t *record, size_t len, struct fuzz_bytes *changes)
{
	while (changes->at < changes->end) {
		uint8_t *at = record + fuzz_take(changes, 2) % len;
		uint8_t what = (uint8_t)fuzz_take(changes, 1), value = (uint8_t)fuzz_take(changes, 1);

		*at = what % 4 == 0 ? value : what % 4 == 1 ? *at + value : what % 4 == 2 ? *at ^ value : 0xff;
	}
}

/* Facts that were taken say the same when they are encoded again; errors may have been escaped on the way, once. One
 * that was cut may end in half an escape, which is then no longer one. */
static void require_stable(const struct cv_answer *answer, bool as_written, const uint8_t *record, size_t len)
{
	static uint8_t once[4 * RECORD_BYTES], twice[4 * RECORD_BYTES];
	const struct cv_err *why = answer->why.code ? &answer->why : NULL;
	bool cut = strlen(answer->why.text) + 8 > sizeof answer->why.text;
	size_t n = cv_wire_encode(once, sizeof once, answer->index, answer->facts, why), m;
	struct cv_answer again;
	struct cv_err err = { 0 };

	fuzz_require(n, "what was decoded cannot be encoded");
	fuzz_require(!as_written || (n == len && !memcmp(once, record, n)), "%zu bytes became %zu others", len, n);
	fuzz_require(cv_wire_decode(once, n, &again, &err) == n, "it cannot be decoded twice: %s", err.text);
	m = cv_wire_encode(twice, sizeof twice, again.index, again.facts, again.why.code ? &again.why : NULL);
	fuzz_require(cut || (n == m && !memcmp(once, twice, n)), "it changes every time");
	fuzz_require_shown(cv_bytes_of(answer->why.text), false);
	cv_facts_free(again.facts);
}

static void decode(const uint8_t *record, size_t len, bool as_written)
{
	struct cv_answer answer;
	struct cv_err err = { 0 };
	size_t used = cv_wire_decode(record, len, &answer, &err);

	fuzz_require(used <= len && (used != 0) == (err.code == CV_OK), "%zu of %zu bytes used", used, len);
	fuzz_require(used || !as_written, "an honest record is refused: %s", err.text);
	if (used)
		require_stable(&answer, as_written, record, used);
	else
		fuzz_require(!answer.facts, "facts of a damaged record");
	cv_facts_free(answer.facts);
}

static void run_wire(const uint8_t *at, size_t len)
{
	static uint8_t record[RECORD_BYTES];
	struct fuzz_bytes b = { at, at + len }, changes;
	size_t count = (size_t)fuzz_take(&b, 1), n;
	struct cv_err why = { 0 };
	struct cv_facts *facts;

	if (count == RAW) {
		decode(b.at, (size_t)(b.end - b.at), false);
		return;
	}
	count = count % 8 * 4;
	changes = (struct fuzz_bytes){ b.at, (size_t)(b.end - b.at) < count ? b.end : b.at + count };
	b.at = changes.end;
	if (fuzz_take(&b, 1) & 1)
		cv_fail(&why, CV_EFORMAT, "the header is not one");
	facts = fuzz_facts(&b);
	n = cv_wire_encode(record, sizeof record, 7, facts, why.code ? &why : NULL);
	cv_facts_free(facts);
	fuzz_require(n, "facts cannot be encoded");
	count = (size_t)(changes.end - changes.at);
	change(record, n, &changes);
	decode(record, n, count == 0);
}

static void wire_seeds(struct fuzz_seeds *s)
{
	uint8_t bytes[512], record[4096];
	struct fuzz_dice d = { 1 };

	for (unsigned i = 0; i < 32; i++) {
		struct fuzz_bytes b = { bytes, bytes + sizeof bytes };
		struct cv_facts *facts;

		for (size_t k = 0; k < sizeof bytes; k++)
			bytes[k] = (uint8_t)(fuzz_below(&d, 3) ? fuzz_below(&d, 8) : fuzz_below(&d, 256));
		bytes[0] = (uint8_t)(i % 4);
		s->keep(s, bytes, sizeof bytes);
		facts = fuzz_facts(&b);
		record[0] = RAW;
		s->keep(s, record, 1 + cv_wire_encode(record + 1, sizeof record - 1, i, facts, NULL));
		cv_facts_free(facts);
	}
}

/* A record says how long it is: anything else is seen at once, so that is made right mostly. */
static size_t wire_mutate(uint8_t *at, size_t len, size_t max, struct fuzz_dice *d)
{
	uint32_t record;

	len = fuzz_mutate_bytes(at, len, max);
	if (len < 5 || at[0] != RAW || !fuzz_below(d, 8))
		return len;
	record = (uint32_t)(len - 1);
	memcpy(at + 1, &record, sizeof record);
	return len;
}

const struct fuzz_target fuzz_target_wire = {
	.name = "wire", .max = 4096, .run = run_wire, .mutate = wire_mutate, .seeds = wire_seeds,
};
