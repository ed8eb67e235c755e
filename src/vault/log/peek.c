/* SPDX-License-Identifier: ISC */
/* What a vault shows without unlocking: the header, and how much there is. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "format/segment.h"
#include "vault/keys/unlock.h"
#include "vault/slots.h"

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- counting */

/*
 * The folders from w/ down, a level at a time: each step opens what its names
 * say and runs the next over it.  Whatever else stands there is passed over.
 */
struct count {
	struct env *env;
	struct vault_peek *p;
	int dirfd; /* the folder being listed */
};

static bool is_hex_name(const char *name, size_t n_bytes)
{
	uint8_t bytes[PACK_NAME_BYTES];

	return strlen(name) == 2 * n_bytes &&
	       hex_decode(name, n_bytes, bytes) == 0;
}

static int count_bytes(struct count *c, const char *name)
{
	uint64_t bytes;
	int fd = env_open_untrusted(c->env, c->dirfd, name, 0, INT64_MAX,
				    &bytes);

	if (fd < 0)
		return 0; /* a stranger, or gone */
	close_quietly(c->env, &fd);
	c->p->total_bytes += bytes;
	return 1;
}

static int into(struct count *c, const char *name, env_entry_fn *fn)
{
	struct count below = { .env = c->env, .p = c->p };
	int r;

	below.dirfd = env_open_dir(c->env, c->dirfd, name, false);
	if (below.dirfd < 0)
		return below.dirfd == -ENOENT || below.dirfd == -ENOTDIR ||
				       below.dirfd == -ELOOP ?
			       0 : below.dirfd;
	r = c->env->ops->list(c->env, below.dirfd, fn, &below);
	close_quietly(c->env, &below.dirfd);
	return r;
}

static int count_segment(void *arg, const char *name, unsigned char type)
{
	struct count *c = arg;
	uint8_t prefix[8];
	uint64_t seq;

	(void)type;
	if (segment_name_parse(name, &seq, prefix) == 0 &&
	    count_bytes(c, name) == 1)
		c->p->n_segments++;
	return 0;
}

static int count_pack(void *arg, const char *name, unsigned char type)
{
	struct count *c = arg;

	(void)type;
	if (is_hex_name(name, PACK_NAME_BYTES) && count_bytes(c, name) == 1)
		c->p->n_packs++;
	return 0;
}

static int count_pack_folder(void *arg, const char *name, unsigned char type)
{
	(void)type;
	return is_hex_name(name, 1) ? into(arg, name, count_pack) : 0;
}

static int count_writer(void *arg, const char *name, unsigned char type)
{
	struct count *c = arg;
	struct count in = *c;
	int r;

	(void)type;
	if (!is_hex_name(name, 8))
		return 0;
	in.dirfd = env_open_dir(c->env, c->dirfd, name, false);
	if (in.dirfd < 0)
		return 0;
	c->p->n_writers++;
	r = into(&in, "l", count_segment);
	if (r == 0)
		r = into(&in, "d", count_pack_folder);
	close_quietly(c->env, &in.dirfd);
	return r;
}

static int peek_count(struct env *env, int vault_dirfd, struct vault_peek *p)
{
	struct count c = { .env = env, .p = p, .dirfd = vault_dirfd };

	return into(&c, "w", count_writer);
}

static int count_files(void *arg, const struct slot_file *f)
{
	struct vault_peek *p = arg;

	if (f->error == 0)
		p->n_slots++;
	p->total_bytes += SLOT_BYTES;
	return 0;
}

int vault_peek_uuid(const struct vault_options *opts, struct uuid *ret)
{
	uint8_t raw[VAULT_HEADER_BYTES];
	struct vault_header h;
	struct env *env;
	int fd, r = unlock_open_clear(opts, &env, &fd, raw, &h);

	if (r < 0)
		return r;
	close_quietly(env, &fd);
	*ret = h.uuid;
	return 0;
}

int vault_peek(const struct vault_options *opts, struct vault_peek *ret)
{
	uint8_t raw[VAULT_HEADER_BYTES];
	struct vault_peek p = { .total_bytes = VAULT_HEADER_BYTES };
	struct vault_header h;
	struct env *env;
	int fd, r = unlock_open_clear(opts, &env, &fd, raw, &h);

	if (r < 0)
		return r;
	p.uuid = h.uuid;
	p.chunk_min = h.chunk_min;
	p.chunk_average = h.chunk_average;
	p.chunk_max = h.chunk_max;
	p.incompatible = h.incompatible;
	p.read_only_compatible = h.read_only_compatible;
	p.compatible = h.compatible;
	r = unlock_each_slot(env, fd, &h.uuid, count_files, &p, NULL);
	if (r == 0)
		r = peek_count(env, fd, &p);
	close_quietly(env, &fd);
	if (r == 0)
		*ret = p;
	return r;
}
