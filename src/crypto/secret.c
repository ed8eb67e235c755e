/* SPDX-License-Identifier: ISC */
#include "crypto/secret.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <sodium.h>

#include "base/mem.h"

/* Smallest block of a secret_buf: a passphrase seldom needs a second one. */
#define SECRET_BUF_MIN_BYTES 128

static pthread_once_t start_once = PTHREAD_ONCE_INIT;
static int start_result;
static atomic_bool started;
static atomic_bool lock_refused;

/*
 * sodium_malloc ignores a refused mlock (libsodium 1.0.18, utils.c), so the
 * lock is asked for once more: mlock(2) of locked pages succeeds, costs
 * nothing of RLIMIT_MEMLOCK and does not nest.
 */
static void *locked_alloc(size_t size)
{
	void *p = sodium_malloc(size);

	if (p && mlock(p, size) < 0)
		atomic_store(&lock_refused, true);
	return p;
}

static int forbid_core_dumps(void)
{
	const struct rlimit none = { 0, 0 };

	/* The limit alone does not hold back a core_pattern pipe; not being
	 * dumpable does, and keeps ptrace(2) and /proc/PID/mem of the same user
	 * out (prctl(2), PR_SET_DUMPABLE; core(5)). */
	if (prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) < 0)
		return -errno;
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return 0;
}

static int start(void)
{
	void *probe;
	int err;

	err = forbid_core_dumps();
	if (err < 0)
		return err;
	/* Chosen by name: later versions of libsodium may prefer a generator
	 * inside the process.  Must come before sodium_init. */
	if (randombytes_set_implementation(
		    &randombytes_sysrandom_implementation) != 0)
		return -ENOSYS;
	if (sodium_init() < 0)
		return -ENOSYS;
	probe = locked_alloc(1);
	if (!probe)
		return -ENOMEM;
	sodium_free(probe);
	return 0;
}

static void start_run(void)
{
	start_result = start();
	if (start_result == 0)
		atomic_store(&started, true);
}

int crypto_start(void)
{
	int err = pthread_once(&start_once, start_run);

	if (err != 0)
		return -err;
	return start_result;
}

/*
 * Secrets do not come from the heap; this lets a test that fails the Nth
 * allocation reach them as well.
 */
static bool allocation_must_fail(void)
{
	void *probe = mem_alloc(1);

	if (!probe)
		return true;
	mem_free(probe);
	return false;
}

void *secret_alloc(size_t size)
{
	assert(atomic_load(&started));
	if (size > MEM_MAX || allocation_must_fail())
		return NULL;
	return locked_alloc(size);
}

void secret_free(void *p)
{
	sodium_free(p);
}

void secret_free_cleanup(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof(p));
	secret_free(p);
}

bool secret_is_locked(void)
{
	assert(atomic_load(&started));
	return !atomic_load(&lock_refused);
}

int secret_buf_reserve(struct secret_buf *s, size_t cap)
{
	uint8_t *data;

	if (cap <= s->cap)
		return 0;
	data = secret_alloc(cap);
	if (!data)
		return -ENOMEM;
	if (s->len > 0)
		memcpy(data, s->data, s->len);
	secret_free(s->data);
	s->data = data;
	s->cap = cap;
	return 0;
}

int secret_buf_append(struct secret_buf *s, const void *p, size_t n)
{
	size_t need;
	int err;

	if (n == 0)
		return 0;
	if (__builtin_add_overflow(s->len, n, &need) || need > MEM_MAX)
		return -ENOMEM;
	if (need > s->cap) {
		err = secret_buf_reserve(s, max_of(max_of(need, s->cap * 2),
						   SECRET_BUF_MIN_BYTES));
		if (err < 0)
			return err;
	}
	memcpy(s->data + s->len, p, n);
	s->len = need;
	return 0;
}

void secret_buf_release(struct secret_buf *s)
{
	secret_free(s->data);
	*s = (struct secret_buf)SECRET_BUF_INIT;
}

bool secret_equal(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}
