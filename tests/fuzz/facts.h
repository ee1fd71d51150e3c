/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Facts made of the bytes of an input: whatever a reading process could say about an image. */
#ifndef CV_TESTS_FUZZ_FACTS_H
#define CV_TESTS_FUZZ_FACTS_H

#include <chainview/facts.h>
#include "tests/fuzz/target.h"

/* Legal values only, but any texts and numbers. The caller frees it. */
struct cv_facts *fuzz_facts(struct fuzz_bytes *b);

#endif
