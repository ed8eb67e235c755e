/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "format/recovery.h"
#include "format/slot.h"
#include "format/slot_priv.h"
#include "format_fixture.h"

/* The least a reader accepts: a few milliseconds. */
#define WEAK_OPS 1
#define WEAK_MEMORY_KIB 8192

static struct keyring *ring;
static struct slot_info info;
static struct secret_buf credential;

static void add_epoch(uint32_t epoch, uint8_t first)
{
	ring->epochs[ring->n_epochs].epoch = epoch;
	ring->epochs[ring->n_epochs++].ek = key_from(first);
}

static void start(void)
{
	ck_assert_int_eq(crypto_start(), 0);
	ring = secret_alloc(sizeof(*ring));
	ck_assert_ptr_nonnull(ring);
	memset(ring, 0, sizeof(*ring));
	ring->vrk = key_from(10);
	fill_from(20, ring->header_mac.b, sizeof(ring->header_mac.b));
	add_epoch(2, 30);
	add_epoch(1, 40);
	info = (struct slot_info){ .type = SLOT_PASSPHRASE,
				   .ops = WEAK_OPS,
				   .memory_kib = WEAK_MEMORY_KIB,
				   .newest_epoch = 2 };
	fill_from(50, info.vault.b, sizeof(info.vault.b));
	ck_assert_int_eq(secret_buf_append(&credential, "open sesame", 11), 0);
}

static void stop(void)
{
	secret_free(ring);
	secret_buf_release(&credential);
}

static void seal(uint8_t slot[static SLOT_BYTES])
{
	ck_assert_int_eq(slot_seal(ring, &info, &credential, true, slot), 0);
}

/* KEK and commitment, by the specification's words. */
static void derive(const uint8_t slot[static SLOT_BYTES], struct slot_keys *ret)
{
	uint8_t out[64];

	ck_assert_int_eq(kdf_argon2id(credential.data, credential.len,
				      slot + 24, info.ops, info.memory_kib,
				      out),
			 0);
	memcpy(ret->kek.b, out, 32);
	memcpy(ret->commitment, out + 32, 32);
}

static bool all_zero(const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

START_TEST(the_clear_part_is_laid_out_as_specified)
{
	uint8_t slot[SLOT_BYTES];

	seal(slot);
	ck_assert_mem_eq(slot, "COFFERK1", 8);
	assert_hex(slot + 8, 16,
		   "0101000001000000" /* type, KDF, flags, ops */
		   "0020000000000000" /* memory, token */);
	assert_hex(slot + 40, 24,
		   "32333435363738393a3b3c3d3e3f4041" /* uuid */
		   "0200000000000000" /* newest epoch, reserved */);
	ck_assert(!all_zero(slot + 24, 16) && !all_zero(slot + 96, 24));
	ck_assert(all_zero(slot + 120, 904));
}
END_TEST

START_TEST(the_keyring_is_sealed_under_the_clear_part)
{
	uint8_t slot[SLOT_BYTES], plain[KEYRING_PLAIN_BYTES];
	struct slot_keys keys;
	struct key want;

	seal(slot);
	derive(slot, &keys);
	ck_assert_mem_eq(slot + 64, keys.commitment, 32);
	ck_assert_int_eq(aead_open(&keys.kek, slot + 96, slot, 1024,
				   slot + 1024, 3072, plain),
			 0);
	want = key_from(10);
	ck_assert_mem_eq(plain, want.b, 32);
	ck_assert_mem_eq(plain + 32, ring->header_mac.b, 32);
	assert_hex(plain + 64, 16,
		   "0200000000000000" /* count, reserved */
		   "0200000000000000" /* epoch, reserved */);
	want = key_from(30);
	ck_assert_mem_eq(plain + 80, want.b, 32);
	assert_hex(plain + 112, 8, "0100000000000000");
	want = key_from(40);
	ck_assert_mem_eq(plain + 120, want.b, 32);
	ck_assert(all_zero(plain + 152, sizeof(plain) - 152));
}
END_TEST

START_TEST(a_slot_opens_with_its_credential)
{
	auto_secret struct keyring *got = secret_alloc(sizeof(*got));
	uint8_t slot[SLOT_BYTES];
	struct slot_info seen;

	ck_assert_ptr_nonnull(got);
	seal(slot);
	ck_assert_int_eq(slot_decode(slot, &seen), 0);
	ck_assert_int_eq(seen.type, SLOT_PASSPHRASE);
	ck_assert_uint_eq(seen.ops, WEAK_OPS);
	ck_assert_uint_eq(seen.memory_kib, WEAK_MEMORY_KIB);
	ck_assert_uint_eq(seen.newest_epoch, 2);
	ck_assert_mem_eq(seen.vault.b, info.vault.b, sizeof(info.vault.b));
	ck_assert_int_eq(slot_open(slot, &credential, got), 0);
	ck_assert_mem_eq(got, ring, sizeof(*ring));
}
END_TEST

START_TEST(a_slot_is_made_with_fresh_salt_and_nonce)
{
	uint8_t a[SLOT_BYTES], b[SLOT_BYTES];
	uint8_t name_a[SLOT_NAME_BYTES], name_b[SLOT_NAME_BYTES];

	seal(a);
	seal(b);
	ck_assert_mem_ne(a + 24, b + 24, 16);
	ck_assert_mem_ne(a + 64, b + 64, 32);
	ck_assert_mem_ne(a + 96, b + 96, 24);
	slot_name(a, name_a);
	slot_name(b, name_b);
	ck_assert_mem_ne(name_a, name_b, SLOT_NAME_BYTES);
}
END_TEST

START_TEST(a_slot_is_named_by_its_hash)
{
	uint8_t slot[SLOT_BYTES], name[SLOT_NAME_BYTES], want[16];

	seal(slot);
	slot_name(slot, name);
	hash_bytes(NULL, slot, sizeof(slot), want, sizeof(want));
	ck_assert_mem_eq(name, want, sizeof(want));
}
END_TEST

START_TEST(a_slot_of_each_type_is_sealed)
{
	auto_secret struct keyring *got = secret_alloc(sizeof(*got));
	uint8_t slot[SLOT_BYTES];
	int type;

	ck_assert_ptr_nonnull(got);
	ring->n_epochs = 1;
	for (type = SLOT_PASSPHRASE; type <= SLOT_RECOVERY; type++) {
		info.type = (enum slot_type)type;
		seal(slot);
		ck_assert_uint_eq(slot[8], (unsigned)type);
		ck_assert_int_eq(slot_open(slot, &credential, got), 0);
		ck_assert_uint_eq(got->n_epochs, 1);
	}
}
END_TEST

START_TEST(a_keyring_of_64_epochs_fits)
{
	auto_secret struct keyring *got = secret_alloc(sizeof(*got));
	uint8_t slot[SLOT_BYTES];

	ck_assert_ptr_nonnull(got);
	while (ring->n_epochs < KEYRING_MAX_EPOCHS)
		add_epoch(ring->n_epochs + 1, (uint8_t)ring->n_epochs);
	info.newest_epoch = KEYRING_MAX_EPOCHS;
	seal(slot);
	ck_assert_int_eq(slot_open(slot, &credential, got), 0);
	ck_assert_mem_eq(got, ring, sizeof(*ring));
}
END_TEST

START_TEST(another_credential_is_a_wrong_key_and_nothing_is_touched)
{
	auto_secret_buf struct secret_buf other = SECRET_BUF_INIT;
	auto_secret struct keyring *got = secret_alloc(sizeof(*got));
	uint8_t slot[SLOT_BYTES];

	ck_assert_ptr_nonnull(got);
	memset(got, 0x5a, sizeof(*got));
	seal(slot);
	ck_assert_int_eq(secret_buf_append(&other, "open sesamf", 11), 0);
	ck_assert_int_eq(slot_open(slot, &other, got), ERR_WRONG_KEY);
	ck_assert_int_eq(secret_buf_append(&credential, "", 1), 0);
	ck_assert_int_eq(slot_open(slot, &credential, got), ERR_WRONG_KEY);
	ck_assert_uint_eq(got->n_epochs, 0x5a5a5a5a);
}
END_TEST

static uint8_t flipped[SLOT_BYTES];
static struct slot_keys flipped_keys;

static int open_flipped(void *got)
{
	struct slot_info seen;
	int err = slot_decode(flipped, &seen);

	return err < 0 ? err
		       : slot_open_derived(flipped, &seen, &flipped_keys, got);
}

/* With the keys derived once: the whole file is authenticated under them. */
START_TEST(every_flipped_bit_is_noticed)
{
	auto_secret struct keyring *got = secret_alloc(sizeof(*got));

	ck_assert_ptr_nonnull(got);
	seal(flipped);
	derive(flipped, &flipped_keys);
	assert_flips_fail(flipped, 0, SLOT_BYTES, open_flipped, got);
}
END_TEST

START_TEST(damage_is_told_from_a_wrong_credential)
{
	auto_secret struct keyring *got = secret_alloc(sizeof(*got));
	const struct {
		size_t at;
		int err;
	} table[] = {
		{ 24, ERR_WRONG_KEY },			    /* salt */
		{ 39, ERR_WRONG_KEY }, { 40, ERR_DAMAGED }, /* vault uuid */
		{ 56, ERR_DAMAGED },			    /* newest epoch */
		{ 64, ERR_WRONG_KEY },			    /* commitment */
		{ 95, ERR_WRONG_KEY }, { 96, ERR_DAMAGED }, /* nonce */
		{ 1024, ERR_DAMAGED },			    /* keyring */
		{ 4095, ERR_DAMAGED },
	};
	uint8_t slot[SLOT_BYTES];
	size_t i;

	ck_assert_ptr_nonnull(got);
	memset(got, 0x5a, sizeof(*got));
	seal(slot);
	for (i = 0; i < array_len(table); i++) {
		slot[table[i].at] ^= 1;
		ck_assert_int_eq(slot_open(slot, &credential, got),
				 table[i].err);
		slot[table[i].at] ^= 1;
	}
	ck_assert_uint_eq(got->n_epochs, 0x5a5a5a5a);
	ck_assert_int_eq(slot_open(slot, &credential, got), 0);
}
END_TEST

START_TEST(the_clear_part_is_checked)
{
	const struct {
		size_t at, n;
		uint64_t value;
		int err;
	} table[] = {
		{ 0, 1, 'c', ERR_MALFORMED },
		{ 8, 1, 0, ERR_NEWER },
		{ 8, 1, 6, ERR_NEWER },
		{ 8, 1, SLOT_RECOVERY, 0 },
		{ 8, 1, SLOT_TOKEN, ERR_MALFORMED }, /* without token data */
		{ 9, 1, 0, ERR_NEWER },
		{ 9, 1, 2, ERR_NEWER },
		{ 10, 2, 1, ERR_NEWER },
		{ 11, 1, 0x80, ERR_NEWER },
		{ 12, 4, 0, ERR_KDF_LIMIT },
		{ 12, 4, 64, 0 },
		{ 12, 4, 65, ERR_KDF_LIMIT },
		{ 12, 4, 0xffffffff, ERR_KDF_LIMIT },
		{ 16, 4, 8191, ERR_KDF_LIMIT },
		{ 16, 4, 4194304, 0 },
		{ 16, 4, 4194305, ERR_KDF_LIMIT },
		{ 16, 4, 0xffffffff, ERR_KDF_LIMIT },
		{ 20, 4, 1, ERR_MALFORMED },
		{ 20, 4, 905, ERR_MALFORMED },
		{ 20, 4, 0xffffffff, ERR_MALFORMED },
		{ 56, 4, 0, ERR_MALFORMED },
		{ 56, 4, 1, 0 },
		{ 60, 1, 1, ERR_MALFORMED },
		{ 63, 1, 1, ERR_MALFORMED },
		{ 120, 1, 1, ERR_MALFORMED },
		{ 1023, 1, 1, ERR_MALFORMED },
	};
	uint8_t good[SLOT_BYTES], slot[SLOT_BYTES];
	size_t i, k;

	seal(good);
	for (i = 0; i < array_len(table); i++) {
		struct slot_info before, seen;
		int err;

		memcpy(slot, good, sizeof(slot));
		for (k = 0; k < table[i].n; k++)
			slot[table[i].at + k] =
				(uint8_t)(table[i].value >> (8 * k));
		memset(&seen, 0x5a, sizeof(seen));
		memcpy(&before, &seen, sizeof(seen));
		err = slot_decode(slot, &seen);
		ck_assert_msg(err == table[i].err, "row %zu: %d", i, err);
		if (err < 0)
			ck_assert_mem_eq(&seen, &before, sizeof(seen));
	}
}
END_TEST

START_TEST(the_product_of_ops_and_memory_is_limited)
{
	uint8_t slot[SLOT_BYTES];
	struct slot_info seen;

	seal(slot);
	le32_put(slot + 12, 8); /* times 4 GiB */
	le32_put(slot + 16, 4194304);
	ck_assert_int_eq(slot_decode(slot, &seen), 0);
	le32_put(slot + 12, 9);
	ck_assert_int_eq(slot_decode(slot, &seen), ERR_KDF_LIMIT);
	le32_put(slot + 12, 64); /* times 512 MiB */
	le32_put(slot + 16, 524288);
	ck_assert_int_eq(slot_decode(slot, &seen), 0);
	le32_put(slot + 16, 524289);
	ck_assert_int_eq(slot_decode(slot, &seen), ERR_KDF_LIMIT);
}
END_TEST

START_TEST(the_slot_of_a_token_can_be_listed)
{
	uint8_t slot[SLOT_BYTES];
	struct slot_info seen;

	seal(slot);
	slot[8] = SLOT_TOKEN;
	le32_put(slot + 20, 904);
	memset(slot + 120, 0xff, 904);
	ck_assert_int_eq(slot_decode(slot, &seen), 0);
	ck_assert_int_eq(seen.type, SLOT_TOKEN);
	le32_put(slot + 20, 903);
	ck_assert_int_eq(slot_decode(slot, &seen), ERR_MALFORMED);
	slot[1023] = 0;
	ck_assert_int_eq(slot_decode(slot, &seen), 0);
}
END_TEST

START_TEST(a_weak_slot_is_never_written_but_for_tests)
{
	const struct {
		uint32_t ops, memory_kib;
	} weak[] = {
		{ 2, ARGON2_MEMORY_KIB_DEFAULT },
		{ ARGON2_OPS_DEFAULT, ARGON2_MEMORY_KIB_WRITE_MIN - 1 },
		{ 65, ARGON2_MEMORY_KIB_WRITE_MIN },
		{ 3, 4194305 },
		{ 9, 4194304 },
	};
	uint8_t slot[SLOT_BYTES] = { 0 };
	size_t i;

	for (i = 0; i < array_len(weak); i++) {
		info.ops = weak[i].ops;
		info.memory_kib = weak[i].memory_kib;
		ck_assert_int_eq(slot_seal(ring, &info, &credential, false,
					   slot),
				 ERR_KDF_LIMIT);
	}
	info.ops = WEAK_OPS;
	info.memory_kib = WEAK_MEMORY_KIB - 1;
	ck_assert_int_eq(slot_seal(ring, &info, &credential, true, slot),
			 ERR_KDF_LIMIT);
	ck_assert(all_zero(slot, sizeof(slot)));
	info.ops = 3;
	info.memory_kib = ARGON2_MEMORY_KIB_WRITE_MIN;
	ck_assert_int_eq(slot_seal(ring, &info, &credential, false, slot), 0);
}
END_TEST

START_TEST(a_keyring_that_breaks_the_rules_is_not_sealed)
{
	uint8_t slot[SLOT_BYTES];

	info.newest_epoch = 1;
	ck_assert_int_eq(slot_seal(ring, &info, &credential, true, slot),
			 ERR_MALFORMED);
	info.newest_epoch = 2;
	add_epoch(2, 30);
	ck_assert_int_eq(slot_seal(ring, &info, &credential, true, slot),
			 ERR_MALFORMED);
	ring->n_epochs = 0;
	ck_assert_int_eq(slot_seal(ring, &info, &credential, true, slot),
			 ERR_MALFORMED);
	ck_assert_int_eq(keyring_check(ring, 0), ERR_MALFORMED);
	ring->n_epochs = KEYRING_MAX_EPOCHS + 1;
	ck_assert_int_eq(keyring_check(ring, 2), ERR_LIMIT);
	ck_assert_int_eq(slot_seal(ring, &info, &credential, true, slot),
			 ERR_MALFORMED);
	ring->n_epochs = 2;
	info.type = SLOT_TOKEN;
	ck_assert_int_eq(slot_seal(ring, &info, &credential, true, slot),
			 ERR_NEWER);
	info.type = (enum slot_type)0;
	ck_assert_int_eq(slot_seal(ring, &info, &credential, true, slot),
			 ERR_NEWER);
}
END_TEST

/* Seals `plain` under a slot's own keys: authentic, whatever is in it. */
static int open_with_keyring(const uint8_t plain[static KEYRING_PLAIN_BYTES])
{
	auto_secret struct keyring *got = secret_alloc(sizeof(*got));
	uint8_t slot[SLOT_BYTES];
	struct slot_keys keys;

	ck_assert_ptr_nonnull(got);
	seal(slot);
	derive(slot, &keys);
	aead_seal(&keys.kek, slot + 96, slot, 1024, plain, KEYRING_PLAIN_BYTES,
		  slot + 1024);
	return slot_open(slot, &credential, got);
}

START_TEST(an_authentic_keyring_is_checked)
{
	/* count 64, reserved 68, {epoch, reserved, key} at 72 and 112 */
	const struct {
		size_t at;
		uint32_t value;
	} table[] = {
		{ 64, 0 },	    { 64, 1 },		{ 64, 3 },  { 64, 65 },
		{ 64, 0xffffffff }, { 68, 1 },		{ 72, 3 },  { 72, 1 },
		{ 76, 1 },	    { 112, 0 },		{ 116, 1 }, { 152, 1 },
		{ 2628, 1 },	    { 3052, 1u << 31 },
	};
	uint8_t good[KEYRING_PLAIN_BYTES], plain[KEYRING_PLAIN_BYTES];
	size_t i;

	keyring_encode(ring, good);
	ck_assert_int_eq(open_with_keyring(good), 0);
	for (i = 0; i < array_len(table); i++) {
		memcpy(plain, good, sizeof(plain));
		le32_put(plain + table[i].at, table[i].value);
		ck_assert_msg(open_with_keyring(plain) == ERR_DAMAGED,
			      "row %zu", i);
	}
	/* The same key under the same number. */
	memcpy(plain, good, sizeof(plain));
	memcpy(plain + 112, plain + 72, 40);
	ck_assert_int_eq(open_with_keyring(plain), ERR_DAMAGED);
	/* Another key under the same number: two rotations at once. */
	plain[150] ^= 1;
	ck_assert_int_eq(open_with_keyring(plain), 0);
}
END_TEST

START_TEST(credentials_are_what_the_specification_feeds_argon2id)
{
	/* hashlib.blake2b(b"cofr-kfl" + bytes(range(32)), digest_size=64) */
	const char *const f =
		"97e3b0c05f87464d201bbfde9e55d02a2129df76077c70645867a927b83d45"
		"e339232ed2189e22f424aedce05c50b12ea739c3e11d0340b56fca567c6cee"
		"f755";
	auto_secret_buf struct secret_buf file = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	uint8_t bytes[32];

	fill_from(0, bytes, sizeof(bytes));
	ck_assert_int_eq(secret_buf_append(&file, bytes, sizeof(bytes)), 0);

	ck_assert_int_eq(
		slot_credential(SLOT_PASSPHRASE, &credential, NULL, &p), 0);
	ck_assert_uint_eq(p.len, 11);
	ck_assert_mem_eq(p.data, "open sesame", 11);

	ck_assert_int_eq(slot_credential(SLOT_KEY_FILE, NULL, &file, &p), 0);
	assert_hex(p.data, p.len, f);

	ck_assert_int_eq(slot_credential(SLOT_KEY_FILE_AND_PASSPHRASE,
					 &credential, &file, &p),
			 0);
	ck_assert_uint_eq(p.len, 75);
	assert_hex(p.data, 64, f);
	ck_assert_mem_eq(p.data + 64, "open sesame", 11);
}
END_TEST

static int credential_of(enum slot_type type, size_t pass_len, size_t file_len)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf file = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	auto_free uint8_t *zeros = mem_zalloc(KEY_FILE_BYTES_MAX + 1);
	int err;

	ck_assert_ptr_nonnull(zeros);
	ck_assert_int_eq(secret_buf_append(&pass, zeros, pass_len), 0);
	ck_assert_int_eq(secret_buf_append(&file, zeros, file_len), 0);
	ck_assert_int_eq(secret_buf_append(&p, "before", 6), 0);
	err = slot_credential(type, &pass, &file, &p);
	if (err < 0) {
		ck_assert_uint_eq(p.len, 6);
		ck_assert_mem_eq(p.data, "before", 6);
	}
	return err;
}

START_TEST(credentials_of_other_lengths_are_refused)
{
	const enum slot_type both = SLOT_KEY_FILE_AND_PASSPHRASE;

	ck_assert_int_eq(credential_of(SLOT_PASSPHRASE, 0, 0), ERR_LIMIT);
	ck_assert_int_eq(credential_of(SLOT_PASSPHRASE, 1, 0), 0);
	ck_assert_int_eq(credential_of(SLOT_PASSPHRASE, 1024, 0), 0);
	ck_assert_int_eq(credential_of(SLOT_PASSPHRASE, 1025, 0), ERR_LIMIT);
	ck_assert_int_eq(credential_of(SLOT_KEY_FILE, 0, 31), ERR_LIMIT);
	ck_assert_int_eq(credential_of(SLOT_KEY_FILE, 0, 32), 0);
	ck_assert_int_eq(credential_of(SLOT_KEY_FILE, 0, 1 << 20), 0);
	ck_assert_int_eq(credential_of(SLOT_KEY_FILE, 0, (1 << 20) + 1),
			 ERR_LIMIT);
	ck_assert_int_eq(credential_of(both, 0, 32), ERR_LIMIT);
	ck_assert_int_eq(credential_of(both, 1025, 32), ERR_LIMIT);
	ck_assert_int_eq(credential_of(both, 1, 31), ERR_LIMIT);
	ck_assert_int_eq(credential_of(both, 1024, 32), 0);
	ck_assert_int_eq(credential_of(SLOT_RECOVERY, 43, 0), ERR_LIMIT);
	ck_assert_int_eq(credential_of(SLOT_RECOVERY, 45, 0), ERR_LIMIT);
	ck_assert_int_eq(credential_of(SLOT_RECOVERY, 44, 0), 0);
	ck_assert_int_eq(credential_of(SLOT_TOKEN, 44, 32), ERR_NEWER);
}
END_TEST

START_TEST(a_missing_part_of_a_credential_is_refused)
{
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;

	ck_assert_int_eq(slot_credential(SLOT_PASSPHRASE, NULL, NULL, &p),
			 ERR_LIMIT);
	ck_assert_int_eq(slot_credential(SLOT_KEY_FILE, &credential, NULL, &p),
			 ERR_LIMIT);
	ck_assert_int_eq(slot_credential(SLOT_RECOVERY, NULL, NULL, &p),
			 ERR_LIMIT);
}
END_TEST

START_TEST(without_memory_nothing_is_made_and_nothing_lost)
{
	auto_secret struct keyring *got = secret_alloc(sizeof(*got));
	uint8_t good[SLOT_BYTES], slot[SLOT_BYTES] = { 0 };
	unsigned long nth;
	int err;

	ck_assert_ptr_nonnull(got);
	seal(good);
	for (nth = 1;; nth++) {
		mem_fail_nth(nth, false);
		err = slot_seal(ring, &info, &credential, true, slot);
		if (!mem_fail_hit())
			break;
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert(all_zero(slot, sizeof(slot)));
	}
	ck_assert_int_eq(err, 0);
	ck_assert_uint_gt(nth, 1);
	for (nth = 1;; nth++) {
		memset(got, 0x5a, sizeof(*got));
		mem_fail_nth(nth, false);
		err = slot_open(good, &credential, got);
		if (!mem_fail_hit())
			break;
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert_uint_eq(got->n_epochs, 0x5a5a5a5a);
	}
	mem_fail_nth(0, false);
	ck_assert_int_eq(err, 0);
	ck_assert_uint_gt(nth, 1);
}
END_TEST

static Suite *slot_suite(void)
{
	Suite *suite = suite_create("slot");
	TCase *tcase = tcase_create("layout");

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, the_clear_part_is_laid_out_as_specified);
	tcase_add_test(tcase, the_keyring_is_sealed_under_the_clear_part);
	tcase_add_test(tcase, a_slot_opens_with_its_credential);
	tcase_add_test(tcase, a_slot_is_made_with_fresh_salt_and_nonce);
	tcase_add_test(tcase, a_slot_is_named_by_its_hash);
	tcase_add_test(tcase, a_slot_of_each_type_is_sealed);
	tcase_add_test(tcase, a_keyring_of_64_epochs_fits);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("rejects");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(
		tcase,
		another_credential_is_a_wrong_key_and_nothing_is_touched);
	tcase_add_test(tcase, every_flipped_bit_is_noticed);
	tcase_add_test(tcase, damage_is_told_from_a_wrong_credential);
	tcase_add_test(tcase, the_clear_part_is_checked);
	tcase_add_test(tcase, the_product_of_ops_and_memory_is_limited);
	tcase_add_test(tcase, the_slot_of_a_token_can_be_listed);
	tcase_add_test(tcase, a_weak_slot_is_never_written_but_for_tests);
	tcase_add_test(tcase, a_keyring_that_breaks_the_rules_is_not_sealed);
	tcase_add_test(tcase, an_authentic_keyring_is_checked);
	tcase_add_test(tcase, without_memory_nothing_is_made_and_nothing_lost);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("credentials");
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase,
		       credentials_are_what_the_specification_feeds_argon2id);
	tcase_add_test(tcase, credentials_of_other_lengths_are_refused);
	tcase_add_test(tcase, a_missing_part_of_a_credential_is_refused);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run_suite(slot_suite());
}
