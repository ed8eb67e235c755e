/* SPDX-License-Identifier: ISC */
/* The header `VAULT`. */
#include "format/vault_header.h"
#include "fuzz.h"

#define MINOR_AT 10
#define MAC_AT 96

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct key k_hdr = { { 1 } };
	uint8_t in[VAULT_HEADER_BYTES], again[VAULT_HEADER_BYTES];
	struct vault_header h;

	fuzz_fixed(data, size, in, sizeof(in));
	if (vault_header_decode(in, &h) < 0)
		return 0;
	FUZZ_REQUIRE(h.incompatible == 0);
	FUZZ_REQUIRE(h.chunk_min <= h.chunk_average);
	FUZZ_REQUIRE(h.chunk_average <= h.chunk_max);
	vault_header_seal(&h, &k_hdr, again);
	FUZZ_REQUIRE(vault_header_verify(again, &k_hdr) == 0);
	/* All but the minor version, which any reader passes over. */
	memcpy(again + MINOR_AT, in + MINOR_AT, 2);
	FUZZ_REQUIRE(memcmp(in, again, MAC_AT) == 0);
	return 0;
}
