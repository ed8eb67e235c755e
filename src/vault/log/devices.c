/* SPDX-License-Identifier: ISC */
#include "vault/log/devices.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "vault/core.h"
#include "vault/tables.h"

/* What the index keeps of a device: its first name, its newest, retirement.
 * The first is that of the ADD with the least key, the newest that of the ADD
 * or NAME with the greatest. */
struct device {
	struct op_key first_key, last_key;
	struct op_key retired; /* clock 0: live */
	char first[65], last[65];
};

static void put_text(struct buf *b, const char *s)
{
	buf_put_u8(b, (uint8_t)strlen(s));
	buf_put(b, s, strlen(s));
}

static void read_text(struct cursor *c, char to[static 65])
{
	uint8_t len = cursor_u8(c);

	cursor_require(c, len <= 64);
	if (len > 64)
		return;
	cursor_copy(c, to, len);
	to[len] = '\0';
}

static int decode(const uint8_t *rec, size_t bytes, struct device *d)
{
	struct cursor c;

	cursor_init(&c, rec, bytes);
	d->first_key.clock = cursor_u64(&c);
	d->first_key.writer = cursor_u64(&c);
	d->last_key.clock = cursor_u64(&c);
	d->last_key.writer = cursor_u64(&c);
	d->retired.clock = cursor_u64(&c);
	d->retired.writer = cursor_u64(&c);
	read_text(&c, d->first);
	read_text(&c, d->last);
	return cursor_finish(&c) < 0 ? ERR_BAD_INDEX : 0;
}

static int load(struct vault *v, uint64_t writer, struct device *d)
{
	const uint8_t *rec;
	size_t bytes;
	uint8_t id[8];

	le64_put(id, writer);
	int r = index_value_get(v->index, DEVICE_TABLE, id, 8, &rec, &bytes);
	if (r <= 0)
		return r;
	r = decode(rec, bytes, d);
	return r < 0 ? r : 1;
}

static int store(struct vault *v, uint64_t writer, const struct device *d)
{
	auto_buf struct buf b = BUF_INIT(512);
	uint8_t id[8];

	le64_put(id, writer);
	buf_put_u64(&b, d->first_key.clock);
	buf_put_u64(&b, d->first_key.writer);
	buf_put_u64(&b, d->last_key.clock);
	buf_put_u64(&b, d->last_key.writer);
	buf_put_u64(&b, d->retired.clock);
	buf_put_u64(&b, d->retired.writer);
	put_text(&b, d->first);
	put_text(&b, d->last);
	int r = buf_error(&b);
	return r < 0 ? r : index_value_put(v->index, DEVICE_TABLE, id, 8,
					   b.data, b.len);
}

static void set_name(char to[static 65], const struct op_name *name)
{
	size_t len = min_of(name->len, 64);

	memcpy(to, name->bytes, len);
	to[len] = '\0';
}

int device_apply(struct vault *v, const struct op *op)
{
	const struct op_device *o = &op->device;
	struct op_key key = { op->clock, op->dot.writer };
	struct device d = { .first = "" };
	int r = load(v, o->writer, &d);

	if (r < 0)
		return r;
	if (op->type == OP_DEVICE_ADD &&
	    (!d.first_key.clock || op_key_compare(key, d.first_key) < 0)) {
		d.first_key = key;
		set_name(d.first, &o->name);
	}
	if ((op->type == OP_DEVICE_ADD || op->type == OP_DEVICE_NAME) &&
	    op_key_compare(d.last_key, key) < 0) {
		d.last_key = key;
		set_name(d.last, &o->name);
	}
	if (op->type == OP_DEVICE_RETIRE &&
	    op_key_compare(d.retired, key) < 0)
		d.retired = key;
	return store(v, o->writer, &d);
}

int device_first_name(struct vault *v, uint64_t writer, char ret[static 65])
{
	struct device d = { .first = "" };
	int r = load(v, writer, &d);

	if (r < 0)
		return r;
	if (r > 0 && d.first[0])
		memcpy(ret, d.first, sizeof(d.first));
	else
		snprintf(ret, 65, "%016llx", (unsigned long long)writer);
	return 0;
}

static void describe(const struct vault *v, uint64_t writer,
		     const struct device *d, struct vault_device *ret)
{
	*ret = (struct vault_device){ .writer = writer };
	memcpy(ret->name, d->last, sizeof(ret->name));
	ret->is_self = writer == v->writer;
	ret->is_retired = d->retired.clock != 0;
	ret->joined_ms = HLC_MS(d->first_key.clock);
	ret->retired_ms = HLC_MS(d->retired.clock);
}

int device_get(struct vault *v, uint64_t writer, struct vault_device *ret)
{
	struct device d = { .first = "" };
	int r = load(v, writer, &d);

	if (r > 0)
		describe(v, writer, &d, ret);
	return r;
}

struct each {
	struct vault *v;
	device_fn *fn;
	void *arg;
};

static int each_record(void *arg, const uint8_t *id, size_t id_bytes,
		       const uint8_t *rec, size_t bytes)
{
	const struct each *e = arg;
	struct device d = { .first = "" };
	struct vault_device tell;
	int r = id_bytes == 8 ? decode(rec, bytes, &d) : ERR_BAD_INDEX;

	if (r < 0)
		return r;
	describe(e->v, le64_get(id), &d, &tell);
	return e->fn(e->arg, &tell, d.first_key.clock != 0);
}

int device_each(struct vault *v, device_fn *fn, void *arg)
{
	struct each e = { v, fn, arg };

	return index_value_each(v->index, DEVICE_TABLE, each_record, &e);
}

static int count_live(void *arg, const struct vault_device *d, bool is_added)
{
	*(unsigned *)arg += is_added && !d->is_retired;
	return 0;
}

int device_count_live(struct vault *v, unsigned *ret)
{
	unsigned n = 0;
	int r = device_each(v, count_live, &n);

	if (r == 0)
		*ret = n;
	return r;
}
