/* SPDX-License-Identifier: ISC */
/*
 * Making a vault.  The header comes last: until it stands, what was made is no
 * vault and is taken away again.
 */
#include "vault/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/publish.h"
#include "crypto/random.h"
#include "format/name.h"
#include "vault/keys/slot_make.h"
#include "vault/keys/unlock.h"
#include "vault/life.h"
#include "vault/log/commit_priv.h"
#include "vault/log/state_writer.h"

/* A row of the index for each half MiB: two million a TiB. */
#define CHUNK_MIN_DEFAULT (128u * 1024)
#define CHUNK_AVERAGE_DEFAULT (512u * 1024)
#define CHUNK_MAX_DEFAULT (2u * 1024 * 1024)
#define NORMALISATION 2

/* Slots a vault begins with: the credential's and one to recover it. */
#define SLOTS_MAX 2

struct making {
	struct vault *v; /* as far as the parts used here need it */
	const struct vault_options *opts;
	const struct vault_init_options *init;
	const struct vault_credential *cred;
	bool made_directory;
	uint8_t raw_header[VAULT_HEADER_BYTES];
	struct made_slot slots[SLOTS_MAX];
	unsigned n_slots;
	struct secret_buf recovery;
	hlc_t first; /* of the first operation */
	char segment[SEGMENT_NAME_LEN + 1]; /* empty until it is published */
	struct file_hash head;
};

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- directory */

struct content_check {
	bool any, is_vault;
};

static int note_entry(void *arg, const char *name, unsigned char type)
{
	struct content_check *c = arg;

	(void)type;
	c->any = true;
	c->is_vault |= strcmp(name, VAULT_FILE_NAME) == 0;
	return 0;
}

/* Made, or empty. */
static int make_directory(struct making *m)
{
	struct env *env = m->v->env;
	struct content_check found = { .any = false };
	int r = env->ops->mkdir(env, AT_FDCWD, m->opts->path, 0700);

	m->made_directory = r == 0;
	if (r < 0 && r != -EEXIST)
		return r;
	r = unlock_open_vault(env, m->opts->path, &m->v->vault_dirfd);
	if (r == 0)
		r = env->ops->list(env, m->v->vault_dirfd, note_entry, &found);
	if (r < 0)
		return r;
	return found.is_vault ? -EEXIST : found.any ? -ENOTEMPTY : 0;
}

/* ---------------------------------------------------------------- keys */

static uint32_t or_default(uint32_t given, uint32_t otherwise)
{
	return given ? given : otherwise;
}

static int draw_keys(struct making *m)
{
	const struct vault_init_options *in = m->init;
	struct vault *v = m->v;
	struct keyring *ring = secret_alloc(sizeof(*ring));
	struct vault_header *h = &v->header;
	int r;

	if (!ring)
		return -ENOMEM;
	memset(ring, 0, sizeof(*ring));
	random_bytes(ring->vrk.b, sizeof(ring->vrk.b));
	ring->n_epochs = 1;
	ring->epochs[0].epoch = 1;
	random_bytes(ring->epochs[0].ek.b, sizeof(ring->epochs[0].ek.b));
	*h = (struct vault_header){
		.normalisation = NORMALISATION,
		.chunk_min = or_default(in->chunk_min, CHUNK_MIN_DEFAULT),
		.chunk_average =
			or_default(in->chunk_average, CHUNK_AVERAGE_DEFAULT),
		.chunk_max = or_default(in->chunk_max, CHUNK_MAX_DEFAULT),
	};
	random_bytes(h->uuid.b, sizeof(h->uuid.b));
	r = unlock_derive(ring, &v->keys);
	secret_free(ring);
	if (r < 0)
		return r;
	vault_header_seal(h, &v->keys->vault.hdr, m->raw_header);
	v->keys->ring.header_mac = h->mac;
	/* What a reader would reject must not be made. */
	return vault_header_decode(m->raw_header, h) < 0 ? -EINVAL : 0;
}

static int make_slots(struct making *m)
{
	struct slot_request q = {
		.ops = m->init->argon2_ops,
		.memory_kib = m->init->argon2_memory_kib,
		.test_weak = m->opts->test_weak_kdf,
	};
	int r = unlock_type(m->cred, &q.type);

	if (r < 0)
		return r;
	r = slot_make(m->v, &q, m->cred, &m->slots[0]);
	if (r < 0)
		return r;
	m->n_slots = 1;
	if (m->init->no_recovery)
		return 0;
	q.type = SLOT_RECOVERY;
	r = slot_make_recovery(m->v, &q, &m->slots[1], &m->recovery);
	if (r == 0)
		m->n_slots = 2;
	return r;
}

/* ---------------------------------------------------------------- the first segment */

/* All at one time, told apart by the counter. */
static int add_op(struct making *m, struct buf *ops, uint32_t *n, struct op *op,
		  bool is_last)
{
	op->clock = m->first + *n;
	op->flags = is_last ? 0 : OP_FLAG_MORE;
	++*n;
	return op_encode(op, ops);
}

static int add_device(struct making *m, struct buf *ops, uint32_t *n)
{
	struct op op = { .type = OP_DEVICE_ADD };

	op.device.writer = m->v->writer;
	op.device.name.bytes = (const uint8_t *)m->v->device_name;
	op.device.name.len = (uint16_t)strlen(m->v->device_name);
	return add_op(m, ops, n, &op, false);
}

static int add_slot(struct making *m, const struct made_slot *s,
		    struct buf *ops, uint32_t *n)
{
	struct op op = { .type = OP_SLOT_ADD };

	op.slot.type = (uint8_t)s->type;
	memcpy(op.slot.slot, s->name, sizeof(op.slot.slot));
	return add_op(m, ops, n, &op, false);
}

/* The root's inode is zeros: no operation makes it, this one gives it owner
 * and times. */
static int add_root(struct making *m, struct buf *ops, uint32_t *n)
{
	int64_t now = clock_file_ns();
	struct op op = {
		.type = OP_ATTR,
		.attr = {
			.mask = ATTR_MODE | ATTR_OWNER | ATTR_ATIME |
				ATTR_MTIME | ATTR_CTIME,
			.mode = 0755,
			.uid = m->init->uid,
			.gid = m->init->gid,
			.atime_ns = now,
			.mtime_ns = now,
			.ctime_ns = now,
		},
	};

	return add_op(m, ops, n, &op, true);
}

static int seal_first(struct making *m, struct buf *file)
{
	auto_buf struct buf ops = BUF_INIT(1u << 20);
	struct vault *v = m->v;
	struct segment_header h = {
		.vault = v->header.uuid, .writer = v->writer, .seq = 1,
	};
	struct segment_body b = { .n_ops = 0 };
	int r;

	m->first = (hlc_t)(clock_wall_ns() / NS_PER_MS) << 16;
	r = add_device(m, &ops, &b.n_ops);
	for (unsigned i = 0; r == 0 && i < m->n_slots; i++)
		r = add_slot(m, &m->slots[i], &ops, &b.n_ops);
	if (r == 0)
		r = add_root(m, &ops, &b.n_ops);
	if (r < 0)
		return r;
	b.first = m->first;
	b.last = m->first + b.n_ops - 1;
	cursor_init(&b.vv, NULL, 0);
	cursor_init(&b.packs, NULL, 0);
	cursor_init(&b.required, NULL, 0);
	cursor_init(&b.ops, ops.data, ops.len);
	return segment_seal(core_newest_keys(v), &h, &b, file);
}

static int publish_segment(struct making *m)
{
	auto_buf struct buf file = BUF_INIT(SEGMENT_FILE_MAX);
	struct vault *v = m->v;
	int fd, r = seal_first(m, &file);

	if (r < 0)
		return r;
	segment_hash(file.data, file.len, &m->head);
	segment_name_format(1, &m->head, m->segment);
	fd = logdir_open_own(v, true);
	if (fd < 0)
		return fd;
	r = publish_bytes(v->env, fd, m->segment, file.data, file.len);
	close_quietly(v->env, &fd);
	return r;
}

/* ---------------------------------------------------------------- files */

static int publish_slots(struct making *m)
{
	struct env *env = m->v->env;
	int fd = env_open_dir(env, m->v->vault_dirfd, SLOT_DIR_NAME, true);
	int r = fd < 0 ? fd : 0;

	for (unsigned i = 0; r == 0 && i < m->n_slots; i++) {
		char name[2 * SLOT_NAME_BYTES + 1];

		hex_encode(m->slots[i].name, SLOT_NAME_BYTES, name);
		r = publish_bytes(env, fd, name, m->slots[i].bytes,
				  SLOT_BYTES);
	}
	if (fd >= 0)
		close_quietly(env, &fd);
	return r;
}

/* State that knows the first segment: the first opening goes on from there. */
static int make_state(struct making *m)
{
	struct commit *c = m->v->commit;
	struct vault *v = m->v;
	auto_buf struct buf marks = BUF_INIT(MEM_MAX);
	const struct marks_head head = { v->writer, 1, m->head };
	struct journal *j = NULL;
	int r = heads_raise(&c->heads, &head);

	if (r == 0)
		r = journal_open(v->env, c->state.journal_fd, &v->keys->local,
				 NULL, NULL, &j);
	if (r == 0)
		r = marks_now(c, &marks);
	if (r == 0)
		r = journal_begin_file(j, marks.data, marks.len);
	journal_close(j);
	return r;
}

static int name_device(struct making *m)
{
	const char *name = m->init->device_name;

	if (!name) {
		life_host_name(m->v->device_name);
		return 0;
	}
	if (!name_is_device((const uint8_t *)name, strlen(name)))
		return -EINVAL;
	memcpy(m->v->device_name, name, strlen(name) + 1);
	return 0;
}

static int make(struct making *m)
{
	struct vault *v = m->v;
	struct statedir *state = &v->commit->state;
	int r = name_device(m);

	if (r == 0)
		r = draw_keys(m);
	if (r == 0)
		r = make_slots(m);
	if (r == 0)
		r = statedir_open(v->env, m->opts->state_path, &v->header.uuid,
				  true, state);
	if (r == 0)
		r = state_writer_mint(v->commit, 0);
	if (r == 0)
		r = publish_slots(m);
	if (r == 0)
		r = publish_segment(m);
	if (r == 0)
		r = make_state(m);
	if (r == 0)
		r = publish_bytes(v->env, v->vault_dirfd, VAULT_FILE_NAME,
				  m->raw_header, sizeof(m->raw_header));
	if (r == 0 && m->made_directory)
		r = life_sync_parent(v->env, m->opts->path);
	return r;
}

/* ---------------------------------------------------------------- undoing */

static void remove_folder(struct env *env, int dirfd, const char *name)
{
	(void)env->ops->unlink(env, dirfd, name, AT_REMOVEDIR);
}

static void undo_slots(struct making *m)
{
	struct env *env = m->v->env;
	int fd = env_open_dir(env, m->v->vault_dirfd, SLOT_DIR_NAME, false);

	if (fd < 0)
		return;
	for (unsigned i = 0; i < m->n_slots; i++) {
		char name[2 * SLOT_NAME_BYTES + 1];

		hex_encode(m->slots[i].name, SLOT_NAME_BYTES, name);
		(void)env->ops->unlink(env, fd, name, 0);
	}
	close_quietly(env, &fd);
	remove_folder(env, m->v->vault_dirfd, SLOT_DIR_NAME);
}

static void undo_log(struct making *m)
{
	struct env *env = m->v->env;
	char writer[17];
	int fd, w;

	fd = logdir_open_own(m->v, false);
	if (fd >= 0) {
		if (m->segment[0])
			(void)env->ops->unlink(env, fd, m->segment, 0);
		close_quietly(env, &fd);
	}
	w = env_open_dir(env, m->v->vault_dirfd, "w", false);
	if (w < 0)
		return;
	snprintf(writer, sizeof(writer), "%016" PRIx64, m->v->writer);
	fd = env_open_dir(env, w, writer, false);
	if (fd >= 0) {
		remove_folder(env, fd, "l");
		close_quietly(env, &fd);
	}
	remove_folder(env, w, writer);
	close_quietly(env, &w);
	remove_folder(env, m->v->vault_dirfd, "w");
}

/* Only what was made here; what cannot be removed is no vault. */
static void undo(struct making *m)
{
	struct vault *v = m->v;
	struct env *env = v->env;
	bool had_state = v->commit->state.dirfd >= 0;

	(void)env->ops->unlink(env, v->vault_dirfd, VAULT_FILE_NAME, 0);
	undo_slots(m);
	if (v->writer)
		undo_log(m);
	if (m->made_directory)
		(void)env->ops->unlink(env, AT_FDCWD, m->opts->path,
				       AT_REMOVEDIR);
	statedir_close(&v->commit->state);
	if (had_state)
		statedir_remove(env, m->opts->state_path, &v->header.uuid);
}

/* ---------------------------------------------------------------- all */

int vault_init(const struct vault_options *opts,
	       const struct vault_init_options *init,
	       const struct vault_credential *cred,
	       struct secret_buf *ret_recovery)
{
	struct making m = {
		.opts = opts,
		.init = init,
		.cred = cred,
		.recovery = SECRET_BUF_INIT,
	};
	int r = crypto_start();

	if (r == 0)
		r = life_new(opts, &m.v);
	if (r < 0)
		return r;
	r = make_directory(&m);
	if (r == 0) {
		r = make(&m);
		if (r < 0)
			undo(&m);
	}
	if (r == 0 && !init->no_recovery) {
		*ret_recovery = m.recovery;
		m.recovery = (struct secret_buf)SECRET_BUF_INIT;
	}
	secret_buf_release(&m.recovery);
	life_free(m.v);
	return r;
}
