/* SPDX-License-Identifier: ISC */
#include "vault/merge/hash_set.h"

#include <errno.h>

#include "base/mem.h"

void hash_set_release(struct hash_set *s)
{
	mem_free(s->hashes);
	mem_free(s->slots);
	*s = (struct hash_set){ 0 };
}

/* The slot of a hash, or the free one where it belongs: linear probing, half
 * full at most. */
static unsigned *slot_of(const struct hash_set *s, uint64_t hash)
{
	/* The low bits of a cookie's hash are zero (Knuth, TAOCP 3, 6.4). */
	uint64_t i = hash * UINT64_C(0x9E3779B97F4A7C15) >> 32;

	for (;; i++) {
		unsigned *slot = &s->slots[i & (s->n_slots - 1)];

		if (!*slot || s->hashes[*slot - 1] == hash)
			return slot;
	}
}

static int grow(struct hash_set *s)
{
	unsigned cap = s->cap ? s->cap * 2 : 8;
	uint64_t *hashes = mem_realloc_array(s->hashes, cap, sizeof(*hashes));
	unsigned *slots;

	if (!hashes)
		return -ENOMEM;
	s->hashes = hashes;
	slots = mem_zalloc_array(2 * (size_t)cap, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	mem_free(s->slots);
	s->slots = slots;
	s->n_slots = 2 * (size_t)cap;
	s->cap = cap;
	for (unsigned i = 0; i < s->n; i++)
		*slot_of(s, s->hashes[i]) = i + 1;
	return 0;
}

int hash_set_add(struct hash_set *s, uint64_t hash)
{
	int r = s->n == s->cap ? grow(s) : 0;

	if (r < 0)
		return r;
	unsigned *slot = slot_of(s, hash);
	if (*slot)
		return 0;
	s->hashes[s->n++] = hash;
	*slot = s->n;
	return 1;
}
