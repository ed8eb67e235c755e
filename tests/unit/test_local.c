/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "crypto/aead.h"
#include "format/local.h"
#include "format/op.h"
#include "format/segment.h"
#include "format_fixture.h"
#include "op_samples.h"

#define WORK_BYTES ((size_t)160 << 20)

static struct epoch_keys keys;
static struct local_keys local;
static struct key dk;

static void start(void)
{
	epoch_keys_fixed(3, &keys);
	local_keys_fixed(&local);
	dk = key_from(200);
}

/* ---- the file `writer` ---- */

static uint8_t writer_bytes[WRITER_FILE_BYTES];

static void make_writer(void)
{
	struct writer_file w = { .epoch = 3, .writer = 0x1112131415161718 };

	fill_from(1, w.vault.b, sizeof(w.vault.b));
	memcpy(w.key_id.b, keys.id.b, sizeof(w.key_id.b));
	writer_file_seal(&w, &keys, &dk, writer_bytes);
}

START_TEST(the_writer_file_is_laid_out_as_specified)
{
	uint8_t plain[32];

	make_writer();
	ck_assert_mem_eq(writer_bytes, "COFFERW1", 8);
	assert_hex(writer_bytes + 8, 32,
		   "0100000003000000" /* version, reserved, epoch */
		   "0102030405060708090a0b0c0d0e0f10"
		   "1817161514131211");
	ck_assert_mem_eq(writer_bytes + 40, keys.id.b, 8);
	ck_assert_int_eq(aead_open(&keys.loc, writer_bytes + 48, writer_bytes,
				   72, writer_bytes + 72, 48, plain),
			 0);
	ck_assert_mem_eq(plain, dk.b, 32);
}
END_TEST

START_TEST(the_writer_file_is_read_back)
{
	struct writer_file w;
	struct key got;

	make_writer();
	ck_assert_int_eq(writer_file_decode(writer_bytes, &w), 0);
	ck_assert_uint_eq(w.epoch, 3);
	ck_assert_uint_eq(w.writer, 0x1112131415161718);
	ck_assert_uint_eq(w.vault.b[15], 16);
	ck_assert_mem_eq(w.key_id.b, keys.id.b, 8);
	ck_assert_int_eq(writer_file_open(writer_bytes, &keys, &got), 0);
	ck_assert_mem_eq(got.b, dk.b, 32);
}
END_TEST

START_TEST(the_writer_file_is_sealed_with_a_fresh_nonce)
{
	uint8_t before[WRITER_FILE_BYTES];

	make_writer();
	memcpy(before, writer_bytes, sizeof(before));
	make_writer();
	ck_assert_mem_ne(before + 48, writer_bytes + 48, 24);
	ck_assert_mem_ne(before + 72, writer_bytes + 72, 48);
}
END_TEST

static int open_writer(void *arg)
{
	const struct key untouched = key_from(1);
	struct key got = untouched;
	int err = writer_file_open(writer_bytes, arg, &got);

	if (err < 0)
		ck_assert_mem_eq(got.b, untouched.b, 32);
	return err;
}

START_TEST(every_flipped_bit_of_the_writer_file_is_noticed)
{
	const struct key other = key_from(9);

	make_writer();
	assert_flips_fail(writer_bytes, 0, sizeof(writer_bytes), open_writer,
			  &keys);
	keys_epoch(&other, 3, &keys);
	ck_assert_int_eq(open_writer(&keys), ERR_BAD_SEAL);
}
END_TEST

START_TEST(the_writer_file_is_checked)
{
	const struct {
		size_t at, n;
		uint64_t value;
		int err;
	} table[] = {
		{ 0, 1, 'c', ERR_MALFORMED },
		{ 8, 2, 0, ERR_NEWER },
		{ 8, 2, 2, ERR_NEWER },
		{ 10, 1, 1, ERR_MALFORMED },
		{ 11, 1, 1, ERR_MALFORMED },
		{ 12, 4, 0, ERR_MALFORMED },
		{ 32, 8, 0, ERR_MALFORMED },
		{ 12, 4, 1, 0 },
		{ 32, 8, 1, 0 },
		{ 12, 4, 0xffffffff, 0 },
	};
	size_t i, k;

	for (i = 0; i < array_len(table); i++) {
		struct writer_file w;

		make_writer();
		for (k = 0; k < table[i].n; k++)
			writer_bytes[table[i].at + k] =
				(uint8_t)(table[i].value >> (8 * k));
		ck_assert_int_eq(writer_file_decode(writer_bytes, &w),
				 table[i].err);
	}
}
END_TEST

/* ---- frames ---- */

struct frame {
	struct frame_header h;
	struct buf buf;
	uint8_t *opened;
	size_t at; /* where it starts in buf */
};

static void frame_make(struct frame *f, size_t body_bytes)
{
	auto_free uint8_t *body = mem_alloc(body_bytes);

	ck_assert_ptr_nonnull(body);
	fill_from(0, body, body_bytes);
	memset(f, 0, sizeof(*f));
	fill_from(0xe0, f->h.journal_id, sizeof(f->h.journal_id));
	f->h.number = 0x0102030405060708;
	f->h.type = FRAME_CUT;
	buf_init(&f->buf, WORK_BYTES);
	f->opened = mem_alloc(body_bytes);
	ck_assert_ptr_nonnull(f->opened);
	ck_assert_int_eq(frame_seal(&local, &f->h, body, body_bytes, &f->buf),
			 0);
}

static int frame_read(void *arg)
{
	struct frame *f = arg;
	const uint8_t *in = f->buf.data + f->at;
	struct frame_header h;
	int err = frame_header_decode(in, &h);

	if (err < 0)
		return err;
	/* What a reader compares with the file's size. */
	if (h.body_bytes > f->h.body_bytes)
		return ERR_TRUNCATED;
	return frame_open(&local, in, &h, in + FRAME_HEADER_BYTES, f->opened);
}

static void frame_release(struct frame *f)
{
	buf_release(&f->buf);
	mem_free(f->opened);
}

START_TEST(a_frame_is_laid_out_as_specified)
{
	uint8_t nonce[NONCE_BYTES], plain[10];
	struct frame f;
	size_t i;

	frame_make(&f, 10);
	ck_assert_uint_eq(f.h.body_bytes, 10);
	ck_assert_uint_eq(f.buf.len, FRAME_ALIGN);
	ck_assert_mem_eq(f.buf.data, "COFFERJ1", 8);
	assert_hex(f.buf.data + 8, 40,
		   "e0e1e2e3e4e5e6e7e8e9eaebecedeeef"
		   "0807060504030201"
		   "0a00000002000000" /* length, type, reserved */
		   "0000000000000000");
	ck_assert_mem_eq(f.buf.data + 48, f.h.r16.b, 16);
	aead_nonce(&f.h.r16, (uint64_t)1 << 63, nonce);
	ck_assert_int_eq(aead_open(&local.jnl, nonce, f.buf.data, 64,
				   f.buf.data + 64, 26, plain),
			 0);
	assert_hex(plain, 10, "00010203040506070809");
	for (i = 64 + 26; i < f.buf.len; i++)
		ck_assert_uint_eq(f.buf.data[i], 0);
	frame_release(&f);
}
END_TEST

START_TEST(a_frame_takes_whole_blocks)
{
	const size_t sizes[] = { 0, 1, 4016, 4017, 8112, 8113 };
	const size_t blocks[] = { 1, 1, 1, 2, 2, 3 };
	size_t i;

	for (i = 0; i < array_len(sizes); i++) {
		struct frame f;

		frame_make(&f, sizes[i]);
		ck_assert_uint_eq(f.buf.len, blocks[i] * FRAME_ALIGN);
		ck_assert_int_eq(frame_read(&f), 0);
		frame_release(&f);
	}
}
END_TEST

START_TEST(a_frame_of_each_type_is_read_back)
{
	int type;

	for (type = FRAME_MARKS; type <= FRAME_SEALED; type++) {
		auto_buf struct buf b = BUF_INIT(FRAME_ALIGN);
		struct frame_header h = { .type = (enum frame_type)type }, got;

		ck_assert_int_eq(frame_seal(&local, &h, "body", 4, &b), 0);
		ck_assert_int_eq(frame_header_decode(b.data, &got), 0);
		ck_assert_int_eq(got.type, type);
	}
}
END_TEST

START_TEST(frames_follow_each_other_in_a_buffer)
{
	struct frame f;

	frame_make(&f, 100);
	f.h.number++;
	ck_assert_int_eq(frame_seal(&local, &f.h, "more", 4, &f.buf), 0);
	ck_assert_uint_eq(f.buf.len, 2 * FRAME_ALIGN);
	f.at = FRAME_ALIGN;
	ck_assert_int_eq(frame_read(&f), 0);
	ck_assert_mem_eq(f.opened, "more", 4);
	frame_release(&f);
}
END_TEST

START_TEST(every_flipped_bit_of_a_frame_is_noticed)
{
	struct frame f;

	frame_make(&f, 200);
	assert_flips_fail(f.buf.data, 0, 64 + 216, frame_read, &f);
	frame_release(&f);
}
END_TEST

START_TEST(another_key_opens_no_frame)
{
	const struct key other = key_from(101);
	struct frame f;

	frame_make(&f, 200);
	keys_local(&other, &local);
	ck_assert_int_eq(frame_read(&f), ERR_BAD_SEAL);
	frame_release(&f);
}
END_TEST

START_TEST(what_is_no_frame_is_told)
{
	const struct {
		size_t at, n;
		uint64_t value;
	} table[] = {
		{ 0, 1, 0 },
		{ 7, 1, '2' },
		{ 32, 4, FRAME_BODY_MAX + 1 },
		{ 32, 4, 0xffffffff },
		{ 36, 1, 0 },
		{ 36, 1, 4 },
		{ 37, 1, 1 },
		{ 47, 1, 1 },
	};
	uint8_t zeros[FRAME_HEADER_BYTES] = { 0 };
	struct frame_header h, before;
	size_t i, k;

	memset(&h, 0x5a, sizeof(h));
	memcpy(&before, &h, sizeof(h));
	ck_assert_int_eq(frame_header_decode(zeros, &h), ERR_MALFORMED);
	for (i = 0; i < array_len(table); i++) {
		struct frame f;

		frame_make(&f, 1);
		for (k = 0; k < table[i].n; k++)
			f.buf.data[table[i].at + k] =
				(uint8_t)(table[i].value >> (8 * k));
		ck_assert_int_eq(frame_header_decode(f.buf.data, &h),
				 ERR_MALFORMED);
		ck_assert_mem_eq(&h, &before, sizeof(h));
		frame_release(&f);
	}
}
END_TEST

START_TEST(a_frame_holds_64_mebibytes)
{
	struct frame f;

	frame_make(&f, FRAME_BODY_MAX);
	ck_assert_int_eq(frame_read(&f), 0);
	ck_assert_int_eq(frame_seal(&local, &f.h, f.buf.data,
				    FRAME_BODY_MAX + 1, &f.buf),
			 ERR_LIMIT);
	ck_assert_int_eq(buf_error(&f.buf), 0);
	frame_release(&f);
}
END_TEST

START_TEST(a_full_buffer_is_an_error)
{
	auto_buf struct buf small = BUF_INIT(FRAME_ALIGN - 1);
	struct frame_header h = { .number = 1, .type = FRAME_CUT }, before = h;

	ck_assert_int_eq(frame_seal(&local, &h, "body", 4, &small), ERR_LIMIT);
	ck_assert_mem_eq(&h, &before, sizeof(h));
}
END_TEST

/* ---- bodies ---- */

/* A body, spoilt at `at` by the `n` bytes of `value`, must give `err`. */
struct spoilt {
	size_t at, n;
	uint64_t value;
	int err;
};

typedef int decode_fn(struct cursor *c);

static int decode_bytes(decode_fn *decode, const uint8_t *data, size_t n)
{
	struct cursor c;

	cursor_init(&c, data, n);
	return decode(&c);
}

static void assert_spoilt(decode_fn *decode, const struct buf *good,
			  const struct spoilt *table, size_t count)
{
	auto_free uint8_t *copy = mem_alloc(good->len + 1);
	size_t i, k;

	ck_assert_ptr_nonnull(copy);
	ck_assert_int_eq(decode_bytes(decode, good->data, good->len), 0);
	for (i = 0; i < count; i++) {
		int err;

		ck_assert_uint_le(table[i].at + table[i].n, good->len);
		memcpy(copy, good->data, good->len);
		for (k = 0; k < table[i].n; k++)
			copy[table[i].at + k] =
				(uint8_t)(table[i].value >> (8 * k));
		err = decode_bytes(decode, copy, good->len);
		ck_assert_msg(err == table[i].err, "row %zu: %d", i, err);
	}
	memcpy(copy, good->data, good->len);
	for (i = 0; i < good->len; i++)
		ck_assert_int_lt(decode_bytes(decode, copy, i), 0);
	copy[good->len] = 0;
	ck_assert_int_eq(decode_bytes(decode, copy, good->len + 1),
			 ERR_MALFORMED);
}

static int decode_marks(struct cursor *c)
{
	struct marks m;

	return marks_decode(c, &m);
}

static void make_marks(struct buf *b)
{
	auto_buf struct buf heads = BUF_INIT(4096);
	struct marks m = {
		.newest_epoch = 3,
		.index_generation = 0x1111,
		.session = 0x2222,
		.index_clean = true,
		.index_frame = 0x3333,
		.n_heads = 2,
	};
	struct marks_head head = { .writer = 7, .seq = 8 };

	fill_from(1, m.header_mac.b, sizeof(m.header_mac.b));
	fill_from(0x41, m.newest_key.b, sizeof(m.newest_key.b));
	fill_from(0x81, head.head.b, sizeof(head.head.b));
	marks_head_put(&heads, &head);
	head.writer = 0x100;
	marks_head_put(&heads, &head);
	cursor_init(&m.heads, heads.data, heads.len);
	marks_encode(&m, b);
	ck_assert_int_eq(buf_error(b), 0);
}

START_TEST(marks_are_laid_out_as_specified)
{
	auto_buf struct buf b = BUF_INIT(4096);

	make_marks(&b);
	assert_hex(b.data, b.len,
		   "0102030405060708090a0b0c0d0e0f10"
		   "1112131415161718191a1b1c1d1e1f20"
		   "0300000001000000"
		   "4142434445464748494a4b4c4d4e4f50"
		   "5152535455565758595a5b5c5d5e5f60"
		   "111100000000000022220000000000003333000000000000"
		   "0200000000000000"
		   "07000000000000000800000000000000"
		   "8182838485868788898a8b8c8d8e8f90"
		   "9192939495969798999a9b9c9d9e9fa0"
		   "00010000000000000800000000000000"
		   "8182838485868788898a8b8c8d8e8f90"
		   "9192939495969798999a9b9c9d9e9fa0");
}
END_TEST

START_TEST(marks_are_read_back)
{
	auto_buf struct buf b = BUF_INIT(4096);
	struct marks_head head;
	struct cursor c;
	struct marks m;

	make_marks(&b);
	cursor_init(&c, b.data, b.len);
	ck_assert_int_eq(marks_decode(&c, &m), 0);
	ck_assert_uint_eq(m.header_mac.b[31], 0x20);
	ck_assert_uint_eq(m.newest_epoch, 3);
	ck_assert_uint_eq(m.newest_key.b[31], 0x60);
	ck_assert_uint_eq(m.index_generation, 0x1111);
	ck_assert_uint_eq(m.session, 0x2222);
	ck_assert(m.index_clean);
	ck_assert_uint_eq(m.index_frame, 0x3333);
	ck_assert_uint_eq(m.n_heads, 2);
	marks_head_read(&m.heads, &head);
	marks_head_read(&m.heads, &head);
	ck_assert_uint_eq(head.writer, 0x100);
	ck_assert_uint_eq(head.seq, 8);
	ck_assert_uint_eq(head.head.b[31], 0xa0);
	ck_assert_int_eq(cursor_finish(&m.heads), 0);
	b.data[36] = 0;
	cursor_init(&c, b.data, b.len);
	ck_assert_int_eq(marks_decode(&c, &m), 0);
	ck_assert(!m.index_clean);
}
END_TEST

START_TEST(marks_are_checked)
{
	const struct spoilt table[] = {
		{ 36, 4, 2, ERR_NEWER },
		{ 36, 4, 0x80000000, ERR_NEWER },
		{ 96, 4, 1, ERR_MALFORMED },
		{ 96, 4, 3, ERR_TRUNCATED },
		{ 96, 4, 0xffffffff, ERR_TRUNCATED },
		{ 100, 1, 1, ERR_MALFORMED },
		{ 104, 8, 0, ERR_MALFORMED },
		{ 104, 8, 0x100, ERR_MALFORMED },
		{ 104, 8, 0x101, ERR_MALFORMED },
		{ 112, 8, 0, ERR_MALFORMED },
		{ 112, 8, 1, 0 },
		{ 112, 8, SEGMENT_SEQ_MAX, 0 },
		{ 112, 8, SEGMENT_SEQ_MAX + 1, ERR_MALFORMED },
	};
	auto_buf struct buf b = BUF_INIT(4096);

	make_marks(&b);
	assert_spoilt(decode_marks, &b, table, array_len(table));
}
END_TEST

static int decode_sealed(struct cursor *c)
{
	struct sealed_mark s;

	return sealed_mark_decode(c, &s);
}

START_TEST(a_sealed_segment_is_named_by_number_length_and_hash)
{
	const struct spoilt table[] = {
		{ 0, 8, 0, ERR_MALFORMED },
		{ 0, 8, 1, 0 },
		{ 0, 8, SEGMENT_SEQ_MAX, 0 },
		{ 0, 8, SEGMENT_SEQ_MAX + 1, ERR_MALFORMED },
		{ 8, 8, SEGMENT_HEADER_BYTES, ERR_MALFORMED },
		{ 8, 8, SEGMENT_FILE_MAX, 0 },
		{ 8, 8, SEGMENT_FILE_MAX + 1, ERR_MALFORMED },
	};
	struct sealed_mark s = { .seq = 5, .file_bytes = 4208 }, got;
	auto_buf struct buf b = BUF_INIT(4096);
	struct cursor c;

	fill_from(1, s.hash.b, sizeof(s.hash.b));
	sealed_mark_encode(&s, &b);
	ck_assert_int_eq(buf_error(&b), 0);
	assert_hex(b.data, b.len,
		   "05000000000000007010000000000000"
		   "0102030405060708090a0b0c0d0e0f10"
		   "1112131415161718191a1b1c1d1e1f20");
	cursor_init(&c, b.data, b.len);
	ck_assert_int_eq(sealed_mark_decode(&c, &got), 0);
	ck_assert_uint_eq(got.seq, 5);
	ck_assert_uint_eq(got.file_bytes, 4208);
	ck_assert_mem_eq(&got.hash, &s.hash, sizeof(s.hash));
	assert_spoilt(decode_sealed, &b, table, array_len(table));
}
END_TEST

static int decode_cut(struct cursor *c)
{
	struct cut cut;

	return cut_decode(c, &cut);
}

/* The four lists of a cut in the making. */
struct lists {
	struct cut cut;
	struct buf runs, packs, stage, chunks;
};

static void lists_init(struct lists *l)
{
	memset(l, 0, sizeof(*l));
	buf_init(&l->runs, WORK_BYTES);
	buf_init(&l->packs, WORK_BYTES);
	buf_init(&l->stage, WORK_BYTES);
	buf_init(&l->chunks, WORK_BYTES);
}

static void lists_release(struct lists *l)
{
	buf_release(&l->runs);
	buf_release(&l->packs);
	buf_release(&l->stage);
	buf_release(&l->chunks);
}

/* `n` operations that do nothing. */
static void add_run(struct lists *l, uint64_t seq, uint32_t first, uint32_t n)
{
	auto_buf struct buf raw = BUF_INIT(WORK_BYTES);
	struct cut_ops run = { .seq = seq, .first_index = first, .n_ops = n };
	uint32_t i;

	for (i = 0; i < n; i++)
		ck_assert_int_eq(op_encode(&op_sample("nop")->op, &raw), 0);
	run.raw = raw.data;
	run.raw_bytes = (uint32_t)raw.len;
	cut_ops_put(&l->runs, &run);
	l->cut.n_runs++;
}

static struct pack_entry entry_of(uint32_t plain)
{
	struct pack_entry e = {
		.offset = 64,
		.stored_bytes = record_stored_bytes(plain),
		.plain_bytes = plain,
	};

	fill_from(1, e.id.b, sizeof(e.id.b));
	fill_from(0x41, e.r16.b, sizeof(e.r16.b));
	return e;
}

static void add_others(struct lists *l)
{
	auto_buf struct buf entries = BUF_INIT(64);
	struct segment_pack p = {
		.size = 65536, .epoch = 1, .type = PACK_DATA, .n_entries = 1
	};
	struct cut_stage_entry e = { .file = 11, .entry = entry_of(16385) };
	struct cut_chunk chunk = { .file = 12,
				   .entry = entry_of(5),
				   .bytes = (const uint8_t *)"bytes" };

	pack_entry_put(&entries, &chunk.entry);
	p.entries = entries.data;
	segment_pack_put(&l->packs, &p);
	l->cut.n_packs++;
	cut_stage_entry_put(&l->stage, &e);
	cut_stage_entry_put(&l->stage, &e);
	l->cut.n_stage += 2;
	cut_chunk_put(&l->chunks, &chunk);
	l->cut.n_chunks++;
}

static void lists_encode(struct lists *l, struct buf *b)
{
	cursor_init(&l->cut.runs, l->runs.data, l->runs.len);
	cursor_init(&l->cut.packs, l->packs.data, l->packs.len);
	cursor_init(&l->cut.stage, l->stage.data, l->stage.len);
	cursor_init(&l->cut.chunks, l->chunks.data, l->chunks.len);
	cut_encode(&l->cut, b);
	ck_assert_int_eq(buf_error(b), 0);
}

static void make_cut(struct buf *b)
{
	struct lists l;

	lists_init(&l);
	add_run(&l, 4, 7, 2);
	add_run(&l, 5, 0, 1);
	add_others(&l);
	lists_encode(&l, b);
	lists_release(&l);
}

START_TEST(a_cut_is_laid_out_as_specified)
{
	auto_buf struct buf b = BUF_INIT(4096);
	const char *const nop = op_sample("nop")->hex;

	make_cut(&b);
	assert_hex(b.data, 16, "02000000010000000200000001000000");
	assert_hex(b.data + 16, 24,
		   "040000000000000007000000020000002000000000000000");
	assert_hex(b.data + 40, 16, nop);
	assert_hex(b.data + 56, 16, nop);
	assert_hex(b.data + 72, 24,
		   "050000000000000000000000010000001000000000000000");
	assert_hex(b.data + 96, 16, nop);
	/* a pack of 44 + 64 at 112, two stage entries of 72 at 220 */
	assert_hex(b.data + 112 + 16, 8, "0000010000000000");
	assert_hex(b.data + 220, 72,
		   "0b00000000000000"
		   "0102030405060708090a0b0c0d0e0f10"
		   "1112131415161718191a1b1c1d1e1f20"
		   "4142434445464748494a4b4c4d4e4f50"
		   "40000000214000000140000000000000");
	/* a chunk at 364 */
	assert_hex(b.data + 364, 8, "0c00000000000000");
	ck_assert_mem_eq(b.data + 436, "bytes", 5);
	ck_assert_uint_eq(b.len, 441);
}
END_TEST

START_TEST(a_cut_is_read_back)
{
	auto_buf struct buf b = BUF_INIT(4096);
	struct cut_stage_entry e;
	struct segment_pack p;
	struct cut_chunk chunk;
	struct cut_ops run;
	struct cursor c;
	struct cut cut;

	make_cut(&b);
	cursor_init(&c, b.data, b.len);
	ck_assert_int_eq(cut_decode(&c, &cut), 0);
	ck_assert_uint_eq(cut.n_runs, 2);
	cut_ops_read(&cut.runs, &run);
	ck_assert_uint_eq(run.seq, 4);
	ck_assert_uint_eq(run.first_index, 7);
	ck_assert_uint_eq(run.n_ops, 2);
	ck_assert_uint_eq(run.raw_bytes, 32);
	ck_assert_ptr_eq(run.raw, b.data + 40);
	cut_ops_read(&cut.runs, &run);
	ck_assert_uint_eq(run.seq, 5);
	ck_assert_int_eq(cursor_finish(&cut.runs), 0);

	ck_assert_uint_eq(cut.n_packs, 1);
	segment_pack_read(&cut.packs, &p);
	ck_assert_uint_eq(p.n_entries, 1);
	ck_assert_int_eq(cursor_finish(&cut.packs), 0);

	ck_assert_uint_eq(cut.n_stage, 2);
	cut_stage_entry_read(&cut.stage, &e);
	cut_stage_entry_read(&cut.stage, &e);
	ck_assert_uint_eq(e.file, 11);
	ck_assert_uint_eq(e.entry.plain_bytes, 16385);
	ck_assert_int_eq(cursor_finish(&cut.stage), 0);

	ck_assert_uint_eq(cut.n_chunks, 1);
	cut_chunk_read(&cut.chunks, &chunk);
	ck_assert_uint_eq(chunk.file, 12);
	ck_assert_mem_eq(chunk.bytes, "bytes", 5);
	ck_assert_int_eq(cursor_finish(&cut.chunks), 0);
}
END_TEST

START_TEST(an_empty_cut_is_read_back)
{
	auto_buf struct buf b = BUF_INIT(4096);
	struct lists l;

	lists_init(&l);
	lists_encode(&l, &b);
	ck_assert_uint_eq(b.len, 16);
	ck_assert_int_eq(decode_bytes(decode_cut, b.data, b.len), 0);
	lists_release(&l);
}
END_TEST

START_TEST(a_cut_is_checked)
{
	const struct spoilt table[] = {
		{ 0, 4, 1, ERR_MALFORMED },
		{ 0, 4, 0xffffffff, ERR_TRUNCATED },
		{ 4, 4, 0xffffffff, ERR_TRUNCATED },
		{ 8, 4, 0xffffffff, ERR_TRUNCATED },
		{ 12, 4, 0xffffffff, ERR_TRUNCATED },
		{ 12, 4, 0, ERR_MALFORMED },
		{ 12, 4, 2, ERR_TRUNCATED },
		{ 16, 8, 0, ERR_MALFORMED },
		{ 16, 8, 1, 0 },
		{ 16, 8, 6, ERR_MALFORMED },
		{ 72, 8, SEGMENT_SEQ_MAX, 0 },
		{ 72, 8, SEGMENT_SEQ_MAX + 1, ERR_MALFORMED },
		{ 16, 8, SEGMENT_SEQ_MAX + 1, ERR_MALFORMED },
		{ 24, 4, SEGMENT_MAX_OPS - 2, 0 },
		{ 24, 4, SEGMENT_MAX_OPS - 1, ERR_MALFORMED },
		{ 24, 4, 0xffffffff, ERR_MALFORMED },
		{ 28, 4, 0, ERR_MALFORMED },
		{ 28, 4, 1, ERR_MALFORMED },
		{ 28, 4, 3, ERR_TRUNCATED },
		{ 28, 4, 0xffffffff, ERR_MALFORMED },
		{ 32, 4, 31, ERR_TRUNCATED },
		{ 32, 4, 0xffffffff, ERR_TRUNCATED },
		{ 36, 1, 1, ERR_MALFORMED },
		{ 44, 1, 77, ERR_NEWER }, /* type of an operation */
		{ 46, 1, 1, ERR_MALFORMED },
		{ 72, 8, 4, ERR_MALFORMED }, /* before the run's end */
		{ 80, 4, 1, 0 },
		{ 128, 8, 131072, ERR_MALFORMED },  /* size of the pack */
		{ 220 + 56, 4, 63, ERR_MALFORMED }, /* offset of an entry */
		{ 220 + 68, 1, 1, ERR_NEWER },
		{ 364 + 64, 4, 0, ERR_MALFORMED },
		{ 364 + 64, 4, 6, ERR_MALFORMED },
	};
	auto_buf struct buf b = BUF_INIT(4096);

	make_cut(&b);
	assert_spoilt(decode_cut, &b, table, array_len(table));
}
END_TEST

START_TEST(runs_go_on_in_one_segment_without_overlap)
{
	const struct {
		uint64_t seq;
		uint32_t first;
		int err;
	} table[] = {
		{ 4, 9, 0 },
		{ 4, 10, 0 },
		{ 4, 8, ERR_MALFORMED },
		{ 4, 7, ERR_MALFORMED },
		{ 3, 100, ERR_MALFORMED },
		{ 6, 0, 0 },
	};
	size_t i;

	for (i = 0; i < array_len(table); i++) {
		auto_buf struct buf b = BUF_INIT(4096);
		struct lists l;

		lists_init(&l);
		add_run(&l, 4, 7, 2);
		add_run(&l, table[i].seq, table[i].first, 1);
		lists_encode(&l, &b);
		ck_assert_int_eq(decode_bytes(decode_cut, b.data, b.len),
				 table[i].err);
		lists_release(&l);
	}
}
END_TEST

START_TEST(a_run_holds_what_a_segment_holds)
{
	auto_buf struct buf b = BUF_INIT(WORK_BYTES);
	struct lists l;

	lists_init(&l);
	add_run(&l, 4, 0, SEGMENT_MAX_OPS);
	lists_encode(&l, &b);
	ck_assert_int_eq(decode_bytes(decode_cut, b.data, b.len), 0);
	lists_release(&l);
}
END_TEST

static Suite *local_suite(void)
{
	Suite *suite = suite_create("local");
	TCase *tcase = tcase_create("writer file");

	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, the_writer_file_is_laid_out_as_specified);
	tcase_add_test(tcase, the_writer_file_is_read_back);
	tcase_add_test(tcase, the_writer_file_is_sealed_with_a_fresh_nonce);
	tcase_add_test(tcase, every_flipped_bit_of_the_writer_file_is_noticed);
	tcase_add_test(tcase, the_writer_file_is_checked);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("frames");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, a_frame_is_laid_out_as_specified);
	tcase_add_test(tcase, a_frame_takes_whole_blocks);
	tcase_add_test(tcase, a_frame_of_each_type_is_read_back);
	tcase_add_test(tcase, frames_follow_each_other_in_a_buffer);
	tcase_add_test(tcase, every_flipped_bit_of_a_frame_is_noticed);
	tcase_add_test(tcase, another_key_opens_no_frame);
	tcase_add_test(tcase, what_is_no_frame_is_told);
	tcase_add_test(tcase, a_frame_holds_64_mebibytes);
	tcase_add_test(tcase, a_full_buffer_is_an_error);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("bodies");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, marks_are_laid_out_as_specified);
	tcase_add_test(tcase, marks_are_read_back);
	tcase_add_test(tcase, marks_are_checked);
	tcase_add_test(tcase,
		       a_sealed_segment_is_named_by_number_length_and_hash);
	tcase_add_test(tcase, a_cut_is_laid_out_as_specified);
	tcase_add_test(tcase, a_cut_is_read_back);
	tcase_add_test(tcase, an_empty_cut_is_read_back);
	tcase_add_test(tcase, a_cut_is_checked);
	tcase_add_test(tcase, runs_go_on_in_one_segment_without_overlap);
	tcase_add_test(tcase, a_run_holds_what_a_segment_holds);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run_suite(local_suite());
}
