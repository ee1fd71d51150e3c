/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * main(): the locale, then the program. Everything else is in tui/command/.
 */
#include <locale.h>

#include "tui/command/command.h"

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	return cv_program_run(argc, argv);
}
