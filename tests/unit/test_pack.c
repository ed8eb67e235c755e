/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "crypto/aead.h"
#include "format/pack.h"
#include "format/pack_priv.h"
#include "format_fixture.h"

#define TAIL_MAX ((size_t)128 << 20)

static struct epoch_keys keys;
static struct uuid vault;

static void start(void)
{
	epoch_keys_fixed(3, &keys);
	fill_from(1, vault.b, sizeof(vault.b));
}

/* By the definition's own words, in floating-point free Python:
 * pad(L, m) = ceil(L / step) * step, step = max(m, 2^(E - S)). */
START_TEST(lengths_are_padded_as_by_padme)
{
	const struct {
		uint64_t len, by_1, by_4096, by_65536;
	} table[] = {
		{ 0, 0, 0, 0 },
		{ 1, 1, 4096, 65536 },
		{ 2, 2, 4096, 65536 },
		{ 3, 3, 4096, 65536 },
		{ 9, 10, 4096, 65536 },
		{ 1000, 1024, 4096, 65536 },
		{ 4095, 4096, 4096, 65536 },
		{ 4096, 4096, 4096, 65536 },
		{ 4097, 4352, 8192, 65536 },
		{ 65536, 65536, 65536, 65536 },
		{ 65537, 67584, 69632, 131072 },
		{ 1048576, 1048576, 1048576, 1048576 },
		{ 1048577, 1081344, 1081344, 1114112 },
		{ 5242880, 5242880, 5242880, 5242880 },
		{ 16777217, 17301504, 17301504, 17301504 },
		{ 41943041, 42991616, 42991616, 42991616 },
		{ 67108863, 67108864, 67108864, 67108864 },
	};
	size_t i;

	for (i = 0; i < array_len(table); i++) {
		ck_assert_uint_eq(pad_length(table[i].len, 1), table[i].by_1);
		ck_assert_uint_eq(pad_length(table[i].len, 4096),
				  table[i].by_4096);
		ck_assert_uint_eq(pad_length(table[i].len, 65536),
				  table[i].by_65536);
	}
}
END_TEST

START_TEST(a_padded_length_stays_and_costs_little)
{
	uint64_t len;

	for (len = 1; len < PACK_MAX_BYTES; len += 1 + len / 97) {
		const uint64_t padded = pad_length(len, 65536);

		ck_assert_uint_ge(padded, len);
		ck_assert_uint_eq(padded % 65536, 0);
		ck_assert_uint_eq(pad_length(padded, 65536), padded);
		/* 3.1 % above 4 MiB, by the specification. */
		if (len > 4 << 20)
			ck_assert_uint_le((padded - len) * 1000, len * 32);
	}
}
END_TEST

static struct pack_header sample_header(void)
{
	struct pack_header h = {
		.type = PACK_METADATA,
		.epoch = 3,
		.vault = vault,
		.writer = 0x1112131415161718,
	};

	fill_from(0xa0, h.key_id.b, sizeof(h.key_id.b));
	return h;
}

START_TEST(a_header_is_laid_out_as_specified)
{
	const struct pack_header h = sample_header();
	uint8_t out[PACK_HEADER_BYTES];
	struct pack_header got;

	memset(out, 0x5a, sizeof(out));
	pack_header_encode(&h, out);
	ck_assert_mem_eq(out, "COFFERP1", 8);
	assert_hex(out + 8, 56,
		   "0100020e03000000" /* version, type, log2, epoch */
		   "0102030405060708090a0b0c0d0e0f10"
		   "1817161514131211"
		   "00000000000000000000000000000000"
		   "a0a1a2a3a4a5a6a7");
	ck_assert_int_eq(pack_header_decode(out, &got), 0);
	ck_assert_int_eq(got.type, PACK_METADATA);
	ck_assert_uint_eq(got.epoch, 3);
	ck_assert_mem_eq(&got.vault, &vault, sizeof(vault));
	ck_assert_uint_eq(got.writer, 0x1112131415161718);
	ck_assert_mem_eq(&got.key_id, &h.key_id, sizeof(h.key_id));
}
END_TEST

START_TEST(a_header_is_checked)
{
	const struct {
		size_t at;
		uint8_t value;
		int err;
	} table[] = {
		{ 0, 'c', ERR_MALFORMED },
		{ 7, '2', ERR_MALFORMED },
		{ 8, 0, ERR_NEWER },
		{ 8, 2, ERR_NEWER },
		{ 9, 1, ERR_NEWER },
		{ 10, 0, ERR_NEWER },
		{ 10, PACK_DATA, 0 },
		{ 10, 3, ERR_NEWER },
		{ 11, 13, ERR_NEWER },
		{ 12, 0, ERR_MALFORMED },
		{ 40, 1, ERR_MALFORMED },
		{ 55, 1, ERR_MALFORMED },
		{ 56, 0, 0 },
	};
	const struct pack_header h = sample_header();
	size_t i;

	for (i = 0; i < array_len(table); i++) {
		struct pack_header got, before;
		uint8_t in[PACK_HEADER_BYTES];
		int err;

		pack_header_encode(&h, in);
		in[table[i].at] = table[i].value;
		memset(&got, 0x5a, sizeof(got));
		memcpy(&before, &got, sizeof(got));
		err = pack_header_decode(in, &got);
		ck_assert_msg(err == table[i].err, "row %zu: %d", i, err);
		if (err < 0)
			ck_assert_mem_eq(&got, &before, sizeof(got));
	}
}
END_TEST

START_TEST(a_stage_file_has_neither_epoch_nor_key)
{
	struct pack_header h = sample_header(), got;
	uint8_t in[PACK_HEADER_BYTES];

	h.epoch = 0;
	memset(&h.key_id, 0, sizeof(h.key_id));
	pack_header_encode(&h, in);
	ck_assert_int_eq(pack_header_decode(in, &got), 0);
	ck_assert_uint_eq(got.epoch, 0);
}
END_TEST

static struct pack_entry sample_entry(uint32_t offset, uint32_t plain)
{
	struct pack_entry e = {
		.offset = offset,
		.stored_bytes = record_stored_bytes(plain),
		.plain_bytes = plain,
	};

	fill_from(0x20, e.id.b, sizeof(e.id.b));
	fill_from(0x80, e.r16.b, sizeof(e.r16.b));
	return e;
}

static void put_entry(struct buf *b, uint32_t offset, uint32_t plain)
{
	const struct pack_entry e = sample_entry(offset, plain);

	pack_entry_put(b, &e);
	ck_assert_int_eq(buf_error(b), 0);
}

START_TEST(an_entry_is_laid_out_as_specified)
{
	auto_buf struct buf b = BUF_INIT(256);
	const struct pack_entry e = sample_entry(0x01020304, 16385);
	struct pack_entry got;
	struct cursor c;

	put_entry(&b, 0x01020304, 16385);
	assert_hex(b.data, b.len,
		   "202122232425262728292a2b2c2d2e2f"
		   "303132333435363738393a3b3c3d3e3f"
		   "808182838485868788898a8b8c8d8e8f"
		   "04030201214000000140000000000000");
	cursor_init(&c, b.data, b.len);
	ck_assert_int_eq(pack_entry_read(&c, &got), 0);
	ck_assert_int_eq(cursor_finish(&c), 0);
	ck_assert_mem_eq(&got.id, &e.id, sizeof(e.id));
	ck_assert_mem_eq(&got.r16, &e.r16, sizeof(e.r16));
	ck_assert_uint_eq(got.offset, e.offset);
	ck_assert_uint_eq(got.stored_bytes, 16385 + 2 * TAG_BYTES);
	ck_assert_uint_eq(got.plain_bytes, 16385);
	ck_assert_uint_eq(got.codec, 0);
}
END_TEST

START_TEST(an_entry_is_checked)
{
	const struct {
		uint32_t offset, stored, plain;
		uint8_t codec, flags, reserved;
		int err;
	} table[] = {
		{ 64, 17, 1, 0, 0, 0, 0 },
		{ 63, 17, 1, 0, 0, 0, ERR_MALFORMED },
		{ 64, 16, 0, 0, 0, 0, ERR_MALFORMED },
		{ 64, 16, 1, 0, 0, 0, ERR_MALFORMED },
		{ 64, 18, 1, 0, 0, 0, ERR_MALFORMED },
		{ 64, 0, 1, 0, 0, 0, ERR_MALFORMED },
		{ 64, 16400, 16384, 0, 0, 0, 0 },
		{ 64, 16401, 16385, 0, 0, 0, ERR_MALFORMED },
		{ 64, 16417, 16385, 0, 0, 0, 0 },
		{ 64, 4198400, 4194304, 0, 0, 0, 0 },
		{ 64, 4198417, 4194305, 0, 0, 0, ERR_LIMIT },
		{ 64, 0, 0xffffffff, 0, 0, 0, ERR_LIMIT },
		{ 0xffffffff - 17, 17, 1, 0, 0, 0, 0 },
		{ 0xffffffff - 16, 17, 1, 0, 0, 0, ERR_MALFORMED },
		{ 64, 17, 1, 1, 0, 0, ERR_NEWER },
		{ 64, 17, 1, 0, 1, 0, ERR_NEWER },
		{ 64, 17, 1, 0, 0, 1, ERR_MALFORMED },
	};
	size_t i;

	for (i = 0; i < array_len(table); i++) {
		uint8_t in[PACK_ENTRY_BYTES] = { 0 };
		struct pack_entry got, before;
		struct cursor c;
		int err;

		le32_put(in + 48, table[i].offset);
		le32_put(in + 52, table[i].stored);
		le32_put(in + 56, table[i].plain);
		in[60] = table[i].codec;
		in[61] = table[i].flags;
		in[63] = table[i].reserved;
		memset(&got, 0x5a, sizeof(got));
		memcpy(&before, &got, sizeof(got));
		cursor_init(&c, in, sizeof(in));
		err = pack_entry_read(&c, &got);
		ck_assert_msg(err == table[i].err, "row %zu: %d", i, err);
		if (err == 0)
			continue;
		ck_assert_mem_eq(&got, &before, sizeof(got));
		ck_assert_ptr_eq(c.at, in);
	}
}
END_TEST

START_TEST(an_entry_cut_anywhere_is_rejected)
{
	auto_buf struct buf b = BUF_INIT(256);
	struct pack_entry got;
	size_t n;

	put_entry(&b, 64, 1);
	for (n = 0; n < PACK_ENTRY_BYTES; n++) {
		struct cursor c;

		cursor_init(&c, b.data, n);
		ck_assert_int_eq(pack_entry_read(&c, &got), ERR_TRUNCATED);
	}
}
END_TEST

START_TEST(entries_stand_in_order_without_gap)
{
	auto_buf struct buf b = BUF_INIT(256);

	put_entry(&b, 64, 100);
	put_entry(&b, 180, 1);
	ck_assert_int_eq(pack_entries_check(b.data, 2, 197), 0);
	ck_assert_int_eq(pack_entries_check(b.data, 2, 198), ERR_MALFORMED);
	ck_assert_int_eq(pack_entries_check(b.data, 2, 196), ERR_MALFORMED);
	ck_assert_int_eq(pack_entries_check(b.data, 1, 180), 0);
	ck_assert_int_eq(pack_entries_check(b.data, 1, 197), ERR_MALFORMED);
	ck_assert_int_eq(pack_entries_check(NULL, 0, 64), 0);
	ck_assert_int_eq(pack_entries_check(NULL, 0, 65), ERR_MALFORMED);
	le32_put(b.data + PACK_ENTRY_BYTES + 48, 179);
	ck_assert_int_eq(pack_entries_check(b.data, 2, 196), ERR_MALFORMED);
	le32_put(b.data + PACK_ENTRY_BYTES + 48, 181);
	ck_assert_int_eq(pack_entries_check(b.data, 2, 198), ERR_MALFORMED);
	le32_put(b.data + 48, 65);
	ck_assert_int_eq(pack_entries_check(b.data, 1, 181), ERR_MALFORMED);
}
END_TEST

/* A record of `len` bytes 0, 1, 2 .. */
struct record {
	struct pack_entry e;
	uint8_t *plain, *sealed, *opened;
};

static struct record record_of(uint32_t len)
{
	struct content_id id;
	struct record r = {
		.plain = mem_alloc(len),
		.sealed = mem_alloc(record_stored_bytes(len)),
		.opened = mem_zalloc(len),
	};

	ck_assert(r.plain && r.sealed && r.opened);
	fill_from(0, r.plain, len);
	fill_from(0x20, id.b, sizeof(id.b));
	record_seal(&keys.chk, &keys.hdg, &vault, PACK_DATA, &id, r.plain, len,
		    r.sealed, &r.e);
	return r;
}

static void record_free(struct record *r)
{
	mem_free(r->plain);
	mem_free(r->sealed);
	mem_free(r->opened);
}

START_TEST(what_is_authenticated_with_a_record_is_as_specified)
{
	const struct pack_entry e = sample_entry(64, 0x00020304);
	uint8_t ad[64];

	memset(ad, 0x5a, sizeof(ad));
	record_ad(&vault, &e.id, e.plain_bytes, PACK_METADATA, ad);
	ck_assert_mem_eq(ad, "cofr-chk", 8);
	assert_hex(ad + 8, 56,
		   "0102030405060708090a0b0c0d0e0f10"
		   "202122232425262728292a2b2c2d2e2f"
		   "303132333435363738393a3b3c3d3e3f"
		   "0403020000020000");
}
END_TEST

START_TEST(a_record_is_a_chain_of_sub_blocks)
{
	struct record r = record_of(2 * RECORD_SUB_BYTES + 1);
	uint8_t ad[64], nonce[NONCE_BYTES], plain[RECORD_SUB_BYTES];
	const uint64_t counters[] = { 0, 1, 2 | (uint64_t)1 << 63 };
	const size_t sizes[] = { RECORD_SUB_BYTES, RECORD_SUB_BYTES, 1 };
	const uint8_t *at = r.sealed, *want = r.plain;
	size_t i;

	ck_assert_uint_eq(r.e.plain_bytes, 2 * RECORD_SUB_BYTES + 1);
	ck_assert_uint_eq(r.e.stored_bytes, 2 * RECORD_SUB_BYTES + 49);
	ck_assert_uint_eq(r.e.codec, 0);
	record_ad(&vault, &r.e.id, r.e.plain_bytes, PACK_DATA, ad);
	for (i = 0; i < 3; i++) {
		aead_nonce(&r.e.r16, counters[i], nonce);
		ck_assert_int_eq(aead_open(&keys.chk, nonce, ad, sizeof(ad), at,
					   sizes[i] + TAG_BYTES, plain),
				 0);
		ck_assert_mem_eq(plain, want, sizes[i]);
		at += sizes[i] + TAG_BYTES;
		want += sizes[i];
	}
	record_free(&r);
}
END_TEST

START_TEST(sub_blocks_of_a_record_open_alone)
{
	struct record r = record_of(3 * RECORD_SUB_BYTES);
	const size_t stored = RECORD_SUB_BYTES + TAG_BYTES;
	uint32_t first, count;

	for (first = 0; first < 3; first++)
		for (count = 1; count <= 3 - first; count++) {
			ck_assert_int_eq(record_open(&keys.chk, &vault,
						     PACK_DATA, &r.e, first,
						     count,
						     r.sealed + first * stored,
						     r.opened),
					 0);
			ck_assert_mem_eq(r.opened,
					 r.plain + first * RECORD_SUB_BYTES,
					 (size_t)count * RECORD_SUB_BYTES);
		}
	/* One in another's place. */
	ck_assert_int_eq(record_open(&keys.chk, &vault, PACK_DATA, &r.e, 1, 1,
				     r.sealed, r.opened),
			 ERR_BAD_SEAL);
	record_free(&r);
}
END_TEST

static int open_whole(void *arg)
{
	struct record *r = arg;

	return record_open(&keys.chk, &vault, PACK_DATA, &r->e, 0, 1, r->sealed,
			   r->opened);
}

START_TEST(every_flipped_bit_of_a_record_is_noticed)
{
	struct record r = record_of(100);

	assert_flips_fail(r.sealed, 0, r.e.stored_bytes, open_whole, &r);
	assert_flips_fail(r.e.id.b, 0, sizeof(r.e.id.b), open_whole, &r);
	assert_flips_fail(r.e.r16.b, 0, sizeof(r.e.r16.b), open_whole, &r);
	assert_flips_fail(vault.b, 0, sizeof(vault.b), open_whole, &r);
	r.e.plain_bytes = 99;
	ck_assert_int_eq(open_whole(&r), ERR_BAD_SEAL);
	r.e.plain_bytes = 100;
	ck_assert_int_eq(record_open(&keys.chk, &vault, PACK_METADATA, &r.e, 0,
				     1, r.sealed, r.opened),
			 ERR_BAD_SEAL);
	ck_assert_int_eq(record_open(&keys.pak, &vault, PACK_DATA, &r.e, 0, 1,
				     r.sealed, r.opened),
			 ERR_BAD_SEAL);
	r.e.codec = 1;
	ck_assert_int_eq(open_whole(&r), ERR_NEWER);
	record_free(&r);
}
END_TEST

START_TEST(sealing_a_chunk_again_draws_again)
{
	struct record a = record_of(64), b = record_of(64);

	ck_assert_mem_ne(a.e.r16.b, b.e.r16.b, sizeof(a.e.r16.b));
	ck_assert_mem_ne(a.sealed, b.sealed, a.e.stored_bytes);
	record_free(&a);
	record_free(&b);
}
END_TEST

/* A pack of `n` records of `plain` bytes, as far as its tail. */
struct tail {
	uint8_t header[PACK_HEADER_BYTES];
	struct buf entries, tail;
	uint64_t body_end, total;
	uint32_t n;
	uint8_t *opened;
};

static void tail_start(struct tail *t, uint32_t n, uint32_t plain,
		       bool is_stage)
{
	struct pack_header h = sample_header();
	uint32_t i;

	memset(t, 0, sizeof(*t));
	if (is_stage) {
		h.epoch = 0;
		memset(&h.key_id, 0, sizeof(h.key_id));
	}
	pack_header_encode(&h, t->header);
	buf_init(&t->entries, TAIL_MAX);
	buf_init(&t->tail, TAIL_MAX);
	t->body_end = PACK_HEADER_BYTES;
	for (i = 0; i < n; i++) {
		put_entry(&t->entries, (uint32_t)t->body_end, plain);
		t->body_end += record_stored_bytes(plain);
	}
	t->n = n;
}

static int tail_seal(struct tail *t)
{
	return pack_tail_seal(&keys.pak, &keys.hdg, t->header, t->body_end,
			      t->entries.data, t->n, &t->tail, &t->total);
}

static void tail_make(struct tail *t, uint32_t n, uint32_t plain, bool is_stage)
{
	tail_start(t, n, plain, is_stage);
	ck_assert_int_eq(tail_seal(t), 0);
	t->opened = mem_alloc(t->tail.len);
	ck_assert_ptr_nonnull(t->opened);
}

static void tail_release(struct tail *t)
{
	buf_release(&t->entries);
	buf_release(&t->tail);
	mem_free(t->opened);
}

/* As a reader does: the footer first, then all between body and footer. */
static int tail_open(void *arg)
{
	struct tail *t = arg;
	const size_t trailer = t->tail.len - PACK_FOOTER_BYTES;
	uint64_t body_bytes = 0;
	struct r16 r16;
	uint32_t n = 0;
	int err;

	err = pack_footer_open(&keys.pak, t->header, t->total,
			       t->tail.data + trailer, &r16, &body_bytes, &n);
	if (err < 0)
		return err;
	ck_assert_uint_eq(body_bytes, t->body_end - PACK_HEADER_BYTES);
	ck_assert_uint_eq(n, t->n);
	return pack_trailer_open(&keys.pak, t->header, &r16, body_bytes, n,
				 t->tail.data, trailer, t->opened);
}

START_TEST(a_tail_is_read_back)
{
	const uint32_t counts[] = { 1, 2, 100, 1000 };
	size_t i;

	for (i = 0; i < array_len(counts); i++) {
		struct tail t;

		tail_make(&t, counts[i], 1000, false);
		ck_assert_uint_eq(t.body_end + t.tail.len, t.total);
		ck_assert_uint_eq(t.total,
				  pad_length(t.body_end + 64 * t.n + 16 + 80,
					     65536));
		ck_assert_uint_eq(t.total,
				  pack_total_bytes(t.header, t.body_end, t.n));
		ck_assert_int_eq(tail_open(&t), 0);
		ck_assert_mem_eq(t.opened, t.entries.data, t.entries.len);
		tail_release(&t);
	}
}
END_TEST

START_TEST(a_stage_file_has_no_padding)
{
	struct tail t;

	tail_make(&t, 3, 1000, true);
	ck_assert_uint_eq(t.total, t.body_end + 3 * 64 + 16 + 80);
	ck_assert_int_eq(tail_open(&t), 0);
	ck_assert_mem_eq(t.opened, t.entries.data, t.entries.len);
	tail_release(&t);

	tail_make(&t, 0, 1, true);
	ck_assert_uint_eq(t.total, 64 + 16 + 80);
	ck_assert_int_eq(tail_open(&t), 0);
	tail_release(&t);
}
END_TEST

START_TEST(trailer_and_footer_are_laid_out_as_specified)
{
	uint8_t ad[80], nonce[NONCE_BYTES], plain[32];
	const uint8_t *footer;
	struct r16 r16;
	struct tail t;
	size_t i, trailer;

	tail_make(&t, 2, 10, false);
	trailer = t.tail.len - 80;
	footer = t.tail.data + trailer;
	memcpy(r16.b, footer, 16);
	ck_assert_uint_eq(le64_get(footer + 64), t.total);
	ck_assert_mem_eq(footer + 72, "COFFERE1", 8);

	memcpy(ad, t.header, 64);
	le64_put(ad + 64, t.total);
	memcpy(ad + 72, "COFFERE1", 8);
	aead_nonce(&r16, ((uint64_t)1 << 63) + 1, nonce);
	ck_assert_int_eq(
		aead_open(&keys.pak, nonce, ad, 80, footer + 16, 48, plain), 0);
	assert_hex(plain, 32,
		   "34000000000000000200000000000000"
		   "00000000000000000000000000000000");

	le64_put(ad + 64, t.body_end - 64);
	le32_put(ad + 72, 2);
	le32_put(ad + 76, 0);
	aead_nonce(&r16, (uint64_t)1 << 63, nonce);
	ck_assert_int_eq(aead_open(&keys.pak, nonce, ad, 80, t.tail.data,
				   trailer, t.opened),
			 0);
	ck_assert_mem_eq(t.opened, t.entries.data, 128);
	for (i = 128; i < trailer - TAG_BYTES; i++)
		ck_assert_uint_eq(t.opened[i], 0);
	tail_release(&t);
}
END_TEST

/* In clear it would tell where the trailer ends: the number of chunks and the
 * sum of their sizes. */
START_TEST(the_padding_is_not_to_be_seen)
{
	struct tail t;
	size_t i, zeros = 0;

	tail_make(&t, 2, 10, false);
	for (i = 0; i < t.tail.len - PACK_FOOTER_BYTES; i++)
		zeros += t.tail.data[i] == 0;
	/* 65,000 bytes, one in 256 of them zero but for chance. */
	ck_assert_uint_lt(zeros, 1000);
	tail_release(&t);
}
END_TEST

START_TEST(every_flipped_bit_of_a_tail_is_noticed)
{
	struct tail t;

	/* 96 bytes of padding, so that all of it is covered. */
	tail_make(&t, 6, 10800, false);
	ck_assert_uint_eq(t.total, 65536);
	ck_assert_uint_lt(t.tail.len, 600);
	assert_flips_fail(t.tail.data, 0, t.tail.len, tail_open, &t);
	assert_flips_fail(t.header, 0, 64, tail_open, &t);
	tail_release(&t);
	tail_make(&t, 6, 10, true);
	assert_flips_fail(t.tail.data, 0, t.tail.len, tail_open, &t);
	tail_release(&t);
}
END_TEST

START_TEST(a_footer_of_another_total_is_rejected)
{
	struct tail t;

	tail_make(&t, 2, 10, false);
	t.total -= 65536;
	ck_assert_int_eq(tail_open(&t), ERR_MALFORMED);
	t.total += 2 * 65536;
	ck_assert_int_eq(tail_open(&t), ERR_MALFORMED);
	/* The clear length changed with it. */
	le64_put(t.tail.data + t.tail.len - 16, t.total);
	ck_assert_int_eq(tail_open(&t), ERR_BAD_SEAL);
	tail_release(&t);
}
END_TEST

START_TEST(a_trailer_of_another_length_is_rejected)
{
	struct r16 r16;
	struct tail t;
	size_t n;

	tail_make(&t, 2, 10, true);
	n = t.tail.len - PACK_FOOTER_BYTES;
	memcpy(r16.b, t.tail.data + n, 16);
	ck_assert_int_eq(pack_trailer_open(&keys.pak, t.header, &r16,
					   t.body_end - 64, 2, t.tail.data,
					   n - 1, t.opened),
			 ERR_MALFORMED);
	ck_assert_int_eq(pack_trailer_open(&keys.pak, t.header, &r16,
					   t.body_end - 64, 2, t.tail.data,
					   n + 1, t.opened),
			 ERR_MALFORMED);
	ck_assert_int_eq(pack_trailer_open(&keys.pak, t.header, &r16,
					   t.body_end - 64, 2, t.tail.data, n,
					   t.tail.data),
			 0);
	ck_assert_mem_eq(t.tail.data, t.entries.data, t.entries.len);
	tail_release(&t);
}
END_TEST

START_TEST(an_authentic_footer_is_checked)
{
	const uint64_t body = 2 * (10 + TAG_BYTES);
	uint8_t plain[PACK_FOOTER_PLAIN_BYTES] = { 0 };
	uint64_t got_body = 0;
	uint32_t got_n = 0;
	struct tail t;

	tail_start(&t, 2, 10, false);
	le64_put(plain, body);
	le32_put(plain + 8, 2);
	ck_assert_int_eq(pack_footer_decode(t.header, 65536, plain, &got_body,
					    &got_n),
			 0);
	ck_assert_uint_eq(got_body, body);
	ck_assert_uint_eq(got_n, 2);
	ck_assert_int_eq(pack_footer_decode(t.header, 131072, plain, &got_body,
					    &got_n),
			 ERR_MALFORMED);
	le32_put(plain + 8, 0);
	ck_assert_int_eq(pack_footer_decode(t.header, 65536, plain, &got_body,
					    &got_n),
			 ERR_MALFORMED);
	le32_put(plain + 8, PACK_MAX_ENTRIES + 1);
	ck_assert_int_eq(pack_footer_decode(t.header, 65536, plain, &got_body,
					    &got_n),
			 ERR_LIMIT);
	le32_put(plain + 8, 2);
	plain[12] = 1;
	ck_assert_int_eq(pack_footer_decode(t.header, 65536, plain, &got_body,
					    &got_n),
			 ERR_MALFORMED);
	plain[12] = 0;
	plain[31] = 1;
	ck_assert_int_eq(pack_footer_decode(t.header, 65536, plain, &got_body,
					    &got_n),
			 ERR_MALFORMED);
	plain[31] = 0;
	le64_put(plain, PACK_MAX_BYTES);
	ck_assert_int_eq(pack_footer_decode(t.header, 65536, plain, &got_body,
					    &got_n),
			 ERR_LIMIT);
	le64_put(plain, UINT64_MAX);
	ck_assert_int_eq(pack_footer_decode(t.header, 65536, plain, &got_body,
					    &got_n),
			 ERR_LIMIT);
	tail_release(&t);
}
END_TEST

START_TEST(the_body_of_a_stage_file_ends_at_a_32_bit_offset)
{
	uint8_t plain[PACK_FOOTER_PLAIN_BYTES] = { 0 };
	uint64_t body = UINT32_MAX - PACK_HEADER_BYTES, got_body = 0;
	uint32_t got_n = 77;
	struct tail t;

	tail_start(&t, 0, 10, true);
	le64_put(plain, body);
	ck_assert_int_eq(pack_footer_decode(t.header, body + 64 + 96, plain,
					    &got_body, &got_n),
			 0);
	ck_assert_uint_eq(got_body, body);
	ck_assert_uint_eq(got_n, 0);
	le64_put(plain, ++body);
	ck_assert_int_eq(pack_footer_decode(t.header, body + 64 + 96, plain,
					    &got_body, &got_n),
			 ERR_LIMIT);
	tail_release(&t);
}
END_TEST

START_TEST(an_authentic_trailer_is_checked)
{
	uint8_t plain[192] = { 0 };
	struct tail t;

	tail_start(&t, 2, 10, false);
	memcpy(plain, t.entries.data, 128);
	ck_assert_int_eq(pack_trailer_check(plain, 192, 2, t.body_end), 0);
	ck_assert_int_eq(pack_trailer_check(plain, 128, 2, t.body_end), 0);
	ck_assert_int_eq(pack_trailer_check(plain, 127, 2, t.body_end),
			 ERR_TRUNCATED);
	plain[128] = 1;
	ck_assert_int_eq(pack_trailer_check(plain, 192, 2, t.body_end),
			 ERR_MALFORMED);
	plain[128] = 0;
	plain[191] = 1;
	ck_assert_int_eq(pack_trailer_check(plain, 192, 2, t.body_end),
			 ERR_MALFORMED);
	plain[191] = 0;
	plain[48]++;
	ck_assert_int_eq(pack_trailer_check(plain, 192, 2, t.body_end),
			 ERR_MALFORMED);
	tail_release(&t);
}
END_TEST

START_TEST(a_tail_that_no_reader_would_take_is_not_sealed)
{
	struct tail t;

	tail_start(&t, 0, 1, false);
	ck_assert_int_eq(tail_seal(&t), ERR_MALFORMED);
	tail_release(&t);

	tail_start(&t, 2, 10, false);
	t.body_end++;
	ck_assert_int_eq(tail_seal(&t), ERR_MALFORMED);
	t.body_end = PACK_HEADER_BYTES - 1;
	ck_assert_int_eq(tail_seal(&t), ERR_MALFORMED);
	t.body_end = UINT64_MAX;
	ck_assert_int_eq(tail_seal(&t), ERR_LIMIT);
	ck_assert_uint_eq(t.tail.len, 0);
	ck_assert_int_eq(buf_error(&t.tail), 0);
	tail_release(&t);
}
END_TEST

START_TEST(a_full_buffer_is_an_error)
{
	struct tail t;

	tail_start(&t, 2, 10, false);
	t.tail.max = 65000;
	t.total = 77;
	ck_assert_int_eq(tail_seal(&t), ERR_LIMIT);
	ck_assert_uint_eq(t.total, 77);
	tail_release(&t);
}
END_TEST

START_TEST(a_pack_holds_65536_entries)
{
	struct tail t;

	tail_make(&t, PACK_MAX_ENTRIES, 1, false);
	ck_assert_int_eq(tail_open(&t), 0);
	tail_release(&t);
	tail_start(&t, PACK_MAX_ENTRIES + 1, 1, false);
	ck_assert_int_eq(tail_seal(&t), ERR_LIMIT);
	tail_release(&t);
}
END_TEST

START_TEST(a_pack_holds_64_mebibytes)
{
	struct tail t;

	/* Of 4 MiB chunks 15 fit, padded to 63 MiB and more; 16 do not. */
	tail_make(&t, 15, CHUNK_MAX_BYTES, false);
	ck_assert_uint_le(t.total, PACK_MAX_BYTES);
	ck_assert_int_eq(tail_open(&t), 0);
	tail_release(&t);
	/* 16 records of 4,194,096 bytes: just it. */
	tail_make(&t, 16, 4190000, false);
	ck_assert_uint_eq(t.total, PACK_MAX_BYTES);
	ck_assert_int_eq(tail_open(&t), 0);
	tail_release(&t);
	tail_start(&t, 16, CHUNK_MAX_BYTES, false);
	ck_assert_int_eq(tail_seal(&t), ERR_LIMIT);
	tail_release(&t);
	tail_make(&t, 16, CHUNK_MAX_BYTES, true);
	ck_assert_int_eq(tail_open(&t), 0);
	tail_release(&t);
}
END_TEST

static Suite *pack_suite(void)
{
	Suite *suite = suite_create("pack");
	TCase *tcase = tcase_create("padding");

	tcase_add_test(tcase, lengths_are_padded_as_by_padme);
	tcase_add_test(tcase, a_padded_length_stays_and_costs_little);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("header and entries");
	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, a_header_is_laid_out_as_specified);
	tcase_add_test(tcase, a_header_is_checked);
	tcase_add_test(tcase, a_stage_file_has_neither_epoch_nor_key);
	tcase_add_test(tcase, an_entry_is_laid_out_as_specified);
	tcase_add_test(tcase, an_entry_is_checked);
	tcase_add_test(tcase, an_entry_cut_anywhere_is_rejected);
	tcase_add_test(tcase, entries_stand_in_order_without_gap);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("records");
	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase,
		       what_is_authenticated_with_a_record_is_as_specified);
	tcase_add_test(tcase, a_record_is_a_chain_of_sub_blocks);
	tcase_add_test(tcase, sub_blocks_of_a_record_open_alone);
	tcase_add_test(tcase, every_flipped_bit_of_a_record_is_noticed);
	tcase_add_test(tcase, sealing_a_chunk_again_draws_again);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("tail");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, a_tail_is_read_back);
	tcase_add_test(tcase, a_stage_file_has_no_padding);
	tcase_add_test(tcase, trailer_and_footer_are_laid_out_as_specified);
	tcase_add_test(tcase, the_padding_is_not_to_be_seen);
	tcase_add_test(tcase, every_flipped_bit_of_a_tail_is_noticed);
	tcase_add_test(tcase, a_footer_of_another_total_is_rejected);
	tcase_add_test(tcase, a_trailer_of_another_length_is_rejected);
	tcase_add_test(tcase, an_authentic_footer_is_checked);
	tcase_add_test(tcase, the_body_of_a_stage_file_ends_at_a_32_bit_offset);
	tcase_add_test(tcase, an_authentic_trailer_is_checked);
	tcase_add_test(tcase, a_tail_that_no_reader_would_take_is_not_sealed);
	tcase_add_test(tcase, a_full_buffer_is_an_error);
	tcase_add_test(tcase, a_pack_holds_65536_entries);
	tcase_add_test(tcase, a_pack_holds_64_mebibytes);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run_suite(pack_suite());
}
