/* SPDX-License-Identifier: ISC */
#include "cli/gather.h"

struct gathering {
	struct vault *v;
	struct control_status *s;
	uint64_t writer;
};

static int gather_known(void *arg, const struct vault_knowledge *k)
{
	struct gathering *g = arg;
	const struct control_known one = { g->writer, *k };

	return control_add_known(g->s, &one);
}

static int gather_device(void *arg, const struct vault_device *d)
{
	struct gathering *g = arg;
	int r = control_add_device(g->s, d);

	g->writer = d->writer;
	return r < 0 ? r : vault_each_known(g->v, d->writer, gather_known, g);
}

static int gather_alarm(void *arg, const struct vault_alarm *a)
{
	struct gathering *g = arg;

	return control_add_alarm(g->s, a);
}

int gather_status(struct vault *v, struct control_status *ret)
{
	struct gathering g = { .v = v, .s = ret };
	int r = vault_get_status(v, &ret->vault);

	if (r == 0)
		r = vault_each_device(v, gather_device, &g);
	if (r == 0)
		r = vault_each_alarm(v, gather_alarm, &g);
	ret->has_vault = r == 0;
	return r;
}
