/* SPDX-License-Identifier: ISC */
/* What a cut takes of contents, and the operations it makes of it. */
#include <assert.h>
#include <errno.h>

#include "base/mem.h"
#include "format/extent.h"
#include "vault/content/content_priv.h"
#include "vault/merge/merge.h"

/* Extents of one operation, which the index takes in one go under its lock:
 * some ten milliseconds. */
#define OP_EXTENTS 1024u
/* What is left of OP_MAX_BYTES is for its fields and the versions it replaces.
 */
#define OP_EXTENTS_BYTES ((size_t)960 << 10)
#define EXTENT_MAX_BYTES (20u + OP_INLINE_MAX)

struct cut_item {
	struct flush_item flush; /* f: a reference; layer: one too */
	uint64_t size;
	int64_t mtime_ns, ctime_ns;
	uint32_t n_ops; /* places reserved */
};

struct content_cut {
	struct content *c;
	struct cut_item *items;
	size_t n;
};

/* ---------------------------------------------------------------- taking */

/* Operations the layer may need, filled as full as next_piece does. */
static uint64_t count_ops(const struct content *c, const struct layer *l)
{
	const uint64_t n_tail =
		2 * (c->v->header.chunk_max / c->v->header.chunk_min + 2);
	uint64_t extents, bytes;

	layer_bound(l, c->v->header.chunk_min, &extents, &bytes);
	/* Of a tail that is cut anew (tail.h), and one that was, by a batch
	 * that began before. */
	extents += n_tail;
	bytes += n_tail * EXTENT_MAX_BYTES;
	return 1 + extents / OP_EXTENTS +
	       bytes / (OP_EXTENTS_BYTES - EXTENT_MAX_BYTES);
}

int content_restore(struct content *c, struct file *f)
{
	struct layer *l = f->flushing;
	int r;

	if (f->dirty) {
		r = layer_lay_over(l, f->dirty);
		if (r < 0)
			return r;
		layer_put(f->dirty);
	}
	f->dirty = l;
	f->flushing = NULL;
	f->stream = (struct file_stream){ .start = 0 };
	file_note_layers(&c->files, f);
	return 0;
}

/* What the operation says of size and times; 1, 0 if the inode is gone. */
static int read_node(struct vault *v, uint64_t ino, struct cut_item *it)
{
	struct node *n;
	int r;

	lock_take(&v->index_lock);
	r = node_get(v->nodes, ino, &n);
	if (r > 0) {
		it->size = n->size;
		it->mtime_ns = n->mtime_ns;
		it->ctime_ns = n->ctime_ns;
		node_put(n);
	}
	lock_drop(&v->index_lock);
	return r;
}

/* 1: taken; 0: nothing to take. */
static int take_locked(struct content *c, struct file *f, struct cut_item *it)
	LOCK_ATTR_(requires_capability(f->lock))
{
	int r = 0;

	/* One that an earlier cut could not put back. */
	if (f->flushing)
		r = content_restore(c, f);
	if (r < 0 || !f->dirty)
		return r;
	r = read_node(c->v, f->ino, it);
	if (r <= 0)
		return r;
	f->flushing = f->dirty;
	f->dirty = NULL;
	f->stream = (struct file_stream){ .start = 0 };
	it->flush.f = f;
	it->flush.layer = layer_get(f->flushing);
	it->n_ops = (uint32_t)count_ops(c, f->flushing);
	return 1;
}

static size_t list_only(struct content *c, const uint64_t *only, size_t n_only,
			struct file **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < n_only; i++) {
		struct file *f = file_find(&c->files, only[i]);

		if (f)
			ret[n++] = f;
	}
	return n;
}

/* The dirty files wanted, each a reference. */
static int list_files(struct content *c, const uint64_t *only, size_t n_only,
		      struct file ***ret, size_t *ret_n)
{
	/* Callers are kept out: none is added meanwhile. */
	size_t max = only ? n_only : file_count_dirty(&c->files);
	struct file **files =
		mem_zalloc_array(max_of(max, (size_t)1), sizeof(struct file *));

	if (!files)
		return -ENOMEM;
	*ret_n = only ? list_only(c, only, n_only, files)
		      : file_list_dirty(&c->files, max, files);
	*ret = files;
	return 0;
}

/* Takes the references to the files. */
static int take_files(struct content_cut *cut, struct file *const *files,
		      size_t n, uint32_t *n_ops)
{
	struct content *c = cut->c;
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		struct file *f = files[i];
		struct cut_item *it = &cut->items[cut->n];
		int r = 0;

		if (err == 0) {
			lock_take(&f->lock);
			r = take_locked(c, f, it);
			lock_drop(&f->lock);
		}
		if (r > 0) {
			cut->n++;
			*n_ops += it->n_ops;
		} else {
			file_put(&c->files, f);
		}
		if (r < 0)
			err = r;
	}
	return err;
}

int content_cut_take(struct vault *v, const uint64_t *only, size_t n_only,
		     struct content_cut **ret, uint32_t *ret_n_ops)
{
	struct content *c = v->content;
	auto_free struct file **files = NULL;
	struct content_cut *cut = mem_zalloc(sizeof(*cut));
	uint32_t n_ops = 0;
	size_t n = 0;
	int r;

	if (!cut)
		return -ENOMEM;
	cut->c = c;
	r = list_files(c, only, n_only, &files, &n);
	if (r == 0) {
		cut->items = mem_zalloc_array(max_of(n, (size_t)1),
					      sizeof(*cut->items));
		r = cut->items ? 0 : -ENOMEM;
	}
	if (r < 0) {
		for (size_t i = 0; i < n; i++)
			file_put(&c->files, files[i]);
	} else {
		r = take_files(cut, files, n, &n_ops);
	}
	if (r < 0) {
		content_cut_free(cut);
		return r;
	}
	*ret = cut;
	*ret_n_ops = n_ops;
	return 0;
}

/* A layer still there was not flushed: a caller that gave up. */
void content_cut_free(struct content_cut *cut)
{
	if (!cut)
		return;
	for (size_t i = 0; i < cut->n; i++) {
		struct flush_item *it = &cut->items[i].flush;

		lock_take(&it->f->lock);
		if (it->f->flushing == it->layer)
			/* If it fails the layer stays, and the next cut tries
			 * again. */
			(void)!content_restore(cut->c, it->f);
		lock_drop(&it->f->lock);
		layer_put(it->layer);
		file_put(&cut->c->files, it->f);
	}
	mem_free(cut->items);
	mem_free(cut);
}

/* ---------------------------------------------------------------- operations */

/* A walk over the extents of a layer, holes where below its cut something may
 * still stand. */
struct lister {
	const struct run *run; /* the next one; NULL */
	uint64_t pos;	       /* listed up to here */
	uint64_t cut, size;
};

static struct extent extent_of(const struct run *r)
{
	struct extent e = { .offset = r->offset, .length = r->length };

	switch (r->kind) {
	case RUN_HOLE:
		e.kind = EXTENT_HOLE;
		break;
	case RUN_CHUNK:
		e.kind = EXTENT_CHUNK;
		e.chunk_offset = r->part.offset;
		e.chunk_length = r->part.chunk->length;
		e.id = r->part.chunk->id;
		break;
	case RUN_INLINE:
		e.kind = EXTENT_INLINE;
		e.bytes = r->bytes.buf->bytes + r->bytes.at;
		break;
	case RUN_DATA: /* flush_items leaves none */
		assert(false);
	}
	return e;
}

/* The next extent; false at the end. */
static bool next_extent(struct lister *l, struct extent *ret)
{
	uint64_t upto = l->run ? l->run->offset : l->size;
	uint64_t from = max_of(l->pos, l->cut);

	if (from < upto) {
		*ret = (struct extent){
			.offset = from,
			.length = upto - from,
			.kind = EXTENT_HOLE,
		};
		l->pos = upto;
		return true;
	}
	if (!l->run)
		return false;
	*ret = extent_of(l->run);
	l->pos = run_end(l->run);
	l->run = layer_next(l->run);
	return true;
}

/* As many extents as fit one operation; *ret_more: some are left. */
static int next_piece(struct lister *l, struct buf *raw, uint32_t *ret_n,
		      bool *ret_more)
{
	struct lister before = *l;
	struct extent e;
	uint32_t n = 0;

	buf_reset(raw);
	while (next_extent(l, &e)) {
		if (n == OP_EXTENTS ||
		    raw->len + EXTENT_MAX_BYTES > OP_EXTENTS_BYTES) {
			*l = before;
			*ret_more = true;
			*ret_n = n;
			return buf_error(raw);
		}
		extent_put(raw, &e);
		n++;
		before = *l;
	}
	*ret_more = false;
	*ret_n = n;
	return buf_error(raw);
}

/* What the operation names must be durable at this cut. */
static void need_chunks(struct content *c, const struct layer *l)
{
	const struct run *r = layer_find(l, 0);

	for (; r; r = layer_next(r))
		if (r->kind == RUN_CHUNK)
			pool_need(&c->pool, r->part.chunk);
}

/*
 * Was the file born, or its version made, after the cut reserved its places?
 * Then its contents cannot stand before that in the log: they wait for the next
 * cut.  1, 0.
 */
static int is_too_early(struct vault *v, uint64_t ino,
			const struct oplog_piece *reserved)
	LOCK_ATTR_(requires_capability(v->index_lock))
{
	const struct dot last = {
		.writer = v->writer,
		.seq = reserved->seq,
		.index = reserved->first_index + reserved->n_reserved - 1,
	};
	struct node *n;
	int r = node_get(v->nodes, ino, &n);

	if (r <= 0)
		return r;
	r = 0;
	for (unsigned i = 0; i < n->n_versions; i++) {
		const struct node_version *ver = &n->versions[i];

		if (ver->holder == ino && ver->dot.writer == v->writer &&
		    !(n->flags & NODE_UNBORN) &&
		    dot_compare(ver->dot, last) > 0)
			r = 1;
	}
	node_put(n);
	return r;
}

/* 1: not yet. */
static int emit_pieces(struct content *c, struct cut_item *it,
		       struct oplog_piece *reserved)
{
	struct vault *v = c->v;
	struct layer *layer = it->flush.layer;
	auto_buf struct buf raw = BUF_INIT(OP_EXTENTS_BYTES);
	struct lister l = {
		.run = layer_find(layer, 0),
		.cut = layer_cut(layer),
		.size = it->size,
	};
	bool more = true;
	int r = 0;

	need_chunks(c, layer);
	for (uint32_t n_ops = 0; r == 0 && more; n_ops++) {
		struct op_content op = {
			.size = it->size,
			.mtime_ns = it->mtime_ns,
			.ctime_ns = it->ctime_ns,
		};

		/* layer_bound saw to it; still no reason to abort. */
		if (n_ops == it->n_ops)
			return ERR_LIMIT;
		r = next_piece(&l, &raw, &op.extents.n, &more);
		if (r < 0)
			return r;
		op.extents.raw = raw.data;
		op.extents.raw_bytes = (uint32_t)raw.len;
		lock_take(&v->index_lock);
		r = index_state(v->index);
		if (r == 0)
			r = is_too_early(v, it->flush.f->ino, reserved);
		if (r == 0)
			r = merge_emit_content(v, reserved, it->flush.f->ino,
					       &op, more);
		lock_drop(&v->index_lock);
	}
	return r;
}

/* The rows show it now; or it is not flushed, or not yet, and goes back. */
static int emit_file(struct content *c, struct cut_item *it,
		     struct oplog_piece *reserved)
{
	struct file *f = it->flush.f;
	int err = it->flush.err;

	lock_take(&f->lock);
	if (f->flushing != it->flush.layer) {
		/* Forgotten: nobody's any more. */
		lock_drop(&f->lock);
		return 0;
	}
	if (err == 0)
		err = emit_pieces(c, it, reserved);
	if (err == 0) {
		layer_put(f->flushing);
		f->flushing = NULL;
		file_note_layers(&c->files, f);
	} else {
		(void)!content_restore(c, f);
	}
	err = min_of(err, 0);
	content_set_error(f, err);
	lock_drop(&f->lock);
	return err;
}

static int flush_all(struct content_cut *cut)
{
	auto_free struct flush_item *items =
		mem_zalloc_array(max_of(cut->n, (size_t)1), sizeof(*items));

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < cut->n; i++)
		items[i] = cut->items[i].flush;
	flush_items(cut->c, items, cut->n);
	for (size_t i = 0; i < cut->n; i++)
		cut->items[i].flush.err = items[i].err;
	return 0;
}

static int fill_rest(struct vault *v, struct oplog_piece *reserved)
{
	int r;

	if (!reserved)
		return 0;
	lock_take(&v->index_lock);
	r = oplog_fill_rest(&v->oplog, reserved);
	lock_drop(&v->index_lock);
	return r;
}

int content_cut_flush(struct vault *v, struct content_cut *cut,
		      struct oplog_piece *reserved)
{
	int flush_err = flush_all(cut), err = flush_err, r;

	for (size_t i = 0; i < cut->n; i++) {
		struct cut_item *it = &cut->items[i];

		if (flush_err < 0)
			it->flush.err = flush_err;
		r = emit_file(cut->c, it, reserved);
		if (err == 0)
			err = r;
	}
	r = fill_rest(v, reserved);
	return err < 0 ? err : r;
}
