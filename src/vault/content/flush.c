/* SPDX-License-Identifier: ISC */
/* Data in memory becomes chunks: for a cut, and in the background. */
#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vault/content/flush_batch.h"

/* Data not written to for so long is chunked. */
#define AGE_NS ((uint64_t)NS_PER_S)
/* And looked for so often. */
#define TICK_NS ((uint64_t)500 * NS_PER_MS)
/* Files looked at in one go, at most. */
#define FILES_MAX ((size_t)1 << 20)

/* Above a quarter of the budget data is chunked before its time. */
#define SOFT_PART 4u

/* ---------------------------------------------------------------- for a cut */

/* A background batch of the layer, from before the cut, ends first: nothing is
 * hashed twice.  It never waits for us. */
static void wait_for_batch_locked(struct file *f, const struct layer *l)
	LOCK_ATTR_(requires_capability(f->lock))
{
	while (f->in_batch == l)
		cond_wait(&f->batch_over, &f->lock);
}

static int add_item(struct batch *b, struct flush_item *it, bool *ret_any)
{
	const struct flush_choice all = { .is_cut = true };
	struct file *f = it->f;
	int r = 0;

	*ret_any = false;
	lock_take(&f->lock);
	wait_for_batch_locked(f, it->layer);
	if (f->flushing == it->layer)
		r = batch_add(b, f, it->layer, &all, ret_any);
	lock_drop(&f->lock);
	return r;
}

static void note_item(void *arg, struct file *f, struct layer *l, int err)
{
	struct flush_item *it = *(struct flush_item **)arg;

	/* Items are in the batch in their order. */
	while (it->f != f || it->layer != l)
		it++;
	if (err < 0)
		it->err = err;
	*(struct flush_item **)arg = it;
}

static void run_items(struct batch *b, struct flush_item *first)
{
	batch_run(b, true);
	batch_apply(b, note_item, &first);
	batch_release(b);
	pool_pack(b->c);
}

void flush_items(struct content *c, struct flush_item *items, size_t n)
{
	auto_batch struct batch b;
	size_t first = 0;

	batch_init(&b, c);
	for (size_t i = 0; i < n;) {
		bool any = false;

		if (items[i].err == 0)
			items[i].err = add_item(&b, &items[i], &any);
		if (!batch_is_full(&b)) {
			i++;
			continue;
		}
		/* The last one may have more: it is looked at again. */
		run_items(&b, &items[first]);
		first = i;
	}
	if (b.n_files > 0)
		run_items(&b, &items[first]);
}

/* ---------------------------------------------------------------- background */

static void batch_ended(void *arg, struct file *f, struct layer *l, int err)
{
	int *first_error = arg;

	if (f->in_batch == l) {
		f->in_batch = NULL;
		cond_broadcast(&f->batch_over);
	}
	f->stream.is_queued = false;
	if (err >= 0)
		return;
	if (*first_error == 0)
		*first_error = err;
	content_set_error(f, err);
}

/* Takes data of a file's dirty layer, unless another batch is at it. */
static int add_dirty(struct batch *b, struct file *f,
		     const struct flush_choice *choice)
{
	bool any = false;
	int r = 0;

	lock_take(&f->lock);
	if (f->dirty && !f->in_batch && layer_data_bytes(f->dirty) > 0)
		r = batch_add(b, f, f->dirty, choice, &any);
	if (r == 0 && any)
		f->in_batch = f->dirty;
	else
		f->stream.is_queued = false;
	/* What is left of a stream is looked at when it has grown. */
	if (choice->is_stream)
		f->stream.start = f->stream.end;
	lock_drop(&f->lock);
	return r;
}

static int run_dirty(struct batch *b)
{
	int err = 0;

	if (b->n_files == 0)
		return 0;
	batch_run(b, false);
	batch_apply(b, batch_ended, &err);
	batch_release(b);
	pool_pack(b->c);
	return err;
}

static bool always(const struct content *c)
{
	(void)c;
	return true;
}

/* All that is chosen of one file, as full batches; the rest stays in `b`. */
static int add_whole(struct batch *b, struct file *f,
		     const struct flush_choice *choice,
		     bool (*go_on)(const struct content *c))
{
	bool again = true;
	int r = 0;

	while (r == 0 && again && go_on(b->c)) {
		r = add_dirty(b, f, choice);
		again = batch_is_full(b);
		if (again && r == 0)
			r = run_dirty(b);
	}
	return r;
}

static void flush_stream(struct content *c, struct file *f)
{
	const struct flush_choice choice = {
		.min_bytes = c->v->header.chunk_max,
		.is_stream = true,
	};
	auto_batch struct batch b;
	int r;

	batch_init(&b, c);
	r = add_whole(&b, f, &choice, always);
	if (r < 0)
		content_set_error(f, r);
	/* Its errors are kept with the file. */
	(void)!run_dirty(&b);
}

/* What is chosen of the dirty files, the oldest first, while `go_on`. */
static int flush_dirty(struct content *c, const struct flush_choice *choice,
		       bool (*go_on)(const struct content *c))
{
	size_t n = min_of(file_count_dirty(&c->files), FILES_MAX);
	auto_free struct file **files =
		mem_zalloc_array(n, sizeof(struct file *));
	auto_batch struct batch b;
	int err = 0, r;

	batch_init(&b, c);
	if (!files)
		return -ENOMEM;
	n = file_list_dirty(&c->files, n, files);
	for (size_t i = 0; i < n; i++) {
		r = add_whole(&b, files[i], choice, go_on);
		if (err == 0)
			err = r;
	}
	r = run_dirty(&b);
	for (size_t i = 0; i < n; i++)
		file_put(&c->files, files[i]);
	return err < 0 ? err : r;
}

void flush_aged(void *content)
{
	struct content *c = content;
	struct flush_choice choice = { .before_ns = clock_mono_ns() - AGE_NS };

	atomic_store(&c->is_timer_set, false);
	/* Errors are kept with the files. */
	(void)!flush_dirty(c, &choice, always);
	if (file_count_dirty(&c->files) == 0)
		budget_rest(&c->budget);
	else if (!atomic_exchange(&c->is_timer_set, true))
		workers_set_timer(c->workers, clock_mono_ns() + TICK_NS);
}

static bool is_above_soft(const struct content *c)
{
	return budget_charged(&c->budget) > c->budget.hard_bytes / SOFT_PART;
}

/* Data on its way through the batch is still charged: it is taken until none
 * is left or enough has been given back. */
int flush_for_room(struct content *c)
{
	const struct flush_choice whole = { .min_bytes = 0 };

	if (!is_above_soft(c))
		return 0;
	return flush_dirty(c, &whole, is_above_soft);
}

/* ---------------------------------------------------------------- kicking */

struct press_job {
	struct job job;
	struct content *c;
};

static void run_press_job(struct job *j)
{
	struct press_job *pj = container_of(j, struct press_job, job);
	struct content *c = pj->c;

	mem_free(pj);
	atomic_store(&c->flush_error, flush_for_room(c));
	/* What cannot be flushed is not looked at again before more came. */
	atomic_store(&c->press_at,
		     budget_charged(&c->budget) + c->budget.hard_bytes / 32);
	atomic_store(&c->is_pressing, false);
	budget_poke(&c->budget);
}

void flush_press(struct content *c)
{
	struct press_job *pj;

	if (atomic_exchange(&c->is_pressing, true))
		return;
	atomic_store(&c->flush_error, 0);
	pj = mem_zalloc(sizeof(*pj));
	if (!pj) {
		atomic_store(&c->is_pressing, false);
		return;
	}
	pj->job.run = run_press_job;
	pj->c = c;
	workers_add(c->workers, NULL, &pj->job);
}

void flush_kick(struct content *c)
{
	uint64_t charged = budget_charged(&c->budget);

	if (workers_count(c->workers) == 0)
		return;
	if (charged <= c->budget.hard_bytes / SOFT_PART)
		atomic_store(&c->press_at, 0);
	if (!atomic_load(&c->is_timer_set) &&
	    !atomic_exchange(&c->is_timer_set, true))
		workers_set_timer(c->workers, clock_mono_ns() + AGE_NS);
	if (is_above_soft(c) && charged >= atomic_load(&c->press_at))
		flush_press(c);
}

struct stream_job {
	struct job job;
	struct content *c;
	struct file *f; /* a reference */
};

static void run_stream_job(struct job *j)
{
	struct stream_job *sj = container_of(j, struct stream_job, job);

	flush_stream(sj->c, sj->f);
	file_put(&sj->c->files, sj->f);
	mem_free(sj);
}

void flush_queue_stream(struct content *c, uint64_t ino)
{
	struct stream_job *sj = mem_zalloc(sizeof(*sj));
	struct file *f = sj ? file_find(&c->files, ino) : NULL;

	/* Without, it will be flushed for its age, or by the next cut. */
	if (!f) {
		mem_free(sj);
		return;
	}
	sj->job.run = run_stream_job;
	sj->c = c;
	sj->f = f;
	workers_add(c->workers, NULL, &sj->job);
}
