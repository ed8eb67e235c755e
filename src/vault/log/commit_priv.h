/* SPDX-License-Identifier: ISC */
/* What the sources of opening, cutting, publishing and receiving share. */
#ifndef COFFER_VAULT_LOG_COMMIT_PRIV_H
#define COFFER_VAULT_LOG_COMMIT_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "vault/content/content.h"
#include "vault/log/commit.h"
#include "vault/log/heads.h"
#include "vault/log/logdir.h"
#include "vault/log/statedir.h"

struct vault_alarm; /* vault/device.h */

/* A caller that waits for a cut. */
struct cut_request {
	const uint64_t *only; /* NULL: everything */
	unsigned n_only;
	bool is_done;
	int result;
	struct cut_request *next;
};

/* A segment that must not be applied, though it is authentic. */
struct stop {
	uint64_t writer, seq;
	int err;
	struct file_hash hash;
};

/* What was seen of a writer's folder when it was last listed. */
struct seen_folder {
	uint64_t writer;
	struct timespec changed;
	uint64_t n_held;    /* segments there that are not applied */
	uint64_t n_foreign; /* files that are none */
	bool again;	    /* list it though it did not change */
};

/* Segments of a writer that are here and not applied, and why. */
struct held_back {
	uint64_t writer, n;
	uint64_t waits_writer, waits_seq; /* 0: nothing known */
	int err;			  /* it ends there; 0 */
};

/* What one publish takes. */
struct batch_end {
	bool is_set;
	uint64_t seq;	   /* the last batch */
	uint64_t stage;	   /* stage files below are closed */
	uint64_t frame;	   /* frames below concern only these */
	uint64_t n_staged; /* entries in those stage files */
};

struct commit {
	struct vault *v;
	struct statedir state; /* dirfd -1 without */

	/* ---- cut_lock ---- */
	struct heads heads; /* the marks'; index_lock; never go back */
	uint64_t generation;	/* of the index */
	uint64_t session;
	uint64_t index_frame;	/* the last one a clean index holds */
	atomic_bool is_index_clean; /* as the marks on disk say */
	bool was_clean; /* how the session before this one ended */
	atomic_bool is_marked_unclean; /* nothing may mark it clean again */
	uint64_t own_seq;	/* own segments published */
	uint64_t sealed_seq;	/* own segments sealed; those above own_seq
				   stand in the journal's folder */
	/* In frames and in no segment yet: encoded segment_pack's. */
	struct buf packs;
	_Atomic uint32_t n_packs;
	/* How many of them, and how many bytes, the segments there will be at
	 * the next publish have room for. */
	uint32_t room_packs;
	size_t room_bytes;
	struct batch_end taken; /* is_busy's: taken, not published yet */
	_Atomic uint64_t n_staged; /* entries in frames since the last publish */
	struct stop *stops;
	size_t n_stops;

	/* ---- lock ---- */
	struct lock lock; /* LOCK_LEAF */
	struct cond changed;
	struct cut_request *requests; /* not being served yet */
	bool is_cutting;
	bool is_busy; /* somebody publishes or receives */
	bool is_running, must_stop; /* the committer thread */
	uint64_t n_wakes;
	pthread_t thread;
	struct vault_alarm *alarms; /* vault/history/history.h */
	size_t n_alarms;
	struct held_back *held_back;
	size_t n_held_back;
	struct timespec own_looked; /* is_busy's: the own folder as seen */
	struct seen_folder *seen; /* is_busy's */
	size_t n_seen;
	uint64_t n_foreign_writers;

	/* Times of clock_mono_ns; 0: nothing. */
	_Atomic uint64_t dirty_since;	/* first change no cut has taken */
	_Atomic uint64_t last_change;
	_Atomic uint64_t unpublished_since;
	_Atomic uint32_t n_changes; /* calls of commit_relieve */
	_Atomic uint64_t packs_waiting; /* made, and in no frame yet */
	atomic_bool wants_spill; /* the index, which a cut lets it */
	_Atomic uint64_t n_held;    /* segments seen and not applied */
	_Atomic uint64_t n_foreign; /* files in w/ that are not ours to touch */
	atomic_uint n_damaged; /* files found damaged since opening */
	atomic_int cut_err, publish_err; /* what the last of them met; 0 */
	uint64_t last_drop_ns;	/* is_busy's: dead packs were looked for */
	uint64_t last_repack_ns; /* the committer's: sparse ones, likewise */
	struct buf dropped;	/* is_busy's: names of packs */
	uint64_t last_ack_ns;	/* is_busy's: a segment went out */
	bool has_news;		/* is_busy's: there is what to acknowledge */
	bool has_absent;	/* is_busy's: packs announced and not here */
	int last_receive_err;	/* is_busy's: said already */
	bool wants_ack;		/* is_busy's: by a segment without operations */
};

/* ---- commit.c ---- */
/* A cut; cut_lock held, nothing else. */
int commit_cut_locked(struct commit *c, const uint64_t *only, size_t n_only)
	must_check;
/* A cut of everything at which the batch ends: *ret_seq is its seq, and all
 * before it are closed.  *ret_flushed: an error of contents that stay dirty. */
int commit_cut_batch(struct commit *c, uint64_t *ret_seq, int *ret_flushed)
	must_check;
/* After a failure: when stage or journal take nothing any more, no change is
 * taken either.  cut_lock held. */
void commit_check_alive(struct commit *c, int err);
/* Adds encoded announcements to those that wait for a segment (cut_lock), or
 * takes the last ones back. */
int commit_add_packs(struct commit *c, const struct buf *packs, uint32_t n)
	must_check;
void commit_take_back_packs(struct commit *c, size_t bytes, uint32_t n);
/* Everything announced: room_packs and room_bytes as at the start. */
void commit_reset_room(struct commit *c);
/* Waits until nobody publishes or receives, and becomes the one who does. */
void commit_enter_busy(struct commit *c);
void commit_leave_busy(struct commit *c);

/* ---- marks.c ---- */
/* The marks as they stand now, encoded.  cut_lock held. */
int marks_now(struct commit *c, struct buf *ret) must_check;
/* Appends them to the journal, durable.  cut_lock held. */
int marks_write(struct commit *c) must_check;
/* Before the index file is written to, or a frame it needs is dropped: takes
 * its clean mark away, durably, and lets it spill.  cut_lock held. */
int marks_unclean(struct commit *c) must_check;
/* Commits the index and marks it clean.  cut_lock held; no call can be made
 * any more. */
int marks_clean(struct commit *c) must_check;
/* The same while calls are made, if everything is published; a call that comes
 * waits while pages are written, not for the disk.  is_busy held, no lock. */
int marks_clean_idle(struct commit *c) must_check;

/* ---- publish.c: is_busy held, no lock ---- */
int publish_all(struct commit *c) must_check;
/* The same if there is anything to publish; a read-only vault: 0. */
int publish_pending(struct commit *c) must_check;
/* Looks for dead packs when it is time, and publishes if there are any. */
int publish_dead(struct commit *c) must_check;
/* Copies what is needed of sparse packs, at most so much, and publishes that. */
int publish_repacked(struct commit *c, uint64_t max_bytes, uint64_t *ret_bytes)
	must_check;
/* Publishes sealed segments that stand in the journal's folder. */
int publish_sealed(struct commit *c) must_check;

/* ---- pack_stage.c ---- */
/* Forgets the staged chunks that nothing needs any more: they never reach the
 * vault.  Not while other devices may still show what was deleted. */
int pack_stage_discard(struct commit *c) must_check;
/* Packs all that is placed in the stage files below `below`, and what a device
 * that joins must store again for the batches up to `seq`; tells the journal
 * and the index.  is_busy held, no lock. */
int pack_stage(struct commit *c, uint64_t below, uint64_t seq) must_check;
/* Packs that are in the vault become known to the journal, the index and the
 * next segment.  is_busy held, no lock. */
int pack_stage_tell(struct commit *c, const struct buf *packs, uint32_t n)
	must_check;
/* Drops those files, after publishing; what came to life meanwhile stays and is
 * told to the journal again.  cut_lock held. */
int pack_stage_drop(struct commit *c, uint64_t below, uint64_t frame) must_check;

/* ---- seal.c ---- */
/* Seals the batch `seq` into a segment: durable in the journal's folder, with
 * its frame.  `is_last`: no other follows in this publish.  cut_lock held. */
int seal_batch(struct commit *c, uint64_t seq, bool is_last) must_check;
/* Learns what an own segment required.  Index lock held. */
int seal_note_required(struct vault *v, uint64_t seq,
		       const struct segment_body *body) must_check;

/* ---- receive.c ---- */
struct receive_options {
	bool is_rebuild; /* own segments too; nobody else uses the index */
	bool in_slices;	 /* calls are being made meanwhile */
};
/* Are there folders that changed since they were listed? 1, 0. */
int receive_is_needed(struct commit *c) must_check;
/* Applies every segment that can be.  is_busy held, or nobody else is there.
 * *ret_n: how many.  ERR_MALFORMED: a stop was noted and the index must be
 * rebuilt. */
int receive_all(struct commit *c, const struct receive_options *o,
		uint64_t *ret_n) must_check;
/* Records an own segment, just published, whose operations the index has.
 * Index lock and cut_lock held. */
int receive_own(struct commit *c, const struct log_segment *s) must_check;

/* ---- ack.c ---- */
/* Verifies packs of others not yet verified and acknowledges what is complete;
 * at most `max_bytes` are read.  is_busy held. */
int ack_advance(struct commit *c, uint64_t max_bytes) must_check;

/* ---- presence.c ---- */
/* Compares the index's packs with the folders: others' that are not here (yet),
 * and at opening own files that vanished; then too own packs that nothing names
 * are removed. */
int presence_check(struct commit *c, bool is_opening) must_check;

/* ---- drop.c ---- */
/* Logs PACK DROP for dead own packs, with one device only; they are kept in
 * c->dropped.  is_busy held. */
int drop_log(struct commit *c) must_check;
/* Removes the files of those: their drop is published. */
int drop_remove(struct commit *c) must_check;


#endif
