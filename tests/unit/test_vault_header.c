/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/buf.h"
#include "base/mem.h"
#include "format/vault_header.h"
#include "format_fixture.h"

/* Packed by Python's struct module from vault-format/04-header.md; the MAC by
 * hashlib.blake2b(header[:96], digest_size=32, key=bytes(range(50, 82))). */
static const char *const known =
	"434f4646455256310100000080000000000102030405060708090a0b0c0d0e0f"
	"0000000000000000020000000000000003000000000000000101010e10020000"
	"0000010000000400000010000000000000000000000000000000000000000000"
	"25b586458cb929a290ae82d37cd9fcbc6c26314d31f63bc3fadbb2be3389c622";

static struct key k_hdr;

static void start(void)
{
	ck_assert_int_eq(crypto_start(), 0);
	k_hdr = key_from(50);
}

static struct vault_header sample(void)
{
	struct vault_header h = {
		.read_only_compatible = 2,
		.compatible = 3,
		.normalisation = 2,
		.chunk_min = 65536,
		.chunk_average = 262144,
		.chunk_max = 1048576,
	};

	fill_from(0, h.uuid.b, sizeof(h.uuid.b));
	return h;
}

START_TEST(a_header_is_laid_out_as_specified)
{
	uint8_t out[VAULT_HEADER_BYTES];
	struct vault_header h = sample();

	memset(out, 0x5a, sizeof(out));
	vault_header_seal(&h, &k_hdr, out);
	assert_hex(out, sizeof(out), known);
	ck_assert_mem_eq(h.mac.b, out + 96, sizeof(h.mac.b));
}
END_TEST

START_TEST(a_header_is_read_back_whole)
{
	uint8_t in[VAULT_HEADER_BYTES];
	struct vault_header h, want = sample();

	ck_assert_int_eq(hex_decode(known, sizeof(in), in), 0);
	ck_assert_int_eq(vault_header_verify(in, &k_hdr), 0);
	ck_assert_int_eq(vault_header_decode(in, &h), 0);
	ck_assert_mem_eq(h.uuid.b, want.uuid.b, sizeof(want.uuid.b));
	ck_assert_uint_eq(h.incompatible, 0);
	ck_assert_uint_eq(h.read_only_compatible, 2);
	ck_assert_uint_eq(h.compatible, 3);
	ck_assert_uint_eq(h.normalisation, 2);
	ck_assert_uint_eq(h.chunk_min, 65536);
	ck_assert_uint_eq(h.chunk_average, 262144);
	ck_assert_uint_eq(h.chunk_max, 1048576);
	ck_assert_mem_eq(h.mac.b, in + 96, sizeof(h.mac.b));
}
END_TEST

static int verify(void *in)
{
	return vault_header_verify(in, &k_hdr);
}

START_TEST(every_flipped_bit_breaks_the_mac)
{
	uint8_t in[VAULT_HEADER_BYTES];
	const struct key other = key_from(51);

	ck_assert_int_eq(hex_decode(known, sizeof(in), in), 0);
	assert_flips_fail(in, 0, sizeof(in), verify, in);
	ck_assert_int_eq(vault_header_verify(in, &other), ERR_BAD_SEAL);
}
END_TEST

START_TEST(what_this_version_does_not_know_is_rejected)
{
	const struct {
		size_t at, n;
		uint64_t value;
		int err;
	} table[] = {
		{ 0, 1, 'c', ERR_NOT_VAULT },
		{ 7, 1, '2', ERR_NOT_VAULT },
		{ 8, 2, 0, ERR_NEWER },
		{ 8, 2, 2, ERR_NEWER },
		{ 10, 2, 1, 0 }, /* minor */
		{ 10, 2, 0xffff, 0 },
		{ 12, 4, 127, ERR_MALFORMED },
		{ 12, 4, 129, ERR_MALFORMED },
		{ 32, 8, 1, ERR_NEWER },
		{ 32, 8, (uint64_t)1 << 63, ERR_NEWER },
		{ 40, 8, UINT64_MAX, 0 },
		{ 48, 8, UINT64_MAX, 0 },
		{ 56, 1, 0, ERR_NEWER },
		{ 56, 1, 2, ERR_NEWER },
		{ 57, 1, 2, ERR_NEWER },
		{ 58, 1, 2, ERR_NEWER },
		{ 59, 1, 13, ERR_NEWER },
		{ 59, 1, 15, ERR_NEWER },
		{ 60, 1, 12, ERR_NEWER },
		{ 61, 1, 0, 0 },
		{ 61, 1, 3, 0 },
		{ 61, 1, 4, ERR_NEWER },
		{ 62, 1, 1, ERR_NEWER },
		{ 63, 1, 1, ERR_NEWER },
		{ 64, 4, 4095, ERR_MALFORMED },
		{ 64, 4, 4096, 0 },
		{ 64, 4, 262145, ERR_MALFORMED },
		{ 68, 4, 65535, ERR_MALFORMED },
		{ 68, 4, 65536, 0 },
		{ 68, 4, 1048577, ERR_MALFORMED },
		{ 72, 4, 262143, ERR_MALFORMED },
		{ 72, 4, 262144, 0 },
		{ 64, 4, 262144, 0 },
		{ 72, 4, 4 << 20, 0 },
		{ 72, 4, (4 << 20) + 1, ERR_MALFORMED },
		{ 76, 1, 1, ERR_MALFORMED },
		{ 95, 1, 1, ERR_MALFORMED },
		{ 96, 1, 0, 0 }, /* the MAC is another's business */
	};
	size_t i, k;

	for (i = 0; i < array_len(table); i++) {
		uint8_t in[VAULT_HEADER_BYTES];
		struct vault_header h, before;
		int err;

		ck_assert_int_eq(hex_decode(known, sizeof(in), in), 0);
		for (k = 0; k < table[i].n; k++)
			in[table[i].at + k] =
				(uint8_t)(table[i].value >> (8 * k));
		memset(&h, 0x5a, sizeof(h));
		memcpy(&before, &h, sizeof(h));
		err = vault_header_decode(in, &h);
		ck_assert_msg(err == table[i].err, "row %zu: %d", i, err);
		if (err < 0)
			ck_assert_mem_eq(&h, &before, sizeof(h));
	}
}
END_TEST

static Suite *header_suite(void)
{
	Suite *suite = suite_create("vault_header");
	TCase *tcase = tcase_create("vault_header");

	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, a_header_is_laid_out_as_specified);
	tcase_add_test(tcase, a_header_is_read_back_whole);
	tcase_add_test(tcase, every_flipped_bit_breaks_the_mac);
	tcase_add_test(tcase, what_this_version_does_not_know_is_rejected);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run_suite(header_suite());
}
