/* SPDX-License-Identifier: ISC */
/*
 * Known answers by Python's hashlib.blake2b (the BLAKE2 reference code), the
 * master key being 00 01 ... 1f:
 *   blake2b(b"", digest_size=n, key=master, salt=struct.pack("<QQ", id, 0),
 *           person=b"cofr-..." + bytes(8)).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <sodium.h>

#include "assert_hex.h"
#include "base/buf.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "crypto/secret.h"

static struct key master;

static void start(void)
{
	ck_assert_int_eq(crypto_start(), 0);
	fill_from(0, master.b, sizeof(master.b));
}

static void assert_key(const struct key *key, const char *hex)
{
	assert_hex(key->b, sizeof(key->b), hex);
}

START_TEST(the_vault_root_key_gives_header_and_content_id_keys)
{
	auto_secret struct vault_keys *k = secret_alloc(sizeof(*k));

	ck_assert_ptr_nonnull(k);
	keys_vault(&master, k);
	assert_key(&k->hdr, "3eef80639aa874e26b9fe1e10faadf60"
			    "fe8a4edf7ba464718f54beec5b1d53f2");
	assert_key(&k->cid_data, "1167e8c87d2ef812dcbe8c2637cdc289"
				 "4ddd0b67e7df65cd689ed6b4a0f2773e");
	assert_key(&k->cid_meta, "a01fa574dea63c8c014149c7d17f9398"
				 "1816ca217772df48437066732e4898fe");
}
END_TEST

/* struct.unpack("<256Q", the 32 subkeys joined), and their BLAKE2b-256. */
START_TEST(the_gear_table_is_read_little_endian_from_joined_subkeys)
{
	auto_secret struct vault_keys *k = secret_alloc(sizeof(*k));
	uint8_t joined[8 * KEYS_GEAR_ENTRIES], digest[32];
	size_t i;

	ck_assert_ptr_nonnull(k);
	keys_vault(&master, k);
	ck_assert_uint_eq(k->gear[0], 0x0927083be378ffa2);
	ck_assert_uint_eq(k->gear[7], 0xbc2530c5a89e0dce);
	ck_assert_uint_eq(k->gear[8], 0x30c802d7fd228bcc);
	ck_assert_uint_eq(k->gear[100], 0x2401bc28f73fa5d9);
	ck_assert_uint_eq(k->gear[255], 0xbf092bc54d177946);
	for (i = 0; i < KEYS_GEAR_ENTRIES; i++)
		le64_put(joined + 8 * i, k->gear[i]);
	hash_bytes(NULL, joined, sizeof(joined), digest, sizeof(digest));
	assert_hex(digest, sizeof(digest),
		   "8fc7b4da44ce82ca49d0f67a508ae8c7"
		   "597b9667953f5737375daf7932d15ed4");
}
END_TEST

START_TEST(an_epoch_key_gives_its_public_name_and_the_keys_of_files)
{
	auto_secret struct epoch_keys *k = secret_alloc(sizeof(*k));

	ck_assert_ptr_nonnull(k);
	keys_epoch(&master, 17, k);
	ck_assert_uint_eq(k->epoch, 17);
	assert_hex(k->id.b, sizeof(k->id.b),
		   "4bf42d469d874a5272c89c49631055e9"
		   "bdfe720a75a699f086f5e5c06ffc6ba6");
	assert_key(&k->chk, "ce2408703895abf4313c2757edb542ca"
			    "0b6f8c5580496b00f674fa46b22cf0e2");
	assert_key(&k->pak, "280cbc930368f2cbf1c4aeff4810aedc"
			    "10dc351f2fc274e4e321febe14556c30");
	assert_key(&k->log, "16f66a933cf01b60b33fcf1fcf0b83eb"
			    "747ea2ea82a8f32ad31afaf20412c1bf");
	assert_key(&k->snp, "72039b1403692b58c59ec7b1579349e2"
			    "bfd22aef5e1fd222092039f25e77b1a1");
	assert_key(&k->loc, "bb6319ee8236611bc3c6a34b19a742c2"
			    "ba32e35cd48587c22dc1cf5ebc83ede0");
	assert_key(&k->hdg, "0fffb0c2d42c6d3d4dc53e2f223e6edd"
			    "8087a7cf079bc515684a852d7f65cde3");
}
END_TEST

START_TEST(the_local_key_gives_the_keys_of_the_state_directory)
{
	auto_secret struct local_keys *k = secret_alloc(sizeof(*k));

	ck_assert_ptr_nonnull(k);
	keys_local(&master, k);
	assert_key(&k->hdg, "0fffb0c2d42c6d3d4dc53e2f223e6edd"
			    "8087a7cf079bc515684a852d7f65cde3");
	assert_key(&k->jnl, "e8ffa83bf3e08f4a7bb7ea2b24906e26"
			    "195128935e7a31e5b635cd0f72cb0b82");
	assert_key(&k->stg, "ff49c7f611c4661f254fe5b1cd1c4d07"
			    "bdcaa76d0f68500318a86e2594ac788d");
	assert_key(&k->stg_trailer, "da95b9b3374f894a46e62a6985062a53"
				    "178ca42e8cd4ee03c2b13a9f7684c3c0");
	ck_assert_mem_eq(&k->idx_master, &master, sizeof(master));
}
END_TEST

START_TEST(each_generation_of_the_index_has_its_key)
{
	struct key one, other;

	keys_index(&master, 0x8877665544332211, &one);
	assert_key(&one, "a632d19694f755d520e9cbc6153a37ad"
			 "df3da0573df21b7262e1fa606fcde895");
	keys_index(&master, 0x8877665544332212, &other);
	ck_assert_mem_ne(&one, &other, sizeof(one));
}
END_TEST

/* blake2b(b"abc", digest_size=32, key=K_cid of data). */
START_TEST(a_content_id_is_the_keyed_hash_of_the_chunk)
{
	auto_secret struct vault_keys *k = secret_alloc(sizeof(*k));
	struct content_id data, meta;

	ck_assert_ptr_nonnull(k);
	keys_vault(&master, k);
	keys_content_id(&k->cid_data, "abc", 3, &data);
	assert_hex(data.b, sizeof(data.b),
		   "32374e53e0c0de68baa88ff50ae3db7e"
		   "b80e294a834da5afb15d5b06edf7a924");
	keys_content_id(&k->cid_meta, "abc", 3, &meta);
	ck_assert_mem_ne(data.b, meta.b, sizeof(data.b));
}
END_TEST

/* A generator that always draws 40 41 42 ...: broken, or cloned. */
static const char *stuck_name(void)
{
	return "stuck";
}

static uint32_t stuck_random(void)
{
	return 0;
}

static void stuck_buf(void *const to, const size_t n)
{
	fill_from(0x40, to, n);
}

static randombytes_implementation stuck = {
	.implementation_name = stuck_name,
	.random = stuck_random,
	.buf = stuck_buf,
};

static void stick(void)
{
	start();
	ck_assert_int_eq(randombytes_set_implementation(&stuck), 0);
}

static void unstick(void)
{
	ck_assert_int_eq(randombytes_set_implementation(
				 &randombytes_sysrandom_implementation),
			 0);
}

/* blake2b(drawn + h, digest_size=16, key=K_hdg), h = c0 c1 ... */
START_TEST(r16_is_the_keyed_hash_of_random_bytes_and_contents)
{
	struct key hdg;
	uint8_t h[34];
	struct r16 r16;

	ck_assert_int_eq(hex_decode("0fffb0c2d42c6d3d4dc53e2f223e6edd"
				    "8087a7cf079bc515684a852d7f65cde3",
				    sizeof(hdg.b), hdg.b),
			 0);
	fill_from(0xc0, h, sizeof(h));
	keys_r16(&hdg, h, 32, &r16);
	assert_hex(r16.b, sizeof(r16.b), "171f79165f950d247c094452288d9db9");
	keys_r16(&hdg, h, 34, &r16);
	assert_hex(r16.b, sizeof(r16.b), "e1e3edef7108c27818ed49bb7d495f93");
}
END_TEST

START_TEST(a_stuck_generator_repeats_no_r16_for_other_contents)
{
	uint8_t h[34] = { 0 };
	struct r16 first, other;
	size_t bit;

	keys_r16(&master, h, sizeof(h), &first);
	for (bit = 0; bit < 8 * sizeof(h); bit++) {
		h[bit / 8] ^= (uint8_t)(1U << bit % 8);
		keys_r16(&master, h, sizeof(h), &other);
		ck_assert_mem_ne(first.b, other.b, sizeof(first.b));
		h[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
}
END_TEST

START_TEST(sealing_the_same_contents_again_draws_again)
{
	const uint8_t h[32] = { 0 };
	struct r16 one, other;

	keys_r16(&master, h, sizeof(h), &one);
	keys_r16(&master, h, sizeof(h), &other);
	ck_assert_mem_ne(one.b, other.b, sizeof(one.b));
}
END_TEST

static Suite *keys_suite(void)
{
	Suite *suite = suite_create("keys");
	TCase *tcase = tcase_create("tree");

	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase,
		       the_vault_root_key_gives_header_and_content_id_keys);
	tcase_add_test(
		tcase,
		the_gear_table_is_read_little_endian_from_joined_subkeys);
	tcase_add_test(
		tcase,
		an_epoch_key_gives_its_public_name_and_the_keys_of_files);
	tcase_add_test(tcase,
		       the_local_key_gives_the_keys_of_the_state_directory);
	tcase_add_test(tcase, each_generation_of_the_index_has_its_key);
	tcase_add_test(tcase, a_content_id_is_the_keyed_hash_of_the_chunk);
	tcase_add_test(tcase, sealing_the_same_contents_again_draws_again);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("hedge");
	tcase_add_checked_fixture(tcase, stick, unstick);
	tcase_add_test(tcase,
		       r16_is_the_keyed_hash_of_random_bytes_and_contents);
	tcase_add_test(tcase,
		       a_stuck_generator_repeats_no_r16_for_other_contents);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(keys_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
