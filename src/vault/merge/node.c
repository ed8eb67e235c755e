/* SPDX-License-Identifier: ISC */
#include "vault/merge/node.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "index/index.h"
#include "index/index_kv.h"
#include "vault/merge/node_edit.h"

#define CACHE_BUCKETS 16384u /* power of two */
#define PART_BYTES 64u /* names and the like, allocated apart */
#define INO_MASK (((uint64_t)1 << 63) - 1)

struct node_cache {
	struct index *index;
	struct node *buckets[CACHE_BUCKETS];
	struct node *lru_newest, *lru_oldest; /* refs == 0 only */
	size_t idle_bytes, max_bytes;
	struct key key; /* of numbers; see number_of */
	bool has_key;
	struct buf record; /* write_back's */
};

int op_key_compare(struct op_key a, struct op_key b)
{
	if (a.clock != b.clock)
		return a.clock < b.clock ? -1 : 1;
	if (a.writer != b.writer)
		return a.writer < b.writer ? -1 : 1;
	return 0;
}

/* ---------------------------------------------------------------- cache */

static unsigned bucket_of(uint64_t ino)
{
	/* Fibonacci hashing: Knuth, TAOCP 3, 6.4. */
	return (unsigned)((ino * UINT64_C(0x9E3779B97F4A7C15)) >> 50);
}

_Static_assert(CACHE_BUCKETS == 1u << 14, "bucket_of gives 14 bits");

int node_cache_new(struct index *ix, size_t max_bytes, struct node_cache **ret)
{
	struct node_cache *c = mem_zalloc(sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->index = ix;
	c->max_bytes = max_bytes;
	buf_init(&c->record, MEM_MAX);
	*ret = c;
	return 0;
}

static void node_free(struct node *n)
{
	node_release_fields(n);
	mem_free(n);
}

size_t node_cache_bytes(const struct node_cache *c)
{
	return c->idle_bytes;
}

void node_cache_free(struct node_cache *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CACHE_BUCKETS; i++)
		while (c->buckets[i]) {
			struct node *n = c->buckets[i];

			c->buckets[i] = n->hash_next;
			node_free(n);
		}
	buf_release(&c->record);
	mem_wipe(&c->key, sizeof(c->key));
	mem_free(c);
}

static int write_back(struct node_cache *c, struct node *n)
{
	struct buf *b = &c->record;

	buf_reset(b);
	node_encode(n, b);
	int r = buf_error(b);
	if (r < 0)
		return r;
	r = index_node_put(c->index, n->ino, b->data, b->len);
	if (r < 0)
		return r;
	n->is_dirty = false;
	return 0;
}

int node_cache_flush(struct node_cache *c)
{
	for (unsigned i = 0; i < CACHE_BUCKETS; i++)
		for (struct node *n = c->buckets[i]; n; n = n->hash_next) {
			int r = n->is_dirty ? write_back(c, n) : 0;

			if (r < 0)
				return r;
		}
	return 0;
}

static void lru_remove(struct node_cache *c, struct node *n)
{
	if (n->lru_prev)
		n->lru_prev->lru_next = n->lru_next;
	else
		c->lru_newest = n->lru_next;
	if (n->lru_next)
		n->lru_next->lru_prev = n->lru_prev;
	else
		c->lru_oldest = n->lru_prev;
	n->lru_prev = n->lru_next = NULL;
	c->idle_bytes -= n->idle_bytes;
}

/* About: with what an allocation costs beside its bytes, and short names. */
static size_t memory_of(const struct node *n)
{
	return sizeof(*n) + n->target.len + PART_BYTES +
	       n->n_places * (sizeof(*n->places) + PART_BYTES) +
	       n->n_versions * sizeof(*n->versions) +
	       n->n_siblings * sizeof(*n->siblings) +
	       n->n_old_links * sizeof(*n->old_links);
}

static void lru_add(struct node_cache *c, struct node *n)
{
	n->lru_prev = NULL;
	n->lru_next = c->lru_newest;
	if (c->lru_newest)
		c->lru_newest->lru_prev = n;
	else
		c->lru_oldest = n;
	c->lru_newest = n;
	n->idle_bytes = memory_of(n);
	c->idle_bytes += n->idle_bytes;
}

static void bucket_remove(struct node_cache *c, struct node *n)
{
	struct node **at = &c->buckets[bucket_of(n->ino)];

	while (*at != n)
		at = &(*at)->hash_next;
	*at = n->hash_next;
	n->hash_next = NULL;
}

static void bucket_add(struct node_cache *c, struct node *n)
{
	struct node **at = &c->buckets[bucket_of(n->ino)];

	n->hash_next = *at;
	*at = n;
}

/* Makes room; a node that cannot be written stays (the index is bad then, and
 * the next call says so). */
static void shrink(struct node_cache *c)
{
	while (c->idle_bytes > c->max_bytes) {
		struct node *n = c->lru_oldest;

		if (n->is_dirty && write_back(c, n) < 0)
			return;
		lru_remove(c, n);
		bucket_remove(c, n);
		node_free(n);
	}
}

static struct node *find_cached(struct node_cache *c, uint64_t ino)
{
	struct node *n = c->buckets[bucket_of(ino)];

	while (n && n->ino != ino)
		n = n->hash_next;
	return n;
}

int node_get(struct node_cache *c, uint64_t ino, struct node **ret)
{
	struct node *n = find_cached(c, ino);
	const uint8_t *rec;
	size_t bytes;

	if (n) {
		if (n->refs++ == 0)
			lru_remove(c, n);
		*ret = n;
		return 1;
	}
	int r = index_node_get(c->index, ino, &rec, &bytes);
	if (r <= 0)
		return r;
	n = mem_zalloc(sizeof(*n));
	if (!n)
		return -ENOMEM;
	r = node_decode(rec, bytes, n);
	if (r < 0) {
		node_free(n);
		return ERR_BAD_INDEX;
	}
	n->ino = ino;
	n->refs = 1;
	n->cache = c;
	bucket_add(c, n);
	*ret = n;
	return 1;
}

/* ---------------------------------------------------------------- numbers */

#define NUMBER_TABLE "number-key"

/* A number is the id's time if that is free.  Devices choose times, so an id
 * that finds it taken is sent where only this index knows: hashed under a key
 * of its own, ids cannot be made to meet again. */
static int load_key(struct node_cache *c)
{
	const uint8_t *rec;
	size_t bytes;

	if (c->has_key)
		return 0;
	int r = index_value_get(c->index, NUMBER_TABLE, "", 0, &rec, &bytes);
	if (r < 0)
		return r;
	if (r > 0 && bytes != sizeof(c->key.b))
		return ERR_BAD_INDEX;
	if (r > 0) {
		memcpy(c->key.b, rec, sizeof(c->key.b));
	} else {
		random_bytes(c->key.b, sizeof(c->key.b));
		r = index_value_put(c->index, NUMBER_TABLE, "", 0, c->key.b,
				    sizeof(c->key.b));
		if (r < 0)
			return r;
	}
	c->has_key = true;
	return 0;
}

/* The number an id tries after `tried` others were taken. */
static int number_of(struct node_cache *c, struct inode_id id, uint32_t tried,
		     uint64_t *ret)
{
	uint64_t ino = id.time & INO_MASK;

	if (inode_id_is_root(id)) {
		*ret = VAULT_ROOT_INO;
		return 0;
	}
	if (tried > 0) {
		uint8_t in[INODE_ID_BYTES + 4], out[16];
		int r = load_key(c);

		if (r < 0)
			return r;
		le64_put(in, id.time);
		le64_put(in + 8, id.tail);
		le32_put(in + 16, tried);
		hash_bytes(&c->key, in, sizeof(in), out, sizeof(out));
		ino = le64_get(out) & INO_MASK;
	}
	*ret = max_of(ino, VAULT_ROOT_INO + 1);
	return 0;
}

/* The node of an id, or the number that is free for it: 1, 0.  `mark`: what
 * stands before it stays for good, for others are numbered past it. */
static int find_number(struct node_cache *c, struct inode_id id, bool mark,
		       struct node **ret, uint64_t *ret_ino)
{
	for (uint32_t tried = 0;; tried++) {
		struct node *n;
		uint64_t ino;
		int r = number_of(c, id, tried, &ino);

		if (r == 0)
			r = node_get(c, ino, &n);
		if (r < 0)
			return r;
		if (r == 0) {
			*ret_ino = ino;
			return 0;
		}
		if (n->kind != KIND_NONE && inode_id_equal(n->id, id)) {
			*ret = n;
			return 1;
		}
		if (mark && !n->is_passed) {
			n->is_passed = true;
			node_dirty(n);
		}
		node_put(n);
	}
}

int node_get_by_id(struct node_cache *c, struct inode_id id, struct node **ret)
{
	uint64_t ino;

	return find_number(c, id, false, ret, &ino);
}

int node_new(struct node_cache *c, struct inode_id id, struct node **ret)
{
	struct node *n;
	uint64_t ino;
	int r = find_number(c, id, true, &n, &ino);

	if (r < 0)
		return r;
	if (r > 0) {
		node_put(n);
		return -EEXIST;
	}
	n = mem_zalloc(sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->ino = ino;
	n->id = id;
	n->refs = 1;
	n->is_dirty = true;
	n->cache = c;
	bucket_add(c, n);
	*ret = n;
	return 0;
}

void node_put(struct node *n)
{
	if (!n)
		return;
	assert(n->refs > 0);
	if (--n->refs == 0) {
		lru_add(n->cache, n);
		shrink(n->cache);
	}
}

void node_put_cleanup(struct node **n)
{
	node_put(*n);
}

void node_dirty(struct node *n)
{
	n->is_dirty = true;
}

int node_delete(struct node_cache *c, struct node *n)
{
	assert(n->refs == 1);
	if (n->is_passed) {
		node_release_fields(n);
		n->kind = KIND_NONE;
		n->flags = NODE_GONE;
		n->is_dirty = true;
		node_put(n);
		return 0;
	}
	bucket_remove(c, n);
	int r = index_node_delete(c->index, n->ino);
	node_free(n);
	return r;
}

/* ---------------------------------------------------------------- editing */

int node_name_set(struct node_name *n, const void *bytes, size_t len)
{
	uint8_t *copy = mem_dup(bytes, len);

	if (!copy)
		return -ENOMEM;
	mem_free(n->bytes);
	n->bytes = copy;
	n->len = (uint16_t)len;
	return 0;
}

void node_name_clear(struct node_name *n)
{
	mem_free(n->bytes);
	n->bytes = NULL;
	n->len = 0;
}

bool node_name_equal(const struct node_name *n, const void *bytes, size_t len)
{
	return n->len == len && memcmp(n->bytes, bytes, len) == 0;
}

/* One zeroed element more at the end of an array; NULL if memory is short.  It
 * doubles at each power of two, so that nobody need keep its capacity. */
static void *grow(void *array, unsigned n, size_t size)
{
	bool is_full = (n & (n - 1)) == 0;
	uint8_t *bigger = array;

	if (is_full)
		bigger = mem_realloc_array(array, n ? 2 * (size_t)n : 1, size);
	if (bigger)
		memset(bigger + n * size, 0, size);
	return bigger;
}

static void cut_out(void *array, unsigned *n, unsigned i, size_t size)
{
	uint8_t *base = array;

	assert(i < *n);
	(*n)--;
	memmove(base + i * size, base + (i + 1) * size, (*n - i) * size);
}

static void place_release(struct node_place *p)
{
	node_name_clear(&p->name);
	node_name_clear(&p->from_name);
	node_name_clear(&p->pin_name);
}

int node_add_place(struct node *n, struct node_place **ret)
{
	struct node_place *a = grow(n->places, n->n_places, sizeof(*a));

	if (!a)
		return -ENOMEM;
	n->places = a;
	*ret = &a[n->n_places++];
	return 0;
}

void node_remove_place(struct node *n, unsigned i)
{
	place_release(&n->places[i]);
	cut_out(n->places, &n->n_places, i, sizeof(n->places[0]));
}

int node_add_version(struct node *n, struct node_version **ret)
{
	struct node_version *a = grow(n->versions, n->n_versions, sizeof(*a));

	if (!a)
		return -ENOMEM;
	n->versions = a;
	*ret = &a[n->n_versions++];
	return 0;
}

void node_remove_version(struct node *n, unsigned i)
{
	cut_out(n->versions, &n->n_versions, i, sizeof(n->versions[0]));
}

int node_add_sibling(struct node *n, struct node_sibling **ret)
{
	struct node_sibling *a = grow(n->siblings, n->n_siblings, sizeof(*a));

	if (!a)
		return -ENOMEM;
	n->siblings = a;
	*ret = &a[n->n_siblings++];
	return 0;
}

void node_remove_sibling(struct node *n, unsigned i)
{
	cut_out(n->siblings, &n->n_siblings, i, sizeof(n->siblings[0]));
}

int node_add_old_link(struct node *n, struct dot link, hlc_t clock)
{
	struct node_link_clock *a =
		grow(n->old_links, n->n_old_links, sizeof(*a));

	if (!a)
		return -ENOMEM;
	n->old_links = a;
	a[n->n_old_links].link = link;
	a[n->n_old_links++].clock = clock;
	return 0;
}

struct node_version *node_find_version(struct node *n, struct dot d)
{
	for (unsigned i = 0; i < n->n_versions; i++)
		if (dot_equal(n->versions[i].dot, d))
			return &n->versions[i];
	return NULL;
}

struct node_place *node_find_place(struct node *n, struct dot d)
{
	for (unsigned i = 0; i < n->n_places; i++)
		if (dot_equal(n->places[i].dot, d))
			return &n->places[i];
	return NULL;
}

struct node_sibling *node_find_sibling(struct node *n, struct dot version)
{
	for (unsigned i = 0; i < n->n_siblings; i++)
		if (dot_equal(n->siblings[i].version, version))
			return &n->siblings[i];
	return NULL;
}

void node_release_fields(struct node *n)
{
	for (unsigned i = 0; i < n->n_places; i++)
		place_release(&n->places[i]);
	mem_free(n->places);
	mem_free(n->versions);
	mem_free(n->siblings);
	mem_free(n->old_links);
	node_name_clear(&n->target);
	node_name_clear(&n->r4_name);
	n->places = NULL;
	n->versions = NULL;
	n->siblings = NULL;
	n->old_links = NULL;
	n->n_places = n->n_versions = n->n_siblings = n->n_old_links = 0;
}
