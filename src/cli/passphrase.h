/* SPDX-License-Identifier: ISC */
/*
 * Passphrases, key files and recovery words: where they come from.  They are
 * never arguments, live in secret memory only and are wiped.
 */
#ifndef COFFER_CLI_PASSPHRASE_H
#define COFFER_CLI_PASSPHRASE_H

#include <stdbool.h>

#include "crypto/secret.h"
#include "vault/vault.h"

/* As the options name them; of fd, file and command at most one. */
struct pass_sources {
	bool has_fd;
	int fd;
	const char *file;
	const char *command;
	const char *key_file;
	bool no_passphrase; /* the key file alone */
	bool recovery;	    /* words of a recovery key instead */
};

/* A credential that owns its buffers. */
struct credential {
	struct secret_buf passphrase, key_file, recovery;
};

#define CREDENTIAL_INIT                                                        \
	{                                                                      \
		0                                                              \
	}
void credential_release(struct credential *c);
#define auto_credential __attribute__((cleanup(credential_release)))

/* As the vault takes it: buffers that are empty are not given. */
struct vault_credential credential_view(const struct credential *c);

enum pass_purpose {
	PASS_OPEN,   /* an existing one: asked once */
	PASS_CREATE, /* a vault's first: asked twice, may be a systemd one */
	PASS_NEW,    /* beside an existing one: asked twice, no systemd one */
};

/*
 * Reads a passphrase (or recovery words): from the one source given, else a
 * systemd credential, else standard input unless it is a terminal, else the
 * terminal.  One line is taken from a descriptor, nothing after it.
 * `object` is named in the prompt.  Gives an exit code, told.
 */
int passphrase_read(const struct pass_sources *s, enum pass_purpose purpose,
		    const char *object, struct secret_buf *ret) must_check;

/* The whole of a key file.  An exit code, told. */
int key_file_read(const char *path, struct secret_buf *ret) must_check;

/* Everything the sources name.  An exit code, told. */
int credential_read(const struct pass_sources *s, enum pass_purpose purpose,
		    const char *object, struct credential *ret) must_check;

#endif
