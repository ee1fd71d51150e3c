/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Typed growing arrays with open fields. CV_VEC(name, T) defines struct name { T *at; size_t len, cap; }
 * and name_push(), which returns false when memory is short and then leaves the array as it was.
 * An all-zero struct is an empty array; free(v.at) ends it.
 */
#ifndef CHAINVIEW_VEC_H
#define CHAINVIEW_VEC_H

#include <chainview/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes room for want elements of elem bytes; returns the (moved) array, or NULL and nothing changed. */
CV_API void *cv_vec_grow(void *at, size_t *cap, size_t want, size_t elem) CV_MUST_CHECK;

#define CV_VEC(name, T) \
	struct name { T *at; size_t len, cap; }; \
	static inline bool name##_push(struct name *v, T x) \
	{ \
		T *p = v->len < v->cap ? v->at : (T *)cv_vec_grow(v->at, &v->cap, v->len + 1, sizeof(T)); \
		if (p) { \
			v->at = p; \
			p[v->len++] = x; \
		} \
		return p != NULL; \
	} \
	struct name

#ifdef __cplusplus
}
#endif
#endif
