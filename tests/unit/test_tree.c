/* SPDX-License-Identifier: ISC */
/* What POSIX says of names, as the calls of vault/tree.h do it. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "tree_fixture.h"
#include "vault/merge/view_priv.h"

#define FILE_MODE (S_IFREG | 0644)
#define DIR_MODE (S_IFDIR | 0755)
#define MINUTE_NS (INT64_C(60) * 1000000000)

static struct vault *v;

static void setup(void)
{
	v = fixture_vault(7);
	ck_assert_ptr_nonnull(v);
}

static void teardown(void)
{
	ck_assert(!vault_is_read_only(v));
	fixture_free(v);
}

static uint64_t file(uint64_t parent, const char *name)
{
	return fixture_make(v, parent, name, FILE_MODE);
}

static uint64_t dir(uint64_t parent, const char *name)
{
	return fixture_make(v, parent, name, DIR_MODE);
}

static uint32_t nlink_of(uint64_t ino)
{
	return fixture_attr(v, ino).nlink;
}

static int make(uint64_t parent, struct vault_name name, uint32_t mode)
{
	struct vault_new what = { .mode = mode };
	struct vault_attr a;

	return vault_make(v, parent, name, &what, false, &a);
}

static int move(uint64_t from, const char *a, uint64_t to, const char *b,
		unsigned flags)
{
	return vault_rename(v, from, NAME(a), to, NAME(b), flags);
}

/* ---------------------------------------------------------------- names */

START_TEST(test_names_that_are_none_are_refused)
{
	char longest[257];

	memset(longest, 'x', sizeof(longest));
	ck_assert_int_eq(make(ROOT, (struct vault_name){ "", 0 }, FILE_MODE),
			 -ENOENT);
	ck_assert_int_eq(make(ROOT, NAME("."), FILE_MODE), -EINVAL);
	ck_assert_int_eq(make(ROOT, NAME(".."), FILE_MODE), -EINVAL);
	ck_assert_int_eq(make(ROOT, NAME("a/b"), FILE_MODE), -EINVAL);
	ck_assert_int_eq(make(ROOT, (struct vault_name){ "a\0b", 3 },
			      FILE_MODE), -EINVAL);
	ck_assert_int_eq(make(ROOT, (struct vault_name){ longest, 256 },
			      FILE_MODE), -ENAMETOOLONG);
	ck_assert_int_eq(make(ROOT, (struct vault_name){ longest, 255 },
			      FILE_MODE), 0);
	ck_assert_uint_eq(fixture_n_ops(v), 2);
}
END_TEST

START_TEST(test_any_other_byte_is_part_of_a_name)
{
	struct vault_attr a;

	for (int i = 1; i < 256; i++) {
		const char name[2] = { (char)i, 'n' };
		struct vault_name n = { name, 2 };

		if (i == '/')
			continue;
		ck_assert_int_eq(make(ROOT, n, FILE_MODE), 0);
		ck_assert_int_eq(vault_lookup(v, ROOT, n, &a), 1);
	}
	ck_assert_int_eq(vault_lookup(v, ROOT, NAME("n"), &a), 0);
}
END_TEST

START_TEST(test_a_name_is_found_where_it_was_made_only)
{
	uint64_t d = dir(ROOT, "d"), f = file(d, "f");
	struct vault_attr a;

	ck_assert_uint_eq(fixture_find(v, d, "f"), f);
	ck_assert_uint_eq(fixture_find(v, ROOT, "f"), 0);
	ck_assert_uint_eq(fixture_find(v, d, "F"), 0);
	ck_assert_int_eq(vault_lookup(v, f, NAME("x"), &a), -ENOTDIR);
	ck_assert_int_eq(vault_lookup(v, 999999, NAME("x"), &a), -ENOENT);
	ck_assert_int_eq(vault_walk(v, "d/f", &a), 1);
	ck_assert_uint_eq(a.ino, f);
	ck_assert_int_eq(vault_walk(v, "d//f/", &a), 1);
	ck_assert_int_eq(vault_walk(v, "d/x", &a), 0);
}
END_TEST

/* ---------------------------------------------------------------- making */

START_TEST(test_each_kind_is_made_as_it_was_asked_for)
{
	static const uint32_t modes[] = {
		S_IFREG | 0600, S_IFDIR | 01777, S_IFIFO | 0622,
		S_IFSOCK | 0777, S_IFCHR | 0640, S_IFBLK | 0660,
	};
	char name[8], target[16];

	for (unsigned i = 0; i < array_len(modes); i++) {
		struct vault_new what = { .mode = modes[i], .uid = 5, .gid = 6,
					  .rdev = makedev(8, 3) };
		bool is_device = S_ISCHR(modes[i]) || S_ISBLK(modes[i]);
		struct vault_attr a;

		snprintf(name, sizeof(name), "n%u", i);
		ck_assert_int_eq(vault_make(v, ROOT, NAME(name), &what, false,
					    &a), 0);
		ck_assert_uint_eq(a.mode, modes[i]);
		ck_assert_uint_eq(a.uid, 5);
		ck_assert_uint_eq(a.gid, 6);
		ck_assert_uint_eq(a.rdev, is_device ? makedev(8, 3) : 0);
		ck_assert_int_eq(a.btime_ns, fixture_now_ns);
	}
	uint64_t l = fixture_make(v, ROOT, "l", S_IFLNK | 0777);
	ck_assert_int_eq(vault_readlink(v, l, target, sizeof(target)), 6);
	ck_assert_mem_eq(target, "target", 6);
	ck_assert_int_eq(vault_readlink(v, l, target, 3), 3);
	ck_assert_uint_eq(fixture_attr(v, l).size, 6);
	ck_assert_int_eq(vault_readlink(v, ROOT, target, 3), -EINVAL);
}
END_TEST

START_TEST(test_making_says_what_is_wrong)
{
	uint64_t f = file(ROOT, "f"), d = dir(ROOT, "d");
	struct vault_new link = { .mode = S_IFLNK | 0777 };
	struct vault_attr a;
	char longest[4097];

	ck_assert_int_eq(make(ROOT, NAME("f"), FILE_MODE), -EEXIST);
	ck_assert_int_eq(make(ROOT, NAME("d"), DIR_MODE), -EEXIST);
	ck_assert_int_eq(make(f, NAME("x"), FILE_MODE), -ENOTDIR);
	ck_assert_int_eq(make(12345, NAME("x"), FILE_MODE), -ENOENT);
	ck_assert_int_eq(make(ROOT, NAME("x"), 0644), -EINVAL);
	ck_assert_int_eq(vault_rmdir(v, ROOT, NAME("d")), 0);
	ck_assert_int_eq(make(d, NAME("x"), FILE_MODE), -ENOENT);
	memset(longest, 't', sizeof(longest));
	ck_assert_int_eq(vault_make(v, ROOT, NAME("l"), &link, false, &a),
			 -ENOENT);
	link.target = (struct vault_name){ longest, 4096 };
	ck_assert_int_eq(vault_make(v, ROOT, NAME("l"), &link, false, &a),
			 -ENAMETOOLONG);
	link.target.len = 4095;
	ck_assert_int_eq(vault_make(v, ROOT, NAME("l"), &link, false, &a), 0);
}
END_TEST

/* ---------------------------------------------------------------- removing */

START_TEST(test_removing_says_what_is_wrong)
{
	uint64_t d = dir(ROOT, "d");

	file(ROOT, "f");
	file(d, "x");
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("none")), -ENOENT);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("d")), -EISDIR);
	ck_assert_int_eq(vault_rmdir(v, ROOT, NAME("none")), -ENOENT);
	ck_assert_int_eq(vault_rmdir(v, ROOT, NAME("f")), -ENOTDIR);
	ck_assert_int_eq(vault_rmdir(v, ROOT, NAME("d")), -ENOTEMPTY);
	ck_assert_int_eq(vault_rmdir(v, d, NAME("..")), -ENOTEMPTY);
	ck_assert_int_eq(vault_rmdir(v, d, NAME(".")), -EINVAL);
	ck_assert_int_eq(vault_unlink(v, d, NAME("x")), 0);
	ck_assert_int_eq(vault_rmdir(v, ROOT, NAME("d")), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "d"), 0);
}
END_TEST

START_TEST(test_held_inodes_outlive_their_last_name)
{
	uint64_t f = file(ROOT, "f");
	struct vault_attr a;
	char got[8];

	fixture_fill(v, f, "bytes");
	vault_hold(v, f, 2);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("f")), 0);
	ck_assert_uint_eq(nlink_of(f), 0);
	ck_assert_uint_eq(fixture_read(v, f, got, sizeof(got)), 5);
	vault_unhold(v, f, 1);
	ck_assert_uint_eq(fixture_attr(v, f).size, 5);
	vault_unhold(v, f, 1);
	ck_assert_int_eq(vault_getattr(v, f, &a), -ENOENT);
	ck_assert_uint_eq(fixture_read(v, f, got, sizeof(got)), 0);
	ck_assert_int_eq(make(ROOT, NAME("f"), FILE_MODE), 0);
	ck_assert_uint_ne(fixture_find(v, ROOT, "f"), f);
}
END_TEST

START_TEST(test_changes_to_what_is_unlinked_are_not_logged)
{
	uint64_t f = file(ROOT, "f");
	struct vault_attr a = { .mode = 0600 };

	vault_hold(v, f, 1);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("f")), 0);
	unsigned n = fixture_n_ops(v);
	ck_assert_int_eq(vault_setattr(v, f, VAULT_SET_MODE, &a, &a), 0);
	ck_assert_uint_eq(a.mode, S_IFREG | 0600);
	ck_assert_int_eq(vault_setxattr(v, f, "user.a", "b", 1, 0), 0);
	ck_assert_int_eq(vault_link(v, f, ROOT, NAME("again"), &a), -ENOENT);
	ck_assert_uint_eq(fixture_n_ops(v), n);
	vault_unhold(v, f, 1);
}
END_TEST

START_TEST(test_a_removed_directory_that_is_held_is_empty)
{
	uint64_t d = dir(ROOT, "d");

	vault_hold(v, d, 1);
	ck_assert_int_eq(vault_rmdir(v, ROOT, NAME("d")), 0);
	ck_assert_uint_eq(nlink_of(d), 0);
	ck_assert_int_eq(make(d, NAME("x"), FILE_MODE), -ENOENT);
	vault_unhold(v, d, 1);
}
END_TEST

/* ---------------------------------------------------------------- linking */

START_TEST(test_links_are_counted)
{
	uint64_t f = file(ROOT, "f"), d = dir(ROOT, "d");
	struct vault_attr a;

	ck_assert_uint_eq(nlink_of(f), 1);
	ck_assert_int_eq(vault_link(v, f, d, NAME("g"), &a), 0);
	ck_assert_uint_eq(a.nlink, 2);
	ck_assert_uint_eq(a.ino, f);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("f")), 0);
	ck_assert_uint_eq(nlink_of(f), 1);
	ck_assert_uint_eq(fixture_find(v, d, "g"), f);
	ck_assert_int_eq(vault_link(v, f, ROOT, NAME("f"), &a), 0);
	ck_assert_uint_eq(nlink_of(f), 2);
}
END_TEST

START_TEST(test_many_links_are_counted)
{
	uint64_t f = file(ROOT, "f");
	struct vault_attr a;
	char name[16];

	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "link %u", i);
		ck_assert_int_eq(vault_link(v, f, ROOT, NAME(name), &a), 0);
		ck_assert_uint_eq(a.nlink, i + 2);
	}
	for (unsigned i = 0; i < 300; i += 2) {
		snprintf(name, sizeof(name), "link %u", i);
		ck_assert_int_eq(vault_unlink(v, ROOT, NAME(name)), 0);
	}
	ck_assert_uint_eq(nlink_of(f), 151);
	ck_assert_int_eq(move(ROOT, "link 1", ROOT, "moved", 0), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "link 1"), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "link 299"), f);
	ck_assert_uint_eq(nlink_of(f), 151);
}
END_TEST

START_TEST(test_linking_says_what_is_wrong)
{
	uint64_t f = file(ROOT, "f"), d = dir(ROOT, "d");
	struct vault_attr a;

	ck_assert_int_eq(vault_link(v, d, ROOT, NAME("e"), &a), -EPERM);
	ck_assert_int_eq(vault_link(v, ROOT, d, NAME("e"), &a), -EPERM);
	ck_assert_int_eq(vault_link(v, f, ROOT, NAME("d"), &a), -EEXIST);
	ck_assert_int_eq(vault_link(v, f, f, NAME("x"), &a), -ENOTDIR);
	ck_assert_int_eq(vault_link(v, f, 4711, NAME("x"), &a), -ENOENT);
	ck_assert_int_eq(vault_link(v, 4711, ROOT, NAME("x"), &a), -ENOENT);
}
END_TEST

START_TEST(test_directories_count_those_in_them)
{
	uint64_t d = dir(ROOT, "d");

	ck_assert_uint_eq(nlink_of(ROOT), 3);
	ck_assert_uint_eq(nlink_of(d), 2);
	file(d, "f");
	ck_assert_uint_eq(nlink_of(d), 2);
	uint64_t e = dir(d, "e");
	ck_assert_uint_eq(nlink_of(d), 3);
	ck_assert_int_eq(move(d, "e", ROOT, "e", 0), 0);
	ck_assert_uint_eq(nlink_of(d), 2);
	ck_assert_uint_eq(nlink_of(ROOT), 4);
	ck_assert_int_eq(vault_rmdir(v, ROOT, NAME("e")), 0);
	ck_assert_uint_eq(nlink_of(ROOT), 3);
	ck_assert_uint_eq(fixture_find(v, ROOT, "e"), 0);
	ck_assert_uint_ne(e, d);
}
END_TEST

/* ---------------------------------------------------------------- renaming */

START_TEST(test_a_directory_does_not_go_below_itself)
{
	uint64_t a = dir(ROOT, "a"), b = dir(a, "b"), c = dir(b, "c");

	file(c, "f");
	ck_assert_int_eq(move(ROOT, "a", a, "x", 0), -EINVAL);
	ck_assert_int_eq(move(ROOT, "a", c, "x", 0), -EINVAL);
	ck_assert_int_eq(move(ROOT, "a", b, "c", 0), -EINVAL);
	ck_assert_int_eq(move(ROOT, "a", b, "c", VAULT_RENAME_EXCHANGE),
			 -EINVAL);
	ck_assert_int_eq(move(b, "c", ROOT, "a", VAULT_RENAME_EXCHANGE),
			 -EINVAL);
	ck_assert_int_eq(move(a, "b", ROOT, "a", 0), -ENOTEMPTY);
	ck_assert_int_eq(move(b, "c", ROOT, "c", 0), 0);
	ck_assert_int_eq(move(ROOT, "a", c, "a", 0), 0);
	uint64_t up;
	ck_assert_int_eq(vault_parent(v, a, &up), 0);
	ck_assert_uint_eq(up, c);
}
END_TEST

START_TEST(test_rename_replaces_what_posix_lets_it)
{
	uint64_t d = dir(ROOT, "d"), e = dir(ROOT, "e"), f = file(ROOT, "f");
	uint64_t g = file(ROOT, "g");
	struct vault_attr a;

	ck_assert_int_eq(move(ROOT, "none", ROOT, "x", 0), -ENOENT);
	ck_assert_int_eq(move(ROOT, "f", ROOT, "d", 0), -EISDIR);
	ck_assert_int_eq(move(ROOT, "d", ROOT, "f", 0), -ENOTDIR);
	ck_assert_int_eq(move(ROOT, "f", ROOT, "g", 0), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "g"), f);
	ck_assert_int_eq(vault_getattr(v, g, &a), -ENOENT);
	ck_assert_int_eq(move(ROOT, "d", ROOT, "e", 0), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "e"), d);
	ck_assert_int_eq(vault_getattr(v, e, &a), -ENOENT);
	file(d, "x");
	dir(ROOT, "h");
	ck_assert_int_eq(move(ROOT, "h", ROOT, "e", 0), -ENOTEMPTY);
	ck_assert_int_eq(move(ROOT, "e", ROOT, "h", 0), 0);
	ck_assert_uint_ne(fixture_find(v, d, "x"), 0);
	ck_assert_uint_eq(nlink_of(ROOT), 3);
}
END_TEST

START_TEST(test_rename_onto_another_link_of_it_does_nothing)
{
	uint64_t f = file(ROOT, "f");
	struct vault_attr a;

	ck_assert_int_eq(vault_link(v, f, ROOT, NAME("g"), &a), 0);
	unsigned n = fixture_n_ops(v);
	ck_assert_int_eq(move(ROOT, "f", ROOT, "g", 0), 0);
	ck_assert_int_eq(move(ROOT, "f", ROOT, "f", 0), 0);
	ck_assert_uint_eq(fixture_n_ops(v), n);
	ck_assert_uint_eq(nlink_of(f), 2);
	ck_assert_int_eq(move(ROOT, "f", ROOT, "g", VAULT_RENAME_NOREPLACE),
			 -EEXIST);
}
END_TEST

START_TEST(test_noreplace_replaces_nothing)
{
	uint64_t f = file(ROOT, "f"), g = file(ROOT, "g");

	ck_assert_int_eq(move(ROOT, "f", ROOT, "g", VAULT_RENAME_NOREPLACE),
			 -EEXIST);
	ck_assert_uint_eq(fixture_find(v, ROOT, "f"), f);
	ck_assert_uint_eq(fixture_find(v, ROOT, "g"), g);
	ck_assert_int_eq(move(ROOT, "f", ROOT, "h", VAULT_RENAME_NOREPLACE), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "h"), f);
	ck_assert_int_eq(move(ROOT, "h", ROOT, "i", VAULT_RENAME_NOREPLACE |
			      VAULT_RENAME_EXCHANGE), -EINVAL);
}
END_TEST

START_TEST(test_exchange_swaps_anything)
{
	uint64_t d = dir(ROOT, "d"), e = dir(d, "e"), f = file(ROOT, "f");

	ck_assert_int_eq(move(ROOT, "f", ROOT, "x", VAULT_RENAME_EXCHANGE),
			 -ENOENT);
	ck_assert_int_eq(move(ROOT, "f", d, "e", VAULT_RENAME_EXCHANGE), 0);
	ck_assert_uint_eq(fixture_find(v, d, "e"), f);
	ck_assert_uint_eq(fixture_find(v, ROOT, "f"), e);
	ck_assert_uint_eq(nlink_of(d), 2);
	ck_assert_uint_eq(nlink_of(ROOT), 4);
	ck_assert_int_eq(move(ROOT, "f", ROOT, "d", VAULT_RENAME_EXCHANGE), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "d"), e);
	ck_assert_uint_eq(fixture_find(v, ROOT, "f"), d);
}
END_TEST

START_TEST(test_whiteout_leaves_a_device_without_number)
{
	uint64_t f = file(ROOT, "f");

	ck_assert_int_eq(move(ROOT, "f", ROOT, "g", VAULT_RENAME_WHITEOUT), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "g"), f);
	struct vault_attr a = fixture_attr(v, fixture_find(v, ROOT, "f"));
	ck_assert(S_ISCHR(a.mode));
	ck_assert_uint_eq(a.rdev, 0);
}
END_TEST

/* ---------------------------------------------------------------- unnamed */

START_TEST(test_an_unnamed_file_enters_the_log_when_it_is_linked)
{
	struct vault_new what = { .mode = FILE_MODE, .uid = 3 };
	struct vault_attr a;
	char got[16];

	ck_assert_int_eq(vault_make_unnamed(v, &what, &a), 0);
	uint64_t ino = a.ino;
	ck_assert_uint_eq(a.nlink, 0);
	fixture_fill(v, ino, "contents");
	ck_assert_int_eq(vault_setxattr(v, ino, "user.k", "value", 5, 0), 0);
	ck_assert_uint_eq(fixture_n_ops(v), 0);
	ck_assert_int_eq(vault_link(v, ino, ROOT, NAME("f"), &a), 0);
	ck_assert_uint_eq(a.nlink, 1);
	ck_assert_uint_eq(a.ino, ino);
	/* MKNOD, CONTENT, XATTR, PLACE: one transaction. */
	ck_assert_uint_eq(fixture_n_ops(v), 4);
	struct op c = fixture_op(v, 1), x = fixture_op(v, 2);
	ck_assert_int_eq(fixture_op(v, 0).type, OP_MKNOD);
	ck_assert_int_eq(c.type, OP_CONTENT);
	ck_assert(c.content.whole && c.content.size == 8);
	ck_assert_uint_eq(c.content.replaces.n, 1);
	ck_assert_int_eq(x.type, OP_XATTR);
	ck_assert_uint_eq(x.xattr.value_bytes, 5);
	ck_assert_int_eq(fixture_op(v, 3).type, OP_PLACE);
	ck_assert(fixture_op(v, 2).flags & OP_FLAG_MORE);
	ck_assert(!(fixture_op(v, 3).flags & OP_FLAG_MORE));
	vault_unhold(v, ino, 1);
	ck_assert_uint_eq(fixture_find(v, ROOT, "f"), ino);
	ck_assert_uint_eq(fixture_read(v, ino, got, sizeof(got)), 8);
	ck_assert_int_eq(vault_getxattr(v, ino, "user.k", got, 16), 5);
}
END_TEST

START_TEST(test_an_unnamed_file_let_go_leaves_nothing)
{
	struct vault_new what = { .mode = FILE_MODE };
	struct vault_attr a;
	struct node *n;

	ck_assert_int_eq(vault_make_unnamed(v, &what, &a), 0);
	fixture_fill(v, a.ino, "contents");
	uint64_t ino = a.ino;
	vault_unhold(v, ino, 1);
	ck_assert_int_eq(vault_getattr(v, ino, &a), -ENOENT);
	ck_assert_int_eq(node_get(v->nodes, ino, &n), 0);
	ck_assert_uint_eq(fixture_n_ops(v), 0);
	what.mode = DIR_MODE;
	ck_assert_int_eq(vault_make_unnamed(v, &what, &a), -EINVAL);
}
END_TEST

/* ---------------------------------------------------------------- listing */

struct listed {
	char names[600][32];
	uint64_t next[600];
	unsigned n, stop_at;
};

static int list_fn(void *arg, const struct vault_entry *e)
{
	struct listed *l = arg;

	if (l->n == l->stop_at)
		return 1;
	memcpy(l->names[l->n], e->name.bytes, e->name.len);
	l->names[l->n][e->name.len] = '\0';
	l->next[l->n++] = e->next;
	return 0;
}

static bool has(const struct listed *l, const char *name)
{
	for (unsigned i = 0; i < l->n; i++)
		if (strcmp(l->names[i], name) == 0)
			return true;
	return false;
}

static struct listed list(uint64_t d, uint64_t from, unsigned stop_at)
{
	struct listed l = { .stop_at = stop_at };

	ck_assert_int_eq(vault_readdir(v, d, from, false, list_fn, &l), 0);
	return l;
}

START_TEST(test_listing_goes_on_where_it_stopped_whatever_changes)
{
	uint64_t d = dir(ROOT, "d");
	char name[16];

	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		file(d, name);
	}
	struct listed before = list(d, 0, 100);
	ck_assert_uint_eq(before.n, 100);
	/* Half of what was seen goes, as much comes. */
	for (unsigned i = 0; i < 50; i++)
		ck_assert_int_eq(vault_unlink(v, d, NAME(before.names[i])), 0);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "new%u", i);
		file(d, name);
	}
	struct listed after = list(d, before.next[99], 600);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		ck_assert_int_eq(has(&before, name) + has(&after, name), 1);
	}
}
END_TEST

static int kinds_fn(void *arg, const struct vault_entry *e)
{
	unsigned *seen = arg;

	ck_assert_ptr_nonnull(e->attr);
	ck_assert_uint_eq(e->attr->ino, e->ino);
	ck_assert_uint_eq(e->dtype, (e->attr->mode & S_IFMT) >> 12);
	*seen |= 1u << e->dtype;
	return 0;
}

START_TEST(test_listing_tells_kinds_and_attributes)
{
	unsigned seen = 0;

	file(ROOT, "f");
	dir(ROOT, "d");
	fixture_make(v, ROOT, "l", S_IFLNK | 0777);
	ck_assert_int_eq(vault_readdir(v, ROOT, 0, true, kinds_fn, &seen), 0);
	ck_assert_uint_eq(seen, 1u << DT_REG | 1u << DT_DIR | 1u << DT_LNK);
	ck_assert_int_eq(vault_readdir(v, fixture_find(v, ROOT, "f"), 0, true,
				       kinds_fn, &seen), -ENOTDIR);
}
END_TEST

static int stop_fn(void *arg, const struct vault_entry *e)
{
	(void)arg;
	(void)e;
	return -EIO;
}

START_TEST(test_what_the_reader_of_a_listing_says_comes_back)
{
	file(ROOT, "f");
	ck_assert_int_eq(vault_readdir(v, ROOT, 0, false, stop_fn, NULL), -EIO);
}
END_TEST

/* A row of another name where the hash of `name` points to. */
static void take_slot(const char *name, unsigned slot)
{
	char other[16];

	snprintf(other, sizeof(other), "other %u", slot);
	struct index_link l = {
		.parent = ROOT,
		.cookie = view_cookie(v, name, strlen(name)) + slot,
		.ino = fixture_find(v, ROOT, "f"),
		.kind = KIND_FILE,
		.name = (const uint8_t *)other,
		.name_len = (uint16_t)strlen(other),
	};
	ck_assert_int_eq(index_link_put(v->index, &l), 0);
}

START_TEST(test_names_of_one_hash_stand_side_by_side)
{
	file(ROOT, "f");
	for (unsigned i = 0; i < 15; i++)
		take_slot("wanted", i);
	uint64_t w = file(ROOT, "wanted");
	ck_assert_uint_eq(fixture_find(v, ROOT, "wanted"), w);
	ck_assert_int_eq(move(ROOT, "wanted", ROOT, "elsewhere", 0), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "wanted"), 0);
	ck_assert_uint_eq(fixture_find(v, ROOT, "elsewhere"), w);
}
END_TEST

/* ---------------------------------------------------------------- times */

static struct vault_attr later(uint64_t ino)
{
	struct vault_attr a = fixture_attr(v, ino);

	fixture_now_ns += MINUTE_NS;
	return a;
}

static void assert_dir_changed(uint64_t ino)
{
	struct vault_attr a = fixture_attr(v, ino);

	ck_assert_int_eq(a.mtime_ns, fixture_now_ns);
	ck_assert_int_eq(a.ctime_ns, fixture_now_ns);
	ck_assert_int_ne(a.atime_ns, fixture_now_ns);
}

START_TEST(test_directories_tell_when_names_in_them_changed)
{
	uint64_t d = dir(ROOT, "d"), e = dir(ROOT, "e");
	struct vault_attr a;

	later(d);
	uint64_t f = file(d, "f");
	assert_dir_changed(d);
	fixture_now_ns += MINUTE_NS;
	ck_assert_int_eq(vault_link(v, f, d, NAME("g"), &a), 0);
	assert_dir_changed(d);
	fixture_now_ns += MINUTE_NS;
	ck_assert_int_eq(move(d, "f", e, "f", 0), 0);
	assert_dir_changed(d);
	assert_dir_changed(e);
	fixture_now_ns += MINUTE_NS;
	ck_assert_int_eq(vault_unlink(v, d, NAME("g")), 0);
	assert_dir_changed(d);
	fixture_now_ns += MINUTE_NS;
	ck_assert_int_eq(vault_rmdir(v, ROOT, NAME("d")), 0);
	assert_dir_changed(ROOT);
}
END_TEST

START_TEST(test_files_tell_when_names_or_attributes_changed)
{
	uint64_t f = file(ROOT, "f");
	struct vault_attr was = later(f), a = { .mode = 0600 };

	ck_assert_int_eq(vault_link(v, f, ROOT, NAME("g"), &a), 0);
	ck_assert_int_eq(a.ctime_ns, fixture_now_ns);
	ck_assert_int_eq(a.mtime_ns, was.mtime_ns);
	later(f);
	ck_assert_int_eq(move(ROOT, "g", ROOT, "h", 0), 0);
	ck_assert_int_eq(fixture_attr(v, f).ctime_ns, fixture_now_ns);
	later(f);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("h")), 0);
	ck_assert_int_eq(fixture_attr(v, f).ctime_ns, fixture_now_ns);
	later(f);
	a.mode = 0600;
	ck_assert_int_eq(vault_setattr(v, f, VAULT_SET_MODE, &a, &a), 0);
	ck_assert_int_eq(a.ctime_ns, fixture_now_ns);
	ck_assert_int_eq(a.mtime_ns, was.mtime_ns);
	ck_assert_uint_eq(a.mode, S_IFREG | 0600);
	later(f);
	ck_assert_int_eq(vault_setxattr(v, f, "user.a", "", 0, 0), 0);
	ck_assert_int_eq(fixture_attr(v, f).ctime_ns, fixture_now_ns);
	was = later(f);
	a.atime_ns = 4711;
	ck_assert_int_eq(vault_setattr(v, f, VAULT_SET_ATIME | VAULT_KEEP_CTIME,
				       &a, &a), 0);
	ck_assert_int_eq(a.atime_ns, 4711);
	ck_assert_int_eq(a.ctime_ns, was.ctime_ns);
}
END_TEST

START_TEST(test_attributes_change_as_asked_and_no_others)
{
	uint64_t f = fixture_make(v, ROOT, "f", S_IFREG | 06755);
	uint64_t pipe = fixture_make(v, ROOT, "pipe", S_IFIFO | 06755);
	uint64_t dir = fixture_make(v, ROOT, "dir", S_IFDIR | 06755);
	struct vault_attr a = { .uid = 1, .gid = 2, .atime_ns = 3,
				.mtime_ns = -4, .ctime_ns = 5 }, got;

	ck_assert_int_eq(vault_setattr(v, f, VAULT_SET_GID, &a, &got), 0);
	ck_assert_uint_eq(got.uid, 0);
	ck_assert_uint_eq(got.gid, 2);
	ck_assert_uint_eq(got.mode, S_IFREG | 06755);
	ck_assert_int_eq(vault_setattr(v, f, VAULT_SET_ATIME |
				       VAULT_SET_MTIME | VAULT_SET_CTIME,
				       &a, &got), 0);
	ck_assert_int_eq(got.atime_ns, 3);
	ck_assert_int_eq(got.mtime_ns, -4);
	ck_assert_int_eq(got.ctime_ns, 5);
	ck_assert_int_eq(vault_setxattr(v, f, "security.capability", "c", 1,
					0), 0);
	ck_assert_int_eq(vault_setattr(v, f, VAULT_SET_UID |
				       VAULT_DROP_PRIVILEGES, &a, &got), 0);
	ck_assert_uint_eq(got.mode, S_IFREG | 0755);
	ck_assert_int_eq(vault_setattr(v, pipe, VAULT_SET_UID |
				       VAULT_DROP_PRIVILEGES, &a, &got), 0);
	ck_assert_uint_eq(got.mode, S_IFIFO | 0755);
	ck_assert_int_eq(vault_setattr(v, dir, VAULT_SET_UID |
				       VAULT_DROP_PRIVILEGES, &a, &got), 0);
	ck_assert_uint_eq(got.mode, S_IFDIR | 06755);
	ck_assert_int_eq(vault_getxattr(v, f, "security.capability", NULL, 0),
			 -ENODATA);
	/* There are none left to drop. */
	got.mode = 0;
	ck_assert_int_eq(vault_setattr(v, f, VAULT_DROP_PRIVILEGES, &a, &got),
			 0);
	ck_assert_uint_eq(got.mode, S_IFREG | 0755);
	/* Set-group-ID where the group may not execute goes on request. */
	a.mode = 06744;
	ck_assert_int_eq(vault_setattr(v, f, VAULT_SET_MODE, &a, &got), 0);
	ck_assert_int_eq(vault_setattr(v, f, VAULT_DROP_PRIVILEGES, &a, &got),
			 0);
	ck_assert_uint_eq(got.mode, S_IFREG | 02744);
	ck_assert_int_eq(vault_setattr(v, f, VAULT_DROP_PRIVILEGES |
				       VAULT_DROP_SGID, &a, &got), 0);
	ck_assert_uint_eq(got.mode, S_IFREG | 0744);
	ck_assert_int_eq(vault_setattr(v, 4711, VAULT_SET_UID, &a, &got),
			 -ENOENT);
}
END_TEST

/* ---------------------------------------------------------------- the whole */

START_TEST(test_a_read_only_vault_changes_nothing)
{
	uint64_t f = file(ROOT, "f");
	struct vault_attr a = { .mode = 0 };

	atomic_store(&v->is_read_only, true);
	ck_assert_int_eq(make(ROOT, NAME("g"), FILE_MODE), ERR_READ_ONLY);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("f")), ERR_READ_ONLY);
	ck_assert_int_eq(move(ROOT, "f", ROOT, "g", 0), ERR_READ_ONLY);
	ck_assert_int_eq(vault_setattr(v, f, VAULT_SET_MODE, &a, &a),
			 ERR_READ_ONLY);
	ck_assert_int_eq(vault_setxattr(v, f, "user.a", "", 0, 0),
			 ERR_READ_ONLY);
	ck_assert_uint_eq(fixture_find(v, ROOT, "f"), f);
	atomic_store(&v->is_read_only, false);
}
END_TEST

START_TEST(test_inodes_and_directories_are_counted)
{
	uint64_t n = v->n_inodes, d = v->n_dirs, ino = file(ROOT, "f");
	struct vault_attr a;

	dir(ROOT, "d");
	ck_assert_uint_eq(v->n_inodes, n + 2);
	ck_assert_uint_eq(v->n_dirs, d + 1);
	ck_assert_int_eq(vault_link(v, ino, ROOT, NAME("g"), &a), 0);
	ck_assert_int_eq(move(ROOT, "d", ROOT, "e", 0), 0);
	ck_assert_uint_eq(v->n_inodes, n + 2);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("f")), 0);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("g")), 0);
	ck_assert_int_eq(vault_rmdir(v, ROOT, NAME("e")), 0);
	ck_assert_uint_eq(v->n_inodes, n);
	ck_assert_uint_eq(v->n_dirs, d);
}
END_TEST

static TCase *names_case(void)
{
	TCase *t = tcase_create("names");

	tcase_add_test(t, test_names_that_are_none_are_refused);
	tcase_add_test(t, test_any_other_byte_is_part_of_a_name);
	tcase_add_test(t, test_a_name_is_found_where_it_was_made_only);
	tcase_add_test(t, test_each_kind_is_made_as_it_was_asked_for);
	tcase_add_test(t, test_making_says_what_is_wrong);
	tcase_add_test(t, test_removing_says_what_is_wrong);
	tcase_add_test(t, test_held_inodes_outlive_their_last_name);
	tcase_add_test(t, test_changes_to_what_is_unlinked_are_not_logged);
	tcase_add_test(t, test_a_removed_directory_that_is_held_is_empty);
	tcase_add_test(t, test_links_are_counted);
	tcase_add_test(t, test_many_links_are_counted);
	tcase_add_test(t, test_linking_says_what_is_wrong);
	tcase_add_test(t, test_directories_count_those_in_them);
	return t;
}

static TCase *renaming_case(void)
{
	TCase *t = tcase_create("renaming");

	tcase_add_test(t, test_a_directory_does_not_go_below_itself);
	tcase_add_test(t, test_rename_replaces_what_posix_lets_it);
	tcase_add_test(t, test_rename_onto_another_link_of_it_does_nothing);
	tcase_add_test(t, test_noreplace_replaces_nothing);
	tcase_add_test(t, test_exchange_swaps_anything);
	tcase_add_test(t, test_whiteout_leaves_a_device_without_number);
	tcase_add_test(t, test_an_unnamed_file_enters_the_log_when_it_is_linked);
	tcase_add_test(t, test_an_unnamed_file_let_go_leaves_nothing);
	return t;
}

static TCase *rest_case(void)
{
	TCase *t = tcase_create("listing, attributes");

	tcase_add_test(t, test_listing_goes_on_where_it_stopped_whatever_changes);
	tcase_add_test(t, test_listing_tells_kinds_and_attributes);
	tcase_add_test(t, test_what_the_reader_of_a_listing_says_comes_back);
	tcase_add_test(t, test_names_of_one_hash_stand_side_by_side);
	tcase_add_test(t, test_directories_tell_when_names_in_them_changed);
	tcase_add_test(t, test_files_tell_when_names_or_attributes_changed);
	tcase_add_test(t, test_attributes_change_as_asked_and_no_others);
	tcase_add_test(t, test_a_read_only_vault_changes_nothing);
	tcase_add_test(t, test_inodes_and_directories_are_counted);
	return t;
}

int main(void)
{
	TCase *cases[] = { names_case(), renaming_case(), rest_case() };
	Suite *s = suite_create("tree");

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
