/* SPDX-License-Identifier: ISC */
/*
 * Reading operations.  Each function follows its table in
 * vault-format/08-operations.md, one line a field.
 */
#include <string.h>

#include "format/format_priv.h"
#include "format/op.h"
#include "format/op_priv.h"

#define MODE_MASK 07777u

/* Every vault has it from the start: it is never announced. */
#define FIRST_EPOCH 1u

#define ATTR_MASK_ALL                                                          \
	((unsigned)(ATTR_MODE | ATTR_OWNER | ATTR_ATIME | ATTR_MTIME |         \
		    ATTR_CTIME))

/* An unknown flag is a newer program's. */
static uint8_t read_flags(struct cursor *c, unsigned known)
{
	uint8_t flags = cursor_u8(c);

	format_require(c, (flags & ~known) == 0, ERR_NEWER);
	return flags;
}

static int64_t read_time(struct cursor *c)
{
	return (int64_t)cursor_u64(c);
}

static uint32_t read_mode(struct cursor *c)
{
	uint32_t mode = cursor_u32(c);

	cursor_require(c, (mode & ~MODE_MASK) == 0);
	return mode;
}

static struct op_name read_bytes(struct cursor *c, uint16_t len)
{
	struct op_name name = { .bytes = cursor_take(c, len) };

	if (name.bytes)
		name.len = len;
	return name;
}

static struct op_name read_name(struct cursor *c, uint16_t len)
{
	struct op_name name = read_bytes(c, len);

	cursor_require(c, name_is_valid(name.bytes, name.len));
	return name;
}

static struct dot_list read_dots(struct cursor *c, uint32_t n)
{
	struct dot_list dots = { 0 };

	if (!cursor_fits(c, n, DOT_BYTES))
		return dots;
	dots.raw = cursor_take(c, (size_t)n * DOT_BYTES);
	dots.n = n;
	return dots;
}

/* The root is never made, placed or removed. */
static void read_child(struct cursor *c, struct op *op)
{
	op->inode = inode_id_read(c);
	cursor_require(c, !inode_id_is_root(op->inode));
}

static void decode_mknod(struct cursor *c, struct op *op)
{
	struct op_mknod *p = &op->mknod;
	uint16_t target_len;

	read_child(c, op);
	p->kind = cursor_u8(c);
	cursor_zeros(c, 1);
	target_len = cursor_u16(c);
	p->mode = read_mode(c);
	p->uid = cursor_u32(c);
	p->gid = cursor_u32(c);
	p->rdev_major = cursor_u32(c);
	p->rdev_minor = cursor_u32(c);
	p->atime_ns = read_time(c);
	p->mtime_ns = read_time(c);
	p->ctime_ns = read_time(c);
	p->target = read_bytes(c, target_len);
	format_require(c, p->kind >= KIND_FILE && p->kind <= KIND_BLOCK,
		       ERR_NEWER);
	cursor_require(c, (target_len > 0) == (p->kind == KIND_SYMLINK));
	format_require(c, target_len <= LINK_TARGET_MAX, ERR_LIMIT);
	if (p->target.len > 0)
		cursor_require(c,
			       !memchr(p->target.bytes, '\0', p->target.len));
	if (p->kind != KIND_CHAR && p->kind != KIND_BLOCK)
		cursor_require(c, p->rdev_major == 0 && p->rdev_minor == 0);
}

static void decode_place(struct cursor *c, struct op *op)
{
	struct op_place *p = &op->place;
	uint8_t name_len, from_len;
	uint32_t n_kills;

	read_child(c, op);
	p->link = dot_read(c);
	p->parent = inode_id_read(c);
	p->has_from = read_flags(c, PLACE_FLAG_FROM) & PLACE_FLAG_FROM;
	name_len = cursor_u8(c);
	from_len = cursor_u8(c);
	cursor_zeros(c, 1);
	n_kills = cursor_u32(c);
	if (p->has_from)
		p->from_parent = inode_id_read(c);
	p->name = read_name(c, name_len);
	if (p->has_from)
		p->from_name = read_name(c, from_len);
	else
		cursor_require(c, from_len == 0);
	p->kills = read_dots(c, n_kills);
}

static void decode_unlink(struct cursor *c, struct op *op)
{
	struct op_unlink *p = &op->unlink;
	uint32_t n_kills, n_deletes;
	uint8_t flags, name_len;

	read_child(c, op);
	p->link = dot_read(c);
	p->parent = inode_id_read(c);
	flags = read_flags(c, UNLINK_FLAG_LAST | UNLINK_FLAG_CLAIM);
	p->last = flags & UNLINK_FLAG_LAST;
	p->claim = flags & UNLINK_FLAG_CLAIM;
	name_len = cursor_u8(c);
	cursor_zeros(c, 2);
	n_kills = cursor_u32(c);
	n_deletes = cursor_u32(c);
	cursor_require(c, !(p->last && p->claim));
	cursor_require(c, p->last || n_deletes == 0);
	if (p->claim)
		p->name = read_name(c, name_len);
	else
		cursor_require(c, name_len == 0);
	p->kills = read_dots(c, n_kills);
	p->deletes = read_dots(c, n_deletes);
}

static void decode_content(struct cursor *c, struct op *op)
{
	struct op_content *p = &op->content;
	uint32_t n_replaces;
	int err;

	op->inode = inode_id_read(c);
	p->whole = read_flags(c, CONTENT_FLAG_WHOLE) & CONTENT_FLAG_WHOLE;
	cursor_zeros(c, 3);
	n_replaces = cursor_u32(c);
	p->extents.n = cursor_u32(c);
	p->extents.raw_bytes = cursor_u32(c);
	p->size = cursor_u64(c);
	p->mtime_ns = read_time(c);
	p->ctime_ns = read_time(c);
	p->base = dot_read(c);
	cursor_require(c, dot_is_zero(p->base) == p->whole);
	p->replaces = read_dots(c, n_replaces);
	p->extents.raw = cursor_take(c, p->extents.raw_bytes);
	if (c->error)
		return;
	err = extent_list_check(&p->extents, p->whole, p->size);
	format_require(c, err >= 0, err);
}

static void decode_pin(struct cursor *c, struct op *op)
{
	struct op_pin *p = &op->pin;
	uint8_t name_len;

	op->inode = inode_id_read(c);
	p->target = dot_read(c);
	p->parent = inode_id_read(c);
	name_len = cursor_u8(c);
	cursor_zeros(c, 3);
	p->name = read_name(c, name_len);
}

static void decode_split(struct cursor *c, struct op *op)
{
	op->inode = inode_id_read(c);
	op->split.version = dot_read(c);
	cursor_zeros(c, 4);
	op->split.version_clock = cursor_u64(c);
}

/* A field not in the mask is zero. */
static void decode_attr(struct cursor *c, struct op *op)
{
	struct op_attr *p = &op->attr;

	op->inode = inode_id_read(c);
	p->mask = cursor_u32(c);
	p->mode = read_mode(c);
	p->uid = cursor_u32(c);
	p->gid = cursor_u32(c);
	cursor_zeros(c, 4);
	p->atime_ns = read_time(c);
	p->mtime_ns = read_time(c);
	p->ctime_ns = read_time(c);
	cursor_require(c, p->mask != 0 && (p->mask & ~ATTR_MASK_ALL) == 0);
	cursor_require(c, p->mask & ATTR_MODE || p->mode == 0);
	cursor_require(c, p->mask & ATTR_OWNER || (p->uid | p->gid) == 0);
	cursor_require(c, p->mask & ATTR_ATIME || p->atime_ns == 0);
	cursor_require(c, p->mask & ATTR_MTIME || p->mtime_ns == 0);
	cursor_require(c, p->mask & ATTR_CTIME || p->ctime_ns == 0);
}

static void decode_xattr(struct cursor *c, struct op *op)
{
	struct op_xattr *p = &op->xattr;
	uint8_t name_len;

	op->inode = inode_id_read(c);
	p->remove = read_flags(c, XATTR_FLAG_REMOVE) & XATTR_FLAG_REMOVE;
	name_len = cursor_u8(c);
	cursor_zeros(c, 2);
	p->value_bytes = cursor_u32(c);
	p->ctime_ns = read_time(c);
	p->name = read_bytes(c, name_len);
	p->value = cursor_take(c, p->value_bytes);
	format_require(c, p->value_bytes <= XATTR_VALUE_MAX, ERR_LIMIT);
	cursor_require(c, !p->remove || p->value_bytes == 0);
	cursor_require(c, p->name.len > 0 &&
				  !memchr(p->name.bytes, '\0', p->name.len));
}

static void decode_device(struct cursor *c, struct op *op)
{
	struct op_device *p = &op->device;
	uint8_t name_len;

	p->writer = cursor_u64(c);
	p->other = cursor_u64(c);
	name_len = cursor_u8(c);
	cursor_zeros(c, 7);
	p->name = read_bytes(c, name_len);
	if (op->type == OP_DEVICE_ADD || op->type == OP_DEVICE_NAME)
		cursor_require(c, name_is_device(p->name.bytes, p->name.len));
	else
		cursor_require(c, name_len == 0);
	cursor_require(c, p->writer != 0);
	if (op->type != OP_DEVICE_ADD)
		cursor_require(c, (p->other != 0) ==
					  (op->type == OP_DEVICE_ADOPT));
}

static void decode_slot(struct cursor *c, struct op *op)
{
	struct op_slot *p = &op->slot;
	uint8_t label_len;

	cursor_copy(c, p->slot, sizeof(p->slot));
	p->type = cursor_u8(c);
	label_len = cursor_u8(c);
	cursor_zeros(c, 6);
	p->label = read_bytes(c, label_len);
	if (op->type == OP_SLOT_ADD)
		cursor_require(c, name_is_label(p->label.bytes, p->label.len));
	else
		cursor_require(c, label_len == 0);
}

static void decode_epoch(struct cursor *c, struct op *op)
{
	op->epoch.number = cursor_u32(c);
	cursor_zeros(c, 4);
	cursor_copy(c, op->epoch.id.b, sizeof(op->epoch.id.b));
	cursor_require(c, op->epoch.number > FIRST_EPOCH);
}

static void decode_feature(struct cursor *c, struct op *op)
{
	op->feature.incompatible = cursor_u64(c);
	op->feature.read_only = cursor_u64(c);
	op->feature.compatible = cursor_u64(c);
}

/* False for a type this version does not know. */
static bool decode_payload(struct cursor *c, struct op *op)
{
	switch (op->type) {
	case OP_MKNOD:
		decode_mknod(c, op);
		return true;
	case OP_PLACE:
		decode_place(c, op);
		return true;
	case OP_UNLINK:
		decode_unlink(c, op);
		return true;
	case OP_CONTENT:
		decode_content(c, op);
		return true;
	case OP_PIN:
		decode_pin(c, op);
		return true;
	case OP_SPLIT:
		decode_split(c, op);
		return true;
	case OP_ATTR:
		decode_attr(c, op);
		return true;
	case OP_XATTR:
		decode_xattr(c, op);
		return true;
	case OP_NOP:
		return true;
	case OP_DEVICE_ADD:
	case OP_DEVICE_NAME:
	case OP_DEVICE_RETIRE:
	case OP_DEVICE_ADOPT:
		decode_device(c, op);
		return true;
	case OP_SLOT_ADD:
	case OP_SLOT_REMOVE:
		decode_slot(c, op);
		return true;
	case OP_EPOCH:
		decode_epoch(c, op);
		return true;
	case OP_FEATURE:
		decode_feature(c, op);
		return true;
	case OP_PACK_DROP:
		cursor_copy(c, op->pack_drop.pack, sizeof(op->pack_drop.pack));
		return true;
	case OP_SNAPSHOT:
		break;
	}
	return false;
}

int op_header_decode(struct cursor *c, struct op_header *ret)
{
	struct cursor at = *c;
	struct op_header h;

	h.bytes = cursor_u32(&at);
	h.type = cursor_u8(&at);
	h.flags = read_flags(&at, OP_FLAG_MORE | OP_FLAG_SKIP);
	cursor_zeros(&at, 2);
	h.clock = cursor_u64(&at);
	if (at.error)
		return at.error;
	if (h.bytes < OP_HEADER_BYTES)
		return ERR_MALFORMED;
	if (h.bytes > OP_MAX_BYTES)
		return ERR_LIMIT;
	if (h.bytes - OP_HEADER_BYTES > cursor_left(&at))
		return ERR_TRUNCATED;
	*ret = h;
	*c = at;
	return 0;
}

int op_decode(struct cursor *c, struct op *ret_op)
{
	struct cursor after = *c, payload;
	struct op_header h;
	struct op op;
	int err;

	err = op_header_decode(&after, &h);
	if (err < 0)
		return err;
	cursor_init(&payload, after.at, h.bytes - OP_HEADER_BYTES);
	cursor_take(&after, h.bytes - OP_HEADER_BYTES);
	memset(&op, 0, sizeof(op));
	op.type = h.type;
	op.flags = h.flags;
	op.clock = h.clock;
	op.dot = ret_op->dot;
	if (decode_payload(&payload, &op)) {
		err = cursor_finish(&payload);
		if (err < 0)
			return err;
		*ret_op = op;
		err = 1;
	} else if (!(h.flags & OP_FLAG_SKIP)) {
		return ERR_NEWER;
	}
	*c = after;
	return err;
}
