/* SPDX-License-Identifier: ISC */
#include "cli/control_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "cli/stats_text.h"
#include "cli/units.h"

/* More devices than a vault has in practice; fewer than would fill memory. */
#define DEVICES_MAX 4096
#define KNOWN_MAX 65536

#define FIELD(key, member, label, bytes, quiet)                                \
	{                                                                      \
		key, label, bytes, quiet,                                      \
			offsetof(struct vault_status, member)                  \
	}

const struct control_field control_fields[] = {
	FIELD("inodes", n_inodes, "files and folders", false, false),
	FIELD("directories", n_dirs, "folders", false, false),
	FIELD("unlinked_inodes", n_unlinked, "deleted and still in use", false,
	      true),
	FIELD("logical_bytes", logical_bytes, "contents", true, false),
	FIELD("used_bytes", used_bytes, "stored, each piece once", true, false),
	FIELD("quota_bytes", quota_bytes, "quota", true, true),
	FIELD("unpublished_ops", unpublished_ops, "unpublished operations",
	      false, false),
	FIELD("dirty_bytes", dirty_bytes, "in memory", true, true),
	FIELD("staged_bytes", staged_bytes, "unpublished contents", true,
	      false),
	FIELD("packs", n_packs, "packs", false, false),
	FIELD("pack_bytes", pack_bytes, "size of packs", true, false),
	FIELD("dead_bytes", dead_bytes, "dead in packs", true, true),
	FIELD("segments_applied", segments_applied, "log segments", false,
	      false),
	FIELD("segments_held", segments_held, "segments held back", false,
	      true),
	FIELD("packs_pending", packs_pending, "packs still to arrive", false,
	      true),
	FIELD("conflicts", conflicts, "conflicts", false, true),
	FIELD("foreign_files", foreign_files, "foreign files in the vault",
	      false, true),
	FIELD("damaged", damaged, "damaged files met", false, true),
	FIELD("cache_hits", cache_hits, "cache hits", false, true),
	FIELD("cache_misses", cache_misses, "cache misses", false, true),
};
const size_t control_n_fields = array_len(control_fields);

void control_status_release(struct control_status *s)
{
	mem_free(s->mount.vault_path);
	mem_free(s->mount.mountpoint);
	mem_free(s->mount.profile);
	mem_free(s->mount.features);
	mem_free(s->mount.read_only_reason);
	mem_free(s->mount.trouble);
	mem_free(s->devices);
	mem_free(s->known);
	mem_free(s->alarms);
	*s = (struct control_status)CONTROL_STATUS_INIT;
}

uint64_t control_field_get(const struct vault_status *s,
			   const struct control_field *f)
{
	uint64_t n;

	memcpy(&n, (const char *)s + f->offset, sizeof(n));
	return n;
}

/* ---------------------------------------------------------------- writing */

static void put_string(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

static void put_escaped(struct buf *b, const char *text)
{
	char code[4];

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= ' ' && c < 0x7f && c != '%') {
			buf_put_u8(b, c);
			continue;
		}
		snprintf(code, sizeof(code), "%%%02x", c);
		put_string(b, code);
	}
}

void control_put_text(struct buf *b, const char *key, const char *value)
{
	put_string(b, key);
	buf_put_u8(b, ' ');
	put_escaped(b, value);
	buf_put_u8(b, '\n');
}

void control_put_u64(struct buf *b, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	control_put_text(b, key, text);
}

void control_put_done(struct buf *b, int code, const char *text)
{
	char head[24];

	snprintf(head, sizeof(head), "done %d ", code);
	put_string(b, head);
	put_escaped(b, text ? text : "");
	buf_put_u8(b, '\n');
}

void control_put_mount(struct buf *b, const struct control_mount *m,
		       bool closing)
{
	control_put_u64(b, "pid", m->pid);
	control_put_u64(b, "since_ms", m->since_ms);
	control_put_text(b, "vault", m->vault_path);
	control_put_text(b, "mountpoint", m->mountpoint);
	control_put_text(b, "profile", m->profile);
	control_put_u64(b, "closing", closing);
}

void control_put_vault(struct buf *b, const struct vault_status *v)
{
	char hex[33];

	hex_encode(v->uuid.b, sizeof(v->uuid.b), hex);
	control_put_text(b, "uuid", hex);
	snprintf(hex, sizeof(hex), "%016" PRIx64, v->writer);
	control_put_text(b, "writer", hex);
	control_put_text(b, "device_name", v->device_name);
	control_put_u64(b, "read_only", v->read_only);
	control_put_u64(b, "newest_epoch", v->newest_epoch);
	control_put_u64(b, "key_slots", v->n_slots);
	for (size_t i = 0; i < control_n_fields; i++)
		control_put_u64(b, control_fields[i].key,
				control_field_get(v, &control_fields[i]));
}

void control_put_trouble(struct buf *b, const struct vault_status *v)
{
	char text[256];

	if (v->cut_err == 0 && v->publish_err == 0)
		return;
	if (v->cut_err < 0)
		snprintf(text, sizeof(text),
			 "what was changed last cannot be made durable: %s",
			 err_text(v->cut_err));
	else
		snprintf(text, sizeof(text),
			 "what was changed is safe in the local state, and "
			 "cannot be published: %s",
			 err_text(v->publish_err));
	control_put_text(b, "trouble", text);
}

void control_put_device(struct buf *b, const struct vault_device *d)
{
	char text[96];

	snprintf(text, sizeof(text),
		 "device %016" PRIx64 " %" PRIu64 " %" PRIu64 " %u%u ",
		 d->writer, d->seq, d->seen_ms, d->is_self, d->is_retired);
	put_string(b, text);
	put_escaped(b, d->name);
	/* Keys a program of before these does not know it leaves out. */
	snprintf(text, sizeof(text),
		 "\ndevice_log %016" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		 " %" PRIu64 "\n",
		 d->writer, d->behind, d->ack, d->joined_ms, d->retired_ms);
	put_string(b, text);
	if (d->held == 0)
		return;
	snprintf(text, sizeof(text),
		 "device_held %016" PRIx64 " %" PRIu64 " %016" PRIx64
		 " %" PRIu64 " %d\n",
		 d->writer, d->held, d->waits_writer, d->waits_seq,
		 -d->stopped_err);
	put_string(b, text);
}

void control_put_known(struct buf *b, uint64_t writer,
		       const struct vault_knowledge *k)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "known %016" PRIx64 " %016" PRIx64 " %" PRIu64 " %" PRIu64
		 "\n",
		 writer, k->writer, k->context, k->ack);
	put_string(b, text);
}

void control_put_alarm(struct buf *b, const struct vault_alarm *a)
{
	char text[96];

	snprintf(text, sizeof(text),
		 "alarm %016" PRIx64 " %u %" PRIu64 " %" PRIu64 " %u ",
		 a->writer, (unsigned)a->kind, a->first, a->last,
		 a->is_read_only);
	put_string(b, text);
	put_escaped(b, a->text);
	buf_put_u8(b, '\n');
}

/* Of struct vault_gc_result; several_devices is told as a number too. */
static const struct {
	const char *key;
	size_t offset;
} gc_fields[] = {
	{ "gc_packs", offsetof(struct vault_gc_result, n_packs) },
	{ "gc_dead_packs", offsetof(struct vault_gc_result, n_dead_packs) },
	{ "gc_removed_packs", offsetof(struct vault_gc_result, n_removed) },
	{ "gc_live_bytes", offsetof(struct vault_gc_result, live_bytes) },
	{ "gc_dead_bytes", offsetof(struct vault_gc_result, dead_bytes) },
	{ "gc_removed_bytes",
	  offsetof(struct vault_gc_result, removed_bytes) },
	{ "gc_sparse_packs",
	  offsetof(struct vault_gc_result, n_sparse_packs) },
	{ "gc_sparse_bytes", offsetof(struct vault_gc_result, sparse_bytes) },
	{ "gc_copy_bytes", offsetof(struct vault_gc_result, copy_bytes) },
	{ "gc_copied_bytes", offsetof(struct vault_gc_result, copied_bytes) },
	{ "gc_waiting_bytes",
	  offsetof(struct vault_gc_result, waiting_bytes) },
};
#define GC_SEVERAL_KEY "gc_several_devices"
#define GC_WAIT_KEY "gc_wait"

static void put_wait(struct buf *b, const struct vault_gc_wait *w)
{
	char text[64];

	snprintf(text, sizeof(text), GC_WAIT_KEY " %016" PRIx64 " %" PRIu64 " ",
		 w->writer, w->seen_ms);
	put_string(b, text);
	put_escaped(b, w->name);
	buf_put_u8(b, '\n');
}

void control_put_gc(struct buf *b, const struct vault_gc_result *g)
{
	for (size_t i = 0; i < array_len(gc_fields); i++) {
		uint64_t n;

		memcpy(&n, (const char *)g + gc_fields[i].offset, sizeof(n));
		control_put_u64(b, gc_fields[i].key, n);
	}
	control_put_u64(b, GC_SEVERAL_KEY, g->several_devices);
	for (unsigned i = 0; i < g->n_waits && i < VAULT_GC_WAITS_MAX; i++)
		put_wait(b, &g->waits[i]);
}

/* ---------------------------------------------------------------- reading */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		int high, low;

		if (*text != '%') {
			*to++ = *text;
			continue;
		}
		high = hex_digit(text[1]);
		low = high < 0 ? -1 : hex_digit(text[2]);
		if (low < 0 || (high == 0 && low == 0))
			return ERR_MALFORMED;
		*to++ = (char)(high << 4 | low);
		text += 2;
	}
	*to = '\0';
	return 0;
}

static int take_string(const char *value, char **to)
{
	char *copy = mem_strdup(value);

	if (!copy)
		return -ENOMEM;
	mem_free(*to);
	*to = copy;
	return 0;
}

static int take_writer(const char *text, uint64_t *ret)
{
	uint8_t b[8];
	int r = hex_decode(text, sizeof(b), b);

	if (r < 0)
		return r;
	*ret = 0;
	for (size_t i = 0; i < sizeof(b); i++)
		*ret = *ret << 8 | b[i];
	return 0;
}

int control_add_device(struct control_status *to,
		       const struct vault_device *d)
{
	struct vault_device *more;

	if (to->n_devices == DEVICES_MAX)
		return ERR_MALFORMED;
	more = mem_realloc_array(to->devices, to->n_devices + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	to->devices = more;
	to->devices[to->n_devices++] = *d;
	return 0;
}

int control_add_known(struct control_status *to,
		      const struct control_known *k)
{
	struct control_known *more;

	if (to->n_known == KNOWN_MAX)
		return ERR_MALFORMED;
	more = mem_realloc_array(to->known, to->n_known + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	to->known = more;
	to->known[to->n_known++] = *k;
	return 0;
}

int control_add_alarm(struct control_status *to, const struct vault_alarm *a)
{
	struct vault_alarm *more;

	if (to->n_alarms == DEVICES_MAX)
		return ERR_MALFORMED;
	more = mem_realloc_array(to->alarms, to->n_alarms + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	to->alarms = more;
	to->alarms[to->n_alarms++] = *a;
	return 0;
}

static int take_device(const char *value, struct control_status *to)
{
	struct vault_device d = { 0 };
	unsigned self, retired;
	int at = 0;

	if (take_writer(value, &d.writer) < 0 ||
	    sscanf(value + 16, " %" SCNu64 " %" SCNu64 " %1u%1u %n", &d.seq,
		   &d.seen_ms, &self, &retired, &at) < 4 ||
	    !at)
		return ERR_MALFORMED;
	d.is_self = self;
	d.is_retired = retired;
	snprintf(d.name, sizeof(d.name), "%s", value + 16 + at);
	return control_add_device(to, &d);
}

/* The device told of before. */
static struct vault_device *last_device(struct control_status *to,
					uint64_t writer)
{
	struct vault_device *d =
		to->n_devices ? &to->devices[to->n_devices - 1] : NULL;

	return d && d->writer == writer ? d : NULL;
}

static int take_device_log(const char *value, struct control_status *to)
{
	struct vault_device *d;
	uint64_t writer;

	if (take_writer(value, &writer) < 0)
		return ERR_MALFORMED;
	d = last_device(to, writer);
	return d && sscanf(value + 16,
			   " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
			   &d->behind, &d->ack, &d->joined_ms,
			   &d->retired_ms) == 4 ?
		       0 : ERR_MALFORMED;
}

static int take_device_held(const char *value, struct control_status *to)
{
	struct vault_device *d;
	uint64_t writer;
	int err, at = 0;

	if (take_writer(value, &writer) < 0)
		return ERR_MALFORMED;
	d = last_device(to, writer);
	if (!d || sscanf(value + 16, " %" SCNu64 " %n", &d->held, &at) < 1 ||
	    !at || take_writer(value + 16 + at, &d->waits_writer) < 0 ||
	    sscanf(value + 32 + at, " %" SCNu64 " %5d", &d->waits_seq, &err) !=
		    2)
		return ERR_MALFORMED;
	d->stopped_err = -err;
	return 0;
}

static int take_known(const char *value, struct control_status *to)
{
	struct control_known k = { 0 };

	if (take_writer(value, &k.writer) < 0 || value[16] != ' ' ||
	    take_writer(value + 17, &k.of.writer) < 0 ||
	    sscanf(value + 33, " %" SCNu64 " %" SCNu64, &k.of.context,
		   &k.of.ack) != 2)
		return ERR_MALFORMED;
	return control_add_known(to, &k);
}

static int take_alarm(const char *value, struct control_status *to)
{
	struct vault_alarm a = { 0 };
	unsigned kind, is_read_only;
	int at = 0;

	if (take_writer(value, &a.writer) < 0 ||
	    sscanf(value + 16, " %2u %" SCNu64 " %" SCNu64 " %1u %n", &kind,
		   &a.first, &a.last, &is_read_only, &at) < 4 ||
	    !at)
		return ERR_MALFORMED;
	/* One of a later version has a text, too. */
	a.kind = kind <= VAULT_ALARM_VANISHED ? (enum vault_alarm_kind)kind : 0;
	a.is_read_only = is_read_only;
	snprintf(a.text, sizeof(a.text), "%s", value + 16 + at);
	return control_add_alarm(to, &a);
}

/* Keys there may be many of.  1: it was one of them. */
static int take_list(const char *key, const char *value,
		     struct control_status *to)
{
	static const struct {
		const char *key;
		int (*take)(const char *value, struct control_status *to);
	} lists[] = {
		{ "device", take_device },
		{ "device_log", take_device_log },
		{ "device_held", take_device_held },
		{ "known", take_known },
		{ "alarm", take_alarm },
	};

	for (size_t i = 0; i < array_len(lists); i++) {
		if (strcmp(key, lists[i].key) == 0) {
			int r = lists[i].take(value, to);

			return r < 0 ? r : 1;
		}
	}
	return 0;
}

/* What is beyond the limit is left out, as in struct vault_gc_result. */
static int take_wait(const char *value, struct vault_gc_result *to)
{
	struct vault_gc_wait w = { 0 };
	int at = 0;

	if (take_writer(value, &w.writer) < 0 ||
	    sscanf(value + 16, " %" SCNu64 " %n", &w.seen_ms, &at) < 1 || !at)
		return ERR_MALFORMED;
	snprintf(w.name, sizeof(w.name), "%s", value + 16 + at);
	if (to->n_waits < VAULT_GC_WAITS_MAX)
		to->waits[to->n_waits++] = w;
	return 0;
}

/* Keys with a text.  1: it was one of them. */
static int take_text(const char *key, const char *value,
		     struct control_status *to)
{
	const struct {
		const char *key;
		char **to;
	} texts[] = {
		{ "vault", &to->mount.vault_path },
		{ "mountpoint", &to->mount.mountpoint },
		{ "profile", &to->mount.profile },
		{ "features", &to->mount.features },
		{ "read_only_reason", &to->mount.read_only_reason },
		{ "trouble", &to->mount.trouble },
	};
	int r;

	for (size_t i = 0; i < array_len(texts); i++) {
		if (strcmp(key, texts[i].key) == 0) {
			r = take_string(value, texts[i].to);
			return r < 0 ? r : 1;
		}
	}
	r = 1;
	if (strcmp(key, "uuid") == 0) {
		to->has_vault = true;
		r = hex_decode(value, sizeof(to->vault.uuid.b),
			       to->vault.uuid.b);
	} else if (strcmp(key, "writer") == 0) {
		r = take_writer(value, &to->vault.writer);
	} else if (strcmp(key, "device_name") == 0) {
		snprintf(to->vault.device_name, sizeof(to->vault.device_name),
			 "%s", value);
	} else if (strcmp(key, GC_WAIT_KEY) == 0) {
		r = take_wait(value, &to->gc);
	} else {
		return take_list(key, value, to);
	}
	return r < 0 ? r : 1;
}

static int take_number(const char *key, const char *value,
		       struct control_status *to)
{
	uint64_t n;
	int r = units_parse_number(value, 10, UINT64_MAX, &n);

	if (r < 0)
		return 0; /* a text of a later version */
	for (size_t i = 0; i < control_n_fields; i++) {
		if (strcmp(key, control_fields[i].key) == 0)
			memcpy((char *)&to->vault + control_fields[i].offset,
			       &n, sizeof(n));
	}
	for (size_t i = 0; i < array_len(gc_fields); i++) {
		if (strcmp(key, gc_fields[i].key) == 0)
			memcpy((char *)&to->gc + gc_fields[i].offset, &n,
			       sizeof(n));
	}
	if (strcmp(key, "pid") == 0)
		to->mount.pid = n;
	else if (strcmp(key, "since_ms") == 0)
		to->mount.since_ms = n;
	else if (strcmp(key, "closing") == 0)
		to->mount.closing = n;
	else if (strcmp(key, "read_only") == 0)
		to->vault.read_only = n;
	else if (strcmp(key, "newest_epoch") == 0)
		to->vault.newest_epoch = (uint32_t)n;
	else if (strcmp(key, "key_slots") == 0)
		to->vault.n_slots = (uint32_t)n;
	else if (strcmp(key, GC_SEVERAL_KEY) == 0)
		to->gc.several_devices = n;
	return 0;
}

static int take_done(char *value, int *ret_code, const char **ret_text)
{
	char *text = strchr(value, ' ');
	uint64_t n;

	if (!text)
		return ERR_MALFORMED;
	*text++ = '\0';
	if (units_parse_number(value, 10, 255, &n) < 0 || unescape(text) < 0)
		return ERR_MALFORMED;
	*ret_code = (int)n;
	*ret_text = text;
	return 1;
}

int control_take_line(char *line, struct control_status *to, int *ret_code,
		      const char **ret_text)
{
	char *value = strchr(line, ' ');
	int r;

	if (!value)
		return ERR_MALFORMED;
	*value++ = '\0';
	if (strcmp(line, "done") == 0)
		return take_done(value, ret_code, ret_text);
	if (unescape(value) < 0)
		return ERR_MALFORMED;
	r = to->stats ? stats_take_line(line, value, to->stats) : 0;
	if (r == 0)
		r = take_text(line, value, to);
	if (r != 0)
		return r < 0 ? r : 0;
	return take_number(line, value, to);
}

/* ---------------------------------------------------------------- requests */

int control_take_request(char *line, const char *name, uint64_t *ret_writer,
			 const char **ret_text)
{
	size_t n = strlen(name);
	char *at = line + n;
	int r;

	if (strncmp(line, name, n) != 0 || *at != ' ')
		return 0;
	r = strlen(at) > 16 ? take_writer(at + 1, ret_writer) : ERR_MALFORMED;
	if (r < 0 || (at[17] != ' ' && at[17] != '\0'))
		return ERR_MALFORMED;
	at += at[17] == ' ' ? 18 : 17;
	*ret_text = at;
	r = unescape(at);
	return r < 0 ? r : 1;
}
