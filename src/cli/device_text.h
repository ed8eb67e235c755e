/* SPDX-License-Identifier: ISC */
/* Devices and alarms, for people and as JSON. */
#ifndef COFFER_CLI_DEVICE_TEXT_H
#define COFFER_CLI_DEVICE_TEXT_H

#include "cli/control_text.h"
#include "cli/json.h"

/* A device in some lines. */
void device_print(const struct control_status *s,
		  const struct vault_device *d);
void device_put_json(struct json *j, const struct control_status *s,
		     const struct vault_device *d);
/* The member "alarms". */
void device_put_alarms(struct json *j, const struct control_status *s);

/*
 * The device that is meant by its id, the beginning of it (4 digits and more),
 * or its name.  EXIT_DONE; EXIT_FAILED: none, or several, which was told.
 */
int device_find(const struct control_status *s, const char *text,
		const struct vault_device **ret) must_check;

#endif
