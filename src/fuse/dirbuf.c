/* SPDX-License-Identifier: ISC */
#include "fuse/dirbuf.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

bool dirbuf_add(struct dirbuf *b, const struct dirbuf_entry *e)
{
	char name[NAME_MAX + 1];
	size_t room = b->cap - b->used;
	size_t n;

	assert(e->name_len >= 1 && e->name_len <= NAME_MAX);
	memcpy(name, e->name, e->name_len);
	name[e->name_len] = '\0';
	/* libfuse does not look at the request. */
	if (b->plus)
		n = fuse_add_direntry_plus(NULL, b->to + b->used, room, name,
					   &e->param, e->offset);
	else
		n = fuse_add_direntry(NULL, b->to + b->used, room, name,
				      &e->param.attr, e->offset);
	if (n > room)
		return false;
	b->used += n;
	return true;
}
