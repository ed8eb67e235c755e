/* SPDX-License-Identifier: ISC */
/*
 * The record of a node in the index.  Local and private: the index is a view,
 * and a change here only needs another DB_SCHEMA_VERSION.  What a lone device
 * has nearly always - every register of one of two keys, one place, one
 * version - is kept short.
 */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "vault/merge/node.h"
#include "vault/merge/node_edit.h"

enum place_bit {
	PLACE_FROM = 1,
	PLACE_PIN = 2,
	PLACE_CLAIM = 4,
	PLACE_KILLED = 8,
	PLACE_NEW_LINK = 16, /* link is the place's own dot */
};

enum version_bit {
	VERSION_DELETED = 1,
	VERSION_DIGEST = 2,
	VERSION_HELD_HERE = 4,
};

enum node_bit {
	BIT_DIR = 1,	/* directory fields follow */
	BIT_ORIGIN = 2,
	BIT_RDEV = 4,
	BIT_TARGET = 8,
	BIT_LISTS = 16, /* siblings and old links */
	BIT_R4 = 32,
	BIT_PASSED = 64,
};

static void put_key(struct buf *b, struct op_key k)
{
	buf_put_u64(b, k.clock);
	buf_put_u64(b, k.writer);
}

static struct op_key read_key(struct cursor *c)
{
	struct op_key k;

	k.clock = cursor_u64(c);
	k.writer = cursor_u64(c);
	return k;
}

static void put_name(struct buf *b, const struct node_name *n)
{
	buf_put_u16(b, n->len);
	buf_put(b, n->bytes, n->len);
}

static int read_name(struct cursor *c, struct node_name *ret)
{
	uint16_t len = cursor_u16(c);
	const uint8_t *p = cursor_take(c, len);

	if (!p || len == 0)
		return c->error;
	return node_name_set(ret, p, len);
}

/* ---------------------------------------------------------------- registers */

/* Distinct keys, then which register has which. */
static void put_registers(struct buf *b, const struct node *n)
{
	struct op_key keys[N_REGS];
	uint8_t which[N_REGS];
	unsigned n_keys = 0;

	for (unsigned i = 0; i < N_REGS; i++) {
		unsigned k = 0;

		while (k < n_keys && op_key_compare(keys[k], n->regs[i]) != 0)
			k++;
		if (k == n_keys)
			keys[n_keys++] = n->regs[i];
		which[i] = (uint8_t)k;
	}
	buf_put_u8(b, (uint8_t)n_keys);
	buf_put(b, which, N_REGS);
	for (unsigned k = 0; k < n_keys; k++)
		put_key(b, keys[k]);
}

static void read_registers(struct cursor *c, struct node *n)
{
	struct op_key keys[N_REGS] = { { 0, 0 } };
	uint8_t which[N_REGS];
	unsigned n_keys = cursor_u8(c);

	cursor_copy(c, which, N_REGS);
	cursor_require(c, n_keys <= N_REGS);
	for (unsigned k = 0; k < n_keys && !c->error; k++)
		keys[k] = read_key(c);
	for (unsigned i = 0; i < N_REGS; i++) {
		cursor_require(c, which[i] < N_REGS);
		n->regs[i] = keys[which[i] < N_REGS ? which[i] : 0];
	}
}

/* ---------------------------------------------------------------- places */

static void put_place(struct buf *b, const struct node_place *p)
{
	unsigned bits = (p->from_parent ? PLACE_FROM : 0u) |
			(p->pin.clock ? PLACE_PIN : 0u) |
			(p->is_claim ? PLACE_CLAIM : 0u) |
			(p->is_killed ? PLACE_KILLED : 0u) |
			(dot_equal(p->link, p->dot) ? PLACE_NEW_LINK : 0u);

	buf_put_u8(b, (uint8_t)bits);
	dot_put(b, p->dot);
	buf_put_u64(b, p->clock);
	if (!(bits & PLACE_NEW_LINK)) {
		dot_put(b, p->link);
		buf_put_u64(b, p->link_clock);
	}
	buf_put_u64(b, p->parent);
	put_name(b, &p->name);
	if (bits & PLACE_FROM) {
		buf_put_u64(b, p->from_parent);
		put_name(b, &p->from_name);
	}
	if (bits & PLACE_PIN) {
		put_key(b, p->pin);
		buf_put_u64(b, p->pin_parent);
		put_name(b, &p->pin_name);
	}
}

static int read_place(struct cursor *c, struct node *n)
{
	struct node_place *p;
	int r = node_add_place(n, &p);

	if (r < 0)
		return r;
	unsigned bits = cursor_u8(c);
	p->dot = dot_read(c);
	p->clock = cursor_u64(c);
	p->link = p->dot;
	p->link_clock = p->clock;
	if (!(bits & PLACE_NEW_LINK)) {
		p->link = dot_read(c);
		p->link_clock = cursor_u64(c);
	}
	p->is_claim = bits & PLACE_CLAIM;
	p->is_killed = bits & PLACE_KILLED;
	p->parent = cursor_u64(c);
	r = read_name(c, &p->name);
	if (r == 0 && bits & PLACE_FROM) {
		p->from_parent = cursor_u64(c);
		r = read_name(c, &p->from_name);
	}
	if (r == 0 && bits & PLACE_PIN) {
		p->pin = read_key(c);
		p->pin_parent = cursor_u64(c);
		r = read_name(c, &p->pin_name);
	}
	return r;
}

/* ---------------------------------------------------------------- versions */

static void put_version(struct buf *b, const struct node *n,
			const struct node_version *v)
{
	unsigned bits = (v->is_deleted ? VERSION_DELETED : 0u) |
			(v->has_digest ? VERSION_DIGEST : 0u) |
			(v->holder == n->ino ? VERSION_HELD_HERE : 0u);

	buf_put_u8(b, (uint8_t)bits);
	dot_put(b, v->dot);
	buf_put_u64(b, v->clock);
	buf_put_u64(b, v->size);
	if (!(bits & VERSION_HELD_HERE))
		buf_put_u64(b, v->holder);
	if (bits & VERSION_DELETED)
		put_key(b, v->deleted);
	if (bits & VERSION_DIGEST)
		buf_put(b, v->digest, sizeof(v->digest));
}

static int read_version(struct cursor *c, struct node *n, uint64_t ino)
{
	struct node_version *v;
	int r = node_add_version(n, &v);

	if (r < 0)
		return r;
	unsigned bits = cursor_u8(c);
	v->dot = dot_read(c);
	v->clock = cursor_u64(c);
	v->size = cursor_u64(c);
	v->holder = bits & VERSION_HELD_HERE ? ino : cursor_u64(c);
	v->is_deleted = bits & VERSION_DELETED;
	v->has_digest = bits & VERSION_DIGEST;
	if (v->is_deleted)
		v->deleted = read_key(c);
	if (v->has_digest)
		cursor_copy(c, v->digest, sizeof(v->digest));
	return 0;
}

/* ---------------------------------------------------------------- all of it */

static void put_lists(struct buf *b, const struct node *n)
{
	buf_put_u32(b, n->n_siblings);
	for (unsigned i = 0; i < n->n_siblings; i++) {
		dot_put(b, n->siblings[i].version);
		buf_put_u64(b, n->siblings[i].ino);
		buf_put_u8(b, n->siblings[i].is_split);
	}
	buf_put_u32(b, n->n_old_links);
	for (unsigned i = 0; i < n->n_old_links; i++) {
		dot_put(b, n->old_links[i].link);
		buf_put_u64(b, n->old_links[i].clock);
	}
}

static int read_lists(struct cursor *c, struct node *n)
{
	int r = 0;
	uint32_t count = cursor_u32(c);

	if (!cursor_fits(c, count, DOT_BYTES + 9))
		return c->error;
	for (uint32_t i = 0; i < count && r == 0; i++) {
		struct node_sibling *s;

		r = node_add_sibling(n, &s);
		if (r < 0)
			break;
		s->version = dot_read(c);
		s->ino = cursor_u64(c);
		s->is_split = cursor_u8(c);
	}
	count = cursor_u32(c);
	if (!cursor_fits(c, count, DOT_BYTES + 8))
		return c->error;
	for (uint32_t i = 0; i < count && r == 0; i++) {
		struct dot link = dot_read(c);

		r = node_add_old_link(n, link, cursor_u64(c));
	}
	return r;
}

static unsigned bits_of(const struct node *n)
{
	return (n->kind == KIND_DIR ? BIT_DIR : 0u) |
	       (n->origin ? BIT_ORIGIN : 0u) |
	       (n->rdev_major || n->rdev_minor ? BIT_RDEV : 0u) |
	       (n->target.len ? BIT_TARGET : 0u) |
	       (n->n_siblings || n->n_old_links ? BIT_LISTS : 0u) |
	       (n->r4_name.len ? BIT_R4 : 0u) |
	       (n->is_passed ? BIT_PASSED : 0u);
}

void node_encode(const struct node *n, struct buf *b)
{
	unsigned bits = bits_of(n);

	buf_put_u64(b, n->ino);
	inode_id_put(b, n->id);
	buf_put_u8(b, (uint8_t)n->kind);
	buf_put_u8(b, (uint8_t)n->flags);
	buf_put_u8(b, (uint8_t)bits);
	buf_put_u16(b, (uint16_t)n->mode);
	buf_put_u32(b, n->uid);
	buf_put_u32(b, n->gid);
	buf_put_u64(b, (uint64_t)n->atime_ns);
	buf_put_u64(b, (uint64_t)n->mtime_ns);
	buf_put_u64(b, (uint64_t)n->ctime_ns);
	buf_put_u64(b, (uint64_t)n->btime_ns);
	put_registers(b, n);
	buf_put_u64(b, n->size);
	buf_put_u64(b, n->data_bytes);
	if (bits & BIT_ORIGIN)
		buf_put_u64(b, n->origin);
	if (bits & BIT_RDEV) {
		buf_put_u32(b, n->rdev_major);
		buf_put_u32(b, n->rdev_minor);
	}
	if (bits & BIT_TARGET)
		put_name(b, &n->target);
	if (bits & BIT_DIR) {
		buf_put_u64(b, n->rep);
		buf_put_u32(b, n->n_united);
		buf_put_u64(b, n->n_members);
		buf_put_u64(b, n->n_subdirs);
		buf_put_u64(b, n->n_special);
	}
	if (bits & BIT_R4) {
		buf_put_u64(b, n->r4_parent);
		put_name(b, &n->r4_name);
	}
	buf_put_u32(b, n->n_places);
	for (unsigned i = 0; i < n->n_places; i++)
		put_place(b, &n->places[i]);
	buf_put_u32(b, n->n_versions);
	for (unsigned i = 0; i < n->n_versions; i++)
		put_version(b, n, &n->versions[i]);
	if (bits & BIT_LISTS)
		put_lists(b, n);
}

static int read_optional(struct cursor *c, struct node *n, unsigned bits)
{
	int r = 0;

	if (bits & BIT_ORIGIN)
		n->origin = cursor_u64(c);
	if (bits & BIT_RDEV) {
		n->rdev_major = cursor_u32(c);
		n->rdev_minor = cursor_u32(c);
	}
	if (bits & BIT_TARGET)
		r = read_name(c, &n->target);
	if (bits & BIT_DIR) {
		n->rep = cursor_u64(c);
		n->n_united = cursor_u32(c);
		n->n_members = cursor_u64(c);
		n->n_subdirs = cursor_u64(c);
		n->n_special = cursor_u64(c);
	}
	if (r == 0 && bits & BIT_R4) {
		n->r4_parent = cursor_u64(c);
		r = read_name(c, &n->r4_name);
	}
	return r;
}

unsigned node_rec_kind(const uint8_t *rec, size_t bytes)
{
	size_t at = 8 + INODE_ID_BYTES;

	return bytes > at ? rec[at] : KIND_NONE;
}

int node_decode(const uint8_t *rec, size_t bytes, struct node *n)
{
	struct cursor c;

	cursor_init(&c, rec, bytes);
	n->ino = cursor_u64(&c);
	n->id = inode_id_read(&c);
	n->kind = cursor_u8(&c);
	n->flags = cursor_u8(&c);
	unsigned bits = cursor_u8(&c);
	n->is_passed = bits & BIT_PASSED;
	n->mode = cursor_u16(&c);
	n->uid = cursor_u32(&c);
	n->gid = cursor_u32(&c);
	n->atime_ns = (int64_t)cursor_u64(&c);
	n->mtime_ns = (int64_t)cursor_u64(&c);
	n->ctime_ns = (int64_t)cursor_u64(&c);
	n->btime_ns = (int64_t)cursor_u64(&c);
	read_registers(&c, n);
	n->size = cursor_u64(&c);
	n->data_bytes = cursor_u64(&c);
	int r = read_optional(&c, n, bits);
	uint32_t count = cursor_u32(&c);
	if (r == 0 && !cursor_fits(&c, count, 1 + DOT_BYTES + 18))
		r = c.error;
	for (uint32_t i = 0; i < count && r == 0; i++)
		r = read_place(&c, n);
	count = cursor_u32(&c);
	if (r == 0 && !cursor_fits(&c, count, 1 + DOT_BYTES + 16))
		r = c.error;
	for (uint32_t i = 0; i < count && r == 0; i++)
		r = read_version(&c, n, n->ino);
	if (r == 0 && bits & BIT_LISTS)
		r = read_lists(&c, n);
	return r < 0 ? r : cursor_finish(&c);
}
