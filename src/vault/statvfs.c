/* SPDX-License-Identifier: ISC */
/* How much room there is. */
#include <sys/statvfs.h>

#include "base/mem.h"
#include "format/name.h"
#include "vault/content/content_priv.h"
#include "vault/core.h"

/* As much room as the file system with less has. */
static int smaller_room(struct vault *v, struct statvfs *ret)
{
	struct statvfs st;
	int r = v->env->ops->statvfs(v->env, v->vault_dirfd, ret);

	if (r < 0 || v->state_dirfd < 0)
		return r;
	r = v->env->ops->statvfs(v->env, v->state_dirfd, &st);
	if (r == 0 && (uint64_t)st.f_bavail * st.f_frsize <
			      (uint64_t)ret->f_bavail * ret->f_frsize)
		*ret = st;
	return r;
}

/* With a quota the file system is as large as that, and no more than the disks
 * have is available. */
static int apply_quota(struct vault *v, struct statvfs *st)
{
	const uint64_t quota = v->opts.quota_bytes;
	uint64_t used = 0;
	int r;

	if (!quota)
		return 0;
	r = content_used_bytes(v, &used);
	if (r < 0)
		return r;
	st->f_blocks = quota / st->f_frsize;
	st->f_bfree = (quota - min_of(used, quota)) / st->f_frsize;
	st->f_bavail = min_of(st->f_bavail, st->f_bfree);
	return 0;
}

int vault_statvfs(struct vault *v, struct statvfs *ret)
{
	struct statvfs st;
	uint64_t n_inodes;
	int r = smaller_room(v, &st);

	/* No more than a write is given. */
	if (r == 0 && v->stage && !atomic_load(&v->is_read_only))
		st.f_bavail =
			min_of((uint64_t)st.f_bavail,
			       content_left_in_vault(v->content) / st.f_frsize);
	if (r == 0)
		r = apply_quota(v, &st);
	if (r < 0)
		return r;
	lock_take(&v->index_lock);
	n_inodes = v->n_inodes;
	lock_drop(&v->index_lock);
	/* Inodes are made as they are needed. */
	st.f_ffree = st.f_favail = UINT32_MAX;
	st.f_files = n_inodes + st.f_ffree;
	st.f_namemax = NAME_BYTES_MAX;
	st.f_flag = atomic_load(&v->is_read_only) ? ST_RDONLY : 0;
	*ret = st;
	return 0;
}
