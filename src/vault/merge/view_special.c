/* SPDX-License-Identifier: ISC */
/*
 * The few rows of a directory that are generated or have a virtual member.
 * Each directory has tables of its own for them, by the hash of the name they
 * were made from: a big one is not searched for the few, nor all of those for
 * one name's.
 */
#include <stdio.h>

#include "base/mem.h"
#include "vault/merge/view_priv.h"

#define ID_BYTES 16 /* hash of the name before R5, cookie of the row */

struct special_table {
	char name[32];
};

static struct special_table table_of(const char *what, uint64_t rep)
{
	struct special_table t;

	snprintf(t.name, sizeof(t.name), "%s-%016llx", what,
		 (unsigned long long)rep);
	return t;
}

static struct special_table all_of(uint64_t rep)
{
	return table_of("special", rep);
}

/* Those whose first name was taken: a name that comes free may concern them. */
static struct special_table displaced_of(uint64_t rep)
{
	return table_of("displaced", rep);
}

static void id_of(struct vault *v, const struct entry *e,
		  uint8_t to[static ID_BYTES])
{
	const struct member *m = &e->members.m[0];

	le64_put(to, view_cookie(v, m->name, m->name_len));
	le64_put(to + 8, e->cookie);
}

int view_special_note(struct vault *v, const struct entry *e)
{
	struct special_table t = all_of(e->dir), d = displaced_of(e->dir);
	uint8_t id[ID_BYTES];
	int r;

	id_of(v, e, id);
	r = index_value_put(v->index, t.name, id, sizeof(id), id, 0);
	if (r == 0 && e->is_displaced)
		r = index_value_put(v->index, d.name, id, sizeof(id), id, 0);
	return r;
}

int view_special_drop(struct vault *v, const struct entry *e)
{
	struct special_table t = all_of(e->dir), d = displaced_of(e->dir);
	uint8_t id[ID_BYTES];
	int r;

	id_of(v, e, id);
	r = index_value_delete(v->index, t.name, id, sizeof(id));
	if (r == 0 && e->is_displaced)
		r = index_value_delete(v->index, d.name, id, sizeof(id));
	return r;
}

/* ---------------------------------------------------------------- reading */

struct walk {
	uint64_t hash; /* 0: all */
	struct buf cookies;
};

static int walk_fn(void *arg, const uint8_t *id, size_t id_bytes,
		   const uint8_t *rec, size_t bytes)
{
	struct walk *w = arg;

	(void)rec;
	(void)bytes;
	if (id_bytes != ID_BYTES)
		return ERR_BAD_INDEX;
	if (w->hash && le64_get(id) != w->hash)
		return 1;
	buf_put(&w->cookies, id + 8, 8);
	return buf_error(&w->cookies);
}

/* The rows a table names: all, or those of one hash. */
static int read_rows(struct vault *v, uint64_t rep, const char *table,
		     uint64_t hash, struct entry_list *ret)
{
	struct walk w = { hash, BUF_INIT(MEM_MAX) };
	uint8_t from[8];
	int r;

	le64_put(from, hash);
	r = index_value_each_from(v->index, table, from, hash ? 8 : 0, walk_fn,
				  &w);
	for (size_t at = 0; r >= 0 && at < w.cookies.len; at += 8)
		r = view_row_at(v, rep, le64_get(w.cookies.data + at), ret);
	buf_release(&w.cookies);
	return min_of(r, 0);
}

int view_row_special(struct vault *v, uint64_t rep, struct entry_list *ret)
{
	return read_rows(v, rep, all_of(rep).name, 0, ret);
}

int view_row_special_of(struct vault *v, uint64_t rep, uint64_t hash,
			struct entry_list *ret)
{
	return read_rows(v, rep, all_of(rep).name, hash, ret);
}

int view_row_displaced(struct vault *v, uint64_t rep, struct entry_list *ret)
{
	return read_rows(v, rep, displaced_of(rep).name, 0, ret);
}
