/* SPDX-License-Identifier: ISC */
/*
 * A vault, opened: the facade over journal, index, store and cache.  The tree
 * is in vault/tree.h, contents in vault/file.h, credentials in vault/slots.h,
 * devices in vault/device.h, care in vault/care.h.
 *
 * Every function is thread-safe unless said and may block on the disk.  Errors
 * are -errno or ERR_*.
 */
#ifndef COFFER_VAULT_VAULT_H
#define COFFER_VAULT_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statvfs.h>

#include "base/env.h"
#include "base/err.h"
#include "crypto/secret.h"
#include "crypto/types.h"

struct vault;

#define VAULT_ROOT_INO UINT64_C(1)

/* What opens a slot.  Unused buffers are empty.  All borrowed. */
struct vault_credential {
	const struct secret_buf *passphrase;
	const struct secret_buf *key_file;
	const struct secret_buf *recovery; /* the words as typed */
};

struct vault_options {
	struct env *env;	  /* NULL: env_posix() */
	const char *path;	  /* the vault directory */
	const char *state_path;	  /* parent of <uuid>/; NULL: in XDG_STATE_HOME
				     or ~/.local/state: coffer */
	bool read_only, no_state; /* the latter too, with an index in memory */
	bool whole_log;		  /* the index from the log, no snapshots */
	bool lock_memory;	  /* mlock decrypted data too */
	size_t cache_bytes;	  /* 0: 192 MiB, less on small machines */
	size_t dirty_bytes;	  /* 0: 96 MiB, likewise */
	size_t index_bytes;	  /* 0: a quarter of the cache */
	uint64_t quota_bytes;	  /* of used_bytes, see below; 0: none */
	unsigned n_workers;	  /* 0: cores and two */
	bool background; /* a committer runs; else cuts at sync, fsync, close */
	const struct vault_rescue *rescue; /* of a repair (vault/care.h) */
	bool test_weak_kdf;	  /* tests: a slot with the least cost */
	bool test_no_checkpoint;  /* tests: close as a kill would */
	bool test_repack_small;	  /* tests: at a sixteenth of the sizes */
	uint64_t test_writer;	  /* tests: the id a new writer gets; 0: random */
};

struct vault_init_options {
	const char *device_name; /* NULL: the host's name */
	uint32_t argon2_ops;	 /* 0: defaults */
	uint32_t argon2_memory_kib;
	uint32_t chunk_min, chunk_average, chunk_max; /* 0: defaults */
	bool no_recovery;
	uint32_t uid, gid; /* owner of the root directory */
};

/*
 * Makes a vault in opts->path (made if absent, else an empty directory):
 * header, a slot for the credential, a recovery slot, the first segment.
 * *ret_recovery: the recovery words unless no_recovery.  -ENOTEMPTY, -EEXIST (a
 * vault), -ENOTDIR ...; leaves nothing behind on failure.
 */
int vault_init(const struct vault_options *opts,
	       const struct vault_init_options *init,
	       const struct vault_credential *cred,
	       struct secret_buf *ret_recovery) must_check;

/*
 * Unlocks and opens: takes the state directory's lock, replays the journal,
 * receives what other devices published, rebuilds the index where needed.  A
 * vault directory that cannot be written opens read-only (vault_is_read_only
 * tells).  ERR_NOT_VAULT, ERR_WRONG_KEY, ERR_NO_SLOT, ERR_DAMAGED (header or
 * slot; `*ret_what`, static, names which), ERR_NEWER, ERR_IN_USE,
 * ERR_ROLLED_BACK, ERR_FORKED ...
 */
int vault_open(const struct vault_options *opts,
	       const struct vault_credential *cred, const char **ret_what,
	       struct vault **ret) must_check;

/*
 * Publishes everything, closes the index clean, wipes keys.  On failure what
 * fsync confirmed stays in the journal for the next opening; the vault is
 * closed all the same and the first error returned.  No hold is left.
 */
int vault_close(struct vault *v) must_check;

bool vault_is_read_only(const struct vault *v);
/* Why, a sentence; NULL if writable. */
const char *vault_read_only_reason(const struct vault *v);

/* Starts committer and workers where vault_open did not (background).  Once. */
int vault_start_background(struct vault *v) must_check;

/* A cut: everything done so far is durable on return 0. */
int vault_sync(struct vault *v) must_check;
int vault_publish(struct vault *v) must_check; /* and others may see it */
/* Publishes, then applies what other devices published meanwhile.
 * ERR_ROLLED_BACK, ERR_FORKED: done as far as can be, and there is an alarm that
 * makes the vault read-only (vault/device.h). */
int vault_receive(struct vault *v) must_check;

/* For statfs(2), constant time: both file systems, quota: the one with least. */
int vault_statvfs(struct vault *v, struct statvfs *ret) must_check;

struct vault_status {
	struct uuid uuid;
	uint64_t writer;
	char device_name[65];
	bool read_only;
	uint64_t n_inodes, n_dirs, n_unlinked; /* unlinked: still in use */
	uint64_t logical_bytes; /* sum of file sizes */
	uint64_t used_bytes, quota_bytes; /* contents, each piece once */
	uint64_t unpublished_ops, staged_bytes, dirty_bytes;
	uint64_t n_packs, pack_bytes, dead_bytes;
	uint64_t segments_applied, segments_held;
	uint64_t packs_pending; /* announced, not here */
	uint64_t conflicts;	/* names generated, versions beside */
	uint64_t foreign_files; /* in the vault, not ours to touch */
	uint64_t damaged;	/* files found damaged since opening */
	uint32_t newest_epoch, n_slots;
	int cut_err, publish_err; /* what the last try met; 0 */
	uint64_t cache_hits, cache_misses;
};

int vault_get_status(struct vault *v, struct vault_status *ret) must_check;

/* Called when something another device did changed what the kernel may have
 * cached: an entry (name set) or an inode's data and attributes.  From a
 * thread without locks.  NULL takes it away and waits until it runs no more. */
typedef void vault_changed_fn(void *arg, uint64_t ino, const uint8_t *name,
			      uint16_t name_len);
void vault_set_changed(struct vault *v, vault_changed_fn *fn, void *arg);

#endif
