#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Turns recipes into a C array: sh samples/embed.sh samples/*.recipe > recipes.c
# Each line becomes one string; the order is that of the names in the C locale, whatever order they are given in.
set -eu
LC_ALL=C
export LC_ALL
tab=$(printf '\t')
printf '/* Made by samples/embed.sh from samples/; do not edit. */\n'
printf '#include "repair/sample/recipes.h"\n\nconst struct cv_recipe_text cv_recipe_texts[] = {\n'
sorted() {
	for recipe in "$@"; do
		printf '%s\n' "${recipe%.recipe}"
	done | sort
}
sorted "$@" | while IFS= read -r recipe; do
	printf '\t{ "%s",\n' "${recipe##*/}"
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e "s/$tab/\\\\t/g" -e "s/^/$tab  \"/" -e 's/$/\\n"/' "$recipe.recipe"
	printf '\n\t  "" },\n'
done
printf '\t{ 0, 0 },\n};\n\nconst char *const cv_recipe_names[] = {\n'
sorted "$@" | sed -e 's|.*/||' -e "s|.*|$tab\"&\",|"
printf '\t0,\n};\n'
