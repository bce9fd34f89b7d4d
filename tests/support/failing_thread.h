/*
 * failing_thread.h - a thread that the system refuses to start (firered_failing_thread of
 * tests/CMakeLists.txt).
 */
#ifndef SUPPORT_FAILING_THREAD_H
#define SUPPORT_FAILING_THREAD_H

/* The n-th thread from now on, from 1, is refused with EAGAIN; 0: none. */
void threads_refuse(int n);

/* How many were asked for since then, the refused one among them. */
int threads_asked(void);

#endif
