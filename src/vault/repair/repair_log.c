/* SPDX-License-Identifier: ISC */
/*
 * Segments that are missing or damaged.  One is put back only where it links
 * what is there: its `previous` is the hash of the one before, the next one's
 * `previous` is its hash, as far as there are such.  What another history of a
 * device holds is not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vault/life.h"
#include "vault/repair/repair.h"

/* A segment of a writer, here or put back. */
struct link {
	uint64_t seq;
	struct file_hash hash, previous;
};

struct chain {
	struct vault_repair *r;
	struct vault *v; /* with keys, and nothing opened */
	uint64_t writer;
	struct link *links; /* ascending by seq */
	size_t n, cap;
	bool is_forked;
};

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

static const struct link *find_link(const struct chain *c, uint64_t seq)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->links[i].seq == seq)
			return &c->links[i];
	return NULL;
}

static int add_link(struct chain *c, const struct log_segment *s)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct link *a = mem_realloc_array(c->links, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		c->links = a;
		c->cap = cap;
	}
	c->links[c->n++] = (struct link){
		.seq = s->header.seq,
		.hash = s->hash,
		.previous = s->body.previous,
	};
	return 0;
}

static int read_chain(struct chain *c)
{
	auto_log_names struct log_names names = { 0 };
	int e = logdir_list(c->v, c->writer, 1, &names);

	for (size_t i = 0; e == 0 && i < names.n; i++) {
		auto_log_segment struct log_segment s = { 0 };

		e = logdir_read(c->v, c->writer, &names.names[i], &s);
		if (e == -ENOMEM || e == -EMFILE || e == -ENFILE)
			return e;
		if (e == 0 && find_link(c, s.header.seq))
			c->is_forked = true;
		e = e == 0 ? add_link(c, &s) : 0;
	}
	return e;
}

/* ---------------------------------------------------------------- linking */

static bool is_same(const struct file_hash *a, const struct file_hash *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* Is there anything it could be compared with? */
static bool may_link(const struct chain *c, uint64_t seq)
{
	return seq == 1 || find_link(c, seq - 1) || find_link(c, seq + 1);
}

static bool does_link(const struct chain *c, const struct log_segment *s)
{
	static const struct file_hash none;
	uint64_t seq = s->header.seq;
	const struct link *before = find_link(c, seq - 1);
	const struct link *after = find_link(c, seq + 1);

	if (seq == 1 && !is_same(&s->body.previous, &none))
		return false;
	if (before && !is_same(&s->body.previous, &before->hash))
		return false;
	return !after || is_same(&after->previous, &s->hash);
}

struct found {
	const struct repair_file *f;
	struct log_segment s;
	uint8_t *bytes;
	size_t len;
};

static void found_release(struct found *f)
{
	log_segment_release(&f->s);
	mem_free(f->bytes);
	*f = (struct found){ .f = NULL };
}

/* 1: a candidate that links. */
static int try_file(struct chain *c, const struct repair_file *f,
		    struct found *ret)
{
	int e = repair_read_file(c->r, f, SEGMENT_FILE_MAX, &ret->bytes,
				 &ret->len);

	if (e == 0)
		e = log_segment_open(c->v, c->writer, f->seq, ret->bytes,
				     ret->len, &ret->s);
	if (e == 0 && does_link(c, &ret->s)) {
		ret->f = f;
		return 1;
	}
	found_release(ret);
	return e == -ENOMEM ? e : 0;
}

/* The only one there is for a number: 1; 0: none, or two that differ. */
static int find_for(struct chain *c, uint64_t seq, struct found *ret)
{
	struct vault_repair *r = c->r;
	int n = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct repair_file *f = &r->files[i];
		struct found one = { .f = NULL };

		if (f->kind != REPAIR_SEGMENT || f->writer != c->writer ||
		    f->seq != seq)
			continue;
		int e = try_file(c, f, &one);
		if (e < 0)
			return e;
		if (e == 0)
			continue;
		if (n == 0) {
			*ret = one;
			n = 1;
			continue;
		}
		bool differs = !is_same(&one.s.hash, &ret->s.hash);

		found_release(&one);
		if (differs)
			return 0;
	}
	return n;
}

/* ---------------------------------------------------------------- putting back */

static int remember(struct chain *c, struct found *f)
{
	struct vault_rescue *s = &c->r->rescue;
	struct rescued_segment *a =
		mem_realloc_array(s->log, s->n_log + 1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	s->log = a;
	a[s->n_log] = (struct rescued_segment){
		.writer = c->writer,
		.seq = f->s.header.seq,
		.bytes = f->bytes,
		.len = f->len,
	};
	memcpy(a[s->n_log].prefix, f->s.hash.b, sizeof(a->prefix));
	s->n_log++;
	f->bytes = NULL;
	return 0;
}

static int put_back(struct chain *c, struct found *f)
{
	char text[SEGMENT_NAME_LEN + 1], path[LOG_PATH_BYTES];
	struct log_name name = { .seq = f->s.header.seq };
	bool is_dry = c->r->opts->dry_run;
	int fd = -1, e;

	memcpy(name.prefix, f->s.hash.b, sizeof(name.prefix));
	segment_name_format(name.seq, &f->s.hash, text);
	logdir_path(c->writer, &name, path);
	if (!is_dry) {
		fd = logdir_open(c->v, c->writer);
		if (fd < 0)
			return fd;
	}
	e = repair_put_back(c->r, fd, text, path, f->bytes, f->len, f->f);
	close_quietly(c->v->env, &fd);
	if (e == 0)
		e = add_link(c, &f->s);
	if (e == 0 && is_dry)
		e = remember(c, f);
	return e;
}

/* Each that is put back may let another one link. */
static int mend_chain(struct chain *c)
{
	struct vault_repair *r = c->r;
	bool again = true;
	int e = 0;

	while (e >= 0 && again) {
		again = false;
		for (size_t i = 0; e >= 0 && i < r->n; i++) {
			const struct repair_file *f = &r->files[i];
			struct found found = { .f = NULL };

			if (f->kind != REPAIR_SEGMENT ||
			    f->writer != c->writer || f->seq == 0 ||
			    f->seq > SEGMENT_SEQ_MAX || find_link(c, f->seq) ||
			    !may_link(c, f->seq))
				continue;
			e = find_for(c, f->seq, &found);
			if (e > 0) {
				e = put_back(c, &found);
				again = true;
			}
			found_release(&found);
		}
	}
	return min_of(e, 0);
}

static int mend_writer(struct vault_repair *r, struct vault *v, uint64_t writer)
{
	struct chain c = { .r = r, .v = v, .writer = writer };
	int e = read_chain(&c);

	/* Which of two histories is right is not for a repair to say. */
	if (e == 0 && !c.is_forked)
		e = mend_chain(&c);
	mem_free(c.links);
	return e;
}

static bool is_first_of_writer(const struct vault_repair *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (r->files[k].kind == REPAIR_SEGMENT &&
		    r->files[k].writer == r->files[i].writer)
			return false;
	return true;
}

static int mend_all(struct vault_repair *r, struct vault *v)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < r->n; i++)
		if (r->files[i].kind == REPAIR_SEGMENT && r->files[i].writer &&
		    is_first_of_writer(r, i))
			e = mend_writer(r, v, r->files[i].writer);
	return e;
}

int repair_log(struct vault_repair *r)
{
	const struct vault_options opts = { .env = r->env };
	struct vault *v;
	int e = life_new(&opts, &v);

	if (e < 0)
		return e;
	/* Lent. */
	v->keys = r->keys;
	v->header = r->header;
	v->vault_dirfd = r->roots[0].fd;
	e = mend_all(r, v);
	v->keys = NULL;
	v->vault_dirfd = -1;
	life_free(v);
	return e;
}
