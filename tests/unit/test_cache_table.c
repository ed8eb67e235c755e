/* SPDX-License-Identifier: ISC */
/* The look-up table by itself: what readers without a lock meet in moments too
 * short to be met on purpose through cache.h. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/lock.h"
#include "base/mem.h"
#include "cache/cache_priv.h"
#include "cache_fixture.h"

#define TABLE_BLOCKS 14 /* two buckets of seven */

struct table {
	struct cache_bucket buckets[4];
	struct cache_block blocks[TABLE_BLOCKS];
	uint8_t data[CACHE_BLOCK_BYTES]; /* of the first block */
	struct cache_shard shard;
};

static struct table *table_start(void)
{
	static struct table t;

	t.shard.buckets = t.buckets;
	t.shard.bucket_mask = array_len(t.buckets) - 1;
	t.shard.blocks = t.blocks;
	t.shard.n_blocks = TABLE_BLOCKS;
	t.blocks[0].data = t.data;
	atomic_store(&t.shard.returned, CACHE_NONE);
	lock_init(&t.shard.lock, LOCK_LEAF, 0);
	return &t;
}

/* Makes a block readable as that of a key, found by a hash of choice. */
static void table_add(struct table *t, uint32_t index, struct cache_key key,
		      uint64_t hash)
{
	struct cache_block *b = &t->blocks[index];

	atomic_store(&b->key_chunk, key.chunk);
	atomic_store(&b->key_block, key.block);
	atomic_store(&b->word, CACHE_READY);
	lock_take(&t->shard.lock);
	cache_table_add_locked(&t->shard, b, hash);
	lock_drop(&t->shard.lock);
}

static void table_remove(struct table *t, uint32_t index, uint64_t hash)
{
	lock_take(&t->shard.lock);
	cache_table_remove_locked(&t->shard, &t->blocks[index], hash);
	lock_drop(&t->shard.lock);
}

/* What a reader meets whose slot went stale between its load and the pin. */
START_TEST(a_block_that_changed_hands_is_left_as_it_was)
{
	struct table *t = table_start();
	struct cache_key now = key_of(2, 0), then = key_of(1, 0);
	uint64_t hash = cache_hash(then), w;

	table_add(t, 0, now, hash);
	ck_assert_ptr_null(cache_table_pin(&t->shard, then, hash));
	w = atomic_load(&t->blocks[0].word);
	ck_assert_uint_eq(cache_word_pins(w), 0);
	ck_assert_uint_eq(cache_word_hits(w), 0);
	ck_assert((w & CACHE_READY) != 0);
	ck_assert_ptr_eq(cache_table_pin(&t->shard, now, hash), &t->blocks[0]);
	w = atomic_load(&t->blocks[0].word);
	ck_assert_uint_eq(cache_word_pins(w), 1);
	ck_assert_uint_eq(cache_word_hits(w), 1);
}
END_TEST

/* And when the block is dropped meanwhile: no new pin, and the last of the old
 * ones, which may be such a reader's, takes it. */
START_TEST(a_stale_reader_whose_pin_is_the_last_buries_the_block)
{
	struct table *t = table_start();
	uint64_t hash = cache_hash(key_of(1, 0));

	table_add(t, 0, key_of(1, 0), hash);
	ck_assert_ptr_nonnull(cache_table_pin(&t->shard, key_of(1, 0), hash));
	memset(t->data, 0xee, sizeof(t->data));
	atomic_fetch_or(&t->blocks[0].word, CACHE_DOOMED);
	ck_assert_ptr_null(cache_table_pin(&t->shard, key_of(1, 0), hash));
	table_remove(t, 0, hash);
	cache_block_put(&t->shard, &t->blocks[0],
			CACHE_PIN_ONE + CACHE_HIT_ONE);
	ck_assert(all_bytes_are(t->data, 0));
	ck_assert_uint_eq(atomic_load(&t->blocks[0].word), 0);
	ck_assert_uint_eq(atomic_load(&t->shard.returned), 0);
	ck_assert_uint_eq(atomic_load(&t->shard.past_hits), 0);
}
END_TEST

START_TEST(an_overflowing_bucket_hides_nothing_and_leaves_no_trace)
{
	struct table *t = table_start();
	const uint64_t home = 3; /* the last bucket: the next is the first */

	for (uint32_t i = 0; i < TABLE_BLOCKS; i++)
		table_add(t, i, key_of(i, 0), home);
	for (uint32_t gone = 0; gone < TABLE_BLOCKS; gone++) {
		for (uint32_t i = 0; i < TABLE_BLOCKS; i++) {
			struct cache_block *b =
				cache_table_pin(&t->shard, key_of(i, 0), home);

			if (i < gone) {
				ck_assert_ptr_null(b);
				continue;
			}
			ck_assert_ptr_eq(b, &t->blocks[i]);
			cache_block_put(&t->shard, b, CACHE_PIN_ONE);
		}
		table_remove(t, gone, home);
	}
	for (size_t i = 0; i < array_len(t->buckets); i++) {
		ck_assert_uint_eq(atomic_load(&t->buckets[i].overflow), 0);
		for (size_t j = 0; j < CACHE_BUCKET_SLOTS; j++)
			ck_assert_uint_eq(atomic_load(&t->buckets[i].slot[j]),
					  0);
	}
}
END_TEST

static Suite *table_suite(void)
{
	Suite *suite = suite_create("cache_table");
	TCase *t = tcase_create("table");

	tcase_add_test(t, a_block_that_changed_hands_is_left_as_it_was);
	tcase_add_test(t,
		       a_stale_reader_whose_pin_is_the_last_buries_the_block);
	tcase_add_test(t,
		       an_overflowing_bucket_hides_nothing_and_leaves_no_trace);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(table_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
