/* SPDX-License-Identifier: ISC */
#include "tree_fixture.h"

#include <check.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "vault/content/extents.h"
#include "vault/tree/holds.h"

int64_t fixture_now_ns;

static int64_t wall(void)
{
	return fixture_now_ns;
}

int extents_rebuild(struct vault *v, struct dot version, uint64_t to,
		    uint64_t *ret_size, uint64_t *ret_data_bytes)
{
	(void)v;
	(void)version;
	(void)to;
	*ret_size = *ret_data_bytes = 0;
	return 0;
}

/* ---------------------------------------------------------------- the vault */

static int make_root(struct vault *v)
{
	struct node *root;
	int r = node_new(v->nodes, (struct inode_id){ 0, 0 }, &root);

	if (r < 0)
		return r;
	root->kind = KIND_DIR;
	root->rep = root->ino;
	root->n_united = 1;
	root->mode = 0755;
	node_put(root);
	return 0;
}

static int open_all(struct vault *v)
{
	struct index_options o = { .env = env_posix(), .dirfd = -1,
				   .cache_bytes = 1 << 20, .create = true };
	int r = index_open(&o, &v->index);

	if (r == 0)
		r = node_cache_new(v->index, 1 << 20, &v->nodes);
	if (r == 0)
		r = oplog_init(&v->oplog, 1);
	v->oplog.writer = v->writer;
	if (r == 0)
		r = holds_new(&v->holds);
	if (r == 0)
		r = holds_new(&v->lingering);
	return r < 0 ? r : make_root(v);
}

struct vault *fixture_vault(uint64_t writer)
{
	struct vault *v;

	fixture_now_ns = FIXTURE_START_NS;
	clock_set_wall(wall);
	ck_assert_int_eq(crypto_start(), 0);
	v = mem_zalloc(sizeof(*v));
	if (!v)
		return NULL;
	v->env = env_posix();
	v->writer = writer;
	lock_init(&v->cut_lock, LOCK_CUT, 0);
	rwlock_init(&v->session, LOCK_SESSION);
	lock_init(&v->index_lock, LOCK_INDEX, 0);
	lock_init(&v->changed_lock, LOCK_LEAF, 0);
	if (open_all(v) < 0) {
		fixture_free(v);
		return NULL;
	}
	return v;
}

void fixture_free(struct vault *v)
{
	node_cache_free(v->nodes);
	if (v->index)
		index_close(v->index);
	oplog_release(&v->oplog);
	holds_free(v->holds);
	holds_free(v->lingering);
	lock_release(&v->cut_lock);
	rwlock_release(&v->session);
	lock_release(&v->index_lock);
	lock_release(&v->changed_lock);
	mem_free(v->gone);
	mem_free(v);
}

/* ---------------------------------------------------------------- short forms */

uint64_t fixture_make(struct vault *v, uint64_t parent, const char *name,
		      uint32_t mode)
{
	struct vault_new what = { .mode = mode };
	struct vault_attr a;

	if (S_ISLNK(mode))
		what.target = NAME("target");
	ck_assert_int_eq(vault_make(v, parent, NAME(name), &what, false, &a),
			 0);
	return a.ino;
}

struct vault_attr fixture_attr(struct vault *v, uint64_t ino)
{
	struct vault_attr a;

	ck_assert_int_eq(vault_getattr(v, ino, &a), 0);
	return a;
}

uint64_t fixture_find(struct vault *v, uint64_t parent, const char *name)
{
	struct vault_attr a;
	int r = vault_lookup(v, parent, NAME(name), &a);

	ck_assert_int_ge(r, 0);
	return r ? a.ino : 0;
}

void fixture_fill(struct vault *v, uint64_t ino, const char *data)
{
	auto_buf struct buf raw = BUF_INIT(4096);
	struct extent x = { .length = strlen(data), .kind = EXTENT_INLINE,
			    .bytes = (const uint8_t *)data };
	struct node *n;

	extent_put(&raw, &x);
	struct extent_list l = { raw.data, (uint32_t)raw.len, 1 };
	lock_take(&v->index_lock);
	ck_assert_int_eq(node_get(v->nodes, ino, &n), 1);
	ck_assert_int_eq(extents_apply(v, ino, true, x.length, &l, 0,
				       &n->data_bytes), 0);
	n->size = n->versions[0].size = x.length;
	node_dirty(n);
	node_put(n);
	lock_drop(&v->index_lock);
}

struct reader {
	char *to;
	size_t cap, len;
};

static int read_fn(void *arg, const struct index_extent *e)
{
	struct reader *r = arg;

	ck_assert_int_eq(e->kind, EXTENT_INLINE);
	ck_assert_uint_le(r->len + e->length, r->cap);
	memcpy(r->to + r->len, e->bytes, e->length);
	r->len += e->length;
	return 0;
}

size_t fixture_read(struct vault *v, uint64_t ino, char *to, size_t cap)
{
	struct reader r = { to, cap, 0 };

	lock_take(&v->index_lock);
	ck_assert_int_eq(index_extent_each(v->index, ino, 0, FILE_SIZE_MAX,
					   read_fn, &r), 0);
	lock_drop(&v->index_lock);
	return r.len;
}

unsigned fixture_n_ops(struct vault *v)
{
	unsigned n = 0;

	for (struct oplog_piece *p = v->oplog.first; p; p = p->next)
		n += p->n_ops;
	return n;
}

struct op fixture_op(struct vault *v, unsigned i)
{
	struct op op = { .flags = 0 };

	for (struct oplog_piece *p = v->oplog.first; p; p = p->next) {
		struct cursor c;

		cursor_init(&c, p->raw.data, p->raw.len);
		for (uint32_t k = 0; cursor_left(&c) > 0; k++) {
			ck_assert_int_eq(op_decode(&c, &op), 1);
			op.dot = (struct dot){ v->writer, p->seq,
					       p->first_index + k };
			if (i-- == 0)
				return op;
		}
	}
	ck_abort_msg("no such operation");
}
