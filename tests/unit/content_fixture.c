/* SPDX-License-Identifier: ISC */
#include "content_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "base/mem.h"
#include "format/local.h"
#include "vault/core_state.h"
#include "vault/log/commit.h"
#include "vault/merge/merge.h"
#include "vault/packs/packs.h"
#include "vault/tree/holds.h"

struct content_fixture cf;

const struct content_sizes tiny_sizes = {
	.chunk_min = 4096,
	.chunk_average = 8192,
	.chunk_max = 16384,
	.dirty_bytes = 1 << 20,
	.cache_bytes = 1 << 20,
};

static struct vault_secrets secrets;

/* ---- the vault ---- */

static struct vault *vault_make_empty(const struct content_sizes *sizes)
{
	struct vault *v = calloc(1, sizeof(*v));
	const struct cache_options cache = { .bytes = sizes->cache_bytes };
	const struct index_options index = {
		.env = &fx.disk.env,
		.dirfd = -1,
		.cache_bytes = 4 << 20,
		.create = true,
	};

	ck_assert_ptr_nonnull(v);
	v->env = &fx.disk.env;
	v->vault_dirfd = fx.vault_fd;
	v->state_dirfd = v->lock_fd = -1;
	v->header.uuid = fx.opts.vault;
	v->header.chunk_min = sizes->chunk_min;
	v->header.chunk_average = sizes->chunk_average;
	v->header.chunk_max = sizes->chunk_max;
	v->keys = &secrets;
	v->writer = OWN_WRITER;
	v->opts.dirty_bytes = sizes->dirty_bytes;
	v->opts.n_workers = 3;
	lock_init(&v->cut_lock, LOCK_CUT, 0);
	rwlock_init(&v->session, LOCK_SESSION);
	lock_init(&v->index_lock, LOCK_INDEX, 0);
	lock_init(&v->changed_lock, LOCK_LEAF, 0);
	ck_assert_int_eq(index_open(&index, &v->index), 0);
	ck_assert_int_eq(node_cache_new(v->index, 1 << 20, &v->nodes), 0);
	ck_assert_int_eq(oplog_init(&v->oplog, 1), 0);
	v->oplog.writer = OWN_WRITER;
	ck_assert_int_eq(holds_new(&v->holds), 0);
	ck_assert_int_eq(holds_new(&v->lingering), 0);
	ck_assert_int_eq(core_state_make(v), 0);
	ck_assert_int_eq(cache_new(&cache, &v->cache), 0);
	ck_assert_int_eq(chunker_init(&v->chunker, fx.vault_keys.gear,
				      sizes->chunk_min, sizes->chunk_average,
				      sizes->chunk_max, 2),
			 0);
	v->store = fx.store;
	ck_assert_int_eq(content_new(v, &v->content), 0);
	return v;
}

static void vault_free(struct vault *v)
{
	content_free(v->content);
	cache_free(v->cache);
	holds_free(v->holds);
	holds_free(v->lingering);
	oplog_release(&v->oplog);
	node_cache_free(v->nodes);
	index_close(v->index);
	mem_free(v->gone);
	lock_release(&v->changed_lock);
	lock_release(&v->index_lock);
	rwlock_release(&v->session);
	lock_release(&v->cut_lock);
	free(v);
}

void content_make(const struct content_sizes *sizes)
{
	fixture_make();
	secrets.vault = fx.vault_keys;
	secrets.local = fx.local;
	secrets.ring.n_epochs = 1;
	secrets.epochs[0] = fx.epochs[0];
	secrets.newest = 0;
	memset(&cf, 0, sizeof(cf));
	buf_init(&cf.packs, MEM_MAX);
	buf_init(&cf.stage, MEM_MAX);
	cf.v = vault_make_empty(sizes);
	ck_assert_int_eq(stage_open(fx.store, 1, &cf.v->stage), 0);
}

void content_make_tiny(void)
{
	content_make(&tiny_sizes);
}

void content_remove(void)
{
	struct stage *st = cf.v->stage;

	vault_free(cf.v);
	stage_close(st);
	buf_release(&cf.packs);
	buf_release(&cf.stage);
	fixture_remove();
}

void use_next_epoch(void)
{
	secrets.ring.n_epochs = 2;
	secrets.epochs[1] = fx.epochs[1];
	secrets.newest = 1;
}

/* ---- cuts, as vault/log/commit.c makes them ---- */

void commit_wake(struct vault *v)
{
	(void)v;
}

void commit_note_pack(struct vault *v)
{
	(void)v;
}

int commit_relieve(struct vault *v)
{
	(void)v;
	return 0;
}

/* A chunk that travels in the frame stands in the stage too. */
static void keep_chunks(const struct content_durable *d)
{
	struct cursor c;

	cursor_init(&c, d->chunks.data, d->chunks.len);
	for (uint32_t i = 0; i < d->n_chunks; i++) {
		struct cut_chunk ch;
		struct cut_stage_entry e;
		struct content_id id;

		cut_chunk_read(&c, &ch);
		id = id_of(ch.bytes, ch.entry.plain_bytes);
		ck_assert_mem_eq(&id, &ch.entry.id, sizeof(id));
		e = (struct cut_stage_entry){ ch.file, ch.entry };
		cut_stage_entry_put(&cf.stage, &e);
	}
	ck_assert_int_eq(cursor_finish(&c), 0);
}

static int finish_cut(struct vault *v)
{
	const struct content_durable *d;
	int r = content_make_durable(v, &d);

	if (r == 0)
		r = cf.fail_frame;
	if (r < 0)
		return r;
	buf_put(&cf.packs, d->packs.data, d->packs.len);
	buf_put(&cf.stage, d->stage.data, d->stage.len);
	keep_chunks(d);
	content_durable_done(v);
	ck_assert_int_eq(buf_error(&cf.packs), 0);
	ck_assert_int_eq(buf_error(&cf.stage), 0);
	return 0;
}

static int cut_locked(struct vault *v, const uint64_t *only, unsigned n)
{
	struct oplog_piece *reserved = NULL;
	struct content_cut *cut = NULL;
	uint32_t n_ops = 0;
	int r, durable;

	rwlock_take(&v->session);
	r = content_cut_take(v, n > 0 ? only : NULL, n, &cut, &n_ops);
	if (r == 0) {
		lock_take(&v->index_lock);
		r = oplog_cut(&v->oplog, n_ops, &reserved);
		lock_drop(&v->index_lock);
	}
	rwlock_drop(&v->session);
	if (r == 0)
		r = content_cut_flush(v, cut, reserved);
	content_cut_free(cut);
	durable = finish_cut(v);
	return r < 0 ? r : durable;
}

int commit_cut(struct vault *v, const uint64_t *only, unsigned n_only)
{
	int r;

	lock_take(&v->cut_lock);
	r = cut_locked(v, only, n_only);
	lock_drop(&v->cut_lock);
	atomic_fetch_add(&cf.n_cuts, 1);
	return r;
}

/* ---- files ---- */

void put(uint64_t ino, uint64_t offset, const void *from, size_t len)
{
	ck_assert_int_eq(vault_write(cf.v, ino, from, len, offset, 0), 0);
}

void cut(void)
{
	ck_assert_int_eq(commit_cut(cf.v, NULL, 0), 0);
}

uint64_t size_of(struct vault *v, uint64_t ino)
{
	struct vault_attr attr;

	ck_assert_int_eq(vault_getattr(v, ino, &attr), 0);
	return attr.size;
}

uint64_t staged(void)
{
	return stage_bytes(cf.v->stage);
}

uint64_t new_file(const char *name)
{
	const struct vault_new what = { .mode = S_IFREG | 0644 };
	struct vault_name n = { name, strlen(name) };
	struct vault_attr attr;

	ck_assert_int_eq(
		vault_make(cf.v, VAULT_ROOT_INO, n, &what, true, &attr), 0);
	return attr.ino;
}

void check_bytes(struct vault *v, uint64_t ino, const uint8_t *want,
		 size_t size)
{
	uint8_t *got = malloc(size + 1);
	ssize_t n;

	ck_assert_ptr_nonnull(got);
	n = vault_pread(v, ino, got, size + 1, 0);
	ck_assert_int_eq(n, (ssize_t)size);
	for (size_t i = 0; i < size; i++)
		if (got[i] != want[i])
			ck_abort_msg("byte %zu of %zu", i, size);
	free(got);
}

/* ---- publishing ---- */

struct moved {
	struct index_chunk c[4096];
	unsigned n;
};

static int collect_moved(void *arg, const struct index_chunk *c)
{
	struct moved *m = arg;

	ck_assert_uint_lt(m->n, array_len(m->c));
	m->c[m->n++] = *c;
	return 0;
}

static int collect_stage(void *arg, const struct index_pack *p)
{
	struct moved *m = arg;

	return p->is_stage ? index_chunk_each_of_pack(cf.v->index, p->pack,
						      collect_moved, m)
			   : 0;
}

/* Packs what is live; takes the rows of what is dead away. */
static void move_chunk(struct vault *v, struct pack_writer *w,
		       struct index_chunk *c, uint8_t *plain)
{
	struct store_place place = { .is_stage = true, .type = PACK_DATA };
	struct index_pack p;
	struct index_chunk now;
	bool is_live;

	lock_take(&v->index_lock);
	ck_assert_int_eq(index_chunk_get(v->index, c->chunk, &now), 1);
	is_live = now.refs > 0 || content_names_chunk(v, c->chunk);
	if (!is_live)
		ck_assert_int_eq(index_chunk_delete(v->index, c->chunk), 0);
	ck_assert_int_eq(index_pack_get(v->index, c->pack, &p), 1);
	lock_drop(&v->index_lock);
	c->refs = is_live;
	if (!is_live)
		return;
	place.stage_file = p.stage_file;
	place.entry = c->entry;
	ck_assert_int_eq(store_read(v->store, &place, 1, 0,
				    subs_of(c->entry.plain_bytes), false,
				    plain),
			 0);
	ck_assert_int_eq(pack_writer_add(w, &c->id, plain, c->entry.plain_bytes,
					 &c->entry),
			 0);
}

static void place_moved(struct vault *v, const struct pack_writer *w,
			struct moved *m)
{
	struct segment_pack a;
	struct index_pack row;

	pack_writer_announcement(w, &a);
	row = (struct index_pack){
		.writer = v->writer,
		.size = a.size,
		.epoch = a.epoch,
		.key_id = a.key_id,
		.type = a.type,
		.n_entries = a.n_entries,
		.flags = PACK_FLAG_WHOLE,
	};
	memcpy(row.name, a.name, sizeof(row.name));
	lock_take(&v->index_lock);
	ck_assert_int_eq(index_pack_add(v->index, &row), 0);
	for (unsigned i = 0; i < m->n; i++) {
		m->c[i].pack = row.pack;
		if (m->c[i].refs)
			ck_assert_int_eq(index_chunk_place(v->index, &m->c[i]),
					 0);
	}
	lock_drop(&v->index_lock);
	segment_pack_put(&cf.packs, &a);
}

static void publish_locked(struct vault *v, struct moved *m, uint8_t *plain)
{
	struct pack_writer *w;
	uint64_t below;

	ck_assert_int_eq(stage_rotate(v->stage, &below), 0);
	lock_take(&v->index_lock);
	ck_assert_int_eq(index_pack_each(v->index, collect_stage, m), 0);
	lock_drop(&v->index_lock);
	ck_assert_int_eq(pack_writer_open(v->store, PACK_DATA,
					  core_newest_keys(v), &w),
			 0);
	for (unsigned i = 0; i < m->n; i++)
		move_chunk(v, w, &m->c[i], plain);
	if (pack_writer_entries(w) > 0) {
		ck_assert_int_eq(pack_writer_finish(w, true), 0);
		ck_assert_int_eq(pack_writer_publish(w), 0);
		place_moved(v, w, m);
	}
	pack_writer_close(w);
	ck_assert_int_eq(stage_drop_below(v->stage, below), 0);
}

void publish_stage(void)
{
	struct moved *m = calloc(1, sizeof(*m));
	uint8_t *plain = malloc(CHUNK_MAX_BYTES);

	ck_assert(m && plain);
	lock_take(&cf.v->cut_lock);
	publish_locked(cf.v, m, plain);
	lock_drop(&cf.v->cut_lock);
	free(plain);
	free(m);
}

/* ---- replaying ---- */

/* What is in a pack was in the stage before. */
static bool all_are_packed(const void *arg,
			   const uint8_t name[static PACK_NAME_BYTES])
{
	(void)arg;
	(void)name;
	return true;
}

static void replay_places(struct vault *v)
{
	struct cursor c;

	cursor_init(&c, cf.packs.data, cf.packs.len);
	while (cursor_left(&c) > 0) {
		struct segment_pack p;

		segment_pack_read(&c, &p);
		ck_assert_int_eq(
			packs_announce(v, OWN_WRITER, &p, PACK_FLAG_WHOLE), 0);
	}
	cursor_init(&c, cf.stage.data, cf.stage.len);
	while (cursor_left(&c) > 0) {
		struct cut_stage_entry e;

		cut_stage_entry_read(&c, &e);
		ck_assert_int_eq(packs_add_staged(v, e.file, &e.entry,
						  all_are_packed, NULL),
				 0);
	}
}

static void replay_piece(struct vault *v, const struct oplog_piece *p)
{
	struct cursor c;

	ck_assert_uint_eq(p->n_ops, p->is_reserved ? p->n_reserved : p->n_ops);
	cursor_init(&c, p->raw.data, p->raw.len);
	for (uint32_t i = 0; i < p->n_ops; i++) {
		struct op op = { .type = OP_NOP };

		ck_assert_int_eq(op_decode(&c, &op), 1);
		op.dot = (struct dot){ OWN_WRITER, p->seq, p->first_index + i };
		ck_assert_int_eq(merge_apply(v, &op), 0);
	}
	ck_assert_int_eq(cursor_finish(&c), 0);
}

struct vault *replay(void)
{
	struct vault *v = vault_make_empty(&tiny_sizes);

	lock_take(&v->index_lock);
	replay_places(v);
	for (const struct oplog_piece *p = cf.v->oplog.first; p; p = p->next)
		replay_piece(v, p);
	lock_drop(&v->index_lock);
	return v;
}

void free_replayed(struct vault *v)
{
	vault_free(v);
}
