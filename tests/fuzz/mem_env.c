/* SPDX-License-Identifier: ISC */
#include "mem_env.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"

#define FILE_BYTES_MAX ((size_t)256 << 20)
#define PART_MAX 256

struct mem_entry {
	char *name; /* owned */
	struct mem_node *node;
};

struct mem_node {
	uint64_t ino;
	unsigned refs; /* names and descriptors */
	unsigned n_names;
	bool is_dir;
	struct buf data;
	struct mem_entry *entries; /* in the order they were made */
	size_t n;
};

static struct mem_env *of(struct env *env)
{
	return (struct mem_env *)env;
}

/* ---------------------------------------------------------------- nodes */

static struct mem_node *node_new(struct mem_env *m, bool is_dir)
{
	struct mem_node *n = mem_zalloc(sizeof(*n));

	FUZZ_REQUIRE(n);
	n->ino = ++m->next_ino;
	n->is_dir = is_dir;
	n->data = (struct buf)BUF_INIT(FILE_BYTES_MAX);
	return n;
}

static void node_unref(struct mem_node *n)
{
	if (--n->refs > 0)
		return;
	for (size_t i = 0; i < n->n; i++) {
		node_unref(n->entries[i].node);
		mem_free(n->entries[i].name);
	}
	mem_free(n->entries);
	buf_release(&n->data);
	mem_free(n);
}

static struct mem_entry *find(struct mem_node *dir, const char *name)
{
	for (size_t i = 0; i < dir->n; i++)
		if (strcmp(dir->entries[i].name, name) == 0)
			return &dir->entries[i];
	return NULL;
}

static void add_name(struct mem_node *dir, const char *name, struct mem_node *n)
{
	struct mem_entry *grown = mem_realloc_array(dir->entries, dir->n + 1,
						    sizeof(*grown));

	FUZZ_REQUIRE(grown);
	dir->entries = grown;
	grown[dir->n].name = mem_strdup(name);
	FUZZ_REQUIRE(grown[dir->n].name);
	grown[dir->n++].node = n;
	n->refs++;
	n->n_names++;
}

static void drop_name(struct mem_node *dir, struct mem_entry *e)
{
	struct mem_node *n = e->node;
	size_t i = (size_t)(e - dir->entries);

	mem_free(e->name);
	memmove(e, e + 1, (dir->n - i - 1) * sizeof(*e));
	dir->n--;
	n->n_names--;
	node_unref(n);
}

static struct mem_node *node_copy(const struct mem_node *from)
{
	struct mem_node *n = mem_zalloc(sizeof(*n));

	FUZZ_REQUIRE(n);
	n->ino = from->ino;
	n->is_dir = from->is_dir;
	n->data = (struct buf)BUF_INIT(FILE_BYTES_MAX);
	buf_put(&n->data, from->data.data, from->data.len);
	FUZZ_REQUIRE(buf_error(&n->data) == 0);
	for (size_t i = 0; i < from->n; i++)
		add_name(n, from->entries[i].name,
			 node_copy(from->entries[i].node));
	return n;
}

/* ---------------------------------------------------------------- paths */

static struct mem_node *fd_node(struct mem_env *m, int fd)
{
	FUZZ_REQUIRE(fd >= MEM_FD_BASE && fd < MEM_FD_BASE + MEM_FDS_MAX);
	FUZZ_REQUIRE(m->fds[fd - MEM_FD_BASE]);
	return m->fds[fd - MEM_FD_BASE];
}

/* The folder the last part of a path stands in, and that part; paths that are
 * absolute begin at the root. */
static int walk(struct mem_env *m, int dirfd, const char *path,
		struct mem_node **ret_dir, char part[static PART_MAX])
{
	struct mem_node *at;

	at = dirfd == AT_FDCWD || path[0] == '/' ? m->root : fd_node(m, dirfd);
	for (;;) {
		size_t n;
		struct mem_entry *e;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n >= PART_MAX)
			return -ENAMETOOLONG;
		memcpy(part, path, n);
		part[n] = '\0';
		path += n;
		if (path[strspn(path, "/")] == '\0')
			break;
		e = find(at, part);
		if (!e)
			return -ENOENT;
		at = e->node;
		if (!at->is_dir)
			return -ENOTDIR;
	}
	*ret_dir = at;
	return 0;
}

/* 1 and the entry if it is there. */
static int look_up(struct mem_env *m, int dirfd, const char *path,
		   struct mem_node **ret_dir, struct mem_entry **ret,
		   char part[static PART_MAX])
{
	int r = walk(m, dirfd, path, ret_dir, part);

	if (r < 0)
		return r;
	*ret = find(*ret_dir, part);
	return *ret != NULL;
}

/* ---------------------------------------------------------------- calls */

static bool is_dead(const struct mem_env *m)
{
	return m->n_left == 0;
}

/* May this change be made? */
static bool may_change(struct mem_env *m)
{
	if (is_dead(m))
		return false;
	if (m->n_left != MEM_FOREVER)
		m->n_left--;
	return true;
}

static int new_fd(struct mem_env *m, struct mem_node *n)
{
	for (int i = 0; i < MEM_FDS_MAX; i++) {
		if (m->fds[i])
			continue;
		m->fds[i] = n;
		m->locked[i] = false;
		n->refs++;
		m->n_open++;
		return MEM_FD_BASE + i;
	}
	return -EMFILE;
}

static int open_entry(struct mem_env *m, struct mem_node *n, int flags)
{
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if ((flags & O_DIRECTORY) && !n->is_dir)
		return -ENOTDIR;
	if (n->is_dir && (flags & O_ACCMODE) != O_RDONLY)
		return -EISDIR;
	if (flags & O_TRUNC) {
		if (!may_change(m))
			return -EIO;
		n->data.len = 0;
	}
	return new_fd(m, n);
}

static int open_unnamed(struct mem_env *m)
{
	struct mem_node *n;
	int fd;

	if (!may_change(m))
		return -EIO;
	n = node_new(m, false);
	n->refs++;
	fd = new_fd(m, n);
	node_unref(n);
	return fd;
}

static int open_locked(struct mem_env *m, int dirfd, const char *name,
		       int flags)
{
	struct mem_node *dir, *n;
	struct mem_entry *e = NULL;
	char part[PART_MAX];
	int r;

	if (is_dead(m))
		return -EIO;
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return open_unnamed(m);
	r = look_up(m, dirfd, name, &dir, &e, part);
	if (r < 0)
		return r;
	if (part[0] == '\0' || strcmp(part, ".") == 0)
		return new_fd(m, dir);
	if (r == 1)
		return open_entry(m, e->node, flags);
	if (!(flags & O_CREAT))
		return -ENOENT;
	if (!may_change(m))
		return -EIO;
	n = node_new(m, false);
	add_name(dir, part, n);
	return new_fd(m, n);
}

static int m_open(struct env *env, int dirfd, const char *name, int flags,
		  mode_t mode)
{
	int r;

	(void)mode;
	pthread_mutex_lock(&of(env)->lock);
	r = open_locked(of(env), dirfd, name, flags);
	pthread_mutex_unlock(&of(env)->lock);
	return r;
}

static void close_fd(struct mem_env *m, int i)
{
	node_unref(m->fds[i]);
	m->fds[i] = NULL;
	m->locked[i] = false;
	m->n_open--;
}

static int m_close(struct env *env, int fd)
{
	struct mem_env *m = of(env);

	pthread_mutex_lock(&m->lock);
	(void)fd_node(m, fd);
	close_fd(m, fd - MEM_FD_BASE);
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static ssize_t m_pread(struct env *env, int fd, void *to, size_t len,
		       uint64_t offset)
{
	struct mem_env *m = of(env);
	const struct buf *b;
	size_t n = 0;

	pthread_mutex_lock(&m->lock);
	b = &fd_node(m, fd)->data;
	if (offset < b->len)
		n = min_of(len, b->len - (size_t)offset);
	if (n > 0 && !is_dead(m))
		memcpy(to, b->data + offset, n);
	pthread_mutex_unlock(&m->lock);
	return is_dead(m) ? -EIO : (ssize_t)n;
}

static void grow(struct buf *b, uint64_t len)
{
	if (len > b->len)
		buf_put_zeros(b, (size_t)len - b->len);
	FUZZ_REQUIRE(buf_error(b) == 0);
}

static int m_pwrite(struct env *env, int fd, const void *from, size_t len,
		    uint64_t offset)
{
	struct mem_env *m = of(env);
	bool may;

	if (offset > FILE_BYTES_MAX - len)
		return -EFBIG;
	pthread_mutex_lock(&m->lock);
	may = may_change(m);
	if (may && len > 0) {
		struct buf *b = &fd_node(m, fd)->data;

		grow(b, offset + len);
		memcpy(b->data + offset, from, len);
	}
	pthread_mutex_unlock(&m->lock);
	return may ? 0 : -EIO;
}

static int m_sync(struct env *env, int fd)
{
	struct mem_env *m = of(env);
	bool may;

	pthread_mutex_lock(&m->lock);
	(void)fd_node(m, fd);
	may = may_change(m);
	pthread_mutex_unlock(&m->lock);
	return may ? 0 : -EIO;
}

static int m_truncate(struct env *env, int fd, uint64_t len)
{
	struct mem_env *m = of(env);
	bool may;

	if (len > FILE_BYTES_MAX)
		return -EFBIG;
	pthread_mutex_lock(&m->lock);
	may = may_change(m);
	if (may) {
		struct buf *b = &fd_node(m, fd)->data;

		grow(b, len);
		b->len = (size_t)len;
	}
	pthread_mutex_unlock(&m->lock);
	return may ? 0 : -EIO;
}

static int m_allocate(struct env *env, int fd, uint64_t offset, uint64_t len)
{
	(void)offset;
	(void)len;
	return m_sync(env, fd);
}

static int link_locked(struct mem_env *m, int fd, int dirfd, const char *name)
{
	struct mem_node *dir;
	struct mem_entry *e = NULL;
	char part[PART_MAX];
	int r = look_up(m, dirfd, name, &dir, &e, part);

	if (r != 0)
		return r < 0 ? r : -EEXIST;
	if (!may_change(m))
		return -EIO;
	add_name(dir, part, fd_node(m, fd));
	return 0;
}

static int m_link_fd(struct env *env, int fd, int dirfd, const char *name)
{
	int r;

	pthread_mutex_lock(&of(env)->lock);
	r = link_locked(of(env), fd, dirfd, name);
	pthread_mutex_unlock(&of(env)->lock);
	return r;
}

static int rename_locked(struct mem_env *m, int from_dirfd, const char *from,
			 int to_dirfd, const char *to, unsigned flags)
{
	struct mem_node *from_dir, *to_dir, *n;
	struct mem_entry *a = NULL, *b = NULL;
	char from_part[PART_MAX], to_part[PART_MAX];
	int r = look_up(m, from_dirfd, from, &from_dir, &a, from_part);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = look_up(m, to_dirfd, to, &to_dir, &b, to_part);
	if (r < 0)
		return r;
	if (b && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (b && b->node->is_dir && b->node->n > 0)
		return -ENOTEMPTY;
	if (!may_change(m))
		return -EIO;
	if (b && b->node == a->node)
		return 0;
	n = a->node;
	n->refs++;
	if (b)
		drop_name(to_dir, b);
	drop_name(from_dir, find(from_dir, from_part));
	add_name(to_dir, to_part, n);
	node_unref(n);
	return 0;
}

static int m_rename(struct env *env, int from_dirfd, const char *from,
		    int to_dirfd, const char *to, unsigned flags)
{
	int r;

	pthread_mutex_lock(&of(env)->lock);
	r = rename_locked(of(env), from_dirfd, from, to_dirfd, to, flags);
	pthread_mutex_unlock(&of(env)->lock);
	return r;
}

static int unlink_locked(struct mem_env *m, int dirfd, const char *name,
			 int flags)
{
	struct mem_node *dir;
	struct mem_entry *e = NULL;
	char part[PART_MAX];
	int r = look_up(m, dirfd, name, &dir, &e, part);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (e->node->is_dir != !!(flags & AT_REMOVEDIR))
		return e->node->is_dir ? -EISDIR : -ENOTDIR;
	if (e->node->n > 0)
		return -ENOTEMPTY;
	if (!may_change(m))
		return -EIO;
	drop_name(dir, e);
	return 0;
}

static int m_unlink(struct env *env, int dirfd, const char *name, int flags)
{
	int r;

	pthread_mutex_lock(&of(env)->lock);
	r = unlink_locked(of(env), dirfd, name, flags);
	pthread_mutex_unlock(&of(env)->lock);
	return r;
}

static int mkdir_locked(struct mem_env *m, int dirfd, const char *name)
{
	struct mem_node *dir;
	struct mem_entry *e = NULL;
	char part[PART_MAX];
	int r = look_up(m, dirfd, name, &dir, &e, part);

	if (r != 0 || part[0] == '\0')
		return r < 0 ? r : -EEXIST;
	if (!may_change(m))
		return -EIO;
	add_name(dir, part, node_new(m, true));
	return 0;
}

static int m_mkdir(struct env *env, int dirfd, const char *name, mode_t mode)
{
	int r;

	(void)mode;
	pthread_mutex_lock(&of(env)->lock);
	r = mkdir_locked(of(env), dirfd, name);
	pthread_mutex_unlock(&of(env)->lock);
	return r;
}

static int m_fstat(struct env *env, int fd, struct stat *ret_st)
{
	struct mem_env *m = of(env);
	const struct mem_node *n;

	pthread_mutex_lock(&m->lock);
	n = fd_node(m, fd);
	memset(ret_st, 0, sizeof(*ret_st));
	ret_st->st_mode = n->is_dir ? S_IFDIR | 0700 : S_IFREG | 0600;
	ret_st->st_ino = n->ino;
	ret_st->st_nlink = n->n_names;
	ret_st->st_size = (off_t)n->data.len;
	ret_st->st_blocks = (blkcnt_t)((n->data.len + 4095) / 4096 * 8);
	ret_st->st_blksize = 4096;
	pthread_mutex_unlock(&m->lock);
	return is_dead(m) ? -EIO : 0;
}

/* The names are taken first: fn may remove them. */
static int m_list(struct env *env, int dirfd, env_entry_fn *fn, void *arg)
{
	struct mem_env *m = of(env);
	auto_buf struct buf names = BUF_INIT(FILE_BYTES_MAX);
	struct mem_node *dir;
	size_t at = 0;
	int r = 0;

	if (is_dead(m))
		return -EIO;
	pthread_mutex_lock(&m->lock);
	dir = fd_node(m, dirfd);
	for (size_t i = 0; i < dir->n; i++) {
		const struct mem_entry *e = &dir->entries[i];

		buf_put_u8(&names, e->node->is_dir ? DT_DIR : DT_REG);
		buf_put(&names, e->name, strlen(e->name) + 1);
	}
	pthread_mutex_unlock(&m->lock);
	FUZZ_REQUIRE(buf_error(&names) == 0);
	while (r == 0 && at < names.len) {
		const char *name = (const char *)names.data + at + 1;

		r = fn(arg, name, names.data[at]);
		at += strlen(name) + 2;
	}
	return r;
}

static int m_statvfs(struct env *env, int fd, struct statvfs *ret_st)
{
	(void)fd;
	*ret_st = (struct statvfs){
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_blocks = 2 * of(env)->free_blocks,
		.f_bfree = of(env)->free_blocks,
		.f_bavail = of(env)->free_blocks,
		.f_files = 1 << 20,
		.f_ffree = 1 << 19,
		.f_namemax = 255,
	};
	return is_dead(of(env)) ? -EIO : 0;
}

static int m_lock(struct env *env, int fd)
{
	struct mem_env *m = of(env);
	const struct mem_node *n;
	int r = 0;

	pthread_mutex_lock(&m->lock);
	n = fd_node(m, fd);
	for (int i = 0; i < MEM_FDS_MAX; i++)
		if (m->locked[i] && m->fds[i] == n && i != fd - MEM_FD_BASE)
			r = -EWOULDBLOCK;
	if (r == 0)
		m->locked[fd - MEM_FD_BASE] = true;
	pthread_mutex_unlock(&m->lock);
	return r;
}

static const struct env_ops ops = {
	.open = m_open,
	.close = m_close,
	.pread = m_pread,
	.pread_nowait = m_pread,
	.pwrite = m_pwrite,
	.fsync = m_sync,
	.fdatasync = m_sync,
	.truncate = m_truncate,
	.allocate = m_allocate,
	.link_fd = m_link_fd,
	.rename = m_rename,
	.unlink = m_unlink,
	.mkdir = m_mkdir,
	.fstat = m_fstat,
	.list = m_list,
	.statvfs = m_statvfs,
	.lock = m_lock,
};

/* ---------------------------------------------------------------- the disk */

void mem_env_init(struct mem_env *m)
{
	memset(m, 0, sizeof(*m));
	m->env.ops = &ops;
	pthread_mutex_init(&m->lock, NULL);
	m->n_left = MEM_FOREVER;
	m->free_blocks = 1 << 20;
	m->root = node_new(m, true);
	m->root->refs = 1;
}

void mem_env_release(struct mem_env *m)
{
	mem_env_revive(m);
	node_unref(m->root);
	pthread_mutex_destroy(&m->lock);
}

void mem_env_copy(const struct mem_env *from, struct mem_env *to)
{
	FUZZ_REQUIRE(to->n_open == 0);
	node_unref(to->root);
	to->root = node_copy(from->root);
	to->root->refs = 1;
	to->next_ino = from->next_ino;
	to->n_left = MEM_FOREVER;
}

void mem_env_revive(struct mem_env *m)
{
	for (int i = 0; i < MEM_FDS_MAX; i++)
		if (m->fds[i])
			close_fd(m, i);
	m->n_left = MEM_FOREVER;
}

int mem_env_folder(struct mem_env *m, const char *path)
{
	int fd;

	(void)m_mkdir(&m->env, AT_FDCWD, path, 0700);
	fd = m_open(&m->env, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	FUZZ_REQUIRE(fd >= 0);
	return fd;
}

void mem_env_put(struct mem_env *m, const char *path, const void *data,
		 size_t len)
{
	char above[PART_MAX];
	int fd;

	for (const char *p = path; (p = strchr(p, '/')); p++) {
		FUZZ_REQUIRE((size_t)(p - path) < sizeof(above));
		memcpy(above, path, (size_t)(p - path));
		above[p - path] = '\0';
		(void)m_mkdir(&m->env, AT_FDCWD, above, 0700);
	}
	fd = m_open(&m->env, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	FUZZ_REQUIRE(fd >= 0);
	FUZZ_REQUIRE(m_pwrite(&m->env, fd, data, len, 0) == 0);
	m_close(&m->env, fd);
}

/* The file numbered *left from here on, and the folder it is in. */
static struct mem_node *find_file(struct mem_node *dir, unsigned *left,
				  struct mem_node **ret_dir,
				  struct mem_entry **ret_entry)
{
	for (size_t i = 0; i < dir->n; i++) {
		struct mem_node *n = dir->entries[i].node, *found;

		if (n->is_dir) {
			found = find_file(n, left, ret_dir, ret_entry);
			if (found)
				return found;
		} else if (n->data.len > 0 && (*left)-- == 0) {
			*ret_dir = dir;
			*ret_entry = &dir->entries[i];
			return n;
		}
	}
	return NULL;
}

unsigned mem_env_count_files(struct mem_env *m)
{
	unsigned left = UINT32_MAX;
	struct mem_node *dir;
	struct mem_entry *e;

	(void)find_file(m->root, &left, &dir, &e);
	return UINT32_MAX - left;
}

struct buf *mem_env_file(struct mem_env *m, unsigned i)
{
	struct mem_node *dir, *n;
	struct mem_entry *e;

	n = find_file(m->root, &i, &dir, &e);
	FUZZ_REQUIRE(n);
	return &n->data;
}

void mem_env_remove_file(struct mem_env *m, unsigned i)
{
	struct mem_node *dir;
	struct mem_entry *e;

	FUZZ_REQUIRE(find_file(m->root, &i, &dir, &e));
	drop_name(dir, e);
}
