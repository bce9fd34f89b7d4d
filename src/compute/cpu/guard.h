/*
 * guard.h - device memory that only the backend can reach: FIRERED_GUARD=1.
 *
 * On a GPU, host code that follows a device address crashes.  With the guard it does so here, too:
 * the memory is one file of the kernel's (memfd), mapped twice.  Addresses that are handed out lie
 * in a mapping that nobody may touch; the backend adds guard_entry to them and is in the other
 * one. Nothing is switched, so a stray read is caught while another thread computes.
 *
 * All of it is NaN when it is new, as a hint that nothing can be expected there.
 */
#ifndef CPU_GUARD_H
#define CPU_GUARD_H

#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

struct guard;

/* The caller owns *out.  STATUS_NO_MEMORY. */
enum status guard_create(struct guard **out, struct error *err);
void guard_destroy(struct guard *g); /* NULL is fine; what it gave is gone then */
uint64_t guard_entry(const struct guard *g);
/* Whole pages, full of NaN; 0 when there are no more.  By any thread. */
uint64_t guard_allocate(struct guard *g, size_t bytes);
void guard_release(struct guard *g, uint64_t address);

#endif
