/* SPDX-License-Identifier: ISC */
#include "vault/core_state.h"

#include <errno.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "crypto/random.h"
#include "vault/log/apply.h"

#define STATE_TABLE "core"
#define STATE_VERSION 2u
#define STATE_BYTES 80u

int core_state_save(struct vault *v)
{
	auto_buf struct buf b = BUF_INIT(STATE_BYTES);

	if (v->is_torn)
		return ERR_BAD_INDEX;
	buf_put_u64(&b, STATE_VERSION);
	buf_put(&b, v->name_key.b, sizeof(v->name_key.b));
	buf_put_u64(&b, v->n_inodes);
	buf_put_u64(&b, v->n_dirs);
	buf_put_u64(&b, v->n_moved);
	buf_put_u64(&b, v->inline_bytes);
	buf_put_u64(&b, v->oplog.clock);
	int r = buf_error(&b);
	if (r == 0)
		r = index_value_put(v->index, STATE_TABLE, "", 0, b.data,
				    b.len);
	return r;
}

int core_state_load(struct vault *v)
{
	const uint8_t *rec;
	struct cursor c;
	size_t bytes;
	int r = index_value_get(v->index, STATE_TABLE, "", 0, &rec, &bytes);

	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	cursor_init(&c, rec, bytes);
	cursor_require(&c, cursor_u64(&c) == STATE_VERSION);
	cursor_copy(&c, v->name_key.b, sizeof(v->name_key.b));
	v->n_inodes = cursor_u64(&c);
	v->n_dirs = cursor_u64(&c);
	v->n_moved = cursor_u64(&c);
	v->inline_bytes = cursor_u64(&c);
	oplog_see(&v->oplog, cursor_u64(&c));
	return cursor_finish(&c) < 0 ? ERR_BAD_INDEX : 0;
}

int core_state_make(struct vault *v)
{
	random_bytes(v->name_key.b, sizeof(v->name_key.b));
	v->n_inodes = v->n_dirs = 1;
	v->n_moved = 0;
	v->inline_bytes = 0;
	v->n_open_splits = 0;
	v->is_torn = false;
	row_memos_forget(&v->rows_seen);
	return apply_make_root(v);
}
