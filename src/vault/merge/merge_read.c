/* SPDX-License-Identifier: ISC */
/* Readings of a node's state, as vault-format/09-merging.md names them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vault/merge/merge.h"

struct op_key merge_place_key(const struct node_place *p)
{
	return (struct op_key){ p->clock, p->dot.writer };
}

struct op_key merge_version_key(const struct node_version *v)
{
	return (struct op_key){ v->clock, v->dot.writer };
}

uint64_t merge_where(const struct node_place *p, const struct node_name **name)
{
	if (p->pin.clock) {
		*name = &p->pin_name;
		return p->pin_parent;
	}
	*name = &p->name;
	return p->parent;
}

/* Is this the place a split inode is born with?  It has its version's dot. */
static bool is_split_first(const struct node *n, const struct node_place *p)
{
	return n->flags & NODE_SPLIT && p->name.len == 0 &&
	       dot_equal(p->link, p->dot);
}

bool merge_place_is_alive(const struct node *n, const struct node_place *p)
{
	if (p->is_claim || p->is_killed)
		return false;
	if (!is_split_first(n, p))
		return true;
	/* It lives as long as its version does: splitting saves nothing. */
	for (unsigned i = 0; i < n->n_versions; i++)
		if (dot_equal(n->versions[i].dot, p->dot))
			return !n->versions[i].is_deleted;
	return false;
}

static const struct node_place *newer(const struct node_place *a,
				      const struct node_place *b)
{
	if (!a || op_key_compare(merge_place_key(a), merge_place_key(b)) < 0)
		return b;
	return a;
}

/* The newest dot that was unlinked, not moved away from: those moved are
 * forgotten, claims are no places. */
static const struct node_place *last_place(const struct node *n)
{
	const struct node_place *best = NULL;

	for (unsigned i = 0; i < n->n_places; i++)
		if (!n->places[i].is_claim)
			best = newer(best, &n->places[i]);
	return best;
}

const struct node_place *merge_dir_place(const struct node *n,
					 bool *ret_is_ghost)
{
	const struct node_place *best = NULL;

	for (unsigned i = 0; i < n->n_places; i++)
		if (merge_place_is_alive(n, &n->places[i]))
			best = newer(best, &n->places[i]);
	*ret_is_ghost = !best;
	return best ? best : last_place(n);
}

/* R1: the greatest surviving dot of each link, links in the order in which they
 * first come. */
static unsigned few_alive_places(const struct node *n, struct shown_place *out)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n->n_places; i++) {
		const struct node_place *p = &n->places[i];
		unsigned k = 0;

		if (!merge_place_is_alive(n, p))
			continue;
		while (k < count && !dot_equal(out[k].place->link, p->link))
			k++;
		if (k == count)
			out[count++] = (struct shown_place){ p, false };
		else
			out[k].place = newer(out[k].place, p);
	}
	return count;
}

/* Above this many places they are sorted, not compared each with each. */
#define FEW_PLACES 16u

static int by_link(const void *a, const void *b)
{
	const struct shown_place *x = a, *y = b;
	int d = dot_compare(x->place->link, y->place->link);

	return d ? d : (x->place > y->place) - (x->place < y->place);
}

static int by_position(const void *a, const void *b)
{
	const struct shown_place *x = a, *y = b;

	return (x->place > y->place) - (x->place < y->place);
}

/* As long as links are only made and unlinked, they stand as they came. */
static bool is_ascending(const struct shown_place *p, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		if (dot_compare(p[i - 1].place->link, p[i].place->link) >= 0)
			return false;
	return true;
}

static unsigned alive_places(const struct node *n, struct shown_place *out)
{
	unsigned count = 0, kept = 0;

	if (n->n_places <= FEW_PLACES)
		return few_alive_places(n, out);
	for (unsigned i = 0; i < n->n_places; i++)
		if (merge_place_is_alive(n, &n->places[i]))
			out[count++].place = &n->places[i];
	if (is_ascending(out, count))
		return count;
	qsort(out, count, sizeof(*out), by_link);
	for (unsigned i = 0; i < count; i++)
		if (kept && dot_equal(out[kept - 1].place->link,
				      out[i].place->link))
			out[kept - 1].place = newer(out[kept - 1].place,
						    out[i].place);
		else
			out[kept++] = out[i];
	qsort(out, kept, sizeof(*out), by_position);
	return kept;
}

/* R2: does a version remain that nobody deleted?  On a split inode the version
 * it was born with does not count. */
static bool comes_back(const struct node *n)
{
	for (unsigned i = 0; i < n->n_versions; i++) {
		const struct node_version *v = &n->versions[i];

		if (v->is_deleted)
			continue;
		if (n->flags & NODE_SPLIT &&
		    inode_id_equal(inode_id_split(v->dot), n->id))
			continue;
		return true;
	}
	return false;
}

/* R2: where a file without a place is shown. */
static const struct node_place *ghost_place(const struct node *n)
{
	const struct node_place *claim = NULL;

	for (unsigned i = 0; i < n->n_places; i++)
		if (n->places[i].is_claim)
			claim = newer(claim, &n->places[i]);
	if (claim)
		return claim;
	return comes_back(n) ? last_place(n) : NULL;
}

int merge_file_places(const struct node *n, struct shown_place **ret,
		      unsigned *ret_n)
{
	unsigned count = 0;
	struct shown_place *out;

	if (n->n_versions == 0 || n->n_places == 0) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	out = mem_zalloc_array(n->n_places, sizeof(*out));
	if (!out)
		return -ENOMEM;
	count = alive_places(n, out);
	if (count == 0) {
		const struct node_place *ghost = ghost_place(n);

		if (ghost)
			out[count++] = (struct shown_place){ ghost, true };
	}
	*ret = out;
	*ret_n = count;
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct node_version *const *x = a, *const *y = b;

	return op_key_compare(merge_version_key(*y), merge_version_key(*x));
}

int merge_file_versions(const struct node *n, struct node_version ***ret,
			unsigned *ret_n)
{
	struct node_version *last = NULL;
	unsigned count = 0;
	struct node_version **out =
		mem_zalloc_array(n->n_versions + 1u, sizeof(struct node_version *));

	if (!out)
		return -ENOMEM;
	for (unsigned i = 0; i < n->n_versions; i++) {
		struct node_version *v = &n->versions[i];

		if (!v->is_deleted)
			out[count++] = v;
		else if (!last ||
			 op_key_compare(last->deleted, v->deleted) < 0)
			last = v;
	}
	if (count == 0 && last)
		out[count++] = last;
	qsort(out, count, sizeof(*out), newest_first);
	*ret = out;
	*ret_n = count;
	return 0;
}

bool merge_is_shown(const struct node *n)
{
	if (n->n_versions == 0)
		return false;
	for (unsigned i = 0; i < n->n_places; i++)
		if (merge_place_is_alive(n, &n->places[i]))
			return true;
	return ghost_place(n) != NULL;
}

uint32_t merge_n_links(const struct node *n)
{
	auto_free struct shown_place *places = NULL;
	unsigned count;

	if (n->flags & NODE_VIRTUAL)
		return 1;
	if (n->n_places <= 1)
		return merge_is_shown(n);
	if (merge_file_places(n, &places, &count) < 0)
		return 1;
	return count;
}

bool merge_is_logged(const struct node *n)
{
	if (n->flags & (NODE_UNBORN | NODE_VIRTUAL))
		return false;
	if (inode_id_is_root(n->id))
		return true;
	if (n->kind == KIND_DIR) {
		bool is_ghost;
		const struct node_place *p = merge_dir_place(n, &is_ghost);

		return p && (!is_ghost || n->n_members > 0);
	}
	return merge_is_shown(n);
}
