/* SPDX-License-Identifier: ISC */
/* After the check: packs, then what is lost for good, then the slots. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/salvage.h"
#include "vault/file.h"
#include "vault/log/apply.h"
#include "vault/log/commit_priv.h"
#include "vault/repair/repair.h"

#define COPY_BYTES ((uint64_t)1 << 20)

struct run {
	struct checker *c;
	struct vault_repair *r;
	struct loss_list left;
};

static bool is_absent(int err)
{
	return err == -ENOENT || err == ERR_MISSING;
}

/* May files and log be changed? */
static bool is_writable(struct run *run)
{
	struct vault *v = run->c->v;

	if (v->journal && !atomic_load(&v->is_read_only))
		return true;
	run->r->result.stuck = vault_read_only_reason(v);
	return false;
}

/* ---------------------------------------------------------------- what was mended */

/* Both lists have the inodes in one order. */
static int tell_whole(struct run *run)
{
	const char *why =
		run->r->opts->dry_run ? "would be whole again" : "whole again";
	const struct loss_list *before = &run->c->losses, *after = &run->left;
	size_t k = 0;
	int e = 0;

	for (size_t i = 0; e == 0 && i < before->n; i++) {
		uint64_t n = 0;

		if (k < after->n && after->l[k].ino == before->l[i].ino) {
			k++;
			continue;
		}
		e = check_tell_paths(run->c, before->l[i].ino,
				     VAULT_FINDING_REPAIRED, 0, why, &n);
		run->r->result.n_repaired += n;
	}
	return e;
}

/* ---------------------------------------------------------------- holes */

/* What can be read of a chunk of which a part is lost becomes another chunk:
 * a reader may want all of a record or nothing. */
static int write_again(struct vault *v, uint64_t ino, const struct lost_part *p)
{
	auto_free uint8_t *room = mem_alloc(COPY_BYTES);
	uint64_t done = 0;
	int e = room ? 0 : -ENOMEM;

	while (e >= 0 && done < p->length) {
		size_t want = (size_t)min_of(p->length - done, COPY_BYTES);
		ssize_t n = vault_pread(v, ino, room, want, p->offset + done);

		/* It ends before. */
		if (n <= 0) {
			e = (int)n;
			break;
		}
		e = vault_write(v, ino, room, (size_t)n, p->offset + done, 0);
		done += (uint64_t)n;
	}
	if (room)
		mem_wipe(room, COPY_BYTES);
	return min_of(e, 0);
}

static int make_holes(struct run *run, uint64_t ino)
{
	struct vault_repair *r = run->r;
	struct lost_parts lost = { 0 }, rest = { 0 };
	int e;

	if (r->opts->dry_run)
		return 0;
	e = check_lost_parts(run->c, ino, r->opts->give_up, &lost, &rest);
	for (size_t i = 0; e == 0 && i < lost.n; i++)
		e = vault_fallocate(run->c->v, ino,
				    VAULT_ALLOCATE_KEEP_SIZE |
					    VAULT_ALLOCATE_PUNCH,
				    lost.p[i].offset, lost.p[i].length);
	for (size_t i = 0; e == 0 && i < rest.n; i++)
		e = write_again(run->c->v, ino, &rest.p[i]);
	mem_free(lost.p);
	mem_free(rest.p);
	return e;
}

/* What may still arrive is not given up unasked. */
static int tell_waiting(struct run *run, const struct loss *l)
{
	uint64_t n = 0;
	char why[112];

	snprintf(why, sizeof(why),
		 "%" PRIu64 " bytes of it wait for packs that are announced "
		 "and not here",
		 l->waiting);
	int e = check_tell_paths(run->c, l->ino, VAULT_FINDING_NOTE, 0, why,
				 &n);
	run->r->result.n_files_waiting += n;
	return e;
}

static int give_up_loss(struct run *run, const struct loss *l, bool can_write)
{
	struct vault_repair_result *result = &run->r->result;
	bool give_up = run->r->opts->give_up;
	uint64_t lost = give_up ? l->bytes : l->bytes - l->waiting;
	uint64_t n = 0;
	char why[112];
	int e = 0;

	if (l->waiting && !give_up)
		e = tell_waiting(run, l);
	if (e < 0 || lost == 0)
		return e;
	snprintf(why, sizeof(why), "%" PRIu64 " bytes of it are lost%s", lost,
		 run->r->opts->dry_run ? ": they would be made holes"
		 : can_write	       ? ": they are holes now"
				       : "");
	e = check_tell_paths(run->c, l->ino, VAULT_FINDING_LOST, 0, why, &n);
	if (e < 0 || n == 0)
		return e;
	result->n_files_lost += n;
	result->bytes_lost += lost;
	return can_write ? make_holes(run, l->ino) : 0;
}

static int give_up_losses(struct run *run)
{
	bool can_write;
	int e = 0;

	if (run->left.n == 0)
		return 0;
	can_write = run->r->opts->dry_run || is_writable(run);
	for (size_t i = 0; e == 0 && i < run->left.n; i++)
		e = give_up_loss(run, &run->left.l[i], can_write);
	return e;
}

/* ---------------------------------------------------------------- packs */

/* Own ones that are gone: as long as they are announced, their absence is an
 * alarm. */
static int drop_pack(struct run *run, const struct bad_pack *b)
{
	struct vault *v = run->c->v;
	struct op op = { .type = OP_PACK_DROP };
	int e = core_enter(v, true);

	if (e < 0)
		return e;
	memcpy(op.pack_drop.pack, b->p.name, sizeof(op.pack_drop.pack));
	e = apply_new(v, &op);
	core_leave(v);
	return e;
}

static int give_up_pack(struct run *run, const struct bad_pack *b)
{
	bool is_dry = run->r->opts->dry_run;
	char path[CHECK_PATH_BYTES];
	const char *why;
	int e = 0;

	if (b->is_waiting || !b->pack)
		return 0;
	check_pack_path(b->writer, b->p.name, path);
	if (is_absent(b->err)) {
		why = is_dry ? "would be given up" : "given up";
		if (!is_dry)
			e = drop_pack(run, b);
		run->r->result.n_left--;
	} else {
		why = is_dry ? "the damaged file would be kept beside it"
			     : "the damaged file is kept beside it";
		if (!is_dry)
			e = salvage_keep_pack(run->c->v->store, b->writer,
					      b->p.name);
	}
	if (e < 0)
		return e;
	repair_tell(run->r, VAULT_FINDING_NOTE, path, 0, why);
	return 0;
}

static int give_up_packs(struct run *run)
{
	int e = 0;

	if (!run->c->bad_packs || (!run->r->opts->dry_run && !is_writable(run)))
		return 0;
	for (const struct bad_pack *b = run->c->bad_packs; e == 0 && b;
	     b = b->next)
		e = give_up_pack(run, b);
	return e;
}

/* Is what is damaged of them still needed by anything?  A dry run takes it that
 * the holes are made. */
static int count_given_up(struct run *run)
{
	bool is_dry = run->r->opts->dry_run;
	int e = 0;

	if (!is_dry && run->c->bad_packs)
		e = check_mark_needed(run->c);
	for (const struct bad_pack *b = run->c->bad_packs; e == 0 && b;
	     b = b->next) {
		if (b->is_waiting || !b->pack || is_absent(b->err))
			continue;
		if (is_dry || check_is_given_up(run->c, b))
			run->r->result.n_left--;
	}
	return e;
}

/* ---------------------------------------------------------------- publishing */

/* Nothing that seems dead is dropped on this occasion. */
static int publish(struct run *run)
{
	struct vault *v = run->c->v;
	struct commit *c = v->commit;
	int e, published;

	if (run->r->opts->dry_run || !v->journal ||
	    atomic_load(&v->is_read_only))
		return 0;
	e = commit_cut(v, NULL, 0);
	commit_enter_busy(c);
	c->last_drop_ns = clock_mono_ns();
	published = c->n_packs > 0 ? publish_all(c) : publish_pending(c);
	commit_leave_busy(c);
	return published < 0 ? published : e;
}

int repair_run(struct checker *c, struct vault_repair *r)
{
	struct run run = { .c = c, .r = r };
	int e;

	r->result.n_left = c->result->n_damaged;
	e = repair_packs(c, r);
	if (e == 0)
		e = check_find_losses(c, &run.left);
	if (e == 0)
		e = tell_whole(&run);
	if (e == 0)
		e = give_up_losses(&run);
	if (e == 0)
		e = give_up_packs(&run);
	if (e == 0)
		e = publish(&run);
	if (e == 0)
		e = count_given_up(&run);
	if (e == 0)
		e = repair_slots(r, c->v);
	mem_free(run.left.l);
	return e;
}
