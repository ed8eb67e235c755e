/* SPDX-License-Identifier: ISC */
/* The order of a state's items, as keys that compare as bytes do. */
#include <string.h>

#include "format/state.h"

/* Most significant byte first. */
static void add_number(struct state_order *o, uint64_t x, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0;)
		o->key[o->len++] = (uint8_t)(x >> (8 * i));
}

static void add_bytes(struct state_order *o, const void *p, size_t n)
{
	memcpy(o->key + o->len, p, n);
	o->len += n;
}

static void add_id(struct state_order *o, struct inode_id id)
{
	add_number(o, id.time, 8);
	add_number(o, id.tail, 8);
}

static void add_dot(struct state_order *o, struct dot d)
{
	add_number(o, d.writer, 8);
	add_number(o, d.seq, 8);
	add_number(o, d.index, 4);
}

/* What begins a group, or stands alone. */
static void add_section_key(struct state_order *o, const struct state_item *it)
{
	switch (it->type) {
	case STATE_WRITER:
		add_number(o, it->writer.writer, 8);
		break;
	case STATE_HASHES:
		add_number(o, it->hashes.writer, 8);
		add_number(o, it->hashes.first, 8);
		break;
	case STATE_DEVICE:
		add_number(o, it->device.writer, 8);
		break;
	case STATE_SLOT:
		add_bytes(o, it->slot.name, sizeof(it->slot.name));
		break;
	case STATE_EPOCH:
		add_number(o, it->epoch.number, 4);
		add_bytes(o, it->epoch.id.b, sizeof(it->epoch.id.b));
		break;
	case STATE_PACK:
		add_number(o, it->pack.writer, 8);
		add_bytes(o, it->pack.name, sizeof(it->pack.name));
		break;
	case STATE_DROPPED:
		add_number(o, it->dropped.writer, 8);
		add_bytes(o, it->dropped.name, sizeof(it->dropped.name));
		break;
	case STATE_INODE:
		add_id(o, it->inode.id);
		break;
	case STATE_DIR:
	case STATE_FILE:
		add_id(o, it->id);
		break;
	default:
		break;
	}
}

static void add_part_key(struct state_order *o, const struct state_item *it)
{
	struct extent first;
	struct cursor at;

	switch (it->type) {
	case STATE_ENTRIES:
		/* In order and without gap. */
		add_bytes(o, it->entries.entries + 51, 1);
		add_bytes(o, it->entries.entries + 50, 1);
		add_bytes(o, it->entries.entries + 49, 1);
		add_bytes(o, it->entries.entries + 48, 1);
		break;
	case STATE_XATTR:
		add_bytes(o, it->xattr.name.bytes, it->xattr.name.len);
		break;
	case STATE_LINK:
		add_dot(o, it->link.link);
		break;
	case STATE_PLACE:
		add_dot(o, it->place.dot);
		break;
	case STATE_VERSION:
		add_dot(o, it->version.dot);
		break;
	case STATE_SPLIT:
		add_dot(o, it->split);
		break;
	case STATE_EXTENTS:
		add_dot(o, it->extents.version);
		extent_list_cursor(&it->extents.list, &at);
		extent_read(&at, &first);
		add_number(o, first.offset, 8);
		break;
	default:
		break;
	}
}

/* The section an item may be a part of; 0: it begins one. */
static bool is_part_of(enum state_type part, enum state_type section,
		       bool *ret_is_part)
{
	*ret_is_part = true;
	switch (part) {
	case STATE_ENTRIES:
		return section == STATE_PACK;
	case STATE_XATTR:
		return section == STATE_INODE;
	case STATE_LINK:
	case STATE_PLACE:
		return section == STATE_DIR || section == STATE_FILE;
	case STATE_VERSION:
	case STATE_SPLIT:
	case STATE_EXTENTS:
		return section == STATE_FILE;
	default:
		*ret_is_part = false;
		return true;
	}
}

int state_follows(struct state_order *o, const struct state_item *it)
{
	struct state_order now = { .section = o->section };
	bool is_part;

	if (!is_part_of(it->type, o->section, &is_part))
		return ERR_MALFORMED;
	if (is_part) {
		memcpy(now.key, o->key, o->group);
		now.len = now.group = o->group;
		add_number(&now, it->type, 1);
		add_part_key(&now, it);
	} else {
		now.section = it->type;
		add_number(&now, it->type, 1);
		add_section_key(&now, it);
		now.group = now.len;
	}
	size_t n = o->len < now.len ? o->len : now.len;
	int d = memcmp(o->key, now.key, n);
	if (d > 0 || (d == 0 && o->len >= now.len))
		return ERR_MALFORMED;
	*o = now;
	return 0;
}
