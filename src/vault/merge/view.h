/* SPDX-License-Identifier: ISC */
/*
 * The view: what each name shows (vault-format/09-merging.md, View), kept as
 * rows of the index and changed as nodes change.  Internal to vault; every
 * function needs the index lock.
 *
 * A directory's rows stand at its `rep`: itself, or where directories of one
 * name unite (R5) the one with the least id.  A row without `extra` shows one
 * inode placed right there; otherwise `extra` lists the members behind it.
 */
#ifndef COFFER_VAULT_MERGE_VIEW_H
#define COFFER_VAULT_MERGE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/core.h"
#include "vault/merge/node.h"

/* One (inode, link) behind an entry, or a version not yet split. */
struct member {
	uint64_t ino;	   /* virtual: the inode the version belongs to */
	uint64_t shown;	   /* the inode a program sees: ino, or the sibling */
	struct inode_id id; /* of ino */
	struct dot dot;	   /* the place dot; virtual: the version */
	struct dot link;   /* zeros when virtual */
	hlc_t clock;	   /* of dot */
	uint64_t parent;   /* the directory it is placed in */
	uint8_t *name;	   /* the name before R5; owned, unless borrows_name */
	uint16_t name_len;
	uint8_t kind;
	bool is_virtual, is_split_first;
	bool is_ghost; /* of view_members; a row does not tell */
	bool is_kept; /* view_update: was there before and is there now */
	bool borrows_name; /* of its list's `names` */
};

struct member_list {
	struct member *m;
	unsigned n, cap;
	uint8_t *names; /* owned; NULL: none borrows */
};

void member_list_release(struct member_list *l);
#define auto_members __attribute__((cleanup(member_list_release)))

struct entry {
	uint64_t dir;	 /* rep of the directory it stands in */
	uint64_t cookie;
	uint8_t *name;	 /* owned */
	uint16_t name_len;
	uint8_t kind;
	bool is_generated;
	bool is_displaced; /* and not the first name it would have got */
	struct member_list members; /* [0] is shown */
};

void entry_release(struct entry *e);
#define auto_entry __attribute__((cleanup(entry_release)))

/* The members a node makes now (none, or several for links and siblings). */
int view_members(struct vault *v, struct node *n, struct member_list *ret)
	must_check;
/* Replaces a node's members in the rows: `old` as view_members gave it before
 * the change.  `has_new_data`: not only places changed. */
int view_update(struct vault *v, struct node *n, const struct member_list *old,
		bool has_new_data) must_check;

/* Where a directory's rows stand. */
int view_rep(struct vault *v, uint64_t dir, uint64_t *ret) must_check;
/* 1, 0.  `dir` any directory; with members. */
int view_find(struct vault *v, uint64_t dir, const void *name, size_t len,
	      struct entry *ret) must_check;
/* The same without members: 1, 0. */
int view_lookup(struct vault *v, uint64_t dir, const void *name, size_t len,
		uint64_t *ret_ino, uint8_t *ret_kind) must_check;
int view_is_empty(struct vault *v, uint64_t dir) must_check; /* 1, 0 */

/* Entries of a directory that are generated or have a virtual member, sorted
 * by name, with members. */
struct entry_list {
	struct entry *e;
	unsigned n, cap;
};
void entry_list_release(struct entry_list *l);
#define auto_entries __attribute__((cleanup(entry_list_release)))
int view_special(struct vault *v, uint64_t dir, struct entry_list *ret)
	must_check;
/* The entries that show or hide a member of the inode, by (directory id,
 * name). */
int view_entries_of(struct vault *v, struct node *n, struct entry_list *ret)
	must_check;

/* The same for a directory, whose recorded place decides on R4's cycles: what
 * it was before. */
struct dir_before {
	bool is_placed;
	struct dot dot;
	struct op_key pin;
};
struct dir_before view_dir_before(const struct node *n);
int view_update_dir(struct vault *v, struct node *n,
		    const struct member_list *old,
		    const struct dir_before *was) must_check;
/* Directories R4 moved that are shown, by id; into fresh memory. */
int view_moved(struct vault *v, uint64_t **ret_inos, unsigned *ret_n)
	must_check;

#endif
