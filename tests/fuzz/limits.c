/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Counts the memory that a target holds, through the hooks of the address sanitizer. Without it, the test of the
 * hostile set measures the processes that read (tests/cli/test_hostile.sh).
 */
#include "tests/fuzz/limits.h"
#include "tests/fuzz/target.h"

#if defined(__SANITIZE_ADDRESS__)
#define COUNTS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COUNTS 1
#endif
#endif

#ifdef COUNTS
/* gcc does not install the header that declares them. */
int __sanitizer_install_malloc_and_free_hooks(void (*took)(const volatile void *, size_t),
					      void (*gave)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *p);

static bool counting;
static size_t held;

static void took(const volatile void *p, size_t len)
{
	(void)p;
	if (!counting)
		return;
	held += len;
	if (held > FUZZ_MEMORY) {
		counting = false;
		fuzz_broken(__FILE__, __LINE__, "%zu bytes are held at once", held);
	}
}

/* What was there before the target began is not counted, so its release is not either. */
static void gave(const volatile void *p)
{
	size_t len = counting && p ? __sanitizer_get_allocated_size(p) : 0;

	held -= len < held ? len : held;
}

void fuzz_limits_begin(void)
{
	static bool installed;

	if (!installed)
		__sanitizer_install_malloc_and_free_hooks(took, gave);
	installed = true;
	held = 0;
	counting = true;
}

void fuzz_limits_end(void)
{
	counting = false;
}
#else
void fuzz_limits_begin(void)
{
}

void fuzz_limits_end(void)
{
}
#endif
