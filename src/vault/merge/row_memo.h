/* SPDX-License-Identifier: ISC */
/*
 * What a call has just found at a name: it looks first, checks, and changes the
 * row then.  Internal to vault; index lock; forgotten when a call ends.
 */
#ifndef COFFER_VAULT_MERGE_ROW_MEMO_H
#define COFFER_VAULT_MERGE_ROW_MEMO_H

#include <stdbool.h>
#include <stdint.h>

/* What a directory row itself says; if there is none, `cookie` is free for it
 * (0: none is). */
struct row_peek {
	uint64_t cookie;
	uint64_t ino;
	uint8_t kind;
	bool has_extra;
};

#define ROW_MEMOS 2u /* rename has two names */

struct row_memo {
	uint64_t rep; /* 0: nothing */
	uint64_t base; /* hash of the name */
	struct row_peek peek;
	bool found;
	uint16_t name_len;
	uint8_t name[255];
};

struct row_memos {
	struct row_memo m[ROW_MEMOS];
	unsigned next; /* the one to be overwritten */
};

static inline void row_memos_forget(struct row_memos *l)
{
	for (unsigned i = 0; i < ROW_MEMOS; i++)
		l->m[i].rep = 0;
}

#endif
