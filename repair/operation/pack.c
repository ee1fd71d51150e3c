/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See pack.h. */
#include "repair/operation/pack.h"
#include <chainview/bytes.h>
#include <chainview/vec.h>

static void put(struct cv_pack *p, const void *bytes, size_t len)
{
	uint8_t *at = p->failed ? NULL : p->cap - p->len >= len && p->at ? p->at :
		      cv_vec_grow(p->at, &p->cap, p->len + len + 1, 1);

	if (!at) {
		p->failed = true;
		return;
	}
	p->at = at;
	if (len)
		memcpy(at + p->len, bytes, len);
	p->len += len;
}

void cv_pack_number(struct cv_pack *p, uint64_t n)
{
	cv_le64 disk = cv_le64_of(n);

	put(p, &disk, sizeof disk);
}

void cv_pack_bytes(struct cv_pack *p, const void *bytes, size_t len)
{
	cv_pack_number(p, len);
	put(p, bytes, len);
}

void cv_pack_fini(struct cv_pack *p)
{
	free(p->at);
	*p = (struct cv_pack){ 0 };
}

static const uint8_t *take(struct cv_unpack *u, size_t len)
{
	const uint8_t *at = u->at;

	if (u->failed || len > u->left) {
		u->failed = true;
		return NULL;
	}
	u->at += len;
	u->left -= len;
	return at;
}

uint64_t cv_unpack_number(struct cv_unpack *u)
{
	const uint8_t *at = take(u, sizeof(cv_le64));
	cv_le64 disk = { { 0 } };

	if (at)
		memcpy(&disk, at, sizeof disk);
	return cv_le64_get(disk);
}

struct cv_bytes cv_unpack_bytes(struct cv_unpack *u)
{
	uint64_t len = cv_unpack_number(u);
	const uint8_t *at = len <= u->left ? take(u, (size_t)len) : NULL;

	u->failed |= !at;
	return at ? (struct cv_bytes){ (const char *)at, (size_t)len } : (struct cv_bytes){ "", 0 };
}

void cv_unpack_into(struct cv_unpack *u, void *to, size_t len)
{
	struct cv_bytes bytes = cv_unpack_bytes(u);

	u->failed |= bytes.len != len;
	memset(to, 0, len);
	if (!u->failed)
		memcpy(to, bytes.at, len);
}
