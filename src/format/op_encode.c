/* SPDX-License-Identifier: ISC */
/*
 * Writing operations.  Each function follows its table in
 * vault-format/08-operations.md, one line a field.  Lengths too large for
 * their field are caught before (fields_fit), everything else after, by
 * reading back what was written.
 */
#include <assert.h>

#include "format/op.h"
#include "format/op_priv.h"

static void put_time(struct buf *b, int64_t ns)
{
	buf_put_u64(b, (uint64_t)ns);
}

static void put_len(struct buf *b, const struct op_name *name)
{
	buf_put_u8(b, (uint8_t)name->len);
}

static void put_bytes(struct buf *b, const struct op_name *name)
{
	buf_put(b, name->bytes, name->len);
}

static void put_dots(struct buf *b, const struct dot_list *dots)
{
	buf_put(b, dots->raw, (size_t)dots->n * DOT_BYTES);
}

static void encode_mknod(const struct op *op, struct buf *b)
{
	const struct op_mknod *p = &op->mknod;

	inode_id_put(b, op->inode);
	buf_put_u8(b, (uint8_t)p->kind);
	buf_put_zeros(b, 1);
	buf_put_u16(b, p->target.len);
	buf_put_u32(b, p->mode);
	buf_put_u32(b, p->uid);
	buf_put_u32(b, p->gid);
	buf_put_u32(b, p->rdev_major);
	buf_put_u32(b, p->rdev_minor);
	put_time(b, p->atime_ns);
	put_time(b, p->mtime_ns);
	put_time(b, p->ctime_ns);
	put_bytes(b, &p->target);
}

static void encode_place(const struct op *op, struct buf *b)
{
	const struct op_place *p = &op->place;

	inode_id_put(b, op->inode);
	dot_put(b, p->link);
	inode_id_put(b, p->parent);
	buf_put_u8(b, p->has_from ? PLACE_FLAG_FROM : 0);
	put_len(b, &p->name);
	put_len(b, &p->from_name);
	buf_put_zeros(b, 1);
	buf_put_u32(b, p->kills.n);
	if (p->has_from)
		inode_id_put(b, p->from_parent);
	put_bytes(b, &p->name);
	put_bytes(b, &p->from_name);
	put_dots(b, &p->kills);
}

static void encode_unlink(const struct op *op, struct buf *b)
{
	const struct op_unlink *p = &op->unlink;

	inode_id_put(b, op->inode);
	dot_put(b, p->link);
	inode_id_put(b, p->parent);
	buf_put_u8(b, (uint8_t)((p->last ? UNLINK_FLAG_LAST : 0) |
				(p->claim ? UNLINK_FLAG_CLAIM : 0)));
	put_len(b, &p->name);
	buf_put_zeros(b, 2);
	buf_put_u32(b, p->kills.n);
	buf_put_u32(b, p->deletes.n);
	put_bytes(b, &p->name);
	put_dots(b, &p->kills);
	put_dots(b, &p->deletes);
}

static void encode_content(const struct op *op, struct buf *b)
{
	const struct op_content *p = &op->content;

	inode_id_put(b, op->inode);
	buf_put_u8(b, p->whole ? CONTENT_FLAG_WHOLE : 0);
	buf_put_zeros(b, 3);
	buf_put_u32(b, p->replaces.n);
	buf_put_u32(b, p->extents.n);
	buf_put_u32(b, p->extents.raw_bytes);
	buf_put_u64(b, p->size);
	put_time(b, p->mtime_ns);
	put_time(b, p->ctime_ns);
	dot_put(b, p->base);
	put_dots(b, &p->replaces);
	buf_put(b, p->extents.raw, p->extents.raw_bytes);
}

static void encode_pin(const struct op *op, struct buf *b)
{
	const struct op_pin *p = &op->pin;

	inode_id_put(b, op->inode);
	dot_put(b, p->target);
	inode_id_put(b, p->parent);
	put_len(b, &p->name);
	buf_put_zeros(b, 3);
	put_bytes(b, &p->name);
}

static void encode_split(const struct op *op, struct buf *b)
{
	inode_id_put(b, op->inode);
	dot_put(b, op->split.version);
	buf_put_zeros(b, 4);
	buf_put_u64(b, op->split.version_clock);
}

static void encode_attr(const struct op *op, struct buf *b)
{
	const struct op_attr *p = &op->attr;

	inode_id_put(b, op->inode);
	buf_put_u32(b, p->mask);
	buf_put_u32(b, p->mode);
	buf_put_u32(b, p->uid);
	buf_put_u32(b, p->gid);
	buf_put_zeros(b, 4);
	put_time(b, p->atime_ns);
	put_time(b, p->mtime_ns);
	put_time(b, p->ctime_ns);
}

static void encode_xattr(const struct op *op, struct buf *b)
{
	const struct op_xattr *p = &op->xattr;

	inode_id_put(b, op->inode);
	buf_put_u8(b, p->remove ? XATTR_FLAG_REMOVE : 0);
	put_len(b, &p->name);
	buf_put_zeros(b, 2);
	buf_put_u32(b, p->value_bytes);
	put_time(b, p->ctime_ns);
	put_bytes(b, &p->name);
	buf_put(b, p->value, p->value_bytes);
}

static void encode_device(const struct op *op, struct buf *b)
{
	const struct op_device *p = &op->device;

	buf_put_u64(b, p->writer);
	buf_put_u64(b, p->other);
	put_len(b, &p->name);
	buf_put_zeros(b, 7);
	put_bytes(b, &p->name);
}

static void encode_slot(const struct op *op, struct buf *b)
{
	const struct op_slot *p = &op->slot;

	buf_put(b, p->slot, sizeof(p->slot));
	buf_put_u8(b, p->type);
	put_len(b, &p->label);
	buf_put_zeros(b, 6);
	put_bytes(b, &p->label);
}

static void encode_epoch(const struct op *op, struct buf *b)
{
	buf_put_u32(b, op->epoch.number);
	buf_put_zeros(b, 4);
	buf_put(b, op->epoch.id.b, sizeof(op->epoch.id.b));
}

static void encode_feature(const struct op *op, struct buf *b)
{
	buf_put_u64(b, op->feature.incompatible);
	buf_put_u64(b, op->feature.read_only);
	buf_put_u64(b, op->feature.compatible);
}

static void encode_payload(const struct op *op, struct buf *b)
{
	switch (op->type) {
	case OP_MKNOD:
		encode_mknod(op, b);
		return;
	case OP_PLACE:
		encode_place(op, b);
		return;
	case OP_UNLINK:
		encode_unlink(op, b);
		return;
	case OP_CONTENT:
		encode_content(op, b);
		return;
	case OP_PIN:
		encode_pin(op, b);
		return;
	case OP_SPLIT:
		encode_split(op, b);
		return;
	case OP_ATTR:
		encode_attr(op, b);
		return;
	case OP_XATTR:
		encode_xattr(op, b);
		return;
	case OP_NOP:
		return;
	case OP_DEVICE_ADD:
	case OP_DEVICE_NAME:
	case OP_DEVICE_RETIRE:
	case OP_DEVICE_ADOPT:
		encode_device(op, b);
		return;
	case OP_SLOT_ADD:
	case OP_SLOT_REMOVE:
		encode_slot(op, b);
		return;
	case OP_EPOCH:
		encode_epoch(op, b);
		return;
	case OP_FEATURE:
		encode_feature(op, b);
		return;
	case OP_PACK_DROP:
		buf_put(b, op->pack_drop.pack, sizeof(op->pack_drop.pack));
		return;
	case OP_SNAPSHOT:
		break;
	}
	assert(false && "an operation of a type this version writes");
}

/* Whether the flags and each name's length fit the byte they go into. */
static bool fields_fit(const struct op *op)
{
	if (op->flags > UINT8_MAX)
		return false;
	switch (op->type) {
	case OP_PLACE:
		return op->place.name.len <= UINT8_MAX &&
		       op->place.from_name.len <= UINT8_MAX;
	case OP_UNLINK:
		return op->unlink.name.len <= UINT8_MAX;
	case OP_PIN:
		return op->pin.name.len <= UINT8_MAX;
	case OP_XATTR:
		return op->xattr.name.len <= UINT8_MAX;
	case OP_DEVICE_ADD:
	case OP_DEVICE_NAME:
	case OP_DEVICE_RETIRE:
	case OP_DEVICE_ADOPT:
		return op->device.name.len <= UINT8_MAX;
	case OP_SLOT_ADD:
	case OP_SLOT_REMOVE:
		return op->slot.label.len <= UINT8_MAX;
	default:
		return true;
	}
}

static int check_written(const struct buf *b, size_t start)
{
	struct cursor c;
	struct op read;
	int err;

	cursor_init(&c, b->data + start, b->len - start);
	read.dot = (struct dot){ 0 };
	err = op_decode(&c, &read);
	return err < 0 ? err : cursor_finish(&c);
}

int op_encode(const struct op *op, struct buf *b)
{
	const size_t start = b->len;
	int err;

	if (!fields_fit(op))
		return ERR_LIMIT;
	buf_put_u32(b, 0); /* the length, patched below */
	buf_put_u8(b, (uint8_t)op->type);
	buf_put_u8(b, (uint8_t)op->flags);
	buf_put_zeros(b, 2);
	buf_put_u64(b, op->clock);
	encode_payload(op, b);
	err = buf_error(b);
	if (!err && b->len - start > OP_MAX_BYTES)
		err = ERR_LIMIT;
	if (!err) {
		buf_patch_u32(b, start, (uint32_t)(b->len - start));
		err = check_written(b, start);
	}
	if (err < 0)
		b->len = start;
	return err;
}
