/* SPDX-License-Identifier: ISC */
/* What the sources of the view share.  Every function needs the index lock. */
#ifndef COFFER_VAULT_MERGE_VIEW_PRIV_H
#define COFFER_VAULT_MERGE_VIEW_PRIV_H

#include "base/buf.h"
#include "vault/merge/hash_set.h"
#include "vault/merge/merge.h"
#include "vault/merge/view.h"

/* ---- lists ---- */
/* A zeroed member at the end; -ENOMEM. */
int member_add(struct member_list *l, struct member **ret) must_check;
/* Makes room for so many more; -ENOMEM. */
int member_reserve(struct member_list *l, unsigned n) must_check;
/* A copy of `m` at the end. */
int member_copy(struct member_list *l, const struct member *m) must_check;
void member_remove(struct member_list *l, unsigned i);
void member_release(struct member *m);
bool member_equal(const struct member *a, const struct member *b);
int entry_add(struct entry_list *l, struct entry **ret) must_check;
int entry_by_name(const void *a, const void *b); /* qsort(3), bsearch(3) */
void entry_list_sort(struct entry_list *l);

/* ---- rows (view_row.c) ---- */
uint64_t view_cookie(const struct vault *v, const void *name, size_t len);
/* 1, 0: the row of a name at a rep, with members. */
int view_row_find(struct vault *v, uint64_t rep, const void *name, size_t len,
		  struct entry *ret) must_check;
/* The same, only what the row itself says. */
int view_row_peek(struct vault *v, uint64_t rep, const void *name, size_t len,
		  struct row_peek *ret) must_check;
/* Every row at a rep, with members. */
int view_row_all(struct vault *v, uint64_t rep, struct entry_list *ret)
	must_check;
/* The row of a cookie, which is there; the rows of names of one hash.  The hash
 * is view_cookie's; view_hash_of a row's cookie gives that of its name. */
int view_row_at(struct vault *v, uint64_t rep, uint64_t cookie,
		struct entry_list *ret) must_check;
int view_row_of_hash(struct vault *v, uint64_t rep, uint64_t hash,
		     struct entry_list *ret) must_check;
uint64_t view_hash_of(uint64_t cookie);
/* Writes a row (e->cookie 0: a free one is found) and keeps the directory's
 * counts; `old`: the row it replaces, or NULL. */
int view_row_put(struct vault *v, struct node *dir, struct entry *e,
		 const struct entry *old) must_check;
int view_row_delete(struct vault *v, struct node *dir, const struct entry *e)
	must_check;
/* A new row for one member placed in the directory itself, where the peek found
 * room; the removal of such a row. */
int view_row_put_simple(struct vault *v, struct node *dir,
			const struct member *m, const struct row_peek *at)
	must_check;
int view_row_delete_simple(struct vault *v, struct node *dir,
			   const struct row_peek *at) must_check;
/* A row that shows just `n` at a place in `dir` itself: no member list. */
bool entry_is_simple(const struct entry *e);
bool entry_is_special(const struct entry *e);

/* ---- special rows (view_special.c) ---- */
int view_special_note(struct vault *v, const struct entry *e) must_check;
int view_special_drop(struct vault *v, const struct entry *e) must_check;
/* Those that are generated or have a virtual member; of them those made from
 * names of one hash, and those that are displaced. */
int view_row_special(struct vault *v, uint64_t rep, struct entry_list *ret)
	must_check;
int view_row_special_of(struct vault *v, uint64_t rep, uint64_t hash,
			struct entry_list *ret) must_check;
int view_row_displaced(struct vault *v, uint64_t rep, struct entry_list *ret)
	must_check;

/* ---- contests (view_contest.c) ---- */
/*
 * Names of a directory beside those being resolved: the rows at `rep` but for
 * `replaced`, which is sorted.  A name that a row not replaced has, but might
 * have to give up, goes to `unsure`: if there is one, the result does not count.
 */
struct taken {
	uint64_t rep;
	const struct entry_list *replaced;
	struct hash_set *unsure;
};
/* R5 and N1 for members of one directory; `taken` NULL: they are all. */
int view_resolve(struct vault *v, const struct member_list *members,
		 const struct taken *taken, struct entry_list *ret) must_check;

/* The length of `name` cut to at most `max` bytes, between characters if it is
 * UTF-8. */
size_t view_cut_name(const uint8_t *name, size_t len, size_t max);

/* ---- R5 for directories (view_group.c) ---- */
/* Directories to be united: their numbers, the least id first. */
struct group {
	uint64_t *inos;
	unsigned n; /* 0: dissolved */
};
struct group_slot {
	uint64_t ino; /* 0: free */
	unsigned group;
};
struct group_list {
	struct group *g;
	unsigned n, cap;
	struct group_slot *slots;
	size_t n_slots, n_used;
};
void group_list_release(struct group_list *l);
#define auto_groups __attribute__((cleanup(group_list_release)))
/* Does an entry unite other directories than stand together now? */
int group_note(struct vault *v, const struct entry *e,
	       struct group_list *groups) must_check;
/* Directories of an entry that was, and that stand in none of `now`. */
int group_note_left(struct vault *v, const struct entry *old,
		    const struct entry_list *now, struct group_list *groups)
	must_check;
int view_regroup(struct vault *v, struct group_list *groups) must_check;

/* ---- rows and nodes (view.c, view_update.c) ---- */
/* ERR_BAD_INDEX if it is none. */
int view_need_dir(struct vault *v, uint64_t ino, struct node **ret) must_check;
/* Makes the rows of a directory those of `want`, of which `have` stand; sorts
 * both. */
int view_replace_rows(struct vault *v, struct node *dir,
		      struct entry_list *have, struct entry_list *want,
		      struct group_list *groups) must_check;

/* ---- R4 (view_cycle.c) ---- */
/* Recomputes R4 after the recorded place of `n` changed.  Every directory
 * whose shown place differs now goes into `ret` with its members of before;
 * their nodes are changed already. */
struct moved_dir {
	uint64_t ino;
	struct member_list old;
};
struct moved_list {
	struct moved_dir *d;
	unsigned n, cap;
};
void moved_list_release(struct moved_list *l);
#define auto_moved __attribute__((cleanup(moved_list_release)))
int view_break_cycles(struct vault *v, struct node *n, struct moved_list *ret)
	must_check;
/* The same for all directories at once, while none has a row yet. */
int view_break_all(struct vault *v) must_check;

#endif
