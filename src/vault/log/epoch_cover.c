/* SPDX-License-Identifier: ISC */
#include "vault/log/epoch_cover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* An authentic segment, and what it names. */
struct seen {
	uint64_t writer, seq;
	struct file_hash hash, previous;
	size_t vv_at; /* in `vectors` */
	uint32_t n_vv;
	bool is_covered;
};

struct epoch_cover {
	struct seen *list; /* ascending by writer, seq, hash */
	size_t n, cap;
	struct buf vectors; /* encoded segment_vv's */
	size_t *todo;	    /* covered, and not looked behind yet */
	size_t n_todo;
};

void epoch_cover_free(struct epoch_cover *c)
{
	if (!c)
		return;
	mem_free(c->list);
	mem_free(c->todo);
	buf_release(&c->vectors);
	mem_free(c);
}

static int compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->writer != y->writer)
		return x->writer < y->writer ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return memcmp(&x->hash, &y->hash, sizeof(x->hash));
}

/* ---------------------------------------------------------------- reading */

static int add_segment(struct epoch_cover *c, const struct log_segment *s,
		       uint32_t newest)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 256;
		struct seen *grown =
			mem_realloc_array(c->list, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		c->list = grown;
		c->cap = cap;
	}
	c->list[c->n++] = (struct seen){
		.writer = s->header.writer,
		.seq = s->header.seq,
		.hash = s->hash,
		.previous = s->body.previous,
		.vv_at = c->vectors.len,
		.n_vv = s->body.n_vv,
		.is_covered = s->header.epoch == newest,
	};
	buf_put(&c->vectors, s->body.vv.at, cursor_left(&s->body.vv));
	return buf_error(&c->vectors);
}

/* What is not authentic is nobody's. */
static int add_writer(struct epoch_cover *c, struct vault *v, uint64_t writer)
{
	auto_log_names struct log_names names = { 0 };
	uint32_t newest = core_newest_keys(v)->epoch;
	int r = logdir_list(v, writer, 1, &names);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		auto_log_segment struct log_segment s = { .plain = NULL };

		r = logdir_read(v, writer, &names.names[i], &s);
		if (r == 0)
			r = add_segment(c, &s, newest);
		else if (r != -ENOMEM && r != -EMFILE && r != -ENFILE)
			r = 0;
	}
	return r;
}

static int add_all(struct epoch_cover *c, struct vault *v)
{
	auto_free uint64_t *writers = NULL;
	size_t n = 0;
	int r = logdir_writers(v, &writers, &n, NULL);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_writer(c, v, writers[i]);
	if (r == 0 && c->n > 0)
		qsort(c->list, c->n, sizeof(*c->list), compare_seen);
	return r;
}

/* ---------------------------------------------------------------- covering */

static struct seen *find(const struct epoch_cover *c, uint64_t writer,
			 uint64_t seq, const struct file_hash *hash)
{
	const struct seen key = { .writer = writer, .seq = seq, .hash = *hash };

	return c->n > 0 ? bsearch(&key, c->list, c->n, sizeof(key),
				  compare_seen) :
			  NULL;
}

static void cover(struct epoch_cover *c, struct seen *s)
{
	if (!s || s->is_covered)
		return;
	s->is_covered = true;
	c->todo[c->n_todo++] = (size_t)(s - c->list);
}

/* Each segment is put on the list at most once, so that it has room. */
static int cover_all(struct epoch_cover *c)
{
	c->todo = mem_zalloc_array(c->n, sizeof(*c->todo));
	if (!c->todo)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].is_covered)
			c->todo[c->n_todo++] = i;
	while (c->n_todo > 0) {
		const struct seen *s = &c->list[c->todo[--c->n_todo]];
		struct cursor vv;

		cover(c, find(c, s->writer, s->seq - 1, &s->previous));
		cursor_init(&vv, c->vectors.data + s->vv_at,
			    c->vectors.len - s->vv_at);
		for (uint32_t i = 0; i < s->n_vv; i++) {
			struct segment_vv one;

			segment_vv_read(&vv, &one);
			cover(c, find(c, one.writer, one.context, &one.head));
		}
	}
	return 0;
}

int epoch_cover_new(struct vault *v, struct epoch_cover **ret)
{
	struct epoch_cover *c = mem_zalloc(sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	buf_init(&c->vectors, MEM_MAX);
	r = add_all(c, v);
	if (r == 0)
		r = cover_all(c);
	if (r < 0) {
		epoch_cover_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

bool epoch_cover_has(const struct epoch_cover *c, const struct log_segment *s)
{
	const struct seen *found =
		find(c, s->header.writer, s->header.seq, &s->hash);

	return found && found->is_covered;
}
