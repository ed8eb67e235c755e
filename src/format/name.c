/* SPDX-License-Identifier: ISC */
#include "format/name.h"

#include <string.h>

bool name_is_valid(const uint8_t *bytes, size_t len)
{
	if (len == 0 || len > NAME_BYTES_MAX)
		return false;
	if (bytes[0] == '.' && (len == 1 || (len == 2 && bytes[1] == '.')))
		return false;
	return !memchr(bytes, '/', len) && !memchr(bytes, '\0', len);
}

/* What the first byte of a character says: the bytes that follow it, the bits
 * of it that count, and the least character that needs so many. */
struct utf8_lead {
	size_t n_follow;
	uint32_t bits;
	uint32_t least;
};

/* False for a byte that starts no character. */
static bool utf8_lead_read(uint8_t byte, struct utf8_lead *ret)
{
	if (byte < 0x80)
		*ret = (struct utf8_lead){ 0, byte, 0 };
	else if ((byte & 0xe0) == 0xc0)
		*ret = (struct utf8_lead){ 1, byte & 0x1fu, 0x80 };
	else if ((byte & 0xf0) == 0xe0)
		*ret = (struct utf8_lead){ 2, byte & 0x0fu, 0x800 };
	else if ((byte & 0xf8) == 0xf0)
		*ret = (struct utf8_lead){ 3, byte & 0x07u, 0x10000 };
	else
		return false;
	return true;
}

/*
 * Well-formed as in The Unicode Standard 15.0, section 3.9, table 3-7: nothing
 * overlong, no surrogate, nothing above U+10FFFF.  Gives the bytes read, or 0.
 */
static size_t utf8_read(const uint8_t *p, size_t len, uint32_t *ret_char)
{
	struct utf8_lead lead;
	uint32_t value;
	size_t i;

	if (!utf8_lead_read(p[0], &lead) || lead.n_follow > len - 1)
		return 0;
	value = lead.bits;
	for (i = 1; i <= lead.n_follow; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (p[i] & 0x3fu);
	}
	if (value < lead.least || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*ret_char = value;
	return 1 + lead.n_follow;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

bool name_is_label(const uint8_t *bytes, size_t len)
{
	size_t at = 0;

	if (len > LABEL_BYTES_MAX)
		return false;
	while (at < len) {
		uint32_t c;
		size_t n = utf8_read(bytes + at, len - at, &c);

		if (n == 0 || is_control(c))
			return false;
		at += n;
	}
	return true;
}

bool name_is_device(const uint8_t *bytes, size_t len)
{
	return len > 0 && name_is_label(bytes, len) && !memchr(bytes, '/', len);
}
