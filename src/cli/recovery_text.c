/* SPDX-License-Identifier: ISC */
#include "cli/recovery_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORDS_A_LINE 6

static int write_all(int fd, const void *from, size_t len)
{
	const char *at = from;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int append(struct secret_buf *to, const char *text)
{
	return secret_buf_append(to, text, strlen(text));
}

static int append_word(struct secret_buf *to, unsigned number,
		       const uint8_t *word, size_t len)
{
	static const char blanks[] = "          ";
	char head[8];
	int r;

	snprintf(head, sizeof(head), "%s%2u. ",
		 (number - 1) % WORDS_A_LINE ? "" : "  ", number);
	r = append(to, head);
	if (r == 0)
		r = secret_buf_append(to, word, len);
	if (r < 0 || number % WORDS_A_LINE == 0)
		return r < 0 ? r : append(to, "\n");
	return append(to,
		      blanks + (len < sizeof(blanks) - 1 ? len
							 : sizeof(blanks) - 2));
}

int recovery_show(const struct secret_buf *words)
{
	auto_secret_buf struct secret_buf text = SECRET_BUF_INIT;
	const uint8_t *at = words->data, *end = words->data + words->len;
	unsigned number = 0;
	int r = append(&text,
		       "\nRecovery key: it opens the vault without the "
		       "passphrase.  Write it down now,\nit is not shown "
		       "again:\n\n");

	while (r == 0 && at < end) {
		const uint8_t *blank = memchr(at, ' ', (size_t)(end - at));
		size_t len = (size_t)((blank ? blank : end) - at);

		r = append_word(&text, ++number, at, len);
		at += len + 1;
	}
	if (r == 0)
		r = append(&text, "\n");
	fflush(stdout);
	return r < 0 ? r : write_all(STDOUT_FILENO, text.data, text.len);
}

int recovery_save(const struct secret_buf *words, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY,
		      0600);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, words->data, words->len);
	if (r == 0)
		r = write_all(fd, "\n", 1);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		unlink(path);
	return r;
}
