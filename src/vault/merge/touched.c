/* SPDX-License-Identifier: ISC */
#include "vault/merge/touched.h"

#include "base/mem.h"

void touched_release(struct touched *t)
{
	if (t->v)
		buf_release(&t->what);
}

void touched_begin(struct touched *t, struct vault *v)
{
	lock_take(&v->changed_lock);
	t->is_wanted = v->changed;
	lock_drop(&v->changed_lock);
	t->v = v;
	buf_init(&t->what, MEM_MAX);
	if (t->is_wanted)
		v->touched = t;
}

void touched_end(struct touched *t)
{
	t->v->touched = NULL;
}

/* Without memory some changes are not told: the kernel then shows what was,
 * until its cache forgets. */
void touched_tell(struct touched *t)
{
	struct cursor c;

	cursor_init(&c, t->what.data, t->what.len);
	while (cursor_left(&c) > 0) {
		uint64_t ino = cursor_u64(&c);
		uint16_t len = cursor_u16(&c);
		const uint8_t *name = cursor_take(&c, len);

		core_changed(t->v, ino, len ? name : NULL, len);
	}
}

void touched_entry(struct vault *v, uint64_t dir, const void *name, size_t len)
{
	struct touched *t = v->touched;

	if (!t)
		return;
	buf_put_u64(&t->what, dir);
	buf_put_u16(&t->what, (uint16_t)len);
	buf_put(&t->what, name, len);
}

void touched_inode(struct vault *v, uint64_t ino)
{
	touched_entry(v, ino, NULL, 0);
}
