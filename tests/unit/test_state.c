/* SPDX-License-Identifier: ISC */
/* Items of a state, and manifests: to the byte, and what is rejected. */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "assert_hex.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "format/snapshot.h"
#include "format/state.h"

static struct buf out;

static void setup(void)
{
	ck_assert_int_eq(crypto_start(), 0);
	buf_init(&out, 1 << 20);
}

static void teardown(void)
{
	buf_release(&out);
}

static int put(const struct state_item *it)
{
	return state_put(&out, it);
}

static int read_back(struct state_item *ret)
{
	struct cursor c;
	int r;

	cursor_init(&c, out.data, out.len);
	r = state_read(&c, ret);
	return r < 0 ? r : cursor_finish(&c);
}

static struct op_name name(const char *text)
{
	return (struct op_name){ (const uint8_t *)text,
				 (uint16_t)strlen(text) };
}

static struct state_item place(void)
{
	return (struct state_item){
		.type = STATE_PLACE,
		.place = { .dot = { 1, 2, 3 }, .link = { 4, 5, 6 }, .clock = 7,
			   .is_killed = true, .parent = { 8, 9 },
			   .name = name("abc"), .has_from = true,
			   .from_parent = { 10, 11 }, .from_name = name("de"),
			   .pin = { 12, 13 }, .pin_parent = { 14, 15 },
			   .pin_name = name("f") },
	};
}

static struct state_item inode(void)
{
	struct state_item it = {
		.type = STATE_INODE,
		.inode = { .id = { 1, 2 }, .kind = KIND_SYMLINK,
			   .mode = 0777, .uid = 3, .gid = 4, .atime_ns = 5,
			   .mtime_ns = 6, .ctime_ns = 7, .btime_ns = 8,
			   .target = name("to") },
	};

	for (unsigned i = 0; i < STATE_N_REGS; i++)
		it.inode.regs[i] = (struct state_key){ 16 + i, 32 + i };
	return it;
}

/* ---------------------------------------------------------------- items */

START_TEST(a_place_is_laid_out_as_specified)
{
	const struct state_item it = place();

	ck_assert_int_eq(put(&it), 0);
	assert_hex(out.data, out.len,
		   "1a00000086000000"
		   "010000000000000002000000000000000300000004000000"
		   "00000000050000000000000006000000070000000000000"
		   "01a0302010000000008000000000000000900000000000000"
		   "6162630a000000000000000b00000000000000646"
		   "50c000000000000000d000000000000000e00000000000000"
		   "0f0000000000000066");
}
END_TEST

START_TEST(an_inode_is_laid_out_as_specified)
{
	const struct state_item it = inode();

	ck_assert_int_eq(put(&it), 0);
	assert_hex(out.data, 76,
		   "10000000" "a2000000"
		   "01000000000000000200000000000000"
		   "03000200" "ff010000" "03000000" "04000000"
		   "00000000" "00000000"
		   "05000000000000000600000000000000"
		   "0700000000000000" "08000000");
	ck_assert_uint_eq(out.len, 8 + 72 + 80 + 2);
	ck_assert_mem_eq(out.data + out.len - 2, "to", 2);
}
END_TEST

START_TEST(what_is_read_is_what_was_put)
{
	struct state_item it = place(), got;

	ck_assert_int_eq(put(&it), 0);
	ck_assert_int_eq(read_back(&got), 0);
	ck_assert(dot_equal(got.place.link, it.place.link));
	ck_assert(got.place.is_killed && !got.place.is_claim);
	ck_assert_uint_eq(got.place.from_name.len, 2);
	ck_assert_mem_eq(got.place.pin_name.bytes, "f", 1);
	buf_reset(&out);
	it = inode();
	ck_assert_int_eq(put(&it), 0);
	ck_assert_int_eq(read_back(&got), 0);
	ck_assert_int_eq(got.inode.kind, KIND_SYMLINK);
	ck_assert_uint_eq(got.inode.regs[4].writer, 36);
	ck_assert_int_eq(got.inode.btime_ns, 8);
}
END_TEST

/* Each byte of an item, changed, is rejected or reads as what encodes to just
 * these bytes: there are no two encodings of one item. */
START_TEST(an_item_has_one_encoding)
{
	const struct state_item items[] = { place(), inode() };

	for (unsigned k = 0; k < array_len(items); k++) {
		auto_buf struct buf whole = BUF_INIT(1 << 16);

		ck_assert_int_eq(state_put(&whole, &items[k]), 0);
		for (size_t at = 0; at < whole.len; at++)
			for (unsigned bit = 0; bit < 8; bit++) {
				auto_buf struct buf again = BUF_INIT(1 << 16);
				struct state_item it;
				struct cursor c;

				whole.data[at] ^= (uint8_t)(1u << bit);
				cursor_init(&c, whole.data, whole.len);
				if (state_read(&c, &it) == 0) {
					ck_assert_int_eq(state_put(&again, &it),
							 0);
					ck_assert_uint_eq(cursor_left(&c),
							  whole.len - again.len);
					ck_assert_mem_eq(again.data, whole.data,
							 again.len);
				}
				whole.data[at] ^= (uint8_t)(1u << bit);
			}
	}
}
END_TEST

START_TEST(a_cut_item_is_rejected)
{
	const struct state_item it = place();
	struct state_item got;

	ck_assert_int_eq(put(&it), 0);
	for (size_t n = 0; n < out.len; n++) {
		struct cursor c;

		cursor_init(&c, out.data, n);
		ck_assert_int_lt(state_read(&c, &got), 0);
		ck_assert(c.at == out.data);
	}
}
END_TEST

static int rejects(struct state_item it)
{
	struct state_item got;
	int r;

	buf_reset(&out);
	r = put(&it);
	return r < 0 ? r : read_back(&got);
}

START_TEST(what_breaks_a_rule_is_rejected)
{
	struct state_item it = place();

	it.place.name = name("a/b");
	ck_assert_int_eq(rejects(it), ERR_MALFORMED);
	it = place();
	it.place.is_claim = true; /* and killed */
	ck_assert_int_eq(rejects(it), ERR_MALFORMED);
	it = place();
	it.place.clock = 0;
	ck_assert_int_eq(rejects(it), ERR_MALFORMED);
	it = place();
	it.place.dot.writer = 0;
	ck_assert_int_eq(rejects(it), ERR_MALFORMED);
	it = inode();
	it.inode.kind = KIND_FILE; /* with a target */
	ck_assert_int_eq(rejects(it), ERR_MALFORMED);
	it = inode();
	it.inode.kind = 9;
	ck_assert_int_eq(rejects(it), ERR_NEWER);
	it = inode();
	it.inode.regs[0] = (struct state_key){ 0, 0 }; /* with a value */
	ck_assert_int_eq(rejects(it), ERR_MALFORMED);
	it = (struct state_item){ .type = 36 };
	ck_assert_int_eq(rejects(it), ERR_NEWER);
}
END_TEST

START_TEST(items_follow_each_other_in_one_order)
{
	const struct state_item dir = { .type = STATE_DIR, .id = { 1, 2 } };
	const struct state_item file = { .type = STATE_FILE, .id = { 1, 1 } };
	const struct state_item low = { .type = STATE_LINK,
					.link = { { 1, 256, 1 }, 1 } };
	const struct state_item high = { .type = STATE_LINK,
					 .link = { { 1, 257, 0 }, 1 } };
	const struct state_item at = place(), first = inode();
	struct state_order o = { .len = 0 }, had;

	ck_assert_int_eq(state_follows(&o, &low), ERR_MALFORMED);
	ck_assert_int_eq(state_follows(&o, &first), 0);
	ck_assert_int_eq(state_follows(&o, &first), ERR_MALFORMED);
	ck_assert_int_eq(state_follows(&o, &low), ERR_MALFORMED);
	ck_assert_int_eq(state_follows(&o, &dir), 0);
	had = o;
	ck_assert_int_eq(state_follows(&o, &high), 0);
	ck_assert_int_eq(state_follows(&o, &low), ERR_MALFORMED);
	o = had;
	ck_assert_int_eq(state_follows(&o, &low), 0);
	ck_assert_int_eq(state_follows(&o, &high), 0);
	ck_assert_int_eq(state_follows(&o, &at), 0);
	ck_assert_int_eq(state_follows(&o, &high), ERR_MALFORMED);
	ck_assert_int_eq(state_follows(&o, &file), 0);
	ck_assert_int_eq(state_follows(&o, &dir), ERR_MALFORMED);
	ck_assert_int_eq(state_follows(&o, &low), 0);
}
END_TEST

/* ---------------------------------------------------------------- manifests */

struct made {
	struct epoch_keys keys;
	struct segment_header header;
	struct snapshot_body body;
	struct buf heads, packs, shards, file;
};

static void make(struct made *m)
{
	const struct snapshot_head h = { 7, 9, { { 1 } } };
	const struct snapshot_pack p = { .name = { 2 }, .size = 65536,
					 .epoch = 3, .key_id = { { 4 } } };
	const struct snapshot_shard s = {
		.pack = 0,
		.entry = { .id = { { 5 } }, .offset = 64, .stored_bytes = 116,
			   .plain_bytes = 100 },
	};

	*m = (struct made){ .header = { .vault = { { 6 } }, .writer = 8,
					.seq = 10 } };
	memset(&m->keys, 0x11, sizeof(m->keys));
	m->keys.epoch = 3;
	buf_init(&m->heads, 1 << 16);
	buf_init(&m->packs, 1 << 16);
	buf_init(&m->shards, 1 << 16);
	buf_init(&m->file, SNAPSHOT_FILE_MAX);
	snapshot_head_put(&m->heads, &h);
	snapshot_pack_put(&m->packs, &p);
	snapshot_shard_put(&m->shards, &s);
	m->body = (struct snapshot_body){ .state_bytes = 100, .n_heads = 1,
					  .n_packs = 1, .n_shards = 1 };
}

static int seal(struct made *m)
{
	cursor_init(&m->body.heads, m->heads.data, m->heads.len);
	cursor_init(&m->body.packs, m->packs.data, m->packs.len);
	cursor_init(&m->body.shards, m->shards.data, m->shards.len);
	return snapshot_seal(&m->keys, &m->header, &m->body, &m->file);
}

static void release(struct made *m)
{
	buf_release(&m->heads);
	buf_release(&m->packs);
	buf_release(&m->shards);
	buf_release(&m->file);
}

START_TEST(a_manifest_is_laid_out_as_specified)
{
	uint8_t nonce[NONCE_BYTES], plain[4096];
	struct made m;

	make(&m);
	ck_assert_int_eq(seal(&m), 0);
	ck_assert_mem_eq(m.file.data, "COFFERM1", 8);
	assert_hex(m.file.data + 8, 8, "0100000003000000");
	ck_assert_uint_eq(m.file.len, 96 + 4096 + 16);
	aead_nonce(&m.header.r16, (uint64_t)1 << 63, nonce);
	ck_assert_int_eq(aead_open(&m.keys.snp, nonce, m.file.data, 96,
				   m.file.data + 96, 4096 + 16, plain), 0);
	assert_hex(plain, 16, "e000000000000000" "6400000000000000");
	assert_hex(plain + 48, 32,
		   "01000000" "01000000" "01000000" "00000000"
		   "0700000000000000" "0900000000000000");
	release(&m);
}
END_TEST

START_TEST(a_manifest_opens_only_as_it_was_sealed)
{
	struct segment_header h;
	struct snapshot_body b;
	struct snapshot_head head;
	uint8_t plain[4096];
	struct made m;

	make(&m);
	ck_assert_int_eq(seal(&m), 0);
	ck_assert_int_eq(snapshot_header_decode(m.file.data, m.file.len, &h),
			 0);
	ck_assert_uint_eq(h.seq, 10);
	ck_assert_int_eq(snapshot_open(&m.keys, m.file.data, m.file.len, &h,
				       plain, &b), 0);
	ck_assert_uint_eq(b.state_bytes, 100);
	snapshot_head_read(&b.heads, &head);
	ck_assert_uint_eq(head.seq, 9);
	for (size_t at = 0; at < m.file.len; at += 7) {
		m.file.data[at] ^= 1;
		ck_assert(snapshot_header_decode(m.file.data, m.file.len, &h) <
				  0 ||
			  snapshot_open(&m.keys, m.file.data, m.file.len, &h,
					plain, &b) < 0);
		m.file.data[at] ^= 1;
	}
	ck_assert_int_eq(snapshot_header_decode(m.file.data, m.file.len - 1,
						&h), ERR_TRUNCATED);
	release(&m);
}
END_TEST

START_TEST(a_manifest_that_contradicts_itself_is_not_sealed)
{
	struct made m;

	make(&m);
	m.body.state_bytes = 101;
	ck_assert_int_eq(seal(&m), ERR_MALFORMED);
	m.body.state_bytes = 100;
	le32_put(m.shards.data, 1); /* a pack that is none */
	ck_assert_int_eq(seal(&m), ERR_MALFORMED);
	le32_put(m.shards.data, 0);
	le64_put(m.heads.data, 0);
	ck_assert_int_eq(seal(&m), ERR_MALFORMED);
	le64_put(m.heads.data, 7);
	le32_put(m.packs.data + 24, 4); /* above its own epoch */
	ck_assert_int_eq(seal(&m), ERR_MALFORMED);
	le32_put(m.packs.data + 24, 3);
	ck_assert_int_eq(seal(&m), 0);
	release(&m);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("state");
	TCase *t = tcase_create("items");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_place_is_laid_out_as_specified);
	tcase_add_test(t, an_inode_is_laid_out_as_specified);
	tcase_add_test(t, what_is_read_is_what_was_put);
	tcase_add_test(t, an_item_has_one_encoding);
	tcase_add_test(t, a_cut_item_is_rejected);
	tcase_add_test(t, what_breaks_a_rule_is_rejected);
	tcase_add_test(t, items_follow_each_other_in_one_order);
	suite_add_tcase(s, t);
	t = tcase_create("manifests");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_manifest_is_laid_out_as_specified);
	tcase_add_test(t, a_manifest_opens_only_as_it_was_sealed);
	tcase_add_test(t, a_manifest_that_contradicts_itself_is_not_sealed);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
