/* SPDX-License-Identifier: ISC */
/*
 * The codecs of src/format and src/crypto against the fixed answers of
 * vault-format/vectors/: what is deterministic is produced to the byte, what
 * draws random bytes is accepted to the byte, and decoded things are encoded
 * again to the same bytes.
 *
 * usage: vectors_check [vectors.txt]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/keys.h"
#include "crypto/secret.h"
#include "format/local.h"
#include "format/op.h"
#include "format/pack.h"
#include "format/recovery.h"
#include "format/segment.h"
#include "format/slot.h"
#include "format/vault_header.h"
#include "vectors_table.h"

#define WRITER UINT64_C(0x1122334455667788)
#define INDEX_GENERATION UINT64_C(0x0123456789abcdef)
#define OUT_MAX ((size_t)1 << 20)

/* Made once, read by every test. */
static struct vault_keys *vault_keys;
static struct epoch_keys *epoch_keys;
static struct local_keys *local_keys;
static struct uuid uuid;

static void derive_keys(void)
{
	auto_secret struct key *k = secret_alloc(sizeof(*k));

	if (!k)
		exit(99);
	vault_keys = secret_alloc(sizeof(*vault_keys));
	epoch_keys = secret_alloc(sizeof(*epoch_keys));
	local_keys = secret_alloc(sizeof(*local_keys));
	if (!vault_keys || !epoch_keys || !local_keys)
		exit(99);
	vector_copy("vrk", k, sizeof(*k));
	keys_vault(k, vault_keys);
	vector_copy("ek", k, sizeof(*k));
	keys_epoch(k, 1, epoch_keys);
	vector_copy("dk", k, sizeof(*k));
	keys_local(k, local_keys);
	vector_copy("uuid", uuid.b, sizeof(uuid.b));
}

static void free_keys(void)
{
	secret_free(vault_keys);
	secret_free(epoch_keys);
	secret_free(local_keys);
}

static void assert_key(const char *name, const struct key *k)
{
	assert_vector(name, k->b, sizeof(k->b));
}

/* Secret memory with a vector's bytes. */
static void secret_vector(const char *name, struct secret_buf *ret)
{
	const struct vector *v = vector_get(name);

	ck_assert_int_eq(secret_buf_append(ret, v->bytes, v->n), 0);
}

START_TEST(keys_are_derived_as_the_table_says)
{
	auto_secret struct key *k = secret_alloc(sizeof(*k));

	ck_assert_ptr_nonnull(k);
	assert_key("k_hdr", &vault_keys->hdr);
	assert_key("k_cid_data", &vault_keys->cid_data);
	assert_key("k_cid_meta", &vault_keys->cid_meta);
	assert_vector("key_id", epoch_keys->id.b, sizeof(epoch_keys->id.b));
	assert_key("k_chk", &epoch_keys->chk);
	assert_key("k_pak", &epoch_keys->pak);
	assert_key("k_log", &epoch_keys->log);
	assert_key("k_snp", &epoch_keys->snp);
	assert_key("k_loc", &epoch_keys->loc);
	assert_key("k_hdg", &epoch_keys->hdg);
	assert_key("k_hdg_local", &local_keys->hdg);
	assert_key("k_jnl", &local_keys->jnl);
	assert_key("k_stg", &local_keys->stg);
	assert_key("k_stg_trailer", &local_keys->stg_trailer);
	vector_copy("dk", k, sizeof(*k));
	keys_index(k, INDEX_GENERATION, k);
	assert_key("k_idx", k);
}
END_TEST

START_TEST(the_gear_table_is_the_same)
{
	uint8_t joined[8 * KEYS_GEAR_ENTRIES], digest[32];
	size_t i;

	for (i = 0; i < KEYS_GEAR_ENTRIES; i++)
		le64_put(joined + 8 * i, vault_keys->gear[i]);
	assert_vector("gear_first", joined, 8);
	assert_vector("gear_last", joined + sizeof(joined) - 8, 8);
	hash_bytes(NULL, joined, sizeof(joined), digest, sizeof(digest));
	assert_vector("gear_hash", digest, sizeof(digest));
}
END_TEST

START_TEST(argon2id_gives_the_same_bytes)
{
	const struct vector *pass = vector_get("passphrase");
	auto_secret uint8_t *out = secret_alloc(64);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(kdf_argon2id(pass->bytes, pass->n,
				      vector_get("argon2id_salt")->bytes, 2,
				      8192, out),
			 0);
	assert_vector("argon2id_out", out, 64);
}
END_TEST

START_TEST(the_header_is_made_and_verified)
{
	uint8_t out[VAULT_HEADER_BYTES];
	const struct vector *v = vector_get("header");
	struct vault_header h;

	ck_assert_uint_eq(v->n, sizeof(out));
	ck_assert_int_eq(vault_header_decode(v->bytes, &h), 0);
	ck_assert_int_eq(vault_header_verify(v->bytes, &vault_keys->hdr), 0);
	assert_vector("uuid", h.uuid.b, sizeof(h.uuid.b));
	ck_assert_uint_eq(h.normalisation, 2);
	ck_assert_uint_eq(h.chunk_min, 128 * 1024);
	ck_assert_uint_eq(h.chunk_average, 512 * 1024);
	ck_assert_uint_eq(h.chunk_max, 2048 * 1024);
	memset(&h.mac, 0, sizeof(h.mac));
	vault_header_seal(&h, &vault_keys->hdr, out);
	assert_vector("header", out, sizeof(out));
	assert_vector("header_mac", h.mac.b, sizeof(h.mac.b));
}
END_TEST

static const struct {
	enum slot_type type;
	const char *name;
	const char *passphrase, *key_file; /* vectors, or NULL */
} slot_kinds[] = {
	{ SLOT_PASSPHRASE, "passphrase", "passphrase", NULL },
	{ SLOT_KEY_FILE, "key_file", NULL, "key_file" },
	{ SLOT_KEY_FILE_AND_PASSPHRASE, "both", "passphrase", "key_file" },
	{ SLOT_RECOVERY, "recovery", "recovery_p", NULL },
};

START_TEST(slots_of_each_kind_open)
{
	const char *kind = slot_kinds[_i].name;
	const struct vector *file = vector_find("slot_%s", kind);
	const struct vector *secret = vector_find("slot_%s_secret", kind);
	const struct vector *name = vector_find("slot_%s_name", kind);
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf key = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf fed = SECRET_BUF_INIT;
	auto_secret struct keyring *ring = secret_alloc(sizeof(*ring));
	uint8_t got_name[SLOT_NAME_BYTES];
	struct slot_info info;

	ck_assert(file && secret && name && ring && file->n == SLOT_BYTES);
	if (slot_kinds[_i].passphrase)
		secret_vector(slot_kinds[_i].passphrase, &pass);
	if (slot_kinds[_i].key_file)
		secret_vector(slot_kinds[_i].key_file, &key);
	ck_assert_int_eq(
		slot_credential(slot_kinds[_i].type, &pass, &key, &fed), 0);
	ck_assert_uint_eq(fed.len, secret->n);
	ck_assert_mem_eq(fed.data, secret->bytes, fed.len);

	slot_name(file->bytes, got_name);
	ck_assert_mem_eq(got_name, name->bytes, sizeof(got_name));
	ck_assert_int_eq(slot_decode(file->bytes, &info), 0);
	ck_assert_int_eq(info.type, slot_kinds[_i].type);
	ck_assert_uint_eq(info.newest_epoch, 1);
	ck_assert_int_eq(slot_open(file->bytes, &fed, ring), 0);
	assert_key("vrk", &ring->vrk);
	assert_vector("header_mac", ring->header_mac.b, VAULT_MAC_BYTES);
	ck_assert_uint_eq(ring->n_epochs, 1);
	ck_assert_uint_eq(ring->epochs[0].epoch, 1);
	assert_key("ek", &ring->epochs[0].ek);

	fed.data[0] ^= 1;
	ck_assert_int_eq(slot_open(file->bytes, &fed, ring), ERR_WRONG_KEY);
}
END_TEST

START_TEST(a_recovery_key_is_read)
{
	auto_secret_buf struct secret_buf text = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	unsigned bad = 77;

	secret_vector("recovery_words", &text);
	ck_assert_int_eq(recovery_parse(&text, &p, &bad), 0);
	assert_vector("recovery_p", p.data, p.len);
}
END_TEST

START_TEST(lengths_are_padded_alike)
{
	const struct vector *v;
	size_t at = 0;
	unsigned n = 0;

	while ((v = vector_next("pad_", &at)) != NULL) {
		uint64_t len = le64_get(v->bytes);
		uint64_t min = le64_get(v->bytes + 8);

		ck_assert_uint_eq(pad_length(len, min),
				  le64_get(v->bytes + 16));
		n++;
	}
	ck_assert_uint_gt(n, 10);
}
END_TEST

START_TEST(content_ids_are_the_same)
{
	static const unsigned sizes[] = { 1, 16384, 100000 };
	auto_free uint8_t *plain = mem_alloc(100000);
	struct content_id id;
	size_t i;

	ck_assert_ptr_nonnull(plain);
	fill_pattern(plain, 100000);
	for (i = 0; i < array_len(sizes); i++) {
		const struct vector *data =
			vector_find("content_id_1_%u", sizes[i]);
		const struct vector *meta =
			vector_find("content_id_2_%u", sizes[i]);

		keys_content_id(&vault_keys->cid_data, plain, sizes[i], &id);
		ck_assert(data && memcmp(data->bytes, id.b, 32) == 0);
		keys_content_id(&vault_keys->cid_meta, plain, sizes[i], &id);
		ck_assert(meta && memcmp(meta->bytes, id.b, 32) == 0);
	}
}
END_TEST

static void assert_hash(const struct vector *v, const void *got, size_t n)
{
	uint8_t digest[32];

	hash_bytes(NULL, got, n, digest, sizeof(digest));
	ck_assert(v && v->n == sizeof(digest));
	ck_assert_msg(memcmp(v->bytes, digest, sizeof(digest)) == 0,
		      "%s differs", v->name);
}

START_TEST(records_are_sealed_to_the_same_bytes_and_open)
{
	static const uint32_t sizes[] = { 1, 16384, 16385, 40000 };
	uint32_t n = sizes[_i], sealed_bytes = record_stored_bytes(n);
	const struct vector *r16 = vector_find("record_%u_r16", n);
	const struct vector *id = vector_find("record_%u_content_id", n);
	auto_free uint8_t *plain = mem_alloc(n);
	auto_free uint8_t *sealed = mem_alloc(sealed_bytes);
	struct pack_entry e = { .offset = 64,
				.stored_bytes = sealed_bytes,
				.plain_bytes = n };
	uint32_t subs = (n + RECORD_SUB_BYTES - 1) / RECORD_SUB_BYTES;
	uint8_t ad[64];

	ck_assert(plain && sealed && r16 && id);
	fill_pattern(plain, n);
	memcpy(e.r16.b, r16->bytes, sizeof(e.r16.b));
	memcpy(e.id.b, id->bytes, sizeof(e.id.b));
	record_ad(&uuid, &e.id, n, PACK_DATA, ad);
	ck_assert_uint_eq(aead_chain_sealed_bytes(n, RECORD_SUB_BYTES),
			  sealed_bytes);
	aead_chain_seal(&epoch_keys->chk, &e.r16, ad, sizeof(ad),
			RECORD_SUB_BYTES, plain, n, sealed);
	assert_hash(vector_find("record_%u_sealed_hash", n), sealed,
		    sealed_bytes);

	memset(plain, 0, n);
	ck_assert_int_eq(record_open(&epoch_keys->chk, &uuid, PACK_DATA, &e, 0,
				     subs, sealed, plain),
			 0);
	memset(sealed, 0, sealed_bytes);
	fill_pattern(sealed, n);
	ck_assert_mem_eq(plain, sealed, n);
}
END_TEST

START_TEST(a_chain_of_64_kib_blocks_is_sealed_to_the_same_bytes)
{
	auto_free uint8_t *plain = mem_alloc(70000);
	auto_free uint8_t *sealed = mem_alloc(70000 + 2 * TAG_BYTES);
	uint8_t ad[96];
	struct r16 r16;

	ck_assert(plain && sealed);
	fill_pattern(plain, 70000);
	fill_pattern(ad, sizeof(ad));
	assert_vector("chain_ad", ad, sizeof(ad));
	vector_copy("chain_r16", r16.b, sizeof(r16.b));
	aead_chain_seal(&epoch_keys->log, &r16, ad, sizeof(ad),
			SEGMENT_SUB_BYTES, plain, 70000, sealed);
	assert_hash(vector_get("chain_70000_sealed_hash"), sealed,
		    70000 + 2 * TAG_BYTES);
}
END_TEST

/* Footer, trailer and entries of a pack (or a stage file). */
static void check_pack_tail(const struct key *key, const uint8_t *header,
			    uint64_t total, const uint8_t *footer,
			    const uint8_t *sealed, size_t sealed_bytes,
			    uint64_t want_body, const struct vector *want)
{
	auto_free uint8_t *entries = mem_alloc(sealed_bytes);
	uint64_t body_bytes;
	uint32_t n;
	struct r16 r16;

	ck_assert_ptr_nonnull(entries);
	ck_assert_int_eq(pack_footer_open(key, header, total, footer, &r16,
					  &body_bytes, &n),
			 0);
	ck_assert_uint_eq(body_bytes, want_body);
	ck_assert_uint_eq(n * PACK_ENTRY_BYTES, want->n);
	ck_assert_int_eq(pack_trailer_open(key, header, &r16, body_bytes, n,
					   sealed, sealed_bytes, entries),
			 0);
	ck_assert_mem_eq(entries, want->bytes, want->n);
}

START_TEST(a_pack_opens)
{
	const struct vector *header = vector_get("pack_header");
	const struct vector *sealed = vector_get("pack_trailer_sealed");
	const struct vector *entries = vector_get("pack_entries");
	const struct vector *body = vector_get("pack_body");
	uint64_t total = le64_get(vector_get("pack_total")->bytes);
	uint8_t out[PACK_HEADER_BYTES];
	struct pack_header h;
	struct cursor c;

	ck_assert_int_eq(pack_header_decode(header->bytes, &h), 0);
	ck_assert_uint_eq(h.writer, WRITER);
	ck_assert_uint_eq(h.epoch, 1);
	pack_header_encode(&h, out);
	assert_vector("pack_header", out, sizeof(out));
	ck_assert_uint_eq(total, 64 + body->n + sealed->n + PACK_FOOTER_BYTES);
	ck_assert_uint_eq(total,
			  pack_total_bytes(header->bytes, 64 + body->n, 3));
	check_pack_tail(&epoch_keys->pak, header->bytes, total,
			vector_get("pack_footer")->bytes, sealed->bytes,
			sealed->n, body->n, entries);
	c = vector_cursor("pack_entries");
	while (cursor_left(&c) > 0) {
		auto_buf struct buf again = BUF_INIT(PACK_ENTRY_BYTES);
		const uint8_t *at = c.at;
		struct pack_entry e;

		ck_assert_int_eq(pack_entry_read(&c, &e), 0);
		pack_entry_put(&again, &e);
		ck_assert_int_eq(buf_error(&again), 0);
		ck_assert_mem_eq(again.data, at, PACK_ENTRY_BYTES);
	}
}
END_TEST

START_TEST(a_stage_file_opens)
{
	const struct vector *file = vector_get("stage_file");
	const struct vector *entry = vector_get("stage_entry");
	struct cursor c = vector_cursor("stage_entry");
	uint8_t plain[3000], want[3000];
	struct pack_header h;
	struct pack_entry e;
	size_t end;

	ck_assert_int_eq(pack_entry_read(&c, &e), 0);
	ck_assert_int_eq(pack_header_decode(file->bytes, &h), 0);
	ck_assert_uint_eq(h.epoch, 0);
	end = 64 + e.stored_bytes;
	check_pack_tail(&local_keys->stg_trailer, file->bytes, file->n,
			file->bytes + file->n - PACK_FOOTER_BYTES,
			file->bytes + end, file->n - PACK_FOOTER_BYTES - end,
			e.stored_bytes, entry);
	ck_assert_int_eq(record_open(&local_keys->stg, &uuid, PACK_DATA, &e, 0,
				     1, file->bytes + 64, plain),
			 0);
	fill_pattern(want, sizeof(want));
	ck_assert_mem_eq(plain, want, sizeof(want));
}
END_TEST

START_TEST(every_operation_is_decoded_and_encoded_alike)
{
	const struct vector *v;
	size_t at = 0;
	unsigned n = 0;

	while ((v = vector_next("op_", &at)) != NULL) {
		auto_buf struct buf again = BUF_INIT(OP_MAX_BYTES);
		bool skipped = strcmp(v->name, "op_unknown_skippable") == 0;
		struct cursor c;
		struct op op;

		cursor_init(&c, v->bytes, v->n);
		ck_assert_msg(op_decode(&c, &op) == !skipped, "%s", v->name);
		ck_assert_int_eq(cursor_finish(&c), 0);
		n++;
		if (skipped)
			continue;
		ck_assert_msg(op_encode(&op, &again) == 0, "%s", v->name);
		ck_assert_msg(again.len == v->n &&
				      memcmp(again.data, v->bytes, v->n) == 0,
			      "%s differs", v->name);
	}
	ck_assert_uint_eq(n, 31);
}
END_TEST

static void check_lists(const struct segment_body *body)
{
	auto_buf struct buf out = BUF_INIT(OUT_MAX);
	const struct vector *whole = vector_get("segment_body");
	struct cursor vv = body->vv, packs = body->packs;
	struct cursor required = body->required;
	struct segment_vv v;
	struct segment_pack p;
	struct segment_required r;

	segment_vv_read(&vv, &v);
	ck_assert_uint_eq(v.context, 3);
	ck_assert_uint_eq(v.ack, 2);
	segment_vv_put(&out, &v);
	segment_pack_read(&packs, &p);
	ck_assert_uint_eq(p.n_entries, 3);
	segment_pack_put(&out, &p);
	segment_required_read(&required, &r);
	segment_required_put(&out, &r);
	ck_assert_int_eq(buf_error(&out), 0);
	ck_assert_uint_eq(cursor_left(&vv) + cursor_left(&packs) +
				  cursor_left(&required),
			  0);
	/* The lists stand one after the other, behind 80 bytes. */
	ck_assert_mem_eq(out.data, whole->bytes + 80, out.len);
}

static void check_segment(const char *file_name, const char *name,
			  uint64_t want_seq, struct segment_body *ret,
			  uint8_t *plain)
{
	const struct vector *file = vector_get(file_name);
	struct segment_header h;
	struct file_hash hash;
	char text[SEGMENT_NAME_LEN + 1];

	ck_assert_int_eq(segment_header_decode(file->bytes, file->n, &h), 0);
	ck_assert_uint_eq(h.seq, want_seq);
	ck_assert_uint_eq(h.writer, WRITER);
	ck_assert_uint_eq(h.body_bytes, 4096);
	ck_assert_int_eq(segment_open(epoch_keys, file->bytes, file->n, &h,
				      plain, ret),
			 0);
	segment_hash(file->bytes, file->n, &hash);
	segment_name_format(h.seq, &hash, text);
	assert_vector(name, text, SEGMENT_NAME_LEN);
}

START_TEST(segments_open)
{
	auto_free uint8_t *plain = mem_alloc(4096);
	struct segment_body body;
	struct file_hash hash;
	const struct vector *file = vector_get("segment_file");

	ck_assert_ptr_nonnull(plain);
	check_segment("segment_file", "segment_name", 1, &body, plain);
	assert_vector("segment_body", plain, 4096);
	ck_assert_uint_eq(body.n_ops, 31);
	ck_assert_uint_eq(body.first + 30, body.last);
	check_lists(&body);
	segment_hash(file->bytes, file->n, &hash);
	assert_vector("segment_hash", hash.b, sizeof(hash.b));

	check_segment("segment_empty_file", "segment_empty_name", 2, &body,
		      plain);
	ck_assert_mem_eq(body.previous.b, hash.b, sizeof(hash.b));
	ck_assert_uint_eq(body.n_ops, 0);
}
END_TEST

START_TEST(a_segment_body_is_encoded_alike)
{
	auto_free uint8_t *plain = mem_alloc(4096);
	auto_free uint8_t *again = mem_alloc(4096);
	auto_buf struct buf file = BUF_INIT(OUT_MAX);
	struct segment_header h = { .vault = uuid, .writer = WRITER, .seq = 1 };
	struct segment_body body;

	ck_assert(plain && again);
	check_segment("segment_file", "segment_name", 1, &body, plain);
	ck_assert_int_eq(segment_seal(epoch_keys, &h, &body, &file), 0);
	ck_assert_int_eq(segment_open(epoch_keys, file.data, file.len, &h,
				      again, &body),
			 0);
	assert_vector("segment_body", again, 4096);
}
END_TEST

START_TEST(split_inodes_are_derived_alike)
{
	const struct vector *v;
	size_t at = 0;
	unsigned n = 0;

	while ((v = vector_next("split_", &at)) != NULL) {
		struct inode_id id = inode_id_split(dot_get(v->bytes));

		ck_assert_uint_eq(id.time, le64_get(v->bytes + DOT_BYTES));
		ck_assert_uint_eq(id.tail, le64_get(v->bytes + DOT_BYTES + 8));
		n++;
	}
	ck_assert_uint_eq(n, 3);
}
END_TEST

START_TEST(the_writer_file_opens)
{
	const struct vector *file = vector_get("writer_file");
	auto_secret struct key *dk = secret_alloc(sizeof(*dk));
	struct writer_file w;

	ck_assert_ptr_nonnull(dk);
	ck_assert_uint_eq(file->n, WRITER_FILE_BYTES);
	ck_assert_int_eq(writer_file_decode(file->bytes, &w), 0);
	ck_assert_uint_eq(w.writer, WRITER);
	ck_assert_uint_eq(w.epoch, 1);
	ck_assert_int_eq(writer_file_open(file->bytes, epoch_keys, dk), 0);
	assert_key("dk", dk);
}
END_TEST

static const char *const frames[] = { "marks", "cut", "sealed" };

START_TEST(journal_frames_open)
{
	const struct vector *file = vector_find("frame_%s", frames[_i]);
	const struct vector *body = vector_find("body_%s", frames[_i]);
	auto_free uint8_t *plain = mem_alloc(OUT_MAX);
	struct frame_header h;

	ck_assert(file && body && plain);
	ck_assert_int_eq(frame_header_decode(file->bytes, &h), 0);
	ck_assert_uint_eq(h.number, 42U + (unsigned)_i);
	ck_assert_int_eq((int)h.type, _i + 1);
	ck_assert_uint_eq(h.body_bytes, body->n);
	assert_vector("journal_id", h.journal_id, sizeof(h.journal_id));
	ck_assert_int_eq(frame_open(local_keys, file->bytes, &h,
				    file->bytes + FRAME_HEADER_BYTES, plain),
			 0);
	ck_assert_mem_eq(plain, body->bytes, body->n);
}
END_TEST

START_TEST(frame_bodies_are_decoded_and_encoded_alike)
{
	auto_buf struct buf out = BUF_INIT(OUT_MAX);
	struct cursor c = vector_cursor("body_marks");
	struct sealed_mark sealed;
	struct marks marks;
	struct cut cut;

	ck_assert_int_eq(marks_decode(&c, &marks), 0);
	ck_assert(marks.index_clean);
	ck_assert_uint_eq(marks.n_heads, 2);
	ck_assert_uint_eq(marks.index_generation, INDEX_GENERATION);
	marks_encode(&marks, &out);
	ck_assert_int_eq(buf_error(&out), 0);
	assert_vector("body_marks", out.data, out.len);

	buf_reset(&out);
	c = vector_cursor("body_cut");
	ck_assert_int_eq(cut_decode(&c, &cut), 0);
	ck_assert_uint_eq(cut.n_runs, 2);
	ck_assert_uint_eq(cut.n_packs, 1);
	ck_assert_uint_eq(cut.n_stage, 1);
	ck_assert_uint_eq(cut.n_chunks, 1);
	cut_encode(&cut, &out);
	ck_assert_int_eq(buf_error(&out), 0);
	assert_vector("body_cut", out.data, out.len);

	buf_reset(&out);
	c = vector_cursor("body_sealed");
	ck_assert_int_eq(sealed_mark_decode(&c, &sealed), 0);
	ck_assert_uint_eq(sealed.seq, 1);
	assert_vector("segment_hash", sealed.hash.b, sizeof(sealed.hash.b));
	sealed_mark_encode(&sealed, &out);
	ck_assert_int_eq(buf_error(&out), 0);
	assert_vector("body_sealed", out.data, out.len);
}
END_TEST

START_TEST(an_index_page_opens)
{
	const struct vector *page = vector_get("index_page");
	auto_secret struct key *k = secret_alloc(sizeof(*k));
	uint8_t sealed[4056 + TAG_BYTES], ad[24], want[4056];

	ck_assert_ptr_nonnull(k);
	ck_assert_uint_eq(page->n, 4096);
	vector_copy("k_idx", k, sizeof(*k));
	memcpy(sealed, page->bytes, 4056);
	memcpy(sealed + 4056, page->bytes + 4080, TAG_BYTES);
	memcpy(ad, "cofr-idx", 8);
	le64_put(ad + 8, INDEX_GENERATION);
	le64_put(ad + 16, 1);
	ck_assert_int_eq(aead_open(k, page->bytes + 4056, ad, sizeof(ad),
				   sealed, sizeof(sealed), sealed),
			 0);
	fill_pattern(want, sizeof(want));
	ck_assert_mem_eq(sealed, want, sizeof(want));
}
END_TEST

static Suite *vectors_suite(void)
{
	Suite *s = suite_create("vectors");
	TCase *t = tcase_create("codecs");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, keys_are_derived_as_the_table_says);
	tcase_add_test(t, the_gear_table_is_the_same);
	tcase_add_test(t, argon2id_gives_the_same_bytes);
	tcase_add_test(t, the_header_is_made_and_verified);
	tcase_add_loop_test(t, slots_of_each_kind_open, 0,
			    (int)array_len(slot_kinds));
	tcase_add_test(t, a_recovery_key_is_read);
	tcase_add_test(t, lengths_are_padded_alike);
	tcase_add_test(t, content_ids_are_the_same);
	tcase_add_loop_test(t, records_are_sealed_to_the_same_bytes_and_open, 0,
			    4);
	tcase_add_test(t, a_chain_of_64_kib_blocks_is_sealed_to_the_same_bytes);
	tcase_add_test(t, a_pack_opens);
	tcase_add_test(t, a_stage_file_opens);
	tcase_add_test(t, every_operation_is_decoded_and_encoded_alike);
	tcase_add_test(t, segments_open);
	tcase_add_test(t, a_segment_body_is_encoded_alike);
	tcase_add_test(t, split_inodes_are_derived_alike);
	tcase_add_test(t, the_writer_file_opens);
	tcase_add_loop_test(t, journal_frames_open, 0, (int)array_len(frames));
	tcase_add_test(t, frame_bodies_are_decoded_and_encoded_alike);
	tcase_add_test(t, an_index_page_opens);
	suite_add_tcase(s, t);
	return s;
}

int main(int argc, char **argv)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	SRunner *r;
	int failed;

	snprintf(path, sizeof(path), "%s/vault-format/vectors/vectors.txt",
		 top ? top : ".");
	vectors_load(argc > 1 ? argv[1] : path);
	if (crypto_start() < 0)
		return 99;
	derive_keys();
	r = srunner_create(vectors_suite());
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	free_keys();
	vectors_free();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
