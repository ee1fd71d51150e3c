/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reports on a small graph made by hand: golden text, JSON read back and compared field by field, hostile
 * bytes in every name. The scan is a stand-in made of the same arrays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "inspect/chain/build.h"
#include <chainview/report.h>

#define GIB (UINT64_C(1) << 30)
#define IMAGES 6

enum { BASE, LEAF, LOST, MID, TOP, FAR };

struct house {
	struct cv_repository repositories[2];
	struct cv_file files[IMAGES];
	struct cv_facts facts[IMAGES];
	struct cv_image images[IMAGES];
	struct cv_name names[2];
	struct cv_attr attrs[3];
	struct cv_finding findings[3];
	struct cv_claim claim;
	struct cv_claim_source sources[2];
	struct cv_references refs;
	struct cv_reference reference;
	struct cv_trouble troubles[1];
	size_t trouble_count;
	uint32_t children[4], roots[2], by_file[IMAGES];
	struct cv_graph_full graph;
};

/* The stand-in for the scan: an opaque pointer to the house. */
static const struct house *house_of(const struct cv_scan *scan)
{
	return (const struct house *)(const void *)scan;
}

size_t cv_scan_repository_count(const struct cv_scan *scan)
{
	(void)scan;
	return 2;
}

const struct cv_repository *cv_scan_repository(const struct cv_scan *scan, size_t i)
{
	return &house_of(scan)->repositories[i];
}

size_t cv_scan_file_count(const struct cv_scan *scan)
{
	(void)scan;
	return IMAGES;
}

const struct cv_file *cv_scan_file(const struct cv_scan *scan, size_t i)
{
	return &house_of(scan)->files[i];
}

size_t cv_scan_trouble_count(const struct cv_scan *scan)
{
	return house_of(scan)->trouble_count;
}

const struct cv_trouble *cv_scan_trouble(const struct cv_scan *scan, size_t i)
{
	return &house_of(scan)->troubles[i];
}

struct cv_lookup cv_scan_lookup(const struct cv_scan *scan, const char *path)
{
	for (size_t i = 0; i < IMAGES; i++)
		if (!strcmp(house_of(scan)->files[i].path, path))
			return (struct cv_lookup){ CV_FOUND_FILE, i, NULL };
	return (struct cv_lookup){ strncmp(path, "/srv/", 5) ? CV_FOUND_OUTSIDE : CV_FOUND_MISSING, 0, NULL };
}

const char *cv_repository_kind_name(enum cv_repository_kind kind)
{
	return kind == CV_REPOSITORY_XEN_FILE_SR ? "xen-file-sr" : "directory";
}

/* The rest of the scan is never asked; it is here so that the real one is not linked. */
struct cv_scan_progress cv_scan_progress(const struct cv_scan *scan)
{
	(void)scan;
	return (struct cv_scan_progress){ .done = true };
}

size_t cv_scan_by_inode(const struct cv_scan *scan, uint64_t device, uint64_t inode)
{
	(void)scan;
	(void)device;
	(void)inode;
	return SIZE_MAX;
}

static void put_image(struct house *h, uint32_t i, const char *path, uint64_t allocated)
{
	const char *root = i == FAR ? "/mnt/far" : "/srv/sr";

	h->files[i] = (struct cv_file){
		.repository = i == FAR, .state = CV_FILE_READ, .path = path, .size = allocated + 512,
		.allocated = allocated, .mtime_ns = 1763632800000000000,
	};
	h->facts[i] = (struct cv_facts){ .format = CV_FORMAT_VHD, .variant = CV_VARIANT_DIFFERENCING };
	h->images[i] = (struct cv_image){
		.file = &h->files[i], .facts = &h->facts[i], .repository = i == FAR, .id = path + strlen(root) + 1,
		.format = CV_FORMAT_VHD, .variant = CV_VARIANT_DIFFERENCING, .virtual_size = 96 * GIB,
		.size_known = true, .parent = CV_NO_IMAGE, .mark = CV_MARK_VISIBLE, .role = CV_ROLE_LEAF,
		.coalesce = { false, CV_NO_IMAGE, "it is a leaf" },
		.deletable = { false, CV_NO_IMAGE, "it may be needed" },
	};
	h->by_file[i] = i;
}

static void put_edge(struct house *h, uint32_t child, uint32_t parent, uint32_t depth)
{
	h->images[child].status = CV_PARENT_FOUND;
	h->images[child].basis = CV_BASIS_BOTH;
	h->images[child].parent = parent;
	h->images[child].depth = depth;
}

static void put_base(struct house *h, uint32_t i, uint32_t first, uint32_t count, uint32_t below)
{
	h->images[i].first_child = first;
	h->images[i].child_count = count;
	h->images[i].below = below;
	h->images[i].role = CV_ROLE_BASE;
	h->images[i].mark = CV_MARK_HIDDEN;
}

static void put_finding(struct house *h, size_t n, enum cv_problem_id id, uint32_t image, const char *arg)
{
	struct cv_finding *f = &h->findings[n];

	*f = cv_finding_of(id);
	f->repository = 0;
	f->image = image;
	f->arg[0] = cv_arg_text(arg);
	if (image == CV_NO_IMAGE)
		return;
	h->images[image].any_finding = true;
	h->images[image].worst = f->severity > h->images[image].worst ? f->severity : h->images[image].worst;
	h->images[image].finding_count++;
}

static void put_lost(struct house *h)
{
	struct cv_image *m = &h->images[LOST];

	h->names[0] = (struct cv_name){ CV_NAME_W2RU, CV_NAME_RELATIVE, cv_bytes_of(".\\gone.vhd"),
					cv_bytes_of("gone.vhd"), { 0x600, 20 } };
	h->names[1] = (struct cv_name){ CV_NAME_W2KU, CV_NAME_WINDOWS, cv_bytes_of("C:\\vm\\gone.vhd"), { NULL, 0 },
					{ 0x800, 28 } };
	h->attrs[0] = (struct cv_attr){ .id = CV_ATTR_VHD_BLOCK_SIZE, .number = 2097152, .where = { 0x220, 4 } };
	h->attrs[1] = (struct cv_attr){ .id = CV_ATTR_VHD_CREATOR_APP, .text = cv_bytes_of("tap"),
					.where = { 0x1c, 4 } };
	h->attrs[2] = (struct cv_attr){ .id = CV_ATTR_VHD_SAVED_STATE, .number = 1 };
	h->facts[LOST].names = h->names;
	h->facts[LOST].name_count = 2;
	h->facts[LOST].attrs = h->attrs;
	h->facts[LOST].attr_count = 3;
	h->facts[LOST].flags = CV_FACT_UUID | CV_FACT_PARENT | CV_FACT_PARENT_UUID;
	memset(h->facts[LOST].uuid, 0x11, 16);
	memset(h->facts[LOST].parent_uuid, 0x22, 16);
	m->status = CV_PARENT_MISSING;
	m->parent_name = &h->names[0];
	m->depth = 1;
}

static void put_references(struct house *h)
{
	h->sources[0] = (struct cv_claim_source){ .name = "proc", .read = true, .claims = 1 };
	h->sources[1] = (struct cv_claim_source){ .name = "list:/x", .trouble = "No such file" };
	h->claim = (struct cv_claim){ .kind = CV_CLAIM_INODE, .who = cv_bytes_of("qemu, pid 4711"), .in_use = true };
	h->reference = (struct cv_reference){ TOP, &h->claim };
	h->images[TOP].reference_count = 1;
	h->refs = (struct cv_references){ .claims = &h->claim, .claim_count = 1, .sources = h->sources,
					  .source_count = 2 };
}

static void put_graph(struct house *h)
{
	h->children[0] = LEAF;
	h->children[1] = MID;
	h->children[2] = FAR;
	h->children[3] = TOP;
	h->roots[0] = BASE;
	h->roots[1] = LOST;
	h->graph.by_file = h->by_file;
	h->graph.pub = (struct cv_graph){
		.scan = (const struct cv_scan *)(const void *)h, .refs = &h->refs, .images = h->images,
		.image_count = IMAGES, .children = h->children, .child_count = 4, .roots = h->roots, .root_count = 2,
		.references = &h->reference, .reference_count = 1, .findings = h->findings, .finding_count = 3,
	};
}

/* /srv/sr with a tree of four and one that lost its parent; /mnt/far with one that stands on it. */
static const struct cv_graph *build(struct house *h)
{
	*h = (struct house){ .trouble_count = 0 };
	h->repositories[0] = (struct cv_repository){
		.path = "/srv/sr", .kind = CV_REPOSITORY_XEN_FILE_SR, .complete = true, .size_bytes = 2048 * GIB,
		.free_bytes = 312 * GIB,
	};
	h->repositories[1] = (struct cv_repository){ .path = "/mnt/far", .other = true, .complete = true };
	put_image(h, BASE, "/srv/sr/base.vhd", 38 * GIB);
	put_image(h, LEAF, "/srv/sr/leaf.vhd", 12 << 20);
	put_image(h, LOST, "/srv/sr/lost.vhd", 4096);
	put_image(h, MID, "/srv/sr/mid.vhd", 4 * GIB + GIB / 2);
	put_image(h, TOP, "/srv/sr/top.vhd", 6 * GIB);
	put_image(h, FAR, "/mnt/far/clone.vhd", 4096);
	h->images[BASE].variant = CV_VARIANT_DYNAMIC;
	put_edge(h, LEAF, BASE, 1);
	put_edge(h, MID, BASE, 1);
	put_edge(h, FAR, BASE, 1);
	put_edge(h, TOP, MID, 2);
	put_base(h, BASE, 0, 3, 4);
	put_base(h, MID, 3, 1, 1);
	h->images[MID].coalesce = (struct cv_verdict){ .possible = true, .into = BASE, .reason = "it is hidden and has one child" };
	put_lost(h);
	put_references(h);
	put_finding(h, 0, CV_REF_REFERENCE_SOURCE_UNREADABLE, CV_NO_IMAGE, "list:/x");
	h->findings[0].arg[1] = cv_arg_text("No such file");
	put_finding(h, 1, CV_CHN_PARENT_MISSING, LOST, "gone.vhd");
	h->findings[1].has_where = true;
	h->findings[1].where = (struct cv_range){ 0x600, 20 };
	put_finding(h, 2, CV_SPC_COALESCABLE, MID, "base.vhd");
	h->findings[2].bytes = 4 * GIB;
	put_graph(h);
	return &h->graph.pub;
}

static bool collect(void *ctx, const char *text, size_t len)
{
	cv_text_add_bytes(ctx, text, len);
	return true;
}

static bool refuse(void *ctx, const char *text, size_t len)
{
	(void)text;
	(void)len;
	++*(int *)ctx;
	return false;
}

/* The report as a text the caller frees with cv_text_fini(). */
typedef bool report(const struct cv_graph *g, const struct cv_style *style, const struct cv_sink *sink);
static struct cv_text text_of(report *write, const struct cv_graph *g, struct cv_style style)
{
	struct cv_text t = { 0 };
	struct cv_sink sink = { collect, &t };

	assert_true(write(g, &style, &sink));
	assert_false(t.failed);
	return t;
}

static bool info_of_lost(const struct cv_graph *g, const struct cv_style *style, const struct cv_sink *sink)
{
	return cv_report_info(g, LOST, style, sink);
}

static void must_be(report *write, const struct cv_graph *g, struct cv_style style, const char *golden)
{
	struct cv_text t = text_of(write, g, style);

	assert_string_equal(cv_text_str(&t), golden);
	cv_text_fini(&t);
}

#define SUMMARY \
	"1 error, 1 warning, 1 note (chainview check lists them)\n" \
	"References: proc (1 reference, not complete), list:/x (not read: No such file); together not complete\n"

static void a_tree_is_drawn_with_aligned_columns(void **state)
{
	struct house h;

	(void)state;
	must_be(cv_report_tree, build(&h), (struct cv_style){ 0 },
		"/srv/sr  xen-file-sr, 5 images in 2 trees, 48.5G allocated; 312G of 2T free\n"
		"  IMAGE         FORMAT  VIRT  ALLOC  DEPTH  FLAGS\n"
		"  base.vhd      vhd      96G    38G      0  H  -> 1 child in another repository\n"
		"  ├─ leaf.vhd   vhd      96G    12M      1  -\n"
		"i └─ mid.vhd    vhd      96G   4.5G      1  HC\n"
		"    └─ top.vhd  vhd      96G     6G      2  A\n"
		"E lost.vhd      vhd      96G     4K      1  -  <- parent .\\gone.vhd missing\n"
		"\n"
		"H hidden base copy, A in use, C can be merged into its parent\n"
		SUMMARY);
}

static void a_tree_in_ascii_has_no_other_characters(void **state)
{
	struct house h;
	struct cv_text t;

	(void)state;
	t = text_of(cv_report_tree, build(&h), (struct cv_style){ .ascii = true });
	assert_non_null(strstr(t.at, "\n  |- leaf.vhd   vhd "));
	assert_non_null(strstr(t.at, "\ni `- mid.vhd    vhd "));
	assert_non_null(strstr(t.at, "\n    `- top.vhd  vhd "));
	for (size_t i = 0; i < t.len; i++)
		assert_true(t.at[i] == '\n' || (t.at[i] >= ' ' && t.at[i] <= '~'));
	cv_text_fini(&t);
}

static void a_narrow_tree_drops_columns_and_never_wraps_a_name(void **state)
{
	struct house h;

	(void)state;
	build(&h);
	h.images[TOP].id = "a-name-that-is-much-too-long-for-this.vhd";
	must_be(cv_report_tree, &h.graph.pub, (struct cv_style){ .width = 40 },
		"/srv/sr\n"
		"  xen-file-sr, 5 images in 2 trees,\n"
		"  48.5G allocated; 312G of 2T free\n"
		"  IMAGE               VIRT  ALLOC  FLAGS\n"
		"  base.vhd             96G    38G  H\n"
		"    -> 1 child in another repository\n"
		"  ├─ leaf.vhd          96G    12M  -\n"
		"i └─ mid.vhd           96G   4.5G  HC\n"
		"    └─ a-name…is.vhd   96G     6G  A\n"
		"E lost.vhd             96G     4K  -\n"
		"    <- parent .\\gone.vhd missing\n"
		"\n"
		"H hidden base copy, A in use, C can be\n"
		"merged into its parent\n"
		"1 error, 1 warning, 1 note (chainview\n"
		"  check lists them)\n"
		"References: proc (1 reference, not\n"
		"  complete), list:/x (not read: No such\n"
		"  file); together not complete\n");
}

static void colours_repeat_what_letters_say(void **state)
{
	struct house h;
	struct cv_text t;

	(void)state;
	t = text_of(cv_report_tree, build(&h), (struct cv_style){ .color = true });
	assert_non_null(strstr(t.at, "\n\033[1;38;5;160mE \033[0mlost.vhd      vhd      96G     4K      1  -"));
	assert_non_null(strstr(t.at, "\n\033[38;5;75mi \033[0m\033[38;5;246m└─ \033[0mmid.vhd "));
	cv_text_fini(&t);
}

static void exact_bytes_widen_the_columns(void **state)
{
	struct house h;
	struct cv_text t;

	(void)state;
	t = text_of(cv_report_tree, build(&h), (struct cv_style){ .exact_bytes = true });
	assert_non_null(strstr(t.at, "base.vhd      vhd     103079215104  40802189312      0  H"));
	cv_text_fini(&t);
}

static void findings_are_grouped_by_image(void **state)
{
	struct house h;

	(void)state;
	must_be(cv_report_findings, build(&h), (struct cv_style){ 0 },
		"/srv/sr\n"
		"  W CV-REF-0002 reference-source-unreadable: "
		"source of references list:/x could not be read: No such file\n"
		" lost.vhd\n"
		"  E CV-CHN-0001 parent-missing: parent gone.vhd is not there @0x600\n"
		" mid.vhd\n"
		"  i CV-SPC-0007 coalescable: can be merged into base.vhd\n"
		"\n"
		"1 error, 1 warning, 1 note; 2 of 5 images have findings\n"
		"References: proc (1 reference, not complete), list:/x (not read: No such file); "
		"together not complete\n");
}

static void verbose_findings_give_their_evidence(void **state)
{
	struct house h;
	struct cv_text t;

	(void)state;
	t = text_of(cv_report_findings, build(&h), (struct cv_style){ .verbose = 1 });
	assert_non_null(strstr(t.at, "is not there\n"
				     "      /srv/sr/lost.vhd at 0x600, 20 B\n"
				     "      recorded in W2ru: .\\gone.vhd at 0x600, 20 B\n"
				     "      recorded in W2ku: C:\\vm\\gone.vhd at 0x800, 28 B\n"
				     "      parent identity recorded: 22222222-2222-2222-2222-222222222222\n"));
	cv_text_fini(&t);
}

static void what_was_not_looked_at_is_said(void **state)
{
	struct house h;
	struct cv_text t;

	(void)state;
	build(&h);
	h.trouble_count = 1;
	h.troubles[0] = (struct cv_trouble){ 0, "/srv/sr/closed\033[2J", "Permission denied" };
	h.repositories[0].complete = false;
	h.graph.pub.partial = true;
	t = text_of(cv_report_findings, &h.graph.pub, (struct cv_style){ 0 });
	assert_non_null(strstr(t.at, "\nNot looked at\n  /srv/sr/closed\\x1b[2J: Permission denied\n"));
	assert_non_null(strstr(t.at, "the scan was stopped, so this is not all"));
	cv_text_fini(&t);
	t = text_of(cv_report_tree, &h.graph.pub, (struct cv_style){ 0 });
	assert_non_null(strstr(t.at, "\n  not everything in it was looked at\n"));
	assert_non_null(strstr(t.at, "\n  not looked at: /srv/sr/closed\\x1b[2J: Permission denied\n"));
	cv_text_fini(&t);
}

static void a_healthy_graph_says_so(void **state)
{
	struct house h;
	struct cv_text t;

	(void)state;
	build(&h);
	h.graph.pub.finding_count = 0;
	for (size_t i = 0; i < IMAGES; i++)
		h.images[i].any_finding = false;
	t = text_of(cv_report_findings, &h.graph.pub, (struct cv_style){ 0 });
	assert_non_null(strstr(t.at, "no findings; 0 of 5 images have findings\n"));
	cv_text_fini(&t);
}

static void info_has_every_section(void **state)
{
	static const char *const parts[] = {
		"lost.vhd\n  Path        /srv/sr/lost.vhd\n  Format      VHD, differencing\n",
		"  UUID        11111111-1111-1111-1111-111111111111\n",
		"  Virtual     96 GiB (103,079,215,104 B)\n",
		"  Modified    2025-11-20T10:00:00Z\n",
		"  Role        leaf, marked visible, depth 1, 0 images stand on it\n",
		"\nIn plain words\n  This VHD image is a leaf",
		"\nChain, from this image down\n    0  lost.vhd  vhd, 4K on disk\n"
		"       <- parent .\\gone.vhd missing\n",
		"  W2ru        .\\gone.vhd\n"
		"              at 0x600, 20 B; leads to /srv/sr/gone.vhd, which is not there\n",
		"at 0x800, 28 B; a Windows path; only its last component means anything here\n",
		"\nReferences\n  Sources: proc (1 reference, not complete)",
		"\nFindings\n  E CV-CHN-0001 parent-missing: parent gone.vhd is not there\n",
		"\nAll fields\n  block size              2 MiB (2,097,152 B)  at 0x220, 4 B\n",
		"  creator                 tap  at 0x1c, 4 B\n  saved state             yes\n",
	};
	struct house h;
	struct cv_text t;

	(void)state;
	t = text_of(info_of_lost, build(&h), (struct cv_style){ .verbose = 1 });
	for (size_t i = 0; i < CV_COUNT(parts); i++)
		if (!strstr(t.at, parts[i]))
			fail_msg("\"%s\" is not in:\n%s", parts[i], t.at);
	cv_text_fini(&t);
	t = text_of(info_of_lost, &h.graph.pub, (struct cv_style){ 0 });
	assert_null(strstr(t.at, "All fields"));
	cv_text_fini(&t);
}

static void a_description_says_who_needs_the_image(void **state)
{
	static const struct {
		uint32_t image;
		const char *says;
	} cases[] = {
		{ BASE, "It is needed as the parent of leaf.vhd, mid.vhd and /mnt/far/clone.vhd.\n" },
		{ BASE, "Without it 4 images could not be read any more: "
			"leaf.vhd, mid.vhd, /mnt/far/clone.vhd and top.vhd.\n" },
		{ BASE, "It has no parent and holds all of its data itself.\n" },
		{ MID, "a read may walk through 2 images.\n" },
		{ MID, "\nIt can be merged into base.vhd: it is hidden and has one child.\n" },
		{ TOP, "\nIt is in use by qemu, pid 4711.\n" },
		{ LOST, "it cannot be read in full: parent .\\gone.vhd missing.\n" },
		{ LOST, "\nIt must not be deleted: it may be needed.\n" },
	};
	struct house h;

	(void)state;
	build(&h);
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_text t = { 0 };

		assert_true(cv_describe_image(&h.graph.pub, cases[i].image, &t));
		if (!strstr(cv_text_str(&t), cases[i].says))
			fail_msg("\"%s\" is not in:\n%s", cases[i].says, cv_text_str(&t));
		cv_text_fini(&t);
	}
}

/* Every kind of parent trouble has its words in the tree, in info and in the description. */
static void every_parent_status_has_words(void **state)
{
	static const struct {
		enum cv_parent_status status;
		const char *says;
	} cases[] = {
		{ CV_PARENT_MISSING, "<- parent .\\gone.vhd missing" },
		{ CV_PARENT_MISMATCH, "<- parent .\\gone.vhd has another identity" },
		{ CV_PARENT_AMBIGUOUS, "<- parent .\\gone.vhd could be one of several images" },
		{ CV_PARENT_OUTSIDE, "<- parent .\\gone.vhd lies outside the repositories" },
		{ CV_PARENT_CYCLE, "<- parent .\\gone.vhd leads back here" },
		{ CV_PARENT_EXTERNAL, "<- parent .\\gone.vhd is not a file and not followed" },
		{ CV_PARENT_UNREADABLE, "<- parent .\\gone.vhd cannot be read" },
	};
	struct house h;

	(void)state;
	build(&h);
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_text t;

		h.images[LOST].status = cases[i].status;
		t = text_of(cv_report_tree, &h.graph.pub, (struct cv_style){ 0 });
		assert_non_null(strstr(t.at, cases[i].says));
		cv_text_fini(&t);
	}
	h.images[LOST].parent_name = NULL;
	struct cv_text t = text_of(cv_report_tree, &h.graph.pub, (struct cv_style){ 0 });
	assert_non_null(strstr(t.at, "<- parent fields unreadable"));
	cv_text_fini(&t);
}

/* A ring of two, one of them its root: each is drawn once. */
static void a_ring_is_drawn_once(void **state)
{
	struct house h;
	struct cv_text t;
	size_t lines = 0;

	(void)state;
	build(&h);
	h.children[0] = TOP;
	h.children[1] = MID;
	h.images[MID].status = h.images[TOP].status = CV_PARENT_CYCLE;
	h.images[MID].parent = TOP;
	h.images[TOP].first_child = 1;
	h.images[TOP].child_count = 1;
	h.images[MID].first_child = 0;
	h.images[BASE].child_count = 0;
	h.roots[1] = MID;
	t = text_of(cv_report_tree, &h.graph.pub, (struct cv_style){ 0 });
	for (const char *at = t.at; (at = strstr(at, " vhd ")); at++)
		lines++;
	assert_int_equal(lines, 5);
	assert_non_null(strstr(t.at, "<- parent top.vhd leads back here"));
	cv_text_fini(&t);
}

/* A chain that is far deeper than a line is wide stays within the line. */
static void a_deep_chain_stays_within_the_width(void **state)
{
	enum { DEEP = 300 };
	struct house h;
	struct cv_image images[DEEP];
	uint32_t children[DEEP], root = 0;
	struct cv_graph g;
	struct cv_text t;

	(void)state;
	build(&h);
	for (uint32_t i = 0; i < DEEP; i++) {
		images[i] = h.images[LEAF];
		images[i].status = i ? CV_PARENT_FOUND : CV_PARENT_NONE;
		images[i].parent = i ? i - 1 : CV_NO_IMAGE;
		images[i].depth = i;
		images[i].first_child = i;
		images[i].child_count = i + 1 < DEEP;
		children[i] = i + 1;
	}
	g = h.graph.pub;
	g.images = images;
	g.image_count = DEEP;
	g.children = children;
	g.roots = &root;
	g.root_count = 1;
	g.finding_count = 0;
	t = text_of(cv_report_tree, &g, (struct cv_style){ .width = 80, .ascii = true });
	for (const char *line = t.at; *line; line = strchr(line, '\n') + 1)
		assert_true((size_t)(strchr(line, '\n') - line) <= 80);
	assert_non_null(strstr(t.at, "    299  -\n"));
	cv_text_fini(&t);
}

static struct json_object *document(const struct cv_graph *g, const char *command, const uint32_t *selection, size_t n)
{
	char *argv[] = { (char[]){ "chainview" }, (char[]){ "tree" }, (char[]){ "bad\xff" } };
	struct cv_report_head head = { command, 3, argv, 76 };
	struct cv_text t = { 0 };
	struct cv_sink sink = { collect, &t };
	struct json_object *o;

	assert_true(cv_report_json(g, &head, selection, n, &sink));
	assert_true(cv_utf8_valid((struct cv_bytes){ t.at, t.len }));
	o = json_tokener_parse(t.at);
	assert_non_null(o);
	cv_text_fini(&t);
	return o;
}

/* The value at "repositories.0.images.2.id". */
static struct json_object *at(struct json_object *o, const char *path)
{
	char key[64];

	while (*path) {
		size_t len = strcspn(path, ".");

		snprintf(key, sizeof key, "%.*s", (int)len, path);
		o = json_object_is_type(o, json_type_array) ? json_object_array_get_idx(o, strtoul(key, NULL, 10)) :
							      json_object_object_get(o, key);
		path += len + (path[len] == '.');
	}
	return o;
}

static void must_say(struct json_object *document, const char *path, const char *json)
{
	struct json_object *o = at(document, path);
	const int plain = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	const char *got = o ? json_object_to_json_string_ext(o, plain) : "(absent)";

	if (strcmp(got, json))
		fail_msg("%s is %s, not %s", path, got, json);
}

static void json_has_the_fields_of_the_contract(void **state)
{
	static const char *const cases[][2] = {
		{ "schema", "{\"name\":\"chainview.tree\",\"version\":[1,0]}" },
		{ "tool.name", "\"chainview\"" },
		{ "tool.argv", "[\"chainview\",\"tree\",\"bad\\\\xff\"]" },
		{ "tool.exit_status", "76" },
		{ "repositories.0.path", "\"/srv/sr\"" },
		{ "repositories.0.kind", "\"xen-file-sr\"" },
		{ "repositories.0.size_bytes", "2199023255552" },
		{ "repositories.0.complete", "true" },
		{ "repositories.0.references.complete", "false" },
		{ "repositories.0.references.sources.1.name", "\"list:/x\"" },
		{ "repositories.1", "(absent)" },
		{ "repositories.0.images.0.id", "\"base.vhd\"" },
		{ "repositories.0.images.0.children", "[\"leaf.vhd\",\"mid.vhd\",\"/mnt/far/clone.vhd\"]" },
		{ "repositories.0.images.0.hidden", "true" },
		{ "repositories.0.images.0.parent", "{\"status\":\"none\",\"recorded\":[]}" },
		{ "repositories.0.images.0.uuid", "(absent)" },
		{ "repositories.0.images.1.parent.id", "\"base.vhd\"" },
		{ "repositories.0.images.2.parent.status", "\"missing\"" },
		{ "repositories.0.images.2.parent.id", "(absent)" },
		{ "repositories.0.images.2.parent.recorded.0", "{\"source\":\"W2ru\",\"text\":\".\\\\gone.vhd\"}" },
		{ "repositories.0.images.2.parent.uuid", "\"22222222-2222-2222-2222-222222222222\"" },
		{ "repositories.0.images.2.state", "\"error\"" },
		{ "repositories.0.images.2.attributes", "(absent)" },
		{ "repositories.0.images.3.coalesce",
		  "{\"possible\":true,\"into\":\"base.vhd\",\"reason\":\"it is hidden and has one child\"}" },
		{ "repositories.0.images.4.references",
		  "[{\"source\":\"proc\",\"who\":\"qemu, pid 4711\",\"confidence\":\"definite\"}]" },
		{ "repositories.0.images.4.depth", "2" },
		{ "repositories.0.images.4.role", "\"leaf\"" },
		{ "repositories.0.images.5", "(absent)" },
		{ "repositories.0.summary.images", "5" },
		{ "repositories.0.summary.errors", "1" },
		{ "findings.1.code", "\"CV-CHN-0001\"" },
		{ "findings.1.name", "\"parent-missing\"" },
		{ "findings.1.severity", "\"error\"" },
		{ "findings.1.repository", "\"/srv/sr\"" },
		{ "findings.1.image", "\"lost.vhd\"" },
		{ "findings.1.offset", "1536" },
		{ "findings.1.length", "20" },
		{ "findings.1.title", "\"parent gone.vhd is not there\"" },
		{ "findings.1.evidence.0", "\"/srv/sr/lost.vhd at 0x600, 20 B\"" },
		{ "findings.1.bytes", "(absent)" },
		{ "findings.0.image", "(absent)" },
		{ "findings.2.bytes", "4294967296" },
		{ "findings.3", "(absent)" },
	};
	struct house h;
	struct json_object *o = document(build(&h), "tree", NULL, 0);

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++)
		must_say(o, cases[i][0], cases[i][1]);
	json_object_put(o);
}

static void must_have_keys(struct json_object *o, const char *const *keys)
{
	json_object_object_foreach(o, key, value) {
		(void)value;
		assert_non_null(*keys);
		assert_string_equal(key, *keys++);
	}
	assert_null(*keys);
}

static void json_keys_come_in_their_order(void **state)
{
	static const char *const top[] = { "schema", "tool", "repositories", "findings", NULL };
	static const char *const repository[] = { "path", "kind", "size_bytes", "free_bytes", "complete", "references",
						  "images", "summary", NULL };
	static const char *const image[] = { "id", "path", "format", "variant", "uuid", "virtual_size_bytes",
					     "file_size_bytes", "allocated_bytes", "depth", "hidden", "role", "parent",
					     "children", "references", "coalesce", "state", NULL };
	static const char *const finding[] = { "code", "name", "severity", "repository", "image", "offset", "length",
					       "title", "evidence", "fix", NULL };
	struct house h;
	struct json_object *o = document(build(&h), "check", NULL, 0);

	(void)state;
	must_have_keys(o, top);
	must_have_keys(at(o, "repositories.0"), repository);
	must_have_keys(at(o, "repositories.0.images.2"), image);
	must_have_keys(at(o, "findings.1"), finding);
	json_object_put(o);
}

static void info_json_has_only_the_image_and_its_attributes(void **state)
{
	static const uint32_t lost = LOST;
	struct house h;
	struct json_object *o = document(build(&h), "info", &lost, 1);

	(void)state;
	must_say(o, "schema.name", "\"chainview.info\"");
	must_say(o, "repositories.0.images.0.id", "\"lost.vhd\"");
	must_say(o, "repositories.0.images.1", "(absent)");
	must_say(o, "repositories.0.images.0.deletable", "{\"possible\":false,\"reason\":\"it may be needed\"}");
	must_say(o, "repositories.0.images.0.attributes.0",
		 "{\"key\":\"block_size_bytes\",\"index\":0,\"value\":2097152,\"offset\":544,\"length\":4}");
	must_say(o, "repositories.0.images.0.attributes.1.value", "\"tap\"");
	must_say(o, "repositories.0.images.0.attributes.2", "{\"key\":\"saved_state\",\"index\":0,\"value\":true}");
	must_say(o, "findings.0.name", "\"parent-missing\"");
	must_say(o, "findings.1", "(absent)");
	json_object_put(o);
}

/* Bytes that must never reach a terminal as they are. */
#define HOSTILE "x\x1b[31m\n\r\x9b\xff\xc2\x9b\xe2\x80\xae\"\\x41"

static void put_hostile(struct house *h)
{
	struct cv_bytes bad = cv_bytes_of(HOSTILE);

	h->repositories[0].path = "/srv/" HOSTILE;
	for (size_t i = 0; i < IMAGES; i++) {
		h->images[i].id = HOSTILE;
		h->files[i].path = "/srv/" HOSTILE;
		h->facts[i].creator = bad;
	}
	h->names[0].text = h->names[0].path = h->names[1].text = bad;
	h->attrs[1].text = bad;
	h->claim.who = bad;
	h->sources[0].name = "list:" HOSTILE;
	for (size_t i = 0; i < 3; i++)
		h->findings[i].arg[0] = cv_arg_bytes(bad);
	h->troubles[0] = (struct cv_trouble){ 0, "/srv/" HOSTILE, "Permission denied" };
	h->trouble_count = 1;
}

static void must_be_harmless(const struct cv_text *t)
{
	struct cv_bytes all = { t->at, t->len };

	assert_true(cv_utf8_valid(all));
	for (size_t pos = 0; pos < all.len;) {
		int32_t c = cv_utf8_next(all, &pos);

		if ((c < ' ' && c != '\n') || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e))
			fail_msg("U+%04X in:\n%s", (unsigned)c, t->at);
	}
}

static void hostile_names_are_escaped_in_every_text(void **state)
{
	report *const reports[] = { cv_report_tree, cv_report_findings, info_of_lost };
	const char *const alias[] = { "/srv/" HOSTILE };
	struct house h;
	struct cv_text t = { 0 };

	(void)state;
	build(&h);
	put_hostile(&h);
	h.files[LOST].aliases = alias;
	h.files[LOST].alias_count = 1;
	for (size_t i = 0; i < CV_COUNT(reports); i++)
		for (unsigned width = 0; width <= 100; width += 10) {
			t = text_of(reports[i], &h.graph.pub, (struct cv_style){ .width = width, .verbose = 1 });
			must_be_harmless(&t);
			cv_text_fini(&t);
		}
	for (uint32_t i = 0; i < IMAGES; i++)
		assert_true(cv_describe_image(&h.graph.pub, i, &t));
	must_be_harmless(&t);
	cv_text_fini(&t);
}

static void hostile_names_come_back_exactly_from_json(void **state)
{
	static const uint32_t lost = LOST;
	static const char *const names[] = {
		"repositories.0.path", "repositories.0.images.0.id", "repositories.0.images.0.parent.recorded.0.text",
		"repositories.0.images.0.attributes.1.value", "repositories.0.references.sources.0.name",
		"repositories.0.summary.not_looked_at.0.path", "findings.0.image",
	};
	struct house h;
	struct json_object *o;
	char path[96];

	(void)state;
	build(&h);
	put_hostile(&h);
	h.files[LOST].aliases = NULL;
	o = document(&h.graph.pub, "info", &lost, 1);
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		const char *shown = json_object_get_string(at(o, names[i]));
		struct cv_text exact = { 0 }, b64 = { 0 };

		assert_non_null(shown);
		cv_text_unescape(&exact, cv_bytes_of(shown));
		assert_non_null(strstr(cv_text_str(&exact), HOSTILE));
		cv_text_base64(&b64, (struct cv_bytes){ exact.at, exact.len });
		snprintf(path, sizeof path, "%s_b64", names[i]);
		assert_string_equal(json_object_get_string(at(o, path)), cv_text_str(&b64));
		cv_text_fini(&exact);
		cv_text_fini(&b64);
	}
	json_object_put(o);
}

static void wide_characters_keep_the_columns_straight(void **state)
{
	struct house h;
	struct cv_text t;

	(void)state;
	build(&h);
	h.images[LEAF].id = "日本語.vhd";
	h.images[TOP].id = "e\xcc\x81.vhd";
	t = text_of(cv_report_tree, &h.graph.pub, (struct cv_style){ 0 });
	assert_non_null(strstr(t.at, "\n  ├─ 日本語.vhd  vhd      96G"));
	assert_non_null(strstr(t.at, "\n    └─ e\xcc\x81.vhd     vhd      96G"));
	cv_text_fini(&t);
}

static void a_sink_that_stops_stops_the_report(void **state)
{
	report *const reports[] = { cv_report_tree, cv_report_findings, info_of_lost };
	struct cv_report_head head = { .command = "tree" };
	struct house h;
	int calls = 0;
	struct cv_sink sink = { refuse, &calls };

	(void)state;
	build(&h);
	for (size_t i = 0; i < CV_COUNT(reports); i++)
		assert_false(reports[i](&h.graph.pub, &(struct cv_style){ 0 }, &sink));
	assert_false(cv_report_json(&h.graph.pub, &head, NULL, 0, &sink));
	assert_int_equal(calls, CV_COUNT(reports) + 1);
}

static void every_explanation_fits_its_width(void **state)
{
	(void)state;
	for (size_t i = 0; i < cv_problem_count; i++) {
		struct cv_text t = { 0 };
		struct cv_sink sink = { collect, &t };

		assert_true(cv_report_explain(&cv_problems[i], &(struct cv_style){ .width = 60 }, &sink));
		assert_memory_equal(t.at, cv_problems[i].name, strlen(cv_problems[i].name));
		assert_non_null(strstr(t.at, cv_problems[i].code));
		for (const char *line = t.at; *line; line = strchr(line, '\n') + 1)
			assert_true((size_t)(strchr(line, '\n') - line) <= 60);
		cv_text_fini(&t);
	}
}

static void explain_json_holds_all_problems(void **state)
{
	const struct cv_problem *list[2] = { &cv_problems[0], &cv_problems[1] };
	struct cv_report_head head = { .command = "explain" };
	struct cv_text t = { 0 };
	struct cv_sink sink = { collect, &t };
	struct json_object *o;

	(void)state;
	assert_true(cv_report_explain_json(list, 2, &head, &sink));
	o = json_tokener_parse(t.at);
	assert_non_null(o);
	assert_string_equal(json_object_get_string(at(o, "problems.1.name")), cv_problems[1].name);
	assert_true(json_object_array_length(at(o, "problems.0.explanation")) >= 2);
	json_object_put(o);
	cv_text_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_is_drawn_with_aligned_columns),
		cmocka_unit_test(a_tree_in_ascii_has_no_other_characters),
		cmocka_unit_test(a_narrow_tree_drops_columns_and_never_wraps_a_name),
		cmocka_unit_test(colours_repeat_what_letters_say),
		cmocka_unit_test(exact_bytes_widen_the_columns),
		cmocka_unit_test(findings_are_grouped_by_image),
		cmocka_unit_test(verbose_findings_give_their_evidence),
		cmocka_unit_test(what_was_not_looked_at_is_said),
		cmocka_unit_test(a_healthy_graph_says_so),
		cmocka_unit_test(info_has_every_section),
		cmocka_unit_test(a_description_says_who_needs_the_image),
		cmocka_unit_test(every_parent_status_has_words),
		cmocka_unit_test(a_ring_is_drawn_once),
		cmocka_unit_test(a_deep_chain_stays_within_the_width),
		cmocka_unit_test(json_has_the_fields_of_the_contract),
		cmocka_unit_test(json_keys_come_in_their_order),
		cmocka_unit_test(info_json_has_only_the_image_and_its_attributes),
		cmocka_unit_test(hostile_names_are_escaped_in_every_text),
		cmocka_unit_test(hostile_names_come_back_exactly_from_json),
		cmocka_unit_test(wide_characters_keep_the_columns_straight),
		cmocka_unit_test(a_sink_that_stops_stops_the_report),
		cmocka_unit_test(every_explanation_fits_its_width),
		cmocka_unit_test(explain_json_holds_all_problems),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL) ? 1 : 0;
}
