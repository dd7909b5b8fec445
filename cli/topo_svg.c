// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The drawing: on the left a box a NUMA node with a box a segment in it, on the right a
 * box a process that has something attached, a line an attachment between, thick and
 * solid if it is for writing; below the other partitions with what went to and fro.
 *
 * Two passes over the same order of things: heights first, then boxes.
 */
#include "topo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"
#include "table.h"

#define ROW 46
#define BOX 36
#define LEFT_X 40
#define BOX_WIDTH 300
#define RIGHT_X 560
#define WIDTH 900
#define TITLE 34

static void put_text(FILE *file, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", file);
			break;
		case '>':
			fputs("&gt;", file);
			break;
		case '&':
			fputs("&amp;", file);
			break;
		default:
			fputc(*text, file);
		}
	}
}

static void put_label(FILE *file, int x, int y, const char *class, char *text)
{
	fprintf(file, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
	put_text(file, text);
	fputs("</text>\n", file);
	free(text);
}

static void put_box(FILE *file, int x, int y, int width, int height, const char *class)
{
	fprintf(file, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" ", x, y, width, height);
	fprintf(file, "rx=\"5\" class=\"%s\"/>\n", class);
}

static size_t segments_on(const struct topo *topo, int node)
{
	size_t count = 0;

	for (size_t i = 0; i < topo->segments.count; i++)
		count += topo->node_of[i] == node;
	return count;
}

/* Draws the nodes from @y on, sets where each segment is, returns the end. */
static int put_nodes(FILE *file, const struct topo *topo, int y, int *segment_y)
{
	for (size_t n = 0; n < topo->nr_nodes; n++) {
		const struct topo_node *node = &topo->nodes[n];
		int count = (int)segments_on(topo, node->number);

		if (node->number < 0 && !count)
			continue;
		put_box(file, LEFT_X - 15, y, BOX_WIDTH + 30, TITLE + count * ROW, "node");
		put_label(file, LEFT_X, y + 21, "title", node->number < 0
			  ? cli_format("on no node yet, or not known")
			  : cli_format("node %d: %s, %d CPUs", node->number,
				       human_size(node->bytes), node->cpus));
		y += TITLE;
		for (size_t i = 0; i < topo->segments.count; i++) {
			const struct segment *s = &topo->segments.at[i];

			if (topo->node_of[i] != node->number)
				continue;
			put_box(file, LEFT_X, y, BOX_WIDTH, BOX, s->remote ? "remote" : "segment");
			put_label(file, LEFT_X + 8, y + 15, "text",
				  cli_format("%d %s: %s", (int)s->pid, s->command,
					     human_size(s->end - s->start)));
			put_label(file, LEFT_X + 8, y + 30, "small", cli_format("%lld", s->segid));
			segment_y[i] = y + BOX / 2;
			y += ROW;
		}
		y += 15;
	}
	return y;
}

static int put_processes(FILE *file, const struct topo *topo, int top, const int *segment_y)
{
	int y = top + TITLE, end = y;

	for (size_t i = 0; i < topo->nr_edges; i++) {
		const struct topo_edge *edge = &topo->edges[i];
		const struct segment *s = segments_find(&topo->segments, edge->first->segid);

		if (!i || edge->first->pid != edge[-1].first->pid) {
			y = end;
			put_box(file, RIGHT_X, y, BOX_WIDTH, BOX, "process");
			put_label(file, RIGHT_X + 8, y + 23, "text",
				  cli_format("%d %s", (int)edge->first->pid, edge->first->command));
			end = y + ROW;
		}
		if (!s)
			continue;
		int from = segment_y[s - topo->segments.at];

		fprintf(file, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"%s\"/>\n",
			LEFT_X + BOX_WIDTH, from, RIGHT_X, y + BOX / 2,
			edge->writable ? "write" : "read");
		put_label(file, (LEFT_X + BOX_WIDTH + RIGHT_X) / 2, (from + y + BOX / 2) / 2 - 3,
			  "small", cli_format("%s", human_size(edge->bytes)));
	}
	return end;
}

static int put_peers(FILE *file, const struct topo *topo, int y)
{
	json_t *entry;
	size_t index;

	json_array_foreach(json_object_get(topo->peers, "partitions"), index, entry) {
		bool up = json_is_true(json_object_get(entry, "up"));

		fprintf(file, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"%s\"/>\n",
			LEFT_X + 10, y - 15, LEFT_X + 10, y, up ? "write" : "read");
		put_box(file, LEFT_X - 15, y, WIDTH - 50, BOX, up ? "segment" : "down");
		put_label(file, LEFT_X, y + 23, "text",
			  cli_format("partition %lld %s, %s: sent %s, received %s",
				     daemon_number(entry, "number"), daemon_text(entry, "name"),
				     up ? "up" : "down",
				     human_size((uint64_t)daemon_number(entry, "bytes_sent")),
				     human_size((uint64_t)daemon_number(entry, "bytes_received"))));
		y += ROW + 5;
	}
	return y;
}

static int draw(FILE *file, const struct topo *topo)
{
	int *segment_y = cli_checked(calloc(topo->segments.count + 1, sizeof(*segment_y)));
	int left, right;

	put_label(file, LEFT_X - 15, 28, "title", topo->partition
		  ? cli_format("partition %lld %s", topo->partition, topo->name)
		  : cli_format("%s", topo->name));
	left = put_nodes(file, topo, 45, segment_y);
	right = put_processes(file, topo, 45, segment_y);
	free(segment_y);
	return put_peers(file, topo, (left > right ? left : right) + 15);
}

bool topo_svg(const struct topo *topo, const char *path)
{
	FILE *nowhere = fopen("/dev/null", "w"), *file;
	int height;

	if (!nowhere)
		return false;
	height = draw(nowhere, topo);
	fclose(nowhere);
	file = fopen(path, "w");
	if (!file)
		return false;
	fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">\n"
		"<style>text{font-family:sans-serif;font-size:13px}.title{font-weight:bold}"
		".small{font-size:11px;fill:#555}rect{stroke:#555}.node{fill:#f2f2f2}"
		".segment{fill:#d5e8d4}.remote{fill:#ffe6b3}.process{fill:#dae8fc}"
		".down{fill:#f8cecc}line{stroke:#555}.write{stroke-width:2}"
		".read{stroke-dasharray:4}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" style=\"fill:#fff;stroke:none\"/>\n",
		WIDTH, height);
	draw(file, topo);
	fputs("</svg>\n", file);
	if (ferror(file)) {
		fclose(file);
		errno = EIO;
		return false;
	}
	return fclose(file) == 0;
}
