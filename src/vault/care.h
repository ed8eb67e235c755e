/* SPDX-License-Identifier: ISC */
/* Care of a vault: check, collect garbage, rebuild. */
#ifndef COFFER_VAULT_CARE_H
#define COFFER_VAULT_CARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/vault.h"

enum vault_finding {
	VAULT_FINDING_DAMAGE,  /* exit 12 */
	VAULT_FINDING_PENDING, /* may still be arriving */
	VAULT_FINDING_FOREIGN, /* not ours: ignored */
	VAULT_FINDING_NOTE,
	VAULT_FINDING_REPAIRED, /* or would be */
	VAULT_FINDING_LOST,	/* for good: a hole, or would be one */
};

/* One finding: what (a file of the vault, or a path in the folder) and why.
 * NUL-terminated texts, valid during the call. */
typedef void vault_finding_fn(void *arg, enum vault_finding kind,
			      const char *what, int err, const char *why);

struct vault_repair;

struct vault_check_options {
	bool read_data; /* every byte of every pack */
	unsigned n_threads; /* that read; 0: a thread a core */
	uint64_t bytes_per_second; /* of packs, on average; 0: no limit */
	struct vault_repair *repair; /* mend what is found; NULL */
	bool resume; /* with read_data: not what an interrupted one read */
	bool (*stop)(void *arg); /* true: ERR_INTERRUPTED; NULL: never */
	/* From any of the threads, one at a time; so is progress. */
	vault_finding_fn *finding;
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

struct vault_check_result {
	uint64_t n_segments, n_packs, n_chunks, bytes_read;
	uint64_t n_damaged, n_pending, n_foreign;
	uint64_t n_files_damaged; /* paths in the folder that lose something */
	uint64_t bytes_known; /* read by the check that goes on */
};

/* Header, slots, chains, version vectors, packs against their announcements,
 * every reference, the tree; 0 even with findings. */
int vault_check(struct vault *v, const struct vault_check_options *opts,
		struct vault_check_result *ret) must_check;

/* A device that has not said that it knows what was deleted. */
struct vault_gc_wait {
	uint64_t writer;
	char name[65];
	uint64_t seen_ms; /* clock of the last that is known of it; 0: none */
};
#define VAULT_GC_WAITS_MAX 16u

/* ---- repair ---- */

struct vault_repair_options {
	bool dry_run; /* changes nothing, neither vault nor state */
	bool give_up; /* what other devices announced and is not here is lost */
	const char *const *from; /* other copies of the vault */
	size_t n_from;
	vault_finding_fn *finding;
	void *arg;
};

struct vault_repair_result {
	uint64_t n_repaired;	/* files of the vault, and paths */
	uint64_t n_left;	/* files of the vault damaged or missing still */
	uint64_t n_files_lost;	/* paths that lose something for good */
	uint64_t bytes_lost;	/* of them */
	uint64_t n_files_waiting; /* paths that lack what may still arrive */
	const char *stuck; /* why no file could be changed; static; NULL */
};

/*
 * Header, slots and logs are put back, then the vault is opened; vault_check
 * with this repair does the rest.  As vault_open; ERR_STRANGER: a directory of
 * `from` is another vault.  The options stay as long as the repair.
 */
int vault_repair_open(const struct vault_options *opts,
		      const struct vault_credential *cred,
		      const struct vault_repair_options *repair,
		      const char **ret_what, struct vault_repair **ret,
		      struct vault **ret_vault) must_check;
const struct vault_repair_result *
vault_repair_result(const struct vault_repair *r);
/* After vault_close. */
void vault_repair_close(struct vault_repair *r);

/* Of the packs of this device, before anything was removed. */
struct vault_gc_result {
	uint64_t n_packs, n_dead_packs, n_removed;
	uint64_t live_bytes, dead_bytes, removed_bytes;
	uint64_t waiting_bytes; /* needed here no more, maybe elsewhere */
	/* Packs to be copied, most of which is dead, or small ones: what they
	 * take, what of it is needed, and what was copied now. */
	uint64_t n_sparse_packs, sparse_bytes, copy_bytes, copied_bytes;
	bool several_devices;
	unsigned n_waits; /* devices that are waited for; the first of them: */
	struct vault_gc_wait waits[VAULT_GC_WAITS_MAX];
};

/*
 * Tells; unless `dry_run` publishes, removes packs that nobody needs, less than
 * a quarter of them at a time, and copies sparse and small ones, a gibibyte at a
 * time.  Whenever it is interrupted, nothing is lost.
 */
int vault_gc(struct vault *v, bool dry_run, struct vault_gc_result *ret)
	must_check;

/* Makes a snapshot of what is published, so that an opening without an index
 * reads that and the log after it: 1; 0: there is one already.  ERR_READ_ONLY. */
int vault_snapshot(struct vault *v) must_check;
/* What that result says to a user. */
const char *vault_snapshot_text(int made);

/* Removes the local index; the next opening makes it anew.  The vault must not
 * be open. */
int vault_drop_index(const struct vault_options *opts) must_check;

#endif
