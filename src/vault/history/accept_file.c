/* SPDX-License-Identifier: ISC */
#include "vault/history/accept_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "vault/file.h"
#include "vault/history/accept_seen.h"
#include "vault/tree.h"

#define PIECE ((size_t)256 << 10)
#define XATTRS_CAP ((size_t)64 << 10)

/* ---------------------------------------------------------------- contents */

static int read_piece(struct vault *v, uint64_t ino, uint64_t at, void *to,
		      size_t *ret)
{
	ssize_t n = vault_pread(v, ino, to, PIECE, at);

	if (n < 0)
		return (int)n;
	*ret = (size_t)n;
	return 0;
}

static int compare_bytes(struct vault *old, uint64_t old_ino, struct vault *new,
			 uint64_t new_ino, uint64_t size)
{
	auto_free uint8_t *a = mem_alloc(PIECE), *b = mem_alloc(PIECE);
	int r = a && b ? 1 : -ENOMEM;

	for (uint64_t at = 0; r > 0 && at < size; at += PIECE) {
		size_t n = 0, m = 0;

		r = read_piece(old, old_ino, at, a, &n);
		/* What the new one cannot read is not the same. */
		if (r == 0 && read_piece(new, new_ino, at, b, &m) < 0)
			return 0;
		if (r == 0)
			r = n == m && memcmp(a, b, n) == 0;
	}
	return r;
}

int accept_same_contents(struct vault *old, uint64_t old_ino, struct vault *new,
			 uint64_t new_ino)
{
	struct vault_attr o, n;
	int r = accept_is_same_version(old, old_ino, new, new_ino);

	if (r != 0)
		return r;
	r = vault_getattr(old, old_ino, &o);
	if (r == 0)
		r = vault_getattr(new, new_ino, &n);
	if (r < 0 || o.size != n.size)
		return r;
	return compare_bytes(old, old_ino, new, new_ino, o.size);
}

/* Into `new`; NULL: only whether all of it can be read. */
static int copy_data(struct vault *old, uint64_t old_ino, struct vault *new,
		     uint64_t new_ino, uint64_t from, uint64_t to)
{
	auto_free uint8_t *piece = mem_alloc(PIECE);
	int r = piece ? 0 : -ENOMEM;

	while (r == 0 && from < to) {
		size_t n = 0;

		r = read_piece(old, old_ino, from, piece, &n);
		n = min_of(n, to - from);
		if (r == 0 && n == 0)
			return 0;
		if (r == 0 && new)
			r = vault_write(new, new_ino, piece, n, from, 0);
		from += n;
	}
	return r < 0 ? r : 0;
}

/* Holes stay holes. */
static int copy_all(struct vault *old, uint64_t old_ino, struct vault *new,
		    uint64_t new_ino)
{
	uint64_t data = 0, hole = 0;
	int r = 0;

	while (r == 0) {
		r = vault_seek(old, old_ino, hole, SEEK_DATA, &data);
		if (r == 0)
			r = vault_seek(old, old_ino, data, SEEK_HOLE, &hole);
		if (r == 0)
			r = copy_data(old, old_ino, new, new_ino, data, hole);
	}
	return r == -ENXIO ? 0 : r;
}

static int set_size(struct vault *v, uint64_t ino, uint64_t size)
{
	struct vault_attr at = { .size = size }, now;

	return vault_setattr(v, ino, VAULT_SET_SIZE, &at, &now);
}

int accept_copy(struct vault *old, uint64_t old_ino, struct vault *new,
		uint64_t new_ino)
{
	struct vault_attr o;
	int r = vault_getattr(old, old_ino, &o);

	if (r == 0)
		r = copy_all(old, old_ino, new, new_ino);
	return r < 0 ? r : set_size(new, new_ino, o.size);
}

int accept_read_all(struct vault *v, uint64_t ino)
{
	return copy_all(v, ino, NULL, 0);
}

int accept_replace(struct vault *old, uint64_t old_ino, struct vault *new,
		   uint64_t new_ino)
{
	int r = accept_read_all(old, old_ino);

	if (r == 0)
		r = set_size(new, new_ino, 0);
	return r < 0 ? r : accept_copy(old, old_ino, new, new_ino);
}

/* ---------------------------------------------------------------- attributes */

static int copy_xattr(struct vault *old, uint64_t old_ino, struct vault *new,
		      uint64_t new_ino, const char *name)
{
	auto_free uint8_t *a = mem_alloc(XATTRS_CAP), *b = mem_alloc(XATTRS_CAP);
	ssize_t n, m;

	if (!a || !b)
		return -ENOMEM;
	n = vault_getxattr(old, old_ino, name, a, XATTRS_CAP);
	if (n < 0)
		return (int)n;
	m = vault_getxattr(new, new_ino, name, b, XATTRS_CAP);
	if (m < 0 && m != -ENODATA)
		return (int)m;
	if (n == m && memcmp(a, b, (size_t)n) == 0)
		return 0;
	return vault_setxattr(new, new_ino, name, a, (size_t)n, 0);
}

static int copy_xattrs(struct vault *old, uint64_t old_ino, struct vault *new,
		       uint64_t new_ino)
{
	auto_free char *names = mem_alloc(XATTRS_CAP);
	ssize_t len;
	int r = 0;

	if (!names)
		return -ENOMEM;
	len = vault_listxattr(old, old_ino, names, XATTRS_CAP);
	if (len < 0)
		return (int)len;
	for (ssize_t at = 0; r == 0 && at < len;
	     at += (ssize_t)strlen(names + at) + 1)
		r = copy_xattr(old, old_ino, new, new_ino, names + at);
	return r;
}

static unsigned set_of(unsigned newer)
{
	unsigned set = 0;

	if (newer & ACCEPT_MODE)
		set |= VAULT_SET_MODE;
	if (newer & ACCEPT_OWNER)
		set |= VAULT_SET_UID | VAULT_SET_GID;
	if (newer & ACCEPT_ATIME)
		set |= VAULT_SET_ATIME;
	if (newer & ACCEPT_MTIME)
		set |= VAULT_SET_MTIME;
	if (newer & ACCEPT_CTIME)
		set |= VAULT_SET_CTIME;
	return set;
}

int accept_attributes(struct vault *old, uint64_t old_ino, struct vault *new,
		      uint64_t new_ino, bool is_new)
{
	int newer = is_new ? ACCEPT_MODE | ACCEPT_OWNER | ACCEPT_ATIME |
				     ACCEPT_MTIME | ACCEPT_CTIME :
			     accept_newer_attributes(old, old_ino, new,
						     new_ino);
	struct vault_attr o, now;
	int r;

	if (newer <= 0)
		return newer;
	r = vault_getattr(old, old_ino, &o);
	if (r == 0)
		r = copy_xattrs(old, old_ino, new, new_ino);
	if (r == 0)
		r = vault_setattr(new, new_ino, set_of((unsigned)newer), &o,
				  &now);
	return r;
}
