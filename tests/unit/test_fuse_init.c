/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <fuse_lowlevel.h>

#include "fuse/init.h"

static struct fuse_out_header head;
static struct fuse_init_out out;
static struct iovec iov[2];

static void start(void)
{
	head = (struct fuse_out_header){ .unique = 2 };
	out = (struct fuse_init_out){ .major = FUSE_KERNEL_VERSION,
				      .minor = 31,
				      .max_readahead = 131072,
				      .flags = FUSE_BIG_WRITES,
				      .max_write = INIT_MAX_WRITE };
	iov[0] = (struct iovec){ &head, sizeof(head) };
	iov[1] = (struct iovec){ &out, sizeof(out) };
}

START_TEST(test_init_puts_flags_into_a_successful_reply)
{
	const uint32_t add = FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV_V2;
	struct fuse_init_out expected = out;
	uint32_t flags = 0;

	expected.flags |= add;
	ck_assert(init_patch_reply(iov, 2, add, &flags));
	ck_assert_mem_eq(&out, &expected, sizeof(out));
	ck_assert_uint_eq(flags, FUSE_BIG_WRITES | add);
}
END_TEST

START_TEST(test_init_takes_the_shorter_reply_of_older_protocols)
{
	uint32_t flags = 0;

	iov[1].iov_len = FUSE_COMPAT_22_INIT_OUT_SIZE;
	ck_assert(init_patch_reply(iov, 2, FUSE_PARALLEL_DIROPS, &flags));
	ck_assert_uint_eq(out.flags, FUSE_BIG_WRITES | FUSE_PARALLEL_DIROPS);
}
END_TEST

START_TEST(test_init_leaves_other_replies_alone)
{
	struct fuse_init_out before;
	uint32_t flags = 4711;
	int count = 2;

	switch (_i) {
	case 0:
		head.error = -EPROTO;
		break;
	case 1:
		out.major = 8;
		break;
	case 2:
		count = 1;
		break;
	case 3:
		iov[1].iov_len = FUSE_COMPAT_INIT_OUT_SIZE;
		break;
	default:
		iov[0].iov_len = 8;
	}
	before = out;
	ck_assert(!init_patch_reply(iov, count, UINT32_MAX, &flags));
	ck_assert_mem_eq(&out, &before, sizeof(out));
	ck_assert_uint_eq(flags, 4711);
}
END_TEST

START_TEST(test_init_adds_nothing_the_kernel_did_not_offer)
{
	ck_assert_uint_eq(init_missing(0), 0);
	ck_assert_uint_eq(init_missing(FUSE_HANDLE_KILLPRIV_V2 ^ UINT32_MAX) &
				  FUSE_HANDLE_KILLPRIV_V2,
			  0);
	/* Nor anything else than the two. */
	ck_assert_uint_eq(init_missing(UINT32_MAX) &
				  ~(uint32_t)(FUSE_PARALLEL_DIROPS |
					      FUSE_HANDLE_KILLPRIV_V2),
			  0);
}
END_TEST

/* What libfuse proposes by itself. */
static struct fuse_conn_info proposal(unsigned capable)
{
	return (struct fuse_conn_info){
		.capable = capable,
		.want = capable &
			(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ATOMIC_O_TRUNC |
			 FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_ASYNC_READ |
			 FUSE_CAP_SPLICE_READ | FUSE_CAP_ASYNC_DIO),
		.max_write = 4U << 20,
	};
}

START_TEST(test_init_chooses_for_write_through)
{
	struct fuse_conn_info conn = proposal(~0U);

	init_choose(&conn, &(struct init_wish){ .writeback = false });
	ck_assert(!(conn.want & FUSE_CAP_AUTO_INVAL_DATA));
	ck_assert(!(conn.want & FUSE_CAP_ATOMIC_O_TRUNC));
	ck_assert(!(conn.want & FUSE_CAP_WRITEBACK_CACHE));
	ck_assert(!(conn.want & FUSE_CAP_HANDLE_KILLPRIV));
	ck_assert(!(conn.want & FUSE_CAP_SPLICE_READ));
	ck_assert(!(conn.want & FUSE_CAP_POSIX_ACL));
	ck_assert(!(conn.want & FUSE_CAP_DONT_MASK));
	ck_assert(conn.want & FUSE_CAP_ASYNC_READ);
	ck_assert(!(conn.want & FUSE_CAP_ASYNC_DIO));
	ck_assert(conn.want & FUSE_CAP_EXPORT_SUPPORT);
	ck_assert(!(conn.want & FUSE_CAP_CACHE_SYMLINKS));
	ck_assert(conn.want & FUSE_CAP_READDIRPLUS);
	ck_assert(conn.want & FUSE_CAP_READDIRPLUS_AUTO);
	ck_assert_uint_eq(conn.max_write, INIT_MAX_WRITE);
	ck_assert_uint_eq(conn.max_background, INIT_MAX_BACKGROUND);
	ck_assert_uint_eq(conn.time_gran, 1);
}
END_TEST

START_TEST(test_init_chooses_what_a_mount_wishes)
{
	struct fuse_conn_info conn = proposal(~0U);

	init_choose(&conn, &(struct init_wish){ .writeback = true,
						.atomic_truncate = true,
						.keep_links = true,
						.apply_umask = true,
						.obey_acls = true });
	ck_assert(conn.want & FUSE_CAP_WRITEBACK_CACHE);
	ck_assert(conn.want & FUSE_CAP_ATOMIC_O_TRUNC);
	ck_assert(conn.want & FUSE_CAP_CACHE_SYMLINKS);
	ck_assert(conn.want & FUSE_CAP_DONT_MASK);
	ck_assert(conn.want & FUSE_CAP_POSIX_ACL);
}
END_TEST

START_TEST(test_init_wants_nothing_the_kernel_cannot_do)
{
	struct fuse_conn_info conn = proposal(0);

	/* libfuse would refuse to mount. */
	init_choose(&conn, &(struct init_wish){ .writeback = true,
						.atomic_truncate = true });
	ck_assert_uint_eq(conn.want, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuse_init");
	TCase *tc = tcase_create("fuse_init");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, test_init_puts_flags_into_a_successful_reply);
	tcase_add_test(tc,
		       test_init_takes_the_shorter_reply_of_older_protocols);
	tcase_add_loop_test(tc, test_init_leaves_other_replies_alone, 0, 5);
	tcase_add_test(tc, test_init_adds_nothing_the_kernel_did_not_offer);
	tcase_add_test(tc, test_init_chooses_for_write_through);
	tcase_add_test(tc, test_init_chooses_what_a_mount_wishes);
	tcase_add_test(tc, test_init_wants_nothing_the_kernel_cannot_do);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
