/* SPDX-License-Identifier: ISC */
/*
 * What a daemon and its clients say over the control socket: lines of at most
 * CONTROL_LINE_MAX bytes.  A request is one line: "status", "stats",
 * "sync", "gc", "gc dry", "wait", "name WRITER TEXT" or "retire WRITER".  An
 * answer is lines "key value" (status, gc, and stats: cli/stats_text.h), then
 * "done CODE TEXT" with an exit code and the line for the user, if any.  In
 * values every byte but the
 * printable ASCII characters without `%' is written as %XX.
 */
#ifndef COFFER_CLI_CONTROL_TEXT_H
#define COFFER_CLI_CONTROL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "vault/care.h"
#include "vault/device.h"
#include "vault/vault.h"

/* A path of PATH_MAX bytes, all of them escaped, and its key. */
#define CONTROL_LINE_MAX 12544
/* All of an answer: the device lines are what may be many. */
#define CONTROL_ANSWER_MAX (4U << 20)

struct control_stats; /* cli/stats_text.h */

/* What is known of a mount without asking its vault. */
struct control_mount {
	uint64_t pid;
	uint64_t since_ms;			 /* since 1970 */
	char *vault_path, *mountpoint, *profile; /* owned */
	char *read_only_reason; /* owned; a client's, may be NULL */
	char *trouble;		/* likewise */
	char *features;		/* likewise; what was agreed with the kernel */
	bool closing; /* a client's: unmounted, but still publishing */
};

/* What one device knows of another. */
struct control_known {
	uint64_t writer; /* whose knowledge it is */
	struct vault_knowledge of;
};

/* A whole answer. */
struct control_status {
	struct control_mount mount;
	bool has_vault; /* the fields below are known */
	struct vault_status vault;
	struct vault_device *devices; /* owned, as what follows */
	size_t n_devices;
	struct control_known *known;
	size_t n_known;
	struct vault_alarm *alarms;
	size_t n_alarms;
	struct vault_gc_result gc;   /* of "gc" */
	struct control_stats *stats; /* of "stats"; borrowed; NULL: not asked
					for */
};

#define CONTROL_STATUS_INIT                                                    \
	{                                                                      \
		0                                                              \
	}
void control_status_release(struct control_status *s);

/* The numbers of a struct vault_status, in the order they are shown. */
struct control_field {
	const char *key;   /* in the protocol and in JSON */
	const char *label; /* for people */
	bool is_bytes;
	bool only_if_set; /* shown to people only if not 0 */
	size_t offset;	  /* of the uint64_t */
};
extern const struct control_field control_fields[];
extern const size_t control_n_fields;
uint64_t control_field_get(const struct vault_status *s,
			   const struct control_field *f);

void control_put_text(struct buf *b, const char *key, const char *value);
void control_put_u64(struct buf *b, const char *key, uint64_t value);
void control_put_done(struct buf *b, int code, const char *text);
void control_put_mount(struct buf *b, const struct control_mount *m,
		       bool closing);
void control_put_vault(struct buf *b, const struct vault_status *v);
void control_put_gc(struct buf *b, const struct vault_gc_result *g);
/* What does not work just now, if anything: "trouble" and a sentence. */
void control_put_trouble(struct buf *b, const struct vault_status *v);
void control_put_device(struct buf *b, const struct vault_device *d);
void control_put_known(struct buf *b, uint64_t writer,
		       const struct vault_knowledge *k);
void control_put_alarm(struct buf *b, const struct vault_alarm *a);

/* To the lists of an answer: -ENOMEM; ERR_MALFORMED: too many. */
int control_add_device(struct control_status *to,
		       const struct vault_device *d) must_check;
int control_add_known(struct control_status *to,
		      const struct control_known *k) must_check;
int control_add_alarm(struct control_status *to,
		      const struct vault_alarm *a) must_check;

/* A request with a value, taken apart in place: 1, *ret_writer and *ret_text
 * (inside `line`); 0: it is another. */
int control_take_request(char *line, const char *name, uint64_t *ret_writer,
			 const char **ret_text) must_check;

/* One line of an answer, without its end, taken apart in place.  1: it was the
 * "done" line (*ret_code, *ret_text inside `line`); 0: it went into `to` (or is
 * of a later version: ignored); ERR_MALFORMED. */
int control_take_line(char *line, struct control_status *to, int *ret_code,
		      const char **ret_text) must_check;

#endif
