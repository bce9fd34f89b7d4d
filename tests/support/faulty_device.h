/*
 * faulty_device.h - a device that fails when it is told to: a real one, whose products, copies to
 * it and packing may fail as a GPU's do.
 */
#ifndef SUPPORT_FAULTY_DEVICE_H
#define SUPPORT_FAULTY_DEVICE_H

#include "compute/backend.h"

/* From now on `c` counts its linear operations and uploads, and number `at` of them, from 0 on,
 * fails with that status and sentence; the others are done.  One device at a time. */
void faulty_device_arm(struct compute *c, int at, enum status why, const char *sentence);

/* How many were asked for since; the one that failed among them. */
int faulty_device_calls(void);

/* `c` is as it was. */
void faulty_device_disarm(struct compute *c);

#endif
