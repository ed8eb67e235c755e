/* SPDX-License-Identifier: ISC */
#include "fuse/behaviour.h"

#define LONG_TIMEOUT_S 3600.0
#define SAFE_TIMEOUT_S 1.0

static bool daemon_checks(const struct session_options *o, uid_t owner)
{
	/* With others about, what the kernel keeps for one would serve
	 * another; and it writes pages back in nobody's name. */
	if (o->allow_other || o->allow_root || o->profile == SESSION_FAST)
		return false;
	if (o->checks == SESSION_CHECKS_AUTO)
		return owner == 0;
	return o->checks == SESSION_CHECKS_DAEMON;
}

struct behaviour behaviour_choose(const struct session_options *o, uid_t owner,
				  bool vault_read_only)
{
	bool safe = o->profile == SESSION_SAFE;
	bool checks = daemon_checks(o, owner);
	bool read_only = o->read_only || vault_read_only;
	bool note_reads = o->relatime && !read_only;
	double timeout_s = safe ? SAFE_TIMEOUT_S : LONG_TIMEOUT_S;
	double negative_timeout_s = safe ? 0 : LONG_TIMEOUT_S;

	/* The kernel knows no allow_root, but shows what it keeps to all. */
	if (o->allow_root)
		timeout_s = negative_timeout_s = 0;

	return (struct behaviour){
		.timeout_s = timeout_s,
		.negative_timeout_s = negative_timeout_s,
		.read_only = read_only,
		.writeback = o->profile == SESSION_FAST,
		.check_access = checks,
		.answer_open =
			(checks && owner != 0) || note_reads || o->allow_root,
		/* Skipped, the kernel keeps listings for good. */
		.answer_opendir = safe || (checks && owner != 0) ||
				  note_reads || o->allow_root,
		.answer_flush = safe,
		.answer_xattr = !o->no_xattr,
		.note_reads = note_reads,
		.note_lists = note_reads && !o->nodiratime,
		.only_owner_and_root = o->allow_root,
	};
}
