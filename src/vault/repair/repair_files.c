/* SPDX-License-Identifier: ISC */
/* The candidates: every file of the vault, and of other copies of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "base/replace.h"
#include "vault/keys/unlock.h"
#include "vault/repair/repair.h"

/* w/<writer>/d/<xx>/<name>, and one more that some tool may have made. */
#define DEPTH_MAX 6u

/* Enough to see what a file is. */
#define HEAD_BYTES 128u

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

void repair_tell(struct vault_repair *r, enum vault_finding kind,
		 const char *what, int err, const char *why)
{
	if (kind == VAULT_FINDING_REPAIRED)
		r->result.n_repaired++;
	if (r->opts->finding)
		r->opts->finding(r->opts->arg, kind, what, err,
				 why ? why : err_text(err));
}

char *repair_show(const struct vault_repair *r, unsigned root, const char *path)
{
	const char *shown = r->roots[root].shown;

	return mem_printf("%s%s%s", shown, shown[0] ? "/" : "", path);
}

/* ---------------------------------------------------------------- what it is */

static bool is_magic(const uint8_t *head, const char *magic)
{
	return memcmp(head, magic, 8) == 0;
}

/* By the clear header.  False: nothing that is of use. */
static bool classify(const uint8_t *head, uint64_t bytes, struct repair_file *f)
{
	if (is_magic(head, "COFFERV1") && bytes == VAULT_HEADER_BYTES) {
		f->kind = REPAIR_HEADER;
	} else if (is_magic(head, "COFFERK1") && bytes == SLOT_BYTES) {
		f->kind = REPAIR_SLOT;
	} else if (is_magic(head, "COFFERL1")) {
		f->kind = REPAIR_SEGMENT;
		f->writer = le64_get(head + 32);
		f->seq = le64_get(head + 40);
	} else if (is_magic(head, "COFFERP1")) {
		f->kind = REPAIR_PACK;
		f->writer = le64_get(head + 32);
	} else {
		/* A pack may have lost its beginning. */
		f->kind = REPAIR_PACK;
		return f->has_hint;
	}
	return true;
}

static void take_hint(const char *name, struct repair_file *f)
{
	if (strlen(name) < 2 * PACK_NAME_BYTES ||
	    hex_decode(name, PACK_NAME_BYTES, f->hint) < 0)
		return;
	f->has_hint = true;
	f->is_plain = name[2 * PACK_NAME_BYTES] == '\0';
}

/* ---------------------------------------------------------------- the walk */

struct walk {
	struct vault_repair *r;
	unsigned root, depth;
	int dirfd;
	const char *path; /* of the directory, "" or ending in a slash */
};

static int add_file(struct vault_repair *r, const struct repair_file *f)
{
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 256;
		struct repair_file *a =
			mem_realloc_array(r->files, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		r->files = a;
		r->cap = cap;
	}
	r->files[r->n++] = *f;
	return 0;
}

static int look_at(const struct walk *w, const char *name)
{
	struct vault_repair *r = w->r;
	struct repair_file f = { .root = w->root };
	uint8_t head[HEAD_BYTES] = { 0 };
	ssize_t n;
	int fd = env_open_untrusted(r->env, w->dirfd, name, 1, SEGMENT_FILE_MAX,
				    &f.bytes),
	    e;

	/* What cannot be read is no candidate. */
	if (fd < 0)
		return fd == -ENOMEM || fd == -EMFILE || fd == -ENFILE ? fd : 0;
	n = r->env->ops->pread(r->env, fd, head, sizeof(head), 0);
	close_quietly(r->env, &fd);
	take_hint(name, &f);
	if (n < 0 || !classify(head, f.bytes, &f))
		return 0;
	f.path = mem_printf("%s%s", w->path, name);
	if (!f.path)
		return -ENOMEM;
	e = add_file(r, &f);
	if (e < 0)
		mem_free(f.path);
	return e;
}

static int walk_entry(void *arg, const char *name, unsigned char type);

static int walk_folder(const struct walk *w, const char *name)
{
	auto_free char *path = mem_printf("%s%s/", w->path, name);
	struct walk below = {
		.r = w->r,
		.root = w->root,
		.depth = w->depth + 1,
		.path = path,
	};
	struct env *env = w->r->env;
	int r;

	if (!path)
		return -ENOMEM;
	below.dirfd = env_open_dir(env, w->dirfd, name, false);
	if (below.dirfd < 0)
		return below.dirfd == -EMFILE || below.dirfd == -ENFILE
			       ? below.dirfd
			       : 0;
	r = env->ops->list(env, below.dirfd, walk_entry, &below);
	close_quietly(env, &below.dirfd);
	return r == -ENOENT || r == -EACCES ? 0 : r;
}

static bool is_folder(const struct walk *w, const char *name,
		      unsigned char type)
{
	struct env *env = w->r->env;
	int fd;

	if (type != DT_UNKNOWN)
		return type == DT_DIR;
	fd = env_open_dir(env, w->dirfd, name, false);
	if (fd < 0)
		return false;
	close_quietly(env, &fd);
	return true;
}

static int walk_entry(void *arg, const char *name, unsigned char type)
{
	const struct walk *w = arg;

	if (!is_folder(w, name, type))
		return look_at(w, name);
	return w->depth < DEPTH_MAX ? walk_folder(w, name) : 0;
}

int repair_list_files(struct vault_repair *r)
{
	int e = 0;

	for (unsigned i = 0; e == 0 && i < r->n_roots; i++) {
		struct walk w = { .r = r, .root = i, .path = "" };

		w.dirfd = r->roots[i].fd;
		e = r->env->ops->list(r->env, w.dirfd, walk_entry, &w);
	}
	return e;
}

/* ---------------------------------------------------------------- reading */

/* A component at a time: no link leads out of the vault. */
int repair_open_path(struct vault_repair *r, unsigned root, const char *path,
		     uint64_t *ret_bytes)
{
	char part[NAME_MAX + 1];
	int above = -1, fd;

	for (;;) {
		int at = above == -1 ? r->roots[root].fd : above;
		const char *end = strchr(path, '/');
		size_t len = end ? (size_t)(end - path) : strlen(path);

		if (len > NAME_MAX)
			fd = -ENAMETOOLONG;
		else if (!end)
			fd = env_open_untrusted(r->env, at, path, 0,
						SEGMENT_FILE_MAX, ret_bytes);
		else {
			memcpy(part, path, len);
			part[len] = '\0';
			fd = env_open_dir(r->env, at, part, false);
		}
		close_quietly(r->env, &above);
		if (fd < 0 || !end)
			return fd;
		above = fd;
		path = end + 1;
	}
}

int repair_open_file(struct vault_repair *r, const struct repair_file *f)
{
	uint64_t bytes;

	return repair_open_path(r, f->root, f->path, &bytes);
}

int repair_read_file(struct vault_repair *r, const struct repair_file *f,
		     size_t max_bytes, uint8_t **ret, size_t *ret_len)
{
	auto_free uint8_t *data = NULL;
	uint64_t bytes = 0;
	int fd = repair_open_path(r, f->root, f->path, &bytes), e;

	if (fd < 0)
		return fd;
	e = bytes > max_bytes ? ERR_LIMIT : 0;
	if (e == 0) {
		data = mem_alloc((size_t)max_of(bytes, UINT64_C(1)));
		e = data ? env_read_exact(r->env, fd, data, (size_t)bytes, 0)
			 : -ENOMEM;
	}
	close_quietly(r->env, &fd);
	if (e < 0)
		return e;
	*ret = mem_take(data);
	*ret_len = (size_t)bytes;
	return 0;
}

/* ---------------------------------------------------------------- putting back */

static int put(struct vault_repair *r, int dirfd, const char *name,
	       const void *bytes, size_t len, char *kept)
{
	struct publish p = PUBLISH_INIT;
	int e = publish_begin(r->env, dirfd, &p);

	if (e < 0)
		return e;
	e = r->env->ops->pwrite(r->env, p.fd, bytes, len, 0);
	if (e < 0) {
		publish_abort(&p);
		return e;
	}
	return replace_commit(&p, name, kept);
}

int repair_note_kept(struct vault_repair *r, const char *path, const char *kept)
{
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash + 1 - path) : 0;

	for (size_t i = 0; i < r->n; i++) {
		struct repair_file *f = &r->files[i];
		char *now;

		if (f->root != 0 || strcmp(f->path, path) != 0)
			continue;
		now = mem_printf("%.*s%s", dir, path, kept);
		if (!now)
			return -ENOMEM;
		mem_free(f->path);
		f->path = now;
		f->is_plain = false;
	}
	return 0;
}

int repair_put_back(struct vault_repair *r, int dirfd, const char *name,
		    const char *path, const void *bytes, size_t len,
		    const struct repair_file *source)
{
	auto_free char *from = repair_show(r, source->root, source->path);
	auto_free char *why = NULL;
	char kept[NAME_MAX + 1];
	int e = 0;

	if (!r->opts->dry_run)
		e = put(r, dirfd, name, bytes, len, kept);
	if (e < 0)
		return e;
	why = mem_printf("%s from %s%s",
			 r->opts->dry_run ? "would be put back" : "put back",
			 from ? from : "a copy",
			 e > 0 ? "; what stood there is kept beside it" : "");
	repair_tell(r, VAULT_FINDING_REPAIRED, path, 0, why ? why : "put back");
	return e > 0 ? repair_note_kept(r, path, kept) : 0;
}
