/* SPDX-License-Identifier: ISC */
/*
 * 0: a request, to the control socket of a daemon; it answers in full lines, or
 * hangs up.  1: the lines of an answer, in place.  2: an answer as a client
 * reads it from a socket.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/hex.h"
#include "base/mem.h"
#include "cli/control.h"
#include "cli/exit.h"
#include "cli/mounted.h"
#include "cli/stats_text.h"
#include "world.h"

static struct world world;
static struct control *control;
static char top[256], folder[300], socket_name[64];
static int folder_fd;

/* ---------------------------------------------------------------- stand-ins */

const char *session_features(const struct session *s)
{
	(void)s;
	return "none; 100%\n";
}

uint64_t session_count_inodes(const struct session *s)
{
	(void)s;
	return 3;
}

void session_get_stats(const struct session *s, struct request_stats *ret)
{
	(void)s;
	memset(ret, 0, sizeof(*ret));
}

/* ---------------------------------------------------------------- sockets */

/* The folder's own path may be too long for an address. */
static struct sockaddr_un address_of(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s",
			 folder_fd, name);

	FUZZ_REQUIRE(n > 0 && (size_t)n < sizeof(a.sun_path));
	return a;
}

static int connect_to(const char *name)
{
	const struct sockaddr_un a = address_of(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	FUZZ_REQUIRE(fd >= 0);
	FUZZ_REQUIRE(connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0);
	return fd;
}

static void send_bytes(int fd, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* it has heard enough */
		data += n;
		size -= (size_t)n;
	}
}

/* All that comes until the other side hangs up. */
static void receive_all(int fd, struct buf *to)
{
	uint8_t bytes[4096];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		buf_put(to, bytes, (size_t)n);
	FUZZ_REQUIRE(buf_error(to) == 0);
}

/* ---------------------------------------------------------------- requests */

/* Every line is one a client takes; the last says how it ended. */
static void require_answer(const struct buf *b)
{
	auto_free char *text = mem_alloc(b->len + 1);
	struct control_status status = CONTROL_STATUS_INIT;
	const char *reason;
	int code, r = 0;

	FUZZ_REQUIRE(text && b->data[b->len - 1] == '\n');
	memcpy(text, b->data, b->len);
	text[b->len] = '\0';
	for (char *line = text, *end; (end = strchr(line, '\n'));
	     line = end + 1) {
		FUZZ_REQUIRE(r == 0);
		FUZZ_REQUIRE(end - line < CONTROL_LINE_MAX);
		*end = '\0';
		r = control_take_line(line, &status, &code, &reason);
		FUZZ_REQUIRE(r >= 0);
	}
	FUZZ_REQUIRE(r == 1);
	FUZZ_REQUIRE(code == EXIT_DONE || code == EXIT_USAGE);
	control_status_release(&status);
}

static void fuzz_request(const uint8_t *data, size_t size)
{
	auto_buf struct buf answer = BUF_INIT(CONTROL_ANSWER_MAX);
	int fd = connect_to(socket_name);

	send_bytes(fd, data, size);
	/* "wait" ends when its client does. */
	shutdown(fd, SHUT_WR);
	receive_all(fd, &answer);
	close(fd);
	if (answer.len > 0)
		require_answer(&answer);
}

/* ---------------------------------------------------------------- answers */

static void fuzz_lines(const uint8_t *data, size_t size)
{
	static struct control_stats stats;
	struct control_status status = CONTROL_STATUS_INIT;
	auto_free char *text = mem_alloc(size + 1);
	const char *reason = NULL;
	int code = -1, r = 0;

	status.stats = size % 2 ? &stats : NULL;

	FUZZ_REQUIRE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *line = text; r == 0 && line < text + size;) {
		char *end = strchrnul(line, '\n');

		*end = '\0';
		r = control_take_line(line, &status, &code, &reason);
		line = end + 1;
	}
	if (r == 1) {
		FUZZ_REQUIRE(code >= 0 && code <= 255);
		FUZZ_REQUIRE(reason >= text && reason <= text + size);
	}
	FUZZ_REQUIRE(strlen(status.vault.device_name) <
		     sizeof(status.vault.device_name));
	FUZZ_REQUIRE(status.n_devices <= 4096);
	control_status_release(&status);
}

/* A daemon that says what it is told to. */
static struct {
	pthread_mutex_t lock;
	int fd;
	const uint8_t *data;
	size_t size;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER };

#define FAKE_NAME "00000000000000000000000000000000.1.sock"

static void *answer_all(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept(fake.fd, NULL, NULL);
		char byte = 0;

		if (fd < 0)
			return NULL;
		while (byte != '\n' && recv(fd, &byte, 1, 0) == 1)
			;
		pthread_mutex_lock(&fake.lock);
		send_bytes(fd, fake.data, fake.size);
		pthread_mutex_unlock(&fake.lock);
		close(fd);
	}
}

static void start_fake(void)
{
	const struct sockaddr_un a = address_of(FAKE_NAME);
	pthread_t thread;

	fake.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_REQUIRE(fake.fd >= 0);
	FUZZ_REQUIRE(bind(fake.fd, (const struct sockaddr *)&a, sizeof(a)) == 0);
	FUZZ_REQUIRE(listen(fake.fd, 8) == 0);
	FUZZ_REQUIRE(pthread_create(&thread, NULL, answer_all, NULL) == 0);
	pthread_detach(thread);
}

static void fuzz_answer(bool is_gc, const uint8_t *data, size_t size)
{
	struct mounted m = MOUNTED_INIT;
	auto_free char *text = NULL;
	struct vault_gc_result gc;
	int code = -1, r;

	pthread_mutex_lock(&fake.lock);
	fake.data = data;
	fake.size = size;
	pthread_mutex_unlock(&fake.lock);
	m.directory = mem_strdup(folder);
	FUZZ_REQUIRE(m.directory);
	memcpy(m.name, FAKE_NAME, sizeof(FAKE_NAME));
	r = is_gc ? mounted_gc(&m, true, &gc, &code, &text) :
		    mounted_sync(&m, &code, &text);
	FUZZ_REQUIRE(r < 0 || (text && code >= 0 && code <= 255));
	/* It has sent all, or has been hung up on. */
	pthread_mutex_lock(&fake.lock);
	fake.size = 0;
	pthread_mutex_unlock(&fake.lock);
	mounted_release(&m);
}

/* ---------------------------------------------------------------- the whole */

static void stop(void)
{
	char path[400];

	control_quiesce(control);
	control_end(control, EXIT_DONE, "");
	world_end(&world);
	snprintf(path, sizeof(path), "%s/" FAKE_NAME, folder);
	unlink(path);
	rmdir(folder);
	rmdir(top);
}

static void start(void)
{
	static struct control_mount mount = { .pid = 1, .since_ms = 2 };
	const char *tmp = getenv("TMPDIR");
	struct vault_status status;
	char hex[33];

	snprintf(top, sizeof(top), "%s/coffer-fuzz-XXXXXX", tmp ? tmp : "/tmp");
	FUZZ_REQUIRE(mkdtemp(top));
	snprintf(folder, sizeof(folder), "%s/coffer", top);
	FUZZ_REQUIRE(mkdir(folder, 0700) == 0);
	folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	FUZZ_REQUIRE(folder_fd >= 0);
	FUZZ_REQUIRE(setenv("XDG_RUNTIME_DIR", top, 1) == 0);
	world_begin(&world);
	FUZZ_REQUIRE(vault_get_status(world.v, &status) == 0);
	mount.vault_path = mem_strdup("/a vault");
	mount.mountpoint = mem_strdup("/a mount\npoint");
	mount.profile = mem_strdup("balanced");
	FUZZ_REQUIRE(control_start(world.v, NULL, &status.uuid, &mount, &control) ==
		     0);
	hex_encode(status.uuid.b, sizeof(status.uuid.b), hex);
	snprintf(socket_name, sizeof(socket_name), "%s.%ld.sock", hex,
		 (long)getpid());
	start_fake();
	atexit(stop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned what;

	if (!control)
		start();
	what = (unsigned)fuzz_number(&data, &size, 1) % 4;
	if (what == 0)
		fuzz_request(data, size);
	else if (what == 1)
		fuzz_lines(data, size);
	else
		fuzz_answer(what == 3, data, size);
	return 0;
}
