/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/kdf.h"
#include "format/format_priv.h"
#include "format/slot_priv.h"

#define KEYRING_FIXED_BYTES 72
#define KEYRING_EPOCH_BYTES 40

static_assert(KEYRING_FIXED_BYTES + KEYRING_MAX_EPOCHS * KEYRING_EPOCH_BYTES <=
		      KEYRING_PLAIN_BYTES,
	      "the largest keyring fits its slot");

/* As keys_epoch does, but for the one key that is public. */
static struct key_id8 key_id8_of(const struct key *ek)
{
	struct key_id id;
	struct key_id8 id8;

	kdf_derive(ek, "cofr-kid", 1, id.b, sizeof(id.b));
	memcpy(id8.b, id.b, sizeof(id8.b));
	return id8;
}

/* Files name their key by epoch and key id: that must mean one key. */
static bool epoch_stands_before(const struct keyring *ring,
				const struct key_id8 *ids, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (ring->epochs[i].epoch == ring->epochs[n].epoch &&
		    memcmp(ids[i].b, ids[n].b, sizeof(ids[n].b)) == 0)
			return true;
	return false;
}

int keyring_check(const struct keyring *ring, uint32_t newest_epoch)
{
	struct key_id8 ids[KEYRING_MAX_EPOCHS];
	uint32_t i, greatest = 0;

	if (ring->n_epochs < 1)
		return ERR_MALFORMED;
	if (ring->n_epochs > KEYRING_MAX_EPOCHS)
		return ERR_LIMIT;
	for (i = 0; i < ring->n_epochs; i++) {
		ids[i] = key_id8_of(&ring->epochs[i].ek);
		if (ring->epochs[i].epoch < 1 ||
		    epoch_stands_before(ring, ids, i))
			return ERR_MALFORMED;
		greatest = max_of(greatest, ring->epochs[i].epoch);
	}
	return greatest == newest_epoch ? 0 : ERR_MALFORMED;
}

void keyring_encode(const struct keyring *ring,
		    uint8_t out[static KEYRING_PLAIN_BYTES])
{
	uint8_t *at = out + KEYRING_FIXED_BYTES;
	uint32_t i;

	assert(ring->n_epochs <= KEYRING_MAX_EPOCHS);
	memset(out, 0, KEYRING_PLAIN_BYTES);
	memcpy(out, ring->vrk.b, sizeof(ring->vrk.b));
	memcpy(out + 32, ring->header_mac.b, sizeof(ring->header_mac.b));
	le32_put(out + 64, ring->n_epochs);
	for (i = 0; i < ring->n_epochs; i++, at += KEYRING_EPOCH_BYTES) {
		le32_put(at, ring->epochs[i].epoch);
		memcpy(at + 8, ring->epochs[i].ek.b,
		       sizeof(ring->epochs[i].ek.b));
	}
}

/* Read in place, with no copy of a key outside of *ret. */
static int read_keyring(struct cursor *c, struct keyring *ret)
{
	uint32_t i;

	cursor_copy(c, ret->vrk.b, sizeof(ret->vrk.b));
	cursor_copy(c, ret->header_mac.b, sizeof(ret->header_mac.b));
	ret->n_epochs = cursor_u32(c);
	cursor_zeros(c, 4);
	format_require(c, ret->n_epochs <= KEYRING_MAX_EPOCHS, ERR_LIMIT);
	for (i = 0; !c->error && i < ret->n_epochs; i++) {
		ret->epochs[i].epoch = cursor_u32(c);
		cursor_zeros(c, 4);
		cursor_copy(c, ret->epochs[i].ek.b,
			    sizeof(ret->epochs[i].ek.b));
	}
	cursor_zeros(c, cursor_left(c));
	return cursor_finish(c);
}

int keyring_decode(const uint8_t plain[static KEYRING_PLAIN_BYTES],
		   uint32_t newest_epoch, struct keyring *ret)
{
	struct cursor c;
	int err;

	memset(ret, 0, sizeof(*ret));
	cursor_init(&c, plain, KEYRING_PLAIN_BYTES);
	err = read_keyring(&c, ret);
	if (err == 0)
		err = keyring_check(ret, newest_epoch);
	if (err < 0)
		mem_wipe(ret, sizeof(*ret));
	return err;
}
