/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "format/op.h"
#include "format/op_priv.h"
#include "format/pack.h"
#include "format_fixture.h"
#include "op_samples.h"

#define WORK_BYTES (2 * OP_MAX_BYTES)

/* A sample's bytes; room for more behind them. */
struct bytes {
	uint8_t data[ASSERT_HEX_MAX];
	size_t n;
};

static struct bytes sample_bytes(const char *name)
{
	const struct op_sample *s = op_sample(name);
	struct bytes b = { .n = strlen(s->hex) / 2 };

	ck_assert_uint_lt(b.n, sizeof(b.data));
	ck_assert_int_eq(hex_decode(s->hex, b.n, b.data), 0);
	return b;
}

static int decode(const uint8_t *data, size_t n, struct op *ret)
{
	struct cursor c;

	cursor_init(&c, data, n);
	return op_decode(&c, ret);
}

static int decode_only(const uint8_t *data, size_t n)
{
	struct op op = { 0 };

	return decode(data, n, &op);
}

START_TEST(each_kind_is_laid_out_as_specified)
{
	size_t i, n;
	const struct op_sample *samples = op_samples(&n);

	ck_assert_uint_eq(n, 25);
	for (i = 0; i < n; i++) {
		auto_buf struct buf b = BUF_INIT(4096);

		ck_assert_msg(op_encode(&samples[i].op, &b) == 0, "%s",
			      samples[i].name);
		assert_hex(b.data, b.len, samples[i].hex);
	}
}
END_TEST

/* Encoding what was decoded gives the same bytes: with the test above, every
 * field was read from its place. */
START_TEST(each_kind_is_read_back_whole)
{
	size_t i, n;
	const struct op_sample *samples = op_samples(&n);

	for (i = 0; i < n; i++) {
		auto_buf struct buf again = BUF_INIT(4096);
		const struct bytes b = sample_bytes(samples[i].name);
		struct cursor c;
		struct op op = { .dot = { 1, 2, 3 } };

		cursor_init(&c, b.data, b.n);
		ck_assert_msg(op_decode(&c, &op) == 1, "%s", samples[i].name);
		ck_assert_int_eq(cursor_finish(&c), 0);
		ck_assert_int_eq(op.type, samples[i].op.type);
		ck_assert_uint_eq(op.flags, samples[i].op.flags);
		ck_assert_uint_eq(op.clock, OP_SAMPLE_CLOCK);
		ck_assert(dot_equal(op.dot, (struct dot){ 1, 2, 3 }));
		ck_assert_int_eq(op_encode(&op, &again), 0);
		assert_hex(again.data, again.len, samples[i].hex);
	}
}
END_TEST

START_TEST(lists_of_a_decoded_operation_point_into_its_bytes)
{
	const struct bytes place = sample_bytes("place_from");
	const struct bytes content = sample_bytes("content_whole");
	struct op op = { 0 };
	struct extent e;
	struct cursor c;

	ck_assert_int_eq(decode(place.data, place.n, &op), 1);
	ck_assert_uint_eq(op.place.kills.n, 2);
	ck_assert(dot_equal(dot_list_get(&op.place.kills, 0),
			    (struct dot){ 2, 3, 4 }));
	ck_assert(dot_equal(dot_list_get(&op.place.kills, 1),
			    (struct dot){ 5, 6, 7 }));

	ck_assert_int_eq(decode(content.data, content.n, &op), 1);
	extent_list_cursor(&op.content.extents, &c);
	extent_read(&c, &e);
	ck_assert_int_eq(e.kind, EXTENT_CHUNK);
	ck_assert_uint_eq(e.offset, 0);
	ck_assert_uint_eq(e.length, 100);
	ck_assert_uint_eq(e.chunk_offset, 5);
	ck_assert_uint_eq(e.chunk_length, 4096);
	ck_assert_uint_eq(e.id.b[31], 31);
	extent_read(&c, &e);
	ck_assert_int_eq(e.kind, EXTENT_INLINE);
	ck_assert_uint_eq(e.offset, 200);
	ck_assert_mem_eq(e.bytes, "xyz", 3);
	ck_assert_int_eq(cursor_finish(&c), 0);
}
END_TEST

START_TEST(an_operation_cut_anywhere_is_rejected_and_nothing_is_touched)
{
	size_t i, n, cut;
	const struct op_sample *samples = op_samples(&n);

	for (i = 0; i < n; i++) {
		struct bytes b = sample_bytes(samples[i].name);

		for (cut = 0; cut < b.n; cut++) {
			struct op before, op;
			struct cursor c;

			memset(&op, 0x5a, sizeof(op));
			memcpy(&before, &op, sizeof(op));
			cursor_init(&c, b.data, cut);
			ck_assert_int_eq(op_decode(&c, &op), ERR_TRUNCATED);
			ck_assert_mem_eq(&op, &before, sizeof(op));
			ck_assert_ptr_eq(c.at, b.data);

			/* The length says so too: the payload is short. */
			if (cut < OP_HEADER_BYTES)
				continue;
			le32_put(b.data, (uint32_t)cut);
			ck_assert_int_lt(op_decode(&c, &op), 0);
			ck_assert_mem_eq(&op, &before, sizeof(op));
			ck_assert_ptr_eq(c.at, b.data);
			le32_put(b.data, (uint32_t)b.n);
		}
	}
}
END_TEST

START_TEST(a_byte_left_over_in_the_payload_is_rejected)
{
	size_t i, n;
	const struct op_sample *samples = op_samples(&n);

	for (i = 0; i < n; i++) {
		struct bytes b = sample_bytes(samples[i].name);

		le32_put(b.data, (uint32_t)b.n + 1);
		ck_assert_msg(decode_only(b.data, b.n + 1) == ERR_MALFORMED,
			      "%s", samples[i].name);
	}
}
END_TEST

/* There is one encoding of everything: whatever a changed bit leaves readable
 * is written again just so. */
START_TEST(a_flipped_bit_is_rejected_or_means_something_else)
{
	size_t i, n, bit;
	const struct op_sample *samples = op_samples(&n);

	for (i = 0; i < n; i++) {
		struct bytes b = sample_bytes(samples[i].name);

		for (bit = 0; bit < b.n * 8; bit++) {
			auto_buf struct buf again = BUF_INIT(4096);
			struct op op = { 0 };
			int err;

			b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
			err = decode(b.data, b.n, &op);
			if (err == 1) {
				ck_assert_int_eq(op_encode(&op, &again), 0);
				ck_assert_uint_eq(again.len, b.n);
				ck_assert_mem_eq(again.data, b.data, b.n);
			} else if (err == 0) { /* unknown, passed over */
				ck_assert(b.data[5] & OP_FLAG_SKIP);
				ck_assert_uint_ne(b.data[4],
						  samples[i].op.type);
			} else {
				ck_assert_int_lt(err, 0);
			}
			b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		}
	}
}
END_TEST

/* A sample with `n` bytes at `at` replaced by `value`, little-endian. */
struct spoilt {
	const char *sample;
	size_t at, n;
	uint64_t value;
	int err;
};

static void assert_spoilt(const struct spoilt *s, size_t count)
{
	size_t i, k;

	for (i = 0; i < count; i++) {
		struct bytes b = sample_bytes(s[i].sample);
		int err;

		ck_assert_uint_le(s[i].at + s[i].n, b.n);
		for (k = 0; k < s[i].n; k++)
			b.data[s[i].at + k] = (uint8_t)(s[i].value >> (8 * k));
		err = decode_only(b.data, b.n);
		ck_assert_msg(err == s[i].err, "%s, %zu: %d for %d",
			      s[i].sample, s[i].at, err, s[i].err);
	}
}

START_TEST(the_header_is_checked)
{
	const struct spoilt table[] = {
		{ "nop", 0, 4, 0, ERR_MALFORMED },
		{ "nop", 0, 4, 15, ERR_MALFORMED },
		{ "nop", 0, 4, 17, ERR_TRUNCATED },
		{ "nop", 0, 4, OP_MAX_BYTES, ERR_TRUNCATED },
		{ "nop", 0, 4, OP_MAX_BYTES + 1, ERR_LIMIT },
		{ "nop", 0, 4, 0xffffffff, ERR_LIMIT },
		{ "nop", 4, 1, 0, ERR_NEWER },
		{ "nop", 4, 1, 10, ERR_NEWER },
		{ "nop", 4, 1, 15, ERR_NEWER },
		{ "nop", 4, 1, 20, ERR_NEWER },
		{ "nop", 4, 1, OP_SNAPSHOT, ERR_NEWER },
		{ "nop", 4, 1, 255, ERR_NEWER },
		{ "nop", 5, 1, 4, ERR_NEWER },
		{ "nop", 5, 1, 0x80, ERR_NEWER },
		{ "nop", 6, 1, 1, ERR_MALFORMED },
		{ "nop", 7, 1, 1, ERR_MALFORMED },
	};

	assert_spoilt(table, array_len(table));
}
END_TEST

START_TEST(an_unknown_type_is_passed_over_only_if_flagged)
{
	struct bytes b = sample_bytes("feature");
	struct op before, op;
	struct cursor c;

	b.data[4] = 200;
	ck_assert_int_eq(decode_only(b.data, b.n), ERR_NEWER);
	b.data[5] = OP_FLAG_MORE;
	ck_assert_int_eq(decode_only(b.data, b.n), ERR_NEWER);
	b.data[5] = OP_FLAG_SKIP | OP_FLAG_MORE;
	memset(&op, 0x5a, sizeof(op));
	memcpy(&before, &op, sizeof(op));
	cursor_init(&c, b.data, b.n + 1);
	ck_assert_int_eq(op_decode(&c, &op), 0);
	ck_assert_uint_eq(cursor_left(&c), 1);
	ck_assert_mem_eq(&op, &before, sizeof(op));
}
END_TEST

START_TEST(an_error_of_the_cursor_stays)
{
	const struct bytes b = sample_bytes("nop");
	struct op op = { 0 };
	struct cursor c;

	cursor_init(&c, b.data, b.n);
	cursor_require(&c, false);
	ck_assert_int_eq(op_decode(&c, &op), ERR_MALFORMED);
}
END_TEST

/* Offsets in the payload, which starts at 16. */
START_TEST(a_made_node_is_checked)
{
	const struct spoilt table[] = {
		{ "mknod_file", 16, 0, 0, 1 },
		{ "mknod_file", 32, 1, 0, ERR_NEWER },
		{ "mknod_file", 32, 1, 8, ERR_NEWER },
		{ "mknod_file", 32, 1, KIND_SYMLINK, ERR_MALFORMED },
		{ "mknod_file", 32, 1, KIND_DIR, 1 },
		{ "mknod_file", 33, 1, 1, ERR_MALFORMED },
		{ "mknod_file", 34, 2, 1, ERR_TRUNCATED },
		{ "mknod_file", 36, 4, 07777, 1 },
		{ "mknod_file", 36, 4, 010000, ERR_MALFORMED },
		{ "mknod_file", 36, 4, 0100644, ERR_MALFORMED },
		{ "mknod_file", 48, 4, 1, ERR_MALFORMED },
		{ "mknod_file", 52, 4, 1, ERR_MALFORMED },
		{ "mknod_block", 32, 1, KIND_CHAR, 1 },
		{ "mknod_block", 32, 1, KIND_FIFO, ERR_MALFORMED },
		{ "mknod_block", 32, 1, KIND_SOCKET, ERR_MALFORMED },
		{ "mknod_link", 32, 1, KIND_FILE, ERR_MALFORMED },
		{ "mknod_link", 81, 1, 0, ERR_MALFORMED },
	};
	struct bytes b = sample_bytes("mknod_file");

	assert_spoilt(table, array_len(table));
	memset(b.data + 16, 0, INODE_ID_BYTES);
	ck_assert_int_eq(decode_only(b.data, b.n), ERR_MALFORMED);
}
END_TEST

START_TEST(a_place_is_checked)
{
	const struct spoilt table[] = {
		{ "place", 68, 1, 1, ERR_TRUNCATED },
		{ "place", 68, 1, 2, ERR_NEWER },
		{ "place", 69, 1, 0, ERR_MALFORMED },
		{ "place", 69, 1, 5, ERR_TRUNCATED },
		{ "place", 70, 1, 1, ERR_MALFORMED },
		{ "place", 71, 1, 1, ERR_MALFORMED },
		{ "place", 72, 4, 1, ERR_TRUNCATED },
		{ "place", 72, 4, 0xffffffff, ERR_TRUNCATED },
		{ "place", 76, 1, '/', ERR_MALFORMED },
		{ "place", 79, 1, 0, ERR_MALFORMED },
		{ "place_from", 68, 1, 0, ERR_MALFORMED },
		{ "place_from", 70, 1, 0, ERR_MALFORMED },
		{ "place_from", 72, 4, 3, ERR_TRUNCATED },
		{ "place_from", 72, 4, 1, ERR_MALFORMED },
		{ "place_from", 95, 1, '/', ERR_MALFORMED },
		{ "place_from", 96, 1, 0, ERR_MALFORMED },
	};
	struct bytes b = sample_bytes("place");

	assert_spoilt(table, array_len(table));
	memset(b.data + 16, 0, INODE_ID_BYTES);
	ck_assert_int_eq(decode_only(b.data, b.n), ERR_MALFORMED);
}
END_TEST

START_TEST(an_unlink_is_checked)
{
	const struct spoilt table[] = {
		{ "unlink_claim", 68, 1, 0, ERR_MALFORMED },
		{ "unlink_claim", 68, 1, 1, ERR_MALFORMED },
		{ "unlink_claim", 68, 1, 3, ERR_MALFORMED },
		{ "unlink_claim", 68, 1, 4, ERR_NEWER },
		{ "unlink_claim", 69, 1, 0, ERR_MALFORMED },
		{ "unlink_claim", 70, 1, 1, ERR_MALFORMED },
		{ "unlink_claim", 71, 1, 1, ERR_MALFORMED },
		{ "unlink_claim", 72, 4, 2, ERR_TRUNCATED },
		{ "unlink_claim", 76, 4, 1, ERR_MALFORMED },
		{ "unlink_claim", 80, 1, '/', ERR_MALFORMED },
		{ "unlink", 68, 1, 1, 1 },
		{ "unlink", 68, 1, 2, ERR_MALFORMED },
		{ "unlink_last", 68, 1, 0, ERR_MALFORMED },
		{ "unlink_last", 69, 1, 1, ERR_MALFORMED },
		{ "unlink_last", 76, 4, 3, ERR_TRUNCATED },
	};
	struct bytes b = sample_bytes("unlink_last");

	assert_spoilt(table, array_len(table));
	memset(b.data + 16, 0, INODE_ID_BYTES);
	ck_assert_int_eq(decode_only(b.data, b.n), ERR_MALFORMED);
}
END_TEST

/* The whole sample: extents at 112 (chunk: 60 bytes) and 172 (inline). */
START_TEST(a_content_is_checked)
{
	const struct spoilt table[] = {
		{ "content_whole", 32, 1, 0, ERR_MALFORMED },
		{ "content_whole", 32, 1, 3, ERR_NEWER },
		{ "content_whole", 33, 1, 1, ERR_MALFORMED },
		{ "content_whole", 35, 1, 1, ERR_MALFORMED },
		{ "content_whole", 36, 4, 0xffffffff, ERR_TRUNCATED },
		{ "content_whole", 40, 4, 1, ERR_MALFORMED },
		{ "content_whole", 40, 4, 3, ERR_TRUNCATED },
		{ "content_whole", 40, 4, OP_MAX_EXTENTS + 1, ERR_LIMIT },
		{ "content_whole", 44, 4, 84, ERR_TRUNCATED },
		{ "content_whole", 44, 4, 82, ERR_TRUNCATED },
		{ "content_whole", 48, 8, 202, ERR_MALFORMED },
		{ "content_whole", 48, 8, FILE_SIZE_MAX, 1 },
		{ "content_whole", 48, 8, FILE_SIZE_MAX + 1, ERR_LIMIT },
		{ "content_whole", 72, 1, 1, ERR_MALFORMED },
		{ "content_whole", 91, 1, 1, ERR_MALFORMED },
		{ "content_change", 32, 1, 1, ERR_MALFORMED },
	};
	struct bytes b = sample_bytes("content_change");

	assert_spoilt(table, array_len(table));
	memset(b.data + 72, 0, DOT_BYTES);
	ck_assert_int_eq(decode_only(b.data, b.n), ERR_MALFORMED);
}
END_TEST

START_TEST(extents_are_checked)
{
	const struct spoilt table[] = {
		{ "content_whole", 112, 8, 101, ERR_MALFORMED },
		{ "content_whole", 112, 8, 100, 1 },
		{ "content_whole", 112, 8, UINT64_MAX - 50, ERR_MALFORMED },
		{ "content_whole", 120, 8, 0, ERR_MALFORMED },
		{ "content_whole", 120, 8, 201, ERR_MALFORMED },
		{ "content_whole", 120, 8, 200, 1 },
		{ "content_whole", 120, 8, UINT64_MAX, ERR_MALFORMED },
		{ "content_whole", 128, 1, 3, ERR_NEWER },
		{ "content_whole", 128, 1, EXTENT_HOLE, ERR_MALFORMED },
		{ "content_whole", 129, 1, 1, ERR_MALFORMED },
		{ "content_whole", 131, 1, 1, ERR_MALFORMED },
		{ "content_whole", 132, 4, 3996, 1 },
		{ "content_whole", 132, 4, 3997, ERR_MALFORMED },
		{ "content_whole", 132, 4, 0xffffffff, ERR_MALFORMED },
		{ "content_whole", 136, 4, 0, ERR_MALFORMED },
		{ "content_whole", 136, 4, 104, ERR_MALFORMED },
		{ "content_whole", 136, 4, 105, 1 },
		{ "content_whole", 136, 4, CHUNK_MAX_BYTES, 1 },
		{ "content_whole", 136, 4, CHUNK_MAX_BYTES + 1, ERR_LIMIT },
		{ "content_whole", 172, 8, 99, ERR_MALFORMED },
		{ "content_whole", 172, 8, 100, 1 },
		{ "content_whole", 172, 8, 201, ERR_MALFORMED },
		{ "content_whole", 180, 8, 0, ERR_MALFORMED },
		{ "content_whole", 180, 8, 4, ERR_TRUNCATED },
		{ "content_whole", 180, 8, OP_INLINE_MAX + 1, ERR_LIMIT },
		{ "content_change", 112, 8, 1, ERR_MALFORMED },
		{ "content_change", 120, 8, 11, ERR_MALFORMED },
		{ "content_change", 132, 8, 4095, 1 },
		{ "content_change", 132, 8, 4096, ERR_MALFORMED },
		{ "content_change", 48, 8, 10, ERR_MALFORMED },
		{ "content_change", 48, 8, 11, 1 },
	};

	assert_spoilt(table, array_len(table));
}
END_TEST

static int encode_len(const struct op *op, size_t *ret_len)
{
	auto_buf struct buf b = BUF_INIT(WORK_BYTES);
	int err = op_encode(op, &b);

	*ret_len = b.len;
	return err;
}

static void assert_encodes(const struct op *op, int want)
{
	size_t len;

	ck_assert_int_eq(encode_len(op, &len), want);
	ck_assert((len == 0) == (want < 0));
}

START_TEST(only_a_change_has_holes)
{
	struct op op = op_sample("content_change")->op;
	size_t len;

	ck_assert_int_eq(encode_len(&op, &len), 0);
	op.content.whole = true;
	op.content.base = (struct dot){ 0 };
	assert_encodes(&op, ERR_MALFORMED);
}
END_TEST

START_TEST(pin_and_split_are_checked)
{
	const struct spoilt table[] = {
		{ "pin", 68, 1, 0, ERR_MALFORMED },
		{ "pin", 68, 1, 4, ERR_TRUNCATED },
		{ "pin", 69, 1, 1, ERR_MALFORMED },
		{ "pin", 71, 1, 1, ERR_MALFORMED },
		{ "pin", 72, 1, '/', ERR_MALFORMED },
		{ "split", 52, 1, 1, ERR_MALFORMED },
		{ "split", 55, 1, 1, ERR_MALFORMED },
	};

	assert_spoilt(table, array_len(table));
}
END_TEST

/* mask 32, mode 36, uid 40, gid 44, reserved 48, times 52, 60, 68 */
START_TEST(attributes_are_checked)
{
	const struct spoilt table[] = {
		{ "attr", 32, 4, 0, ERR_MALFORMED },
		{ "attr", 32, 4, 63, ERR_MALFORMED },
		{ "attr", 32, 4, 31 & ~ATTR_MODE, ERR_MALFORMED },
		{ "attr", 32, 4, 31 & ~ATTR_OWNER, ERR_MALFORMED },
		{ "attr", 32, 4, 31 & ~ATTR_ATIME, ERR_MALFORMED },
		{ "attr", 32, 4, 31 & ~ATTR_MTIME, ERR_MALFORMED },
		{ "attr", 32, 4, 31 & ~ATTR_CTIME, ERR_MALFORMED },
		{ "attr", 36, 4, 010000, ERR_MALFORMED },
		{ "attr", 48, 4, 1, ERR_MALFORMED },
	};
	struct bytes b = sample_bytes("attr");

	assert_spoilt(table, array_len(table));
	le32_put(b.data + 32, 31 & ~ATTR_OWNER);
	le32_put(b.data + 40, 0);
	ck_assert_int_eq(decode_only(b.data, b.n), ERR_MALFORMED);
	le32_put(b.data + 44, 0);
	ck_assert_int_eq(decode_only(b.data, b.n), 1);
}
END_TEST

START_TEST(an_extended_attribute_is_checked)
{
	const struct spoilt table[] = {
		{ "xattr", 32, 1, 1, ERR_MALFORMED },
		{ "xattr", 32, 1, 2, ERR_NEWER },
		{ "xattr", 33, 1, 0, ERR_MALFORMED },
		{ "xattr", 34, 1, 1, ERR_MALFORMED },
		{ "xattr", 36, 4, 6, ERR_TRUNCATED },
		{ "xattr", 48, 1, 0, ERR_MALFORMED },
		{ "xattr", 48, 1, '/', 1 },
		{ "xattr", 54, 1, 0, 1 },
		{ "xattr_remove", 32, 1, 0, 1 },
	};

	assert_spoilt(table, array_len(table));
}
END_TEST

START_TEST(devices_are_checked)
{
	const struct spoilt table[] = {
		{ "device_add", 16, 8, 0, ERR_MALFORMED },
		{ "device_add", 24, 8, 0, 1 },
		{ "device_add", 32, 1, 0, ERR_MALFORMED },
		{ "device_add", 33, 1, 1, ERR_MALFORMED },
		{ "device_add", 39, 1, 1, ERR_MALFORMED },
		{ "device_add", 40, 1, '/', ERR_MALFORMED },
		{ "device_add", 40, 1, '\n', ERR_MALFORMED },
		{ "device_add", 41, 1, 0xff, ERR_MALFORMED },
		{ "device_name", 24, 8, 1, ERR_MALFORMED },
		{ "device_retire", 24, 8, 1, ERR_MALFORMED },
		{ "device_retire", 16, 8, 0, ERR_MALFORMED },
		{ "device_adopt", 24, 8, 0, ERR_MALFORMED },
		{ "device_retire", 4, 1, OP_DEVICE_NAME, ERR_MALFORMED },
		{ "device_name", 4, 1, OP_DEVICE_RETIRE, ERR_MALFORMED },
	};

	assert_spoilt(table, array_len(table));
}
END_TEST

START_TEST(slots_and_epochs_are_checked)
{
	const struct spoilt table[] = {
		{ "slot_add", 33, 1, 6, ERR_TRUNCATED },
		{ "slot_add", 34, 1, 1, ERR_MALFORMED },
		{ "slot_add", 39, 1, 1, ERR_MALFORMED },
		{ "slot_add", 40, 1, '/', 1 },
		{ "slot_add", 40, 1, 0x1b, ERR_MALFORMED },
		{ "slot_add", 40, 1, 0x80, ERR_MALFORMED },
		{ "slot_add", 4, 1, OP_SLOT_REMOVE, ERR_MALFORMED },
		{ "slot_remove", 4, 1, OP_SLOT_ADD, 1 },
		{ "epoch", 16, 4, 0, ERR_MALFORMED },
		{ "epoch", 16, 4, 1, ERR_MALFORMED },
		{ "epoch", 20, 4, 1, ERR_MALFORMED },
	};

	assert_spoilt(table, array_len(table));
}
END_TEST

static struct op place_named(const void *name, uint16_t len)
{
	struct op op = op_sample("place")->op;

	op.place.name = (struct op_name){ name, len };
	return op;
}

START_TEST(names_may_be_as_long_as_their_limits)
{
	static uint8_t text[LINK_TARGET_MAX + 1];
	struct op op;

	memset(text, 'x', sizeof(text));
	op = place_named(text, NAME_BYTES_MAX);
	assert_encodes(&op, 0);
	op = place_named(text, NAME_BYTES_MAX + 1);
	assert_encodes(&op, ERR_LIMIT);
	op = place_named(text, 256 + 5);
	assert_encodes(&op, ERR_LIMIT);
	op = place_named("..", 2);
	assert_encodes(&op, ERR_MALFORMED);

	op = op_sample("mknod_link")->op;
	op.mknod.target = (struct op_name){ text, LINK_TARGET_MAX };
	assert_encodes(&op, 0);
	op.mknod.target.len++;
	assert_encodes(&op, ERR_LIMIT);

	op = op_sample("device_add")->op;
	op.device.name = (struct op_name){ text, 64 };
	assert_encodes(&op, 0);
	op.device.name.len++;
	assert_encodes(&op, ERR_MALFORMED);

	op = op_sample("slot_add")->op;
	op.slot.label = (struct op_name){ text, 64 };
	assert_encodes(&op, 0);
	op.slot.label.len++;
	assert_encodes(&op, ERR_MALFORMED);
	op.slot.label.len = 0;
	assert_encodes(&op, 0);
}
END_TEST

START_TEST(an_extended_attribute_may_be_as_long_as_its_limits)
{
	static uint8_t value[XATTR_VALUE_MAX + 1];
	struct op op = op_sample("xattr")->op;

	memset(value, 'x', sizeof(value));
	op.xattr.name = (struct op_name){ value, XATTR_NAME_MAX_BYTES };
	op.xattr.value = value;
	op.xattr.value_bytes = XATTR_VALUE_MAX;
	assert_encodes(&op, 0);
	op.xattr.value_bytes++;
	assert_encodes(&op, ERR_LIMIT);
	op.xattr.value_bytes = 0;
	assert_encodes(&op, 0);
	op.xattr.name.len++;
	assert_encodes(&op, ERR_LIMIT);
	op.xattr.name.len = 1;
	assert_encodes(&op, 0);
	op.xattr.name.len = 0;
	assert_encodes(&op, ERR_MALFORMED);
}
END_TEST

/* n extents of one byte each, a chunk's or inline. */
static void put_extents(struct buf *b, uint32_t n, enum extent_kind kind)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct extent e = {
			.offset = i,
			.length = 1,
			.kind = kind,
			.chunk_length = 1,
			.bytes = (const uint8_t *)"!",
		};

		extent_put(b, &e);
	}
	ck_assert_int_eq(buf_error(b), 0);
}

static struct op content_of(const struct buf *extents, uint32_t n)
{
	struct op op = op_sample("content_whole")->op;

	op.content.size = n;
	op.content.replaces.n = 0;
	op.content.extents = (struct extent_list){ extents->data,
						   (uint32_t)extents->len, n };
	return op;
}

START_TEST(a_content_holds_16384_extents)
{
	auto_buf struct buf full = BUF_INIT(WORK_BYTES);
	auto_buf struct buf over = BUF_INIT(WORK_BYTES);
	auto_buf struct buf empty = BUF_INIT(16);
	struct op op;

	put_extents(&full, OP_MAX_EXTENTS, EXTENT_CHUNK);
	op = content_of(&full, OP_MAX_EXTENTS);
	assert_encodes(&op, 0);
	put_extents(&over, OP_MAX_EXTENTS + 1, EXTENT_INLINE);
	op = content_of(&over, OP_MAX_EXTENTS + 1);
	assert_encodes(&op, ERR_LIMIT);
	op = content_of(&empty, 0);
	assert_encodes(&op, 0);
}
END_TEST

START_TEST(an_inline_extent_holds_1024_bytes)
{
	auto_buf struct buf b = BUF_INIT(WORK_BYTES);
	static uint8_t bytes[OP_INLINE_MAX + 1];
	struct extent e = { .kind = EXTENT_INLINE,
			    .length = OP_INLINE_MAX,
			    .bytes = bytes };
	struct op op;

	extent_put(&b, &e);
	op = content_of(&b, 1);
	op.content.size = OP_INLINE_MAX + 1;
	assert_encodes(&op, 0);
	buf_reset(&b);
	e.length++;
	extent_put(&b, &e);
	op = content_of(&b, 1);
	op.content.size = OP_INLINE_MAX + 1;
	assert_encodes(&op, ERR_LIMIT);
}
END_TEST

START_TEST(an_operation_holds_one_mebibyte)
{
	const uint32_t fixed = 80, n = (OP_MAX_BYTES - fixed) / DOT_BYTES;
	auto_free uint8_t *kills = mem_zalloc((n + 1) * DOT_BYTES);
	struct op op = op_sample("place")->op;
	size_t len;

	ck_assert_ptr_nonnull(kills);
	op.place.kills = (struct dot_list){ kills, n };
	ck_assert_int_eq(encode_len(&op, &len), 0);
	ck_assert_uint_le(len, OP_MAX_BYTES);
	ck_assert_uint_gt(len + DOT_BYTES, OP_MAX_BYTES);
	op.place.kills.n++;
	assert_encodes(&op, ERR_LIMIT);
}
END_TEST

START_TEST(a_failed_encoding_leaves_the_buffer_as_it_was)
{
	auto_buf struct buf b = BUF_INIT(4096);
	const struct op good = op_sample("nop")->op;
	struct op bad = op_sample("attr")->op;

	ck_assert_int_eq(op_encode(&good, &b), 0);
	bad.attr.mask = 0;
	ck_assert_int_eq(op_encode(&bad, &b), ERR_MALFORMED);
	ck_assert_int_eq(buf_error(&b), 0);
	assert_hex(b.data, b.len, op_sample("nop")->hex);
	bad = good;
	bad.flags = 4;
	ck_assert_int_eq(op_encode(&bad, &b), ERR_NEWER);
	bad.flags = 256;
	ck_assert_int_eq(op_encode(&bad, &b), ERR_LIMIT);
	assert_hex(b.data, b.len, op_sample("nop")->hex);
}
END_TEST

START_TEST(a_full_buffer_is_an_error)
{
	auto_buf struct buf b = BUF_INIT(79);
	const struct op op = op_sample("unlink")->op;

	ck_assert_int_eq(op_encode(&op, &b), ERR_LIMIT);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

static Suite *op_suite(void)
{
	Suite *suite = suite_create("op");
	TCase *tcase = tcase_create("layout");

	tcase_add_test(tcase, each_kind_is_laid_out_as_specified);
	tcase_add_test(tcase, each_kind_is_read_back_whole);
	tcase_add_test(tcase,
		       lists_of_a_decoded_operation_point_into_its_bytes);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("rejects");
	tcase_add_test(
		tcase,
		an_operation_cut_anywhere_is_rejected_and_nothing_is_touched);
	tcase_add_test(tcase, a_byte_left_over_in_the_payload_is_rejected);
	tcase_add_test(tcase,
		       a_flipped_bit_is_rejected_or_means_something_else);
	tcase_add_test(tcase, the_header_is_checked);
	tcase_add_test(tcase, an_unknown_type_is_passed_over_only_if_flagged);
	tcase_add_test(tcase, an_error_of_the_cursor_stays);
	tcase_add_test(tcase, a_made_node_is_checked);
	tcase_add_test(tcase, a_place_is_checked);
	tcase_add_test(tcase, an_unlink_is_checked);
	tcase_add_test(tcase, a_content_is_checked);
	tcase_add_test(tcase, extents_are_checked);
	tcase_add_test(tcase, only_a_change_has_holes);
	tcase_add_test(tcase, pin_and_split_are_checked);
	tcase_add_test(tcase, attributes_are_checked);
	tcase_add_test(tcase, an_extended_attribute_is_checked);
	tcase_add_test(tcase, devices_are_checked);
	tcase_add_test(tcase, slots_and_epochs_are_checked);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("limits");
	tcase_add_test(tcase, names_may_be_as_long_as_their_limits);
	tcase_add_test(tcase,
		       an_extended_attribute_may_be_as_long_as_its_limits);
	tcase_add_test(tcase, a_content_holds_16384_extents);
	tcase_add_test(tcase, an_inline_extent_holds_1024_bytes);
	tcase_add_test(tcase, an_operation_holds_one_mebibyte);
	tcase_add_test(tcase, a_failed_encoding_leaves_the_buffer_as_it_was);
	tcase_add_test(tcase, a_full_buffer_is_an_error);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run_suite(op_suite());
}
