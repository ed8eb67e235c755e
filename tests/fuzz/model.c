/* SPDX-License-Identifier: ISC */
#include "model.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "fuzz.h"
#include "vault/file.h"
#include "vault/tree.h"

/* ---------------------------------------------------------------- blobs */

/* FNV-1a (Fowler, Noll, Vo; RFC 9923). */
static uint64_t hash_of(const uint8_t *bytes, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
	return h;
}

static struct blob *blob_new(size_t len)
{
	struct blob *b = mem_zalloc(sizeof(*b) + len);

	FUZZ_REQUIRE(b);
	b->refs = 1;
	b->len = len;
	return b;
}

static void blob_unref(struct blob *b)
{
	if (b && --b->refs == 0)
		mem_free(b);
}

static void put_blob(struct model_inode *i, struct blob *b)
{
	b->hash = hash_of(b->bytes, b->len);
	blob_unref(i->data);
	i->data = b;
}

/* ---------------------------------------------------------------- the model */

void model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	m->next_id = 1;
	m->inodes[MODEL_ROOT].mode = S_IFDIR | 0755;
}

void model_release(struct model *m)
{
	for (unsigned i = 0; i < MODEL_INODES; i++)
		blob_unref(m->inodes[i].data);
	memset(m, 0, sizeof(*m));
}

void model_copy(const struct model *from, struct model *to)
{
	*to = *from;
	for (unsigned i = 0; i < MODEL_INODES; i++)
		if (to->inodes[i].data)
			to->inodes[i].data->refs++;
}

unsigned model_nlink(const struct model *m, unsigned inode)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MODEL_ENTRIES; i++)
		n += m->entries[i].used && m->entries[i].inode == inode;
	return n;
}

static const struct model_entry *entry_at(const struct model *m, unsigned dir,
					  unsigned name)
{
	for (unsigned i = 0; i < MODEL_ENTRIES; i++) {
		const struct model_entry *e = &m->entries[i];

		if (e->used && e->parent == dir && e->name == name)
			return e;
	}
	return NULL;
}

int model_find(const struct model *m, unsigned dir, unsigned name)
{
	const struct model_entry *e = entry_at(m, dir, name);

	return e ? e->inode : -1;
}

bool model_is_dir(const struct model *m, unsigned inode)
{
	return S_ISDIR(m->inodes[inode].mode);
}

bool model_is_empty(const struct model *m, unsigned dir)
{
	for (unsigned i = 0; i < MODEL_ENTRIES; i++)
		if (m->entries[i].used && m->entries[i].parent == dir)
			return false;
	return true;
}

static const struct model_entry *entry_of(const struct model *m, unsigned inode)
{
	for (unsigned i = 0; i < MODEL_ENTRIES; i++)
		if (m->entries[i].used && m->entries[i].inode == inode)
			return &m->entries[i];
	return NULL;
}

bool model_is_below(const struct model *m, unsigned inode, unsigned above)
{
	while (inode != above && inode != MODEL_ROOT)
		inode = entry_of(m, inode)->parent;
	return inode == above;
}

uint64_t model_size(const struct model *m, unsigned inode)
{
	return m->inodes[inode].data ? m->inodes[inode].data->len : 0;
}

static int pick(const struct model *m, unsigned n, uint32_t type)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MODEL_INODES; i++)
		count += m->inodes[i].mode &&
			 (!type || (m->inodes[i].mode & S_IFMT) == type);
	if (count == 0)
		return -1;
	n %= count;
	for (unsigned i = 0; i < MODEL_INODES; i++)
		if (m->inodes[i].mode &&
		    (!type || (m->inodes[i].mode & S_IFMT) == type) && n-- == 0)
			return (int)i;
	return -1;
}

int model_pick_dir(const struct model *m, unsigned n)
{
	return pick(m, n, S_IFDIR);
}

int model_pick_file(const struct model *m, unsigned n)
{
	return pick(m, n, S_IFREG);
}

int model_pick(const struct model *m, unsigned n)
{
	return pick(m, n, 0);
}

static void entry_path(const struct model *m, const struct model_entry *e,
		       char to[static MODEL_PATH_MAX])
{
	char part[MODEL_PATH_MAX] = "";

	to[0] = '\0';
	for (;;) {
		snprintf(part, sizeof(part), "n%u%s%.*s", e->name,
			 to[0] ? "/" : "", MODEL_PATH_MAX - 8, to);
		memcpy(to, part, MODEL_PATH_MAX);
		if (e->parent == MODEL_ROOT)
			break;
		e = entry_of(m, e->parent);
	}
}

void model_path(const struct model *m, unsigned inode,
		char to[static MODEL_PATH_MAX])
{
	to[0] = '\0';
	if (inode != MODEL_ROOT)
		entry_path(m, entry_of(m, inode), to);
}

/* ---------------------------------------------------------------- changes */

int model_make(struct model *m, unsigned dir, unsigned name, uint32_t mode)
{
	for (unsigned i = 1; i < MODEL_INODES; i++) {
		if (m->inodes[i].mode)
			continue;
		if (!model_link(m, dir, name, i))
			return -1;
		m->inodes[i].mode = mode;
		m->inodes[i].id = m->next_id++;
		return (int)i;
	}
	return -1;
}

bool model_link(struct model *m, unsigned dir, unsigned name, unsigned inode)
{
	for (unsigned i = 0; i < MODEL_ENTRIES; i++) {
		if (m->entries[i].used)
			continue;
		m->entries[i] = (struct model_entry){ true, (uint8_t)dir,
						      (uint8_t)name,
						      (uint8_t)inode };
		return true;
	}
	return false;
}

void model_unlink(struct model *m, unsigned dir, unsigned name)
{
	for (unsigned i = 0; i < MODEL_ENTRIES; i++) {
		struct model_entry *e = &m->entries[i];
		struct model_inode *n = &m->inodes[e->inode];

		if (!e->used || e->parent != dir || e->name != name)
			continue;
		e->used = false;
		if (model_nlink(m, e->inode) > 0)
			continue;
		blob_unref(n->data);
		memset(n, 0, sizeof(*n));
	}
}

void model_rename(struct model *m, unsigned from, unsigned from_name,
		  unsigned to, unsigned to_name, bool exchange)
{
	int a = model_find(m, from, from_name), b = model_find(m, to, to_name);

	if (a == b)
		return;
	if (b >= 0 && !exchange)
		model_unlink(m, to, to_name);
	for (unsigned i = 0; i < MODEL_ENTRIES; i++) {
		struct model_entry *e = &m->entries[i];

		if (e->used && e->parent == from && e->name == from_name) {
			e->parent = (uint8_t)to;
			e->name = (uint8_t)to_name;
		} else if (e->used && exchange && e->parent == to &&
			   e->name == to_name) {
			e->parent = (uint8_t)from;
			e->name = (uint8_t)from_name;
		}
	}
}

/* A copy of the contents with that size. */
static struct blob *resized(const struct model *m, unsigned inode, uint64_t len)
{
	const struct blob *old = m->inodes[inode].data;
	struct blob *b = blob_new((size_t)len);

	if (old)
		memcpy(b->bytes, old->bytes, min_of(old->len, (size_t)len));
	return b;
}

void model_write(struct model *m, unsigned inode, uint64_t offset,
		 const uint8_t *bytes, size_t len)
{
	struct blob *b = resized(m, inode,
				 max_of(model_size(m, inode), offset + len));

	if (len > 0)
		memcpy(b->bytes + offset, bytes, len);
	put_blob(&m->inodes[inode], b);
}

void model_truncate(struct model *m, unsigned inode, uint64_t size)
{
	put_blob(&m->inodes[inode], resized(m, inode, size));
}

void model_set(struct model *m, unsigned inode, const void *bytes, size_t len)
{
	struct blob *b = blob_new(len);

	if (len > 0)
		memcpy(b->bytes, bytes, len);
	put_blob(&m->inodes[inode], b);
}

/* ---------------------------------------------------------------- listing */

static int compare_items(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->path,
		      ((const struct item *)b)->path);
}

static void sort(struct listing *l)
{
	qsort(l->items, l->n, sizeof(l->items[0]), compare_items);
}

void list_model(const struct model *m, struct listing *ret)
{
	static const uint8_t none[1];

	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < MODEL_ENTRIES; i++) {
		const struct model_entry *e = &m->entries[i];
		const struct model_inode *n = &m->inodes[e->inode];
		struct item *it = &ret->items[ret->n];

		if (!e->used)
			continue;
		ret->n++;
		entry_path(m, e, it->path);
		it->id = n->id;
		it->mode = n->mode;
		it->xattr = n->xattr;
		if (S_ISDIR(n->mode))
			continue;
		it->nlink = model_nlink(m, e->inode);
		it->size = model_size(m, e->inode);
		it->hash = n->data ? n->data->hash : hash_of(none, 0);
	}
	sort(ret);
}

int list_contents(struct vault *v, uint64_t ino, uint64_t *ret_size,
		  uint64_t *ret_hash)
{
	static uint8_t bytes[2 * MODEL_FILE_MAX];
	size_t len = 0;

	while (len < sizeof(bytes)) {
		ssize_t n = vault_pread(v, ino, bytes + len,
					sizeof(bytes) - len, len);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_size = len;
	*ret_hash = hash_of(bytes, len);
	return 0;
}

static void read_target(struct vault *v, struct item *it, uint64_t ino)
{
	char target[4096];
	ssize_t n = vault_readlink(v, ino, target, sizeof(target));

	if (n < 0) {
		it->error = (int)n;
		return;
	}
	it->size = (uint64_t)n;
	it->hash = hash_of((const uint8_t *)target, (size_t)n);
}

struct collecting {
	struct vault *v;
	struct listing *l;
	const char *above;
	uint64_t dirs[MODEL_INODES];
	char paths[MODEL_INODES][MODEL_PATH_MAX];
	uint64_t inos[MODEL_ENTRIES + 8];
	unsigned n_dirs;
};

static int collect(void *arg, const struct vault_entry *e)
{
	struct collecting *c = arg;
	struct item *it = &c->l->items[c->l->n];

	FUZZ_REQUIRE(c->l->n < MODEL_ENTRIES + 8);
	c->inos[c->l->n++] = e->ino;
	FUZZ_REQUIRE(e->name.len < 8 && strlen(c->above) < MODEL_PATH_MAX - 9);
	snprintf(it->path, sizeof(it->path), "%s%s%.*s", c->above,
		 c->above[0] ? "/" : "", (int)e->name.len,
		 (const char *)e->name.bytes);
	return 0;
}

static int fill_item(struct collecting *c, unsigned i)
{
	struct item *it = &c->l->items[i];
	struct vault_attr at;
	uint8_t xattr = 0;
	ssize_t n;
	int r = vault_getattr(c->v, c->inos[i], &at);

	if (r < 0)
		return r;
	it->mode = at.mode;
	n = vault_getxattr(c->v, at.ino, "user.x", &xattr, 1);
	if (n < 0 && n != -ENODATA)
		return (int)n;
	it->xattr = xattr;
	if (S_ISDIR(at.mode)) {
		FUZZ_REQUIRE(c->n_dirs < MODEL_INODES);
		c->dirs[c->n_dirs] = at.ino;
		memcpy(c->paths[c->n_dirs++], it->path, MODEL_PATH_MAX);
		return 0;
	}
	it->nlink = at.nlink;
	if (S_ISLNK(at.mode))
		read_target(c->v, it, at.ino);
	else
		it->error = list_contents(c->v, at.ino, &it->size, &it->hash);
	FUZZ_REQUIRE(it->error < 0 || it->size == at.size);
	return 0;
}

void list_vault(struct vault *v, struct listing *ret)
{
	struct collecting c = { .v = v, .l = ret, .n_dirs = 1 };
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	c.dirs[0] = VAULT_ROOT_INO;
	for (unsigned d = 0; r == 0 && d < c.n_dirs; d++) {
		unsigned first = ret->n;

		c.above = c.paths[d];
		r = vault_readdir(v, c.dirs[d], 0, false, collect, &c);
		for (unsigned i = first; r == 0 && i < ret->n; i++)
			r = fill_item(&c, i);
	}
	ret->error = r;
	sort(ret);
}

bool list_same_names(const struct listing *a, const struct listing *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		const struct item *x = &a->items[i], *y = &b->items[i];

		if (strcmp(x->path, y->path) != 0 || x->mode != y->mode ||
		    x->nlink != y->nlink || x->xattr != y->xattr)
			return false;
	}
	return true;
}

void list_print(const char *title, const struct listing *l)
{
	fprintf(stderr, "%s: %u names, %s\n", title, l->n,
		l->error < 0 ? err_text(l->error) : "whole");
	for (unsigned i = 0; i < l->n; i++) {
		const struct item *it = &l->items[i];

		fprintf(stderr,
			"  %-12s %06o links %u xattr %u size %" PRIu64
			" hash %016" PRIx64 " %s\n",
			it->path, it->mode, it->nlink, it->xattr, it->size,
			it->hash, it->error < 0 ? err_text(it->error) : "");
	}
}
