/* SPDX-License-Identifier: ISC */
#include "index_open_fixture.h"

#include <check.h>

#include "base/mem.h"

struct index *ix;

void open_fixture_make(void)
{
	fixture_make();
	ix = index_create();
}

void open_fixture_remove(void)
{
	index_close(ix);
	ix = NULL;
	fixture_remove();
}

void reopen_uncommitted(void)
{
	index_close(ix);
	ix = index_reopen();
}

void reopen(void)
{
	index_must_commit(ix);
	reopen_uncommitted();
}

void ok(int r)
{
	ck_assert_int_eq(r, 0);
}

int see(struct seen *s, uint64_t number)
{
	ck_assert_int_lt(s->n, (int)array_len(s->numbers));
	s->numbers[s->n++] = number;
	return s->n == s->stop_at ? s->stop : 0;
}

void expect_seen(struct seen *s, const uint64_t *numbers, int n)
{
	ck_assert_int_eq(s->n, n);
	ck_assert_mem_eq(s->numbers, numbers, (size_t)n * sizeof(*numbers));
	s->n = 0;
}
