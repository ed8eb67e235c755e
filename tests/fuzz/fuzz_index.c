/* SPDX-License-Identifier: ISC */
/*
 * 0: an index file whose pages are damaged on the disk: cut off, exchanged, put
 * back to an older state, flipped.  1: the same, and pages sealed again with
 * other contents, as only a fault of memory could make them.  It opens and
 * tells its rows, or says that it is bad; rows of a file that was not sealed
 * again, nor put back, are the true ones.  2: the record of an inode.
 */
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "fuzz.h"
#include "index/index_chunk.h"
#include "index/index_kv.h"
#include "index/vfs_priv.h"
#include "mem_env.h"
#include "vault/merge/node_edit.h"

#define N_ROWS 150u
#define GENERATION 5u
#define PLAIN_BYTES (VFS_PAGE_BYTES - VFS_RESERVED_BYTES)

static const struct key idx_key = { { 7 } };
static struct mem_env good, old; /* the file, and an older state of it */

static struct index_options options_on(struct mem_env *m, int dirfd,
				       bool create)
{
	return (struct index_options){
		.env = &m->env,
		.dirfd = dirfd,
		.key = idx_key,
		.generation = GENERATION,
		.cache_bytes = (size_t)256 << 10,
		.create = create,
	};
}

/* ---------------------------------------------------------------- a good one */

static void put_node(struct index *ix, uint32_t i)
{
	auto_buf struct buf b = BUF_INIT(1 << 16);
	struct node n = { .ino = i,
			  .id = { i, i },
			  .kind = KIND_FILE,
			  .mode = 0644,
			  .size = i };

	FUZZ_REQUIRE(node_name_set(&n.target, "target", 6) == 0);
	node_encode(&n, &b);
	FUZZ_REQUIRE(index_node_put(ix, i, b.data, b.len) == 0);
	node_release_fields(&n);
}

static void put_row(struct index *ix, uint32_t i)
{
	char name[16];
	struct index_link l = { .parent = 1 + i % 3,
				.cookie = i,
				.ino = i,
				.kind = KIND_FILE,
				.name = (const uint8_t *)name };
	struct index_extent e = { .offset = i * 100u,
				  .length = 50,
				  .kind = EXTENT_CHUNK,
				  .chunk = 1 };
	struct index_xattr x = { .name = (const uint8_t *)"user.x",
				 .name_len = 6,
				 .rec = (const uint8_t *)name,
				 .rec_bytes = 4 };
	struct index_chunk c = { .id = { { (uint8_t)i } } };

	l.name_len = (uint16_t)snprintf(name, sizeof(name), "name %u", i);
	FUZZ_REQUIRE(index_link_put(ix, &l) == 0);
	FUZZ_REQUIRE(index_extent_put(ix, i % 7, &e) == 0);
	FUZZ_REQUIRE(index_xattr_put(ix, i, &x) == 0);
	FUZZ_REQUIRE(index_writer_put(ix, i, name, 5) == 0);
	FUZZ_REQUIRE(index_value_put(ix, "table", &i, sizeof(i), name, 6) ==
		     0);
	FUZZ_REQUIRE(index_chunk_place(ix, &c) == 0);
}

static void make_good(void)
{
	struct index *ix = NULL;
	struct index_pack p = { .writer = 7, .size = 1 << 20, .epoch = 1,
				.type = PACK_DATA, .n_entries = 1 };
	int dirfd;

	FUZZ_REQUIRE(crypto_start() == 0);
	mem_env_init(&good);
	mem_env_init(&old);
	dirfd = mem_env_folder(&good, "/");
	const struct index_options o = options_on(&good, dirfd, true);
	FUZZ_REQUIRE(index_open(&o, &ix) == 0);
	FUZZ_REQUIRE(index_pack_add(ix, &p) == 0);
	for (uint32_t i = 1; i <= N_ROWS; i++) {
		put_node(ix, i);
		put_row(ix, i);
		if (i != N_ROWS / 2)
			continue;
		FUZZ_REQUIRE(index_commit(ix) == 0);
		mem_env_copy(&good, &old);
	}
	FUZZ_REQUIRE(index_commit(ix) == 0);
	index_close(ix);
	FUZZ_REQUIRE(env_close(&good.env, &dirfd) == 0);
}

/* ---------------------------------------------------------------- damage */

static void page_ad(uint64_t page, uint8_t ad[static 24])
{
	memcpy(ad, "cofr-idx", 8);
	le64_put(ad + 8, GENERATION);
	le64_put(ad + 16, page);
}

/* Changes bytes of the page's plaintext, and seals it again. */
static void seal_again(uint8_t *page, uint64_t number, uint64_t at,
		       const uint8_t *bytes, size_t n)
{
	uint8_t sealed[PLAIN_BYTES + TAG_BYTES], plain[PLAIN_BYTES], ad[24];
	uint8_t nonce[NONCE_BYTES];

	page_ad(number, ad);
	memcpy(nonce, page + PLAIN_BYTES, sizeof(nonce));
	memcpy(sealed, page, PLAIN_BYTES);
	memcpy(sealed + PLAIN_BYTES, page + PLAIN_BYTES + NONCE_BYTES,
	       TAG_BYTES);
	if (aead_open(&idx_key, nonce, ad, sizeof(ad), sealed, sizeof(sealed),
		      plain) < 0)
		return;
	at %= sizeof(plain);
	n = min_of(n, sizeof(plain) - (size_t)at);
	memcpy(plain + at, bytes, n);
	aead_seal(&idx_key, nonce, ad, sizeof(ad), plain, sizeof(plain),
		  sealed);
	memcpy(page, sealed, PLAIN_BYTES);
	memcpy(page + PLAIN_BYTES + NONCE_BYTES, sealed + PLAIN_BYTES,
	       TAG_BYTES);
}

static uint8_t *page_of(struct buf *b, uint64_t page)
{
	return b->data + (page % (b->len / VFS_PAGE_BYTES)) * VFS_PAGE_BYTES;
}

/* True: old or other contents may open. */
static bool damage(struct buf *b, bool may_seal, const uint8_t **data,
		   size_t *size)
{
	const unsigned how = (unsigned)fuzz_number(data, size, 1);
	const uint64_t page = fuzz_number(data, size, 1);
	const uint64_t at = fuzz_number(data, size, 2);
	const struct buf *before = mem_env_file(&old, 0);
	uint8_t swap[VFS_PAGE_BYTES], *p;
	size_t n;

	if (b->len < VFS_PAGE_BYTES)
		return false;
	p = page_of(b, page);
	switch (how % 8) {
	case 0:
		b->len = (size_t)((uint64_t)(p - b->data) + at % 2);
		return false;
	case 1:
		memcpy(swap, p, sizeof(swap));
		memmove(p, page_of(b, at), sizeof(swap));
		memcpy(page_of(b, at), swap, sizeof(swap));
		return false;
	case 2:
		if ((size_t)(p - b->data) + VFS_PAGE_BYTES <= before->len)
			memcpy(p, before->data + (p - b->data),
			       VFS_PAGE_BYTES);
		return true;
	case 3:
		memset(p, 0, VFS_PAGE_BYTES);
		return false;
	case 4:
		p[at % VFS_PAGE_BYTES] ^= (uint8_t)(how | 1);
		return false;
	default:
		n = min_of(*size, (size_t)(1 + how / 8));
		if (may_seal)
			seal_again(p, (uint64_t)(p - b->data) /
					      VFS_PAGE_BYTES + 1,
				   at, *data, n);
		*data += n;
		*size -= n;
		return may_seal;
	}
}

/* ---------------------------------------------------------------- reading */

struct rows {
	uint64_t hash, n;
};

static void add(struct rows *r, const void *p, size_t n)
{
	r->n++;
	r->hash = r->hash * 31 + hash_short(&idx_key, p, n);
}

static int read_node(const uint8_t *rec, size_t bytes)
{
	auto_buf struct buf again = BUF_INIT(FUZZ_BUF_MAX);
	struct node n = { .ino = 0 };
	int r = node_decode(rec, bytes, &n);

	/* What is kept comes back the same. */
	if (r == 0) {
		struct node m = { .ino = 0 };
		auto_buf struct buf more = BUF_INIT(FUZZ_BUF_MAX);

		node_encode(&n, &again);
		FUZZ_REQUIRE(buf_error(&again) == 0);
		FUZZ_REQUIRE(node_decode(again.data, again.len, &m) == 0);
		node_encode(&m, &more);
		fuzz_require_same(&more, again.data, again.len);
		node_release_fields(&m);
	}
	node_release_fields(&n);
	return r;
}

static int on_node(void *arg, uint64_t ino, const uint8_t *rec, size_t bytes)
{
	add(arg, &ino, sizeof(ino));
	add(arg, rec, bytes);
	(void)node_rec_kind(rec, bytes);
	(void)!read_node(rec, bytes);
	return 0;
}

static int on_link(void *arg, const struct index_link *l)
{
	add(arg, &l->ino, sizeof(l->ino));
	add(arg, l->name, l->name_len);
	add(arg, l->extra_bytes ? l->extra : (const uint8_t *)"",
	    l->extra_bytes);
	return 0;
}

static int on_extent(void *arg, uint64_t ino, const struct index_extent *e)
{
	add(arg, &ino, sizeof(ino));
	add(arg, &e->offset, sizeof(e->offset));
	if (e->kind == EXTENT_INLINE)
		add(arg, e->bytes, (size_t)e->length);
	return 0;
}

static int on_xattr(void *arg, const struct index_xattr *x)
{
	add(arg, x->name, x->name_len);
	add(arg, x->rec, x->rec_bytes);
	return 0;
}

static int on_writer(void *arg, uint64_t writer, const uint8_t *rec,
		     size_t bytes)
{
	add(arg, &writer, sizeof(writer));
	add(arg, rec, bytes);
	return 0;
}

static int on_value(void *arg, const uint8_t *id, size_t id_bytes,
		    const uint8_t *rec, size_t bytes)
{
	add(arg, id, id_bytes);
	add(arg, rec, bytes);
	return 0;
}

static int on_chunk(void *arg, const struct index_chunk *c)
{
	add(arg, &c->chunk, sizeof(c->chunk));
	return 0;
}

static int on_pack(void *arg, const struct index_pack *p)
{
	add(arg, &p->pack, sizeof(p->pack));
	add(arg, p->name, sizeof(p->name));
	return 0;
}

static int read_all(struct index *ix, struct rows *to)
{
	int r = index_node_each(ix, 0, on_node, to);

	for (uint64_t parent = 1; r == 0 && parent < 4; parent++)
		r = index_link_each(ix, parent, 0, on_link, to);
	if (r == 0)
		r = index_extent_all(ix, on_extent, to);
	for (uint64_t ino = 1; r == 0 && ino <= N_ROWS; ino++)
		r = index_xattr_each(ix, ino, on_xattr, to);
	if (r == 0)
		r = index_writer_each(ix, on_writer, to);
	if (r == 0)
		r = index_value_each(ix, "table", on_value, to);
	if (r == 0)
		r = index_chunk_each_of_pack(ix, 0, on_chunk, to);
	if (r == 0)
		r = index_pack_each(ix, on_pack, to);
	return r;
}

/* Writing to what was read, and closing it. */
static int change_all(struct index *ix)
{
	uint64_t used;
	int r = index_used_bytes(ix, &used);

	for (uint64_t i = 1; r == 0 && i < 40; i += 7) {
		r = index_chunk_ref(ix, i, 1);
		if (r == 0)
			r = index_node_delete(ix, i);
		if (r == 0)
			r = index_link_delete(ix, 1 + i % 3, i);
		if (r == 0)
			r = index_extent_delete_all(ix, i);
		if (r == 0)
			r = index_value_put(ix, "other", &i, sizeof(i), "x", 1);
	}
	return r < 0 ? r : index_commit(ix);
}

static int use(struct mem_env *m, struct rows *to)
{
	struct index *ix = NULL;
	int dirfd = mem_env_folder(m, "/"), r;

	const struct index_options o = options_on(m, dirfd, false);
	r = index_open(&o, &ix);
	if (r == 0) {
		r = read_all(ix, to);
		if (r == 0)
			(void)!change_all(ix);
		index_close(ix);
	}
	FUZZ_REQUIRE(env_close(&m->env, &dirfd) == 0);
	FUZZ_REQUIRE(m->n_open == 0);
	return r;
}

static void fuzz_file(bool may_seal, const uint8_t *data, size_t size)
{
	static struct rows truth;
	struct rows rows = { 0, 0 };
	struct mem_env m;
	bool other = false;
	int r;

	mem_env_init(&m);
	mem_env_copy(&good, &m);
	if (truth.n == 0) {
		r = use(&m, &truth);
		FUZZ_REQUIRE(r == 0 && truth.n > 6 * N_ROWS);
		mem_env_copy(&good, &m);
	}
	while (size > 0 && mem_env_count_files(&m) > 0)
		if (damage(mem_env_file(&m, 0), may_seal, &data, &size))
			other = true;
	if (mem_env_count_files(&m) > 0) {
		r = use(&m, &rows);
		FUZZ_REQUIRE(r < 0 || other || (rows.n == truth.n &&
						rows.hash == truth.hash));
	}
	mem_env_release(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned what = (unsigned)fuzz_number(&data, &size, 1) % 3;

	if (!good.root)
		make_good();
	if (what == 2)
		(void)!read_node(data, size);
	else
		fuzz_file(what == 1, data, size);
	return 0;
}
