/* SPDX-License-Identifier: ISC */
/* 0: the clear part of a key slot; 1: newest epoch 4, an opened keyring. */
#include "format/slot.h"
#include "format/slot_priv.h"
#include "fuzz.h"

static void fuzz_clear(const uint8_t *data, size_t size)
{
	static uint8_t in[SLOT_BYTES];
	struct slot_info info;

	fuzz_fixed(data, size, in, sizeof(in));
	if (slot_decode(in, &info) < 0)
		return;
	FUZZ_REQUIRE(info.type >= SLOT_PASSPHRASE && info.type <= SLOT_TOKEN);
	FUZZ_REQUIRE(info.newest_epoch >= 1);
	FUZZ_REQUIRE(info.ops >= 1 && info.memory_kib >= 8192);
	FUZZ_REQUIRE((uint64_t)info.ops * info.memory_kib <= 32u << 20);
}

static void fuzz_keyring(const uint8_t *data, size_t size)
{
	static uint8_t in[KEYRING_PLAIN_BYTES], again[KEYRING_PLAIN_BYTES];
	static struct keyring ring;
	uint32_t newest = (uint32_t)fuzz_number(&data, &size, 4);

	fuzz_fixed(data, size, in, sizeof(in));
	if (keyring_decode(in, newest, &ring) < 0)
		return;
	FUZZ_REQUIRE(keyring_check(&ring, newest) == 0);
	keyring_encode(&ring, again);
	FUZZ_REQUIRE(memcmp(in, again, sizeof(in)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (fuzz_number(&data, &size, 1) % 2 == 0)
		fuzz_clear(data, size);
	else
		fuzz_keyring(data, size);
	return 0;
}
