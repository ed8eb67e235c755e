/* SPDX-License-Identifier: ISC */
/* The beginning and the end of a repair. */
#include "vault/repair/repair.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/keys/unlock.h"

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

void vault_repair_close(struct vault_repair *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->n_roots; i++)
		close_quietly(r->env, &r->roots[i].fd);
	mem_free(r->roots);
	for (size_t i = 0; i < r->n; i++)
		mem_free(r->files[i].path);
	mem_free(r->files);
	for (size_t i = 0; i < r->rescue.n_log; i++)
		mem_free(r->rescue.log[i].bytes);
	mem_free(r->rescue.log);
	secret_free(r->ring);
	secret_free(r->keys);
	statedir_close(&r->state);
	mem_free(r);
}

const struct vault_repair_result *vault_repair_result(
	const struct vault_repair *r)
{
	return &r->result;
}

static int open_roots(struct vault_repair *r, const char *path,
		      const char **ret_what)
{
	unsigned n = (unsigned)r->opts->n_from + 1;
	int e;

	r->roots = mem_zalloc_array(n, sizeof(*r->roots));
	if (!r->roots)
		return -ENOMEM;
	*ret_what = "the vault directory";
	for (unsigned i = 0; i < n; i++) {
		const char *at = i ? r->opts->from[i - 1] : path;

		e = unlock_open_vault(r->env, at, &r->roots[i].fd);
		if (e < 0) {
			r->roots[i].fd = -1;
			return e == -ENOTDIR && i == 0 ? ERR_NOT_VAULT : e;
		}
		r->roots[i].shown = i ? at : "";
		r->n_roots++;
		*ret_what = "the copy given with --from";
	}
	return 0;
}

/* A dry run must not touch the state, which knows whose device this is. */
static int read_own(struct vault_repair *r, const struct vault_options *opts)
{
	uint8_t raw[WRITER_FILE_BYTES];
	struct writer_file w;
	int e;

	if (!r->opts->dry_run || opts->no_state)
		return 0;
	e = statedir_open(r->env, opts->state_path, &r->header.uuid, false,
			  &r->state);
	if (e < 0)
		return e == -ENOENT ? 0 : e;
	if (statedir_read_writer(&r->state, raw) == 1 &&
	    writer_file_decode(raw, &w) == 0)
		r->own = w.writer;
	return 0;
}

static bool is_there(const struct vault_repair *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->files[i].kind == REPAIR_HEADER ||
		    r->files[i].kind == REPAIR_SEGMENT)
			return true;
	return false;
}

static int open_vault(struct vault_repair *r, const struct vault_options *opts,
		      const struct vault_credential *cred,
		      const char **ret_what, struct vault **ret)
{
	struct vault_options o = *opts;
	int e;

	o.rescue = &r->rescue;
	if (r->opts->dry_run) {
		o.no_state = true;
		r->rescue.is_dry = true;
	}
	e = vault_open(&o, cred, ret_what, ret);
	if (e == 0 && !r->opts->dry_run)
		r->own = (*ret)->writer;
	return e;
}

int vault_repair_open(const struct vault_options *opts,
		      const struct vault_credential *cred,
		      const struct vault_repair_options *repair,
		      const char **ret_what, struct vault_repair **ret,
		      struct vault **ret_vault)
{
	const struct statedir none = STATEDIR_INIT;
	struct vault_repair *r = mem_zalloc(sizeof(*r));
	int e;

	*ret_what = "memory";
	if (!r)
		return -ENOMEM;
	r->env = opts->env ? opts->env : env_posix();
	r->opts = repair;
	r->state = none;
	e = crypto_start();
	if (e == 0)
		e = open_roots(r, opts->path, ret_what);
	if (e == 0)
		e = repair_list_files(r);
	if (e == 0 && !is_there(r))
		e = ERR_NOT_VAULT;
	if (e == 0)
		e = repair_unlock(r, cred, ret_what);
	if (e == 0) {
		*ret_what = "the state directory";
		e = read_own(r, opts);
	}
	if (e == 0) {
		*ret_what = "the logs of the devices";
		e = repair_log(r);
	}
	if (e == 0)
		e = open_vault(r, opts, cred, ret_what, ret_vault);
	if (e < 0) {
		vault_repair_close(r);
		return e;
	}
	*ret = r;
	return 0;
}
