// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of the reader of plate files: what a good file means, and for each
 * kind of bad one the line that is blamed and the words it is blamed with.
 */
#include "plate.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define GOOD_HEAD         \
	"format heat-1\n" \
	"title \"T\"\n"   \
	"plate 10 5 1\n"  \
	"cells 20 10\n"   \
	"ambient 20\n"
#define GOOD_MATERIALS       \
	"material a 1 2 3\n" \
	"material b 4 5 6\n" \
	"background a\n"
#define GOOD_TAIL   \
	"steps 7\n" \
	"timestep auto\n"
#define GOOD GOOD_HEAD GOOD_MATERIALS GOOD_TAIL /* lines 1 to 10 */

static int read_bytes(const char *text, size_t size, struct plate *plate,
		      char *error, size_t error_size)
{
	char *copy = malloc(size);
	FILE *file;
	int result;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, size);
	file = fmemopen(copy, size, "r");
	ck_assert_ptr_nonnull(file);
	result = plate_read(file, "f", plate, error, error_size);
	fclose(file);
	free(copy);
	return result;
}

static void read_good(const char *text, struct plate *plate)
{
	char error[256] = "";
	int result =
		read_bytes(text, strlen(text), plate, error, sizeof(error));

	ck_assert_msg(result == 0, "refused: %s", error);
}

static void expect_error(const char *text, size_t size, const char *expected)
{
	static struct plate plate;
	char error[256] = "";

	ck_assert_msg(read_bytes(text, size, &plate, error, sizeof(error)) ==
			      -1,
		      "not refused: %s", expected);
	ck_assert_msg(strncmp(error, expected, strlen(expected)) == 0,
		      "said \"%s\" instead of \"%s\"", error, expected);
}

START_TEST(a_good_file_is_understood)
{
	static struct plate plate;

	read_good("# a comment\n\n \t format  heat-1# behind a word\n"
		  "title \"# no comment, 2 words\" # but this is\n"
		  "plate 10 5 1.5\ncells 20 10\nambient -3.5e1\ncooling 9\n"
		  "edge south fixed 35\nedge west insulated\n"
		  "material a 1 2 3\nmaterial b 4 5 6\nbackground b\n"
		  "patch a 0 0 10 5\npatch b 1 2 3 0.5\n"
		  "source -2 9.5 4.5 0.5 0.5\nsteps 7\ntimestep 0.25",
		  &plate);
	ck_assert_str_eq(plate.title, "# no comment, 2 words");
	ck_assert_double_eq(plate.width, 10);
	ck_assert_double_eq(plate.height, 5);
	ck_assert_double_eq(plate.thickness, 1.5);
	ck_assert_int_eq(plate.cells_x, 20);
	ck_assert_int_eq(plate.cells_y, 10);
	ck_assert_double_eq(plate.ambient, -35);
	ck_assert_double_eq(plate.cooling, 9);
	ck_assert(plate.edges[SOUTH].fixed && !plate.edges[WEST].fixed);
	ck_assert(!plate.edges[NORTH].fixed && !plate.edges[EAST].fixed);
	ck_assert_double_eq(plate.edges[SOUTH].celsius, 35);
	ck_assert_int_eq(plate.material_count, 2);
	ck_assert_double_eq(plate.materials[1].specific_heat, 6);
	ck_assert_int_eq(plate.background, 1);
	ck_assert_int_eq(plate.patch_count, 2);
	ck_assert_int_eq(plate.patches[0].area.x_end, 20);
	ck_assert_int_eq(plate.patches[0].area.y_end, 10);
	ck_assert_int_eq(plate.patches[1].area.x0, 2);
	ck_assert_int_eq(plate.patches[1].area.x_end, 8);
	ck_assert_int_eq(plate.patches[1].area.y0, 4);
	ck_assert_int_eq(plate.patches[1].area.y_end, 5);
	ck_assert_int_eq(plate.source_count, 1);
	ck_assert_int_eq(plate.sources[0].area.x0, 19);
	ck_assert_int_eq(plate.sources[0].area.y0, 9);
	ck_assert_double_eq(plate.sources[0].watts, -2);
	ck_assert_int_eq(plate.steps, 7);
	ck_assert_double_eq(plate.timestep, 0.25);
}
END_TEST

START_TEST(the_shipped_example_is_good)
{
	static struct plate plate;
	char error[256] = "";
	FILE *file = fopen(HEAT_EXAMPLE, "re");

	ck_assert_ptr_nonnull(file);
	ck_assert_msg(plate_read(file, "f", &plate, error, sizeof(error)) == 0,
		      "%s", error);
	fclose(file);
}
END_TEST

/* Adjacent rectangles share no cell and leave none out, at any fraction. */
START_TEST(adjacent_rectangles_fit)
{
	static struct plate plate;
	char text[1024];

	for (int tenth = 1; tenth < 30; tenth++) {
		double x = tenth / 10.0;

		snprintf(text, sizeof(text),
			 "format heat-1\ntitle \"T\"\nplate 3 3 1\n"
			 "cells 30 1\nambient 20\nmaterial a 1 2 3\n"
			 "background a\npatch a 0 0 %.1f 3\n"
			 "patch a %.1f 0 %.1f 3\n" GOOD_TAIL,
			 x, x, 3 - x);
		read_good(text, &plate);
		ck_assert_int_eq(plate.patches[0].area.x_end,
				 plate.patches[1].area.x0);
		ck_assert_int_eq(plate.patches[1].area.x_end, 30);
	}
}
END_TEST

struct bad {
	const char *text;
	const char *error;
};

#define A10 "aaaaaaaaaa"
#define A40 A10 A10 A10 A10

static const struct bad bad[] = {
	/* nothing there */
	{ "\n", "f: \"format\" is missing" },
	{ "# only this", "f: \"format\" is missing" },
	{ "format heat-1\n", "f: \"title\" is missing" },
	{ GOOD_HEAD GOOD_MATERIALS "steps 7\n", "f: \"timestep\" is missing" },
	{ GOOD_HEAD GOOD_MATERIALS "timestep auto\n",
	  "f: \"steps\" is missing" },
	{ GOOD_HEAD "material a 1 2 3\n" GOOD_TAIL,
	  "f: \"background\" is missing" },
	/* statements */
	{ "title \"T\"\n", "f:1: the first statement must be" },
	{ "format heat-2\n", "f:1: format \"heat-2\" is unknown" },
	{ GOOD "colour red\n", "f:11: unknown keyword \"colour\"" },
	{ GOOD "Steps 7\n", "f:11: unknown keyword \"Steps\"" },
	{ GOOD "steps 7\n", "f:11: \"steps\" is given in line 9 already" },
	{ GOOD "format heat-1\n", "f:11: \"format\" is given in line 1" },
	{ GOOD "cooling\n", "f:11: 0 values for \"cooling\"; write: cooling" },
	{ GOOD "cooling 1 2\n", "f:11: 2 values for \"cooling\"" },
	{ GOOD "patch a 1 1 1\n", "f:11: 4 values for \"patch\"" },
	{ GOOD "patch a 1 1 1 1 1 1 1\n", "f:11: too many values" },
	/* text */
	{ "format heat-1\r\n", "f:1: carriage return" },
	{ "format heat-1\n\a", "f:2: control character 0x07" },
	{ "format heat-1\ntitle \"a\n", "f:2: a quote is not closed" },
	{ "format heat-1\ntitle \"a\"b\n",
	  "f:2: text right behind a closing quote" },
	{ "format heat-1\ntitle a\"b\"\n", "f:2: a quote inside a word" },
	{ "format heat-1\ntitle two words\n", "f:2: 2 values for \"title\"" },
	{ "format heat-1\ntitle \"\"\n", "f:2: the title is empty" },
	{ "format heat-1\ntitle \"" A40 A40 "\"\n",
	  "f:2: the title has more than 79" },
	{ "#" A40 A40 A40 A40 A40 A40 A10 "aaaaaa\n",
	  "f:1: the line has more than 255" },
	/* numbers */
	{ GOOD "cooling ten\n", "f:11: cooling: \"ten\" is not a number" },
	{ GOOD "cooling 1x\n", "f:11: cooling: \"1x\" is not a number" },
	{ GOOD "cooling 1e\n", "f:11: cooling: \"1e\" is not a number" },
	{ GOOD "cooling 0x10\n", "f:11: cooling: \"0x10\" is not a number" },
	{ GOOD "cooling nan\n", "f:11: cooling: \"nan\" is not a number" },
	{ GOOD "cooling inf\n", "f:11: cooling: \"inf\" is not a number" },
	{ GOOD "cooling 1,5\n", "f:11: cooling: \"1,5\" is not a number" },
	{ GOOD "cooling \"\"\n", "f:11: cooling: \"\" is not a number" },
	{ GOOD "cooling 1e999\n", "f:11: cooling: 1e999 is not within" },
	{ GOOD "cooling -1\n", "f:11: cooling: -1 is not within 0 to" },
	{ GOOD_HEAD GOOD_MATERIALS "timestep 0\n",
	  "f:9: timestep: 0 is not within" },
	{ GOOD_HEAD "steps 0\n", "f:6: steps: 0 is not within 1 to" },
	{ GOOD_HEAD "steps 1.5\n", "f:6: steps: \"1.5\" is not a whole" },
	{ GOOD_HEAD "steps -1\n", "f:6: steps: \"-1\" is not a whole" },
	{ GOOD_HEAD "steps 99999999999999999999\n",
	  "f:6: steps: 99999999999999999999 is not within" },
	{ "format heat-1\nplate 0 1 1\n", "f:2: width: 0 is not within" },
	{ "format heat-1\nplate 1 99999 1\n", "f:2: height: 99999 is not" },
	{ "format heat-1\nplate 1 1 0\n", "f:2: thickness: 0 is not within" },
	{ "format heat-1\ncells 16385 1\n", "f:2: cells across: 16385 is" },
	{ "format heat-1\ncells 1 0\n", "f:2: cells down: 0 is not" },
	{ "format heat-1\ncells 16384 16384\n",
	  "f:2: 16384 x 16384 cells are more than" },
	{ "format heat-1\nambient -274\n", "f:2: temperature: -274 is not" },
	/* edges */
	{ GOOD "edge up insulated\n", "f:11: edge \"up\": must be west" },
	{ GOOD "edge west warm\n", "f:11: edge west \"warm\": must be" },
	{ GOOD "edge west fixed\n", "f:11: a fixed edge needs its temp" },
	{ GOOD "edge west insulated 3\n", "f:11: an insulated edge has no" },
	{ GOOD "edge west fixed -300\n", "f:11: temperature: -300 is not" },
	{ GOOD "edge west fixed 1\nedge west insulated\n",
	  "f:12: edge west is given in line 11 already" },
	/* materials */
	{ GOOD "material a 1 2 3\n", "f:11: material \"a\" is given twice" },
	{ GOOD "material a/c 1 2 3\n", "f:11: name \"a/c\": only letters" },
	{ GOOD "material \"\" 1 2 3\n", "f:11: a name is empty" },
	{ GOOD "material " A40 " 1 2 3\n", "f:11: name \"" A40 "\" has more" },
	{ GOOD "material c 0 2 3\n", "f:11: conductivity: 0 is not within" },
	{ GOOD "material c 1 0 3\n", "f:11: density: 0 is not within" },
	{ GOOD "material c 1 2 0\n", "f:11: specific heat: 0 is not within" },
	{ GOOD_HEAD "background a\n", "f:6: no material \"a\" is given above" },
	{ GOOD "patch c 1 1 1 1\n", "f:11: no material \"c\" is given above" },
	/* rectangles */
	{ "format heat-1\nmaterial a 1 2 3\npatch a 1 1 1 1\n",
	  "f:3: a rectangle needs \"plate\" and \"cells\" above it" },
	{ GOOD "patch a 8 1 2.1 1\n",
	  "f:11: the rectangle ends at x = 10.1 mm, the plate at 10 mm" },
	{ GOOD "patch a 1 4.5 1 1\n",
	  "f:11: the rectangle ends at y = 5.5 mm, the plate at 5 mm" },
	{ GOOD "patch a -1 1 1 1\n", "f:11: x: -1 is not within 0 to 10" },
	{ GOOD "patch a 11 1 1 1\n", "f:11: x: 11 is not within 0 to 10" },
	{ GOOD "patch a 1 1 0 1\n", "f:11: the rectangle holds no cell" },
	{ GOOD "patch a 1.3 1 0.4 1\n", "f:11: the rectangle holds no cell" },
	{ GOOD "source hot 1 1 1 1\n", "f:11: power: \"hot\" is not a number" },
};

START_TEST(a_bad_file_is_refused)
{
	const struct bad *this = &bad[_i];

	expect_error(this->text, strlen(this->text), this->error);
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
	static const char text[] = "format heat-1\n\0";

	expect_error(text, sizeof(text) - 1, "f:2: control character 0x00");
}
END_TEST

/* One more than fits, of each thing there may be many of. */
START_TEST(limits_are_told)
{
	static const struct {
		const char *line;
		int max;
		const char *error;
	} many[] = {
		{ "patch a 1 1 1 1\n", PLATE_PATCHES_MAX, "f:267: more than" },
		{ "source 1 1 1 1 1\n", PLATE_SOURCES_MAX, "f:267: more than" },
	};
	static struct plate plate;
	char *text = malloc(65536);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		strcpy(text, GOOD);
		for (int n = 0; n < many[i].max; n++)
			strcat(text, many[i].line);
		read_good(text, &plate);
		strcat(text, many[i].line);
		expect_error(text, strlen(text), many[i].error);
	}

	strcpy(text, GOOD);
	for (int n = 2; n < PLATE_MATERIALS_MAX; n++)
		sprintf(text + strlen(text), "material m%d 1 2 3\n", n);
	read_good(text, &plate);
	strcat(text, "material one_more 1 2 3\n");
	expect_error(text, strlen(text), "f:25: more than 16 materials");
	free(text);
}
END_TEST

/* Cut the shipped file anywhere, or damage any byte: no crash, always a word. */
START_TEST(damage_is_survived)
{
	static struct plate plate;
	char error[256];
	char text[8192];
	FILE *file = fopen(HEAT_EXAMPLE, "re");
	size_t size;

	ck_assert_ptr_nonnull(file);
	size = fread(text, 1, sizeof(text), file);
	fclose(file);
	ck_assert_uint_lt(size, sizeof(text));
	for (size_t at = 1; at < size; at++) {
		char kept = text[at];

		error[0] = '\0';
		if (read_bytes(text, at, &plate, error, sizeof(error)) != 0)
			ck_assert_int_ne(error[0], '\0');
		text[at] = (char)(kept ^ (1 << (at % 8)));
		error[0] = '\0';
		if (read_bytes(text, size, &plate, error, sizeof(error)) != 0)
			ck_assert_int_ne(error[0], '\0');
		text[at] = kept;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plate");
	TCase *tcase = tcase_create("plate");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_good_file_is_understood);
	tcase_add_test(tcase, the_shipped_example_is_good);
	tcase_add_test(tcase, adjacent_rectangles_fit);
	tcase_add_loop_test(tcase, a_bad_file_is_refused, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(tcase, a_nul_byte_is_refused);
	tcase_add_test(tcase, limits_are_told);
	tcase_add_test(tcase, damage_is_survived);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
