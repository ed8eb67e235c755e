/* SPDX-License-Identifier: ISC */
/*
 * The argument for collecting garbage (vault-format/10-ordering.md, Acknowledging
 * and collecting), played: two to four devices of the real thing change, rename
 * and remove files, publish, receive late, in part and twice, join from old
 * copies of the folder, retire each other, collect and repack.  What a device
 * removes is gone for all at once.  After every step each chunk that a device
 * shows stands in some file; in the end, when everybody knows everything, all
 * show the same, no dead pack is left, and whoever opens the folder reads it
 * all.
 *
 * COFFER_TEST_COLLECT: how many schedules (10); COFFER_TEST_SEED: the first.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "../unit/commit_fixture.h"
#include "../unit/scale.h"
#include "../unit/tempdir.h"
#include "base/hex.h"
#include "base/mem.h"
#include "vault/care.h"
#include "vault/core.h"
#include "vault/file.h"
#include "vault/log/apply.h"
#include "vault/log/commit_priv.h"
#include "vault/packs/packs.h"

#define MAX 4
#define N_NAMES 6
#define STEPS 80u
#define FILE_MOST 160000u

static struct node_of {
	struct device d;
	char vault[16], state[16];
	struct vault *v; /* NULL: not there yet */
	bool is_retired;
} dev[MAX];

static unsigned n_dev;
static uint64_t seed, serial;
static unsigned step_no;
static const char *step_name = "start";

static unsigned pick(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((seed >> 33) % n);
}

static void path_of(const char *folder, const char *rest, char to[static 512])
{
	snprintf(to, 512, "%s/%s%s", tempdir_path(), folder, rest);
}

/* ---------------------------------------------------------------- the folder */

static void copy_if_absent(const char *from, const char *to)
{
	static uint8_t data[1 << 20];
	FILE *a = fopen(from, "r"), *b;
	size_t n;

	if (!a || access(to, F_OK) == 0) {
		if (a)
			fclose(a);
		return;
	}
	b = fopen(to, "w");
	ck_assert_ptr_nonnull(b);
	while ((n = fread(data, 1, sizeof(data), a)) > 0)
		ck_assert_uint_eq(fwrite(data, 1, n, b), n);
	ck_assert_int_eq(fclose(b), 0);
	fclose(a);
}

/* Files of `from` that `to` lacks; of each one in `odds` is left for later. */
static void copy_files(const char *from, const char *to, unsigned odds)
{
	DIR *dir = opendir(from);
	struct dirent *e;

	if (!dir)
		return;
	(void)mkdir(to, 0700);
	while ((e = readdir(dir))) {
		char a[1024], b[1024];
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		snprintf(a, sizeof(a), "%s/%s", from, e->d_name);
		snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
		if (stat(a, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			copy_files(a, b, odds);
		else if (!odds || pick(odds))
			copy_if_absent(a, b);
	}
	closedir(dir);
}

/* One writer's segments come from any copy, its packs from its own: that one
 * knows what there is no more. */
static void carry(int from, int to, int writer, bool logs, bool packs,
		  unsigned odds)
{
	char part[64], a[512], b[512];

	snprintf(part, sizeof(part), "/w/%016" PRIx64, dev[writer].d.writer);
	path_of(dev[from].vault, part, a);
	path_of(dev[to].vault, part, b);
	if (access(a, F_OK) < 0)
		return;
	(void)mkdir(b, 0700);
	snprintf(part, sizeof(part), "/w/%016" PRIx64 "/l",
		 dev[writer].d.writer);
	path_of(dev[from].vault, part, a);
	path_of(dev[to].vault, part, b);
	if (logs)
		copy_files(a, b, odds);
	strcpy(strrchr(part, '/'), "/d");
	path_of(dev[writer].vault, part, a);
	path_of(dev[to].vault, part, b);
	if (packs)
		copy_files(a, b, odds);
}

static void deliver(int from, int to, bool logs, bool packs, unsigned odds)
{
	for (unsigned w = 0; w < n_dev; w++)
		if ((int)w != to)
			carry(from, to, (int)w, logs, packs, odds);
}

/* What its writer removed goes everywhere. */
static void remove_below(const char *own, const char *copy)
{
	DIR *dir = opendir(copy);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char a[1024], b[1024];
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		snprintf(a, sizeof(a), "%s/%s", own, e->d_name);
		snprintf(b, sizeof(b), "%s/%s", copy, e->d_name);
		if (stat(b, &st) == 0 && S_ISDIR(st.st_mode))
			remove_below(a, b);
		else if (access(a, F_OK) < 0)
			(void)unlink(b);
	}
	if (dir)
		closedir(dir);
}

static void spread_removals(int writer)
{
	char part[64], a[512], b[512];

	snprintf(part, sizeof(part), "/w/%016" PRIx64 "/d",
		 dev[writer].d.writer);
	path_of(dev[writer].vault, part, a);
	for (unsigned i = 0; i < n_dev; i++) {
		path_of(dev[i].vault, part, b);
		if ((int)i != writer)
			remove_below(a, b);
	}
}

/* ---------------------------------------------------------------- the promise */

static bool stands(uint64_t writer, const uint8_t *name)
{
	char hex[2 * PACK_NAME_BYTES + 1], part[128], path[512];

	hex_encode(name, PACK_NAME_BYTES, hex);
	snprintf(part, sizeof(part), "/w/%016" PRIx64 "/d/%.2s/%s", writer,
		 hex, hex);
	for (unsigned i = 0; i < n_dev; i++) {
		path_of(dev[i].vault, part, path);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

struct looking {
	struct vault *v;
	struct buf chunks;
};

static int note_chunk(void *arg, uint64_t ino, const struct index_extent *e)
{
	struct looking *l = arg;

	(void)ino;
	if (e->kind == EXTENT_CHUNK)
		buf_put_u64(&l->chunks, e->chunk);
	return buf_error(&l->chunks);
}

static bool is_lost(struct vault *v, uint64_t chunk)
{
	struct index_chunk c, other;
	struct index_pack p;

	ck_assert_int_eq(index_chunk_get(v->index, chunk, &c), 1);
	if (c.pack && index_pack_get(v->index, c.pack, &p) == 1 &&
	    (p.is_stage || stands(p.writer, p.name)))
		return false;
	for (unsigned n = 0; packs_other_place(v, &c.id, n, &other, &p) == 1;
	     n++)
		if (p.is_stage || stands(p.writer, p.name))
			return false;
	return !content_names_chunk(v, chunk);
}

/* Is all that a device shows, and all it keeps for what is open, somewhere? */
static bool is_whole(int i)
{
	struct looking l = { .v = dev[i].v, .chunks = BUF_INIT(1 << 26) };
	bool yes = true;

	lock_take(&l.v->index_lock);
	ck_assert_int_eq(index_extent_all(l.v->index, note_chunk, &l), 0);
	for (size_t at = 0; yes && at < l.chunks.len; at += 8)
		yes = !is_lost(l.v, le64_get(l.chunks.data + at));
	lock_drop(&l.v->index_lock);
	buf_release(&l.chunks);
	return yes;
}

/* Who is not admitted may find what went before it came: that is no loss to
 * the others (Joining). */
static void check_all(void)
{
	for (unsigned i = 0; i < n_dev; i++)
		if (!dev[i].is_retired && !dev[i].v->is_joining &&
		    !is_whole((int)i))
			ck_abort_msg("step %u, %s: device %u lost a chunk",
				     step_no, step_name, i);
}

/* ---------------------------------------------------------------- devices */

static void add(const char *copy_of)
{
	struct node_of *n = &dev[n_dev];
	char to[512], from[512];

	snprintf(n->vault, sizeof(n->vault), "vault-%u", n_dev);
	snprintf(n->state, sizeof(n->state), "state-%u", n_dev);
	n->d = (struct device){ n->vault, n->state, 0xa1 + n_dev, NULL,
				false, false, false, false };
	n->is_retired = false;
	if (n_dev == 0) {
		ck_assert_int_eq(device_init(&n->d), 0);
	} else {
		path_of(copy_of, "", from);
		path_of(n->vault, "", to);
		copy_files(from, to, 0);
	}
	n->v = device_open(&n->d);
	n_dev++;
}

static int pick_live(void)
{
	int i = (int)pick(n_dev);

	for (unsigned n = 0; n < n_dev && dev[i].is_retired; n++)
		i = (i + 1) % (int)n_dev;
	return i;
}

static void acknowledge(int i)
{
	struct commit *c = dev[i].v->commit;

	commit_enter_busy(c);
	c->wants_ack = true;
	ck_assert_int_eq(publish_pending(c), 0);
	commit_leave_busy(c);
}

static void receive(int i)
{
	ck_assert_int_eq(vault_receive(dev[i].v), 0);
}

static void collect(int i)
{
	struct vault_gc_result g;

	ck_assert_int_eq(vault_gc(dev[i].v, false, &g), 0);
	spread_removals(i);
}

/* Everything to everybody, said and heard. */
static void settle(unsigned rounds)
{
	while (rounds--) {
		for (unsigned i = 0; i < n_dev; i++)
			if (!dev[i].is_retired) {
				ck_assert_int_eq(vault_publish(dev[i].v), 0);
				acknowledge((int)i);
			}
		for (unsigned i = 0; i < n_dev; i++)
			for (unsigned k = 0; k < n_dev; k++)
				if (i != k && !dev[k].is_retired) {
					deliver((int)i, (int)k, true, true, 0);
					receive((int)k);
				}
	}
}

static bool all_admitted(void)
{
	for (unsigned i = 0; i < n_dev; i++)
		if (!dev[i].is_retired && dev[i].v->is_joining)
			return false;
	return true;
}

/* It takes over all the other had, which is not used any more. */
static void retire(int by, int whom)
{
	struct op op = { .type = OP_DEVICE_RETIRE };

	ck_assert_int_eq(vault_publish(dev[whom].v), 0);
	for (unsigned k = 0; k < n_dev; k++)
		if (!dev[k].is_retired && (int)k != whom) {
			deliver(whom, (int)k, true, true, 0);
			receive((int)k);
		}
	op.device.writer = dev[whom].d.writer;
	ck_assert_int_eq(core_enter(dev[by].v, true), 0);
	ck_assert_int_eq(apply_new(dev[by].v, &op), 0);
	core_leave(dev[by].v);
	dev[whom].is_retired = true;
}

/* ---------------------------------------------------------------- calls */

static char *a_name(void)
{
	static char names[4][8];
	static unsigned next;
	char *to = names[next++ % 4];

	snprintf(to, 8, "f%u", pick(N_NAMES));
	return to;
}

static void write_some(struct vault *v, const char *name)
{
	static uint8_t data[4096];
	struct vault_attr at;

	if (vault_lookup(v, VAULT_ROOT_INO,
			 (struct vault_name){ name, strlen(name) }, &at) != 1)
		return;
	memset(data, (int)++serial, sizeof(data));
	ck_assert_int_eq(vault_write(v, at.ino, data, sizeof(data),
				     pick(FILE_MOST), 0),
			 0);
}

static void change_one(int i)
{
	static const unsigned sizes[] = { 3000, 40000, 90000, FILE_MOST };
	struct vault *v = dev[i].v;
	const char *name = a_name(), *other = a_name();

	switch (pick(8)) {
	case 0:
	case 1:
		put_bytes(v, name, pick(3) ? (uint32_t)++serial : 1,
			  sizes[pick(4)]);
		break;
	case 2:
	case 3:
	case 4:
		if (has_name(v, name))
			remove_name(v, name);
		break;
	case 5:
	case 6:
		if (has_name(v, name))
			rename_name(v, name, other);
		break;
	default:
		if (!v->is_joining)
			write_some(v, name);
	}
}

/*
 * Who joined by itself with an old copy may show what all others have deleted
 * and collected.  What it keeps by a change it stores again; what it cannot read
 * it cannot store, and others may be shown a name without contents then.  That
 * is no loss, and not played here; nor that bytes go between a change and its
 * publishing.
 */
static void change(int i)
{
	if (dev[i].v->is_joining && !is_whole(i))
		return;
	for (unsigned n = 1 + pick(3); n > 0; n--)
		change_one(i);
	ck_assert_int_eq(vault_sync(dev[i].v), 0);
	if (dev[i].v->is_joining)
		ck_assert_int_eq(vault_publish(dev[i].v), 0);
}

static void any_step(void)
{
	int i = pick_live(), k = pick_live();
	unsigned what = pick(100);

	if (what < 34) {
		step_name = "change";
		change(i);
	} else if (what < 44) {
		step_name = "publish";
		ck_assert_int_eq(vault_publish(dev[i].v), 0);
	} else if (what < 58) {
		step_name = "acknowledge";
		acknowledge(i);
	} else if (what < 76 && i != k) {
		step_name = "receive";
		ck_assert_int_eq(vault_publish(dev[k].v), 0);
		deliver(k, i, pick(4), pick(3), pick(3) ? 0 : 2);
		receive(i);
	} else if (what < 95) {
		step_name = "collect";
		collect(i);
	} else if (what < 98 && n_dev < MAX) {
		step_name = "join";
		add(pick(2) ? "old" : dev[i].vault);
	} else if (what < 99) {
		step_name = "copy";
		remove_folder("old");
		copy_folder(dev[i].vault, "old");
	} else if (i != k && n_dev > 2 && all_admitted()) {
		step_name = "retire";
		retire(i, k);
	}
}

/* ---------------------------------------------------------------- the end */

static void check_same(struct vault *v, struct vault *w)
{
	static uint8_t a[FILE_MOST + 4096], b[FILE_MOST + 4096];

	for (unsigned n = 0; n < N_NAMES; n++) {
		char name[8];
		struct vault_attr x, y;

		snprintf(name, sizeof(name), "f%u", n);
		const struct vault_name is = { name, strlen(name) };
		int r = vault_lookup(v, VAULT_ROOT_INO, is, &x);

		ck_assert_int_eq(r, vault_lookup(w, VAULT_ROOT_INO, is, &y));
		if (r != 1)
			continue;
		ck_assert_uint_eq(x.size, y.size);
		ck_assert_int_eq(vault_pread(v, x.ino, a, sizeof(a), 0),
				 (ssize_t)x.size);
		ck_assert_int_eq(vault_pread(w, y.ino, b, sizeof(b), 0),
				 (ssize_t)x.size);
		ck_assert_mem_eq(a, b, x.size);
	}
}

/* Who joined late reads what others deleted before only if it is there. */
static void finish(void)
{
	struct device reader = { "all", "none", 0, NULL,
				 true, true, false, false };
	struct vault_gc_result g;
	int first = pick_live();
	struct vault *r;

	step_name = "finish";
	settle(3);
	for (unsigned round = 0; round < 16; round++) {
		for (unsigned i = 0; i < n_dev; i++)
			if (!dev[i].is_retired)
				collect((int)i);
		settle(1);
		check_all();
	}
	ck_assert(all_admitted());
	for (unsigned i = 0; i < n_dev; i++) {
		if (dev[i].is_retired)
			continue;
		ck_assert_int_eq(vault_gc(dev[i].v, true, &g), 0);
		ck_assert_uint_eq(g.n_dead_packs, 0);
		ck_assert_uint_eq(g.waiting_bytes, 0);
		ck_assert_uint_eq(g.n_waits, 0);
		check_same(dev[first].v, dev[i].v);
	}
	copy_folder(dev[first].vault, "all");
	r = device_open(&reader);
	check_same(dev[first].v, r);
	device_close(r);
}

/* Each file in a pack of its own, known to all. */
static void fill(void)
{
	for (unsigned n = 0; n < N_NAMES; n++) {
		struct vault *v = dev[n % n_dev].v;
		char name[8];

		snprintf(name, sizeof(name), "f%u", n);
		put_bytes(v, name, (uint32_t)++serial, 30000 + n * 20000);
		ck_assert_int_eq(vault_publish(v), 0);
	}
	settle(2);
}

START_TEST(whatever_devices_do_nothing_needed_is_collected)
{
	const char *first = getenv("COFFER_TEST_SEED");

	tempdir_make();
	catch_diag();
	seed = 1 + (unsigned)_i;
	if (first)
		seed = strtoul(first, NULL, 10) + (unsigned)_i;
	(void)pick(1);
	n_dev = 0;
	serial = 1;
	for (unsigned n = 2 + pick(2); n > 0; n--) {
		add(n_dev ? dev[0].vault : NULL);
		put_file(dev[n_dev - 1].v, "first", "text");
		if (n_dev == 1)
			ck_assert_int_eq(vault_publish(dev[0].v), 0);
	}
	settle(3);
	copy_folder(dev[0].vault, "old");
	fill();
	for (step_no = 0; step_no < STEPS; step_no++) {
		any_step();
		check_all();
	}
	finish();
	for (unsigned i = 0; i < n_dev; i++)
		device_close(dev[i].v);
	tempdir_remove();
}
END_TEST

int main(void)
{
	const char *wanted = getenv("COFFER_TEST_COLLECT");
	unsigned long n = wanted ? strtoul(wanted, NULL, 10) :
				   test_scaled(10, 2);
	Suite *s = suite_create("collecting");
	TCase *t = tcase_create("schedules");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(
		t, whatever_devices_do_nothing_needed_is_collected, 0, (int)n);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
