/* SPDX-License-Identifier: ISC */
#include "cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/hex.h"
#include "base/lock.h"
#include "base/mem.h"
#include "cli/exit.h"
#include "cli/gather.h"
#include "cli/stats_text.h"

#define CONNECTIONS_MAX 32
#define REQUEST_MAX 256
#define PATIENCE_S 5

struct control {
	struct vault *vault;
	struct session *session;
	const struct control_mount *mount;
	struct uuid uuid;
	int dirfd, listen_fd;
	int stop_fd;   /* eventfd: no more connections */
	int over_fd;   /* eventfd: end_code and end_text are set */
	char name[64]; /* of the socket in dirfd */
	pthread_t listener;

	struct lock lock; /* LOCK_LEAF; guards what follows */
	struct cond changed;
	unsigned n_connections;
	unsigned n_using; /* requests inside the vault */
	bool is_closing;
	/* Written before over_fd is. */
	int end_code;
	const char *end_text;
};

struct connection {
	struct control *c;
	int fd;
};

/* ---------------------------------------------------------------- where */

static char *state_directory(void)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct passwd pw, *found = NULL;
	char room[4096];

	if (xdg && xdg[0] == '/')
		return mem_printf("%s/coffer/run", xdg);
	if (!home || home[0] != '/') {
		if (getpwuid_r(getuid(), &pw, room, sizeof(room), &found) ||
		    !found)
			return NULL;
		home = found->pw_dir;
	}
	return mem_printf("%s/.local/state/coffer/run", home);
}

/* A session may have another XDG_RUNTIME_DIR, or none, than the one a daemon
 * was started in: cron, su(1), ssh(1). */
char *control_directory(unsigned i, bool *ret_is_own)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	unsigned n = 0;

	*ret_is_own = false;
	if (xdg && xdg[0] == '/' && n++ == i)
		return mem_printf("%s/coffer", xdg);
	if (getuid() == 0 && n++ == i)
		return mem_strdup("/run/coffer");
	if (getuid() != 0 && n++ == i)
		return mem_printf("/run/user/%u/coffer", getuid());
	if (n++ != i)
		return NULL;
	*ret_is_own = true;
	return state_directory();
}

/* ---------------------------------------------------------------- socket */

static int make_directory(const char *path, bool parents)
{
	auto_free char *parent = NULL;
	char *slash;
	int r;

	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	r = -errno;
	if (r != -ENOENT || !parents)
		return r;
	parent = mem_strdup(path);
	slash = parent ? strrchr(parent, '/') : NULL;
	if (!slash || slash == parent)
		return r;
	*slash = '\0';
	r = make_directory(parent, true);
	if (r == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		r = -errno;
	return r;
}

/* Ours, and nobody else's to write to. */
static int open_directory(const char *path, bool parents)
{
	struct stat st;
	int fd, r = make_directory(path, parents);

	if (r < 0)
		return r;
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_uid != getuid() || st.st_mode & 077) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

static int bind_here(struct control *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r = 0;

	/* The directory's own path may be too long for an address. */
	snprintf(address.sun_path, sizeof(address.sun_path),
		 "/proc/self/fd/%d/%s", c->dirfd, c->name);
	unlinkat(c->dirfd, c->name, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fchmodat(c->dirfd, c->name, 0600, 0) < 0 || listen(fd, 16) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	else
		c->listen_fd = fd;
	return r;
}

static int bind_in(struct control *c, const char *directory, bool parents)
{
	int r;

	c->dirfd = open_directory(directory, parents);
	if (c->dirfd < 0)
		return c->dirfd;
	r = bind_here(c);
	if (r < 0) {
		close(c->dirfd);
		c->dirfd = -1;
	}
	return r;
}

static int make_socket(struct control *c)
{
	char hex[33];
	int r = -ENOENT;

	hex_encode(c->uuid.b, sizeof(c->uuid.b), hex);
	snprintf(c->name, sizeof(c->name), "%s.%ld.sock", hex, (long)getpid());
	for (unsigned i = 0; r < 0; i++) {
		bool is_own;
		auto_free char *directory = control_directory(i, &is_own);

		if (!directory)
			break;
		r = bind_in(c, directory, is_own);
	}
	return r;
}

/* ---------------------------------------------------------------- requests */

static void send_all(int fd, const void *from, size_t len)
{
	const char *at = from;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		at += n;
		len -= (size_t)n;
	}
}

static void send_buf(int fd, struct buf *b)
{
	if (buf_error(b) == 0)
		send_all(fd, b->data, b->len);
}

static void send_done(int fd, int code, const char *text)
{
	auto_buf struct buf b = BUF_INIT(CONTROL_LINE_MAX);

	control_put_done(&b, code, text);
	send_buf(fd, &b);
}

/* May the vault be used?  Then until end_use. */
static bool begin_use(struct control *c)
{
	bool may;

	lock_take(&c->lock);
	may = !c->is_closing;
	c->n_using += may;
	lock_drop(&c->lock);
	return may;
}

static void end_use(struct control *c)
{
	lock_take(&c->lock);
	c->n_using--;
	cond_broadcast(&c->changed);
	lock_drop(&c->lock);
}

static int put_vault(struct control *c, struct buf *b)
{
	const char *reason = vault_read_only_reason(c->vault);
	struct control_status s = CONTROL_STATUS_INIT;
	int r = gather_status(c->vault, &s);

	if (r == 0) {
		if (reason)
			control_put_text(b, "read_only_reason", reason);
		control_put_trouble(b, &s.vault);
		control_put_vault(b, &s.vault);
	}
	for (size_t i = 0; r == 0 && i < s.n_devices; i++)
		control_put_device(b, &s.devices[i]);
	for (size_t i = 0; r == 0 && i < s.n_known; i++)
		control_put_known(b, s.known[i].writer, &s.known[i].of);
	for (size_t i = 0; r == 0 && i < s.n_alarms; i++)
		control_put_alarm(b, &s.alarms[i]);
	control_status_release(&s);
	return r;
}

static void answer_status(struct control *c, int fd)
{
	auto_buf struct buf b = BUF_INIT(CONTROL_ANSWER_MAX);
	bool may = begin_use(c);
	int r = 0;

	control_put_mount(&b, c->mount, !may);
	if (may) {
		control_put_text(&b, "features", session_features(c->session));
		r = put_vault(c, &b);
		end_use(c);
	}
	control_put_done(&b, exit_code_of(r), r < 0 ? err_text(r) : "");
	send_buf(fd, &b);
}

static void get_stats(struct control *c, struct control_stats *s)
{
	s->now_ns = clock_mono_ns();
	s->n_inodes = session_count_inodes(c->session);
	vault_get_stats(c->vault, &s->vault);
	session_get_stats(c->session, &s->requests);
}

static void answer_stats(struct control *c, int fd)
{
	auto_buf struct buf b = BUF_INIT(CONTROL_ANSWER_MAX);
	auto_free struct control_stats *s = mem_zalloc(sizeof(*s));

	if (!s) {
		send_done(fd, EXIT_FAILED, err_text(-ENOMEM));
		return;
	}
	if (!begin_use(c)) {
		send_done(fd, EXIT_IN_USE, "it is being unmounted");
		return;
	}
	get_stats(c, s);
	end_use(c);
	stats_put(&b, s);
	control_put_done(&b, EXIT_DONE, "");
	send_buf(fd, &b);
}

static void answer_sync(struct control *c, int fd)
{
	const char *reason;
	int r;

	if (!begin_use(c)) {
		send_done(fd, EXIT_IN_USE, "it is being unmounted");
		return;
	}
	r = vault_receive(c->vault);
	reason = vault_read_only_reason(c->vault);
	end_use(c);
	/* Why, where that says more. */
	if ((r != ERR_ROLLED_BACK && r != ERR_FORKED) || !reason)
		reason = r < 0 ? err_text(r) : "";
	send_done(fd, exit_code_of(r), reason);
}

static void answer_snapshot(struct control *c, int fd)
{
	int r;

	if (!begin_use(c)) {
		send_done(fd, EXIT_IN_USE, "it is being unmounted");
		return;
	}
	r = vault_snapshot(c->vault);
	end_use(c);
	if (r < 0)
		send_done(fd, exit_code_of(r), err_text(r));
	else
		send_done(fd, EXIT_DONE, vault_snapshot_text(r));
}

static void answer_gc(struct control *c, int fd, bool dry_run)
{
	auto_buf struct buf b = BUF_INIT(CONTROL_ANSWER_MAX);
	struct vault_gc_result result;
	int r;

	if (!begin_use(c)) {
		send_done(fd, EXIT_IN_USE, "it is being unmounted");
		return;
	}
	r = vault_gc(c->vault, dry_run, &result);
	end_use(c);
	if (r == 0)
		control_put_gc(&b, &result);
	control_put_done(&b, exit_code_of(r), r < 0 ? err_text(r) : "");
	send_buf(fd, &b);
}

/* A change of the log's devices, published before it is answered. */
static void answer_device(struct control *c, int fd, uint64_t writer,
			  const char *name)
{
	int r;

	if (!begin_use(c)) {
		send_done(fd, EXIT_IN_USE, "it is being unmounted");
		return;
	}
	r = name ? vault_device_name(c->vault, writer, name) :
		   vault_device_retire(c->vault, writer);
	if (r == 0)
		r = vault_publish(c->vault);
	end_use(c);
	send_done(fd, exit_code_of(r), r < 0 ? err_text(r) : "");
}

static void answer_other(struct control *c, int fd, char *line)
{
	uint64_t writer = 0;
	const char *text = NULL;

	if (control_take_request(line, "name", &writer, &text) > 0)
		answer_device(c, fd, writer, text);
	else if (control_take_request(line, "retire", &writer, &text) > 0)
		answer_device(c, fd, writer, NULL);
	else
		send_done(fd, EXIT_USAGE,
			  "a request this version does not "
			  "know");
}

/* Until the end, or until nobody waits any more. */
static void answer_wait(struct control *c, int fd)
{
	struct pollfd fds[] = {
		{ .fd = c->over_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLRDHUP },
	};

	while (!fds[0].revents && !fds[1].revents) {
		if (poll(fds, array_len(fds), -1) < 0 && errno != EINTR)
			return;
	}
	if (!fds[0].revents)
		return;
	lock_take(&c->lock);
	const int code = c->end_code;
	const char *text = c->end_text;
	lock_drop(&c->lock);
	/* Sent before n_connections falls: control_end waits for that. */
	send_done(fd, code, text);
}

/* A line, without its end; false if none came in time. */
static bool receive_line(int fd, char line[static REQUEST_MAX])
{
	size_t len = 0;

	while (len < REQUEST_MAX - 1) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		if (line[len] == '\n') {
			line[len] = '\0';
			return true;
		}
		len++;
	}
	return false;
}

static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == getuid() || peer.uid == 0);
}

static void answer(struct control *c, int fd)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	char line[REQUEST_MAX];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!is_allowed(fd) || !receive_line(fd, line))
		return;
	if (strcmp(line, "status") == 0)
		answer_status(c, fd);
	else if (strcmp(line, "stats") == 0)
		answer_stats(c, fd);
	else if (strcmp(line, "sync") == 0)
		answer_sync(c, fd);
	else if (strcmp(line, "snapshot") == 0)
		answer_snapshot(c, fd);
	else if (strcmp(line, "gc") == 0)
		answer_gc(c, fd, false);
	else if (strcmp(line, "gc dry") == 0)
		answer_gc(c, fd, true);
	else if (strcmp(line, "wait") == 0)
		answer_wait(c, fd);
	else
		answer_other(c, fd, line);
}

static void *serve_one(void *arg)
{
	struct connection *one = arg;
	struct control *c = one->c;

	answer(c, one->fd);
	close(one->fd);
	mem_free(one);
	lock_take(&c->lock);
	c->n_connections--;
	cond_broadcast(&c->changed);
	lock_drop(&c->lock);
	return NULL;
}

/* ---------------------------------------------------------------- threads */

static bool start_connection(struct control *c, int fd)
{
	struct connection *one = mem_alloc(sizeof(*one));
	pthread_attr_t attr;
	pthread_t thread;
	bool ok;

	if (!one)
		return false;
	*one = (struct connection){ .c = c, .fd = fd };
	lock_take(&c->lock);
	ok = c->n_connections < CONNECTIONS_MAX;
	c->n_connections += ok;
	lock_drop(&c->lock);
	if (ok) {
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		ok = pthread_create(&thread, &attr, serve_one, one) == 0;
		pthread_attr_destroy(&attr);
		if (ok)
			return true;
		lock_take(&c->lock);
		c->n_connections--;
		lock_drop(&c->lock);
	}
	mem_free(one);
	return false;
}

static void accept_all(struct control *c)
{
	int fd;

	do {
		fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0 && !start_connection(c, fd))
			close(fd);
	} while (fd >= 0);
}

static void *listen_on(void *arg)
{
	struct control *c = arg;
	struct pollfd fds[] = {
		{ .fd = c->stop_fd, .events = POLLIN },
		{ .fd = c->listen_fd, .events = POLLIN },
	};

	while (!fds[0].revents) {
		if (poll(fds, array_len(fds), -1) < 0 && errno != EINTR)
			break;
		accept_all(c);
	}
	return NULL;
}

static void free_control(struct control *c)
{
	if (c->dirfd >= 0)
		close(c->dirfd);
	if (c->listen_fd >= 0)
		close(c->listen_fd);
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	if (c->over_fd >= 0)
		close(c->over_fd);
	cond_release(&c->changed);
	lock_release(&c->lock);
	mem_free(c);
}

static int start(struct control *c)
{
	int r;

	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	c->over_fd = eventfd(0, EFD_CLOEXEC);
	if (c->stop_fd < 0 || c->over_fd < 0)
		return -errno;
	r = make_socket(c);
	if (r < 0)
		return r;
	r = -pthread_create(&c->listener, NULL, listen_on, c);
	if (r < 0)
		unlinkat(c->dirfd, c->name, 0);
	return r;
}

int control_start(struct vault *vault, struct session *session,
		  const struct uuid *uuid, const struct control_mount *mount,
		  struct control **ret)
{
	struct control *c = mem_zalloc(sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->vault = vault;
	c->session = session;
	c->mount = mount;
	c->uuid = *uuid;
	c->dirfd = c->listen_fd = c->stop_fd = c->over_fd = -1;
	lock_init(&c->lock, LOCK_LEAF, 0);
	cond_init(&c->changed);
	r = start(c);
	if (r < 0)
		free_control(c);
	else
		*ret = c;
	return r;
}

void control_quiesce(struct control *c)
{
	if (!c)
		return;
	lock_take(&c->lock);
	c->is_closing = true;
	while (c->n_using)
		cond_wait(&c->changed, &c->lock);
	lock_drop(&c->lock);
}

static void signal_fd(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

void control_end(struct control *c, int code, const char *text)
{
	if (!c)
		return;
	/* Who finds no socket any more finds the vault's lock released; who
	 * has connected is still answered. */
	unlinkat(c->dirfd, c->name, 0);
	signal_fd(c->stop_fd);
	pthread_join(c->listener, NULL);
	lock_take(&c->lock);
	c->end_code = code;
	c->end_text = text;
	lock_drop(&c->lock);
	signal_fd(c->over_fd);
	accept_all(c);
	lock_take(&c->lock);
	while (c->n_connections)
		cond_wait(&c->changed, &c->lock);
	lock_drop(&c->lock);
	free_control(c);
}
