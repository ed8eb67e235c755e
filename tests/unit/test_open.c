/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "commit_fixture.h"
#include "tempdir.h"
#include "vault/care.h"
#include "vault/log/apply.h"

static const struct device a = { "vault", "state", 0xa1, NULL,
				 false, false, false, false };

static void setup(void)
{
	tempdir_make();
	catch_diag();
	ck_assert_int_eq(device_init(&a), 0);
}

static void teardown(void)
{
	tempdir_remove();
}

START_TEST(a_new_vault_opens_empty)
{
	struct vault *v = device_open(&a);
	struct vault_attr at;

	ck_assert(!vault_is_read_only(v));
	ck_assert_int_eq(vault_getattr(v, VAULT_ROOT_INO, &at), 0);
	ck_assert_uint_eq(at.mode, S_IFDIR | 0755);
	ck_assert_uint_eq(at.uid, 1000);
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(what_was_written_is_there_again)
{
	struct vault *v = device_open(&a);

	put_file(v, "hello", "world");
	put_bytes(v, "large", 7, 3000000);
	make_dir(v, "folder");
	device_close(v);
	v = device_open(&a);
	ck_assert(has_text(v, "hello", "world"));
	ck_assert(has_bytes(v, "large", 7, 3000000));
	ck_assert(has_name(v, "folder"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

/* ---------------------------------------------------------------- kills */

START_TEST(what_was_synced_survives_a_kill)
{
	struct device k = a;
	struct vault *v;

	k.killed = true;
	v = device_open(&k);
	put_file(v, "synced", "one");
	put_bytes(v, "large", 3, 2500000);
	ck_assert_int_eq(vault_sync(v), 0);
	device_close(v);
	ck_assert_uint_eq(count_files("vault", "/l/", NULL, 0), 1);
	v = device_open(&a);
	ck_assert(has_text(v, "synced", "one"));
	ck_assert(has_bytes(v, "large", 3, 2500000));
	device_close(v);
	ck_assert_uint_eq(count_files("vault", "/l/", NULL, 0), 2);
	v = device_open(&a);
	ck_assert(has_text(v, "synced", "one"));
	ck_assert(has_bytes(v, "large", 3, 2500000));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(what_was_not_synced_is_gone_after_a_kill_and_nothing_else)
{
	struct device k = a;
	struct vault *v;

	k.killed = true;
	v = device_open(&k);
	put_file(v, "synced", "one");
	ck_assert_int_eq(vault_sync(v), 0);
	put_file(v, "late", "two");
	device_close(v);
	v = device_open(&k);
	ck_assert(has_text(v, "synced", "one"));
	ck_assert(!has_name(v, "late"));
	put_file(v, "again", "three");
	ck_assert_int_eq(vault_sync(v), 0);
	device_close(v);
	v = device_open(&a);
	ck_assert(has_text(v, "synced", "one"));
	ck_assert(has_text(v, "again", "three"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(kills_after_each_publish_lose_nothing)
{
	struct device k = a;
	char name[16];

	k.killed = true;
	for (int i = 0; i < 5; i++) {
		struct vault *v = device_open(&k);

		for (int n = 0; n < i; n++) {
			snprintf(name, sizeof(name), "file%d", n);
			ck_assert(has_bytes(v, name, (uint32_t)n, 70000));
		}
		snprintf(name, sizeof(name), "file%d", i);
		put_bytes(v, name, (uint32_t)i, 70000);
		ck_assert_int_eq(vault_publish(v), 0);
		device_close(v);
	}
	ck_assert_uint_eq(count_files("vault", "/l/", NULL, 0), 6);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

/* ---------------------------------------------------------------- state */

START_TEST(without_its_state_a_vault_opens_as_another_device)
{
	struct device b = a;
	struct vault_status s;
	struct vault *v = device_open(&a);

	put_file(v, "kept", "text");
	put_bytes(v, "large", 1, 1000000);
	device_close(v);
	remove_folder("state");
	b.writer = 0xb2;
	v = device_open(&b);
	ck_assert(has_text(v, "kept", "text"));
	ck_assert(has_bytes(v, "large", 1, 1000000));
	ck_assert_int_eq(vault_get_status(v, &s), 0);
	ck_assert_uint_eq(s.writer, 0xb2);
	put_file(v, "new", "by the second");
	device_close(v);
	v = device_open(&b);
	ck_assert(has_text(v, "new", "by the second"));
	device_close(v);
	ck_assert_uint_eq(count_files("vault", "00000000000000b2/l/", NULL, 0),
			  1);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(who_only_reads_writes_nothing_into_the_vault)
{
	struct device b = a;
	struct vault *v;
	unsigned before = count_files("vault", "", NULL, 0);

	b.state = "state2";
	b.writer = 0xb2;
	v = device_open(&b);
	ck_assert(!has_name(v, "absent"));
	device_close(v);
	ck_assert_uint_eq(count_files("vault", "", NULL, 0), before);
}
END_TEST

START_TEST(no_state_reads_and_refuses_to_write)
{
	struct device n = a;
	struct vault_attr at;
	struct vault *v = device_open(&a);
	const struct vault_new what = { .mode = S_IFREG | 0644 };

	put_bytes(v, "file", 5, 200000);
	device_close(v);
	n.no_state = true;
	v = device_open(&n);
	ck_assert(vault_is_read_only(v));
	ck_assert_ptr_nonnull(vault_read_only_reason(v));
	ck_assert(has_bytes(v, "file", 5, 200000));
	ck_assert_int_eq(vault_make(v, VAULT_ROOT_INO,
				    (struct vault_name){ "x", 1 }, &what, false,
				    &at),
			 ERR_READ_ONLY);
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(a_read_only_opening_shows_what_is_only_in_the_journal)
{
	struct device k = a, r = a;
	struct vault *v;

	k.killed = true;
	r.read_only = true;
	v = device_open(&k);
	put_bytes(v, "file", 9, 300000);
	ck_assert_int_eq(vault_sync(v), 0);
	device_close(v);
	v = device_open(&r);
	ck_assert(has_bytes(v, "file", 9, 300000));
	device_close(v);
	ck_assert_uint_eq(count_files("vault", "/l/", NULL, 0), 1);
	v = device_open(&a);
	ck_assert(has_bytes(v, "file", 9, 300000));
	device_close(v);
	ck_assert_uint_eq(count_files("vault", "/l/", NULL, 0), 2);
}
END_TEST

START_TEST(two_at_once_are_one_too_many)
{
	struct vault *v = device_open(&a), *w = NULL;
	const char *what = NULL;

	ck_assert_int_eq(device_try_open(&a, &w, &what), ERR_IN_USE);
	ck_assert_ptr_null(w);
	device_close(v);
}
END_TEST

START_TEST(an_old_copy_of_the_state_gets_a_new_id)
{
	struct device old = a;
	struct vault_status s;
	struct vault *v = device_open(&a);

	put_file(v, "one", "1");
	device_close(v);
	copy_folder("state", "old");
	v = device_open(&a);
	put_file(v, "two", "2");
	device_close(v);
	old.state = "old";
	v = device_open(&old);
	ck_assert_int_eq(vault_get_status(v, &s), 0);
	ck_assert_uint_ne(s.writer, a.writer);
	ck_assert(has_text(v, "one", "1"));
	ck_assert(has_text(v, "two", "2"));
	put_file(v, "three", "3");
	device_close(v);
	ck_assert_uint_ge(count_diag("older than the vault"), 1);
	v = device_open(&a);
	ck_assert(has_text(v, "three", "3"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(an_old_state_whose_changes_the_vault_has_gets_a_new_id)
{
	struct device k = a, old = a;
	struct vault *v;

	k.killed = true;
	v = device_open(&a);
	put_file(v, "one", "1");
	device_close(v);
	v = device_open(&k);
	put_file(v, "two", "2");
	ck_assert_int_eq(vault_publish(v), 0);
	put_file(v, "three", "3");
	ck_assert_int_eq(vault_sync(v), 0);
	device_close(v);
	/* The state knows of segment 3; the vault gets another 3 and a 4. */
	copy_folder("state", "old");
	v = device_open(&a);
	put_file(v, "four", "4");
	device_close(v);
	old.state = "old";
	v = device_open(&old);
	ck_assert(has_text(v, "two", "2"));
	ck_assert(has_text(v, "three", "3"));
	ck_assert(has_text(v, "four", "4"));
	ck_assert(!vault_is_read_only(v));
	device_close(v);
}
END_TEST

START_TEST(a_journal_without_its_key_is_never_thrown_away)
{
	struct device k = a;
	const char *what = NULL;
	struct vault *v;
	char path[512];

	k.killed = true;
	v = device_open(&k);
	put_file(v, "only here", "1");
	ck_assert_int_eq(vault_sync(v), 0);
	device_close(v);
	ck_assert_uint_eq(count_files("state", "/writer", path, sizeof(path)),
			  1);
	ck_assert_int_eq(unlink(path), 0);
	v = NULL;
	ck_assert_int_eq(device_try_open(&a, &v, &what), ERR_DAMAGED);
	ck_assert_str_eq(what, "the state directory");
	ck_assert_uint_ge(count_files("state", "/journal/", NULL, 0), 1);
}
END_TEST

/* ---------------------------------------------------------------- the index */

START_TEST(a_lost_index_is_made_anew)
{
	struct vault_options o;
	struct vault *v = device_open(&a);

	put_file(v, "file", "text");
	put_bytes(v, "large", 2, 700000);
	make_dir(v, "folder");
	device_close(v);
	device_options(&a, &o);
	ck_assert_int_eq(vault_drop_index(&o), 0);
	ck_assert_uint_eq(count_files("state", "index.db", NULL, 0), 0);
	v = device_open(&a);
	ck_assert(has_text(v, "file", "text"));
	ck_assert(has_bytes(v, "large", 2, 700000));
	ck_assert(has_name(v, "folder"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(a_damaged_index_is_made_anew)
{
	struct vault *v = device_open(&a);
	char path[512];
	int fd;

	put_file(v, "file", "text");
	device_close(v);
	ck_assert_uint_eq(count_files("state", "index.db", path, sizeof(path)),
			  1);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "garbage", 7, 100), 7);
	close(fd);
	v = device_open(&a);
	ck_assert(has_text(v, "file", "text"));
	device_close(v);
}
END_TEST

START_TEST(the_index_may_not_be_dropped_under_a_vault_that_is_open)
{
	struct vault *v = device_open(&a);
	struct vault_options o;

	device_options(&a, &o);
	ck_assert_int_eq(vault_drop_index(&o), ERR_IN_USE);
	device_close(v);
}
END_TEST

/* ---------------------------------------------------------------- the vault */

START_TEST(an_older_copy_of_the_vault_is_told_and_not_written)
{
	struct vault *v = device_open(&a);

	put_file(v, "one", "1");
	device_close(v);
	copy_folder("vault", "backup");
	v = device_open(&a);
	put_file(v, "two", "2");
	device_close(v);
	copy_folder("backup", "vault");
	v = device_open(&a);
	ck_assert(vault_is_read_only(v));
	ck_assert_ptr_nonnull(strstr(vault_read_only_reason(v),
				     "older than what this device has seen"));
	ck_assert_uint_eq(count_diag("was here and is not any more"), 1);
	ck_assert(has_text(v, "one", "1"));
	device_close(v);
}
END_TEST

START_TEST(a_pack_that_vanished_is_named)
{
	struct vault *v = device_open(&a);
	char path[512];

	put_bytes(v, "large", 2, 700000);
	device_close(v);
	ck_assert_uint_eq(count_files("vault", "/d/", path, sizeof(path)), 1);
	ck_assert_int_eq(unlink(path), 0);
	v = device_open(&a);
	ck_assert(vault_is_read_only(v));
	ck_assert_uint_ge(count_diag(strrchr(path, '/') + 1), 1);
	ck_assert(!has_bytes(v, "large", 2, 700000));
	device_close(v);
}
END_TEST

/* What a crash left; but after a session that ended well there is nothing of the
 * kind, and the pack is of a copy of this state. */
START_TEST(a_pack_nobody_names_is_swept)
{
	struct device k = a;
	struct vault *v;
	char path[512], other[512];

	k.killed = true;
	v = device_open(&k);
	put_bytes(v, "large", 2, 700000);
	ck_assert_int_eq(vault_publish(v), 0);
	device_close(v);
	ck_assert_uint_eq(count_files("vault", "/d/", path, sizeof(path)), 1);
	memcpy(other, path, sizeof(path));
	other[strlen(other) - 1] = path[strlen(path) - 1] == '0' ? '1' : '0';
	ck_assert_int_eq(link(path, other), 0);
	v = device_open(&a);
	ck_assert(!vault_is_read_only(v));
	ck_assert(has_bytes(v, "large", 2, 700000));
	device_close(v);
	ck_assert_int_ne(access(other, F_OK), 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(link(path, other), 0);
	v = device_open(&a);
	device_close(v);
	ck_assert_int_eq(access(other, F_OK), 0);
}
END_TEST

START_TEST(foreign_files_are_counted_and_left_alone)
{
	struct vault_status s;
	struct vault *v = device_open(&a);
	char path[512];

	device_close(v);
	ck_assert_uint_eq(count_files("vault", "/l/", path, sizeof(path)), 1);
	strcpy(strrchr(path, '/'), "/note (conflicted copy)");
	ck_assert_int_eq(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
	v = device_open(&a);
	ck_assert_int_eq(vault_receive(v), 0);
	ck_assert_int_eq(vault_get_status(v, &s), 0);
	ck_assert(!vault_is_read_only(v));
	device_close(v);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

/* ---------------------------------------------------------------- making */

START_TEST(a_vault_is_not_made_over_another)
{
	ck_assert_int_eq(device_init(&a), -EEXIST);
}
END_TEST

START_TEST(a_vault_is_not_made_among_files)
{
	struct device b = a;
	unsigned before;

	b.vault = "full";
	b.state = "state-full";
	tempdir_put("full-is-a-file", "", 0);
	ck_assert_int_eq(mkdirat(tempdir_fd(), "full", 0700), 0);
	ck_assert_int_eq(mkdirat(tempdir_fd(), "full/x", 0700), 0);
	before = count_files("full", "", NULL, 0);
	ck_assert_int_eq(device_init(&b), -ENOTEMPTY);
	ck_assert_uint_eq(count_files("full", "", NULL, 0), before);
	ck_assert_uint_eq(count_files("state-full", "", NULL, 0), 0);
}
END_TEST

START_TEST(what_is_no_vault_is_told)
{
	struct device b = a;
	struct vault *v = NULL;
	const char *what = NULL;

	b.vault = "empty";
	ck_assert_int_eq(device_try_open(&b, &v, &what), -ENOENT);
	ck_assert_int_eq(mkdirat(tempdir_fd(), "empty", 0700), 0);
	ck_assert_int_eq(device_try_open(&b, &v, &what), ERR_NOT_VAULT);
	ck_assert_str_eq(what, "the header");
}
END_TEST

START_TEST(a_changed_header_is_damage)
{
	struct vault *v = NULL;
	const char *what = NULL;
	int fd = openat(tempdir_fd(), "vault/VAULT", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	/* The largest chunk size: 4 MiB instead of 2. */
	ck_assert_int_eq(pwrite(fd, "\0\0\x40\0", 4, 72), 4);
	close(fd);
	ck_assert_int_eq(device_try_open(&a, &v, &what), ERR_DAMAGED);
	ck_assert_str_eq(what, "the header");
}
END_TEST

static const struct {
	off_t len;	   /* the header cut, or extended by zeros */
	off_t at;	   /* where a byte is */
	const char *byte;  /* another; NULL: none */
	int expected;
} judged[] = {
	{ 0, 0, NULL, ERR_NOT_VAULT },
	{ 7, 0, NULL, ERR_NOT_VAULT },
	{ 128, 3, "x", ERR_NOT_VAULT },
	{ 8, 0, NULL, ERR_DAMAGED },
	{ 127, 0, NULL, ERR_DAMAGED },
	{ 129, 0, NULL, ERR_DAMAGED },
	{ 127, 8, "\2", ERR_DAMAGED }, /* major version */
	{ 128, 8, "\2", ERR_NEWER },
	{ 4000, 8, "\2", ERR_NEWER },
	{ 128, 10, "\2", ERR_DAMAGED }, /* minor: only the MAC tells */
	{ 128, 12, "\2", ERR_DAMAGED }, /* header length */
	{ 129, 12, "\2", ERR_DAMAGED },
	{ 128, 32, "\1", ERR_NEWER }, /* incompatible feature */
	{ 129, 32, "\1", ERR_NEWER },
	{ 128, 57, "\2", ERR_NEWER }, /* hash */
	{ 128, 62, "\1", ERR_NEWER },
	{ 128, 80, "\1", ERR_DAMAGED }, /* reserved */
	{ 128, 96, "xyz", ERR_DAMAGED },
};

/* vault-format/04-header.md, A reader rejects. */
START_TEST(a_header_is_judged_in_the_order_of_the_specification)
{
	struct vault *v = NULL;
	const char *what = NULL;
	int fd = openat(tempdir_fd(), "vault/VAULT", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, judged[_i].len), 0);
	if (judged[_i].byte)
		ck_assert_int_eq(pwrite(fd, judged[_i].byte, 1, judged[_i].at),
				 1);
	close(fd);
	ck_assert_int_eq(device_try_open(&a, &v, &what), judged[_i].expected);
	ck_assert_str_eq(what, "the header");
}
END_TEST

/* ---------------------------------------------------------------- nothing made */

static int try_with(const char *path, const char *passphrase)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	struct vault_options o;
	const char *what = NULL;
	struct vault *v = NULL;
	struct device d = a;

	d.vault = path;
	d.state = "state-none";
	ck_assert_int_eq(crypto_start(), 0);
	ck_assert_int_eq(secret_buf_append(&pass, passphrase,
					   strlen(passphrase)),
			 0);
	device_options(&d, &o);
	return vault_open(&o, &cred, &what, &v);
}

START_TEST(an_opening_that_fails_makes_nothing)
{
	int before = tempdir_count();

	ck_assert_int_eq(try_with("vault", "not this one"), ERR_WRONG_KEY);
	ck_assert_int_eq(try_with("absent", "any"), -ENOENT);
	ck_assert_int_eq(tempdir_count(), before);
}
END_TEST

/* A log that breaks the rules of the format is found only with the keys. */
START_TEST(an_opening_that_fails_late_takes_its_state_away)
{
	struct device other = a;
	const char *what = NULL;
	struct vault *v = device_open(&a);

	put_file(v, "file", "1");
	lock_take(&v->index_lock);
	struct op op = { .type = OP_FEATURE, .feature = { .incompatible = 1 } };
	ck_assert_int_eq(apply_new(v, &op), 0);
	lock_drop(&v->index_lock);
	device_close(v);
	other.state = "state-other";
	ck_assert_int_eq(device_try_open(&other, &v, &what), ERR_NEWER);
	ck_assert_uint_eq(count_files("state-other", "", NULL, 0), 0);
}
END_TEST

static atomic_bool in_callback, may_end;

static void wait_in_callback(void *arg, uint64_t ino, const uint8_t *name,
			     uint16_t name_len)
{
	atomic_uint *n_after = arg;

	(void)ino;
	(void)name;
	(void)name_len;
	atomic_store(&in_callback, true);
	while (!atomic_load(&may_end))
		sched_yield();
	atomic_fetch_add(n_after, 1);
}

static void *change_something(void *v)
{
	core_changed(v, VAULT_ROOT_INO, NULL, 0);
	return NULL;
}

static void *let_it_end(void *arg)
{
	(void)arg;
	atomic_store(&may_end, true);
	return NULL;
}

START_TEST(who_is_told_is_told_no_more_once_it_is_taken_away)
{
	struct vault *v = device_open(&a);
	atomic_uint n_ended = 0;
	pthread_t one, two;

	vault_set_changed(v, wait_in_callback, &n_ended);
	ck_assert_int_eq(pthread_create(&one, NULL, change_something, v), 0);
	while (!atomic_load(&in_callback))
		sched_yield();
	ck_assert_int_eq(pthread_create(&two, NULL, let_it_end, NULL), 0);
	vault_set_changed(v, NULL, NULL);
	ck_assert_uint_eq(atomic_load(&n_ended), 1);
	pthread_join(one, NULL);
	pthread_join(two, NULL);
	core_changed(v, VAULT_ROOT_INO, NULL, 0);
	ck_assert_uint_eq(atomic_load(&n_ended), 1);
	device_close(v);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("open");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_new_vault_opens_empty);
	tcase_add_test(t, what_was_written_is_there_again);
	tcase_add_test(t, what_was_synced_survives_a_kill);
	tcase_add_test(t, what_was_not_synced_is_gone_after_a_kill_and_nothing_else);
	tcase_add_test(t, kills_after_each_publish_lose_nothing);
	tcase_add_test(t, without_its_state_a_vault_opens_as_another_device);
	tcase_add_test(t, who_only_reads_writes_nothing_into_the_vault);
	tcase_add_test(t, no_state_reads_and_refuses_to_write);
	tcase_add_test(t, a_read_only_opening_shows_what_is_only_in_the_journal);
	tcase_add_test(t, two_at_once_are_one_too_many);
	tcase_add_test(t, an_old_copy_of_the_state_gets_a_new_id);
	tcase_add_test(t, an_old_state_whose_changes_the_vault_has_gets_a_new_id);
	tcase_add_test(t, a_journal_without_its_key_is_never_thrown_away);
	tcase_add_test(t, a_lost_index_is_made_anew);
	tcase_add_test(t, a_damaged_index_is_made_anew);
	tcase_add_test(t, the_index_may_not_be_dropped_under_a_vault_that_is_open);
	tcase_add_test(t, an_older_copy_of_the_vault_is_told_and_not_written);
	tcase_add_test(t, a_pack_that_vanished_is_named);
	tcase_add_test(t, a_pack_nobody_names_is_swept);
	tcase_add_test(t, foreign_files_are_counted_and_left_alone);
	tcase_add_test(t, a_vault_is_not_made_over_another);
	tcase_add_test(t, a_vault_is_not_made_among_files);
	tcase_add_test(t, what_is_no_vault_is_told);
	tcase_add_test(t, a_changed_header_is_damage);
	tcase_add_loop_test(
		t, a_header_is_judged_in_the_order_of_the_specification, 0,
		array_len(judged));
	tcase_add_test(t, an_opening_that_fails_makes_nothing);
	tcase_add_test(t, an_opening_that_fails_late_takes_its_state_away);
	tcase_add_test(t, who_is_told_is_told_no_more_once_it_is_taken_away);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
