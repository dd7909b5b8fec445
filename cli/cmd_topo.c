// SPDX-License-Identifier: GPL-2.0-or-later
/* xpmem topo: who shares what with whom, and where it is, as text, JSON or a drawing. */
#include "verbs.h"

#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "files.h"
#include "numa.h"
#include "table.h"
#include "topo.h"

static struct {
	const char *svg;
} args;

static const struct argp_option options[] = {
	{ "svg", 'o', "FILE", 0, "Draw it to FILE", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)state;
	if (key != 'o')
		return ARGP_ERR_UNKNOWN;
	args.svg = arg;
	return 0;
}

static void read_nodes(const struct cli *cli, struct topo *topo)
{
	hwloc_topology_t hwloc;
	hwloc_obj_t node = NULL;
	int count;

	/* A tree without a topology has no node; that is no error. */
	setenv("HWLOC_HIDE_ERRORS", "2", 0);
	if (*cli->root)
		setenv("HWLOC_FSROOT", cli->root, 1);
	if (hwloc_topology_init(&hwloc))
		cli_checked(NULL);
	count = hwloc_topology_load(hwloc) ? 0
					   : hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_NUMANODE);
	topo->nodes = cli_checked(calloc((size_t)count + 1, sizeof(*topo->nodes)));
	while (count && (node = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, node)))
		topo->nodes[topo->nr_nodes++] = (struct topo_node){
			(int)node->os_index, node->attr->numanode.local_memory,
			node->cpuset ? hwloc_bitmap_weight(node->cpuset) : 0,
		};
	topo->nodes[topo->nr_nodes++].number = -1;
	hwloc_topology_destroy(hwloc);
}

/* The node with the most of it, -1 where that can't be told */
static int node_of(const struct cli *cli, const struct segment *segment)
{
	struct placement placement;
	int node = -1;

	if (numa_placement(cli, segment, &placement))
		return -1;
	for (int i = 0; i < placement.nodes; i++)
		if (placement.bytes[i] && (node < 0 || placement.bytes[i] > placement.bytes[node]))
			node = i;
	return node;
}

/* Attachments are in the order of processes, so edges of one process stand together. */
static void read_edges(struct topo *topo)
{
	size_t first = 0;

	topo->edges = cli_checked(calloc(topo->attachments.count + 1, sizeof(*topo->edges)));
	for (size_t i = 0; i < topo->attachments.count; i++) {
		const struct attachment *this = &topo->attachments.at[i];
		size_t at;

		if (i && this[-1].pid != this->pid)
			first = topo->nr_edges;
		for (at = first; at < topo->nr_edges; at++)
			if (topo->edges[at].first->segid == this->segid)
				break;
		if (at == topo->nr_edges)
			topo->edges[topo->nr_edges++].first = this;
		topo->edges[at].bytes += this->end - this->start;
		topo->edges[at].writable |= this->writable;
	}
}

static int read_topo(const struct cli *cli, struct topo *topo)
{
	char *hostname = file_line(cli, "/proc/sys/kernel/hostname");
	json_t *status;
	int err;

	memset(topo, 0, sizeof(*topo));
	err = segments_read(cli, &topo->segments);
	if (err) {
		free(hostname);
		return err;
	}
	read_nodes(cli, topo);
	topo->node_of = cli_checked(calloc(topo->segments.count + 1, sizeof(*topo->node_of)));
	for (size_t i = 0; i < topo->segments.count; i++)
		topo->node_of[i] = node_of(cli, &topo->segments.at[i]);
	attachments_read(cli, &topo->attachments);
	read_edges(topo);
	status = daemon_ask(cli, "status", &err);
	topo->partition = daemon_number(status, "partition");
	snprintf(topo->name, sizeof(topo->name), "%s",
		 status ? daemon_text(status, "name") : hostname ? hostname : "");
	topo->peers = status ? daemon_ask(cli, "partitions", &err) : NULL;
	json_decref(status);
	free(hostname);
	return 0;
}

static void free_topo(struct topo *topo)
{
	free(topo->nodes);
	free(topo->node_of);
	free(topo->edges);
	segments_free(&topo->segments);
	attachments_free(&topo->attachments);
	json_decref(topo->peers);
}

/* ----------------------------------------------------------------------- text */

static void print_edge(const struct topo_edge *edge)
{
	printf("      <- %d %s  %s %s\n", (int)edge->first->pid, edge->first->command,
	       human_size(edge->bytes), edge->writable ? "rw" : "r");
}

static void print_edges(const struct topo *topo, long long segid)
{
	for (size_t i = 0; i < topo->nr_edges; i++) {
		const struct topo_edge *edge = &topo->edges[i];

		if (edge->first->segid == segid)
			print_edge(edge);
	}
}

static void print_node(const struct topo *topo, const struct topo_node *node)
{
	bool titled = node->number >= 0;

	if (titled)
		printf("  node %d  %s, %d CPUs\n", node->number, human_size(node->bytes),
		       node->cpus);
	for (size_t i = 0; i < topo->segments.count; i++) {
		const struct segment *s = &topo->segments.at[i];

		if (topo->node_of[i] != node->number)
			continue;
		if (!titled)
			puts("  on no node yet, or not known");
		titled = true;
		printf("    segment %lld  %s of %d %s%s\n", s->segid,
		       human_size(s->end - s->start), (int)s->pid, s->command,
		       s->remote ? ", for other partitions, too" : "");
		print_edges(topo, s->segid);
	}
}

static bool has_unknown(const struct topo *topo)
{
	for (size_t i = 0; i < topo->nr_edges; i++)
		if (!segments_find(&topo->segments, topo->edges[i].first->segid))
			return true;
	return false;
}

static void print_text(const struct cli *cli, const struct topo *topo)
{
	json_t *entry;
	size_t index;

	if (topo->partition)
		printf("partition %lld %s\n", topo->partition, topo->name);
	else
		printf("%s\n", topo->name);
	for (size_t i = 0; i < topo->nr_nodes; i++)
		print_node(topo, &topo->nodes[i]);
	if (has_unknown(topo))
		puts("  segments of other partitions, or removed ones");
	for (size_t i = 0; i < topo->nr_edges; i++) {
		const struct topo_edge *edge = &topo->edges[i];

		if (!segments_find(&topo->segments, edge->first->segid))
			print_edge(edge);
	}
	json_array_foreach(json_object_get(topo->peers, "partitions"), index, entry) {
		bool up = json_is_true(json_object_get(entry, "up"));

		printf("partition %lld %s  %s, sent %s, received %s\n",
		       daemon_number(entry, "number"), daemon_text(entry, "name"),
		       coloured(cli->colour, up ? COLOUR_GREEN : COLOUR_RED, up ? "up" : "down"),
		       human_size((uint64_t)daemon_number(entry, "bytes_sent")),
		       human_size((uint64_t)daemon_number(entry, "bytes_received")));
	}
}

/* ----------------------------------------------------------------------- JSON */

static int print_json(const struct topo *topo)
{
	json_t *json = cli_json("topo"), *nodes = json_array(), *segments = json_array();
	json_t *edges = json_array(), *peers = json_object_get(topo->peers, "partitions");
	char *segid;

	for (size_t i = 0; i < topo->nr_nodes; i++)
		if (topo->nodes[i].number >= 0)
			json_array_append_new(nodes, json_pack("{s:i, s:I, s:i}",
				"node", topo->nodes[i].number,
				"bytes", (json_int_t)topo->nodes[i].bytes,
				"cpus", topo->nodes[i].cpus));
	for (size_t i = 0; i < topo->segments.count; i++) {
		const struct segment *s = &topo->segments.at[i];
		int node = topo->node_of[i];

		segid = cli_format("%lld", s->segid);
		json_array_append_new(segments, json_pack("{s:s, s:i, s:s, s:I, s:o}",
			"segid", segid, "pid", (int)s->pid, "command", s->command,
			"bytes", (json_int_t)(s->end - s->start),
			"node", node < 0 ? json_null() : json_integer(node)));
		free(segid);
	}
	for (size_t i = 0; i < topo->nr_edges; i++) {
		const struct topo_edge *edge = &topo->edges[i];

		segid = cli_format("%lld", edge->first->segid);
		json_array_append_new(edges, json_pack("{s:s?, s:i, s:s, s:I, s:b}",
			"segid", edge->first->segid ? segid : NULL, "pid", (int)edge->first->pid,
			"command", edge->first->command, "bytes", (json_int_t)edge->bytes,
			"writable", edge->writable));
		free(segid);
	}
	json_object_set_new(json, "partition", json_integer(topo->partition));
	json_object_set_new(json, "name", json_string(topo->name));
	json_object_set_new(json, "nodes", nodes);
	json_object_set_new(json, "segments", segments);
	json_object_set_new(json, "attachments", edges);
	json_object_set_new(json, "partitions", peers ? json_incref(peers) : json_array());
	return cli_print_json(json, CLI_OK);
}

static int run(struct cli *cli)
{
	struct topo topo;
	int ret = CLI_OK, err = read_topo(cli, &topo);

	if (err) {
		cli_error("%s", err == -ENOENT ? "the module is not loaded" : strerror(-err));
		return CLI_WRONG;
	}
	segments_tell(&topo.segments);
	if (args.svg && !topo_svg(&topo, args.svg)) {
		cli_error("%s: %s", args.svg, strerror(errno));
		ret = CLI_WRONG;
	}
	if (cli->json)
		print_json(&topo);
	else if (!args.svg)
		print_text(cli, &topo);
	free_topo(&topo);
	return ret;
}

const struct cli_verb cmd_topo = {
	.name = "topo",
	.summary = "Who shares what with whom, and where it is",
	.doc = "Shows partitions, NUMA nodes, the segments on them and who has these attached.",
	.options = options,
	.parser = parse,
	.run = run,
};
