/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "format/op.h"
#include "format/segment.h"
#include "format_fixture.h"
#include "segment_fixture.h"

START_TEST(the_header_is_laid_out_as_specified)
{
	struct file f;

	file_make(&f);
	ck_assert_mem_eq(f.buf.data, "COFFERL1", 8);
	assert_hex(f.buf.data + 8, 40,
		   "0100000003000000" /* version, flags, epoch */
		   "0102030405060708090a0b0c0d0e0f10"
		   "5857565554535251"
		   "0200000000000000");
	ck_assert_mem_eq(f.buf.data + 48, fx.header.r16.b, 16);
	ck_assert_mem_eq(f.buf.data + 64, fx.keys.id.b, 8);
	assert_hex(f.buf.data + 72, 24,
		   "0010000000000000"
		   "00000000000000000000000000000000");
	ck_assert_uint_eq(f.buf.len, 96 + 4096 + 16);
	ck_assert_uint_eq(fx.header.body_bytes, 4096);
	ck_assert_uint_eq(fx.header.epoch, 3);
	file_release(&f);
}
END_TEST

START_TEST(the_body_is_laid_out_as_specified)
{
	uint8_t nonce[NONCE_BYTES], plain[4096];
	struct file f;
	size_t i;

	add_vv(7, 9, 8);
	add_pack(1, 1);
	add_required(8);
	add_op("nop", 0x2000, 0);
	file_make(&f);
	aead_nonce(&fx.header.r16, (uint64_t)1 << 63, nonce);
	ck_assert_int_eq(aead_open(&fx.keys.log, nonce, f.buf.data, 96,
				   f.buf.data + 96, 4096 + 16, plain),
			 0);
	assert_hex(plain, 80,
		   "1c01000000000000" /* used */
		   "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
		   "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
		   "0020000000000000" /* first, last */
		   "0020000000000000"
		   "01000000010000000100000001000000"
		   "0000000000000000");
	assert_hex(plain + 80, 56,
		   "0700000000000000" /* version vector */
		   "0900000000000000"
		   "0800000000000000"
		   "404142434445464748494a4b4c4d4e4f"
		   "505152535455565758595a5b5c5d5e5f");
	assert_hex(plain + 136, 108,
		   "606162636465666768696a6b6c6d6e6f" /* pack */
		   "0000010000000000"
		   "030000007071727374757677"
		   "0100000001000000"
		   "00000000000000000000000000000000"
		   "00000000000000000000000000000000"
		   "00000000000000000000000000000000"
		   "40000000110000000100000000000000");
	assert_hex(plain + 244, 24,
		   "0800000000000000" /* required */
		   "808182838485868788898a8b8c8d8e8f");
	assert_hex(plain + 268, 16, "10000000090000000020000000000000");
	for (i = 284; i < sizeof(plain); i++)
		ck_assert_uint_eq(plain[i], 0);
	file_release(&f);
}
END_TEST

START_TEST(a_segment_is_read_back_whole)
{
	struct segment_required r;
	struct segment_pack p;
	struct segment_vv v;
	struct file f;
	uint32_t i;

	add_all();
	file_make(&f);
	ck_assert_int_eq(open_file(&f), 0);
	ck_assert_mem_eq(&f.got.previous, &fx.body.previous,
			 sizeof(fx.body.previous));
	ck_assert_uint_eq(f.got.first, 2000);
	ck_assert_uint_eq(f.got.last, fx.body.last);

	ck_assert_uint_eq(f.got.n_vv, 2);
	segment_vv_read(&f.got.vv, &v);
	ck_assert_uint_eq(v.writer, 7);
	ck_assert_uint_eq(v.context, 9);
	ck_assert_uint_eq(v.ack, 8);
	ck_assert_uint_eq(v.head.b[31], 0x5f);
	segment_vv_read(&f.got.vv, &v);
	ck_assert_uint_eq(v.writer, 8);
	ck_assert_int_eq(cursor_finish(&f.got.vv), 0);

	ck_assert_uint_eq(f.got.n_packs, 2);
	segment_pack_read(&f.got.packs, &p);
	ck_assert_uint_eq(p.name[0], 0x60);
	ck_assert_uint_eq(p.size, 65536);
	ck_assert_uint_eq(p.epoch, 3);
	ck_assert_uint_eq(p.key_id.b[7], 0x77);
	ck_assert_int_eq(p.type, PACK_DATA);
	ck_assert_uint_eq(p.n_entries, 2);
	ck_assert_uint_eq(le32_get(p.entries + 64 + 48), 64 + 20032);
	segment_pack_read(&f.got.packs, &p);
	ck_assert_uint_eq(p.n_entries, 1);
	ck_assert_int_eq(cursor_finish(&f.got.packs), 0);

	ck_assert_uint_eq(f.got.n_required, 2);
	segment_required_read(&f.got.required, &r);
	segment_required_read(&f.got.required, &r);
	ck_assert_uint_eq(r.writer, 8);
	ck_assert_uint_eq(r.name[15], 0x8f);
	ck_assert_int_eq(cursor_finish(&f.got.required), 0);

	ck_assert_uint_eq(f.got.n_ops, fx.body.n_ops);
	for (i = 0; i < f.got.n_ops; i++) {
		struct op op = { 0 };

		ck_assert_int_eq(op_decode(&f.got.ops, &op), 1);
		ck_assert_uint_eq(op.clock, 2000 + i / 2);
	}
	ck_assert_int_eq(cursor_finish(&f.got.ops), 0);
	file_release(&f);
}
END_TEST

START_TEST(an_empty_segment_is_read_back)
{
	struct file f;

	file_make(&f);
	ck_assert_int_eq(open_file(&f), 0);
	ck_assert_uint_eq(f.got.first, 1000);
	ck_assert_uint_eq(
		f.got.n_ops + f.got.n_vv + f.got.n_packs + f.got.n_required, 0);
	file_release(&f);
}
END_TEST

START_TEST(the_first_segment_is_read_back)
{
	struct file f;

	fx.header.seq = 1;
	memset(&fx.body.previous, 0, sizeof(fx.body.previous));
	file_make(&f);
	ck_assert_int_eq(open_file(&f), 0);
	file_release(&f);
}
END_TEST

START_TEST(a_body_of_many_sub_blocks_is_a_chain)
{
	struct file f;
	size_t i, blocks;

	for (i = 0; i < 4000; i++)
		add_op("pin", 5000 + i, 0);
	file_make(&f);
	ck_assert_uint_gt(fx.header.body_bytes, 4 * SEGMENT_SUB_BYTES);
	blocks = (fx.header.body_bytes - 1) / SEGMENT_SUB_BYTES + 1;
	ck_assert_uint_eq(f.buf.len, 96 + fx.header.body_bytes + 16 * blocks);
	ck_assert_int_eq(open_file(&f), 0);
	/* One bit in each sub-block. */
	for (i = 96 + 1000; i < f.buf.len; i += SEGMENT_SUB_BYTES + 16) {
		f.buf.data[i] ^= 0x10;
		ck_assert_int_eq(open_file(&f), ERR_BAD_SEAL);
		f.buf.data[i] ^= 0x10;
	}
	file_release(&f);
}
END_TEST

START_TEST(every_flipped_bit_is_noticed)
{
	struct file f;

	add_op("place", 5000, 0);
	file_make(&f);
	assert_flips_fail(f.buf.data, 0, f.buf.len, open_file, &f);
	file_release(&f);
}
END_TEST

START_TEST(another_key_opens_nothing)
{
	const struct key ek = key_from(1);
	struct file f;

	file_make(&f);
	memset(&f.got, 0x5a, sizeof(f.got));
	keys_epoch(&ek, 3, &fx.keys);
	ck_assert_int_eq(open_file(&f), ERR_BAD_SEAL);
	ck_assert_uint_eq(f.got.n_ops, 0x5a5a5a5a);
	file_release(&f);
}
END_TEST

START_TEST(a_file_of_another_length_is_rejected)
{
	struct segment_header h;
	struct file f;
	size_t n;

	file_make(&f);
	for (n = 0; n < f.buf.len; n++)
		ck_assert_int_eq(segment_header_decode(f.buf.data, n, &h),
				 ERR_TRUNCATED);
	ck_assert_int_eq(segment_header_decode(f.buf.data, n, &h), 0);
	ck_assert_int_eq(segment_header_decode(f.buf.data, n + 1, &h),
			 ERR_MALFORMED);
	ck_assert_int_eq(segment_header_decode(f.buf.data, UINT64_MAX, &h),
			 ERR_MALFORMED);
	file_release(&f);
}
END_TEST

START_TEST(the_header_is_checked)
{
	const struct {
		size_t at, n;
		uint64_t value;
		int err;
	} table[] = {
		{ 0, 1, 'c', ERR_MALFORMED },
		{ 8, 2, 0, ERR_NEWER },
		{ 8, 2, 2, ERR_NEWER },
		{ 10, 2, 1, ERR_NEWER },
		{ 12, 4, 0, ERR_MALFORMED },
		{ 12, 4, 1, 0 },
		{ 32, 8, 1, 0 },
		{ 32, 8, 0, ERR_MALFORMED },
		{ 40, 8, 0, ERR_MALFORMED },
		{ 40, 8, 1, 0 },
		{ 40, 8, 9999999999, 0 },
		{ 40, 8, 10000000000, ERR_LIMIT },
		{ 40, 8, UINT64_MAX, ERR_LIMIT },
		{ 72, 8, 0, ERR_MALFORMED },
		{ 72, 8, 1, ERR_MALFORMED },
		{ 72, 8, 4095, ERR_MALFORMED },
		{ 72, 8, 4097, ERR_MALFORMED },
		{ 72, 8, 8192, ERR_TRUNCATED },
		{ 72, 8, SEGMENT_BODY_MAX, ERR_TRUNCATED },
		{ 72, 8, SEGMENT_BODY_MAX + 4096, ERR_LIMIT },
		{ 72, 8, UINT64_MAX, ERR_LIMIT },
		{ 80, 1, 1, ERR_MALFORMED },
		{ 95, 1, 1, ERR_MALFORMED },
	};
	struct file f;
	size_t i, k;

	file_make(&f);
	for (i = 0; i < array_len(table); i++) {
		uint8_t in[SEGMENT_HEADER_BYTES];
		struct segment_header h, before;
		int err;

		memcpy(in, f.buf.data, sizeof(in));
		for (k = 0; k < table[i].n; k++)
			in[table[i].at + k] =
				(uint8_t)(table[i].value >> (8 * k));
		memset(&h, 0x5a, sizeof(h));
		memcpy(&before, &h, sizeof(h));
		err = segment_header_decode(in, f.buf.len, &h);
		ck_assert_msg(err == table[i].err, "row %zu: %d", i, err);
		if (err < 0)
			ck_assert_mem_eq(&h, &before, sizeof(h));
	}
	file_release(&f);
}
END_TEST

START_TEST(without_room_or_memory_nothing_is_sealed)
{
	auto_buf struct buf small = BUF_INIT(4096);
	struct segment_header before = fx.header;
	unsigned long nth;
	int err;

	add_all();
	ck_assert_int_eq(fx_seal(&small), ERR_LIMIT);
	ck_assert_mem_eq(&fx.header, &before, sizeof(before));
	for (nth = 1;; nth++) {
		auto_buf struct buf file = BUF_INIT(FX_WORK_BYTES);

		mem_fail_nth(nth, false);
		err = fx_seal(&file);
		if (!mem_fail_hit())
			break;
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert_mem_eq(&fx.header, &before, sizeof(before));
	}
	mem_fail_nth(0, false);
	ck_assert_int_eq(err, 0);
	ck_assert_uint_gt(nth, 1);
}
END_TEST

START_TEST(a_name_is_number_and_hash)
{
	char name[SEGMENT_NAME_LEN + 1];
	struct file_hash h;
	uint8_t prefix[8];
	uint64_t seq = 0;

	fill_from(0xa5, h.b, sizeof(h.b));
	segment_name_format(42, &h, name);
	ck_assert_str_eq(name, "0000000042-a5a6a7a8a9aaabac");
	ck_assert_int_eq(segment_name_parse(name, &seq, prefix), 0);
	ck_assert_uint_eq(seq, 42);
	ck_assert_mem_eq(prefix, h.b, 8);
	segment_name_format(SEGMENT_SEQ_MAX, &h, name);
	ck_assert_str_eq(name, "9999999999-a5a6a7a8a9aaabac");
	ck_assert_int_eq(segment_name_parse(name, &seq, prefix), 0);
	ck_assert_uint_eq(seq, SEGMENT_SEQ_MAX);
}
END_TEST

START_TEST(any_other_name_is_foreign)
{
	const char *const bad[] = {
		"",
		"0000000042",
		"0000000042-",
		"0000000042-a5a6a7a8a9aaaba",
		"0000000042-a5a6a7a8a9aaabacc",
		"0000000042-A5a6a7a8a9aaabac",
		"0000000042-g5a6a7a8a9aaabac",
		"0000000042_a5a6a7a8a9aaabac",
		"0000000000-a5a6a7a8a9aaabac",
		"00000000a2-a5a6a7a8a9aaabac",
		"+000000042-a5a6a7a8a9aaabac",
		"1/00000042-a5a6a7a8a9aaabac",
		"0:00000042-a5a6a7a8a9aaabac",
		" 000000042-a5a6a7a8a9aaabac",
		"000000042-a5a6a7a8a9aaabac1",
		"0000000042-a5a6a7a8a9aaabac (conflicted copy)",
		"0000000042-a5a6a7a8a9aaabac.tmp",
	};
	size_t i;

	for (i = 0; i < array_len(bad); i++) {
		uint8_t prefix[8] = { 0x5a };
		uint64_t seq = 77;

		ck_assert_msg(segment_name_parse(bad[i], &seq, prefix) ==
				      ERR_MALFORMED,
			      "%s", bad[i]);
		ck_assert_uint_eq(seq, 77);
		ck_assert_uint_eq(prefix[0], 0x5a);
	}
}
END_TEST

START_TEST(the_hash_is_that_of_the_whole_file)
{
	struct file_hash got;
	uint8_t want[32];
	struct file f;

	file_make(&f);
	segment_hash(f.buf.data, f.buf.len, &got);
	hash_bytes(NULL, f.buf.data, f.buf.len, want, sizeof(want));
	ck_assert_mem_eq(got.b, want, sizeof(want));
	file_release(&f);
}
END_TEST

static Suite *segment_suite(void)
{
	Suite *suite = suite_create("segment");
	TCase *tcase = tcase_create("file");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, fx_start, fx_stop);
	tcase_add_test(tcase, the_header_is_laid_out_as_specified);
	tcase_add_test(tcase, the_body_is_laid_out_as_specified);
	tcase_add_test(tcase, a_segment_is_read_back_whole);
	tcase_add_test(tcase, an_empty_segment_is_read_back);
	tcase_add_test(tcase, the_first_segment_is_read_back);
	tcase_add_test(tcase, a_body_of_many_sub_blocks_is_a_chain);
	tcase_add_test(tcase, every_flipped_bit_is_noticed);
	tcase_add_test(tcase, another_key_opens_nothing);
	tcase_add_test(tcase, a_file_of_another_length_is_rejected);
	tcase_add_test(tcase, the_header_is_checked);
	tcase_add_test(tcase, the_hash_is_that_of_the_whole_file);
	tcase_add_test(tcase, without_room_or_memory_nothing_is_sealed);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("name");
	tcase_add_test(tcase, a_name_is_number_and_hash);
	tcase_add_test(tcase, any_other_name_is_foreign);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run_suite(segment_suite());
}
