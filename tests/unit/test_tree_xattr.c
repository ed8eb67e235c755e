/* SPDX-License-Identifier: ISC */
/* Extended attributes, as the calls of vault/xattr.h do them. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tree_fixture.h"

#define FILE_MODE (S_IFREG | 0644)
#define DIR_MODE (S_IFDIR | 0755)

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

START_TEST(test_extended_attributes_follow_their_flags)
{
	uint64_t f = file(ROOT, "f");
	char got[8];

	ck_assert_int_eq(vault_getxattr(v, f, "user.a", got, 8), -ENODATA);
	ck_assert_int_eq(vault_removexattr(v, f, "user.a"), -ENODATA);
	ck_assert_int_eq(vault_setxattr(v, f, "user.a", "1", 1,
					VAULT_XATTR_REPLACE), -ENODATA);
	ck_assert_int_eq(vault_setxattr(v, f, "user.a", "1", 1,
					VAULT_XATTR_CREATE), 0);
	ck_assert_int_eq(vault_setxattr(v, f, "user.a", "2", 1,
					VAULT_XATTR_CREATE), -EEXIST);
	ck_assert_int_eq(vault_setxattr(v, f, "user.a", "23", 2,
					VAULT_XATTR_REPLACE), 0);
	ck_assert_int_eq(vault_getxattr(v, f, "user.a", got, 1), -ERANGE);
	ck_assert_int_eq(vault_getxattr(v, f, "user.a", NULL, 0), 2);
	ck_assert_int_eq(vault_getxattr(v, f, "user.a", got, 8), 2);
	ck_assert_mem_eq(got, "23", 2);
	ck_assert_int_eq(vault_removexattr(v, f, "user.a"), 0);
	ck_assert_int_eq(vault_getxattr(v, f, "user.a", got, 8), -ENODATA);
	ck_assert_int_eq(vault_setxattr(v, f, "user.a", "", 0,
					VAULT_XATTR_CREATE), 0);
	ck_assert_int_eq(vault_getxattr(v, f, "user.a", got, 8), 0);
}
END_TEST

START_TEST(test_extended_attributes_have_limits)
{
	auto_free char *big = mem_zalloc(65537);
	uint64_t f = file(ROOT, "f");
	char name[257];

	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	ck_assert_int_eq(vault_setxattr(v, f, name, "", 0, 0), -ERANGE);
	ck_assert_int_eq(vault_getxattr(v, f, name, NULL, 0), -ERANGE);
	ck_assert_int_eq(vault_setxattr(v, f, "", "", 0, 0), -ERANGE);
	name[255] = '\0';
	ck_assert_int_eq(vault_setxattr(v, f, name, "", 0, 0), 0);
	ck_assert_int_eq(vault_setxattr(v, f, "user.big", big, 65537, 0),
			 -E2BIG);
	ck_assert_int_eq(vault_setxattr(v, f, "user.big", big, 65536, 0), 0);
	ck_assert_int_eq(vault_getxattr(v, f, "user.big", big, 65536), 65536);
	ck_assert_int_eq(vault_setxattr(v, 4711, "user.a", "", 0, 0), -ENOENT);
}
END_TEST

START_TEST(test_an_attribute_and_the_mode_change_together)
{
	uint64_t f = file(ROOT, "f");
	struct vault_xattr x = { "user.a", "1", 1 };
	char got[8];

	fixture_now_ns += NS_PER_MS;
	ck_assert_int_eq(vault_setxattr_and_mode(v, f, &x, S_IFDIR | 02640),
			 0);
	ck_assert_uint_eq(fixture_attr(v, f).mode, S_IFREG | 02640);
	ck_assert_int_eq(fixture_attr(v, f).ctime_ns, fixture_now_ns);
	ck_assert_int_eq(vault_getxattr(v, f, "user.a", got, 8), 1);
	x.value = NULL;
	ck_assert_int_eq(vault_setxattr_and_mode(v, f, &x, 0600), 0);
	ck_assert_int_eq(vault_getxattr(v, f, "user.a", got, 8), -ENODATA);
	ck_assert_uint_eq(fixture_attr(v, f).mode, S_IFREG | 0600);
	/* Not there: nothing to remove. */
	ck_assert_int_eq(vault_setxattr_and_mode(v, f, &x, 0644), 0);
	ck_assert_uint_eq(fixture_attr(v, f).mode, S_IFREG | 0644);
	x = (struct vault_xattr){ "user.a", got, 65537 };
	ck_assert_int_eq(vault_setxattr_and_mode(v, f, &x, 0), -E2BIG);
	x.name = "";
	ck_assert_int_eq(vault_setxattr_and_mode(v, f, &x, 0), -ERANGE);
	ck_assert_uint_eq(fixture_attr(v, f).mode, S_IFREG | 0644);
}
END_TEST

START_TEST(test_what_is_new_has_the_attributes_it_is_made_with)
{
	const struct vault_xattr x[] = { { "user.a", "1", 1 },
					 { "user.b", "", 0 } };
	struct vault_new what = { .mode = DIR_MODE, .xattrs = x, .n_xattrs = 2 };
	struct vault_attr a;
	char got[32];

	ck_assert_int_eq(vault_make(v, ROOT, NAME("d"), &what, false, &a), 0);
	ck_assert_int_eq(vault_listxattr(v, a.ino, got, sizeof(got)), 14);
	ck_assert_int_eq(vault_getxattr(v, a.ino, "user.a", got, 8), 1);
	ck_assert_int_eq(got[0], '1');
	what.mode = FILE_MODE;
	ck_assert_int_eq(vault_make_unnamed(v, &what, &a), 0);
	ck_assert_int_eq(vault_getxattr(v, a.ino, "user.a", got, 8), 1);
	ck_assert_int_eq(vault_link(v, a.ino, ROOT, NAME("f"), &a), 0);
	vault_unhold(v, a.ino, 1);
	ck_assert_int_eq(vault_getxattr(v, a.ino, "user.a", got, 8), 1);
	ck_assert_int_eq(vault_getxattr(v, a.ino, "user.b", got, 8), 0);
}
END_TEST

START_TEST(test_names_of_extended_attributes_are_listed)
{
	uint64_t f = file(ROOT, "f");
	char got[32];

	ck_assert_int_eq(vault_listxattr(v, f, got, sizeof(got)), 0);
	ck_assert_int_eq(vault_setxattr(v, f, "user.b", "", 0, 0), 0);
	ck_assert_int_eq(vault_setxattr(v, f, "user.a/c", "", 0, 0), 0);
	ck_assert_int_eq(vault_setxattr(v, f, "user.gone", "", 0, 0), 0);
	ck_assert_int_eq(vault_removexattr(v, f, "user.gone"), 0);
	ck_assert_int_eq(vault_listxattr(v, f, NULL, 0), 16);
	ck_assert_int_eq(vault_listxattr(v, f, got, 15), -ERANGE);
	ck_assert_int_eq(vault_listxattr(v, f, got, sizeof(got)), 16);
	ck_assert_mem_eq(got, "user.a/c\0user.b", 16);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("attributes");
	Suite *s = suite_create("tree_xattr");

	tcase_add_test(t, test_extended_attributes_follow_their_flags);
	tcase_add_test(t, test_extended_attributes_have_limits);
	tcase_add_test(t, test_an_attribute_and_the_mode_change_together);
	tcase_add_test(t, test_what_is_new_has_the_attributes_it_is_made_with);
	tcase_add_test(t, test_names_of_extended_attributes_are_listed);
	tcase_add_checked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
