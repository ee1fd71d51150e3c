/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The state of an interrupted merge of Xen Orchestra backups: a JSON object with the step it had come to and the
 * names of the images that it was merging.
 */
#include "inspect/beside/beside.h"
#include <json-c/json.h>

#define DEEPEST 8
#define MOST_IMAGES 256u

/* A string, or an array of strings: names of images, relative to the folder of the state. */
static void take_names(struct json_object *names, uint32_t *count, struct cv_facts *facts)
{
	bool is_list = json_object_is_type(names, json_type_array);
	size_t len = is_list ? json_object_array_length(names) : 1;

	for (size_t i = 0; i < len && *count < MOST_IMAGES; i++) {
		struct json_object *name = is_list ? json_object_array_get_idx(names, i) : names;
		struct cv_bytes text;

		if (!json_object_is_type(name, json_type_string))
			continue;
		text = (struct cv_bytes){ json_object_get_string(name), (size_t)json_object_get_string_len(name) };
		if (text.len && cv_facts_text(facts, CV_ATTR_MERGE_IMAGE, *count, text, (struct cv_range){ 0 }))
			++*count;
	}
}

static void take_state(struct json_object *state, struct cv_facts *facts)
{
	static const char *const lists[] = { "chain", "child", "parent" };
	struct json_object *value;
	uint32_t count = 0;

	if (json_object_object_get_ex(state, "step", &value) && json_object_is_type(value, json_type_string))
		cv_facts_text(facts, CV_ATTR_MERGE_STEP, 0, cv_bytes_of(json_object_get_string(value)),
			      (struct cv_range){ 0 });
	if (json_object_object_get_ex(state, "currentBlock", &value) && json_object_is_type(value, json_type_int))
		cv_facts_number(facts, CV_ATTR_MERGE_BLOCK, 0, json_object_get_uint64(value), (struct cv_range){ 0 });
	for (size_t i = 0; i < CV_COUNT(lists); i++)
		if (json_object_object_get_ex(state, lists[i], &value))
			take_names(value, &count, facts);
}

bool cv_beside_merge(struct cv_bytes text, bool whole, struct cv_facts *facts)
{
	struct json_tokener *reader;
	struct json_object *state;
	bool is_one;

	if (!whole || text.at[0] != '{')
		return false;
	reader = json_tokener_new_ex(DEEPEST);
	if (!reader)
		return false;
	state = json_tokener_parse_ex(reader, text.at, (int)text.len);
	json_tokener_free(reader);
	is_one = state && json_object_is_type(state, json_type_object) &&
		 json_object_object_get_ex(state, "child", NULL) &&
		 (json_object_object_get_ex(state, "parent", NULL) || json_object_object_get_ex(state, "currentBlock", NULL));
	if (is_one)
		take_state(state, facts);
	json_object_put(state);
	return is_one;
}
