/* SPDX-License-Identifier: ISC */
#include "fuse/acl.h"

#include <errno.h>

#include "base/buf.h"

#define HEADER_BYTES 4
#define ENTRY_BYTES 8
#define LIST_VERSION 2
#define PERMISSIONS 7U

/* In the order in which a list has them. */
enum tag {
	TAG_OWNER = 0x01,
	TAG_USER = 0x02,
	TAG_OWNING_GROUP = 0x04,
	TAG_GROUP = 0x08,
	TAG_MASK = 0x10,
	TAG_OTHER = 0x20,
};

struct entry {
	unsigned tag, permissions;
	uint32_t id;
};

static size_t count(size_t bytes)
{
	return (bytes - HEADER_BYTES) / ENTRY_BYTES;
}

static struct entry entry_at(const void *list, size_t i)
{
	const uint8_t *at =
		(const uint8_t *)list + HEADER_BYTES + i * ENTRY_BYTES;

	return (struct entry){ le16_get(at), le16_get(at + 2),
			       le32_get(at + 4) };
}

static void set_permissions(void *list, size_t i, unsigned permissions)
{
	uint8_t *at = (uint8_t *)list + HEADER_BYTES + i * ENTRY_BYTES;

	le16_put(at + 2, (uint16_t)permissions);
}

static bool is_named(unsigned tag)
{
	return tag == TAG_USER || tag == TAG_GROUP;
}

static bool is_tag(unsigned tag)
{
	return tag && !(tag & (tag - 1)) && tag <= TAG_OTHER;
}

static int check_entries(const void *list, size_t n)
{
	struct entry before = { 0 };
	unsigned seen = 0;

	for (size_t i = 0; i < n; i++) {
		const struct entry e = entry_at(list, i);

		if (!is_tag(e.tag) || e.permissions > PERMISSIONS)
			return -EINVAL;
		if (e.tag < before.tag)
			return -EINVAL;
		if (e.tag == before.tag && !is_named(e.tag))
			return -EINVAL;
		if (is_named(e.tag) && e.id == UINT32_MAX)
			return -EINVAL;
		seen |= e.tag;
		before = e;
	}
	if (!(seen & TAG_OWNER) || !(seen & TAG_OWNING_GROUP) ||
	    !(seen & TAG_OTHER))
		return -EINVAL;
	return seen & (TAG_USER | TAG_GROUP) && !(seen & TAG_MASK) ? -EINVAL
								   : 0;
}

int acl_check(const void *list, size_t bytes)
{
	if (bytes < HEADER_BYTES || (bytes - HEADER_BYTES) % ENTRY_BYTES)
		return -EINVAL;
	if (le32_get(list) != LIST_VERSION)
		return -EOPNOTSUPP;
	return check_entries(list, count(bytes));
}

/* The tag whose permissions the group bits of the mode are. */
static unsigned group_class(const void *list, size_t bytes)
{
	for (size_t i = 0; i < count(bytes); i++) {
		if (entry_at(list, i).tag == TAG_MASK)
			return TAG_MASK;
	}
	return TAG_OWNING_GROUP;
}

/* Where in a mode the permissions of `tag` stand; -1: nowhere. */
static int shift_of(unsigned tag, unsigned group_tag)
{
	if (tag == TAG_OWNER)
		return 6;
	if (tag == group_tag)
		return 3;
	return tag == TAG_OTHER ? 0 : -1;
}

uint32_t acl_mode(const void *list, size_t bytes)
{
	const unsigned group_tag = group_class(list, bytes);
	uint32_t mode = 0;

	for (size_t i = 0; i < count(bytes); i++) {
		const struct entry e = entry_at(list, i);
		const int shift = shift_of(e.tag, group_tag);

		if (shift >= 0)
			mode |= e.permissions << shift;
	}
	return mode;
}

bool acl_is_extended(const void *list, size_t bytes)
{
	return group_class(list, bytes) == TAG_MASK;
}

void acl_apply_mode(void *list, size_t bytes, uint32_t mode)
{
	const unsigned group_tag = group_class(list, bytes);

	for (size_t i = 0; i < count(bytes); i++) {
		const int shift = shift_of(entry_at(list, i).tag, group_tag);

		if (shift >= 0)
			set_permissions(list, i, mode >> shift & PERMISSIONS);
	}
}

uint32_t acl_inherit_mode(const void *list, size_t bytes, uint32_t mode)
{
	return mode & (~(uint32_t)0777 | acl_mode(list, bytes));
}

/* acl(5), ACCESS CHECK ALGORITHM, from its second step on. */
bool acl_grants(const void *list, size_t bytes, uint32_t uid,
		bool (*in_group)(void *arg, uint32_t gid), void *arg,
		unsigned want)
{
	unsigned mask = PERMISSIONS, granted = 0, other = 0;
	bool is_in_class = false;

	for (size_t i = 0; i < count(bytes); i++) {
		const struct entry e = entry_at(list, i);

		if (e.tag == TAG_MASK)
			mask = e.permissions;
		else if (e.tag == TAG_OTHER)
			other = e.permissions;
	}
	for (size_t i = 0; i < count(bytes); i++) {
		const struct entry e = entry_at(list, i);
		const uint32_t gid =
			e.tag == TAG_GROUP ? e.id : ACL_OWNING_GROUP;

		if (e.tag == TAG_USER && e.id == uid)
			return (e.permissions & mask & want) == want;
		if (e.tag != TAG_OWNING_GROUP && e.tag != TAG_GROUP)
			continue;
		/* One entry alone has to grant all of it. */
		if (!in_group(arg, gid))
			continue;
		is_in_class = true;
		if ((e.permissions & want) == want)
			granted = e.permissions;
	}
	if (is_in_class)
		return (granted & mask & want) == want;
	return (other & want) == want;
}
