/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of QCOW2 against qemu-img check: images of every kind that qemu makes, and the same ones damaged at random.
 * Both must count the same corruptions and leaks; where they do not, a row of the table below says why.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <chainview/bytes.h>
#include <chainview/format.h>
#include "inspect/qcow2/qcow2_disk.h"
#include "tests/support/run.h"

#define OFFSET UINT64_C(0x00fffffffffffe00)
#define COPIED (UINT64_C(1) << 63)
#define ROUNDS 24

/* An image, made by a shell in a fresh folder under the name "i". */
static const struct { const char *name, *how; } kinds[] = {
#define WRITES "qemu-io -f qcow2 -c 'write -P 3 0 1M' -c 'write -P 5 30M 777k' -c 'write -z 40M 3M' -c 'discard 512k 128k' i"
#define MADE(options) "qemu-img create -q -f qcow2 -o " options " i 64M && " WRITES
	{ "usual", MADE("compat=1.1") },
	{ "version 2", MADE("compat=0.10") },
	{ "clusters of 512 bytes", MADE("cluster_size=512") },
	{ "clusters of 4 KiB", MADE("cluster_size=4k") },
	{ "clusters of 2 MiB", MADE("cluster_size=2M") },
	{ "refcounts of 1 bit", MADE("refcount_bits=1,cluster_size=4k") },
	{ "refcounts of 2 bits", MADE("refcount_bits=2,cluster_size=4k") },
	{ "refcounts of 4 bits", MADE("refcount_bits=4") },
	{ "refcounts of 8 bits", MADE("refcount_bits=8") },
	{ "refcounts of 32 bits", MADE("refcount_bits=32") },
	{ "refcounts of 64 bits", MADE("refcount_bits=64,cluster_size=4k") },
	{ "extended L2 entries", MADE("extended_l2=on") " && qemu-io -f qcow2 -c 'write 50M 2k' -c 'write -z 50M 1k' i" },
	{ "preallocated", MADE("preallocation=metadata") },
	{ "lazy refcounts", MADE("lazy_refcounts=on") },
	{ "data file", MADE("data_file=d") },
	{ "raw data file", MADE("data_file=d,data_file_raw=on") },
	{ "zlib", MADE("compat=1.1") " && mv i s && qemu-img convert -c -O qcow2 s i" },
	{ "zlib in small clusters", MADE("compat=1.1") " && mv i s && qemu-img convert -c -O qcow2 -o cluster_size=4k s i" },
	{ "zstd", MADE("compat=1.1") " && mv i s && qemu-img convert -c -O qcow2 -o compression_type=zstd s i" },
	{ "compressed beside plain", MADE("compat=1.1") " && mv i s && qemu-img convert -c -O qcow2 s i && qemu-io -f "
				    "qcow2 -c 'write 100k 300k' i" },
	{ "snapshots", MADE("cluster_size=16k") " && for n in 1 2 3 4 5 6 7 8 9; do qemu-img snapshot -c s$n i; qemu-io -f "
		       "qcow2 -c \"write ${n}M 300k\" i; done; qemu-img snapshot -d s4 i" },
	{ "snapshots of version 2", MADE("compat=0.10") " && qemu-img snapshot -c a i && qemu-io -f qcow2 -c 'write 0 3M' i" },
	{ "bitmaps", "qemu-img create -q -f qcow2 -o cluster_size=4k i 64M && qemu-img bitmap --add i a && qemu-img bitmap "
		     "--add i b && " WRITES },
	{ "encrypted", "qemu-img create -q --object secret,id=s,data=abc -f qcow2 -o encrypt.format=luks,encrypt.key-secret=s,"
		       "encrypt.iter-time=10 i 16M" },
	{ "overlay", "qemu-img create -q -f qcow2 b 64M && qemu-img create -q -f qcow2 -b b -F qcow2 i && " WRITES },
	{ "killed writer", "qemu-img create -q -f qcow2 -o cluster_size=4k i 64M && qemu-io -f qcow2 -c 'write 0 1M' -c 'flush' "
			   "-c 'write 8M 2M' -c 'sigraise 9' i; true" },
	{ "killed writer with lazy refcounts", "qemu-img create -q -f qcow2 -o lazy_refcounts=on i 64M && qemu-io -f qcow2 "
					       "-c 'write 0 4M' -c 'flush' -c 'sigraise 9' i; true" },
};

static char *folder;
static bool is_encrypted;

static int begin_folder(void **state)
{
	(void)state;
	folder = cv_test_folder();
	return 0;
}

static int end_folder(void **state)
{
	(void)state;
	cv_test_folder_remove(folder);
	return 0;
}

static void make(size_t kind)
{
	char command[2048];

	is_encrypted = !strcmp(kinds[kind].name, "encrypted");
	snprintf(command, sizeof command, "rm -f *; { %s; } >/dev/null 2>&1", kinds[kind].how);
	if (cv_test_do(folder, NULL, "sh", "-c", command))
		fail_msg("%s cannot be made", kinds[kind].name);
}

static const char *image(void)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/i", folder);
	return path;
}

/* What both say about an image. */
struct verdict {
	bool opened;                 /* qemu could look at it to the end */
	uint64_t corruptions, leaks, errors;
};

static uint64_t number(const char *json, const char *key)
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof quoted, "\"%s\": ", key);
	at = strstr(json, quoted);
	return at ? strtoull(at + strlen(quoted), NULL, 10) : 0;
}

/* Why qemu-img does not go through an image, where we do: part of what it says then. */
static const struct { const char *text, *why; } refusals[] = {
	{ "Can't get refcount for cluster", "a refcount block that is not aligned, or behind the end, cannot be read" },
	{ "Image is corrupt", "it has decided so while it looked" },
	{ "Invalid argument", "a bitmap directory or table that it cannot use ends the check" },
	{ "L1 table", "it must be where the header says" },
};

static bool is_explained(const char *said)
{
	for (size_t i = 0; i < CV_COUNT(refusals); i++)
		if (strstr(said, refusals[i].text))
			return true;
	return false;
}

/* said: both outputs, added. */
static struct verdict qemu_says(struct cv_text *said)
{
	CV_AUTO(cv_text_fini) struct cv_text json = { 0 };
	static const char *const check[] = {
		"timeout", "60", "qemu-img", "check", "--output=json", "--object", "secret,id=s,data=abc", "--image-opts",
		NULL, NULL
	};
	const char *argv[CV_COUNT(check)];
	struct verdict v = { 0 };
	int status;

	memcpy(argv, check, sizeof check);
	argv[CV_COUNT(check) - 2] = is_encrypted ? "driver=qcow2,file.filename=i,encrypt.key-secret=s"
						 : "driver=qcow2,file.filename=i";
	status = cv_test_run(folder, &json, true, argv);
	cv_text_add(said, cv_text_str(&json));
	v.opened = (status == 0 || status == 2 || status == 3) && strchr(cv_text_str(&json), '{');
	v.corruptions = number(cv_text_str(&json), "corruptions");
	v.leaks = number(cv_text_str(&json), "leaks");
	v.errors = number(cv_text_str(&json), "check-errors");
	v.opened = v.opened && !v.errors;
	return v;
}

static struct cv_source *open_image(void)
{
	struct cv_err err = { 0 };
	struct stat st;
	int fd = open(image(), O_RDONLY | O_CLOEXEC);
	struct cv_source *s;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	s = cv_source_fd_adopt(fd, (uint64_t)st.st_size, &err);
	assert_non_null(s);
	return s;
}

/* worst: of all findings, those of the metadata included. */
static struct verdict we_say(enum cv_severity *worst, struct cv_text *findings, struct cv_err *err)
{
	const struct cv_format *format = cv_format_by_id(CV_FORMAT_QCOW2);
	CV_AUTO(cv_auto_source) struct cv_source *source = open_image();
	struct cv_checking c = { .source = source, .facts = cv_facts_new() };
	struct cv_facts *read = cv_facts_new();
	struct cv_facts *all[] = { read, c.facts };
	struct verdict v = { 0 };

	assert_true(format->read(source, read, err));
	v.opened = format->check(&c, err);
	v.corruptions = c.corruptions;
	if (v.opened)
		v.leaks = cv_facts_attr(c.facts, CV_ATTR_QCOW2_HIGH_REFCOUNTS, 0)->number;
	*worst = CV_INFO;
	for (size_t k = 0; k < CV_COUNT(all); k++)
		for (uint32_t i = 0; i < all[k]->finding_count; i++) {
			const struct cv_finding *f = &all[k]->findings[i];

			cv_text_addf(findings, "  %s: ", cv_problem_by_id(f->id)->name);
			cv_finding_title(findings, f);
			cv_text_add(findings, "\n");
			if (f->severity > *worst)
				*worst = f->severity;
		}
	cv_facts_free(read);
	cv_facts_free(c.facts);
	return v;
}

static void images_of_every_kind_are_seen_as_qemu_sees_them(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < CV_COUNT(kinds); kind++) {
		CV_AUTO(cv_text_fini) struct cv_text findings = { 0 }, said = { 0 };
		bool killed = strstr(kinds[kind].name, "killed");
		enum cv_severity worst;
		struct cv_err err = { 0 };
		struct verdict theirs, ours;

		make(kind);
		theirs = qemu_says(&said);
		ours = we_say(&worst, &findings, &err);
		if (!ours.opened || !theirs.opened || ours.corruptions != theirs.corruptions || ours.leaks != theirs.leaks ||
		    (!killed && worst != CV_INFO))
			fail_msg("%s: %" PRIu64 " corruptions, %" PRIu64 " leaks; qemu-img: %" PRIu64 ", %" PRIu64 "; %s\n%s",
				 kinds[kind].name, ours.corruptions, ours.leaks, theirs.corruptions, theirs.leaks, err.text,
				 theirs.opened ? cv_text_str(&findings) : cv_text_str(&said));
		if (!killed)
			assert_int_equal(theirs.corruptions + theirs.leaks, 0);
		else
			assert_true(theirs.corruptions + theirs.leaks > 0 || !strstr(kinds[kind].name, "lazy"));
		/* Nothing is wrong with a dirty image but that it is dirty. */
		if (strstr(kinds[kind].name, "killed writer with lazy")) {
			assert_int_equal(worst, CV_WARNING);
			assert_non_null(strstr(cv_text_str(&findings), "as a dirty image may have them"));
		}
	}
}

/* What lies where in an undamaged image: the places that may be damaged. */
struct places {
	uint8_t *bytes;
	size_t size;
	uint64_t cluster;
	unsigned order;
	uint64_t word[4096];         /* offsets of 8-byte entries that are not zero */
	size_t words;
	uint64_t block[64];          /* refcount blocks */
	size_t blocks;
};

static uint64_t get(const struct places *p, uint64_t off)
{
	cv_be64 v = { { 0 } };

	if (off + 8 <= p->size)
		memcpy(&v, p->bytes + off, 8);
	return cv_be64_get(v);
}

static void add_words(struct places *p, uint64_t off, uint64_t entries)
{
	for (uint64_t i = 0; i < entries && p->words < CV_COUNT(p->word); i++)
		if (get(p, off + i * 8))
			p->word[p->words++] = off + i * 8;
}

static void find_places(struct places *p)
{
	CV_AUTO(cv_auto_source) struct cv_source *s = open_image();
	const struct cv_qcow2_header_disk *h;
	struct cv_err err = { 0 };
	uint64_t at;

	*p = (struct places){ .size = (size_t)s->size, .bytes = malloc((size_t)s->size + 1) };
	assert_true(cv_source_read(s, p->bytes, p->size, 0, &err));
	h = (const void *)p->bytes;
	p->cluster = UINT64_C(1) << cv_be32_get(h->cluster_bits);
	p->order = cv_be32_get(h->version) > 2 ? cv_be32_get(h->refcount_order) : 4;
	add_words(p, cv_be64_get(h->l1_off), cv_be32_get(h->l1_entries));
	for (size_t i = 0, n = p->words; i < n && i < 8; i++)
		add_words(p, get(p, p->word[i]) & OFFSET, p->cluster / 8);
	at = p->words;
	add_words(p, cv_be64_get(h->refcount_off), cv_be32_get(h->refcount_clusters) * p->cluster / 8);
	for (; at < p->words && p->blocks < CV_COUNT(p->block); at++)
		p->block[p->blocks++] = get(p, p->word[at]) & OFFSET;
	at = cv_be64_get(h->snapshot_off);
	for (uint32_t i = 0; i < cv_be32_get(h->snapshot_count); i++) {
		struct cv_qcow2_snapshot_disk d;

		memcpy(&d, p->bytes + at, sizeof d);
		add_words(p, cv_be64_get(d.l1_off), cv_be32_get(d.l1_entries));
		at = (at + sizeof d + cv_be32_get(d.extra_len) + cv_be16_get(d.id_len) + cv_be16_get(d.name_len) + 7) / 8 * 8;
	}
}

static void poke(const struct places *p, uint64_t off, uint64_t value, char *what, size_t room)
{
	size_t used = strlen(what);
	cv_be64 v;

	for (int i = 0; i < 8; i++)
		v.b[i] = (uint8_t)(value >> (56 - 8 * i));
	snprintf(what + used, room - used, " 0x%" PRIx64 ": %" PRIx64 " to %" PRIx64 ";", off, get(p, off), value);
	memcpy(p->bytes + off, &v, sizeof v);
}

/* One thing wrong in a table. */
static void damage_entry(const struct places *p, uint32_t *seed, char *what, size_t room)
{
	uint64_t at = p->word[cv_test_random(seed, (uint32_t)p->words)], v = get(p, at);
	uint64_t other = get(p, p->word[cv_test_random(seed, (uint32_t)p->words)]), clusters = p->size / p->cluster;

	switch (cv_test_random(seed, 10)) {
	case 0:
		v ^= UINT64_C(1) << cv_test_random(seed, 64);
		break;
	case 1:
		v = 0;
		break;
	case 2:
		v = other;
		break;
	case 3:
		v ^= COPIED;
		break;
	case 4:
		v += 512;
		break;
	case 5:
		v = (v & ~OFFSET) | (cv_test_random(seed, (uint32_t)clusters + 2) * p->cluster);
		break;
	case 6:
		v = COPIED | (p->size / p->cluster + cv_test_random(seed, 3)) * p->cluster;
		break;
	case 7:
		v += p->cluster;
		break;
	case 8:
		v = (uint64_t)cv_test_random(seed, UINT32_MAX) << 32 | cv_test_random(seed, UINT32_MAX);
		break;
	default:
		at = at / p->cluster * p->cluster + cv_test_random(seed, (uint32_t)(p->cluster / 8)) * 8;
		v = other;
	}
	if (at + 8 <= p->size)
		poke(p, at, v, what, room);
}

/* A refcount that says something else. */
static void damage_refcount(const struct places *p, uint32_t *seed, char *what, size_t room)
{
	uint64_t block = p->block[cv_test_random(seed, (uint32_t)p->blocks)];
	uint64_t bytes = p->size / p->cluster << p->order >> 3, at;

	if (bytes > p->cluster)
		bytes = p->cluster;
	at = block + cv_test_random(seed, (uint32_t)bytes + 1) / 8 * 8;
	if (at + 8 > p->size)
		return;
	switch (cv_test_random(seed, 3)) {
	case 0:
		poke(p, at, 0, what, room);
		break;
	case 1:
		poke(p, at, get(p, at) ^ UINT64_C(1) << cv_test_random(seed, 64), what, room);
		break;
	default:
		poke(p, at, get(p, at) + (UINT64_C(1) << cv_test_random(seed, 64)), what, room);
	}
}

static void write_back(const struct places *p)
{
	int fd = open(image(), O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p->bytes, p->size, 0), p->size);
	close(fd);
}

static void damaged_images_are_counted_as_qemu_counts_them(void **state)
{
	unsigned compared = 0, refused = 0;

	(void)state;
	for (size_t kind = 0; kind < CV_COUNT(kinds); kind++) {
		struct places whole, p;
		uint32_t seed = (uint32_t)kind * 7919 + 1;

		make(kind);
		find_places(&whole);
		p = whole;
		p.bytes = malloc(whole.size + 1);
		for (int round = 0; round < ROUNDS; round++) {
			CV_AUTO(cv_text_fini) struct cv_text findings = { 0 }, said = { 0 };
			char what[1024] = "";
			enum cv_severity worst;
			struct cv_err err = { 0 };
			struct verdict theirs, ours;

			memcpy(p.bytes, whole.bytes, whole.size);
			for (uint32_t n = 1 + cv_test_random(&seed, 3); n; n--)
				(cv_test_random(&seed, 3) ? damage_entry : damage_refcount)(&p, &seed, what, sizeof what);
			write_back(&p);
			theirs = qemu_says(&said);
			ours = we_say(&worst, &findings, &err);
			if (!theirs.opened) {
				if (!is_explained(cv_text_str(&said)))
					fail_msg("%s, round %d:%s\nqemu-img refuses: %s", kinds[kind].name, round, what,
						 cv_text_str(&said));
				refused++;
				continue;
			}
			compared++;
			if (!ours.opened || ours.corruptions != theirs.corruptions || ours.leaks != theirs.leaks)
				fail_msg("%s, round %d:%s\n%" PRIu64 " corruptions, %" PRIu64 " leaks; qemu-img: %" PRIu64
					      ", %" PRIu64 "; %s\n%s", kinds[kind].name, round, what, ours.corruptions,
					      ours.leaks, theirs.corruptions, theirs.leaks, err.text, cv_text_str(&findings));
		}
		free(p.bytes);
		free(whole.bytes);
	}
	print_message("%u images compared, %u refused by qemu-img\n", compared, refused);
	assert_true(compared > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(images_of_every_kind_are_seen_as_qemu_sees_them, begin_folder, end_folder),
		cmocka_unit_test_setup_teardown(damaged_images_are_counted_as_qemu_counts_them, begin_folder, end_folder),
	};

	if (!cv_test_has("qemu-img"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
