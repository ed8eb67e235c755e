/* SPDX-License-Identifier: ISC */
#include "vault/content/file_table.h"

#include <assert.h>
#include <errno.h>

#include "base/mem.h"

#define BUCKETS_MIN 256u
#define IDLE_MAX 512u

int file_table_init(struct file_table *t)
{
	*t = (struct file_table){ .n_buckets = BUCKETS_MIN };
	t->buckets = mem_zalloc_array(BUCKETS_MIN, sizeof(struct file *));
	if (!t->buckets)
		return -ENOMEM;
	lock_init(&t->lock, LOCK_LEAF, 0);
	return 0;
}

static void file_free(struct file *f)
{
	if (!f)
		return;
	layer_put(f->dirty);
	layer_put(f->flushing);
	cond_release(&f->batch_over);
	lock_release(&f->lock);
	mem_free(f);
}

void file_table_release(struct file_table *t)
{
	for (size_t i = 0; i < t->n_buckets; i++)
		while (t->buckets[i]) {
			struct file *f = t->buckets[i];

			assert(f->refs == 0);
			t->buckets[i] = f->hash_next;
			file_free(f);
		}
	mem_free(t->buckets);
	lock_release(&t->lock);
}

static struct file *file_new(uint64_t ino)
{
	struct file *f = mem_zalloc(sizeof(*f));

	if (!f)
		return NULL;
	f->ino = ino;
	f->refs = 1;
	lock_init(&f->lock, LOCK_INODE, ino);
	cond_init(&f->batch_over);
	return f;
}

/* ---------------------------------------------------------------- lists */

static struct file_list *list_of(struct file_table *t, const struct file *f)
	LOCK_ATTR_(requires_capability(t->lock))
{
	return f->list == FILE_IS_DIRTY ? &t->dirty : &t->idle;
}

static void list_leave_locked(struct file_table *t, struct file *f)
	LOCK_ATTR_(requires_capability(t->lock))
{
	struct file_list *l = list_of(t, f);

	if (f->list == FILE_IN_NO_LIST)
		return;
	*(f->list_prev ? &f->list_prev->list_next : &l->first) = f->list_next;
	*(f->list_next ? &f->list_next->list_prev : &l->last) = f->list_prev;
	f->list_prev = f->list_next = NULL;
	f->list = FILE_IN_NO_LIST;
	l->n--;
}

static void list_enter_locked(struct file_table *t, struct file *f, bool dirty)
	LOCK_ATTR_(requires_capability(t->lock))
{
	struct file_list *l;

	list_leave_locked(t, f);
	f->list = dirty ? FILE_IS_DIRTY : FILE_IS_IDLE;
	l = list_of(t, f);
	f->list_prev = l->last;
	*(l->last ? &l->last->list_next : &l->first) = f;
	l->last = f;
	l->n++;
}

/* ---------------------------------------------------------------- hashing */

static struct file **bucket_of(const struct file_table *t, uint64_t ino)
{
	/* Fibonacci hashing: Knuth, The Art of Computer Programming 3, 6.4. */
	uint64_t h = ino * UINT64_C(0x9E3779B97F4A7C15);

	return &t->buckets[(h >> 32) & (t->n_buckets - 1)];
}

static struct file *find_locked(const struct file_table *t, uint64_t ino)
	LOCK_ATTR_(requires_capability(t->lock))
{
	struct file *f = *bucket_of(t, ino);

	while (f && f->ino != ino)
		f = f->hash_next;
	return f;
}

/* Longer chains are no harm if there is no memory. */
static void grow_locked(struct file_table *t)
	LOCK_ATTR_(requires_capability(t->lock))
{
	struct file_table old = *t;
	struct file **buckets;

	if (t->n_files <= 2 * t->n_buckets)
		return;
	buckets = mem_zalloc_array(4 * t->n_buckets, sizeof(struct file *));
	if (!buckets)
		return;
	t->buckets = buckets;
	t->n_buckets *= 4;
	for (size_t i = 0; i < old.n_buckets; i++)
		while (old.buckets[i]) {
			struct file *f = old.buckets[i];
			struct file **at = bucket_of(t, f->ino);

			old.buckets[i] = f->hash_next;
			f->hash_next = *at;
			*at = f;
		}
	mem_free(old.buckets);
}

static void remove_locked(struct file_table *t, struct file *f)
	LOCK_ATTR_(requires_capability(t->lock))
{
	struct file **at = bucket_of(t, f->ino);

	while (*at != f)
		at = &(*at)->hash_next;
	*at = f->hash_next;
	list_leave_locked(t, f);
	t->n_files--;
}

static void refer_locked(struct file_table *t, struct file *f)
	LOCK_ATTR_(requires_capability(t->lock))
{
	f->refs++;
	if (f->list == FILE_IS_IDLE)
		list_leave_locked(t, f);
}

struct file *file_find(struct file_table *t, uint64_t ino)
{
	struct file *f;

	lock_take(&t->lock);
	f = find_locked(t, ino);
	if (f)
		refer_locked(t, f);
	lock_drop(&t->lock);
	return f;
}

int file_get(struct file_table *t, uint64_t ino, struct file **ret)
{
	struct file *f = file_find(t, ino);
	struct file *fresh, **at;

	if (f) {
		*ret = f;
		return 0;
	}
	fresh = file_new(ino);
	if (!fresh)
		return -ENOMEM;
	lock_take(&t->lock);
	f = find_locked(t, ino);
	if (f) {
		refer_locked(t, f);
	} else {
		f = fresh;
		fresh = NULL;
		grow_locked(t);
		at = bucket_of(t, ino);
		f->hash_next = *at;
		*at = f;
		t->n_files++;
	}
	lock_drop(&t->lock);
	file_free(fresh);
	*ret = f;
	return 0;
}

void file_put(struct file_table *t, struct file *f)
{
	struct file *dead = NULL;

	if (!f)
		return;
	lock_take(&t->lock);
	assert(f->refs > 0);
	if (--f->refs == 0 && !atomic_load(&f->has_layers) &&
	    atomic_load(&f->error) == 0) {
		list_enter_locked(t, f, false);
		if (t->idle.n > IDLE_MAX) {
			dead = t->idle.first;
			remove_locked(t, dead);
		}
	}
	lock_drop(&t->lock);
	file_free(dead);
}

/* ---------------------------------------------------------------- dirty ones */

void file_note_layers(struct file_table *t, struct file *f)
{
	bool has_layers = f->dirty || f->flushing;

	if (atomic_load(&f->has_layers) == has_layers)
		return;
	atomic_store(&f->has_layers, has_layers);
	lock_take(&t->lock);
	if (has_layers)
		list_enter_locked(t, f, true);
	else
		list_leave_locked(t, f);
	lock_drop(&t->lock);
}

size_t file_list_dirty(struct file_table *t, size_t max, struct file **ret)
{
	size_t n = 0;

	lock_take(&t->lock);
	for (struct file *f = t->dirty.first; f && n < max; f = f->list_next) {
		refer_locked(t, f);
		ret[n++] = f;
	}
	lock_drop(&t->lock);
	return n;
}

size_t file_count_dirty(struct file_table *t)
{
	size_t n;

	lock_take(&t->lock);
	n = t->dirty.n;
	lock_drop(&t->lock);
	return n;
}

bool file_has_layers(struct file_table *t, uint64_t ino)
{
	struct file *f;
	bool yes;

	lock_take(&t->lock);
	f = find_locked(t, ino);
	yes = f && atomic_load(&f->has_layers);
	lock_drop(&t->lock);
	return yes;
}

bool file_get_data_bytes(struct file_table *t, uint64_t ino, uint64_t *ret)
{
	struct file *f;
	bool yes;

	lock_take(&t->lock);
	f = find_locked(t, ino);
	yes = f && atomic_load(&f->has_layers);
	if (yes)
		*ret = atomic_load(&f->data_bytes);
	lock_drop(&t->lock);
	return yes;
}
