// SPDX-License-Identifier: GPL-2.0-only
/* The dirty rule; see dirty.h. */
#include "dirty.h"

#include <linux/backing-dev.h>
#include <linux/dax.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

bool xpm_make_dirty(struct folio *folio, bool wanted)
{
	struct address_space *mapping;

	if (folio_test_dirty(folio))
		return true;
	if (folio_test_anon(folio)) {
		if (!wanted && (!folio_test_swapbacked(folio) || folio_test_swapcache(folio)))
			return false;
	} else {
		mapping = folio_mapping(folio);
		/* DAX has no clean page that is writable, and no flag on its pages. */
		if (mapping && mapping_can_writeback(mapping))
			return dax_mapping(mapping);
	}
	folio_mark_dirty(folio);
	return true;
}
