/* SPDX-License-Identifier: ISC */
/*
 * Operations of others: what is refused (vault-format/08-operations.md, "A
 * reader rejects"), and that nothing is lost or leaks when memory is short.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "tree_fixture.h"
#include "vault/log/devices.h"

#define SELF 7u
#define OTHER 9u
#define FILE_MODE (S_IFREG | 0644)

static struct vault *v;
/* What the other knows: of this device its first segment. */
static uint8_t vv[56];
static struct merge_past past = { .vv = vv, .n_vv = 1 };
static uint32_t next_index;
static hlc_t next_clock;

static const struct inode_id root_id = { 0, 0 };
static const struct inode_id dir_id = { 100, 1 }, file_id = { 101, 1 },
			     link_id = { 102, 1 };

static struct op new_op(enum op_type type, struct inode_id id)
{
	return (struct op){ .type = type, .inode = id,
			    .clock = next_clock++,
			    .dot = { OTHER, 1, next_index++ } };
}

static int apply(const struct op *op)
{
	lock_take(&v->index_lock);
	v->past = &past;
	int r = merge_apply(v, op);
	v->past = NULL;
	lock_drop(&v->index_lock);
	return r;
}

static struct op mknod_op(struct inode_id id, enum inode_kind kind)
{
	struct op op = new_op(OP_MKNOD, id);

	op.mknod.kind = kind;
	op.mknod.mode = 0644;
	if (kind == KIND_SYMLINK)
		op.mknod.target = (struct op_name){ (const uint8_t *)"t", 1 };
	return op;
}

static struct op place_op(struct inode_id id, struct inode_id parent,
			  const char *name)
{
	struct op op = new_op(OP_PLACE, id);

	op.place.link = op.dot;
	op.place.parent = parent;
	op.place.name = (struct op_name){ (const uint8_t *)name,
					  (uint16_t)strlen(name) };
	return op;
}

/* Makes one with a name; the dots of its MKNOD and PLACE. */
static void make(struct inode_id id, enum inode_kind kind,
		 struct inode_id parent, const char *name, struct dot *ret_made,
		 struct dot *ret_placed)
{
	struct op m = mknod_op(id, kind), p;

	ck_assert_int_eq(apply(&m), 0);
	p = place_op(id, parent, name);
	ck_assert_int_eq(apply(&p), 0);
	*ret_made = m.dot;
	*ret_placed = p.dot;
}

static struct dot dir_made, dir_placed, file_made, file_placed, link_made,
	link_placed;

static void setup(void)
{
	v = fixture_vault(SELF);
	ck_assert_ptr_nonnull(v);
	le64_put(vv, SELF);
	le64_put(vv + 8, 1);
	next_index = 0;
	next_clock = (hlc_t)(FIXTURE_START_NS / 1000000) << 16;
	past.find = NULL;
	make(dir_id, KIND_DIR, root_id, "d", &dir_made, &dir_placed);
	make(file_id, KIND_FILE, root_id, "f", &file_made, &file_placed);
	make(link_id, KIND_SYMLINK, root_id, "l", &link_made, &link_placed);
}

static void teardown(void)
{
	fixture_free(v);
}

/* ---------------------------------------------------------------- comparing */

struct text {
	char s[4096];
	size_t len;
};

static int tell_fn(void *arg, const struct vault_entry *e)
{
	struct text *t = arg;

	t->len += (size_t)snprintf(t->s + t->len, sizeof(t->s) - t->len,
				   "%.*s %llu %u %u\n", (int)e->name.len,
				   (const char *)e->name.bytes,
				   (unsigned long long)e->ino, e->attr->nlink,
				   e->attr->mode);
	return 0;
}

static struct text tell(uint64_t ino)
{
	struct text t = { .len = 0 };

	ck_assert_int_eq(vault_readdir(v, ino, 0, true, tell_fn, &t), 0);
	return t;
}

/* Refused, and nothing shows it. */
static void assert_refused(const struct op *op)
{
	uint64_t d = fixture_find(v, ROOT, "d");
	struct text root = tell(ROOT), dir = tell(d);

	ck_assert_int_eq(apply(op), ERR_MALFORMED);
	/* What came before it in its segment would have to go; here is none. */
	ck_assert(v->is_torn);
	v->is_torn = false;
	struct text now = tell(ROOT);
	ck_assert_str_eq(now.s, root.s);
	now = tell(d);
	ck_assert_str_eq(now.s, dir.s);
}

static struct dot_list one_dot(struct dot d)
{
	static uint8_t raw[DOT_BYTES];
	auto_buf struct buf b = BUF_INIT(DOT_BYTES);

	dot_put(&b, d);
	memcpy(raw, b.data, DOT_BYTES);
	return (struct dot_list){ raw, 1 };
}

static struct op move_op(struct dot kill)
{
	struct op op = place_op(file_id, root_id, "moved");

	op.place.link = file_placed;
	op.place.kills = one_dot(kill);
	return op;
}

static struct op unlink_op(struct inode_id id, struct dot link)
{
	struct op op = new_op(OP_UNLINK, id);

	op.unlink.link = link;
	op.unlink.parent = root_id;
	return op;
}

static struct op content_op(struct inode_id id)
{
	struct op op = new_op(OP_CONTENT, id);

	op.content.whole = true;
	return op;
}

/* ---------------------------------------------------------------- inodes */

START_TEST(test_an_inode_is_made_once)
{
	struct op op = mknod_op(file_id, KIND_FILE);

	assert_refused(&op);
	op = mknod_op(root_id, KIND_DIR);
	assert_refused(&op);
}
END_TEST

START_TEST(test_what_nobody_made_cannot_be_changed)
{
	static const enum op_type types[] = { OP_PLACE, OP_UNLINK, OP_CONTENT,
					      OP_SPLIT, OP_ATTR, OP_XATTR };

	for (unsigned i = 0; i < array_len(types); i++) {
		struct op op = new_op(types[i], (struct inode_id){ 99, 99 });

		assert_refused(&op);
	}
}
END_TEST

START_TEST(test_the_root_has_no_place)
{
	struct op op = place_op(root_id, dir_id, "x");

	assert_refused(&op);
	op = unlink_op(root_id, dir_placed);
	assert_refused(&op);
	op = content_op(root_id);
	assert_refused(&op);
}
END_TEST

/* ---------------------------------------------------------------- parents */

START_TEST(test_a_parent_is_a_directory_that_was_placed)
{
	struct inode_id unplaced = { 200, 2 };
	struct op op = mknod_op(unplaced, KIND_DIR);

	ck_assert_int_eq(apply(&op), 0);
	op = place_op(file_id, file_id, "x");
	assert_refused(&op);
	op = place_op(file_id, unplaced, "x");
	assert_refused(&op);
	op = place_op(file_id, (struct inode_id){ 99, 99 }, "x");
	assert_refused(&op);
	op = move_op(file_placed);
	op.place.has_from = true;
	op.place.from_parent = link_id;
	op.place.from_name = op.place.name;
	assert_refused(&op);
	op = unlink_op(file_id, file_placed);
	op.unlink.parent = unplaced;
	assert_refused(&op);
	op = new_op(OP_PIN, file_id);
	op.pin.target = file_placed;
	op.pin.parent = file_id;
	op.pin.name = (struct op_name){ (const uint8_t *)"x", 1 };
	assert_refused(&op);
}
END_TEST

START_TEST(test_a_directory_has_one_link)
{
	struct op op = place_op(dir_id, root_id, "second");

	assert_refused(&op);
	op = place_op(file_id, dir_id, "second");
	ck_assert_int_eq(apply(&op), 0);
	ck_assert_uint_ne(fixture_find(v, fixture_find(v, ROOT, "d"), "second"),
			  0);
}
END_TEST

START_TEST(test_a_directory_in_itself_is_shown_elsewhere)
{
	struct op op = place_op(dir_id, dir_id, "x");

	op.place.link = dir_placed;
	op.place.kills = one_dot(dir_placed);
	ck_assert_int_eq(apply(&op), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "d"), 0);
	ck_assert_uint_ne(fixture_find(v, ROOT, "recovered-x"), 0);
}
END_TEST

/* ---------------------------------------------------------------- dots */

START_TEST(test_a_link_is_one_of_the_inode)
{
	struct op op = move_op(file_placed);

	op.place.link = link_placed;
	assert_refused(&op);
	op.place.link = file_made;
	assert_refused(&op);
	op = unlink_op(file_id, link_placed);
	assert_refused(&op);
	op = unlink_op(file_id, op.dot);
	assert_refused(&op);
}
END_TEST

START_TEST(test_a_link_is_known_after_all_its_dots_are_gone)
{
	/* Another link takes the dots of the first with it. */
	struct op op = place_op(file_id, root_id, "g");

	op.place.kills = one_dot(file_placed);
	ck_assert_int_eq(apply(&op), 0);
	op = place_op(file_id, root_id, "h");
	op.place.link = file_placed;
	ck_assert_int_eq(apply(&op), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "g"),
			  fixture_find(v, ROOT, "h"));
	ck_assert_uint_eq(fixture_find(v, ROOT, "f"), 0);
}
END_TEST

START_TEST(test_dots_lie_in_the_past)
{
	const struct dot ahead = { OTHER, 1, 1000 }, later = { OTHER, 2, 0 };
	const struct dot unseen = { SELF, 2, 0 }, stranger = { 8, 1, 0 };
	const struct dot known = { SELF, 1, 5 };
	const struct dot wrong[] = { ahead, later, unseen, stranger };
	struct op op;

	for (unsigned i = 0; i < array_len(wrong); i++) {
		op = move_op(wrong[i]);
		assert_refused(&op);
		op = unlink_op(file_id, file_placed);
		op.unlink.kills = one_dot(wrong[i]);
		assert_refused(&op);
		op = unlink_op(file_id, file_placed);
		op.unlink.last = true;
		op.unlink.deletes = one_dot(wrong[i]);
		assert_refused(&op);
		op = content_op(file_id);
		op.content.replaces = one_dot(wrong[i]);
		assert_refused(&op);
		op = content_op(file_id);
		op.content.whole = false;
		op.content.base = wrong[i];
		assert_refused(&op);
		op = new_op(OP_PIN, file_id);
		op.pin.target = wrong[i];
		assert_refused(&op);
		op = new_op(OP_SPLIT, file_id);
		op.split.version = wrong[i];
		assert_refused(&op);
	}
	op = move_op((struct dot){ 0 });
	op.place.kills = one_dot(op.dot);
	assert_refused(&op);
	/* Forgotten here, perhaps: without a log it is believed. */
	op = move_op(known);
	ck_assert_int_eq(apply(&op), 0);
}
END_TEST

/* A log in which the dots of SELF are what `named` says. */
static struct merge_named named;

static int find_named(void *arg, struct dot d, struct merge_named *ret)
{
	(void)arg;
	if (d.writer != SELF || !named.type)
		return 0;
	*ret = named;
	return 1;
}

START_TEST(test_forgotten_dots_are_what_the_log_says)
{
	const struct dot d = { SELF, 1, 5 };
	struct op op;

	past.find = find_named;
	named = (struct merge_named){ .type = 0 };
	op = move_op(d);
	assert_refused(&op);
	named = (struct merge_named){ .type = OP_PLACE, .inode = link_id };
	op = move_op(d);
	assert_refused(&op);
	named = (struct merge_named){ .type = OP_CONTENT, .inode = file_id };
	op = move_op(d);
	assert_refused(&op);
	op = content_op(file_id);
	op.content.replaces = one_dot(d);
	ck_assert_int_eq(apply(&op), 0);
	named = (struct merge_named){ .type = OP_PLACE, .inode = file_id };
	op = content_op(file_id);
	op.content.replaces = one_dot(d);
	assert_refused(&op);
	op = move_op(d);
	ck_assert_int_eq(apply(&op), 0);
	named = (struct merge_named){ .is_unknown = true, .type = OP_NOP };
	op = move_op(d);
	ck_assert_int_eq(apply(&op), 0);
}
END_TEST

/* ---------------------------------------------------------------- contents */

START_TEST(test_only_files_have_contents)
{
	struct op op = content_op(dir_id);

	assert_refused(&op);
	op = content_op(link_id);
	assert_refused(&op);
	op = content_op(file_id);
	op.content.replaces = one_dot(file_made);
	ck_assert_int_eq(apply(&op), 0);
}
END_TEST

START_TEST(test_a_chunk_has_one_length)
{
	auto_buf struct buf raw = BUF_INIT(4096);
	struct extent x = { .length = 10, .kind = EXTENT_CHUNK,
			    .chunk_length = 10, .id.b = { 1 } };
	struct op op = content_op(file_id);

	extent_put(&raw, &x);
	op.content.size = 10;
	op.content.extents = (struct extent_list){ raw.data,
						   (uint32_t)raw.len, 1 };
	ck_assert_int_eq(apply(&op), 0);
	buf_reset(&raw);
	x.chunk_length = 11;
	extent_put(&raw, &x);
	op.dot.index = next_index++;
	op.content.extents.raw = raw.data;
	assert_refused(&op);
}
END_TEST

/* ---------------------------------------------------------------- splits */

/* A second version of the file, by this device. */
static struct op second_version(void)
{
	struct op op = content_op(file_id);

	op.content.size = 1;
	ck_assert_int_eq(apply(&op), 0);
	return op;
}

START_TEST(test_a_split_tells_the_version_as_it_is)
{
	struct op made = second_version(), op = new_op(OP_SPLIT, file_id);

	op.flags = OP_FLAG_MORE;
	op.split.version = made.dot;
	op.split.version_clock = made.clock + 1;
	assert_refused(&op);
	op.inode = dir_id;
	op.split.version_clock = made.clock;
	assert_refused(&op);
	op.inode = file_id;
	ck_assert_int_eq(apply(&op), 0);
}
END_TEST

/* The generated name in the root, in `t`. */
static char *generated(struct text *t)
{
	char *at = strstr(t->s, "f (conflict");

	ck_assert_ptr_nonnull(at);
	*(strrchr(at, ')') + 1) = '\0';
	return at;
}

static struct op pin_op(struct inode_id id, struct dot target, const char *name)
{
	struct op op = new_op(OP_PIN, id);

	op.pin.target = target;
	op.pin.parent = root_id;
	op.pin.name = (struct op_name){ (const uint8_t *)name,
					(uint16_t)strlen(name) };
	return op;
}

START_TEST(test_a_split_version_gets_a_name_in_its_transaction)
{
	struct op made = second_version(), op = new_op(OP_SPLIT, file_id);

	op.split.version = made.dot;
	op.split.version_clock = made.clock;
	ck_assert_int_eq(apply(&op), ERR_MALFORMED);
}
END_TEST

START_TEST(test_a_pin_finds_its_place_whichever_inode_it_names)
{
	const struct inode_id ids[] = { file_id, dir_id };
	struct op made = second_version(), op = new_op(OP_SPLIT, file_id);
	char name[8];

	op.flags = OP_FLAG_MORE;
	op.split.version = made.dot;
	op.split.version_clock = made.clock;
	ck_assert_int_eq(apply(&op), 0);
	for (unsigned i = 0; i < array_len(ids); i++) {
		snprintf(name, sizeof(name), "pin %u", i);
		op = pin_op(ids[i], made.dot, name);
		ck_assert_int_eq(apply(&op), 0);
		ck_assert_uint_ne(fixture_find(v, ROOT, name), 0);
	}
	ck_assert_uint_eq(fixture_find(v, ROOT, "pin 0"), 0);
}
END_TEST

START_TEST(test_an_inode_of_a_splits_id_does_not_stop_a_sibling)
{
	/* The dot of the version to come is known beforehand. */
	struct dot next = { OTHER, 1, next_index + 2 };
	struct dot made, placed;

	make(inode_id_split(next), KIND_FILE, root_id, "taken", &made, &placed);
	struct op op = second_version();
	ck_assert(dot_equal(op.dot, next));
	struct text t = tell(ROOT);
	ck_assert_ptr_nonnull(strstr(t.s, "f (conflict"));
	struct op split = new_op(OP_SPLIT, file_id);
	split.flags = OP_FLAG_MORE;
	split.split.version = op.dot;
	split.split.version_clock = op.clock;
	assert_refused(&split);
}
END_TEST

START_TEST(test_a_sibling_that_is_held_stays_readable_and_can_be_linked)
{
	struct op op = second_version();
	struct vault_attr a;
	struct text t = tell(ROOT);
	uint64_t ino = fixture_find(v, ROOT, generated(&t));
	vault_hold(v, ino, 1);
	/* A write that saw both leaves no sibling. */
	struct op both = content_op(file_id);
	auto_buf struct buf raw = BUF_INIT(2 * DOT_BYTES);
	dot_put(&raw, file_made);
	dot_put(&raw, op.dot);
	both.content.replaces = (struct dot_list){ raw.data, 2 };
	ck_assert_int_eq(apply(&both), 0);
	ck_assert_int_eq(vault_getattr(v, ino, &a), 0);
	ck_assert_uint_eq(a.nlink, 0);
	ck_assert_int_eq(vault_link(v, ino, ROOT, NAME("kept"), &a), 0);
	ck_assert_uint_eq(a.nlink, 1);
	vault_unhold(v, ino, 1);
	ck_assert_uint_eq(fixture_find(v, ROOT, "kept"), ino);
}
END_TEST

/* ---------------------------------------------------------------- many */

START_TEST(test_ids_of_one_time_are_not_numbered_in_a_row)
{
	struct node *n;

	/* Else each look-up would walk all that others made before. */
	for (uint64_t i = 0; i < 500; i++) {
		struct op op = mknod_op((struct inode_id){ 5000, i },
					KIND_FILE);

		ck_assert_int_eq(apply(&op), 0);
	}
	for (uint64_t ino = 5001; ino < 5600; ino++)
		ck_assert_int_eq(node_get(v->nodes, ino, &n), 0);
	for (uint64_t i = 0; i < 500; i++) {
		struct op op = new_op(OP_ATTR, (struct inode_id){ 5000, i });

		op.attr.mask = ATTR_MODE;
		ck_assert_int_eq(apply(&op), 0);
	}
}
END_TEST

START_TEST(test_a_name_that_is_recorded_takes_a_generated_one)
{
	struct dot made, placed;

	second_version();
	struct text before = tell(ROOT), after;
	char *name = generated(&before);
	uint64_t sibling = fixture_find(v, ROOT, name);
	make((struct inode_id){ 300, 3 }, KIND_FILE, root_id, name, &made,
	     &placed);
	ck_assert_uint_ne(fixture_find(v, ROOT, name), sibling);
	after = tell(ROOT);
	ck_assert_ptr_nonnull(strstr(after.s, " 2) "));
	/* It goes back when that one goes. */
	struct op op = unlink_op((struct inode_id){ 300, 3 }, placed);
	op.unlink.kills = one_dot(placed);
	op.unlink.last = true;
	auto_buf struct buf raw = BUF_INIT(DOT_BYTES);
	dot_put(&raw, made);
	op.unlink.deletes = (struct dot_list){ raw.data, 1 };
	ck_assert_int_eq(apply(&op), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, name), sibling);
}
END_TEST

START_TEST(test_other_names_come_and_go_beside_a_generated_one)
{
	const struct inode_id id = { 400, 3 };
	struct dot made, placed;

	second_version();
	struct text before = tell(ROOT);
	make(id, KIND_FILE, root_id, "other", &made, &placed);
	ck_assert_uint_ne(fixture_find(v, ROOT, "other"), 0);
	struct op op = unlink_op(id, placed);
	op.unlink.last = true;
	op.unlink.deletes = one_dot(made);
	auto_buf struct buf raw = BUF_INIT(DOT_BYTES);
	dot_put(&raw, placed);
	op.unlink.kills = (struct dot_list){ raw.data, 1 };
	ck_assert_int_eq(apply(&op), 0);
	struct text after = tell(ROOT);
	ck_assert_str_eq(after.s, before.s);
}
END_TEST

/* ---------------------------------------------------------------- memory */

typedef int step_fn(struct vault *w);

static int step_make(struct vault *w)
{
	struct vault_new what = { .mode = FILE_MODE };
	struct vault_attr a;

	return vault_make(w, ROOT, NAME("new"), &what, false, &a);
}

static int step_replace(struct vault *w)
{
	return vault_rename(w, ROOT, NAME("a"), ROOT, NAME("b"), 0);
}

static int step_exchange(struct vault *w)
{
	return vault_rename(w, ROOT, NAME("a"), ROOT, NAME("d"),
			    VAULT_RENAME_EXCHANGE);
}

static int step_unlink(struct vault *w)
{
	return vault_unlink(w, ROOT, NAME("a"));
}

static int step_rmdir(struct vault *w)
{
	return vault_rmdir(w, ROOT, NAME("d"));
}

static int step_link(struct vault *w)
{
	struct vault_attr a;
	int r = vault_lookup(w, ROOT, NAME("a"), &a);

	return r < 0 ? r : vault_link(w, a.ino, ROOT, NAME("c"), &a);
}

static int step_attributes(struct vault *w)
{
	struct vault_attr a;
	int r = vault_lookup(w, ROOT, NAME("a"), &a);

	if (r >= 0)
		r = vault_setattr(w, a.ino, VAULT_SET_UID, &a, &a);
	return r < 0 ? r : vault_setxattr(w, a.ino, "user.a", "b", 1, 0);
}

static int step_unnamed(struct vault *w)
{
	struct vault_new what = { .mode = FILE_MODE };
	struct vault_attr a;
	int r = vault_make_unnamed(w, &what, &a);

	if (r < 0)
		return r;
	uint64_t ino = a.ino;
	r = vault_setxattr(w, ino, "user.a", "b", 1, 0);
	if (r == 0)
		r = vault_link(w, ino, ROOT, NAME("t"), &a);
	vault_unhold(w, ino, 1);
	return r;
}

/* Two versions of a file and a name two want, from another device; then a call
 * that settles them. */
static int step_settle(struct vault *w)
{
	struct vault *mine = v;
	struct vault_new what = { .mode = FILE_MODE };
	struct vault_attr a;
	struct op ops[5];

	next_index = 0;
	ops[0] = mknod_op(file_id, KIND_FILE);
	ops[1] = place_op(file_id, root_id, "a");
	ops[2] = content_op(file_id);
	ops[2].content.size = 1;
	ops[3] = mknod_op(dir_id, KIND_DIR);
	ops[4] = place_op(dir_id, root_id, "d");
	v = w;
	int r = 0;
	for (unsigned i = 0; r == 0 && i < array_len(ops); i++)
		r = apply(&ops[i]);
	v = mine;
	return r < 0 ? r : vault_make(w, ROOT, NAME("x"), &what, false, &a);
}

static struct vault *prepared(void)
{
	struct vault *w = fixture_vault(SELF);

	ck_assert_ptr_nonnull(w);
	fixture_make(w, ROOT, "a", FILE_MODE);
	fixture_make(w, ROOT, "b", FILE_MODE);
	fixture_make(w, ROOT, "d", S_IFDIR | 0755);
	return w;
}

struct step {
	step_fn *fn;
	bool is_one_call; /* and only a call */
};

static const struct step steps[] = {
	{ step_make, true },	     { step_replace, true },
	{ step_exchange, true },     { step_unlink, true },
	{ step_rmdir, true },	     { step_link, true },
	{ step_attributes, false },  { step_unnamed, false },
	{ step_settle, false },
};

/* Each allocation fails once: the call works, or fails and nothing of it is in
 * the log; once it failed half way the vault takes no more changes. */
START_TEST(test_short_memory_fails_calls_as_a_whole)
{
	const struct step *s = &steps[_i];
	bool hit = true;

	for (unsigned long nth = 1; hit; nth++) {
		struct vault *w = prepared();
		unsigned before = fixture_n_ops(w);

		mem_fail_nth(nth, false);
		int r = s->fn(w);
		hit = mem_fail_hit();
		mem_fail_nth(0, false);
		ck_assert(hit || r == 0);
		if (r < 0 && s->is_one_call)
			ck_assert_uint_eq(fixture_n_ops(w), before);
		if (w->is_torn && s->is_one_call)
			ck_assert(vault_is_read_only(w));
		if (r == 0)
			ck_assert(!w->is_torn);
		ck_assert(!w->oplog.in_transaction);
		fixture_free(w);
	}
}
END_TEST

static TCase *refusing_case(void)
{
	TCase *t = tcase_create("refusing");

	tcase_add_test(t, test_an_inode_is_made_once);
	tcase_add_test(t, test_what_nobody_made_cannot_be_changed);
	tcase_add_test(t, test_the_root_has_no_place);
	tcase_add_test(t, test_a_parent_is_a_directory_that_was_placed);
	tcase_add_test(t, test_a_directory_has_one_link);
	tcase_add_test(t, test_a_directory_in_itself_is_shown_elsewhere);
	tcase_add_test(t, test_a_link_is_one_of_the_inode);
	tcase_add_test(t, test_a_link_is_known_after_all_its_dots_are_gone);
	tcase_add_test(t, test_dots_lie_in_the_past);
	tcase_add_test(t, test_forgotten_dots_are_what_the_log_says);
	tcase_add_test(t, test_only_files_have_contents);
	tcase_add_test(t, test_a_chunk_has_one_length);
	tcase_add_test(t, test_a_split_tells_the_version_as_it_is);
	tcase_add_test(t, test_a_split_version_gets_a_name_in_its_transaction);
	tcase_add_test(t, test_a_pin_finds_its_place_whichever_inode_it_names);
	tcase_add_test(t, test_an_inode_of_a_splits_id_does_not_stop_a_sibling);
	tcase_add_test(t, test_a_sibling_that_is_held_stays_readable_and_can_be_linked);
	tcase_add_test(t, test_ids_of_one_time_are_not_numbered_in_a_row);
	tcase_add_test(t, test_a_name_that_is_recorded_takes_a_generated_one);
	tcase_add_test(t, test_other_names_come_and_go_beside_a_generated_one);
	return t;
}

static TCase *memory_case(void)
{
	TCase *t = tcase_create("memory");

	tcase_add_loop_test(t, test_short_memory_fails_calls_as_a_whole, 0,
			    (int)array_len(steps));
	return t;
}

int main(void)
{
	TCase *cases[] = { refusing_case(), memory_case() };
	Suite *s = suite_create("merge");

	for (unsigned i = 0; i < array_len(cases); i++) {
		tcase_add_checked_fixture(cases[i], setup, teardown);
		tcase_set_timeout(cases[i], 60);
		suite_add_tcase(s, cases[i]);
	}
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
