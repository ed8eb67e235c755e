/* SPDX-License-Identifier: ISC */
/* Header and key slots, wherever good ones are. */
#include <errno.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "vault/keys/unlock.h"
#include "vault/log/apply.h"
#include "vault/repair/repair.h"

#define SLOT_PATH_BYTES (2 + 2 * SLOT_NAME_BYTES + 1)

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- slots */

static int read_slot_file(struct vault_repair *r, const struct repair_file *f,
			  struct slot_file *ret)
{
	auto_free uint8_t *data = NULL;
	size_t len;
	int e = repair_read_file(r, f, SLOT_BYTES, &data, &len);

	if (e < 0)
		return e;
	if (len != SLOT_BYTES)
		return ERR_TRUNCATED;
	memcpy(ret->bytes, data, SLOT_BYTES);
	slot_name(ret->bytes, ret->name);
	return 0;
}

/* Slots under names that are none: a sync tool's copies. */
static int unlock_by_files(struct vault_repair *r, const struct uuid *vault,
			   const struct vault_credential *cred, uint8_t *slot)
{
	auto_free struct slot_file *files =
		mem_zalloc_array(SLOT_TRY_MAX, sizeof(*files));
	size_t n = 0;

	if (!files)
		return -ENOMEM;
	for (size_t i = 0; i < r->n && n < SLOT_TRY_MAX; i++) {
		if (r->files[i].kind != REPAIR_SLOT ||
		    read_slot_file(r, &r->files[i], &files[n]) < 0)
			continue;
		files[n].error = unlock_check_slot(vault, &files[n]);
		n++;
	}
	return unlock_loose(files, n, cred, r->ring, slot);
}

/* With the slots of the vault, of the other copies, of any file. */
static int open_ring(struct vault_repair *r, const struct uuid *vault,
		     const struct vault_credential *cred, uint8_t *slot)
{
	int first = 0, e = -1;

	for (unsigned i = 0; e < 0 && i < r->n_roots; i++) {
		e = unlock_slots(r->env, r->roots[i].fd, vault, cred, NULL,
				 r->ring, slot);
		if (e == -ENOMEM || e == -EINVAL)
			return e;
		if (i == 0)
			first = e;
	}
	if (e < 0)
		e = unlock_by_files(r, vault, cred, slot);
	if (e == 0)
		return 0;
	/* The vault's own says best what is wrong. */
	return first < 0 && first != ERR_NO_SLOT ? first : e;
}

/* ---------------------------------------------------------------- the header */

struct header_search {
	struct vault_repair *r;
	const struct vault_credential *cred;
	uint8_t slot[SLOT_NAME_BYTES];
	struct uuid vault; /* of the ring */
	bool has_ring;
	int err; /* why not, at first */
};

static void note_error(struct header_search *s, int err)
{
	if (s->err == 0)
		s->err = err;
}

/* 1: it is the header. */
static int try_header(struct header_search *s, const uint8_t *raw)
{
	struct vault_repair *r = s->r;
	struct vault_header h;
	int e = vault_header_decode(raw, &h);

	if (e == 0 &&
	    (!s->has_ring || memcmp(&h.uuid, &s->vault, sizeof(h.uuid)) != 0)) {
		e = open_ring(r, &h.uuid, s->cred, s->slot);
		s->has_ring = e == 0;
		s->vault = h.uuid;
	}
	if (e == 0)
		e = unlock_verify_header(raw, r->ring);
	if (e < 0) {
		note_error(s, e == ERR_MALFORMED || e == ERR_STRANGER
				      ? ERR_DAMAGED
				      : e);
		return e == -ENOMEM ? e : 0;
	}
	memcpy(r->rescue.header, raw, VAULT_HEADER_BYTES);
	r->header = h;
	return 1;
}

static int try_file(struct header_search *s, const struct repair_file *f)
{
	auto_free uint8_t *raw = NULL;
	size_t len;
	int e = repair_read_file(s->r, f, VAULT_HEADER_BYTES, &raw, &len);

	if (e == -ENOMEM)
		return e;
	return e == 0 && len == VAULT_HEADER_BYTES ? try_header(s, raw) : 0;
}

static bool is_header_in_place(const struct repair_file *f)
{
	return f->root == 0 && strcmp(f->path, VAULT_FILE_NAME) == 0;
}

/* The one in place first. */
static int find_header(struct header_search *s)
{
	struct vault_repair *r = s->r;

	for (int other = 0; other < 2; other++)
		for (size_t i = 0; i < r->n; i++) {
			const struct repair_file *f = &r->files[i];

			if (f->kind != REPAIR_HEADER ||
			    is_header_in_place(f) == (other != 0))
				continue;
			int e = try_file(s, f);
			if (e < 0)
				return e;
			if (e == 0)
				continue;
			return other ? repair_put_back(r, r->roots[0].fd,
						       VAULT_FILE_NAME,
						       VAULT_FILE_NAME,
						       r->rescue.header,
						       VAULT_HEADER_BYTES, f)
				     : 0;
		}
	return s->err < 0 ? s->err : ERR_DAMAGED;
}

/* A copy of another vault was meant for something else. */
static int check_roots(struct vault_repair *r)
{
	for (unsigned i = 1; i < r->n_roots; i++) {
		uint8_t raw[VAULT_HEADER_BYTES];
		struct vault_header h;

		if (unlock_read_header(r->env, r->roots[i].fd, raw, &h) == 0 &&
		    memcmp(&h.uuid, &r->header.uuid, sizeof(h.uuid)) != 0)
			return ERR_STRANGER;
	}
	return 0;
}

int repair_unlock(struct vault_repair *r, const struct vault_credential *cred,
		  const char **ret_what)
{
	struct header_search s = { .r = r, .cred = cred };
	int e;

	r->ring = secret_alloc(sizeof(*r->ring));
	if (!r->ring)
		return -ENOMEM;
	*ret_what = "the header";
	e = find_header(&s);
	if (e == 0) {
		*ret_what = "the copy given with --from";
		e = check_roots(r);
	}
	if (e == 0)
		e = unlock_derive(r->ring, &r->keys);
	if (e < 0)
		return e;
	r->rescue.ring = r->ring;
	memcpy(r->rescue.slot, s.slot, sizeof(s.slot));
	return 0;
}

/* ---------------------------------------------------------------- slots, later */

struct slot_list {
	uint8_t (*names)[SLOT_NAME_BYTES];
	size_t n, cap;
};

static int collect_known(void *arg, const struct known_slot *s)
{
	struct slot_list *l = arg;

	if (s->is_removed)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		uint8_t(*a)[SLOT_NAME_BYTES] =
			mem_realloc_array(l->names, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		l->names = a;
		l->cap = cap;
	}
	memcpy(l->names[l->n++], s->name, SLOT_NAME_BYTES);
	return 0;
}

static bool is_whole(struct vault_repair *r, int dirfd, const uint8_t *name,
		     bool *ret_is_there)
{
	char hex[2 * SLOT_NAME_BYTES + 1];
	uint8_t hash[SLOT_NAME_BYTES];
	auto_free uint8_t *data = NULL;
	size_t len;
	int e;

	hex_encode(name, SLOT_NAME_BYTES, hex);
	e = env_read_file(r->env, dirfd, hex, SLOT_BYTES, SLOT_BYTES, &data,
			  &len);
	*ret_is_there = e != -ENOENT;
	if (e < 0)
		return false;
	slot_name(data, hash);
	return memcmp(hash, name, sizeof(hash)) == 0;
}

/* Its name is the hash of its bytes. */
static int mend_slot(struct vault_repair *r, int dirfd, const uint8_t *name)
{
	auto_free struct slot_file *s = mem_zalloc(sizeof(*s));
	char path[SLOT_PATH_BYTES];
	int e = 0;

	if (!s)
		return -ENOMEM;
	memcpy(path, SLOT_DIR_NAME "/", 2);
	hex_encode(name, SLOT_NAME_BYTES, path + 2);
	for (size_t i = 0; i < r->n; i++) {
		if (r->files[i].kind != REPAIR_SLOT)
			continue;
		e = read_slot_file(r, &r->files[i], s);
		if (e == -ENOMEM)
			return e;
		if (e < 0 || memcmp(s->name, name, SLOT_NAME_BYTES) != 0)
			continue;
		e = repair_put_back(r, dirfd, path + 2, path, s->bytes,
				    SLOT_BYTES, &r->files[i]);
		return e < 0 ? e : 1;
	}
	return 0;
}

int repair_slots(struct vault_repair *r, struct vault *v)
{
	struct slot_list l = { 0 };
	int dirfd, e;

	lock_take(&v->index_lock);
	e = known_slot_each(v, collect_known, &l);
	lock_drop(&v->index_lock);
	dirfd = env_open_dir(r->env, r->roots[0].fd, SLOT_DIR_NAME,
			     !r->opts->dry_run);
	/* In a dry run a folder that is missing has none of them. */
	for (size_t i = 0; e >= 0 && i < l.n; i++) {
		bool was_there = false;

		if (dirfd >= 0 && is_whole(r, dirfd, l.names[i], &was_there))
			continue;
		e = mend_slot(r, dirfd, l.names[i]);
		if (e > 0 && was_there)
			r->result.n_left--;
	}
	close_quietly(r->env, &dirfd);
	mem_free(l.names);
	return e < 0 ? e : 0;
}
