/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>

#include "base/env.h"
#include "base/mem.h"
#include "tempdir.h"

/* An environment that counts descriptors and can fail one call. */
struct fake {
	struct env env;
	struct env_ops ops;
	int n_open;
	int fail_pread;
	int fail_fsync;
	int n_fsync;
	size_t pread_max;
};

static struct env *disk;
static struct fake fake;

static int fake_open(struct env *env, int dirfd, const char *name, int flags,
		     mode_t mode)
{
	int fd = disk->ops->open(disk, dirfd, name, flags, mode);

	(void)env;
	if (fd >= 0)
		fake.n_open++;
	return fd;
}

static int fake_close(struct env *env, int fd)
{
	(void)env;
	fake.n_open--;
	return disk->ops->close(disk, fd);
}

static ssize_t fake_pread(struct env *env, int fd, void *to, size_t len,
			  uint64_t offset)
{
	(void)env;
	if (fake.fail_pread)
		return fake.fail_pread;
	return disk->ops->pread(disk, fd, to, min_of(len, fake.pread_max),
				offset);
}

static int fake_fsync(struct env *env, int fd)
{
	(void)env;
	fake.n_fsync++;
	return fake.fail_fsync ? fake.fail_fsync : disk->ops->fsync(disk, fd);
}

static void set_up(void)
{
	disk = env_posix();
	fake = (struct fake){ .ops = *disk->ops, .pread_max = SIZE_MAX };
	fake.ops.open = fake_open;
	fake.ops.close = fake_close;
	fake.ops.pread = fake_pread;
	fake.ops.fsync = fake_fsync;
	fake.env.ops = &fake.ops;
	tempdir_make();
}

static void tear_down(void)
{
	mem_fail_nth(0, false);
	tempdir_remove();
	ck_assert_int_eq(fake.n_open, 0);
}

static int open_new(const char *name)
{
	int fd = disk->ops->open(disk, tempdir_fd(), name,
				 O_RDWR | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void close_fd(int fd)
{
	ck_assert_int_eq(env_close(disk, &fd), 0);
	ck_assert_int_eq(fd, -1);
}

START_TEST(test_env_open_is_closed_on_exec)
{
	int fd = open_new("file");

	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close_fd(fd);
}
END_TEST

START_TEST(test_env_close_ignores_what_is_closed)
{
	int fd = -1;

	ck_assert_int_eq(env_close(disk, &fd), 0);
	ck_assert_int_eq(disk->ops->close(disk, 1 << 20), -EBADF);
}
END_TEST

START_TEST(test_env_pread_is_short_only_at_the_end)
{
	char to[8] = "........";
	int fd;

	tempdir_put("file", "abcdef", 6);
	fd = disk->ops->open(disk, tempdir_fd(), "file", O_RDONLY, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(disk->ops->pread(disk, fd, to, 8, 2), 4);
	ck_assert_mem_eq(to, "cdef....", 8);
	ck_assert_int_eq(disk->ops->pread(disk, fd, to, 8, 6), 0);
	ck_assert_int_eq(disk->ops->pread(disk, fd, to, 0, 0), 0);
	ck_assert_int_eq(disk->ops->pread(disk, fd, to, 1, INT64_MAX),
			 -EOVERFLOW);
	ck_assert_int_eq(disk->ops->pread(disk, fd, to, 1, UINT64_MAX),
			 -EOVERFLOW);
	close_fd(fd);
	ck_assert_int_eq(disk->ops->pread(disk, -1, to, 1, 0), -EBADF);
}
END_TEST

START_TEST(test_env_pread_nowait_reads_what_is_in_memory)
{
	char to[8] = "........";
	ssize_t n;
	int fd;

	tempdir_put("file", "abcdef", 6);
	fd = disk->ops->open(disk, tempdir_fd(), "file", O_RDONLY, 0);
	ck_assert_int_ge(fd, 0);
	n = disk->ops->pread_nowait(disk, fd, to, 3, 1);
	if (n != -EOPNOTSUPP && n != -EAGAIN) {
		ck_assert_int_eq(n, 3);
		ck_assert_mem_eq(to, "bcd.....", 8);
		ck_assert_int_eq(disk->ops->pread_nowait(disk, fd, to, 3, 6),
				 0);
	}
	ck_assert_int_eq(disk->ops->pread_nowait(disk, fd, to, 3, UINT64_MAX),
			 -EOVERFLOW);
	close_fd(fd);
}
END_TEST

/* Memory as a disk: nothing is ever waited for, with RWF_NOWAIT or without. */
START_TEST(test_env_pread_nowait_reads_a_disk_that_is_memory)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	char to[8] = "........";

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(disk->ops->pwrite(disk, fd, "abcdef", 6, 0), 0);
	ck_assert_int_eq(disk->ops->pread_nowait(disk, fd, to, 3, 1), 3);
	ck_assert_mem_eq(to, "bcd.....", 8);
	ck_assert_int_eq(disk->ops->pread_nowait(disk, fd, to, 3, 5), 1);
	close_fd(fd);
}
END_TEST

START_TEST(test_env_pwrite_writes_at_its_offset)
{
	int fd = open_new("file");

	ck_assert_int_eq(disk->ops->pwrite(disk, fd, "xyz", 3, 2), 0);
	ck_assert_int_eq(disk->ops->pwrite(disk, fd, "a", 1, 0), 0);
	ck_assert_int_eq(disk->ops->pwrite(disk, fd, "", 0, 100), 0);
	ck_assert(tempdir_has("file", "a\0xyz", 5));
	ck_assert_int_eq(disk->ops->pwrite(disk, fd, "a", 1, INT64_MAX),
			 -EFBIG);
	close_fd(fd);
}
END_TEST

START_TEST(test_env_full_disk_is_no_space)
{
	static const char byte = 'x';
	int fd = disk->ops->open(disk, AT_FDCWD, "/dev/full", O_RDWR, 0);

	if (fd < 0)
		return;
	ck_assert_int_eq(disk->ops->pwrite(disk, fd, &byte, 1, 0), -ENOSPC);
	close_fd(fd);
}
END_TEST

START_TEST(test_env_truncate_sets_the_length)
{
	struct stat st;
	int fd = open_new("file");

	ck_assert_int_eq(disk->ops->truncate(disk, fd, 1000), 0);
	ck_assert_int_eq(disk->ops->fstat(disk, fd, &st), 0);
	ck_assert_int_eq(st.st_size, 1000);
	ck_assert_int_eq(disk->ops->truncate(disk, fd, UINT64_MAX), -EFBIG);
	close_fd(fd);
}
END_TEST

START_TEST(test_env_allocate_keeps_the_length)
{
	struct stat st;
	int fd = open_new("file");
	int r = disk->ops->allocate(disk, fd, 0, 1 << 20);

	if (r != -EOPNOTSUPP) {
		ck_assert_int_eq(r, 0);
		ck_assert_int_eq(disk->ops->fstat(disk, fd, &st), 0);
		ck_assert_int_eq(st.st_size, 0);
		ck_assert_int_ge(st.st_blocks * 512, 1 << 20);
	}
	ck_assert_int_eq(disk->ops->allocate(disk, fd, 1, UINT64_MAX), -EFBIG);
	close_fd(fd);
}
END_TEST

START_TEST(test_env_syncs_files_and_directories)
{
	int fd = open_new("file");

	ck_assert_int_eq(disk->ops->pwrite(disk, fd, "a", 1, 0), 0);
	ck_assert_int_eq(disk->ops->fdatasync(disk, fd), 0);
	ck_assert_int_eq(disk->ops->fsync(disk, fd), 0);
	ck_assert_int_eq(disk->ops->fsync(disk, tempdir_fd()), 0);
	close_fd(fd);
	ck_assert_int_eq(disk->ops->fsync(disk, -1), -EBADF);
}
END_TEST

START_TEST(test_env_sync_of_a_pipe_is_refused)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(disk->ops->fsync(disk, fds[1]), -EINVAL);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(test_env_link_fd_never_replaces)
{
	int fd = disk->ops->open(disk, tempdir_fd(), ".", O_RDWR | O_TMPFILE,
				 0600);

	if (fd == -EOPNOTSUPP)
		fd = open_new("other");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(disk->ops->pwrite(disk, fd, "new", 3, 0), 0);
	tempdir_put("stands", "old", 3);
	ck_assert_int_eq(disk->ops->link_fd(disk, fd, tempdir_fd(), "stands"),
			 -EEXIST);
	ck_assert_int_eq(disk->ops->link_fd(disk, fd, tempdir_fd(), "free"), 0);
	ck_assert(tempdir_has("stands", "old", 3));
	ck_assert(tempdir_has("free", "new", 3));
	close_fd(fd);
}
END_TEST

START_TEST(test_env_rename_and_unlink)
{
	int d = tempdir_fd();

	tempdir_put("a", "a", 1);
	tempdir_put("b", "b", 1);
	ck_assert_int_eq(disk->ops->rename(disk, d, "a", d, "b",
					   1 /* RENAME_NOREPLACE */),
			 -EEXIST);
	ck_assert_int_eq(disk->ops->rename(disk, d, "a", d, "b", 0), 0);
	ck_assert(tempdir_has("b", "a", 1));
	ck_assert_int_eq(disk->ops->mkdir(disk, d, "dir", 0700), 0);
	ck_assert_int_eq(disk->ops->mkdir(disk, d, "dir", 0700), -EEXIST);
	ck_assert_int_eq(disk->ops->unlink(disk, d, "dir", 0), -EISDIR);
	ck_assert_int_eq(disk->ops->unlink(disk, d, "dir", AT_REMOVEDIR), 0);
	ck_assert_int_eq(disk->ops->unlink(disk, d, "b", 0), 0);
	ck_assert_int_eq(disk->ops->unlink(disk, d, "b", 0), -ENOENT);
	ck_assert_int_eq(tempdir_count(), 0);
}
END_TEST

START_TEST(test_env_fstat_leaves_its_output_on_failure)
{
	struct stat st = { .st_size = 77 };
	struct statvfs vfs = { .f_bsize = 77 };

	ck_assert_int_eq(disk->ops->fstat(disk, -1, &st), -EBADF);
	ck_assert_int_eq(st.st_size, 77);
	ck_assert_int_eq(disk->ops->statvfs(disk, -1, &vfs), -EBADF);
	ck_assert_uint_eq(vfs.f_bsize, 77);
	ck_assert_int_eq(disk->ops->statvfs(disk, tempdir_fd(), &vfs), 0);
	ck_assert_uint_ge(vfs.f_bsize, 512);
}
END_TEST

struct listing {
	int n;
	int files;
	int dirs;
	int stop_at;
};

static int note_entry(void *arg, const char *name, unsigned char type)
{
	struct listing *l = arg;

	ck_assert_str_ne(name, ".");
	ck_assert_str_ne(name, "..");
	l->n++;
	l->files += type == DT_REG || type == DT_UNKNOWN;
	l->dirs += type == DT_DIR;
	return l->n == l->stop_at ? 42 : 0;
}

START_TEST(test_env_list_tells_every_entry_each_time)
{
	struct listing l = { 0 };

	tempdir_put("a", "", 0);
	tempdir_put(".hidden", "", 0);
	ck_assert_int_eq(disk->ops->mkdir(disk, tempdir_fd(), "d", 0700), 0);
	for (int i = 1; i <= 2; i++) {
		ck_assert_int_eq(
			disk->ops->list(disk, tempdir_fd(), note_entry, &l), 0);
		ck_assert_int_eq(l.n, 3 * i);
	}
	ck_assert_int_eq(l.files + l.dirs, 6);
}
END_TEST

START_TEST(test_env_list_ends_where_it_is_told)
{
	struct listing l = { .stop_at = 2 };

	tempdir_put("a", "", 0);
	tempdir_put("b", "", 0);
	tempdir_put("c", "", 0);
	ck_assert_int_eq(disk->ops->list(disk, tempdir_fd(), note_entry, &l),
			 42);
	ck_assert_int_eq(l.n, 2);
}
END_TEST

START_TEST(test_env_list_of_no_directory_fails)
{
	struct listing l = { 0 };
	int fd = open_new("file");

	ck_assert_int_eq(disk->ops->list(disk, fd, note_entry, &l), -ENOTDIR);
	ck_assert_int_eq(l.n, 0);
	close_fd(fd);
}
END_TEST

START_TEST(test_env_lock_excludes_another_descriptor)
{
	int a = open_new("lock");
	int b = disk->ops->open(disk, tempdir_fd(), "lock", O_RDWR, 0);

	ck_assert_int_ge(b, 0);
	ck_assert_int_eq(disk->ops->lock(disk, a), 0);
	ck_assert_int_eq(disk->ops->lock(disk, b), -EWOULDBLOCK);
	close_fd(a);
	ck_assert_int_eq(disk->ops->lock(disk, b), 0);
	close_fd(b);
}
END_TEST

START_TEST(test_env_open_dir_makes_it_private_and_syncs_the_parent)
{
	struct stat st;
	int fd;

	ck_assert_int_eq(env_open_dir(&fake.env, tempdir_fd(), "d", false),
			 -ENOENT);
	fd = env_open_dir(&fake.env, tempdir_fd(), "d", true);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fake.n_fsync, 1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(env_close(&fake.env, &fd), 0);
	/* Standing, but perhaps never synced by whoever made it. */
	fd = env_open_dir(&fake.env, tempdir_fd(), "d", true);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fake.n_fsync, 2);
	ck_assert_int_eq(env_close(&fake.env, &fd), 0);
	fd = env_open_dir(&fake.env, tempdir_fd(), "d", false);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fake.n_fsync, 2);
	ck_assert_int_eq(env_close(&fake.env, &fd), 0);
}
END_TEST

START_TEST(test_env_open_dir_tells_a_failed_sync)
{
	fake.fail_fsync = -EIO;
	ck_assert_int_eq(env_open_dir(&fake.env, tempdir_fd(), "d", true),
			 -EIO);
}
END_TEST

START_TEST(test_env_open_dir_follows_nothing)
{
	int d = tempdir_fd();

	ck_assert_int_eq(mkdirat(d, "real", 0700), 0);
	ck_assert_int_eq(symlinkat("real", d, "link"), 0);
	tempdir_put("file", "", 0);
	for (int create = 0; create <= 1; create++) {
		ck_assert_int_eq(env_open_dir(&fake.env, d, "link", create),
				 -ENOTDIR);
		ck_assert_int_eq(env_open_dir(&fake.env, d, "file", create),
				 -ENOTDIR);
	}
}
END_TEST

static void make_symlink(void)
{
	tempdir_put("target", "12345", 5);
	ck_assert_int_eq(symlinkat("target", tempdir_fd(), "name"), 0);
}

static void make_dangling(void)
{
	ck_assert_int_eq(symlinkat("nowhere", tempdir_fd(), "name"), 0);
}

static void make_fifo(void)
{
	ck_assert_int_eq(mkfifoat(tempdir_fd(), "name", 0600), 0);
}

static void make_dir(void)
{
	ck_assert_int_eq(mkdirat(tempdir_fd(), "name", 0700), 0);
}

static void make_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t len = strlen(tempdir_path());

	ck_assert_uint_lt(len + 6, sizeof(addr.sun_path));
	memcpy(addr.sun_path, tempdir_path(), len);
	memcpy(addr.sun_path + len, "/name", 6);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)),
			 0);
	close(fd);
}

static void make_short(void)
{
	tempdir_put("name", "1234", 4);
}

static void make_least(void)
{
	tempdir_put("name", "12345", 5);
}

static void make_most(void)
{
	tempdir_put("name", "1234567", 7);
}

static void make_long(void)
{
	tempdir_put("name", "12345678", 8);
}

static void make_nothing(void)
{
}

struct untrusted {
	void (*make)(void);
	int result; /* or the length of a good one */
};

/* Opened as of 5 to 7 bytes. */
static const struct untrusted untrusted[] = {
	{ make_nothing, -ENOENT },
	{ make_symlink, ERR_DAMAGED },
	{ make_dangling, ERR_DAMAGED },
	{ make_fifo, ERR_DAMAGED },
	{ make_dir, ERR_DAMAGED },
	{ make_socket, ERR_DAMAGED },
	{ make_short, ERR_TRUNCATED },
	{ make_long, ERR_LIMIT },
	{ make_least, 5 },
	{ make_most, 7 },
};

START_TEST(test_env_open_untrusted)
{
	const struct untrusted *u = &untrusted[_i];
	uint64_t bytes = 99;
	int fd;

	u->make();
	fd = env_open_untrusted(&fake.env, tempdir_fd(), "name", 5, 7, &bytes);
	if (u->result < 0) {
		ck_assert_int_eq(fd, u->result);
		ck_assert_uint_eq(bytes, 99);
	} else {
		ck_assert_int_ge(fd, 0);
		ck_assert_uint_eq(bytes, (uint64_t)u->result);
		ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
		ck_assert_int_eq(env_close(&fake.env, &fd), 0);
	}
}
END_TEST

START_TEST(test_env_read_file)
{
	const struct untrusted *u = &untrusted[_i];
	uint8_t *data = NULL;
	size_t len = 99;
	int r;

	u->make();
	r = env_read_file(&fake.env, tempdir_fd(), "name", 5, 7, &data, &len);
	if (u->result < 0) {
		ck_assert_int_eq(r, u->result);
		ck_assert_ptr_null(data);
		ck_assert_uint_eq(len, 99);
	} else {
		ck_assert_int_eq(r, 0);
		ck_assert_uint_eq(len, (size_t)u->result);
		ck_assert_mem_eq(data, "1234567", len);
		mem_free(data);
	}
}
END_TEST

START_TEST(test_env_read_file_may_be_empty)
{
	uint8_t *data = NULL;
	size_t len = 99;

	tempdir_put("name", "", 0);
	ck_assert_int_eq(env_read_file(&fake.env, tempdir_fd(), "name", 0, 7,
				       &data, &len),
			 0);
	ck_assert_uint_eq(len, 0);
	ck_assert_ptr_nonnull(data);
	mem_free(data);
}
END_TEST

static int read_name(void)
{
	uint8_t *data = NULL;
	size_t len = 99;
	int r;

	r = env_read_file(&fake.env, tempdir_fd(), "name", 0, 100, &data, &len);
	ck_assert_int_lt(r, 0);
	ck_assert_ptr_null(data);
	ck_assert_uint_eq(len, 99);
	return r;
}

START_TEST(test_env_read_file_fails_cleanly)
{
	tempdir_put("name", "1234567", 7);
	mem_fail_nth(1, false);
	ck_assert_int_eq(read_name(), -ENOMEM);
	mem_fail_nth(0, false);
	fake.fail_pread = -EIO;
	ck_assert_int_eq(read_name(), -EIO);
	/* Cut by somebody between fstat and read. */
	fake.fail_pread = 0;
	fake.pread_max = 6;
	ck_assert_int_eq(read_name(), ERR_TRUNCATED);
}
END_TEST

START_TEST(test_env_read_exact_wants_all_of_it)
{
	char to[4];
	int fd;

	tempdir_put("file", "abcdef", 6);
	fd = disk->ops->open(disk, tempdir_fd(), "file", O_RDONLY, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(env_read_exact(disk, fd, to, 4, 2), 0);
	ck_assert_mem_eq(to, "cdef", 4);
	ck_assert_int_eq(env_read_exact(disk, fd, to, 4, 3), ERR_TRUNCATED);
	ck_assert_int_eq(env_read_exact(disk, fd, to, 4, 100), ERR_TRUNCATED);
	ck_assert_int_eq(env_read_exact(disk, fd, to, 0, 6), 0);
	close_fd(fd);
	ck_assert_int_eq(env_read_exact(disk, -1, to, 4, 0), -EBADF);
}
END_TEST

static TCase *posix_case(void)
{
	TCase *tc = tcase_create("posix");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, test_env_open_is_closed_on_exec);
	tcase_add_test(tc, test_env_close_ignores_what_is_closed);
	tcase_add_test(tc, test_env_pread_is_short_only_at_the_end);
	tcase_add_test(tc, test_env_pread_nowait_reads_what_is_in_memory);
	tcase_add_test(tc, test_env_pread_nowait_reads_a_disk_that_is_memory);
	tcase_add_test(tc, test_env_pwrite_writes_at_its_offset);
	tcase_add_test(tc, test_env_full_disk_is_no_space);
	tcase_add_test(tc, test_env_truncate_sets_the_length);
	tcase_add_test(tc, test_env_allocate_keeps_the_length);
	tcase_add_test(tc, test_env_syncs_files_and_directories);
	tcase_add_test(tc, test_env_sync_of_a_pipe_is_refused);
	tcase_add_test(tc, test_env_link_fd_never_replaces);
	tcase_add_test(tc, test_env_rename_and_unlink);
	tcase_add_test(tc, test_env_fstat_leaves_its_output_on_failure);
	tcase_add_test(tc, test_env_list_tells_every_entry_each_time);
	tcase_add_test(tc, test_env_list_ends_where_it_is_told);
	tcase_add_test(tc, test_env_list_of_no_directory_fails);
	tcase_add_test(tc, test_env_lock_excludes_another_descriptor);
	return tc;
}

static TCase *helpers_case(void)
{
	const int n = (int)array_len(untrusted);
	TCase *tc = tcase_create("helpers");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc,
		       test_env_open_dir_makes_it_private_and_syncs_the_parent);
	tcase_add_test(tc, test_env_open_dir_tells_a_failed_sync);
	tcase_add_test(tc, test_env_open_dir_follows_nothing);
	tcase_add_loop_test(tc, test_env_open_untrusted, 0, n);
	tcase_add_loop_test(tc, test_env_read_file, 0, n);
	tcase_add_test(tc, test_env_read_file_may_be_empty);
	tcase_add_test(tc, test_env_read_file_fails_cleanly);
	tcase_add_test(tc, test_env_read_exact_wants_all_of_it);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("env");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, posix_case());
	suite_add_tcase(suite, helpers_case());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
