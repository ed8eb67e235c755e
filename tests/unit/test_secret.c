/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>
#include <sodium.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/secret.h"

#define PATTERN_BYTE 0x5a

/*
 * libsodium and secret.c find these two before libc's: what a block holds when
 * it is unmapped can be seen, and a refused lock played.
 */
static bool refuse_locks;
static const uint8_t *watched;
static size_t watched_bytes;
static int watched_unmaps;
static size_t watched_left; /* bytes of the pattern left at the unmapping */

int mlock(const void *p, size_t size)
{
	if (refuse_locks) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_mlock, p, size);
}

/* ThreadSanitizer may unmap before instrumented functions may run. */
__attribute__((no_sanitize("thread"))) int munmap(void *p, size_t size)
{
	const uintptr_t from = (uintptr_t)p, at = (uintptr_t)watched;
	size_t i;

	if (watched && at >= from && at - from < size) {
		watched_unmaps++;
		for (i = 0; i < watched_bytes; i++)
			watched_left += watched[i] == PATTERN_BYTE;
		watched = NULL;
	}
	return (int)syscall(SYS_munmap, p, size);
}

static void watch(const void *p, size_t size)
{
	watched = p;
	watched_bytes = size;
	watched_unmaps = 0;
	watched_left = 0;
}

static void start(void)
{
	ck_assert_int_eq(crypto_start(), 0);
}

/* The signal that ends a child running `fn`; 0 if it returns. */
static int signal_of(void (*fn)(void))
{
	const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT };
	int status = 0;
	size_t i;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* Sanitizers catch these to print a report. */
		for (i = 0; i < array_len(deadly); i++)
			signal(deadly[i], SIG_DFL);
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void alloc_and_free(void)
{
	secret_free(secret_alloc(1));
}

START_TEST(allocating_before_the_start_aborts)
{
	ck_assert_int_eq(signal_of(alloc_and_free), SIGABRT);
}
END_TEST

static void *start_in_thread(void *arg)
{
	*(int *)arg = crypto_start();
	return NULL;
}

START_TEST(start_may_be_called_by_many_threads_and_again)
{
	pthread_t threads[8];
	int results[8];
	size_t i;

	for (i = 0; i < array_len(threads); i++) {
		results[i] = 1;
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						start_in_thread, &results[i]),
				 0);
	}
	for (i = 0; i < array_len(threads); i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_int_eq(results[i], 0);
	}
	ck_assert_int_eq(crypto_start(), 0);
}
END_TEST

START_TEST(start_forbids_core_dumps_and_tracing)
{
	struct rlimit limit = { 1, 1 };

	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, 0);
	ck_assert_uint_eq(limit.rlim_max, 0);
}
END_TEST

START_TEST(no_environment_variable_keeps_the_process_dumpable)
{
	ck_assert_int_eq(setenv("COFFER_TEST_DUMPABLE", "1", 1), 0);
	start();
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
}
END_TEST

START_TEST(a_block_is_usable_to_its_last_byte)
{
	const size_t sizes[] = { 0, 1, 15, 16, 4095, 4096, 4097, 100000 };
	size_t i, k;

	for (i = 0; i < array_len(sizes); i++) {
		uint8_t *p = secret_alloc(sizes[i]);

		ck_assert_ptr_nonnull(p);
		memset(p, PATTERN_BYTE, sizes[i]);
		for (k = 0; k < sizes[i]; k++)
			ck_assert_uint_eq(p[k], PATTERN_BYTE);
		secret_free(p);
	}
	secret_free(NULL);
}
END_TEST

START_TEST(a_struct_is_aligned)
{
	struct hash *hash = secret_alloc(sizeof(*hash));
	uint64_t *words = secret_alloc(3 * sizeof(*words));

	ck_assert_ptr_nonnull(hash);
	ck_assert_ptr_nonnull(words);
	ck_assert_uint_eq((uintptr_t)hash % _Alignof(struct hash), 0);
	ck_assert_uint_eq((uintptr_t)words % _Alignof(uint64_t), 0);
	secret_free(words);
	secret_free(hash);
}
END_TEST

static void write_behind(void)
{
	volatile uint8_t *p = secret_alloc(100);

	p[99] = 1;
	p[100] = 1;
}

static void write_before(void)
{
	uint8_t *p = secret_alloc(100);
	volatile uint8_t *before = p - 1;

	*before ^= 0xff;
	secret_free(p);
}

static void read_after_free(void)
{
	volatile uint8_t *p = secret_alloc(100);

	p[0] = 1;
	secret_free((void *)(uintptr_t)p);
	p[0] = 2;
}

START_TEST(writing_outside_a_block_is_deadly)
{
	ck_assert_int_eq(signal_of(alloc_and_free), 0);
	ck_assert_int_eq(signal_of(write_behind), SIGSEGV);
	ck_assert_int_ne(signal_of(write_before), 0);
	ck_assert_int_eq(signal_of(read_after_free), SIGSEGV);
}
END_TEST

START_TEST(a_block_is_wiped_before_it_is_unmapped)
{
	uint8_t *p = secret_alloc(5000);

	ck_assert_ptr_nonnull(p);
	memset(p, PATTERN_BYTE, 5000);
	watch(p, 5000);
	secret_free(p);
	ck_assert_int_eq(watched_unmaps, 1);
	ck_assert_uint_eq(watched_left, 0);
}
END_TEST

static void leave_scope_with_a_secret(void)
{
	auto_secret uint8_t *p = secret_alloc(64);

	ck_assert_ptr_nonnull(p);
	memset(p, PATTERN_BYTE, 64);
	watch(p, 64);
}

START_TEST(an_auto_secret_is_wiped_at_the_end_of_its_scope)
{
	leave_scope_with_a_secret();
	ck_assert_int_eq(watched_unmaps, 1);
	ck_assert_uint_eq(watched_left, 0);
}
END_TEST

/* Has the mapping that holds p the two-letter flag (proc(5), VmFlags)? */
static bool mapping_has_flag(const void *p, const char *flag)
{
	unsigned long from, to;
	bool inside = false, has = false, seen = false;
	char line[512], padded[8];
	FILE *f = fopen("/proc/self/smaps", "re");

	ck_assert_ptr_nonnull(f);
	snprintf(padded, sizeof(padded), " %s ", flag);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= (uintptr_t)p && (uintptr_t)p < to;
		if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			seen = true;
			has = strstr(line, padded) != NULL;
		}
	}
	fclose(f);
	ck_assert(seen);
	return has;
}

START_TEST(a_block_is_left_out_of_core_dumps)
{
	uint8_t *p = secret_alloc(64);

	ck_assert_ptr_nonnull(p);
	ck_assert(mapping_has_flag(p, "dd"));
	secret_free(p);
}
END_TEST

START_TEST(a_block_is_locked_exactly_when_reported_so)
{
	uint8_t *p = secret_alloc(64);

	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(mapping_has_flag(p, "lo"), secret_is_locked());
	secret_free(p);
}
END_TEST

START_TEST(a_refused_lock_is_reported_from_then_on)
{
	uint8_t *p;

	refuse_locks = true;
	p = secret_alloc(64);
	ck_assert_ptr_nonnull(p);
	ck_assert(!secret_is_locked());
	secret_free(p);
	refuse_locks = false;
	ck_assert(!secret_is_locked());
}
END_TEST

START_TEST(a_lock_refused_at_the_start_is_reported)
{
	refuse_locks = true;
	start();
	refuse_locks = false;
	ck_assert(!secret_is_locked());
}
END_TEST

START_TEST(a_failing_allocation_gives_null)
{
	mem_fail_nth(1, false);
	ck_assert_ptr_null(secret_alloc(32));
	ck_assert(mem_fail_hit());
	mem_fail_nth(0, false);
	ck_assert_ptr_null(secret_alloc(MEM_MAX + 1));
	ck_assert_ptr_null(secret_alloc(SIZE_MAX));
}
END_TEST

START_TEST(a_secret_buffer_keeps_what_is_appended)
{
	auto_secret_buf struct secret_buf s = SECRET_BUF_INIT;
	size_t i;

	for (i = 0; i < 1000; i++) {
		const uint8_t piece[3] = { (uint8_t)i, (uint8_t)(i >> 8), 7 };

		ck_assert_int_eq(secret_buf_append(&s, piece, 3), 0);
		ck_assert_uint_eq(s.len, 3 * (i + 1));
		ck_assert_uint_ge(s.cap, s.len);
	}
	for (i = 0; i < 1000; i++) {
		ck_assert_uint_eq(s.data[3 * i], i & 0xff);
		ck_assert_uint_eq(s.data[3 * i + 1], i >> 8);
		ck_assert_uint_eq(s.data[3 * i + 2], 7);
	}
}
END_TEST

START_TEST(a_reserved_secret_buffer_does_not_move)
{
	auto_secret_buf struct secret_buf s = SECRET_BUF_INIT;
	uint8_t byte = 1;
	uint8_t *data;
	size_t i;

	ck_assert_int_eq(secret_buf_reserve(&s, 300), 0);
	ck_assert_uint_eq(s.cap, 300);
	ck_assert_uint_eq(s.len, 0);
	data = s.data;
	for (i = 0; i < 300; i++)
		ck_assert_int_eq(secret_buf_append(&s, &byte, 1), 0);
	ck_assert_ptr_eq(s.data, data);
	ck_assert_int_eq(secret_buf_reserve(&s, 10), 0);
	ck_assert_ptr_eq(s.data, data);
	ck_assert_uint_eq(s.cap, 300);
}
END_TEST

START_TEST(a_growing_secret_buffer_wipes_the_block_it_leaves)
{
	auto_secret_buf struct secret_buf s = SECRET_BUF_INIT;
	uint8_t bytes[64];

	memset(bytes, PATTERN_BYTE, sizeof(bytes));
	ck_assert_int_eq(secret_buf_reserve(&s, 64), 0);
	ck_assert_int_eq(secret_buf_append(&s, bytes, 64), 0);
	watch(s.data, 64);
	ck_assert_int_eq(secret_buf_append(&s, bytes, 1), 0);
	ck_assert_int_eq(watched_unmaps, 1);
	ck_assert_uint_eq(watched_left, 0);
	ck_assert_uint_eq(s.len, 65);
	ck_assert_mem_eq(s.data, bytes, 64);
}
END_TEST

START_TEST(a_released_secret_buffer_is_wiped_and_may_be_used_again)
{
	struct secret_buf s = SECRET_BUF_INIT;
	uint8_t bytes[32];

	memset(bytes, PATTERN_BYTE, sizeof(bytes));
	ck_assert_int_eq(secret_buf_append(&s, bytes, 32), 0);
	watch(s.data, 32);
	secret_buf_release(&s);
	ck_assert_int_eq(watched_unmaps, 1);
	ck_assert_uint_eq(watched_left, 0);
	ck_assert_ptr_null(s.data);
	ck_assert_uint_eq(s.len, 0);
	ck_assert_uint_eq(s.cap, 0);
	secret_buf_release(&s);
	ck_assert_int_eq(secret_buf_append(&s, bytes, 32), 0);
	ck_assert_mem_eq(s.data, bytes, 32);
	secret_buf_release(&s);
}
END_TEST

START_TEST(a_failing_append_leaves_the_secret_buffer_as_it_was)
{
	auto_secret_buf struct secret_buf s = SECRET_BUF_INIT;
	const uint8_t bytes[300] = { 1, 2, 3 };
	struct secret_buf before;

	ck_assert_int_eq(secret_buf_append(&s, bytes, 3), 0);
	before = s;
	mem_fail_nth(1, false);
	ck_assert_int_eq(secret_buf_append(&s, bytes, 300), -ENOMEM);
	ck_assert(mem_fail_hit());
	mem_fail_nth(1, false);
	ck_assert_int_eq(secret_buf_reserve(&s, 4096), -ENOMEM);
	mem_fail_nth(0, false);
	ck_assert_int_eq(secret_buf_append(&s, bytes, SIZE_MAX), -ENOMEM);
	ck_assert_int_eq(secret_buf_append(&s, bytes, MEM_MAX), -ENOMEM);
	ck_assert_int_eq(secret_buf_reserve(&s, MEM_MAX + 1), -ENOMEM);
	ck_assert_int_eq(secret_buf_append(&s, NULL, 0), 0);
	ck_assert_ptr_eq(s.data, before.data);
	ck_assert_uint_eq(s.len, before.len);
	ck_assert_uint_eq(s.cap, before.cap);
	ck_assert_mem_eq(s.data, bytes, 3);
}
END_TEST

START_TEST(equality_looks_at_every_bit)
{
	uint8_t a[33], b[33];
	size_t bit;

	random_bytes(a, sizeof(a));
	memcpy(b, a, sizeof(b));
	ck_assert(secret_equal(a, b, sizeof(a)));
	for (bit = 0; bit < 8 * sizeof(a); bit++) {
		b[bit / 8] ^= (uint8_t)(1U << bit % 8);
		ck_assert(!secret_equal(a, b, sizeof(a)));
		ck_assert(secret_equal(a, b, bit / 8));
		b[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	ck_assert(secret_equal(a, b, 0));
}
END_TEST

START_TEST(random_bytes_come_from_the_kernel)
{
	ck_assert_str_eq(randombytes_implementation_name(), "sysrandom");
}
END_TEST

START_TEST(random_bytes_fill_exactly_what_is_asked)
{
	uint8_t a[1000] = { 0 }, b[1000] = { 0 };
	size_t i, zeros = 0;

	random_bytes(NULL, 0);
	random_bytes(a, 900);
	random_bytes(b, 900);
	ck_assert_mem_ne(a, b, 900);
	for (i = 0; i < 900; i++)
		zeros += a[i] == 0;
	/* 3.5 expected; 100 or more come with a chance below 2^-300. */
	ck_assert_uint_lt(zeros, 100);
	for (i = 900; i < 1000; i++)
		ck_assert_uint_eq(a[i], 0);
	ck_assert_uint_ne(random_u64(), random_u64());
}
END_TEST

static Suite *secret_suite(void)
{
	Suite *suite = suite_create("secret");
	TCase *early = tcase_create("start");
	TCase *after = tcase_create("started");

	tcase_add_test(early, allocating_before_the_start_aborts);
	tcase_add_test(early,
		       no_environment_variable_keeps_the_process_dumpable);
	tcase_add_test(early, start_may_be_called_by_many_threads_and_again);
	tcase_add_test(early, a_lock_refused_at_the_start_is_reported);
	suite_add_tcase(suite, early);

	tcase_add_checked_fixture(after, start, NULL);
	tcase_add_test(after, start_forbids_core_dumps_and_tracing);
	tcase_add_test(after, a_block_is_usable_to_its_last_byte);
	tcase_add_test(after, a_struct_is_aligned);
	tcase_add_test(after, writing_outside_a_block_is_deadly);
	tcase_add_test(after, a_block_is_wiped_before_it_is_unmapped);
	tcase_add_test(after, an_auto_secret_is_wiped_at_the_end_of_its_scope);
	tcase_add_test(after, a_block_is_left_out_of_core_dumps);
	tcase_add_test(after, a_block_is_locked_exactly_when_reported_so);
	tcase_add_test(after, a_refused_lock_is_reported_from_then_on);
	tcase_add_test(after, a_failing_allocation_gives_null);
	tcase_add_test(after, a_secret_buffer_keeps_what_is_appended);
	tcase_add_test(after, a_reserved_secret_buffer_does_not_move);
	tcase_add_test(after,
		       a_growing_secret_buffer_wipes_the_block_it_leaves);
	tcase_add_test(after,
		       a_released_secret_buffer_is_wiped_and_may_be_used_again);
	tcase_add_test(after,
		       a_failing_append_leaves_the_secret_buffer_as_it_was);
	tcase_add_test(after, equality_looks_at_every_bit);
	tcase_add_test(after, random_bytes_come_from_the_kernel);
	tcase_add_test(after, random_bytes_fill_exactly_what_is_asked);
	suite_add_tcase(suite, after);

	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(secret_suite());
	int failed;

	/* Each test in its own process, whatever CK_FORK says: the start and a
	 * refused lock are for the life of a process. */
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
