/* SPDX-License-Identifier: ISC */
#include "commit_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/diag.h"
#include "base/hex.h"
#include "crypto/secret.h"
#include "format/segment.h"
#include "tempdir.h"
#include "vault/file.h"

#define PASSPHRASE "a passphrase of the tests"

/* ---------------------------------------------------------------- devices */

static void in_tempdir(const char *name, char to[static 512])
{
	snprintf(to, 512, "%s/%s", tempdir_path(), name);
}

void device_options(const struct device *d, struct vault_options *ret)
{
	static char paths[8][2][512];
	static unsigned next;
	char(*p)[512] = paths[next++ % 8];

	in_tempdir(d->vault, p[0]);
	in_tempdir(d->state, p[1]);
	*ret = (struct vault_options){
		.env = d->env,
		.path = p[0],
		.state_path = p[1],
		.no_state = d->no_state,
		.read_only = d->read_only,
		.background = d->background,
		.cache_bytes = (size_t)4 << 20,
		.dirty_bytes = (size_t)16 << 20,
		.index_bytes = (size_t)2 << 20,
		.n_workers = 2,
		.test_weak_kdf = true,
		.test_repack_small = true,
		.test_writer = d->writer,
		.test_no_checkpoint = d->killed,
	};
}

static void set_passphrase(struct secret_buf *s)
{
	ck_assert_int_eq(crypto_start(), 0);
	ck_assert_int_eq(secret_buf_append(s, PASSPHRASE, strlen(PASSPHRASE)),
			 0);
}

int device_init(const struct device *d)
{
	const struct vault_init_options init = {
		.device_name = "first",
		.no_recovery = true,
		.uid = 1000,
		.gid = 1000,
	};
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	struct vault_options o;

	set_passphrase(&pass);
	device_options(d, &o);
	return vault_init(&o, &init, &cred, NULL);
}

int device_try_open(const struct device *d, struct vault **ret,
		    const char **ret_what)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	struct vault_options o;

	set_passphrase(&pass);
	device_options(d, &o);
	return vault_open(&o, &cred, ret_what, ret);
}

struct vault *device_open(const struct device *d)
{
	const char *what = "";
	struct vault *v = NULL;
	int r = device_try_open(d, &v, &what);

	if (r < 0)
		ck_abort_msg("opening: %s: %s", what, err_text(r));
	return v;
}

void device_close(struct vault *v)
{
	int r = vault_close(v);

	if (r < 0)
		ck_abort_msg("closing: %s", err_text(r));
}

/* ---------------------------------------------------------------- the tree */

static struct vault_name name_of(const char *name)
{
	return (struct vault_name){ name, strlen(name) };
}

static uint64_t make(struct vault *v, const char *name, uint32_t mode)
{
	const struct vault_new what = { .mode = mode, .uid = 1000,
					.gid = 1000 };
	struct vault_attr at;
	int r = vault_make(v, VAULT_ROOT_INO, name_of(name), &what, false, &at);

	if (r == -EEXIST)
		r = vault_lookup(v, VAULT_ROOT_INO, name_of(name), &at) - 1;
	if (r < 0)
		ck_abort_msg("making %s: %s", name, err_text(r));
	return at.ino;
}

static void put(struct vault *v, const char *name, const void *data, size_t len)
{
	uint64_t ino = make(v, name, S_IFREG | 0644);
	int r = vault_write(v, ino, data, len, 0, 0);

	if (r < 0)
		ck_abort_msg("writing %s: %s", name, err_text(r));
}

void put_file(struct vault *v, const char *name, const char *text)
{
	put(v, name, text, strlen(text));
}

void make_dir(struct vault *v, const char *name)
{
	make(v, name, S_IFDIR | 0755);
}

void remove_name(struct vault *v, const char *name)
{
	ck_assert_int_eq(vault_unlink(v, VAULT_ROOT_INO, name_of(name)), 0);
}

void rename_name(struct vault *v, const char *from, const char *to)
{
	ck_assert_int_eq(vault_rename(v, VAULT_ROOT_INO, name_of(from),
				      VAULT_ROOT_INO, name_of(to), 0),
			 0);
}

bool has_name(struct vault *v, const char *name)
{
	struct vault_attr at;
	int r = vault_lookup(v, VAULT_ROOT_INO, name_of(name), &at);

	ck_assert_int_ge(r, 0);
	return r == 1;
}

static bool has(struct vault *v, const char *name, const void *data, size_t len)
{
	struct vault_attr at;
	uint8_t *got = malloc(len + 1);
	ssize_t n = -1;

	ck_assert_ptr_nonnull(got);
	if (vault_lookup(v, VAULT_ROOT_INO, name_of(name), &at) == 1) {
		n = 0;
		while ((size_t)n <= len) {
			ssize_t k = vault_pread(v, at.ino, got + n,
						len + 1 - (size_t)n,
						(uint64_t)n);

			if (k < 0)
				n = -1;
			if (k <= 0)
				break;
			n += k;
		}
	}
	bool equal = n >= 0 && (size_t)n == len && memcmp(got, data, len) == 0;
	free(got);
	return equal;
}

bool has_text(struct vault *v, const char *name, const char *text)
{
	return has(v, name, text, strlen(text));
}

static uint8_t *bytes_of(uint32_t seed, size_t len)
{
	uint8_t *b = malloc(len + 1);
	uint64_t x = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;

	ck_assert_ptr_nonnull(b);
	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		b[i] = (uint8_t)(x >> 32);
	}
	return b;
}

void put_bytes(struct vault *v, const char *name, uint32_t seed, size_t len)
{
	uint8_t *b = bytes_of(seed, len);
	uint64_t ino = make(v, name, S_IFREG | 0644);

	for (size_t at = 0; at < len; at += 1 << 20) {
		size_t n = len - at < 1 << 20 ? len - at : 1 << 20;
		int r = vault_write(v, ino, b + at, n, at, 0);

		if (r < 0)
			ck_abort_msg("writing %s: %s", name, err_text(r));
	}
	free(b);
}

bool has_bytes(struct vault *v, const char *name, uint32_t seed, size_t len)
{
	uint8_t *b = bytes_of(seed, len);
	bool equal = has(v, name, b, len);

	free(b);
	return equal;
}

/* ---------------------------------------------------------------- folders */

static void copy_file(const char *from, const char *to, bool replace)
{
	static char buf[1 << 16];
	int in, out;
	ssize_t n;

	if (!replace && access(to, F_OK) == 0)
		return;
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(in, 0);
	ck_assert_int_ge(out, 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		ck_assert_int_eq(write(out, buf, (size_t)n), n);
	ck_assert_int_eq(n, 0);
	close(in);
	close(out);
}

static void walk_copy(const char *from, const char *to, bool replace)
{
	DIR *dir = opendir(from);
	struct dirent *e;

	ck_assert_ptr_nonnull(dir);
	(void)mkdir(to, 0700);
	while ((e = readdir(dir))) {
		char a[1024], b[1024];
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(a, sizeof(a), "%s/%s", from, e->d_name);
		snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
		ck_assert_int_eq(lstat(a, &st), 0);
		if (S_ISDIR(st.st_mode))
			walk_copy(a, b, replace);
		else
			copy_file(a, b, replace);
	}
	closedir(dir);
}

void sync_folders(const char *from, const char *to)
{
	char a[512], b[512];

	in_tempdir(from, a);
	in_tempdir(to, b);
	walk_copy(a, b, false);
}

void copy_folder(const char *from, const char *to)
{
	char a[512], b[512];

	remove_folder(to);
	in_tempdir(from, a);
	in_tempdir(to, b);
	walk_copy(a, b, true);
}

static void walk_remove(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir))) {
		char a[1024];
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(a, sizeof(a), "%s/%s", path, e->d_name);
		if (lstat(a, &st) == 0 && S_ISDIR(st.st_mode))
			walk_remove(a);
		else
			unlink(a);
	}
	closedir(dir);
	rmdir(path);
}

void remove_folder(const char *name)
{
	char a[512];

	in_tempdir(name, a);
	walk_remove(a);
}

static unsigned walk_count(const char *path, const char *part, char *last,
			   size_t cap)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	unsigned n = 0;

	if (!dir)
		return 0;
	while ((e = readdir(dir))) {
		char a[1024];
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(a, sizeof(a), "%s/%s", path, e->d_name);
		if (lstat(a, &st) == 0 && S_ISDIR(st.st_mode)) {
			n += walk_count(a, part, last, cap);
		} else if (strstr(a, part)) {
			n++;
			if (last)
				snprintf(last, cap, "%s", a);
		}
	}
	closedir(dir);
	return n;
}

unsigned count_files(const char *folder, const char *part, char *path,
		     size_t cap)
{
	char a[512];

	in_tempdir(folder, a);
	return walk_count(a, part, path, cap);
}

void hash_prefix(const void *file, size_t len, char to[static 17])
{
	struct file_hash h;

	segment_hash(file, len, &h);
	hex_encode(h.b, 8, to);
}

/* ---------------------------------------------------------------- diagnostics */

static char lines[64][256];
static unsigned n_lines;

static void catch_line(enum diag_level level, const char *line)
{
	if (level > DIAG_WARNING || n_lines == 64)
		return;
	snprintf(lines[n_lines++], sizeof(lines[0]), "%s", line);
	if (getenv("SHOW_DIAG"))
		fprintf(stderr, "diag: %s\n", line);
}

void catch_diag(void)
{
	n_lines = 0;
	diag_set_sink(catch_line);
}

unsigned count_diag(const char *part)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_lines; i++)
		n += strstr(lines[i], part) != NULL;
	n_lines = 0;
	return n;
}
