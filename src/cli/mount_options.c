/* SPDX-License-Identifier: ISC */
#include "cli/mount_options.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cli/units.h"

void mount_options_init(struct mount_options *o)
{
	memset(o, 0, sizeof(*o));
	o->session.profile = SESSION_BALANCED;
	o->profile = "balanced";
}

void mount_options_release(struct mount_options *o)
{
	for (size_t i = 0; i < o->n_words; i++)
		mem_free(o->words[i]);
	o->n_words = 0;
}

/* ---------------------------------------------------------------- values */

typedef int value_fn(struct mount_options *o, const char *value);

static int bad_value(const char *word, const char *value, const char *takes)
{
	return fail_usage("-o %s=%s: it takes %s", word, value, takes);
}

static int take_profile(struct mount_options *o, const char *value)
{
	static const char *const names[] = {
		[SESSION_BALANCED] = "balanced",
		[SESSION_SAFE] = "safe",
		[SESSION_FAST] = "fast",
	};

	for (size_t i = 0; i < array_len(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			o->session.profile = (enum session_profile)i;
			o->profile = names[i];
			return EXIT_DONE;
		}
	}
	return bad_value("profile", value, "balanced, safe or fast");
}

static int take_idle(struct mount_options *o, const char *value)
{
	uint32_t s;

	if (units_parse_duration(value, &s) < 0)
		return bad_value("idle", value, "a time such as 90s, 30m, 2h");
	o->session.idle_s = s;
	return EXIT_DONE;
}

static int take_size(const char *word, const char *value, size_t *to)
{
	uint64_t n;

	if (units_parse_size(value, &n) < 0 || n < (UINT64_C(1) << 20) ||
	    n > (UINT64_C(64) << 30))
		return bad_value(word, value, "a size from 1M to 64G");
	*to = (size_t)n;
	return EXIT_DONE;
}

static int take_cache(struct mount_options *o, const char *value)
{
	return take_size("cache", value, &o->vault.cache_bytes);
}

static int take_dirty(struct mount_options *o, const char *value)
{
	return take_size("dirty", value, &o->vault.dirty_bytes);
}

static int take_index(struct mount_options *o, const char *value)
{
	return take_size("index", value, &o->vault.index_bytes);
}

int mount_options_quota(struct mount_options *o, const char *word,
			const char *value)
{
	uint64_t n;

	if (units_parse_size(value, &n) < 0 || n < (UINT64_C(1) << 20) ||
	    n > INT64_MAX)
		return fail_usage("%s=%s: it takes a size from 1M on", word,
				  value);
	o->vault.quota_bytes = n;
	return EXIT_DONE;
}

static int take_quota(struct mount_options *o, const char *value)
{
	return mount_options_quota(o, "-o quota", value);
}

static int take_id(const char *word, const char *value, uint32_t *to, bool *set)
{
	uint64_t n;

	if (units_parse_number(value, 10, UINT32_MAX - 1, &n) < 0)
		return bad_value(word, value, "a number");
	*to = (uint32_t)n;
	*set = true;
	return EXIT_DONE;
}

static int take_permissions(struct mount_options *o, const char *value)
{
	if (strcmp(value, "kernel") == 0)
		o->session.checks = SESSION_CHECKS_KERNEL;
	else if (strcmp(value, "daemon") == 0)
		o->session.checks = SESSION_CHECKS_DAEMON;
	else
		return bad_value("permissions", value, "kernel or daemon");
	return EXIT_DONE;
}

static int take_uid(struct mount_options *o, const char *value)
{
	return take_id("uid", value, &o->session.uid, &o->session.set_uid);
}

static int take_gid(struct mount_options *o, const char *value)
{
	return take_id("gid", value, &o->session.gid, &o->session.set_gid);
}

static int take_umask(struct mount_options *o, const char *value)
{
	uint64_t n;

	if (units_parse_number(value, 8, 0777, &n) < 0)
		return bad_value("umask", value, "an octal number up to 777");
	o->session.umask = (uint32_t)n;
	o->session.set_umask = true;
	return EXIT_DONE;
}

/* Keeps a copy of a value that outlives the list; NULL and told. */
static const char *keep(struct mount_options *o, const char *value)
{
	char *copy;

	if (o->n_words == array_len(o->words)) {
		fail_usage("-o has too many values");
		return NULL;
	}
	copy = mem_strdup(value);
	if (!copy)
		fail_err(-ENOMEM, "reading -o");
	else
		o->words[o->n_words++] = copy;
	return copy;
}

static int take_text(struct mount_options *o, const char *value,
		     const char **to)
{
	*to = keep(o, value);
	return *to ? EXIT_DONE : EXIT_USAGE;
}

static int take_fsname(struct mount_options *o, const char *value)
{
	return take_text(o, value, &o->session.fsname);
}

static int take_passfile(struct mount_options *o, const char *value)
{
	return take_text(o, value, &o->pass.file);
}

static int take_passcmd(struct mount_options *o, const char *value)
{
	return take_text(o, value, &o->pass.command);
}

static int take_keyfile(struct mount_options *o, const char *value)
{
	return take_text(o, value, &o->pass.key_file);
}

static int take_state_dir(struct mount_options *o, const char *value)
{
	return take_text(o, value, &o->state_dir);
}

static const struct {
	const char *word;
	value_fn *take;
} with_value[] = {
	{ "profile", take_profile },
	{ "idle", take_idle },
	{ "cache", take_cache },
	{ "dirty", take_dirty },
	{ "index", take_index },
	{ "quota", take_quota },
	{ "permissions", take_permissions },
	{ "uid", take_uid },
	{ "gid", take_gid },
	{ "umask", take_umask },
	{ "fsname", take_fsname },
	{ "passfile", take_passfile },
	{ "passcmd", take_passcmd },
	{ "keyfile", take_keyfile },
	{ "state_dir", take_state_dir },
};

/* ---------------------------------------------------------------- words */

static bool take_flag(struct mount_options *o, const char *word)
{
	const struct {
		const char *word;
		bool *to;
	} flags[] = {
		{ "allow_other", &o->session.allow_other },
		{ "allow_root", &o->session.allow_root },
		{ "nonempty", &o->session.nonempty },
		{ "noseccomp", &o->no_sandbox },
		{ "noxattr", &o->session.no_xattr },
		{ "relatime", &o->session.relatime },
		{ "atime", &o->session.relatime }, /* as for mount(8) */
		{ "nodiratime", &o->session.nodiratime },
		{ "no_passphrase", &o->pass.no_passphrase },
		{ "no_state", &o->vault.no_state },
	};

	for (size_t i = 0; i < array_len(flags); i++) {
		if (strcmp(word, flags[i].word) == 0) {
			*flags[i].to = true;
			return true;
		}
	}
	if (strcmp(word, "ro") == 0) {
		o->session.read_only = o->vault.read_only = true;
		return true;
	}
	if (strcmp(word, "rw") == 0) {
		o->session.read_only = o->vault.read_only = false;
		return true;
	}
	if (strcmp(word, "noatime") == 0 || strcmp(word, "norelatime") == 0) {
		o->session.relatime = false;
		return true;
	}
	if (strcmp(word, "diratime") == 0) {
		o->session.nodiratime = false;
		return true;
	}
	if (strcmp(word, "default_permissions") == 0) {
		o->session.checks = SESSION_CHECKS_KERNEL;
		return true;
	}
	if (strcmp(word, "mlock") == 0) {
		o->session.lock_memory = o->vault.lock_memory = true;
		return true;
	}
	return false;
}

/* Words of fstab(5) that mean something to mount(8), systemd.mount(5) or the
 * user only, or say what is always so. */
static bool is_ignored(const char *word)
{
	static const char *const words[] = {
		"defaults",
		"auto",
		"noauto",
		"user",
		"nouser",
		"users",
		"owner",
		"group",
		"nofail",
		"_netdev",
		"nosuid",
		"nodev",
		/* Times are as durable as all else. */
		"lazytime",
		"nolazytime",
		"nostrictatime",
		"nomand",
		"silent",
		"loud",
		"acl",
		"user_xattr",
	};

	for (size_t i = 0; i < array_len(words); i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return strncmp(word, "x-", 2) == 0 || strncmp(word, "user=", 5) == 0 ||
	       strncmp(word, "comment=", 8) == 0;
}

/* Words libfuse or the kernel know.  Others are refused here: libfuse does so
 * only after the vault was unlocked. */
static bool is_passed_on(const char *word)
{
	static const char *const words[] = {
		"exec", "noexec", "async", "sync", "dirsync", "auto_unmount",
	};
	static const char *const with_values[] = {
		"max_read=",  "subtype=",    "context=",
		"fscontext=", "defcontext=", "rootcontext=",
	};

	for (size_t i = 0; i < array_len(words); i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	for (size_t i = 0; i < array_len(with_values); i++) {
		if (strncmp(word, with_values[i], strlen(with_values[i])) == 0)
			return true;
	}
	return false;
}

/* Words of others that cannot be had, and what to do instead; NULL. */
static const char *reason_against(const char *word)
{
	static const struct {
		const char *word, *reason;
	} known[] = {
		{ "suid", "a vault is always mounted with nosuid and nodev" },
		{ "dev", "a vault is always mounted with nosuid and nodev" },
		{ "strictatime",
		  "the kernel does not tell of all that is read; relatime is "
		  "the closest there is" },
		{ "mand", "Linux has no mandatory locks any more" },
		{ "remount", "root says mount -i -o remount,ro or remount,rw" },
		{ "bind", "mount the vault, then bind the mount point" },
		{ "nosymfollow", "FUSE does not take it" },
		{ "noacl", "noxattr does without access control lists" },
		{ "nouser_xattr", "noxattr does without extended attributes" },
		{ "direct_io", "profile= says what the kernel keeps" },
		{ "kernel_cache", "profile= says what the kernel keeps" },
		{ "auto_cache", "profile= says what the kernel keeps" },
		{ "attr_timeout", "profile= says what the kernel keeps" },
		{ "entry_timeout", "profile= says what the kernel keeps" },
		{ "negative_timeout", "profile= says what the kernel keeps" },
	};

	for (size_t i = 0; i < array_len(known); i++) {
		size_t n = strlen(known[i].word);

		if (strncmp(word, known[i].word, n) == 0 &&
		    (word[n] == '\0' || word[n] == '='))
			return known[i].reason;
	}
	return NULL;
}

static int take_extra(struct mount_options *o, const char *word)
{
	const char *copy, *reason = reason_against(word);

	if (reason)
		return fail_usage("-o %s: %s", word, reason);
	if (!is_passed_on(word))
		return fail_usage("-o %s: there is no such word", word);
	if (o->n_extra == MOUNT_EXTRA_MAX)
		return fail_usage("-o has too many words");
	copy = keep(o, word);
	if (!copy)
		return EXIT_USAGE;
	o->extra[o->n_extra++] = copy;
	return EXIT_DONE;
}

static int take_word(struct mount_options *o, const char *word)
{
	for (size_t i = 0; i < array_len(with_value); i++) {
		size_t n = strlen(with_value[i].word);

		if (strncmp(word, with_value[i].word, n) != 0)
			continue;
		if (word[n] == '=' && word[n + 1])
			return with_value[i].take(o, word + n + 1);
		if (word[n] == '\0' || word[n] == '=')
			return fail_usage("-o %s needs a value",
					  with_value[i].word);
	}
	if (!word[0] || take_flag(o, word) || is_ignored(word))
		return EXIT_DONE;
	return take_extra(o, word);
}

/* Cuts the next word off, in place. */
static char *next_word(char **at)
{
	char *word = *at, *to = *at, *from = *at;

	for (; *from && *from != ','; from++) {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*at = *from ? from + 1 : from;
	*to = '\0';
	return word;
}

int mount_options_parse(struct mount_options *o, const char *list)
{
	auto_free char *copy = mem_strdup(list);
	char *at = copy;
	int r = EXIT_DONE;

	if (!copy)
		return fail_err(-ENOMEM, "reading -o");
	while (r == EXIT_DONE && *at)
		r = take_word(o, next_word(&at));
	return r;
}
