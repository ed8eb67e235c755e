/* SPDX-License-Identifier: ISC */
/*
 * Checking a vault: every file of it against what the log says, and what a
 * loss means for the folder.  Reading is done without locks; the index is asked
 * in between.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "base/replace.h"
#include "vault/care.h"
#include "vault/check/check_state.h"
#include "vault/keys/unlock.h"
#include "vault/log/apply.h"
#include "vault/log/devices.h"
#include "vault/log/logdir.h"
#include "vault/log/writers.h"
#include "vault/packs/packs.h"
#include "vault/repair/repair.h"

#define SLOT_PATH_BYTES (2 + 2 * SLOT_NAME_BYTES + 1)

void check_tell(struct checker *c, enum vault_finding kind, const char *what,
		int err, const char *why)
{
	lock_take(&c->lock);
	/* A path in the folder is no file of the vault. */
	if (kind == VAULT_FINDING_DAMAGE && what[0] != '/')
		c->result->n_damaged++;
	if (kind == VAULT_FINDING_PENDING)
		c->result->n_pending++;
	if (kind == VAULT_FINDING_FOREIGN)
		c->result->n_foreign++;
	if (c->opts->finding)
		c->opts->finding(c->opts->arg, kind, what, err,
				 why ? why : err_text(err));
	lock_drop(&c->lock);
}

static int add_bad_locked(struct checker *c, const struct bad_range *bad)
	LOCK_ATTR_(requires_capability(c->lock))
{
	if (c->n_bad == c->cap_bad) {
		size_t cap = c->cap_bad ? c->cap_bad * 2 : 64;
		struct bad_range *a =
			mem_realloc_array(c->bad, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		c->bad = a;
		c->cap_bad = cap;
	}
	c->bad[c->n_bad++] = *bad;
	return 0;
}

int check_add_bad(struct checker *c, const struct bad_range *bad)
{
	lock_take(&c->lock);
	int r = add_bad_locked(c, bad);
	lock_drop(&c->lock);
	return r;
}

/* ---------------------------------------------------------------- header, slots */

static int check_header(struct checker *c)
{
	struct vault *v = c->v;
	uint8_t raw[VAULT_HEADER_BYTES];
	struct vault_header h;
	int r;

	/* What a dry run would put back has been told. */
	if (v->opts.rescue && v->opts.rescue->is_dry)
		return 0;
	r = unlock_read_header(v->env, v->vault_dirfd, raw, &h);
	if (r == 0)
		r = unlock_verify_header(raw, &v->keys->ring);
	if (r < 0)
		check_tell(c, VAULT_FINDING_DAMAGE, VAULT_FILE_NAME, r, NULL);
	return 0;
}

static void slot_path(const uint8_t *name, char to[static SLOT_PATH_BYTES])
{
	memcpy(to, SLOT_DIR_NAME "/", 2);
	hex_encode(name, SLOT_NAME_BYTES, to + 2);
}

static int note_slot(struct checker *c, const uint8_t *name)
{
	if (c->n_slots == c->cap_slots) {
		size_t cap = c->cap_slots ? c->cap_slots * 2 : 16;
		uint8_t *a = mem_realloc_array(c->slots, cap, SLOT_NAME_BYTES);

		if (!a)
			return -ENOMEM;
		c->slots = a;
		c->cap_slots = cap;
	}
	memcpy(c->slots + SLOT_NAME_BYTES * c->n_slots++, name,
	       SLOT_NAME_BYTES);
	return 0;
}

static int slot_fn(void *arg, const struct slot_file *f)
{
	struct checker *c = arg;
	struct known_slot known;
	char path[SLOT_PATH_BYTES];

	if (note_slot(c, f->name) < 0)
		return -ENOMEM;
	slot_path(f->name, path);
	if (f->error < 0) {
		check_tell(c, VAULT_FINDING_DAMAGE, path, f->error, NULL);
		return 0;
	}
	lock_take(&c->v->index_lock);
	int r = known_slot_get(c->v, f->name, &known);
	lock_drop(&c->v->index_lock);
	if (r < 0)
		return r;
	if (r == 0)
		check_tell(c, VAULT_FINDING_NOTE, path, 0,
			   "a key slot the log does not know");
	else if (known.is_removed)
		check_tell(c, VAULT_FINDING_NOTE, path, 0,
			   "a key slot that was removed is back");
	return 0;
}

/* One that the log knows and nobody removed. */
static int missing_slot_fn(void *arg, const struct known_slot *s)
{
	struct checker *c = arg;
	char path[SLOT_PATH_BYTES];

	if (s->is_removed)
		return 0;
	for (size_t i = 0; i < c->n_slots; i++)
		if (memcmp(c->slots + i * SLOT_NAME_BYTES, s->name,
			   SLOT_NAME_BYTES) == 0)
			return 0;
	slot_path(s->name, path);
	check_tell(c, VAULT_FINDING_PENDING, path, ERR_MISSING,
		   "a key slot that was added and not removed is not here");
	return 0;
}

static int check_missing_slots(struct checker *c)
{
	lock_take(&c->v->index_lock);
	int r = known_slot_each(c->v, missing_slot_fn, c);
	lock_drop(&c->v->index_lock);
	return r;
}

static int check_slots(struct checker *c)
{
	uint64_t foreign = 0;
	int r = unlock_each_slot(c->v->env, c->v->vault_dirfd,
				 &c->v->header.uuid, slot_fn, c, &foreign);

	if (r == 0 && foreign)
		check_tell(c, VAULT_FINDING_FOREIGN, SLOT_DIR_NAME, 0,
			   "files that are no key slots");
	if (r == -ENOENT) {
		check_tell(c, VAULT_FINDING_DAMAGE, SLOT_DIR_NAME, ERR_MISSING,
			   "the key slots are missing");
		return 0;
	}
	return r < 0 ? r : check_missing_slots(c);
}

/* ---------------------------------------------------------------- segments */

static int check_vector(struct checker *c, const char *path,
			const struct log_segment *s)
{
	struct cursor at = s->body.vv;

	for (uint32_t i = 0; i < s->body.n_vv; i++) {
		struct segment_vv vv;
		struct file_hash head;

		segment_vv_read(&at, &vv);
		if (vv.context == 0)
			continue;
		lock_take(&c->v->index_lock);
		int r = writer_get_hash(c->v, vv.writer, vv.context, &head);
		lock_drop(&c->v->index_lock);
		if (r < 0)
			return r;
		if (r > 0 && memcmp(&head, &vv.head, sizeof(head)) != 0)
			check_tell(c, VAULT_FINDING_DAMAGE, path, ERR_FORKED,
				   "it was made in another history of a "
				   "device than the one that is here");
	}
	return 0;
}

static int check_packs_of(struct checker *c, uint64_t writer,
			  const struct log_segment *s)
{
	struct cursor at = s->body.packs;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < s->body.n_packs; i++) {
		struct segment_pack p;

		segment_pack_read(&at, &p);
		r = check_pack(c, writer, &p);
	}
	return r;
}

/* Against the index: it may be a stranger under an applied number. */
static int check_applied(struct checker *c, uint64_t writer, const char *path,
			 const struct log_segment *s)
{
	struct file_hash known;

	lock_take(&c->v->index_lock);
	int r = writer_get_hash(c->v, writer, s->header.seq, &known);
	lock_drop(&c->v->index_lock);
	if (r == 0)
		check_tell(c, VAULT_FINDING_PENDING, path, 0,
			   "not applied: what it builds on is missing");
	else if (r > 0 && memcmp(&known, &s->hash, sizeof(known)) != 0)
		check_tell(c, VAULT_FINDING_DAMAGE, path, ERR_FORKED, NULL);
	return r < 0 ? r : 0;
}

struct chain {
	uint64_t next; /* seq expected */
	struct file_hash head; /* of the one before */
	bool is_whole; /* the one before was read */
};

static void tell_gone(struct checker *c, uint64_t writer, uint64_t seq,
		      const char *why)
{
	char what[64];

	snprintf(what, sizeof(what), "w/%016" PRIx64 "/l/%010" PRIu64 "-...",
		 writer, seq);
	check_tell(c, VAULT_FINDING_DAMAGE, what, ERR_MISSING, why);
}

/* A log that two computers went on with; once it is retired, all that either
 * of them had is published again, and nobody applies it. */
static int tell_fork(struct checker *c, uint64_t writer, const char *path,
		     const char *why)
{
	struct vault_device d = { .is_retired = false };

	lock_take(&c->v->index_lock);
	int r = device_get(c->v, writer, &d);
	lock_drop(&c->v->index_lock);
	if (r < 0)
		return r;
	if (d.is_retired)
		check_tell(c, VAULT_FINDING_PENDING, path, 0,
			   "one of two histories of a device that is retired");
	else
		check_tell(c, VAULT_FINDING_DAMAGE, path, ERR_FORKED, why);
	return 0;
}

/* Is there another file of the same number? */
static bool is_doubled(const struct log_names *l, size_t i)
{
	return (i > 0 && l->names[i - 1].seq == l->names[i].seq) ||
	       (i + 1 < l->n && l->names[i + 1].seq == l->names[i].seq);
}

static int check_segment(struct checker *c, uint64_t writer,
			 const struct log_names *names, size_t i,
			 struct chain *chain)
{
	auto_log_segment struct log_segment s = { 0 };
	const struct log_name *name = &names->names[i];
	char path[LOG_PATH_BYTES];
	int r = logdir_read(c->v, writer, name, &s);

	logdir_path(writer, name, path);
	c->result->n_segments++;
	if (r == -ENOMEM)
		return r;
	/* A stranger must not hide the one it stands beside. */
	if (r < 0 && is_doubled(names, i)) {
		check_tell(c, VAULT_FINDING_DAMAGE, path, r, NULL);
		return 0;
	}
	if (name->seq < chain->next)
		return tell_fork(c, writer, path,
				 "a second segment of that number");
	if (name->seq > chain->next)
		tell_gone(c, writer, chain->next,
			  "missing: what follows it cannot be applied");
	bool follows = chain->is_whole && name->seq == chain->next;
	chain->next = name->seq + 1;
	chain->is_whole = false;
	if (r < 0) {
		check_tell(c, VAULT_FINDING_DAMAGE, path, r, NULL);
		return 0;
	}
	if (follows && memcmp(&chain->head, &s.body.previous,
			      sizeof(chain->head)) != 0)
		r = tell_fork(c, writer, path,
			      "it does not follow the segment before it");
	chain->head = s.hash;
	chain->is_whole = true;
	if (r == 0)
		r = check_applied(c, writer, path, &s);
	if (r == 0)
		r = check_vector(c, path, &s);
	return r < 0 ? r : check_packs_of(c, writer, &s);
}

/* Segments applied once and gone now. */
static int check_tail(struct checker *c, uint64_t writer,
		      const struct chain *chain)
{
	struct writer_state w;

	lock_take(&c->v->index_lock);
	int r = writer_get(c->v, writer, &w);
	lock_drop(&c->v->index_lock);
	if (r <= 0 || w.seq < chain->next)
		return r < 0 ? r : 0;
	tell_gone(c, writer, chain->next, "segments that were here are gone");
	return 0;
}

static int check_log(struct checker *c, uint64_t writer)
{
	auto_log_names struct log_names names = { 0 };
	struct chain chain = { .next = 1, .is_whole = true };
	char what[32];
	int r = logdir_list(c->v, writer, 1, &names);

	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = check_segment(c, writer, &names, i, &chain);
	if (r < 0)
		return r;
	snprintf(what, sizeof(what), "w/%016" PRIx64 "/l", writer);
	if (names.n_foreign)
		check_tell(c, VAULT_FINDING_FOREIGN, what, 0,
			   "files that are no segments");
	return check_tail(c, writer, &chain);
}

/* ---------------------------------------------------------------- strays */

struct stray_check {
	struct checker *c;
	uint64_t writer;
};

static int stray_fn(void *arg, bool is_pack,
		    const uint8_t pack[static PACK_NAME_BYTES],
		    const char *path)
{
	struct stray_check *s = arg;
	struct index_pack known;

	if (!is_pack) {
		check_tell(s->c, VAULT_FINDING_FOREIGN, path, 0,
			   replace_is_kept_name(path, NULL) ?
				   "a damaged file that a repair kept" :
				   "not a pack");
		return 0;
	}
	lock_take(&s->c->v->index_lock);
	int r = index_pack_find(s->c->v->index, s->writer, pack, &known);
	if (r == 0)
		r = packs_is_dropped(s->c->v, s->writer, pack, NULL) > 0 ? 2 : 0;
	lock_drop(&s->c->v->index_lock);
	if (r == 0 && s->writer == s->c->own)
		check_tell(s->c, VAULT_FINDING_NOTE, path, 0,
			   "left by an interruption: goes at the next mount");
	else if (r == 0)
		check_tell(s->c, VAULT_FINDING_PENDING, path, 0,
			   "a pack that no segment applied has announced");
	else if (r == 2)
		check_tell(s->c, VAULT_FINDING_NOTE, path, 0,
			   "a pack that was dropped is still here");
	return r < 0 ? r : 0;
}

static int check_strays(struct checker *c, uint64_t writer)
{
	struct stray_check s = { c, writer };
	int r = store_list_packs(c->v->store, writer, stray_fn, &s);

	return r == -ENOENT ? 0 : r;
}

static int root_fn(void *arg, const char *name, unsigned char type)
{
	(void)type;
	if (strcmp(name, VAULT_FILE_NAME) != 0 && strcmp(name, "k") != 0 &&
	    strcmp(name, "w") != 0)
		check_tell(arg, VAULT_FINDING_FOREIGN, name, 0,
			   replace_is_kept_name(name, NULL) ?
				   "a damaged file that a repair kept" :
				   "not part of the vault");
	return 0;
}

/* ---------------------------------------------------------------- all */

static int add_size(void *arg, const struct index_pack *p)
{
	if (!p->is_stage)
		((struct checker *)arg)->total += p->size;
	return 0;
}

static int check_writers(struct checker *c)
{
	auto_free uint64_t *writers = NULL;
	size_t n = 0;
	uint64_t foreign = 0;
	int r = logdir_writers(c->v, &writers, &n, &foreign);

	if (r == -ENOENT)
		r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = check_log(c, writers[i]);
		if (r == 0)
			r = check_strays(c, writers[i]);
	}
	if (r == 0 && foreign)
		check_tell(c, VAULT_FINDING_FOREIGN, "w", 0,
			   "entries that are no device's");
	/* Making a vault publishes the first. */
	if (r == 0 && c->result->n_segments == 0)
		check_tell(c, VAULT_FINDING_DAMAGE, "w", ERR_MISSING,
			   "there is no log segment at all: the log was "
			   "removed, or is still to arrive");
	return r;
}

static void release(struct checker *c)
{
	struct bad_pack *b;

	while ((b = c->bad_packs)) {
		c->bad_packs = b->next;
		mem_free(b);
	}
	mem_free(c->found);
	mem_free(c->losses.l);
	mem_free(c->bad);
	mem_free(c->slots);
}

int vault_check(struct vault *v, const struct vault_check_options *opts,
		struct vault_check_result *ret)
{
	struct vault_check_result result = { 0 };
	struct checker c = {
		.v = v,
		.opts = opts,
		.result = &result,
		.own = opts->repair ? opts->repair->own : v->writer,
	};

	lock_init(&c.lock, LOCK_LEAF, 0);
	lock_take(&v->index_lock);
	int r = core_index_state(v);
	if (r == 0)
		r = index_pack_each(v->index, add_size, &c);
	lock_drop(&v->index_lock);
	if (r == 0)
		r = check_header(&c);
	if (r == 0)
		r = check_slots(&c);
	if (r == 0)
		r = v->env->ops->list(v->env, v->vault_dirfd, root_fn, &c);
	if (r == 0 && opts->read_data && !opts->repair)
		r = check_state_open(v, opts->resume, &c.state);
	if (r == 0)
		r = check_packs_start(&c);
	if (r == 0)
		r = check_writers(&c);
	int read = check_packs_finish(&c);
	if (r == 0)
		r = read;
	int kept = check_state_close(c.state, r == 0);
	if (r == 0)
		r = kept;
	if (r == 0)
		r = check_stage(&c);
	if (r == 0)
		r = check_references(&c);
	if (r == 0 && opts->repair)
		r = repair_run(&c, opts->repair);
	if (r == 0)
		r = check_tree(&c);
	release(&c);
	lock_release(&c.lock);
	if (r == 0 || r == ERR_INTERRUPTED)
		*ret = result;
	return r;
}
