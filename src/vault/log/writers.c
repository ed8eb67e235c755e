/* SPDX-License-Identifier: ISC */
#include "vault/log/writers.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/mem.h"

#define HASH_TABLE "seg"
#define VECTOR_TABLE "vv"
#define REC_BYTES 132u

static void encode(const struct writer_state *w, struct buf *b)
{
	buf_put_u64(b, w->seq);
	buf_put(b, w->head.b, sizeof(w->head.b));
	buf_put_u64(b, w->ack);
	buf_put_u32(b, w->epoch);
	buf_put_u64(b, w->first);
	buf_put_u64(b, w->last);
	buf_put_u64(b, w->stopped);
	buf_put_u32(b, (uint32_t)-w->stopped_err);
	buf_put(b, w->stopped_hash.b, sizeof(w->stopped_hash.b));
}

static int decode(uint64_t writer, const uint8_t *rec, size_t bytes,
		  struct writer_state *ret)
{
	struct writer_state w = { .writer = writer };
	struct cursor c;

	cursor_init(&c, rec, bytes);
	w.seq = cursor_u64(&c);
	cursor_copy(&c, w.head.b, sizeof(w.head.b));
	w.ack = cursor_u64(&c);
	w.epoch = cursor_u32(&c);
	w.first = cursor_u64(&c);
	w.last = cursor_u64(&c);
	w.stopped = cursor_u64(&c);
	w.stopped_err = -(int)cursor_u32(&c);
	cursor_copy(&c, w.stopped_hash.b, sizeof(w.stopped_hash.b));
	if (cursor_finish(&c) < 0)
		return ERR_BAD_INDEX;
	*ret = w;
	return 0;
}

int writer_get(struct vault *v, uint64_t writer, struct writer_state *ret)
{
	const uint8_t *rec;
	size_t bytes;
	int r = index_writer_get(v->index, writer, &rec, &bytes);

	if (r <= 0)
		return r;
	r = decode(writer, rec, bytes, ret);
	return r < 0 ? r : 1;
}

int writer_load(struct vault *v, uint64_t writer, struct writer_state *ret)
{
	int r = writer_get(v, writer, ret);

	if (r == 0)
		*ret = (struct writer_state){ .writer = writer };
	return r < 0 ? r : 0;
}

int writer_put(struct vault *v, const struct writer_state *w)
{
	auto_buf struct buf b = BUF_INIT(REC_BYTES);

	encode(w, &b);
	int r = buf_error(&b);
	return r < 0 ? r : index_writer_put(v->index, w->writer, b.data, b.len);
}

struct each {
	writer_fn *fn;
	void *arg;
};

static int each_record(void *arg, uint64_t writer, const uint8_t *rec,
		       size_t bytes)
{
	const struct each *e = arg;
	struct writer_state w;
	int r = decode(writer, rec, bytes, &w);

	return r < 0 ? r : e->fn(e->arg, &w);
}

int writer_each(struct vault *v, writer_fn *fn, void *arg)
{
	struct each e = { fn, arg };

	return index_writer_each(v->index, each_record, &e);
}

/* ---------------------------------------------------------------- hashes */

static void hash_id(uint64_t writer, uint64_t seq, uint8_t to[static 16])
{
	le64_put(to, writer);
	le64_put(to + 8, seq);
}

int writer_get_hash(struct vault *v, uint64_t writer, uint64_t seq,
		    struct file_hash *ret)
{
	const uint8_t *rec;
	uint8_t id[16];
	size_t bytes;

	hash_id(writer, seq, id);
	int r = index_value_get(v->index, HASH_TABLE, id, sizeof(id), &rec,
				&bytes);
	if (r <= 0)
		return r;
	if (bytes != sizeof(ret->b))
		return ERR_BAD_INDEX;
	memcpy(ret->b, rec, sizeof(ret->b));
	return 1;
}

int writer_put_hash(struct vault *v, uint64_t writer, uint64_t seq,
		    const struct file_hash *h)
{
	uint8_t id[16];

	hash_id(writer, seq, id);
	return index_value_put(v->index, HASH_TABLE, id, sizeof(id), h->b,
			       sizeof(h->b));
}

/* ---------------------------------------------------------------- vectors */

int writer_get_vector(struct vault *v, uint64_t writer, uint8_t **ret,
		      size_t *ret_bytes)
{
	const uint8_t *rec;
	uint8_t id[8];
	size_t bytes;

	le64_put(id, writer);
	int r = index_value_get(v->index, VECTOR_TABLE, id, sizeof(id), &rec,
				&bytes);
	if (r < 0)
		return r;
	uint8_t *copy = mem_dup(r ? rec : id, r ? bytes : 0);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	*ret_bytes = r ? bytes : 0;
	return 0;
}

int writer_put_vector(struct vault *v, uint64_t writer, const void *raw,
		      size_t bytes)
{
	uint8_t id[8];

	le64_put(id, writer);
	return index_value_put(v->index, VECTOR_TABLE, id, sizeof(id), raw,
			       bytes);
}
