/* SPDX-License-Identifier: ISC */
#include "vault/collect/stable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "format/segment.h"
#include "vault/core.h"
#include "vault/log/devices.h"
#include "vault/log/writers.h"

/* A writer or an added device, and what it acknowledged. */
struct party {
	uint64_t writer;
	char name[65];
	bool is_self, is_retired;
	uint64_t seq, own_ack; /* applied; acknowledged by this device */
	hlc_t last;
	uint8_t *vector; /* of its last segment, as encoded; owned */
	size_t vector_bytes;
};

struct parties {
	struct vault *v;
	struct party *list;
	size_t n, cap;
};

static void parties_release(struct parties *p)
{
	for (size_t i = 0; i < p->n; i++)
		mem_free(p->list[i].vector);
	mem_free(p->list);
}

/* ---------------------------------------------------------------- who */

static struct party *find(const struct parties *p, uint64_t writer)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->list[i].writer == writer)
			return &p->list[i];
	return NULL;
}

static int add(struct parties *p, uint64_t writer, struct party **ret)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct party *grown =
			mem_realloc_array(p->list, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->list = grown;
		p->cap = cap;
	}
	*ret = &p->list[p->n++];
	**ret = (struct party){
		.writer = writer,
		.is_self = p->v->writer && writer == p->v->writer,
	};
	return 0;
}

static int add_writer(void *arg, const struct writer_state *w)
{
	struct parties *p = arg;
	struct party *party;
	int r = w->seq > 0 ? add(p, w->writer, &party) : 0;

	if (r == 0 && w->seq > 0) {
		party->seq = w->seq;
		party->own_ack = min_of(w->ack, w->seq);
		party->last = w->last;
	}
	return r;
}

static int add_device(void *arg, const struct vault_device *d, bool is_added)
{
	struct parties *p = arg;
	struct party *party = find(p, d->writer);
	int r = 0;

	/* Named or retired, and neither added nor heard of: no device yet. */
	if (!party && !is_added)
		return 0;
	if (!party)
		r = add(p, d->writer, &party);
	if (r < 0)
		return r;
	party->is_retired = d->is_retired;
	memcpy(party->name, d->name, sizeof(party->name));
	return 0;
}

static int compare_parties(const void *a, const void *b)
{
	const struct party *x = a, *y = b;

	return x->writer < y->writer ? -1 : x->writer > y->writer;
}

static int read_all(struct vault *v, struct parties *p)
{
	int r;

	*p = (struct parties){ .v = v };
	r = writer_each(v, add_writer, p);
	if (r == 0)
		r = device_each(v, add_device, p);
	for (size_t i = 0; r == 0 && i < p->n; i++)
		if (p->list[i].seq > 0)
			r = writer_get_vector(v, p->list[i].writer,
					      &p->list[i].vector,
					      &p->list[i].vector_bytes);
	if (p->n > 0)
		qsort(p->list, p->n, sizeof(*p->list), compare_parties);
	return r;
}

/* ---------------------------------------------------------------- acks */

/* What a device acknowledged of a writer's log. */
static int ack_of(const struct party *d, const struct party *of, uint64_t *ret)
{
	struct cursor c;

	*ret = 0;
	if (d->writer == of->writer) {
		*ret = d->seq;
		return 0;
	}
	if (d->is_self) {
		*ret = of->own_ack;
		return 0;
	}
	cursor_init(&c, d->vector, d->vector_bytes);
	while (cursor_left(&c) > 0) {
		struct segment_vv vv;

		segment_vv_read(&c, &vv);
		if (c.error)
			return ERR_BAD_INDEX;
		if (vv.writer == of->writer) {
			*ret = vv.ack;
			return 0;
		}
	}
	return 0;
}

static int least_ack(const struct parties *p, const struct party *of,
		     uint64_t *ret)
{
	/* What is not applied is not known, whoever acknowledges it. */
	uint64_t least = of->seq;
	bool any = false;

	for (size_t i = 0; i < p->n; i++) {
		uint64_t ack;

		if (p->list[i].is_retired)
			continue;
		int r = ack_of(&p->list[i], of, &ack);
		if (r < 0)
			return r;
		least = min_of(least, ack);
		any = true;
	}
	*ret = any ? least : 0;
	return 0;
}

static int make_cut(const struct parties *p, struct stable_cut *ret)
{
	struct stable_cut s = { .n = 0 };
	bool self_is_live = false;
	int r = 0;

	s.list = mem_zalloc_array(p->n, sizeof(*s.list));
	if (!s.list && p->n > 0)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < p->n; i++) {
		const struct party *d = &p->list[i];

		s.n_live += !d->is_retired;
		s.is_retired |= d->is_self && d->is_retired;
		self_is_live |= d->is_self && !d->is_retired;
		if (d->seq == 0)
			continue;
		s.list[s.n].writer = d->writer;
		r = least_ack(p, d, &s.list[s.n++].seq);
	}
	s.is_alone = self_is_live && s.n_live == 1;
	if (r < 0)
		stable_cut_release(&s);
	else
		*ret = s;
	return r;
}

int stable_cut_read(struct vault *v, struct stable_cut *ret)
{
	struct parties p;
	int r = read_all(v, &p);

	if (r == 0)
		r = make_cut(&p, ret);
	parties_release(&p);
	return r;
}

void stable_cut_release(struct stable_cut *s)
{
	mem_free(s->list);
	*s = (struct stable_cut){ .n = 0 };
}

uint64_t stable_cut_seq(const struct stable_cut *s, uint64_t writer)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->list[mid].writer < writer)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && s->list[low].writer == writer ?
		       s->list[low].seq : 0;
}

/* ---------------------------------------------------------------- telling */

int stable_each_device(struct vault *v, uint64_t of, stable_device_fn *fn,
		       void *arg)
{
	const struct party nobody = { .writer = of };
	const struct party *log;
	struct parties p;
	int r = read_all(v, &p);

	log = r == 0 ? find(&p, of) : NULL;
	log = log ? log : &nobody;
	for (size_t i = 0; r == 0 && i < p.n; i++) {
		const struct party *d = &p.list[i];
		struct stable_device tell = {
			.writer = d->writer,
			.is_self = d->is_self,
			.seq = d->seq,
			.last = d->last,
		};

		if (d->is_retired)
			continue;
		memcpy(tell.name, d->name, sizeof(tell.name));
		r = ack_of(d, log, &tell.ack);
		if (r == 0)
			r = fn(arg, &tell);
	}
	parties_release(&p);
	return r;
}
