/* SPDX-License-Identifier: ISC */
/*
 * Random operations on all tables, against plain arrays: after each of them
 * what it touched, now and then everything; with commits, reopening with and
 * without one, and pages spilled under the smallest cache.
 *
 * COFFER_SEED repeats a run, COFFER_ROUNDS lengthens it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "crypto/random.h"
#include "index_fixture.h"
#include "scale.h"

#define N_NODES 400
#define N_DIRS 6
#define N_COOKIES 60
#define N_FILES 8
#define N_SLOTS 40
#define SLOT_BYTES 100
#define N_CHUNKS 200
#define N_PACKS 12
#define N_XATTRS 30
#define N_WRITERS 9
#define N_TABLES 3
#define N_IDS 25
#define TEXT_MAX 40000

/* A row whose contents follow from `seed`; 0: absent. */
struct cell {
	uint32_t seed;
	uint32_t n;
};

struct chunk_model {
	uint64_t number; /* 0: absent */
	uint32_t refs;
	int pack; /* index into packs, -1: nowhere */
	uint32_t offset, stored;
};

/* All of it: copied at a commit, and back when changes are lost. */
struct model {
	struct cell nodes[N_NODES];
	struct cell links[N_DIRS][N_COOKIES];
	uint32_t extents[N_FILES][N_SLOTS]; /* length; 0: absent */
	struct chunk_model chunks[N_CHUNKS];
	uint64_t packs[N_PACKS]; /* number; 0: absent */
	struct cell xattrs[N_XATTRS];
	struct cell writers[N_WRITERS];
	struct cell values[N_TABLES][N_IDS];
};

static struct model now, committed;
static struct index *ix;
static bool spills;
static uint64_t state;
static uint8_t text[TEXT_MAX];

static const char *const tables[N_TABLES] = { "a", "b", "abc" };

/* --- Chance -------------------------------------------------------------- */

/* xorshift64* (S. Vigna: An experimental exploration of Marsaglia's xorshift
 * generators, scrambled, ACM TOMS 42 (2016), section 3). */
static uint32_t below(uint32_t n)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 2685821657736338717u) >> 33) % n;
}

/* Mostly short, sometimes over several pages. */
static struct cell any_cell(void)
{
	struct cell c = { .seed = 1 + below(1 << 30) };

	switch (below(40)) {
	case 0:
		c.n = below(TEXT_MAX);
		break;
	case 1:
		break;
	default:
		c.n = below(200);
	}
	return c;
}

static const uint8_t *cell_text(struct cell c)
{
	text_make(c.seed, text, c.n);
	return text;
}

static void expect_cell(struct cell c, const uint8_t *got, size_t n)
{
	ck_assert_uint_ne(c.seed, 0);
	ck_assert_uint_eq(n, c.n);
	if (n > 0)
		ck_assert_mem_eq(got, cell_text(c), n);
}

static void ok(int r)
{
	ck_assert_int_eq(r, 0);
}

/* --- Keys ---------------------------------------------------------------- */

/* Numbers in order, some of them large. */
static uint64_t node_number(size_t i)
{
	return i < N_NODES / 2 ? i : INT64_MAX / 2 + i * 1000000007;
}

static uint64_t cookie_number(size_t i)
{
	return (uint64_t)INT64_MAX / N_COOKIES * i;
}

static uint64_t writer_number(size_t i)
{
	return UINT64_MAX / (N_WRITERS - 1) * i;
}

/* --- Inodes -------------------------------------------------------------- */

static void check_node(size_t i)
{
	const uint8_t *rec;
	size_t n;
	int r = index_node_get(ix, node_number(i), &rec, &n);

	ck_assert_int_eq(r, now.nodes[i].seed != 0);
	if (r > 0)
		expect_cell(now.nodes[i], rec, n);
}

static void change_node(void)
{
	size_t i = below(N_NODES);
	struct cell c = any_cell();

	if (below(3) == 0) {
		ok(index_node_delete(ix, node_number(i)));
		c.seed = 0;
	} else {
		ok(index_node_put(ix, node_number(i), cell_text(c), c.n));
	}
	now.nodes[i] = c;
	check_node(i);
}

static int meet_node(void *arg, uint64_t ino, const uint8_t *rec, size_t n)
{
	size_t *i = arg;

	while (now.nodes[*i].seed == 0)
		++*i;
	ck_assert_uint_eq(ino, node_number(*i));
	expect_cell(now.nodes[(*i)++], rec, n);
	return 0;
}

static void walk_nodes(void)
{
	size_t from = below(N_NODES), i = from;

	ok(index_node_each(ix, node_number(from), meet_node, &i));
	for (; i < N_NODES; i++)
		ck_assert_uint_eq(now.nodes[i].seed, 0);
}

/* --- Entries ------------------------------------------------------------- */

static void expect_link(size_t dir, size_t i, const struct index_link *l)
{
	const struct cell c = now.links[dir][i];

	ck_assert_uint_eq(l->parent, dir);
	ck_assert_uint_eq(l->cookie, cookie_number(i));
	ck_assert_uint_eq(l->ino, c.seed);
	ck_assert_uint_eq(l->name_len, c.n % 256);
	ck_assert_uint_eq(l->extra_bytes, c.n - c.n % 256);
	cell_text(c);
	if (l->name_len > 0)
		ck_assert_mem_eq(l->name, text, l->name_len);
	if (l->extra_bytes > 0)
		ck_assert_mem_eq(l->extra, text + l->name_len, l->extra_bytes);
}

static void check_link(size_t dir, size_t i)
{
	struct index_link l;
	int r = index_link_get(ix, dir, cookie_number(i), &l);

	ck_assert_int_eq(r, now.links[dir][i].seed != 0);
	if (r > 0)
		expect_link(dir, i, &l);
}

static void change_link(void)
{
	size_t dir = below(N_DIRS), i = below(N_COOKIES);
	struct cell c = any_cell();

	if (below(3) == 0) {
		ok(index_link_delete(ix, dir, cookie_number(i)));
		c.seed = 0;
	} else {
		const uint8_t *bytes = cell_text(c);
		struct index_link l = {
			.parent = dir,
			.cookie = cookie_number(i),
			.ino = c.seed,
			.name = bytes,
			.name_len = (uint16_t)(c.n % 256),
			.extra = bytes + c.n % 256,
			.extra_bytes = c.n - c.n % 256,
		};

		ok(index_link_put(ix, &l));
	}
	now.links[dir][i] = c;
	check_link(dir, i);
}

struct link_walk {
	size_t dir, i;
};

static int meet_link(void *arg, const struct index_link *l)
{
	struct link_walk *w = arg;

	while (now.links[w->dir][w->i].seed == 0)
		w->i++;
	expect_link(w->dir, w->i++, l);
	return 0;
}

static void walk_links(void)
{
	struct link_walk w = { below(N_DIRS), below(N_COOKIES) };

	ok(index_link_each(ix, w.dir, cookie_number(w.i), meet_link, &w));
	for (; w.i < N_COOKIES; w.i++)
		ck_assert_uint_eq(now.links[w.dir][w.i].seed, 0);
}

/* --- Extents ------------------------------------------------------------- */

static void expect_extent(size_t file, size_t i, const struct index_extent *e)
{
	const uint32_t length = now.extents[file][i];

	ck_assert_uint_eq(e->offset, i * SLOT_BYTES);
	ck_assert_uint_eq(e->length, length);
	if (length % 2 == 0) {
		ck_assert_int_eq(e->kind, EXTENT_CHUNK);
		ck_assert_uint_eq(e->chunk, length + i);
		ck_assert_uint_eq(e->chunk_offset, UINT32_MAX - i);
		return;
	}
	ck_assert_int_eq(e->kind, EXTENT_INLINE);
	text_make(length, text, length);
	ck_assert_mem_eq(e->bytes, text, length);
}

static void put_extent(size_t file, size_t i)
{
	const uint32_t length = 1 + below(SLOT_BYTES);
	struct index_extent e = { .offset = i * SLOT_BYTES,
				  .length = length,
				  .kind = EXTENT_CHUNK,
				  .chunk = length + i,
				  .chunk_offset = UINT32_MAX - (uint32_t)i };

	if (length % 2 == 1) {
		text_make(length, text, length);
		e.kind = EXTENT_INLINE;
		e.bytes = text;
	}
	ok(index_extent_put(ix, file, &e));
	now.extents[file][i] = length;
}

struct extent_walk {
	size_t file, i;
	uint64_t from;
};

static bool extent_is_met(const struct extent_walk *w)
{
	const uint32_t length = now.extents[w->file][w->i];

	return length > 0 && w->i * SLOT_BYTES + length > w->from;
}

static int meet_extent(void *arg, const struct index_extent *e)
{
	struct extent_walk *w = arg;

	while (!extent_is_met(w))
		w->i++;
	expect_extent(w->file, w->i++, e);
	return 0;
}

static void walk_extents(void)
{
	struct extent_walk w = { .file = below(N_FILES) };
	uint64_t to;

	w.from = below(N_SLOTS * SLOT_BYTES);
	to = w.from + 1 + below(N_SLOTS * SLOT_BYTES);
	ok(index_extent_each(ix, w.file, w.from, to, meet_extent, &w));
	for (; w.i < N_SLOTS && w.i * SLOT_BYTES < to; w.i++)
		ck_assert(!extent_is_met(&w));
}

static int meet_any_extent(void *arg, uint64_t ino,
			   const struct index_extent *e)
{
	size_t *at = arg;

	while (now.extents[*at / N_SLOTS][*at % N_SLOTS] == 0)
		++*at;
	ck_assert_uint_eq(ino, *at / N_SLOTS);
	expect_extent(*at / N_SLOTS, *at % N_SLOTS, e);
	++*at;
	return 0;
}

static void walk_all_extents(void)
{
	size_t at = 0;

	ok(index_extent_all(ix, meet_any_extent, &at));
	for (; at < N_FILES * N_SLOTS; at++)
		ck_assert_uint_eq(now.extents[at / N_SLOTS][at % N_SLOTS], 0);
}

static void change_extent(void)
{
	size_t file = below(N_FILES), i = below(N_SLOTS);

	if (below(50) == 0) {
		ok(index_extent_delete_all(ix, file));
		memset(now.extents[file], 0, sizeof(now.extents[file]));
	} else if (below(3) == 0) {
		ok(index_extent_delete(ix, file, i * SLOT_BYTES));
		now.extents[file][i] = 0;
	} else {
		put_extent(file, i);
	}
	walk_extents();
}

/* --- Chunks and packs ---------------------------------------------------- */

static uint64_t pack_number(int pack)
{
	return pack < 0 ? 0 : now.packs[pack];
}

static void expect_chunk(size_t i, const struct index_chunk *c)
{
	const struct chunk_model *m = &now.chunks[i];
	const struct content_id id = content_id_of(i);

	ck_assert_uint_eq(c->chunk, m->number);
	ck_assert_mem_eq(c->id.b, id.b, sizeof(id.b));
	ck_assert_uint_eq(c->refs, m->refs);
	ck_assert_uint_eq(c->pack, pack_number(m->pack));
	ck_assert_uint_eq(c->entry.offset, m->offset);
	ck_assert_uint_eq(c->entry.stored_bytes, m->stored);
}

static void check_chunk(size_t i)
{
	const struct content_id id = content_id_of(i);
	struct index_chunk c;
	int r = index_chunk_find(ix, &id, &c);

	ck_assert_int_eq(r, now.chunks[i].number != 0);
	if (r == 0)
		return;
	expect_chunk(i, &c);
	ck_assert_int_eq(index_chunk_get(ix, c.chunk, &c), 1);
	expect_chunk(i, &c);
}

static void place_chunk(size_t i)
{
	struct chunk_model *m = &now.chunks[i];
	struct index_chunk c = { .id = content_id_of(i) };

	m->pack = (int)below(N_PACKS + 1) - 1;
	if (pack_number(m->pack) == 0)
		m->pack = -1;
	m->offset = 1 + below(1 << 20);
	m->stored = 17 + below(100000);
	c.pack = pack_number(m->pack);
	c.entry.offset = m->offset;
	c.entry.stored_bytes = m->stored;
	c.entry.plain_bytes = m->stored - 16;
	ok(index_chunk_place(ix, &c));
	if (m->number != 0)
		ck_assert_uint_eq(c.chunk, m->number);
	m->number = c.chunk;
}

static void refer_chunk(size_t i)
{
	struct chunk_model *m = &now.chunks[i];
	const int delta = (int)below(7) - 3;

	ok(index_chunk_ref(ix, m->number, delta));
	m->refs = (uint32_t)max_of((int)m->refs + delta, 0);
}

static void check_used(void)
{
	uint64_t used, want = 0;

	for (size_t i = 0; i < N_CHUNKS; i++) {
		const struct chunk_model *m = &now.chunks[i];

		if (m->number != 0 && m->refs > 0)
			want += m->pack < 0 ? m->stored - 16 : m->stored;
	}
	ok(index_used_bytes(ix, &used));
	ck_assert_uint_eq(used, want);
}

static void change_chunk(void)
{
	size_t i = below(N_CHUNKS);

	if (now.chunks[i].number == 0 || below(4) == 0) {
		place_chunk(i);
	} else if (below(4) == 0) {
		ok(index_chunk_delete(ix, now.chunks[i].number));
		now.chunks[i] = (struct chunk_model){ 0 };
	} else {
		refer_chunk(i);
	}
	check_chunk(i);
	check_used();
}

/* What of the chunks lies in a pack. */
static uint64_t pack_sums(int pack, uint64_t *ret_live, int *ret_n)
{
	uint64_t total = 0;
	size_t i;

	*ret_live = 0;
	*ret_n = 0;
	for (i = 0; i < N_CHUNKS; i++) {
		const struct chunk_model *m = &now.chunks[i];

		if (m->number == 0 || m->pack != pack)
			continue;
		total += m->stored;
		*ret_live += m->refs > 0 ? m->stored : 0;
		++*ret_n;
	}
	return total;
}

struct pack_walk {
	uint64_t number, offset;
	int n;
};

static int meet_chunk(void *arg, const struct index_chunk *c)
{
	struct pack_walk *w = arg;

	ck_assert_uint_eq(c->pack, w->number);
	ck_assert_uint_ge(c->entry.offset, w->offset);
	w->offset = c->entry.offset;
	w->n++;
	return 0;
}

static void pack_name(int pack, struct index_pack *p)
{
	p->is_stage = pack % 3 == 0;
	if (p->is_stage) {
		p->stage_file = (uint64_t)pack;
		return;
	}
	p->writer = writer_number((size_t)pack % N_WRITERS);
	memset(p->name, pack, sizeof(p->name));
}

static void check_pack(int pack)
{
	struct pack_walk w = { .number = now.packs[pack] };
	struct index_pack p = { 0 };
	uint64_t live, total;
	int r, n;

	pack_name(pack, &p);
	if (p.is_stage)
		r = index_pack_find_stage(ix, p.stage_file, &p);
	else
		r = index_pack_find(ix, p.writer, p.name, &p);
	ck_assert_int_eq(r, now.packs[pack] != 0);
	if (r == 0)
		return;
	total = pack_sums(pack, &live, &n);
	ck_assert_uint_eq(p.pack, now.packs[pack]);
	ck_assert_uint_eq(p.total_bytes, total);
	ck_assert_uint_eq(p.live_bytes, live);
	ok(index_chunk_each_of_pack(ix, p.pack, meet_chunk, &w));
	ck_assert_int_eq(w.n, n);
}

static void change_pack(void)
{
	int n, pack = (int)below(N_PACKS);
	struct index_pack p = { 0 };
	uint64_t live;

	pack_name(pack, &p);
	if (now.packs[pack] == 0) {
		ok(index_pack_add(ix, &p));
		now.packs[pack] = p.pack;
	} else if (below(4) == 0) {
		pack_sums(pack, &live, &n);
		ck_assert_int_eq(index_pack_delete(ix, now.packs[pack]),
				 n > 0 ? -ENOTEMPTY : 0);
		if (n == 0)
			now.packs[pack] = 0;
	} else {
		ck_assert_int_eq(index_pack_add(ix, &p), -EEXIST);
	}
	check_pack(pack);
}

/* --- The smaller tables -------------------------------------------------- */

static void check_xattr(size_t i)
{
	const uint8_t name = (uint8_t)(i * 8);
	struct index_xattr x;
	int r = index_xattr_get(ix, 1, &name, 1, &x);

	ck_assert_int_eq(r, now.xattrs[i].seed != 0);
	if (r > 0)
		expect_cell(now.xattrs[i], x.rec, x.rec_bytes);
}

static void change_xattr(void)
{
	size_t i = below(N_XATTRS);
	const uint8_t name = (uint8_t)(i * 8);
	struct cell c = any_cell();
	struct index_xattr x = { .name = &name,
				 .name_len = 1,
				 .rec = cell_text(c),
				 .rec_bytes = c.n };

	if (below(3) == 0) {
		ok(index_xattr_delete(ix, 1, &name, 1));
		c.seed = 0;
	} else {
		ok(index_xattr_put(ix, 1, &x));
	}
	now.xattrs[i] = c;
	if (below(100) == 0) {
		ok(index_xattr_delete_all(ix, 1));
		memset(now.xattrs, 0, sizeof(now.xattrs));
	}
	check_xattr(i);
}

static int meet_xattr(void *arg, const struct index_xattr *x)
{
	size_t *i = arg;

	while (now.xattrs[*i].seed == 0)
		++*i;
	ck_assert_uint_eq(x->name[0], *i * 8);
	expect_cell(now.xattrs[(*i)++], x->rec, x->rec_bytes);
	return 0;
}

static void walk_xattrs(void)
{
	size_t i = 0;

	ok(index_xattr_each(ix, 1, meet_xattr, &i));
	for (; i < N_XATTRS; i++)
		ck_assert_uint_eq(now.xattrs[i].seed, 0);
}

static void check_writer(size_t i)
{
	const uint8_t *rec;
	size_t n;
	int r = index_writer_get(ix, writer_number(i), &rec, &n);

	ck_assert_int_eq(r, now.writers[i].seed != 0);
	if (r > 0)
		expect_cell(now.writers[i], rec, n);
}

static void change_writer(void)
{
	size_t i = below(N_WRITERS);
	struct cell c = any_cell();

	ok(index_writer_put(ix, writer_number(i), cell_text(c), c.n));
	now.writers[i] = c;
	check_writer(i);
}

static int meet_writer(void *arg, uint64_t writer, const uint8_t *rec, size_t n)
{
	size_t *i = arg;

	while (now.writers[*i].seed == 0)
		++*i;
	ck_assert_uint_eq(writer, writer_number(*i));
	expect_cell(now.writers[(*i)++], rec, n);
	return 0;
}

static void walk_writers(void)
{
	size_t i = 0;

	ok(index_writer_each(ix, meet_writer, &i));
	for (; i < N_WRITERS; i++)
		ck_assert_uint_eq(now.writers[i].seed, 0);
}

/* The id: as many bytes as its number, all alike, so that one is the beginning
 * of the next. */
static size_t value_id(size_t i, uint8_t id[static N_IDS])
{
	memset(id, 0x80, N_IDS);
	return i;
}

static void check_value(size_t t, size_t i)
{
	uint8_t id[N_IDS];
	const uint8_t *rec;
	size_t n, id_bytes = value_id(i, id);
	int r = index_value_get(ix, tables[t], id, id_bytes, &rec, &n);

	ck_assert_int_eq(r, now.values[t][i].seed != 0);
	if (r > 0)
		expect_cell(now.values[t][i], rec, n);
}

static void change_value(void)
{
	size_t t = below(N_TABLES), i = below(N_IDS);
	uint8_t id[N_IDS];
	size_t id_bytes = value_id(i, id);
	struct cell c = any_cell();

	if (below(3) == 0) {
		ok(index_value_delete(ix, tables[t], id, id_bytes));
		c.seed = 0;
	} else {
		ok(index_value_put(ix, tables[t], id, id_bytes, cell_text(c),
				   c.n));
	}
	now.values[t][i] = c;
	check_value(t, i);
}

struct value_walk {
	size_t t, i;
};

static int meet_value(void *arg, const uint8_t *id, size_t id_bytes,
		      const uint8_t *rec, size_t n)
{
	struct value_walk *w = arg;

	(void)id;
	while (now.values[w->t][w->i].seed == 0)
		w->i++;
	ck_assert_uint_eq(id_bytes, w->i);
	expect_cell(now.values[w->t][w->i++], rec, n);
	return 0;
}

static void walk_values(void)
{
	struct value_walk w = { .t = below(N_TABLES) };

	ok(index_value_each(ix, tables[w.t], meet_value, &w));
	for (; w.i < N_IDS; w.i++)
		ck_assert_uint_eq(now.values[w.t][w.i].seed, 0);
}

/* --- The whole ----------------------------------------------------------- */

static void check_everything(void)
{
	size_t i, k;

	for (i = 0; i < N_NODES; i++)
		check_node(i);
	for (i = 0; i < N_DIRS; i++) {
		for (k = 0; k < N_COOKIES; k++)
			check_link(i, k);
	}
	for (i = 0; i < N_CHUNKS; i++)
		check_chunk(i);
	for (i = 0; i < N_PACKS; i++)
		check_pack((int)i);
	for (i = 0; i < N_WRITERS; i++)
		check_writer(i);
	for (i = 0; i < N_TABLES; i++) {
		for (k = 0; k < N_IDS; k++)
			check_value(i, k);
	}
	walk_all_extents();
	walk_xattrs();
	ok(index_state(ix));
}

static void set_spills(bool yes)
{
	spills = yes;
	ok(index_allow_spill(ix, yes));
}

static void commit(void)
{
	ok(index_commit(ix));
	committed = now;
	set_spills(below(2) == 0);
}

/* What was spilled cannot be lost: then there is no going back. */
static void reopen(void)
{
	if (spills || below(2) == 0)
		commit();
	index_close(ix);
	ix = index_reopen();
	now = committed;
	set_spills(below(2) == 0);
	check_everything();
}

static void any_operation(void)
{
	static void (*const operations[])(void) = {
		change_node,  change_node,  change_link,   change_link,
		change_chunk, change_chunk, change_extent, change_extent,
		change_pack,  change_xattr, change_writer, change_value,
		walk_nodes,   walk_links,   walk_extents,  walk_xattrs,
		walk_writers, walk_values,
	};

	operations[below((uint32_t)array_len(operations))]();
	if (below(300) == 0)
		commit();
	if (below(1000) == 0)
		reopen();
}

static unsigned long number_from(const char *variable, unsigned long otherwise)
{
	const char *value = getenv(variable);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

START_TEST(test_index_does_what_plain_arrays_do)
{
	unsigned long rounds = number_from("COFFER_ROUNDS",
					   test_scaled(40000, 2000));
	unsigned long seed = number_from("COFFER_SEED", 0);

	if (seed == 0)
		seed = random_u64() >> 1 | 1;
	printf("COFFER_SEED=%lu\n", seed);
	fflush(stdout);
	state = seed;
	fx.opts.cache_bytes = 0;
	fx.disk.no_fsync = true;
	ix = index_create();
	ok(index_commit(ix));
	while (rounds-- > 0)
		any_operation();
	check_everything();
	commit();
	reopen();
	index_close(ix);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("index model");
	TCase *t = tcase_create("model");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(t, fixture_make, fixture_remove);
	tcase_set_timeout(t, 0);
	tcase_add_test(t, test_index_does_what_plain_arrays_do);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
