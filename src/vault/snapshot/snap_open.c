/* SPDX-License-Identifier: ISC */
/* An index begun from a snapshot: which, and how. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "vault/log/writers.h"
#include "vault/snapshot/snap.h"
#include "vault/snapshot/snap_state.h"

/* Of each writer so many are looked at, the newest first. */
#define NEWEST 4u

void snap_tried_release(struct snap_tried *t)
{
	mem_free(t->list);
	*t = (struct snap_tried){ .n = 0 };
}

static bool was_tried(const struct snap_tried *t, const struct manifest *m)
{
	for (size_t i = 0; i < t->n; i++)
		if (memcmp(&t->list[i], &m->hash, sizeof(m->hash)) == 0)
			return true;
	return false;
}

int snap_note_tried(struct snap_tried *t, const struct manifest *m)
{
	struct file_hash *grown =
		mem_realloc_array(t->list, t->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	t->list = grown;
	grown[t->n++] = m->hash;
	return 0;
}

/* What says nothing of a snapshot ends the opening. */
bool snap_is_at_fault(int err)
{
	return err < 0 && err != -ENOMEM && err != -EMFILE && err != -ENFILE &&
	       err != ERR_BAD_INDEX;
}

/* ---------------------------------------------------------------- choosing */

/* One that came to be without what must not be applied has none of it. */
static bool is_stopped(const struct commit *c, const struct snapshot_head *h)
{
	for (size_t i = 0; i < c->n_stops; i++)
		if (c->stops[i].writer == h->writer &&
		    c->stops[i].seq <= h->seq)
			return true;
	return false;
}

/* Does the log there is hold this head, and up to it no seq twice?  1, 0. */
static int agrees(struct vault *v, const struct snapshot_head *h)
{
	auto_log_names struct log_names l = { 0 };
	bool has_head = false;
	int r = logdir_list(v, h->writer, 1, &l);

	for (size_t i = 0; r == 0 && i < l.n && l.names[i].seq <= h->seq; i++) {
		if (i > 0 && l.names[i].seq == l.names[i - 1].seq)
			return 0;
		has_head = l.names[i].seq == h->seq &&
			   memcmp(l.names[i].prefix, h->head.b,
				  sizeof(l.names[i].prefix)) == 0;
	}
	return r < 0 ? r : has_head;
}

/*
 * 1, 0.  Of an older epoch whoever had the keys of that time may have made it.
 * Of this device's own log there must not be more than its state knows.
 */
static int is_usable(struct commit *c, const struct manifest *m)
{
	struct vault *v = c->v;
	struct cursor at = m->body.heads;
	int r = m->header.epoch == core_newest_keys(v)->epoch;

	for (uint32_t i = 0; r > 0 && i < m->body.n_heads; i++) {
		struct snapshot_head h;

		snapshot_head_read(&at, &h);
		if (is_stopped(c, &h) ||
		    (h.writer == v->writer && h.seq > c->own_seq))
			return 0;
		r = agrees(v, &h);
	}
	return r;
}

/* More of the log is better: vectors that contain each other sum up so. */
static uint64_t reach(const struct manifest *m)
{
	struct cursor at = m->body.heads;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < m->body.n_heads; i++) {
		struct snapshot_head h;

		snapshot_head_read(&at, &h);
		sum += h.seq;
	}
	return sum;
}

static int find_of_writer(struct commit *c, const struct snap_tried *tried,
			  uint64_t writer, struct manifest *best)
{
	auto_log_names struct log_names l = { 0 };
	struct vault *v = c->v;
	int r = manifest_list(v, writer, &l);

	for (size_t n = 0; r >= 0 && n < NEWEST && n < l.n; n++) {
		auto_manifest struct manifest m = { .plain = NULL };

		r = manifest_read(v, writer, &l.names[l.n - 1 - n], &m);
		/* It may still be arriving, or be of no use. */
		if (r < 0) {
			r = snap_is_at_fault(r) ? 0 : r;
			continue;
		}
		if (was_tried(tried, &m) ||
		    (best->plain && reach(&m) <= reach(best)))
			continue;
		r = is_usable(c, &m);
		if (r > 0) {
			manifest_release(best);
			*best = m;
			m = (struct manifest){ .plain = NULL };
			break;
		}
	}
	return r < 0 ? r : 0;
}

int snap_find(struct commit *c, const struct snap_tried *tried,
	      struct manifest *ret)
{
	struct manifest best = { .plain = NULL };
	auto_free uint64_t *writers = NULL;
	uint64_t n_foreign;
	size_t n;
	int r = logdir_writers(c->v, &writers, &n, &n_foreign);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = find_of_writer(c, tried, writers[i], &best);
	if (r < 0) {
		manifest_release(&best);
		return r;
	}
	*ret = best;
	return best.plain != NULL;
}

/* ---------------------------------------------------------------- loading */

struct loading {
	struct commit *c;
	const struct manifest *m;
	struct snap_load *load;
	struct hash hash;
	uint8_t *plain; /* room for a shard */
};

static int find_pack(const struct manifest *m, uint32_t i,
		     struct snapshot_pack *ret)
{
	struct cursor c = m->body.packs;

	(void)cursor_take(&c, (size_t)i * SNAPSHOT_PACK_BYTES);
	snapshot_pack_read(&c, ret);
	return c.error;
}

static int read_shard(struct loading *l, const struct snapshot_shard *s)
{
	struct vault *v = l->c->v;
	struct store_place place = {
		.writer = l->m->writer,
		.type = PACK_METADATA,
		.entry = s->entry,
	};
	struct snapshot_pack p;
	struct content_id id;
	uint32_t bytes = s->entry.plain_bytes;
	int r = find_pack(l->m, s->pack, &p);

	if (r < 0)
		return r;
	memcpy(place.pack, p.name, sizeof(place.pack));
	place.pack_bytes = p.size;
	place.epoch = p.epoch;
	place.key_id = p.key_id;
	r = store_read(v->store, &place, core_newest_keys(v)->epoch, 0,
		       (bytes - 1) / RECORD_SUB_BYTES + 1, false, l->plain);
	if (r < 0)
		return r;
	keys_content_id(&v->keys->vault.cid_meta, l->plain, bytes, &id);
	return memcmp(&id, &s->entry.id, sizeof(id)) == 0 ? 0 : ERR_DAMAGED;
}

static int load_shard(struct loading *l, const struct snapshot_shard *s)
{
	struct vault *v = l->c->v;
	struct cursor at;
	int r = read_shard(l, s);

	if (r < 0)
		return r;
	hash_add(&l->hash, l->plain, s->entry.plain_bytes);
	cursor_init(&at, l->plain, s->entry.plain_bytes);
	lock_take(&v->index_lock);
	while (r == 0 && cursor_left(&at) > 0) {
		struct state_item it;

		r = state_read(&at, &it);
		if (r == 0)
			r = snap_load_item(l->load, &it);
	}
	lock_drop(&v->index_lock);
	return r;
}

static int load_shards(struct loading *l)
{
	struct vault *v = l->c->v;
	struct cursor at = l->m->body.shards;
	struct file_hash state;
	int r = 0;

	hash_begin(&l->hash, NULL, sizeof(state.b));
	for (uint32_t i = 0; r == 0 && i < l->m->body.n_shards; i++) {
		struct snapshot_shard s;

		r = snapshot_shard_read(&at, &s);
		if (r == 0)
			r = load_shard(l, &s);
	}
	hash_end(&l->hash, state.b, sizeof(state.b));
	if (r == 0 && memcmp(&state, &l->m->body.state, sizeof(state)) != 0)
		r = ERR_DAMAGED;
	if (r < 0)
		return r;
	lock_take(&v->index_lock);
	r = snap_load_end(l->load);
	lock_drop(&v->index_lock);
	return r;
}

static int count_writer(void *arg, const struct writer_state *w)
{
	*(uint32_t *)arg += w->seq > 0;
	return 0;
}

/* The manifest must tell of the state what that says itself. */
static int take_heads(struct commit *c, const struct manifest *m)
{
	struct cursor at = m->body.heads;
	uint32_t n = 0;
	int r;

	lock_take(&c->v->index_lock);
	r = writer_each(c->v, count_writer, &n);
	if (r == 0 && n != m->body.n_heads)
		r = ERR_MALFORMED;
	for (uint32_t i = 0; r == 0 && i < m->body.n_heads; i++) {
		struct snapshot_head h;
		struct writer_state w;

		snapshot_head_read(&at, &h);
		r = writer_load(c->v, h.writer, &w);
		if (r == 0 && (w.seq != h.seq ||
			       memcmp(&w.head, &h.head, sizeof(h.head)) != 0))
			r = ERR_MALFORMED;
		const struct marks_head mark = { h.writer, h.seq, h.head };
		if (r == 0)
			r = heads_raise(&c->heads, &mark);
	}
	lock_drop(&c->v->index_lock);
	return r;
}

int snap_load(struct commit *c, const struct manifest *m)
{
	struct loading l = { .c = c, .m = m };
	int r;

	l.plain = mem_alloc(CHUNK_MAX_BYTES);
	if (!l.plain)
		return -ENOMEM;
	lock_take(&c->v->index_lock);
	r = snap_load_new(c->v, &l.load);
	lock_drop(&c->v->index_lock);
	if (r == 0)
		r = load_shards(&l);
	if (r == 0)
		r = take_heads(c, m);
	lock_take(&c->v->index_lock);
	snap_load_free(l.load);
	lock_drop(&c->v->index_lock);
	mem_wipe(l.plain, CHUNK_MAX_BYTES);
	mem_free(l.plain);
	if (r < 0 && snap_is_at_fault(r))
		diag_err(DIAG_WARNING, r,
			 "w/%016" PRIx64 "/m: snapshot %" PRIu64
			 " cannot be used",
			 m->writer, m->header.seq);
	return r;
}
