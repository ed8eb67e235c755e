/* SPDX-License-Identifier: ISC */
/* When a snapshot is made, and what goes when there is a newer one. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/log/apply.h"
#include "vault/snapshot/snap.h"

/* The one before stays, should a shard of the newest be damaged. */
#define KEPT 2u

/* Below this a log is read in no time. */
#define DUE_MIN_BYTES ((uint64_t)8 << 20)

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- due? */

/* Bytes of a writer's segments after `seq`, as far as `most`. */
static int add_log_bytes(struct vault *v, uint64_t writer, uint64_t seq,
			 uint64_t most, uint64_t *sum)
{
	auto_log_names struct log_names l = { 0 };
	int fd = logdir_open_part(v, writer, "l", false), r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = logdir_list(v, writer, seq + 1, &l);
	for (size_t i = 0; r == 0 && i < l.n && *sum <= most; i++) {
		struct file_hash hash = { { 0 } };
		char text[SEGMENT_NAME_LEN + 1];
		uint64_t bytes;
		int file;

		memcpy(hash.b, l.names[i].prefix, sizeof(l.names[i].prefix));
		segment_name_format(l.names[i].seq, &hash, text);
		file = env_open_untrusted(v->env, fd, text, 0,
					  SEGMENT_FILE_MAX, &bytes);
		if (file < 0)
			continue;
		*sum += bytes;
		close_quietly(v->env, &file);
	}
	close_quietly(v->env, &fd);
	return r;
}

int snap_is_due(struct commit *c)
{
	const struct snap_tried none = { .n = 0 };
	auto_manifest struct manifest m = { .plain = NULL };
	auto_free uint64_t *writers = NULL;
	uint64_t n_foreign, sum = 0, most = DUE_MIN_BYTES;
	size_t n;
	int r;

	if (!c->v->journal || atomic_load(&c->v->is_read_only))
		return 0;
	r = snap_find(c, &none, &m);
	if (r > 0)
		most = max_of(most, m.body.state_bytes);
	if (r >= 0)
		r = logdir_writers(c->v, &writers, &n, &n_foreign);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_log_bytes(c->v, writers[i], manifest_seq(&m, writers[i]),
				  most, &sum);
	return r < 0 ? r : sum > most;
}

/* ---------------------------------------------------------------- what goes */

struct tidying {
	struct commit *c;
	struct buf kept; /* names of packs that manifests name */
	struct buf gone; /* of those that none does */
};

static int note_kept(struct tidying *t, const struct log_name *name)
{
	auto_manifest struct manifest m = { .plain = NULL };
	struct vault *v = t->c->v;
	struct cursor at;
	int r = manifest_read(v, v->writer, name, &m);

	/* What cannot be read now may be readable again: nothing goes. */
	if (r < 0)
		return r;
	at = m.body.packs;
	for (uint32_t i = 0; i < m.body.n_packs; i++) {
		struct snapshot_pack p;

		snapshot_pack_read(&at, &p);
		buf_put(&t->kept, p.name, sizeof(p.name));
	}
	return buf_error(&t->kept);
}

static bool has_name(const struct buf *names, const uint8_t *name)
{
	for (size_t at = 0; at < names->len; at += PACK_NAME_BYTES)
		if (memcmp(names->data + at, name, PACK_NAME_BYTES) == 0)
			return true;
	return false;
}

static int note_gone(void *arg, const struct index_pack *p)
{
	struct tidying *t = arg;

	if (p->is_stage || p->type != PACK_METADATA ||
	    p->writer != t->c->v->writer || has_name(&t->kept, p->name))
		return 0;
	buf_put(&t->gone, p->name, sizeof(p->name));
	return buf_error(&t->gone);
}

static int log_drops(struct tidying *t)
{
	struct commit *c = t->c;
	int r = core_enter(c->v, true);

	if (r < 0)
		return r;
	for (size_t at = 0; r == 0 && at < t->gone.len; at += PACK_NAME_BYTES) {
		struct op op = { .type = OP_PACK_DROP };

		memcpy(op.pack_drop.pack, t->gone.data + at,
		       sizeof(op.pack_drop.pack));
		r = apply_new(c->v, &op);
		buf_put(&c->dropped, op.pack_drop.pack, PACK_NAME_BYTES);
		if (r == 0)
			r = buf_error(&c->dropped);
	}
	core_leave(c->v);
	return r;
}

/* First the manifests, so that nobody begins with what goes; then the word that
 * the packs go; then they. */
static int tidy(struct tidying *t, const struct log_names *l)
{
	struct vault *v = t->c->v;
	int r = 0;

	for (size_t i = l->n - KEPT; r == 0 && i < l->n; i++)
		r = note_kept(t, &l->names[i]);
	for (size_t i = 0; r == 0 && i < l->n - KEPT; i++)
		r = manifest_remove(v, &l->names[i]);
	if (r < 0)
		return r;
	lock_take(&v->index_lock);
	r = index_pack_each(v->index, note_gone, t);
	lock_drop(&v->index_lock);
	if (r == 0 && t->gone.len)
		r = log_drops(t);
	return r < 0 || !t->gone.len ? r : publish_all(t->c);
}

int snap_tidy(struct commit *c)
{
	struct tidying t = { c, BUF_INIT(MEM_MAX), BUF_INIT(MEM_MAX) };
	auto_log_names struct log_names l = { 0 };
	int r = manifest_list(c->v, c->v->writer, &l);

	if (r == 0 && l.n > KEPT)
		r = tidy(&t, &l);
	buf_release(&t.kept);
	buf_release(&t.gone);
	return r < 0 ? r : 0;
}
