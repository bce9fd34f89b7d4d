/*
 * cgroup.h - what the process's control groups leave it of memory and processor time.
 *
 * Versions 1 and 2 are looked up, which may stand side by side.  A limit may be set anywhere from
 * the process's own group up to the root, and the smallest of them holds.  In a container the path
 * that the process is given may lead nowhere, because its own group is mounted as the root; then only
 * that is found, which is right.
 *
 * `root` is put before every path: "", but for tests.
 */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

#include <stdint.h>

/* Bytes until a group's limit; pages of files count as free, since they are given back first.
 * UINT64_MAX where there is no limit. */
uint64_t cgroup_memory_left(const char *root);

/* Processors' worth of time that the quotas allow: 1.5 is three halves of one.  INFINITY where there
 * is no quota. */
double cgroup_processors(const char *root);

#endif
