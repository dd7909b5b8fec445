/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mistakes that the simulator makes on purpose, one at a time, to show that it would
 * find them (tests/coherence).  In the daemon XPMD_MUTANT() is false.
 */
#ifndef XPMD_MUTANT_H
#define XPMD_MUTANT_H

enum xpmd_mutant {
	XPMD_MUTANT_NONE,
	XPMD_MUTANT_NO_REQUEST_ID,	/* any grant answers any request */
	XPMD_MUTANT_NO_GEN,		/* a grant that a TAKE has overtaken is installed */
	XPMD_MUTANT_NO_FENCE,		/* the module leaves pages usable after the lease */
	XPMD_MUTANT_NO_GRACE,		/* a new home daemon knows of no earlier one */
	XPMD_MUTANT_EARLY_TAKEN,	/* TAKEN is sent before the pages are taken */
	XPMD_MUTANT_NO_EPOCH,		/* who was evicted goes on, if not told so by FENCED */
	XPMD_MUTANT_LEASE_FROM_RECEIPT,	/* the lease lasts from the arrival of RENEWED */
	XPMD_MUTANT_NO_PARCEL,		/* data is forgotten when TAKEN was sent */
	XPMD_MUTANT_RENEW_ALWAYS,	/* RENEWED is sent while something is taken */
	XPMD_MUTANT_NO_REFETCH,		/* what a recall overtook is granted */
	XPMD_MUTANT_NO_LEAVE,		/* who is asked to end does so with grants under way */
	XPMD_MUTANT_NO_END,		/* ... and with what others give back */
	XPMD_MUTANT_NO_LEASE_FOUND,	/* a new daemon does not know how long its pages are good */
	XPMD_MUTANT_MAX,
};

#ifdef XPMD_MUTANTS
extern enum xpmd_mutant xpmd_mutant;
#define XPMD_MUTANT(m)	(xpmd_mutant == XPMD_MUTANT_##m)
#else
#define XPMD_MUTANT(m)	0
#endif

#endif /* XPMD_MUTANT_H */
