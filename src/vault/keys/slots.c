/* SPDX-License-Identifier: ISC */
#include "vault/slots.h"

#include <errno.h>
#include <string.h>

#include "base/diag.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/publish.h"
#include "format/name.h"
#include "vault/keys/slot_make.h"
#include "vault/keys/unlock.h"
#include "vault/log/apply.h"
#include "vault/log/commit.h"

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- listing */

struct listing {
	struct vault *v; /* NULL: not unlocked */
	vault_slot_fn *fn;
	void *arg;
};

static int describe(const struct listing *l, struct vault_slot *s)
{
	struct known_slot known;
	struct vault *v = l->v;

	if (!v)
		return 0;
	s->is_current = memcmp(s->name, v->slot_opened, sizeof(s->name)) == 0;
	int r = core_enter(v, false);
	if (r < 0)
		return r;
	r = known_slot_get(v, s->name, &known);
	core_leave(v);
	if (r <= 0)
		return r;
	s->is_known = known.type != 0;
	s->is_removed = known.is_removed;
	memcpy(s->label, known.label, sizeof(s->label));
	return 0;
}

static int show_slot(void *arg, const struct slot_file *f)
{
	const struct listing *l = arg;
	struct vault_slot s = { .info = f->info, .error = f->error };

	memcpy(s.name, f->name, sizeof(s.name));
	int r = describe(l, &s);
	return r < 0 ? r : l->fn(l->arg, &s);
}

int vault_each_slot(struct vault *v, vault_slot_fn *fn, void *arg)
{
	struct listing l = { v, fn, arg };

	return unlock_each_slot(v->env, v->vault_dirfd, &v->header.uuid,
				show_slot, &l, NULL);
}

int vault_peek_slots(const struct vault_options *opts, vault_slot_fn *fn,
		     void *arg)
{
	struct listing l = { NULL, fn, arg };
	uint8_t raw[VAULT_HEADER_BYTES];
	struct vault_header h;
	struct env *env;
	int fd, r = unlock_open_clear(opts, &env, &fd, raw, &h);

	if (r < 0)
		return r;
	r = unlock_each_slot(env, fd, &h.uuid, show_slot, &l, NULL);
	close_quietly(env, &fd);
	return r;
}

int vault_test_credential(const struct vault_options *opts,
			  const struct vault_credential *cred)
{
	uint8_t raw[VAULT_HEADER_BYTES], name[SLOT_NAME_BYTES];
	struct vault_header h;
	struct keyring *ring;
	struct env *env;
	int fd, r = unlock_open_clear(opts, &env, &fd, raw, &h);

	if (r < 0)
		return r;
	ring = secret_alloc(sizeof(*ring));
	r = ring ? unlock_slots(env, fd, &h.uuid, cred, NULL, ring, name) :
		   -ENOMEM;
	if (r == 0)
		r = unlock_verify_header(raw, ring);
	else if (r == ERR_STRANGER)
		r = ERR_DAMAGED;
	secret_free(ring);
	close_quietly(env, &fd);
	return r;
}

/* ---------------------------------------------------------------- adding */

static int open_folder(struct vault *v, bool create)
{
	int fd = env_open_dir(v->env, v->vault_dirfd, SLOT_DIR_NAME, create);

	return fd == -ENOTDIR || fd == -ELOOP ? ERR_DAMAGED : fd;
}

static int publish_slot(struct vault *v, const struct made_slot *s)
{
	char name[2 * SLOT_NAME_BYTES + 1];
	int fd = open_folder(v, true), r;

	if (fd < 0)
		return fd;
	hex_encode(s->name, SLOT_NAME_BYTES, name);
	r = publish_bytes(v->env, fd, name, s->bytes, SLOT_BYTES);
	close_quietly(v->env, &fd);
	return r;
}

static int log_slot(struct vault *v, enum op_type type, const uint8_t *name,
		    unsigned slot_type, const char *label)
{
	struct op op = { .type = type };
	int r = core_enter(v, true);

	if (r < 0)
		return r;
	op.slot.type = (uint8_t)slot_type;
	memcpy(op.slot.slot, name, sizeof(op.slot.slot));
	op.slot.label.bytes = (const uint8_t *)label;
	op.slot.label.len = (uint16_t)strlen(label);
	r = apply_new(v, &op);
	core_leave(v);
	commit_wake(v);
	return r;
}

static int unlink_slot(struct vault *v, const uint8_t *slot)
{
	char name[2 * SLOT_NAME_BYTES + 1];
	int fd = open_folder(v, false), r;

	if (fd < 0)
		return fd;
	hex_encode(slot, SLOT_NAME_BYTES, name);
	r = v->env->ops->unlink(v->env, fd, name, 0);
	if (r == 0)
		r = v->env->ops->fsync(v->env, fd);
	close_quietly(v->env, &fd);
	return r;
}

/* Who is told that it failed must not find later that it opens. */
static void undo_add(struct vault *v, const struct made_slot *s, bool is_logged)
{
	int r = 0;

	if (is_logged)
		r = log_slot(v, OP_SLOT_REMOVE, s->name, s->type, "");
	int unlinked = unlink_slot(v, s->name);
	if (r == 0 && unlinked != -ENOENT)
		r = unlinked;
	if (r < 0)
		diag_err(DIAG_WARNING, r, "taking a key slot back that could "
					  "not be added");
}

/* The file first: a slot the log does not know still opens, one it knows and
 * that is not there helps nobody. */
static int add_made(struct vault *v, const struct made_slot *s,
		    const char *label)
{
	int r = publish_slot(v, s);
	bool is_logged = false;

	if (r == 0) {
		r = log_slot(v, OP_SLOT_ADD, s->name, s->type, label);
		is_logged = r == 0;
	}
	if (r == 0)
		r = commit_publish(v);
	if (r < 0)
		undo_add(v, s, is_logged);
	return r;
}

int vault_slot_add(struct vault *v, const struct vault_slot_new *what,
		   const struct vault_credential *cred,
		   struct secret_buf *ret_recovery,
		   uint8_t ret_name[static SLOT_NAME_BYTES])
{
	const struct slot_request q = {
		.type = what->type,
		.ops = what->argon2_ops,
		.memory_kib = what->argon2_memory_kib,
		.test_weak = v->opts.test_weak_kdf,
	};
	auto_secret_buf struct secret_buf words = SECRET_BUF_INIT;
	const char *label = what->label ? what->label : "";
	struct made_slot s;
	int r;

	if (atomic_load(&v->is_read_only))
		return ERR_READ_ONLY;
	if (!name_is_label((const uint8_t *)label, strlen(label)))
		return -EINVAL;
	r = what->type == SLOT_RECOVERY ?
		    slot_make_recovery(v, &q, &s, &words) :
		    slot_make(v, &q, cred, &s);
	if (r == 0)
		r = add_made(v, &s, label);
	if (r < 0)
		return r;
	if (what->type == SLOT_RECOVERY) {
		*ret_recovery = words;
		words = (struct secret_buf)SECRET_BUF_INIT;
	}
	memcpy(ret_name, s.name, SLOT_NAME_BYTES);
	return 0;
}

/* ---------------------------------------------------------------- removing */

struct census {
	struct listing l;
	const uint8_t *name;
	unsigned n_others; /* usable ones beside it */
	bool is_there;
	unsigned type;
};

static int count_slot(void *arg, const struct slot_file *f)
{
	struct census *c = arg;
	struct vault_slot s = { .info = f->info, .error = f->error };

	memcpy(s.name, f->name, sizeof(s.name));
	int r = describe(&c->l, &s);
	if (r < 0)
		return r;
	if (memcmp(f->name, c->name, SLOT_NAME_BYTES) == 0) {
		c->is_there = true;
		c->type = f->error ? 0 : (unsigned)f->info.type;
	} else if (f->error == 0 && !s.is_removed &&
		   f->info.type != SLOT_TOKEN) {
		c->n_others++;
	}
	return 0;
}

int vault_slot_remove(struct vault *v,
		      const uint8_t name[static SLOT_NAME_BYTES])
{
	struct census c = { .l = { .v = v }, .name = name };
	int r;

	if (atomic_load(&v->is_read_only))
		return ERR_READ_ONLY;
	r = unlock_each_slot(v->env, v->vault_dirfd, &v->header.uuid,
			     count_slot, &c, NULL);
	if (r == 0 && !c.is_there)
		r = -ENOENT;
	if (r == 0 && c.n_others == 0)
		r = ERR_LAST_SLOT;
	/* The log first: a file that comes back is known for what it is. */
	if (r == 0)
		r = log_slot(v, OP_SLOT_REMOVE, name, c.type, "");
	if (r == 0)
		r = commit_publish(v);
	return r < 0 ? r : unlink_slot(v, name);
}

/* ---------------------------------------------------------------- changing */

static int find_opened(void *arg, const struct slot_file *f)
{
	struct slot_file *ret = arg;

	if (memcmp(f->name, ret->name, sizeof(f->name)) != 0 || f->error < 0)
		return 0;
	*ret = *f;
	return 1;
}

int vault_slot_change(struct vault *v, const struct vault_credential *cred)
{
	auto_free struct slot_file *old = mem_zalloc(sizeof(*old));
	struct known_slot known = { .type = 0 };
	struct vault_slot_new what = { .label = known.label };
	uint8_t name[SLOT_NAME_BYTES];
	int r;

	if (!old)
		return -ENOMEM;
	memcpy(old->name, v->slot_opened, sizeof(old->name));
	r = unlock_each_slot(v->env, v->vault_dirfd, &v->header.uuid,
			     find_opened, old, NULL);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = core_enter(v, false);
	if (r < 0)
		return r;
	r = known_slot_get(v, v->slot_opened, &known);
	core_leave(v);
	if (r < 0)
		return r;
	what.type = old->info.type;
	what.argon2_ops = old->info.ops;
	what.argon2_memory_kib = old->info.memory_kib;
	/* A recovery key is drawn, and its words would have to be shown. */
	if (what.type == SLOT_RECOVERY)
		return -EINVAL;
	r = vault_slot_add(v, &what, cred, NULL, name);
	if (r == 0)
		r = vault_slot_remove(v, old->name);
	if (r == 0)
		memcpy(v->slot_opened, name, sizeof(v->slot_opened));
	return r;
}
