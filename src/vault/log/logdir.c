/* SPDX-License-Identifier: ISC */
#include "vault/log/logdir.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "vault/repair/rescue.h"

#define WRITERS_NAME "w"
#define LOG_NAME "l"
#define WRITER_NAME_LEN 16

#define SETTLED_NS (3 * NS_PER_S)

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- folders */

static void format_writer(uint64_t writer, char to[static WRITER_NAME_LEN + 1])
{
	snprintf(to, WRITER_NAME_LEN + 1, "%016" PRIx64, writer);
}

/* 0 is no writer's number. */
static uint64_t parse_writer(const char *name)
{
	uint8_t bytes[8];
	uint64_t writer = 0;

	if (strlen(name) != WRITER_NAME_LEN ||
	    hex_decode(name, sizeof(bytes), bytes) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		writer = writer << 8 | bytes[i];
	return writer;
}

static int open_step(struct env *env, int *above, const char *name, bool create,
		     bool close_above)
{
	int fd = env_open_dir(env, *above, name, create);

	if (close_above)
		close_quietly(env, above);
	return fd == -ENOTDIR || fd == -ELOOP ? ERR_DAMAGED : fd;
}

int logdir_open_part(struct vault *v, uint64_t writer, const char *part,
		     bool create)
{
	char name[WRITER_NAME_LEN + 1];
	int fd = v->vault_dirfd;

	format_writer(writer, name);
	fd = open_step(v->env, &fd, WRITERS_NAME, create, false);
	if (fd >= 0)
		fd = open_step(v->env, &fd, name, create, true);
	if (fd >= 0)
		fd = open_step(v->env, &fd, part, create, true);
	return fd;
}

static int open_log(struct vault *v, uint64_t writer, bool create)
{
	return logdir_open_part(v, writer, LOG_NAME, create);
}

int logdir_open_own(struct vault *v, bool create)
{
	return open_log(v, v->writer, create);
}

int logdir_open(struct vault *v, uint64_t writer)
{
	return open_log(v, writer, true);
}

struct writers {
	uint64_t *list;
	size_t n;
	uint64_t n_foreign;
};

static int collect_writer(void *arg, const char *name, unsigned char type)
{
	struct writers *w = arg;
	uint64_t writer = parse_writer(name);

	if (!writer || (type != DT_DIR && type != DT_UNKNOWN) ||
	    w->n == SEGMENT_MAX_WRITERS)
		w->n_foreign++;
	else
		w->list[w->n++] = writer;
	return 0;
}

/* ---------------------------------------------------------------- rescued */

/* What a dry run of a repair would have put back counts as if it were there. */
static const struct rescued_segment *rescued(const struct vault *v, size_t i)
{
	const struct vault_rescue *r = v->opts.rescue;

	return r && i < r->n_log ? &r->log[i] : NULL;
}

static void add_rescued_writers(const struct vault *v, struct writers *w)
{
	const struct rescued_segment *s;

	for (size_t i = 0; (s = rescued(v, i)); i++) {
		bool has = false;

		for (size_t k = 0; k < w->n && !has; k++)
			has = w->list[k] == s->writer;
		if (!has && w->n < SEGMENT_MAX_WRITERS)
			w->list[w->n++] = s->writer;
	}
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

int logdir_writers(struct vault *v, uint64_t **ret, size_t *ret_n,
		   uint64_t *ret_foreign)
{
	auto_free uint64_t *list =
		mem_zalloc_array(SEGMENT_MAX_WRITERS, sizeof(*list));
	struct writers w = { .list = list };
	int above = v->vault_dirfd, fd, r = 0;

	if (!list)
		return -ENOMEM;
	fd = open_step(v->env, &above, WRITERS_NAME, false, false);
	if (fd < 0 && fd != -ENOENT)
		return fd;
	if (fd >= 0) {
		r = v->env->ops->list(v->env, fd, collect_writer, &w);
		close_quietly(v->env, &fd);
	}
	if (r < 0)
		return r;
	add_rescued_writers(v, &w);
	qsort(list, w.n, sizeof(*list), compare_u64);
	*ret = mem_take(list);
	*ret_n = w.n;
	if (ret_foreign)
		*ret_foreign = w.n_foreign;
	return 0;
}

/* ---------------------------------------------------------------- names */

void log_names_release(struct log_names *l)
{
	mem_free(l->names);
	*l = (struct log_names){ 0 };
}

struct listing {
	struct log_names *l;
	uint64_t from;
};

static int add_name(struct log_names *l, const struct log_name *n)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct log_name *grown =
			mem_realloc_array(l->names, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->names = grown;
		l->cap = cap;
	}
	l->names[l->n++] = *n;
	return 0;
}

static int collect_name(void *arg, const char *name, unsigned char type)
{
	struct listing *in = arg;
	struct log_name n;

	(void)type;
	if (segment_name_parse(name, &n.seq, n.prefix) < 0) {
		in->l->n_foreign++;
		return 0;
	}
	return n.seq < in->from ? 0 : add_name(in->l, &n);
}

static int add_rescued(struct vault *v, uint64_t writer,
		       const struct listing *in)
{
	const struct rescued_segment *s;
	int r = 0;

	for (size_t i = 0; r == 0 && (s = rescued(v, i)); i++) {
		struct log_name n = { .seq = s->seq };
		bool has = s->writer != writer || s->seq < in->from;

		memcpy(n.prefix, s->prefix, sizeof(n.prefix));
		for (size_t k = 0; k < in->l->n && !has; k++)
			has = in->l->names[k].seq == n.seq &&
			      memcmp(in->l->names[k].prefix, n.prefix,
				     sizeof(n.prefix)) == 0;
		if (!has)
			r = add_name(in->l, &n);
	}
	return r;
}

static int compare_log_names(const void *a, const void *b)
{
	const struct log_name *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return memcmp(x->prefix, y->prefix, sizeof(x->prefix));
}

static int changed_of(struct env *env, int fd, struct timespec *ret)
{
	struct stat st;
	int r = env->ops->fstat(env, fd, &st);

	if (r == 0)
		*ret = st.st_mtim;
	return r;
}

int logdir_list(struct vault *v, uint64_t writer, uint64_t from_seq,
		struct log_names *ret)
{
	return logdir_list_part(v, writer, LOG_NAME, from_seq, ret);
}

int logdir_list_part(struct vault *v, uint64_t writer, const char *part,
		     uint64_t from_seq, struct log_names *ret)
{
	auto_log_names struct log_names l = { 0 };
	struct listing in = { &l, from_seq };
	int fd = logdir_open_part(v, writer, part, false), r = 0;

	if (fd < 0 && fd != -ENOENT)
		return fd;
	/* The time first: what comes while listing changes it again. */
	if (fd >= 0)
		r = changed_of(v->env, fd, &l.changed);
	if (r == 0 && fd >= 0)
		r = v->env->ops->list(v->env, fd, collect_name, &in);
	if (fd >= 0)
		close_quietly(v->env, &fd);
	if (r == 0 && strcmp(part, LOG_NAME) == 0)
		r = add_rescued(v, writer, &in);
	if (r < 0)
		return r;
	if (l.n > 0)
		qsort(l.names, l.n, sizeof(*l.names), compare_log_names);
	*ret = l;
	l = (struct log_names){ 0 };
	return 0;
}

int logdir_changed(struct vault *v, uint64_t writer, struct timespec *ret)
{
	int fd = open_log(v, writer, false), r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = changed_of(v->env, fd, ret);
	close_quietly(v->env, &fd);
	return r < 0 ? r : 1;
}

bool logdir_is_settled(const struct timespec *changed)
{
	return clock_ns_of(changed) < clock_wall_ns() - SETTLED_NS;
}

const struct log_name *log_names_find(const struct log_names *l, uint64_t seq)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (l->names[mid].seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low < l->n && l->names[low].seq == seq ? &l->names[low] : NULL;
}

/* ---------------------------------------------------------------- segments */

void log_segment_release(struct log_segment *s)
{
	if (s->plain)
		mem_wipe(s->plain, s->plain_bytes);
	mem_free(s->plain);
	*s = (struct log_segment){ 0 };
}

int log_segment_open(struct vault *v, uint64_t writer, uint64_t seq,
		     const uint8_t *file, size_t bytes,
		     struct log_segment *ret)
{
	struct log_segment s = { 0 };
	const struct epoch_keys *k;
	int r;

	if (bytes < SEGMENT_HEADER_BYTES)
		return ERR_TRUNCATED;
	/* Nothing is authentic yet: what is wrong here says nothing. */
	r = segment_header_decode(file, bytes, &s.header);
	if (r < 0)
		return r == ERR_TRUNCATED ? r : ERR_DAMAGED;
	if (memcmp(s.header.vault.b, v->header.uuid.b,
		   sizeof(s.header.vault.b)) != 0 ||
	    s.header.writer != writer || s.header.seq != seq)
		return ERR_BAD_NAME;
	k = core_epoch_keys(v, s.header.epoch, &s.header.key_id);
	if (!k)
		return ERR_NEW_EPOCH;
	segment_hash(file, bytes, &s.hash);
	s.plain_bytes = (size_t)s.header.body_bytes;
	s.plain = mem_alloc(s.plain_bytes);
	if (!s.plain)
		return -ENOMEM;
	r = segment_open(k, file, bytes, &s.header, s.plain, &s.body);
	if (r < 0) {
		log_segment_release(&s);
		return r == ERR_TRUNCATED ? ERR_MALFORMED : r;
	}
	*ret = s;
	return 0;
}

int logdir_read(struct vault *v, uint64_t writer, const struct log_name *name,
		struct log_segment *ret)
{
	char text[SEGMENT_NAME_LEN + 1];
	const struct rescued_segment *s;
	auto_free uint8_t *file = NULL;
	struct file_hash hash = { { 0 } };
	size_t bytes;
	int fd, r;

	for (size_t i = 0; (s = rescued(v, i)); i++)
		if (s->writer == writer && s->seq == name->seq &&
		    memcmp(s->prefix, name->prefix, sizeof(s->prefix)) == 0)
			return log_segment_open(v, writer, s->seq, s->bytes,
						s->len, ret);
	memcpy(hash.b, name->prefix, sizeof(name->prefix));
	segment_name_format(name->seq, &hash, text);
	fd = open_log(v, writer, false);
	if (fd < 0)
		return fd;
	r = env_read_file(v->env, fd, text, SEGMENT_HEADER_BYTES,
			  SEGMENT_FILE_MAX, &file, &bytes);
	close_quietly(v->env, &fd);
	if (r < 0)
		return r;
	segment_hash(file, bytes, &hash);
	if (memcmp(hash.b, name->prefix, sizeof(name->prefix)) != 0)
		return ERR_BAD_NAME;
	return log_segment_open(v, writer, name->seq, file, bytes, ret);
}

void logdir_path(uint64_t writer, const struct log_name *name,
		 char to[static LOG_PATH_BYTES])
{
	struct file_hash hash = { { 0 } };
	char text[SEGMENT_NAME_LEN + 1];

	memcpy(hash.b, name->prefix, sizeof(name->prefix));
	segment_name_format(name->seq, &hash, text);
	snprintf(to, LOG_PATH_BYTES, "w/%016" PRIx64 "/l/%s", writer, text);
}
