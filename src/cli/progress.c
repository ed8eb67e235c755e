/* SPDX-License-Identifier: ISC */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/units.h"

#define EVERY_NS (NS_PER_S / 5)

static bool is_on, is_shown;
static uint64_t shown_ns;

void progress_start(bool quiet)
{
	is_on = !quiet && isatty(STDERR_FILENO);
}

static bool is_due(void)
{
	uint64_t now;

	if (!is_on)
		return false;
	now = clock_mono_ns();
	if (is_shown && now - shown_ns < EVERY_NS)
		return false;
	is_shown = true;
	shown_ns = now;
	return true;
}

void progress_bytes(const char *doing, uint64_t n_files, uint64_t bytes,
		    uint64_t total)
{
	char done[UNITS_SIZE_BYTES], all[UNITS_SIZE_BYTES];

	if (!is_due())
		return;
	fprintf(stderr, "\r\033[K%s: %" PRIu64 " files, %s%s%s", doing, n_files,
		units_format_size(bytes, done), total ? " of " : "",
		total ? units_format_size(total, all) : "");
	fflush(stderr);
}

void progress_share(const char *doing, uint64_t done, uint64_t total)
{
	if (!total || !is_due())
		return;
	fprintf(stderr, "\r\033[K%s: %" PRIu64 " %%", doing,
		done >= total ? 100
			      : (uint64_t)((double)done * 100 / (double)total));
	fflush(stderr);
}

void progress_clear(void)
{
	if (!is_shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	is_shown = false;
}
