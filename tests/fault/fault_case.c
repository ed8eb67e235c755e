/* SPDX-License-Identifier: ISC */
#include "fault_case.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/buf.h"
#include "base/mem.h"
#include "commit_fixture.h"
#include "crypto/secret.h"
#include "tempdir.h"
#include "vault/care.h"
#include "vault/file.h"
#include "vault/slots.h"
#include "vault/tree.h"

#define PASSPHRASE "a passphrase of the tests"
#define OTHER_PASSPHRASE "another passphrase of the tests"

#define BIG_BYTES 150000u

/* The device that meets the faults; another one, on a good disk. */
static const struct device here = { .vault = "v", .state = "s",
				    .writer = 0xa1 };
static const struct device origin = { .vault = "v0", .state = "s0",
				      .writer = 0xa1 };
static const struct device other = { .vault = "v0", .state = "t0",
				     .writer = 0xb2 };

/* ---------------------------------------------------------------- trees */

static uint64_t add_bytes(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t add_contents(struct vault *v, uint64_t ino, uint64_t h)
{
	static uint8_t bytes[65536];
	uint64_t at = 0;
	ssize_t n;

	while ((n = vault_pread(v, ino, bytes, sizeof(bytes), at)) > 0) {
		h = add_bytes(h, bytes, (size_t)n);
		at += (uint64_t)n;
	}
	ck_assert_msg(n == 0, "a file cannot be read: %s", err_text((int)n));
	return h;
}

struct listing {
	struct {
		char name[256];
		uint64_t ino;
	} e[32];
	size_t n;
};

static int list_fn(void *arg, const struct vault_entry *e)
{
	struct listing *l = arg;

	ck_assert_uint_lt(l->n, 32);
	snprintf(l->e[l->n].name, sizeof(l->e[0].name), "%.*s",
		 (int)e->name.len, (const char *)e->name.bytes);
	l->e[l->n++].ino = e->ino;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static uint64_t digest_dir(struct vault *v, uint64_t dir, uint64_t h)
{
	struct listing l = { .n = 0 };
	char value[64];

	ck_assert_int_eq(vault_readdir(v, dir, 0, false, list_fn, &l), 0);
	qsort(l.e, l.n, sizeof(l.e[0]), by_name);
	for (size_t i = 0; i < l.n; i++) {
		struct vault_attr at;

		ck_assert_int_eq(vault_getattr(v, l.e[i].ino, &at), 0);
		h = add_bytes(h, l.e[i].name, strlen(l.e[i].name) + 1);
		h = add_bytes(h, &at.mode, sizeof(at.mode));
		h = add_bytes(h, &at.nlink, sizeof(at.nlink));
		h = add_bytes(h, &at.size, sizeof(at.size));
		ssize_t n = vault_getxattr(v, at.ino, "user.note", value,
					   sizeof(value));
		if (n > 0)
			h = add_bytes(h, value, (size_t)n);
		if (S_ISREG(at.mode))
			h = add_contents(v, at.ino, h);
		if (S_ISDIR(at.mode))
			h = digest_dir(v, at.ino, h);
		h = add_bytes(h, "/", 1);
	}
	return h;
}

static uint64_t digest(struct vault *v)
{
	return digest_dir(v, VAULT_ROOT_INO, UINT64_C(0xcbf29ce484222325));
}

/* ---------------------------------------------------------------- steps */

static struct vault_name named(const char *name)
{
	return (struct vault_name){ name, strlen(name) };
}

static int find(struct vault *v, const char *name, uint64_t *ret)
{
	struct vault_attr at;
	int r = vault_lookup(v, VAULT_ROOT_INO, named(name), &at);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = at.ino;
	return 0;
}

static int make(struct vault *v, const char *name, uint32_t mode)
{
	const struct vault_new what = { .mode = mode, .uid = 1000,
					.gid = 1000 };
	struct vault_attr at;

	return vault_make(v, VAULT_ROOT_INO, named(name), &what, false, &at);
}

static const uint8_t *big(void)
{
	static uint8_t bytes[BIG_BYTES];
	uint32_t x = 1;

	for (size_t i = 0; bytes[BIG_BYTES - 1] == 0 && i < BIG_BYTES; i++) {
		x = x * 1103515245 + 12345;
		bytes[i] = (uint8_t)(x >> 16 | 1);
	}
	return bytes;
}

static int write_to(struct vault *v, const char *name, const void *data,
		    size_t len, uint64_t offset)
{
	uint64_t ino = 0;
	int r = find(v, name, &ino);

	return r < 0 ? r : vault_write(v, ino, data, len, offset, 0);
}

static int step_make_new(struct vault *v)
{
	return make(v, "new", S_IFREG | 0644);
}

static int step_write_new(struct vault *v)
{
	return write_to(v, "new", big(), BIG_BYTES, 0);
}

static int step_fsync_new(struct vault *v)
{
	uint64_t ino = 0;
	int r = find(v, "new", &ino);

	return r < 0 ? r : vault_fsync(v, ino);
}

static int step_write_middle(struct vault *v)
{
	return write_to(v, "big", "in the middle", 13, 70000);
}

static int step_write_small(struct vault *v)
{
	return write_to(v, "small", "changed", 7, 3);
}

static int step_truncate(struct vault *v)
{
	const struct vault_attr size = { .size = 33333 };
	struct vault_attr at;
	uint64_t ino = 0;
	int r = find(v, "big", &ino);

	return r < 0 ? r : vault_setattr(v, ino, VAULT_SET_SIZE, &size, &at);
}

static int step_copy(struct vault *v)
{
	uint64_t from = 0, to = 0;
	ssize_t n;
	int r = find(v, "big", &from);

	if (r == 0)
		r = find(v, "small", &to);
	if (r < 0)
		return r;
	n = vault_copy_range(v, from, 1000, to, 100, 20000);
	return n < 0 ? (int)n : 0;
}

static int step_punch(struct vault *v)
{
	uint64_t ino = 0;
	int r = find(v, "big", &ino);

	return r < 0 ? r : vault_fallocate(v, ino,
					   VAULT_ALLOCATE_PUNCH |
						   VAULT_ALLOCATE_KEEP_SIZE,
					   5000, 20000);
}

static int step_sync(struct vault *v)
{
	return vault_sync(v);
}

static int step_publish(struct vault *v)
{
	return vault_publish(v);
}

static int step_receive(struct vault *v)
{
	return vault_receive(v);
}

static int step_rename_over(struct vault *v)
{
	return vault_rename(v, VAULT_ROOT_INO, named("small"), VAULT_ROOT_INO,
			    named("big"), 0);
}

static int step_unlink(struct vault *v)
{
	return vault_unlink(v, VAULT_ROOT_INO, named("small"));
}

static int step_unlink_big(struct vault *v)
{
	return vault_unlink(v, VAULT_ROOT_INO, named("big"));
}

static int step_mkdir(struct vault *v)
{
	return make(v, "folder", S_IFDIR | 0755);
}

static int step_link(struct vault *v)
{
	struct vault_attr at;
	uint64_t ino = 0;
	int r = find(v, "big", &ino);

	return r < 0 ? r : vault_link(v, ino, VAULT_ROOT_INO, named("link"),
				      &at);
}

static int step_xattr(struct vault *v)
{
	uint64_t ino = 0;
	int r = find(v, "small", &ino);

	return r < 0 ? r : vault_setxattr(v, ino, "user.note", "noted", 5, 0);
}

static int step_chmod(struct vault *v)
{
	const struct vault_attr mode = { .mode = 0600 };
	struct vault_attr at;
	uint64_t ino = 0;
	int r = find(v, "small", &ino);

	return r < 0 ? r : vault_setattr(v, ino, VAULT_SET_MODE, &mode, &at);
}

static int step_gc(struct vault *v)
{
	struct vault_gc_result result;

	return vault_gc(v, false, &result);
}

static int step_status(struct vault *v)
{
	struct vault_status status;

	return vault_get_status(v, &status);
}

static int step_check(struct vault *v)
{
	const struct vault_check_options opts = { .read_data = true,
						  .n_threads = 1 };
	struct vault_check_result result;

	return vault_check(v, &opts, &result);
}

static struct secret_buf other_pass;
static const struct vault_credential other_cred = { .passphrase = &other_pass };

static int step_key_add(struct vault *v)
{
	const struct vault_slot_new what = { .type = SLOT_PASSPHRASE };
	uint8_t name[SLOT_NAME_BYTES];

	return vault_slot_add(v, &what, &other_cred, NULL, name);
}

static int step_key_change(struct vault *v)
{
	return vault_slot_change(v, &other_cred);
}

struct slot_found {
	uint8_t name[SLOT_NAME_BYTES];
	bool any;
};

static int other_slot_fn(void *arg, const struct vault_slot *s)
{
	struct slot_found *f = arg;

	if (!s->is_current && !s->is_removed && s->error == 0) {
		memcpy(f->name, s->name, sizeof(f->name));
		f->any = true;
	}
	return 0;
}

static int step_key_remove(struct vault *v)
{
	struct slot_found f = { .any = false };
	int r = vault_each_slot(v, other_slot_fn, &f);

	if (r == 0 && !f.any)
		r = -ENOENT;
	return r < 0 ? r : vault_slot_remove(v, f.name);
}

/* ---------------------------------------------------------------- folders */

static void fill_vault(struct vault *v)
{
	ck_assert_int_eq(make(v, "big", S_IFREG | 0644), 0);
	ck_assert_int_eq(make(v, "small", S_IFREG | 0644), 0);
	ck_assert_int_eq(make(v, "mid", S_IFREG | 0644), 0);
	ck_assert_int_eq(write_to(v, "big", big(), 120000, 0), 0);
	ck_assert_int_eq(write_to(v, "small", "small text", 10, 0), 0);
	ck_assert_int_eq(write_to(v, "mid", big() + 7, 30000, 0), 0);
	make_dir(v, "dir");
}

static void set(struct secret_buf *s, const char *text)
{
	secret_buf_release(s);
	ck_assert_int_eq(secret_buf_append(s, text, strlen(text)), 0);
}

static void prepare_nothing(void)
{
	ck_assert_int_eq(crypto_start(), 0);
	remove_folder("v0");
	remove_folder("s0");
	remove_folder("t0");
}

static void prepare_closed(void)
{
	struct vault *v;

	prepare_nothing();
	ck_assert_int_eq(device_init(&origin), 0);
	v = device_open(&origin);
	fill_vault(v);
	device_close(v);
}

/* As a kill leaves it: a journal, a stage, nothing of it published. */
static void prepare_killed(void)
{
	struct device killed = origin;
	struct vault *v;

	prepare_closed();
	killed.killed = true;
	v = device_open(&killed);
	ck_assert_int_eq(step_make_new(v), 0);
	ck_assert_int_eq(step_write_new(v), 0);
	ck_assert_int_eq(step_write_small(v), 0);
	ck_assert_int_eq(vault_sync(v), 0);
	copy_folder("s0", "s-killed");
	copy_folder("v0", "v-killed");
	device_close(v);
	copy_folder("s-killed", "s0");
	copy_folder("v-killed", "v0");
}

/* Another device has published. */
static void prepare_received(void)
{
	struct vault *v;

	prepare_closed();
	v = device_open(&other);
	ck_assert_int_eq(step_make_new(v), 0);
	ck_assert_int_eq(step_write_new(v), 0);
	ck_assert_int_eq(step_unlink(v), 0);
	device_close(v);
}

static void prepare_garbage(void)
{
	struct vault *v;

	prepare_closed();
	v = device_open(&origin);
	ck_assert_int_eq(step_make_new(v), 0);
	ck_assert_int_eq(step_write_new(v), 0);
	ck_assert_int_eq(vault_publish(v), 0);
	device_close(v);
}

static void prepare_two_keys(void)
{
	struct vault *v;

	prepare_closed();
	set(&other_pass, OTHER_PASSPHRASE);
	v = device_open(&origin);
	ck_assert_int_eq(step_key_add(v), 0);
	device_close(v);
	secret_buf_release(&other_pass);
}

static int first_init(const struct vault_options *o,
		      const struct vault_credential *cred)
{
	const struct vault_init_options init = {
		.device_name = "first",
		.no_recovery = true,
		.uid = 1000,
		.gid = 1000,
	};

	return vault_init(o, &init, cred, NULL);
}

static int first_drop_index(const struct vault_options *o,
			    const struct vault_credential *cred)
{
	(void)cred;
	return vault_drop_index(o);
}

const struct scenario scenarios[] = {
	{ .name = "init", .prepare = prepare_nothing, .first = first_init,
	  .is_init = true },
	{ .name = "open", .prepare = prepare_closed,
	  .steps = { { step_status, false } } },
	{ .name = "recover", .prepare = prepare_killed,
	  .steps = { { step_status, false } } },
	{ .name = "write", .prepare = prepare_closed,
	  .steps = { { step_make_new, false }, { step_write_new, false },
		     { step_fsync_new, true }, { step_write_middle, false },
		     { step_sync, true }, { step_write_small, false } } },
	{ .name = "space", .prepare = prepare_closed,
	  .steps = { { step_truncate, false }, { step_sync, true },
		     { step_copy, false }, { step_sync, true },
		     { step_punch, false }, { step_sync, true } } },
	{ .name = "names", .prepare = prepare_closed,
	  .steps = { { step_mkdir, false }, { step_xattr, false },
		     { step_chmod, false }, { step_link, false },
		     { step_rename_over, false }, { step_sync, true } } },
	{ .name = "publish", .prepare = prepare_closed,
	  .steps = { { step_make_new, false }, { step_write_new, false },
		     { step_publish, true }, { step_unlink, false },
		     { step_publish, true } } },
	{ .name = "receive", .prepare = prepare_received,
	  .steps = { { step_mkdir, false }, { step_receive, true } } },
	{ .name = "gc", .prepare = prepare_garbage,
	  .steps = { { step_unlink_big, false }, { step_gc, true },
		     { step_gc, true } } },
	{ .name = "key add", .prepare = prepare_closed, .changes_keys = true,
	  .steps = { { step_key_add, false } } },
	{ .name = "key change", .prepare = prepare_closed, .changes_keys = true,
	  .steps = { { step_key_change, false } } },
	{ .name = "key remove", .prepare = prepare_two_keys,
	  .changes_keys = true, .steps = { { step_key_remove, false } } },
	{ .name = "rebuild", .prepare = prepare_closed,
	  .first = first_drop_index, .steps = { { step_status, false } } },
	{ .name = "check", .prepare = prepare_closed, .is_reading = true,
	  .steps = { { step_check, false } } },
};
const size_t n_scenarios = array_len(scenarios);

/* ---------------------------------------------------------------- running */

static uint64_t trees[SCENARIO_STEPS + 1]; /* after so many steps */
static unsigned n_trees;

void scenario_copy(const struct scenario *s)
{
	remove_folder("v");
	remove_folder("s");
	if (s->is_init)
		return;
	copy_folder("v0", "v");
	copy_folder("s0", "s");
}

void scenario_arm(struct run *r)
{
	set(&r->pass, PASSPHRASE);
	set(&other_pass, OTHER_PASSPHRASE);
	r->cred.passphrase = &r->pass;
	(void)big();
}

void scenario_disarm(struct run *r)
{
	secret_buf_release(&r->pass);
	secret_buf_release(&other_pass);
}

int scenario_open(struct run *r, struct env *env)
{
	struct device d = here;
	const char *what;
	int e = 0;

	d.env = env;
	d.read_only = r->s->is_reading;
	device_options(&d, &r->opts);
	if (r->s->first)
		e = r->s->first(&r->opts, &r->cred);
	if (e < 0 || r->s->is_init)
		return e;
	return vault_open(&r->opts, &r->cred, &what, &r->v);
}

void scenario_prepare(const struct scenario *s)
{
	struct run r = { .s = s };

	s->prepare();
	n_trees = 0;
	if (s->is_init)
		return;
	scenario_copy(s);
	scenario_arm(&r);
	ck_assert_int_eq(scenario_open(&r, NULL), 0);
	trees[n_trees++] = digest(r.v);
	for (unsigned i = 0; s->steps[i].fn; i++) {
		ck_assert_msg(s->steps[i].fn(r.v) == 0, "%s: step %u", s->name,
			      i);
		trees[n_trees++] = digest(r.v);
	}
	device_close(r.v);
	scenario_disarm(&r);
}

/* ---------------------------------------------------------------- judging */

static const char *judged; /* what is being judged */

static void found(void *arg, enum vault_finding kind, const char *what, int err,
		  const char *why)
{
	(void)arg;
	(void)err;
	if (kind == VAULT_FINDING_DAMAGE)
		ck_abort_msg("%s: %s: %s", judged, what, why);
}

static void check_clean(struct vault *v)
{
	const struct vault_check_options opts = {
		.read_data = true,
		.finding = found,
	};
	struct vault_check_result result;

	ck_assert_int_eq(vault_check(v, &opts, &result), 0);
}

/* After the step confirmed last, or after a later one that was begun: what
 * failed may have been done. */
static void check_tree(const struct run *r, struct vault *v)
{
	uint64_t now = digest(v);
	unsigned last = r->is_closed_well || r->begun > n_trees - 1 ?
				n_trees - 1 : r->begun;

	for (unsigned i = r->confirmed; i <= last; i++)
		if (trees[i] == now)
			return;
	ck_abort_msg("%s: a tree it never had after step %u (%u confirmed)",
		     judged, r->begun, r->confirmed);
}

static bool opens_with(const char *text)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	struct vault_options o;

	set(&pass, text);
	device_options(&here, &o);
	return vault_test_credential(&o, &cred) == 0;
}

/* The old passphrase or the new one opens; one that was not added does not;
 * after success it is as it was asked for. */
static void judge_keys(const struct run *r)
{
	bool old = opens_with(PASSPHRASE), new = opens_with(OTHER_PASSPHRASE);

	ck_assert_msg(old || new, "%s: nothing opens it", judged);
	if (strcmp(r->s->name, "key add") == 0) {
		ck_assert_msg(old, "%s: the old one was lost", judged);
		if (r->err == 0)
			ck_assert_msg(new, "%s: not added", judged);
	} else if (strcmp(r->s->name, "key change") == 0 && r->err == 0) {
		ck_assert_msg(new && !old, "%s: not changed", judged);
	} else if (strcmp(r->s->name, "key remove") == 0) {
		ck_assert_msg(old, "%s: the wrong one was removed", judged);
		if (r->err == 0)
			ck_assert_msg(!new, "%s: not removed", judged);
	}
}

static struct vault *open_again(struct device d, bool is_changing)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	struct vault_options o;
	struct vault *v = NULL;
	const char *what = "";
	int r;

	/* Where a change ended half way both open it: the old one read-only if
	 * its removal is in the log. */
	set(&pass, is_changing && opens_with(OTHER_PASSPHRASE) ?
			   OTHER_PASSPHRASE : PASSPHRASE);
	device_options(&d, &o);
	r = vault_open(&o, &cred, &what, &v);
	ck_assert_msg(r == 0, "%s: opening again: %s: %s", judged, what,
		      err_text(r));
	ck_assert_msg(!vault_is_read_only(v) || d.no_state,
		      "%s: opens read-only: %s", judged,
		      vault_read_only_reason(v));
	return v;
}

static void judge_init(const struct run *r, bool could_tidy)
{
	struct vault *v;

	if (r->err < 0 && !could_tidy) {
		remove_folder("v");
		remove_folder("s");
	}
	if (r->err < 0) {
		/* Nothing is left; it can be made now. */
		ck_assert_msg(count_files("v", "", NULL, 0) == 0,
			      "%s: files of a vault that failed", judged);
		ck_assert_msg(device_init(&here) == 0, "%s: making it again",
			      judged);
	}
	v = open_again(here, false);
	check_clean(v);
	device_close(v);
}

void scenario_judge(struct run *r, int mode, bool is_for_good,
		    unsigned long nth)
{
	static char text[128];
	bool is_changing = strcmp(r->s->name, "key change") == 0;
	struct device reader = here;
	struct vault *v;

	snprintf(text, sizeof(text), "%s, mode %d, fault %lu", r->s->name,
		 mode, nth);
	judged = text;
	if (r->s->is_init) {
		judge_init(r, !is_for_good);
		return;
	}
	if (r->s->changes_keys)
		judge_keys(r);
	v = open_again(here, is_changing);
	check_tree(r, v);
	check_clean(v);
	/* And it is of use. */
	put_file(v, "after", "all");
	device_close(v);
	/* As another machine sees it. */
	if (nth % 2)
		return;
	reader.no_state = true;
	v = open_again(reader, is_changing);
	ck_assert_msg(has_text(v, "after", "all"), "%s: not published", judged);
	check_clean(v);
	device_close(v);
}
