/* SPDX-License-Identifier: ISC */
/*
 * The input is a script of calls on a vault; a model is told the same.  Between
 * them the vault is closed and opened, dropped as a kill drops it, cut off from
 * its disk at a chosen call, rebuilt, collected, and damaged.  What it shows is
 * the model; after a crash a state the model had, not before the last that was
 * confirmed; with damage that or an error.
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "vault/care.h"
#include "vault/file.h"
#include "vault/tree.h"
#include "world.h"

/* replay_main.c */
extern size_t fuzz_vary_step;
size_t fuzz_vary_step = 3;

struct script {
	const uint8_t *data;
	size_t size;
	struct world w;
};

static unsigned take(struct script *s, size_t n)
{
	return (unsigned)fuzz_number(&s->data, &s->size, n);
}

/* ---------------------------------------------------------------- names */

static struct vault_name name_of(unsigned name)
{
	static char text[4][4];
	static unsigned turn;
	char *to = text[turn++ % 4];

	snprintf(to, sizeof(text[0]), "n%u", name);
	return (struct vault_name){ to, strlen(to) };
}

/* The inode's number; 0: the disk is dead. */
static uint64_t number_of(struct script *s, unsigned inode)
{
	char path[MODEL_PATH_MAX];
	struct vault_attr at;
	int r;

	model_path(&s->w.m, inode, path);
	r = vault_walk(s->w.v, path, &at);
	if (!world_expect(&s->w, r, true, "walking"))
		return 0;
	FUZZ_REQUIRE(r == 1);
	return at.ino;
}

/* A folder and a name in it. */
struct place {
	unsigned dir, name;
	uint64_t ino; /* of the folder; 0: the disk is dead */
	int inode;    /* what is there; -1: nothing */
};

static struct place take_place(struct script *s)
{
	unsigned byte = take(s, 1);
	struct place p = {
		.dir = (unsigned)model_pick_dir(&s->w.m, byte / MODEL_NAMES),
		.name = byte % MODEL_NAMES,
	};

	p.inode = model_find(&s->w.m, p.dir, p.name);
	p.ino = number_of(s, p.dir);
	return p;
}

/* ---------------------------------------------------------------- the tree */

static void step_make(struct script *s, uint32_t type)
{
	struct place p = take_place(s);
	struct vault_new what = { .mode = type | (take(s, 1) & 0777) };
	struct vault_attr at;
	int made = -1, r;

	if (type == S_IFLNK) {
		what.mode = S_IFLNK | 0777;
		what.target = name_of(p.name);
	}
	if (!p.ino)
		return;
	if (p.inode < 0) {
		made = model_make(&s->w.m, p.dir, p.name, what.mode);
		if (made < 0)
			return; /* the model is full */
	}
	if (type == S_IFLNK && made >= 0)
		model_set(&s->w.m, (unsigned)made, what.target.bytes,
			  what.target.len);
	r = vault_make(s->w.v, p.ino, name_of(p.name), &what, false, &at);
	world_expect(&s->w, r, p.inode < 0, "making");
}

static void step_remove(struct script *s, bool is_dir)
{
	struct place p = take_place(s);
	bool may;
	int r;

	if (!p.ino)
		return;
	may = p.inode >= 0 &&
	      model_is_dir(&s->w.m, (unsigned)p.inode) == is_dir &&
	      (!is_dir || model_is_empty(&s->w.m, (unsigned)p.inode));
	r = is_dir ? vault_rmdir(s->w.v, p.ino, name_of(p.name)) :
		     vault_unlink(s->w.v, p.ino, name_of(p.name));
	if (may)
		model_unlink(&s->w.m, p.dir, p.name);
	world_expect(&s->w, r, may, "removing");
}

static bool may_rename(const struct model *m, const struct place *a,
		       const struct place *b, unsigned flags)
{
	bool is_dir;

	if (a->inode < 0)
		return false;
	is_dir = model_is_dir(m, (unsigned)a->inode);
	if (is_dir && model_is_below(m, b->dir, (unsigned)a->inode))
		return false;
	if (flags & VAULT_RENAME_EXCHANGE)
		return b->inode >= 0 &&
		       !(model_is_dir(m, (unsigned)b->inode) &&
			 model_is_below(m, a->dir, (unsigned)b->inode));
	if (b->inode < 0)
		return true;
	if (flags & VAULT_RENAME_NOREPLACE)
		return false;
	if (a->inode == b->inode)
		return true;
	return model_is_dir(m, (unsigned)b->inode) == is_dir &&
	       (!is_dir || model_is_empty(m, (unsigned)b->inode));
}

static void step_rename(struct script *s)
{
	static const unsigned kinds[] = { 0, 0, VAULT_RENAME_NOREPLACE,
					  VAULT_RENAME_EXCHANGE };
	struct place a = take_place(s), b = take_place(s);
	unsigned flags = kinds[take(s, 1) % array_len(kinds)];
	bool may;
	int r;

	if (!a.ino || !b.ino)
		return;
	may = may_rename(&s->w.m, &a, &b, flags);
	r = vault_rename(s->w.v, a.ino, name_of(a.name), b.ino,
			 name_of(b.name), flags);
	if (may)
		model_rename(&s->w.m, a.dir, a.name, b.dir, b.name,
			     flags & VAULT_RENAME_EXCHANGE);
	world_expect(&s->w, r, may, "renaming");
}

static void step_link(struct script *s)
{
	int inode = model_pick_file(&s->w.m, take(s, 1));
	struct place p = take_place(s);
	struct vault_attr at;
	uint64_t ino;
	int r;

	if (inode < 0 || !p.ino)
		return;
	ino = number_of(s, (unsigned)inode);
	if (!ino)
		return;
	if (p.inode < 0 &&
	    !model_link(&s->w.m, p.dir, p.name, (unsigned)inode))
		return;
	r = vault_link(s->w.v, ino, p.ino, name_of(p.name), &at);
	world_expect(&s->w, r, p.inode < 0, "linking");
}

static void step_mode(struct script *s)
{
	int inode = model_pick(&s->w.m, take(s, 1));
	struct vault_attr at = { .mode = take(s, 1) & 0777 }, now;
	uint64_t ino = number_of(s, (unsigned)inode);
	struct model_inode *n = &s->w.m.inodes[inode];
	int r;

	if (!ino || S_ISLNK(n->mode))
		return;
	r = vault_setattr(s->w.v, ino, VAULT_SET_MODE, &at, &now);
	n->mode = (n->mode & S_IFMT) | at.mode;
	world_expect(&s->w, r, true, "setting the mode");
}

static void step_xattr(struct script *s)
{
	int inode = model_pick(&s->w.m, take(s, 1));
	uint8_t value = (uint8_t)take(s, 1);
	uint64_t ino = number_of(s, (unsigned)inode);
	struct model_inode *n = &s->w.m.inodes[inode];
	bool may = value || n->xattr;
	int r;

	/* The root is in no listing. */
	if (!ino || inode == (int)MODEL_ROOT)
		return;
	r = value ? vault_setxattr(s->w.v, ino, "user.x", &value, 1, 0) :
		    vault_removexattr(s->w.v, ino, "user.x");
	n->xattr = value;
	world_expect(&s->w, r, may, "setting an attribute");
}

/* ---------------------------------------------------------------- contents */

struct file {
	unsigned inode;
	uint64_t ino;
};

static bool take_file(struct script *s, struct file *ret)
{
	int inode = model_pick_file(&s->w.m, take(s, 1));

	if (inode < 0)
		return false;
	ret->inode = (unsigned)inode;
	ret->ino = number_of(s, ret->inode);
	return ret->ino != 0;
}

/* A range inside what a file may be; offsets and lengths of all magnitudes. */
static void take_range(struct script *s, uint64_t *ret_offset, size_t *ret_len)
{
	uint64_t offset = take(s, 3) % (MODEL_FILE_MAX - 1);
	size_t len = take(s, 2);

	if (len & 0x8000)
		len = (len & 0x7fff) * 4;
	*ret_offset = offset;
	*ret_len = 1 + min_of(len, (size_t)(MODEL_FILE_MAX - offset - 1));
}

/* Some of it repeats, so that there are equal chunks. */
static void fill(uint8_t *to, size_t len, unsigned seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		if (seed % 4)
			x = x * 1664525u + 1013904223u;
		to[i] = (uint8_t)(x >> 24);
	}
}

static void step_write(struct script *s, bool append)
{
	static uint8_t bytes[MODEL_FILE_MAX];
	struct file f;
	uint64_t offset;
	size_t len;
	int r;

	if (!take_file(s, &f))
		return;
	take_range(s, &offset, &len);
	if (append)
		offset = model_size(&s->w.m, f.inode);
	if (offset + len > MODEL_FILE_MAX)
		return;
	fill(bytes, len, take(s, 1));
	r = vault_write(s->w.v, f.ino, bytes, len, append ? 0 : offset,
			append ? VAULT_WRITE_APPEND : 0);
	model_write(&s->w.m, f.inode, offset, bytes, len);
	world_expect(&s->w, r, true, "writing");
}

static void step_truncate(struct script *s)
{
	struct vault_attr at = { 0 }, now;
	struct file f;
	int r;

	if (!take_file(s, &f))
		return;
	at.size = take(s, 3) % MODEL_FILE_MAX;
	r = vault_setattr(s->w.v, f.ino, VAULT_SET_SIZE, &at, &now);
	model_truncate(&s->w.m, f.inode, at.size);
	world_expect(&s->w, r, true, "truncating");
}

static void model_allocate(struct model *m, unsigned inode, unsigned flags,
			   uint64_t offset, size_t len)
{
	static const uint8_t zeros[MODEL_FILE_MAX];
	uint64_t size = model_size(m, inode);

	if (!(flags & VAULT_ALLOCATE_KEEP_SIZE) && offset + len > size) {
		model_truncate(m, inode, offset + len);
		size = offset + len;
	}
	if (flags & (VAULT_ALLOCATE_PUNCH | VAULT_ALLOCATE_ZERO) &&
	    offset < size)
		model_write(m, inode, offset, zeros,
			    (size_t)min_of((uint64_t)len, size - offset));
}

static void step_allocate(struct script *s)
{
	static const unsigned kinds[] = {
		0,
		VAULT_ALLOCATE_KEEP_SIZE,
		VAULT_ALLOCATE_ZERO,
		VAULT_ALLOCATE_ZERO | VAULT_ALLOCATE_KEEP_SIZE,
		VAULT_ALLOCATE_PUNCH | VAULT_ALLOCATE_KEEP_SIZE,
		VAULT_ALLOCATE_PUNCH | VAULT_ALLOCATE_KEEP_SIZE,
	};
	struct file f;
	uint64_t offset;
	unsigned flags;
	size_t len;
	int r;

	if (!take_file(s, &f))
		return;
	flags = kinds[take(s, 1) % array_len(kinds)];
	take_range(s, &offset, &len);
	r = vault_fallocate(s->w.v, f.ino, flags, offset, len);
	model_allocate(&s->w.m, f.inode, flags, offset, len);
	world_expect(&s->w, r, true, "allocating");
}

/* It may copy less than it is asked for: what it says counts. */
static void step_copy(struct script *s)
{
	static uint8_t bytes[MODEL_FILE_MAX];
	struct file from, to;
	uint64_t at, offset;
	const struct blob *b;
	size_t len;
	bool may;
	ssize_t n;

	if (!take_file(s, &from) || !take_file(s, &to))
		return;
	take_range(s, &at, &len);
	offset = take(s, 3) % MODEL_FILE_MAX;
	len = min_of(len, (size_t)(MODEL_FILE_MAX - offset));
	may = from.inode != to.inode || at + len <= offset ||
	      offset + len <= at;
	n = vault_copy_range(s->w.v, from.ino, at, to.ino, offset, len);
	b = s->w.m.inodes[from.inode].data;
	if (n > 0) {
		FUZZ_REQUIRE(b && at + (uint64_t)n <= b->len &&
			     (size_t)n <= len);
		memcpy(bytes, b->bytes + at, (size_t)n);
		model_write(&s->w.m, to.inode, offset, bytes, (size_t)n);
	}
	FUZZ_REQUIRE(n != 0 || !may || s->w.disk.n_left == 0 || !b ||
		     at >= b->len);
	world_expect(&s->w, (int)n, may, "copying");
}

static void step_read(struct script *s)
{
	static uint8_t bytes[MODEL_FILE_MAX];
	const struct blob *b;
	struct file f;
	uint64_t offset, size;
	size_t len;
	ssize_t n;

	if (!take_file(s, &f))
		return;
	take_range(s, &offset, &len);
	n = vault_pread(s->w.v, f.ino, bytes, len, offset);
	if (!world_expect(&s->w, (int)n, true, "reading"))
		return;
	b = s->w.m.inodes[f.inode].data;
	size = b ? b->len : 0;
	FUZZ_REQUIRE((uint64_t)n == (offset >= size ? 0 :
				     min_of((uint64_t)len, size - offset)));
	FUZZ_REQUIRE(n == 0 || memcmp(bytes, b->bytes + offset,
				      (size_t)n) == 0);
}

static void step_fsync(struct script *s)
{
	struct file f;
	int r;

	if (!take_file(s, &f))
		return;
	r = vault_fsync(s->w.v, f.ino);
	if (world_expect(&s->w, r, true, "syncing a file"))
		world_confirm_file(&s->w, f.inode);
}

/* ---------------------------------------------------------------- care */

static void step_durable(struct script *s, int (*fn)(struct vault *v),
			 bool is_published)
{
	int r = fn(s->w.v);

	if (!world_expect(&s->w, r, true, "making durable"))
		return;
	world_confirm(&s->w);
	if (is_published)
		s->w.published = s->w.confirmed;
}

static void step_gc(struct script *s)
{
	struct vault_gc_result result;
	int r = vault_gc(s->w.v, take(s, 1) & 1, &result);

	world_expect(&s->w, r, true, "collecting garbage");
}

static void finding(void *arg, enum vault_finding kind, const char *what,
		    int err, const char *why)
{
	const struct world *w = arg;

	if (kind != VAULT_FINDING_DAMAGE || w->disk.n_left == 0)
		return;
	fprintf(stderr, "check finds: %s: %s (%s)\n", what, why, err_text(err));
	abort();
}

static void step_check(struct script *s)
{
	const struct vault_check_options check = {
		.read_data = take(s, 1) & 1,
		.n_threads = 1,
		.finding = finding,
		.arg = &s->w,
	};
	struct vault_check_result result;
	int r = vault_check(s->w.v, &check, &result);

	world_expect(&s->w, r, true, "checking");
}

/* ---------------------------------------------------------------- steps */

static void step(struct script *s)
{
	const unsigned n = take(s, 1) % 32;

	switch (n) {
	case 0:
		step_make(s, S_IFDIR);
		break;
	case 1:
	case 2:
		step_make(s, S_IFREG);
		break;
	case 3:
		step_make(s, S_IFLNK);
		break;
	case 4:
		step_remove(s, false);
		break;
	case 5:
		step_remove(s, true);
		break;
	case 6:
	case 7:
		step_rename(s);
		break;
	case 8:
		step_link(s);
		break;
	case 9:
		step_mode(s);
		break;
	case 10:
		step_xattr(s);
		break;
	case 11:
	case 12:
	case 13:
		step_write(s, false);
		break;
	case 14:
		step_write(s, true);
		break;
	case 15:
		step_truncate(s);
		break;
	case 16:
		step_allocate(s);
		break;
	case 17:
		step_copy(s);
		break;
	case 18:
		step_read(s);
		break;
	case 19:
		step_fsync(s);
		break;
	case 20:
		step_durable(s, vault_sync, false);
		break;
	case 21:
		step_durable(s, vault_publish, true);
		break;
	case 22:
		step_durable(s, vault_receive, true);
		break;
	case 23:
		step_gc(s);
		break;
	case 24:
		step_check(s);
		break;
	case 25:
		s->w.disk.n_left = 1 + take(s, 1);
		break;
	case 26:
		world_remount(&s->w);
		break;
	case 27:
		world_crash(&s->w);
		break;
	case 28:
		world_rebuild(&s->w);
		break;
	case 29:
		world_peek(&s->w);
		break;
	case 30:
		world_damage(&s->w, take(s, 1) & 1, &s->data, &s->size);
		break;
	default:
		world_flip(&s->w, take(s, 4));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct script s;

	s = (struct script){ .data = data, .size = size };
	world_begin(&s.w);
	while (s.size > 0 && !world_is_full(&s.w)) {
		step(&s);
		/* Each call may have been done in full when the disk died. */
		world_note(&s.w);
		if (s.w.disk.n_left == 0)
			world_crash(&s.w);
	}
	world_end(&s.w);
	return 0;
}
