/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From the stored bytes of a parent's name to its text and to the path that would be looked up. Text only:
 * nothing here knows a file system.
 */
#include "inspect/vhd/vhd_name.h"
#include <strings.h>

static const struct vhd_platform platforms[] = {
	{ "MacX", CV_NAME_MACX, VHD_ENCODING_BYTES, false },  { "W2ku", CV_NAME_W2KU, VHD_ENCODING_UTF16LE, true },
	{ "W2ru", CV_NAME_W2RU, VHD_ENCODING_UTF16LE, true }, { "Mac ", CV_NAME_MAC, VHD_ENCODING_BLOB, false },
	{ "Wi2r", CV_NAME_WI2R, VHD_ENCODING_BYTES, true },   { "Wi2k", CV_NAME_WI2K, VHD_ENCODING_BYTES, true },
};

const struct vhd_platform cv_vhd_header_name = { "", CV_NAME_VHD_HEADER, VHD_ENCODING_UTF16BE, true };

const struct vhd_platform *cv_vhd_platform(const uint8_t code[4])
{
	for (size_t i = 0; i < CV_COUNT(platforms); i++)
		if (!memcmp(platforms[i].code, code, 4))
			return &platforms[i];
	return NULL;
}

/* A byte order mark, which early tap tools and some converters write, overrules the order that is usual. */
static void add_utf16(struct cv_text *t, const uint8_t *bytes, size_t len, bool big_endian)
{
	if (len >= 2 && ((bytes[0] == 0xfe && bytes[1] == 0xff) || (bytes[0] == 0xff && bytes[1] == 0xfe))) {
		big_endian = bytes[0] == 0xfe;
		bytes += 2;
		len -= 2;
	}
	cv_text_add_utf16(t, bytes, len, big_endian);
}

static void add_stored(struct cv_text *t, enum vhd_encoding encoding, const uint8_t *bytes, size_t len)
{
	if (encoding == VHD_ENCODING_BLOB)
		cv_text_add_bytes(t, bytes, len);
	else if (encoding == VHD_ENCODING_BYTES)
		cv_text_add_bytes(t, bytes, strnlen((const char *)bytes, len));
	else
		add_utf16(t, bytes, len, encoding == VHD_ENCODING_UTF16BE);
}

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* A drive ("C:"), a share or a volume ("\\server\x", "\\?\Volume{..}"). */
static bool is_windows_place(struct cv_bytes text)
{
	return text.len >= 2 && ((is_letter(text.at[0]) && text.at[1] == ':') || !memcmp(text.at, "\\\\", 2));
}

/* "nbd:...", "http://...": what RFC 3986, section 3.1, calls a scheme. One letter is a drive. */
static bool has_scheme(struct cv_bytes text)
{
	size_t i = 0;

	while (i < text.len && (is_letter(text.at[i]) || (i && text.at[i] && strchr("0123456789+-.", text.at[i]))))
		i++;
	return i > 1 && i < text.len && text.at[i] == ':';
}

/*
 * Takes "file:" off. vhd-util writes "file://" before any path, also a relative one, and does not
 * percent-encode it; so "%20" stays as it is here, and names are compared in both forms.
 */
static struct cv_bytes without_file_scheme(struct cv_bytes text)
{
	static const char *const prefixes[] = { "file://localhost/", "file://", "file:" };

	for (size_t i = 0; i < CV_COUNT(prefixes); i++) {
		size_t len = strlen(prefixes[i]), skip = len - (i == 0); /* "localhost/" keeps its slash */

		if (text.len >= len && !strncasecmp(text.at, prefixes[i], len))
			return (struct cv_bytes){ text.at + skip, text.len - skip };
	}
	return text;
}

static enum cv_name_kind kind_of(const struct vhd_platform *platform, struct cv_bytes text, struct cv_bytes path)
{
	if (!path.len || (platform->windows && !cv_utf8_valid(text)))
		return CV_NAME_OPAQUE;
	if (platform->source == CV_NAME_VHD_HEADER)
		return CV_NAME_BASENAME;
	if (platform->windows && is_windows_place(text))
		return CV_NAME_WINDOWS;
	if (!platform->windows && has_scheme(path))
		return CV_NAME_EXTERNAL;
	return path.at[0] == '/' ? CV_NAME_ABSOLUTE : CV_NAME_RELATIVE;
}

/* Appends the path that is looked up. A header's name is a hint of one component, whatever it was written with. */
static void add_path(struct cv_text *t, const struct vhd_platform *platform, struct cv_bytes text)
{
	struct cv_bytes rest = platform->windows ? text : without_file_scheme(text);

	cv_text_add_bytes(t, rest.at, rest.len);
	for (size_t i = 0; platform->windows && i < t->len; i++)
		if (t->at[i] == '\\')
			t->at[i] = '/';
	if (platform->source == CV_NAME_VHD_HEADER && t->len) {
		const char *slash = memrchr(t->at, '/', t->len);
		size_t skip = slash ? (size_t)(slash - t->at) + 1 : 0;

		memmove(t->at, t->at + skip, t->len - skip + 1);
		t->len -= skip;
	}
}

void cv_vhd_name_add(struct cv_facts *facts, const struct vhd_platform *platform, const uint8_t *bytes,
		     struct cv_range where)
{
	static const struct vhd_platform unknown = { "", CV_NAME_UNKNOWN_LOCATOR, VHD_ENCODING_BLOB, false };
	const struct vhd_platform *p = platform ? platform : &unknown;
	struct cv_text text = { 0 }, path = { 0 };
	struct cv_name name = { .source = p->source, .kind = CV_NAME_OPAQUE, .where = where };

	add_stored(&text, p->encoding, bytes, where.len);
	name.text = (struct cv_bytes){ text.at, text.len };
	if (p->encoding != VHD_ENCODING_BLOB) {
		add_path(&path, p, name.text);
		name.kind = kind_of(p, name.text, (struct cv_bytes){ path.at, path.len });
	}
	if (name.kind != CV_NAME_OPAQUE && name.kind != CV_NAME_EXTERNAL)
		name.path = (struct cv_bytes){ path.at, path.len };
	if (text.len && !text.failed && !path.failed)
		cv_facts_name(facts, name);
	cv_text_fini(&text);
	cv_text_fini(&path);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void cv_vhd_percent_decode(struct cv_text *t, struct cv_bytes text, bool is_url)
{
	for (size_t i = 0; i < text.len; i++) {
		bool escape = is_url && text.at[i] == '%' && text.len - i > 2 && hex_digit(text.at[i + 1]) >= 0 &&
			      hex_digit(text.at[i + 2]) >= 0;
		char c = escape ? (char)(hex_digit(text.at[i + 1]) << 4 | hex_digit(text.at[i + 2])) : text.at[i];

		cv_text_add_bytes(t, &c, 1);
		i += escape ? 2 : 0;
	}
}
