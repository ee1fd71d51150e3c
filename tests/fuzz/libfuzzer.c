/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* One target under libFuzzer: built once for each, with its name in FUZZ_NAME. */
#include "tests/fuzz/target.h"

#define TARGET_OF(name) TARGET_OF_(name)
#define TARGET_OF_(name) fuzz_target_##name
#define TARGET TARGET_OF(FUZZ_NAME)

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);
size_t LLVMFuzzerMutate(uint8_t *at, size_t len, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *at, size_t len, size_t max, unsigned seed);

size_t fuzz_mutate_bytes(uint8_t *at, size_t len, size_t max)
{
	return LLVMFuzzerMutate(at, len, max);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	if (len <= TARGET.max)
		fuzz_run(&TARGET, at, len);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *at, size_t len, size_t max, unsigned seed)
{
	struct fuzz_dice dice = { seed };

	if (max > TARGET.max)
		max = TARGET.max;
	if (len > max)
		len = max;
	return TARGET.mutate ? TARGET.mutate(at, len, max, &dice) : fuzz_mutate_bytes(at, len, max);
}
