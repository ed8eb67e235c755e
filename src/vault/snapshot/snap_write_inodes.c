/* SPDX-License-Identifier: ISC */
/* The inodes of a state. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/merge/merge_priv.h"
#include "vault/merge/node_edit.h"
#include "vault/snapshot/snap_write_priv.h"

/* An inode, in the order of the items. */
struct inode_ref {
	struct inode_id id;
	uint64_t ino;
	bool is_dir;
};

struct inode_list {
	struct inode_ref *list;
	size_t n, cap;
};

static struct state_key key_of(struct op_key k)
{
	return (struct state_key){ k.clock, k.writer };
}

/* What only this device has is no state: no operation told of it. */
static bool is_local(const struct node *n)
{
	return n->kind == KIND_NONE ||
	       n->flags & (NODE_UNBORN | NODE_VIRTUAL);
}

static int collect_inode(void *arg, uint64_t ino, const uint8_t *rec,
			 size_t bytes)
{
	struct inode_list *l = arg;
	struct inode_ref *list;
	struct cursor c;

	(void)ino;
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		list = mem_realloc_array(l->list, l->cap, sizeof(*list));
		if (!list)
			return -ENOMEM;
		l->list = list;
	}
	list = l->list;
	list[l->n] = (struct inode_ref){ .ino = ino };
	cursor_init(&c, rec, bytes);
	(void)cursor_u64(&c);
	list[l->n++].id = inode_id_read(&c);
	return c.error ? ERR_BAD_INDEX : 0;
}

static int by_id(const void *a, const void *b)
{
	const struct inode_ref *x = a, *y = b;

	return inode_id_compare(x->id, y->id);
}

static int need(struct snap_writing *w, uint64_t ino, struct node **ret)
{
	int r = node_get(w->v->nodes, ino, ret);

	return r == 0 ? ERR_BAD_INDEX : r < 0 ? r : 0;
}

/* Ascending by id, without those only this device has. */
static int list_inodes(struct snap_writing *w, struct inode_list *l)
{
	size_t kept = 0;
	int r = node_cache_flush(w->v->nodes);

	if (r == 0)
		r = index_node_each(w->v->index, 0, collect_inode, l);
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		auto_node struct node *n = NULL;

		r = need(w, l->list[i].ino, &n);
		if (r < 0 || is_local(n))
			continue;
		l->list[i].is_dir = n->kind == KIND_DIR;
		l->list[kept++] = l->list[i];
	}
	l->n = kept;
	if (r == 0 && kept)
		qsort(l->list, kept, sizeof(*l->list), by_id);
	return r;
}

/* ---------------------------------------------------------------- registers */

static int give_xattr(void *arg, const struct index_xattr *x)
{
	struct snap_writing *w = arg;
	struct state_item it = { .type = STATE_XATTR };

	if (x->rec_bytes < XATTR_REC_HEADER)
		return ERR_BAD_INDEX;
	it.xattr.key = (struct state_key){ le64_get(x->rec),
					   le64_get(x->rec + 8) };
	/* Inherited, not its own. */
	if (!it.xattr.key.clock)
		return 0;
	it.xattr.is_removed = x->rec[16];
	it.xattr.name = (struct op_name){ x->name, x->name_len };
	it.xattr.value = x->rec + XATTR_REC_HEADER;
	it.xattr.value_bytes = (uint32_t)(x->rec_bytes - XATTR_REC_HEADER);
	return w->fn(w->arg, &it);
}

/* Attributes without a key are the origin's, or as the root began. */
static void fill_registers(const struct node *n, struct state_inode *to)
{
	for (unsigned i = 0; i < N_REGS; i++)
		to->regs[i] = key_of(n->regs[i]);
	if (n->regs[REG_MODE].clock)
		to->mode = n->mode;
	if (n->regs[REG_OWNER].clock) {
		to->uid = n->uid;
		to->gid = n->gid;
	}
	if (n->regs[REG_ATIME].clock)
		to->atime_ns = n->atime_ns;
	if (n->regs[REG_MTIME].clock)
		to->mtime_ns = n->mtime_ns;
	if (n->regs[REG_CTIME].clock)
		to->ctime_ns = n->ctime_ns;
	if (!to->is_split)
		to->btime_ns = n->btime_ns;
}

static int give_inode(struct snap_writing *w, const struct inode_ref *ref)
{
	auto_node struct node *n = NULL;
	struct state_item it = { .type = STATE_INODE };
	int r = need(w, ref->ino, &n);

	if (r < 0)
		return r;
	it.inode.id = n->id;
	it.inode.kind = n->kind;
	it.inode.is_split = n->flags & NODE_SPLIT;
	it.inode.major = n->rdev_major;
	it.inode.minor = n->rdev_minor;
	it.inode.target = (struct op_name){ n->target.bytes, n->target.len };
	fill_registers(n, &it.inode);
	r = w->fn(w->arg, &it);
	return r < 0 ? r : index_xattr_each(w->v->index, n->ino, give_xattr, w);
}

/* ---------------------------------------------------------------- places */

static int by_link(const void *a, const void *b)
{
	const struct node_link_clock *x = a, *y = b;

	return dot_compare(x->link, y->link);
}

static int give_links(struct snap_writing *w, const struct node *n)
{
	auto_free struct node_link_clock *l = mem_zalloc_array(
		n->n_places + n->n_old_links + 1u, sizeof(*l));
	size_t count = 0;
	int r = 0;

	if (!l)
		return -ENOMEM;
	for (unsigned i = 0; i < n->n_places; i++)
		l[count++] = (struct node_link_clock){
			n->places[i].link, n->places[i].link_clock
		};
	for (unsigned i = 0; i < n->n_old_links; i++)
		l[count++] = n->old_links[i];
	if (count)
		qsort(l, count, sizeof(*l), by_link);
	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct state_item it = {
			.type = STATE_LINK,
			.link = { l[i].link, l[i].clock },
		};

		if (i == 0 || !dot_equal(l[i - 1].link, l[i].link))
			r = w->fn(w->arg, &it);
	}
	return r;
}

static int id_of(struct snap_writing *w, uint64_t ino, struct inode_id *ret)
{
	auto_node struct node *n = NULL;
	int r = need(w, ino, &n);

	if (r == 0)
		*ret = n->id;
	return r;
}

static struct op_name name_of(const struct node_name *n)
{
	return (struct op_name){ n->bytes, n->len };
}

static int give_place(struct snap_writing *w, const struct node_place *p)
{
	struct state_item it = { .type = STATE_PLACE };
	struct state_place *to = &it.place;
	int r = 0;

	to->dot = p->dot;
	to->link = p->link;
	to->clock = p->clock;
	to->is_claim = p->is_claim;
	to->is_killed = p->is_killed;
	to->is_first = p->name.len == 0;
	to->has_from = p->from_parent != 0;
	to->name = name_of(&p->name);
	to->pin = key_of(p->pin);
	if (!to->is_first)
		r = id_of(w, p->parent, &to->parent);
	if (r == 0 && to->has_from) {
		to->from_name = name_of(&p->from_name);
		r = id_of(w, p->from_parent, &to->from_parent);
	}
	if (r == 0 && p->pin.clock) {
		to->pin_name = name_of(&p->pin_name);
		r = id_of(w, p->pin_parent, &to->pin_parent);
	}
	return r < 0 ? r : w->fn(w->arg, &it);
}

static int by_place(const void *a, const void *b)
{
	const struct node_place *const *x = a, *const *y = b;

	return dot_compare((*x)->dot, (*y)->dot);
}

static int give_places(struct snap_writing *w, const struct node *n)
{
	auto_free const struct node_place **l =
		mem_zalloc_array(n->n_places + 1u, sizeof(*l));
	int r = 0;

	if (!l)
		return -ENOMEM;
	for (unsigned i = 0; i < n->n_places; i++)
		l[i] = &n->places[i];
	if (n->n_places)
		qsort(l, n->n_places, sizeof(*l), by_place);
	for (unsigned i = 0; r == 0 && i < n->n_places; i++)
		r = give_place(w, l[i]);
	return r;
}

/* ---------------------------------------------------------------- contents */

/* Normalised extents, gathered into items. */
struct gathering {
	struct snap_writing *w;
	struct dot version;
	struct buf list;
	uint32_t n;
	struct extent now; /* length 0: none */
	uint64_t chunk;
	uint8_t bytes[OP_INLINE_MAX];
};

static int give_extents(struct gathering *g)
{
	const struct state_item it = {
		.type = STATE_EXTENTS,
		.extents = { g->version,
			     { g->list.data, (uint32_t)g->list.len, g->n } },
	};
	int r = buf_error(&g->list);

	if (r == 0 && g->n)
		r = g->w->fn(g->w->arg, &it);
	buf_reset(&g->list);
	g->n = 0;
	return r;
}

/* The extent at hand is complete. */
static int end_extent(struct gathering *g)
{
	struct index_chunk c;
	int r;

	if (g->now.length == 0)
		return 0;
	if (g->now.kind == EXTENT_CHUNK) {
		r = index_chunk_get(g->w->v->index, g->chunk, &c);
		if (r <= 0)
			return r < 0 ? r : ERR_BAD_INDEX;
		g->now.id = c.id;
		g->now.chunk_length = c.entry.plain_bytes;
	} else {
		g->now.bytes = g->bytes;
	}
	extent_put(&g->list, &g->now);
	g->now.length = 0;
	g->n++;
	/* As many as an item takes; inline ones are long. */
	return g->n == STATE_EXTENTS_MAX ||
	       g->list.len > STATE_ITEM_MAX / 2 ?
		       give_extents(g) : 0;
}

static void begin_extent(struct gathering *g, const struct index_extent *e)
{
	g->now = (struct extent){ .offset = e->offset,
				  .kind = e->kind,
				  .chunk_offset = e->chunk_offset };
	g->chunk = e->chunk;
}

static int add_chunk_row(struct gathering *g, const struct index_extent *e)
{
	bool goes_on = g->now.length && g->now.kind == EXTENT_CHUNK &&
		       g->chunk == e->chunk &&
		       g->now.offset + g->now.length == e->offset &&
		       g->now.chunk_offset + g->now.length == e->chunk_offset;
	int r = goes_on ? 0 : end_extent(g);

	if (!goes_on)
		begin_extent(g, e);
	g->now.length += e->length;
	return r;
}

/* Bytes that follow each other are cut anew, at full length. */
static int add_inline_row(struct gathering *g, const struct index_extent *e)
{
	uint64_t done = 0;
	int r = 0;

	if (g->now.length && (g->now.kind != EXTENT_INLINE ||
			      g->now.offset + g->now.length != e->offset))
		r = end_extent(g);
	while (r == 0 && done < e->length) {
		if (g->now.length == 0) {
			begin_extent(g, e);
			g->now.offset += done;
		}
		uint64_t n = min_of(e->length - done,
				    OP_INLINE_MAX - g->now.length);
		memcpy(g->bytes + g->now.length, e->bytes + done, n);
		g->now.length += n;
		done += n;
		if (g->now.length == OP_INLINE_MAX)
			r = end_extent(g);
	}
	return r;
}

static int gather_row(void *arg, const struct index_extent *e)
{
	return e->kind == EXTENT_CHUNK ? add_chunk_row(arg, e) :
					 add_inline_row(arg, e);
}

static int give_contents(struct snap_writing *w, const struct node_version *ver)
{
	auto_free struct gathering *g = mem_zalloc(sizeof(*g));
	int r;

	if (!g)
		return -ENOMEM;
	g->w = w;
	g->version = ver->dot;
	buf_init(&g->list, STATE_ITEM_MAX);
	r = index_extent_each(w->v->index, ver->holder, 0, INT64_MAX,
			      gather_row, g);
	if (r == 0)
		r = end_extent(g);
	if (r == 0)
		r = give_extents(g);
	buf_release(&g->list);
	return r;
}

/* Those of what is shown nowhere are dropped (merge_settle_holders). */
static bool has_contents(const struct node *n)
{
	return n->kind == KIND_FILE &&
	       (merge_is_shown(n) ||
		(n->n_places == 0 && !(n->flags & NODE_SPLIT)));
}

static int by_version(const void *a, const void *b)
{
	const struct node_version *const *x = a, *const *y = b;

	return dot_compare((*x)->dot, (*y)->dot);
}

static int by_split(const void *a, const void *b)
{
	const struct node_sibling *const *x = a, *const *y = b;

	return dot_compare((*x)->version, (*y)->version);
}

static int give_splits(struct snap_writing *w, const struct node *n)
{
	auto_free const struct node_sibling **l =
		mem_zalloc_array(n->n_siblings + 1u, sizeof(*l));
	unsigned count = 0;
	int r = 0;

	if (!l)
		return -ENOMEM;
	for (unsigned i = 0; i < n->n_siblings; i++)
		if (n->siblings[i].is_split)
			l[count++] = &n->siblings[i];
	if (count)
		qsort(l, count, sizeof(*l), by_split);
	for (unsigned i = 0; r == 0 && i < count; i++) {
		const struct state_item it = { .type = STATE_SPLIT,
					       .split = l[i]->version };

		r = w->fn(w->arg, &it);
	}
	return r;
}

static int give_versions(struct snap_writing *w, const struct node *n)
{
	auto_free const struct node_version **l =
		mem_zalloc_array(n->n_versions + 1u, sizeof(*l));
	bool all = has_contents(n);
	int r = 0;

	if (!l)
		return -ENOMEM;
	for (unsigned i = 0; i < n->n_versions; i++)
		l[i] = &n->versions[i];
	if (n->n_versions)
		qsort(l, n->n_versions, sizeof(*l), by_version);
	for (unsigned i = 0; r == 0 && i < n->n_versions; i++) {
		struct state_item it = { .type = STATE_VERSION };

		it.version.dot = l[i]->dot;
		it.version.clock = l[i]->clock;
		it.version.size = l[i]->size;
		it.version.has_contents = all;
		it.version.is_deleted = l[i]->is_deleted;
		if (l[i]->is_deleted)
			it.version.deleted = key_of(l[i]->deleted);
		r = all && !l[i]->holder ? ERR_BAD_INDEX : w->fn(w->arg, &it);
	}
	if (r == 0)
		r = give_splits(w, n);
	for (unsigned i = 0; r == 0 && all && i < n->n_versions; i++)
		r = give_contents(w, l[i]);
	return r;
}

static int give_rest(struct snap_writing *w, const struct inode_ref *ref)
{
	auto_node struct node *n = NULL;
	struct state_item it = { .type = ref->is_dir ? STATE_DIR :
						       STATE_FILE };
	int r = need(w, ref->ino, &n);

	if (r < 0 || (ref->is_dir && !n->n_places && !n->n_old_links))
		return r;
	it.id = n->id;
	r = w->fn(w->arg, &it);
	if (r == 0)
		r = give_links(w, n);
	if (r == 0)
		r = give_places(w, n);
	return r < 0 || ref->is_dir ? r : give_versions(w, n);
}

int snap_write_inodes(struct snap_writing *w)
{
	struct inode_list l = { .n = 0 };
	int r = list_inodes(w, &l);

	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = give_inode(w, &l.list[i]);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		if (l.list[i].is_dir)
			r = give_rest(w, &l.list[i]);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		if (!l.list[i].is_dir)
			r = give_rest(w, &l.list[i]);
	mem_free(l.list);
	return r;
}
