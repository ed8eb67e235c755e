/* SPDX-License-Identifier: ISC */
/*
 * 0: a frame's header; opened bodies, 1: marks, 2: a cut, 3: a sealed segment;
 * 4: the clear part of the file `writer`.
 */
#include "format/local.h"
#include "format/op.h"
#include "format/segment.h"
#include "fuzz.h"

static void fuzz_header(const uint8_t *data, size_t size)
{
	uint8_t in[FRAME_HEADER_BYTES];
	struct frame_header h;

	fuzz_fixed(data, size, in, sizeof(in));
	if (frame_header_decode(in, &h) < 0)
		return;
	FUZZ_REQUIRE(h.body_bytes <= FRAME_BODY_MAX);
	FUZZ_REQUIRE(h.type >= FRAME_MARKS && h.type <= FRAME_SEALED);
}

static void fuzz_marks(const uint8_t *data, size_t size)
{
	auto_buf struct buf again = BUF_INIT(FUZZ_BUF_MAX);
	struct cursor c;
	struct marks m;
	uint32_t i;

	cursor_init(&c, data, size);
	if (marks_decode(&c, &m) < 0)
		return;
	marks_encode(&m, &again);
	fuzz_require_same(&again, data, size);
	for (i = 0; i < m.n_heads; i++) {
		struct marks_head head;

		marks_head_read(&m.heads, &head);
		FUZZ_REQUIRE(head.seq >= 1);
	}
	FUZZ_REQUIRE(cursor_finish(&m.heads) == 0);
}

static void require_run(const struct cut_ops *run)
{
	struct cursor c;
	uint32_t i;

	cursor_init(&c, run->raw, run->raw_bytes);
	for (i = 0; i < run->n_ops; i++) {
		struct op op = { 0 };

		FUZZ_REQUIRE(op_decode(&c, &op) >= 0);
	}
	FUZZ_REQUIRE(cursor_finish(&c) == 0);
}

/* Reads the four lists and writes them again behind the counts. */
static void copy_lists(struct cut *cut, struct buf *b)
{
	uint32_t i;

	for (i = 0; i < cut->n_runs; i++) {
		struct cut_ops run;

		cut_ops_read(&cut->runs, &run);
		require_run(&run);
		cut_ops_put(b, &run);
	}
	for (i = 0; i < cut->n_packs; i++) {
		struct segment_pack p;

		segment_pack_read(&cut->packs, &p);
		segment_pack_put(b, &p);
	}
	for (i = 0; i < cut->n_stage; i++) {
		struct cut_stage_entry e;

		cut_stage_entry_read(&cut->stage, &e);
		cut_stage_entry_put(b, &e);
	}
	for (i = 0; i < cut->n_chunks; i++) {
		struct cut_chunk e;

		cut_chunk_read(&cut->chunks, &e);
		cut_chunk_put(b, &e);
	}
	FUZZ_REQUIRE(cursor_finish(&cut->runs) == 0);
	FUZZ_REQUIRE(cursor_finish(&cut->packs) == 0);
	FUZZ_REQUIRE(cursor_finish(&cut->stage) == 0);
	FUZZ_REQUIRE(cursor_finish(&cut->chunks) == 0);
}

static void fuzz_cut(const uint8_t *data, size_t size)
{
	auto_buf struct buf again = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf by_list = BUF_INIT(FUZZ_BUF_MAX);
	struct cursor c;
	struct cut cut;

	cursor_init(&c, data, size);
	if (cut_decode(&c, &cut) < 0)
		return;
	cut_encode(&cut, &again);
	fuzz_require_same(&again, data, size);
	buf_put(&by_list, data, 16);
	copy_lists(&cut, &by_list);
	fuzz_require_same(&by_list, data, size);
}

static void fuzz_sealed(const uint8_t *data, size_t size)
{
	auto_buf struct buf again = BUF_INIT(FUZZ_BUF_MAX);
	struct sealed_mark s;
	struct cursor c;

	cursor_init(&c, data, size);
	if (sealed_mark_decode(&c, &s) < 0)
		return;
	FUZZ_REQUIRE(s.file_bytes <= SEGMENT_FILE_MAX);
	sealed_mark_encode(&s, &again);
	fuzz_require_same(&again, data, size);
}

static void fuzz_writer(const uint8_t *data, size_t size)
{
	uint8_t in[WRITER_FILE_BYTES];
	struct writer_file w;

	fuzz_fixed(data, size, in, sizeof(in));
	if (writer_file_decode(in, &w) < 0)
		return;
	FUZZ_REQUIRE(w.epoch >= 1 && w.writer >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static fuzz_fn *const decoders[] = {
		fuzz_header, fuzz_marks, fuzz_cut, fuzz_sealed, fuzz_writer,
	};

	fuzz_choose(decoders, array_len(decoders), data, size);
	return 0;
}
