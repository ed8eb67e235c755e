/* SPDX-License-Identifier: ISC */
/*
 * R5 and N1: what keeps a name that several want, and what the others are
 * called (vault-format/09-merging.md).
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "vault/content/extents.h"
#include "vault/log/devices.h"
#include "vault/merge/node_edit.h"
#include "vault/merge/view_priv.h"

/* ---------------------------------------------------------------- order */

static struct op_key member_key(const struct member *m)
{
	return (struct op_key){ m->clock, m->dot.writer };
}

/* A sibling yields to a file, also once it is split. */
static int compare_rank(const struct member *a, const struct member *b)
{
	bool full_a = !a->is_virtual && !a->is_split_first;
	bool full_b = !b->is_virtual && !b->is_split_first;

	if (full_a != full_b)
		return full_a ? 1 : -1;
	return op_key_compare(member_key(a), member_key(b));
}

static int greatest_first(const void *a, const void *b)
{
	return compare_rank(b, a);
}

static int least_id_first(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return inode_id_compare(x->id, y->id);
}

static int compare_names(const uint8_t *a, size_t a_len, const uint8_t *b,
			 size_t b_len)
{
	int d = memcmp(a, b, min_of(a_len, b_len));

	return d ? d : (a_len > b_len) - (a_len < b_len);
}

static int by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return compare_names(x->name, x->name_len, y->name, y->name_len);
}

/* Losers: by name, then by the key of what they show. */
static int by_name_and_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int d = compare_names(x->name, x->name_len, y->name, y->name_len);

	return d ? d : op_key_compare(member_key(&x->members.m[0]),
				      member_key(&y->members.m[0]));
}

/* ---------------------------------------------------------------- equal data */

/* The version whose data a member of a file shows. */
static int version_of(struct vault *v, struct node *n, const struct member *m,
		      struct node_version **ret)
{
	struct node_version *ver = NULL;

	if (m->is_virtual)
		ver = node_find_version(n, m->dot);
	for (unsigned i = 0; !ver && i < n->n_versions; i++)
		if (n->versions[i].holder == n->ino)
			ver = &n->versions[i];
	if (!ver)
		return ERR_BAD_INDEX;
	if (!ver->has_digest) {
		int r = extents_digest(v, ver->holder, ver->size, ver->digest);

		if (r < 0)
			return r;
		ver->has_digest = true;
		node_dirty(n);
	}
	*ret = ver;
	return 0;
}

/* What tells data: a keyed hash of a member's kind and its contents' digest,
 * target or device numbers. */
struct identity {
	uint8_t b[32];
};

static int identity_of(struct vault *v, const struct member *m,
		       struct identity *ret)
{
	uint8_t in[1 + LINK_TARGET_MAX] = { m->kind };
	auto_node struct node *n = NULL;
	struct node_version *ver;
	size_t len = 1;
	int r = node_get(v->nodes, m->ino, &n);

	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	if (n->kind == KIND_FILE) {
		r = version_of(v, n, m, &ver);
		if (r < 0)
			return r;
		memcpy(in + 1, ver->digest, sizeof(ver->digest));
		len += sizeof(ver->digest);
	} else if (n->kind == KIND_CHAR || n->kind == KIND_BLOCK) {
		le32_put(in + 1, n->rdev_major);
		le32_put(in + 5, n->rdev_minor);
		len += 8;
	} else if (n->kind == KIND_SYMLINK) {
		memcpy(in + 1, n->target.bytes, n->target.len);
		len += n->target.len;
	}
	hash_bytes(&v->name_key, in, len, ret->b, sizeof(ret->b));
	return 0;
}

/* A member by what it shows; `first`: the place of the first one equal to it. */
struct contestant {
	struct identity id;
	unsigned at, first;
};

static int by_identity(const void *a, const void *b)
{
	const struct contestant *x = a, *y = b;
	int d = memcmp(x->id.b, y->id.b, sizeof(x->id.b));

	return d ? d : (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
	const struct contestant *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Links of one inode, which need no look at what is in it? */
static bool is_one_inode(const struct member_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->m[i].ino != l->m[0].ino || l->m[i].is_virtual)
			return false;
	return true;
}

/* Says for each member which is the first one equal to it, in order; into fresh
 * memory. */
static int find_equals(struct vault *v, const struct member_list *l,
		       struct contestant **ret)
{
	auto_free struct contestant *c = mem_zalloc_array(l->n, sizeof(*c));
	bool all_equal = is_one_inode(l);

	if (!c)
		return -ENOMEM;
	for (unsigned i = 0; i < l->n; i++) {
		int r = all_equal ? 0 : identity_of(v, &l->m[i], &c[i].id);

		if (r < 0)
			return r;
		c[i].at = i;
	}
	if (l->n)
		qsort(c, l->n, sizeof(*c), by_identity);
	for (unsigned i = 0; i < l->n; i++)
		c[i].first = i && memcmp(c[i].id.b, c[i - 1].id.b,
					 sizeof(c[i].id.b)) == 0 ?
				     c[i - 1].first : c[i].at;
	if (l->n)
		qsort(c, l->n, sizeof(*c), by_place);
	*ret = mem_take(c);
	return 0;
}

/* ---------------------------------------------------------------- contest */

static int new_entry(struct entry_list *l, const struct member *m,
		     struct entry **ret)
{
	struct entry *e;
	int r = entry_add(l, &e);

	if (r < 0)
		return r;
	e->name = mem_dup(m->name, m->name_len);
	if (!e->name)
		return -ENOMEM;
	e->name_len = m->name_len;
	e->kind = m->kind;
	*ret = e;
	return 0;
}

/* Equal files are one: an entry for each first one, with those equal to it. */
static int add_files(struct vault *v, const struct member_list *files,
		     struct entry_list *ret)
{
	auto_free struct contestant *equals = NULL;
	int r = find_equals(v, files, &equals);

	for (unsigned i = 0; r == 0 && i < files->n; i++) {
		struct contestant *first = &equals[equals[i].first];
		struct entry *e;

		if (first == &equals[i]) {
			/* From here on where its entry is. */
			first->at = ret->n;
			r = new_entry(ret, &files->m[i], &e);
		}
		if (r == 0)
			r = member_copy(&ret->e[first->at].members,
					&files->m[i]);
	}
	return r;
}

static int entry_greatest_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return compare_rank(&y->members.m[0], &x->members.m[0]);
}

/* R5 for the members of one name: entries, the winner first.  Names are not set
 * for the others yet. */
static int contest(struct vault *v, const struct member_list *members,
		   struct entry_list *ret)
{
	auto_members struct member_list dirs = { 0 }, files = { 0 };
	auto_entries struct entry_list out = { 0 };
	struct entry *e;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < members->n; i++)
		r = member_copy(members->m[i].kind == KIND_DIR ? &dirs : &files,
				&members->m[i]);
	if (r < 0)
		return r;
	if (files.n)
		qsort(files.m, files.n, sizeof(files.m[0]), greatest_first);
	r = add_files(v, &files, &out);
	if (r < 0)
		return r;
	if (out.n)
		qsort(out.e, out.n, sizeof(out.e[0]), entry_greatest_first);
	if (dirs.n) {
		qsort(dirs.m, dirs.n, sizeof(dirs.m[0]), least_id_first);
		r = new_entry(ret, &dirs.m[0], &e);
		if (r < 0)
			return r;
		e->members = dirs;
		dirs = (struct member_list){ 0 };
	}
	for (unsigned i = 0; i < out.n; i++) {
		r = entry_add(ret, &e);
		if (r < 0)
			return r;
		*e = out.e[i];
		out.e[i] = (struct entry){ 0 };
	}
	return 0;
}

/* ---------------------------------------------------------------- N1 */

static bool is_utf8(const uint8_t *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		unsigned more = s[i] < 0x80 ? 0 :
				s[i] >= 0xc2 && s[i] < 0xe0 ? 1 :
				s[i] >= 0xe0 && s[i] < 0xf0 ? 2 :
				s[i] >= 0xf0 && s[i] < 0xf5 ? 3 : 9;

		if (more == 9 || n - i <= more)
			return false;
		if ((s[i] == 0xe0 && s[i + 1] < 0xa0) ||
		    (s[i] == 0xed && s[i + 1] > 0x9f) ||
		    (s[i] == 0xf0 && s[i + 1] < 0x90) ||
		    (s[i] == 0xf4 && s[i + 1] > 0x8f))
			return false;
		for (unsigned k = 1; k <= more; k++)
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
		i += more + 1;
	}
	return true;
}

size_t view_cut_name(const uint8_t *name, size_t len, size_t max)
{
	if (len <= max)
		return len;
	if (is_utf8(name, len))
		while (max > 0 && (name[max] & 0xc0) == 0x80)
			max--;
	return max;
}

/* The directory's names while losers get theirs. */
struct names {
	const struct entry_list *out; /* the winners first, sorted */
	unsigned n_won;
	/* Those given so far, by hash: places in out->e, 0 is free (there is a
	 * winner for each loser).  Linear probing, half full at most. */
	unsigned *given;
	size_t n_slots; /* a power of two */
	const struct taken *taken;
	unsigned n; /* the number of the name given last */
};

static int names_init(struct names *names, const struct entry_list *out,
		      const struct taken *taken, unsigned n_losers)
{
	size_t n_slots = 1;

	while (n_slots < 2 * (size_t)n_losers)
		n_slots *= 2;
	*names = (struct names){ .out = out, .n_won = out->n, .taken = taken,
				 .n_slots = n_slots };
	names->given = mem_zalloc_array(n_slots, sizeof(*names->given));
	return names->given ? 0 : -ENOMEM;
}

/* The slot of a name that was given, or the free one where it belongs. */
static unsigned *given_slot(struct vault *v, const struct names *names,
			    const struct entry *want)
{
	uint64_t i = hash_short(&v->name_key, want->name, want->name_len);

	for (;; i++) {
		unsigned *slot = &names->given[i & (names->n_slots - 1)];

		if (!*slot || entry_by_name(&names->out->e[*slot], want) == 0)
			return slot;
	}
}

/* 1, 0. */
static int is_taken(struct vault *v, const struct names *names,
		    const uint8_t *name, size_t len)
{
	const struct entry_list *out = names->out;
	struct entry want = { .name = (uint8_t *)(uintptr_t)name,
			      .name_len = (uint16_t)len };
	struct row_peek row;

	if (names->n_won && bsearch(&want, out->e, names->n_won, sizeof(want),
				    entry_by_name))
		return 1;
	if (*given_slot(v, names, &want))
		return 1;
	const struct taken *t = names->taken;
	if (!t || (t->replaced->n &&
		   bsearch(&want, t->replaced->e, t->replaced->n, sizeof(want),
			   entry_by_name)))
		return 0;
	int r = view_row_peek(v, t->rep, name, len, &row);
	/* A generated name, maybe, whose turn may come later. */
	if (r > 0 && row.has_extra) {
		int e = hash_set_add(t->unsure, view_hash_of(row.cookie));

		r = e < 0 ? e : 1;
	}
	return r;
}

/* " (conflict DEVICE YYYY-MM-DD hhmmss[ n])" */
static int conflict_mark(struct vault *v, const struct member *m, unsigned n,
			 char *out, size_t cap)
{
	char device[65], stamp[32], number[16] = "";
	time_t s = (time_t)(HLC_MS(m->clock) / 1000);
	struct tm tm;
	int r = device_first_name(v, m->dot.writer, device);

	if (r < 0)
		return r;
	if (!gmtime_r(&s, &tm))
		return ERR_MALFORMED;
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H%M%S", &tm);
	if (n > 1)
		snprintf(number, sizeof(number), " %u", n);
	snprintf(out, cap, " (conflict %s %s%s)", device, stamp, number);
	return 0;
}

static size_t extension_of(const struct entry *e)
{
	for (size_t i = e->name_len; i-- > 1;)
		if (e->name[i] == '.')
			return i;
	return e->name_len;
}

/* N1's name for one number; returns its length, or an error. */
static int nth_name(struct vault *v, const struct entry *e, unsigned n,
		    uint8_t to[static NAME_BYTES_MAX])
{
	size_t base = extension_of(e), ext = e->name_len - base, mark_len;
	char mark[160];
	int r = conflict_mark(v, &e->members.m[0], n, mark, sizeof(mark));

	if (r < 0)
		return r;
	mark_len = strlen(mark);
	if (mark_len + ext > NAME_BYTES_MAX / 2) {
		base = e->name_len;
		ext = 0;
	}
	size_t keep = view_cut_name(e->name, base,
				    NAME_BYTES_MAX - mark_len - ext);
	memcpy(to, e->name, keep);
	memcpy(to + keep, mark, mark_len);
	memcpy(to + keep + mark_len, e->name + base, ext);
	return (int)(keep + mark_len + ext);
}

/* Losers come sorted: what is named alike follows each other, and the numbers
 * before the last one's are taken. */
static unsigned first_number(const struct names *names, const struct entry *e,
			     const struct entry *before)
{
	const struct member *m = &e->members.m[0];
	const struct member *had = before ? &before->members.m[0] : NULL;

	return had && had->dot.writer == m->dot.writer &&
			       HLC_MS(had->clock) / 1000 ==
				       HLC_MS(m->clock) / 1000 &&
			       had->name_len == m->name_len &&
			       memcmp(had->name, m->name, m->name_len) == 0 ?
		       names->n + 1 : 1;
}

/* The first free of N1's names. */
static int conflict_name(struct vault *v, struct entry *e, struct names *names,
			 const struct entry *before)
{
	for (unsigned n = first_number(names, e, before);; n++) {
		uint8_t name[NAME_BYTES_MAX];
		int len = nth_name(v, e, n, name);
		int r = len < 0 ? len : is_taken(v, names, name, (size_t)len);

		if (r < 0)
			return r;
		if (r > 0)
			continue;
		uint8_t *copy = mem_dup(name, (size_t)len);
		if (!copy)
			return -ENOMEM;
		mem_free(e->name);
		e->name = copy;
		e->name_len = (uint16_t)len;
		e->is_generated = true;
		e->is_displaced = n > 1;
		names->n = n;
		return 0;
	}
}

/* One name's members, of the list sorted by name from `from` on. */
static int contest_run(struct vault *v, const struct member_list *all,
		       unsigned from, unsigned *ret_end, struct entry_list *out,
		       struct entry_list *losers)
{
	auto_entries struct entry_list won = { 0 };
	unsigned end = from + 1;
	struct entry *e;

	while (end < all->n && by_name(&all->m[from], &all->m[end]) == 0)
		end++;
	struct member_list run = {
		.m = &all->m[from],
		.n = end - from,
		.cap = end - from,
	};
	int r = contest(v, &run, &won);
	for (unsigned i = 0; r == 0 && i < won.n; i++) {
		r = entry_add(i == 0 ? out : losers, &e);
		if (r < 0)
			break;
		*e = won.e[i];
		won.e[i] = (struct entry){ 0 };
	}
	*ret_end = end;
	return r;
}

/* Moves the losers into the list, each under its new name. */
static int name_losers(struct vault *v, struct entry_list *losers,
		       const struct taken *taken, struct entry_list *ret)
{
	struct names names;
	int r;

	if (losers->n == 0)
		return 0;
	r = names_init(&names, ret, taken, losers->n);
	if (r < 0)
		return r;
	qsort(losers->e, losers->n, sizeof(losers->e[0]), by_name_and_key);
	for (unsigned i = 0; r == 0 && i < losers->n; i++) {
		struct entry *e;

		/* The one before went on into the list. */
		r = conflict_name(v, &losers->e[i], &names,
				  i ? &ret->e[ret->n - 1] : NULL);
		if (r == 0)
			r = entry_add(ret, &e);
		if (r < 0)
			break;
		*e = losers->e[i];
		losers->e[i] = (struct entry){ 0 };
		*given_slot(v, &names, e) = ret->n - 1;
	}
	mem_free(names.given);
	return r;
}

int view_resolve(struct vault *v, const struct member_list *members,
		 const struct taken *taken, struct entry_list *ret)
{
	auto_members struct member_list all = { 0 };
	auto_entries struct entry_list losers = { 0 };
	unsigned at = 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < members->n; i++)
		r = member_copy(&all, &members->m[i]);
	if (r < 0)
		return r;
	if (all.n)
		qsort(all.m, all.n, sizeof(all.m[0]), by_name);
	while (r == 0 && at < all.n)
		r = contest_run(v, &all, at, &at, ret, &losers);
	if (r < 0)
		return r;
	return name_losers(v, &losers, taken, ret);
}
