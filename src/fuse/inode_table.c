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
/* Four fifths full at most, and grown by a quarter only: memory matters more
 * than the moves, five for each inode that comes. */
#define IS_FULL(used, slots) ((used) >= (slots) / 5 * 4)
#define GROWN(slots) ((slots) + (slots) / 4)
#define IS_EMPTY(used, slots) ((slots) > SLOTS_MIN && (used) < (slots) / 4)

/* Two arrays, so that a probe reads numbers only.  An inode number is never 0:
 * an empty slot. */
struct slots {
	uint64_t *inos;
	uint32_t *counts; /* look-ups; the top bits are the marks */
	size_t n;
};
#define MARK(mark) (UINT32_C(1) << (31 - (mark)))
#define MARKS (~(UINT32_MAX >> N_INODE_MARKS))
/* What more look-ups than that would be is not counted: the kernel takes all
 * of them back at once, at the latest when it lets the inode go. */
#define LOOK_UPS_MAX (~MARKS)

struct shard {
	struct lock lock;
	struct slots slots; /* under lock, as all that follows */
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

/* Where a probe for ino starts: by the upper half of the hash, as the shard is
 * by the lower (Daniel Lemire, Fast Random Integer Generation in an Interval,
 * ACM TOMACS 29(1), 2019, section 3: a product instead of a remainder). */
static size_t home_of(const struct slots *s, uint64_t ino)
{
	return (size_t)((mix(ino) >> 32) * s->n >> 32);
}

static size_t slot_after(const struct slots *s, size_t i)
{
	return i + 1 < s->n ? i + 1 : 0;
}

/* How many steps lead from slot a to slot b. */
static size_t steps(const struct slots *s, size_t a, size_t b)
{
	return b >= a ? b - a : b + s->n - a;
}

/* The slot of an inode, or the empty one where it belongs; there is one. */
static size_t slot_of(const struct slots *s, uint64_t ino)
{
	size_t i = home_of(s, ino);

	while (s->inos[i] && s->inos[i] != ino)
		i = slot_after(s, i);
	return i;
}

/* The count of an inode, with its marks; NULL if it is not known. */
static uint32_t *shard_find_locked(struct shard *sh, uint64_t ino)
{
	size_t i;

	if (!sh->slots.n)
		return NULL;
	i = slot_of(&sh->slots, ino);
	return sh->slots.inos[i] ? &sh->slots.counts[i] : NULL;
}

static void slots_free(struct slots *s)
{
	mem_free(s->inos);
	mem_free(s->counts);
	*s = (struct slots){ .n = 0 };
}

static int slots_make(struct slots *s, size_t n)
{
	s->inos = mem_zalloc_array(n, sizeof(*s->inos));
	s->counts = mem_zalloc_array(n, sizeof(*s->counts));
	s->n = n;
	if (s->inos && s->counts)
		return 0;
	slots_free(s);
	return -ENOMEM;
}

static void slots_put(struct slots *s, uint64_t ino, uint32_t count)
{
	size_t i = slot_of(s, ino);

	s->inos[i] = ino;
	s->counts[i] = count;
}

static int shard_resize_locked(struct shard *sh, size_t n)
{
	struct slots *old = &sh->slots, slots;
	size_t i;
	int r = slots_make(&slots, n);

	if (r < 0)
		return r;
	for (i = 0; i < old->n; i++) {
		if (old->inos[i])
			slots_put(&slots, old->inos[i], old->counts[i]);
	}
	slots_free(old);
	*old = slots;
	return 0;
}

/*
 * Deletion with linear probing without tombstones: later members of the run
 * move back where a probe would miss them (Donald E. Knuth, The Art of Computer
 * Programming, volume 3, 2nd edition, 1998, section 6.4, algorithm R).
 */
static void shard_remove_locked(struct shard *sh, size_t hole)
{
	struct slots *s = &sh->slots;
	size_t i = hole;

	for (;;) {
		i = slot_after(s, i);
		if (!s->inos[i])
			break;
		/* Does the home of i lie outside of (hole, i], cyclically? */
		if (steps(s, home_of(s, s->inos[i]), i) >= steps(s, hole, i)) {
			s->inos[hole] = s->inos[i];
			s->counts[hole] = s->counts[i];
			hole = i;
		}
	}
	s->inos[hole] = 0;
	s->counts[hole] = 0;
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
		slots_free(&t->shards[i].slots);
		lock_release(&t->shards[i].lock);
	}
	mem_free(t);
}

static int look_up_locked(struct shard *sh, uint64_t ino)
{
	uint32_t *count = shard_find_locked(sh, ino);
	int r;

	if (count) {
		if ((*count & LOOK_UPS_MAX) < LOOK_UPS_MAX)
			++*count;
		return 0;
	}
	if (IS_FULL(sh->n_used, sh->slots.n)) {
		r = shard_resize_locked(sh, sh->slots.n ? GROWN(sh->slots.n)
							: SLOTS_MIN);
		if (r < 0)
			return r;
	}
	slots_put(&sh->slots, ino, 1);
	sh->n_used++;
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
	uint32_t *count = shard_find_locked(sh, ino);
	unsigned mark;

	if (!count)
		return 0;
	if ((*count & LOOK_UPS_MAX) > n) {
		*count -= (uint32_t)n;
		return 0;
	}
	for (mark = 0; mark < N_INODE_MARKS; mark++) {
		if (*count & MARK(mark))
			atomic_fetch_sub(&t->n_marked[mark], 1);
	}
	shard_remove_locked(sh, (size_t)(count - sh->slots.counts));
	/* Failing to shrink costs memory only. */
	if (IS_EMPTY(sh->n_used, sh->slots.n))
		(void)!shard_resize_locked(sh, sh->slots.n / 2);
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
	const uint32_t *count;
	uint64_t n;

	lock_take(&sh->lock);
	count = shard_find_locked(sh, ino);
	n = count ? *count & LOOK_UPS_MAX : 0;
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
	uint32_t *count;

	lock_take(&sh->lock);
	count = shard_find_locked(sh, ino);
	if (count && !(*count & MARK(mark))) {
		atomic_fetch_add(&t->n_marked[mark], 1);
		*count |= MARK(mark);
	}
	lock_drop(&sh->lock);
}

bool inode_table_unmark(struct inode_table *t, uint64_t ino,
			enum inode_mark mark)
{
	struct shard *sh = shard_of(t, ino);
	uint32_t *count;
	bool was;

	if (!atomic_load(&t->n_marked[mark]))
		return false;
	lock_take(&sh->lock);
	count = shard_find_locked(sh, ino);
	was = count && (*count & MARK(mark));
	if (was) {
		*count &= ~MARK(mark);
		atomic_fetch_sub(&t->n_marked[mark], 1);
	}
	lock_drop(&sh->lock);
	return was;
}

bool inode_table_is_marked(struct inode_table *t, uint64_t ino,
			   enum inode_mark mark)
{
	struct shard *sh = shard_of(t, ino);
	const uint32_t *count;
	bool is;

	if (!atomic_load(&t->n_marked[mark]))
		return false;
	lock_take(&sh->lock);
	count = shard_find_locked(sh, ino);
	is = count && (*count & MARK(mark));
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
		struct slots slots;

		lock_take(&sh->lock);
		slots = sh->slots;
		sh->slots = (struct slots){ .n = 0 };
		sh->n_used = 0;
		lock_drop(&sh->lock);
		for (j = 0; j < slots.n; j++) {
			if (slots.inos[j])
				fn(arg, slots.inos[j]);
		}
		slots_free(&slots);
	}
	atomic_store(&t->n_inodes, 0);
	for (i = 0; i < N_INODE_MARKS; i++)
		atomic_store(&t->n_marked[i], 0);
}
