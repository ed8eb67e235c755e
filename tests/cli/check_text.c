/* SPDX-License-Identifier: ISC */
/* The command line's pure parts: numbers, JSON, the words of mount -o, and
 * what daemons and clients tell each other. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "base/mem.h"
#include "cli/control_text.h"
#include "cli/exit.h"
#include "cli/hardlinks.h"
#include "cli/json.h"
#include "cli/mount_options.h"
#include "cli/stats_text.h"
#include "cli/units.h"

/* ---------------------------------------------------------------- units */

START_TEST(sizes_are_read_with_units)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "1K", 1024 },
		{ "32M", 32 << 20 },
		{ "2GiB", UINT64_C(2) << 30 },
		{ "3T", UINT64_C(3) << 40 },
	};
	uint64_t n;

	for (size_t i = 0; i < array_len(good); i++) {
		ck_assert_int_eq(units_parse_size(good[i].text, &n), 0);
		ck_assert_uint_eq(n, good[i].bytes);
	}
}
END_TEST

START_TEST(sizes_that_are_none_are_refused)
{
	static const char *const bad[] = { "",	  "M",	  "-1",	  "+1",
					   " 1",  "1 M",  "1X",	  "1MB",
					   "1Mi", "1.5M", "0x10", "1m" };
	uint64_t n = 42;

	for (size_t i = 0; i < array_len(bad); i++)
		ck_assert_int_eq(units_parse_size(bad[i], &n), -EINVAL);
	ck_assert_int_eq(units_parse_size("99999999999999999999", &n), -ERANGE);
	ck_assert_int_eq(units_parse_size("18014398509481984K", &n), -ERANGE);
	ck_assert_uint_eq(n, 42);
}
END_TEST

START_TEST(durations_are_read_with_units)
{
	uint32_t s = 0;

	ck_assert_int_eq(units_parse_duration("90", &s), 0);
	ck_assert_uint_eq(s, 90);
	ck_assert_int_eq(units_parse_duration("90s", &s), 0);
	ck_assert_uint_eq(s, 90);
	ck_assert_int_eq(units_parse_duration("30m", &s), 0);
	ck_assert_uint_eq(s, 1800);
	ck_assert_int_eq(units_parse_duration("2h", &s), 0);
	ck_assert_uint_eq(s, 7200);
	ck_assert_int_eq(units_parse_duration("1d", &s), 0);
	ck_assert_uint_eq(s, 86400);
	ck_assert_int_eq(units_parse_duration("1d2h", &s), -EINVAL);
	ck_assert_int_eq(units_parse_duration("m", &s), -EINVAL);
	ck_assert_int_eq(units_parse_duration("50000d", &s), -ERANGE);
}
END_TEST

START_TEST(sizes_are_shown_in_the_greatest_unit)
{
	char to[UNITS_SIZE_BYTES];

	ck_assert_str_eq(units_format_size(0, to), "0 B");
	ck_assert_str_eq(units_format_size(1023, to), "1023 B");
	ck_assert_str_eq(units_format_size(1024, to), "1.0 KiB");
	ck_assert_str_eq(units_format_size((1 << 20) - 1, to), "1.0 MiB");
	ck_assert_str_eq(units_format_size(1536 << 10, to), "1.5 MiB");
	ck_assert_str_eq(units_format_size(UINT64_MAX, to), "16.0 EiB");
}
END_TEST

START_TEST(times_before_1970_are_shown)
{
	char to[UNITS_TIME_BYTES];

	setenv("TZ", "UTC", 1);
	ck_assert_str_eq(units_format_time(0, 0, to), "1970-01-01 00:00:00");
	ck_assert_str_eq(units_format_time(-1, 1, to),
			 "1969-12-31 23:59:59.999999999 +0000");
	ck_assert_str_eq(units_format_time(INT64_MIN, 0, to),
			 "1677-09-21 00:12:43");
	ck_assert_str_eq(units_format_time(INT64_MAX, 0, to),
			 "2262-04-11 23:47:16");
}
END_TEST

START_TEST(modes_are_shown_as_ls_does)
{
	char to[UNITS_MODE_BYTES];

	ck_assert_str_eq(units_format_mode(S_IFREG | 0644, to), "-rw-r--r--");
	ck_assert_str_eq(units_format_mode(S_IFDIR | 01777, to), "drwxrwxrwt");
	ck_assert_str_eq(units_format_mode(S_IFREG | 04755, to), "-rwsr-xr-x");
	ck_assert_str_eq(units_format_mode(S_IFREG | 06644, to), "-rwSr-Sr--");
	ck_assert_str_eq(units_format_mode(S_IFLNK | 0777, to), "lrwxrwxrwx");
	ck_assert_str_eq(units_format_mode(S_IFBLK, to), "b---------");
}
END_TEST

/* ---------------------------------------------------------------- json */

static char *written(void (*fn)(struct json *))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct json j = JSON_INIT(f);

	ck_assert_ptr_nonnull(f);
	fn(&j);
	fclose(f);
	return text;
}

static void write_all_kinds(struct json *j)
{
	json_object(j, NULL);
	json_u64(j, "n", UINT64_MAX);
	json_i64(j, "i", INT64_MIN);
	json_bool(j, "yes", true);
	json_text(j, "none", NULL);
	json_array(j, "list");
	json_text(j, NULL, "a");
	json_object(j, NULL);
	json_end_object(j);
	json_hex(j, NULL, "\x01\xff", 2);
	json_end_array(j);
	json_bool(j, "no", false);
	json_end_object(j);
}

START_TEST(objects_and_arrays_nest)
{
	char *text = written(write_all_kinds);

	ck_assert_str_eq(text, "{\"n\": 18446744073709551615, "
			       "\"i\": -9223372036854775808, \"yes\": true, "
			       "\"none\": null, \"list\": [\"a\", {}, "
			       "\"01ff\"], \"no\": false}");
	free(text);
}
END_TEST

static const struct {
	const char *bytes, *json;
} strings[] = {
	{ "", "" },
	{ "a\"b\\c", "a\\\"b\\\\c" },
	{ "\n\t\x1f\x7f", "\\u000a\\u0009\\u001f\\u007f" },
	{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
	  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
	/* Not UTF-8: alone, cut, overlong, a surrogate, above U+10FFFF. */
	{ "\x80", "\\udc80" },
	{ "\xff", "\\udcff" },
	{ "\xc3", "\\udcc3" },
	{ "\xe2\x82", "\\udce2\\udc82" },
	{ "\xe2\x82z", "\\udce2\\udc82z" },
	{ "\xc0\xaf", "\\udcc0\\udcaf" },
	{ "\xe0\x9f\xbf", "\\udce0\\udc9f\\udcbf" },
	{ "\xed\xa0\x80", "\\udced\\udca0\\udc80" },
	{ "\xf0\x8f\xbf\xbf", "\\udcf0\\udc8f\\udcbf\\udcbf" },
	{ "\xf4\x90\x80\x80", "\\udcf4\\udc90\\udc80\\udc80" },
};

static size_t string_at;

static void write_string(struct json *j)
{
	json_text(j, NULL, strings[string_at].bytes);
}

START_TEST(every_byte_of_a_name_can_be_had_back)
{
	for (string_at = 0; string_at < array_len(strings); string_at++) {
		char *text = written(write_string);

		ck_assert_int_eq(text[0], '"');
		ck_assert_int_eq(text[strlen(text) - 1], '"');
		text[strlen(text) - 1] = '\0';
		ck_assert_str_eq(text + 1, strings[string_at].json);
		free(text);
	}
}
END_TEST

/* ---------------------------------------------------------------- control */

/* Feeds an answer line by line; gives what the last line gave. */
static int take_all(const struct buf *b, struct control_status *to, int *code,
		    char *text, size_t cap)
{
	char line[CONTROL_LINE_MAX];
	const uint8_t *at = b->data, *end = b->data + b->len;
	const char *done;
	int r = 0;

	while (r == 0 && at < end) {
		const uint8_t *nl = memchr(at, '\n', (size_t)(end - at));

		ck_assert_ptr_nonnull(nl);
		ck_assert_uint_lt((size_t)(nl - at), sizeof(line));
		memcpy(line, at, (size_t)(nl - at));
		line[nl - at] = '\0';
		r = control_take_line(line, to, code, &done);
		at = nl + 1;
	}
	if (r == 1)
		snprintf(text, cap, "%s", done);
	return r;
}

START_TEST(a_status_comes_out_as_it_went_in)
{
	char path[] = "/odd \n%\\\xff path";
	const struct control_mount mount = {
		.pid = 42,
		.since_ms = 1234567890123,
		.vault_path = path,
		.mountpoint = path + 1,
		.profile = path + 5,
	};
	struct vault_status v = { .uuid = { { 1, 2, 255 } },
				  .writer = UINT64_C(0xfedcba9876543210),
				  .device_name = "a name",
				  .read_only = true,
				  .n_inodes = UINT64_MAX,
				  .cache_misses = 7,
				  .newest_epoch = 3,
				  .publish_err = -ENOSPC };
	const struct vault_device d = { .writer = 9,
					.name = "b c%",
					.seq = 5,
					.is_retired = true,
					.seen_ms = 77,
					.behind = 3,
					.ack = 4,
					.joined_ms = 11,
					.retired_ms = 12,
					.held = 2,
					.waits_writer = 8,
					.waits_seq = 6,
					.stopped_err = ERR_FORKED };
	const struct vault_knowledge k = { 7, 6, 5 };
	const struct vault_alarm a = { .kind = VAULT_ALARM_GONE,
				       .writer = 9,
				       .first = 4,
				       .last = 5,
				       .is_read_only = true,
				       .text = "gone; \n 5%" };
	struct control_status got = CONTROL_STATUS_INIT;
	auto_buf struct buf b = BUF_INIT(CONTROL_ANSWER_MAX);
	char text[64];
	int code = -1;

	control_put_mount(&b, &mount, true);
	control_put_text(&b, "read_only_reason", "because");
	control_put_trouble(&b, &v);
	control_put_text(&b, "of_a_later_version", "x");
	control_put_vault(&b, &v);
	control_put_device(&b, &d);
	control_put_device(&b, &d);
	control_put_known(&b, 9, &k);
	control_put_alarm(&b, &a);
	control_put_done(&b, 15, "no\nspace");
	ck_assert_int_eq(buf_error(&b), 0);
	ck_assert_int_eq(take_all(&b, &got, &code, text, sizeof(text)), 1);
	ck_assert_int_eq(code, 15);
	ck_assert_str_eq(text, "no\nspace");
	ck_assert_uint_eq(got.mount.pid, 42);
	ck_assert_uint_eq(got.mount.since_ms, mount.since_ms);
	ck_assert(got.mount.closing);
	ck_assert_str_eq(got.mount.vault_path, path);
	ck_assert_str_eq(got.mount.mountpoint, path + 1);
	ck_assert_str_eq(got.mount.read_only_reason, "because");
	ck_assert_ptr_nonnull(strstr(got.mount.trouble, "published"));
	ck_assert(got.has_vault);
	ck_assert_mem_eq(got.vault.uuid.b, v.uuid.b, sizeof(v.uuid.b));
	ck_assert_uint_eq(got.vault.writer, v.writer);
	ck_assert_str_eq(got.vault.device_name, "a name");
	ck_assert(got.vault.read_only);
	ck_assert_uint_eq(got.vault.n_inodes, UINT64_MAX);
	ck_assert_uint_eq(got.vault.cache_misses, 7);
	ck_assert_uint_eq(got.vault.newest_epoch, 3);
	ck_assert_uint_eq(got.n_devices, 2);
	ck_assert_str_eq(got.devices[1].name, "b c%");
	ck_assert_uint_eq(got.devices[1].seq, 5);
	ck_assert(got.devices[1].is_retired && !got.devices[1].is_self);
	ck_assert_uint_eq(got.devices[1].behind, 3);
	ck_assert_uint_eq(got.devices[1].ack, 4);
	ck_assert_uint_eq(got.devices[1].joined_ms, 11);
	ck_assert_uint_eq(got.devices[1].retired_ms, 12);
	ck_assert_uint_eq(got.devices[1].held, 2);
	ck_assert_uint_eq(got.devices[1].waits_writer, 8);
	ck_assert_uint_eq(got.devices[1].waits_seq, 6);
	ck_assert_int_eq(got.devices[1].stopped_err, ERR_FORKED);
	ck_assert_uint_eq(got.n_known, 1);
	ck_assert_uint_eq(got.known[0].writer, 9);
	ck_assert_uint_eq(got.known[0].of.writer, 7);
	ck_assert_uint_eq(got.known[0].of.context, 6);
	ck_assert_uint_eq(got.known[0].of.ack, 5);
	ck_assert_uint_eq(got.n_alarms, 1);
	ck_assert_int_eq(got.alarms[0].kind, VAULT_ALARM_GONE);
	ck_assert_uint_eq(got.alarms[0].writer, 9);
	ck_assert_uint_eq(got.alarms[0].first, 4);
	ck_assert_uint_eq(got.alarms[0].last, 5);
	ck_assert(got.alarms[0].is_read_only);
	ck_assert_str_eq(got.alarms[0].text, a.text);
	control_status_release(&got);
}
END_TEST

START_TEST(every_number_of_a_status_has_a_field)
{
	struct vault_status v = { 0 };
	uint64_t n = 1;

	for (size_t i = 0; i < control_n_fields; i++) {
		memcpy((char *)&v + control_fields[i].offset, &n, sizeof(n));
		ck_assert_uint_eq(control_field_get(&v, &control_fields[i]), 1);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(control_fields[i].key,
					 control_fields[k].key);
	}
	ck_assert_uint_eq(
		v.n_inodes & v.n_dirs & v.n_unlinked & v.logical_bytes &
			v.used_bytes & v.quota_bytes & v.unpublished_ops &
			v.staged_bytes & v.dirty_bytes & v.n_packs &
			v.pack_bytes & v.dead_bytes & v.segments_applied &
			v.segments_held & v.packs_pending & v.conflicts &
			v.foreign_files & v.damaged & v.cache_hits &
			v.cache_misses,
		1);
}
END_TEST

START_TEST(answers_that_are_none_are_refused)
{
	static const char *const bad[] = {
		"",	      "status",
		"vault %",    "vault %4",
		"vault %zz",  "vault %00",
		"done",	      "done x y",
		"done 1",     "done 256 ",
		"uuid 12",    "writer 1",
		"device 0 1", "device 0000000000000009 5",
		"device_log 0000000000000009 1 2 3 4",
		"device_held 0000000000000009 1",
		"known 0000000000000009 1 2",
		"alarm 0000000000000009 1 2",
	};
	struct control_status got = CONTROL_STATUS_INIT;
	const char *text;
	int code = -1;

	for (size_t i = 0; i < array_len(bad); i++) {
		char line[64];

		snprintf(line, sizeof(line), "%s", bad[i]);
		ck_assert_int_eq(control_take_line(line, &got, &code, &text),
				 ERR_MALFORMED);
	}
	ck_assert_int_eq(code, -1);
	control_status_release(&got);
}
END_TEST

/* ---------------------------------------------------------------- mount -o */

START_TEST(words_of_mount_set_what_they_name)
{
	struct mount_options o;

	mount_options_init(&o);
	ck_assert_int_eq(
		mount_options_parse(&o, "ro,allow_other,profile=fast,idle=2m,"
					"cache=8M,,uid=0,umask=022,mlock,"
					"passfile=/a\\,b,noexec,max_read=4096,"
					"x-gvfs-hide,defaults"),
		EXIT_DONE);
	ck_assert(o.session.read_only && o.vault.read_only);
	ck_assert(o.session.allow_other && !o.session.allow_root);
	ck_assert_int_eq(o.session.profile, SESSION_FAST);
	ck_assert_str_eq(o.profile, "fast");
	ck_assert_uint_eq(o.session.idle_s, 120);
	ck_assert_uint_eq(o.vault.cache_bytes, 8 << 20);
	ck_assert(o.session.set_uid && o.session.uid == 0);
	ck_assert(!o.session.set_gid);
	ck_assert(o.session.set_umask && o.session.umask == 022);
	ck_assert(o.session.lock_memory && o.vault.lock_memory);
	ck_assert_str_eq(o.pass.file, "/a,b");
	ck_assert_uint_eq(o.n_extra, 2);
	ck_assert_str_eq(o.extra[0], "noexec");
	ck_assert_str_eq(o.extra[1], "max_read=4096");
	ck_assert(!o.session.relatime);
	ck_assert_int_eq(o.session.checks, SESSION_CHECKS_AUTO);
	ck_assert_int_eq(mount_options_parse(&o, "atime,permissions=daemon"),
			 EXIT_DONE);
	ck_assert(o.session.relatime);
	ck_assert_int_eq(o.session.checks, SESSION_CHECKS_DAEMON);
	ck_assert_int_eq(mount_options_parse(&o, "noatime,default_permissions"),
			 EXIT_DONE);
	ck_assert(!o.session.relatime);
	ck_assert_int_eq(o.session.checks, SESSION_CHECKS_KERNEL);
	ck_assert_int_eq(mount_options_parse(&o, "relatime,permissions=kernel"),
			 EXIT_DONE);
	ck_assert(o.session.relatime);
	ck_assert_int_eq(mount_options_parse(&o, "permissions=me"), EXIT_USAGE);
	ck_assert_int_eq(mount_options_parse(&o, "rw"), EXIT_DONE);
	ck_assert(!o.session.read_only && !o.vault.read_only);
	mount_options_release(&o);
}
END_TEST

START_TEST(no_list_of_words_overflows)
{
	struct mount_options o;
	char list[4096] = "";

	for (int i = 0; i < 400; i++)
		strncat(list, "sync,", sizeof(list) - strlen(list) - 1);
	mount_options_init(&o);
	ck_assert_int_eq(mount_options_parse(&o, list), EXIT_USAGE);
	mount_options_release(&o);
	list[0] = '\0';
	for (int i = 0; i < 400; i++)
		strncat(list, "fsname=a,", sizeof(list) - strlen(list) - 1);
	mount_options_init(&o);
	ck_assert_int_eq(mount_options_parse(&o, list), EXIT_USAGE);
	mount_options_release(&o);
}
END_TEST

/* ---------------------------------------------------------------- the rest */

START_TEST(hard_links_are_found_by_device_and_inode)
{
	struct hardlinks *h;
	char path[32];

	ck_assert_int_eq(hardlinks_new(&h), 0);
	for (uint64_t i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "%" PRIu64, i);
		ck_assert_int_eq(hardlinks_add(h, i % 3, i * 4096, path), 0);
	}
	ck_assert_int_eq(hardlinks_add(h, 1, 4096, "another"), 0);
	for (uint64_t i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "%" PRIu64, i);
		ck_assert_str_eq(hardlinks_find(h, i % 3, i * 4096), path);
	}
	ck_assert_ptr_null(hardlinks_find(h, 2, 4096));
	ck_assert_ptr_null(hardlinks_find(h, 0, 1));
	hardlinks_free(h);
}
END_TEST

START_TEST(each_error_has_its_exit_code)
{
	static const struct {
		int err, code;
	} table[] = {
		{ 0, 0 },
		{ -EIO, 1 },
		{ -ENOENT, 1 },
		{ -ENOMEM, 1 },
		{ ERR_WRONG_KEY, 10 },
		{ ERR_NO_SLOT, 10 },
		{ ERR_NOT_VAULT, 11 },
		{ ERR_BAD_SEAL, 12 },
		{ ERR_TRUNCATED, 12 },
		{ ERR_MALFORMED, 12 },
		{ ERR_LIMIT, 12 },
		{ ERR_BAD_NAME, 12 },
		{ ERR_DAMAGED, 12 },
		{ ERR_MISSING, 12 },
		{ ERR_FORKED, 12 },
		{ ERR_ROLLED_BACK, 12 },
		{ ERR_KDF_LIMIT, 12 },
		{ ERR_STRANGER, 12 },
		{ ERR_IN_USE, 13 },
		{ ERR_NO_DEVICE, 14 },
		{ ERR_BAD_MOUNTPOINT, 14 },
		{ -ENOSPC, 15 },
		{ -EDQUOT, 15 },
		{ ERR_NEWER, 16 },
		{ ERR_INTERRUPTED, 17 },
		{ -EINTR, 17 },
		{ ERR_LAST_SLOT, 1 },
		{ ERR_READ_ONLY, 1 },
	};

	for (size_t i = 0; i < array_len(table); i++)
		ck_assert_int_eq(exit_code_of(table[i].err), table[i].code);
	ck_assert_int_eq(exit_code_worse(0, 0), 0);
	ck_assert_int_eq(exit_code_worse(0, 1), 1);
	ck_assert_int_eq(exit_code_worse(1, 12), 12);
	ck_assert_int_eq(exit_code_worse(12, 1), 12);
	ck_assert_int_eq(exit_code_worse(15, 0), 15);
	ck_assert_int_eq(exit_code_worse(12, 15), 12);
}
END_TEST

/* ---------------------------------------------------------------- stats */

static struct control_stats sent, received;

static void fill_stats(void)
{
	uint64_t n = 1;

	memset(&sent, 0, sizeof(sent));
	memset(&received, 0, sizeof(received));
	sent.now_ns = UINT64_MAX;
	sent.n_inodes = 17;
	for (size_t i = 0; i < stats_n_fields; i++, n++)
		memcpy((char *)&sent.vault + stats_fields[i].offset, &n,
		       sizeof(n));
	/* A line as long as there can be. */
	for (unsigned i = 0; i < REQUEST_BUCKETS; i++) {
		sent.requests.bucket[1][i] = UINT64_MAX / REQUEST_BUCKETS;
		sent.requests.count[1] += UINT64_MAX / REQUEST_BUCKETS;
	}
	sent.requests.total_ns[1] = UINT64_MAX;
	sent.requests.bucket[63][5] = sent.requests.count[63] = 3;
	sent.requests.n_begun = 4;
}

START_TEST(stats_arrive_as_they_were_sent)
{
	auto_buf struct buf b = BUF_INIT(CONTROL_ANSWER_MAX);
	struct control_status got = { .stats = &received };
	const char *text;
	char *line, *next;
	int code, r = 0;

	fill_stats();
	stats_put(&b, &sent);
	control_put_done(&b, 0, "");
	buf_put_u8(&b, '\0');
	ck_assert_int_eq(buf_error(&b), 0);
	for (line = (char *)b.data; r == 0; line = next) {
		next = strchr(line, '\n') + 1;
		next[-1] = '\0';
		ck_assert_uint_lt(strlen(line), CONTROL_LINE_MAX);
		r = control_take_line(line, &got, &code, &text);
	}
	ck_assert_int_eq(r, 1);
	ck_assert_mem_eq(&sent, &received, sizeof(sent));
	control_status_release(&got);
}
END_TEST

START_TEST(stats_that_are_malformed_are_refused)
{
	static const char *const bad[] = {
		"cache_hits x",	      "now_ns -1",
		"request 1 10",	      "request 64 10 1:1",
		"request 1 10 144:1", "request 1 10 1",
		"request 1 10 1:x",   "request 1 10 1:1,2",
		"request x 10 1:1",   "request 1 10 1:18446744073709551615",
	};
	struct control_status got = { .stats = &received };
	const char *text;
	char line[64];
	int code;

	for (size_t i = 0; i < array_len(bad); i++) {
		memset(&received, 0, sizeof(received));
		snprintf(line, sizeof(line), "%s", bad[i]);
		ck_assert_int_eq(control_take_line(line, &got, &code, &text),
				 ERR_MALFORMED);
	}
	/* A kind twice would count twice. */
	memset(&received, 0, sizeof(received));
	snprintf(line, sizeof(line), "request 1 10 1:1");
	ck_assert_int_eq(control_take_line(line, &got, &code, &text), 0);
	snprintf(line, sizeof(line), "request 1 10 1:1");
	ck_assert_int_eq(control_take_line(line, &got, &code, &text),
			 ERR_MALFORMED);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("cli text");
	TCase *t = tcase_create("text");

	tcase_add_test(t, sizes_are_read_with_units);
	tcase_add_test(t, sizes_that_are_none_are_refused);
	tcase_add_test(t, durations_are_read_with_units);
	tcase_add_test(t, sizes_are_shown_in_the_greatest_unit);
	tcase_add_test(t, times_before_1970_are_shown);
	tcase_add_test(t, modes_are_shown_as_ls_does);
	tcase_add_test(t, objects_and_arrays_nest);
	tcase_add_test(t, every_byte_of_a_name_can_be_had_back);
	tcase_add_test(t, a_status_comes_out_as_it_went_in);
	tcase_add_test(t, every_number_of_a_status_has_a_field);
	tcase_add_test(t, answers_that_are_none_are_refused);
	tcase_add_test(t, stats_arrive_as_they_were_sent);
	tcase_add_test(t, stats_that_are_malformed_are_refused);
	tcase_add_test(t, words_of_mount_set_what_they_name);
	tcase_add_test(t, no_list_of_words_overflows);
	tcase_add_test(t, hard_links_are_found_by_device_and_inode);
	tcase_add_test(t, each_error_has_its_exit_code);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(make_suite());
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
