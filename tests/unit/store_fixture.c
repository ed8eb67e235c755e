/* SPDX-License-Identifier: ISC */
#include "store_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>

#include "base/hex.h"
#include "crypto/secret.h"
#include "tempdir.h"

struct fixture fx;

static const struct epoch_keys *find_keys(void *arg, uint32_t epoch,
					  const struct key_id8 *id)
{
	const struct fixture *f = arg;

	for (size_t i = 0; i < 2; i++)
		if (f->epochs[i].epoch == epoch &&
		    memcmp(f->epochs[i].id.b, id->b, sizeof(id->b)) == 0)
			return &f->epochs[i];
	return NULL;
}

static struct key key_of_byte(uint8_t byte)
{
	struct key k;

	memset(k.b, byte, sizeof(k.b));
	return k;
}

static int make_folder(const char *name)
{
	int fd;

	ck_assert_int_eq(mkdirat(tempdir_fd(), name, 0700), 0);
	fd = openat(tempdir_fd(), name, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(fd, 0);
	return fd;
}

void fixture_make(void)
{
	struct key vrk = key_of_byte(1), ek1 = key_of_byte(2),
		   ek2 = key_of_byte(3), dk = key_of_byte(4);

	ck_assert_int_eq(crypto_start(), 0);
	tempdir_make();
	memset(&fx, 0, sizeof(fx));
	disk_init(&fx.disk);
	fx.vault_fd = make_folder("vault");
	fx.stage_fd = make_folder("stage");
	keys_vault(&vrk, &fx.vault_keys);
	keys_epoch(&ek1, 1, &fx.epochs[0]);
	keys_epoch(&ek2, 2, &fx.epochs[1]);
	keys_local(&dk, &fx.local);
	fx.opts = (struct store_options){
		.env = &fx.disk.env,
		.vault_dirfd = fx.vault_fd,
		.stage_dirfd = fx.stage_fd,
		.vault = { { 7 } },
		.writer = OWN_WRITER,
		.cid_data = &fx.vault_keys.cid_data,
		.keys = find_keys,
		.keys_arg = &fx,
		.local = &fx.local,
	};
	ck_assert_int_eq(store_open(&fx.opts, &fx.store), 0);
}

void fixture_remove(void)
{
	store_close(fx.store);
	/* Whatever a test did, no descriptor is lost. */
	ck_assert_int_eq(fx.disk.n_open, 0);
	close(fx.vault_fd);
	close(fx.stage_fd);
	tempdir_remove();
}

void fixture_reopen(void)
{
	store_close(fx.store);
	ck_assert_int_eq(store_open(&fx.opts, &fx.store), 0);
}

/* xorshift64* (Vigna: An experimental exploration of Marsaglia's xorshift
 * generators, scrambled, 2016). */
uint8_t *make_bytes(uint64_t seed, size_t n)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	uint8_t *p = malloc(n + 8);

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v;

		x ^= x >> 12;
		x ^= x << 25;
		x ^= x >> 27;
		v = x * UINT64_C(0x2545f4914f6cdd1d);
		memcpy(p + i, &v, sizeof(v));
	}
	return p;
}

struct content_id id_of(const uint8_t *plain, size_t n)
{
	struct content_id id;

	keys_content_id(&fx.vault_keys.cid_data, plain, n, &id);
	return id;
}

static void keep_announcement(const struct pack_writer *w, struct made_pack *p)
{
	pack_writer_announcement(w, &p->announced);
	ck_assert_uint_eq(p->announced.n_entries, p->n);
	memcpy(p->raw_entries, p->announced.entries, p->n * PACK_ENTRY_BYTES);
	p->announced.entries = p->raw_entries;
	memcpy(p->name, p->announced.name, sizeof(p->name));
	p->size = p->announced.size;
}

void make_pack(const struct epoch_keys *k, uint64_t seed, const uint32_t *sizes,
	       uint32_t n, struct made_pack *ret)
{
	struct pack_writer *w;

	ck_assert_uint_le(n, PACK_CHUNKS_MAX);
	*ret = (struct made_pack){ .seed = seed, .n = n };
	ck_assert_int_eq(pack_writer_open(fx.store, PACK_DATA, k, &w), 0);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *plain = make_bytes(seed + i, sizes[i]);
		struct content_id id = id_of(plain, sizes[i]);

		ret->sizes[i] = sizes[i];
		ck_assert_int_eq(pack_writer_add(w, &id, plain, sizes[i],
						 &ret->entries[i]),
				 0);
		free(plain);
	}
	ck_assert_int_eq(pack_writer_finish(w, true), 0);
	keep_announcement(w, ret);
	ck_assert_int_eq(pack_writer_publish(w), 0);
	pack_writer_close(w);
}

struct store_place place_of(const struct made_pack *p, uint32_t i)
{
	struct store_place place = {
		.writer = OWN_WRITER,
		.pack_bytes = p->size,
		.epoch = p->announced.epoch,
		.key_id = p->announced.key_id,
		.type = p->announced.type,
		.entry = p->entries[i],
	};

	memcpy(place.pack, p->name, sizeof(place.pack));
	return place;
}

uint32_t subs_of(uint32_t plain_bytes)
{
	return (plain_bytes + RECORD_SUB_BYTES - 1) / RECORD_SUB_BYTES;
}

int read_chunk(const struct store_place *place, uint32_t newest_epoch,
	       uint64_t seed)
{
	uint32_t n = place->entry.plain_bytes;
	uint8_t *want = make_bytes(seed, n), *got = malloc(n);
	int r;

	ck_assert_ptr_nonnull(got);
	r = store_read(fx.store, place, newest_epoch, 0, subs_of(n), false,
		       got);
	if (r == 0 && memcmp(got, want, n) != 0)
		r = 1;
	free(got);
	free(want);
	return r;
}

int read_pack_chunk(const struct made_pack *p, uint32_t i)
{
	struct store_place place = place_of(p, i);

	return read_chunk(&place, place.epoch, p->seed + i);
}

const char *pack_path(const struct made_pack *p)
{
	static char paths[2][128];
	static unsigned turn;
	char name[2 * PACK_NAME_BYTES + 1];
	char *path = paths[turn++ % 2];

	hex_encode(p->name, sizeof(p->name), name);
	snprintf(path, sizeof(paths[0]), "w/%016llx/d/%.2s/%s",
		 (unsigned long long)OWN_WRITER, name, name);
	return path;
}

uint8_t *read_path(const char *path, size_t *ret_n)
{
	int fd = openat(fx.vault_fd, path, O_RDONLY);
	struct stat st;
	uint8_t *data;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	*ret_n = (size_t)st.st_size;
	data = malloc(*ret_n + 1);
	ck_assert_ptr_nonnull(data);
	ck_assert_int_eq(read(fd, data, *ret_n), (ssize_t)*ret_n);
	close(fd);
	return data;
}

void write_path(const char *path, const void *data, size_t n)
{
	int fd = openat(fx.vault_fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
	ck_assert_int_eq(close(fd), 0);
}

void flip_path(const char *path, uint64_t at)
{
	int fd = openat(fx.vault_fd, path, O_RDWR);
	uint8_t byte;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

void plant(enum planted what, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	switch (what) {
	case FIFO:
		ck_assert_int_eq(mkfifoat(fx.vault_fd, path, 0600), 0);
		break;
	case SOCKET:
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		snprintf(addr.sun_path, sizeof(addr.sun_path),
			 "/proc/self/fd/%d/%s", fx.vault_fd, path);
		ck_assert_int_eq(
			bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
		close(fd);
		break;
	case FOLDER:
		ck_assert_int_eq(mkdirat(fx.vault_fd, path, 0700), 0);
		break;
	case LINK_TO_FILE:
		ck_assert_int_eq(symlinkat("/proc/self/exe", fx.vault_fd, path),
				 0);
		break;
	case LINK_TO_NOTHING:
		ck_assert_int_eq(symlinkat("nothing", fx.vault_fd, path), 0);
		break;
	}
}
