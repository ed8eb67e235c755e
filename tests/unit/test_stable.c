/* SPDX-License-Identifier: ISC */
/* The stable cut, over an index in memory that holds what segments said. */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/env.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "format/segment.h"
#include "index/index.h"
#include "vault/collect/stable.h"
#include "vault/core.h"
#include "vault/log/devices.h"
#include "vault/log/writers.h"

/* Writer numbers; A is this device. */
enum { A = 11, B = 22, C = 33, D = 44, N_MOST = 6 };

static struct vault *v;
static hlc_t clock_now;

static void setup(void)
{
	struct index_options o = { .env = env_posix(), .dirfd = -1,
				   .cache_bytes = 1 << 20, .create = true };

	ck_assert_int_eq(crypto_start(), 0);
	v = mem_zalloc(sizeof(*v));
	ck_assert_ptr_nonnull(v);
	v->writer = A;
	clock_now = 0;
	ck_assert_int_eq(index_open(&o, &v->index), 0);
}

static void teardown(void)
{
	index_close(v->index);
	mem_free(v);
}

/* ---------------------------------------------------------------- the log */

/* `seq` segments of a writer are applied, and acknowledged here up to `ack`. */
static void applied(uint64_t writer, uint64_t seq, uint64_t ack)
{
	const struct writer_state w = { .writer = writer, .seq = seq,
					.ack = ack, .last = ++clock_now };

	ck_assert_int_eq(writer_put(v, &w), 0);
}

/* The last segment of a writer acknowledges: pairs of writer, ack; ended by
 * writer 0. */
static void acknowledges(uint64_t writer, const uint64_t *pairs)
{
	struct buf b = BUF_INIT(4096);

	for (; pairs[0]; pairs += 2) {
		const struct segment_vv vv = { .writer = pairs[0],
					       .context = 99,
					       .ack = pairs[1] };

		segment_vv_put(&b, &vv);
	}
	ck_assert_int_eq(buf_error(&b), 0);
	ck_assert_int_eq(writer_put_vector(v, writer, b.data, b.len), 0);
	buf_release(&b);
}
#define ACKS(writer, ...) \
	acknowledges(writer, (const uint64_t[]){ __VA_ARGS__, 0, 0 })

static void device_op(enum op_type type, uint64_t writer, const char *name)
{
	struct op op = { .type = type, .clock = ++clock_now,
			 .dot = { A, 1, 0 } };

	op.device.writer = writer;
	op.device.name = (struct op_name){ (const uint8_t *)name,
					   (uint16_t)strlen(name) };
	ck_assert_int_eq(device_apply(v, &op), 0);
}

static uint64_t stable(uint64_t writer)
{
	auto_stable_cut struct stable_cut s = { .n = 0 };

	ck_assert_int_eq(stable_cut_read(v, &s), 0);
	return stable_cut_seq(&s, writer);
}

static struct stable_cut whole(void)
{
	struct stable_cut s;

	ck_assert_int_eq(stable_cut_read(v, &s), 0);
	return s;
}

/* ---------------------------------------------------------------- cases */

START_TEST(alone_all_that_was_published_is_stable)
{
	device_op(OP_DEVICE_ADD, A, "first");
	applied(A, 7, 0);
	auto_stable_cut struct stable_cut s = whole();
	ck_assert_uint_eq(stable_cut_seq(&s, A), 7);
	ck_assert(stable_cut_has(&s, A, 7) && !stable_cut_has(&s, A, 8));
	ck_assert(s.is_alone);
	ck_assert_uint_eq(s.n_live, 1);
}
END_TEST

START_TEST(an_empty_log_has_an_empty_cut)
{
	auto_stable_cut struct stable_cut s = whole();

	ck_assert_uint_eq(s.n, 0);
	ck_assert_uint_eq(s.n_live, 0);
	ck_assert(!s.is_alone);
	ck_assert_uint_eq(stable_cut_seq(&s, A), 0);
}
END_TEST

START_TEST(the_least_acknowledgement_counts)
{
	applied(A, 9, 0);
	applied(B, 5, 4);
	applied(C, 3, 3);
	ACKS(B, A, 6, C, 1);
	ACKS(C, A, 8, B, 5);
	ck_assert_uint_eq(stable(A), 6);
	ck_assert_uint_eq(stable(B), 4); /* this device's own word */
	ck_assert_uint_eq(stable(C), 1);
}
END_TEST

START_TEST(who_says_nothing_of_a_log_has_nothing_of_it)
{
	applied(A, 9, 0);
	applied(B, 5, 5);
	applied(C, 3, 3);
	ACKS(B, A, 9);
	ACKS(C, A, 9, B, 5);
	ck_assert_uint_eq(stable(A), 9);
	ck_assert_uint_eq(stable(C), 0);
}
END_TEST

START_TEST(an_added_device_not_heard_of_has_acknowledged_nothing)
{
	applied(A, 9, 0);
	applied(B, 5, 5);
	ACKS(B, A, 9);
	ck_assert_uint_eq(stable(A), 9);
	device_op(OP_DEVICE_ADD, D, "new");
	ck_assert_uint_eq(stable(A), 0);
	ck_assert_uint_eq(stable(B), 0);
	auto_stable_cut struct stable_cut s = whole();
	ck_assert_uint_eq(s.n_live, 3);
}
END_TEST

START_TEST(a_name_alone_makes_no_device)
{
	applied(A, 9, 0);
	device_op(OP_DEVICE_NAME, D, "stranger");
	device_op(OP_DEVICE_RETIRE, C, "");
	ck_assert_uint_eq(stable(A), 9);
}
END_TEST

START_TEST(a_device_is_live_from_its_first_segment)
{
	device_op(OP_DEVICE_ADD, A, "first");
	applied(A, 9, 0);
	applied(B, 1, 1);
	ACKS(B, A, 2);
	auto_stable_cut struct stable_cut s = whole();
	ck_assert_uint_eq(stable_cut_seq(&s, A), 2);
	ck_assert(!s.is_alone);
}
END_TEST

START_TEST(a_retired_device_is_not_waited_for_and_its_log_still_is_in_the_cut)
{
	applied(A, 9, 0);
	applied(B, 5, 3);
	applied(C, 4, 4);
	ACKS(B, A, 1, C, 0);
	ACKS(C, A, 8, B, 2);
	device_op(OP_DEVICE_ADD, B, "away");
	ck_assert_uint_eq(stable(A), 1);
	device_op(OP_DEVICE_RETIRE, B, "");
	ck_assert_uint_eq(stable(A), 8);
	ck_assert_uint_eq(stable(B), 2);
	ck_assert_uint_eq(stable(C), 4);
}
END_TEST

START_TEST(after_all_others_retired_this_device_is_alone_with_what_it_holds)
{
	applied(A, 9, 0);
	applied(B, 5, 3);
	device_op(OP_DEVICE_RETIRE, B, "");
	auto_stable_cut struct stable_cut s = whole();
	ck_assert(s.is_alone);
	ck_assert_uint_eq(stable_cut_seq(&s, A), 9);
	ck_assert_uint_eq(stable_cut_seq(&s, B), 3);
}
END_TEST

START_TEST(a_device_that_was_retired_itself_knows)
{
	applied(A, 9, 0);
	applied(B, 5, 3);
	ACKS(B, A, 4);
	device_op(OP_DEVICE_RETIRE, A, "");
	auto_stable_cut struct stable_cut s = whole();
	ck_assert(s.is_retired && !s.is_alone);
	ck_assert_uint_eq(stable_cut_seq(&s, A), 4);
}
END_TEST

START_TEST(with_nobody_live_nothing_is_stable)
{
	applied(A, 9, 0);
	device_op(OP_DEVICE_RETIRE, A, "");
	ck_assert_uint_eq(stable(A), 0);
}
END_TEST

START_TEST(an_adopted_writer_is_live_until_it_is_retired)
{
	applied(A, 9, 0);
	applied(B, 5, 5);
	ACKS(B, A, 3);
	device_op(OP_DEVICE_ADOPT, B, "");
	ck_assert_uint_eq(stable(A), 3);
}
END_TEST

START_TEST(nothing_beyond_what_is_applied_here_is_stable)
{
	v->writer = 0; /* a reader has no word of its own */
	applied(B, 5, 0);
	applied(C, 4, 0);
	ACKS(B, C, 77);
	ACKS(C, B, 5);
	ck_assert_uint_eq(stable(C), 4);
	ck_assert_uint_eq(stable(B), 5);
}
END_TEST

START_TEST(a_damaged_record_is_an_error)
{
	struct stable_cut s;

	applied(A, 9, 0);
	applied(B, 5, 5);
	ck_assert_int_eq(writer_put_vector(v, B, "short", 5), 0);
	ck_assert_int_eq(stable_cut_read(v, &s), ERR_BAD_INDEX);
}
END_TEST

/* ---------------------------------------------------------------- telling */

struct told {
	struct stable_device list[8];
	unsigned n;
};

static int tell(void *arg, const struct stable_device *d)
{
	struct told *t = arg;

	t->list[t->n++] = *d;
	return 0;
}

START_TEST(live_devices_are_told_with_what_they_acknowledge)
{
	struct told t = { .n = 0 };

	device_op(OP_DEVICE_ADD, B, "laptop");
	device_op(OP_DEVICE_ADD, D, "not yet");
	applied(A, 9, 0);
	applied(B, 5, 5);
	applied(C, 4, 4);
	ACKS(B, A, 6);
	device_op(OP_DEVICE_RETIRE, C, "");
	ck_assert_int_eq(stable_each_device(v, A, tell, &t), 0);
	ck_assert_uint_eq(t.n, 3);
	ck_assert(t.list[0].is_self && t.list[0].ack == 9);
	ck_assert_str_eq(t.list[1].name, "laptop");
	ck_assert_uint_eq(t.list[1].ack, 6);
	ck_assert_uint_gt(t.list[1].last, 0);
	ck_assert_str_eq(t.list[2].name, "not yet");
	ck_assert(t.list[2].seq == 0 && t.list[2].ack == 0);
}
END_TEST

/* ---------------------------------------------------------------- at random */

/* One device as the definition has it. */
struct plain {
	bool is_added, is_retired;
	uint64_t seq, acks[N_MOST];
};

static unsigned pick(unsigned n)
{
	return (unsigned)(rand() % (int)n);
}

/* The definition, word by word. */
static uint64_t least(const struct plain *p, unsigned of)
{
	uint64_t s = UINT64_MAX;

	for (unsigned i = 0; i < N_MOST; i++) {
		bool is_live = (p[i].is_added || p[i].seq > 0) &&
			       !p[i].is_retired;

		if (is_live)
			s = min_of(s, i == of ? p[of].seq : p[i].acks[of]);
	}
	return s == UINT64_MAX ? 0 : min_of(s, p[of].seq);
}

static void make(const struct plain *p)
{
	for (unsigned i = 0; i < N_MOST; i++) {
		uint64_t pairs[2 * N_MOST + 2] = { 0 }, *at = pairs;

		for (unsigned k = 0; k < N_MOST; k++)
			if (k != i && p[i].acks[k] > 0) {
				*at++ = A + k;
				*at++ = p[i].acks[k];
			}
		if (p[i].seq > 0)
			applied(A + i, p[i].seq, i ? p[0].acks[i] : 0);
		if (p[i].seq > 0)
			acknowledges(A + i, pairs);
		if (p[i].is_added)
			device_op(OP_DEVICE_ADD, A + i, "x");
		if (p[i].is_retired)
			device_op(OP_DEVICE_RETIRE, A + i, "");
	}
}

START_TEST(any_log_gives_what_the_definition_says)
{
	struct plain p[N_MOST] = { 0 };

	srand((unsigned)_i);
	for (unsigned i = 0; i < N_MOST; i++) {
		p[i].seq = i == 0 || pick(4) ? 1 + pick(9) : 0;
		p[i].is_added = pick(2);
		p[i].is_retired = pick(4) == 0;
	}
	for (unsigned i = 0; i < N_MOST; i++)
		for (unsigned k = 0; k < N_MOST; k++)
			if (p[i].seq > 0 && p[k].seq > 0)
				p[i].acks[k] = pick((unsigned)p[k].seq + 1);
	make(p);
	for (unsigned k = 0; k < N_MOST; k++)
		ck_assert_uint_eq(stable(A + k), p[k].seq ? least(p, k) : 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("stable");
	TCase *t = tcase_create("stable");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, alone_all_that_was_published_is_stable);
	tcase_add_test(t, an_empty_log_has_an_empty_cut);
	tcase_add_test(t, the_least_acknowledgement_counts);
	tcase_add_test(t, who_says_nothing_of_a_log_has_nothing_of_it);
	tcase_add_test(t,
		       an_added_device_not_heard_of_has_acknowledged_nothing);
	tcase_add_test(t, a_name_alone_makes_no_device);
	tcase_add_test(t, a_device_is_live_from_its_first_segment);
	tcase_add_test(
		t,
		a_retired_device_is_not_waited_for_and_its_log_still_is_in_the_cut);
	tcase_add_test(
		t,
		after_all_others_retired_this_device_is_alone_with_what_it_holds);
	tcase_add_test(t, a_device_that_was_retired_itself_knows);
	tcase_add_test(t, with_nobody_live_nothing_is_stable);
	tcase_add_test(t, an_adopted_writer_is_live_until_it_is_retired);
	tcase_add_test(t, nothing_beyond_what_is_applied_here_is_stable);
	tcase_add_test(t, a_damaged_record_is_an_error);
	tcase_add_test(t, live_devices_are_told_with_what_they_acknowledge);
	tcase_add_loop_test(t, any_log_gives_what_the_definition_says, 0, 200);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());

	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
