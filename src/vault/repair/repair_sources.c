/* SPDX-License-Identifier: ISC */
#include "vault/repair/repair_sources.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "vault/packs/packs.h"

#define USED_BYTES 512u
/* Records tried in a file of which no other sign says that it is the pack. */
#define TRIES 8u
#define PLACES_MAX 65u

/* A file that may be the pack. */
struct source {
	int fd;
	uint64_t bytes;
	char *shown; /* owned */
	unsigned n_tried;
	bool was_right;
};

/* A chunk in a pack that nobody announced, or not under this name. */
struct loose {
	struct content_id id;
	size_t file;
	struct pack_entry entry;
	uint32_t epoch;
	struct key_id8 key_id;
	enum pack_type type;
};

struct place {
	struct index_chunk chunk;
	struct index_pack pack;
};

struct repair_sources {
	struct checker *c;
	struct vault_repair *r;
	const struct bad_pack *b;
	struct source *list;
	size_t n, cap;
	struct loose *loose; /* by content id */
	size_t n_loose, cap_loose;
	bool has_loose;
	struct salvaged chunk;
	uint8_t *spare;
	char used[USED_BYTES];
};

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- used */

static void note_used(struct repair_sources *s, const char *what)
{
	size_t len = strlen(s->used), n = strlen(what);
	const char *at = strstr(s->used, what);

	if (at && (at[n] == '\0' || at[n] == ','))
		return;
	if (len + n + 8 >= USED_BYTES) {
		if (len + 5 < USED_BYTES && !strstr(s->used, ", ..."))
			memcpy(s->used + len, ", ...", 6);
		return;
	}
	snprintf(s->used + len, USED_BYTES - len, "%s%s", len ? ", " : "",
		 what);
}

const char *repair_sources_used(const struct repair_sources *s)
{
	return s->used[0] ? s->used : "what the log says of it";
}

/* ---------------------------------------------------------------- the pack itself */

static void release_list(struct repair_sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		close_quietly(s->r->env, &s->list[i].fd);
		mem_free(s->list[i].shown);
	}
	s->n = 0;
}

/* A file that cannot be opened is no source. */
static int add_source(struct repair_sources *s, unsigned root, const char *path)
{
	struct source one = { .fd = -1 };

	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 8;
		struct source *a = mem_realloc_array(s->list, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		s->list = a;
		s->cap = cap;
	}
	one.fd = repair_open_path(s->r, root, path, &one.bytes);
	if (one.fd < 0)
		return one.fd == -EMFILE || one.fd == -ENFILE ? one.fd : 0;
	one.shown = repair_show(s->r, root, path);
	if (!one.shown) {
		close_quietly(s->r->env, &one.fd);
		return -ENOMEM;
	}
	s->list[s->n++] = one;
	return 0;
}

static bool is_in_place(const struct repair_file *f, const char *path)
{
	return strcmp(f->path, path) == 0;
}

/* 1: the index has a pack of that name and size: the file is none other, as far
 * as anyone knows. */
static int is_announced(struct checker *c, const struct repair_file *f)
{
	struct index_pack p;

	lock_take(&c->v->index_lock);
	int r = index_pack_find(c->v->index, f->writer, f->hint, &p);
	lock_drop(&c->v->index_lock);
	return r > 0 ? p.size == f->bytes : r;
}

static bool is_bad_here(const struct checker *c, const struct repair_file *f)
{
	for (const struct bad_pack *b = c->bad_packs; b; b = b->next)
		if (b->writer == f->writer &&
		    memcmp(b->p.name, f->hint, PACK_NAME_BYTES) == 0)
			return true;
	return false;
}

/* By the name it has, or by its size where the name says nothing. */
static int may_be(struct repair_sources *s, const struct repair_file *f)
{
	const struct bad_pack *b = s->b;

	if (f->has_hint && memcmp(f->hint, b->p.name, PACK_NAME_BYTES) == 0)
		return 1;
	if (f->bytes != b->p.size || f->writer != b->writer)
		return 0;
	if (!f->is_plain || (f->root == 0 && is_bad_here(s->c, f)))
		return 1;
	int r = is_announced(s->c, f);
	return r < 0 ? r : !r;
}

int repair_sources_begin(struct repair_sources *s, const struct bad_pack *b)
{
	struct vault_repair *r = s->r;
	char path[CHECK_PATH_BYTES];
	int e = 0;

	release_list(s);
	s->used[0] = '\0';
	s->b = b;
	check_pack_path(b->writer, b->p.name, path);
	for (unsigned i = 0; e == 0 && i < r->n_roots; i++)
		e = add_source(s, i, path);
	for (size_t i = 0; e == 0 && i < r->n; i++) {
		const struct repair_file *f = &r->files[i];

		if (f->kind != REPAIR_PACK || is_in_place(f, path))
			continue;
		e = may_be(s, f);
		if (e > 0)
			e = add_source(s, f->root, f->path);
	}
	return e;
}

int repair_sources_learn_end(struct repair_sources *s, struct pack_rebuild *w)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < s->n; i++)
		e = pack_rebuild_learn_end(w, s->list[i].fd, s->list[i].bytes);
	return min_of(e, 0);
}

static int from_same_pack(struct repair_sources *s, const struct pack_entry *e)
{
	for (size_t i = 0; i < s->n && s->chunk.n_missing > 0; i++) {
		struct source *from = &s->list[i];

		if (!from->was_right && from->n_tried == TRIES)
			continue;
		int n = salvage_record(s->c->v->store, from->fd, &s->b->p, e,
				       &s->chunk);
		if (n < 0)
			return n;
		from->n_tried += !from->was_right;
		from->was_right |= n > 0;
		if (n > 0)
			note_used(s, from->shown);
	}
	return 0;
}

/* ---------------------------------------------------------------- other packs */

static int find_places(struct repair_sources *s, const struct content_id *id,
		       struct place *to, size_t *ret_n)
{
	struct vault *v = s->c->v;
	size_t n = 0;
	int r;

	lock_take(&v->index_lock);
	r = index_chunk_find(v->index, id, &to[0].chunk);
	if (r > 0 && to[0].chunk.pack)
		r = index_pack_get(v->index, to[0].chunk.pack, &to[0].pack);
	else if (r > 0)
		r = 0;
	n = r > 0;
	for (unsigned i = 0; r >= 0 && n < PLACES_MAX; i++) {
		r = packs_other_place(v, id, i, &to[n].chunk, &to[n].pack);
		if (r <= 0)
			break;
		n++;
	}
	lock_drop(&v->index_lock);
	*ret_n = n;
	return min_of(r, 0);
}

static int from_stage(struct repair_sources *s, const struct place *p,
		      const struct pack_entry *e)
{
	const struct store_place from = {
		.is_stage = true,
		.stage_file = p->pack.stage_file,
		.type = PACK_DATA,
		.entry = p->chunk.entry,
	};
	uint32_t n = (e->plain_bytes - 1) / RECORD_SUB_BYTES + 1;
	int r = store_read(s->c->v->store, &from, 0, 0, n, false, s->spare);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	memcpy(s->chunk.plain, s->spare, e->plain_bytes);
	memset(s->chunk.has, true, n * sizeof(*s->chunk.has));
	s->chunk.n_missing = 0;
	note_used(s, "what this device has not published yet");
	return 0;
}

/* In the vault, or where another copy of it has that pack. */
static int from_pack(struct repair_sources *s, const struct place *p)
{
	struct vault_repair *r = s->r;
	const struct segment_pack as = {
		.epoch = p->pack.epoch,
		.key_id = p->pack.key_id,
		.type = p->pack.type,
	};
	char path[CHECK_PATH_BYTES];
	int e = 0;

	check_pack_path(p->pack.writer, p->pack.name, path);
	for (unsigned i = 0; e >= 0 && i < r->n_roots; i++) {
		auto_free char *shown = NULL;
		uint64_t bytes;
		int fd = repair_open_path(r, i, path, &bytes);

		if (fd < 0)
			continue;
		e = salvage_record(s->c->v->store, fd, &as, &p->chunk.entry,
				   &s->chunk);
		close_quietly(r->env, &fd);
		shown = e > 0 ? repair_show(r, i, path) : NULL;
		if (shown)
			note_used(s, shown);
	}
	return min_of(e, 0);
}

static int from_index(struct repair_sources *s, const struct pack_entry *e)
{
	auto_free struct place *places =
		mem_zalloc_array(PLACES_MAX, sizeof(*places));
	size_t n = 0;
	int r = places ? find_places(s, &e->id, places, &n) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n && s->chunk.n_missing > 0; i++) {
		const struct place *p = &places[i];

		if (p->chunk.entry.plain_bytes != e->plain_bytes)
			continue;
		if (p->pack.is_stage)
			r = from_stage(s, p, e);
		else if (p->pack.pack != s->b->pack)
			r = from_pack(s, p);
	}
	return r;
}

/* ---------------------------------------------------------------- loose packs */

static int add_loose(struct repair_sources *s, size_t file,
		     const struct segment_pack *p)
{
	struct cursor at;
	int r = 0;

	if (p->type != PACK_DATA)
		return 0;
	if (s->n_loose + p->n_entries > s->cap_loose) {
		size_t cap = 2 * s->cap_loose + p->n_entries;
		struct loose *a = mem_realloc_array(s->loose, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		s->loose = a;
		s->cap_loose = cap;
	}
	cursor_init(&at, p->entries, (size_t)p->n_entries * PACK_ENTRY_BYTES);
	while (r == 0 && cursor_left(&at) > 0) {
		struct loose *l = &s->loose[s->n_loose];

		*l = (struct loose){
			.file = file,
			.epoch = p->epoch,
			.key_id = p->key_id,
			.type = p->type,
		};
		r = pack_entry_read(&at, &l->entry);
		l->id = l->entry.id;
		s->n_loose += r == 0;
	}
	return r;
}

static int look_into(struct repair_sources *s, size_t file)
{
	const struct repair_file *f = &s->r->files[file];
	uint8_t *entries = NULL;
	struct segment_pack p;
	uint64_t writer, bytes;
	int fd, r;

	/* The index knows what is in there. */
	if (f->is_plain) {
		r = is_announced(s->c, f);
		if (r != 0)
			return min_of(r, 0);
	}
	fd = repair_open_path(s->r, f->root, f->path, &bytes);
	if (fd < 0)
		return 0;
	r = salvage_trailer(s->c->v->store, fd, bytes, &writer, &p, &entries);
	close_quietly(s->r->env, &fd);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = add_loose(s, file, &p);
	mem_free(entries);
	return r;
}

static int by_id(const void *a, const void *b)
{
	const struct loose *x = a, *y = b;

	return memcmp(&x->id, &y->id, sizeof(x->id));
}

static int list_loose(struct repair_sources *s)
{
	int r = 0;

	if (s->has_loose)
		return 0;
	for (size_t i = 0; r == 0 && i < s->r->n; i++)
		if (s->r->files[i].kind == REPAIR_PACK)
			r = look_into(s, i);
	if (r == 0 && s->n_loose > 0)
		qsort(s->loose, s->n_loose, sizeof(*s->loose), by_id);
	s->has_loose = r == 0;
	return r;
}

static int from_loose_file(struct repair_sources *s, const struct loose *l)
{
	const struct repair_file *f = &s->r->files[l->file];
	const struct segment_pack as = {
		.epoch = l->epoch,
		.key_id = l->key_id,
		.type = l->type,
	};
	int fd = repair_open_file(s->r, f), r;
	auto_free char *shown = NULL;

	if (fd < 0)
		return 0;
	r = salvage_record(s->c->v->store, fd, &as, &l->entry, &s->chunk);
	close_quietly(s->r->env, &fd);
	shown = r > 0 ? repair_show(s->r, f->root, f->path) : NULL;
	if (shown)
		note_used(s, shown);
	return min_of(r, 0);
}

static int from_loose(struct repair_sources *s, const struct pack_entry *e)
{
	size_t low = 0, high;
	int r = list_loose(s);

	high = s->n_loose;
	while (r == 0 && low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(&s->loose[mid].id, &e->id, sizeof(e->id)) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; r == 0 && low < s->n_loose && s->chunk.n_missing > 0 &&
	       memcmp(&s->loose[low].id, &e->id, sizeof(e->id)) == 0;
	     low++)
		if (s->loose[low].entry.plain_bytes == e->plain_bytes)
			r = from_loose_file(s, &s->loose[low]);
	return r;
}

/* ---------------------------------------------------------------- all */

int repair_sources_get(struct repair_sources *s, const struct pack_entry *e,
		       const uint8_t **ret_plain)
{
	int r;

	salvage_begin(&s->chunk, e->plain_bytes);
	r = from_same_pack(s, e);
	if (r == 0 && s->chunk.n_missing > 0)
		r = from_index(s, e);
	if (r == 0 && s->chunk.n_missing > 0)
		r = from_loose(s, e);
	if (r < 0 || !salvage_is_whole(s->c->v->store, &s->b->p, e, &s->chunk))
		return r;
	*ret_plain = s->chunk.plain;
	return 1;
}

int repair_sources_new(struct checker *c, struct vault_repair *r,
		       struct repair_sources **ret)
{
	struct repair_sources *s = mem_zalloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->c = c;
	s->r = r;
	s->chunk.plain = mem_alloc(CHUNK_MAX_BYTES);
	s->spare = mem_alloc(CHUNK_MAX_BYTES);
	if (!s->chunk.plain || !s->spare) {
		repair_sources_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void repair_sources_free(struct repair_sources *s)
{
	if (!s)
		return;
	release_list(s);
	mem_free(s->list);
	mem_free(s->loose);
	if (s->chunk.plain)
		mem_wipe(s->chunk.plain, CHUNK_MAX_BYTES);
	if (s->spare)
		mem_wipe(s->spare, CHUNK_MAX_BYTES);
	mem_free(s->chunk.plain);
	mem_free(s->spare);
	mem_free(s);
}
