/* SPDX-License-Identifier: ISC */
#include "cli/slot_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "cli/units.h"

#define NAME_DIGITS (2 * SLOT_NAME_BYTES)

const char *slot_type_name(enum slot_type type)
{
	switch (type) {
	case SLOT_PASSPHRASE:
		return "passphrase";
	case SLOT_KEY_FILE:
		return "key file";
	case SLOT_KEY_FILE_AND_PASSPHRASE:
		return "key file and passphrase";
	case SLOT_RECOVERY:
		return "recovery key";
	case SLOT_TOKEN:
		return "token";
	}
	return "unknown";
}

void slot_print(const struct vault_slot *s)
{
	char hex[NAME_DIGITS + 1], memory[UNITS_SIZE_BYTES];

	hex_encode(s->name, SLOT_NAME_BYTES, hex);
	if (s->error) {
		printf("  slot %.8s    cannot be used: %s\n", hex,
		       err_text(s->error));
		return;
	}
	printf("  slot %.8s    %-24s %" PRIu32 " passes, %s%s%s%s%s\n", hex,
	       slot_type_name(s->info.type), s->info.ops,
	       units_format_size((uint64_t)s->info.memory_kib << 10, memory),
	       s->label[0] ? ", " : "", s->label,
	       s->is_current ? " (opened now)" : "",
	       s->is_removed ? " (was removed, came back)" : "");
}

void slot_put_json(struct json *j, const struct vault_slot *s, bool unlocked)
{
	json_object(j, NULL);
	json_hex(j, "name", s->name, sizeof(s->name));
	json_text(j, "error", s->error ? err_name(s->error) : NULL);
	if (!s->error) {
		json_text(j, "type", slot_type_name(s->info.type));
		json_u64(j, "kdf_passes", s->info.ops);
		json_u64(j, "kdf_memory_kib", s->info.memory_kib);
		json_u64(j, "newest_epoch", s->info.newest_epoch);
	}
	if (unlocked) {
		json_text(j, "label", s->label);
		json_bool(j, "is_known", s->is_known);
		json_bool(j, "is_removed", s->is_removed);
		json_bool(j, "is_current", s->is_current);
	}
	json_end_object(j);
}

bool slot_matches(const struct vault_slot *s, const char *text)
{
	char hex[NAME_DIGITS + 1];
	size_t n = strlen(text);

	hex_encode(s->name, SLOT_NAME_BYTES, hex);
	return n >= SLOT_PREFIX_MIN && n <= NAME_DIGITS &&
	       strncmp(hex, text, n) == 0;
}
