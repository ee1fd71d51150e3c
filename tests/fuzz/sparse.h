/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A file of any size as a short input: its size, and the pieces that are not zero.
 *
 *   8 bytes   size of the file                  all numbers little-endian
 *   then, again and again:
 *   6 bytes   where the piece begins; negative: from the end of the file
 *   2 bytes   how many bytes follow
 *   2 bytes   how often they are repeated, less one
 *   bytes
 *
 * A piece is at most a mebibyte, repeats and all. Later pieces lie on top of earlier ones; one that is cut is what is left of it. So any input is a file.
 */
#ifndef CV_TESTS_FUZZ_SPARSE_H
#define CV_TESTS_FUZZ_SPARSE_H

#include <chainview/source.h>
#include <chainview/vec.h>

#define SPARSE_HEAD 8u
#define SPARSE_PIECE 10u
#define SPARSE_PIECES 512u

struct sparse_piece {
	uint64_t off;
	uint32_t len, times;     /* bytes, and how often they stand there */
	bool from_end;           /* it moves with the end of the file */
	const uint8_t *bytes;
};

struct sparse {
	uint64_t size;
	struct sparse_piece at[SPARSE_PIECES];
	size_t count;
};

/* The pieces borrow the bytes of the input. */
void sparse_decode(struct sparse *s, const uint8_t *at, size_t len);
/* Returns the length; pieces that do not fit into cap are left out. at must not be what the pieces borrow. */
size_t sparse_encode(const struct sparse *s, uint8_t *at, size_t cap);
/* The bytes of the file at off; zero behind its end. */
void sparse_read(const struct sparse *s, void *buf, size_t len, uint64_t off);
/* A source of the file; borrows s. */
struct cv_source *sparse_source(const struct sparse *s, struct cv_err *err);

/* An input that stands for the file that is open: what is not zero in it, long random data cut short. The caller
 * frees it; NULL if it cannot be read or would have more than most bytes. */
uint8_t *sparse_of_file(int fd, size_t most, size_t *len);
/* Makes an open, empty file what the input says. */
bool sparse_to_file(const struct sparse *s, int fd);

#endif
