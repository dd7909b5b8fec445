// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module is trusted, yet a record that is misread would have the daemon answer the
 * wrong question: so the rules that xpmem_ctl.h states stand here once, as a table.
 */
#include "record.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

_Static_assert(sizeof(struct xpmem_ctl_record) == 64, "records are of 64 bytes");

struct rule {
	const char *name;
	unsigned int flags;	/* that may be set */
	unsigned char question;	/* has an id */
	unsigned char pages;	/* has a range of pages */
};

static const struct rule *rule_of(unsigned int type)
{
	static const struct rule rules[] = {
		[XPMEM_CTL_GET] = { "GET", XPMEM_CTL_WRITE, 1, 0 },
		[XPMEM_CTL_ATTACH] = { "ATTACH", XPMEM_CTL_WRITE, 1, 1 },
		[XPMEM_CTL_FAULT] = { "FAULT", XPMEM_CTL_WRITE | XPMEM_CTL_PREFETCH, 1, 1 },
		[XPMEM_CTL_DROP] = { "DROP", 0, 0, 1 },
		[XPMEM_CTL_RELEASE] = { "RELEASE", 0, 0, 0 },
		[XPMEM_CTL_RECALL] = { "RECALL", 0, 1, 1 },
		[XPMEM_CTL_GONE] = { "GONE", 0, 1, 0 },
		[XPMEM_CTL_UNMAP] = { "UNMAP", 0, 0, 0 },
	};

	if (type >= sizeof(rules) / sizeof(rules[0]) || !rules[type].name)
		return NULL;
	return &rules[type];
}

const char *xpmd_record_name(unsigned int type)
{
	const struct rule *rule = rule_of(type);

	return rule ? rule->name : "unknown";
}

int xpmd_record_decode(const void *buffer, size_t size, size_t n, struct xpmem_ctl_record *ret)
{
	struct xpmem_ctl_record record;
	const struct rule *rule;

	if (n >= size / sizeof(record))
		return n * sizeof(record) == size ? -ENODATA : -EBADMSG;
	memcpy(&record, (const char *)buffer + n * sizeof(record), sizeof(record));
	*ret = record;
	rule = rule_of(record.type);
	if (!rule || (record.flags & ~rule->flags))
		return -EOPNOTSUPP;
	if (record.segid <= 0 || (rule->question && !record.id))
		return -EBADMSG;
	if (rule->pages &&
	    (!record.count || record.first > UINT64_MAX / XPMEM_CTL_PAGE ||
	     record.count > UINT64_MAX / XPMEM_CTL_PAGE - record.first))
		return -EBADMSG;
	if (record.type == XPMEM_CTL_RECALL && record.reason > XPMEM_CTL_REASON_PROTECT)
		return -EOPNOTSUPP;
	return 0;
}
