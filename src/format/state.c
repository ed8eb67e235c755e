/* SPDX-License-Identifier: ISC */
/* Items of a state: encoding, decoding. */
#include "format/state.h"

#include <string.h>

#include "format/format_priv.h"
#include "format/op_priv.h"
#include "format/segment_priv.h"

enum inode_bit { INODE_SPLIT = 1 };

enum place_bit {
	PLACE_CLAIM = 1,
	PLACE_KILLED = 2,
	PLACE_FIRST = 4,
	PLACE_FROM = 8,
	PLACE_PIN = 16,
};

enum version_bit { VERSION_CONTENTS = 1, VERSION_DELETED = 2 };

#define SLOT_TYPE_MAX 5u

/* ---------------------------------------------------------------- pieces */

static void put_key(struct buf *b, struct state_key k)
{
	buf_put_u64(b, k.clock);
	buf_put_u64(b, k.writer);
}

/* None is all zeros. */
static struct state_key read_key(struct cursor *c)
{
	struct state_key k;

	k.clock = cursor_u64(c);
	k.writer = cursor_u64(c);
	cursor_require(c, (k.clock == 0) == (k.writer == 0));
	return k;
}

static struct dot read_dot(struct cursor *c)
{
	struct dot d = dot_read(c);

	cursor_require(c, d.writer != 0 && d.seq != 0);
	return d;
}

static struct op_name read_bytes(struct cursor *c, uint16_t len)
{
	struct op_name n = { cursor_take(c, len), len };

	return n;
}

static struct op_name read_name(struct cursor *c, uint16_t len)
{
	struct op_name n = read_bytes(c, len);

	cursor_require(c, n.bytes && name_is_valid(n.bytes, n.len));
	return n;
}

/* ---------------------------------------------------------------- devices */

static void put_writer(struct buf *b, const struct state_writer *w)
{
	buf_put_u64(b, w->writer);
	buf_put_u64(b, w->seq);
	buf_put(b, w->head.b, sizeof(w->head.b));
	buf_put_u32(b, w->epoch);
	buf_put_u32(b, w->n_vv);
	buf_put_u64(b, w->first);
	buf_put_u64(b, w->last);
	buf_put(b, w->vv, (size_t)w->n_vv * SEGMENT_VV_BYTES);
}

static void check_vv(struct cursor *c, const struct state_writer *w)
{
	struct segment_vv before = { .writer = 0 }, now;
	struct cursor at;

	cursor_init(&at, w->vv, (size_t)w->n_vv * SEGMENT_VV_BYTES);
	for (uint32_t i = 0; i < w->n_vv; i++) {
		segment_vv_read(&at, &now);
		cursor_require(c, now.writer > before.writer &&
					  now.writer != w->writer &&
					  now.context >= 1 &&
					  now.context <= SEGMENT_SEQ_MAX &&
					  now.ack <= now.context);
		before = now;
	}
}

static void read_writer(struct cursor *c, struct state_writer *w)
{
	w->writer = cursor_u64(c);
	w->seq = cursor_u64(c);
	cursor_copy(c, w->head.b, sizeof(w->head.b));
	w->epoch = cursor_u32(c);
	w->n_vv = cursor_u32(c);
	w->first = cursor_u64(c);
	w->last = cursor_u64(c);
	format_require(c, w->n_vv <= SEGMENT_MAX_WRITERS, ERR_LIMIT);
	cursor_require(c, w->writer && w->seq && w->epoch &&
				  w->seq <= SEGMENT_SEQ_MAX &&
				  w->first <= w->last);
	if (!c->error)
		w->vv = cursor_take(c, (size_t)w->n_vv * SEGMENT_VV_BYTES);
	if (!c->error)
		check_vv(c, w);
}

static void put_hashes(struct buf *b, const struct state_hashes *h)
{
	buf_put_u64(b, h->writer);
	buf_put_u64(b, h->first);
	buf_put(b, h->hashes, (size_t)h->n * sizeof(struct file_hash));
}

static void read_hashes(struct cursor *c, struct state_hashes *h)
{
	h->writer = cursor_u64(c);
	h->first = cursor_u64(c);
	size_t left = cursor_left(c);
	h->n = (uint32_t)(left / sizeof(struct file_hash));
	format_require(c, h->n <= STATE_HASHES_MAX, ERR_LIMIT);
	cursor_require(c, h->writer && h->first && h->n &&
				  left % sizeof(struct file_hash) == 0 &&
				  h->first <= SEGMENT_SEQ_MAX - h->n + 1);
	h->hashes = cursor_take(c, left);
}

static void put_device(struct buf *b, const struct state_device *d)
{
	buf_put_u64(b, d->writer);
	put_key(b, d->first_key);
	put_key(b, d->last_key);
	put_key(b, d->retired);
	buf_put_u8(b, (uint8_t)d->first.len);
	buf_put_u8(b, (uint8_t)d->last.len);
	buf_put_zeros(b, 6);
	buf_put(b, d->first.bytes, d->first.len);
	buf_put(b, d->last.bytes, d->last.len);
}

static void read_device(struct cursor *c, struct state_device *d)
{
	d->writer = cursor_u64(c);
	d->first_key = read_key(c);
	d->last_key = read_key(c);
	d->retired = read_key(c);
	uint8_t first = cursor_u8(c), last = cursor_u8(c);
	cursor_zeros(c, 6);
	d->first = read_bytes(c, first);
	d->last = read_bytes(c, last);
	cursor_require(c, d->writer && (first > 0) == (d->first_key.clock > 0) &&
				  (last > 0) == (d->last_key.clock > 0));
	if (first > 0 && !c->error)
		cursor_require(c, name_is_device(d->first.bytes, first));
	if (last > 0 && !c->error)
		cursor_require(c, name_is_device(d->last.bytes, last));
}

static void put_slot(struct buf *b, const struct state_slot *s)
{
	buf_put(b, s->name, sizeof(s->name));
	buf_put_u8(b, s->is_removed);
	buf_put_u8(b, s->type);
	buf_put_u8(b, (uint8_t)s->label.len);
	buf_put_zeros(b, 5);
	buf_put(b, s->label.bytes, s->label.len);
}

static void read_slot(struct cursor *c, struct state_slot *s)
{
	cursor_copy(c, s->name, sizeof(s->name));
	uint8_t removed = cursor_u8(c);
	s->type = cursor_u8(c);
	uint8_t len = cursor_u8(c);
	cursor_zeros(c, 5);
	s->label = read_bytes(c, len);
	s->is_removed = removed;
	format_require(c, s->type <= SLOT_TYPE_MAX, ERR_NEWER);
	cursor_require(c, removed <= 1 && (s->type || (removed && !len)) &&
				  !c->error && name_is_label(s->label.bytes, len));
}

static void read_epoch(struct cursor *c, struct op_epoch *e)
{
	e->number = cursor_u32(c);
	cursor_copy(c, e->id.b, sizeof(e->id.b));
	cursor_require(c, e->number >= 2);
}

static void read_feature(struct cursor *c, struct op_feature *f)
{
	f->incompatible = cursor_u64(c);
	f->read_only = cursor_u64(c);
	f->compatible = cursor_u64(c);
}

/* ---------------------------------------------------------------- packs */

static void put_pack(struct buf *b, const struct state_pack *p)
{
	buf_put_u64(b, p->writer);
	buf_put(b, p->name, sizeof(p->name));
	buf_put_u64(b, p->size);
	buf_put_u32(b, p->epoch);
	buf_put(b, p->key_id.b, sizeof(p->key_id.b));
	buf_put_u8(b, (uint8_t)p->type);
	buf_put_zeros(b, 3);
	buf_put_u32(b, p->n_entries);
}

static void read_pack(struct cursor *c, struct state_pack *p)
{
	p->writer = cursor_u64(c);
	cursor_copy(c, p->name, sizeof(p->name));
	p->size = cursor_u64(c);
	p->epoch = cursor_u32(c);
	cursor_copy(c, p->key_id.b, sizeof(p->key_id.b));
	uint8_t type = cursor_u8(c);
	cursor_zeros(c, 3);
	p->n_entries = cursor_u32(c);
	p->type = type;
	format_require(c, type == PACK_DATA || type == PACK_METADATA,
		       ERR_NEWER);
	format_require(c, p->n_entries <= PACK_MAX_ENTRIES &&
				  p->size <= PACK_MAX_BYTES, ERR_LIMIT);
	cursor_require(c, p->writer && p->epoch && p->n_entries);
}

static void read_entries(struct cursor *c, struct state_entries *e)
{
	struct cursor at = *c;
	size_t left = cursor_left(c);

	e->n = (uint32_t)(left / PACK_ENTRY_BYTES);
	format_require(c, e->n <= STATE_ENTRIES_MAX, ERR_LIMIT);
	cursor_require(c, e->n && left % PACK_ENTRY_BYTES == 0);
	e->entries = cursor_take(c, left);
	while (!c->error && cursor_left(&at) > 0) {
		struct pack_entry one;
		int r = pack_entry_read(&at, &one);

		format_require(c, r >= 0, r);
	}
}

static void put_dropped(struct buf *b, const struct state_dropped *d)
{
	buf_put_u64(b, d->writer);
	buf_put(b, d->name, sizeof(d->name));
	buf_put_u64(b, d->seq);
}

static void read_dropped(struct cursor *c, struct state_dropped *d)
{
	d->writer = cursor_u64(c);
	cursor_copy(c, d->name, sizeof(d->name));
	d->seq = cursor_u64(c);
	cursor_require(c, d->writer && d->seq && d->seq <= SEGMENT_SEQ_MAX);
}

/* ---------------------------------------------------------------- inodes */

static void put_inode(struct buf *b, const struct state_inode *n)
{
	inode_id_put(b, n->id);
	buf_put_u8(b, (uint8_t)n->kind);
	buf_put_u8(b, n->is_split ? INODE_SPLIT : 0);
	buf_put_u16(b, n->target.len);
	buf_put_u32(b, n->mode);
	buf_put_u32(b, n->uid);
	buf_put_u32(b, n->gid);
	buf_put_u32(b, n->major);
	buf_put_u32(b, n->minor);
	buf_put_u64(b, (uint64_t)n->atime_ns);
	buf_put_u64(b, (uint64_t)n->mtime_ns);
	buf_put_u64(b, (uint64_t)n->ctime_ns);
	buf_put_u64(b, (uint64_t)n->btime_ns);
	for (unsigned i = 0; i < STATE_N_REGS; i++)
		put_key(b, n->regs[i]);
	buf_put(b, n->target.bytes, n->target.len);
}

/* What has no key has no value. */
static void check_values(struct cursor *c, const struct state_inode *n)
{
	const bool has[STATE_N_REGS] = {
		n->mode != 0, n->uid != 0 || n->gid != 0, n->atime_ns != 0,
		n->mtime_ns != 0, n->ctime_ns != 0,
	};
	bool may_lack = n->is_split || inode_id_is_root(n->id);

	for (unsigned i = 0; i < STATE_N_REGS; i++)
		cursor_require(c, n->regs[i].clock || (may_lack && !has[i]));
}

static void read_inode(struct cursor *c, struct state_inode *n)
{
	n->id = inode_id_read(c);
	uint8_t kind = cursor_u8(c), flags = cursor_u8(c);
	uint16_t target = cursor_u16(c);
	n->mode = cursor_u32(c);
	n->uid = cursor_u32(c);
	n->gid = cursor_u32(c);
	n->major = cursor_u32(c);
	n->minor = cursor_u32(c);
	n->atime_ns = (int64_t)cursor_u64(c);
	n->mtime_ns = (int64_t)cursor_u64(c);
	n->ctime_ns = (int64_t)cursor_u64(c);
	n->btime_ns = (int64_t)cursor_u64(c);
	for (unsigned i = 0; i < STATE_N_REGS; i++)
		n->regs[i] = read_key(c);
	n->target = read_bytes(c, target);
	n->kind = kind;
	n->is_split = flags & INODE_SPLIT;
	bool is_device = kind == KIND_CHAR || kind == KIND_BLOCK;
	bool is_root = inode_id_is_root(n->id);
	format_require(c, kind <= KIND_BLOCK && flags <= INODE_SPLIT,
		       ERR_NEWER);
	cursor_require(c, kind >= KIND_FILE && n->mode <= 07777 &&
				  (is_device || (!n->major && !n->minor)) &&
				  target <= LINK_TARGET_MAX &&
				  (kind == KIND_SYMLINK) == (target > 0) &&
				  !(n->is_split && kind == KIND_DIR) &&
				  (!is_root || kind == KIND_DIR) &&
				  (!is_root || n->btime_ns == 0));
	if (!c->error)
		cursor_require(c, !target || !memchr(n->target.bytes, 0, target));
	check_values(c, n);
}

static void put_xattr(struct buf *b, const struct state_xattr *x)
{
	put_key(b, x->key);
	buf_put_u8(b, x->is_removed);
	buf_put_u8(b, (uint8_t)x->name.len);
	buf_put_u16(b, 0);
	buf_put_u32(b, x->value_bytes);
	buf_put(b, x->name.bytes, x->name.len);
	buf_put(b, x->value, x->value_bytes);
}

static void read_xattr(struct cursor *c, struct state_xattr *x)
{
	x->key = read_key(c);
	uint8_t removed = cursor_u8(c), len = cursor_u8(c);
	cursor_zeros(c, 2);
	x->value_bytes = cursor_u32(c);
	x->name = read_bytes(c, len);
	format_require(c, x->value_bytes <= XATTR_VALUE_MAX, ERR_LIMIT);
	x->value = c->error ? NULL : cursor_take(c, x->value_bytes);
	x->is_removed = removed;
	cursor_require(c, x->key.clock && removed <= 1 && len > 0 &&
				  !(removed && x->value_bytes));
	if (!c->error)
		cursor_require(c, !memchr(x->name.bytes, 0, len));
}

/* ---------------------------------------------------------------- places */

static void put_place(struct buf *b, const struct state_place *p)
{
	unsigned bits = (p->is_claim ? PLACE_CLAIM : 0u) |
			(p->is_killed ? PLACE_KILLED : 0u) |
			(p->is_first ? PLACE_FIRST : 0u) |
			(p->has_from ? PLACE_FROM : 0u) |
			(p->pin.clock ? PLACE_PIN : 0u);

	dot_put(b, p->dot);
	dot_put(b, p->link);
	buf_put_u64(b, p->clock);
	buf_put_u8(b, (uint8_t)bits);
	buf_put_u8(b, (uint8_t)p->name.len);
	buf_put_u8(b, p->has_from ? (uint8_t)p->from_name.len : 0);
	buf_put_u8(b, p->pin.clock ? (uint8_t)p->pin_name.len : 0);
	buf_put_u32(b, 0);
	inode_id_put(b, p->parent);
	buf_put(b, p->name.bytes, p->name.len);
	if (p->has_from) {
		inode_id_put(b, p->from_parent);
		buf_put(b, p->from_name.bytes, p->from_name.len);
	}
	if (p->pin.clock) {
		put_key(b, p->pin);
		inode_id_put(b, p->pin_parent);
		buf_put(b, p->pin_name.bytes, p->pin_name.len);
	}
}

static void read_place(struct cursor *c, struct state_place *p)
{
	p->dot = read_dot(c);
	p->link = read_dot(c);
	p->clock = cursor_u64(c);
	uint8_t bits = cursor_u8(c), len = cursor_u8(c);
	uint8_t from = cursor_u8(c), pin = cursor_u8(c);
	cursor_zeros(c, 4);
	p->parent = inode_id_read(c);
	p->is_claim = bits & PLACE_CLAIM;
	p->is_killed = bits & PLACE_KILLED;
	p->is_first = bits & PLACE_FIRST;
	p->has_from = bits & PLACE_FROM;
	format_require(c, bits < 2 * PLACE_PIN, ERR_NEWER);
	cursor_require(c, p->clock && !(p->is_claim && p->is_killed) &&
				  !(p->is_claim && p->is_first) &&
				  p->has_from == (from > 0) &&
				  !(bits & PLACE_PIN) == (pin == 0));
	if (p->is_first)
		cursor_require(c, len == 0 && inode_id_is_root(p->parent) &&
					  dot_equal(p->link, p->dot) &&
					  !p->has_from);
	else
		p->name = read_name(c, len);
	if (p->has_from) {
		p->from_parent = inode_id_read(c);
		p->from_name = read_name(c, from);
	}
	if (bits & PLACE_PIN) {
		p->pin = read_key(c);
		p->pin_parent = inode_id_read(c);
		p->pin_name = read_name(c, pin);
		cursor_require(c, p->pin.clock != 0);
	}
}

static void read_link(struct cursor *c, struct state_link *l)
{
	l->link = read_dot(c);
	l->clock = cursor_u64(c);
	cursor_require(c, l->clock != 0);
}

/* ---------------------------------------------------------------- versions */

static void put_version(struct buf *b, const struct state_version *v)
{
	dot_put(b, v->dot);
	buf_put_u64(b, v->clock);
	buf_put_u64(b, v->size);
	buf_put_u8(b, (uint8_t)((v->has_contents ? VERSION_CONTENTS : 0) |
				(v->is_deleted ? VERSION_DELETED : 0)));
	buf_put_zeros(b, 3);
	put_key(b, v->deleted);
}

static void read_version(struct cursor *c, struct state_version *v)
{
	v->dot = read_dot(c);
	v->clock = cursor_u64(c);
	v->size = cursor_u64(c);
	uint8_t bits = cursor_u8(c);
	cursor_zeros(c, 3);
	v->deleted = read_key(c);
	v->has_contents = bits & VERSION_CONTENTS;
	v->is_deleted = bits & VERSION_DELETED;
	format_require(c, bits <= (VERSION_CONTENTS | VERSION_DELETED),
		       ERR_NEWER);
	format_require(c, v->size <= FILE_SIZE_MAX, ERR_LIMIT);
	cursor_require(c, v->clock &&
				  v->is_deleted == (v->deleted.clock != 0));
}

static void put_extents(struct buf *b, const struct state_extents *e)
{
	dot_put(b, e->version);
	buf_put_u32(b, e->list.n);
	buf_put(b, e->list.raw, e->list.raw_bytes);
}

static void read_extents(struct cursor *c, struct state_extents *e)
{
	e->version = read_dot(c);
	e->list.n = cursor_u32(c);
	e->list.raw_bytes = (uint32_t)cursor_left(c);
	format_require(c, e->list.n <= STATE_EXTENTS_MAX, ERR_LIMIT);
	cursor_require(c, e->list.n > 0);
	e->list.raw = cursor_take(c, e->list.raw_bytes);
	if (c->error)
		return;
	int r = extent_list_check(&e->list, true, FILE_SIZE_MAX);
	format_require(c, r >= 0, r);
}

/* ---------------------------------------------------------------- all */

static void put_payload(struct buf *b, const struct state_item *it)
{
	switch (it->type) {
	case STATE_WRITER:
		put_writer(b, &it->writer);
		break;
	case STATE_HASHES:
		put_hashes(b, &it->hashes);
		break;
	case STATE_DEVICE:
		put_device(b, &it->device);
		break;
	case STATE_SLOT:
		put_slot(b, &it->slot);
		break;
	case STATE_EPOCH:
		buf_put_u32(b, it->epoch.number);
		buf_put(b, it->epoch.id.b, sizeof(it->epoch.id.b));
		break;
	case STATE_FEATURE:
		buf_put_u64(b, it->feature.incompatible);
		buf_put_u64(b, it->feature.read_only);
		buf_put_u64(b, it->feature.compatible);
		break;
	case STATE_PACK:
		put_pack(b, &it->pack);
		break;
	case STATE_ENTRIES:
		buf_put(b, it->entries.entries,
			(size_t)it->entries.n * PACK_ENTRY_BYTES);
		break;
	case STATE_DROPPED:
		put_dropped(b, &it->dropped);
		break;
	case STATE_INODE:
		put_inode(b, &it->inode);
		break;
	case STATE_XATTR:
		put_xattr(b, &it->xattr);
		break;
	case STATE_DIR:
	case STATE_FILE:
		inode_id_put(b, it->id);
		break;
	case STATE_LINK:
		dot_put(b, it->link.link);
		buf_put_u64(b, it->link.clock);
		break;
	case STATE_PLACE:
		put_place(b, &it->place);
		break;
	case STATE_VERSION:
		put_version(b, &it->version);
		break;
	case STATE_SPLIT:
		dot_put(b, it->split);
		break;
	case STATE_EXTENTS:
		put_extents(b, &it->extents);
		break;
	}
}

int state_put(struct buf *b, const struct state_item *it)
{
	size_t at = b->len;

	buf_put_u8(b, (uint8_t)it->type);
	buf_put_zeros(b, 3);
	buf_put_u32(b, 0);
	put_payload(b, it);
	if (buf_error(b) < 0)
		return buf_error(b);
	if (b->len - at > STATE_ITEM_MAX)
		return ERR_LIMIT;
	buf_patch_u32(b, at + 4, (uint32_t)(b->len - at));
	return 0;
}

static void read_payload(struct cursor *c, struct state_item *it)
{
	switch (it->type) {
	case STATE_WRITER:
		read_writer(c, &it->writer);
		break;
	case STATE_HASHES:
		read_hashes(c, &it->hashes);
		break;
	case STATE_DEVICE:
		read_device(c, &it->device);
		break;
	case STATE_SLOT:
		read_slot(c, &it->slot);
		break;
	case STATE_EPOCH:
		read_epoch(c, &it->epoch);
		break;
	case STATE_FEATURE:
		read_feature(c, &it->feature);
		break;
	case STATE_PACK:
		read_pack(c, &it->pack);
		break;
	case STATE_ENTRIES:
		read_entries(c, &it->entries);
		break;
	case STATE_DROPPED:
		read_dropped(c, &it->dropped);
		break;
	case STATE_INODE:
		read_inode(c, &it->inode);
		break;
	case STATE_XATTR:
		read_xattr(c, &it->xattr);
		break;
	case STATE_DIR:
	case STATE_FILE:
		it->id = inode_id_read(c);
		break;
	case STATE_LINK:
		read_link(c, &it->link);
		break;
	case STATE_PLACE:
		read_place(c, &it->place);
		break;
	case STATE_VERSION:
		read_version(c, &it->version);
		break;
	case STATE_SPLIT:
		it->split = read_dot(c);
		break;
	case STATE_EXTENTS:
		read_extents(c, &it->extents);
		break;
	default:
		format_require(c, false, ERR_NEWER);
	}
}

int state_read(struct cursor *c, struct state_item *ret)
{
	struct state_item it;
	struct cursor at = *c, payload;

	memset(&it, 0, sizeof(it));
	it.type = cursor_u8(&at);
	cursor_zeros(&at, 3);
	uint32_t bytes = cursor_u32(&at);
	format_require(&at, bytes <= STATE_ITEM_MAX, ERR_LIMIT);
	cursor_require(&at, bytes >= STATE_HEADER_BYTES);
	if (at.error)
		return at.error;
	const uint8_t *raw = cursor_take(&at, bytes - STATE_HEADER_BYTES);
	if (!raw)
		return at.error;
	cursor_init(&payload, raw, bytes - STATE_HEADER_BYTES);
	read_payload(&payload, &it);
	int r = cursor_finish(&payload);
	if (r < 0)
		return r;
	*c = at;
	*ret = it;
	return 0;
}
