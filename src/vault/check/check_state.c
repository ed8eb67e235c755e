/* SPDX-License-Identifier: ISC */
#include "vault/check/check_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "store/salvage.h"
#include "vault/log/commit_priv.h"

/* Between two times it is written: what a kill costs. */
#define SAVE_NS (5 * NS_PER_S)

struct check_state {
	struct vault *v;
	uint64_t started_ms;
	size_t n_before; /* sorted, those of the run before */

	struct lock lock; /* LOCK_LEAF; guards the rest */
	uint8_t *stamps;
	size_t n, cap;
	uint64_t saved_ns; /* 0: not yet, so the first pack is kept at once */
	bool is_saving, is_changed;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, VERIFIED_STAMP_BYTES);
}

static int reserve(struct check_state *s, size_t n)
{
	size_t cap = max_of(2 * s->cap, n + 64);
	uint8_t *a;

	if (n <= s->cap)
		return 0;
	a = mem_realloc_array(s->stamps, cap, VERIFIED_STAMP_BYTES);
	if (!a)
		return -ENOMEM;
	s->stamps = a;
	s->cap = cap;
	return 0;
}

/* One that does not open is another's, or none: then nothing was read. */
static int load(struct check_state *s)
{
	auto_free uint8_t *file = NULL;
	const uint8_t *stamps;
	uint64_t started;
	size_t len, n;
	int r = statedir_get_verified(&s->v->commit->state, &file, &len);

	if (r <= 0)
		return r;
	if (verified_open(&s->v->keys->local.vrf, file, len, &started, &stamps,
			  &n) < 0)
		return 0;
	r = reserve(s, n);
	if (r < 0)
		return r;
	if (n > 0)
		memcpy(s->stamps, stamps, n * VERIFIED_STAMP_BYTES);
	qsort(s->stamps, n, VERIFIED_STAMP_BYTES, compare);
	s->n = s->n_before = n;
	s->started_ms = started;
	return 0;
}

int check_state_open(struct vault *v, bool resume, struct check_state **ret)
{
	struct check_state *s;
	int r = 0;

	*ret = NULL;
	if (v->commit->state.dirfd < 0)
		return 0;
	s = mem_zalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->v = v;
	s->started_ms = (uint64_t)clock_wall_ns() / NS_PER_MS;
	lock_init(&s->lock, LOCK_LEAF, 0);
	r = reserve(s, 1);
	if (r == 0 && resume)
		r = load(s);
	else if (r == 0)
		r = statedir_drop_verified(&v->commit->state);
	if (r < 0) {
		mem_free(s->stamps);
		lock_release(&s->lock);
		mem_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

int check_state_stamp(struct check_state *s, uint64_t writer,
		      const struct segment_pack *p, struct check_stamp *ret)
{
	uint8_t what[8 + PACK_NAME_BYTES + 5 * 8];
	struct stat st;
	int r;

	if (!s)
		return 0;
	r = salvage_stat_pack(s->v->store, writer, p->name, &st);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	le64_put(what, writer);
	memcpy(what + 8, p->name, PACK_NAME_BYTES);
	le64_put(what + 24, (uint64_t)st.st_size);
	le64_put(what + 32, (uint64_t)st.st_ino);
	le64_put(what + 40, (uint64_t)clock_ns_of(&st.st_mtim));
	le64_put(what + 48, (uint64_t)clock_ns_of(&st.st_ctim));
	le64_put(what + 56, (uint64_t)st.st_dev);
	hash_bytes(&s->v->keys->local.vrf, what, sizeof(what), ret->b,
		   sizeof(ret->b));
	return 1;
}

bool check_state_has(struct check_state *s, const struct check_stamp *stamp)
{
	bool has;

	if (s->n_before == 0)
		return false;
	lock_take(&s->lock);
	has = bsearch(stamp, s->stamps, s->n_before, VERIFIED_STAMP_BYTES,
		      compare);
	lock_drop(&s->lock);
	return has;
}

/* A copy: nothing is written with the lock held. */
static int save(struct check_state *s)
{
	auto_buf struct buf file = BUF_INIT(VERIFIED_FILE_MAX);
	int r;

	lock_take(&s->lock);
	r = verified_seal(&s->v->keys->local.vrf, s->started_ms, s->stamps,
			  s->n, &file);
	s->is_changed = false;
	lock_drop(&s->lock);
	return r < 0 ? r
		     : statedir_put_verified(&s->v->commit->state, file.data,
					     file.len);
}

void check_state_add(struct check_state *s, const struct check_stamp *stamp)
{
	uint64_t now = clock_mono_ns();
	bool is_due;

	lock_take(&s->lock);
	/* One that is forgotten is read again. */
	if (s->n < VERIFIED_MAX && reserve(s, s->n + 1) == 0) {
		memcpy(s->stamps + s->n++ * VERIFIED_STAMP_BYTES, stamp->b,
		       VERIFIED_STAMP_BYTES);
		s->is_changed = true;
	}
	is_due = !s->is_saving &&
		 (s->saved_ns == 0 || now - s->saved_ns >= SAVE_NS);
	s->is_saving |= is_due;
	lock_drop(&s->lock);
	if (!is_due)
		return;
	int r = save(s);
	if (r < 0)
		diag_err(DIAG_WARNING, r,
			 "how far the check has come cannot "
			 "be kept");
	lock_take(&s->lock);
	s->is_saving = false;
	s->saved_ns = clock_mono_ns();
	lock_drop(&s->lock);
}

int check_state_close(struct check_state *s, bool is_complete)
{
	int r = 0;

	if (!s)
		return 0;
	if (is_complete)
		r = statedir_drop_verified(&s->v->commit->state);
	else if (s->is_changed)
		r = save(s);
	mem_free(s->stamps);
	lock_release(&s->lock);
	mem_free(s);
	return r;
}
