/* SPDX-License-Identifier: ISC */
#include "base/block.h"

#include <stddef.h>

static _Thread_local block_fn *hook;
static _Thread_local void *hook_arg;

void block_set_hook(block_fn *fn, void *arg)
{
	hook = fn;
	hook_arg = arg;
}

void block_soon(void)
{
	if (hook)
		hook(hook_arg);
}
