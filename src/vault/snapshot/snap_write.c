/* SPDX-License-Identifier: ISC */
/* The items of a state, from the index: what concerns the vault itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vault/log/writers.h"
#include "vault/snapshot/snap_write_priv.h"
#include "vault/tables.h"

#define SEGMENT_VV_BYTES 56u
#define DROPPED_ID_BYTES (8u + PACK_NAME_BYTES)

/* ---------------------------------------------------------------- writers */

static int give_writer(void *arg, const struct writer_state *s)
{
	struct snap_writing *w = arg;
	auto_free uint8_t *vv = NULL;
	size_t bytes = 0;
	int r;

	if (s->seq == 0)
		return 0;
	r = writer_get_vector(w->v, s->writer, &vv, &bytes);
	if (r < 0)
		return r;
	const struct state_item it = {
		.type = STATE_WRITER,
		.writer = { .writer = s->writer, .seq = s->seq,
			    .head = s->head, .epoch = s->epoch,
			    .first = s->first, .last = s->last, .vv = vv,
			    .n_vv = (uint32_t)(bytes / SEGMENT_VV_BYTES) },
	};
	return w->fn(w->arg, &it);
}

static int give_hashes(void *arg, const struct writer_state *s)
{
	struct snap_writing *w = arg;
	auto_buf struct buf b =
		BUF_INIT(STATE_HASHES_MAX * sizeof(struct file_hash));
	int r = 0;

	for (uint64_t seq = 1; r == 0 && seq <= s->seq; seq++) {
		struct file_hash h;

		r = writer_get_hash(w->v, s->writer, seq, &h);
		if (r <= 0)
			return r < 0 ? r : ERR_BAD_INDEX;
		buf_put(&b, h.b, sizeof(h.b));
		r = buf_error(&b);
		size_t n = b.len / sizeof(h);
		if (r < 0 || (n < STATE_HASHES_MAX && seq < s->seq))
			continue;
		const struct state_item it = {
			.type = STATE_HASHES,
			.hashes = { s->writer, seq - n + 1, b.data,
				    (uint32_t)n },
		};
		r = w->fn(w->arg, &it);
		buf_reset(&b);
	}
	return r;
}

/* ---------------------------------------------------------------- tables */

static struct state_key read_key(struct cursor *c)
{
	struct state_key k;

	k.clock = cursor_u64(c);
	k.writer = cursor_u64(c);
	return k;
}

static struct op_name read_text(struct cursor *c)
{
	uint8_t len = cursor_u8(c);
	struct op_name n = { cursor_take(c, len), len };

	return n;
}

/* A table whose ids stand in another order than the items'. */
struct rows {
	struct buf b; /* id, record length 2, record: back to back */
	uint8_t **at;
	size_t n, cap;
	size_t id_bytes;
};

static int collect_row(void *arg, const uint8_t *id, size_t id_bytes,
		       const uint8_t *rec, size_t bytes)
{
	struct rows *rows = arg;

	if (id_bytes != rows->id_bytes || bytes > UINT16_MAX)
		return ERR_BAD_INDEX;
	buf_put(&rows->b, id, id_bytes);
	buf_put_u16(&rows->b, (uint16_t)bytes);
	buf_put(&rows->b, rec, bytes);
	rows->n++;
	return buf_error(&rows->b);
}

/* A number in little-endian first, then bytes. */
static int by_number(const void *a, const void *b, size_t number, size_t all)
{
	const uint8_t *x = *(uint8_t *const *)a, *y = *(uint8_t *const *)b;

	for (size_t i = number; i-- > 0;)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return memcmp(x + number, y + number, all - number);
}

static int by_writer(const void *a, const void *b)
{
	return by_number(a, b, 8, 8);
}

static int by_writer_and_name(const void *a, const void *b)
{
	return by_number(a, b, 8, DROPPED_ID_BYTES);
}

static int by_epoch(const void *a, const void *b)
{
	return by_number(a, b, 4, 36);
}

static int by_name(const void *a, const void *b)
{
	return by_number(a, b, 0, 16);
}

typedef int give_row_fn(struct snap_writing *w, const uint8_t *id,
			const uint8_t *rec, size_t bytes);

static int give_rows(struct snap_writing *w, const char *table, size_t id_bytes,
		     int (*order)(const void *, const void *), give_row_fn *fn)
{
	struct rows rows = { .b = BUF_INIT(MEM_MAX), .id_bytes = id_bytes };
	int r = index_value_each(w->v->index, table, collect_row, &rows);
	size_t at = 0;

	rows.at = r == 0 ? mem_zalloc_array(rows.n + 1, sizeof(*rows.at)) :
			   NULL;
	if (r == 0 && !rows.at)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < rows.n; i++) {
		rows.at[i] = rows.b.data + at;
		at += id_bytes + 2u + le16_get(rows.b.data + at + id_bytes);
	}
	if (r == 0 && rows.n)
		qsort(rows.at, rows.n, sizeof(*rows.at), order);
	for (size_t i = 0; r == 0 && i < rows.n; i++)
		r = fn(w, rows.at[i], rows.at[i] + id_bytes + 2,
		       le16_get(rows.at[i] + id_bytes));
	mem_free(rows.at);
	buf_release(&rows.b);
	return r;
}

/* As devices.c keeps it. */
static int give_device(struct snap_writing *w, const uint8_t *id, const uint8_t *rec,
		       size_t bytes)
{
	struct state_item it = { .type = STATE_DEVICE };
	struct cursor c;

	cursor_init(&c, rec, bytes);
	it.device.writer = le64_get(id);
	it.device.first_key = read_key(&c);
	it.device.last_key = read_key(&c);
	it.device.retired = read_key(&c);
	it.device.first = read_text(&c);
	it.device.last = read_text(&c);
	return cursor_finish(&c) < 0 ? ERR_BAD_INDEX : w->fn(w->arg, &it);
}

static int give_slot(struct snap_writing *w, const uint8_t *id, const uint8_t *rec,
		     size_t bytes)
{
	struct state_item it = { .type = STATE_SLOT };

	if (bytes < 2)
		return ERR_BAD_INDEX;
	memcpy(it.slot.name, id, sizeof(it.slot.name));
	it.slot.is_removed = rec[0];
	it.slot.type = rec[1];
	it.slot.label = (struct op_name){ rec + 2, (uint16_t)(bytes - 2) };
	return w->fn(w->arg, &it);
}

static int give_epoch(struct snap_writing *w, const uint8_t *id, const uint8_t *rec,
		      size_t bytes)
{
	struct state_item it = { .type = STATE_EPOCH };

	(void)rec;
	(void)bytes;
	it.epoch.number = le32_get(id);
	memcpy(it.epoch.id.b, id + 4, sizeof(it.epoch.id.b));
	return w->fn(w->arg, &it);
}

static int give_feature(struct snap_writing *w)
{
	struct state_item it = { .type = STATE_FEATURE };
	const uint8_t *rec;
	size_t bytes;
	int r = index_value_get(w->v->index, FEATURE_TABLE, "", 0, &rec,
				&bytes);

	if (r <= 0)
		return r;
	if (bytes != 24)
		return ERR_BAD_INDEX;
	it.feature.incompatible = le64_get(rec);
	it.feature.read_only = le64_get(rec + 8);
	it.feature.compatible = le64_get(rec + 16);
	return w->fn(w->arg, &it);
}

static int give_dropped(struct snap_writing *w, const uint8_t *id,
			const uint8_t *rec, size_t bytes)
{
	struct state_item it = { .type = STATE_DROPPED };

	if (bytes != 8)
		return ERR_BAD_INDEX;
	it.dropped.writer = le64_get(id);
	memcpy(it.dropped.name, id + 8, sizeof(it.dropped.name));
	it.dropped.seq = le64_get(rec);
	return w->fn(w->arg, &it);
}

/* ---------------------------------------------------------------- all */

static int give_all(struct snap_writing *w)
{
	int r = writer_each(w->v, give_writer, w);

	if (r == 0)
		r = writer_each(w->v, give_hashes, w);
	if (r == 0)
		r = give_rows(w, DEVICE_TABLE, 8, by_writer, give_device);
	if (r == 0)
		r = give_rows(w, SLOT_TABLE, 16, by_name, give_slot);
	if (r == 0)
		r = give_rows(w, EPOCH_TABLE, 36, by_epoch, give_epoch);
	if (r == 0)
		r = give_feature(w);
	if (r == 0)
		r = snap_write_packs(w);
	if (r == 0)
		r = give_rows(w, DROPPED_TABLE, DROPPED_ID_BYTES,
			      by_writer_and_name, give_dropped);
	return r < 0 ? r : snap_write_inodes(w);
}

int snap_state_write(struct vault *v, snap_item_fn *fn, void *arg)
{
	struct snap_writing w = { v, fn, arg };

	return give_all(&w);
}
