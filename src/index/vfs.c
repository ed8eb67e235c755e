/* SPDX-License-Identifier: ISC */
#include "index/vfs_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/block.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/secret.h"

#define PLAIN_BYTES (VFS_PAGE_BYTES - VFS_RESERVED_BYTES)
#define NONCE_AT PLAIN_BYTES
#define TAG_AT (NONCE_AT + NONCE_BYTES)
#define AD_BYTES 24
/* Where page 1 tells how many bytes SQLite leaves at each page's end (SQLite
 * Database File Format, 1.3.4). */
#define HEADER_RESERVED_AT 20
#define NAME_MAX_BYTES 32
#define PATH_MAX_BYTES 64

static_assert(NONCE_BYTES + TAG_BYTES == VFS_RESERVED_BYTES,
	      "what SQLite reserves holds nonce and tag");

struct vfs {
	sqlite3_vfs base;
	struct env *env;
	int fd;
	bool handed_out;
	bool may_nowait; /* until the file system says that it cannot */
	int error;	 /* sticks */
	struct key *key; /* secret memory */
	uint64_t generation;
	uint64_t n_pages;  /* in the file */
	uint64_t n_synced; /* the first ones, which must all be authentic */
	/* Of the others, bit i: page n_synced + 1 + i has been written. */
	uint8_t *written;
	size_t written_bytes;
	uint8_t sealed[VFS_PAGE_BYTES];
	char name[NAME_MAX_BYTES];
};

struct vfs_file {
	sqlite3_file base;
	struct vfs *vfs;
};

static struct vfs *file_vfs(sqlite3_file *file)
{
	return ((struct vfs_file *)(void *)file)->vfs;
}

void vfs_stop(struct vfs *v, int err)
{
	if (v->error == 0)
		v->error = err;
}

int vfs_state(const struct vfs *v)
{
	return v->error;
}

const char *vfs_name(const struct vfs *v)
{
	return v->name;
}

uint64_t vfs_pages(const struct vfs *v)
{
	return v->n_pages;
}

/* --- Which pages have been written --------------------------------------- */

static bool is_hole(const struct vfs *v, uint64_t page)
{
	uint64_t i;

	if (page <= v->n_synced)
		return false;
	i = page - v->n_synced - 1;
	return i / 8 >= v->written_bytes ||
	       (v->written[i / 8] >> (i % 8) & 1) == 0;
}

/* Room to note `page` as written. */
static int hole_reserve(struct vfs *v, uint64_t page)
{
	uint64_t need;
	size_t cap;
	uint8_t *grown;

	if (page <= v->n_synced)
		return 0;
	need = (page - v->n_synced - 1) / 8 + 1;
	if (need <= v->written_bytes)
		return 0;
	cap = (size_t)max_of(need, (uint64_t)v->written_bytes * 2);
	grown = mem_realloc_array(v->written, cap, 1);
	if (!grown)
		return -ENOMEM;
	memset(grown + v->written_bytes, 0, cap - v->written_bytes);
	v->written = grown;
	v->written_bytes = cap;
	return 0;
}

static void hole_fill(struct vfs *v, uint64_t page)
{
	uint64_t i;

	if (page <= v->n_synced)
		return;
	i = page - v->n_synced - 1;
	v->written[i / 8] |= (uint8_t)(1u << (i % 8));
}

/* Pages beyond `page` are no longer in the file. */
static void hole_cut(struct vfs *v, uint64_t page)
{
	uint64_t i;

	for (i = page; i < v->n_pages; i++) {
		uint64_t bit = i - v->n_synced;

		if (i >= v->n_synced && bit / 8 < v->written_bytes)
			v->written[bit / 8] &= (uint8_t)(0xff ^ 1u << bit % 8);
	}
}

/* --- One page ------------------------------------------------------------ */

static uint64_t page_offset(uint64_t page)
{
	return (page - 1) * VFS_PAGE_BYTES;
}

static void page_ad(const struct vfs *v, uint64_t page,
		    uint8_t ad[static AD_BYTES])
{
	memcpy(ad, "cofr-idx", 8);
	le64_put(ad + 8, v->generation);
	le64_put(ad + 16, page);
}

/* The whole page into v->sealed.  Its thread may be about to block only if the
 * kernel has not the page in memory. */
static int page_fetch(struct vfs *v, uint64_t page)
{
	const struct env_ops *ops = v->env->ops;
	ssize_t n = -EAGAIN;

	if (v->may_nowait)
		n = ops->pread_nowait(v->env, v->fd, v->sealed, VFS_PAGE_BYTES,
				      page_offset(page));
	if (n == VFS_PAGE_BYTES)
		return 0;
	if (n == -EOPNOTSUPP)
		v->may_nowait = false;
	block_soon();
	n = ops->pread(v->env, v->fd, v->sealed, VFS_PAGE_BYTES,
		       page_offset(page));
	if (n < 0)
		return (int)n;
	return n == VFS_PAGE_BYTES ? 0 : ERR_BAD_INDEX;
}

/* `to`: VFS_PAGE_BYTES. */
static int page_read(struct vfs *v, uint64_t page, uint8_t *to)
{
	uint8_t nonce[NONCE_BYTES], ad[AD_BYTES];
	int err;

	err = page_fetch(v, page);
	if (err < 0)
		return err;
	page_ad(v, page, ad);
	/* aead_open wants the tag directly after the ciphertext. */
	memcpy(nonce, v->sealed + NONCE_AT, sizeof(nonce));
	memcpy(v->sealed + NONCE_AT, v->sealed + TAG_AT, TAG_BYTES);
	err = aead_open(v->key, nonce, ad, sizeof(ad), v->sealed,
			PLAIN_BYTES + TAG_BYTES, to);
	if (err < 0)
		return ERR_BAD_INDEX;
	memset(to + PLAIN_BYTES, 0, VFS_RESERVED_BYTES);
	return 0;
}

static int page_write(struct vfs *v, uint64_t page, const uint8_t *from)
{
	uint8_t nonce[NONCE_BYTES], ad[AD_BYTES];
	int err;

	err = hole_reserve(v, page);
	if (err < 0)
		return err;
	page_ad(v, page, ad);
	random_bytes(nonce, sizeof(nonce));
	aead_seal(v->key, nonce, ad, sizeof(ad), from, PLAIN_BYTES, v->sealed);
	memcpy(v->sealed + TAG_AT, v->sealed + PLAIN_BYTES, TAG_BYTES);
	memcpy(v->sealed + NONCE_AT, nonce, sizeof(nonce));
	err = v->env->ops->pwrite(v->env, v->fd, v->sealed, VFS_PAGE_BYTES,
				  page_offset(page));
	if (err < 0)
		return err;
	v->n_pages = max_of(v->n_pages, page);
	hole_fill(v, page);
	return 0;
}

/* --- SQLite's calls on the file ------------------------------------------ */

/* Notes the error for good and says it in SQLite's terms. */
static int file_fail(struct vfs *v, int err, int otherwise)
{
	vfs_stop(v, err);
	switch (v->error) {
	case -ENOMEM:
		return SQLITE_IOERR_NOMEM;
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return SQLITE_FULL;
	case ERR_BAD_INDEX:
		return SQLITE_IOERR_DATA;
	default:
		return otherwise;
	}
}

/* The file is closed in vfs_close: SQLite ignores what this returns. */
static int file_close(sqlite3_file *file)
{
	(void)file;
	return SQLITE_OK;
}

/* SQLite reads whole pages, and parts of page 1: its first 100 bytes to learn
 * the page size, and 16 at offset 24 to see whether the file has changed. */
static int file_read(sqlite3_file *file, void *to, int len,
		     sqlite3_int64 offset)
{
	struct vfs *v = file_vfs(file);
	const uint64_t page = (uint64_t)offset / VFS_PAGE_BYTES + 1;
	const size_t at = (uint64_t)offset % VFS_PAGE_BYTES;
	const size_t n = (size_t)len;
	uint8_t plain[VFS_PAGE_BYTES];
	int err;

	if (v->error < 0 || n > VFS_PAGE_BYTES - at)
		return file_fail(v, ERR_BAD_INDEX, SQLITE_IOERR_READ);
	if (page > v->n_pages || is_hole(v, page)) {
		memset(to, 0, n);
		return page > v->n_pages ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
	}
	if (n == VFS_PAGE_BYTES) {
		err = page_read(v, page, to);
	} else {
		err = page_read(v, page, plain);
		if (err == 0)
			memcpy(to, plain + at, n);
		mem_wipe(plain, sizeof(plain));
	}
	return err < 0 ? file_fail(v, err, SQLITE_IOERR_READ) : SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *from, int len,
		      sqlite3_int64 offset)
{
	struct vfs *v = file_vfs(file);
	const uint8_t *page = from;
	int err;

	if (v->error < 0 || len != VFS_PAGE_BYTES ||
	    offset % VFS_PAGE_BYTES != 0 ||
	    (offset == 0 && page[HEADER_RESERVED_AT] != VFS_RESERVED_BYTES))
		return file_fail(v, ERR_BAD_INDEX, SQLITE_IOERR_WRITE);
	err = page_write(v, (uint64_t)offset / VFS_PAGE_BYTES + 1, page);
	return err < 0 ? file_fail(v, err, SQLITE_IOERR_WRITE) : SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 len)
{
	struct vfs *v = file_vfs(file);
	const uint64_t n_pages = (uint64_t)len / VFS_PAGE_BYTES;
	int err;

	if (v->error < 0 || len % VFS_PAGE_BYTES != 0 || n_pages > v->n_pages)
		return file_fail(v, ERR_BAD_INDEX, SQLITE_IOERR_TRUNCATE);
	err = v->env->ops->truncate(v->env, v->fd, (uint64_t)len);
	if (err < 0)
		return file_fail(v, err, SQLITE_IOERR_TRUNCATE);
	hole_cut(v, n_pages);
	v->n_pages = n_pages;
	v->n_synced = min_of(v->n_synced, n_pages);
	return SQLITE_OK;
}

/* With synchronous=OFF it is never called; vfs_fsync does its work. */
static int file_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	uint64_t n_bytes = file_vfs(file)->n_pages * VFS_PAGE_BYTES;

	*ret = (sqlite3_int64)n_bytes;
	return SQLITE_OK;
}

/* The state directory's lock keeps others out. */
static int file_lock(sqlite3_file *file, int level)
{
	(void)file;
	(void)level;
	return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *file, int *ret)
{
	(void)file;
	*ret = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
	(void)file;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *file)
{
	(void)file;
	return VFS_PAGE_BYTES;
}

/* Writing a page changes no byte beside it. */
static int file_characteristics(sqlite3_file *file)
{
	(void)file;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* Version 1: no shared memory for a WAL, no mapping. */
static const sqlite3_io_methods file_methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_lock,
	.xCheckReservedLock = file_is_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
};

/* --- SQLite's calls on the file system ----------------------------------- */

static int vfs_x_open(sqlite3_vfs *base, const char *name, sqlite3_file *file,
		      int flags, int *ret_flags)
{
	struct vfs *v = base->pAppData;

	/* Without methods SQLite does not call xClose. */
	file->pMethods = NULL;
	if ((flags & SQLITE_OPEN_MAIN_DB) == 0 || !name ||
	    strcmp(name, INDEX_FILE_NAME) != 0 || v->fd < 0 || v->handed_out)
		return SQLITE_CANTOPEN;
	v->handed_out = true;
	((struct vfs_file *)(void *)file)->vfs = v;
	file->pMethods = &file_methods;
	if (ret_flags)
		*ret_flags = SQLITE_OPEN_READWRITE;
	return SQLITE_OK;
}

/* What does not exist is gone already. */
static int vfs_x_delete(sqlite3_vfs *base, const char *name, int sync_dir)
{
	(void)base;
	(void)name;
	(void)sync_dir;
	return SQLITE_OK;
}

static int vfs_x_access(sqlite3_vfs *base, const char *name, int flags,
			int *ret)
{
	(void)base;
	(void)name;
	(void)flags;
	*ret = 0;
	return SQLITE_OK;
}

static int vfs_x_full_pathname(sqlite3_vfs *base, const char *name, int size,
			       char *ret)
{
	int n;

	(void)base;
	n = snprintf(ret, (size_t)size, "%s", name);
	return n >= 0 && n < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_x_randomness(sqlite3_vfs *base, int n, char *ret)
{
	(void)base;
	random_bytes(ret, (size_t)n);
	return n;
}

/* Nothing waits: there is nobody to wait for. */
static int vfs_x_sleep(sqlite3_vfs *base, int microseconds)
{
	(void)base;
	(void)microseconds;
	return 0;
}

/* Milliseconds since noon of 24 November 4714 BC (Julian day number; SQLite's
 * os.h, sqlite3_vfs.xCurrentTimeInt64). */
static int vfs_x_current_time(sqlite3_vfs *base, sqlite3_int64 *ret)
{
	const sqlite3_int64 epoch_ms = 24405875 * (sqlite3_int64)8640000;

	(void)base;
	*ret = epoch_ms + clock_wall_ns() / NS_PER_MS;
	return SQLITE_OK;
}

static int vfs_x_last_error(sqlite3_vfs *base, int size, char *ret)
{
	(void)base;
	(void)size;
	(void)ret;
	return 0;
}

static void methods_init(struct vfs *v)
{
	v->base = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = sizeof(struct vfs_file),
		.mxPathname = PATH_MAX_BYTES,
		.zName = v->name,
		.pAppData = v,
		.xOpen = vfs_x_open,
		.xDelete = vfs_x_delete,
		.xAccess = vfs_x_access,
		.xFullPathname = vfs_x_full_pathname,
		.xRandomness = vfs_x_randomness,
		.xSleep = vfs_x_sleep,
		.xCurrentTimeInt64 = vfs_x_current_time,
		.xGetLastError = vfs_x_last_error,
	};
}

/* --- Opening, syncing, closing ------------------------------------------- */

static int file_create(struct vfs *v, int dirfd)
{
	const struct env_ops *ops = v->env->ops;
	int fd, err;

	err = ops->unlink(v->env, dirfd, INDEX_FILE_NAME, 0);
	if (err < 0 && err != -ENOENT)
		return err;
	fd = ops->open(v->env, dirfd, INDEX_FILE_NAME,
		       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       S_IRUSR | S_IWUSR);
	if (fd < 0)
		return fd;
	v->fd = fd;
	return 0;
}

static int file_open(struct vfs *v, int dirfd)
{
	const int flags =
		O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat st;
	uint64_t n_bytes;
	int fd, err;

	fd = v->env->ops->open(v->env, dirfd, INDEX_FILE_NAME, flags, 0);
	if (fd == -ELOOP || fd == -EISDIR || fd == -ENXIO)
		return ERR_BAD_INDEX;
	if (fd < 0)
		return fd;
	v->fd = fd;
	err = v->env->ops->fstat(v->env, fd, &st);
	if (err < 0)
		return err;
	n_bytes = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || n_bytes == 0 ||
	    n_bytes % VFS_PAGE_BYTES != 0)
		return ERR_BAD_INDEX;
	v->n_pages = v->n_synced = n_bytes / VFS_PAGE_BYTES;
	return 0;
}

static int vfs_init(struct vfs *v, const struct index_options *opts)
{
	static atomic_ulong count;
	int err;

	v->key = secret_alloc(sizeof(*v->key));
	if (!v->key)
		return -ENOMEM;
	*v->key = opts->key;
	if (opts->dirfd >= 0) {
		if (opts->create)
			err = file_create(v, opts->dirfd);
		else
			err = file_open(v, opts->dirfd);
		if (err < 0)
			return err;
	}
	snprintf(v->name, sizeof(v->name), "coffer-%lu",
		 atomic_fetch_add(&count, 1));
	methods_init(v);
	return sqlite3_vfs_register(&v->base, 0) == SQLITE_OK ? 0 : -ENOMEM;
}

int vfs_open(const struct index_options *opts, struct vfs **ret)
{
	struct vfs *v;
	int err;

	v = mem_zalloc(sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->env = opts->env;
	v->fd = -1;
	v->may_nowait = true;
	v->generation = opts->generation;
	err = vfs_init(v, opts);
	if (err < 0) {
		vfs_close(v);
		return err;
	}
	*ret = v;
	return 0;
}

void vfs_close(struct vfs *v)
{
	int err;

	if (!v)
		return;
	if (v->base.zName)
		sqlite3_vfs_unregister(&v->base);
	if (v->fd >= 0) {
		/* What had to be durable was synced; the rest is lost anyway. */
		err = env_close(v->env, &v->fd);
		(void)err;
	}
	secret_free(v->key);
	mem_free(v->written);
	mem_free(v);
}

static int fill_holes(struct vfs *v)
{
	static const uint8_t zeros[VFS_PAGE_BYTES];
	uint64_t page;
	int err;

	for (page = v->n_synced + 1; page <= v->n_pages; page++) {
		if (!is_hole(v, page))
			continue;
		err = page_write(v, page, zeros);
		if (err < 0)
			return err;
	}
	return 0;
}

int vfs_seal(struct vfs *v)
{
	int err = v->error;

	if (v->fd >= 0 && err == 0)
		err = fill_holes(v);
	if (err < 0)
		vfs_stop(v, err);
	return err;
}

int vfs_fsync(struct vfs *v)
{
	if (v->fd < 0)
		return 0;
	block_soon();
	return v->env->ops->fsync(v->env, v->fd);
}

int vfs_synced(struct vfs *v, int fsynced)
{
	if (fsynced < 0) {
		vfs_stop(v, fsynced);
		return fsynced;
	}
	if (v->fd < 0)
		return 0;
	v->n_synced = v->n_pages;
	if (v->written_bytes > 0)
		memset(v->written, 0, v->written_bytes);
	return 0;
}
