/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Checksums by libcrypto. Its configuration is not read: what is computed depends on the bytes alone. */
#include <chainview/digest.h>
#include <openssl/evp.h>
#include <stdio.h>

struct cv_digest {
	EVP_MD_CTX *of[CV_DIGEST_COUNT]; /* NULL: not asked for */
};

static const struct row {
	const char *name;
	size_t size;
	const EVP_MD *(*method)(void);
} rows[CV_DIGEST_COUNT] = {
	[CV_DIGEST_SHA256] = { "sha256", 32, EVP_sha256 },
	[CV_DIGEST_SHA1] = { "sha1", 20, EVP_sha1 },
	[CV_DIGEST_MD5] = { "md5", 16, EVP_md5 },
};

const char *cv_digest_name(enum cv_digest_kind kind)
{
	return rows[kind].name;
}

size_t cv_digest_size(enum cv_digest_kind kind)
{
	return rows[kind].size;
}

static bool fail(struct cv_err *err)
{
	return cv_fail(err, CV_EIO, "libcrypto failed");
}

bool cv_digest_prepare(struct cv_err *err)
{
	CV_AUTO(cv_auto_digest) struct cv_digest *d = NULL;

	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
		return cv_fail(err, CV_EIO, "libcrypto cannot be used");
	d = cv_digest_new((1u << CV_DIGEST_COUNT) - 1, err);
	return d != NULL;
}

struct cv_digest *cv_digest_new(unsigned kinds, struct cv_err *err)
{
	struct cv_digest *d = calloc(1, sizeof *d);
	bool good = d != NULL;

	for (size_t i = 0; good && i < CV_DIGEST_COUNT; i++)
		if (kinds & 1u << i)
			good = (d->of[i] = EVP_MD_CTX_new()) != NULL;
	if (!good)
		cv_fail(err, CV_ENOMEM, "out of memory");
	if (good && cv_digest_begin(d, err))
		return d;
	cv_digest_free(d);
	return NULL;
}

void cv_digest_free(struct cv_digest *d)
{
	for (size_t i = 0; d && i < CV_DIGEST_COUNT; i++)
		EVP_MD_CTX_free(d->of[i]);
	free(d);
}

bool cv_digest_begin(struct cv_digest *d, struct cv_err *err)
{
	for (size_t i = 0; i < CV_DIGEST_COUNT; i++)
		if (d->of[i] && EVP_DigestInit_ex(d->of[i], rows[i].method(), NULL) != 1)
			return fail(err);
	return true;
}

bool cv_digest_add(struct cv_digest *d, const void *bytes, size_t len, struct cv_err *err)
{
	for (size_t i = 0; i < CV_DIGEST_COUNT; i++)
		if (d->of[i] && EVP_DigestUpdate(d->of[i], bytes, len) != 1)
			return fail(err);
	return true;
}

bool cv_digest_end(struct cv_digest *d, enum cv_digest_kind kind, uint8_t out[CV_DIGEST_LARGEST], struct cv_err *err)
{
	return EVP_DigestFinal_ex(d->of[kind], out, NULL) == 1 || fail(err);
}

struct cv_digest_text cv_digest_hex(enum cv_digest_kind kind, const uint8_t bytes[CV_DIGEST_LARGEST])
{
	struct cv_digest_text text = { "" };

	for (size_t i = 0; i < rows[kind].size; i++)
		snprintf(text.s + 2 * i, 3, "%02x", bytes[i]);
	return text;
}
