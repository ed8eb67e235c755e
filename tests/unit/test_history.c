/* SPDX-License-Identifier: ISC */
/* No alarm in ordinary use: devices that open, close, die and write in any
 * order, and a sync tool that carries files late, in any order, in parts, under
 * names of its own, and twice.  And what is one: once. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "commit_fixture.h"
#include "scale.h"
#include "tempdir.h"
#include "vault/core.h"
#include "vault/device.h"

#define N_DEVICES 3u
#define N_STEPS 120u
#define N_SEEDS 4u
#define FILES_MAX 2048u

static uint64_t chance;

/* Marsaglia: Xorshift RNGs, Journal of Statistical Software 8(14), 2003. */
static unsigned draw(unsigned n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned)((chance >> 11) % n);
}

/* ---------------------------------------------------------------- the tool */

static char found[FILES_MAX][256];
static unsigned n_found;
static size_t top_len;

static int note_file(const char *path, const struct stat *st, int type,
		     struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_F && n_found < FILES_MAX)
		snprintf(found[n_found++], sizeof(found[0]), "%s",
			 path + top_len);
	return 0;
}

static void list_files(const char *vault)
{
	char top[512];

	snprintf(top, sizeof(top), "%s/%s", tempdir_path(), vault);
	top_len = strlen(top);
	n_found = 0;
	ck_assert_int_eq(nftw(top, note_file, 16, FTW_PHYS), 0);
	ck_assert_uint_lt(n_found, FILES_MAX);
}

static void make_parents(char *path)
{
	for (char *at = path + strlen(tempdir_path()) + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
		*at = '/';
	}
}

/* So much of a file under a name: 0 all of it. */
static void put_copy(const char *from, const char *to, size_t part)
{
	static char data[1 << 20];
	int in = open(from, O_RDONLY | O_CLOEXEC), out;
	ssize_t n;

	ck_assert_int_ge(in, 0);
	n = read(in, data, sizeof(data));
	close(in);
	ck_assert_int_ge(n, 0);
	if (part && (size_t)n > part)
		n = (ssize_t)part;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(out, 0);
	ck_assert_int_eq(write(out, data, (size_t)n), n);
	close(out);
}

/* One file that the other copy lacks, or has a part of, comes: whole, in part,
 * or under a name of the tool's. */
static void carry(const char *from, const char *to, const char *name, bool all)
{
	char a[768], b[768], beside[800];
	struct stat have, want;

	snprintf(a, sizeof(a), "%s/%s%s", tempdir_path(), from, name);
	snprintf(b, sizeof(b), "%s/%s%s", tempdir_path(), to, name);
	if (stat(a, &want) < 0)
		return;
	/* What the tool has brought to an end it does not touch again; and what
	 * is there in part is not carried back. */
	if (strchr(name, '~') || strchr(name, '('))
		return;
	if (stat(b, &have) == 0 && have.st_size >= want.st_size)
		return;
	make_parents(b);
	switch (all ? 0 : draw(6)) {
	case 0:
	case 1:
	case 2:
		put_copy(a, b, 0);
		break;
	case 3:
		put_copy(a, b, 1 + draw((unsigned)want.st_size));
		break;
	case 4:
		snprintf(beside, sizeof(beside), "%s (conflicted copy)", b);
		put_copy(a, beside, 0);
		break;
	default:
		snprintf(beside, sizeof(beside), "%s~tmp", b);
		put_copy(a, beside, 100);
	}
}

/* Some of the files of one copy go to another, in any order. */
static void carry_some(const char *from, const char *to, bool all)
{
	list_files(from);
	for (unsigned i = n_found; i > 1; i--) {
		unsigned k = draw(i);
		char other[256];

		memcpy(other, found[k], sizeof(other));
		memcpy(found[k], found[i - 1], sizeof(other));
		memcpy(found[i - 1], other, sizeof(other));
	}
	for (unsigned i = 0; i < n_found; i++)
		if (all || draw(3) == 0)
			carry(from, to, found[i], all);
}

/* ---------------------------------------------------------------- devices */

static const struct device devices[N_DEVICES] = {
	{ .vault = "vault-a", .state = "state-a", .writer = 0xa1 },
	{ .vault = "vault-b", .state = "state-b", .writer = 0xb2 },
	{ .vault = "vault-c", .state = "state-c", .writer = 0xc3 },
};

static int fail_on_alarm(void *arg, const struct vault_alarm *a)
{
	ck_abort_msg("step %u: a false alarm: %s", *(unsigned *)arg, a->text);
	return 0;
}

static void check_quiet(struct vault *v, unsigned step)
{
	ck_assert_int_eq(vault_each_alarm(v, fail_on_alarm, &step), 0);
	if (vault_is_read_only(v))
		ck_abort_msg("step %u: read-only: %s", step,
			     vault_read_only_reason(v));
}

static void write_something(struct vault *v, unsigned who, unsigned step)
{
	char name[32];

	snprintf(name, sizeof(name), "%u-%u", who, step);
	if (draw(4) == 0)
		put_bytes(v, name, step, 3000 + draw(90000));
	else
		put_file(v, name, name);
	snprintf(name, sizeof(name), "shared%u", draw(3));
	if (draw(3) == 0)
		put_file(v, name, "1");
}

static void one_step(struct vault **open, unsigned who, unsigned step)
{
	struct device d = devices[who];
	struct vault *v = open[who];

	if (!v) {
		d.killed = draw(4) == 0;
		open[who] = device_open(&d);
		check_quiet(open[who], step);
		return;
	}
	switch (draw(7)) {
	case 0:
		device_close(v);
		open[who] = NULL;
		return;
	case 1:
		ck_assert_int_eq(vault_sync(v), 0);
		break;
	case 2:
		ck_assert_int_eq(vault_publish(v), 0);
		break;
	case 3:
	case 4:
		ck_assert_int_eq(vault_receive(v), 0);
		break;
	default:
		write_something(v, who, step);
	}
	check_quiet(v, step);
}

static void settle(struct vault **open)
{
	for (unsigned round = 0; round < 4; round++)
		for (unsigned i = 0; i < N_DEVICES; i++) {
			if (!open[i])
				open[i] = device_open(&devices[i]);
			ck_assert_int_eq(vault_receive(open[i]), 0);
			check_quiet(open[i], N_STEPS + round);
			for (unsigned k = 0; k < N_DEVICES; k++)
				if (k != i)
					carry_some(devices[i].vault,
						   devices[k].vault, true);
		}
}

START_TEST(nothing_is_told_in_ordinary_use)
{
	struct vault *open[N_DEVICES] = { NULL };
	struct vault_status s[N_DEVICES];

	chance = UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)_i;
	tempdir_make();
	catch_diag();
	ck_assert_int_eq(device_init(&devices[0]), 0);
	carry_some("vault-a", "vault-b", true);
	carry_some("vault-a", "vault-c", true);
	for (unsigned step = 0; step < test_scaled(N_STEPS, 40); step++) {
		unsigned from = draw(N_DEVICES), to = draw(N_DEVICES);

		one_step(open, draw(N_DEVICES), step);
		if (from != to && draw(2))
			carry_some(devices[from].vault, devices[to].vault,
				   false);
	}
	settle(open);
	for (unsigned i = 0; i < N_DEVICES; i++)
		ck_assert_int_eq(vault_get_status(open[i], &s[i]), 0);
	for (unsigned i = 0; i < N_DEVICES; i++) {
		ck_assert_uint_eq(s[i].segments_held, 0);
		ck_assert_uint_eq(s[i].n_inodes, s[0].n_inodes);
		device_close(open[i]);
	}
	ck_assert_uint_eq(count_diag(""), 0);
	tempdir_remove();
}
END_TEST

/* ---------------------------------------------------------------- an alarm */

static int count_alarm(void *arg, const struct vault_alarm *a)
{
	unsigned *n = arg;

	n[a->kind]++;
	return 0;
}

static unsigned n_alarms(struct vault *v, enum vault_alarm_kind kind)
{
	unsigned n[VAULT_ALARM_VANISHED + 1] = { 0 };

	ck_assert_int_eq(vault_each_alarm(v, count_alarm, n), 0);
	return n[kind];
}

START_TEST(a_fork_is_told_once_by_a_vault_that_is_open)
{
	struct device twin = devices[0];
	struct vault *v, *w;

	tempdir_make();
	catch_diag();
	ck_assert_int_eq(device_init(&devices[0]), 0);
	copy_folder("vault-a", "vault-t");
	copy_folder("state-a", "state-t");
	carry_some("vault-a", "vault-b", true);
	twin.vault = "vault-t";
	twin.state = "state-t";
	v = device_open(&devices[0]);
	w = device_open(&devices[1]);
	put_file(v, "a", "1");
	ck_assert_int_eq(vault_publish(v), 0);
	carry_some("vault-a", "vault-b", true);
	ck_assert_int_eq(vault_receive(w), 0);
	ck_assert(has_text(w, "a", "1"));
	struct vault *t = device_open(&twin);
	put_file(t, "b", "2");
	device_close(t);
	ck_assert_uint_eq(count_diag(""), 0);
	/* The other side comes to whoever saw the first, and to its writer. */
	carry_some("vault-t", "vault-b", true);
	carry_some("vault-t", "vault-a", true);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(vault_receive(w), ERR_FORKED);
		ck_assert_int_eq(vault_receive(v), ERR_FORKED);
	}
	ck_assert_uint_eq(n_alarms(w, VAULT_ALARM_FORKED), 1);
	ck_assert_uint_eq(n_alarms(v, VAULT_ALARM_OWN), 1);
	ck_assert_uint_eq(count_diag("device accept"), 2);
	ck_assert(vault_is_read_only(v) && vault_is_read_only(w));
	ck_assert(has_text(w, "a", "1") && has_text(v, "a", "1"));
	device_close(v);
	device_close(w);
	tempdir_remove();
}
END_TEST

/* A device that retires another that does not know yet goes on; the other stops
 * when it hears of it, even in the middle of its work. */
START_TEST(a_device_that_is_retired_while_it_is_open_stops)
{
	struct vault *v, *w;

	tempdir_make();
	catch_diag();
	ck_assert_int_eq(device_init(&devices[0]), 0);
	carry_some("vault-a", "vault-b", true);
	w = device_open(&devices[1]);
	put_file(w, "b", "1");
	ck_assert_int_eq(vault_publish(w), 0);
	carry_some("vault-b", "vault-a", true);
	v = device_open(&devices[0]);
	ck_assert_int_eq(vault_device_retire(v, 0xa1), -EINVAL);
	ck_assert_int_eq(vault_device_retire(v, 0xd4), -ENOENT);
	ck_assert_int_eq(vault_device_name(v, 0xb2, ""), -EINVAL);
	ck_assert_int_eq(vault_device_name(v, 0xb2, "gone"), 0);
	ck_assert_int_eq(vault_device_retire(v, 0xb2), 0);
	device_close(v);
	put_file(w, "c", "2");
	ck_assert_int_eq(vault_publish(w), 0);
	carry_some("vault-a", "vault-b", true);
	ck_assert_int_eq(vault_receive(w), ERR_FORKED);
	ck_assert_uint_eq(n_alarms(w, VAULT_ALARM_RETIRED), 1);
	ck_assert(vault_is_read_only(w));
	device_close(w);
	ck_assert_uint_eq(count_diag("has retired it"), 1);
	tempdir_remove();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("history");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, nothing_is_told_in_ordinary_use, 0, N_SEEDS);
	tcase_add_test(t, a_fork_is_told_once_by_a_vault_that_is_open);
	tcase_add_test(t, a_device_that_is_retired_while_it_is_open_stops);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
