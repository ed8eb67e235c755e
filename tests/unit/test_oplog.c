/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>

#include "base/clock.h"
#include "vault/log/oplog.h"

static int64_t now_ns;

static int64_t wall(void)
{
	return now_ns;
}

static struct op nop(void)
{
	return (struct op){ .type = OP_NOP };
}

static void setup(struct oplog *l, uint64_t seq)
{
	now_ns = 5 * NS_PER_S;
	clock_set_wall(wall);
	ck_assert_int_eq(oplog_init(l, seq), 0);
	l->writer = 42;
}

START_TEST(test_clock_never_stands_still)
{
	struct oplog l;

	setup(&l, 1);
	hlc_t a = oplog_tick(&l), b = oplog_tick(&l);
	ck_assert_uint_eq(HLC_MS(a), 5000);
	ck_assert_uint_eq(b, a + 1);
	now_ns = 1;
	ck_assert_uint_eq(oplog_tick(&l), b + 1);
	oplog_see(&l, (hlc_t)9000 << 16);
	ck_assert_uint_eq(oplog_tick(&l), ((hlc_t)9000 << 16) + 1);
	oplog_release(&l);
}
END_TEST

START_TEST(test_append_names_operations_in_order)
{
	struct oplog l;
	struct op a = nop(), b = nop();

	setup(&l, 7);
	ck_assert_int_eq(oplog_append(&l, &a), 0);
	ck_assert_int_eq(oplog_append(&l, &b), 0);
	ck_assert_uint_eq(a.dot.writer, 42);
	ck_assert_uint_eq(a.dot.seq, 7);
	ck_assert_uint_eq(a.dot.index, 0);
	ck_assert_uint_eq(b.dot.index, 1);
	ck_assert_uint_lt(a.clock, b.clock);
	ck_assert_uint_eq(l.n_unsealed, 2);
	oplog_release(&l);
}
END_TEST

/* The operations of a piece, decoded. */
static unsigned decode(const struct oplog_piece *p, struct op *out,
		       unsigned max)
{
	struct cursor c;
	unsigned n = 0;

	cursor_init(&c, p->raw.data, p->raw.len);
	while (cursor_left(&c) > 0) {
		ck_assert_uint_lt(n, max);
		ck_assert_int_eq(op_decode(&c, &out[n++]), 1);
	}
	return n;
}

START_TEST(test_transaction_ends_with_its_last_operation)
{
	struct oplog l;
	struct op a = nop(), b = nop(), c = nop(), got[3];

	setup(&l, 1);
	ck_assert_int_eq(oplog_append(&l, &a), 0);
	ck_assert_int_eq(oplog_append(&l, &b), 0);
	oplog_end_transaction(&l);
	ck_assert_int_eq(oplog_append(&l, &c), 0);
	oplog_end_transaction(&l);
	oplog_end_transaction(&l);
	ck_assert_uint_eq(decode(l.first, got, 3), 3);
	ck_assert(got[0].flags & OP_FLAG_MORE);
	ck_assert(!(got[1].flags & OP_FLAG_MORE));
	ck_assert(!(got[2].flags & OP_FLAG_MORE));
	oplog_release(&l);
}
END_TEST

START_TEST(test_cut_reserves_dots_and_clocks_in_order)
{
	struct oplog l;
	struct oplog_piece *reserved;
	struct op before = nop(), after = nop(), in = nop();

	setup(&l, 1);
	ck_assert_int_eq(oplog_append(&l, &before), 0);
	ck_assert_int_eq(oplog_cut(&l, 3, &reserved), 0);
	ck_assert_int_eq(oplog_append(&l, &after), 0);
	ck_assert_uint_eq(after.dot.index, 4);
	ck_assert_int_eq(oplog_fill(&l, reserved, &in), 0);
	ck_assert_uint_eq(in.dot.index, 1);
	ck_assert_uint_gt(in.clock, before.clock);
	ck_assert_int_eq(oplog_fill_rest(&l, reserved), 0);
	ck_assert_uint_eq(reserved->n_ops, 3);
	ck_assert_uint_lt(reserved->first_clock + 2, after.clock);
	ck_assert_uint_eq(l.n_unsealed, 5);
	oplog_release(&l);
}
END_TEST

START_TEST(test_seal_begins_the_next_batch_and_drop_forgets_one)
{
	struct oplog l;
	struct op a = nop(), b = nop();

	setup(&l, 3);
	ck_assert_int_eq(oplog_append(&l, &a), 0);
	ck_assert_int_eq(oplog_seal(&l), 0);
	ck_assert_int_eq(oplog_append(&l, &b), 0);
	ck_assert_uint_eq(b.dot.seq, 4);
	ck_assert_uint_eq(b.dot.index, 0);
	oplog_drop_through(&l, 3);
	ck_assert_uint_eq(l.n_unsealed, 1);
	ck_assert_uint_eq(l.first->seq, 4);
	/* What is gone is not gone on from. */
	ck_assert_ptr_eq(l.unframed, l.first);
	oplog_release(&l);
}
END_TEST

START_TEST(test_restore_goes_on_where_the_journal_ended)
{
	struct oplog l, m;
	struct op a = nop(), b = nop(), c = nop();

	setup(&l, 5);
	ck_assert_int_eq(oplog_append(&l, &a), 0);
	ck_assert_int_eq(oplog_append(&l, &b), 0);
	ck_assert_int_eq(oplog_init(&m, 5), 0);
	ck_assert_int_eq(oplog_restore(&m, 5, 0, 2, l.first->raw.data,
				       l.first->raw.len), 0);
	m.writer = 42;
	ck_assert_int_eq(oplog_append(&m, &c), 0);
	ck_assert_uint_eq(c.dot.seq, 5);
	ck_assert_uint_eq(c.dot.index, 2);
	/* A gap is damage. */
	ck_assert_int_eq(oplog_restore(&m, 5, 9, 1, l.first->raw.data, 16),
			 ERR_DAMAGED);
	ck_assert_int_eq(oplog_restore(&m, 4, 0, 1, l.first->raw.data, 16),
			 ERR_DAMAGED);
	oplog_release(&l);
	oplog_release(&m);
}
END_TEST

START_TEST(test_new_things_are_named_by_their_operation)
{
	struct oplog l;
	struct op mk = { .type = OP_MKNOD, .mknod = { .kind = KIND_DIR } };
	struct op place = { .type = OP_PLACE };

	setup(&l, 1);
	mk.inode.tail = 9;
	ck_assert_int_eq(oplog_append(&l, &mk), 0);
	ck_assert_uint_eq(mk.inode.time, mk.clock);
	place.inode = mk.inode;
	place.place.name = (struct op_name){ (const uint8_t *)"d", 1 };
	ck_assert_int_eq(oplog_append(&l, &place), 0);
	ck_assert(dot_equal(place.place.link, place.dot));
	oplog_release(&l);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("oplog");
	TCase *t = tcase_create("all");

	tcase_add_test(t, test_clock_never_stands_still);
	tcase_add_test(t, test_append_names_operations_in_order);
	tcase_add_test(t, test_transaction_ends_with_its_last_operation);
	tcase_add_test(t, test_cut_reserves_dots_and_clocks_in_order);
	tcase_add_test(t, test_seal_begins_the_next_batch_and_drop_forgets_one);
	tcase_add_test(t, test_restore_goes_on_where_the_journal_ended);
	tcase_add_test(t, test_new_things_are_named_by_their_operation);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
