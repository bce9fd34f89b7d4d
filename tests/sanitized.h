/*
 * sanitized.h - SANITIZED is defined when a sanitizer watches the memory: it reserves terabytes of addresses, and ends the
 * program where an allocation would fail, so a test of a machine without memory cannot run.
 */
#ifndef TESTS_SANITIZED_H
#define TESTS_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

#endif
