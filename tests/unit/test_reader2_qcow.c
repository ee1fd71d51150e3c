/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * libqcow behind the gate: random chains made by qemu-img and qemu-io, whose digests are those of "qemu-img
 * convert", and an image for each thing that the library reads wrongly or not at all.
 */
#include "tests/unit/test_reader2.h"
#include "tests/support/run.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static char *folder;

static int make_folder(void **state)
{
	(void)state;
	folder = cv_test_folder();
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	cv_test_folder_remove(folder);
	return 0;
}

static void needs_qemu(void)
{
	if (cv_test_has("qemu-img") && cv_test_has("qemu-io"))
		return;
	puts("skipped: qemu-img and qemu-io are not installed");
	skip();
}

static void run_script(const char *script)
{
	CV_AUTO(cv_text_fini) struct cv_text said = { 0 };
	const char *const argv[] = { "sh", "-ec", script, NULL };

	if (cv_test_run(folder, &said, true, argv))
		fail_msg("%s\n%s", script, cv_text_str(&said));
}

static const char *const names[] = { "0", "1", "2", "3", "4", "5" };

/* Files 0 (the base) to count - 1 (the image). */
static struct files chain_files(size_t count)
{
	struct files f = { .folder = folder, .count = count };

	for (size_t i = 0; i < count; i++) {
		f.at[i].name = names[count - 1 - i];
		f.at[i].format = CV_FORMAT_QCOW2;
	}
	return f;
}

/* Our digest is that of what qemu-img reads. */
static void assert_digest(const struct files *f, const char *format)
{
	CV_AUTO(cv_text_fini) struct cv_text said = { 0 };
	char script[300], hex[65];
	struct answer a = run_task(f, cv_digest_task);
	const char *const argv[] = { "sh", "-ec", script, NULL };

	if (a.state != CV_TASK_DONE)
		fail_msg("%s", a.err.text);
	snprintf(script, sizeof script, "qemu-img convert -f %s -O raw %s content && sha256sum content && rm content",
		 format, f->at[0].name);
	assert_int_equal(cv_test_run(folder, &said, false, argv), 0);
	digest_text(hex, a.digest.sha256);
	if (strncmp(hex, cv_text_str(&said), 64) != 0)
		fail_msg("our digest is %s, that of qemu-img %.64s", hex, cv_text_str(&said));
}

/* --- random chains ---------------------------------------------------------------------------------------------- */

struct kind {
	bool zeros, raw_base, all_options, resizes;
};

static void add_image(struct cv_text *s, unsigned i, const struct kind *k, uint64_t size, uint32_t *seed)
{
	static const unsigned clusters[] = { 512, 1024, 4096, 65536, 65536, 262144, 2097152 };
	static const unsigned bits[] = { 1, 16, 64 };
	unsigned cluster = clusters[cv_test_random(seed, CV_COUNT(clusters))];

	if (!i && k->raw_base && cv_test_random(seed, 2)) {
		cv_text_addf(s, "head -c %" PRIu64 " /dev/urandom > 0\n", size);
		return;
	}
	cv_text_addf(s, "qemu-img create -q -f qcow2 -o cluster_size=%u", cluster);
	if (cv_test_random(seed, 4) == 0)
		cv_text_add(s, ",compat=0.10");
	else
		cv_text_addf(s, ",refcount_bits=%u", bits[cv_test_random(seed, 3)]);
	if (k->all_options && cluster >= 16384 && cv_test_random(seed, 3) == 0)
		cv_text_add(s, ",compat=1.1,extended_l2=on");
	else if (k->all_options && cv_test_random(seed, 3) == 0)
		cv_text_add(s, ",compat=1.1,compression_type=zstd");
	if (i)
		cv_text_addf(s, " -b %u -F $(test $(head -c 3 %u) = QFI && echo qcow2 || echo raw)", i - 1, i - 1);
	cv_text_addf(s, " %u %" PRIu64 "\n", i, size);
}

static void add_writes(struct cv_text *s, unsigned i, const struct kind *k, uint64_t size, uint32_t *seed)
{
	static const char *const zeros[] = { "write -z", "discard", "write -z -u" };

	cv_text_addf(s, "test \"$(head -c 3 %u)\" != QFI || qemu-io -f qcow2", i);
	for (unsigned n = 1 + cv_test_random(seed, 6); n; n--) {
		uint64_t off = cv_test_random(seed, (uint32_t)(size / 512)) * UINT64_C(512);
		uint64_t len = (1 + cv_test_random(seed, cv_test_random(seed, 2) ? 64 : 1500)) * UINT64_C(512);

		if (len > size - off)
			len = size - off;
		if (k->zeros && cv_test_random(seed, 3) == 0)
			cv_text_addf(s, " -c '%s %" PRIu64 " %" PRIu64 "'", zeros[cv_test_random(seed, 3)], off, len);
		else if (cv_test_random(seed, 6) == 0)
			cv_text_addf(s, " -c 'write -c -P %u %" PRIu64 " %u'", 1 + cv_test_random(seed, 255),
				     off / (2 * MIB) * (2 * MIB), 2 * MIB);
		else
			cv_text_addf(s, " -c 'write -P %u %" PRIu64 " %" PRIu64 "'", 1 + cv_test_random(seed, 255), off, len);
	}
	cv_text_addf(s, " %u >/dev/null 2>&1 || true\n", i);
}

static void try_chain(const struct kind *k, uint32_t *seed, uint64_t *compared, uint64_t *total)
{
	CV_AUTO(cv_text_fini) struct cv_text script = { 0 };
	unsigned count = 1 + cv_test_random(seed, 4);
	uint64_t size = (uint64_t)(2 + cv_test_random(seed, 6)) * MIB, now = size;
	struct files f = chain_files(count);
	uint64_t ignored;
	struct answer a;

	for (unsigned i = 0; i < count; i++) {
		if (k->resizes)
			now = size + cv_test_random(seed, 4096) * UINT64_C(512);
		add_image(&script, i, k, now, seed);
		add_writes(&script, i, k, now, seed);
	}
	run_script(cv_text_str(&script));
	for (size_t i = 0; i < count; i++) {
		char start[3] = "";
		int fd = open_in(folder, f.at[i].name, &ignored);

		assert_int_equal(read(fd, start, 3), 3);
		close(fd);
		if (memcmp(start, "QFI", 3) != 0)
			f.at[i].format = CV_FORMAT_RAW;
	}
	*compared += assert_agrees(&f, &a, cv_text_str(&script));
	*total += a.checked.size;
	assert_digest(&f, f.at[0].format == CV_FORMAT_RAW ? "raw" : "qcow2");
	run_script("rm -f 0 1 2 3 4 5");
}

static void campaign(const struct kind *k, uint32_t seed, unsigned chains, unsigned least_percent)
{
	uint64_t compared = 0, total = 0;

	needs_qemu();
	for (unsigned i = 0; i < chains_to_try(chains); i++)
		try_chain(k, &seed, &compared, &total);
	if (compared * 100 < total * least_percent)
		fail_msg("compared: %" PRIu64 " of %" PRIu64 " B", compared, total);
}

static void random_chains_agree_with_the_library_and_qemu(void **state)
{
	(void)state;
	campaign(&(struct kind){ .zeros = true, .raw_base = true, .resizes = true }, 1, 12, 30);
}

static void chains_with_every_option_are_never_mistaken(void **state)
{
	(void)state;
	campaign(&(struct kind){ .zeros = true, .raw_base = true, .all_options = true, .resizes = true }, 2, 12, 5);
}

static void chains_without_the_defects_are_compared_altogether(void **state)
{
	(void)state;
	campaign(&(struct kind){ .zeros = false }, 3, 12, 95);
}

/* --- known defects ---------------------------------------------------------------------------------------------- */

#define CREATE "qemu-img create -q -f qcow2 "
#define IO "qemu-io >/dev/null -f qcow2 "
#define POKE(at, byte) "printf '" byte "' | dd of=0 bs=1 seek=" at " conv=notrunc status=none"

static const struct defect {
	const char *name, *script;
	enum cv_gate_id gate;
	unsigned count;
	bool apart;                  /* the library may hang or crash */
	size_t request;              /* that shows it; 0: it does not get the image at all, for it refuses it */
	bool opens;                  /* or would give nonsense without a word */
} defects[] = {
	{ "Q1 zero clusters", CREATE "0 4M && " IO "-c 'write -P 1 0 1M' -c 'write -z 256k 128k' 0", CV_GATE_Q1, 1, false,
	  64 * KIB, false },
	{ "Q1 zeros over data", CREATE "0 4M && " IO "-c 'write -P 1 0 1M' 0 && " CREATE "-b 0 -F qcow2 1 && " IO
	  "-c 'write -z 256k 128k' 1", CV_GATE_Q1, 2, false, 64 * KIB, false },
	{ "Q3 smaller parent", CREATE "0 1M && " IO "-c 'write -P 1 0 1M' 0 && " CREATE "-b 0 -F qcow2 1 4M", CV_GATE_Q3, 2,
	  true, 64 * KIB, false },
	{ "Q5 cut cluster", CREATE "0 4M && " IO "-c 'write -P 5 0 256k' 0 && truncate -s -10000 0", CV_GATE_Q5, 1, true,
	  64 * KIB, false },
	{ "zstd", CREATE "-o compression_type=zstd 0 4M", CV_GATE_ZSTD, 1, false, 0, false },
	{ "extended L2", CREATE "-o extended_l2=on 0 4M", CV_GATE_EXTENDED_L2, 1, false, 0, false },
	{ "AES", CREATE "--object secret,id=s,data=x -o encrypt.format=aes,encrypt.key-secret=s 0 4M", CV_GATE_ENCRYPTED, 1,
	  false, 0, true },
	{ "LUKS", CREATE "--object secret,id=s,data=x -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 0 4M",
	  CV_GATE_ENCRYPTED, 1, false, 0, true },
	{ "corrupt flag", CREATE "0 4M && " POKE("79", "\\002"), CV_GATE_HEADER, 1, false, 0, false },
	{ "unknown compatible flag", CREATE "0 4M && " POKE("87", "\\200"), CV_GATE_HEADER, 1, false, 0, false },
	{ "longer header", CREATE "0 4M && dd if=/dev/zero of=0 bs=1 seek=112 count=1000 conv=notrunc status=none && "
	  POKE("103", "\\170"), CV_GATE_HEADER, 1, false, 0, false },
};

static bool library_opens(const char *name)
{
	struct cv_library_chain library;
	struct cv_err err = { .code = CV_OK };
	uint64_t size;
	int fd = open_in(folder, name, &size);
	struct cv_source *file = cv_source_fd_adopt(fd, size, &err);
	bool opens;

	assert_true(file && cv_library_init(&library, CV_FORMAT_QCOW2, 1, &err));
	opens = cv_library_open(&library, 0, &file, &size, &err);
	cv_library_fini(&library);
	return opens;
}

static void each_defect_is_gated_and_there(void **state)
{
	(void)state;
	needs_qemu();
	for (size_t i = 0; i < CV_COUNT(defects); i++) {
		const struct defect *d = &defects[i];
		struct files f = chain_files(d->count);
		struct unguarded u;
		struct cv_range first;
		struct answer a;

		run_script(d->script);
		assert_agrees(&f, &a, d->name);
		if (!a.checked.gated[d->gate])
			fail_msg("%s: nothing was gated", d->name);
		if (!d->request) {
			assert_int_equal(a.checked.compared, 0);
			if (library_opens("0") != d->opens)
				fail_msg("%s: the library %s it", d->name, d->opens ? "refuses" : "takes");
		} else {
			assert_true(a.checked.compared > 0);
			open_unguarded(&u, &f, true);
			assert_true(find_gated(&u, d->gate, &first) == a.checked.gated[d->gate]);
			close_unguarded(&u);
			/* of a cut cluster the part behind the end of the file is what it gets wrong */
			if (first.len < d->request)
				first.len = d->request;
			if (!library_is_wrong_apart(&f, first, d->request))
				fail_msg("%s: the library is right", d->name);
		}
		run_script("rm -f 0 1");
	}
}

static void q2_requests_stay_within_the_smallest_cluster(void **state)
{
	struct files f = chain_files(2);
	struct unguarded u;
	struct answer a;

	(void)state;
	needs_qemu();
	run_script(CREATE "-o cluster_size=4k 0 4M && " IO "-c 'write -P 1 0 4M' 0 && " CREATE
		   "-o cluster_size=64k -b 0 -F qcow2 1 && " IO "-c 'write -P 2 64k 64k' 1");
	open_unguarded(&u, &f, true);
	assert_int_equal(cv_gate_request(&u.gate), 4 * KIB);
	close_unguarded(&u);
	assert_true(library_is_wrong_apart(&f, (struct cv_range){ 0, 4 * MIB }, MIB));
	assert_false(library_is_wrong_apart(&f, (struct cv_range){ 0, 4 * MIB }, 4 * KIB));
	assert_true(assert_agrees(&f, &a, "small clusters") == 4 * MIB);
	assert_non_null(cv_gate_rows[CV_GATE_Q2].avoided);
}

static void q4_layers_above_an_overlay_of_version_1_are_compared(void **state)
{
	struct files f = chain_files(3);
	struct answer a;

	(void)state;
	needs_qemu();
	run_script("qemu-img create -q -f qcow 0 4M && qemu-io >/dev/null -f qcow -c 'write -P 1 0 4M' 0 && "
		   "qemu-img create -q -f qcow -b 0 -F qcow 1 && qemu-io >/dev/null -f qcow -c 'write -P 2 1M 1M' 1 && "
		   CREATE "-b 1 -F qcow 2 && " IO "-c 'write -P 3 2M 1M' 2");
	f.at[1].format = f.at[2].format = CV_FORMAT_QCOW;
	assert_true(assert_agrees(&f, &a, "over QCOW v1 overlays") == MIB);
	assert_true(a.checked.gated[CV_GATE_Q4] == 3 * MIB);
	assert_digest(&f, "qcow2");
	/* the overlay by itself is not compared, its base is */
	f = (struct files){ folder, 2, { { "1", CV_FORMAT_QCOW, NULL }, { "0", CV_FORMAT_QCOW, NULL } } };
	assert_true(assert_agrees(&f, &a, "a QCOW v1 overlay") == 0);
	f = (struct files){ folder, 1, { { "0", CV_FORMAT_QCOW, NULL } } };
	assert_true(assert_agrees(&f, &a, "a QCOW v1 base") == 4 * MIB);
	assert_digest(&f, "qcow");
}

static void above_a_raw_base_the_overlay_is_compared(void **state)
{
	struct files f = chain_files(2);
	struct answer a;

	(void)state;
	needs_qemu();
	run_script("head -c 4M /dev/urandom > 0 && " CREATE "-b 0 -F raw 1 && " IO "-c 'write -P 3 2M 1M' 1");
	f.at[1].format = CV_FORMAT_RAW;
	assert_true(assert_agrees(&f, &a, "over raw") == MIB);
	assert_true(a.checked.gated[CV_GATE_RAW] == 3 * MIB);
	assert_digest(&f, "qcow2");
}

static void an_external_data_file_is_gated(void **state)
{
	struct files f = { .count = 1 };
	struct answer a;

	(void)state;
	needs_qemu();
	f = chain_files(1);
	run_script(CREATE "-o data_file=0.data 0 4M && " IO "-c 'write -P 5 0 1M' 0");
	f.at[0].data = "0.data";
	assert_int_equal(assert_agrees(&f, &a, "data file"), 0);
	assert_true(a.checked.gated[CV_GATE_DATA_FILE] == 4 * MIB);
	assert_digest(&f, "qcow2");
}

/* The cache of one file with the largest clusters alone may take 256 MiB: errors, not a crash, and not all of it. */
static void a_library_without_memory_costs_what_it_could_not_read(void **state)
{
	struct files f = chain_files(1);
	struct answer a;

	(void)state;
	needs_qemu();
#ifdef __SANITIZE_ADDRESS__
	puts("skipped: the sanitizer needs more memory than the limit that is tested");
	skip();
#endif
	run_script(CREATE "-o cluster_size=2M,preallocation=metadata 0 300M");
	a = run_task_in(&f, cv_check_task, (uint64_t)128 << 20);
	if (a.state != CV_TASK_DONE)
		fail_msg("%s", a.err.text);
	assert_int_equal(a.checked.differing, 0);
	assert_true(a.checked.gated[CV_GATE_ERROR] > 0 && a.checked.compared > 0);
	assert_true(a.checked.compared + a.checked.gated[CV_GATE_ERROR] == a.checked.size);
}

static void every_row_says_what_it_does(void **state)
{
	(void)state;
	for (size_t i = 1; i < CV_GATE_COUNT; i++) {
		const struct cv_gate_row *r = &cv_gate_rows[i];

		assert_non_null(r->name);
		assert_non_null(r->reason);
		assert_true(r->cuts || r->catches || r->avoided || i == CV_GATE_FOREIGN || i >= CV_GATE_ERROR);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		T(each_defect_is_gated_and_there),
		T(q2_requests_stay_within_the_smallest_cluster),
		T(q4_layers_above_an_overlay_of_version_1_are_compared),
		T(above_a_raw_base_the_overlay_is_compared),
		T(an_external_data_file_is_gated),
		T(a_library_without_memory_costs_what_it_could_not_read),
		T(every_row_says_what_it_does),
		T(random_chains_agree_with_the_library_and_qemu),
		T(chains_with_every_option_are_never_mistaken),
		T(chains_without_the_defects_are_compared_altogether),
	};

	return cmocka_run_group_tests_name("reader2_qcow", tests, NULL, NULL) ? 1 : 0;
}
