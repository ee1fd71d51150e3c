/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Checksums catch what breaks, seals catch what somebody else wrote. Both are over bytes as they lie on disk. */
#include "repair/journal/seal.h"
#include "inspect/base/crc32c.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

uint32_t cv_super_crc(const uint8_t slot[CV_JOURNAL_SLOT])
{
	static const uint8_t none[4];
	size_t at = offsetof(struct cv_journal_super_disk, crc);
	uint32_t crc = cv_crc32c(1, slot, at);

	crc = cv_crc32c(crc, none, sizeof none);
	return cv_crc32c(crc, slot + at + 4, CV_JOURNAL_SLOT - at - 4);
}

uint32_t cv_record_crc(const uint8_t *slots, size_t len)
{
	static const uint8_t none[4];
	const struct cv_journal_record_disk *head = (const void *)slots;
	size_t at = offsetof(struct cv_journal_record_disk, crc);
	uint32_t crc = cv_crc32c(cv_crc32c(0, head->op, sizeof head->op) | 1, slots, at);

	crc = cv_crc32c(crc, none, sizeof none);
	return cv_crc32c(crc, slots + at + 4, len - at - 4);
}

static bool hmac(const struct cv_host *host, const uint8_t *bytes, size_t len, uint8_t seal[32])
{
	unsigned n = 32;

	memset(seal, 0, 32);
	return host->has_key && HMAC(EVP_sha256(), host->key, sizeof host->key, bytes, len, seal, &n) && n == 32;
}

/* What a take-over changes (owner and epoch) is sealed with the rest: it is written anew by the one who takes over. */
bool cv_super_seal(const struct cv_host *host, const struct cv_journal_super_disk *super, uint8_t seal[32])
{
	struct cv_journal_super_disk copy = *super;

	memset(copy.seal, 0, sizeof copy.seal);
	copy.crc = cv_le32_of(0);
	return hmac(host, (const uint8_t *)&copy, sizeof copy, seal);
}

bool cv_record_seal(const struct cv_host *host, const uint8_t *record, size_t len, const uint8_t before[32],
		    uint8_t seal[32])
{
	CV_AUTO(cv_auto_free) uint8_t *copy = malloc(len + 32);
	struct cv_journal_record_disk *head = (void *)copy;

	if (!copy)
		return false;
	memcpy(copy, record, len);
	head->crc = cv_le32_of(0);
	memset(head->seal, 0, sizeof head->seal);
	memcpy(copy + len, before, 32);
	return hmac(host, copy, len + 32, seal);
}

const uint8_t cv_first_seal[32];
