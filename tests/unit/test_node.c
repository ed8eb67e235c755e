/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "index/index.h"
#include "vault/merge/node.h"
#include "vault/merge/node_edit.h"

#define CACHE_BYTES ((size_t)1 << 20)

static struct index *ix;

static struct node_cache *cache;

static void setup(void)
{
	struct index_options o = { .env = env_posix(), .dirfd = -1,
				   .cache_bytes = 1 << 20, .create = true };

	ck_assert_int_eq(crypto_start(), 0);
	ck_assert_int_eq(index_open(&o, &ix), 0);
	ck_assert_int_eq(node_cache_new(ix, CACHE_BYTES, &cache), 0);
}

static void teardown(void)
{
	node_cache_free(cache);
	index_close(ix);
}

/* One with every list filled. */
static void fill(struct node *n)
{
	struct node_place *p;
	struct node_version *v;
	struct node_sibling *s;

	n->kind = KIND_FILE;
	n->flags = NODE_SPLIT;
	n->mode = 04755;
	n->uid = 1000;
	n->gid = 1001;
	n->mtime_ns = -5;
	n->btime_ns = INT64_MAX;
	n->size = UINT64_C(1) << 40;
	n->origin = 99;
	n->rdev_minor = 3;
	for (unsigned i = 0; i < N_REGS; i++)
		n->regs[i] = (struct op_key){ i % 2, i };
	ck_assert_int_eq(node_name_set(&n->target, "target", 6), 0);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(node_add_place(n, &p), 0);
		p->dot = (struct dot){ 1, 2, i };
		p->link = i ? (struct dot){ 1, 1, 1 } : p->dot;
		p->clock = 10 + i;
		p->link_clock = i ? 3 : p->clock;
		p->parent = 5;
		p->is_claim = i;
		p->is_killed = !i;
		ck_assert_int_eq(node_name_set(&p->name, "name", 4), 0);
	}
	p->pin = (struct op_key){ 77, 8 };
	p->pin_parent = 6;
	ck_assert_int_eq(node_name_set(&p->pin_name, "pinned", 6), 0);
	p->from_parent = 4;
	ck_assert_int_eq(node_name_set(&p->from_name, "from", 4), 0);
	ck_assert_int_eq(node_add_version(n, &v), 0);
	v->dot = (struct dot){ 1, 2, 9 };
	v->clock = 20;
	v->holder = n->ino;
	v->is_deleted = v->has_digest = true;
	v->deleted = (struct op_key){ 30, 2 };
	memset(v->digest, 0xab, sizeof(v->digest));
	ck_assert_int_eq(node_add_sibling(n, &s), 0);
	*s = (struct node_sibling){ { 3, 4, 5 }, 1234, true };
	ck_assert_int_eq(node_add_old_link(n, (struct dot){ 6, 7, 8 }, 9), 0);
}

static void same_record(const struct node *a, const struct node *b)
{
	auto_buf struct buf x = BUF_INIT(1 << 20), y = BUF_INIT(1 << 20);

	node_encode(a, &x);
	node_encode(b, &y);
	ck_assert_int_eq(buf_error(&x), 0);
	ck_assert_uint_eq(x.len, y.len);
	ck_assert_mem_eq(x.data, y.data, x.len);
}

START_TEST(test_record_keeps_everything)
{
	auto_buf struct buf b = BUF_INIT(1 << 20);
	struct node n = { .ino = 50, .id = { 50, 1 } }, back = { 0 };

	fill(&n);
	node_encode(&n, &b);
	ck_assert_int_eq(node_decode(b.data, b.len, &back), 0);
	same_record(&n, &back);
	ck_assert_uint_eq(back.n_places, 2);
	ck_assert(back.places[0].is_killed && !back.places[0].is_claim);
	ck_assert(dot_equal(back.places[0].link, back.places[0].dot));
	ck_assert_uint_eq(back.places[1].link_clock, 3);
	ck_assert_uint_eq(back.places[1].pin_parent, 6);
	ck_assert(node_name_equal(&back.places[1].pin_name, "pinned", 6));
	ck_assert_uint_eq(back.versions[0].deleted.clock, 30);
	ck_assert_uint_eq(back.versions[0].holder, 50);
	ck_assert_int_eq(back.mtime_ns, -5);
	ck_assert_uint_eq(back.regs[3].clock, 1);
	ck_assert_uint_eq(back.siblings[0].ino, 1234);
	ck_assert_uint_eq(back.old_links[0].clock, 9);
	node_release_fields(&n);
	node_release_fields(&back);
}
END_TEST

START_TEST(test_record_cut_anywhere_is_refused)
{
	auto_buf struct buf b = BUF_INIT(1 << 20);
	struct node n = { .ino = 50, .id = { 50, 1 } };

	fill(&n);
	node_encode(&n, &b);
	for (size_t len = 0; len < b.len; len++) {
		struct node back = { 0 };

		ck_assert_int_lt(node_decode(b.data, len, &back), 0);
		node_release_fields(&back);
	}
	node_release_fields(&n);
}
END_TEST

START_TEST(test_ids_of_one_time_get_numbers_of_their_own)
{
	struct node *n, *m;
	uint64_t numbers[4];

	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(node_new(cache, (struct inode_id){ 1000, i },
					  &n), 0);
		n->kind = KIND_FILE;
		numbers[i] = n->ino;
		for (unsigned k = 0; k < i; k++)
			ck_assert_uint_ne(numbers[k], n->ino);
		node_put(n);
	}
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(node_get_by_id(cache,
						(struct inode_id){ 1000, i },
						&m), 1);
		ck_assert_uint_eq(m->ino, numbers[i]);
		node_put(m);
	}
	ck_assert_int_eq(node_get_by_id(cache, (struct inode_id){ 1000, 9 },
					&m), 0);
}
END_TEST

START_TEST(test_deleting_one_does_not_hide_those_numbered_after_it)
{
	struct node *n;

	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(node_new(cache, (struct inode_id){ 2000, i },
					  &n), 0);
		n->kind = KIND_FILE;
		node_put(n);
	}
	ck_assert_int_eq(node_get_by_id(cache, (struct inode_id){ 2000, 0 },
					&n), 1);
	ck_assert_int_eq(node_delete(cache, n), 0);
	ck_assert_int_eq(node_get_by_id(cache, (struct inode_id){ 2000, 0 },
					&n), 0);
	ck_assert_int_eq(node_get_by_id(cache, (struct inode_id){ 2000, 2 },
					&n), 1);
	node_put(n);
}
END_TEST

START_TEST(test_changes_survive_eviction)
{
	struct node *n;

	/* More than the cache keeps, each changed once. */
	for (uint64_t i = 0; i < 40000; i++) {
		ck_assert_int_eq(node_new(cache,
					  (struct inode_id){ 10000 + i, 0 },
					  &n), 0);
		n->kind = KIND_FILE;
		n->size = i;
		node_dirty(n);
		node_put(n);
	}
	for (uint64_t i = 0; i < 40000; i += 997) {
		ck_assert_int_eq(node_get(cache, 10000 + i, &n), 1);
		ck_assert_uint_eq(n->size, i);
		node_put(n);
	}
}
END_TEST

/* What others made of a file must not hold more memory than many files do. */
START_TEST(test_the_cache_counts_what_a_node_holds)
{
	enum { N_NODES = 300, N_PLACES = 200 };

	for (uint64_t i = 0; i < N_NODES; i++) {
		struct node_place *p;
		struct node *n;

		ck_assert_int_eq(node_new(cache,
					  (struct inode_id){ 10000 + i, 0 },
					  &n), 0);
		n->kind = KIND_FILE;
		for (unsigned k = 0; k < N_PLACES; k++) {
			ck_assert_int_eq(node_add_place(n, &p), 0);
			p->dot.index = k;
			ck_assert_int_eq(node_name_set(&p->name, "name", 4), 0);
		}
		node_put(n);
		ck_assert_uint_le(node_cache_bytes(cache), CACHE_BYTES);
	}
	ck_assert_uint_gt(node_cache_bytes(cache), CACHE_BYTES / 2);
	for (uint64_t i = 0; i < N_NODES; i++) {
		struct node *n;

		ck_assert_int_eq(node_get(cache, 10000 + i, &n), 1);
		ck_assert_uint_eq(n->n_places, N_PLACES);
		ck_assert_uint_eq(n->places[N_PLACES - 1].dot.index,
				  N_PLACES - 1);
		node_put(n);
		ck_assert_uint_le(node_cache_bytes(cache), CACHE_BYTES);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("node");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_record_keeps_everything);
	tcase_add_test(t, test_record_cut_anywhere_is_refused);
	tcase_add_test(t, test_ids_of_one_time_get_numbers_of_their_own);
	tcase_add_test(t, test_deleting_one_does_not_hide_those_numbered_after_it);
	tcase_add_test(t, test_changes_survive_eviction);
	tcase_add_test(t, test_the_cache_counts_what_a_node_holds);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
