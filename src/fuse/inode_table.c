/* SPDX-License-Identifier: ISC */
#include "fuse/inode_table.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/lock.h"
#include "base/mem.h"

#define N_SHARDS 64
#define SLOTS_MIN 16
/* Full at three quarters, halved below an eighth. */
#define IS_FULL(used, slots) ((used) >= (slots) / 4 * 3)
#define IS_EMPTY(used, slots) ((slots) > SLOTS_MIN && (used) < (slots) / 8)

/* An inode number is never 0: an empty slot.  The top bits of `look_ups` are
 * the marks; the kernel counts in 64 bits but never comes near them. */
struct slot {
	uint64_t ino;
	uint64_t look_ups;
};
#define MARK(mark) (UINT64_C(1) << (63 - (mark)))
#define MARKS (~(UINT64_MAX >> N_INODE_MARKS))

static_assert(sizeof(struct slot) == 16, "a million inodes: 16 to 43 MiB");

struct shard {
	struct lock lock;
	struct slot *slots; /* under lock, as all that follows */
	size_t n_slots;	    /* a power of two, or 0 */
	size_t n_used;
};

struct inode_table {
	struct shard shards[N_SHARDS];
	_Atomic uint64_t n_inodes;
	/* Marks set and not cleared; may count a few too many for a moment,
	 * never too few.  Zero lets the others skip the table. */
	_Atomic uint64_t n_marked[N_INODE_MARKS];
};

/* The finisher of MurmurHash3 (Austin Appleby, 2011, fmix64): inode numbers
 * are consecutive. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

static struct shard *shard_of(struct inode_table *t, uint64_t ino)
{
	return &t->shards[mix(ino) % N_SHARDS];
}

/* Where a probe for ino starts: other bits of the hash than the shard's. */
static size_t home_of(const struct shard *sh, uint64_t ino)
{
	return (size_t)(mix(ino) / N_SHARDS) & (sh->n_slots - 1);
}

static struct slot *shard_find_locked(struct shard *sh, uint64_t ino)
{
	size_t i;

	if (!sh->n_slots)
		return NULL;
	for (i = home_of(sh, ino); sh->slots[i].ino;
	     i = (i + 1) & (sh->n_slots - 1)) {
		if (sh->slots[i].ino == ino)
			return &sh->slots[i];
	}
	return NULL;
}

/* Room is there and ino is not. */
static struct slot *shard_put_locked(struct shard *sh, uint64_t ino)
{
	size_t i = home_of(sh, ino);

	while (sh->slots[i].ino)
		i = (i + 1) & (sh->n_slots - 1);
	sh->slots[i].ino = ino;
	sh->n_used++;
	return &sh->slots[i];
}

static int shard_resize_locked(struct shard *sh, size_t n_slots)
{
	struct shard old = *sh;
	struct slot *slots = mem_zalloc_array(n_slots, sizeof(*slots));
	size_t i;

	if (!slots)
		return -ENOMEM;
	sh->slots = slots;
	sh->n_slots = n_slots;
	sh->n_used = 0;
	for (i = 0; i < old.n_slots; i++) {
		if (!old.slots[i].ino)
			continue;
		shard_put_locked(sh, old.slots[i].ino)->look_ups =
			old.slots[i].look_ups;
	}
	mem_free(old.slots);
	return 0;
}

/*
 * Deletion with linear probing without tombstones: later members of the run
 * move back where a probe would miss them (Donald E. Knuth, The Art of Computer
 * Programming, volume 3, 2nd edition, 1998, section 6.4, algorithm R).
 */
static void shard_remove_locked(struct shard *sh, struct slot *slot)
{
	size_t mask = sh->n_slots - 1;
	size_t hole = (size_t)(slot - sh->slots);
	size_t i = hole;

	for (;;) {
		i = (i + 1) & mask;
		if (!sh->slots[i].ino)
			break;
		/* Does the home of i lie outside of (hole, i], cyclically? */
		if (((i - home_of(sh, sh->slots[i].ino)) & mask) >=
		    ((i - hole) & mask)) {
			sh->slots[hole] = sh->slots[i];
			hole = i;
		}
	}
	sh->slots[hole] = (struct slot){ 0 };
	sh->n_used--;
}

int inode_table_new(struct inode_table **ret)
{
	struct inode_table *t = mem_zalloc(sizeof(*t));
	unsigned i;

	if (!t)
		return -ENOMEM;
	for (i = 0; i < N_SHARDS; i++)
		lock_init(&t->shards[i].lock, LOCK_LEAF, 0);
	*ret = t;
	return 0;
}

void inode_table_free(struct inode_table *t)
{
	unsigned i;

	if (!t)
		return;
	for (i = 0; i < N_SHARDS; i++) {
		mem_free(t->shards[i].slots);
		lock_release(&t->shards[i].lock);
	}
	mem_free(t);
}

static int look_up_locked(struct shard *sh, uint64_t ino)
{
	struct slot *slot = shard_find_locked(sh, ino);
	int r;

	if (slot) {
		slot->look_ups++;
		return 0;
	}
	if (IS_FULL(sh->n_used, sh->n_slots)) {
		r = shard_resize_locked(sh, sh->n_slots ? 2 * sh->n_slots
							: SLOTS_MIN);
		if (r < 0)
			return r;
	}
	shard_put_locked(sh, ino)->look_ups = 1;
	return 1;
}

int inode_table_look_up(struct inode_table *t, uint64_t ino)
{
	struct shard *sh = shard_of(t, ino);
	int r;

	assert(ino);
	lock_take(&sh->lock);
	r = look_up_locked(sh, ino);
	lock_drop(&sh->lock);
	if (r == 1)
		atomic_fetch_add_explicit(&t->n_inodes, 1,
					  memory_order_relaxed);
	return r;
}

static int forget_locked(struct inode_table *t, struct shard *sh, uint64_t ino,
			 uint64_t n)
{
	struct slot *slot = shard_find_locked(sh, ino);
	unsigned mark;

	if (!slot)
		return 0;
	if ((slot->look_ups & ~MARKS) > n) {
		slot->look_ups -= n;
		return 0;
	}
	for (mark = 0; mark < N_INODE_MARKS; mark++) {
		if (slot->look_ups & MARK(mark))
			atomic_fetch_sub(&t->n_marked[mark], 1);
	}
	shard_remove_locked(sh, slot);
	/* Failing to shrink costs memory only. */
	if (IS_EMPTY(sh->n_used, sh->n_slots))
		(void)!shard_resize_locked(sh, sh->n_slots / 2);
	return 1;
}

int inode_table_forget(struct inode_table *t, uint64_t ino, uint64_t n)
{
	struct shard *sh = shard_of(t, ino);
	int r;

	if (!n)
		return 0;
	lock_take(&sh->lock);
	r = forget_locked(t, sh, ino, n);
	lock_drop(&sh->lock);
	if (r == 1)
		atomic_fetch_sub_explicit(&t->n_inodes, 1,
					  memory_order_relaxed);
	return r;
}

uint64_t inode_table_look_ups(struct inode_table *t, uint64_t ino)
{
	struct shard *sh = shard_of(t, ino);
	const struct slot *slot;
	uint64_t n;

	lock_take(&sh->lock);
	slot = shard_find_locked(sh, ino);
	n = slot ? slot->look_ups & ~MARKS : 0;
	lock_drop(&sh->lock);
	return n;
}

bool inode_table_knows(struct inode_table *t, uint64_t ino)
{
	return inode_table_look_ups(t, ino) > 0;
}

uint64_t inode_table_count(const struct inode_table *t)
{
	return atomic_load_explicit(&t->n_inodes, memory_order_relaxed);
}

void inode_table_mark(struct inode_table *t, uint64_t ino, enum inode_mark mark)
{
	struct shard *sh = shard_of(t, ino);
	struct slot *slot;

	lock_take(&sh->lock);
	slot = shard_find_locked(sh, ino);
	if (slot && !(slot->look_ups & MARK(mark))) {
		atomic_fetch_add(&t->n_marked[mark], 1);
		slot->look_ups |= MARK(mark);
	}
	lock_drop(&sh->lock);
}

bool inode_table_unmark(struct inode_table *t, uint64_t ino,
			enum inode_mark mark)
{
	struct shard *sh = shard_of(t, ino);
	struct slot *slot;
	bool was;

	if (!atomic_load(&t->n_marked[mark]))
		return false;
	lock_take(&sh->lock);
	slot = shard_find_locked(sh, ino);
	was = slot && (slot->look_ups & MARK(mark));
	if (was) {
		slot->look_ups &= ~MARK(mark);
		atomic_fetch_sub(&t->n_marked[mark], 1);
	}
	lock_drop(&sh->lock);
	return was;
}

bool inode_table_is_marked(struct inode_table *t, uint64_t ino,
			   enum inode_mark mark)
{
	struct shard *sh = shard_of(t, ino);
	const struct slot *slot;
	bool is;

	if (!atomic_load(&t->n_marked[mark]))
		return false;
	lock_take(&sh->lock);
	slot = shard_find_locked(sh, ino);
	is = slot && (slot->look_ups & MARK(mark));
	lock_drop(&sh->lock);
	return is;
}

void inode_table_drain(struct inode_table *t,
		       void (*fn)(void *arg, uint64_t ino), void *arg)
{
	unsigned i;
	size_t j;

	for (i = 0; i < N_SHARDS; i++) {
		struct shard *sh = &t->shards[i];
		struct slot *slots;
		size_t n_slots;

		lock_take(&sh->lock);
		slots = sh->slots;
		n_slots = sh->n_slots;
		sh->slots = NULL;
		sh->n_slots = 0;
		sh->n_used = 0;
		lock_drop(&sh->lock);
		for (j = 0; j < n_slots; j++) {
			if (slots[j].ino)
				fn(arg, slots[j].ino);
		}
		mem_free(slots);
	}
	atomic_store(&t->n_inodes, 0);
	for (i = 0; i < N_INODE_MARKS; i++)
		atomic_store(&t->n_marked[i], 0);
}
