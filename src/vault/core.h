/* SPDX-License-Identifier: ISC */
/*
 * The opened vault, as its own sources see it.  Internal to vault.
 *
 * Locks, downwards (base/lock.h): cut -> session gate -> inode (content.h) ->
 * index -> store -> leaves.  Every call that changes or reads the tree holds
 * the session gate shared and the index lock; all that a directory operation
 * does is one critical section of the index lock, so directories need no locks
 * of their own.
 */
#ifndef COFFER_VAULT_CORE_H
#define COFFER_VAULT_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"
#include "base/lock.h"
#include "cache/cache.h"
#include "crypto/keys.h"
#include "format/slot.h"
#include "format/vault_header.h"
#include "index/index.h"
#include "index/index_chunk.h"
#include "index/index_kv.h"
#include "journal/journal.h"
#include "store/chunker.h"
#include "store/stage.h"
#include "store/store.h"
#include "vault/collect/order.h"
#include "vault/counters.h"
#include "vault/hold.h"
#include "vault/log/oplog.h"
#include "vault/merge/node.h"
#include "vault/merge/row_memo.h"
#include "vault/vault.h"

struct content; /* vault/content/content.h */
struct merge_past; /* vault/merge/merge.h */
struct commit;	/* vault/log/commit.h */

/* All keys: one block of secret memory. */
struct vault_secrets {
	struct keyring ring;
	struct vault_keys vault;
	struct key dk; /* zeros without state */
	struct local_keys local;
	struct epoch_keys epochs[KEYRING_MAX_EPOCHS]; /* as in ring */
	unsigned newest; /* index of the newest epoch's keys */
};

struct vault {
	struct env *env;
	int vault_dirfd;
	int state_dirfd; /* -1 without state */
	int lock_fd;
	struct vault_header header;
	struct vault_secrets *keys;
	uint64_t writer;      /* 0: none (read-only without state) */
	char device_name[65]; /* own, as in the log; index_lock once opened */
	uint8_t slot_opened[SLOT_NAME_BYTES];
	struct vault_options opts; /* paths are not kept: see open.c */

	atomic_bool is_read_only;
	_Atomic(const char *) read_only_reason; /* static text */
	bool is_opened; /* calls may come: set at the end of vault_open */

	struct lock cut_lock;	 /* cuts, publishing, receiving */
	struct rwlock session;	 /* the gate */
	struct lock index_lock;	 /* guards index, nodes, oplog, counters */
	struct index *index;	 /* index_lock */
	_Atomic uint64_t n_calls; /* entered so far */
	struct counters counters;
	struct node_cache *nodes; /* index_lock */
	struct oplog oplog;	 /* index_lock */
	struct order order;	 /* index_lock */
	struct key name_key;	 /* of the directory cookies */
	struct row_memos rows_seen; /* index_lock */
	uint64_t n_inodes, n_dirs; /* index_lock; shown or held */
	uint64_t n_moved;	 /* index_lock; directories R4 moved */
	uint64_t inline_bytes;	 /* index_lock; in extents of all inodes */
	struct holds *holds;	 /* index_lock; vault/tree/held.h, as what follows */
	struct holds *lingering; /* index_lock; a set */
	_Atomic uint64_t n_lingering;
	vault_holds_fn *holder; /* index_lock; NULL: no front end counts */
	void *holder_arg;	/* index_lock */
	uint64_t *gone;		 /* index_lock; core_note_gone */
	size_t n_gone, cap_gone;

	const struct merge_past *past; /* index_lock; vault/merge/merge.h; or NULL */
	/* index_lock; the index is half changed: not to be shown, nor kept, nor
	 * asked what may go.  Set with core_fail, or while nobody calls yet. */
	bool is_torn;
	bool is_joining; /* index_lock; vault/log/joiner.h */
	unsigned n_open_splits; /* index_lock; split, not pinned yet */

	struct touched *touched; /* index_lock; vault/merge/touched.h; or NULL */

	struct store *store;
	struct stage *stage;	 /* NULL when read-only */
	struct journal *journal; /* cut_lock; NULL when read-only */
	struct cache *cache;
	struct chunker chunker;
	struct content *content;
	struct commit *commit;

	struct lock changed_lock; /* LOCK_LEAF; guards what follows */
	struct cond changed_over; /* n_changing fell to 0 */
	unsigned n_changing;
	vault_changed_fn *changed;
	void *changed_arg;
};

/* The keys of an epoch; NULL if unknown (store_keys_fn). */
const struct epoch_keys *core_epoch_keys(void *vault, uint32_t epoch,
					 const struct key_id8 *id);
const struct epoch_keys *core_newest_keys(const struct vault *v);

/* Enters a call: gate shared, then index lock; -EROFS for `change` on a
 * read-only vault; core_index_state's error. */
int core_enter(struct vault *v, bool change) must_check;
void core_leave(struct vault *v);

/* 0, or why the index must not be read: it is bad, or half changed.  Index lock
 * held. */
int core_index_state(const struct vault *v) must_check;

/* An inode whose contents are nobody's any more (index lock held): core_leave
 * drops what is dirty of it. */
void core_note_gone(struct vault *v, uint64_t ino);

/* Turns read-only for good, once, and logs why (a static sentence). */
void core_fail(struct vault *v, int err, const char *why);

/* Ends a call's transaction (index lock held): with r < 0 none of it stays in
 * the log, and if there was any the vault turns read-only, since the index has
 * it.  Returns r. */
int core_end_transaction(struct vault *v, int r);

/* Tells the front end; holds no lock while it calls. Call without locks. */
void core_changed(struct vault *v, uint64_t ino, const uint8_t *name,
		  uint16_t name_len);

#endif
