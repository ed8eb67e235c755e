/* SPDX-License-Identifier: ISC */
#include "base/hex.h"

void hex_encode(const void *data, size_t n, char *to)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = data;

	for (size_t i = 0; i < n; i++) {
		*to++ = digits[from[i] >> 4];
		*to++ = digits[from[i] & 15];
	}
	*to = '\0';
}

/* -1 for what is no lower-case digit. */
static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int hex_decode(const char *text, size_t n, void *to)
{
	uint8_t *out = to;

	/* Stops at the first bad digit, so never beyond a NUL. */
	for (size_t i = 0; i < 2 * n; i++)
		if (digit_value(text[i]) < 0)
			return ERR_MALFORMED;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(digit_value(text[2 * i]) << 4 |
				   digit_value(text[2 * i + 1]));
	return 0;
}
