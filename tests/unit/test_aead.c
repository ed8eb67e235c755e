/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <sodium.h>

#include "assert_hex.h"
#include "base/buf.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/backend.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/secret.h"

#define RECORD_SUB_BYTES 16384
#define CHAIN_MAX 40000

/* 00 01 ... 1f; a0 a1 ... af; 00 01 ... 3f */
static struct key key;
static struct r16 r16;
static uint8_t ad[64];
/* Byte i is (7 i + 3) mod 251. */
static uint8_t plain[CHAIN_MAX];
static uint8_t sealed[CHAIN_MAX + 64 * TAG_BYTES];
static uint8_t opened[CHAIN_MAX];

/* The library the cases ask. */
static enum crypto_library library;

static void start(void)
{
	size_t i;

	ck_assert_int_eq(crypto_start(), 0);
	crypto_backend_prefer(library);
	fill_from(0, key.b, sizeof(key.b));
	fill_from(0xa0, r16.b, sizeof(r16.b));
	fill_from(0, ad, sizeof(ad));
	for (i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)((7 * i + 3) % 251);
}

static void flip(uint8_t *p, size_t bit)
{
	p[bit / 8] ^= (uint8_t)(1U << bit % 8);
}

static void assert_all(const uint8_t *p, size_t n, uint8_t value)
{
	size_t i;

	for (i = 0; i < n; i++)
		ck_assert_uint_eq(p[i], value);
}

/* draft-irtf-cfrg-xchacha-03, appendix A.3.1. */
static const char draft_plain[] =
	"Ladies and Gentlemen of the class of '99: If I could offer you only "
	"one tip for the future, sunscreen would be it.";
#define DRAFT_BYTES (sizeof(draft_plain) - 1)

static const char draft_sealed[] =
	"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
	"731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
	"2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
	"21f9664c97637da9768812f615c68b13b52e"
	"c0875924c1c7987947deafd8780acf49";

struct draft {
	struct key key;
	uint8_t nonce[NONCE_BYTES];
	uint8_t ad[12];
};

static struct draft draft_inputs(void)
{
	struct draft d = { .ad = { 0x50, 0x51, 0x52, 0x53 } };

	fill_from(0x80, d.key.b, sizeof(d.key.b));
	fill_from(0x40, d.nonce, sizeof(d.nonce));
	fill_from(0xc0, d.ad + 4, sizeof(d.ad) - 4);
	return d;
}

START_TEST(sealing_gives_the_bytes_of_the_draft)
{
	const struct draft d = draft_inputs();
	uint8_t out[DRAFT_BYTES + TAG_BYTES], back[DRAFT_BYTES];

	aead_seal(&d.key, d.nonce, d.ad, sizeof(d.ad), draft_plain, DRAFT_BYTES,
		  out);
	assert_hex(out, sizeof(out), draft_sealed);
	ck_assert_int_eq(aead_open(&d.key, d.nonce, d.ad, sizeof(d.ad), out,
				   sizeof(out), back),
			 0);
	ck_assert_mem_eq(back, draft_plain, DRAFT_BYTES);
}
END_TEST

START_TEST(sealing_and_opening_work_in_place)
{
	const struct draft d = draft_inputs();
	uint8_t buf[DRAFT_BYTES + TAG_BYTES];

	memcpy(buf, draft_plain, DRAFT_BYTES);
	aead_seal(&d.key, d.nonce, d.ad, sizeof(d.ad), buf, DRAFT_BYTES, buf);
	assert_hex(buf, sizeof(buf), draft_sealed);
	ck_assert_int_eq(aead_open(&d.key, d.nonce, d.ad, sizeof(d.ad), buf,
				   sizeof(buf), buf),
			 0);
	ck_assert_mem_eq(buf, draft_plain, DRAFT_BYTES);
}
END_TEST

START_TEST(sealing_equals_libsodiums_xchacha20poly1305_at_all_lengths)
{
	uint8_t nonce[NONCE_BYTES], theirs[300 + TAG_BYTES];
	struct key random_key;
	size_t len, ad_len;

	for (len = 0; len <= 300; len++) {
		ad_len = len % (sizeof(ad) + 1);
		random_bytes(random_key.b, sizeof(random_key.b));
		random_bytes(nonce, sizeof(nonce));
		aead_seal(&random_key, nonce, ad, ad_len, plain, len, sealed);
		ck_assert_int_eq(crypto_aead_xchacha20poly1305_ietf_encrypt(
					 theirs, NULL, plain, len, ad, ad_len,
					 NULL, nonce, random_key.b),
				 0);
		ck_assert_mem_eq(sealed, theirs, len + TAG_BYTES);
		ck_assert_int_eq(aead_open(&random_key, nonce, ad, ad_len,
					   theirs, len + TAG_BYTES, opened),
				 0);
		ck_assert_mem_eq(opened, plain, len);
	}
}
END_TEST

START_TEST(nothing_can_be_sealed_and_opened)
{
	const uint8_t nonce[NONCE_BYTES] = { 1 };
	uint8_t tag[TAG_BYTES];

	aead_seal(&key, nonce, NULL, 0, NULL, 0, tag);
	ck_assert_int_eq(
		aead_open(&key, nonce, NULL, 0, tag, sizeof(tag), NULL), 0);
	ck_assert_int_eq(aead_open(&key, nonce, "x", 1, tag, sizeof(tag), NULL),
			 ERR_BAD_SEAL);
	flip(tag, 77);
	ck_assert_int_eq(aead_open(&key, nonce, NULL, 0, tag, sizeof(tag),
				   NULL),
			 ERR_BAD_SEAL);
}
END_TEST

/* Opens `buf` of the draft's size: refused, and the output zeros. */
static void assert_draft_refused(const struct draft *d, const uint8_t *buf)
{
	uint8_t back[DRAFT_BYTES];

	memset(back, 0x77, sizeof(back));
	ck_assert_int_eq(aead_open(&d->key, d->nonce, d->ad, sizeof(d->ad), buf,
				   DRAFT_BYTES + TAG_BYTES, back),
			 ERR_BAD_SEAL);
	assert_all(back, sizeof(back), 0);
}

START_TEST(a_bit_changed_anywhere_is_refused_and_gives_zeros)
{
	struct draft d = draft_inputs();
	uint8_t buf[DRAFT_BYTES + TAG_BYTES];
	size_t bit;

	aead_seal(&d.key, d.nonce, d.ad, sizeof(d.ad), draft_plain, DRAFT_BYTES,
		  buf);
	for (bit = 0; bit < 8 * sizeof(buf); bit++) {
		flip(buf, bit);
		assert_draft_refused(&d, buf);
		flip(buf, bit);
	}
	for (bit = 0; bit < 8 * sizeof(d.key.b); bit++) {
		flip(d.key.b, bit);
		assert_draft_refused(&d, buf);
		flip(d.key.b, bit);
	}
	for (bit = 0; bit < 8 * sizeof(d.nonce); bit++) {
		flip(d.nonce, bit);
		assert_draft_refused(&d, buf);
		flip(d.nonce, bit);
	}
	for (bit = 0; bit < 8 * sizeof(d.ad); bit++) {
		flip(d.ad, bit);
		assert_draft_refused(&d, buf);
		flip(d.ad, bit);
	}
	/* What was flipped is whole again. */
	ck_assert_int_eq(aead_open(&d.key, d.nonce, d.ad, sizeof(d.ad), buf,
				   sizeof(buf), buf),
			 0);
}
END_TEST

START_TEST(a_refused_seal_in_place_leaves_zeros)
{
	const uint8_t nonce[NONCE_BYTES] = { 1 };

	aead_seal(&key, nonce, ad, sizeof(ad), plain, 100, sealed);
	flip(sealed, 0);
	ck_assert_int_eq(aead_open(&key, nonce, ad, sizeof(ad), sealed,
				   100 + TAG_BYTES, sealed),
			 ERR_BAD_SEAL);
	assert_all(sealed, 100, 0);
}
END_TEST

START_TEST(every_cut_and_extension_of_a_seal_is_refused)
{
	const uint8_t nonce[NONCE_BYTES] = { 1 };
	size_t len;
	int want;

	memset(sealed, 0, sizeof(sealed));
	aead_seal(&key, nonce, ad, sizeof(ad), plain, 50, sealed);
	for (len = 0; len <= 50 + 3 * TAG_BYTES; len++) {
		memset(opened, 0x77, 100);
		want = len < TAG_BYTES ? ERR_TRUNCATED : ERR_BAD_SEAL;
		if (len == 50 + TAG_BYTES)
			want = 0;
		ck_assert_int_eq(aead_open(&key, nonce, ad, sizeof(ad), sealed,
					   len, opened),
				 want);
		if (len < TAG_BYTES)
			assert_all(opened, 100, 0x77);
	}
}
END_TEST

START_TEST(a_nonce_is_r16_and_the_counter_little_endian)
{
	uint8_t nonce[NONCE_BYTES];

	aead_nonce(&r16, AEAD_LAST + 0x0102030405060708, nonce);
	assert_hex(nonce, sizeof(nonce),
		   "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0807060504030281");
}
END_TEST

START_TEST(a_sealed_chain_has_one_tag_for_each_sub_block)
{
	ck_assert_uint_eq(aead_chain_sealed_bytes(1, 16384), 17);
	ck_assert_uint_eq(aead_chain_sealed_bytes(16383, 16384), 16399);
	ck_assert_uint_eq(aead_chain_sealed_bytes(16384, 16384), 16400);
	ck_assert_uint_eq(aead_chain_sealed_bytes(16385, 16384), 16417);
	ck_assert_uint_eq(aead_chain_sealed_bytes(32768, 16384), 32800);
	ck_assert_uint_eq(aead_chain_sealed_bytes(32769, 16384), 32817);
	ck_assert_uint_eq(aead_chain_sealed_bytes((uint64_t)1 << 62, 65536),
			  ((uint64_t)1 << 62) + ((uint64_t)1 << 50));
}
END_TEST

/*
 * BLAKE2b-256 of the sealed chain, by an independent pure Python
 * implementation of draft-irtf-cfrg-xchacha-03 and RFC 8439 (which gives the
 * draft's vectors too): for each sub-block, seal under the nonce
 * r16 + struct.pack("<Q", i | (1 << 63 if i == n - 1 else 0)), joined.
 */
static const struct {
	size_t len;
	const char *hex;
} chain_answers[] = {
	{ 1,
	  "d8a518646b8ae1d6bcfa5d0afa382391649df04c25d3fd5ba1daef5cca0aae0a" },
	{ 16383,
	  "d9dd2e2d212f1ab8c9bbec6a6deef430b87f6ed2e889f172b3f139b11be38747" },
	{ 16384,
	  "392f865cb7d65018a1dc0e38142418425edcfa69551e2003ff0325e8daffacb5" },
	{ 16385,
	  "737a93f58fa2d1032553a69712474612889cfa26bf61b42ade02f1cbc5ee42e1" },
	{ 32768,
	  "b8664d58d1bdae803fff86ebf50d6eb8cd0bbc3a254850e3845c1d73fff3ded6" },
	{ 40000,
	  "2c980f2142dadd8958518497ddf8299034d923f1aca84a5ada6db232faaea2f8" },
};

START_TEST(chains_of_records_give_the_independent_bytes)
{
	const size_t len = chain_answers[_i].len;
	const size_t n = (len + RECORD_SUB_BYTES - 1) / RECORD_SUB_BYTES;
	uint8_t digest[32];

	memset(sealed, 0x77, sizeof(sealed));
	aead_chain_seal(&key, &r16, ad, sizeof(ad), RECORD_SUB_BYTES, plain,
			len, sealed);
	hash_bytes(NULL, sealed, len + n * TAG_BYTES, digest, sizeof(digest));
	assert_hex(digest, sizeof(digest), chain_answers[_i].hex);
	assert_all(sealed + len + n * TAG_BYTES, 16, 0x77);
	ck_assert_int_eq(aead_chain_open(&key, &r16, ad, sizeof(ad),
					 RECORD_SUB_BYTES, len, 0, n, sealed,
					 opened),
			 0);
	ck_assert_mem_eq(opened, plain, len);
}
END_TEST

START_TEST(a_small_chain_gives_the_independent_bytes)
{
	uint8_t out[40 + 3 * TAG_BYTES];

	aead_chain_seal(&key, &r16, ad, sizeof(ad), 16, plain, 40, out);
	assert_hex(out, sizeof(out),
		   "17c65752e06f16fe07bd1b3b0d8628dd"
		   "85ad8b656d9b2ef2ceac926afe99c4b8"
		   "766081cea3f1e5fb65e257235c01fc64"
		   "0f73507daccbac8b0204f5ce51c95d12"
		   "844952e6fa96e776c12657d5d35bccbd"
		   "58bc2cd2b56a0991");
}
END_TEST

START_TEST(each_sub_block_is_libsodiums_xchacha20poly1305)
{
	const size_t len = chain_answers[_i].len;
	const uint64_t n = (len + RECORD_SUB_BYTES - 1) / RECORD_SUB_BYTES;
	static uint8_t theirs[RECORD_SUB_BYTES + TAG_BYTES];
	uint8_t nonce[NONCE_BYTES];
	size_t at = 0;
	uint64_t i;

	random_bytes(key.b, sizeof(key.b));
	random_bytes(r16.b, sizeof(r16.b));
	aead_chain_seal(&key, &r16, ad, sizeof(ad), RECORD_SUB_BYTES, plain,
			len, sealed);
	for (i = 0; i < n; i++) {
		size_t take = min_of(len - at, (size_t)RECORD_SUB_BYTES);

		aead_nonce(&r16, i == n - 1 ? i + AEAD_LAST : i, nonce);
		ck_assert_int_eq(crypto_aead_xchacha20poly1305_ietf_encrypt(
					 theirs, NULL, plain + at, take, ad,
					 sizeof(ad), NULL, nonce, key.b),
				 0);
		ck_assert_mem_eq(sealed + at + i * TAG_BYTES, theirs,
				 take + TAG_BYTES);
		at += take;
	}
	ck_assert_uint_eq(at, len);
}
END_TEST

/* A chain of 4 sub-blocks of 16 bytes, the last with `last` bytes. */
#define SMALL_SUB 16
#define SMALL_BLOCK (SMALL_SUB + TAG_BYTES)

static size_t seal_small(size_t last)
{
	const size_t len = 3 * SMALL_SUB + last;

	memset(sealed, 0, 20 * SMALL_BLOCK);
	aead_chain_seal(&key, &r16, ad, sizeof(ad), SMALL_SUB, plain, len,
			sealed);
	return len;
}

static int open_small(uint64_t len, uint64_t first, uint64_t count,
		      const uint8_t *from)
{
	return aead_chain_open(&key, &r16, ad, sizeof(ad), SMALL_SUB, len,
			       first, count, from, opened);
}

static void assert_small_refused(size_t len)
{
	memset(opened, 0x77, 5 * SMALL_SUB);
	ck_assert_int_eq(open_small(len, 0, 4, sealed), ERR_BAD_SEAL);
	assert_all(opened, len, 0);
	assert_all(opened + len, 5 * SMALL_SUB - len, 0x77);
}

START_TEST(a_bit_changed_anywhere_in_a_chain_is_refused_and_wipes_all)
{
	const size_t len = seal_small(9);
	size_t bit;

	for (bit = 0; bit < 8 * (len + 4 * TAG_BYTES); bit++) {
		flip(sealed, bit);
		assert_small_refused(len);
		flip(sealed, bit);
	}
	for (bit = 0; bit < 8 * sizeof(key.b); bit++) {
		flip(key.b, bit);
		assert_small_refused(len);
		flip(key.b, bit);
	}
	for (bit = 0; bit < 8 * sizeof(r16.b); bit++) {
		flip(r16.b, bit);
		assert_small_refused(len);
		flip(r16.b, bit);
	}
	for (bit = 0; bit < 8 * sizeof(ad); bit++) {
		flip(ad, bit);
		assert_small_refused(len);
		flip(ad, bit);
	}
	ck_assert_int_eq(open_small(len, 0, 4, sealed), 0);
	ck_assert_mem_eq(opened, plain, len);
}
END_TEST

START_TEST(a_bit_changed_in_a_record_is_refused)
{
	const size_t len = 2 * RECORD_SUB_BYTES + 1000;
	const size_t n_bits = 8 * (len + 3 * TAG_BYTES);
	size_t bit;

	aead_chain_seal(&key, &r16, ad, sizeof(ad), RECORD_SUB_BYTES, plain,
			len, sealed);
	/* A prime step: all places within bytes and blocks come. */
	for (bit = 0; bit < n_bits; bit += 1009) {
		flip(sealed, bit);
		ck_assert_int_eq(aead_chain_open(&key, &r16, ad, sizeof(ad),
						 RECORD_SUB_BYTES, len, 0, 3,
						 sealed, opened),
				 ERR_BAD_SEAL);
		flip(sealed, bit);
	}
	assert_all(opened, len, 0);
}
END_TEST

/* Whatever length a reader is made to believe: only the true one opens. */
static void assert_only_length_opens(size_t len)
{
	size_t claimed, n;

	for (claimed = 1; claimed <= 6 * SMALL_SUB; claimed++) {
		n = (claimed + SMALL_SUB - 1) / SMALL_SUB;
		ck_assert_int_eq(open_small(claimed, 0, n, sealed),
				 claimed == len ? 0 : ERR_BAD_SEAL);
	}
}

START_TEST(every_cut_and_extension_of_a_chain_is_refused)
{
	size_t last, len;

	for (last = 1; last <= SMALL_SUB; last++) {
		len = seal_small(last);
		assert_only_length_opens(len);
		/* Extended by blocks that were authentic elsewhere. */
		memcpy(sealed + len + 4 * TAG_BYTES, sealed, 2 * SMALL_BLOCK);
		assert_only_length_opens(len);
		memcpy(sealed + len + 4 * TAG_BYTES, sealed + 3 * SMALL_BLOCK,
		       last + TAG_BYTES);
		assert_only_length_opens(len);
	}
}
END_TEST

START_TEST(every_other_arrangement_of_sub_blocks_is_refused)
{
	const size_t len = seal_small(SMALL_SUB);
	uint8_t whole[4 * SMALL_BLOCK];
	unsigned int code, i, from;
	bool same;

	memcpy(whole, sealed, sizeof(whole));
	for (code = 0; code < 256; code++) {
		same = true;
		for (i = 0; i < 4; i++) {
			from = code >> 2 * i & 3;
			same = same && from == i;
			memcpy(sealed + (size_t)SMALL_BLOCK * i,
			       whole + (size_t)SMALL_BLOCK * from, SMALL_BLOCK);
		}
		if (same)
			ck_assert_int_eq(open_small(len, 0, 4, sealed), 0);
		else
			assert_small_refused(len);
	}
}
END_TEST

START_TEST(a_sub_block_of_another_chain_is_refused)
{
	uint8_t other[4 * SMALL_BLOCK];
	size_t len, i;

	r16.b[15] ^= 1;
	seal_small(SMALL_SUB);
	memcpy(other, sealed, sizeof(other));
	r16.b[15] ^= 1;
	for (i = 0; i < 4; i++) {
		len = seal_small(SMALL_SUB);
		memcpy(sealed + SMALL_BLOCK * i, other + SMALL_BLOCK * i,
		       SMALL_BLOCK);
		assert_small_refused(len);
	}
}
END_TEST

START_TEST(every_range_opens_alone)
{
	const size_t len = seal_small(9);
	size_t first, count, bytes;

	for (first = 0; first <= 4; first++) {
		for (count = 0; first + count <= 4; count++) {
			bytes = min_of(len, SMALL_SUB * (first + count)) -
				min_of(len, SMALL_SUB * first);
			memset(opened, 0x77, 5 * SMALL_SUB);
			ck_assert_int_eq(
				open_small(len, first, count,
					   sealed + SMALL_BLOCK * first),
				0);
			ck_assert_mem_eq(opened, plain + SMALL_SUB * first,
					 bytes);
			assert_all(opened + bytes, 5 * SMALL_SUB - bytes, 0x77);
		}
	}
}
END_TEST

START_TEST(a_range_needs_only_its_own_sub_blocks)
{
	const size_t len = seal_small(9);

	flip(sealed, 0);
	flip(sealed + 3 * SMALL_BLOCK, 0);
	ck_assert_int_eq(open_small(len, 1, 2, sealed + SMALL_BLOCK), 0);
	ck_assert_mem_eq(opened, plain + SMALL_SUB, 2 * SMALL_SUB);
	ck_assert_int_eq(open_small(len, 0, 1, sealed), ERR_BAD_SEAL);
	ck_assert_int_eq(open_small(len, 3, 1, sealed + 3 * SMALL_BLOCK),
			 ERR_BAD_SEAL);
}
END_TEST

START_TEST(a_range_opens_at_its_place_only)
{
	const size_t len = seal_small(SMALL_SUB);
	size_t place, from;

	for (place = 0; place < 4; place++)
		for (from = 0; from < 4; from++)
			ck_assert_int_eq(
				open_small(len, place, 1,
					   sealed + SMALL_BLOCK * from),
				place == from ? 0 : ERR_BAD_SEAL);
}
END_TEST

START_TEST(a_middle_range_of_a_record_opens)
{
	const size_t at = RECORD_SUB_BYTES;

	aead_chain_seal(&key, &r16, ad, sizeof(ad), RECORD_SUB_BYTES, plain,
			CHAIN_MAX, sealed);
	ck_assert_int_eq(aead_chain_open(&key, &r16, ad, sizeof(ad),
					 RECORD_SUB_BYTES, CHAIN_MAX, 1, 1,
					 sealed + at + TAG_BYTES, opened),
			 0);
	ck_assert_mem_eq(opened, plain + at, RECORD_SUB_BYTES);
}
END_TEST

START_TEST(a_range_beyond_the_chain_aborts)
{
	const size_t len = seal_small(9);

	ck_assert_int_ne(open_small(len, 3, 2, sealed), 0);
}
END_TEST

START_TEST(sealing_an_empty_chain_aborts)
{
	aead_chain_seal(&key, &r16, ad, sizeof(ad), SMALL_SUB, plain, 0,
			sealed);
}
END_TEST

START_TEST(a_chain_length_that_wraps_aborts)
{
	ck_assert_uint_ne(aead_chain_sealed_bytes(UINT64_MAX, 16384), 0);
}
END_TEST

static TCase *single_case(void)
{
	TCase *tcase = tcase_create("single");

	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, sealing_gives_the_bytes_of_the_draft);
	tcase_add_test(tcase, sealing_and_opening_work_in_place);
	tcase_add_test(
		tcase,
		sealing_equals_libsodiums_xchacha20poly1305_at_all_lengths);
	tcase_add_test(tcase, nothing_can_be_sealed_and_opened);
	tcase_add_test(tcase,
		       a_bit_changed_anywhere_is_refused_and_gives_zeros);
	tcase_add_test(tcase, a_refused_seal_in_place_leaves_zeros);
	tcase_add_test(tcase, every_cut_and_extension_of_a_seal_is_refused);
	tcase_add_test(tcase, a_nonce_is_r16_and_the_counter_little_endian);
	return tcase;
}

static TCase *chain_case(void)
{
	TCase *tcase = tcase_create("chain");
	const int n_answers = (int)array_len(chain_answers);

	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_sealed_chain_has_one_tag_for_each_sub_block);
	tcase_add_loop_test(tcase, chains_of_records_give_the_independent_bytes,
			    0, n_answers);
	tcase_add_test(tcase, a_small_chain_gives_the_independent_bytes);
	tcase_add_loop_test(tcase,
			    each_sub_block_is_libsodiums_xchacha20poly1305, 0,
			    n_answers);
	tcase_add_test(
		tcase,
		a_bit_changed_anywhere_in_a_chain_is_refused_and_wipes_all);
	tcase_add_test(tcase, a_bit_changed_in_a_record_is_refused);
	tcase_add_test(tcase, every_cut_and_extension_of_a_chain_is_refused);
	tcase_add_test(tcase, every_other_arrangement_of_sub_blocks_is_refused);
	tcase_add_test(tcase, a_sub_block_of_another_chain_is_refused);
	tcase_add_test(tcase, every_range_opens_alone);
	tcase_add_test(tcase, a_range_needs_only_its_own_sub_blocks);
	tcase_add_test(tcase, a_range_opens_at_its_place_only);
	tcase_add_test(tcase, a_middle_range_of_a_record_opens);
	tcase_add_test_raise_signal(tcase, a_range_beyond_the_chain_aborts,
				    SIGABRT);
	tcase_add_test_raise_signal(tcase, sealing_an_empty_chain_aborts,
				    SIGABRT);
	tcase_add_test_raise_signal(tcase, a_chain_length_that_wraps_aborts,
				    SIGABRT);
	return tcase;
}

static int run_with(enum crypto_library which)
{
	Suite *suite = suite_create("aead");
	SRunner *runner;
	int failed;

	library = which;
	suite_add_tcase(suite, single_case());
	suite_add_tcase(suite, chain_case());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed;
}

int main(void)
{
	int failed = run_with(CRYPTO_SODIUM) + run_with(CRYPTO_LIBCRYPTO);

	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
