/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "format/op.h"
#include "format/segment.h"
#include "format/segment_priv.h"
#include "format_fixture.h"
#include "op_samples.h"
#include "segment_fixture.h"

/* Plain bodies, as they are once authentic. */
static struct buf plain_buf;

static int decode_plain(void)
{
	struct segment_body got;
	struct segment_header h = fx.header;

	h.epoch = 3;
	h.body_bytes = plain_buf.len;
	return segment_body_decode(plain_buf.data, &h, &got);
}

static int decode_joined(void)
{
	fx_join();
	buf_release(&plain_buf);
	buf_init(&plain_buf, FX_WORK_BYTES);
	segment_body_encode(&fx.body, &plain_buf);
	ck_assert_int_eq(buf_error(&plain_buf), 0);
	return decode_plain();
}

static void stop_plain(void)
{
	fx_stop();
	buf_release(&plain_buf);
}

START_TEST(fixed_fields_of_a_body_are_checked)
{
	/* used 0, previous 8, times 40, counts 56, signature 72 */
	const struct {
		size_t at, n;
		uint64_t value;
		int err;
	} table[] = {
		{ 0, 8, 0, ERR_MALFORMED },
		{ 0, 8, 79, ERR_MALFORMED },
		{ 0, 8, 80, ERR_TRUNCATED },
		{ 0, 8, 4097, ERR_MALFORMED },
		{ 0, 8, UINT64_MAX, ERR_MALFORMED },
		{ 40, 8, 1999, ERR_MALFORMED },
		{ 40, 8, 2001, ERR_MALFORMED },
		{ 48, 8, 2011, ERR_MALFORMED },
		{ 48, 8, 2013, ERR_MALFORMED },
		{ 56, 4, 1, ERR_MALFORMED },
		{ 56, 4, SEGMENT_MAX_WRITERS + 1, ERR_LIMIT },
		{ 56, 4, SEGMENT_MAX_WRITERS, ERR_TRUNCATED },
		{ 60, 4, SEGMENT_MAX_PACKS, ERR_TRUNCATED },
		{ 60, 4, SEGMENT_MAX_PACKS + 1, ERR_LIMIT },
		{ 64, 4, SEGMENT_MAX_REQUIRED, ERR_TRUNCATED },
		{ 64, 4, SEGMENT_MAX_REQUIRED + 1, ERR_LIMIT },
		{ 68, 4, SEGMENT_MAX_OPS, ERR_TRUNCATED },
		{ 68, 4, SEGMENT_MAX_OPS + 1, ERR_LIMIT },
		{ 72, 2, 1, ERR_NEWER },
		{ 74, 2, 1, ERR_NEWER },
		{ 76, 1, 1, ERR_MALFORMED },
		{ 79, 1, 1, ERR_MALFORMED },
	};
	size_t i, k;

	add_all();
	for (i = 0; i < array_len(table); i++) {
		int err;

		ck_assert_int_eq(decode_joined(), 0);
		for (k = 0; k < table[i].n; k++)
			plain_buf.data[table[i].at + k] =
				(uint8_t)(table[i].value >> (8 * k));
		err = decode_plain();
		ck_assert_msg(err == table[i].err, "row %zu: %d", i, err);
	}
}
END_TEST

START_TEST(a_count_that_is_one_off_is_rejected)
{
	size_t at;

	add_all();
	for (at = 56; at < 72; at += 4) {
		uint32_t count;

		ck_assert_int_eq(decode_joined(), 0);
		count = le32_get(plain_buf.data + at);
		le32_put(plain_buf.data + at, count - 1);
		ck_assert_int_lt(decode_plain(), 0);
		le32_put(plain_buf.data + at, count + 1);
		ck_assert_int_lt(decode_plain(), 0);
	}
}
END_TEST

START_TEST(used_bytes_may_end_nowhere_else)
{
	uint64_t used, n;

	add_all();
	ck_assert_int_eq(decode_joined(), 0);
	used = le64_get(plain_buf.data);
	for (n = 0; n <= plain_buf.len; n++) {
		le64_put(plain_buf.data, n);
		ck_assert((decode_plain() == 0) == (n == used));
	}
}
END_TEST

START_TEST(padding_is_zero_to_its_last_byte)
{
	size_t i;

	add_op("nop", 5, 0);
	ck_assert_int_eq(decode_joined(), 0);
	for (i = le64_get(plain_buf.data); i < plain_buf.len; i++) {
		plain_buf.data[i] = 0x80;
		ck_assert_int_eq(decode_plain(), ERR_MALFORMED);
		plain_buf.data[i] = 0;
	}
	ck_assert_int_eq(decode_plain(), 0);
}
END_TEST

START_TEST(a_body_longer_than_its_padding_is_rejected)
{
	add_op("nop", 5, 0);
	ck_assert_int_eq(decode_joined(), 0);
	buf_put_zeros(&plain_buf, 4096);
	ck_assert_int_eq(decode_plain(), ERR_MALFORMED);
	plain_buf.len = 4095;
	ck_assert_int_eq(decode_plain(), ERR_MALFORMED);
	plain_buf.len = 7;
	ck_assert_int_eq(decode_plain(), ERR_MALFORMED);
}
END_TEST

START_TEST(only_the_first_segment_has_none_before_it)
{
	ck_assert_int_eq(decode_joined(), 0);
	fx.header.seq = 1;
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
	memset(&fx.body.previous, 0, sizeof(fx.body.previous));
	ck_assert_int_eq(decode_joined(), 0);
	fx.header.seq = 2;
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
}
END_TEST

static int decode_with_vv(uint64_t writer, uint64_t context, uint64_t ack)
{
	buf_reset(&fx.vv);
	fx.body.n_vv = 0;
	add_vv(0x100, 5, 5);
	add_vv(writer, context, ack);
	return decode_joined();
}

START_TEST(the_version_vector_is_checked)
{
	ck_assert_int_eq(decode_with_vv(0x101, 1, 0), 0);
	ck_assert_int_eq(decode_with_vv(0x200, 1, 1), 0);
	ck_assert_int_eq(decode_with_vv(0x100, 1, 1), ERR_MALFORMED);
	ck_assert_int_eq(decode_with_vv(0xff, 1, 1), ERR_MALFORMED);
	ck_assert_int_eq(decode_with_vv(FX_SELF, 1, 1), ERR_MALFORMED);
	ck_assert_int_eq(decode_with_vv(0x101, 0, 0), ERR_MALFORMED);
	ck_assert_int_eq(decode_with_vv(0x101, 1, 2), ERR_MALFORMED);
	ck_assert_int_eq(decode_with_vv(0x101, 9999999999, 2), 0);
	ck_assert_int_eq(decode_with_vv(0x101, 10000000000, 2), ERR_MALFORMED);
	buf_reset(&fx.vv);
	fx.body.n_vv = 0;
	add_vv(0, 1, 1);
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
}
END_TEST

START_TEST(an_announced_pack_is_checked)
{
	/* size 16, epoch 24, key id 28, type 36, reserved 37, entries 40;
	 * the entries' offsets at 44 + 48 and 108 + 48 */
	const struct {
		size_t at, n;
		uint64_t value;
		int err;
	} table[] = {
		{ 16, 8, 65535, ERR_MALFORMED },
		{ 16, 8, 131072, ERR_MALFORMED },
		{ 16, 8, UINT64_MAX, ERR_LIMIT },
		{ 24, 4, 0, ERR_MALFORMED },
		{ 24, 4, 1, 0 },
		{ 24, 4, 4, ERR_MALFORMED },
		{ 36, 1, 0, ERR_NEWER },
		{ 36, 1, PACK_METADATA, 0 },
		{ 36, 1, 3, ERR_NEWER },
		{ 37, 1, 1, ERR_MALFORMED },
		{ 39, 1, 1, ERR_MALFORMED },
		{ 40, 4, 0, ERR_MALFORMED },
		{ 40, 4, 3, ERR_TRUNCATED },
		{ 40, 4, 0xffffffff, ERR_TRUNCATED },
		{ 92, 4, 65, ERR_MALFORMED },
		{ 100, 4, 0, ERR_MALFORMED },
		{ 104, 1, 1, ERR_NEWER },
		{ 105, 1, 1, ERR_NEWER },
		{ 106, 1, 1, ERR_MALFORMED },
		{ 156, 4, 65, ERR_MALFORMED },
	};
	size_t i, k;

	add_pack(2, 20000);
	for (i = 0; i < array_len(table); i++) {
		int err;

		ck_assert_int_eq(decode_joined(), 0);
		for (k = 0; k < table[i].n; k++)
			plain_buf.data[80 + table[i].at + k] =
				(uint8_t)(table[i].value >> (8 * k));
		err = decode_plain();
		ck_assert_msg(err == table[i].err, "row %zu: %d", i, err);
	}
}
END_TEST

START_TEST(a_pack_with_too_many_entries_is_rejected)
{
	add_pack(PACK_MAX_ENTRIES, 1);
	ck_assert_int_eq(decode_joined(), 0);
	add_pack(PACK_MAX_ENTRIES + 1, 1);
	ck_assert_int_eq(decode_joined(), ERR_LIMIT);
}
END_TEST

START_TEST(a_pack_of_64_mebibytes_is_announced)
{
	/* 16 records of 4,194,096 bytes: 67,106,720 in all. */
	add_pack(16, 4190000);
	ck_assert_uint_eq(le64_get(fx.packs.data + 16), PACK_MAX_BYTES);
	ck_assert_int_eq(decode_joined(), 0);
	add_pack(16, CHUNK_MAX_BYTES);
	ck_assert_int_eq(decode_joined(), ERR_LIMIT);
}
END_TEST

START_TEST(a_broken_announcement_gives_zeros)
{
	static const struct segment_pack none;
	struct segment_pack p;
	struct cursor c;

	add_pack(2, 20000);
	memset(&p, 0x5a, sizeof(p));
	cursor_init(&c, fx.packs.data, fx.packs.len - 1);
	segment_pack_read(&c, &p);
	ck_assert_int_eq(c.error, ERR_TRUNCATED);
	ck_assert_mem_eq(&p, &none, sizeof(p));
	memset(&p, 0x5a, sizeof(p));
	fx.packs.data[36] = 9; /* type */
	cursor_init(&c, fx.packs.data, fx.packs.len);
	segment_pack_check(&c, &p);
	ck_assert_int_eq(c.error, ERR_NEWER);
	ck_assert_mem_eq(&p, &none, sizeof(p));
}
END_TEST

START_TEST(time_does_not_go_back)
{
	add_op("nop", 100, 0);
	add_op("nop", 100, 0);
	add_op("nop", 101, 0);
	ck_assert_int_eq(decode_joined(), 0);
	add_op("nop", 100, 0);
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
}
END_TEST

START_TEST(without_operations_first_and_last_are_one)
{
	ck_assert_int_eq(decode_joined(), 0);
	fx.body.last++;
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
	fx.body.first += 2;
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
}
END_TEST

START_TEST(no_transaction_is_open_at_the_end)
{
	add_op("nop", 100, OP_FLAG_MORE);
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
	add_op("nop", 100, 0);
	ck_assert_int_eq(decode_joined(), 0);
	add_op("nop", 100, OP_FLAG_MORE | OP_FLAG_SKIP);
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
}
END_TEST

START_TEST(an_operation_passed_over_counts_all_the_same)
{
	struct file f;
	struct op op = { 0 };

	add_op("nop", 100, OP_FLAG_SKIP);
	add_op("nop", 101, OP_FLAG_SKIP);
	fx.ops.data[4] = 77;
	fx.ops.data[OP_HEADER_BYTES + 4] = 78;
	file_make(&f);
	ck_assert_int_eq(open_file(&f), 0);
	ck_assert_uint_eq(f.got.n_ops, 2);
	ck_assert_int_eq(op_decode(&f.got.ops, &op), 0);
	ck_assert_int_eq(op_decode(&f.got.ops, &op), 0);
	ck_assert_int_eq(cursor_finish(&f.got.ops), 0);
	file_release(&f);
	/* Its time and its open transaction as well. */
	le64_put(fx.ops.data + OP_HEADER_BYTES + 8, 99);
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
	le64_put(fx.ops.data + OP_HEADER_BYTES + 8, 101);
	ck_assert_int_eq(decode_joined(), 0);
	fx.ops.data[OP_HEADER_BYTES + 5] |= OP_FLAG_MORE;
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
	fx.ops.data[OP_HEADER_BYTES + 5] = 0;
	ck_assert_int_eq(decode_joined(), ERR_NEWER);
}
END_TEST

START_TEST(a_broken_operation_breaks_the_segment)
{
	add_op("nop", 100, 0);
	add_op("place", 100, 0);
	add_op("nop", 100, 0);
	ck_assert_int_eq(decode_joined(), 0);
	fx.ops.data[16 + 69] = 0; /* the name's length */
	ck_assert_int_eq(decode_joined(), ERR_MALFORMED);
}
END_TEST

START_TEST(what_no_reader_would_take_is_not_sealed)
{
	auto_buf struct buf file = BUF_INIT(FX_WORK_BYTES);
	struct segment_header before;

	add_op("nop", 100, OP_FLAG_MORE);
	memcpy(&before, &fx.header, sizeof(fx.header));
	ck_assert_int_eq(fx_seal(&file), ERR_MALFORMED);
	ck_assert_mem_eq(&before, &fx.header, sizeof(fx.header));
	ck_assert_uint_eq(file.len, 0);
	add_op("nop", 100, 0);
	fx.body.n_ops--;
	ck_assert_int_lt(fx_seal(&file), 0);
	fx.body.n_ops++;
	fx.header.seq = 0;
	ck_assert_int_eq(fx_seal(&file), ERR_LIMIT);
	fx.header.seq = SEGMENT_SEQ_MAX + 1;
	ck_assert_int_eq(fx_seal(&file), ERR_LIMIT);
	fx.header.seq = SEGMENT_SEQ_MAX;
	ck_assert_int_eq(fx_seal(&file), 0);
}
END_TEST

/* Counts that shift bytes from one list to the next. */
START_TEST(lists_that_differ_from_their_counts_are_not_sealed)
{
	auto_buf struct buf file = BUF_INIT(FX_WORK_BYTES);

	add_required(1);
	add_required(2);
	add_op("nop", 100, 0);
	fx_join();
	/* 24 bytes of the second required pack, read as an operation. */
	le32_put(fx.required.data + 24, 24);
	memset(fx.required.data + 28, 0, 20);
	fx.required.data[28] = 200;
	fx.required.data[29] = OP_FLAG_SKIP;
	le64_put(fx.required.data + 32, 100);
	fx.body.n_required = 1;
	fx.body.n_ops = 2;
	ck_assert_int_eq(decode_joined(), 0);
	ck_assert_int_eq(fx_seal(&file), ERR_MALFORMED);
	fx.body.n_required = 2;
	fx.body.n_ops = 1;
	ck_assert_int_eq(fx_seal(&file), 0);
}
END_TEST

START_TEST(a_segment_holds_its_limits)
{
	uint32_t i;

	for (i = 0; i < SEGMENT_MAX_WRITERS; i++)
		add_vv(i + 1, 1, 1);
	for (i = 0; i < SEGMENT_MAX_PACKS; i++)
		add_pack(1, 1);
	for (i = 0; i < SEGMENT_MAX_REQUIRED; i++)
		add_required(1);
	for (i = 0; i < SEGMENT_MAX_OPS; i++)
		buf_put(&fx.ops, "\x10\0\0\0\x09\0\0\0\1\0\0\0\0\0\0\0", 16);
	fx.body.n_ops = SEGMENT_MAX_OPS;
	fx.body.first = fx.body.last = 1;
	ck_assert_int_eq(decode_joined(), 0);
	add_vv(i + 1, 1, 1);
	ck_assert_int_eq(decode_joined(), ERR_LIMIT);
}
END_TEST

START_TEST(a_body_holds_64_mebibytes)
{
	auto_buf struct buf file = BUF_INIT(FX_WORK_BYTES);
	static uint8_t value[XATTR_VALUE_MAX];
	struct op op = op_sample("xattr")->op;
	struct segment_header h;
	uint32_t i;

	op.clock = fx.body.first;
	op.xattr.value = value;
	op.xattr.value_bytes = sizeof(value);
	for (i = 0; i < 1023; i++)
		ck_assert_int_eq(op_encode(&op, &fx.ops), 0);
	fx.body.n_ops = i;
	ck_assert_int_eq(fx_seal(&file), 0);
	ck_assert_uint_eq(fx.header.body_bytes, SEGMENT_BODY_MAX);
	ck_assert_uint_eq(file.len, SEGMENT_FILE_MAX);
	ck_assert_int_eq(segment_header_decode(file.data, file.len, &h), 0);
	buf_reset(&file);
	ck_assert_int_eq(op_encode(&op, &fx.ops), 0);
	fx.body.n_ops++;
	ck_assert_int_eq(fx_seal(&file), ERR_LIMIT);
	ck_assert_uint_eq(file.len, 0);
}
END_TEST

static Suite *segment_body_suite(void)
{
	Suite *suite = suite_create("segment_body");
	TCase *tcase = tcase_create("body");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, fx_start, stop_plain);
	tcase_add_test(tcase, fixed_fields_of_a_body_are_checked);
	tcase_add_test(tcase, a_count_that_is_one_off_is_rejected);
	tcase_add_test(tcase, used_bytes_may_end_nowhere_else);
	tcase_add_test(tcase, padding_is_zero_to_its_last_byte);
	tcase_add_test(tcase, a_body_longer_than_its_padding_is_rejected);
	tcase_add_test(tcase, only_the_first_segment_has_none_before_it);
	tcase_add_test(tcase, the_version_vector_is_checked);
	tcase_add_test(tcase, an_announced_pack_is_checked);
	tcase_add_test(tcase, a_pack_with_too_many_entries_is_rejected);
	tcase_add_test(tcase, a_pack_of_64_mebibytes_is_announced);
	tcase_add_test(tcase, a_broken_announcement_gives_zeros);
	tcase_add_test(tcase, time_does_not_go_back);
	tcase_add_test(tcase, without_operations_first_and_last_are_one);
	tcase_add_test(tcase, no_transaction_is_open_at_the_end);
	tcase_add_test(tcase, an_operation_passed_over_counts_all_the_same);
	tcase_add_test(tcase, a_broken_operation_breaks_the_segment);
	tcase_add_test(tcase, what_no_reader_would_take_is_not_sealed);
	tcase_add_test(tcase,
		       lists_that_differ_from_their_counts_are_not_sealed);
	tcase_add_test(tcase, a_segment_holds_its_limits);
	tcase_add_test(tcase, a_body_holds_64_mebibytes);
	suite_add_tcase(suite, tcase);

	return suite;
}

int main(void)
{
	return run_suite(segment_body_suite());
}
