/* SPDX-License-Identifier: ISC */
/* One index, open in each case. */
#ifndef COFFER_TESTS_INDEX_OPEN_FIXTURE_H
#define COFFER_TESTS_INDEX_OPEN_FIXTURE_H

#include "index_fixture.h"

extern struct index *ix;

void open_fixture_make(void);
void open_fixture_remove(void);
void reopen_uncommitted(void);
void reopen(void);
void ok(int r);

/* What a walk has met, in its order. */
struct seen {
	uint64_t numbers[64];
	int n;
	int stop_at; /* returns `stop` there */
	int stop;
};

int see(struct seen *s, uint64_t number);
/* Just these; forgets them. */
void expect_seen(struct seen *s, const uint64_t *numbers, int n);

#endif
