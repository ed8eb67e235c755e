/* SPDX-License-Identifier: ISC */
#include "vault/history/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "vault/life.h"
#include "vault/log/devices.h"
#include "vault/log/writers.h"

/* More would say no more. */
#define ALARMS_MAX 256u

/* ---------------------------------------------------------------- telling */

const char *vault_alarm_name(enum vault_alarm_kind kind)
{
	static const char *const names[] = {
		[VAULT_ALARM_GONE] = "gone",
		[VAULT_ALARM_FORKED] = "forked",
		[VAULT_ALARM_OWN] = "own",
		[VAULT_ALARM_AHEAD] = "ahead",
		[VAULT_ALARM_RETIRED] = "retired",
		[VAULT_ALARM_VANISHED] = "vanished",
	};

	return names[kind];
}

static const char *reason_of(enum vault_alarm_kind kind)
{
	switch (kind) {
	case VAULT_ALARM_GONE:
		return "the vault is older than what this device has seen";
	case VAULT_ALARM_OWN:
		return "another computer has written under this device's id";
	case VAULT_ALARM_RETIRED:
		return "another device has retired this one";
	case VAULT_ALARM_VANISHED:
		return "files this device published have vanished from the "
		       "vault";
	default:
		return "two histories of one device exist, and this device has "
		       "seen one of them";
	}
}

/* "this device" or "NAME (its id)". */
static int describe_writer(struct vault *v, uint64_t writer, char *to,
			   size_t cap)
{
	struct vault_device d = { .name = "" };
	int r = 0;

	if (writer == v->writer) {
		snprintf(to, cap, "this device");
		return 0;
	}
	lock_take(&v->index_lock);
	if (v->index)
		r = device_get(v, writer, &d);
	lock_drop(&v->index_lock);
	if (r == 0 || !d.name[0])
		snprintf(to, cap, "device %016" PRIx64, writer);
	else
		snprintf(to, cap, "device %s (%016" PRIx64 ")", d.name, writer);
	return r < 0 ? r : 0;
}

static void describe_segments(const struct vault_alarm *a, char *to, size_t cap)
{
	if (a->first == a->last)
		snprintf(to, cap, "segment %" PRIu64 " was here and is not any "
				  "more",
			 a->first);
	else
		snprintf(to, cap, "segments %" PRIu64 " to %" PRIu64 " were "
				  "here and are not any more",
			 a->first, a->last);
}

#define THEN_ACCEPT "or go on with what is there: `coffer device accept VAULT'"

static int write_text(struct vault *v, struct vault_alarm *a)
{
	char who[160], what[128];
	int r = describe_writer(v, a->writer, who, sizeof(who));

	if (r < 0)
		return r;
	describe_segments(a, what, sizeof(what));
	switch (a->kind) {
	case VAULT_ALARM_GONE:
		snprintf(a->text, sizeof(a->text),
			 "%s: %s: the vault was put back to an older copy, or "
			 "files are missing; get them back%s%s",
			 who, what, a->is_read_only ? ", " : "",
			 a->is_read_only ? THEN_ACCEPT : "");
		break;
	case VAULT_ALARM_FORKED:
		snprintf(a->text, sizeof(a->text),
			 "%s: two histories exist from segment %" PRIu64 " on, "
			 "and this device has seen one of them: a copy of its "
			 "state was used elsewhere; take the other away, "
			 THEN_ACCEPT,
			 who, a->first);
		break;
	case VAULT_ALARM_OWN:
		snprintf(a->text, sizeof(a->text),
			 "%s: segment %" PRIu64 " in the vault was written "
			 "elsewhere, with a copy of the state of this device; "
			 "take this device's part over under a new id: `coffer "
			 "device accept VAULT'",
			 who, a->first);
		break;
	case VAULT_ALARM_AHEAD:
		snprintf(a->text, sizeof(a->text),
			 "%s: two histories exist from segment %" PRIu64 " on, "
			 "and neither is applied; run `coffer device accept "
			 "VAULT' on the devices that wrote them",
			 who, a->first);
		break;
	case VAULT_ALARM_RETIRED:
		snprintf(a->text, sizeof(a->text),
			 "%s: another device has retired it; go on under a new "
			 "id: `coffer device accept VAULT'",
			 who);
		break;
	case VAULT_ALARM_VANISHED:
		snprintf(a->text, sizeof(a->text),
			 "%s: of its %" PRIu64 " files in the vault %" PRIu64
			 " are missing; get them back, " THEN_ACCEPT,
			 who, a->last, a->first);
		break;
	}
	return 0;
}

/* Two histories are told where they part; what is gone, wherever it was. */
static bool is_noted(const struct commit *c, const struct vault_alarm *a)
{
	for (size_t i = 0; i < c->n_alarms; i++)
		if (c->alarms[i].kind == a->kind &&
		    c->alarms[i].writer == a->writer &&
		    (a->kind != VAULT_ALARM_GONE ||
		     c->alarms[i].first == a->first))
			return true;
	return false;
}

static bool is_known(struct commit *c, const struct vault_alarm *a)
{
	lock_take(&c->lock);
	bool yes = is_noted(c, a) || c->n_alarms >= ALARMS_MAX;
	lock_drop(&c->lock);
	return yes;
}

static int add_alarm(struct commit *c, const struct vault_alarm *a)
{
	struct vault_alarm *grown;

	lock_take(&c->lock);
	grown = mem_realloc_array(c->alarms, c->n_alarms + 1, sizeof(*grown));
	if (grown) {
		c->alarms = grown;
		grown[c->n_alarms++] = *a;
	}
	lock_drop(&c->lock);
	return grown ? 0 : -ENOMEM;
}

/* Of what was lost in the middle of a log nothing hangs here: what this device
 * writes names the end. */
static bool makes_read_only(struct commit *c, const struct vault_alarm *a)
{
	struct vault *v = c->v;

	if (a->kind != VAULT_ALARM_GONE)
		return a->kind != VAULT_ALARM_AHEAD;
	lock_take(&v->index_lock);
	const struct marks_head *h = heads_find(&c->heads, a->writer);
	bool yes = !h || a->last >= h->seq;
	lock_drop(&v->index_lock);
	return yes;
}

int history_note(struct commit *c, enum vault_alarm_kind kind, uint64_t writer,
		 uint64_t first, uint64_t last, bool quietly)
{
	struct vault_alarm a = {
		.kind = kind,
		.writer = writer,
		.first = first,
		.last = last,
	};
	int r;

	if (is_known(c, &a))
		return 0;
	a.is_read_only = makes_read_only(c, &a);
	r = write_text(c->v, &a);
	if (r == 0)
		r = add_alarm(c, &a);
	if (r < 0)
		return r;
	if (a.is_read_only)
		life_be_read_only(c->v, reason_of(kind));
	if (!quietly)
		diag(a.is_read_only ? DIAG_ERROR : DIAG_WARNING, "%s%s",
		     a.is_read_only ? "the vault is read-only now: " : "",
		     a.text);
	return 0;
}

static int error_of(enum vault_alarm_kind kind)
{
	switch (kind) {
	case VAULT_ALARM_GONE:
		return ERR_ROLLED_BACK;
	case VAULT_ALARM_VANISHED:
		return ERR_MISSING;
	default:
		return ERR_FORKED;
	}
}

/* The first that was met. */
int history_error(struct commit *c)
{
	int err = 0;

	lock_take(&c->lock);
	for (size_t i = 0; err == 0 && i < c->n_alarms; i++)
		if (c->alarms[i].is_read_only)
			err = error_of(c->alarms[i].kind);
	lock_drop(&c->lock);
	return err;
}

int vault_alarm_error(struct vault *v)
{
	return history_error(v->commit);
}

/* Of a device that was retired since, nobody waits for what comes next. */
static int is_over(struct vault *v, const struct vault_alarm *a)
{
	struct vault_device d = { .is_retired = false };

	if (a->kind != VAULT_ALARM_AHEAD)
		return 0;
	lock_take(&v->index_lock);
	int r = device_get(v, a->writer, &d);
	lock_drop(&v->index_lock);
	return r < 0 ? r : d.is_retired;
}

int vault_each_alarm(struct vault *v, vault_alarm_fn *fn, void *arg)
{
	struct commit *c = v->commit;
	auto_free struct vault_alarm *list = NULL;
	size_t n;
	int r = 0;

	lock_take(&c->lock);
	n = c->n_alarms;
	list = mem_dup(c->alarms, n * sizeof(*list));
	lock_drop(&c->lock);
	if (!list)
		return n > 0 ? -ENOMEM : 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		int over = is_over(v, &list[i]);

		r = over < 0 ? over : over ? 0 : fn(arg, &list[i]);
	}
	return r;
}

/* ---------------------------------------------------------------- comparing */

/* A folder, and what was seen of its log. */
struct look {
	struct commit *c;
	uint64_t writer;
	const struct log_names *l;
	struct marks_head head; /* the last segment seen; seq 0: none */
	bool deep;
	enum vault_alarm_kind fork; /* what another history is called */
};

static struct marks_head head_of(struct commit *c, uint64_t writer)
{
	struct marks_head found = { .writer = writer };
	struct vault *v = c->v;

	lock_take(&v->index_lock);
	const struct marks_head *h = heads_find(&c->heads, writer);
	if (h)
		found = *h;
	lock_drop(&v->index_lock);
	return found;
}

/* What counts here under that number: 1, 0. */
static int find_expected(const struct look *k, uint64_t seq,
			 struct file_hash *ret)
{
	struct vault *v = k->c->v;

	if (seq == k->head.seq) {
		*ret = k->head.head;
		return 1;
	}
	lock_take(&v->index_lock);
	int r = writer_get_hash(v, k->writer, seq, ret);
	lock_drop(&v->index_lock);
	return r;
}

/* 1, 0; what cannot be read may still be arriving. */
static int is_authentic(struct vault *v, uint64_t writer,
			const struct log_name *name)
{
	auto_log_segment struct log_segment s = { .plain = NULL };
	int r = logdir_read(v, writer, name, &s);

	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	return r == 0;
}

static bool is_named(const struct log_name *n, const struct file_hash *hash)
{
	return memcmp(n->prefix, hash->b, sizeof(n->prefix)) == 0;
}

/* The n names of a number that was seen. */
static int check_number(const struct look *k, const struct log_name *names,
			size_t n)
{
	struct vault_alarm known = { .kind = k->fork, .writer = k->writer };
	uint64_t seq = names->seq;
	struct file_hash hash;
	bool has = false;
	int r;

	if (n == 1 && !k->deep && seq != k->head.seq)
		return 0;
	known.first = seq;
	r = find_expected(k, seq, &hash);
	if (r <= 0 || is_known(k->c, &known))
		return r < 0 ? r : 0;
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (is_named(&names[i], &hash)) {
			has = true;
			continue;
		}
		r = is_authentic(k->c->v, k->writer, &names[i]);
		if (r > 0)
			return history_note(k->c, k->fork, k->writer, seq, seq,
					    false);
	}
	if (r >= 0 && !has && seq == k->head.seq)
		r = history_note(k->c, VAULT_ALARM_GONE, k->writer, seq, seq,
				 false);
	return r < 0 ? r : 0;
}

static int check_seen(const struct look *k)
{
	const struct log_names *l = k->l;
	uint64_t next = 1;
	size_t i = 0;
	int r = 0;

	while (r == 0 && next <= k->head.seq) {
		uint64_t seq = i < l->n ? l->names[i].seq : UINT64_MAX;
		uint64_t until = min_of(seq, k->head.seq + 1);
		size_t n = 0;

		if (next < until)
			r = history_note(k->c, VAULT_ALARM_GONE, k->writer,
					 next, until - 1, false);
		next = until + 1;
		while (i + n < l->n && l->names[i + n].seq == seq)
			n++;
		if (r == 0 && seq <= k->head.seq)
			r = check_number(k, &l->names[i], n);
		i += n;
	}
	return r;
}

/* ---------------------------------------------------------------- the own log */

/* 1 if it is what this device sealed under that number. */
static int is_sealed_here(struct commit *c, const struct log_name *n)
{
	auto_free uint8_t *file = NULL;
	struct file_hash hash;
	size_t bytes;
	int r;

	if (n->seq > c->sealed_seq || !c->v->journal)
		return 0;
	r = journal_sealed_read(c->v->journal, n->seq, &file, &bytes);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	segment_hash(file, bytes, &hash);
	return is_named(n, &hash);
}

/* Numbers this device has not published. */
static int check_beyond(const struct look *k)
{
	struct commit *c = k->c;
	int r = 0;

	for (size_t i = 0; r == 0 && i < k->l->n; i++) {
		const struct log_name *n = &k->l->names[i];

		if (n->seq <= max_of(k->head.seq, c->own_seq))
			continue;
		r = is_sealed_here(c, n);
		if (r == 0) {
			r = is_authentic(c->v, k->writer, n);
			if (r > 0)
				return history_note(c, VAULT_ALARM_OWN,
						    k->writer, n->seq, n->seq,
						    false);
		} else if (r > 0) {
			r = 0;
		}
	}
	return r;
}

int history_check(struct commit *c, uint64_t writer, const struct log_names *l,
		  bool deep)
{
	bool is_own = writer == c->v->writer;
	const struct look k = {
		.c = c,
		.writer = writer,
		.l = l,
		.head = head_of(c, writer),
		.deep = deep,
		.fork = is_own ? VAULT_ALARM_OWN : VAULT_ALARM_FORKED,
	};
	int r = check_seen(&k);

	return r == 0 && is_own ? check_beyond(&k) : r;
}

int history_check_own(struct commit *c, bool always)
{
	auto_log_names struct log_names l = { 0 };
	struct vault *v = c->v;
	struct timespec now = { 0 };
	int r;

	if (!v->writer || !v->journal)
		return 0;
	r = logdir_changed(v, v->writer, &now);
	if (r < 0 || (!always && now.tv_sec == c->own_looked.tv_sec &&
		      now.tv_nsec == c->own_looked.tv_nsec))
		return r < 0 ? r : 0;
	r = logdir_list(v, v->writer, 1, &l);
	if (r == 0)
		r = history_check(c, v->writer, &l, false);
	/* What is so young may change again without its time changing. */
	if (r == 0)
		c->own_looked = logdir_is_settled(&l.changed) ?
					l.changed : (struct timespec){ 0 };
	return r;
}

/* ---------------------------------------------------------------- all */

int history_check_retired(struct commit *c)
{
	struct vault_device d = { .is_retired = false };
	struct vault *v = c->v;

	lock_take(&v->index_lock);
	int r = v->writer ? device_get(v, v->writer, &d) : 0;
	lock_drop(&v->index_lock);
	return r > 0 && d.is_retired ?
		       history_note(c, VAULT_ALARM_RETIRED, v->writer, 0, 0,
				    false) :
		       min_of(r, 0);
}

static int check_folder(struct commit *c, uint64_t writer)
{
	auto_log_names struct log_names l = { 0 };
	int r = logdir_list(c->v, writer, 1, &l);

	return r == 0 ? history_check(c, writer, &l, true) : r;
}

/* Of the writers that were seen: the folder of one may be gone altogether. */
int history_check_all(struct commit *c)
{
	auto_free uint64_t *writers = NULL;
	struct vault *v = c->v;
	size_t n;
	int r = 0;

	lock_take(&v->index_lock);
	n = c->heads.n;
	writers = mem_zalloc_array(n, sizeof(*writers));
	for (size_t i = 0; writers && i < n; i++)
		writers[i] = c->heads.list[i].writer;
	lock_drop(&v->index_lock);
	if (!writers)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		if (writers[i] != v->writer)
			r = check_folder(c, writers[i]);
	if (r == 0 && v->writer)
		r = check_folder(c, v->writer);
	return r == 0 ? history_check_retired(c) : r;
}

/* ---------------------------------------------------------------- which one */

int history_find_seen(struct commit *c, uint64_t writer, uint64_t seq,
		      struct file_hash *ret)
{
	struct marks_head at = head_of(c, writer);

	if (at.seq < seq)
		return 0;
	while (at.seq > seq) {
		auto_log_segment struct log_segment s = { .plain = NULL };
		struct log_name name = { .seq = at.seq };
		int r;

		memcpy(name.prefix, at.head.b, sizeof(name.prefix));
		r = logdir_read(c->v, writer, &name, &s);
		if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
			return r;
		if (r < 0 || memcmp(&s.hash, &at.head, sizeof(s.hash)) != 0)
			return 0;
		at.seq--;
		at.head = s.body.previous;
	}
	*ret = at.head;
	return 1;
}
