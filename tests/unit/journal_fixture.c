/* SPDX-License-Identifier: ISC */
#include "journal_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "crypto/secret.h"
#include "tempdir.h"

struct disk disk;
struct local_keys keys, other_keys;
struct journal *journal;
struct replayed replayed;

static int note_frame(void *arg, uint64_t number, enum frame_type type,
		      const uint8_t *body, size_t body_bytes)
{
	unsigned i = replayed.n++;

	ck_assert_ptr_eq(arg, &replayed);
	ck_assert_uint_lt(i, FRAMES_MAX);
	replayed.numbers[i] = number;
	replayed.types[i] = type;
	replayed.bytes[i] = body_bytes;
	replayed.first[i] = body_bytes > 0 ? body[0] : 0;
	if (body_bytes > 1)
		ck_assert_mem_eq(body, body + 1, body_bytes - 1);
	return replayed.answer;
}

int open_with(const struct local_keys *k)
{
	int answer = replayed.answer;

	memset(&replayed, 0, sizeof(replayed));
	replayed.answer = answer;
	journal_close(journal);
	journal = NULL;
	return journal_open(&disk.env, tempdir_fd(), k, note_frame, &replayed,
			    &journal);
}

int open_again(void)
{
	return open_with(&keys);
}

void assert_replayed(uint64_t first, uint64_t last)
{
	ck_assert_uint_eq(replayed.n, last + 1 - first);
	for (unsigned i = 0; i < replayed.n; i++)
		ck_assert_uint_eq(replayed.numbers[i], first + i);
}

void assert_on_disk(uint64_t first, uint64_t last)
{
	struct journal *reader = NULL;

	memset(&replayed, 0, sizeof(replayed));
	ck_assert_int_eq(journal_open(&disk.env, tempdir_fd(), &keys,
				      note_frame, &replayed, &reader),
			 0);
	assert_replayed(first, last);
	journal_close(reader);
}

int begin(void)
{
	uint8_t marks[200];

	memset(marks, 0xee, sizeof(marks));
	return journal_begin_file(journal, marks, sizeof(marks));
}

int append(uint8_t byte, size_t n)
{
	uint8_t *body = malloc(n + 1);
	uint64_t number = 0, want = journal_next_number(journal);
	int r;

	ck_assert_ptr_nonnull(body);
	memset(body, byte, n);
	r = journal_append(journal, FRAME_CUT, body, n, &number);
	ck_assert_uint_eq(number, r == 0 ? want : 0);
	ck_assert_uint_eq(journal_next_number(journal), want + (r == 0));
	free(body);
	return r;
}

void append_well(uint8_t byte, size_t n)
{
	ck_assert_int_eq(append(byte, n), 0);
}

void make_files(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		ck_assert_int_eq(begin(), 0);
		append_well((uint8_t)i, 5000);
		append_well((uint8_t)i, 10);
	}
}

void journal_fixture_make(void)
{
	struct key dk = { { 1 } }, other = { { 2 } };

	ck_assert_int_eq(crypto_start(), 0);
	tempdir_make();
	disk_init(&disk);
	keys_local(&dk, &keys);
	keys_local(&other, &other_keys);
	journal = NULL;
	replayed.answer = 0;
	ck_assert_int_eq(open_again(), 0);
}

void journal_fixture_remove(void)
{
	journal_close(journal);
	ck_assert_int_eq(disk.n_open, 0);
	tempdir_remove();
}

/* ---- files of the test's folder ---- */

const char *name_of(uint64_t number)
{
	static char names[2][17];
	static unsigned turn;
	char *name = names[turn++ % 2];

	snprintf(name, sizeof(names[0]), "%016llx", (unsigned long long)number);
	return name;
}

bool exists(const char *name)
{
	return faccessat(tempdir_fd(), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

ino_t inode_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(fstatat(tempdir_fd(), name, &st, 0), 0);
	return st.st_ino;
}

uint64_t size_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(fstatat(tempdir_fd(), name, &st, 0), 0);
	return (uint64_t)st.st_size;
}

uint8_t *read_whole(const char *name, size_t *ret_n)
{
	int fd = openat(tempdir_fd(), name, O_RDONLY);
	uint8_t *data;

	*ret_n = size_of(name);
	data = malloc(*ret_n + 1);
	ck_assert_ptr_nonnull(data);
	ck_assert_int_eq(read(fd, data, *ret_n), (ssize_t)*ret_n);
	close(fd);
	return data;
}

void change(const char *name, size_t at, const void *bytes, size_t n)
{
	int fd = openat(tempdir_fd(), name, O_WRONLY);

	ck_assert_int_eq(pwrite(fd, bytes, n, (off_t)at), (ssize_t)n);
	close(fd);
}

void flip(const char *name, size_t at)
{
	int fd = openat(tempdir_fd(), name, O_RDWR);
	uint8_t byte;

	ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

void cut_file(const char *name, size_t at)
{
	int fd = openat(tempdir_fd(), name, O_WRONLY);

	ck_assert_int_eq(ftruncate(fd, (off_t)at), 0);
	close(fd);
}
