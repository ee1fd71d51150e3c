/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Images of QCOW2 and QCOW v1 with one L1 entry and one L2 table, built in memory for tests of table entries. The
 * entries are for the tests to set.
 */
#ifndef CV_TESTS_UNIT_TEST_BLOCK_IMAGE_H
#define CV_TESTS_UNIT_TEST_BLOCK_IMAGE_H

#include "test_block.h"
#include "test_qcow2_image.h"

#define C (UINT64_C(1) << 63)                /* reference count is one */
#define Z UINT64_C(0x4000000000000000)       /* compressed */

enum { BITS = 14, CLUSTER = 1 << BITS, FILE_SIZE = 5 * CLUSTER, DISK_CLUSTERS = 8, L1 = CLUSTER, L2 = 2 * CLUSTER };
enum { DATA_FILE = 4, SUBCLUSTERS = 16 };    /* incompatible features */

/* QCOW2 with clusters of 16 KiB: header, L1, L2, two clusters of data. */
static inline void build(uint8_t *image, unsigned version, unsigned incompatible)
{
	static uint8_t plain[IMAGE_SIZE];

	build_plain(plain);
	memset(image, 0, FILE_SIZE);
	memcpy(image, plain, 4096);
	put(image, 4, 4, version);
	put(image, 8, 8, 0);
	put(image, 20, 4, BITS);
	put(image, 24, 8, DISK_CLUSTERS * CLUSTER);
	put(image, 36, 4, 1);
	put(image, 40, 8, L1);
	put(image, 72, 8, incompatible);
	put(image, L1, 8, C | L2);
	for (size_t i = L2 + CLUSTER; i < FILE_SIZE; i++)
		image[i] = (uint8_t)(i * 7 + i / 512);
}

static inline struct cv_layer *open_memory(const uint8_t *image, uint64_t size, uint64_t data_size, struct cv_err *err)
{
	static uint8_t data[DISK_CLUSTERS * CLUSTER];
	CV_AUTO(cv_auto_source) struct cv_source *source = cv_source_memory(image, size, err), *other = NULL;

	if (data_size)
		other = cv_source_memory(data, data_size, err);
	return cv_layer_open(&source, &other, CV_FORMAT_QCOW2, err);
}

/* QCOW v1 with clusters of 4 KiB: header, L1, L2, two clusters of data. */
enum { OLD_SIZE = 0x5000 };
static inline void build_old(uint8_t *image, uint64_t l1)
{
	memset(image, 0, OLD_SIZE);
	put(image, 0, 8, 0x514649fb00000001);
	put(image, 24, 8, 0x8000);
	put(image, 32, 2, 0x0c09);
	put(image, 40, 8, 0x1000);
	put(image, 0x1000, 8, l1);
}

static inline struct cv_layer *open_old(const uint8_t *image, uint64_t size, struct cv_err *err)
{
	struct cv_source *source = cv_source_memory(image, size, err);

	return cv_layer_open(&source, NULL, CV_FORMAT_QCOW, err);
}

#endif
