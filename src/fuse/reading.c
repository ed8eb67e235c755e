/* SPDX-License-Identifier: ISC */
#include "fuse/reading.h"

#include "base/clock.h"
#include "base/diag.h"
#include "fuse/access.h"

bool reading_matters(struct session *s, uint64_t ino)
{
	struct vault_attr attr;

	return s->how.note_reads && vault_getattr(s->vault, ino, &attr) == 0 &&
	       access_time_is_due(&attr, clock_wall_ns());
}

void reading_note(struct session *s, uint64_t ino)
{
	struct vault_attr attr;
	int r;

	if (!reading_matters(s, ino))
		return;
	attr.atime_ns = clock_file_ns();
	r = vault_setattr(s->vault, ino, VAULT_SET_ATIME | VAULT_KEEP_CTIME,
			  &attr, &attr);
	/* What is read is read all the same. */
	if (r < 0)
		diag_err(DIAG_DEBUG, r, "setting a time of access");
}
