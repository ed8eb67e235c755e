/* SPDX-License-Identifier: ISC */
/* coffer info: what a vault shows to anybody, without a passphrase. */
#include <inttypes.h>
#include <stdio.h>

#include "base/hex.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/open.h"
#include "cli/slot_text.h"
#include "cli/units.h"
#include "crypto/backend.h"
#include "crypto/secret.h"
#include "vault/slots.h"

static int print_slot(void *arg, const struct vault_slot *s)
{
	(void)arg;
	slot_print(s);
	return 0;
}

static int put_slot(void *arg, const struct vault_slot *s)
{
	slot_put_json(arg, s, false);
	return 0;
}

static void print_peek(const char *path, const struct vault_peek *p)
{
	char hex[33], a[UNITS_SIZE_BYTES], b[UNITS_SIZE_BYTES],
		c[UNITS_SIZE_BYTES];

	hex_encode(p->uuid.b, sizeof(p->uuid.b), hex);
	printf("%s\n", path);
	printf("  id               %s\n", hex);
	printf("  format           1\n");
	printf("  chunks           %s to %s, about %s\n",
	       units_format_size(p->chunk_min, a),
	       units_format_size(p->chunk_max, b),
	       units_format_size(p->chunk_average, c));
	printf("  size             %s in %" PRIu64 " packs and %" PRIu64
	       " log segments\n",
	       units_format_size(p->total_bytes, a), p->n_packs, p->n_segments);
	printf("  devices          %" PRIu32 "\n", p->n_writers);
	printf("  key slots        %" PRIu32 "\n", p->n_slots);
}

/* Not the vault's, but what this machine will do to it. */
static void print_backend(void)
{
	struct crypto_backend b;

	crypto_backend(&b);
	printf("  encryption by    %s\n", b.aead);
	printf("  hashing by       %s\n", b.hash);
}

static void put_backend(struct json *j)
{
	struct crypto_backend b;

	crypto_backend(&b);
	json_text(j, "encryption_library", b.aead);
	json_text(j, "hash_library", b.hash);
}

static void put_peek(struct json *j, const char *path,
		     const struct vault_peek *p)
{
	json_text(j, "vault", path);
	json_hex(j, "uuid", p->uuid.b, sizeof(p->uuid.b));
	json_u64(j, "format", 1);
	json_u64(j, "chunk_min", p->chunk_min);
	json_u64(j, "chunk_average", p->chunk_average);
	json_u64(j, "chunk_max", p->chunk_max);
	json_u64(j, "features_incompatible", p->incompatible);
	json_u64(j, "features_read_only_compatible", p->read_only_compatible);
	json_u64(j, "features_compatible", p->compatible);
	json_u64(j, "total_bytes", p->total_bytes);
	json_u64(j, "packs", p->n_packs);
	json_u64(j, "segments", p->n_segments);
	json_u64(j, "devices", p->n_writers);
	json_u64(j, "key_slots", p->n_slots);
}

static int run(struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct json j = JSON_INIT(stdout);
	struct vault_peek peek;
	int r = crypto_start();

	if (r == 0)
		r = vault_peek(&opts, &peek);
	if (r < 0)
		return open_tell("examine", &opts, r, "its header VAULT");
	if (!cli->json) {
		print_peek(opts.path, &peek);
		print_backend();
		r = vault_peek_slots(&opts, print_slot, NULL);
	} else {
		json_object(&j, NULL);
		put_peek(&j, opts.path, &peek);
		put_backend(&j);
		json_array(&j, "slots");
		r = vault_peek_slots(&opts, put_slot, &j);
		json_end_array(&j);
		json_end_object(&j);
		putchar('\n');
	}
	return r < 0 ? open_tell("examine", &opts, r, "a key slot") : EXIT_DONE;
}

const struct cli_command cmd_info = {
	.name = "info",
	.operands = "VAULT",
	.summary = "Show what a vault shows without a passphrase.",
	.groups = CLI_JSON | CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
