/* SPDX-License-Identifier: ISC */
#include "vault/packs/repack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/mem.h"
#include "vault/content/content_priv.h"
#include "vault/packs/pack_maker.h"
#include "vault/packs/packs.h"

/* Of the file. */
#define SPARSE_SHARE 2u

/* What copying may take of what is free. */
#define FREE_SHARE 4u

/* ---------------------------------------------------------------- choosing */

struct candidate {
	struct index_pack pack;
	uint64_t keep;
	bool is_sparse; /* else small */
};

struct choosing {
	const struct garbage *g;
	struct candidate *list;
	size_t n, cap;
	uint64_t small_bytes;
};

static int add(struct choosing *ch, const struct candidate *c)
{
	if (ch->n == ch->cap) {
		size_t cap = ch->cap ? ch->cap * 2 : 16;
		struct candidate *grown =
			mem_realloc_array(ch->list, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		ch->list = grown;
		ch->cap = cap;
	}
	ch->list[ch->n++] = *c;
	return 0;
}

static uint64_t scaled(const struct choosing *ch, uint64_t bytes)
{
	return ch->g->v->opts.test_repack_small ? bytes / 16 : bytes;
}

static bool is_small(const struct choosing *ch, const struct index_pack *p)
{
	return p->size < scaled(ch, REPACK_SMALL_BYTES);
}

/* What the index counts says which packs are worth a look. */
static int consider(void *arg, const struct index_pack *p)
{
	struct choosing *ch = arg;
	struct vault *v = ch->g->v;
	struct candidate c = { .pack = *p };
	struct garbage_sums sums;

	if (p->is_stage || p->writer != v->writer || p->type != PACK_DATA ||
	    p->flags & PACK_FLAG_ABSENT || p->live_bytes == 0)
		return 0;
	c.is_sparse = p->live_bytes * SPARSE_SHARE < p->size;
	if ((!c.is_sparse && !is_small(ch, p)) ||
	    suspects_has(&v->content->suspects, p->writer, p->name))
		return 0;
	int r = garbage_of_pack(ch->g, p, NULL, &sums);
	if (r < 0 || sums.waiting > 0 || sums.needed == 0)
		return min_of(r, 0);
	c.keep = sums.needed;
	c.is_sparse = c.keep * SPARSE_SHARE < p->size;
	if (!c.is_sparse && !is_small(ch, p))
		return 0;
	if (is_small(ch, p))
		ch->small_bytes += p->size;
	return add(ch, &c);
}

/* What is freed for each byte copied, the most first. */
static int compare_gain(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	uint64_t left = x->keep * y->pack.size, right = y->keep * x->pack.size;

	if (left != right)
		return left < right ? -1 : 1;
	return x->pack.pack < y->pack.pack ? -1 : x->pack.pack > y->pack.pack;
}

/* A small pack that is padding for the most part is no sparse one: copied alone
 * it would be as small again. */
static bool is_worth(const struct choosing *ch, const struct candidate *c)
{
	return is_small(ch, &c->pack) ?
		       ch->small_bytes >= scaled(ch, REPACK_MERGE_BYTES) :
		       c->is_sparse;
}

static int make_plan(struct choosing *ch, struct repack_plan *ret)
{
	struct repack_plan p = {
		.packs = mem_zalloc_array(ch->n, sizeof(*p.packs)),
		.keep = mem_zalloc_array(ch->n, sizeof(*p.keep)),
	};

	if (ch->n > 0 && (!p.packs || !p.keep)) {
		repack_plan_release(&p);
		return -ENOMEM;
	}
	if (ch->n > 0)
		qsort(ch->list, ch->n, sizeof(*ch->list), compare_gain);
	for (size_t i = 0; i < ch->n; i++) {
		const struct candidate *c = &ch->list[i];

		if (!is_worth(ch, c))
			continue;
		p.packs[p.n] = c->pack;
		p.keep[p.n++] = c->keep;
		p.copy_bytes += c->keep;
		p.pack_bytes += c->pack.size;
	}
	*ret = p;
	return 0;
}

int repack_plan(const struct garbage *g, struct repack_plan *ret)
{
	struct choosing ch = { .g = g };
	int r = g->may_drop ? index_pack_each(g->v->index, consider, &ch) : 0;

	if (r == 0)
		r = make_plan(&ch, ret);
	mem_free(ch.list);
	return r;
}

void repack_plan_release(struct repack_plan *p)
{
	mem_free(p->packs);
	mem_free(p->keep);
	*p = (struct repack_plan){ .n = 0 };
}

/* ---------------------------------------------------------------- copying */

struct copying {
	struct pack_maker m;
	const struct garbage *g;
	struct buf entries; /* needed ones of the pack at hand */
	uint64_t bytes_left, copied;
};

static int collect_needed(void *arg, const struct index_chunk *c)
{
	struct copying *cp = arg;

	if (garbage_of_chunk(cp->g, c) != GARBAGE_NEEDED)
		return 0;
	pack_entry_put(&cp->entries, &c->entry);
	return buf_error(&cp->entries);
}

/* What does not authenticate is not sealed anew, as if it were good: it stays
 * where it is, and so does its pack. */
static int read_chunk(struct copying *cp, const struct index_pack *p,
		      const struct pack_entry *e)
{
	struct vault *v = cp->g->v;
	struct store_place from = {
		.writer = p->writer,
		.pack_bytes = p->size,
		.epoch = p->epoch,
		.key_id = p->key_id,
		.type = p->type,
		.entry = *e,
	};
	struct content_id id;

	memcpy(from.pack, p->name, sizeof(from.pack));
	int r = store_read(v->store, &from, core_newest_keys(v)->epoch, 0,
			   (e->plain_bytes - 1) / RECORD_SUB_BYTES + 1, false,
			   cp->m.plain);
	if (r < 0)
		return r;
	keys_content_id(&v->keys->vault.cid_data, cp->m.plain, e->plain_bytes,
			&id);
	return memcmp(&id, &e->id, sizeof(id)) == 0 ? 0 : ERR_BAD_SEAL;
}

static int copy_chunk(struct copying *cp, const struct index_pack *p,
		      const struct pack_entry *e)
{
	struct vault *v = cp->g->v;
	int r = read_chunk(cp, p, e);

	if (r < 0 && r != -ENOMEM && r != -EMFILE && r != -ENFILE) {
		suspects_add(&v->content->suspects, p->writer, p->name, r);
		return 0;
	}
	if (r == 0)
		r = pack_maker_add(&cp->m, &e->id, e->plain_bytes);
	if (r == 0) {
		cp->copied += e->stored_bytes;
		cp->bytes_left -= min_of(cp->bytes_left,
					 (uint64_t)e->stored_bytes);
	}
	return r;
}

static int copy_pack(struct copying *cp, const struct index_pack *p)
{
	struct vault *v = cp->g->v;
	struct cursor at;
	int r;

	buf_reset(&cp->entries);
	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = index_chunk_each_of_pack(v->index, p->pack, collect_needed,
					     cp);
	lock_drop(&v->index_lock);
	cursor_init(&at, cp->entries.data, cp->entries.len);
	while (r == 0 && cursor_left(&at) > 0) {
		struct pack_entry e;

		r = pack_entry_read(&at, &e);
		if (r == 0)
			r = copy_chunk(cp, p, &e);
	}
	return r;
}

static uint64_t free_bytes(struct vault *v)
{
	struct statvfs st;

	if (v->env->ops->statvfs(v->env, v->vault_dirfd, &st) < 0)
		return 0;
	return (uint64_t)st.f_bavail * st.f_frsize;
}

static int copy_all(struct commit *c, const struct garbage *g,
		    const struct repack_plan *plan, uint64_t max_bytes,
		    uint64_t *ret_bytes)
{
	struct copying cp = { .g = g, .entries = BUF_INIT(MEM_MAX) };
	int r = pack_maker_init(&cp.m, c);

	if (r < 0)
		return r;
	cp.bytes_left = min_of(max_bytes, free_bytes(c->v) / FREE_SHARE);
	for (size_t i = 0; r == 0 && i < plan->n; i++)
		if (plan->keep[i] <= cp.bytes_left)
			r = copy_pack(&cp, &plan->packs[i]);
	r = pack_maker_end(&cp.m, r);
	buf_release(&cp.entries);
	*ret_bytes = cp.copied;
	return r;
}

int repack_run(struct commit *c, uint64_t max_bytes, uint64_t *ret_bytes)
{
	auto_repack_plan struct repack_plan plan = { .n = 0 };
	auto_garbage struct garbage g = { .v = c->v };
	struct vault *v = c->v;
	uint64_t copied = 0;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = garbage_begin(v, &g);
	if (r == 0)
		r = repack_plan(&g, &plan);
	lock_drop(&v->index_lock);
	if (r == 0 && plan.n > 0)
		r = copy_all(c, &g, &plan, max_bytes, &copied);
	if (r == 0)
		*ret_bytes = copied;
	return r;
}
