/* SPDX-License-Identifier: ISC */
/*
 * Devices in memory, played by tests/merge/test_merge_oracle.py: the vault's
 * merging, view and settling over an index in memory, without journal, packs or
 * disk.  Contents travel inside operations.  Segments are batches of encoded
 * operations, kept here for every device to receive.
 *
 * One command a line, fields separated by tabs; one answer: "ok ...", or
 * "error NAME".  `tree` answers with lines of fields, then "ok".
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "vault/content/extents.h"
#include "vault/core.h"
#include "vault/log/devices.h"
#include "vault/merge/merge.h"
#include "vault/merge/view.h"
#include "vault/snapshot/snap_state.h"
#include "vault/tree.h"
#include "vault/tree/holds.h"

#define MAX_DEVICES 16
#define MAX_FIELDS 8
#define LINE 8192

struct context {
	uint64_t writer, seq;
};

struct segment {
	uint64_t writer, seq;
	struct context *vv;
	unsigned n_vv;
	uint8_t *raw; /* encoded operations */
	size_t raw_bytes;
	struct segment *next;
};

struct device {
	char name[16];
	struct vault *v;
	struct context applied[MAX_DEVICES];
	unsigned n_applied;
	struct segment **waiting;
	unsigned n_waiting;
};

static struct device devices[MAX_DEVICES];
static unsigned n_devices;
static struct segment *segments;
static int64_t wall_ns;

static int64_t wall(void)
{
	return wall_ns;
}

static void die(const char *what, int err)
{
	fprintf(stderr, "device: %s: %s\n", what, err_name(err));
	exit(1);
}

static void check(const char *what, int r)
{
	if (r < 0)
		die(what, r);
}

/* ---------------------------------------------------------------- contents */

/* The operation `version` names, if these bytes hold it. */
static bool find_op(struct dot version, uint32_t first_index,
		    const uint8_t *raw, size_t bytes, struct op *ret)
{
	struct cursor c;

	cursor_init(&c, raw, bytes);
	for (uint32_t i = first_index; cursor_left(&c) > 0; i++) {
		check("decode", op_decode(&c, ret));
		if (i == version.index)
			return true;
	}
	return false;
}

static bool find_version(struct vault *v, struct dot version, struct op *ret)
{
	for (struct segment *s = segments; s; s = s->next)
		if (s->writer == version.writer && s->seq == version.seq)
			return find_op(version, 0, s->raw, s->raw_bytes, ret);
	/* Not sealed yet: among the operations of the device itself. */
	for (struct oplog_piece *p = v->oplog.first; p; p = p->next)
		if (v->writer == version.writer && p->seq == version.seq &&
		    find_op(version, p->first_index, p->raw.data, p->raw.len,
			    ret))
			return true;
	return false;
}

/* Every write here is of the whole file, so a version is its own operation, or
 * that of the version it takes over unchanged. */
int extents_rebuild(struct vault *v, struct dot version, uint64_t to,
		    uint64_t *ret_size, uint64_t *ret_data_bytes)
{
	struct op op;

	*ret_size = *ret_data_bytes = 0;
	do {
		if (!find_version(v, version, &op))
			return ERR_MISSING;
		if (op.type != OP_CONTENT)
			return 0;
		version = op.content.base;
	} while (!op.content.whole && op.content.extents.n == 0);
	*ret_size = op.content.size;
	return extents_apply(v, to, true, op.content.size, &op.content.extents,
			     0, ret_data_bytes);
}

/* ---------------------------------------------------------------- devices */

static struct vault *new_vault(uint64_t writer)
{
	struct vault *v = mem_zalloc(sizeof(*v));
	struct index_options o = { .env = env_posix(), .dirfd = -1,
				   .cache_bytes = 1 << 20, .create = true };
	struct node *root;

	if (!v)
		die("vault", -ENOMEM);
	v->env = env_posix();
	v->writer = writer;
	lock_init(&v->cut_lock, LOCK_CUT, 0);
	rwlock_init(&v->session, LOCK_SESSION);
	lock_init(&v->index_lock, LOCK_INDEX, 0);
	lock_init(&v->changed_lock, LOCK_LEAF, 0);
	check("index", index_open(&o, &v->index));
	check("nodes", node_cache_new(v->index, 1 << 20, &v->nodes));
	check("oplog", oplog_init(&v->oplog, 1));
	v->oplog.writer = writer;
	check("holds", holds_new(&v->holds));
	check("holds", holds_new(&v->lingering));
	check("root", node_new(v->nodes, (struct inode_id){ 0, 0 }, &root));
	root->kind = KIND_DIR;
	root->rep = root->ino;
	root->n_united = 1;
	root->mode = 0755;
	node_put(root);
	return v;
}

static void free_vault(struct vault *v)
{
	node_cache_free(v->nodes);
	index_close(v->index);
	oplog_release(&v->oplog);
	holds_free(v->holds);
	holds_free(v->lingering);
	lock_release(&v->cut_lock);
	rwlock_release(&v->session);
	lock_release(&v->index_lock);
	lock_release(&v->changed_lock);
	mem_free(v->gone);
	mem_free(v);
}

static struct device *find_device(const char *name)
{
	for (unsigned i = 0; i < n_devices; i++)
		if (strcmp(devices[i].name, name) == 0)
			return &devices[i];
	die(name, -ENOENT);
	return NULL;
}

static struct context *context_of(struct device *d, uint64_t writer)
{
	for (unsigned i = 0; i < d->n_applied; i++)
		if (d->applied[i].writer == writer)
			return &d->applied[i];
	d->applied[d->n_applied] = (struct context){ writer, 0 };
	return &d->applied[d->n_applied++];
}

/* Names for N1: every device knows every other's, as if added before. */
static void name_devices(struct device *d, const char *name, uint64_t writer)
{
	struct op op = { .type = OP_DEVICE_ADD, .clock = 1,
			 .dot = { writer, 1, 0 } };

	op.device.writer = writer;
	op.device.name = (struct op_name){ (const uint8_t *)name,
					   (uint16_t)strlen(name) };
	check("device", device_apply(d->v, &op));
}

static void do_start(const char *name, uint64_t writer)
{
	struct device *d = &devices[n_devices++];

	*d = (struct device){ .v = new_vault(writer) };
	snprintf(d->name, sizeof(d->name), "%s", name);
	for (unsigned i = 0; i < n_devices; i++) {
		name_devices(&devices[i], name, writer);
		name_devices(d, devices[i].name, devices[i].v->writer);
	}
}

static void do_reset(void)
{
	for (unsigned i = 0; i < n_devices; i++) {
		free_vault(devices[i].v);
		mem_free(devices[i].waiting);
	}
	n_devices = 0;
	while (segments) {
		struct segment *s = segments;

		segments = s->next;
		mem_free(s->raw);
		mem_free(s->vv);
		mem_free(s);
	}
}

/* ---------------------------------------------------------------- segments */

static void do_seal(struct device *d)
{
	struct oplog *l = &d->v->oplog;
	auto_buf struct buf raw = BUF_INIT(MEM_MAX);
	uint64_t seq = l->seq;

	if (l->n_unsealed == 0)
		return;
	for (struct oplog_piece *p = l->first; p; p = p->next)
		buf_put(&raw, p->raw.data, p->raw.len);
	struct segment *s = mem_zalloc(sizeof(*s));
	if (!s)
		die("segment", -ENOMEM);
	s->writer = d->v->writer;
	s->seq = seq;
	s->raw = buf_take(&raw, &s->raw_bytes);
	s->vv = mem_dup(d->applied, sizeof(d->applied));
	s->n_vv = d->n_applied;
	s->next = segments;
	segments = s;
	check("seal", oplog_seal(l));
	oplog_drop_through(l, seq);
	context_of(d, s->writer)->seq = seq;
}

static bool is_ready(struct device *d, const struct segment *s)
{
	for (unsigned i = 0; i < s->n_vv; i++)
		if (s->vv[i].writer != s->writer &&
		    context_of(d, s->vv[i].writer)->seq < s->vv[i].seq)
			return false;
	return true;
}

static void apply_segment(struct device *d, const struct segment *s)
{
	struct cursor c;
	struct op op;
	uint32_t index = 0;

	cursor_init(&c, s->raw, s->raw_bytes);
	lock_take(&d->v->index_lock);
	while (cursor_left(&c) > 0) {
		check("decode", op_decode(&c, &op));
		op.dot = (struct dot){ s->writer, s->seq, index++ };
		oplog_see(&d->v->oplog, op.clock);
		check("apply", merge_apply(d->v, &op));
	}
	lock_drop(&d->v->index_lock);
	context_of(d, s->writer)->seq = s->seq;
}

static void do_receive(struct device *d, uint64_t writer, uint64_t seq)
{
	struct segment *s = segments;
	bool again = true;

	do_seal(d);
	while (s && (s->writer != writer || s->seq != seq))
		s = s->next;
	if (!s)
		die("receive", -ENOENT);
	d->waiting = mem_realloc_array(d->waiting, d->n_waiting + 1,
				       sizeof(struct segment *));
	if (!d->waiting)
		die("receive", -ENOMEM);
	d->waiting[d->n_waiting++] = s;
	while (again) {
		again = false;
		for (unsigned i = 0; i < d->n_waiting; i++) {
			s = d->waiting[i];
			uint64_t done = context_of(d, s->writer)->seq;

			if (s->seq > done + 1 ||
			    (s->seq == done + 1 && !is_ready(d, s)))
				continue;
			d->waiting[i--] = d->waiting[--d->n_waiting];
			if (s->seq <= done)
				continue;
			apply_segment(d, s);
			again = true;
		}
	}
}

/* ---------------------------------------------------------------- calls */

struct target {
	uint64_t parent;
	struct vault_name name;
	struct vault_attr attr; /* ino 0: absent */
};

/* -ENOENT, -ENOTDIR: no such parent. */
static int locate(struct vault *v, const char *path, struct target *ret)
{
	const char *slash = strrchr(path, '/');
	auto_free char *up = mem_strdup(path);
	struct vault_attr dir;

	if (!up)
		die("path", -ENOMEM);
	up[slash ? slash - path : 0] = '\0';
	*ret = (struct target){ 0 };
	int r = vault_walk(v, up, &dir);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	ret->parent = dir.ino;
	ret->name.bytes = slash ? slash + 1 : path;
	ret->name.len = strlen(ret->name.bytes);
	r = vault_lookup(v, ret->parent, ret->name, &ret->attr);
	return r < 0 ? r : 0;
}

/* As a write does before its cut. */
static int set_live(struct vault *v, uint64_t ino, const struct op_content *c)
{
	auto_node struct node *n = NULL;
	int r = node_get(v->nodes, ino, &n);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	n->size = c->size;
	n->mtime_ns = c->mtime_ns;
	n->ctime_ns = c->ctime_ns;
	node_dirty(n);
	return 0;
}

static int write_all(struct vault *v, uint64_t ino, const char *data)
{
	auto_buf struct buf raw = BUF_INIT(4096);
	struct oplog_piece *reserved;
	struct extent x = { .length = strlen(data), .kind = EXTENT_INLINE,
			    .bytes = (const uint8_t *)data };
	struct op_content c = { .size = x.length, .mtime_ns = wall_ns,
				.ctime_ns = wall_ns };

	lock_take(&v->index_lock);
	int r = merge_prepare_write(v, ino);
	if (r == 0)
		r = oplog_cut(&v->oplog, 1, &reserved);
	if (r == 0)
		r = set_live(v, ino, &c);
	if (r == 0) {
		extent_put(&raw, &x);
		c.extents = (struct extent_list){ raw.data, (uint32_t)raw.len,
						  1 };
		r = merge_emit_content(v, reserved, ino, &c, false);
	}
	lock_drop(&v->index_lock);
	return r;
}

static int do_new(struct vault *v, struct target *t, uint32_t mode,
		  const char *target, const char *data)
{
	struct vault_new what = { .mode = mode };
	struct vault_attr attr;

	if (target)
		what.target = (struct vault_name){ target, strlen(target) };
	int r = vault_make(v, t->parent, t->name, &what, false, &attr);
	return r == 0 && data && *data ? write_all(v, attr.ino, data) : r;
}

static int do_set(struct vault *v, struct target *t, const char *kind,
		  const char *name, const char *value)
{
	struct vault_attr attr = { 0 };
	char xattr[64];

	if (!t->attr.ino)
		return -ENOENT;
	if (strcmp(kind, "ATTR") == 0) {
		attr.mode = (uint32_t)strtoul(value, NULL, 10);
		return vault_setattr(v, t->attr.ino, VAULT_SET_MODE, &attr,
				     &attr);
	}
	snprintf(xattr, sizeof(xattr), "user.%s", name);
	return vault_setxattr(v, t->attr.ino, xattr, value, strlen(value), 0);
}

static int two_paths(struct vault *v, const char *op, struct target *a,
		     const char *other)
{
	struct target b;
	struct vault_attr attr;
	int r = locate(v, other, &b);

	if (r < 0)
		return r;
	if (!a->attr.ino)
		return -ENOENT;
	if (strcmp(op, "link") == 0)
		return vault_link(v, a->attr.ino, b.parent, b.name, &attr);
	return vault_rename(v, a->parent, a->name, b.parent, b.name,
			    strcmp(op, "exchange") == 0 ?
				    VAULT_RENAME_EXCHANGE : 0);
}

static int do_op(struct vault *v, char **f, unsigned n)
{
	const char *op = f[0];
	const char *arg = n > 2 ? f[2] : "";
	struct target t;
	int r = locate(v, f[1], &t);

	if (r < 0)
		return r;
	if (strcmp(op, "create") == 0)
		return do_new(v, &t, S_IFREG | 0644, NULL, arg);
	if (strcmp(op, "mkdir") == 0)
		return do_new(v, &t, S_IFDIR | 0755, NULL, NULL);
	if (strcmp(op, "symlink") == 0)
		return do_new(v, &t, S_IFLNK | 0777, arg, NULL);
	if (strcmp(op, "unlink") == 0)
		return vault_unlink(v, t.parent, t.name);
	if (strcmp(op, "rmdir") == 0)
		return vault_rmdir(v, t.parent, t.name);
	if (strcmp(op, "setattr") == 0 && n > 4)
		return do_set(v, &t, f[2], f[3], f[4]);
	if (strcmp(op, "write") == 0) {
		if (!t.attr.ino)
			return -ENOENT;
		if (!S_ISREG(t.attr.mode))
			return -EISDIR;
		return write_all(v, t.attr.ino, arg);
	}
	return two_paths(v, op, &t, arg);
}

/* ---------------------------------------------------------------- the tree */

static int data_fn(void *arg, const struct index_extent *e)
{
	struct buf *b = arg;

	if (e->kind == EXTENT_INLINE)
		buf_put(b, e->bytes, e->length);
	return 0;
}

static void print_xattrs(struct vault *v, uint64_t ino)
{
	char names[4096], value[256];
	ssize_t n = vault_listxattr(v, ino, names, sizeof(names));

	check("listxattr", (int)n);
	for (char *p = names; p < names + n; p += strlen(p) + 1) {
		ssize_t len = vault_getxattr(v, ino, p, value, sizeof(value));

		check("getxattr", (int)len);
		printf("\t%s=%.*s", p, (int)len, value);
	}
}

struct printer {
	struct vault *v;
	const char *prefix;
	uint64_t *dirs;
	char **names;
	unsigned n;
};

static void print_entry(struct vault *v, const char *path,
			const struct vault_attr *a)
{
	auto_buf struct buf data = BUF_INIT(65536);
	char target[4096];
	ssize_t len = 0;

	if (S_ISREG(a->mode)) {
		lock_take(&v->index_lock);
		check("extents", index_extent_each(v->index, a->ino, 0,
						   FILE_SIZE_MAX, data_fn,
						   &data));
		lock_drop(&v->index_lock);
	}
	if (S_ISLNK(a->mode)) {
		len = vault_readlink(v, a->ino, target, sizeof(target));
		check("readlink", (int)len);
	}
	printf("%s\t%c\t%" PRIu64 "\t%" PRIu32 "\t%u\t%.*s%.*s", path,
	       S_ISDIR(a->mode) ? 'd' : S_ISLNK(a->mode) ? 'l' : 'f', a->ino,
	       a->nlink, a->mode & 07777, (int)data.len,
	       data.data ? (char *)data.data : "", (int)len, target);
	print_xattrs(v, a->ino);
	putchar('\n');
}

static int walk_fn(void *arg, const struct vault_entry *e)
{
	struct printer *p = arg;
	char *path = mem_printf("%s%.*s", p->prefix, (int)e->name.len,
				(const char *)e->name.bytes);
	struct vault_attr again;

	if (!path)
		return -ENOMEM;
	check("getattr", vault_getattr(p->v, e->ino, &again));
	if (vault_walk(p->v, path, &again) != 1 || again.ino != e->ino)
		die("a listed name is not found", -ENOENT);
	print_entry(p->v, path, &again);
	if (!S_ISDIR(again.mode)) {
		mem_free(path);
		return 0;
	}
	p->dirs = mem_realloc_array(p->dirs, p->n + 1, sizeof(*p->dirs));
	p->names = mem_realloc_array(p->names, p->n + 1, sizeof(*p->names));
	if (!p->dirs || !p->names)
		die("tree", -ENOMEM);
	p->dirs[p->n] = e->ino;
	p->names[p->n++] = path;
	return 0;
}

static void print_tree(struct vault *v, uint64_t dir, const char *prefix)
{
	struct printer p = { .v = v, .prefix = prefix };

	check("readdir", vault_readdir(v, dir, 0, true, walk_fn, &p));
	for (unsigned i = 0; i < p.n; i++) {
		auto_free char *below = mem_printf("%s/", p.names[i]);

		if (!below)
			die("tree", -ENOMEM);
		print_tree(v, p.dirs[i], below);
		mem_free(p.names[i]);
	}
	mem_free(p.dirs);
	mem_free(p.names);
}

/* ---------------------------------------------------------------- snapshots */

static int add_item(void *arg, const struct state_item *it)
{
	return state_put(arg, it);
}

static void write_state(struct vault *v, struct buf *ret)
{
	lock_take(&v->index_lock);
	check("write state", snap_state_write(v, add_item, ret));
	lock_drop(&v->index_lock);
}

static void load_state(struct vault *v, const struct buf *state)
{
	struct snap_load *l;
	struct cursor at;

	cursor_init(&at, state->data, state->len);
	lock_take(&v->index_lock);
	check("load", snap_load_new(v, &l));
	while (cursor_left(&at) > 0) {
		struct state_item it;

		check("read item", state_read(&at, &it));
		check("load item", snap_load_item(l, &it));
	}
	check("load end", snap_load_end(l));
	snap_load_free(l);
	lock_drop(&v->index_lock);
}

static void put_line(struct buf *b, char *line)
{
	if (!line)
		die("line", -ENOMEM);
	buf_put(b, line, strlen(line));
	mem_free(line);
}

static int dump_row(void *arg, const struct index_link *l)
{
	struct buf *b = arg;

	put_line(b, mem_printf("  %.*s kind %u shows %" PRIx64 " cookie %"
			       PRIx64 " members",
			       (int)l->name_len, (const char *)l->name,
			       l->kind, l->ino, l->cookie));
	for (size_t i = 0; i < l->extra_bytes; i++)
		put_line(b, mem_printf(" %02x", l->extra[i]));
	put_line(b, mem_printf("\n"));
	return buf_error(b);
}

struct dump {
	struct vault *v;
	struct buf *b;
	bool is_shifted; /* a number was taken: where it goes is chance */
};

static int dump_node(void *arg, uint64_t ino, const uint8_t *rec, size_t bytes)
{
	struct dump *d = arg;
	auto_node struct node *n = NULL;

	(void)rec;
	(void)bytes;
	check("node", node_get(d->v->nodes, ino, &n));
	d->is_shifted |= n->is_passed;
	put_line(d->b, mem_printf("%" PRIx64 " kind %u flags %x rep %" PRIx64
				  " united %u members %" PRIu64
				  " subdirs %" PRIu64 " special %" PRIu64
				  " moved to %" PRIx64 " %.*s\n",
				  ino, n->kind, n->flags, n->rep, n->n_united,
				  n->n_members, n->n_subdirs, n->n_special,
				  n->r4_parent, (int)n->r4_name.len,
				  n->r4_name.bytes ?
					  (const char *)n->r4_name.bytes : ""));
	/* What is shown nowhere has no size that counts. */
	put_line(d->b, mem_printf("  size %" PRIu64 " data %" PRIu64
				  " origin %" PRIx64 " mode %o mtime %" PRId64
				  " ctime %" PRId64 "\n",
				  n->flags & NODE_GONE ? 0 : n->size,
				  n->data_bytes, n->origin, n->mode,
				  n->mtime_ns, n->ctime_ns));
	return index_link_each(d->v->index, ino, 0, dump_row, d->b);
}

/* What follows from the state: rows and counters. */
static bool write_view(struct vault *v, struct buf *ret)
{
	struct dump d = { v, ret, false };

	lock_take(&v->index_lock);
	check("flush", node_cache_flush(v->nodes));
	check("nodes", index_node_each(v->index, 0, dump_node, &d));
	lock_drop(&v->index_lock);
	put_line(ret, mem_printf("%" PRIu64 " inodes, %" PRIu64
				 " directories, %" PRIu64 " moved, %" PRIu64
				 " bytes inline\n",
				 v->n_inodes, v->n_dirs, v->n_moved,
				 v->inline_bytes));
	check("view", buf_error(ret));
	return !d.is_shifted;
}

static void compare(const char *what, const struct buf *a, const struct buf *b)
{
	if (a->len == b->len && memcmp(a->data, b->data, a->len) == 0)
		return;
	fprintf(stderr, "%.*s----\n%.*s", (int)a->len, (char *)a->data,
		(int)b->len, (char *)b->data);
	die(what, ERR_DAMAGED);
}

/* The device goes on with an index made of its state, which must be the same
 * in every byte. */
static void do_snap(struct device *d)
{
	auto_buf struct buf state = BUF_INIT(MEM_MAX), view = BUF_INIT(MEM_MAX);
	auto_buf struct buf again = BUF_INIT(MEM_MAX),
			    same_view = BUF_INIT(MEM_MAX);
	struct vault *old = d->v, *v = new_vault(old->writer);

	write_state(old, &state);
	load_state(v, &state);
	write_state(v, &again);
	compare("the state is another", &state, &again);
	if (!write_view(old, &view)) {
		free_vault(v);
		return;
	}
	(void)write_view(v, &same_view);
	compare("the view is another", &view, &same_view);
	oplog_release(&v->oplog);
	v->oplog = old->oplog;
	check("oplog", oplog_init(&old->oplog, 1));
	free_vault(old);
	d->v = v;
}

/* Devices that know the same have one state, in every byte. */
static void do_same(struct device *a, struct device *b)
{
	auto_buf struct buf x = BUF_INIT(MEM_MAX), y = BUF_INIT(MEM_MAX);

	write_state(a->v, &x);
	write_state(b->v, &y);
	compare("the states of two devices differ", &x, &y);
}

/* ---------------------------------------------------------------- commands */

static void answer(int r)
{
	if (r < 0)
		printf("error %s\n", err_name(r));
	else
		puts("ok");
}

static void command(char **f, unsigned n)
{
	if (strcmp(f[0], "reset") == 0) {
		do_reset();
	} else if (strcmp(f[0], "start") == 0 && n == 3) {
		do_start(f[1], strtoull(f[2], NULL, 10));
	} else if (strcmp(f[0], "seal") == 0 && n == 2) {
		struct device *d = find_device(f[1]);

		do_seal(d);
		printf("ok %" PRIu64 "\n", d->v->oplog.seq - 1);
		return;
	} else if (strcmp(f[0], "recv") == 0 && n == 4) {
		do_receive(find_device(f[1]),
			   find_device(f[2])->v->writer,
			   strtoull(f[3], NULL, 10));
	} else if (strcmp(f[0], "snap") == 0 && n == 2) {
		do_snap(find_device(f[1]));
	} else if (strcmp(f[0], "same") == 0 && n == 3) {
		do_same(find_device(f[1]), find_device(f[2]));
	} else if (strcmp(f[0], "tree") == 0 && n == 2) {
		print_tree(find_device(f[1])->v, VAULT_ROOT_INO, "");
	} else if (strcmp(f[0], "op") == 0 && n >= 5) {
		wall_ns = strtoll(f[2], NULL, 10) * NS_PER_MS;
		answer(do_op(find_device(f[1])->v, f + 3, n - 3));
		return;
	} else {
		die("command", -EINVAL);
	}
	answer(0);
}

int main(void)
{
	static char line[LINE];

	check("start", crypto_start());
	clock_set_wall(wall);
	while (fgets(line, sizeof(line), stdin)) {
		char *f[MAX_FIELDS], *at = line;
		unsigned n = 0;

		line[strcspn(line, "\n")] = '\0';
		while (at && n < MAX_FIELDS)
			f[n++] = strsep(&at, "\t");
		command(f, n);
		fflush(stdout);
	}
	do_reset();
	return 0;
}
