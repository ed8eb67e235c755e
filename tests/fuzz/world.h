/* SPDX-License-Identifier: ISC */
/*
 * A vault on a disk in memory beside a model of its folder, with every state
 * the folder had: opened, closed, dropped as a kill does, damaged.
 */
#ifndef COFFER_TESTS_FUZZ_WORLD_H
#define COFFER_TESTS_FUZZ_WORLD_H

#include "fuzz.h"
#include "mem_env.h"
#include "model.h"

#define WORLD_STATES_MAX 400u

struct world {
	struct mem_env disk;
	struct vault *v; /* NULL: closed */
	struct model m;	 /* the present state */
	/* Every state, the present one last. */
	struct model states[WORLD_STATES_MAX];
	unsigned n;
	/* The first state that may be met after a crash, and the first the
	 * vault without its local state may show. */
	unsigned confirmed, published;
	/* Since then a file was confirmed by itself: others' contents may be
	 * older than names are. */
	bool has_fsync;
	/* By file id: the state its contents were confirmed in. */
	unsigned fsynced[WORLD_STATES_MAX];
	/* Bytes of it are wrong: errors may be met. */
	bool is_damaged;
};

/* From a vault as init leaves it, opened. */
void world_begin(struct world *w);
/* Compares once more, and takes everything down. */
void world_end(struct world *w);

/* The model has changed: one more state.  True while there is room. */
void world_note(struct world *w);
bool world_is_full(const struct world *w);
void world_confirm(struct world *w);
void world_confirm_file(struct world *w, unsigned inode);

/* The vault shows the model, no more and no less. */
void world_compare(struct world *w);

/* Does what a call gave tell that the disk is dead or damaged?  Else it must be
 * what was expected: success or any failure.  True: as expected, and the disk
 * is alive. */
bool world_expect(struct world *w, int r, bool success, const char *what);

/* Publishes, closes, opens. */
void world_remount(struct world *w);
/* The process is gone; what it left is opened, and is a state that was. */
void world_crash(struct world *w);
/* The vault's folder alone, while it is closed. */
void world_peek(struct world *w);
void world_rebuild(struct world *w);
/* While it is closed, a copy of the disk is damaged and used; `bytes` say how. */
void world_damage(struct world *w, bool after_crash, const uint8_t **data,
		  size_t *size);
/* A byte of the vault's files is wrong for a moment, while it is open. */
void world_flip(struct world *w, uint32_t where);

#endif
