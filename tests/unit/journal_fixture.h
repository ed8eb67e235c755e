/* SPDX-License-Identifier: ISC */
/* A journal in a folder of its own, what its replay delivered, and the means
 * to damage its files. */
#ifndef COFFER_TESTS_JOURNAL_FIXTURE_H
#define COFFER_TESTS_JOURNAL_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "disk.h"
#include "journal/journal.h"

#define SECTOR 512u
#define STEP (1u << 20) /* a file grows by that much */

extern struct disk disk;
extern struct local_keys keys, other_keys;
extern struct journal *journal;

/* What the last replay delivered. */
#define FRAMES_MAX 64
struct replayed {
	unsigned n;
	uint64_t numbers[FRAMES_MAX];
	enum frame_type types[FRAMES_MAX];
	size_t bytes[FRAMES_MAX];
	uint8_t first[FRAMES_MAX]; /* byte of the body; all of them equal it */
	int answer;		   /* given to the journal for each frame */
};
extern struct replayed replayed;

/* For tcase_add_checked_fixture: opens an empty journal. */
void journal_fixture_make(void);
void journal_fixture_remove(void);

/* Closes the journal and opens it from its files; `journal` is NULL after an
 * error. */
int open_with(const struct local_keys *k);
int open_again(void);
/* The numbers first..last were delivered, and nothing else. */
void assert_replayed(uint64_t first, uint64_t last);
/* What a reader beside the open journal finds. */
void assert_on_disk(uint64_t first, uint64_t last);

/* Begins a file with marks of 200 bytes 0xee. */
int begin(void);
/* A body of n bytes, all of them `byte`. */
int append(uint8_t byte, size_t n);
void append_well(uint8_t byte, size_t n);
/* n files of three frames each. */
void make_files(unsigned n);

/* A file's name, until the next call but one. */
const char *name_of(uint64_t number);
bool exists(const char *name);
ino_t inode_of(const char *name);
uint64_t size_of(const char *name);
uint8_t *read_whole(const char *name, size_t *ret_n);
void change(const char *name, size_t at, const void *bytes, size_t n);
void flip(const char *name, size_t at);
void cut_file(const char *name, size_t at);

#endif
