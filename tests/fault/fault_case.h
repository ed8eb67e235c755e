/* SPDX-License-Identifier: ISC */
/* What is done to a vault while something fails, and how it is judged. */
#ifndef COFFER_TESTS_FAULT_CASE_H
#define COFFER_TESTS_FAULT_CASE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/env.h"
#include "crypto/secret.h"
#include "vault/vault.h"

struct step {
	int (*fn)(struct vault *v); /* NULL: the end */
	bool is_durable; /* on return 0 all before it is confirmed */
};

#define SCENARIO_STEPS 10

struct scenario {
	const char *name;
	void (*prepare)(void); /* makes the folders v0 and s0 */
	struct step steps[SCENARIO_STEPS + 1];
	/* Before opening; NULL.  An error ends it. */
	int (*first)(const struct vault_options *o,
		     const struct vault_credential *cred);
	bool is_init; /* `first` is all, and makes the vault */
	bool is_reading; /* opened read-only */
	bool changes_keys; /* a second passphrase may open it after */
};

extern const struct scenario scenarios[];
extern const size_t n_scenarios;

/* One run of a scenario. */
struct run {
	const struct scenario *s;
	struct secret_buf pass;
	struct vault_credential cred;
	struct vault_options opts;
	struct vault *v;
	unsigned confirmed, begun; /* steps */
	bool is_closed_well;
	int err;
};

/* Makes v0 and s0, and learns the tree after each step. */
void scenario_prepare(const struct scenario *s);
/* v and s as they were. */
void scenario_copy(const struct scenario *s);
/* What must not fail: the credential. */
void scenario_arm(struct run *r);
void scenario_disarm(struct run *r);
/* *r->v stays NULL if there is nothing to be closed. */
int scenario_open(struct run *r, struct env *env);
/* With the real disk.  `is_for_good`: nothing could be tidied up. */
void scenario_judge(struct run *r, int mode, bool is_for_good,
		    unsigned long nth);

#endif
