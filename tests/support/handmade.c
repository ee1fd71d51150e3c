/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Graphs made by hand, for tests of what draws them. Nothing of it is read from disk. */
#include <stdio.h>

#include "tests/support/handmade.h"

static bool describe(const struct cv_graph *g, uint32_t image, struct cv_text *out)
{
	cv_text_addf(out, "It is a %s.\n", cv_role_name(g->images[image].role));
	cv_text_addf(out, "%u images stand on it and would lose their data if it were gone.\n", g->images[image].below);
	return true;
}

void handmade_init(struct handmade *h, size_t repositories, size_t cap)
{
	static const char *const paths[] = { "/srv/images/sr-ssd", "/srv/images/libvirt", "/mnt/nfs/backup" };

	*h = (struct handmade){ .cap = cap, .repository_count = repositories };
	h->repositories = calloc(repositories + 1, sizeof *h->repositories);
	h->repository_list = calloc(repositories + 1, sizeof *h->repository_list);
	h->files = calloc(cap + 1, sizeof *h->files);
	h->facts = calloc(cap + 1, sizeof *h->facts);
	h->images = calloc(cap + 1, sizeof *h->images);
	h->findings = calloc(cap + 1, sizeof *h->findings);
	h->children = calloc(cap + 1, sizeof *h->children);
	h->roots = calloc(cap + 1, sizeof *h->roots);
	h->paths = calloc(cap + 1, sizeof *h->paths);
	for (size_t i = 0; i < repositories; i++) {
		h->repositories[i] = (struct cv_repository){ .path = paths[i % 3], .complete = true, .device = 7,
			.kind = i == 1 ? CV_REPOSITORY_LIBVIRT : CV_REPOSITORY_DIRECTORY,
			.size_bytes = 2000ull << 30, .free_bytes = 312ull << 30 };
		h->repository_list[i] = &h->repositories[i];
	}
	h->source = (struct cv_claim_source){ .name = "proc", .read = true, .complete = true };
	h->refs = (struct cv_references){ .sources = &h->source, .source_count = 1, .complete = true };
}

void handmade_fini(struct handmade *h)
{
	for (size_t i = 0; i < h->count; i++)
		free(h->paths[i]);
	free(h->repositories);
	free(h->repository_list);
	free(h->files);
	free(h->facts);
	free(h->images);
	free(h->findings);
	free(h->children);
	free(h->roots);
	free(h->paths);
	*h = (struct handmade){ 0 };
}

struct cv_image *handmade_add(struct handmade *h, uint32_t r, const char *id, uint32_t parent, uint64_t allocated)
{
	size_t i = h->count++, size = strlen(id) + 64;
	struct cv_image *image = &h->images[i];
	struct cv_file *file = &h->files[i];

	h->paths[i] = malloc(size);
	snprintf(h->paths[i], size, "%s/%s", h->repositories[r].path, id);
	*file = (struct cv_file){ .repository = r,
				  .state = CV_FILE_READ,
				  .device = 7,
				  .inode = 1000 + i,
				  .links = 1,
				  .size = allocated,
				  .allocated = allocated,
				  .mtime_ns = (1763000000 + (int64_t)(i % 1000) * 86400) * 1000000000,
				  .path = h->paths[i],
				  .facts = &h->facts[i] };
	h->facts[i] =
		(struct cv_facts){ .format = CV_FORMAT_VHD, .variant = CV_VARIANT_DIFFERENCING, .block_size = 2 << 20 };
	*image = (struct cv_image){ .file = file, .facts = &h->facts[i], .repository = r,
		.id = h->paths[i] + strlen(h->repositories[r].path) + 1, .format = CV_FORMAT_VHD,
		.variant = parent == CV_NO_IMAGE ? CV_VARIANT_DYNAMIC : CV_VARIANT_DIFFERENCING,
		.virtual_size = 96ull << 30, .size_known = true, .parent = parent,
		.status = parent == CV_NO_IMAGE ? CV_PARENT_NONE : CV_PARENT_FOUND,
		.basis = parent == CV_NO_IMAGE ? CV_BASIS_NONE : CV_BASIS_BOTH,
		.coalesce = { .into = CV_NO_IMAGE, .reason = "it is a leaf" },
		.deletable = { .into = CV_NO_IMAGE, .reason = "it may be the disk of a guest" } };
	return image;
}

void handmade_find(struct handmade *h, enum cv_problem_id id, uint32_t image, struct cv_arg a, struct cv_arg b)
{
	struct cv_finding f = cv_finding_of(id);
	size_t at = h->finding_count;

	f.image = image;
	f.repository = h->images[image].repository;
	f.arg[0] = a;
	f.arg[1] = b;
	/* the order that the graph promises: by repository, then image */
	while (at && (h->findings[at - 1].repository > f.repository ||
		      (h->findings[at - 1].repository == f.repository && h->findings[at - 1].image > image))) {
		h->findings[at] = h->findings[at - 1];
		at--;
	}
	h->findings[at] = f;
	h->finding_count++;
	h->images[image].finding_count++;
	if (!h->images[image].any_finding || h->images[image].worst < f.severity)
		h->images[image].worst = f.severity;
	h->images[image].any_finding = true;
}

static void link_up(struct handmade *h, uint32_t i)
{
	struct cv_image *image = &h->images[i];

	image->root = i;
	if (image->parent == CV_NO_IMAGE) {
		h->roots[h->graph.root_count++] = i;
		return;
	}
	for (uint32_t up = image->parent, n = 0; up != CV_NO_IMAGE && n < h->count; up = h->images[up].parent, n++) {
		image->depth++;
		h->images[up].below++;
		image->root = up;
	}
}

void handmade_finish(struct handmade *h)
{
	uint32_t next = 0;

	h->graph = (struct cv_graph){ .refs = &h->refs,
				      .images = h->images,
				      .image_count = h->count,
				      .children = h->children,
				      .roots = h->roots,
				      .findings = h->findings,
				      .finding_count = h->finding_count };
	for (uint32_t i = 0; i < h->count; i++)
		link_up(h, i);
	/* count, then place: linear, so that big graphs are made quickly */
	for (uint32_t i = 0; i < h->count; i++)
		if (h->images[i].parent != CV_NO_IMAGE)
			h->images[h->images[i].parent].child_count++;
	for (uint32_t i = 0; i < h->count; i++) {
		h->images[i].first_child = next;
		next += h->images[i].child_count;
		h->images[i].child_count = 0;
	}
	for (uint32_t i = 0; i < h->count; i++) {
		struct cv_image *up = h->images[i].parent == CV_NO_IMAGE ? NULL : &h->images[h->images[i].parent];

		if (up)
			h->children[up->first_child + up->child_count++] = i;
	}
	for (uint32_t i = 0; i < h->count; i++)
		h->images[i].role = h->images[i].child_count              ? CV_ROLE_BASE
				    : h->images[i].mark == CV_MARK_HIDDEN ? CV_ROLE_ORPHAN
									  : CV_ROLE_LEAF;
	h->graph.child_count = next;
	h->snapshot = (struct cv_snapshot){ .graph = &h->graph, .repositories = h->repository_list,
		.repository_count = h->repository_count, .sandbox = "Landlock ABI 3, seccomp", .describe = describe };
}

static void add_chain(struct handmade *h, uint32_t r, const char *stem, int length)
{
	uint32_t parent = CV_NO_IMAGE;
	char name[64];

	for (int i = 0; i < length; i++) {
		struct cv_image *image;

		snprintf(name, sizeof name, "%s-%02d.vhd", stem, i);
		image = handmade_add(h, r, name, parent, (uint64_t)(i + 1) << 30);
		image->mark = i + 1 < length ? CV_MARK_HIDDEN : CV_MARK_VISIBLE;
		parent = (uint32_t)h->count - 1;
	}
}

static void add_hostile(struct handmade *h)
{
	static char long_name[256];

	memset(long_name, 'L', 255);
	handmade_add(h, 1, "a\033[2Jclear.qcow2", CV_NO_IMAGE, 1 << 20)->format = CV_FORMAT_QCOW2;
	handmade_add(h, 1, "b\xe2\x80\xae" "2wocq.exe", CV_NO_IMAGE, 1 << 20);
	handmade_add(h, 1, "c\xe4\xb8\xad\xe6\x96\x87\xe7\xa3\x81\xe7\x9b\x98.qcow2", CV_NO_IMAGE, 1 << 20);
	handmade_add(h, 1, "de\xcc\x81" "compose\xcc\x88.qcow2", CV_NO_IMAGE, 1 << 20);
	handmade_add(h, 1, "e\xff\xfe raw bytes", CV_NO_IMAGE, 1 << 20);
	handmade_add(h, 1, long_name, CV_NO_IMAGE, 1 << 20);
}

void handmade_house(struct handmade *h)
{
	struct cv_image *image;

	handmade_init(h, 2, 64);
	add_chain(h, 0, "build-ci", 27);
	handmade_add(h, 0, "web01-base.vhd", CV_NO_IMAGE, 38ull << 30)->mark = CV_MARK_HIDDEN;
	image = handmade_add(h, 0, "web01-mid.vhd", 27, 9ull << 30);
	image->mark = CV_MARK_HIDDEN;
	image->coalesce = (struct cv_verdict){ true, 27, "it is the only child of web01-base.vhd", false };
	handmade_add(h, 0, "web01-nightly.vhd", 28, 12 << 20);
	handmade_add(h, 0, "web01-root.vhd", 28, 6ull << 30);
	handmade_add(h, 0, "x-orphan.vhd", CV_NO_IMAGE, 58ull << 30)->mark = CV_MARK_HIDDEN;
	image = handmade_add(h, 0, "y-lost.vhd", CV_NO_IMAGE, 2ull << 30);
	image->status = CV_PARENT_MISSING;
	add_hostile(h);
	handmade_find(h, CV_SPC_CHAIN_TOO_DEEP, 26, cv_arg_number(27), cv_arg_number(25));
	handmade_find(h, CV_SPC_COALESCABLE, 28, cv_arg_text("web01-base.vhd"), (struct cv_arg){ 0 });
	handmade_find(h, CV_SPC_ORPHANED_BASE_COPY, 31, cv_arg_number(58ull << 30), (struct cv_arg){ 0 });
	handmade_find(h, CV_CHN_PARENT_MISSING, 32, cv_arg_text("gone\033[31m.vhd"), (struct cv_arg){ 0 });
	handmade_finish(h);
	h->images[32].depth = 1;
}
