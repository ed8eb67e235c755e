/* SPDX-License-Identifier: ISC */
#include "vault/history/accept_tree.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "vault/core.h"
#include "vault/history/accept_file.h"
#include "vault/history/accept_seen.h"
#include "vault/tree.h"

/* Entries taken from a directory in one go. */
#define BATCH 256u
/* Names tried beside one that is taken. */
#define BESIDE_MAX 100u
#define NAME_CAP 256u

struct entry {
	uint64_t ino;
	char name[NAME_CAP];
};

struct batch {
	struct entry list[BATCH];
	unsigned n;
	uint64_t next;
};

/* A directory that both have, still to be walked through. */
struct folder {
	uint64_t old, new;
	char *path; /* owned; "" the root */
};

/* A file of several names, once it is there; old 0: a free place. */
struct twin {
	uint64_t old, new;
};

struct walk {
	struct vault *old, *new;
	const struct vault_accept_options *how;
	struct vault_accept_result *res;
	struct folder *todo; /* the last one is next */
	size_t n_todo, cap_todo;
	struct twin *twins; /* hashed, at most half full */
	size_t n_twins, cap_twins; /* cap: a power of two, or 0 */
	char *path; /* of the directory in hand; borrowed */
	uint64_t new_dir; /* likewise */
};

static struct vault_name name_of(const char *text)
{
	return (struct vault_name){ text, strlen(text) };
}

/* ---------------------------------------------------------------- telling */

static int tell(struct walk *w, enum vault_kept what, const char *name)
{
	auto_free char *path = mem_printf("%s/%s", w->path, name);

	if (!path)
		return -ENOMEM;
	w->res->n_kept += what == VAULT_KEPT;
	w->res->n_beside += what == VAULT_KEPT_BESIDE;
	w->res->n_lost += what == VAULT_LOST;
	if (w->how->tell)
		w->how->tell(w->how->arg, what, path);
	return 0;
}

/* ---------------------------------------------------------------- lists */

static int push(struct walk *w, uint64_t old, uint64_t new, const char *name)
{
	struct folder *grown;
	char *path;

	if (w->n_todo == w->cap_todo) {
		size_t cap = w->cap_todo ? w->cap_todo * 2 : 64;

		grown = mem_realloc_array(w->todo, cap, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		w->todo = grown;
		w->cap_todo = cap;
	}
	path = name ? mem_printf("%s/%s", w->path, name) : mem_strdup("");
	if (!path)
		return -ENOMEM;
	w->todo[w->n_todo++] = (struct folder){ old, new, path };
	return 0;
}

/* Where it stands or would; Fibonacci hashing (Knuth: The Art of Computer
 * Programming, volume 3, 2nd edition, 1998, section 6.4). */
static struct twin *twin_place(struct twin *twins, size_t cap, uint64_t old)
{
	size_t at = (size_t)((old * UINT64_C(0x9e3779b97f4a7c15)) >> 32) &
		    (cap - 1);

	while (twins[at].old && twins[at].old != old)
		at = (at + 1) & (cap - 1);
	return &twins[at];
}

static uint64_t find_twin(const struct walk *w, uint64_t old)
{
	return w->cap_twins ? twin_place(w->twins, w->cap_twins, old)->new : 0;
}

static int grow_twins(struct walk *w)
{
	size_t cap = w->cap_twins ? w->cap_twins * 2 : 64;
	struct twin *grown = mem_zalloc_array(cap, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	for (size_t i = 0; i < w->cap_twins; i++)
		if (w->twins[i].old)
			*twin_place(grown, cap, w->twins[i].old) =
				w->twins[i];
	mem_free(w->twins);
	w->twins = grown;
	w->cap_twins = cap;
	return 0;
}

static int note_twin(struct walk *w, const struct vault_attr *old, uint64_t new)
{
	int r = 0;

	if (old->nlink < 2 || S_ISDIR(old->mode) || find_twin(w, old->ino))
		return 0;
	if (2 * w->n_twins >= w->cap_twins)
		r = grow_twins(w);
	if (r == 0) {
		*twin_place(w->twins, w->cap_twins, old->ino) =
			(struct twin){ old->ino, new };
		w->n_twins++;
	}
	return r;
}

/* ---------------------------------------------------------------- comparing */

static int same_target(struct walk *w, uint64_t old, uint64_t new)
{
	char a[4096], b[4096];
	ssize_t n = vault_readlink(w->old, old, a, sizeof(a));
	ssize_t m = n < 0 ? n : vault_readlink(w->new, new, b, sizeof(b));

	if (m < 0)
		return (int)m;
	return n == m && memcmp(a, b, (size_t)n) == 0;
}

/* Does the new one show the same there, so that only attributes may differ?
 * 1, 0; of a file that cannot be read: its error. */
static int is_same(struct walk *w, const struct vault_attr *o,
		   const struct vault_attr *n)
{
	if ((o->mode & S_IFMT) != (n->mode & S_IFMT))
		return 0;
	switch (o->mode & S_IFMT) {
	case S_IFDIR:
		return 1;
	case S_IFLNK:
		return same_target(w, o->ino, n->ino);
	case S_IFREG:
		return accept_same_contents(w->old, o->ino, w->new, n->ino);
	default:
		return o->rdev == n->rdev;
	}
}

/* Not the machine's trouble: these bytes are nowhere. */
static bool is_lost(int err)
{
	return err == -EIO || (err <= -4096 && err != ERR_BAD_INDEX &&
			       err != ERR_READ_ONLY);
}

/* ---------------------------------------------------------------- making */

static int make(struct walk *w, const struct vault_attr *o, uint64_t dir,
		const char *name, struct vault_attr *ret)
{
	struct vault_new what = {
		.mode = o->mode,
		.uid = o->uid,
		.gid = o->gid,
		.rdev = o->rdev,
	};
	char target[4096];
	uint64_t twin = find_twin(w, o->ino);
	int r;

	if (twin)
		return vault_link(w->new, twin, dir, name_of(name), ret);
	if (S_ISLNK(o->mode)) {
		ssize_t n = vault_readlink(w->old, o->ino, target,
					   sizeof(target));

		if (n < 0)
			return (int)n;
		what.target = (struct vault_name){ target, (size_t)n };
	}
	r = vault_make(w->new, dir, name_of(name), &what, false, ret);
	if (r == 0 && S_ISREG(o->mode))
		r = accept_copy(w->old, o->ino, w->new, ret->ino);
	if (r == 0)
		r = accept_attributes(w->old, o->ino, w->new, ret->ino, true);
	if (r < 0 && is_lost(r)) {
		int gone = vault_unlink(w->new, dir, name_of(name));

		return gone < 0 ? gone : r;
	}
	return r;
}

/* "NAME (kept DEVICE)", then " 2", before the extension. */
static void name_beside(const struct walk *w, const char *name, unsigned i,
			char to[static NAME_CAP])
{
	const char *dot = strrchr(name, '.');
	size_t stem = dot && dot != name ? (size_t)(dot - name) : strlen(name);
	char mark[96];

	if (i == 1)
		snprintf(mark, sizeof(mark), " (kept %s)",
			 w->old->device_name);
	else
		snprintf(mark, sizeof(mark), " (kept %s %u)",
			 w->old->device_name, i);
	size_t rest = strlen(mark) + strlen(name + stem);

	/* An extension that leaves no room is none. */
	if (rest > NAME_CAP - 2) {
		stem = strlen(name);
		rest = strlen(mark);
	}
	if (stem + rest > NAME_CAP - 1)
		snprintf(to, NAME_CAP, "%.*s%s", (int)(NAME_CAP - 1 - rest),
			 name, mark);
	else
		snprintf(to, NAME_CAP, "%.*s%s%s", (int)stem, name, mark,
			 rest > strlen(mark) ? name + stem : "");
}

/* Under a name of its own; one that stands there already is not made again. */
static int make_beside(struct walk *w, const struct vault_attr *o, uint64_t dir,
		       const char *name, struct vault_attr *ret)
{
	char beside[NAME_CAP];
	int r = 0;

	for (unsigned i = 1; i < BESIDE_MAX; i++) {
		name_beside(w, name, i, beside);
		r = vault_lookup(w->new, dir, name_of(beside), ret);
		if (r == 0) {
			r = make(w, o, dir, beside, ret);
			return r < 0 ? r : tell(w, VAULT_KEPT_BESIDE, beside);
		}
		if (r > 0)
			r = is_same(w, o, ret);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return -EEXIST;
}

/* Another file was put in the place of the one that stands there: as a program
 * saves by rename. */
static int put_over(struct walk *w, const struct vault_attr *o,
		    struct vault_attr *n, uint64_t dir, const char *name)
{
	char beside[NAME_CAP];
	int r = 1;

	for (unsigned i = 1; r > 0 && i < BESIDE_MAX; i++) {
		name_beside(w, name, i, beside);
		r = vault_lookup(w->new, dir, name_of(beside), n);
	}
	if (r == 0)
		r = make(w, o, dir, beside, n);
	if (r == 0)
		r = vault_rename(w->new, dir, name_of(beside), dir,
				 name_of(name), 0);
	return r == 0 ? tell(w, VAULT_KEPT, name) : r < 0 ? r : -EEXIST;
}

/* ---------------------------------------------------------------- one entry */

/* What stands there in the new one is the same inode, or was moved there. */
static int settle_there(struct walk *w, const struct vault_attr *o,
			struct vault_attr *n, uint64_t dir, const char *name)
{
	int r = is_same(w, o, n);
	bool is_written = false;

	if (r == 0 && S_ISREG(o->mode) && S_ISREG(n->mode) &&
	    accept_has_gone_beyond(w->old, o->ino, w->new, n->ino) == 1) {
		r = accept_replace(w->old, o->ino, w->new, n->ino);
		if (r == 0)
			r = tell(w, VAULT_KEPT, name);
		is_written = r == 0;
	}
	if (r == 0 && !is_written) {
		r = S_ISDIR(o->mode) || S_ISDIR(n->mode) ?
			    0 : accept_was_removed(w->old, w->new, n->ino);
		if (r < 0)
			return r;
		return r ? put_over(w, o, n, dir, name) :
			   make_beside(w, o, dir, name, n);
	}
	return r < 0 ? r :
		       accept_attributes(w->old, o->ino, w->new, n->ino,
					 is_written);
}

static int settle_absent(struct walk *w, const struct vault_attr *o,
			 struct vault_attr *n, uint64_t dir, const char *name)
{
	uint64_t from = 0;
	char from_name[NAME_CAP];
	int r = 0;

	if (!find_twin(w, o->ino) && (S_ISDIR(o->mode) || o->nlink == 1))
		r = accept_find_moved(w->old, o->ino, w->new, &from, from_name);
	if (r > 0) {
		r = vault_rename(w->new, from, name_of(from_name), dir,
				 name_of(name), VAULT_RENAME_NOREPLACE);
		if (r == 0)
			r = tell(w, VAULT_KEPT, name);
		if (r == 0)
			r = vault_lookup(w->new, dir, name_of(name), n);
		/* A folder below itself is made anew. */
		if (r > 0)
			return settle_there(w, o, n, dir, name);
		r = r == -EINVAL ? 0 : r;
	}
	if (r == 0)
		r = make(w, o, dir, name, n);
	return r < 0 ? r : tell(w, VAULT_KEPT, name);
}

static int settle(struct walk *w, const struct entry *e, uint64_t dir)
{
	struct vault_attr o, n = { .ino = 0 };
	int r = vault_getattr(w->old, e->ino, &o);

	if (r < 0)
		return r;
	r = vault_lookup(w->new, dir, name_of(e->name), &n);
	if (r > 0)
		r = settle_there(w, &o, &n, dir, e->name);
	else if (r == 0)
		r = settle_absent(w, &o, &n, dir, e->name);
	if (r < 0 && is_lost(r))
		return tell(w, VAULT_LOST, e->name);
	if (r == 0)
		r = note_twin(w, &o, n.ino);
	if (r == 0 && S_ISDIR(o.mode))
		r = push(w, e->ino, n.ino, e->name);
	return r;
}

/* ---------------------------------------------------------------- walking */

static int take_entry(void *arg, const struct vault_entry *e)
{
	struct batch *b = arg;
	struct entry *to = &b->list[b->n];

	if (b->n == BATCH)
		return 1;
	to->ino = e->ino;
	memcpy(to->name, e->name.bytes, e->name.len);
	to->name[e->name.len] = '\0';
	b->next = e->next;
	b->n++;
	return 0;
}

typedef int entry_fn(struct walk *w, const struct entry *e, uint64_t other);

/* Each entry of a directory of `v`. */
static int each_entry(struct walk *w, struct vault *v, uint64_t dir,
		      entry_fn *fn, uint64_t other)
{
	auto_free struct batch *b = mem_zalloc(sizeof(*b));
	int r = b ? 0 : -ENOMEM;

	while (r == 0) {
		b->n = 0;
		r = vault_readdir(v, dir, b->next, false, take_entry, b);
		if (r < 0 || b->n == 0)
			break;
		r = 0;
		for (unsigned i = 0; r == 0 && i < b->n; i++)
			r = fn(w, &b->list[i], other);
	}
	return r < 0 ? r : 0;
}

/* Deleted on this device, and shown again: unless its contents went with it. */
static int settle_again(struct walk *w, const struct entry *e, uint64_t dir)
{
	struct vault_attr n;
	int r = vault_getattr(w->new, e->ino, &n);

	if (r == 0 && S_ISREG(n.mode)) {
		r = accept_read_all(w->new, e->ino);
		if (r < 0 && is_lost(r))
			return vault_unlink(w->new, dir, name_of(e->name));
	}
	w->res->n_again += r == 0;
	return r;
}

/* Shown by the new one, and not by the old one, which had seen it. */
static int count_again(struct walk *w, const struct entry *e, uint64_t old_dir)
{
	struct vault_attr o, n;
	int r = vault_lookup(w->old, old_dir, name_of(e->name), &o);

	if (r < 0)
		return r;
	if (r == 0) {
		r = accept_was_removed(w->old, w->new, e->ino);
		return r > 0 ? settle_again(w, e, w->new_dir) : r;
	}
	r = vault_getattr(w->new, e->ino, &n);
	if (r == 0 && S_ISDIR(n.mode) && S_ISDIR(o.mode))
		r = push(w, o.ino, e->ino, e->name);
	return r;
}

static int walk_all(struct walk *w, bool counting)
{
	int r = push(w, VAULT_ROOT_INO, VAULT_ROOT_INO, NULL);

	while (r == 0 && w->n_todo > 0) {
		struct folder f = w->todo[--w->n_todo];

		w->path = f.path;
		w->new_dir = f.new;
		r = counting ? each_entry(w, w->new, f.new, count_again,
					  f.old) :
			       each_entry(w, w->old, f.old, settle, f.new);
		mem_free(f.path);
	}
	while (w->n_todo > 0)
		mem_free(w->todo[--w->n_todo].path);
	return r;
}

int accept_tree(struct vault *old, struct vault *new,
		const struct vault_accept_options *how,
		struct vault_accept_result *res)
{
	struct walk w = { .old = old, .new = new, .how = how, .res = res };
	int r = walk_all(&w, false);

	if (r == 0)
		r = accept_attributes(old, VAULT_ROOT_INO, new, VAULT_ROOT_INO,
				      false);
	if (r == 0)
		r = walk_all(&w, true);
	mem_free(w.todo);
	mem_free(w.twins);
	return r;
}
