/* SPDX-License-Identifier: ISC */
/*
 * 0: length of the file 8, a segment's header.  1: epoch 4, seq 8, writer 8,
 * an opened body.  2: the same with a body cut off where its padding starts,
 * the used length in it being put right.  3: a file's name.
 */
#include "format/op.h"
#include "format/segment.h"
#include "format/segment_priv.h"
#include "fuzz.h"

static void fuzz_header(const uint8_t *data, size_t size)
{
	const uint64_t file_bytes = fuzz_number(&data, &size, 8);
	uint8_t in[SEGMENT_HEADER_BYTES];
	struct segment_header h;

	fuzz_fixed(data, size, in, sizeof(in));
	if (segment_header_decode(in, file_bytes, &h) < 0)
		return;
	FUZZ_REQUIRE(file_bytes <= SEGMENT_FILE_MAX);
	FUZZ_REQUIRE(h.body_bytes <= SEGMENT_BODY_MAX);
	FUZZ_REQUIRE(h.seq >= 1 && h.seq <= SEGMENT_SEQ_MAX);
}

static void require_lists(const struct segment_body *body)
{
	struct cursor c = body->vv;
	uint32_t i;

	for (i = 0; i < body->n_vv; i++) {
		struct segment_vv v;

		segment_vv_read(&c, &v);
		FUZZ_REQUIRE(v.ack <= v.context);
	}
	FUZZ_REQUIRE(cursor_finish(&c) == 0);
	c = body->packs;
	for (i = 0; i < body->n_packs; i++) {
		struct segment_pack p;

		segment_pack_read(&c, &p);
		FUZZ_REQUIRE(p.n_entries >= 1);
	}
	FUZZ_REQUIRE(cursor_finish(&c) == 0);
	c = body->required;
	for (i = 0; i < body->n_required; i++) {
		struct segment_required r;

		segment_required_read(&c, &r);
	}
	FUZZ_REQUIRE(cursor_finish(&c) == 0);
	c = body->ops;
	for (i = 0; i < body->n_ops; i++) {
		struct op op = { 0 };
		int found = op_decode(&c, &op);

		FUZZ_REQUIRE(found >= 0);
		FUZZ_REQUIRE(found == 0 || (op.clock >= body->first &&
					    op.clock <= body->last));
	}
	FUZZ_REQUIRE(cursor_finish(&c) == 0);
}

static void fuzz_body(const uint8_t *data, size_t size,
		      struct segment_header *h)
{
	auto_buf struct buf again = BUF_INIT(FUZZ_BUF_MAX);
	struct segment_body body;

	h->body_bytes = size;
	if (segment_body_decode(data, h, &body) < 0)
		return;
	require_lists(&body);
	segment_body_encode(&body, &again);
	fuzz_require_same(&again, data, size);
}

static void fuzz_used(const uint8_t *data, size_t size,
		      struct segment_header *h)
{
	auto_buf struct buf whole = BUF_INIT(FUZZ_BUF_MAX);

	if (size < SEGMENT_FIXED_BYTES)
		return;
	buf_put(&whole, data, size);
	buf_patch_u64(&whole, 0, size);
	buf_put_zeros(&whole,
		      (size_t)pad_length(size, SEGMENT_PAD_BYTES) - size);
	FUZZ_REQUIRE(buf_error(&whole) == 0);
	fuzz_body(whole.data, whole.len, h);
}

static void fuzz_name(const uint8_t *data, size_t size)
{
	char name[64] = { 0 }, again[SEGMENT_NAME_LEN + 1];
	struct file_hash hash = { { 0 } };
	uint64_t seq;

	memcpy(name, data, size < sizeof(name) ? size : sizeof(name) - 1);
	if (segment_name_parse(name, &seq, hash.b) < 0)
		return;
	segment_name_format(seq, &hash, again);
	FUZZ_REQUIRE(strcmp(name, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint64_t choice = fuzz_number(&data, &size, 1) % 4;
	struct segment_header h = { 0 };

	if (choice == 0) {
		fuzz_header(data, size);
	} else if (choice == 3) {
		fuzz_name(data, size);
	} else {
		h.epoch = (uint32_t)fuzz_number(&data, &size, 4);
		h.seq = fuzz_number(&data, &size, 8);
		h.writer = fuzz_number(&data, &size, 8);
		if (choice == 1)
			fuzz_body(data, size, &h);
		else
			fuzz_used(data, size, &h);
	}
	return 0;
}
