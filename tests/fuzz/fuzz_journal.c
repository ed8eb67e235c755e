/* SPDX-License-Identifier: ISC */
/*
 * The whole replay of a journal.  The input is a script that makes its files:
 * frames sealed under the right key or another, with numbers, types and
 * journal ids it chooses, beside raw bytes, zeros, flipped bits and ends cut
 * off.  What is delivered was sealed, under numbers that run on; what replayed
 * goes on to be a journal.
 */
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "fuzz.h"
#include "journal/journal_priv.h"
#include "mem_env.h"

#define FILES_MAX 4
#define FRAMES_MAX 64
#define FILE_MAX ((size_t)1 << 20)

struct frame_seen {
	uint64_t number, hash;
	enum frame_type type;
};

struct frames {
	struct frame_seen f[FRAMES_MAX + 2];
	unsigned n;
};

static struct local_keys *keys, *other_keys;
static struct frames sealed; /* under `keys` */
static struct mem_env disk;

static uint64_t hash_of(const uint8_t *bytes, size_t n)
{
	static const struct key k = { { 1 } };

	return hash_short(&k, bytes, n);
}

/* ---------------------------------------------------------------- making */

struct maker {
	const uint8_t *data;
	size_t size;
	struct buf file;
	uint64_t first, number; /* of the file, of the next frame */
	unsigned n_files;
};

static unsigned take(struct maker *m, size_t n)
{
	return (unsigned)fuzz_number(&m->data, &m->size, n);
}

static void put_file(struct maker *m)
{
	char name[JOURNAL_NAME_LEN + 1], path[64];

	if (m->n_files++ >= FILES_MAX)
		return;
	FUZZ_REQUIRE(buf_error(&m->file) == 0);
	journal_name_format(m->first, name);
	snprintf(path, sizeof(path), "/journal/%s", name);
	mem_env_put(&disk, path, m->file.data, m->file.len);
	buf_reset(&m->file);
}

static void next_file(struct maker *m)
{
	unsigned how = take(m, 1);

	put_file(m);
	if (how & 0x80) /* a new era */
		m->number = ((m->number >> JOURNAL_ERA_BITS) + 1)
			    << JOURNAL_ERA_BITS;
	m->number += how & 0x0f;
	if (how & 0x10)
		m->number -= how & 0x07;
	m->first = m->number;
}

static void put_frame(struct maker *m, bool is_other)
{
	static const uint8_t marks[200];
	unsigned how = take(m, 1);
	size_t n = take(m, 2) % 9000;
	size_t given = min_of(n, m->size);
	struct frame_header h = { .number = m->number };
	auto_buf struct buf body = BUF_INIT(1 << 16);
	int r;

	h.type = 1 + how % 3;
	if (m->file.len == 0 && !(how & 0x40))
		h.type = FRAME_MARKS;
	h.journal_id[0] = (uint8_t)(how >> 2 & 3);
	if (how & 0x80)
		h.number += 1 + (how >> 4 & 1);
	buf_put(&body, m->data, given);
	buf_put(&body, marks, min_of(n - given, sizeof(marks)));
	m->data += given;
	m->size -= given;
	r = frame_seal(is_other ? other_keys : keys, &h, body.data, body.len,
		       &m->file);
	FUZZ_REQUIRE(r == 0);
	m->number = h.number + 1;
	if (!is_other)
		sealed.f[sealed.n++] = (struct frame_seen){
			h.number, hash_of(body.data, body.len), h.type
		};
}

static void put_raw(struct maker *m)
{
	size_t n = take(m, 2);

	n = min_of(n, m->size);
	buf_put(&m->file, m->data, n);
	m->data += n;
	m->size -= n;
}

static void change(struct maker *m, unsigned how)
{
	uint64_t at = take(m, 3);

	if (m->file.len == 0)
		return;
	at %= m->file.len;
	switch (how) {
	case 0:
		m->file.data[at] ^= (uint8_t)(take(m, 1) | 1);
		break;
	case 1:
		m->file.len = (size_t)at;
		break;
	case 2: /* a sector is zeros */
		at -= at % 512;
		memset(m->file.data + at, 0,
		       min_of((size_t)512, m->file.len - (size_t)at));
		break;
	default: /* taken up again from here */
		m->file.len = (size_t)(at - at % FRAME_ALIGN);
		break;
	}
}

static void make_files(const uint8_t *data, size_t size)
{
	struct maker m = { .data = data,
			   .size = size,
			   .file = BUF_INIT(2 * FILE_MAX),
			   .first = 1,
			   .number = 1 };

	while (m.size > 0 && sealed.n < FRAMES_MAX && m.file.len < FILE_MAX &&
	       m.n_files < FILES_MAX) {
		unsigned what = take(&m, 1) % 16;

		if (what < 6)
			put_frame(&m, false);
		else if (what == 6)
			put_frame(&m, true);
		else if (what == 7)
			next_file(&m);
		else if (what == 8)
			put_raw(&m);
		else if (what == 9)
			buf_put_zeros(&m.file, take(&m, 1) * 512);
		else if (what == 10)
			m.number += take(&m, 1) & 3;
		else if (what == 11 && m.number > 2)
			m.number -= 1;
		else
			change(&m, what - 12);
	}
	put_file(&m);
	buf_release(&m.file);
}

/* ---------------------------------------------------------------- replaying */

/* As recovery does with what it is given. */
static void read_body(enum frame_type type, const uint8_t *body, size_t n)
{
	struct sealed_mark s;
	struct marks m;
	struct cursor c;
	struct cut cut;
	int r = 0;

	cursor_init(&c, body, n);
	if (type == FRAME_MARKS)
		r = marks_decode(&c, &m);
	else if (type == FRAME_CUT)
		r = cut_decode(&c, &cut);
	else
		r = sealed_mark_decode(&c, &s);
	(void)r;
}

static int note(void *arg, uint64_t number, enum frame_type type,
		const uint8_t *body, size_t body_bytes)
{
	struct frames *to = arg;

	FUZZ_REQUIRE(to->n < array_len(to->f));
	FUZZ_REQUIRE(to->n == 0 || number == to->f[to->n - 1].number + 1);
	to->f[to->n++] = (struct frame_seen){ number,
					      hash_of(body, body_bytes), type };
	read_body(type, body, body_bytes);
	return 0;
}

static void require_sealed(const struct frame_seen *f)
{
	for (unsigned i = 0; i < sealed.n; i++)
		if (sealed.f[i].number == f->number &&
		    sealed.f[i].hash == f->hash && sealed.f[i].type == f->type)
			return;
	fprintf(stderr, "frame %llu was never sealed\n",
		(unsigned long long)f->number);
	abort();
}

/* What replayed once does so again, with what was appended. */
static void go_on(int dirfd, struct journal *j, struct frames *before)
{
	static const uint8_t marks[200];
	struct frames now = { .n = 0 };
	uint64_t next = journal_next_number(j), number;
	int r = journal_begin_file(j, marks, sizeof(marks));

	FUZZ_REQUIRE(r == 0);
	r = journal_append(j, FRAME_CUT, "cut", 3, &number);
	FUZZ_REQUIRE(r == 0 && number == next + 1);
	journal_close(j);
	r = journal_open(&disk.env, dirfd, keys, note, &now, &j);
	FUZZ_REQUIRE(r == 0);
	FUZZ_REQUIRE(now.n == before->n + 2);
	FUZZ_REQUIRE(memcmp(now.f, before->f,
			    before->n * sizeof(now.f[0])) == 0);
	FUZZ_REQUIRE(now.f[now.n - 1].number == number);
	FUZZ_REQUIRE(journal_next_number(j) == number + 1);
	journal_close(j);
}

static void start(void)
{
	const struct key dk = { { 1 } }, other = { { 2 } };

	FUZZ_REQUIRE(crypto_start() == 0);
	keys = secret_alloc(sizeof(*keys));
	other_keys = secret_alloc(sizeof(*other_keys));
	FUZZ_REQUIRE(keys && other_keys);
	keys_local(&dk, keys);
	keys_local(&other, other_keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frames seen = { .n = 0 };
	struct journal *j = NULL;
	int dirfd, r;

	if (!keys)
		start();
	sealed.n = 0;
	mem_env_init(&disk);
	make_files(data, size);
	dirfd = mem_env_folder(&disk, "/journal");
	r = journal_open(&disk.env, dirfd, keys, note, &seen, &j);
	for (unsigned i = 0; i < seen.n; i++)
		require_sealed(&seen.f[i]);
	if (r == 0)
		go_on(dirfd, j, &seen);
	FUZZ_REQUIRE(disk.n_open == 1);
	mem_env_release(&disk);
	return 0;
}
