/* SPDX-License-Identifier: ISC */
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "fuse/peek.h"

static unsigned char msg[512];
static size_t len;

static void put(uint32_t opcode, const void *body, size_t n)
{
	const struct fuse_in_header head = {
		.len = (uint32_t)(sizeof(head) + n),
		.opcode = opcode,
	};

	memcpy(msg, &head, sizeof(head));
	memcpy(msg + sizeof(head), body, n);
	len = sizeof(head) + n;
}

START_TEST(test_peek_sees_the_flag_of_every_request_that_has_one)
{
	struct fuse_write_in write = { .write_flags = FUSE_WRITE_KILL_SUIDGID };
	struct fuse_setattr_in attr = { .valid = FATTR_KILL_SUIDGID };
	struct fuse_open_in open = { .open_flags = FUSE_OPEN_KILL_SUIDGID };
	struct fuse_create_in create = { .open_flags = FUSE_OPEN_KILL_SUIDGID };

	put(FUSE_WRITE, &write, sizeof(write));
	ck_assert(peek_kills_privileges(msg, len));
	put(FUSE_SETATTR, &attr, sizeof(attr));
	ck_assert(peek_kills_privileges(msg, len));
	put(FUSE_OPEN, &open, sizeof(open));
	ck_assert(peek_kills_privileges(msg, len));
	put(FUSE_CREATE, &create, sizeof(create));
	ck_assert(peek_kills_privileges(msg, len));
}
END_TEST

START_TEST(test_peek_sees_no_flag_where_others_are_set)
{
	struct fuse_write_in write = { .write_flags = UINT32_MAX ^
						      FUSE_WRITE_KILL_SUIDGID };
	struct fuse_setattr_in attr = { .valid = UINT32_MAX ^
						 FATTR_KILL_SUIDGID };
	struct fuse_open_in open = { .open_flags = UINT32_MAX ^
						   FUSE_OPEN_KILL_SUIDGID };

	put(FUSE_WRITE, &write, sizeof(write));
	ck_assert(!peek_kills_privileges(msg, len));
	put(FUSE_SETATTR, &attr, sizeof(attr));
	ck_assert(!peek_kills_privileges(msg, len));
	put(FUSE_OPEN, &open, sizeof(open));
	ck_assert(!peek_kills_privileges(msg, len));
	memset(&write, 0xff, sizeof(write));
	put(FUSE_READ, &write, sizeof(write));
	ck_assert(!peek_kills_privileges(msg, len));
}
END_TEST

START_TEST(test_peek_looks_no_further_than_the_message)
{
	struct fuse_write_in write;

	memset(&write, 0xff, sizeof(write));
	put(FUSE_WRITE, &write, sizeof(write));
	while (len--)
		ck_assert(!peek_kills_privileges(msg, len));
}
END_TEST

START_TEST(test_peek_finds_what_the_kernel_offers)
{
	struct fuse_init_in init = { .major = 7,
				     .minor = 38,
				     .flags = 0x12345678 };

	put(FUSE_INIT, &init, sizeof(init));
	ck_assert_uint_eq(peek_init_flags(msg, len), 0x12345678);
	/* Before 7.36 the request ended here. */
	put(FUSE_INIT, &init, offsetof(struct fuse_init_in, flags2));
	ck_assert_uint_eq(peek_init_flags(msg, len), 0x12345678);
	put(FUSE_INIT, &init, offsetof(struct fuse_init_in, flags));
	ck_assert_uint_eq(peek_init_flags(msg, len), 0);
	put(FUSE_LOOKUP, &init, sizeof(init));
	ck_assert_uint_eq(peek_init_flags(msg, len), 0);
	/* Another INIT, of version 7, will follow. */
	init.major = 8;
	put(FUSE_INIT, &init, sizeof(init));
	ck_assert_uint_eq(peek_init_flags(msg, len), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuse_peek");
	TCase *tc = tcase_create("fuse_peek");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc,
		       test_peek_sees_the_flag_of_every_request_that_has_one);
	tcase_add_test(tc, test_peek_sees_no_flag_where_others_are_set);
	tcase_add_test(tc, test_peek_looks_no_further_than_the_message);
	tcase_add_test(tc, test_peek_finds_what_the_kernel_offers);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
