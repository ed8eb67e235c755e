/* SPDX-License-Identifier: ISC */
#include "format/ids.h"

#include "crypto/hash.h"

/* Domain of the ids of split inodes. */
#define SPLIT_LABEL "cofr-spl"
#define SPLIT_LABEL_BYTES (sizeof(SPLIT_LABEL) - 1)

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

int dot_compare(struct dot a, struct dot b)
{
	int order = compare_u64(a.writer, b.writer);

	if (order == 0)
		order = compare_u64(a.seq, b.seq);
	if (order == 0)
		order = compare_u64(a.index, b.index);
	return order;
}

void dot_put(struct buf *b, struct dot d)
{
	buf_put_u64(b, d.writer);
	buf_put_u64(b, d.seq);
	buf_put_u32(b, d.index);
}

struct dot dot_read(struct cursor *c)
{
	struct dot d;

	d.writer = cursor_u64(c);
	d.seq = cursor_u64(c);
	d.index = cursor_u32(c);
	return d;
}

struct dot dot_get(const uint8_t *p)
{
	return (struct dot){
		.writer = le64_get(p),
		.seq = le64_get(p + 8),
		.index = le32_get(p + 16),
	};
}

int inode_id_compare(struct inode_id a, struct inode_id b)
{
	int order = compare_u64(a.time, b.time);

	return order != 0 ? order : compare_u64(a.tail, b.tail);
}

void inode_id_put(struct buf *b, struct inode_id id)
{
	buf_put_u64(b, id.time);
	buf_put_u64(b, id.tail);
}

struct inode_id inode_id_read(struct cursor *c)
{
	struct inode_id id;

	id.time = cursor_u64(c);
	id.tail = cursor_u64(c);
	return id;
}

struct inode_id inode_id_split(struct dot version)
{
	uint8_t encoded[DOT_BYTES], hashed[INODE_ID_BYTES];
	struct hash h;

	le64_put(encoded, version.writer);
	le64_put(encoded + 8, version.seq);
	le32_put(encoded + 16, version.index);
	hash_begin(&h, NULL, sizeof(hashed));
	hash_add(&h, SPLIT_LABEL, SPLIT_LABEL_BYTES);
	hash_add(&h, encoded, sizeof(encoded));
	hash_end(&h, hashed, sizeof(hashed));
	return (struct inode_id){
		.time = le64_get(hashed),
		.tail = le64_get(hashed + 8),
	};
}
