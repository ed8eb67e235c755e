/* SPDX-License-Identifier: ISC */
/* The devices of a vault, as whoever looks after it sees and changes them. */
#include "vault/device.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "format/name.h"
#include "vault/log/apply.h"
#include "vault/log/commit_priv.h"
#include "vault/log/devices.h"
#include "vault/log/writers.h"

/* Encoded (vault-format/07-segments.md). */
#define VV_ENTRY_BYTES 56u

/* ---------------------------------------------------------------- knowledge */

struct known_list {
	struct vault_knowledge *list;
	size_t n;
};

/* The version vector of a writer's last segment; index lock held. */
static int load_known(struct vault *v, uint64_t writer, struct known_list *ret)
{
	auto_free uint8_t *raw = NULL;
	size_t bytes = 0, n = 0;
	struct vault_knowledge *list;
	struct cursor c;
	int r = writer_get_vector(v, writer, &raw, &bytes);

	if (r < 0)
		return r;
	list = mem_zalloc_array(bytes / VV_ENTRY_BYTES, sizeof(*list));
	if (!list)
		return -ENOMEM;
	cursor_init(&c, raw, bytes);
	while (cursor_left(&c) >= VV_ENTRY_BYTES) {
		struct segment_vv vv;

		segment_vv_read(&c, &vv);
		list[n++] = (struct vault_knowledge){
			.writer = vv.writer,
			.context = vv.context,
			.ack = vv.ack,
		};
	}
	*ret = (struct known_list){ list, n };
	return 0;
}

int vault_each_known(struct vault *v, uint64_t writer, vault_knowledge_fn *fn,
		     void *arg)
{
	struct known_list l = { .n = 0 };
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	r = load_known(v, writer, &l);
	core_leave(v);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = fn(arg, &l.list[i]);
	mem_free(l.list);
	return r;
}

/* ---------------------------------------------------------------- listing */

struct device_list {
	struct vault *v;
	struct vault_device *list;
	size_t n, cap;
	bool has_self;
};

static int add_device(struct device_list *l, uint64_t writer,
		      const struct writer_state *w)
{
	struct vault_device d = { .writer = writer };
	int r = device_get(l->v, writer, &d);

	if (r < 0)
		return r;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct vault_device *grown =
			mem_realloc_array(l->list, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->list = grown;
		l->cap = cap;
	}
	d.is_self = writer == l->v->writer;
	d.seq = w ? w->seq : 0;
	d.seen_ms = w ? HLC_MS(w->last) : 0;
	if (!d.name[0])
		r = device_first_name(l->v, writer, d.name);
	l->has_self |= d.is_self;
	l->list[l->n++] = d;
	return r < 0 ? r : 0;
}

static int add_device_of(void *arg, const struct writer_state *w)
{
	return w->seq ? add_device(arg, w->writer, w) : 0;
}

static uint64_t context_of(const struct known_list *known, uint64_t writer,
			   uint64_t *ret_ack)
{
	for (size_t i = 0; i < known->n; i++)
		if (known->list[i].writer == writer) {
			*ret_ack = known->list[i].ack;
			return known->list[i].context;
		}
	return 0;
}

/* How far a device is behind this one, as it says itself. */
static int compare_known(struct device_list *l, struct vault_device *d)
{
	struct known_list known = { .n = 0 };
	int r = load_known(l->v, d->writer, &known);

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		const struct vault_device *other = &l->list[i];
		uint64_t ack = 0, context;

		if (other->writer == d->writer)
			continue;
		context = context_of(&known, other->writer, &ack);
		if (other->is_self)
			d->ack = ack;
		if (!d->is_self && other->seq > context)
			d->behind += other->seq - context;
	}
	mem_free(known.list);
	return r;
}

static void add_held(struct commit *c, struct vault_device *d)
{
	lock_take(&c->lock);
	for (size_t i = 0; i < c->n_held_back; i++) {
		const struct held_back *h = &c->held_back[i];

		if (h->writer != d->writer || h->n == 0)
			continue;
		d->held = h->n;
		d->waits_writer = h->waits_writer;
		d->waits_seq = h->waits_seq;
		d->stopped_err = h->err;
	}
	lock_drop(&c->lock);
}

static int collect(struct vault *v, struct device_list *l)
{
	struct vault_device self;
	int r = writer_each(v, add_device_of, l);

	/* One that has not published yet. */
	if (r == 0 && !l->has_self && v->writer &&
	    device_get(v, v->writer, &self) > 0)
		r = add_device(l, v->writer, NULL);
	for (size_t i = 0; r == 0 && i < l->n; i++)
		r = compare_known(l, &l->list[i]);
	return r;
}

/* A view that must not be shown tells of no devices: why it must not is the
 * reason the vault is read-only. */
int vault_each_device(struct vault *v, vault_device_fn *fn, void *arg)
{
	struct device_list l = { .v = v };
	int r = core_enter(v, false);

	if (r < 0)
		return atomic_load(&v->is_read_only) ? 0 : r;
	r = collect(v, &l);
	core_leave(v);
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		add_held(v->commit, &l.list[i]);
		r = fn(arg, &l.list[i]);
	}
	mem_free(l.list);
	return r;
}

/* ---------------------------------------------------------------- changing */

/* A device that has logged nothing yet enters the log with its name. */
static int log_op(struct vault *v, struct op *op)
{
	struct vault_device d;
	int r = device_get(v, op->device.writer, &d);

	if (r == 0 && op->device.writer == v->writer)
		op->type = OP_DEVICE_ADD;
	else if (r == 0)
		r = -ENOENT;
	return r < 0 ? r : apply_new(v, op);
}

bool vault_device_may_have(const char *name)
{
	return name_is_device((const uint8_t *)name, strlen(name));
}

int vault_device_name(struct vault *v, uint64_t writer, const char *name)
{
	size_t len = strlen(name);
	struct op op = {
		.type = OP_DEVICE_NAME,
		.device = {
			.writer = writer,
			.name = { (const uint8_t *)name, (uint16_t)len },
		},
	};
	int r;

	if (!vault_device_may_have(name))
		return -EINVAL;
	r = core_enter(v, true);
	if (r < 0)
		return r;
	r = log_op(v, &op);
	if (r == 0 && writer == v->writer)
		memcpy(v->device_name, name, len + 1);
	core_leave(v);
	commit_wake(v);
	return r;
}

int vault_device_retire(struct vault *v, uint64_t writer)
{
	struct op op = {
		.type = OP_DEVICE_RETIRE,
		.device.writer = writer,
	};
	int r;

	if (writer == v->writer)
		return -EINVAL;
	r = core_enter(v, true);
	if (r < 0)
		return r;
	r = log_op(v, &op);
	core_leave(v);
	commit_wake(v);
	return r;
}
