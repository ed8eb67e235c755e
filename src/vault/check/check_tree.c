/* SPDX-License-Identifier: ISC */
/* What damage means for the folder, and whether the index is of one mind. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "vault/check/check_priv.h"
#include "vault/content/content.h"
#include "vault/merge/merge.h"
#include "vault/merge/node_edit.h"
#include "vault/merge/view.h"
#include "vault/packs/packs.h"
#include "vault/tree/holds.h"

/* ---------------------------------------------------------------- the stage */

struct staged {
	struct store_place place;
	uint64_t chunk, pack;
};

struct staged_list {
	struct staged *s;
	size_t n, cap;
	uint64_t file;
};

static int staged_fn(void *arg, const struct index_chunk *chunk)
{
	struct staged_list *l = arg;

	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct staged *s = mem_realloc_array(l->s, cap, sizeof(*s));

		if (!s)
			return -ENOMEM;
		l->s = s;
		l->cap = cap;
	}
	l->s[l->n++] = (struct staged){
		.place = { .is_stage = true,
			   .stage_file = l->file,
			   .type = PACK_DATA,
			   .entry = chunk->entry },
		.chunk = chunk->chunk,
		.pack = chunk->pack,
	};
	return 0;
}

static int check_staged(struct checker *c, const struct staged *s)
{
	const struct pack_entry *e = &s->place.entry;
	auto_free uint8_t *plain = mem_alloc(e->plain_bytes);
	struct content_id id;
	char what[64];

	if (!plain)
		return -ENOMEM;
	int r = store_read(c->v->store, &s->place, 0, 0,
			   (e->plain_bytes + RECORD_SUB_BYTES - 1) /
				   RECORD_SUB_BYTES, false, plain);
	if (r == 0) {
		keys_content_id(&c->v->keys->vault.cid_data, plain,
				e->plain_bytes, &id);
		if (memcmp(&id, &e->id, sizeof(id)) != 0)
			r = ERR_BAD_SEAL;
	}
	mem_wipe(plain, e->plain_bytes);
	if (r == 0 || r == -ENOMEM)
		return r;
	snprintf(what, sizeof(what), "stage/%016" PRIx64 " (state directory)",
		 s->place.stage_file);
	check_tell(c, VAULT_FINDING_DAMAGE, what, r, NULL);
	const struct bad_range bad = {
		.chunk = s->chunk,
		.pack = s->pack,
		.count = SUB_BLOCKS_MAX,
	};

	return check_add_bad(c, &bad);
}

struct stage_packs {
	struct index_pack *p;
	size_t n, cap;
};

static int stage_pack_fn(void *arg, const struct index_pack *p)
{
	struct stage_packs *l = arg;

	if (!p->is_stage)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		struct index_pack *a = mem_realloc_array(l->p, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		l->p = a;
		l->cap = cap;
	}
	l->p[l->n++] = *p;
	return 0;
}

int check_stage(struct checker *c)
{
	struct staged_list l = { 0 };
	struct stage_packs packs = { 0 };
	int r;

	if (!c->opts->read_data)
		return 0;
	lock_take(&c->v->index_lock);
	r = index_pack_each(c->v->index, stage_pack_fn, &packs);
	for (size_t i = 0; r == 0 && i < packs.n; i++) {
		l.file = packs.p[i].stage_file;
		r = index_chunk_each_of_pack(c->v->index, packs.p[i].pack,
					     staged_fn, &l);
	}
	lock_drop(&c->v->index_lock);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = check_staged(c, &l.s[i]);
	mem_free(packs.p);
	mem_free(l.s);
	return r;
}

/* ---------------------------------------------------------------- references */

/* The extents, and what they lose. */
struct loss_walk {
	struct checker *c;
	struct loss_list *list;
};

static int by_place(const void *a, const void *b)
{
	const struct bad_range *x = a, *y = b;

	if (x->chunk != y->chunk)
		return x->chunk > y->chunk ? 1 : -1;
	if (x->pack != y->pack)
		return x->pack > y->pack ? 1 : -1;
	return (x->first > y->first) - (x->first < y->first);
}

/* Ranges of one chunk, of all packs, sorted. */
struct bad_group {
	const struct bad_range *r;
	size_t n;
};

/* Takes away from `lost` what can be read from a pack. */
static void keep_bad(const struct bad_group *g, uint64_t pack,
		     bool lost[static SUB_BLOCKS_MAX])
{
	bool bad[SUB_BLOCKS_MAX] = { false };

	for (size_t i = 0; i < g->n; i++)
		for (uint32_t k = 0; g->r[i].pack == pack && k < g->r[i].count;
		     k++)
			bad[min_of(g->r[i].first + k, SUB_BLOCKS_MAX - 1)] =
				true;
	for (unsigned i = 0; i < SUB_BLOCKS_MAX; i++)
		lost[i] &= bad[i];
}

/* What of a chunk no pack has: a read asks them all. */
static int find_lost(struct vault *v, const struct bad_group *g,
		     bool lost[static SUB_BLOCKS_MAX])
{
	struct index_chunk row, other;
	struct index_pack p;
	int r = index_chunk_get(v->index, g->r->chunk, &row);

	memset(lost, true, SUB_BLOCKS_MAX * sizeof(*lost));
	if (r <= 0)
		return r;
	if (row.pack)
		keep_bad(g, row.pack, lost);
	for (unsigned i = 0; r > 0; i++) {
		r = packs_other_place(v, &row.id, i, &other, &p);
		if (r > 0)
			keep_bad(g, other.pack, lost);
	}
	return r;
}

/* Puts the runs of what is lost of a chunk to the front of the list: never more
 * than the ranges that were read to find them. */
static size_t put_lost(struct bad_range *to, uint64_t chunk, bool is_waiting,
		       const bool lost[static SUB_BLOCKS_MAX])
{
	size_t n = 0;

	for (uint32_t i = 0; i < SUB_BLOCKS_MAX; i++) {
		if (!lost[i])
			continue;
		if (i == 0 || !lost[i - 1])
			to[n++] = (struct bad_range){
				.chunk = chunk,
				.first = i,
				.is_waiting = is_waiting,
			};
		to[n - 1].count++;
	}
	return n;
}

/* From what no pack could give, by pack, to what is lost. */
static int keep_lost(struct checker *c)
{
	bool lost[SUB_BLOCKS_MAX];
	size_t n_lost = 0;
	int r = 0;

	if (c->n_bad)
		qsort(c->bad, c->n_bad, sizeof(c->bad[0]), by_place);
	for (size_t at = 0; r == 0 && at < c->n_bad;) {
		struct bad_group g = { .r = c->bad + at };
		uint64_t chunk = g.r->chunk;

		bool is_waiting = false;

		while (at + g.n < c->n_bad && g.r[g.n].chunk == chunk)
			is_waiting |= g.r[g.n++].is_waiting;
		lock_take(&c->v->index_lock);
		r = find_lost(c->v, &g, lost);
		lock_drop(&c->v->index_lock);
		at += g.n;
		if (r == 0)
			n_lost += put_lost(c->bad + n_lost, chunk, is_waiting,
					   lost);
	}
	if (r == 0)
		c->n_bad = n_lost;
	return r;
}

/* The first bad range of a chunk, or of a later one. */
static size_t first_bad(const struct checker *c, uint64_t chunk)
{
	size_t low = 0, high = c->n_bad;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->bad[mid].chunk < chunk)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* 1: it is somewhere, or in memory still. */
static int has_place(struct vault *v, uint64_t chunk)
{
	struct index_chunk row;
	int r = index_chunk_get(v->index, chunk, &row);

	return r <= 0 ? r : row.pack != 0 || content_names_chunk(v, chunk);
}

/* Called for each part of an extent that lies in bad sub-blocks, by its place
 * in the file. */
typedef int lost_part_fn(void *arg, uint64_t offset, uint64_t length,
			 bool is_waiting);

/* All of it if the chunk is nowhere: what announces it may still arrive. */
static int each_lost(const struct checker *c, const struct index_extent *e,
		     lost_part_fn *fn, void *arg)
{
	uint64_t from = e->chunk_offset, to = from + e->length;
	int r = e->kind == EXTENT_CHUNK ? has_place(c->v, e->chunk) : -EAGAIN;

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	if (r == 0)
		return fn(arg, e->offset, e->length, true);
	r = 0;
	for (size_t i = first_bad(c, e->chunk);
	     r == 0 && i < c->n_bad && c->bad[i].chunk == e->chunk; i++) {
		uint64_t a = (uint64_t)c->bad[i].first * RECORD_SUB_BYTES;
		uint64_t b = a + (uint64_t)c->bad[i].count * RECORD_SUB_BYTES;

		a = max_of(a, from);
		b = min_of(b, to);
		if (a < b)
			r = fn(arg, e->offset + (a - from), b - a,
			       c->bad[i].is_waiting);
	}
	return r;
}

static int add_loss(void *arg, uint64_t offset, uint64_t length,
		    bool is_waiting)
{
	struct loss *l = arg;

	if (l->bytes == 0)
		l->first = offset;
	l->bytes += length;
	l->waiting += is_waiting ? length : 0;
	return 0;
}

static int extent_fn(void *arg, uint64_t ino, const struct index_extent *e)
{
	struct loss_walk *w = arg;
	struct loss_list *l = w->list;
	struct loss one = { .ino = ino };
	int r = each_lost(w->c, e, add_loss, &one);

	if (r < 0 || one.bytes == 0)
		return r;
	if (l->n && l->l[l->n - 1].ino == ino) {
		l->l[l->n - 1].bytes += one.bytes;
		l->l[l->n - 1].waiting += one.waiting;
		return 0;
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct loss *a = mem_realloc_array(l->l, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		l->l = a;
		l->cap = cap;
	}
	l->l[l->n++] = one;
	return 0;
}

/* ---------------------------------------------------------------- parts */

struct part_walk {
	const struct checker *c;
	bool waiting;
	struct lost_parts lost, rest;
	uint64_t at; /* up to where the extent has been looked at */
};

static int put_part(struct lost_parts *l, uint64_t offset, uint64_t length)
{
	struct lost_part *last = l->n ? &l->p[l->n - 1] : NULL;

	if (length == 0)
		return 0;
	if (last && last->offset + last->length == offset) {
		last->length += length;
		return 0;
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct lost_part *a = mem_realloc_array(l->p, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		l->p = a;
		l->cap = cap;
	}
	l->p[l->n++] = (struct lost_part){ offset, length };
	return 0;
}

static int add_part(void *arg, uint64_t offset, uint64_t length,
		    bool is_waiting)
{
	struct part_walk *w = arg;
	int r;

	if (is_waiting && !w->waiting)
		return 0;
	r = put_part(&w->rest, w->at, offset - w->at);
	w->at = offset + length;
	return r < 0 ? r : put_part(&w->lost, offset, length);
}

static int part_extent(void *arg, const struct index_extent *e)
{
	struct part_walk *w = arg;

	w->at = e->offset;
	int r = each_lost(w->c, e, add_part, w);
	/* An extent that loses nothing stays as it is. */
	if (r < 0 || w->at == e->offset)
		return r;
	return put_part(&w->rest, w->at, e->offset + e->length - w->at);
}

int check_lost_parts(struct checker *c, uint64_t ino, bool waiting,
		     struct lost_parts *ret, struct lost_parts *ret_rest)
{
	struct part_walk w = { .c = c, .waiting = waiting };

	lock_take(&c->v->index_lock);
	int r = index_extent_each(c->v->index, ino, 0, INT64_MAX, part_extent,
				  &w);
	lock_drop(&c->v->index_lock);
	if (r < 0) {
		mem_free(w.lost.p);
		mem_free(w.rest.p);
		return r;
	}
	*ret = w.lost;
	*ret_rest = w.rest;
	return 0;
}

/* ---------------------------------------------------------------- paths */

/* The entries of an inode; those of its file, for a version beside it. */
static int entries_of(struct vault *v, uint64_t ino, struct entry_list *ret)
{
	for (;;) {
		auto_node struct node *n = NULL;
		int r = node_get(v->nodes, ino, &n);

		if (r <= 0)
			return r;
		if (!(n->flags & NODE_VIRTUAL))
			return view_entries_of(v, n, ret);
		ino = n->origin;
	}
}

static void put_back(struct buf *back, const struct entry *e)
{
	for (size_t i = e->name_len; i-- > 0;)
		buf_put_u8(back, e->name[i]);
	buf_put_u8(back, '/');
}

/* The path of an entry, found from its end: 1, 0 if it shows nowhere. */
static int path_of(struct vault *v, const struct entry *e, struct buf *ret)
{
	auto_buf struct buf back = BUF_INIT(MEM_MAX);
	uint64_t dir = e->dir;

	put_back(&back, e);
	while (dir != VAULT_ROOT_INO) {
		auto_entries struct entry_list above = { 0 };
		int r = entries_of(v, dir, &above);

		if (r < 0 || above.n == 0)
			return r;
		put_back(&back, &above.e[0]);
		dir = above.e[0].dir;
	}
	for (size_t i = back.len; i-- > 0;)
		buf_put_u8(ret, back.data[i]);
	buf_put_u8(ret, 0);
	int r = buf_error(&back);
	return r < 0 ? r : buf_error(ret) < 0 ? -ENOMEM : 1;
}

static int paths_of(struct vault *v, uint64_t ino, struct buf *ret)
{
	auto_entries struct entry_list entries = { 0 };
	int r = entries_of(v, ino, &entries);

	for (unsigned i = 0; r >= 0 && i < entries.n; i++)
		r = path_of(v, &entries.e[i], ret);
	return min_of(r, 0);
}

int check_tell_paths(struct checker *c, uint64_t ino, enum vault_finding kind,
		     int err, const char *why, uint64_t *ret_n)
{
	auto_buf struct buf paths = BUF_INIT(MEM_MAX);
	uint64_t n = 0;

	lock_take(&c->v->index_lock);
	int r = paths_of(c->v, ino, &paths);
	lock_drop(&c->v->index_lock);
	if (r < 0)
		return r;
	for (size_t at = 0; at < paths.len;
	     at += strlen((const char *)paths.data + at) + 1) {
		n++;
		check_tell(c, kind, (const char *)paths.data + at, err, why);
	}
	if (ret_n)
		*ret_n = n;
	return 0;
}

static int tell_loss(struct checker *c, const struct loss *loss)
{
	uint64_t n;
	char why[112];

	snprintf(why, sizeof(why),
		 "%" PRIu64 " bytes of this file cannot be read, the first at "
		 "%" PRIu64, loss->bytes, loss->first);
	int r = check_tell_paths(c, loss->ino, VAULT_FINDING_DAMAGE,
				 ERR_DAMAGED, why, &n);
	if (r == 0)
		c->result->n_files_damaged += n;
	return r;
}

static int walk_losses(struct checker *c, struct loss_list *ret)
{
	struct loss_list l = { 0 };
	struct loss_walk w = { c, &l };

	lock_take(&c->v->index_lock);
	int r = index_extent_all(c->v->index, extent_fn, &w);
	lock_drop(&c->v->index_lock);
	if (r < 0)
		mem_free(l.l);
	else
		*ret = l;
	return r;
}

int check_find_losses(struct checker *c, struct loss_list *ret)
{
	int r = keep_lost(c);

	return r < 0 ? r : walk_losses(c, ret);
}

/* ---------------------------------------------------------------- needed */

static int mark_extent(void *arg, const struct index_extent *e)
{
	struct checker *c = arg;
	uint64_t from = e->chunk_offset, to = from + e->length;

	if (e->kind != EXTENT_CHUNK)
		return 0;
	for (size_t i = first_bad(c, e->chunk);
	     i < c->n_bad && c->bad[i].chunk == e->chunk; i++) {
		uint64_t a = (uint64_t)c->bad[i].first * RECORD_SUB_BYTES;
		uint64_t b = a + (uint64_t)c->bad[i].count * RECORD_SUB_BYTES;

		c->bad[i].is_needed |= a < to && from < b;
	}
	return 0;
}

static int mark_inode(struct checker *c, uint64_t ino)
{
	auto_buf struct buf paths = BUF_INIT(MEM_MAX);

	lock_take(&c->v->index_lock);
	int r = paths_of(c->v, ino, &paths);
	if (r == 0 && paths.len > 0)
		r = index_extent_each(c->v->index, ino, 0, INT64_MAX,
				      mark_extent, c);
	lock_drop(&c->v->index_lock);
	return r;
}

int check_mark_needed(struct checker *c)
{
	struct loss_list l = { 0 };
	int r;

	for (size_t i = 0; i < c->n_bad; i++)
		c->bad[i].is_needed = false;
	r = walk_losses(c, &l);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = mark_inode(c, l.l[i].ino);
	mem_free(l.l);
	return r;
}

/* What is bad by pack, too. */
static int keep_found(struct checker *c)
{
	if ((!c->opts->repair && c->n_doubtful == 0) || c->n_bad == 0)
		return 0;
	c->found = mem_realloc_array(NULL, c->n_bad, sizeof(*c->found));
	if (!c->found)
		return -ENOMEM;
	memcpy(c->found, c->bad, c->n_bad * sizeof(*c->found));
	c->n_found = c->n_bad;
	return 0;
}

int check_references(struct checker *c)
{
	int r = keep_found(c);

	if (r == 0)
		r = check_find_losses(c, &c->losses);
	if (r == 0 && c->n_doubtful > 0) {
		r = check_mark_needed(c);
		if (r == 0)
			check_tell_doubtful(c);
	}
	for (size_t i = 0; r == 0 && i < c->losses.n; i++)
		r = tell_loss(c, &c->losses.l[i]);
	return r;
}

/* ---------------------------------------------------------------- the tree */

struct inode_list {
	uint64_t *inos;
	size_t n, cap;
};

static int node_fn(void *arg, uint64_t ino, const uint8_t *rec, size_t bytes)
{
	struct inode_list *l = arg;

	if (node_rec_kind(rec, bytes) == KIND_NONE)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 1024;
		uint64_t *a = mem_realloc_array(l->inos, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		l->inos = a;
		l->cap = cap;
	}
	l->inos[l->n++] = ino;
	return 0;
}

/* Does every member an inode has stand in a row? */
static int check_inode(struct checker *c, uint64_t ino)
{
	struct vault *v = c->v;
	auto_node struct node *n = NULL;
	auto_members struct member_list members = { 0 };
	auto_entries struct entry_list entries = { 0 };
	unsigned found = 0;
	char what[64];
	int r = node_get(v->nodes, ino, &n);

	if (r > 0)
		r = view_members(v, n, &members);
	if (r == 0 && members.n)
		r = view_entries_of(v, n, &entries);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < entries.n; i++)
		for (unsigned k = 0; k < entries.e[i].members.n; k++)
			found += entries.e[i].members.m[k].ino == ino;
	if (found >= members.n)
		return 0;
	snprintf(what, sizeof(what), "index, inode %" PRIu64, ino);
	check_tell(c, VAULT_FINDING_DAMAGE, what, ERR_BAD_INDEX,
		   "a name of it is missing; run `coffer rebuild`");
	return 0;
}

struct row_check {
	struct checker *c;
	uint64_t dir, n_rows, n_subdirs;
	int broken;
};

static int row_fn(void *arg, const struct index_link *l)
{
	struct row_check *k = arg;
	auto_node struct node *n = NULL;
	int r = node_get(k->c->v->nodes, l->ino, &n);

	if (r < 0)
		return r;
	k->n_rows++;
	k->n_subdirs += l->kind == KIND_DIR;
	if (r == 0 || n->kind != l->kind)
		k->broken++;
	return 0;
}

/* Do the rows of a directory name inodes that are there, as many as it
 * counts? */
static int check_dir(struct checker *c, uint64_t ino)
{
	auto_node struct node *n = NULL;
	struct row_check k = { .c = c, .dir = ino };
	char what[64];
	int r = node_get(c->v->nodes, ino, &n);

	if (r <= 0 || n->kind != KIND_DIR || n->rep != ino)
		return r < 0 ? r : 0;
	r = index_link_each(c->v->index, ino, 0, row_fn, &k);
	if (r < 0)
		return r;
	if (!k.broken && k.n_subdirs == n->n_subdirs)
		return 0;
	snprintf(what, sizeof(what), "index, directory %" PRIu64, ino);
	check_tell(c, VAULT_FINDING_DAMAGE, what, ERR_BAD_INDEX,
		   "its entries do not fit; run `coffer rebuild`");
	return 0;
}

int check_tree(struct checker *c)
{
	struct vault *v = c->v;
	struct inode_list l = { 0 };

	lock_take(&v->index_lock);
	int r = node_cache_flush(v->nodes);
	if (r == 0)
		r = index_node_each(v->index, 0, node_fn, &l);
	lock_drop(&v->index_lock);
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		/* Given up in between: the vault may be in use. */
		lock_take(&v->index_lock);
		r = check_inode(c, l.inos[i]);
		if (r == 0)
			r = check_dir(c, l.inos[i]);
		lock_drop(&v->index_lock);
	}
	mem_free(l.inos);
	return r;
}
