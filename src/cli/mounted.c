/* SPDX-License-Identifier: ISC */
#include "cli/mounted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/mem.h"
#include "cli/control.h"
#include "cli/stats_text.h"

/* A daemon that is alive answers "status" in milliseconds. */
#define STATUS_PATIENCE_S 20
/* From its last word to its end. */
#define END_PATIENCE_S 10
#define MOUNTINFO_LINE_BYTES ((size_t)64 << 10)

void mounted_release(struct mounted *m)
{
	mem_free(m->directory);
	control_status_release(&m->status);
	*m = (struct mounted)MOUNTED_INIT;
}

/* ---------------------------------------------------------------- talking */

static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (getuid() == 0 || peer.uid == getuid() || peer.uid == 0);
}

static int connect_to(const char *directory, const char *name,
		      unsigned patience_s)
{
	const struct timeval patience = { .tv_sec = patience_s };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int dirfd, fd, r = 0;

	dirfd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path),
		 "/proc/self/fd/%d/%s", dirfd, name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	/* A daemon that was killed took no leave. */
	if (r == -ECONNREFUSED)
		unlinkat(dirfd, name, 0);
	close(dirfd);
	if (r == 0 && !is_ours(fd))
		r = -EPERM;
	if (r == 0 && patience_s)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			   sizeof(patience));
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int ask(int fd, const char *request)
{
	auto_free char *line = mem_printf("%s\n", request);

	if (!line)
		return -ENOMEM;
	return send(fd, line, strlen(line), MSG_NOSIGNAL) ==
			       (ssize_t)strlen(line)
		       ? 0
		       : -EPIPE;
}

struct reader {
	int fd;
	size_t at, len;
	char bytes[4096];
};

static int next_byte(struct reader *in, char *ret)
{
	ssize_t n;

	if (in->at == in->len) {
		do
			n = recv(in->fd, in->bytes, sizeof(in->bytes), 0);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n == 0)
			return -EPIPE;
		in->at = 0;
		in->len = (size_t)n;
	}
	*ret = in->bytes[in->at++];
	return 0;
}

static int next_line(struct reader *in, char line[static CONTROL_LINE_MAX])
{
	for (size_t i = 0; i < CONTROL_LINE_MAX; i++) {
		int r = next_byte(in, &line[i]);

		if (r < 0)
			return r;
		if (line[i] == '\n') {
			line[i] = '\0';
			return 0;
		}
	}
	return ERR_MALFORMED;
}

/* Reads an answer to its end; *ret_text is to be mem_free'd. */
static int read_answer(int fd, struct control_status *to, int *ret_code,
		       char **ret_text)
{
	auto_free char *line = mem_alloc(CONTROL_LINE_MAX);
	auto_free struct reader *in = mem_zalloc(sizeof(*in));
	const char *text;
	size_t n_bytes = 0;
	int r;

	if (!line || !in)
		return -ENOMEM;
	in->fd = fd;
	do {
		r = next_line(in, line);
		n_bytes += r == 0 ? strlen(line) : 0;
		if (r == 0)
			r = control_take_line(line, to, ret_code, &text);
		if (r == 0 && n_bytes > CONTROL_ANSWER_MAX)
			r = ERR_MALFORMED;
	} while (r == 0);
	if (r < 0)
		return r;
	*ret_text = mem_strdup(text);
	return *ret_text ? 0 : -ENOMEM;
}

static int request(const struct mounted *m, const char *what,
		   unsigned patience_s, struct control_status *to,
		   int *ret_code, char **ret_text)
{
	int fd = connect_to(m->directory, m->name, patience_s);
	int r;

	if (fd < 0)
		return fd;
	r = ask(fd, what);
	if (r == 0)
		r = read_answer(fd, to, ret_code, ret_text);
	close(fd);
	return r;
}

static int fetch_status(struct mounted *m)
{
	auto_free char *text = NULL;
	int code;
	int r = request(m, "status", STATUS_PATIENCE_S, &m->status, &code,
			&text);

	if (r == 0 &&
	    (!m->status.mount.mountpoint || !m->status.mount.vault_path))
		r = ERR_MALFORMED;
	return r;
}

int mounted_sync(const struct mounted *m, int *ret_code, char **ret_text)
{
	struct control_status none = CONTROL_STATUS_INIT;
	int r = request(m, "sync", 0, &none, ret_code, ret_text);

	control_status_release(&none);
	return r;
}

int mounted_snapshot(const struct mounted *m, int *ret_code, char **ret_text)
{
	struct control_status none = CONTROL_STATUS_INIT;
	int r = request(m, "snapshot", 0, &none, ret_code, ret_text);

	control_status_release(&none);
	return r;
}

int mounted_gc(const struct mounted *m, bool dry_run,
	       struct vault_gc_result *ret, int *ret_code, char **ret_text)
{
	struct control_status answer = CONTROL_STATUS_INIT;
	int r = request(m, dry_run ? "gc dry" : "gc", 0, &answer, ret_code,
			ret_text);

	*ret = answer.gc;
	control_status_release(&answer);
	return r;
}

int mounted_stats(const struct mounted *m, struct control_stats *ret,
		  int *ret_code, char **ret_text)
{
	struct control_status answer = { .stats = ret };
	int r;

	memset(ret, 0, sizeof(*ret));
	r = request(m, "stats", STATUS_PATIENCE_S, &answer, ret_code, ret_text);
	control_status_release(&answer);
	return r;
}

int mounted_device(const struct mounted *m, uint64_t writer, const char *name,
		   int *ret_code, char **ret_text)
{
	struct control_status none = CONTROL_STATUS_INIT;
	auto_buf struct buf b = BUF_INIT(CONTROL_LINE_MAX);
	char what[32];
	int r;

	snprintf(what, sizeof(what), "%s %016" PRIx64,
		 name ? "name" : "retire", writer);
	control_put_text(&b, what, name ? name : "");
	if (buf_error(&b) < 0)
		return buf_error(&b);
	/* ask() ends the line. */
	b.data[b.len - 1] = '\0';
	r = request(m, (const char *)b.data, 0, &none, ret_code, ret_text);
	control_status_release(&none);
	return r;
}

int mounted_wait_begin(const struct mounted *m, struct mounted_wait *ret)
{
	struct mounted_wait w = { .fd = -1, .pid_fd = -1 };
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int r;

	w.fd = connect_to(m->directory, m->name, 0);
	if (w.fd < 0)
		return w.fd;
	r = ask(w.fd, "wait");
	if (r < 0) {
		mounted_wait_release(&w);
		return r;
	}
	/* glibc has a wrapper from 2.36 on. */
	if (getsockopt(w.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		w.pid_fd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	*ret = w;
	return 0;
}

bool mounted_wait_is_over(const struct mounted_wait *w, unsigned ms)
{
	struct pollfd said = { .fd = w->fd, .events = POLLIN };

	return poll(&said, 1, (int)ms) > 0;
}

int mounted_wait_hurry(const struct mounted_wait *w)
{
	if (w->pid_fd < 0)
		return -ESRCH;
	/* glibc has a wrapper from 2.36 on. */
	return syscall(SYS_pidfd_send_signal, w->pid_fd, SIGTERM, NULL, 0) < 0
		       ? -errno
		       : 0;
}

int mounted_wait_end(const struct mounted_wait *w, int *ret_code,
		     char **ret_text)
{
	struct control_status none = CONTROL_STATUS_INIT;
	struct pollfd gone = { .fd = w->pid_fd, .events = POLLIN };
	int r = read_answer(w->fd, &none, ret_code, ret_text);

	control_status_release(&none);
	/* It has nothing left to do but to end. */
	if (w->pid_fd >= 0)
		(void)poll(&gone, 1, END_PATIENCE_S * 1000);
	return r;
}

void mounted_wait_release(struct mounted_wait *w)
{
	if (w->fd >= 0)
		close(w->fd);
	if (w->pid_fd >= 0)
		close(w->pid_fd);
	w->fd = w->pid_fd = -1;
}

/* ---------------------------------------------------------------- listing */

/* <32 hex>.<pid>.sock */
static bool parse_name(const char *name, struct uuid *ret)
{
	size_t n = strlen(name);

	return n > 32 + 6 && n < sizeof(((struct mounted *)0)->name) &&
	       name[32] == '.' && strcmp(name + n - 5, ".sock") == 0 &&
	       hex_decode(name, sizeof(ret->b), ret->b) == 0;
}

struct search {
	const struct uuid *only; /* NULL: all */
	mounted_fn *fn;
	void *arg;
};

static int visit(const struct search *s, const char *directory,
		 const char *name)
{
	auto_mounted struct mounted m = MOUNTED_INIT;

	if (!parse_name(name, &m.uuid) ||
	    (s->only && memcmp(s->only->b, m.uuid.b, sizeof(m.uuid.b)) != 0))
		return 0;
	snprintf(m.name, sizeof(m.name), "%s", name);
	m.directory = mem_strdup(directory);
	if (!m.directory)
		return -ENOMEM;
	/* Gone, or not ours to ask. */
	if (fetch_status(&m) < 0)
		return 0;
	return s->fn(s->arg, &m);
}

static int search_directory(const struct search *s, const char *directory)
{
	DIR *dir = opendir(directory);
	const struct dirent *e;
	int r = 0;

	if (!dir)
		return 0;
	while (r == 0 && (e = readdir(dir)))
		r = visit(s, directory, e->d_name);
	closedir(dir);
	return r;
}

/* Root sees everybody's. */
static int search_users(const struct search *s)
{
	DIR *dir = opendir("/run/user");
	const struct dirent *e;
	int r = 0;

	if (!dir)
		return 0;
	while (r == 0 && (e = readdir(dir))) {
		auto_free char *path = NULL;

		if (e->d_name[0] == '.')
			continue;
		path = mem_printf("/run/user/%s/coffer", e->d_name);
		r = path ? search_directory(s, path) : -ENOMEM;
	}
	closedir(dir);
	return r;
}

/* Have the directories before the i-th been the same? */
static bool is_repeated(unsigned i, const char *directory)
{
	for (unsigned k = 0; k < i; k++) {
		bool own;
		auto_free char *before = control_directory(k, &own);

		if (before && strcmp(before, directory) == 0)
			return true;
	}
	return false;
}

static int search_all(const struct search *s)
{
	int r = 0;

	for (unsigned i = 0; r == 0; i++) {
		bool own;
		auto_free char *directory = control_directory(i, &own);

		if (!directory)
			break;
		if (!is_repeated(i, directory))
			r = search_directory(s, directory);
	}
	return r == 0 && getuid() == 0 ? search_users(s) : r;
}

int mounted_each(mounted_fn *fn, void *arg)
{
	const struct search s = { .fn = fn, .arg = arg };

	return search_all(&s);
}

/* ---------------------------------------------------------------- finding */

char *mounted_resolve(const char *path)
{
	char resolved[PATH_MAX];
	auto_free char *copy = NULL;
	char *slash, *name;

	if (realpath(path, resolved))
		return mem_strdup(resolved);
	copy = mem_strdup(path);
	if (!copy)
		return NULL;
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	slash = strrchr(copy, '/');
	name = slash ? slash + 1 : copy;
	if (slash && slash > copy)
		*slash = '\0';
	if (!realpath(slash ? slash > copy ? copy : "/" : ".", resolved))
		return mem_strdup(path);
	return mem_printf("%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved,
			  name);
}

struct wanted {
	const char *path;	      /* resolved; NULL: any */
	bool is_mountpoint, is_vault; /* what it may be */
	struct mounted *ret;
};

static bool same_directory(const char *a, const char *b)
{
	struct stat x, y;

	return strcmp(a, b) == 0 ||
	       (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
		x.st_ino == y.st_ino);
}

static int match(void *arg, struct mounted *m)
{
	const struct wanted *w = arg;
	const struct control_mount *mount = &m->status.mount;

	if (w->path &&
	    !(w->is_mountpoint && strcmp(mount->mountpoint, w->path) == 0) &&
	    !(w->is_vault && same_directory(mount->vault_path, w->path)))
		return 0;
	*w->ret = *m;
	*m = (struct mounted)MOUNTED_INIT;
	return 1;
}

int mounted_find_uuid(const struct uuid *uuid, struct mounted *ret)
{
	struct wanted w = { .ret = ret };
	const struct search s = { .only = uuid, .fn = match, .arg = &w };

	return search_all(&s);
}

static int find_path(const char *path, bool mountpoint, bool vault,
		     struct mounted *ret)
{
	auto_free char *resolved = mounted_resolve(path);
	struct wanted w = { .path = resolved,
			    .is_mountpoint = mountpoint,
			    .is_vault = vault,
			    .ret = ret };
	const struct search s = { .fn = match, .arg = &w };

	return resolved ? search_all(&s) : -ENOMEM;
}

int mounted_find_vault(const char *vault_path, struct mounted *ret)
{
	return find_path(vault_path, false, true, ret);
}

int mounted_find(const char *path, struct mounted *ret)
{
	/* A mounted folder may hold a vault of its own. */
	int r = find_path(path, true, false, ret);

	return r == 0 ? find_path(path, false, true, ret) : r;
}

/* ---------------------------------------------------------------- mountinfo */

/* Undoes the octal escapes of proc(5). */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' &&
		    text[2] >= '0' && text[2] <= '7' && text[3] >= '0' &&
		    text[3] <= '7') {
			*to++ = (char)((text[1] - '0') << 6 |
				       (text[2] - '0') << 3 | (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /root /mount/point options - fuse.coffer source superoptions";
 * cuts the line.  Is it one of ours? */
static bool parse_mount(char *line, char **ret_point, char **ret_source)
{
	char *end = strstr(line, " - fuse.coffer ");
	char *point = line;

	if (!end)
		return false;
	*end = '\0';
	*ret_source = end + strlen(" - fuse.coffer ");
	(*ret_source)[strcspn(*ret_source, " \n")] = '\0';
	for (int i = 0; point && i < 4; i++) {
		point = strchr(point, ' ');
		point = point ? point + 1 : NULL;
	}
	if (!point)
		return false;
	point[strcspn(point, " ")] = '\0';
	unescape(point);
	unescape(*ret_source);
	*ret_point = point;
	return true;
}

int mounted_find_kernel(const char *path, char **ret)
{
	auto_free char *resolved = mounted_resolve(path);
	auto_free char *line = mem_alloc(MOUNTINFO_LINE_BYTES);
	auto_free char *found = NULL;
	char *point, *source;
	FILE *f;

	if (!resolved || !line)
		return -ENOMEM;
	f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return -errno;
	while (fgets(line, (int)MOUNTINFO_LINE_BYTES, f)) {
		if (!parse_mount(line, &point, &source) ||
		    (strcmp(point, resolved) != 0 &&
		     strcmp(source, resolved) != 0))
			continue;
		mem_free(found);
		found = mem_strdup(point);
	}
	fclose(f);
	if (!found)
		return 0;
	*ret = mem_take(found);
	return 1;
}
