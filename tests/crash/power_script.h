/* SPDX-License-Identifier: ISC */
/* The calls that are made while the power may fail, and what they confirmed. */
#ifndef COFFER_TESTS_POWER_SCRIPT_H
#define COFFER_TESTS_POWER_SCRIPT_H

#include <stdint.h>

#include "power_env.h"
#include "power_model.h"
#include "vault/vault.h"

#define POWER_STATES_MAX 4000

struct power_run {
	char base[256];
	uint64_t seed;
	struct power_env power;
	struct env *calm; /* the real disk, whose plug nobody pulls */
	char *states[POWER_STATES_MAX]; /* of the folder, as text */
	int n_states;
	int lower;     /* the state that is confirmed; -1: no vault yet */
	int published; /* the one that is confirmed to be published */
	unsigned pass, pass_upper; /* the passphrase, and its successor */
};
extern struct power_run g;

void power_script_init(const char *base, uint64_t seed);
void power_script_alone(void);
void power_script_two(void);
void power_script_end(void);

/* The program's: g.power on this folder, recording. */
void power_record(const char *top);

/* A path below the base; one of the last 64 asked for. */
const char *power_path(const char *name);
/* Tells what was logged last. */
void power_tell_lines(void);
/* Ends the program if r is an error. */
void power_must(int r, const char *what);
void power_pass_text(unsigned n, char to[static 32]);
/* Read-only if state is NULL. */
struct vault_options power_options(const char *vault, const char *state,
				   struct env *env);
int power_open(const struct vault_options *o, unsigned pass, struct vault **ret)
	must_check;

#endif
