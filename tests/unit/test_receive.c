/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "commit_fixture.h"
#include "crypto/random.h"
#include "fault_env.h"
#include "scale.h"
#include "tempdir.h"
#include "vault/care.h"
#include "vault/core.h"
#include "vault/device.h"
#include "vault/file.h"
#include "vault/log/apply.h"
#include "vault/slots.h"

/* Two computers, each with a copy of the vault that a sync tool keeps equal. */
static const struct device a = { "vault-a", "state-a", 0xa1, NULL,
				 false, false, false, false };
static const struct device b = { "vault-b", "state-b", 0xb2, NULL,
				 false, false, false, false };

static void a_to_b(void)
{
	sync_folders("vault-a", "vault-b");
}

static void b_to_a(void)
{
	sync_folders("vault-b", "vault-a");
}

static void setup(void)
{
	tempdir_make();
	catch_diag();
	ck_assert_int_eq(device_init(&a), 0);
	a_to_b();
}

static void teardown(void)
{
	tempdir_remove();
}

static struct vault_status status_of(struct vault *v)
{
	struct vault_status s;

	ck_assert_int_eq(vault_get_status(v, &s), 0);
	return s;
}

START_TEST(changes_go_both_ways)
{
	struct vault *v = device_open(&a), *w;

	put_file(v, "from a", "1");
	put_bytes(v, "large", 4, 900000);
	device_close(v);
	a_to_b();
	w = device_open(&b);
	ck_assert(has_text(w, "from a", "1"));
	ck_assert(has_bytes(w, "large", 4, 900000));
	put_file(w, "from b", "2");
	device_close(w);
	b_to_a();
	v = device_open(&a);
	ck_assert(has_text(v, "from a", "1"));
	ck_assert(has_text(v, "from b", "2"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(an_open_vault_receives_when_asked)
{
	struct vault *v = device_open(&a), *w = device_open(&b);

	for (int i = 0; i < 3; i++) {
		char name[24], text[24];

		snprintf(name, sizeof(name), "a%d", i);
		snprintf(text, sizeof(text), "text %d", i);
		put_file(v, name, text);
		ck_assert_int_eq(vault_publish(v), 0);
		a_to_b();
		ck_assert_int_eq(vault_receive(w), 0);
		ck_assert(has_text(w, name, text));
		name[0] = 'b';
		put_file(w, name, text);
		ck_assert_int_eq(vault_publish(w), 0);
		b_to_a();
		ck_assert_int_eq(vault_receive(v), 0);
		ck_assert(has_text(v, name, text));
	}
	device_close(v);
	device_close(w);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(concurrent_changes_end_the_same_on_both)
{
	struct vault *v = device_open(&a), *w;

	put_file(v, "common", "base");
	device_close(v);
	a_to_b();
	v = device_open(&a);
	w = device_open(&b);
	put_file(v, "common", "of a");
	put_file(w, "common", "of b");
	put_file(v, "same name", "first");
	put_file(w, "same name", "second");
	device_close(v);
	device_close(w);
	a_to_b();
	b_to_a();
	v = device_open(&a);
	w = device_open(&b);
	bool of_a = has_text(v, "common", "of a");
	ck_assert(of_a || has_text(v, "common", "of b"));
	ck_assert(has_text(w, "common", of_a ? "of a" : "of b"));
	bool first = has_text(v, "same name", "first");
	ck_assert(has_text(w, "same name", first ? "first" : "second"));
	ck_assert_uint_eq(status_of(v).conflicts, status_of(w).conflicts);
	ck_assert_uint_ge(status_of(v).conflicts, 2);
	device_close(v);
	device_close(w);
}
END_TEST

START_TEST(a_segment_waits_for_its_causes)
{
	struct device c = b;
	struct vault *v, *w, *x;
	char path[512], hidden[600];

	c.vault = "vault-c";
	c.state = "state-c";
	c.writer = 0xc3;
	v = device_open(&a);
	put_file(v, "cause", "1");
	device_close(v);
	a_to_b();
	w = device_open(&b);
	rename_name(w, "cause", "effect");
	device_close(w);
	sync_folders("vault-b", "vault-c");
	/* b's segment is there, a's second is not yet. */
	ck_assert_uint_eq(count_files("vault-c", "/l/0000000002-", path,
				      sizeof(path)),
			  1);
	snprintf(hidden, sizeof(hidden), "%s/hidden", tempdir_path());
	ck_assert_int_eq(rename(path, hidden), 0);
	x = device_open(&c);
	ck_assert(!has_name(x, "cause"));
	ck_assert(!has_name(x, "effect"));
	ck_assert_uint_eq(status_of(x).segments_held, 1);
	ck_assert_int_eq(rename(hidden, path), 0);
	ck_assert_int_eq(vault_receive(x), 0);
	ck_assert(has_text(x, "effect", "1"));
	ck_assert(!has_name(x, "cause"));
	ck_assert_uint_eq(status_of(x).segments_held, 0);
	device_close(x);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(a_segment_still_arriving_is_no_damage)
{
	struct vault *v = device_open(&a), *w;
	char path[512];
	struct stat st;

	put_file(v, "file", "text");
	device_close(v);
	a_to_b();
	ck_assert_uint_eq(count_files("vault-b", "/l/0000000002-", path,
				      sizeof(path)),
			  1);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size / 2), 0);
	w = device_open(&b);
	ck_assert(!has_name(w, "file"));
	ck_assert(!vault_is_read_only(w));
	ck_assert_int_eq(unlink(path), 0);
	a_to_b();
	ck_assert_int_eq(vault_receive(w), 0);
	ck_assert(has_text(w, "file", "text"));
	device_close(w);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(a_pack_that_is_not_here_yet_is_pending)
{
	struct vault *v = device_open(&a), *w;
	char path[512], hidden[600];

	put_bytes(v, "large", 8, 400000);
	device_close(v);
	a_to_b();
	ck_assert_uint_eq(count_files("vault-b", "/d/", path, sizeof(path)),
			  1);
	snprintf(hidden, sizeof(hidden), "%s/hidden", tempdir_path());
	ck_assert_int_eq(rename(path, hidden), 0);
	w = device_open(&b);
	ck_assert(has_name(w, "large"));
	ck_assert(!has_bytes(w, "large", 8, 400000));
	ck_assert_uint_eq(status_of(w).packs_pending, 1);
	ck_assert(!vault_is_read_only(w));
	ck_assert_int_eq(rename(hidden, path), 0);
	ck_assert_int_eq(vault_receive(w), 0);
	ck_assert(has_bytes(w, "large", 8, 400000));
	ck_assert_uint_eq(status_of(w).packs_pending, 0);
	device_close(w);
}
END_TEST

START_TEST(two_histories_of_one_device_are_told_and_not_applied)
{
	struct device twin = a;
	struct vault *v, *w;

	/* The same state, used on two computers. */
	copy_folder("state-a", "state-twin");
	copy_folder("vault-a", "vault-twin");
	twin.vault = "vault-twin";
	twin.state = "state-twin";
	v = device_open(&a);
	put_file(v, "one", "1");
	device_close(v);
	w = device_open(&twin);
	put_file(w, "other", "2");
	device_close(w);
	sync_folders("vault-twin", "vault-b");
	a_to_b();
	w = device_open(&b);
	ck_assert(!has_name(w, "one"));
	ck_assert(!has_name(w, "other"));
	device_close(w);
	ck_assert_uint_ge(count_diag("two histories"), 1);
	/* And on the device itself. */
	sync_folders("vault-twin", "vault-a");
	v = device_open(&a);
	ck_assert(vault_is_read_only(v));
	ck_assert(has_text(v, "one", "1"));
	device_close(v);
}
END_TEST

START_TEST(own_changes_are_sealed_before_others_are_applied)
{
	struct vault *v = device_open(&a), *w = device_open(&b);

	put_file(v, "x", "of a");
	ck_assert_int_eq(vault_publish(v), 0);
	a_to_b();
	put_file(w, "y", "of b");
	ck_assert_int_eq(vault_receive(w), 0);
	ck_assert_uint_eq(status_of(w).unpublished_ops, 0);
	ck_assert(has_text(w, "x", "of a"));
	ck_assert(has_text(w, "y", "of b"));
	device_close(v);
	device_close(w);
}
END_TEST

static int count_device(void *arg, const struct vault_device *d)
{
	unsigned *n = arg;

	(*n)++;
	ck_assert_uint_ge(d->seq, 1);
	ck_assert_uint_gt(d->seen_ms, 0);
	if (d->writer == 0xa1)
		ck_assert_str_eq(d->name, "first");
	return 0;
}

START_TEST(devices_are_listed_with_their_progress)
{
	struct vault *v, *w = device_open(&b);
	unsigned n = 0;

	put_file(w, "y", "of b");
	device_close(w);
	b_to_a();
	v = device_open(&a);
	ck_assert_int_eq(vault_each_device(v, count_device, &n), 0);
	ck_assert_uint_eq(n, 2);
	device_close(v);
}
END_TEST

START_TEST(a_device_made_anew_from_the_vault_shows_the_same)
{
	struct device c = a;
	struct vault *v = device_open(&a), *w, *x;

	put_file(v, "keep", "1");
	put_bytes(v, "big", 6, 600000);
	put_file(v, "gone", "2");
	ck_assert_int_eq(vault_publish(v), 0);
	a_to_b();
	w = device_open(&b);
	remove_name(w, "gone");
	rename_name(w, "keep", "kept");
	put_file(w, "kept", "changed");
	device_close(w);
	b_to_a();
	ck_assert_int_eq(vault_receive(v), 0);
	put_file(v, "last", "3");
	device_close(v);
	c.state = "state-c";
	c.writer = 0xc3;
	x = device_open(&c);
	ck_assert(has_text(x, "kept", "changed"));
	ck_assert(has_bytes(x, "big", 6, 600000));
	ck_assert(has_text(x, "last", "3"));
	ck_assert(!has_name(x, "gone"));
	ck_assert(!has_name(x, "keep"));
	device_close(x);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

struct told {
	unsigned n_names, n_inodes;
};

static void note_changed(void *arg, uint64_t ino, const uint8_t *name,
			 uint16_t name_len)
{
	struct told *t = arg;

	ck_assert_uint_gt(ino, 0);
	if (name && name_len == 4 && memcmp(name, "news", 4) == 0)
		t->n_names++;
	if (!name)
		t->n_inodes++;
}

START_TEST(the_front_end_is_told_what_others_changed)
{
	struct vault *v = device_open(&a), *w = device_open(&b);
	struct told told = { 0 };

	vault_set_changed(w, note_changed, &told);
	put_file(v, "news", "1");
	ck_assert_int_eq(vault_publish(v), 0);
	a_to_b();
	ck_assert_int_eq(vault_receive(w), 0);
	ck_assert_uint_ge(told.n_names, 1);
	ck_assert_uint_ge(told.n_inodes, 1);
	vault_set_changed(w, NULL, NULL);
	device_close(v);
	device_close(w);
}
END_TEST

/* A new epoch as a device makes it: announced in the old one, then a slot with
 * both keys, and from then on everything under the new key. */
static void start_epoch(struct vault *v)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	const struct vault_slot_new what = { .type = SLOT_PASSPHRASE };
	struct keyring *ring = &v->keys->ring;
	struct op op = { .type = OP_EPOCH, .epoch.number = 2 };
	uint8_t name[SLOT_NAME_BYTES];

	ring->epochs[1].epoch = 2;
	random_bytes(ring->epochs[1].ek.b, sizeof(ring->epochs[1].ek.b));
	keys_epoch(&ring->epochs[1].ek, 2, &v->keys->epochs[1]);
	op.epoch.id = v->keys->epochs[1].id;
	ck_assert_int_eq(core_enter(v, true), 0);
	ck_assert_int_eq(apply_new(v, &op), 0);
	core_leave(v);
	ck_assert_int_eq(vault_publish(v), 0);
	ring->n_epochs = 2;
	v->keys->newest = 1;
	ck_assert_int_eq(secret_buf_append(&pass, "a passphrase of the tests",
					   25),
			 0);
	ck_assert_int_eq(vault_slot_add(v, &what, &cred, NULL, name), 0);
}

START_TEST(an_old_keyring_writes_nothing_into_a_new_epoch)
{
	struct device old = b;
	struct vault *v, *w;

	/* What was done before counts, whoever did it. */
	w = device_open(&b);
	put_file(w, "before", "1");
	device_close(w);
	b_to_a();
	copy_folder("vault-b", "vault-old");
	copy_folder("state-b", "state-old");
	v = device_open(&a);
	ck_assert(has_text(v, "before", "1"));
	start_epoch(v);
	put_file(v, "after", "2");
	ck_assert_int_eq(vault_publish(v), 0);
	/* Somebody with the old keyring goes on under it. */
	old.vault = "vault-old";
	old.state = "state-old";
	w = device_open(&old);
	put_file(w, "forged", "3");
	device_close(w);
	sync_folders("vault-old", "vault-a");
	ck_assert_int_eq(vault_receive(v), 0);
	ck_assert(!has_name(v, "forged"));
	ck_assert_uint_eq(status_of(v).segments_held, 1);
	device_close(v);
	/* The same for whoever reads all of it anew. */
	old.vault = "vault-a";
	old.state = "state-new";
	old.writer = 0xd4;
	w = device_open(&old);
	ck_assert(has_text(w, "before", "1"));
	ck_assert(has_text(w, "after", "2"));
	ck_assert(!has_name(w, "forged"));
	device_close(w);
}
END_TEST

START_TEST(a_device_that_was_away_vouches_for_its_own_old_segments)
{
	struct vault *v, *w;

	v = device_open(&a);
	w = device_open(&b);
	put_file(w, "while away", "1");
	device_close(w);
	start_epoch(v);
	put_file(v, "after", "2");
	ck_assert_int_eq(vault_publish(v), 0);
	b_to_a();
	ck_assert_int_eq(vault_receive(v), 0);
	ck_assert(!has_name(v, "while away"));
	a_to_b();
	/* It opens the new slot, and writes under the new key. */
	w = device_open(&b);
	ck_assert(has_text(w, "after", "2"));
	put_file(w, "back", "3");
	device_close(w);
	b_to_a();
	ck_assert_int_eq(vault_receive(v), 0);
	ck_assert(has_text(v, "while away", "1"));
	ck_assert(has_text(v, "back", "3"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(who_has_only_the_old_key_is_told_of_the_new_epoch)
{
	struct vault *v, *w;

	w = device_open(&b);
	v = device_open(&a);
	start_epoch(v);
	put_file(v, "after", "2");
	ck_assert_int_eq(vault_publish(v), 0);
	a_to_b();
	ck_assert_int_eq(vault_receive(w), 0);
	ck_assert(vault_is_read_only(w));
	ck_assert_ptr_nonnull(strstr(vault_read_only_reason(w), "epoch"));
	ck_assert(!has_name(w, "after"));
	device_close(w);
	w = device_open(&b);
	ck_assert(!vault_is_read_only(w));
	ck_assert(has_text(w, "after", "2"));
	device_close(w);
	device_close(v);
}
END_TEST

START_TEST(a_log_cut_under_an_open_vault_is_told_once)
{
	struct vault *v, *w = device_open(&b);
	char path[600];

	put_file(w, "one", "1");
	ck_assert_int_eq(vault_publish(w), 0);
	put_file(w, "two", "2");
	device_close(w);
	b_to_a();
	v = device_open(&a);
	ck_assert(has_text(v, "two", "2"));
	ck_assert_int_eq(vault_receive(v), 0);
	ck_assert(!vault_is_read_only(v));
	ck_assert_uint_eq(count_diag(""), 0);
	ck_assert_uint_eq(count_files("vault-a", "00000000000000b2/l/0000000002",
				      path, sizeof(path)),
			  1);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(vault_receive(v), ERR_ROLLED_BACK);
	ck_assert(vault_is_read_only(v));
	ck_assert_ptr_nonnull(strstr(vault_read_only_reason(v), "older"));
	ck_assert(has_text(v, "two", "2"));
	ck_assert_int_eq(vault_receive(v), ERR_ROLLED_BACK);
	ck_assert_uint_eq(count_diag("was here and is not any more"), 1);
	device_close(v);
	/* It came back: nothing is wrong. */
	a_to_b();
	b_to_a();
	v = device_open(&a);
	ck_assert(!vault_is_read_only(v));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

/* ---------------------------------------------------------------- joining */

static unsigned n_packs_of(const char *vault, uint64_t writer)
{
	char part[32];

	snprintf(part, sizeof(part), "%016llx/d/", (unsigned long long)writer);
	return count_files(vault, part, NULL, 0);
}

static void write_a_part(struct vault *v, const char *name)
{
	struct vault_attr at;

	ck_assert_int_eq(vault_lookup(v, VAULT_ROOT_INO,
				      (struct vault_name){ name, strlen(name) },
				      &at),
			 1);
	ck_assert_int_eq(vault_write(v, at.ino, "part", 4, 0, 0), 0);
}

/* A sync tool takes away what is gone on the other side. */
static void sync_removals(const char *from, const char *to)
{
	remove_folder(to);
	copy_folder(from, to);
}

START_TEST(what_a_joining_device_keeps_it_stores_again)
{
	struct device c = a;
	struct vault *v = device_open(&a), *w;
	struct vault_gc_result gc;

	ck_assert(!v->is_joining);
	put_bytes(v, "renamed", 1, 300000);
	put_bytes(v, "changed", 2, 700000);
	put_bytes(v, "linked", 3, 200000);
	put_bytes(v, "gone", 4, 200000);
	ck_assert_int_eq(vault_publish(v), 0);
	a_to_b();
	w = device_open(&b);
	ck_assert(w->is_joining);
	/* The owner does not know of it, and collects. */
	remove_name(v, "renamed");
	remove_name(v, "changed");
	remove_name(v, "linked");
	remove_name(v, "gone");
	ck_assert_int_eq(vault_gc(v, false, &gc), 0);
	ck_assert_int_eq(vault_gc(v, false, &gc), 0);
	ck_assert_uint_eq(n_packs_of("vault-a", 0xa1), 0);
	/* Meanwhile. */
	rename_name(w, "renamed", "kept");
	write_a_part(w, "changed");
	put_bytes(w, "same", 3, 200000);
	device_close(w);
	ck_assert_uint_ge(n_packs_of("vault-b", 0xb2), 1);
	b_to_a();
	ck_assert_int_eq(vault_receive(v), 0);
	ck_assert(has_bytes(v, "kept", 1, 300000));
	ck_assert(has_bytes(v, "same", 3, 200000));
	ck_assert(!has_name(v, "gone"));
	device_close(v);
	/* Whoever has only what is left finds all of it. */
	sync_removals("vault-a", "vault-b");
	c.vault = "vault-b";
	c.state = "state-c";
	c.writer = 0xc3;
	c.read_only = true;
	w = device_open(&c);
	ck_assert(has_bytes(w, "kept", 1, 300000));
	ck_assert(has_bytes(w, "same", 3, 200000));
	struct vault_attr at;
	static uint8_t room[700000];
	ck_assert_int_eq(vault_lookup(w, VAULT_ROOT_INO,
				      (struct vault_name){ "changed", 7 }, &at),
			 1);
	ck_assert_int_eq(vault_pread(w, at.ino, room, sizeof(room), 0),
			 sizeof(room));
	ck_assert_mem_eq(room, "part", 4);
	device_close(w);
}
END_TEST

START_TEST(a_device_that_is_acknowledged_has_joined)
{
	struct vault *v = device_open(&a), *w;
	unsigned before;

	put_bytes(v, "file", 1, 300000);
	ck_assert_int_eq(vault_publish(v), 0);
	a_to_b();
	w = device_open(&b);
	put_file(w, "first", "of b");
	ck_assert_int_eq(vault_publish(w), 0);
	ck_assert(w->is_joining);
	b_to_a();
	/* It says so in its next segment. */
	ck_assert_int_eq(vault_receive(v), 0);
	put_file(v, "news", "of a");
	ck_assert_int_eq(vault_publish(v), 0);
	a_to_b();
	ck_assert_int_eq(vault_receive(w), 0);
	ck_assert(!w->is_joining);
	before = n_packs_of("vault-b", 0xb2);
	rename_name(w, "file", "moved");
	put_bytes(w, "same", 1, 300000);
	ck_assert_int_eq(vault_publish(w), 0);
	ck_assert_uint_eq(n_packs_of("vault-b", 0xb2), before);
	device_close(w);
	w = device_open(&b);
	ck_assert(!w->is_joining);
	device_close(w);
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

/* ---------------------------------------------------------------- failures */

/* What the other device did, with a pack and with names that stand upon each
 * other. */
static void do_much(struct vault *w)
{
	put_file(w, "small", "2");
	put_bytes(w, "large", 4, 300000);
	make_dir(w, "folder");
	rename_name(w, "common", "renamed");
	remove_name(w, "doomed");
	for (unsigned i = 0; i < 12; i++) {
		char name[24];

		snprintf(name, sizeof(name), "many%u", i);
		put_file(w, name, "m");
	}
	ck_assert_int_eq(vault_publish(w), 0);
}

static bool shows_much(struct vault *v)
{
	return has_text(v, "small", "2") && has_bytes(v, "large", 4, 300000) &&
	       has_name(v, "folder") && !has_name(v, "common") &&
	       has_text(v, "renamed", "1") && !has_name(v, "doomed") &&
	       has_text(v, "many0", "m") && has_text(v, "many11", "m");
}

static bool shows_nothing_of_it(struct vault *v)
{
	return !has_name(v, "small") && !has_name(v, "large") &&
	       !has_name(v, "folder") && has_text(v, "common", "1") &&
	       !has_name(v, "renamed") && has_text(v, "doomed", "0") &&
	       !has_name(v, "many0");
}

/* Refused to everybody, whatever is asked. */
static void check_refused(struct vault *v)
{
	const struct vault_name name = { "small", 5 };
	struct vault_attr at;

	ck_assert_int_lt(vault_lookup(v, VAULT_ROOT_INO, name, &at), 0);
	ck_assert_int_lt(vault_receive(v), 0);
	ck_assert(vault_is_read_only(v));
	ck_assert_ptr_nonnull(vault_read_only_reason(v));
	ck_assert(status_of(v).read_only);
}

enum failing { ALLOCATION, DISK_CALL };

static struct fault_env faulty;

/* The nth call fails while the segment is received: true if there is one. */
static bool receive_failing(struct vault *v, enum failing what,
			    unsigned long nth, int *ret)
{
	if (what == ALLOCATION)
		mem_fail_nth(nth, false);
	else
		faulty.nth = nth;
	*ret = vault_receive(v);
	bool hit = what == ALLOCATION ? mem_fail_hit() : faulty.has_failed;
	mem_fail_nth(0, false);
	fault_env_init(&faulty);
	return hit;
}

/* Copies of what stood before; what is done here waits in no segment yet. */
static struct vault *begin_receiving(void)
{
	struct device d = a;
	struct vault *v;

	remove_folder("vault-n");
	remove_folder("state-n");
	copy_folder("vault-a", "vault-n");
	copy_folder("state-a", "state-n");
	d.vault = "vault-n";
	d.state = "state-n";
	d.env = &faulty.env;
	fault_env_init(&faulty);
	v = device_open(&d);
	put_file(v, "mine", "synced");
	ck_assert_int_eq(vault_sync(v), 0);
	put_file(v, "mine too", "not synced");
	sync_folders("vault-b", "vault-n");
	return v;
}

/* Whoever was told that all went well finds all. */
static void check_after(unsigned long nth, bool was_received, bool was_closed)
{
	struct device d = a, other = b;
	struct vault *v;

	d.vault = other.vault = "vault-n";
	d.state = "state-n";
	d.env = other.env = &faulty.env;
	v = device_open(&d);
	ck_assert_msg(!vault_is_read_only(v), "call %lu", nth);
	ck_assert_msg(shows_much(v), "call %lu", nth);
	ck_assert_msg(has_text(v, "mine", "synced"), "call %lu", nth);
	if (was_closed)
		ck_assert_msg(has_text(v, "mine too", "not synced"),
			      "call %lu", nth);
	device_close(v);
	if (was_received && nth % 8)
		return;
	/* Nothing was told to others that they could not take. */
	remove_folder("state-o");
	other.state = "state-o";
	other.writer = 0xe5;
	v = device_open(&other);
	ck_assert_msg(shows_much(v), "call %lu", nth);
	ck_assert_msg(has_text(v, "mine", "synced"), "call %lu", nth);
	ck_assert_uint_eq(status_of(v).segments_held, 0);
	device_close(v);
}

START_TEST(whatever_fails_no_half_of_a_segment_is_shown)
{
	enum failing what = (enum failing)_i;
	/* Another part of the calls would do as well: the case takes seconds. */
	unsigned long stride = what == ALLOCATION ? 17 : 3;
	unsigned long n_torn = 0, enough = test_scaled(5, 1);
	struct vault *v = device_open(&a), *w;
	bool hit = true;

	stride *= test_stride();
	put_file(v, "common", "1");
	put_file(v, "doomed", "0");
	device_close(v);
	a_to_b();
	w = device_open(&b);
	do_much(w);
	device_close(w);
	for (unsigned long nth = 1; hit; nth += stride) {
		bool torn = false;
		int r;

		v = begin_receiving();
		hit = receive_failing(v, what, nth, &r);
		torn = core_index_state(v) < 0;
		n_torn += v->is_torn;
		ck_assert(hit || r == 0);
		if (torn) {
			ck_assert_int_lt(r, 0);
			check_refused(v);
		} else if (!vault_is_read_only(v)) {
			/* All of it or nothing, and all the next time. */
			ck_assert(shows_much(v) || (r < 0 &&
						    shows_nothing_of_it(v)));
			ck_assert_int_eq(vault_receive(v), 0);
			ck_assert_msg(shows_much(v), "call %lu", nth);
		}
		bool was_received = r == 0;
		check_after(nth, was_received, vault_close(v) == 0);
	}
	ck_assert_uint_ge(n_torn, what == ALLOCATION ? enough : 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("receive");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, changes_go_both_ways);
	tcase_add_test(t, an_open_vault_receives_when_asked);
	tcase_add_test(t, concurrent_changes_end_the_same_on_both);
	tcase_add_test(t, a_segment_waits_for_its_causes);
	tcase_add_test(t, a_segment_still_arriving_is_no_damage);
	tcase_add_test(t, a_pack_that_is_not_here_yet_is_pending);
	tcase_add_test(t, two_histories_of_one_device_are_told_and_not_applied);
	tcase_add_test(t, own_changes_are_sealed_before_others_are_applied);
	tcase_add_test(t, devices_are_listed_with_their_progress);
	tcase_add_test(t, a_device_made_anew_from_the_vault_shows_the_same);
	tcase_add_test(t, the_front_end_is_told_what_others_changed);
	tcase_add_test(t, an_old_keyring_writes_nothing_into_a_new_epoch);
	tcase_add_test(t, a_device_that_was_away_vouches_for_its_own_old_segments);
	tcase_add_test(t, who_has_only_the_old_key_is_told_of_the_new_epoch);
	tcase_add_test(t, a_log_cut_under_an_open_vault_is_told_once);
	tcase_add_test(t, what_a_joining_device_keeps_it_stores_again);
	tcase_add_test(t, a_device_that_is_acknowledged_has_joined);
	tcase_add_loop_test(t, whatever_fails_no_half_of_a_segment_is_shown,
			    ALLOCATION, DISK_CALL + 1);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
