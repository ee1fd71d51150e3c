/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the steps of building a graph share while it is built: one node for each scanned file, where recorded
 * names lead, notes on images. Nothing here outlives cv_graph_build() but struct cv_graph_full.
 */
#ifndef CV_INSPECT_CHAIN_BUILD_H
#define CV_INSPECT_CHAIN_BUILD_H

#include <chainview/graph.h>
#include <chainview/vec.h>
#include "inspect/base/arena.h"

#define CV_NO_FILE UINT32_MAX
#define CV_NO_NAME UINT32_MAX

/* The public graph and what its functions need besides. */
struct cv_graph_full {
	struct cv_graph pub;
	uint32_t *by_file;          /* image indexes, sorted by the address of their file */
	struct cv_graph_policy policy;
};

/* What became of one recorded name, tried from one path of the image that holds it. */
struct cv_target {
	uint32_t file;              /* index into the nodes; CV_NO_FILE unless found is CV_FOUND_FILE */
	uint32_t name;              /* index into the names of the facts */
	uint32_t path;              /* 0: the first path of the image, then its aliases */
	enum cv_found found;
	bool hint;                  /* only the last component was tried, in the directory of the path */
	bool data;                  /* names the data file, not the parent */
	const char *what;           /* static text for NOT_REGULAR; else NULL */
};
CV_VEC(cv_target_vec, struct cv_target);
CV_VEC(cv_finding_vec, struct cv_finding);

enum cv_standing {
	CV_UNDECIDED,
	CV_AS_PROBED,               /* it is what its content says, and what it says is followed */
	CV_AS_RAW,                  /* it is declared raw, and nobody relies on its looks: its content is guest data */
};

/* One scanned file. */
struct cv_node {
	const struct cv_file *file;
	const struct cv_facts *facts;       /* what counts: those of the file, or made here for raw ones; may be NULL */
	enum cv_standing standing;
	uint32_t first_target, target_count;
	uint32_t parent;                    /* node; set for FOUND, CYCLE, MISMATCH and UNREADABLE */
	uint32_t data;                      /* node that holds its guest data, or CV_NO_FILE */
	uint32_t name;                      /* the recorded name that led there or is worth showing; CV_NO_NAME */
	enum cv_parent_status status;
	enum cv_parent_basis basis;
	bool has_paths;                     /* some target is no hint */
	bool declares_raw;                  /* its parent, by name, is to be taken as raw */
	bool said_raw;                      /* an image that is followed declares it raw */
	bool relied_on;                     /* an image that is followed needs it to be what it looks like */
	bool chosen;                        /* parent, data file or target of a reference: an image whatever it holds */
	bool recorded;                      /* known as something that another program keeps or has left here */
	uint32_t image;                     /* CV_NO_IMAGE if it is none */
};

/* A node that can be somebody's parent by identity. */
struct cv_identity {
	uint8_t uuid[16];
	enum cv_format_id format;
	uint32_t node;
};

/* What verdicts need to know about an image besides what the graph shows. */
struct cv_note {
	uint32_t node;
	uint32_t namer;             /* an image that names it as a parent and is not its child, or CV_NO_IMAGE */
	uint32_t perhaps;           /* an image with a name that cannot be followed and may mean it, or CV_NO_IMAGE */
	const struct cv_name *perhaps_name;
	uint32_t data_of;           /* an image whose guest data it holds, or CV_NO_IMAGE */
	uint32_t busy;              /* an image that is in use: itself or one that stands on it; or CV_NO_IMAGE */
	uint32_t users;             /* findings of who has it open, where no source that was asked for says so */
	bool garbage;               /* hidden without children, or all that stands on it is */
	bool foreign;               /* another tool's unfinished work concerns it */
	bool changed;               /* its parent no longer holds what it was made on */
	bool unread;                /* it might name any image as its parent */
	bool needed;                /* something stands against its deletion, whatever its mark and references say */
};

/* A reference that was matched to a file. */
struct cv_match {
	uint32_t node;
	const struct cv_claim *claim;
};
CV_VEC(cv_match_vec, struct cv_match);

struct cv_build {
	struct cv_graph *g;
	const struct cv_scan *scan;
	const struct cv_references *refs;
	struct cv_graph_policy policy;
	const struct cv_finding *given;     /* made of an earlier graph of the same scan */
	size_t given_count;
	struct cv_node *nodes;
	uint32_t node_count;
	struct cv_target_vec targets;
	struct cv_identity *identities;     /* sorted by format, UUID, node */
	size_t identity_count;
	struct cv_note *notes;              /* one for each image */
	struct cv_finding_vec findings;
	size_t ignored;                     /* how many of them rules take out */
	struct cv_match_vec matches;        /* in the order of the claims */
	uint32_t *lost_claims;              /* for each claim: where its target is missing, or UINT32_MAX */
	const struct cv_claim *lost;        /* one of them that is no sign of use, or NULL */
	uint32_t unread[2], unread_count;   /* two images that might name any image; how many there are */
	uint32_t incomplete;                /* a repository that was not looked at completely, or UINT32_MAX */
	bool failed;                        /* memory ran short: the steps go on, the graph is thrown away */
};

static inline const struct cv_target *cv_targets_of(const struct cv_build *b, const struct cv_node *n)
{
	return b->targets.at ? b->targets.at + n->first_target : NULL;
}

static inline bool cv_has(const struct cv_facts *f, uint32_t flag)
{
	return f && f->flags & flag;
}

/* What the content of the file says, also where it is taken for guest data; may be NULL. Targets index its names. */
static inline const struct cv_facts *cv_own_facts(const struct cv_node *n)
{
	return n->file->state == CV_FILE_WAITING ? NULL : n->file->facts;
}

/* Some say that it is raw and others rely on what it looks like: nothing may be done with it. */
static inline bool cv_is_disputed(const struct cv_node *n)
{
	return n->said_raw && n->relied_on;
}

/* Every reference that there can be is known. */
static inline bool cv_knows_references(const struct cv_build *b)
{
	return b->refs && b->refs->complete && !b->refs->none && !b->lost;
}

static inline struct cv_node *cv_node_of(const struct cv_build *b, uint32_t image)
{
	return &b->nodes[b->notes[image].node];
}

/* nodes.c: the scanned files, and which of them are images. */
bool cv_nodes_make(struct cv_build *b);
bool cv_images_make(struct cv_build *b);
/* True if it is an image whether or not anybody refers to it. */
bool cv_is_image(const struct cv_build *b, const struct cv_node *n);
/* The extension of an image format that the path ends in, with its dot; NULL if none. */
const char *cv_image_extension(const char *path);
/* A name of the image for people who look at another one: its id, or its path if it lies elsewhere. Raw bytes. */
const char *cv_image_label(const struct cv_graph *g, uint32_t repository, uint32_t image);

/* names.c: where recorded names lead. */
void cv_names_follow(struct cv_build *b);
/* The path that the name means from the first path of the node. False if it means none, or if out->failed is set. */
bool cv_name_path(const struct cv_node *n, const struct cv_name *name, struct cv_text *out);
/* The part behind the last separator of either kind; empty if it cannot name a file. */
struct cv_bytes cv_name_last(const struct cv_name *name);
static inline bool cv_name_is_path(const struct cv_name *name)
{
	return (name->kind == CV_NAME_RELATIVE || name->kind == CV_NAME_ABSOLUTE) && name->path.len;
}
static inline bool cv_name_is_hint(const struct cv_name *name)
{
	return name->kind == CV_NAME_WINDOWS || name->kind == CV_NAME_BASENAME;
}

/* raw.c: which files are raw because somebody declares them so. */
void cv_raw_decide(struct cv_build *b);
/* Takes one file as raw from here on. */
void cv_raw_take(struct cv_build *b, struct cv_node *n);

/* resolve.c: who is whose parent. */
void cv_resolve_by_name(struct cv_build *b);
void cv_resolve_identities(struct cv_build *b);      /* which one, where an image allows its parent two */
/* The other identity that a VHDX allows its parent to have. */
bool cv_second_identity(const struct cv_facts *f, uint8_t uuid[16]);
void cv_resolve_by_identity(struct cv_build *b);

/* identity.c: the nodes with a given identity, sorted by node. Made again once it is known which are raw. */
void cv_identities_make(struct cv_build *b);
const struct cv_identity *cv_identity_find(const struct cv_build *b, enum cv_format_id format, const uint8_t uuid[16],
					   size_t *count);

/* Reads exactly 36 characters, "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11". */
bool cv_uuid_read(const char *text, size_t len, uint8_t uuid[16]);

/* shape.c: cycles, children, depth, root, below, role. */
void cv_shape(struct cv_build *b);

/* claims.c: which references mean which file, and which mean nothing that is known; then, those of each image. */
void cv_claims_match(struct cv_build *b);
void cv_claims_group(struct cv_build *b);

#endif
