/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Chains that qemu-img and qemu-io made, with many options and at random: the map against "qemu-img map", the
 * bytes against "qemu-img convert". Table entries and hostile images have their own program.
 */
#include "test_block.h"
#include "tests/support/run.h"
#include "inspect/qcow2/qcow2_map.h"
#include <json-c/json.h>
#include <malloc.h>

#define IMG "qemu-img create -q -f "
#define IO "qemu-io >/dev/null "
/* qemu-img ends with an error, but only after all has been written; what it wrote is compared with the source. */
#define QCOW_COMPRESSED "{ qemu-img convert -c -f raw -O qcow n 0 || qemu-img compare -q -f raw -F qcow n 0; }"
#define NOISE "head -c 3000000 /dev/urandom > n && truncate -s 5M n && head -c 500000 /dev/urandom >> n && "

enum { CUT = 1 };                            /* a cluster is cut by the end of the file */

static const struct row {
	const char *name, *script;           /* makes the files 0 (the base), 1 ... */
	unsigned count, flags;
} rows[] = {
	{ "empty", IMG "qcow2 0 10M", 1, 0 },
	{ "empty_disk_of_size_512", IMG "qcow2 0 512 && " IO "-f qcow2 -c 'write -P 1 0 512' 0", 1, 0 },
	{ "odd_size", IMG "qcow2 0 1000000 && " IO "-f qcow2 -c 'write -P 9 900000 99840' 0", 1, 0 },
	{ "preallocated_metadata", IMG "qcow2 -o preallocation=metadata 0 5000000", 1, 0 },
	{ "preallocated_full", IMG "qcow2 -o preallocation=full,cluster_size=4k 0 1M", 1, 0 },
	{ "raw_with_holes", "truncate -s 9M 0 && " IO "-f raw -c 'write -P 3 1M 70k' -c 'write -P 4 7M 2M' 0", 1, 0 },
	{ "zeros_keep_their_place",
	  IMG "qcow2 0 4M && " IO "-f qcow2 -c 'write -P 1 0 2M' -c 'write -z 64k 512k' "
	      "-c 'write -z -u 1M 128k' -c 'discard 1536k 64k' 0",
	  1, 0 },
	{ "subclusters",
	  IMG "qcow2 -o extended_l2=on,cluster_size=64k 0 8M && " IO "-f qcow2 -c 'write -P 1 2k 2k' "
	      "-c 'write -P 2 10k 4k' -c 'write -z 12k 30k' -c 'write -P 1 1M 1M' -c 'write -z 1M 512k' "
	      "-c 'write -z 1800k 6k' -c 'write -P 6 6000k 200k' -c 'discard 6064k 128k' 0",
	  1, 0 },
	{ "subclusters_over_subclusters",
	  IMG "qcow2 -o extended_l2=on,cluster_size=16k 0 2M && " IO "-f qcow2 -c 'write -P 1 0 1M' 0 && " IMG
	      "qcow2 -o extended_l2=on,cluster_size=128k -b 0 -F qcow2 1 3M && " IO
	      "-f qcow2 -c 'write -P 2 4k 4k' -c 'write -z 40k 4k' -c 'discard 128k 128k' 1",
	  2, 0 },
	{ "compressed_zlib", NOISE "qemu-img convert -c -f raw -O qcow2 n 0", 1, 0 },
	{ "compressed_zlib_4k", NOISE "qemu-img convert -c -f raw -O qcow2 -o cluster_size=4k n 0", 1, 0 },
	{ "compressed_zlib_2M", NOISE "qemu-img convert -c -f raw -O qcow2 -o cluster_size=2M n 0", 1, 0 },
	{ "compressed_zlib_v2", NOISE "qemu-img convert -c -f raw -O qcow2 -o compat=0.10 n 0", 1, 0 },
	{ "compressed_zstd", NOISE "qemu-img convert -c -f raw -O qcow2 -o compression_type=zstd n 0", 1, 0 },
	{ "compressed_zstd_2M_subclusters",
	  NOISE "qemu-img convert -c -f raw -O qcow2 "
		"-o compression_type=zstd,cluster_size=2M,extended_l2=on n 0",
	  1, 0 },
	{ "compressed_512", NOISE "qemu-img convert -c -f raw -O qcow2 -o cluster_size=512 n 0", 1, 0 },
	{ "qcow", NOISE "qemu-img convert -f raw -O qcow n 0", 1, 0 },
	{ "qcow_compressed", NOISE QCOW_COMPRESSED, 1, 0 },
	{ "qcow_overlays",
	  NOISE QCOW_COMPRESSED
	  " && " IMG "qcow -b 0 -F qcow 1 && " IO "-f qcow -c 'write -P 7 100k 3k' -c 'write -P 8 1M 1M' 1 && " IMG
	  "qcow2 -b 1 -F qcow 2 6M && " IO "-f qcow2 -c 'write -P 9 5M 100k' -c 'write -z 1M 128k' 2",
	  3, 0 },
	{ "compressed_under_small_clusters",
	  NOISE "qemu-img convert -c -f raw -O qcow2 n 0 && " IMG "qcow2 -o cluster_size=512 -b 0 -F qcow2 1 && " IO
		"-f qcow2 -c 'write -P 7 512 512' "
		"-c 'write -P 8 70k 1k' -c 'write -z 200k 3k' 1",
	  2, 0 },
	{ "data_file",
	  IMG "qcow2 -o data_file=0.data 0 8M && " IO "-f qcow2 -c 'write -P 5 0 100k' "
	      "-c 'write -P 6 3M 1M' -c 'write -z 3M 128k' 0",
	  1, 0 },
	{ "data_file_raw",
	  IMG "qcow2 -o data_file=0.data,data_file_raw=on 0 8M && " IO "-f qcow2 -c 'write -P 5 0 100k' "
	      "-c 'write -P 6 3M 1M' 0",
	  1, 0 },
	{ "data_file_over_raw",
	  "head -c 2000384 /dev/urandom > 0 && " IMG "qcow2 -o data_file=1.data -b 0 -F raw 1 3M && " IO
	  "-f qcow2 -c 'write -P 5 64k 100k' -c 'write -z 512k 100k' 1",
	  2, 0 },
	{ "smaller_parents",
	  "head -c 1000448 /dev/urandom > 0 && " IMG "qcow2 -b 0 -F raw 1 3M && " IO
	  "-f qcow2 -c 'write -P 5 900k 200k' -c 'write -P 5 2900k 100k' 1 && " IMG "qcow2 -b 1 -F qcow2 2 2M && " IMG
	  "qcow2 -b 2 -F qcow2 3 5M && " IO "-f qcow2 -c 'write -P 5 1900k 200k' 3",
	  4, 0 },
	{ "larger_parent", IMG "qcow2 0 5M && " IO "-f qcow2 -c 'write -P 1 0 5M' 0 && " IMG "qcow2 -b 0 -F qcow2 1 1M",
	  2, 0 },
	{ "cut_data_cluster", IMG "qcow2 0 4M && " IO "-f qcow2 -c 'write -P 5 0 256k' 0 && truncate -s -10000 0", 1,
	  CUT },
	{ "refcount_bits_1", IMG "qcow2 -o refcount_bits=1 0 4M && " IO "-f qcow2 -c 'write -P 5 1M 256k' 0", 1, 0 },
	{ "clusters_at_both_ends_of_16T",
	  IMG "qcow2 0 16T && " IO "-f qcow2 -c 'write -P 5 0 64k' "
	      "-c 'write -P 5 17179865088k 4M' 0",
	  1, 0 },
};

struct seen {
	uint64_t start, length, offset;
	uint32_t depth;
	bool present, zero, data, placed;
};

static uint64_t number(struct json_object *o, const char *key)
{
	struct json_object *found;

	return json_object_object_get_ex(o, key, &found) ? json_object_get_uint64(found) : 0;
}

static struct json_object *qemu_map(const char *folder, const char *image, const char *format)
{
	CV_AUTO(cv_text_fini) struct cv_text said = { 0 };
	struct json_object *map;

	assert_int_equal(cv_test_do(folder, &said, "qemu-img", "map", "--output=json", "-f", format, image), 0);
	map = json_tokener_parse(cv_text_str(&said));
	assert_non_null(map);
	return map;
}

static struct seen seen_at(struct json_object *map, size_t i)
{
	struct json_object *o = json_object_array_get_idx(map, i);

	return (struct seen){
		.start = number(o, "start"), .length = number(o, "length"), .offset = number(o, "offset"),
		.depth = (uint32_t)number(o, "depth"), .present = number(o, "present"), .zero = number(o, "zero"),
		.data = number(o, "data"), .placed = json_object_object_get_ex(o, "offset", NULL),
	};
}

/* Why the two do not say the same of the byte at pos; NULL if they do. */
static const char *disagreement(const struct opened *o, const struct cv_extent *e, const struct seen *q, uint64_t pos,
				unsigned flags)
{
	bool same_place = q->placed && q->offset + (pos - q->start) == e->host + (pos - e->at.off);

	switch (e->kind) {
	case CV_EXTENT_DATA:
		if (!q->data || !q->present || q->depth != e->layer)
			return "data";
		return e->compressed ? (q->placed ? "compressed" : NULL) : same_place ? NULL : "place of data";
	case CV_EXTENT_ZERO:
		if (flags & CUT && q->zero && q->data)
			return same_place ? NULL : "place of what is cut off";
		if (!q->zero || q->data || !q->present || q->depth != e->layer)
			return "zeros";
		return e->placed == q->placed && (!e->placed || same_place) ? NULL : "place of zeros";
	case CV_EXTENT_PARENT:
		if (!q->zero || q->data || e->layer != o->chain.count)
			return "nothing";
		/* QEMU gives what lies behind a smaller parent to that parent. */
		return !q->present || pos >= o->layers[q->depth]->size ? NULL : "nothing, present";
	case CV_EXTENT_BAD:
		break;
	}
	return "damage";
}

static void compare_map(const struct opened *o, struct json_object *map, unsigned flags)
{
	size_t n = json_object_array_length(map), k = 0;
	struct cv_extents list;
	uint64_t pos = 0;

	map_all(&o->chain, &list);
	for (size_t i = 0; i < n; i++) {
		struct seen q = seen_at(map, i);

		assert_int_equal(q.start, pos);
		while (pos < q.start + q.length) {
			const struct cv_extent *e = &list.at[k];
			uint64_t end = e->at.off + e->at.len;
			const char *why = disagreement(o, e, &q, pos, flags);

			assert_true(k < list.len);
			if (why)
				fail_msg("at %" PRIu64 ": %s (kind %d layer %u host %" PRIu64
					 ", depth %u offset %" PRIu64 ")",
					 pos, why, e->kind, e->layer, e->host, q.depth, q.offset);
			pos = end < q.start + q.length ? end : q.start + q.length;
			k += pos == end;
		}
	}
	assert_int_equal(pos, o->layers[0]->size);
	assert_int_equal(k, list.len);
	cv_extents_fini(&list);
}

static void read_chunk(const struct cv_chain *chain, FILE *raw, struct cv_range chunk)
{
	static uint8_t ours[1 << 20], theirs[1 << 20];
	struct cv_err err = { 0 };

	assert_int_equal(fseeko(raw, (off_t)chunk.off, SEEK_SET), 0);
	assert_int_equal(fread(theirs, 1, chunk.len, raw), chunk.len);
	memset(ours, 0xaa, chunk.len);
	if (!cv_chain_read(chain, ours, chunk, &err))
		fail_msg("cannot read: %s", err.text);
	for (size_t i = 0; i < chunk.len; i++)
		if (ours[i] != theirs[i])
			fail_msg("byte %" PRIu64 " is %02x, not %02x", chunk.off + i, ours[i], theirs[i]);
}

/* All of a small disk in chunks of random length, the first and last of a large one. */
static void compare_bytes(const struct opened *o, const char *folder, uint32_t *seed)
{
	uint64_t size = o->layers[0]->size, pos = 0;
	char path[512];
	FILE *raw;

	snprintf(path, sizeof path, "%s/content", folder);
	raw = fopen(path, "r");
	assert_non_null(raw);
	while (pos < size) {
		uint64_t len = 1 + cv_test_random(seed, cv_test_random(seed, 2) ? 1 << 20 : 5000);

		if (pos > 64 << 20 && size - pos > 64 << 20)
			pos = size - (64 << 20);
		if (len > size - pos)
			len = size - pos;
		read_chunk(&o->chain, raw, (struct cv_range){ pos, len });
		pos += len;
	}
	fclose(raw);
}

static const char *format_name(const struct opened *o, size_t layer)
{
	return cv_format_name(format_of(o->layers[layer]->source));
}

static void compare_all(const char *folder, unsigned count, unsigned flags, uint32_t *seed)
{
	struct json_object *map;
	struct opened o;
	char top[16];

	open_chain(&o, folder, count);
	snprintf(top, sizeof top, "%u", count - 1);
	map = qemu_map(folder, top, format_name(&o, 0));
	compare_map(&o, map, flags);
	json_object_put(map);
	if (o.layers[0]->size <= 1 << 30) {
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-f", format_name(&o, 0), "-O", "raw",
					    top, "content"),
				 0);
		compare_bytes(&o, folder, seed);
	}
	close_chain(&o);
}

static void needs_qemu(void)
{
	if (cv_test_has("qemu-img") && cv_test_has("qemu-io"))
		return;
	puts("skipped: qemu-img and qemu-io are not installed");
	skip();
}

static void run_script(const char *folder, const char *script)
{
	CV_AUTO(cv_text_fini) struct cv_text said = { 0 };
	const char *const argv[] = { "sh", "-ec", script, NULL };

	if (cv_test_run(folder, &said, true, argv))
		fail_msg("%s\n%s", script, cv_text_str(&said));
}

static void row_is_as_qemu_says(void **state)
{
	const struct row *row = *state;
	uint32_t seed = 1;
	char *folder;

	needs_qemu();
	folder = cv_test_folder();
	run_script(folder, row->script);
	compare_all(folder, row->count, row->flags, &seed);
	cv_test_folder_remove(folder);
}

/* Options of one random image; what does not go together is left out. */
struct options {
	bool raw, old, extended, data_file;
	unsigned cluster_bits;
	uint64_t size;
};

static struct options random_options(uint32_t *seed, bool base)
{
	static const uint8_t bits[] = { 9, 10, 12, 14, 16, 16, 18, 21 };
	struct options o = { .raw = base && !cv_test_random(seed, 3), .old = !cv_test_random(seed, 5) };

	o.cluster_bits = bits[cv_test_random(seed, CV_COUNT(bits))];
	o.extended = !o.old && o.cluster_bits >= 14 && !cv_test_random(seed, 3);
	o.data_file = !o.old && !o.raw && !cv_test_random(seed, 6);
	o.size = (uint64_t)(1 + cv_test_random(seed, 12288)) * 512;
	return o;
}

static void add_create(struct cv_text *script, const struct options *o, unsigned index, bool base_raw, uint32_t *seed)
{
	static const unsigned refcount_bits[] = { 1, 16, 64 };

	if (o->raw) {
		cv_text_addf(script, "truncate -s %" PRIu64 " %u\n", o->size, index);
		return;
	}
	cv_text_addf(script, IMG "qcow2 -o cluster_size=%u", 1u << o->cluster_bits);
	if (o->old)
		cv_text_add(script, ",compat=0.10");
	else
		cv_text_addf(script, ",refcount_bits=%u,extended_l2=%s,compression_type=%s",
			     refcount_bits[cv_test_random(seed, 3)], o->extended ? "on" : "off",
			     cv_test_random(seed, 2) ? "zstd" : "zlib");
	if (o->data_file)
		cv_text_addf(script, ",data_file=%u.data", index);
	if (index)
		cv_text_addf(script, " -b %u -F %s", index - 1, base_raw ? "raw" : "qcow2");
	cv_text_addf(script, " %u %" PRIu64 "\n", index, o->size);
}

static void add_write(struct cv_text *script, const struct options *o, uint32_t *seed)
{
	static const char *const zeros[] = { "write -z", "write -z -u", "discard" };
	uint64_t sectors = o->size / 512, cluster = UINT64_C(1) << o->cluster_bits;
	uint64_t off = cv_test_random(seed, (uint32_t)sectors), len;
	unsigned what = cv_test_random(seed, 8);

	len = 1 + cv_test_random(seed, cv_test_random(seed, 3) ? 64 : 2048);
	if (len > sectors - off)
		len = sectors - off;
	off *= 512;
	len *= 512;
	if (what < 3)
		cv_text_addf(script, " -c '%s %" PRIu64 " %" PRIu64 "'", zeros[what], off, len);
	else if (what == 3 && !o->raw && !o->data_file && off / cluster * cluster + cluster <= o->size)
		cv_text_addf(script, " -c 'write -c -P %u %" PRIu64 " %" PRIu64 "'", 1 + cv_test_random(seed, 255),
			     off / cluster * cluster, cluster);
	else
		cv_text_addf(script, " -c 'write -P %u %" PRIu64 " %" PRIu64 "'", 1 + cv_test_random(seed, 255), off,
			     len);
}

static void random_chain(const char *folder, unsigned count, uint32_t *seed)
{
	CV_AUTO(cv_text_fini) struct cv_text script = { 0 };
	bool base_raw = false;

	for (unsigned i = 0; i < count; i++) {
		struct options o = random_options(seed, i == 0);

		add_create(&script, &o, i, i == 1 && base_raw, seed);
		base_raw |= o.raw;
		cv_text_addf(&script, IO "-f %s", o.raw ? "raw" : "qcow2");
		for (unsigned n = 1 + cv_test_random(seed, 30); n; n--)
			add_write(&script, &o, seed);
		/* A compressed write where something is allocated already is refused; the others are done. */
		cv_text_addf(&script, " %u || true\n", i);
	}
	run_script(folder, cv_text_str(&script));
}

static void random_chains_are_as_qemu_says(void **state)
{
	uint32_t seed = 77;

	(void)state;
	needs_qemu();
	for (unsigned round = 0; round < 40; round++) {
		unsigned count = 1 + cv_test_random(&seed, 7);
		char *folder = cv_test_folder();

		random_chain(folder, count, &seed);
		compare_all(folder, count, 0, &seed);
		cv_test_folder_remove(folder);
	}
}

static void internal_snapshots_are_layers_too(void **state)
{
	char *folder;
	uint32_t seed = 5;

	(void)state;
	needs_qemu();
	folder = cv_test_folder();
	run_script(folder, IMG "qcow2 0 2M\n" IO "-f qcow2 -c 'write -P 1 0 2M' 0\n" IMG "qcow2 -b 0 -F qcow2 1 3M\n"
			       "for i in 1 2 3; do " IO
			       "-f qcow2 -c \"write -P 2$i ${i}00k 300k\" -c \"write -z ${i}M 10k\" 1 || true\n"
			       "qemu-img snapshot -c s$i 1; done\nqemu-img resize -q 1 5M\n" IO
			       "-f qcow2 -c 'write -P 9 0 5M' 1");
	for (uint32_t i = 0; i < 3; i++) {
		struct cv_source *source = open_file(folder, "1");
		char name[] = { 's', (char)('1' + i), '\0' };
		struct cv_err err = { 0 };
		struct opened o;

		open_chain(&o, folder, 2);
		cv_layer_close(o.layers[0]);
		o.layers[0] = cv_qcow2_snapshot_open(&source, i, &err);
		if (!o.layers[0])
			fail_msg("%s", err.text);
		assert_int_equal(o.layers[0]->size, 3 << 20);
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-f", "qcow2", "-l", name, "-O", "raw",
					    "1", "content"),
				 0);
		compare_bytes(&o, folder, &seed);
		close_chain(&o);
	}
	cv_test_folder_remove(folder);
}

static void a_missing_snapshot_or_data_file_is_an_error(void **state)
{
	char *folder;
	struct cv_err err = { 0 }, again = { 0 };
	struct cv_source *source;

	(void)state;
	needs_qemu();
	folder = cv_test_folder();
	run_script(folder, IMG "qcow2 0 2M\nqemu-img snapshot -c s 0\n" IMG "qcow2 -o data_file=d 1 2M");
	source = open_file(folder, "0");
	assert_null(cv_qcow2_snapshot_open(&source, 1, &err));
	assert_int_equal(err.code, CV_EUSAGE);
	assert_null(source);
	source = open_file(folder, "1");
	assert_null(cv_layer_open(&source, NULL, CV_FORMAT_QCOW2, &again));
	assert_int_equal(again.code, CV_EUSAGE);
	cv_test_folder_remove(folder);
}

/* Layers, lists and all: what is held does not grow with the disk. */
static void disks_of_16_TiB_take_little_memory(void **state)
{
	char *folder;
	struct cv_extents list = { 0 };
	struct cv_err err = { 0 };
	size_t before, calls = 0;
	struct opened o;

	(void)state;
	needs_qemu();
	folder = cv_test_folder();
	run_script(folder, IMG "qcow2 0 16T\n" IMG "qcow2 -b 0 -F qcow2 1\n" IO "-f qcow2 -c 'write -P 5 0 64k' "
		   "-c 'write -P 5 9T 4M' -c 'write -P 5 17179865088k 4M' 0");
	before = mallinfo2().uordblks;
	open_chain(&o, folder, 2);
	for (struct cv_range rest = { 0, o.layers[0]->size }; rest.len; calls++) {
		assert_true(cv_chain_extents(&o.chain, rest, &list, &err));
		rest.len -= cv_extents_end(&list) - rest.off;
		rest.off = cv_extents_end(&list);
	}
	assert_int_equal(calls, 1);
	assert_int_equal(list.len, 5);
	assert_true(mallinfo2().uordblks - before < 1 << 20);
	cv_extents_fini(&list);
	close_chain(&o);
	cv_test_folder_remove(folder);
}

int main(void)
{
	struct CMUnitTest tests[CV_COUNT(rows) + 4] = {
		cmocka_unit_test(random_chains_are_as_qemu_says),
		cmocka_unit_test(internal_snapshots_are_layers_too),
		cmocka_unit_test(a_missing_snapshot_or_data_file_is_an_error),
		cmocka_unit_test(disks_of_16_TiB_take_little_memory),
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		tests[4 + i] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = row_is_as_qemu_says,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	return cmocka_run_group_tests_name("blocks of qcow2", tests, NULL, NULL) ? 1 : 0;
}
