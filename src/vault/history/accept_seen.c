/* SPDX-License-Identifier: ISC */
#include "vault/history/accept_seen.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/core.h"
#include "vault/log/writers.h"
#include "vault/merge/node.h"
#include "vault/tree.h"

/* What is asked of an inode, copied, for two vaults are never locked at once. */
struct facts {
	struct inode_id id;
	unsigned kind;
	struct dot *versions; /* owned, as what follows */
	size_t n_versions;
	struct dot *places; /* shown or not, but not killed; no claims */
	size_t n_places;
	struct op_key regs[N_REGS];
	/* With one place: where. */
	uint64_t parent;
	char name[256];
	bool is_plain; /* that is its only one, as the operations say */
};

static void facts_release(struct facts *f)
{
	mem_free(f->versions);
	mem_free(f->places);
}

#define auto_facts __attribute__((cleanup(facts_release)))

static int copy_versions(const struct node *n, struct facts *f)
{
	f->versions = mem_zalloc_array(n->n_versions, sizeof(*f->versions));
	if (!f->versions)
		return -ENOMEM;
	for (unsigned i = 0; i < n->n_versions; i++)
		f->versions[f->n_versions++] = n->versions[i].dot;
	return 0;
}

static int copy_places(const struct node *n, struct facts *f)
{
	const unsigned odd = NODE_UNBORN | NODE_VIRTUAL | NODE_MOVED | NODE_GONE;
	const struct node_place *one = NULL;

	f->places = mem_zalloc_array(n->n_places, sizeof(*f->places));
	if (!f->places)
		return -ENOMEM;
	for (unsigned i = 0; i < n->n_places; i++) {
		if (n->places[i].is_claim || n->places[i].is_killed)
			continue;
		one = &n->places[i];
		f->places[f->n_places++] = one->dot;
	}
	f->is_plain = f->n_places == 1 && !(n->flags & odd) &&
		      one->pin.clock == 0 && one->name.len < sizeof(f->name);
	if (!f->is_plain)
		return 0;
	f->parent = one->parent;
	memcpy(f->name, one->name.bytes, one->name.len);
	return 0;
}

static int copy_facts(const struct node *n, struct facts *f)
{
	int r = copy_versions(n, f);

	f->id = n->id;
	f->kind = n->kind;
	memcpy(f->regs, n->regs, sizeof(f->regs));
	return r < 0 ? r : copy_places(n, f);
}

/* 1, 0: absent. */
static int load(struct vault *v, uint64_t ino, struct facts *f)
{
	struct node *n = NULL;
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	r = node_get(v->nodes, ino, &n);
	if (r > 0) {
		int e = copy_facts(n, f);

		node_put(n);
		r = e < 0 ? e : 1;
	}
	core_leave(v);
	return r;
}

static int load_by_id(struct vault *v, struct inode_id id, struct facts *f)
{
	struct node *n = NULL;
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	r = node_get_by_id(v->nodes, id, &n);
	if (r > 0) {
		int e = copy_facts(n, f);

		node_put(n);
		r = e < 0 ? e : 1;
	}
	core_leave(v);
	return r;
}

static int load_both(struct vault *old, uint64_t old_ino, struct vault *new,
		     uint64_t new_ino, struct facts *o, struct facts *n)
{
	int r = load(old, old_ino, o);

	if (r > 0)
		r = load(new, new_ino, n);
	return r <= 0 ? r : inode_id_compare(o->id, n->id) == 0;
}

static int find_hash(struct vault *v, struct dot d, struct file_hash *ret)
{
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	r = writer_get_hash(v, d.writer, d.seq, ret);
	core_leave(v);
	return r;
}

/* An operation both know is in one segment that both applied. */
static int is_seen(struct vault *old, struct vault *new, struct dot d)
{
	struct file_hash a, b;
	int r = find_hash(old, d, &a);

	if (r > 0)
		r = find_hash(new, d, &b);
	return r <= 0 ? r : memcmp(&a, &b, sizeof(a)) == 0;
}

static int all_seen(struct vault *old, struct vault *new, const struct dot *d,
		    size_t n)
{
	int r = n > 0;

	for (size_t i = 0; r > 0 && i < n; i++)
		r = is_seen(old, new, d[i]);
	return r;
}

int accept_has_gone_beyond(struct vault *old, uint64_t old_ino,
			   struct vault *new, uint64_t new_ino)
{
	auto_facts struct facts o = { .kind = 0 }, n = { .kind = 0 };
	int r = load_both(old, old_ino, new, new_ino, &o, &n);

	return r <= 0 ? r : all_seen(old, new, n.versions, n.n_versions);
}

int accept_is_same_version(struct vault *old, uint64_t old_ino,
			   struct vault *new, uint64_t new_ino)
{
	auto_facts struct facts o = { .kind = 0 }, n = { .kind = 0 };
	int r = load_both(old, old_ino, new, new_ino, &o, &n);

	if (r <= 0 || o.n_versions != n.n_versions)
		return r < 0 ? r : 0;
	for (size_t i = 0; i < n.n_versions; i++)
		if (dot_compare(o.versions[i], n.versions[i]) != 0)
			return 0;
	return all_seen(old, new, n.versions, n.n_versions);
}

int accept_find_moved(struct vault *old, uint64_t old_ino, struct vault *new,
		      uint64_t *ret_parent, char ret_name[static 256])
{
	auto_facts struct facts o = { .kind = 0 }, n = { .kind = 0 };
	struct vault_attr there;
	struct vault_name name;
	int r = load(old, old_ino, &o);

	if (r > 0)
		r = load_by_id(new, o.id, &n);
	if (r <= 0 || n.kind != o.kind || !n.is_plain)
		return r < 0 ? r : 0;
	r = all_seen(old, new, n.places, n.n_places);
	if (r <= 0)
		return r;
	/* What the operations say is not always what is shown. */
	name = (struct vault_name){ n.name, strlen(n.name) };
	r = vault_lookup(new, n.parent, name, &there);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r <= 0)
		return r;
	auto_facts struct facts shown = { .kind = 0 };
	r = load(new, there.ino, &shown);
	if (r <= 0 || inode_id_compare(shown.id, o.id) != 0)
		return r < 0 ? r : 0;
	*ret_parent = n.parent;
	memcpy(ret_name, n.name, sizeof(n.name));
	return 1;
}

int accept_was_removed(struct vault *old, struct vault *new, uint64_t new_ino)
{
	auto_facts struct facts o = { .kind = 0 }, n = { .kind = 0 };
	int r = load(new, new_ino, &n);

	if (r > 0)
		r = all_seen(old, new, n.places, n.n_places);
	if (r > 0 && n.n_versions > 0)
		r = all_seen(old, new, n.versions, n.n_versions);
	if (r <= 0)
		return r;
	r = load_by_id(old, n.id, &o);
	return r < 0 ? r : r == 0 || o.n_places == 0;
}

int accept_newer_attributes(struct vault *old, uint64_t old_ino,
			    struct vault *new, uint64_t new_ino)
{
	static const unsigned masks[N_REGS] = {
		[REG_MODE] = ACCEPT_MODE,   [REG_OWNER] = ACCEPT_OWNER,
		[REG_ATIME] = ACCEPT_ATIME, [REG_MTIME] = ACCEPT_MTIME,
		[REG_CTIME] = ACCEPT_CTIME,
	};
	auto_facts struct facts o = { .kind = 0 }, n = { .kind = 0 };
	int r = load_both(old, old_ino, new, new_ino, &o, &n), mask = 0;

	for (unsigned i = 0; r > 0 && i < N_REGS; i++)
		if (op_key_compare(o.regs[i], n.regs[i]) > 0)
			mask |= (int)masks[i];
	return r < 0 ? r : mask;
}
