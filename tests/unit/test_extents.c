/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "content_fixture.h"
#include "crypto/hash.h"
#include "format/segment.h"
#include "scale.h"
#include "vault/content/extents.h"
#include "vault/log/writers.h"

#define INO 100u
#define OTHER 101u
#define OTHER_WRITER UINT64_C(77)

static uint64_t data_bytes;

static void start(void)
{
	content_make_tiny();
	data_bytes = 0;
}

/* ---- lists ---- */

static struct buf raw;
static uint32_t n_extents;

static void list_begin(void)
{
	buf_release(&raw);
	buf_init(&raw, MEM_MAX);
	n_extents = 0;
}

static struct content_id id_number(unsigned n)
{
	return (struct content_id){ { (uint8_t)n, (uint8_t)(n >> 8), 1 } };
}

static void list_chunk(uint64_t offset, uint64_t length, unsigned chunk,
		       uint32_t in_chunk)
{
	const struct extent e = {
		.offset = offset,
		.length = length,
		.kind = EXTENT_CHUNK,
		.chunk_offset = in_chunk,
		.chunk_length = 100000,
		.id = id_number(chunk),
	};

	extent_put(&raw, &e);
	n_extents++;
}

static void list_inline(uint64_t offset, const void *bytes, size_t n)
{
	const struct extent e = {
		.offset = offset,
		.length = n,
		.kind = EXTENT_INLINE,
		.bytes = bytes,
	};

	extent_put(&raw, &e);
	n_extents++;
}

static void list_hole(uint64_t offset, uint64_t length)
{
	const struct extent e = { .offset = offset, .length = length };

	extent_put(&raw, &e);
	n_extents++;
}

static struct extent_list list_end(void)
{
	ck_assert_int_eq(buf_error(&raw), 0);
	return (struct extent_list){ raw.data, (uint32_t)raw.len, n_extents };
}

static void apply_to(uint64_t ino, bool whole, uint64_t size)
{
	const struct extent_list l = list_end();

	lock_take(&cf.v->index_lock);
	ck_assert_int_eq(extents_apply(cf.v, ino, whole, size, &l, data_bytes,
				       &data_bytes),
			 0);
	lock_drop(&cf.v->index_lock);
}

/* ---- what the rows say ---- */

static char text[4096];

static int show_row(void *arg, const struct index_extent *e)
{
	size_t n = strlen(text);

	(void)arg;
	if (e->kind == EXTENT_INLINE) {
		snprintf(text + n, sizeof(text) - n, " %" PRIu64 "'%.*s'",
			 e->offset, (int)e->length, (const char *)e->bytes);
		return 0;
	}
	struct index_chunk c;

	ck_assert_int_eq(index_chunk_get(cf.v->index, e->chunk, &c), 1);
	snprintf(text + n, sizeof(text) - n, " %" PRIu64 "+%" PRIu64 "=%u@%u",
		 e->offset, e->length, c.id.b[0] | c.id.b[1] << 8,
		 e->chunk_offset);
	return 0;
}

static const char *rows_of(uint64_t ino)
{
	text[0] = '\0';
	ck_assert_int_eq(index_extent_each(cf.v->index, ino, 0, INT64_MAX,
					   show_row, NULL),
			 0);
	return text[0] ? text + 1 : text;
}

static uint64_t refs_of(unsigned chunk)
{
	const struct content_id id = id_number(chunk);
	struct index_chunk c;

	ck_assert_int_eq(index_chunk_find(cf.v->index, &id, &c), 1);
	return c.refs;
}

START_TEST(an_extent_in_the_middle_cuts_a_row_in_two)
{
	list_begin();
	list_chunk(0, 100, 1, 50);
	apply_to(INO, false, 100);
	list_begin();
	list_chunk(40, 20, 2, 0);
	apply_to(INO, false, 100);
	ck_assert_str_eq(rows_of(INO), "0+40=1@50 40+20=2@0 60+40=1@110");
	ck_assert_uint_eq(refs_of(1), 2);
	ck_assert_uint_eq(refs_of(2), 1);
	ck_assert_uint_eq(data_bytes, 100);
}
END_TEST

START_TEST(holes_take_rows_away)
{
	list_begin();
	list_chunk(0, 100, 1, 0);
	list_chunk(100, 100, 2, 0);
	list_inline(200, "abcdef", 6);
	apply_to(INO, false, 206);
	list_begin();
	list_hole(50, 152);
	apply_to(INO, false, 206);
	ck_assert_str_eq(rows_of(INO), "0+50=1@0 202'cdef'");
	ck_assert_uint_eq(refs_of(1), 1);
	ck_assert_uint_eq(refs_of(2), 0);
	ck_assert_uint_eq(data_bytes, 54);
}
END_TEST

START_TEST(a_smaller_size_cuts_before_extents_are_put)
{
	list_begin();
	list_chunk(0, 100, 1, 0);
	list_chunk(100, 100, 2, 0);
	apply_to(INO, false, 200);
	list_begin();
	list_inline(20, "xy", 2);
	apply_to(INO, false, 30);
	ck_assert_str_eq(rows_of(INO), "0+20=1@0 20'xy' 22+8=1@22");
	ck_assert_uint_eq(refs_of(2), 0);
	ck_assert_uint_eq(data_bytes, 30);
}
END_TEST

START_TEST(a_whole_version_leaves_nothing_of_the_old)
{
	list_begin();
	list_chunk(0, 100, 1, 0);
	apply_to(INO, false, 100);
	list_begin();
	list_chunk(10, 10, 2, 3);
	apply_to(INO, true, 200);
	ck_assert_str_eq(rows_of(INO), "10+10=2@3");
	ck_assert_uint_eq(refs_of(1), 0);
	ck_assert_uint_eq(data_bytes, 10);
}
END_TEST

START_TEST(rows_are_moved_copied_and_dropped_with_their_references)
{
	list_begin();
	list_chunk(0, 100, 1, 0);
	list_inline(100, "ab", 2);
	apply_to(INO, false, 102);
	ck_assert_int_eq(extents_copy(cf.v, INO, OTHER), 0);
	ck_assert_uint_eq(refs_of(1), 2);
	ck_assert_str_eq(rows_of(OTHER), "0+100=1@0 100'ab'");
	ck_assert_int_eq(extents_drop(cf.v, INO), 0);
	ck_assert_uint_eq(refs_of(1), 1);
	ck_assert_str_eq(rows_of(INO), "");
	ck_assert_int_eq(extents_move(cf.v, OTHER, INO), 0);
	ck_assert_uint_eq(refs_of(1), 1);
	ck_assert_str_eq(rows_of(OTHER), "");
	ck_assert_str_eq(rows_of(INO), "0+100=1@0 100'ab'");
}
END_TEST

/* ---- against a plain array ---- */

#define SIZE 3000u

struct byte {
	unsigned chunk; /* 0: hole */
	uint32_t at;
};

static struct byte model[SIZE];
static uint64_t rnd_state;

static uint32_t rnd(uint32_t below)
{
	rnd_state = rnd_state * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)((rnd_state >> 33) % below);
}

static void random_list(uint64_t size)
{
	uint64_t at = rnd(SIZE / 2);

	list_begin();
	while (at < size) {
		uint64_t n = 1 + rnd(200);
		unsigned chunk = rnd(6);
		uint32_t in_chunk = rnd(1000);

		n = min_of(n, size - at);
		if (chunk == 0)
			list_hole(at, n);
		else
			list_chunk(at, n, chunk, in_chunk);
		for (uint64_t i = 0; i < n; i++)
			model[at + i] =
				(struct byte){ chunk, in_chunk + (uint32_t)i };
		at += n + (rnd(2) ? 0 : rnd(300));
		if (rnd(5) == 0)
			break;
	}
}

struct tally {
	uint64_t rows[6], bytes, end;
};

static int check_row(void *arg, const struct index_extent *e)
{
	struct tally *t = arg;
	struct index_chunk c;

	ck_assert_int_eq(index_chunk_get(cf.v->index, e->chunk, &c), 1);
	for (; t->end < e->offset; t->end++)
		ck_assert_uint_eq(model[t->end].chunk, 0);
	for (uint64_t i = 0; i < e->length; i++) {
		ck_assert_uint_eq(model[e->offset + i].chunk, c.id.b[0]);
		ck_assert_uint_eq(model[e->offset + i].at, e->chunk_offset + i);
	}
	t->end = e->offset + e->length;
	t->rows[c.id.b[0]]++;
	t->bytes += e->length;
	return 0;
}

START_TEST(random_lists_do_what_a_plain_array_does)
{
	unsigned long rounds = test_scaled(300, 20);

	rnd_state = (uint64_t)_i + 1;
	memset(model, 0, sizeof(model));
	for (unsigned long n = 0; n < rounds; n++) {
		uint64_t size = rnd(4) ? SIZE : rnd(SIZE);
		struct tally t = { .end = 0 };

		memset(model + size, 0, (SIZE - size) * sizeof(*model));
		random_list(size);
		apply_to(INO, false, size);
		ck_assert_int_eq(index_extent_each(cf.v->index, INO, 0,
						   INT64_MAX, check_row, &t),
				 0);
		for (; t.end < SIZE; t.end++)
			ck_assert_uint_eq(model[t.end].chunk, 0);
		ck_assert_uint_eq(data_bytes, t.bytes);
		for (unsigned i = 1; i < 6; i++)
			if (t.rows[i])
				ck_assert_uint_eq(refs_of(i), t.rows[i]);
	}
}
END_TEST

/* ---- digests ---- */

static void digest(uint64_t ino, uint64_t size, uint8_t out[static 32])
{
	ck_assert_int_eq(extents_digest(cf.v, ino, size, out), 0);
}

START_TEST(a_digest_is_of_what_the_format_says)
{
	const struct content_id id = id_number(1);
	auto_buf struct buf b = BUF_INIT(1000);
	uint8_t got[32], want[32], bytes[32];

	list_begin();
	list_chunk(0, 100, 1, 7);
	list_inline(100, "ab", 2);
	list_inline(102, "c", 1);
	list_chunk(200, 50, 1, 0);
	list_chunk(250, 50, 1, 50);
	apply_to(INO, false, 400);
	digest(INO, 400, got);

	buf_put_u64(&b, 400);
	buf_put_u64(&b, 0);
	buf_put_u64(&b, 100);
	buf_put_u8(&b, 1);
	buf_put(&b, id.b, 32);
	buf_put_u32(&b, 7);
	buf_put_u64(&b, 100);
	buf_put_u64(&b, 3);
	buf_put_u8(&b, 2);
	hash_bytes(NULL, "abc", 3, bytes, 32);
	buf_put(&b, bytes, 32);
	buf_put_u64(&b, 200);
	buf_put_u64(&b, 100);
	buf_put_u8(&b, 1);
	buf_put(&b, id.b, 32);
	buf_put_u32(&b, 0);
	hash_bytes(NULL, b.data, b.len, want, 32);
	ck_assert_mem_eq(got, want, 32);
}
END_TEST

START_TEST(a_digest_does_not_tell_how_extents_are_cut)
{
	uint8_t a[32], b[32];

	list_begin();
	list_chunk(0, 100, 1, 0);
	list_inline(100, "abcdef", 6);
	apply_to(INO, false, 106);
	data_bytes = 0;
	list_begin();
	list_chunk(0, 30, 1, 0);
	list_chunk(30, 70, 1, 30);
	list_inline(100, "ab", 2);
	list_inline(102, "cdef", 4);
	apply_to(OTHER, false, 106);
	digest(INO, 106, a);
	digest(OTHER, 106, b);
	ck_assert_mem_eq(a, b, 32);
	digest(OTHER, 107, b);
	ck_assert_mem_ne(a, b, 32);
}
END_TEST

/* ---- rebuilding ---- */

static struct dot dot_of(uint64_t writer, uint64_t seq, uint32_t index)
{
	return (struct dot){ writer, seq, index };
}

static void put_content(struct buf *ops, bool whole, struct dot base,
			uint64_t size)
{
	struct op op = {
		.type = OP_CONTENT,
		.clock = 1,
		.inode = { 5, 5 },
		.content = { .whole = whole, .base = base, .size = size },
	};

	op.content.extents = list_end();
	ck_assert_int_eq(op_encode(&op, ops), 0);
}

static int make_dirs(uint64_t writer)
{
	char path[64];

	mkdirat(fx.vault_fd, "w", 0700);
	snprintf(path, sizeof(path), "w/%016" PRIx64, writer);
	mkdirat(fx.vault_fd, path, 0700);
	snprintf(path, sizeof(path), "w/%016" PRIx64 "/l", writer);
	mkdirat(fx.vault_fd, path, 0700);
	return openat(fx.vault_fd, path, O_RDONLY | O_DIRECTORY);
}

static void publish_segment(uint64_t writer, uint64_t seq,
			    const struct buf *ops, uint32_t n)
{
	struct segment_header h = {
		.vault = fx.opts.vault,
		.writer = writer,
		.seq = seq,
	};
	struct segment_body body = { .n_ops = n, .first = 1, .last = 1 };
	auto_buf struct buf file = BUF_INIT(MEM_MAX);
	char name[SEGMENT_NAME_LEN + 1];
	struct file_hash hash;
	int dirfd = make_dirs(writer);

	/* Not read here: only the chain's checks look at it. */
	if (seq > 1)
		body.previous.b[0] = 1;
	cursor_init(&body.vv, "", 0);
	cursor_init(&body.packs, "", 0);
	cursor_init(&body.required, "", 0);
	cursor_init(&body.ops, ops->data, ops->len);
	ck_assert_int_eq(segment_seal(&fx.epochs[0], &h, &body, &file), 0);
	segment_hash(file.data, file.len, &hash);
	segment_name_format(seq, &hash, name);
	ck_assert_int_eq(publish_bytes(&fx.disk.env, dirfd, name, file.data,
				       file.len),
			 0);
	close(dirfd);
	lock_take(&cf.v->index_lock);
	ck_assert_int_eq(writer_put_hash(cf.v, writer, seq, &hash), 0);
	lock_drop(&cf.v->index_lock);
}

static int rebuild(struct dot version, uint64_t *size)
{
	int r;

	lock_take(&cf.v->index_lock);
	r = extents_rebuild(cf.v, version, OTHER, size, &data_bytes);
	lock_drop(&cf.v->index_lock);
	return r;
}

/* A version in segment 3, on one of another writer's, on one in segment 1. */
static void publish_chain(void)
{
	auto_buf struct buf a = BUF_INIT(MEM_MAX), b = BUF_INIT(MEM_MAX),
			    c = BUF_INIT(MEM_MAX);

	list_begin();
	list_chunk(0, 100, 1, 0);
	put_content(&a, true, dot_of(0, 0, 0), 100);
	publish_segment(OTHER_WRITER, 1, &a, 1);
	list_begin();
	list_chunk(50, 10, 2, 0);
	put_content(&b, false, dot_of(OTHER_WRITER, 1, 0), 90);
	publish_segment(99, 5, &b, 1);
	list_begin();
	list_inline(120, "end", 3);
	/* Not the first operation of its segment. */
	put_content(&c, true, dot_of(0, 0, 0), 123);
	put_content(&c, false, dot_of(99, 5, 0), 123);
	publish_segment(OTHER_WRITER, 3, &c, 2);
}

START_TEST(a_version_is_rebuilt_from_those_it_is_based_on)
{
	uint64_t size = 0;

	publish_chain();
	ck_assert_int_eq(rebuild(dot_of(OTHER_WRITER, 3, 1), &size), 0);
	ck_assert_uint_eq(size, 123);
	ck_assert_str_eq(rows_of(OTHER),
			 "0+50=1@0 50+10=2@0 60+30=1@60 120'end'");
	ck_assert_uint_eq(data_bytes, 93);
}
END_TEST

START_TEST(a_missing_segment_is_an_error)
{
	uint64_t size;

	publish_chain();
	ck_assert_int_eq(rebuild(dot_of(OTHER_WRITER, 2, 0), &size),
			 ERR_MISSING);
	ck_assert_int_eq(rebuild(dot_of(OTHER_WRITER, 3, 2), &size),
			 ERR_MALFORMED);
	ck_assert_str_eq(rows_of(OTHER), "");
}
END_TEST

START_TEST(own_operations_not_published_yet_are_found)
{
	struct op op = {
		.type = OP_CONTENT,
		.inode = { 5, 5 },
		.content = { .whole = true, .size = 100 },
	};
	uint64_t size;

	list_begin();
	list_chunk(0, 100, 1, 0);
	op.content.extents = list_end();
	lock_take(&cf.v->index_lock);
	ck_assert_int_eq(oplog_append(&cf.v->oplog, &op), 0);
	lock_drop(&cf.v->index_lock);
	ck_assert_int_eq(rebuild(op.dot, &size), 0);
	ck_assert_str_eq(rows_of(OTHER), "0+100=1@0");
}
END_TEST

static void stop(void)
{
	buf_release(&raw);
	content_remove();
}

int main(void)
{
	Suite *s = suite_create("extents");
	TCase *tc = tcase_create("extents");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_extent_in_the_middle_cuts_a_row_in_two);
	tcase_add_test(tc, holes_take_rows_away);
	tcase_add_test(tc, a_smaller_size_cuts_before_extents_are_put);
	tcase_add_test(tc, a_whole_version_leaves_nothing_of_the_old);
	tcase_add_test(tc,
		       rows_are_moved_copied_and_dropped_with_their_references);
	tcase_add_loop_test(tc, random_lists_do_what_a_plain_array_does, 0, 4);
	tcase_add_test(tc, a_digest_is_of_what_the_format_says);
	tcase_add_test(tc, a_digest_does_not_tell_how_extents_are_cut);
	tcase_add_test(tc, a_version_is_rebuilt_from_those_it_is_based_on);
	tcase_add_test(tc, a_missing_segment_is_an_error);
	tcase_add_test(tc, own_operations_not_published_yet_are_found);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
