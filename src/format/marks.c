/* SPDX-License-Identifier: ISC */
/* Bodies of two kinds of frames: marks, and sealed segments. */
#include "format/format_priv.h"
#include "format/local.h"
#include "format/local_priv.h"
#include "format/segment.h"

#define MARKS_FLAG_CLEAN 1u

void marks_head_put(struct buf *b, const struct marks_head *m)
{
	buf_put_u64(b, m->writer);
	buf_put_u64(b, m->seq);
	buf_put(b, m->head.b, sizeof(m->head.b));
}

void marks_head_read(struct cursor *c, struct marks_head *ret)
{
	ret->writer = cursor_u64(c);
	ret->seq = cursor_u64(c);
	cursor_copy(c, ret->head.b, sizeof(ret->head.b));
}

void marks_encode(const struct marks *m, struct buf *b)
{
	buf_put(b, m->header_mac.b, sizeof(m->header_mac.b));
	buf_put_u32(b, m->newest_epoch);
	buf_put_u32(b, m->index_clean ? MARKS_FLAG_CLEAN : 0);
	buf_put(b, m->newest_key.b, sizeof(m->newest_key.b));
	buf_put_u64(b, m->index_generation);
	buf_put_u64(b, m->session);
	buf_put_u64(b, m->index_frame);
	buf_put_u32(b, m->n_heads);
	buf_put_zeros(b, 4);
	buf_put(b, m->heads.at, cursor_left(&m->heads));
}

static void check_heads(struct cursor *c, uint32_t n)
{
	uint64_t before = 0;
	uint32_t i;

	if (!cursor_fits(c, n, MARKS_HEAD_BYTES))
		return;
	for (i = 0; i < n; i++) {
		struct marks_head m;

		marks_head_read(c, &m);
		cursor_require(c, m.writer > before);
		cursor_require(c, m.seq >= 1 && m.seq <= SEGMENT_SEQ_MAX);
		before = m.writer;
	}
}

int marks_decode(struct cursor *c, struct marks *ret)
{
	struct marks m;
	uint32_t flags;
	int err;

	cursor_copy(c, m.header_mac.b, sizeof(m.header_mac.b));
	m.newest_epoch = cursor_u32(c);
	flags = cursor_u32(c);
	format_require(c, (flags & ~MARKS_FLAG_CLEAN) == 0, ERR_NEWER);
	m.index_clean = flags & MARKS_FLAG_CLEAN;
	cursor_copy(c, m.newest_key.b, sizeof(m.newest_key.b));
	m.index_generation = cursor_u64(c);
	m.session = cursor_u64(c);
	m.index_frame = cursor_u64(c);
	m.n_heads = cursor_u32(c);
	cursor_zeros(c, 4);
	m.heads = *c;
	check_heads(c, m.n_heads);
	err = cursor_finish(c);
	if (err < 0)
		return err;
	*ret = m;
	return 0;
}

void sealed_mark_encode(const struct sealed_mark *s, struct buf *b)
{
	buf_put_u64(b, s->seq);
	buf_put_u64(b, s->file_bytes);
	buf_put(b, s->hash.b, sizeof(s->hash.b));
}

int sealed_mark_decode(struct cursor *c, struct sealed_mark *ret)
{
	struct sealed_mark s;
	int err;

	s.seq = cursor_u64(c);
	s.file_bytes = cursor_u64(c);
	cursor_copy(c, s.hash.b, sizeof(s.hash.b));
	cursor_require(c, s.seq >= 1 && s.seq <= SEGMENT_SEQ_MAX);
	cursor_require(c, s.file_bytes > SEGMENT_HEADER_BYTES &&
				  s.file_bytes <= SEGMENT_FILE_MAX);
	err = cursor_finish(c);
	if (err < 0)
		return err;
	*ret = s;
	return 0;
}
