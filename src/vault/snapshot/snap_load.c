/* SPDX-License-Identifier: ISC */
/*
 * An index from the items of a state.  Whoever wrote them had the keys, but
 * need not have kept the rules: what the rest of the program relies on is
 * checked here.
 *
 * Inodes come first, then the places of directories, whose cycles (R4) are
 * broken once all are known, then each file with all it has.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "format/segment_priv.h"
#include "index/index_chunk.h"
#include "vault/log/writers.h"
#include "vault/merge/merge_priv.h"
#include "vault/merge/node_edit.h"
#include "vault/merge/view_priv.h"
#include "vault/packs/announced.h"
#include "vault/packs/packs.h"
#include "vault/snapshot/snap_state.h"
#include "vault/tables.h"

/* Origins asked for in all, so that nobody makes us walk for ever. */
#define ORIGIN_STEPS ((uint64_t)1 << 26)

struct snap_load {
	struct vault *v;
	struct state_order order;
	bool has_root;
	bool has_view; /* of the directories */
	uint64_t n_splits, n_attached, n_steps;

	/* Hashes, which are all there are of a writer. */
	uint64_t hash_writer, hash_next, hash_end;
	struct file_hash hash_head;
	uint64_t n_writers, n_hashed;

	/* The pack whose entries follow. */
	struct state_pack pack;
	struct buf entries;

	uint64_t ino; /* of STATE_INODE */

	/* The directory or file at hand; NULL between two. */
	struct node *n;
	struct node_link_clock *links; /* ascending, as they come */
	size_t n_links, cap_links;
	bool has_holders; /* which inode holds which version is settled */
	struct dot at;	  /* the version whose extents follow */
	uint64_t at_end;

	struct buf dirs; /* LE64 numbers */
};

int snap_load_new(struct vault *v, struct snap_load **ret)
{
	struct snap_load *l = mem_zalloc(sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->v = v;
	buf_init(&l->entries, (size_t)PACK_MAX_ENTRIES * PACK_ENTRY_BYTES);
	buf_init(&l->dirs, MEM_MAX);
	*ret = l;
	return 0;
}

void snap_load_free(struct snap_load *l)
{
	if (!l)
		return;
	node_put(l->n);
	mem_free(l->links);
	buf_release(&l->entries);
	buf_release(&l->dirs);
	mem_free(l);
}

static struct op_key key_of(struct state_key k)
{
	return (struct op_key){ k.clock, k.writer };
}

/* ---------------------------------------------------------------- writers */

static int load_writer(struct snap_load *l, const struct state_writer *s)
{
	const struct writer_state w = {
		.writer = s->writer,
		.seq = s->seq,
		.head = s->head,
		.epoch = s->epoch,
		.first = s->first,
		.last = s->last,
	};
	int r = writer_put(l->v, &w);

	if (r == 0)
		r = writer_put_vector(l->v, s->writer, s->vv,
				      (size_t)s->n_vv * SEGMENT_VV_BYTES);
	oplog_see(&l->v->oplog, s->last);
	l->n_writers++;
	return r;
}

/* All hashes of one writer, up to its head. */
static int end_hashes(struct snap_load *l)
{
	bool is_whole = l->hash_next == l->hash_end;

	l->hash_next = l->hash_end = 0;
	return is_whole ? 0 : ERR_MALFORMED;
}

static int begin_hashes(struct snap_load *l, uint64_t writer)
{
	struct writer_state w;
	int r = end_hashes(l);

	if (r == 0)
		r = writer_get(l->v, writer, &w);
	if (r <= 0)
		return r < 0 ? r : ERR_MALFORMED;
	l->hash_writer = writer;
	l->hash_next = 1;
	l->hash_end = w.seq + 1;
	l->hash_head = w.head;
	l->n_hashed++;
	return 0;
}

static int load_hashes(struct snap_load *l, const struct state_hashes *h)
{
	struct file_hash one = { .b = { 0 } };
	int r = h->writer == l->hash_writer && l->hash_end ?
			0 : begin_hashes(l, h->writer);

	if (r == 0 && (h->first != l->hash_next ||
		       h->n > l->hash_end - l->hash_next))
		r = ERR_MALFORMED;
	for (uint32_t i = 0; r == 0 && i < h->n; i++) {
		memcpy(one.b, h->hashes + i * sizeof(one), sizeof(one));
		r = writer_put_hash(l->v, h->writer, l->hash_next++, &one);
	}
	if (r == 0 && l->hash_next == l->hash_end &&
	    memcmp(&one, &l->hash_head, sizeof(one)) != 0)
		r = ERR_MALFORMED;
	return r;
}

/* ---------------------------------------------------------------- tables */

static void put_key(struct buf *b, struct state_key k)
{
	buf_put_u64(b, k.clock);
	buf_put_u64(b, k.writer);
}

static void put_text(struct buf *b, const struct op_name *n)
{
	buf_put_u8(b, (uint8_t)n->len);
	buf_put(b, n->bytes, n->len);
}

static int put_row(struct snap_load *l, const char *table, const void *id,
		   size_t id_bytes, const struct buf *b)
{
	int r = buf_error(b);

	return r < 0 ? r : index_value_put(l->v->index, table, id, id_bytes,
					   b->data, b->len);
}

/* As devices.c keeps it. */
static int load_device(struct snap_load *l, const struct state_device *d)
{
	auto_buf struct buf b = BUF_INIT(512);
	uint8_t id[8];

	le64_put(id, d->writer);
	put_key(&b, d->first_key);
	put_key(&b, d->last_key);
	put_key(&b, d->retired);
	put_text(&b, &d->first);
	put_text(&b, &d->last);
	return put_row(l, DEVICE_TABLE, id, sizeof(id), &b);
}

/* As apply.c keeps what follows. */
static int load_slot(struct snap_load *l, const struct state_slot *s)
{
	auto_buf struct buf b = BUF_INIT(512);

	buf_put_u8(&b, s->is_removed);
	buf_put_u8(&b, s->type);
	buf_put(&b, s->label.bytes, s->label.len);
	return put_row(l, SLOT_TABLE, s->name, sizeof(s->name), &b);
}

static int load_epoch(struct snap_load *l, const struct op_epoch *e)
{
	uint8_t id[36];

	le32_put(id, e->number);
	memcpy(id + 4, e->id.b, sizeof(e->id.b));
	return index_value_put(l->v->index, EPOCH_TABLE, id, sizeof(id), id, 0);
}

static int load_feature(struct snap_load *l, const struct op_feature *f)
{
	uint8_t rec[24];

	le64_put(rec, f->incompatible);
	le64_put(rec + 8, f->read_only);
	le64_put(rec + 16, f->compatible);
	return index_value_put(l->v->index, FEATURE_TABLE, "", 0, rec,
			       sizeof(rec));
}

/* ---------------------------------------------------------------- packs */

/* What would be rejected in a segment is not believed here. */
static int check_pack(const struct segment_pack *p)
{
	auto_buf struct buf b = BUF_INIT(MEM_MAX);
	struct segment_pack again;
	struct cursor c;
	int r;

	segment_pack_put(&b, p);
	r = buf_error(&b);
	if (r < 0)
		return r;
	cursor_init(&c, b.data, b.len);
	segment_pack_check(&c, &again);
	return cursor_finish(&c);
}

/* By which of the segments is not told: by the last of them, at the latest.
 * Writers come before packs. */
static int note_announced(struct vault *v, const uint8_t *name)
{
	struct writer_state self;
	int r = writer_load(v, v->writer, &self);

	return r < 0 ? r : announced_note(v, self.seq, name);
}

/* The pack at hand, if there is one, is complete. */
static int end_pack(struct snap_load *l)
{
	const struct state_pack *s = &l->pack;
	struct segment_pack p = {
		.size = s->size,
		.epoch = s->epoch,
		.key_id = s->key_id,
		.type = s->type,
		.n_entries = s->n_entries,
		.entries = l->entries.data,
	};
	bool is_own = s->writer == l->v->writer;
	int r = 0;

	if (!s->writer)
		return 0;
	memcpy(p.name, s->name, sizeof(p.name));
	if (s->type == PACK_DATA) {
		if (l->entries.len != (size_t)s->n_entries * PACK_ENTRY_BYTES)
			return ERR_MALFORMED;
		r = check_pack(&p);
	} else if (l->entries.len) {
		return ERR_MALFORMED;
	}
	if (r == 0)
		r = packs_announce(l->v, s->writer, &p,
				   is_own ? PACK_FLAG_WHOLE : 0);
	if (r == 0 && is_own)
		r = note_announced(l->v, p.name);
	l->pack.writer = 0;
	buf_reset(&l->entries);
	return r;
}

static int load_entries(struct snap_load *l, const struct state_entries *e)
{
	buf_put(&l->entries, e->entries, (size_t)e->n * PACK_ENTRY_BYTES);
	return buf_error(&l->entries);
}

/* ---------------------------------------------------------------- inodes */

static int new_inode(struct snap_load *l, const struct state_inode *s,
		     struct node **ret)
{
	int r;

	if (!inode_id_is_root(s->id)) {
		r = node_new(l->v->nodes, s->id, ret);
		return r == -EEXIST ? ERR_MALFORMED : r;
	}
	l->has_root = true;
	r = node_get_by_id(l->v->nodes, s->id, ret);
	return r == 0 ? ERR_BAD_INDEX : min_of(r, 0);
}

static int fill_inode(struct node *n, const struct state_inode *s)
{
	n->kind = s->kind;
	n->flags = s->is_split ? NODE_SPLIT : 0;
	n->rdev_major = s->major;
	n->rdev_minor = s->minor;
	for (unsigned i = 0; i < N_REGS; i++)
		n->regs[i] = key_of(s->regs[i]);
	/* The root begins with a mode, others inherit theirs. */
	if (s->regs[REG_MODE].clock)
		n->mode = s->mode;
	n->uid = s->uid;
	n->gid = s->gid;
	n->atime_ns = s->atime_ns;
	n->mtime_ns = s->mtime_ns;
	n->ctime_ns = s->ctime_ns;
	n->btime_ns = s->btime_ns;
	if (s->kind == KIND_DIR) {
		n->rep = n->ino;
		n->n_united = 1;
	}
	node_dirty(n);
	if (!s->target.len)
		return 0;
	n->size = s->target.len;
	return node_name_set(&n->target, s->target.bytes, s->target.len);
}

static int load_inode(struct snap_load *l, const struct state_inode *s)
{
	auto_node struct node *n = NULL;
	int r = new_inode(l, s, &n);

	if (r < 0)
		return r;
	l->ino = n->ino;
	l->n_splits += s->is_split;
	return fill_inode(n, s);
}

static int load_xattr(struct snap_load *l, const struct state_xattr *s)
{
	auto_buf struct buf b = BUF_INIT(XATTR_REC_HEADER + XATTR_VALUE_MAX);

	put_key(&b, s->key);
	buf_put_u8(&b, s->is_removed);
	buf_put(&b, s->value, s->value_bytes);
	int r = buf_error(&b);
	if (r < 0)
		return r;
	const struct index_xattr x = { s->name.bytes, s->name.len, b.data,
				       b.len };
	return index_xattr_put(l->v->index, l->ino, &x);
}

/* ---------------------------------------------------------------- places */

static int load_link(struct snap_load *l, const struct state_link *s)
{
	size_t cap = l->cap_links;

	if (l->n_links == cap) {
		cap = cap ? cap * 2 : 16;
		struct node_link_clock *bigger =
			mem_realloc_array(l->links, cap, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		l->links = bigger;
		l->cap_links = cap;
	}
	l->links[l->n_links].link = s->link;
	l->links[l->n_links++].clock = s->clock;
	/* A directory has one. */
	return l->n->kind == KIND_DIR && l->n_links > 1 ? ERR_MALFORMED : 0;
}

static const struct node_link_clock *find_link(const struct snap_load *l,
					       struct dot link)
{
	size_t low = 0, high = l->n_links;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int d = dot_compare(l->links[mid].link, link);

		if (d == 0)
			return &l->links[mid];
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int dir_of(struct snap_load *l, struct inode_id id, uint64_t *ret)
{
	auto_node struct node *n = NULL;
	int r = merge_known(l->v, id, &n);

	if (r < 0)
		return r;
	*ret = n->ino;
	return n->kind == KIND_DIR ? 0 : ERR_MALFORMED;
}

static int fill_pin(struct snap_load *l, struct node_place *p,
		    const struct state_place *s)
{
	int r;

	if (!s->pin.clock)
		return 0;
	p->pin = key_of(s->pin);
	r = dir_of(l, s->pin_parent, &p->pin_parent);
	return r < 0 ? r : node_name_set(&p->pin_name, s->pin_name.bytes,
					 s->pin_name.len);
}

static int fill_from(struct snap_load *l, struct node_place *p,
		     const struct state_place *s)
{
	int r;

	if (!s->has_from)
		return 0;
	if (l->n->kind != KIND_DIR)
		return ERR_MALFORMED;
	r = dir_of(l, s->from_parent, &p->from_parent);
	return r < 0 ? r : node_name_set(&p->from_name, s->from_name.bytes,
					 s->from_name.len);
}

static int load_place(struct snap_load *l, const struct state_place *s)
{
	const struct node_link_clock *link = find_link(l, s->link);
	bool is_dir = l->n->kind == KIND_DIR;
	struct node_place *p;
	int r;

	if (!link || (s->is_claim && is_dir) ||
	    (s->is_first &&
	     (!(l->n->flags & NODE_SPLIT) ||
	      !inode_id_equal(inode_id_split(s->dot), l->n->id))))
		return ERR_MALFORMED;
	r = node_add_place(l->n, &p);
	if (r < 0)
		return r;
	p->dot = s->dot;
	p->clock = s->clock;
	p->link = s->link;
	p->link_clock = link->clock;
	p->is_claim = s->is_claim;
	p->is_killed = s->is_killed;
	if (!s->is_first) {
		r = dir_of(l, s->parent, &p->parent);
		if (r == 0)
			r = node_name_set(&p->name, s->name.bytes, s->name.len);
	}
	if (r == 0)
		r = fill_from(l, p, s);
	return r < 0 ? r : fill_pin(l, p, s);
}

/* Links no place is left of. */
static int keep_old_links(struct snap_load *l)
{
	auto_free bool *placed = mem_zalloc_array(l->n_links + 1,
						  sizeof(*placed));
	int r = 0;

	if (!placed)
		return -ENOMEM;
	for (unsigned i = 0; i < l->n->n_places; i++)
		placed[find_link(l, l->n->places[i].link) - l->links] = true;
	for (size_t i = 0; r == 0 && i < l->n_links; i++)
		if (!placed[i])
			r = node_add_old_link(l->n, l->links[i].link,
					      l->links[i].clock);
	return r;
}

/* ---------------------------------------------------------------- versions */

static int load_version(struct snap_load *l, const struct state_version *s)
{
	struct node_version *ver;
	int r = node_add_version(l->n, &ver);

	if (r < 0)
		return r;
	ver->dot = s->dot;
	ver->clock = s->clock;
	ver->size = s->size;
	ver->is_deleted = s->is_deleted;
	ver->deleted = key_of(s->deleted);
	/* To be rebuilt from the log, until settle_holders says otherwise. */
	ver->holder = s->has_contents ? l->n->ino : 0;
	return 0;
}

/* Is `n` split from itself by way of `s`? */
static int is_below(struct snap_load *l, const struct node *n, uint64_t s)
{
	uint64_t at = n->ino;

	while (at && at != s) {
		auto_node struct node *up = NULL;
		int r = node_get(l->v->nodes, at, &up);

		if (r <= 0)
			return r < 0 ? r : ERR_BAD_INDEX;
		if (++l->n_steps > ORIGIN_STEPS)
			return ERR_LIMIT;
		at = up->origin;
	}
	return at == s;
}

static int load_split(struct snap_load *l, struct dot version)
{
	auto_node struct node *s = NULL;
	struct node_sibling *sib;
	int r = merge_known(l->v, inode_id_split(version), &s);

	if (r < 0)
		return r;
	if (!(s->flags & NODE_SPLIT) || s->origin || s->kind != l->n->kind)
		return ERR_MALFORMED;
	r = is_below(l, l->n, s->ino);
	if (r != 0)
		return r < 0 ? r : ERR_MALFORMED;
	r = node_add_sibling(l->n, &sib);
	if (r < 0)
		return r;
	sib->version = version;
	sib->ino = s->ino;
	sib->is_split = true;
	s->origin = l->n->ino;
	node_dirty(s);
	l->n_attached++;
	return 0;
}

static int hold_beside(struct snap_load *l, struct dot version)
{
	struct node_version *ver = node_find_version(l->n, version);
	auto_node struct node *s = NULL;
	int r = merge_beside(l->v, l->n, version, &s);

	if (r < 0)
		return r;
	ver->holder = s->ino;
	s->size = ver->size;
	node_dirty(s);
	return 0;
}

/* The version shown in the inode's own rows, every other beside it: as
 * merge_settle_holders leaves it. */
static int hold_versions(struct snap_load *l)
{
	auto_free struct node_version **shown = NULL;
	struct node *n = l->n;
	unsigned n_shown;
	int r = merge_file_versions(n, &shown, &n_shown);

	if (r < 0 || n_shown == 0)
		return r;
	struct dot top = shown[0]->dot;
	n->size = shown[0]->size;
	for (unsigned i = 0; r == 0 && i < n->n_versions; i++) {
		if (dot_equal(n->versions[i].dot, top))
			n->versions[i].holder = n->ino;
		else
			r = hold_beside(l, n->versions[i].dot);
	}
	return r;
}

static int settle_holders(struct snap_load *l)
{
	struct node *n = l->n;
	bool is_gone = !merge_is_shown(n) &&
		       (n->n_places > 0 || n->flags & NODE_SPLIT);
	bool has = n->kind == KIND_FILE && !is_gone;

	if (l->has_holders)
		return 0;
	l->has_holders = true;
	for (unsigned i = 0; i < n->n_versions; i++)
		if ((n->versions[i].holder != 0) != has)
			return ERR_MALFORMED;
	if (is_gone) {
		n->flags |= NODE_GONE;
		return 0;
	}
	if (n->kind == KIND_FILE)
		return hold_versions(l);
	for (unsigned i = 0; i < n->n_versions; i++)
		n->versions[i].holder = n->ino;
	return 0;
}

/* One content id has one length, and a version's extents do not overlap. */
static int check_extents(struct snap_load *l, const struct state_extents *s,
			 const struct node_version *ver)
{
	bool goes_on = dot_equal(l->at, s->version);
	struct cursor c;

	if (!goes_on)
		l->at_end = 0;
	l->at = s->version;
	extent_list_cursor(&s->list, &c);
	for (uint32_t i = 0; i < s->list.n; i++) {
		struct index_chunk known;
		struct extent e;

		extent_read(&c, &e);
		if (c.error || e.offset < l->at_end || e.offset > ver->size ||
		    e.length > ver->size - e.offset)
			return ERR_MALFORMED;
		l->at_end = e.offset + e.length;
		if (e.kind != EXTENT_CHUNK)
			continue;
		int r = index_chunk_find(l->v->index, &e.id, &known);
		if (r < 0)
			return r;
		if (r > 0 && known.entry.plain_bytes != e.chunk_length)
			return ERR_MALFORMED;
	}
	return 0;
}

static int load_extents(struct snap_load *l, const struct state_extents *s)
{
	auto_node struct node *holder = NULL;
	struct node_version *ver;
	int r = settle_holders(l);

	if (r < 0)
		return r;
	ver = node_find_version(l->n, s->version);
	if (!ver || !ver->holder || l->n->kind != KIND_FILE)
		return ERR_MALFORMED;
	r = check_extents(l, s, ver);
	if (r == 0)
		r = node_get(l->v->nodes, ver->holder, &holder);
	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	node_dirty(holder);
	return extents_apply(l->v, holder->ino, false, ver->size, &s->list,
			     holder->data_bytes, &holder->data_bytes);
}

/* ---------------------------------------------------------------- inheriting */

static int inherit_one_xattr(void *arg, const struct index_xattr *x)
{
	struct snap_load *l = arg;
	/* What x points to goes with the next look. */
	auto_free uint8_t *bytes = mem_dup(x->name, x->name_len);
	const struct op_name name = { bytes, x->name_len };

	return bytes ? merge_inherit_xattr(l->v, l->n, &name) : -ENOMEM;
}

/* What inodes split from this one have no value of their own for. */
static int inherit(struct snap_load *l)
{
	int r;

	if (!l->n->n_siblings)
		return 0;
	r = merge_inherit(l->v, l->n);
	return r < 0 ? r : index_xattr_each(l->v->index, l->n->ino,
					    inherit_one_xattr, l);
}

/* ---------------------------------------------------------------- groups */

static int begin_group(struct snap_load *l, struct inode_id id, bool is_dir)
{
	int r = merge_known(l->v, id, &l->n);

	if (r < 0)
		return r;
	l->n_links = 0;
	l->has_holders = false;
	l->at = (struct dot){ 0 };
	node_dirty(l->n);
	return (l->n->kind == KIND_DIR) == is_dir && !inode_id_is_root(id) ?
		       0 : ERR_MALFORMED;
}

static int finish_file(struct snap_load *l)
{
	const struct member_list none = { 0 };
	int r = settle_holders(l);

	if (r == 0 && l->n->kind == KIND_FILE && l->n->n_versions > 1 &&
	    !(l->n->flags & NODE_GONE))
		r = merge_digest_versions(l->v, l->n);
	if (r == 0)
		r = inherit(l);
	return r < 0 ? r : view_update(l->v, l->n, &none, false);
}

static int end_group(struct snap_load *l)
{
	int r;

	if (!l->n)
		return 0;
	r = keep_old_links(l);
	if (r == 0 && l->n->kind == KIND_DIR) {
		buf_put_u64(&l->dirs, l->n->ino);
		r = buf_error(&l->dirs);
	} else if (r == 0) {
		r = finish_file(l);
	}
	node_put(l->n);
	l->n = NULL;
	return r;
}

/* One that is kept only by what is in it (R3) is shown when that is. */
static int show_dir(struct snap_load *l, uint64_t ino)
{
	const struct member_list none = { 0 };
	auto_node struct node *n = NULL;
	bool is_ghost;
	int r = view_need_dir(l->v, ino, &n);

	if (r < 0)
		return r;
	merge_dir_place(n, &is_ghost);
	return is_ghost ? 0 : view_update(l->v, n, &none, false);
}

/* All directories are placed. */
static int show_dirs(struct snap_load *l)
{
	int r = 0;

	if (l->has_view)
		return 0;
	l->has_view = true;
	if (l->dirs.len)
		r = view_break_all(l->v);
	for (size_t at = 0; r == 0 && at < l->dirs.len; at += 8)
		r = show_dir(l, le64_get(l->dirs.data + at));
	return r;
}

/* ---------------------------------------------------------------- all */

/* What is complete when an item of that type comes. */
static int end_others(struct snap_load *l, enum state_type type)
{
	int r = 0;

	if (type > STATE_HASHES && l->hash_end)
		r = end_hashes(l);
	if (r == 0 && type != STATE_ENTRIES)
		r = end_pack(l);
	if (r == 0 && (type == STATE_DIR || type == STATE_FILE))
		r = end_group(l);
	if (r == 0 && type == STATE_FILE)
		r = show_dirs(l);
	return r;
}

static int load_item(struct snap_load *l, const struct state_item *it)
{
	switch (it->type) {
	case STATE_WRITER:
		return load_writer(l, &it->writer);
	case STATE_HASHES:
		return load_hashes(l, &it->hashes);
	case STATE_DEVICE:
		return load_device(l, &it->device);
	case STATE_SLOT:
		return load_slot(l, &it->slot);
	case STATE_EPOCH:
		return load_epoch(l, &it->epoch);
	case STATE_FEATURE:
		return load_feature(l, &it->feature);
	case STATE_PACK:
		l->pack = it->pack;
		return 0;
	case STATE_ENTRIES:
		return load_entries(l, &it->entries);
	case STATE_DROPPED:
		return packs_drop(l->v, it->dropped.writer, it->dropped.seq,
				  it->dropped.name);
	case STATE_INODE:
		return load_inode(l, &it->inode);
	case STATE_XATTR:
		return load_xattr(l, &it->xattr);
	case STATE_DIR:
	case STATE_FILE:
		return begin_group(l, it->id, it->type == STATE_DIR);
	case STATE_LINK:
		return load_link(l, &it->link);
	case STATE_PLACE:
		return load_place(l, &it->place);
	case STATE_VERSION:
		return load_version(l, &it->version);
	case STATE_SPLIT:
		return load_split(l, it->split);
	case STATE_EXTENTS:
		return load_extents(l, &it->extents);
	}
	return ERR_NEWER;
}

int snap_load_item(struct snap_load *l, const struct state_item *it)
{
	int r = state_follows(&l->order, it);

	if (r == 0)
		r = end_others(l, it->type);
	return r < 0 ? r : load_item(l, it);
}

/* What this device acknowledged it need not find out again. */
static int take_acks(struct snap_load *l)
{
	struct vault *v = l->v;
	auto_free uint8_t *raw = NULL;
	size_t bytes = 0;
	struct cursor c;
	int r = v->writer ? writer_get_vector(v, v->writer, &raw, &bytes) : 0;

	cursor_init(&c, raw, bytes);
	while (r >= 0 && cursor_left(&c) > 0) {
		struct writer_state w;
		struct segment_vv vv;

		segment_vv_read(&c, &vv);
		r = writer_get(v, vv.writer, &w);
		if (r <= 0)
			continue;
		w.ack = min_of(vv.ack, w.seq);
		r = writer_put(v, &w);
	}
	return r < 0 ? r : 0;
}

int snap_load_end(struct snap_load *l)
{
	int r = end_hashes(l);

	if (r == 0)
		r = end_pack(l);
	if (r == 0)
		r = end_group(l);
	if (r == 0)
		r = show_dirs(l);
	if (r == 0 && (!l->has_root || l->n_attached != l->n_splits ||
		       l->n_hashed != l->n_writers))
		r = ERR_MALFORMED;
	return r < 0 ? r : take_acks(l);
}
