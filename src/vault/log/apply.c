/* SPDX-License-Identifier: ISC */
#include "vault/log/apply.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "vault/log/devices.h"
#include "vault/merge/merge.h"
#include "vault/packs/packs.h"
#include "vault/tables.h"

#define SLOT_REC_MAX (2u + 64u)
#define EPOCH_ID_BYTES (4u + 32u)
#define FEATURE_REC_BYTES 24u

/* ---------------------------------------------------------------- slots */

static int known_slot_decode(const uint8_t *name, const uint8_t *rec,
			     size_t bytes, struct known_slot *ret)
{
	struct known_slot s = { .type = 0 };

	if (bytes < 2 || bytes > SLOT_REC_MAX)
		return ERR_BAD_INDEX;
	memcpy(s.name, name, sizeof(s.name));
	s.is_removed = rec[0] != 0;
	s.type = rec[1];
	memcpy(s.label, rec + 2, bytes - 2);
	*ret = s;
	return 1;
}

static int slot_get(struct vault *v, const uint8_t *name,
		    struct known_slot *ret)
{
	const uint8_t *rec;
	size_t bytes;
	int r = index_value_get(v->index, SLOT_TABLE, name, SLOT_NAME_BYTES,
				&rec, &bytes);

	return r <= 0 ? r : known_slot_decode(name, rec, bytes, ret);
}

struct slot_walk {
	known_slot_fn *fn;
	void *arg;
};

static int slot_row_fn(void *arg, const uint8_t *id, size_t id_bytes,
		       const uint8_t *rec, size_t bytes)
{
	const struct slot_walk *w = arg;
	struct known_slot s;

	if (id_bytes != SLOT_NAME_BYTES)
		return ERR_BAD_INDEX;
	int r = known_slot_decode(id, rec, bytes, &s);
	return r < 0 ? r : w->fn(w->arg, &s);
}

int known_slot_each(struct vault *v, known_slot_fn *fn, void *arg)
{
	struct slot_walk w = { fn, arg };

	return index_value_each(v->index, SLOT_TABLE, slot_row_fn, &w);
}

int known_slot_get(struct vault *v, const uint8_t name[static SLOT_NAME_BYTES],
		   struct known_slot *ret)
{
	return slot_get(v, name, ret);
}

/* A slot's name is the hash of its file, so it is added once; removal is for
 * good, in whatever order the two arrive. */
static int apply_slot(struct vault *v, const struct op *op)
{
	const struct op_slot *o = &op->slot;
	struct known_slot s = { .type = 0 };
	auto_buf struct buf b = BUF_INIT(SLOT_REC_MAX);
	int r = slot_get(v, o->slot, &s);

	if (r < 0)
		return r;
	if (op->type == OP_SLOT_ADD) {
		s.type = o->type;
		memset(s.label, 0, sizeof(s.label));
		memcpy(s.label, o->label.bytes, o->label.len);
	} else {
		s.is_removed = true;
	}
	buf_put_u8(&b, s.is_removed);
	buf_put_u8(&b, (uint8_t)s.type);
	buf_put(&b, s.label, strlen(s.label));
	r = buf_error(&b);
	return r < 0 ? r : index_value_put(v->index, SLOT_TABLE, o->slot,
					   SLOT_NAME_BYTES, b.data, b.len);
}

/* ---------------------------------------------------------------- epochs */

static void epoch_id(uint32_t epoch, const struct key_id *id,
		     uint8_t to[static EPOCH_ID_BYTES])
{
	le32_put(to, epoch);
	memcpy(to + 4, id->b, sizeof(id->b));
}

static int apply_epoch(struct vault *v, const struct op *op)
{
	uint8_t id[EPOCH_ID_BYTES];

	epoch_id(op->epoch.number, &op->epoch.id, id);
	return index_value_put(v->index, EPOCH_TABLE, id, sizeof(id), id, 0);
}

int known_epoch(struct vault *v, uint32_t epoch, const struct key_id *key)
{
	uint8_t id[EPOCH_ID_BYTES];
	const uint8_t *rec;
	size_t bytes;

	if (epoch == 1)
		return 1;
	epoch_id(epoch, key, id);
	return index_value_get(v->index, EPOCH_TABLE, id, sizeof(id), &rec,
			       &bytes);
}

static int find_newest(void *arg, const uint8_t *id, size_t id_bytes,
		       const uint8_t *rec, size_t bytes)
{
	uint32_t *newest = arg;

	(void)rec;
	(void)bytes;
	if (id_bytes != EPOCH_ID_BYTES)
		return ERR_BAD_INDEX;
	*newest = max_of(*newest, le32_get(id));
	return 0;
}

int known_newest_epoch(struct vault *v, uint32_t *ret)
{
	uint32_t newest = 1;
	int r = index_value_each(v->index, EPOCH_TABLE, find_newest, &newest);

	if (r == 0)
		*ret = newest;
	return r;
}

/* ---------------------------------------------------------------- features */

int known_features(struct vault *v, struct op_feature *ret)
{
	struct op_feature f = { 0 };
	const uint8_t *rec;
	size_t bytes;
	int r = index_value_get(v->index, FEATURE_TABLE, "", 0, &rec, &bytes);

	if (r < 0)
		return r;
	if (r > 0 && bytes != FEATURE_REC_BYTES)
		return ERR_BAD_INDEX;
	if (r > 0) {
		f.incompatible = le64_get(rec);
		f.read_only = le64_get(rec + 8);
		f.compatible = le64_get(rec + 16);
	}
	*ret = f;
	return 0;
}

static int apply_feature(struct vault *v, const struct op *op)
{
	uint8_t rec[FEATURE_REC_BYTES];
	struct op_feature f;
	int r = known_features(v, &f);

	if (r < 0)
		return r;
	le64_put(rec, f.incompatible | op->feature.incompatible);
	le64_put(rec + 8, f.read_only | op->feature.read_only);
	le64_put(rec + 16, f.compatible | op->feature.compatible);
	return index_value_put(v->index, FEATURE_TABLE, "", 0, rec,
			       sizeof(rec));
}

/* ---------------------------------------------------------------- all */

static int apply_other(struct vault *v, const struct op *op)
{
	switch (op->type) {
	case OP_DEVICE_ADD:
	case OP_DEVICE_NAME:
	case OP_DEVICE_RETIRE:
	case OP_DEVICE_ADOPT:
		return device_apply(v, op);
	case OP_SLOT_ADD:
	case OP_SLOT_REMOVE:
		return apply_slot(v, op);
	case OP_EPOCH:
		return apply_epoch(v, op);
	case OP_FEATURE:
		return apply_feature(v, op);
	case OP_PACK_DROP:
		return packs_drop(v, op->dot.writer, op->dot.seq,
				  op->pack_drop.pack);
	default:
		return ERR_NEWER;
	}
}

int apply_op(struct vault *v, const struct op *op)
{
	oplog_see(&v->oplog, op->clock);
	return op->type <= OP_NOP ? merge_apply(v, op) : apply_other(v, op);
}

int apply_new(struct vault *v, struct op *op)
{
	int r = merge_emit(v, op);

	oplog_end_transaction(&v->oplog);
	if (r < 0)
		return r;
	r = apply_other(v, op);
	/* The log has it. */
	if (r < 0) {
		v->is_torn = true;
		core_fail(v, r, "an operation could not be applied to the "
				"index; open the vault again");
	}
	return r;
}

int apply_make_root(struct vault *v)
{
	auto_node struct node *n = NULL;
	int r = node_new(v->nodes, (struct inode_id){ 0 }, &n);

	if (r < 0)
		return r;
	n->kind = KIND_DIR;
	n->mode = 0755;
	n->rep = n->ino;
	n->n_united = 1;
	node_dirty(n);
	return 0;
}
