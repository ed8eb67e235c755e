/* SPDX-License-Identifier: ISC */
/*
 * Is what the vault shows of each log what was seen of it before?  Segments
 * that were seen and are gone, and two histories of one writer, are told once
 * and make the vault read-only where writing would fork, or reach nobody
 * (vault-format/10-ordering.md, Rollback and forks).  Internal to vault; no
 * lock may be held, and is_busy must be, or nobody else use the vault yet.
 */
#ifndef COFFER_VAULT_HISTORY_HISTORY_H
#define COFFER_VAULT_HISTORY_HISTORY_H

#include "vault/device.h"
#include "vault/log/commit_priv.h"

/* One that is known already is not told again; `quietly`: nor is a new one. */
int history_note(struct commit *c, enum vault_alarm_kind kind, uint64_t writer,
		 uint64_t first, uint64_t last, bool quietly) must_check;

/*
 * Compares a writer's folder, all of it, with the marks and the index.  `deep`:
 * every name with the hash applied under its number; else only the last one's
 * and those there are two of.
 */
int history_check(struct commit *c, uint64_t writer, const struct log_names *l,
		  bool deep) must_check;
/* All folders, deep, and whether this device is retired: at opening. */
int history_check_all(struct commit *c) must_check;
/* Has another device retired this one? */
int history_check_retired(struct commit *c) must_check;
/* The own folder, if it has changed since the last look or `always`. */
int history_check_own(struct commit *c, bool always) must_check;

/*
 * The hash of the segment that was seen under that number, as far as the marks
 * lead back to it: 1, 0.  So that a device which saw one of two histories goes
 * on showing it.
 */
int history_find_seen(struct commit *c, uint64_t writer, uint64_t seq,
		      struct file_hash *ret) must_check;

/* vault_alarm_error */
int history_error(struct commit *c);

#endif
