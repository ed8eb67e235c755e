/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "vault/content/layer.h"

static struct budget budget;
static struct chunk_table chunks;
static struct layer *l;
static int owner, other_owner;

static void start(void)
{
	budget_init(&budget, 1 << 20, 65536);
	chunk_table_init(&chunks);
	l = layer_new(&budget);
	ck_assert_ptr_nonnull(l);
}

/* Whatever a test did, nothing is left. */
static void stop(void)
{
	layer_put(l);
	ck_assert_uint_eq(budget_charged(&budget), 0);
	budget_release(&budget);
	chunk_table_release(&chunks);
}

static void put(uint64_t offset, const char *text)
{
	ck_assert_int_eq(layer_write(l, &owner, offset, text, strlen(text), 1),
			 0);
}

static unsigned count_runs(void)
{
	unsigned n = 0;

	for (const struct run *r = layer_find(l, 0); r; r = layer_next(r))
		n++;
	return n;
}

static void set_hole(uint64_t offset, uint64_t length)
{
	const struct run hole = {
		.offset = offset,
		.length = length,
		.kind = RUN_HOLE,
	};

	ck_assert_int_eq(layer_set(l, &hole), 0);
}

static struct chunk *make_chunk(uint64_t number)
{
	const struct content_id id = { { (uint8_t)number } };
	struct chunk *c;

	ck_assert_int_eq(chunk_name(&chunks, number, &id, 100000, &c), 0);
	return c;
}

static struct run chunk_run(struct chunk *c, uint64_t offset, uint64_t length,
			    uint32_t in_chunk)
{
	return (struct run){
		.offset = offset,
		.length = length,
		.kind = RUN_CHUNK,
		.part = { c, in_chunk },
	};
}

/* The bytes of the layer as text: '.' where it has none, '0' in holes, '#' in
 * chunks. */
static const char *text_of(uint64_t n)
{
	static char text[1000];

	memset(text, '.', n);
	text[n] = '\0';
	for (const struct run *r = layer_find(l, 0); r; r = layer_next(r)) {
		ck_assert_uint_le(run_end(r), n);
		if (r->kind == RUN_DATA || r->kind == RUN_INLINE)
			memcpy(text + r->offset,
			       r->bytes.buf->bytes + r->bytes.at, r->length);
		else
			memset(text + r->offset,
			       r->kind == RUN_HOLE ? '0' : '#', r->length);
	}
	return text;
}

START_TEST(writes_replace_what_they_cover)
{
	put(5, "aaaaa");
	put(0, "bb");
	put(3, "ccccc");
	put(9, "ddd");
	ck_assert_str_eq(text_of(12), "bb.cccccaddd");
	put(0, "eeeeeeeeeeee");
	ck_assert_str_eq(text_of(12), "eeeeeeeeeeee");
}
END_TEST

START_TEST(appending_grows_one_run)
{
	for (uint64_t i = 0; i < 200; i++)
		put(i, "x");
	ck_assert_uint_eq(count_runs(), 1);
	ck_assert_uint_eq(layer_data_bytes(l), 200);
}
END_TEST

START_TEST(a_stream_gets_larger_and_larger_buffers)
{
	char block[1000];

	memset(block, 'x', sizeof(block));
	for (uint64_t i = 0; i < 200; i++)
		ck_assert_int_eq(
			layer_write(l, &owner, i * 1000, block, 1000, 1), 0);
	/* 1, 2, 4 ... 64 KiB, then 64 KiB each. */
	ck_assert_uint_le(count_runs(), 9);
	/* Real bytes are charged. */
	ck_assert_uint_lt(budget_charged(&budget), 203000);
}
END_TEST

START_TEST(frozen_bytes_are_never_changed)
{
	const struct run *r;
	struct databuf *d;

	put(0, "aaaa");
	r = layer_find(l, 0);
	d = databuf_get(r->bytes.buf);
	databuf_freeze(d, &owner, 4);
	put(1, "bb");
	put(4, "cc");
	ck_assert_str_eq(text_of(6), "abbacc");
	ck_assert_mem_eq(d->bytes, "aaaacc", 6);
	/* Those behind are the owner's. */
	put(5, "d");
	ck_assert_mem_eq(d->bytes, "aaaacd", 6);
	databuf_put(d);
}
END_TEST

START_TEST(anothers_buffer_is_neither_changed_nor_grown)
{
	struct run r;

	put(0, "aaaa");
	r = *layer_find(l, 0);
	ck_assert_int_eq(layer_write(l, &other_owner, 2, "b", 1, 1), 0);
	ck_assert_int_eq(layer_write(l, &other_owner, 4, "c", 1, 1), 0);
	ck_assert_uint_eq(r.bytes.buf->used, 4);
	ck_assert_str_eq(text_of(5), "aabac");
}
END_TEST

START_TEST(truncating_hides_what_is_below)
{
	put(0, "aaaaaaaaaa");
	layer_truncate(l, 4);
	ck_assert_uint_eq(layer_cut(l), 4);
	put(6, "b");
	layer_truncate(l, 8);
	ck_assert_uint_eq(layer_cut(l), 4);
	ck_assert_str_eq(text_of(7), "aaaa..b");
}
END_TEST

START_TEST(holes_and_parts_of_a_chunk_are_joined)
{
	struct chunk *c = make_chunk(1);
	struct run r = chunk_run(c, 10, 5, 100);

	set_hole(0, 3);
	set_hole(5, 3);
	set_hole(3, 2);
	ck_assert_uint_eq(count_runs(), 1);
	ck_assert_int_eq(layer_set(l, &r), 0);
	r = chunk_run(c, 20, 5, 110);
	ck_assert_int_eq(layer_set(l, &r), 0);
	ck_assert_uint_eq(count_runs(), 3);
	r = chunk_run(c, 15, 5, 105);
	ck_assert_int_eq(layer_set(l, &r), 0);
	ck_assert_uint_eq(count_runs(), 2);
	/* Not where the file goes on and the chunk does not. */
	r = chunk_run(c, 25, 5, 0);
	ck_assert_int_eq(layer_set(l, &r), 0);
	ck_assert_uint_eq(count_runs(), 3);
	chunk_put(c);
}
END_TEST

START_TEST(only_data_that_is_unchanged_is_replaced)
{
	struct chunk *c = make_chunk(1);
	struct run as = chunk_run(c, 0, 10, 0);
	struct databuf *d;

	put(0, "aaaaaaaaaa");
	d = databuf_get(layer_find(l, 0)->bytes.buf);
	databuf_freeze(d, &owner, 10);
	put(2, "bb");
	set_hole(6, 1);
	ck_assert_int_eq(layer_replace_data(l, 0, 10, d, 0, &as), 0);
	ck_assert_str_eq(text_of(10), "##bb##0###");
	ck_assert_uint_eq(layer_find(l, 7)->part.offset, 7);
	databuf_put(d);
	chunk_put(c);
}
END_TEST

/* The same bytes moved within the buffer are other data. */
START_TEST(data_at_another_place_is_not_replaced)
{
	struct chunk *c = make_chunk(1);
	struct run as = chunk_run(c, 0, 4, 0);
	struct run moved;

	put(0, "aaaa");
	moved = *layer_find(l, 0);
	moved.bytes.at = 1;
	moved.length = 3;
	ck_assert_int_eq(layer_set(l, &moved), 0);
	ck_assert_int_eq(layer_replace_data(l, 0, 4, moved.bytes.buf, 0, &as),
			 0);
	ck_assert_str_eq(text_of(4), "aaa#");
	chunk_put(c);
}
END_TEST

START_TEST(a_layer_laid_over_hides_the_other)
{
	struct layer *top = layer_new(&budget), *bottom = l;

	put(0, "aaaaaaaaaa");
	l = top;
	put(2, "bb");
	layer_truncate(l, 7);
	set_hole(8, 1);
	l = bottom;
	ck_assert_int_eq(layer_lay_over(l, top), 0);
	ck_assert_str_eq(text_of(9), "aabbaaa.0");
	ck_assert_uint_eq(layer_cut(l), 7);
	layer_put(top);
}
END_TEST

START_TEST(without_memory_nothing_changes)
{
	char before[100];
	char block[3000];

	memset(block, 'x', sizeof(block));
	put(0, "aaaaaaaaaa");
	set_hole(4, 2);
	snprintf(before, sizeof(before), "%s", text_of(10));
	for (unsigned long nth = 1;; nth++) {
		int r;

		mem_fail_nth(nth, false);
		r = layer_write(l, &owner, 5, block, sizeof(block), 1);
		mem_fail_nth(0, false);
		if (r == 0)
			break;
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_str_eq(text_of(10), before);
	}
	ck_assert_uint_eq(layer_find(l, 5)->length, 3000);
}
END_TEST

START_TEST(tens_of_thousands_of_runs_are_kept_apart)
{
	uint64_t at = 1;

	budget.hard_bytes = UINT64_MAX;
	for (unsigned i = 0; i < 50000; i++) {
		at = (at * 48271) % 2147483647;
		ck_assert_int_eq(
			layer_write(l, &owner, at % 100000 * 2, "x", 1, 1), 0);
	}
	ck_assert_uint_gt(count_runs(), 30000);
	ck_assert_uint_eq(layer_data_bytes(l), count_runs());
}
END_TEST

/* ---- against a plain array ---- */

#define SIZE 600u

static uint64_t rnd_state;

static uint32_t rnd(uint32_t below)
{
	rnd_state = rnd_state * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)((rnd_state >> 33) % below);
}

static char model[SIZE + 1];

static void step(struct chunk *c)
{
	uint32_t at = rnd(SIZE - 50), n = 1 + rnd(50);
	char text[51] = { 0 };
	struct run r = chunk_run(c, at, n, rnd(1000));

	switch (rnd(8)) {
	case 0:
		set_hole(at, n);
		memset(model + at, '0', n);
		break;
	case 1:
		ck_assert_int_eq(layer_set(l, &r), 0);
		memset(model + at, '#', n);
		break;
	case 2:
		if (rnd(8) == 0) {
			layer_truncate(l, at);
			memset(model + at, '.', SIZE - at);
		}
		break;
	case 3:
		/* Freezes what is there. */
		for (const struct run *p = layer_find(l, 0); p;
		     p = layer_next(p))
			if (p->kind == RUN_DATA)
				databuf_freeze(p->bytes.buf, &owner,
					       p->bytes.at +
						       (uint32_t)p->length);
		break;
	default:
		memset(text, 'a' + (int)rnd(26), n);
		put(at, text);
		memcpy(model + at, text, n);
	}
}

/* Runs ascend without overlap, and the sums are right. */
static void check_sums(void)
{
	uint64_t end = 0, data = 0, extents, raw;

	for (const struct run *r = layer_find(l, 0); r; r = layer_next(r)) {
		ck_assert_uint_ge(r->offset, end);
		ck_assert_uint_ge(r->length, 1);
		end = run_end(r);
		if (r->kind == RUN_DATA)
			data += r->length;
		ck_assert_ptr_eq(layer_find(l, r->offset), r);
		ck_assert_ptr_eq(layer_find(l, end - 1), r);
	}
	ck_assert_uint_eq(layer_data_bytes(l), data);
	layer_bound(l, 4096, &extents, &raw);
	ck_assert_uint_ge(extents, count_runs());
	ck_assert_uint_ge(raw, count_runs() * 20);
}

START_TEST(random_changes_do_what_a_plain_array_does)
{
	struct chunk *c = make_chunk(1);

	rnd_state = (uint64_t)_i + 1;
	memset(model, '.', SIZE);
	for (unsigned n = 0; n < 3000; n++) {
		step(c);
		if (n % 50 == 0) {
			ck_assert_str_eq(text_of(SIZE), model);
			check_sums();
		}
	}
	chunk_put(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("layer");
	TCase *tc = tcase_create("layer");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, writes_replace_what_they_cover);
	tcase_add_test(tc, appending_grows_one_run);
	tcase_add_test(tc, a_stream_gets_larger_and_larger_buffers);
	tcase_add_test(tc, frozen_bytes_are_never_changed);
	tcase_add_test(tc, anothers_buffer_is_neither_changed_nor_grown);
	tcase_add_test(tc, truncating_hides_what_is_below);
	tcase_add_test(tc, holes_and_parts_of_a_chunk_are_joined);
	tcase_add_test(tc, only_data_that_is_unchanged_is_replaced);
	tcase_add_test(tc, data_at_another_place_is_not_replaced);
	tcase_add_test(tc, a_layer_laid_over_hides_the_other);
	tcase_add_test(tc, without_memory_nothing_changes);
	tcase_add_test(tc, tens_of_thousands_of_runs_are_kept_apart);
	tcase_add_loop_test(tc, random_changes_do_what_a_plain_array_does, 0,
			    5);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
