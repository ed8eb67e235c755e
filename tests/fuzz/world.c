/* SPDX-License-Identifier: ISC */
#include "world.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/diag.h"
#include "base/mem.h"
#include "stand_in.h"
#include "vault/care.h"
#include "vault/device.h"
#include "vault/file.h"
#include "vault/tree.h"

#define PASSPHRASE "a passphrase"

static void be_silent(enum diag_level level, const char *line)
{
	(void)level;
	(void)line;
}

static void be_loud(enum diag_level level, const char *line)
{
	fprintf(stderr, "  %d: %s\n", (int)level, line);
}

/* What stands on the disk after init, made once. */
static struct mem_env first;

static struct vault_options options_on(struct mem_env *disk, bool no_state)
{
	return (struct vault_options){
		.env = &disk->env,
		.path = "/vault",
		.state_path = "/state",
		.no_state = no_state,
		.cache_bytes = (size_t)1 << 20,
		.dirty_bytes = (size_t)1 << 20,
		.index_bytes = (size_t)1 << 20,
		.n_workers = 1,
		.test_weak_kdf = true,
		.test_writer = 7,
	};
}

static int open_on(struct mem_env *disk, bool no_state, struct vault **ret)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	const struct vault_options o = options_on(disk, no_state);
	const char *what = "";
	int r = secret_buf_append(&pass, PASSPHRASE, strlen(PASSPHRASE));

	FUZZ_REQUIRE(r == 0);
	return vault_open(&o, &cred, &what, ret);
}

static void make_first(void)
{
	/* Chunks small enough that a file has several. */
	const struct vault_init_options init = {
		.device_name = "first",
		.no_recovery = true,
		.chunk_min = 4096,
		.chunk_average = 8192,
		.chunk_max = 16384,
	};
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	struct vault_options o;
	int r;

	mem_env_init(&first);
	o = options_on(&first, false);
	r = crypto_start();
	FUZZ_REQUIRE(r == 0);
	r = secret_buf_append(&pass, PASSPHRASE, strlen(PASSPHRASE));
	FUZZ_REQUIRE(r == 0);
	r = vault_init(&o, &init, &cred, NULL);
	FUZZ_REQUIRE(r == 0);
	FUZZ_REQUIRE(first.n_open == 0);
}

/* ---------------------------------------------------------------- failing */

static _Noreturn void wrong(struct world *w, const char *what,
			    const struct listing *shown)
{
	struct listing l;

	fprintf(stderr, "%s; states %u, confirmed %u, published %u\n", what,
		w->n, w->confirmed, w->published);
	list_model(&w->m, &l);
	list_print("the model", &l);
	if (shown)
		list_print("the vault", shown);
	for (unsigned i = w->confirmed; shown && i < w->n; i++) {
		char title[32];

		snprintf(title, sizeof(title), "state %u", i);
		list_model(&w->states[i], &l);
		list_print(title, &l);
	}
	abort();
}

bool world_expect(struct world *w, int r, bool success, const char *what)
{
	if (w->disk.n_left == 0 || (w->is_damaged && r < 0))
		return false;
	if ((r >= 0) != success) {
		fprintf(stderr, "%s: %s\n", what,
			r < 0 ? err_text(r) : "succeeds");
		wrong(w, what, NULL);
	}
	return r >= 0;
}

/* ---------------------------------------------------------------- states */

bool world_is_full(const struct world *w)
{
	return w->n >= WORLD_STATES_MAX - 2;
}

void world_note(struct world *w)
{
	FUZZ_REQUIRE(w->n < WORLD_STATES_MAX);
	model_copy(&w->m, &w->states[w->n++]);
}

void world_confirm(struct world *w)
{
	w->confirmed = w->n - 1;
	w->has_fsync = false;
}

/* Names and attributes are confirmed as they stand, but the contents of this
 * file only. */
void world_confirm_file(struct world *w, unsigned inode)
{
	if (!w->has_fsync)
		for (unsigned i = 0; i < WORLD_STATES_MAX; i++)
			w->fsynced[i] = w->confirmed;
	w->has_fsync = true;
	w->fsynced[w->m.inodes[inode].id % WORLD_STATES_MAX] = w->n - 1;
	w->confirmed = w->n - 1;
}

/* Did the file with this id have these contents in a state since they were
 * confirmed?  The inode, so that the state can be put together. */
static const struct model_inode *had_contents(const struct world *w,
					      uint32_t id,
					      const struct item *shown)
{
	for (unsigned s = w->fsynced[id % WORLD_STATES_MAX]; s < w->n; s++) {
		const struct model *m = &w->states[s];

		for (unsigned i = 1; i < MODEL_INODES; i++) {
			const struct model_inode *n = &m->inodes[i];
			bool is_empty = !n->data && shown->size == 0;

			if (n->mode && n->id == id &&
			    (is_empty || (n->data &&
					  n->data->hash == shown->hash &&
					  n->data->len == shown->size)))
				return n;
		}
	}
	return NULL;
}

/* Takes the contents shown into the model, which is a copy of the state. */
static bool take_contents(struct world *w, const struct listing *shown,
			  const struct listing *state, struct model *m)
{
	for (unsigned i = 0; i < shown->n; i++) {
		const struct item *a = &shown->items[i], *b = &state->items[i];
		const struct model_inode *from;

		if (a->error < 0)
			return false;
		if (a->hash == b->hash && a->size == b->size)
			continue;
		if (!w->has_fsync || !S_ISREG(a->mode))
			return false;
		from = had_contents(w, b->id, a);
		if (!from)
			return false;
		for (unsigned k = 1; k < MODEL_INODES; k++)
			if (m->inodes[k].mode && m->inodes[k].id == b->id)
				model_set(m, k, from->data ?
						from->data->bytes : NULL,
					  from->data ? from->data->len : 0);
	}
	return true;
}

/* Is what is shown the state numbered i?  Then that into *ret. */
static bool is_state(struct world *w, unsigned i, const struct listing *shown,
		     struct model *ret)
{
	struct listing l;
	struct model m;

	list_model(&w->states[i], &l);
	if (shown->error < 0 || !list_same_names(shown, &l))
		return false;
	model_copy(&w->states[i], &m);
	if (!take_contents(w, shown, &l, &m)) {
		model_release(&m);
		return false;
	}
	*ret = m;
	return true;
}

static bool find_state(struct world *w, unsigned from,
		       const struct listing *shown, struct model *ret)
{
	for (unsigned i = w->n; i-- > from;)
		if (is_state(w, i, shown, ret))
			return true;
	return false;
}

static void same_as(struct world *w, const struct listing *shown,
		    const char *what)
{
	struct listing l;
	bool same;

	list_model(&w->m, &l);
	same = shown->error == 0 && list_same_names(shown, &l);
	for (unsigned i = 0; same && i < l.n; i++)
		same = shown->items[i].error == 0 &&
		       shown->items[i].hash == l.items[i].hash &&
		       shown->items[i].size == l.items[i].size;
	if (!same)
		wrong(w, what, shown);
}

void world_compare(struct world *w)
{
	struct listing l;

	list_vault(w->v, &l);
	if (w->disk.n_left > 0)
		same_as(w, &l, "the folder is another");
}

/* ---------------------------------------------------------------- opening */

static void open_well(struct world *w)
{
	int r = open_on(&w->disk, false, &w->v);

	if (r < 0) {
		fprintf(stderr, "opening: %s\n", err_text(r));
		wrong(w, "it does not open", NULL);
	}
	if (vault_is_read_only(w->v)) {
		fprintf(stderr, "%s\n", vault_read_only_reason(w->v));
		wrong(w, "it opens read-only", NULL);
	}
}

/* False: the disk died meanwhile, and with it the process. */
static bool close_well(struct world *w)
{
	int r = vault_close(w->v);

	w->v = NULL;
	if (w->disk.n_left == 0)
		return false;
	if (r < 0) {
		fprintf(stderr, "closing: %s\n", err_text(r));
		wrong(w, "it does not close", NULL);
	}
	FUZZ_REQUIRE(w->disk.n_open == 0);
	w->disk.n_left = MEM_FOREVER;
	world_confirm(w);
	w->published = w->confirmed;
	return true;
}

/* What stands on the disk after a crash is opened. */
static void open_after_crash(struct world *w)
{
	struct listing shown;
	struct model m;

	mem_env_revive(&w->disk);
	open_well(w);
	list_vault(w->v, &shown);
	if (!find_state(w, w->confirmed, &shown, &m))
		wrong(w, "after a crash: a state that never was, or is lost",
		      &shown);
	model_release(&w->m);
	w->m = m;
	world_note(w);
	world_confirm(w);
}

void world_crash(struct world *w)
{
	int r;

	w->disk.n_left = 0;
	r = vault_close(w->v);
	(void)r; /* nobody hears it */
	w->v = NULL;
	open_after_crash(w);
}

void world_remount(struct world *w)
{
	if (!close_well(w)) {
		open_after_crash(w);
		return;
	}
	open_well(w);
	world_compare(w);
}

void world_peek(struct world *w)
{
	struct vault *v = NULL;
	struct listing shown;
	struct model m;
	int r;

	if (!close_well(w)) {
		open_after_crash(w);
		return;
	}
	r = open_on(&w->disk, true, &v);
	if (r < 0) {
		fprintf(stderr, "opening without state: %s\n", err_text(r));
		wrong(w, "it does not open", NULL);
	}
	list_vault(v, &shown);
	if (!find_state(w, w->published, &shown, &m))
		wrong(w, "the vault alone: a state that never was", &shown);
	model_release(&m);
	r = vault_close(v);
	FUZZ_REQUIRE(r == 0 && w->disk.n_open == 0);
	open_well(w);
}

void world_rebuild(struct world *w)
{
	const struct vault_options o = options_on(&w->disk, false);
	int r;

	if (!close_well(w)) {
		open_after_crash(w);
		return;
	}
	r = vault_drop_index(&o);
	FUZZ_REQUIRE(r == 0 && w->disk.n_open == 0);
	open_well(w);
	world_compare(w);
}

/* ---------------------------------------------------------------- damage */

/* Has any file at any time had these contents? */
static bool ever_was(const struct world *w, const struct item *shown)
{
	for (unsigned s = 0; s < w->n; s++)
		for (unsigned i = 1; i < MODEL_INODES; i++) {
			const struct model_inode *n = &w->states[s].inodes[i];
			uint64_t size = n->data ? n->data->len : 0;

			if (n->mode && size == shown->size &&
			    (!n->data || n->data->hash == shown->hash))
				return true;
		}
	return false;
}

/* Errors are as they may; what is shown is true all the same. */
static void judge_damaged(struct world *w, const struct listing *shown,
			  bool after_crash)
{
	bool may_be_old = after_crash;
	bool found = shown->error < 0;
	struct listing l;

	for (unsigned i = 0; i < shown->n; i++)
		if (!S_ISDIR(shown->items[i].mode) &&
		    shown->items[i].error == 0 &&
		    !ever_was(w, &shown->items[i]))
			wrong(w, "damage is served as contents", shown);
	/* All was published, so that nothing may be missing unsaid. */
	for (unsigned i = may_be_old ? 0 : w->n - 1; !found && i < w->n; i++) {
		list_model(&w->states[i], &l);
		found = list_same_names(shown, &l);
	}
	if (!found)
		wrong(w, "damage is served as names", shown);
}

/* One change of a disk's files: a byte, its end, the whole file. */
static void damage_one(struct mem_env *disk, const uint8_t **data, size_t *size)
{
	unsigned n = mem_env_count_files(disk);
	unsigned file = (unsigned)fuzz_number(data, size, 1);
	unsigned how = (unsigned)fuzz_number(data, size, 1);
	uint64_t at = fuzz_number(data, size, 3);
	struct buf *b;

	if (n == 0)
		return;
	b = mem_env_file(disk, file % n);
	switch (how % 8) {
	case 0:
		b->len = (size_t)(at % b->len);
		break;
	case 1:
		mem_env_remove_file(disk, file % n);
		break;
	case 2:
		buf_put_zeros(b, (size_t)(at % 5000));
		FUZZ_REQUIRE(buf_error(b) == 0);
		break;
	case 3:
		memset(b->data, 0, b->len);
		break;
	default:
		b->data[at % b->len] ^= (uint8_t)(how | 1);
		break;
	}
}

static int ignore_device(void *arg, const struct vault_device *d)
{
	(void)arg;
	(void)d;
	return 0;
}

static void ignore_finding(void *arg, enum vault_finding kind, const char *what,
			   int err, const char *why)
{
	(void)arg;
	(void)kind;
	(void)err;
	FUZZ_REQUIRE(what && why);
}

/* Whatever it answers. */
static void care_for(struct vault *v)
{
	const struct vault_check_options check = {
		.read_data = true,
		.n_threads = 1,
		.finding = ignore_finding,
	};
	struct vault_check_result checked;
	struct vault_gc_result collected;
	struct vault_status status;
	int r = vault_check(v, &check, &checked);

	if (r == 0)
		r = vault_get_status(v, &status);
	if (r == 0)
		r = vault_each_device(v, ignore_device, NULL);
	if (r == 0)
		r = vault_gc(v, true, &collected);
	if (r == 0)
		r = vault_receive(v);
	(void)r;
}

/* Uses the damaged copy, and opens it once more. */
static void use_damaged(struct world *w, struct mem_env *disk,
			bool after_crash, bool no_state)
{
	struct vault *v = NULL;
	struct listing shown;

	for (unsigned i = 0; i < 2; i++) {
		int r = open_on(disk, no_state, &v);

		if (r < 0) {
			FUZZ_REQUIRE(disk->n_open == 0);
			return;
		}
		list_vault(v, &shown);
		judge_damaged(w, &shown, after_crash || no_state);
		care_for(v);
		list_vault(v, &shown);
		judge_damaged(w, &shown, after_crash || no_state);
		r = vault_close(v);
		(void)r;
		FUZZ_REQUIRE(disk->n_open == 0);
	}
}

void world_damage(struct world *w, bool after_crash, const uint8_t **data,
		  size_t *size)
{
	const unsigned how = (unsigned)fuzz_number(data, size, 1);
	struct mem_env copy;

	if (after_crash) {
		int r;

		w->disk.n_left = 0;
		r = vault_close(w->v);
		(void)r;
		w->v = NULL;
		mem_env_revive(&w->disk);
	} else if (!close_well(w)) {
		open_after_crash(w);
		return;
	}
	mem_env_init(&copy);
	mem_env_copy(&w->disk, &copy);
	for (unsigned i = 0; i <= how % 3; i++)
		damage_one(&copy, data, size);
	use_damaged(w, &copy, after_crash, how & 0x80);
	mem_env_release(&copy);
	if (after_crash) {
		open_after_crash(w);
	} else {
		open_well(w);
		world_compare(w);
	}
}

void world_flip(struct world *w, uint32_t where)
{
	unsigned n = mem_env_count_files(&w->disk);
	struct listing shown;
	struct buf *b;
	size_t at;

	/* What is still to be written needs its disk. */
	if (n == 0 || vault_publish(w->v) < 0)
		return;
	world_confirm(w);
	w->published = w->confirmed;
	n = mem_env_count_files(&w->disk);
	b = mem_env_file(&w->disk, where % n);
	at = (where >> 8) % b->len;
	b->data[at] ^= 1;
	w->is_damaged = true;
	list_vault(w->v, &shown);
	judge_damaged(w, &shown, false);
	b->data[at] ^= 1;
	/* What met it may remember. */
	world_crash(w);
	w->is_damaged = false;
}

/* ---------------------------------------------------------------- the whole */

void world_begin(struct world *w)
{
	stand_in_reset(1);
	diag_set_sink(getenv("FUZZ_LOUD") ? be_loud : be_silent);
	if (!first.root)
		make_first();
	stand_in_reset(2);
	memset(w, 0, sizeof(*w));
	mem_env_init(&w->disk);
	mem_env_copy(&first, &w->disk);
	model_init(&w->m);
	world_note(w);
	open_well(w);
}

void world_end(struct world *w)
{
	world_remount(w);
	if (close_well(w)) {
		mem_env_release(&w->disk);
	} else {
		open_after_crash(w);
		FUZZ_REQUIRE(close_well(w));
		mem_env_release(&w->disk);
	}
	model_release(&w->m);
	for (unsigned i = 0; i < w->n; i++)
		model_release(&w->states[i]);
}
