/*
 * interrupt.h - Ctrl-C and SIGTERM during a command that has something to clean up.
 *
 * The first one ends the process at once with status 130, until interrupt_defer: from then on it
 * only sets a flag that the work asks for, and the second one ends the process.  The flag is the
 * process's, as signals are.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdbool.h>

void interrupt_install(void);
void interrupt_defer(void);
bool interrupt_requested(void);
bool interrupt_cancelled(void *unused); /* the same, for work that asks a function */

/* The file to remove when the process is ended by a signal; NULL: none.  The text is used in place
 * and has to live on. */
void interrupt_set_temporary(const char *path);

#endif
