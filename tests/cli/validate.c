// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * validate SCHEMA VERB <JSON: each value on standard input is as the definition of the
 * verb says.
 *
 * It knows the words of JSON Schema that cli/xpmem.schema.json uses, and refuses a
 * schema with another, so that none is believed to be checked that is not.
 */
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static bool wrong(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s\n", *path ? path : "/", what);
	return false;
}

static bool has_type(const json_t *value, const char *type)
{
	return (!strcmp(type, "object") && json_is_object(value)) ||
	       (!strcmp(type, "array") && json_is_array(value)) ||
	       (!strcmp(type, "string") && json_is_string(value)) ||
	       (!strcmp(type, "integer") && json_is_integer(value)) ||
	       (!strcmp(type, "number") && json_is_number(value)) ||
	       (!strcmp(type, "boolean") && json_is_boolean(value)) ||
	       (!strcmp(type, "null") && json_is_null(value));
}

static bool type_fits(const json_t *value, const json_t *type)
{
	json_t *entry;
	size_t i;

	if (json_is_string(type))
		return has_type(value, json_string_value(type));
	json_array_foreach(type, i, entry)
		if (has_type(value, json_string_value(entry)))
			return true;
	return false;
}

static bool known_words(const json_t *schema, const char *path)
{
	static const char *const known[] = {
		"type", "properties", "required", "additionalProperties", "items", "const", "enum",
		"pattern",
	};
	const char *word;
	json_t *unused;

	json_object_foreach((json_t *)schema, word, unused) {
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found |= !strcmp(word, known[i]);
		if (!found)
			return wrong(path, word);
	}
	return true;
}

static bool matches(const json_t *value, const json_t *pattern)
{
	regex_t regex;
	bool found;

	if (!pattern || !json_is_string(value))
		return true;
	if (regcomp(&regex, json_string_value(pattern), REG_EXTENDED | REG_NOSUB))
		return false;
	found = !regexec(&regex, json_string_value(value), 0, NULL, 0);
	regfree(&regex);
	return found;
}

static bool validate(const json_t *schema, const json_t *value, const char *path);

static bool validate_object(const json_t *schema, const json_t *value, const char *path)
{
	const json_t *properties = json_object_get(schema, "properties");
	const json_t *more = json_object_get(schema, "additionalProperties");
	json_t *entry;
	const char *key;
	char below[256];
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, entry) {
		snprintf(below, sizeof(below), "%s/%s", path, json_string_value(entry));
		if (!json_object_get(value, json_string_value(entry)))
			return wrong(below, "is missing");
	}
	json_object_foreach((json_t *)value, key, entry) {
		const json_t *property = json_object_get(properties, key);

		snprintf(below, sizeof(below), "%s/%s", path, key);
		if (!property && json_is_false(more))
			return wrong(below, "is not in the schema");
		if (!property)
			property = more;
		if (json_is_object(property) && !validate(property, entry, below))
			return false;
	}
	return true;
}

static bool validate(const json_t *schema, const json_t *value, const char *path)
{
	const json_t *type = json_object_get(schema, "type");
	const json_t *same = json_object_get(schema, "const");
	const json_t *items = json_object_get(schema, "items");
	json_t *choices = json_object_get(schema, "enum"), *entry;
	char below[256];
	bool found = false;
	size_t i;

	if (!known_words(schema, path))
		return false;
	if (type && !type_fits(value, type))
		return wrong(path, "has another type");
	if (same && !json_equal(same, value))
		return wrong(path, "has another value");
	json_array_foreach(choices, i, entry)
		found |= json_equal(entry, value);
	if (choices && !found)
		return wrong(path, "is none of the values");
	if (!matches(value, json_object_get(schema, "pattern")))
		return wrong(path, "does not look as it should");
	if (items)
		json_array_foreach((json_t *)value, i, entry) {
			snprintf(below, sizeof(below), "%s/%zu", path, i);
			if (!validate(items, entry, below))
				return false;
		}
	return !json_is_object(value) || validate_object(schema, value, path);
}

static char *read_input(void)
{
	size_t used = 0, size = 65536, length;
	char *text = malloc(size);

	while (text && (length = fread(text + used, 1, size - 1 - used, stdin))) {
		used += length;
		if (used == size - 1)
			text = realloc(text, size *= 2);
	}
	if (!text)
		abort();
	text[used] = 0;
	return text;
}

int main(int argc, char **argv)
{
	json_t *file = argc == 3 ? json_load_file(argv[1], 0, NULL) : NULL, *schema, *value;
	char *text, *at;
	json_error_t error;
	bool good = true;

	schema = json_object_get(json_object_get(file, "definitions"), argc == 3 ? argv[2] : "");
	if (!schema) {
		fputs("usage: validate SCHEMA VERB\n", stderr);
		return 2;
	}
	text = at = read_input();
	if (!*text)
		good = wrong("", "there is no JSON");
	for (; good && at[strspn(at, " \n")]; at += error.position) {
		value = json_loads(at, JSON_DISABLE_EOF_CHECK, &error);
		good = value ? validate(schema, value, "") : wrong("", error.text);
		json_decref(value);
	}
	free(text);
	json_decref(file);
	return good ? 0 : 1;
}
