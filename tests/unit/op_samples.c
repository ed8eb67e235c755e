/* SPDX-License-Identifier: ISC */
/*
 * The bytes were packed by Python's struct module from the tables of
 * vault-format/08-operations.md.
 */
#include "op_samples.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

static struct op_sample samples[OP_SAMPLES_MAX];
static size_t n_samples;

static const struct inode_id inode = { 0x0102030405060708, 0x1112131415161718 };
static const struct inode_id parent = { 0x21, 0x22 };
static const struct inode_id from_parent = { 0x31, 0x32 };
static const struct dot link_dot = { 0x1112131415161718, 0x21, 0x31 };
static const struct dot dot_2 = { 2, 3, 4 };

/* link_dot, dot_2 and {5, 6, 7}, encoded. */
static const uint8_t dots[] = {
	0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x21, 0, 0, 0, 0, 0, 0,
	0,    0x31, 0,	  0,	0,    2,    0,	  0,	0,    0, 0, 0, 0, 3, 0,
	0,    0,    0,	  0,	0,    0,    4,	  0,	0,    0, 5, 0, 0, 0, 0,
	0,    0,    0,	  6,	0,    0,    0,	  0,	0,    0, 0, 7, 0, 0, 0,
};

#define DOTS(first, count)                                                     \
	{                                                                      \
		dots + (first)*DOT_BYTES, (count)                              \
	}

static const uint8_t id_0_to_31[] = {
	0,  1,	2,  3,	4,  5,	6,  7,	8,  9,	10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
};

static struct op_name name(const char *text)
{
	return (struct op_name){ (const uint8_t *)text,
				 (uint16_t)strlen(text) };
}

static struct op *add(const char *sample_name, enum op_type type,
		      const char *hex)
{
	struct op_sample *s = &samples[n_samples++];

	assert(n_samples <= OP_SAMPLES_MAX);
	s->name = sample_name;
	s->hex = hex;
	s->op.type = type;
	s->op.clock = OP_SAMPLE_CLOCK;
	if (type <= OP_XATTR)
		s->op.inode = inode;
	return &s->op;
}

static void add_mknods(void)
{
	struct op *op;

	op = add("mknod_file", OP_MKNOD,
		 "5000000001000000efcdab89674523010807060504030201181716151413"
		 "121101000000a0010000e8030000e90300000000000000000000ffffffff"
		 "ffffffff02000000000000000300000000000000");
	op->mknod = (struct op_mknod){ .kind = KIND_FILE,
				       .mode = 0640,
				       .uid = 1000,
				       .gid = 1001,
				       .atime_ns = -1,
				       .mtime_ns = 2,
				       .ctime_ns = 3 };
	op = add("mknod_link", OP_MKNOD,
		 "5300000001010000efcdab89674523010807060504030201181716151413"
		 "121103000300ff0100000000000000000000000000000000000001000000"
		 "0000000002000000000000000300000000000000612f62");
	op->flags = OP_FLAG_MORE;
	op->mknod = (struct op_mknod){ .kind = KIND_SYMLINK,
				       .mode = 0777,
				       .atime_ns = 1,
				       .mtime_ns = 2,
				       .ctime_ns = 3,
				       .target = name("a/b") };
	op = add("mknod_block", OP_MKNOD,
		 "5000000001000000efcdab89674523010807060504030201181716151413"
		 "121107000000800100000000000006000000080000000100000001000000"
		 "0000000002000000000000000300000000000000");
	op->mknod = (struct op_mknod){ .kind = KIND_BLOCK,
				       .mode = 0600,
				       .gid = 6,
				       .rdev_major = 8,
				       .rdev_minor = 1,
				       .atime_ns = 1,
				       .mtime_ns = 2,
				       .ctime_ns = 3 };
}

static void add_links(void)
{
	struct op *op;

	op = add("place", OP_PLACE,
		 "5000000002000000efcdab89674523010807060504030201181716151413"
		 "121118171615141312112100000000000000310000002100000000000000"
		 "220000000000000000040000000000006e616d65");
	op->place = (struct op_place){ .link = link_dot,
				       .parent = parent,
				       .name = name("name") };
	op = add("place_from", OP_PLACE,
		 "8c00000002030000efcdab89674523010807060504030201181716151413"
		 "121118171615141312112100000000000000310000002100000000000000"
		 "220000000000000001030500020000003100000000000000320000000000"
		 "00006e65776f6c6465720200000000000000030000000000000004000000"
		 "0500000000000000060000000000000007000000");
	op->flags = OP_FLAG_MORE | OP_FLAG_SKIP;
	op->place = (struct op_place){ .link = link_dot,
				       .parent = parent,
				       .name = name("new"),
				       .has_from = true,
				       .from_parent = from_parent,
				       .from_name = name("older"),
				       .kills = DOTS(1, 2) };
	op = add("unlink", OP_UNLINK,
		 "5000000003000000efcdab89674523010807060504030201181716151413"
		 "121118171615141312112100000000000000310000002100000000000000"
		 "2200000000000000000000000000000000000000");
	op->unlink = (struct op_unlink){ .link = link_dot, .parent = parent };
	op = add("unlink_last", OP_UNLINK,
		 "8c00000003000000efcdab89674523010807060504030201181716151413"
		 "121118171615141312112100000000000000310000002100000000000000"
		 "220000000000000001000000010000000200000018171615141312112100"
		 "000000000000310000000200000000000000030000000000000004000000"
		 "0500000000000000060000000000000007000000");
	op->unlink = (struct op_unlink){ .link = link_dot,
					 .parent = parent,
					 .last = true,
					 .kills = DOTS(0, 1),
					 .deletes = DOTS(1, 2) };
	op = add("unlink_claim", OP_UNLINK,
		 "6900000003000000efcdab89674523010807060504030201181716151413"
		 "121118171615141312112100000000000000310000002100000000000000"
		 "2200000000000000020500000100000000000000636c61696d0200000000"
		 "000000030000000000000004000000");
	op->unlink = (struct op_unlink){ .link = link_dot,
					 .parent = parent,
					 .claim = true,
					 .name = name("claim"),
					 .kills = DOTS(1, 1) };
	op = add("pin", OP_PIN,
		 "4b00000005000000efcdab89674523010807060504030201181716151413"
		 "121118171615141312112100000000000000310000002100000000000000"
		 "22000000000000000300000070696e");
	op->pin = (struct op_pin){ .target = link_dot,
				   .parent = parent,
				   .name = name("pin") };
}

/* 100 bytes from 5 of a chunk of 4096; 3 bytes at 200. */
static const uint8_t extents_whole[] = {
	0,  0,	0,  0,	0,  0,	0,  0,	100, 0,	  0,  0,  0,   0,   0,	 0,  1,
	0,  0,	0,  5,	0,  0,	0,  0,	16,  0,	  0,  0,  1,   2,   3,	 4,  5,
	6,  7,	8,  9,	10, 11, 12, 13, 14,  15,  16, 17, 18,  19,  20,	 21, 22,
	23, 24, 25, 26, 27, 28, 29, 30, 31,  200, 0,  0,  0,   0,   0,	 0,  0,
	3,  0,	0,  0,	0,  0,	0,  0,	2,   0,	  0,  0,  120, 121, 122,
};

/* A hole of 10 bytes; one byte at 10. */
static const uint8_t extents_change[] = {
	0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  10,
	0, 0, 0, 0, 0, 0, 0, 1, 0,  0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 33,
};

static void add_contents(void)
{
	struct op *op;

	op = add("content_whole", OP_CONTENT,
		 "c300000004000000efcdab89674523010807060504030201181716151413"
		 "121101000000010000000200000053000000cb0000000000000007000000"
		 "000000000800000000000000000000000000000000000000000000000000"
		 "000002000000000000000300000000000000040000000000000000000000"
		 "640000000000000001000000050000000010000000010203040506070809"
		 "0a0b0c0d0e0f101112131415161718191a1b1c1d1e1fc800000000000000"
		 "03000000000000000200000078797a");
	op->content = (struct op_content){
		.whole = true,
		.size = 203,
		.mtime_ns = 7,
		.ctime_ns = 8,
		.replaces = DOTS(1, 1),
		.extents = { extents_whole, sizeof(extents_whole), 2 },
	};
	op = add("content_change", OP_CONTENT,
		 "9900000004000000efcdab89674523010807060504030201181716151413"
		 "121100000000010000000200000029000000001000000000000007000000"
		 "000000000800000000000000020000000000000003000000000000000400"
		 "000002000000000000000300000000000000040000000000000000000000"
		 "0a00000000000000000000000a0000000000000001000000000000000200"
		 "000021");
	op->content = (struct op_content){
		.base = dot_2,
		.size = 4096,
		.mtime_ns = 7,
		.ctime_ns = 8,
		.replaces = DOTS(1, 1),
		.extents = { extents_change, sizeof(extents_change), 2 },
	};
	op = add("split", OP_SPLIT,
		 "4000000006000000efcdab89674523010807060504030201181716151413"
		 "121118171615141312112100000000000000310000000000000055000000"
		 "00000000");
	op->split =
		(struct op_split){ .version = link_dot, .version_clock = 0x55 };
}

static void add_attributes(void)
{
	struct op *op;

	op = add("attr", OP_ATTR,
		 "4c00000007000000efcdab89674523010807060504030201181716151413"
		 "12111f000000ed0900000100000002000000000000000300000000000000"
		 "04000000000000000500000000000000");
	op->attr = (struct op_attr){ .mask = 31,
				     .mode = 04755,
				     .uid = 1,
				     .gid = 2,
				     .atime_ns = 3,
				     .mtime_ns = 4,
				     .ctime_ns = 5 };
	op = add("xattr", OP_XATTR,
		 "3b00000008000000efcdab89674523010807060504030201181716151413"
		 "121100060000050000000900000000000000757365722e6176616c7565");
	op->xattr = (struct op_xattr){ .name = name("user.a"),
				       .value = (const uint8_t *)"value",
				       .value_bytes = 5,
				       .ctime_ns = 9 };
	op = add("xattr_remove", OP_XATTR,
		 "3600000008000000efcdab89674523010807060504030201181716151413"
		 "121101060000000000000900000000000000757365722e61");
	op->xattr = (struct op_xattr){ .remove = true,
				       .name = name("user.a"),
				       .ctime_ns = 9 };
	op = add("nop", OP_NOP, "1000000009010000efcdab8967452301");
	op->flags = OP_FLAG_MORE;
}

static void add_devices(void)
{
	struct op *op;

	op = add("device_add", OP_DEVICE_ADD,
		 "2d00000010000000efcdab89674523010700000000000000080000000000"
		 "0000050000000000000042c3bc726f");
	op->device = (struct op_device){ 7, 8, name("B\xc3\xbcro") };
	op = add("device_name", OP_DEVICE_NAME,
		 "2e00000011000000efcdab89674523010700000000000000000000000000"
		 "000006000000000000006c6170746f70");
	op->device = (struct op_device){ 7, 0, name("laptop") };
	op = add("device_retire", OP_DEVICE_RETIRE,
		 "2800000012000000efcdab89674523010700000000000000000000000000"
		 "00000000000000000000");
	op->device = (struct op_device){ .writer = 7 };
	op = add("device_adopt", OP_DEVICE_ADOPT,
		 "2800000013000000efcdab89674523010700000000000000080000000000"
		 "00000000000000000000");
	op->device = (struct op_device){ .writer = 7, .other = 8 };
}

static void add_vault_ops(void)
{
	struct op *op;

	op = add("slot_add", OP_SLOT_ADD,
		 "2d00000018000000efcdab8967452301000102030405060708090a0b0c0d"
		 "0e0f01050000000000006c6162656c");
	memcpy(op->slot.slot, id_0_to_31, sizeof(op->slot.slot));
	op->slot.type = 1;
	op->slot.label = name("label");
	op = add("slot_remove", OP_SLOT_REMOVE,
		 "2800000019000000efcdab8967452301000102030405060708090a0b0c0d"
		 "0e0f0100000000000000");
	memcpy(op->slot.slot, id_0_to_31, sizeof(op->slot.slot));
	op->slot.type = 1;
	op = add("epoch", OP_EPOCH,
		 "3800000020000000efcdab89674523010200000000000000000102030405"
		 "060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
	op->epoch.number = 2;
	memcpy(op->epoch.id.b, id_0_to_31, sizeof(op->epoch.id.b));
	op = add("feature", OP_FEATURE,
		 "2800000021000000efcdab89674523010100000000000000020000000000"
		 "00000300000000000000");
	op->feature = (struct op_feature){ 1, 2, 3 };
	op = add("pack_drop", OP_PACK_DROP,
		 "2000000022000000efcdab8967452301000102030405060708090a0b0c0d"
		 "0e0f");
	memcpy(op->pack_drop.pack, id_0_to_31, sizeof(op->pack_drop.pack));
}

const struct op_sample *op_samples(size_t *ret_n)
{
	if (n_samples == 0) {
		add_mknods();
		add_links();
		add_contents();
		add_attributes();
		add_devices();
		add_vault_ops();
	}
	*ret_n = n_samples;
	return samples;
}

const struct op_sample *op_sample(const char *sample_name)
{
	size_t i, n;
	const struct op_sample *s = op_samples(&n);

	for (i = 0; i < n; i++)
		if (strcmp(s[i].name, sample_name) == 0)
			return &s[i];
	assert(false && "a sample of that name");
	return NULL;
}
