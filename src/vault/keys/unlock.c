/* SPDX-License-Identifier: ISC */
#include "vault/keys/unlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/hex.h"
#include "base/mem.h"
#include "format/recovery.h"

/* Names read of k/: far more than anyone has credentials, few enough to be
 * read in no time. */
#define SLOT_FILES_MAX 1024

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- header */

int unlock_open_vault(struct env *env, const char *path, int *ret_dirfd)
{
	int fd = env->ops->open(env, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd;
	*ret_dirfd = fd;
	return 0;
}

int unlock_read_header(struct env *env, int vault_dirfd,
		       uint8_t ret_raw[static VAULT_HEADER_BYTES],
		       struct vault_header *ret)
{
	uint8_t raw[VAULT_HEADER_BYTES];
	uint64_t bytes;
	int fd, r;

	fd = env_open_untrusted(env, vault_dirfd, VAULT_FILE_NAME, 8,
				INT64_MAX, &bytes);
	if (fd == -ENOENT || fd == ERR_TRUNCATED)
		return ERR_NOT_VAULT;
	if (fd < 0)
		return fd;
	memset(raw, 0, sizeof(raw));
	r = env_read_exact(env, fd, raw, (size_t)min_of(bytes, sizeof(raw)), 0);
	close_quietly(env, &fd);
	if (r < 0)
		return r;
	r = vault_header_decode(raw, ret);
	/* A newer format's may be longer. */
	if ((r == 0 && bytes != sizeof(raw)) ||
	    (r == ERR_NEWER && bytes < sizeof(raw)))
		r = ERR_DAMAGED;
	if (r < 0)
		return r == ERR_NOT_VAULT || r == ERR_NEWER ? r : ERR_DAMAGED;
	memcpy(ret_raw, raw, sizeof(raw));
	return 0;
}

int unlock_verify_header(const uint8_t raw[static VAULT_HEADER_BYTES],
			 const struct keyring *ring)
{
	struct vault_keys *k = secret_alloc(sizeof(*k));
	struct vault_header h;
	int r;

	if (!k)
		return -ENOMEM;
	keys_vault(&ring->vrk, k);
	r = vault_header_decode(raw, &h);
	if (r == 0)
		r = vault_header_verify(raw, &k->hdr);
	if (r == 0 && !secret_equal(h.mac.b, ring->header_mac.b,
				    sizeof(h.mac.b)))
		r = ERR_DAMAGED;
	secret_free(k);
	return r < 0 ? ERR_DAMAGED : 0;
}

int unlock_open_clear(const struct vault_options *opts, struct env **ret_env,
		      int *ret_fd, uint8_t raw[static VAULT_HEADER_BYTES],
		      struct vault_header *h)
{
	struct env *env = opts->env ? opts->env : env_posix();
	int fd = -1, r = crypto_start();

	if (r == 0)
		r = unlock_open_vault(env, opts->path, &fd);
	if (r < 0)
		return r == -ENOTDIR ? ERR_NOT_VAULT : r;
	r = unlock_read_header(env, fd, raw, h);
	if (r < 0) {
		close_quietly(env, &fd);
		return r;
	}
	*ret_env = env;
	*ret_fd = fd;
	return 0;
}

/* ---------------------------------------------------------------- slot files */

struct slot_names {
	uint8_t (*names)[SLOT_NAME_BYTES];
	unsigned n;
	uint64_t n_foreign;
};

static int collect_name(void *arg, const char *name, unsigned char type)
{
	struct slot_names *s = arg;

	(void)type;
	if (s->n == SLOT_FILES_MAX || strlen(name) != 2 * SLOT_NAME_BYTES ||
	    hex_decode(name, SLOT_NAME_BYTES, s->names[s->n]) < 0)
		s->n_foreign++;
	else
		s->n++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return memcmp(a, b, SLOT_NAME_BYTES);
}

static int read_slot(struct env *env, int dirfd, const struct uuid *vault,
		     struct slot_file *f)
{
	char name[2 * SLOT_NAME_BYTES + 1];
	auto_free uint8_t *data = NULL;
	uint8_t hash[SLOT_NAME_BYTES];
	size_t len;
	int r;

	hex_encode(f->name, SLOT_NAME_BYTES, name);
	r = env_read_file(env, dirfd, name, SLOT_BYTES, SLOT_BYTES, &data,
			  &len);
	if (r < 0)
		return r;
	memcpy(f->bytes, data, SLOT_BYTES);
	slot_name(f->bytes, hash);
	if (memcmp(hash, f->name, sizeof(hash)) != 0)
		return ERR_BAD_NAME;
	return unlock_check_slot(vault, f);
}

int unlock_check_slot(const struct uuid *vault, struct slot_file *f)
{
	int r = slot_decode(f->bytes, &f->info);

	if (r == 0 && memcmp(f->info.vault.b, vault->b, sizeof(vault->b)) != 0)
		r = ERR_BAD_NAME;
	return r;
}

static int each_named(struct env *env, int dirfd, const struct uuid *vault,
		      const struct slot_names *names, slot_file_fn *fn,
		      void *arg)
{
	auto_free struct slot_file *f = mem_alloc(sizeof(*f));
	int r = 0;

	if (!f)
		return -ENOMEM;
	for (unsigned i = 0; r == 0 && i < names->n; i++) {
		memset(f, 0, sizeof(*f));
		memcpy(f->name, names->names[i], SLOT_NAME_BYTES);
		f->error = read_slot(env, dirfd, vault, f);
		if (f->error == -ENOENT)
			continue; /* removed since it was listed */
		r = fn(arg, f);
	}
	return r;
}

int unlock_each_slot(struct env *env, int vault_dirfd, const struct uuid *vault,
		     slot_file_fn *fn, void *arg, uint64_t *ret_foreign)
{
	auto_free uint8_t(*room)[SLOT_NAME_BYTES] =
		mem_alloc(SLOT_FILES_MAX * SLOT_NAME_BYTES);
	struct slot_names names = { .names = room };
	int dirfd, r;

	if (!room)
		return -ENOMEM;
	dirfd = env_open_dir(env, vault_dirfd, SLOT_DIR_NAME, false);
	if (dirfd == -ENOENT)
		return 0;
	if (dirfd < 0)
		return dirfd == -ENOTDIR || dirfd == -ELOOP ? ERR_DAMAGED :
							      dirfd;
	r = env->ops->list(env, dirfd, collect_name, &names);
	if (r == 0) {
		qsort(room, names.n, SLOT_NAME_BYTES, compare_names);
		r = each_named(env, dirfd, vault, &names, fn, arg);
	}
	close_quietly(env, &dirfd);
	if (r == 0 && ret_foreign)
		*ret_foreign = names.n_foreign;
	return r;
}

/* ---------------------------------------------------------------- credentials */

static bool is_given(const struct secret_buf *s)
{
	return s && s->len > 0;
}

int unlock_type(const struct vault_credential *cred, enum slot_type *ret)
{
	if (is_given(cred->recovery))
		*ret = SLOT_RECOVERY;
	else if (is_given(cred->key_file))
		*ret = is_given(cred->passphrase) ?
			       SLOT_KEY_FILE_AND_PASSPHRASE : SLOT_KEY_FILE;
	else if (is_given(cred->passphrase))
		*ret = SLOT_PASSPHRASE;
	else
		return -EINVAL;
	return 0;
}

int unlock_feed(enum slot_type type, const struct vault_credential *cred,
		struct secret_buf *ret)
{
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	unsigned bad_word;
	int r;

	if (type != SLOT_RECOVERY)
		return slot_credential(type, cred->passphrase, cred->key_file,
				       ret);
	r = recovery_parse(cred->recovery, &p, &bad_word);
	if (r < 0)
		return r == ERR_MALFORMED ? ERR_WRONG_KEY : r;
	return slot_credential(type, &p, NULL, ret);
}

struct candidates {
	enum slot_type type;
	const uint8_t *hint;
	struct slot_file *f; /* SLOT_TRY_MAX of them */
	unsigned n, n_strangers;
};

/* Those of the credential's type; the hinted one always finds room. */
static int collect_candidate(void *arg, const struct slot_file *f)
{
	struct candidates *c = arg;
	bool is_hinted = c->hint &&
			 memcmp(c->hint, f->name, sizeof(f->name)) == 0;

	/* Its fields were taken, so its hash is right and its vault is not. */
	if (f->error == ERR_BAD_NAME && f->info.type == c->type)
		c->n_strangers++;
	if (f->error < 0 || f->info.type != c->type)
		return 0;
	if (c->n == SLOT_TRY_MAX) {
		if (is_hinted)
			c->f[0] = *f;
		return 0;
	}
	c->f[c->n++] = *f;
	return 0;
}

/* The hinted first, then those of the newest epochs. */
static void sort_candidates(struct candidates *c)
{
	for (unsigned i = 1; i < c->n; i++)
		for (unsigned k = i; k > 0; k--) {
			struct slot_file *a = &c->f[k - 1], *b = &c->f[k];
			struct slot_file swap;

			if (a->info.newest_epoch >= b->info.newest_epoch)
				break;
			swap = *a;
			*a = *b;
			*b = swap;
		}
	for (unsigned i = 1; c->hint && i < c->n; i++)
		if (memcmp(c->f[i].name, c->hint, SLOT_NAME_BYTES) == 0) {
			struct slot_file swap = c->f[0];

			c->f[0] = c->f[i];
			c->f[i] = swap;
		}
}

/* Adds the keys of another ring of the same vault. */
static void join_rings(struct keyring *to, const struct keyring *from)
{
	if (!secret_equal(&to->vrk, &from->vrk, sizeof(to->vrk)) ||
	    !secret_equal(&to->header_mac, &from->header_mac,
			  sizeof(to->header_mac)))
		return;
	for (uint32_t i = 0; i < from->n_epochs; i++) {
		bool has = false;

		for (uint32_t k = 0; k < to->n_epochs && !has; k++)
			has = to->epochs[k].epoch == from->epochs[i].epoch &&
			      secret_equal(&to->epochs[k].ek,
					   &from->epochs[i].ek,
					   sizeof(from->epochs[i].ek));
		if (!has && to->n_epochs < KEYRING_MAX_EPOCHS)
			to->epochs[to->n_epochs++] = from->epochs[i];
	}
}

/*
 * One slot is enough in a vault whose keys were never changed.  After that two
 * devices may have changed them at once, and whoever's credential opens slots
 * of both needs both keys.
 */
static int try_candidates(const struct candidates *c,
			  const struct secret_buf *feed, struct keyring *ring,
			  uint8_t *ret_slot)
{
	struct keyring *one = secret_alloc(sizeof(*one));
	unsigned opened = c->n;
	int result = ERR_WRONG_KEY;

	if (!one)
		return -ENOMEM;
	for (unsigned i = 0; i < c->n; i++) {
		const struct slot_info *info = &c->f[i].info;

		if (opened < c->n &&
		    (info->newest_epoch < 2 ||
		     info->newest_epoch < c->f[opened].info.newest_epoch))
			continue;
		int r = slot_open(c->f[i].bytes, feed, one);
		if (r < 0) {
			if (r != ERR_WRONG_KEY && result == ERR_WRONG_KEY)
				result = r;
			continue;
		}
		if (opened < c->n) {
			join_rings(ring, one);
			continue;
		}
		opened = i;
		*ring = *one;
		memcpy(ret_slot, c->f[i].name, SLOT_NAME_BYTES);
	}
	secret_free(one);
	return opened < c->n ? 0 : result;
}

static int try_all(struct candidates *c, const struct vault_credential *cred,
		   struct keyring *ring, uint8_t *ret_slot)
{
	auto_secret_buf struct secret_buf feed = SECRET_BUF_INIT;
	int r = 0;

	if (c->n == 0)
		r = c->n_strangers ? ERR_STRANGER : ERR_NO_SLOT;
	if (r == 0)
		r = unlock_feed(c->type, cred, &feed);
	if (r < 0)
		return r == ERR_LIMIT ? ERR_WRONG_KEY : r;
	sort_candidates(c);
	return try_candidates(c, &feed, ring, ret_slot);
}

int unlock_slots(struct env *env, int vault_dirfd, const struct uuid *vault,
		 const struct vault_credential *cred, const uint8_t *hint,
		 struct keyring *ring, uint8_t ret_slot[static SLOT_NAME_BYTES])
{
	auto_free struct slot_file *room =
		mem_zalloc_array(SLOT_TRY_MAX, sizeof(*room));
	struct candidates c = { .hint = hint, .f = room };
	int r;

	if (!room)
		return -ENOMEM;
	r = unlock_type(cred, &c.type);
	if (r == 0)
		r = unlock_each_slot(env, vault_dirfd, vault,
				     collect_candidate, &c, NULL);
	return r < 0 ? r : try_all(&c, cred, ring, ret_slot);
}

int unlock_loose(const struct slot_file *files, size_t n,
		 const struct vault_credential *cred, struct keyring *ring,
		 uint8_t ret_slot[static SLOT_NAME_BYTES])
{
	auto_free struct slot_file *room =
		mem_zalloc_array(SLOT_TRY_MAX, sizeof(*room));
	struct candidates c = { .f = room };
	int r;

	if (!room)
		return -ENOMEM;
	r = unlock_type(cred, &c.type);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = collect_candidate(&c, &files[i]);
	return r < 0 ? r : try_all(&c, cred, ring, ret_slot);
}

/* ---------------------------------------------------------------- keys */

int unlock_derive(const struct keyring *ring, struct vault_secrets **ret)
{
	struct vault_secrets *s = secret_alloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->ring = *ring;
	keys_vault(&ring->vrk, &s->vault);
	for (uint32_t i = 0; i < ring->n_epochs; i++) {
		keys_epoch(&ring->epochs[i].ek, ring->epochs[i].epoch,
			   &s->epochs[i]);
		if (s->epochs[i].epoch > s->epochs[s->newest].epoch)
			s->newest = i;
	}
	*ret = s;
	return 0;
}
