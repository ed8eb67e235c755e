/* SPDX-License-Identifier: ISC */
#include "cli/files.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

bool files_name_ok(const char *name)
{
	return name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       !strchr(name, '/');
}

void files_release(struct files *f)
{
	f->ops->close(f, &f->root);
}

/* ---------------------------------------------------------------- paths */

int files_stat(struct files *f, struct files_at dir, const char *name,
	       struct files_stat *ret)
{
	int r;

	if (strcmp(name, ".") != 0)
		return f->ops->stat(f, dir, name, ret);
	r = f->ops->stat_at(f, dir, ret);
	return r < 0 ? r : 1;
}

/* The next component at *at, skipping what means nothing; NULL: none left. */
static char *next_component(char **at)
{
	char *begin, *end;

	do {
		begin = *at + strspn(*at, "/");
		end = begin + strcspn(begin, "/");
		*at = *end ? end + 1 : end;
		*end = '\0';
	} while (strcmp(begin, ".") == 0);
	return *begin ? begin : NULL;
}

int files_walk(struct files *f, const char *path, struct files_at *ret_dir,
	       char **ret_name)
{
	auto_free char *copy = mem_strdup(path);
	auto_free char *name = NULL;
	struct files_at dir = FILES_AT_INIT, next;
	char *at = copy, *part, *after;
	int r;

	if (!copy)
		return -ENOMEM;
	r = f->ops->open_dir(f, f->root, ".", &dir);
	if (r < 0)
		return r;
	part = next_component(&at);
	while (r == 0 && part && (after = next_component(&at))) {
		r = files_name_ok(part) ? f->ops->open_dir(f, dir, part, &next)
					: -EINVAL;
		if (r == 0) {
			f->ops->close(f, &dir);
			dir = next;
			part = after;
		}
	}
	if (r == 0 && part && !files_name_ok(part))
		r = -EINVAL;
	if (r == 0) {
		name = mem_strdup(part ? part : ".");
		r = name ? 0 : -ENOMEM;
	}
	if (r < 0) {
		f->ops->close(f, &dir);
		return r;
	}
	*ret_dir = dir;
	*ret_name = mem_take(name);
	return 0;
}

/* ---------------------------------------------------------------- names */

static int add_name(void *arg, const char *name)
{
	struct files_names *n = arg;
	char **more;

	if (!files_name_ok(name))
		return 0;
	if (n->n == n->cap) {
		size_t cap = n->cap ? 2 * n->cap : 64;

		more = mem_realloc_array(n->names, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		n->names = more;
		n->cap = cap;
	}
	n->names[n->n] = mem_strdup(name);
	if (!n->names[n->n])
		return -ENOMEM;
	n->n++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int files_list(struct files *f, struct files_at dir, struct files_names *ret)
{
	int r = f->ops->list(f, dir, add_name, ret);

	if (r < 0)
		return r;
	if (ret->n > 1)
		qsort(ret->names, ret->n, sizeof(*ret->names), compare_names);
	return 0;
}

void files_names_release(struct files_names *n)
{
	for (size_t i = 0; i < n->n; i++)
		mem_free(n->names[i]);
	mem_free(n->names);
	*n = (struct files_names)FILES_NAMES_INIT;
}
