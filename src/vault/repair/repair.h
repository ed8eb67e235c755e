/* SPDX-License-Identifier: ISC */
/*
 * Repairing a vault (vault-format/10-ordering.md, Repairing): files are only
 * added, or good ones put in the place of damaged ones, which are kept.
 * Internal to vault.
 *
 * Nothing goes by its name.  All files of the vault, and of the other copies of
 * it that were given, are candidates; what one of them is its authentic bytes
 * say.
 */
#ifndef COFFER_VAULT_REPAIR_REPAIR_H
#define COFFER_VAULT_REPAIR_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/care.h"
#include "vault/check/check_priv.h"
#include "vault/log/logdir.h"
#include "vault/log/statedir.h"
#include "vault/repair/rescue.h"

enum repair_kind {
	REPAIR_HEADER,
	REPAIR_SLOT,
	REPAIR_SEGMENT,
	REPAIR_PACK,
};

/* A file that begins as one of a vault.  Nothing of it is authentic. */
struct repair_file {
	unsigned root;
	char *path; /* below the root; owned */
	uint64_t bytes;
	enum repair_kind kind;
	uint64_t writer, seq; /* a segment, a pack; seq: a segment */
	bool has_hint;	      /* its name begins as a pack's: */
	bool is_plain;	      /* and is no longer */
	uint8_t hint[PACK_NAME_BYTES];
};

struct repair_root {
	int fd;
	const char *shown; /* before a path in messages; "" for the vault */
};

struct vault_repair {
	struct env *env;
	const struct vault_repair_options *opts;
	struct repair_root *roots; /* the vault first */
	unsigned n_roots;
	struct repair_file *files;
	size_t n, cap;

	struct vault_rescue rescue;
	struct keyring *ring;	    /* secret */
	struct vault_secrets *keys; /* secret; of the ring */
	struct vault_header header;
	uint64_t own;	       /* the device's number; 0: unknown */
	struct statedir state; /* locked; only for a dry run */
	struct vault_repair_result result;
};

/* ---- repair_files.c ---- */
/* Lists them all; roots are open. */
int repair_list_files(struct vault_repair *r) must_check;
/* One of them, for reading: a descriptor. */
int repair_open_file(struct vault_repair *r,
		     const struct repair_file *f) must_check;
/* The same by a path below a root; *ret_bytes: its size. */
int repair_open_path(struct vault_repair *r, unsigned root, const char *path,
		     uint64_t *ret_bytes) must_check;
int repair_read_file(struct vault_repair *r, const struct repair_file *f,
		     size_t max_bytes, uint8_t **ret,
		     size_t *ret_len) must_check;
/* Root and path, for messages, in fresh memory; NULL. */
char *repair_show(const struct vault_repair *r, unsigned root,
		  const char *path);
/* Bytes become the file `name` of a directory of the vault, unless it is a dry
 * run; told as repaired under `path`, from `source`. */
int repair_put_back(struct vault_repair *r, int dirfd, const char *name,
		    const char *path, const void *bytes, size_t len,
		    const struct repair_file *source) must_check;
/* A file of the vault has another name now: it is a candidate still. */
int repair_note_kept(struct vault_repair *r, const char *path,
		     const char *kept) must_check;
void repair_tell(struct vault_repair *r, enum vault_finding kind,
		 const char *what, int err, const char *why);

/* ---- repair_keys.c: before the vault is open ---- */
/* Keys, with whichever header and slots fit; puts the header back. */
int repair_unlock(struct vault_repair *r, const struct vault_credential *cred,
		  const char **ret_what) must_check;
/* Slots the log knows and that are not there, or damaged. */
int repair_slots(struct vault_repair *r, struct vault *v) must_check;

/* ---- repair_log.c: before the vault is open ---- */
/* Puts back segments that link what is there. */
int repair_log(struct vault_repair *r) must_check;

/* ---- repair_packs.c ---- */
struct repair_packs;
/* Mends what the check found of packs, and stores again what only other places
 * have.  c->bad holds afterwards what is still bad. */
int repair_packs(struct checker *c, struct vault_repair *r) must_check;

/* ---- repair_run.c ---- */
/* After the check. */
int repair_run(struct checker *c, struct vault_repair *r) must_check;

#endif
