/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Text: the sanitiser and its way back, UTF-8 and UTF-16, sizes, times, base64. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <wchar.h>
#include <chainview/error.h>
#include <chainview/text.h>

struct pair { const char *in; size_t len; const char *out; };
#define PAIR(in, out) { in, sizeof(in) - 1, out }

static const struct pair escapes[] = {
	PAIR("web01.qcow2", "web01.qcow2"),
	PAIR("", ""),
	PAIR("a b", "a b"),
	PAIR("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
	PAIR("two\nlines\r\t", "two\\x0alines\\x0d\\x09"),
	PAIR("a\0b", "a\\x00b"),
	PAIR("\x7f", "\\x7f"),
	PAIR("caf\xc3\xa9", "caf\xc3\xa9"),
	PAIR("caf\xe9", "caf\\xe9"),
	PAIR("\xc0\xaf", "\\xc0\\xaf"),                       /* overlong slash */
	PAIR("\xed\xa0\x80", "\\xed\\xa0\\x80"),              /* surrogate */
	PAIR("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"),     /* behind U+10FFFF */
	PAIR("\xe2\x82", "\\xe2\\x82"),                       /* cut short */
	PAIR("\xc2\x9b" "31m", "\\xc2\\x9b" "31m"),           /* C1 control sequence introducer */
	PAIR("gpj.\xe2\x80\xaetxt", "gpj.\\u{202e}txt"),      /* right-to-left override */
	PAIR("zero\xe2\x80\x8bwidth", "zero\\u{200b}width"),
	PAIR("\xef\xbb\xbf", "\\u{feff}"),
	PAIR("\xe0\xa3\xa2" "5", "\\u{8e2}5"),              /* Arabic sign that is drawn around what follows */
	PAIR("a\xf0\x93\x90\xb0" "b", "a\\u{13430}b"),     /* joins Egyptian hieroglyphs */
	PAIR(".\\base.vhd", ".\\base.vhd"),
	PAIR("\\x41", "\\x5cx41"),
	PAIR("\\u{41}", "\\x5cu{41}"),
	PAIR("\\\\x1b", "\\\\x5cx1b"),
	PAIR("\xe7\xa3\x81\xe7\x9b\x98", "\xe7\xa3\x81\xe7\x9b\x98"),
};

static void every_row_is_escaped_as_said_and_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(escapes); i++) {
		struct cv_text out = { 0 }, back = { 0 };

		cv_text_escape(&out, (struct cv_bytes){ escapes[i].in, escapes[i].len });
		assert_string_equal(cv_text_str(&out), escapes[i].out);
		cv_text_unescape(&back, (struct cv_bytes){ cv_text_str(&out), out.len });
		assert_int_equal(back.len, escapes[i].len);
		assert_memory_equal(cv_text_str(&back), escapes[i].in, escapes[i].len);
		cv_text_fini(&out);
		cv_text_fini(&back);
	}
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void any_bytes_give_one_printable_line_and_come_back(void **state)
{
	static const char spice[][4] = { "\\", "x", "u{", "\x1b", "\xe2", "\x80", "\xae", "\xf0", "}", "41" };
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char in[64];
		size_t len = 0, limit = next_random(&seed) % 48;
		struct cv_text out = { 0 }, back = { 0 };

		while (len < limit) {
			const char *piece = spice[next_random(&seed) % CV_COUNT(spice)];

			if (next_random(&seed) % 2)
				in[len++] = (char)next_random(&seed);
			else
				for (; *piece; piece++)
					in[len++] = *piece;
		}
		cv_text_escape(&out, (struct cv_bytes){ in, len });
		assert_true(cv_utf8_valid((struct cv_bytes){ cv_text_str(&out), out.len }));
		for (size_t i = 0; i < out.len; i++)
			assert_true((unsigned char)out.at[i] >= 0x20 && (unsigned char)out.at[i] != 0x7f);
		cv_text_unescape(&back, (struct cv_bytes){ cv_text_str(&out), out.len });
		assert_int_equal(back.len, len);
		assert_memory_equal(cv_text_str(&back), in, len);
		cv_text_fini(&out);
		cv_text_fini(&back);
	}
}

static void half_an_escape_is_ordinary_text(void **state)
{
	static const char *const plain[] = { "\\", "\\x", "\\x4", "\\xg0", "\\u", "\\u{", "\\u{}", "\\u{41", "\\u{1234567}" };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(plain); i++) {
		struct cv_text back = { 0 };

		cv_text_unescape(&back, cv_bytes_of(plain[i]));
		assert_string_equal(cv_text_str(&back), plain[i]);
		cv_text_fini(&back);
	}
}

static void utf16_becomes_utf8_in_both_orders(void **state)
{
	static const uint8_t big[] = { 0, 'a', 0x00, 0xe9, 0xd8, 0x3d, 0xde, 0x00, 0, 0, 0, 'z' };
	static const uint8_t little[] = { 'a', 0, 0xe9, 0x00, 0x3d, 0xd8, 0x00, 0xde, 'b' };
	static const uint8_t unpaired[] = { 0xd8, 0x00, 0, 'x' };
	struct cv_text t = { 0 };

	(void)state;
	assert_int_equal(cv_text_add_utf16(&t, big, sizeof big, true), 8);
	assert_string_equal(cv_text_str(&t), "a\xc3\xa9\xf0\x9f\x98\x80");
	cv_text_clear(&t);
	assert_int_equal(cv_text_add_utf16(&t, little, sizeof little, false), 8);
	assert_string_equal(cv_text_str(&t), "a\xc3\xa9\xf0\x9f\x98\x80");
	cv_text_clear(&t);
	cv_text_add_utf16(&t, unpaired, sizeof unpaired, true);
	assert_false(cv_utf8_valid((struct cv_bytes){ t.at, t.len }));
	cv_text_fini(&t);
}

static void sizes_are_short_full_and_read_back(void **state)
{
	static const struct { uint64_t n; const char *brief, *full; } rows[] = {
		{ 0, "0", "0 B" }, { 512, "512", "512 B" }, { 1024, "1K", "1 KiB (1,024 B)" },
		{ 1536, "1.5K", "1.5 KiB (1,536 B)" }, { 102400, "100K", "100 KiB (102,400 B)" },
		{ 10310218240, "9.6G", "9.6 GiB (10,310,218,240 B)" }, { UINT64_MAX, "15.9E", "15.9 EiB (18,446,744,073,709,551,615 B)" },
	};
	static const struct { const char *text; uint64_t n; } good[] = {
		{ "0", 0 }, { "512", 512 }, { "10G", 10ull << 30 }, { "10GiB", 10ull << 30 }, { "10GB", 10000000000ull },
		{ "4k", 4096 }, { "1B", 1 }, { "15E", 15ull << 60 }, { "0x10078", 65656 }, { "0X1b", 27 }, { "0xffffffffffffffff", UINT64_MAX },
	};
	static const char *const bad[] = { "", "G", "-1", "1Q", "1GG", "1GiBx", "16E", "99999999999999999999", "1 G", "1BB",
					   "0x", "0x1G", "0x-1", "0x 1", "0x10000000000000000", "x10", "00x1" };
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		assert_string_equal(cv_size_short(rows[i].n).s, rows[i].brief);
		assert_string_equal(cv_size_full(rows[i].n).s, rows[i].full);
	}
	for (size_t i = 0; i < CV_COUNT(good); i++) {
		assert_true(cv_size_parse(good[i].text, &n));
		assert_true(n == good[i].n);
	}
	for (size_t i = 0; i < CV_COUNT(bad); i++)
		assert_false(cv_size_parse(bad[i], &n));
}

static void short_sizes_fit_five_columns(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++)
		for (uint64_t delta = 0; delta < 3; delta++)
			assert_true(strlen(cv_size_short((1ull << bit) + delta - 1).s) <= 5);
}

static void times_are_utc_and_absurd_ones_stay_numbers(void **state)
{
	(void)state;
	assert_string_equal(cv_time_utc(946684800).s, "2000-01-01T00:00:00Z");
	assert_string_equal(cv_time_utc(-1).s, "1969-12-31T23:59:59Z");
	assert_string_equal(cv_time_utc(INT64_MAX).s, "@9223372036854775807");
	assert_string_equal(cv_time_utc(INT64_MIN).s, "@-9223372036854775808");
}

static void base64_pads_as_the_standard_says(void **state)
{
	static const struct pair rows[] = { PAIR("", ""), PAIR("f", "Zg=="), PAIR("fo", "Zm8="), PAIR("foo", "Zm9v"),
					    PAIR("foob", "Zm9vYg=="), PAIR("\xff\xfe\x00", "//4A") };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_text t = { 0 };

		cv_text_base64(&t, (struct cv_bytes){ rows[i].in, rows[i].len });
		assert_string_equal(cv_text_str(&t), rows[i].out);
		cv_text_fini(&t);
	}
}

static void the_first_error_wins_and_layers_go_in_front(void **state)
{
	struct cv_err err = { 0 };
	char lots[1000];

	(void)state;
	assert_false(cv_fail(&err, CV_EFORMAT, "cookie is %s", "wrong"));
	cv_fail(&err, CV_EIO, "later");
	cv_wrap(&err, "while reading %s", "a.vhd");
	assert_int_equal(err.code, CV_EFORMAT);
	assert_string_equal(err.text, "while reading a.vhd: cookie is wrong");
	cv_err_clear(&err);
	errno = EACCES;
	cv_fail_errno(&err, "cannot open %s", "x");
	assert_int_equal(err.os_errno, EACCES);
	assert_string_equal(err.text, "cannot open x: Permission denied");
	cv_err_clear(&err);
	memset(lots, 'a', sizeof lots);
	for (size_t i = 0; i + 1 < sizeof lots; i += 2)
		memcpy(lots + i, "\xc3\xa9", 2);
	lots[sizeof lots - 1] = '\0';
	cv_fail(&err, CV_EFORMAT, "%s", lots);
	assert_true(cv_utf8_valid(cv_bytes_of(err.text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_escaped_as_said_and_comes_back),
		cmocka_unit_test(any_bytes_give_one_printable_line_and_come_back),
		cmocka_unit_test(half_an_escape_is_ordinary_text),
		cmocka_unit_test(utf16_becomes_utf8_in_both_orders),
		cmocka_unit_test(sizes_are_short_full_and_read_back),
		cmocka_unit_test(short_sizes_fit_five_columns),
		cmocka_unit_test(times_are_utc_and_absurd_ones_stay_numbers),
		cmocka_unit_test(base64_pads_as_the_standard_says),
		cmocka_unit_test(the_first_error_wins_and_layers_go_in_front),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL) ? 1 : 0;
}
