/* SPDX-License-Identifier: ISC */
/* Making a snapshot: the state in shards, the shards in packs, the manifest
 * last. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "vault/care.h"
#include "vault/log/writers.h"
#include "vault/snapshot/snap.h"
#include "vault/snapshot/snap_state.h"

/* Between these a shard ends where the next inode's or pack's name says so: one
 * of 2,048 does.  So what stays the same stays in the same shard. */
#define SHARD_MIN_BYTES (256u * 1024)
#define SHARD_MAX_BYTES (2u * 1024 * 1024)
#define CUT_MASK 2047u

/* A shard of the last snapshot. */
struct old_shard {
	struct snapshot_shard shard;
	bool is_kept; /* its pack is, being used for the greater part */
};

struct making {
	struct commit *c;
	struct vault *from;
	struct manifest last; /* this device's; plain NULL: none */
	struct old_shard *old; /* ascending by content id */
	size_t n_old;
	uint32_t *new_number; /* of the last one's packs; UINT32_MAX: unused */

	struct buf item, shard;
	struct hash hash;
	uint64_t state_bytes;

	struct pack_writer *w; /* NULL between two */
	uint32_t w_number;     /* of its pack in the list */
	struct snapshot_pack *packs;
	uint32_t n_packs, cap_packs;
	struct buf shards; /* encoded */
	uint32_t n_shards;
	struct buf announced; /* segment_pack's of what is new */
	uint32_t n_announced;
};

static void making_release(struct making *m)
{
	pack_writer_close(m->w);
	manifest_release(&m->last);
	mem_free(m->old);
	mem_free(m->new_number);
	mem_free(m->packs);
	buf_release(&m->item);
	buf_release(&m->shard);
	buf_release(&m->shards);
	buf_release(&m->announced);
	snap_scratch_close(m->c, m->from);
}

/* ---------------------------------------------------------------- the last one */

/* This device's newest that can be read, and the number for the next. */
static int find_last(struct commit *c, struct manifest *ret,
		     uint64_t *ret_number)
{
	auto_log_names struct log_names l = { 0 };
	struct vault *v = c->v;
	int r = manifest_list(v, v->writer, &l);

	*ret_number = l.n ? l.names[l.n - 1].seq + 1 : 1;
	for (size_t i = l.n; r == 0 && i-- > 0;) {
		r = manifest_read(v, v->writer, &l.names[i], ret);
		if (r == 0)
			return 0;
		r = snap_is_at_fault(r) ? 0 : r;
	}
	return r;
}

static int by_id(const void *a, const void *b)
{
	const struct old_shard *x = a, *y = b;

	return memcmp(&x->shard.entry.id, &y->shard.entry.id,
		      sizeof(x->shard.entry.id));
}

/* Of a pack that is hardly used what is used is stored anew. */
static int find_kept_packs(struct making *m)
{
	const struct snapshot_body *b = &m->last.body;
	/* What is used of each, less half of it. */
	auto_free int64_t *used = mem_zalloc_array(b->n_packs, sizeof(*used));
	struct cursor at = b->packs;

	m->new_number = mem_zalloc_array(b->n_packs, sizeof(*m->new_number));
	if (!used || !m->new_number)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_old; i++)
		used[m->old[i].shard.pack] +=
			(int64_t)m->old[i].shard.entry.stored_bytes;
	for (uint32_t i = 0; i < b->n_packs; i++) {
		struct snapshot_pack p;

		snapshot_pack_read(&at, &p);
		m->new_number[i] = UINT32_MAX;
		/* Under the newest key alone, as all there is. */
		if (p.epoch != core_newest_keys(m->c->v)->epoch)
			used[i] = 0;
		used[i] -= (int64_t)(p.size / 2);
	}
	for (size_t i = 0; i < m->n_old; i++)
		m->old[i].is_kept = used[m->old[i].shard.pack] >= 0;
	return 0;
}

static int load_last(struct making *m)
{
	struct cursor at = m->last.body.shards;
	uint32_t n = m->last.plain ? m->last.body.n_shards : 0;
	int r = 0;

	m->old = mem_zalloc_array(n + 1u, sizeof(*m->old));
	if (!m->old)
		return -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < n; i++)
		r = snapshot_shard_read(&at, &m->old[m->n_old++].shard);
	if (r == 0 && n) {
		r = find_kept_packs(m);
		qsort(m->old, n, sizeof(*m->old), by_id);
	}
	return r;
}

static const struct old_shard *find_old(const struct making *m,
					const struct content_id *id)
{
	struct old_shard key = { .is_kept = false };
	const struct old_shard *found;

	if (!m->n_old)
		return NULL;
	key.shard.entry.id = *id;
	found = bsearch(&key, m->old, m->n_old, sizeof(key), by_id);
	return found && found->is_kept ? found : NULL;
}

/* ---------------------------------------------------------------- packs */

static int new_pack(struct making *m, struct snapshot_pack **ret)
{
	if (m->n_packs == m->cap_packs) {
		uint32_t cap = m->cap_packs ? m->cap_packs * 2 : 16;
		struct snapshot_pack *bigger =
			mem_realloc_array(m->packs, cap, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		m->packs = bigger;
		m->cap_packs = cap;
	}
	*ret = &m->packs[m->n_packs++];
	return 0;
}

/* Durable and named; nothing refers to it yet. */
static int finish_pack(struct making *m)
{
	struct segment_pack a;
	int r = 0;

	if (!m->w)
		return 0;
	r = pack_writer_finish(m->w, true);
	if (r == 0)
		r = pack_writer_publish(m->w);
	if (r == 0) {
		struct snapshot_pack *p = &m->packs[m->w_number];

		pack_writer_announcement(m->w, &a);
		memcpy(p->name, a.name, sizeof(p->name));
		p->size = a.size;
		p->epoch = a.epoch;
		p->key_id = a.key_id;
		segment_pack_put(&m->announced, &a);
		m->n_announced++;
		r = buf_error(&m->announced);
	}
	pack_writer_close(m->w);
	m->w = NULL;
	return r;
}

static int open_pack(struct making *m)
{
	struct snapshot_pack *p;
	int r = 0;

	if (m->w && pack_writer_bytes(m->w) + SHARD_MAX_BYTES >
			    PACK_TARGET_BYTES)
		r = finish_pack(m);
	if (r < 0 || m->w)
		return r;
	r = new_pack(m, &p);
	m->w_number = m->n_packs - 1;
	return r < 0 ? r : pack_writer_open(m->c->v->store, PACK_METADATA,
					    core_newest_keys(m->c->v), &m->w);
}

static int note_shard(struct making *m, const struct snapshot_shard *s)
{
	snapshot_shard_put(&m->shards, s);
	if (m->n_shards++ == SNAPSHOT_MAX_SHARDS)
		return ERR_LIMIT;
	return buf_error(&m->shards);
}

/* Nothing is written for a shard that the last snapshot has. */
static int reuse(struct making *m, const struct old_shard *old)
{
	struct snapshot_shard s = old->shard;
	struct snapshot_pack *p;

	if (m->new_number[s.pack] == UINT32_MAX) {
		struct cursor at = m->last.body.packs;
		int r = new_pack(m, &p);

		if (r < 0)
			return r;
		(void)cursor_take(&at, (size_t)s.pack * SNAPSHOT_PACK_BYTES);
		snapshot_pack_read(&at, p);
		m->new_number[s.pack] = m->n_packs - 1;
	}
	s.pack = m->new_number[s.pack];
	return note_shard(m, &s);
}

static int store(struct making *m, const struct content_id *id)
{
	struct snapshot_shard s = { .pack = 0 };
	int r = open_pack(m);

	if (r == 0)
		r = pack_writer_add(m->w, id, m->shard.data,
				    (uint32_t)m->shard.len, &s.entry);
	if (r < 0)
		return r;
	s.pack = m->w_number;
	return note_shard(m, &s);
}

/* ---------------------------------------------------------------- shards */

static int end_shard(struct making *m)
{
	const struct old_shard *old;
	struct content_id id;
	int r;

	if (m->shard.len == 0)
		return 0;
	hash_add(&m->hash, m->shard.data, m->shard.len);
	m->state_bytes += m->shard.len;
	keys_content_id(&m->c->v->keys->vault.cid_meta, m->shard.data,
			m->shard.len, &id);
	old = find_old(m, &id);
	r = old ? reuse(m, old) : store(m, &id);
	buf_reset(&m->shard);
	return r;
}

static bool is_cut(const struct state_item *it)
{
	switch (it->type) {
	case STATE_PACK:
		return (le16_get(it->pack.name) & CUT_MASK) == 0;
	case STATE_INODE:
		return (it->inode.id.tail & CUT_MASK) == 0;
	case STATE_DIR:
	case STATE_FILE:
		return (it->id.tail & CUT_MASK) == 0;
	default:
		return false;
	}
}

static int add_item(void *arg, const struct state_item *it)
{
	struct making *m = arg;
	int r;

	buf_reset(&m->item);
	r = state_put(&m->item, it);
	if (r < 0)
		return r;
	if (m->shard.len + m->item.len > SHARD_MAX_BYTES ||
	    (m->shard.len >= SHARD_MIN_BYTES && is_cut(it)))
		r = end_shard(m);
	buf_put(&m->shard, m->item.data, m->item.len);
	return r < 0 ? r : buf_error(&m->shard);
}

static int write_shards(struct making *m)
{
	struct vault *v = m->from;
	int r;

	hash_begin(&m->hash, NULL, sizeof(struct file_hash));
	lock_take(&v->index_lock);
	r = snap_state_write(v, add_item, m);
	lock_drop(&v->index_lock);
	if (r == 0)
		r = end_shard(m);
	return r < 0 ? r : finish_pack(m);
}

/* ---------------------------------------------------------------- manifest */

static int put_head(void *arg, const struct writer_state *w)
{
	struct buf *b = arg;
	const struct snapshot_head h = { w->writer, w->seq, w->head };

	if (w->seq)
		snapshot_head_put(b, &h);
	return buf_error(b);
}

static int publish_manifest(struct making *m, uint64_t number,
			    const struct file_hash *state)
{
	auto_buf struct buf heads = BUF_INIT(MEM_MAX), packs = BUF_INIT(MEM_MAX);
	struct snapshot_body b = {
		.state_bytes = m->state_bytes,
		.state = *state,
		.n_packs = m->n_packs,
		.n_shards = m->n_shards,
	};
	int r;

	lock_take(&m->from->index_lock);
	r = writer_each(m->from, put_head, &heads);
	lock_drop(&m->from->index_lock);
	for (uint32_t i = 0; r == 0 && i < m->n_packs; i++)
		snapshot_pack_put(&packs, &m->packs[i]);
	if (r == 0)
		r = buf_error(&packs);
	if (r < 0)
		return r;
	b.n_heads = (uint32_t)(heads.len / SNAPSHOT_HEAD_BYTES);
	cursor_init(&b.heads, heads.data, heads.len);
	cursor_init(&b.packs, packs.data, packs.len);
	cursor_init(&b.shards, m->shards.data, m->shards.len);
	return manifest_publish(m->c->v, number, &b);
}

/* Does a segment tell of packs of snapshots alone, that they come or go? */
static int is_of_snapshots(struct vault *v, uint64_t seq)
{
	auto_log_segment struct log_segment s = { .plain = NULL };
	struct log_name name = { .seq = seq };
	struct file_hash hash;
	struct cursor at;
	int r;

	lock_take(&v->index_lock);
	r = writer_get_hash(v, v->writer, seq, &hash);
	lock_drop(&v->index_lock);
	if (r <= 0)
		return r;
	memcpy(name.prefix, hash.b, sizeof(name.prefix));
	r = logdir_read(v, v->writer, &name, &s);
	if (r < 0)
		return r;
	at = s.body.ops;
	while (r >= 0 && cursor_left(&at) > 0) {
		struct op op;

		r = op_decode(&at, &op);
		if (r > 0 && op.type != OP_PACK_DROP)
			return 0;
	}
	return r < 0 ? r : 1;
}

struct since {
	const struct manifest *last;
	uint64_t own, own_seq;
	bool is_any; /* of others */
};

static int look_since(void *arg, const struct writer_state *w)
{
	struct since *s = arg;

	if (w->writer == s->own)
		s->own_seq = w->seq;
	else
		s->is_any |= w->seq != manifest_seq(s->last, w->writer);
	return 0;
}

/* Does the last snapshot lack nothing but what making it wrote?  1, 0. */
static int is_as_new(struct making *m)
{
	struct vault *v = m->c->v;
	struct since s = { .last = &m->last, .own = v->writer };
	uint64_t seq = manifest_seq(&m->last, v->writer);
	int r;

	if (!m->last.plain ||
	    m->last.header.epoch != core_newest_keys(v)->epoch)
		return 0;
	lock_take(&v->index_lock);
	r = writer_each(v, look_since, &s);
	lock_drop(&v->index_lock);
	if (r < 0 || s.is_any)
		return r;
	for (r = 1; r > 0 && seq < s.own_seq;)
		r = is_of_snapshots(v, ++seq);
	return r;
}

static int make(struct making *m, uint64_t number)
{
	struct file_hash state;
	int r = is_as_new(m);

	if (r != 0)
		return min_of(r, 0);
	r = snap_scratch_open(m->c, &m->from);
	if (r == 0)
		r = load_last(m);
	if (r == 0)
		r = write_shards(m);
	if (r < 0)
		return r;
	hash_end(&m->hash, state.b, sizeof(state.b));
	/* A pack that no segment tells of would be removed as left over. */
	if (m->n_announced > 0) {
		r = pack_stage_tell(m->c, &m->announced, m->n_announced);
		/* With operations or without. */
		m->c->wants_ack = true;
		if (r == 0)
			r = publish_all(m->c);
	}
	if (r >= 0)
		r = publish_manifest(m, number, &state);
	return r < 0 ? r : 1;
}

int snap_make(struct commit *c)
{
	struct making m = {
		.c = c,
		.item = BUF_INIT(STATE_ITEM_MAX * 2),
		.shard = BUF_INIT(CHUNK_MAX_BYTES),
		.shards = BUF_INIT(MEM_MAX),
		.announced = BUF_INIT(MEM_MAX),
	};
	uint64_t number;
	int r;

	if (!c->v->journal || atomic_load(&c->v->is_read_only))
		return ERR_READ_ONLY;
	r = publish_pending(c);
	if (r >= 0)
		r = find_last(c, &m.last, &number);
	if (r >= 0)
		r = make(&m, number);
	making_release(&m);
	if (r > 0) {
		int tidied = snap_tidy(c);

		r = tidied < 0 ? tidied : r;
	}
	return r;
}

void snap_if_due(struct commit *c)
{
	int r;

	commit_enter_busy(c);
	r = snap_is_due(c);
	if (r > 0)
		r = snap_make(c);
	commit_leave_busy(c);
	if (r < 0)
		diag_err(DIAG_WARNING, r, "making a snapshot");
}

int vault_snapshot(struct vault *v)
{
	struct commit *c = v->commit;
	int r;

	if (!v->journal)
		return ERR_READ_ONLY;
	r = commit_cut(v, NULL, 0);
	if (r < 0)
		return r;
	commit_enter_busy(c);
	r = snap_make(c);
	commit_leave_busy(c);
	return r;
}

const char *vault_snapshot_text(int made)
{
	return made ? "a snapshot was made" :
		      "the last snapshot has everything already";
}
