/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "commit_fixture.h"
#include "fault_env.h"
#include "scale.h"
#include "tempdir.h"
#include "vault/care.h"
#include "vault/file.h"
#include "vault/log/commit_priv.h"

static const struct device a = { "vault", "state", 0xa1, NULL,
				 false, false, false, false };
static struct fault_env faulty;

static void setup(void)
{
	tempdir_make();
	catch_diag();
	fault_env_init(&faulty);
	ck_assert_int_eq(device_init(&a), 0);
}

static void teardown(void)
{
	tempdir_remove();
}

static unsigned n_segments(void)
{
	return count_files("vault", "/l/", NULL, 0);
}

static unsigned n_packs(void)
{
	return count_files("vault", "/d/", NULL, 0);
}

/* ---------------------------------------------------------------- what is published */

START_TEST(nothing_to_publish_makes_no_segment)
{
	struct vault *v = device_open(&a);

	ck_assert_int_eq(vault_publish(v), 0);
	ck_assert_int_eq(vault_sync(v), 0);
	ck_assert_int_eq(vault_publish(v), 0);
	device_close(v);
	ck_assert_uint_eq(n_segments(), 1);
}
END_TEST

START_TEST(what_died_in_the_stage_never_reaches_the_vault)
{
	struct device b = a;
	struct vault *v = device_open(&a);

	put_bytes(v, "temporary", 1, 500000);
	ck_assert_int_eq(vault_sync(v), 0);
	remove_name(v, "temporary");
	put_bytes(v, "overwritten", 2, 40000);
	ck_assert_int_eq(vault_sync(v), 0);
	put_bytes(v, "overwritten", 3, 40000);
	ck_assert_int_eq(vault_publish(v), 0);
	ck_assert_uint_eq(n_packs(), 1);
	device_close(v);
	/* Whoever reads only the vault sees the same, and no damage. */
	b.state = "state2";
	b.writer = 0xb2;
	v = device_open(&b);
	ck_assert(has_bytes(v, "overwritten", 3, 40000));
	ck_assert(!has_name(v, "temporary"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(a_part_overwritten_in_the_stage_leaves_the_rest)
{
	struct device b = a;
	struct vault_attr at;
	struct vault *v = device_open(&a);
	static const char patch[] = "patched";
	char got[9] = "";

	put_bytes(v, "file", 4, 900000);
	ck_assert_int_eq(vault_sync(v), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(vault_lookup(v, VAULT_ROOT_INO,
					      (struct vault_name){ "file", 4 },
					      &at),
				 1);
		ck_assert_int_eq(vault_write(v, at.ino, patch, 7,
					     (uint64_t)i * 200000, 0),
				 0);
		ck_assert_int_eq(vault_sync(v), 0);
	}
	device_close(v);
	b.state = "state2";
	b.writer = 0xb2;
	v = device_open(&b);
	ck_assert_int_eq(vault_pread(v, at.ino, got, 7, 600000), 7);
	ck_assert_str_eq(got, patch);
	ck_assert_int_eq(vault_pread(v, at.ino, got, 7, 0), 7);
	ck_assert_str_eq(got, patch);
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(a_dead_pack_is_dropped)
{
	struct device b = a;
	struct vault *v = device_open(&a);

	put_bytes(v, "file", 1, 800000);
	ck_assert_int_eq(vault_publish(v), 0);
	ck_assert_uint_eq(n_packs(), 1);
	remove_name(v, "file");
	device_close(v);
	v = device_open(&a);
	put_file(v, "other", "text");
	device_close(v);
	ck_assert_uint_eq(n_packs(), 0);
	b.state = "state2";
	b.writer = 0xb2;
	v = device_open(&b);
	ck_assert(has_text(v, "other", "text"));
	ck_assert(!has_name(v, "file"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(a_pack_with_something_alive_stays)
{
	struct vault *v = device_open(&a);

	put_bytes(v, "one", 1, 200000);
	put_bytes(v, "two", 2, 200000);
	ck_assert_int_eq(vault_publish(v), 0);
	remove_name(v, "one");
	device_close(v);
	v = device_open(&a);
	put_file(v, "other", "text");
	device_close(v);
	ck_assert_uint_eq(n_packs(), 1);
	v = device_open(&a);
	ck_assert(has_bytes(v, "two", 2, 200000));
	device_close(v);
}
END_TEST

START_TEST(a_vault_left_alone_looks_for_dead_packs_too)
{
	struct vault *v = device_open(&a);
	struct commit *c = v->commit;
	struct vault_gc_result g;

	put_bytes(v, "file", 1, 800000);
	put_file(v, "other", "text");
	ck_assert_int_eq(vault_publish(v), 0);
	remove_name(v, "file");
	/* Too soon for another look. */
	ck_assert_int_eq(vault_publish(v), 0);
	ck_assert_uint_eq(n_packs(), 1);
	commit_enter_busy(c);
	ck_assert_int_eq(publish_dead(c), 0);
	ck_assert_uint_eq(n_packs(), 1);
	c->last_drop_ns = 0;
	ck_assert_int_eq(publish_dead(c), 0);
	commit_leave_busy(c);
	ck_assert_uint_eq(n_packs(), 0);
	ck_assert_int_eq(vault_gc(v, true, &g), 0);
	ck_assert_uint_eq(g.n_dead_packs, 0);
	ck_assert(has_text(v, "other", "text"));
	device_close(v);
}
END_TEST

/* ---------------------------------------------------------------- failures */

START_TEST(what_died_while_the_vault_was_full_asks_for_no_room)
{
	struct device f = a;
	struct vault *v;

	f.env = &faulty.env;
	v = device_open(&f);
	faulty.only_link = faulty.sticky = true;
	faulty.error = -ENOSPC;
	put_bytes(v, "one", 1, 300000);
	faulty.nth = 1;
	ck_assert_int_eq(vault_publish(v), -ENOSPC);
	remove_name(v, "one");
	faulty.has_failed = false;
	ck_assert_int_eq(vault_publish(v), 0);
	ck_assert_uint_eq(n_packs(), 0);
	device_close(v);
}
END_TEST

START_TEST(what_a_failed_sync_left_in_memory_is_written_anew_once)
{
	struct device f = a;
	struct vault *v;

	f.env = &faulty.env;
	f.killed = true;
	v = device_open(&f);
	faulty.only_sync = true;
	put_bytes(v, "early", 1, 300000);
	ck_assert_int_eq(vault_sync(v), 0);
	/* The first sync is the stage's. */
	put_bytes(v, "one", 2, 300000);
	faulty.nth = 1;
	ck_assert_int_eq(vault_sync(v), 0);
	ck_assert(faulty.has_failed);
	ck_assert(!vault_is_read_only(v));
	ck_assert_uint_eq(count_diag("written anew"), 1);
	put_bytes(v, "two", 3, 300000);
	ck_assert_int_eq(vault_sync(v), 0);
	ck_assert(has_bytes(v, "early", 1, 300000));
	/* Not again: a disk that fails twice is no disk. */
	put_bytes(v, "three", 4, 300000);
	faulty.has_failed = false;
	faulty.nth = 1;
	ck_assert_int_eq(vault_sync(v), -EIO);
	ck_assert(vault_is_read_only(v));
	(void)!vault_close(v);
	v = device_open(&a);
	ck_assert(has_bytes(v, "early", 1, 300000));
	ck_assert(has_bytes(v, "one", 2, 300000));
	ck_assert(has_bytes(v, "two", 3, 300000));
	device_close(v);
}
END_TEST

START_TEST(a_stage_is_closed_in_spite_of_a_failed_sync)
{
	struct device f = a;
	struct vault *v;
	uint32_t seed = 0;
	bool seen = false;

	f.env = &faulty.env;
	v = device_open(&f);
	faulty.only_sync = true;
	/* One of the syncs of a publish is of the trailer. */
	for (unsigned long nth = 1; nth < 6 && !seen; nth++) {
		put_bytes(v, "one", ++seed, 300000);
		ck_assert_int_eq(vault_sync(v), 0);
		faulty.has_failed = false;
		faulty.nth = nth;
		if (vault_publish(v) < 0)
			break;
		seen = faulty.has_failed && count_diag("written anew") == 1;
		faulty.nth = 0;
	}
	ck_assert(seen);
	ck_assert(!vault_is_read_only(v));
	device_close(v);
	remove_folder("state");
	v = device_open(&a);
	ck_assert(has_bytes(v, "one", seed, 300000));
	device_close(v);
}
END_TEST

START_TEST(a_full_vault_delays_publishing_and_loses_nothing)
{
	struct device f = a;
	struct vault *v;

	f.env = &faulty.env;
	v = device_open(&f);
	faulty.only_link = faulty.sticky = true;
	faulty.error = -ENOSPC;
	put_bytes(v, "one", 1, 300000);
	faulty.nth = 1;
	ck_assert_int_eq(vault_publish(v), -ENOSPC);
	ck_assert_uint_eq(n_segments(), 1);
	put_bytes(v, "two", 2, 300000);
	ck_assert_int_eq(vault_sync(v), 0);
	ck_assert_int_eq(vault_publish(v), -ENOSPC);
	ck_assert(has_bytes(v, "one", 1, 300000));
	/* Closing says so; the next opening goes on. */
	ck_assert_int_eq(vault_close(v), -ENOSPC);
	v = device_open(&f);
	ck_assert(has_bytes(v, "one", 1, 300000));
	ck_assert(has_bytes(v, "two", 2, 300000));
	faulty.has_failed = false;
	ck_assert_int_eq(vault_publish(v), 0);
	device_close(v);
	remove_folder("state");
	v = device_open(&a);
	ck_assert(has_bytes(v, "one", 1, 300000));
	ck_assert(has_bytes(v, "two", 2, 300000));
	device_close(v);
}
END_TEST

/* Fails at the nth name given, is killed there, and opens again. */
START_TEST(a_publish_cut_short_is_repeated)
{
	struct device k = a;
	struct vault *v;
	int n = 0;

	k.env = &faulty.env;
	k.killed = true;
	for (bool over = false; !over; n++) {
		char name[24];

		snprintf(name, sizeof(name), "file%d", n);
		fault_env_init(&faulty);
		v = device_open(&k);
		put_bytes(v, name, (uint32_t)n, 150000);
		ck_assert_int_eq(vault_sync(v), 0);
		faulty.only_link = faulty.sticky = true;
		faulty.nth = (unsigned long)n + 1;
		over = vault_publish(v) == 0;
		device_close(v);
	}
	ck_assert_int_ge(n, 3);
	v = device_open(&a);
	for (int i = 0; i < n; i++) {
		char name[24];

		snprintf(name, sizeof(name), "file%d", i);
		ck_assert(has_bytes(v, name, (uint32_t)i, 150000));
	}
	device_close(v);
	remove_folder("state");
	v = device_open(&a);
	for (int i = 0; i < n; i++) {
		char name[24];

		snprintf(name, sizeof(name), "file%d", i);
		ck_assert(has_bytes(v, name, (uint32_t)i, 150000));
	}
	device_close(v);
}
END_TEST

START_TEST(a_stranger_under_the_name_is_kept_and_replaced)
{
	struct device k = a;
	struct vault *v;
	char path[512], sealed[512], name[64], hash[17];
	uint8_t *bytes = NULL;
	FILE *f;
	long len;

	k.env = &faulty.env;
	v = device_open(&k);
	put_file(v, "file", "text");
	faulty.only_link = faulty.sticky = true;
	faulty.nth = 1;
	ck_assert_int_lt(vault_publish(v), 0);
	/* The sealed segment stands in the journal: its name follows. */
	ck_assert_uint_eq(count_files("state", "/s0000000002", sealed,
				      sizeof(sealed)),
			  1);
	f = fopen(sealed, "rb");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	len = ftell(f);
	rewind(f);
	bytes = malloc((size_t)len);
	ck_assert_uint_eq(fread(bytes, 1, (size_t)len, f), (size_t)len);
	fclose(f);
	hash_prefix(bytes, (size_t)len, hash);
	free(bytes);
	snprintf(name, sizeof(name), "/0000000002-%s", hash);
	ck_assert_uint_eq(count_files("vault", "/l/", path, sizeof(path)), 1);
	strcpy(strrchr(path, '/'), name);
	f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	fputs("something else", f);
	fclose(f);
	faulty.has_failed = false;
	ck_assert_int_eq(vault_publish(v), 0);
	ck_assert_uint_eq(count_files("state", "/strangers/", NULL, 0), 1);
	ck_assert_uint_ge(count_diag("stranger"), 1);
	device_close(v);
	remove_folder("state");
	v = device_open(&a);
	ck_assert(has_text(v, "file", "text"));
	device_close(v);
}
END_TEST

/* Every third call, so that the case takes seconds. */
#define FAULT_STRIDE 3

/* What a call confirmed must be there, whichever disk call fails. */
START_TEST(whichever_call_fails_nothing_confirmed_is_lost)
{
	struct device f = a;
	unsigned long n = 0;
	bool failed = true;

	f.env = &faulty.env;
	while (failed) {
		struct vault *v = NULL;
		const char *what = NULL;
		bool synced = false;
		char name[24];

		snprintf(name, sizeof(name), "file%lu", n);
		fault_env_init(&faulty);
		faulty.nth = n += FAULT_STRIDE * test_stride();
		if (device_try_open(&f, &v, &what) == 0) {
			const struct vault_new new = {
				.mode = S_IFREG | 0644,
			};
			struct vault_attr at;
			int r = vault_make(v, VAULT_ROOT_INO,
					   (struct vault_name){ name,
								strlen(name) },
					   &new, false, &at);

			if (r == 0)
				r = vault_write(v, at.ino, name, strlen(name),
						0, 0);
			if (r == 0)
				synced = vault_sync(v) == 0;
			(void)!vault_close(v);
		}
		failed = faulty.has_failed;
		/* And the whole of it is sound. */
		v = device_open(&a);
		if (vault_is_read_only(v))
			ck_abort_msg("call %lu: %s", n,
				     vault_read_only_reason(v));
		if (synced)
			ck_assert_msg(has_text(v, name, name), "call %lu", n);
		device_close(v);
	}
	ck_assert_uint_ge(n, 50);
}
END_TEST

/* ---------------------------------------------------------------- threads */

struct writer_thread {
	struct vault *v;
	unsigned id;
	int result;
};

static void *write_and_sync(void *arg)
{
	struct writer_thread *w = arg;
	char name[24];

	for (unsigned i = 0; i < 12 && w->result == 0; i++) {
		const struct vault_new new = { .mode = S_IFREG | 0644 };
		struct vault_attr at;

		snprintf(name, sizeof(name), "t%u-%u", w->id, i);
		w->result = vault_make(w->v, VAULT_ROOT_INO,
				       (struct vault_name){ name,
							    strlen(name) },
				       &new, false, &at);
		if (w->result == 0)
			w->result = vault_write(w->v, at.ino, name,
						strlen(name), 0, 0);
		if (w->result == 0)
			w->result = i % 3 == 2 ? vault_publish(w->v) :
						 vault_fsync(w->v, at.ino);
	}
	return NULL;
}

START_TEST(threads_that_sync_at_once_all_get_what_they_asked_for)
{
	struct writer_thread w[4];
	pthread_t t[4];
	struct device k = a;
	struct vault *v;

	k.killed = k.background = true;
	v = device_open(&k);
	for (unsigned i = 0; i < 4; i++) {
		w[i] = (struct writer_thread){ v, i, 0 };
		ck_assert_int_eq(pthread_create(&t[i], NULL, write_and_sync,
						&w[i]),
				 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		ck_assert_int_eq(w[i].result, 0);
	}
	device_close(v);
	v = device_open(&a);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k2 = 0; k2 < 12; k2++) {
			char name[24];

			snprintf(name, sizeof(name), "t%u-%u", i, k2);
			ck_assert(has_text(v, name, name));
		}
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(the_committer_publishes_by_itself)
{
	struct device b = a;
	struct vault *v;

	b.background = true;
	v = device_open(&b);
	put_file(v, "file", "text");
	/* The case's time limit is the only one. */
	while (n_segments() < 2)
		usleep(50000);
	device_close(v);
	ck_assert_uint_eq(n_segments(), 2);
}
END_TEST

/* The index opened clean may not write a page before its mark is taken away. */
START_TEST(an_index_that_outgrows_its_memory_makes_a_cut)
{
	struct vault_name name = { .len = 230 };
	struct vault_attr at;
	struct vault *v;
	char text[231];
	unsigned i;

	v = device_open(&a);
	put_file(v, "file", "text");
	device_close(v);
	v = device_open(&a);
	ck_assert(v->commit->is_index_clean);
	for (i = 0; i < 20000 && v->commit->is_index_clean; i++) {
		const struct vault_new what = { .mode = S_IFREG | 0600 };

		snprintf(text, sizeof(text), "%0230u", i);
		name.bytes = text;
		ck_assert_int_eq(vault_make(v, VAULT_ROOT_INO, name, &what,
					    false, &at),
				 0);
		ck_assert_uint_lt(index_cache_bytes(v->index), 3u << 20);
	}
	ck_assert(!v->commit->is_index_clean);
	device_close(v);
	v = device_open(&a);
	ck_assert(v->commit->is_index_clean);
	ck_assert_int_eq(vault_lookup(v, VAULT_ROOT_INO, name, &at), 1);
	device_close(v);
}
END_TEST

/* Pieces of the log a cut begins to look at: none is in a frame. */
static void check_unframed(struct vault *v)
{
	bool seen = false;

	for (const struct oplog_piece *p = v->oplog.first; p; p = p->next) {
		seen |= p == v->oplog.unframed;
		ck_assert(p->in_frame == !seen || p->n_ops == 0);
	}
	ck_assert(seen);
	ck_assert_ptr_eq(v->oplog.unframed, v->oplog.last);
}

START_TEST(a_cut_looks_at_what_came_since_the_last)
{
	struct vault *v = device_open(&a);
	char name[16];

	for (unsigned i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		put_file(v, name, "text");
		ck_assert_int_eq(vault_sync(v), 0);
		check_unframed(v);
		if (i == 10)
			ck_assert_int_eq(vault_publish(v), 0);
	}
	check_unframed(v);
	device_close(v);
	v = device_open(&a);
	put_file(v, "after", "text");
	ck_assert_int_eq(vault_sync(v), 0);
	check_unframed(v);
	device_close(v);
}
END_TEST

START_TEST(more_than_a_frame_holds_goes_into_several)
{
	struct device k = a;
	static uint8_t value[60000];
	struct vault_attr at;
	struct vault *v;
	char name[24];

	k.killed = true;
	memset(value, 'x', sizeof(value));
	v = device_open(&k);
	put_file(v, "file", "text");
	ck_assert_int_eq(vault_lookup(v, VAULT_ROOT_INO,
				      (struct vault_name){ "file", 4 }, &at),
			 1);
	for (unsigned i = 0; i < 1200; i++) {
		snprintf(name, sizeof(name), "user.x%u", i % 40);
		memcpy(value, &i, sizeof(i));
		ck_assert_int_eq(vault_setxattr(v, at.ino, name, value,
						sizeof(value), 0),
				 0);
	}
	ck_assert_int_eq(vault_sync(v), 0);
	device_close(v);
	v = device_open(&a);
	ck_assert(has_text(v, "file", "text"));
	for (unsigned i = 0; i < 40; i++) {
		unsigned last = 1160 + i, got;

		snprintf(name, sizeof(name), "user.x%u", i);
		ck_assert_int_eq(vault_getxattr(v, at.ino, name, value,
						sizeof(value)),
				 sizeof(value));
		memcpy(&got, value, sizeof(got));
		ck_assert_uint_eq(got, last);
	}
	device_close(v);
	ck_assert_uint_ge(n_segments(), 3);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("commit");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, nothing_to_publish_makes_no_segment);
	tcase_add_test(t, what_died_in_the_stage_never_reaches_the_vault);
	tcase_add_test(t, a_part_overwritten_in_the_stage_leaves_the_rest);
	tcase_add_test(t, a_dead_pack_is_dropped);
	tcase_add_test(t, a_pack_with_something_alive_stays);
	tcase_add_test(t, a_vault_left_alone_looks_for_dead_packs_too);
	tcase_add_test(t, what_died_while_the_vault_was_full_asks_for_no_room);
	tcase_add_test(t, what_a_failed_sync_left_in_memory_is_written_anew_once);
	tcase_add_test(t, a_stage_is_closed_in_spite_of_a_failed_sync);
	tcase_add_test(t, a_full_vault_delays_publishing_and_loses_nothing);
	tcase_add_test(t, a_publish_cut_short_is_repeated);
	tcase_add_test(t, a_stranger_under_the_name_is_kept_and_replaced);
	tcase_add_test(t, whichever_call_fails_nothing_confirmed_is_lost);
	tcase_add_test(t, threads_that_sync_at_once_all_get_what_they_asked_for);
	tcase_add_test(t, the_committer_publishes_by_itself);
	tcase_add_test(t, an_index_that_outgrows_its_memory_makes_a_cut);
	tcase_add_test(t, a_cut_looks_at_what_came_since_the_last);
	tcase_add_test(t, more_than_a_frame_holds_goes_into_several);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
