/* SPDX-License-Identifier: ISC */
#include "power_env.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512u
#define BLOCK 4096u

/* A write, or (no bytes) a new length. */
struct change {
	uint64_t offset, len;
	uint8_t *bytes;
	struct change *next;
};

/* A name that came (node) or went (NULL); with `gone` that one went with it. */
struct entry {
	char name[256], gone[256];
	struct node *node;
	struct entry *next;
};

struct node {
	ino_t ino;
	bool is_dir;
	char path[512]; /* of a folder, in the tree */
	uint8_t *bytes; /* durable */
	uint64_t len;
	struct change *changes, **last_change;
	struct entry *entries; /* durable */
	struct entry *changed, **last_changed;
	struct node *next;
};

static struct node *nodes, *root;
/* Workers write beside the caller.  Hooks are called without it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void power_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("power: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		power_die("%s", strerror(errno));
	return p;
}

static int must_not_fail(int r, const char *what)
{
	if (r < 0)
		power_die("%s: %s", what, strerror(errno));
	return r;
}

/* ---------------------------------------------------------------- nodes */

static struct node *node_of_ino(ino_t ino)
{
	for (struct node *n = nodes; n; n = n->next)
		if (n->ino == ino)
			return n;
	return NULL;
}

static void set_path(struct node *n, const struct node *dir, const char *name)
{
	if (snprintf(n->path, sizeof(n->path), "%s%s%s", dir->path,
		     dir->path[0] ? "/" : "", name) >= (int)sizeof(n->path))
		power_die("%s: too long", name);
}

/* What had the number before is gone. */
static struct node *node_make(ino_t ino, bool is_dir)
{
	struct node *old = node_of_ino(ino);
	struct node *n = must(calloc(1, sizeof(*n)));

	if (old)
		old->ino = 0;
	n->ino = ino;
	n->is_dir = is_dir;
	n->last_change = &n->changes;
	n->last_changed = &n->changed;
	n->next = nodes;
	nodes = n;
	return n;
}

static struct node *node_of_fd(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? NULL : node_of_ino(st.st_ino);
}

static struct node *node_at(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ?
		       NULL : node_of_ino(st.st_ino);
}

static void free_changes(struct node *n)
{
	while (n->changes) {
		struct change *c = n->changes;

		n->changes = c->next;
		free(c->bytes);
		free(c);
	}
	n->last_change = &n->changes;
}

static void free_entries(struct entry **list)
{
	while (*list) {
		struct entry *e = *list;

		*list = e->next;
		free(e);
	}
}

static void note_write(struct node *n, const void *from, uint64_t len,
		       uint64_t offset)
{
	struct change *c = must(calloc(1, sizeof(*c)));

	c->offset = offset;
	c->len = len;
	if (from) {
		c->bytes = must(malloc(len + 1));
		memcpy(c->bytes, from, len);
	}
	*n->last_change = c;
	n->last_change = &c->next;
}

static struct entry *note_entry(struct node *dir, const char *name,
				struct node *node)
{
	struct entry *e = must(calloc(1, sizeof(*e)));

	snprintf(e->name, sizeof(e->name), "%s", name);
	e->node = node;
	*dir->last_changed = e;
	dir->last_changed = &e->next;
	return e;
}

static void set_entry(struct entry **list, const char *name, struct node *node)
{
	struct entry **at = list, *e;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	if (*at && !node) {
		e = *at;
		*at = e->next;
		free(e);
	} else if (node) {
		if (!*at) {
			e = must(calloc(1, sizeof(*e)));
			snprintf(e->name, sizeof(e->name), "%s", name);
			*at = e;
		}
		(*at)->node = node;
	}
}

static void apply_entry(struct entry **list, const struct entry *change)
{
	if (change->gone[0])
		set_entry(list, change->gone, NULL);
	set_entry(list, change->name, change->node);
}

/* ---------------------------------------------------------------- durable */

static void read_all(int fd, struct node *n)
{
	char path[64];
	struct stat st;
	int in;

	/* The descriptor may be for writing only. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	in = must_not_fail(open(path, O_RDONLY | O_CLOEXEC), path);
	must_not_fail(fstat(in, &st), path);
	free(n->bytes);
	n->len = (uint64_t)st.st_size;
	n->bytes = must(malloc(n->len + 1));
	if (pread(in, n->bytes, n->len, 0) != (ssize_t)n->len)
		power_die("a file changed while it was read");
	close(in);
}

static void sync_node(int fd, struct node *n)
{
	if (n->is_dir) {
		for (struct entry *e = n->changed; e; e = e->next)
			apply_entry(&n->entries, e);
		free_entries(&n->changed);
		n->last_changed = &n->changed;
	} else {
		read_all(fd, n);
		free_changes(n);
	}
}

/* Takes in what is not known below a folder. */
static void load(struct node *dir, const char *path)
{
	DIR *d = must(opendir(path));
	struct dirent *e;

	while ((e = readdir(d))) {
		char below[4096];
		struct stat st;
		struct node *n;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		must_not_fail(lstat(below, &st), below);
		n = node_of_ino(st.st_ino);
		if (!n) {
			n = node_make(st.st_ino, S_ISDIR(st.st_mode));
			set_entry(&dir->entries, e->d_name, n);
			if (n->is_dir) {
				set_path(n, dir, e->d_name);
			} else {
				int fd = must_not_fail(
					open(below, O_RDONLY | O_CLOEXEC),
					below);

				read_all(fd, n);
				close(fd);
			}
		}
		if (n->is_dir)
			load(n, below);
	}
	closedir(d);
}

void power_env_adopt(struct power_env *p)
{
	pthread_mutex_lock(&lock);
	load(root, p->top);
	pthread_mutex_unlock(&lock);
}

static bool is_durable(const struct node *n)
{
	if (!n->is_dir)
		return !n->changes;
	/* A name that went may come back: that is no loss. */
	for (const struct entry *e = n->changed; e; e = e->next)
		if (e->node)
			return false;
	for (const struct entry *e = n->entries; e; e = e->next)
		if (!is_durable(e->node))
			return false;
	return true;
}

bool power_env_is_durable(struct power_env *p, const char *path)
{
	char full[1024];
	struct stat st;
	struct node *n;
	bool yes;

	snprintf(full, sizeof(full), "%s/%s", p->top, path);
	pthread_mutex_lock(&lock);
	n = stat(full, &st) < 0 ? NULL : node_of_ino(st.st_ino);
	yes = !n || is_durable(n);
	pthread_mutex_unlock(&lock);
	return yes;
}

/* ---------------------------------------------------------------- images */

static uint64_t rng;

static uint32_t draw(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 33) % below);
}

/* Holes stay holes. */
static void put(int fd, const uint8_t *bytes, uint64_t len, uint64_t offset)
{
	static const uint8_t zeros[BLOCK];
	uint64_t at = 0;

	while (at < len) {
		uint64_t n = len - at < BLOCK ? len - at : BLOCK;

		if ((memcmp(bytes + at, zeros, n) != 0 || at + n == len) &&
		    pwrite(fd, bytes + at, n, (off_t)(offset + at)) !=
			    (ssize_t)n)
			power_die("writing an image: %s", strerror(errno));
		at += n;
	}
}

static void put_zeros_too(int fd, const struct change *c, uint64_t from,
			  uint64_t to)
{
	if (to > from &&
	    pwrite(fd, c->bytes + (from - c->offset), to - from,
		   (off_t)from) != (ssize_t)(to - from))
		power_die("writing an image: %s", strerror(errno));
}

/* Any of the units, aligned in the file, that a write covers. */
static void put_units(int fd, const struct change *c, uint32_t unit)
{
	uint64_t end = c->offset + c->len, at = c->offset;

	while (at < end) {
		uint64_t next = (at / unit + 1) * unit;

		if (next > end)
			next = end;
		if (draw(2))
			put_zeros_too(fd, c, at, next);
		at = next;
	}
}

/* The first units of it. */
static void put_torn(int fd, const struct change *c, uint32_t unit)
{
	uint64_t units = (c->offset + c->len - 1) / unit - c->offset / unit + 1;
	uint64_t to = (c->offset / unit + draw((uint32_t)units + 1)) * unit;

	if (to > c->offset + c->len)
		to = c->offset + c->len;
	put_zeros_too(fd, c, c->offset, to);
}

static void put_change(int fd, const struct change *c)
{
	if (!c->bytes)
		must_not_fail(ftruncate(fd, (off_t)c->offset), "truncating");
	else
		put_zeros_too(fd, c, c->offset, c->offset + c->len);
}

enum loss {
	LOSE_ALL,
	LOSE_NONE,
	LOSE_TAIL_512,
	LOSE_TAIL_4096,
	LOSE_ANY,
	LOSE_ANY_512,
	LOSE_ANY_4096,
	LOSSES
};

static void put_changes(int fd, const struct node *n, enum loss loss)
{
	bool tail = loss == LOSE_TAIL_512 || loss == LOSE_TAIL_4096;
	uint32_t i = 0, keep;

	for (const struct change *c = n->changes; c; c = c->next)
		i++;
	keep = tail ? draw(i) : i;
	i = 0;
	for (const struct change *c = n->changes; c; c = c->next, i++) {
		if (loss == LOSE_ANY && draw(2))
			continue;
		if (i < keep) {
			put_change(fd, c);
			continue;
		}
		if (c->bytes)
			put_torn(fd, c, loss == LOSE_TAIL_512 ? SECTOR : BLOCK);
		return;
	}
}

static void make_file(const struct node *n, const char *path, bool lose_all)
{
	enum loss loss = lose_all || !n->changes ? LOSE_ALL :
						   (enum loss)draw(LOSSES);
	int fd = must_not_fail(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
				    0600),
			       path);

	put(fd, n->bytes, n->len, 0);
	if (loss == LOSE_ANY_512 || loss == LOSE_ANY_4096) {
		for (const struct change *c = n->changes; c; c = c->next)
			if (c->bytes)
				put_units(fd, c, loss == LOSE_ANY_512 ? SECTOR :
									BLOCK);
			else if (draw(2))
				put_change(fd, c);
	} else if (loss != LOSE_ALL) {
		put_changes(fd, n, loss);
	}
	close(fd);
}

static void make_dir(const struct node *dir, const char *path, bool lose_all)
{
	struct entry *list = NULL;
	uint32_t n = 0, keep = 0;
	bool any = !lose_all && dir->changed && draw(2);

	must_not_fail(mkdir(path, 0700), path);
	for (const struct entry *e = dir->entries; e; e = e->next)
		set_entry(&list, e->name, e->node);
	for (const struct entry *e = dir->changed; e; e = e->next)
		n++;
	if (n > 0 && !lose_all)
		keep = any ? n : draw(n + 1);
	for (const struct entry *e = dir->changed; e && keep > 0;
	     e = e->next, keep--)
		if (!any || draw(2))
			apply_entry(&list, e);
	for (const struct entry *e = list; e; e = e->next) {
		char below[4096];

		snprintf(below, sizeof(below), "%s/%s", path, e->name);
		if (e->node->is_dir)
			make_dir(e->node, below, lose_all);
		else
			make_file(e->node, below, lose_all);
	}
	free_entries(&list);
}

void power_env_image(struct power_env *p, const char *to, uint64_t seed)
{
	(void)p;
	pthread_mutex_lock(&lock);
	rng = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) | 1;
	for (int i = 0; i < 8; i++)
		(void)draw(2);
	make_dir(root, to, seed == 0);
	pthread_mutex_unlock(&lock);
}

/* ---------------------------------------------------------------- the operations */

static struct env *disk(void)
{
	return env_posix();
}

static void tell_named(struct env *e, int dirfd, const char *name,
		       const struct node *n)
{
	struct power_env *p = (struct power_env *)e;
	struct node *dir;
	char path[512];
	bool has_all;

	pthread_mutex_lock(&lock);
	dir = node_of_fd(dirfd);
	snprintf(path, sizeof(path), "%s", dir ? dir->path : "?");
	has_all = !n || !n->changes;
	pthread_mutex_unlock(&lock);
	if (p->on_named && dir)
		p->on_named(p, path, name, has_all);
}

static void tell_gone(struct env *e, int dirfd, const char *name)
{
	struct power_env *p = (struct power_env *)e;
	struct node *dir;
	char path[512];

	pthread_mutex_lock(&lock);
	dir = node_of_fd(dirfd);
	snprintf(path, sizeof(path), "%s", dir ? dir->path : "?");
	pthread_mutex_unlock(&lock);
	if (p->on_gone && dir)
		p->on_gone(p, path, name);
}

static int p_open(struct env *e, int dirfd, const char *name, int flags,
		  mode_t mode)
{
	bool is_temp = (flags & O_TMPFILE) == O_TMPFILE, is_new;
	struct stat st;
	int fd;

	(void)e;
	pthread_mutex_lock(&lock);
	is_new = !is_temp && flags & O_CREAT &&
		 fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0;
	fd = disk()->ops->open(disk(), dirfd, name, flags, mode);
	if (fd >= 0 && (is_new || is_temp)) {
		must_not_fail(fstat(fd, &st), name);
		struct node *n = node_make(st.st_ino, false);
		struct node *dir = node_of_fd(dirfd);

		if (is_new && dir)
			note_entry(dir, name, n);
	} else if (fd >= 0 && flags & O_TRUNC) {
		struct node *n = node_of_fd(fd);

		if (n)
			note_write(n, NULL, 0, 0);
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static int p_close(struct env *e, int fd)
{
	(void)e;
	return disk()->ops->close(disk(), fd);
}

static ssize_t p_pread(struct env *e, int fd, void *to, size_t len,
		       uint64_t offset)
{
	(void)e;
	return disk()->ops->pread(disk(), fd, to, len, offset);
}

static ssize_t p_pread_nowait(struct env *e, int fd, void *to, size_t len,
			      uint64_t offset)
{
	(void)e;
	return disk()->ops->pread_nowait(disk(), fd, to, len, offset);
}

static int p_pwrite(struct env *e, int fd, const void *from, size_t len,
		    uint64_t offset)
{
	struct node *n;
	int r;

	(void)e;
	pthread_mutex_lock(&lock);
	n = node_of_fd(fd);
	if (n && len > 0)
		note_write(n, from, len, offset);
	r = disk()->ops->pwrite(disk(), fd, from, len, offset);
	pthread_mutex_unlock(&lock);
	return r;
}

/* The real disk need not be asked: nobody pulls its plug. */
static int p_fsync(struct env *e, int fd)
{
	struct power_env *p = (struct power_env *)e;
	struct node *n;

	p->n_syncs++;
	if (p->on_sync)
		p->on_sync(p);
	pthread_mutex_lock(&lock);
	n = node_of_fd(fd);
	if (n)
		sync_node(fd, n);
	pthread_mutex_unlock(&lock);
	return 0;
}

static int p_truncate(struct env *e, int fd, uint64_t len)
{
	struct node *n;
	int r;

	(void)e;
	pthread_mutex_lock(&lock);
	n = node_of_fd(fd);
	if (n)
		note_write(n, NULL, 0, len);
	r = disk()->ops->truncate(disk(), fd, len);
	pthread_mutex_unlock(&lock);
	return r;
}

static int p_allocate(struct env *e, int fd, uint64_t offset, uint64_t len)
{
	(void)e;
	return disk()->ops->allocate(disk(), fd, offset, len);
}

static int p_link_fd(struct env *e, int fd, int dirfd, const char *name)
{
	struct node *n, *dir;
	int r;

	pthread_mutex_lock(&lock);
	n = node_of_fd(fd);
	pthread_mutex_unlock(&lock);
	tell_named(e, dirfd, name, n);
	pthread_mutex_lock(&lock);
	r = disk()->ops->link_fd(disk(), fd, dirfd, name);
	dir = node_of_fd(dirfd);
	if (r == 0 && dir)
		note_entry(dir, name, n);
	pthread_mutex_unlock(&lock);
	return r;
}

static void note_rename(struct node *from_dir, const char *from,
			struct node *to_dir, const char *to, struct node *n)
{
	if (to_dir) {
		struct entry *e = note_entry(to_dir, to, n);

		if (from_dir == to_dir)
			snprintf(e->gone, sizeof(e->gone), "%s", from);
		if (n && n->is_dir)
			set_path(n, to_dir, to);
	}
	if (from_dir && from_dir != to_dir)
		note_entry(from_dir, from, NULL);
}

static int p_rename(struct env *e, int from_dirfd, const char *from,
		    int to_dirfd, const char *to, unsigned flags)
{
	struct node *n;
	int r;

	pthread_mutex_lock(&lock);
	n = node_at(from_dirfd, from);
	pthread_mutex_unlock(&lock);
	if (n && !n->is_dir)
		tell_named(e, to_dirfd, to, n);
	tell_gone(e, from_dirfd, from);
	pthread_mutex_lock(&lock);
	r = disk()->ops->rename(disk(), from_dirfd, from, to_dirfd, to, flags);
	if (r == 0)
		note_rename(node_of_fd(from_dirfd), from, node_of_fd(to_dirfd),
			    to, n);
	pthread_mutex_unlock(&lock);
	return r;
}

/* The folder that a name given as a path is in, and its last component. */
static struct node *dir_of(int dirfd, const char *name, const char **ret_last)
{
	const char *slash = strrchr(name, '/');
	char above[4096];
	struct stat st;

	*ret_last = name;
	if (!slash)
		return node_of_fd(dirfd);
	*ret_last = slash + 1;
	snprintf(above, sizeof(above), "%.*s", (int)(slash - name), name);
	return stat(above, &st) < 0 ? NULL : node_of_ino(st.st_ino);
}

static int p_unlink(struct env *e, int dirfd, const char *name, int flags)
{
	const char *last;
	struct node *dir;
	int r;

	if (!strchr(name, '/') && !(flags & AT_REMOVEDIR))
		tell_gone(e, dirfd, name);
	pthread_mutex_lock(&lock);
	dir = dir_of(dirfd, name, &last);
	r = disk()->ops->unlink(disk(), dirfd, name, flags);
	if (r == 0 && dir)
		note_entry(dir, last, NULL);
	pthread_mutex_unlock(&lock);
	return r;
}

static int p_mkdir(struct env *e, int dirfd, const char *name, mode_t mode)
{
	const char *last;
	struct node *dir, *n;
	struct stat st;
	int r;

	(void)e;
	pthread_mutex_lock(&lock);
	dir = dir_of(dirfd, name, &last);
	r = disk()->ops->mkdir(disk(), dirfd, name, mode);
	if (r == 0 && dir) {
		must_not_fail(fstatat(dirfd, name, &st, 0), name);
		n = node_make(st.st_ino, true);
		set_path(n, dir, last);
		note_entry(dir, last, n);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static int p_fstat(struct env *e, int fd, struct stat *st)
{
	(void)e;
	return disk()->ops->fstat(disk(), fd, st);
}

static int p_list(struct env *e, int dirfd, env_entry_fn *fn, void *arg)
{
	(void)e;
	return disk()->ops->list(disk(), dirfd, fn, arg);
}

static int p_statvfs(struct env *e, int fd, struct statvfs *st)
{
	(void)e;
	return disk()->ops->statvfs(disk(), fd, st);
}

static int p_lock(struct env *e, int fd)
{
	(void)e;
	return disk()->ops->lock(disk(), fd);
}

static const struct env_ops ops = {
	.open = p_open,
	.close = p_close,
	.pread = p_pread,
	.pread_nowait = p_pread_nowait,
	.pwrite = p_pwrite,
	.fsync = p_fsync,
	.fdatasync = p_fsync,
	.truncate = p_truncate,
	.allocate = p_allocate,
	.link_fd = p_link_fd,
	.rename = p_rename,
	.unlink = p_unlink,
	.mkdir = p_mkdir,
	.fstat = p_fstat,
	.list = p_list,
	.statvfs = p_statvfs,
	.lock = p_lock,
};

void power_env_init(struct power_env *p, const char *top)
{
	struct stat st;

	*p = (struct power_env){ .env.ops = &ops };
	snprintf(p->top, sizeof(p->top), "%s", top);
	must_not_fail(stat(top, &st), top);
	root = node_make(st.st_ino, true);
	load(root, top);
}

void power_env_release(struct power_env *p)
{
	(void)p;
	while (nodes) {
		struct node *n = nodes;

		nodes = n->next;
		free_changes(n);
		free_entries(&n->entries);
		free_entries(&n->changed);
		free(n->bytes);
		free(n);
	}
	root = NULL;
}
