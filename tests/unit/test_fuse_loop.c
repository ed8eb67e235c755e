/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#include "base/block.h"
#include "base/mem.h"
#include "fuse/loop.h"

#define N_THREADS 3
#define BUFFER_BYTES 8192

/* The device: one message a read, like /dev/fuse.  A message is one letter:
 * 'a': done at once; 'b': says that it will block, and blocks; 'c': blocks
 * without saying so; 'd': says twice that it will block, and does not. */
static int fds[2];
static struct loop *loop;
static sem_t begun, release_b, release_c, done;
static _Atomic unsigned n_done;
static _Atomic unsigned n_threads_seen;
/* Small letters when begun, capitals when done. */
static _Atomic char order[2048];
static _Atomic unsigned n_order;
static _Atomic size_t bad_sizes;

static _Thread_local bool counted;

static void note(char c)
{
	order[atomic_fetch_add(&n_order, 1)] = c;
}

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0)
		;
}

static void process(void *arg, void *buf, size_t len, size_t cap)
{
	char c = *(char *)buf;

	ck_assert_ptr_eq(arg, &loop);
	if (len != 1 || cap != BUFFER_BYTES)
		atomic_fetch_add(&bad_sizes, 1);
	/* All of the buffer may be used. */
	memset(buf, 0xaa, cap);
	if (!counted)
		atomic_fetch_add(&n_threads_seen, 1);
	counted = true;
	note(c);
	if (c == 'b' || c == 'd')
		block_soon();
	if (c == 'd')
		block_soon();
	sem_post(&begun);
	if (c == 'b')
		wait_for(&release_b);
	if (c == 'c')
		wait_for(&release_c);
	note((char)(c - 'a' + 'A'));
	atomic_fetch_add(&n_done, 1);
	sem_post(&done);
}

static struct loop_options options(int fd)
{
	return (struct loop_options){
		.fd = fd,
		.n_threads = N_THREADS,
		.buffer_bytes = BUFFER_BYTES,
		.process = process,
		.arg = &loop,
	};
}

static void start(void)
{
	struct loop_options opts;

	n_done = 0;
	n_threads_seen = 0;
	n_order = 0;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	sem_init(&begun, 0, 0);
	sem_init(&release_b, 0, 0);
	sem_init(&release_c, 0, 0);
	sem_init(&done, 0, 0);
	opts = options(fds[0]);
	ck_assert_int_eq(loop_new(&opts, &loop), 0);
	ck_assert_int_eq(loop_start(loop), 0);
}

static void stop(void)
{
	loop_free(loop);
	close(fds[0]);
	close(fds[1]);
}

static void say(const char *letters)
{
	for (; *letters; letters++)
		ck_assert_int_eq(write(fds[1], letters, 1), 1);
}

/* What was noted from `from` on, without the letters of `skip`. */
static void assert_order(unsigned from, const char *skip, const char *expected)
{
	char got[16] = "";
	size_t n = 0;

	for (; from < n_order && n < sizeof(got) - 1; from++) {
		if (!strchr(skip, order[from]))
			got[n++] = order[from];
	}
	ck_assert_str_eq(got, expected);
}

static void wait_times(sem_t *s, unsigned n)
{
	while (n--)
		wait_for(s);
}

static bool has_ended(void)
{
	struct pollfd p = { .fd = loop_end_fd(loop), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void end_by_stop(void)
{
	ck_assert(!has_ended());
	loop_stop(loop);
	ck_assert(has_ended());
	ck_assert_int_eq(loop_join(loop), 0);
	ck_assert_uint_eq(bad_sizes, 0);
}

START_TEST(test_loop_one_thread_answers_what_does_not_block)
{
	unsigned i;

	for (i = 0; i < 500; i++) {
		say("aa");
		wait_times(&done, 2);
	}
	end_by_stop();
	ck_assert_uint_eq(n_done, 1000);
	ck_assert_uint_eq(n_threads_seen, 1);
}
END_TEST

START_TEST(test_loop_hands_over_before_it_blocks)
{
	say("b");
	wait_for(&begun);
	/* By another thread, or this would wait for ever. */
	say("aaa");
	wait_times(&done, 3);
	ck_assert_uint_eq(n_threads_seen, 2);
	sem_post(&release_b);
	wait_for(&done);
	end_by_stop();
	ck_assert_uint_eq(n_done, 4);
}
END_TEST

START_TEST(test_loop_does_not_hand_over_because_it_is_busy)
{
	say("c");
	wait_for(&begun);
	say("a");
	usleep(20000);
	sem_post(&release_c);
	wait_times(&done, 2);
	end_by_stop();
	assert_order(0, "", "cCaA");
	ck_assert_uint_eq(n_threads_seen, 1);
}
END_TEST

START_TEST(test_loop_with_all_threads_blocked_goes_on_with_the_first_free)
{
	unsigned round;

	for (round = 0; round < 20; round++) {
		say("bbb");
		wait_times(&begun, N_THREADS);
		say("a");
		sem_post(&release_b);
		/* One 'b' and the 'a'. */
		wait_times(&done, 2);
		wait_for(&begun);
		sem_post(&release_b);
		sem_post(&release_b);
		wait_times(&done, 2);
	}
	end_by_stop();
	ck_assert_uint_eq(n_done, 20 * 4);
	ck_assert_uint_eq(n_threads_seen, N_THREADS);
}
END_TEST

START_TEST(test_loop_blocking_twice_hands_over_once)
{
	unsigned round;

	for (round = 0; round < 200; round++) {
		unsigned from = n_order;

		say("d");
		wait_for(&begun);
		/* With two leaders, 'a' would be taken while 'c' waits. */
		say("c");
		wait_for(&begun);
		say("a");
		sched_yield();
		sem_post(&release_c);
		wait_times(&done, 3);
		wait_for(&begun);
		assert_order(from, "dD", "cCaA");
	}
	end_by_stop();
}
END_TEST

START_TEST(test_loop_ends_when_the_device_is_gone)
{
	struct pollfd p = { .fd = loop_end_fd(loop), .events = POLLIN };

	say("a");
	wait_for(&done);
	shutdown(fds[1], SHUT_RDWR);
	ck_assert_int_eq(poll(&p, 1, -1), 1);
	ck_assert_int_eq(loop_join(loop), 0);
}
END_TEST

START_TEST(test_loop_answers_what_is_in_flight_when_stopped)
{
	say("b");
	wait_for(&begun);
	say("c");
	wait_for(&begun);
	loop_stop(loop);
	say("a");
	sem_post(&release_b);
	sem_post(&release_c);
	ck_assert_int_eq(loop_join(loop), 0);
	/* And nothing more is received. */
	ck_assert_uint_eq(n_done, 2);
	assert_order(0, "BC", "bc");
}
END_TEST

START_TEST(test_loop_tells_why_the_device_failed)
{
	struct loop_options opts;
	struct loop *other;
	int fd = open("/", O_RDONLY | O_DIRECTORY);

	ck_assert_int_ge(fd, 0);
	opts = options(fd);
	ck_assert_int_eq(loop_new(&opts, &other), 0);
	ck_assert_int_eq(loop_start(other), 0);
	ck_assert_int_eq(loop_join(other), -EISDIR);
	loop_free(other);
	close(fd);
	end_by_stop();
}
END_TEST

START_TEST(test_loop_without_memory_is_not_made)
{
	const struct loop_options opts = options(fds[0]);
	struct loop *other = NULL;
	unsigned long nth;
	int r;

	end_by_stop();
	for (nth = 1;; nth++) {
		mem_fail_nth(nth, false);
		r = loop_new(&opts, &other);
		if (!mem_fail_hit())
			break;
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_ptr_null(other);
	}
	mem_fail_nth(0, false);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_gt(nth, 2);
	/* Made and never started. */
	loop_free(other);
}
END_TEST

START_TEST(test_loop_has_threads_on_every_machine)
{
	ck_assert_uint_ge(loop_default_threads(), 2);
	ck_assert_uint_le(loop_default_threads(), 10);
	end_by_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuse_loop");
	TCase *tc = tcase_create("fuse_loop");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_loop_one_thread_answers_what_does_not_block);
	tcase_add_test(tc, test_loop_hands_over_before_it_blocks);
	tcase_add_test(tc, test_loop_does_not_hand_over_because_it_is_busy);
	tcase_add_test(
		tc,
		test_loop_with_all_threads_blocked_goes_on_with_the_first_free);
	tcase_add_test(tc, test_loop_blocking_twice_hands_over_once);
	tcase_add_test(tc, test_loop_ends_when_the_device_is_gone);
	tcase_add_test(tc, test_loop_answers_what_is_in_flight_when_stopped);
	tcase_add_test(tc, test_loop_tells_why_the_device_failed);
	tcase_add_test(tc, test_loop_without_memory_is_not_made);
	tcase_add_test(tc, test_loop_has_threads_on_every_machine);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
