/* SPDX-License-Identifier: ISC */
/*
 * A directory's rows are changed a name at a time, with what that concerns.
 * After every change they must be what deciding all of them at once gives.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tree_fixture.h"
#include "vault/log/devices.h"
#include "vault/merge/view_priv.h"

#define STAMP "2023-11-14 221320"

static struct vault *v;

/* Two devices whose names make one base with two marks ambiguous: what the
 * first calls a loser of "b" may be what the second calls one of "b (...)". */
static const struct {
	uint64_t writer;
	const char *name;
} devices[] = {
	{ 21, "D" },
	{ 22, "D " STAMP ") (conflict D" },
};

/* Names that meet what others are called: as they are, once and twice marked,
 * numbered, and too long for a mark. */
static char long_name[256], longer_name[256];
static const char *const names[] = {
	"b",
	"b (conflict D " STAMP ")",
	"b (conflict D " STAMP " 2)",
	"b (conflict D " STAMP ") (conflict D " STAMP ")",
	"b.x",
	"b (conflict D " STAMP ").x",
	long_name,
	longer_name,
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

static uint32_t next_index;
static hlc_t next_clock;

static void apply(struct op *op)
{
	const uint64_t writer = devices[rand() % 2].writer;

	/* Mostly within one second, so that names need numbers. */
	next_clock += rand() % 50 ? 1 : (hlc_t)1000 << 16;
	op->clock = next_clock;
	if (!op->dot.writer)
		op->dot = (struct dot){ writer, 1, next_index++ };
	lock_take(&v->index_lock);
	ck_assert_int_eq(merge_apply(v, op), 0);
	lock_drop(&v->index_lock);
}

static void setup(void)
{
	v = fixture_vault(7);
	next_index = 0;
	next_clock = (hlc_t)(FIXTURE_START_NS / 1000000) << 16;
	memset(long_name, 'l', 230);
	memset(longer_name, 'l', 231);
	for (unsigned i = 0; i < 2; i++) {
		struct op op = { .type = OP_DEVICE_ADD };

		op.device.writer = devices[i].writer;
		op.device.name = (struct op_name){
			(const uint8_t *)devices[i].name,
			(uint16_t)strlen(devices[i].name),
		};
		lock_take(&v->index_lock);
		ck_assert_int_eq(device_apply(v, &op), 0);
		lock_drop(&v->index_lock);
	}
}

static void teardown(void)
{
	fixture_free(v);
}

/* ---------------------------------------------------------------- changes */

struct file {
	struct inode_id id;
	struct dot place, link, version;
	bool is_placed;
};

#define N_FILES 24

static struct op_name pick_name(void)
{
	const char *name = names[(unsigned)rand() % N_NAMES];

	return (struct op_name){ (const uint8_t *)name,
				 (uint16_t)strlen(name) };
}

static void make_file(struct file *f, uint64_t time)
{
	static const uint8_t kinds[] = { KIND_FIFO, KIND_SOCKET, KIND_CHAR,
					 KIND_DIR };
	struct op op = { .type = OP_MKNOD };

	f->id = op.inode = (struct inode_id){ time, 21ull << 32 };
	op.mknod.kind = kinds[rand() % 4];
	op.mknod.mode = 0644;
	/* Some are equal, and become one. */
	if (op.mknod.kind == KIND_CHAR)
		op.mknod.rdev_minor = (uint32_t)rand() % 12;
	apply(&op);
	f->version = op.dot;
}

static void place(struct file *f)
{
	struct op op = { .type = OP_PLACE, .inode = f->id };
	uint8_t kill[DOT_BYTES];
	struct buf raw = BUF_INIT(64);

	op.dot = (struct dot){ devices[rand() % 2].writer, 1, next_index++ };
	op.place.name = pick_name();
	op.place.link = f->is_placed ? f->link : op.dot;
	if (f->is_placed) {
		dot_put(&raw, f->place);
		memcpy(kill, raw.data, sizeof(kill));
		op.place.kills = (struct dot_list){ kill, 1 };
	}
	apply(&op);
	f->link = op.place.link;
	f->place = op.dot;
	f->is_placed = true;
	buf_release(&raw);
}

static void unlink_file(struct file *f)
{
	struct op op = { .type = OP_UNLINK, .inode = f->id };
	struct buf place_raw = BUF_INIT(64), version_raw = BUF_INIT(64);

	dot_put(&place_raw, f->place);
	dot_put(&version_raw, f->version);
	op.unlink.link = f->link;
	op.unlink.last = true;
	op.unlink.kills = (struct dot_list){ place_raw.data, 1 };
	op.unlink.deletes = (struct dot_list){ version_raw.data, 1 };
	apply(&op);
	buf_release(&place_raw);
	buf_release(&version_raw);
}

/* ---------------------------------------------------------------- the rows */

static void compare(const struct entry *have, const struct entry *want)
{
	ck_assert_int_eq(entry_by_name(have, want), 0);
	ck_assert_uint_eq(have->kind, want->kind);
	ck_assert_int_eq(have->is_generated, want->is_generated);
	ck_assert_int_eq(have->is_displaced, want->is_displaced);
	ck_assert_uint_eq(have->members.n, want->members.n);
	for (unsigned i = 0; i < have->members.n; i++)
		ck_assert(member_equal(&have->members.m[i],
				       &want->members.m[i]));
}

static unsigned count(int (*list)(struct vault *, uint64_t,
				  struct entry_list *))
{
	auto_entries struct entry_list l = { 0 };

	ck_assert_int_eq(list(v, ROOT, &l), 0);
	return l.n;
}

/* How many rows have a generated name. */
static unsigned check_rows(void)
{
	auto_entries struct entry_list have = { 0 }, want = { 0 };
	auto_members struct member_list all = { 0 };
	unsigned n_generated = 0, n_displaced = 0;

	lock_take(&v->index_lock);
	ck_assert_int_eq(view_row_all(v, ROOT, &have), 0);
	for (unsigned i = 0; i < have.n; i++)
		for (unsigned k = 0; k < have.e[i].members.n; k++)
			ck_assert_int_eq(
				member_copy(&all, &have.e[i].members.m[k]), 0);
	ck_assert_int_eq(view_resolve(v, &all, NULL, &want), 0);
	entry_list_sort(&have);
	entry_list_sort(&want);
	ck_assert_uint_eq(have.n, want.n);
	for (unsigned i = 0; i < have.n; i++) {
		compare(&have.e[i], &want.e[i]);
		n_generated += have.e[i].is_generated;
		n_displaced += have.e[i].is_displaced;
	}
	ck_assert_uint_eq(count(view_row_special), n_generated);
	ck_assert_uint_eq(count(view_row_displaced), n_displaced);
	lock_drop(&v->index_lock);
	return n_generated;
}

START_TEST(test_rows_are_those_of_the_whole_directory)
{
	struct file f[N_FILES] = { 0 };
	uint64_t time = 1000;
	unsigned most = 0;

	srand((unsigned)_i + 1);
	for (unsigned i = 0; i < 400; i++) {
		struct file *one = &f[rand() % N_FILES];

		if (one->id.time == 0) {
			make_file(one, time++);
			place(one);
		} else if (rand() % 3) {
			place(one);
		} else {
			unlink_file(one);
			*one = (struct file){ .id = { 0, 0 } };
		}
		unsigned n = check_rows();
		most = max_of(most, n);
	}
	ck_assert_uint_gt(most, 3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("view");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_rows_are_those_of_the_whole_directory, 0,
			    20);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
