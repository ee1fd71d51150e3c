/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The lines of a recipe that say what to expect of it, for the maker (which skips them) and for tests. */
#ifndef CV_REPAIR_SAMPLE_EXPECT_H
#define CV_REPAIR_SAMPLE_EXPECT_H

#include "repair/sample/recipe.h"
#include "repair/sample/sample.h"

/* True for a verb that states something and makes nothing. */
bool cv_expect_verb(const char *verb);

/* cv_recipe_expectations() of a text that is not built in. */
bool cv_expect_read(const char *name, const char *text, struct cv_expectations *out, struct cv_err *err);

#endif
