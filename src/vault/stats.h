/* SPDX-License-Identifier: ISC */
/*
 * What a vault does, in numbers: how much since it was opened, and how much of
 * it waits just now.  For `coffer stats'.
 */
#ifndef COFFER_VAULT_STATS_H
#define COFFER_VAULT_STATS_H

#include <stdint.h>

#include "vault/vault.h"

struct vault_stats {
	/* ---- since it was opened ---- */
	/* The cache of decrypted blocks; waits: for another's loading. */
	uint64_t cache_hits, cache_misses, cache_waits, cache_evictions;
	uint64_t cache_failures;
	uint64_t read_bytes, written_bytes; /* of files, as asked for */
	uint64_t ahead, ahead_bytes;  /* times reading ahead began; its bytes */
	uint64_t chunks, chunk_bytes; /* new contents, before encryption */
	uint64_t duplicates, duplicate_bytes; /* that were there already */
	uint64_t staged, staged_bytes; /* records appended to the stage */
	uint64_t packs, pack_bytes;    /* written into the vault */
	uint64_t segments, segment_bytes;
	uint64_t cuts, cut_ns; /* made durable; the time that took */
	uint64_t room_waits;   /* writers that waited for memory */
	/* ---- just now ---- */
	uint64_t cache_used_bytes, cache_total_bytes;
	uint64_t ahead_now_bytes; /* being read ahead */
	uint64_t dirty_bytes, dirty_limit_bytes;
	uint64_t pending_chunks, pending_bytes; /* in memory, no place yet */
	uint64_t packing;			/* packs being written */
	uint64_t jobs_queued, jobs_running, workers;
	uint64_t unpublished_ops, stage_bytes;
};

/* Waits for the index lock and for nothing else; costs some microseconds, not
 * more for a large vault.  Not all numbers are of one moment. */
void vault_get_stats(struct vault *v, struct vault_stats *ret);

#endif
