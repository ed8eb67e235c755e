/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "base/publish.h"
#include "tempdir.h"

/*
 * A disk that lacks what it is told to lack, fails one call, and keeps a
 * record: T unnamed temporary, N named one, w write, f sync of the file,
 * l link, r rename, R rename without replacing, u unlink, d sync of the
 * directory.
 */
struct fake {
	struct env env;
	struct env_ops ops;
	int no_tmpfile;	    /* the error instead */
	int no_noreplace;   /* the error of renameat2 with flags */
	int no_link;	    /* the error of link_fd */
	int n_false_eexist; /* so often a free name is told to be taken */
	int n_open;
	int calls;
	int fail_at; /* the number of the call that fails; 0: none */
	char failed; /* which one that was; '\0' for what is not recorded */
	char record[64];
};

static struct env *disk;
static struct fake fake;

static bool fails(char what)
{
	size_t len = strlen(fake.record);

	if (what && len + 1 < sizeof(fake.record))
		fake.record[len] = what;
	if (++fake.calls != fake.fail_at)
		return false;
	fake.failed = what;
	return true;
}

static int fake_open(struct env *env, int dirfd, const char *name, int flags,
		     mode_t mode)
{
	bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
	int fd;

	(void)env;
	if (unnamed && fake.no_tmpfile)
		return fake.no_tmpfile;
	if (fails(unnamed ? 'T' : flags & O_CREAT ? 'N' : '\0'))
		return -EIO;
	fd = disk->ops->open(disk, dirfd, name, flags, mode);
	if (fd >= 0)
		fake.n_open++;
	return fd;
}

static int fake_close(struct env *env, int fd)
{
	int r;

	(void)env;
	fake.n_open--;
	r = disk->ops->close(disk, fd);
	return fails('\0') ? -EIO : r;
}

static ssize_t fake_pread(struct env *env, int fd, void *to, size_t len,
			  uint64_t offset)
{
	(void)env;
	return fails('\0') ? -EIO : disk->ops->pread(disk, fd, to, len, offset);
}

static int fake_pwrite(struct env *env, int fd, const void *from, size_t len,
		       uint64_t offset)
{
	(void)env;
	return fails('w') ? -ENOSPC
			  : disk->ops->pwrite(disk, fd, from, len, offset);
}

static int fake_fsync(struct env *env, int fd)
{
	(void)env;
	return fails(fd == tempdir_fd() ? 'd' : 'f')
		       ? -EIO
		       : disk->ops->fsync(disk, fd);
}

static int fake_link_fd(struct env *env, int fd, int dirfd, const char *name)
{
	(void)env;
	if (fake.no_link)
		return fake.no_link;
	if (fails('l'))
		return -EIO;
	if (fake.n_false_eexist-- > 0)
		return -EEXIST;
	return disk->ops->link_fd(disk, fd, dirfd, name);
}

static int fake_rename(struct env *env, int from_dirfd, const char *from,
		       int to_dirfd, const char *to, unsigned flags)
{
	(void)env;
	if (flags && fake.no_noreplace)
		return fake.no_noreplace;
	if (fails(flags ? 'R' : 'r'))
		return -EIO;
	return disk->ops->rename(disk, from_dirfd, from, to_dirfd, to, flags);
}

static int fake_unlink(struct env *env, int dirfd, const char *name, int flags)
{
	(void)env;
	return fails('u') ? -EIO : disk->ops->unlink(disk, dirfd, name, flags);
}

static int fake_fstat(struct env *env, int fd, struct stat *ret_st)
{
	(void)env;
	return fails('\0') ? -EIO : disk->ops->fstat(disk, fd, ret_st);
}

static void set_up(void)
{
	disk = env_posix();
	fake = (struct fake){ .ops = *disk->ops };
	fake.ops.open = fake_open;
	fake.ops.close = fake_close;
	fake.ops.pread = fake_pread;
	fake.ops.pwrite = fake_pwrite;
	fake.ops.fsync = fake_fsync;
	fake.ops.link_fd = fake_link_fd;
	fake.ops.rename = fake_rename;
	fake.ops.unlink = fake_unlink;
	fake.ops.fstat = fake_fstat;
	fake.env.ops = &fake.ops;
	tempdir_make();
}

static void tear_down(void)
{
	mem_fail_nth(0, false);
	tempdir_remove();
	ck_assert_int_eq(fake.n_open, 0);
}

static int publish(const char *bytes)
{
	return publish_bytes(&fake.env, tempdir_fd(), "name", bytes,
			     strlen(bytes));
}

/* The kinds of file system: what is lacking, and what is then done. */
struct lack {
	int no_tmpfile;
	int no_noreplace;
	int no_link;
	const char *record;
};

static const struct lack lacks[] = {
	{ 0, 0, 0, "Twfld" },
	{ -EOPNOTSUPP, 0, 0, "NwfRd" },
	{ -EISDIR, 0, 0, "NwfRd" },
	{ -ENOENT, 0, 0, "NwfRd" },
	{ -EOPNOTSUPP, -EINVAL, 0, "Nwflud" },
	{ -EOPNOTSUPP, -EINVAL, -EPERM, "Nwfrd" },
	{ -EOPNOTSUPP, -ENOSYS, -EOPNOTSUPP, "Nwfrd" },
};

#define N_LACKS ((int)array_len(lacks))

static void take_away(const struct lack *l)
{
	fake.no_tmpfile = l->no_tmpfile;
	fake.no_noreplace = l->no_noreplace;
	fake.no_link = l->no_link;
}

START_TEST(test_publish_is_durable_before_and_after_the_name)
{
	struct stat st;

	take_away(&lacks[_i]);
	ck_assert_int_eq(publish("bytes"), 0);
	ck_assert_str_eq(fake.record, lacks[_i].record);
	ck_assert(tempdir_has("name", "bytes", 5));
	ck_assert_int_eq(tempdir_count(), 1);
	ck_assert_int_eq(fstatat(tempdir_fd(), "name", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(test_publish_again_with_equal_bytes_succeeds)
{
	size_t len;

	take_away(&lacks[_i]);
	ck_assert_int_eq(publish("bytes"), 0);
	ck_assert_int_eq(publish("bytes"), 0);
	ck_assert(tempdir_has("name", "bytes", 5));
	ck_assert_int_eq(tempdir_count(), 1);
	/* What stood may never have been synced. */
	len = strlen(fake.record);
	ck_assert_ptr_nonnull(strrchr(fake.record, 'f'));
	ck_assert_int_eq(fake.record[len - 1], 'd');
}
END_TEST

START_TEST(test_publish_over_a_stranger_changes_nothing)
{
	static const char *const others[] = { "BYTES", "byte", "bytes+", "" };

	take_away(&lacks[_i]);
	for (size_t i = 0; i < array_len(others); i++) {
		tempdir_put("name", others[i], strlen(others[i]));
		ck_assert_int_eq(publish("bytes"), ERR_STRANGER);
		ck_assert(tempdir_has("name", others[i], strlen(others[i])));
		ck_assert_int_eq(tempdir_count(), 1);
	}
}
END_TEST

static void make_symlink(void)
{
	tempdir_put("target", "bytes", 5);
	ck_assert_int_eq(symlinkat("target", tempdir_fd(), "name"), 0);
}

static void make_dangling(void)
{
	ck_assert_int_eq(symlinkat("target", tempdir_fd(), "name"), 0);
	tempdir_put("other", "", 0);
}

static void make_fifo(void)
{
	ck_assert_int_eq(mkfifoat(tempdir_fd(), "name", 0600), 0);
	tempdir_put("other", "", 0);
}

static void make_dir(void)
{
	ck_assert_int_eq(mkdirat(tempdir_fd(), "name", 0700), 0);
	tempdir_put("other", "", 0);
}

static void (*const make_odd[])(void) = {
	make_symlink,
	make_dangling,
	make_fifo,
	make_dir,
};

START_TEST(test_publish_over_what_is_no_file_is_a_stranger)
{
	for (int i = 0; i < N_LACKS; i++) {
		make_odd[_i]();
		take_away(&lacks[i]);
		ck_assert_int_eq(publish("bytes"), ERR_STRANGER);
		ck_assert_int_eq(tempdir_count(), 2);
		ck_assert_int_eq(faccessat(tempdir_fd(), "name", F_OK,
					   AT_SYMLINK_NOFOLLOW),
				 0);
		tempdir_remove();
		tempdir_make();
	}
}
END_TEST

#define LARGE (200000)

START_TEST(test_publish_compares_to_the_last_byte)
{
	static const size_t places[] = { 0, 65535, 65536, 131072, LARGE - 1 };
	char *bytes = mem_zalloc(LARGE);

	ck_assert_ptr_nonnull(bytes);
	tempdir_put("name", bytes, LARGE);
	ck_assert_int_eq(publish_bytes(&fake.env, tempdir_fd(), "name", bytes,
				       LARGE),
			 0);
	for (size_t i = 0; i < array_len(places); i++) {
		bytes[places[i]] = 1;
		ck_assert_int_eq(publish_bytes(&fake.env, tempdir_fd(), "name",
					       bytes, LARGE),
				 ERR_STRANGER);
		bytes[places[i]] = 0;
	}
	mem_free(bytes);
}
END_TEST

START_TEST(test_publish_of_nothing_is_an_empty_file)
{
	ck_assert_int_eq(publish(""), 0);
	ck_assert_int_eq(publish(""), 0);
	ck_assert(tempdir_has("name", "", 0));
}
END_TEST

START_TEST(test_publish_other_errors_ask_for_no_named_temporary)
{
	fake.no_tmpfile = -EACCES;
	ck_assert_int_eq(publish("bytes"), -EACCES);
	ck_assert_str_eq(fake.record, "");
	ck_assert_int_eq(tempdir_count(), 0);
}
END_TEST

START_TEST(test_publish_begin_leaves_its_output_on_failure)
{
	struct publish p = PUBLISH_INIT;

	fake.no_tmpfile = -ENOSPC;
	ck_assert_int_eq(publish_begin(&fake.env, tempdir_fd(), &p), -ENOSPC);
	ck_assert_int_eq(p.fd, -1);
	publish_abort(&p);
}
END_TEST

START_TEST(test_publish_synced_before_is_not_synced_again)
{
	struct publish p = PUBLISH_INIT;
	char back[4];

	take_away(&lacks[_i]);
	ck_assert_int_eq(publish_begin(&fake.env, tempdir_fd(), &p), 0);
	ck_assert_int_eq(fake.ops.pwrite(&fake.env, p.fd, "abcd", 4, 0), 0);
	ck_assert_int_eq(publish_sync(&p), 0);
	ck_assert_int_eq(env_read_exact(&fake.env, p.fd, back, 4, 0), 0);
	ck_assert_mem_eq(back, "abcd", 4);
	ck_assert_int_eq(publish_commit(&p, "name", true), 0);
	ck_assert_str_eq(fake.record, lacks[_i].record);
	ck_assert_int_eq(p.fd, -1);
	publish_abort(&p);
	ck_assert(tempdir_has("name", "abcd", 4));
	ck_assert_int_eq(tempdir_count(), 1);
}
END_TEST

START_TEST(test_publish_abort_leaves_nothing)
{
	struct publish p = PUBLISH_INIT;

	take_away(&lacks[_i]);
	publish_abort(&p);
	ck_assert_int_eq(publish_begin(&fake.env, tempdir_fd(), &p), 0);
	ck_assert_int_eq(fake.ops.pwrite(&fake.env, p.fd, "x", 1, 0), 0);
	ck_assert_int_eq(publish_is_temp_name(p.temp),
			 lacks[_i].no_tmpfile != 0);
	publish_abort(&p);
	publish_abort(&p);
	ck_assert_int_eq(tempdir_count(), 0);
}
END_TEST

START_TEST(test_publish_named_temporaries_differ)
{
	struct publish a = PUBLISH_INIT, b = PUBLISH_INIT;

	fake.no_tmpfile = -EOPNOTSUPP;
	ck_assert_int_eq(publish_begin(&fake.env, tempdir_fd(), &a), 0);
	ck_assert_int_eq(publish_begin(&fake.env, tempdir_fd(), &b), 0);
	ck_assert_str_ne(a.temp, b.temp);
	ck_assert_int_eq(tempdir_count(), 2);
	publish_abort(&a);
	publish_abort(&b);
	ck_assert_int_eq(tempdir_count(), 0);
}
END_TEST

START_TEST(test_publish_name_gone_at_the_comparison_is_tried_again)
{
	fake.n_false_eexist = 2;
	ck_assert_int_eq(publish("bytes"), 0);
	ck_assert_str_eq(fake.record, "Twfllld");
	ck_assert(tempdir_has("name", "bytes", 5));
}
END_TEST

START_TEST(test_publish_name_forever_coming_and_going_ends)
{
	fake.n_false_eexist = 1000;
	ck_assert_int_eq(publish("bytes"), -ENOENT);
	ck_assert_int_eq(tempdir_count(), 0);
}
END_TEST

START_TEST(test_publish_without_memory_to_compare_changes_nothing)
{
	tempdir_put("name", "bytes", 5);
	mem_fail_nth(1, true);
	ck_assert_int_eq(publish("bytes"), -ENOMEM);
	ck_assert(mem_fail_hit());
	ck_assert(tempdir_has("name", "bytes", 5));
	ck_assert_int_eq(tempdir_count(), 1);
}
END_TEST

/* Any one call fails: the name is absent or whole, and a file that is not
 * removed is a temporary that the sweep knows. */
static void check_state(int r, bool unlink_failed)
{
	int n = tempdir_count() - (unlink_failed ? 1 : 0);

	if (r == 0)
		ck_assert(tempdir_has("name", "bytes", 5));
	if (faccessat(tempdir_fd(), "name", F_OK, 0) == 0) {
		ck_assert(tempdir_has("name", "bytes", 5));
		n--;
	}
	ck_assert_int_eq(n, 0);
}

static void fail_each_call(const struct lack *l, bool stands)
{
	int r, at = 0;

	do {
		set_up();
		if (stands)
			tempdir_put("name", "bytes", 5);
		take_away(l);
		fake.fail_at = ++at;
		r = publish("bytes");
		check_state(r, fake.failed == 'u');
		if (fake.calls < at)
			ck_assert_int_eq(r, 0);
		tear_down();
		ck_assert_int_lt(at, 100);
	} while (fake.calls >= at);
	ck_assert_int_gt(at, 5);
}

START_TEST(test_publish_any_failed_call_leaves_all_or_nothing)
{
	fail_each_call(&lacks[_i], false);
}
END_TEST

START_TEST(test_publish_any_failed_call_spares_what_stands)
{
	fail_each_call(&lacks[_i], true);
}
END_TEST

START_TEST(test_publish_failed_sync_gives_no_name)
{
	fake.fail_at = 3; /* T, w, f */
	ck_assert_int_eq(publish("bytes"), -EIO);
	ck_assert_str_eq(fake.record, "Twf");
	ck_assert_int_eq(tempdir_count(), 0);
}
END_TEST

START_TEST(test_publish_failed_sync_of_the_directory_is_told)
{
	fake.fail_at = 5; /* T, w, f, l, d */
	ck_assert_int_eq(publish("bytes"), -EIO);
	ck_assert_str_eq(fake.record, "Twfld");
	/* Trying again is right: the same bytes under the same name. */
	ck_assert_int_eq(publish("bytes"), 0);
}
END_TEST

struct temp_name {
	const char *name;
	bool is_temp;
};

static const struct temp_name temp_names[] = {
	{ "~0123456789abcdef0123456789abcdef", true },
	{ "~0123456789abcdef0123456789abcdef0", false },
	{ "~0123456789abcdef0123456789abcde", false },
	{ "~0123456789ABCDEF0123456789abcdef", false },
	{ "0123456789abcdef0123456789abcdef", false },
	{ "~0123456789abcdef0123456789abcdeg", false },
	{ "~", false },
	{ "", false },
	{ "~syncthing~0123456789abcdef.tmp", false },
};

START_TEST(test_publish_knows_its_temporary_names)
{
	ck_assert_int_eq(publish_is_temp_name(temp_names[_i].name),
			 temp_names[_i].is_temp);
}
END_TEST

static TCase *outcome_case(void)
{
	TCase *tc = tcase_create("outcome");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc,
			    test_publish_is_durable_before_and_after_the_name,
			    0, N_LACKS);
	tcase_add_loop_test(tc, test_publish_again_with_equal_bytes_succeeds, 0,
			    N_LACKS);
	tcase_add_loop_test(tc, test_publish_over_a_stranger_changes_nothing, 0,
			    N_LACKS);
	tcase_add_loop_test(tc, test_publish_over_what_is_no_file_is_a_stranger,
			    0, (int)array_len(make_odd));
	tcase_add_test(tc, test_publish_compares_to_the_last_byte);
	tcase_add_test(tc, test_publish_of_nothing_is_an_empty_file);
	tcase_add_loop_test(tc, test_publish_synced_before_is_not_synced_again,
			    0, N_LACKS);
	tcase_add_loop_test(tc, test_publish_abort_leaves_nothing, 0, N_LACKS);
	tcase_add_test(tc, test_publish_named_temporaries_differ);
	tcase_add_test(tc,
		       test_publish_name_gone_at_the_comparison_is_tried_again);
	tcase_add_test(tc, test_publish_name_forever_coming_and_going_ends);
	return tc;
}

static TCase *failure_case(void)
{
	TCase *tc = tcase_create("failure");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc,
		       test_publish_other_errors_ask_for_no_named_temporary);
	tcase_add_test(tc, test_publish_begin_leaves_its_output_on_failure);
	tcase_add_test(tc,
		       test_publish_without_memory_to_compare_changes_nothing);
	tcase_add_test(tc, test_publish_failed_sync_gives_no_name);
	tcase_add_test(tc, test_publish_failed_sync_of_the_directory_is_told);
	return tc;
}

/* These make a fresh disk for every call they fail. */
static TCase *sweep_case(void)
{
	TCase *tc = tcase_create("sweep");

	tcase_add_loop_test(tc,
			    test_publish_any_failed_call_leaves_all_or_nothing,
			    0, N_LACKS);
	tcase_add_loop_test(tc, test_publish_any_failed_call_spares_what_stands,
			    0, N_LACKS);
	tcase_add_loop_test(tc, test_publish_knows_its_temporary_names, 0,
			    (int)array_len(temp_names));
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("publish");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, outcome_case());
	suite_add_tcase(suite, failure_case());
	suite_add_tcase(suite, sweep_case());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
