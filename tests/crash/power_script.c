/* SPDX-License-Identifier: ISC */
#include "power_script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/diag.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "power_tree.h"
#include "vault/care.h"
#include "vault/file.h"
#include "vault/slots.h"
#include "vault/tree.h"

struct power_run g;

static struct vault *live;
static struct model model;
static unsigned n_others; /* files the other device made */

/* ---------------------------------------------------------------- random */

static uint64_t rng_state;

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
 * Generators, OOPSLA 2014). */
static uint32_t pick(uint32_t below)
{
	uint64_t z = rng_state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return (uint32_t)((z ^ z >> 31) >> 32) % below;
}

/* What was said last, for whoever looks for the cause. */
static char last_lines[8][256];
static unsigned n_lines;

static void keep_line(enum diag_level level, const char *line)
{
	if (level <= DIAG_WARNING)
		snprintf(last_lines[n_lines++ % 8], sizeof(last_lines[0]), "%s",
			 line);
}

void power_tell_lines(void)
{
	for (unsigned k = n_lines > 8 ? n_lines - 8 : 0; k < n_lines; k++)
		fprintf(stderr, "  %s\n", last_lines[k % 8]);
}

void power_must(int r, const char *what)
{
	if (r < 0)
		power_tell_lines();
	if (r < 0)
		power_die("seed %" PRIu64 ": %s: %s", g.seed, what,
			  err_text(r));
}

const char *power_path(const char *name)
{
	static char paths[64][512];
	static unsigned next;
	char *p = paths[next++ % 64];

	snprintf(p, 512, "%s/%s", g.base, name);
	return p;
}

/* ---------------------------------------------------------------- opening */

void power_pass_text(unsigned n, char to[static 32])
{
	snprintf(to, 32, "passphrase %u", n);
}

static void set_pass(struct secret_buf *s, unsigned n)
{
	char text[32];

	power_pass_text(n, text);
	power_must(secret_buf_append(s, text, strlen(text)), "memory");
}

/* The last few options keep their paths, however many others are asked for. */
struct vault_options power_options(const char *vault, const char *state,
				   struct env *env)
{
	static char paths[8][2][512];
	static unsigned next;
	char(*p)[512] = paths[next++ % 8];

	snprintf(p[0], sizeof(p[0]), "%s", vault);
	snprintf(p[1], sizeof(p[1]), "%s", state ? state : "");
	return (struct vault_options){
		.env = env,
		.path = p[0],
		.state_path = state ? p[1] : NULL,
		.no_state = !state,
		.read_only = !state,
		.cache_bytes = (size_t)2 << 20,
		.dirty_bytes = (size_t)8 << 20,
		.index_bytes = (size_t)1 << 20,
		.n_workers = 1,
		.test_weak_kdf = true,
		.test_repack_small = true,
	};
}

int power_open(const struct vault_options *o, unsigned pass, struct vault **ret)
{
	auto_secret_buf struct secret_buf s = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &s };
	const char *what = "";

	set_pass(&s, pass);
	int r = vault_open(o, &cred, &what, ret);
	if (r < 0)
		diag_err(DIAG_WARNING, r, "opening %s: %s", o->path, what);
	return r;
}

static struct vault_options live_options(void)
{
	return power_options(power_path("live/vault"), power_path("live/state"),
			     &g.power.env);
}

static void open_live(bool killed)
{
	struct vault_options o = live_options();

	o.test_no_checkpoint = killed;
	power_must(power_open(&o, g.pass, &live), "opening");
	if (vault_is_read_only(live))
		power_die("read-only: %s", vault_read_only_reason(live));
}

/* ---------------------------------------------------------------- states */

static void push_state(void)
{
	if (g.n_states == POWER_STATES_MAX)
		power_die("too many states");
	g.states[g.n_states++] = model_text(&model);
}

static void confirm(bool published)
{
	g.lower = g.n_states - 1;
	if (published)
		g.published = g.lower;
}

/* The live folder is as the model says. */
static void check_live(void)
{
	char *is = model_text_of(live);

	if (strcmp(is, g.states[g.n_states - 1]) != 0)
		power_die("seed %" PRIu64 ": the folder is\n%sand not\n%s",
			  g.seed, is, g.states[g.n_states - 1]);
	free(is);
}

/* ---------------------------------------------------------------- calls */

static struct vault_name last_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return (struct vault_name){ name, strlen(name) };
}

static uint64_t ino_of(const char *path)
{
	struct vault_attr at;

	if (vault_walk(live, path, &at) != 1)
		power_die("%s is not there", path);
	return at.ino;
}

static uint64_t parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char above[32];

	if (!slash)
		return VAULT_ROOT_INO;
	snprintf(above, sizeof(above), "%.*s", (int)(slash - path), path);
	return ino_of(above);
}

static void make(const char *path, bool is_dir)
{
	const struct vault_new what = {
		.mode = is_dir ? S_IFDIR | 0755 : S_IFREG | 0644,
	};
	struct vault_attr at;

	if (!model_add(&model, path, is_dir))
		return;
	power_must(vault_make(live, parent_of(path), last_of(path), &what,
			      false, &at),
		   "making");
	push_state();
}

static void write_some(struct model_item *i)
{
	static const size_t sizes[] = { 10, 700, 3000, 70000, 150000, 300000 };
	size_t len = sizes[pick(array_len(sizes))];
	size_t at = pick(3) ? 0 : pick((uint32_t)i->len + 5000);

	if (at + len > MODEL_FILE_MAX)
		at = 0;
	for (size_t k = 0; k < len; k += 4) {
		uint32_t word = pick(UINT32_MAX);

		memcpy(i->data + at + k, &word, len - k < 4 ? len - k : 4);
	}
	if (at + len > i->len)
		i->len = at + len;
	power_must(vault_write(live, ino_of(i->path), i->data + at, len, at, 0),
		   "writing");
	push_state();
}

static void cut_short(struct model_item *i)
{
	const struct vault_attr to = { .size = pick((uint32_t)i->len + 1) };
	struct vault_attr at;

	memset(i->data + to.size, 0, i->len - to.size);
	i->len = to.size;
	power_must(vault_setattr(live, ino_of(i->path), VAULT_SET_SIZE, &to,
				 &at),
		   "truncating");
	push_state();
}

static void remove_item(struct model_item *i)
{
	char path[24];

	memcpy(path, i->path, sizeof(path));
	if (i->is_dir && !model_is_empty_dir(&model, path))
		return;
	if (i->is_dir)
		power_must(vault_rmdir(live, parent_of(path), last_of(path)),
			   "removing");
	else
		power_must(vault_unlink(live, parent_of(path), last_of(path)),
			   "removing");
	model_remove(&model, path);
	push_state();
}

/* A name for a file: one of few, so that they meet. */
static void draw_path(char to[static 24])
{
	char dir[8];

	snprintf(dir, sizeof(dir), "d%u", pick(2));
	if (pick(3) == 0 && model_find(&model, dir))
		snprintf(to, 24, "%s/f%u", dir, pick(4));
	else
		snprintf(to, 24, "f%u", pick(8));
}

static struct model_item *some_file(void)
{
	for (unsigned tries = 0; model.n && tries < 8; tries++) {
		struct model_item *i = &model.items[pick(model.n)];

		if (!i->is_dir)
			return i;
	}
	return NULL;
}

static void rename_some(void)
{
	struct model_item *i = some_file();
	char from[24], to[24];

	draw_path(to);
	if (!i || strcmp(i->path, to) == 0)
		return;
	memcpy(from, i->path, sizeof(from));
	power_must(vault_rename(live, parent_of(from), last_of(from),
				parent_of(to), last_of(to), 0),
		   "renaming");
	model_rename(&model, from, to);
	push_state();
}

static void write_a_file(void)
{
	struct model_item *i;
	char path[24];

	draw_path(path);
	i = model_find(&model, path);
	if (!i) {
		make(path, false);
		i = model_find(&model, path);
	}
	if (i)
		write_some(i);
}

static void make_a_folder(void)
{
	char path[8];

	snprintf(path, sizeof(path), "d%u", pick(2));
	if (!model_find(&model, path))
		make(path, true);
}

static void change_something(void)
{
	struct model_item *i;

	switch (pick(8)) {
	case 0:
		make_a_folder();
		break;
	case 1:
		rename_some();
		break;
	case 2:
		if (model.n)
			remove_item(&model.items[pick(model.n)]);
		break;
	case 3:
		i = some_file();
		if (i)
			cut_short(i);
		break;
	default:
		write_a_file();
	}
}

/* ---------------------------------------------------------------- steps */

static void sync_all(void)
{
	power_must(vault_sync(live), "sync");
	confirm(false);
}

/* One file's fsync: of what is new there is nothing else, so that all of it is
 * confirmed. */
static void sync_one(void)
{
	struct model_item *i;

	write_a_file();
	sync_all();
	i = some_file();
	if (!i)
		return;
	write_some(i);
	power_must(vault_fsync(live, ino_of(i->path)), "fsync");
	confirm(false);
}

static void publish(void)
{
	power_must(vault_publish(live), "publishing");
	confirm(true);
}

static void close_live(void)
{
	struct vault *v = live;

	live = NULL;
	power_must(vault_close(v), "closing");
	confirm(true);
}

static void reopen(void)
{
	close_live();
	open_live(false);
	check_live();
}

static void kill_and_reopen(void)
{
	struct vault *v;

	close_live();
	open_live(true);
	change_something();
	change_something();
	sync_all();
	v = live;
	live = NULL;
	power_must(vault_close(v), "ending");
	open_live(false);
	check_live();
}

static void rebuild(void)
{
	struct vault_options o = live_options();

	close_live();
	power_must(vault_drop_index(&o), "dropping the index");
	open_live(false);
	check_live();
}

static void collect(void)
{
	struct vault_gc_result result;

	power_must(vault_gc(live, false, &result), "collecting");
	confirm(true);
}

/* What is made of the log must not be half there when it is read from. */
static void snapshot(void)
{
	int r = vault_snapshot(live);

	power_must(r < 0 ? r : 0, "making a snapshot");
	confirm(true);
}

static void change_key(void)
{
	auto_secret_buf struct secret_buf s = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &s };

	g.pass_upper = g.pass + 1;
	set_pass(&s, g.pass_upper);
	power_must(vault_slot_change(live, &cred), "changing the passphrase");
	g.pass = g.pass_upper;
	confirm(true);
}

/* A slot more, and away again. */
static void add_key(void)
{
	const struct vault_slot_new what = { .type = SLOT_RECOVERY };
	struct secret_buf words = SECRET_BUF_INIT;
	uint8_t name[SLOT_NAME_BYTES];

	power_must(vault_slot_add(live, &what, NULL, &words, name),
		   "adding a key");
	secret_buf_release(&words);
	confirm(true);
	power_must(vault_slot_remove(live, name), "removing a key");
	confirm(true);
}

/* ---------------------------------------------------------------- another device */

static void make_as_other(struct vault *w, const char *name)
{
	const struct vault_new what = { .mode = S_IFREG | 0644 };
	struct model_item *i = model_add(&model, name, false);
	struct vault_attr at;

	if (!i)
		power_die("no room for what the other device makes");
	power_must(vault_make(w, VAULT_ROOT_INO, last_of(name), &what, false,
			      &at),
		   "making as another device");
	power_must(vault_write(w, at.ino, name, strlen(name), 0, 0),
		   "writing as another device");
	i->len = strlen(name);
	memcpy(i->data, name, i->len);
}

static void change_as_other(struct vault *w, struct model_item *i)
{
	struct vault_attr at;

	if (vault_walk(w, i->path, &at) != 1)
		power_die("%s did not get there", i->path);
	power_must(vault_write(w, at.ino, "again", 5, 0, 0),
		   "writing as another device");
	memcpy(i->data, "again", 5);
	i->len = max_of(i->len, 5u);
}

/* Another device does something; a sync tool brings it. */
static void receive(void)
{
	struct model_item *i = some_file();
	struct vault_options o;
	struct vault *w = NULL;
	char name[24];

	publish();
	power_tree_copy(power_path("live/vault"), power_path("other/vault"));
	o = power_options(power_path("other/vault"), power_path("other/state"),
			  g.calm);
	power_must(power_open(&o, g.pass, &w), "opening as another device");
	snprintf(name, sizeof(name), "b%u", n_others++);
	make_as_other(w, name);
	if (i && pick(2))
		change_as_other(w, i);
	power_must(vault_close(w), "closing as another device");
	power_tree_copy(power_path("other/vault"), power_path("live/vault"));
	power_env_adopt(&g.power);
	push_state();
	confirm(true);
	power_must(vault_receive(live), "receiving");
	check_live();
}

/* ---------------------------------------------------------------- scripts */

static int init_in(const char *vault, const char *state, struct env *env)
{
	const struct vault_init_options init = { .device_name = "first",
						 .no_recovery = true };
	auto_secret_buf struct secret_buf s = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &s };
	struct vault_options o = power_options(vault, state, env);

	o.read_only = false;
	set_pass(&s, 0);
	return vault_init(&o, &init, &cred, NULL);
}

void power_script_init(const char *base, uint64_t seed)
{
	g.seed = rng_state = seed;
	snprintf(g.base, sizeof(g.base), "%s", base);
	g.calm = power_calm_env();
	diag_set_sink(keep_line);
	power_must(crypto_start(), "crypto");
}

static void begin(void)
{
	power_must(mkdir(power_path("live"), 0700), "making a folder");
	g.lower = g.published = -1;
	push_state();
	power_record(power_path("live"));
	power_must(init_in(power_path("live/vault"), power_path("live/state"),
			   &g.power.env),
		   "making a vault");
	confirm(true);
	open_live(false);
}

static void play(void (*const *steps)(void), unsigned n_steps,
		 unsigned n_rounds, unsigned n_changes)
{
	begin();
	for (unsigned round = 0; round < n_rounds; round++) {
		for (unsigned n = pick(n_changes + 1); n > 0; n--)
			change_something();
		steps[round < n_steps ? round : pick(n_steps)]();
	}
	close_live();
}

/* One device alone: it collects, too. */
void power_script_alone(void)
{
	static void (*const steps[])(void) = {
		sync_all, sync_one, publish, publish, collect, reopen,
		kill_and_reopen, change_key, snapshot, rebuild, add_key,
	};

	play(steps, array_len(steps), 14, 5);
}

void power_script_two(void)
{
	static void (*const steps[])(void) = {
		receive, sync_all, receive, snapshot, reopen, receive,
		publish, kill_and_reopen, receive, rebuild, receive,
	};

	play(steps, array_len(steps), 12, 4);
}

void power_script_end(void)
{
	model_release(&model);
	for (int i = 0; i < g.n_states; i++)
		free(g.states[i]);
}
