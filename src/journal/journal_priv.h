/* SPDX-License-Identifier: ISC */
/*
 * What the sources of the journal share.
 *
 * A journal file gets its name only when its first frame, the marks, is
 * durable: it is written as `spare` and renamed.  So every numbered file
 * begins with a good frame, and every file but the last is complete.  A file
 * numbered N says that the frames before N are all there are in the files
 * before it: a frame of that number further back is one whose append failed.
 */
#ifndef COFFER_JOURNAL_JOURNAL_PRIV_H
#define COFFER_JOURNAL_JOURNAL_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "journal/journal.h"

#define JOURNAL_NAME_LEN 16 /* %016x of the first frame's number */
#define JOURNAL_SPARE "spare"

/* The upper half of a frame number: one more with every change of keys. */
#define JOURNAL_ERA_BITS 32

struct journal {
	struct env *env;
	int dirfd;		       /* borrowed */
	const struct local_keys *keys; /* borrowed */
	bool is_dead;
	uint64_t next; /* number of the next frame */

	/* First frame numbers of the files, ascending, the present one last;
	 * without those that replaying ignores because they are newer. */
	uint64_t *files;
	size_t n_files;
	/* The last file, if it was never begun; 0: there is none such. */
	uint64_t unbegun;

	/* The present file; fd -1 until one is begun. */
	int fd;
	uint8_t id[JOURNAL_ID_BYTES];
	uint64_t end;	  /* of its frames */
	uint64_t written; /* of the bytes the file has */

	struct buf frame; /* the frame being written */
};

void journal_name_format(uint64_t number,
			 char out[static JOURNAL_NAME_LEN + 1]);

/* Closes what was only read, or after a failure. */
void journal_close_quietly(struct env *env, int *fd);

/* Fills j->files and j->next and calls fn for each frame. */
int journal_replay(struct journal *j, journal_frame_fn *fn,
		   void *arg) must_check;

#endif
