/* SPDX-License-Identifier: ISC */
/*
 * Merging: what operations do to nodes (vault-format/09-merging.md, State), and
 * how local calls make them (Settling).  Internal to vault; every function
 * needs the index lock.
 */
#ifndef COFFER_VAULT_MERGE_MERGE_H
#define COFFER_VAULT_MERGE_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/op.h"
#include "vault/core.h"
#include "vault/merge/node.h"

/* The operation a dot names, as the log tells it. */
struct merge_named {
	enum op_type type;
	struct inode_id inode;
	hlc_t clock;
	bool is_claim; /* an UNLINK that leaves one */
	bool is_dir;   /* a MKNOD of a directory */
	bool is_unknown; /* there is one, but the log cannot be read */
};

/* 1, 0 (no operation of that name). */
typedef int merge_find_fn(void *arg, struct dot d, struct merge_named *ret);

/*
 * What the segment that is being applied may speak of: set v->past while its
 * operations are.  Without (NULL: own operations, made or read back here) dots
 * are taken as they are.
 */
struct merge_past {
	const uint8_t *vv; /* its version vector, as encoded */
	uint32_t n_vv;
	merge_find_fn *find; /* NULL: dots forgotten here are believed */
	void *arg;
};

/*
 * Applies one operation whose causes are applied: nodes, extents, view.  Used
 * for replay and receipt; what is made here goes through merge_emit.  Kinds
 * that concern no inode (devices, slots, packs ...) are the caller's.
 * ERR_MALFORMED: it breaks a rule that needs the state (an inode made twice,
 * one that nobody made, a directory with contents ...); nothing was changed.
 */
int merge_apply(struct vault *v, const struct op *op) must_check;

/* Gives a new operation dot and clock, logs it (unless its inode is not in the
 * log: unborn, or unlinked and held) and applies it.  `more`: the same
 * transaction goes on. */
int merge_emit(struct vault *v, struct op *op) must_check;

/* ---- contents ---- */

/* Before an inode's first change after a cut: settles the directories that
 * show it and unlinks hidden twins (S1, S2).  Session gate held. */
int merge_prepare_write(struct vault *v, uint64_t ino) must_check;

/*
 * The CONTENT operation of a cut: `c` gives whole = false, size, times and
 * extents; inode, base and replaces are filled in.  Chunks are in the index
 * already.  Into `reserved` by oplog_fill; a NOP if the inode is not in the
 * log (its rows are changed all the same) or gone.  The node's live size and
 * times are left alone.  `more`: another follows for the same inode.
 */
int merge_emit_content(struct vault *v, struct oplog_piece *reserved,
		       uint64_t ino, const struct op_content *c, bool more)
	must_check;

/* ---- readings of a node's state, as the model names them ---- */

/* A place where a node is shown. */
struct shown_place {
	const struct node_place *place;
	bool is_ghost;
};

/* file_places of the model: all of them into fresh memory (mem_free). */
int merge_file_places(const struct node *n, struct shown_place **ret,
		      unsigned *ret_n) must_check;
/* Of a file: is there any? */
bool merge_is_shown(const struct node *n);
/* dirs: the place before R4; NULL for one that never had any (the root). */
const struct node_place *merge_dir_place(const struct node *n,
					 bool *ret_is_ghost);
bool merge_place_is_alive(const struct node *n, const struct node_place *p);
/* own_versions not deleted, else the one deleted last; newest first; into
 * fresh memory. */
int merge_file_versions(const struct node *n, struct node_version ***ret,
			unsigned *ret_n) must_check;
/* Where a place shows: its pin, else what it recorded. */
uint64_t merge_where(const struct node_place *p, const struct node_name **name);
struct op_key merge_place_key(const struct node_place *p);
struct op_key merge_version_key(const struct node_version *v);
/* Number of names of a file. */
uint32_t merge_n_links(const struct node *n);
/* Is it in the log and reachable: do changes to it make operations? */
bool merge_is_logged(const struct node *n);

#endif
