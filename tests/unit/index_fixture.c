/* SPDX-License-Identifier: ISC */
#include "index_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "index/vfs_priv.h"
#include "tempdir.h"

struct fixture fx;

/* --- The disk ------------------------------------------------------------ */

static int fails(void)
{
	struct watched_disk *d = &fx.disk;

	d->n_calls++;
	if (d->fail_at == 0 || d->n_calls < d->fail_at ||
	    (d->n_calls > d->fail_at && !d->fail_sticky))
		return 0;
	d->failed = true;
	return d->fail_err;
}

void disk_fail_nth(int nth, int err, bool sticky)
{
	fx.disk.n_calls = 0;
	fx.disk.fail_at = nth;
	fx.disk.fail_err = err;
	fx.disk.fail_sticky = sticky;
	fx.disk.failed = false;
}

static void named(const char *name)
{
	if (strcmp(name, INDEX_FILE_NAME) != 0)
		fx.disk.n_foreign++;
}

static void transfer(size_t len, uint64_t offset)
{
	if (len != VFS_PAGE_BYTES || offset % VFS_PAGE_BYTES != 0)
		fx.disk.n_odd++;
}

static int watched_open(struct env *env, int dirfd, const char *name, int flags,
			mode_t mode)
{
	int fd = fails();

	named(name);
	if (fd == 0)
		fd = env_posix()->ops->open(env, dirfd, name, flags, mode);
	if (fd >= 0)
		fx.disk.n_open++;
	return fd;
}

static int watched_close(struct env *env, int fd)
{
	fx.disk.n_open--;
	return env_posix()->ops->close(env, fd);
}

static ssize_t watched_pread(struct env *env, int fd, void *to, size_t len,
			     uint64_t offset)
{
	int err = fails();
	ssize_t n;

	(void)env;
	fx.disk.n_pread++;
	transfer(len, offset);
	if (err < 0)
		return err;
	/* Not the real disk's: it calls the hook itself, and here the index
	 * must. */
	n = pread(fd, to, len, (off_t)offset);
	return n < 0 ? -errno : n;
}

static ssize_t watched_pread_nowait(struct env *env, int fd, void *to,
				    size_t len, uint64_t offset)
{
	ssize_t n;

	(void)env;
	fx.disk.n_nowait++;
	transfer(len, offset);
	if (fx.disk.nowait_err < 0)
		return fx.disk.nowait_err;
	n = pread(fd, to, len, (off_t)offset);
	return n < 0 ? -errno : n;
}

static int watched_pwrite(struct env *env, int fd, const void *from, size_t len,
			  uint64_t offset)
{
	int err = fails();

	fx.disk.n_pwrite++;
	transfer(len, offset);
	if (err < 0)
		return err;
	return env_posix()->ops->pwrite(env, fd, from, len, offset);
}

static int watched_fsync(struct env *env, int fd)
{
	int err = fails();

	fx.disk.n_fsync++;
	if (err < 0 || fx.disk.no_fsync)
		return err;
	return env_posix()->ops->fsync(env, fd);
}

static int watched_truncate(struct env *env, int fd, uint64_t len)
{
	int err = fails();

	fx.disk.n_truncate++;
	return err < 0 ? err : env_posix()->ops->truncate(env, fd, len);
}

static int watched_unlink(struct env *env, int dirfd, const char *name,
			  int flags)
{
	int err = fails();

	named(name);
	if (err < 0)
		return err;
	return env_posix()->ops->unlink(env, dirfd, name, flags);
}

static int watched_rename(struct env *env, int from_dirfd, const char *from,
			  int to_dirfd, const char *to, unsigned flags)
{
	(void)env;
	(void)from_dirfd;
	(void)to_dirfd;
	(void)flags;
	named(from);
	named(to);
	return -EPERM;
}

static void disk_init(struct watched_disk *d)
{
	*d = (struct watched_disk){ .ops = *env_posix()->ops };
	d->env.ops = &d->ops;
	d->ops.open = watched_open;
	d->ops.close = watched_close;
	d->ops.pread = watched_pread;
	d->ops.pread_nowait = watched_pread_nowait;
	d->ops.pwrite = watched_pwrite;
	d->ops.fsync = watched_fsync;
	d->ops.truncate = watched_truncate;
	d->ops.unlink = watched_unlink;
	d->ops.rename = watched_rename;
}

/* --- The index and its file ---------------------------------------------- */

void fixture_make(void)
{
	ck_assert_int_eq(crypto_start(), 0);
	tempdir_make();
	disk_init(&fx.disk);
	fx.opts = (struct index_options){
		.env = &fx.disk.env,
		.dirfd = tempdir_fd(),
		.generation = random_u64(),
		.cache_bytes = 1 << 20,
	};
	random_bytes(&fx.opts.key, sizeof(fx.opts.key));
}

void fixture_remove(void)
{
	mem_fail_nth(0, false);
	ck_assert_int_eq(fx.disk.n_open, 0);
	ck_assert_int_eq(fx.disk.n_foreign, 0);
	ck_assert_int_eq(fx.disk.n_odd, 0);
	tempdir_remove();
}

struct index *index_create(void)
{
	struct index_options opts = fx.opts;
	struct index *ix = NULL;

	opts.create = true;
	ck_assert_int_eq(index_open(&opts, &ix), 0);
	return ix;
}

int index_try(struct index **ret)
{
	return index_open(&fx.opts, ret);
}

struct index *index_reopen(void)
{
	struct index *ix = NULL;

	ck_assert_int_eq(index_try(&ix), 0);
	return ix;
}

void index_must_commit(struct index *ix)
{
	ck_assert_int_eq(index_commit(ix), 0);
}

uint8_t *file_bytes(size_t *ret_n)
{
	struct stat st;
	uint8_t *bytes;
	int fd = openat(tempdir_fd(), INDEX_FILE_NAME, O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	bytes = malloc((size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(read(fd, bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_n = (size_t)st.st_size;
	return bytes;
}

void file_replace(const uint8_t *bytes, size_t n)
{
	tempdir_put(INDEX_FILE_NAME, bytes, n);
}

/* --- Known contents ------------------------------------------------------ */

#define N_NODES 60
#define N_CHUNKS 80
#define N_PACKS 3 /* the last one is a stage file */
#define N_XATTRS 12
#define N_WRITERS 3
#define N_VALUES 20
#define BIG_BYTES 20000
#define PARENT 7
#define INO(i) (100 + (uint64_t)(i))
#define COOKIE(i) ((uint64_t)(i)*1000003 % 65537)

void text_make(uint64_t seed, uint8_t *to, size_t n)
{
	uint64_t state = seed * 2 + 1;
	size_t i;

	for (i = 0; i < n; i++) {
		/* MMIX of D. Knuth: The Art of Computer Programming 2, 3.3.4,
		 * table 1, line 26. */
		state = state * 6364136223846793005u + 1442695040888963407u;
		to[i] = (uint8_t)('a' + (state >> 33) % 26);
	}
	memcpy(to, NEEDLE, min_of(n, strlen(NEEDLE)));
}

struct content_id content_id_of(uint64_t seed)
{
	struct content_id id;

	text_make(~seed, id.b, sizeof(id.b));
	/* Only two differing bytes in the part that the index of ids holds:
	 * so some ids share it, and must be told apart by the rest. */
	memset(id.b + 6, (int)(seed % 16), 2);
	return id;
}

/* The length and the contents of row i of a table. */
static size_t row_bytes(int table, int i)
{
	if (table == 3 && i == 0)
		return BIG_BYTES;
	return 30 + (size_t)(table * 31 + i * 7) % 150;
}

static const uint8_t *row(int table, int i)
{
	static uint8_t text[BIG_BYTES];

	text_make((uint64_t)(table * 1000 + i), text, row_bytes(table, i));
	return text;
}

static void expect_row(int table, int i, const uint8_t *got, size_t n)
{
	ck_assert_uint_eq(n, row_bytes(table, i));
	ck_assert_mem_eq(got, row(table, i), n);
}

static struct index_extent extent_at(int i)
{
	struct index_extent e = {
		.offset = (uint64_t)i * 4096,
		.length = 4096,
		.kind = EXTENT_CHUNK,
		.chunk = (uint64_t)i + 1,
		.chunk_offset = (uint32_t)i,
	};

	if (i % 5 == 4) {
		e.kind = EXTENT_INLINE;
		e.length = row_bytes(1, i);
		e.bytes = row(1, i);
	}
	return e;
}

static struct index_pack pack_at(int i)
{
	struct index_pack p = {
		.is_stage = i == N_PACKS - 1,
		.stage_file = i == N_PACKS - 1 ? 77 : 0,
		.writer = UINT64_MAX - (uint64_t)i,
		.size = (uint64_t)i * 65536,
		.epoch = 1,
		.type = PACK_DATA,
		.n_entries = (uint32_t)i,
		.flags = (uint32_t)i,
	};

	text_make((uint64_t)i, p.name, sizeof(p.name));
	return p;
}

static struct index_chunk chunk_at(int i)
{
	struct index_chunk c = {
		.id = content_id_of((uint64_t)i),
		.pack = (uint64_t)(i % N_PACKS) + 1,
		.entry = { .offset = 64 + (uint32_t)i * 5000,
			   .stored_bytes = 5000,
			   .plain_bytes = 4984 },
	};

	text_make((uint64_t)i, c.entry.r16.b, sizeof(c.entry.r16.b));
	return c;
}

static int fill_tree(struct index *ix)
{
	struct index_extent e;
	struct index_link l;
	int i, r = 0;

	for (i = 0; i < N_NODES && r == 0; i++) {
		l = (struct index_link){ .parent = PARENT,
					 .cookie = COOKIE(i),
					 .ino = INO(i),
					 .kind = 1,
					 .name = row(2, i),
					 .name_len = (uint16_t)row_bytes(2, i),
					 .extra = (const uint8_t *)"extra",
					 .extra_bytes = i % 2 ? 5 : 0 };
		r = index_link_put(ix, &l);
		if (r == 0)
			r = index_node_put(ix, INO(i), row(0, i),
					   row_bytes(0, i));
		e = extent_at(i);
		if (r == 0)
			r = index_extent_put(ix, INO(0), &e);
	}
	return r;
}

static int fill_chunks(struct index *ix)
{
	struct index_chunk c;
	struct index_pack p;
	int i, r = 0;

	for (i = 0; i < N_PACKS && r == 0; i++) {
		p = pack_at(i);
		r = index_pack_add(ix, &p);
	}
	for (i = 0; i < N_CHUNKS && r == 0; i++) {
		c = chunk_at(i);
		r = index_chunk_place(ix, &c);
		if (r == 0 && i % 2 == 0)
			r = index_chunk_ref(ix, c.chunk, 1);
	}
	return r;
}

static int fill_kv(struct index *ix)
{
	struct index_xattr x;
	uint8_t name = 'a';
	int i, r = 0;

	for (i = 0; i < N_XATTRS && r == 0; i++, name++) {
		x = (struct index_xattr){ .name = &name,
					  .name_len = 1,
					  .rec = row(3, i),
					  .rec_bytes = row_bytes(3, i) };
		r = index_xattr_put(ix, INO(1), &x);
	}
	for (i = 0; i < N_WRITERS && r == 0; i++)
		r = index_writer_put(ix, UINT64_MAX / 2 * (uint64_t)i,
				     row(4, i), row_bytes(4, i));
	for (i = 0; i < N_VALUES && r == 0; i++)
		r = index_value_put(ix, "set", &i, sizeof(i), row(5, i),
				    row_bytes(5, i));
	return r;
}

int fill_index(struct index *ix)
{
	int r;

	r = fill_tree(ix);
	if (r == 0)
		r = fill_chunks(ix);
	return r == 0 ? fill_kv(ix) : r;
}

/* A get that must find its row. */
#define FOUND(call)                                                            \
	do {                                                                   \
		int found_ = (call);                                           \
		if (found_ < 0)                                                \
			return found_;                                         \
		ck_assert_int_eq(found_, 1);                                   \
	} while (0)

/* A walk that must meet n rows. */
#define WALKED(call, counter, n)                                               \
	do {                                                                   \
		int walked_ = (call);                                          \
		if (walked_ < 0)                                               \
			return walked_;                                        \
		ck_assert_int_eq(walked_, 0);                                  \
		ck_assert_int_eq(counter, n);                                  \
		(counter) = 0;                                                 \
	} while (0)

static int check_node(void *arg, uint64_t ino, const uint8_t *rec, size_t n)
{
	int *i = arg;

	ck_assert_uint_eq(ino, INO(*i));
	expect_row(0, (*i)++, rec, n);
	return 0;
}

static int check_extent(void *arg, uint64_t ino, const struct index_extent *e)
{
	int *i = arg;
	struct index_extent want = extent_at((*i)++);

	ck_assert_uint_eq(ino, INO(0));
	ck_assert_uint_eq(e->offset, want.offset);
	ck_assert_uint_eq(e->length, want.length);
	ck_assert_int_eq(e->kind, want.kind);
	if (e->kind == EXTENT_INLINE) {
		ck_assert_mem_eq(e->bytes, want.bytes, want.length);
		return 0;
	}
	ck_assert_uint_eq(e->chunk, want.chunk);
	ck_assert_uint_eq(e->chunk_offset, want.chunk_offset);
	return 0;
}

static int count_link(void *arg, const struct index_link *l)
{
	ck_assert_uint_eq(l->parent, PARENT);
	++*(int *)arg;
	return 0;
}

static int check_tree(struct index *ix)
{
	struct index_link l;
	const uint8_t *rec;
	size_t n;
	int i, met = 0;

	for (i = 0; i < N_NODES; i++) {
		FOUND(index_node_get(ix, INO(i), &rec, &n));
		expect_row(0, i, rec, n);
		FOUND(index_link_get(ix, PARENT, COOKIE(i), &l));
		ck_assert_uint_eq(l.ino, INO(i));
		expect_row(2, i, l.name, l.name_len);
		ck_assert_uint_eq(l.extra_bytes, i % 2 ? 5 : 0);
	}
	WALKED(index_node_each(ix, 0, check_node, &met), met, N_NODES);
	WALKED(index_link_each(ix, PARENT, 0, count_link, &met), met, N_NODES);
	WALKED(index_extent_all(ix, check_extent, &met), met, N_NODES);
	return 0;
}

static void expect_chunk(int i, const struct index_chunk *c)
{
	struct index_chunk want = chunk_at(i);

	ck_assert_uint_eq(c->chunk, (uint64_t)i + 1);
	ck_assert_uint_eq(c->refs, i % 2 == 0);
	ck_assert_uint_eq(c->pack, want.pack);
	ck_assert_uint_eq(c->entry.offset, want.entry.offset);
	ck_assert_mem_eq(c->id.b, want.id.b, sizeof(want.id.b));
	ck_assert_mem_eq(c->entry.r16.b, want.entry.r16.b,
			 sizeof(want.entry.r16.b));
}

static int count_chunk(void *arg, const struct index_chunk *c)
{
	expect_chunk((int)c->chunk - 1, c);
	++*(int *)arg;
	return 0;
}

static int count_pack(void *arg, const struct index_pack *p)
{
	ck_assert_uint_le(p->live_bytes, p->total_bytes);
	++*(int *)arg;
	return 0;
}

static int check_pack(struct index *ix, int i)
{
	const struct index_pack want = pack_at(i);
	struct index_pack p;
	int met = 0;

	if (want.is_stage)
		FOUND(index_pack_find_stage(ix, want.stage_file, &p));
	else
		FOUND(index_pack_find(ix, want.writer, want.name, &p));
	ck_assert_uint_eq(p.pack, (uint64_t)i + 1);
	FOUND(index_pack_get(ix, p.pack, &p));
	ck_assert_uint_eq(p.writer, want.writer);
	ck_assert_mem_eq(p.name, want.name, sizeof(p.name));
	WALKED(index_chunk_each_of_pack(ix, p.pack, count_chunk, &met), met,
	       (int)(p.total_bytes / 5000));
	return 0;
}

static int check_chunks(struct index *ix)
{
	struct index_chunk c;
	int i, r, met = 0;

	for (i = 0; i < N_CHUNKS; i++) {
		c = chunk_at(i);
		FOUND(index_chunk_find(ix, &c.id, &c));
		expect_chunk(i, &c);
		FOUND(index_chunk_get(ix, (uint64_t)i + 1, &c));
		expect_chunk(i, &c);
	}
	for (i = 0; i < N_PACKS; i++) {
		r = check_pack(ix, i);
		if (r < 0)
			return r;
	}
	WALKED(index_pack_each(ix, count_pack, &met), met, N_PACKS);
	return 0;
}

static int count_xattr(void *arg, const struct index_xattr *x)
{
	int *i = arg;

	ck_assert_uint_eq(x->name[0], (unsigned)('a' + *i));
	expect_row(3, (*i)++, x->rec, x->rec_bytes);
	return 0;
}

static int count_writer(void *arg, uint64_t writer, const uint8_t *rec,
			size_t n)
{
	int *i = arg;

	ck_assert_uint_eq(writer, UINT64_MAX / 2 * (uint64_t)*i);
	expect_row(4, (*i)++, rec, n);
	return 0;
}

static int count_value(void *arg, const uint8_t *id, size_t id_bytes,
		       const uint8_t *rec, size_t n)
{
	int i;

	ck_assert_uint_eq(id_bytes, sizeof(i));
	memcpy(&i, id, sizeof(i));
	expect_row(5, i, rec, n);
	++*(int *)arg;
	return 0;
}

static int check_kv(struct index *ix)
{
	struct index_xattr x;
	const uint8_t *rec;
	uint8_t name = 'a';
	size_t n;
	int i, met = 0;

	for (i = 0; i < N_XATTRS; i++, name++) {
		FOUND(index_xattr_get(ix, INO(1), &name, 1, &x));
		expect_row(3, i, x.rec, x.rec_bytes);
	}
	for (i = 0; i < N_VALUES; i++) {
		FOUND(index_value_get(ix, "set", &i, sizeof(i), &rec, &n));
		expect_row(5, i, rec, n);
	}
	WALKED(index_xattr_each(ix, INO(1), count_xattr, &met), met, N_XATTRS);
	WALKED(index_writer_each(ix, count_writer, &met), met, N_WRITERS);
	WALKED(index_value_each(ix, "set", count_value, &met), met, N_VALUES);
	return 0;
}

int check_index(struct index *ix)
{
	int r;

	r = check_tree(ix);
	if (r == 0)
		r = check_chunks(ix);
	return r == 0 ? check_kv(ix) : r;
}
