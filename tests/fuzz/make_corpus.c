/* SPDX-License-Identifier: ISC */
/*
 * Writes the seeds of every target below the folder named: one file for each
 * shape a decoder knows.  The same bytes at every run.
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "format/local.h"
#include "format/op.h"
#include "format/segment.h"
#include "format/segment_priv.h"
#include "format/slot.h"
#include "format/slot_priv.h"
#include "format/vault_header.h"
#include "fuzz.h"
#include "op_samples.h"

static const char *top;

static void fail(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	exit(EXIT_FAILURE);
}

static void write_seed(const char *target, const char *name,
		       const struct buf *b)
{
	auto_free char *folder = mem_printf("%s/%s", top, target);
	auto_free char *path = mem_printf("%s/%s/%s", top, target, name);
	FILE *f;

	FUZZ_REQUIRE(folder && path && buf_error(b) == 0);
	if (mkdir(folder, 0777) < 0 && errno != EEXIST)
		fail(folder);
	f = fopen(path, "wb");
	if (!f)
		fail(path);
	if (fwrite(b->data, 1, b->len, f) != b->len || fclose(f) != 0)
		fail(path);
}

static void seed_header(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	static const struct key k_hdr = { { 1 } };
	struct vault_header h = {
		.read_only_compatible = 2,
		.compatible = 1,
		.normalisation = 2,
		.chunk_min = 65536,
		.chunk_average = 262144,
		.chunk_max = 1048576,
	};
	uint8_t out[VAULT_HEADER_BYTES];

	vault_header_seal(&h, &k_hdr, out);
	buf_put(&b, out, sizeof(out));
	write_seed("header", "vault", &b);
}

/* As slot.c writes it, but with neither salt nor keyring. */
static void seed_slot(enum slot_type type, uint32_t token_bytes,
		      const char *name)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);

	buf_put_u8(&b, 0); /* the decoder chosen */
	buf_put(&b, "COFFERK1", 8);
	buf_put_u8(&b, (uint8_t)type);
	buf_put_u8(&b, 1); /* KDF */
	buf_put_u16(&b, 0);
	buf_put_u32(&b, ARGON2_OPS_DEFAULT);
	buf_put_u32(&b, ARGON2_MEMORY_KIB_DEFAULT);
	buf_put_u32(&b, token_bytes);
	buf_put_zeros(&b, 16 + 16);
	buf_put_u32(&b, 1); /* newest epoch */
	buf_put_zeros(&b, 4 + 32 + 24);
	for (; token_bytes > 0; token_bytes--)
		buf_put_u8(&b, 0x55);
	write_seed("slot", name, &b);
}

static void seed_keyring(uint32_t n, const char *name)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	static uint8_t plain[KEYRING_PLAIN_BYTES];
	static struct keyring ring;
	uint32_t i;

	ring.n_epochs = n;
	for (i = 0; i < n; i++)
		ring.epochs[i].epoch = i + 1;
	keyring_encode(&ring, plain);
	buf_put_u8(&b, 1); /* the decoder chosen */
	buf_put_u32(&b, n);
	buf_put(&b, plain, sizeof(plain));
	write_seed("slot", name, &b);
}

/* Encoded entries of n records of `plain` bytes; where the body ends. */
static uint64_t put_entries(struct buf *b, uint32_t n, uint32_t plain)
{
	uint64_t end = PACK_HEADER_BYTES;
	uint32_t i;

	for (i = 0; i < n; i++) {
		const struct pack_entry e = {
			.id = { { (uint8_t)i } },
			.offset = (uint32_t)end,
			.stored_bytes = record_stored_bytes(plain),
			.plain_bytes = plain,
		};

		pack_entry_put(b, &e);
		end += e.stored_bytes;
	}
	return end;
}

static void put_announced(struct buf *b, uint32_t n, uint32_t plain)
{
	auto_buf struct buf entries = BUF_INIT(FUZZ_BUF_MAX);
	const uint64_t end = put_entries(&entries, n, plain);
	const struct segment_pack p = {
		.name = { 1, 2, 3 },
		.size = pad_length(end + (uint64_t)n * PACK_ENTRY_BYTES +
					   TAG_BYTES + PACK_FOOTER_BYTES,
				   PACK_MIN_BYTES),
		.epoch = 1,
		.type = PACK_DATA,
		.n_entries = n,
		.entries = entries.data,
	};

	segment_pack_put(b, &p);
}

static void pack_header_bytes(uint32_t epoch,
			      uint8_t out[static PACK_HEADER_BYTES])
{
	const struct pack_header h = { .type = PACK_METADATA,
				       .epoch = epoch,
				       .writer = 7 };

	pack_header_encode(&h, out);
}

static void seed_pack_header(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	uint8_t header[PACK_HEADER_BYTES];

	pack_header_bytes(1, header);
	buf_put_u8(&b, 0);
	buf_put(&b, header, sizeof(header));
	write_seed("pack", "header", &b);
}

static void seed_pack_entries(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	uint64_t end;

	buf_put_u8(&b, 1);
	buf_put_u32(&b, 0);
	end = put_entries(&b, 3, 20000);
	buf_patch_u32(&b, 1, (uint32_t)end);
	write_seed("pack", "entries", &b);
}

static void seed_pack_footer(uint32_t epoch, const char *name)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	uint8_t header[PACK_HEADER_BYTES];
	const uint32_t n = 2, body_bytes = 1000;

	pack_header_bytes(epoch, header);
	buf_put_u8(&b, 2);
	buf_put(&b, header, sizeof(header));
	buf_put_u64(&b, pack_total_bytes(header, PACK_HEADER_BYTES + body_bytes,
					 n));
	buf_put_u64(&b, body_bytes);
	buf_put_u32(&b, n);
	buf_put_zeros(&b, 20);
	write_seed("pack", name, &b);
}

static void seed_pack_trailer(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	uint64_t end;

	buf_put_u8(&b, 3);
	buf_put_u32(&b, 2);
	buf_put_u32(&b, 0);
	end = put_entries(&b, 2, 5);
	buf_put_zeros(&b, 100);
	buf_patch_u32(&b, 5, (uint32_t)end);
	write_seed("pack", "trailer", &b);
}

static void seed_packs(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);

	seed_pack_header();
	seed_pack_entries();
	seed_pack_footer(1, "footer");
	seed_pack_footer(0, "footer-stage");
	seed_pack_trailer();
	buf_put_u8(&b, 4);
	put_announced(&b, 2, 70000);
	write_seed("pack", "announced", &b);
}

static void put_op(struct buf *b, const struct op_sample *s, hlc_t clock,
		   unsigned flags)
{
	struct op op = s->op;
	int err;

	op.clock = clock;
	op.flags = flags;
	err = op_encode(&op, b);
	FUZZ_REQUIRE(err == 0);
}

static void seed_ops(void)
{
	auto_buf struct buf all = BUF_INIT(FUZZ_BUF_MAX);
	const struct op_sample *samples;
	size_t i, n;

	samples = op_samples(&n);
	for (i = 0; i < n; i++) {
		auto_buf struct buf one = BUF_INIT(FUZZ_BUF_MAX);

		put_op(&one, &samples[i], 1, 0);
		write_seed("op", samples[i].name, &one);
		put_op(&all, &samples[i], i, OP_FLAG_MORE);
	}
	write_seed("op", "all", &all);
}

static void put_vv(struct buf *b, uint64_t writer)
{
	const struct segment_vv v = { .writer = writer,
				      .context = 3,
				      .ack = 2 };

	segment_vv_put(b, &v);
}

/* What comes before a body: the decoder, epoch, seq, writer. */
static void put_choice(struct buf *b, uint8_t choice, uint64_t seq)
{
	buf_put_u8(b, choice);
	buf_put_u32(b, 1);
	buf_put_u64(b, seq);
	buf_put_u64(b, 0x99);
}

static void seed_empty_body(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	struct segment_body body = { .first = 5, .last = 5 };

	cursor_init(&body.vv, NULL, 0);
	body.packs = body.required = body.ops = body.vv;
	put_choice(&b, 1, 1);
	segment_body_encode(&body, &b);
	write_seed("segment", "body-empty", &b);
}

/* With each operation in turn, and the lists before it. */
static void seed_full_body(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf vv = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf packs = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf required = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf ops = BUF_INIT(FUZZ_BUF_MAX);
	const struct segment_required r = { .writer = 7 };
	struct segment_body body = {
		.previous = { { 1 } }, .n_vv = 2, .n_packs = 1, .n_required = 1
	};
	const size_t body_at = 21;
	const struct op_sample *samples;
	size_t i, n;

	put_vv(&vv, 7);
	put_vv(&vv, 8);
	put_announced(&packs, 2, 100);
	segment_required_put(&required, &r);
	samples = op_samples(&n);
	for (i = 0; i < n; i++)
		put_op(&ops, &samples[i], i, i + 1 < n ? OP_FLAG_MORE : 0);
	body.n_ops = (uint32_t)n;
	body.last = n - 1;
	cursor_init(&body.vv, vv.data, vv.len);
	cursor_init(&body.packs, packs.data, packs.len);
	cursor_init(&body.required, required.data, required.len);
	cursor_init(&body.ops, ops.data, ops.len);
	put_choice(&b, 1, 2);
	segment_body_encode(&body, &b);
	write_seed("segment", "body-full", &b);
	b.data[0] = 2;
	b.len = body_at + (size_t)le64_get(b.data + body_at);
	write_seed("segment", "body-used", &b);
}

static void seed_segment_header(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);

	buf_put_u8(&b, 0);
	buf_put_u64(&b, SEGMENT_HEADER_BYTES + 4096 + TAG_BYTES);
	buf_put(&b, "COFFERL1", 8);
	buf_put_u16(&b, 1); /* version */
	buf_put_u16(&b, 0);
	buf_put_u32(&b, 1); /* epoch */
	buf_put_zeros(&b, 16);
	buf_put_u64(&b, 7); /* writer */
	buf_put_u64(&b, 1); /* seq */
	buf_put_zeros(&b, 16 + 8);
	buf_put_u64(&b, 4096);
	buf_put_zeros(&b, 16);
	write_seed("segment", "header", &b);
}

static void seed_segments(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	const char *const name = "0000000042-a5a6a7a8a9aaabac";

	seed_segment_header();
	seed_empty_body();
	seed_full_body();
	buf_put_u8(&b, 3);
	buf_put(&b, name, strlen(name));
	write_seed("segment", "name", &b);
}

static void seed_frame_header(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);

	buf_put_u8(&b, 0);
	buf_put(&b, "COFFERJ1", 8);
	buf_put_zeros(&b, 16);
	buf_put_u64(&b, 9);   /* number */
	buf_put_u32(&b, 100); /* body */
	buf_put_u8(&b, FRAME_CUT);
	buf_put_zeros(&b, 11 + 16);
	write_seed("frame", "header", &b);
}

static void seed_marks(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf heads = BUF_INIT(FUZZ_BUF_MAX);
	struct marks_head head = { .writer = 1, .seq = 2 };
	struct marks m = { .newest_epoch = 1,
			   .index_clean = true,
			   .n_heads = 2 };

	marks_head_put(&heads, &head);
	head.writer = 5;
	marks_head_put(&heads, &head);
	cursor_init(&m.heads, heads.data, heads.len);
	buf_put_u8(&b, 1);
	marks_encode(&m, &b);
	write_seed("frame", "marks", &b);
}

static void put_run(struct buf *b, uint64_t seq, uint32_t first)
{
	auto_buf struct buf raw = BUF_INIT(FUZZ_BUF_MAX);
	struct cut_ops run = { .seq = seq, .first_index = first, .n_ops = 2 };

	put_op(&raw, op_sample("mknod_link"), 1, OP_FLAG_MORE);
	put_op(&raw, op_sample("content_whole"), 1, 0);
	run.raw = raw.data;
	run.raw_bytes = (uint32_t)raw.len;
	cut_ops_put(b, &run);
}

static void seed_cut(void)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf runs = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf packs = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf stage = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf chunks = BUF_INIT(FUZZ_BUF_MAX);
	struct cut_stage_entry e = { .file = 3 };
	struct cut_chunk chunk = { .file = 4,
				   .bytes = (const uint8_t *)"bytes" };
	struct cut cut = {
		.n_runs = 2, .n_packs = 1, .n_stage = 1, .n_chunks = 1
	};

	put_run(&runs, 3, 4);
	put_run(&runs, 3, 6);
	put_announced(&packs, 1, 50);
	e.entry.offset = chunk.entry.offset = PACK_HEADER_BYTES;
	e.entry.plain_bytes = chunk.entry.plain_bytes = 5;
	e.entry.stored_bytes = chunk.entry.stored_bytes =
		record_stored_bytes(5);
	cut_stage_entry_put(&stage, &e);
	cut_chunk_put(&chunks, &chunk);
	cursor_init(&cut.runs, runs.data, runs.len);
	cursor_init(&cut.packs, packs.data, packs.len);
	cursor_init(&cut.stage, stage.data, stage.len);
	cursor_init(&cut.chunks, chunks.data, chunks.len);
	buf_put_u8(&b, 2);
	cut_encode(&cut, &b);
	write_seed("frame", "cut", &b);
}

static void seed_frames(void)
{
	auto_buf struct buf sealed = BUF_INIT(FUZZ_BUF_MAX);
	auto_buf struct buf writer = BUF_INIT(FUZZ_BUF_MAX);
	const struct sealed_mark s = { .seq = 3, .file_bytes = 4208 };

	seed_frame_header();
	seed_marks();
	seed_cut();
	buf_put_u8(&sealed, 3);
	sealed_mark_encode(&s, &sealed);
	write_seed("frame", "sealed", &sealed);

	buf_put_u8(&writer, 4);
	buf_put(&writer, "COFFERW1", 8);
	buf_put_u16(&writer, 1); /* version */
	buf_put_u16(&writer, 0);
	buf_put_u32(&writer, 1); /* epoch */
	buf_put_zeros(&writer, 16);
	buf_put_u64(&writer, 7); /* writer */
	buf_put_zeros(&writer, 8 + 24 + 48);
	write_seed("frame", "writer", &writer);
}

#define NO_BYTE (-1)

/* One or two bytes that choose, then a text. */
static void write_text(const char *target, const char *name, int choice,
		       int second, const char *text)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);

	if (choice != NO_BYTE)
		buf_put_u8(&b, (uint8_t)choice);
	if (second != NO_BYTE)
		buf_put_u8(&b, (uint8_t)second);
	buf_put(&b, text, strlen(text));
	write_seed(target, name, &b);
}

static void seed_command_lines(void)
{
	write_text("cli", "init", 0, 0,
		   "--kdf-memory\n64M\n--passfile\nfile\n/vault");
	write_text("cli", "mount", 0, 1, "-f\n-o\nro,mlock\n/vault\n/mnt");
	write_text("cli", "key-add", 0, 6,
		   "--new-passfile=f\n--label=me\n--pass-fd\n3\n/vault");
	write_text("cli", "ls", 0, 10, "-q\n--json\n--\n/vault\n-name");
	/* What is left of the word must not be met by the next one. */
	write_text("cli", "refused", 0, 10, "-qZqqqq\n/vault");
	write_text("cli", "words", 1, NO_BYTE,
		   "ro,profile=safe,idle=30m,cache=32M,umask=077,uid=1,"
		   "fsname=a\\,b,allow_other,max_read=4096,x-y,_netdev");
	write_text("cli", "size", 2, 0x40, "32MiB");
	write_text("cli", "duration", 2, 1, "90s");
}

static void seed_control(void)
{
	write_text("control", "status", 0, NO_BYTE, "status\n");
	write_text("control", "sync", 0, NO_BYTE, "sync\n");
	write_text("control", "gc", 0, NO_BYTE, "gc dry\n");
	write_text("control", "wait", 0, NO_BYTE, "wait\n");
	write_text("control", "stats", 0, NO_BYTE, "stats\n");
	write_text("control", "numbers", 1, NO_BYTE,
		   "now_ns 5\ncache_hits 7\nrequest READ 900 0:1,12:3,40:9\n"
		   "done 0 \n");
	write_text("control", "answer", 1, NO_BYTE,
		   "pid 7\nsince_ms 9\nvault /a%20b\nmountpoint /mnt\n"
		   "profile balanced\nuuid 000102030405060708090a0b0c0d0e0f\n"
		   "writer 0000000000000007\ndevice_name me\npacks 3\n"
		   "device 0000000000000007 5 99 10 my name\n"
		   "gc_packs 3\ndone 0 \n");
	write_text("control", "ended", 2, NO_BYTE, "done 12 damaged%0a\n");
	write_text("control", "collected", 3, NO_BYTE,
		   "gc_dead_packs 1\ngc_several_devices 1\ndone 0 \n");
}

/* The words of tests/unit/test_recovery.c. */
static void seed_recovery(void)
{
	write_text("recovery", "words", NO_BYTE, NO_BYTE,
		   "abandon area bird canyon code debate drum excite foam grab "
		   "identify knock mandate myself outside potato reduce "
		   "satisfy skin still three unable tank worth\n");
	write_text("recovery", "prefixes", NO_BYTE, NO_BYTE,
		   "aban-Area-bird-cany-code-deba-drum-exci-FOAM-grab\n"
		   "iden-knoc-mand-myse-outs-pota-redu-sati-skin-stil-thre-"
		   "unab-tank-wort");
}

static void write_script(const char *target, const char *name,
			 const uint8_t *bytes, size_t n)
{
	auto_buf struct buf b = BUF_INIT(FUZZ_BUF_MAX);

	buf_put(&b, bytes, n);
	write_seed(target, name, &b);
}
#define WRITE_SCRIPT(target, name, ...)                                        \
	write_script(target, name, (const uint8_t[]){ __VA_ARGS__ },           \
		     sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* As the target reads them: fuzz_journal.c. */
static void seed_journals(void)
{
	WRITE_SCRIPT("journal", "frames", 0, 0, 2, 0, 7, 7, 0, 1, 3, 0, 1, 2, 3,
		     0, 2, 48, 0);
	WRITE_SCRIPT("journal", "files", 0, 0, 1, 0, 9, 0, 1, 1, 0, 5, 7, 0, 0,
		     0, 4, 0, 1, 2, 3, 4, 0, 1, 0, 16);
	WRITE_SCRIPT("journal", "torn", 0, 0, 0, 2, 0, 1, 0, 3, 14, 0, 17, 0,
		     9, 4);
	WRITE_SCRIPT("journal", "eras", 6, 0, 0, 0, 7, 0x80, 0, 0, 0, 0, 0, 1,
		     8, 0, 8, 3, 0, 1, 2, 3);
	WRITE_SCRIPT("journal", "former-use", 0, 0, 0, 0, 0, 5, 0, 0, 11, 0, 9,
		     0, 0, 12, 66, 0, 0);
}

/* fuzz_index.c, fuzz_local.c. */
static void seed_local(void)
{
	WRITE_SCRIPT("index", "flip", 0, 4, 3, 100, 0);
	WRITE_SCRIPT("index", "older-page", 0, 2, 2, 0, 0, 2, 5, 0, 0);
	WRITE_SCRIPT("index", "other-contents", 1, 0x27, 1, 8, 0, 5, 0, 1, 2,
		     3);
	WRITE_SCRIPT("index", "exchanged", 1, 1, 1, 4, 0);
	WRITE_SCRIPT("local", "stage-flip", 1, 0, 4, 100, 0, 1, 2, 3, 4);
	WRITE_SCRIPT("local", "stage-cut", 1, 1, 0xe0, 0, 60);
	WRITE_SCRIPT("local", "names", 2, '0', '0', '0', '0', '0', '0', '0',
		     '0', '0', '0', '0', '0', '0', '0', '0', '1', 0, 3, 0, 'a',
		     'b', 'c', 'x', 0, 1, 0, 'y');
	write_text("local", "slot", 0, 0, "000102030405060708090a0b0c0d0e0f");
}

/* fuzz_vault.c. */
static void seed_vaults(void)
{
	/* A folder, a file in it, written, confirmed, crashed. */
	WRITE_SCRIPT("vault", "fsync", 0, 1, 0xff, 1, 6, 0xff, 11, 0, 0, 0, 0,
		     0, 0xff, 1, 19, 0, 1, 2, 0xff, 27);
	WRITE_SCRIPT("vault", "rename", 1, 0, 0xa4, 14, 0, 0, 0, 0, 9, 0, 3, 1,
		     1, 0xa4, 6, 0, 1, 0, 20, 6, 1, 3, 3, 26);
	WRITE_SCRIPT("vault", "dies", 1, 0, 0xff, 12, 0, 0, 4, 0, 0, 0x90, 5,
		     25, 9, 21, 18, 0, 0, 0, 0, 0xff, 0xff);
	WRITE_SCRIPT("vault", "damaged", 1, 0, 0xff, 13, 0, 0, 0, 0, 0, 0xa0, 6,
		     30, 0, 1, 4, 5, 100, 0, 0, 31, 2, 1, 0, 0);
	WRITE_SCRIPT("vault", "shared", 1, 0, 0xff, 11, 0, 0, 0, 0, 0, 0x90, 4,
		     1, 1, 0xff, 17, 0, 1, 0, 0, 0, 0, 0x90, 0, 0, 0, 16, 0, 4,
		     9, 0, 0, 9, 0, 29, 24, 1, 28);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return EXIT_FAILURE;
	}
	top = argv[1];
	seed_header();
	seed_slot(SLOT_PASSPHRASE, 0, "passphrase");
	seed_slot(SLOT_TOKEN, 40, "token");
	seed_keyring(1, "keyring-1");
	seed_keyring(KEYRING_MAX_EPOCHS, "keyring-64");
	seed_packs();
	seed_ops();
	seed_segments();
	seed_frames();
	seed_command_lines();
	seed_control();
	seed_recovery();
	seed_journals();
	seed_local();
	seed_vaults();
	return EXIT_SUCCESS;
}
