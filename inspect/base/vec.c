/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Growth of the typed vectors of vec.h. */
#include <chainview/vec.h>

void *cv_vec_grow(void *at, size_t *cap, size_t want, size_t elem)
{
	size_t next = *cap ? *cap : 4, bytes;
	void *grown;

	while (next < want)
		if (__builtin_mul_overflow(next, (size_t)2, &next))
			return NULL;
	if (next <= *cap)
		return at;
	if (__builtin_mul_overflow(next, elem, &bytes))
		return NULL;
	grown = realloc(at, bytes);
	if (grown)
		*cap = next;
	return grown;
}
