/* SPDX-License-Identifier: ISC */
/*
 * Nodes: the inodes of the index, decoded, with what merging remembers of each
 * (vault-format/09-merging.md, State).  Internal to vault.
 *
 * A node is cached and written back to the index; every access needs the index
 * lock, and a pointer stays valid until node_put.
 */
#ifndef COFFER_VAULT_MERGE_NODE_H
#define COFFER_VAULT_MERGE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "format/ids.h"
#include "format/op.h"
#include "vault/merge/node_types.h"
#include "vault/vault.h"

struct node_cache;
struct index;
struct buf;

/* `kind` of a number that is taken but shows nothing. */
#define KIND_NONE 0

enum node_flag {
	NODE_UNBORN = 1,  /* O_TMPFILE: no operation told of it yet */
	NODE_VIRTUAL = 2, /* a sibling not yet split */
	NODE_SPLIT = 4,	  /* made by a SPLIT */
	NODE_MOVED = 8,	  /* R4: shown at r4_parent, r4_name */
	NODE_GONE = 16,	  /* a tombstone: not shown, extents dropped */
};

struct node {
	uint64_t ino;
	struct inode_id id;
	unsigned kind; /* enum inode_kind or KIND_NONE */
	unsigned flags;
	/* Registers; a key of clock 0 on a split or virtual node: its
	 * origin's value.  mtime, ctime and size may be ahead of the keys
	 * while contents are dirty. */
	uint32_t mode, uid, gid;
	int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
	struct op_key regs[N_REGS];
	uint32_t rdev_major, rdev_minor;
	uint64_t size;
	uint64_t data_bytes;	 /* sum of extent lengths */
	struct node_name target; /* symlinks */
	uint64_t origin; /* split, virtual: the inode it came from */

	struct node_place *places;
	unsigned n_places;
	struct node_version *versions; /* not for directories */
	unsigned n_versions;
	struct node_sibling *siblings;
	unsigned n_siblings;
	struct node_link_clock *old_links; /* links without a place left */
	unsigned n_old_links;

	/* Directories: see vault/merge/view.h. */
	uint64_t rep;	    /* where its entries' rows stand */
	uint32_t n_united;  /* directories whose rows stand here */
	uint64_t n_members; /* members whose parent it is */
	uint64_t n_subdirs; /* rows here that show a directory */
	uint64_t n_special; /* rows here generated or with a virtual member */
	uint64_t r4_parent;
	struct node_name r4_name;
	bool is_passed; /* its number was taken when another id asked for it */

	/* Cache. */
	unsigned refs;
	bool is_dirty;
	size_t idle_bytes; /* what it counts for while nobody refers to it */
	struct node_cache *cache;
	struct node *hash_next, *lru_prev, *lru_next;
};

/* Keeps nodes nobody refers to, up to about `max_bytes` of memory. */
int node_cache_new(struct index *ix, size_t max_bytes,
		   struct node_cache **ret) must_check;
size_t node_cache_bytes(const struct node_cache *c); /* of those, now */
/* Drops all without writing. */
void node_cache_free(struct node_cache *c);
/* Writes every dirty node to the index. */
int node_cache_flush(struct node_cache *c) must_check;

/* 1: found, 0: absent. */
int node_get(struct node_cache *c, uint64_t ino, struct node **ret) must_check;
/* By id: the number is the id's time, or another where that was taken. */
int node_get_by_id(struct node_cache *c, struct inode_id id,
		   struct node **ret) must_check;
/* A fresh zeroed node with a number of its own; -EEXIST if the id has one. */
int node_new(struct node_cache *c, struct inode_id id, struct node **ret)
	must_check;
void node_put(struct node *n);
void node_put_cleanup(struct node **n);
#define auto_node __attribute__((cleanup(node_put_cleanup)))
void node_dirty(struct node *n);
/* Removes it from index and cache; the caller's is the only reference and
 * ends. */
int node_delete(struct node_cache *c, struct node *n) must_check;

#endif
