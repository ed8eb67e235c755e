/* SPDX-License-Identifier: ISC */
/*
 * The power fails at a sync: power alone|two SEED STRIDE FOLDER
 *
 * A script of calls runs on a disk that remembers what is durable
 * (power_env.h); at every STRIDE-th sync an image is made.  Each is opened
 * afterwards: what was confirmed is there, the folder is as it was at one
 * moment between the last confirmed call and the one under way, the check finds
 * nothing, and it goes on from there, for another device too.  Some images lose
 * power once more while they are opened.
 *
 * FOLDER/keep/N holds what an independent reader must agree with.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "power_env.h"
#include "power_model.h"
#include "power_script.h"
#include "power_tree.h"
#include "vault/care.h"
#include "vault/file.h"
#include "vault/tree.h"

#define IMAGES_MAX 20000
#define KEEP_EVERY 40
#define NEST_EVERY 25
#define NESTED_STRIDE 3

struct image {
	int lower;     /* state confirmed; -1: not even the vault */
	int published; /* state confirmed published */
	int upper;
	unsigned pass_lower, pass_upper; /* passphrases that may open it */
	bool is_nested;
};

static struct image *images;
static unsigned n_images, n_kept, n_checked, stride;
static struct image nested; /* what an image's images inherit */
static bool is_nesting;

static const char *image_path(unsigned i, const char *below)
{
	char name[64];

	snprintf(name, sizeof(name), "image%u%s%s", i, *below ? "/" : "",
		 below);
	return power_path(name);
}

/* ---------------------------------------------------------------- recording */

static void take_image(struct power_env *p)
{
	struct image *i = &images[n_images];

	if (p->n_syncs % stride != g.seed % stride || n_images == IMAGES_MAX)
		return;
	/* Every third loses all it may. */
	power_env_image(p, image_path(n_images, ""),
			p->n_syncs % 3 ? g.seed * 100003 + p->n_syncs : 0);
	*i = is_nesting ? nested : (struct image){
		.lower = g.lower,
		.published = g.published,
		.upper = g.n_states, /* the call under way may be in it */
		.pass_lower = g.pass,
		.pass_upper = g.pass_upper,
	};
	n_images++;
}

/* ---------------------------------------------------------------- order */

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static void demand(bool yes, const char *rule, const char *dir,
		   const char *name)
{
	if (!yes)
		power_die("seed %" PRIu64 ": %s/%s: %s", g.seed, dir, name,
			  rule);
}

/* vault/w/<writer>/l or d/xx -> vault/w/<writer>/<folder>. */
static const char *beside(const char *dir, const char *folder)
{
	static char path[512];

	snprintf(path, sizeof(path), "%.*s/%s",
		 (int)(strlen("vault/w/") + 16), dir, folder);
	return path;
}

static void check_named(struct power_env *p, const char *dir, const char *name,
			bool has_all)
{
	bool in_vault = strncmp(dir, "vault", 5) == 0;

	if (in_vault || (ends_with(dir, "/journal") &&
			 strncmp(name, "spare", 5) != 0))
		demand(has_all, "it gets its name before its bytes are durable",
		       dir, name);
	if (in_vault && ends_with(dir, "/l"))
		demand(power_env_is_durable(p, "vault/w"),
		       "a segment before the packs it names", dir, name);
	if (strcmp(dir, "vault") == 0 && strcmp(name, "VAULT") == 0)
		demand(power_env_is_durable(p, "vault"),
		       "the header before what it stands for", dir, name);
}

static void check_gone(struct power_env *p, const char *dir, const char *name)
{
	bool is_spare = strncmp(name, "spare", 5) == 0 ||
			ends_with(name, ".new");

	if ((ends_with(dir, "/journal") && !is_spare) ||
	    ends_with(dir, "/stage"))
		demand(power_env_is_durable(p, "vault/w"),
		       "local data before what was published of it", dir, name);
	if (strncmp(dir, "vault/w/", 8) == 0 && strstr(dir, "/d/"))
		demand(power_env_is_durable(p, beside(dir, "l")),
		       "a pack before the segment that drops it", dir, name);
	if (strcmp(dir, "vault/k") == 0)
		demand(power_env_is_durable(p, "vault"),
		       "a slot before the one that replaces it", dir, name);
}

void power_record(const char *top)
{
	power_env_init(&g.power, top);
	g.power.on_sync = take_image;
	g.power.on_named = check_named;
	g.power.on_gone = check_gone;
}

/* ---------------------------------------------------------------- checking */

static _Noreturn void bad_image(unsigned i, const char *what, const char *more)
{
	power_tell_lines();
	power_die("seed %" PRIu64 ", image %u of %u%s (states %d to %d, "
		  "published %d): %s: %s",
		  g.seed, i, n_images, images[i].is_nested ? ", nested" : "",
		  images[i].lower, images[i].upper, images[i].published, what,
		  more);
}

/* The passphrase may have been changed, or not yet. */
static int open_image(unsigned i, const struct vault_options *o,
		      struct vault **ret)
{
	int r = power_open(o, images[i].pass_upper, ret);

	if (r == ERR_WRONG_KEY && images[i].pass_lower != images[i].pass_upper)
		r = power_open(o, images[i].pass_lower, ret);
	return r;
}

/* Returns the state the folder is in. */
static int check_state(unsigned i, const char *text, int from, const char *who)
{
	int to = images[i].upper < g.n_states ? images[i].upper :
						g.n_states - 1;

	for (int k = to; k >= from && k >= 0; k--)
		if (strcmp(g.states[k], text) == 0)
			return k;
	fprintf(stderr, "%s shows\n%sconfirmed was\n%s", who, text,
		from >= 0 ? g.states[from] : "nothing\n");
	for (int k = 0; k < g.n_states; k++)
		if (strcmp(g.states[k], text) == 0)
			fprintf(stderr, "that was state %d\n", k);
	bad_image(i, who, "a state that never was, or is lost");
}

static void finding(void *arg, enum vault_finding kind, const char *what,
		    int err, const char *why)
{
	const unsigned *image = arg;

	(void)err;
	if (kind == VAULT_FINDING_DAMAGE)
		bad_image(*image, what, why ? why : "damaged");
}

static void check_vault(unsigned i, struct vault *v)
{
	const struct vault_check_options check = {
		.read_data = true,
		.finding = finding,
		.arg = &i,
	};
	struct vault_check_result result = { 0 };
	int r = vault_check(v, &check, &result);

	if (r < 0)
		bad_image(i, "checking", err_text(r));
}

static void write_text(const char *name, const char *text)
{
	FILE *f = fopen(power_path(name), "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		power_die("writing %s: %s", name, strerror(errno));
}

static void keep_for_reader(unsigned i, unsigned pass, const char *text)
{
	char name[64], line[96];

	snprintf(name, sizeof(name), "keep/%u", n_kept++);
	power_must(mkdir(power_path(name), 0700), "making a folder");
	snprintf(line, sizeof(line), "%s/vault", name);
	power_tree_copy(image_path(i, "vault"), power_path(line));
	snprintf(line, sizeof(line), "%s/expected", name);
	write_text(line, text);
	snprintf(line, sizeof(line), "%s/pass", name);
	power_pass_text(pass, name);
	strcat(name, "\n");
	write_text(line, name);
}

/* As whoever has the vault's folder alone sees it.  0: it is no vault yet. */
static int check_published(unsigned i)
{
	struct vault_options o =
		power_options(image_path(i, "vault"), NULL, g.calm);
	struct vault *v = NULL;
	int r = open_image(i, &o, &v);
	char *text;

	if (r < 0 && images[i].lower < 0 &&
	    (r == -ENOENT || r == ERR_NOT_VAULT))
		return 0;
	if (r < 0)
		bad_image(i, "opening without state", err_text(r));
	text = model_text_of(v);
	check_state(i, text, images[i].published, "the vault alone");
	power_must(vault_close(v), "closing");
	if (n_checked % KEEP_EVERY == 0 &&
	    images[i].pass_lower == images[i].pass_upper)
		keep_for_reader(i, images[i].pass_lower, text);
	free(text);
	return 1;
}

static void put_after(unsigned i, struct vault *v)
{
	const struct vault_new what = { .mode = S_IFREG | 0644 };
	const struct vault_name name = { "after", 5 };
	struct vault_attr at;
	int r = vault_make(v, VAULT_ROOT_INO, name, &what, false, &at);

	if (r == 0)
		r = vault_write(v, at.ino, "the crash", 9, 0, 0);
	if (r < 0)
		bad_image(i, "writing after it", err_text(r));
}

static void check_after(unsigned i, int state)
{
	struct vault_options o =
		power_options(image_path(i, "vault"), NULL, g.calm);
	struct vault *v = NULL;
	char line[64], *text;
	int r = open_image(i, &o, &v);

	if (r < 0)
		bad_image(i, "opening after it", err_text(r));
	text = model_text_of(v);
	snprintf(line, sizeof(line), "after 9 %016" PRIx64 "\n",
		 model_hash((const uint8_t *)"the crash", 9));
	/* "after" sorts before all other names. */
	if (strncmp(text, line, strlen(line)) != 0 ||
	    strcmp(text + strlen(line), g.states[state]) != 0)
		bad_image(i, "what was done after it is not there", text);
	free(text);
	power_must(vault_close(v), "closing");
}

static void check_image(unsigned i)
{
	struct vault_options o = power_options(image_path(i, "vault"),
					       image_path(i, "state"), g.calm);
	struct vault *v = NULL;
	char *text;
	int r, state;

	if (check_published(i) == 0)
		return;
	r = open_image(i, &o, &v);
	if (r < 0)
		bad_image(i, "opening", err_text(r));
	if (vault_is_read_only(v))
		bad_image(i, "read-only", vault_read_only_reason(v));
	text = model_text_of(v);
	state = check_state(i, text, images[i].lower, "the folder");
	free(text);
	check_vault(i, v);
	put_after(i, v);
	r = vault_close(v);
	if (r < 0)
		bad_image(i, "closing", err_text(r));
	check_after(i, state);
}

/* Opens an image on a disk that loses its power again. */
static void nest(unsigned i)
{
	struct vault_options o;
	struct vault *v = NULL;
	int r;

	power_env_release(&g.power);
	power_record(image_path(i, ""));
	is_nesting = true;
	nested = images[i];
	nested.is_nested = true;
	o = power_options(image_path(i, "vault"), image_path(i, "state"),
			  &g.power.env);
	r = open_image(i, &o, &v);
	if (r == 0)
		r = vault_close(v);
	if (r < 0 && images[i].lower >= 0)
		bad_image(i, "opening for another crash", err_text(r));
	is_nesting = false;
}

static void check_all(void)
{
	unsigned of_script = stride;

	for (unsigned i = 0; i < n_images; i++, n_checked++) {
		if (!images[i].is_nested && i % NEST_EVERY == 7) {
			stride = NESTED_STRIDE;
			nest(i);
			stride = of_script;
		} else {
			check_image(i);
		}
		power_tree_remove(image_path(i, ""));
	}
	power_env_release(&g.power);
}

int main(int argc, char **argv)
{
	unsigned long n_syncs;

	if (argc != 5)
		power_die("power alone|two SEED STRIDE FOLDER");
	stride = (unsigned)strtoul(argv[3], NULL, 10);
	images = calloc(IMAGES_MAX, sizeof(*images));
	if (!images || !stride)
		power_die("no memory, or no stride");
	power_script_init(argv[4], strtoull(argv[2], NULL, 10));
	power_must(mkdir(power_path("keep"), 0700), "making a folder");
	if (strcmp(argv[1], "two") == 0)
		power_script_two();
	else
		power_script_alone();
	n_syncs = g.power.n_syncs;
	check_all();
	printf("%s, seed %" PRIu64
	       ": %d states, %lu syncs, %u images, %u kept\n",
	       argv[1], g.seed, g.n_states, n_syncs, n_images, n_kept);
	power_script_end();
	free(images);
	return 0;
}
