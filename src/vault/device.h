/* SPDX-License-Identifier: ISC */
/*
 * The devices that write to a vault: who has seen what of whom, what does not
 * fit one history, and what to do about it (vault-format/10-ordering.md,
 * Rollback and forks).  Threads and errors as vault/vault.h has them.
 */
#ifndef COFFER_VAULT_DEVICE_H
#define COFFER_VAULT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/vault.h"

struct vault_device {
	uint64_t writer;
	char name[65];
	uint64_t seq;  /* segments applied here */
	uint64_t held; /* its segments that are here and cannot be applied */
	/* What its next one waits for: a segment of that writer (0: nothing
	 * known), or never (an error). */
	uint64_t waits_writer, waits_seq;
	int stopped_err;
	uint64_t behind; /* segments applied here that it has not seen */
	uint64_t ack;	 /* this device's segments it has with all packs */
	bool is_self, is_retired;
	uint64_t joined_ms, retired_ms; /* 0: not known, not retired */
	uint64_t seen_ms;		/* clock of its last operation */
};

typedef int vault_device_fn(void *arg, const struct vault_device *d);
int vault_each_device(struct vault *v, vault_device_fn *fn, void *arg)
	must_check;

/* What a device's last segment says it knew of another. */
struct vault_knowledge {
	uint64_t writer;  /* the other */
	uint64_t context; /* its last segment applied there */
	uint64_t ack;	  /* up to where its packs are there too */
};
typedef int vault_knowledge_fn(void *arg, const struct vault_knowledge *k);
int vault_each_known(struct vault *v, uint64_t writer, vault_knowledge_fn *fn,
		     void *arg) must_check;

bool vault_device_may_have(const char *name); /* 1 to 64 bytes ... */

/* Logs it, and publishes with the next segment.  -ENOENT: nobody has that id;
 * -EINVAL: no name for a device, or this device itself. */
int vault_device_name(struct vault *v, uint64_t writer, const char *name)
	must_check;
int vault_device_retire(struct vault *v, uint64_t writer) must_check;

/* ---- what does not fit one history ---- */

enum vault_alarm_kind {
	VAULT_ALARM_GONE = 1, /* segments were seen, and are gone */
	VAULT_ALARM_FORKED,   /* another stands where one was seen */
	VAULT_ALARM_OWN,      /* the own log was continued elsewhere */
	VAULT_ALARM_AHEAD,    /* two next ones: neither is applied */
	VAULT_ALARM_RETIRED,  /* this device was, by another */
	VAULT_ALARM_VANISHED, /* many of the own files: packs, too */
};

#define VAULT_ALARM_TEXT 512

struct vault_alarm {
	enum vault_alarm_kind kind;
	uint64_t writer;
	uint64_t first, last; /* segments; VANISHED: files missing, of all */
	bool is_read_only;	      /* writing would fork, or reach nobody */
	char text[VAULT_ALARM_TEXT];  /* a sentence, and what to do */
};

/* Those met since the opening, each once. */
typedef int vault_alarm_fn(void *arg, const struct vault_alarm *a);
int vault_each_alarm(struct vault *v, vault_alarm_fn *fn, void *arg)
	must_check;
/* What those that make the vault read-only come to: 0, ERR_ROLLED_BACK,
 * ERR_FORKED, ERR_MISSING. */
int vault_alarm_error(struct vault *v);
/* Stable, for machines: "gone" ... */
const char *vault_alarm_name(enum vault_alarm_kind kind);

/* ---- accepting ---- */

enum vault_kept {
	VAULT_KEPT = 1, /* was only here: published again under this path */
	VAULT_KEPT_BESIDE, /* likewise, under a name of its own */
	VAULT_LOST,	   /* its contents are nowhere any more */
};

struct vault_accept_options {
	bool discard; /* keep nothing that the vault lacks */
	/* Each path as it is dealt with; may be NULL. */
	void (*tell)(void *arg, enum vault_kept what, const char *path);
	void *arg;
};

struct vault_accept_result {
	bool was_needed; /* else nothing was changed */
	uint64_t old_writer, new_writer;
	uint64_t n_kept, n_beside, n_lost;
	uint64_t n_again; /* deleted or moved here, and shown again */
	char *put_away;	  /* the old state's directory; mem_free */
};

/*
 * Takes the vault as it is now: begins a new writer, publishes under it what
 * the local state has and the vault lacks, retires the old writer, and puts the
 * old state away.  Until the end nothing of the old state is changed: whatever
 * fails, it can be done again.  For a vault without an alarm that makes it
 * read-only it does nothing.  As vault_open; ERR_READ_ONLY: the vault cannot be
 * written to for another reason.
 */
int vault_accept(const struct vault_options *opts,
		 const struct vault_credential *cred,
		 const struct vault_accept_options *how, const char **ret_what,
		 struct vault_accept_result *ret) must_check;

#endif
