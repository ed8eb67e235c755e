/* SPDX-License-Identifier: ISC */
#include "base/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <syslog.h>

#include "base/err.h"

/* A longer line is cut; no allocation, so that -ENOMEM can be told too. */
#define LINE_BYTES 1024
/* Left free for ": <err_text>", which is worth more than a long line's end. */
#define LINE_ERR_BYTES 128

typedef void diag_sink_fn(enum diag_level level, const char *line);

static atomic_int max_level = DIAG_WARNING;
static atomic_bool to_syslog;
static _Atomic(diag_sink_fn *) sink;

void diag_set_level(enum diag_level level)
{
	atomic_store(&max_level, (int)level);
}

void diag_use_syslog(bool yes)
{
	/* At once: later there may be no sockets to be had. */
	if (yes)
		openlog("coffer", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	else
		closelog();
	atomic_store(&to_syslog, yes);
}

void diag_set_sink(void (*fn)(enum diag_level level, const char *line))
{
	atomic_store(&sink, fn);
}

static int syslog_priority(enum diag_level level)
{
	switch (level) {
	case DIAG_ERROR:
		return LOG_ERR;
	case DIAG_WARNING:
		return LOG_WARNING;
	case DIAG_INFO:
		return LOG_INFO;
	case DIAG_DEBUG:
		break;
	}
	return LOG_DEBUG;
}

/* A file's name may hold line feeds or a terminal's escape sequences. */
static void make_one_line(char *line)
{
	for (; *line; line++)
		if ((unsigned char)*line < ' ' || *line == 0x7f)
			*line = '?';
}

static void emit(enum diag_level level, char *line)
{
	diag_sink_fn *fn = atomic_load(&sink);

	make_one_line(line);
	if (fn)
		fn(level, line);
	else if (atomic_load(&to_syslog))
		syslog(syslog_priority(level), "%s", line);
	else
		fprintf(stderr, "coffer: %s%s\n",
			level == DIAG_WARNING ? "warning: " : "", line);
}

static void write_line(enum diag_level level, const char *suffix,
		       const char *format, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void write_line(enum diag_level level, const char *suffix,
		       const char *format, va_list ap)
{
	char line[LINE_BYTES];
	size_t len;
	int n;

	n = vsnprintf(line, sizeof(line) - LINE_ERR_BYTES, format, ap);
	if (n < 0)
		n = snprintf(line, sizeof(line),
			     "(a line not to be formatted)");
	len = (size_t)n;
	if (len >= sizeof(line) - LINE_ERR_BYTES)
		len = sizeof(line) - LINE_ERR_BYTES - 1;
	if (suffix)
		snprintf(line + len, sizeof(line) - len, ": %s", suffix);
	emit(level, line);
}

void diag(enum diag_level level, const char *format, ...)
{
	int saved = errno;
	va_list ap;

	if ((int)level > atomic_load(&max_level))
		return;
	va_start(ap, format);
	write_line(level, NULL, format, ap);
	va_end(ap);
	errno = saved;
}

int diag_err(enum diag_level level, int err, const char *format, ...)
{
	int saved = errno;
	va_list ap;

	if ((int)level > atomic_load(&max_level))
		return err;
	va_start(ap, format);
	write_line(level, err_text(err), format, ap);
	va_end(ap);
	errno = saved;
	return err;
}
